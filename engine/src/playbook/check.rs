//! The second half of the first arrow: every name, type and right of a playbook, before any host is reached.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

use deminer_worker::action::Effect;
use deminer_worker::query::HostFacts;
use indexmap::IndexMap;
use minijinja::machinery;
use schemars::schema_for;
use serde_json::{Value, json};

use super::checked::{CheckedBody, CheckedPlaybook, CheckedRepeat, CheckedResource, CheckedStep};
use super::expression::{Found, Here, Known, Names, conditions, defined_steps, tell};
use super::kind::Kinds;
use super::params::trimmed;
use super::parse::{EXPRESSION_BYTES, Parsed, parse_all};
use super::shape::Shape;
use super::{Body, Phase, Placed, Playbook, Span, Step, scalar};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, line_of, quoted};
use crate::module::{Module, Registry};
use crate::template::Expression;

/// Where the files beside a playbook come from.
pub trait Sources {
    /// The content of the file of that path, relative to the playbook's folder; `None` where it cannot be read or is no
    /// UTF-8. The path has no `..` and does not begin with `/`.
    fn load(&self, path: &str) -> Option<String>;
}

/// Reads and checks a playbook; `file` is what mistakes call it.
///
/// # Errors
/// All mistakes, of shape and of meaning.
pub fn check(
    file: &str,
    text: &str,
    registry: &Registry,
    sources: &dyn Sources,
) -> Result<CheckedPlaybook, Diagnostics> {
    let Parsed {
        playbook,
        mut mistakes,
        untyped,
    } = parse_all(file, text);
    let Some(playbook) = playbook else {
        return Err(Diagnostics::new(file, text, mistakes));
    };
    let mut checker = Checker::new(&playbook, registry, sources);
    checker.names.vars = playbook
        .vars
        .iter()
        .map(|(name, var)| match untyped.contains(name) {
            true => (name.clone(), Shape::Any),
            false => (name.clone(), Shape::of_schema(var.kind.value.schema())),
        })
        .collect();
    let (steps, repeat) = checker.playbook();
    mistakes.append(&mut checker.mistakes);
    let resources = checker.resources;
    match (steps, mistakes.is_empty()) {
        (Some(steps), true) => Ok(CheckedPlaybook {
            file: playbook.file.clone(),
            text: Arc::clone(&playbook.text),
            name: playbook.name.value.clone(),
            version: playbook.version.value,
            vars: playbook.vars,
            resources,
            steps,
            repeat,
        }),
        _ => Err(Diagnostics::new(file, text, mistakes)),
    }
}

pub(super) struct Checker<'c> {
    playbook: &'c Playbook,
    registry: &'c Registry,
    pub(super) sources: &'c dyn Sources,
    pub(super) names: Names,
    pub(super) host: Shape,
    pub(super) run: Shape,
    pub(super) mistakes: Vec<Diagnostic>,
    pub(super) resources: Vec<CheckedResource>,
    /// What the step that is being read refers to.
    pub(super) refers: IndexMap<String, Span>,
}

/// A step in the order of the whole playbook.
pub(super) struct Entry<'p> {
    pub(super) number: usize,
    pub(super) phase: Phase,
    /// In messages.
    pub(super) label: String,
    pub(super) step: &'p Step,
    pub(super) module: Option<&'p Module>,
    /// Its number in its phase, from 1, and whether it is the last.
    nth: usize,
    is_last: bool,
}

impl Entry<'_> {
    pub(super) fn proposes(&self) -> bool {
        matches!(self.module, Some(Module::Responder(_)))
    }

    /// Looks or judges inside `eradicate`: taken only after a strike.
    pub(super) fn is_after_strike(&self) -> bool {
        self.phase == Phase::Eradicate && self.module.is_some() && !self.proposes()
    }
}

/// What a step is made into, and what it refers to.
pub(super) struct Read {
    pub(super) checked: Option<CheckedStep>,
    pub(super) refers: IndexMap<String, Span>,
}

impl<'c> Checker<'c> {
    fn new(playbook: &'c Playbook, registry: &'c Registry, sources: &'c dyn Sources) -> Checker<'c> {
        let mut facts: Value = schema_for!(HostFacts).into();
        if let Some(properties) = facts.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("name".to_owned(), json!({"type": "string"}));
        }
        let run = json!({
            "type": "object",
            "properties": {"id": {"type": "string"}, "started_at_ms": {"type": "integer"}},
        });
        Checker {
            playbook,
            registry,
            sources,
            names: Names::default(),
            host: Shape::of_schema(facts),
            run: Shape::of_schema(run),
            mistakes: Vec::new(),
            resources: Vec::new(),
            refers: IndexMap::new(),
        }
    }

    pub(super) fn text(&self) -> &'c str {
        &self.playbook.text
    }

    fn playbook(&mut self) -> (Option<Vec<CheckedStep>>, Option<CheckedRepeat>) {
        let entries = self.entries();
        self.declare(&entries);
        if entries.is_empty() && self.playbook.phases.values().all(|steps| steps.steps.is_empty()) {
            let message = "the playbook has no steps";
            self.mistakes
                .push(Diagnostic::error(Code::Empty, self.playbook.name.span, message));
        }
        let mut reads: Vec<Read> = Vec::with_capacity(entries.len());
        for entry in &entries {
            let read = self.step(entry);
            reads.push(read);
        }
        self.order(&entries, &reads);
        let repeat = self
            .playbook
            .phases
            .get(&Phase::Eradicate)
            .and_then(|steps| steps.repeat.as_ref());
        let repeat = repeat.and_then(|repeat| self.repeat(&entries, &mut reads, repeat));
        let mut steps: Option<Vec<CheckedStep>> = reads.into_iter().map(|read| read.checked).collect();
        if let Some(steps) = &mut steps {
            let late: HashSet<usize> = entries
                .iter()
                .filter(|e| e.is_after_strike())
                .map(|e| e.number)
                .collect();
            for step in steps
                .iter_mut()
                .filter(|step| matches!(step.body, CheckedBody::Assert { .. }))
            {
                step.after_strike = step.phase == Phase::Eradicate && step.refers.iter().any(|n| late.contains(n));
            }
            let wanted: HashSet<usize> = steps.iter().flat_map(|step| step.refers.iter().copied()).collect();
            for (number, step) in steps.iter_mut().enumerate() {
                step.wanted = step.wanted || wanted.contains(&number);
            }
        }
        (steps, repeat)
    }

    fn entries(&self) -> Vec<Entry<'c>> {
        let mut entries = Vec::new();
        for phase in Phase::ALL {
            let steps = self.playbook.phases.get(&phase).map_or(&[][..], |steps| &steps.steps);
            for (n, step) in steps.iter().enumerate() {
                let module = match &step.body {
                    Body::Use { module, .. } => self.registry.find(&module.value),
                    _ => None,
                };
                entries.push(Entry {
                    number: entries.len(),
                    phase,
                    label: match &step.id {
                        Some(id) => format!("step {}", quoted(&id.value)),
                        None => format!("phase `{phase}`, step {}", n + 1),
                    },
                    step,
                    module,
                    nth: n + 1,
                    is_last: n + 1 == steps.len(),
                });
            }
        }
        entries
    }

    /// Makes all ids known, with what is known of them before their steps are read.
    fn declare(&mut self, entries: &[Entry<'_>]) {
        for entry in entries {
            let Some(id) = &entry.step.id else { continue };
            if let Some(first) = self.names.steps.get(&id.value) {
                let message = format!("two steps have the id {}", quoted(&id.value));
                self.mistakes
                    .push(Diagnostic::error(Code::DuplicateId, id.span, message).label(first.span, "first here"));
                continue;
            }
            let when = entry
                .step
                .when
                .as_ref()
                .map(|when| match machinery::parse_expr(&when.value) {
                    Ok(tree) => {
                        let mut all = BTreeSet::new();
                        conditions(&when.value, &tree, &mut all);
                        all
                    }
                    Err(_) => BTreeSet::from([when.value.clone()]),
                });
            let known = Known {
                number: entry.number,
                phase: entry.phase,
                span: id.span,
                shape: Shape::Any,
                when,
            };
            self.names.steps.insert(id.value.clone(), known);
        }
    }

    fn step(&mut self, entry: &Entry<'_>) -> Read {
        self.refers = IndexMap::new();
        // The shapes of the roots are lent to what is read inside, which also takes notes in `self`.
        let (host, run) = (self.host.clone(), self.run.clone());
        let mut here = Here {
            number: entry.number,
            phase: entry.phase,
            item: None,
            host: &host,
            run: &run,
            holds: BTreeSet::new(),
            ran: BTreeSet::new(),
        };
        let step = entry.step;
        let when = self.condition(&entry.label, &here, "when", step.when.as_ref());
        if let Some(when) = &step.when
            && let Ok(tree) = machinery::parse_expr(&when.value)
        {
            conditions(&when.value, &tree, &mut here.holds);
            defined_steps(&tree, &mut here.ran);
        }
        let foreach = step.foreach.as_ref().and_then(|foreach| {
            let place = format!("{}: `foreach`", entry.label);
            let shape = self.expression(&place, &here, foreach.span, &foreach.value, 0..foreach.value.len());
            let shape = shape.unwrap_or(Shape::Any);
            if !shape.kinds().meets(Kinds::LIST) {
                let message = format!("{place} goes through a list, this is {}", shape.kinds());
                self.mistakes
                    .push(Diagnostic::error(Code::NotList, foreach.span, message));
            }
            here.item = Some(shape.item());
            Expression::compile(foreach.value.trim())
        });
        let (body, shape) = self.body(entry, &here);
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
        let refers = std::mem::take(&mut self.refers);
        let numbers: BTreeSet<usize> = refers
            .keys()
            .filter_map(|id| Some(self.names.steps.get(id)?.number))
            .collect();
        let whole = when.is_some() == step.when.is_some() && foreach.is_some() == step.foreach.is_some();
        let checked = body.filter(|_| whole).map(|body| CheckedStep {
            phase: entry.phase,
            name: step
                .id
                .as_ref()
                .map_or_else(|| entry.nth.to_string(), |id| id.value.clone()),
            id: step.id.as_ref().map(|id| id.value.clone()),
            when,
            foreach,
            body,
            refers: numbers.into_iter().collect(),
            after_strike: entry.is_after_strike(),
            wanted: false,
        });
        Read { checked, refers }
    }

    fn body(&mut self, entry: &Entry<'_>, here: &Here<'_>) -> (Option<CheckedBody>, Shape) {
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
                let shape = Shape::of_schema(found.erased().params_schema().into());
                let with = self.params(entry, here, (&module.value, &shape), module.span, with);
                let body = CheckedBody::Use {
                    module: found.clone(),
                    with,
                };
                // What a misplaced module gives is not what the author meant.
                let output = match may_stand {
                    true => Shape::of_schema(found.erased().output_schema().into()),
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
            Body::Stop(reason) => {
                if entry.step.when.is_none() && !entry.is_last {
                    let message = format!("{}: a `stop` without `when` is not the last of its phase", entry.label);
                    let help = "say when it holds, or remove what stands behind it";
                    self.mistakes
                        .push(Diagnostic::error(Code::StopInside, reason.span, message).help(help));
                }
                (Some(CheckedBody::Stop(reason.value.clone())), Shape::Any)
            }
            Body::Assert(text) => {
                let holds = self.condition(&entry.label, here, "assert", Some(text));
                let message = entry.step.name.clone().unwrap_or_else(|| text.value.clone());
                (holds.map(|holds| CheckedBody::Assert { holds, message }), Shape::Any)
            }
            Body::Unread => (None, Shape::Any),
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

    pub(super) fn condition(
        &mut self,
        label: &str,
        here: &Here<'_>,
        key: &str,
        text: Option<&Placed<String>>,
    ) -> Option<Expression> {
        let text = text?;
        let place = format!("{label}: `{key}`");
        let shape = self.expression(&place, here, text.span, &text.value, 0..text.value.len())?;
        if !shape.kinds().meets(Kinds::BOOLEAN) {
            let message = format!("{place} is a condition, this is {}", shape.kinds());
            let help = match shape.kinds() {
                kinds if kinds.meets(Kinds::LIST.or(Kinds::TEXT).or(Kinds::MAP)) => "write `... | length > 0`",
                _ => "compare it with something",
            };
            self.mistakes
                .push(Diagnostic::error(Code::NotBoolean, text.span, message).help(help));
        }
        Expression::compile(text.value.trim())
    }

    /// Reads one expression, `range` of a scalar's value; its shape, or `None` where it cannot be read.
    pub(super) fn expression(
        &mut self,
        place: &str,
        here: &Here<'_>,
        scalar: Span,
        value: &str,
        range: Range<usize>,
    ) -> Option<Shape> {
        let range = trimmed(value, range);
        let text = value.get(range.clone())?;
        if text.is_empty() || text.len() > EXPRESSION_BYTES {
            let message = format!("{place}: the expression is empty or longer than {EXPRESSION_BYTES} bytes");
            self.mistakes
                .push(Diagnostic::error(Code::ExpressionSyntax, scalar, message));
            return None;
        }
        let tree = match machinery::parse_expr(text) {
            Ok(tree) => tree,
            Err(error) => {
                let at = error.range().unwrap_or(0..text.len());
                let at = self.inside(scalar, value, range.start + at.start..range.start + at.end);
                self.syntax(place, at, &error);
                return None;
            }
        };
        let told = tell(&tree, &self.names, here);
        for Found {
            range: at,
            code,
            message,
            help,
            label,
        } in told.found
        {
            let at = self.inside(scalar, value, range.start + at.start..range.start + at.end);
            let place = place.split(": `").next().unwrap_or(place);
            let mut mistake = Diagnostic::error(code, at, format!("{place}: {message}"));
            mistake = match (code, label) {
                (Code::NoField, Some((span, id))) => {
                    let from = format!("`{id}` is from line {}", line_of(self.text(), span));
                    mistake.help(help.map_or_else(|| from.clone(), |help| format!("{help} {from}")))
                }
                (_, Some((span, text))) => mistake.maybe_help(help).label(span, text),
                (_, None) => mistake.maybe_help(help),
            };
            self.mistakes.push(mistake);
        }
        for (id, at) in told.refers {
            let at = self.inside(scalar, value, range.start + at.start..range.start + at.end);
            self.refers.entry(id).or_insert(at);
        }
        Some(told.shape)
    }

    pub(super) fn syntax(&mut self, place: &str, at: Span, error: &minijinja::Error) {
        let why = error.detail().unwrap_or("it cannot be read");
        let why: String = why
            .chars()
            .take(200)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let help = match why.as_str() {
            w if w.contains("unexpected `=`") || w.contains("`=`") => Some("compare with `==`"),
            w if w.contains("end of string") => Some("a quote is not closed"),
            _ => None,
        };
        let mistake = Diagnostic::error(Code::ExpressionSyntax, at, format!("{place}: {why}"));
        self.mistakes.push(mistake.maybe_help(help.map(str::to_owned)));
    }

    /// The bytes of the file for a range of a scalar's value.
    pub(super) fn inside(&self, scalar: Span, value: &str, range: Range<usize>) -> Span {
        scalar::locate(self.text(), scalar, value, range)
    }
}

/// The strongest effect of a phase, and what that is called.
fn ceiling(phase: Phase) -> (Effect, &'static str) {
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
