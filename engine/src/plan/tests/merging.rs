//! What becomes of proposals: merged, or refused.

use deminer_worker::action::{LineTarget, Role};
use deminer_worker::text::{HostPath, Wide};

use super::super::bench::{self, Bench, edit, file, freeze, keep, kill, line, process, remove, target};
use super::super::*;
use crate::finding::{Artifact, Bearing};
use deminer_worker::action::{FileTarget, ProcessTarget};

const CRONTAB: &str = "/var/spool/cron/crontabs/deploy";

fn edited(plan: &HostPlan) -> Vec<&LineTarget> {
    let edits = plan.orders.actions.iter().filter_map(|action| match &action.act {
        Act::EditLines { remove, .. } => Some(remove),
        _ => None,
    });
    edits.flatten().collect()
}

#[test]
fn equal_proposals_are_one_and_their_reasons_add_up() {
    let mut bench = Bench::new();
    let miner = process(4242, "/tmp/kw", &["kw"]);
    bench.run(&miner);
    let first = bench.propose(1, kill(&miner));
    let busy = bench.finding(
        Artifact::Process {
            process: target(&miner),
        },
        "busy",
        Bearing::Condemns,
    );
    let second = bench.propose_because(1, kill(&miner), vec![busy]);
    assert_eq!(first, second);
    let plan = bench.plan();
    let kills: Vec<_> = plan.orders.actions.iter().filter(|a| a.act.kind() == "kill").collect();
    assert_eq!(kills.len(), 1);
    assert_eq!(kills[0].because.len(), 2, "{:?}", kills[0].because);
}

#[test]
fn lines_of_one_file_are_one_edit_in_file_order() {
    let mut bench = Bench::new();
    bench.propose(1, edit(CRONTAB, vec![line(5, "@reboot /tmp/b", "/tmp/b")]));
    bench.propose(
        1,
        edit(
            CRONTAB,
            vec![line(5, "@reboot /tmp/b", "/tmp"), line(2, "* * * * * /tmp/a", "/tmp/a")],
        ),
    );
    let plan = bench.plan();
    let lines = edited(&plan);
    assert_eq!(lines.iter().map(|l| l.number).collect::<Vec<_>>(), [2, 5]);
    assert_eq!(lines[1].mark.as_bytes(), b"/tmp", "the shorter mark");
    assert_eq!(
        plan.orders
            .actions
            .iter()
            .filter(|a| a.act.kind() == "edit_lines")
            .count(),
        1
    );
}

#[test]
fn the_latest_sight_of_a_file_counts() {
    let mut bench = Bench::new();
    bench.propose(1, remove("/tmp/x"));
    let mut later = file("/tmp/x");
    later.ctime_ns = Wide(99);
    bench.propose(1, Act::RemoveFile { file: later });
    let plan = bench.plan();
    let ctimes = plan
        .orders
        .actions
        .iter()
        .filter_map(|a| a.act.file())
        .map(|f| f.ctime_ns);
    assert!(ctimes.into_iter().all(|ctime| ctime == Wide(99)));
}

#[test]
fn once_a_guardian_always_one() {
    let mut bench = Bench::new();
    let bash = process(4237, "/usr/bin/bash", &["bash"]);
    bench.run(&bash);
    bench.propose(1, kill(&bash));
    let mut guardian = target(&bash);
    guardian.role = Role::Guardian;
    bench.propose(1, Act::Freeze { process: guardian });
    let plan = bench.plan();
    let roles = plan
        .orders
        .actions
        .iter()
        .filter_map(|a| a.act.process())
        .map(|p| p.role);
    assert!(roles.into_iter().all(|role| role == Role::Guardian));
}

#[test]
fn contradictions_are_refused() {
    let other_content = |mut file: FileTarget| {
        file.sha256 = deminer_worker::text::Digest::of(b"other");
        file
    };
    let other_exe = |process: &deminer_worker::query::Process| {
        let mut target = target(process);
        target.exe_sha256 = deminer_worker::text::Digest::of(b"other");
        Act::Kill { process: target }
    };
    let miner = process(4242, "/tmp/kw", &["kw"]);
    let rows: [(&str, Act, Act); 4] = [
        (
            "an edit of two contents",
            edit(CRONTAB, vec![line(1, "a /tmp/a", "/tmp/a")]),
            Act::EditLines {
                file: other_content(file(CRONTAB)),
                remove: vec![line(2, "b /tmp/b", "/tmp/b")],
                syntax: None,
            },
        ),
        (
            "a copy and a removal of two contents",
            keep("/tmp/x"),
            Act::RemoveFile {
                file: other_content(file("/tmp/x")),
            },
        ),
        ("a process with two executables", freeze(&miner), other_exe(&miner)),
        (
            "one line with two contents",
            edit(CRONTAB, vec![line(1, "a /tmp/a", "/tmp/a")]),
            edit(CRONTAB, vec![line(1, "b /tmp/a", "/tmp/a")]),
        ),
    ];
    for (name, first, second) in rows {
        let mut bench = Bench::new();
        bench.propose(1, first);
        bench.propose(1, second);
        let error = bench.draft().expect_err(name);
        assert!(matches!(error, PlanError::Contradiction { .. }), "{name}: {error}");
    }
}

#[test]
fn a_plan_rests_on_known_findings_that_condemn() {
    let miner = process(4242, "/tmp/kw", &["kw"]);
    let mut stranger = Bench::new();
    let unknown = stranger.finding(Artifact::Host {}, "elsewhere", Bearing::Condemns);
    let rows = [
        ("nothing", vec![], "no finding condemns its object"),
        ("unknown", vec![(unknown, None)], "which no step stated"),
    ];
    for (name, findings, expected) in rows {
        let mut bench = Bench::new();
        let because = findings
            .into_iter()
            .map(|(id, _): (FindingId, Option<()>)| id)
            .collect();
        bench.propose_because(1, kill(&miner), because);
        let error = bench.draft().expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
    for bearing in [Bearing::Benign, Bearing::Weighs, Bearing::Review, Bearing::Quiet] {
        let mut bench = Bench::new();
        let finding = bench.finding(Artifact::Host {}, "x", bearing);
        bench.propose_because(1, kill(&miner), vec![finding]);
        let error = bench.draft().expect_err("nothing is destroyed on it");
        assert!(matches!(error, PlanError::NoReason { .. }), "{bearing:?}: {error}");
    }
}

#[test]
fn a_phase_bounds_what_is_proposed() {
    let miner = process(4242, "/tmp/kw", &["kw"]);
    let rows = [
        (Phase::Gather, keep("/tmp/x"), false),
        (Phase::Decide, keep("/tmp/x"), false),
        (Phase::Locate, keep("/tmp/x"), false),
        (Phase::Verify, freeze(&miner), false),
        (Phase::Backup, keep("/tmp/x"), true),
        (Phase::Backup, freeze(&miner), false),
        (Phase::Backup, remove("/tmp/x"), false),
        (Phase::Eradicate, keep("/tmp/x"), true),
        (Phase::Eradicate, freeze(&miner), true),
        (Phase::Eradicate, remove("/tmp/x"), true),
    ];
    for (phase, act, allowed) in rows {
        let mut bench = Bench::new();
        let finding = bench.finding(Artifact::Host {}, "x", Bearing::Condemns);
        let kind = act.kind();
        bench.propose_in(phase, 1, act, vec![finding]);
        match bench.draft() {
            Ok(_) => assert!(allowed, "{phase} {kind}"),
            Err(PlanError::WrongEffect { step, .. }) => assert!(!allowed && step == "remove", "{phase} {kind}"),
            Err(other) => panic!("{phase} {kind}: {other}"),
        }
    }
}

#[test]
fn incomplete_identities_are_refused() {
    let miner = target(&process(4242, "/tmp/kw", &["kw"]));
    let kill_with = |change: &dyn Fn(&mut ProcessTarget)| {
        let mut process = miner.clone();
        change(&mut process);
        Act::Kill { process }
    };
    let remove_with = |change: &dyn Fn(&mut FileTarget)| {
        let mut file = file("/tmp/x");
        change(&mut file);
        Act::RemoveFile { file }
    };
    let path = |path: &'static str| remove_with(&move |file| file.path = HostPath::from(path));
    let rows: Vec<(&str, Act)> = vec![
        ("another boot", kill_with(&|p| p.boot_id = "other".to_owned())),
        ("no boot", kill_with(&|p| p.boot_id = String::new())),
        ("pid 0", kill_with(&|p| p.pid = 0)),
        ("no executable", kill_with(&|p| p.exe.inode = Wide(0))),
        ("no executable's path", kill_with(&|p| p.exe_path = HostPath::default())),
        ("relative path", path("tmp/x")),
        ("dots", path("/tmp/../etc/passwd")),
        ("a directory's path", path("/tmp/x/")),
        ("double slash", path("//tmp/x")),
        ("root", path("/")),
        ("zero byte", path("/tmp/x\0y")),
        ("below another mount", remove_with(&|f| f.mount = "/srv".into())),
        ("no inode", remove_with(&|f| f.id.inode = Wide(0))),
        ("no name", remove_with(&|f| f.links = 0)),
        ("no lines", edit(CRONTAB, vec![])),
        ("line 0", edit(CRONTAB, vec![line(0, "/tmp/x", "/tmp/x")])),
        ("two lines in one", edit(CRONTAB, vec![line(1, "/tmp/x\n", "/tmp/x")])),
        ("empty line", edit(CRONTAB, vec![line(1, "", "")])),
        ("mark not in line", edit(CRONTAB, vec![line(1, "/tmp/y", "/tmp/x")])),
        (
            "flags that are not set",
            Act::ClearFlags {
                file: file("/tmp/x"),
                flags: 0x10,
            },
        ),
        (
            "flags that hold nothing",
            Act::ClearFlags {
                file: file("/tmp/x"),
                flags: 0x80000,
            },
        ),
    ];
    for (name, act) in rows {
        let mut bench = Bench::new();
        bench.propose(1, act);
        let error = bench.draft().expect_err(name);
        assert!(matches!(error, PlanError::Incomplete { .. }), "{name}: {error}");
    }
    let mut bench = Bench::new();
    bench.propose(0, remove("/tmp/x"));
    assert!(
        matches!(bench.draft(), Err(PlanError::Incomplete { .. })),
        "component 0"
    );
}

#[test]
fn components_that_share_an_object_are_one() {
    let shell = |pid| process(pid, "/usr/bin/bash", &["bash"]);
    let kw = |pid| process(pid, "/tmp/kw", &["kw"]);
    let a = |bench: &mut Bench| {
        bench.run(&shell(10));
        bench.run(&kw(20));
        bench.own("/usr/bin/bash", bench_owner());
    };
    type Proposals = Vec<(u32, Act)>;
    let rows: Vec<(&str, Proposals, Vec<u32>)> = vec![
        ("one file", vec![(3, remove("/tmp/x")), (2, remove("/tmp/x"))], vec![2]),
        (
            "two files",
            vec![(2, remove("/tmp/x")), (3, remove("/tmp/y"))],
            vec![2, 3],
        ),
        (
            "a process and its file",
            vec![(2, kill(&kw(20))), (5, remove("/tmp/kw"))],
            vec![2],
        ),
        (
            "two copies of the intruder's",
            vec![(1, kill(&kw(20))), (4, kill(&kw(21)))],
            vec![1],
        ),
        (
            "two shells",
            vec![(1, kill(&shell(10))), (4, kill(&shell(11)))],
            vec![1, 4],
        ),
        (
            "a chain",
            vec![
                (1, remove("/tmp/x")),
                (2, remove("/tmp/x")),
                (2, remove("/tmp/y")),
                (3, remove("/tmp/y")),
            ],
            vec![1],
        ),
    ];
    for (name, proposals, expected) in rows {
        let mut bench = Bench::new();
        a(&mut bench);
        bench.run(&kw(21));
        bench.run(&shell(11));
        for (component, act) in proposals {
            bench.propose(component, act);
        }
        let plan = bench.plan();
        let ids: Vec<u32> = plan.orders.components.iter().map(|c| c.id).collect();
        assert_eq!(ids, expected, "{name}");
        assert!(
            plan.orders.actions.iter().all(|a| expected.contains(&a.component)),
            "{name}"
        );
    }
}

fn bench_owner() -> deminer_worker::query::Ownership {
    deminer_worker::query::Ownership::Owned {
        package: "bash".to_owned(),
    }
}

#[test]
fn a_failed_look_plans_nothing() {
    let mut bench = bench::infected("web-1");
    bench.looked.end = crate::look::LookEnd::Failed {
        place: "locate trace".to_owned(),
        why: "no answer".to_owned(),
    };
    let plan = bench.plan();
    assert!(plan.is_empty());
    assert_eq!(plan.footprint.processes, 0);
}
