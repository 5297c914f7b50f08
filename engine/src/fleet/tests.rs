//! Who is begun when, and what ends a walk. Time is the test's own.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::muster::Muster;
use super::*;
use crate::status::Status;

fn hosts(number: usize) -> Vec<String> {
    (0..number).map(|number| format!("h{number}")).collect()
}

fn order(at_once: usize) -> Order {
    Order {
        at_once,
        ..Order::default()
    }
}

fn rule(text: &str) -> StopWhen {
    text.parse().expect("a condition")
}

/// A host of this work ends as its class says.
fn same(class: &Option<Class>) -> Option<Class> {
    *class
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn as_many_at_once_as_there_are_slots() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let ends = each(
        &hosts(10),
        &order(4),
        &Halt::default(),
        |()| None,
        |_, slot| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(SECOND).await;
                now.fetch_sub(1, Ordering::SeqCst);
                drop(slot);
            }
        },
    )
    .await;
    assert_eq!(ends.len(), 10);
    assert!(ends.iter().all(|(_, end)| *end == End::Through(())));
    assert_eq!(most.load(Ordering::SeqCst), 4);
    assert_eq!(began.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn who_is_watched_holds_no_slot() {
    let began = Instant::now();
    each(
        &hosts(40),
        &order(4),
        &Halt::default(),
        |()| None,
        |_, mut slot| async move {
            tokio::time::sleep(SECOND).await;
            slot.free();
            tokio::time::sleep(60 * SECOND).await;
        },
    )
    .await;
    assert_eq!(began.elapsed(), 70 * SECOND, "ten waves of a second, and one watch");
}

#[tokio::test(start_paused = true)]
async fn a_batch_ends_before_the_next_begins() {
    let walked = Mutex::new(Vec::new());
    let order = Order {
        batches: vec![Batch::Hosts(1), Batch::Percent(30)],
        ..order(32)
    };
    let began = Instant::now();
    each(
        &hosts(8),
        &order,
        &Halt::default(),
        |()| None,
        |host, mut slot| {
            walked.lock().expect("whole").push((host, began.elapsed().as_secs()));
            async move {
                slot.free();
                tokio::time::sleep(SECOND).await;
            }
        },
    )
    .await;
    let at: Vec<u64> = walked
        .into_inner()
        .expect("whole")
        .into_iter()
        .map(|(_, at)| at)
        .collect();
    assert_eq!(at, [0, 1, 1, 1, 2, 2, 2, 3]);
}

#[test]
fn sizes_of_batches() {
    let table: [(&[&str], usize, &[usize]); 7] = [
        (&[], 7, &[7]),
        (&[], 0, &[]),
        (&["1", "5%", "100%"], 400, &[1, 20, 379]),
        (&["1", "5%", "100%"], 3, &[1, 1, 1]),
        (&["2"], 5, &[2, 2, 1]),
        (&["50%"], 5, &[3, 2]),
        (&["9"], 5, &[5]),
    ];
    for (batches, hosts, sizes) in table {
        let order = Order {
            batches: batches.iter().map(|text| text.parse().expect("a batch")).collect(),
            ..Order::default()
        };
        let named = self::hosts(hosts);
        let parts = order.parts(&named);
        let found: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        assert_eq!(found, sizes, "{batches:?} of {hosts}");
        assert_eq!(parts.concat(), named, "each host once, in order");
    }
    for text in ["0", "0%", "101%", "", "%", "-1", "1.5", "+1", "4294967296"] {
        assert!(text.parse::<Batch>().is_err(), "{text}");
    }
}

#[test]
fn what_ends_a_run() {
    use Class::{CannotSay, Drifted, Failed, Returned, Unreachable};
    let table: [(&str, usize, &[Class], bool); 16] = [
        ("returned", 10, &[], false),
        ("returned", 10, &[Returned], true),
        ("returned", 10, &[Failed, Drifted, Unreachable, CannotSay], false),
        ("failed", 10, &[Failed], true),
        ("failed=2", 10, &[Failed], false),
        ("failed=2", 10, &[Failed, Failed], true),
        ("failed=2", 10, &[Failed, Drifted], false),
        ("drifted", 10, &[Drifted], true),
        ("unreachable=10%", 10, &[Unreachable], true),
        ("unreachable=10%", 11, &[Unreachable], false),
        ("unreachable=10%", 11, &[Unreachable, Unreachable], true),
        ("unreachable=1%", 3, &[], false),
        ("unreachable=1%", 3, &[Unreachable], true),
        ("cannot_say=100%", 2, &[CannotSay], false),
        ("cannot_say=100%", 2, &[CannotSay, CannotSay], true),
        ("cannot_say", 0, &[], false),
    ];
    for (text, hosts, ended, holds) in table {
        let mut tally = Tally::of(hosts);
        ended.iter().for_each(|class| tally.count(*class));
        assert_eq!(rule(text).holds(&tally), holds, "{text} of {hosts} after {ended:?}");
        assert_eq!(rule(text).to_string(), text);
    }
    for text in ["", "clean", "failed=", "failed=0", "failed=x", "=1", "failed=101%"] {
        assert!(text.parse::<StopWhen>().is_err(), "{text}");
    }
}

#[test]
fn every_status_has_its_class_or_ends_no_run() {
    let classes: Vec<String> = Status::ALL
        .into_iter()
        .map(|status| format!("{status} {}", Class::of(status).map_or("-", Class::name)))
        .collect();
    assert_eq!(
        classes,
        [
            "returned returned",
            "cannot_say cannot_say",
            "drifted drifted",
            "partial drifted",
            "failed failed",
            "blocked failed",
            "unreachable unreachable",
            "cancelled -",
            "waiting -",
            "not_approved -",
            "proposed -",
            "contained -",
            "suspected -",
            "undone -",
            "eradicated -",
            "clean -",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn enough_is_enough() {
    let order = Order {
        stop_when: vec![rule("failed=2")],
        ..order(1)
    };
    let ends = each(&hosts(5), &order, &Halt::default(), same, |_, slot| async move {
        let _held = slot;
        tokio::time::sleep(SECOND).await;
        Some(Class::Failed)
    })
    .await;
    let begun = ends.iter().filter(|(_, end)| matches!(end, End::Through(_))).count();
    assert_eq!(begun, 2);
    assert_eq!(ends[4].1, End::NotBegun(WhyNot::Stopped(rule("failed=2"))));
}

#[tokio::test(start_paused = true)]
async fn the_first_halt_lets_them_finish_the_second_does_not() {
    let halt = Halt::default();
    let hand = halt.clone();
    tokio::spawn(async move {
        tokio::time::sleep(SECOND).await;
        assert_eq!(hand.raise(), Level::NoMore);
        tokio::time::sleep(5 * SECOND).await;
        assert_eq!(hand.raise(), Level::Cancel);
    });
    let long = |host: String| if host == "h0" { 3 * SECOND } else { 100 * SECOND };
    let ends = each(
        &hosts(4),
        &order(2),
        &halt,
        |()| None,
        |host, slot| async move {
            let _held = slot;
            tokio::time::sleep(long(host)).await;
        },
    )
    .await;
    let ends: Vec<End<()>> = ends.into_iter().map(|(_, end)| end).collect();
    let halted = End::NotBegun(WhyNot::Halted);
    assert_eq!(ends, [End::Through(()), End::Cancelled, halted.clone(), halted]);
}

#[tokio::test(start_paused = true)]
async fn a_hung_host_delays_nobody_and_a_panic_is_its_own() {
    let order = Order {
        host_limit: Some(10 * SECOND),
        ..order(2)
    };
    let ends = each(
        &hosts(4),
        &order,
        &Halt::default(),
        |()| None,
        |host, slot| async move {
            let _held = slot;
            match &*host {
                "h0" => std::future::pending().await,
                "h1" => panic!("our own fault"),
                _ => tokio::time::sleep(SECOND).await,
            }
        },
    )
    .await;
    let ends: Vec<End<()>> = ends.into_iter().map(|(_, end)| end).collect();
    assert_eq!(ends[0], End::TimedOut { limit: 10 * SECOND });
    assert!(
        matches!(&ends[1], End::Broken { why } if why.contains("panic")),
        "{ends:?}"
    );
    assert_eq!(ends[2..], [End::Through(()), End::Through(())]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_over_begins_nothing() {
    let order = Order {
        run_limit: Some(5 * SECOND),
        ..order(1)
    };
    let ends = each(
        &hosts(3),
        &order,
        &Halt::default(),
        |()| None,
        |_, slot| async move {
            let _held = slot;
            tokio::time::sleep(4 * SECOND).await;
        },
    )
    .await;
    let limit = 5 * SECOND;
    let ends: Vec<End<()>> = ends.into_iter().map(|(_, end)| end).collect();
    let over = End::NotBegun(WhyNot::RunTime { limit });
    assert_eq!(ends, [End::Through(()), End::TimedOut { limit }, over]);
}

#[tokio::test(start_paused = true)]
async fn a_muster_waits_for_all_who_come_and_for_nobody_else() {
    let muster = Muster::of(3);
    let (mut one, mut other, gone) = (muster.place(), muster.place(), muster.place());
    let began = Instant::now();
    let meets = tokio::spawn(async move { (one.meet(60 * SECOND).await, began.elapsed()) });
    tokio::time::sleep(SECOND).await;
    drop(gone);
    tokio::time::sleep(SECOND).await;
    assert!(other.meet(60 * SECOND).await);
    assert_eq!(meets.await.expect("ends"), (true, 2 * SECOND));

    let muster = Muster::of(2);
    let (mut one, _late) = (muster.place(), muster.place());
    assert!(!one.meet(5 * SECOND).await, "it does not wait for ever");
}
