//! The keeper and the lock: what is left standing when a worker is gone.

use std::sync::{Arc, Mutex, PoisonError};

use super::process::Life;
use super::state::State;
use crate::action::ProcessTarget;

/// Holds what is frozen.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    held: Vec<(u32, u64)>,
    /// What is killed when the worker dies; `None` before the commit.
    proven: Option<Vec<ProcessTarget>>,
}

impl Keeper {
    pub(super) fn hold(&mut self, pid: u32, start_ticks: u64) {
        if !self.held.contains(&(pid, start_ticks)) {
            self.held.push((pid, start_ticks));
        }
    }

    pub(super) fn release(&mut self, pid: u32) {
        self.held.retain(|(held, _)| *held != pid);
    }

    pub(super) fn commit(&mut self, proven: &[ProcessTarget]) {
        self.proven = Some(proven.to_vec());
    }
}

/// The host is taken as long as this value lives.
pub(super) struct Held {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) number: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.lock == Some(self.number) {
            state.lock = None;
        }
    }
}

impl State {
    /// The worker is gone: its lock is free, and an armed keeper acts and ends.
    pub(super) fn clear_away(&mut self) {
        self.worker_killed = false;
        self.lock = None;
        self.free_units();
        let Some(keeper) = self.keeper.take() else { return };
        for target in keeper.proven.iter().flatten() {
            if matches!(self.is_there(target, "kill"), Ok(true)) {
                self.end(target.pid);
            }
        }
        for (pid, start_ticks) in keeper.held {
            if self
                .living(pid)
                .is_some_and(|process| process.start_ticks() == start_ticks)
            {
                self.set_life(pid, Life::Running);
            }
        }
    }
}
