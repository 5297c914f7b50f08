//! The part of JSON Schema that an external module declares itself in, and whether a value fits it.
//!
//! A keyword that is not held is refused, so that nothing that a schema says is passed over.

use serde_json::Value;

use super::shown;

/// How deep a schema may be.
const DEPTH: usize = 32;

/// What only explains.
const NOTES: [&str; 4] = ["description", "title", "default", "$schema"];
const TYPES: [&str; 7] = ["object", "array", "string", "integer", "number", "boolean", "null"];

/// Whether all that it says is held.
///
/// # Errors
/// The first keyword that is not.
pub(super) fn hold(schema: &Value, path: &str) -> Result<(), String> {
    hold_at(schema, path, DEPTH)
}

fn hold_at(schema: &Value, path: &str, left: usize) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("`{path}` {why}"));
    if left == 0 {
        return wrong("is too deep");
    }
    let Some(fields) = schema.as_object() else {
        return wrong("is no schema: a map");
    };
    for (keyword, value) in fields {
        let below = |name: &str| format!("{path}.{name}");
        let fits = match keyword.as_str() {
            note if NOTES.contains(&note) => true,
            "type" => types(schema).is_some_and(|all| !all.is_empty() && all.iter().all(|name| TYPES.contains(name))),
            "properties" => match value.as_object() {
                None => false,
                Some(all) => {
                    for (name, schema) in all {
                        hold_at(schema, &below(&shown(name)), left - 1)?;
                    }
                    true
                }
            },
            "items" => {
                hold_at(value, &below("items"), left - 1)?;
                true
            }
            "additionalProperties" if value.is_boolean() => true,
            "additionalProperties" => {
                hold_at(value, &below("*"), left - 1)?;
                true
            }
            "required" => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            "enum" => value.as_array().is_some_and(|all| !all.is_empty()),
            "const" => true,
            "minimum" | "maximum" => value.is_number(),
            "minLength" | "maxLength" | "minItems" | "maxItems" => value.is_u64(),
            "pattern" => value.as_str().is_some_and(|text| regex::Regex::new(text).is_ok()),
            other => return wrong(&format!("has `{}`, which is not held here", shown(other))),
        };
        if !fits {
            return wrong(&format!("has a `{keyword}` of another form"));
        }
    }
    match fields.contains_key("type") || fields.contains_key("enum") || fields.contains_key("const") {
        true => Ok(()),
        false => wrong("says no `type`"),
    }
}

fn types(schema: &Value) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Value::String(name) => Some(vec![name]),
        Value::Array(names) => names.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Where a value does not fit, and why; `None` where it does.
pub(super) fn misfit(schema: &Value, value: &Value, path: &str) -> Option<String> {
    let wrong = |why: String| Some(format!("`{path}` {why}"));
    if let Some(types) = types(schema)
        && !types.iter().any(|name| is(value, name))
    {
        return wrong(format!("is {}, declared is {}", kind(value), types.join(" or ")));
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        return wrong("is none of the declared words".to_owned());
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return wrong("is another than the declared value".to_owned());
    }
    let count = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
    let outside = |n: usize, least: &str, most: &str| {
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        count(least).is_some_and(|least| n < least) || count(most).is_some_and(|most| n > most)
    };
    match value {
        Value::Number(number) => {
            let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
            let number = number.as_f64()?;
            let is_outside = bound("minimum").is_some_and(|least| number < least)
                || bound("maximum").is_some_and(|most| number > most);
            is_outside
                .then(|| wrong("lies outside of what is declared".to_owned()))
                .flatten()
        }
        Value::String(text) => {
            if outside(text.chars().count(), "minLength", "maxLength") {
                return wrong("is shorter or longer than declared".to_owned());
            }
            let pattern = schema.get("pattern").and_then(Value::as_str);
            match pattern.and_then(|pattern| regex::Regex::new(pattern).ok()) {
                Some(pattern) if !pattern.is_match(text) => wrong("does not have the declared form".to_owned()),
                _ => None,
            }
        }
        Value::Array(items) => {
            if outside(items.len(), "minItems", "maxItems") {
                return wrong("has fewer or more items than declared".to_owned());
            }
            let schema = schema.get("items")?;
            let mut items = items.iter().enumerate();
            items.find_map(|(at, item)| misfit(schema, item, &format!("{path}[{at}]")))
        }
        Value::Object(fields) => {
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            let mut required = required.filter_map(Value::as_str);
            if let Some(name) = required.find(|name| !fields.contains_key(*name)) {
                return wrong(format!("has no `{}`", shown(name)));
            }
            let known = schema.get("properties").and_then(Value::as_object);
            let more = schema.get("additionalProperties");
            fields.iter().find_map(|(name, value)| {
                let path = format!("{path}.{}", shown(name));
                match (known.and_then(|known| known.get(name)), more) {
                    (Some(schema), _) => misfit(schema, value, &path),
                    (None, Some(Value::Bool(false))) => Some(format!("`{path}` is not declared")),
                    (None, Some(schema @ Value::Object(_))) => misfit(schema, value, &path),
                    (None, _) => None,
                }
            })
        }
        Value::Null | Value::Bool(_) => None,
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
