//! The language as one JSON Schema, for editors: what can be said of a playbook without reading its expressions.
//!
//! Draft 7, since every editor has it. The modules' parts come from the schemas of their Rust types, a step's `use`
//! decides its `with`, a phase decides its `use`. Whatever `check` accepts, the schema accepts; it refuses less.

pub(crate) mod forms;
mod step;
mod value;

use serde_json::{Map, Value, json};

use self::forms::{PLAYBOOK, text};
use self::value::Definitions;
use super::Phase;
use super::parse::{LOOP_KEYS, PART_KEYS, PLAYBOOK_KEYS, REPEAT_KEYS, ROUNDS, VAR_KEYS};
use crate::module::Registry;
use crate::schema::{DRAFT, closed, described, map_of, name, pattern, reference};

/// The schema of a playbook that may use these modules, and of the files that such a one includes.
pub fn schema(registry: &Registry) -> Value {
    let mut definitions = Definitions::default();
    definitions.put("name", name());
    definitions.put("expression", forms::expression());
    definitions.put("condition", forms::condition());
    definitions.put("duration", forms::duration());
    definitions.put("variable", variable());
    step::define(&mut definitions, registry);
    for phase in Phase::ALL {
        definitions.put(&format!("phase-{phase}"), phase_of(phase));
    }
    definitions.put("playbook", playbook());
    definitions.put("part", part());
    json!({
        "$schema": DRAFT,
        "if": {"type": "object", "required": ["steps"], "not": {"required": ["playbook"]}},
        "then": reference("part"),
        "else": reference("playbook"),
        "definitions": definitions.into_map(),
    })
}

fn playbook() -> Value {
    let phases: Map<String, Value> = Phase::ALL
        .into_iter()
        .map(|phase| {
            let name = phase.to_string();
            let about = described(about_phase(phase), &format!("phase-{phase}"));
            (name, about)
        })
        .collect();
    let mut called = pattern(PLAYBOOK, "letters, digits, `-`, `_` and `.`, 64 at most: `linux-miner`");
    called["description"] = "The playbook's name, as plans and reports call it.".into();
    closed(
        &PLAYBOOK_KEYS,
        &["playbook", "version", "phases"],
        json!({
            "playbook": called,
            "version": {
                "description": "The playbook's own version, a whole number.",
                "type": "integer", "minimum": 1, "maximum": u32::MAX,
            },
            "vars": variables(),
            "phases": {
                "description": "What is done, in the order gather, decide, locate, backup, eradicate, verify.",
                "type": "object", "minProperties": 1, "additionalProperties": false, "properties": phases,
            },
        }),
    )
}

fn part() -> Value {
    closed(
        &PART_KEYS,
        &["steps"],
        json!({
            "help": text("What the steps are for."),
            "vars": variables(),
            "steps": {"type": "array", "items": reference("step")},
        }),
    )
}

fn variables() -> Value {
    let mut all = map_of(reference("variable"));
    all["description"] = "The variables that overlays, inventories and `--set` may give a value.".into();
    all["propertyNames"] = reference("name");
    all
}

fn variable() -> Value {
    let mut variable = closed(
        &VAR_KEYS,
        &["type"],
        json!({
            "type": forms::type_name(),
            "default": {"description": "Its value where nothing else sets it; nothing: it may be left unknown."},
            "help": text("What it is for; for the operator."),
        }),
    );
    variable["allOf"] = forms::defaults().into();
    variable
}

fn phase_of(phase: Phase) -> Value {
    let steps = json!({"type": "array", "items": reference(&format!("step-{phase}"))});
    let mut looped = closed(&LOOP_KEYS, &["steps"], json!({"repeat": repeat(), "steps": steps}));
    if phase != Phase::Eradicate {
        looped["properties"]["repeat"] = json!(false);
    }
    json!({
        "type": ["array", "object"],
        "allOf": [
            {"if": {"type": "array"}, "then": steps},
            {"if": {"type": "object"}, "then": looped},
        ],
    })
}

fn repeat() -> Value {
    let mut repeat = closed(
        &REPEAT_KEYS,
        &["until", "max_rounds", "refresh"],
        json!({
            "until": described("What ends it, asked after each round: `not steps.still.found`.", "condition"),
            "max_rounds": {
                "description": "Rounds at most, the first included.",
                "type": "integer", "minimum": ROUNDS.start(), "maximum": ROUNDS.end(),
            },
            "refresh": {
                "description": "The ids of the reading steps that each further round takes anew.",
                "type": "array", "items": text(""),
            },
        }),
    );
    repeat["description"] = "The controller's loop: look again, propose, strike again.".into();
    repeat
}

fn about_phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Gather => "What is there. Only reads.",
        Phase::Decide => "Is it a miner? Only reads and judges.",
        Phase::Locate => "What belongs to it? Only reads and judges.",
        Phase::Backup => "What must be kept? Proposes to keep evidence.",
        Phase::Eradicate => "What must go? Proposes; nothing is done without an approval.",
        Phase::Verify => "Is it gone, and does it stay gone? Only reads.",
    }
}
