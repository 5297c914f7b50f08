//! What a host refuses, whoever sends it.

use super::*;
use crate::action::{Act, FileTarget, Object, ProcessTarget, Role};
use crate::query::FileId;

fn file(path: &str) -> FileTarget {
    FileTarget {
        mount: "/".into(),
        path: path.into(),
        id: FileId {
            dev: Wide(1),
            inode: Wide(2),
        },
        size: Wide(3),
        ctime_ns: Wide(4),
        mtime_ns: Wide(4),
        sha256: Digest::of(b"x"),
        mode: 0o644,
        uid: 0,
        gid: 0,
        flags: None,
        links: 1,
        xattrs: Vec::new(),
    }
}

fn action(act: Act, needs: &[ActionId]) -> Action {
    Action {
        id: act.id("web-1"),
        component: 1,
        act,
        because: vec!["f1".to_owned()],
        needs: needs.to_vec(),
    }
}

fn removal(path: &str) -> [Action; 2] {
    let object = Object::File { file: file(path) };
    let keep = action(Act::Keep { object }, &[]);
    let remove = action(Act::RemoveFile { file: file(path) }, &[keep.id]);
    [keep, remove]
}

fn orders(actions: Vec<Action>) -> HostOrders {
    HostOrders {
        host: "web-1".to_owned(),
        identity: HostIdentity {
            machine_id: None,
            boot_id: "b".to_owned(),
            hostname: "web-1".into(),
            pid_namespace: Wide(1),
        },
        looked_ms: Wide(0),
        components: vec![ComponentOrders {
            id: 1,
            envelope: Envelope {
                births: Vec::new(),
                max_births: 0,
            },
        }],
        actions,
        protect: Vec::new(),
        spare: Vec::new(),
        overrides: BTreeMap::new(),
        journal: "/var/tmp/.deminer-00000000000000000000000000000000".into(),
        settle: Settle::AtOnce,
        bounds: Bounds::default(),
    }
}

/// What a host receives of a plan of two hosts, approved for it with all effects.
fn begin(orders: &HostOrders) -> Begin {
    let line = serde_json::to_string(orders).expect("orders have a JSON form");
    let mut host_hashes = vec![Digest::of(line.as_bytes()), Digest::of(b"the other host")];
    host_hashes.sort_unstable();
    let header = "{}".to_owned();
    let approval = Approval {
        format: 1,
        plan: plan_hash(&header, &host_hashes),
        hosts: BTreeMap::from([("web-1".to_owned(), Digest::of(line.as_bytes()))]),
        classes: BTreeSet::from([Effect::Preserve, Effect::Contain, Effect::Destroy]),
        excluded: BTreeSet::new(),
        many: BTreeMap::new(),
        reasons: BTreeMap::new(),
        approver: "ada".to_owned(),
        means: "terminal".to_owned(),
        at_ms: Wide(1),
        not_after_ms: Wide(2),
    };
    Begin {
        header,
        line,
        host_hashes,
        approval,
        until: Stage::Eradicate,
        ran: BTreeMap::new(),
    }
}

#[test]
fn what_was_approved_may_be_done_and_nothing_else() {
    type Change = fn(&mut Begin);
    let rows: [(&str, Change, &str); 13] = [
        ("as approved", |_| {}, ""),
        (
            "copies only",
            |b| b.approval.classes = BTreeSet::from([Effect::Preserve]),
            "",
        ),
        ("a newer format", |b| b.approval.format = 2, "has the format 2"),
        ("no format", |b| b.approval.format = 0, "has the format 0"),
        (
            "an end before the beginning",
            |b| b.approval.not_after_ms = Wide(0),
            "was good until 0",
        ),
        ("another header", |b| b.header.push(' '), "the plan's hash"),
        ("another line", |b| b.line.push(' '), "was not approved"),
        (
            "a host hash hidden in the header",
            |b| b.header = format!("{}\n{}", b.header, b.host_hashes.remove(0)),
            "more than one line",
        ),
        ("a host less", |b| b.host_hashes.truncate(1), "the plan's hash"),
        ("no host", |b| b.approval.hosts.clear(), "is not approved"),
        (
            "another host's line",
            |b| b.approval.hosts = BTreeMap::from([("web-1".to_owned(), Digest::of(b"the other host"))]),
            "was not approved",
        ),
        (
            "no copy",
            |b| b.approval.classes = BTreeSet::from([Effect::Destroy]),
            "which the approval leaves out",
        ),
        ("no JSON", |b| b.line = "{".to_owned(), "cannot be read"),
    ];
    for (name, change, expected) in rows {
        let mut begin = begin(&orders(removal("/tmp/x").to_vec()));
        change(&mut begin);
        match check(&begin) {
            Ok(_) => assert_eq!(expected, "", "{name}"),
            Err(error) => {
                let text = error.to_string();
                assert!(!expected.is_empty() && text.contains(expected), "{name}: {text}");
            }
        }
    }
}

#[test]
fn contradictions_are_refused() {
    let [keep, remove] = removal("/tmp/x");
    let [other, _] = removal("/tmp/y");
    let renamed = Action {
        id: ActionId(7),
        ..keep.clone()
    };
    let unfounded = Action {
        because: Vec::new(),
        ..keep.clone()
    };
    let elsewhere = Action {
        component: 2,
        ..keep.clone()
    };
    let circular = Action {
        needs: vec![remove.id],
        ..keep.clone()
    };
    let rows = [
        ("twice", vec![keep.clone(), keep.clone()], "stands twice"),
        ("another id", vec![renamed], "not that of its target"),
        ("no reason", vec![unfounded], "no finding"),
        ("no component", vec![elsewhere], "its component"),
        ("a missing need", vec![remove.clone(), other], "not in the plan"),
        ("a circle", vec![circular, remove], "needs it in turn"),
    ];
    for (name, actions, expected) in rows {
        let error = check_consistent(&orders(actions.clone())).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(check(&begin(&orders(actions))).is_err(), "{name}");
    }
}

#[test]
fn many_targets_must_be_approved_by_name() {
    let actions: Vec<Action> = (0..21).flat_map(|n| removal(&format!("/tmp/x{n}"))).collect();
    let mut begin = begin(&orders(actions));
    assert!(matches!(
        check(&begin),
        Err(OrderError::ManyTargets { component: 1, .. })
    ));
    begin.approval.many.insert("web-1".to_owned(), BTreeSet::from([2]));
    assert!(check(&begin).is_err(), "another component");
    begin.approval.many.insert("web-1".to_owned(), BTreeSet::from([1]));
    assert!(check(&begin).is_ok());
}

fn process(pid: u32) -> ProcessTarget {
    ProcessTarget {
        boot_id: "b".to_owned(),
        pid,
        start_ticks: Wide(u64::from(pid)),
        exe: file("/tmp/x").id,
        exe_path: "/tmp/x".into(),
        exe_sha256: Digest::of(b"x"),
        exe_size: Wide(3),
        argv_sha256: Digest::of(b"x"),
        uid: 0,
        comm: "x".into(),
        role: Role::Miner,
    }
}

#[test]
fn a_guardian_is_not_left_beside_its_killed_miner_without_a_reason() {
    let freeze = |pid| action(Act::Freeze { process: process(pid) }, &[]);
    let kill = |pid| action(Act::Kill { process: process(pid) }, &[freeze(pid).id]);
    let elsewhere = Action {
        component: 2,
        ..kill(9)
    };
    let mut orders = orders(vec![
        freeze(7),
        kill(7),
        freeze(8),
        kill(8),
        freeze(9),
        elsewhere.clone(),
    ]);
    let other = ComponentOrders {
        id: 2,
        ..orders.components[0].clone()
    };
    orders.components.push(other);
    let (miner, guardian) = (kill(7).id, kill(8).id);
    type Reasons<'a> = &'a [(ActionId, &'a str)];
    let rows: [(&str, &[ActionId], Reasons<'_>, bool); 9] = [
        ("nothing is left out", &[], &[], true),
        ("the guardian stays", &[guardian], &[], false),
        ("the miner stays", &[miner], &[], false),
        ("both stay", &[miner, guardian], &[], true),
        ("another component stays", &[elsewhere.id], &[], true),
        ("with a reason", &[guardian], &[(guardian, "the shop team asks")], true),
        ("with an empty reason", &[guardian], &[(guardian, " ")], false),
        ("with a reason for another", &[guardian], &[(miner, "why not")], false),
        (
            "with a reason for what it needs",
            &[freeze(8).id, guardian],
            &[(freeze(8).id, "it must not stand still")],
            true,
        ),
    ];
    for (name, excluded, reasons, expected) in rows {
        let mut begin = begin(&orders);
        begin.approval.excluded = excluded.iter().copied().collect();
        let reasons = reasons.iter().map(|(id, why)| (id.to_string(), (*why).to_owned()));
        begin.approval.reasons = reasons.collect();
        match check(&begin) {
            Ok(_) => assert!(expected, "{name}"),
            Err(OrderError::Halved { component: 1, .. }) => assert!(!expected, "{name}"),
            Err(error) => panic!("{name}: {error}"),
        }
    }
    let mut begin = begin(&orders);
    begin.approval.excluded = BTreeSet::from([guardian]);
    begin.approval.classes = BTreeSet::from([Effect::Contain]);
    assert!(check(&begin).is_ok(), "nobody is killed");
}

#[test]
fn an_envelope_admits_what_its_kills_end_and_no_plan_asks_for_more() {
    let freeze = action(Act::Freeze { process: process(7) }, &[]);
    let kill = action(Act::Kill { process: process(7) }, &[freeze.id]);
    let mut planned = orders(vec![freeze.clone(), kill]);
    planned.components[0].envelope = Envelope {
        births: vec![Birth::executable(&process(7)), Birth::descent(&process(7))],
        max_births: MAX_BIRTHS,
    };
    type Change = fn(&mut HostOrders);
    let rows: [(&str, Change, &str); 10] = [
        ("as planned", |_| {}, ""),
        (
            "another executable",
            |o| {
                o.components[0].envelope.births.push(Birth::Executable {
                    sha256: Digest::of(b"postgres"),
                    size: Wide(3),
                });
            },
            "admits what none",
        ),
        (
            "another size",
            |o| {
                o.components[0].envelope.births.push(Birth::Executable {
                    sha256: Digest::of(b"x"),
                    size: Wide(4),
                });
            },
            "admits what none",
        ),
        (
            "another command line",
            |o| {
                o.components[0].envelope.births.push(Birth::Descent {
                    argv_sha256: Digest::of(b"another"),
                    exe_sha256: Digest::of(b"x"),
                });
            },
            "admits what none",
        ),
        (
            "of another component",
            |o| {
                let other = ComponentOrders {
                    id: 2,
                    ..o.components[0].clone()
                };
                o.components.push(other);
            },
            "component 2: its envelope",
        ),
        (
            "of a process that is only frozen",
            |o| o.actions.truncate(1),
            "admits what none",
        ),
        (
            "a component twice",
            |o| o.components.push(o.components[0].clone()),
            "stands twice",
        ),
        (
            "more births",
            |o| o.components[0].envelope.max_births = 9,
            "`max_births` is 9",
        ),
        (
            "a longer stand",
            |o| o.bounds.frozen_ms = 10_001,
            "`frozen_ms` is 10001",
        ),
        ("more rounds", |o| o.bounds.rounds = 9, "`rounds` is 9"),
    ];
    for (name, change, expected) in rows {
        let mut orders = planned.clone();
        change(&mut orders);
        match check_consistent(&orders) {
            Ok(()) => assert_eq!(expected, "", "{name}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!expected.is_empty() && error.contains(expected), "{name}: {error}");
            }
        }
        assert_eq!(check(&begin(&orders)).is_ok(), expected.is_empty(), "{name}");
    }
}
