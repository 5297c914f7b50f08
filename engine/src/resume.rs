//! What of an applied plan is still to be done, host by host, by what the run's journal says.
//!
//! Nothing here trusts a host, and what is not known is not begun again: the host is asked first
//! ([`crate::reconcile`]).

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::action::{ActionId, Done, Effect};
use deminer_worker::frame::{Outcome, TransactionEvent};
use deminer_worker::order::{Approval, Stage};
use deminer_worker::query::CommandEnd;

use crate::apply::Task;
use crate::approval::{ApprovalError, ApprovedPlan};
use crate::event::{EventKind, Purpose, Reconciled};
use crate::journal::{Chain, ChainEnd, file_name};
use crate::report::{Change, ChangeState, HostReport, Progress, Report};
use crate::run::{Lines, RunDir, RunError, RunLock};
use crate::status::Status;

/// Why a run is not taken up.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// It is none of a plan.
    #[error("it carries out no plan")]
    NoPlan,
    /// It was cut before its approval was written down, which stands before anything is begun.
    #[error("it was cut before anything was begun: nothing was done on any host")]
    NotBegun,
    /// Hosts were begun, and nothing says that they may be.
    #[error("its journal has no approval")]
    Unapproved,
    /// A chain was changed.
    #[error("{journal} does not hold: {why}")]
    Broken {
        /// The file.
        journal: String,
        /// What does not fit.
        why: String,
    },
    /// Lines are missing that were noted.
    #[error(
        "{journal} lacks lines that the run's own journal has noted: what was done on that host is not known any more"
    )]
    Cut {
        /// The file.
        journal: String,
    },
    /// The plan is another than the one that it began with.
    #[error("its plan is not the one that it began with")]
    OtherPlan,
    /// The approval is another than the one that was given.
    #[error("approval.json is not the approval that stands in its journal")]
    OtherApproval,
    /// Plan and approval do not fit.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// Its directory cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl ResumeError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            ResumeError::NoPlan => "a look is made again with `deminer plan`, an undo with `deminer undo`",
            ResumeError::NotBegun => "apply the plan again",
            ResumeError::Unapproved
            | ResumeError::Broken { .. }
            | ResumeError::Cut { .. }
            | ResumeError::OtherPlan
            | ResumeError::OtherApproval => {
                "somebody changed the run's files: put them back as they were, or look at the hosts anew with `deminer plan`"
            }
            ResumeError::Approval(error) => return error.hint(),
            ResumeError::Run(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}

/// A run that may go on.
#[derive(Debug)]
pub struct TakenUp {
    /// What it carries out, by its journal.
    pub approved: ApprovedPlan,
    /// Its chains.
    pub chains: Vec<Chain>,
}

/// Reads what a run carries out and how far it is. Its journal counts: the plan and the approval that lie beside it must be
/// those that it names, and no line may be missing that it has noted. Only who has the run reads what is left of it: nobody
/// else does any of it meanwhile.
///
/// # Errors
/// When it carries out no plan, was not begun, or its files are not as they were written.
pub fn take_up(run: &RunDir, _lock: &RunLock) -> Result<TakenUp, ResumeError> {
    let chains = run.chains()?;
    check_whole(run, &chains)?;
    let planned = own(&chains).find_map(|kind| match kind {
        EventKind::RunStarted { plan, purpose, .. } => Some((*plan, *purpose)),
        _ => None,
    });
    let Some(plan) = run.plan()? else {
        return Err(match planned {
            Some((_, Purpose::Apply)) => ResumeError::OtherPlan,
            _ => ResumeError::NoPlan,
        });
    };
    let (Some((planned, _)), Some(approval)) = (planned, given(&chains)) else {
        let mut hosts = chains.iter().filter(|chain| chain.host.is_some());
        return Err(match hosts.next() {
            Some(_) => ResumeError::Unapproved,
            None => ResumeError::NotBegun,
        });
    };
    if planned != Some(approval.plan) {
        return Err(ResumeError::OtherPlan);
    }
    match run.approval()? {
        Some(found) if found != *approval => return Err(ResumeError::OtherApproval),
        Some(_) => {}
        // It is written once the journal has it.
        None => run.write_approval(approval)?,
    }
    let approved = ApprovedPlan::of_run(&plan, approval.clone())?;
    Ok(TakenUp { approved, chains })
}

/// The approval that a run rests on, by its own chain; `None` where it has none.
pub fn given(chains: &[Chain]) -> Option<&Approval> {
    own(chains).find_map(|kind| match kind {
        EventKind::Approved { approval, .. } => Some(approval),
        _ => None,
    })
}

/// What the run's own chain tells.
pub(crate) fn own(chains: &[Chain]) -> impl Iterator<Item = &EventKind> {
    let own = chains.iter().filter(|chain| chain.host.is_none());
    own.flat_map(|chain| &chain.events).map(|event| &event.kind)
}

/// Whether all chains are this run's and hold, and each has the lines that the run's own has noted.
fn check_whole(run: &RunDir, chains: &[Chain]) -> Result<(), ResumeError> {
    let mut files = BTreeSet::new();
    for chain in chains {
        let file = file_name(chain.host.as_deref());
        let broken = |why: String| ResumeError::Broken {
            journal: file.clone(),
            why,
        };
        if let ChainEnd::Broken { line, why } = &chain.end {
            return Err(broken(format!("line {line}: {why}")));
        }
        match chain.run.as_deref() {
            // A crash leaves a chain without a line.
            None => continue,
            Some(of) if of == run.id().as_str() => {}
            Some(of) => return Err(broken(format!("it is of run {of}"))),
        }
        if !files.insert(file.clone()) {
            return Err(broken("there are two".to_owned()));
        }
    }
    if let Some(file) = Lines::of(run, chains)?.short().first() {
        return Err(ResumeError::Cut {
            journal: (*file).clone(),
        });
    }
    Ok(())
}

/// How far an approval lets a host be taken: to the strongest effect that it allows.
pub fn stage(approval: &Approval) -> Stage {
    stage_of(approval.classes.iter().copied())
}

/// How far a host is taken by what has these effects.
pub(crate) fn stage_of(effects: impl IntoIterator<Item = Effect>) -> Stage {
    match effects.into_iter().max() {
        Some(Effect::Destroy) => Stage::Eradicate,
        Some(Effect::Contain) => Stage::Contain,
        _ => Stage::Preserve,
    }
}

/// What is still to be done on each approved host of a run, in the order of the plan's hosts. Hosts are left out that are at
/// their end, that only a new plan helps, and of which it is not known what was done.
pub fn tasks(chains: &[Chain], approval: &Approval) -> Vec<(String, Task)> {
    let report = Report::from_events(chains);
    let tasks = approval.hosts.keys().filter_map(|name| {
        let chain = chains.iter().find(|chain| chain.host.as_ref() == Some(name));
        let told = report.hosts.iter().find(|host| host.host == *name);
        let announced = |chain: &Chain| {
            let mut events = chain.events.iter();
            events.any(|event| matches!(event.kind, EventKind::Planned { .. }))
        };
        match (told, chain.is_some_and(announced)) {
            (Some(told), true) => Some((name.clone(), rest(told, &ended(chain?))?)),
            _ => Some((name.clone(), Task::Begin)),
        }
    });
    tasks.collect()
}

/// The hosts of a run that were struck, and can be watched now: all is known that was done there.
pub fn struck(chains: &[Chain]) -> Vec<(String, Task)> {
    let report = Report::from_events(chains);
    let struck = report.hosts.iter().filter(|host| is_struck(host) && !is_unclear(host));
    struck.map(|host| (host.host.clone(), watch(host))).collect()
}

/// How the programs ended that ran, by the last word of a host's chain about each.
fn ended(chain: &Chain) -> BTreeMap<ActionId, CommandEnd> {
    let ended = chain.events.iter().filter_map(|event| match &event.kind {
        EventKind::Told {
            event:
                TransactionEvent::Outcome {
                    action,
                    outcome: Outcome::Done {
                        done: Done::Ran { end, .. },
                    },
                },
            ..
        }
        | EventKind::Reconciled {
            action,
            state: Reconciled::Done {
                testimony: Some(Done::Ran { end, .. }),
            },
        } => Some((*action, *end)),
        _ => None,
    });
    ended.collect()
}

/// What is still to be done on a host that was begun; `ran`: its programs that ended, which are not run again.
fn rest(host: &HostReport, ran: &BTreeMap<ActionId, CommandEnd>) -> Option<Task> {
    let has_failed = |action: &ActionId| ran.get(action).is_some_and(|end| !end.is_success());
    let is_past = |change: &Change| match &change.state {
        ChangeState::Skipped { needs } => has_failed(needs),
        _ => is_through(change) || has_failed(&change.action),
    };
    let approved = host
        .changes
        .iter()
        .filter(|change| change.state != ChangeState::Excluded);
    let until = stage_of(approved.map(|change| change.effect));
    match host.status {
        Status::Clean
        | Status::Eradicated
        | Status::Suspected
        | Status::Undone
        | Status::NotApproved
        | Status::Drifted
        | Status::Returned => None,
        Status::Contained if until <= Stage::Contain => None,
        // Its evidence is kept, and nothing may be changed.
        Status::Proposed if host.finished && until == Stage::Preserve => None,
        _ if is_unclear(host) => None,
        // A failed program stays one, however often it is looked at.
        Status::Partial if host.verify.is_some() && host.changes.iter().all(is_past) => None,
        _ if is_struck(host) && host.changes.iter().all(is_past) => Some(watch(host)),
        _ => Some(Task::Again { ran: ran.clone() }),
    }
}

/// Whether a change needs nothing more of this approval.
fn is_through(change: &Change) -> bool {
    change.state == ChangeState::Excluded || is_settled(&change.state)
}

/// Whether it is not known of some change if it was done.
fn is_unclear(host: &HostReport) -> bool {
    let unclear = |state: &ChangeState| matches!(state, ChangeState::Begun | ChangeState::Unknown { .. });
    let open = !host.finished && host.progress == Progress::Committed;
    open || host.changes.iter().any(|change| unclear(&change.state))
}

/// Whether a stroke went past its commit there.
fn is_struck(host: &HostReport) -> bool {
    let done = |state: &ChangeState| matches!(state, ChangeState::Done { .. });
    host.progress >= Progress::Struck
        || (host.progress == Progress::Committed && host.changes.iter().any(|change| done(&change.state)))
}

/// Whether a change's target is as the plan wants it.
fn is_settled(state: &ChangeState) -> bool {
    match state {
        ChangeState::Done { done } => done.as_ref().is_none_or(Done::is_settled),
        _ => false,
    }
}

fn watch(host: &HostReport) -> Task {
    let settled = host.changes.iter().filter(|change| is_settled(&change.state));
    Task::Watch {
        settled: settled.map(|change| change.action).collect(),
    }
}
