//! The one written form: JSON with keys sorted by their bytes, no space, and no character that a terminal would obey.

use std::fmt::Write as _;

use deminer_worker::text::HostBytes;
use serde::Serialize;
use serde_json::Value;

/// Writes a value in the canonical form, without a line feed.
///
/// # Errors
/// When the value has no JSON form: a map whose keys are no strings, a number that is not finite.
pub fn canonical<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut out = String::new();
    write_value(&serde_json::to_value(value)?, &mut out);
    Ok(out)
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (at, (key, item)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_value(item, out);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let _ = write!(out, "{value}");
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    let harmless = if is_harmless(text) {
        Value::String(text.to_owned())
    } else {
        Value::String(HostBytes::from(text).to_string())
    };
    let _ = write!(out, "{harmless}");
}

/// Whether a text holds no control character, no direction mark and no invisible letter. What a plan says is shown to
/// the person who approves it.
pub(super) fn is_harmless(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(u32::from(c),
                0x00AD | 0x061C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFE00..=0xFE0F
                | 0xFEFF | 0xFFF9..=0xFFFB | 0xE0000..=0xE0FFF)
    })
}

/// Whether all texts of a value, keys included, are.
pub(super) fn all_harmless(value: &Value) -> bool {
    match value {
        Value::String(text) => is_harmless(text),
        Value::Array(items) => items.iter().all(all_harmless),
        Value::Object(map) => map.iter().all(|(key, item)| is_harmless(key) && all_harmless(item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn written_forms() {
        let rows = [
            (
                "keys sorted",
                json!({"b": 1, "a": {"d": null, "c": true}}),
                r#"{"a":{"c":true,"d":null},"b":1}"#,
            ),
            ("lists keep their order", json!([3, "x", []]), r#"[3,"x",[]]"#),
            ("quotes and backslashes", json!("a\"b\\c"), r#""a\"b\\c""#),
            ("terminal escape", json!("\u{1b}[2J"), r#""\\x1b[2J""#),
            ("direction mark", json!("a\u{202e}b"), r#""a\\xe2\\x80\\xaeb""#),
            ("letters stay", json!("挖矿"), "\"挖矿\""),
        ];
        for (name, value, expected) in rows {
            assert_eq!(canonical(&value).expect("has a JSON form"), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn is_one_harmless_line(text: String, key: String) {
            let line = canonical(&json!({ key: [text] })).expect("has a JSON form");
            prop_assert!(!line.chars().any(char::is_control));
            let back: Value = serde_json::from_str(&line).expect("own form reads back");
            prop_assert!(all_harmless(&back));
            prop_assert_eq!(canonical(&back).expect("has a JSON form"), line);
        }
    }
}
