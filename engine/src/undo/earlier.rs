//! What was taken back of a run before, by other runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use deminer_worker::action::{ActionId, Arming, Undo};

use crate::event::{EventKind, Purpose, Reconciled};
use crate::journal::Chain;
use crate::resume::own;
use crate::run::{RunDir, RunError, RunId};

/// What was taken back of a run already, by host and action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    back: BTreeMap<(String, ActionId), Back>,
}

/// How a change was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Back {
    by: RunId,
    arming: Arming,
    /// Whether its end is known.
    known: bool,
}

/// What is still to be done of a change that was taken back, or may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// All of it: done once more, it finds done what was done.
    All,
    /// Nothing.
    Nothing,
    /// Nobody knows: what runs is not run once more unasked.
    Unknown,
}

impl Taken {
    /// Reads what the runs that are kept here took back of one.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn of(runs: &Path, of: &RunId) -> Result<Taken, RunError> {
        let mut taken = Taken::default();
        // The oldest first: the last word counts.
        for run in RunDir::list(runs)?.iter().rev() {
            let chains = run.chains()?;
            let mut told = own(&chains);
            let is_undo = |kind: &EventKind| {
                matches!(
                    kind,
                    EventKind::RunStarted {
                        purpose: Purpose::Undo,
                        ..
                    }
                )
            };
            if told.any(is_undo) {
                for chain in &chains {
                    taken.learn(run.id(), of, chain);
                }
            }
        }
        Ok(taken)
    }

    fn learn(&mut self, by: &RunId, of: &RunId, chain: &Chain) {
        let Some(host) = &chain.host else { return };
        let mut meant: BTreeMap<ActionId, Back> = BTreeMap::new();
        for event in &chain.events {
            match &event.kind {
                EventKind::Undoing {
                    of: run,
                    actions,
                    arming,
                    ..
                } if run == of.as_str() => {
                    let back = Back {
                        by: by.clone(),
                        arming: arming.unwrap_or(Arming::Disarmed),
                        known: false,
                    };
                    meant.extend(actions.iter().map(|action| (*action, back.clone())));
                }
                // Nothing was begun there.
                EventKind::NotReached { .. } | EventKind::Blocked { .. } => meant.retain(|_, back| back.known),
                EventKind::Undone { action, result: Ok(_) }
                | EventKind::Reconciled {
                    action,
                    state: Reconciled::Done { .. },
                } => {
                    if let Some(back) = meant.get_mut(action) {
                        back.known = true;
                    }
                }
                EventKind::Undone { action, result: Err(_) } => _ = meant.remove(action),
                _ => {}
            }
        }
        for (action, back) in meant {
            let place = self.back.entry((host.clone(), action));
            let place = place.or_insert_with(|| back.clone());
            if back.known || !place.known {
                *place = back;
            }
        }
    }

    /// What is left of a change, where it is to come back so.
    pub(super) fn left(&self, host: &str, action: ActionId, undo: &Undo, arming: Arming) -> Left {
        let Some(back) = self.back.get(&(host.to_owned(), action)) else {
            return Left::All;
        };
        let is_program = matches!(undo, Undo::RunArgv { .. });
        // What came back disarmed may be wanted armed.
        let is_more = !is_program && arming == Arming::Armed && back.arming == Arming::Disarmed;
        match back.known {
            true if is_more => Left::All,
            true => Left::Nothing,
            false if is_program => Left::Unknown,
            false => Left::All,
        }
    }

    /// The run that took this change back.
    pub(super) fn by(&self, action: ActionId) -> Option<&RunId> {
        let mut back = self.back.iter().filter(|((_, id), back)| *id == action && back.known);
        back.next().map(|(_, back)| &back.by)
    }

    /// The newest run that took something back on one of these hosts; none is all.
    pub(super) fn last(&self, hosts: &BTreeSet<String>) -> Option<&RunId> {
        let meant = |host: &String| hosts.is_empty() || hosts.contains(host);
        let back = self.back.iter().filter(|((host, _), back)| back.known && meant(host));
        back.map(|(_, back)| &back.by).max()
    }
}
