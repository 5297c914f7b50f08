//! Linux, asked directly: `/proc`, system calls, own readers of bytes; no program of the host is run.
//!
//! [`look`] reads and can change nothing; [`hands`] changes and is called by the transaction only.

use crate::action::{Act, Arming, Done, Object, ProcessTarget, Undo};
use crate::frame::Part;
use crate::journal::Store;
use crate::platform::{CaptureSink, Pace, Platform};
use crate::query::{Answer, HostError, Observed, Query};
use crate::text::{Digest, HostPath};

#[cfg(test)]
mod beside;
pub mod hands;
pub mod look;
mod manners;
mod netlink;
mod running;
mod systemd;
mod wall;

/// The properties of the parsers below, brought together.
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    pub use super::hands::fuzzing::taken_lines;
    pub use super::look::fuzzing::{process_tables, system_tables};
    pub use super::look::packages_fuzzing::{dpkg, rpm};
    pub use super::look::resources_fuzzing::resources;
    pub use super::netlink::fuzzing::netlink;
    pub use super::systemd::fuzzing::manager;
}

/// The Linux host that this program runs on.
pub struct Linux {
    look: look::Look,
    hands: hands::Hands,
    manners: Option<manners::Manners>,
}

impl Linux {
    /// The host that this program runs on. Opens nothing yet.
    pub fn new() -> Self {
        Self {
            look: look::Look::new(),
            hands: hands::Hands::new(),
            manners: None,
        }
    }

    /// The same, for a program that was sent there: it has bounds of its own, see [`Platform::pace`].
    pub fn sent() -> Self {
        Self {
            manners: Some(manners::Manners::as_found()),
            ..Self::new()
        }
    }
}

impl Default for Linux {
    fn default() -> Self {
        Self::new()
    }
}

impl Platform for Linux {
    fn answer(&self, query: &Query) -> Result<Observed<Answer>, HostError> {
        self.look.answer(query)
    }

    fn act(&self, act: &Act) -> Result<Done, HostError> {
        self.hands.act(act)
    }

    fn thaw(&self, process: &ProcessTarget) -> Result<(), HostError> {
        self.hands.thaw(process)
    }

    fn undo(&self, undo: &Undo, content: Option<&[u8]>, arming: Arming) -> Result<Done, HostError> {
        self.hands.undo(undo, content, arming)
    }

    fn capture(&self, object: &Object, parts: &[Part], sink: &mut dyn CaptureSink) -> Result<(), HostError> {
        self.hands.capture(object, parts, sink)
    }

    fn lock(&self) -> Result<Box<dyn Send>, HostError> {
        self.hands.lock()
    }

    fn arm(&self) -> Result<(), HostError> {
        self.hands.arm()
    }

    fn committed(&self, proven: &[ProcessTarget]) -> Result<(), HostError> {
        self.hands.committed(proven)
    }

    fn disarm(&self) {
        self.hands.disarm();
    }

    fn open_journal(&self, directory: &HostPath, spool_bytes: u64) -> Result<Box<dyn Store>, HostError> {
        self.hands.open_journal(directory, spool_bytes)
    }

    fn tidy(&self, act: &Act) -> Result<(), HostError> {
        self.hands.tidy(act)
    }

    fn recall_journal(&self, directory: &HostPath) -> Result<Option<Vec<u8>>, HostError> {
        self.hands.recall_journal(directory)
    }

    fn recall_spool(&self, directory: &HostPath, take: &mut dyn FnMut(Digest, &[u8])) -> Result<(), HostError> {
        self.hands.recall_spool(directory, take)
    }

    fn forget_journal(&self, directory: &HostPath) -> Result<(), HostError> {
        self.hands.forget_journal(directory)
    }

    fn uptime_ms(&self) -> u64 {
        look::uptime_ms()
    }

    fn host_time_ms(&self) -> u64 {
        look::host_time_ms()
    }

    fn sleep_ms(&self, ms: u64) {
        std::thread::sleep(std::time::Duration::from_millis(ms));
    }

    fn pace(&self, pace: Pace) {
        if let Some(manners) = &self.manners {
            manners.keep(pace);
            // Each thread has a priority of its own.
            self.look.change_pace();
        }
    }
}
