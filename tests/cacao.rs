//! Every playbook as CACAO 2.0, held against what the specification requires, and back again.
//!
//! Sections are those of CACAO Security Playbooks Version 2.0, Committee Specification 01, of 27 November 2023.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Map, Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// 3.1.
const REQUIRED: [&str; 9] = [
    "type",
    "spec_version",
    "id",
    "name",
    "created_by",
    "created",
    "modified",
    "workflow_start",
    "workflow",
];
/// 3.1: all that a playbook may have.
const PROPERTIES: [&str; 33] = [
    "type",
    "spec_version",
    "id",
    "name",
    "description",
    "playbook_types",
    "playbook_activities",
    "playbook_processing_summary",
    "created_by",
    "created",
    "modified",
    "revoked",
    "valid_from",
    "valid_until",
    "derived_from",
    "related_to",
    "priority",
    "severity",
    "impact",
    "industry_sectors",
    "labels",
    "external_references",
    "markings",
    "playbook_variables",
    "workflow_start",
    "workflow_exception",
    "workflow",
    "playbook_extensions",
    "authentication_info_definitions",
    "agent_definitions",
    "target_definitions",
    "extension_definitions",
    "signatures",
];
/// `playbook-type-enum`, each with the activity that it wants (3.1.2).
const TYPES: [(&str, &str); 7] = [
    ("attack", "step-sequence"),
    ("detection", "match-indicator"),
    ("investigation", "identify-indicators"),
    ("mitigation", "eliminate-risk"),
    ("notification", "compose-content"),
    ("prevention", "configure-systems"),
    ("remediation", "restore-capabilities"),
];
/// `playbook-activity-type-ov`.
const ACTIVITIES: [&str; 22] = [
    "compose-content",
    "deliver-content",
    "identify-audience",
    "identify-channel",
    "scan-system",
    "match-indicator",
    "analyze-collected-data",
    "identify-indicators",
    "scan-vulnerabilities",
    "configure-systems",
    "restrict-access",
    "disconnect-system",
    "eliminate-risk",
    "revert-system",
    "restore-data",
    "restore-capabilities",
    "map-network",
    "identify-steps",
    "step-sequence",
    "prepare-engagement",
    "execute-operation",
    "analyze-engagement-results",
];
/// `workflow-step-type-enum`.
const STEPS: [&str; 8] = [
    "start",
    "end",
    "action",
    "playbook-action",
    "parallel",
    "if-condition",
    "while-condition",
    "switch-condition",
];
/// `command-type-ov`.
const COMMANDS: [&str; 12] = [
    "bash",
    "caldera-cmd",
    "elastic",
    "http-api",
    "jupyter",
    "kestrel",
    "manual",
    "openc2-http",
    "powershell",
    "sigma",
    "ssh",
    "yara",
];

fn deminer(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deminer"));
    command
        .args(words)
        .current_dir(ROOT)
        .output()
        .expect("the built program starts")
}

fn playbooks() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["playbooks", "examples"] {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).expect("the folder is there") {
            let path = entry.expect("can be read").path();
            let text = fs::read_to_string(&path).unwrap_or_default();
            if path.extension().is_some_and(|e| e == "yml") && text.lines().any(|line| line.starts_with("playbook:")) {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

fn exported(path: &Path) -> Value {
    let path = path.to_str().expect("a name");
    let leaves = [
        "--allow",
        "command.read",
        "--allow",
        "module.external",
        "--modules",
        "examples/modules",
    ];
    let output = deminer(&[&["export", path][..], &leaves[..]].concat());
    assert!(
        output.status.success(),
        "{path}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// 10.10.
fn is_id(text: &str, kind: &str) -> bool {
    let Some(uuid) = text.strip_prefix(kind).and_then(|rest| rest.strip_prefix("--")) else {
        return false;
    };
    let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12]
        && uuid
            .chars()
            .all(|c| c == '-' || c.is_ascii_digit() || ('a'..='f').contains(&c))
        && uuid.as_bytes()[14] == b'5'
        && b"89ab".contains(&uuid.as_bytes()[19])
}

/// RFC 3339 in UTC with exactly three digits behind the second.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}

/// What of the specification a document breaks.
fn broken(document: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut want = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let none = Map::new();
    let fields = document.as_object().unwrap_or(&none);
    for name in REQUIRED {
        want(fields.contains_key(name), &format!("3.1: `{name}` is required"));
    }
    for name in fields.keys() {
        want(
            PROPERTIES.contains(&name.as_str()),
            &format!("3.1: `{name}` is no property"),
        );
    }
    want(document["type"] == "playbook", "3.1: type");
    want(document["spec_version"] == "cacao-2.0", "3.1: spec_version");
    want(is_id(&text(&document["id"]), "playbook"), "3.1: id");
    want(is_id(&text(&document["created_by"]), "identity"), "3.1: created_by");
    let (created, modified) = (text(&document["created"]), text(&document["modified"]));
    want(is_time(&created) && is_time(&modified), "3.1: times");
    want(modified >= created, "3.1: modified is not before created");
    let words = |name: &str| -> Vec<String> {
        let list = document[name].as_array().into_iter().flatten();
        list.map(text).collect()
    };
    let (types, activities) = (words("playbook_types"), words("playbook_activities"));
    want(types.is_empty() || !activities.is_empty(), "3.1: types want activities");
    for kind in &types {
        let known = TYPES.iter().find(|(name, _)| name == kind);
        let has = known.is_some_and(|(_, activity)| activities.iter().any(|found| found == activity));
        want(has, &format!("3.1.2: type {kind}"));
    }
    let workflow = document["workflow"].as_object().unwrap_or(&none);
    let is_step = |key: &str| workflow.contains_key(key);
    let start = text(&document["workflow_start"]);
    want(
        workflow.get(&start).is_some_and(|step| step["type"] == "start"),
        "3.1: workflow_start",
    );
    let mut used = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    let mut led: BTreeSet<String> = BTreeSet::from([start]);
    for (key, step) in workflow {
        let kind = text(&step["type"]);
        want(STEPS.contains(&kind.as_str()), &format!("4: {key} is of no type"));
        want(is_id(key, &kind), &format!("10.10: {key}"));
        kinds.insert(kind.clone());
        let leads = ["on_completion", "on_success", "on_failure", "on_true", "on_false"];
        for field in leads.into_iter().filter(|field| step.get(*field).is_some()) {
            let to = text(&step[field]);
            want(is_step(&to), &format!("4: {key}: {field} leads nowhere"));
            led.insert(to);
        }
        let has = |field: &str| step.get(field).is_some();
        want(
            !(has("on_completion") && (has("on_success") || has("on_failure"))),
            &format!("4.1: {key}"),
        );
        match kind.as_str() {
            "start" => want(has("on_completion"), "4.3: on_completion"),
            "end" => want(!leads.into_iter().any(has), "4.4: an end leads nowhere"),
            "action" => {
                let commands = step["commands"].as_array().cloned().unwrap_or_default();
                want(!commands.is_empty(), &format!("4.5: {key}: commands"));
                want(
                    document["agent_definitions"].get(text(&step["agent"])).is_some(),
                    &format!("4.5: {key}: agent"),
                );
                for target in step["targets"].as_array().into_iter().flatten() {
                    want(
                        document["target_definitions"].get(text(target)).is_some(),
                        &format!("4.5: {key}: target"),
                    );
                }
                for command in commands {
                    want(COMMANDS.contains(&&*text(&command["type"])), &format!("5: {key}: type"));
                    want(
                        command["command"].is_string() || command["command_b64"].is_string(),
                        &format!("5.1: {key}"),
                    );
                    want(
                        ACTIVITIES.contains(&&*text(&command["playbook_activity"])),
                        &format!("5.1: {key}: activity"),
                    );
                    used.insert(text(&command["playbook_activity"]));
                }
            }
            "playbook-action" => want(is_id(&text(&step["playbook_id"]), "playbook"), &format!("4.6: {key}")),
            "if-condition" | "while-condition" => {
                let condition = text(&step["condition"]);
                let variable = condition.strip_suffix(":value = 'true'").unwrap_or_default();
                want(
                    document["playbook_variables"].get(variable).is_some(),
                    &format!("4.8, 4.9: {key}: condition"),
                );
                want(has("on_true"), &format!("4.8, 4.9: {key}: on_true"));
            }
            other => want(false, &format!("{key}: {other} is not written")),
        }
        for extension in step["step_extensions"].as_object().unwrap_or(&none).keys() {
            want(
                document["extension_definitions"].get(extension).is_some(),
                &format!("4.1: {key}: extension"),
            );
        }
    }
    for kind in ["start", "end"] {
        want(kinds.contains(kind), &format!("3.1: a workflow has a step `{kind}`"));
    }
    want(
        kinds.contains("action") || kinds.contains("playbook-action"),
        "3.1: a workflow has an action",
    );
    want(
        workflow.keys().all(|key| led.contains(key)),
        "a step to which nothing leads",
    );
    want(
        activities.iter().all(|activity| used.contains(activity)),
        "3.1: an activity that no step has",
    );
    for (name, variable) in document["playbook_variables"].as_object().unwrap_or(&none) {
        want(
            name.len() > 4 && name.starts_with("__") && name.ends_with("__"),
            &format!("10.18: {name}"),
        );
        want(variable["type"].is_string(), &format!("10.18: {name}: type"));
        let value = variable.get("value");
        want(
            value.is_none_or(|value| value.is_string() || value.is_null()),
            &format!("10.18: {name}: value"),
        );
    }
    for list in ["agent_definitions", "target_definitions"] {
        for (key, it) in document[list].as_object().unwrap_or(&none) {
            want(
                is_id(key, &text(&it["type"])) && it["name"].is_string(),
                &format!("7: {key}"),
            );
        }
    }
    for (key, extension) in document["extension_definitions"].as_object().unwrap_or(&none) {
        want(is_id(key, "extension-definition"), &format!("8: {key}"));
        for field in ["type", "name", "created_by", "schema", "version"] {
            want(extension[field].is_string(), &format!("8: {key}: {field}"));
        }
    }
    wrong
}

#[test]
fn every_playbook_holds_what_the_specification_requires() {
    for path in playbooks() {
        let document = exported(&path);
        assert_eq!(broken(&document), Vec::<String>::new(), "{}", path.display());
        assert_eq!(
            document,
            exported(&path),
            "{}: it differs from time to time",
            path.display()
        );
    }
}

#[test]
fn what_is_broken_is_seen() {
    let whole = exported(&Path::new(ROOT).join("playbooks/linux-miner.yml"));
    for name in REQUIRED {
        let mut document = whole.clone();
        document.as_object_mut().expect("a map").remove(name);
        assert!(!broken(&document).is_empty(), "{name}");
    }
    let mut document = whole.clone();
    document["playbook_types"] = json!(["remediation"]);
    assert_eq!(broken(&document), ["3.1.2: type remediation"]);
    let kinds: BTreeSet<&str> = whole["workflow"]
        .as_object()
        .expect("a workflow")
        .values()
        .filter_map(|step| step["type"].as_str())
        .collect();
    let expected = ["action", "end", "if-condition", "start", "while-condition"];
    assert!(expected.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
}

#[test]
fn each_comes_back_as_it_was() {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("document.json");
    for path in playbooks() {
        fs::write(&file, exported(&path).to_string()).expect("ours");
        let back = deminer(&["import", file.to_str().expect("a name")]);
        assert!(back.status.success(), "{}", path.display());
        let text = fs::read_to_string(&path).expect("the playbook");
        assert_eq!(
            String::from_utf8_lossy(&back.stdout).trim_end(),
            text.trim_end(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn of_others_the_commands_are_for_people_and_nothing_is_dropped_silently() {
    let document = json!({
        "type": "playbook", "spec_version": "cacao-2.0", "id": "playbook--1", "name": "Block an address", "severity": 70,
        "workflow_start": "start--1",
        "workflow": {
            "start--1": {"type": "start", "on_completion": "if-condition--1"},
            "if-condition--1": {"type": "if-condition", "name": "is it ours", "condition": "__a__:value = 'b'", "on_true": "action--1", "on_false": "action--2"},
            "action--1": {"type": "action", "name": "call", "agent": "individual--1", "on_completion": "end--1",
                "commands": [{"type": "manual", "command": "call \"them\"\nnow"}]},
            "action--2": {"type": "action", "name": "block", "on_completion": "end--1", "commands": [{"type": "bash", "command": "nft add"}, {"type": "bash", "command": "echo {{ x }}"}]},
            "action--3": {"type": "action", "commands": []},
            "end--1": {"type": "end"}}
    });
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("document.json");
    fs::write(&file, document.to_string()).expect("ours");
    let back = deminer(&["import", file.to_str().expect("a name")]);
    let told = String::from_utf8_lossy(&back.stderr).into_owned();
    for lost in [
        "if-condition __a__:value = 'b'",
        "`agent` of step `call`",
        "`severity`",
        "action--3",
        "echo {{ x }}",
    ] {
        assert!(told.contains(lost), "{lost}: {told}");
    }
    let playbook = home.path().join("back.yml");
    fs::write(&playbook, &back.stdout).expect("ours");
    let checked = deminer(&["check", playbook.to_str().expect("a name")]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let text = String::from_utf8_lossy(&back.stdout).into_owned();
    assert!(text.contains("playbook: block-an-address"), "{text}");
    assert!(
        text.find("call (manual)") < text.find("block (bash): nft add"),
        "{text}"
    );
}
