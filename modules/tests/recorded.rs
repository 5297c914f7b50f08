//! `linux-miner` over recorded hosts: what it finds, condemns, asks about and leaves alone, case by case.
//!
//! A case is a folder below `cases`; its README tells how one is made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deminer_engine::finding::{Artifact, Bearing, Finding, HostVerdict};
use deminer_engine::host::recorded::{Recorded, Recorder};
use deminer_engine::host::{HostView, Transport};
use deminer_engine::look::{LookEnd, LookError, Looked};
use deminer_engine::plan::{HostPlan, Left, PlanError, WhyLeft};
use deminer_engine::playbook::CheckedPlaybook;
use deminer_worker::action::{Act, Object};
use deminer_worker::platform::simulated::{Simulated, World};
use deminer_worker::query::HostError;
use deminer_worker::text::HostPath;

mod planning;

use planning::NotPlanned;

/// What to do about a case that does not answer any more.
const ANEW: &str = "record it anew as modules/tests/cases/README.md tells";

/// What is not the intruder's, by case: no act may be about it, nor about anything below it.
const INNOCENT: [(&str, &[&str]); 12] = [
    ("argv-liar", &["/"]),
    ("clean-busy", &["/"]),
    (
        "customers-file",
        &[
            "/srv",
            "/opt",
            "/home",
            "/usr",
            "/etc",
            "/var/spool/cron/crontabs/db",
            "/tmp/.x/log",
        ],
    ),
    ("guardian-script", &["/srv", "/opt", "/home", "/etc", "/usr/bin/sleep"]),
    (
        "infected-plain",
        &["/srv", "/opt", "/home", "/usr", "/etc", "/tmp/build"],
    ),
    (
        "many-doors",
        &[
            "/srv",
            "/opt",
            "/usr",
            "/etc/cron.daily",
            "/etc/init.d/shop",
            "/etc/rc3.d/S20shop",
            "/etc/update-motd.d/10-shop",
            "/etc/profile.d/shop.sh",
            "/etc/udev/rules.d/70-shop.rules",
            "/etc/pam.d",
            "/etc/xdg/autostart/shop.desktop",
            "/var/spool/cron/atjobs/a0000301d0a1b3",
        ],
    ),
    ("memory-only", &["/bin", "/usr", "/var", "/etc"]),
    (
        "mixed-cron-line",
        &["/srv", "/opt", "/home", "/usr", "/etc", "/var/spool"],
    ),
    (
        "preload-rootkit",
        &["/usr/lib64", "/usr/bin", "/usr/sbin", "/usr/local/bin/report"],
    ),
    (
        "responders-tool",
        &["/tmp/triage", "/srv", "/opt", "/home", "/usr", "/etc"],
    ),
    (
        "service-and-timer",
        &[
            "/srv",
            "/usr",
            "/opt/erp",
            "/etc/systemd/system/export.service",
            "/etc/systemd/system/clean-up.service",
            "/etc/systemd/system/clean-up.timer",
            "/etc/systemd/system/xmrig.service",
        ],
    ),
    ("unreadable", &["/"]),
];

/// The bytes of a case that a person still reads.
const CASE_BYTES: u64 = 300 << 10;

/// Every case, by name.
fn cases() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")).expect("there are cases");
    let mut cases: Vec<(String, PathBuf)> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.is_dir())
        .map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), path))
        .collect();
    cases.sort();
    assert!(cases.len() >= 8, "{} cases", cases.len());
    cases
}

fn linux_miner() -> Arc<CheckedPlaybook> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks/linux-miner.yml");
    planning::playbook(&path).expect("a playbook that is shipped is free of mistakes")
}

async fn planned(checked: &Arc<CheckedPlaybook>, case: &Path) -> Result<(Looked, HostPlan), NotPlanned> {
    planning::plan(checked, Arc::new(Recorded::open("recorded", case))).await
}

/// The answers of a case, by name.
fn answers(case: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(case.join("answers")).expect("a case holds answers");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(path).expect("a readable answer"))
        })
        .collect()
}

fn artifact(artifact: &Artifact) -> String {
    match artifact {
        Artifact::Host {} => "host".to_owned(),
        Artifact::Process { process } => format!("process {} {}", process.pid, process.exe_path),
        Artifact::File { file } => format!("file {}", file.path),
        Artifact::Line { file, line } => format!("line {} of {}", line.number, file.path),
        Artifact::Link { link } => format!("link {} -> {}", link.path, link.target),
        Artifact::Unit { unit } => format!("unit {}", unit.name),
        Artifact::Account { account } => format!("account {}", account.name),
        Artifact::Remote { peer } => format!("remote {}:{}", peer.address, peer.port),
    }
}

fn act(act: &Act) -> String {
    let kind = act.kind();
    match act {
        Act::Keep {
            object: Object::Process { process },
        }
        | Act::Freeze { process }
        | Act::Kill { process } => format!("{kind} process {} {} ({})", process.pid, process.exe_path, process.role),
        Act::Keep {
            object: Object::File { file },
        }
        | Act::RemoveFile { file } => format!("{kind} file {}", file.path),
        Act::EditLines { file, remove, .. } => remove.iter().fold(format!("{kind} {}", file.path), |text, line| {
            format!("{text}\n      - {}: {}", line.number, line.line)
        }),
        Act::ClearFlags { file, flags } => format!("{kind} {flags:#x} of file {}", file.path),
        Act::RemoveStarter { file, starter } => format!("{kind} {starter:?} {}", file.path),
        Act::RemoveLink { link } => format!("{kind} {} -> {}", link.path, link.target),
        Act::ReloadUnits { manager, units } => format!("{kind} of {manager}: {units:?}"),
        Act::LockAccount { account } => format!("{kind} {}", account.name),
        Act::BlockAddress { address, .. } => format!("{kind} {address}"),
        Act::Isolate { .. } => kind.to_owned(),
        Act::Throttle { process } => format!("{kind} process {}", process.pid),
        Act::RunArgv { argv, .. } => format!("{kind} {argv:?}"),
    }
}

fn why(why: &WhyLeft) -> String {
    match why {
        WhyLeft::Protected { rule } => format!("protected: {rule}"),
        WhyLeft::Limited { most } => format!("at most {most}"),
        WhyLeft::Needs { .. } => "needs what is left alone".to_owned(),
        WhyLeft::Edited { .. } => "its lines are edited".to_owned(),
        WhyLeft::ServesNothing {} => "serves nothing".to_owned(),
        WhyLeft::DirectoryFlags { flags } => format!("directory flags {flags:#x}"),
    }
}

fn list(out: &mut String, title: &str, mut rows: Vec<String>) {
    if rows.is_empty() {
        return;
    }
    rows.sort();
    let _ = writeln!(out, "\n{title}");
    for row in rows {
        let _ = writeln!(out, "  {row}");
    }
}

fn stated(findings: &[Finding], bearing: Bearing) -> Vec<String> {
    let bearing = findings.iter().filter(|finding| finding.bearing == bearing);
    bearing
        .map(|finding| format!("{}: {}", artifact(&finding.artifact), finding.sentence()))
        .collect()
}

/// What was found and what would be done, for people.
fn account(looked: &Looked, plan: &HostPlan) -> String {
    let verdict = looked.verdict.as_ref().map(|verdict| verdict.host);
    let mut out = match verdict {
        Some(verdict) => format!("{verdict}\n"),
        None => "no verdict\n".to_owned(),
    };
    match &looked.end {
        LookEnd::Through => {}
        LookEnd::Stopped { reason, .. } => {
            let _ = writeln!(out, "stopped: {reason}");
        }
        LookEnd::Failed { place, why } => {
            let _ = writeln!(out, "failed: {place}: {why}");
        }
    }
    for component in &plan.orders.components {
        let of_it = plan
            .orders
            .actions
            .iter()
            .filter(|action| action.component == component.id);
        list(
            &mut out,
            &format!("component {}", component.id),
            of_it.map(|action| act(&action.act)).collect(),
        );
    }
    let left = plan.left_alone.iter().map(|left| match &left.what {
        Left::Act { act: proposed, .. } => format!("{}: {}", act(proposed), why(&left.why)),
        Left::Directory { path } => format!("directory {path}: {}", why(&left.why)),
    });
    list(&mut out, "left alone", left.collect());
    list(&mut out, "for a person", stated(&looked.findings, Bearing::Review));
    list(&mut out, "condemned", stated(&looked.findings, Bearing::Condemns));
    list(&mut out, "weighs", stated(&looked.findings, Bearing::Weighs));
    list(&mut out, "speaks for it", stated(&looked.findings, Bearing::Benign));
    let gaps = plan
        .gaps
        .iter()
        .map(|gap| format!("{} `{}`: {:?}", gap.subject, gap.object, gap.why));
    list(&mut out, "not seen", gaps.collect());
    out
}

#[tokio::test]
async fn every_case_ends_as_its_account_says() {
    let checked = linux_miner();
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    for (name, case) in cases() {
        let (looked, plan) = planned(&checked, &case)
            .await
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        settings.set_snapshot_path(&case);
        settings.bind(|| insta::assert_snapshot!("account", account(&looked, &plan), &name));
    }
}

#[tokio::test]
async fn what_was_not_seen_is_never_clean() {
    let checked = linux_miner();
    for (name, case) in cases() {
        let (whole, _) = planned(&checked, &case)
            .await
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        let verdict = whole.verdict.map(|verdict| verdict.host);
        let forbidding = whole.coverage.material().count();
        assert_eq!(
            verdict == Some(HostVerdict::Clean),
            name.starts_with("clean"),
            "{name}: {verdict:?}, {forbidding} gaps"
        );
        assert_eq!(
            verdict == Some(HostVerdict::CannotSay),
            name.starts_with("unreadable"),
            "{name}: {verdict:?}, {forbidding} gaps"
        );
    }
}

#[tokio::test]
async fn what_is_not_the_intruders_is_left() {
    let checked = linux_miner();
    let cases = cases();
    let named: Vec<&str> = cases.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        named,
        INNOCENT.map(|(name, _)| name),
        "every case says what is innocent in it"
    );
    for ((name, case), (_, innocent)) in cases.iter().zip(INNOCENT) {
        let (_, plan) = planned(&checked, case)
            .await
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        for action in &plan.orders.actions {
            let path = match (&action.act, action.act.process(), action.act.file()) {
                (_, Some(process), _) => &process.exe_path,
                (_, _, Some(file)) => &file.path,
                (Act::RemoveLink { link }, ..) => &link.path,
                _ => continue,
            };
            for innocent in innocent {
                assert!(
                    !path.is_below(&HostPath::from(*innocent)),
                    "{name}: {}",
                    act(&action.act)
                );
            }
        }
    }
}

/// Every answer is missed once; whatever it was about, the host is neither clean nor planned as if it had been given.
#[tokio::test]
async fn a_missing_answer_is_not_an_empty_one() {
    let checked = linux_miner();
    for (name, case) in cases() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let answers_folder = folder.path().join("answers");
        fs::create_dir(&answers_folder).expect("a folder");
        let answers = answers(&case);
        for (file, bytes) in &answers {
            fs::write(answers_folder.join(file), bytes).expect("a file");
        }
        let whole = planned(&checked, folder.path()).await.expect("the case is whole");
        for (file, bytes) in &answers {
            fs::remove_file(answers_folder.join(file)).expect("a file");
            match planned(&checked, folder.path()).await {
                Err(NotPlanned::Look(LookError::NotReached(HostError::NotRecorded { .. }))) => {}
                Err(NotPlanned::Draft(PlanError::NotLearned { why, .. })) => {
                    assert!(matches!(*why, HostError::NotRecorded { .. }), "{name}, {file}: {why}");
                }
                Err(other) => panic!("{name}, {file}: {other}"),
                Ok((looked, plan)) => match &looked.end {
                    LookEnd::Failed { why, .. } => {
                        assert!(why.contains("not recorded"), "{name}, {file}: {why}");
                        assert!(plan.is_empty(), "{name}, {file}: planned after a failed step");
                        assert_ne!(
                            looked.verdict.map(|v| v.host),
                            Some(HostVerdict::Clean),
                            "{name}, {file}"
                        );
                    }
                    // Whether a directory is held by flags is only said: its absence must be.
                    _ => assert!(plan.gaps.len() > whole.1.gaps.len(), "{name}, {file}: nobody missed it"),
                },
            }
            fs::write(answers_folder.join(file), bytes).expect("a file");
        }
    }
}

/// A case holds what is asked and no more, as the recorder writes it, and is short enough to be read.
#[tokio::test]
async fn a_recording_of_a_recording_is_the_same() {
    let checked = linux_miner();
    for (name, case) in cases() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let recorded = Recorded::open("recorded", &case);
        let recorder = Recorder::new(recorded, folder.path(), CASE_BYTES).expect("a folder");
        let again = planning::plan(&checked, Arc::new(recorder)).await;
        again.unwrap_or_else(|why| panic!("{name}: {why}; {ANEW}"));
        let (kept, again) = (answers(&case), answers(folder.path()));
        let names = |answers: &BTreeMap<String, Vec<u8>>| answers.keys().cloned().collect::<BTreeSet<String>>();
        assert_eq!(names(&kept), names(&again), "{name}: what is asked has changed; {ANEW}");
        assert!(
            kept == again,
            "{name}: an answer is not written as the recorder writes it"
        );
    }
}

/// Where a case was recorded of a world, the world itself still gives the same findings.
#[tokio::test]
async fn worlds_and_their_recordings_agree() {
    let checked = linux_miner();
    let mut worlds = 0;
    for (name, case) in cases() {
        let Ok(text) = fs::read_to_string(case.join("world.json")) else {
            assert!(case.join("scene.sh").is_file(), "{name}: neither a world nor a scene");
            continue;
        };
        worlds += 1;
        let world = World::from_json(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        let link = Simulated::new(world)
            .connect("recorded")
            .await
            .expect("a world answers");
        let lived = planning::plan(&checked, link as Arc<dyn HostView>).await;
        let (lived, lived_plan) = lived.unwrap_or_else(|why| panic!("{name}: {why}"));
        let (replayed, replayed_plan) = planned(&checked, &case)
            .await
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        let written = |findings: &[Finding]| serde_json::to_string_pretty(findings).expect("findings are JSON");
        assert_eq!(written(&lived.findings), written(&replayed.findings), "{name}");
        assert_eq!(lived.verdict, replayed.verdict, "{name}");
        assert_eq!(
            account(&lived, &lived_plan),
            account(&replayed, &replayed_plan),
            "{name}"
        );
    }
    assert!(worlds >= 2, "{worlds} worlds");
}
