//! Everything that may be asked of a host, and the answers: a closed set.
//!
//! Each query carries its limits, each answer its [`Coverage`]: what could not be read, and why. Nothing here changes a
//! host. Sizes are bytes, times milliseconds unless a name says otherwise.

use serde::{Deserialize, Serialize};

use crate::action::ServiceManager;
use crate::network::Network;
use crate::text::{Digest, HostBytes, HostPath, Wide};

mod command;
mod holders;
mod resources;

pub use command::{CommandEnd, CommandOutput, CommandQuery};
pub use holders::{Hold, Holder, ProcessRoot};
pub use resources::{CoreUse, CpuUse, Disk, FileSystem, Gpu, GpuHolder, HugePages, MemoryUse, Resources, Temperature};

/// One question to a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "query", rename_all = "snake_case", deny_unknown_fields)]
pub enum Query {
    /// What the host is: identity, kernel, totals.
    Host {},
    /// The processes, all or some.
    Processes(ProcessesQuery),
    /// Every socket of every network namespace, with its owners.
    Sockets {},
    /// What these paths are, links not followed; an absent path is an [`Entry::Absent`], not an error.
    Stat {
        /// Absolute paths.
        paths: Vec<HostPath>,
        /// Whether regular files are hashed too (bounded by [`limits::DIGEST_BYTES`] each).
        digest: bool,
    },
    /// The entries of one directory.
    List {
        /// The directory.
        path: HostPath,
    },
    /// The files below some directories; never crosses a mount, never follows a link.
    Walk {
        /// Where to start.
        roots: Vec<HostPath>,
        /// How deep; 0 is the roots' own entries.
        max_depth: u32,
        /// After so many entries the walk ends with a gap.
        max_entries: u32,
    },
    /// The first bytes of one file, and what the file is.
    Read {
        /// An absolute path; the last component is not followed if it is a link.
        path: HostPath,
        /// Where to stop, at most [`limits::READ_BYTES`].
        max_bytes: u32,
    },
    /// Parts of one file, wherever they lie in it, and what the file is: the end of a long log, records by their number.
    ReadSpans {
        /// An absolute path; the last component is not followed if it is a link.
        path: HostPath,
        /// Which, at most [`limits::SPANS`], together at most [`limits::READ_BYTES`].
        spans: Vec<Span>,
    },
    /// The content of every regular file that matches; `*` and `?` match within one component. A link that matches is not
    /// followed but given as what it is, without content.
    ReadTree {
        /// Absolute patterns.
        patterns: Vec<HostPath>,
        /// After so many files the answer ends with a gap.
        max_files: u32,
        /// A longer file is cut, and says so.
        max_file_bytes: u32,
    },
    /// The SHA-256 of files.
    Digest {
        /// Absolute paths.
        paths: Vec<HostPath>,
    },
    /// Accounts and groups, from the files.
    Accounts {},
    /// The mounts of the worker's own namespace.
    Mounts {},
    /// Which package owns these files, by path and by content; testimony of the host's package database.
    Packages {
        /// Absolute paths. A running executable whose file is gone is named `/proc/PID/exe`.
        files: Vec<HostPath>,
    },
    /// How busy the host is: CPUs, memory, disks, temperatures, GPUs and who holds them.
    Resources {
        /// The time over which use is measured, at most [`limits::WATCH_MS`]; 0 measures none.
        sample_ms: u64,
    },
    /// Which processes hold these files, by device and inode.
    Holders {
        /// Absolute paths; links in the last component are not followed.
        files: Vec<HostPath>,
    },
    /// What these processes take for their root.
    Roots {
        /// The processes.
        pids: Vec<u32>,
    },
    /// What a program of the host says. The only query that runs one; a controller asks it only where policy allows it.
    Command(CommandQuery),
    /// The units that the service managers have in memory, each asked over its own socket. Loads and changes nothing.
    Units {},
    /// The host's addresses, what it cannot do without, and the connections of our own session.
    Network {},
    /// What a block or an isolation of ours still holds back, and until when.
    Blocks {},
    /// What happens from now on, for a time.
    Watch(WatchQuery),
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The first byte, from 0.
    pub from: Wide,
    /// How many.
    pub bytes: u32,
}

/// Which processes, and how much of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessesQuery {
    /// Only these; `None` is all.
    pub pids: Option<Vec<u32>>,
    /// The time over which CPU use is measured; 0 measures none.
    pub sample_ms: u64,
    /// Whether executables are hashed (each file once).
    pub digest: bool,
    /// Whether environments are read.
    pub environ: bool,
    /// Whether open files are read.
    pub fds: bool,
    /// Whether mapped files are read.
    pub maps: bool,
}

/// What to watch for. Stateless on the host: the cursor carries what the next watch must know.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchQuery {
    /// Where the last watch ended; `None` begins.
    pub cursor: Option<WatchCursor>,
    /// How long to watch, at most [`limits::WATCH_MS`].
    pub for_ms: u64,
    /// Executables that must not run.
    pub executables: Vec<Digest>,
    /// Regular files that must not exist.
    pub files: Vec<HostPath>,
    /// Lines that must not stand in a file.
    pub lines: Vec<WatchedLine>,
    /// Remote addresses nobody may be connected to, with their port.
    pub remotes: Vec<Peer>,
}

/// A line that must not come back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedLine {
    /// The file.
    pub path: HostPath,
    /// The line without its line feed.
    pub line: HostBytes,
}

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// A numeric IPv4 or IPv6 address; an IPv4 address inside IPv6 is written as IPv4.
    pub address: String,
    /// The port.
    pub port: u16,
}

/// Where a watch ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchCursor {
    /// The boot it belongs to: after a reboot the time between is not covered.
    pub boot_id: String,
    /// Milliseconds since boot, suspended time included.
    pub uptime_ms: Wide,
}

/// Limits that hold whatever a query asks.
pub mod limits {
    /// The longest content that one `Read` gives.
    pub const READ_BYTES: u32 = 8 << 20;
    /// The most parts that one `ReadSpans` gives.
    pub const SPANS: usize = 4_096;
    /// The largest file that is hashed whole.
    pub const DIGEST_BYTES: u64 = 1 << 30;
    /// The longest single watch.
    pub const WATCH_MS: u64 = 30_000;
    /// The bytes of a command line or an environment that are kept; the digest is over all that was read.
    pub const ARGV_BYTES: usize = 4 << 10;
    /// The bytes of a command line that are read at most (the kernel's own limit is 2 MiB by default).
    pub const ARGV_READ: usize = 4 << 20;
    /// The processes of one answer.
    pub const PROCESSES: usize = 100_000;
    /// The files that are asked for holders at most.
    pub const HOLDER_FILES: usize = 10_000;
    /// The arguments of a program of the host, its path included.
    pub const COMMAND_ARGUMENTS: usize = 64;
    /// The longest that a program of the host may run.
    pub const COMMAND_MS: u64 = 60_000;
    /// The bytes of each of the two outputs of a program that an act runs, as far as they are kept.
    pub const RAN_BYTES: u32 = 4 << 10;
    /// The bytes of each output of a program of the host that are kept.
    pub const COMMAND_BYTES: u32 = 4 << 20;
    /// The bytes of one answer as it travels.
    pub const ANSWER_BYTES: usize = 256 << 20;

    /// The spans that are read of those asked for, and whether that is all of them.
    pub(crate) fn spans(asked: &[super::Span]) -> (Vec<super::Span>, bool) {
        let mut room = READ_BYTES;
        let fits = |span: &&super::Span| {
            let left = room.checked_sub(span.bytes);
            room = left.unwrap_or(0);
            left.is_some()
        };
        let spans: Vec<super::Span> = asked.iter().take(SPANS).take_while(fits).copied().collect();
        let whole = spans.len() == asked.len();
        (spans, whole)
    }
}

/// A value, with what could not be seen while it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed<T> {
    /// What was seen.
    pub value: T,
    /// What was not.
    #[serde(default, skip_serializing_if = "Coverage::is_whole")]
    pub coverage: Coverage,
}

/// What an observation could not see, and why; empty means all of it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Coverage {
    /// Without repetition; those of one answer sorted, those of several answer by answer.
    #[serde(default)]
    pub gaps: Vec<Gap>,
}

/// One thing that was not seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// The kind of thing: `process`, `file`, `directory`, `socket`, `packages`, ...
    pub subject: String,
    /// Which one: a path, a pid, empty where the subject says it all.
    pub object: HostBytes,
    /// Why.
    pub why: GapReason,
}

/// Why something was not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The kernel refused.
    Denied,
    /// It ended or was removed while it was read. Ordinary.
    Gone,
    /// It is longer than the limit; the beginning was seen.
    Cut,
    /// There were more than the limit.
    TooMany,
    /// The time for it ran out.
    TimedOut,
    /// It was there, but not in the form that its documentation gives.
    Malformed,
    /// This host or this kernel has no such thing to ask.
    Unsupported,
    /// It changed while it was read.
    Changed,
    /// It was seen, but by the word of a program of the host, which may lie. Hides nothing by itself.
    Testimony,
    /// What was to look at it failed.
    Failed,
    /// It was seen, but by a kernel in which something runs that no package explains.
    Untrusted,
}

impl GapReason {
    /// Whether such a gap can hide something. What ended while it was read is ordinary and hides nothing that lasts; what
    /// a program of the host said is marked, not missing.
    pub fn is_material(self) -> bool {
        !matches!(self, GapReason::Gone | GapReason::Testimony)
    }
}

impl Coverage {
    /// Nothing was left out.
    pub fn whole() -> Self {
        Self::default()
    }

    /// Whether nothing was left out.
    pub fn is_whole(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Notes a gap, once.
    pub fn note(&mut self, subject: &str, object: impl Into<HostBytes>, why: GapReason) {
        let gap = Gap {
            subject: subject.to_owned(),
            object: object.into(),
            why,
        };
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }

    /// Takes over the gaps of another observation.
    pub fn unite(&mut self, other: &Coverage) {
        for gap in &other.gaps {
            if !self.gaps.contains(gap) {
                self.gaps.push(gap.clone());
            }
        }
    }

    /// The gaps that can hide something.
    pub fn material(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter().filter(|gap| gap.why.is_material())
    }
}

impl From<HostPath> for HostBytes {
    fn from(path: HostPath) -> Self {
        HostBytes::new(path.as_bytes())
    }
}

impl From<&HostPath> for HostBytes {
    fn from(path: &HostPath) -> Self {
        HostBytes::new(path.as_bytes())
    }
}

impl<T> Observed<T> {
    /// Seen whole.
    pub fn whole(value: T) -> Self {
        Self {
            value,
            coverage: Coverage::whole(),
        }
    }

    /// The same gaps, another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Observed<U> {
        Observed {
            value: f(self.value),
            coverage: self.coverage,
        }
    }
}

/// The answer to the query of the same name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "value", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Query::Host`].
    Host(HostFacts),
    /// To [`Query::Processes`], by pid.
    Processes(Vec<Process>),
    /// To [`Query::Sockets`].
    Sockets(Vec<Socket>),
    /// To [`Query::Stat`], [`Query::Digest`] and [`Query::List`], in the order asked or by name.
    Entries(Vec<Entry>),
    /// To [`Query::Walk`], by path.
    Walk(Vec<FileStat>),
    /// To [`Query::Read`] and [`Query::ReadTree`], by path; a `Read` of an absent file gives none.
    Files(Vec<FileText>),
    /// To [`Query::ReadSpans`]; `None` where the file is absent or no regular file, or cannot be read.
    Spans(Option<FileSpans>),
    /// To [`Query::Accounts`].
    Accounts(Vec<Account>),
    /// To [`Query::Mounts`].
    Mounts(Vec<Mount>),
    /// To [`Query::Packages`], in the order asked.
    Packages(Vec<Ownership>),
    /// To [`Query::Resources`].
    Resources(Box<Resources>),
    /// To [`Query::Holders`], by file in the order asked, then by pid.
    Holders(Vec<Holder>),
    /// To [`Query::Roots`], by pid; one that is gone is a gap.
    Roots(Vec<ProcessRoot>),
    /// To [`Query::Command`].
    Command(CommandOutput),
    /// To [`Query::Units`], by manager and name; none where no systemd runs the host.
    Units(Vec<LoadedUnit>),
    /// To [`Query::Network`].
    Network(Network),
    /// To [`Query::Blocks`].
    Blocks(Blocks),
    /// To [`Query::Watch`].
    Watch(Watched),
}

/// What of ours holds packets back. Whatever it is, it ends by the kernel's own clock.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Blocks {
    /// Blocked addresses, by address; numeric, an IPv4 address inside IPv6 is written as IPv4.
    pub addresses: Vec<Blocked>,
    /// Milliseconds until the host is no longer cut off; `None` where it is not.
    pub isolated_ms: Option<Wide>,
    /// Packets from and to blocked addresses that were dropped since their table was made; not those of an isolation.
    pub dropped: Dropped,
    /// Our tables that are there, as nft(8) names them: `inet deminer`. One that holds nothing back matches nothing.
    pub tables: Vec<String>,
}

/// One blocked address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Blocked {
    /// Which.
    pub address: String,
    /// Milliseconds until it is free again.
    pub left_ms: Wide,
}

/// Packets that were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Dropped {
    /// That came to this host.
    pub input: Wide,
    /// That this host sent: somebody on it still tries.
    pub output: Wide,
    /// That passed through, as those of containers do.
    pub forward: Wide,
}

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
    /// Clock ticks a second, the unit of [`Process::start_ticks`].
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

/// A file system object by device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FileId {
    /// The device number, as `stat` has it.
    pub dev: Wide,
    /// The inode number.
    pub inode: Wide,
}

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
    /// The arguments, [`limits::ARGV_BYTES`] at most; empty for a kernel thread.
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

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Socket {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// This end.
    pub local: Peer,
    /// The other end; `None` for a listener or an unconnected socket.
    pub remote: Option<Peer>,
    /// `established`, `listen`, `syn_sent`, ... in the kernel's names (net/tcp_states.h), lower case.
    pub state: String,
    /// The socket's inode; 0 once nobody holds it.
    pub inode: Wide,
    /// The user that made it.
    pub uid: u32,
    /// The network namespace, by inode.
    pub net_namespace: Wide,
    /// The processes that hold it, by pid; empty where none could be told.
    pub owners: Vec<u32>,
}

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Entry {
    /// Something.
    Present(FileStat),
    /// Nothing.
    Absent {
        /// The path asked for.
        path: HostPath,
    },
    /// Not to be told.
    Hidden {
        /// The path asked for.
        path: HostPath,
        /// Why.
        why: GapReason,
    },
}

/// A file system object, links not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileStat {
    /// Where it was seen.
    pub path: HostPath,
    /// The mount point that it was seen below: acts stay inside.
    pub mount: HostPath,
    /// What it is.
    pub kind: FileKind,
    /// Device and inode.
    pub id: FileId,
    /// Bytes.
    pub size: Wide,
    /// Permission bits and set-id bits, as `stat` has them, without the kind.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Names that lead to it.
    pub links: u32,
    /// Nanoseconds since 1970 at which the content last changed.
    pub mtime_ns: Wide,
    /// Nanoseconds since 1970 at which the inode last changed.
    pub ctime_ns: Wide,
    /// Nanoseconds since 1970 at which it was made; `None` where the file system does not keep it.
    pub btime_ns: Option<Wide>,
    /// Inode flags of `FS_IOC_GETFLAGS` (immutable 0x10, append-only 0x20); `None` where the file system has none.
    pub flags: Option<u32>,
    /// Extended attributes by name; empty where there are none or the file system has none.
    pub xattrs: Vec<Xattr>,
    /// Where a symbolic link points.
    pub link_target: Option<HostPath>,
    /// The content; `None` unless asked, or not a regular file, or not readable.
    pub sha256: Option<Digest>,
}

/// One extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Xattr {
    /// With its namespace: `user.x`, `security.capability`.
    pub name: HostBytes,
    /// The value, 64 KiB at most by the kernel's own limit.
    pub value: HostBytes,
}

/// The kinds of file system object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
}

/// A file with its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileText {
    /// The file; its `sha256` is of the whole content where that was read, else `None`.
    pub stat: FileStat,
    /// The content, up to the limit.
    pub content: HostBytes,
    /// Whether the content goes on.
    pub cut: bool,
}

/// Parts of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileSpans {
    /// The file; without a digest.
    pub stat: FileStat,
    /// One for each span asked for, in that order, as far as the limits go; shorter, or empty, where the file ends before it
    /// does.
    pub spans: Vec<HostBytes>,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Account {
    /// The login name.
    pub name: HostBytes,
    /// The user id.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// The home directory.
    pub home: HostPath,
    /// The login shell, byte for byte.
    pub shell: HostBytes,
    /// What the password field of `/etc/shadow` is.
    pub password: Password,
    /// The full name, or what stands in its field.
    #[serde(default)]
    pub full_name: HostBytes,
    /// Its line in `/etc/passwd`, from 1; 0 where that was not told.
    #[serde(default)]
    pub number: u32,
    /// SHA-256 of its line in `/etc/passwd`, the password field left out; `None` where that was not told.
    #[serde(default)]
    pub line_sha256: Option<Digest>,
    /// The day, since 1970, of the last change of its password; `None` where `/etc/shadow` does not say or is not readable.
    #[serde(default)]
    pub changed_day: Option<u32>,
    /// The day, since 1970, from which nobody gets in by it, neither with a password nor with a key; `None` where there is
    /// none or `/etc/shadow` is not readable.
    #[serde(default)]
    pub expires_day: Option<u32>,
    /// The groups that it belongs to by name, its primary one first, as `/etc/group` has them.
    #[serde(default)]
    pub groups: Vec<HostBytes>,
    /// What it was in `/etc/passwd-` and `/etc/shadow-`, the copies from before the last change.
    #[serde(default)]
    pub before: Before,
}

impl Account {
    /// Whether it is as the act that locks accounts leaves it.
    pub fn is_locked(&self) -> bool {
        self.is_shut(1)
    }

    /// Whether nobody gets in by it any more on that day since 1970: no password fits, and it is expired.
    pub fn is_shut(&self, day: u32) -> bool {
        self.password == Password::Locked && self.expires_day.is_some_and(|expires| expires <= day)
    }
}

/// What an account was before the last change that the system's own tools made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "was", rename_all = "snake_case")]
pub enum Before {
    /// There is no copy, or it could not be read.
    #[default]
    Unknown,
    /// The copy does not have it: it was made since.
    Absent,
    /// The same, as far as the copies tell.
    Same,
    /// Other fields than now.
    Changed {
        /// Which: `uid`, `gid`, `full_name`, `home`, `shell`, `password`.
        fields: Vec<String>,
    },
}

/// What an account's password field holds; never the hash itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Password {
    /// A hash.
    Set,
    /// Empty: no password is asked.
    Empty,
    /// `!` or `*`: no password fits.
    Locked,
    /// Could not be read.
    #[default]
    Unknown,
}

/// One mount of `/proc/self/mountinfo` (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Mount {
    /// Where it is mounted.
    pub point: HostPath,
    /// The directory of the file system that is mounted there; not `/` for a bind mount.
    pub root: HostPath,
    /// The file system's type.
    pub kind: String,
    /// The device number, as `stat` has it.
    pub dev: Wide,
    /// What was mounted.
    pub source: HostBytes,
    /// Per-mount options: `ro`, `noexec`, ...
    pub options: Vec<String>,
}

/// What the package database says of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "owner", rename_all = "snake_case")]
pub enum Ownership {
    /// A package lists this path, and the content is the package's.
    Owned {
        /// The package.
        package: String,
    },
    /// A package lists this path, but the content is another.
    Modified {
        /// The package.
        package: String,
    },
    /// No package lists this path, but the content is that of a packaged file: a copy.
    Copied {
        /// The package.
        package: String,
        /// The packaged path.
        original: HostPath,
    },
    /// A package lists this path and keeps no digest of it (a configuration file).
    Listed {
        /// The package.
        package: String,
    },
    /// No package knows it.
    Unowned,
    /// There is no package database that we read, or it could not be read.
    Unknown,
}

impl Ownership {
    /// Whether the content is that of a package: then the file is protected, wherever it lies.
    pub fn is_package_content(&self) -> bool {
        matches!(self, Ownership::Owned { .. } | Ownership::Copied { .. })
    }
}

/// A unit as a service manager has it in memory (org.freedesktop.systemd1(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoadedUnit {
    /// Which manager.
    pub manager: ServiceManager,
    /// Its full name.
    pub name: HostBytes,
    /// `loaded`, `not-found` (only the name is left), `masked`, `bad-setting`, ...
    pub load_state: HostBytes,
    /// `active`, `inactive`, `failed`, `activating`, ...
    pub active_state: HostBytes,
    /// The finer state, of its kind of unit: `running`, `waiting`, `dead`, ...
    pub sub_state: HostBytes,
    /// The file that it was read from, which may be gone since; `None` where there is none.
    pub fragment: Option<HostPath>,
    /// What a generator made it from; `None` where none did.
    pub source: Option<HostPath>,
    /// The additions that were read with it.
    pub drop_ins: Vec<HostPath>,
    /// Whether its files have changed since they were read.
    pub needs_reload: bool,
}

/// What a watch saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Where to go on.
    pub cursor: WatchCursor,
    /// Milliseconds that were really watched, the cursor's gap left out.
    pub covered_ms: u64,
    /// Milliseconds between the last watch and this one that nobody watched.
    pub missed_ms: u64,
    /// What should not have been seen, each once.
    pub sightings: Vec<Sighting>,
}

/// Something that a watch was to look for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "saw", rename_all = "snake_case")]
pub enum Sighting {
    /// A process runs a watched executable.
    Running {
        /// The process.
        pid: u32,
        /// When it began, in ticks since boot.
        start_ticks: Wide,
        /// Its parent.
        ppid: u32,
        /// What it runs.
        sha256: Digest,
        /// Its name.
        comm: HostBytes,
    },
    /// A watched file exists.
    File {
        /// What is there now.
        stat: FileStat,
    },
    /// A watched line stands in its file.
    Line {
        /// The line.
        line: WatchedLine,
    },
    /// Somebody is connected to a watched remote.
    Connected {
        /// The remote.
        remote: Peer,
        /// Who; empty where none could be told.
        owners: Vec<u32>,
    },
}

/// Why a query or an act had no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum HostError {
    /// The kernel refused.
    #[error("{doing}: permission denied")]
    Denied {
        /// What was tried, with its object.
        doing: String,
    },
    /// The object is not there (any more).
    #[error("{doing}: it is gone")]
    Gone {
        /// What was tried.
        doing: String,
    },
    /// The object is another than the one meant.
    #[error("{doing}: expected {expected}, found {found}")]
    Changed {
        /// What was tried.
        doing: String,
        /// What the plan says.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The object is protected.
    #[error("{doing}: protected: {why}")]
    Protected {
        /// What was tried.
        doing: String,
        /// By which rule.
        why: String,
    },
    /// It took too long.
    #[error("{doing}: no answer within {limit_ms} ms")]
    TimedOut {
        /// What was tried.
        doing: String,
        /// The limit.
        limit_ms: u64,
    },
    /// An answer or an object passes its limit.
    #[error("{doing}: larger than the limit of {limit} bytes")]
    TooLarge {
        /// What was tried.
        doing: String,
        /// The limit.
        limit: u64,
    },
    /// This host, kernel or file system cannot do it.
    #[error("{doing}: not supported here: {why}")]
    Unsupported {
        /// What was tried.
        doing: String,
        /// What is missing.
        why: String,
    },
    /// Another Deminer works on this host.
    #[error("another Deminer is at work on this host")]
    Busy,
    /// The host was not reached, or no worker could be started there. Nothing was asked and nothing was changed.
    #[error("{why}")]
    NotReached {
        /// What stood in the way.
        obstacle: Obstacle,
        /// What happened, with the words of who refused.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The worker or the link to it ended.
    #[error("lost the worker: {why}")]
    Lost {
        /// What was noticed.
        why: String,
    },
    /// The worker said something that is not of the protocol.
    #[error("the worker broke the protocol: {why}")]
    Protocol {
        /// What was wrong.
        why: String,
    },
    /// A recording has no answer to this query in this round; never an empty answer.
    #[error("not recorded: {query}")]
    NotRecorded {
        /// The query, as JSON.
        query: String,
    },
    /// The kernel failed in a way that has no name here.
    #[error("{doing}: {why}")]
    Failed {
        /// What was tried.
        doing: String,
        /// The kernel's word.
        why: String,
    },
}

impl HostError {
    /// What to do, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            HostError::NotReached { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}

/// What stands between a controller and a worker on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// Something on the controller's side.
    OurSide,
    /// No connection: no address, nothing answers, or it broke off.
    Connection,
    /// The host's key is not on file.
    KeyUnknown,
    /// The host's key is another than the one on file.
    KeyChanged,
    /// The login was refused.
    Login,
    /// Another command than ours runs, or none.
    Command,
    /// The account does not become root.
    Sudo,
    /// No directory takes a program and lets it run.
    Directory,
    /// The disk is full or does not keep what it is given.
    Disk,
    /// The host's security lets no unknown program run.
    Blocked,
    /// There is no worker for this kind of machine.
    Machine,
}
