//! Lines that start something condemned. A line is condemned when all of it serves that; one that also serves another
//! purpose, or that others hang on, is for a person, with what would be left of it.

use deminer_engine::finding::Bearing;
use deminer_engine::module::ModuleError;
use deminer_worker::text::HostPath;

use super::case::{Case, Words, words_of};
use super::look::Look;
use super::speech::{Tenor, pipes_a_download, tenor, without_condemned};
use crate::catalogue::{Reads, Removal};
use crate::known_programs::LOADING;
use crate::starter::{Place, Starter};

/// Directories above a file that are tried as the home of a line's user.
const HOME_DEPTH: usize = 8;

/// What a command comes to. Where only its directory tells which file it starts (its user's home, a `cd` above it), that
/// is the directory from which its words lead to a file that the place's reader found.
pub(super) fn tenor_of(case: &Case, command: &[u8], starter: &Starter) -> Tenor {
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

/// One line. `true` where it was not condemned yet.
pub(super) async fn line(case: &mut Case, look: &mut Look<'_>, starter: &Starter) -> Result<bool, ModuleError> {
    let command = starter.command.as_bytes();
    match tenor_of(case, command, starter) {
        Tenor::Condemned(served) => {
            if let Some(lines) = starter.within {
                hangs_together(case, look, starter, lines, &served).await?;
                return Ok(false);
            }
            if starter.place.entry().removal == Removal::Review {
                by_hand(case, starter, &served);
                return Ok(false);
            }
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
            return Ok(case.state_line(starter, &served, Bearing::Condemns, &words));
        }
        Tenor::Mixed(served) => match starter.within {
            Some(lines) => hangs_together(case, look, starter, lines, &served).await?,
            None => mixed(case, starter, &served),
        },
        Tenor::Unrelated => {
            let started = starter.starts.iter().find(|path| case.paths.contains(*path)).cloned();
            let loaded = loads(starter, case);
            let searched = case.homes.iter().find(|home| searches(starter, home)).cloned();
            if let Some(served) = started {
                match starter.within {
                    Some(lines) => hangs_together(case, look, starter, lines, &served).await?,
                    None => mixed(case, starter, &served),
                }
            } else if let Some(served) = loaded {
                let words = Words {
                    signal: "settings_load_condemned",
                    say: "settings make what it starts load {served}, which is condemned; they hold for other lines too",
                    fields: &[("served", served.as_bytes())],
                };
                case.state_line(starter, &served, Bearing::Review, &words);
            } else if let Some(home) = searched {
                let words = Words {
                    signal: "path_to_condemned",
                    say: "settings make it search {home}, where a condemned executable lies",
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
    Ok(false)
}

/// A line that others hang on: what would be left of them is proposed to a person.
async fn hangs_together(
    case: &mut Case,
    look: &mut Look<'_>,
    starter: &Starter,
    [first, last]: [u32; 2],
    served: &HostPath,
) -> Result<(), ModuleError> {
    let file = look.text(&starter.file.path).await?;
    let bytes = file.as_ref().and_then(words_of).unwrap_or_default();
    let count = (last - first) as usize + 1;
    let lines: Vec<&[u8]> = bytes
        .split(|b| *b == b'\n')
        .skip(first as usize - 1)
        .take(count)
        .collect();
    let is_shell = starter.place.entry().reads == Reads::Shell || starter.place.entry().reads == Reads::Logrotate;
    let whole = is_shell && matches!(tenor_of(case, &lines.join(&b'\n'), starter), Tenor::Condemned(_));
    let (from, to) = (first.to_string(), last.to_string());
    let fields = [
        ("served", served.as_bytes()),
        ("first", from.as_bytes()),
        ("last", to.as_bytes()),
    ];
    let words = if whole {
        Words {
            signal: "starts_condemned",
            say: "lines {first} to {last} start {served}, which is condemned, and nothing else: take them out together",
            fields: &fields,
        }
    } else if is_shell {
        Words {
            signal: "starts_condemned",
            say: "the line starts {served}, which is condemned, and is a part of lines {first} to {last}, which do other \
                  things too: put `:` in its place",
            fields: &fields,
        }
    } else {
        Words {
            signal: "starts_condemned",
            say: "the line starts {served}, which is condemned, and says other things too: edit it by hand",
            fields: &fields[..1],
        }
    };
    case.state_line(starter, served, Bearing::Review, &words);
    Ok(())
}

fn by_hand(case: &mut Case, starter: &Starter, served: &HostPath) {
    let words = Words {
        signal: "starts_condemned",
        say: "the line starts {served}, which is condemned; in such a file a mistake locks people out or breaks more: edit \
              it by hand",
        fields: &[("served", served.as_bytes())],
    };
    case.state_line(starter, served, Bearing::Review, &words);
}

fn mixed(case: &mut Case, starter: &Starter, served: &HostPath) {
    // What sudoers grants is no text for a shell: what would be left of it is for a person to write.
    let left = match starter.place {
        Place::Sudoers => None,
        _ => without_condemned(starter.command.as_bytes(), &case.paths),
    };
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

/// The settings of a line, by name and value.
fn settings(starter: &Starter) -> impl Iterator<Item = (&[u8], &[u8])> {
    starter.settings.iter().filter_map(|setting| {
        let setting = setting.as_bytes();
        let at = setting.iter().position(|b| *b == b'=')?;
        Some((setting[..at].trim_ascii(), &setting[at + 1..]))
    })
}

/// Whether a `PATH=` that holds for the line names this directory. Of a file where every line has what stands above it,
/// only the line that sets it says so.
fn searches(starter: &Starter, home: &HostPath) -> bool {
    let sets = |part: &[u8]| starter.line.as_bytes().windows(part.len()).any(|run| run == part);
    if starter.place.entry().reads == Reads::Shell && !sets(b"PATH") {
        return false;
    }
    settings(starter).any(|(name, value)| name == b"PATH" && parts(value).any(|part| part == home.as_bytes()))
}

/// The condemned file that settings of the line make programs load.
fn loads(starter: &Starter, case: &Case) -> Option<HostPath> {
    settings(starter)
        .filter(|(name, _)| LOADING.contains(name))
        .flat_map(|(_, value)| parts(value))
        .map(HostPath::new)
        .find(|path| case.paths.contains(path))
}

/// The parts of a list of paths.
fn parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|b| matches!(b, b':' | b' '))
        .map(|part| part.trim_ascii())
        .map(|part| part.strip_prefix(b"\"").unwrap_or(part))
        .map(|part| part.strip_suffix(b"\"").unwrap_or(part))
}
