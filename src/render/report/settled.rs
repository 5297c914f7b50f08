//! What is said of a run that another process left open.

use deminer_engine::report::{ChangeState, HostReport, Report};

/// One line a host: what looking at it again showed.
pub(crate) fn settled(report: &Report) -> String {
    let mut lines = vec![format!(
        "run {} was left open by a process that ended; this is what was done:",
        report.run
    )];
    lines.extend(
        report
            .hosts
            .iter()
            .map(|host| format!("  {}  {}", host.host, of_host(host))),
    );
    lines.push(format!("  deminer report {} says more", report.run));
    lines.join("\n")
}

fn of_host(host: &HostReport) -> String {
    if !host.finished {
        return "could not be asked yet; unknown until then".to_owned();
    }
    let count = |wanted: fn(&ChangeState) -> bool| host.changes.iter().filter(|change| wanted(&change.state)).count();
    let done = count(|state| matches!(state, ChangeState::Done { .. }));
    let unknown = count(|state| {
        matches!(
            state,
            ChangeState::Unknown { .. } | ChangeState::Begun | ChangeState::Waiting
        )
    });
    let left = host.changes.len() - done - unknown;
    format!(
        "{done} of {} changes done, {left} not done, {unknown} unknown",
        host.changes.len()
    )
}
