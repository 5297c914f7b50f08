//! Values of Ansible: what of them is known, and what needs Ansible.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::literal::literal;
use crate::inventory::draft::Said;
use crate::inventory::given::{Content, Origin};
use crate::inventory::sheet::Sheet;
use crate::playbook::node::{Kind, Node};

/// How text of the vault begins (docs.ansible.com, "Format of files encrypted with Ansible Vault").
pub(in crate::inventory) const VAULT: &str = "$ANSIBLE_VAULT;";
/// The key under which a vault's text stands in JSON.
const VAULT_KEY: &str = "__ansible_vault";

/// A value of a YAML file with its place.
pub(super) fn of_node(sheet: &Sheet, key: &Node, node: &Node) -> Said {
    Said {
        content: content(json(node)),
        raw: None,
        origin: sheet.origin(key.span),
    }
}

/// A value of an INI file.
pub(super) fn of_text(text: &str, origin: Origin) -> Said {
    Said {
        content: content(literal(text)),
        raw: Some(Arc::from(text)),
        origin,
    }
}

/// A value of a program.
pub(super) fn of_json(value: &Value, origin: &Origin) -> Said {
    Said {
        content: content(value.clone()),
        raw: None,
        origin: origin.clone(),
    }
}

/// What of a value is known.
pub(super) fn content(value: Value) -> Content {
    match (is_sealed(&value), is_template(&value)) {
        (true, _) => Content::Sealed,
        (false, true) => Content::Template(value),
        (false, false) => Content::Value(value),
    }
}

fn is_sealed(value: &Value) -> bool {
    match value {
        Value::String(text) => text.trim_start().starts_with(VAULT),
        Value::Array(items) => items.iter().any(is_sealed),
        Value::Object(fields) => fields.contains_key(VAULT_KEY) || fields.values().any(is_sealed),
        _ => false,
    }
}

fn is_template(value: &Value) -> bool {
    match value {
        Value::String(text) => ["{{", "{%", "{#"].iter().any(|sign| text.contains(sign)),
        Value::Array(items) => items.iter().any(is_template),
        Value::Object(fields) => fields.values().any(is_template),
        _ => false,
    }
}

/// As JSON; a key that is a number or a boolean is its text.
fn json(node: &Node) -> Value {
    match &node.kind {
        Kind::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Kind::List(items) => items.iter().map(json).collect(),
        Kind::Map(pairs) => {
            let mut fields = Map::new();
            for (key, value) in pairs {
                let name = match &key.kind {
                    Kind::Text(name) => name.clone(),
                    _ => key.json().to_string(),
                };
                fields.insert(name, json(value));
            }
            Value::Object(fields)
        }
        _ => node.json(),
    }
}
