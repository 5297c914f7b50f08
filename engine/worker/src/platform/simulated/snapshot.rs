//! A simulated host as a test looks at it, past everything that a worker may or may not see.

use std::collections::{BTreeMap, BTreeSet};

use super::process::Life;
use super::state::State;
use crate::query::{FileId, FileKind};
use crate::text::{Digest, HostBytes, HostPath};

/// All of a host at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Everything that has a name, by its own path.
    pub files: BTreeMap<HostPath, SeenFile>,
    /// The processes, those that ended included, by pid.
    pub processes: BTreeMap<u32, SeenProcess>,
    /// The journals that lie on the host.
    pub journals: Vec<HostPath>,
    /// Whether a worker has taken the host.
    pub locked: bool,
    /// Whether a keeper stands by.
    pub keeper: bool,
    /// Milliseconds since boot.
    pub uptime_ms: u64,
    /// The tables by which packets are held back, whatever they still hold.
    pub tables: Vec<String>,
    /// The processes that get next to no CPU time.
    pub throttled: BTreeSet<u32>,
}

/// One file system object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenFile {
    /// What it is.
    pub kind: FileKind,
    /// What it holds.
    pub content: HostBytes,
    /// Device and inode.
    pub id: FileId,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Inode flags.
    pub flags: u32,
    /// Nanoseconds since 1970 of the last change of its content.
    pub mtime_ns: u64,
    /// Nanoseconds since 1970 of the last change of anything of it.
    pub ctime_ns: u64,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenProcess {
    /// The path of what it runs; `None` for a kernel thread.
    pub exe: Option<HostPath>,
    /// The content of what it runs.
    pub sha256: Option<Digest>,
    /// Its name.
    pub comm: HostBytes,
    /// Its parent.
    pub ppid: u32,
    /// What it does.
    pub life: Life,
}

impl Snapshot {
    /// The processes that stand still.
    pub fn frozen(&self) -> Vec<u32> {
        self.in_life(Life::Frozen)
    }

    /// The processes that run.
    pub fn running(&self) -> Vec<u32> {
        self.in_life(Life::Running)
    }

    fn in_life(&self, life: Life) -> Vec<u32> {
        let found = self.processes.iter().filter(|(_, process)| process.life == life);
        found.map(|(pid, _)| *pid).collect()
    }

    /// What a path holds, as text with anything that is not UTF-8 replaced; `None` where nothing is.
    pub fn text(&self, path: &str) -> Option<String> {
        let file = self.files.get(&HostPath::from(path))?;
        Some(String::from_utf8_lossy(file.content.as_bytes()).into_owned())
    }

    /// Whether a process runs, neither stopped nor ended.
    pub fn runs(&self, pid: u32) -> bool {
        self.processes
            .get(&pid)
            .is_some_and(|process| process.life == Life::Running)
    }
}

impl State {
    pub(super) fn snapshot(&self) -> Snapshot {
        let files = self.tree.iter().map(|(path, inode)| {
            let file = SeenFile {
                kind: inode.kind,
                content: HostBytes::new(inode.content.clone()),
                id: inode.id,
                mode: inode.mode,
                owner: (inode.uid, inode.gid),
                flags: inode.flags,
                mtime_ns: inode.mtime_ns,
                ctime_ns: inode.ctime_ns,
            };
            (path.clone(), file)
        });
        let processes = self.processes.values().map(|process| {
            let seen = SeenProcess {
                exe: process.exe.as_ref().map(|(path, _)| path.clone()),
                sha256: process.exe_sha256(&self.tree),
                comm: process.comm(),
                ppid: process.ppid,
                life: process.life,
            };
            (process.pid, seen)
        });
        Snapshot {
            files: files.collect(),
            processes: processes.collect(),
            journals: self.journals.keys().cloned().collect(),
            locked: self.lock.is_some(),
            keeper: self.keeper.is_some(),
            uptime_ms: self.uptime_ms,
            tables: self.wall.tables(),
            throttled: self.throttled(),
        }
    }
}
