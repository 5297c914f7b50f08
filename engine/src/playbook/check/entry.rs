//! All steps of a playbook in one row: those of included files and those of `on_error` at their places.

use std::collections::BTreeSet;

use super::super::expression::{Condition, conditions};
use super::super::include::{Part, is_plain};
use super::super::{Body, OnError, Phase, Span, Step};
use super::frame::Frame;
use super::{Checker, Diagnostic};
use crate::diagnostic::{Code, quoted};
use crate::module::Module;

/// The deepest include: a playbook includes a file, that another, and so on.
const DEPTH: usize = 4;
/// The steps of a playbook, those of included files with it.
const STEPS: usize = 2000;

/// A step in the order of the whole playbook.
pub(in super::super) struct Entry<'p> {
    pub(in super::super) number: usize,
    pub(in super::super) phase: Phase,
    /// In messages.
    pub(in super::super) label: String,
    /// Its id; of one without, where it stands: `3`, `2 of parts/look.yml`, `units, on error 1`.
    pub(super) name: String,
    pub(in super::super) step: &'p Step,
    pub(in super::super) module: Option<&'p Module>,
    /// The file in which it stands: 0 is the playbook.
    pub(super) frame: usize,
    /// It runs only where the step of this number failed.
    pub(super) instead_of: Option<usize>,
    /// Whether it is the last of its phase.
    pub(super) is_last: bool,
}

impl Entry<'_> {
    pub(in super::super) fn proposes(&self) -> bool {
        matches!(self.module, Some(Module::Responder(_)))
    }

    /// Looks, judges or asks inside `eradicate`: taken only after a strike.
    pub(in super::super) fn is_after_strike(&self) -> bool {
        self.phase == Phase::Eradicate && self.module.is_some() && !self.proposes()
    }

    /// Whether the playbook goes on where it fails.
    pub(super) fn may_fail(&self) -> bool {
        self.step.on_error.value != OnError::Fail
    }

    /// The conditions on which it runs, and what makes it conditional.
    pub(super) fn conditions(&self, frames: &[Frame<'_>]) -> (BTreeSet<Condition>, &'static str) {
        let (mut all, _) = self.given(frames);
        let mut why = match (all.is_empty(), self.instead_of) {
            _ if self.may_fail() => "it has an `on_error`",
            (_, Some(_)) => "it runs only where another failed",
            (false, None) => "it is included with a `when`",
            (true, None) => "",
        };
        if let Some(when) = &self.step.when {
            all.extend(conditions(&when.value, self.frame).0);
            if !self.may_fail() {
                why = "it has a `when`";
            }
        }
        (all, why)
    }

    /// The conditions that hold before its own `when` is asked, and the steps that they say have run.
    pub(super) fn given(&self, frames: &[Frame<'_>]) -> (BTreeSet<Condition>, BTreeSet<String>) {
        let (mut holds, ran) = match self.frame.checked_sub(1).and_then(|at| frames.get(at)) {
            Some(frame) => (frame.holds.clone(), frame.ran.clone()),
            None => Default::default(),
        };
        holds.extend(self.instead_of.map(Condition::Failed));
        (holds, ran)
    }
}

/// The rows that are being made.
struct Row<'p> {
    entries: Vec<Entry<'p>>,
    frames: Vec<Frame<'p>>,
    /// There are too many of either: no more are taken.
    full: bool,
}

/// Where the walk through the files is.
#[derive(Clone, Copy)]
struct Place<'p, 'w> {
    phase: Phase,
    frame: usize,
    /// The files above, the innermost last.
    chain: &'w [&'p str],
}

impl<'c> Checker<'c> {
    /// All steps in the order in which they stand, and the files that are included.
    pub(super) fn entries(&mut self) -> (Vec<Entry<'c>>, Vec<Frame<'c>>) {
        let mut row = Row {
            entries: Vec::new(),
            frames: Vec::new(),
            full: false,
        };
        for phase in Phase::ALL {
            let steps = self.playbook.phases.get(&phase).map_or(&[][..], |steps| &steps.steps);
            let place = Place {
                phase,
                frame: 0,
                chain: &[],
            };
            self.walk(steps, place, &mut row);
            if let Some(last) = row.entries.last_mut().filter(|last| last.phase == phase) {
                last.is_last = true;
            }
        }
        (row.entries, row.frames)
    }

    fn walk(&mut self, steps: &'c [Step], place: Place<'c, '_>, row: &mut Row<'c>) {
        for (n, step) in steps.iter().enumerate() {
            if row.entries.len().max(row.frames.len()) >= STEPS {
                self.too_many(step.span, row);
                return;
            }
            let (name, label) = match place.chain.last() {
                Some(path) => (
                    format!("{} of {path}", n + 1),
                    format!("{}, step {}", quoted(path), n + 1),
                ),
                None => ((n + 1).to_string(), format!("phase `{}`, step {}", place.phase, n + 1)),
            };
            if let Body::Include { .. } = step.body {
                self.include(step, label, place, row);
                continue;
            }
            let owner = self.enter(step, place, None, (name, label), row);
            let OnError::Steps(instead) = &step.on_error.value else {
                continue;
            };
            let (name, label) = {
                let owner = &row.entries[owner];
                (owner.name.clone(), owner.label.clone())
            };
            for (k, step) in instead.iter().enumerate() {
                let names = (
                    format!("{name}, on error {}", k + 1),
                    format!("{label}, `on_error`, step {}", k + 1),
                );
                self.enter(step, place, Some(owner), names, row);
            }
        }
    }

    /// Puts a step into the row; gives its number.
    fn enter(
        &mut self,
        step: &'c Step,
        place: Place<'c, '_>,
        instead_of: Option<usize>,
        (name, label): (String, String),
        row: &mut Row<'c>,
    ) -> usize {
        let number = row.entries.len();
        let module = match &step.body {
            Body::Use { module, .. } => self.registry.find(&module.value),
            _ => None,
        };
        row.entries.push(Entry {
            number,
            phase: place.phase,
            label: match &step.id {
                Some(id) => format!("step {}", quoted(&id.value)),
                None => label,
            },
            name: step.id.as_ref().map_or(name, |id| id.value.clone()),
            step,
            module,
            frame: place.frame,
            instead_of,
            is_last: false,
        });
        number
    }

    fn too_many(&mut self, at: Span, row: &mut Row<'c>) {
        if !std::mem::replace(&mut row.full, true) {
            let message = format!("the playbook has more than {STEPS} steps");
            self.mistakes.push(Diagnostic::error(Code::IncludeTooMuch, at, message));
        }
    }

    fn include(&mut self, step: &'c Step, label: String, place: Place<'c, '_>, row: &mut Row<'c>) {
        let Body::Include { file, .. } = &step.body else {
            return;
        };
        if !is_plain(&file.value) {
            return;
        }
        let Some((path, part)) = self.parts.find(place.chain.last().copied(), &file.value) else {
            return;
        };
        let mut chain = place.chain.to_vec();
        chain.push(path);
        let told = |chain: &[&str]| {
            let names: Vec<String> = chain.iter().map(|path| quoted(path)).collect();
            names.join(" -> ")
        };
        if place.chain.contains(&path) {
            let message = format!("{} includes itself: {}", quoted(path), told(&chain));
            self.mistakes.push(
                Diagnostic::error(Code::IncludeCycle, file.span, message).help("remove one `include` of the chain"),
            );
            return;
        }
        if chain.len() > DEPTH {
            let message = format!("files are included more than {DEPTH} deep: {}", told(&chain));
            self.mistakes
                .push(Diagnostic::error(Code::IncludeTooMuch, file.span, message));
            return;
        }
        let outer = place.frame.checked_sub(1).and_then(|at| row.frames.get(at));
        let (mut holds, mut ran) =
            outer.map_or_else(Default::default, |o: &Frame<'_>| (o.holds.clone(), o.ran.clone()));
        if let Some(when) = &step.when {
            let (own, own_ran) = conditions(&when.value, place.frame);
            holds.extend(own);
            ran.extend(own_ran);
        }
        row.frames.push(Frame {
            outer: place.frame,
            at: row.entries.len(),
            phase: place.phase,
            label: format!("{label}, {}", quoted(path)),
            step,
            part,
            holds,
            ran,
        });
        let place = Place {
            phase: place.phase,
            frame: row.frames.len(),
            chain: &chain,
        };
        let part: &'c Part = part;
        self.walk(&part.steps, place, row);
    }
}
