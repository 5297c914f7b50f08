//! What of the condemned is met on a host, as a row and as a finding.

use deminer_engine::finding::{Artifact, Bearing, Condemned, Finding, FindingId};
use deminer_worker::action::ServiceManager;
use deminer_worker::query::{GapReason, Peer};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};
use schemars::JsonSchema;
use serde::Serialize;

/// Something condemned, or of its kind, that is on the host; or a place where that could not be told.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Remnant {
    /// What was met.
    #[serde(flatten)]
    pub seen: Seen,
    /// Whether it is what was condemned. Else a person must look: it may be, or it could not be looked at.
    pub certain: bool,
    /// The component of the condemned object; `None` where it is not one object's.
    pub component: Option<u32>,
    /// The findings that condemned the object.
    pub because: Vec<FindingId>,
    /// What the finding is about: the condemned object, or the other end of a connection.
    #[serde(skip)]
    pub(crate) artifact: Artifact,
}

/// What was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "seen", rename_all = "snake_case")]
pub enum Seen {
    /// The very process.
    Process {
        /// Its pid.
        pid: u32,
        /// When it began, in ticks since boot.
        start_ticks: Wide,
        /// Its name.
        comm: HostBytes,
    },
    /// Another process that runs the same content; of a packaged program, with the same command line.
    Executable {
        /// Its pid.
        pid: u32,
        /// When it began, in ticks since boot.
        start_ticks: Wide,
        /// Its name.
        comm: HostBytes,
        /// What it runs.
        sha256: Digest,
    },
    /// A file at a condemned path.
    File {
        /// Where.
        path: HostPath,
        /// What is there now; `None` where it is no regular file or was gone again.
        sha256: Option<Digest>,
    },
    /// A condemned link, or another object under its name.
    Link {
        /// Where.
        path: HostPath,
        /// Where it points now; `None` where it is no link any more.
        target: Option<HostPath>,
    },
    /// A condemned line in its file.
    Line {
        /// The file.
        path: HostPath,
        /// The line.
        line: HostBytes,
    },
    /// Another line or file that starts a condemned file, or is the same line elsewhere.
    Starter {
        /// The file.
        path: HostPath,
        /// The line's number; `None` where the whole file starts.
        number: Option<u32>,
        /// What it runs.
        command: HostBytes,
    },
    /// A condemned unit that its manager has in memory.
    Unit {
        /// Which manager.
        manager: ServiceManager,
        /// Its name.
        name: HostBytes,
        /// The file that it was read from.
        from: HostPath,
    },
    /// A condemned account that somebody can get in by.
    Account {
        /// The login name.
        name: HostBytes,
        /// The user id that it had when it was condemned.
        uid: u32,
    },
    /// Somebody is connected to a remote end of the incident.
    Connection {
        /// The remote end.
        remote: Peer,
        /// Who, by pid; empty where that could not be told.
        owners: Vec<u32>,
    },
    /// A connection to an end that nobody had at the first look, of an owner that nothing explains.
    Outbound {
        /// The remote end.
        remote: Peer,
        /// Who, by pid; empty where that could not be told.
        owners: Vec<u32>,
    },
    /// A connection that was there at the first look, of an owner that hides.
    Hiding {
        /// The remote end.
        remote: Peer,
        /// Who, by pid.
        owners: Vec<u32>,
    },
    /// Packets to blocked addresses that were dropped long after the stroke: somebody still tries.
    Dropped {
        /// How many.
        packets: Wide,
    },
    /// A process that nothing explains and that works only while nobody is logged in.
    Awake {
        /// Its pid.
        pid: u32,
        /// Its name.
        comm: HostBytes,
        /// CPU time that it used while nobody was there, milliseconds.
        cpu_ms: u64,
        /// How long nobody was, milliseconds.
        away_ms: u64,
    },
    /// A condemned object could not be looked at.
    Unseen {
        /// A path or a pid.
        object: HostBytes,
        /// Why.
        why: GapReason,
    },
}

impl Remnant {
    /// A remnant of a condemned object.
    pub(crate) fn of(condemned: &Condemned, certain: bool, seen: Seen) -> Remnant {
        Remnant {
            seen,
            certain,
            component: Some(condemned.component),
            because: condemned.because.clone(),
            artifact: condemned.artifact.clone(),
        }
    }

    /// A remnant of the incident's, or of a new, remote end.
    pub(crate) fn remote(remote: &Peer, certain: bool, seen: Seen) -> Remnant {
        Remnant {
            seen,
            certain,
            component: None,
            because: Vec::new(),
            artifact: Artifact::Remote { peer: remote.clone() },
        }
    }

    /// What a report says of it: `Returned` where it is certain, else `Review`.
    pub(crate) fn finding(&self) -> Finding {
        let bearing = if self.certain {
            Bearing::Returned
        } else {
            Bearing::Review
        };
        let new = |signal: &str, say: &str| Finding::new(self.artifact.clone(), signal, bearing, say);
        let pids = |owners: &[u32]| match owners.is_empty() {
            true => "nobody that could be told".to_owned(),
            false => owners
                .iter()
                .map(|pid| format!("pid {pid}"))
                .collect::<Vec<_>>()
                .join(", "),
        };
        match &self.seen {
            Seen::Process { pid, comm, .. } => new("process_there", "pid {pid} `{comm}` still runs")
                .field("pid", pid)
                .field("comm", comm)
                .rests_on(format!("/proc/{pid}/stat"), None),
            Seen::Executable { pid, comm, sha256, .. } => {
                new("executable_runs", "pid {pid} `{comm}` runs the condemned {sha256}")
                    .field("pid", pid)
                    .field("comm", comm)
                    .field("sha256", sha256.short())
                    .rests_on(format!("/proc/{pid}/exe"), Some(*sha256))
            }
            Seen::File { path, sha256 } => new("file_there", "{path} is there")
                .field("path", path)
                .rests_on(path, *sha256),
            Seen::Link { path, target } => {
                let target = target
                    .as_ref()
                    .map_or_else(|| "nowhere".to_owned(), HostPath::to_string);
                new("link_there", "{path} points to {target}")
                    .field("path", path)
                    .field("target", target)
                    .rests_on(path, None)
            }
            Seen::Line { path, line } => new("line_there", "`{line}` stands in {path}")
                .field("path", path)
                .field("line", line)
                .rests_on(path, None),
            Seen::Starter { path, command, .. } => new("starter_there", "{path} starts `{command}`")
                .field("path", path)
                .field("command", command)
                .rests_on(path, None),
            Seen::Unit { manager, name, from } => {
                new("unit_there", "the {manager} manager has {unit} in memory, from {path}")
                    .field("manager", manager)
                    .field("unit", name)
                    .field("path", from)
            }
            Seen::Account { name, uid } => new("account_open", "account {account} (uid {uid}) is open")
                .field("account", name)
                .field("uid", uid)
                .rests_on("/etc/shadow", None),
            Seen::Connection { remote, owners } => new("remote_connected", "{owners} has a connection to {remote}")
                .field("remote", shown(remote))
                .field("owners", pids(owners)),
            Seen::Outbound { remote, owners } => new("outbound_new", "{owners} has a new connection to {remote}")
                .field("remote", shown(remote))
                .field("owners", pids(owners)),
            Seen::Hiding { remote, owners } => new(
                "outbound_hiding",
                "{owners}, which no package explains and which hides, has a connection to {remote}",
            )
            .field("remote", shown(remote))
            .field("owners", pids(owners)),
            Seen::Dropped { packets } => new(
                "still_tries",
                "{packets} packets to blocked addresses were dropped long after the stroke: somebody on this host, or in a \
                 container of it, still tries",
            )
            .field("packets", packets),
            Seen::Awake {
                pid,
                comm,
                cpu_ms,
                away_ms,
            } => new(
                "awake_alone",
                "pid {pid} `{comm}`, which no package explains, rested while the host was watched and used {cpu_ms} ms of CPU time \
                 in the {away_ms} ms in which nobody was there",
            )
            .field("pid", pid)
            .field("comm", comm)
            .field("cpu_ms", cpu_ms)
            .field("away_ms", away_ms)
            .rests_on(format!("/proc/{pid}/stat"), None),
            Seen::Unseen { object, why } => new("not_seen", "{object} could not be looked at: {why}")
                .field("object", object)
                .field("why", format!("{why:?}").to_lowercase()),
        }
    }
}

fn shown(peer: &Peer) -> String {
    match peer.address.contains(':') {
        true => format!("[{}]:{}", HostBytes::from(&*peer.address), peer.port),
        false => format!("{}:{}", HostBytes::from(&*peer.address), peer.port),
    }
}
