//! The fifth arrow: an approved plan is carried out on its hosts, each in one transaction of its worker, then watched.
//!
//! The controller's part is small: it stores the evidence, writes `Committed` down before it sends the commit, writes
//! down what it is told, and judges afterwards. What strikes is [`HostHand`], and it is made from an [`ApprovedPlan`]
//! only.

use std::collections::BTreeMap;

use deminer_worker::frame::{End, EvidenceItem, FromWorker, Incoming, ToWorker, TransactionEvent};
use deminer_worker::order::{Begin, Stage};
use deminer_worker::query::HostError;
use deminer_worker::text::{Digest, HostPath, Wide};

use crate::approval::ApprovedPlan;
use crate::event::{EventKind, EventSink, SinkError};
use crate::host::Link;
use crate::vault::{Vault, VaultError, VaultWriter};

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
        let begin = approved.begin(link.name(), Wide(epoch), until)?;
        let journal = approved.journal(link.name())?;
        Some(HostHand { link, begin, journal })
    }

    /// Runs one transaction: stores what must be kept, writes down what happens, lets the host pass its commit.
    ///
    /// # Errors
    /// When the link is lost, or something could not be written down or stored; then the commit is not sent. After the
    /// commit the host goes on without us.
    pub async fn strike(&self, round: u32, vault: &Vault, sink: &mut dyn EventSink) -> Result<Struck, ApplyError> {
        let host = self.link.name();
        let heard = self.drive(round, vault, sink).await;
        if let Err(ApplyError::Host(why)) = &heard {
            sink.record(Some(host), EventKind::Lost { why: why.clone() })?;
        } else if heard.is_err() {
            // Before the commit the worker thaws; after it the worker does not listen. Either way it must be told.
            let _ = self.link.say(&ToWorker::Abort).await;
        }
        heard
    }

    async fn drive(&self, round: u32, vault: &Vault, sink: &mut dyn EventSink) -> Result<Struck, ApplyError> {
        let host = self.link.name();
        self.link.say(&ToWorker::Begin(Box::new(self.begin.clone()))).await?;
        let mut open: BTreeMap<u32, (EvidenceItem, VaultWriter)> = BTreeMap::new();
        let mut changed = false;
        loop {
            let event = match self.link.hear().await? {
                Incoming::Piece { number, bytes } => {
                    let Some((_, writer)) = open.get_mut(&number) else {
                        return Err(broken("a piece of evidence that was not announced"));
                    };
                    writer.write(&bytes)?;
                    continue;
                }
                Incoming::Message(FromWorker::Event(event)) => event,
                Incoming::Message(_) => return Err(broken("a message that no transaction says")),
            };
            match &event {
                TransactionEvent::Keeping { number, item } => {
                    if open.insert(*number, (item.clone(), vault.writer()?)).is_some() {
                        return Err(broken("evidence of one number twice"));
                    }
                    continue;
                }
                TransactionEvent::KeptAll { number, sha256, size } => {
                    let Some((item, writer)) = open.remove(number) else {
                        return Err(broken("the end of evidence that was not announced"));
                    };
                    self.store(host, vault, item, writer, *sha256, *size, sink).await?;
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
                sink.record(Some(host), EventKind::Committed { round, journal: self.journal.to_string() })?;
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

    /// Puts one piece of evidence into the vault, reads it back, and says so.
    #[expect(clippy::too_many_arguments, reason = "one evidence's whole story, told once")]
    async fn store(
        &self,
        host: &str,
        vault: &Vault,
        item: EvidenceItem,
        writer: VaultWriter,
        sha256: Digest,
        size: Wide,
        sink: &mut dyn EventSink,
    ) -> Result<(), ApplyError> {
        let stored = writer.finish()?;
        if stored.sha256 != sha256 || stored.size != size.0 {
            return Err(broken("evidence that is not what was announced"));
        }
        vault.list(host, &item, &stored)?;
        sink.record(Some(host), EventKind::Stored { item, sha256, size })?;
        self.link.say(&ToWorker::Kept { sha256 }).await?;
        Ok(())
    }

    /// Removes the host's own journal: everything in it was heard and is on disk here.
    async fn forget(&self) -> Result<(), ApplyError> {
        self.link.say(&ToWorker::Forget { journal: self.journal.clone() }).await?;
        match self.link.hear().await? {
            Incoming::Message(FromWorker::Forgotten { result }) => Ok(result?),
            _ => Err(broken("no answer to the journal's removal")),
        }
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
        TransactionEvent::Outcome { outcome: Outcome::Done { done }, .. } => !matches!(done, Done::Gone),
        TransactionEvent::Outcome { .. } | TransactionEvent::Born { .. } | TransactionEvent::Drifted { .. } => true,
        _ => false,
    }
}
