//! Who holds a file, and what a process takes for its root.

use serde::{Deserialize, Serialize};

use super::FileId;
use crate::text::{HostBytes, HostPath, Wide};

/// A process that holds a file, by device and inode: whatever name it was opened by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Holder {
    /// The file, as it was asked for.
    pub file: HostPath,
    /// Device and inode of it.
    pub id: FileId,
    /// The process.
    pub pid: u32,
    /// Its start time.
    pub start_ticks: Wide,
    /// Its user.
    pub uid: u32,
    /// Its name.
    pub comm: HostBytes,
    /// How, each once.
    pub holds: Vec<Hold>,
}

/// One way in which a process holds a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Hold {
    /// It runs it.
    Exe {},
    /// It has it open.
    Descriptor {
        /// The descriptor.
        fd: u32,
        /// Whether it is open for writing.
        writes: bool,
    },
    /// It has it mapped.
    Map {
        /// Whether any mapping of it may run.
        executable: bool,
    },
    /// It works in it.
    Cwd {},
    /// It takes it for its root.
    Root {},
}

/// What a process takes for `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProcessRoot {
    /// The process.
    pub pid: u32,
    /// Its start time.
    pub start_ticks: Wide,
    /// Its root directory as the worker would name it; `/` also where the process is in another mount namespace.
    pub root: HostPath,
    /// The type of the file system that is its root: `overlay`, `ext4`; empty where the kernel did not tell.
    pub kind: String,
    /// What was mounted there.
    pub source: HostBytes,
    /// Of an overlay, the directory that takes what is written: there the container's own files lie on the host. `None`
    /// for any other root.
    pub upper: Option<HostPath>,
}
