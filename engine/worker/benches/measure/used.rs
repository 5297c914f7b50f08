//! CPU and wall time of a piece of work in this process.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::measure::middle;

/// What a piece of work took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// On all CPUs together, user and system.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

/// What a piece of work took, all threads of this process together, those that ended included.
pub(crate) fn own<T>(work: impl FnOnce() -> T) -> (T, Used) {
    let (cpu, wall) = (clock(ClockId::ProcessCPUTime), Instant::now());
    let value = work();
    let used = Used {
        cpu: clock(ClockId::ProcessCPUTime).saturating_sub(cpu),
        wall: wall.elapsed(),
    };
    (value, used)
}

/// The median of CPU and that of wall time, each for itself.
pub(crate) fn median(runs: &[Used]) -> Used {
    Used {
        cpu: middle(runs.iter().map(|run| run.cpu)),
        wall: middle(runs.iter().map(|run| run.wall)),
    }
}

pub(crate) fn clock(id: ClockId) -> Duration {
    Duration::try_from(clock_gettime(id)).unwrap_or_default()
}
