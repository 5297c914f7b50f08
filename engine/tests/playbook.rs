//! What `check` says: every mistake with its file, line, column, frame, code and hint.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "several test programs share the stubs, each uses a part"
)]
mod stubs;

use deminer_engine::playbook::{Phase, Setting, parse};
use proptest::prelude::*;
use serde_json::json;
use stubs::{checked, mistakes};

const GOOD: &str = include_str!("stubs/good.yml");

/// The rows stand in the snapshot themselves.
fn snapshot(name: &str, said: String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, said));
}

#[test]
fn the_good_playbook_is_good() {
    let playbook = checked(GOOD).map_err(|e| e.text()).unwrap();
    assert_eq!((playbook.name(), playbook.version()), ("linux-miner", 1));
    assert_eq!(playbook.resources().len(), 1);
    assert_eq!(playbook.resources()[0].path, "rules/linux.yml");
    assert_eq!(playbook.max_rounds(), 3);
    let phases: Vec<Phase> = playbook.outline().map(|step| step.phase).collect();
    assert!(phases.is_sorted());
    let other = checked(&GOOD.replace("version: 1", "version: 1 # another byte")).unwrap();
    assert_ne!(playbook.digest(), other.digest());
    assert!(parse("night.yml", GOOD).is_ok());
}

#[test]
fn mistakes_of_shape() {
    snapshot(
        "mistakes_of_shape",
        mistakes(
            GOOD,
            &[
                ("unknown key above", "version: 1", "verson: 1"),
                (
                    "unknown key of a step",
                    "    - id: processes\n",
                    "    - idd: x\n      id: processes\n",
                ),
                (
                    "a key of no language",
                    "      use: cron.list",
                    "      use: cron.list\n      become: root",
                ),
                ("a key twice", "version: 1", "version: 1\nversion: 2"),
                ("no version", "version: 1\n", ""),
                ("version is text", "version: 1", "version: one"),
                ("version zero", "version: 1", "version: 0"),
                ("a name that is none", "playbook: linux-miner", "playbook: linux/miner"),
                (
                    "two bodies",
                    "      use: cron.list",
                    "      use: cron.list\n      stop: now",
                ),
                ("no body", "      use: cron.list", "      name: nothing"),
                ("an id twice", "- id: cron\n", "- id: processes\n"),
                ("an id that is no name", "- id: cron\n", "- id: cron-lines\n"),
                ("unknown phase", "  locate:", "  local:"),
                ("a phase of text", "  decide:\n", "  verify: later\n  decide:\n"),
                (
                    "repeat elsewhere",
                    "  decide:\n",
                    "  decide:\n    repeat: {until: \"true\", max_rounds: 1, refresh: []}\n    steps:\n",
                ),
                ("rounds", "max_rounds: 3", "max_rounds: 11"),
                ("no rounds", "max_rounds: 3, ", ""),
                (
                    "with beside stop",
                    "    - stop: no miner here",
                    "    - with: {}\n      stop: no miner here",
                ),
                (
                    "id beside assert",
                    "    - assert: steps.trace",
                    "    - id: few\n      assert: steps.trace",
                ),
                ("let without id", "    - id: starters\n      let:", "    - let:"),
                (
                    "braces without quotes",
                    "sample: \"{{ vars.sample }}\"",
                    "sample: {{ vars.sample }}",
                ),
                (
                    "braces in an expression",
                    "when: steps.verdict.host == \"clean\"",
                    "when: \"{{ steps.verdict.host == 'clean' }}\"",
                ),
                ("a list as a name", "name: Weigh all signals", "name: [Weigh, all]"),
                (
                    "no steps",
                    "  verify:\n    - id: quiet\n",
                    "  verify:\n  gather_:\n    - id: quiet\n",
                ),
                ("no YAML", "version: 1", "version: [1"),
                ("a tab", "version: 1", "\tversion: 1"),
                ("a tag", "version: 1", "version: !vault 1"),
                ("a second document", "phases:\n", "---\nphases:\n"),
                ("a long number", "version: 1", "version: 99999999999999999999999"),
            ],
        ),
    );
}

#[test]
fn mistakes_of_modules_and_parameters() {
    snapshot(
        "mistakes_of_modules_and_parameters",
        mistakes(
            GOOD,
            &[
                (
                    "unknown module",
                    "use: process.list\n      with: {sample",
                    "use: process.lst\n      with: {sample",
                ),
                (
                    "a module like no other",
                    "use: process.list\n      with: {sample",
                    "use: quux\n      with: {sample",
                ),
                ("unknown parameter", "sample: \"{{", "sampel: \"{{"),
                ("missing parameter", ", rules: rules/linux.yml", ""),
                ("a number for a duration", "sample: \"{{ vars.sample }}\"", "sample: 5"),
                (
                    "a duration without unit",
                    "sample: \"{{ vars.sample }}\"",
                    "sample: \"5\"",
                ),
                ("text for a boolean", "environ: true", "environ: yes"),
                ("a number too large", "limit: 20", "limit: 500"),
                ("a word that is none", "mode: strict", "mode: strikt"),
                ("one for a list", "pools: \"{{ vars.pools }}\"", "pools: pool.example"),
                (
                    "a number in a list of text",
                    "pools: \"{{ vars.pools }}\"",
                    "pools: [a, 5]",
                ),
                (
                    "a reference of another kind",
                    "processes: \"{{ steps.processes.rows }}\"",
                    "processes: \"{{ steps.processes.found }}\"",
                ),
                (
                    "a text for a list",
                    "processes: \"{{ steps.processes.rows }}\"",
                    "processes: \"rows {{ vars.sample }}\"",
                ),
                (
                    "a file that is not there",
                    "rules: rules/linux.yml",
                    "rules: rules/linus.yml",
                ),
                ("a file outside", "rules: rules/linux.yml", "rules: ../rules/linux.yml"),
                (
                    "a file by expression",
                    "rules: rules/linux.yml",
                    "rules: \"{{ vars.sample }}\"",
                ),
                (
                    "a list in a text",
                    "file: \"{{ item }}\"",
                    "file: \"{{ steps.trace.files }} x\"",
                ),
                (
                    "a statement in a text",
                    "file: \"{{ item }}\"",
                    "file: \"{% if true %}x{% endif %}\"",
                ),
                ("a map in a map", "mode: strict", "mode: {a: 1}"),
            ],
        ),
    );
}

#[test]
fn mistakes_of_references() {
    snapshot(
        "mistakes_of_references",
        mistakes(
            GOOD,
            &[
                (
                    "unknown field",
                    "when: steps.verdict.host == \"clean\"",
                    "when: steps.verdict.hosts == \"clean\"",
                ),
                (
                    "a word that it never is",
                    "when: steps.verdict.host == \"clean\"",
                    "when: steps.verdict.host == \"clear\"",
                ),
                (
                    "unknown step",
                    "when: steps.verdict.host == \"clean\"",
                    "when: steps.verdikt.host == \"clean\"",
                ),
                (
                    "a later step",
                    "when: steps.verdict.host == \"clean\"",
                    "when: steps.trace.files == []",
                ),
                (
                    "itself",
                    "verdict: \"{{ steps.verdict }}\"",
                    "verdict: \"{{ steps.trace }}\"",
                ),
                (
                    "unknown variable",
                    "sample: \"{{ vars.sample }}\"",
                    "sample: \"{{ vars.sampel }}\"",
                ),
                (
                    "unknown root",
                    "sample: \"{{ vars.sample }}\"",
                    "sample: \"{{ env.sample }}\"",
                ),
                (
                    "a step without its root",
                    "verdict: \"{{ steps.verdict }}\"",
                    "verdict: \"{{ verdict }}\"",
                ),
                (
                    "item outside",
                    "verdict: \"{{ steps.verdict }}\"",
                    "verdict: \"{{ item }}\"",
                ),
                ("round outside", "limit: 20", "limit: \"{{ round }}\""),
                (
                    "a field of a list",
                    "rows: steps.processes.rows + steps.cron.rows",
                    "rows: steps.processes.rows.name",
                ),
                (
                    "a field behind an index",
                    "rows: steps.processes.rows + steps.cron.rows",
                    "rows: steps.processes.rows[0].nam",
                ),
                (
                    "a field behind a filter",
                    "rows: steps.processes.rows + steps.cron.rows",
                    "rows: (steps.processes.rows | first).exe.pth",
                ),
                (
                    "an attribute of a filter",
                    "rows: steps.processes.rows + steps.cron.rows",
                    "rows: steps.processes.rows | map(attribute='pidd') | list",
                ),
                (
                    "through a let",
                    "artifacts: \"{{ steps.starters.files }}\"",
                    "artifacts: \"{{ steps.starters.row }}\"",
                ),
                (
                    "a fact that is none",
                    "when: steps.verdict.host == \"clean\"",
                    "when: host.kernl == \"6\"",
                ),
                (
                    "syntax",
                    "when: steps.verdict.host == \"clean\"",
                    "when: steps.verdict.host = \"clean\"",
                ),
                (
                    "an open quote",
                    "when: steps.verdict.host == \"clean\"",
                    "when: steps.verdict.host == 'clean",
                ),
                (
                    "an if without else",
                    "rows: steps.processes.rows + steps.cron.rows",
                    "rows: steps.processes.rows if vars.deep",
                ),
                (
                    "unknown filter",
                    "rows: steps.processes.rows + steps.cron.rows",
                    "rows: steps.processes.rows | lenght",
                ),
                (
                    "unknown test",
                    "rows: steps.processes.rows + steps.cron.rows",
                    "rows: steps.processes is definde",
                ),
                (
                    "a method",
                    "rows: steps.processes.rows + steps.cron.rows",
                    "rows: steps.processes.rows.append(1)",
                ),
                (
                    "a function",
                    "rows: steps.processes.rows + steps.cron.rows",
                    "rows: debug()",
                ),
                (
                    "no boolean",
                    "when: steps.verdict.host == \"clean\"",
                    "when: steps.verdict.rows",
                ),
                ("no list", "foreach: steps.trace.files", "foreach: steps.trace"),
                (
                    "may have been skipped",
                    "verdict: \"{{ steps.verdict }}\"",
                    "verdict: {host: clean, rows: \"{{ steps.deep.rows }}\"}",
                ),
                (
                    "in a double-quoted text",
                    "file: \"{{ item }}\"",
                    "file: \"a \\\"b\\\" {{ steps.trace.filez[0] }}\"",
                ),
                (
                    "in a single-quoted text",
                    "file: \"{{ item }}\"",
                    "file: 'it''s {{ steps.trace.filez[0] }}'",
                ),
                (
                    "in a block",
                    "when: steps.verdict.host == \"clean\"",
                    "when: >-\n        steps.verdict.host == \"infected\"\n        or steps.verdict.hosts == \"clean\"",
                ),
                (
                    "in a literal block",
                    "when: steps.verdict.host == \"clean\"",
                    "when: |\n        steps.verdict.host == \"infected\"\n        or host.name == \"日本\" or steps.verdict.hosts == \"clean\"",
                ),
            ],
        ),
    );
}

#[test]
fn mistakes_of_power_and_order() {
    snapshot(
        "mistakes_of_power_and_order",
        mistakes(
            GOOD,
            &[
                (
                    "destroys while looking",
                    "use: miner.trace\n      with: {verdict: \"{{ steps.verdict }}\"}",
                    "use: file.remove\n      with: {artifacts: [a]}",
                ),
                ("destroys while keeping", "use: evidence.keep", "use: file.remove"),
                (
                    "not for this phase",
                    "use: cron.list",
                    "use: miner.trace\n      with: {verdict: {host: clean, rows: []}}",
                ),
                (
                    "a proposal on what comes after",
                    "      - id: remove\n        use: file.remove\n        with: {artifacts: \"{{ steps.trace.files }}\"}\n",
                    "      - {id: early, use: verify.gone, with: {artifacts: []}}\n      - id: remove\n        use: file.remove\n        with: {artifacts: [\"{{ steps.early.found }}\"]}\n",
                ),
                (
                    "what comes after in verify",
                    "artifacts: \"{{ steps.starters.files }}\"",
                    "artifacts: [\"{{ steps.still.found }}\"]",
                ),
                ("a stop inside", "      when: steps.verdict.host == \"clean\"\n", ""),
                ("refresh of nothing", "refresh: [processes,", "refresh: [proceses,"),
                ("refresh of a proposal", "refresh: [processes,", "refresh: [keep,"),
                ("refresh of a later step", "refresh: [processes,", "refresh: [still,"),
                (
                    "until reads nothing",
                    "until: not steps.still.found",
                    "until: steps.cron.found",
                ),
                (
                    "until is no condition",
                    "until: not steps.still.found",
                    "until: steps.still.rows",
                ),
            ],
        ),
    );
}

#[test]
fn mistakes_of_variables() {
    snapshot(
        "mistakes_of_variables",
        mistakes(
            GOOD,
            &[
                ("unknown type", "sample: {type: duration,", "sample: {type: durration,"),
                (
                    "a list of what",
                    "pools: {type: \"list<string>\",",
                    "pools: {type: list,",
                ),
                ("no type", "sample: {type: duration,", "sample: {"),
                ("a default of another type", "default: 5s,", "default: 5,"),
                ("a default that does not fit", "default: 5s,", "default: 5 sec,"),
                (
                    "an item of another type",
                    "default: [], help: pool names",
                    "default: [a, 5], help: pool names",
                ),
                ("a key that is none", "help: time over which", "hlep: time over which"),
                (
                    "a secret in the playbook",
                    "token: {type: secret, help: for the look-up}",
                    "token: {type: secret, default: hunter2, help: for the look-up}",
                ),
                ("a name that is none", "token: {type", "to-ken: {type"),
                ("a word outside of an enum", "default: low,", "default: middle,"),
            ],
        ),
    );
}

#[test]
fn ten_mistakes_are_ten_diagnostics() {
    let text = "\
playbook: night
version: 1
vars:
  watch: {type: durration, default: 10m}
phases:
  gather:
    - id: processes
      use: process.lst
    - id: cron
      use: cron.list
      with: {sample: 5s}
  decide:
    - id: verdict
      use: miner.judge
      with: {processes: \"{{ steps.cron.rowz }}\", rules: rules/none.yml}
    - stop: clean
      when: steps.verdict.hosts == \"clean\"
  locate:
    - id: cut
      use: file.remove
      with: {artifacts: 5}
  eradicate:
    repeat: {until: nothing, max_rounds: 99, refresh: [processes]}
    steps:
      - id: cut
        use: file.remove
";
    let mistakes = checked(text).unwrap_err();
    assert!(mistakes.len() >= 10, "{}", mistakes.text());
    insta::assert_snapshot!(mistakes.text());
    insta::assert_json_snapshot!(mistakes.json()["diagnostics"][1]);
}

#[test]
fn guards_are_understood() {
    let guards = [
        "      when: vars.deep\n      with: {verdict: {host: clean, rows: \"{{ steps.deep.rows }}\"}}",
        "      when: vars.deep  and  steps.verdict.host == \"infected\"\n      with: {verdict: {host: clean, rows: \"{{ steps.deep.rows }}\"}}",
        "      with: {verdict: {host: clean, rows: \"{{ steps.deep.rows | default([]) }}\"}}",
        "      with: {verdict: {host: clean, rows: \"{{ steps.deep.rows if steps.deep is defined else [] }}\"}}",
        "      when: steps.deep is defined and steps.deep.found\n      with: {verdict: {host: clean, rows: \"{{ steps.deep.rows }}\"}}",
    ];
    for guard in guards {
        let text = GOOD.replace("      with: {verdict: \"{{ steps.verdict }}\"}", guard);
        assert_ne!(text, GOOD);
        // What refers to the guarded step is not guarded itself: only mistakes about the step `deep` count.
        if let Err(mistakes) = checked(&text) {
            assert!(
                !mistakes.text().contains("`deep` may have been skipped"),
                "{guard}\n{}",
                mistakes.text()
            );
        }
    }
}

#[test]
fn variables_are_bound() {
    let playbook = checked(GOOD).unwrap();
    let set = |pairs: &[(&str, &str)]| {
        let sets: Vec<(String, Setting)> = pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Setting::Text((*text).to_owned())))
            .collect();
        playbook.bind(&sets)
    };
    let bound = set(&[
        ("token", "hunter22"),
        ("pools", "a,b"),
        ("pools", "c"),
        ("deep", "true"),
    ])
    .unwrap();
    assert_eq!(bound.public()["token"], json!("***"));
    assert_eq!(bound.public()["pools"], json!(["c"]));
    assert_eq!(bound.public()["sample"], json!("5s"));
    assert!(!format!("{bound:?}").contains("hunter"));
    assert_eq!(bound.masked("bad token hunter22".to_owned()), "bad token ***");
    let json = [
        ("token".to_owned(), Setting::Value(json!("hunter22"))),
        ("pools".to_owned(), Setting::Value(json!(["x"]))),
    ];
    assert_eq!(playbook.bind(&json).unwrap().public()["pools"], json!(["x"]));
    let mistakes = set(&[("pool", "x"), ("sample", "5"), ("deep", "yes")]).unwrap_err();
    insta::assert_snapshot!(mistakes.text());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_makes_parse_panic(text in "\\PC{0,200}") {
        let _ = parse("a.yml", &text).map_err(|e| (e.text(), e.json()));
    }

    #[test]
    fn no_change_of_a_playbook_makes_check_panic(at in 0usize..3000, long in 0usize..40, put in "[ \\n:{}\\[\\]\"'|>&*!a-z0-9.-]{0,6}") {
        let floor = |n: usize| (0..=n.min(GOOD.len())).rev().find(|n| GOOD.is_char_boundary(*n)).unwrap_or(0);
        let (start, end) = (floor(at), floor(at + long));
        let text = format!("{}{put}{}", &GOOD[..start], &GOOD[end..]);
        if let Err(mistakes) = checked(&text) {
            prop_assert!(!mistakes.is_empty());
            prop_assert!(mistakes.text().contains("no host was touched"));
            for mistake in mistakes.iter() {
                if let Some(span) = mistake.span {
                    prop_assert!(span.start <= span.end && span.end <= text.len(), "{mistake:?}");
                }
            }
        }
    }
}
