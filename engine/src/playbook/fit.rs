//! Whether what one step gives is what another takes, as far as both are known.

use serde_json::Value;

use super::kind::Kinds;
use super::shape::{Field, Shape};

/// How deep two shapes are held against each other; a shape may hold itself.
const DEPTH: usize = 6;

/// The first place at which a value can never be what is taken there, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit {
    /// Fields and `[]`, from the value down; empty for the value itself.
    path: String,
    why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    Kind { is: Kinds, takes: Kinds },
    Words,
    Missing,
    NotTaken,
}

impl Unfit {
    /// The sentence, behind the place of the parameter.
    pub(super) fn message(&self, place: &str) -> String {
        let path = self.path.trim_start_matches('.');
        match (path, &self.why) {
            ("", Why::Kind { is, takes }) => format!("{place} takes {takes}, this is {is}"),
            ("", _) => format!("{place} is never one of the words that it takes"),
            (path, Why::Kind { is, takes }) => {
                format!("{place} takes something else: `{path}` is {is}, and {takes} is taken")
            }
            (path, Why::Words) => format!("{place} takes something else: `{path}` is never one of its words"),
            (path, Why::Missing) => format!("{place} takes something else: `{path}` is needed, and is not there"),
            (path, Why::NotTaken) => format!("{place} takes something else: `{path}` is not taken"),
        }
    }
}

/// Where a value of the shape `given` can never be one of `taken`; `None` where it may be.
pub(super) fn unfit(given: &Shape, taken: &Shape) -> Option<Unfit> {
    at("", given, taken, DEPTH)
}

fn at(path: &str, given: &Shape, taken: &Shape, left: usize) -> Option<Unfit> {
    let unfit = |path: String, why: Why| Some(Unfit { path, why });
    let (is, takes) = (given.kinds().without(Kinds::NULL), taken.kinds().without(Kinds::NULL));
    if is != Kinds::NONE && !is.meets(taken.kinds()) {
        return unfit(path.to_owned(), Why::Kind { is, takes });
    }
    if left == 0 {
        return None;
    }
    if let (Some(said), Some(known)) = (given.words(), taken.words())
        && !said.iter().any(|word| known.contains(word))
    {
        return unfit(path.to_owned(), Why::Words);
    }
    if is == Kinds::LIST && takes == Kinds::LIST {
        return at(&format!("{path}[]"), &given.item(), &taken.item(), left - 1);
    }
    let form = (is == Kinds::MAP && takes == Kinds::MAP)
        .then(|| only_map(taken))
        .flatten()?;
    let properties = form.get("properties")?.as_object()?;
    let below = |name: &str| format!("{path}.{name}");
    for name in properties.keys() {
        let Field::Is(inner) = taken.field(name) else { continue };
        match given.field(name) {
            Field::Is(shape) => {
                if let Some(found) = at(&below(name), &shape, &inner, left - 1) {
                    return Some(found);
                }
            }
            Field::Missing(_) if is_required(&form, name) => {
                return unfit(below(name), Why::Missing);
            }
            Field::Missing(_) | Field::NoMap(_) => {}
        }
    }
    if form.get("additionalProperties") == Some(&Value::Bool(false)) {
        let more = always(given).into_iter().find(|name| !properties.contains_key(name));
        if let Some(name) = more {
            return unfit(below(&name), Why::NotTaken);
        }
    }
    None
}

/// The one form of a map that a shape has.
fn only_map(shape: &Shape) -> Option<Value> {
    let mut maps = shape.alternatives()?;
    maps.retain(|node| node.get("type").and_then(Value::as_str) != Some("null"));
    match maps.len() {
        1 => maps.pop(),
        _ => None,
    }
}

fn is_required(form: &Value, name: &str) -> bool {
    let names = form.get("required").and_then(Value::as_array);
    names.is_some_and(|names| names.iter().any(|required| required == name))
}

/// The fields that a value of this shape always has.
fn always(shape: &Shape) -> Vec<String> {
    match shape {
        Shape::Record(fields) => fields.keys().cloned().collect(),
        other => {
            let required = only_map(other).and_then(|form| form.get("required")?.as_array().cloned());
            let names = required.unwrap_or_default();
            names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn list_of(row: Value) -> Shape {
        Shape::of_schema(json!({"type": "array", "items": row}))
    }

    #[test]
    fn what_can_never_fit_is_told_with_its_place() {
        let taken = list_of(json!({
            "type": "object",
            "properties": {"pid": {"type": "integer"}, "exe": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
            "required": ["pid"],
            "additionalProperties": false,
        }));
        let row = |fields: Value, required: Value| {
            list_of(json!({"type": "object", "properties": fields, "required": required}))
        };
        let number = json!({"type": "integer"});
        let table = [
            ("the same", row(json!({"pid": number}), json!(["pid"])), None),
            ("nothing is known", Shape::Any, None),
            (
                "a field that may be there",
                row(json!({"pid": number, "name": number}), json!(["pid"])),
                None,
            ),
            ("no list", Shape::of_kind("integer"), Some("")),
            (
                "a field that is needed",
                row(json!({"exe": {"type": "string"}}), json!([])),
                Some("[].pid"),
            ),
            (
                "a field of another kind",
                row(json!({"pid": {"type": "string"}}), json!(["pid"])),
                Some("[].pid"),
            ),
            (
                "an optional one of another kind",
                row(json!({"pid": number, "exe": number}), json!([])),
                Some("[].exe"),
            ),
            (
                "a field that is not taken",
                row(json!({"pid": number, "name": number}), json!(["name"])),
                Some("[].name"),
            ),
        ];
        for (name, given, path) in table {
            let found = unfit(&given, &taken).map(|unfit| unfit.path);
            assert_eq!(found.as_deref(), path, "{name}");
        }
    }
}
