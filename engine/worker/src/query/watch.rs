//! What to watch for, and what was seen.

use serde::{Deserialize, Serialize};

use super::{FileStat, Peer};
use crate::text::{Digest, HostBytes, HostPath, Wide};

/// What to watch for. Stateless on the host: the cursor carries what the next watch must know.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchQuery {
    /// Where the last watch ended; `None` begins.
    pub cursor: Option<WatchCursor>,
    /// How long to watch, at most [`limits::WATCH_MS`](super::limits::WATCH_MS).
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

/// Where a watch ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchCursor {
    /// The boot it belongs to: after a reboot the time between is not covered.
    pub boot_id: String,
    /// Milliseconds since boot, suspended time included.
    pub uptime_ms: Wide,
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
