//! Whatever dies over SSH, at forty points of an apply: what the next command says is what the hosts hold.
//!
//! A point is a line of the run's own journal: as soon as it is written, somebody is killed.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use deminer_engine::vault::Vault;
use deminer_worker::text::Digest;
use serde_json::Value;

use crate::common::command::Deminer;
use crate::common::plan::Planned;
use crate::infected::processes;
use crate::site::{LONG, Site, left_of_us, of_us, worker_ends};
use crate::world::World;
use crate::world::host::Host;
use crate::world::pool::POOL;

/// Hosts at once, and points on each.
const HOSTS: [&str; 8] = ["web-1", "web-2", "web-3", "web-4", "web-5", "web-6", "web-7", "web-8"];
const ROUNDS: usize = 5;

/// The line of the host's chain from which on nothing is left to be lost.
const LINES: usize = 24;

/// Contains, runs a program that leaves a mark, kills, removes.
const PLAYBOOK: &str = "\
playbook: faults
version: 1
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
    - {id: block, use: net.block, with: {remotes: '{{ steps.trace.peers }}'}}
    - {id: mark, use: command.run, with: {program: /usr/bin/mktemp, arguments: [/var/tmp/mark.XXXXXX], timeout: 5s, because: a mark}}
    - {id: kill, use: process.kill, with: {processes: '{{ steps.trace.processes }}'}}
    - {id: delete, use: file.remove, with: {files: '{{ steps.trace.files }}'}}
";

const LEAVE: [&str; 2] = ["--allow", "command.run"];

/// Who is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Controller,
    Worker,
    Link,
}

/// Somebody, as soon as a line is written.
#[derive(Debug, Clone, Copy)]
struct Point {
    line: usize,
    victim: Victim,
}

impl Point {
    /// The points are spread over all lines; the victims take turns.
    fn of(number: usize) -> Point {
        let victim = match number % 3 {
            0 => Victim::Controller,
            1 => Victim::Worker,
            _ => Victim::Link,
        };
        let line = 1 + number * LINES / (HOSTS.len() * ROUNDS);
        Point { line, victim }
    }

    /// Kills its victim.
    fn strike(self, control: &Host<'_>, host: &Host<'_>, runs: &Path) {
        let says = |argv: &[Vec<u8>], word: &str| {
            let mut words = argv.iter().map(|said| String::from_utf8_lossy(said));
            words.any(|said| said.contains(word))
        };
        let runs = runs.file_name().expect("a directory").to_string_lossy();
        let victims = match self.victim {
            Victim::Controller => {
                let mut ours = of_us(control);
                ours.retain(|process| says(&process.argv, &runs));
                ours
            }
            Victim::Worker => {
                let all = of_us(host);
                // The keeper is its child, and must do its work.
                let is_first = |ppid: u32| !all.iter().any(|other| other.pid == ppid);
                all.iter().filter(|process| is_first(process.ppid)).cloned().collect()
            }
            Victim::Link => {
                let mut clients = control
                    .processes()
                    .into_iter()
                    .map(|seen| seen.process)
                    .collect::<Vec<_>>();
                clients.retain(|process| process.comm == b"ssh" && says(&process.argv, &host.address));
                clients
            }
        };
        for victim in victims {
            victim.kill();
        }
    }
}

/// The runs that there are.
fn names(runs: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let runs = entries.filter(|entry| entry.path().join("journal").is_dir());
    runs.map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// The lines of the host's chain in a run.
fn lines(run: &Path) -> usize {
    let chains = std::fs::read_dir(run.join("journal")).into_iter().flatten().flatten();
    let mut chains = chains.filter(|entry| entry.file_name().to_string_lossy().starts_with("host-"));
    let chain = chains.next().and_then(|chain| std::fs::read(chain.path()).ok());
    chain.unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

/// The marks that the plan's program left.
fn marks(host: &Host<'_>) -> usize {
    let left = host.run(["find", "/var/tmp", "-name", "mark.*"]).out;
    left.lines().count()
}

/// Whether a host is as an act would leave it.
fn shows(host: &Host<'_>, act: &Value) -> bool {
    match act["kind"].as_str() {
        Some("kill") => {
            let (pid, ticks) = (&act["process"]["pid"], &act["process"]["start_ticks"]);
            !host.processes().iter().any(|seen| {
                *pid == Value::from(seen.pid) && *ticks == Value::from(seen.process.start_ticks.to_string())
            })
        }
        Some("remove_file") => !host.has(act["file"]["path"].as_str().expect("a path")),
        Some("block_address") => {
            // One that stands on trial ends within a minute: it is not done.
            let held = host.run(["nft", "list", "table", "inet", "deminer"]).out;
            let mut lines = held.lines().filter(|line| line.contains(&POOL.to_string()));
            lines.any(|line| !line.contains("timeout 1m "))
        }
        Some("run_argv") => marks(host) > 0,
        kind => panic!("{kind:?} is no change of this plan"),
    }
}

/// What must be in the vault where an act was carried out.
fn evidence(act: &Value) -> Option<Digest> {
    let digest = match act["kind"].as_str() {
        Some("kill") => &act["process"]["exe_sha256"],
        Some("remove_file") => &act["file"]["sha256"],
        _ => return None,
    };
    digest.as_str().and_then(|text| text.parse().ok())
}

/// Holds a report against the host; says whether something cannot be told.
fn assert_true(host: &Host<'_>, deminer: &Deminer, planned: &Planned, report: &Value, context: &str) -> bool {
    let told = &report["hosts"][0];
    assert_eq!(
        (&told["finished"], &report["headline"]["unfinished"]),
        (&Value::from(true), &Value::from(false)),
        "{context}: {report:#}"
    );
    let vault = Vault::at(&deminer.run_of(report).join("vault"));
    let changes = told["changes"].as_array().expect("a list");
    let is_change = |act: &Value| !matches!(act["kind"].as_str(), Some("keep" | "freeze"));
    let mut unclear = false;
    for action in planned.actions().iter().filter(|action| is_change(&action["act"])) {
        let change = changes.iter().find(|change| change["action"] == action["id"]);
        let state = &change.unwrap_or_else(|| panic!("{context}: no word of {action:#}"))["state"];
        let (act, is_so) = (&action["act"], shows(host, &action["act"]));
        match state["state"].as_str() {
            Some("done") => assert!(is_so, "{context}: said to be done: {act:#}\n{report:#}"),
            Some("not_done" | "skipped" | "drifted") => {
                assert!(!is_so, "{context}: {state}, but done: {act:#}\n{report:#}")
            }
            Some("waiting") if told["progress"] == "nothing" => assert!(!is_so, "{context}: nobody was there: {act:#}"),
            Some("unknown") => {
                unclear = true;
                assert_eq!(act["kind"], "run_argv", "{context}: a look could have told: {report:#}");
            }
            _ => panic!("{context}: left open: {state}\n{report:#}"),
        }
        if let Some(digest) = evidence(act).filter(|_| is_so) {
            assert!(
                vault.content(&digest, 1 << 30).is_ok(),
                "{context}: destroyed and not kept: {act:#}"
            );
        }
    }
    assert_eq!(left_of_us(host), Vec::<String>::new(), "{context}");
    assert!(marks(host) <= 1, "{context}: the program ran twice");
    unclear
}

/// Goes through one point: kills, settles, goes on.
fn go_through(site: &Site<'_>, host: &Host<'_>, round: usize, point: Point) {
    let context = format!("`{}`, round {round}: {point:?}", host.name);
    let runs = format!("runs-{}-{round}", host.name);
    let deminer = site.control.deminer_with(&runs);
    let case = processes::plain(host);
    host.wait("the miner", || case.missing(host).is_empty());
    let (name, file) = (format!("root@{}", host.address), deminer.inside("the.plan"));
    let file = file.to_str().expect("text");
    site.control.sh(&format!("mkdir -p {}", deminer.inside("").display()));
    let words = ["plan", "/root/faults.yml", &name, "-o", file, "--format", "json"];
    let json = deminer
        .start(&[&words[..], &LEAVE].concat())
        .answer_within(LONG)
        .expect(0)
        .json();
    let planned = Planned::read(&deminer.runs().join("the.plan"), json);

    let apply = [
        "apply",
        file,
        "--approve",
        planned.short_hash(),
        "--only",
        "eradicate",
        "--format",
        "json",
    ];
    let known = names(deminer.runs());
    let mut applying = deminer.start(&[&apply[..], &LEAVE].concat());
    let mut run = String::new();
    let is_written = |run: &mut String| {
        run.extend(
            names(deminer.runs())
                .difference(&known)
                .next()
                .filter(|_| run.is_empty())
                .cloned(),
        );
        !run.is_empty() && lines(&deminer.runs().join(&run)) >= point.line
    };
    let end = Instant::now() + LONG;
    while !is_written(&mut run) && !applying.has_ended() {
        assert!(Instant::now() < end, "{context}: the line does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(is_written(&mut run), "{context}: it ended before");
    point.strike(&site.control, host, deminer.runs());
    let answer = applying.answer_within(LONG);
    worker_ends(host);

    let settle = ["report", &run, "--format", "json"];
    let report = deminer.start(&settle).answer_within(LONG).json();
    let unclear = assert_true(host, &deminer, &planned, &report, &format!("{context}\n{answer}"));
    let resume = ["resume", &run, "--format", "json"];
    let resumed = deminer.start(&[&resume[..], &LEAVE].concat()).answer_within(LONG);
    // Where all was done already no run is open.
    if !resumed.out.is_empty() {
        assert_true(
            host,
            &deminer,
            &planned,
            &resumed.json(),
            &format!("{context}, resumed"),
        );
    }
    let is_gone = case.missing(host) == case.programs && !host.has("/tmp/xmrig");
    assert!(is_gone || unclear, "{context}: {resumed}");
    // As it was before, for the next point.
    host.sh("nft delete table inet deminer 2>/dev/null || true; rm -f /var/tmp/mark.* /tmp/xmrig");
    for miner in host.running("/tmp/xmrig") {
        miner.process.kill();
    }
    host.wait("the end of the miner", || host.running("/tmp/xmrig").is_empty());
}

#[test]
fn whatever_dies_at_forty_points_the_next_command_tells_the_truth() {
    let Some(world) = World::new("faults") else { return };
    let _pool = world.pool();
    let site = Site::open(&world, &HOSTS);
    site.control.write("/root/faults.yml", PLAYBOOK, 0o644);
    site.control.write(
        "/root/rules.yml",
        include_str!("../../playbooks/rules/linux.yml"),
        0o644,
    );
    // Written once, before all of them start it.
    site.control.deminer();
    let site = &site;
    std::thread::scope(|scope| {
        for (place, host) in site.hosts.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    go_through(site, host, round, Point::of(round * HOSTS.len() + place));
                }
            });
        }
    });
}
