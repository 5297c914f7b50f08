//! The values of a playbook's variables for a run: five layers, one over the other, and who said what.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::checked::CheckedPlaybook;
use super::mask::Masks;
use super::value::Misfit;
use super::{Var, VarType};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, line_number, quoted, suggest};
use crate::environment::{Change, NoSecrets, SecretSource, Secrets, opened, sources};
use crate::event::Variables;
use crate::inventory::{Content, Given, Layer as Nearness, Origin};

/// A value that is set from outside. Its debugging form shows no value.
#[derive(Clone, PartialEq)]
pub enum Setting {
    /// As `--set NAME=TEXT` gives it: the variable's type says how it is read.
    Text(String),
    /// As `--set-file NAME=FILE` gives it.
    File {
        /// Which file, by its whole path: a plan says so of a secret.
        file: Arc<str>,
        /// What stands in it.
        text: String,
    },
    /// As a stored plan gives it; `***` in the place of a secret gives none.
    Value(Value),
    /// Where a stored plan says that a secret comes from.
    Secret(Value),
    /// As an inventory gives it; mistakes name its line.
    Given(Arc<Given>),
    /// What an inventory gives and something nearer to the host stands over: told, and not read.
    Passed(Arc<Given>),
    /// As an environment gives it.
    Change(Arc<Change>),
}

/// How near to the command line something is said: what is nearer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The playbook's own default.
    Default,
    /// The environment.
    Environment,
    /// A group of the inventory, or what the environment says of it.
    Group,
    /// The host in the inventory.
    Host,
    /// `--set`, `--set-file`.
    Set,
}

/// One value that was said for a variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// How near.
    pub layer: Layer,
    /// For which group.
    pub group: Option<Arc<str>>,
    /// Where.
    pub origin: Origin,
    /// As it may be shown: `***` in the place of a secret, or where that comes from.
    pub shown: Value,
    /// Whether it changes what stands below rather than standing in its place.
    pub is_merge: bool,
}

/// What stands in the place of a secret.
const MASK: &str = "***";

/// The shortest secret: a shorter one could not be blotted out where it turns up without blotting out words.
const SECRET_BYTES: usize = 4;

/// Every declared variable with its value.
#[derive(Clone)]
pub struct BoundVars {
    all: Arc<Map<String, Value>>,
    public: Variables,
    masks: Arc<Masks>,
    candidates: Arc<IndexMap<String, Vec<Candidate>>>,
    sources: BTreeMap<String, Value>,
}

impl BoundVars {
    /// The values for events and plans; a secret stands as `***`.
    pub fn public(&self) -> &Variables {
        &self.public
    }

    /// Where the secrets come from that are named by a place, by variable.
    pub fn sources(&self) -> &BTreeMap<String, Value> {
        &self.sources
    }

    /// What was said of each variable, what counts less first: the last counts, with the merges right before it.
    pub fn candidates(&self) -> &IndexMap<String, Vec<Candidate>> {
        &self.candidates
    }

    /// All values, secrets too; for parameters only.
    pub(crate) fn all(&self) -> &Map<String, Value> {
        &self.all
    }

    /// The text with every secret in it replaced by `***`, in whatever writing it turns up.
    pub fn masked(&self, text: String) -> String {
        self.masks.masked(text)
    }

    /// The value with every secret in its texts replaced.
    pub(crate) fn masked_value(&self, value: Value) -> Value {
        self.masks.masked_value(value)
    }
}

impl fmt::Debug for BoundVars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.public).finish()
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Text(_) => f.write_str("--set"),
            Setting::File { file, .. } => write!(f, "--set-file {file}"),
            Setting::Value(_) => f.write_str("a plan's value"),
            Setting::Secret(from) => write!(f, "a secret from {from}"),
            Setting::Given(given) | Setting::Passed(given) => write!(f, "{given:?}"),
            Setting::Change(change) => write!(f, "{change:?}"),
        }
    }
}

/// What is being bound.
struct Binding<'b> {
    all: Map<String, Value>,
    candidates: IndexMap<String, Vec<Candidate>>,
    sources: BTreeMap<String, Value>,
    secrets: &'b dyn Secrets,
}

impl CheckedPlaybook {
    /// Puts the settings over the defaults, where no secret is to be opened; of two for one variable the later counts.
    ///
    /// # Errors
    /// Every setting that names no variable or does not fit, every variable without a value.
    pub fn bind(&self, sets: &[(String, Setting)]) -> Result<BoundVars, Diagnostics> {
        self.bind_with(sets, &NoSecrets)
    }

    /// The same, with who opens places of secrets.
    ///
    /// # Errors
    /// As [`CheckedPlaybook::bind`]; every secret that cannot be had.
    pub fn bind_with(&self, sets: &[(String, Setting)], secrets: &dyn Secrets) -> Result<BoundVars, Diagnostics> {
        self.bound(sets, secrets, true)
    }

    /// The same for who only shows them: a variable without a value is none.
    ///
    /// # Errors
    /// Every setting that names no variable or does not fit.
    pub fn bind_partly(&self, sets: &[(String, Setting)], secrets: &dyn Secrets) -> Result<BoundVars, Diagnostics> {
        self.bound(sets, secrets, false)
    }

    fn bound(
        &self,
        sets: &[(String, Setting)],
        secrets: &dyn Secrets,
        all_are_needed: bool,
    ) -> Result<BoundVars, Diagnostics> {
        let mut mistakes = Vec::new();
        let mut binding = Binding {
            all: Map::new(),
            candidates: IndexMap::new(),
            sources: BTreeMap::new(),
            secrets,
        };
        for (name, var) in &self.vars {
            let mut said = Vec::new();
            if let Some(default) = &var.default {
                binding.all.insert(name.clone(), default.clone());
                said.push(self.default_said(var, default));
            }
            binding.candidates.insert(name.clone(), said);
        }
        for (name, setting) in sets {
            let Some(var) = self.vars.get(name) else {
                let message = format!("the playbook declares no variable {}", quoted(name));
                let help = suggest(name, self.vars.keys().map(String::as_str));
                mistakes.push(Diagnostic::unplaced(Code::NotDeclared, message).maybe_help(help));
                continue;
            };
            if let Err(misfit) = binding.take(name, var, setting) {
                let code = match setting {
                    Setting::Secret(_) => Code::SecretClosed,
                    Setting::Change(_) if var.kind.value.is_secret() => Code::SecretClosed,
                    Setting::Change(change) if change.is_merge() => Code::Merge,
                    _ => Code::VariableValue,
                };
                let message = match setting {
                    Setting::Given(given) => format!("{}: variable `{name}`: {}", given.origin, misfit.why),
                    Setting::Change(change) => format!("{}: variable `{name}`: {}", change.origin, misfit.why),
                    Setting::File { file, .. } => format!("{file}: variable `{name}`: {}", misfit.why),
                    _ => format!("variable `{name}`: {}", misfit.why),
                };
                mistakes.push(Diagnostic::unplaced(code, message).maybe_help(misfit.help));
            }
        }
        for (name, var) in self.vars.iter().filter(|_| all_are_needed) {
            let set = sets.iter().any(|(set, _)| set == name);
            if !set && !binding.all.contains_key(name) {
                let message = format!("variable `{name}` has no value");
                let help = match var.kind.value.is_secret() {
                    true => format!("name where it comes from in an environment, or `--set-file {name}=FILE`"),
                    false => format!("give it one: `--set {name}=...`"),
                };
                mistakes.push(Diagnostic::error(Code::NotSet, var.span, message).help(help));
            }
        }
        if !mistakes.is_empty() {
            return Err(Diagnostics::new(&self.file, Arc::clone(&self.text), mistakes));
        }
        let mut hidden = Vec::new();
        let mut public = Variables::new();
        for (name, var) in &self.vars {
            match (binding.all.get(name), var.kind.value.is_secret()) {
                (value, true) => {
                    value.into_iter().for_each(|value| texts(value, &mut hidden));
                    public.insert(name.clone(), Value::from(MASK));
                }
                (Some(value), false) => {
                    public.insert(name.clone(), value.clone());
                }
                (None, false) => {}
            }
        }
        Ok(BoundVars {
            all: Arc::new(binding.all),
            public,
            masks: Arc::new(Masks::of(&hidden)),
            candidates: Arc::new(binding.candidates),
            sources: binding.sources,
        })
    }

    fn default_said(&self, var: &Var, default: &Value) -> Candidate {
        Candidate {
            layer: Layer::Default,
            group: None,
            origin: Origin {
                file: Arc::from(&*self.file),
                line: u32::try_from(line_number(&self.text, var.span)).ok(),
            },
            shown: default.clone(),
            is_merge: false,
        }
    }
}

impl Binding<'_> {
    /// Puts one setting over what is there.
    fn take(&mut self, name: &str, var: &Var, setting: &Setting) -> Result<(), Misfit> {
        let is_secret = var.kind.value.is_secret();
        let mut from = None;
        let value = match setting {
            Setting::Text(text) => Some(var.kind.value.decode_text(text)?),
            Setting::File { file, text } => {
                if var.kind.value == VarType::Secret {
                    from = serde_json::to_value(SecretSource::File(file.to_string())).ok();
                }
                Some(var.kind.value.decode_text(text)?)
            }
            // The plan does not hold it: whatever reads it fails, rather than work with another.
            Setting::Value(Value::String(text)) if is_secret && text == MASK => None,
            Setting::Value(value) => Some(var.decode(value)?),
            Setting::Secret(place) => {
                from = Some(place.clone());
                Some(opened(&var.kind.value, place, self.secrets)?)
            }
            Setting::Given(given) => match place_of(var, given) {
                Some(place) => {
                    let place = place?;
                    let value = opened(&var.kind.value, &place, self.secrets)?;
                    from = Some(place);
                    Some(value)
                }
                None => Some(decode(var, given)?),
            },
            Setting::Passed(_) => None,
            Setting::Change(change) => {
                from = Some(change.shown().clone()).filter(|_| is_secret);
                Some(change.over(var, self.all.get(name), self.secrets)?)
            }
        };
        if is_secret && let Some(value) = &value {
            let mut found = Vec::new();
            texts(value, &mut found);
            if found.iter().any(|text| !text.is_empty() && text.len() < SECRET_BYTES) {
                return Err(Misfit {
                    path: Vec::new(),
                    why: format!("a secret of fewer than {SECRET_BYTES} bytes cannot be hidden"),
                    help: None,
                });
            }
        }
        let is_told = matches!(setting, Setting::Passed(_));
        match (value, setting) {
            (Some(value), _) => {
                self.all.insert(name.to_owned(), value);
            }
            (None, Setting::Value(_)) => {
                self.all.shift_remove(name);
            }
            (None, _) => {}
        }
        if !is_told {
            match &from {
                Some(place) => self.sources.insert(name.to_owned(), place.clone()),
                None => self.sources.remove(name),
            };
        }
        if let Some(said) = said(var, setting, from) {
            self.candidates.entry(name.to_owned()).or_default().push(said);
        }
        Ok(())
    }
}

/// A setting as it is told; a plan's own is not.
fn said(var: &Var, setting: &Setting, from: Option<Value>) -> Option<Candidate> {
    let is_secret = var.kind.value.is_secret();
    let of = |layer, origin, shown: Value| Candidate {
        layer,
        group: None,
        origin,
        shown: match (is_secret, from) {
            (true, Some(place)) => place,
            (true, None) => Value::from(MASK),
            (false, _) => shown,
        },
        is_merge: false,
    };
    let here = |file: &str| Origin {
        file: Arc::from(file),
        line: None,
    };
    Some(match setting {
        Setting::Text(text) => of(Layer::Set, here("--set"), Value::from(text.as_str())),
        Setting::File { file, text } => of(Layer::Set, here(file), Value::from(text.as_str())),
        Setting::Given(given) | Setting::Passed(given) => {
            let layer = match given.layer {
                Nearness::Host | Nearness::HostVars | Nearness::Command => Layer::Host,
                _ => Layer::Group,
            };
            Candidate {
                group: given.group.clone(),
                ..of(layer, given.origin.clone(), given.shown())
            }
        }
        Setting::Change(change) => {
            let layer = match change.group {
                Some(_) => Layer::Group,
                None => Layer::Environment,
            };
            Candidate {
                group: change.group.clone(),
                is_merge: change.is_merge(),
                ..of(layer, change.origin.clone(), change.shown().clone())
            }
        }
        Setting::Value(_) | Setting::Secret(_) => return None,
    })
}

/// Where an inventory says that a secret comes from; `None` where it writes a value.
fn place_of(var: &Var, given: &Given) -> Option<Result<Value, Misfit>> {
    let Content::Value(value @ (Value::Object(_) | Value::Array(_))) = &given.content else {
        return None;
    };
    if !var.kind.value.is_secret() {
        return None;
    }
    let folder = Path::new(&*given.origin.file).parent().unwrap_or(Path::new(""));
    let place = sources(&var.kind.value, value, folder);
    // A list or a map of secrets that are written out is a value.
    match (place, var.decode(value)) {
        (Err(_), Ok(_)) => None,
        (place, _) => Some(place),
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
