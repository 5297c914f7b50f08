//! The host's journal and spool, in memory: they outlive a worker, not the host.

use std::collections::BTreeMap;

use super::Simulated;
use super::faults::Call;
use super::state::State;
use crate::journal::{Store, is_journal_path};
use crate::query::HostError;
use crate::text::{Digest, HostPath};

/// One journal.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) bytes: Vec<u8>,
    pub(super) spool: BTreeMap<Digest, Vec<u8>>,
    spool_bytes: u64,
}

/// The way of one worker to its journal.
pub(super) struct Handle {
    pub(super) host: Simulated,
    pub(super) directory: HostPath,
}

impl State {
    pub(super) fn open_journal(&mut self, directory: &HostPath, spool_bytes: u64) -> Result<(), HostError> {
        let failed = |why: &str| HostError::Failed {
            doing: format!("make the journal `{directory}`"),
            why: why.to_owned(),
        };
        if !is_journal_path(directory) {
            return Err(failed("not a name of the form that we make"));
        }
        if self.journals.contains_key(directory) || self.tree.lookup(directory).is_some() {
            return Err(failed("something is there already"));
        }
        self.need_room(&format!("make the journal `{directory}`"))?;
        let journal = Journal {
            spool_bytes,
            ..Journal::default()
        };
        self.journals.insert(directory.clone(), journal);
        Ok(())
    }

    pub(super) fn recall_journal(&self, directory: &HostPath) -> Result<Option<Vec<u8>>, HostError> {
        self.refuse_foreign(directory, "read the journal")?;
        Ok(self.journals.get(directory).map(|journal| journal.bytes.clone()))
    }

    pub(super) fn recall_spool(&self, directory: &HostPath) -> Result<BTreeMap<Digest, Vec<u8>>, HostError> {
        self.refuse_foreign(directory, "read the spool")?;
        let journal = self.journals.get(directory);
        Ok(journal.map(|journal| journal.spool.clone()).unwrap_or_default())
    }

    pub(super) fn forget_journal(&mut self, directory: &HostPath) -> Result<(), HostError> {
        self.refuse_foreign(directory, "remove the journal")?;
        self.journals.remove(directory);
        Ok(())
    }

    fn refuse_foreign(&self, directory: &HostPath, doing: &str) -> Result<(), HostError> {
        match is_journal_path(directory) && self.tree.lookup(directory).is_none() {
            true => Ok(()),
            false => Err(HostError::Failed {
                doing: format!("{doing} `{directory}`"),
                why: "it is not ours".to_owned(),
            }),
        }
    }

    fn journal(&mut self, directory: &HostPath, doing: &str) -> Result<&mut Journal, HostError> {
        self.need_room(doing)?;
        self.journals.get_mut(directory).ok_or_else(|| HostError::Gone {
            doing: doing.to_owned(),
        })
    }
}

impl Store for Handle {
    fn append(&mut self, bytes: &[u8]) -> Result<(), HostError> {
        self.host.call(Call::Append, "", |state| {
            let journal = state.journal(&self.directory, "write the host's journal")?;
            journal.bytes.extend_from_slice(bytes);
            Ok(())
        })
    }

    fn spool(&mut self, sha256: Digest, bytes: &[u8]) -> Result<(), HostError> {
        self.host.call(Call::Spool, "", |state| {
            let doing = "seal evidence in the spool";
            let journal = state.journal(&self.directory, doing)?;
            let others = journal.spool.iter().filter(|(known, _)| **known != sha256);
            let used: u64 = others.map(|(_, bytes)| bytes.len() as u64).sum();
            if used.saturating_add(bytes.len() as u64) > journal.spool_bytes {
                return Err(HostError::TooLarge {
                    doing: doing.to_owned(),
                    limit: journal.spool_bytes,
                });
            }
            journal.spool.insert(sha256, bytes.to_vec());
            Ok(())
        })
    }

    fn remove(self: Box<Self>) -> Result<(), HostError> {
        self.host.call(Call::RemoveJournal, "", |state| {
            state.journals.remove(&self.directory);
            Ok(())
        })
    }
}
