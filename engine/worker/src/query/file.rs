//! File system objects, links not followed, and what they hold.

use serde::{Deserialize, Serialize};

use super::GapReason;
use crate::text::{Digest, HostBytes, HostPath, Wide};

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
