//! What a host remembers of a stroke while nobody listens: one small root-only file, made exclusively in a fresh
//! directory under the random name that the plan states.
//!
//! Read back it is testimony: it says what was meant and what was seen done, it is never a source of acts.

use serde::{Deserialize, Serialize};

use crate::frame::TransactionEvent;
use crate::query::HostError;
use crate::text::{Digest, HostPath, Wide};

/// One line of a host's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Counts up from 1.
    pub seq: Wide,
    /// The host's own clock, milliseconds since 1970.
    pub host_time_ms: Wide,
    /// What happened.
    pub event: TransactionEvent,
}

/// Where a platform keeps a journal and its spool.
pub trait Store: Send {
    /// Appends bytes to the journal and waits until they are durable.
    ///
    /// # Errors
    /// When they are not durable: then what they announce is not done.
    fn append(&mut self, bytes: &[u8]) -> Result<(), HostError>;

    /// Seals evidence in the spool, so that it can neither run nor be mistaken for the original, and waits until it is
    /// durable.
    ///
    /// # Errors
    /// When it is not durable, or the spool is full.
    fn spool(&mut self, sha256: Digest, bytes: &[u8]) -> Result<(), HostError>;

    /// Removes journal and spool.
    ///
    /// # Errors
    /// When something of them stays.
    fn remove(self: Box<Self>) -> Result<(), HostError>;
}

/// Writes a host's journal.
pub struct HostJournal {
    store: Box<dyn Store>,
    seq: u64,
}

impl HostJournal {
    /// A journal that nothing was written to.
    pub fn new(store: Box<dyn Store>) -> Self {
        Self { store, seq: 0 }
    }

    /// Writes an event down, durably.
    ///
    /// # Errors
    /// When it is not durable.
    pub fn record(&mut self, host_time_ms: u64, event: &TransactionEvent) -> Result<(), HostError> {
        self.seq += 1;
        let record = Record {
            seq: Wide(self.seq),
            host_time_ms: Wide(host_time_ms),
            event: event.clone(),
        };
        let mut line = serde_json::to_vec(&record).map_err(|error| HostError::Failed {
            doing: "write the host's journal".to_owned(),
            why: error.to_string(),
        })?;
        line.push(b'\n');
        self.store.append(&line)
    }

    /// Seals evidence for which no controller is there.
    ///
    /// # Errors
    /// When it is not safe afterwards.
    pub fn spool(&mut self, sha256: Digest, bytes: &[u8]) -> Result<(), HostError> {
        self.store.spool(sha256, bytes)
    }

    /// Removes it: the controller heard everything itself.
    ///
    /// # Errors
    /// When something of it stays.
    pub fn remove(self) -> Result<(), HostError> {
        self.store.remove()
    }
}

/// Reads a journal back. A torn last line is what a crash leaves, and is dropped; anything else that is not a record ends
/// the reading, since it was not written by us.
pub fn read(bytes: &[u8]) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else { break };
        match serde_json::from_slice::<Record>(line) {
            Ok(record) if record.seq.0 == records.len() as u64 + 1 => records.push(record),
            _ => break,
        }
    }
    records
}

/// The name of the journal inside its directory.
pub const FILE_NAME: &str = "journal";

/// Where a platform puts the directory, and what every path of one must look like: a random name that nobody could have
/// prepared.
pub fn is_journal_path(path: &HostPath) -> bool {
    let name = path.file_name();
    name.strip_prefix(b".deminer-")
        .is_some_and(|rest| rest.len() == 32 && rest.iter().all(u8::is_ascii_hexdigit))
}
