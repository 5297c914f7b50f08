//! Accounts that are locked and come back, and lines of sudoers that go as a whole or not at all.

use super::*;
use crate::action::{AccountTarget, Syntax};
use crate::query::{Account, Password};

const TWIN: &str = r#"{"files": [
    {"path": "/etc/passwd", "content": "root:x:0:0:root:/root:/bin/bash\ntoor:$1$s$secret:0:0::/root:/bin/bash\nops:x:1000:1000::/home/ops:/bin/sh\n"},
    {"path": "/etc/shadow", "content": "root:*:1::::::\nops:$6$s$secret:1::::::\n", "mode": "0640", "flags": 16}]}"#;

fn accounts(host: &Simulated) -> Vec<Account> {
    match ask(host, Query::Accounts {}).value {
        Answer::Accounts(accounts) => accounts,
        other => panic!("{other:?}"),
    }
}

fn target(host: &Simulated, name: &str) -> AccountTarget {
    let found = accounts(host).into_iter().find(|account| account.name == name.into());
    let account = found.expect("it has one");
    AccountTarget {
        name: account.name,
        uid: account.uid,
        line_sha256: account.line_sha256.expect("told"),
    }
}

#[test]
fn an_account_is_locked_and_comes_back() {
    let host = host(TWIN);
    let before = host.snapshot();
    for name in ["toor", "ops"] {
        let account = target(&host, name);
        let act = Act::LockAccount {
            account: account.clone(),
        };
        let done = host.act(&act).expect(name);
        let written = serde_json::to_string(&done).expect("it can be written");
        assert!(!written.contains("secret"), "{name}: {written}");
        let locked = accounts(&host).into_iter().find(|found| found.name == account.name);
        let locked = locked.expect("it is there still");
        assert_eq!(
            (locked.password, locked.expires_day),
            (Password::Locked, Some(1)),
            "{name}"
        );
        assert!(locked.is_shut(20_000));
        assert_eq!(host.act(&act), Ok(Done::Gone), "{name}: done twice is done once");
        let Done::Changed { undo } = done else {
            panic!("{done:?}")
        };
        let back = Done::Changed { undo: Undo::None };
        assert_eq!(host.undo(&undo, None, Arming::Disarmed), Ok(back), "{name}");
        assert_eq!(host.undo(&undo, None, Arming::Disarmed), Ok(Done::Gone), "{name}");
        for file in ["/etc/passwd", "/etc/shadow"] {
            assert_eq!(host.snapshot().text(file), before.text(file), "{name}");
        }
    }
}

#[test]
fn another_account_is_left_alone() {
    let host = host(TWIN);
    let before = host.snapshot();
    let mut other = target(&host, "toor");
    other.line_sha256 = target(&host, "ops").line_sha256;
    let result = host.act(&Act::LockAccount { account: other });
    assert!(matches!(result, Err(HostError::Changed { .. })), "{result:?}");
    let gone = AccountTarget {
        name: "gone".into(),
        ..target(&host, "ops")
    };
    assert_eq!(host.act(&Act::LockAccount { account: gone }), Ok(Done::Gone));
    assert_eq!(host.snapshot().files, before.files);
}

#[test]
fn described_accounts_stand_in_the_files() {
    let host = host(
        r#"{"accounts": [{"name": "root", "uid": 0, "home": "/root"}, {"name": "a", "uid": 1000, "password": "empty"},
            {"name": "b", "uid": 1001, "password": "unknown"}, {"name": "c", "uid": 1002, "password": "set"}]}"#,
    );
    let told: Vec<(String, Password)> = (accounts(&host).into_iter())
        .map(|account| (account.name.to_string(), account.password))
        .collect();
    let expected = [
        ("root", Password::Locked),
        ("a", Password::Empty),
        ("b", Password::Unknown),
        ("c", Password::Set),
    ];
    assert_eq!(told, expected.map(|(name, password)| (name.to_owned(), password)));
}

#[test]
fn our_own_names_are_told() {
    let host = host(
        r#"{"worker": 900, "processes": [{"pid": 800, "exe": "/usr/bin/bash", "environ": ["USER=ops", "HOME=/home/ops"]},
            {"pid": 900, "ppid": 800, "exe": "/w", "environ": ["USER=root", "SUDO_USER=ops"]},
            {"pid": 901, "exe": "/x", "environ": ["USER=other"]}]}"#,
    );
    let Answer::Host(facts) = ask(&host, Query::Host {}).value else {
        panic!("facts")
    };
    assert_eq!(facts.own_names, [HostBytes::from("ops"), HostBytes::from("root")]);
}

#[test]
fn sudoers_is_not_torn() {
    let host = host(
        r#"{"files": [{"path": "/etc/sudoers.d/x", "content": "x ALL=(ALL) \\\\\n  NOPASSWD: ALL\nOPS ALL=ALL\n"}]}"#,
    );
    let edit = |numbers: &[u32]| {
        let text = host.snapshot().text("/etc/sudoers.d/x").expect("there");
        let row = |number: &u32| {
            let row = text.lines().nth(*number as usize - 1).expect("a line");
            line(*number, row, row)
        };
        host.act(&Act::EditLines {
            file: file(&host, "/etc/sudoers.d/x"),
            remove: numbers.iter().map(row).collect(),
            syntax: Some(Syntax::Sudoers),
        })
    };
    let torn = edit(&[1]);
    assert!(matches!(torn, Err(HostError::Failed { .. })), "{torn:?}");
    assert!(matches!(edit(&[1, 2]), Ok(Done::Changed { .. })));
    assert_eq!(
        host.snapshot().text("/etc/sudoers.d/x").as_deref(),
        Some("OPS ALL=ALL\n")
    );
}
