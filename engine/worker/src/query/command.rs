//! A program of the host, run to look at what the worker does not read itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::FileId;
use crate::text::{Digest, HostBytes, HostPath};

/// Which program, with which arguments, within which limits.
///
/// No shell reads it. It runs in `/` with a closed input, a fixed environment (`PATH`, `LC_ALL=C`) and a process group of
/// its own, which is killed at the limit of time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandQuery {
    /// The absolute path of the program, then its arguments; at most [`super::limits::COMMAND_ARGUMENTS`].
    pub argv: Vec<HostBytes>,
    /// How long it may take, at most [`super::limits::COMMAND_MS`].
    pub timeout_ms: u64,
    /// The bytes of each of its two outputs that are kept, at most [`super::limits::COMMAND_BYTES`].
    pub max_bytes: u32,
}

/// What a program of the host said. It is the host's word: an intruder may have replaced the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CommandOutput {
    /// The file that ran, links followed.
    pub program: HostPath,
    /// Device and inode of it.
    pub id: FileId,
    /// Its content before it ran; `None` where it could not be read.
    pub sha256: Option<Digest>,
    /// How it ended.
    pub end: CommandEnd,
    /// What it wrote.
    pub stdout: HostBytes,
    /// Whether it wrote more.
    pub stdout_cut: bool,
    /// What it complained of.
    pub stderr: HostBytes,
    /// Whether it complained of more.
    pub stderr_cut: bool,
    /// How long it took.
    pub took_ms: u64,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "end", rename_all = "snake_case", deny_unknown_fields)]
pub enum CommandEnd {
    /// By itself.
    Exited {
        /// Its exit status.
        code: i32,
    },
    /// By a signal of somebody else.
    Signalled {
        /// The signal.
        signal: i32,
    },
    /// It was killed at the limit of time, with its group.
    TimedOut {},
    /// It was killed, with its group, since it wrote more than the limit.
    TooMuch {},
}

impl CommandEnd {
    /// Whether it ended by itself and says that all went well.
    pub fn is_success(self) -> bool {
        self == CommandEnd::Exited { code: 0 }
    }
}

impl fmt::Display for CommandEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandEnd::Exited { code } => write!(f, "exit status {code}"),
            CommandEnd::Signalled { signal } => write!(f, "ended by signal {signal}"),
            CommandEnd::TimedOut {} => f.write_str("killed at its limit of time"),
            CommandEnd::TooMuch {} => f.write_str("killed at its limit of output"),
        }
    }
}
