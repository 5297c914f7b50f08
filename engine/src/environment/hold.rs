//! What is written in an environment, held against its playbook.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use super::read::{Draft, LeftOut, Meant, Said};
use super::{Change, Environment, What, merge, sources};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, line_number, nearest, quoted, suggest};
use crate::inventory::Origin;
use crate::playbook::value::Misfit;
use crate::playbook::{CheckedPlaybook, Span, is_name};

impl Environment {
    /// Reads an environment for a playbook; `file` is what mistakes call it, and what its paths are relative to.
    ///
    /// # Errors
    /// All mistakes, of shape and of meaning.
    pub fn read(file: &str, text: &str, playbook: &CheckedPlaybook) -> Result<Environment, Diagnostics> {
        Draft::read(file, text).held(playbook)
    }
}

impl Draft {
    /// The environment for this playbook.
    ///
    /// # Errors
    /// All mistakes, of its form and those that the playbook shows.
    pub fn held(mut self, playbook: &CheckedPlaybook) -> Result<Environment, Diagnostics> {
        let mut holding = Holding {
            file: &self.file,
            text: &self.text,
            playbook,
            mistakes: std::mem::take(&mut self.mistakes),
        };
        if let Some(meant) = &self.meant {
            holding.meant(meant);
        }
        let mut vars = Vec::new();
        let mut groups: IndexMap<String, Vec<Arc<Change>>> = IndexMap::new();
        for said in &self.vars {
            let Some(change) = holding.change(said) else { continue };
            match &said.group {
                Some(group) => groups.entry(group.to_string()).or_default().push(Arc::new(change)),
                None => vars.push(Arc::new(change)),
            }
        }
        let disabled = holding.disabled(&self.disabled);
        let mistakes = holding.mistakes;
        match &self.name {
            Some(name) if mistakes.is_empty() => Ok(Environment {
                name: name.clone(),
                text: self.text,
                vars,
                groups,
                disabled,
                policy: self.policy,
            }),
            _ => Err(self.told(mistakes)),
        }
    }
}

/// What to do with an environment that is for something else.
const OTHERWISE: &str = "choose another environment, or change `for`";

struct Holding<'h> {
    file: &'h str,
    text: &'h str,
    playbook: &'h CheckedPlaybook,
    mistakes: Vec<Diagnostic>,
}

impl Holding<'_> {
    fn mistake(&mut self, code: Code, span: Span, message: impl Into<String>, help: Option<String>) {
        self.mistakes
            .push(Diagnostic::error(code, span, message).maybe_help(help));
    }

    fn meant(&mut self, meant: &Meant) {
        let name = meant.playbook.as_str();
        if name != self.playbook.name() {
            let message = format!("it is for {}, the playbook is `{}`", quoted(name), self.playbook.name());
            let meant_so = nearest(name, [self.playbook.name()]).map(|near| format!("did you mean `{near}`?"));
            self.mistake(
                Code::NotForPlaybook,
                meant.span,
                message,
                meant_so.or(Some(OTHERWISE.to_owned())),
            );
            return;
        }
        let version = self.playbook.version();
        for (sign, bound) in &meant.versions {
            let fits = match sign.as_str() {
                ">=" => version >= *bound,
                ">" => version > *bound,
                "<=" => version <= *bound,
                "<" => version < *bound,
                _ => version == *bound,
            };
            if !fits {
                let message = format!("it is for version {sign}{bound} of `{name}`, the playbook is version {version}");
                self.mistake(Code::NotForPlaybook, meant.span, message, Some(OTHERWISE.to_owned()));
            }
        }
    }

    fn change(&mut self, said: &Said) -> Option<Change> {
        let name = said.name.as_str();
        let Some(var) = self.playbook.vars().get(name) else {
            let message = format!("the playbook declares no variable {}", quoted(name));
            let help = suggest(name, self.playbook.vars().keys().map(String::as_str));
            self.mistake(Code::NotDeclared, said.key, message, help);
            return None;
        };
        let folder = Path::new(self.file).parent().unwrap_or(Path::new(""));
        let (kind, json) = (&var.kind.value, said.value.json());
        let read = match () {
            () if merge::is_merge(&json) => merge::check(kind, &json)
                .and_then(|()| match &said.group {
                    None => merge::over(kind, var.default.as_ref(), &json).map(drop),
                    // Below it is what the inventory says of the group.
                    Some(_) => Ok(()),
                })
                .map(|()| What::Merge(json))
                .map_err(|misfit| (Code::Merge, misfit)),
            () if kind.is_secret() => sources(kind, &json, folder)
                .map(What::Secret)
                .map_err(|misfit| (Code::SecretSource, misfit)),
            () => var
                .decode(&json)
                .map(What::Value)
                .map_err(|misfit| (Code::VariableValue, misfit)),
        };
        let what = read.map_err(|(code, Misfit { path, why, help })| {
            let at = said.value.follow(&path).span;
            self.mistake(code, at, format!("variable `{name}`: {why}"), help);
        });
        Some(Change {
            name: said.name.clone(),
            group: said.group.clone(),
            origin: Origin {
                file: Arc::from(self.file),
                line: u32::try_from(line_number(self.text, said.key)).ok(),
            },
            what: what.ok()?,
        })
    }

    /// The steps that are left out, each with why.
    fn disabled(&mut self, left_out: &[LeftOut]) -> BTreeMap<String, String> {
        let mut disabled = BTreeMap::new();
        for LeftOut { step, key, why } in left_out {
            if !is_name(step) || !self.playbook.has_step(step) {
                let message = format!("no step has the id {}", quoted(step));
                let help = suggest(step, self.playbook.disablable());
                self.mistake(Code::UnknownStep, *key, message, help);
                continue;
            }
            disabled.insert(step.clone(), why.clone());
        }
        for (id, (why, help)) in self.playbook.cannot_disable(&disabled) {
            if let Some(left_out) = left_out.iter().find(|left_out| left_out.step == id) {
                self.mistake(Code::Disable, left_out.key, why, help);
            }
        }
        disabled
    }
}
