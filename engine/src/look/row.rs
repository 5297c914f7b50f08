//! Taking a row of steps: side by side where they do not refer to each other, recorded in their order.

use std::borrow::Cow;
use std::sync::Arc;

use deminer_worker::query::Coverage;
use deminer_worker::text::Wide;
use serde_json::{Map, Value};
use tokio::task::JoinSet;

use super::drive::{BROKE_OFF, Broken, Drive, DriveEnd};
use super::gaps::{Gaps, forbids_clean};
use super::job::Job;
use super::session::{Failure, Given, Session};
use crate::ask::{Answered, Question};
use crate::event::{EventKind, EventSink, SinkError, StepEnd};
use crate::finding::{Finding, HostVerdict};
use crate::module::Ran;
use crate::playbook::{CheckedBody, CheckedStep, OnFailure};
use crate::template::{EvalError, Held, Scope, weight};

/// The steps that run side by side on one host.
const TOGETHER: usize = 8;
/// What the kept outputs of one host may weigh, wherever they are held.
const KEPT_BYTES: usize = 512 << 20;
/// Why a step failed whose findings rest on a secret.
const NOT_TOLD: &str = "what it found cannot be told without a secret";
/// What a failure may say.
const WHY_CHARS: usize = 1000;

/// How a row of steps ended.
pub(super) enum RowEnd {
    Through,
    Stopped {
        reason: String,
        hand_over: Vec<String>,
    },
    /// With the number of steps of the row that were taken, the failed one included.
    Failed(Failure, usize),
}

/// What became of a step.
enum Outcome {
    Ran {
        given: Box<Given>,
        output: Option<Value>,
        took_ms: u64,
        tries: u32,
        answered: Option<Box<Answered>>,
    },
    Skipped,
    Stopped {
        reason: String,
        hand_over: Vec<String>,
    },
    Failed(Broken),
}

/// What a step is on its way as.
enum Work {
    Drive(Box<Drive>),
    Question(Question),
}

impl Session {
    /// Takes steps in order. Neighbours that do not refer to each other run side by side; `let`, `stop`, `assert` and
    /// questions wait for all before them, and so does a new phase.
    pub(super) async fn take(&mut self, row: &[usize], sink: &mut dyn EventSink) -> Result<RowEnd, SinkError> {
        let checked = Arc::clone(&self.checked);
        let steps = checked.steps();
        for number in row {
            self.forget(*number);
        }
        let mut rest = row;
        while let Some(first) = rest.first() {
            let together = match &steps[*first].body {
                CheckedBody::Use { .. } if !steps[*first].asks() => rest
                    .iter()
                    .take(TOGETHER)
                    .take_while(|n| {
                        let step = &steps[**n];
                        matches!(step.body, CheckedBody::Use { .. })
                            && !step.asks()
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
            outcomes.push(match self.prepare(*number, &steps[*number]) {
                Ok(Work::Drive(drive)) => {
                    running.spawn(async move { (at, drive.run().await) });
                    None
                }
                Ok(Work::Question(question)) => Some(self.put(&steps[*number], &question).await),
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
            .map(|outcome| outcome.unwrap_or_else(|| Outcome::Failed(Broken::from(BROKE_OFF.to_owned()))))
            .collect()
    }

    /// A step that uses a module or asks, made ready; what is decided here already is an outcome.
    fn prepare(&self, number: usize, step: &CheckedStep) -> Result<Work, Outcome> {
        let failed = |why: String| Outcome::Failed(Broken::from(why));
        if step.is_left_out {
            return Err(Outcome::Skipped);
        }
        if step.instead_of.is_some_and(|owner| !self.missing.contains(&owner)) {
            return Err(Outcome::Skipped);
        }
        if let Some(lost) = step.refers.iter().find(|n| self.failed.contains(n)) {
            let name = &self.checked.steps()[*lost].name;
            return Err(failed(format!("it needs step `{name}`, which failed")));
        }
        let scope = match self.sees(step.frame) {
            Ok(Some(scope)) => scope,
            Ok(None) => return Err(Outcome::Skipped),
            Err(why) => return Err(failed(why)),
        };
        if let Some(when) = &step.when {
            match when.holds(&scope) {
                Ok(true) => {}
                Ok(false) => return Err(Outcome::Skipped),
                Err(error) => return Err(failed(error.to_string())),
            }
        }
        match &step.body {
            CheckedBody::Use { module, with } => {
                let job = Job::new(module, with, step.foreach.as_ref(), &scope).map_err(failed)?;
                if step.asks() {
                    let host = self.host.name();
                    let question = Question::of(host, &step.name, job.into_params()).map_err(failed)?;
                    return Ok(Work::Question(question));
                }
                Ok(Work::Drive(Box::new(Drive {
                    job,
                    host: Arc::clone(&self.host),
                    clock: Arc::clone(&self.lent.clock),
                    checked: Arc::clone(&self.checked),
                    number,
                    scope: scope.into_owned(),
                })))
            }
            CheckedBody::Let(values) => {
                let output = values
                    .iter()
                    .map(|(name, expression)| Ok((name.clone(), expression.value(&scope)?)))
                    .collect::<Result<Map<_, _>, EvalError>>();
                Err(match output {
                    Ok(output) => self.computed(step, Some(Value::Object(output))),
                    Err(error) => failed(error.to_string()),
                })
            }
            CheckedBody::Stop { reason, hand_over } => Err(Outcome::Stopped {
                reason: reason.clone(),
                hand_over: hand_over.clone(),
            }),
            CheckedBody::Assert { holds, message } => Err(match holds.holds(&scope) {
                Ok(true) => self.computed(step, None),
                Ok(false) if message == holds.text() => failed(format!("`{message}` does not hold")),
                Ok(false) => failed(format!("{message} (`{}` does not hold)", holds.text())),
                Err(error) => failed(error.to_string()),
            }),
        }
    }

    /// What the steps of a file see; `None` where it, or a file around it, is included under a `when` that does not hold.
    fn sees(&self, frame: usize) -> Result<Option<Cow<'_, Scope>>, String> {
        let Some(frame) = frame.checked_sub(1).and_then(|at| self.checked.frames().get(at)) else {
            return Ok(Some(Cow::Borrowed(&self.scope)));
        };
        let Some(outer) = self.sees(frame.outer)? else {
            return Ok(None);
        };
        if let Some(when) = &frame.when
            && !when.holds(&outer).map_err(|error| error.to_string())?
        {
            return Ok(None);
        }
        let values = frame.values.iter().map(|given| {
            let value = given.recipe.value(&outer).map_err(|error| error.to_string())?;
            let value = given.var.decode(&value);
            let value = value.map_err(|misfit| format!("variable `{}`: {}", given.name, misfit.why))?;
            Ok((given.name.clone(), value))
        });
        let values = values.collect::<Result<Map<_, _>, String>>()?;
        let mut scope = outer.into_owned();
        scope.vars = Held::new(Value::Object(values));
        Ok(Some(Cow::Owned(scope)))
    }

    /// What the steps of a file see of its variables, as far as they can be made, whether or not it is included now.
    pub(super) fn sees_values(&self, frame: usize) -> Cow<'_, Scope> {
        let Some(frame) = frame.checked_sub(1).and_then(|at| self.checked.frames().get(at)) else {
            return Cow::Borrowed(&self.scope);
        };
        let outer = self.sees_values(frame.outer);
        let values = frame.values.iter().filter_map(|given| {
            let value = given.recipe.value(&outer).ok()?;
            Some((given.name.clone(), given.var.decode(&value).ok()?))
        });
        let values = values.collect::<Map<_, _>>();
        let mut scope = outer.into_owned();
        scope.vars = Held::new(Value::Object(values));
        Cow::Owned(scope)
    }

    /// Puts a question; no secret is shown with it.
    async fn put(&self, step: &CheckedStep, question: &Question) -> Outcome {
        let question = Question {
            question: self.vars.masked(question.question.clone()),
            ..question.clone()
        };
        let begun = (self.lent.clock)();
        let asked = question.put(self.lent.asker.as_ref());
        let reply = match step.timeout {
            None => asked.await.map_err(Broken::from),
            Some(limit) => match tokio::time::timeout(limit, asked).await {
                Ok(reply) => reply.map_err(Broken::from),
                Err(_) => Err(Broken::timed_out(limit)),
            },
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(broken) => return Outcome::Failed(broken),
        };
        let at_ms = (self.lent.clock)();
        let output = serde_json::to_value(&reply).unwrap_or_default();
        let answered = Answered {
            step: step.name.clone(),
            question: question.question,
            answer: reply.answer,
            by: reply.by,
            means: reply.means,
            at_ms: Wide(at_ms),
        };
        match self.computed(step, Some(output)) {
            Outcome::Ran { given, output, .. } => Outcome::Ran {
                given,
                output,
                took_ms: at_ms.saturating_sub(begun),
                tries: 1,
                answered: Some(Box::new(answered)),
            },
            other => other,
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
            tries: 1,
            answered: None,
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

    /// What a step's end means: `clean` over a gap that could hide a miner becomes `cannot_say`, in the word and in what
    /// later steps read as `steps.ID.host`.
    fn ended(&self, step: &CheckedStep, end: DriveEnd) -> Outcome {
        let mut ran = match end.result {
            Ok(ran) => ran,
            Err(broken) => return Outcome::Failed(broken),
        };
        let mut output = std::mem::take(&mut ran.output);
        if step.holds_secret {
            ran.findings = match self.masked_findings(ran.findings) {
                Some(findings) => findings,
                None => return Outcome::Failed(Broken::from(NOT_TOLD.to_owned())),
            };
            output = self.vars.masked_value(output);
        }
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
            tries: end.tries,
            answered: None,
        }
    }

    /// Findings of a step that holds a secret, as they may be told; `None` where one is none without it.
    fn masked_findings(&self, findings: Vec<Finding>) -> Option<Vec<Finding>> {
        let masked = |finding| serde_json::from_value(self.vars.masked_value(serde_json::to_value(finding).ok()?)).ok();
        findings.into_iter().map(masked).collect()
    }

    fn forget(&mut self, number: usize) {
        self.given.remove(&number);
        self.failed.remove(&number);
        self.missing.remove(&number);
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
        let (outcome, held) = self.hold(step, outcome);
        let (end, row_end) = match outcome {
            Outcome::Ran {
                given,
                took_ms,
                tries,
                answered,
                ..
            } => {
                if let Some(answered) = answered {
                    self.answers.push((*answered).clone());
                    self.record(sink, EventKind::Answered { answered: *answered })?;
                }
                let end = StepEnd::Ok {
                    took_ms,
                    coverage: given.own.clone(),
                    findings: given.findings.iter().map(|f| f.id.as_str().to_owned()).collect(),
                    tries,
                };
                self.given.insert(number, *given);
                if let (Some(id), Some(held)) = (&step.id, held) {
                    self.scope.steps.insert(id.clone(), held);
                }
                (end, None)
            }
            Outcome::Skipped => (StepEnd::Skipped {}, None),
            Outcome::Stopped { reason, hand_over } => {
                let end = StepEnd::Stopped {
                    reason: reason.clone(),
                    hand_over: hand_over.clone(),
                };
                (end, Some(RowEnd::Stopped { reason, hand_over }))
            }
            Outcome::Failed(broken) => self.broken(number, step, broken),
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

    /// A failure ends the row, or leaves a gap. What the last look of an `until` saw is seen either way.
    fn broken(&mut self, number: usize, step: &CheckedStep, broken: Broken) -> (StepEnd, Option<RowEnd>) {
        let Broken { why, gap, last } = broken;
        let why = self.said(why);
        let went_on = step.on_failure == OnFailure::GoOn;
        let (findings, mut coverage) = last.map_or_else(Default::default, |ran| (ran.findings, ran.coverage));
        if went_on {
            coverage.note("step", step.name.as_str(), gap);
        }
        let seen = Ran {
            output: Value::Null,
            findings,
            coverage,
            verdict: None,
            proposals: Vec::new(),
        };
        let seen = self.given_by(step, seen);
        self.given.insert(number, seen);
        let end = StepEnd::Failed {
            why: why.clone(),
            went_on,
        };
        if went_on {
            self.missing.insert(number);
            return (end, None);
        }
        self.failed.insert(number);
        let place = step.place();
        (end, Some(RowEnd::Failed(Failure { place, why }, 0)))
    }

    /// Takes the output out of an outcome and holds it. One too many, or one that cannot be held, is a failure of its step.
    fn hold(&self, step: &CheckedStep, mut outcome: Outcome) -> (Outcome, Option<Arc<Held>>) {
        let Outcome::Ran { given, output, .. } = &mut outcome else {
            return (outcome, None);
        };
        let Some(output) = output.take().filter(|_| step.id.is_some()) else {
            return (outcome, None);
        };
        given.weight = weight(&output);
        let kept: usize = self.given.values().map(|given| given.weight).sum();
        let failed = |why: String| (Outcome::Failed(Broken::from(why)), None);
        if kept.saturating_add(given.weight) > KEPT_BYTES {
            return failed(format!("what this host gave is more than {} MiB", KEPT_BYTES >> 20));
        }
        match self.lent.outputs.hold(output, given.weight) {
            Ok(held) => (outcome, Some(held)),
            Err(error) => failed(error.to_string()),
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
