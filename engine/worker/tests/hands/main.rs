//! The keeper with real processes: whatever becomes of a worker, nothing of the host stays stopped.

mod race;
mod reuse;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deminer_worker::action::{Act, Arming, Done, ProcessTarget, Role, Undo};
use deminer_worker::platform::linux::hands::Hands;
use deminer_worker::query::{FileId, HostError};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};

/// The worker, whose verb `keeper` is under test.
const WORKER: &str = env!("CARGO_BIN_EXE_deminer-worker");

/// The pids that a stand-in worker is to freeze, by commas.
const FREEZE: &str = "DEMINER_TEST_FREEZE";

/// The one of them that the stand-in worker commits as proven.
const PROVEN: &str = "DEMINER_TEST_PROVEN";

/// A process that sleeps; killed when dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        let child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn();
        let sleeper = Self(child.expect("`sleep` is everywhere"));
        until("it sleeps", || sleeper.state() == 'S');
        sleeper
    }

    fn state(&self) -> char {
        state(self.0.id())
    }

    /// Whether it lives and is not stopped: asleep, or, just after it was continued, on its way back to sleep.
    fn runs(&self) -> bool {
        matches!(self.state(), 'S' | 'R' | 'D')
    }

    fn target(&self) -> ProcessTarget {
        target(self.0.id())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The fields of `/proc/PID/stat` after the name.
fn stat(pid: u32) -> Vec<String> {
    try_stat(pid).expect("it is there")
}

fn try_stat(pid: u32) -> Option<Vec<String>> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = line.rsplit_once(") ").expect("its form");
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

fn state(pid: u32) -> char {
    stat(pid)[0].chars().next().expect("a letter")
}

fn target(pid: u32) -> ProcessTarget {
    try_target(pid).expect("our own")
}

/// The process of that pid; `None` where it is gone.
fn try_target(pid: u32) -> Option<ProcessTarget> {
    let exe = format!("/proc/{pid}/exe");
    let meta = std::fs::metadata(&exe).ok()?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("readable");
    Some(ProcessTarget {
        boot_id: boot.trim().to_owned(),
        pid,
        start_ticks: Wide(try_stat(pid)?[19].parse().expect("a number")),
        exe: FileId {
            dev: Wide(meta.dev()),
            inode: Wide(meta.ino()),
        },
        exe_path: HostPath::from("/bin/sleep"),
        exe_sha256: Digest::of(&std::fs::read(&exe).ok()?),
        exe_size: Wide(meta.size()),
        argv_sha256: Digest::of(b""),
        uid: 0,
        comm: HostBytes::from("sleep"),
        role: Role::Miner,
    })
}

fn freeze(hands: &Hands, process: &ProcessTarget) -> Result<Done, HostError> {
    hands.act(&Act::Freeze {
        process: process.clone(),
    })
}

/// Hands with a keeper.
fn armed() -> Hands {
    let hands = Hands::with_program(WORKER);
    hands.arm().expect("the worker can be a keeper");
    hands
}

/// Not a test: the worker that the tests below kill.
#[test]
#[ignore = "started by other tests"]
fn stand_in_worker() {
    let Ok(pids) = std::env::var(FREEZE) else { return };
    let hands = armed();
    let targets: Vec<ProcessTarget> = pids.split(',').map(|pid| target(pid.parse().expect("a pid"))).collect();
    for process in &targets {
        freeze(&hands, process).expect("it can be frozen");
    }
    if let Ok(pid) = std::env::var(PROVEN) {
        hands
            .committed(&[target(pid.parse().expect("a pid"))])
            .expect("the keeper takes it");
        std::fs::write("/proc/self/comm", "committed").expect("our own name");
    }
    loop {
        for process in &targets {
            freeze(&hands, process).expect("it can be frozen again");
        }
        if std::env::var(PROVEN).is_ok() {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        }
        for process in &targets {
            hands.thaw(process).expect("it can be thawed");
        }
    }
}

/// Starts the worker that freezes these.
fn stand_in(sleepers: &[Sleeper], proven: Option<&Sleeper>) -> Child {
    let pids: Vec<String> = sleepers.iter().map(|sleeper| sleeper.0.id().to_string()).collect();
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command
        .args(["--exact", "stand_in_worker", "--ignored", "--test-threads=1"])
        .env(FREEZE, pids.join(","))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(proven) = proven {
        command.env(PROVEN, proven.0.id().to_string());
    }
    command.spawn().expect("this test can be started again")
}

#[test]
fn a_process_stops_and_runs_again() {
    let sleeper = Sleeper::start();
    let process = sleeper.target();
    let hands = armed();
    let undo = Undo::Thaw {
        process: process.clone(),
    };
    assert_eq!(freeze(&hands, &process), Ok(Done::Changed { undo: undo.clone() }));
    assert_eq!(sleeper.state(), 'T');
    assert!(freeze(&hands, &process).is_ok(), "twice is as once");
    assert_eq!(hands.thaw(&process), Ok(()));
    assert!(sleeper.runs());
    assert!(freeze(&hands, &process).is_ok());
    assert!(hands.undo(&undo, None, Arming::Disarmed).is_ok());
    assert!(sleeper.runs());
    assert!(freeze(&hands, &process).is_ok());
    let killed = hands.act(&Act::Kill {
        process: process.clone(),
    });
    assert_eq!(killed, Ok(Done::Changed { undo: Undo::None }));
    assert_eq!(freeze(&hands, &process), Ok(Done::Gone));
    assert_eq!(hands.thaw(&process), Ok(()), "one that is gone is no error");
    hands.disarm();
}

#[test]
fn another_process_is_not_stopped() {
    let sleeper = Sleeper::start();
    let hands = armed();
    let mut reused = sleeper.target();
    reused.start_ticks = Wide(reused.start_ticks.0 + 1);
    assert_eq!(freeze(&hands, &reused), Ok(Done::Gone));
    let mut other = sleeper.target();
    other.exe_sha256 = Digest::of(b"another program");
    assert!(matches!(freeze(&hands, &other), Err(HostError::Changed { .. })));
    let own = target(std::process::id());
    assert!(matches!(freeze(&hands, &own), Err(HostError::Protected { .. })));
    // Other tests of this program have keepers of their own, which come and go; those are no keeper of these hands.
    let keepers = children(std::process::id())
        .into_iter()
        .filter(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"\0keeper\0")));
    let refused = keepers
        .filter_map(try_target)
        .filter(|keeper| match freeze(&hands, keeper) {
            Err(HostError::Protected { .. }) => true,
            Ok(_) => {
                assert_eq!(hands.thaw(keeper), Ok(()));
                false
            }
            // It is about to end.
            Err(HostError::Changed { .. } | HostError::Gone { .. }) => false,
            Err(error) => panic!("{error}"),
        });
    assert_eq!(refused.count(), 1, "the keeper of these hands, and no other");
    assert!(sleeper.runs());
}

/// The processes whose parent this is.
fn children(parent: u32) -> Vec<u32> {
    std::fs::read_dir("/proc")
        .expect("readable")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let ppid = line
                .rsplit_once(") ")
                .and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
            ppid == Some(parent)
        })
        .collect()
}

#[test]
fn what_stood_still_before_is_not_continued() {
    let sleeper = Sleeper::start();
    let process = sleeper.target();
    let pid = rustix::process::Pid::from_child(&sleeper.0);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("our child");
    until("it stands", || sleeper.state() == 'T');
    let hands = armed();
    assert!(freeze(&hands, &process).is_ok());
    assert_eq!(hands.thaw(&process), Ok(()));
    assert_eq!(sleeper.state(), 'T', "somebody else stopped it");
}

#[test]
fn hands_that_end_leave_nothing_stopped() {
    let sleepers = [Sleeper::start(), Sleeper::start()];
    let hands = armed();
    for sleeper in &sleepers {
        freeze(&hands, &sleeper.target()).expect("it can be frozen");
    }
    drop(hands);
    for sleeper in &sleepers {
        until("it runs again", || sleeper.runs());
    }
    let hands = armed();
    freeze(&hands, &sleepers[0].target()).expect("it can be frozen");
    hands.disarm();
    assert!(sleepers[0].runs(), "what was forgotten is let go");
}

#[test]
fn a_worker_killed_before_the_commit_leaves_nothing_stopped() {
    let sleepers: Vec<Sleeper> = (0..8).map(|_| Sleeper::start()).collect();
    for round in 0..20u64 {
        let mut worker = stand_in(&sleepers, None);
        until("something stands", || {
            sleepers.iter().any(|sleeper| sleeper.state() == 'T')
        });
        // Another moment of its loop each round.
        std::thread::sleep(Duration::from_micros(round * 617));
        worker.kill().expect("our child");
        worker.wait().expect("our child");
        for sleeper in &sleepers {
            until("it runs again", || sleeper.runs());
        }
        std::thread::sleep(Duration::from_millis(5));
        assert!(sleepers.iter().all(Sleeper::runs), "round {round}");
    }
}

#[test]
fn a_worker_killed_after_the_commit_kills_what_is_proven() {
    let sleepers: Vec<Sleeper> = (0..3).map(|_| Sleeper::start()).collect();
    let mut worker = stand_in(&sleepers, Some(&sleepers[1]));
    // The test harness runs each test on a thread: its own name says that the commit is taken.
    let committed = || {
        std::fs::read_dir(format!("/proc/{}/task", worker.id()))
            .expect("it runs")
            .filter_map(|task| std::fs::read(task.ok()?.path().join("comm")).ok())
            .any(|name| name == b"committed\n")
    };
    until("the commit is taken", || {
        committed() || std::fs::read(format!("/proc/{}/comm", worker.id())).is_ok_and(|name| name == b"committed\n")
    });
    worker.kill().expect("our child");
    worker.wait().expect("our child");
    until("what is proven is dead", || sleepers[1].state() == 'Z');
    for sleeper in [&sleepers[0], &sleepers[2]] {
        until("it runs again", || sleeper.runs());
    }
}

#[test]
fn a_keeper_that_is_lost_ends_the_freezing() {
    let sleeper = Sleeper::start();
    let hands = Hands::with_program("/bin/true");
    assert!(hands.arm().is_err(), "a program that is no keeper");
    assert!(freeze(&hands, &sleeper.target()).is_err());
    assert!(hands.committed(&[]).is_err());
    assert!(sleeper.runs());
    let hands = Hands::with_program("/no/such/program");
    assert!(hands.arm().is_err());
}

#[test]
fn the_worker_refuses_other_arguments() {
    for arguments in [&[][..], &["kep"], &["keeper", "more"]] {
        let status = Command::new(WORKER).args(arguments).stdin(Stdio::null()).status();
        assert_eq!(status.expect("it starts").code(), Some(64), "{arguments:?}");
    }
    let status = Command::new(WORKER).arg("keeper").stdin(Stdio::null()).status();
    assert_eq!(
        status.expect("it starts").code(),
        Some(0),
        "without a socket it ends at once"
    );
    assert!(Path::new(WORKER).exists());
}
