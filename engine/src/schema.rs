//! What the JSON Schemas for editors share: those of a playbook, an environment and a file of tests.
//!
//! Draft 7, since every editor has it. `patternErrorMessage` and `enumDescriptions` are what editors with the YAML language
//! server say of a text and show beside a word; other readers pass them over.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

pub(crate) const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// A text with something in it.
const SAID: &str = r"\S";

/// A reference to a definition.
pub(crate) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/definitions/{name}")})
}

/// A reference with a word of its own: beside `$ref` draft 7 reads nothing.
pub(crate) fn described(about: &str, name: &str) -> Value {
    json!({"description": about, "allOf": [reference(name)]})
}

/// A map that has these keys and no others; `keys` is the reader's own list.
pub(crate) fn closed(keys: &[&str], required: &[&str], properties: Value) -> Value {
    let named = properties.as_object().map(Map::len).unwrap_or_default();
    debug_assert_eq!(named, keys.len(), "every key of the reader is described: {keys:?}");
    debug_assert!(keys.iter().all(|key| properties.get(key).is_some()), "{keys:?}");
    json!({
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}

/// The same, or nothing in its place.
pub(crate) fn or_nothing(mut map: Value) -> Value {
    map["type"] = json!(["object", "null"]);
    map
}

/// Text with something in it; `about` may be empty.
pub(crate) fn text(about: &str) -> Value {
    let mut text = pattern(SAID, "there is nothing where something must be");
    if !about.is_empty() {
        text["description"] = about.into();
    }
    text
}

/// Text of a form, and what an editor says of text that does not have it.
pub(crate) fn pattern(pattern: &str, otherwise: &str) -> Value {
    json!({"type": "string", "pattern": pattern, "patternErrorMessage": otherwise})
}

/// A name that references can use.
pub(crate) fn name() -> Value {
    pattern(
        "^[A-Za-z_][A-Za-z0-9_]{0,63}$",
        "a name has letters, digits and `_`, and does not begin with a digit",
    )
}

/// A map of such values.
pub(crate) fn map_of(value: Value) -> Value {
    json!({"type": "object", "additionalProperties": value})
}

/// The schema of a Rust type that is read as it is written, without what is said of the whole of it.
pub(crate) fn of_type<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema: Value = settings.into_generator().into_root_schema_for::<T>().into();
    for key in ["title", "description"] {
        if let Some(fields) = schema.as_object_mut() {
            fields.remove(key);
        }
    }
    for_editors(&mut schema);
    schema
}

/// Names in a description without what leads to them in the source: `act` for a link to `crate::platform::Platform::act`.
fn without_links(text: &str) -> String {
    let mut parts = text.split("[`");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once("`]") {
            Some((path, rest)) => {
                let name = path.rsplit("::").next().unwrap_or(path);
                out.push_str(&format!("`{name}`{rest}"));
            }
            None => out.push_str(part),
        }
    }
    out
}

/// Says of every whole number what its bits can hold, and leaves links out of descriptions.
fn for_editors(node: &mut Value) {
    let bounds = bounds(node);
    match node {
        Value::Object(fields) => {
            for (key, bound) in bounds {
                fields.entry(key).or_insert(bound);
            }
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = without_links(text);
            }
            fields.values_mut().for_each(for_editors);
        }
        Value::Array(items) => items.iter_mut().for_each(for_editors),
        _ => {}
    }
}

/// What a whole number of so many bits can hold.
pub(crate) fn bounds(node: &Value) -> Vec<(&'static str, Value)> {
    match node.get("format").and_then(Value::as_str) {
        Some("uint8") => vec![("minimum", json!(0)), ("maximum", json!(u8::MAX))],
        Some("uint16") => vec![("minimum", json!(0)), ("maximum", json!(u16::MAX))],
        Some("uint32") => vec![("minimum", json!(0)), ("maximum", json!(u32::MAX))],
        Some("int32") => vec![("minimum", json!(i32::MIN)), ("maximum", json!(i32::MAX))],
        _ => Vec::new(),
    }
}
