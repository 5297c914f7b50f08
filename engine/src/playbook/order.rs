//! What may rest on what: a plan is made before the first strike, and rests on nothing that comes after it.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::check::{Checker, Entry, Read};
use super::checked::CheckedRepeat;
use super::expression::Here;
use super::{Body, Phase, Repeat};
use crate::diagnostic::{Code, Diagnostic, quoted, suggest};
use crate::module::Module;

impl Checker<'_> {
    /// Refuses references to what is looked at only after a strike, but from `assert` and from its like.
    pub(super) fn order(&mut self, entries: &[Entry<'_>], reads: &[Read]) {
        let mut mistakes = Vec::new();
        for (entry, read) in entries.iter().zip(reads) {
            let may = entry.is_after_strike()
                || (matches!(entry.step.body, Body::Assert(_)) && entry.phase == Phase::Eradicate);
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

    /// Checks the controller's loop.
    pub(super) fn repeat(
        &mut self,
        entries: &[Entry<'_>],
        reads: &mut [Read],
        repeat: &Repeat,
    ) -> Option<CheckedRepeat> {
        self.refers = IndexMap::new();
        let (host, run) = (self.host.clone(), self.run.clone());
        let here = Here {
            number: entries.iter().filter(|entry| entry.phase <= Phase::Eradicate).count(),
            is_behind: false,
            frame: 0,
            phase: Phase::Eradicate,
            item: None,
            host: &host,
            run: &run,
            holds: BTreeSet::new(),
            ran: BTreeSet::new(),
            module: None,
        };
        let until = self.condition("phase `eradicate`", &here, "until", Some(&repeat.until));
        let refers = std::mem::take(&mut self.refers);
        let refresh = self.refreshed(entries, repeat);
        let changes = |id: &String| {
            self.names.steps.get(id).is_some_and(|known| {
                refresh.contains(&known.number) || entries.get(known.number).is_some_and(Entry::is_after_strike)
            })
        };
        if until.is_some() && !refers.keys().any(changes) {
            let message = "`until` reads nothing that a round could change";
            let help = "let it read a step that looks inside `eradicate`, or one that `refresh` names";
            self.mistakes
                .push(Diagnostic::error(Code::UntilReadsNothing, repeat.until.span, message).help(help));
        }
        self.of_refreshed(entries, reads, &refresh);
        for id in refers.keys() {
            if let Some(known) = self.names.steps.get(id)
                && let Some(Read {
                    checked: Some(step), ..
                }) = reads.get_mut(known.number)
            {
                step.wanted = true;
            }
        }
        Some(CheckedRepeat {
            until: until?,
            max_rounds: u32::try_from(repeat.max_rounds.value).ok()?,
            refresh: refresh.into_iter().collect(),
        })
    }

    /// Refuses what looks for the condemned after a strike by a step of `locate` that is taken anew: once the miner is dead, that
    /// condemns only what is left of it, or nothing.
    fn of_refreshed(&mut self, entries: &[Entry<'_>], reads: &[Read], refresh: &BTreeSet<usize>) {
        for (entry, read) in entries.iter().zip(reads) {
            let looks = entry.module.is_some() && (entry.is_after_strike() || entry.phase == Phase::Verify);
            if !looks {
                continue;
            }
            for (id, at) in &read.refers {
                let known = self.names.steps.get(id).and_then(|known| entries.get(known.number));
                let Some(anew) = known.filter(|it| it.phase == Phase::Locate && refresh.contains(&it.number)) else {
                    continue;
                };
                let message = format!(
                    "{} looks for what `{id}` names, and `refresh` takes that anew",
                    entry.label
                );
                let help = format!(
                    "keep what is condemned at first in a step of `locate` that `refresh` does not name, as `- {{id: condemned, \
                     let: {{rows: steps.{id}.artifacts}}}}`, and look for `steps.condemned.rows`"
                );
                let label = anew.step.id.as_ref().map_or(anew.step.span, |id| id.span);
                let mistake = Diagnostic::error(Code::VerifyOfRefreshed, *at, message).help(help);
                let taken = "in a second round this names only what is left".to_owned();
                self.mistakes.push(mistake.label(label, taken));
            }
        }
    }

    fn refreshed(&mut self, entries: &[Entry<'_>], repeat: &Repeat) -> BTreeSet<usize> {
        let mut numbers = BTreeSet::new();
        for name in &repeat.refresh {
            let Some(entry) = self
                .names
                .steps
                .get(&name.value)
                .and_then(|known| entries.get(known.number))
            else {
                if self.names.are_more {
                    continue;
                }
                let message = format!("`refresh`: no step has the id {}", quoted(&name.value));
                let help = suggest(&name.value, self.names.steps.keys().map(String::as_str));
                self.mistakes
                    .push(Diagnostic::error(Code::RefreshUnknown, name.span, message).maybe_help(help));
                continue;
            };
            if entry.proposes() {
                let message = format!("`refresh`: {} proposes; it is asked in every round anyway", entry.label);
                let help = "`refresh` names the steps of gather, decide and locate that are taken anew";
                self.mistakes
                    .push(Diagnostic::error(Code::RefreshNotReading, name.span, message).help(help));
            } else if matches!(entry.module, Some(Module::Question(_))) {
                let message = format!("`refresh`: {} asks a person", entry.label);
                let help = "remove it: an answer stays as it was given";
                self.mistakes
                    .push(Diagnostic::error(Code::RefreshAsks, name.span, message).help(help));
            } else if !Phase::READING.contains(&entry.phase) {
                let message = format!("`refresh`: {} stands in `{}`", entry.label, entry.phase);
                let help = "`refresh` names the steps of gather, decide and locate that are taken anew";
                self.mistakes
                    .push(Diagnostic::error(Code::RefreshUnknown, name.span, message).help(help));
            } else {
                numbers.insert(entry.number);
            }
        }
        numbers
    }
}
