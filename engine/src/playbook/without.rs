//! Steps that an environment leaves out: never one that guards, judges or proves, and none that another needs.

use std::collections::BTreeMap;

use super::Phase;
use super::checked::{CheckedBody, CheckedPlaybook, CheckedStep};
use crate::module::Module;

impl CheckedPlaybook {
    /// Whether a step has this id.
    pub(crate) fn has_step(&self, id: &str) -> bool {
        self.steps.iter().any(|step| step.id.as_deref() == Some(id))
    }

    /// The ids of the steps that can be left out as they are.
    pub(crate) fn disablable(&self) -> impl Iterator<Item = &str> {
        let steps = self.steps.iter().filter(|step| guards(step).is_none());
        steps.filter_map(|step| step.id.as_deref())
    }

    /// Of these ids those that cannot be left out: why, and what to do.
    pub(crate) fn cannot_disable(&self, ids: &BTreeMap<String, String>) -> BTreeMap<String, (String, Option<String>)> {
        let out = |step: &CheckedStep| step.id.as_deref().is_some_and(|id| ids.contains_key(id));
        let mut refused = BTreeMap::new();
        for (number, step) in self.steps.iter().enumerate().filter(|(_, step)| out(step)) {
            let id = step.id.clone().unwrap_or_default();
            if let Some(what) = guards(step) {
                let why = format!("step `{id}` {what}: an environment cannot take that away");
                refused.insert(id, (why, None));
                continue;
            }
            // What may be skipped in any case is referred to with a guard: `check` saw to it.
            if step.when.is_some() || step.instead_of.is_some() {
                continue;
            }
            let needs = |other: &&CheckedStep| !out(other) && other.refers.contains(&number);
            if let Some(other) = self.steps.iter().find(needs) {
                let why = format!("step `{id}` is needed: {} refers to it", other.place());
                let help = other
                    .id
                    .as_ref()
                    .map(|id| format!("leave `{id}` out too, if that is meant"));
                refused.insert(id, (why, help));
            }
        }
        refused
    }

    /// The same playbook without these steps, by id; they are skipped as if their `when` did not hold.
    ///
    /// # Errors
    /// When one of them cannot be left out, with why.
    pub fn without(mut self, ids: &BTreeMap<String, String>) -> Result<CheckedPlaybook, String> {
        if let Some((why, _)) = self.cannot_disable(ids).into_values().next() {
            return Err(why);
        }
        if let Some(id) = ids.keys().find(|id| !self.has_step(id)) {
            return Err(format!("no step has the id `{id}`"));
        }
        for step in &mut self.steps {
            step.is_left_out |= step.id.as_deref().is_some_and(|id| ids.contains_key(id));
        }
        Ok(self)
    }
}

/// What a step does that must not be taken away; `None` where it only looks or proposes.
fn guards(step: &CheckedStep) -> Option<&'static str> {
    match &step.body {
        _ if step.phase == Phase::Verify => Some("proves"),
        CheckedBody::Use { module, .. } => match module {
            Module::Collector(_) | Module::Responder(_) => None,
            Module::Analyzer(_) => Some("judges"),
            Module::Question(_) => Some("asks a person"),
        },
        CheckedBody::Let(_) => Some("computes"),
        CheckedBody::Stop { .. } => Some("stops"),
        CheckedBody::Assert { .. } => Some("asserts"),
    }
}
