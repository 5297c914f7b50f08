//! Hosts over SSH: one connection by the user's own ssh, one channel, one worker.
//!
//! [`SshTarget`] is what is known of a host, [`SshClient`] what all hosts of a command share, [`Ssh`] the way. Reading order:
//! `config` is what ssh is told, `master` the connection, `script` what the host's shell is told, `channel` the conversation
//! in which the worker goes up and starts; `error` is what may stand in the way.
//!
//! What is trusted on the host: its sshd, the login shell, `/bin/sh`, sudo, and the few programs that `script` names. The
//! worker says itself whether it arrived whole before it is started, and its file is gone once it runs.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use deminer_worker::query::HostError;

use super::{Link, Transport};

mod channel;
mod client;
mod config;
mod error;
mod master;
mod script;
mod target;
mod workers;

pub use client::{LOGINS, LOGINS_PER_JUMP, SshClient};
pub use error::SshError;
pub use target::{Become, Secret, SshTarget, TargetError};
pub use workers::Workers;

use channel::{NotStarted, Started};
use master::Master;

/// Directories that are tried for the worker, in this order: in memory first. The login's own variables are its shell's.
pub const DIRECTORIES: [&str; 6] = ["/dev/shm", "/run", "$XDG_RUNTIME_DIR", "/tmp", "/var/tmp", "$HOME"];

/// How long a second login may take: less than a worker waits with what it did on trial.
const AGAIN_TIME: Duration = Duration::from_secs(15);

/// How often a host is tried that does not answer.
const ATTEMPTS: u32 = 3;

/// How long is waited before the second time, doubled before each further one; half of it more or less, so that many hosts
/// behind one jump host do not come at once.
const PAUSE: Duration = Duration::from_millis(500);

/// Reaches a host over SSH. Links to it share one connection as long as one of them stands.
#[derive(Debug)]
pub struct Ssh {
    target: SshTarget,
    client: Arc<SshClient>,
    open: Mutex<Weak<Master>>,
}

impl Ssh {
    /// A way to the target.
    ///
    /// # Errors
    /// When a part of it is refused; nothing was started.
    pub fn new(target: SshTarget, client: Arc<SshClient>) -> Result<Ssh, TargetError> {
        target.check()?;
        Ok(Ssh {
            target,
            client,
            open: Mutex::default(),
        })
    }

    /// Starts a worker; tries again where nothing answered.
    async fn reach(&self) -> Result<Started, SshError> {
        let mut attempt = 1;
        loop {
            let master = match self.master().await {
                Err(error) if error.is_passing() && attempt < ATTEMPTS => {
                    tokio::time::sleep(pause(attempt)).await;
                    attempt += 1;
                    continue;
                }
                master => master?,
            };
            return self.start(&master).await;
        }
    }

    /// The connection that stands, else a new one.
    async fn master(&self) -> Result<Arc<Master>, SshError> {
        let open = self
            .open
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .upgrade();
        if let Some(master) = open
            && master.serves().await
        {
            return Ok(master);
        }
        self.client.sweep();
        let _turn = self.client.turn(&self.target).await;
        let master = master::open(&self.target, &self.client).await?;
        *self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Arc::downgrade(&master);
        Ok(master)
    }

    /// Starts a worker in the first directory where it runs.
    async fn start(&self, master: &Arc<Master>) -> Result<Started, SshError> {
        let directories = script::directories(&self.target);
        let mut left = &directories[..];
        loop {
            let blocked = match channel::start(master, &self.target, &self.client.workers, left).await {
                Ok(started) => return Ok(started),
                Err(NotStarted::Final(error)) => return Err(error),
                Err(NotStarted::Blocked { directory, why }) => (directory, why),
            };
            let (directory, why) = blocked;
            // One of the login's own variables is not known here by its value: it is the next one that is left out.
            let tried = left.iter().position(|word| word.trim_matches('"') == directory);
            left = &left[tried.map_or(1, |at| at + 1)..];
            if left.is_empty() {
                return Err(why);
            }
        }
    }
}

/// How long to wait before the next attempt.
fn pause(attempt: u32) -> Duration {
    let mut byte = [0; 1];
    // Without a random byte the pause is the shortest.
    let _ = rustix::rand::getrandom(&mut byte, rustix::rand::GetRandomFlags::empty());
    let share = 0.5 + f64::from(byte[0]) / 255.0;
    (PAUSE * 2u32.pow(attempt - 1)).mul_f64(share)
}

#[async_trait]
impl Transport for Ssh {
    async fn connect(&self, name: &str) -> Result<Arc<Link>, HostError> {
        let started = self.reach().await?;
        let link = Link::begin(name, started.input, started.output).await?;
        link.arrived(started.arrival);
        Ok(link)
    }

    async fn log_in_again(&self) -> Result<(), HostError> {
        if self.target.control_path.is_some() {
            return Ok(());
        }
        let login = master::open(&self.target, &self.client);
        match tokio::time::timeout(AGAIN_TIME, login).await {
            Ok(login) => Ok(_ = login?),
            Err(_) => Err(HostError::TimedOut {
                doing: "log in once more".to_owned(),
                limit_ms: AGAIN_TIME.as_millis() as u64,
            }),
        }
    }

    fn is_login(&self) -> bool {
        self.target.control_path.is_none()
    }
}
