//! Hosts over SSH.

mod target;

pub use target::{Become, Secret, SshTarget, TargetError};

/// Directories that are tried for the worker, in this order.
pub const DIRECTORIES: [&str; 5] = ["/dev/shm", "/run", "/tmp", "/var/tmp", "/root"];
