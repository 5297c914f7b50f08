//! An environment as a JSON Schema, for editors: what can be said of one without its playbook.
//!
//! Whatever [`Environment::read`](super::Environment::read) accepts, the schema accepts; it refuses less: which variables and
//! steps there are, and what a variable takes, only the playbook knows.

use serde_json::{Value, json};

use super::merge::{OF_LISTS, OF_MAPS};
use super::read::{GROUP_KEYS, REASON_CHARS, TOP_KEYS};
use crate::policy;
use crate::schema::{DRAFT, closed, described, map_of, name, of_type, or_nothing, pattern, reference, text};

/// The schema of an environment, of whatever playbook.
pub fn schema() -> Value {
    let mut whole = closed(
        &TOP_KEYS,
        &["environment"],
        json!({
            "environment": called(),
            "for": meant(),
            "vars": described("What stands in the place of the playbook's defaults, by variable.", "vars"),
            "groups": groups(),
            "disable": disabled(),
            "policy": described("What is bounded here; it narrows, and adds no power.", "policy"),
        }),
    );
    whole["$schema"] = DRAFT.into();
    whole["definitions"] = json!({
        "name": name(),
        "policy": or_nothing(of_type::<policy::Written>()),
        "value": value(),
        "vars": vars(),
    });
    whole
}

fn called() -> Value {
    let mut called = pattern(
        "^[A-Za-z0-9_]+([-.][A-Za-z0-9_]+)*$",
        "a name has letters, digits, `_`, `-` and `.`",
    );
    called["description"] = "The environment's name, as plans show it: that of its file, `prod` of `prod.yml`.".into();
    called
}

fn meant() -> Value {
    let mut meant = pattern(
        r"^\s*\S+(\s+(>=|<=|==|>|<|=)?\+?[0-9]+)*\s*$",
        "write a playbook and its versions: `linux-miner >=1 <3`",
    );
    meant["description"] =
        "The playbook, and which versions of it; left out, any that declares the variables: `linux-miner >=1 <3`."
            .into();
    meant
}

fn vars() -> Value {
    let mut vars = map_of(reference("value"));
    vars["propertyNames"] = reference("name");
    or_nothing(vars)
}

/// A value, or a merge: a map with a key that begins with `$`.
fn value() -> Value {
    let is_merge = json!({"type": "object", "not": {"propertyNames": {"pattern": r"^(?!\$)"}}});
    json!({
        "description": "A value; for a list or a map also what is changed of it: `{$append: [x]}`, `{$merge: {a: 1}}`; for a \
                        secret where it comes from: `{env: NAME}`.",
        "if": is_merge,
        "then": merge(),
    })
}

fn merge() -> Value {
    let about = |operator: &str| match operator {
        "$remove" => ("array", "Without these; each must be there."),
        "$prepend" => ("array", "With these before."),
        "$append" => ("array", "With these behind."),
        _ => ("object", "With these in the place of those of the same key."),
    };
    let operator = |operator: &str| {
        let (kind, about) = about(operator);
        json!({"type": kind, "description": about})
    };
    let of = |operators: &[&str]| {
        let properties = operators.iter().map(|name| ((*name).to_owned(), operator(name)));
        closed(operators, &[], Value::Object(properties.collect()))
    };
    // A map's own operator says what it is; all others are as well a list's.
    let of_maps = OF_MAPS.iter().filter(|name| !OF_LISTS.contains(name));
    let own: Vec<Value> = of_maps.map(|name| json!({"required": [name]})).collect();
    json!({"if": {"anyOf": own}, "then": of(&OF_MAPS), "else": of(&OF_LISTS)})
}

fn groups() -> Value {
    let vars = described(
        "For the hosts of this group, over what the inventory says of it.",
        "vars",
    );
    let group = or_nothing(closed(&GROUP_KEYS, &[], json!({"vars": vars})));
    let mut groups = or_nothing(map_of(group));
    groups["description"] = "What is other for the hosts of a group of the inventory, by group.".into();
    groups
}

fn disabled() -> Value {
    let mut why = text("Why the step is left out; it stands in the plan.");
    why["maxLength"] = REASON_CHARS.into();
    let mut disabled = or_nothing(map_of(why));
    disabled["description"] = "Steps that are left out, each with why: `delete: builders are reimaged`.".into();
    disabled["propertyNames"] = reference("name");
    disabled
}
