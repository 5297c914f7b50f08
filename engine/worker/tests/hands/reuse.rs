//! Another process under the pid of a condemned one: it lives, however often that happens.
//!
//! Pids are chosen by `/proc/sys/kernel/ns_last_pid` (linux: Documentation/admin-guide/sysctl/kernel.rst), in a pid namespace
//! of the test's own.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use deminer_worker::action::{Act, Done, ProcessTarget};
use deminer_worker::platform::linux::hands::Hands;
use deminer_worker::query::HostError;

use super::{Sleeper, armed, freeze, stat};

/// How often, each way.
const TIMES: u32 = 500;

/// A tick of the clock by which processes are told apart: two within one are the same by pid and time.
const TICK: Duration = Duration::from_millis(11);

#[test]
fn whoever_has_the_pid_later_lives() {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let inside = command
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "reuse::in_a_pid_namespace",
            "--ignored",
            "--test-threads=1",
            "--nocapture",
        ])
        .stdin(Stdio::null())
        .output()
        .expect("unshare(1) is everywhere");
    let said = String::from_utf8_lossy(&inside.stdout);
    assert!(
        inside.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&inside.stderr)
    );
    assert!(
        said.contains(&format!("{} of {} lived", 2 * TIMES, 2 * TIMES)),
        "{said}"
    );
}

/// Not a test: what the test above runs.
#[test]
#[ignore = "started by another test, as the first process of a pid namespace"]
fn in_a_pid_namespace() {
    if std::process::id() != 1 {
        return;
    }
    let hands = armed();
    let mut lived = 0;
    for _ in 0..TIMES {
        // Between the plan and the apply: nobody held the process.
        let condemned = Sleeper::start();
        let target = condemned.target();
        drop(condemned);
        std::thread::sleep(TICK);
        lived += u32::from(spared(&hands, &target, |error| {
            matches!(error, HostError::Changed { .. })
        }));
    }
    for _ in 0..TIMES {
        // Between the freeze and the kill: it is held, and somebody else ended it.
        let condemned = Sleeper::start();
        let target = condemned.target();
        freeze(&hands, &target).expect("it can be frozen");
        drop(condemned);
        lived += u32::from(spared(&hands, &target, |_| false));
    }
    let mut out = std::io::stdout();
    std::io::Write::write_fmt(&mut out, format_args!("{lived} of {} lived\n", 2 * TIMES)).expect("it is heard");
}

/// Kills a process that is gone while another has its pid; says whether that one lives, and was neither stopped nor continued.
fn spared(hands: &Hands, target: &ProcessTarget, refuses: impl Fn(&HostError) -> bool) -> bool {
    let innocent = under(target.pid);
    let before = stat(target.pid)[19].clone();
    let done = hands.act(&Act::Kill {
        process: target.clone(),
    });
    match &done {
        Ok(Done::Gone) => {}
        Err(error) if refuses(error) => {}
        other => panic!("pid {}: {other:?}", target.pid),
    }
    // A signal that was sent would have arrived by then.
    let after = stat(target.pid)[19].clone();
    innocent.runs() && before == after
}

/// A process under this pid.
fn under(pid: u32) -> Sleeper {
    for _ in 0..100 {
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).expect("root of the namespace");
        let sleeper = Sleeper::start();
        if sleeper.0.id() == pid {
            return sleeper;
        }
    }
    panic!("pid {pid} is not given again")
}
