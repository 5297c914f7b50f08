//! A host made of data, for modules: it answers every query from what a test put there.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Condemned, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::{ModuleError, Ran};
use deminer_worker::action::{FileTarget, LineTarget, LinkTarget, ProcessTarget, Role};
use deminer_worker::query::{
    Account, Answer, Blocks, Coverage, Entry, Executable, FileId, FileKind, FileSpans, FileStat, FileText, HostError,
    HostFacts, HostIdentity, Observed, Ownership, Password, Peer, Process, Query, Sighting, Socket, Span, WatchCursor,
    Watched,
};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};
use serde_json::Value;

/// One watch: what it saw, what it missed, or why it failed.
pub(crate) type Turn = Result<(Vec<Sighting>, u64), HostError>;

/// What happens when the n-th watch ends, before it answers.
type Change = Box<dyn Fn(&mut Scene, usize) -> Turn + Send + Sync>;

/// What happens while nobody is there.
type Alone = Box<dyn Fn(&mut Scene) + Send + Sync>;

/// What is on the host.
#[derive(Default)]
pub(crate) struct Scene {
    pub(crate) processes: Vec<Process>,
    pub(crate) sockets: Vec<Socket>,
    pub(crate) files: BTreeMap<String, File>,
    pub(crate) packages: BTreeMap<String, Ownership>,
    pub(crate) coverage: Coverage,
    /// What is blocked; nothing, where it is not said.
    pub(crate) blocks: Option<Result<Blocks, HostError>>,
}

/// A file of the host.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) content: Vec<u8>,
    pub(crate) stat: FileStat,
    pub(crate) cut: bool,
}

/// The host.
pub(crate) struct StubHost {
    scene: Mutex<Scene>,
    watches: Mutex<usize>,
    change: Change,
    /// `None` where it cannot be left.
    alone: Option<Alone>,
    /// Every query, in order.
    pub(crate) asked: Mutex<Vec<Query>>,
}

impl Scene {
    pub(crate) fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.put(path, content);
        self
    }

    pub(crate) fn put(&mut self, path: &str, content: impl AsRef<[u8]>) {
        let content = content.as_ref().to_vec();
        let stat = stat(path, &content);
        let file = File {
            content,
            stat,
            cut: false,
        };
        self.files.insert(path.to_owned(), file);
    }

    /// A link; as content of the scene it has none.
    pub(crate) fn link(mut self, path: &str, target: &str) -> Self {
        self.put_link(path, target);
        self
    }

    pub(crate) fn put_link(&mut self, path: &str, target: &str) {
        self.put(path, "");
        if let Some(File { stat, .. }) = self.files.get_mut(path) {
            (stat.kind, stat.link_target, stat.sha256) = (FileKind::Link, Some(HostPath::from(target)), None);
        }
    }

    pub(crate) fn owned(mut self, path: &str, owner: Ownership) -> Self {
        self.packages.insert(path.to_owned(), owner);
        self
    }

    pub(crate) fn runs(mut self, process: Process) -> Self {
        self.processes.push(process);
        self
    }

    pub(crate) fn talks(mut self, socket: Socket) -> Self {
        self.sockets.push(socket);
        self
    }

    pub(crate) fn host(self) -> StubHost {
        self.host_that(|_, _| Ok((Vec::new(), 0)))
    }

    pub(crate) fn host_that(self, change: impl Fn(&mut Scene, usize) -> Turn + Send + Sync + 'static) -> StubHost {
        StubHost {
            scene: Mutex::new(self),
            watches: Mutex::new(0),
            change: Box::new(change),
            alone: None,
            asked: Mutex::new(Vec::new()),
        }
    }

    fn answer(&self, query: &Query) -> Result<Answer, HostError> {
        let text = |file: &File| FileText {
            stat: file.stat.clone(),
            content: HostBytes::new(&file.content[..]),
            cut: file.cut,
        };
        Ok(match query {
            Query::Host {} => Answer::Host(facts()),
            Query::Processes(query) => {
                let asked = |p: &&Process| query.pids.as_ref().is_none_or(|pids| pids.contains(&p.pid));
                Answer::Processes(self.processes.iter().filter(asked).cloned().collect())
            }
            Query::Sockets {} => Answer::Sockets(self.sockets.clone()),
            Query::Stat { paths, .. } => Answer::Entries(
                paths
                    .iter()
                    .map(|path| match self.files.get(&path.to_string()) {
                        Some(file) => Entry::Present(file.stat.clone()),
                        None => Entry::Absent { path: path.clone() },
                    })
                    .collect(),
            ),
            Query::List { path } => Answer::Entries(
                (self.files.values())
                    .filter(|file| file.stat.path.parent().as_ref() == Some(path))
                    .map(|file| Entry::Present(file.stat.clone()))
                    .collect(),
            ),
            Query::Read { path, .. } => Answer::Files(
                (self.files.get(&path.to_string()).into_iter())
                    .filter(|file| file.stat.kind == FileKind::Regular)
                    .map(text)
                    .collect(),
            ),
            Query::ReadSpans { path, spans } => Answer::Spans(self.files.get(&path.to_string()).map(|file| {
                let part = |span: &Span| {
                    let from = (span.from.0 as usize).min(file.content.len());
                    let to = (from + span.bytes as usize).min(file.content.len());
                    HostBytes::new(&file.content[from..to])
                };
                FileSpans {
                    stat: file.stat.clone(),
                    spans: spans.iter().map(part).collect(),
                }
            })),
            Query::ReadTree { patterns, .. } => Answer::Files(
                (self.files.values())
                    .filter(|file| matches!(file.stat.kind, FileKind::Regular | FileKind::Link))
                    .filter(|file| patterns.iter().any(|pattern| matches(pattern, &file.stat.path)))
                    .map(text)
                    .collect(),
            ),
            Query::Accounts {} => Answer::Accounts(accounts()),
            Query::Blocks {} => Answer::Blocks(self.blocks.clone().unwrap_or_else(|| Ok(Blocks::default()))?),
            Query::Units {} => Answer::Units(Vec::new()),
            Query::Packages { files } => Answer::Packages(
                files
                    .iter()
                    .map(|path| {
                        self.packages
                            .get(&path.to_string())
                            .cloned()
                            .unwrap_or(Ownership::Unowned)
                    })
                    .collect(),
            ),
            other => {
                let query = serde_json::to_string(other).expect("a query is JSON");
                return Err(HostError::NotRecorded { query });
            }
        })
    }
}

/// `*` matches within one component.
fn matches(pattern: &HostPath, path: &HostPath) -> bool {
    let parts =
        |path: &HostPath| -> Vec<Vec<u8>> { path.as_bytes().split(|b| *b == b'/').map(<[u8]>::to_vec).collect() };
    let (pattern, path) = (parts(pattern), parts(path));
    pattern.len() == path.len() && pattern.iter().zip(&path).all(|(one, other)| matches_name(one, other))
}

fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| matches_name(rest, &name[at..])),
        Some((b'?', rest)) => !name.is_empty() && matches_name(rest, &name[1..]),
        Some((byte, rest)) => name.first() == Some(byte) && matches_name(rest, &name[1..]),
    }
}

impl StubHost {
    /// The same, as a host that can be left.
    pub(crate) fn that_is_left(mut self, alone: impl Fn(&mut Scene) + Send + Sync + 'static) -> StubHost {
        self.alone = Some(Box::new(alone));
        self
    }
}

#[async_trait]
impl HostView for StubHost {
    fn name(&self) -> &str {
        "web-3"
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        self.asked.lock().expect("no test panics here").push(query.clone());
        let mut scene = self.scene.lock().expect("no test panics here");
        let value = if let Query::Watch(watch) = &query {
            let mut count = self.watches.lock().expect("no test panics here");
            let (sightings, missed_ms) = (self.change)(&mut scene, *count)?;
            *count += 1;
            Answer::Watch(Watched {
                cursor: WatchCursor {
                    boot_id: BOOT.to_owned(),
                    uptime_ms: Wide(1_000 * *count as u64),
                },
                covered_ms: watch.for_ms,
                missed_ms,
                sightings,
            })
        } else {
            scene.answer(&query)?
        };
        Ok(Observed {
            value,
            coverage: scene.coverage.clone(),
        })
    }

    async fn leave(&self, _time: Duration) -> Result<bool, HostError> {
        let Some(alone) = &self.alone else { return Ok(false) };
        alone(&mut self.scene.lock().expect("no test panics here"));
        Ok(true)
    }
}

/// Runs a module of the list by its name.
pub(crate) async fn run(module: &str, host: &StubHost, with: Value) -> Result<Ran, ModuleError> {
    let modules = deminer_modules::all();
    let found = modules
        .iter()
        .find(|m| m.about().name == module)
        .expect("a module of the list");
    found.erased().run(Some(host), with).await
}

pub(crate) const BOOT: &str = "5f1c7f5e-0000-4000-8000-000000000001";

pub(crate) fn facts() -> HostFacts {
    HostFacts {
        identity: HostIdentity {
            machine_id: Some("0123456789abcdef0123456789abcdef".to_owned()),
            boot_id: BOOT.to_owned(),
            hostname: HostBytes::from("web-3"),
            pid_namespace: Wide(4_026_531_836),
        },
        system: "linux".to_owned(),
        distribution: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        kernel: "6.1.0-18-amd64".to_owned(),
        architecture: "x86_64".to_owned(),
        cpus: 4,
        memory_total: Wide(8 << 30),
        memory_available: Wide(1 << 30),
        load_centi: [396, 400, 380],
        uptime_ms: Wide(86_400_000),
        host_time_ms: Wide(1_790_000_000_000),
        ticks_per_second: 100,
        uid: 0,
        own_chain: vec![900, 1],
        own_names: Vec::new(),
        taint: Wide(0),
        without: Vec::new(),
    }
}

pub(crate) fn accounts() -> Vec<Account> {
    let account = |name: &str, uid, home: &str| Account {
        name: HostBytes::from(name),
        uid,
        gid: uid,
        home: HostPath::from(home),
        shell: HostBytes::from("/bin/bash"),
        password: Password::Locked,
        ..Account::default()
    };
    vec![
        account("root", 0, "/root"),
        account("deploy", 1000, "/home/deploy"),
        account("toor", 0, "/root"),
    ]
}

fn inode(path: &str) -> FileId {
    let digest = Digest::of(path.as_bytes());
    FileId {
        dev: Wide(2_049),
        inode: Wide(u64::from(u16::from_be_bytes([digest.0[0], digest.0[1]]))),
    }
}

pub(crate) fn stat(path: &str, content: &[u8]) -> FileStat {
    FileStat {
        path: HostPath::from(path),
        mount: HostPath::from("/"),
        kind: FileKind::Regular,
        id: inode(path),
        size: Wide(content.len() as u64),
        mode: 0o644,
        uid: 0,
        gid: 0,
        links: 1,
        mtime_ns: Wide(1_789_000_000_000_000_000),
        ctime_ns: Wide(1_789_000_000_000_000_000),
        btime_ns: None,
        flags: Some(0),
        xattrs: Vec::new(),
        link_target: None,
        sha256: Some(Digest::of(content)),
    }
}

/// A process that runs the file `exe` with that content.
pub(crate) fn process(pid: u32, exe: &str, content: &[u8], argv: &[&str]) -> Process {
    let line = argv.join("\0");
    let name = exe.rsplit('/').next().unwrap_or_default();
    Process {
        pid,
        ppid: 1,
        pgid: pid,
        session: pid,
        start_ticks: Wide(u64::from(pid) * 10),
        state: "S".to_owned(),
        uid: 1000,
        comm: HostBytes::from(name),
        argv: argv.iter().map(|word| HostBytes::from(*word)).collect(),
        argv_bytes: Wide(line.len() as u64),
        argv_sha256: Some(Digest::of(line.as_bytes())),
        exe: Some(Executable {
            path: HostPath::from(exe),
            deleted: false,
            memfd: false,
            id: inode(exe),
            size: Wide(content.len() as u64),
            sha256: Some(Digest::of(content)),
        }),
        script: None,
        cwd: Some(HostPath::from("/")),
        environ: None,
        cgroup: HostBytes::from("/user.slice"),
        mount_namespace: None,
        net_namespace: Some(Wide(4_026_531_840)),
        pid_namespace: None,
        kernel_thread: false,
        threads: 1,
        rss: Wide(1 << 20),
        cpu_ms: Wide(100),
        cpu_centi: Some(0),
        tracer: 0,
        fds: None,
        maps: None,
    }
}

pub(crate) fn socket(local: u16, remote: Option<(&str, u16)>, state: &str, owners: &[u32]) -> Socket {
    let peer = |address: &str, port| Peer {
        address: address.to_owned(),
        port,
    };
    Socket {
        protocol: "tcp".to_owned(),
        local: peer("192.0.2.10", local),
        remote: remote.map(|(address, port)| peer(address, port)),
        state: state.to_owned(),
        inode: Wide(70_000 + u64::from(local)),
        uid: 1000,
        net_namespace: Wide(4_026_531_840),
        owners: owners.to_vec(),
    }
}

pub(crate) fn target_of(process: &Process) -> ProcessTarget {
    let exe = process.exe.as_ref().expect("a user's process");
    ProcessTarget {
        boot_id: BOOT.to_owned(),
        pid: process.pid,
        start_ticks: process.start_ticks,
        exe: exe.id,
        exe_path: exe.path.clone(),
        exe_sha256: exe.sha256.expect("hashed"),
        exe_size: exe.size,
        argv_sha256: process.argv_sha256.expect("readable"),
        uid: process.uid,
        comm: process.comm.clone(),
        role: Role::Miner,
    }
}

pub(crate) fn file_target(path: &str, content: impl AsRef<[u8]>) -> FileTarget {
    FileTarget::from_stat(&stat(path, content.as_ref())).expect("hashed")
}

/// The artifact, condemned by a finding of its own.
pub(crate) fn condemned(component: u32, artifact: Artifact) -> Condemned {
    let finding = Finding::new(artifact.clone(), "test", Bearing::Condemns, "");
    Condemned {
        component,
        artifact,
        because: vec![finding.id],
    }
}

pub(crate) fn condemned_process(process: &Process) -> Condemned {
    let process = target_of(process);
    condemned(1, Artifact::Process { process })
}

pub(crate) fn condemned_file(path: &str, content: impl AsRef<[u8]>) -> Condemned {
    let file = file_target(path, content);
    condemned(1, Artifact::File { file })
}

pub(crate) fn condemned_link(path: &str, target: &str) -> Condemned {
    let scene = Scene::default().link(path, target);
    let link = LinkTarget::from_stat(&scene.files[path].stat).expect("a link");
    condemned(1, Artifact::Link { link })
}

pub(crate) fn condemned_line(path: &str, content: &str, number: u32) -> Condemned {
    let line = content.lines().nth(number as usize - 1).expect("a line of the content");
    let line = LineTarget {
        number,
        line: HostBytes::from(line),
        mark: HostBytes::default(),
    };
    let file = file_target(path, content);
    condemned(1, Artifact::Line { file, line })
}
