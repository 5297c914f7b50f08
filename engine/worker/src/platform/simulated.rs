//! A host in memory.

/// The simulated worker was killed.
pub struct WorkerKilled;
