//! What processes have open: files, their working directory, what they run and map, and what of that has no name any more.
//!
//! Looks at `/proc/PID/fd`, `maps`, `exe` and `cwd` of the processes that are named (proc(5)). It cannot see what was open
//! before, nor the other end of a pipe or a socket; `net.sockets` has the sockets. Handbook: `lsof -p PID`, `ls -al
//! /proc/PID/exe`.

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::{Coverage, FileId, GapReason, Process, ProcessesQuery};
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::questions;

/// `process.files`.
pub struct ProcessFiles;

/// Whose files.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The processes by pid, at most 1000: `"{{ steps.verdict.rows | map(attribute='pid') | list }}"`.
    pub pids: Vec<u32>,
}

/// The files.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// By pid; one that ended is not there.
    pub rows: Vec<FilesRow>,
}

/// The files of one process.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FilesRow {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub comm: HostBytes,
    /// What it runs; `None` for a kernel thread.
    pub exe: Option<HostPath>,
    /// Where it works; `None` where the kernel did not tell.
    pub cwd: Option<HostPath>,
    /// All of its files, by kind, then by descriptor or path.
    pub files: Vec<HeldFile>,
    /// How many of them are there only while somebody holds them.
    pub deleted: u32,
}

/// One file of a process.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct HeldFile {
    /// How it is held.
    pub by: HeldBy,
    /// The descriptor; `None` for what is not held by one.
    pub fd: Option<u32>,
    /// The path, or the kernel's word for what has none (`socket:[N]`, `pipe:[N]`), its mark of deletion taken off.
    pub path: HostBytes,
    /// Device and inode, where there is such.
    pub id: Option<FileId>,
    /// Whether it may be written through it.
    pub writes: bool,
    /// Whether no name leads to it any more.
    pub deleted: bool,
}

/// How a process holds a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// It runs it.
    Exe,
    /// It works in it.
    Cwd,
    /// A script that its interpreter runs.
    Script,
    /// A descriptor.
    Descriptor,
    /// It maps it to run.
    Library,
    /// It maps it.
    Map,
}

/// The processes that are asked at most.
const PIDS: usize = 1000;

const DELETED: &[u8] = b" (deleted)";

#[async_trait]
impl Collector for ProcessFiles {
    const ABOUT: About = About {
        name: "process.files",
        summary: "Lists what processes have open, map, run and work in, and what of it was deleted.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.2",
        not_seen: "what was open before; the other end of a pipe",
        example: "{id: open, use: process.files, with: {pids: \"{{ steps.verdict.rows | map(attribute='pid') | list }}\"}}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let mut coverage = Coverage::whole();
        let mut pids = params.pids;
        pids.sort_unstable();
        pids.dedup();
        if pids.len() > PIDS {
            pids.truncate(PIDS);
            coverage.note("fds", HostBytes::default(), GapReason::TooMany);
        }
        if pids.is_empty() {
            return Ok(Outcome::of(Output { rows: Vec::new() }));
        }
        let query = ProcessesQuery {
            pids: Some(pids),
            fds: true,
            maps: true,
            ..ProcessesQuery::default()
        };
        let seen = questions::processes(host, query).await?;
        coverage.unite(&seen.coverage);
        let rows = seen.value.iter().map(row).collect();
        Ok(Outcome::of(Output { rows }).seen_with(coverage))
    }
}

fn row(process: &Process) -> FilesRow {
    let mut files = Vec::new();
    let held = |by, path: &HostPath, id, deleted| HeldFile {
        by,
        fd: None,
        path: HostBytes::from(path),
        id,
        writes: false,
        deleted,
    };
    if let Some(exe) = &process.exe {
        files.push(held(HeldBy::Exe, &exe.path, Some(exe.id), exe.deleted));
    }
    if let Some(cwd) = &process.cwd {
        files.push(held(HeldBy::Cwd, cwd, None, false));
    }
    if let Some(script) = &process.script {
        files.push(held(HeldBy::Script, &script.path, Some(script.id), false));
    }
    for open in process.fds.iter().flatten() {
        let link = open.link.as_bytes();
        let stripped = link.strip_suffix(DELETED).filter(|_| link.starts_with(b"/"));
        files.push(HeldFile {
            by: HeldBy::Descriptor,
            fd: Some(open.fd),
            path: HostBytes::new(stripped.unwrap_or(link)),
            id: open.id,
            writes: open.writes,
            deleted: stripped.is_some(),
        });
    }
    for map in process.maps.iter().flatten() {
        // What it runs is told already.
        if process.exe.as_ref().is_some_and(|exe| exe.path == map.path) {
            continue;
        }
        let by = if map.executable { HeldBy::Library } else { HeldBy::Map };
        files.push(held(by, &map.path, Some(map.id), map.deleted));
    }
    files.sort_by(|a, b| (a.by, a.fd, &a.path).cmp(&(b.by, b.fd, &b.path)));
    FilesRow {
        pid: process.pid,
        comm: process.comm.clone(),
        exe: process.exe.as_ref().map(|exe| exe.path.clone()),
        cwd: process.cwd.clone(),
        deleted: u32::try_from(files.iter().filter(|file| file.deleted).count()).unwrap_or(u32::MAX),
        files,
    }
}
