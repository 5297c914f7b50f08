//! The whole path on this machine: an infection is found, planned, approved, removed and watched, and nothing else is
//! touched.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::command::Deminer;
use common::infection::{Infection, LookAlikes, running_content};
use common::machine::{FileState, files, needs_root, standing, turn, wait_until, written};
use common::plan::{Planned, acts_on};
use common::random::Random;
use deminer_engine::vault::Vault;
use deminer_worker::text::Digest;
use serde_json::Value;

/// The states of all changes of a report's first host.
fn states(report: &Value) -> Vec<(String, String)> {
    let changes = report["hosts"][0]["changes"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    changes
        .iter()
        .map(|change| (text(&change["state"]["state"]), text(&change["state"]["done"]["did"])))
        .collect()
}

/// # Panics
/// When an action has no reason, or one that is no finding of the plan with a sentence of its own.
fn assert_reasons(planned: &Planned) {
    let findings = planned.hosts[0]["findings"].as_array().expect("a list");
    for action in planned.actions() {
        let because = action["because"].as_array().expect("a list");
        assert!(!because.is_empty(), "no reason: {action}");
        for id in because {
            let finding = findings.iter().find(|finding| finding["id"] == *id);
            let say = finding.and_then(|finding| finding["say"].as_str()).unwrap_or_default();
            assert!(!say.is_empty(), "finding {id} of {action} says nothing");
        }
    }
}

/// # Panics
/// When something of the infection is there, or of the rest of the machine something is not as it was.
#[track_caller]
fn assert_clean(infection: &Infection, look_alikes: &LookAlikes, planned: &Planned, stood: &BTreeSet<(u32, u64)>) {
    assert_eq!(infection.processes(), [], "processes of the infection live");
    assert_eq!(files(infection.den()), BTreeMap::new());
    assert_eq!(infection.crontab.text(), infection.good_text());
    look_alikes.assert_unharmed();
    assert_eq!(standing().difference(stood).count(), 0, "a process stands still");
    for directory in planned.footprint() {
        assert!(!directory.exists(), "{} is left", directory.display());
    }
}

#[test]
fn an_infected_machine_at_night() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let (infection, look_alikes, deminer) = (Infection::plant(), LookAlikes::start(), Deminer::new());
    let stood = standing();
    let owner = infection.crontab.mode_and_owner();
    let seen = || {
        let processes = infection.processes();
        (
            processes,
            files(infection.den()),
            infection.files(),
            infection.crontab.text(),
        )
    };
    let ignoring_state = |(mut processes, den, files, text): (Vec<common::machine::Process>, _, _, _)| {
        processes.iter_mut().for_each(|process| process.state = '-');
        (processes, den, files, text)
    };

    let before = ignoring_state(seen());
    let planned = Planned::of_this_machine(&deminer);
    assert_eq!(ignoring_state(seen()), before, "planning changed something");
    assert_eq!(standing().difference(&stood).count(), 0, "planning stopped something");
    look_alikes.assert_unharmed();

    assert_eq!(planned.acts(), acts_on(&infection));
    assert_reasons(&planned);
    assert_eq!(
        planned.hash.parse::<Digest>().map(|hash| hash.to_string()),
        Ok(planned.hash.clone())
    );
    assert_eq!(planned.json["hosts"][0]["host"], "local");
    let ids = |actions: &Value| -> Vec<Value> {
        let actions = actions.as_array().expect("a list").iter();
        actions.map(|action| action["id"].clone()).collect()
    };
    assert_eq!(ids(&planned.json["actions"]), ids(&planned.hosts[0]["actions"]));

    let miner = infection.miner().expect("it runs");
    let mined = running_content(&miner);
    miner.kill();
    let again = wait_until(Duration::from_secs(20), || infection.miner().is_some());
    assert!(again, "the guardian starts another miner");
    let report = planned.apply(&deminer, "5s").expect(0).json();

    assert_clean(&infection, &look_alikes, &planned, &stood);
    assert_eq!(infection.crontab.mode_and_owner(), owner);
    assert_eq!(report["hosts"][0]["status"], "eradicated", "{report:#}");
    assert_eq!(report["hosts"][0]["verify"]["covered_ms"], 5000);
    assert_eq!(report["hosts"][0]["born"][0]["ended"], true, "{report:#}");
    assert_eq!(report["counts"]["changes"]["done"], 5);

    let told = deminer.report();
    assert_eq!(told, report, "the report is made again from the journals");
    let killed = told["hosts"][0]["changes"].as_array().expect("a list").iter();
    let killed: Vec<&Value> = killed.filter(|change| change["object"]["role"] == "miner").collect();
    assert_eq!(killed.len(), 1);
    assert_eq!(killed[0]["object"]["exe_sha256"], mined.to_string());
    let vault = Vault::at(&deminer.run_of(&told).join("vault"));
    let kept = vault
        .content(&mined, 1 << 30)
        .expect("the deleted executable is in the vault");
    assert_eq!(Digest::of(&kept), mined);
    assert!(vault.verify_all().expect("a vault can be looked at").is_sound());
    let manifest = vault.manifest().expect("a manifest");
    assert!(manifest.entries.iter().any(|entry| entry.sha256 == mined));

    // Elsewhere nobody knows of that run: a yes there finds done what was done.
    let elsewhere = Deminer::new();
    let report = planned.apply(&elsewhere, "1s").expect(0).json();
    let gone = ("done".to_owned(), "gone".to_owned());
    assert_eq!(states(&report), vec![gone; 5], "{report:#}");
    assert_eq!(report["counts"]["changes"]["done"], 5);
    assert_eq!(report["counts"]["changes"]["gone"], 5, "nothing was left to do");
    assert_eq!(report["counts"]["removed"], serde_json::json!({}));
    assert_eq!(report["hosts"][0]["born"], serde_json::json!([]));
    assert_clean(&infection, &look_alikes, &planned, &stood);
}

#[test]
fn what_was_not_approved_and_what_has_changed_is_left_alone() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let (infection, deminer) = (Infection::plant(), Deminer::new());
    let planned = Planned::of_this_machine(&deminer);
    let (files, stood) = (infection.files(), standing());
    let keys = || -> Vec<(u32, u64)> { infection.processes().iter().map(|process| process.key()).collect() };
    let running = keys();
    let untouched = || {
        assert_eq!(infection.files(), files);
        assert_eq!(keys(), running);
        assert_eq!(standing().difference(&stood).count(), 0, "a process stands still");
    };

    let name = planned.name();
    let other = format!("{:0<16}", if planned.hash.starts_with('0') { "1" } else { "0" });
    deminer.run(&["apply", &name, "--approve", &other]).expect(4);
    untouched();

    let bytes = std::fs::read(&planned.file).expect("the plan");
    let mut random = Random::new();
    let changed = deminer.runs().join("changed.plan");
    for _ in 0..200 {
        let (at, bits) = (random.below(bytes.len()), 1 + random.below(255));
        let mut bytes = bytes.clone();
        bytes[at] ^= u8::try_from(bits).expect("below 256");
        std::fs::write(&changed, &bytes).expect("a plan");
        let answer = deminer.run(&["apply", &written(&changed), "--approve", planned.short_hash()]);
        assert!(
            matches!(answer.code, Some(2 | 4)),
            "seed {}: byte {at} changed by {bits:#04x}\n{answer}",
            random.seed
        );
    }
    untouched();

    let other = infection.bad_line().replacen("* * * * *", "*/2 * * * *", 1);
    infection
        .crontab
        .write(&[common::infection::GOOD[0], &other, common::infection::GOOD[1]]);
    let crontab = FileState::of(infection.crontab.path());
    let report = planned.apply(&deminer, "1s").expect(5).json();
    let host = &report["hosts"][0];
    assert_eq!(host["status"], "drifted", "{report:#}");
    assert_eq!(host["drifted"][0]["component"], 1);
    assert_eq!(host["drifted"][0]["object"]["path"], written(infection.crontab.path()));
    let all = states(&report);
    assert!(all.iter().all(|(state, _)| state == "drifted"), "{report:#}");
    assert_eq!(FileState::of(infection.crontab.path()), crontab);
    assert_eq!(infection.files()[..2], files[..2]);
    assert_eq!(keys(), running, "all of it still runs");
    assert_eq!(standing().difference(&stood).count(), 0, "a process stands still");
    for directory in planned.footprint() {
        assert!(!directory.exists(), "{} is left", directory.display());
    }
}

#[test]
fn benign_lines_that_come_meanwhile_stay() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let (infection, deminer) = (Infection::plant(), Deminer::new());
    let planned = Planned::of_this_machine(&deminer);
    infection.crontab.append("5 5 * * * /usr/bin/true --added");

    let mut expected = format!("{}5 5 * * * /usr/bin/true --added\n", infection.good_text());
    let mut running = deminer.start(&planned.words("1s").each_ref().map(String::as_str));
    for number in 0..100 {
        let line = format!("6 6 * * * /usr/bin/true --loop {number}");
        infection.crontab.append(&line);
        expected.push_str(&format!("{line}\n"));
        std::thread::sleep(Duration::from_millis(100));
        if running.has_ended() {
            break;
        }
    }
    let report = running.answer().expect(0).json();
    assert_eq!(report["hosts"][0]["status"], "eradicated", "{report:#}");
    assert_eq!(infection.crontab.text(), expected);
    assert_eq!(infection.processes(), []);
}
