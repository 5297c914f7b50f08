//! Run directories are made, named, moved, listed and locked.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::*;
use crate::event::EventKind;
use crate::journal::Journals;

/// 2026-11-14 02:44:50 UTC.
const AT: u64 = 1_794_624_290_000;
const HASH: &str = "7c1e4b90d2a855f3";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_run_is_named_by_its_minute_and_plan_and_made_unique() {
    let runs = tempfile::tempdir().unwrap();
    let ids: Vec<String> = (0..3)
        .map(|_| RunDir::create(runs.path(), AT, HASH).unwrap().id().to_string())
        .collect();
    assert_eq!(
        ids,
        ["20261114-0244-7c1e", "20261114-0244-7c1e-2", "20261114-0244-7c1e-3"]
    );
    let other = RunDir::create(runs.path(), AT, "linux-miner 1").unwrap();
    assert!(other.id().as_str().starts_with("20261114-0244-"));
    other.id().as_str().parse::<RunId>().unwrap();
}

#[test]
fn names_that_are_none_are_refused() {
    for name in [
        "",
        "plans",
        "..",
        "20261114-0244",
        "20261114-0244-7C1E",
        "20261114-0244-7c1e-",
        "20261114-0244-7c1e-02",
        "20261114-0244-7c1e/..",
        "20261114-0244-7c1e-2-3",
    ] {
        assert!(name.parse::<RunId>().is_err(), "{name}");
    }
}

#[test]
fn only_its_owner_can_enter_and_what_is_written_reads_back() {
    let runs = tempfile::tempdir().unwrap();
    let run = RunDir::create(&runs.path().join("new"), AT, HASH).unwrap();
    for dir in [run.path().to_owned(), run.journal(), run.vault()] {
        assert_eq!(mode(&dir), 0o700, "{}", dir.display());
    }
    assert_eq!((run.plan().unwrap(), run.approval().unwrap()), (None, None));
    run.write_plan(b"header\nline\n").unwrap();
    run.write_report("# report\n").unwrap();
    let approval = Approval {
        many: std::collections::BTreeMap::new(),
        reasons: std::collections::BTreeMap::new(),
        format: 1,
        plan: Digest::of(b"plan"),
        hosts: Default::default(),
        classes: Default::default(),
        excluded: Default::default(),
        approver: "ops".to_owned(),
        means: "terminal".to_owned(),
        at_ms: AT.into(),
        not_after_ms: AT.into(),
    };
    run.write_approval(&approval).unwrap();
    assert_eq!(mode(&run.path().join("plan")), 0o600);

    let moved = runs.path().join("20261114-0244-7c1e");
    fs::rename(run.path(), &moved).unwrap();
    let run = RunDir::open(&moved).unwrap();
    assert_eq!(run.plan().unwrap().as_deref(), Some(&b"header\nline\n"[..]));
    assert_eq!(run.approval().unwrap(), Some(approval));
    fs::write(run.path().join("approval.json"), "{").unwrap();
    assert!(matches!(run.approval(), Err(RunError::Malformed { .. })));
}

#[test]
fn runs_are_listed_newest_first_and_strangers_are_passed_over() {
    let runs = tempfile::tempdir().unwrap();
    assert!(RunDir::list(&runs.path().join("none")).unwrap().is_empty());
    let mut expected = Vec::new();
    for (minute, hash) in [(0, "ffff000000000000"), (0, "0000000000000000"), (1, HASH), (1, HASH)] {
        let run = RunDir::create(runs.path(), AT + minute * 60_000, hash).unwrap();
        let at = AT + expected.len() as u64;
        let journals = Journals::create(&run.journal(), run.id().as_str(), Arc::new(move || at)).unwrap();
        journals.record(None, EventKind::RunFinished {}).unwrap();
        expected.insert(0, run.id().clone());
    }
    fs::create_dir(runs.path().join("plans")).unwrap();
    fs::write(runs.path().join("20261114-0244-aaaa"), "a file").unwrap();
    let listed: Vec<RunId> = RunDir::list(runs.path())
        .unwrap()
        .iter()
        .map(|run| run.id().clone())
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn a_lock_is_seen_by_others_and_ends_with_its_holder() {
    let runs = tempfile::tempdir().unwrap();
    let run = RunDir::create(runs.path(), AT, HASH).unwrap();
    assert!(!run.is_locked().unwrap());
    let lock = run.lock().unwrap();
    let other = RunDir::open(run.path()).unwrap();
    assert!(other.is_locked().unwrap());
    assert!(matches!(other.lock(), Err(RunError::Busy { .. })));
    drop(lock);
    assert!(!other.is_locked().unwrap());
    other.lock().unwrap();
}

#[test]
fn chains_come_with_the_runs_own_first() {
    let runs = tempfile::tempdir().unwrap();
    let run = RunDir::create(runs.path(), AT, HASH).unwrap();
    let journals = Journals::create(&run.journal(), run.id().as_str(), Arc::new(|| AT)).unwrap();
    for host in [Some("web-2"), Some("a b"), None] {
        journals.record(host, EventKind::Cancelled {}).unwrap();
    }
    let hosts: Vec<Option<String>> = run.chains().unwrap().into_iter().map(|chain| chain.host).collect();
    assert_eq!(hosts, [None, Some("a b".to_owned()), Some("web-2".to_owned())]);
}

#[test]
fn plans_are_found_by_16_digits_or_more_and_never_replaced() {
    let runs = tempfile::tempdir().unwrap();
    let store = PlanStore::of(runs.path());
    let hash = Digest::of(b"plan");
    let text = hash.to_string();
    assert!(matches!(store.find(&text), Err(RunError::NoPlan { .. })));
    let path = store.store(&hash, b"plan").unwrap();
    assert_eq!(store.store(&hash, b"plan").unwrap(), path);
    assert!(matches!(store.store(&hash, b"other"), Err(RunError::Ambiguous { .. })));
    for length in [16, 40, 64] {
        assert_eq!(
            store.find(&text[..length]).unwrap(),
            (path.clone(), b"plan".to_vec()),
            "{length}"
        );
    }
    for prefix in [&text[..15], "../../../etc/passwd", "7C1E4B90D2A855F3", ""] {
        assert!(matches!(store.find(prefix), Err(RunError::NotAHash { .. })), "{prefix}");
    }
}
