//! Everything that may be asked of a host, and the answers: a closed set.
//!
//! Each query carries its limits, each answer its [`Coverage`]: what could not be read, and why. Nothing here changes a
//! host. Sizes are bytes, times milliseconds unless a name says otherwise.

use serde::{Deserialize, Serialize};

use crate::network::Network;
use crate::text::{HostPath, Wide};

mod account;
mod blocks;
mod command;
mod coverage;
mod error;
mod file;
mod holders;
mod host;
mod ownership;
mod process;
mod resources;
mod socket;
mod unit;
mod watch;

pub use account::{Account, Before, Password};
pub use blocks::{Blocked, Blocks, Dropped};
pub use command::{CommandEnd, CommandOutput, CommandQuery};
pub use coverage::{Coverage, Gap, GapReason, Observed};
pub use error::{HostError, Obstacle};
pub use file::{Entry, FileId, FileKind, FileSpans, FileStat, FileText, Mount, Xattr};
pub use holders::{Hold, Holder, ProcessRoot};
pub use host::{HostFacts, HostIdentity};
pub use ownership::Ownership;
pub use process::{Executable, MappedFile, OpenFile, Process};
pub use resources::{CoreUse, CpuUse, Disk, FileSystem, Gpu, GpuHolder, HugePages, MemoryUse, Resources, Temperature};
pub use socket::{Peer, Socket};
pub use unit::LoadedUnit;
pub use watch::{Sighting, WatchCursor, WatchQuery, Watched, WatchedLine};

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
