//! How busy a host is, and with what.
//!
//! Looks at `/proc/stat`, `/proc/meminfo`, `/proc/diskstats`, mounted file systems, `/sys/class/hwmon`,
//! `/sys/class/thermal`, the PCI bus and the descriptors of processes, on every Linux. It cannot see the load of GPUs whose
//! driver does not tell it (NVIDIA's own), temperatures of a virtual machine's real host, nor what a kernel that lies
//! leaves out. Busy is no verdict: it is what the handbook begins with, and no more. Handbook: `top`, resource monitor.

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::{GpuHolder, Resources, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration_param::DurationParam;
use crate::questions;
use crate::saying::said;

/// `host.resources`.
pub struct HostResources;

/// How to look.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Time over which use is measured, 1s to 60s; a longer one than 30s counts as 30s.
    pub sample: DurationParam,
    /// From how many per cent on a CPU, a memory, a disk or a GPU is remarkable.
    #[schemars(range(min = 1, max = 100))]
    pub remarkable: u32,
    /// From how many degrees Celsius on a sensor is remarkable, where its chip says nothing of its own.
    pub hot: i32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            sample: DurationParam::from_millis(5_000),
            remarkable: 90,
            hot: 90,
        }
    }
}

/// What a host uses: what people ask first, then everything.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// Per cent of all CPUs together that was busy.
    pub cpu_percent: u32,
    /// Per cent of the busiest CPU.
    pub busiest_core_percent: u32,
    /// Per cent of memory that cannot be had.
    pub memory_percent: u32,
    /// Per cent of swap in use; 0 without swap.
    pub swap_percent: u32,
    /// MiB set aside as huge pages; RandomX takes about 2336 where it can.
    pub huge_mib: u64,
    /// Per cent of the fullest file system that is written to.
    pub fullest_percent: u32,
    /// Degrees Celsius of the hottest sensor; `None` where there is none, as in most virtual machines.
    pub hottest_celsius: Option<i32>,
    /// Per cent of the busiest GPU; `None` where no driver says.
    pub gpu_percent: Option<u32>,
    /// How many GPUs there are.
    pub gpus: u32,
    /// The processes that have a GPU open.
    pub gpu_holders: Vec<GpuHolder>,
    /// What is remarkable of it, by the parameters.
    pub remarks: Vec<Remark>,
    /// All of it, as the host answered.
    pub resources: Resources,
}

/// One thing that is remarkable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Remark {
    /// What: `cpu`, `memory`, `swap`, `huge_pages`, `file_system`, `inodes`, `disk`, `temperature`, `gpu`, `gpu_holder`.
    pub what: &'static str,
    /// Which one; empty where there is only one. Escaped.
    pub which: String,
    /// How much: per cent, degrees Celsius, or MiB of huge pages; the pid of a GPU's holder.
    pub value: u64,
}

/// Huge pages that RandomX takes for its dataset and cache, less the scratchpads (`tevador/RandomX: README.md`).
const RANDOMX_MIB: u64 = 2_080;

#[async_trait]
impl Collector for HostResources {
    const ABOUT: About = About {
        name: "host.resources",
        summary: "Tells how busy a host is: CPUs, memory, swap, huge pages, disks, temperatures, GPUs and who holds them.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Verify],
        handbook: "1.1.2, 2.1.3.1",
        not_seen: "the load of a GPU whose driver does not tell it; sensors of a virtual machine's real host",
        example: "{id: resources, use: host.resources, with: {sample: 5s}}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let least = DurationParam::from_millis(1_000);
        let sample_ms = params
            .sample
            .within("sample", least, DurationParam::from_millis(60_000))?
            .min(limits::WATCH_MS);
        let seen = questions::resources(host, sample_ms).await?;
        let output = summary(seen.value, &params);
        let findings = output.remarks.iter().map(statement).collect();
        Ok(Outcome {
            output,
            findings,
            coverage: seen.coverage,
        })
    }
}

fn percent(part: u64, whole: u64) -> u32 {
    let percent = u128::from(part) * 100 / u128::from(whole.max(1));
    u32::try_from(percent).unwrap_or(u32::MAX)
}

fn summary(resources: Resources, params: &Params) -> Output {
    let memory = &resources.memory;
    let full = |at: &deminer_worker::query::FileSystem| {
        let used = at.used.0;
        // Of an image that cannot grow every byte is in use.
        let can_grow = !matches!(at.kind.as_str(), "squashfs" | "iso9660" | "erofs" | "cramfs");
        can_grow.then(|| percent(used, used.saturating_add(at.available.0)))
    };
    Output {
        cpu_percent: resources.cpu.busy_centi / 100,
        busiest_core_percent: resources
            .cores
            .iter()
            .map(|core| core.used.busy_centi / 100)
            .max()
            .unwrap_or(0),
        memory_percent: percent(memory.total.0.saturating_sub(memory.available.0), memory.total.0),
        swap_percent: percent(
            memory.swap_total.0.saturating_sub(memory.swap_free.0),
            memory.swap_total.0,
        ),
        huge_mib: memory.huge.0 >> 20,
        fullest_percent: resources.file_systems.iter().filter_map(full).max().unwrap_or(0),
        hottest_celsius: resources
            .temperatures
            .iter()
            .map(|sensor| sensor.milli_celsius / 1_000)
            .max(),
        gpu_percent: resources
            .gpus
            .iter()
            .filter_map(|gpu| gpu.busy_centi)
            .max()
            .map(|centi| centi / 100),
        gpus: u32::try_from(resources.gpus.len()).unwrap_or(u32::MAX),
        gpu_holders: resources.gpu_holders.clone(),
        remarks: remarks(&resources, params, &full),
        resources,
    }
}

fn remarks(
    resources: &Resources,
    params: &Params,
    full: &dyn Fn(&deminer_worker::query::FileSystem) -> Option<u32>,
) -> Vec<Remark> {
    let mut found = Vec::new();
    let mut note = |what: &'static str, which: String, value: u64| found.push(Remark { what, which, value });
    let most = params.remarkable;
    let memory = &resources.memory;
    let taken = percent(memory.total.0.saturating_sub(memory.available.0), memory.total.0);
    let swapped = percent(
        memory.swap_total.0.saturating_sub(memory.swap_free.0),
        memory.swap_total.0,
    );
    for (what, percent) in [
        ("cpu", resources.cpu.busy_centi / 100),
        ("memory", taken),
        ("swap", swapped),
    ] {
        if percent >= most {
            note(what, String::new(), u64::from(percent));
        }
    }
    if memory.huge.0 >> 20 >= RANDOMX_MIB {
        note("huge_pages", String::new(), memory.huge.0 >> 20);
    }
    for at in &resources.file_systems {
        let point = said(at.point.as_bytes());
        if let Some(percent) = full(at).filter(|percent| *percent >= most) {
            note("file_system", point.clone(), u64::from(percent));
            let inodes = percent_of_inodes(at.inodes.0, at.inodes_free.0);
            if inodes >= most {
                note("inodes", point, u64::from(inodes));
            }
        } else if percent_of_inodes(at.inodes.0, at.inodes_free.0) >= most && full(at).is_some() {
            note(
                "inodes",
                point,
                u64::from(percent_of_inodes(at.inodes.0, at.inodes_free.0)),
            );
        }
    }
    for disk in resources.disks.iter().filter(|disk| disk.busy_centi / 100 >= most) {
        note("disk", said(disk.name.as_bytes()), u64::from(disk.busy_centi / 100));
    }
    for sensor in &resources.temperatures {
        let critical = sensor.critical_milli_celsius.filter(|critical| *critical > 0);
        let limit = critical.map_or(params.hot.saturating_mul(1_000), |critical| {
            critical.min(params.hot.saturating_mul(1_000))
        });
        if sensor.milli_celsius >= limit {
            let celsius = u64::try_from(sensor.milli_celsius / 1_000).unwrap_or(0);
            note("temperature", said(sensor.name.as_bytes()), celsius);
        }
    }
    for gpu in &resources.gpus {
        if let Some(centi) = gpu.busy_centi.filter(|centi| centi / 100 >= most) {
            note("gpu", said(gpu.address.as_bytes()), u64::from(centi / 100));
        }
    }
    for holder in &resources.gpu_holders {
        note("gpu_holder", said(holder.comm.as_bytes()), u64::from(holder.pid));
    }
    found
}

fn percent_of_inodes(all: u64, free: u64) -> u32 {
    match all {
        0 => 0,
        all => percent(all.saturating_sub(free), all),
    }
}

/// A remark as a statement of the host: it weighs nothing by itself.
fn statement(remark: &Remark) -> Finding {
    let say = match remark.what {
        "cpu" => "its CPUs are {value} % busy",
        "memory" => "{value} % of its memory is taken",
        "swap" => "{value} % of its swap is taken",
        "huge_pages" => "{value} MiB are set aside as huge pages, as much as RandomX takes",
        "file_system" => "the file system {which} is {value} % full",
        "inodes" => "{value} % of the inodes of {which} are taken",
        "disk" => "the disk {which} is {value} % busy",
        "temperature" => "the sensor {which} is at {value} degrees Celsius",
        "gpu" => "the GPU {which} is {value} % busy",
        _ => "pid {value} `{which}` has a GPU open",
    };
    let signal = format!("resource_{}", remark.what);
    let mut finding = Finding::new(Artifact::Host {}, &signal, Bearing::Weighs, say);
    // Several remarks of one kind are several statements.
    if !remark.which.is_empty() {
        let signal = format!("{signal}:{}:{}", remark.which, remark.value);
        finding.id = Finding::new(Artifact::Host {}, &signal, Bearing::Weighs, say).id;
    }
    finding.field("which", &remark.which).field("value", remark.value)
}
