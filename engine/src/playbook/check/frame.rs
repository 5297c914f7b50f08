//! A file that is included: the values that the including step gives its variables.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::super::checked::{CheckedFrame, CheckedVar, Recipe};
use super::super::expression::{Condition, Here, KnownVar};
use super::super::include::Part;
use super::super::shape::Shape;
use super::super::value::Misfit;
use super::super::{Argument, Body, Phase, Placed, Span, Step, Var};
use super::Checker;
use crate::diagnostic::{Code, Diagnostic, quoted, suggest};

/// A place at which a file is included.
pub(super) struct Frame<'p> {
    /// The file that includes it: 0 is the playbook.
    pub(super) outer: usize,
    /// The number of its first step.
    pub(super) at: usize,
    pub(super) phase: Phase,
    /// In messages.
    pub(super) label: String,
    /// The step that includes it.
    pub(super) step: &'p Step,
    pub(super) part: &'p Part,
    /// What holds for all its steps.
    pub(super) holds: BTreeSet<Condition>,
    /// Steps that have run where its steps do.
    pub(super) ran: BTreeSet<String>,
}

/// What was read of one.
pub(super) struct FrameRead {
    pub(super) checked: Option<CheckedFrame>,
    /// What its condition, and those around it, refer to.
    pub(super) refers: IndexMap<String, Span>,
}

impl Checker<'_> {
    /// Reads the includes whose first step comes at or before this number, in their order.
    pub(super) fn frames_up_to(&mut self, frames: &[Frame<'_>], number: usize) {
        while let Some(frame) = frames.get(self.frames.len()).filter(|frame| frame.at <= number) {
            let read = self.frame(frame, frames);
            self.frames.push(read);
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, frames: &[Frame<'_>]) -> FrameRead {
        let around = frame.outer.checked_sub(1);
        let (holds, ran) = match around.and_then(|at| frames.get(at)) {
            Some(outer) => (outer.holds.clone(), outer.ran.clone()),
            None => Default::default(),
        };
        let mut refers = match around.and_then(|at| self.frames.get(at)) {
            Some(outer) => outer.refers.clone(),
            None => IndexMap::new(),
        };
        let (host, run) = (self.host.clone(), self.run.clone());
        let mut here = Here {
            number: frame.at,
            is_behind: false,
            frame: frame.outer,
            phase: frame.phase,
            item: None,
            host: &host,
            run: &run,
            holds,
            ran,
            module: None,
        };
        self.refers = IndexMap::new();
        let told = self.mistakes.len();
        let when = self.condition(&frame.label, &here, "when", frame.step.when.as_ref());
        for (id, at) in std::mem::take(&mut self.refers) {
            refers.entry(id).or_insert(at);
        }
        here.holds.clone_from(&frame.holds);
        here.ran.clone_from(&frame.ran);

        let Body::Include { file, with } = &frame.step.body else {
            return FrameRead { checked: None, refers };
        };
        for (name, given) in with {
            if !frame.part.vars.contains_key(name) && frame.part.is_read {
                let message = format!(
                    "{}: {} declares no variable {}",
                    frame.label,
                    quoted(&file.value),
                    quoted(name)
                );
                let names = frame.part.vars.keys().map(String::as_str);
                let help = suggest(name, names).unwrap_or_else(|| "it declares none".to_owned());
                let at = self.key_before(given.span, name);
                self.mistakes
                    .push(Diagnostic::error(Code::UnknownParameter, at, message).help(help));
            }
        }
        let mut known = IndexMap::new();
        let mut values = Vec::new();
        for (name, var) in &frame.part.vars {
            let (recipe, behind) = self.value(frame, &here, file.span, (name, var), with.get(name));
            let shape = match frame.part.untyped.contains(name) {
                true => Shape::Any,
                false => Shape::of_schema(var.schema()),
            };
            let given = with.get(name);
            let of_host = given.is_some_and(|given| self.holds_word_of_host(&given.value, frame.outer));
            known.insert(
                name.clone(),
                KnownVar {
                    shape,
                    refers: behind,
                    of_host,
                },
            );
            values.extend(recipe.map(|recipe| CheckedVar {
                name: name.clone(),
                var: var.clone(),
                recipe,
            }));
        }
        self.names.vars.push(known);
        let is_whole = self.mistakes.len() == told && when.is_some() == frame.step.when.is_some();
        FrameRead {
            checked: is_whole.then_some(CheckedFrame {
                outer: frame.outer,
                when,
                values,
            }),
            refers,
        }
    }

    /// How one variable gets its value, and the steps that it rests on.
    fn value(
        &mut self,
        frame: &Frame<'_>,
        here: &Here<'_>,
        file: Span,
        (name, var): (&str, &Var),
        given: Option<&Placed<Argument>>,
    ) -> (Option<Recipe>, Vec<String>) {
        let place = format!("{}: `{name}`", frame.label);
        let Some(given) = given else {
            if var.default.is_none() && !frame.part.untyped.contains(name) {
                let message = format!("{}: the variable `{name}` has no value", frame.label);
                let help = match var.help.is_empty() {
                    true => format!("give it one: `with: {{{name}: ...}}`"),
                    false => format!("`{name}`: {}", var.help),
                };
                self.mistakes
                    .push(Diagnostic::error(Code::MissingParameter, file, message).help(help));
            }
            return (var.default.clone().map(Recipe::Literal), Vec::new());
        };
        if frame.part.untyped.contains(name) {
            return (None, Vec::new());
        }
        if let Some(value) = literal(&given.value) {
            if var.kind.value.is_secret() {
                let message = format!("{place}: a secret does not stand in a playbook");
                let help = "hand on a variable of the playbook of type `secret`";
                self.mistakes
                    .push(Diagnostic::error(Code::SecretDefault, given.span, message).help(help));
                return (None, Vec::new());
            }
            return match var.decode(&value) {
                Ok(value) => (Some(Recipe::Literal(value)), Vec::new()),
                Err(Misfit { why, help, .. }) => {
                    let message = format!("{place}: {why}");
                    self.mistakes
                        .push(Diagnostic::error(Code::VariableValue, given.span, message).maybe_help(help));
                    (None, Vec::new())
                }
            };
        }
        let shape = Shape::of_schema(var.schema());
        let recipe = self.argument(&place, here, &shape, given);
        let refers = std::mem::take(&mut self.refers);
        (recipe, refers.into_keys().collect())
    }
}

/// The value of a parameter that holds no template.
fn literal(argument: &Argument) -> Option<Value> {
    match argument {
        Argument::Literal(value) => Some(value.clone()),
        Argument::Expression { .. } | Argument::Template(_) => None,
        Argument::List(items) => items.iter().map(|item| literal(&item.value)).collect(),
        Argument::Map(fields) => fields
            .iter()
            .map(|(name, field)| Some((name.clone(), literal(&field.value)?)))
            .collect::<Option<Map<_, _>>>()
            .map(Value::Object),
    }
}
