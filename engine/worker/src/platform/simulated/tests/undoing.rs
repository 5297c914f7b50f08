//! Undo, and the journal of a host.

use super::*;
use crate::action::{LinkTarget, StarterKind};

const JOURNAL: &str = "/run/.deminer-0123456789abcdef0123456789abcdef";

#[test]
fn a_file_comes_back_without_the_right_to_run() {
    let host = host(r#"{"files": [{"path": "/tmp/x", "content": "bad", "mode": "4755", "uid": 5, "gid": 6}]}"#);
    let file = file(&host, "/tmp/x");
    let done = host.act(&Act::RemoveFile { file: file.clone() }).expect("removed");
    let Done::Changed { undo } = done else {
        panic!("{done:?}")
    };
    assert!(matches!(
        host.undo(&undo, None, Arming::Disarmed),
        Err(HostError::Failed { .. })
    ));
    assert!(matches!(
        host.undo(&undo, Some(b"forged"), Arming::Disarmed),
        Err(HostError::Changed { .. })
    ));
    assert_eq!(
        host.undo(&undo, Some(b"bad"), Arming::Disarmed),
        Ok(Done::Changed { undo: Undo::None })
    );
    assert_eq!(host.undo(&undo, Some(b"bad"), Arming::Disarmed), Ok(Done::Gone));
    let seen = &host.snapshot().files[&path("/tmp/x")];
    assert_eq!((seen.mode, seen.owner, seen.mtime_ns), (0o644, (5, 6), file.mtime_ns.0));
}

#[test]
fn starters_and_links_come_back_where_nothing_reads_them() {
    let host = host(
        r#"{"files": [{"path": "/etc/init.d/x", "content": "/tmp/x", "mode": "755"},
                      {"path": "/etc/rc3.d/S99x", "target": "../init.d/x"}]}"#,
    );
    let file = file(&host, "/etc/init.d/x");
    let link = LinkTarget::from_stat(&stat(&host, "/etc/rc3.d/S99x").expect("there")).expect("a link");
    let starter = StarterKind::InitScript;
    let acts = [
        Act::RemoveLink { link: link.clone() },
        Act::RemoveStarter {
            file: file.clone(),
            starter,
        },
    ];
    let undos = acts.each_ref().map(|act| match host.act(act) {
        Ok(Done::Changed { undo }) => undo,
        other => panic!("{other:?}"),
    });
    assert_eq!(
        undos,
        [
            Undo::RestoreLink { link: link.clone() },
            Undo::RestoreStarter { file: file.clone() },
        ]
    );
    for act in &acts {
        assert_eq!(host.act(act), Ok(Done::Gone));
    }
    let content = Some(&b"/tmp/x"[..]);
    for undo in &undos {
        assert_eq!(
            host.undo(undo, content, Arming::Disarmed),
            Ok(Done::Changed { undo: Undo::None })
        );
        assert_eq!(host.undo(undo, content, Arming::Disarmed), Ok(Done::Gone));
    }
    let flags = Undo::SetFlags {
        file: file.clone(),
        flags: 16,
    };
    assert_eq!(
        host.undo(&flags, None, Arming::Disarmed),
        Ok(Done::Gone),
        "what is disarmed need not hold fast"
    );
    let files = host.snapshot().files;
    assert!(!files.contains_key(&file.path) && !files.contains_key(&link.path));
    assert_eq!(files[&path("/etc/init.d/.x.disarmed")].mode, 0o644);
    assert!(files.contains_key(&path("/etc/rc3.d/.S99x.disarmed")));
    for undo in &undos {
        assert_eq!(
            host.undo(undo, content, Arming::Armed),
            Ok(Done::Changed { undo: Undo::None })
        );
    }
    assert_eq!(host.snapshot().files[&file.path].mode, 0o755);
    let other = LinkTarget {
        target: path("/etc/init.d/y"),
        ..link
    };
    assert!(matches!(
        host.act(&Act::RemoveLink { link: other }),
        Err(HostError::Changed { .. })
    ));
}

#[test]
fn a_taken_place_is_left_alone() {
    let host = host(
        r#"{"files": [{"path": "/tmp/x", "content": "bad"}, {"path": "/tmp/.copy", "content": "new"}],
            "processes": [{"pid": 10, "exe": "/bin/g"}],
            "guardians": [{"process": 10, "watches": "/tmp/x", "restarts_after_ms": 500, "from": "/tmp/.copy"}]}"#,
    );
    let file = file(&host, "/tmp/x");
    host.act(&Act::RemoveFile { file: file.clone() }).expect("removed");
    host.pass(1000);
    let undo = Undo::RestoreFile { file };
    assert!(matches!(
        host.undo(&undo, Some(b"bad"), Arming::Disarmed),
        Err(HostError::Changed { .. })
    ));
    assert_eq!(host.snapshot().text("/tmp/x").as_deref(), Some("new"));
}

#[test]
fn lines_come_back_disarmed_and_flags_come_back() {
    let host = host(r#"{"files": [{"path": "/c", "content": "a\n* * * * * /tmp/m\nb\n", "flags": 16}]}"#);
    let file = file(&host, "/c");
    let cleared = host.act(&Act::ClearFlags {
        file: file.clone(),
        flags: 16,
    });
    let remove = vec![line(2, "* * * * * /tmp/m", "/tmp/m")];
    let edited = host.act(&Act::EditLines {
        file,
        remove,
        syntax: None,
    });
    let (Ok(Done::Changed { undo: flags }), Ok(Done::Changed { undo: lines })) = (cleared, edited) else {
        panic!("both are done")
    };
    assert_eq!(host.snapshot().text("/c").as_deref(), Some("a\nb\n"));
    assert_eq!(
        host.undo(&lines, None, Arming::Disarmed),
        Ok(Done::Changed { undo: Undo::None })
    );
    assert_eq!(host.undo(&lines, None, Arming::Disarmed), Ok(Done::Gone));
    let text = "a\n#deminer-disarmed# * * * * * /tmp/m\nb\n";
    assert_eq!(host.snapshot().text("/c").as_deref(), Some(text));
    assert_eq!(
        host.undo(&flags, None, Arming::Disarmed),
        Ok(Done::Changed { undo: Undo::None })
    );
    assert_eq!(host.snapshot().files[&path("/c")].flags, 16);
}

#[test]
fn flags_come_back_on_the_same_object() {
    let host = host(r#"{"files": [{"path": "/c", "content": "a", "flags": 48}]}"#);
    let file = file(&host, "/c");
    let done = host.act(&Act::ClearFlags { file, flags: 16 }).expect("cleared");
    let Done::Changed { undo } = done else {
        panic!("{done:?}")
    };
    assert_eq!(host.snapshot().files[&path("/c")].flags, 32);
    assert_eq!(
        host.undo(&undo, None, Arming::Disarmed),
        Ok(Done::Changed { undo: Undo::None })
    );
    assert_eq!(host.undo(&undo, None, Arming::Disarmed), Ok(Done::Gone));
    assert_eq!(host.snapshot().files[&path("/c")].flags, 48);
}

#[test]
fn a_journal_outlives_its_worker() {
    let host = host("{}");
    let directory = path(JOURNAL);
    assert_eq!(host.recall_journal(&directory), Ok(None));
    let killed = host.run_worker(|host| {
        let mut store = host.open_journal(&directory, 10).expect("made");
        store.append(b"one\n").expect("written");
        store.spool(crate::text::Digest::of(b"12345"), b"12345").expect("room");
        let more = store.spool(crate::text::Digest::of(b"123456"), b"123456");
        assert!(matches!(more, Err(HostError::TooLarge { limit: 10, .. })));
        let boundary = host.boundaries();
        host.script(Fault {
            at: At::Boundary(boundary),
            then: FaultKind::Die,
        });
        store.append(b"two\n")
    });
    assert_eq!(killed, Err(WorkerKilled));
    assert_eq!(host.snapshot().journals, [path(JOURNAL)]);
    assert!(host.open_journal(&directory, 10).is_err(), "it is there already");
    assert_eq!(host.recall_journal(&directory), Ok(Some(b"one\n".to_vec())));
    let mut spool = Vec::new();
    let recalled = host.recall_spool(&directory, &mut |digest, bytes| spool.push((digest, bytes.to_vec())));
    assert_eq!(recalled, Ok(()));
    assert_eq!(spool, [(crate::text::Digest::of(b"12345"), b"12345".to_vec())]);
    assert_eq!(host.forget_journal(&directory), Ok(()));
    assert_eq!(host.forget_journal(&directory), Ok(()));
    assert!(host.snapshot().journals.is_empty());
}

#[test]
fn a_journal_that_is_not_ours_is_not_touched() {
    let host = host(&format!(
        r#"{{"files": [{{"path": "{JOURNAL}", "kind": "directory"}}]}}"#
    ));
    for directory in [path(JOURNAL), path("/run/journal"), path("/tmp/.deminer-short")] {
        assert!(host.open_journal(&directory, 10).is_err(), "{directory}");
        assert!(host.recall_journal(&directory).is_err(), "{directory}");
        assert!(host.forget_journal(&directory).is_err(), "{directory}");
    }
}

#[test]
fn on_a_full_disk_nothing_is_written() {
    let host = host(r#"{"files": [{"path": "/c", "content": "bad\n"}]}"#);
    let target = file(&host, "/c");
    let mut store = host.open_journal(&path(JOURNAL), 10).expect("made");
    host.script(Fault {
        at: At::Call(CallAt {
            of: Call::Append,
            kind: None,
            nth: 1,
            side: Side::Before,
        }),
        then: FaultKind::DiskFull,
    });
    assert!(store.append(b"x").is_err());
    assert!(store.spool(crate::text::Digest::of(b"x"), b"x").is_err());
    let remove = vec![line(1, "bad", "bad")];
    assert!(
        host.act(&Act::EditLines {
            file: target.clone(),
            remove,
            syntax: None
        })
        .is_err()
    );
    assert!(matches!(
        host.act(&Act::RemoveFile { file: target.clone() }),
        Ok(Done::Changed { .. })
    ));
    assert!(
        host.undo(&Undo::RestoreFile { file: target }, Some(b"bad\n"), Arming::Disarmed)
            .is_err()
    );
    assert_eq!(store.remove(), Ok(()));
}
