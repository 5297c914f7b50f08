//! What a host is, and what tells it from every other.

use serde::{Deserialize, Serialize};

use crate::text::{HostBytes, Wide};

/// What a host is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HostFacts {
    /// What identifies it.
    pub identity: HostIdentity,
    /// `linux`.
    pub system: String,
    /// The distribution's own name for itself, from os-release; empty where there is none.
    pub distribution: String,
    /// The kernel release, as `uname -r`.
    pub kernel: String,
    /// The machine's architecture, as `uname -m`.
    pub architecture: String,
    /// Logical CPUs online.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory_total: Wide,
    /// Bytes of memory that could be had.
    pub memory_available: Wide,
    /// Load over 1, 5 and 15 minutes, times 100.
    pub load_centi: [u32; 3],
    /// Milliseconds since boot.
    pub uptime_ms: Wide,
    /// Milliseconds since 1970, by the host's own clock.
    pub host_time_ms: Wide,
    /// Clock ticks a second, the unit of a process's `start_ticks`.
    pub ticks_per_second: u32,
    /// The worker's effective user id: 0 sees everything that the kernel shows.
    pub uid: u32,
    /// Pids of the worker, its keeper and their ancestors up to pid 1: never a target.
    pub own_chain: Vec<u32>,
    /// The login names by which our own session came in, as far as its processes' environments tell (`LOGNAME`, `USER`,
    /// `SUDO_USER`): accounts that are never locked. Sorted.
    #[serde(default)]
    pub own_names: Vec<HostBytes>,
    /// The kernel's taint mask, `/proc/sys/kernel/tainted`.
    pub taint: Wide,
    /// System calls that make acting safer and that this kernel does not have or does not allow, by name: `pidfd_open`
    /// (Linux 5.3), `openat2` (5.6), `renameat2` (3.15). What is done instead is said in the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

/// What tells this host from every other, and this boot from every other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HostIdentity {
    /// `/etc/machine-id`; `None` where there is none.
    pub machine_id: Option<String>,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// The node name, as the kernel has it.
    pub hostname: HostBytes,
    /// The pid namespace that the worker sees, by inode.
    pub pid_namespace: Wide,
}

impl HostIdentity {
    /// Whether both are of one machine, started anew or not. Where nothing else tells machines apart, only the same boot is
    /// the same machine.
    pub fn is_same_machine(&self, other: &HostIdentity) -> bool {
        match &self.machine_id {
            Some(_) => self.machine_id == other.machine_id,
            None => other.machine_id.is_none() && self.boot_id == other.boot_id,
        }
    }
}
