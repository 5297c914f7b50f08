//! Secrets blotted out of texts, in the writings in which they turn up.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::base64_text::unpadded;

/// What stands in the place of a secret.
const MASK: &str = "***";
/// Of a long secret its beginning is enough: messages are cut.
const BEGINNING: usize = 12;
/// From so many bytes on other writings are hidden too, and a line of a secret of several by itself.
const LINE: usize = 8;

/// The writings of the secrets of a run.
#[derive(Clone, Default)]
pub(super) struct Masks {
    /// The longest first: a secret may be part of another.
    writings: Vec<String>,
}

impl Masks {
    pub(super) fn of(secrets: &[String]) -> Masks {
        let mut writings: BTreeSet<String> = BTreeSet::new();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            let lines = secret.lines().filter(|line| line.len() >= LINE);
            for text in lines.chain([secret.as_str()]) {
                let json = Value::from(text).to_string();
                writings.insert(text.to_owned());
                writings.insert(json[1..json.len() - 1].to_owned());
                // Of a short one they would blot out words.
                if text.len() < LINE {
                    continue;
                }
                let escaped: String = text.chars().flat_map(char::escape_default).collect();
                let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
                let backwards: String = text.chars().rev().collect();
                writings.extend([
                    escaped,
                    text.escape_debug().to_string(),
                    text.to_lowercase(),
                    text.to_uppercase(),
                    backwards,
                    hex.to_uppercase(),
                    hex,
                    unpadded(text.as_bytes()),
                ]);
            }
        }
        let mut writings: Vec<String> = writings.into_iter().collect();
        writings.sort_by_key(|writing| std::cmp::Reverse(writing.len()));
        Masks { writings }
    }

    /// The text without them.
    pub(super) fn masked(&self, mut text: String) -> String {
        for writing in &self.writings {
            if text.contains(writing.as_str()) {
                text = text.replace(writing.as_str(), MASK);
            }
            let Some(beginning) = writing
                .get(..BEGINNING)
                .filter(|beginning| beginning.len() < writing.len())
            else {
                continue;
            };
            while let Some(at) = text.find(beginning) {
                let rest = text[at..].chars().zip(writing.chars());
                let same: usize = rest.take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
                text.replace_range(at..at + same, MASK);
            }
        }
        text
    }

    /// The value without them, in keys too.
    pub(super) fn masked_value(&self, value: Value) -> Value {
        match value {
            _ if self.writings.is_empty() => value,
            Value::String(text) => Value::String(self.masked(text)),
            Value::Array(items) => items.into_iter().map(|item| self.masked_value(item)).collect(),
            Value::Object(fields) => {
                let fields = fields.into_iter();
                Value::Object(
                    fields
                        .map(|(name, item)| (self.masked(name), self.masked_value(item)))
                        .collect(),
                )
            }
            // A number may be a secret too, where one was computed of it.
            Value::Number(number) => {
                let text = number.to_string();
                match self.masked(text.clone()) == text {
                    true => Value::Number(number),
                    false => Value::from(MASK),
                }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn masks(secrets: &[&str]) -> Masks {
        Masks::of(&secrets.iter().map(|secret| (*secret).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn every_writing_is_hidden() {
        let masks = masks(&["Hunter\"2-of-the-night", "line one of it\nline two of it"]);
        let rows = [
            ("plain", "bad Hunter\"2-of-the-night!", "bad ***!"),
            ("in JSON", r#"{"a":"Hunter\"2-of-the-night"}"#, r#"{"a":"***"}"#),
            ("lower", "hunter\"2-of-the-night", "***"),
            ("backwards", "thgin-eht-fo-2\"retnuH", "***"),
            ("hex", "48756e74657222322d6f662d7468652d6e69676874", "***"),
            ("base64", "SHVudGVyIjItb2YtdGhlLW5pZ2h0", "***"),
            ("cut", "bad Hunter\"2-of-th...", "bad ***..."),
            ("one line", "line two of it is wrong", "*** is wrong"),
            ("escaped", r"line one of it\nline two of it", "***"),
            ("another word", "hunters of the night", "hunters of the night"),
        ];
        for (name, text, expected) in rows {
            assert_eq!(masks.masked(text.to_owned()), expected, "{name}");
        }
        let value = json!({"Hunter\"2-of-the-night": ["x Hunter\"2-of-the-night", 7]});
        assert_eq!(masks.masked_value(value), json!({"***": ["x ***", 7]}));
    }

    proptest! {
        #[test]
        fn no_part_of_a_long_secret_is_left(secret in "[a-z0-9]{16,40}", before in "\\PC{0,20}", behind in "\\PC{0,20}") {
            let text = format!("{before}{secret}{behind}");
            prop_assert!(!masks(&[&secret]).masked(text).contains(&secret[..BEGINNING]));
        }
    }
}
