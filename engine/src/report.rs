//! The last arrow: events are folded to a report, and nothing else goes in.
//!
//! A report is typed: words for people are made where it is shown. It can be made again from the journals of any run, cut
//! at any line, and says of each host what was done and what was seen, apart; the [`Status`] is derived from both.
//! Numbers of 64 bits are written as strings.

use std::collections::BTreeMap;

use deminer_worker::action::{Act, ActionId, Done, Effect, Role, ServiceManager};
use deminer_worker::frame::{EvidenceItem, RefusalKind, Spared};
use deminer_worker::network::Net;
use deminer_worker::query::{Gap, HostError, HostIdentity};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::SignedBy;
use crate::ask::Answered;
use crate::asked::Asked;
use crate::clock::HostClock;
use crate::event::{Purpose, Reconciled, Seen};
use crate::finding::{Finding, FindingId, HostVerdict};
use crate::incident::Incident;
use crate::journal::ChainEnd;
use crate::status::Status;

mod changes;
mod entry;
mod host;
mod whole;

/// The version of the form of [`Report`].
pub const FORMAT: u32 = 1;

/// The account of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// The run; empty where its own chain has no line.
    pub run: String,
    /// What the run is for; `None` where its own chain has no line.
    pub purpose: Option<Purpose>,
    /// Deminer's version.
    pub version: String,
    /// The playbook's name and version.
    pub playbook: String,
    /// How it was asked for; `None` where the journal does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// The plan; `None` while looking.
    pub plan: Option<Digest>,
    /// Who said yes; `None` where nobody did.
    pub approval: Option<ApprovalReport>,
    /// When it began, milliseconds since 1970.
    pub started_ms: Option<Wide>,
    /// When it ended; `None` where it did not: it runs, or was cut.
    pub finished_ms: Option<Wide>,
    /// The whole in few facts.
    pub headline: Headline,
    /// Sums over all hosts.
    pub counts: Counts,
    /// What the run was told of the incident.
    pub incident: Incident,
    /// When what happened, over all hosts.
    pub times: Times,
    /// How the intruder came in.
    pub entry: Entry,
    /// The hosts, in the order of the run.
    pub hosts: Vec<HostReport>,
    /// What to do, the most urgent first.
    pub next: Vec<Next>,
    /// What the report rests on.
    pub journals: Vec<JournalReport>,
    /// The head of all of that together, see [`crate::journal::heads`].
    pub head: Digest,
}

/// The approval, as far as it is for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApprovalReport {
    /// Who.
    pub approver: String,
    /// How the yes was given.
    pub means: String,
    /// When, milliseconds since 1970.
    pub at_ms: Wide,
    /// Actions that were left out.
    pub excluded: Vec<ActionId>,
    /// Who signed it; empty where it is the unsigned yes of whoever applied it.
    pub signed: Vec<SignedBy>,
}

/// A run in few facts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Headline {
    /// The status that needs a person most; `None` without hosts.
    pub worst: Option<Status>,
    /// Hosts by status.
    pub statuses: BTreeMap<Status, u32>,
    /// The shortest window that a changed host was watched for, milliseconds; `None` where none was.
    pub watched_ms: Option<u64>,
    /// Whether the run or one of its hosts is not through.
    pub unfinished: bool,
}

/// Sums over all hosts.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Counts {
    /// Changes.
    pub changes: Tally,
    /// Changes that were made, by kind; of `edit_lines` the lines. What was gone already is not counted.
    pub removed: BTreeMap<&'static str, u32>,
    /// Processes of the plan that were killed, by what they were.
    pub killed: BTreeMap<Role, u32>,
    /// Processes beyond the plan that were struck within an envelope.
    pub born: u32,
    /// Evidence.
    pub kept: KeptCount,
    /// Gaps that can hide something.
    pub material_gaps: u32,
    /// Findings that a person should look at.
    pub reviews: u32,
    /// Processes that stand still by our hand.
    pub frozen: u32,
}

/// How much of what was approved was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Done, or found done.
    pub done: u32,
    /// Of those the ones whose target was gone already, so that nothing was changed; equal to `done`, nothing was left to do.
    pub gone: u32,
    /// Approved.
    pub of: u32,
    /// Planned and not approved.
    pub excluded: u32,
}

/// How much evidence is in the vault, read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct KeptCount {
    /// Pieces.
    pub items: u32,
    /// Their bytes, equal contents once.
    pub bytes: Wide,
}

/// When what happened. Times of files are by the clock of their host, and an intruder can set them.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Times {
    /// The oldest condemned file.
    pub appeared: Option<Appeared>,
    /// When the look ended that found it, milliseconds since 1970.
    pub found_ms: Option<Wide>,
    /// When the commit was given, milliseconds since 1970.
    pub handled_ms: Option<Wide>,
}

/// The oldest time that a condemned file shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Appeared {
    /// When its content was last changed, nanoseconds since 1970.
    pub mtime_ns: Wide,
    /// The file.
    pub path: HostPath,
}

/// How the intruder came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Not known, so it may return.
    Unknown,
    /// A known door of the intruder still stands: it will return.
    Open,
    /// By the door that was named, which is shut, and no other known one stands.
    Closed,
}

/// A known way in of the intruder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Door {
    /// What tells of it.
    pub finding: FindingId,
    /// The account's name, or the fingerprint of the key or rule.
    pub name: String,
    /// Whether it was removed or locked, and not seen again since.
    pub shut: bool,
}

/// Something to do, for these hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// What.
    pub step: NextStep,
    /// For which.
    pub hosts: Vec<String>,
}

/// What to do next about a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NextStep {
    /// Take the run up again: ask what was done.
    Resume,
    /// Take the run up again when something may be removed.
    Later,
    /// Watch what was struck.
    Watch,
    /// Make a new plan.
    PlanAgain,
    /// Approve and apply the plan that there is.
    Apply,
    /// Make a plan under bounds that let be removed what this one may only contain.
    PlanFurther,
    /// Make a plan by a playbook that removes what this one contains.
    PlanRemoval,
    /// Run the same once more, when what stood in the way is gone.
    Again,
    /// Let a person look.
    Review,
}

/// One chain that the report rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JournalReport {
    /// The host; `None` for the run's own.
    pub host: Option<String>,
    /// Lines that hold.
    pub lines: u64,
    /// Events of kinds that this version does not know.
    pub skipped: u64,
    /// The hash of the last line that holds.
    pub head: Digest,
    /// How it ends.
    pub end: ChainEnd,
    /// Why it was not used; `None` where it was.
    pub not_used: Option<NotUsed>,
}

/// Why a chain was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotUsed {
    /// It has no line.
    Empty,
    /// It is of another run.
    OtherRun,
    /// Another chain is of the same host.
    Twice,
}

/// The account of one host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostReport {
    /// Its name in the run.
    pub host: String,
    /// How it ended, as one word.
    pub status: Status,
    /// Whether the run was through with it.
    pub finished: bool,
    /// How far the run came with it.
    pub progress: Progress,
    /// Which machine; `None` where it was not reached.
    pub identity: Option<HostIdentity>,
    /// Its clock, where it differed from the controller's by more than a few seconds when it was reached last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<HostClock>,
    /// What the look saw.
    pub verdict: Option<HostVerdict>,
    /// How much was done; in an undo, taken back.
    pub tally: Tally,
    /// What verify saw; `None` where it did not end.
    pub verify: Option<VerifyReport>,
    /// From the first freeze to the last act, milliseconds, all rounds together; `None` where none was heard of.
    pub stroke_ms: Option<u64>,
    /// Rounds that began.
    pub rounds: u32,
    /// Evidence in the vault.
    pub kept: KeptCount,
    /// Evidence that could not be had.
    pub not_kept: Vec<NotKept>,
    /// Each change of the plan, in its order; empty in an undo.
    pub changes: Vec<Change>,
    /// Processes beyond the plan that were struck within the envelope.
    pub born: Vec<Born>,
    /// What was no longer what the plan says.
    pub drifted: Vec<Drift>,
    /// What the plan or the approval leaves as it is.
    pub left_alone: Vec<LeftAlone>,
    /// Who still holds a removed file.
    pub held: Vec<Held>,
    /// What was stated of the host.
    pub findings: Vec<FindingReport>,
    /// Those of them that a person should look at.
    pub reviews: Vec<FindingId>,
    /// What was not seen, what can hide something first.
    pub gaps: Vec<Gap>,
    /// What is on the host now by our hand.
    pub stays: Vec<Stay>,
    /// Why the last transaction refused to begin or to go on; `None` where it did not.
    pub refused: Option<RefusalKind>,
    /// What stood in the way, in the order met.
    pub troubles: Vec<Trouble>,
    /// What people answered to the playbook's questions, in the order asked.
    pub answers: Vec<Answered>,
    /// The procedures that the playbook hands the host over to; empty where it hands over to none.
    pub hand_over: Vec<String>,
    /// What was taken back of an earlier run.
    pub undone: Vec<UndoReport>,
    /// When what happened.
    pub times: Times,
    /// How the intruder came in.
    pub entry: Entry,
    /// The known ways in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub doors: Vec<Door>,
    /// What to do; `None` where nothing is.
    pub next: Option<NextStep>,
}

impl HostReport {
    /// Whether there was, or may be, an intruder.
    pub fn is_infected(&self) -> bool {
        self.tally.done > 0 || self.verdict == Some(HostVerdict::Infected)
    }
}

/// How far a run came with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// It was not begun: the run's own chain names it, there is none of it, and the run was not said to be through. Nothing was
    /// asked of it or changed.
    NotBegun,
    /// Nothing was heard of it.
    Nothing,
    /// It was reached.
    Reached,
    /// The look ended.
    Looked,
    /// A transaction began; before its commit nothing is changed.
    Begun,
    /// The commit was written down.
    Committed,
    /// The stroke ended.
    Struck,
    /// Verify ended.
    Watched,
}

/// What verify saw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifyReport {
    /// The word; a window that was not covered whole is never `clean`.
    pub seen: Seen,
    /// The window that was asked for, milliseconds.
    pub window_ms: u64,
    /// What of it was covered.
    pub covered_ms: u64,
    /// For how long nobody of ours was logged in before the last look, milliseconds; 0 where that could not be.
    pub away_ms: u64,
    /// What speaks for the word.
    pub findings: Vec<FindingReport>,
}

/// A finding, with its sentence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FindingReport {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// Its sentence, filled in.
    pub sentence: String,
}

/// A change of the plan, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The action.
    pub action: ActionId,
    /// Its component.
    pub component: u32,
    /// Its kind.
    pub kind: &'static str,
    /// What it does to the host.
    pub effect: Effect,
    /// What it changes.
    pub object: Object,
    /// What became of it.
    pub state: ChangeState,
    /// How it is taken back.
    pub undo: UndoWay,
    /// What looking at the host showed, where the outcome was not heard at once.
    pub reconciled: Option<Reconciled>,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ChangeState {
    /// The approval leaves it out.
    Excluded,
    /// Nothing was heard of it.
    Waiting,
    /// It was begun, and its end was not heard.
    Begun,
    /// It was done, or found done.
    Done {
        /// What was found and done; `None` where looking showed it and the host says nothing of it.
        done: Option<Done>,
    },
    /// It was not done, and its target is as it was.
    NotDone {
        /// Why; `None` where looking showed it.
        why: Option<HostError>,
    },
    /// Left alone since something it needs was not done.
    Skipped {
        /// What.
        needs: ActionId,
    },
    /// Left alone since its component is not what it was.
    Drifted,
    /// Looking could not tell.
    Unknown {
        /// Why.
        why: String,
    },
}

/// How a change is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoWay {
    /// Nothing was changed, or nothing is known to be.
    Nothing,
    /// Not at all.
    None,
    /// At once.
    AtOnce,
    /// From what the vault has.
    FromVault,
    /// By the command that the plan states.
    ByCommand,
}

/// What a change is about, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "object", rename_all = "snake_case", deny_unknown_fields)]
pub enum Object {
    /// A process.
    Process {
        /// The pid.
        pid: u32,
        /// What it was to the component.
        role: Role,
        /// Its name.
        comm: HostBytes,
        /// What it ran.
        exe: HostPath,
        /// The content of that.
        exe_sha256: Digest,
    },
    /// A file.
    File {
        /// Where it was.
        path: HostPath,
        /// Bytes.
        size: Wide,
        /// Its content.
        sha256: Digest,
    },
    /// Lines of a file.
    Lines {
        /// The file.
        path: HostPath,
        /// Their numbers, as they were seen.
        numbers: Vec<u32>,
        /// The lines.
        lines: Vec<HostBytes>,
    },
    /// Inode flags of a file.
    Flags {
        /// The file.
        path: HostPath,
        /// The flags.
        flags: u32,
    },
    /// A directory.
    Directory {
        /// Which.
        path: HostPath,
    },
    /// A symbolic link.
    Link {
        /// Where it was.
        path: HostPath,
        /// Where it pointed.
        target: HostPath,
    },
    /// Units of a service manager.
    Units {
        /// The manager.
        manager: ServiceManager,
        /// Their names.
        units: Vec<HostBytes>,
    },
    /// An account.
    Account {
        /// Its name.
        name: HostBytes,
        /// Its user id.
        uid: u32,
    },
    /// An address that is blocked.
    Address {
        /// Which.
        address: String,
        /// For so many seconds.
        for_s: u32,
    },
    /// All that the host sends and receives.
    Network {
        /// For so many seconds.
        for_s: u32,
        /// Networks that stay reachable.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keep: Vec<Net>,
    },
    /// A command that is run.
    Command {
        /// Its words.
        argv: Vec<HostBytes>,
    },
}

/// A process beyond the plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Born {
    /// The component that it was struck with.
    pub component: u32,
    /// Its pid.
    pub pid: u32,
    /// Its name.
    pub comm: HostBytes,
    /// What it ran; `None` where that could not be told.
    pub exe: Option<HostPath>,
    /// Whether it was ended.
    pub ended: bool,
}

/// A component that was left alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// Which.
    pub component: u32,
    /// The action whose target differs.
    pub action: ActionId,
    /// The target; `None` where the action is not in the plan.
    pub object: Option<Object>,
    /// What differs.
    pub why: HostError,
}

/// Something that was left as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeftAlone {
    /// What.
    pub object: Object,
    /// Why, in the plan's own form; `{"why": "excluded"}` where the approval leaves it out, with its `reason` where it gives
    /// one.
    pub why: Value,
    /// Whether it is a process of which another of its component was to be killed: what is left can start it again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub brings_back: bool,
}

/// Somebody who still holds a removed file: it is to be started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The file.
    pub path: HostPath,
    /// Who.
    pub pid: u32,
    /// Its name.
    pub comm: HostBytes,
}

/// Evidence that could not be had.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NotKept {
    /// Of what.
    pub item: EvidenceItem,
    /// Why.
    pub why: HostError,
}

/// Something of ours on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "stays", rename_all = "snake_case")]
pub enum Stay {
    /// The host's journal and spool, until the next contact; it may be that they were not made, or are gone already.
    Journal {
        /// The directory.
        path: String,
    },
    /// Processes that stand still by our hand.
    Frozen {
        /// How many.
        count: u32,
    },
    /// An address that is blocked, until the kernel's own clock ends it.
    Blocked {
        /// Which.
        address: String,
        /// When that is at the latest, milliseconds since 1970 by the controller's clock.
        until_ms: Wide,
    },
    /// The host's network, until the kernel's own clock ends it.
    Isolated {
        /// When that is at the latest, milliseconds since 1970 by the controller's clock.
        until_ms: Wide,
    },
    /// A process that gets only the CPU time that nobody else wants, until it ends or is taken back.
    Throttled {
        /// Its pid.
        pid: u32,
        /// Its name.
        comm: HostBytes,
    },
}

/// What stood in the way.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "trouble", rename_all = "snake_case")]
pub enum Trouble {
    /// The host could not be reached.
    NotReached {
        /// Why.
        why: HostError,
    },
    /// The link was lost.
    Lost {
        /// Why.
        why: HostError,
    },
    /// The host's own security stopped the worker.
    Blocked {
        /// What was noticed.
        why: HostError,
    },
    /// The playbook failed.
    Failed {
        /// Phase and step.
        place: String,
        /// Why.
        why: String,
    },
    /// The transaction refused to begin or to go on.
    Refused {
        /// Why.
        why: String,
    },
    /// The host told of an action that it was not to carry out.
    NotOrdered {
        /// Which.
        action: ActionId,
    },
    /// A process fits the envelope, and was left alone.
    Spared {
        /// Its pid.
        pid: u32,
        /// Its name.
        comm: HostBytes,
        /// Why.
        because: Spared,
    },
    /// The operator ended the run.
    Cancelled,
    /// Nothing may be removed at this time.
    Closed {
        /// When something may.
        windows: String,
        /// When that begins, milliseconds since 1970.
        opens_ms: Wide,
    },
    /// The time of the plan or of its approval was over.
    Expired {
        /// Which, and since when.
        why: String,
    },
    /// The chain does not hold, or is there twice.
    Journal {
        /// What does not hold.
        why: String,
    },
}

/// A change of an earlier run, and whether it was taken back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UndoReport {
    /// The action.
    pub action: ActionId,
    /// What it had changed; `None` where its plan is not at hand.
    pub object: Option<Object>,
    /// What became of it; `None` where nothing was heard.
    pub result: Option<Result<Done, HostError>>,
    /// What looking at the host showed of it, where nothing was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconciled: Option<Reconciled>,
}

impl UndoReport {
    /// Whether it is back.
    pub fn is_back(&self) -> bool {
        matches!(self.result, Some(Ok(_))) || matches!(self.reconciled, Some(Reconciled::Done { .. }))
    }

    /// Whether it is known that it is not.
    pub fn is_not_back(&self) -> bool {
        matches!(self.result, Some(Err(_))) || matches!(self.reconciled, Some(Reconciled::NotDone {}))
    }
}

impl Report {
    /// Whether the run, or one of its hosts, is not through: it still runs, or was cut.
    pub fn unfinished(&self) -> bool {
        self.finished_ms.is_none() || self.hosts.iter().any(|host| !host.finished)
    }
}

impl FindingReport {
    fn of(finding: &Finding) -> FindingReport {
        FindingReport {
            finding: finding.clone(),
            sentence: finding.sentence(),
        }
    }
}

impl Object {
    /// What an act is about.
    pub fn of(act: &Act) -> Object {
        use deminer_worker::action::Object as Kept;
        match act {
            Act::Freeze { process }
            | Act::Kill { process }
            | Act::Throttle { process }
            | Act::Keep {
                object: Kept::Process { process },
            } => Object::Process {
                pid: process.pid,
                role: process.role,
                comm: process.comm.clone(),
                exe: process.exe_path.clone(),
                exe_sha256: process.exe_sha256,
            },
            Act::RemoveFile { file }
            | Act::RemoveStarter { file, .. }
            | Act::Keep {
                object: Kept::File { file },
            } => Object::File {
                path: file.path.clone(),
                size: file.size,
                sha256: file.sha256,
            },
            Act::EditLines { file, remove, .. } => Object::Lines {
                path: file.path.clone(),
                numbers: remove.iter().map(|line| line.number).collect(),
                lines: remove.iter().map(|line| line.line.clone()).collect(),
            },
            Act::ClearFlags { file, flags } => Object::Flags {
                path: file.path.clone(),
                flags: *flags,
            },
            Act::RemoveLink { link } => Object::Link {
                path: link.path.clone(),
                target: link.target.clone(),
            },
            Act::ReloadUnits { manager, units } => Object::Units {
                manager: *manager,
                units: units.clone(),
            },
            Act::LockAccount { account } => Object::Account {
                name: account.name.clone(),
                uid: account.uid,
            },
            Act::BlockAddress { address, for_s } => Object::Address {
                address: address.clone(),
                for_s: *for_s,
            },
            Act::Isolate { for_s, keep } => Object::Network {
                for_s: *for_s,
                keep: keep.clone(),
            },
            Act::RunArgv { argv, .. } => Object::Command { argv: argv.clone() },
        }
    }
}
