//! A host on paper, for the tests of plan and approval: it answers what planning asks, and proposals are put to it by hand.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use deminer_worker::action::{
    Act, ActionId, FileTarget, LineTarget, LinkTarget, Object, ProcessTarget, Role, StarterKind,
};
use deminer_worker::network::{Connection, Network};
use deminer_worker::query::{
    Answer, Coverage, Entry, Executable, FileId, FileKind, FileStat, FileText, HostError, HostFacts, HostIdentity,
    Mount, Observed, Ownership, Process, Query,
};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};

use super::{HostPlan, Origin, Plan, PlanError, PlaybookRef, ResourceRef, Site, VALID_FOR_MS, draft};
use crate::finding::{Artifact, Bearing, Finding, FindingId, HostVerdict, Verdict};
use crate::host::HostView;
use crate::look::{LookEnd, Looked, Proposed};
use crate::module::Proposal;
use crate::playbook::Phase;

pub(crate) const BOOT: &str = "0a1b2c3d-0000-4000-8000-000000000001";

/// When the plans of the tests are made.
pub(crate) const NOW_MS: u64 = 1_794_000_000_000;

/// The mount namespace of everything that is not in a container.
const NAMESPACE: Wide = Wide(4_026_531_841);

/// A process that runs this executable; its content is the digest of the path.
pub(crate) fn process(pid: u32, exe: &str, argv: &[&str]) -> Process {
    let argv: Vec<HostBytes> = argv.iter().map(|word| HostBytes::from(*word)).collect();
    let line: Vec<u8> = argv.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
    let path = HostPath::from(exe);
    Process {
        pid,
        ppid: 1,
        pgid: pid,
        session: pid,
        start_ticks: Wide(u64::from(pid) * 10),
        state: "S".to_owned(),
        uid: 0,
        comm: HostBytes::new(path.file_name()),
        argv_bytes: Wide(line.len() as u64),
        argv_sha256: Some(Digest::of(&line)),
        argv,
        exe: Some(Executable {
            id: inode_of(exe),
            size: Wide(exe.len() as u64),
            sha256: Some(Digest::of(exe.as_bytes())),
            path,
            deleted: false,
            memfd: false,
        }),
        script: None,
        cwd: None,
        environ: None,
        cgroup: HostBytes::default(),
        mount_namespace: Some(NAMESPACE),
        net_namespace: None,
        pid_namespace: None,
        kernel_thread: false,
        threads: 1,
        rss: Wide(0),
        cpu_ms: Wide(0),
        cpu_centi: None,
        tracer: 0,
        fds: None,
        maps: None,
    }
}

/// Every path has an inode of its own, the same each time.
fn inode_of(path: &str) -> FileId {
    let digest = Digest::of(path.as_bytes());
    FileId {
        dev: Wide(2049),
        inode: Wide(u64::from(u32::from_be_bytes([digest.0[0], digest.0[1], digest.0[2], digest.0[3]])) + 1),
    }
}

pub(crate) fn target(process: &Process) -> ProcessTarget {
    let exe = process.exe.clone().expect("a test's target has an executable");
    ProcessTarget {
        boot_id: BOOT.to_owned(),
        pid: process.pid,
        start_ticks: process.start_ticks,
        exe: exe.id,
        exe_path: exe.path,
        exe_sha256: exe.sha256.expect("a test's executable is hashed"),
        exe_size: exe.size,
        argv_sha256: process.argv_sha256.expect("a test's arguments are hashed"),
        uid: process.uid,
        comm: process.comm.clone(),
        role: Role::Miner,
    }
}

/// A file whose content is its path, as an executable of [`process`] has it.
pub(crate) fn file(path: &str) -> FileTarget {
    FileTarget {
        mount: "/".into(),
        path: path.into(),
        id: inode_of(path),
        size: Wide(path.len() as u64),
        ctime_ns: Wide(7),
        mtime_ns: Wide(6),
        sha256: Digest::of(path.as_bytes()),
        mode: 0o644,
        uid: 0,
        gid: 0,
        flags: Some(0),
        links: 1,
        xattrs: Vec::new(),
    }
}

pub(crate) fn line(number: u32, text: &str, mark: &str) -> LineTarget {
    LineTarget {
        number,
        line: text.into(),
        mark: mark.into(),
    }
}

pub(crate) fn kill(process: &Process) -> Act {
    Act::Kill {
        process: target(process),
    }
}

pub(crate) fn freeze(process: &Process) -> Act {
    Act::Freeze {
        process: target(process),
    }
}

pub(crate) fn remove(path: &str) -> Act {
    Act::RemoveFile { file: file(path) }
}

/// The removal of a file that something starts whole.
pub(crate) fn starter(path: &str) -> Act {
    Act::RemoveStarter {
        file: file(path),
        starter: StarterKind::InitScript,
    }
}

/// The removal of a link.
pub(crate) fn link(path: &str) -> Act {
    let FileTarget { mount, path, id, .. } = file(path);
    Act::RemoveLink {
        link: LinkTarget {
            mount,
            path,
            id,
            target: "../init.d/x".into(),
            uid: 0,
            gid: 0,
            mtime_ns: Wide(0),
        },
    }
}

pub(crate) fn keep(path: &str) -> Act {
    Act::Keep {
        object: Object::File { file: file(path) },
    }
}

pub(crate) fn edit(path: &str, remove: Vec<LineTarget>) -> Act {
    Act::EditLines {
        file: file(path),
        remove,
        syntax: None,
    }
}

/// One host and what was found and proposed on it.
pub(crate) struct Bench {
    pub(crate) looked: Looked,
    pub(crate) processes: Vec<Process>,
    pub(crate) owners: BTreeMap<HostPath, Ownership>,
    pub(crate) mounts: Vec<HostPath>,
    /// Directories with inode flags.
    pub(crate) directories: BTreeMap<HostPath, u32>,
    /// The texts of files.
    pub(crate) texts: BTreeMap<HostPath, HostBytes>,
    /// The kind of question that is refused.
    pub(crate) refuses: Option<&'static str>,
    /// Whether the last answer about packages is left out.
    pub(crate) forgets: bool,
    pub(crate) gaps: Coverage,
    pub(crate) site: Site,
    /// The host on its network: its session comes from 192.0.2.7.
    pub(crate) network: Network,
    identity: HostIdentity,
}

impl Bench {
    /// A host with pid 1, a cron daemon, and our own session as pids 900 and 901; every file is unowned.
    pub(crate) fn new() -> Bench {
        Bench::host("web-1")
    }

    pub(crate) fn host(name: &str) -> Bench {
        let identity = HostIdentity {
            machine_id: Some(format!("5f0c-{name}")),
            boot_id: BOOT.to_owned(),
            hostname: "web-1".into(),
            pid_namespace: Wide(4_026_531_836),
        };
        let facts = HostFacts {
            identity: identity.clone(),
            system: "linux".to_owned(),
            distribution: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            kernel: "6.1.0-28-amd64".to_owned(),
            architecture: "x86_64".to_owned(),
            cpus: 4,
            memory_total: Wide(8 << 30),
            memory_available: Wide(4 << 30),
            load_centi: [400, 390, 380],
            uptime_ms: Wide(1_000_000),
            host_time_ms: Wide(NOW_MS),
            ticks_per_second: 100,
            uid: 0,
            own_chain: vec![1, 900, 901],
            own_names: Vec::new(),
            taint: Wide(0),
            without: Vec::new(),
        };
        let looked = Looked {
            programs: Vec::new(),
            host: name.to_owned(),
            facts,
            clock: None,
            verdict: None,
            findings: Vec::new(),
            coverage: Coverage::whole(),
            proposals: Vec::new(),
            answers: Vec::new(),
            results: BTreeMap::new(),
            end: LookEnd::Through,
        };
        let processes = vec![
            process(1, "/usr/lib/systemd/systemd", &["/sbin/init"]),
            process(655, "/usr/sbin/cron", &["/usr/sbin/cron", "-f"]),
            process(900, "/usr/sbin/sshd", &["sshd: root"]),
            process(901, "/run/deminer", &["deminer"]),
        ];
        Bench {
            looked,
            processes,
            owners: BTreeMap::new(),
            mounts: vec!["/".into()],
            directories: BTreeMap::new(),
            texts: BTreeMap::new(),
            refuses: None,
            forgets: false,
            gaps: Coverage::whole(),
            site: Site::default(),
            network: Network {
                own: ["192.0.2.10".parse().expect("an address")].into(),
                session: vec![Connection {
                    local: "192.0.2.10:22".parse().expect("an end"),
                    remote: "192.0.2.7:50312".parse().expect("an end"),
                }],
                ..Network::default()
            },
            identity,
        }
    }

    /// Another boot answers from now on.
    pub(crate) fn restart(&mut self) {
        self.identity.boot_id = "ffffffff-0000-4000-8000-000000000002".to_owned();
    }

    /// It is the machine that is known by this name.
    pub(crate) fn be(&mut self, name: &str) {
        self.identity.machine_id = Some(format!("5f0c-{name}"));
        self.looked.facts.identity = self.identity.clone();
    }

    pub(crate) fn run(&mut self, process: &Process) {
        self.processes.push(process.clone());
    }

    pub(crate) fn own(&mut self, path: &str, owner: Ownership) {
        self.owners.insert(path.into(), owner);
    }

    pub(crate) fn finding(&mut self, artifact: Artifact, signal: &str, bearing: Bearing) -> FindingId {
        let finding = Finding::new(artifact, signal, bearing, "it is {what}").field("what", signal);
        self.looked.findings.push(finding);
        let last = self.looked.findings.last().expect("just pushed");
        last.id.clone()
    }

    /// Proposes an act in `eradicate`, on a finding of its own.
    pub(crate) fn propose(&mut self, component: u32, act: Act) -> ActionId {
        let artifact = match (act.process(), act.file()) {
            (Some(process), _) => Artifact::Process {
                process: process.clone(),
            },
            (None, Some(file)) => Artifact::File { file: file.clone() },
            (None, None) => Artifact::Host {},
        };
        let finding = self.finding(artifact, act.kind(), Bearing::Condemns);
        self.propose_because(component, act, vec![finding])
    }

    pub(crate) fn propose_because(&mut self, component: u32, act: Act, because: Vec<FindingId>) -> ActionId {
        let id = act.id(&self.looked.host);
        self.propose_in(Phase::Eradicate, component, act, because);
        id
    }

    pub(crate) fn propose_in(&mut self, phase: Phase, component: u32, act: Act, because: Vec<FindingId>) {
        self.looked.proposals.push(Proposed {
            phase,
            step: "remove".to_owned(),
            proposal: Proposal {
                component,
                act,
                because,
            },
        });
    }

    pub(crate) fn infected(&mut self) {
        let because = self
            .looked
            .findings
            .iter()
            .take(1)
            .map(|finding| finding.id.clone())
            .collect();
        self.looked.verdict = Some(Verdict {
            host: HostVerdict::Infected,
            because,
        });
    }

    pub(crate) fn draft(&self) -> Result<HostPlan, PlanError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime can be had");
        runtime.block_on(draft(&self.looked, self, &self.site, &mut || [0xab; 16]))
    }

    pub(crate) fn plan(&self) -> HostPlan {
        self.draft().expect("the host can be planned")
    }
}

#[async_trait]
impl HostView for Bench {
    fn name(&self) -> &str {
        &self.looked.host
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        let (kind, value) = match &query {
            Query::Host {} => {
                let mut facts = self.looked.facts.clone();
                facts.identity = self.identity.clone();
                ("host", Answer::Host(facts))
            }
            Query::Processes(_) => ("processes", Answer::Processes(self.processes.clone())),
            Query::Mounts {} => ("mounts", Answer::Mounts(self.mounts.iter().map(mount).collect())),
            Query::Packages { files } => {
                let owner = |file| self.owners.get(file).cloned().unwrap_or(Ownership::Unowned);
                let mut owners: Vec<Ownership> = files.iter().map(owner).collect();
                if self.forgets {
                    owners.pop();
                }
                ("packages", Answer::Packages(owners))
            }
            Query::Stat { paths, .. } => {
                let entries = paths.iter().map(|path| self.directory(path)).collect();
                ("stat", Answer::Entries(entries))
            }
            Query::Network {} => ("network", Answer::Network(self.network.clone())),
            Query::Read { path, .. } => {
                let text = self.texts.get(path).map(|content| FileText {
                    stat: FileStat {
                        path: path.clone(),
                        ..script("/etc/crontab")
                    },
                    content: content.clone(),
                    cut: false,
                });
                ("read", Answer::Files(text.into_iter().collect()))
            }
            Query::Holders { .. } => ("holders", Answer::Holders(Vec::new())),
            other => panic!("planning asks {other:?}"),
        };
        if self.refuses == Some(kind) {
            return Err(HostError::Denied { doing: kind.to_owned() });
        }
        Ok(Observed {
            value,
            coverage: self.gaps.clone(),
        })
    }
}

impl Bench {
    fn directory(&self, path: &HostPath) -> Entry {
        Entry::Present(FileStat {
            path: path.clone(),
            mount: "/".into(),
            kind: FileKind::Directory,
            id: FileId {
                dev: Wide(2049),
                inode: Wide(2),
            },
            size: Wide(4096),
            mode: 0o755,
            uid: 0,
            gid: 0,
            links: 2,
            mtime_ns: Wide(0),
            ctime_ns: Wide(0),
            btime_ns: None,
            flags: Some(self.directories.get(path).copied().unwrap_or(0)),
            xattrs: Vec::new(),
            link_target: None,
            sha256: None,
        })
    }
}

/// The row of a script that a process runs.
pub(crate) fn script(path: &str) -> FileStat {
    let file = file(path);
    FileStat {
        path: file.path,
        mount: file.mount,
        kind: FileKind::Regular,
        id: file.id,
        size: file.size,
        mode: file.mode,
        uid: file.uid,
        gid: file.gid,
        links: file.links,
        mtime_ns: file.mtime_ns,
        ctime_ns: file.ctime_ns,
        btime_ns: None,
        flags: file.flags,
        xattrs: file.xattrs,
        link_target: None,
        sha256: Some(file.sha256),
    }
}

fn mount(point: &HostPath) -> Mount {
    Mount {
        point: point.clone(),
        root: "/".into(),
        kind: "ext4".to_owned(),
        dev: Wide(2049),
        source: "/dev/vda1".into(),
        options: Vec::new(),
    }
}

/// A miner with a deleted executable, its guardian's file and its line in a crontab.
pub(crate) fn infected(host: &str) -> Bench {
    let mut bench = Bench::host(host);
    let mut miner = process(4242, "/dev/shm/.k/kw", &["kworker/u8:3", "-o", "pool.example:3333"]);
    if let Some(exe) = &mut miner.exe {
        exe.deleted = true;
    }
    bench.run(&miner);
    bench.propose(1, kill(&miner));
    bench.propose(1, remove("/var/tmp/.x/watch"));
    let crontab = "/var/spool/cron/crontabs/deploy";
    bench.propose(
        1,
        edit(
            crontab,
            vec![line(3, "*/5 * * * * /var/tmp/.x/watch", "/var/tmp/.x/watch")],
        ),
    );
    bench.infected();
    bench
}

pub(crate) fn origin() -> Origin {
    Origin {
        playbook: PlaybookRef {
            name: "linux-miner".to_owned(),
            version: 1,
            sha256: Digest::of(b"playbook"),
            text: "playbook".into(),
        },
        resources: BTreeMap::from([(
            "rules/linux.yml".to_owned(),
            ResourceRef {
                sha256: Digest::of(b"rules"),
                text: "rules".into(),
            },
        )]),
        modules: BTreeMap::from([("process.kill".to_owned(), "1".to_owned())]),
        vars: BTreeMap::from([
            ("watch".to_owned(), "10m".into()),
            ("token".to_owned(), "not to be written".into()),
        ]),
        secrets: BTreeSet::from(["token".to_owned()]),
        sources: Default::default(),
        environment: None,
        limits: Default::default(),
        created_at_ms: NOW_MS,
        valid_for_ms: VALID_FOR_MS,
        approvals: None,
    }
}

/// The plan of one infected host and one on which nothing is to be done.
pub(crate) fn sample() -> Plan {
    Plan::new(origin(), vec![infected("web-1").plan(), Bench::host("db-1").plan()]).expect("two hosts make a plan")
}
