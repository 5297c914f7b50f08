//! Undo runs that were cut.

use deminer_worker::action::Arming;
use deminer_worker::frame::EvidenceItem;

use super::*;
use crate::report::HostReport;
use crate::status::Status;
use crate::undo::Selection;

fn block() -> Act {
    Act::BlockAddress {
        address: "198.51.100.23".to_owned(),
        for_s: 86_400,
    }
}

/// What the earlier run did: it ended a process, removed a file and blocked an address.
fn earlier() -> Vec<(Action, Done)> {
    let unblock = Undo::Unblock {
        address: "198.51.100.23".to_owned(),
        was_until_ms: None,
    };
    let acts = [
        (kill(), Undo::None),
        (remove(), Undo::RestoreFile { file: file() }),
        (block(), unblock),
    ];
    let done = |(act, undo): (Act, Undo)| {
        let action = Action {
            id: act.id("h"),
            component: 1,
            act,
            because: Vec::new(),
            needs: Vec::new(),
        };
        (action, Done::Changed { undo })
    };
    acts.into_iter().map(done).collect()
}

fn planned() -> EventKind {
    let actions = earlier().into_iter().map(|(action, _)| action).collect();
    EventKind::Planned {
        line: serde_json::to_value(orders(actions)).expect("orders are JSON"),
        sha256: Digest::of(b"line"),
        looked_at_ms: None,
    }
}

/// The list of what can be taken back: the address first, then the file.
fn list() -> UndoPlan {
    let home = tempfile::tempdir().expect("a folder");
    let journals = Journals::create(home.path(), "earlier", Arc::new(|| 1)).expect("a folder");
    let item = EvidenceItem {
        action: None,
        part: deminer_worker::frame::Part::Content,
        path: PATH.into(),
        process: None,
        expected: None,
    };
    let stored = EventKind::Stored {
        item,
        sha256: file().sha256,
        size: Wide(5),
    };
    let told = earlier().into_iter().map(|(action, done)| EventKind::Told {
        round: 1,
        event: TransactionEvent::Outcome {
            action: action.id,
            outcome: Outcome::Done { done },
        },
    });
    for kind in [planned(), stored].into_iter().chain(told) {
        journals.record(Some("h"), kind).expect("a disk");
    }
    let chain = read_chain(&home.path().join("host-h.ndjson")).expect("our own");
    UndoPlan::of("earlier", &[chain], &Selection::default(), Arming::Disarmed, None).expect("a list")
}

/// A run that takes it back, with so much in the journal of its host.
fn begun(runs: &Path, list: &UndoPlan, kinds: Vec<EventKind>) -> RunDir {
    let run = RunDir::create(runs, 1, "0123").expect("a folder");
    run.write_undo(&list.write()).expect("a disk");
    let journals = Journals::create(&run.journal(), run.id().as_str(), Arc::new(|| 1)).expect("a folder");
    let started = EventKind::RunStarted {
        version: "test".to_owned(),
        playbook: "undo of earlier".to_owned(),
        purpose: Purpose::Undo,
        plan: Some(list.hash()),
        hosts: vec!["h".to_owned()],
    };
    let approved = EventKind::Approved {
        approval: approval_of(Effect::Destroy),
        signed: Vec::new(),
        lists: std::collections::BTreeMap::new(),
    };
    for kind in [started, approved] {
        journals.record(None, kind).expect("a disk");
    }
    for kind in std::iter::once(planned()).chain(kinds) {
        journals.record(Some("h"), kind).expect("a disk");
    }
    run
}

/// What the next command finds out.
async fn found(run: &RunDir, host: &Simulated) -> HostReport {
    let way: Arc<dyn Transport> = Arc::new(host.clone());
    let report = reconcile(run, &|_| Some(Arc::clone(&way)), Arc::new(|| 1)).await;
    let mut report = report.expect("a disk").expect("it was open");
    report.hosts.remove(0)
}

#[tokio::test]
async fn what_a_cut_undo_took_back_is_looked_for_and_nothing_else() {
    let list = list();
    let steps: Vec<ActionId> = list.hosts[0].order.steps.iter().map(|step| step.action).collect();
    let undoing = || EventKind::Undoing {
        of: "earlier".to_owned(),
        actions: steps.clone(),
        arming: Some(Arming::Disarmed),
        because: None,
        approver: String::new(),
        means: String::new(),
    };
    let heard = || EventKind::Undone {
        action: steps[0],
        result: Ok(Done::Changed { undo: Undo::None }),
    };
    let there = format!(r#"{{"files": [{{"path": "{PATH}", "content": "bytes"}}]}}"#);
    let another = format!(r#"{{"files": [{{"path": "{PATH}", "content": "other"}}]}}"#);
    let elsewhere = r#"{"machine_id": "00000000000000000000000000000001"}"#;
    let anew = r#"{"boot_id": "00000000-0000-0000-0000-000000000002"}"#;
    // What was heard before the cut, what the host is and whether it holds the address back, and what is told of the
    // address and of the file: back, not back, neither.
    let rows = [
        (
            "nothing came through",
            vec![undoing()],
            "{}",
            true,
            "- -",
            Status::Failed,
        ),
        (
            "all came through",
            vec![undoing()],
            &there,
            false,
            "+ +",
            Status::Undone,
        ),
        ("started anew", vec![undoing()], anew, false, "+ -", Status::Failed),
        (
            "one was heard of",
            vec![undoing(), heard()],
            &there,
            false,
            "+ +",
            Status::Undone,
        ),
        (
            "another file",
            vec![undoing()],
            &another,
            false,
            "+ ?",
            Status::CannotSay,
        ),
        (
            "another machine",
            vec![undoing()],
            elsewhere,
            false,
            "? ?",
            Status::Unreachable,
        ),
        ("not begun", vec![], "{}", true, "", Status::CannotSay),
    ];
    for (name, kinds, world, blocked, expected, status) in rows {
        let host = Simulated::new(World::from_json(world).expect("a world"));
        if blocked {
            host.act(&block()).expect("nothing protects it");
        }
        let home = tempfile::tempdir().expect("a folder");
        let run = begun(home.path(), &list, kinds);
        let told = found(&run, &host).await;
        let marks = told
            .undone
            .iter()
            .map(|undo| match (undo.is_back(), undo.is_not_back()) {
                (true, _) => "+",
                (_, true) => "-",
                _ => "?",
            });
        assert_eq!(marks.collect::<Vec<_>>().join(" "), expected, "{name}");
        assert_eq!(told.status, status, "{name}");
        assert_eq!(told.finished, status != Status::Unreachable, "{name}");
        assert_eq!(told.changes, [], "{name}: an undo changes nothing of its plan");
        let chain = read_chain(&run.journal().join("host-h.ndjson")).expect("our own");
        let mut told_of = chain.events.iter().filter_map(|event| match &event.kind {
            EventKind::Reconciled { action, .. } => Some(action),
            _ => None,
        });
        assert!(told_of.all(|action| steps.contains(action)), "{name}");
    }
}

#[tokio::test]
async fn without_its_list_nothing_is_known_of_a_cut_undo() {
    let list = list();
    let undoing = EventKind::Undoing {
        of: "earlier".to_owned(),
        actions: list.hosts[0].order.steps.iter().map(|step| step.action).collect(),
        arming: None,
        because: None,
        approver: String::new(),
        means: String::new(),
    };
    let home = tempfile::tempdir().expect("a folder");
    let run = begun(home.path(), &list, vec![undoing]);
    run.write_undo(b"{}").expect("a disk");
    let told = found(&run, &Simulated::new(World::from_json("{}").expect("a world"))).await;
    assert_eq!(told.status, Status::CannotSay);
    let unknown = |undo: &crate::report::UndoReport| matches!(undo.reconciled, Some(Reconciled::Unknown { .. }));
    assert!(
        told.undone.len() == 2 && told.undone.iter().all(unknown),
        "{:?}",
        told.undone
    );
}
