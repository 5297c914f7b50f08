//! What stands still: guardians before miners, newborns of the envelope, and the way back.

use std::collections::{BTreeMap, BTreeSet};

use super::census::{self, Fit, Member};
use super::{Refusal, Transaction, key, refuse};
use crate::action::{Act, ActionId, Done, ProcessTarget};
use crate::frame::{Outcome, RefusalKind, Spared, TransactionEvent as Event};
use crate::protect::{self, Facts};
use crate::query::{Answer, Coverage, HostError, Ownership, Process, ProcessesQuery, Query};
use crate::text::HostPath;

impl Transaction<'_> {
    /// Stops guardians, then miners, then looks until two looks agree that nobody else is there.
    pub(super) fn freeze(&mut self) -> Result<(), Refusal> {
        self.facts = self.facts().map_err(|error| refuse(RefusalKind::Host, error))?;
        let mut freezes = self.allowed(|act| matches!(act, Act::Freeze { .. }));
        freezes.sort_by_key(|action| action.act.process().map(|process| process.role));
        for action in freezes {
            let Act::Freeze { process } = &action.act else { continue };
            if !self.may_end(key(process), action.component) {
                // It would stand still for nothing: the approval lets nobody end it.
                self.outcome(action.id, Outcome::Skipped { needs: action.id });
                continue;
            }
            let over = self.orders.orders().overrides.get(&action.id);
            if let Some(why) = protect::protection_unless(over, &action.act, &BTreeSet::new(), &self.facts) {
                let doing = action.act.kind().to_owned();
                self.drift(&action, HostError::Protected { doing, why });
                continue;
            }
            match self.platform.act(&action.act) {
                Ok(Done::Gone) => self.outcome(action.id, Outcome::Done { done: Done::Gone }),
                Ok(done) => {
                    self.hold(Some(action.id), action.component, process);
                    self.outcome(action.id, Outcome::Done { done });
                }
                Err(why @ (HostError::Changed { .. } | HostError::Protected { .. })) => self.drift(&action, why),
                Err(why) => self.outcome(action.id, Outcome::NotDone { why }),
            }
            self.in_time()?;
        }
        for _ in 0..self.orders.orders().bounds.rounds {
            if self.freeze_births()? == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One look for processes born since the plan; freezes those within the envelope and says how many.
    fn freeze_births(&mut self) -> Result<u32, Refusal> {
        let (processes, _) = self.census().map_err(|error| refuse(RefusalKind::Host, error))?;
        let mut held = 0;
        for (component, process) in self.born(&processes) {
            if self.drifted.contains_key(&component) {
                continue;
            }
            held += u32::from(self.freeze_birth(component, &process));
            self.in_time()?;
        }
        Ok(held)
    }

    /// Freezes one process that the envelope admits. One beyond the count, or protected, is left alone.
    pub(super) fn freeze_birth(&mut self, component: u32, process: &Process) -> bool {
        let Some(target) = census::target_of(process, &self.host.identity.boot_id) else {
            self.spare(component, process, Spared::NotTold {});
            return false;
        };
        let limit = self
            .orders
            .orders()
            .components
            .iter()
            .find(|c| c.id == component)
            .map_or(0, |c| c.envelope.max_births);
        let act = Act::Freeze {
            process: target.clone(),
        };
        // Of the processes only this one matters to it, as it is now.
        let facts = Facts {
            processes: vec![process.clone()],
            own_chain: self.facts.own_chain.clone(),
            site: self.facts.site.clone(),
            ..Facts::default()
        };
        if let Some(rule) = protect::protection(&act, &BTreeSet::new(), &facts) {
            self.spare(component, process, Spared::Protected { rule });
            return false;
        }
        if self.spent.births.get(&component).copied().unwrap_or(0) >= limit {
            self.spare(component, process, Spared::Beyond { limit });
            return false;
        }
        match self.platform.act(&act) {
            Ok(Done::Changed { .. } | Done::WouldNotStop) => {
                *self.spent.births.entry(component).or_default() += 1;
                self.spent.family.insert(key(&target), component);
                self.controller.tell(Event::Born {
                    component,
                    process: Box::new(process.clone()),
                });
                self.hold(None, component, &target);
                true
            }
            Ok(Done::Gone | Done::Already | Done::Ran { .. }) | Err(_) => false,
        }
    }

    /// Lets frozen processes run again.
    pub(super) fn thaw(&mut self, which: impl Fn(&Member) -> bool) {
        let members: Vec<Member> = self.frozen.values().filter(|member| which(member)).cloned().collect();
        for member in members {
            if self.platform.thaw(&member.target).is_ok() {
                self.frozen.remove(&key(&member.target));
                let Member { target, .. } = member;
                self.controller.tell(Event::Thawed {
                    pid: target.pid,
                    start_ticks: target.start_ticks,
                });
            }
        }
    }

    pub(super) fn hold(&mut self, action: Option<ActionId>, component: u32, target: &ProcessTarget) {
        self.frozen.insert(
            key(target),
            Member {
                component,
                target: target.clone(),
            },
        );
        self.controller.tell(Event::Frozen {
            action,
            pid: target.pid,
            start_ticks: target.start_ticks,
        });
    }

    pub(super) fn census(&self) -> Result<(Vec<Process>, Coverage), HostError> {
        let query = Query::Processes(ProcessesQuery {
            digest: true,
            ..ProcessesQuery::default()
        });
        let observed = self.platform.answer(&query)?;
        match observed.value {
            Answer::Processes(processes) => Ok((processes, observed.coverage)),
            _ => Err(HostError::Failed {
                doing: "list processes".to_owned(),
                why: "another question was answered".to_owned(),
            }),
        }
    }

    /// The processes of a census that an envelope admits, of components whose processes may be ended. Of one that fits and
    /// may be somebody else's it is told why it is left alone.
    pub(super) fn born(&mut self, processes: &[Process]) -> Vec<(u32, Process)> {
        let own: BTreeSet<u32> = self.host.own_chain.iter().copied().collect();
        let fits: Vec<Fit<'_>> = census::births(processes, &self.orders.orders().components, &self.spent.family, &own)
            .into_iter()
            .filter(|fit| self.may_kill(fit.component))
            .filter(|fit| !self.named.contains(&fit.key()) && !self.spared.contains(&fit.key()))
            .collect();
        let (looked, ticks) = (self.orders.orders().looked_ms.0, self.host.ticks_per_second);
        let (older, fits): (Vec<_>, Vec<_>) = fits.into_iter().partition(|fit| fit.is_older(looked, ticks));
        for fit in older {
            self.spare(fit.component, fit.process, Spared::Older {});
        }
        let owners = self.owners(fits.iter().flat_map(|fit| fit.asked(processes, &own)).collect());
        let mut born = Vec::new();
        for fit in fits {
            let mut names = fit.asked(processes, &own).into_iter();
            match names.find_map(|name| speaks_against(owners.get(&name))) {
                Some(why) => self.spare(fit.component, fit.process, why),
                None => born.push((fit.component, fit.process.clone())),
            }
        }
        born
    }

    /// Whose these files are; nothing where that could not be asked.
    fn owners(&self, files: BTreeSet<HostPath>) -> BTreeMap<HostPath, Ownership> {
        let files: Vec<HostPath> = files.into_iter().collect();
        if files.is_empty() {
            return BTreeMap::new();
        }
        let asked = Query::Packages { files: files.clone() };
        match self.platform.answer(&asked).map(|observed| observed.value) {
            Ok(Answer::Packages(owners)) => files.into_iter().zip(owners).collect(),
            _ => BTreeMap::new(),
        }
    }

    /// Tells once that a process is left alone.
    fn spare(&mut self, component: u32, process: &Process, why: Spared) {
        if self.spared.insert((process.pid, process.start_ticks.0)) {
            self.controller.tell(Event::Spared {
                component,
                process: Box::new(process.clone()),
                why,
            });
        }
    }

    /// Milliseconds until what stands still must run again.
    pub(super) fn time_left(&self) -> u64 {
        let stood = self.platform.uptime_ms().saturating_sub(self.began_ms);
        self.orders.orders().bounds.frozen_ms.saturating_sub(stood)
    }

    pub(super) fn in_time(&self) -> Result<(), Refusal> {
        if self.time_left() == 0 {
            let limit = self.orders.orders().bounds.frozen_ms;
            return Err(refuse(
                RefusalKind::NoCommit,
                format!("processes stood still for {limit} ms before all was ready"),
            ));
        }
        Ok(())
    }
}

/// Why a process is left alone that runs what is owned so. No database at all speaks neither for nor against it.
fn speaks_against(owner: Option<&Ownership>) -> Option<Spared> {
    match owner {
        Some(Ownership::Owned { package } | Ownership::Copied { package, .. }) => Some(Spared::Owned {
            package: package.clone(),
        }),
        Some(Ownership::Modified { .. } | Ownership::Listed { .. } | Ownership::Unowned | Ownership::Unknown) => None,
        None => Some(Spared::NotTold {}),
    }
}
