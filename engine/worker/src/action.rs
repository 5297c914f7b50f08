//! Everything that may be changed on a host: a closed set.
//!
//! An [`Action`] names its target by identity: a process by boot, pid, start time and executable; a file by where it was
//! seen, device, inode, size, ctime and content. No act takes a name, a glob or a bare pid.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::network::Net;
use crate::query::{Account, CommandEnd, FileId, FileStat, Xattr};
use crate::shadow::Former;
use crate::sudoers;
use crate::text::{Digest, HostBytes, HostPath, TextError, Wide};

/// What a module or an action can do to a host, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Looks at a host.
    Read,
    /// Looks at findings, at no host.
    Judge,
    /// Takes a copy away as evidence.
    Preserve,
    /// Holds something still; taken back at once.
    Contain,
    /// Changes or ends something.
    Destroy,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Effect::Read => "read",
            Effect::Judge => "judge",
            Effect::Preserve => "preserve",
            Effect::Contain => "contain",
            Effect::Destroy => "destroy",
        })
    }
}

/// The name of an action: the first 64 bits of the SHA-256 over host, kind and target identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(pub u64);

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ActionId {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        match u64::from_str_radix(text, 16) {
            Ok(id) if text.len() == 16 => Ok(ActionId(id)),
            _ => Err(TextError::Number(text.chars().take(32).collect())),
        }
    }
}

impl Serialize for ActionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ActionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One change, or one copy to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Its name; equal proposals have equal names.
    pub id: ActionId,
    /// The component it belongs to: drift in one component leaves the others alone.
    pub component: u32,
    /// What is done, to what.
    pub act: Act,
    /// The findings that justify it, by id, sorted; never empty.
    pub because: Vec<String>,
    /// The actions that must be done before it, by id, sorted.
    pub needs: Vec<ActionId>,
}

/// What is done, to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Keeps a copy in the vault.
    Keep {
        /// Of what.
        object: Object,
    },
    /// Stops a process, to be thawed or killed.
    Freeze {
        /// Which.
        process: ProcessTarget,
    },
    /// Ends a process.
    Kill {
        /// Which.
        process: ProcessTarget,
    },
    /// Unlinks one name of a file.
    RemoveFile {
        /// Which.
        file: FileTarget,
    },
    /// Takes lines out of a text file; every other byte stays, and so do owner, mode, attributes and flags.
    EditLines {
        /// Which file; its inode may have changed since, its condemned lines may not.
        file: FileTarget,
        /// The lines, in the file's order.
        remove: Vec<LineTarget>,
        /// What the text must still be without them; `None` where any text will do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        syntax: Option<Syntax>,
    },
    /// Clears inode flags (immutable, append-only) of one file.
    ClearFlags {
        /// Which file.
        file: FileTarget,
        /// The bits of `FS_IOC_SETFLAGS` to clear.
        flags: u32,
    },
    /// Unlinks one name of a file that starts or loads something; before anything is killed.
    RemoveStarter {
        /// Which.
        file: FileTarget,
        /// What it is to whatever starts it.
        starter: StarterKind,
    },
    /// Unlinks one symbolic link that starts something; what it points to stays.
    RemoveLink {
        /// Which.
        link: LinkTarget,
    },
    /// Makes a service manager read its units anew, and looks that these are gone. Stops and starts nothing.
    ReloadUnits {
        /// Which manager.
        manager: ServiceManager,
        /// The units that must be gone, by name, sorted; none where only an addition to a unit was removed.
        units: Vec<HostBytes>,
    },
    /// Lets nobody log in to an account: its password fits no more and it is expired (shadow(5)).
    LockAccount {
        /// Which.
        account: AccountTarget,
    },
    /// Drops all packets from and to an address, in a table of our own, until the kernel's clock ends it.
    BlockAddress {
        /// A numeric IPv4 or IPv6 address; an IPv4 address inside IPv6 is written as IPv4.
        address: String,
        /// For so many seconds.
        for_s: u32,
    },
    /// Drops all packets but those of our own session, of new logins from its client, of loopback and of what keeps the
    /// host's address, in a table of our own, until the kernel's clock ends it.
    Isolate {
        /// For so many seconds.
        for_s: u32,
        /// Networks that stay reachable, both ways.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        keep: Vec<Net>,
    },
    /// Leaves a process next to no CPU time; it goes on to run.
    Throttle {
        /// Which.
        process: ProcessTarget,
    },
    /// Runs a program of the host with exactly these arguments: the reviewed way out for what has no kind of its own.
    RunArgv {
        /// The program: its file, not what leads to it; no script and no shell ([`crate::argv::fault`]).
        program: Box<FileTarget>,
        /// Its arguments, its own name first.
        argv: Vec<HostBytes>,
        /// It is ended after so many milliseconds.
        timeout_ms: u64,
        /// The arguments that take it back, for the same program; `None` where there is no way back.
        undo: Option<Vec<HostBytes>>,
    },
}

/// What a file is to whatever starts it; they are removed in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StarterKind {
    /// A program that systemd runs at each reload to make units (systemd.generator(7)): goes before any reload.
    Generator,
    /// A unit's file, or one that a generator made.
    Unit,
    /// A piece of configuration added to a unit (`NAME.d/*.conf`).
    DropIn,
    /// A script that cron or anacron runs whole.
    CronScript,
    /// A job of at(1).
    AtJob,
    /// A script of SysV init, or `rc.local`.
    InitScript,
    /// A file that shells read as they begin.
    ShellFile,
    /// Any other file that something starts, loads or reads by itself.
    Other,
}

impl StarterKind {
    /// Whether a service manager remembers it until it is told to read its units anew.
    pub fn is_of_a_unit(self) -> bool {
        matches!(self, StarterKind::Generator | StarterKind::Unit | StarterKind::DropIn)
    }
}

/// The form that a text must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Syntax {
    /// sudoers(5): a mistake there locks everybody out of sudo.
    Sudoers,
}

impl Syntax {
    /// Whether a text of this form may become another by taking lines out of it.
    ///
    /// # Errors
    /// Why it may not, for people.
    pub fn allows(self, before: &[u8], after: &[u8]) -> Result<(), String> {
        match self {
            Syntax::Sudoers => sudoers::check_removal(before, after).map_err(|fault| fault.to_string()),
        }
    }
}

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

    /// Where it comes back when it must not start anything ([`Arming::Disarmed`]).
    pub fn name_disarmed(&self) -> HostPath {
        disarmed_name(&self.path)
    }
}

/// What keeps services running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "manager", rename_all = "snake_case", deny_unknown_fields)]
pub enum ServiceManager {
    /// systemd as pid 1.
    System {},
    /// The systemd of one user.
    User {
        /// The user.
        uid: u32,
    },
}

impl fmt::Display for ServiceManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceManager::System {} => f.write_str("system"),
            ServiceManager::User { uid } => write!(f, "user {uid}"),
        }
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
    /// Its line of `/etc/passwd` without the line feed, the password field left out ([`crate::accounts::line_digest`]).
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

    /// Where it comes back when it must not start anything ([`Arming::Disarmed`]).
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

impl Act {
    /// What it can do to a host.
    pub fn effect(&self) -> Effect {
        match self {
            Act::Keep { .. } => Effect::Preserve,
            Act::Freeze { .. } | Act::Throttle { .. } | Act::BlockAddress { .. } | Act::Isolate { .. } => {
                Effect::Contain
            }
            Act::Kill { .. }
            | Act::RemoveFile { .. }
            | Act::EditLines { .. }
            | Act::ClearFlags { .. }
            | Act::RemoveStarter { .. }
            | Act::RemoveLink { .. }
            | Act::ReloadUnits { .. }
            | Act::LockAccount { .. }
            | Act::RunArgv { .. } => Effect::Destroy,
        }
    }

    /// Whether people count it as a change: a copy changes nothing, and what is frozen only serves the kill.
    pub fn is_change(&self) -> bool {
        !matches!(self, Act::Keep { .. } | Act::Freeze { .. })
    }

    /// Whether it holds back packets, in a table that ends by itself.
    pub fn is_of_network(&self) -> bool {
        matches!(self, Act::BlockAddress { .. } | Act::Isolate { .. })
    }

    /// The table of ours that it makes, as nft(8) names it, and the seconds after which that holds nothing back any more.
    pub fn table(&self) -> Option<(&'static str, u32)> {
        match self {
            Act::BlockAddress { for_s, .. } => Some(("inet deminer", *for_s)),
            Act::Isolate { for_s, .. } => Some(("inet deminer_isolation", *for_s)),
            _ => None,
        }
    }

    /// The names of all kinds, as [`Self::kind`] gives them.
    pub const KINDS: [&'static str; 15] = [
        "keep",
        "freeze",
        "kill",
        "remove_file",
        "edit_lines",
        "clear_flags",
        "remove_unit",
        "remove_starter",
        "remove_link",
        "reload_units",
        "lock_account",
        "block_address",
        "isolate",
        "throttle",
        "run_argv",
    ];

    /// The name of its kind, as in the plan.
    pub fn kind(&self) -> &'static str {
        match self {
            Act::Keep { .. } => "keep",
            Act::Freeze { .. } => "freeze",
            Act::Kill { .. } => "kill",
            Act::RemoveFile { .. } => "remove_file",
            Act::EditLines { .. } => "edit_lines",
            Act::ClearFlags { .. } => "clear_flags",
            Act::RemoveStarter { starter, .. } if starter.is_of_a_unit() => "remove_unit",
            Act::RemoveStarter { .. } => "remove_starter",
            Act::RemoveLink { .. } => "remove_link",
            Act::ReloadUnits { .. } => "reload_units",
            Act::LockAccount { .. } => "lock_account",
            Act::BlockAddress { .. } => "block_address",
            Act::Isolate { .. } => "isolate",
            Act::Throttle { .. } => "throttle",
            Act::RunArgv { .. } => "run_argv",
        }
    }

    /// The identity of its target, for its id: the object, not what is known of it.
    fn target_key(&self) -> String {
        let process = |p: &ProcessTarget| format!("process {} {} {}", p.boot_id, p.pid, p.start_ticks);
        let file = |f: &FileTarget| format!("file {} {} {}", f.id.dev, f.id.inode, f.path);
        match self {
            Act::Keep {
                object: Object::Process { process: p },
            }
            | Act::Freeze { process: p }
            | Act::Kill { process: p }
            | Act::Throttle { process: p } => process(p),
            Act::Keep {
                object: Object::File { file: f },
            }
            | Act::RemoveFile { file: f }
            | Act::EditLines { file: f, .. }
            | Act::ClearFlags { file: f, .. }
            | Act::RemoveStarter { file: f, .. } => file(f),
            Act::RemoveLink { link } => format!("link {} {} {}", link.id.dev, link.id.inode, link.path),
            Act::ReloadUnits { manager, .. } => format!("manager {manager}"),
            Act::LockAccount { account } => format!("account {} {}", account.uid, account.name),
            Act::BlockAddress { address, .. } => format!("address {address}"),
            Act::Isolate { .. } => "host".to_owned(),
            Act::RunArgv { program, argv, .. } => {
                let words: Vec<String> = argv.iter().map(|word| format!("`{word}`")).collect();
                format!("{} {}", file(program), words.join(" "))
            }
        }
    }

    /// The process it is about.
    pub fn process(&self) -> Option<&ProcessTarget> {
        match self {
            Act::Keep {
                object: Object::Process { process },
            }
            | Act::Freeze { process }
            | Act::Kill { process }
            | Act::Throttle { process } => Some(process),
            _ => None,
        }
    }

    /// The file it is about; a program that is only run is not.
    pub fn file(&self) -> Option<&FileTarget> {
        match self {
            Act::Keep {
                object: Object::File { file },
            }
            | Act::RemoveFile { file }
            | Act::EditLines { file, .. }
            | Act::ClearFlags { file, .. }
            | Act::RemoveStarter { file, .. } => Some(file),
            _ => None,
        }
    }

    /// The name of this act on this host.
    pub fn id(&self, host: &str) -> ActionId {
        let digest = Digest::of(format!("{host}\n{}\n{}", self.kind(), self.target_key()).as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&digest.0[..8]);
        ActionId(u64::from_be_bytes(first))
    }
}
