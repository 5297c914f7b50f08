//! Taking a row of steps: side by side where they do not refer to each other, recorded in their order.

use std::sync::Arc;

use deminer_worker::query::Coverage;
use serde_json::{Map, Value};
use tokio::task::JoinSet;

use super::gaps::{Gaps, forbids_clean};
use super::job::{Job, JobEnd};
use super::session::{Failure, Given, Session};
use crate::event::{EventKind, EventSink, SinkError, StepEnd};
use crate::finding::HostVerdict;
use crate::module::Ran;
use crate::playbook::{CheckedBody, CheckedStep};
use crate::template::{EvalError, Held};

/// The steps that run side by side on one host.
const TOGETHER: usize = 8;
/// What the kept outputs of one host may weigh: bytes of text, and 32 for each value.
const KEPT_BYTES: usize = 512 << 20;
/// What a failure may say.
const WHY_CHARS: usize = 1000;

/// How a row of steps ended.
pub(super) enum RowEnd {
    Through,
    Stopped(String),
    /// With the number of steps of the row that were taken, the failed one included.
    Failed(Failure, usize),
}

/// What became of a step.
enum Outcome {
    Ran {
        given: Box<Given>,
        output: Option<Value>,
        took_ms: u64,
    },
    Skipped,
    Stopped(String),
    Failed(String),
}

impl Session {
    /// Takes steps in order. Neighbours that do not refer to each other run side by side; `let`, `stop` and `assert`
    /// wait for all before them, and so does a new phase.
    pub(super) async fn take(&mut self, row: &[usize], sink: &mut dyn EventSink) -> Result<RowEnd, SinkError> {
        let checked = Arc::clone(&self.checked);
        let steps = checked.steps();
        for number in row {
            self.forget(*number);
        }
        let mut rest = row;
        while let Some(first) = rest.first() {
            let together = match &steps[*first].body {
                CheckedBody::Use { .. } => rest
                    .iter()
                    .take(TOGETHER)
                    .take_while(|n| {
                        let step = &steps[**n];
                        matches!(step.body, CheckedBody::Use { .. })
                            && step.phase == steps[*first].phase
                            && !step.refers.iter().any(|other| other >= first && rest.contains(other))
                    })
                    .count()
                    .max(1),
                _ => 1,
            };
            let (batch, behind) = rest.split_at(together);
            rest = behind;
            let outcomes = self.batch(batch, steps).await;
            let mut end = None;
            for (number, outcome) in batch.iter().zip(outcomes) {
                let ended = self.keep(*number, &steps[*number], outcome, sink)?;
                end = end.or(ended);
            }
            match end {
                Some(RowEnd::Failed(failure, _)) => return Ok(RowEnd::Failed(failure, row.len() - rest.len())),
                Some(end) => return Ok(end),
                None => {}
            }
        }
        Ok(RowEnd::Through)
    }

    /// The outcomes of some steps, in their order.
    async fn batch(&self, batch: &[usize], steps: &[CheckedStep]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(batch.len());
        let mut running = JoinSet::new();
        for (at, number) in batch.iter().enumerate() {
            outcomes.push(match self.prepare(&steps[*number]) {
                Ok(job) => {
                    let run = job.run(Arc::clone(&self.host), Arc::clone(&self.clock));
                    running.spawn(async move { (at, run.await) });
                    None
                }
                Err(outcome) => Some(outcome),
            });
        }
        while let Some(ended) = running.join_next().await {
            // A task that ended by a panic has no number; the place that it leaves empty is filled below.
            if let Ok((at, end)) = ended
                && let Some(outcome) = outcomes.get_mut(at)
            {
                *outcome = Some(self.ended(&steps[batch[at]], end));
            }
        }
        outcomes
            .into_iter()
            .map(|outcome| {
                outcome.unwrap_or_else(|| Outcome::Failed("the module broke off: a defect of this program".to_owned()))
            })
            .collect()
    }

    /// A job for a step that uses a module; what is decided here already is an outcome.
    fn prepare(&self, step: &CheckedStep) -> Result<Job, Outcome> {
        if let Some(lost) = step.refers.iter().find(|n| self.failed.contains(n)) {
            let name = &self.checked.steps()[*lost].name;
            return Err(Outcome::Failed(format!("it needs step `{name}`, which failed")));
        }
        if let Some(when) = &step.when {
            match when.holds(&self.scope) {
                Ok(true) => {}
                Ok(false) => return Err(Outcome::Skipped),
                Err(error) => return Err(Outcome::Failed(error.to_string())),
            }
        }
        match &step.body {
            CheckedBody::Use { module, with } => {
                Job::new(module, with, step.foreach.as_ref(), &self.scope).map_err(Outcome::Failed)
            }
            CheckedBody::Let(values) => {
                let output = values
                    .iter()
                    .map(|(name, expression)| Ok((name.clone(), expression.value(&self.scope)?)))
                    .collect::<Result<Map<_, _>, EvalError>>();
                Err(match output {
                    Ok(output) => self.computed(step, Some(Value::Object(output))),
                    Err(error) => Outcome::Failed(error.to_string()),
                })
            }
            CheckedBody::Stop(reason) => Err(Outcome::Stopped(reason.clone())),
            CheckedBody::Assert { holds, message } => Err(match holds.holds(&self.scope) {
                Ok(true) => self.computed(step, None),
                Ok(false) if message == holds.text() => Outcome::Failed(format!("`{message}` does not hold")),
                Ok(false) => Outcome::Failed(format!("{message} (`{}` does not hold)", holds.text())),
                Err(error) => Outcome::Failed(error.to_string()),
            }),
        }
    }

    fn computed(&self, step: &CheckedStep, output: Option<Value>) -> Outcome {
        let ran = Ran {
            output: Value::Null,
            findings: Vec::new(),
            coverage: Coverage::whole(),
            verdict: None,
            proposals: Vec::new(),
        };
        Outcome::Ran {
            given: Box::new(self.given_by(step, ran)),
            output,
            took_ms: 0,
        }
    }

    fn given_by(&self, step: &CheckedStep, ran: Ran) -> Given {
        let mut united = Gaps::default();
        united.unite(&ran.coverage);
        for other in step.refers.iter().filter_map(|n| self.given.get(n)) {
            united.unite(&other.united);
        }
        Given {
            findings: ran.findings,
            own: ran.coverage,
            united: united.into_coverage(),
            verdict: ran.verdict,
            proposals: ran.proposals,
            weight: 0,
        }
    }

    /// What a job's end means: `clean` over a gap that could hide a miner becomes `cannot_say`, in the word and in what
    /// later steps read as `steps.ID.host`.
    fn ended(&self, step: &CheckedStep, end: JobEnd) -> Outcome {
        let mut ran = match end.result {
            Ok(ran) => ran,
            Err(why) => return Outcome::Failed(why),
        };
        let mut output = std::mem::take(&mut ran.output);
        let mut given = Box::new(self.given_by(step, ran));
        if given.verdict.is_some() && given.united.gaps.iter().any(forbids_clean) {
            if let Some(verdict) = given.verdict.as_mut().filter(|v| v.host == HostVerdict::Clean) {
                verdict.host = HostVerdict::CannotSay;
            }
            unclean(&mut output);
        }
        Outcome::Ran {
            given,
            // What nothing refers to is not kept.
            output: Some(output).filter(|_| step.wanted),
            took_ms: end.took_ms,
        }
    }

    fn forget(&mut self, number: usize) {
        self.given.remove(&number);
        self.failed.remove(&number);
        if let Some(id) = &self.checked.steps()[number].id {
            self.scope.steps.remove(id);
        }
    }

    /// Records an outcome and makes it known to later steps.
    fn keep(
        &mut self,
        number: usize,
        step: &CheckedStep,
        outcome: Outcome,
        sink: &mut dyn EventSink,
    ) -> Result<Option<RowEnd>, SinkError> {
        let (end, row_end) = match self.within_memory(outcome) {
            Outcome::Ran { given, output, took_ms } => {
                let end = StepEnd::Ok {
                    took_ms,
                    coverage: given.own.clone(),
                    findings: given.findings.iter().map(|f| f.id.as_str().to_owned()).collect(),
                };
                self.given.insert(number, *given);
                if let (Some(id), Some(output)) = (&step.id, output) {
                    self.scope.steps.insert(id.clone(), Held::new(output));
                }
                (end, None)
            }
            Outcome::Skipped => (StepEnd::Skipped {}, None),
            Outcome::Stopped(reason) => (
                StepEnd::Stopped { reason: reason.clone() },
                Some(RowEnd::Stopped(reason)),
            ),
            Outcome::Failed(why) => {
                let why = self.said(why);
                self.failed.insert(number);
                let failure = Failure {
                    place: step.place(),
                    why: why.clone(),
                };
                (StepEnd::Failed { why }, Some(RowEnd::Failed(failure, 0)))
            }
        };
        let event = EventKind::StepRan {
            phase: step.phase,
            step: step.name.clone(),
            round: self.scope.round,
            end,
        };
        self.record(sink, event)?;
        Ok(row_end)
    }

    /// Weighs what is to be kept; one value too many is a failure of its step.
    fn within_memory(&self, outcome: Outcome) -> Outcome {
        let Outcome::Ran {
            mut given,
            output: Some(output),
            took_ms,
        } = outcome
        else {
            return outcome;
        };
        given.weight = weight(&output);
        let kept: usize = self.given.values().map(|given| given.weight).sum();
        if kept.saturating_add(given.weight) > KEPT_BYTES {
            return Outcome::Failed(format!("what this host gave is more than {} MiB", KEPT_BYTES >> 20));
        }
        Outcome::Ran {
            given,
            output: Some(output),
            took_ms,
        }
    }

    /// A reason as it may be kept: bounded, no secret in it.
    pub(super) fn said(&self, why: String) -> String {
        let why = self.vars.masked(why);
        let mut said: String = why
            .chars()
            .take(WHY_CHARS)
            .flat_map(|c| {
                if c.is_control() {
                    c.escape_default().collect::<Vec<_>>()
                } else {
                    vec![c]
                }
            })
            .collect();
        if why.chars().nth(WHY_CHARS).is_some() {
            said.push_str("...");
        }
        said
    }
}

/// Takes the word `clean` back where an analyzer's output repeats its verdict as `host`.
fn unclean(output: &mut Value) {
    match output {
        Value::Array(items) => items.iter_mut().for_each(unclean),
        Value::Object(fields) => {
            if let Some(word) = fields.get_mut("host").filter(|word| **word == "clean") {
                *word = Value::from(HostVerdict::CannotSay.to_string());
            }
        }
        _ => {}
    }
}

/// About the bytes that a value takes.
fn weight(value: &Value) -> usize {
    32 + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + weight(value)).sum(),
        _ => 0,
    }
}
