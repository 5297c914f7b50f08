//! What the command says of a playbook with mistakes: all of them at once, and no host is touched.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use common::command::{Deminer, run};
use common::machine::written;

/// Ten mistakes of ten kinds.
const MISTAKES: &str = r#"playbook: night-shift
version: 1
vars:
  watch: {type: duration, default: ten minutes}
  depth: {type: number}
phases:
  gather:
    - {id: processes, use: process.lst}
    - {id: users, use: process.list, with: {smaple: 5s}}
    - {id: cron, use: process.kill, with: {processes: []}}
  decide:
    - {id: verdict, use: miner.judge, with: {processes: "{{ steps.proceses.rows }}", rules: rules/linux.yml}}
    - {stop: nothing here, when: step.users}
  locate:
    - {assert: vars.wach, name: never}
  eradcate:
    - {id: still, use: verify.gone, with: {artifacts: []}}
"#;

fn with_mistakes() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("night.yml");
    std::fs::write(&file, MISTAKES).expect("a playbook");
    (directory, file)
}

#[test]
fn ten_mistakes_are_ten_diagnostics() {
    let (_directory, file) = with_mistakes();
    let file = written(&file);
    let text = run(&["check", &file]).expect(2);
    assert_eq!(text.err, "");
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.add_filter(&file, "night.yml");
    settings.bind(|| insta::assert_snapshot!("ten_mistakes", text.out));

    let json = run(&["check", &file, "--format", "json"]).expect(2).json();
    let mistakes = json["files"][0]["mistakes"].as_array().expect("a list");
    assert_eq!(mistakes.len(), 10, "{json:#}");
    for mistake in mistakes {
        for field in ["code", "message", "help"] {
            let text = mistake[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "no {field}: {mistake:#}");
        }
        for field in ["line", "column"] {
            assert!(
                mistake["at"][field].as_u64().is_some_and(|number| number > 0),
                "no {field}: {mistake:#}"
            );
        }
    }
}

#[test]
fn no_verb_goes_to_a_host_with_a_mistaken_playbook() {
    let (_directory, file) = with_mistakes();
    let deminer = Deminer::new();
    for verb in ["plan", "run"] {
        let answer = deminer.run(&[verb, &written(&file), "simulated:infected"]).expect(2);
        assert!(answer.err.contains("P0102"), "{answer}");
        assert_eq!(answer.out, "", "{answer}");
        let kept = std::fs::read_dir(deminer.runs()).expect("a directory").count();
        assert_eq!(kept, 0, "a run was begun\n{answer}");
    }
}

#[test]
fn the_shipped_playbook_has_no_mistakes() {
    let json = run(&["check", "linux-miner", "--format", "json"]).expect(0).json();
    assert_eq!(json["files"][0]["mistakes"], serde_json::json!([]));
    assert_eq!(json["files"][0]["playbook"], "linux-miner");
}
