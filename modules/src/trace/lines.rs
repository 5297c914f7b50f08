//! The lines and files that start something condemned. A line is condemned when all of it serves that; one that also
//! serves another purpose is for a person, with what would be left of it.

use deminer_engine::finding::Bearing;
use deminer_engine::module::ModuleError;
use deminer_worker::query::Ownership;
use deminer_worker::text::HostPath;

use super::case::{Case, Words, is_vouched, words_of};
use super::files;
use super::look::Look;
use super::speech::{Speech, Tenor, pipes_a_download, speech, tenor, without_condemned};
use crate::starter::{Place, Starter};

/// The largest library that is read.
const LIBRARY_BYTES: u32 = 8 << 20;
/// Directories above a file that are tried as the home of a line's user.
const HOME_DEPTH: usize = 8;
/// A shorter name would be found in any library.
const NAME_BYTES: usize = 4;

/// One pass over all starters. `true` where something new was condemned.
pub(super) async fn search(case: &mut Case, look: &mut Look<'_>, starters: &[Starter]) -> Result<bool, ModuleError> {
    look.learn_owners(starters.iter().flat_map(|starter| starter.starts.iter().cloned()))
        .await?;
    let mut new = false;
    for starter in starters {
        new |= match (starter.place, starter.number) {
            (Place::Preload, _) => preload(case, look, starter).await?,
            (_, Some(_)) => {
                let scripts = scripts(case, look, starter).await?;
                line(case, starter) || scripts
            }
            (_, None) => whole_file(case, look, &starter.file.path).await?,
        };
    }
    Ok(new)
}

/// The scripts that a line starts, where they serve a condemned path by their own text.
async fn scripts(case: &mut Case, look: &mut Look<'_>, starter: &Starter) -> Result<bool, ModuleError> {
    let mut new = false;
    for path in &starter.starts {
        if case.paths.contains(path) || is_vouched(&look.owner(path).await?, path) {
            continue;
        }
        new |= match case.is_near(path) {
            true => files::text(case, look, path).await?,
            false => whole_file(case, look, path).await?,
        };
    }
    Ok(new)
}

/// A script in an ordinary place: condemned where all of it serves a condemned path and no package stands behind it.
async fn whole_file(case: &mut Case, look: &mut Look<'_>, path: &HostPath) -> Result<bool, ModuleError> {
    if case.paths.contains(path) {
        return Ok(false);
    }
    // Without a package database all of `/etc` counts as packaged; what a clock starts is judged by its text.
    let packaged = match look.owner(path).await? {
        Ownership::Unowned => false,
        Ownership::Unknown => !is_cron_file(path) && is_vouched(&Ownership::Unknown, path),
        _ => true,
    };
    if packaged && !is_cron_file(path) {
        return Ok(false);
    }
    let Some(file) = look.text(path).await? else {
        return Ok(false);
    };
    let Some(bytes) = words_of(&file) else { return Ok(false) };
    let (served, whole) = match tenor(bytes, None, &case.paths) {
        Tenor::Condemned(served) => (served, true),
        Tenor::Mixed(served) => (served, false),
        Tenor::Unrelated => match speech(bytes, path.parent().as_ref(), &case.paths) {
            Speech::Serves(served) => (served, false),
            _ => return Ok(false),
        },
    };
    let ties = case.tie_to(&served);
    let fields = [("served", served.as_bytes())];
    if whole && !packaged {
        let words = Words {
            signal: "serves_condemned",
            say: "every command in it starts {served} or puts it in its place",
            fields: &fields,
        };
        return Ok(case.condemn_file(&file.stat, &words, &ties));
    }
    let words = Words {
        signal: "serves_condemned",
        say: "it starts {served}, but it does other things too, or a package knows it: edit it by hand",
        fields: &fields,
    };
    case.ask_file(&file.stat, &words, &ties);
    Ok(false)
}

fn is_cron_file(path: &HostPath) -> bool {
    let places = [
        "/etc/cron.hourly",
        "/etc/cron.daily",
        "/etc/cron.weekly",
        "/etc/cron.monthly",
    ];
    places.iter().any(|place| path.is_below(&HostPath::from(*place)))
}

/// What a line comes to. Where only its user's home tells which file it starts, the home is the directory from which its
/// words lead to the file that the crontab's reader found.
fn line_tenor(case: &Case, starter: &Starter) -> Tenor {
    let command = starter.command.as_bytes();
    let plain = tenor(command, None, &case.paths);
    let found = starter.starts.iter().find(|path| case.paths.contains(*path));
    let (Tenor::Unrelated, Some(found)) = (&plain, found) else {
        return plain;
    };
    std::iter::successors(found.parent(), HostPath::parent)
        .take(HOME_DEPTH)
        .map(|home| tenor(command, Some(&home), &case.paths))
        .find(|tenor| *tenor != Tenor::Unrelated)
        .unwrap_or(plain)
}

fn line(case: &mut Case, starter: &Starter) -> bool {
    let command = starter.command.as_bytes();
    match line_tenor(case, starter) {
        Tenor::Condemned(served) => {
            let words = match pipes_a_download(command) {
                true => Words {
                    signal: "starts_condemned",
                    say: "the line starts {served}, which is condemned, and pipes a download into a shell",
                    fields: &[("served", served.as_bytes())],
                },
                false => Words {
                    signal: "starts_condemned",
                    say: "the line starts {served}, which is condemned, and nothing else",
                    fields: &[("served", served.as_bytes())],
                },
            };
            return case.state_line(starter, &served, Bearing::Condemns, &words);
        }
        Tenor::Mixed(served) => mixed(case, starter, &served),
        Tenor::Unrelated => {
            let started = starter.starts.iter().find(|path| case.paths.contains(*path)).cloned();
            let searched = case.homes.iter().find(|home| sets_path(starter, home)).cloned();
            if let Some(served) = started {
                mixed(case, starter, &served);
            } else if let Some(home) = searched {
                let words = Words {
                    signal: "path_to_condemned",
                    say: "settings above the line make it search {home}, where a condemned executable lies",
                    fields: &[("home", home.as_bytes())],
                };
                case.state_line(starter, &home, Bearing::Review, &words);
            } else if pipes_a_download(command) {
                let words = Words {
                    signal: "download_to_shell",
                    say: "the line pipes a download into a shell; nothing ties it to a condemned object",
                    fields: &[],
                };
                case.state_line(starter, &HostPath::default(), Bearing::Review, &words);
            }
        }
    }
    false
}

fn mixed(case: &mut Case, starter: &Starter, served: &HostPath) {
    let left = without_condemned(starter.command.as_bytes(), &case.paths);
    let words = match &left {
        Some(left) => Words {
            signal: "starts_condemned",
            say: "the line starts {served}, which is condemned, and does other things too; without it: `{replacement}`",
            fields: &[("served", served.as_bytes()), ("replacement", left)],
        },
        None => Words {
            signal: "starts_condemned",
            say: "the line starts {served}, which is condemned, and may do other things too: edit it by hand",
            fields: &[("served", served.as_bytes())],
        },
    };
    case.state_line(starter, served, Bearing::Review, &words);
}

/// Whether a `PATH=` above the line names this directory.
fn sets_path(starter: &Starter, home: &HostPath) -> bool {
    starter.settings.iter().any(|setting| {
        let setting = setting.as_bytes();
        let Some(at) = setting.iter().position(|b| *b == b'=') else {
            return false;
        };
        setting[..at].trim_ascii() == b"PATH"
            && setting[at + 1..]
                .split(|b| *b == b':')
                .any(|entry| entry.trim_ascii().trim_ascii_end() == home.as_bytes())
    })
}

/// A preloaded library: condemned where its own bytes hide a condemned name from directory listings.
async fn preload(case: &mut Case, look: &mut Look<'_>, starter: &Starter) -> Result<bool, ModuleError> {
    let mut new = false;
    for path in &starter.starts {
        if is_vouched(&look.owner(path).await?, path) {
            continue;
        }
        let Some(library) = look.read(path, LIBRARY_BYTES).await? else {
            continue;
        };
        let bytes = library.content.as_bytes();
        let holds = |part: &[u8]| bytes.windows(part.len()).any(|run| run == part);
        let hidden = case.paths.iter().find(|known| {
            let name = known.file_name();
            name.len() >= NAME_BYTES && holds(&[b"\0", name, b"\0"].concat())
        });
        let hidden = hidden
            .filter(|_| bytes.starts_with(b"\x7fELF") && holds(b"readdir"))
            .cloned();
        match hidden {
            Some(hidden) => {
                let fields = [("library", path.as_bytes()), ("hidden", hidden.as_bytes())];
                let words = Words {
                    signal: "hides_condemned",
                    say: "it reads directories in the place of the system and holds the name of {hidden}",
                    fields: &fields[1..],
                };
                let ties = case.tie_to(&hidden);
                new |= case.condemn_file(&library.stat, &words, &ties);
                let words = Words {
                    signal: "loads_condemned",
                    say: "the line loads {library}, which hides {hidden}, into every program",
                    fields: &fields,
                };
                let alone = starter.starts.len() == 1;
                let bearing = if alone { Bearing::Condemns } else { Bearing::Review };
                new |= case.state_line(starter, path, bearing, &words);
            }
            None => {
                let words = Words {
                    signal: "unowned_preload",
                    say: "the line loads {library}, which no package knows, into every program",
                    fields: &[("library", path.as_bytes())],
                };
                case.state_line(starter, path, Bearing::Review, &words);
            }
        }
    }
    Ok(new)
}
