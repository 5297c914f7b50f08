//! Verify over a host made of data: what is there still, what comes back, and what only looks like it.

mod stub;

use deminer_engine::finding::{Bearing, Condemned};
use deminer_engine::module::Ran;
use deminer_worker::query::{
    Blocked, Blocks, Dropped, FileKind, HostError, Ownership, Peer, Process, Query, Sighting, WatchedLine,
};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};
use serde_json::{Value, json};
use stub::{
    Scene, StubHost, condemned_file, condemned_line, condemned_link, condemned_process, process, run, socket, stat,
};

const SPOOL: &str = "/var/spool/cron/crontabs/deploy";
const CRONTAB: &str = "0 3 * * * backup\n*/5 * * * * /tmp/.x/run\n";

fn miner(pid: u32) -> Process {
    process(pid, "/tmp/.x/run", b"miner", &["run"])
}

fn perl(pid: u32, argv: &[&str]) -> Process {
    process(pid, "/usr/bin/perl", b"perl", argv)
}

fn owned(package: &str) -> Ownership {
    Ownership::Owned {
        package: package.to_owned(),
    }
}

fn peer(address: &str) -> Peer {
    Peer {
        address: address.to_owned(),
        port: 3333,
    }
}

/// A clean host: the miner, its file and its line are gone.
fn cleaned() -> Scene {
    Scene::default()
        .file(SPOOL, "0 3 * * * backup\n")
        .file("/usr/bin/perl", "perl")
        .owned("/usr/bin/perl", owned("perl-base"))
        .runs(process(1, "/usr/lib/systemd/systemd", b"systemd", &["/sbin/init"]))
}

fn incident() -> Vec<Condemned> {
    vec![
        condemned_process(&miner(30)),
        condemned_process(&perl(31, &["perl", "/tmp/.x/guard.pl"])),
        condemned_file("/tmp/.x/run", "miner"),
        condemned_line(SPOOL, CRONTAB, 2),
    ]
}

async fn gone(scene: Scene) -> Value {
    let with = json!({ "artifacts": incident() });
    let ran = run("verify.gone", &scene.host(), with).await.expect("a look");
    assert!(ran.findings.is_empty());
    ran.output
}

/// What starts it: a script with its link, a file of its own.
fn doors() -> Vec<Condemned> {
    vec![
        condemned_file("/etc/init.d/sysupd", "#!/bin/sh\n/tmp/.x/run\n"),
        condemned_link("/etc/rc3.d/S99sysupd", "../init.d/sysupd"),
        condemned_file("/etc/cron.hourly/sysupd", "#!/bin/sh\n/tmp/.x/run\n"),
    ]
}

#[tokio::test]
async fn gone_sees_scripts_and_links() {
    type Change = fn(Scene) -> Scene;
    let rows: [(&str, Change, &str); 5] = [
        ("nothing", |scene| scene, "false"),
        (
            "another link there",
            |scene| scene.link("/etc/rc3.d/S99sysupd", "../init.d/shop"),
            "false",
        ),
        (
            "the link",
            |scene| scene.link("/etc/rc3.d/S99sysupd", "../init.d/sysupd"),
            "true link!",
        ),
        (
            "the script",
            |scene| scene.file("/etc/init.d/sysupd", "#!/bin/sh\n/tmp/.x/run\n"),
            "true file!",
        ),
        (
            "another script there",
            |scene| scene.file("/etc/init.d/sysupd", "#!/bin/sh\n"),
            "false",
        ),
    ];
    for (name, change, expected) in rows {
        let with = json!({ "artifacts": doors() });
        let ran = run("verify.gone", &change(cleaned()).host(), with)
            .await
            .expect("a look");
        let found = &ran.output["found"];
        let seen = ran.output["rows"].as_array().expect("rows").iter().map(|row| {
            let certain = if row["certain"] == json!(true) { "!" } else { "?" };
            format!(" {}{certain}", row["seen"].as_str().expect("a word"))
        });
        assert_eq!(format!("{found}{}", seen.collect::<String>()), expected, "{name}");
    }
}

#[tokio::test]
async fn quiet_sees_what_starts_it_again() {
    type Change = fn(&mut Scene);
    let rows: [(&str, Change, &str); 7] = [
        ("nothing", |_| {}, "clean 10000"),
        (
            "the link",
            |scene| scene.put_link("/etc/rc3.d/S99sysupd", "../init.d/sysupd"),
            "returned 10000 link!",
        ),
        (
            "the link under another name",
            |scene| scene.put_link("/etc/rc3.d/S98x", "../init.d/sysupd"),
            "returned 10000 starter!",
        ),
        (
            "the script in another place",
            |scene| scene.put("/etc/cron.daily/x", "#!/bin/sh\n/tmp/.x/run\n"),
            "returned 10000 starter!",
        ),
        (
            "a line in a home",
            |scene| scene.put("/home/deploy/.bashrc", "/etc/init.d/sysupd start\n"),
            "returned 10000 starter!",
        ),
        (
            "a good line in a home",
            |scene| scene.put("/home/deploy/.bashrc", "/usr/bin/clear # /etc/init.d/sysupd\n"),
            "clean 10000",
        ),
        (
            "a good script",
            |scene| scene.put("/etc/cron.daily/x", "#!/bin/sh\n/usr/bin/backup\n"),
            "clean 10000",
        ),
    ];
    for (name, change, expected) in rows {
        let host = cleaned().host_that(move |scene, _| {
            change(scene);
            Ok((Vec::new(), 0))
        });
        let with = json!({"artifacts": doors(), "window": "10s"});
        let ran = run("verify.quiet", &host, with).await.expect("an outcome");
        assert_eq!(word(&ran), expected, "{name}");
    }
}

async fn quiet(host: &StubHost, window: &str) -> Ran {
    let with = json!({
        "artifacts": incident(),
        "remotes": [peer("198.51.100.7")],
        "window": window,
    });
    run("verify.quiet", host, with).await.expect("an outcome")
}

/// The word, the covered time, and each row's kind and certainty.
fn word(ran: &Ran) -> String {
    let rows: Vec<String> = ran.output["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            format!(
                "{}{}",
                row["seen"].as_str().expect("a kind"),
                if row["certain"] == true { "!" } else { "?" }
            )
        })
        .collect();
    let text = format!(
        "{} {} {}",
        ran.output["seen"].as_str().expect("a word"),
        ran.output["covered_ms"],
        rows.join(" ")
    );
    text.trim_end().to_owned()
}

fn bearings(ran: &Ran) -> Vec<Bearing> {
    ran.findings.iter().map(|finding| finding.bearing).collect()
}

fn watches(host: &StubHost) -> Vec<u64> {
    let asked = host.asked.lock().expect("no panic");
    asked
        .iter()
        .filter_map(|query| match query {
            Query::Watch(watch) => Some(watch.for_ms),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn gone_says_what_is_still_there() {
    let there = cleaned()
        .runs(miner(30))
        .runs(miner(77))
        .runs(perl(31, &["perl", "/tmp/.x/guard.pl"]))
        .file("/tmp/.x/run", "miner")
        .file(SPOOL, CRONTAB);
    insta::assert_json_snapshot!(gone(there).await);
}

#[tokio::test]
async fn gone_is_silent_about_what_only_looks_like_it() {
    let mut zombie = miner(30);
    zombie.state = "Z".to_owned();
    zombie.exe = None;
    // The pid of the miner, another process.
    let mut heir = process(30, "/usr/sbin/cron", b"cron", &["cron"]);
    heir.start_ticks.0 += 1;
    let alike = cleaned()
        .runs(zombie)
        .runs(heir)
        .runs(perl(80, &["perl", "/usr/bin/ack"]))
        .file("/tmp/.x/run", "a harmless file of that name")
        .file(SPOOL, "0 3 * * * backup\n# */5 * * * * /tmp/.x/run\n");
    assert_eq!(gone(alike).await, json!({"found": false, "rows": []}));
}

#[tokio::test]
async fn a_process_whose_first_thread_ended_is_not_gone() {
    let (mut same, mut alike, mut unread) = (miner(30), miner(77), miner(78));
    for process in [&mut same, &mut alike, &mut unread] {
        process.state = "Z".to_owned();
        process.threads = 3;
    }
    unread.exe = None;
    for (process, expected) in [(same, "process"), (alike, "executable"), (unread, "unseen")] {
        let told = gone(cleaned().runs(process)).await;
        assert_eq!(told["rows"][0]["seen"], expected);
    }
}

#[tokio::test]
async fn gone_never_takes_an_unreadable_place_for_an_empty_one() {
    let mut unread = cleaned().file("/tmp/.x/run", "miner");
    unread.files.get_mut("/tmp/.x/run").expect("is there").stat.sha256 = None;
    let mut hidden = process(40, "/tmp/x", b"?", &["x"]);
    hidden.exe = None;
    insta::assert_json_snapshot!(gone(unread.runs(hidden)).await);
}

#[tokio::test]
async fn a_quiet_window_is_said_with_its_length() {
    let host = cleaned().host();
    let ran = quiet(&host, "25s").await;
    assert_eq!(word(&ran), "clean 25000");
    assert_eq!(watches(&host), [10_000, 10_000, 5_000]);
    insta::assert_json_snapshot!(ran.findings);
}

#[tokio::test]
async fn time_that_nobody_watched_does_not_count() {
    let host = cleaned().host_that(|_, _| Ok((Vec::new(), 60_000)));
    let ran = quiet(&host, "1m").await;
    assert_eq!(word(&ran), "cannot_say 30000");
    assert_eq!(bearings(&ran), [Bearing::Quiet]);
    assert_eq!(ran.findings[0].fields["covered_ms"], "30000");
}

#[tokio::test]
async fn a_lost_link_is_never_quiet() {
    let host = cleaned().host_that(|_, turn| match turn {
        0 => Ok((Vec::new(), 0)),
        _ => Err(HostError::Lost {
            why: "the link ended".to_owned(),
        }),
    });
    let ran = quiet(&host, "1m").await;
    assert_eq!(word(&ran), "cannot_say 10000");
    assert!(ran.findings.is_empty());
    assert!(ran.coverage.material().next().is_some());
}

#[tokio::test]
async fn what_a_watch_sees_ends_it() {
    type Case = (&'static str, fn(&mut Scene) -> Sighting, &'static str);
    let cases: [Case; 5] = [
        (
            "a process",
            |scene| {
                scene.processes.push(miner(77));
                sighting(&miner(77))
            },
            "returned 20000 executable!",
        ),
        (
            "a process that ended again",
            |_| sighting(&miner(77)),
            "returned 20000 executable!",
        ),
        (
            "a file",
            |scene| {
                scene.put("/tmp/.x/run", "another miner");
                Sighting::File {
                    stat: stat("/tmp/.x/run", b"another miner"),
                }
            },
            "returned 20000 file!",
        ),
        (
            "a line",
            |scene| {
                scene.put(SPOOL, CRONTAB);
                Sighting::Line {
                    line: WatchedLine {
                        path: HostPath::from(SPOOL),
                        line: HostBytes::from("*/5 * * * * /tmp/.x/run"),
                    },
                }
            },
            "returned 20000 line!",
        ),
        (
            "a connection",
            |scene| {
                scene
                    .sockets
                    .push(socket(40_000, Some(("198.51.100.7", 3333)), "established", &[1]));
                Sighting::Connected {
                    remote: peer("198.51.100.7"),
                    owners: vec![1],
                }
            },
            "returned 20000 connection!",
        ),
    ];
    for (name, change, expected) in cases {
        let host = cleaned().host_that(move |scene, turn| {
            let sightings = if turn == 1 { vec![change(scene)] } else { Vec::new() };
            Ok((sightings, 0))
        });
        let ran = quiet(&host, "10m").await;
        assert_eq!(word(&ran), expected, "{name}");
        assert_eq!(bearings(&ran), [Bearing::Returned], "{name}");
        assert_eq!(watches(&host).len(), 2, "{name}");
    }
}

fn sighting(process: &Process) -> Sighting {
    Sighting::Running {
        pid: process.pid,
        start_ticks: process.start_ticks,
        ppid: process.ppid,
        sha256: process.exe.as_ref().and_then(|exe| exe.sha256).expect("hashed"),
        comm: process.comm.clone(),
    }
}

#[tokio::test]
async fn what_a_watch_sees_may_be_harmless() {
    type Case = (&'static str, fn(&mut Scene) -> Vec<Sighting>);
    let cases: [Case; 4] = [
        ("the interpreter at other work", |scene| {
            scene.processes.push(perl(80, &["perl", "/usr/bin/ack"]));
            vec![sighting(&perl(80, &["perl", "/usr/bin/ack"]))]
        }),
        ("a file that its package put back", |scene| {
            scene.put("/tmp/.x/run", "packaged");
            scene.packages.insert("/tmp/.x/run".to_owned(), owned("run"));
            vec![Sighting::File {
                stat: stat("/tmp/.x/run", b"packaged"),
            }]
        }),
        ("a directory of that name", |scene| {
            scene.put("/tmp/.x/run", "");
            scene.files.get_mut("/tmp/.x/run").expect("is there").stat.kind = FileKind::Directory;
            vec![Sighting::File {
                stat: stat("/tmp/.x/run", b""),
            }]
        }),
        ("a connection that nobody holds any more", |scene| {
            let mut left = socket(40_000, Some(("198.51.100.7", 3333)), "fin_wait1", &[]);
            left.inode.0 = 0;
            scene.sockets.push(left);
            vec![Sighting::Connected {
                remote: peer("198.51.100.7"),
                owners: Vec::new(),
            }]
        }),
    ];
    for (name, change) in cases {
        let host = cleaned().host_that(move |scene, turn| {
            let sightings = if turn == 0 { change(scene) } else { Vec::new() };
            Ok((sightings, 0))
        });
        let ran = quiet(&host, "30s").await;
        assert_eq!(word(&ran), "clean 30000", "{name}");
    }
}

#[tokio::test]
async fn an_interpreter_is_known_by_its_command_line() {
    let host = cleaned().host_that(|scene, turn| {
        if turn == 1 {
            scene.processes.push(perl(90, &["perl", "/tmp/.x/guard.pl"]));
        }
        Ok((Vec::new(), 0))
    });
    let ran = quiet(&host, "10m").await;
    assert_eq!(word(&ran), "returned 20000 executable!");
    let asked = host.asked.lock().expect("no panic");
    let first = asked.iter().find_map(|query| match query {
        Query::Watch(watch) => Some(watch.executables.clone()),
        _ => None,
    });
    assert_eq!(first, Some(vec![Digest::of(b"miner")]));
}

#[tokio::test]
async fn what_the_last_look_finds_came_back() {
    type Case = (&'static str, fn(&mut Scene), &'static str);
    let cases: [Case; 8] = [
        (
            "a line that starts the file",
            |scene| scene.put("/etc/cron.d/x", "@daily root /tmp/.x/run -q\n"),
            "returned 10000 starter!",
        ),
        (
            "the line in another file",
            |scene| scene.put("/var/spool/cron/crontabs/root", "*/5 * * * * /tmp/.x/run\n"),
            "returned 10000 starter!",
        ),
        (
            "a library",
            |scene| scene.put("/etc/ld.so.preload", "/tmp/.x/run\n"),
            "returned 10000 starter!",
        ),
        (
            "another line of cron",
            |scene| scene.put("/etc/cron.d/x", "@daily root /usr/bin/backup\n"),
            "clean 10000",
        ),
        (
            "a new program that calls out",
            |scene| {
                scene.processes.push(process(50, "/tmp/new", b"new", &["new"]));
                scene
                    .sockets
                    .push(socket(40_001, Some(("203.0.113.5", 443)), "syn_sent", &[50]));
            },
            "returned 10000 outbound!",
        ),
        (
            "a packaged program that calls out",
            |scene| {
                scene.processes.push(perl(51, &["perl", "-v"]));
                scene
                    .sockets
                    .push(socket(40_001, Some(("203.0.113.5", 443)), "established", &[51]));
            },
            "clean 10000",
        ),
        (
            "somebody who calls in",
            |scene| {
                scene.processes.push(process(50, "/opt/app", b"new", &["new"]));
                scene.sockets.push(socket(8080, None, "listen", &[50]));
                scene
                    .sockets
                    .push(socket(8080, Some(("203.0.113.5", 50_000)), "established", &[50]));
            },
            "clean 10000",
        ),
        (
            "a call that nobody owns",
            |scene| {
                scene
                    .sockets
                    .push(socket(40_001, Some(("203.0.113.5", 443)), "established", &[]));
            },
            "cannot_say 10000 outbound?",
        ),
    ];
    for (name, change, expected) in cases {
        let host = cleaned().host_that(move |scene, _| {
            change(scene);
            Ok((Vec::new(), 0))
        });
        assert_eq!(word(&quiet(&host, "10s").await), expected, "{name}");
    }
}

#[tokio::test]
async fn what_ran_and_talked_before_goes_on() {
    let app = process(50, "/opt/app", b"app", &["app"]);
    let host = cleaned()
        .runs(app)
        .talks(socket(40_001, Some(("203.0.113.5", 5432)), "established", &[50]))
        .host_that(|scene, _| {
            scene.processes.push(process(51, "/opt/app", b"app", &["app", "-w"]));
            scene
                .sockets
                .push(socket(40_002, Some(("203.0.113.6", 5432)), "established", &[51]));
            Ok((Vec::new(), 0))
        });
    assert_eq!(word(&quiet(&host, "10s").await), "clean 10000");
}

#[tokio::test]
async fn who_hides_and_talks_before_the_watch_is_no_quiet() {
    let named = |exe: &str| process(50, exe, b"second", &["x"]);
    let mut deleted = named("/opt/app");
    deleted.exe.as_mut().expect("it runs a file").deleted = true;
    let mut scripted = perl(50, &["perl", "/tmp/.y/x.pl"]);
    scripted.script = Some(stat("/tmp/.y/x.pl", b"script"));
    let cases = [
        (
            "a temporary place",
            named("/tmp/y"),
            "established",
            "cannot_say 10000 hiding?",
        ),
        (
            "a hidden place",
            named("/usr/lib/.y/y"),
            "syn_sent",
            "cannot_say 10000 hiding?",
        ),
        ("no name", deleted, "established", "cannot_say 10000 hiding?"),
        ("a script there", scripted, "established", "cannot_say 10000 hiding?"),
        ("an application", named("/opt/app"), "established", "clean 10000"),
        ("nothing open", named("/tmp/y"), "close_wait", "clean 10000"),
    ];
    for (name, owner, state, expected) in cases {
        let host = cleaned()
            .runs(owner)
            .talks(socket(40_001, Some(("203.0.113.5", 443)), state, &[50]))
            .host();
        let ran = quiet(&host, "10s").await;
        assert_eq!(word(&ran), expected, "{name}");
        let is_quiet = bearings(&ran) == [Bearing::Quiet];
        assert_eq!(is_quiet, expected.starts_with("clean"), "{name}");
        let mut packaged = cleaned()
            .runs(named("/tmp/y"))
            .file("/tmp/y", "second")
            .owned("/tmp/y", owned("y"));
        packaged = packaged.talks(socket(40_001, Some(("203.0.113.5", 443)), state, &[50]));
        assert_eq!(word(&quiet(&packaged.host(), "10s").await), "clean 10000", "{name}");
    }
}

#[tokio::test]
async fn a_line_left_for_a_person_did_not_come_back_but_is_not_quiet() {
    let host = cleaned()
        .file("/etc/cron.d/mixed", "@daily root backup; /tmp/.x/run\n")
        .host();
    let ran = quiet(&host, "10s").await;
    assert_eq!(word(&ran), "cannot_say 10000 starter?");
    assert_eq!(bearings(&ran), [Bearing::Review]);
}

#[tokio::test]
async fn what_never_went_is_told_before_any_watch() {
    let host = cleaned().runs(miner(30)).host();
    let ran = quiet(&host, "10m").await;
    assert_eq!(word(&ran), "returned 0 process!");
    assert!(watches(&host).is_empty());
    assert_eq!(ran.findings[0].sentence(), "pid 30 `run` still runs");
}

#[tokio::test]
async fn a_window_out_of_range_is_refused() {
    let with = json!({"artifacts": [], "window": "0s"});
    let error = run("verify.quiet", &cleaned().host(), with)
        .await
        .expect_err("too short");
    assert_eq!(error.to_string(), "parameter `window`: `0s` is outside of 1s to 7d");
}

#[tokio::test]
async fn who_still_tries_a_blocked_address_is_told_after_the_last_words() {
    // Packets dropped before the n-th step of ten seconds; the kernel's own last words end within three minutes.
    type Row<'a> = (&'a str, &'a str, &'a dyn Fn(usize) -> u64, &'a str);
    let rows: [Row<'_>; 4] = [
        ("nobody", "10m", &|_| 0, "clean 600000"),
        ("last words", "10m", &|step| step.min(12) as u64, "clean 600000"),
        ("still tries", "10m", &|step| step as u64, "cannot_say 600000 dropped?"),
        ("too short to tell", "2m", &|step| step as u64, "clean 120000"),
    ];
    for (name, window, sent, expected) in rows {
        let sent: Vec<u64> = (0..100).map(sent).collect();
        let blocks = |sent: u64| Blocks {
            addresses: vec![Blocked {
                address: "198.51.100.7".to_owned(),
                left_ms: Wide(86_000_000),
            }],
            dropped: Dropped {
                output: Wide(sent),
                ..Dropped::default()
            },
            ..Blocks::default()
        };
        let host = cleaned().host_that(move |scene, step| {
            scene.blocks = Some(Ok(blocks(sent[step])));
            Ok((Vec::new(), 0))
        });
        assert_eq!(word(&quiet(&host, window).await), expected, "{name}");
    }
}

/// A host with a process that nothing explains and one of a package, each with CPU time in milliseconds.
fn two_that_work(unknown_ms: u64, packaged_ms: u64) -> Scene {
    let with = |process: Process, cpu_ms| Process {
        cpu_ms: Wide(cpu_ms),
        ..process
    };
    cleaned()
        .runs(with(process(40, "/opt/shop/run", b"shop", &["run"]), unknown_ms))
        .runs(with(perl(41, &["perl"]), packaged_ms))
}

#[tokio::test]
async fn what_works_only_while_nobody_is_there_is_told() {
    type Alone = fn(&mut Scene);
    fn works(scene: &mut Scene, pid: u32, ms: u64) {
        let process = scene.processes.iter_mut().find(|process| process.pid == pid);
        let process = process.expect("it is there");
        process.cpu_ms = Wide(process.cpu_ms.0 + ms);
    }
    // The window is a minute: six seconds alone.
    let rows: [(&str, Alone, u64, &str); 8] = [
        ("nothing", |_| {}, 0, "clean 60000"),
        ("rests", |scene| works(scene, 40, 1_400), 0, "clean 60000"),
        ("works", |scene| works(scene, 40, 5_900), 0, "cannot_say 60000 awake?"),
        (
            "worked before too",
            |scene| works(scene, 40, 5_900),
            55_000,
            "clean 60000",
        ),
        ("a packaged program", |scene| works(scene, 41, 5_900), 0, "clean 60000"),
        (
            "one that began",
            |scene| {
                let mut born = process(42, "/opt/shop/job", b"job", &["job"]);
                born.cpu_ms = Wide(3_000);
                scene.processes.push(born);
            },
            0,
            "cannot_say 60000 awake?",
        ),
        (
            "a file",
            |scene| scene.put("/tmp/.x/run", "miner"),
            0,
            "returned 60000 file!",
        ),
        (
            "a connection",
            |scene| {
                scene
                    .sockets
                    .push(socket(40_000, Some(("198.51.100.7", 3333)), "established", &[40]))
            },
            0,
            "returned 60000 connection!",
        ),
    ];
    for (name, alone, watched_ms, expected) in rows {
        let host = two_that_work(1_000, 1_000).host_that(move |scene, step| {
            if step == 0 {
                works(scene, 40, watched_ms);
            }
            Ok((Vec::new(), 0))
        });
        let ran = quiet(&host.that_is_left(alone), "1m").await;
        assert_eq!(word(&ran), expected, "{name}");
        assert_eq!(ran.output["away_ms"], 6_000, "{name}");
    }
    let stays = quiet(&two_that_work(0, 0).host(), "1m").await;
    assert_eq!(
        (word(&stays).as_str(), &stays.output["away_ms"]),
        ("clean 60000", &json!(0))
    );
}
