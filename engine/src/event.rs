//! What happens in a run: one flat set of events. The journal holds them, the report is folded from them.

use std::collections::BTreeMap;

use deminer_worker::action::{ActionId, Arming, Done};
use deminer_worker::frame::{EvidenceItem, TransactionEvent};
use deminer_worker::order::Approval;
use deminer_worker::query::{Coverage, HostError, HostIdentity, Obstacle};
use deminer_worker::text::{Digest, Wide};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::SignedBy;
use crate::ask::Answered;
use crate::asked::Asked;
use crate::clock::HostClock;
use crate::finding::{Finding, HostVerdict};
use crate::playbook::Phase;

/// One fact of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up from 1 in its chain.
    pub seq: Wide,
    /// The controller's clock, milliseconds since 1970.
    pub at_ms: Wide,
    /// The run.
    pub run: String,
    /// The host; `None` in the run's own chain.
    pub host: Option<String>,
    /// What.
    pub kind: EventKind,
}

/// What happened. A reader skips kinds that it does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// Always the run chain's first.
    RunStarted {
        /// Deminer's version.
        version: String,
        /// The playbook's name and version.
        playbook: String,
        /// What the run is for.
        purpose: Purpose,
        /// The plan; `None` while looking.
        plan: Option<Digest>,
        /// The hosts.
        hosts: Vec<String>,
    },
    /// How the run was asked for.
    Asked {
        /// What was said.
        asked: Asked,
    },
    /// What the run was given: every declared variable with its value, a secret as `***`.
    Given {
        /// By name.
        vars: Variables,
    },
    /// The approval that an apply rests on.
    Approved {
        /// As it was checked.
        approval: Approval,
        /// Who signed it; empty where it is the unsigned yes of whoever applied it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        signed: Vec<SignedBy>,
        /// The lists that signatures were held against, the sha256 of each by its name in `approvals/`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        lists: BTreeMap<String, Digest>,
    },
    /// A host was reached.
    Reached {
        /// What it is.
        identity: HostIdentity,
        /// By which key it was known, see [`crate::host::Arrival::host_key`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host_key: Option<String>,
        /// Its clock; `None` where there is none to hold against ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock: Option<HostClock>,
    },
    /// A step ran.
    StepRan {
        /// Where it stands.
        phase: Phase,
        /// Its id, or its number in the phase.
        step: String,
        /// The round, 0 for the plan's.
        round: u32,
        /// How it ended.
        end: StepEnd,
    },
    /// A person answered a question of the playbook, or its default counted.
    Answered {
        /// What was asked and answered, by whom and how.
        answered: Answered,
    },
    /// The look at a host ended.
    Looked {
        /// The word; `None` where the look did not come to one.
        verdict: Option<HostVerdict>,
        /// All findings.
        findings: Vec<Finding>,
        /// What was not seen.
        coverage: Coverage,
    },
    /// The host's part of the plan that is being applied, as it is in the file.
    Planned {
        /// The line, parsed.
        line: Value,
        /// Its hash.
        sha256: Digest,
        /// When the host was looked at for it; `None` where the plan does not say.
        looked_at_ms: Option<Wide>,
    },
    /// A transaction told this.
    Told {
        /// The round, 1 for the first strike.
        round: u32,
        /// What.
        event: TransactionEvent,
    },
    /// Evidence is in the vault, read back.
    Stored {
        /// What it is of.
        item: EvidenceItem,
        /// Its content.
        sha256: Digest,
        /// Bytes.
        size: Wide,
    },
    /// Durable before the commit is sent: from here on the host needs nobody.
    Committed {
        /// The round.
        round: u32,
        /// Where the host keeps its journal.
        journal: String,
    },
    /// The link to the host was lost.
    Lost {
        /// Why.
        why: HostError,
    },
    /// The host could not be reached or did not begin.
    NotReached {
        /// Why.
        why: HostError,
    },
    /// After a crash or a lost link: what looking at the host showed of one action.
    Reconciled {
        /// Which.
        action: ActionId,
        /// What.
        state: Reconciled,
    },
    /// A verify phase ended.
    Verified {
        /// The word.
        seen: Seen,
        /// The window that was asked for, milliseconds.
        window_ms: u64,
        /// What of it was covered.
        covered_ms: u64,
        /// What speaks for `returned` or `clean`.
        findings: Vec<Finding>,
        /// What was not seen.
        coverage: Coverage,
    },
    /// Reading a later round's host again.
    RoundStarted {
        /// The round, from 2.
        round: u32,
    },
    /// Nothing may be destroyed at this time: a stroke was not begun.
    Closed {
        /// When something may.
        windows: String,
        /// When that begins, milliseconds since 1970.
        opens_ms: Wide,
    },
    /// The plan's or the approval's time is over: a stroke was not begun.
    Expired {
        /// Which, and since when.
        why: String,
    },
    /// The host's own security refused the worker or ended it.
    Blocked {
        /// What was noticed.
        why: HostError,
    },
    /// What the host's own journal says was imported, and the journal with its spool is gone from the host.
    Forgotten {
        /// The directory, as the plan names it.
        journal: String,
    },
    /// Changes of an earlier run are to be taken back; stands before the first is.
    Undoing {
        /// The earlier run.
        of: String,
        /// The actions, in the order of taking back.
        actions: Vec<ActionId>,
        /// Whether what starts something may start it again; `None` in journals that do not say.
        #[serde(default)]
        arming: Option<Arming>,
        /// Why it may.
        #[serde(default)]
        because: Option<String>,
        /// Who said yes.
        #[serde(default)]
        approver: String,
        /// How: `command line`, `terminal`.
        #[serde(default)]
        means: String,
    },
    /// One change was taken back, or was not.
    Undone {
        /// Which.
        action: ActionId,
        /// What was found and done, or why nothing was.
        result: Result<Done, HostError>,
    },
    /// Another process took the run up.
    Resumed {
        /// Bytes of a torn last line that were dropped from this chain; 0 where it was whole.
        torn_bytes: Wide,
    },
    /// How far the chains of all hosts are: right before the run is through, and where it is taken up. The run's own chain only.
    Heads {
        /// The hash of each chain's last line, by file name.
        of: BTreeMap<String, Digest>,
    },
    /// A playbook's error on this host.
    HostFailed {
        /// Where: phase and step.
        place: String,
        /// What.
        why: String,
    },
    /// The operator ended the run.
    Cancelled {},
    /// Always the last of a host's chain, until the run is taken up again.
    HostFinished {},
    /// Always the run chain's last, until the run is taken up again.
    RunFinished {},
}

impl EventKind {
    /// What is told of a host on which no worker began.
    pub fn unreached(why: HostError) -> EventKind {
        match why {
            HostError::NotReached {
                obstacle: Obstacle::Blocked,
                ..
            } => EventKind::Blocked { why },
            _ => EventKind::NotReached { why },
        }
    }

    /// All names of kinds, as they are written in `kind`.
    pub const NAMES: [&'static str; 29] = [
        "run_started",
        "asked",
        "given",
        "approved",
        "reached",
        "step_ran",
        "answered",
        "looked",
        "planned",
        "told",
        "stored",
        "committed",
        "lost",
        "not_reached",
        "reconciled",
        "verified",
        "round_started",
        "closed",
        "expired",
        "blocked",
        "forgotten",
        "undoing",
        "undone",
        "resumed",
        "heads",
        "host_failed",
        "cancelled",
        "host_finished",
        "run_finished",
    ];
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To look and plan.
    Look,
    /// To apply a plan.
    Apply,
    /// To take changes of an earlier run back.
    Undo,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum StepEnd {
    /// With an output.
    Ok {
        /// How long it took.
        took_ms: u64,
        /// What it could not see.
        coverage: Coverage,
        /// Findings it stated, by id.
        findings: Vec<String>,
        /// How often it looked until its `until` held; 1 where it has none.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        tries: u32,
    },
    /// Its condition did not hold.
    Skipped {},
    /// It ended the host's playbook.
    Stopped {
        /// The author's reason.
        reason: String,
        /// The procedures that the host is handed over to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hand_over: Vec<String>,
    },
    /// It failed.
    Failed {
        /// Why.
        why: String,
        /// Whether the playbook went on without its result, as its `on_error` says.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        went_on: bool,
    },
}

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_once(tries: &u32) -> bool {
    *tries == 1
}

/// What looking at a host showed of an action whose outcome was not heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Reconciled {
    /// The host shows it done.
    Done {
        /// What the host's own journal says of it, if anything.
        testimony: Option<Done>,
    },
    /// The target is there as it was.
    NotDone {},
    /// Neither can be told.
    Unknown {
        /// Why.
        why: String,
    },
}

/// What a verify saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// Nothing came back within the window.
    Clean,
    /// Something came back.
    Returned,
    /// Not enough was seen.
    CannotSay,
}

/// Takes events as they happen.
pub trait EventSink: Send {
    /// Takes one; it is durable when this returns, for the kinds that must be.
    ///
    /// # Errors
    /// When it is not: then what it announces is not done.
    fn record(&mut self, host: Option<&str>, kind: EventKind) -> Result<(), SinkError>;
}

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot write the journal {path}: {why}")]
pub struct SinkError {
    /// The journal.
    pub path: String,
    /// The system's word.
    pub why: String,
}

/// Resolved variables by name, secrets by reference only.
pub type Variables = BTreeMap<String, Value>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_enum() {
        let error = serde_json::from_str::<EventKind>(r#"{"kind": "no such kind"}"#).expect_err("no such kind");
        let named: Vec<String> = error
            .to_string()
            .split('`')
            .skip(3)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        assert_eq!(named, EventKind::NAMES);
    }
}
