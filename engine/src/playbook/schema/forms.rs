//! The written forms of the language as patterns: never stricter than what reads them.

use serde_json::{Value, json};

use super::super::VarType;
use super::super::parse::EXPRESSION_BYTES;
use super::super::value::PLAIN;
use crate::schema::{self, pattern};

/// A playbook's name.
pub(crate) const PLAYBOOK: &str = r"^(?!\.)[\p{Alphabetic}\p{N}_.-]{1,64}$";
/// A text that has an expression in it.
pub(super) const TEMPLATE: &str = r"\{\{";
/// A text that is one expression, and keeps its kind.
pub(super) const ONE: &str = r"^\s*\{\{[\s\S]*\}\}\s*$";
/// A path below the file that names it.
pub(super) const BELOW: &str = r"^(?!/)(?!\.\.?(/|$))(?![\s\S]*(/\.\.?(/|$)|//|/$|\\|\{\{))[\s\S]+$";
/// A text that does not begin with braces.
const BARE: &str = r"^(?!\s*\{\{)[\s\S]*\S";
/// The deepest type: `list<list<list<list<string>>>>`.
const DEPTH: usize = 4;

/// Text with something in it, no longer than an expression; `about` may be empty.
pub(super) fn text(about: &str) -> Value {
    let mut text = schema::text(about);
    text["maxLength"] = EXPRESSION_BYTES.into();
    text
}

/// A bare expression of any kind.
pub(super) fn expression() -> Value {
    let mut expression = condition();
    expression["type"] = json!(["string", "boolean", "number"]);
    expression
}

/// A bare expression that can be a condition.
pub(super) fn condition() -> Value {
    json!({
        "type": ["string", "boolean"], "pattern": BARE, "maxLength": EXPRESSION_BYTES,
        "patternErrorMessage": "it is an expression already and takes no braces",
    })
}

/// `10m`, for keys of the language.
pub(super) fn duration() -> Value {
    written(&VarType::Duration)
}

/// The texts that a type takes, where it is written as text.
pub(crate) fn written(kind: &VarType) -> Value {
    let (form, otherwise) = match kind {
        VarType::Duration => (
            "^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
            "write a duration with its unit: `500ms`, `10m`, `1h30m`",
        ),
        VarType::Size => (
            "^[0-9]+(B|KiB|MiB|GiB|TiB)$",
            "write a size with its unit: `512B`, `64KiB`, `10MiB`, `2GiB`",
        ),
        VarType::Percent => (
            r"^[0-9]+(\.[0-9]{1,2})?%$",
            "write a percentage with its sign: `70%`, `12.5%`",
        ),
        VarType::Path | VarType::Glob => (
            r"^/(?![\s\S]*/\.\.(/|$))(?!\.\.(/|$))",
            "write the whole path on the host, without `..`",
        ),
        VarType::Cidr => (
            "^[0-9A-Fa-f:.]+/[0-9]{1,3}$",
            "write a range of addresses: `198.51.100.0/24`",
        ),
        VarType::HostPort => (
            r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253}):[0-9]+$",
            "write `pool.example:3333` or `[2001:db8::1]:3333`",
        ),
        VarType::Sha256 => ("^[0-9A-Fa-f]{64}$", "a SHA-256 has 64 hexadecimal digits"),
        VarType::Time => (
            r"^[-+]?[0-9]{4}[\s\S]*[0-9Zz\]]$",
            "write a time as `2026-11-14T02:41:04Z`",
        ),
        _ => return json!({"type": "string"}),
    };
    pattern(form, otherwise)
}

/// The names of types.
pub(super) fn type_name() -> Value {
    let plain: Vec<&str> = PLAIN.iter().map(|(name, _)| *name).collect();
    json!({
        "description": "What it holds: `duration`, `\"list<string>\"`, `\"enum<low, high>\"`, ...",
        "anyOf": [
            {"type": "string", "enum": plain},
            pattern(&format!("^{}$", nested(DEPTH)), "a type is a name, or `list<..>`, `map<..>`, `enum<low, high>`"),
        ],
    })
}

/// The types that are so deep at most, as a pattern.
fn nested(depth: usize) -> String {
    let plain: Vec<&str> = PLAIN.iter().map(|(name, _)| *name).collect();
    let words = r"enum\s*<\s*[^,\s][^,]*(,\s*[^,\s][^,]*)*>";
    let flat = format!("{}|{words}", plain.join("|"));
    match depth {
        0 => format!(r"\s*({})\s*", plain.join("|")),
        _ => format!(r"\s*({flat}|(list|map)\s*<{}>)\s*", nested(depth - 1)),
    }
}

/// What `default` may be, a rule for each type.
pub(super) fn defaults() -> Vec<Value> {
    let is = |form: String| json!({"required": ["type"], "properties": {"type": {"type": "string", "pattern": form}}});
    let rule = |form: String, default: Value| json!({"if": is(form), "then": {"properties": {"default": default}}});
    let mut rules = vec![
        rule(r"^\s*((list|map)\s*<\s*)*secret[\s>]*$".to_owned(), json!(false)),
        rule(r"^\s*enum\s*<".to_owned(), json!({"type": ["string", "null"]})),
        rule(r"^\s*list\s*<".to_owned(), json!({"type": ["array", "null"]})),
        rule(r"^\s*map\s*<".to_owned(), json!({"type": ["object", "null"]})),
    ];
    for (name, kind) in PLAIN.iter().filter(|(_, kind)| *kind != VarType::Secret) {
        let one = value(kind);
        let or_unknown = json!({"if": {"type": "null"}, "else": one});
        rules.push(rule(format!(r"^\s*{name}\s*$"), or_unknown));
        rules.push(rule(format!(r"^\s*list\s*<\s*{name}\s*>\s*$"), json!({"items": one})));
        rules.push(rule(
            format!(r"^\s*map\s*<\s*{name}\s*>\s*$"),
            json!({"additionalProperties": one}),
        ));
    }
    rules
}

/// The values of a type that takes nothing in `< >`.
fn value(kind: &VarType) -> Value {
    match kind {
        VarType::Bool => json!({"type": "boolean"}),
        VarType::Int => json!({"type": "integer"}),
        VarType::Float => json!({"type": "number"}),
        text => written(text),
    }
}
