//! An apply that is killed at any moment, on either side: nothing stands still, the next command tells the truth, nothing
//! is destroyed that is not kept, nothing of ours is left, and the same plan can be carried out to its end.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use common::command::{Deminer, Running};
use common::infection::Infection;
use common::machine::{Process, far_sides, needs_root, processes, standing, turn, wait_until};
use common::plan::Planned;
use common::random::Random;
use deminer_engine::vault::Vault;
use deminer_worker::text::Digest;
use serde_json::Value;

/// Applies that are killed.
const ROUNDS: usize = 9;

/// How long the far side may still work after that.
const QUIET: Duration = Duration::from_secs(20);

/// When an apply is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after it began.
    After(Duration),
    /// So long after the host's own journal was made, which is right before the commit.
    AfterJournal(Duration),
    /// So long after its commit was written down.
    AfterCommit(Duration),
}

/// Who is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Command,
    Worker,
}

impl Moment {
    fn any(random: &mut Random) -> Moment {
        let ms = |ms: usize| Duration::from_millis(ms as u64);
        match random.below(5) {
            0 | 1 => Moment::After(ms(random.below(3_500))),
            2 => Moment::AfterJournal(Duration::from_micros(random.below(2_000) as u64)),
            _ => Moment::AfterCommit(ms(random.below(250))),
        }
    }

    /// Waits for it, or for the end of the command. `journal` is the host's, `chain` reads the command's.
    fn wait(self, running: &mut Running, journal: &Path, chain: impl Fn() -> Option<String>) {
        match self {
            Moment::After(time) => {
                let end = Instant::now() + time;
                while Instant::now() < end && !running.has_ended() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Moment::AfterJournal(time) => {
                while !journal.exists() && !running.has_ended() {
                    std::hint::spin_loop();
                }
                std::thread::sleep(time);
            }
            Moment::AfterCommit(time) => {
                let committed = || chain().is_some_and(|chain| chain.contains(r#""kind":"committed""#));
                while !committed() && !running.has_ended() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::thread::sleep(time);
            }
        }
    }
}

/// The host's chain of the newest run that is not among these.
fn chain_of_new_run(runs: &Path, known: &BTreeSet<std::ffi::OsString>) -> Option<String> {
    let mut entries = std::fs::read_dir(runs).ok()?.flatten();
    let new = entries.find(|entry| !known.contains(&entry.file_name()))?;
    std::fs::read_to_string(new.path().join("journal").join("host-local.ndjson")).ok()
}

fn names(runs: &Path) -> BTreeSet<std::ffi::OsString> {
    let entries = std::fs::read_dir(runs).expect("a directory of the test");
    entries.flatten().map(|entry| entry.file_name()).collect()
}

/// Whether the target of a planned act is as the act would leave it, by what the machine shows.
fn is_gone(act: &Value) -> bool {
    let path = |value: &Value| value["path"].as_str().map(Path::new).expect("a path").to_owned();
    match act["kind"].as_str() {
        Some("kill") => {
            let process = &act["process"];
            let start_ticks = process["start_ticks"].as_str().and_then(|ticks| ticks.parse().ok());
            !processes().iter().any(|now| {
                Some(u64::from(now.pid)) == process["pid"].as_u64()
                    && Some(now.start_ticks) == start_ticks
                    && now.state != 'Z'
            })
        }
        Some("remove_file") => std::fs::symlink_metadata(path(&act["file"])).is_err(),
        Some("edit_lines") => {
            let text = std::fs::read_to_string(path(&act["file"])).expect("the file stays");
            let lines = act["remove"].as_array().expect("a list");
            lines
                .iter()
                .all(|line| !text.lines().any(|now| Some(now) == line["line"].as_str()))
        }
        kind => panic!("{kind:?} is no change of this plan"),
    }
}

/// What must be in the vault before an act may be carried out.
fn evidence(act: &Value) -> Digest {
    let digest = match act["kind"].as_str() {
        Some("kill") => &act["process"]["exe_sha256"],
        _ => &act["file"]["sha256"],
    };
    digest.as_str().and_then(|text| text.parse().ok()).expect("a digest")
}

/// Holds every statement of a report against what the machine shows; `was_there` are the acts whose targets were there
/// before the run.
fn assert_true(report: &Value, planned: &Planned, was_there: &BTreeSet<String>, vault: &Vault) {
    let host = &report["hosts"][0];
    assert_eq!(host["finished"], true, "{report:#}");
    let changes = host["changes"].as_array().expect("a list");
    let changing = |act: &Value| matches!(act["kind"].as_str(), Some("kill" | "remove_file" | "edit_lines"));
    let acts = planned.actions().iter().filter(|action| changing(&action["act"]));
    let mut told = 0;
    for action in acts {
        let id = action["id"].as_str().expect("an id");
        let Some(change) = changes.iter().find(|change| change["action"] == action["id"]) else {
            panic!("the report says nothing of {action:#}");
        };
        told += 1;
        let act = &action["act"];
        let state = &change["state"];
        let gone = is_gone(act);
        match state["state"].as_str() {
            Some("done") => assert!(gone, "said to be done, but there: {change:#}"),
            Some("not_done" | "waiting" | "skipped" | "drifted") => {
                assert!(!gone, "said to be there, but gone: {change:#}");
            }
            _ => panic!("a look could have told: {change:#}"),
        }
        if gone && was_there.contains(id) {
            let kept = vault.content(&evidence(act), 1 << 30);
            assert!(kept.is_ok(), "destroyed and not kept: {change:#}");
        }
        if state["done"]["did"] == "gone" {
            assert!(!was_there.contains(id), "done by nobody, but it was there: {change:#}");
        }
    }
    assert_eq!(told, changes.len(), "{report:#}");
    assert_eq!(host["stays"], serde_json::json!([]), "{report:#}");
    assert_eq!(report["headline"]["unfinished"], false, "{report:#}");
}

fn worker_of(pid: u32) -> Option<Process> {
    let mut found = far_sides();
    found.retain(|process| process.ppid == pid && process.argv.get(1).is_some_and(|word| word == b"worker"));
    found.into_iter().next()
}

/// The acts of a plan whose targets are there now, by id.
fn there(planned: &Planned) -> BTreeSet<String> {
    let kinds = ["kill", "remove_file", "edit_lines"].map(Value::from);
    let changes = planned
        .actions()
        .iter()
        .filter(|action| kinds.contains(&action["act"]["kind"]));
    let there = changes.filter(|action| !is_gone(&action["act"]));
    there
        .filter_map(|action| action["id"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn killed_at_any_moment_the_next_command_tells_the_truth() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let (infection, deminer) = (Infection::plant(), Deminer::new());
    let stood = standing();
    let mut random = Random::new();
    // Not through the test's own capture: a run that hangs names its seed too.
    let _ = writeln!(std::io::stderr(), "seed {}", random.seed);
    let mut plan: Option<Planned> = None;
    for round in 0..ROUNDS {
        let planned = plan.take().unwrap_or_else(|| Planned::of_this_machine(&deminer));
        let was_there = there(&planned);
        assert_eq!(was_there.len(), 5, "all of the plan is there");
        let victim = match round % 2 {
            0 => Victim::Command,
            _ => Victim::Worker,
        };
        let moment = Moment::any(&mut random);
        let context = format!("seed {}, round {round}: {victim:?} {moment:?}", random.seed);
        let _ = writeln!(std::io::stderr(), "{context}");

        let known = names(deminer.runs());
        let mut running = deminer.start(&planned.words("1s").each_ref().map(String::as_str));
        moment.wait(&mut running, &planned.footprint()[0], || {
            chain_of_new_run(deminer.runs(), &known)
        });
        match victim {
            Victim::Command => running.kill(),
            Victim::Worker => {
                let found = || worker_of(running.pid());
                // It may not have been started yet, or may be through.
                if let Some(worker) = found() {
                    worker.kill();
                }
            }
        }
        let answer = running.answer();
        let quiet = wait_until(QUIET, || far_sides().is_empty());
        assert!(quiet, "{context}: still at work: {:?}\n{answer}", far_sides());
        assert_eq!(
            standing().difference(&stood).count(),
            0,
            "{context}: stands still\n{answer}"
        );
        let begun = !names(deminer.runs()).is_subset(&known);
        if !begun {
            plan = Some(planned);
            continue;
        }

        let report = deminer.report();
        let run = deminer.run_of(&report);
        let is_new = run.file_name().is_some_and(|name| !known.contains(name));
        let whole = report["hosts"][0]["changes"]
            .as_array()
            .is_some_and(|changes| !changes.is_empty());
        // Before the run's own plan and journals are whole there is nothing that a report could be of.
        if is_new && whole {
            let vault = Vault::at(&run.join("vault"));
            let held = std::panic::catch_unwind(|| assert_true(&report, &planned, &was_there, &vault));
            assert!(held.is_ok(), "{context}\n{report:#}\n{answer}");
            assert_eq!(
                deminer.report(),
                report,
                "{context}: a report changes when it is made again"
            );
        } else {
            assert_eq!(
                there(&planned),
                was_there,
                "{context}: changed without a word\n{answer}"
            );
        }
        for directory in planned.footprint() {
            assert!(!directory.exists(), "{context}: {} is left", directory.display());
        }
        assert_eq!(
            infection.beside(),
            [] as [std::path::PathBuf; 0],
            "{context}: is left\n{answer}"
        );

        let now = there(&planned);
        if now == was_there {
            assert_ne!(answer.code, Some(0), "{context}: nothing was done\n{answer}");
            continue;
        }
        if !now.is_empty() {
            let run = report["run"].as_str().expect("a name");
            let finished = deminer.run(&["resume", run, "--watch", "1s"]);
            assert_eq!(
                finished.code,
                Some(0),
                "{context}: what was left is not removed\n{finished}"
            );
        }
        assert_eq!(there(&planned), BTreeSet::new(), "{context}");
        assert_eq!(infection.processes(), [], "{context}");
        assert_eq!(infection.crontab.text(), infection.good_text(), "{context}");
        infection.plant_again();
    }
}
