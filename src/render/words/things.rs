//! Words for what is spoken of everywhere: hosts, processes, files, numbers, times, and how words are joined.

use std::borrow::Cow;

use deminer_engine::finding::HostVerdict;
use deminer_engine::plan::UndoKind;
use deminer_engine::status::Status;
use deminer_worker::action::{Effect, Role, ServiceManager};
use deminer_worker::query::GapReason;

use super::super::plan::Judged;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noun {
    Action,
    File,
    Finding,
    Host,
    Item,
    Line,
    Name,
    Process,
    Thing,
}

/// What was removed or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removed {
    /// Processes of the plan, by what they were.
    Killed(Role),
    /// Processes beyond the plan.
    Born,
    /// Acts of this kind; of `edit_lines` the lines.
    Kind(&'static str),
}

/// The words that stand before a text or over a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    Action,
    AlsoDone,
    Answered,
    Approval,
    Approves,
    Because,
    Beside,
    Busy,
    By,
    Changed,
    Armed,
    Clear,
    Clock,
    Covered,
    Disarmed,
    Drifted,
    End,
    Envelope,
    Environment,
    External,
    Failed,
    Footprint,
    GivesBack,
    GoodUntil,
    FrozenNow,
    HandOver,
    Hash,
    Holds,
    Host,
    Journal,
    Kept,
    KeptFirst,
    KeptInVault,
    Kind,
    LastHash,
    LeftAlone,
    Limits,
    Lines,
    LookAt,
    Needs,
    Never,
    Next,
    NotDone,
    NotKept,
    NotKnown,
    NotSeen,
    NotUndone,
    Object,
    OldKernel,
    OnlyIf,
    Open,
    WayIn,
    Outcome,
    OwnYes,
    Override,
    New,
    NotAnyMore,
    Playbook,
    Programs,
    Purpose,
    Remove,
    Removed,
    Returned,
    Run,
    Runs,
    Secrets,
    Signature,
    StartedBy,
    Status,
    Stays,
    StillThere,
    StaysAsItIs,
    Tables,
    Does,
    NothingOn,
    Stopped,
    Stroke,
    StruckToo,
    Suspect,
    TakenBack,
    Then,
    Times,
    ToLeave,
    Told,
    Trouble,
    Undo,
    Values,
    Verify,
    Waits,
    Watched,
    WayBack,
    Why,
}

/// See the module.
pub(crate) trait Things {
    /// The word before a text or over a column.
    fn label(&self, label: Label) -> &'static str;

    /// So many of them: `1 host`, `3 hosts`.
    fn count(&self, number: u64, of: Noun) -> String;

    /// Words in a row, the last joined by a word: `a, b and c`.
    fn and(&self, words: &[String]) -> String;

    /// Words in a row: `a, b, c`.
    fn list(&self, words: &[String]) -> String;

    /// Parts of one statement in a row: `a, b, c`.
    fn commas(&self, parts: &[String]) -> String;

    /// Parts of a sentence in a row: `a; b; c`.
    fn clauses(&self, clauses: &[String]) -> String;

    /// What is said of something: `a: b`.
    fn of(&self, what: &str, said: &str) -> String;

    /// Something with a remark: `a (b)`.
    fn aside(&self, what: &str, remark: &str) -> String;

    /// Where the rest was left out.
    fn more(&self, more: u64) -> String;

    /// More of the same, in a row: `3 more`.
    fn further(&self, more: u64) -> String;

    /// A time span in milliseconds, never rounded up, so that nothing watched looks longer.
    fn span(&self, ms: u64) -> String;

    /// A size: `412 bytes`, `6.6 MiB`.
    fn size(&self, bytes: u64) -> String;

    /// `6 of 7`, with what the approval leaves out.
    fn tally(&self, done: u32, of: u32, left_out: u32) -> String;

    /// The kind of an act; an unknown one as it is.
    fn kind(&self, kind: &'static str) -> &'static str;

    /// An act of this kind on an object.
    fn act(&self, kind: &'static str, object: &str) -> String;

    /// What a process is to its component.
    fn role(&self, role: Role) -> &'static str;

    /// How a host ended.
    fn status(&self, status: Status) -> &'static str;

    /// What looking made of a host.
    fn judged(&self, judged: Judged) -> &'static str;

    /// What a host was judged.
    fn verdict(&self, verdict: HostVerdict) -> &'static str {
        self.judged(Judged::of(verdict))
    }

    /// A process: `pid 7 NAME`.
    fn process(&self, pid: u32, name: &str) -> String;

    /// Lines by number: `line 3`, `lines 3, 4 and 9`.
    fn lines(&self, numbers: &[u32]) -> String;

    /// Lines of a file.
    fn lines_of(&self, numbers: &[u32], path: &str) -> String;

    /// An account: its name and user id.
    fn account(&self, name: &str, uid: u32) -> String;

    /// An account as an object of a finding.
    fn account_named(&self, name: &str) -> String;

    /// A unit as an object of a finding.
    fn unit_named(&self, name: &str) -> String;

    /// Units that a service manager is made to forget.
    fn units_forgotten(&self, manager: ServiceManager, units: &str) -> String;

    /// An address that is blocked, and after how many seconds that ends by itself.
    fn blocked_for(&self, address: &str, for_s: u32) -> String;

    /// A host that is isolated but for these networks, and after how many seconds that ends by itself.
    fn isolated_for(&self, for_s: u32, keep: &[String]) -> String;

    /// The host as an object.
    fn the_host(&self) -> &'static str;

    /// The names of inode flags: immutable, append-only, and others as a number.
    fn flags(&self, immutable: bool, append_only: bool, others: u32) -> String;

    /// How acts are taken back, as a heading.
    fn undo(&self, undo: UndoKind) -> &'static str;

    /// Something that was not seen, and why.
    fn gap(&self, subject: &str, object: &str, why: GapReason) -> String;

    /// A directory.
    fn directory(&self, path: &str) -> String;

    /// What is left alone: protected by this rule.
    fn protected(&self, rule: &str) -> String;

    /// That it does more than is allowed.
    fn limited(&self, most: Effect) -> String;

    /// What is left alone: it needs an act that is left alone.
    fn needs_what_is_left(&self, action: &str) -> String;

    /// What is left alone: an edit does it.
    fn edited_instead(&self, action: &str) -> String;

    /// What is left alone: it would prepare nothing.
    fn serves_nothing(&self) -> &'static str;

    /// A directory with such flags stands in the way.
    fn held_directory(&self, flags: &str) -> String;

    /// The words of a rule, a module or a shipped playbook, as far as they are known in this language; else as they are.
    fn authored<'a>(&self, words: &'a str) -> &'a str;

    /// Where a finding says that something stands: `line 3 of PATH`, as modules write it, or a path.
    fn place<'a>(&self, place: &'a str) -> Cow<'a, str>;
}
