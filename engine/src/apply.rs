//! The fifth arrow: an approved plan is carried out on its hosts, each in one transaction of its worker, then watched.
//!
//! The controller's part is small: it stores the evidence, writes `Committed` down before it sends the commit, writes
//! down what it is told, and judges afterwards. What strikes is [`HostHand`], and it is made from an [`ApprovedPlan`]
//! only.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use deminer_worker::action::{ActionId, Done};
use deminer_worker::frame::{End, FromWorker, Incoming, Outcome, ToWorker, TransactionEvent};
use deminer_worker::order::{ApprovedOrders, Begin, Stage};
use deminer_worker::query::{Answer, CommandEnd, HostError, Query};
use deminer_worker::text::{HostPath, Wide};

use crate::approval::ApprovedPlan;
use crate::ask::Asker;
use crate::event::{EventKind, EventSink, Seen, SinkError};
use crate::fleet::Turn;
use crate::host::{HostView, Link, Transport, Visit};
use crate::intake::{Intake, IntakeError};
use crate::look::{self, Lent, Outputs, RunInfo, Session};
use crate::plan::{End as LookEnd, HostPlan};
use crate::playbook::{BoundVars, CheckedPlaybook};
use crate::policy::Limits;
use crate::proof;
use crate::resume::stage_of;
use crate::vault::VaultError;

pub use crate::intake::Keeping;

/// The hand on a host: what can change it. Made from approved orders only.
pub struct HostHand<'a> {
    link: &'a Link,
    way: &'a dyn Transport,
    begin: Begin,
    journal: HostPath,
}

/// Why applying to a host ended early. What was done until then stands in the journal.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The host or the link to it failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The journal could not be written: nothing more is begun.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Evidence could not be stored.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<IntakeError> for ApplyError {
    fn from(error: IntakeError) -> ApplyError {
        match error {
            IntakeError::Host(error) => ApplyError::Host(error),
            IntakeError::Vault(error) => ApplyError::Vault(error),
        }
    }
}

/// How a strike ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struck {
    /// The transaction's own word.
    pub end: End,
    /// Actions that are done, or whose target is gone.
    pub settled: BTreeSet<ActionId>,
    /// How the programs ended that it ran.
    pub ran: BTreeMap<ActionId, CommandEnd>,
    /// Components that were left alone since they are not what the plan says.
    pub drifted: BTreeSet<u32>,
}

impl<'a> HostHand<'a> {
    /// The hand for the host that `link` leads to, over this way; `None` where the approval leaves that host out. Where
    /// nothing that it allows there destroys, it goes no further than that.
    pub fn new(link: &'a Link, way: &'a dyn Transport, approved: &ApprovedPlan, until: Stage) -> Option<HostHand<'a>> {
        let orders = approved.orders(link.name())?;
        let begin = approved.begin(link.name(), until.min(reach(orders)))?;
        let journal = orders.orders().journal.clone();
        Some(HostHand {
            link,
            way,
            begin,
            journal,
        })
    }

    /// Runs one transaction: stores what must be kept, writes down what happens, lets the host pass its commit. Of `ran` no
    /// program is run again.
    ///
    /// # Errors
    /// When the link is lost, or something could not be written down or stored; then the commit is not sent. After the
    /// commit the host goes on without us.
    pub async fn strike(
        &self,
        round: u32,
        ran: &BTreeMap<ActionId, CommandEnd>,
        kept: &Keeping,
        turn: &mut Turn,
        sink: &mut dyn EventSink,
    ) -> Result<Struck, ApplyError> {
        let host = self.link.name();
        let heard = self.drive(round, ran, kept, turn, sink).await;
        if let Err(ApplyError::Host(why)) = &heard {
            sink.record(Some(host), EventKind::Lost { why: why.clone() })?;
        } else if heard.is_err() {
            // Before the commit the worker thaws; after it the worker does not listen. Either way it must be told.
            let _ = self.link.say(&ToWorker::Abort).await;
        }
        heard
    }

    async fn drive(
        &self,
        round: u32,
        ran: &BTreeMap<ActionId, CommandEnd>,
        kept: &Keeping,
        turn: &mut Turn,
        sink: &mut dyn EventSink,
    ) -> Result<Struck, ApplyError> {
        let host = self.link.name();
        turn.before_begin().await;
        let begin = Begin {
            ran: ran.clone(),
            ..self.begin.clone()
        };
        self.link.say(&ToWorker::Begin(Box::new(begin))).await?;
        let mut intake = Intake::new(host, kept);
        let (mut settled, mut ran, mut drifted) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        loop {
            let event = match self.link.hear_sized().await? {
                (Incoming::Piece { number, bytes }, _) => {
                    intake.piece(number, &bytes)?;
                    continue;
                }
                (Incoming::Message(message), bytes) => match *message {
                    FromWorker::Event(event) => {
                        intake.event(bytes)?;
                        event
                    }
                    _ => return Err(broken("a message that no transaction says")),
                },
            };
            match &event {
                TransactionEvent::Keeping { number, item } => {
                    intake.announced(*number, item)?;
                    continue;
                }
                TransactionEvent::KeptAll { number, sha256, size } => {
                    let stored = intake.ended(*number, *sha256, *size)?;
                    sink.record(Some(host), stored)?;
                    self.link.say(&ToWorker::Kept { sha256: *sha256 }).await?;
                    continue;
                }
                _ => {}
            }
            match &event {
                TransactionEvent::Outcome { action, outcome } => {
                    if is_settled(outcome) {
                        settled.insert(*action);
                    }
                    if let Outcome::Done {
                        done: Done::Ran { end, .. },
                    } = outcome
                    {
                        ran.insert(*action, *end);
                    }
                }
                TransactionEvent::Drifted { component, .. } => {
                    drifted.insert(*component);
                }
                _ => {}
            }
            let ready = matches!(event, TransactionEvent::Ready { .. });
            let (comes, stands) = (
                matches!(event, TransactionEvent::Containing { .. }),
                matches!(event, TransactionEvent::Contained {}),
            );
            let finished = match &event {
                TransactionEvent::Finished { end, .. } => Some(*end),
                _ => None,
            };
            sink.record(Some(host), EventKind::Told { round, event })?;
            if comes || (stands && self.lets_in(sink).await?) {
                self.link.say(&ToWorker::Noted).await?;
            } else if stands {
                // What was done on trial is taken back, and nothing else was.
                self.link.say(&ToWorker::Abort).await?;
            }
            if ready {
                turn.before_commit().await;
                sink.record(
                    Some(host),
                    EventKind::Committed {
                        round,
                        journal: self.journal.to_string(),
                    },
                )?;
                self.link.say(&ToWorker::Commit).await?;
                turn.alone();
            }
            if let Some(end) = finished {
                if end == End::Struck {
                    self.forget().await?;
                }
                return Ok(Struck {
                    end,
                    settled,
                    ran,
                    drifted,
                });
            }
        }
    }

    /// Whether a new login still gets in behind what contains: our own session says nothing of that.
    async fn lets_in(&self, sink: &mut dyn EventSink) -> Result<bool, ApplyError> {
        let Err(why) = self.way.log_in_again().await else {
            return Ok(true);
        };
        let failed = EventKind::HostFailed {
            place: "contain".to_owned(),
            why: format!("no new login gets in behind it, so it was taken back: {why}"),
        };
        sink.record(Some(self.link.name()), failed)?;
        Ok(false)
    }

    /// Removes the host's own journal: everything in it was heard and is on disk here.
    async fn forget(&self) -> Result<(), ApplyError> {
        self.link
            .say(&ToWorker::Forget {
                journal: self.journal.clone(),
            })
            .await?;
        match self.link.hear().await? {
            Incoming::Message(message) => match *message {
                FromWorker::Forgotten { result } => Ok(result?),
                _ => Err(broken("no answer to the journal's removal")),
            },
            Incoming::Piece { .. } => Err(broken("no answer to the journal's removal")),
        }
    }
}

/// How far a host is taken by what is approved there.
fn reach(orders: &ApprovedOrders) -> Stage {
    stage_of(orders.actions().map(|action| action.act.effect()))
}

/// What applying to any host of a run needs.
pub struct Apply {
    /// The plan with its approval.
    pub approved: ApprovedPlan,
    /// The plan's playbook, for the loop and for verify.
    pub playbook: Arc<CheckedPlaybook>,
    /// Its variables, as the plan has them; the window of verify may be another.
    pub vars: BoundVars,
    /// Those of hosts that have others.
    pub host_vars: BTreeMap<String, BoundVars>,
    /// The run.
    pub run: RunInfo,
    /// Where evidence goes.
    pub keeping: Keeping,
    /// Who answers the questions of verify.
    pub asker: Arc<dyn Asker>,
    /// Where what steps give is held.
    pub outputs: Outputs,
    /// When something may be destroyed.
    pub limits: Limits,
    /// Where to stop.
    pub until: Stage,
    /// Whether hosts are struck together since they write each other back.
    pub together: bool,
    /// Whether a host is watched once it was struck; else a later contact does that.
    pub watches: bool,
}

/// What of an approved plan is to be done on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// All of it; nothing was begun there.
    Begin,
    /// All of it once more: what was done is found gone, what was not is still approved.
    Again {
        /// How the programs ended that ran: of them nothing is found, and they are not run again.
        ran: BTreeMap<ActionId, CommandEnd>,
    },
    /// What was struck is watched.
    Watch {
        /// The actions whose targets are as the plan wants them.
        settled: BTreeSet<ActionId>,
    },
}

impl Apply {
    /// Does a task of the plan on one host. All of it is: strike, look again, strike again within the envelope, verify.
    ///
    /// What happened to the host stands in its chain; a host that could not be reached or was lost is no error here.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn to_host(
        &self,
        host: &str,
        task: &Task,
        transport: &Arc<dyn Transport>,
        mut turn: Turn,
        sink: &mut dyn EventSink,
    ) -> Result<(), SinkError> {
        if *task == Task::Begin {
            self.announce(host, sink)?;
        }
        if self.ended_while_looking(host) {
            return sink.record(Some(host), EventKind::HostFinished {});
        }
        let is_to_strike = !matches!(task, Task::Watch { .. });
        if is_to_strike && !self.may_strike(host, sink)? {
            return sink.record(Some(host), EventKind::HostFinished {});
        }
        let visit = match Visit::begin(host, transport).await {
            Ok(visit) => visit,
            Err(why) => {
                sink.record(Some(host), EventKind::unreached(why))?;
                return sink.record(Some(host), EventKind::HostFinished {});
            }
        };
        match self.carry_out(task, &visit, &mut turn, sink).await {
            Ok(()) => {}
            // Lost, or broken off: the next contact asks the host. What is open stays open in the chain.
            Err(ApplyError::Host(_)) => return Ok(()),
            Err(ApplyError::Vault(error)) => {
                let (place, why) = ("the vault".to_owned(), error.to_string());
                sink.record(Some(host), EventKind::HostFailed { place, why })?;
            }
            Err(ApplyError::Sink(error)) => return Err(error),
        }
        visit.end().await;
        sink.record(Some(host), EventKind::HostFinished {})
    }

    /// Whether the playbook ended on this host in its reading part: there is nothing to strike, and what verify would refer
    /// to was never looked for.
    fn ended_while_looking(&self, host: &str) -> bool {
        let plan = self.approved.plan().host(host);
        plan.is_some_and(|plan| plan.orders.actions.is_empty() && !matches!(plan.end, LookEnd::Through {}))
    }

    /// Whether what was approved is still good. A fleet takes hours, and each host is asked for when its turn comes; what has
    /// begun on it goes on.
    fn is_still_approved(&self, host: &str, sink: &mut dyn EventSink) -> Result<bool, SinkError> {
        let Err(error) = self.approved.check_time((self.keeping.clock)()) else {
            return Ok(true);
        };
        let why = error.to_string();
        sink.record(Some(host), EventKind::Expired { why })?;
        Ok(false)
    }

    /// Whether a stroke may be begun now: what destroys only in its window. Where it may not, that is written down.
    fn may_strike(&self, host: &str, sink: &mut dyn EventSink) -> Result<bool, SinkError> {
        let destroys = |orders| self.until.min(reach(orders)) == Stage::Eradicate;
        if !self.approved.orders(host).is_some_and(destroys) {
            return Ok(true);
        }
        let Err(closed) = self.limits.is_open((self.keeping.clock)()) else {
            return Ok(true);
        };
        sink.record(
            Some(host),
            EventKind::Closed {
                windows: closed.windows,
                opens_ms: Wide(closed.opens_ms),
            },
        )?;
        Ok(false)
    }

    fn announce(&self, host: &str, sink: &mut dyn EventSink) -> Result<(), SinkError> {
        let plan = self.approved.plan();
        let (Some(line), Some(sha256)) = (plan.line(host), plan.host_hash(host)) else {
            return Ok(());
        };
        let line = serde_json::from_str(line).unwrap_or_default();
        let looked_at_ms = Some(plan.header().created_at_ms);
        sink.record(
            Some(host),
            EventKind::Planned {
                line,
                sha256,
                looked_at_ms,
            },
        )
    }

    async fn carry_out(
        &self,
        task: &Task,
        visit: &Arc<Visit>,
        turn: &mut Turn,
        sink: &mut dyn EventSink,
    ) -> Result<(), ApplyError> {
        let host = visit.name().to_owned();
        let asked_ms = (self.keeping.clock)();
        let facts = match visit.observe(Query::Host {}).await?.value {
            Answer::Host(facts) => facts,
            _ => return Err(broken("another answer than what the host is")),
        };
        let clock = look::beside(visit.as_ref(), &facts, asked_ms, &self.keeping.clock);
        sink.record(
            Some(&host),
            EventKind::Reached {
                identity: facts.identity.clone(),
                host_key: visit.arrival().and_then(|arrival| arrival.host_key.clone()),
                clock,
            },
        )?;
        let Some(plan) = self.approved.plan().host(&host) else {
            return Ok(());
        };
        let machine_id = facts.identity.machine_id.clone();
        let mut session = Session::resume(
            &self.playbook,
            self.host_vars.get(&host).unwrap_or(&self.vars),
            &self.run,
            Lent {
                clock: Arc::clone(&self.keeping.clock),
                asker: Arc::clone(&self.asker),
                outputs: self.outputs.clone(),
            },
            Arc::clone(visit) as Arc<dyn HostView>,
            (facts, clock),
            &plan.results,
        );
        let last = match task {
            Task::Watch { .. } => 0,
            Task::Begin | Task::Again { .. } => session.max_rounds().max(1),
        };
        let mut strikes = Strikes {
            rounds: 1..=last,
            ran: match task {
                Task::Again { ran } => ran.clone(),
                Task::Begin | Task::Watch { .. } => BTreeMap::new(),
            },
        };
        let settled = match task {
            Task::Watch { settled } => {
                if machine_id != plan.orders.identity.machine_id {
                    return Ok(sink.record(Some(&host), another_host())?);
                }
                // What verify refers to was seen by a process that is gone.
                session.after_strike(sink).await?;
                Some(settled.clone())
            }
            Task::Begin | Task::Again { .. } => {
                self.strike(visit, plan, &mut session, &mut strikes, turn, sink).await?
            }
        };
        let Some(mut settled) = settled.filter(|_| self.watches || matches!(task, Task::Watch { .. })) else {
            return Ok(());
        };
        loop {
            // A watch is the host's own time.
            turn.alone();
            let verification = session.verify(sink).await?;
            let verified = proof::verified(&verification, plan, &settled);
            let is_back = matches!(
                verified,
                EventKind::Verified {
                    seen: Seen::Returned,
                    ..
                }
            );
            // What other hosts wrote back in the moment in which they were struck is what was approved: it is struck again, as
            // long as the plan has rounds left, and the whole window begins anew. On a host alone nobody knows who it was.
            let again = match is_back && self.together {
                true => self.strike(visit, plan, &mut session, &mut strikes, turn, sink).await?,
                false => None,
            };
            match again {
                Some(again) => settled.extend(again),
                None => return Ok(sink.record(Some(&host), verified)?),
            }
        }
    }

    /// Strikes, and strikes again what is found by another look; gives the actions whose targets are as the plan wants them.
    /// `None` where a transaction ended before its strike, or no round is left.
    async fn strike(
        &self,
        visit: &Visit,
        plan: &HostPlan,
        session: &mut Session,
        strikes: &mut Strikes,
        turn: &mut Turn,
        sink: &mut dyn EventSink,
    ) -> Result<Option<BTreeSet<ActionId>>, ApplyError> {
        let link = visit.link()?;
        let Some(hand) = HostHand::new(&link, visit.transport(), &self.approved, self.until) else {
            return Ok(None);
        };
        let mut settled: Option<BTreeSet<ActionId>> = None;
        let Strikes { rounds, ran } = strikes;
        if !self.is_still_approved(&plan.orders.host, sink)? {
            return Ok(None);
        }
        for round in rounds {
            if !self.may_strike(&plan.orders.host, sink)? {
                break;
            }
            if round > 1 {
                session.round(round, sink).await?;
            }
            let struck = hand.strike(round, ran, &self.keeping, turn, sink).await?;
            ran.extend(struck.ran);
            if struck.end != End::Struck {
                return Ok(None);
            }
            let settled = settled.get_or_insert_default();
            settled.extend(struck.settled);
            settled.extend(ran.iter().filter(|(_, end)| end.is_success()).map(|(id, _)| *id));
            let after = session.after_strike(sink).await?;
            // What is not what the plan says stays so in every round: only a new plan helps.
            let is_all_drifted = plan.orders.components.iter().all(|c| struck.drifted.contains(&c.id));
            if after.until != Some(false) || is_all_drifted {
                break;
            }
        }
        Ok(settled)
    }
}

/// What of an apply goes from one strike to the next.
struct Strikes {
    /// The rounds that are left.
    rounds: RangeInclusive<u32>,
    /// How the programs ended that ran: they are not run again.
    ran: BTreeMap<ActionId, CommandEnd>,
}

/// What is told of a host that is not the one which was struck.
fn another_host() -> EventKind {
    EventKind::HostFailed {
        place: "verify".to_owned(),
        why: "another machine answers under this name than the one that was struck".to_owned(),
    }
}

fn broken(why: &str) -> ApplyError {
    ApplyError::Host(HostError::Protocol { why: why.to_owned() })
}

/// Whether an action's target is as the plan wants it.
fn is_settled(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Done { done } => done.is_settled(),
        Outcome::NotDone { .. } | Outcome::Drifted | Outcome::Skipped { .. } => false,
    }
}
