//! The changes of one host's plan, and what became of each.

use deminer_worker::action::{Act, Action, ActionId, Done, Effect, Undo};
use deminer_worker::frame::{Outcome, TransactionEvent};
use deminer_worker::order::Approval;
use indexmap::IndexMap;

use super::{Change, ChangeState, Object, Tally, UndoWay};
use crate::event::Reconciled;

/// The actions of a host, by id, in the plan's order. The last word about an action counts.
#[derive(Default)]
pub(super) struct Changes {
    entries: IndexMap<ActionId, Entry>,
}

struct Entry {
    action: Action,
    allowed: bool,
    state: ChangeState,
    /// What the act did when it changed something: a later round finds the target gone by that.
    changed: Option<Done>,
    reconciled: Option<Reconciled>,
}

impl Entry {
    /// Takes the last word over.
    fn come_to(&mut self, state: ChangeState) {
        if let ChangeState::Done {
            done: Some(done @ Done::Changed { .. }),
        } = &state
        {
            self.changed = Some(done.clone());
        }
        self.state = match (state, &self.changed) {
            (
                ChangeState::Done {
                    done: None | Some(Done::Gone),
                },
                Some(done),
            ) => ChangeState::Done {
                done: Some(done.clone()),
            },
            (state, _) => state,
        };
    }
}

impl Changes {
    /// Takes a plan's actions over; without an approval at hand all count as approved, so that none is passed over.
    pub(super) fn plan(&mut self, host: &str, actions: Vec<Action>, approval: Option<&Approval>) {
        for action in actions {
            let allowed = approval.is_none_or(|approval| {
                approval.hosts.contains_key(host)
                    && approval.classes.contains(&action.act.effect())
                    && !approval.excluded.contains(&action.id)
            });
            let state = match allowed {
                true => ChangeState::Waiting,
                false => ChangeState::Excluded,
            };
            self.entries.entry(action.id).or_insert(Entry {
                action,
                allowed,
                state,
                changed: None,
                reconciled: None,
            });
        }
    }

    /// Takes in what a transaction told of an action. False: it is not one that the host was to carry out.
    pub(super) fn told(&mut self, event: &TransactionEvent) -> bool {
        let (id, state) = match event {
            TransactionEvent::Intent { action } => (action, ChangeState::Begun),
            TransactionEvent::Frozen {
                action: Some(action), ..
            } => (action, ChangeState::Done { done: None }),
            TransactionEvent::Outcome { action, outcome } => (action, state_of(outcome)),
            TransactionEvent::Drifted { component, .. } => {
                self.drift(*component);
                return true;
            }
            _ => return true,
        };
        let Some(entry) = self.entries.get_mut(id) else {
            return false;
        };
        if let (ChangeState::Done { .. }, Act::Kill { .. }) = (&state, &entry.action.act)
            && state
                == (ChangeState::Done {
                    done: Some(Done::WouldNotStop),
                })
        {
            // To not stop is no end of a process.
            entry.come_to(ChangeState::NotDone { why: None });
        } else {
            entry.come_to(state);
        }
        entry.reconciled = None;
        entry.allowed
    }

    /// Nothing of the component is carried out, as far as it is not done already.
    fn drift(&mut self, component: u32) {
        for entry in self.entries.values_mut() {
            let is_done = matches!(entry.state, ChangeState::Done { .. });
            if entry.allowed && entry.action.component == component && entry.action.act.is_change() && !is_done {
                entry.state = ChangeState::Drifted;
            }
        }
    }

    /// Takes in what looking at the host showed of an action.
    pub(super) fn reconcile(&mut self, id: ActionId, shown: &Reconciled) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.come_to(match shown {
            Reconciled::Done { testimony } => ChangeState::Done {
                done: testimony.clone(),
            },
            Reconciled::NotDone {} => ChangeState::NotDone { why: None },
            Reconciled::Unknown { why } => ChangeState::Unknown { why: why.clone() },
        });
        entry.reconciled = Some(shown.clone());
    }

    fn changes(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| entry.action.act.is_change())
    }

    fn allowed(&self) -> impl Iterator<Item = &Entry> {
        self.changes().filter(|entry| entry.allowed)
    }

    /// Whether the plan would change anything.
    pub(super) fn any(&self) -> bool {
        self.changes().next().is_some()
    }

    /// Whether an action of any kind may be carried out.
    pub(super) fn any_allowed(&self) -> bool {
        self.entries.values().any(|entry| entry.allowed)
    }

    /// Whether something is known to be done.
    pub(super) fn any_done(&self) -> bool {
        self.changes()
            .any(|entry| matches!(entry.state, ChangeState::Done { .. }))
    }

    /// Whether it is not known of some approved change if it was done. `open`: a commit was given whose transaction has
    /// not told its end, so that what was not heard of may be done.
    pub(super) fn unknown(&self, open: bool) -> bool {
        self.allowed().any(|entry| match entry.state {
            ChangeState::Begun | ChangeState::Unknown { .. } => true,
            ChangeState::Waiting => open,
            _ => false,
        })
    }

    /// Whether the commit was for nothing that stands in the plan as it was read.
    pub(super) fn none_allowed(&self) -> bool {
        self.allowed().next().is_none()
    }

    /// Whether an approved change is not done.
    pub(super) fn left(&self) -> bool {
        self.allowed()
            .any(|entry| !matches!(entry.state, ChangeState::Done { .. }))
    }

    /// Whether an approved change was left alone since its component drifted.
    pub(super) fn drifted(&self) -> bool {
        self.allowed().any(|entry| entry.state == ChangeState::Drifted)
    }

    /// Whether something is contained that lasts; what is frozen lasts only while it stands still.
    pub(super) fn contained(&self, frozen: u32) -> bool {
        self.entries.values().any(|entry| {
            let lasts = !matches!(entry.action.act, Act::Freeze { .. }) || frozen > 0;
            let is_done = matches!(entry.state, ChangeState::Done { .. });
            entry.action.act.effect() == Effect::Contain && is_done && lasts
        })
    }

    /// How much was done.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for entry in self.changes() {
            match entry.state {
                ChangeState::Excluded => tally.excluded += 1,
                ChangeState::Done { ref done } => {
                    tally.gone += u32::from(*done == Some(Done::Gone));
                    tally.done += 1;
                    tally.of += 1;
                }
                _ => tally.of += 1,
            }
        }
        tally
    }

    /// What an action is about.
    pub(super) fn object(&self, id: ActionId) -> Option<Object> {
        self.entries.get(&id).map(|entry| Object::of(&entry.action.act))
    }

    /// The actions, as they are planned.
    pub(super) fn actions(&self) -> impl Iterator<Item = &Action> {
        self.entries.values().map(|entry| &entry.action)
    }

    /// The account of each change.
    pub(super) fn report(&self) -> Vec<Change> {
        self.changes()
            .map(|entry| Change {
                action: entry.action.id,
                component: entry.action.component,
                kind: entry.action.act.kind(),
                object: Object::of(&entry.action.act),
                state: entry.state.clone(),
                undo: undo_way(&entry.state, &entry.action.act),
                reconciled: entry.reconciled.clone(),
            })
            .collect()
    }
}

fn state_of(outcome: &Outcome) -> ChangeState {
    match outcome {
        Outcome::Done { done } => ChangeState::Done {
            done: Some(done.clone()),
        },
        Outcome::NotDone { why } => ChangeState::NotDone { why: Some(why.clone()) },
        Outcome::Drifted => ChangeState::Drifted,
        Outcome::Skipped { needs } => ChangeState::Skipped { needs: *needs },
    }
}

/// How a change is taken back: as the act itself said, else as its kind allows.
fn undo_way(state: &ChangeState, act: &Act) -> UndoWay {
    match state {
        ChangeState::Done {
            done: Some(Done::Changed { undo }),
        } => match undo {
            Undo::None if matches!(act, Act::ReloadUnits { .. }) => UndoWay::Nothing,
            Undo::None => UndoWay::None,
            Undo::Thaw { .. }
            | Undo::SetFlags { .. }
            | Undo::RestoreLink { .. }
            | Undo::UnlockAccount { .. }
            | Undo::Unblock { .. }
            | Undo::EndIsolation {}
            | Undo::Unthrottle { .. }
            | Undo::RunArgv { .. } => UndoWay::AtOnce,
            Undo::RestoreFile { .. } | Undo::RestoreLines { .. } | Undo::RestoreStarter { .. } => UndoWay::FromVault,
        },
        ChangeState::Done { done: None } => match act {
            Act::Kill { .. } | Act::RunArgv { undo: None, .. } => UndoWay::None,
            Act::RemoveFile { .. } | Act::EditLines { .. } | Act::RemoveStarter { .. } => UndoWay::FromVault,
            Act::ClearFlags { .. }
            | Act::Freeze { .. }
            | Act::RemoveLink { .. }
            | Act::LockAccount { .. }
            | Act::BlockAddress { .. }
            | Act::Isolate { .. }
            | Act::Throttle { .. }
            | Act::RunArgv { undo: Some(_), .. } => UndoWay::AtOnce,
            Act::Keep { .. } | Act::ReloadUnits { .. } => UndoWay::Nothing,
        },
        _ => UndoWay::Nothing,
    }
}
