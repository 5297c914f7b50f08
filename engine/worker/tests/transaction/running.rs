//! A program that a plan runs, within a transaction: before anybody is killed, only the very file, and its failure is told.

use std::collections::BTreeMap;

use deminer_worker::action::{Act, Action, ActionId, Done, FileTarget};
use deminer_worker::frame::{Outcome, TransactionEvent};
use deminer_worker::order::{Begin, HostOrders};
use deminer_worker::platform::Platform;
use deminer_worker::platform::simulated::{Simulated, World, infected};
use deminer_worker::query::{Answer, CommandEnd, Entry, HostError, Query};
use deminer_worker::text::HostBytes;

use crate::bench::{Manner, approved, orders, transact};

const PROGRAM: &str = "/usr/sbin/ipset";

/// The sample host with a program of that content.
fn host(content: &str) -> Simulated {
    let mut world = serde_json::to_value(infected()).expect("a world is written");
    let files = world["files"].as_array_mut().expect("files");
    files.push(serde_json::json!({"path": PROGRAM, "content": content, "mode": "0755"}));
    world["commands"] = serde_json::json!([
        {"argv": [PROGRAM, "flush"], "stdout": "flushed\n"},
        {"argv": [PROGRAM, "fail"], "stderr": "no\n", "exit": 3}
    ]);
    Simulated::new(World::from_value(world).expect("a world"))
}

fn program(host: &Simulated) -> FileTarget {
    let query = Query::Stat {
        paths: vec![PROGRAM.into()],
        digest: true,
    };
    match host.answer(&query).expect("stat").value {
        Answer::Entries(entries) => match &entries[..] {
            [Entry::Present(stat)] => FileTarget::from_stat(stat).expect("hashed"),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// What was heard of a program with this argument, planned on one host and run on another, beside the sample's own orders.
fn heard(seen: &Simulated, host: &Simulated, argument: &str) -> (ActionId, Vec<TransactionEvent>) {
    let (id, begin) = begin(seen, argument);
    (id, transact(host, &begin, Manner::Good).events)
}

/// The approved orders for it.
fn begin(seen: &Simulated, argument: &str) -> (ActionId, Begin) {
    let mut all = orders(seen);
    let argv = [PROGRAM, argument].map(HostBytes::from).to_vec();
    let act = Act::RunArgv {
        program: Box::new(program(seen)),
        argv,
        timeout_ms: 5_000,
        undo: None,
    };
    let id = act.id("web-3");
    all.actions.push(Action {
        id,
        component: 1,
        act,
        because: vec!["f00000001".to_owned()],
        needs: vec![],
    });
    all.actions.sort_by_key(|action| action.id);
    (id, approved(&all))
}

fn outcome_of(id: ActionId, events: &[TransactionEvent]) -> (usize, &Outcome) {
    let found = events.iter().enumerate().find_map(|(at, event)| match event {
        TransactionEvent::Outcome { action, outcome } if *action == id => Some((at, outcome)),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing heard: {events:?}"))
}

#[test]
fn it_runs_before_anybody_is_killed() {
    let host = host("ipset");
    let (id, events) = heard(&host, &host, "flush");
    let (at, outcome) = outcome_of(id, &events);
    let Outcome::Done {
        done: Done::Ran { end, stdout, .. },
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        (*end, stdout),
        (CommandEnd::Exited { code: 0 }, &HostBytes::from("flushed\n"))
    );
    let last = events
        .iter()
        .rposition(|event| matches!(event, TransactionEvent::Outcome { .. }));
    assert!(last > Some(at), "kills and files come later");
}

#[test]
fn one_that_ran_already_does_not_run_again() {
    let host = host("ipset");
    let (id, mut begin) = begin(&host, "flush");
    let before = host.snapshot();
    // Only programs: what a look can tell is looked at again.
    begin.ran = orders(&host)
        .actions
        .iter()
        .map(|action| action.id)
        .chain([id])
        .map(|id| (id, CommandEnd::Exited { code: 0 }))
        .collect();
    let events = transact(&host, &begin, Manner::Good).events;
    assert_eq!(events.iter().find(|event| is_of(id, event)), None);
    let gone = before.files.len() - host.snapshot().files.len();
    assert_eq!(gone, 4, "everything else is done");
}

fn is_of(id: ActionId, event: &TransactionEvent) -> bool {
    matches!(event, TransactionEvent::Intent { action } | TransactionEvent::Outcome { action, .. } if *action == id)
}

#[test]
fn one_that_failed_already_does_not_run_again_and_is_no_ground_for_more() {
    let host = host("ipset");
    let (id, mut begin) = begin(&host, "flush");
    let mut all: HostOrders = serde_json::from_str(&begin.line).expect("orders");
    let kill = |action: &&mut Action| matches!(action.act, Act::Kill { .. });
    let needing = all.actions.iter_mut().find(kill).expect("a process");
    needing.needs.push(id);
    let needing = needing.id;
    begin = approved(&all);
    begin.ran = BTreeMap::from([(id, CommandEnd::TimedOut {})]);
    let events = transact(&host, &begin, Manner::Good).events;
    assert_eq!(events.iter().find(|event| is_of(id, event)), None);
    assert_eq!(*outcome_of(needing, &events).1, Outcome::Skipped { needs: id });
}

#[test]
fn one_that_fails_says_so_and_the_stroke_goes_on() {
    let host = host("ipset");
    let before = host.snapshot();
    let (id, events) = heard(&host, &host, "fail");
    let (_, outcome) = outcome_of(id, &events);
    let Outcome::Done { done } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(!done.is_settled(), "{done:?}");
    assert!(matches!(done, Done::Ran { end: CommandEnd::Exited { code: 3 }, stderr, .. } if *stderr == "no\n".into()));
    assert_ne!(before.files, host.snapshot().files);
}

#[test]
fn other_bytes_under_its_name_are_drift() {
    let (seen, now) = (host("ipset"), host("other"));
    let before = now.snapshot();
    let (id, events) = heard(&seen, &now, "flush");
    let drifted = events.iter().any(|event| {
        matches!(event, TransactionEvent::Drifted { action, why: HostError::Changed { .. }, .. } if *action == id)
    });
    assert!(drifted, "{events:?}");
    assert_eq!(before.files, now.snapshot().files, "its component is left alone");
}
