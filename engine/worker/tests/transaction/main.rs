//! The transaction over the simulated host: what it removes, what it leaves, and what is true after every way to die.

mod bench;
mod contain;
mod envelope;
mod running;
mod starters;

use std::collections::BTreeSet;

use bench::{BAD_LINE, CRONTAB, JOURNAL, Manner, approved, orders, processes, transact};
use deminer_worker::accounts::line_digest;
use deminer_worker::action::{AccountTarget, Act, Action, Done};
use deminer_worker::frame::{End, Outcome, RefusalKind, TransactionEvent};
use deminer_worker::journal;
use deminer_worker::order::Override;
use deminer_worker::platform::Platform;
use deminer_worker::platform::simulated::{At, Call, CallAt, Fault, FaultKind, Side, Simulated, Snapshot, infected};
use deminer_worker::protect::{Facts, protection, protection_unless};
use deminer_worker::query::{FileKind, HostError};
use deminer_worker::text::{Digest, HostBytes, HostPath};

/// Everything outside the intruder's directory and his crontab line is as it was, and every look-alike runs.
fn assert_benign(before: &Snapshot, after: &Snapshot, case: &str) {
    let den = HostPath::from("/tmp/.x");
    for (path, file) in before
        .files
        .iter()
        .filter(|(path, _)| !path.is_below(&den) && **path != HostPath::from(CRONTAB))
    {
        let now = after
            .files
            .get(path)
            .unwrap_or_else(|| panic!("{case}: {path} is gone"));
        if file.kind == FileKind::Directory {
            assert_eq!(
                (now.id, now.mode, now.owner, now.flags),
                (file.id, file.mode, file.owner, file.flags),
                "{case}: {path}"
            );
        } else {
            assert_eq!(now, file, "{case}: {path}");
        }
    }
    for pid in before.running() {
        let strange = before.processes[&pid]
            .exe
            .as_ref()
            .is_some_and(|exe| exe.is_below(&den));
        assert!(strange || after.runs(pid), "{case}: pid {pid} must run");
    }
    let crontab = after.text(CRONTAB).expect("the crontab is there");
    let good = [
        "# nightly jobs of the shop",
        "15 3 * * * /opt/erp/bin/export --all",
        "30 4 * * 0 /usr/local/sbin/backup.sh",
    ];
    assert!(
        good.iter().all(|line| crontab.lines().any(|found| found == *line)),
        "{case}: {crontab}"
    );
}

fn intruder_lives(snapshot: &Snapshot) -> Vec<u32> {
    let den = HostPath::from("/tmp/.x");
    let lives = |pid: &u32| {
        snapshot.processes[pid]
            .exe
            .as_ref()
            .is_some_and(|exe| exe.is_below(&den))
    };
    snapshot
        .running()
        .into_iter()
        .chain(snapshot.frozen())
        .filter(lives)
        .collect()
}

fn assert_eradicated(after: &Snapshot, case: &str) {
    assert!(
        intruder_lives(after).is_empty(),
        "{case}: {:?} live",
        intruder_lives(after)
    );
    for path in [
        "/tmp/.x/guard",
        "/tmp/.x/.copy",
        "/tmp/.x/config.json",
        "/tmp/.x/drop.sh",
    ] {
        assert!(
            !after.files.contains_key(&HostPath::from(path)),
            "{case}: {path} is there"
        );
    }
    assert!(
        !after.text(CRONTAB).expect("the crontab is there").contains(BAD_LINE),
        "{case}"
    );
    assert!(after.frozen().is_empty(), "{case}: something stands still");
}

#[test]
fn what_was_approved_goes_and_nothing_else() {
    let host = Simulated::new(infected());
    let begin = approved(&orders(&host));
    let before = host.snapshot();
    let running: Vec<Digest> = processes(&host)
        .into_iter()
        .filter_map(|p| p.exe)
        .filter(|exe| exe.path.is_below(&HostPath::from("/tmp/.x")))
        .filter_map(|exe| exe.sha256)
        .collect();
    let heard = transact(&host, &begin, Manner::Good);
    let after = host.snapshot();
    assert_benign(&before, &after, "struck");
    assert_eradicated(&after, "struck");
    assert!(
        running.iter().all(|digest| heard.vault.contains_key(digest)),
        "what ran is kept"
    );
    assert!(matches!(
        heard.events.last(),
        Some(TransactionEvent::Finished {
            end: End::Struck,
            frozen: 0,
            ..
        })
    ));
    assert!(!after.locked && !after.keeper);

    host.forget_journal(&HostPath::from(JOURNAL))
        .expect("the journal is ours");
    let again = transact(&host, &begin, Manner::Good);
    assert_eq!(host.snapshot().files, after.files, "twice is once");
    let outcomes = again.events.iter().filter_map(|event| match event {
        TransactionEvent::Outcome { outcome, .. } => Some(outcome),
        _ => None,
    });
    for outcome in outcomes {
        assert_eq!(*outcome, Outcome::Done { done: Done::Gone }, "nothing is left to do");
    }
}

#[test]
fn other_pids_within_the_envelope_are_struck() {
    let host = Simulated::new(infected());
    let begin = approved(&orders(&host));
    let miner = *intruder_lives(&host.snapshot()).iter().max().expect("a miner runs");
    let target = orders(&host).actions.into_iter().find_map(|action| match action.act {
        deminer_worker::action::Act::Kill { process } if process.pid == miner => Some(process),
        _ => None,
    });
    host.act(&deminer_worker::action::Act::Kill {
        process: target.expect("planned"),
    })
    .expect("an administrator kills it");
    host.pass(5_000);
    assert!(
        !intruder_lives(&host.snapshot()).contains(&miner),
        "its guardian started another"
    );
    let heard = transact(&host, &begin, Manner::Good);
    assert_eradicated(&host.snapshot(), "born again");
    assert!(
        heard
            .events
            .iter()
            .any(|event| matches!(event, TransactionEvent::Born { .. }))
    );
}

#[test]
fn a_changed_condemned_line_is_drift() {
    let mut world = infected();
    let host = Simulated::new(world.clone());
    let begin = approved(&orders(&host));
    for file in world
        .files
        .iter_mut()
        .filter(|file| file.path == HostPath::from(CRONTAB))
    {
        *file = serde_json::from_value(serde_json::json!({
            "path": CRONTAB, "mode": "0600", "uid": 1002, "gid": 104,
            "content": "# nightly jobs of the shop\n15 3 * * * /opt/erp/bin/export --all\n*/2 * * * * /tmp/.x/guard\n30 4 * * 0 /usr/local/sbin/backup.sh\n",
        }))
        .expect("a file");
    }
    let host = Simulated::new(world);
    let before = host.snapshot();
    let heard = transact(&host, &begin, Manner::Good);
    assert!(
        heard
            .events
            .iter()
            .any(|event| matches!(event, TransactionEvent::Drifted { component: 1, .. }))
    );
    let after = host.snapshot();
    assert_eq!(after.files, before.files, "its component is untouched");
    assert_eq!(after.running(), before.running(), "and runs");
    assert!(after.frozen().is_empty());
}

#[test]
fn an_account_is_locked_only_if_it_is_the_one() {
    let passwd =
        |toor: &str| format!("root:x:0:0:root:/root:/bin/bash\n{toor}\nerp:x:1001:1001::/opt/erp:/bin/false\n");
    let world = |toor: &str| {
        let mut world = serde_json::to_value(infected()).expect("a world is written");
        let files = world["files"].as_array_mut().expect("files");
        files.push(serde_json::json!({"path": "/etc/passwd", "content": passwd(toor)}));
        let shadow = "root:*:1::::::\ntoor:$6$s$h:1::::::\nerp:*:1::::::\n";
        files.push(serde_json::json!({"path": "/etc/shadow", "content": shadow, "mode": "0640"}));
        Simulated::new(deminer_worker::platform::simulated::World::from_value(world).expect("a world"))
    };
    let twin = "toor:x:0:0::/root:/bin/bash";
    let order = |name: &str, uid: u32, line: &str| {
        let account = AccountTarget {
            name: HostBytes::from(name),
            uid,
            line_sha256: line_digest(line.as_bytes()),
        };
        let act = Act::LockAccount { account };
        let action = Action {
            id: act.id("web-3"),
            component: 1,
            act,
            because: vec!["f00000001".to_owned()],
            needs: vec![],
        };
        let mut orders = orders(&world(twin));
        orders.actions = vec![action];
        orders.components[0].envelope.births.clear();
        approved(&orders)
    };
    let erp = "erp:x:1001:1001::/opt/erp:/bin/false";
    let rows = [
        ("the one", order("toor", 0, twin), twin, true),
        (
            "another line of that name",
            order("toor", 0, twin),
            "toor:x:0:0::/root:/bin/sh",
            false,
        ),
        (
            "a second line of that name",
            order("toor", 0, twin),
            &format!("{twin}\n{twin}"),
            false,
        ),
        ("root", order("root", 0, "root:x:0:0:root:/root:/bin/bash"), twin, false),
        ("one that serves", order("erp", 1001, erp), twin, false),
    ];
    for (name, begin, toor, expected) in rows {
        let host = world(toor);
        let before = host.snapshot();
        let heard = transact(&host, &begin, Manner::Good);
        let after = host.snapshot();
        let drifted = heard
            .events
            .iter()
            .any(|event| matches!(event, TransactionEvent::Drifted { .. }));
        assert_eq!(
            (after.files != before.files, drifted),
            (expected, !expected),
            "{name}: {:?}",
            heard.events
        );
        if expected {
            assert!(
                after
                    .text("/etc/shadow")
                    .expect("there")
                    .contains("toor:!$6$s$h:1:::::1:\n"),
                "{name}"
            );
            assert!(!format!("{:?}", heard.events).contains("$6$"), "no hash is told");
        }
    }
}

#[test]
fn benign_lines_written_meanwhile_stay() {
    let mut world = serde_json::to_value(infected()).expect("a world is written");
    world["writers"] =
        serde_json::json!([{"path": CRONTAB, "append": "5 5 * * * /opt/erp/bin/new\n", "every_ms": 7, "times": 200}]);
    let world = deminer_worker::platform::simulated::World::from_value(world).expect("a world");
    let host = Simulated::new(world);
    let begin = approved(&orders(&host));
    transact(&host, &begin, Manner::Good);
    let after = host.snapshot();
    assert_eradicated(&after, "a busy crontab");
    let crontab = after.text(CRONTAB).expect("there");
    assert_eq!(
        crontab
            .lines()
            .filter(|line| *line == "5 5 * * * /opt/erp/bin/new")
            .count(),
        200,
        "every benign line is kept"
    );
}

#[test]
fn before_the_commit_nothing_is_changed() {
    let host = Simulated::new(infected());
    let begin = approved(&orders(&host));
    let before = host.snapshot();
    transact(&host, &begin, Manner::LeavesBeforeCommit);
    let after = host.snapshot();
    assert_eq!(after.files, before.files);
    assert!(after.frozen().is_empty() && !after.locked && after.journals.is_empty());
}

#[test]
fn after_the_commit_the_host_needs_nobody() {
    let host = Simulated::new(infected());
    let begin = approved(&orders(&host));
    transact(&host, &begin, Manner::LeavesAfterCommit);
    assert_eradicated(&host.snapshot(), "alone");
    let bytes = host
        .recall_journal(&HostPath::from(JOURNAL))
        .expect("readable")
        .expect("there");
    let records = journal::read(&bytes);
    assert!(matches!(
        records.first().map(|r| &r.event),
        Some(TransactionEvent::Committed {})
    ));
    assert!(matches!(
        records.last().map(|r| &r.event),
        Some(TransactionEvent::Finished { end: End::Struck, .. })
    ));
}

/// Dies at every boundary that a host can tell apart, with the controller listening to the end.
#[test]
fn dying_anywhere_leaves_nothing_frozen_and_the_truth() {
    let host = Simulated::new(infected());
    let begin = approved(&orders(&host));
    let first = host.boundaries();
    transact(&host, &begin, Manner::Good);
    let boundaries = host.boundaries();
    let (mut committed_deaths, mut deaths) = (0, 0);
    for boundary in first..boundaries {
        let case = format!("dead at boundary {boundary}");
        let host = Simulated::new(infected());
        let begin = approved(&orders(&host));
        assert_eq!(host.boundaries(), first, "the same host");
        let before = host.snapshot();
        host.script(Fault {
            at: At::Boundary(boundary),
            then: FaultKind::Die,
        });
        let heard = transact(&host, &begin, Manner::Good);
        deaths += 1;
        let after = host.snapshot();
        assert!(after.frozen().is_empty(), "{case}: something stands still");
        assert!(!after.locked && !after.keeper, "{case}: still taken");
        assert_benign(&before, &after, &case);
        let journal = host.recall_journal(&HostPath::from(JOURNAL)).expect("readable");
        let records = journal.map(|bytes| journal::read(&bytes)).unwrap_or_default();
        let committed = records
            .iter()
            .any(|record| record.event == TransactionEvent::Committed {});
        committed_deaths += u32::from(committed);
        if !committed {
            assert_eq!(
                before.files, after.files,
                "{case}: nothing is changed before the commit"
            );
            assert!(!intruder_lives(&after).is_empty(), "{case}: and everything runs");
            continue;
        }
        assert!(heard.committed, "{case}: the host commits only after the controller");
        // Nothing is destroyed of which no evidence is safe, and nothing without an intent on the host's disk.
        for (path, file) in before.files.iter().filter(|(path, _)| !after.files.contains_key(*path)) {
            assert!(
                heard.vault.contains_key(&Digest::of(file.content.as_bytes())),
                "{case}: {path} is not kept"
            );
        }
        let intents = records
            .iter()
            .filter(|r| matches!(r.event, TransactionEvent::Intent { .. }))
            .count();
        let done = records
            .iter()
            .filter(|r| matches!(r.event, TransactionEvent::Outcome { .. }))
            .count();
        assert!(done <= intents, "{case}: an outcome without its intent");
    }
    assert!(
        deaths > 100 && committed_deaths > 20,
        "{deaths} deaths, {committed_deaths} after the commit"
    );
}

#[test]
fn what_cannot_be_kept_is_not_destroyed() {
    let host = Simulated::new(infected());
    let begin = approved(&orders(&host));
    let failed = HostError::Failed {
        doing: "read".to_owned(),
        why: "a bad sector".to_owned(),
    };
    let at = CallAt {
        of: Call::Capture,
        kind: Some("content".to_owned()),
        nth: 1,
        side: Side::Before,
    };
    host.script(Fault {
        at: At::Call(at),
        then: FaultKind::Fail(failed),
    });
    let before = host.snapshot();
    let heard = transact(&host, &begin, Manner::Good);
    let after = host.snapshot();
    for (path, file) in before.files.iter() {
        let kept = heard.vault.contains_key(&Digest::of(file.content.as_bytes()));
        assert!(after.files.contains_key(path) || kept, "{path} went without evidence");
    }
    assert!(heard.events.iter().any(|event| matches!(
        event,
        TransactionEvent::Outcome {
            outcome: Outcome::Skipped { .. },
            ..
        }
    )));
}

#[test]
fn a_full_disk_destroys_nothing() {
    let host = Simulated::new(infected());
    let begin = approved(&orders(&host));
    let at = CallAt {
        of: Call::Arm,
        kind: None,
        nth: 1,
        side: Side::After,
    };
    host.script(Fault {
        at: At::Call(at),
        then: FaultKind::DiskFull,
    });
    let before = host.snapshot();
    transact(&host, &begin, Manner::Good);
    let after = host.snapshot();
    assert_eq!(before.files, after.files);
    assert!(after.frozen().is_empty());
}

#[test]
fn who_would_not_stop_is_killed_with_the_others() {
    let host = Simulated::new(infected());
    let begin = approved(&orders(&host));
    for pid in intruder_lives(&host.snapshot()) {
        host.script(Fault {
            at: At::Boundary(host.boundaries()),
            then: FaultKind::IgnoreStop(pid),
        });
    }
    transact(&host, &begin, Manner::Good);
    assert_eradicated(&host.snapshot(), "it ignores stops");
}

#[test]
fn orders_that_were_touched_are_refused() {
    let host = Simulated::new(infected());
    let begin = approved(&orders(&host));
    let refused = |begin: &deminer_worker::order::Begin| {
        let heard = transact(&host, begin, Manner::Good);
        heard.events.into_iter().find_map(|event| match event {
            TransactionEvent::Refused { kind, .. } => Some(kind),
            _ => None,
        })
    };
    let mut changed = begin.clone();
    changed.line = changed.line.replace("/tmp/.x/.copy", "/tmp/.x/.coqy");
    assert_eq!(refused(&changed), Some(RefusalKind::Orders));
    let mut changed = begin.clone();
    changed.header.push(' ');
    assert_eq!(refused(&changed), Some(RefusalKind::Orders));
    let mut other = orders(&host);
    other.identity.boot_id = "another boot".to_owned();
    assert_eq!(refused(&approved(&other)), Some(RefusalKind::OtherHost));
    let lock = host.lock().expect("free");
    assert_eq!(refused(&begin), Some(RefusalKind::Busy));
    drop(lock);
}

/// The approval with these kinds of acts on these paths or processes left out.
fn leaving_out(
    orders: &deminer_worker::order::HostOrders,
    out: impl Fn(&deminer_worker::action::Act) -> bool,
) -> deminer_worker::order::Begin {
    let mut begin = approved(orders);
    begin.approval.excluded = orders
        .actions
        .iter()
        .filter(|action| out(&action.act))
        .map(|action| action.id)
        .collect();
    let dependents = |excluded: &std::collections::BTreeSet<_>| {
        let needs =
            |action: &&deminer_worker::action::Action| action.needs.iter().any(|needed| excluded.contains(needed));
        orders
            .actions
            .iter()
            .filter(needs)
            .map(|action| action.id)
            .collect::<Vec<_>>()
    };
    loop {
        let before = begin.approval.excluded.len();
        let more = dependents(&begin.approval.excluded);
        begin.approval.excluded.extend(more);
        if begin.approval.excluded.len() == before {
            return begin;
        }
    }
}

#[test]
fn who_is_left_out_runs_on() {
    use deminer_worker::action::{Act, Role};
    let host = Simulated::new(infected());
    let orders = orders(&host);
    let guard = orders.actions.iter().find_map(|action| match &action.act {
        Act::Kill { process } if process.role == Role::Guardian => Some(process.pid),
        _ => None,
    });
    let guard = guard.expect("a guardian is planned");
    for whole in [false, true] {
        let host = Simulated::new(infected());
        let left = |act: &Act| match act {
            Act::Kill { process } => process.pid == guard,
            Act::Freeze { process } => whole && process.pid == guard,
            _ => false,
        };
        transact(&host, &leaving_out(&orders, left), Manner::Good);
        let after = host.snapshot();
        assert!(after.runs(guard), "excluded with its freeze: {whole}");
        assert!(after.frozen().is_empty(), "excluded with its freeze: {whole}");
    }
}

#[test]
fn a_file_that_is_back_is_kept_before_it_goes() {
    let host = Simulated::new(infected());
    let begin = approved(&orders(&host));
    let at = CallAt {
        of: Call::Capture,
        kind: Some("content".to_owned()),
        nth: 1,
        side: Side::Before,
    };
    let gone = HostError::Gone {
        doing: "keep it".to_owned(),
    };
    host.script(Fault {
        at: At::Call(at),
        then: FaultKind::Fail(gone),
    });
    let before = host.snapshot();
    let heard = transact(&host, &begin, Manner::Good);
    let after = host.snapshot();
    for (path, file) in before.files.iter().filter(|(path, _)| !after.files.contains_key(*path)) {
        assert!(
            heard.vault.contains_key(&Digest::of(file.content.as_bytes())),
            "{path} went without evidence"
        );
    }
}

#[test]
fn flags_stay_where_nothing_follows() {
    use deminer_worker::action::Act;
    let host = Simulated::new(infected());
    let orders = orders(&host);
    let dropper = HostPath::from("/tmp/.x/drop.sh");
    let begin = leaving_out(
        &orders,
        |act| matches!(act, Act::RemoveFile { file } if file.path == dropper),
    );
    transact(&host, &begin, Manner::Good);
    assert_eq!(host.snapshot().files[&dropper].flags, 0x10, "still immutable");
}

#[test]
fn what_the_site_lists_is_not_even_frozen() {
    let host = Simulated::new(infected());
    let mut orders = orders(&host);
    orders.protect = vec![HostPath::from("/tmp/.x")];
    let before = host.snapshot();
    let heard = transact(&host, &approved(&orders), Manner::Good);
    assert_eq!(host.snapshot().files, before.files);
    assert_eq!(host.snapshot().running(), before.running());
    assert!(
        !heard
            .events
            .iter()
            .any(|event| matches!(event, TransactionEvent::Frozen { .. })),
        "protected before the freeze"
    );
}

#[test]
fn what_protects_is_overridden_by_that_rule_and_with_a_reason_only() {
    let listed = "the site lists /tmp/.x";
    let rows = [
        ("the rule that was read", listed, "it is the intruder's", true),
        ("another rule", "the site lists /tmp", "it is the intruder's", false),
    ];
    for (name, rule, because, is_done) in rows {
        let host = Simulated::new(infected());
        let mut orders = orders(&host);
        orders.protect = vec![HostPath::from("/tmp/.x")];
        let over = Override {
            rule: rule.to_owned(),
            because: because.to_owned(),
        };
        orders.overrides = orders.actions.iter().map(|action| (action.id, over.clone())).collect();
        transact(&host, &approved(&orders), Manner::Good);
        let gone = intruder_lives(&host.snapshot()).is_empty();
        assert_eq!(gone, is_done, "{name}");
    }
    // What is firm is protected whatever a plan says.
    let host = Simulated::new(infected());
    let mut orders = orders(&host);
    let Some(Act::Kill { process }) = orders
        .actions
        .iter()
        .map(|action| &action.act)
        .find(|act| matches!(act, Act::Kill { .. }))
    else {
        panic!("the plan kills")
    };
    let mut facts = Facts {
        own_chain: [process.pid].into(),
        ..Facts::default()
    };
    let act = Act::Kill {
        process: process.clone(),
    };
    let rule = protection(&act, &BTreeSet::new(), &facts).expect("it is ours");
    let over = Override {
        rule,
        because: "by mistake".to_owned(),
    };
    let left = protection_unless(Some(&over), &act, &BTreeSet::new(), &facts);
    assert!(left.is_some_and(|why| why.contains("our own session")));
    facts.own_chain.clear();
    assert_eq!(protection_unless(Some(&over), &act, &BTreeSet::new(), &facts), None);
    orders.overrides = [(
        orders.actions[0].id,
        Override {
            because: " ".to_owned(),
            ..over
        },
    )]
    .into();
    let heard = transact(&host, &approved(&orders), Manner::Good);
    assert!(!heard.committed, "a reason is none that is empty");
}

#[test]
fn evidence_alone_changes_nothing() {
    let host = Simulated::new(infected());
    let mut begin = approved(&orders(&host));
    begin.until = deminer_worker::order::Stage::Preserve;
    let before = host.snapshot();
    let heard = transact(&host, &begin, Manner::Good);
    let after = host.snapshot();
    assert_eq!((after.files, after.processes), (before.files, before.processes));
    assert!(matches!(
        heard.events.last(),
        Some(TransactionEvent::Finished {
            end: End::Held,
            frozen: 0,
            ..
        })
    ));
    assert!(heard.vault.len() > 5 && !heard.committed);
}
