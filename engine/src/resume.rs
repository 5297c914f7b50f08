//! What of an applied plan is still to be done, host by host, by what the run's journal says.
//!
//! Nothing here trusts a host, and what is not known is not begun again: the host is asked first
//! ([`crate::reconcile`]).

use deminer_worker::action::{Done, Effect};
use deminer_worker::order::{Approval, Stage};

use crate::apply::Task;
use crate::event::EventKind;
use crate::journal::Chain;
use crate::report::{Change, ChangeState, HostReport, Progress, Report};
use crate::status::Status;

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
            (Some(told), true) => Some((name.clone(), rest(told)?)),
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

/// What is still to be done on a host that was begun.
fn rest(host: &HostReport) -> Option<Task> {
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
        _ if is_struck(host) && host.changes.iter().all(is_through) => Some(watch(host)),
        _ => {
            let ran = host.changes.iter().filter(|change| has_run(&change.state));
            Some(Task::Again {
                ran: ran.map(|change| change.action).collect(),
            })
        }
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

/// Whether a change is that of a program which ran well.
fn has_run(state: &ChangeState) -> bool {
    matches!(state, ChangeState::Done { done: Some(done @ Done::Ran { .. }) } if done.is_settled())
}

fn watch(host: &HostReport) -> Task {
    let settled = host.changes.iter().filter(|change| is_settled(&change.state));
    Task::Watch {
        settled: settled.map(|change| change.action).collect(),
    }
}
