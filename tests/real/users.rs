//! A host that an intruder left ways into: twins of root, a key, rules of sudoers; and beside them what only looks so.

use serde_json::Value;

use crate::common::command::Deminer;
use crate::common::plan::Planned;
use crate::world::World;
use crate::world::host::Host;

/// What is compared; what a running host writes by itself is left out.
const ALL: [&str; 6] = ["/etc", "/home", "/opt", "/root", "/srv", "/usr"];

/// Keys, accounts and rules of the host's people, and those that the intruder added.
const SCENE: &str = r#"
useradd --system --uid 960 --home-dir /var/spool/news --shell /usr/sbin/nologin news2
mkdir -m 700 -p /root/.ssh /tmp/keys
for key in admin intruder; do ssh-keygen -q -t ed25519 -N '' -C $key@laptop -f /tmp/keys/$key; done
(cat /tmp/keys/admin.pub; sed 's/intruder@laptop/backup@nas/' /tmp/keys/intruder.pub) > /root/.ssh/authorized_keys
chattr +i /root/.ssh/authorized_keys

# One as useradd makes it, one as it is written in by hand: its hash stands in passwd, and shadow has no line of it.
useradd --non-unique --uid 0 --gid 0 --no-create-home --home-dir /root --shell /bin/bash sysadm
echo 'sysadm:correct horse' | chpasswd
hash=$(sed -n 's/^sysadm:\([^:]*\):.*/\1/p' /etc/shadow)
echo "toor:$hash:0:0::/root:/bin/bash" >> /etc/passwd

printf '%s\n' '# the shop' 'deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart shop' > /etc/sudoers.d/shop
printf '%s\n' 'sysadm ALL=(ALL) \' '    NOPASSWD: ALL' 'ines ALL=(root) NOPASSWD: /usr/bin/id' > /etc/sudoers.d/90-cloud
chmod 440 /etc/sudoers.d/*
sed -i 's/^#*PermitRootLogin.*/PermitRootLogin prohibit-password/' /etc/ssh/sshd_config
visudo -c >/dev/null
"#;

/// Whether somebody gets in over SSH by a key.
fn gets_in(host: &Host<'_>, user: &str, key: &str) -> bool {
    let options = "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";
    let said = host.run([
        "sh",
        "-c",
        &format!("ssh {options} -i /tmp/keys/{key} {user}@127.0.0.1 true"),
    ]);
    said.code == Some(0)
}

/// Whether PAM takes this password of an account.
fn fits(host: &Host<'_>, user: &str, password: &str) -> bool {
    // unix_chkpwd(8) asks what pam_unix asks, without a terminal.
    let line = format!("printf '%s\\0' '{password}' | unix_chkpwd {user} nonull");
    host.run(["sh", "-c", &line]).code == Some(0)
}

/// Whether somebody may become root by sudo without a password.
fn becomes_root(host: &Host<'_>, user: &str) -> bool {
    host.run(["runuser", "-u", user, "--", "sudo", "-n", "/usr/bin/id"])
        .code
        == Some(0)
}

fn print(host: &Host<'_>, key: &str) -> String {
    let said = host.sh(&format!("ssh-keygen -lf /tmp/keys/{key}.pub"));
    said.split(' ').nth(1).expect("a fingerprint").to_owned()
}

fn plan_of(host: &Host<'_>, deminer: &Deminer, words: &[&str]) -> Planned {
    let file = deminer.inside("the.plan");
    let name = file.to_str().expect("a name").to_owned();
    let mut all = vec!["plan", "users", "-o", &name, "--format", "json"];
    all.extend_from_slice(words);
    let json = deminer.run(&all).expect(0).json();
    let mut planned = Planned::read(&host.path(&name), json);
    planned.file = file;
    planned
}

#[test]
fn what_is_named_is_shut_and_what_is_like_it_stays_open() {
    let Some(world) = World::new("users") else { return };
    let mut host = world.host("web-1");
    host.boot();
    host.sh(SCENE);
    let deminer = host.deminer();
    for (user, key) in [
        ("root", "admin"),
        ("root", "intruder"),
        ("sysadm", "admin"),
        ("toor", "admin"),
    ] {
        assert!(gets_in(&host, user, key), "{user} with {key}");
    }
    assert!(fits(&host, "sysadm", "correct horse") && fits(&host, "toor", "correct horse"));
    let before = host.snapshot(&ALL, &[]);

    // Nothing is named, nothing is condemned: a person looks.
    let first = plan_of(&host, &deminer, &[]);
    assert_eq!(first.actions(), &[] as &[Value], "nothing is condemned for being odd");
    let text = first.hosts[0].to_string();
    for name in [
        "sysadm",
        "toor",
        &print(&host, "intruder"),
        "sudo_everything_without_password",
    ] {
        assert!(text.contains(name), "{name} is shown");
    }
    assert_eq!(before.changes(&host.snapshot(&ALL, &[])), Vec::<String>::new());

    let keys = format!("keys={}", print(&host, "intruder"));
    let words = [
        "--set",
        "accounts=sysadm,toor",
        "--set",
        &keys,
        "--set",
        "reason=ticket 7",
    ];
    let named = plan_of(&host, &deminer, &words);
    let expected = [
        "clear_flags /root/.ssh/authorized_keys",
        "edit_lines /etc/sudoers.d/90-cloud 1,2",
        "edit_lines /root/.ssh/authorized_keys 2",
        "lock_account sysadm",
        "lock_account toor",
    ];
    let mut changes: Vec<String> = named.actions().iter().filter_map(change).collect();
    changes.sort();
    assert_eq!(changes, expected);
    let hash = host.sh("sed -n 's/^sysadm:\\([^:]*\\):.*/\\1/p' /etc/shadow");
    let no_hash = |what: &str| {
        let found = host.run(["grep", "-rlF", hash.trim(), "/run/deminer-test"]);
        assert_eq!(found.out, "", "{what}: a hash left the files of the host");
    };
    no_hash("the plan");

    let report = named.apply(&deminer, "5s").expect(0).json();
    assert_eq!(report["hosts"][0]["status"], "eradicated", "{report:#}");
    no_hash("the run");
    for (user, key, expected) in [
        ("root", "admin", true),
        ("root", "intruder", false),
        ("sysadm", "admin", false),
        ("toor", "admin", false),
    ] {
        assert_eq!(gets_in(&host, user, key), expected, "{user} with {key}");
    }
    for user in ["sysadm", "toor"] {
        assert!(!fits(&host, user, "correct horse"), "{user}");
    }
    host.sh("visudo -c");
    assert!(becomes_root(&host, "ines") && !becomes_root(&host, "deploy"));
    let after = host.snapshot(&ALL, &[]);
    let changed: Vec<String> = before.changes(&after).iter().filter_map(|line| path(line)).collect();
    let expected = [
        "/etc",
        "/etc/passwd",
        "/etc/shadow",
        "/etc/sudoers.d",
        "/etc/sudoers.d/90-cloud",
        "/root/.ssh",
        "/root/.ssh/authorized_keys",
    ];
    assert_eq!(changed, expected, "nothing else is touched");
    for path in [
        "/etc/passwd",
        "/etc/shadow",
        "/etc/sudoers.d/90-cloud",
        "/root/.ssh/authorized_keys",
    ] {
        let (was, is) = (
            before.at(path).expect("it was there"),
            after.at(path).expect("it is there"),
        );
        assert_eq!(
            (was.mode, was.owner, &was.xattrs),
            (is.mode, is.owner, &is.xattrs),
            "{path}"
        );
    }

    // What came in is let in again: accounts as they were, keys and rules as comments.
    let list = deminer.run(&["undo", "--format", "json"]).expect(0).json();
    let hash = list["hash"].as_str().expect("the list has a hash").to_owned();
    deminer.run(&["undo", "--approve", &hash]).expect(0);
    for file in ["/etc/passwd", "/etc/shadow"] {
        let back = host.snapshot(&[file], &[]);
        assert_eq!(
            before.at(file).map(|object| &object.content),
            back.at(file).map(|object| &object.content),
            "{file}"
        );
    }
    assert!(
        host.text("/etc/sudoers.d/90-cloud")
            .contains("#deminer-disarmed# sysadm ALL=(ALL) \\\n")
    );
    assert!(
        host.text("/root/.ssh/authorized_keys")
            .contains("#deminer-disarmed# ssh-ed25519")
    );
    host.sh("visudo -c");
    assert!(gets_in(&host, "sysadm", "admin") && !gets_in(&host, "root", "intruder"));
    assert!(fits(&host, "toor", "correct horse"));

    // Armed, all is as it was: content, modes, owners, attributes, flags and times. What was just made immutable again is in
    // the way of its own lines.
    host.sh("chattr -i /root/.ssh/authorized_keys");
    let because = ["--armed", "--because", "a test of the way back"];
    let list = deminer.run(&[&["undo"], &because[..], &["--format", "json"]].concat());
    let list = list.expect(0).json();
    let hash = list["hash"].as_str().expect("the list has a hash");
    deminer
        .run(&[&["undo"], &because[..], &["--approve", hash]].concat())
        .expect(0);
    let now = host.snapshot(&ALL, &[]);
    let mut left = before.changes(&now);
    // The time of a directory is that of its last entry, and books of accounts have the time at which they were written.
    let timed = ["/etc", "/etc/sudoers.d", "/root/.ssh", "/etc/passwd", "/etc/shadow"];
    left.retain(|line| !timed.map(Some).contains(&path(line).as_deref()));
    for book in ["/etc/passwd", "/etc/shadow"] {
        let of = |snapshot: &crate::world::snapshot::Snapshot| {
            let object = snapshot.at(book).expect("it is there");
            (
                object.content.clone(),
                object.mode,
                object.owner,
                object.flags,
                object.xattrs.clone(),
            )
        };
        assert_eq!(of(&before), of(&now), "{book}");
    }
    assert_eq!(left, Vec::<String>::new());
    assert!(gets_in(&host, "root", "intruder") && becomes_root(&host, "sysadm"));
}

/// The kind of a change and its target; `None` for what changes nothing.
fn change(action: &Value) -> Option<String> {
    let act = &action["act"];
    let kind = act["kind"].as_str().expect("a kind");
    let target = match kind {
        "keep" => return None,
        "lock_account" => act["account"]["name"].as_str().expect("a name").to_owned(),
        "edit_lines" => {
            let lines = act["remove"].as_array().expect("lines").iter();
            let numbers: Vec<String> = lines.map(|line| line["number"].to_string()).collect();
            format!(
                "{} {}",
                act["file"]["path"].as_str().expect("a path"),
                numbers.join(",")
            )
        }
        _ => act["file"]["path"].as_str().expect("a path").to_owned(),
    };
    Some(format!("{kind} {target}"))
}

/// The path of a line of [`crate::world::snapshot::Snapshot::changes`].
fn path(line: &str) -> Option<String> {
    line.split(": ").next().map(str::to_owned)
}
