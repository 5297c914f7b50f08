//! A run's directory against what was written: every change of it is noticed, and nothing is changed by looking.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::command::Deminer;
use common::machine::written;
use serde_json::Value;

/// A run that is through, in a directory of its own.
fn applied(deminer: &Deminer) -> (PathBuf, String) {
    let words = [
        "plan",
        "linux-miner",
        "simulated:infected",
        "simulated:clean",
        "--set",
        "watch=1s",
        "--format",
        "json",
    ];
    let plan = deminer.run(&words).expect(0).json();
    let hash = &plan["hash"].as_str().expect("a hash")[..16];
    let report = deminer
        .run(&["apply", hash, "--approve", hash, "--format", "json"])
        .expect(0)
        .json();
    let head = report["head"].as_str().expect("a head").to_owned();
    (deminer.run_of(&report), head)
}

/// The kinds of what does not hold, each once.
fn problems(audit: &Value) -> Vec<String> {
    let all = audit["problems"].as_array().expect("a list").iter();
    let mut kinds: Vec<String> = all
        .map(|of| of["problem"].as_str().expect("a word").to_owned())
        .collect();
    kinds.dedup();
    kinds
}

/// Copies a run, so that it can be changed; its name is the run's.
fn copied(run: &Path, into: &Path) -> PathBuf {
    let name = into.join(run.file_name().expect("a name"));
    let copy = std::process::Command::new("cp")
        .args(["-a".as_ref(), run.as_os_str(), into.as_os_str()])
        .status()
        .expect("cp");
    assert!(copy.success());
    name
}

/// The content of every file below a directory.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        match entry.file_type().expect("a kind").is_dir() {
            true => found.extend(contents(&entry.path())),
            false => _ = found.insert(entry.path(), fs::read(entry.path()).expect("ours")),
        }
    }
    found
}

/// The first file below a directory whose name ends so.
fn one(run: &Path, end: &str) -> PathBuf {
    let found = contents(run).into_keys().find(|path| written(path).ends_with(end));
    found.unwrap_or_else(|| panic!("no {end}"))
}

/// Cuts the last so many bytes off.
fn cut(file: &Path, bytes: u64) {
    let open = OpenOptions::new().write(true).open(file).expect("it is ours");
    let length = open.metadata().expect("it is there").len();
    open.set_len(length - bytes).expect("cut");
}

/// Changes one byte.
fn change(file: &Path, at: u64) {
    let bytes = fs::read(file).expect("it is ours");
    let mut open = OpenOptions::new().write(true).open(file).expect("it is ours");
    open.seek(SeekFrom::Start(at)).expect("there");
    open.write_all(&[bytes[usize::try_from(at).expect("short")] ^ 1])
        .expect("written");
}

/// The last whole line's length.
fn last_line(file: &Path) -> u64 {
    let text = fs::read_to_string(file).expect("text");
    text.lines().last().map_or(0, |line| line.len() as u64 + 1)
}

#[test]
fn every_change_of_a_run_is_noticed() {
    let deminer = Deminer::new();
    let (run, head) = applied(&deminer);
    let before = contents(&run);
    let audit = deminer
        .run(&["audit", &written(&run), "--head", &head, "--format", "json"])
        .expect(0)
        .json();
    assert_eq!(problems(&audit), Vec::<String>::new());
    assert_eq!(audit["head"], head);
    assert!(contents(&run) == before, "looking changes nothing");

    type Change = fn(&Path);
    let rows: [(&str, Change, &[&str]); 14] = [
        (
            "a byte in a host's journal",
            |run| {
                let file = one(run, "infected.ndjson");
                let middle = fs::metadata(&file).expect("ours").len() / 2;
                change(&file, middle);
            },
            &["broken", "short", "head"],
        ),
        (
            "the last event cut off",
            |run| {
                let file = run.join("journal/run.ndjson");
                cut(&file, last_line(&file));
            },
            &["head"],
        ),
        (
            "a host's last event cut off",
            |run| {
                let file = one(run, "clean.ndjson");
                cut(&file, last_line(&file));
            },
            &["short", "head"],
        ),
        (
            "half a line cut off",
            |run| cut(&one(run, "infected.ndjson"), 20),
            &["torn", "short", "head"],
        ),
        (
            "a host's journal gone",
            |run| fs::remove_file(one(run, "clean.ndjson")).expect("ours"),
            &["no_chain", "short", "head"],
        ),
        (
            "a host's journal twice",
            |run| {
                let file = one(run, "clean.ndjson");
                fs::copy(&file, file.with_file_name("host-other.ndjson")).expect("copied");
            },
            &["stranger", "stray"],
        ),
        ("a byte in the plan", |run| change(&run.join("plan"), 900), &["plan"]),
        (
            "no plan",
            |run| fs::remove_file(run.join("plan")).expect("ours"),
            &["plan"],
        ),
        (
            "another approval",
            |run| {
                let file = run.join("approval.json");
                let text = fs::read_to_string(&file).expect("text").replace("uid 0", "uid 1");
                fs::write(&file, text.replace("uid 1", "uid 7")).expect("written");
            },
            &["approval"],
        ),
        (
            "a byte of the evidence",
            |run| change(&one(run, ".sealed"), 40),
            &["damaged"],
        ),
        (
            "evidence gone",
            |run| fs::remove_file(one(run, ".sealed")).expect("ours"),
            &["missing"],
        ),
        (
            "a host's last line beside its journal",
            |run| {
                let file = one(run, "clean.ndjson");
                let text = fs::read_to_string(&file).expect("text");
                let last = text.lines().last().expect("a line");
                fs::write(file.with_file_name("x.txt"), last).expect("written");
                cut(&file, last_line(&file));
            },
            &["stray", "short", "head"],
        ),
        (
            "evidence of another host",
            |run| {
                let file = run.join("vault/manifest.ndjson");
                let text = fs::read_to_string(&file).expect("text");
                fs::write(&file, text.replacen("simulated:infected", "simulated:clean", 1)).expect("written");
            },
            &["unlisted", "claimed"],
        ),
        (
            "a line of the vault's list gone",
            |run| {
                let file = run.join("vault/manifest.ndjson");
                cut(&file, last_line(&file));
            },
            &["unlisted"],
        ),
    ];
    for (name, spoil, expected) in rows {
        let folder = tempfile::tempdir().expect("a directory");
        let copy = copied(&run, folder.path());
        spoil(&copy);
        let audit = deminer
            .run(&["audit", &written(&copy), "--head", &head, "--format", "json"])
            .expect(5)
            .json();
        assert_eq!(problems(&audit), expected, "{name}: {audit:#}");
    }
    let text = deminer
        .run(&["audit", &written(&run), "--head", "0123456789abcdef"])
        .expect(5);
    assert!(text.out.contains("DOES NOT HOLD"), "{text}");
    deminer.run(&["audit", &written(&run), "--head", "0123"]).expect(2);
}

#[test]
fn a_head_that_was_printed_holds_a_run_that_went_on() {
    let deminer = Deminer::new();
    let (run, of_all) = applied(&deminer);
    let report = deminer.run(&["report", "--format", "json"]).json();
    let of_run = report["journals"][0]["head"].as_str().expect("a head").to_owned();
    // Taken up again, it grows; a simulated host is a new one each time, so that it returned.
    deminer.run(&["verify", "--watch", "1s"]).expect(6);
    let whole = written(&run);
    deminer.run(&["audit", &whole, "--head", &of_run]).expect(0);
    deminer.run(&["audit", &whole, "--head", &of_all]).expect(0);
    let folder = tempfile::tempdir().expect("a directory");
    let shorter = copied(&run, folder.path());
    let text = deminer.run(&["audit", &written(&shorter)]).expect(0).out;
    let next = format!("deminer audit {} --head ", written(&shorter));
    assert!(text.contains(&next), "the copy, not the run of that name: {text}");
    let of_host = one(&shorter, "infected.ndjson");
    let text = fs::read_to_string(&of_host).expect("text");
    let struck = text
        .lines()
        .position(|line| line.contains("host_finished"))
        .expect("a line");
    let until: usize = text.split_inclusive('\n').take(struck).map(str::len).sum();
    fs::write(&of_host, &text[..until]).expect("written");
    let answer = deminer.run(&["audit", &written(&shorter), "--head", &of_all, "--format", "json"]);
    assert_eq!(problems(&answer.expect(5).json()), ["short", "head"]);
    cut(
        &run.join("journal/run.ndjson"),
        last_line(&run.join("journal/run.ndjson")),
    );
    deminer.run(&["audit", &whole, "--head", &of_run]).expect(0);
    for _ in 0..4 {
        cut(
            &run.join("journal/run.ndjson"),
            last_line(&run.join("journal/run.ndjson")),
        );
    }
    deminer.run(&["audit", &whole, "--head", &of_run]).expect(5);
}

#[test]
fn a_head_is_signed_for_anybody_to_check() {
    let deminer = Deminer::new();
    let (run, head) = applied(&deminer);
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| written(&folder.path().join(name));
    let keygen = |words: &[&str], input: Stdio| {
        let mut command = Command::new("ssh-keygen");
        command
            .args(words)
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().expect("ssh-keygen is installed").success()
    };
    assert!(keygen(
        &["-q", "-t", "ed25519", "-N", "", "-f", &file("key")],
        Stdio::null()
    ));
    let (run, signed) = (written(&run), file("run.head"));
    let words = ["audit", &run, "--key", &file("key"), "--output", &signed];
    deminer.run(&words).expect(0);
    deminer.run(&words).expect(2);
    let line = fs::read_to_string(&signed).expect("it is written");
    assert!(line.trim().ends_with(&head), "{line}");
    let public = fs::read_to_string(file("key.pub")).expect("a key");
    fs::write(file("signers"), format!("ada {public}")).expect("written");
    let verify = |namespace: &str| {
        let words = [
            "-Y",
            "verify",
            "-n",
            namespace,
            "-f",
            &file("signers"),
            "-I",
            "ada",
            "-s",
            &format!("{signed}.sig"),
        ];
        keygen(&words, fs::File::open(&signed).expect("it is there").into())
    };
    assert!(verify("deminer-head") && !verify("deminer-approval"));
    let given = line.split_whitespace().nth(1).expect("a head").to_owned();
    deminer.run(&["audit", &run, "--head", &given]).expect(0);
    fs::write(&signed, line.replacen(' ', "  ", 1)).expect("written");
    assert!(!verify("deminer-head"), "another line was signed");

    // What does not hold is not signed.
    change(&one(Path::new(&run), ".ndjson"), 40);
    deminer
        .run(&["audit", &run, "--key", &file("key"), "--output", &file("b.head")])
        .expect(5);
    assert!(!Path::new(&file("b.head")).exists());
}
