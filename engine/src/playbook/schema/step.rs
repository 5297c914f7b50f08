//! Steps: which keys go together, which modules a phase has, what each takes.

use serde_json::{Map, Value, json};

use super::super::Phase;
use super::super::check::ceiling;
use super::super::parse::conduct::{ON_ERROR, PROCEDURE_CHARS, PROCEDURES, RETRIES};
use super::super::parse::{BODY_KEYS, STEP_KEYS, keys_beside};
use super::forms::{BELOW, text};
use super::value::Definitions;
use crate::module::{Module, Registry};
use crate::schema::{closed, described, map_of, pattern, reference};

/// Defines the steps of every phase, those of an included file, and the parameters of every module.
pub(super) fn define(definitions: &mut Definitions, registry: &Registry) {
    definitions.put("any-step", any());
    let modules: Vec<&Module> = registry.iter().collect();
    let mut uses = Vec::new();
    for module in &modules {
        let about = module.about();
        let with = definitions.parameters(module.erased().params_schema().as_value());
        let needs = with["required"].as_array().is_some_and(|names| !names.is_empty());
        let name = format!("with-{}", about.name);
        definitions.put(&name, with);
        // A pattern and no constant: editors would offer that in every phase.
        let only = format!("^{}$", about.name.replace('.', r"\."));
        uses.push(json!({
            "if": {"required": ["use"], "properties": {"use": {"type": "string", "pattern": only}}},
            "then": module_rules(module, &name, needs),
        }));
    }
    definitions.put("module", json!({"allOf": uses}));
    step(definitions, "step", &modules, true);
    for phase in Phase::ALL {
        let may_stand = |module: &&Module| {
            let about = module.about();
            about.phases.contains(&phase) && about.effect <= ceiling(phase).0
        };
        let modules: Vec<&Module> = modules.iter().copied().filter(may_stand).collect();
        let replaces = !matches!(phase, Phase::Backup | Phase::Eradicate);
        step(definitions, &format!("step-{phase}"), &modules, replaces);
    }
}

/// A step that may use these modules, and what may run in its place.
fn step(definitions: &mut Definitions, name: &str, modules: &[&Module], replaces: bool) {
    let names: Vec<&str> = modules.iter().map(|module| module.about().name).collect();
    let lines: Vec<&str> = modules.iter().map(|module| module.about().summary).collect();
    let used = json!({"enum": names, "enumDescriptions": lines});
    let instead = format!("{name}-instead");
    let on_error = match replaces {
        true => json!({
            "if": {"type": "array"},
            "then": {"minItems": 1, "items": reference(&instead)},
            "else": {"enum": ON_ERROR},
        }),
        false => json!({"enum": ON_ERROR}),
    };
    let of = |on_error: Value, include: Value| {
        let mut properties = json!({"use": used, "on_error": on_error});
        if include == json!(false) {
            properties["include"] = include;
        }
        json!({
            "type": "object",
            "properties": properties,
            "allOf": [reference("any-step"), reference("module")],
        })
    };
    if replaces {
        definitions.put(&instead, of(json!({"enum": ON_ERROR}), json!(false)));
    }
    definitions.put(name, of(on_error, json!(true)));
}

/// What holds of a step that uses this module.
fn module_rules(module: &Module, with: &str, needs_with: bool) -> Value {
    let about = module.about();
    let mut rules = json!({
        "properties": {
            "use": {"description": format!("{} It {}s.", about.summary, about.effect)},
            "with": reference(with),
        },
    });
    let mut required = Vec::new();
    if needs_with {
        required.push("with");
    }
    let mut not = |key: &str| rules["properties"][key] = json!(false);
    match module {
        Module::Collector(_) => {}
        Module::Analyzer(_) => not("until"),
        Module::Responder(_) => {
            not("until");
            rules["properties"]["on_error"] = json!({"const": "fail"});
        }
        Module::Question(_) => {
            not("until");
            not("foreach");
            required.push("id");
        }
    }
    rules["required"] = json!(required);
    rules
}

/// What holds of every step.
fn any() -> Value {
    let mut any = closed(
        &STEP_KEYS,
        &[],
        json!({
            "id": described("Its name for references: `steps.ID`.", "name"),
            "name": text("A line for people; of an `assert` also its message."),
            "use": {"description": "The module that it runs.", "type": "string"},
            "with": {"description": "What the module, or the included file, is given."},
            "when": described("It runs only where this holds.", "condition"),
            "foreach": {
                "description": "It runs once for each item of this list; inside, `item` and `index` are known.",
                "allOf": [reference("condition"), {"type": "string"}],
            },
            "until": described("It looks again until this holds; reads the step's own result.", "condition"),
            "retries": {
                "description": "How often it looks again at most; 3 where it is left out.",
                "type": "integer", "minimum": RETRIES.start(), "maximum": RETRIES.end(),
            },
            "delay": described("Waited before each further look; 5s where it is left out.", "duration"),
            "timeout": described("The longest that it may take, at most 24h.", "duration"),
            "on_error": {"description": "Where it fails: `fail` ends the playbook on this host, `continue` goes on without it, steps run in its place."},
            "let": computed(),
            "stop": text("Ends the host's playbook; the reason, for people."),
            "hand_over": hand_over(),
            "assert": described("Ends the host's playbook with an error where it does not hold.", "condition"),
            "include": {
                "description": "The steps of this file stand here; relative to this one, below its folder.",
                "allOf": [pattern(BELOW, "a path below this file's folder: `parts/look.yml`")],
            },
        }),
    );
    let one: Vec<Value> = BODY_KEYS.iter().map(|key| json!({"required": [key]})).collect();
    let mut rules = vec![json!({"anyOf": one})];
    for (n, body) in BODY_KEYS.iter().enumerate() {
        let refused: Map<String, Value> = BODY_KEYS[n + 1..]
            .iter()
            .copied()
            .chain(keys_beside(body))
            .map(|key| (key.to_owned(), Value::Bool(false)))
            .collect();
        let mut then = json!({"properties": refused});
        match *body {
            "let" => then["required"] = json!(["id"]),
            "include" => then["properties"]["with"] = json!({"type": ["object", "null"]}),
            _ => {}
        }
        // Of two bodies the first decides, so that one mistake is told once.
        let before: Vec<Value> = BODY_KEYS[..n].iter().map(|key| json!({"required": [key]})).collect();
        let mut only = json!({"required": [body]});
        if !before.is_empty() {
            only["not"] = json!({ "anyOf": before });
        }
        rules.push(json!({"if": only, "then": then}));
    }
    rules.push(json!({"if": {"required": ["until"]}, "then": {"properties": {"foreach": false}}}));
    any["allOf"] = rules.into();
    any["dependencies"] = json!({"until": ["id"], "retries": ["until"], "delay": ["until"]});
    any
}

fn computed() -> Value {
    let mut values = map_of(reference("expression"));
    values["description"] = "Values by name, each an expression: `steps.ID.NAME`.".into();
    values["minProperties"] = 1.into();
    values["propertyNames"] = reference("name");
    values
}

fn hand_over() -> Value {
    let mut one = pattern(
        r"^(?![\s\S]*\{\{)[\s\S]*\S",
        "a procedure is plain text, without `{{ }}`",
    );
    one["maxLength"] = PROCEDURE_CHARS.into();
    json!({
        "description": "The procedures that the host is handed over to: `incident/web.md`.",
        "type": ["string", "array"],
        "allOf": [
            {"if": {"type": "array"}, "then": {"minItems": 1, "maxItems": PROCEDURES, "items": one}},
            {"if": {"type": "string"}, "then": one},
        ],
    })
}
