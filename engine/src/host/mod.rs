//! Hosts, seen from the controller.
//!
//! A [`HostView`] looks and can change nothing. What strikes is made from approved orders only, in [`crate::apply`].

pub mod recorded;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deminer_worker::query::{Answer, HostError, Observed, Query};
use deminer_worker::text::HostPath;

mod link;
mod local;
mod simulated;
pub mod ssh;
mod visit;

pub use link::{HELD_BYTES, HELD_ONCE_BYTES, Link};
pub use local::Local;
pub use simulated::simulated_schema;
pub use visit::Visit;

/// How a worker came to its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The key by which the host was known, kind and fingerprint as ssh-keygen(1) shows them; `None` where a master that the
    /// user opened had logged in.
    pub host_key: Option<String>,
    /// The directory below which one was made for it; that one is gone once the worker runs.
    pub below: HostPath,
    /// The bytes that it took there. They stay in use, without a name, until the worker ends.
    pub bytes: u64,
}

/// A host, read only.
#[async_trait]
pub trait HostView: Send + Sync {
    /// The host's name in the run.
    fn name(&self) -> &str;

    /// Asks.
    ///
    /// # Errors
    /// When there is no answer; an answer with gaps is no error.
    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError>;

    /// How the worker came to the host; `None` where none was sent.
    fn arrival(&self) -> Option<&Arrival> {
        None
    }

    /// What the controller's clock says here, where it says `now_ms` elsewhere: a simulated host lives at a moment of its own,
    /// and for a recording there is none.
    fn beside(&self, now_ms: u64) -> Option<u64> {
        Some(now_ms)
    }

    /// Says that what is asked from now on belongs to this round (0 is the plan's); recordings answer by round.
    fn begin_round(&self, _round: u32) {}

    /// Leaves the host alone for this long, then comes back: what waits for everybody to be gone shows itself only then.
    /// False where there is no login that ends by it: this machine, a simulated or recorded host, a master that the user
    /// opened.
    ///
    /// # Errors
    /// When the way back fails, or leads to another host.
    async fn leave(&self, _time: Duration) -> Result<bool, HostError> {
        Ok(false)
    }
}

#[async_trait]
impl<V: HostView + ?Sized> HostView for Arc<V> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        (**self).observe(query).await
    }

    fn arrival(&self) -> Option<&Arrival> {
        (**self).arrival()
    }

    fn beside(&self, now_ms: u64) -> Option<u64> {
        (**self).beside(now_ms)
    }

    fn begin_round(&self, round: u32) {
        (**self).begin_round(round);
    }

    async fn leave(&self, time: Duration) -> Result<bool, HostError> {
        (**self).leave(time).await
    }
}

/// A way to a host: starts a worker there and talks to it.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Reaches the host; `name` is its name in the run.
    ///
    /// # Errors
    /// When no worker of our protocol answers.
    async fn connect(&self, name: &str) -> Result<Arc<Link>, HostError>;

    /// Reaches the host to look at it and no more. What has answers but no worker can be looked at all the same.
    ///
    /// # Errors
    /// As [`Transport::connect`].
    async fn view(&self, name: &str) -> Result<Arc<dyn HostView>, HostError> {
        Ok(self.connect(name).await? as Arc<dyn HostView>)
    }

    /// Logs in once more, over a connection of its own, and out again: whether the host can still be reached that way. Where
    /// no login leads there, or it is the user's own and cannot be had twice, there is nothing to prove.
    ///
    /// # Errors
    /// When it cannot, within a time in which a worker still waits.
    async fn log_in_again(&self) -> Result<(), HostError> {
        Ok(())
    }

    /// Whether a connection is a login on the host that ends with the last link.
    fn is_login(&self) -> bool {
        false
    }
}
