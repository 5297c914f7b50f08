//! What a host is: name, system, size, load, age; and whether its kernel runs what no package knows.
//!
//! Looks at `/etc/os-release`, `/etc/machine-id`, `/proc/meminfo`, `/proc/loadavg`, `/proc/uptime`,
//! `/proc/sys/kernel/tainted` and `uname`, on every Linux. It cannot see temperatures or GPUs, and everything is by the
//! word of the host's own kernel and clock. Source: proc(5), os-release(5), Linux `admin-guide/tainted-kernels`.

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::HostFacts as Facts;
use deminer_worker::text::{HostBytes, Wide};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{kernel_modules, questions};

/// `host.facts`.
pub struct HostFacts;

/// Takes none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// What a host is: what people ask first, then everything.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// The node name.
    pub hostname: HostBytes,
    /// The distribution's own name for itself; empty where it has none.
    pub distribution: String,
    /// The kernel release.
    pub kernel: String,
    /// The machine's architecture.
    pub architecture: String,
    /// Logical CPUs online.
    pub cpus: u32,
    /// MiB of memory.
    pub memory_mib: u64,
    /// MiB of memory that could be had.
    pub memory_available_mib: u64,
    /// Load over 1, 5 and 15 minutes, in per cent of all CPUs.
    pub load_percent: [u32; 3],
    /// Seconds since boot.
    pub uptime_s: u64,
    /// The kernel's taint mask; 0 is untainted.
    pub taint: Wide,
    /// Whether the worker is root, and sees all that the kernel shows.
    pub sees_all: bool,
    /// All of it, as the host answered.
    pub facts: Facts,
}

#[async_trait]
impl Collector for HostFacts {
    const ABOUT: About = About {
        name: "host.facts",
        summary: "Tells what a host is: name, distribution, kernel, CPUs, memory, load, uptime, kernel taint.",
        effect: Effect::Read,
        phases: &[Phase::Gather],
        handbook: "2.1.3.1",
        not_seen: "temperatures and GPUs; a kernel that lies about itself",
        example: "{id: facts, use: host.facts}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, _: Params) -> Result<Outcome<Output>, ModuleError> {
        let mut seen = questions::facts(host).await?;
        let findings = kernel_modules::unexplained(host, &seen.value, &mut seen.coverage).await?;
        let mut outcome = Outcome::of(summary(seen.value)).seen_with(seen.coverage);
        outcome.findings = findings;
        Ok(outcome)
    }
}

fn summary(facts: Facts) -> Output {
    let cpus = facts.cpus.max(1);
    Output {
        hostname: facts.identity.hostname.clone(),
        distribution: facts.distribution.clone(),
        kernel: facts.kernel.clone(),
        architecture: facts.architecture.clone(),
        cpus: facts.cpus,
        memory_mib: facts.memory_total.0 >> 20,
        memory_available_mib: facts.memory_available.0 >> 20,
        load_percent: facts.load_centi.map(|centi| centi / cpus),
        uptime_s: facts.uptime_ms.0 / 1_000,
        taint: facts.taint,
        sees_all: facts.uid == 0,
        facts,
    }
}
