//! Processes, and the files that they run, hold and map.

use serde::{Deserialize, Serialize};

use super::{FileId, FileStat};
use crate::text::{Digest, HostBytes, HostPath, Wide};

/// One process, as `/proc/PID` shows it (proc(5)).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Process {
    /// The pid.
    pub pid: u32,
    /// The parent's pid; 0 for pid 1, pid 2 and processes entered from outside.
    pub ppid: u32,
    /// The process group.
    pub pgid: u32,
    /// The session.
    pub session: u32,
    /// Start time in clock ticks since boot; with the pid and the boot it identifies the process.
    pub start_ticks: Wide,
    /// One letter, proc(5): `R`, `S`, `D`, `T`, `Z`, ...
    pub state: String,
    /// The effective user id.
    pub uid: u32,
    /// The name that the kernel shows, at most 15 bytes; the process may choose it.
    pub comm: HostBytes,
    /// The arguments, 4 KiB at most; empty for a kernel thread.
    pub argv: Vec<HostBytes>,
    /// Bytes of the whole command line.
    pub argv_bytes: Wide,
    /// SHA-256 of the whole command line; `None` where it could not be read.
    pub argv_sha256: Option<Digest>,
    /// What it runs; `None` for a kernel thread or where the kernel did not tell (then a gap says so).
    pub exe: Option<Executable>,
    /// The file that an interpreter runs: the first argument that is a path of a regular file, resolved against `cwd`.
    /// `None` where there is none.
    pub script: Option<FileStat>,
    /// The working directory; `None` where the kernel did not tell.
    pub cwd: Option<HostPath>,
    /// `KEY=value` pairs, bounded like `argv`; `None` unless asked.
    pub environ: Option<Vec<HostBytes>>,
    /// The cgroup path: of the unified hierarchy, on older hosts of systemd's own, else of the first controller.
    pub cgroup: HostBytes,
    /// The mount namespace, by inode; `None` where the kernel did not tell.
    pub mount_namespace: Option<Wide>,
    /// The network namespace, by inode.
    pub net_namespace: Option<Wide>,
    /// The pid namespace, by inode.
    pub pid_namespace: Option<Wide>,
    /// Whether the kernel made it: `PF_KTHREAD` in its flags (linux/sched.h).
    pub kernel_thread: bool,
    /// Threads.
    pub threads: u32,
    /// Resident bytes.
    pub rss: Wide,
    /// CPU time used since it began.
    pub cpu_ms: Wide,
    /// CPU use over the sample, in hundredths of a per cent of one CPU; `None` unless sampled.
    pub cpu_centi: Option<u32>,
    /// The pid of a tracer, 0 for none.
    pub tracer: u32,
    /// Open files; `None` unless asked or where the kernel did not tell.
    pub fds: Option<Vec<OpenFile>>,
    /// Mapped files, each once; `None` unless asked or where the kernel did not tell.
    pub maps: Option<Vec<MappedFile>>,
}

impl Process {
    /// Whether it ended and only waits for its parent. The state alone does not say so: it is that of the first thread,
    /// which may end (`Z`, proc(5)) while others go on and the process runs, connected and counted as before. Such a
    /// process has more than one thread, and shows what it runs through them.
    pub fn has_ended(&self) -> bool {
        matches!(&*self.state, "Z" | "X" | "x") && self.exe.is_none() && self.threads <= 1
    }
}

/// The file that a process runs, read through `/proc/PID/exe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Executable {
    /// Its path, without the kernel's mark ` (deleted)`.
    pub path: HostPath,
    /// Whether no name leads to it any more.
    pub deleted: bool,
    /// Whether it was made in memory (`/memfd:`).
    pub memfd: bool,
    /// Device and inode, by following the link.
    pub id: FileId,
    /// Bytes.
    pub size: Wide,
    /// Its content; `None` unless asked or where it could not be read.
    pub sha256: Option<Digest>,
}

/// One descriptor of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenFile {
    /// The descriptor.
    pub fd: u32,
    /// What the link says: a path, `socket:[N]`, `pipe:[N]`, ...
    pub link: HostBytes,
    /// What is behind it, where that could be told.
    pub id: Option<FileId>,
    /// Whether it is open for writing.
    pub writes: bool,
}

/// One file that a process maps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MappedFile {
    /// The path, without the kernel's mark.
    pub path: HostPath,
    /// Device and inode.
    pub id: FileId,
    /// Whether any mapping of it may run.
    pub executable: bool,
    /// Whether no name leads to it any more.
    pub deleted: bool,
}
