use super::*;
use proptest::prelude::*;

fn only(text: &str) -> Item {
    let sudoers = parse(text.as_bytes());
    assert_eq!(sudoers.groups.len(), 1, "{text}");
    sudoers.groups.into_iter().next().expect("one").item
}

/// Users, and each command with what goes with it.
fn shown(rule: &Rule) -> String {
    let join = |words: &[HostBytes]| -> String {
        let words: Vec<String> = words.iter().map(HostBytes::to_string).collect();
        words.join("+")
    };
    let grants: Vec<String> = (rule.grants.iter())
        .map(|grant| {
            let run_as = grant
                .run_as
                .as_ref()
                .map_or("-".to_owned(), |run_as| format!("({run_as})"));
            let free = if grant.nopasswd { " free" } else { "" };
            let not = if grant.denied { "!" } else { "" };
            format!("{} {run_as}{free} {not}[{}]", join(&grant.hosts), grant.command)
        })
        .collect();
    format!("{}: {}", join(&rule.users), grants.join("; "))
}

#[test]
fn rules() {
    let rows = [
        ("root ALL=(ALL:ALL) ALL", "root: ALL (ALL:ALL) [ALL]"),
        ("%sudo\tALL=(ALL:ALL) NOPASSWD: ALL", "%sudo: ALL (ALL:ALL) free [ALL]"),
        ("#1001 ALL = NOPASSWD:ALL # why", "#1001: ALL - free [ALL]"),
        (
            "deploy web1,web2=(root) NOPASSWD: /usr/bin/systemctl restart app, PASSWD: /bin/ls /root",
            "deploy: web1+web2 (root) free [/usr/bin/systemctl restart app]; web1+web2 (root) [/bin/ls /root]",
        ),
        (
            "a, %b , +c ALL=!/bin/su, /tmp/.x/run --all",
            "a+%b++c: ALL - ![/bin/su]; ALL - [/tmp/.x/run --all]",
        ),
        ("\"a b\" ALL=ALL", "a b: ALL - [ALL]"),
        ("%:ad\\ group ALL=(ALL) ALL", "%:ad group: ALL (ALL) [ALL]"),
        (
            "a 2001:db8::1=/bin/a : h2=(b) /bin/c\\,d\\:e",
            "a: 2001:db8::1 - [/bin/a]; h2 (b) [/bin/c,d:e]",
        ),
        (
            "OPS ALL=(DB) CWD=/tmp TIMEOUT=1h NOEXEC:SETENV: PROCS, sudoedit /etc/x",
            "OPS: ALL (DB) [PROCS]; ALL (DB) [sudoedit /etc/x]",
        ),
        (
            "a ALL=sha256:aGk= /bin/a, sha224:00, sha256:11 /bin/b",
            "a: ALL - [/bin/a]; ALL - [/bin/b]",
        ),
        ("a ALL=^/bin/[a,b]$ ^-x: .*$", "a: ALL - [^/bin/[a,b]$ ^-x: .*$]"),
        ("a ALL=(ALL) NOPASSWD : ALL", "a: ALL (ALL) free [ALL]"),
    ];
    for (text, expected) in rows {
        match only(text) {
            Item::Rule(rule) => assert_eq!(shown(&rule), expected, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn other_lines() {
    let include = |path: &str, directory| Item::Include {
        directory,
        path: HostPath::from(path),
    };
    let names = |names: &[&str]| -> Vec<Vec<u8>> { names.iter().map(|name| name.as_bytes().to_vec()).collect() };
    let defaults = |scope: &str, settings: &str, uses: &[&str]| Item::Defaults {
        scope: HostBytes::from(scope),
        settings: HostBytes::from(settings),
        uses: names(uses),
    };
    let rows = [
        ("", None),
        ("# root ALL=(ALL) ALL", Some(Item::Blank)),
        ("#deminer-disarmed# x ALL=ALL \\", Some(Item::Blank)),
        ("#includedir /etc/sudoers.d", Some(include("/etc/sudoers.d", true))),
        ("@include \"a b\"", Some(include("a b", false))),
        ("#include /etc/x.%h", Some(include("/etc/x.%h", false))),
        ("Defaults env_reset", Some(defaults("", "env_reset", &[]))),
        (
            "Defaults:OPS,a !requiretty, secure_path=\"/a:/b\"",
            Some(defaults(":OPS,a", "!requiretty, secure_path=\"/a:/b\"", &["OPS"])),
        ),
        (
            "Defaults!/bin/x,PAGERS noexec",
            Some(defaults("!/bin/x,PAGERS", "noexec", &["PAGERS"])),
        ),
        (
            "User_Alias OPS = a, %b, !DEV : WEB = w",
            Some(Item::Alias {
                names: names(&["OPS", "WEB"]),
                uses: names(&["DEV"]),
            }),
        ),
        (
            "Cmnd_Alias PROCS=/bin/kill, /bin/ps -e, KILLS",
            Some(Item::Alias {
                names: names(&["PROCS"]),
                uses: names(&["KILLS"]),
            }),
        ),
    ];
    for (text, expected) in rows {
        match expected {
            Some(expected) => assert_eq!(only(text), expected, "{text}"),
            None => assert!(parse(text.as_bytes()).groups.is_empty(), "{text}"),
        }
    }
    for text in [
        "root ALL",
        "root ALL=",
        "root ALL=(ALL ALL",
        "root ALL=ls",
        "root ALL=ALL,",
        "ALL",
        "User_Alias lower = a",
        "User_Alias A a",
        "Defaults",
        "@include ",
        "\"a ALL=ALL",
        "a ALL=ALL extra",
        "a ALL=ALL \\",
        "a ALL=CWD= ALL",
    ] {
        assert!(matches!(only(text), Item::Bad(_)), "{text}: {:?}", only(text));
    }
}

#[test]
fn lines_that_go_on_are_one() {
    let text = b"# a \\\nx ALL=(ALL) \\\n   /bin/a, \\  \n\t/bin/b\ny ALL=ALL\\\\\nz ALL=ALL\n";
    let sudoers = parse(text);
    let numbers: Vec<(u32, usize)> = (sudoers.groups.iter()).map(|g| (g.number, g.lines.len())).collect();
    assert_eq!(numbers, [(1, 1), (2, 3), (5, 1), (6, 1)]);
    let Item::Rule(rule) = &sudoers.groups[1].item else {
        panic!("{sudoers:?}")
    };
    assert_eq!(shown(rule), "x: ALL (ALL) [/bin/a]; ALL (ALL) [/bin/b]");
}

#[test]
fn only_whole_lines_may_go() {
    let text = "Defaults env_reset\nUser_Alias OPS = a\nOPS ALL=ALL\nx ALL=(ALL) \\\n  NOPASSWD: ALL\ny ALL=ALL\n";
    let without = |numbers: &[usize]| -> String {
        let lines = text.split_inclusive('\n').enumerate();
        lines
            .filter(|(at, _)| !numbers.contains(&(at + 1)))
            .map(|(_, line)| line)
            .collect()
    };
    let rows: [(&str, &[usize], Result<(), Fault>); 8] = [
        ("none", &[], Ok(())),
        ("a rule", &[6], Ok(())),
        ("a rule of two lines", &[4, 5], Ok(())),
        ("its first line only", &[4], Err(Fault::Torn { number: 4 })),
        ("its last line only", &[5], Err(Fault::Torn { number: 4 })),
        (
            "an alias that is used",
            &[2],
            Err(Fault::Needed {
                number: 2,
                alias: HostBytes::from("OPS"),
            }),
        ),
        ("an alias with its rule", &[2, 3], Ok(())),
        ("all", &[1, 2, 3, 4, 5, 6], Ok(())),
    ];
    for (name, numbers, expected) in rows {
        assert_eq!(
            check_removal(text.as_bytes(), without(numbers).as_bytes()),
            expected,
            "{name}"
        );
    }
    // A line that sudo did not understand before is no reason to leave another one.
    assert_eq!(check_removal(b"junk\nx ALL=ALL\n", b"junk\n"), Ok(()));
    assert_eq!(check_removal(b"x ALL=ALL \\\n", b""), Ok(()));
    assert_eq!(check_removal(b"a\n", b"b\n"), Err(Fault::Torn { number: 1 }));
    // An empty line that it goes on in says nothing by itself.
    assert_eq!(check_removal(b"x ALL=ALL \\\n\ny ALL=ALL\n", b"\ny ALL=ALL\n"), Ok(()));
}

proptest! {
    #[test]
    fn any_bytes_are_read(text: Vec<u8>) {
        let sudoers = parse(&text);
        let lines: usize = sudoers.groups.iter().map(|group| group.lines.len()).sum();
        prop_assert!(lines <= text.split(|b| *b == b'\n').count());
        prop_assert_eq!(check_removal(&text, &text), Ok(()));
        prop_assert_eq!(check_removal(&text, b""), Ok(()));
    }

    #[test]
    fn any_words_are_read(text in "([a-zA-Z#%+!(),:=\\\\\" \t\n/^$@]|ALL|NOPASSWD|User_Alias |Defaults|#include |sha256){0,40}") {
        let sudoers = parse(text.as_bytes());
        let joined: Vec<&[u8]> = sudoers.groups.iter().flat_map(|group| group.lines.iter().copied()).collect();
        let lines: Vec<&[u8]> = text.as_bytes().split(|b| *b == b'\n').collect();
        let end = lines.len() - usize::from(lines.last().is_some_and(|last| last.is_empty()));
        prop_assert_eq!(joined, &lines[..end], "every line is in one group");
    }

    #[test]
    fn a_group_that_goes_takes_nothing_along(good in prop::collection::vec("[a-z]{1,4} ALL=ALL", 0..5), at in 0usize..5) {
        let at = at.min(good.len());
        let mut lines: Vec<String> = good.clone();
        lines.insert(at, "x ALL=(ALL) \\\n NOPASSWD: ALL".to_owned());
        let (before, after) = (lines.join("\n"), good.join("\n"));
        prop_assert_eq!(check_removal(before.as_bytes(), after.as_bytes()), Ok(()));
    }
}
