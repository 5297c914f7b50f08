//! The processes whose program exists in memory only.
//!
//! Looks at what each process runs (memfd_create(2)). It cannot see a program whose file was removed from a disk: that one has
//! a name in the kernel's words, and `process.list` shows it.

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::{Answer, Observed, Process, ProcessesQuery, Query};
use deminer_worker::text::HostBytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `memory.files`.
pub struct MemoryFiles;

/// Takes none.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// What it gives.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// By pid.
    pub rows: Vec<Row>,
}

/// One process.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Row {
    /// Its pid.
    pub pid: u32,
    /// Its name.
    pub name: HostBytes,
}

#[async_trait]
impl Collector for MemoryFiles {
    const ABOUT: About = About {
        name: "memory.files",
        summary: "Lists the processes whose program exists in memory only.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "",
        not_seen: "programs whose file was removed",
        example: "{id: memory, use: memory.files}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, _: Params) -> Result<Outcome<Output>, ModuleError> {
        let Observed { value, coverage } = host.observe(Query::Processes(ProcessesQuery::default())).await?;
        let Answer::Processes(processes) = value else {
            let asked = "processes".to_owned();
            return Err(ModuleError::WrongAnswer { asked });
        };
        let rows = in_memory(&processes);
        Ok(Outcome::of(Output { rows }).seen_with(coverage))
    }
}

fn in_memory(processes: &[Process]) -> Vec<Row> {
    let runs = |process: &&Process| process.exe.as_ref().is_some_and(|exe| exe.memfd);
    let rows = processes.iter().filter(runs).map(|process| Row {
        pid: process.pid,
        name: process.comm.clone(),
    });
    rows.collect()
}
