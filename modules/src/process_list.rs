//! Every process, busiest first.
//!
//! Looks at `/proc` on every Linux (proc(5)): what runs, since when, under whom, what it uses, the digest of its
//! executable, what the package database says of that, the unit and the container that it belongs to. It cannot see what the
//! kernel hides, nor what starts and ends between two looks; the package database is the host's own word. Handbook:
//! `top -c`, `top -c -o %MEM`, `ps -eo`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::{Account, Coverage, Entry, FileId, Ownership, Process, ProcessesQuery};
use deminer_worker::text::HostPath;
use deminer_worker::unit_name::unit_of_cgroup;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::container::of_cgroup;
use crate::duration_param::DurationParam;
use crate::process_row::ProcessRow;
use crate::questions;

/// `process.list`.
pub struct ProcessList;

/// How to look.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Time over which CPU use is measured, 1s to 60s. A longer one catches a miner that works in bursts:
    /// `sample: 20s`. The step takes at least so long.
    pub sample: DurationParam,
    /// What stands first: `cpu`, the busiest over the sample, or `memory`, the one with most resident memory.
    pub order: Order,
}

/// What stands first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The busiest.
    #[default]
    Cpu,
    /// The one with most resident memory.
    Memory,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            sample: DurationParam::from_millis(5_000),
            order: Order::Cpu,
        }
    }
}

/// The processes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// Busiest first, or the largest where memory is asked for; equal ones by the CPU time they used in all, then by pid.
    pub rows: Vec<ProcessRow>,
}

#[async_trait]
impl Collector for ProcessList {
    const ABOUT: About = About {
        name: "process.list",
        summary: "Lists every process, busiest or largest first, with the digest and the package of what it runs.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "what the kernel hides; what starts and ends between two looks",
        example: "{id: processes, use: process.list, with: {sample: 10s}}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let least = DurationParam::from_millis(1_000);
        let sample_ms = params
            .sample
            .within("sample", least, DurationParam::from_millis(60_000))?;
        let query = ProcessesQuery {
            sample_ms,
            digest: true,
            ..ProcessesQuery::default()
        };
        let seen = questions::processes(host, query).await?;
        let mut coverage = seen.coverage;
        let packages = packages_of(host, &seen.value, &mut coverage).await?;
        let accounts = questions::accounts(host).await;
        let accounts = questions::or_gap(accounts, "accounts", &mut coverage, Vec::new)?;
        let rows = rows(seen.value, &packages, &accounts, params.order);
        Ok(Outcome::of(Output { rows }).seen_with(coverage))
    }
}

/// What the package database says, by executable.
pub(crate) type Packages = BTreeMap<(HostPath, FileId), Ownership>;

/// Asks for each executable once, by the path under which the worker meets the very same file.
///
/// A path in another mount namespace, or one where another file lies by now, would get another file's answer: then the
/// file is named as the running process has it, `/proc/PID/exe`.
pub(crate) async fn packages_of(
    host: &dyn HostView,
    processes: &[Process],
    coverage: &mut Coverage,
) -> Result<Packages, ModuleError> {
    let mut pids: BTreeMap<(HostPath, FileId), u32> = BTreeMap::new();
    let mut named: Vec<HostPath> = Vec::new();
    for process in processes {
        let Some(exe) = &process.exe else { continue };
        pids.entry((exe.path.clone(), exe.id)).or_insert(process.pid);
        if !exe.deleted && !exe.memfd {
            named.push(exe.path.clone());
        }
    }
    named.sort();
    named.dedup();
    // A gap in these looks costs nothing: what is not met by its path is asked for by its pid.
    let mut aside = Coverage::whole();
    let met = questions::stat(host, named, false).await;
    let met: BTreeMap<HostPath, FileId> = questions::or_gap(met, "packages", &mut aside, Vec::new)?
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Present(stat) => Some((stat.path, stat.id)),
            Entry::Absent { .. } | Entry::Hidden { .. } => None,
        })
        .collect();
    let files: Vec<HostPath> = pids
        .iter()
        .map(|((path, id), pid)| match met.get(path) == Some(id) {
            true => path.clone(),
            false => HostPath::from(format!("/proc/{pid}/exe").as_str()),
        })
        .collect();
    let asked = files.len();
    let owners = questions::packages(host, files).await;
    let owners = questions::or_gap(owners, "packages", coverage, || vec![Ownership::Unknown; asked])?;
    Ok(pids.into_keys().zip(owners).collect())
}

fn rows(processes: Vec<Process>, packages: &Packages, accounts: &[Account], order: Order) -> Vec<ProcessRow> {
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    for account in accounts {
        // Several names may share a number; the first one is what getpwuid(3) gives.
        names.entry(account.uid).or_insert_with(|| account.name.to_string());
    }
    let mut rows: Vec<ProcessRow> = processes
        .into_iter()
        .map(|process| ProcessRow {
            package: process
                .exe
                .as_ref()
                .and_then(|exe| packages.get(&(exe.path.clone(), exe.id)).cloned()),
            user: names
                .get(&process.uid)
                .cloned()
                .unwrap_or_else(|| process.uid.to_string()),
            unit: unit_of_cgroup(process.cgroup.as_bytes()),
            container: of_cgroup(process.cgroup.as_bytes()),
            process,
        })
        .collect();
    rows.sort_by_key(|row| {
        let first = match order {
            Order::Cpu => row.process.cpu_centi.map(u64::from),
            Order::Memory => Some(row.process.rss.0),
        };
        (Reverse(first), Reverse(row.process.cpu_ms), row.process.pid)
    });
    rows
}
