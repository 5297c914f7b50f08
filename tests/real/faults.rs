//! Whatever dies over SSH, at forty points of an apply: what the next command says is what the hosts hold.
//!
//! A point is a line of the run's own journal: as soon as it is written, somebody is killed. How many lines there are is
//! told by an apply at which nobody is.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use deminer_engine::vault::Vault;
use deminer_worker::text::Digest;
use serde_json::Value;

use crate::common::command::{Deminer, Running};
use crate::common::machine::written;
use crate::common::plan::Planned;
use crate::infected::case::Case;
use crate::infected::processes;
use crate::site::{LONG, Site, left_of_us, of_us, worker_ends};
use crate::world::World;
use crate::world::host::Host;
use crate::world::pool::POOL;

/// Hosts at once, and points on each.
const HOSTS: [&str; 4] = ["web-1", "web-2", "web-3", "web-4"];
const ROUNDS: usize = 10;
const POINTS: usize = HOSTS.len() * ROUNDS;

/// How often a point is tried at which all of it was over before anybody could be killed.
const TRIES: usize = 4;

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

/// What [`processes::plain`] plants.
const MINER: &str = "/tmp/xmrig";

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
    /// The points are spread over all lines of a chain; the victims take turns.
    fn of(number: usize, lines: usize) -> Point {
        let victim = match number % 3 {
            0 => Victim::Controller,
            1 => Victim::Worker,
            _ => Victim::Link,
        };
        let line = 1 + number * lines / POINTS;
        Point { line, victim }
    }

    /// Kills its victim; says whether there was one.
    fn strike(self, control: &Host<'_>, host: &Host<'_>, runs: &Path) -> bool {
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
        for victim in &victims {
            victim.kill();
        }
        !victims.is_empty()
    }
}

/// The runs that there are.
fn names(runs: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let runs = entries.filter(|entry| entry.path().join("journal").is_dir());
    runs.map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// What the lines of the host's chain in a run are of.
fn lines(run: &Path) -> Vec<String> {
    let chains = std::fs::read_dir(run.join("journal")).into_iter().flatten().flatten();
    let mut chains = chains.filter(|entry| entry.file_name().to_string_lossy().starts_with("host-"));
    let chain = chains.next().and_then(|chain| std::fs::read(chain.path()).ok());
    let chain = chain.unwrap_or_default();
    let whole = chain
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"));
    let kind = |line: &[u8]| {
        let line = serde_json::from_slice::<Value>(line).expect("a line is JSON");
        let kind = &line["event"]["kind"];
        let told = kind["event"]["event"].as_str().map(|told| format!(" {told}"));
        format!("{}{}", kind["kind"].as_str().expect("a kind"), told.unwrap_or_default())
    };
    whole.map(kind).collect()
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
                pid.as_u64() == Some(u64::from(seen.pid))
                    && ticks.as_str() == Some(seen.process.start_ticks.to_string().as_str())
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
    let runs = names(deminer.runs());
    let vaults: Vec<Vault> = runs
        .iter()
        .map(|run| Vault::at(&deminer.runs().join(run).join("vault")))
        .collect();
    let changes = told["changes"].as_array().expect("a list");
    let is_change = |act: &Value| !matches!(act["kind"].as_str(), Some("keep" | "freeze"));
    let mut unclear = false;
    for action in planned.actions().iter().filter(|action| is_change(&action["act"])) {
        let (act, is_so) = (&action["act"], shows(host, &action["act"]));
        let Some(change) = changes.iter().find(|change| change["action"] == action["id"]) else {
            // It was over before the run's journal had the plan.
            assert!(changes.is_empty() && !is_so, "{context}: no word of {action:#}");
            continue;
        };
        let state = &change["state"];
        match state["state"].as_str() {
            Some("done") => assert!(is_so, "{context}: said to be done: {act:#}\n{report:#}"),
            Some("not_done" | "waiting" | "skipped" | "drifted") => {
                assert!(!is_so, "{context}: {state}, but done: {act:#}\n{report:#}")
            }
            Some("unknown") => {
                unclear = true;
                assert_eq!(act["kind"], "run_argv", "{context}: a look could have told: {report:#}");
            }
            _ => panic!("{context}: left open: {state}\n{report:#}"),
        }
        if let Some(digest) = evidence(act).filter(|_| is_so) {
            assert!(
                vaults.iter().any(|vault| vault.content(&digest, 1 << 30).is_ok()),
                "{context}: destroyed and not kept: {act:#}"
            );
        }
    }
    assert_eq!(left_of_us(host), Vec::<String>::new(), "{context}");
    assert!(marks(host) <= 1, "{context}: the program ran twice");
    unclear
}

/// An infected host, a plan for it, and where its runs are.
struct Infected<'h, 'w> {
    host: &'h Host<'w>,
    case: Case,
    deminer: Deminer,
    planned: Planned,
}

impl<'h, 'w> Infected<'h, 'w> {
    fn plant(site: &Site<'w>, host: &'h Host<'w>, round: &str) -> Infected<'h, 'w> {
        let deminer = site.control.deminer_with(&format!("runs-{}-{round}", host.name));
        let case = processes::plain(host);
        host.wait("the miner", || case.missing(host).is_empty());
        std::fs::create_dir_all(deminer.runs()).expect("a directory for runs");
        let (name, file) = (format!("root@{}", host.address), written(&deminer.inside("the.plan")));
        let words = ["plan", "/root/faults.yml", &name, "-o", &file, "--format", "json"];
        let answer = deminer.start(&[&words[..], &LEAVE].concat()).answer_within(LONG);
        let mut planned = Planned::read(&deminer.runs().join("the.plan"), answer.expect(0).json());
        planned.file = deminer.inside("the.plan");
        Infected {
            host,
            case,
            deminer,
            planned,
        }
    }

    /// Begins to apply it.
    fn apply(&self) -> Running {
        let file = self.planned.name();
        let words = [
            "apply",
            &file,
            "--approve",
            self.planned.short_hash(),
            "--only",
            "eradicate",
        ];
        let words = [&words[..], &["--format", "json"], &LEAVE].concat();
        self.deminer.start(&words)
    }

    /// The run that it applies, once there is one.
    fn run(&self, known: &BTreeSet<String>) -> Option<String> {
        names(self.deminer.runs()).difference(known).next().cloned()
    }

    /// All of it, with nobody killed; gives what its chain has lines of.
    fn undisturbed(self) -> Vec<String> {
        let known = names(self.deminer.runs());
        // Nobody watches it: what is done is done, and whether it is clean nobody says.
        let answer = self.apply().answer_within(LONG).expect(5);
        let (context, report) = (format!("`{}`, undisturbed\n{answer}", self.host.name), answer.json());
        assert!(!assert_true(self.host, &self.deminer, &self.planned, &report, &context));
        let run = self.run(&known).expect("a run");
        let lines = lines(&self.deminer.runs().join(run));
        self.clear();
        lines
    }

    /// Kills at a point, settles, goes on; says what the last line was of, `None` where all was over before.
    fn go_through(self, site: &Site<'_>, point: Point) -> Option<String> {
        let context = format!("`{}`: {point:?}", self.host.name);
        let known = names(self.deminer.runs());
        let mut applying = self.apply();
        let end = Instant::now() + LONG;
        let written = || {
            self.run(&known)
                .map(|run| lines(&self.deminer.runs().join(run)))
                .unwrap_or_default()
        };
        let mut had = written();
        while had.len() < point.line && !applying.has_ended() {
            assert!(Instant::now() < end, "{context}: the line does not come");
            std::thread::sleep(Duration::from_millis(1));
            had = written();
        }
        // At the first lines a worker may be yet to come.
        let strike = || point.strike(&site.control, self.host, self.deminer.runs());
        let mut is_struck = strike();
        while !is_struck && !applying.has_ended() {
            std::thread::sleep(Duration::from_millis(1));
            is_struck = strike();
        }
        let answer = applying.answer_within(LONG);
        worker_ends(self.host);
        if !is_struck {
            self.clear();
            return None;
        }

        let context = format!("{context}\n{answer}");
        let run = self.run(&known).expect("its chain has lines");
        let settle = ["report", &run, "--format", "json"];
        let report = self.deminer.start(&settle).answer_within(LONG).json();
        let unclear = assert_true(self.host, &self.deminer, &self.planned, &report, &context);
        let resume = ["resume", &run, "--format", "json"];
        let resumed = self.deminer.start(&[&resume[..], &LEAVE].concat()).answer_within(LONG);
        // Where all was done already nothing is gone on with.
        if !resumed.out.is_empty() {
            let context = format!("{context}\n{report:#}\nresumed: {resumed}");
            assert_true(self.host, &self.deminer, &self.planned, &resumed.json(), &context);
        }
        let is_gone = self.case.missing(self.host) == self.case.programs && !self.host.has(MINER);
        assert!(is_gone || unclear, "{context}\n{report:#}\nresumed: {resumed}");
        self.clear();
        had.last().cloned()
    }

    /// Makes the host what it was, for the next point.
    fn clear(self) {
        self.host.sh(&format!(
            "nft delete table inet deminer 2>/dev/null || true; rm -f /var/tmp/mark.* {MINER}"
        ));
        for miner in self.host.running(MINER) {
            miner.process.kill();
        }
        let is_over = || !self.host.processes().iter().any(|seen| seen.process.comm == b"xmrig");
        self.host.wait("the end of the miner", is_over);
    }
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
    site.control.with_worker();
    let site = &site;
    let chain = Infected::plant(site, &site.hosts[0], "undisturbed").undisturbed();
    let on_host = |place: usize| {
        let host = &site.hosts[place];
        let go = |round: usize| {
            let mut point = Point::of(round * HOSTS.len() + place, chain.len());
            for attempt in 0..TRIES {
                let infected = Infected::plant(site, host, &format!("{round}-{attempt}"));
                if let Some(had) = infected.go_through(site, point) {
                    return (point, had);
                }
                // It was over: a good deal earlier, then; the last lines are written faster than anybody is killed.
                point.line = (point.line * 3 / 4).max(1);
            }
            panic!("`{}`: {point:?}: nobody was there to be killed", host.name);
        };
        (0..ROUNDS).map(go).collect::<Vec<_>>()
    };
    let points: Vec<(Point, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..HOSTS.len())
            .map(|place| scope.spawn(move || on_host(place)))
            .collect();
        let points = threads
            .into_iter()
            .map(|thread| thread.join().expect("a host of the test"));
        points.flatten().collect()
    });
    let mut err = std::io::stderr();
    // Not through the test's own capture. Without a standard error there is nobody to tell.
    for (number, (point, had)) in points.iter().enumerate() {
        let line = format!(
            "point {}: {:?} killed at line {}, {had}",
            number + 1,
            point.victim,
            point.line
        );
        let _ = writeln!(err, "{line}");
    }
    let _ = writeln!(err, "{} points of chains of {} lines", points.len(), chain.len());
    assert_eq!(points.len(), POINTS);
    let committed = chain.iter().position(|kind| kind == "committed").expect("it commits") + 1;
    let before = points.iter().filter(|(point, _)| point.line < committed).count();
    assert!(
        0 < before && before < POINTS,
        "{before} points of {POINTS} are before the commit"
    );
}
