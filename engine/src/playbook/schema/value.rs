//! Parameters: the schema of a Rust type, in which an expression may stand in the place of every value.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::VarType;
use super::super::kind::Kinds;
use super::super::shape::Shape;
use super::forms::{BELOW, ONE, TEMPLATE, written};
use crate::module::{PLAYBOOK_TEXT_FORMAT, RESOURCE_FORMAT};
use crate::schema::{bounds, pattern, reference};

/// The definitions of the whole, by name.
#[derive(Default)]
pub(super) struct Definitions {
    all: Map<String, Value>,
    /// What a name of a type stands for, so that a second type of that name gets another one.
    types: Vec<(String, Value)>,
}

/// What is kept of a schema as it is.
const KEPT: [&str; 10] = [
    "type",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minLength",
    "maxLength",
];

impl Definitions {
    pub(super) fn put(&mut self, name: &str, schema: Value) {
        self.all.insert(name.to_owned(), schema);
    }

    pub(super) fn into_map(mut self) -> Map<String, Value> {
        self.all.sort_keys();
        self.all
    }

    /// The parameters of a module: a map, or nothing where none must be given.
    pub(super) fn parameters(&mut self, schema: &Value) -> Value {
        let mut with = self.plain(schema, schema);
        let needs = with["required"].as_array().is_some_and(|names| !names.is_empty());
        if !needs {
            with["type"] = json!(["object", "null"]);
        }
        with
    }

    /// A value of this schema, or an expression that gives one.
    fn value(&mut self, node: &Value, document: &Value) -> Value {
        let Some(fields) = node.as_object() else {
            return json!(true);
        };
        let mut value = match fields.get("$ref").and_then(Value::as_str) {
            Some(target) => json!({"allOf": [self.defined(target, document)]}),
            None => self.or_expression(node, document),
        };
        for key in ["description", "default"] {
            if let Some(said) = fields.get(key) {
                value[key] = said.clone();
            }
        }
        value
    }

    fn or_expression(&mut self, node: &Value, document: &Value) -> Value {
        // The nullable case first: `null` beside one other.
        for key in ["anyOf", "oneOf"] {
            if let Some([one, other]) = node.get(key).and_then(Value::as_array).map(Vec::as_slice)
                && other.get("type") == Some(&json!("null"))
            {
                let value = self.value(one, document);
                return json!({"if": {"type": "null"}, "else": value});
            }
        }
        let plain = self.plain(node, document);
        let takes_text = Shape::Schema {
            node: node.clone(),
            document: Arc::new(document.clone()),
        }
        .kinds()
        .meets(Kinds::TEXT);
        let is_free = ["enum", "pattern", "minLength", "maxLength"]
            .iter()
            .all(|key| plain.get(key).is_none());
        match (takes_text, is_free) {
            _ if plain.as_object().is_some_and(Map::is_empty) => plain,
            (true, true) => plain,
            // A file is read before anything is evaluated.
            _ if is_resource(node) => plain,
            (true, false) => match plain.get("enum").cloned() {
                // Editors offer examples, and do not look behind `else`.
                Some(words) => json!({"if": {"type": "string", "pattern": TEMPLATE}, "else": plain, "examples": words}),
                None => json!({"if": {"type": "string", "pattern": TEMPLATE}, "else": plain}),
            },
            (false, _) => json!({"if": {"type": "string", "pattern": ONE}, "else": plain}),
        }
    }

    /// The definition that a `$ref` of a module's schema stands for.
    fn defined(&mut self, target: &str, document: &Value) -> Value {
        let found = target.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
        let Some(found) = found else { return json!(true) };
        let base = target.rsplit('/').next().unwrap_or(target);
        let mut name = format!("type-{base}");
        let mut number = 1;
        loop {
            match self.types.iter().find(|(known, _)| *known == name) {
                Some((_, known)) if known == found => return reference(&name),
                Some(_) => {
                    number += 1;
                    name = format!("type-{base}-{number}");
                }
                None => break,
            }
        }
        // Known before it is made: a type may hold itself.
        self.types.push((name.clone(), found.clone()));
        let made = self.or_expression(found, document);
        self.put(&name, made);
        reference(&name)
    }

    /// A value of this schema that is no expression itself.
    fn plain(&mut self, node: &Value, document: &Value) -> Value {
        let Some(fields) = node.as_object() else {
            return json!({});
        };
        if let Some(words) = words(node) {
            return words;
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            if let Some(list) = fields.get(key).and_then(Value::as_array) {
                // Expressions in it can make more than one fit.
                let key = if key == "oneOf" { "anyOf" } else { key };
                let each: Vec<Value> = list
                    .iter()
                    .map(|one| match one.get("$ref") {
                        Some(_) => self.value(one, document),
                        None => self.plain(one, document),
                    })
                    .collect();
                return json!({ key: each });
            }
        }
        if let Some(text) = text_form(node) {
            return text;
        }
        let mut plain = Map::new();
        for key in KEPT {
            if let Some(said) = fields.get(key) {
                plain.insert(key.to_owned(), said.clone());
            }
        }
        if let Some(form) = fields.get("pattern") {
            plain.insert("pattern".to_owned(), form.clone());
        }
        for (key, bound) in bounds(node) {
            plain.entry(key.to_owned()).or_insert(bound);
        }
        if let Some(items) = fields.get("items") {
            plain.insert("items".to_owned(), self.value(items, document));
        }
        if let Some(items) = fields.get("prefixItems").and_then(Value::as_array) {
            let items: Vec<Value> = items.iter().map(|item| self.value(item, document)).collect();
            plain.insert("items".to_owned(), items.into());
        }
        if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
            let properties: Map<String, Value> = properties
                .iter()
                .map(|(name, value)| (name.clone(), self.value(value, document)))
                .collect();
            plain.insert("properties".to_owned(), properties.into());
            plain.insert("additionalProperties".to_owned(), json!(false));
        }
        if let Some(more @ Value::Object(_)) = fields.get("additionalProperties") {
            let more = self.value(more, document);
            plain.insert("additionalProperties".to_owned(), more);
        }
        if let Some(required) = fields.get("required") {
            plain.insert("required".to_owned(), required.clone());
        }
        Value::Object(plain)
    }
}

fn is_resource(node: &Value) -> bool {
    node.get("format").and_then(Value::as_str) == Some(RESOURCE_FORMAT)
}

/// A text whose form has a name.
fn text_form(node: &Value) -> Option<Value> {
    let format = node.get("format")?.as_str()?;
    let mut text = match format {
        RESOURCE_FORMAT => pattern(BELOW, "a file below this playbook's folder, named by its path"),
        PLAYBOOK_TEXT_FORMAT => json!({"type": "string"}),
        other => written(&VarType::of_format(other)?),
    };
    text["type"] = node.get("type")?.clone();
    Some(text)
}

/// Words that are all that there is, each with what it means.
fn words(node: &Value) -> Option<Value> {
    let alone = [node.clone()];
    let list = match node.get("oneOf").or_else(|| node.get("anyOf")) {
        Some(list) => list.as_array()?.as_slice(),
        None => &alone,
    };
    let (mut words, mut lines) = (Vec::new(), Vec::new());
    for one in list {
        let said = one.get("enum").and_then(Value::as_array).cloned();
        let said = said.or_else(|| one.get("const").map(|word| vec![word.clone()]))?;
        let line = one.get("description").and_then(Value::as_str).unwrap_or_default();
        lines.extend(std::iter::repeat_n(line, said.len()));
        words.extend(said);
    }
    match lines.iter().all(|line| line.is_empty()) || list.len() == 1 {
        true => Some(json!({"enum": words})),
        false => Some(json!({"enum": words, "enumDescriptions": lines})),
    }
}
