//! Quieting and containing: one yes, nothing else is changed, and all of it is taken back.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

#[allow(dead_code, reason = "each test program uses a part of the bench")]
#[path = "../engine/worker/tests/contain/place.rs"]
mod place;

use std::io::{BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::command::{Deminer, program};
use common::infection::{Started, stand_in};
use common::machine::{needs_root, turn, wait_until};
use serde_json::Value;

const INFECTED: &str = "simulated:infected";
const POOL: &str = "198.51.100.23";

/// The kinds of what would be done, sorted.
fn kinds(listed: &Value) -> Vec<String> {
    let contains = listed["contains"].as_array().expect("a list");
    let kind = |action: &Value| action["act"]["kind"].as_str().expect("a kind").to_owned();
    let mut kinds: Vec<String> = contains.iter().map(kind).collect();
    kinds.sort();
    kinds
}

fn hash(listed: &Value) -> String {
    listed["hash"].as_str().expect("a hash").to_owned()
}

#[test]
fn what_would_be_done_is_shown_and_not_done() {
    let deminer = Deminer::new();
    let rows: [(&[&str], &[&str]); 5] = [
        (&["throttle", INFECTED], &["throttle", "throttle"]),
        (&["contain", INFECTED], &["block_address"]),
        (
            &["contain", INFECTED, "--set", "isolate=true"],
            &["block_address", "isolate"],
        ),
        (&["contain", "simulated:clean"], &[]),
        (
            &[
                "contain",
                "simulated:clean",
                "--set",
                "isolate=true",
                "--set",
                "alarm=IDS 4711",
            ],
            &["isolate"],
        ),
    ];
    for (words, expected) in rows {
        let answer = deminer.run(&[words, &["--format", "json"]].concat()).expect(0);
        assert_eq!(kinds(&answer.json()), expected, "{words:?}");
    }
    let text = deminer.run(&["throttle", INFECTED]).expect(0);
    assert!(text.out.contains("nothing is ended, removed or kept"), "{}", text.out);
    assert!(text.err.contains("deminer throttle --approve"), "{}", text.err);
    let text = deminer.run(&["throttle", "simulated:clean"]).expect(0);
    assert!(text.out.contains("Nothing to contain"), "{}", text.out);
}

#[test]
fn a_yes_by_its_hash_contains_and_nothing_else() {
    let deminer = Deminer::new();
    let listed = deminer
        .run(&["contain", INFECTED, "--set", "isolate=true", "--format", "json"])
        .expect(0)
        .json();
    deminer.run(&["contain", "--approve", "0000000000000000"]).expect(2);
    let report = deminer
        .run(&["contain", "--approve", &hash(&listed), "--format", "json"])
        .expect(0)
        .json();
    let host = &report["hosts"][0];
    assert_eq!(host["status"], "contained", "{report:#}");
    assert_eq!(host["tally"]["done"], 2);
    assert_eq!(host["kept"]["items"], 0);
    let run = report["run"].as_str().expect("a name");
    let list = deminer.run(&["undo", run, "--format", "json"]).expect(0).json();
    let steps = list["undo"]["hosts"][0]["order"]["steps"].as_array().expect("a list");
    assert_eq!(steps.len(), 2, "{list:#}");
}

/// Types an answer on a terminal of its own, once the question stands there; what was said, and the exit code.
fn typed(words: &str, answer: &str) -> (String, Option<i32>) {
    let runs = tempfile::tempdir().expect("a directory");
    let command = format!("{} {words} --runs {}", program().display(), runs.path().display());
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script(1) of bsdutils");
    let mut types = script.stdin.take().expect("piped");
    let mut said = Vec::new();
    let mut shows = BufReader::new(script.stdout.take().expect("piped"));
    let mut byte = [0];
    let mut asked = false;
    while let Ok(1) = shows.read(&mut byte) {
        said.push(byte[0]);
        if !asked && said.ends_with(b"host: ") {
            asked = true;
            writeln!(types, "{answer}").expect("it waits");
        }
    }
    let code = script.wait().expect("ours").code();
    (String::from_utf8_lossy(&said).into_owned(), code)
}

#[test]
fn one_typed_yes() {
    let (said, code) = typed("throttle simulated:infected", "yes");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("contained"), "{said}");
    assert!(said.contains("To take it back: deminer undo"), "{said}");
    for answer in ["y", "", "YES", "no"] {
        let (said, code) = typed("throttle simulated:infected", answer);
        assert_eq!(code, Some(4), "{answer}: {said}");
        assert!(said.contains("Nothing was changed."), "{answer}: {said}");
    }
}

#[test]
fn a_real_host_is_contained_and_taken_back() {
    if needs_root() {
        let _turn = turn();
        place::in_a_place_of_its_own("inside::a_real_host_is_contained_and_taken_back");
    }
}

#[test]
#[ignore = "a process that other tests start"]
fn a_part() {
    place::be_a_part(|_| None);
}

mod inside {
    use super::*;

    #[test]
    #[ignore = "runs in a place of its own"]
    fn a_real_host_is_contained_and_taken_back() {
        let mut place = place::Place::build();
        place::run("nft add table inet filter");
        let before = place::ruleset();
        place.log_in("192.0.2.7");
        let den = tempfile::Builder::new()
            .prefix("deminer-den-")
            .tempdir()
            .expect("a directory");
        let miner = den.path().join("xmrig");
        stand_in(&miner, "miner");
        let end = format!("{POOL}:3333");
        let started = Started::new(Command::new(&miner).args(["-o", &end, "-u", "x", "--donate-level", "1"]));
        let niceness = || -> i64 {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", started.pid())).expect("it lives");
            let fields = stat.rsplit_once(')').expect("of its form").1;
            fields
                .split_whitespace()
                .nth(16)
                .expect("of its form")
                .parse()
                .expect("a number")
        };
        let groups = || std::fs::read_to_string(format!("/proc/{}/cgroup", started.pid())).expect("it lives");
        let connected = || {
            let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", started.pid())).unwrap_or_default();
            table.contains(":0D05 01")
        };
        assert!(
            wait_until(Duration::from_secs(20), connected),
            "the stand-in has its pool"
        );
        let was = (niceness(), groups());

        let deminer = Deminer::new();
        let taken_back = |deminer: &Deminer, report: &Value| {
            let run = report["run"].as_str().expect("a name");
            let list = deminer.run(&["undo", run, "--format", "json"]).expect(0).json();
            let undone = deminer
                .run(&["undo", run, "--approve", &hash(&list), "--format", "json"])
                .expect(0)
                .json();
            assert_eq!(undone["hosts"][0]["status"], "undone", "{undone:#}");
        };

        let listed = deminer.run(&["contain", "--format", "json"]).expect(0).json();
        assert_eq!(kinds(&listed), ["block_address"], "{listed:#}");
        assert_eq!(listed["contains"][0]["act"]["address"], POOL);
        assert_eq!(place::ruleset(), before, "looking changed nothing");
        let words = ["contain", "--approve", &hash(&listed), "--format", "json"];
        let report = deminer.run(&words).expect(0).json();
        assert_eq!(report["hosts"][0]["status"], "contained", "{report:#}");
        assert!(place.cannot(POOL, 3333) && place.is_out_of_reach_from(POOL));
        assert!(place.session_works() && place.is_reached_from("192.0.2.7") && place.can("203.0.113.10", 443));
        assert!(place::ruleset().starts_with(&before));
        taken_back(&deminer, &report);
        assert_eq!(place::ruleset(), before, "as before, byte for byte");
        assert!(place.can(POOL, 3333));

        let listed = deminer.run(&["throttle", "--format", "json"]).expect(0).json();
        assert_eq!(kinds(&listed), ["throttle"], "{listed:#}");
        let words = ["throttle", "--approve", &hash(&listed), "--format", "json"];
        let report = deminer.run(&words).expect(0).json();
        assert_eq!(report["hosts"][0]["status"], "contained", "{report:#}");
        assert_ne!((niceness(), groups()), was);
        taken_back(&deminer, &report);
        assert_eq!((niceness(), groups()), was);
    }
}
