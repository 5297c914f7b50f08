//! One transaction: everything that changes a host, in the one order in which it is safe.
//!
//! ```text
//! lock, identity, keep files        nothing is changed
//! contain                            packets are held back, processes quieted: it ends by itself or is taken back
//! freeze, guards, keep what is live  everything can be thawed
//! commit    ------                   before: a lost link thaws; after: the host needs nobody
//! remove lines, kill, delete files, look again
//! ```
//!
//! The stroke is read here from top to bottom; what a stage needs stands beside it: `keep`, `contain`, `freeze`, `guard`, `stroke`; `evidence`, `census`.

mod census;
mod contain;
mod evidence;
mod freeze;
mod guard;
mod keep;
mod stroke;

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Act, Action, ActionId, Done, ProcessTarget};
use crate::frame::{End, Outcome, RefusalKind, ToWorker, TransactionEvent as Event};
use crate::journal::HostJournal;
use crate::order::{self, ApprovedOrders, Begin, Birth, Stage};
use crate::platform::Platform;
use crate::protect::Facts;
use crate::query::{Answer, HostError, HostFacts, Query};
use crate::serve::{Controller, Said};
use crate::text::Digest;

pub use contain::TRIAL_S;

use census::Member;
use evidence::Kept;
use guard::StandIn;

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
    /// Processes that fit an envelope and are left alone, told already.
    spared: BTreeSet<(u32, u64)>,
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
        let programs = orders
            .actions()
            .filter(|action| matches!(action.act, Act::RunArgv { .. }));
        let (settled, failed) = programs
            .filter_map(|action| Some((action.id, begin.ran.get(&action.id)?)))
            .partition::<Vec<_>, _>(|(_, end)| end.is_success());
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
            spared: BTreeSet::new(),
            facts: Facts::default(),
            drifted: BTreeMap::new(),
            settled: settled.into_iter().map(|(id, _)| id).collect(),
            failed: failed.into_iter().map(|(id, _)| id).collect(),
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
        if until >= Stage::Contain {
            self.contain()?;
        }
        if until != Stage::Eradicate {
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

    /// What protects of what is frozen, ended, changed or removed.
    fn facts(&self) -> Result<Facts, HostError> {
        let acts: Vec<Act> = self
            .allowed(|act| !act.is_of_network())
            .into_iter()
            .map(|action| action.act)
            .collect();
        self.facts_for(&acts)
    }

    /// What protects of these acts. A network that is not told protects all of it.
    fn facts_for(&self, acts: &[Act]) -> Result<Facts, HostError> {
        let mut facts = Facts {
            site: self.orders.orders().protect.clone(),
            spare: self.orders.orders().spare.clone(),
            ..Facts::default()
        };
        for question in Facts::questions(acts) {
            match self.platform.answer(&question) {
                Ok(answer) => facts.learn(&question, answer.value),
                Err(_) if question == (Query::Network {}) => {}
                Err(why) => return Err(why),
            }
        }
        Ok(facts)
    }

    /// Tells how an action ended.
    fn outcome(&mut self, action: ActionId, outcome: Outcome) {
        match &outcome {
            // What needs a program to have run is not done after one that failed.
            Outcome::Done {
                done: Done::Ran { end, .. },
            } if !end.is_success() => {
                self.failed.insert(action);
            }
            Outcome::Done { .. } => {
                self.settled.insert(action);
            }
            _ => {
                self.failed.insert(action);
            }
        }
        self.controller.tell(Event::Outcome { action, outcome });
    }
}

fn key(process: &ProcessTarget) -> (u32, u64) {
    (process.pid, process.start_ticks.0)
}
