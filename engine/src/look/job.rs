//! One step's module with its parameters made, on its way through a task of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::gaps::Gaps;
use crate::finding::Artifact;
use crate::host::HostView;
use crate::module::{Module, Ran};
use crate::playbook::Recipe;
use crate::template::{EvalError, Expression, Held, Scope};

/// The items that one `foreach` may have.
const ITEMS: usize = 10_000;

/// A module with the parameters of each of its runs.
#[derive(Clone)]
pub(super) struct Job {
    module: Module,
    /// One, or of a `foreach` one for each item.
    params: Vec<Value>,
    is_list: bool,
}

impl Job {
    /// Makes the parameters.
    ///
    /// # Errors
    /// When an expression has no value, or `foreach` has too many items.
    pub(super) fn new(
        module: &Module,
        with: &[(String, Recipe)],
        foreach: Option<&Expression>,
        scope: &Scope,
    ) -> Result<Job, String> {
        let params = match foreach {
            None => vec![made(with, scope).map_err(|e| e.to_string())?],
            Some(foreach) => {
                let items = foreach.items(scope).map_err(|e| e.to_string())?;
                if items.len() > ITEMS {
                    return Err(format!("`foreach` has {} items, {ITEMS} is the limit", items.len()));
                }
                let mut scope = scope.clone();
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| {
                        scope.item = Some((Held::new(item), index));
                        made(with, &scope)
                    })
                    .collect::<Result<Vec<Value>, EvalError>>()
                    .map_err(|e| e.to_string())?
            }
        };
        Ok(Job {
            module: module.clone(),
            params,
            is_list: foreach.is_some(),
        })
    }

    /// The parameters of the first run.
    pub(super) fn into_params(self) -> Value {
        self.params.into_iter().next().unwrap_or(Value::Null)
    }

    /// What must not come back, by its parameters.
    pub(super) fn seeks(self) -> Vec<Artifact> {
        let module = self.module.erased();
        self.params
            .into_iter()
            .flat_map(|params| module.seeks(params))
            .collect()
    }

    /// Runs the module, until nobody waits for it any more; an analyzer is given no host.
    pub(super) async fn all(self, host: Arc<dyn HostView>, given_up: &AtomicBool) -> Result<Ran, String> {
        let host = match self.module {
            Module::Analyzer(_) | Module::Question(_) => None,
            Module::Collector(_) | Module::Responder(_) => Some(host.as_ref()),
        };
        let module = self.module.erased();
        let mut outputs = Vec::with_capacity(self.params.len());
        let mut gaps = Gaps::default();
        let (mut findings, mut proposals, mut verdict) = (Vec::new(), Vec::new(), None);
        for params in self.params {
            if given_up.load(Ordering::Relaxed) {
                return Err("nobody waits for it any more".to_owned());
            }
            let ran = module.run(host, params).await.map_err(|e| e.to_string())?;
            outputs.push(ran.output);
            findings.extend(ran.findings);
            proposals.extend(ran.proposals);
            gaps.unite(&ran.coverage);
            verdict = ran.verdict.or(verdict);
        }
        let output = match self.is_list {
            true => Value::Array(outputs),
            false => outputs.pop().unwrap_or(Value::Null),
        };
        Ok(Ran {
            output,
            findings,
            coverage: gaps.into_coverage(),
            verdict,
            proposals,
        })
    }
}

fn made(with: &[(String, Recipe)], scope: &Scope) -> Result<Value, EvalError> {
    with.iter()
        .map(|(name, recipe)| Ok((name.clone(), recipe.value(scope)?)))
        .collect::<Result<serde_json::Map<_, _>, _>>()
        .map(Value::Object)
}
