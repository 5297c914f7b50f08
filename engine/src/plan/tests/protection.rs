//! What a plan refuses to touch, whoever proposes it.

use deminer_worker::action::{Act, Action, ActionId};
use deminer_worker::order::Birth;
use deminer_worker::query::{GapReason, Ownership};
use deminer_worker::text::Wide;

use super::super::bench::{
    Bench, edit, file, freeze, keep, kill, line, link, process, remove, script, starter, target,
};
use super::super::*;
use crate::finding::{Artifact, Bearing};

const CRONTAB: &str = "/var/spool/cron/crontabs/deploy";

fn owned() -> Ownership {
    Ownership::Owned {
        package: "coreutils".to_owned(),
    }
}

fn clear(path: &str) -> Act {
    let mut file = file(path);
    file.flags = Some(0x10);
    Act::ClearFlags { file, flags: 0x10 }
}

fn one_line(path: &str) -> Act {
    edit(path, vec![line(1, "* * * * * /tmp/x", "/tmp/x")])
}

/// What nobody can override.
const FIRM: [&str; 4] = ["pid 1", "our own session", "kernel thread", "mount point"];

/// The rule by which an act is left alone.
fn rule(plan: &HostPlan, id: ActionId) -> Option<String> {
    plan.left_alone.iter().find_map(|left| match (&left.what, &left.why) {
        (Left::Act { action, .. }, WhyLeft::Protected { rule }) if *action == id => Some(rule.clone()),
        _ => None,
    })
}

#[test]
fn every_destructive_kind_is_refused_on_what_is_protected() {
    type Change = fn(&mut Bench);
    let kw = process(4242, "/opt/kw", &["kw"]);
    let sshd = process(900, "/usr/sbin/sshd", &["sshd: root"]);
    let init = process(1, "/usr/lib/systemd/systemd", &["/sbin/init"]);
    let nothing: Change = |_| {};
    let site: Change = |bench| bench.site.protect = vec!["/opt".into()];
    let mount: Change = |bench| bench.mounts.push("/opt/kw".into());
    let rows: Vec<(&str, Act, Change, &str)> = vec![
        ("kill pid 1", kill(&init), nothing, "pid 1"),
        ("freeze pid 1", freeze(&init), nothing, "pid 1"),
        ("kill our session", kill(&sshd), nothing, "our own session"),
        ("freeze our session", freeze(&sshd), nothing, "our own session"),
        (
            "kill a kernel thread",
            kill(&kw),
            |bench| bench.processes.iter_mut().for_each(|p| p.kernel_thread = p.pid == 4242),
            "kernel thread",
        ),
        ("kill what runs a listed file", kill(&kw), site, "the site lists"),
        ("freeze what runs a listed file", freeze(&kw), site, "the site lists"),
        (
            "kill what runs a listed script",
            kill(&kw),
            |bench| {
                bench.site.protect = vec!["/srv/app".into()];
                let script = script("/srv/app/job.pl");
                (bench.processes.iter_mut().filter(|p| p.pid == 4242)).for_each(|p| p.script = Some(script.clone()));
            },
            "the site lists /srv/app",
        ),
        ("remove a listed file", remove("/opt/kw"), site, "the site lists"),
        ("edit a listed file", one_line("/opt/kw"), site, "the site lists"),
        ("clear a listed file's flags", clear("/opt/kw"), site, "the site lists"),
        ("remove a mount point", remove("/opt/kw"), mount, "mount point"),
        ("edit a mount point", one_line("/opt/kw"), mount, "mount point"),
        ("clear a mount point's flags", clear("/opt/kw"), mount, "mount point"),
        (
            "remove a package's file",
            remove("/bin/ls"),
            |bench| bench.own("/bin/ls", owned()),
            "digest matches",
        ),
        (
            "remove a copy of a package's file",
            remove("/tmp/ls"),
            |bench| {
                let original = "/bin/ls".into();
                let package = "coreutils".to_owned();
                bench.own("/tmp/ls", Ownership::Copied { package, original });
            },
            "content is that of /bin/ls",
        ),
        (
            "remove a changed file of a package",
            remove("/bin/ls"),
            |bench| {
                bench.own(
                    "/bin/ls",
                    Ownership::Modified {
                        package: "coreutils".to_owned(),
                    },
                )
            },
            "to be restored",
        ),
        (
            "remove a configuration file",
            remove("/etc/x.conf"),
            |bench| {
                bench.own(
                    "/etc/x.conf",
                    Ownership::Listed {
                        package: "x".to_owned(),
                    },
                )
            },
            "configuration file",
        ),
        (
            "remove a package's init script",
            starter("/etc/init.d/x"),
            |bench| bench.own("/etc/init.d/x", owned()),
            "digest matches",
        ),
        (
            "remove a script that a package lists",
            starter("/etc/cron.daily/x"),
            |bench| {
                let package = "x".to_owned();
                bench.own("/etc/cron.daily/x", Ownership::Listed { package });
            },
            "configuration file",
        ),
        ("remove a listed starter", starter("/opt/x"), site, "the site lists"),
        ("remove a listed link", link("/opt/kw"), site, "the site lists"),
        (
            "edit what a package brought",
            one_line("/etc/cron.d/x"),
            |bench| bench.own("/etc/cron.d/x", owned()),
            "brought this content",
        ),
        (
            "remove what others run",
            remove("/opt/kw"),
            nothing,
            "which is not condemned, runs it",
        ),
    ];
    for (name, act, change, expected) in rows {
        let mut bench = Bench::new();
        bench.run(&kw);
        change(&mut bench);
        let id = bench.propose(1, act);
        let plan = bench.plan();
        assert!(plan.is_empty(), "{name}: {:?}", plan.orders.actions);
        assert!(plan.orders.components.is_empty(), "{name}");
        let rule = rule(&plan, id).unwrap_or_default();
        assert!(rule.contains(expected), "{name}: {rule}");
        assert!(!plan.left_alone[0].because.is_empty(), "{name}");

        // Somebody wants it all the same, and says why.
        bench.site.overrides = vec![Overriding {
            action: id.to_string()[..8].to_owned(),
            because: "it came with the intruder".to_owned(),
        }];
        let plan = bench.plan();
        let is_firm = FIRM.iter().any(|firm| expected.contains(firm));
        assert_eq!(plan.is_empty(), is_firm, "{name}: {:?}", plan.orders.actions);
        assert_eq!(
            plan.orders.actions.iter().any(|action| action.id == id),
            !is_firm,
            "{name}"
        );
        match plan.orders.overrides.get(&id) {
            Some(over) => assert!(
                !is_firm && over.rule == rule && over.because.contains("intruder"),
                "{name}"
            ),
            None => assert!(is_firm, "{name}"),
        }
        // Another object is not meant.
        let digits = id.to_string();
        bench.site.overrides[0].action = digits.chars().rev().collect();
        assert!(bench.plan().is_empty(), "{name}");
    }
}

#[test]
fn what_is_not_protected_stays() {
    let kw = process(4242, "/opt/kw", &["kw"]);
    let listed = Ownership::Listed {
        package: "cron".to_owned(),
    };
    let rows: Vec<(&str, Vec<Act>, Ownership)> = vec![
        ("an unowned file", vec![remove("/tmp/x")], Ownership::Unowned),
        (
            "a file that no database tells of",
            vec![remove("/tmp/x")],
            Ownership::Unknown,
        ),
        ("a line in a configuration file", vec![one_line(CRONTAB)], listed),
        (
            "what only the condemned run",
            vec![remove("/opt/kw"), kill(&kw)],
            Ownership::Unowned,
        ),
    ];
    for (name, acts, owner) in rows {
        let mut bench = Bench::new();
        bench.run(&kw);
        bench.own("/tmp/x", owner.clone());
        bench.own(CRONTAB, owner);
        let ids: Vec<ActionId> = acts.into_iter().map(|act| bench.propose(1, act)).collect();
        let plan = bench.plan();
        assert!(plan.left_alone.is_empty(), "{name}: {:?}", plan.left_alone);
        assert!(
            ids.iter().all(|id| plan.orders.actions.iter().any(|a| a.id == *id)),
            "{name}"
        );
    }
}

#[test]
fn what_came_while_the_host_was_looked_at_protects_nothing() {
    // A timer starts the miner again each second: one that nobody could judge runs when the plan is made.
    const LATE: u32 = 200_000;
    type Change = fn(&mut Bench);
    let nothing: Change = |_| {};
    let rows: Vec<(&str, u32, Change, bool)> = vec![
        ("came meanwhile", LATE, nothing, true),
        ("was there before", 4243, nothing, false),
        (
            "a person is asked about it",
            LATE,
            |bench| {
                let process = target(&process(LATE, "/opt/kw", &["kw", "again"]));
                bench.finding(Artifact::Process { process }, "same_executable", Bearing::Review);
            },
            false,
        ),
        (
            "an interpreter that was started for another file",
            LATE,
            |bench| {
                let late = bench.processes.last_mut().expect("it was added last");
                late.script = Some(script("/srv/report.py"));
            },
            false,
        ),
        (
            "runs a copy",
            LATE,
            |bench| {
                let exe = bench.processes.last_mut().and_then(|p| p.exe.as_mut());
                exe.expect("it runs a file").id.inode = Wide(77);
            },
            false,
        ),
    ];
    for (name, pid, change, removed) in rows {
        let kw = process(4242, "/opt/kw", &["kw"]);
        let mut bench = Bench::new();
        bench.run(&kw);
        bench.run(&process(pid, "/opt/kw", &["kw", "again"]));
        change(&mut bench);
        bench.propose(1, kill(&kw));
        let removal = bench.propose(1, remove("/opt/kw"));
        let plan = bench.plan();
        assert_eq!(
            plan.orders.actions.iter().any(|action| action.id == removal),
            removed,
            "{name}"
        );
        let births = &plan.orders.components[0].envelope.births;
        let alone = matches!(births[..], [Birth::Executable { .. }]);
        assert_eq!(alone, removed, "{name}: {births:?}");
        let named = |action: &Action| action.act.process().is_some_and(|process| process.pid == pid);
        assert!(!plan.orders.actions.iter().any(named), "{name}");
    }
}

#[test]
fn a_copy_of_what_is_protected_may_be_kept() {
    let mut bench = Bench::new();
    bench.own("/bin/ls", owned());
    bench.propose(1, keep("/bin/ls"));
    assert_eq!(bench.plan().orders.actions.len(), 1);
}

#[test]
fn what_needs_the_protected_goes_with_it() {
    // The condemned shell turns out to be our own session: then the script that only it runs is not ours to remove.
    let mut bench = Bench::new();
    let mut sshd = process(900, "/usr/sbin/sshd", &["sshd"]);
    let script = file("/tmp/guard.sh");
    let stat = deminer_worker::query::FileStat {
        path: script.path.clone(),
        mount: script.mount.clone(),
        kind: deminer_worker::query::FileKind::Regular,
        id: script.id,
        size: script.size,
        mode: script.mode,
        uid: 0,
        gid: 0,
        links: 1,
        mtime_ns: script.mtime_ns,
        ctime_ns: script.ctime_ns,
        btime_ns: None,
        flags: None,
        xattrs: Vec::new(),
        link_target: None,
        sha256: Some(script.sha256),
    };
    sshd.script = Some(stat);
    bench.processes.retain(|p| p.pid != 900);
    bench.run(&sshd);
    let end = bench.propose(1, kill(&sshd));
    bench.propose(1, remove("/usr/sbin/sshd"));
    let plan = bench.plan();
    assert!(plan.is_empty(), "{:?}", plan.orders.actions);
    assert!(rule(&plan, end).is_some());
    assert_eq!(plan.left_alone.len(), 2);
}

#[test]
fn flags_of_what_stays_are_not_cleared() {
    let mut bench = Bench::new();
    bench.own("/bin/ls", owned());
    let mut flagged = file("/bin/ls");
    flagged.flags = Some(0x10);
    bench.propose(1, Act::RemoveFile { file: flagged });
    let flags = bench.propose(1, clear("/bin/ls"));
    let plan = bench.plan();
    assert!(plan.is_empty(), "{:?}", plan.orders.actions);
    let left = plan
        .left_alone
        .iter()
        .find(|left| matches!(&left.what, Left::Act { action, .. } if *action == flags));
    assert_eq!(left.expect("it is said").why, WhyLeft::ServesNothing {});
}

#[test]
fn an_edited_file_is_not_removed() {
    let mut bench = Bench::new();
    bench.propose(1, remove(CRONTAB));
    let edit = bench.propose(1, one_line(CRONTAB));
    let plan = bench.plan();
    assert!(
        plan.orders
            .actions
            .iter()
            .all(|action| action.act.kind() != "remove_file")
    );
    assert_eq!(plan.left_alone[0].why, WhyLeft::Edited { action: edit });
}

#[test]
fn what_cannot_be_learned_is_not_guessed() {
    for kind in ["host", "processes", "mounts", "packages"] {
        let mut bench = super::super::bench::infected("web-1");
        bench.refuses = Some(kind);
        let error = bench.draft().expect_err(kind);
        assert!(
            matches!(error, PlanError::NotLearned { asked, .. } if asked == kind),
            "{kind}: {error}"
        );
    }
    let mut bench = super::super::bench::infected("web-1");
    bench.forgets = true;
    assert!(matches!(
        bench.draft(),
        Err(PlanError::WrongAnswer { asked: "packages", .. })
    ));
    let mut bench = super::super::bench::infected("web-1");
    bench.restart();
    assert!(matches!(bench.draft(), Err(PlanError::OtherHost { .. })));
}

#[test]
fn what_was_not_seen_is_said_what_can_hide_something_first() {
    let gaps = |mut bench: Bench| {
        bench.gaps.note("process", HostBytes::from("9120"), GapReason::Gone);
        bench
            .gaps
            .note("directory", HostBytes::from("/srv/share"), GapReason::Denied);
        let plan = bench.plan();
        plan.gaps.iter().map(|gap| gap.why).collect::<Vec<_>>()
    };
    let mut proposing = Bench::new();
    proposing.propose(1, remove("/var/tmp/.x/watch"));
    assert_eq!(gaps(proposing), [GapReason::Denied, GapReason::Gone]);
    assert_eq!(gaps(Bench::new()), [], "nothing is asked where nothing is to be done");
}
