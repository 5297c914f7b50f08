//! Many hosts from the outside: out of an inventory, each with its own variables, in one plan, in batches.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::fs;

use common::command::Deminer;
use common::machine::written;
use serde_json::{Value, json};
use tempfile::TempDir;

const INVENTORY: &str = "\
hosts:
  web-1: {connection: 'simulated:infected'}
  web-2: {connection: 'simulated:infected', vars: {watch: 7s, pool: [a]}}
  db-1: {connection: 'simulated:clean'}
  gone: {address: 127.0.0.1, port: 1, user: root}
groups:
  web: {hosts: [web-1, web-2], vars: {watch: 5s}}
";

/// An inventory in a folder of its own.
fn inventory(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("hosts.yml");
    fs::write(&file, text).expect("written");
    let name = written(&file);
    (folder, name)
}

/// Of each host of a report its status and how long it was watched.
fn told(report: &Value) -> Vec<Value> {
    let hosts = report["hosts"].as_array().expect("a list").iter();
    hosts
        .map(|host| json!([host["host"], host["status"], host["verify"]["window_ms"]]))
        .collect()
}

#[test]
fn hosts_of_an_inventory_in_one_plan() {
    let (_folder, inventory) = inventory(INVENTORY);
    let deminer = Deminer::new();
    let words = [
        "plan",
        "linux-miner",
        "-i",
        &inventory,
        "--limit",
        "!gone",
        "--format",
        "json",
    ];
    let answer = deminer.run(&words).expect(0);
    assert!(
        answer.err.contains("no variable `pool`; did you mean `pools`?"),
        "{answer}"
    );
    let plan = answer.json();
    let hosts = plan["hosts"].as_array().expect("a list").iter();
    let verdicts: Vec<Value> = hosts.map(|host| json!([host["host"], host["verdict"]])).collect();
    let expected = json!([["db-1", "clean"], ["web-1", "infected"], ["web-2", "infected"]]);
    assert_eq!(Value::from(verdicts), expected);

    // The plan alone says what is done, and what was kept beside it how the hosts are reached.
    let hash = &plan["hash"].as_str().expect("a hash")[..16];
    let apply = [
        "apply",
        hash,
        "--approve",
        hash,
        "--batches",
        "1,100%",
        "--format",
        "json",
    ];
    let report = deminer.run(&apply).expect(0).json();
    let expected = [
        json!(["web-1", "eradicated", 5000]),
        json!(["web-2", "eradicated", 7000]),
        json!(["db-1", "clean", null]),
    ];
    assert_eq!(told(&report), expected, "what is changed first");
    let undo = deminer.run(&["undo", "--format", "json"]).expect(0).json();
    let hash = undo["hash"].as_str().expect("a hash");
    let undone = deminer
        .run(&["undo", "--approve", hash, "--format", "json"])
        .expect(0)
        .json();
    let hosts = undone["hosts"].as_array().expect("a list");
    assert_eq!(hosts.len(), 2, "{undone:#}");
}

#[test]
fn what_the_command_line_says_counts_more_than_any_inventory() {
    let (_folder, inventory) = inventory(INVENTORY);
    let deminer = Deminer::new();
    let words = [
        "plan",
        "linux-miner",
        "web",
        "-i",
        &inventory,
        "--set",
        "watch=6s",
        "--format",
        "json",
    ];
    let plan = deminer.run(&words).expect(0).json();
    let hash = &plan["hash"].as_str().expect("a hash")[..16];
    let report = deminer
        .run(&["apply", hash, "--approve", hash, "--format", "json"])
        .expect(0)
        .json();
    let windows: Vec<Value> = told(&report).into_iter().map(|told| told[2].clone()).collect();
    assert_eq!(windows, [6000, 6000]);
    let plan = deminer
        .run(&["plan", "linux-miner", "web", "-i", &inventory, "--format", "json"])
        .expect(0)
        .json();
    let hash = &plan["hash"].as_str().expect("a hash")[..16];
    let apply = ["apply", hash, "--approve", hash, "--watch", "8s", "--format", "json"];
    let report = deminer.run(&apply).expect(0).json();
    let windows: Vec<Value> = told(&report).into_iter().map(|told| told[2].clone()).collect();
    assert_eq!(windows, [8000, 8000]);
}

#[test]
fn a_host_that_is_not_reached_delays_no_other() {
    let (_folder, inventory) = inventory(INVENTORY);
    let deminer = Deminer::new();
    let answer = deminer
        .run(&["plan", "linux-miner", "-i", &inventory, "--format", "json"])
        .expect(7);
    let plan = answer.json();
    assert_eq!(plan["hosts"].as_array().map(Vec::len), Some(3), "{plan:#}");
    let left = plan["not_planned"].as_array().expect("a list");
    assert_eq!(left.len(), 1, "{plan:#}");
    assert_eq!(left[0]["host"], "gone");
    let report = deminer.report();
    let hosts = report["hosts"].as_array().expect("a list").iter();
    let gone = hosts.filter(|host| host["host"] == "gone").collect::<Vec<_>>();
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0]["status"], "unreachable", "{report:#}");
}

#[test]
fn nothing_is_said_of_hosts_that_nobody_looked_at() {
    let (_folder, inventory) = inventory(INVENTORY);
    let answer = Deminer::new()
        .run(&["plan", "linux-miner", "gone", "-i", &inventory])
        .expect(7);
    assert!(answer.out.contains("no host was looked at"), "{answer}");
    assert!(!answer.out.contains("no miner"), "{answer}");
}

#[test]
fn words_that_mean_nothing() {
    let (_folder, inventory) = inventory(INVENTORY);
    let deminer = Deminer::new();
    for (words, says) in [
        (&["-i", &inventory, "--limit", "wbe"][..], "wbe"),
        (&["-i", &inventory, "--at-once", "0"], "--at-once"),
        (&["nobody:x"], "nobody"),
        (&["--host-timeout", "soon"], "--host-timeout soon"),
    ] {
        let answer = deminer.run(&[&["plan", "linux-miner"], words].concat()).expect(2);
        assert!(answer.err.contains(says), "{answer}");
    }
    for (words, says) in [
        (["--batches", "0"], "--batches 0"),
        (["--stop-when", "tired"], "--stop-when tired"),
    ] {
        let plan = deminer
            .run(&["plan", "linux-miner", "simulated:infected", "--format", "json"])
            .expect(0)
            .json();
        let hash = &plan["hash"].as_str().expect("a hash")[..16];
        let answer = deminer
            .run(&[&["apply", hash, "--approve", hash], &words[..]].concat())
            .expect(2);
        assert!(answer.err.contains(says), "{answer}");
    }
}
