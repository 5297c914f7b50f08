//! Variables, their values, and who says what of them.

use deminer_engine::environment::SecretSource;
use deminer_engine::playbook::{BoundVars, Candidate, Layer, Var};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::Style;
use super::plain::{cut, plain};
use super::words::Words;

/// The columns of one value.
const VALUE_COLUMNS: usize = 100;
/// The column of what is said of a variable.
const COLUMN: usize = 16;

/// Of what they are.
pub(crate) struct About {
    pub(crate) playbook: String,
    pub(crate) host: Option<String>,
    pub(crate) environment: Option<String>,
}

/// For people: each variable with its type and value, and under it who says what, what counts less first.
pub(crate) fn text(about: &About, declared: &IndexMap<String, Var>, vars: &BoundVars, style: &Style) -> String {
    let words = style.words();
    let named = |name: &Option<String>| name.as_deref().map(|name| plain(name).into_owned());
    let (host, environment) = (named(&about.host), named(&about.environment));
    let head = words.variables_of(&plain(&about.playbook), host.as_deref(), environment.as_deref());
    let mut out = style.hang("", &head);
    for (name, var) in declared {
        let value = match vars.public().get(name) {
            _ if vars.candidates()[name].is_empty() => words.no_value().to_owned(),
            Some(value) => shown(value, words),
            None => words.no_value().to_owned(),
        };
        out.push('\n');
        out.push_str(&style.hang(
            "",
            &words.aside(&format!("{name} = {value}"), &var.kind.value.to_string()),
        ));
        for candidate in &vars.candidates()[name] {
            out.push_str(&style.entry(
                &format!("  {}", plain(&candidate.origin.to_string())),
                COLUMN,
                &said(candidate, words),
            ));
        }
    }
    out
}

fn said(candidate: &Candidate, words: &dyn Words) -> String {
    let group = candidate.group.as_deref().map(plain);
    let value = shown(&candidate.shown, words);
    let value = match candidate.is_merge {
        true => words.merged(&value),
        false => value,
    };
    words.aside(&value, &words.layer(candidate.layer, group.as_deref()))
}

/// A value, harmless and cut; of a secret where it comes from.
pub(super) fn shown(value: &Value, words: &dyn Words) -> String {
    if let Ok(source) = serde_json::from_value::<SecretSource>(value.clone()) {
        return words.secret_from("***", &plain(&source.to_string()));
    }
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    cut(&plain(&text), VALUE_COLUMNS).into_owned()
}

/// The places that a plan names for a secret, or for a list or map of them, one after the other.
pub(crate) fn place(value: &Value) -> String {
    if let Ok(source) = serde_json::from_value::<SecretSource>(value.clone()) {
        return source.to_string();
    }
    match value {
        Value::Array(items) => items.iter().map(place).collect::<Vec<_>>().join(" + "),
        Value::Object(fields) => fields.values().map(place).collect::<Vec<_>>().join(" + "),
        other => other.to_string(),
    }
}

/// For programs.
pub(crate) fn json(about: &About, declared: &IndexMap<String, Var>, vars: &BoundVars) -> Value {
    let all = declared.iter().map(|(name, var)| {
        let candidates = &vars.candidates()[name];
        let said: Vec<Value> = candidates
            .iter()
            .map(|candidate| {
                json!({
                    "layer": layer(candidate.layer),
                    "group": candidate.group.as_deref(),
                    "at": candidate.origin.to_string(),
                    "file": &*candidate.origin.file,
                    "line": candidate.origin.line,
                    "value": candidate.shown,
                    "merges": candidate.is_merge,
                })
            })
            .collect();
        json!({
            "name": name,
            "type": var.kind.value.to_string(),
            "value": vars.public().get(name),
            "secret": var.kind.value.is_secret(),
            "set": !candidates.is_empty(),
            "layer": candidates.last().map(|candidate| layer(candidate.layer)),
            "candidates": said,
            "help": var.help,
        })
    });
    json!({
        "playbook": about.playbook,
        "host": about.host,
        "environment": about.environment,
        "vars": all.collect::<Vec<_>>(),
    })
}

fn layer(layer: Layer) -> &'static str {
    match layer {
        Layer::Default => "default",
        Layer::Environment => "environment",
        Layer::Group => "group",
        Layer::Host => "host",
        Layer::Set => "set",
    }
}
