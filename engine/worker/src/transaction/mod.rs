//! One transaction: everything that changes a host, in the one order in which it is safe.
//!
//! ```text
//! lock, identity, keep files        nothing is changed
//! freeze, guards, keep what is live  everything can be thawed
//! commit    ------                   before: a lost link thaws; after: the host needs nobody
//! remove lines, kill, delete files, look again
//! ```
//!
//! The stroke is read here from top to bottom; what a stage needs stands beside it: `evidence`, `census`.

mod census;
mod evidence;

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Act, Action, ActionId, Done, FileTarget, Object, ProcessTarget, Undo};
use crate::frame::{End, Outcome, RefusalKind, ToWorker, TransactionEvent as Event};
use crate::journal::HostJournal;
use crate::lines::{self, Located};
use crate::order::{self, ApprovedOrders, Begin, Birth, Settle, Stage};
use crate::platform::Platform;
use crate::protect::{self, Facts};
use crate::query::{Answer, Coverage, Entry, HostError, HostFacts, Process, ProcessesQuery, Query, limits};
use crate::serve::{Controller, Said};
use crate::text::Digest;

use census::Member;
use evidence::Kept;

/// How long the controller may take to store the files that are kept before anything is frozen.
const BACKUP_MS: u64 = 120_000;

/// How long after the commit a controller that still listens may take to store what was born since.
const LATE_EVIDENCE_MS: u64 = 10_000;

/// How far past the full minute the last look is taken: cron starts its jobs within the first second.
const PAST_MINUTE_MS: u64 = 1_500;

/// What earlier transactions of one plan used up: the rounds of a loop share one envelope.
#[derive(Debug, Default)]
pub struct Spent {
    plan: Option<Digest>,
    births: BTreeMap<u32, u32>,
    family: BTreeMap<(u32, u64), u32>,
}

/// Carries out approved orders, telling the controller everything as it happens.
pub fn run(platform: &dyn Platform, controller: &mut Controller, begin: &Begin, spent: &mut Spent) {
    if spent.plan != Some(begin.approval.plan) {
        *spent = Spent {
            plan: Some(begin.approval.plan),
            ..Spent::default()
        };
    }
    let end = match Transaction::begin(platform, controller, begin, spent) {
        Ok(mut transaction) => transaction.go(begin.until),
        Err(refusal) => Err(refusal),
    };
    if let Err(refusal) = end {
        controller.tell(Event::Refused {
            why: refusal.why,
            kind: refusal.kind,
        });
        controller.tell(Event::Finished {
            end: End::Aborted,
            stroke_ms: 0,
            frozen: refusal.frozen,
        });
    }
}

/// Why it ended before the commit.
struct Refusal {
    kind: RefusalKind,
    why: String,
    frozen: u32,
}

fn refuse(kind: RefusalKind, why: impl ToString) -> Refusal {
    Refusal {
        kind,
        why: why.to_string(),
        frozen: 0,
    }
}

struct Transaction<'a> {
    platform: &'a dyn Platform,
    controller: &'a mut Controller,
    orders: ApprovedOrders,
    host: HostFacts,
    kept: Kept,
    /// Processes that stand still by our hand, by pid and start time.
    frozen: BTreeMap<(u32, u64), Member>,
    /// Condemned processes of all rounds, dead ones included, and how many were born within the envelope.
    spent: &'a mut Spent,
    /// The processes that the plan names, those included that the approval leaves out.
    named: BTreeSet<(u32, u64)>,
    /// What protection goes by, as it was before the freeze.
    facts: Facts,
    /// Components that are left alone, each with the action that drifted.
    drifted: BTreeMap<u32, ActionId>,
    /// Actions that are done, or whose target is gone.
    settled: BTreeSet<ActionId>,
    /// Actions that cannot be done any more, told already.
    failed: BTreeSet<ActionId>,
    /// Files that stand in for the planned ones: same path, same condemned bytes, other inode or other benign bytes.
    stand_ins: BTreeMap<ActionId, StandIn>,
    /// Keeps whose file was another before the freeze.
    changed_keeps: BTreeMap<ActionId, HostError>,
    /// Processes that may be ended and whose live evidence is safe.
    proven: BTreeSet<(u32, u64)>,
    /// Whether anything was changed that somebody could notice.
    changed: bool,
    began_ms: u64,
    _lock: Box<dyn Send>,
}

impl<'a> Transaction<'a> {
    /// Checks the orders, takes the host, and makes sure that it is the one that the plan names.
    fn begin(
        platform: &'a dyn Platform,
        controller: &'a mut Controller,
        begin: &Begin,
        spent: &'a mut Spent,
    ) -> Result<Transaction<'a>, Refusal> {
        let orders = order::check(begin).map_err(|error| refuse(RefusalKind::Orders, error))?;
        let lock = platform.lock().map_err(|error| refuse(RefusalKind::Busy, error))?;
        let host = match platform.answer(&Query::Host {}).map(|observed| observed.value) {
            Ok(Answer::Host(host)) => host,
            Ok(_) => return Err(refuse(RefusalKind::Host, "the host did not say what it is")),
            Err(error) => return Err(refuse(RefusalKind::Host, error)),
        };
        let (planned, found) = (&orders.orders().identity, &host.identity);
        if planned.machine_id != found.machine_id || planned.pid_namespace != found.pid_namespace {
            return Err(refuse(
                RefusalKind::OtherHost,
                "this is another machine than the one that the plan was made on",
            ));
        }
        if planned.boot_id != found.boot_id {
            return Err(refuse(
                RefusalKind::OtherHost,
                "the host was started anew since the plan was made",
            ));
        }
        if !matches!(platform.recall_journal(&orders.orders().journal), Ok(None)) {
            let why = format!(
                "{}: the journal of an earlier stroke lies there and was not imported",
                orders.orders().journal
            );
            return Err(refuse(RefusalKind::Host, why));
        }
        for action in orders.actions() {
            // What cannot be put in order is not what the plan says: its own guard tells.
            let _ = platform.tidy(&action.act);
        }
        let family = orders
            .actions()
            .filter_map(|action| Some((key(action.act.process()?), action.component)));
        spent.family.extend(family);
        let named = orders
            .orders()
            .actions
            .iter()
            .filter_map(|action| action.act.process().map(key))
            .collect();
        controller.tell(Event::Started {});
        Ok(Transaction {
            platform,
            controller,
            orders,
            host,
            kept: Kept::default(),
            frozen: BTreeMap::new(),
            spent,
            named,
            facts: Facts::default(),
            drifted: BTreeMap::new(),
            settled: BTreeSet::new(),
            failed: BTreeSet::new(),
            stand_ins: BTreeMap::new(),
            changed_keeps: BTreeMap::new(),
            proven: BTreeSet::new(),
            changed: false,
            began_ms: 0,
            _lock: lock,
        })
    }

    /// The stages, in order.
    fn go(&mut self, until: Stage) -> Result<(), Refusal> {
        self.keep_files()?;
        self.keep_executables()?;
        if until == Stage::Preserve {
            self.keep_running()?;
            self.controller.tell(Event::Finished {
                end: End::Held,
                stroke_ms: 0,
                frozen: 0,
            });
            return Ok(());
        }
        // What `guard` and the census will ask while everything stands still, asked once while it still runs: the platform
        // remembers the digests and the package index. The answers are not believed later.
        let _ = self.facts();
        self.platform
            .arm()
            .map_err(|error| refuse(RefusalKind::Host, format!("no keeper: {error}")))?;
        self.began_ms = self.platform.uptime_ms();
        let committed = self
            .freeze()
            .and_then(|()| self.guard())
            .and_then(|()| self.keep_live())
            .and_then(|()| self.commit());
        let journal = match committed {
            Ok(journal) => journal,
            Err(mut refusal) => {
                self.thaw(|_| true);
                refusal.frozen = self.frozen.len() as u32;
                self.platform.disarm();
                return Err(refusal);
            }
        };
        self.stroke(journal);
        Ok(())
    }

    /// Keeps the files of the plan, while everything still runs.
    fn keep_files(&mut self) -> Result<(), Refusal> {
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
    fn keep_executables(&mut self) -> Result<(), Refusal> {
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
    fn keep_running(&mut self) -> Result<(), Refusal> {
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

    /// Stops guardians, then miners, then looks until two looks agree that nobody else is there.
    fn freeze(&mut self) -> Result<(), Refusal> {
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
            if let Some(why) = protect::protection(&action.act, &BTreeSet::new(), &self.facts) {
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
    fn freeze_birth(&mut self, component: u32, process: &Process) -> bool {
        let Some(target) = census::target_of(process, &self.host.identity.boot_id) else {
            return false;
        };
        let allowed = self
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
        let spared = protect::protection(&act, &BTreeSet::new(), &facts).is_some();
        if spared || self.spent.births.get(&component).copied().unwrap_or(0) >= allowed {
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
            Ok(Done::Gone) | Err(_) => false,
        }
    }

    /// Reads everything again that the plan would touch, now that its owners stand still.
    fn guard(&mut self) -> Result<(), Refusal> {
        let facts = self.facts().map_err(|error| refuse(RefusalKind::Host, error))?;
        let births = self.all_births();
        let acts: Vec<Act> = self.orders.actions().map(|action| action.act.clone()).collect();
        let mut condemned = protect::condemned_processes(&acts, &births, &facts.processes);
        condemned.extend(self.frozen.keys());
        for action in self.allowed(|act| act.effect() == crate::action::Effect::Destroy) {
            if self.drifted.contains_key(&action.component) {
                continue;
            }
            if let Some(why) = protect::protection(&action.act, &condemned, &facts) {
                self.drift(
                    &action,
                    HostError::Protected {
                        doing: action.act.kind().to_owned(),
                        why,
                    },
                );
                continue;
            }
            let guarded = match &action.act {
                Act::RemoveFile { file } => self.guard_file(file),
                Act::ClearFlags { file, .. } => self.guard_place(file),
                Act::EditLines { file, remove } => self.guard_lines(file, remove),
                _ => continue,
            };
            match guarded {
                Ok(Guarded::AsPlanned) => {}
                Ok(Guarded::Gone) => self.gone(&action),
                Ok(Guarded::StandIn(stand_in)) => {
                    self.stand_ins.insert(action.id, *stand_in);
                }
                Err(why) => self.drift(&action, why),
            }
            self.in_time()?;
        }
        self.keep_stand_ins()
    }

    /// A file whose content is no longer the planned one but whose condemned bytes are: what it holds now is kept too.
    fn keep_stand_ins(&mut self) -> Result<(), Refusal> {
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

    fn guard_file(&self, file: &FileTarget) -> Result<Guarded, HostError> {
        let Some(stat) = self.stat(file)? else {
            return Ok(Guarded::Gone);
        };
        if stat.sha256 != file.sha256 || stat.size != file.size {
            return Err(HostError::Changed {
                doing: format!("look again at {}", file.path),
                expected: format!("sha256 {}, {} bytes", file.sha256.short(), file.size),
                found: format!("sha256 {}, {} bytes", stat.sha256.short(), stat.size),
            });
        }
        Ok(if stat.id == file.id && self.kept.has(&file.sha256) {
            Guarded::AsPlanned
        } else {
            Guarded::stand_in(stat, None)
        })
    }

    /// Of a file whose flags are cleared only that it is there: the act that needs it cleared guards its content.
    fn guard_place(&self, file: &FileTarget) -> Result<Guarded, HostError> {
        Ok(match self.stat(file)? {
            None => Guarded::Gone,
            Some(stat) if stat.id == file.id => Guarded::AsPlanned,
            Some(stat) => Guarded::stand_in(stat, None),
        })
    }

    fn guard_lines(&self, file: &FileTarget, remove: &[crate::action::LineTarget]) -> Result<Guarded, HostError> {
        let Some(stat) = self.stat(file)? else {
            return Ok(Guarded::Gone);
        };
        let read = self.platform.answer(&Query::Read {
            path: file.path.clone(),
            max_bytes: limits::READ_BYTES,
        })?;
        let doing = || format!("look again at the lines of {}", file.path);
        // What was not read may hold the line: only a file that is whole, or not there, can tell that it is gone.
        if read.coverage.material().next().is_some() {
            return Err(HostError::Denied { doing: doing() });
        }
        let Answer::Files(files) = read.value else {
            return Err(HostError::Failed {
                doing: doing(),
                why: "another question was answered".to_owned(),
            });
        };
        let Some(text) = files.into_iter().next() else {
            return Ok(Guarded::Gone);
        };
        if text.cut {
            return Err(HostError::TooLarge {
                doing: doing(),
                limit: u64::from(limits::READ_BYTES),
            });
        }
        match lines::locate(text.content.as_bytes(), remove) {
            Located::There(_) if stat.id == file.id && stat.sha256 == file.sha256 && self.kept.has(&file.sha256) => {
                Ok(Guarded::AsPlanned)
            }
            Located::There(_) => Ok(Guarded::stand_in(stat, Some(text.content.as_bytes().to_vec()))),
            Located::Gone => Ok(Guarded::Gone),
            Located::Changed { target, found } => {
                let now = lines::split(text.content.as_bytes())
                    .get(found)
                    .map_or(&b""[..], |line| lines::content(line));
                Err(HostError::Changed {
                    doing: format!("look again at line {} of {}", remove[target].number, file.path),
                    expected: format!("`{}`", bounded(&remove[target].line)),
                    found: format!("`{}`", bounded(&crate::text::HostBytes::new(now))),
                })
            }
        }
    }

    /// What stands at a file's path now; `None` where nothing does.
    fn stat(&self, file: &FileTarget) -> Result<Option<FileTarget>, HostError> {
        let doing = || format!("look again at {}", file.path);
        let query = Query::Stat {
            paths: vec![file.path.clone()],
            digest: true,
        };
        let Answer::Entries(entries) = self.platform.answer(&query)?.value else {
            return Err(HostError::Failed {
                doing: doing(),
                why: "another question was answered".to_owned(),
            });
        };
        match entries.into_iter().next() {
            Some(Entry::Present(stat)) => match FileTarget::from_stat(&stat) {
                Some(target) => Ok(Some(target)),
                None => Err(HostError::Changed {
                    doing: doing(),
                    expected: "a regular file that can be read".to_owned(),
                    found: format!("{:?}", stat.kind).to_lowercase(),
                }),
            },
            Some(Entry::Absent { .. }) | None => Ok(None),
            Some(Entry::Hidden { .. }) => Err(HostError::Denied { doing: doing() }),
        }
    }

    /// Keeps what only exists while the frozen processes do.
    fn keep_live(&mut self) -> Result<(), Refusal> {
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

    /// Tells that all is ready, and passes the point of no return when the controller has written that down.
    fn commit(&mut self) -> Result<HostJournal, Refusal> {
        let directory = self.orders.orders().journal.clone();
        let spool = self.orders.orders().bounds.spool_bytes.0;
        let store = self
            .platform
            .open_journal(&directory, spool)
            .map_err(|error| refuse(RefusalKind::Host, format!("no journal: {error}")))?;
        let mut journal = HostJournal::new(store);
        match self.await_commit(&mut journal) {
            Ok(()) => Ok(journal),
            Err(refusal) => {
                // Nothing was done that it could tell of.
                let _ = journal.remove();
                Err(refusal)
            }
        }
    }

    fn await_commit(&mut self, journal: &mut HostJournal) -> Result<(), Refusal> {
        let actions = self
            .allowed(|act| act.effect() == crate::action::Effect::Destroy)
            .into_iter()
            .filter(|action| !self.drifted.contains_key(&action.component) && !self.failed.contains(&action.id))
            .map(|action| action.id)
            .collect();
        let frozen_ms = self.platform.uptime_ms().saturating_sub(self.began_ms);
        self.controller.tell(Event::Ready { frozen_ms, actions });
        loop {
            match self.controller.wait(Some(self.time_left())) {
                Said::Message(ToWorker::Commit) => break,
                Said::Message(ToWorker::Abort) => {
                    return Err(refuse(RefusalKind::NoCommit, "the controller called it off"));
                }
                Said::Message(_) => {}
                Said::Nothing => return Err(refuse(RefusalKind::NoCommit, "no commit came in time")),
                Said::Lost => return Err(refuse(RefusalKind::NoCommit, "the link is lost")),
            }
        }
        journal
            .record(self.platform.host_time_ms(), &Event::Committed {})
            .map_err(|error| refuse(RefusalKind::Host, format!("no journal: {error}")))?;
        let proven: Vec<ProcessTarget> = self
            .frozen
            .iter()
            .filter(|(process, member)| self.proven.contains(process) && !self.drifted.contains_key(&member.component))
            .map(|(_, member)| member.target.clone())
            .collect();
        self.platform.committed(&proven).map_err(|error| {
            refuse(
                RefusalKind::Host,
                format!("the keeper did not take the commit: {error}"),
            )
        })?;
        self.controller.tell(Event::Committed {});
        Ok(())
    }

    /// After the commit: nothing here waits for anybody.
    fn stroke(&mut self, mut journal: HostJournal) {
        let drifted = self.drifted.clone();
        self.thaw(|member| drifted.contains_key(&member.component));
        for action in self.allowed(|act| matches!(act, Act::EditLines { .. })) {
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
        if self.drifted.contains_key(&action.component) {
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
                let _ = self.platform.undo(&undo, None);
            }
        }
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
                let undo = match &done {
                    Done::Changed { undo } => Some(undo.clone()),
                    Done::Gone | Done::WouldNotStop => None,
                };
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
            Act::RemoveFile { file } | Act::EditLines { file, .. } => self.kept.has(&content.unwrap_or(file.sha256)),
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
            Act::EditLines { remove, .. } => Act::EditLines {
                file,
                remove: remove.clone(),
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

    /// Keeps what was born after the commit: with the controller while it answers, else in the host's own spool.
    fn keep_late(&mut self, journal: &mut HostJournal, member: &Member) -> bool {
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

    /// The approved actions whose act is of this kind, in the plan's order.
    fn allowed(&self, kind: impl Fn(&Act) -> bool) -> Vec<Action> {
        self.orders
            .actions()
            .filter(|action| kind(&action.act))
            .cloned()
            .collect()
    }

    /// Whether the approval lets processes of a component be ended.
    fn may_kill(&self, component: u32) -> bool {
        self.orders
            .actions()
            .any(|action| action.component == component && matches!(action.act, Act::Kill { .. }))
    }

    /// Whether the approval lets this process be ended: one that the plan names by its own kill, one born within the
    /// envelope with its component.
    fn may_end(&self, process: (u32, u64), component: u32) -> bool {
        match self.named.contains(&process) {
            true => self
                .orders
                .actions()
                .any(|action| matches!(&action.act, Act::Kill { process: target } if key(target) == process)),
            false => self.may_kill(component),
        }
    }

    fn all_births(&self) -> Vec<Birth> {
        self.orders
            .orders()
            .components
            .iter()
            .flat_map(|component| component.envelope.births.iter().cloned())
            .collect()
    }

    fn census(&self) -> Result<(Vec<Process>, Coverage), HostError> {
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

    /// The processes of a census that an envelope admits, of components whose processes may be ended.
    fn born(&self, processes: &[Process]) -> Vec<(u32, Process)> {
        let own: BTreeSet<u32> = self.host.own_chain.iter().copied().collect();
        census::births(processes, &self.orders.orders().components, &self.spent.family, &own)
            .into_iter()
            .filter(|(component, _)| self.may_kill(*component))
            .map(|(component, process)| (component, process.clone()))
            .collect()
    }

    fn facts(&self) -> Result<Facts, HostError> {
        let acts: Vec<Act> = self.orders.actions().map(|action| action.act.clone()).collect();
        let mut facts = Facts {
            site: self.orders.orders().protect.clone(),
            ..Facts::default()
        };
        for question in Facts::questions(&acts) {
            let answer = self.platform.answer(&question)?.value;
            facts.learn(&question, answer);
        }
        Ok(facts)
    }

    fn hold(&mut self, action: Option<ActionId>, component: u32, target: &ProcessTarget) {
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

    fn drift(&mut self, action: &Action, why: HostError) {
        if self.drifted.insert(action.component, action.id).is_none() {
            self.controller.tell(Event::Drifted {
                component: action.component,
                action: action.id,
                why,
            });
        }
    }

    /// An action's target is not there any more: nothing to do, and nothing of it to keep.
    fn gone(&mut self, action: &Action) {
        self.outcome(action.id, Outcome::Done { done: Done::Gone });
        let path = action.act.file().map(|file| &file.path);
        for keep in self.allowed(|act| {
            matches!(
                act,
                Act::Keep {
                    object: Object::File { .. }
                }
            )
        }) {
            if keep.act.file().map(|file| &file.path) == path && !self.settled.contains(&keep.id) {
                self.outcome(keep.id, Outcome::Done { done: Done::Gone });
            }
        }
    }

    /// Tells how an action ended.
    fn outcome(&mut self, action: ActionId, outcome: Outcome) {
        match outcome {
            Outcome::Done { .. } => {
                self.settled.insert(action);
            }
            _ => {
                self.failed.insert(action);
            }
        }
        self.controller.tell(Event::Outcome { action, outcome });
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

    /// Lets frozen processes run again.
    fn thaw(&mut self, which: impl Fn(&Member) -> bool) {
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

    /// Milliseconds until what stands still must run again.
    fn time_left(&self) -> u64 {
        let stood = self.platform.uptime_ms().saturating_sub(self.began_ms);
        self.orders.orders().bounds.frozen_ms.saturating_sub(stood)
    }

    fn in_time(&self) -> Result<(), Refusal> {
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

/// How a file of the plan is found again.
enum Guarded {
    /// As it was.
    AsPlanned,
    /// Not there any more: done with.
    Gone,
    /// Another file stands there and holds what was condemned.
    StandIn(Box<StandIn>),
}

/// What stands at the place of a planned file.
#[derive(Clone)]
struct StandIn {
    file: FileTarget,
    /// What it held when it was looked at, where only some of its lines are condemned.
    text: Option<Vec<u8>>,
}

impl StandIn {
    /// The digest of what must be kept of it.
    fn content(&self) -> Digest {
        self.text.as_deref().map_or(self.file.sha256, Digest::of)
    }
}

impl Guarded {
    fn stand_in(file: FileTarget, text: Option<Vec<u8>>) -> Guarded {
        Guarded::StandIn(Box::new(StandIn { file, text }))
    }
}

fn key(process: &ProcessTarget) -> (u32, u64) {
    (process.pid, process.start_ticks.0)
}

/// A line for a message, cut.
fn bounded(line: &crate::text::HostBytes) -> crate::text::HostBytes {
    crate::text::HostBytes::new(&line.as_bytes()[..line.len().min(200)])
}
