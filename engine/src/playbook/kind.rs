//! Sets of JSON kinds: what a value may be, as far as the checker can tell.

use std::fmt;

use serde_json::Value;

/// Some of the kinds of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NONE: Kinds = Kinds(0);
    pub(super) const NULL: Kinds = Kinds(1);
    pub(super) const BOOLEAN: Kinds = Kinds(2);
    pub(super) const INTEGER: Kinds = Kinds(4);
    pub(super) const NUMBER: Kinds = Kinds(4 | 8);
    pub(super) const TEXT: Kinds = Kinds(16);
    pub(super) const LIST: Kinds = Kinds(32);
    pub(super) const MAP: Kinds = Kinds(64);
    pub(super) const ALL: Kinds = Kinds(127);

    /// The kind that a JSON schema's `type` names.
    pub(super) fn named(name: &str) -> Kinds {
        match name {
            "null" => Kinds::NULL,
            "boolean" => Kinds::BOOLEAN,
            "integer" => Kinds::INTEGER,
            "number" => Kinds::NUMBER,
            "string" => Kinds::TEXT,
            "array" => Kinds::LIST,
            "object" => Kinds::MAP,
            _ => Kinds::ALL,
        }
    }

    /// The kind of a value.
    pub(super) fn of(value: &Value) -> Kinds {
        match value {
            Value::Null => Kinds::NULL,
            Value::Bool(_) => Kinds::BOOLEAN,
            Value::Number(n) if n.is_f64() => Kinds(8),
            Value::Number(_) => Kinds::INTEGER,
            Value::String(_) => Kinds::TEXT,
            Value::Array(_) => Kinds::LIST,
            Value::Object(_) => Kinds::MAP,
        }
    }

    pub(super) fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    pub(super) fn meets(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    /// The same, whole numbers as numbers of any kind: `5 == 5.0`.
    pub(super) fn widened(self) -> Kinds {
        match self.meets(Kinds::NUMBER) {
            true => self.or(Kinds::NUMBER),
            false => self,
        }
    }

    pub(super) fn without(self, other: Kinds) -> Kinds {
        Kinds(self.0 & !other.0)
    }
}

impl fmt::Display for Kinds {
    /// `a list or nothing`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (16, "text"),
            (32, "a list"),
            (64, "a map"),
            (8, "a number"),
            (4, "a whole number"),
            (2, "a boolean"),
            (1, "nothing"),
        ];
        let mut left = self.0;
        let mut first = true;
        for (bit, name) in names {
            if left & bit == 0 {
                continue;
            }
            if bit == 8 {
                left &= !4;
            }
            if !first {
                f.write_str(" or ")?;
            }
            f.write_str(name)?;
            first = false;
        }
        if first { f.write_str("nothing at all") } else { Ok(()) }
    }
}
