//! What an act or a report is about, in one line: by identity, never by a name alone.

use deminer_engine::plan::WhyLeft;
use deminer_engine::report::Object;
use deminer_worker::action::{Act, ActionId, FileTarget, LineTarget, LinkTarget, Object as Kept, ServiceManager};
use deminer_worker::network::Net;
use deminer_worker::query::Gap;
use deminer_worker::text::{HostBytes, HostPath};

use super::plain::{cut, plain, value};
use super::words::Words;

/// The digits of an action's name that are shown.
const ID_DIGITS: usize = 8;

/// Columns of what was not seen.
const GAP_COLUMNS: usize = 120;

/// An action's name as people are shown it; [`super::show::action`] takes it back.
pub(crate) fn short_id(id: ActionId) -> String {
    id.to_string()[..ID_DIGITS].to_owned()
}

/// What an act is about.
pub(crate) fn act(act: &Act, words: &dyn Words) -> String {
    match act {
        Act::Freeze { process }
        | Act::Kill { process }
        | Act::Throttle { process }
        | Act::Keep {
            object: Kept::Process { process },
        } => words.process(process.pid, &value(&process.comm)),
        Act::RemoveFile { file } | Act::RemoveStarter { file, .. } => held_file(file, words),
        Act::Keep {
            object: Kept::File { file },
        } => file.path.to_string(),
        Act::EditLines { file, remove, .. } => words.lines_of(&numbers(remove), &file.path.to_string()),
        Act::ClearFlags { file, flags: cleared } => words.aside(&file.path.to_string(), &flags(*cleared, words)),
        Act::RemoveLink { link } => shown_link(link),
        Act::ReloadUnits { manager, units } => units_of(*manager, units, words),
        Act::LockAccount { account } => words.account(&value(&account.name), account.uid),
        Act::BlockAddress { address, for_s } => words.blocked_for(&plain(address), *for_s),
        Act::Isolate { for_s, keep } => isolated(*for_s, keep, words),
        Act::RunArgv { argv, .. } => command(argv),
    }
}

fn held_file(file: &FileTarget, words: &dyn Words) -> String {
    match file.flags.unwrap_or(0) & HOLDING {
        0 => file.path.to_string(),
        held => words.aside(&file.path.to_string(), &flags(held, words)),
    }
}

/// A symbolic link and where it points.
pub(crate) fn shown_link(link: &LinkTarget) -> String {
    arrow(&link.path, &link.target)
}

fn arrow(path: &HostPath, target: &HostPath) -> String {
    format!("{path} -> {target}")
}

fn isolated(for_s: u32, keep: &[Net], words: &dyn Words) -> String {
    let keep: Vec<String> = keep.iter().map(ToString::to_string).collect();
    words.isolated_for(for_s, &keep)
}

fn units_of(manager: ServiceManager, units: &[HostBytes], words: &dyn Words) -> String {
    let names: Vec<String> = units.iter().map(|unit| format!("`{}`", value(unit))).collect();
    words.units_forgotten(manager, &words.and(&names))
}

/// The words of a command, each in backticks: what a shell would make of them does not matter.
pub(crate) fn command(argv: &[HostBytes]) -> String {
    let words: Vec<String> = argv.iter().map(|word| format!("`{}`", value(word))).collect();
    words.join(" ")
}

/// What a report's change is about.
pub(crate) fn object(object: &Object, words: &dyn Words) -> String {
    match object {
        Object::Process { pid, comm, .. } => words.process(*pid, &value(comm)),
        Object::File { path, .. } | Object::Directory { path } => path.to_string(),
        Object::Lines { path, numbers, .. } => words.lines_of(numbers, &path.to_string()),
        Object::Flags { path, flags: cleared } => words.aside(&path.to_string(), &flags(*cleared, words)),
        Object::Link { path, target } => arrow(path, target),
        Object::Units { manager, units } => units_of(*manager, units, words),
        Object::Account { name, uid } => words.account(&value(name), *uid),
        Object::Address { address, for_s } => words.blocked_for(&plain(address), *for_s),
        Object::Network { for_s, keep } => isolated(*for_s, keep, words),
        Object::Command { argv } => command(argv),
    }
}

/// An action by kind, object and name: `edit_lines line 3 of /etc/crontab (1e155f5c)`.
pub(crate) fn named(act: &Act, id: ActionId, words: &dyn Words) -> String {
    words.aside(&words.act(act.kind(), &self::act(act, words)), &short_id(id))
}

fn numbers(lines: &[LineTarget]) -> Vec<u32> {
    lines.iter().map(|line| line.number).collect()
}

/// The inode flags by which a file withstands its removal.
pub(crate) const HOLDING: u32 = 0x30;

/// Inode flags, by the names of chattr(1) where they have one here.
pub(crate) fn flags(flags: u32, words: &dyn Words) -> String {
    words.flags(flags & 0x10 != 0, flags & 0x20 != 0, flags & !HOLDING)
}

/// Why something is left alone.
pub(crate) fn why_left(why: &WhyLeft, words: &dyn Words) -> String {
    match why {
        WhyLeft::Protected { rule } => words.protected(&plain(rule)),
        WhyLeft::Limited { most } => words.limited(*most),
        WhyLeft::Needs { action } => words.needs_what_is_left(&short_id(*action)),
        WhyLeft::Edited { action } => words.edited_instead(&short_id(*action)),
        WhyLeft::ServesNothing {} => words.serves_nothing().to_owned(),
        WhyLeft::DirectoryFlags { flags: held } => words.held_directory(&flags(*held, words)),
    }
}

/// Something that was not seen, and why.
pub(crate) fn gap(gap: &Gap, words: &dyn Words) -> String {
    let subject = plain(&gap.subject);
    let object = gap.object.to_string();
    let room = GAP_COLUMNS.saturating_sub(subject.len());
    words.gap(&cut(&subject, GAP_COLUMNS), &cut(&object, room.max(20)), gap.why)
}

#[cfg(test)]
mod tests {
    use deminer_worker::query::GapReason;
    use deminer_worker::text::HostBytes;

    use super::*;
    use crate::render::words::Lang;

    #[test]
    fn gaps_are_bounded() {
        let seen = Gap {
            subject: "file".to_owned(),
            object: HostBytes::new(vec![b'\n'; 1 << 16]),
            why: GapReason::Denied,
        };
        for lang in [Lang::En, Lang::Zh] {
            assert!(gap(&seen, lang.words()).len() < 200);
        }
    }
}
