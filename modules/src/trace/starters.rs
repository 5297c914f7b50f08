//! What starts something condemned: lines, whole files, links. Each is condemned for its own bytes only.

use std::borrow::Cow;
use std::collections::BTreeMap;

use deminer_engine::finding::Bearing;
use deminer_engine::module::ModuleError;
use deminer_worker::query::{FileStat, Ownership};
use deminer_worker::text::HostPath;

use super::case::{Case, Words, is_vouched, words_of};
use super::files;
use super::lines::{line, tenor_of};
use super::look::Look;
use super::preload::preload;
use super::speech::{Speech, Tenor, speech, tenor};
use crate::catalogue::{Place, Reads};
use crate::command_words::resolved;
use crate::starter::Starter;
use crate::starter_text::{commands_of_at_job, commands_of_upstart};

/// One pass over all starters. `true` where something new was condemned.
pub(super) async fn search(case: &mut Case, look: &mut Look<'_>, starters: &[Starter]) -> Result<bool, ModuleError> {
    let named = starters.iter().flat_map(|starter| starter.starts.iter().cloned());
    let files = starters.iter().map(|starter| starter.file.path.clone());
    look.learn_owners(named.chain(files)).await?;
    let mut unknown = Vec::new();
    // Libraries are longer than texts: each is read by itself.
    let texts = starters.iter().filter(|starter| !starter.place.is_loaded());
    for path in texts.flat_map(|starter| &starter.starts) {
        if !case.paths.contains(path) && !is_vouched(&look.owner(path).await?, path) {
            unknown.push(path.clone());
        }
    }
    look.learn_texts(unknown).await?;
    let mut new = whole_of_lines(case, look, starters).await?;
    for starter in starters {
        new |= match (starter.place, starter.number) {
            (Place::Preload, _) => preload(case, look, starter).await?,
            // The whole file goes, its lines with it.
            (_, Some(_)) if case.paths.contains(&starter.file.path) => false,
            (_, Some(_)) => {
                let scripts = scripts(case, look, starter).await?;
                line(case, look, starter).await? || scripts
            }
            (Place::RcLink, None) => false,
            (_, None) => whole_file(case, look, starter).await?,
        };
    }
    for starter in starters {
        new |= link(case, starter);
    }
    Ok(new)
}

/// Files of which lines or the whole may be taken away: the whole where nothing else is in them.
async fn whole_of_lines(case: &mut Case, look: &mut Look<'_>, starters: &[Starter]) -> Result<bool, ModuleError> {
    let mut files: BTreeMap<&HostPath, Vec<&Starter>> = BTreeMap::new();
    for starter in starters {
        let entry = starter.place.entry();
        if entry.whole().is_some() && entry.has_lines() && starter.number.is_some() && starter.link.is_none() {
            files.entry(&starter.file.path).or_default().push(starter);
        }
    }
    let mut new = false;
    for (path, rows) in files {
        let names = |starter: &&&Starter| starter.starts.iter().any(|path| case.paths.contains(path));
        let Some(first) = rows.iter().find(names) else { continue };
        if case.paths.contains(path) || is_known(look.owner(path).await?) {
            continue;
        }
        let Some(file) = look.text(path).await? else { continue };
        let Some(bytes) = words_of(&file) else { continue };
        let served = match first.place.entry().reads {
            Reads::Shell => match tenor(bytes, None, &case.paths) {
                Tenor::Condemned(served) => Some(served),
                _ => None,
            },
            _ => all_lines(case, &rows, bytes),
        };
        let Some(served) = served else { continue };
        new |= condemn_whole(case, &file.stat, &served);
    }
    Ok(new)
}

/// The condemned path that every line of a text serves; `None` where one does not.
fn all_lines(case: &Case, rows: &[&Starter], bytes: &[u8]) -> Option<HostPath> {
    let mut served = None;
    for (line, number) in bytes.split(|b| *b == b'\n').zip(1u32..) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let row = rows
            .iter()
            .find(|row| row.number == Some(number) && row.within.is_none())?;
        match tenor_of(case, row.command.as_bytes(), row) {
            Tenor::Condemned(path) => served = Some(path),
            _ => return None,
        }
    }
    served
}

/// Whether a package knows a file. Where no database tells, what lies in a place of the catalogue is judged by its text.
fn is_known(owner: Ownership) -> bool {
    !matches!(owner, Ownership::Unowned | Ownership::Unknown)
}

fn condemn_whole(case: &mut Case, stat: &FileStat, served: &HostPath) -> bool {
    let words = Words {
        signal: "serves_condemned",
        say: "every command in it starts {served} or puts it in its place",
        fields: &[("served", served.as_bytes())],
    };
    let ties = case.tie_to(served);
    case.condemn_file(stat, &words, &ties)
}

/// The scripts that a line starts, where they serve a condemned path by their own text.
async fn scripts(case: &mut Case, look: &mut Look<'_>, starter: &Starter) -> Result<bool, ModuleError> {
    let mut new = false;
    for path in &starter.starts {
        let owner = look.owner(path).await?;
        if case.paths.contains(path) || is_vouched(&owner, path) {
            continue;
        }
        new |= script(case, look, path).await?;
    }
    Ok(new)
}

/// A script that something starts, wherever it lies.
pub(super) async fn script(case: &mut Case, look: &mut Look<'_>, path: &HostPath) -> Result<bool, ModuleError> {
    match case.is_near(path) {
        true => files::text(case, look, path).await,
        false => ordinary(case, look, path).await,
    }
}

/// A script in an ordinary place: condemned where all of it serves a condemned path and no package stands behind it.
async fn ordinary(case: &mut Case, look: &mut Look<'_>, path: &HostPath) -> Result<bool, ModuleError> {
    let Some(file) = look.text(path).await? else {
        return Ok(false);
    };
    let Some(bytes) = words_of(&file) else { return Ok(false) };
    match what_it_serves(case, bytes, tenor(bytes, None, &case.paths), path) {
        Some((served, true)) => Ok(condemn_whole(case, &file.stat, &served)),
        Some((served, false)) => {
            ask_whole(case, &file.stat, &served);
            Ok(false)
        }
        None => Ok(false),
    }
}

/// What a text serves by its words, and whether it does nothing else.
fn what_it_serves(case: &Case, bytes: &[u8], tenor: Tenor, path: &HostPath) -> Option<(HostPath, bool)> {
    match tenor {
        Tenor::Condemned(served) => Some((served, true)),
        Tenor::Mixed(served) => Some((served, false)),
        Tenor::Unrelated => match speech(bytes, path.parent().as_ref(), &case.paths) {
            Speech::Serves(served) => Some((served, false)),
            _ => None,
        },
    }
}

fn ask_whole(case: &mut Case, stat: &FileStat, served: &HostPath) {
    let words = Words {
        signal: "serves_condemned",
        say: "it starts {served}, but it does other things too, or a package knows it: edit it by hand",
        fields: &[("served", served.as_bytes())],
    };
    let ties = case.tie_to(served);
    case.ask_file(stat, &words, &ties);
}

/// A file that is started whole, or whose whole text is one start.
async fn whole_file(case: &mut Case, look: &mut Look<'_>, starter: &Starter) -> Result<bool, ModuleError> {
    let path = &starter.file.path;
    if case.paths.contains(path) {
        return Ok(false);
    }
    let Some(file) = look.text(path).await? else {
        return Ok(false);
    };
    let Some(bytes) = words_of(&file) else { return Ok(false) };
    let entry = starter.place.entry();
    let commands: Cow<'_, [u8]> = match entry.reads {
        Reads::AtJob => Cow::Borrowed(commands_of_at_job(bytes)),
        Reads::Upstart => Cow::Owned(commands_of_upstart(bytes)),
        Reads::Exec => Cow::Borrowed(starter.command.as_bytes()),
        _ => Cow::Borrowed(bytes),
    };
    let tenor = tenor_of(case, &commands, starter);
    let Some((served, whole)) = what_it_serves(case, &commands, tenor, path) else {
        return Ok(false);
    };
    // What a place has by a link lies elsewhere: there it counts as any other script.
    let elsewhere = starter.link.is_some();
    let known = match elsewhere {
        true => is_vouched(&look.owner(path).await?, path),
        false => is_known(look.owner(path).await?),
    };
    if whole && !known && (elsewhere || entry.whole().is_some()) {
        return Ok(condemn_whole(case, &file.stat, &served));
    }
    ask_whole(case, &file.stat, &served);
    Ok(false)
}

/// A link by which a place has what is condemned: its own bytes are where it leads. `true` where it was not condemned yet.
fn link(case: &mut Case, starter: &Starter) -> bool {
    let Some(link) = &starter.link else { return false };
    let leads = resolved(link.target.as_bytes(), link.path.parent().as_ref(), true);
    // At its end may stand another link.
    let ends = [HostPath::new(leads.as_bytes()), starter.file.path.clone()];
    let Some(served) = ends.iter().find(|path| case.paths.contains(*path)) else {
        return false;
    };
    let words = Words {
        signal: "links_condemned",
        say: "by the link its place starts {served}, which is condemned",
        fields: &[("served", served.as_bytes())],
    };
    let bearing = match starter.place.entry().whole() {
        Some(_) => Bearing::Condemns,
        None => Bearing::Review,
    };
    case.state_link(link, served, bearing, &words)
}
