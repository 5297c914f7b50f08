//! Every playbook of `examples/` passes `check`, and the commands in its header give what `examples/expected/` says.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod written;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use written::{ROOT, Reader};

fn folder() -> PathBuf {
    Path::new(ROOT).join("examples")
}

/// The names of the files of a folder that end in `.EXTENSION`, without it.
fn names(folder: &Path, extension: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("can be read").path());
    paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect()
}

/// The names of the examples that are playbooks.
fn playbooks() -> BTreeSet<String> {
    let is_playbook = |name: &String| {
        let text = fs::read_to_string(folder().join(format!("{name}.yml"))).expect("the example is there");
        text.lines().any(|line| line.starts_with("playbook:"))
    };
    names(&folder(), "yml").into_iter().filter(is_playbook).collect()
}

/// The commands in the comment at the top of a playbook.
fn commands(name: &str) -> Vec<String> {
    let text = fs::read_to_string(folder().join(format!("{name}.yml"))).expect("the example is there");
    let header = text.lines().map_while(|line| line.strip_prefix('#'));
    header
        .filter_map(|line| line.strip_prefix("   "))
        .filter(|line| line.starts_with("deminer "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_example_passes_check() {
    for name in playbooks() {
        // What a playbook needs leave for is allowed to its commands, and to nothing else.
        let words: Vec<String> = commands(&name)
            .iter()
            .flat_map(|command| {
                let word = |key: &'static str| command.split(' ').skip_while(move |word| *word != key).take(2);
                word("--allow").chain(word("--modules"))
            })
            .map(str::to_owned)
            .collect();
        let ran = Reader::new().run(&format!("deminer check examples/{name}.yml {}", words.join(" ")));
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
    }
}

#[test]
fn every_example_gives_what_is_expected() {
    let examples = playbooks();
    for name in &examples {
        let commands = commands(name);
        assert!(!commands.is_empty(), "{name}: no command in its header");
        let mut reader = Reader::new();
        let mut gave = Map::new();
        for command in commands {
            assert!(
                command.contains("simulated:") || command.contains("--approve"),
                "{name}: `{command}` does not give the same on every machine"
            );
            let ran = reader.run(&command);
            assert_eq!(ran.code, 0, "{name}: `{command}`: {}", ran.stderr);
            gave.insert(command, outcome(&ran.answer));
        }
        insta::with_settings!({
            snapshot_path => folder().join("expected"),
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_json_snapshot!(name.as_str(), gave);
        });
    }
    let expected = names(&folder().join("expected"), "snap");
    assert_eq!(examples, expected, "one expected result for each example");
}

#[test]
fn an_example_looks_at_this_machine() {
    let ran = Reader::new().run("deminer plan examples/look-only.yml --set sample=1s");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.answer["hosts"][0]["host"], "local");
    assert_eq!(
        ran.answer["actions"],
        json!([]),
        "a playbook without eradicate proposes nothing"
    );
}

/// What a plan or a report says of its one host, without what differs from run to run.
fn outcome(answer: &Value) -> Value {
    let host = &answer["hosts"][0];
    match answer["actions"].as_array() {
        Some(actions) => planned(host, actions),
        None => json!({
            "status": host["status"],
            "changed": format!("{} of {}", host["tally"]["done"], host["tally"]["of"]),
            "verify": host["verify"]["seen"],
            "watched_ms": host["verify"]["covered_ms"],
        }),
    }
}

fn planned(host: &Value, actions: &[Value]) -> Value {
    let because = host["verdict_because"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let findings = host["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let reasons = findings.iter().filter(|finding| because.contains(&finding["id"]));
    let reasons: Vec<String> = reasons
        .map(|finding| {
            let pid = &finding["about"]["process"]["pid"];
            format!("pid {pid}: {} ({})", text(&finding["sentence"]), finding["points"])
        })
        .collect();
    let end = match &host["end"]["reason"] {
        Value::Null => text(&host["end"]["end"]).to_owned(),
        reason => format!("stopped: {}", text(reason)),
    };
    let mut planned = json!({
        "verdict": host["verdict"],
        "end": end,
        "because": reasons,
        "actions": actions.iter().map(action).collect::<BTreeSet<_>>(),
    });
    for (name, value) in beside(host, findings) {
        planned[name] = value;
    }
    planned
}

/// What only some examples have: who takes over, what was answered, what a person should look at, steps that failed.
fn beside(host: &Value, findings: &[Value]) -> Vec<(&'static str, Value)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let answers: Vec<String> = list(&host["answers"])
        .iter()
        .map(|a| {
            format!(
                "{}: {} ({})",
                text(&a["question"]),
                text(&a["answer"]),
                text(&a["means"])
            )
        })
        .collect();
    let reviews: Vec<String> = findings
        .iter()
        .filter(|finding| finding["signal"] == "changed_near")
        .map(|finding| text(&finding["sentence"]).to_owned())
        .collect();
    let failed: Vec<String> = list(&host["gaps"])
        .iter()
        .filter(|gap| gap["subject"] == "step")
        .map(|gap| format!("{} ({})", text(&gap["object"]), text(&gap["why"])))
        .collect();
    let beside = [
        ("hand_over", list(&host["end"]["hand_over"])),
        ("answered", answers.into_iter().map(Value::from).collect()),
        ("look_at", reviews.into_iter().map(Value::from).collect()),
        ("failed_steps", failed.into_iter().map(Value::from).collect()),
    ];
    let some = beside.into_iter().filter(|(_, values)| !values.is_empty());
    some.map(|(name, values)| (name, Value::from(values))).collect()
}

/// `kill pid 2101`, `edit_lines /var/spool/cron/crontabs/deploy`.
fn action(action: &Value) -> String {
    let target = &action["target"];
    let of = |holder: &Value| match (&holder["process"]["pid"], &holder["file"]["path"]) {
        (Value::Null, Value::Null) => None,
        (Value::Null, path) => Some(text(path).to_owned()),
        (pid, _) => Some(format!("pid {pid}")),
    };
    let object = of(target)
        .or_else(|| of(&target["object"]))
        .or_else(|| target["address"].as_str().map(str::to_owned))
        .expect("an action has a target");
    format!("{} {object}", text(&action["kind"]))
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
