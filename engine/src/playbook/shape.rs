//! What is known of a value before it exists: a module's output schema, a variable's type, a list of such.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::kind::Kinds;

/// The longest chain of `$ref` that is followed.
const REFERENCES: usize = 16;

/// The shape of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Nothing is known.
    Any,
    /// A JSON schema, with the document that its `$ref` point into.
    Schema { node: Value, document: Arc<Value> },
    /// A list of such.
    ListOf(Box<Shape>),
    /// These fields and no others.
    Record(IndexMap<String, Shape>),
}

/// What stands behind a name.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Field {
    /// This.
    Is(Shape),
    /// Nothing: these are there.
    Missing(Vec<String>),
    /// What is asked is no map.
    NoMap(Kinds),
}

impl Shape {
    /// The shape that a whole schema describes.
    pub(super) fn of_schema(schema: Value) -> Shape {
        Shape::Schema {
            node: schema.clone(),
            document: Arc::new(schema),
        }
    }

    pub(super) fn of_kind(name: &str) -> Shape {
        Shape::of_schema(serde_json::json!({ "type": name }))
    }

    pub(super) fn boolean() -> Shape {
        Shape::of_kind("boolean")
    }

    /// The schemas of which a value must fit one, references followed; `None` where one of them says nothing.
    pub(super) fn alternatives(&self) -> Option<Vec<Value>> {
        let Shape::Schema { node, document } = self else {
            return None;
        };
        let mut found = Vec::new();
        flatten(node, document, REFERENCES, &mut found).then_some(found)
    }

    fn below(&self, node: &Value) -> Shape {
        match self {
            Shape::Schema { document, .. } => Shape::Schema {
                node: node.clone(),
                document: Arc::clone(document),
            },
            _ => Shape::Any,
        }
    }

    /// The kinds that a value of it may be.
    pub(super) fn kinds(&self) -> Kinds {
        match self {
            Shape::Any => Kinds::ALL,
            Shape::ListOf(_) => Kinds::LIST,
            Shape::Record(_) => Kinds::MAP,
            Shape::Schema { .. } => match self.alternatives() {
                Some(all) => all.iter().fold(Kinds::NONE, |kinds, node| kinds.or(node_kinds(node))),
                None => Kinds::ALL,
            },
        }
    }

    /// What a value of it has under this name.
    pub(super) fn field(&self, name: &str) -> Field {
        match self {
            Shape::Any => Field::Is(Shape::Any),
            Shape::ListOf(_) => Field::NoMap(Kinds::LIST),
            Shape::Record(fields) => match fields.get(name) {
                Some(shape) => Field::Is(shape.clone()),
                None => Field::Missing(fields.keys().cloned().collect()),
            },
            Shape::Schema { .. } => {
                let Some(alternatives) = self.alternatives() else {
                    return Field::Is(Shape::Any);
                };
                let mut found: Vec<Shape> = Vec::new();
                let mut names: Vec<String> = Vec::new();
                let mut is_map = false;
                for node in &alternatives {
                    if !node_kinds(node).meets(Kinds::MAP) {
                        continue;
                    }
                    is_map = true;
                    let Some(properties) = node.get("properties").and_then(Value::as_object) else {
                        match node.get("additionalProperties") {
                            Some(inner) if inner.is_object() => found.push(self.below(inner)),
                            Some(Value::Bool(false)) => {}
                            _ => found.push(Shape::Any),
                        }
                        continue;
                    };
                    if let Some(inner) = properties.get(name) {
                        found.push(self.below(inner));
                    } else if let Some(inner) = node.get("additionalProperties").filter(|a| **a != Value::Bool(false)) {
                        found.push(self.below(inner));
                    }
                    names.extend(
                        properties
                            .keys()
                            .filter(|k| !names.contains(k))
                            .cloned()
                            .collect::<Vec<_>>(),
                    );
                }
                match (found.len(), is_map) {
                    (0, true) => Field::Missing(names),
                    (0, false) => Field::NoMap(self.kinds()),
                    (1, _) => Field::Is(found.remove(0)),
                    _ => Field::Is(found.iter().skip(1).fold(found[0].clone(), |a, b| a.union(b))),
                }
            }
        }
    }

    /// What a list of it holds; [`Shape::Any`] where it may be no list.
    pub(super) fn item(&self) -> Shape {
        match self {
            Shape::ListOf(inner) => inner.as_ref().clone(),
            Shape::Schema { .. } => match self.alternatives().as_deref() {
                Some([node]) => node.get("items").map_or(Shape::Any, |items| self.below(items)),
                _ => Shape::Any,
            },
            _ => Shape::Any,
        }
    }

    /// The one shape of two, where they are the same.
    pub(super) fn union(&self, other: &Shape) -> Shape {
        match (self, other) {
            (a, b) if a == b => a.clone(),
            (a, b) if a.kinds() == Kinds::BOOLEAN && b.kinds() == Kinds::BOOLEAN => Shape::boolean(),
            (a, b) if a.kinds() == Kinds::LIST && b.kinds() == Kinds::LIST => {
                Shape::ListOf(Box::new(a.item().union(&b.item())))
            }
            _ => Shape::Any,
        }
    }

    /// The words that a text of it may be; `None` where it is not one of a few.
    pub(super) fn words(&self) -> Option<Vec<String>> {
        let mut words = Vec::new();
        for node in self.alternatives()? {
            if node_kinds(&node) == Kinds::NULL {
                continue;
            }
            let listed = node.get("enum").and_then(Value::as_array).cloned();
            let listed = listed.or_else(|| node.get("const").map(|word| vec![word.clone()]))?;
            for word in listed {
                match word {
                    Value::String(word) => words.push(word),
                    Value::Null => {}
                    _ => return None,
                }
            }
        }
        (!words.is_empty()).then_some(words)
    }
}

/// Collects the alternatives of a schema; false where one says nothing of its values.
fn flatten(node: &Value, document: &Value, left: usize, found: &mut Vec<Value>) -> bool {
    let Some(fields) = node.as_object() else {
        return false;
    };
    if left == 0 {
        return false;
    }
    if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| document.pointer(pointer));
        return target.is_some_and(|target| flatten(target, document, left - 1, found));
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(list) = fields.get(key).and_then(Value::as_array) {
            // Properties beside the alternatives belong to each of them.
            let beside = fields.get("properties").and_then(Value::as_object);
            return list.iter().all(|alternative| {
                let before = found.len();
                let told = flatten(alternative, document, left - 1, found);
                if let Some(beside) = beside {
                    for node in &mut found[before..] {
                        if let Some(own) = node.get_mut("properties").and_then(Value::as_object_mut) {
                            own.extend(beside.clone());
                        }
                    }
                }
                told
            });
        }
    }
    if fields.contains_key("allOf") || fields.contains_key("not") || fields.contains_key("if") {
        return match fields.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            Some([only]) if fields.get("properties").is_none() => flatten(only, document, left - 1, found),
            _ => false,
        };
    }
    if node_kinds(node) == Kinds::ALL {
        return false;
    }
    found.push(node.clone());
    true
}

/// The kinds that one schema without references and alternatives allows.
fn node_kinds(node: &Value) -> Kinds {
    match node.get("type") {
        Some(Value::String(name)) => Kinds::named(name),
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .fold(Kinds::NONE, |kinds, name| kinds.or(Kinds::named(name))),
        _ => match (node.get("const"), node.get("enum").and_then(Value::as_array)) {
            (Some(only), _) => Kinds::of(only),
            (None, Some(words)) => words.iter().fold(Kinds::NONE, |kinds, word| kinds.or(Kinds::of(word))),
            _ if node.get("properties").is_some() => Kinds::MAP,
            _ => Kinds::ALL,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shape() -> Shape {
        Shape::of_schema(json!({
            "type": "object",
            "properties": {
                "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}},
                "host": {"anyOf": [{"$ref": "#/$defs/Word"}, {"type": "null"}]},
                "any": true,
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "loop": {"$ref": "#/$defs/Loop"},
            },
            "$defs": {
                "Row": {"type": "object", "properties": {"pid": {"type": "integer"}}},
                "Word": {"oneOf": [{"const": "clean"}, {"const": "infected"}]},
                "Loop": {"$ref": "#/$defs/Loop"},
            },
        }))
    }

    fn at(path: &[&str]) -> Shape {
        path.iter().fold(shape(), |shape, name| match *name {
            "[]" => shape.item(),
            name => match shape.field(name) {
                Field::Is(shape) => shape,
                other => panic!("{name}: {other:?}"),
            },
        })
    }

    #[test]
    fn fields_are_followed() {
        assert_eq!(at(&["rows", "[]", "pid"]).kinds(), Kinds::INTEGER);
        assert_eq!(at(&["labels", "x"]).kinds(), Kinds::TEXT);
        assert_eq!(at(&["any", "x", "y"]), Shape::Any);
        assert_eq!(at(&["loop"]).kinds(), Kinds::ALL);
        assert_eq!(at(&["host"]).words().unwrap(), ["clean", "infected"]);
        assert_eq!(at(&["host"]).kinds(), Kinds::TEXT.or(Kinds::NULL));
        assert_eq!(at(&["rows", "[]"]).field("pod"), Field::Missing(vec!["pid".to_owned()]));
        assert_eq!(at(&["rows"]).field("pid"), Field::NoMap(Kinds::LIST));
        assert_eq!(at(&["rows", "[]", "pid"]).field("x"), Field::NoMap(Kinds::INTEGER));
    }
}
