//! What an act or a report is about, in one line: by identity, never by a name alone.

use deminer_engine::plan::{UndoKind, WhyLeft};
use deminer_engine::report::Object;
use deminer_worker::action::{Act, ActionId, LineTarget, Object as Kept, ServiceManager};
use deminer_worker::query::{Gap, GapReason};
use deminer_worker::text::HostBytes;

use super::plain::{cut, plain, value};
use super::unit::and;

/// The digits of an action's name that are shown.
const ID_DIGITS: usize = 8;

/// Columns of what was not seen.
const GAP_COLUMNS: usize = 120;

/// An action's name as people are shown it; [`super::show::action`] takes it back.
pub(crate) fn short_id(id: ActionId) -> String {
    id.to_string()[..ID_DIGITS].to_owned()
}

/// What an act is about.
pub(crate) fn act(act: &Act) -> String {
    match act {
        Act::Freeze { process }
        | Act::Kill { process }
        | Act::Keep {
            object: Kept::Process { process },
        } => format!("pid {} `{}`", process.pid, value(&process.comm)),
        Act::RemoveFile { file } => match file.flags.unwrap_or(0) & HOLDING {
            0 => file.path.to_string(),
            held => format!("{} ({})", file.path, flags(held)),
        },
        Act::Keep {
            object: Kept::File { file },
        } => file.path.to_string(),
        Act::EditLines { file, remove, .. } => format!("{} of {}", line_numbers(remove), file.path),
        Act::ClearFlags { file, flags: cleared } => format!("{} ({})", file.path, flags(*cleared)),
        Act::RemoveStarter { file, .. } => match file.flags.unwrap_or(0) & HOLDING {
            0 => file.path.to_string(),
            held => format!("{} ({})", file.path, flags(held)),
        },
        Act::RemoveLink { link } => format!("{} -> {}", link.path, link.target),
        Act::ReloadUnits { manager, units } => units_of(*manager, units),
        Act::LockAccount { account } => format!("`{}`, uid {}", value(&account.name), account.uid),
        Act::BlockAddress { address, for_s } => format!("{}, both ways, for {}", plain(address), seconds(*for_s)),
        Act::Isolate { for_s } => format!("all but our session and loopback, for {}", seconds(*for_s)),
        Act::Throttle { process } => format!("pid {} `{}`", process.pid, value(&process.comm)),
        Act::RunArgv { argv, .. } => words(argv),
    }
}

fn units_of(manager: ServiceManager, units: &[HostBytes]) -> String {
    let names: Vec<String> = units.iter().map(|unit| format!("`{}`", value(unit))).collect();
    format!("the {manager} manager forgets {}", and(&names))
}

/// The words of a command, each in backticks: what a shell would make of them does not matter.
fn words(argv: &[HostBytes]) -> String {
    let words: Vec<String> = argv.iter().map(|word| format!("`{}`", value(word))).collect();
    words.join(" ")
}

/// A time in seconds as people say it.
fn seconds(seconds: u32) -> String {
    match seconds {
        s if s % 3600 == 0 && s > 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 && s > 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// What a report's change is about.
pub(crate) fn object(object: &Object) -> String {
    match object {
        Object::Process { pid, comm, .. } => format!("pid {pid} `{}`", value(comm)),
        Object::File { path, .. } | Object::Directory { path } => path.to_string(),
        Object::Lines { path, numbers, .. } => format!("{} of {path}", numbered("line", "lines", numbers)),
        Object::Flags { path, flags: cleared } => format!("{path} ({})", flags(*cleared)),
        Object::Link { path, target } => format!("{path} -> {target}"),
        Object::Units { manager, units } => units_of(*manager, units),
        Object::Account { name, uid } => format!("`{}`, uid {uid}", value(name)),
        Object::Address { address, for_s } => format!("{}, both ways, for {}", plain(address), seconds(*for_s)),
        Object::Network { for_s } => format!("all but our session and loopback, for {}", seconds(*for_s)),
        Object::Command { argv } => words(argv),
    }
}

/// `line 3`, `lines 3, 4 and 9`.
pub(crate) fn line_numbers(lines: &[LineTarget]) -> String {
    let numbers: Vec<u32> = lines.iter().map(|line| line.number).collect();
    numbered("line", "lines", &numbers)
}

fn numbered(one: &str, several: &str, numbers: &[u32]) -> String {
    let words: Vec<String> = numbers.iter().map(u32::to_string).collect();
    format!("{} {}", if words.len() == 1 { one } else { several }, and(&words))
}

/// The inode flags by which a file withstands its removal.
const HOLDING: u32 = 0x30;

/// Inode flags, by the names of chattr(1) where they have one here.
pub(crate) fn flags(flags: u32) -> String {
    let mut words = Vec::new();
    for (bit, word) in [(0x10, "immutable"), (0x20, "append-only")] {
        if flags & bit != 0 {
            words.push(word.to_owned());
        }
    }
    match flags & !HOLDING {
        0 if !words.is_empty() => {}
        other => words.push(format!("flags {other:#x}")),
    }
    and(&words)
}

/// How an act is taken back, as a heading.
pub(crate) fn undo(undo: UndoKind) -> &'static str {
    match undo {
        UndoKind::NothingChanged => "changes nothing",
        UndoKind::Thaw
        | UndoKind::SetFlags
        | UndoKind::RestoreLink
        | UndoKind::UnlockAccount
        | UndoKind::Unblock
        | UndoKind::Unthrottle => "undo at once",
        UndoKind::RunArgv => "undo by command",
        UndoKind::None => "no undo",
        UndoKind::RestoreFile | UndoKind::RestoreLines => "undo from vault",
    }
}

/// Why something is left alone.
pub(crate) fn why_left(why: &WhyLeft) -> String {
    match why {
        WhyLeft::Protected { rule } => format!("protected: {}", plain(rule)),
        WhyLeft::Needs { action } => format!("it needs {}, which is left alone", short_id(*action)),
        WhyLeft::Edited { action } => format!("lines are taken out of it instead, by {}", short_id(*action)),
        WhyLeft::ServesNothing {} => "what it was to prepare is left alone".to_owned(),
        WhyLeft::DirectoryFlags { flags: held } => format!(
            "the directory is {}: what is to be removed in it can go only after a person cleared that",
            flags(*held)
        ),
    }
}

/// Something that was not seen, and why.
pub(crate) fn gap(gap: &Gap) -> String {
    let why = match gap.why {
        GapReason::Denied => "permission denied",
        GapReason::Gone => "ended while it was read",
        GapReason::Cut => "longer than the limit",
        GapReason::TooMany => "more than the limit",
        GapReason::TimedOut => "no answer in time",
        GapReason::Malformed => "not in its documented form",
        GapReason::Unsupported => "not supported here",
        GapReason::Changed => "changed while it was read",
    };
    let subject = plain(&gap.subject);
    let object = gap.object.to_string();
    match object.is_empty() {
        true => format!("{} ({why})", cut(&subject, GAP_COLUMNS)),
        false => format!("{} ({why})", cut(&format!("{subject} {object}"), GAP_COLUMNS)),
    }
}

#[cfg(test)]
mod tests {
    use deminer_worker::text::HostBytes;

    use super::*;

    #[test]
    fn flags_by_name() {
        assert_eq!(flags(0x10), "immutable");
        assert_eq!(flags(0x30), "immutable and append-only");
        assert_eq!(flags(0x18), "immutable and flags 0x8");
        assert_eq!(flags(0), "flags 0x0");
    }

    #[test]
    fn gaps_are_bounded() {
        let seen = Gap {
            subject: "file".to_owned(),
            object: HostBytes::new(vec![b'\n'; 1 << 16]),
            why: GapReason::Denied,
        };
        assert!(gap(&seen).len() < 200);
    }
}
