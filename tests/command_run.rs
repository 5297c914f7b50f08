//! `command.run` on this machine: nothing without the leave, this very program with it, and back again by its own command.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::command::{Deminer, run};
use common::machine::{needs_root, turn};
use serde_json::Value;

const LEAVE: [&str; 2] = ["--allow", "command.run"];

/// A copy of touch(1), a playbook that runs it, and the file that it makes.
struct Scene {
    home: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        let scene = Scene {
            home: tempfile::tempdir().expect("a folder"),
        };
        let touch = fs::read("/usr/bin/touch").expect("it is everywhere");
        common::infection::write_program(&scene.program(), &[&touch]);
        let (program, made) = (scene.program(), scene.made());
        let (program, made) = (program.display(), made.display());
        let with = format!(
            "{{program: {program}, arguments: [{made}], undo: [-d, \"@86400\", {made}], timeout: 5s, because: a mark}}"
        );
        let text = format!(
            "playbook: mark\nversion: 1\nphases:\n  eradicate:\n    steps:\n      - {{use: command.run, with: {with}}}\n"
        );
        fs::write(scene.playbook(), text).expect("ours");
        scene
    }

    fn at(&self, name: &str) -> PathBuf {
        // A plan names real paths.
        fs::canonicalize(self.home.path()).expect("it is there").join(name)
    }

    fn program(&self) -> PathBuf {
        self.at("touch")
    }

    fn made(&self) -> PathBuf {
        self.at("made")
    }

    fn playbook(&self) -> PathBuf {
        self.at("mark.yml")
    }

    fn modified(&self) -> Option<SystemTime> {
        fs::metadata(self.made())
            .ok()
            .map(|meta| meta.modified().expect("a time"))
    }

    /// Plans it; gives the plan's file and hash.
    fn plan(&self, deminer: &Deminer, name: &str) -> (String, String) {
        let file = self.at(name);
        let (playbook, file) = (text(&self.playbook()), text(&file));
        let words = ["plan", &playbook, "local", "-o", &file, "--format", "json"];
        let told = deminer.run(&[&words[..], &LEAVE].concat());
        let told: Value = serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {told:?}"));
        (file, told["hash"].as_str().expect("a hash").to_owned())
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

#[test]
fn by_leave_only_and_back_again() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let (scene, deminer) = (Scene::new(), Deminer::new());
    let playbook = text(&scene.playbook());
    run(&["check", &playbook]).expect(2);
    run(&[&["check", &playbook][..], &LEAVE].concat()).expect(0);

    let (plan, hash) = scene.plan(&deminer, "the.plan");
    let apply = ["apply", &plan, "--approve", &hash, "--format", "json"];
    deminer.run(&apply).expect(4);
    assert_eq!(scene.modified(), None, "a refusal runs nothing");
    let applied = deminer.run(&[&apply[..], &LEAVE].concat());
    let report: Value = serde_json::from_str(&applied.out).unwrap_or_else(|error| panic!("{error}: {applied:?}"));
    assert_eq!(report["hosts"][0]["tally"]["done"], 1, "{report:#}");
    let made = scene.modified().expect("it ran");

    let name = report["run"].as_str().expect("a name");
    let list = deminer.run(&["undo", name, "--format", "json"]).expect(0).json();
    let undo = ["undo", name, "--approve", list["hash"].as_str().expect("a hash")];
    deminer.run(&undo).expect(4);
    assert_eq!(scene.modified(), Some(made), "a refusal runs nothing");
    deminer.run(&[&undo[..], &LEAVE].concat()).expect(0);
    assert_eq!(scene.modified(), Some(UNIX_EPOCH + Duration::from_secs(86_400)));
}

#[test]
fn one_that_failed_is_told_and_not_run_again_by_itself() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let (scene, deminer) = (Scene::new(), Deminer::new());
    fs::copy(fs::canonicalize("/bin/sh").expect("it is everywhere"), scene.program()).expect("a copy");
    let (program, made) = (text(&scene.program()), text(&scene.made()));
    let with = format!(
        "{{program: {program}, arguments: [-c, \"echo ran >> {made}; exit 3\"], timeout: 5s, because: a mark}}"
    );
    let playbook = format!(
        "playbook: mark\nversion: 1\nphases:\n  eradicate:\n    steps:\n      - {{use: command.run, with: {with}}}\n"
    );
    fs::write(scene.playbook(), playbook).expect("ours");
    let (plan, hash) = scene.plan(&deminer, "the.plan");
    let apply = ["apply", &plan, "--approve", &hash, "--format", "json"];
    let report = deminer.run(&[&apply[..], &LEAVE].concat()).json();
    let run = report["run"].as_str().expect("a name").to_owned();
    let resume = ["resume", &run, "--format", "json"];
    let resumed = deminer.run(&[&resume[..], &LEAVE].concat()).json();
    assert_eq!(
        fs::read_to_string(scene.made()).expect("it ran"),
        "ran\n",
        "{resumed:#}"
    );
    for report in [report, resumed] {
        let change = &report["hosts"][0]["changes"][0];
        assert_eq!(change["state"]["state"], "not_done", "{report:#}");
    }
}

#[test]
fn a_yes_runs_it_once_and_so_does_a_yes_to_its_undo() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let (scene, deminer) = (Scene::new(), Deminer::new());
    let (plan, hash) = scene.plan(&deminer, "the.plan");
    let apply = ["apply", &plan, "--approve", &hash, "--format", "json"];
    let report = deminer.run(&[&apply[..], &LEAVE].concat()).json();
    let run = report["run"].as_str().expect("a name");
    fs::remove_file(scene.made()).expect("it ran");
    let again = deminer.run(&[&apply[..], &LEAVE].concat()).expect(4);
    assert!(
        again.err.contains(&format!("was used: run {run} began it on local")),
        "{again}"
    );
    assert!(again.err.contains(&format!("deminer resume {run}")), "{again}");
    assert_eq!(scene.modified(), None, "it ran again");

    let list = deminer.run(&["undo", run, "--format", "json"]).expect(0).json();
    let undo = [
        "undo",
        run,
        "--approve",
        list["hash"].as_str().expect("a hash"),
        "--format",
        "json",
    ];
    let undone = deminer.run(&[&undo[..], &LEAVE].concat()).expect(0).json();
    fs::remove_file(scene.made()).expect("it ran");
    let again = deminer.run(&[&undo[..], &LEAVE].concat()).expect(4);
    let by = undone["run"].as_str().expect("a name");
    assert!(
        again.err.contains(&format!("taken back already, by run {by}")),
        "{again}"
    );
    assert_eq!(scene.modified(), None, "it ran again");
}

#[test]
fn other_bytes_under_its_name_are_not_run() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let (scene, deminer) = (Scene::new(), Deminer::new());
    let (plan, hash) = scene.plan(&deminer, "the.plan");
    let mut bytes = fs::read(scene.program()).expect("ours");
    *bytes.last_mut().expect("it has bytes") ^= 1;
    fs::write(scene.program(), bytes).expect("ours");
    let apply = ["apply", &plan, "--approve", &hash, "--format", "json"];
    let applied = deminer.run(&[&apply[..], &LEAVE].concat());
    let report: Value = serde_json::from_str(&applied.out).unwrap_or_else(|error| panic!("{error}: {applied:?}"));
    assert_eq!(report["hosts"][0]["status"], "drifted", "{report:#}");
    assert_eq!(scene.modified(), None);
}
