//! What the command refuses, with which exit code, and that no run is begun for it.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::path::Path;

use common::command::{Answer, Deminer, run};
use common::machine::written;
use common::plan::Planned;

const INFECTED: &str = "simulated:infected";

fn planned(deminer: &Deminer) -> Planned {
    Planned::make(deminer, &deminer.runs().join("the.plan"), &[INFECTED])
}

/// The runs that were begun.
fn runs(deminer: &Deminer) -> usize {
    let entries = std::fs::read_dir(deminer.runs()).expect("a directory of the test");
    entries
        .flatten()
        .filter(|entry| entry.path().join("journal").is_dir())
        .count()
}

/// An answer that refuses: nothing on stdout, what and what to do on stderr.
#[track_caller]
fn refuses(answer: Answer, code: i32, saying: &str) {
    let answer = answer.expect(code);
    assert_eq!(answer.out, "", "{answer}");
    assert!(answer.err.contains(saying), "it does not say `{saying}`\n{answer}");
    assert!(answer.err.contains("help: "), "it does not say what to do\n{answer}");
}

#[test]
fn words_that_mean_nothing() {
    let deminer = Deminer::new();
    let rows: [(&str, &[&str], &str); 6] = [
        ("a playbook", &["plan", "linux-minor", INFECTED], "linux-minor"),
        ("a host", &["plan", "linux-miner", "web;1"], "web;1"),
        (
            "a variable",
            &["plan", "linux-miner", INFECTED, "--set", "wach=1m"],
            "wach",
        ),
        (
            "a value",
            &["plan", "linux-miner", INFECTED, "--set", "watch=soon"],
            "soon",
        ),
        ("a run", &["report", "20261114-0244-7c1e"], "20261114-0244-7c1e"),
        ("a plan", &["show", "0123456789abcdef"], "0123456789abcdef"),
    ];
    for (name, words, saying) in rows {
        let answer = deminer.run(words);
        assert_eq!(answer.code, Some(2), "{name}\n{answer}");
        refuses(answer, 2, saying);
    }
    for words in [
        &["plan", "linux-miner", INFECTED, "--set", "watch"][..],
        &["--no-such-flag"],
        &["erase"],
    ] {
        let answer = if words[0] == "plan" {
            deminer.run(words)
        } else {
            run(words)
        };
        assert_eq!(answer.code, Some(2), "{answer}");
    }
    assert_eq!(runs(&deminer), 0, "a run was begun");
}

#[test]
fn an_approval_that_is_none() {
    let deminer = Deminer::new();
    let planned = planned(&deminer);
    let name = planned.name();
    let begun = runs(&deminer);
    let wrong: String = planned.hash.chars().rev().collect();
    let rows: [(&str, &[&str], i32, &str); 9] = [
        ("too short", &["--approve", &planned.hash[..15]], 4, &planned.hash[..15]),
        ("no hash", &["--approve", "yes"], 4, "yes"),
        ("empty", &["--approve", ""], 4, "hash"),
        ("another", &["--approve", &wrong], 4, &planned.hash),
        ("a watch", &["--approve", &planned.hash, "--watch", "soon"], 2, "soon"),
        (
            "a long watch",
            &["--approve", &planned.hash, "--watch", "99999999999999999999d"],
            2,
            "9d",
        ),
        (
            "no action",
            &["--approve", &planned.hash, "--exclude", "ffffffffffffffff"],
            2,
            "ffffffffffffffff",
        ),
        (
            "a short action",
            &["--approve", &planned.hash, "--exclude", "0"],
            2,
            "--exclude 0",
        ),
        (
            "no component",
            &["--approve", &planned.hash, "--many", "web-1"],
            2,
            "--many web-1",
        ),
    ];
    for (row, words, code, saying) in rows {
        let answer = deminer.run(&[&["apply", &name], words].concat());
        assert_eq!(answer.code, Some(code), "{row}\n{answer}");
        refuses(answer, code, saying);
    }
    let stored = deminer.run(&["run", "--approve", &wrong]);
    refuses(stored, 2, &wrong[..16]);
    assert_eq!(runs(&deminer), begun, "a run was begun");
}

#[test]
fn a_guardian_is_not_left_beside_its_killed_miner() {
    let deminer = Deminer::new();
    let planned = planned(&deminer);
    let name = planned.name();
    let kill_of = |role: &str| {
        let is_it =
            |action: &&serde_json::Value| action["act"]["kind"] == "kill" && action["act"]["process"]["role"] == role;
        let action = planned.actions().iter().find(is_it).expect("the sample host has one");
        action["id"].as_str().expect("a text").to_owned()
    };
    let begun = runs(&deminer);
    let apply = ["apply", &name, "--approve", planned.short_hash()];
    for role in ["guardian", "miner"] {
        let kill = kill_of(role);
        let half = deminer.run(&[&apply[..], &["--exclude", &kill]].concat());
        refuses(half, 4, "which it can start again");
        let unsaid = deminer.run(&[&apply[..], &["--exclude", &kill, "--reason", " "]].concat());
        refuses(unsaid, 4, "which it can start again");
        let signed = deminer.run(&["approve", &name, "--hash", planned.short_hash(), "--exclude", &kill]);
        refuses(signed, 4, "which it can start again");
    }
    assert_eq!(runs(&deminer), begun, "a run was begun");
    let said = [
        "--exclude",
        &kill_of("guardian"),
        "--reason",
        "the shop team asks",
        "--watch",
        "5s",
    ];
    let report = deminer.run(&[&apply[..], &said, &["--format", "json"]].concat()).json();
    let left = report["hosts"][0]["left_alone"].as_array().expect("a list");
    let guardian = left
        .iter()
        .find(|left| left["brings_back"] == true)
        .expect("it is told");
    assert_eq!(guardian["object"]["role"], "guardian");
    assert_eq!(
        guardian["why"],
        serde_json::json!({"why": "excluded", "reason": "the shop team asks"})
    );
    let text = deminer.run(&["report"]).out;
    assert!(text.contains("the shop team asks; ATTENTION"), "{text}");
    assert_eq!(
        report["hosts"][0]["status"], "cannot_say",
        "a guardian that lives is no good word"
    );
    let spared = deminer
        .run(&["plan", "linux-miner", INFECTED, "--protect", "/tmp/.x/guard"])
        .out;
    let spared: String = spared.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(spared.contains("the site lists /tmp/.x/guard; ATTENTION"), "{spared}");
}

/// Writes a plan with another header, and gives the answer to applying it with the hash that was approved.
fn with_header(deminer: &Deminer, planned: &Planned, field: &str, change: impl Fn(&str) -> String) -> Answer {
    let text = std::fs::read_to_string(&planned.file).expect("the plan");
    let (header, rest) = text.split_once('\n').expect("a header line");
    let mut value: serde_json::Value = serde_json::from_str(header).expect("JSON");
    let was = value[field].as_str().expect("a text").to_owned();
    value[field] = change(&was).into();
    let changed: &Path = &deminer.runs().join("changed.plan");
    std::fs::write(changed, format!("{value}\n{rest}")).expect("a plan");
    deminer.run(&["apply", &written(changed), "--approve", &planned.hash])
}

#[test]
fn a_plan_that_was_changed() {
    let deminer = Deminer::new();
    let planned = planned(&deminer);
    let begun = runs(&deminer);
    let longer = |ms: &str| (ms.parse::<u64>().expect("a number") + 86_400_000).to_string();
    refuses(
        with_header(&deminer, &planned, "not_after_ms", longer),
        4,
        "good for more than 45 minutes",
    );
    let shorter = |ms: &str| (ms.parse::<u64>().expect("a number") - 60_000).to_string();
    refuses(
        with_header(&deminer, &planned, "not_after_ms", shorter),
        4,
        "approved was",
    );
    refuses(
        with_header(&deminer, &planned, "deminer", |_| "9.9.9".to_owned()),
        4,
        "approved was",
    );

    let text = std::fs::read_to_string(&planned.file).expect("the plan");
    let file = written(&deminer.runs().join("cut.plan"));
    for cut in [0, 1, text.len() / 2, text.len() - 1] {
        std::fs::write(&file, &text[..cut]).expect("a plan");
        let answer = deminer.run(&["apply", &file, "--approve", &planned.hash]);
        assert!(matches!(answer.code, Some(2 | 4)), "cut at {cut}\n{answer}");
    }
    assert_eq!(runs(&deminer), begun, "a run was begun");
}

#[test]
fn an_expired_plan() {
    let deminer = Deminer::new();
    let planned = planned(&deminer);
    // Its hash is right: it is the time that is over.
    let old = |ms: &str| (ms.parse::<u64>().expect("a number") - 2 * 86_400_000).to_string();
    let text = std::fs::read_to_string(&planned.file).expect("the plan");
    let (header, rest) = text.split_once('\n').expect("a header line");
    let mut value: serde_json::Value = serde_json::from_str(header).expect("JSON");
    for field in ["created_at_ms", "not_after_ms"] {
        value[field] = old(value[field].as_str().expect("a text")).into();
    }
    let file = deminer.runs().join("old.plan");
    std::fs::write(&file, format!("{value}\n{rest}")).expect("a plan");
    let name = written(&file);
    let shown = deminer.run(&["show", &name, "--format", "json"]).expect(0).json();
    let hash = shown["hash"].as_str().expect("a hash");
    assert_ne!(hash, planned.hash);
    let begun = runs(&deminer);
    refuses(deminer.run(&["apply", &name, "--approve", hash]), 4, "good until");
    assert_eq!(runs(&deminer), begun, "a run was begun");
}

#[test]
fn a_plan_with_nothing_to_do() {
    let deminer = Deminer::new();
    let planned = Planned::make(&deminer, &deminer.runs().join("the.plan"), &["simulated:clean"]);
    let begun = runs(&deminer);
    let answer = deminer
        .run(&["apply", &planned.name(), "--approve", planned.short_hash()])
        .expect(0);
    assert!(answer.out.to_lowercase().contains("nothing"), "{answer}");
    assert_eq!(runs(&deminer), begun, "a run was begun");
}
