//! What is kept before anything of it is changed: files while all runs, live parts while their processes stand still.

use std::collections::BTreeMap;

use super::census::Member;
use super::guard::StandIn;
use super::{BACKUP_MS, LATE_EVIDENCE_MS, Refusal, Transaction, evidence, key, refuse};
use crate::action::{Act, ActionId, Done, Object, Undo};
use crate::frame::{Outcome, RefusalKind};
use crate::journal::HostJournal;
use crate::query::HostError;

impl Transaction<'_> {
    /// Keeps the files of the plan, while everything still runs.
    pub(super) fn keep_files(&mut self) -> Result<(), Refusal> {
        for action in self.allowed(|act| {
            matches!(
                act,
                Act::Keep {
                    object: Object::File { .. }
                }
            )
        }) {
            let Act::Keep { object } = &action.act else { continue };
            match evidence::keep(
                self.platform,
                self.controller,
                None,
                &mut self.kept,
                object,
                Some(action.id),
                BACKUP_MS,
            ) {
                Ok(()) => self.outcome(
                    action.id,
                    Outcome::Done {
                        done: Done::Changed { undo: Undo::None },
                    },
                ),
                Err(HostError::Gone { .. }) => self.outcome(action.id, Outcome::Done { done: Done::Gone }),
                Err(HostError::Lost { why }) => return Err(refuse(RefusalKind::NoCommit, why)),
                // The file is another by now: the guards say so after the freeze, and keep what an edit still may touch.
                Err(why @ HostError::Changed { .. }) => {
                    self.changed_keeps.insert(action.id, why);
                }
                Err(why) => self.outcome(action.id, Outcome::NotDone { why }),
            }
        }
        Ok(())
    }

    /// Keeps what processes run, while they still do: so the freeze is short.
    pub(super) fn keep_executables(&mut self) -> Result<(), Refusal> {
        for action in self.allowed(|act| {
            matches!(
                act,
                Act::Keep {
                    object: Object::Process { .. }
                }
            )
        }) {
            let Act::Keep { object } = &action.act else { continue };
            let (platform, controller, kept) = (self.platform, &mut *self.controller, &mut self.kept);
            if let Err(HostError::Lost { why }) =
                evidence::keep_executable(platform, controller, kept, object, action.id, BACKUP_MS)
            {
                return Err(refuse(RefusalKind::NoCommit, why));
            }
        }
        Ok(())
    }

    /// Keeps the live parts of processes that nobody stops: where evidence is all that was approved.
    pub(super) fn keep_running(&mut self) -> Result<(), Refusal> {
        for action in self.allowed(|act| {
            matches!(
                act,
                Act::Keep {
                    object: Object::Process { .. }
                }
            )
        }) {
            let Act::Keep { object } = &action.act else { continue };
            let (platform, controller, kept) = (self.platform, &mut *self.controller, &mut self.kept);
            match evidence::keep(platform, controller, None, kept, object, Some(action.id), BACKUP_MS) {
                Ok(()) => {
                    let done = Done::Changed { undo: Undo::None };
                    self.outcome(action.id, Outcome::Done { done });
                }
                Err(HostError::Gone { .. }) => self.outcome(action.id, Outcome::Done { done: Done::Gone }),
                Err(HostError::Lost { why }) => return Err(refuse(RefusalKind::NoCommit, why)),
                Err(why) => self.outcome(action.id, Outcome::NotDone { why }),
            }
        }
        Ok(())
    }

    /// Keeps what only exists while the frozen processes do.
    pub(super) fn keep_live(&mut self) -> Result<(), Refusal> {
        let actions: BTreeMap<(u32, u64), ActionId> = self
            .allowed(|act| {
                matches!(
                    act,
                    Act::Keep {
                        object: Object::Process { .. }
                    }
                )
            })
            .into_iter()
            .filter_map(|action| Some((key(action.act.process()?), action.id)))
            .collect();
        let running = self.running_named(&actions);
        for member in self.frozen.values().cloned().chain(running).collect::<Vec<_>>() {
            let object = Object::Process {
                process: member.target.clone(),
            };
            let process = key(&member.target);
            let action = actions.get(&process).copied();
            let ms = self.time_left();
            match evidence::keep(
                self.platform,
                self.controller,
                None,
                &mut self.kept,
                &object,
                action,
                ms,
            ) {
                Ok(()) => {
                    if self.may_end(process, member.component) {
                        self.proven.insert(process);
                    }
                    if let Some(action) = action {
                        let done = Done::Changed { undo: Undo::None };
                        self.outcome(action, Outcome::Done { done });
                    }
                }
                Err(HostError::Lost { why }) => return Err(refuse(RefusalKind::NoCommit, why)),
                Err(why) => {
                    if let Some(action) = action {
                        self.outcome(action, Outcome::NotDone { why });
                    }
                }
            }
            self.in_time()?;
        }
        // What the plan would keep of a process that is gone is gone with it.
        for (process, action) in actions {
            let told = self.failed.contains(&action) || self.settled.contains(&action);
            if !told && !self.frozen.contains_key(&process) {
                self.outcome(action, Outcome::Done { done: Done::Gone });
            }
        }
        Ok(())
    }

    /// The processes that are to be kept though the approval lets nobody end them: they run on.
    fn running_named(&self, actions: &BTreeMap<(u32, u64), ActionId>) -> Vec<Member> {
        let keeps = self
            .orders
            .actions()
            .filter(|action| actions.values().any(|keep| *keep == action.id));
        keeps
            .filter_map(|action| Some((action.component, action.act.process()?)))
            .filter(|(component, process)| !self.may_end(key(process), *component))
            .map(|(component, process)| Member {
                component,
                target: process.clone(),
            })
            .collect()
    }

    /// A file whose content is no longer the planned one but whose condemned bytes are: what it holds now is kept too.
    pub(super) fn keep_stand_ins(&mut self) -> Result<(), Refusal> {
        let keeps = self.allowed(|act| {
            matches!(
                act,
                Act::Keep {
                    object: Object::File { .. }
                }
            )
        });
        for stand_in in self.stand_ins.values().cloned().collect::<Vec<_>>() {
            let StandIn { file, text } = stand_in;
            let keep = keeps
                .iter()
                .find(|keep| keep.act.file().is_some_and(|kept| kept.path == file.path))
                .map(|keep| keep.id);
            let ms = self.time_left();
            let (platform, controller, kept) = (self.platform, &mut *self.controller, &mut self.kept);
            let result = match text {
                Some(text) => evidence::keep_text(platform, controller, kept, &file.path, &text, keep, ms),
                None if kept.has(&file.sha256) => Ok(()),
                None => evidence::keep(platform, controller, None, kept, &Object::File { file }, keep, ms),
            };
            let safe = match result {
                Ok(()) => true,
                Err(HostError::Lost { why }) => return Err(refuse(RefusalKind::NoCommit, why)),
                Err(_) => false,
            };
            if let Some(keep) = keep.filter(|keep| safe && self.changed_keeps.remove(keep).is_some()) {
                self.outcome(
                    keep,
                    Outcome::Done {
                        done: Done::Changed { undo: Undo::None },
                    },
                );
            }
            self.in_time()?;
        }
        for (keep, why) in std::mem::take(&mut self.changed_keeps) {
            if !self.settled.contains(&keep) {
                self.outcome(keep, Outcome::NotDone { why });
            }
        }
        Ok(())
    }

    /// Keeps what was born after the commit: with the controller while it answers, else in the host's own spool.
    pub(super) fn keep_late(&mut self, journal: &mut HostJournal, member: &Member) -> bool {
        let object = Object::Process {
            process: member.target.clone(),
        };
        let (platform, controller, kept) = (self.platform, &mut *self.controller, &mut self.kept);
        match evidence::keep(
            platform,
            controller,
            Some(journal),
            kept,
            &object,
            None,
            LATE_EVIDENCE_MS,
        ) {
            Ok(()) => true,
            Err(HostError::Lost { .. } | HostError::TimedOut { .. }) => {
                controller.give_up();
                evidence::keep(
                    platform,
                    controller,
                    Some(journal),
                    kept,
                    &object,
                    None,
                    LATE_EVIDENCE_MS,
                )
                .is_ok()
            }
            Err(_) => false,
        }
    }
}
