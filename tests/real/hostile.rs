//! Hosts that an intruder has made his own: what speaks there is not what was sent. The controller holds little, writes only
//! where it should, finishes the other hosts and names the reason.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use deminer_engine::host::{HELD_BYTES, HELD_ONCE_BYTES};
use deminer_worker::frame::PROTOCOL;
use serde_json::Value;

use crate::common::command::{Answer, Running};
use crate::common::machine::wait_until;
use crate::infected::case::Moments;
use crate::infected::processes;
use crate::site::{LONG, Site, left_of_us, status};
use crate::world::World;
use crate::world::host::Host;
use crate::world::snapshot::Snapshot;

/// What speaks on a host that took the worker.
const EVIL: &str = include_str!("evil.pl");

/// Hosts at once, and how long one may take.
const AT_ONCE: usize = 4;
const HOST_TIME: &str = "90s";

/// What a command holds before it has heard of any host, and what it makes of the good ones.
const OWN_BYTES: usize = 256 << 20;

/// The login of these never gets as far as our script.
const FORCED: [(&str, &str); 3] = [
    ("zeros", "cat /dev/zero"),
    ("silent", "sleep 600"),
    ("lines", "yes ../../../etc/passwd"),
];

/// What these say instead of a worker, and what is said of it; of who says nothing, whichever limit comes first.
const SPEAKING: [(&str, &str); 12] = [
    ("mute", ""),
    ("dumb", "longer than"),
    ("bytes", "a frame of 1094795585 bytes"),
    ("frames", "longer than"),
    ("four", "a frame of 4294967295 bytes"),
    (
        "invalid",
        r"unknown variant `\x1b[2J\xe2\x80\xae../../../etc/passwd\x07`",
    ),
    ("older", r"version 99 (Deminer \x1b]0;x\x07../../../root)"),
    ("parts-1", "in too many parts"),
    ("parts-2", "in too many parts"),
    ("parts-3", "in too many parts"),
    ("long", "a reason of 1677"),
    ("reason", "../../../root/x"),
];

/// Lets another program speak once our script has taken the worker, found it whole and said so.
fn possess(host: &Host<'_>, kind: &str) {
    let evil = "/usr/local/bin/evil";
    host.write(evil, EVIL.replace("PROTOCOL", &PROTOCOL.to_string()), 0o755);
    let change = format!("s,exec \"$f\" worker \"$d\",exec {evil} {kind} \"$f\" \"$d\",");
    let instead = format!("#!/bin/sh\neval \"$(printf %s \"$SSH_ORIGINAL_COMMAND\" | sed '{change}')\"\n");
    host.write("/usr/local/bin/instead", instead, 0o755);
    force(host, "/usr/local/bin/instead");
}

/// Whatever is asked for, a login runs this.
fn force(host: &Host<'_>, command: &str) {
    host.write(
        "/etc/ssh/sshd_config.d/force.conf",
        format!("ForceCommand {command}\n"),
        0o644,
    );
    host.sh("systemctl restart ssh");
}

/// All of a host but what runs change by themselves: where our runs are, what a login leaves, what the host's own services
/// write.
fn written(host: &Host<'_>) -> Snapshot {
    let left_out = [
        "/var/log",
        "/var/lib/systemd",
        "/run/deminer-test",
        "/run/systemd",
        "/run/log",
        "/run/udev",
    ];
    host.snapshot(
        &["/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var"],
        &left_out,
    )
}

/// The most memory that a process held so far, in bytes.
fn most_memory(host: &Host<'_>, exe: &str) -> usize {
    let most = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
        number.unwrap_or(0) << 10
    };
    let most = host.running(exe).into_iter().map(|seen| most(seen.process.pid)).max();
    most.unwrap_or(0)
}

/// The end of a command, and the most that it held.
fn watched(control: &Host<'_>, mut running: Running) -> (Answer, usize) {
    let mut most = 0;
    let ended = wait_until(LONG + LONG, || {
        most = most.max(most_memory(control, "/run/deminer-test/deminer"));
        running.has_ended()
    });
    assert!(ended, "it ends");
    (running.answer_within(LONG + LONG), most)
}

#[test]
fn hosts_that_are_somebody_elses_harm_nobody_but_themselves() {
    let Some(world) = World::new("hostile") else { return };
    let mut names = vec!["web-1", "web-2", "liar", "keeper"];
    names.extend(FORCED.iter().chain(&SPEAKING).map(|(name, _)| *name));
    let site = Site::open(&world, &names);
    let hosts: BTreeMap<&str, &Host<'_>> = site.hosts.iter().map(|host| (&*host.name, host)).collect();
    let infected = [hosts["web-1"], hosts["web-2"], hosts["liar"], hosts["keeper"]];
    let cases = infected.map(processes::plain);
    for (host, case) in infected.iter().zip(&cases) {
        host.wait("the miner", || case.missing(host).is_empty());
    }
    for (name, command) in FORCED {
        force(hosts[name], command);
    }
    for name in SPEAKING.iter().map(|(name, _)| *name).chain(["liar", "keeper"]) {
        possess(hosts[name], name.split('-').next().expect("a kind"));
    }

    let deminer = site.control.deminer();
    let before = written(&site.control);
    let logins = site.names();
    let at_once = AT_ONCE.to_string();
    let pools = format!("pools=[\"{}\"]", processes::POOL);
    let mut words = vec![
        "plan",
        "linux-miner",
        "--host-timeout",
        HOST_TIME,
        "--at-once",
        &at_once,
    ];
    words.extend(["--set", "sample=1s", "--set", &pools, "--format", "json"]);
    words.extend(logins.iter().map(String::as_str));
    let began = Instant::now();
    let (answer, most) = watched(&site.control, deminer.start(&words));
    let took = began.elapsed();
    let answer = answer.expect(7);
    let plan = answer.json();

    let limit = OWN_BYTES + AT_ONCE * HELD_BYTES + HELD_ONCE_BYTES;
    assert!((1..limit).contains(&most), "the command held {most} bytes, of {limit}");
    assert!(took < Duration::from_secs(450), "{took:?}");
    let left = plan["not_planned"].as_array().expect("a list");
    let why = |name: &str| {
        let of = |left: &&Value| left["host"] == hosts[name].address.as_str();
        left.iter().find(of).and_then(|left| left["why"].as_str())
    };
    for (name, _) in FORCED {
        let why = why(name).unwrap_or_else(|| panic!("`{name}` is not told: {plan:#}"));
        assert!(!why.is_empty() && why.len() < 600, "`{name}`: {why}");
    }
    for (name, said) in SPEAKING {
        let took = hosts[name].text("/run/spoke");
        assert!(
            took.trim().parse::<u64>().is_ok_and(|bytes| bytes > 1 << 20),
            "`{name}` got {took} bytes"
        );
        let why = why(name).unwrap_or_else(|| panic!("`{name}` is not told: {plan:#}"));
        assert!(why.contains(said) && (1..1000).contains(&why.len()), "`{name}`: {why}");
    }
    for name in ["web-1", "web-2"] {
        assert_eq!(why(name), None, "{plan:#}");
    }

    // Those that were planned are applied: good ones, one that lies of who it is, and one that lies of what it gives away.
    let hash = &plan["hash"].as_str().expect("a hash")[..16];
    let words = [
        "apply",
        hash,
        "--approve",
        hash,
        "--watch",
        "5s",
        "--host-timeout",
        "120s",
        "--format",
        "json",
    ];
    let (answer, most) = watched(&site.control, deminer.start(&words));
    assert!((1..limit).contains(&most), "the command held {most} bytes, of {limit}");
    let report = answer.json();
    for (name, case) in ["web-1", "web-2"].iter().zip(&cases) {
        assert_eq!(*status(&report, &hosts[name].address), "eradicated", "{report:#}");
        assert_eq!(case.left(hosts[name], Moments::NEVER), Vec::<String>::new());
        assert_eq!(left_of_us(hosts[name]), Vec::<String>::new());
    }
    for name in ["liar", "keeper"] {
        // What is told of them is their own word; that it is told does not harm.
        assert!(status(&report, &hosts[name].address).is_string(), "{report:#}");
    }
    for words in [&["report"][..], &["report", "--format", "markdown"], &["show", hash]] {
        // That nothing in it moves a terminal is held by the bench.
        let told = deminer.run(words);
        assert!(!told.out.contains('\u{202e}') && told.out.len() < 1 << 20, "{told}");
    }
    let mut changes = before.changes(&written(&site.control));
    // There the sockets of ssh were meanwhile.
    changes.retain(|change| !change.starts_with("/tmp: "));
    assert_eq!(changes, Vec::<String>::new(), "it writes nowhere but among its runs");
    let runs = site
        .control
        .sh("du -s --block-size=1M /run/deminer-test/runs; find /run/deminer-test/runs -name '*pwned*'");
    let mebibytes: u64 = runs
        .split_whitespace()
        .next()
        .and_then(|size| size.parse().ok())
        .expect("a size");
    assert!(mebibytes < 200 && runs.lines().count() == 1, "{runs}");
}
