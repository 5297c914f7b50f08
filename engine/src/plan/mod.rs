//! The fourth arrow: what looking gave becomes a plan of exact objects; hosts are only read.
//!
//! [`draft()`] makes one host's [`HostPlan`]: it merges equal proposals, takes out what is protected, adds what every change
//! needs, and states the envelope. [`Plan`] is all of them under one header and one hash: the file that a person reads
//! and approves.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::action::{Act, ActionId, Effect};
use deminer_worker::network::Net;
use deminer_worker::order::{Bounds, HostOrders, MAX_BIRTHS};
use deminer_worker::query::{Gap, HostError};
use deminer_worker::text::{HostBytes, HostPath, Wide};
use serde::{Deserialize, Serialize};

use crate::ask::Answered;
use crate::clock::HostClock;
use crate::event::Variables;
use crate::finding::{Finding, FindingId, Verdict};
use crate::look::LookEnd;
use crate::playbook::Phase;

mod around;
mod ask;
#[cfg(test)]
pub(crate) mod bench;
mod canonical;
mod complete;
mod draft;
mod envelope;
mod environment;
mod file;
mod group;
mod header;
mod merge;
mod people;
mod settle;
mod spare;
#[cfg(test)]
mod tests;

pub use around::{AROUND, Around, NearLine};
pub use canonical::canonical;
pub use draft::draft;
pub use file::{FileError, Plan, PlanLine};
pub use group::Group;
pub use header::{EXTERNAL, FORMAT, Header, MAKER, Origin, PlaybookRef, ResourceRef, VALID_FOR_MS};

/// The actions of one host; more are no plan that a person can read.
pub const ACTIONS: usize = 10_000;

/// The bytes of one host's line.
pub const LINE_BYTES: usize = 16 << 20;

/// What the site decides about every host's plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Paths that are never touched, with all below them.
    pub protect: Vec<HostPath>,
    /// Networks that are never blocked.
    pub spare: Vec<Net>,
    /// What is touched though it is protected.
    pub overrides: Vec<Overriding>,
    /// What an action may do at most; `None`: anything.
    pub effects: Option<Effect>,
    /// Processes that each component's envelope admits, all rounds together; [`MAX_BIRTHS`] at most.
    pub max_births: u32,
    /// Limits of one transaction; [`Bounds::MOST`] at most.
    pub bounds: Bounds,
}

/// A protected object that somebody wants touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overriding {
    /// The beginning of the id that a plan gave the act when it left it alone: the object, its content and the host.
    pub action: String,
    /// Why.
    pub because: String,
}

impl Overriding {
    /// Whether it means this act.
    pub fn means(&self, action: ActionId) -> bool {
        action.to_string().starts_with(&self.action)
    }
}

impl Default for Site {
    fn default() -> Self {
        Self {
            protect: Vec::new(),
            spare: Vec::new(),
            overrides: Vec::new(),
            effects: None,
            max_births: MAX_BIRTHS,
            bounds: Bounds::default(),
        }
    }
}

/// One host's line of a plan: what its worker carries out, and what a person reads beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostPlan {
    /// What the worker carries out.
    #[serde(flatten)]
    pub orders: HostOrders,
    /// How the playbook ended on this host.
    pub end: End,
    /// What the host is; `None` where no step judged.
    pub verdict: Option<Verdict>,
    /// What the host said of itself.
    pub machine: Machine,
    /// Every finding that an action, the verdict or what was left alone rests on; those on the same objects; what speaks
    /// for a busy process; what a person should look at.
    pub findings: Vec<Finding>,
    /// Further findings that are not in [`Self::findings`]; only the log of the look has them.
    pub more_findings: u32,
    /// The findings that a person should look at; nothing is proposed on them.
    pub review: Vec<FindingId>,
    /// The variables that are others on this host than in the header, as the inventory has them; a secret is `***`.
    #[serde(default, skip_serializing_if = "Variables::is_empty")]
    pub vars: Variables,
    /// Where secrets come from that come from elsewhere on this host than the header says, by variable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, serde_json::Value>,
    /// What people answered while the host was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answered>,
    /// What was proposed and is not done, or stands in the way and is left.
    pub left_alone: Vec<LeftAlone>,
    /// What was not seen, what can hide something first.
    pub gaps: Vec<Gap>,
    /// Further gaps that are not in [`Self::gaps`].
    pub more_gaps: u32,
    /// The processes that actions are about, as they were seen, by pid.
    pub processes: Vec<ShownProcess>,
    /// What stands around the lines of each edit, by action; none where the file could not be read again, or holds
    /// passwords.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub around: BTreeMap<ActionId, Around>,
    /// How each action is taken back.
    pub undo: BTreeMap<ActionId, UndoKind>,
    /// Why the last look waits, or does not.
    pub settle_because: SettleReason,
    /// Whether a component has so many targets that it needs a yes of its own.
    pub many_targets: bool,
    /// Those components; they are shown first.
    pub needs_own_approval: BTreeSet<u32>,
    /// What applying leaves or needs on the host.
    pub footprint: Footprint,
    /// Outputs of reading steps that later phases refer to, by step: verify looks for what the plan condemned, not for
    /// what a host says later.
    pub results: BTreeMap<String, serde_json::Value>,
}

/// How a playbook's reading part ended on a host, as a plan states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case", deny_unknown_fields)]
pub enum End {
    /// All steps were taken.
    Through {},
    /// A `stop` held.
    Stopped {
        /// The author's reason.
        reason: String,
        /// The procedures that the host is handed over to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hand_over: Vec<String>,
    },
    /// A step failed: nothing is proposed.
    Failed {
        /// Phase and step.
        place: String,
        /// Why.
        why: String,
    },
}

impl From<&LookEnd> for End {
    fn from(end: &LookEnd) -> End {
        match end {
            LookEnd::Through => End::Through {},
            LookEnd::Stopped { reason, hand_over } => End::Stopped {
                reason: reason.clone(),
                hand_over: hand_over.clone(),
            },
            LookEnd::Failed { place, why } => End::Failed {
                place: place.clone(),
                why: why.clone(),
            },
        }
    }
}

/// What a host said of itself, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// `linux`.
    pub system: String,
    /// The distribution's own name for itself; empty where there is none.
    pub distribution: String,
    /// The kernel release.
    pub kernel: String,
    /// The machine's architecture.
    pub architecture: String,
    /// Logical CPUs.
    pub cpus: u32,
    /// System calls that acts prefer and this kernel lacks; they are done the longer way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// Its clock, where it differs from the controller's by more than a few seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<HostClock>,
}

/// Something that the plan leaves as it is, though it was proposed or stands in the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftAlone {
    /// What.
    pub what: Left,
    /// Why.
    pub why: WhyLeft,
    /// The findings that spoke for touching it.
    pub because: Vec<FindingId>,
}

/// What is left alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "left", rename_all = "snake_case", deny_unknown_fields)]
pub enum Left {
    /// An act that was proposed.
    Act {
        /// Its name, had it been planned.
        action: ActionId,
        /// Its component.
        component: u32,
        /// What was proposed.
        act: Act,
    },
    /// A directory.
    Directory {
        /// Which.
        path: HostPath,
    },
}

/// Why something is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case", deny_unknown_fields)]
pub enum WhyLeft {
    /// It is protected.
    Protected {
        /// By which rule.
        rule: String,
    },
    /// It does more than the environment or the policy allows.
    Limited {
        /// What is allowed at most.
        most: Effect,
    },
    /// It needs an act that is left alone.
    Needs {
        /// That act.
        action: ActionId,
    },
    /// Lines are taken out of the file; to remove it would take its other lines too.
    Edited {
        /// The edit.
        action: ActionId,
    },
    /// What it was to prepare is left alone.
    ServesNothing {},
    /// The directory is immutable or append-only: what is to be removed in it can be removed only after a person
    /// cleared that.
    DirectoryFlags {
        /// The inode flags, of 0x30.
        flags: u32,
    },
}

/// A process of the plan, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownProcess {
    /// The pid.
    pub pid: u32,
    /// When it began, in ticks since boot.
    pub start_ticks: Wide,
    /// Its parent.
    pub ppid: u32,
    /// The beginning of its arguments.
    pub argv: Vec<HostBytes>,
    /// Whether the arguments go on.
    pub argv_cut: bool,
    /// Whether no name leads to its executable any more.
    pub exe_deleted: bool,
}

/// How an action is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoKind {
    /// It changes nothing.
    NothingChanged,
    /// At once: the process runs again.
    Thaw,
    /// Not at all.
    None,
    /// From the vault: the file is written again.
    RestoreFile,
    /// From the vault: the lines are put back.
    RestoreLines,
    /// At once: the flags are set again.
    SetFlags,
    /// At once: the link is made again.
    RestoreLink,
    /// At once: the account can log in again.
    UnlockAccount,
    /// At once: packets pass again.
    Unblock,
    /// At once: the process is scheduled as before.
    Unthrottle,
    /// By the command that the plan states.
    RunArgv,
}

impl UndoKind {
    /// How this act is taken back.
    pub fn of(act: &Act) -> UndoKind {
        match act {
            Act::Keep { .. } => UndoKind::NothingChanged,
            Act::Freeze { .. } => UndoKind::Thaw,
            Act::Kill { .. } => UndoKind::None,
            Act::RemoveFile { .. } => UndoKind::RestoreFile,
            Act::EditLines { .. } => UndoKind::RestoreLines,
            Act::ClearFlags { .. } => UndoKind::SetFlags,
            Act::RemoveStarter { .. } => UndoKind::RestoreFile,
            Act::RemoveLink { .. } => UndoKind::RestoreLink,
            Act::ReloadUnits { .. } => UndoKind::NothingChanged,
            Act::LockAccount { .. } => UndoKind::UnlockAccount,
            Act::BlockAddress { .. } | Act::Isolate { .. } => UndoKind::Unblock,
            Act::Throttle { .. } => UndoKind::Unthrottle,
            Act::RunArgv { undo: Some(_), .. } => UndoKind::RunArgv,
            Act::RunArgv { undo: None, .. } => UndoKind::None,
        }
    }
}

/// Why a stroke waits for the next minute, or does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case", deny_unknown_fields)]
pub enum SettleReason {
    /// A condemned trigger fires by the clock, and this scheduler runs.
    TimedTrigger {
        /// The trigger's file.
        path: HostPath,
        /// The scheduler.
        scheduler: u32,
        /// Its name.
        comm: HostBytes,
    },
    /// A condemned trigger fires by the clock, but no scheduler runs.
    NoScheduler {
        /// The trigger's file.
        path: HostPath,
    },
    /// Nothing that fires by the clock is condemned.
    NoTimedTrigger {},
}

/// What applying takes on a host, beside what it removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footprint {
    /// Processes of ours.
    pub processes: u32,
    /// Directories that are made; gone at the end, or at the next contact after a lost link.
    pub directories: Vec<HostPath>,
    /// Bytes that they hold at most.
    pub bytes: Wide,
    /// Programs of the host that looking runs, now and in later looks, each with its arguments; they may do more than
    /// answer. None without a leave for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<Vec<String>>,
    /// Tables of ours by which packets are held back, as nft(8) names them, each with the seconds after which it holds
    /// nothing back any more, whatever became of us. Its rules then match nothing; they stay until the next apply or undo
    /// there removes them. Modules that the kernel loads for it stay loaded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, u32>,
    /// The worker that looking and applying send there; `None` where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<SentWorker>,
}

/// A worker that is sent to its host: a file in a fresh directory, both gone once it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentWorker {
    /// Below which directory it was when the plan was made.
    pub below: HostPath,
    /// Its bytes; in use until it ends.
    pub bytes: Wide,
}

/// Why a host has no plan. Other hosts go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A proposal rests on a finding that nobody stated.
    #[error("host `{host}`: step `{step}` proposes {kind} because of `{finding}`, which no step stated")]
    UnknownFinding {
        /// The host.
        host: String,
        /// The step.
        step: String,
        /// What it proposed.
        kind: &'static str,
        /// The finding.
        finding: FindingId,
    },
    /// A proposal rests on nothing, or would hold or destroy something that no finding condemns.
    #[error("host `{host}`: step `{step}` proposes {kind}, but no finding condemns its object")]
    NoReason {
        /// The host.
        host: String,
        /// The step.
        step: String,
        /// What it proposed.
        kind: &'static str,
    },
    /// A step proposes what its phase may not do.
    #[error("host `{host}`: step `{step}` proposes {kind}, an effect `{effect}`, which phase {phase} cannot have")]
    WrongEffect {
        /// The host.
        host: String,
        /// The step.
        step: String,
        /// What it proposed.
        kind: &'static str,
        /// Its effect.
        effect: Effect,
        /// The step's phase.
        phase: Phase,
    },
    /// A target is not named by its whole identity.
    #[error("host `{host}`: step `{step}` proposes {kind} of {object}: {why}")]
    Incomplete {
        /// The host.
        host: String,
        /// The step.
        step: String,
        /// What it proposed.
        kind: &'static str,
        /// The target, as far as it is named.
        object: String,
        /// What is missing or cannot be.
        why: &'static str,
    },
    /// Two proposals name one object with two contents.
    #[error("host `{host}`: step `{step}` names {object} otherwise than an earlier step: {why}")]
    Contradiction {
        /// The host.
        host: String,
        /// The later step.
        step: String,
        /// The object.
        object: String,
        /// What differs.
        why: &'static str,
    },
    /// What must be known to plan could not be learned: nothing is planned on a guess.
    #[error("host `{host}`: cannot learn what is protected there ({asked})")]
    NotLearned {
        /// The host.
        host: String,
        /// What was asked.
        asked: &'static str,
        /// Why there was no answer.
        #[source]
        why: Box<HostError>,
    },
    /// The worker answered another question, or only a part of it.
    #[error("host `{host}`: the answer to `{asked}` is not one")]
    WrongAnswer {
        /// The host.
        host: String,
        /// What was asked.
        asked: &'static str,
    },
    /// The host is not the one that was looked at, or it was started anew.
    #[error("host `{host}`: another machine or another boot answers than the one that was looked at")]
    OtherHost {
        /// The host.
        host: String,
    },
    /// The plan would be longer than anybody can read.
    #[error("host `{host}`: {found} {what}, more than the limit of {limit}")]
    TooMany {
        /// The host.
        host: String,
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// Our own mistake: what was drafted does not hold together.
    #[error("host `{host}`: the draft contradicts itself: {why}")]
    Inconsistent {
        /// The host.
        host: String,
        /// What is wrong.
        why: String,
    },
}

impl PlanError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            PlanError::UnknownFinding { .. } | PlanError::NoReason { .. } | PlanError::Incomplete { .. } => {
                "the module that proposes it has a fault; leave its step out to plan the rest"
            }
            PlanError::WrongEffect { .. } => {
                "move the step to `backup` or `eradicate`; `deminer modules` shows effects"
            }
            PlanError::Contradiction { .. } | PlanError::OtherHost { .. } => {
                "the host changed while it was read: plan again"
            }
            PlanError::NotLearned { .. } | PlanError::WrongAnswer { .. } => {
                "nothing was changed; see that the host answers, then plan again"
            }
            PlanError::TooMany { .. } => "look at the host by hand first: so many targets are no ordinary miner",
            PlanError::Inconsistent { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl HostPlan {
    /// Whether applying it would change or keep nothing.
    pub fn is_empty(&self) -> bool {
        self.orders.actions.is_empty()
    }

    /// Its components in the order in which they are shown: those that need a yes of their own first.
    pub fn shown_components(&self) -> Vec<u32> {
        let mut components: Vec<u32> = self.orders.components.iter().map(|c| c.id).collect();
        components.sort_by_key(|id| (!self.needs_own_approval.contains(id), *id));
        components
    }
}
