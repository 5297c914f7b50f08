//! English words for what is spoken of everywhere.

use std::borrow::Cow;

use deminer_engine::plan::UndoKind;
use deminer_engine::status::Status;
use deminer_worker::action::{Effect, Role, ServiceManager};
use deminer_worker::query::GapReason;

use super::super::{Label, Noun, Things};
use super::English;
use crate::render::plan::Judged;
use crate::render::unit::{Clock, grouped, scaled};

impl Things for English {
    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Action => "action",
            Label::AlsoDone => "also done",
            Label::Answered => "answered",
            Label::Approval => "approval",
            Label::Approves => "approves",
            Label::GoodUntil => "until",
            Label::Needs => "needs",
            Label::Secrets => "secrets",
            Label::Signature => "signature",
            Label::Then => "then",
            Label::Armed => "armed",
            Label::Disarmed => "disarmed",
            Label::GivesBack => "gives back",
            Label::StaysAsItIs => "stays",
            Label::Because => "because",
            Label::Busy => "busy",
            Label::By => "by",
            Label::Changed => "changed",
            Label::Clear => "clear",
            Label::Clock => "clock",
            Label::Drifted => "drifted",
            Label::End => "end",
            Label::Envelope => "envelope",
            Label::Environment => "environment",
            Label::External => "external",
            Label::Limits => "limits",
            Label::Failed => "failed",
            Label::Footprint => "footprint",
            Label::FrozenNow => "frozen now",
            Label::HandOver => "hand over",
            Label::Hash => "hash",
            Label::Holds => "holds",
            Label::Host => "host",
            Label::Playbook => "playbook",
            Label::Purpose => "for",
            Label::Run => "run",
            Label::Journal => "journal",
            Label::Kept => "kept",
            Label::KeptFirst => "kept first",
            Label::KeptInVault => "kept in the vault",
            Label::Kind => "kind",
            Label::LastHash => "last hash",
            Label::LeftAlone => "left alone",
            Label::Lines => "lines",
            Label::LookAt => "look at",
            Label::Covered => "covered",
            Label::Never => "never",
            Label::Next => "next",
            Label::NotDone => "not done",
            Label::NotKept => "not kept",
            Label::NotKnown => "not known",
            Label::NotSeen => "not seen",
            Label::NotUndone => "not undone",
            Label::Object => "object",
            Label::OldKernel => "old kernel",
            Label::OnlyIf => "only if",
            Label::Open => "open",
            Label::WayIn => "way in",
            Label::Outcome => "what became of it",
            Label::OwnYes => "own yes",
            Label::Override => "override",
            Label::New => "new",
            Label::NotAnyMore => "no more",
            Label::Programs => "programs",
            Label::Tables => "tables",
            Label::Does => "does",
            Label::NothingOn => "nothing",
            Label::Remove => "remove",
            Label::Removed => "removed",
            Label::Returned => "returned",
            Label::StillThere => "still there",
            Label::Runs => "runs",
            Label::StartedBy => "started by",
            Label::Status => "status",
            Label::Stays => "stays",
            Label::Stopped => "stopped",
            Label::Stroke => "stroke",
            Label::StruckToo => "struck too",
            Label::Suspect => "suspect",
            Label::TakenBack => "taken back",
            Label::Times => "times",
            Label::ToLeave => "to leave",
            Label::Told => "told",
            Label::Trouble => "trouble",
            Label::Undo => "undo",
            Label::Values => "values",
            Label::Beside => "beside it",
            Label::Verify => "verify",
            Label::Waits => "waits",
            Label::Watched => "watched",
            Label::WayBack => "way back",
            Label::Why => "why",
        }
    }

    fn count(&self, number: u64, of: Noun) -> String {
        let (one, several) = match of {
            Noun::Action => ("action", "actions"),
            Noun::File => ("file", "files"),
            Noun::Finding => ("finding", "findings"),
            Noun::Host => ("host", "hosts"),
            Noun::Item => ("item", "items"),
            Noun::Line => ("line", "lines"),
            Noun::Name => ("name", "names"),
            Noun::Process => ("process", "processes"),
            Noun::Thing => ("thing", "things"),
        };
        counted(number, one, several)
    }

    fn and(&self, words: &[String]) -> String {
        match words {
            [] => String::new(),
            [one] => one.clone(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        }
    }

    fn list(&self, words: &[String]) -> String {
        words.join(", ")
    }

    fn commas(&self, parts: &[String]) -> String {
        parts.join(", ")
    }

    fn clauses(&self, clauses: &[String]) -> String {
        clauses.join("; ")
    }

    fn of(&self, what: &str, said: &str) -> String {
        format!("{what}: {said}")
    }

    fn aside(&self, what: &str, remark: &str) -> String {
        format!("{what} ({remark})")
    }

    fn more(&self, more: u64) -> String {
        format!("and {more} more")
    }

    fn further(&self, more: u64) -> String {
        format!("{more} more")
    }

    fn span(&self, ms: u64) -> String {
        match Clock::of(ms) {
            Clock::Milliseconds(ms) => format!("{ms} ms"),
            Clock::Seconds(seconds, 0) => format!("{seconds} s"),
            Clock::Seconds(seconds, tenths) => format!("{seconds}.{tenths} s"),
            Clock::Minutes(minutes, seconds) => format!("{minutes}m{seconds:02}s"),
            Clock::Hours(hours, minutes, seconds) => format!("{hours}h{minutes:02}m{seconds:02}s"),
        }
    }

    fn size(&self, bytes: u64) -> String {
        scaled(bytes).unwrap_or_else(|| counted(bytes, "byte", "bytes"))
    }

    fn tally(&self, done: u32, of: u32, left_out: u32) -> String {
        match left_out {
            0 => format!("{done} of {of}"),
            left_out => format!("{done} of {of} ({left_out} left out)"),
        }
    }

    fn kind(&self, kind: &'static str) -> &'static str {
        kind
    }

    fn act(&self, kind: &'static str, object: &str) -> String {
        format!("{kind} {object}")
    }

    fn role(&self, role: Role) -> &'static str {
        match role {
            Role::Miner => "miner",
            Role::Guardian => "guardian",
            Role::Companion => "companion",
        }
    }

    fn status(&self, status: Status) -> &'static str {
        match status {
            Status::Returned => "returned",
            Status::CannotSay => "cannot_say",
            Status::Drifted => "drifted",
            Status::Partial => "partial",
            Status::Failed => "failed",
            Status::Blocked => "blocked",
            Status::Unreachable => "unreachable",
            Status::Cancelled => "cancelled",
            Status::Waiting => "waiting",
            Status::NotApproved => "not_approved",
            Status::Proposed => "proposed",
            Status::Contained => "contained",
            Status::Suspected => "suspected",
            Status::Undone => "undone",
            Status::Eradicated => "eradicated",
            Status::Clean => "clean",
        }
    }

    fn judged(&self, judged: Judged) -> &'static str {
        judged.code()
    }

    fn process(&self, pid: u32, name: &str) -> String {
        format!("pid {pid} `{name}`")
    }

    fn lines(&self, numbers: &[u32]) -> String {
        let words: Vec<String> = numbers.iter().map(u32::to_string).collect();
        let lines = if words.len() == 1 { "line" } else { "lines" };
        format!("{lines} {}", self.and(&words))
    }

    fn lines_of(&self, numbers: &[u32], path: &str) -> String {
        format!("{} of {path}", self.lines(numbers))
    }

    fn account(&self, name: &str, uid: u32) -> String {
        format!("`{name}`, uid {uid}")
    }

    fn account_named(&self, name: &str) -> String {
        format!("account `{name}`")
    }

    fn unit_named(&self, name: &str) -> String {
        format!("unit `{name}`")
    }

    fn units_forgotten(&self, manager: ServiceManager, units: &str) -> String {
        format!("the {manager} manager forgets {units}")
    }

    fn blocked_for(&self, address: &str, for_s: u32) -> String {
        format!("{address}, both ways, ends by itself after {}", whole(for_s))
    }

    fn isolated_for(&self, for_s: u32, keep: &[String]) -> String {
        let mut but = vec!["our session".to_owned(), "loopback".to_owned()];
        but.extend_from_slice(keep);
        format!("all but {}, ends by itself after {}", self.and(&but), whole(for_s))
    }

    fn the_host(&self) -> &'static str {
        "the host"
    }

    fn flags(&self, immutable: bool, append_only: bool, others: u32) -> String {
        let mut words = Vec::new();
        if immutable {
            words.push("immutable".to_owned());
        }
        if append_only {
            words.push("append-only".to_owned());
        }
        if others != 0 || words.is_empty() {
            words.push(format!("flags {others:#x}"));
        }
        self.and(&words)
    }

    fn undo(&self, undo: UndoKind) -> &'static str {
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

    fn gap(&self, subject: &str, object: &str, why: GapReason) -> String {
        let why = match why {
            GapReason::Denied => "permission denied",
            GapReason::Gone => "ended while it was read",
            GapReason::Cut => "longer than the limit",
            GapReason::TooMany => "more than the limit",
            GapReason::TimedOut => "no answer in time",
            GapReason::Malformed => "not in its documented form",
            GapReason::Unsupported => "not supported here",
            GapReason::Changed => "changed while it was read",
            GapReason::Untrusted => "no package explains it, and it can hide anything",
            GapReason::Testimony => "by the word of a program of the host",
            GapReason::Failed => "failed",
            GapReason::NotSought => "no step of `verify` looks for it",
        };
        match object.is_empty() {
            true => format!("{subject} ({why})"),
            false => format!("{subject} {object} ({why})"),
        }
    }

    fn directory(&self, path: &str) -> String {
        format!("directory {path}")
    }

    fn protected(&self, rule: &str) -> String {
        format!("protected: {rule}")
    }

    fn limited(&self, most: Effect) -> String {
        format!("at most `{most}` is allowed")
    }

    fn needs_what_is_left(&self, action: &str) -> String {
        format!("it needs {action}, which is left alone")
    }

    fn edited_instead(&self, action: &str) -> String {
        format!("lines are taken out of it instead, by {action}")
    }

    fn serves_nothing(&self) -> &'static str {
        "what it was to prepare is left alone"
    }

    fn held_directory(&self, flags: &str) -> String {
        format!("the directory is {flags}: what is to be removed in it can go only after a person cleared that")
    }

    fn authored<'a>(&self, words: &'a str) -> &'a str {
        words
    }

    fn place<'a>(&self, place: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(place)
    }
}

/// `1 host`, `18,204 hosts`.
pub(super) fn counted(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { several })
}

/// A time in seconds as people say it: `24 h`, `90 min`, `45 s`.
fn whole(seconds: u32) -> String {
    match seconds {
        s if s % 3600 == 0 && s > 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 && s > 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let rows = [
            (0, "0 s"),
            (90, "90 ms"),
            (100, "0.1 s"),
            (1_900, "1.9 s"),
            (20_000, "20 s"),
            (59_999, "59.9 s"),
            (60_000, "1m00s"),
            (599_999, "9m59s"),
            (600_000, "10m00s"),
            (3_900_000, "1h05m00s"),
        ];
        for (ms, expected) in rows {
            assert_eq!(English.span(ms), expected, "{ms}");
        }
    }

    #[test]
    fn sizes() {
        let rows = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1,023 bytes"),
            (1024, "1.0 KiB"),
            (6_920_602, "6.6 MiB"),
            (1_048_575, "1.0 MiB"),
            (64 << 20, "64.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, expected) in rows {
            assert_eq!(English.size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn words_in_a_row() {
        assert_eq!(English.and(&["a", "b", "c"].map(str::to_owned)), "a, b and c");
        assert_eq!(
            English.lines_of(&[3, 4, 9], "/etc/crontab"),
            "lines 3, 4 and 9 of /etc/crontab"
        );
        assert_eq!(English.flags(true, true, 0), "immutable and append-only");
        assert_eq!(English.flags(true, false, 8), "immutable and flags 0x8");
        assert_eq!(English.flags(false, false, 0), "flags 0x0");
    }

    #[test]
    fn codes_are_the_words() {
        for status in Status::ALL {
            assert_eq!(English.status(status), status.to_string());
        }
    }
}
