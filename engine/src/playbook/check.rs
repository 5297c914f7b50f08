//! The second half of the first arrow: every name, type and right of a playbook, before any host is reached.

mod ask;
mod entry;
mod frame;
mod secret;
mod step;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use deminer_worker::query::HostFacts;
use deminer_worker::text::Digest;
use indexmap::IndexMap;
use minijinja::machinery;
use schemars::schema_for;
use serde_json::{Value, json};

use super::checked::{CheckedBody, CheckedFrame, CheckedPlaybook, CheckedRepeat, CheckedResource, CheckedStep};
use super::expression::{Found, Here, Known, KnownVar, Names, tell};
use super::include::{Parts, parts};
use super::kind::Kinds;
use super::library::Shelves;
use super::params::trimmed;
use super::parse::{EXPRESSION_BYTES, Parsed, parse_all, parse_part};
use super::shape::Shape;
use super::{Phase, Placed, Playbook, Span, Var, scalar};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Texts, line_of, quoted};
use crate::module::Registry;
use crate::template::Expression;

pub(super) use entry::Entry;
use frame::{Frame, FrameRead};
pub(super) use step::ceiling;

/// Where the files beside a playbook come from.
pub trait Sources {
    /// The content of the file of that path, relative to the playbook's folder; `None` where it cannot be read or is no
    /// UTF-8. The path has no `..` and does not begin with `/`; one that begins with `deminer:` is of the [library](super::Library),
    /// which is asked where this has none.
    fn load(&self, path: &str) -> Option<String>;
}

/// Reads and checks a playbook with all that it includes; `file` is what mistakes call it.
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
    let mut texts = Texts::of(file, text);
    let sources = &Shelves {
        beside: sources,
        shelf: registry.shelf(),
    };
    let parts = parts(&playbook, sources, &mut texts, &mut mistakes);
    let mut checker = Checker::new(&playbook, &parts, texts, registry, sources);
    checker.names.are_more = parts.lacking;
    checker.names.vars.push(known_vars(&playbook.vars, &untyped));
    let (steps, repeat) = checker.playbook();
    mistakes.append(&mut checker.mistakes);
    let Checker {
        mut resources,
        texts,
        frames,
        ..
    } = checker;
    for (path, part) in parts.iter() {
        if !resources.iter().any(|known| known.path == path) {
            resources.push(CheckedResource {
                path: path.to_owned(),
                sha256: Digest::of(part.text.as_bytes()),
                text: Arc::clone(&part.text),
            });
        }
    }
    let frames: Option<Vec<CheckedFrame>> = frames.into_iter().map(|frame| frame.checked).collect();
    match (steps, frames, mistakes.is_empty()) {
        (Some(steps), Some(frames), true) => Ok(CheckedPlaybook {
            file: playbook.file.clone(),
            text: Arc::clone(&playbook.text),
            name: playbook.name.value.clone(),
            version: playbook.version.value,
            vars: playbook.vars,
            resources,
            frames,
            steps,
            repeat,
            policy: registry.policy().clone(),
        }),
        _ => Err(Diagnostics::of(texts, mistakes)),
    }
}

/// Reads a file of steps that playbooks include, by itself: gives how many steps it has. What it refers to is known only where it
/// is included, and is checked there.
///
/// # Errors
/// All mistakes of shape.
pub fn check_part(file: &str, text: &str) -> Result<usize, Diagnostics> {
    let part = parse_part(file, text, 0);
    match part.mistakes.is_empty() {
        true => Ok(part.steps.len()),
        false => Err(Diagnostics::new(file, text, part.mistakes)),
    }
}

/// What expressions know of declared variables; nothing of the type of those whose type could not be read.
fn known_vars(vars: &IndexMap<String, Var>, untyped: &HashSet<String>) -> IndexMap<String, KnownVar> {
    let known = vars.iter().map(|(name, var)| {
        let shape = match untyped.contains(name) {
            true => Shape::Any,
            false => Shape::of_schema(var.schema()),
        };
        let known = KnownVar {
            shape,
            refers: Vec::new(),
            of_host: false,
        };
        (name.clone(), known)
    });
    known.collect()
}

pub(super) struct Checker<'c> {
    playbook: &'c Playbook,
    parts: &'c Parts,
    pub(super) texts: Texts,
    pub(super) registry: &'c Registry,
    pub(super) sources: &'c Shelves<'c>,
    pub(super) names: Names,
    pub(super) host: Shape,
    pub(super) run: Shape,
    pub(super) mistakes: Vec<Diagnostic>,
    pub(super) resources: Vec<CheckedResource>,
    /// The files that are included, as far as they are read: number N of [`Here::frame`] is the one before.
    frames: Vec<FrameRead>,
    /// What the step that is being read refers to.
    pub(super) refers: IndexMap<String, Span>,
    /// Whether the expression that was read last reads its own step's result.
    reads_own: bool,
}

/// What a step is made into, and what it refers to.
pub(super) struct Read {
    pub(super) checked: Option<CheckedStep>,
    pub(super) refers: IndexMap<String, Span>,
}

impl<'c> Checker<'c> {
    fn new(
        playbook: &'c Playbook,
        parts: &'c Parts,
        texts: Texts,
        registry: &'c Registry,
        sources: &'c Shelves<'c>,
    ) -> Checker<'c> {
        let mut facts: Value = schema_for!(HostFacts).into();
        if let Some(properties) = facts.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("name".to_owned(), json!({"type": "string"}));
            properties.insert("clock_ahead_ms".to_owned(), json!({"type": "integer"}));
        }
        let run = json!({
            "type": "object",
            "properties": {"id": {"type": "string"}, "started_at_ms": {"type": "integer"}},
        });
        Checker {
            playbook,
            parts,
            texts,
            registry,
            sources,
            names: Names::default(),
            host: Shape::of_schema(facts),
            run: Shape::of_schema(run),
            mistakes: Vec::new(),
            resources: Vec::new(),
            frames: Vec::new(),
            refers: IndexMap::new(),
            reads_own: false,
        }
    }

    /// The playbook's text, and behind it those of the files that it includes.
    pub(super) fn text(&self) -> &str {
        self.texts.all()
    }

    fn playbook(&mut self) -> (Option<Vec<CheckedStep>>, Option<CheckedRepeat>) {
        let (entries, frames) = self.entries();
        self.declare(&entries, &frames);
        if self.playbook.phases.values().all(|steps| steps.steps.is_empty()) {
            let message = format!("the playbook {} has no steps", quoted(&self.playbook.name.value));
            let help = "write `gather:` with a step: `- {id: processes, use: process.list}`";
            self.mistakes
                .push(Diagnostic::error(Code::Empty, self.playbook.name.span, message).help(help));
        }
        let mut reads: Vec<Read> = Vec::with_capacity(entries.len());
        for entry in &entries {
            self.frames_up_to(&frames, entry.number);
            let read = self.step(entry, &frames);
            reads.push(read);
        }
        self.frames_up_to(&frames, entries.len());
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
            let frames: Vec<_> = std::mem::take(&mut self.frames);
            let read: Vec<&Option<CheckedFrame>> = frames.iter().map(|frame| &frame.checked).collect();
            self.secrets(&entries, &self.playbook.vars, &read, steps);
            self.frames = frames;
            self.proposals_of_ours(&entries, steps);
            let wanted: HashSet<usize> = steps.iter().flat_map(|step| step.refers.iter().copied()).collect();
            for (number, step) in steps.iter_mut().enumerate() {
                step.wanted = step.wanted || wanted.contains(&number);
            }
        }
        (steps, repeat)
    }

    /// Nothing that comes from an external module chooses what is proposed: not itself, nor what is computed from it.
    fn proposals_of_ours(&mut self, entries: &[Entry<'_>], steps: &[CheckedStep]) {
        let mut outside: HashSet<usize> = HashSet::new();
        for (number, step) in steps.iter().enumerate() {
            let from = step.refers.iter().find(|other| outside.contains(other));
            match &step.body {
                CheckedBody::Use { module, .. } if module.erased().comes_from().is_some() => {
                    outside.insert(number);
                }
                CheckedBody::Let(_) if from.is_some() => {
                    outside.insert(number);
                }
                _ if step.proposes() => {
                    let Some(from) = from else { continue };
                    let entry = &entries[number];
                    let message = format!(
                        "{}: it proposes changes, and `{}` comes from an external module",
                        entry.label, steps[*from].name
                    );
                    let help = "let a module of Deminer judge, and propose on what that one found";
                    self.mistakes
                        .push(Diagnostic::error(Code::WordOfHost, entry.step.span, message).help(help));
                }
                _ => {}
            }
        }
    }

    /// Makes all ids known, with what is known of them before their steps are read.
    fn declare(&mut self, entries: &[Entry<'_>], frames: &[Frame<'_>]) {
        for entry in entries {
            let Some(id) = &entry.step.id else { continue };
            if let Some(first) = self.names.steps.get(&id.value) {
                let message = format!("two steps have the id {}", quoted(&id.value));
                let mut mistake =
                    Diagnostic::error(Code::DuplicateId, id.span, message).label(first.span, "first here");
                mistake = mistake.help(match entry.frame {
                    0 => "give one of them another id",
                    _ => "the steps of an included file share the ids of the playbook",
                });
                self.mistakes.push(mistake);
                continue;
            }
            let (when, why) = entry.conditions(frames);
            let known = Known {
                number: entry.number,
                phase: entry.phase,
                span: id.span,
                shape: Shape::Any,
                when,
                why,
                may_fail: entry.may_fail(),
            };
            self.names.steps.insert(id.value.clone(), known);
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
                .push(Diagnostic::error(Code::ExpressionSyntax, scalar, message).help("compute it in parts, in `let`"));
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
                    let from = format!("`{id}` is from {}", line_of(&self.texts, at, span));
                    let parted = |help: String| match help.ends_with('?') {
                        true => format!("{help} {from}"),
                        false => format!("{help}; {from}"),
                    };
                    mistake.help(help.map_or_else(|| from.clone(), parted))
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
        self.reads_own = told.reads_own;
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
            w if w.contains("unexpected `=`") || w.contains("`=`") => "compare with `==`",
            w if w.contains("end of string") => "a quote is not closed",
            w if w.contains("unexpected input after") => "compare with `==`; join conditions with `and`, `or`",
            _ => "an expression is like `steps.ID.rows | length > 0 and not vars.deep`",
        };
        let mistake = Diagnostic::error(Code::ExpressionSyntax, at, format!("{place}: {why}"));
        self.mistakes.push(mistake.help(help));
    }

    /// The bytes of the file for a range of a scalar's value.
    pub(super) fn inside(&self, scalar: Span, value: &str, range: Range<usize>) -> Span {
        scalar::locate(self.text(), scalar, value, range)
    }
}
