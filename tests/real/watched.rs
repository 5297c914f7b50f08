//! Many hosts, few slots: who is only watched holds none.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::infected::processes::{POOL, WORDS, start};
use crate::site::{LONG, Site, left_of_us, status};
use crate::world::World;
use crate::world::part::Part;

/// Ends the process that the arguments of a miner condemn, removes its file, and watches.
const PLAYBOOK: &str = "\
playbook: remove
version: 1
vars:
  watch: {type: duration, default: 10s, help: how long verify watches}
phases:
  gather:
    - {id: facts, use: host.facts}
    - {id: processes, use: process.list, with: {sample: 1s}}
    - {id: sockets, use: net.sockets}
  decide:
    - id: verdict
      use: miner.judge
      with: {processes: '{{ steps.processes.rows }}', sockets: '{{ steps.sockets.rows }}', boot_id: '{{ steps.facts.facts.identity.boot_id }}', rules: rules.yml}
  locate:
    - {id: trace, use: miner.trace, with: {verdict: '{{ steps.verdict }}', sockets: '{{ steps.sockets.rows }}'}}
  backup:
    - {id: keep, use: evidence.keep, with: {artifacts: '{{ steps.trace.artifacts }}'}}
  eradicate:
    - {id: kill, use: process.kill, with: {processes: '{{ steps.trace.processes }}'}}
    - {id: delete, use: file.remove, with: {files: '{{ steps.trace.files }}'}}
  verify:
    - {id: quiet, use: verify.quiet, with: {artifacts: '{{ steps.trace.artifacts }}', window: '{{ vars.watch }}'}}
";

/// What a run over many hosts came to.
struct Walked {
    took: Duration,
    /// The most hosts that were in their watch in one moment.
    watched_at_once: usize,
}

/// From the commit of each host of a run to the end of its watch, in milliseconds since 1970.
fn watches(run: &Path) -> Vec<(u64, u64)> {
    let chains = fs::read_dir(run.join("journal")).expect("a journal").flatten();
    let chains = chains.filter(|entry| entry.file_name().to_string_lossy().starts_with("host-"));
    let watch = |chain: fs::DirEntry| {
        let text = fs::read_to_string(chain.path()).expect("a chain");
        let (mut from, mut to) = (None, None);
        for line in text.lines() {
            let event = &serde_json::from_str::<Value>(line).expect("JSON")["event"];
            let at = event["at_ms"].as_str().and_then(|at| at.parse::<u64>().ok());
            match event["kind"]["kind"].as_str() {
                Some("committed") => from = at,
                Some("verified") => to = at,
                _ => {}
            }
        }
        Some((from?, to?))
    };
    chains.filter_map(watch).collect()
}

/// Eradicates something small on so many hosts, and watches each for so long.
fn walk(hosts: usize, at_once: usize, watch: Duration) -> Option<Walked> {
    let world = World::new("watched")?;
    let names: Vec<String> = (1..=hosts).map(|number| format!("web-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let site = Site::open(&world, &names);
    for host in &site.hosts {
        // It only calls: of so many each has to leave the machine to the others.
        Part::idle().mining_at(POOL).write(host, "/tmp/xmrig");
        start(host, &format!("/tmp/xmrig {WORDS}"));
    }
    for host in &site.hosts {
        host.wait("the miner", || !host.running("/tmp/xmrig").is_empty());
    }
    site.control.write("/root/remove.yml", PLAYBOOK, 0o644);
    let rules = include_str!("../../playbooks/rules/linux.yml");
    site.control.write("/root/rules.yml", rules, 0o644);
    let deminer = site.control.deminer();
    let logins = site.names();
    let mut words = vec!["plan", "/root/remove.yml", "--format", "json"];
    words.extend(logins.iter().map(String::as_str));
    let plan = deminer.start(&words).answer_within(LONG + LONG).expect(0).json();
    assert_eq!(plan["nothing_to_do"], false, "{plan:#}");
    let hash = &plan["hash"].as_str().expect("a hash")[..16];

    let (slots, seconds) = (at_once.to_string(), format!("{}s", watch.as_secs()));
    let words = [
        "apply",
        hash,
        "--approve",
        hash,
        "--at-once",
        &slots,
        "--watch",
        &seconds,
        "--format",
        "json",
    ];
    let began = Instant::now();
    let answer = deminer.start(&words).answer_within(watch * 20 + LONG);
    let took = began.elapsed();
    let report = answer.json();
    for host in &site.hosts {
        assert_eq!(*status(&report, &host.address), "eradicated", "{report:#}");
        assert!(host.running("/tmp/xmrig").is_empty(), "`{}`", host.name);
        assert_eq!(left_of_us(host), Vec::<String>::new(), "`{}`", host.name);
    }
    let watches = watches(&deminer.run_of(&report));
    assert_eq!(watches.len(), hosts, "each was watched");
    for (from, to) in &watches {
        assert!(u128::from(to - from) >= watch.as_millis(), "from {from} to {to}");
    }
    let at = |moment: &u64| watches.iter().filter(|(from, to)| (from..to).contains(&moment)).count();
    let watched_at_once = watches.iter().map(|(from, _)| at(from)).max().unwrap_or(0);
    Some(Walked { took, watched_at_once })
}

#[test]
fn who_is_watched_holds_no_slot() {
    let (hosts, at_once, watch) = (12, 2, Duration::from_secs(45));
    let Some(walked) = walk(hosts, at_once, watch) else {
        return;
    };
    // Where a watch held a slot it were six watches, one after the other, and never more than two hosts in one.
    assert!(walked.watched_at_once > at_once, "{} at once", walked.watched_at_once);
    assert!(walked.took < watch * 6, "{:?}", walked.took);
}

/// As the product promises it. Takes some minutes and 3 GiB of memory: run by hand.
#[test]
#[ignore = "some minutes: cargo test --test real -- --ignored forty_hosts --nocapture"]
fn forty_hosts_four_slots_a_watch_of_one_minute() {
    let Some(walked) = walk(40, 4, Duration::from_secs(60)) else {
        return;
    };
    let line = format!(
        "40 hosts: {:?}, {} watched at once\n",
        walked.took, walked.watched_at_once
    );
    // Without a standard error there is nobody to tell.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    assert!(walked.took < Duration::from_secs(180), "{:?}", walked.took);
    assert!(walked.watched_at_once > 4, "{} at once", walked.watched_at_once);
}
