//! The containers that processes live in.
//!
//! By the cgroup of each process, on every Linux: Docker, containerd, CRI-O, Podman, Kubernetes, LXC, systemd-nspawn; and
//! processes whose namespaces of processes and of mounts are not the host's, whatever made them (a browser's sandbox is
//! such a one too). No runtime is asked, so a stopped daemon hides nothing; names and images of containers it does not
//! tell. It cannot see containers in which nothing runs.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::{Process, ProcessRoot, ProcessesQuery};
use deminer_worker::text::{HostBytes, HostPath, Wide};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::container::{Container, Runtime, of_cgroup};
use crate::questions;

/// `container.list`.
pub struct ContainerList;

/// What to mark.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Pids that a verdict speaks of; each container says which of them live in it:
    /// `"{{ steps.verdict.rows | map(attribute='pid') | list }}"`.
    pub suspects: Vec<u32>,
}

/// The containers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// Those with suspects first, then by runtime and id.
    pub rows: Vec<ContainerRow>,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ContainerRow {
    /// What it is.
    #[serde(flatten)]
    pub container: Container,
    /// Its processes, rising.
    pub pids: Vec<u32>,
    /// The name of the first of them.
    pub comm: HostBytes,
    /// CPU time that its processes used since they began, in milliseconds.
    pub cpu_ms: Wide,
    /// Which of `suspects` live in it.
    pub suspects: Vec<u32>,
    /// The mount namespace of its first process; `None` where the kernel did not tell.
    pub mount_namespace: Option<Wide>,
    /// The pid namespace of its first process.
    pub pid_namespace: Option<Wide>,
    /// The type of the file system that is its root.
    pub root_kind: String,
    /// Where on the host what it wrote lies; `None` where its root is no overlay or the kernel did not tell.
    pub written_to: Option<HostPath>,
}

#[async_trait]
impl Collector for ContainerList {
    const ABOUT: About = About {
        name: "container.list",
        summary: "Lists the containers that processes live in: runtime, id, pod, processes, and where their files lie.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "containers in which nothing runs; names and images, which only a runtime knows",
        example: "{id: containers, use: container.list}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let seen = questions::processes(host, ProcessesQuery::default()).await?;
        let mut coverage = seen.coverage;
        let mut rows = rows(&seen.value, &params.suspects);
        let first: Vec<u32> = rows.iter().filter_map(|row| row.pids.first().copied()).collect();
        let roots = questions::roots(host, first).await;
        let roots = questions::or_gap(roots, "roots", &mut coverage, Vec::new)?;
        settle(&mut rows, &roots);
        Ok(Outcome::of(Output { rows }).seen_with(coverage))
    }
}

/// The containers of these processes.
fn rows(processes: &[Process], suspects: &[u32]) -> Vec<ContainerRow> {
    let host = processes.iter().find(|process| process.pid == 1);
    let mut found: BTreeMap<Container, ContainerRow> = BTreeMap::new();
    let mut sorted: Vec<&Process> = processes.iter().collect();
    sorted.sort_by_key(|process| process.pid);
    for process in sorted {
        let container = of_cgroup(process.cgroup.as_bytes()).or_else(|| by_namespaces(process, host));
        let Some(container) = container else { continue };
        let row = found.entry(container.clone()).or_insert_with(|| ContainerRow {
            container,
            pids: Vec::new(),
            comm: process.comm.clone(),
            cpu_ms: Wide(0),
            suspects: Vec::new(),
            mount_namespace: process.mount_namespace,
            pid_namespace: process.pid_namespace,
            root_kind: String::new(),
            written_to: None,
        });
        row.pids.push(process.pid);
        row.cpu_ms = Wide(row.cpu_ms.0.saturating_add(process.cpu_ms.0));
        if suspects.contains(&process.pid) {
            row.suspects.push(process.pid);
        }
    }
    let mut rows: Vec<ContainerRow> = found.into_values().collect();
    rows.sort_by_key(|row| row.suspects.is_empty());
    rows
}

/// A process that neither sees the host's processes nor its mounts.
fn by_namespaces(process: &Process, host: Option<&Process>) -> Option<Container> {
    let host = host?;
    let differs = |own: Option<Wide>, hosts: Option<Wide>| own.zip(hosts).is_some_and(|(own, hosts)| own != hosts);
    let apart =
        differs(process.pid_namespace, host.pid_namespace) && differs(process.mount_namespace, host.mount_namespace);
    apart.then(|| Container {
        runtime: Runtime::Namespaces,
        id: HostBytes::from(format!("pid:[{}]", process.pid_namespace.map_or(0, |own| own.0)).as_str()),
        pod: None,
    })
}

fn settle(rows: &mut [ContainerRow], roots: &[ProcessRoot]) {
    for row in rows {
        let root = roots.iter().find(|root| row.pids.first() == Some(&root.pid));
        if let Some(root) = root {
            row.root_kind = root.kind.clone();
            row.written_to = root.upper.clone();
        }
    }
}
