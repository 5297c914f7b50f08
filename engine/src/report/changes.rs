//! The changes of one host's plan, and what became of each.

use deminer_worker::action::{Act, Action, ActionId, Done, Effect, ProcessTarget, Undo};
use deminer_worker::frame::{Outcome, TransactionEvent};
use deminer_worker::order::{self, Approval};
use deminer_worker::query::{CommandEnd, HostError};
use deminer_worker::text::{HostBytes, Wide};
use indexmap::IndexMap;

use super::{Change, ChangeState, Object, Stay, Tally, UndoWay};
use crate::event::Reconciled;
use crate::finding::FindingId;

/// As much is told of what a program complained of.
const SAID_BYTES: usize = 200;

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
    /// When that was heard or found, milliseconds since 1970.
    done_at_ms: Option<Wide>,
    reconciled: Option<Reconciled>,
}

impl Entry {
    fn is_done(&self) -> bool {
        matches!(self.state, ChangeState::Done { .. })
    }

    /// Takes the last word over.
    fn come_to(&mut self, state: ChangeState, at_ms: Wide) {
        if let ChangeState::Done { .. } = state {
            self.done_at_ms.get_or_insert(at_ms);
        }
        if let ChangeState::Done {
            done: Some(done @ (Done::Changed { .. } | Done::Ran { .. })),
        } = &state
        {
            self.changed = Some(done.clone());
        }
        let state = match state {
            ChangeState::Done {
                done: Some(Done::Ran { end, stderr, .. }),
            } if !end.is_success() => ChangeState::NotDone {
                why: Some(failed_run(end, &stderr)),
            },
            state => state,
        };
        self.state = match (state, &self.changed) {
            (
                ChangeState::Done {
                    done: None | Some(Done::Gone | Done::Already),
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
                done_at_ms: None,
                reconciled: None,
            });
        }
    }

    /// Whether a process of a component was to be killed.
    pub(super) fn kills_of(&self, component: u32) -> bool {
        let mut allowed = self.allowed();
        allowed.any(|entry| entry.action.component == component && matches!(entry.action.act, Act::Kill { .. }))
    }

    /// Whether all that was to be changed because of a finding is done.
    pub(super) fn settles(&self, finding: &FindingId) -> bool {
        let mut because = self
            .changes()
            .filter(|entry| entry.action.because.iter().any(|id| id == finding.as_str()))
            .peekable();
        because.peek().is_some() && because.all(Entry::is_done)
    }

    /// Why an approval leaves an action out.
    pub(super) fn reason(&self, id: ActionId, approval: Option<&Approval>) -> Option<String> {
        let actions: Vec<Action> = self.entries.values().map(|entry| entry.action.clone()).collect();
        let action = &self.entries.get(&id)?.action;
        order::reason(action, &actions, approval?).map(str::to_owned)
    }

    /// Takes in what a transaction told of an action. False: it is not one that the host was to carry out.
    pub(super) fn told(&mut self, event: &TransactionEvent, at_ms: Wide) -> bool {
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
            entry.come_to(ChangeState::NotDone { why: None }, at_ms);
        } else {
            entry.come_to(state, at_ms);
        }
        entry.reconciled = None;
        entry.allowed
    }

    /// Nothing of the component is carried out, as far as it is not done already.
    fn drift(&mut self, component: u32) {
        for entry in self.entries.values_mut() {
            if entry.allowed && entry.action.component == component && entry.action.act.is_change() && !entry.is_done()
            {
                entry.state = ChangeState::Drifted;
            }
        }
    }

    /// Takes in what looking at the host showed of an action.
    pub(super) fn reconcile(&mut self, id: ActionId, shown: &Reconciled, at_ms: Wide) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let state = match shown {
            Reconciled::Done { testimony } => ChangeState::Done {
                done: testimony.clone(),
            },
            Reconciled::NotDone {} => ChangeState::NotDone { why: None },
            Reconciled::Unknown { why } => ChangeState::Unknown { why: why.clone() },
        };
        entry.come_to(state, at_ms);
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

    /// Whether the plan would destroy anything.
    pub(super) fn any_destroys(&self) -> bool {
        self.changes().any(|entry| entry.action.act.effect() == Effect::Destroy)
    }

    /// Whether something is known to be done.
    pub(super) fn any_done(&self) -> bool {
        self.changes().any(Entry::is_done)
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
        self.allowed().any(|entry| !entry.is_done())
    }

    /// Whether an approved change was left alone since its component drifted.
    pub(super) fn drifted(&self) -> bool {
        self.allowed().any(|entry| entry.state == ChangeState::Drifted)
    }

    /// Whether something is contained that lasts; what is frozen lasts only while it stands still.
    pub(super) fn contained(&self, frozen: u32) -> bool {
        self.entries.values().any(|entry| {
            let lasts = !matches!(entry.action.act, Act::Freeze { .. }) || frozen > 0;
            entry.action.act.effect() == Effect::Contain && entry.is_done() && lasts
        })
    }

    /// Whether something that contains, and lasts, was found by looking where its transaction told no end.
    pub(super) fn found_contained(&self) -> bool {
        self.entries.values().any(|entry| {
            let lasts = !matches!(entry.action.act, Act::Freeze { .. });
            let found = matches!(entry.reconciled, Some(Reconciled::Done { .. }));
            entry.action.act.effect() == Effect::Contain && lasts && found
        })
    }

    /// What lasts of what was contained. A throttled process that was ended does not.
    pub(super) fn stays(&self) -> Vec<Stay> {
        let done = || self.entries.values().filter(|entry| entry.is_done());
        let is_ended = |process: &ProcessTarget| {
            done().any(|entry| matches!(&entry.action.act, Act::Kill { process: ended } if ended == process))
        };
        let stays = done().filter_map(|entry| {
            let until = |for_s: u32| Some(Wide(entry.done_at_ms?.0.saturating_add(u64::from(for_s) * 1000)));
            Some(match &entry.action.act {
                Act::BlockAddress { address, for_s } => Stay::Blocked {
                    address: address.clone(),
                    until_ms: until(*for_s)?,
                },
                Act::Isolate { for_s, .. } => Stay::Isolated {
                    until_ms: until(*for_s)?,
                },
                Act::Throttle { process } if !is_ended(process) => Stay::Throttled {
                    pid: process.pid,
                    comm: process.comm.clone(),
                },
                _ => return None,
            })
        });
        stays.collect()
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
                effect: entry.action.act.effect(),
                object: Object::of(&entry.action.act),
                state: entry.state.clone(),
                undo: undo_way(entry),
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

/// Why a program that ran did not do what it was run for, as far as it says.
fn failed_run(end: CommandEnd, stderr: &HostBytes) -> HostError {
    let said = stderr.as_bytes().trim_ascii();
    let said = HostBytes::new(&said[..said.len().min(SAID_BYTES)]);
    HostError::Failed {
        doing: "run it".to_owned(),
        why: match said.is_empty() {
            true => end.to_string(),
            false => format!("{end}; it says `{said}`"),
        },
    }
}

/// How a change is taken back: as the act itself said, else as its kind allows.
fn undo_way(entry: &Entry) -> UndoWay {
    let act = &entry.action.act;
    let changed = match (&entry.state, &entry.changed) {
        (ChangeState::Done { done: Some(done) }, _) => done.undo(),
        // A program that failed may have changed something all the same.
        (ChangeState::NotDone { .. }, Some(done @ Done::Ran { .. })) => done.undo(),
        _ => None,
    };
    if let Some(undo) = changed {
        return match undo {
            Undo::None if matches!(act, Act::ReloadUnits { .. }) => UndoWay::Nothing,
            Undo::None => UndoWay::None,
            Undo::Thaw { .. }
            | Undo::SetFlags { .. }
            | Undo::RestoreLink { .. }
            | Undo::UnlockAccount { .. }
            | Undo::Unblock { .. }
            | Undo::EndIsolation { .. }
            | Undo::Unthrottle { .. } => UndoWay::AtOnce,
            Undo::RunArgv { .. } => UndoWay::ByCommand,
            Undo::RestoreFile { .. } | Undo::RestoreLines { .. } | Undo::RestoreStarter { .. } => UndoWay::FromVault,
        };
    }
    match &entry.state {
        ChangeState::Done { done: None } => match act {
            Act::Kill { .. } | Act::RunArgv { undo: None, .. } => UndoWay::None,
            Act::RemoveFile { .. } | Act::EditLines { .. } | Act::RemoveStarter { .. } => UndoWay::FromVault,
            Act::ClearFlags { .. }
            | Act::Freeze { .. }
            | Act::RemoveLink { .. }
            | Act::LockAccount { .. }
            | Act::BlockAddress { .. }
            | Act::Isolate { .. }
            | Act::Throttle { .. } => UndoWay::AtOnce,
            Act::RunArgv { undo: Some(_), .. } => UndoWay::ByCommand,
            Act::Keep { .. } | Act::ReloadUnits { .. } => UndoWay::Nothing,
        },
        _ => UndoWay::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use deminer_worker::action::FileTarget;
    use deminer_worker::text::Digest;
    use serde_json::json;

    use super::*;

    fn program() -> FileTarget {
        let target = json!({
            "mount": "/", "path": "/usr/sbin/ipset", "id": {"dev": "1", "inode": "2"}, "size": "3", "ctime_ns": "4",
            "mtime_ns": "5", "sha256": Digest::of(b"ipset"), "mode": 493, "uid": 0, "gid": 0, "flags": null, "links": 1,
            "xattrs": [],
        });
        serde_json::from_value(target).expect("a target")
    }

    /// What is reported of a program that a plan runs, by how it ended.
    fn ran(end: CommandEnd, stderr: &str) -> Change {
        let act = Act::RunArgv {
            program: Box::new(program()),
            argv: vec!["ipset".into()],
            timeout_ms: 1,
            undo: Some(vec!["ipset".into(), "restore".into()]),
        };
        let action = Action {
            id: act.id("a"),
            component: 1,
            act,
            because: vec!["f".to_owned()],
            needs: Vec::new(),
        };
        let undo = Undo::RunArgv {
            program: Box::new(program()),
            argv: vec!["ipset".into(), "restore".into()],
            timeout_ms: 1,
        };
        let done = Done::Ran {
            end,
            stdout: HostBytes::default(),
            stderr: stderr.into(),
            cut: false,
            undo: Box::new(undo),
        };
        let told = TransactionEvent::Outcome {
            action: action.id,
            outcome: Outcome::Done { done },
        };
        let mut changes = Changes::default();
        changes.plan("a", vec![action], None);
        assert!(changes.told(&told, Wide(1)));
        changes.report().remove(0)
    }

    #[test]
    fn a_program_that_fails_is_not_done_and_can_be_taken_back() {
        let well = ran(CommandEnd::Exited { code: 0 }, "a warning\n");
        assert!(matches!(well.state, ChangeState::Done { .. }), "{:?}", well.state);
        assert_eq!(well.undo, UndoWay::ByCommand);
        let rows = [
            (
                CommandEnd::Exited { code: 3 },
                "no \u{7} such set\n",
                "exit status 3; it says `no \\x07 such set`",
            ),
            (CommandEnd::TimedOut {}, "", "killed at its limit of time"),
        ];
        for (end, stderr, expected) in rows {
            let badly = ran(end, stderr);
            let ChangeState::NotDone {
                why: Some(HostError::Failed { why, .. }),
            } = &badly.state
            else {
                panic!("{:?}", badly.state);
            };
            assert_eq!(why, expected);
            assert_eq!(badly.undo, UndoWay::ByCommand);
        }
    }
}
