//! The third arrow: gather, decide and locate run for real, backup and eradicate are evaluated once for their proposals.
//!
//! [`look`] makes the first look; the [`Session`] that it gives keeps what was seen, for the rounds after a strike and
//! for `verify`. What looks holds a [`HostView`], so nothing here can change a host.

mod drive;
mod gaps;
mod job;
mod row;
mod session;

use std::collections::BTreeMap;
use std::sync::Arc;

use deminer_worker::query::{Answer, Coverage, HostError, HostFacts, Query};
use serde_json::Value;

use crate::ask::{Answered, Asker, Nobody};
use crate::clock::HostClock;
use crate::event::{EventKind, EventSink, SinkError};
use crate::finding::{Finding, Verdict};
use crate::host::HostView;
use crate::module::Proposal;
use crate::playbook::{BoundVars, CheckedPlaybook, Phase};

pub use crate::template::Outputs;
pub use session::{AfterStrike, Failure, Session, Verification};

/// What looking at one host gave.
#[derive(Debug, Clone)]
pub struct Looked {
    /// The host's name in the run.
    pub host: String,
    /// What it is; asked by the engine itself, first.
    pub facts: HostFacts,
    /// Its clock; `None` where there is none to hold against ours.
    pub clock: Option<HostClock>,
    /// The last analyzer's word; `clean` over a material gap is `cannot_say` here already. `None`: no step judged.
    pub verdict: Option<Verdict>,
    /// All findings, each once, in the order stated.
    pub findings: Vec<Finding>,
    /// What no step could see.
    pub coverage: Coverage,
    /// What the responders proposed, in the order of the steps.
    pub proposals: Vec<Proposed>,
    /// What people answered, in the order of the steps.
    pub answers: Vec<Answered>,
    /// Outputs of reading steps that steps after the strike refer to, by step.
    pub results: BTreeMap<String, Value>,
    /// Programs of the host that the playbook runs to look, each with its arguments; none without a leave for it.
    pub programs: Vec<Vec<String>>,
    /// How the playbook ended on this host.
    pub end: LookEnd,
}

/// A proposal, with the step that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// The step's phase; it bounds what may be proposed.
    pub phase: Phase,
    /// The step's id, or its number in the phase.
    pub step: String,
    /// What it proposed.
    pub proposal: Proposal,
}

/// How a playbook's reading part ended on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookEnd {
    /// All steps were taken.
    Through,
    /// A `stop` held.
    Stopped {
        /// The author's reason.
        reason: String,
        /// The procedures that the host is handed over to.
        hand_over: Vec<String>,
    },
    /// A step failed, or an `assert` did not hold: nothing is proposed.
    Failed {
        /// Phase and step.
        place: String,
        /// Why.
        why: String,
    },
}

/// What a playbook may know of its run, as `run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// The run's id.
    pub id: String,
    /// When it began, milliseconds since 1970 by the controller's clock.
    pub started_at_ms: u64,
}

/// The controller's clock, in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What the controller lends a session: a clock alone means that nobody answers, and that all outputs are held in memory.
#[derive(Clone)]
pub struct Lent {
    /// The time.
    pub clock: Clock,
    /// Who answers questions of the playbook.
    pub asker: Arc<dyn Asker>,
    /// Where what steps gave is held.
    pub outputs: Outputs,
}

impl From<Clock> for Lent {
    fn from(clock: Clock) -> Lent {
        Lent {
            clock,
            asker: Arc::new(Nobody),
            outputs: Outputs::in_memory(),
        }
    }
}

/// Why there was no look.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LookError {
    /// An event could not be kept.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The host did not say what it is; `NotReached` is recorded.
    #[error("host did not answer: {0}")]
    NotReached(#[source] HostError),
}

/// Looks at one host. A step that fails ends the look as [`LookEnd::Failed`]; it is no error of this function.
///
/// # Errors
/// When an event cannot be recorded, or the host does not even say what it is.
pub async fn look(
    checked: &Arc<CheckedPlaybook>,
    vars: &BoundVars,
    run: &RunInfo,
    lent: impl Into<Lent>,
    host: Arc<dyn HostView>,
    sink: &mut dyn EventSink,
) -> Result<(Looked, Session), LookError> {
    let (name, lent) = (host.name().to_owned(), lent.into());
    let asked_ms = (lent.clock)();
    let (facts, coverage) = match facts(host.as_ref()).await {
        Ok(known) => known,
        Err(why) => {
            sink.record(Some(&name), EventKind::NotReached { why: why.clone() })?;
            return Err(LookError::NotReached(why));
        }
    };
    let identity = facts.identity.clone();
    let host_key = host.arrival().and_then(|arrival| arrival.host_key.clone());
    let clock = beside(host.as_ref(), &facts, asked_ms, &lent.clock);
    sink.record(
        Some(&name),
        EventKind::Reached {
            identity,
            host_key,
            clock,
        },
    )?;
    let mut session = Session::new(
        Arc::clone(checked),
        vars.clone(),
        run,
        lent,
        host,
        (facts, clock),
        coverage,
    );
    let looked = session.first(sink).await?;
    Ok((looked, session))
}

/// The host's clock, where it told its time between `asked_ms` and now.
pub(crate) fn beside(host: &dyn HostView, facts: &HostFacts, asked_ms: u64, clock: &Clock) -> Option<HostClock> {
    let (asked, answered) = (host.beside(asked_ms)?, host.beside(clock())?);
    Some(HostClock::held(facts, asked, answered))
}

async fn facts(host: &dyn HostView) -> Result<(HostFacts, Coverage), HostError> {
    let observed = host.observe(Query::Host {}).await?;
    match observed.value {
        Answer::Host(facts) => Ok((facts, observed.coverage)),
        _ => Err(HostError::Protocol {
            why: "it answered another question than what it is".to_owned(),
        }),
    }
}
