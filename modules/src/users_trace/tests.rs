use deminer_worker::action::FileTarget;
use deminer_worker::query::{FileId, Password};
use deminer_worker::text::{Digest, Wide};

use super::*;
use crate::authorized_keys::KeyOption;
use crate::sudoers_list::{GrantRow, NumberedLine, fingerprint};

const GOOD: &str = "SHA256:xE6bHDHH7t+o/ORYOiAQ3KwGFNiuLUE3+8CBKwiya1U";
const BAD: &str = "SHA256:MkYY9qiVsFGBC5WkjoClCkwEFW5iSjcGQF7m4n4H7Cw";

fn account(name: &str, uid: u32) -> Account {
    Account {
        name: HostBytes::from(name),
        uid,
        shell: HostBytes::from("/bin/bash"),
        password: Password::Set,
        line_sha256: Some(Digest::of(name.as_bytes())),
        ..Account::default()
    }
}

fn file(path: &str) -> FileTarget {
    let id = FileId {
        dev: Wide(1),
        inode: Wide(7),
    };
    FileTarget {
        mount: HostPath::from("/"),
        path: HostPath::from(path),
        id,
        size: Wide(1),
        ctime_ns: Wide(1),
        mtime_ns: Wide(1),
        sha256: Digest::of(path.as_bytes()),
        mode: 0o600,
        uid: 0,
        gid: 0,
        flags: None,
        links: 1,
        xattrs: Vec::new(),
    }
}

fn key(number: u32, print: &str, command: Option<&str>, comment: &str) -> KeyRow {
    let command = command.map(|command| KeyOption {
        name: HostBytes::from("command"),
        value: Some(HostBytes::from(command)),
    });
    KeyRow {
        file: file("/root/.ssh/authorized_keys"),
        number,
        line: HostBytes::from(format!("{print} {comment}").as_str()),
        accounts: vec![HostBytes::from("root"), HostBytes::from("toor")],
        kind: HostBytes::from("ssh-ed25519"),
        fingerprint: Some(print.to_owned()),
        options: command.into_iter().collect(),
        comment: HostBytes::from(comment),
        starts: Vec::new(),
        read: true,
        ours: false,
    }
}

fn rule(number: u32, lines: &[&str], who: &[&str], commands: &[&str]) -> SudoersRow {
    let grants = commands.iter().map(|command| GrantRow {
        hosts: vec![HostBytes::from("ALL")],
        run_as: HostBytes::default(),
        nopasswd: true,
        denied: false,
        command: HostBytes::from(*command),
    });
    SudoersRow {
        file: file("/etc/sudoers"),
        lines: lines
            .iter()
            .zip(number..)
            .map(|(line, number)| NumberedLine {
                number,
                line: HostBytes::from(*line),
            })
            .collect(),
        kind: RowKind::Rule,
        fingerprint: fingerprint(lines.join("\n").as_bytes()),
        who: who.iter().map(|who| HostBytes::from(*who)).collect(),
        grants: grants.collect(),
        nopasswd: true,
        everything: commands.contains(&"ALL"),
        read: true,
    }
}

fn params() -> Params {
    Params {
        accounts: vec![account("root", 0), account("toor", 0), account("ops", 1_000)],
        keys: vec![key(1, GOOD, None, "ops@laptop"), key(2, BAD, None, "root@backup")],
        sudoers: vec![
            rule(1, &["root ALL=(ALL) ALL"], &["root"], &["ALL"]),
            rule(2, &["toor ALL=(ALL) \\", "  NOPASSWD: ALL"], &["toor"], &["ALL"]),
            rule(4, &["toor,ops ALL=ALL"], &["toor", "ops"], &["ALL"]),
        ],
        lock: Vec::new(),
        remove_keys: Vec::new(),
        remove_sudoers: Vec::new(),
        reason: String::new(),
        paths: Vec::new(),
        condemned: Vec::new(),
        known: None,
        show: Show::Condemned,
        judges_host: false,
    }
}

fn run(params: Params) -> Result<Outcome<Traced>, ModuleError> {
    trace(&params).map(|(outcome, _)| outcome)
}

fn told(list: &[Condemned]) -> Vec<String> {
    let one = |condemned: &Condemned| match &condemned.artifact {
        Artifact::Account { account } => format!("{} account {}", condemned.component, account.name),
        Artifact::Line { file, line } => format!("{} {}:{}", condemned.component, file.path, line.number),
        other => format!("{other:?}"),
    };
    list.iter().map(one).collect()
}

#[test]
fn nothing_is_condemned_by_being_odd() {
    let traced = run(Params {
        show: Show::All,
        ..params()
    });
    let traced = traced.expect("an outcome");
    assert!(traced.output.artifacts.is_empty());
    let expected = [
        "0 account toor",
        "0 /root/.ssh/authorized_keys:1",
        "0 /root/.ssh/authorized_keys:2",
        "0 /etc/sudoers:1",
        "0 /etc/sudoers:2",
        "0 /etc/sudoers:3",
        "0 /etc/sudoers:4",
    ];
    assert_eq!(told(&traced.output.review), expected);
    let says: Vec<String> = traced.findings.iter().map(Finding::sentence).collect();
    assert!(
        says.iter().any(|say| say.contains(&format!("--set keys={BAD}"))),
        "{says:?}"
    );
    assert!(traced.findings.iter().all(|finding| finding.bearing == Bearing::Review));
}

#[test]
fn what_the_operator_names_goes_and_nothing_else() {
    let traced = run(Params {
        lock: vec!["toor".to_owned(), "nobody-here".to_owned()],
        remove_keys: vec![BAD.trim_start_matches("SHA256:").to_owned()],
        reason: "ticket 7".to_owned(),
        ..params()
    });
    let traced = traced.expect("an outcome");
    assert_eq!(told(&traced.output.accounts), ["1 account toor"]);
    assert_eq!(told(&traced.output.keys), ["2 /root/.ssh/authorized_keys:2"]);
    assert_eq!(told(&traced.output.sudoers), ["1 /etc/sudoers:2", "1 /etc/sudoers:3"]);
    assert_eq!(
        told(&traced.output.review),
        ["1 /etc/sudoers:4"],
        "a rule for others too is for a person"
    );
    let says: Vec<String> = traced.findings.iter().map(Finding::sentence).collect();
    assert!(
        says.contains(&"toor (uid 0): the operator named it as the intruder's: ticket 7".to_owned()),
        "{says:?}"
    );
    assert!(
        says.iter().any(|say| say.ends_with("not on this host: nobody-here")),
        "{says:?}"
    );
}

#[test]
fn a_key_is_condemned_for_its_own_bytes() {
    let known = || {
        Some(Resource {
            path: "rules/keys.yml".to_owned(),
            text: include_str!("../../../playbooks/rules/keys.yml").to_owned(),
        })
    };
    // The comment of a known worm on an administrator's key, and the worm's key with an administrator's comment.
    let keys = vec![key(1, GOOD, None, "mdrfckr"), key(2, BAD, None, "ops@laptop")];
    let traced = run(Params {
        keys,
        known: known(),
        ..params()
    });
    assert_eq!(
        told(&traced.expect("an outcome").output.keys),
        ["1 /root/.ssh/authorized_keys:2"]
    );
    let ours = KeyRow {
        ours: true,
        ..key(2, BAD, None, "")
    };
    let traced = run(Params {
        keys: vec![ours],
        known: known(),
        remove_keys: vec![BAD.to_owned()],
        ..params()
    });
    let traced = traced.expect("an outcome").output;
    assert!(traced.keys.is_empty(), "our own session came in by it");
    assert_eq!(told(&traced.review), ["0 /root/.ssh/authorized_keys:2"]);
}

#[test]
fn what_starts_a_condemned_program_goes() {
    let rows = [
        ("nothing else", "/tmp/.x/run >/dev/null 2>&1", 1, 0),
        ("other things too", "/usr/bin/backup; /tmp/.x/run", 0, 1),
        ("only names it", "/usr/bin/backup --exclude /tmp/.x/run", 0, 0),
    ];
    for (name, command, condemned, review) in rows {
        let traced = run(Params {
            keys: vec![key(1, GOOD, Some(command), "")],
            sudoers: Vec::new(),
            paths: vec![HostPath::from("/tmp/.x/run")],
            ..params()
        });
        let traced = traced.expect("an outcome").output;
        assert_eq!((traced.keys.len(), traced.review.len()), (condemned, review), "{name}");
    }
    let rows: [(&str, &[&str], usize, usize); 3] = [
        ("nothing else", &["/tmp/.x/run -B"], 1, 0),
        ("another command too", &["/tmp/.x/run", "/usr/bin/apt"], 0, 1),
        ("everything", &["ALL"], 0, 0),
    ];
    for (name, commands, condemned, review) in rows {
        let traced = run(Params {
            keys: Vec::new(),
            sudoers: vec![rule(1, &["a ALL=..."], &["a"], commands)],
            paths: vec![HostPath::from("/tmp/.x/run")],
            ..params()
        });
        let traced = traced.expect("an outcome").output;
        assert_eq!(
            (traced.sudoers.len(), traced.review.len()),
            (condemned, review),
            "{name}"
        );
    }
}

#[test]
fn numbers_are_those_of_named_accounts_only_where_nobody_else_has_them() {
    let sudoers = vec![
        rule(1, &["#0 ALL=ALL"], &["#0"], &["ALL"]),
        rule(2, &["#1000 ALL=ALL"], &["#1000"], &["ALL"]),
    ];
    let traced = run(Params {
        sudoers,
        keys: Vec::new(),
        lock: vec!["toor".to_owned(), "ops".to_owned()],
        ..params()
    });
    assert_eq!(told(&traced.expect("an outcome").output.sudoers), ["3 /etc/sudoers:2"]);
}

#[test]
fn a_fingerprint_that_is_none_is_refused() {
    for text in [
        "mdrfckr",
        "MD5:00:11",
        "SHA256:short",
        "SHA256:****************************************xxx",
    ] {
        let error = run(Params {
            remove_keys: vec![text.to_owned()],
            ..params()
        });
        assert!(matches!(error, Err(ModuleError::Parameter { .. })), "{text}");
    }
}

#[test]
fn components_go_on_after_those_of_another_trace() {
    let other = Condemned {
        component: 4,
        artifact: Artifact::File {
            file: file("/tmp/.x/run"),
        },
        because: Vec::new(),
    };
    let traced = run(Params {
        condemned: vec![other],
        keys: vec![key(1, GOOD, Some("/tmp/.x/run"), "")],
        sudoers: Vec::new(),
        ..params()
    });
    assert_eq!(
        told(&traced.expect("an outcome").output.keys),
        ["5 /root/.ssh/authorized_keys:1"]
    );
}

#[test]
fn the_word_for_the_host() {
    let clean = || Params {
        accounts: vec![account("root", 0), account("ops", 1_000)],
        keys: vec![key(1, GOOD, None, "")],
        sudoers: vec![rule(1, &["root ALL=(ALL) ALL"], &["root"], &["ALL"])],
        show: Show::All,
        ..params()
    };
    let rows = [
        ("ordinary", clean(), HostVerdict::Clean),
        (
            "nothing told",
            Params {
                accounts: Vec::new(),
                ..clean()
            },
            HostVerdict::CannotSay,
        ),
        (
            "a twin",
            Params {
                accounts: params().accounts,
                ..clean()
            },
            HostVerdict::Suspected,
        ),
        (
            "no password",
            Params {
                accounts: vec![Account {
                    password: Password::Empty,
                    ..account("ops", 1_000)
                }],
                ..clean()
            },
            HostVerdict::Suspected,
        ),
        (
            "a named key",
            Params {
                remove_keys: vec![GOOD.to_owned()],
                ..clean()
            },
            HostVerdict::Infected,
        ),
    ];
    for (name, params, expected) in rows {
        assert_eq!(run(params).expect(name).output.host, expected, "{name}");
    }
}
