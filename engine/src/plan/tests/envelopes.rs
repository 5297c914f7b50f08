//! What later rounds may do: never to what could be somebody else's.

use deminer_worker::action::Act;
use deminer_worker::order::{Birth, Settle};
use deminer_worker::query::{GapReason, Ownership, Process};
use deminer_worker::text::HostBytes;

use super::super::bench::{Bench, edit, freeze, kill, line, process, remove, target};
use super::super::*;
use crate::finding::{Artifact, Bearing};

fn births(bench: &Bench) -> Vec<Birth> {
    let plan = bench.plan();
    plan.orders
        .components
        .into_iter()
        .flat_map(|c| c.envelope.births)
        .collect()
}

fn is_alone(bench: &Bench) -> bool {
    let births = births(bench);
    assert_eq!(births.len(), 1, "{births:?}");
    matches!(births[0], Birth::Executable { .. })
}

#[test]
fn only_the_intruders_own_executable_is_a_predicate_alone() {
    type Change = fn(&mut Bench, &mut Process);
    let deleted: Change = |_, kw| kw.exe.as_mut().expect("has one").deleted = true;
    let rows: Vec<(&str, Change, bool)> = vec![
        ("unowned", |_, _| {}, true),
        ("unowned and deleted", deleted, true),
        (
            "owned",
            |bench, _| {
                bench.own(
                    "/tmp/kw",
                    Ownership::Owned {
                        package: "x".to_owned(),
                    },
                )
            },
            false,
        ),
        (
            "a copy of a package's file",
            |bench, _| {
                let original = "/usr/bin/perl".into();
                bench.own(
                    "/tmp/kw",
                    Ownership::Copied {
                        package: "perl".to_owned(),
                        original,
                    },
                );
            },
            false,
        ),
        (
            "a package's path",
            |bench, _| {
                bench.own(
                    "/tmp/kw",
                    Ownership::Modified {
                        package: "x".to_owned(),
                    },
                )
            },
            false,
        ),
        (
            "a package's configuration",
            |bench, _| {
                bench.own(
                    "/tmp/kw",
                    Ownership::Listed {
                        package: "x".to_owned(),
                    },
                )
            },
            false,
        ),
        (
            "no database",
            |bench, _| bench.own("/tmp/kw", Ownership::Unknown),
            false,
        ),
        (
            "no database, but the file is condemned itself",
            |bench, _| {
                bench.own("/tmp/kw", Ownership::Unknown);
                bench.propose(1, remove("/tmp/kw"));
            },
            true,
        ),
        (
            "deleted, content of a package",
            |bench, kw| {
                kw.exe.as_mut().expect("has one").deleted = true;
                let original = "/usr/bin/perl".into();
                bench.own(
                    "/proc/4242/exe",
                    Ownership::Copied {
                        package: "perl".to_owned(),
                        original,
                    },
                );
            },
            false,
        ),
        (
            "made in memory, no database",
            |bench, kw| {
                kw.exe.as_mut().expect("has one").memfd = true;
                bench.own("/proc/4242/exe", Ownership::Unknown);
            },
            false,
        ),
        (
            "in a container, content of a package there",
            |bench, kw| {
                kw.mount_namespace = Some(Wide(7));
                bench.own(
                    "/proc/4242/exe",
                    Ownership::Owned {
                        package: "x".to_owned(),
                    },
                );
            },
            false,
        ),
        ("in a container", |_, kw| kw.mount_namespace = Some(Wide(7)), true),
        (
            "somebody else runs it",
            |bench, _| bench.run(&process(77, "/tmp/kw", &["kw"])),
            false,
        ),
        (
            "somebody else may run it",
            |bench, _| {
                let mut other = process(77, "/tmp/kw", &["kw"]);
                other.exe.as_mut().expect("has one").sha256 = None;
                bench.run(&other);
            },
            false,
        ),
        (
            "its owner could not be read",
            |bench, _| bench.gaps.note("file", HostBytes::from("/tmp/kw"), GapReason::Denied),
            false,
        ),
    ];
    for (name, change, expected) in rows {
        let mut bench = Bench::new();
        let mut kw = process(4242, "/tmp/kw", &["kw"]);
        change(&mut bench, &mut kw);
        bench.run(&kw);
        bench.propose(1, kill(&kw));
        assert_eq!(is_alone(&bench), expected, "{name}");
    }
}

#[test]
fn what_ended_before_it_was_asked_is_bound_to_descent() {
    let kw = process(4242, "/tmp/kw", &["kw"]);
    let mut bench = Bench::new();
    bench.propose(1, kill(&kw));
    assert!(!is_alone(&bench));
    bench.propose(1, remove("/tmp/kw"));
    assert!(is_alone(&bench), "but its file is condemned for its own bytes");
}

#[test]
fn a_shell_must_be_the_same_line_of_the_same_descent() {
    let mut bench = Bench::new();
    let bash = process(4237, "/usr/bin/bash", &["bash", "/tmp/guard.sh"]);
    bench.run(&bash);
    let package = "bash".to_owned();
    bench.own("/usr/bin/bash", Ownership::Owned { package });
    bench.propose(1, kill(&bash));
    let expected = Birth::Descent {
        argv_sha256: target(&bash).argv_sha256,
        exe_sha256: target(&bash).exe_sha256,
    };
    assert_eq!(births(&bench), [expected]);
}

#[test]
fn births_are_counted_and_only_for_what_is_killed() {
    let mut bench = Bench::new();
    let kw = process(4242, "/tmp/kw", &["kw"]);
    bench.run(&kw);
    bench.propose(1, freeze(&kw));
    let envelope = &bench.plan().orders.components[0].envelope;
    assert_eq!((envelope.births.len(), envelope.max_births), (0, 0));
    bench.propose(1, kill(&kw));
    assert_eq!(bench.plan().orders.components[0].envelope.max_births, 8);
    bench.site.max_births = 3;
    assert_eq!(bench.plan().orders.components[0].envelope.max_births, 3);
}

#[test]
fn a_stroke_waits_only_for_a_condemned_clock_that_ticks() {
    let cron_line = |path: &str| edit(path, vec![line(1, "* * * * * /tmp/x", "/tmp/x")]);
    let rows: Vec<(&str, Act, bool, Settle)> = vec![
        (
            "a crontab",
            cron_line("/var/spool/cron/crontabs/deploy"),
            true,
            Settle::NextMinute,
        ),
        (
            "a script of cron.hourly",
            remove("/etc/cron.hourly/x"),
            true,
            Settle::NextMinute,
        ),
        ("a preload line", cron_line("/etc/ld.so.preload"), true, Settle::AtOnce),
        ("a crontab, no cron", cron_line("/etc/crontab"), false, Settle::AtOnce),
    ];
    for (name, act, cron, expected) in rows {
        let mut bench = Bench::new();
        bench.processes.retain(|p| cron || p.pid != 655);
        bench.propose(1, act);
        let plan = bench.plan();
        assert_eq!(plan.orders.settle, expected, "{name}");
        let waits = matches!(plan.settle_because, SettleReason::TimedTrigger { scheduler: 655, .. });
        assert_eq!(waits, expected == Settle::NextMinute, "{name}");
    }

    let mut bench = Bench::new();
    let crontab = Artifact::File {
        file: super::super::bench::file("/etc/crontab"),
    };
    bench.finding(crontab, "starts_condemned", Bearing::Condemns);
    assert_eq!(
        bench.plan().orders.settle,
        Settle::NextMinute,
        "condemned, though nothing is planned for it"
    );
}
