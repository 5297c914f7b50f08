//! Blocks, isolations and throttles: what they hold back, how they end, how they are taken back.

use super::*;
use crate::action::Arming;
use crate::query::Blocks;

const POOL: &str = "198.51.100.23";

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

fn blocks(host: &Simulated) -> Blocks {
    match ask(host, Query::Blocks {}).value {
        Answer::Blocks(blocks) => blocks,
        other => panic!("{other:?}"),
    }
}

fn undo(host: &Simulated, done: Result<Done, HostError>) -> Result<Done, HostError> {
    match done {
        Ok(Done::Changed { undo }) => host.undo(&undo, None, Arming::Disarmed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_block_ends_by_the_hosts_clock() {
    let host = Simulated::new(infected());
    assert!(matches!(host.act(&block(POOL, 60)), Ok(Done::Changed { .. })));
    let seen = blocks(&host);
    assert_eq!(seen.addresses.len(), 1);
    assert!((58_000..=60_000).contains(&seen.addresses[0].left_ms.0), "{seen:?}");
    assert_eq!(seen.tables, ["inet deminer"]);
    assert_eq!(host.act(&block(POOL, 60)), Ok(Done::Already));
    // Whoever made it is gone; nobody does anything.
    host.worker_gone();
    host.pass(61_000);
    assert_eq!(blocks(&host).addresses, []);
    assert_eq!(host.snapshot().tables, ["inet deminer"], "rules that match nothing");
    host.tidy(&block(POOL, 60)).expect("it goes");
    assert!(host.snapshot().tables.is_empty());
}

#[test]
fn a_block_is_taken_back_with_its_table() {
    let host = Simulated::new(infected());
    let first = host.act(&block(POOL, 60));
    let second = host.act(&block("203.0.113.9", 60));
    assert!(matches!(undo(&host, first.clone()), Ok(Done::Changed { .. })));
    assert_eq!(blocks(&host).addresses.len(), 1, "the other one stays");
    assert_eq!(undo(&host, first), Ok(Done::Gone));
    assert!(matches!(undo(&host, second), Ok(Done::Changed { .. })));
    assert!(host.snapshot().tables.is_empty());
}

#[test]
fn a_longer_block_gives_back_the_shorter_one() {
    let host = Simulated::new(infected());
    host.act(&block(POOL, 60)).expect("done");
    let longer = host.act(&block(POOL, 600));
    assert!(blocks(&host).addresses[0].left_ms.0 > 500_000);
    undo(&host, longer).expect("taken back");
    let left = blocks(&host).addresses[0].left_ms.0;
    assert!((50_000..=60_000).contains(&left), "{left}");
}

#[test]
fn what_a_host_needs_is_refused() {
    let host = Simulated::new(infected());
    // The client of our session, the host itself, its way out, its name server, the loopback, a name, no end.
    for act in [
        block("192.0.2.5", 60),
        block("192.0.2.10", 60),
        block("192.0.2.1", 60),
        block("192.0.2.53", 60),
        block("127.0.0.1", 60),
        block("pool.example", 60),
        block(POOL, 0),
        isolate(0, &[]),
    ] {
        let refused = host.act(&act);
        assert!(
            matches!(refused, Err(HostError::Protected { .. })),
            "{act:?}: {refused:?}"
        );
    }
    assert!(host.snapshot().tables.is_empty());
}

#[test]
fn an_isolation_ends_and_is_taken_back() {
    let host = Simulated::new(infected());
    let done = host.act(&isolate(60, &["192.0.2.0/24"]));
    assert!(blocks(&host).isolated_ms.is_some());
    assert_eq!(host.act(&isolate(60, &["192.0.2.0/24"])), Ok(Done::Already));
    assert!(matches!(undo(&host, done), Ok(Done::Changed { .. })));
    assert!(host.snapshot().tables.is_empty());
    host.act(&isolate(60, &[])).expect("done");
    host.pass(60_000);
    assert_eq!(blocks(&host).isolated_ms, None);
}

#[test]
fn a_host_whose_session_is_not_known_is_not_cut_off() {
    let mut world = infected();
    for process in &mut world.processes {
        if process.pid == 900 {
            process.ppid = 1;
        }
    }
    let host = Simulated::new(world);
    let refused = host.act(&isolate(60, &[]));
    assert!(matches!(refused, Err(HostError::Protected { .. })), "{refused:?}");
    assert!(
        host.act(&isolate(60, &["192.0.2.5"])).is_ok(),
        "all logins are kept by name"
    );
}

#[test]
fn a_kernel_without_tables_says_so() {
    let mut world = infected();
    world.nftables = false;
    let host = Simulated::new(world);
    let refused = host.act(&block(POOL, 60));
    assert!(matches!(refused, Err(HostError::Unsupported { .. })), "{refused:?}");
    assert!(host.answer(&Query::Blocks {}).is_err());
    let mut world = infected();
    world.worker_uid = 1000;
    let refused = Simulated::new(world).act(&block(POOL, 60));
    assert!(matches!(refused, Err(HostError::Denied { .. })), "{refused:?}");
}

#[test]
fn who_still_tries_is_counted() {
    let host = Simulated::new(infected());
    host.act(&block(POOL, 600)).expect("done");
    let before = blocks(&host).dropped.output.0;
    assert!(blocks(&host).dropped.output.0 > before, "the miner is connected to it");
}

/// The CPU use of a process over a second, in hundredths of a per cent.
fn cpu_centi(host: &Simulated, pid: u32) -> u32 {
    let query = Query::Processes(ProcessesQuery {
        pids: Some(vec![pid]),
        sample_ms: 1000,
        ..ProcessesQuery::default()
    });
    match ask(host, query).value {
        Answer::Processes(rows) => rows[0].cpu_centi.expect("sampled"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_throttled_process_runs_on_and_uses_nothing() {
    let host = Simulated::new(infected());
    let before = cpu_centi(&host, 2101);
    let mut miner = process(&host, 2101);
    miner.boot_id = infected().boot_id;
    let act = Act::Throttle { process: miner.clone() };
    let done = host.act(&act);
    let throttled = cpu_centi(&host, 2101);
    assert!(throttled <= 510 && throttled < before, "{throttled} of {before}");
    assert_eq!(host.act(&act), Ok(Done::Already));
    assert!(host.snapshot().runs(2101));
    let Ok(Done::Changed {
        undo: back @ Undo::Unthrottle { .. },
    }) = done
    else {
        panic!("{done:?}")
    };
    assert!(host.undo(&back, None, Arming::Disarmed).is_ok());
    assert_eq!(cpu_centi(&host, 2101), before);
    for pid in [1, 900, 880] {
        let mut ours = process(&host, pid);
        ours.boot_id = infected().boot_id;
        let refused = host.act(&Act::Throttle { process: ours });
        assert!(
            matches!(refused, Err(HostError::Protected { .. })),
            "{pid}: {refused:?}"
        );
    }
    assert!(host.snapshot().throttled.is_empty());
}
