//! `deminer record`: nothing of whom it was of is left in a recording, and it still says the same.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::command::{Answer, run};
use deminer_engine::host::recorded::redact;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What must not be found again: a host, its domain, people, an account, addresses, a key and its comment.
const CANARIES: [&str; 10] = [
    "kanzlei7",
    "quorvex",
    "zanderlin",
    "Brunhilde",
    "Zanderlin",
    "203.0.77.19",
    "10.99.88.77",
    "AAAAC3NzaC1lZDI1NTE5AAAAIG89QfyupCRgAfkTyMztrDAKLYREpesC3clfJTmHlDNz",
    "laptop-of-brunhilde",
    "0c5f2e1d4a3b68598677b4a5d2c3f0e1",
];

/// The key that intruders are known to leave: public knowledge.
const OUTLAW: &str = "AAAAB3NzaC1yc2EAAAABJQAAAQEArDp4cun2lhr4KUhBGE7V";

/// Two hosts of samples with canaries in the places of names.
fn worlds(folder: &Path) -> [String; 2] {
    let sample = |file: &str| fs::read_to_string(Path::new(ROOT).join(file)).expect("a world");
    let infected = sample("engine/worker/src/platform/simulated/infected.json")
        .replace("web-3", "kanzlei7.quorvex.example")
        .replace("deploy", "zanderlin")
        .replace("198.51.100.23", "203.0.77.19")
        .replace("192.0.2.10", "10.99.88.77");
    let users = sample("tests/worlds/users.json")
        .replace("web-3", "kanzlei7.quorvex.example")
        .replace("\"ops\"", "\"zanderlin\"")
        .replace("/home/ops", "/home/zanderlin")
        .replace("\\nops:", "\\nzanderlin:")
        .replace("Ops", "Brunhilde Zanderlin")
        .replace("ops@laptop", "ops@laptop-of-brunhilde");
    let [infected, users] = [infected, users].map(|text| {
        let machine = "\"machine_id\": \"0c5f2e1d4a3b68598677b4a5d2c3f0e1\",\n  \"hostname\":";
        text.replace("\"hostname\":", machine)
    });
    [("infected", infected), ("users", users)].map(|(name, text)| {
        let file = folder.join(format!("{name}.json"));
        fs::write(&file, text).expect("a world");
        file.to_string_lossy().into_owned()
    })
}

fn recorded(world: &str, into: &Path, words: &[&str]) -> Answer {
    let (world, into) = (format!("simulated:{world}"), into.to_string_lossy().into_owned());
    run(&[&["record", &world, "-o", &into, "--format", "json"], words].concat())
}

/// Names and contents of all answers.
fn all(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder.join("answers")).expect("answers") {
        let path = entry.expect("readable").path();
        all.push_str(&path.to_string_lossy());
        all.push_str(&fs::read_to_string(&path).expect("an answer"));
    }
    all
}

#[test]
fn nothing_of_whom_it_was_of_is_left_and_it_says_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let playbooks = [
        ["--playbook", "linux-miner"],
        ["--playbook", "users"],
        ["--playbook", "triage"],
    ]
    .concat();
    let mut raw = String::new();
    for (number, world) in worlds(folder.path()).iter().enumerate() {
        let (whole, into) = (
            folder.path().join(format!("raw{number}")),
            folder.path().join(format!("r{number}")),
        );
        let names = folder.path().join("names.json");
        let before = recorded(world, &whole, &[&playbooks[..], &["--raw"]].concat())
            .expect(0)
            .json();
        raw.push_str(&all(&whole));
        let keep = ["--keep-names", names.to_str().expect("UTF-8")];
        let after = recorded(world, &into, &[&playbooks[..], &keep].concat())
            .expect(0)
            .json();
        assert_eq!(before["looks"], after["looks"], "verdicts and acts");
        let left = all(&into);
        for canary in CANARIES {
            assert!(!left.contains(canary), "{canary} is left in the recording of {world}");
        }
        let table = fs::read_to_string(&names).expect("the pseudonyms");
        assert!(table.contains("zanderlin"), "{table}");
        let again = recorded(world, &into, &playbooks);
        assert_eq!(again.code, Some(2), "a recording is not written over: {again}");
        if number == 1 {
            assert!(left.contains(OUTLAW), "a key that is public knowledge stays");
        }
    }
    for canary in CANARIES {
        assert!(
            raw.contains(canary),
            "{canary} was never there: the test proves nothing"
        );
    }
}

#[test]
fn what_was_recorded_is_told_in_chinese_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let into = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let raw = ["record", "simulated:clean", "-o", &into("raw"), "--raw", "--lang", "zh"];
    let raw = run(&raw).expect(0).out;
    assert!(
        raw.contains("linux-miner：未感染，0 个动作") && raw.contains("未作任何替换"),
        "{raw}"
    );
    let redacted = ["record", "simulated:clean", "-o", &into("redacted"), "--lang", "zh"];
    let redacted = run(&redacted).expect(0).out;
    assert!(
        redacted.contains("换成化名") && redacted.contains("交给他人之前"),
        "{redacted}"
    );
}

#[test]
fn a_real_host_says_the_same_under_pseudonyms() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut tests = String::from("test: the same\nplaybook: linux-miner\ncases:\n");
    let rules = ["linux.yml", "families.yml", "keys.yml"]
        .map(|name| fs::read_to_string(Path::new(ROOT).join("playbooks/rules").join(name)).expect("rules"));
    let public: Vec<&str> = rules.iter().map(String::as_str).collect();
    for (case, counts) in [
        ("infected-plain", "{kill: 2, edit_lines: 1}"),
        ("service-and-timer", "{edit_lines: 0}"),
        ("clean-busy", "{kill: 0}"),
    ] {
        let (from, into) = (
            Path::new(ROOT).join("modules/tests/cases").join(case),
            folder.path().join(case),
        );
        fs::create_dir_all(into.join("answers")).expect("a folder");
        for entry in fs::read_dir(from.join("answers")).expect("answers") {
            let entry = entry.expect("readable");
            fs::copy(entry.path(), into.join("answers").join(entry.file_name())).expect("an answer");
        }
        let redacted = redact(&into, &public, &BTreeSet::new()).expect("answers");
        assert!(redacted.names.len() >= 3, "{:?}", redacted.names);
        assert!(
            all(&from).contains("deploy") || case != "infected-plain",
            "the case has a name in it"
        );
        assert!(!all(&into).contains("deploy"), "{case}");
        let verdict = if case == "clean-busy" { "clean" } else { "infected" };
        for (kind, host) in [("raw", from.to_string_lossy()), ("redacted", case.into())] {
            tests.push_str(&format!(
                "  - name: {case} {kind}\n    host: {host}\n    expect: {{verdict: {verdict}, actions: {counts}}}\n"
            ));
        }
    }
    let file = folder.path().join("same.test.yml");
    fs::write(&file, tests).expect("tests");
    let answer = run(&["test", file.to_str().expect("UTF-8")]);
    assert_eq!(answer.code, Some(0), "{answer}");
}

#[test]
fn a_case_that_changes_a_recording_is_refused() {
    let host = Path::new(ROOT).join("modules/tests/cases/infected-plain");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("changed.test.yml");
    let case = |name: &str, expect: &str| {
        format!(
            "  - name: {name}\n    host: {}\n    approve: all\n{expect}",
            host.display()
        )
    };
    let expected = case(
        "expected",
        "    expect: {refused: a recording cannot be changed, actions: {kill: 2}}\n",
    );
    let cases = expected.clone() + &case("not expected", "");
    let head = "test: changed\nplaybook: linux-miner\ncases:\n";
    fs::write(&file, format!("{head}{expected}")).expect("tests");
    let answer = run(&["test", file.to_str().expect("UTF-8")]);
    assert_eq!(answer.code, Some(0), "{answer}");
    fs::write(&file, format!("{head}{cases}")).expect("tests");
    let answer = run(&["test", file.to_str().expect("UTF-8")]);
    assert_eq!(answer.code, Some(1), "{answer}");
    assert!(answer.out.contains("leave `approve` out"), "{answer}");
}
