//! After the commit: nothing here waits for anybody.

use std::collections::{BTreeMap, BTreeSet};

use super::census::Member;
use super::guard::StandIn;
use super::{PAST_MINUTE_MS, Transaction, key};
use crate::action::{
    Act, Action, ActionId, Arming, Done, FileTarget, ProcessTarget, ServiceManager, StarterKind, Undo,
};
use crate::frame::{End, Outcome, TransactionEvent as Event};
use crate::journal::HostJournal;
use crate::order::Settle;
use crate::query::{Answer, Coverage, HostError, Process, ProcessesQuery, Query};

impl Transaction<'_> {
    /// After the commit: nothing here waits for anybody.
    pub(super) fn stroke(&mut self, mut journal: HostJournal) {
        let drifted = self.drifted.clone();
        self.thaw(|member| drifted.contains_key(&member.component));
        let mut removals = self.allowed(|act| removal_rank(act).is_some());
        removals.sort_by_key(|action| removal_rank(&action.act));
        for action in removals {
            self.carry_out(&mut journal, &action);
        }
        for action in self.allowed(|act| matches!(act, Act::Kill { .. })) {
            self.carry_out(&mut journal, &action);
        }
        self.kill_born(&mut journal);
        for action in self.allowed(|act| matches!(act, Act::RemoveFile { .. })) {
            self.carry_out(&mut journal, &action);
        }
        self.leave_flags(&mut journal);
        let stroke_ms = self.platform.uptime_ms().saturating_sub(self.began_ms);
        self.tell_holders();
        self.look(&mut journal, 1);
        if self.orders.orders().settle == Settle::NextMinute && self.changed {
            let now = self.platform.host_time_ms();
            self.platform.sleep_ms(60_000 - now % 60_000 + PAST_MINUTE_MS);
            self.look(&mut journal, 2);
        }
        // What is proven and kept is never set free: what a kill could not end stays with the keeper, which ends it.
        let proven = self.proven.clone();
        self.thaw(|member| !proven.contains(&key(&member.target)));
        let finished = Event::Finished {
            end: End::Struck,
            stroke_ms,
            frozen: self.frozen.len() as u32,
        };
        // The outcomes are on disk already; a reader without this line knows that the end was not reached.
        let _ = journal.record(self.platform.host_time_ms(), &finished);
        if self.frozen.is_empty() {
            self.platform.disarm();
        }
        self.controller.tell(finished);
    }

    /// Carries out one action of the plan, after what it needs and after it is written down.
    fn carry_out(&mut self, journal: &mut HostJournal, action: &Action) {
        if self.settled.contains(&action.id) || self.failed.contains(&action.id) {
            return;
        }
        if let Act::ReloadUnits { manager, .. } = &action.act {
            if let Some(needs) = self.generator_left(*manager) {
                return self.journaled(journal, action.id, Outcome::Skipped { needs });
            }
            if self.drifted.contains_key(&action.component) && !self.has_removed_units(action.component) {
                return self.journaled(journal, action.id, Outcome::Drifted);
            }
        } else if self.drifted.contains_key(&action.component) {
            return self.journaled(journal, action.id, Outcome::Drifted);
        }
        let flags: Vec<Action> = self
            .allowed(|act| matches!(act, Act::ClearFlags { .. }))
            .into_iter()
            .filter(|needed| action.needs.contains(&needed.id))
            .collect();
        let missing = action
            .needs
            .iter()
            .find(|needed| !self.settled.contains(needed) && !flags.iter().any(|prepares| prepares.id == **needed));
        if let Some(needs) = missing {
            return self.journaled(journal, action.id, Outcome::Skipped { needs: *needs });
        }
        if !self.is_kept(action) {
            let doing = format!("{} {}", action.act.kind(), action.id);
            let why = HostError::Failed {
                doing,
                why: "what is there now is not kept".to_owned(),
            };
            return self.journaled(journal, action.id, Outcome::NotDone { why });
        }
        // Flags are cleared per object, right before its act, and come back where the act fails.
        let mut cleared = Vec::new();
        for prepares in &flags {
            if !self.settled.contains(&prepares.id) {
                cleared.extend(self.act(journal, prepares));
            }
            if !self.settled.contains(&prepares.id) {
                return self.journaled(journal, action.id, Outcome::Skipped { needs: prepares.id });
            }
        }
        self.act(journal, action);
        if !self.settled.contains(&action.id) {
            for undo in cleared {
                // Nothing depends on it any more: what cannot be set again is told by the act's own undo.
                let _ = self.platform.undo(&undo, None, Arming::Armed);
            }
        }
    }

    /// A generator of this manager that the plan condemns and that is still there: a reload would run it.
    fn generator_left(&self, manager: ServiceManager) -> Option<ActionId> {
        let of_users = |file: &FileTarget| {
            let folder = file.path.parent().unwrap_or_default();
            folder.file_name().starts_with(b"user-")
        };
        let left = self.orders.orders().actions.iter().find(|action| {
            let is_one = matches!(&action.act, Act::RemoveStarter { file, starter: StarterKind::Generator }
                if of_users(file) != (manager == ServiceManager::System {}));
            is_one && !self.settled.contains(&action.id)
        });
        left.map(|action| action.id)
    }

    /// Whether something of a unit was removed for another component: its manager must forget that, whatever drifted.
    fn has_removed_units(&self, component: u32) -> bool {
        self.orders.actions().any(|action| {
            let of_a_unit = match &action.act {
                Act::RemoveStarter { starter, .. } => starter.is_of_a_unit(),
                Act::RemoveLink { .. } => true,
                _ => false,
            };
            of_a_unit && action.component != component && self.settled.contains(&action.id)
        })
    }

    /// Does one act after it is written down; gives how it is taken back.
    fn act(&mut self, journal: &mut HostJournal, action: &Action) -> Option<Undo> {
        let intent = Event::Intent { action: action.id };
        if let Err(why) = journal.record(self.platform.host_time_ms(), &intent) {
            self.outcome(action.id, Outcome::NotDone { why });
            return None;
        }
        self.controller.tell(intent);
        let (outcome, undo) = match self.platform.act(&self.with_stand_in(action)) {
            Ok(done) => {
                let undo = done.undo().cloned();
                self.changed |= undo.is_some();
                if let Act::Kill { process } = &action.act {
                    self.frozen.remove(&key(process));
                }
                (Outcome::Done { done }, undo)
            }
            Err(why) => (Outcome::NotDone { why }, None),
        };
        self.journaled(journal, action.id, outcome);
        undo
    }

    /// Whether what an act would destroy now is safe.
    fn is_kept(&self, action: &Action) -> bool {
        let content = self.stand_ins.get(&action.id).map(StandIn::content);
        match &action.act {
            Act::RemoveFile { file } | Act::EditLines { file, .. } | Act::RemoveStarter { file, .. } => {
                self.kept.has(&content.unwrap_or(file.sha256))
            }
            Act::Kill { process } => self.proven.contains(&key(process)) || self.is_gone(process),
            _ => true,
        }
    }

    /// Whether a process of the plan was gone when it was to be frozen.
    fn is_gone(&self, process: &ProcessTarget) -> bool {
        !self.frozen.contains_key(&key(process))
    }

    /// Flags that nothing needs cleared any more stay as they are.
    fn leave_flags(&mut self, journal: &mut HostJournal) {
        for action in self.allowed(|act| matches!(act, Act::ClearFlags { .. })) {
            if self.settled.contains(&action.id) || self.failed.contains(&action.id) {
                continue;
            }
            let served = self
                .orders
                .orders()
                .actions
                .iter()
                .find(|other| other.needs.contains(&action.id));
            let outcome = match served {
                _ if self.drifted.contains_key(&action.component) => Outcome::Drifted,
                Some(served) => Outcome::Skipped { needs: served.id },
                None => Outcome::Skipped { needs: action.id },
            };
            self.journaled(journal, action.id, outcome);
        }
    }

    /// The act of an action, on the file that stands in for the planned one where there is such a file.
    fn with_stand_in(&self, action: &Action) -> Act {
        let Some(StandIn { file, .. }) = self.stand_ins.get(&action.id).cloned() else {
            return action.act.clone();
        };
        match &action.act {
            Act::RemoveFile { .. } => Act::RemoveFile { file },
            Act::RemoveStarter { starter, .. } => Act::RemoveStarter {
                file,
                starter: *starter,
            },
            Act::EditLines { remove, syntax, .. } => Act::EditLines {
                file,
                remove: remove.clone(),
                syntax: *syntax,
            },
            Act::ClearFlags { flags, .. } => Act::ClearFlags { file, flags: *flags },
            other => other.clone(),
        }
    }

    /// Ends what was born within the envelope, is proven and still stands still.
    fn kill_born(&mut self, journal: &mut HostJournal) -> u32 {
        let planned: BTreeSet<(u32, u64)> = self
            .orders
            .orders()
            .actions
            .iter()
            .filter_map(|action| action.act.process().map(key))
            .collect();
        let born: Vec<Member> = self
            .frozen
            .values()
            .filter(|member| {
                let process = key(&member.target);
                !planned.contains(&process)
                    && self.proven.contains(&process)
                    && !self.drifted.contains_key(&member.component)
            })
            .cloned()
            .collect();
        let mut struck = 0;
        for Member { component, target } in born {
            let strike = |result| Event::Struck {
                component,
                pid: target.pid,
                start_ticks: target.start_ticks,
                result,
            };
            let result = match journal.record(self.platform.host_time_ms(), &strike(None)) {
                Ok(()) => self.platform.act(&Act::Kill {
                    process: target.clone(),
                }),
                Err(why) => Err(why),
            };
            if result.is_ok() {
                struck += 1;
                self.changed = true;
                self.frozen.remove(&key(&target));
            }
            let event = strike(Some(result));
            let _ = journal.record(self.platform.host_time_ms(), &event);
            self.controller.tell(event);
        }
        struck
    }

    /// Looks again after the stroke: what the envelope admits and was born meanwhile is kept and struck too.
    fn look(&mut self, journal: &mut HostJournal, round: u32) {
        let mut struck = 0;
        let mut seen = Coverage::whole();
        for _ in 0..self.orders.orders().bounds.rounds {
            let (processes, coverage) = match self.census() {
                Ok(census) => census,
                Err(_) => {
                    seen.note("processes", "", crate::query::GapReason::Malformed);
                    break;
                }
            };
            seen.unite(&coverage);
            self.tell_ended(journal, &processes);
            let mut held = Vec::new();
            for (component, process) in self.born(&processes) {
                if !self.drifted.contains_key(&component) && self.freeze_birth(component, &process) {
                    held.push((process.pid, process.start_ticks.0));
                }
            }
            if held.is_empty() {
                break;
            }
            for process in held {
                let Some(member) = self.frozen.get(&process).cloned() else {
                    continue;
                };
                if self.keep_late(journal, &member) && self.may_kill(member.component) {
                    self.proven.insert(process);
                    // Should we die before the kill, the keeper does it. Where it cannot be told, it lets go.
                    let _ = self.platform.committed(std::slice::from_ref(&member.target));
                }
            }
            struck += self.kill_born(journal);
        }
        self.controller.tell(Event::Looked {
            round,
            struck,
            coverage: seen,
        });
    }

    /// Tells of those born within the envelope that ended by themselves before they could be kept: nothing is left to end.
    fn tell_ended(&mut self, journal: &mut HostJournal, processes: &[Process]) {
        let there: BTreeSet<(u32, u64)> = processes
            .iter()
            .filter(|process| !process.has_ended())
            .map(|process| (process.pid, process.start_ticks.0))
            .collect();
        let ended: Vec<Member> = self
            .frozen
            .values()
            .filter(|member| {
                let process = key(&member.target);
                !self.named.contains(&process) && !self.proven.contains(&process) && !there.contains(&process)
            })
            .cloned()
            .collect();
        for Member { component, target } in ended {
            let event = Event::Struck {
                component,
                pid: target.pid,
                start_ticks: target.start_ticks,
                result: Some(Ok(Done::Gone)),
            };
            let _ = journal.record(self.platform.host_time_ms(), &event);
            self.controller.tell(event);
        }
    }

    /// Tells who still holds what was deleted; a foreign holder does not block, it is to be started anew by its owner.
    fn tell_holders(&mut self) {
        let removed: BTreeMap<_, _> = self
            .orders
            .actions()
            .filter(|action| self.settled.contains(&action.id))
            .filter_map(|action| match &action.act {
                Act::RemoveFile { file } => Some((file.id, file.path.clone())),
                _ => None,
            })
            .collect();
        if removed.is_empty() {
            return;
        }
        let query = Query::Processes(ProcessesQuery {
            fds: true,
            maps: true,
            ..ProcessesQuery::default()
        });
        let Ok(Answer::Processes(processes)) = self.platform.answer(&query).map(|observed| observed.value) else {
            return;
        };
        for process in processes
            .iter()
            .filter(|process| !self.spent.family.contains_key(&(process.pid, process.start_ticks.0)))
        {
            let opened = process.fds.iter().flatten().filter_map(|file| file.id);
            let mapped = process.maps.iter().flatten().map(|file| file.id);
            let held: BTreeSet<_> = opened.chain(mapped).filter(|id| removed.contains_key(id)).collect();
            for id in held {
                let path = removed[&id].clone();
                self.controller.tell(Event::StillHeld {
                    path,
                    pid: process.pid,
                    comm: process.comm.clone(),
                });
            }
        }
    }

    /// Tells how an action ended, and writes it down on the host.
    fn journaled(&mut self, journal: &mut HostJournal, action: ActionId, outcome: Outcome) {
        let event = Event::Outcome {
            action,
            outcome: outcome.clone(),
        };
        // The intent is on disk: without this line the action is looked at again, not believed.
        let _ = journal.record(self.platform.host_time_ms(), &event);
        self.outcome(action, outcome);
    }
}

/// The place of an act among what is removed before anything is killed: what would make units anew at a reload, then what
/// the service manager keeps, then everything else that starts something, then accounts and programs that a person chose;
/// the reload last, when all of it is gone. `None` for what has another stage.
fn removal_rank(act: &Act) -> Option<u8> {
    Some(match act {
        Act::RemoveStarter {
            starter: StarterKind::Generator,
            ..
        } => 0,
        Act::RemoveStarter { starter, .. } if starter.is_of_a_unit() => 1,
        Act::RemoveLink { .. } => 2,
        Act::RemoveStarter { .. } => 3,
        Act::EditLines { .. } => 4,
        Act::LockAccount { .. } => 5,
        Act::RunArgv { .. } => 6,
        Act::ReloadUnits { .. } => 7,
        Act::Keep { .. }
        | Act::Freeze { .. }
        | Act::Kill { .. }
        | Act::RemoveFile { .. }
        | Act::ClearFlags { .. }
        | Act::BlockAddress { .. }
        | Act::Isolate { .. }
        | Act::Throttle { .. } => return None,
    })
}
