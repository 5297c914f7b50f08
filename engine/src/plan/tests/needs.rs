//! What every change is given: its copy, its freeze, its flags cleared.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::action::{Act, Action, ActionId};
use deminer_worker::order::check_consistent;
use proptest::prelude::*;

use super::super::bench::{Bench, edit, file, freeze, infected, keep, kill, line, link, process, remove, starter};
use super::super::*;

const CRONTAB: &str = "/var/spool/cron/crontabs/deploy";

/// The kinds that an action needs, sorted.
fn needed(plan: &HostPlan, id: ActionId) -> Vec<&'static str> {
    let by_id: BTreeMap<ActionId, &Action> = plan.orders.actions.iter().map(|a| (a.id, a)).collect();
    let mut kinds: Vec<_> = by_id[&id].needs.iter().map(|need| by_id[need].act.kind()).collect();
    kinds.sort_unstable();
    kinds
}

fn flagged(path: &str) -> Act {
    let mut file = file(path);
    file.flags = Some(0x80030);
    Act::RemoveFile { file }
}

#[test]
fn each_change_is_prepared() {
    let kw = process(4242, "/tmp/kw", &["kw"]);
    let mut script_runner = process(4237, "/usr/bin/bash", &["bash", "/tmp/guard.sh"]);
    let rows: Vec<(&str, Vec<Act>, Vec<&str>)> = vec![
        ("kill", vec![kill(&kw)], vec!["freeze", "keep"]),
        ("remove_file", vec![remove("/tmp/x")], vec!["keep"]),
        (
            "edit_lines",
            vec![edit(CRONTAB, vec![line(1, "/tmp/x", "/tmp/x")])],
            vec!["keep"],
        ),
        ("flagged file", vec![flagged("/tmp/x")], vec!["clear_flags", "keep"]),
        (
            "running executable",
            vec![remove("/tmp/kw"), kill(&kw)],
            vec!["keep", "kill"],
        ),
        (
            "a library and the line that loads it",
            vec![
                remove("/lib/x.so"),
                edit("/etc/ld.so.preload", vec![line(1, "/lib/y.so:/lib/x.so", "/lib/x.so")]),
            ],
            vec!["edit_lines", "keep"],
        ),
        (
            "a library and another line",
            vec![
                remove("/lib/x.so"),
                edit("/etc/ld.so.preload", vec![line(1, "/lib/x.so.1", "/lib/x.so.1")]),
            ],
            vec!["keep"],
        ),
        ("a starter", vec![starter("/etc/init.d/x")], vec!["keep"]),
        ("a link", vec![link("/etc/rc3.d/S99x")], vec![]),
        (
            "running script",
            vec![remove("/tmp/guard.sh"), kill(&script_runner)],
            vec!["keep", "kill"],
        ),
        ("frozen executable", vec![keep("/tmp/kw"), freeze(&kw)], vec![]),
    ];
    let stat = deminer_worker::query::FileStat {
        path: "/tmp/guard.sh".into(),
        mount: "/".into(),
        kind: deminer_worker::query::FileKind::Regular,
        id: file("/tmp/guard.sh").id,
        size: Wide(1),
        mode: 0o755,
        uid: 0,
        gid: 0,
        links: 1,
        mtime_ns: Wide(0),
        ctime_ns: Wide(0),
        btime_ns: None,
        flags: None,
        xattrs: Vec::new(),
        link_target: None,
        sha256: None,
    };
    script_runner.script = Some(stat);
    for (name, acts, expected) in rows {
        let mut bench = Bench::new();
        bench.run(&kw);
        bench.run(&script_runner);
        let ids: Vec<ActionId> = acts.into_iter().map(|act| bench.propose(1, act)).collect();
        assert_eq!(needed(&bench.plan(), ids[0]), expected, "{name}");
    }
}

#[test]
fn what_is_added_has_the_reasons_of_what_it_is_for() {
    let plan = infected("web-1").plan();
    for action in &plan.orders.actions {
        assert!(!action.because.is_empty(), "{action:?}");
        for need in &action.needs {
            let needed = plan
                .orders
                .actions
                .iter()
                .find(|a| a.id == *need)
                .expect("needs are planned");
            assert!(action.because.iter().all(|reason| needed.because.contains(reason)));
            assert_eq!(action.component, needed.component);
        }
    }
    let kinds: Vec<_> = plan.undo.values().collect();
    assert_eq!(kinds.len(), plan.orders.actions.len());
}

#[test]
fn only_the_holding_flags_are_cleared() {
    let mut bench = Bench::new();
    bench.propose(1, flagged("/tmp/x"));
    let flags: Vec<u32> = bench
        .plan()
        .orders
        .actions
        .iter()
        .filter_map(|action| match action.act {
            Act::ClearFlags { flags, .. } => Some(flags),
            _ => None,
        })
        .collect();
    assert_eq!(flags, [0x30]);
}

#[test]
fn a_held_directory_is_said() {
    let mut bench = Bench::new();
    bench.propose(1, remove("/tmp/.x/watch"));
    bench.directories.insert("/tmp/.x".into(), 0x80010);
    let plan = bench.plan();
    assert_eq!(plan.left_alone.len(), 1);
    assert_eq!(plan.left_alone[0].what, Left::Directory { path: "/tmp/.x".into() });
    assert_eq!(plan.left_alone[0].why, WhyLeft::DirectoryFlags { flags: 0x10 });
    assert!(!plan.is_empty(), "it is tried all the same");

    bench.refuses = Some("stat");
    let plan = bench.plan();
    assert!(
        plan.gaps.iter().any(|gap| gap.subject == "directory"),
        "a missing answer is a gap"
    );
}

#[test]
fn many_targets_need_a_yes_of_their_own() {
    let files = |count: usize| (0..count).map(|n| remove(&format!("/tmp/x{n}"))).collect::<Vec<_>>();
    let units = |count: usize| {
        (0..count)
            .map(|n| remove(&format!("/etc/cron.d/x{n}")))
            .collect::<Vec<_>>()
    };
    let lines = |count: u32| {
        vec![edit(
            CRONTAB,
            (1..=count).map(|n| line(n, &format!("{n} /tmp/x"), "/tmp/x")).collect(),
        )]
    };
    let rows = [
        ("20 files", files(20), false),
        ("21 files", files(21), true),
        ("5 in cron.d", units(5), false),
        ("6 in cron.d", units(6), true),
        ("5 lines", lines(5), false),
        ("6 lines", lines(6), true),
    ];
    for (name, acts, expected) in rows {
        let mut bench = Bench::new();
        bench.propose(1, remove("/var/tmp/alone"));
        for act in acts {
            bench.propose(7, act);
        }
        let plan = bench.plan();
        assert_eq!(plan.many_targets, expected, "{name}");
        assert_eq!(plan.needs_own_approval.contains(&7), expected, "{name}");
        assert_eq!(plan.shown_components()[0], if expected { 7 } else { 1 }, "{name}");
    }
}

fn any_act() -> impl Strategy<Value = (u32, Act)> {
    let path = prop::sample::select(vec!["/tmp/kw", "/tmp/b", "/etc/cron.d/x", "/usr/bin/bash", CRONTAB]);
    let pid = prop::sample::select(vec![10_u32, 20, 30, 655, 901]);
    (1..4_u32, 0..6, path, pid, 1..4_u32, any::<bool>()).prop_map(|(component, kind, path, pid, number, flags)| {
        let exe = if pid == 30 { "/usr/bin/bash" } else { "/tmp/kw" };
        let process = process(pid, exe, &["x"]);
        let act = match kind {
            0 => kill(&process),
            1 => freeze(&process),
            2 => keep(path),
            3 if flags => flagged(path),
            3 | 4 => remove(path),
            _ => edit(path, vec![line(number, &format!("{number} /tmp/kw"), "/tmp/kw")]),
        };
        (component, act)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_proposed_holds_together(acts in prop::collection::vec(any_act(), 0..12)) {
        let mut bench = Bench::new();
        bench.run(&process(10, "/tmp/kw", &["x"]));
        bench.run(&process(30, "/usr/bin/bash", &["x"]));
        for (component, act) in acts {
            bench.propose(component, act);
        }
        let plan = bench.plan();
        prop_assert!(check_consistent(&plan.orders).is_ok(), "no cycles, nothing missing");
        let ids: BTreeSet<ActionId> = plan.orders.actions.iter().map(|a| a.id).collect();
        for action in &plan.orders.actions {
            prop_assert!(action.needs.iter().all(|need| ids.contains(need)));
            prop_assert!(action.act.process().is_none_or(|p| p.pid != 901), "our own session");
            let component = plan.orders.actions.iter().find(|a| action.needs.contains(&a.id)).map(|a| a.component);
            prop_assert!(component.is_none_or(|c| c == action.component), "needs stay within a component");
        }
        let plan = Plan::new(super::super::bench::origin(), vec![plan]).expect("a draft makes a plan");
        prop_assert_eq!(Plan::read(&plan.write()).expect("own form reads back").hash(), plan.hash());
    }
}
