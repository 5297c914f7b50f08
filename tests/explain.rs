//! `deminer explain`: every code has its example, the wrong one has exactly that mistake, the right one none.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::command::{Deminer, run};
use serde_json::Value;

/// What cannot be shown in a few lines of a playbook: they are about size, or about files of tests.
const NO_EXAMPLE: [&str; 4] = ["I0111", "P0015", "T0101", "T0102"];

/// The codes that the command says of an example.
fn codes(deminer: &Deminer, code: &str, files: &[Value]) -> (BTreeSet<String>, String) {
    let folder = tempfile::tempdir().expect("a directory");
    let is_inventory = code.starts_with('I');
    let usual = if is_inventory { "hosts.yml" } else { "night.yml" };
    let (mut sets, mut has_answers, mut first) = (None, false, String::new());
    for file in files {
        let name = match file["file"].as_str() {
            Some("") | None => usual,
            Some(name) => name,
        };
        let text = file["text"].as_str().expect("a text");
        let (text, command): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| !line.starts_with('$'));
        let behind = |line: &&str| line.split_once(usual).map(|(_, sets)| sets.to_owned());
        sets = sets.or(command.first().and_then(behind));
        has_answers |= name == "answers.yml";
        if first.is_empty() {
            name.clone_into(&mut first);
        }
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, format!("{}\n", text.join("\n"))).expect("a file");
        let mode = if name.ends_with(".sh") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
    }
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let file = at(&first);
    let answers = at("answers.yml");
    let words: Vec<&str> = match (is_inventory, &sets, has_answers) {
        (true, ..) => vec!["inventory", "-i", &file],
        (_, Some(sets), _) => ["plan", &file, "simulated:clean"]
            .into_iter()
            .chain(sets.split_whitespace())
            .collect(),
        (_, None, true) => vec!["plan", &file, "simulated:clean", "--answers", &answers],
        (_, None, false) if code == "P0320" => vec!["check", &file],
        (_, None, false) => vec!["check", &file, "--allow", "command.read", "--allow", "command.run"],
    };
    let answer = match words[0] {
        "plan" => deminer.run(&words),
        _ => run(&words),
    };
    let said = format!("{}{}", answer.out, answer.err);
    let found = said.match_indices('[').filter_map(|(at, _)| {
        let word = said.get(at + 1..at + 6)?;
        let is_code = word.starts_with(['I', 'P']) && word[1..].bytes().all(|b| b.is_ascii_digit());
        (is_code && said.get(at + 6..at + 7) == Some("]")).then(|| word.to_owned())
    });
    (found.collect(), said)
}

#[test]
fn every_example_is_wrong_and_right_as_it_says() {
    let deminer = Deminer::new();
    let all = run(&["explain", "--format", "json"]).expect(0).json();
    let all = all["codes"].as_array().expect("a list");
    assert!(all.len() > 80);
    for one in all {
        let code = one["code"].as_str().expect("a code");
        let files = |key: &str| one[key].as_array().expect("a list").clone();
        let (wrong, right) = (files("wrong"), files("right"));
        assert_eq!(wrong.is_empty(), NO_EXAMPLE.contains(&code), "{code}");
        assert_eq!(wrong.is_empty(), right.is_empty(), "{code}");
        if wrong.is_empty() {
            continue;
        }
        let (found, said) = codes(&deminer, code, &wrong);
        assert_eq!(found, BTreeSet::from([code.to_owned()]), "{code}: wrong\n{said}");
        let (found, said) = codes(&deminer, code, &right);
        assert_eq!(found, BTreeSet::new(), "{code}: right\n{said}");
        assert!(!said.contains("error:"), "{code}: right\n{said}");
    }
}

#[test]
fn a_code_is_found_as_it_is_said() {
    for name in ["P0301", "p0301", "[P0301]"] {
        let answer = run(&["explain", name]).expect(0);
        assert!(answer.out.starts_with("P0301  "), "{answer}");
        assert!(answer.out.contains("file.remove"), "{answer}");
    }
    let zh = run(&["explain", "P0301", "--lang", "zh"]).expect(0);
    assert!(zh.out.contains("错误写法") && zh.out.contains("file.remove"), "{zh}");
    let list = run(&["explain", "--lang", "zh"]).expect(0);
    assert!(list.out.contains("I0101") && list.out.contains("P0602"), "{list}");
    let none = run(&["explain", "P9999"]).expect(2);
    assert!(none.err.contains("`deminer explain` lists all"), "{none}");
}

#[test]
fn what_check_says_leads_to_the_explanation() {
    let file = Path::new("tests/wrong/destroys-while-looking.yml");
    let said = run(&["check", &file.to_string_lossy()]).expect(2);
    assert!(said.out.contains("deminer explain P0301 says more"), "{said}");
}
