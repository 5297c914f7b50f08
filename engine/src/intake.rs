//! Evidence on its way from a host into the vault. A host that is not ours any more cannot fill the controller with it.

use std::collections::BTreeMap;

use deminer_worker::frame::{EvidenceItem, PIECE_BYTES};
use deminer_worker::query::HostError;
use deminer_worker::text::{Digest, Wide};

use crate::event::EventKind;
use crate::look::Clock;
use crate::vault::{ManifestEntry, Vault, VaultError, VaultWriter};

/// The bytes of one piece of evidence.
const EVIDENCE_BYTES: u64 = 2 << 30;

/// Evidence that may be under way at a time.
const OPEN: usize = 64;

/// Evidence of one transaction.
const ITEMS: u32 = 20_000;

/// Events of one transaction.
const EVENTS: u32 = 200_000;

/// The bytes of all events of one transaction, as they travel.
const EVENT_BYTES: u64 = 256 << 20;

/// Where evidence goes.
pub struct Keeping {
    /// The vault.
    pub vault: Vault,
    /// The run.
    pub run: String,
    /// The controller's clock.
    pub clock: Clock,
}

/// Why something was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    /// The worker said what it may not say, or more than it may.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Evidence could not be stored.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// What one transaction sends.
pub(crate) struct Intake<'a> {
    host: &'a str,
    keeping: &'a Keeping,
    open: BTreeMap<u32, (EvidenceItem, VaultWriter)>,
    items: u32,
    events: u32,
    event_bytes: u64,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(host: &'a str, keeping: &'a Keeping) -> Intake<'a> {
        Intake {
            host,
            keeping,
            open: BTreeMap::new(),
            items: 0,
            events: 0,
            event_bytes: 0,
        }
    }

    /// Counts an event of so many bytes.
    pub(crate) fn event(&mut self, bytes: usize) -> Result<(), IntakeError> {
        self.events = self.events.saturating_add(1);
        self.event_bytes = self.event_bytes.saturating_add(bytes as u64);
        if self.events > EVENTS || self.event_bytes > EVENT_BYTES {
            return Err(broken("more events than a transaction has"));
        }
        Ok(())
    }

    /// Evidence is announced.
    pub(crate) fn announced(&mut self, number: u32, item: &EvidenceItem) -> Result<(), IntakeError> {
        self.items = self.items.saturating_add(1);
        if self.items > ITEMS || self.open.len() >= OPEN {
            return Err(broken("more evidence than a transaction has"));
        }
        if self.open.contains_key(&number) {
            return Err(broken("evidence of one number twice"));
        }
        let writer = self.keeping.vault.writer(EVIDENCE_BYTES)?;
        self.open.insert(number, (item.clone(), writer));
        Ok(())
    }

    /// Bytes of announced evidence.
    pub(crate) fn piece(&mut self, number: u32, bytes: &[u8]) -> Result<(), IntakeError> {
        let Some((_, writer)) = self.open.get_mut(&number) else {
            return Err(broken("a piece of evidence that was not announced"));
        };
        if bytes.is_empty() || bytes.len() > PIECE_BYTES {
            return Err(broken("a piece of evidence of a length that no piece has"));
        }
        Ok(writer.write(bytes)?)
    }

    /// Evidence is whole: puts it into the vault, reads it back, and gives what is to be written down.
    pub(crate) fn ended(&mut self, number: u32, sha256: Digest, size: Wide) -> Result<EventKind, IntakeError> {
        let Some((item, writer)) = self.open.remove(&number) else {
            return Err(broken("the end of evidence that was not announced"));
        };
        let stored = writer.finish(Some(sha256))?;
        if stored.size != size.0 {
            return Err(broken("evidence of another length than was announced"));
        }
        self.keeping.vault.note(&ManifestEntry {
            sha256,
            size,
            item: item.clone(),
            host: self.host.to_owned(),
            run: self.keeping.run.clone(),
            at_ms: Wide((self.keeping.clock)()),
            host_time_ms: None,
        })?;
        Ok(EventKind::Stored { item, sha256, size })
    }

    /// Whether some evidence has no end yet.
    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }
}

fn broken(why: &str) -> IntakeError {
    IntakeError::Host(HostError::Protocol { why: why.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use deminer_worker::frame::Part;

    use super::*;

    fn item() -> EvidenceItem {
        EvidenceItem {
            action: None,
            part: Part::Content,
            path: "/m".into(),
            process: None,
            expected: None,
        }
    }

    #[test]
    fn a_host_sends_no_more_than_it_may() {
        let home = tempfile::tempdir().expect("a folder");
        let keeping = Keeping {
            vault: Vault::create(home.path(), Some(4096)).expect("a disk"),
            run: "run".to_owned(),
            clock: Arc::new(|| 1),
        };
        let of_protocol = |result: Result<(), IntakeError>, why: &str| {
            let error = result.expect_err(why);
            assert!(
                matches!(error, IntakeError::Host(HostError::Protocol { .. })),
                "{why}: {error}"
            );
        };
        let mut intake = Intake::new("h", &keeping);
        of_protocol(intake.piece(1, b"x"), "not announced");
        of_protocol(intake.ended(1, Digest::of(b""), Wide(0)).map(|_| ()), "its end");
        for number in 0..64 {
            intake.announced(number, &item()).expect("so many may be open");
        }
        of_protocol(intake.announced(64, &item()), "one more");
        of_protocol(intake.piece(1, b""), "nothing");
        of_protocol(intake.piece(1, &vec![0; PIECE_BYTES + 1]), "too long");
        of_protocol(intake.event((EVENT_BYTES + 1) as usize), "events of that length");
        drop(intake);

        let mut intake = Intake::new("h", &keeping);
        intake.announced(1, &item()).expect("one");
        let mut noise = 1u32;
        let endless = (0..1000).find_map(|_| {
            let piece: Vec<u8> = (0..PIECE_BYTES)
                .map(|_| {
                    noise ^= noise << 13;
                    noise ^= noise >> 17;
                    noise ^= noise << 5;
                    noise as u8
                })
                .collect();
            intake.piece(1, &piece).err()
        });
        assert!(
            matches!(endless, Some(IntakeError::Vault(VaultError::Full { .. }))),
            "{endless:?}"
        );
    }

    #[test]
    fn whole_evidence_is_stored_and_noted() {
        let home = tempfile::tempdir().expect("a folder");
        let keeping = Keeping {
            vault: Vault::create(home.path(), None).expect("a disk"),
            run: "run".to_owned(),
            clock: Arc::new(|| 1),
        };
        let mut intake = Intake::new("h", &keeping);
        intake.announced(1, &item()).expect("one");
        intake.piece(1, b"bytes").expect("announced");
        let stored = intake.ended(1, Digest::of(b"bytes"), Wide(5)).expect("whole");
        assert!(matches!(stored, EventKind::Stored { size: Wide(5), .. }));
        assert!(!intake.is_open());
    }
}
