//! What a test needs because others run beside it, in the same process: a child that another one starts holds all that this
//! process has open until it runs its own program.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Says that a test runs alone.
const ALONE: &str = "DEMINER_TEST_ALONE";

/// Writes a program that is started soon. Another process writes it: one that somebody still has open to write to it cannot
/// be started (`ETXTBSY`, execve(2)).
pub(super) fn write_program(at: &Path, content: &[u8]) {
    let mut writer = Command::new("sh")
        .args(["-euc", "cat > \"$0\"; chmod 755 \"$0\""])
        .arg(at)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut pipe = writer.stdin.take().expect("piped");
    pipe.write_all(content).expect("it reads");
    drop(pipe);
    assert!(writer.wait().expect("ours").success(), "{}", at.display());
}

/// Runs a test once more, in a process of its own; says whether this is that process.
///
/// # Panics
/// When it fails there.
pub(super) fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let inner = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .expect("this program can be started again");
    let said = String::from_utf8_lossy(&inner.stdout);
    assert!(inner.status.success() && said.contains(" 1 passed"), "{test}: {said}");
    false
}
