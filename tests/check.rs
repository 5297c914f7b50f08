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
fn the_shipped_playbooks_have_no_mistakes() {
    for name in ["linux-miner", "triage"] {
        let json = run(&["check", name, "--format", "json"]).expect(0).json();
        assert_eq!(json["files"][0]["mistakes"], serde_json::json!([]), "{name}");
        assert_eq!(json["files"][0]["playbook"], name);
    }
}

#[test]
fn a_program_of_the_host_runs_by_leave_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("listing.yml");
    let text = "playbook: listing\nversion: 1\nphases:\n  gather:\n    - {id: here, use: command.read, with: {argv: [/bin/echo, a b]}}\n";
    std::fs::write(&file, text).expect("a playbook");
    let (file, deminer) = (written(&file), Deminer::new());
    for verb in ["check", "plan", "run"] {
        let answer = match verb {
            "check" => run(&[verb, &file]),
            _ => deminer.run(&[verb, &file]),
        };
        let answer = answer.expect(2);
        let said = format!("{}{}", answer.out, answer.err);
        assert!(
            said.contains("P0320") && said.contains("--allow command.read"),
            "{verb}: {answer}"
        );
    }
    run(&["check", &file, "--allow", "everything"]).expect(2);
    run(&["check", &file, "--allow", "command.read"]).expect(0);
    let json = deminer
        .run(&["plan", &file, "local", "--allow", "command.read", "--format", "json"])
        .expect(0)
        .json();
    let host = &json["hosts"][0];
    assert_eq!(
        host["footprint"]["programs"],
        serde_json::json!([["/bin/echo", "a b"]]),
        "{json:#}"
    );
    let text = deminer
        .run(&["plan", &file, "local", "--allow", "command.read"])
        .expect(0);
    // Lines are wrapped.
    let said = text.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("/bin/echo 'a b'"), "{text}");
    assert!(said.contains("by the word of a program of the host"), "{text}");
}

#[test]
fn a_first_look_proposes_nothing() {
    let deminer = Deminer::new();
    for host in ["simulated:infected", "simulated:clean"] {
        let plan = deminer
            .run(&["plan", "triage", host, "--set", "sample=1s", "--format", "json"])
            .expect(0)
            .json();
        let host = &plan["hosts"][0];
        let actions = host["orders"]["actions"].as_array().or(host["actions"].as_array());
        assert!(actions.is_none_or(Vec::is_empty), "{plan:#}");
    }
}
