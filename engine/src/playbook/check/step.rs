//! One step: its conditions, what it does, whether it may do that here, and what becomes of it where it fails.

use std::collections::BTreeSet;

use deminer_worker::action::Effect;
use indexmap::IndexMap;

use super::super::checked::{CheckedBody, CheckedStep, CheckedUntil, OnFailure, Recipe};
use super::super::expression::{Here, conditions};
use super::super::kind::Kinds;
use super::super::shape::Shape;
use super::super::{Body, OnError, Phase, Span};
use super::entry::Entry;
use super::frame::Frame;
use super::{Checker, Read};
use crate::diagnostic::{Code, Diagnostic, quoted};
use crate::module::Module;
use crate::template::Expression;

impl Checker<'_> {
    pub(super) fn step(&mut self, entry: &Entry<'_>, frames: &[Frame<'_>]) -> Read {
        self.refers = match entry.frame.checked_sub(1).and_then(|at| self.frames.get(at)) {
            Some(frame) => frame.refers.clone(),
            None => IndexMap::new(),
        };
        // The shapes of the roots are lent to what is read inside, which also takes notes in `self`.
        let (host, run) = (self.host.clone(), self.run.clone());
        let (holds, ran) = entry.given(frames);
        let mut here = Here {
            number: entry.number,
            is_behind: false,
            frame: entry.frame,
            phase: entry.phase,
            item: None,
            host: &host,
            run: &run,
            holds,
            ran,
            module: None,
        };
        let step = entry.step;
        let when = self.condition(&entry.label, &here, "when", step.when.as_ref());
        if let Some(when) = &step.when {
            let (holds, ran) = conditions(&when.value, entry.frame);
            here.holds.extend(holds);
            here.ran.extend(ran);
        }
        let foreach = step.foreach.as_ref().and_then(|foreach| {
            let place = format!("{}: `foreach`", entry.label);
            let shape = self.expression(&place, &here, foreach.span, &foreach.value, 0..foreach.value.len());
            let shape = shape.unwrap_or(Shape::Any);
            if !shape.kinds().meets(Kinds::LIST) {
                let message = format!("{place} goes through a list, this is {}", shape.kinds());
                let help = "name the list itself: `foreach: steps.ID.rows`";
                self.mistakes
                    .push(Diagnostic::error(Code::NotList, foreach.span, message).help(help));
            }
            here.item = Some(shape.item());
            Expression::compile(foreach.value.trim())
        });
        let (body, shape) = self.body(entry, &here, frames);
        let shape = match step.foreach {
            Some(_) => Shape::ListOf(Box::new(shape)),
            None => shape,
        };
        if let Some(id) = &step.id
            && let Some(known) = self.names.steps.get_mut(&id.value)
            && known.number == entry.number
        {
            known.shape = shape;
        }
        let until = self.until(entry, &mut here);
        self.on_error(entry);
        let refers = std::mem::take(&mut self.refers);
        let mut numbers: BTreeSet<usize> = refers
            .keys()
            .filter_map(|id| Some(self.names.steps.get(id)?.number))
            .collect();
        numbers.extend(entry.instead_of);
        let whole = when.is_some() == step.when.is_some()
            && foreach.is_some() == step.foreach.is_some()
            && until.is_some() == step.until.is_some();
        let checked = body.filter(|_| whole).map(|body| CheckedStep {
            phase: entry.phase,
            name: entry.name.clone(),
            id: step.id.as_ref().map(|id| id.value.clone()),
            frame: entry.frame,
            when,
            foreach,
            until,
            timeout: step.timeout,
            on_failure: match entry.may_fail() {
                true => OnFailure::GoOn,
                false => OnFailure::End,
            },
            instead_of: entry.instead_of,
            body,
            refers: numbers.into_iter().collect(),
            after_strike: entry.is_after_strike(),
            wanted: false,
            holds_secret: false,
            reads_secret: false,
            is_left_out: false,
        });
        Read { checked, refers }
    }

    fn body(&mut self, entry: &Entry<'_>, here: &Here<'_>, frames: &[Frame<'_>]) -> (Option<CheckedBody>, Shape) {
        match &entry.step.body {
            Body::Use { module, with } => {
                let Some(found) = entry.module else {
                    let message = format!("{}: unknown module {}", entry.label, quoted(&module.value));
                    let names: Vec<&str> = self.registry.iter().map(|m| m.about().name).collect();
                    let near = crate::diagnostic::nearest(&module.value, names);
                    let help = match near {
                        Some(near) => format!("did you mean `{near}`? `deminer modules` shows all"),
                        None => "`deminer modules` shows all".to_owned(),
                    };
                    self.mistakes
                        .push(Diagnostic::error(Code::UnknownModule, module.span, message).help(help));
                    return (None, Shape::Any);
                };
                let may_stand = self.power(entry, found, module.span);
                self.leave(entry, found, module.span);
                let shape = Shape::of_schema(found.erased().params_schema().into());
                let told = self.mistakes.len();
                let recipes = self.params(entry, here, (&module.value, &shape), module.span, with);
                if self.mistakes.len() == told {
                    self.refused(entry, found, &recipes, module.span);
                }
                let body = CheckedBody::Use {
                    module: found.clone(),
                    with: recipes,
                };
                // What a misplaced module gives is not what the author meant.
                let output = match may_stand {
                    true => match found {
                        Module::Question(_) => self.question(entry, module.span, with),
                        _ => Shape::of_schema(found.erased().output_schema().into()),
                    },
                    false => Shape::Any,
                };
                (Some(body), output)
            }
            Body::Let(values) => {
                let mut fields = IndexMap::new();
                let mut compiled = Vec::new();
                for (name, text) in values {
                    let place = format!("{}: `{name}`", entry.label);
                    let shape = self.expression(&place, here, text.span, &text.value, 0..text.value.len());
                    fields.insert(name.clone(), shape.unwrap_or(Shape::Any));
                    compiled.extend(Expression::compile(text.value.trim()).map(|e| (name.clone(), e)));
                }
                let body = (compiled.len() == values.len()).then_some(CheckedBody::Let(compiled));
                (body, Shape::Record(fields))
            }
            Body::Stop { reason, hand_over } => {
                if entry.conditions(frames).0.is_empty() && !entry.is_last {
                    let message = format!("{}: a `stop` without `when` is not the last of its phase", entry.label);
                    let help = "say when it holds, or remove what stands behind it";
                    self.mistakes
                        .push(Diagnostic::error(Code::StopInside, reason.span, message).help(help));
                }
                let body = CheckedBody::Stop {
                    reason: reason.value.clone(),
                    hand_over: hand_over.clone(),
                };
                (Some(body), Shape::Any)
            }
            Body::Assert(text) => {
                let holds = self.condition(&entry.label, here, "assert", Some(text));
                let message = entry.step.name.clone().unwrap_or_else(|| text.value.clone());
                (holds.map(|holds| CheckedBody::Assert { holds, message }), Shape::Any)
            }
            // An include is no step of its own.
            Body::Include { .. } | Body::Unread => (None, Shape::Any),
        }
    }

    /// Whether the module takes what is written out: asked only where all of it is, and nothing was wrong with a part.
    fn refused(&mut self, entry: &Entry<'_>, module: &Module, recipes: &[(String, Recipe)], at: Span) {
        let written: Option<serde_json::Map<String, serde_json::Value>> = recipes
            .iter()
            .map(|(name, recipe)| Some((name.clone(), recipe.written()?)))
            .collect();
        let refused = written.map(serde_json::Value::Object).and_then(|written| {
            let undecoded = module.erased().undecodable(&written);
            undecoded.or_else(|| module.erased().refuses(&written))
        });
        if let Some(why) = refused {
            let message = format!("{}: {why}", entry.label);
            let help = format!("`deminer modules {}` says what it takes", module.about().name);
            self.mistakes
                .push(Diagnostic::error(Code::ParameterValue, at, message).help(help));
        }
    }

    /// Whether the module may stand in the phase.
    fn power(&mut self, entry: &Entry<'_>, module: &Module, at: Span) -> bool {
        let about = module.about();
        let (most, only) = ceiling(entry.phase);
        let fits = |phase: &&Phase| about.effect <= ceiling(**phase).0;
        let phases: Vec<String> = about.phases.iter().filter(fits).map(|p| format!("`{p}`")).collect();
        if about.effect > most {
            let message = format!(
                "{}: `{}` {}, phase `{}` only {only}",
                entry.label,
                about.name,
                does(about.effect),
                entry.phase
            );
            let help = phases.first().map(|phase| format!("move the step to {phase}"));
            self.mistakes
                .push(Diagnostic::error(Code::EffectAbovePhase, at, message).maybe_help(help));
            false
        } else if !about.phases.contains(&entry.phase) {
            let message = format!(
                "{}: `{}` is not made for phase `{}`",
                entry.label, about.name, entry.phase
            );
            let help = match phases.is_empty() {
                true => None,
                false => Some(format!("it may stand in {}", phases.join(", "))),
            };
            self.mistakes
                .push(Diagnostic::error(Code::WrongPhase, at, message).maybe_help(help));
            false
        } else {
            true
        }
    }

    /// Whether what the module does was allowed.
    fn leave(&mut self, entry: &Entry<'_>, module: &Module, at: Span) {
        let Some(leave) = module.erased().needs() else { return };
        if self.registry.policy().allows(leave) {
            return;
        }
        let message = format!(
            "{}: `{}` {}, and nobody allowed it",
            entry.label,
            module.about().name,
            leave.does()
        );
        let help = format!("where it is meant, allow it on the command line: `--allow {leave}`");
        self.mistakes
            .push(Diagnostic::error(Code::NeedsLeave, at, message).help(help));
    }

    /// Reads `until`: only what looks can see something else the next time, and it must be asked about its own result.
    fn until(&mut self, entry: &Entry<'_>, here: &mut Here<'_>) -> Option<CheckedUntil> {
        let until = entry.step.until.as_ref()?;
        let at = until.holds.span;
        match (entry.module, &entry.step.id) {
            (Some(Module::Collector(_)), Some(_)) | (None, _) => {}
            (Some(Module::Collector(_)), None) => {
                let message = format!("{}: `until` asks about the step's own result", entry.label);
                let help = "give the step an `id`, and read `steps.ID` in `until`";
                self.mistakes
                    .push(Diagnostic::error(Code::UntilNotLooking, at, message).help(help));
                return None;
            }
            (Some(module), _) => {
                let message = format!("{}: `{}` does not look at a host", entry.label, module.about().name);
                let help = "`until` repeats a step that looks; to repeat a strike, `eradicate` has `repeat`";
                self.mistakes
                    .push(Diagnostic::error(Code::UntilNotLooking, at, message).help(help));
                return None;
            }
        }
        here.is_behind = true;
        let holds = self.condition(&entry.label, here, "until", Some(&until.holds));
        here.is_behind = false;
        if holds.is_some() && !self.reads_own && entry.module.is_some() {
            let id = entry.step.id.as_ref().map_or("ID", |id| &id.value);
            let message = format!("{}: `until` reads nothing that looking again could change", entry.label);
            let help = format!("let it read the step's own result: `steps.{id}...`");
            self.mistakes
                .push(Diagnostic::error(Code::UntilNotLooking, at, message).help(help));
        }
        Some(CheckedUntil {
            holds: holds?,
            retries: until.retries,
            delay: until.delay,
        })
    }

    /// Checks what may become of the step where it fails, and whether it may run in another's place.
    fn on_error(&mut self, entry: &Entry<'_>) {
        let step = entry.step;
        let at = step.on_error.span;
        if entry.may_fail() && entry.proposes() {
            let message = format!("{}: a step that proposes has no `on_error`", entry.label);
            let help = "remove it: what cannot be proposed ends the plan of this host, and is told";
            self.mistakes
                .push(Diagnostic::error(Code::OnErrorProposal, at, message).help(help));
        }
        let is_list = matches!(step.on_error.value, OnError::Steps(_));
        if is_list && matches!(entry.phase, Phase::Backup | Phase::Eradicate) {
            let message = format!("{}: no steps run in the place of one in `{}`", entry.label, entry.phase);
            let help = "write `on_error: continue`, or let the steps stand in gather, decide, locate or verify";
            self.mistakes
                .push(Diagnostic::error(Code::KeyNotHere, at, message).help(help));
        }
        if entry.instead_of.is_none() {
            return;
        }
        let why = match &step.body {
            _ if is_list => "its own failure has no further steps",
            _ if entry.proposes() => "it proposes",
            Body::Include { .. } => "it includes a file",
            _ => return,
        };
        let message = format!("{}: it cannot run in the place of a failed step: {why}", entry.label);
        let help = "there, steps look, judge, ask, compute or end the playbook";
        self.mistakes
            .push(Diagnostic::error(Code::OnErrorStep, step.span, message).help(help));
    }
}

/// The strongest effect of a phase, and what that is called.
pub(in super::super) fn ceiling(phase: Phase) -> (Effect, &'static str) {
    match phase {
        Phase::Gather | Phase::Verify => (Effect::Read, "reads"),
        // A judgement touches no host: what belongs to a miner may be traced by one.
        Phase::Decide | Phase::Locate => (Effect::Judge, "reads"),
        Phase::Backup => (Effect::Preserve, "keeps evidence"),
        Phase::Eradicate => (Effect::Destroy, "destroys"),
    }
}

fn does(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "reads",
        Effect::Judge => "judges",
        Effect::Preserve => "keeps evidence",
        Effect::Contain => "contains",
        Effect::Destroy => "destroys",
    }
}
