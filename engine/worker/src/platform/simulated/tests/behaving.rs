//! What the host does by itself.

use super::*;

fn miners(host: &Simulated) -> Vec<u32> {
    let snapshot = host.snapshot();
    let running = snapshot
        .processes
        .iter()
        .filter(|(_, p)| p.exe == Some(path("/tmp/m")) && p.life == Life::Running);
    running.map(|(pid, _)| *pid).collect()
}

fn kill(host: &Simulated, pid: u32) {
    let process = process(host, pid);
    assert!(matches!(host.act(&Act::Kill { process }), Ok(Done::Changed { .. })));
}

#[test]
fn a_guardian_starts_again_within_its_delay() {
    let host = host(GUARDED);
    let before = process(&host, 11);
    kill(&host, 11);
    host.pass(49);
    assert_eq!(miners(&host), [] as [u32; 0]);
    host.pass(2);
    assert_eq!(miners(&host), [901]);
    let again = process(&host, 901);
    assert_eq!(
        (again.exe_sha256, again.argv_sha256),
        (before.exe_sha256, before.argv_sha256)
    );
    assert_ne!(again.exe, before.exe);
    assert!(stat(&host, "/tmp/m").is_none(), "its name is taken away at once");
    let Answer::Sockets(sockets) = ask(&host, Query::Sockets {}).value else {
        panic!("sockets")
    };
    assert_eq!(sockets.iter().map(|s| s.owners.clone()).collect::<Vec<_>>(), [[901]]);
}

#[test]
fn a_guardian_that_stands_still_or_is_dead_does_nothing() {
    let host = host(GUARDED);
    let guardian = process(&host, 10);
    host.arm().expect("a keeper");
    assert!(matches!(
        host.act(&Act::Freeze {
            process: guardian.clone()
        }),
        Ok(Done::Changed { .. })
    ));
    kill(&host, 11);
    host.pass(10_000);
    assert_eq!(miners(&host), [] as [u32; 0], "frozen");
    host.thaw(&guardian).expect("thawed");
    host.pass(60);
    assert_eq!(miners(&host), [901], "thawed");
    kill(&host, 10);
    kill(&host, 901);
    host.pass(10_000);
    assert_eq!(miners(&host), [] as [u32; 0], "dead");
}

#[test]
fn a_guardian_without_its_copy_has_nothing_to_start() {
    let host = host(GUARDED);
    let file = file(&host, "/tmp/.copy");
    assert!(matches!(host.act(&Act::RemoveFile { file }), Ok(Done::Changed { .. })));
    kill(&host, 11);
    host.pass(1000);
    assert_eq!(miners(&host), [] as [u32; 0]);
}

#[test]
fn guardians_guard_each_other() {
    let host = host(
        r#"{"files": [{"path": "/a", "content": "a", "mode": "0755"}, {"path": "/b", "content": "b", "mode": "0755"}],
            "processes": [{"pid": 10, "exe": "/a"}, {"pid": 11, "exe": "/b"}],
            "guardians": [{"process": 10, "watches": "/b"}, {"process": 11, "watches": "/a", "max": 1}]}"#,
    );
    for (pid, running) in [
        (11, [1, 10, 900, 901].as_slice()),
        (10, &[1, 900, 901, 902]),
        (902, &[1, 900, 901]),
    ] {
        kill(&host, pid);
        host.pass(500);
        assert_eq!(host.snapshot().running(), running, "after {pid}");
    }
}

#[test]
fn a_parent_may_notice_a_stop() {
    let host = host(&GUARDED.replace(r#""watches""#, r#""notices_stop": true, "watches""#));
    host.arm().expect("a keeper");
    let process = process(&host, 11);
    host.act(&Act::Freeze { process }).expect("frozen");
    host.pass(100);
    assert_eq!(miners(&host), [901]);
}

const SCHEDULED: &str = r#"{
    "files": [{"path": "/cron/deploy", "content": "good\n* * * * * /tmp/m\n"}],
    "processes": [{"pid": 10, "exe": "/usr/sbin/cron"}],
    "cron": [{"scheduler": 10, "file": "/cron/deploy", "command": "/tmp/m", "exe": "/tmp/m", "content": "miner"}],
    "host_time_ms": 1794623790000
}"#;

#[test]
fn cron_fires_over_the_minute() {
    let host = host(SCHEDULED);
    host.pass(29_999);
    assert_eq!(miners(&host).len(), 0);
    host.pass(1);
    assert_eq!(miners(&host).len(), 1);
    host.pass(120_000);
    assert_eq!(miners(&host).len(), 3);
    let file = file(&host, "/cron/deploy");
    let remove = vec![line(2, "* * * * * /tmp/m", "/tmp/m")];
    host.act(&Act::EditLines {
        file,
        remove,
        syntax: None,
    })
    .expect("edited");
    host.pass(120_000);
    assert_eq!(miners(&host).len(), 3, "the line is gone");
}

#[test]
fn cron_that_stands_still_misses_its_minute() {
    let host = host(SCHEDULED);
    let scheduler = process(&host, 10);
    host.arm().expect("a keeper");
    host.act(&Act::Freeze {
        process: scheduler.clone(),
    })
    .expect("frozen");
    host.pass(40_000);
    host.thaw(&scheduler).expect("thawed");
    host.pass(10_000);
    assert_eq!(miners(&host).len(), 0);
}

#[test]
fn a_writer_goes_on_while_its_file_is_edited() {
    let host = host(
        r##"{"files": [{"path": "/cron/deploy", "content": "a\n* * * * * /tmp/m\nb\n", "mode": "0600", "uid": 5}],
             "writers": [{"path": "/cron/deploy", "append": "# line {n}", "every_ms": 7, "times": 40}]}"##,
    );
    let target = file(&host, "/cron/deploy");
    host.pass(20);
    let act = Act::EditLines {
        file: target,
        remove: vec![line(2, "* * * * * /tmp/m", "/tmp/m")],
        syntax: None,
    };
    assert!(matches!(
        host.act(&act),
        Ok(Done::Changed {
            undo: Undo::RestoreLines { .. }
        })
    ));
    assert_eq!(host.act(&act), Ok(Done::Gone));
    host.pass(1000);
    let written: String = (1..=40).map(|n| format!("# line {n}\n")).collect();
    let snapshot = host.snapshot();
    assert_eq!(snapshot.text("/cron/deploy"), Some(format!("a\nb\n{written}")));
    let seen = &snapshot.files[&path("/cron/deploy")];
    assert_eq!((seen.mode, seen.owner), (0o600, (5, 0)));
}

#[test]
fn an_edit_gives_up_on_a_file_that_never_rests() {
    let host = host(
        r#"{"files": [{"path": "/f", "content": "bad\n"}],
            "writers": [{"path": "/f", "append": "{n}", "every_ms": 1, "times": 1000}]}"#,
    );
    let act = Act::EditLines {
        file: file(&host, "/f"),
        remove: vec![line(1, "bad", "bad")],
        syntax: None,
    };
    assert!(matches!(host.act(&act), Err(HostError::Changed { .. })));
    assert!(host.snapshot().text("/f").expect("there").starts_with("bad\n1\n2\n"));
}

#[test]
fn a_watchdog_kills_what_stands_still_too_long() {
    let host = host(
        r#"{"processes": [{"pid": 10, "exe": "/usr/bin/service"}], "watchdogs": [{"process": 10, "after_ms": 2000}]}"#,
    );
    let process = process(&host, 10);
    host.arm().expect("a keeper");
    host.act(&Act::Freeze {
        process: process.clone(),
    })
    .expect("frozen");
    host.pass(1900);
    assert_eq!(host.snapshot().frozen(), [10]);
    host.pass(200);
    assert_eq!(host.snapshot().processes[&10].life, Life::Dead);
    assert_eq!(host.thaw(&process), Ok(()));
}
