//! What the operator says while a run goes on: go on, begin no more, break off.

use std::sync::Arc;

use tokio::sync::watch;

/// How much is to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Nothing.
    #[default]
    Go,
    /// No further host is begun; those that were begun go to their end.
    NoMore,
    /// Links are dropped. A host that is not past its commit thaws everything; one that is goes to its end alone.
    Cancel,
}

/// A switch that only goes up. Clones are the same switch.
#[derive(Debug, Clone)]
pub struct Halt {
    level: Arc<watch::Sender<Level>>,
}

impl Default for Halt {
    fn default() -> Halt {
        Halt {
            level: Arc::new(watch::Sender::new(Level::Go)),
        }
    }
}

impl Halt {
    /// Where it stands.
    pub fn level(&self) -> Level {
        *self.level.borrow()
    }

    /// One step up, as another Ctrl-C; gives where it stands then.
    pub fn raise(&self) -> Level {
        self.level.send_modify(|level| {
            *level = match level {
                Level::Go => Level::NoMore,
                Level::NoMore | Level::Cancel => Level::Cancel,
            }
        });
        self.level()
    }

    /// Waits until it stands there or above.
    pub async fn reached(&self, level: Level) {
        // The sender lives as long as this handle, so that waiting cannot fail.
        let _ = self.level.subscribe().wait_for(|now| *now >= level).await;
    }
}
