//! Runs that did not come to their end: what was not begun is begun, what was struck is watched, and what is done is not done
//! again.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::command::Deminer;
use common::infection::{Infection, LookAlikes};
use common::machine::{cut_after, files, needs_root, turn, written};
use common::plan::Planned;
use serde_json::{Value, json};

/// Of each host of a report its status and how often it passed a commit.
fn told(report: &Value) -> Vec<Value> {
    let hosts = report["hosts"].as_array().expect("a list").iter();
    hosts
        .map(|host| json!([host["host"], host["status"], host["rounds"]]))
        .collect()
}

#[test]
fn a_host_that_was_not_reached_is_struck_later_and_no_other_again() {
    let folder = tempfile::tempdir().expect("a directory");
    let [up, down] = ["up.yml", "down.yml"].map(|name| folder.path().join(name));
    let hosts =
        |second: &str| format!("hosts:\n  web-1: {{connection: 'simulated:infected'}}\n  web-2: {{{second}}}\n");
    fs::write(&up, hosts("connection: 'simulated:infected'")).expect("written");
    fs::write(&down, hosts("address: 127.0.0.1, port: 1, user: root")).expect("written");
    let (up, down) = (written(&up), written(&down));
    let deminer = Deminer::new();
    let words = [
        "plan",
        "linux-miner",
        "-i",
        &up,
        "--set",
        "watch=2s",
        "--format",
        "json",
    ];
    let plan = deminer.run(&words).expect(0).json();
    let hash = &plan["hash"].as_str().expect("a hash")[..16];

    let apply = ["apply", hash, "--approve", hash, "-i", &down, "--format", "json"];
    let report = deminer.run(&apply).expect(7).json();
    let expected = [json!(["web-1", "eradicated", 1]), json!(["web-2", "unreachable", 0])];
    assert_eq!(told(&report), expected);
    let run = report["run"].as_str().expect("a name");
    let next = deminer.run(&["report", run]).expect(7);
    assert!(next.out.contains(&format!("deminer resume {run}")), "{next}");
    let said: Vec<&str> = next.out.split_whitespace().collect();
    assert!(
        said.join(" ").contains("check that the host is up"),
        "what to do is said: {next}"
    );

    let report = deminer.run(&["resume", "-i", &up, "--format", "json"]).expect(0).json();
    let expected = [json!(["web-1", "eradicated", 1]), json!(["web-2", "eradicated", 1])];
    assert_eq!(told(&report), expected);
    assert_eq!(report["run"], run);
    let answer = deminer.run(&["resume"]).expect(0);
    assert!(answer.err.contains("no run is open"), "{answer}");
    assert_eq!(
        told(&deminer.run(&["resume", run, "--format", "json"]).expect(0).json()),
        expected
    );

    let runs = deminer.run(&["runs", "--format", "json"]).expect(0).json();
    let purposes: Vec<&Value> = runs["runs"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|run| &run["purpose"])
        .collect();
    assert_eq!(purposes, ["apply", "look"]);
    assert_eq!(runs["runs"][0]["statuses"], json!({"eradicated": 2}));
}

/// How often the host's chain of a run says this.
fn times(run: &Path, host: &str, kind: &str) -> usize {
    let chain = fs::read_to_string(run.join(format!("journal/host-{host}.ndjson"))).unwrap_or_default();
    chain.matches(&format!(r#""kind":"{kind}""#)).count()
}

/// Two hosts of which only the first was reached; gives the run, and the inventory by which both are.
fn half(deminer: &Deminer, folder: &Path) -> (PathBuf, String) {
    let [up, down] = ["up.yml", "down.yml"].map(|name| folder.join(name));
    let hosts =
        |second: &str| format!("hosts:\n  web-1: {{connection: 'simulated:infected'}}\n  web-2: {{{second}}}\n");
    fs::write(&up, hosts("connection: 'simulated:infected'")).expect("written");
    fs::write(&down, hosts("address: 127.0.0.1, port: 1, user: root")).expect("written");
    let (up, down) = (written(&up), written(&down));
    let words = [
        "plan",
        "linux-miner",
        "-i",
        &up,
        "--set",
        "watch=2s",
        "--format",
        "json",
    ];
    let plan = deminer.run(&words).expect(0).json();
    let hash = plan["hash"].as_str().expect("a hash");
    let apply = ["apply", hash, "--approve", hash, "-i", &down, "--format", "json"];
    let report = deminer.run(&apply).expect(7).json();
    (deminer.run_of(&report), up)
}

#[test]
fn two_who_take_a_run_up_at_once_strike_once() {
    let (folder, deminer) = (tempfile::tempdir().expect("a directory"), Deminer::new());
    let (run, up) = half(&deminer, folder.path());
    let answers = folder.path().join("answers");
    assert!(Command::new("mkfifo").arg(&answers).status().expect("mkfifo").success());
    let name = written(&answers);
    let slow = deminer.start(&["resume", "-i", &up, "--answers", &name, "--format", "json"]);
    // Opened when the other end is: the slow one reads its answers now.
    let mut answer = fs::OpenOptions::new().write(true).open(&answers).expect("it is read");
    let fast = deminer.run(&["resume", "-i", &up, "--format", "json"]);
    answer.write_all(b"{}\n").expect("it is read");
    drop(answer);
    let report = slow.answer().expect(0).json();
    assert_eq!(
        told(&report),
        [json!(["web-1", "eradicated", 1]), json!(["web-2", "eradicated", 1])]
    );
    assert_eq!(times(&run, "web-2", "committed"), 1, "{fast}");
    assert!(fast.expect(1).err.contains("another process works on run"));
}

#[test]
fn a_host_whose_journal_is_gone_or_cut_is_not_struck_again() {
    let (folder, deminer) = (tempfile::tempdir().expect("a directory"), Deminer::new());
    let (run, up) = half(&deminer, folder.path());
    deminer.run(&["resume", "-i", &up]).expect(0);
    let journal = run.join("journal/host-web-2.ndjson");
    let own = run.join("journal/run.ndjson");
    let [all, told] = [&journal, &own].map(|chain| fs::read_to_string(chain).expect("its chain"));
    let name = written(run.file_name().expect("a name").as_ref());
    let first: String = all.split_inclusive('\n').take(1).collect();
    for left in [None, Some(""), Some(&*first)] {
        match left {
            None => fs::remove_file(&journal).expect("ours"),
            Some(left) => fs::write(&journal, left).expect("written"),
        }
        let answer = deminer.run(&["resume", &name, "-i", &up]).expect(4);
        assert!(
            answer.err.contains("host-web-2.ndjson lacks lines"),
            "{left:?}: {answer}"
        );
        assert!(answer.err.contains("put them back as they were"), "{answer}");
        assert_eq!(times(&run, "web-2", "committed"), 0);
    }
    fs::write(&journal, all).expect("written");
    fs::write(&own, told).expect("written");
    deminer.run(&["resume", &name, "-i", &up]).expect(0);
    assert_eq!(times(&run, "web-2", "committed"), 1);
}

#[test]
fn what_a_run_may_do_stands_in_its_journal() {
    let (folder, deminer) = (tempfile::tempdir().expect("a directory"), Deminer::new());
    let (run, up) = half(&deminer, folder.path());
    let changes = |name: &str, change: &dyn Fn(&str) -> String, says: &str| {
        let file = run.join(name);
        let text = fs::read_to_string(&file).expect("it is kept");
        fs::write(&file, change(&text)).expect("written");
        let answer = deminer.run(&["resume", "-i", &up]).expect(4);
        assert!(answer.err.contains(says), "{name}: {answer}");
        assert_eq!(times(&run, "web-2", "committed"), 0);
        fs::write(&file, text).expect("written");
    };
    let narrower = |text: &str| text.replacen("\"contain\",", "", 1);
    changes("approval.json", &narrower, "approval.json is not the approval");
    let renamed = |text: &str| text.replacen("uid ", "uid 1", 1);
    changes("approval.json", &renamed, "approval.json is not the approval");
    changes(
        "plan",
        &|text| text.replacen("\"2s\"", "\"9s\"", 1),
        "the plan's hash is",
    );
    changes("journal/run.ndjson", &narrower, "run.ndjson does not hold");
    changes(
        "journal/host-web-1.ndjson",
        &|text| text.replacen("web-1", "web-9", 2),
        "does not hold",
    );

    let gone = fs::read(run.join("plan")).expect("kept");
    fs::remove_file(run.join("plan")).expect("ours");
    let name = written(run.file_name().expect("a name").as_ref());
    let answer = deminer.run(&["resume", &name, "-i", &up]).expect(4);
    assert!(answer.err.contains("its plan is not the one"), "{answer}");
    fs::write(run.join("plan"), gone).expect("written");
    // Cut between the two, the journal has it alone.
    fs::remove_file(run.join("approval.json")).expect("ours");
    deminer.run(&["resume", "-i", &up]).expect(0);
    assert_eq!(times(&run, "web-2", "committed"), 1);
    assert!(run.join("approval.json").exists());
}

#[test]
fn a_run_that_was_cut_before_its_approval_did_nothing_and_is_not_gone_on_with() {
    let (folder, deminer) = (tempfile::tempdir().expect("a directory"), Deminer::new());
    let (run, up) = half(&deminer, folder.path());
    for host in ["web-1", "web-2"] {
        fs::remove_file(run.join(format!("journal/host-{host}.ndjson"))).expect("ours");
    }
    let journal = run.join("journal/run.ndjson");
    let lines = fs::read_to_string(&journal).expect("its chain");
    let before: Vec<&str> = lines
        .split_inclusive('\n')
        .take_while(|line| !line.contains(r#""kind":"approved""#))
        .collect();
    let name = written(run.file_name().expect("a name").as_ref());
    for left in (0..=before.len()).rev() {
        fs::write(&journal, before[..left].concat()).expect("written");
        let answer = deminer.run(&["resume", &name, "-i", &up]).expect(4);
        assert!(
            answer.err.contains("it was cut before anything was begun"),
            "{left} lines: {answer}"
        );
        assert!(
            answer.err.contains("deminer apply ") && answer.err.contains("/plan"),
            "{answer}"
        );
        let newest = deminer.run(&["resume", "-i", &up]).expect(0);
        assert!(newest.err.contains("no run is open"), "{left} lines: {newest}");
        for host in ["web-1", "web-2"] {
            assert!(
                !run.join(format!("journal/host-{host}.ndjson")).exists(),
                "{host} was begun"
            );
        }
    }
    let (plan, hash) = (written(&run.join("plan")), name[14..18].to_owned());
    let shown = deminer.run(&["show", &plan, "--format", "json"]).expect(0).json();
    let whole = shown["hash"].as_str().expect("a hash");
    assert!(whole.starts_with(&hash));
    let again = deminer.run(&["apply", &plan, "--approve", whole, "-i", &up]);
    assert_eq!(again.code, Some(0), "what it says is done: {again}");
}

#[test]
fn a_run_that_carries_out_no_plan_is_not_taken_up() {
    let deminer = Deminer::new();
    for verb in ["resume", "verify"] {
        deminer.run(&[verb, "20261114-0244-7c1e"]).expect(2);
    }
    deminer.run(&["runs"]).expect(0);
    deminer.run(&["plan", "linux-miner", "simulated:clean"]).expect(0);
    let runs = deminer.run(&["runs", "--format", "json"]).expect(0).json();
    let look = runs["runs"][0]["run"].as_str().expect("a name");
    for verb in ["resume", "verify"] {
        let answer = deminer.run(&[verb, look]).expect(2);
        assert!(answer.err.contains("carries out no plan"), "{answer}");
    }
}

#[test]
fn what_was_struck_is_watched_later() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let (infection, look_alikes, deminer) = (Infection::plant(), LookAlikes::start(), Deminer::new());
    let (path, _) = files(infection.den()).pop_first().expect("a file");
    let content = fs::read(&path).expect("it is there");
    let planned = Planned::of_this_machine(&deminer);
    let hash = &planned.hash;
    let words = [
        "apply",
        hash,
        "--approve",
        hash,
        "--only",
        "eradicate",
        "--format",
        "json",
    ];
    let report = deminer.run(&words).expect(5).json();
    assert_eq!(told(&report), [json!(["local", "cannot_say", 1])]);
    assert_eq!(report["hosts"][0]["verify"], Value::Null);
    assert_eq!(infection.processes(), [], "processes of the infection live");
    let run = report["run"].as_str().expect("a name");
    let next = deminer.run(&["report", run]).expect(5);
    assert!(next.out.contains(&format!("deminer verify {run}")), "{next}");

    let report = deminer
        .run(&["verify", "--watch", "2s", "--format", "json"])
        .expect(0)
        .json();
    assert_eq!(told(&report), [json!(["local", "eradicated", 1])]);
    assert_eq!(report["hosts"][0]["verify"]["covered_ms"], 2000);
    assert_eq!(report["run"], run);

    // What stands there later came back, however often nothing did before.
    fs::write(&path, content).expect("written");
    let report = deminer
        .run(&["verify", run, "--watch", "2s", "--format", "json"])
        .expect(6)
        .json();
    assert_eq!(told(&report), [json!(["local", "returned", 1])]);
    look_alikes.assert_unharmed();
}

/// A host with a miner.
const INFECTED: &str = "\
packages: {cron: [/usr/sbin/cron]}
processes:
  - {pid: 400, exe: /usr/sbin/cron}
  - pid: 3001
    exe: /tmp/.x/kworker
    argv: [/tmp/.x/kworker, --coin, monero, -o, '198.51.100.23:3333']
    uid: 1000
    cpu_percent: 390
    sockets: [{local: '192.0.2.10:40112', remote: '198.51.100.23:3333'}]
files:
  - {path: /tmp/.x/kworker, mode: '0755', uid: 1000, content: {size: 100000, seed: 7}}
";

/// A host that is applied to and loses its controller right after the commit; its run.
fn cut(deminer: &Deminer, host: &str) -> PathBuf {
    let plan = deminer
        .run(&["plan", "linux-miner", host, "--set", "watch=2s", "--format", "json"])
        .expect(0)
        .json();
    let hash = &plan["hash"].as_str().expect("a hash")[..16];
    let report = deminer
        .run(&["apply", hash, "--approve", hash, "--format", "json"])
        .expect(0)
        .json();
    let run = deminer.run_of(&report);
    cut_after(&run, "host-", "committed");
    cut_after(&run, "run.", "approved");
    run
}

#[test]
fn another_machine_does_not_answer_for_the_struck_one() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("web.yml");
    let world = |machine: &str| {
        fs::write(&file, format!("machine_id: \"{machine}\"\n{INFECTED}")).expect("written");
    };
    world("00000000000000000000000000000001");
    let deminer = Deminer::new();
    let run = cut(&deminer, &format!("simulated:{}", written(&file)));

    world("00000000000000000000000000000002");
    let name = run.file_name().expect("its name").to_string_lossy().into_owned();
    let report = deminer.run(&["report", &name]);
    let said: Vec<&str> = report.out.split_whitespace().collect();
    assert!(said.join(" ").contains("another machine answers for it"), "{report}");
    let report = deminer.run(&["report", &name, "--format", "json"]).json();
    let host = &report["hosts"][0];
    assert_eq!(
        (&host["status"], &host["finished"]),
        (&json!("unreachable"), &json!(false))
    );
    let mut changes = host["changes"].as_array().expect("a list").iter();
    assert!(changes.all(|change| change["reconciled"].is_null()), "{host:#}");

    world("00000000000000000000000000000001");
    let report = deminer.run(&["report", &name, "--format", "json"]).json();
    assert_eq!(report["hosts"][0]["finished"], true, "{report:#}");
}

#[test]
fn a_run_that_was_moved_is_asked_for_where_it_lies() {
    let deminer = Deminer::new();
    let run = cut(&deminer, "simulated:infected");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let moved = elsewhere.path().join(run.file_name().expect("its name"));
    fs::rename(&run, &moved).expect("moved");
    let report = deminer
        .run(&["resume", &written(&moved), "--format", "json"])
        .expect(0)
        .json();
    assert_eq!(report["hosts"][0]["status"], "eradicated", "{report:#}");
}

#[test]
fn a_host_that_was_not_begun_is_told_to_be_untouched() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("hosts.yml");
    let hosts = "hosts:\n  web-1: {connection: 'simulated:infected'}\n  web-2: {connection: 'simulated:infected'}\n";
    fs::write(&file, hosts).expect("written");
    let deminer = Deminer::new();
    let words = [
        "plan",
        "linux-miner",
        "-i",
        &written(&file),
        "--set",
        "watch=2s",
        "--format",
        "json",
    ];
    let plan = deminer.run(&words).expect(0).json();
    let hash = &plan["hash"].as_str().expect("a hash")[..16];
    let report = deminer
        .run(&["apply", hash, "--approve", hash, "--format", "json"])
        .expect(0)
        .json();
    let run = deminer.run_of(&report);
    cut_after(&run, "host-web-1.", "committed");
    cut_after(&run, "run.", "approved");
    fs::remove_file(run.join("journal/host-web-2.ndjson")).expect("ours");

    let told = deminer.run(&["report", report["run"].as_str().expect("a name")]);
    assert!(told.err.contains("web-2  not begun; nothing was changed"), "{told}");
    assert!(
        told.out.contains("web-2 was not begun: nothing was changed there."),
        "{told}"
    );
    let report = deminer.run(&["resume", "--format", "json"]).expect(0).json();
    let expected = [json!(["web-1", "eradicated", 1]), json!(["web-2", "eradicated", 1])];
    assert_eq!(self::told(&report), expected);
}
