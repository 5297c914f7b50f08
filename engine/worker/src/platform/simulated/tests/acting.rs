//! Acts: on exactly their target, or not at all.

use super::*;

const FILES: &str = r#"{
    "files": [
        {"path": "/tmp/x", "content": "bad", "mode": "0755"}, {"path": "/tmp/other", "content": "good"},
        {"path": "/tmp/fixed", "content": "bad", "flags": 16},
        {"path": "/tmp/text", "content": "good\nrun /tmp/x\n", "flags": 16},
        {"path": "/usr/bin/perl", "content": "perl"}, {"path": "/bin", "target": "usr/bin"}, {"path": "/ro/x", "content": "bad"}],
    "mounts": [{"point": "/tmp/.m", "bind": "/usr/bin"}, {"point": "/ro", "options": ["ro"]},
               {"point": "/dev/shm", "kind": "tmpfs"}]
}"#;

/// A name for how an act ended.
fn word(result: Result<Done, HostError>) -> &'static str {
    match result {
        Ok(Done::Changed { .. }) => "done",
        Ok(Done::Already) => "already",
        Ok(Done::Gone) => "gone",
        Ok(Done::WouldNotStop) => "would not stop",
        Ok(Done::Ran { .. }) => "ran",
        Err(HostError::Changed { .. }) => "changed",
        Err(HostError::Denied { .. }) => "denied",
        Err(HostError::Protected { .. }) => "protected",
        Err(HostError::Failed { .. }) => "failed",
        Err(HostError::Unsupported { .. }) => "unsupported",
        Err(_) => "another error",
    }
}

#[test]
fn a_file_is_removed_only_if_it_is_the_one() {
    type Alter = fn(&mut FileTarget);
    let rows: [(&str, &str, Alter, &str); 9] = [
        ("the one", "/tmp/x", |_| {}, "done"),
        ("gone", "/tmp/x", |file| file.path = path("/tmp/nothing"), "gone"),
        (
            "another inode",
            "/tmp/x",
            |file| file.path = path("/tmp/other"),
            "changed",
        ),
        (
            "another content",
            "/tmp/x",
            |file| file.sha256 = crate::text::Digest::of(b"else"),
            "changed",
        ),
        ("another device", "/tmp/x", |file| file.id.dev = Wide(99), "changed"),
        (
            "over a link",
            "/usr/bin/perl",
            |file| file.path = path("/bin/perl"),
            "changed",
        ),
        (
            "over a mount",
            "/usr/bin/perl",
            |file| file.path = path("/tmp/.m/perl"),
            "changed",
        ),
        ("immutable", "/tmp/fixed", |_| {}, "denied"),
        ("read-only", "/ro/x", |_| {}, "failed"),
    ];
    for (name, seen, alter, expected) in rows {
        let host = host(FILES);
        let mut file = file(&host, seen);
        alter(&mut file);
        let before = host.snapshot().files;
        let act = Act::RemoveFile { file };
        assert_eq!(word(host.act(&act)), expected, "{name}");
        if expected == "done" {
            assert_eq!(host.snapshot().text(seen), None, "{name}");
            assert_eq!(word(host.act(&act)), "gone", "{name}, again");
        } else {
            assert_eq!(host.snapshot().files, before, "{name}: nothing was done");
        }
    }
}

#[test]
fn flags_are_cleared_before_their_file_can_be_changed() {
    let host = host(FILES);
    let (fixed, text) = (file(&host, "/tmp/fixed"), file(&host, "/tmp/text"));
    let remove = Act::RemoveFile { file: fixed.clone() };
    let edit = Act::EditLines {
        file: text.clone(),
        remove: vec![line(2, "run /tmp/x", "/tmp/x")],
        syntax: None,
    };
    assert_eq!((word(host.act(&remove)), word(host.act(&edit))), ("denied", "denied"));
    for file in [&fixed, &text] {
        let clear = Act::ClearFlags {
            file: file.clone(),
            flags: 16,
        };
        let undo = Undo::SetFlags {
            file: file.clone(),
            flags: 16,
        };
        assert_eq!(host.act(&clear), Ok(Done::Changed { undo }));
        assert_eq!(host.act(&clear), Ok(Done::Gone));
    }
    assert_eq!((word(host.act(&remove)), word(host.act(&edit))), ("done", "done"));
    assert_eq!(host.snapshot().text("/tmp/text").as_deref(), Some("good\n"));
}

#[test]
fn an_edit_refuses_a_line_that_changed() {
    let host = host(FILES);
    let text = file(&host, "/tmp/text");
    host.act(&Act::ClearFlags {
        file: text.clone(),
        flags: 16,
    })
    .expect("cleared");
    let edit = |line: LineTarget| {
        host.act(&Act::EditLines {
            file: text.clone(),
            remove: vec![line],
            syntax: None,
        })
    };
    assert_eq!(word(edit(line(2, "run /tmp/x --hard", "/tmp/x"))), "changed");
    assert_eq!(word(edit(line(2, "something that never was", "never"))), "gone");
    assert_eq!(host.snapshot().text("/tmp/text").as_deref(), Some("good\nrun /tmp/x\n"));
}

#[test]
fn a_process_is_struck_only_if_it_is_the_one() {
    type Alter = fn(&mut ProcessTarget);
    let rows: [(&str, u32, Alter, &str); 7] = [
        ("the one", 11, |_| {}, "done"),
        (
            "gone, its pid used again",
            11,
            |process| process.start_ticks = Wide(77),
            "gone",
        ),
        (
            "runs something else now",
            11,
            |process| process.exe.inode = Wide(9),
            "changed",
        ),
        (
            "other content",
            11,
            |process| process.exe_sha256 = crate::text::Digest::of(b""),
            "changed",
        ),
        ("another boot", 11, |process| process.boot_id.clear(), "gone"),
        ("the worker itself", 900, |_| {}, "protected"),
        ("pid 1", 1, |_| {}, "protected"),
    ];
    for (name, pid, alter, expected) in rows {
        for act in [
            (|process| Act::Freeze { process }) as fn(ProcessTarget) -> Act,
            |process| Act::Kill { process },
        ] {
            let host = host(GUARDED);
            host.arm().expect("a keeper");
            let mut process = process(&host, pid);
            alter(&mut process);
            assert_eq!(word(host.act(&act(process))), expected, "{name}");
            assert_eq!(host.snapshot().runs(pid), expected != "done", "{name}");
        }
    }
}

#[test]
fn nothing_is_frozen_without_a_keeper() {
    let host = host(GUARDED);
    let process = process(&host, 11);
    assert_eq!(
        word(host.act(&Act::Freeze {
            process: process.clone()
        })),
        "failed"
    );
    assert!(host.committed(&[process]).is_err());
}

#[test]
fn what_does_not_stop_says_so_and_can_be_killed() {
    let host = host(GUARDED);
    host.arm().expect("a keeper");
    host.script(Fault {
        at: At::Call(CallAt {
            of: Call::Act,
            kind: None,
            nth: 1,
            side: Side::Before,
        }),
        then: FaultKind::IgnoreStop(11),
    });
    let process = process(&host, 11);
    assert_eq!(
        word(host.act(&Act::Freeze {
            process: process.clone()
        })),
        "would not stop"
    );
    assert!(host.snapshot().runs(11));
    assert_eq!(word(host.act(&Act::Kill { process })), "done");
}

#[test]
fn one_worker_has_the_host() {
    let host = host("{}");
    let held = host.lock().expect("free");
    assert_eq!(host.lock().err(), Some(HostError::Busy));
    drop(held);
    assert!(host.lock().is_ok());
}

#[test]
fn captured_parts_are_what_the_process_has() {
    let host = host(GUARDED);
    let miner = process(&host, 11);
    let mut vault = Vault::default();
    let object = Object::Process { process: miner.clone() };
    host.capture(
        &object,
        &[Part::Exe, Part::Argv, Part::Environ, Part::Maps, Part::Fds],
        &mut vault,
    )
    .expect("kept");
    assert_eq!(vault.parts[0], (Part::Exe, b"miner".to_vec()));
    assert_eq!(vault.parts[1], (Part::Argv, b"m\0-o\0pool\0".to_vec()));
    assert_eq!(crate::text::Digest::of(&vault.parts[1].1), miner.argv_sha256);
    assert!(vault.parts[3].1.ends_with(b"/tmp/m (deleted)\n"));
    assert_eq!(vault.parts[4].1, b"3 socket:[20001]\n");
    let file = file(&host, "/tmp/guard");
    host.capture(&Object::File { file: file.clone() }, &[Part::Content], &mut vault)
        .expect("kept");
    assert_eq!(vault.parts[5], (Part::Content, b"guard".to_vec()));
    host.act(&Act::RemoveFile { file: file.clone() }).expect("removed");
    let gone = host.capture(&Object::File { file }, &[Part::Content], &mut vault);
    assert!(matches!(gone, Err(HostError::Gone { .. })));
    assert!(vault.missing.is_empty());
}

#[test]
fn what_is_not_shown_is_missing_from_the_vault() {
    let host = host(GUARDED);
    let process = process(&host, 11);
    let fault = |of, then| Fault {
        at: At::Call(CallAt {
            of,
            kind: Some("argv".to_owned()),
            nth: 1,
            side: Side::Before,
        }),
        then,
    };
    let denied = HostError::Denied {
        doing: "read".to_owned(),
    };
    host.script(fault(Call::Capture, FaultKind::Fail(denied.clone())));
    let mut vault = Vault::default();
    host.capture(&Object::Process { process }, &[Part::Exe, Part::Argv], &mut vault)
        .expect("kept in part");
    assert_eq!((vault.parts.len(), vault.missing), (1, vec![(Part::Argv, denied)]));
}
