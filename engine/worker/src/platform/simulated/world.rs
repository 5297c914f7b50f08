//! What a simulated host is when it begins, as a person writes it down.
//!
//! Everything has a default, so that a test names only what it is about: parent directories, the files that a process
//! runs or a package owns, pid 1 and the worker itself are made where they are not described.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::behaviour::{Cron, Guardian, Watchdog, Writer};
use super::check::WorldError;
use super::faults::Fault;
use super::units::{Generator, Unit};
use super::written;
use crate::query::{FileKind, Password, Peer, Xattr};
use crate::text::{Digest, HostBytes, HostPath};

/// The largest content that [`Content::Made`] makes.
pub const MADE_BYTES: u64 = 64 << 20;

/// The greatest pid (proc(5), `/proc/sys/kernel/pid_max`).
pub const PID_MAX: u32 = 1 << 22;

/// The machine that a world is which does not say which one it is.
const ANY_MACHINE: &str = "5f0c1d2e3b4a59687786a5b4c3d2e1f0";

/// The latest a world may begin, in milliseconds since boot and since 1970: so late that its clock never ends.
pub const LATEST_MS: u64 = 1 << 43;

/// A whole host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// The node name.
    pub hostname: HostBytes,
    /// `/etc/machine-id`; `null` for a host without one. Left out, each host of a fleet has one of its own.
    pub machine_id: Option<String>,
    /// The boot.
    pub boot_id: String,
    /// The distribution's name for itself.
    pub distribution: String,
    /// The kernel release.
    pub kernel: String,
    /// The machine's architecture.
    pub architecture: String,
    /// Logical CPUs.
    pub cpus: u32,
    /// Bytes of memory; half of it can be had.
    pub memory: u64,
    /// Load over 1, 5 and 15 minutes, times 100.
    pub load_centi: [u32; 3],
    /// The kernel's taint mask.
    pub taint: u64,
    /// Milliseconds since 1970 at which the world begins; the default is 2026-11-14T02:36:00Z.
    pub host_time_ms: u64,
    /// Milliseconds since boot at which the world begins.
    pub uptime_ms: u64,
    /// The user that the worker is.
    pub worker_uid: u32,
    /// The pid that the worker has; it and its ancestors are the host's own chain.
    pub worker: u32,
    /// The processes.
    pub processes: Vec<Process>,
    /// The files.
    pub files: Vec<File>,
    /// The mounts besides `/`, which is there always (ext4, unless one with the point `/` is described).
    pub mounts: Vec<Mount>,
    /// The accounts. `/etc/passwd` and `/etc/shadow` are made of them, unless `/etc/passwd` is described as a file.
    pub accounts: Vec<Account>,
    /// Which paths each package owns; what they hold when the world begins is what the package has of them.
    pub packages: BTreeMap<String, Vec<HostPath>>,
    /// Packaged paths of which the package keeps no digest: configuration files.
    pub conffiles: BTreeSet<HostPath>,
    /// Whether there is a package database at all.
    pub package_database: bool,
    /// The GPUs. Who has `/dev/nvidia...`, `/dev/dri/...` or `/dev/kfd` among its files holds one.
    pub gpus: Vec<Gpu>,
    /// What programs say when a worker runs them.
    pub commands: Vec<Program>,
    /// Sockets that nobody holds, or several processes; those of one process stand with it.
    pub sockets: Vec<Socket>,
    /// Paths and pids that the kernel does not show to the worker. A directory hides all below it.
    pub unreadable: Vec<Unreadable>,
    /// Addresses of its links, besides those that its sockets have.
    pub addresses: BTreeSet<IpAddr>,
    /// The next hops of its routes to everywhere.
    pub gateways: BTreeSet<IpAddr>,
    /// Its name servers.
    pub resolvers: BTreeSet<IpAddr>,
    /// Whether its kernel can hold packets back for us.
    pub nftables: bool,
    /// Processes that start others again.
    pub guardians: Vec<Guardian>,
    /// Lines that a scheduler starts something for.
    pub cron: Vec<Cron>,
    /// Loops that add lines to a file.
    pub writers: Vec<Writer>,
    /// Processes that are killed when they stand still too long.
    pub watchdogs: Vec<Watchdog>,
    /// What the service managers have in memory.
    pub units: Vec<Unit>,
    /// What each reload of the system's manager runs.
    pub generators: Vec<Generator>,
    /// What goes wrong, and when.
    pub faults: Vec<Fault>,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// The pid.
    pub pid: u32,
    /// The parent's pid.
    #[serde(default = "one")]
    pub ppid: u32,
    /// The path of what it runs, `/memfd:NAME` for something made in memory; none for a kernel thread.
    #[serde(default)]
    pub exe: Option<HostPath>,
    /// What it runs, where no name leads to it any more. Without it, the file at `exe`.
    #[serde(default)]
    pub exe_content: Option<Content>,
    /// The arguments; the path of what it runs where none are given.
    #[serde(default)]
    pub argv: Option<Vec<HostBytes>>,
    /// The name; the last component of what it runs where none is given.
    #[serde(default)]
    pub comm: Option<HostBytes>,
    /// The user.
    #[serde(default)]
    pub uid: u32,
    /// The session and process group; its own pid where none is given.
    #[serde(default)]
    pub session: Option<u32>,
    /// The working directory.
    #[serde(default = "root_path")]
    pub cwd: HostPath,
    /// The cgroup path.
    #[serde(default = "system_slice")]
    pub cgroup: HostBytes,
    /// CPU use while it runs, in per cent of one CPU.
    #[serde(default)]
    pub cpu_percent: u32,
    /// Threads.
    #[serde(default = "one")]
    pub threads: u32,
    /// Resident bytes.
    #[serde(default = "eight_mebibytes")]
    pub rss: u64,
    /// Milliseconds after boot at which it began.
    #[serde(default = "one_second")]
    pub started_ms: u64,
    /// Whether the kernel made it.
    #[serde(default)]
    pub kernel_thread: bool,
    /// `KEY=value` pairs.
    #[serde(default)]
    pub environ: Vec<HostBytes>,
    /// Open files besides its sockets.
    #[serde(default)]
    pub fds: Vec<OpenFile>,
    /// Files mapped to run, besides what it runs.
    #[serde(default)]
    pub maps: Vec<HostPath>,
    /// Its sockets; one that is started in its place has the same.
    #[serde(default)]
    pub sockets: Vec<Socket>,
    /// The pid of a tracer.
    #[serde(default)]
    pub tracer: u32,
    /// Whether it runs on when it is told to stop, as one that its tracer continues.
    #[serde(default)]
    pub ignores_stop: bool,
    /// The directory that takes what it writes, where its root is the overlay of a container. Its paths are the host's all
    /// the same.
    #[serde(default)]
    pub upper: Option<HostPath>,
}

/// One GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// Its address on the bus.
    pub address: HostBytes,
    /// Vendor and device.
    #[serde(default)]
    pub id: String,
    /// The driver.
    #[serde(default)]
    pub driver: HostBytes,
    /// What the driver calls it.
    #[serde(default)]
    pub model: HostBytes,
    /// How busy it is; none where the driver does not say.
    #[serde(default)]
    pub busy_percent: Option<u32>,
}

/// What one call of a program of the host gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The program's path, where a regular file must lie, and exactly these arguments.
    pub argv: Vec<HostBytes>,
    /// What it writes.
    #[serde(default)]
    pub stdout: HostBytes,
    /// What it complains of.
    #[serde(default)]
    pub stderr: HostBytes,
    /// Its exit status.
    #[serde(default)]
    pub exit: i32,
    /// How long it takes.
    #[serde(default)]
    pub takes_ms: u64,
}

/// One descriptor of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenFile {
    /// The descriptor.
    pub fd: u32,
    /// A path, or what the kernel says for what has none (`pipe:[N]`).
    pub link: HostBytes,
    /// Whether it is open for writing.
    #[serde(default)]
    pub writes: bool,
}

/// One file system object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where it is.
    pub path: HostPath,
    /// What it holds; nothing by default.
    #[serde(default)]
    pub content: Option<Content>,
    /// What it is; a link where `target` is given, else a regular file.
    #[serde(default)]
    pub kind: Option<FileKind>,
    /// Where a link points.
    #[serde(default)]
    pub target: Option<HostPath>,
    /// Other names of the same object.
    #[serde(default)]
    pub also: Vec<HostPath>,
    /// Permission bits in octal: `"0755"`.
    #[serde(default, with = "written::octal")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub mode: Option<u32>,
    /// The owner.
    #[serde(default)]
    pub uid: u32,
    /// The group.
    #[serde(default)]
    pub gid: u32,
    /// Milliseconds since 1970 of its last change; 30 days before the world begins by default.
    #[serde(default)]
    pub mtime_ms: Option<u64>,
    /// Inode flags: immutable 16, append-only 32.
    #[serde(default)]
    pub flags: u32,
    /// Extended attributes.
    #[serde(default)]
    pub xattrs: Vec<Xattr>,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, deny_unknown_fields)]
pub enum Content {
    /// Text, with `\xNN` for any byte and `\\` for a backslash.
    Text(HostBytes),
    /// Bytes in hexadecimal digits.
    Hex {
        /// The digits.
        hex: String,
    },
    /// The same as another file that is described with content of its own.
    Like {
        /// That file.
        like: HostPath,
    },
    /// So many bytes that a seed decides.
    Made {
        /// How many, at most [`MADE_BYTES`].
        size: u64,
        /// Another seed gives other bytes.
        #[serde(default)]
        seed: u64,
    },
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where.
    pub point: HostPath,
    /// The directory that is shown there; none for a file system of its own.
    #[serde(default)]
    pub bind: Option<HostPath>,
    /// The file system's type.
    #[serde(default = "ext4")]
    pub kind: String,
    /// What was mounted.
    #[serde(default = "a_disk")]
    pub source: HostBytes,
    /// Per-mount options; with `ro` nothing on it can be changed.
    #[serde(default = "read_write")]
    pub options: Vec<String>,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The login name.
    pub name: HostBytes,
    /// The user id.
    pub uid: u32,
    /// The primary group; the user id where none is given.
    #[serde(default)]
    pub gid: Option<u32>,
    /// The home directory.
    #[serde(default = "root_path")]
    pub home: HostPath,
    /// The login shell.
    #[serde(default = "a_shell")]
    pub shell: HostBytes,
    /// What the password field is.
    #[serde(default = "locked")]
    pub password: Password,
}

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Socket {
    /// `tcp` or `udp`.
    #[serde(default = "tcp")]
    pub protocol: String,
    /// This end: `192.0.2.10:40112`, `[::]:22`.
    #[serde(with = "written::peer")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub local: Peer,
    /// The other end.
    #[serde(default, with = "written::optional_peer")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub remote: Option<Peer>,
    /// The state; `established` with a remote, else `listen`.
    #[serde(default)]
    pub state: Option<String>,
    /// The user that made it.
    #[serde(default)]
    pub uid: u32,
    /// The processes that hold it, besides the one that it stands with.
    #[serde(default)]
    pub owners: Vec<u32>,
}

/// Something that the kernel does not show to the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Unreadable {
    /// A process.
    Pid(u32),
    /// A file, or a directory with all below it.
    Path(HostPath),
}

impl World {
    /// The world of a host of this name: a machine of its own, where it does not say which one it is.
    #[must_use]
    pub fn of_host(self, name: &str) -> World {
        let machine_id = match self.machine_id.as_deref() {
            Some(ANY_MACHINE) => Some(Digest::of(name.as_bytes()).to_string()[..32].to_owned()),
            _ => self.machine_id,
        };
        World { machine_id, ..self }
    }
}

impl Default for World {
    fn default() -> Self {
        Self {
            hostname: HostBytes::from("host"),
            machine_id: Some(ANY_MACHINE.to_owned()),
            boot_id: "7d9b1c52-0c1e-4b5e-9f7a-2f6f3a1d8e44".to_owned(),
            distribution: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            kernel: "6.1.0-28-amd64".to_owned(),
            architecture: "x86_64".to_owned(),
            cpus: 4,
            memory: 8 << 30,
            load_centi: [12, 10, 8],
            taint: 0,
            host_time_ms: 1_794_623_760_000,
            uptime_ms: 864_000_000,
            worker_uid: 0,
            worker: 900,
            processes: Vec::new(),
            files: Vec::new(),
            mounts: Vec::new(),
            accounts: vec![Account {
                name: HostBytes::from("root"),
                uid: 0,
                gid: None,
                home: HostPath::from("/root"),
                shell: a_shell(),
                password: Password::Locked,
            }],
            packages: BTreeMap::new(),
            conffiles: BTreeSet::new(),
            package_database: true,
            gpus: Vec::new(),
            commands: Vec::new(),
            sockets: Vec::new(),
            unreadable: Vec::new(),
            addresses: [IpAddr::from([192, 0, 2, 10])].into(),
            gateways: [IpAddr::from([192, 0, 2, 1])].into(),
            resolvers: [IpAddr::from([192, 0, 2, 53])].into(),
            nftables: true,
            guardians: Vec::new(),
            cron: Vec::new(),
            writers: Vec::new(),
            watchdogs: Vec::new(),
            units: Vec::new(),
            generators: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl Process {
    /// A process of that pid that runs the file at `exe`; everything else by default.
    pub fn new(pid: u32, exe: &str) -> Self {
        Self {
            pid,
            ppid: 1,
            exe: Some(HostPath::from(exe)),
            exe_content: None,
            argv: None,
            comm: None,
            uid: 0,
            session: None,
            cwd: root_path(),
            cgroup: system_slice(),
            cpu_percent: 0,
            threads: 1,
            rss: eight_mebibytes(),
            started_ms: one_second(),
            kernel_thread: false,
            environ: Vec::new(),
            fds: Vec::new(),
            maps: Vec::new(),
            sockets: Vec::new(),
            tracer: 0,
            ignores_stop: false,
            upper: None,
        }
    }

    /// Whether it runs something that was made in memory.
    pub fn is_memfd(&self) -> bool {
        self.exe
            .as_ref()
            .is_some_and(|exe| exe.as_bytes().starts_with(b"/memfd:"))
    }
}

impl Socket {
    /// The state that it is in.
    pub fn state(&self) -> &str {
        match (&self.state, &self.remote) {
            (Some(state), _) => state,
            (None, Some(_)) => "established",
            (None, None) => "listen",
        }
    }
}

impl File {
    /// A regular file of root with this text.
    pub fn text(path: &str, text: &str) -> Self {
        Self {
            path: HostPath::from(path),
            content: Some(Content::Text(HostBytes::from(text))),
            kind: None,
            target: None,
            also: Vec::new(),
            mode: None,
            uid: 0,
            gid: 0,
            mtime_ms: None,
            flags: 0,
            xattrs: Vec::new(),
        }
    }

    /// What it is.
    pub fn kind(&self) -> FileKind {
        match (self.kind, &self.target) {
            (Some(kind), _) => kind,
            (None, Some(_)) => FileKind::Link,
            (None, None) => FileKind::Regular,
        }
    }
}

impl World {
    /// Reads a world from JSON and holds it against [`World::check`].
    ///
    /// # Errors
    /// When it is not of this form, or contradicts itself.
    pub fn from_json(text: &str) -> Result<World, WorldError> {
        let world: World =
            serde_json::from_str(text).map_err(|error| WorldError::Malformed { why: error.to_string() })?;
        world.check().map(|()| world)
    }

    /// Reads a world from a value, such as one that a YAML reader made, and holds it against [`World::check`].
    ///
    /// # Errors
    /// When it is not of this form, or contradicts itself.
    pub fn from_value(value: serde_json::Value) -> Result<World, WorldError> {
        let world: World =
            serde_json::from_value(value).map_err(|error| WorldError::Malformed { why: error.to_string() })?;
        world.check().map(|()| world)
    }

    /// What some content is, in bytes.
    pub(super) fn bytes(&self, content: &Content) -> Result<Vec<u8>, String> {
        match content {
            Content::Text(text) => Ok(text.as_bytes().to_vec()),
            Content::Hex { hex } => written::from_hex(hex),
            Content::Made { size, .. } if *size > MADE_BYTES => Err(format!("{size} bytes are more than {MADE_BYTES}")),
            Content::Made { size, seed } => Ok(made(*size, *seed)),
            Content::Like { like } => {
                let other = self.files.iter().find(|file| file.path == *like);
                match other.and_then(|file| file.content.as_ref()) {
                    None => Err(format!("`{like}` is not described, or without content")),
                    Some(Content::Like { .. }) => Err(format!("`{like}` has no content of its own")),
                    Some(content) => self.bytes(content),
                }
            }
        }
    }
}

/// Bytes that look like a program to nobody and are the same at every run (xorshift64*).
fn made(size: u64, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < size {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let word = state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
        let left = size - bytes.len() as u64;
        bytes.extend(word.iter().take(left.min(8) as usize));
    }
    bytes
}

fn one() -> u32 {
    1
}

fn one_second() -> u64 {
    1000
}

fn eight_mebibytes() -> u64 {
    8 << 20
}

fn root_path() -> HostPath {
    HostPath::from("/")
}

fn system_slice() -> HostBytes {
    HostBytes::from("/system.slice")
}

fn ext4() -> String {
    "ext4".to_owned()
}

fn a_disk() -> HostBytes {
    HostBytes::from("/dev/vda1")
}

fn read_write() -> Vec<String> {
    vec!["rw".to_owned()]
}

fn a_shell() -> HostBytes {
    HostBytes::from("/bin/bash")
}

fn locked() -> Password {
    Password::Locked
}

fn tcp() -> String {
    "tcp".to_owned()
}
