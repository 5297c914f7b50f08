//! Runs that were cut before all of their hosts were begun.

use super::*;
use crate::report::{HostReport, NextStep};

/// A run of two hosts, of which one was begun.
fn cut(runs: &Path, purpose: Purpose) -> RunDir {
    let run = RunDir::create(runs, 1, "0123").expect("a folder");
    let journals = Journals::create(&run.journal(), run.id().as_str(), Arc::new(|| 1)).expect("a folder");
    let started = EventKind::RunStarted {
        version: "test".to_owned(),
        playbook: "a 1".to_owned(),
        purpose,
        plan: None,
        hosts: vec!["h".to_owned(), "later".to_owned()],
    };
    let approved = EventKind::Approved {
        approval: approval_of(Effect::Destroy),
        signed: Vec::new(),
        lists: std::collections::BTreeMap::new(),
    };
    for kind in [started, approved] {
        journals.record(None, kind).expect("a disk");
    }
    let planned = EventKind::Planned {
        line: serde_json::to_value(orders(Vec::new())).expect("orders are JSON"),
        sha256: Digest::of(b"line"),
        looked_at_ms: None,
    };
    journals.record(Some("h"), planned).expect("a disk");
    run
}

async fn settle(run: &RunDir) -> Option<Report> {
    let way: Arc<dyn Transport> = Arc::new(Simulated::new(World::from_json("{}").expect("a world")));
    let settled = reconcile(run, &|_| Some(Arc::clone(&way)), Arc::new(|| 1)).await;
    settled.expect("a disk")
}

fn of<'r>(report: &'r Report, name: &str) -> &'r HostReport {
    report
        .hosts
        .iter()
        .find(|host| host.host == name)
        .expect("it is of the run")
}

fn lines(run: &RunDir) -> u64 {
    run.chains().expect("our own").iter().map(|chain| chain.lines).sum()
}

#[tokio::test]
async fn who_was_not_begun_waits_for_who_takes_the_run_up() {
    let home = tempfile::tempdir().expect("a folder");
    let run = cut(home.path(), Purpose::Apply);
    let report = settle(&run).await.expect("one host was open");
    assert!(of(&report, "h").finished);
    let later = of(&report, "later");
    assert_eq!(
        (later.progress, later.next),
        (Progress::NotBegun, Some(NextStep::Again))
    );
    assert_eq!(report.finished_ms, None, "it is not through");

    let before = lines(&run);
    assert!(settle(&run).await.is_none(), "there is nothing to ask");
    assert_eq!(lines(&run), before);

    // A run is through where its hosts are: then a chain was taken away.
    let journals = Journals::resume(&run.journal(), run.id().as_str(), Arc::new(|| 1)).expect("our own");
    journals.record(None, EventKind::RunFinished {}).expect("a disk");
    let report = Report::from_events(&run.chains().expect("our own"));
    assert_eq!(of(&report, "later").progress, Progress::Nothing);
}

#[tokio::test]
async fn nobody_takes_an_undo_up() {
    let home = tempfile::tempdir().expect("a folder");
    let run = cut(home.path(), Purpose::Undo);
    let report = settle(&run).await.expect("one host was open");
    assert!(!report.unfinished());
    assert!(of(&report, "later").finished);
}
