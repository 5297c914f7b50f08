//! Hosts that wait for each other: a worm writes the first cleaned host back from the last infected one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// A gathering of so many hosts. It opens when every one of them has come or has left.
#[derive(Debug)]
pub(super) struct Muster {
    /// Who is neither here nor gone.
    awaited: watch::Sender<usize>,
}

/// One host's place in it. Dropped without having come, the host has left.
#[derive(Debug)]
pub(super) struct Place {
    muster: Arc<Muster>,
    came: bool,
}

impl Muster {
    /// Of so many hosts; each takes one [`Self::place`].
    pub(super) fn of(hosts: usize) -> Arc<Muster> {
        Arc::new(Muster {
            awaited: watch::Sender::new(hosts),
        })
    }

    /// A place for one host.
    pub(super) fn place(self: &Arc<Self>) -> Place {
        Place {
            muster: Arc::clone(self),
            came: false,
        }
    }
}

impl Place {
    /// Comes, and waits for the others; no longer than `limit`. Whether all were there.
    pub(super) async fn meet(&mut self, limit: Duration) -> bool {
        self.come();
        let mut awaited = self.muster.awaited.subscribe();
        tokio::time::timeout(limit, awaited.wait_for(|awaited| *awaited == 0))
            .await
            .is_ok()
    }

    fn come(&mut self) {
        if !std::mem::replace(&mut self.came, true) {
            self.muster
                .awaited
                .send_modify(|awaited| *awaited = awaited.saturating_sub(1));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.come();
    }
}
