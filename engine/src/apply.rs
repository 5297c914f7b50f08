//! The fifth arrow: an approved plan is carried out on its hosts, each in one transaction of its worker, then watched.
//!
//! The controller's part is small: it stores the evidence, writes `Committed` down before it sends the commit, writes
//! down what it is told, and judges afterwards. What strikes is [`HostHand`], and it is made from an [`ApprovedPlan`]
//! only.

use std::sync::Arc;

use deminer_worker::frame::{End, FromWorker, Incoming, ToWorker, TransactionEvent};
use deminer_worker::order::{Begin, Stage};
use deminer_worker::query::{Answer, HostError, Query};
use deminer_worker::text::HostPath;

use crate::approval::ApprovedPlan;
use crate::event::{EventKind, EventSink, Seen, SinkError};
use crate::finding::{Bearing, Finding};
use crate::host::{HostView, Link, Transport};
use crate::intake::{Intake, IntakeError};
use crate::look::{RunInfo, Session, Verification};
use crate::playbook::{BoundVars, CheckedPlaybook};
use crate::vault::VaultError;

pub use crate::intake::Keeping;

/// The hand on a host: what can change it. Made from approved orders only.
pub struct HostHand<'a> {
    link: &'a Link,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Struck {
    /// The transaction's own word.
    pub end: End,
    /// Whether anything was found to do: an action that was not gone already, or a birth.
    pub changed: bool,
}

impl<'a> HostHand<'a> {
    /// The hand for the host that `link` leads to; `None` where the approval leaves that host out.
    pub fn new(link: &'a Link, approved: &ApprovedPlan, epoch: u64, until: Stage) -> Option<HostHand<'a>> {
        let begin = approved.begin(link.name(), epoch, until)?;
        let journal = approved.orders(link.name())?.orders().journal.clone();
        Some(HostHand { link, begin, journal })
    }

    /// Runs one transaction: stores what must be kept, writes down what happens, lets the host pass its commit.
    ///
    /// # Errors
    /// When the link is lost, or something could not be written down or stored; then the commit is not sent. After the
    /// commit the host goes on without us.
    pub async fn strike(&self, round: u32, kept: &Keeping, sink: &mut dyn EventSink) -> Result<Struck, ApplyError> {
        let host = self.link.name();
        let heard = self.drive(round, kept, sink).await;
        if let Err(ApplyError::Host(why)) = &heard {
            sink.record(Some(host), EventKind::Lost { why: why.clone() })?;
        } else if heard.is_err() {
            // Before the commit the worker thaws; after it the worker does not listen. Either way it must be told.
            let _ = self.link.say(&ToWorker::Abort).await;
        }
        heard
    }

    async fn drive(&self, round: u32, kept: &Keeping, sink: &mut dyn EventSink) -> Result<Struck, ApplyError> {
        let host = self.link.name();
        self.link.say(&ToWorker::Begin(Box::new(self.begin.clone()))).await?;
        let mut intake = Intake::new(host, kept);
        let mut changed = false;
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
            changed |= is_change(&event);
            let ready = matches!(event, TransactionEvent::Ready { .. });
            let finished = match &event {
                TransactionEvent::Finished { end, .. } => Some(*end),
                _ => None,
            };
            sink.record(Some(host), EventKind::Told { round, event })?;
            if ready {
                sink.record(
                    Some(host),
                    EventKind::Committed {
                        round,
                        journal: self.journal.to_string(),
                    },
                )?;
                self.link.say(&ToWorker::Commit).await?;
            }
            if let Some(end) = finished {
                if end == End::Struck {
                    self.forget().await?;
                }
                return Ok(Struck { end, changed });
            }
        }
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

/// What applying to any host of a run needs.
pub struct Apply {
    /// The plan with its approval.
    pub approved: ApprovedPlan,
    /// The plan's playbook, for the loop and for verify.
    pub playbook: Arc<CheckedPlaybook>,
    /// Its variables, as the plan has them; the window of verify may be another.
    pub vars: BoundVars,
    /// The run.
    pub run: RunInfo,
    /// Where evidence goes.
    pub keeping: Keeping,
    /// Where to stop.
    pub until: Stage,
}

impl Apply {
    /// Applies the plan to one host and watches it: strike, look again, strike again within the envelope, verify.
    ///
    /// What happened to the host stands in its chain; a host that could not be reached or was lost is no error here.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn to_host(
        &self,
        host: &str,
        transport: &dyn Transport,
        sink: &mut dyn EventSink,
    ) -> Result<(), SinkError> {
        self.announce(host, sink)?;
        let link = match transport.connect(host).await {
            Ok(link) => link,
            Err(why) => {
                sink.record(Some(host), EventKind::NotReached { why })?;
                return sink.record(Some(host), EventKind::HostFinished {});
            }
        };
        match self.strike_and_watch(&link, sink).await {
            Ok(()) => {}
            // Lost, or broken off: the next contact asks the host. What is open stays open in the chain.
            Err(ApplyError::Host(_)) => return Ok(()),
            Err(ApplyError::Vault(error)) => {
                let (place, why) = ("the vault".to_owned(), error.to_string());
                sink.record(Some(host), EventKind::HostFailed { place, why })?;
            }
            Err(ApplyError::Sink(error)) => return Err(error),
        }
        // A worker that is gone by itself needs no good-bye.
        let _ = link.say(&ToWorker::Bye).await;
        sink.record(Some(host), EventKind::HostFinished {})
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

    async fn strike_and_watch(&self, link: &Arc<Link>, sink: &mut dyn EventSink) -> Result<(), ApplyError> {
        let host = link.name().to_owned();
        let facts = match link.observe(Query::Host {}).await?.value {
            Answer::Host(facts) => facts,
            _ => return Err(broken("another answer than what the host is")),
        };
        sink.record(
            Some(&host),
            EventKind::Reached {
                identity: facts.identity.clone(),
            },
        )?;
        let (Some(hand), Some(plan)) = (
            HostHand::new(link, &self.approved, (self.keeping.clock)(), self.until),
            self.approved.plan().host(&host),
        ) else {
            return Ok(());
        };
        let mut session = Session::resume(
            &self.playbook,
            &self.vars,
            &self.run,
            Arc::clone(&self.keeping.clock),
            Arc::clone(link) as Arc<dyn HostView>,
            facts,
            &plan.results,
        );
        for round in 1..=session.max_rounds().max(1) {
            if round > 1 {
                session.round(round, sink).await?;
            }
            let struck = hand.strike(round, &self.keeping, sink).await?;
            if struck.end != End::Struck {
                return Ok(());
            }
            let after = session.after_strike(sink).await?;
            if after.until != Some(false) {
                break;
            }
        }
        let verification = session.verify(sink).await?;
        sink.record(Some(&host), verified(&verification))?;
        Ok(())
    }
}

/// What a verify phase comes to: a return outweighs everything, then what was not seen; quiet counts for as long as it was
/// watched.
fn verified(verification: &Verification) -> EventKind {
    let with = |bearing: Bearing| {
        verification
            .findings
            .iter()
            .filter(move |finding| finding.bearing == bearing)
    };
    let number = |finding: &Finding, field: &str| finding.fields.get(field).and_then(|value| value.parse().ok());
    let windows: Vec<(u64, u64)> = with(Bearing::Quiet)
        .map(|quiet| {
            (
                number(quiet, "window_ms").unwrap_or(u64::MAX),
                number(quiet, "covered_ms").unwrap_or(0),
            )
        })
        .collect();
    let window_ms = windows.iter().map(|(window, _)| *window).max().unwrap_or(0);
    let covered_ms = windows.iter().map(|(_, covered)| *covered).min().unwrap_or(0);
    let seen = if with(Bearing::Returned).next().is_some() {
        Seen::Returned
    } else if !verification.failures.is_empty()
        || verification.is_blind()
        || windows.is_empty()
        || windows.iter().any(|(window, covered)| covered < window)
    {
        Seen::CannotSay
    } else {
        Seen::Clean
    };
    let speaks = |finding: &&Finding| matches!(finding.bearing, Bearing::Returned | Bearing::Quiet | Bearing::Review);
    EventKind::Verified {
        seen,
        window_ms,
        covered_ms,
        findings: verification.findings.iter().filter(speaks).cloned().collect(),
        coverage: verification.coverage.clone(),
    }
}

fn broken(why: &str) -> ApplyError {
    ApplyError::Host(HostError::Protocol { why: why.to_owned() })
}

/// Whether an event tells that something was there to be changed.
fn is_change(event: &TransactionEvent) -> bool {
    use deminer_worker::action::Done;
    use deminer_worker::frame::Outcome;
    match event {
        TransactionEvent::Outcome {
            outcome: Outcome::Done { done },
            ..
        } => !matches!(done, Done::Gone),
        TransactionEvent::Outcome { .. } | TransactionEvent::Born { .. } | TransactionEvent::Drifted { .. } => true,
        _ => false,
    }
}
