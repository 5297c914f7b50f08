//! What an act is about, by identity.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::query::{Account, FileId, FileStat, Xattr};
use crate::text::{Digest, HostBytes, HostPath, Wide};

/// A symbolic link by identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LinkTarget {
    /// The mount point that it was seen below; acts never leave it.
    pub mount: HostPath,
    /// Where it was seen, absolute.
    pub path: HostPath,
    /// Device and inode of the link itself.
    pub id: FileId,
    /// Where it points, byte for byte.
    pub target: HostPath,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Nanoseconds since 1970 at which it was made or last changed; written back by undo.
    pub mtime_ns: Wide,
}

impl LinkTarget {
    /// The identity of a link as it was seen; `None` for anything but a link.
    pub fn from_stat(stat: &FileStat) -> Option<LinkTarget> {
        Some(LinkTarget {
            mount: stat.mount.clone(),
            path: stat.path.clone(),
            id: stat.id,
            target: stat.link_target.clone()?,
            uid: stat.uid,
            gid: stat.gid,
            mtime_ns: stat.mtime_ns,
        })
    }

    /// Under which name of our own a removal holds the link before it unlinks it; the same again after a crash.
    pub fn name_in_removal(&self) -> HostPath {
        own_name(&self.path, "remove", self.id.dev, self.id.inode)
    }

    /// Where it comes back when it must not start anything ([`super::Arming::Disarmed`]).
    pub fn name_disarmed(&self) -> HostPath {
        disarmed_name(&self.path)
    }
}

/// An account by identity; never with a password's hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AccountTarget {
    /// The login name.
    pub name: HostBytes,
    /// The user id.
    pub uid: u32,
    /// Its line of `/etc/passwd` without the line feed, the password field left out.
    pub line_sha256: Digest,
}

impl AccountTarget {
    /// The identity of an account as it was seen; `None` where its line was not told.
    pub fn from_account(account: &Account) -> Option<AccountTarget> {
        Some(AccountTarget {
            name: account.name.clone(),
            uid: account.uid,
            line_sha256: account.line_sha256?,
        })
    }
}

/// How a process was scheduled before it was throttled, by the way in which that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Scheduling {
    /// It was moved into a group of our own, below the one that it was in.
    Group {
        /// Ours; removed when it goes back.
        group: HostPath,
    },
    /// The group that it has for itself was given a limit.
    Limit {
        /// That group.
        group: HostPath,
        /// Its limit as it was, as the kernel writes it (`cpu.max`).
        former: HostBytes,
    },
    /// Each of its threads was set back.
    Threads {
        /// As they were.
        threads: Vec<ThreadScheduling>,
    },
}

/// How one thread was scheduled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreadScheduling {
    /// Its number.
    pub tid: u32,
    /// The nice value, -20 to 19.
    pub nice: i32,
    /// The CPUs that it could run on, as the kernel lists them: `0-3,7`.
    pub cpus: String,
}

/// Something of which a copy is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "object", rename_all = "snake_case", deny_unknown_fields)]
pub enum Object {
    /// The content of a file.
    File {
        /// Which.
        file: FileTarget,
    },
    /// What only exists while the process does: executable, command line, environment, maps, descriptors.
    Process {
        /// Which.
        process: ProcessTarget,
    },
}

/// A process by identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProcessTarget {
    /// The boot.
    pub boot_id: String,
    /// The pid.
    pub pid: u32,
    /// The start time in ticks since boot.
    pub start_ticks: Wide,
    /// The executable, by following `/proc/PID/exe`.
    pub exe: FileId,
    /// Its path as seen, without the kernel's mark.
    pub exe_path: HostPath,
    /// Its content.
    pub exe_sha256: Digest,
    /// Its size.
    pub exe_size: Wide,
    /// The whole command line.
    pub argv_sha256: Digest,
    /// The user.
    pub uid: u32,
    /// The name, for people.
    pub comm: HostBytes,
    /// What it is to the component; guardians are frozen before miners.
    pub role: Role,
}

/// What a process is to the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Starts another one again.
    Guardian,
    /// Mines.
    Miner,
    /// Born of a condemned process.
    Companion,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Guardian => "guardian",
            Role::Miner => "miner",
            Role::Companion => "companion",
        })
    }
}

/// A file by identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FileTarget {
    /// The mount point that it was seen below; acts never leave it.
    pub mount: HostPath,
    /// Where it was seen, absolute.
    pub path: HostPath,
    /// Device and inode.
    pub id: FileId,
    /// Bytes.
    pub size: Wide,
    /// Nanoseconds since 1970 at which the inode last changed. Our own acts change it; compared before the first one.
    pub ctime_ns: Wide,
    /// Nanoseconds since 1970 at which the content last changed; written back by undo.
    pub mtime_ns: Wide,
    /// The content.
    pub sha256: Digest,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Inode flags; `None` where the file system has none.
    pub flags: Option<u32>,
    /// Names that lead to it.
    pub links: u32,
    /// Extended attributes.
    pub xattrs: Vec<Xattr>,
}

impl FileTarget {
    /// Under which name of our own a removal holds the file before it unlinks it; the same again after a crash, so that
    /// what is left is found.
    pub fn name_in_removal(&self) -> HostPath {
        own_name(&self.path, "remove", self.id.dev, self.id.inode)
    }

    /// Under which name of our own an edit writes the new file, and holds the old one after the two were exchanged;
    /// whichever inode the file has by then.
    pub fn name_in_edit(&self) -> HostPath {
        own_name(&self.path, "edit", Wide(0), Wide(0))
    }

    /// Where it comes back when it must not start anything ([`super::Arming::Disarmed`]).
    pub fn name_disarmed(&self) -> HostPath {
        disarmed_name(&self.path)
    }

    /// The identity of a file as it was seen; `None` where its content was not hashed.
    pub fn from_stat(stat: &FileStat) -> Option<FileTarget> {
        Some(FileTarget {
            mount: stat.mount.clone(),
            path: stat.path.clone(),
            id: stat.id,
            size: stat.size,
            ctime_ns: stat.ctime_ns,
            mtime_ns: stat.mtime_ns,
            sha256: stat.sha256?,
            mode: stat.mode,
            uid: stat.uid,
            gid: stat.gid,
            flags: stat.flags,
            links: stat.links,
            xattrs: stat.xattrs.clone(),
        })
    }
}

/// A name of our own beside a path. Cron, run-parts and service managers pass by such names.
fn own_name(path: &HostPath, use_for: &str, dev: Wide, inode: Wide) -> HostPath {
    let digest = Digest::of(format!("{use_for} {path} {dev} {inode}").as_bytes());
    let name = format!(".deminer-{}", digest.short());
    match path.parent() {
        Some(parent) => parent.join(name.as_bytes()),
        None => HostPath::new(name),
    }
}

/// The name beside a path that nothing reads: no service manager, cron, init or shell takes a file that is called so.
fn disarmed_name(path: &HostPath) -> HostPath {
    let name = [b".", path.file_name(), b".disarmed"].concat();
    match path.parent() {
        Some(parent) => parent.join(&name),
        None => HostPath::new(name),
    }
}

/// One line of a text file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LineTarget {
    /// Its number when it was seen, from 1; for people, and to tell a changed line from a moved one.
    pub number: u32,
    /// Its bytes, without the line feed.
    pub line: HostBytes,
    /// What in it is condemned (the executable's path): a line that still holds it but is not `line` was changed.
    pub mark: HostBytes,
}
