//! Whether a process is the one meant: boot, pid, start time, executable by device, inode and content.
//!
//! A process is read through a descriptor of its `/proc/PID`, which never shows another process of the same pid.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;

use super::{Hands, changed, deadline, failed, files, protected, refused};
use crate::action::ProcessTarget;
use crate::query::HostError;
use crate::text::Digest;

/// `PF_KTHREAD` of linux/sched.h, in the ninth field of proc_pid_stat(5).
const KERNEL_THREAD: u32 = 0x0020_0000;

/// The tasks of one process that are looked at.
const MAX_TASKS: usize = 65_536;

/// A process within this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProcessKey {
    pub(super) pid: u32,
    pub(super) start_ticks: u64,
}

impl From<&ProcessTarget> for ProcessKey {
    fn from(target: &ProcessTarget) -> Self {
        Self {
            pid: target.pid,
            start_ticks: target.start_ticks.0,
        }
    }
}

/// What is used of `/proc/PID/stat` (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StatLine {
    pub(super) state: u8,
    pub(super) ppid: u32,
    flags: u32,
    pub(super) start_ticks: u64,
}

/// Reads a `stat` line; the name may hold anything, so the fields are counted from its last `)`.
pub(super) fn parse_stat(bytes: &[u8]) -> Option<StatLine> {
    let end = bytes.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(bytes.get(end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(StatLine {
        state: *fields.first()?.as_bytes().first()?,
        ppid: fields.get(1)?.parse().ok()?,
        flags: fields.get(6)?.parse().ok()?,
        start_ticks: fields.get(19)?.parse().ok()?,
    })
}

/// Whether a task in this state has ended.
fn has_ended(state: u8) -> bool {
    matches!(state, b'Z' | b'X' | b'x')
}

/// A process that was seen; reads go to it and to no later one of its pid.
pub(super) struct Seen {
    pub(super) key: ProcessKey,
    dir: OwnedFd,
}

impl Seen {
    /// The process of that pid now; `None` where there is none, or none that still runs.
    pub(super) fn open(pid: u32, doing: &str) -> Result<Option<Self>, HostError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = match openat(CWD, format!("/proc/{pid}"), flags, Mode::empty()) {
            Ok(dir) => dir,
            Err(Errno::NOENT | Errno::SRCH) => return Ok(None),
            Err(errno) => return Err(refused(doing, errno)),
        };
        let mut seen = Self {
            key: ProcessKey { pid, start_ticks: 0 },
            dir,
        };
        let Some(line) = seen.stat(doing)? else { return Ok(None) };
        seen.key.start_ticks = line.start_ticks;
        Ok(Some(seen))
    }

    /// A small file below `/proc/PID`; `None` when the process is gone.
    pub(super) fn read(&self, name: &str, max: usize, doing: &str) -> Result<Option<Vec<u8>>, HostError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::SRCH) => return Ok(None),
            Err(errno) => return Err(refused(doing, errno)),
        };
        let mut bytes = Vec::new();
        match File::from(fd).take(max as u64).read_to_end(&mut bytes) {
            Ok(_) => Ok(Some(bytes)),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::SRCH) => Ok(None),
            Err(error) => Err(failed(doing, &error)),
        }
    }

    /// A descriptor of a file below `/proc/PID`, links of the kernel followed; `None` when it is gone.
    pub(super) fn open_file(&self, name: &str, doing: &str) -> Result<Option<OwnedFd>, HostError> {
        match openat(
            &self.dir,
            name,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::empty(),
        ) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::SRCH) => Ok(None),
            Err(errno) => Err(refused(doing, errno)),
        }
    }

    /// What a link below `/proc/PID` says; `None` when it is gone.
    pub(super) fn link(&self, name: &str) -> Option<Vec<u8>> {
        let link = rustix::fs::readlinkat(&self.dir, name, Vec::new()).ok()?;
        Some(link.into_bytes())
    }

    /// The names in a directory below `/proc/PID` that are numbers, in order; empty when it is gone.
    pub(super) fn numbers(&self, name: &str, doing: &str) -> Result<Vec<u32>, HostError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = match openat(&self.dir, name, flags, Mode::empty()).and_then(Dir::new) {
            Ok(dir) => dir,
            Err(Errno::NOENT | Errno::SRCH) => return Ok(Vec::new()),
            Err(errno) => return Err(refused(doing, errno)),
        };
        let mut numbers = BTreeSet::new();
        for entry in dir {
            let Ok(entry) = entry else { break };
            let number: Option<u32> = entry.file_name().to_str().ok().and_then(|name| name.parse().ok());
            numbers.extend(number);
            if numbers.len() >= MAX_TASKS {
                break;
            }
        }
        Ok(numbers.into_iter().collect())
    }

    /// Its `stat` line; `None` when it is gone.
    pub(super) fn stat(&self, doing: &str) -> Result<Option<StatLine>, HostError> {
        let Some(bytes) = self.read("stat", 4096, doing)? else {
            return Ok(None);
        };
        if bytes.is_empty() {
            return Ok(None);
        }
        parse_stat(&bytes).map(Some).ok_or_else(|| HostError::Failed {
            doing: doing.to_owned(),
            why: format!("/proc/{}/stat is not of the form of proc_pid_stat(5)", self.key.pid),
        })
    }

    /// Its tasks that have not ended, with their states; empty when it is gone. A process whose first task ended may
    /// still run in the others, and its own state is `Z` all the while.
    pub(super) fn tasks(&self, doing: &str) -> Result<Vec<(u32, u8)>, HostError> {
        let mut tasks = Vec::new();
        for task in self.numbers("task", doing)? {
            let Some(bytes) = self.read(&format!("task/{task}/stat"), 4096, doing)? else {
                continue;
            };
            if let Some(line) = parse_stat(&bytes)
                && !has_ended(line.state)
            {
                tasks.push((task, line.state));
            }
        }
        Ok(tasks)
    }

    /// Whether it has ended: no task of it runs, even if nobody waited for it yet.
    pub(super) fn is_over(&self, doing: &str) -> Result<bool, HostError> {
        match self.stat(doing)? {
            None => Ok(true),
            Some(line) if has_ended(line.state) => Ok(self.tasks(doing)?.is_empty()),
            Some(_) => Ok(false),
        }
    }

    /// Under which name its executable is found: that of its first task, else of any that still runs.
    pub(super) fn exe_name(&self, doing: &str) -> Result<String, HostError> {
        match self.stat(doing)? {
            Some(line) if has_ended(line.state) => {
                let tasks = self.tasks(doing)?;
                Ok(tasks
                    .first()
                    .map_or("exe".to_owned(), |(task, _)| format!("task/{task}/exe")))
            }
            _ => Ok("exe".to_owned()),
        }
    }

    /// What its executable is; `None` when the process is gone.
    pub(super) fn exe_stat(&self, doing: &str) -> Result<Option<Stat>, HostError> {
        match statat(&self.dir, self.exe_name(doing)?, AtFlags::empty()) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::SRCH) => Ok(None),
            Err(errno) => Err(refused(doing, errno)),
        }
    }
}

/// Digests of executables, each file read once.
#[derive(Default)]
pub(super) struct Digests {
    known: Mutex<BTreeMap<[u64; 5], Digest>>,
}

impl Digests {
    /// The content of the file behind `fd`.
    fn of(&self, fd: OwnedFd, doing: &str) -> Result<Digest, HostError> {
        let stat = rustix::fs::fstat(&fd).map_err(|errno| refused(doing, errno))?;
        let key = [
            stat.st_dev,
            stat.st_ino,
            u64::try_from(stat.st_size).unwrap_or_default(),
            files::mtime_ns(&stat),
            files::ctime_ns(&stat),
        ];
        if let Some(digest) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(*digest);
        }
        let what = doing.to_owned();
        let digest = deadline::within(deadline::CONTENT_MS, doing, move || {
            files::digest(&File::from(fd), &what)
        })?;
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, digest);
        Ok(digest)
    }
}

/// This boot (random(4)).
fn boot_id() -> Result<String, HostError> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    let text = std::fs::read_to_string(PATH).map_err(|error| failed(format!("read `{PATH}`"), &error))?;
    Ok(text.trim().to_owned())
}

/// Our own pid and those of our ancestors, up to pid 1 or the end of what this pid namespace shows.
pub(super) fn own_chain(doing: &str) -> Result<BTreeSet<u32>, HostError> {
    let mut chain = BTreeSet::new();
    let mut pid = std::process::id();
    while pid > 0 && chain.insert(pid) {
        pid = match Seen::open(pid, doing)? {
            Some(seen) => seen.stat(doing)?.map_or(0, |line| line.ppid),
            None => 0,
        };
    }
    Ok(chain)
}

impl Hands {
    /// The process meant; `None` when it is gone: another boot, no such pid, another start time, or it has ended.
    ///
    /// # Errors
    /// `Protected` for pid 1, kernel threads, ourselves, our ancestors and the keeper; `Changed` when it runs another
    /// executable by now.
    pub(super) fn identify(&self, target: &ProcessTarget, doing: &str) -> Result<Option<Seen>, HostError> {
        if target.pid == 1 {
            return Err(protected(doing, "pid 1 is the host's init"));
        }
        if boot_id()? != target.boot_id {
            return Ok(None);
        }
        let Some(seen) = Seen::open(target.pid, doing)? else {
            return Ok(None);
        };
        if seen.key != ProcessKey::from(target) {
            return Ok(None);
        }
        let Some(line) = seen.stat(doing)? else { return Ok(None) };
        if line.flags & KERNEL_THREAD != 0 {
            return Err(protected(doing, "it is a thread of the kernel"));
        }
        if own_chain(doing)?.contains(&target.pid) {
            return Err(protected(doing, "it is this worker or one of its ancestors"));
        }
        if self.keeper_pid() == Some(target.pid) {
            return Err(protected(doing, "it is the keeper"));
        }
        if seen.is_over(doing)? {
            return Ok(None);
        }
        if !self.runs_what_is_meant(&seen, target, doing)? {
            return Ok(None);
        }
        Ok(Some(seen))
    }

    /// Compares the executable; `false` when the process is gone by now.
    fn runs_what_is_meant(&self, seen: &Seen, target: &ProcessTarget, doing: &str) -> Result<bool, HostError> {
        let Some(stat) = seen.exe_stat(doing)? else {
            return gone_or_without_exe(seen, doing);
        };
        same_executable(&stat, target, doing)?;
        let name = seen.exe_name(doing)?;
        let Some(fd) = seen.open_file(&name, doing)? else {
            return gone_or_without_exe(seen, doing);
        };
        let opened = rustix::fs::fstat(fd.as_fd()).map_err(|errno| refused(doing, errno))?;
        same_executable(&opened, target, doing)?;
        let found = self.digests.of(fd, doing)?;
        if found != target.exe_sha256 {
            return Err(changed(
                doing,
                format_args!("executable {}", target.exe_sha256.short()),
                format_args!("executable {}", found.short()),
            ));
        }
        Ok(true)
    }
}

/// A process without an executable has ended, or cannot be told from another.
fn gone_or_without_exe(seen: &Seen, doing: &str) -> Result<bool, HostError> {
    if seen.is_over(doing)? {
        return Ok(false);
    }
    Err(changed(
        doing,
        "the executable of the plan",
        "a process without an executable",
    ))
}

/// Compares device, inode and size of an executable.
pub(super) fn same_executable(stat: &Stat, target: &ProcessTarget, doing: &str) -> Result<(), HostError> {
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    if (stat.st_dev, stat.st_ino, size) == (target.exe.dev.0, target.exe.inode.0, target.exe_size.0) {
        return Ok(());
    }
    Err(changed(
        doing,
        format_args!(
            "executable {}:{} of {} bytes",
            target.exe.dev, target.exe.inode, target.exe_size
        ),
        format_args!("{}:{} of {size} bytes", stat.st_dev, stat.st_ino),
    ))
}

#[cfg(test)]
#[expect(clippy::type_complexity, reason = "rows of tables")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::platform::linux::hands::bench;
    use crate::text::Wide;

    #[test]
    fn stat_lines() {
        let tail = " S 7 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        let rows: [(&str, String, Option<(u8, u32, u64)>); 5] = [
            ("plain", format!("9 (sleep){tail}"), Some((b'S', 7, 4242))),
            (
                "a name that imitates",
                format!("9 (a) R 1 (x){tail}"),
                Some((b'S', 7, 4242)),
            ),
            ("a name of line feeds", format!("9 (\n\n){tail}"), Some((b'S', 7, 4242))),
            ("cut", "9 (sleep) S 7 1".to_owned(), None),
            ("empty", String::new(), None),
        ];
        for (name, line, expected) in rows {
            let found = parse_stat(line.as_bytes()).map(|l| (l.state, l.ppid, l.start_ticks));
            assert_eq!(found, expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_stat_line_is_read_without_harm(bytes: Vec<u8>) {
            let _ = parse_stat(&bytes);
        }
    }

    #[test]
    fn identity_by_every_part() {
        let sleeper = bench::Sleeper::start();
        let hands = Hands::new();
        let meant = sleeper.target();
        assert!(hands.identify(&meant, "look").expect("ours").is_some());

        let gone: [(&str, fn(&mut ProcessTarget)); 3] = [
            ("another boot", |t| {
                t.boot_id = "00000000-0000-0000-0000-000000000000".to_owned()
            }),
            ("pid used again", |t| t.start_ticks = Wide(t.start_ticks.0 + 1)),
            ("no such pid", |t| t.pid = 4_194_304),
        ];
        for (name, alter) in gone {
            let mut target = meant.clone();
            alter(&mut target);
            assert!(hands.identify(&target, "look").expect(name).is_none(), "{name}");
        }
        let other: [(&str, fn(&mut ProcessTarget)); 3] = [
            ("another inode", |t| t.exe.inode = Wide(t.exe.inode.0 + 1)),
            ("another size", |t| t.exe_size = Wide(t.exe_size.0 + 1)),
            ("another content", |t| t.exe_sha256 = Digest::of(b"another")),
        ];
        for (name, alter) in other {
            let mut target = meant.clone();
            alter(&mut target);
            let found = hands.identify(&target, "look").map(|seen| seen.is_some());
            assert!(matches!(found, Err(HostError::Changed { .. })), "{name}: {found:?}");
        }
    }

    #[test]
    fn what_nobody_may_touch() {
        let hands = Hands::new();
        let parent = rustix::process::getppid().expect("a test has a parent").as_raw_pid() as u32;
        for (name, pid) in [("pid 1", 1), ("ourselves", std::process::id()), ("our parent", parent)] {
            let found = hands
                .identify(&bench::target_of(pid), "look")
                .map(|seen| seen.is_some());
            assert!(matches!(found, Err(HostError::Protected { .. })), "{name}: {found:?}");
        }
    }

    #[test]
    fn a_process_that_nobody_waited_for_is_gone() {
        let mut sleeper = bench::Sleeper::start();
        let target = sleeper.target();
        sleeper.kill_without_waiting();
        bench::until("the process is over", || {
            matches!(Hands::new().identify(&target, "look"), Ok(None))
        });
    }
}
