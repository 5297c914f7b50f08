//! Taking an eradication back on this machine: what was removed comes back from the vault, disarmed unless a reason is
//! given, and nothing is started by it.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use common::command::Deminer;
use common::infection::{Infection, LookAlikes};
use common::machine::{cut_after, files, needs_root, turn};
use common::plan::Planned;
use serde_json::Value;

fn listed(deminer: &Deminer, words: &[&str]) -> Value {
    deminer
        .run(&[&["undo"], words, &["--format", "json"]].concat())
        .expect(0)
        .json()
}

#[test]
fn an_eradication_is_taken_back() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let (infection, look_alikes, deminer) = (Infection::plant(), LookAlikes::start(), Deminer::new());
    let (den, text) = (files(infection.den()), infection.crontab.text());
    let owner = infection.crontab.mode_and_owner();
    let planned = Planned::of_this_machine(&deminer);
    let report = planned.apply(&deminer, "1s").expect(0).json();
    assert_eq!(report["hosts"][0]["status"], "eradicated", "{report:#}");
    let run = report["run"].as_str().expect("a name").to_owned();

    let list = listed(&deminer, &[&run]);
    let hash = list["hash"].as_str().expect("a hash").to_owned();
    let steps = list["undo"]["hosts"][0]["order"]["steps"].as_array().expect("a list");
    assert_eq!(steps.len(), 3, "two files and a crontab: {list:#}");
    assert_eq!(
        infection.crontab.text(),
        infection.good_text(),
        "listing changes nothing"
    );
    deminer.run(&["undo", &run, "--approve", "0000000000000000"]).expect(4);
    deminer.run(&["undo", &run, "--armed"]).expect(2);
    assert_eq!(files(infection.den()), BTreeMap::new(), "a refusal changes nothing");

    let undone = deminer
        .run(&["undo", &run, "--approve", &hash, "--format", "json"])
        .expect(0)
        .json();
    assert_eq!(undone["hosts"][0]["status"], "undone", "{undone:#}");
    assert_eq!(infection.processes(), [], "nothing is started");
    let back = files(infection.den());
    for (path, state) in &den {
        let given = back
            .get(path)
            .unwrap_or_else(|| panic!("{} is not back", path.display()));
        assert_eq!(given.given_back().0, state.given_back().0, "{}", path.display());
        let mode = std::fs::metadata(path).expect("it is back").permissions().mode();
        assert_eq!(mode & 0o111, 0, "{} could be run", path.display());
    }
    let disarmed = text.replace(
        &infection.bad_line(),
        &format!("#deminer-disarmed# {}", infection.bad_line()),
    );
    assert_eq!(infection.crontab.text(), disarmed);
    assert_eq!(infection.crontab.mode_and_owner(), owner);

    // What is back is not taken back once more; armed, all is as it was.
    let by = undone["run"].as_str().expect("a name");
    let again = deminer.run(&["undo", &run, "--approve", &hash]).expect(4);
    let said = format!("it was taken back already, by run {by}");
    assert!(again.err.contains(&said), "{again}");
    for path in den.keys() {
        std::fs::remove_file(path).expect("ours");
    }
    let because = ["--armed", "--because", "the forensics team needs it as it was"];
    let list = listed(&deminer, &[&[run.as_str()], &because[..]].concat());
    let armed = list["hash"].as_str().expect("a hash").to_owned();
    assert_ne!(armed, hash, "another list");
    let words = [&["undo", &run], &because[..], &["--approve", &armed]].concat();
    deminer.run(&words).expect(0);
    let back = files(infection.den());
    assert_eq!(back.keys().collect::<Vec<_>>(), den.keys().collect::<Vec<_>>());
    for (path, state) in &den {
        assert_eq!(back[path].given_back(), state.given_back(), "{}", path.display());
    }
    assert_eq!(infection.crontab.text(), text);
    assert_eq!(infection.processes(), [], "nothing is started");
    look_alikes.assert_unharmed();
}

#[test]
fn what_a_cut_undo_gave_back_is_looked_for() {
    let deminer = Deminer::new();
    let words = [
        "plan",
        "linux-miner",
        "simulated:infected",
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
    let run = report["run"].as_str().expect("a name");
    let list = listed(&deminer, &[run]);
    let steps = list["undo"]["hosts"][0]["order"]["steps"]
        .as_array()
        .expect("a list")
        .len();
    let hash = list["hash"].as_str().expect("a hash");
    // A simulated host begins anew with each command: all stands there, as it does where an undo came through.
    let undone = deminer
        .run(&["undo", run, "--approve", hash, "--format", "json"])
        .json();
    let cut = deminer.run_of(&undone);
    cut_after(&cut, "host-", "undoing");
    cut_after(&cut, "run.", "approved");

    let name = cut.file_name().expect("its name").to_string_lossy().into_owned();
    let told = deminer.run(&["report", &name]);
    let note = format!("{steps} of {steps} changes taken back, 0 not taken back, 0 unknown");
    assert!(told.err.contains(&note), "{told}");
    assert!(!told.out.contains("before the commit"), "{told}");
    assert!(told.out.starts_with("simulated:infected: whether"), "{told}");
    let report = deminer.run(&["report", &name, "--format", "json"]).json();
    assert_eq!(report["hosts"][0]["status"], "undone", "{report:#}");
    assert_eq!(report["hosts"][0]["changes"], serde_json::json!([]), "{report:#}");
}
