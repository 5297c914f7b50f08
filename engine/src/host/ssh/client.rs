//! What all hosts over SSH share in one command: the program, a private place, the workers, and how many log in at once.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Once, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{SshTarget, Workers, master};

/// How many may log in at once. A handshake is mostly waiting, and costs a core 10 to 60 ms on each side.
pub const LOGINS: usize = 32;

/// How many may log in at once by way of the same jump host: sshd refuses some from the tenth on (`MaxStartups`,
/// sshd_config(5)).
pub const LOGINS_PER_JUMP: usize = 8;

/// How SSH is spoken in one command. Shared by all its hosts.
#[derive(Debug)]
pub struct SshClient {
    pub(super) program: PathBuf,
    pub(super) place: PathBuf,
    pub(super) workers: Workers,
    /// Variables of the environment that no ssh is started with.
    hidden: Mutex<BTreeSet<String>>,
    swept: Once,
    logins: Arc<Semaphore>,
    per_jump: usize,
    jumps: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// The leave to log in; given back when it is dropped.
pub(super) struct Turn {
    _all: Option<OwnedSemaphorePermit>,
    _jump: Option<OwnedSemaphorePermit>,
}

impl SshClient {
    /// Starts no ssh with these variables of the environment from now on: they hold secrets.
    pub fn hide(&self, names: impl IntoIterator<Item = String>) {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
    }

    pub(super) fn hidden(&self) -> BTreeSet<String> {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts the `ssh` of the search path. `place` is an existing directory with a short name, for private directories with
    /// the sockets of the masters: `$XDG_RUNTIME_DIR`, or the one for temporary files.
    pub fn new(place: impl Into<PathBuf>, workers: Workers) -> SshClient {
        SshClient {
            program: PathBuf::from("ssh"),
            place: place.into(),
            workers,
            hidden: Mutex::default(),
            swept: Once::new(),
            logins: Arc::new(Semaphore::new(LOGINS)),
            per_jump: LOGINS_PER_JUMP,
            jumps: Mutex::default(),
        }
    }

    /// Lets so many log in at once, in all and by way of the same jump host.
    #[must_use]
    pub fn with_logins(mut self, all: usize, per_jump: usize) -> SshClient {
        self.logins = Arc::new(Semaphore::new(all.max(1)));
        self.per_jump = per_jump.max(1);
        self
    }

    /// Removes once what killed commands left in our place.
    pub(super) fn sweep(&self) {
        self.swept.call_once(|| master::sweep(&self.place));
    }

    /// Waits for the leave to log in. A jump host that only the ssh_config names is not known here.
    pub(super) async fn turn(&self, target: &SshTarget) -> Turn {
        let first = target.jump.as_deref().and_then(|jump| jump.split(',').next());
        let at_jump = first.filter(|jump| *jump != "none").map(|jump| {
            let mut jumps = self.jumps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let semaphore = jumps
                .entry(jump.to_owned())
                .or_insert_with(|| Arc::new(Semaphore::new(self.per_jump)));
            Arc::clone(semaphore)
        });
        // First the narrow gate: who waits there holds back nobody else. Neither semaphore is ever closed.
        let jump = match at_jump {
            Some(semaphore) => semaphore.acquire_owned().await.ok(),
            None => None,
        };
        Turn {
            _all: Arc::clone(&self.logins).acquire_owned().await.ok(),
            _jump: jump,
        }
    }
}
