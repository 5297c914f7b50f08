//! `deminer test`: every shipped playbook is tested, a test can fail, and it gives the same bytes each time.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::command::{Answer, run};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A copy of the shipped playbooks with their tests, and of the recordings that these name.
fn copied() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(&Path::new(ROOT).join("playbooks"), &folder.path().join("playbooks"));
    for case in ["infected-plain", "clean-busy", "unreadable"] {
        let answers = format!("modules/tests/cases/{case}/answers");
        copy(&Path::new(ROOT).join(&answers), &folder.path().join(&answers));
    }
    copy(
        &Path::new(ROOT).join("tests/worlds"),
        &folder.path().join("tests/worlds"),
    );
    let playbooks = folder.path().join("playbooks");
    (folder, playbooks)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder of the repository") {
        let entry = entry.expect("a readable folder");
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => _ = fs::copy(entry.path(), to).expect("a file"),
        }
    }
}

fn tested(playbooks: &Path, words: &[&str]) -> Answer {
    let playbooks = playbooks.to_str().expect("a path in UTF-8");
    run(&[&["test", playbooks], words].concat())
}

/// All files of a folder, by name.
fn bytes(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("readable").path());
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|path| {
            (
                path.file_name().expect("a name").to_string_lossy().into_owned(),
                fs::read(&path).expect("a file"),
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_shipped_playbook_does_what_its_tests_say() {
    let (_folder, playbooks) = copied();
    let answer = tested(&playbooks, &["--format", "json"]);
    assert_eq!(answer.code, Some(0), "{answer}");
    let results = answer.json();
    let cases = results["cases"].as_array().expect("a list");
    for entry in fs::read_dir(&playbooks).expect("a folder") {
        let name = entry.expect("readable").file_name().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".yml").filter(|stem| !stem.ends_with(".test")) else {
            continue;
        };
        let own = format!("/{stem}.test.yml");
        let of_it = cases
            .iter()
            .filter(|case| case["file"].as_str().is_some_and(|file| file.ends_with(&own)));
        assert!(of_it.count() >= 2, "{name} has no tests");
    }
    // What no case can take: listing a tree asks no host, and cannot fail.
    let never = results["covered"].as_array().expect("a list").iter().flat_map(|of| {
        let rows = ["steps", "branches"].map(|key| of[key].as_array().expect("a list"));
        rows.into_iter().flatten().filter(|row| row["taken"] == false)
    });
    let never: Vec<&str> = never.map(|row| row["name"].as_str().expect("a name")).collect();
    assert_eq!(never, ["gather tree: fails and goes on"]);
    let accepted = fs::read_dir(playbooks.join("snapshots")).expect("snapshots").flatten();
    let waiting = accepted
        .filter(|file| file.file_name().to_string_lossy().ends_with(".new"))
        .count();
    assert_eq!(waiting, 0, "nothing waits to be accepted");
}

#[test]
fn results_are_told_in_chinese_and_files_for_programs_stay() {
    let (folder, playbooks) = copied();
    let tests = playbooks.join("users.test.yml");
    let text = fs::read_to_string(&tests).expect("tests");
    let wrong = text.replacen("expect: {", "expect: {findings: [no_such_signal], ", 1);
    assert_ne!(wrong, text);
    fs::write(&tests, wrong).expect("tests");
    let junit = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let users = tests.to_str().expect("UTF-8");
    let english = run(&["test", users, "--junit", &junit("en.xml")]).expect(1).out;
    let words = ["test", users, "--lang", "zh", "--junit", &junit("zh.xml")];
    let chinese = run(&words).expect(1).out;
    assert!(english.contains("a finding no_such_signal"), "{english}");
    for part in [
        "不符  ",
        "发现 no_such_signal",
        "  - 有",
        "  + 没有",
        "用例 3 个：通过 2 个，不符 1 个",
        "覆盖 ",
    ] {
        assert!(chinese.contains(part), "{part}: {chinese}");
    }
    let [en, zh] = ["en.xml", "zh.xml"].map(|name| {
        let xml = fs::read_to_string(junit(name)).expect("the results");
        // Only times are others.
        let parts = xml
            .split(" time=\"")
            .map(|part| part.split_once('"').map_or(part, |(_, rest)| rest).to_owned());
        parts.collect::<Vec<_>>()
    });
    assert_eq!(en, zh);
    // Snapshots are compared in the language that they were written in.
    let quiet = playbooks.join("quiet.test.yml");
    let answer = run(&["test", quiet.to_str().expect("UTF-8"), "--lang", "zh"]).expect(0);
    assert!(answer.out.contains("用例 4 个：通过 4 个"), "{answer}");
}

#[test]
fn what_differs_fails_is_shown_and_can_be_accepted() {
    let (folder, playbooks) = copied();
    let snapshot = playbooks.join("snapshots/linux-miner__removed-and-watched.report.snap");
    let text = fs::read_to_string(&snapshot).expect("a snapshot");
    assert!(text.contains("9 of 9"), "{text}");
    fs::write(&snapshot, text.replace("9 of 9", "8 of 9")).expect("a snapshot");
    let junit = folder.path().join("junit.xml");
    let only = [
        "--filter",
        "removed and watched",
        "--filter",
        "a host that does not show enough",
    ];
    let words = [&only[..], &["--junit", junit.to_str().expect("UTF-8")]].concat();
    let answer = tested(&playbooks, &words);
    assert_eq!(answer.code, Some(1), "{answer}");
    for shown in ["DIFF", "8 of 9", "9 of 9", "2 cases: 1 right, 1 wrong", "--accept"] {
        assert!(answer.out.contains(shown), "{shown}: {answer}");
    }
    let xml = fs::read_to_string(&junit).expect("the results");
    assert!(xml.contains("failures=\"1\"") && xml.contains("<failure "), "{xml}");
    assert!(snapshot.with_extension("snap.new").exists(), "it waits for a review");
    assert_eq!(tested(&playbooks, &[&only[..], &["--accept"]].concat()).code, Some(0));
    assert_eq!(fs::read_to_string(&snapshot).expect("a snapshot"), text, "as it was");
    assert!(!snapshot.with_extension("snap.new").exists(), "nothing waits any more");

    // What is expected in words is not accepted away.
    let tests = playbooks.join("linux-miner.test.yml");
    let text = fs::read_to_string(&tests).expect("tests");
    fs::write(
        &tests,
        text.replace("actions: {kill: 2, edit_lines: 1", "actions: {kill: 3, edit_lines: 1"),
    )
    .expect("tests");
    let answer = tested(&playbooks, &[&only[..], &["--accept"]].concat());
    assert_eq!(answer.code, Some(1), "{answer}");
    assert!(answer.out.contains("actions of the kind kill"), "{answer}");
}

#[test]
fn the_same_bytes_come_out_each_time() {
    let only = [
        "--filter",
        "contain.test.yml",
        "--filter",
        "worker dies",
        "--filter",
        "comes back",
        "--accept",
    ];
    let kept = bytes(&Path::new(ROOT).join("playbooks/snapshots"));
    for jobs in ["1", "8"] {
        let (_folder, playbooks) = copied();
        fs::remove_dir_all(playbooks.join("snapshots")).expect("snapshots");
        let answer = tested(&playbooks, &[&only[..], &["--jobs", jobs]].concat());
        assert_eq!(answer.code, Some(0), "{answer}");
        let made = bytes(&playbooks.join("snapshots"));
        assert!(made.len() >= 4, "{answer}");
        for file in made {
            assert!(kept.contains(&file), "{}: other bytes with {jobs} jobs", file.0);
        }
    }
}

#[test]
fn insta_reads_our_snapshots() {
    let folder = Path::new(ROOT).join("playbooks/snapshots");
    let (name, bytes) = bytes(&folder)
        .into_iter()
        .find(|(name, _)| name.ends_with(".snap"))
        .expect("a snapshot");
    let text = String::from_utf8(bytes).expect("text");
    let (_, content) = text.split_once("\n---\n").expect("a head");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let name = name.trim_end_matches(".snap").to_owned();
    settings.bind(|| insta::assert_snapshot!(name, content));
}

#[test]
fn mistakes_are_told_with_their_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("linux-miner.test.yml");
    let text = "test: x\nplaybook: linux-miner\ncases:\n  - name: one\n    host: simulated:infected\n    expct: {}\n";
    fs::write(&file, text).expect("a file");
    let answer = tested(&file, &[]);
    assert_eq!(answer.code, Some(2), "{answer}");
    assert!(answer.err.contains("linux-miner.test.yml:6:5"), "{answer}");
    assert!(answer.err.contains("did you mean `expect`?"), "{answer}");
    let none = tested(folder.path(), &["--filter", "nothing"]);
    assert_eq!(none.code, Some(2), "{none}");
}

/// The commands of our examples for servers that run tests are commands.
#[test]
fn examples_for_servers_call_what_there_is() {
    let mut calls = 0;
    for file in [
        "examples/ci/github-actions.yml",
        "examples/ci/gitlab-ci.yml",
        ".pre-commit-hooks.yaml",
    ] {
        let text = fs::read_to_string(Path::new(ROOT).join(file)).expect("an example");
        let value: serde_json::Value =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file} is no YAML: {error}"));
        assert!(!value.is_null(), "{file}");
        let said = text
            .lines()
            .map(|line| line.trim().trim_start_matches("- ").trim_start_matches("entry: "));
        for command in said.filter(|line| line.starts_with("deminer ")) {
            let words: Vec<&str> = command.split(' ').skip(1).collect();
            let help = run(&[words[0], "--help"]);
            assert_eq!(help.code, Some(0), "{file}: {command}");
            for option in words.iter().filter(|word| word.starts_with("--")) {
                assert!(help.out.contains(option), "{file}: {command}: no {option}");
            }
            calls += 1;
        }
        // What they check and test is there.
        assert!(Path::new(ROOT).join("playbooks/linux-miner.yml").is_file());
    }
    assert!(calls >= 6, "{calls} commands");
}
