//! A file of tests as a JSON Schema, for editors.
//!
//! Whatever [`TestFile::read`](super::TestFile::read) accepts, the schema accepts; it refuses less: which hosts a case has, and
//! what lies beside the file, only the reader knows.

use deminer_worker::action::Act;
use deminer_worker::platform::simulated::{Fault, SAMPLES};
use serde_json::{Value, json};

use super::SHOTS;
use super::read::{
    CASE_KEYS, DRIFT_KEYS, DRIFTS, EVENTS, EXPECT_KEYS, FAULT_KEYS, OF_APPLY, PARTS, TOP_KEYS, VERDICTS, YES_KEYS,
};
use crate::playbook::VarType;
use crate::playbook::schema::forms::written;
use crate::policy::Leave;
use crate::schema::{DRAFT, closed, described, map_of, of_type, pattern, reference, text};

/// The schema of a file of tests.
pub fn schema() -> Value {
    let cases = json!({
        "description": "What is played, each with a name of its own.",
        "type": "array", "items": reference("case"),
    });
    let mut whole = closed(
        &TOP_KEYS,
        &["test", "cases"],
        json!({
            "test": text("What is tested; a title."),
            "playbook": text("The playbook's file, beside this one, or the name of a shipped one; left out, `x.yml` of `x.test.yml`."),
            "cases": cases,
        }),
    );
    whole["$schema"] = DRAFT.into();
    whole["definitions"] = json!({
        "case": case(),
        "drift": drift(),
        "expect": expect(),
        "fault": fault(),
        "host": text(""),
        "paths": {"type": "array", "items": text("")},
    });
    whole
}

fn case() -> Value {
    let shots = SHOTS.map(|shot| shot.word());
    let mut case = closed(
        &CASE_KEYS,
        &["name"],
        json!({
            "name": text("Its name in the file."),
            "host": host("The one host: a folder of `deminer record`, `simulated:infected`, `simulated:clean`, or the file of a world."),
            "hosts": hosts(),
            "inventory": described("Inventories that say what groups the hosts are in.", "paths"),
            "env": text("As `--env`: an environment by its name, or its file."),
            "set": {"description": "As `--set`: values by variable.", "type": "object"},
            "now": now(),
            "answers": text("As `--answers`: a file."),
            "policy": text("As `--policy`: a file."),
            "allow": {"description": "As `--allow`.", "type": "array", "items": of_type::<Leave>()},
            "approve": approve(),
            "watch": text("How long verify watches: `10m`."),
            "drift": {
                "description": "What happens on the hosts between plan and apply.",
                "type": "array", "items": reference("drift"),
            },
            "faults": {
                "description": "What goes wrong on simulated hosts from the apply on.",
                "type": "array", "items": reference("fault"),
            },
            "crash": {
                "description": "The event after which the controller dies; the next command finds out what was done.",
                "enum": EVENTS,
            },
            "resume": {"description": "Whether the run is taken up again, as `deminer resume`.", "type": "boolean"},
            "expect": described("What must come out; what is not said may be anything.", "expect"),
            "snapshots": {
                "description": "What is compared with what it was, line by line.",
                "type": "array", "items": {"enum": shots},
            },
        }),
    );
    let needs_yes = OF_APPLY.map(|key| (key.to_owned(), json!(["approve"])));
    case["dependencies"] = Value::Object(needs_yes.into_iter().collect());
    // Of two the first decides, so that one mistake is told once.
    case["if"] = json!({"required": ["host"]});
    case["then"] = json!({"properties": {"hosts": false}});
    case["else"] = json!({"if": {"not": {"required": ["hosts"]}}, "then": {"required": ["host"]}});
    case
}

fn host(about: &str) -> Value {
    let mut host = described(about, "host");
    host["examples"] = json!(SAMPLES.map(|sample| format!("simulated:{sample}")));
    host
}

fn hosts() -> Value {
    let mut hosts = map_of(host("What the host is."));
    hosts["description"] = "Several hosts, by name: `{web-1: recordings/web, web-2: simulated:clean}`.".into();
    hosts["minProperties"] = 1.into();
    hosts["propertyNames"] = pattern("^(?!-)[A-Za-z0-9._-]+$", "a name has letters, digits, `_`, `-` and `.`");
    hosts
}

fn now() -> Value {
    let mut now = written(&VarType::Time);
    now["description"] = "The clock, which stands still: `2026-11-14T02:41:04Z`.".into();
    now
}

fn approve() -> Value {
    let part = closed(
        &YES_KEYS,
        &[],
        json!({
            "exclude": {
                "description": "Actions that are left out: `KIND PATH`, or `KIND`.",
                "type": "array", "items": text(""),
            },
            "reason": text("Why they are."),
            "only": {"description": "The stage after which it ends.", "enum": PARTS},
        }),
    );
    json!({
        "description": "The yes: `all`, or what is left out; without it the case ends at the plan.",
        "type": ["string", "object"],
        "if": {"type": "string"}, "then": {"enum": ["all"]}, "else": part,
    })
}

fn drift() -> Value {
    let mut drift = closed(
        &DRIFT_KEYS,
        &[],
        json!({
            "host": text("On which host; left out, on each."),
            "write": text("A path that is written, with `content`."),
            "content": {"description": "What the path holds then; nothing where it is left out.", "type": "string"},
            "remove": text("A path that is removed."),
            "end": {"description": "The pid of a process that ends.", "type": "integer", "minimum": 0, "maximum": u32::MAX},
        }),
    );
    let one: Vec<Value> = DRIFTS.iter().map(|key| json!({"required": [key]})).collect();
    drift["oneOf"] = one.into();
    drift["dependencies"] = json!({"content": ["write"]});
    drift
}

/// What a world takes, and the host that it is meant for.
fn fault() -> Value {
    let mut fault = of_type::<Fault>();
    fault["properties"]["host"] = text("On which host; left out, on each.");
    let properties = fault["properties"].take();
    closed(&FAULT_KEYS, &["at", "then"], properties)
}

fn expect() -> Value {
    let statuses: Vec<String> = crate::status::Status::ALL.iter().map(ToString::to_string).collect();
    let counts = json!({"description": "How many acts of this kind the plan has.", "type": "integer", "minimum": 0});
    let counts: serde_json::Map<String, Value> = Act::KINDS
        .iter()
        .map(|kind| ((*kind).to_owned(), counts.clone()))
        .collect();
    closed(
        &EXPECT_KEYS,
        &[],
        json!({
            "verdict": by_host("What the hosts are; one word, or one by host.", json!(VERDICTS)),
            "status": by_host("How the hosts end; one word, or one by host.", json!(statuses)),
            "actions": {
                "description": "How many acts of a kind the plan has, over all hosts: `{kill: 2}`.",
                "type": "object", "additionalProperties": false, "properties": counts,
            },
            "findings": {"description": "Signals that some finding has.", "type": "array", "items": text("")},
            "untouched": described("Paths that no act is about, nor anything below them.", "paths"),
            "stopped": text("A part of the reason for which a `stop` ended the playbook on every host."),
            "refused": text("A part of the message with which something was refused."),
        }),
    )
}

/// One word for all hosts, or one for each.
fn by_host(about: &str, words: Value) -> Value {
    json!({
        "description": about,
        "type": ["string", "object"],
        "if": {"type": "object"},
        "then": {"additionalProperties": {"enum": words}},
        "else": {"enum": words},
    })
}
