//! Plans that hold packets back or quiet a process.

use deminer_worker::action::Act;

use super::super::bench::{Bench, kill, process};
use super::super::*;

fn block(address: &str, for_s: u32) -> Act {
    Act::BlockAddress {
        address: address.to_owned(),
        for_s,
    }
}

fn isolate(for_s: u32, keep: &[&str]) -> Act {
    Act::Isolate {
        for_s,
        keep: keep.iter().map(|net| net.parse().expect("a network")).collect(),
    }
}

fn kinds(plan: &HostPlan) -> Vec<&str> {
    plan.orders.actions.iter().map(|action| action.act.kind()).collect()
}

fn rules(plan: &HostPlan) -> Vec<&str> {
    let rules = plan.left_alone.iter().filter_map(|left| match &left.why {
        WhyLeft::Protected { rule } => Some(&**rule),
        _ => None,
    });
    rules.collect()
}

#[test]
fn equal_blocks_are_one_and_the_longest_holds() {
    let mut bench = Bench::new();
    bench.propose(1, block("198.51.100.23", 600));
    bench.propose(1, block("198.51.100.23", 86_400));
    bench.propose(1, isolate(600, &["192.0.2.0/24"]));
    bench.propose(1, isolate(60, &["2001:db8::/32", "192.0.2.0/24"]));
    let plan = bench.plan();
    assert_eq!(plan.orders.actions.len(), 2);
    for action in &plan.orders.actions {
        match &action.act {
            Act::BlockAddress { for_s, .. } => assert_eq!(*for_s, 86_400),
            Act::Isolate { for_s, keep } => {
                let keep: Vec<String> = keep.iter().map(ToString::to_string).collect();
                assert_eq!(
                    (*for_s, &*keep),
                    (600, &["192.0.2.0/24".to_owned(), "2001:db8::/32".to_owned()][..])
                );
            }
            other => panic!("{other:?}"),
        }
        assert!(
            action.needs.is_empty(),
            "what can be taken back needs nothing before it"
        );
    }
    let tables = [
        ("inet deminer".to_owned(), 86_400),
        ("inet deminer_isolation".to_owned(), 600),
    ];
    assert_eq!(plan.footprint.tables, tables.into());
}

#[test]
fn what_a_host_needs_is_left_alone_and_said() {
    let mut bench = Bench::new();
    bench.site.spare = vec!["203.0.113.0/24".parse().expect("a network")];
    for address in ["192.0.2.7", "192.0.2.10", "127.0.0.1", "203.0.113.9", "198.51.100.23"] {
        bench.propose(1, block(address, 600));
    }
    let plan = bench.plan();
    assert_eq!(kinds(&plan), ["block_address"]);
    assert_eq!(plan.orders.spare, bench.site.spare, "the host asks the same again");
    let mut rules = rules(&plan);
    rules.sort_unstable();
    assert_eq!(
        rules,
        [
            "it is the host's loopback",
            "it is the host's own address",
            "our own session comes from there",
            "the site lists 203.0.113.0/24",
        ]
    );
}

#[test]
fn a_host_that_does_not_tell_its_addresses_is_not_blocked_and_planned_all_the_same() {
    let mut bench = Bench::new();
    let miner = process(4242, "/tmp/x", &["x"]);
    bench.run(&miner);
    bench.propose(1, kill(&miner));
    bench.propose(1, block("198.51.100.23", 600));
    bench.propose(1, isolate(600, &[]));
    bench.refuses = Some("network");
    let plan = bench.plan();
    assert_eq!(rules(&plan).len(), 2);
    assert!(kinds(&plan).contains(&"kill"));
    assert!(plan.gaps.iter().any(|gap| gap.subject == "network"));
}

#[test]
fn what_does_not_end_by_itself_is_no_plan() {
    for act in [
        block("198.51.100.23", 0),
        block("198.51.100.23", 8 * 86_400),
        block("pool.example", 600),
        block("::ffff:198.51.100.23", 600),
        isolate(0, &[]),
    ] {
        let mut bench = Bench::new();
        bench.propose(1, act.clone());
        let refused = bench.draft();
        assert!(
            matches!(refused, Err(PlanError::Incomplete { .. })),
            "{act:?}: {refused:?}"
        );
    }
}

#[test]
fn quieting_serves_nothing_and_needs_nothing() {
    let mut bench = Bench::new();
    let miner = process(4242, "/tmp/x", &["x"]);
    bench.run(&miner);
    let throttle = bench.propose(
        1,
        Act::Throttle {
            process: super::super::bench::target(&miner),
        },
    );
    let plan = bench.plan();
    assert_eq!(kinds(&plan), ["throttle"]);
    assert_eq!(plan.undo[&throttle], UndoKind::Unthrottle);
    let sshd = process(900, "/usr/sbin/sshd", &["sshd: root"]);
    let mut bench = Bench::new();
    bench.propose(
        1,
        Act::Throttle {
            process: super::super::bench::target(&sshd),
        },
    );
    assert!(rules(&bench.plan())[0].contains("our own session"));
}
