//! How an act ended, and what takes it back.

use serde::{Deserialize, Serialize};

use super::{AccountTarget, FileTarget, LineTarget, LinkTarget, ProcessTarget, Scheduling};
use crate::query::CommandEnd;
use crate::shadow::Former;
use crate::text::{HostBytes, Wide};

/// Whether what is taken back may start something again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arming {
    /// What starts something comes back where nothing reads it: a file or link as `.NAME.disarmed`, a line as a comment.
    /// What could be run comes back without its execute bits.
    Disarmed,
    /// Exactly as it was; asked for by name and with a reason.
    Armed,
}

/// What takes a change back. Made by the act itself, from what it met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "snake_case")]
pub enum Undo {
    /// There is nothing to take back, or no way to: a killed process does not come back.
    None,
    /// Let the process run again.
    Thaw {
        /// Which.
        process: ProcessTarget,
    },
    /// Write the file again from the vault.
    RestoreFile {
        /// As it was.
        file: FileTarget,
    },
    /// Put the lines back where they stood.
    RestoreLines {
        /// The file as it was before the edit.
        file: FileTarget,
        /// The lines.
        lines: Vec<LineTarget>,
    },
    /// Set the flags again.
    SetFlags {
        /// The file.
        file: FileTarget,
        /// All its flags, as they were.
        flags: u32,
    },
    /// Write a file that starts something again from the vault.
    RestoreStarter {
        /// As it was.
        file: FileTarget,
    },
    /// Make the link again.
    RestoreLink {
        /// As it was.
        link: LinkTarget,
    },
    /// Let the account log in again.
    UnlockAccount {
        /// Which.
        account: AccountTarget,
        /// What was changed of its fields, and how they were; nothing of a password but a length.
        former: Former,
    },
    /// Let packets from and to the address pass again.
    Unblock {
        /// Which.
        address: String,
        /// Until when it was blocked before already, in milliseconds since boot; `None` where it was not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was_until_ms: Option<Wide>,
    },
    /// Let all packets pass again.
    EndIsolation {
        /// Until when the host was cut off before already, in milliseconds since boot; `None` where it was not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was_until_ms: Option<Wide>,
    },
    /// Give the process back how it was scheduled.
    Unthrottle {
        /// Which.
        process: Box<ProcessTarget>,
        /// How it was.
        former: Scheduling,
    },
    /// Run the program with the arguments that take it back.
    RunArgv {
        /// The program.
        program: Box<FileTarget>,
        /// Its arguments, its own name first.
        argv: Vec<HostBytes>,
        /// It is ended after so many milliseconds.
        timeout_ms: u64,
    },
}

/// What an act found and did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "snake_case")]
pub enum Done {
    /// It was done, and looked at again.
    Changed {
        /// How to take it back.
        undo: Undo,
    },
    /// The target was gone already: nothing to do, not drift.
    Gone,
    /// It was so already: contained, and for long enough.
    Already,
    /// The process did not stop within the time; it is killed with the others after its live evidence.
    WouldNotStop,
    /// A program of the host ran; what it changed only it knows.
    Ran {
        /// How it ended.
        end: CommandEnd,
        /// The beginning of what it wrote.
        stdout: HostBytes,
        /// The beginning of what it complained of.
        stderr: HostBytes,
        /// Whether it wrote more of either.
        cut: bool,
        /// How to take it back.
        undo: Box<Undo>,
    },
}

impl Done {
    /// How it is taken back; `None` where nothing was changed.
    pub fn undo(&self) -> Option<&Undo> {
        match self {
            Done::Changed { undo } => Some(undo),
            Done::Ran { undo, .. } => Some(undo),
            Done::Gone | Done::Already | Done::WouldNotStop => None,
        }
    }

    /// Whether the target is as the act wants it: not where a process still runs, or a program says that it failed.
    pub fn is_settled(&self) -> bool {
        match self {
            Done::Changed { .. } | Done::Gone | Done::Already => true,
            Done::WouldNotStop => false,
            Done::Ran { end, .. } => end.is_success(),
        }
    }
}
