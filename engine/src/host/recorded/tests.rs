//! What is captured replays, what is not is missed, what is damaged is refused.

use std::os::unix::fs::PermissionsExt;

use deminer_worker::query::{Coverage, Entry, GapReason, ProcessesQuery};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Answers by round, and says so in the coverage.
struct Stub {
    round: AtomicU32,
}

#[async_trait]
impl HostView for Stub {
    fn name(&self) -> &str {
        "stub"
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        let round = self.round.load(Ordering::Relaxed);
        match query {
            Query::Stat { paths, .. } => {
                let mut coverage = Coverage::whole();
                coverage.note("round", round.to_string().as_str(), GapReason::Gone);
                let value = Answer::Entries(paths.into_iter().map(|path| Entry::Absent { path }).collect());
                Ok(Observed { value, coverage })
            }
            _ => Err(HostError::Denied {
                doing: "ask the stub".to_owned(),
            }),
        }
    }

    fn begin_round(&self, round: u32) {
        self.round.store(round, Ordering::Relaxed);
    }
}

fn stat(path: &str) -> Query {
    Query::Stat {
        paths: vec![path.into()],
        digest: true,
    }
}

fn recorder(folder: &Path, max_bytes: u64) -> Recorder<Stub> {
    let view = Stub {
        round: AtomicU32::new(0),
    };
    Recorder::new(view, folder, max_bytes).unwrap()
}

fn ask(view: &dyn HostView, query: Query) -> Result<Observed<Answer>, HostError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(view.observe(query))
}

fn files(folder: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path().join("answers")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn what_was_captured_replays_in_any_order_and_by_round() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path(), 1 << 20);
    let queries = [stat("/a"), stat("/b\n\\"), Query::Processes(ProcessesQuery::default())];
    let mut answers = Vec::new();
    for round in [0, 2] {
        recorder.begin_round(round);
        answers.extend(
            queries
                .iter()
                .map(|query| (round, query.clone(), ask(&recorder, query.clone()))),
        );
    }
    let recorded = Recorded::open("stub", folder.path());
    for (round, query, answer) in answers.into_iter().rev() {
        recorded.begin_round(round);
        assert_eq!(ask(&recorded, query), answer, "round {round}");
    }
    assert_eq!(files(&folder).len(), 6);
    let mode = fs::metadata(&files(&folder)[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_was_not_captured_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let recorded = Recorded::open("stub", folder.path());
    let missed = |recorded: &Recorded| match ask(recorded, stat("/a")) {
        Err(HostError::NotRecorded { query }) => query,
        other => panic!("{other:?}"),
    };
    assert_eq!(missed(&recorded), r#"{"digest":true,"paths":["/a"],"query":"stat"}"#);

    ask(&recorder(folder.path(), 1 << 20), stat("/a")).unwrap();
    assert!(ask(&recorded, stat("/a")).is_ok());
    recorded.begin_round(1);
    missed(&recorded);
    let path = &files(&folder)[0];
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, text.replacen('{', r#"{"every_round": true,"#, 1)).unwrap();
    assert!(ask(&recorded, stat("/a")).is_ok());
}

#[test]
fn captures_are_stable_text_with_sorted_keys() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path(), 1 << 20);
    ask(&recorder, stat("/a")).unwrap();
    let first = fs::read_to_string(&files(&folder)[0]).unwrap();
    ask(&recorder, stat("/a")).unwrap();
    assert_eq!(fs::read_to_string(&files(&folder)[0]).unwrap(), first);
    insta::assert_snapshot!(first);
}

#[test]
fn another_querys_answer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path(), 1 << 20);
    ask(&recorder, stat("/a")).unwrap();
    let a = files(&folder).remove(0);
    ask(&recorder, stat("/b")).unwrap();
    let b = files(&folder).into_iter().find(|path| *path != a).unwrap();
    fs::copy(&a, &b).unwrap();
    let recorded = Recorded::open("stub", folder.path());
    assert!(matches!(ask(&recorded, stat("/b")), Err(HostError::Failed { .. })));
}

#[test]
fn a_recording_that_passes_its_limit_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path(), 10);
    assert!(matches!(
        ask(&recorder, stat("/a")),
        Err(HostError::TooLarge { limit: 10, .. })
    ));
    assert!(files(&folder).is_empty());
}

#[test]
fn a_name_is_gone_from_what_was_captured_before_it_was_known() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = recorder(folder.path(), 1 << 20);
    for number in 0..8 {
        ask(&recorder, stat(&format!("/srv/brigitte/{number}"))).unwrap();
    }
    ask(&recorder, stat("/srv/for brigitte@kanzlei.example")).unwrap();
    redact(folder.path(), &[], &BTreeSet::new()).unwrap();
    for file in files(&folder) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("brigitte") && !text.contains("kanzlei"), "{text}");
    }
}

proptest! {
    #[test]
    fn garbage_is_an_error_and_no_answer(bytes: Vec<u8>, from in 0usize..200, text: bool) {
        let folder = tempfile::tempdir().unwrap();
        ask(&recorder(folder.path(), 1 << 20), stat("/a")).unwrap();
        let path = &files(&folder)[0];
        let mut content = fs::read(path).unwrap();
        if text {
            content.truncate(from.min(content.len() / 2));
        } else {
            content.clear();
        }
        content.extend_from_slice(&bytes);
        fs::write(path, content).unwrap();
        let recorded = Recorded::open("stub", folder.path());
        let refused = matches!(ask(&recorded, stat("/a")), Err(HostError::Failed { .. }));
        prop_assert!(refused);
    }
}
