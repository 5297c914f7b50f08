//! What contains: told before it is done, for a short time until the controller is heard behind it, and left as it is when
//! the rest does not come.

use std::collections::BTreeSet;

use deminer_worker::action::{Act, Action, Done, Effect, Undo};
use deminer_worker::frame::{End, Outcome, RefusalKind, TransactionEvent};
use deminer_worker::order::{Begin, HostOrders, Stage};
use deminer_worker::platform::Platform;
use deminer_worker::platform::simulated::{At, Call, CallAt, Fault, FaultKind, Side, Simulated, infected};
use deminer_worker::query::{Answer, Blocks, HostError, Query};
use deminer_worker::text::HostPath;

use crate::bench::{Heard, JOURNAL, Manner, approved, orders, transact};

const POOL: &str = "198.51.100.23";
const DAY_S: u32 = 86_400;

/// The orders of the sample host, with its pool blocked, and whatever else is asked for.
fn contained(host: &Simulated, more: &[Act]) -> HostOrders {
    let mut orders = orders(host);
    let pool = Act::BlockAddress {
        address: POOL.to_owned(),
        for_s: DAY_S,
    };
    for act in std::iter::once(&pool).chain(more) {
        orders.actions.push(Action {
            id: act.id("web-3"),
            component: 1,
            act: act.clone(),
            because: vec!["f00000001".to_owned()],
            needs: Vec::new(),
        });
    }
    orders.actions.sort_by_key(|action| action.id);
    orders
}

/// Approved for these classes, up to this stage.
fn only(orders: &HostOrders, classes: &[Effect], until: Stage) -> Begin {
    let mut begin = approved(orders);
    begin.approval.classes = classes.iter().copied().collect::<BTreeSet<_>>();
    begin.until = until;
    begin
}

fn blocks(host: &Simulated) -> Blocks {
    match host.answer(&Query::Blocks {}).expect("it tells").value {
        Answer::Blocks(blocks) => blocks,
        other => panic!("{other:?}"),
    }
}

/// Seconds for which the pool is blocked.
fn left_s(host: &Simulated) -> u64 {
    let seen = blocks(host).addresses;
    seen.iter()
        .find(|blocked| blocked.address == POOL)
        .map_or(0, |blocked| blocked.left_ms.0 / 1000)
}

fn outcome(heard: &Heard, act: &str, orders: &HostOrders) -> Option<Outcome> {
    let action = orders
        .actions
        .iter()
        .find(|action| action.act.kind() == act)
        .expect("planned");
    heard.events.iter().rev().find_map(|event| match event {
        TransactionEvent::Outcome { action: id, outcome } if *id == action.id => Some(outcome.clone()),
        _ => None,
    })
}

fn end(heard: &Heard) -> Option<End> {
    match heard.events.last() {
        Some(TransactionEvent::Finished { end, .. }) => Some(*end),
        _ => None,
    }
}

#[test]
fn containing_alone_changes_nothing_else_and_goes_on_later() {
    let host = Simulated::new(infected());
    let throttle = orders(&host).actions.iter().find_map(|action| match &action.act {
        Act::Kill { process } => Some(Act::Throttle {
            process: process.clone(),
        }),
        _ => None,
    });
    let orders = contained(&host, &[throttle.expect("something is killed")]);
    let before = host.snapshot();
    let heard = transact(&host, &only(&orders, &[Effect::Contain], Stage::Contain), Manner::Good);
    let after = host.snapshot();
    assert_eq!(end(&heard), Some(End::Held));
    assert!(left_s(&host) > 86_000);
    assert_eq!(after.throttled.len(), 1);
    assert_eq!(after.running(), before.running());
    assert_eq!(after.files, before.files);
    assert!(after.journals.is_empty() && heard.vault.is_empty() && !heard.committed);
    let changed = |outcome: Option<Outcome>| matches!(outcome, Some(Outcome::Done { done: Done::Changed { undo } }) if undo != Undo::None);
    assert!(changed(outcome(&heard, "block_address", &orders)));
    assert!(changed(outcome(&heard, "throttle", &orders)));

    // The whole plan finds it done, and does the rest.
    let heard = transact(&host, &approved(&orders), Manner::Good);
    assert_eq!(end(&heard), Some(End::Struck));
    let already = Some(Outcome::Done { done: Done::Already });
    assert_eq!(outcome(&heard, "block_address", &orders), already);
    assert_eq!(outcome(&heard, "throttle", &orders), already);
    let den = HostPath::from("/tmp/.x");
    let lives = host.snapshot().running().into_iter().filter(|pid| {
        let exe = &host.snapshot().processes[pid].exe;
        exe.as_ref().is_some_and(|exe| exe.is_below(&den))
    });
    assert_eq!(lives.count(), 0);
}

#[test]
fn keeping_alone_contains_nothing() {
    let host = Simulated::new(infected());
    let orders = contained(&host, &[]);
    let heard = transact(
        &host,
        &only(&orders, &[Effect::Preserve], Stage::Preserve),
        Manner::Good,
    );
    assert_eq!(end(&heard), Some(End::Held));
    assert!(!heard.vault.is_empty());
    assert!(blocks(&host).tables.is_empty());
}

#[test]
fn nothing_is_contained_that_was_not_written_down_before() {
    let host = Simulated::new(infected());
    let orders = contained(&host, &[]);
    let begin = only(&orders, &[Effect::Contain], Stage::Contain);
    let heard = transact(&host, &begin, Manner::LeavesBefore("containing"));
    let announced = heard
        .events
        .iter()
        .position(|e| matches!(e, TransactionEvent::Containing { .. }));
    assert!(announced.is_some_and(|at| at + 1 == heard.events.len()));
    assert!(blocks(&host).tables.is_empty(), "nothing was begun");
}

#[test]
fn a_controller_that_is_not_heard_behind_the_block_has_it_taken_back() {
    for (name, act) in [
        ("a block", None),
        (
            "an isolation",
            Some(Act::Isolate {
                for_s: DAY_S,
                keep: Vec::new(),
            }),
        ),
    ] {
        let host = Simulated::new(infected());
        let orders = contained(&host, act.as_slice());
        let begin = only(&orders, &[Effect::Contain], Stage::Contain);
        transact(&host, &begin, Manner::LeavesBefore("contained"));
        assert!(blocks(&host).tables.is_empty(), "{name}: taken back");
    }
}

#[test]
fn a_worker_that_dies_before_it_was_heard_leaves_a_minute_at_most() {
    let host = Simulated::new(infected());
    let orders = contained(&host, &[]);
    // Right after the first act, whatever comes then.
    host.script(Fault {
        at: At::Call(CallAt {
            of: Call::Act,
            kind: Some("block_address".to_owned()),
            nth: 1,
            side: Side::After,
        }),
        then: FaultKind::Die,
    });
    transact(&host, &only(&orders, &[Effect::Contain], Stage::Contain), Manner::Good);
    assert!((1..=60).contains(&left_s(&host)), "{}", left_s(&host));
    host.pass(60_000);
    assert_eq!(blocks(&host).addresses, []);
}

#[test]
fn a_lost_link_before_the_commit_leaves_what_contains_and_thaws_the_rest() {
    let host = Simulated::new(infected());
    let orders = contained(&host, &[]);
    transact(&host, &approved(&orders), Manner::LeavesBeforeCommit);
    let after = host.snapshot();
    assert!(after.frozen().is_empty() && after.journals.is_empty() && !after.keeper);
    assert!(left_s(&host) > 86_000, "as the plan states, until it ends by itself");
}

#[test]
fn what_protects_the_host_is_asked_again_on_it() {
    let host = Simulated::new(infected());
    let mut orders = contained(
        &host,
        &[
            Act::BlockAddress {
                address: "192.0.2.5".to_owned(),
                for_s: DAY_S,
            },
            Act::BlockAddress {
                address: "203.0.113.9".to_owned(),
                for_s: DAY_S,
            },
        ],
    );
    orders.spare = vec!["203.0.113.0/24".parse().expect("a network")];
    let heard = transact(&host, &approved(&orders), Manner::Good);
    assert_eq!(end(&heard), Some(End::Struck), "the rest goes on");
    let seen = blocks(&host).addresses;
    assert_eq!(seen.iter().map(|blocked| &*blocked.address).collect::<Vec<_>>(), [POOL]);
    let refused = heard.events.iter().filter(|event| {
        let refused = |why: &HostError| matches!(why, HostError::Protected { .. });
        matches!(event, TransactionEvent::Outcome { outcome: Outcome::NotDone { why }, .. } if refused(why))
    });
    assert_eq!(refused.count(), 2, "our own client and what the site lists");
    host.forget_journal(&HostPath::from(JOURNAL))
        .expect("the journal is ours");
}

#[test]
fn a_kernel_without_tables_is_cleaned_all_the_same() {
    let mut world = infected();
    world.nftables = false;
    let host = Simulated::new(world);
    let orders = contained(&host, &[]);
    let heard = transact(&host, &approved(&orders), Manner::Good);
    assert_eq!(end(&heard), Some(End::Struck));
    let told = outcome(&heard, "block_address", &orders);
    assert!(
        matches!(
            &told,
            Some(Outcome::NotDone {
                why: HostError::Unsupported { .. }
            })
        ),
        "{told:?}"
    );
    assert!(!heard.events.iter().any(|event| matches!(
        event,
        TransactionEvent::Refused {
            kind: RefusalKind::Host,
            ..
        }
    )));
}
