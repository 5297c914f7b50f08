//! One host's turn in a walk: what it holds, and for whom it waits.

use std::sync::Arc;
use std::time::Duration;

use super::Slot;
use super::muster::{Muster, Place};

/// How long a host waits for the others before anything is begun on it. Nothing stands still meanwhile.
const BEGIN_WAIT: Duration = Duration::from_secs(120);

/// How long a host waits for the others right before its commit. What is condemned stands still meanwhile, so it is short.
const COMMIT_WAIT: Duration = Duration::from_secs(4);

/// Where hosts that write each other back wait for each other: before they begin, and before they pass their commit.
#[derive(Debug, Clone)]
pub struct Together {
    begin: Arc<Muster>,
    commit: Arc<Muster>,
}

/// A host's turn.
#[derive(Debug, Default)]
pub struct Turn {
    slot: Slot,
    begin: Option<Place>,
    commit: Option<Place>,
}

impl Together {
    /// For so many hosts; each takes one turn.
    pub fn of(hosts: usize) -> Together {
        Together {
            begin: Muster::of(hosts),
            commit: Muster::of(hosts),
        }
    }
}

impl Turn {
    /// The turn of a host that waits for nobody.
    pub fn of(slot: Slot) -> Turn {
        Turn {
            slot,
            begin: None,
            commit: None,
        }
    }

    /// The turn of a host that waits for the others.
    pub fn together(slot: Slot, with: &Together) -> Turn {
        Turn {
            slot,
            begin: Some(with.begin.place()),
            commit: Some(with.commit.place()),
        }
    }

    /// Waits, reached and untouched, for the others. A host that waits holds no slot: the others need them.
    pub(crate) async fn before_begin(&mut self) {
        if let Some(mut place) = self.begin.take() {
            self.slot.free();
            place.meet(BEGIN_WAIT).await;
        }
    }

    /// Waits, frozen, for the others, but never for long.
    pub(crate) async fn before_commit(&mut self) {
        if let Some(mut place) = self.commit.take() {
            place.meet(COMMIT_WAIT).await;
        }
    }

    /// From here on the host works or is watched by itself, and nobody needs to wait for it.
    pub(crate) fn alone(&mut self) {
        *self = Turn::default();
    }
}
