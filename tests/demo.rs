//! The demo, as a newcomer runs it: as root, as an ordinary user, and where there can be no private world.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::infection::write_program;
use common::machine::{Turn, turn};

/// One demo at a time, and none beside a test of the whole machine: each looks whether it left anything behind, and shows what
/// looks like a miner.
fn alone() -> Turn {
    turn()
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_deminer");

/// Runs the demo and gives what it printed; fails when it does not end well.
fn played(mut command: Command) -> String {
    let output: Output = command.stdin(Stdio::null()).output().expect("the demo starts");
    let text = String::from_utf8(output.stdout).expect("its output is text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}\n{errors}", output.status);
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "nothing that a terminal obeys"
    );
    text
}

/// What stands in the temporary folder and is mounted; a demo adds nothing that stays.
fn traces() -> (BTreeSet<String>, usize) {
    let entries = fs::read_dir(std::env::temp_dir()).expect("the temporary folder is there");
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let ours = names.filter(|name| name.starts_with("deminer-demo-")).collect();
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts can be read");
    (
        ours,
        mounts.lines().filter(|line| line.contains("deminer-demo-")).count(),
    )
}

fn assert_told(text: &str, runs: &Path) {
    for told in [
        "eradicated",
        "clean over 20 s",
        "nothing left behind",
        "report   ",
        "deminer run linux-miner",
    ] {
        assert!(text.contains(told), "`{told}` is not in:\n{text}");
    }
    let reports = fs::read_dir(runs)
        .expect("runs are kept")
        .flatten()
        .filter(|run| run.path().join("report.md").is_file());
    assert_eq!(reports.count(), 1, "one report is kept");
}

#[test]
fn in_a_private_world() {
    let _alone = alone();
    let runs = tempfile::tempdir().expect("a folder");
    let before = traces();
    let mut command = Command::new(PROGRAM);
    command.args(["demo", "--runs"]).arg(runs.path());
    let text = played(command);
    assert!(text.starts_with("A practice run"), "{text}");
    assert_told(&text, runs.path());
    assert_eq!(traces(), before, "something of the demo is left");
}

/// Root becomes nobody for it; anybody else is an ordinary user already.
#[test]
fn as_an_ordinary_user() {
    if !rustix::process::geteuid().is_root() {
        return in_a_private_world();
    }
    let _alone = alone();
    let home = tempfile::tempdir().expect("a folder");
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).expect("everybody may write there");
    let program = home.path().join("deminer");
    write_program(&program, &[&fs::read(PROGRAM).expect("it is built")]);
    let runs = home.path().join("runs");
    let before = traces();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"])
        .arg(&program);
    command
        .args(["demo", "--runs"])
        .arg(&runs)
        .current_dir("/")
        .env("HOME", home.path());
    let text = played(command);
    assert_told(&text, &runs);
    assert_eq!(traces(), before, "something of the demo is left");
}

#[test]
fn on_the_simulated_host() {
    let _alone = alone();
    let runs = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(PROGRAM);
    command.args(["demo", "--simulated", "--runs"]).arg(runs.path());
    let text = played(command);
    assert!(
        text.lines().all(|line| line.starts_with("simulated |")),
        "every line is marked:\n{text}"
    );
    assert!(text.contains("eradicated"), "{text}");
}
