//! The values of a playbook's variables for a run.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Var;
use super::checked::CheckedPlaybook;
use super::value::Misfit;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, quoted, suggest};
use crate::event::Variables;
use crate::inventory::{Content, Given};

/// A value that is set from outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// As `--set NAME=TEXT` gives it: the variable's type says how it is read.
    Text(String),
    /// As a stored plan gives it.
    Value(Value),
    /// As an inventory gives it; mistakes name its line.
    Given(Arc<Given>),
}

/// The shortest secret that is blotted out where it turns up in a message; a shorter one would blot out words.
const SECRET_BYTES: usize = 4;

/// Every declared variable with its value.
#[derive(Clone)]
pub struct BoundVars {
    all: Arc<Map<String, Value>>,
    public: Variables,
    secrets: Arc<Vec<String>>,
}

impl BoundVars {
    /// The values for events and plans; a secret stands as `***`.
    pub fn public(&self) -> &Variables {
        &self.public
    }

    /// All values, secrets too; for parameters only.
    pub(crate) fn all(&self) -> &Map<String, Value> {
        &self.all
    }

    /// The text with every secret in it replaced by `***`.
    pub fn masked(&self, text: String) -> String {
        self.secrets
            .iter()
            .fold(text, |text, secret| match text.contains(secret.as_str()) {
                true => text.replace(secret.as_str(), "***"),
                false => text,
            })
    }
}

impl fmt::Debug for BoundVars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.public).finish()
    }
}

impl CheckedPlaybook {
    /// Puts the settings over the defaults; of two for one variable the later counts.
    ///
    /// # Errors
    /// Every setting that names no variable or does not fit, every variable without a value.
    pub fn bind(&self, sets: &[(String, Setting)]) -> Result<BoundVars, Diagnostics> {
        let mut mistakes = Vec::new();
        let mut all: Map<String, Value> = self
            .vars
            .iter()
            .filter_map(|(name, var)| Some((name.clone(), var.default.clone()?)))
            .collect();
        for (name, setting) in sets {
            let Some(var) = self.vars.get(name) else {
                let message = format!("the playbook declares no variable {}", quoted(name));
                let help = suggest(name, self.vars.keys().map(String::as_str));
                mistakes.push(Diagnostic::unplaced(Code::NotDeclared, message).maybe_help(help));
                continue;
            };
            let decoded = match setting {
                Setting::Text(text) => var.kind.value.decode_text(text),
                Setting::Value(value) => var.decode(value),
                Setting::Given(given) => decode(var, given),
            };
            match decoded {
                Ok(value) => {
                    all.insert(name.clone(), value);
                }
                Err(misfit) => {
                    let message = match setting {
                        Setting::Given(given) => format!("{}: variable `{name}`: {}", given.origin, misfit.why),
                        _ => format!("variable `{name}`: {}", misfit.why),
                    };
                    mistakes.push(Diagnostic::unplaced(Code::VariableValue, message).maybe_help(misfit.help));
                }
            }
        }
        for (name, var) in &self.vars {
            if !all.contains_key(name) && !sets.iter().any(|(set, _)| set == name) {
                let message = format!("variable `{name}` has no value");
                let help = format!("give it one: `--set {name}=...`");
                mistakes.push(Diagnostic::error(Code::NotSet, var.span, message).help(help));
            }
        }
        if !mistakes.is_empty() {
            return Err(Diagnostics::new(&self.file, Arc::clone(&self.text), mistakes));
        }
        let is_secret = |name: &str| self.vars.get(name).is_some_and(|var| var.kind.value.is_secret());
        let mut secrets = Vec::new();
        let mut public = Variables::new();
        for (name, value) in &all {
            if is_secret(name) {
                texts(value, &mut secrets);
                public.insert(name.clone(), Value::from("***"));
            } else {
                public.insert(name.clone(), value.clone());
            }
        }
        secrets.retain(|secret| secret.len() >= SECRET_BYTES);
        // The longest first: a secret may be part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Ok(BoundVars {
            all: Arc::new(all),
            public,
            secrets: Arc::new(secrets),
        })
    }
}

/// What an inventory says; where its file has no types, the variable's type says how the text is read.
fn decode(var: &Var, given: &Given) -> Result<Value, Misfit> {
    let unknown = |why: &str| Misfit {
        path: Vec::new(),
        why: why.to_owned(),
        help: Some("write the value itself, or give it with `--set`".to_owned()),
    };
    let value = match &given.content {
        Content::Value(value) => value,
        Content::Template(_) => return Err(unknown("a template of Ansible is not evaluated")),
        Content::Sealed => return Err(unknown("Ansible's vault encrypts it and is not opened")),
    };
    var.decode(value).or_else(|misfit| match &given.raw {
        Some(raw) => var.kind.value.decode_text(raw).map_err(|_| misfit),
        None => Err(misfit),
    })
}

fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
        Value::Object(fields) => fields.values().for_each(|item| texts(item, into)),
        _ => {}
    }
}
