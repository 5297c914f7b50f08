//! Between JSON and minijinja's values, without losing a number or letting an undefined value through.

use indexmap::IndexMap;
use minijinja::Value as Mini;
use minijinja::value::ValueKind;
use serde_json::{Map, Number, Value};

/// The deepest value that is handed on.
const DEPTH: usize = 64;
/// What a computed value may weigh at most: bytes of text, and 16 for each value.
const WEIGHT: usize = 64 << 20;

/// A value of minijinja.
pub(super) fn from_json(value: &Value) -> Mini {
    match value {
        Value::Null => Mini::from(()),
        Value::Bool(b) => Mini::from(*b),
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(n), _) => Mini::from(n),
            (None, Some(n)) => Mini::from(n),
            (None, None) => Mini::from(n.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Mini::from(text.as_str()),
        Value::Array(items) => items.iter().map(from_json).collect(),
        Value::Object(fields) => map(fields.iter().map(|(name, value)| (name.as_str(), from_json(value)))),
    }
}

/// A map of minijinja, in the order given.
pub(super) fn map<'n>(fields: impl Iterator<Item = (&'n str, Mini)>) -> Mini {
    let fields: IndexMap<Mini, Mini> = fields.map(|(name, value)| (Mini::from(name), value)).collect();
    Mini::from_object(fields)
}

/// The JSON of a computed value.
///
/// # Errors
/// Where it has none: an undefined value inside, a key that is no text, more than [`WEIGHT`].
pub(super) fn to_json(value: &Mini) -> Result<Value, String> {
    let mut left = WEIGHT;
    convert(value, DEPTH, &mut left)
}

fn convert(value: &Mini, depth: usize, left: &mut usize) -> Result<Value, String> {
    let text_bytes = value.as_str().map_or(0, str::len);
    *left = left
        .checked_sub(16 + text_bytes)
        .ok_or_else(|| format!("the value grows larger than {} MiB", WEIGHT >> 20))?;
    if depth == 0 {
        return Err(format!("the value is more than {DEPTH} deep"));
    }
    match value.kind() {
        ValueKind::Undefined => Err("it holds an undefined value".to_owned()),
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(value.is_true())),
        ValueKind::Number => number(value),
        ValueKind::String => Ok(Value::from(value.as_str().unwrap_or_default())),
        ValueKind::Seq | ValueKind::Iterable => value
            .try_iter()
            .map_err(|error| error.to_string())?
            .map(|item| convert(&item, depth - 1, left))
            .collect(),
        ValueKind::Map => {
            let mut fields = Map::new();
            for key in value.try_iter().map_err(|error| error.to_string())? {
                let name = key.as_str().ok_or("a key of it is no text")?.to_owned();
                let inner = value.get_item(&key).map_err(|error| error.to_string())?;
                let inner = convert(&inner, depth - 1, left)?;
                fields.insert(name, inner);
            }
            Ok(Value::Object(fields))
        }
        other => Err(format!("{other} is no value of a playbook")),
    }
}

fn number(value: &Mini) -> Result<Value, String> {
    if value.is_integer() {
        if let Ok(n) = i64::try_from(value.clone()) {
            return Ok(Value::from(n));
        }
        return u64::try_from(value.clone())
            .map(Value::from)
            .map_err(|_| "the number is beyond 64 bits".to_owned());
    }
    f64::try_from(value.clone())
        .ok()
        .and_then(Number::from_f64)
        .map(Value::Number)
        .ok_or_else(|| "the number is not finite".to_owned())
}
