//! What was seen of one host, and the later looks that build on it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use deminer_worker::query::{Coverage, HostFacts};
use serde_json::{Value, json};

use super::gaps::{Gaps, forbids_clean};
use super::job::Job;
use super::row::RowEnd;
use super::{Lent, LookEnd, Looked, Proposed, RunInfo};
use crate::ask::Answered;
use crate::clock::HostClock;
use crate::event::{EventKind, EventSink, SinkError};
use crate::finding::{Artifact, Finding, HostVerdict, Verdict};
use crate::host::HostView;
use crate::module::Proposal;
use crate::playbook::{BoundVars, CheckedBody, CheckedPlaybook, CheckedStep, Phase};
use crate::policy::Permitted;
use crate::proof::unsought;
use crate::template::{Held, Scope, weight};

/// A step that failed, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Phase and step.
    pub place: String,
    /// Why.
    pub why: String,
}

/// What looking after a strike gave.
#[derive(Debug, Clone, PartialEq)]
pub struct AfterStrike {
    /// Whether `until` holds: no further round is needed. `None` where the playbook does not repeat, or where it could
    /// not be told (then `failure` says why).
    pub until: Option<bool>,
    /// Stated by the steps that look inside `eradicate`.
    pub findings: Vec<Finding>,
    /// What they could not see.
    pub coverage: Coverage,
    /// A step that failed or an `assert` that does not hold; the host is not to be called done.
    pub failure: Option<Failure>,
}

/// What the verify phase gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// All findings of the phase.
    pub findings: Vec<Finding>,
    /// What its steps could not see.
    pub coverage: Coverage,
    /// Steps that failed; the others ran all the same. With one, nothing may be called clean.
    pub failures: Vec<Failure>,
    /// What its steps looked for.
    pub sought: Vec<Artifact>,
}

impl Verification {
    /// Whether something was not seen in which a miner could be: then nothing may be called clean.
    pub fn is_blind(&self) -> bool {
        self.coverage.gaps.iter().any(forbids_clean)
    }
}

/// What a step gave.
pub(super) struct Given {
    pub(super) findings: Vec<Finding>,
    /// Its own gaps.
    pub(super) own: Coverage,
    /// With those of all that it refers to.
    pub(super) united: Coverage,
    pub(super) verdict: Option<Verdict>,
    pub(super) proposals: Vec<Proposal>,
    /// Of its kept output; 0 where none is kept.
    pub(super) weight: usize,
}

/// What was seen of one host, with what is needed to look again.
pub struct Session {
    pub(super) checked: Arc<CheckedPlaybook>,
    pub(super) vars: BoundVars,
    pub(super) lent: Lent,
    pub(super) host: Arc<dyn HostView>,
    facts: HostFacts,
    clock: Option<HostClock>,
    facts_coverage: Coverage,
    pub(super) scope: Scope,
    /// By step number; steps that were skipped or not taken are not there.
    pub(super) given: HashMap<usize, Given>,
    /// Steps that failed, in a phase that goes on.
    pub(super) failed: HashSet<usize>,
    /// Steps that failed and are gone on without, as their `on_error` says.
    pub(super) missing: HashSet<usize>,
    /// What people answered.
    pub(super) answers: Vec<Answered>,
}

impl Session {
    pub(super) fn new(
        checked: Arc<CheckedPlaybook>,
        vars: BoundVars,
        run: &RunInfo,
        lent: Lent,
        host: Arc<dyn HostView>,
        (facts, clock): (HostFacts, Option<HostClock>),
        facts_coverage: Coverage,
    ) -> Session {
        let mut known = serde_json::to_value(&facts).unwrap_or_default();
        if let Some(fields) = known.as_object_mut() {
            fields.insert("name".to_owned(), host.name().into());
            let ahead_ms = clock.map_or(0, |clock| clock.ahead_ms);
            fields.insert("clock_ahead_ms".to_owned(), ahead_ms.into());
        }
        let scope = Scope {
            vars: Held::new(Value::Object(vars.all().clone())),
            host: Held::new(known),
            run: Held::new(json!({"id": run.id, "started_at_ms": run.started_at_ms})),
            steps: HashMap::new(),
            item: None,
            round: 0,
        };
        let host: Arc<dyn HostView> = Arc::new(Permitted::new(host, checked.policy().clone()));
        Session {
            checked,
            vars,
            lent,
            host,
            facts,
            clock,
            facts_coverage,
            scope,
            given: HashMap::new(),
            failed: HashSet::new(),
            missing: HashSet::new(),
            answers: Vec::new(),
        }
    }

    /// Takes a look up again that a plan was made from: what later phases refer to is `results`, not looked at again.
    ///
    /// `facts` are the host's own, as it tells them now.
    pub fn resume(
        checked: &Arc<CheckedPlaybook>,
        vars: &BoundVars,
        run: &RunInfo,
        lent: impl Into<Lent>,
        host: Arc<dyn HostView>,
        (facts, clock): (HostFacts, Option<HostClock>),
        results: &BTreeMap<String, Value>,
    ) -> Session {
        let mut session = Session::new(
            Arc::clone(checked),
            vars.clone(),
            run,
            lent.into(),
            host,
            (facts, clock),
            Coverage::whole(),
        );
        let outputs = session.lent.outputs.clone();
        let held = results.iter().map(|(step, output)| {
            let held = outputs.hold(output.clone(), weight(output));
            // The plan holds it in any case.
            (step.clone(), held.unwrap_or_else(|_| Held::new(output.clone())))
        });
        session.scope.steps.extend(held);
        session.compute_secrets(results);
        session
    }

    /// Computes again what was not written down because secrets are in it, as far as it can be here.
    fn compute_secrets(&mut self, results: &BTreeMap<String, Value>) {
        let checked = Arc::clone(&self.checked);
        for step in checked.steps().iter().filter(|step| step.holds_secret) {
            let (Some(id), CheckedBody::Let(values)) = (&step.id, &step.body) else {
                continue;
            };
            if results.contains_key(id) {
                continue;
            }
            let scope = self.sees_values(step.frame);
            // A value of which a part is not here is left out: what reads it fails, and says so.
            let made: serde_json::Map<_, _> = values
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.value(&scope).ok()?)))
                .collect();
            self.scope.steps.insert(id.clone(), Held::new(Value::Object(made)));
        }
    }

    /// The outputs that steps after the strike, and later rounds, refer to, by step.
    ///
    /// # Errors
    /// When one cannot be read back.
    fn results(&self) -> Result<BTreeMap<String, Value>, Failure> {
        let steps = self.checked.steps();
        let until = self
            .checked
            .repeat()
            .map(|repeat| repeat.until.text())
            .unwrap_or_default();
        let refreshed: &[usize] = self
            .checked
            .repeat()
            .map(|repeat| repeat.refresh.as_slice())
            .unwrap_or_default();
        let later = steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.after_strike || step.phase == Phase::Verify);
        let again = steps.iter().enumerate().filter(|(number, step)| {
            refreshed.contains(number)
                || step.proposes()
                || step.instead_of.is_some_and(|owner| refreshed.contains(&owner))
        });
        let mut wanted: BTreeSet<usize> = later.flat_map(|(_, step)| step.refers.iter().copied()).collect();
        wanted.extend(
            again
                .flat_map(|(_, step)| step.refers.iter().copied())
                .filter(|n| !refreshed.contains(n)),
        );
        let named = steps
            .iter()
            .enumerate()
            .filter_map(|(number, step)| Some((number, step.id.as_deref()?)));
        wanted.extend(
            named
                .filter(|(_, id)| until.contains(&format!("steps.{id}")))
                .map(|(number, _)| number),
        );
        wanted
            .into_iter()
            // What is computed of a secret is computed again.
            .filter(|number| !(steps[*number].holds_secret && matches!(steps[*number].body, CheckedBody::Let(_))))
            .filter_map(|number| {
                let id = steps[number].id.clone()?;
                let output = self.scope.steps.get(&id)?.json().map(Cow::into_owned);
                let output = output.map_err(|error| Failure {
                    place: steps[number].place(),
                    why: self.said(error.to_string()),
                });
                Some(output.map(|output| (id, output)))
            })
            .collect()
    }

    /// The playbook that it follows.
    pub fn playbook(&self) -> &CheckedPlaybook {
        &self.checked
    }

    /// The rounds after the first strike that the playbook allows, the first included.
    pub fn max_rounds(&self) -> u32 {
        self.checked.max_rounds()
    }

    /// The plan's look: all phases up to eradicate, without what looks only after a strike.
    pub(super) async fn first(&mut self, sink: &mut dyn EventSink) -> Result<Looked, SinkError> {
        let row = self.numbers(|step| step.phase <= Phase::Eradicate && !step.after_strike);
        let end = self.take(&row, sink).await?;
        let looked = self.looked(end, sink)?;
        Ok(looked)
    }

    /// A later round's look: the steps that `refresh` names and the responders are taken anew, all else stays as it was
    /// when the plan was made. An `assert` over something taken anew is asked again; a `stop` of the reading phases is
    /// not, since the first round decided it.
    ///
    /// # Errors
    /// When an event cannot be recorded.
    pub async fn round(&mut self, round: u32, sink: &mut dyn EventSink) -> Result<Looked, SinkError> {
        self.scope.round = round;
        self.host.begin_round(round);
        self.record(sink, EventKind::RoundStarted { round })?;
        let mut anew: BTreeSet<usize> = self
            .checked
            .repeat()
            .map(|repeat| repeat.refresh.iter().copied().collect())
            .unwrap_or_default();
        for (number, step) in self.checked.steps().iter().enumerate() {
            let asks = matches!(step.body, CheckedBody::Assert { .. });
            let touched = step.refers.iter().any(|n| anew.contains(n));
            let proposes = step.phase >= Phase::Backup && step.phase <= Phase::Eradicate && !step.after_strike;
            let looks = matches!(step.body, CheckedBody::Use { .. }) && !step.proposes();
            let instead = step.instead_of.is_some_and(|owner| anew.contains(&owner));
            if (proposes && !looks) || (asks && touched && step.phase < Phase::Backup) || instead {
                anew.insert(number);
            }
        }
        let row: Vec<usize> = anew.into_iter().collect();
        let end = self.take(&row, sink).await?;
        self.looked(end, sink)
    }

    /// Looks after a strike: the steps of eradicate that do not propose, then `until`.
    ///
    /// # Errors
    /// When an event cannot be recorded.
    pub async fn after_strike(&mut self, sink: &mut dyn EventSink) -> Result<AfterStrike, SinkError> {
        let row = self.numbers(|step| step.after_strike);
        let end = self.take(&row, sink).await?;
        let mut failure = match end {
            RowEnd::Failed(failure, _) => Some(failure),
            RowEnd::Through | RowEnd::Stopped { .. } => None,
        };
        let mut until = None;
        if let (Some(repeat), None) = (self.checked.repeat(), &failure) {
            match repeat.until.holds(&self.scope) {
                Ok(holds) => until = Some(holds),
                Err(error) => {
                    failure = Some(Failure {
                        place: "phase `eradicate`, `until`".to_owned(),
                        why: self.said(error.to_string()),
                    });
                }
            }
        }
        if let Some(Failure { place, why }) = failure.clone() {
            self.record(sink, EventKind::HostFailed { place, why })?;
        }
        let (findings, coverage) = self.collected(&row);
        Ok(AfterStrike {
            until,
            findings,
            coverage,
            failure,
        })
    }

    /// Runs the verify phase. A step that fails does not end the others, but those that refer to it.
    ///
    /// # Errors
    /// When an event cannot be recorded.
    pub async fn verify(&mut self, sink: &mut dyn EventSink) -> Result<Verification, SinkError> {
        let row = self.numbers(|step| step.phase == Phase::Verify);
        let mut failures = Vec::new();
        let mut rest = row.as_slice();
        loop {
            match self.take(rest, sink).await? {
                RowEnd::Through | RowEnd::Stopped { .. } => break,
                RowEnd::Failed(failure, taken) => {
                    let Failure { place, why } = failure.clone();
                    self.record(sink, EventKind::HostFailed { place, why })?;
                    failures.push(failure);
                    rest = &rest[taken..];
                }
            }
        }
        let (findings, coverage) = self.collected(&row);
        let taken = row.iter().filter(|number| self.given.contains_key(number));
        Ok(Verification {
            findings,
            coverage,
            failures,
            sought: self.sought(taken).unwrap_or_default(),
        })
    }

    /// What these steps look for; `None` where the parameters of one cannot be made now.
    fn sought<'a>(&self, numbers: impl Iterator<Item = &'a usize>) -> Option<Vec<Artifact>> {
        let mut sought = Vec::new();
        for step in numbers.map(|number| &self.checked.steps()[*number]) {
            if let CheckedBody::Use { module, with } = &step.body {
                let scope = self.sees_values(step.frame);
                sought.extend(Job::new(module, with, step.foreach.as_ref(), &scope).ok()?.seeks());
            }
        }
        Some(sought)
    }

    /// What was proposed, and the verify phase will not look for, as far as that is known before a strike.
    fn unproven(&self, proposals: &[Proposed]) -> Coverage {
        let row = self.numbers(|step| step.phase == Phase::Verify);
        // What a later round proposes is not what the plan was made of.
        match self
            .sought(row.iter())
            .filter(|_| !row.is_empty() && self.scope.round == 0)
        {
            Some(sought) => unsought(proposals.iter().map(|proposed| &proposed.proposal.act), &sought),
            None => Coverage::whole(),
        }
    }

    fn numbers(&self, wanted: impl Fn(&CheckedStep) -> bool) -> Vec<usize> {
        let steps = self.checked.steps().iter().enumerate();
        steps
            .filter(|(_, step)| wanted(step))
            .map(|(number, _)| number)
            .collect()
    }

    pub(super) fn record(&self, sink: &mut dyn EventSink, kind: EventKind) -> Result<(), SinkError> {
        sink.record(Some(self.host.name()), kind)
    }

    /// Findings, each once, and own gaps of some steps.
    fn collected(&self, numbers: &[usize]) -> (Vec<Finding>, Coverage) {
        let mut gaps = Gaps::default();
        let mut findings: Vec<Finding> = Vec::new();
        let mut known = HashSet::new();
        for given in numbers.iter().filter_map(|n| self.given.get(n)) {
            gaps.unite(&given.own);
            for finding in &given.findings {
                if known.insert(finding.id.clone()) {
                    findings.push(finding.clone());
                }
            }
        }
        (findings, gaps.into_coverage())
    }

    fn looked(&self, end: RowEnd, sink: &mut dyn EventSink) -> Result<Looked, SinkError> {
        let steps = self.checked.steps();
        let row = self.numbers(|step| step.phase <= Phase::Eradicate && !step.after_strike);
        let (findings, seen) = self.collected(&row);
        let proposals = self.proposals(&row, steps);
        let mut gaps = Gaps::default();
        gaps.unite(&self.facts_coverage);
        gaps.unite(&seen);
        gaps.unite(&self.unproven(&proposals));
        let coverage = gaps.into_coverage();
        let mut verdict = row.iter().rev().find_map(|n| self.given.get(n)?.verdict.clone());
        let (end, results) = match self.results() {
            Ok(results) => (end, results),
            Err(failure) => (RowEnd::Failed(failure, row.len()), BTreeMap::new()),
        };
        let (end, proposals) = match end {
            RowEnd::Failed(Failure { place, why }, _) => {
                if let Some(verdict) = verdict.as_mut().filter(|v| v.host == HostVerdict::Clean) {
                    verdict.host = HostVerdict::CannotSay;
                }
                let failed = EventKind::HostFailed {
                    place: place.clone(),
                    why: why.clone(),
                };
                self.record(sink, failed)?;
                (LookEnd::Failed { place, why }, Vec::new())
            }
            RowEnd::Stopped { reason, hand_over } => (LookEnd::Stopped { reason, hand_over }, proposals),
            RowEnd::Through => (LookEnd::Through, proposals),
        };
        let event = EventKind::Looked {
            verdict: verdict.as_ref().map(|v| v.host),
            findings: findings.clone(),
            coverage: coverage.clone(),
        };
        self.record(sink, event)?;
        Ok(Looked {
            host: self.host.name().to_owned(),
            facts: self.facts.clone(),
            clock: self.clock,
            verdict,
            findings,
            coverage,
            proposals,
            answers: self.answers.clone(),
            results,
            programs: self.programs(),
            end,
        })
    }

    /// The programs of the host that steps of any phase run, each once. Their arguments are the playbook's own words, so
    /// that they are known before the step is taken.
    fn programs(&self) -> Vec<Vec<String>> {
        let mut programs: Vec<Vec<String>> = Vec::new();
        for step in self.checked.steps() {
            let CheckedBody::Use { module, with } = &step.body else {
                continue;
            };
            if module.erased().needs().is_none() {
                continue;
            }
            let scope = self.sees_values(step.frame);
            // What cannot be made here does not run either, or needs what no program's arguments do.
            let made: serde_json::Map<String, Value> = with
                .iter()
                .filter_map(|(name, recipe)| Some((name.clone(), recipe.value(&scope).ok()?)))
                .collect();
            for program in module.erased().runs(&Value::Object(made)) {
                if !programs.contains(&program) {
                    programs.push(program);
                }
            }
        }
        programs
    }

    fn proposals(&self, row: &[usize], steps: &[CheckedStep]) -> Vec<Proposed> {
        row.iter()
            .filter_map(|n| Some((&steps[*n], self.given.get(n)?)))
            .flat_map(|(step, given)| {
                given.proposals.iter().map(|proposal| Proposed {
                    phase: step.phase,
                    step: step.name.clone(),
                    proposal: proposal.clone(),
                })
            })
            .collect()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({}, round {})", self.host.name(), self.scope.round)
    }
}
