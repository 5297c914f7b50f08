//! What is said of a run that another process left open.

use deminer_engine::event::Purpose;
use deminer_engine::report::{ChangeState, HostReport, Progress, Report, UndoReport};

use super::super::paste::Paste;
use super::super::words::Words;

/// One line a host: what looking at it again showed.
pub(crate) fn settled(report: &Report, words: &dyn Words, paste: &Paste<'_>) -> String {
    let mut lines = vec![words.settled(&report.run)];
    lines.extend(
        report
            .hosts
            .iter()
            .map(|host| format!("  {}  {}", host.host, of_host(report, host, words))),
    );
    let command = paste.command(&format!("deminer report {}", report.run));
    lines.push(format!("  {}", words.says_more(&command)));
    lines.join("\n")
}

fn of_host(report: &Report, host: &HostReport, words: &dyn Words) -> String {
    if host.progress == Progress::NotBegun {
        return words.not_begun_here().to_owned();
    }
    if !host.finished {
        return words.not_asked_yet().to_owned();
    }
    if report.purpose == Some(Purpose::Undo) {
        let number = |is: fn(&UndoReport) -> bool| host.undone.iter().filter(|undo| is(undo)).count();
        let (back, not_back) = (number(UndoReport::is_back), number(UndoReport::is_not_back));
        let all = host.undone.len();
        return words.settled_undo(back, all, not_back, all - back - not_back);
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
    words.settled_host(done, host.changes.len(), left, unknown)
}
