//! An ordinary user without sudo: what he can see is looked at, what he could not is listed, and over that no host is
//! `clean`; his own miner he can remove.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use common::infection::{Started, stand_in};
use common::machine::{needs_root, running_below, turn, wait_until};
use serde_json::Value;
use tempfile::TempDir;

const NOBODY: u32 = 65_534;

/// What an ordinary user has: a copy of the command, a home, and no more rights than anybody.
struct Ordinary {
    home: TempDir,
}

impl Ordinary {
    fn new() -> Ordinary {
        let home = tempfile::Builder::new().prefix("deminer-ordinary-").tempdir();
        let home = home.expect("a directory");
        let program = home.path().join("deminer");
        let content = fs::read(common::command::program()).expect("it is built");
        common::infection::write_program(&program, &[&content]);
        for path in [home.path(), &program] {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give it away");
        }
        Ordinary { home }
    }

    fn command(&self, program: &Path, words: &[&str]) -> Command {
        let id = NOBODY.to_string();
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", &id, "--regid", &id, "--clear-groups", "--no-new-privs", "--"])
            .arg(program)
            .args(words)
            .env("HOME", self.home.path())
            .env_remove("XDG_STATE_HOME")
            .current_dir("/");
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        let output = self.command(&self.home.path().join("deminer"), words).output();
        output.expect("setpriv(1) of util-linux")
    }

    fn json(&self, words: &[&str]) -> Value {
        let output = self.run(&[words, &["--format", "json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{words:?}: {error}: {}", String::from_utf8_lossy(&output.stderr));
        })
    }
}

#[test]
fn what_he_cannot_see_is_said_and_no_host_is_clean() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let ordinary = Ordinary::new();
    let output = ordinary.run(&["plan", "linux-miner", "--set", "sample=1s"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("local  cannot_say"), "{text}");
    assert!(
        text.contains("not seen    local") && text.contains("permission denied"),
        "{text}"
    );
    assert!(text.contains("Nothing has been changed"), "{text}");
    let plan = ordinary.json(&["plan", "linux-miner", "--set", "sample=1s"]);
    let host = &plan["hosts"][0];
    assert_eq!(host["verdict"], "cannot_say", "{host:#}");
    let gaps = host["gaps"].as_array().expect("a list");
    assert!(gaps.iter().any(|gap| gap["why"] == "denied"), "{gaps:?}");
}

#[test]
fn his_own_miner_goes_and_the_host_is_still_not_clean() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let ordinary = Ordinary::new();
    let den = ordinary.home.path().join(".den");
    fs::create_dir(&den).expect("a directory");
    fs::set_permissions(&den, fs::Permissions::from_mode(0o755)).expect("ours");
    let miner = den.join("xmrig");
    stand_in(&miner, "miner");
    for path in [&den, &miner] {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give it away");
    }
    let words = ["--donate-level", "1", "-o", "pool.example.invalid:3333"];
    let _started = Started::new(&mut ordinary.command(&miner, &words));
    let runs = || {
        running_below(&den)
            .iter()
            .any(|process| process.exe.as_deref() == Some(&miner))
    };
    assert!(wait_until(Duration::from_secs(20), runs), "the stand-in runs");

    let plan = ordinary.json(&["plan", "linux-miner", "--set", "sample=1s"]);
    assert_eq!(plan["hosts"][0]["verdict"], "infected", "{plan:#}");
    let hash = plan["hash"].as_str().expect("a hash");
    let report = ordinary.json(&["apply", hash, "--approve", hash, "--watch", "1s"]);
    let host = &report["hosts"][0];
    assert!(!runs(), "it was ended: {host:#}");
    assert!(!miner.exists(), "its file went: {host:#}");
    let status = host["status"].as_str().expect("a word");
    assert!(
        !["clean", "eradicated"].contains(&status),
        "not all was seen, but: {status}"
    );
}
