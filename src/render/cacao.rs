//! A playbook as OASIS CACAO Security Playbooks 2.0 (Committee Specification 01), for tools that keep or show such.
//!
//! What a step does is a `manual` command in words, since no other tool can do it; the step itself, and the whole playbook,
//! stand in an extension. The same playbook always gives the same document.

use deminer_engine::playbook::{Body, Phase, Playbook, Step, Var, VarType};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::uuid::uuid5;

/// The name space of all ids: a UUID of its own.
const SPACE: [u8; 16] = [
    0x8d, 0x1b, 0x7c, 0x8e, 0x5b, 0x0a, 0x4f, 0x6e, 0x9a, 0x51, 0x0c, 0x6f, 0x2c, 0x1d, 0x7e, 0x43,
];

/// When every playbook counts as created: a playbook knows no time, and the form wants one.
const CREATED: &str = "2026-01-01T00:00:00Z";

/// What the extension is, in words.
const SCHEMA: &str = "In `playbook_extensions`: `yaml`, the text of a playbook of Deminer. In `step_extensions`: `phase`, and \
                      `yaml`, the text of one of its steps.";

/// The document.
pub(crate) fn document(playbook: &Playbook) -> Value {
    Writer::new(playbook).document()
}

/// The text of the playbook that a document of ours was made from; `None` of another's.
pub(crate) fn origin(document: &Value) -> Option<&str> {
    let extensions = document.get("playbook_extensions")?.as_object()?;
    extensions
        .get(&id("extension-definition", "playbook"))?
        .get("yaml")?
        .as_str()
}

fn id(kind: &str, name: &str) -> String {
    format!("{kind}--{}", uuid5(&SPACE, &format!("{kind} {name}")))
}

struct Writer<'p> {
    playbook: &'p Playbook,
    workflow: Map<String, Value>,
    variables: Map<String, Value>,
    activities: Vec<&'static str>,
    has: Has,
}

/// What the summary of a playbook names.
#[derive(Default)]
struct Has {
    includes: bool,
    conditions: bool,
    repeats: bool,
    times: bool,
}

impl<'p> Writer<'p> {
    fn new(playbook: &'p Playbook) -> Writer<'p> {
        Writer {
            playbook,
            workflow: Map::new(),
            variables: Map::new(),
            activities: Vec::new(),
            has: Has::default(),
        }
    }

    fn id(&self, kind: &str, name: &str) -> String {
        id(kind, &format!("{} {name}", self.playbook.name.value))
    }

    fn document(mut self) -> Value {
        let name = &self.playbook.name.value;
        let host = json!({"type": "string", "description": "The host that is looked at.", "external": true});
        self.variables.insert("__host__".to_owned(), host);
        for (name, var) in &self.playbook.vars {
            self.variables.insert(format!("__{name}__"), variable(var));
        }
        let end = self.id("end", "");
        self.workflow.insert(end.clone(), json!({"type": "end"}));
        let mut next = end.clone();
        // From the last step to the first: each names the one behind it.
        for phase in Phase::ALL.into_iter().rev() {
            next = self.phase(phase, next, &end);
        }
        let start = self.id("start", "");
        self.workflow
            .insert(start.clone(), json!({"type": "start", "on_completion": next}));
        let extension = id("extension-definition", "playbook");
        let identity = id("identity", "deminer");
        let created: Timestamp = CREATED.parse().expect("the constant is a time");
        let version = i64::try_from(self.playbook.version.value)
            .unwrap_or(i64::MAX)
            .min(1_000_000_000);
        let modified = created
            .checked_add(SignedDuration::from_secs(version))
            .unwrap_or(created);
        let time = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
        let mut types = Vec::new();
        for (kind, activity) in [
            ("investigation", "identify-indicators"),
            ("mitigation", "eliminate-risk"),
        ] {
            if self.activities.contains(&activity) {
                types.push(kind);
            }
        }
        self.activities.sort_unstable();
        let mut workflow: Vec<(String, Value)> = self.workflow.into_iter().collect();
        workflow.reverse();
        let workflow: Map<String, Value> = workflow.into_iter().collect();
        let mut document = json!({
            "type": "playbook",
            "spec_version": "cacao-2.0",
            "id": id("playbook", name),
            "name": name,
            "description": format!("Playbook `{name}`, version {}, for Deminer: against crypto-miners on Linux hosts.", self.playbook.version.value),
            "playbook_types": types,
            "playbook_activities": self.activities,
            "playbook_processing_summary": {
                "manual_playbook": true,
                "external_playbooks": self.has.includes,
                "if_logic": self.has.conditions,
                "while_logic": self.has.repeats,
                "temporal_logic": self.has.times,
                "extensions": true,
            },
            "created_by": identity,
            "created": time(created),
            "modified": time(modified),
            "labels": ["deminer", "crypto-miner"],
            "playbook_variables": self.variables,
            "workflow_start": start,
            "workflow": workflow,
            "playbook_extensions": {&extension: {"yaml": &*self.playbook.text}},
            "agent_definitions": {
                id("individual", "responder"): {"type": "individual", "name": "who runs Deminer"},
            },
            "target_definitions": {
                id("linux", "host"): {"type": "linux", "name": "the host", "address": {"dname": ["__host__:value"]}},
            },
            "extension_definitions": {
                &extension: {
                    "type": "extension-definition",
                    "name": "a playbook of Deminer",
                    "description": "What Deminer needs to carry it out.",
                    "created_by": identity,
                    "schema": SCHEMA,
                    "version": "1.0.0",
                },
            },
        });
        // A list is never empty.
        if let Some(fields) = document.as_object_mut() {
            fields.retain(|_, value| value.as_array().is_none_or(|items| !items.is_empty()));
        }
        document
    }

    /// The steps of a phase before `next`; gives the first.
    fn phase(&mut self, phase: Phase, next: String, end: &str) -> String {
        let Some(steps) = self.playbook.phases.get(&phase).filter(|steps| !steps.steps.is_empty()) else {
            return next;
        };
        let Some(repeat) = &steps.repeat else {
            return self.row(phase, &steps.steps, next, end);
        };
        self.has.repeats = true;
        let closes = self.closes("repeat");
        let first = self.row(phase, &steps.steps, closes, end);
        let text = &repeat.until.value;
        let condition = self.condition(
            "repeat",
            &format!("not ({text}), for {} rounds at most", repeat.max_rounds.value),
        );
        let key = self.id("while-condition", "repeat");
        let step = json!({"type": "while-condition", "name": "until nothing is left", "condition": condition, "on_true": first,
            "on_completion": next});
        self.workflow.insert(key.clone(), step);
        key
    }

    fn row(&mut self, phase: Phase, steps: &[Step], mut next: String, end: &str) -> String {
        for (at, step) in steps.iter().enumerate().rev() {
            let name = match &step.id {
                Some(id) => id.value.clone(),
                None => format!("{phase}_{}", at + 1),
            };
            next = self.step(phase, &name, step, next, end);
        }
        next
    }

    fn step(&mut self, phase: Phase, name: &str, step: &Step, next: String, end: &str) -> String {
        // What ends the playbook goes to its end, whatever stands around it.
        let behind = match (&step.body, &step.when) {
            (Body::Stop { .. }, _) => end.to_owned(),
            (_, Some(_)) => self.closes(name),
            (_, None) => next.clone(),
        };
        let does = self.does(phase, name, step, behind);
        let Some(when) = &step.when else { return does };
        self.has.conditions = true;
        let condition = self.condition(name, &when.value);
        let key = self.id("if-condition", name);
        let step = json!({"type": "if-condition", "name": format!("whether {name}"), "condition": condition, "on_true": does,
            "on_completion": next});
        self.workflow.insert(key.clone(), step);
        key
    }

    /// The end of a branch.
    fn closes(&mut self, name: &str) -> String {
        let key = self.id("end", &format!("of {name}"));
        self.workflow.insert(key.clone(), json!({"type": "end"}));
        key
    }

    /// A condition: whoever carries the workflow out says whether our expression holds.
    fn condition(&mut self, name: &str, expression: &str) -> String {
        let variable = format!("__holds_{name}__");
        let told = json!({"type": "bool", "description": expression, "value": null});
        self.variables.insert(variable.clone(), told);
        format!("{variable}:value = 'true'")
    }

    fn does(&mut self, phase: Phase, name: &str, step: &Step, behind: String) -> String {
        let yaml = self
            .playbook
            .text
            .get(step.span.start..step.span.end)
            .unwrap_or_default();
        let words = words(step);
        let mut told = json!({
            "type": "action",
            "name": name,
            "description": step.name.clone().unwrap_or_else(|| format!("Phase {phase}: {words}.")),
            "on_completion": behind,
        });
        let extension = json!({id("extension-definition", "playbook"): {"phase": phase.to_string(), "yaml": yaml}});
        if let Body::Include { file, .. } = &step.body {
            self.has.includes = true;
            told["type"] = Value::from("playbook-action");
            told["playbook_id"] = Value::from(id("playbook", &format!("part {}", file.value)));
            told["step_extensions"] = extension;
            let key = self.id("playbook-action", name);
            self.workflow.insert(key.clone(), told);
            return key;
        }
        let activity = activity(phase);
        if !self.activities.contains(&activity) {
            self.activities.push(activity);
        }
        if let Some(timeout) = step.timeout {
            self.has.times = true;
            told["timeout"] = Value::from(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        }
        told["commands"] =
            json!([{"type": "manual", "command": format!("With Deminer, {words}."), "playbook_activity": activity}]);
        told["agent"] = Value::from(id("individual", "responder"));
        told["targets"] = json!([id("linux", "host")]);
        told["step_extensions"] = extension;
        let key = self.id("action", name);
        self.workflow.insert(key.clone(), told);
        key
    }
}

fn words(step: &Step) -> String {
    match &step.body {
        Body::Use { module, .. } => format!("run `{}`", module.value),
        Body::Let(_) => "compute values from what was found".to_owned(),
        Body::Stop { reason, .. } => format!("end here: {}", reason.value),
        Body::Assert(holds) => format!("make sure that `{}` holds", holds.value),
        Body::Include { file, .. } => format!("take the steps of `{}`", file.value),
        Body::Unread => String::new(),
    }
}

/// The word of `playbook-activity-type-ov` that is nearest.
fn activity(phase: Phase) -> &'static str {
    match phase {
        Phase::Gather | Phase::Verify => "scan-system",
        Phase::Decide | Phase::Locate => "identify-indicators",
        Phase::Backup => "analyze-collected-data",
        Phase::Eradicate => "eliminate-risk",
    }
}

/// As `variable`, its type of `variable-type-ov`.
fn variable(var: &Var) -> Value {
    let kind = match &var.kind.value {
        VarType::Bool => "bool",
        VarType::Int => "integer",
        VarType::Float => "float",
        VarType::Sha256 => "sha256-hash",
        VarType::Map(_) => "dictionary",
        _ => "string",
    };
    let mut told = json!({"type": kind, "external": true});
    if !var.help.is_empty() {
        told["description"] = Value::from(var.help.as_str());
    }
    match &var.default {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => told["value"] = Value::from(text.as_str()),
        Some(other) => told["value"] = Value::from(other.to_string()),
    }
    told
}

/// What a playbook hands over at most, and how long each may be.
const PROCEDURES: usize = 16;
const PROCEDURE_CHARS: usize = 200;

/// A document of others, as far as a playbook can say it.
pub(crate) struct Foreign {
    /// The playbook: it does nothing itself, and hands the commands over to people.
    pub(crate) playbook: String,
    /// What of the document is not in it.
    pub(crate) lost: Vec<String>,
}

/// The commands of a document, in the order of its workflow, for people; all else is named as lost.
pub(crate) fn foreign(document: &Value) -> Foreign {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lost = Vec::new();
    let mut orders = Vec::new();
    let none = Map::new();
    let workflow = document["workflow"].as_object().unwrap_or(&none);
    let mut behind: Vec<String> = vec![text(&document["workflow_start"])];
    let mut seen: Vec<String> = Vec::new();
    while let Some(key) = behind.pop() {
        if key.is_empty() || seen.contains(&key) {
            continue;
        }
        seen.push(key.clone());
        let Some(step) = workflow.get(&key) else {
            lost.push(format!("step {key}, which is not there"));
            continue;
        };
        let name = match step["name"].as_str() {
            Some(name) => name.to_owned(),
            None => key.clone(),
        };
        for command in step["commands"].as_array().into_iter().flatten() {
            let said = match (command["command"].as_str(), command["command_b64"].as_str()) {
                (Some(said), _) => said.to_owned(),
                (None, Some(coded)) => format!("in Base64: {coded}"),
                (None, None) => String::new(),
            };
            orders.push(format!("{name} ({}): {said}", text(&command["type"])));
        }
        let kind = text(&step["type"]);
        if !["start", "end", "action"].contains(&kind.as_str()) {
            lost.push(format!(
                "what decides in step `{name}`: {kind} {}",
                text(&step["condition"])
            ));
        }
        for field in [
            "agent",
            "targets",
            "timeout",
            "delay",
            "step_variables",
            "in_args",
            "out_args",
            "on_failure",
        ] {
            if step.get(field).is_some() {
                lost.push(format!("`{field}` of step `{name}`"));
            }
        }
        let lists = [&step["next_steps"], &step["cases"]];
        let several = lists.iter().flat_map(|list| match list {
            Value::Array(items) => items.iter().map(text).collect::<Vec<_>>(),
            Value::Object(fields) => fields.values().map(text).collect(),
            _ => Vec::new(),
        });
        let several: Vec<String> = several.collect();
        let one = ["on_true", "on_false", "on_success", "on_completion", "on_failure"].map(|field| text(&step[field]));
        // The last that is pushed is the next that is read.
        behind.extend(several.into_iter().chain(one).rev());
    }
    for key in workflow.keys().filter(|key| !seen.contains(key)) {
        lost.push(format!("step {key}, to which nothing leads"));
    }
    let kept = ["type", "spec_version", "id", "name", "workflow", "workflow_start"];
    let fields = document.as_object().unwrap_or(&none).keys();
    lost.extend(
        fields
            .filter(|field| !kept.contains(&field.as_str()))
            .map(|field| format!("`{field}`")),
    );
    let name: String = text(&document["name"])
        .chars()
        .map(|c| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_lowercase(),
            false => '-',
        })
        .collect();
    let name = match name.trim_matches('-') {
        "" => "imported",
        name => name,
    };
    let mut playbook = format!(
        "playbook: {name}\nversion: 1\n\nphases:\n  gather:\n    - stop: this procedure is for people; Deminer does none of it\n"
    );
    // What a playbook can hand over is bounded, and is no template.
    let mut held = Vec::new();
    for order in orders {
        let why = if order.contains("{{") {
            "a command with `{{`, which a playbook would take for its own"
        } else if order.chars().count() > PROCEDURE_CHARS {
            "a command longer than a playbook hands over"
        } else if held.len() == PROCEDURES {
            "a command beyond those that a playbook hands over"
        } else {
            held.push(order);
            continue;
        };
        lost.push(format!("{why}: {order}"));
    }
    if !held.is_empty() {
        playbook.push_str("      hand_over:\n");
        for order in held {
            // A text of JSON is one of YAML.
            playbook.push_str(&format!("        - {}\n", Value::from(order)));
        }
    }
    Foreign { playbook, lost }
}
