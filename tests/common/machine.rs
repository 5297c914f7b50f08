//! This machine, as it shows itself to anybody: its processes, files and what stands still on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deminer_worker::text::Digest;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::command::program;

/// Leaves tests of the whole machine out where they cannot be: only where that was asked for.
const WITHOUT_ROOT: &str = "DEMINER_TESTS_WITHOUT_ROOT";

/// Whether a test of the whole machine may begin.
///
/// # Panics
/// As another user than root, unless `DEMINER_TESTS_WITHOUT_ROOT=1` says that such tests are to be left out.
pub(crate) fn needs_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(
        root || std::env::var_os(WITHOUT_ROOT).is_some_and(|value| value == "1"),
        "this test plants processes and a crontab on this machine: run it as root, or set {WITHOUT_ROOT}=1 to leave it out"
    );
    root
}

/// One test at a time has the machine, among all test programs that run.
pub(crate) struct Turn {
    _directory: File,
}

/// Waits for the machine.
pub(crate) fn turn() -> Turn {
    // A directory that every Linux has and nobody else locks: no file of ours is left.
    let directory = File::open("/var/spool").expect("every Linux has /var/spool");
    directory.lock().expect("flock(2) of a directory");
    Turn { _directory: directory }
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    pub(crate) start_ticks: u64,
    /// As in proc_pid_stat(5): `T` stands still by a signal, `Z` is dead.
    pub(crate) state: char,
    pub(crate) comm: Vec<u8>,
    /// What it runs, without the kernel's mark of a deleted file; `None` for the kernel's own.
    pub(crate) exe: Option<PathBuf>,
    pub(crate) argv: Vec<Vec<u8>>,
}

impl Process {
    /// What a pid is now.
    pub(crate) fn of(pid: u32) -> Option<Process> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let open = stat.iter().position(|byte| *byte == b'(')?;
        let close = stat.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(stat.get(close + 2..)?).ok()?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let exe = fs::read_link(format!("/proc/{pid}/exe")).ok().map(|path| {
            let bytes = path.into_os_string().into_vec();
            let bytes = bytes.strip_suffix(b" (deleted)").map(<[u8]>::to_vec).unwrap_or(bytes);
            PathBuf::from(std::ffi::OsString::from_vec(bytes))
        });
        let argv = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        Some(Process {
            pid,
            ppid: fields.get(1)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
            state: fields.first()?.chars().next()?,
            comm: stat.get(open + 1..close)?.to_vec(),
            exe,
            argv: argv.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect(),
        })
    }

    /// Which process it is, whatever it does.
    pub(crate) fn key(&self) -> (u32, u64) {
        (self.pid, self.start_ticks)
    }

    /// Whether it lives.
    pub(crate) fn lives(&self) -> bool {
        Process::of(self.pid).is_some_and(|now| now.key() == self.key() && now.state != 'Z')
    }

    /// Ends it, and nothing that has its number by now.
    pub(crate) fn kill(&self) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(Ok(held)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
            return;
        };
        if self.lives() {
            // It may end by itself at any time.
            let _ = pidfd_send_signal(&held, Signal::KILL);
        }
    }
}

/// All processes, dead ones included.
pub(crate) fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("every Linux has /proc");
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(Process::of).collect()
}

/// The living processes that one started.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let living = processes()
        .into_iter()
        .filter(|process| process.ppid == pid && process.state != 'Z');
    living.map(|process| process.pid).collect()
}

/// The living processes that run something below a directory.
pub(crate) fn running_below(directory: &Path) -> Vec<Process> {
    let mut found = processes();
    found.retain(|process| {
        let below = process.exe.as_ref().is_some_and(|exe| exe.starts_with(directory));
        below && process.state != 'Z'
    });
    found
}

/// What stands still by a signal.
pub(crate) fn standing() -> BTreeSet<(u32, u64)> {
    let mut found = processes();
    found.retain(|process| process.state == 'T');
    found.iter().map(Process::key).collect()
}

/// The workers and keepers of the command under test.
pub(crate) fn far_sides() -> Vec<Process> {
    let program = program();
    let mut found = processes();
    found.retain(|process| {
        let word = process.argv.get(1).map(Vec::as_slice);
        let far = matches!(word, Some(b"worker" | b"keeper"));
        far && process.state != 'Z' && process.exe.as_deref() == Some(&program)
    });
    found
}

/// Waits until something holds; says whether it did in time.
pub(crate) fn wait_until(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a file is: its content and all that a careless hand would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileState {
    pub(crate) content: Digest,
    pub(crate) inode: u64,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) flags: Option<u32>,
    pub(crate) mtime_ns: i128,
    pub(crate) ctime_ns: i128,
}

impl FileState {
    /// A file's state; `None` where it is not there.
    pub(crate) fn of(path: &Path) -> Option<FileState> {
        let meta = fs::symlink_metadata(path).ok()?;
        let file = File::open(path).ok()?;
        let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Some(FileState {
            content: Digest::of(&fs::read(path).ok()?),
            inode: meta.ino(),
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            flags: rustix::fs::ioctl_getflags(file.as_fd()).ok().map(|flags| flags.bits()),
            mtime_ns: time(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: time(meta.ctime(), meta.ctime_nsec()),
        })
    }
}

impl FileState {
    /// What an undo gives back: content, mode, owner, flags and the time at which the content last changed.
    pub(crate) fn given_back(&self) -> (Digest, u32, (u32, u32), Option<u32>, i128) {
        (self.content, self.mode, self.owner, self.flags, self.mtime_ns)
    }
}

/// All files directly in a directory.
pub(crate) fn files(directory: &Path) -> BTreeMap<PathBuf, FileState> {
    let entries = fs::read_dir(directory).expect("a directory of the test");
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .filter_map(|path| Some((path.clone(), FileState::of(&path)?)))
        .collect()
}

/// A path in the written form that plans and reports have: tests make plain ones only.
pub(crate) fn written(path: &Path) -> String {
    let text = path.to_str().expect("a plain path");
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'));
    String::from_utf8(path.as_os_str().as_bytes().to_vec()).expect("a plain path")
}

/// Cuts the one journal of a run whose name begins so behind its last event of a kind, as a crash there would.
pub(crate) fn cut_after(run: &Path, name: &str, kind: &str) {
    let entries = std::fs::read_dir(run.join("journal")).expect("journals");
    let names = entries.map(|entry| entry.expect("an entry").path());
    let file = names.into_iter().find(|path| {
        path.file_name()
            .is_some_and(|is| is.to_string_lossy().starts_with(name))
    });
    let file = file.expect("a journal of that name");
    let text = std::fs::read_to_string(&file).expect("a journal");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let is_it = |line: &&str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line");
        line["event"]["kind"]["kind"] == kind
    };
    let last = lines.iter().rposition(is_it).expect("an event of that kind");
    std::fs::write(&file, lines[..=last].concat()).expect("written");
}
