//! Mistakes as SARIF 2.1.0 (OASIS), for code review and continuous integration.

use deminer_engine::diagnostic::{Code, Diagnostics};
use serde_json::{Value, json};

use super::explain::Explanation;
use super::words::Lang;

/// One run of `check` over several files.
pub(crate) fn log<'d>(all: impl IntoIterator<Item = &'d Diagnostics>) -> Value {
    let told: Vec<Value> = all
        .into_iter()
        .flat_map(|mistakes| match mistakes.json()["diagnostics"].take() {
            Value::Array(list) => list,
            _ => Vec::new(),
        })
        .collect();
    let mut codes: Vec<Code> = Code::ALL.to_vec();
    codes.retain(|code| told.iter().any(|mistake| mistake["code"] == code.as_str()));
    let results: Vec<Value> = told.iter().map(|mistake| result(mistake, &codes)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "deminer check",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: Code) -> Value {
    let why = Explanation::of(code).map_or(code.meaning(), |found| found.why(Lang::En));
    json!({
        "id": code.as_str(),
        "name": format!("{code:?}"),
        "shortDescription": {"text": code.meaning()},
        "fullDescription": {"text": why},
        "help": {"text": format!("{why} `deminer explain {code}` shows it wrong and right.")},
        "defaultConfiguration": {"level": "error"},
    })
}

fn result(mistake: &Value, codes: &[Code]) -> Value {
    let code = mistake["code"].as_str().unwrap_or_default();
    let said = mistake["message"].as_str().unwrap_or_default();
    let text = match mistake["help"].as_str() {
        Some(help) => format!("{said}. Help: {help}"),
        None => said.to_owned(),
    };
    let mut result = json!({
        "ruleId": code,
        "ruleIndex": codes.iter().position(|known| known.as_str() == code),
        "level": mistake["severity"],
        "message": {"text": text},
        "locations": [],
    });
    let at = &mistake["at"];
    if at.is_object() {
        result["locations"] = json!([{"physicalLocation": place(at)}]);
    }
    let labels = mistake["labels"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !labels.is_empty() {
        let related = labels.iter().zip(1..).map(|(label, id)| {
            json!({"id": id, "physicalLocation": place(&label["at"]), "message": {"text": label["text"]}})
        });
        result["relatedLocations"] = related.collect();
    }
    if let Some(word) = mistake["help"].as_str().and_then(|help| meant(help, at)) {
        result["fixes"] = json!([{
            "description": {"text": format!("write `{word}`")},
            "artifactChanges": [{
                "artifactLocation": {"uri": uri(at)},
                "replacements": [{"deletedRegion": region(at), "insertedContent": {"text": word}}],
            }],
        }]);
    }
    result
}

/// The word of a `did you mean`, where what is marked is one word too and nothing else.
fn meant<'h>(help: &'h str, at: &Value) -> Option<&'h str> {
    let word = help.strip_prefix("did you mean `")?.split('`').next()?;
    let marked = at["text"].as_str()?;
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    };
    (is_word(marked) && is_word(word)).then_some(word)
}

fn place(at: &Value) -> Value {
    json!({"artifactLocation": {"uri": uri(at)}, "region": region(at)})
}

fn region(at: &Value) -> Value {
    json!({
        "startLine": at["line"],
        "startColumn": at["column"],
        "endLine": at["end_line"],
        "endColumn": at["end_column"],
    })
}

/// A file as a reference (RFC 3986): what may not stand in one is written in hexadecimal digits.
fn uri(at: &Value) -> String {
    let path = at["file"].as_str().unwrap_or_default();
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_reference() {
        for (path, expected) in [
            ("night.yml", "night.yml"),
            ("/srv/a b/夜.yml", "file:///srv/a%20b/%E5%A4%9C.yml"),
        ] {
            assert_eq!(uri(&json!({"file": path})), expected);
        }
    }
}
