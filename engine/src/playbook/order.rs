//! What may rest on what: a plan is made before the first strike, and rests on nothing that comes after it.

use super::Body;
use super::check::{Checker, Entry, Read};
use crate::diagnostic::{Code, Diagnostic};

impl Checker<'_> {
    /// Refuses references to what is looked at only after a strike, but from `assert` and from its like.
    pub(super) fn order(&mut self, entries: &[Entry<'_>], reads: &[Read]) {
        let mut mistakes = Vec::new();
        for (entry, read) in entries.iter().zip(reads) {
            let may = entry.is_after_strike()
                || (matches!(entry.step.body, Body::Assert(_)) && entry.phase == super::Phase::Eradicate);
            if may {
                continue;
            }
            for (id, at) in &read.refers {
                let after = entries
                    .iter()
                    .find(|other| other.is_after_strike() && other.step.id.as_ref().is_some_and(|i| i.value == *id));
                let Some(after) = after else { continue };
                let label = after.step.id.as_ref().map_or(after.step.span, |i| i.span);
                let (code, message, help) = match entry.proposes() {
                    true => (
                        Code::NotInPlan,
                        format!("{} proposes, and `{id}` is looked at only after a strike", entry.label),
                        "a proposal rests on gather, decide, locate and earlier proposals",
                    ),
                    false => (
                        Code::FeedsOnlyUntil,
                        format!("{}: `{id}` is looked at only after a strike", entry.label),
                        "it feeds only `until` and `assert` of `eradicate`",
                    ),
                };
                let mistake = Diagnostic::error(code, *at, message).help(help);
                mistakes.push(mistake.label(label, format!("`{id}` looks, inside `eradicate`")));
            }
        }
        self.mistakes.append(&mut mistakes);
    }
}
