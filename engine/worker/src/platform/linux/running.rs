//! A program of the host, run within limits: exactly these arguments, no shell, an empty input, an environment of our own,
//! bounded in time and bytes; in the end its whole process group is gone.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::query::CommandEnd;
use crate::text::HostBytes;

/// All of the program's environment besides `LC_ALL`.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// What it left behind may write so long after it ended.
const AFTERWARDS: Duration = Duration::from_millis(200);

/// How long a killed program may take to be gone.
const DYING: Duration = Duration::from_secs(2);

/// How often is looked whether it ended.
const STEP_MS: i64 = 20;

/// Within which limits a program runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How long.
    pub(super) time: Duration,
    /// The bytes of each of its two outputs that are kept.
    pub(super) bytes: usize,
    /// Whether it is killed when it writes more; else the rest is read and dropped.
    pub(super) ends_at_bytes: bool,
}

/// How it went.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) end: CommandEnd,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    pub(super) took: Duration,
}

/// The programs that run now, by pid: also the numbers of their groups.
static OWN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn own() -> MutexGuard<'static, BTreeSet<u32>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a process is a program that is running here: whoever runs it ends it.
pub(super) fn is_own(pid: i32) -> bool {
    u32::try_from(pid).is_ok_and(|pid| own().contains(&pid))
}

/// Runs the file at `path` with the arguments of `argv`, of which the first is the name that it is given for itself.
///
/// # Errors
/// When it cannot be started or waited for.
pub(super) fn run(path: &Path, argv: &[HostBytes], bounds: Bounds) -> io::Result<Ran> {
    let began = Instant::now();
    let mut words = argv.iter().map(|word| OsStr::from_bytes(word.as_bytes()));
    let mut running = own();
    let child = Command::new(path)
        .arg0(words.next().unwrap_or(path.as_os_str()))
        .args(words)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let pid = child.id();
    running.insert(pid);
    drop(running);
    let mut running = Running {
        outputs: [Output::default(), Output::default()],
        child,
        bounds,
    };
    let end = running.finish(began + bounds.time);
    own().remove(&pid);
    let end = end?;
    let [stdout, stderr] = running.outputs;
    Ok(Ran {
        end,
        stdout,
        stderr,
        took: began.elapsed(),
    })
}

/// What came out of one pipe.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// What is kept of it.
    pub(super) kept: Vec<u8>,
    /// Whether there was more.
    pub(super) cut: bool,
}

struct Running {
    child: Child,
    outputs: [Output; 2],
    bounds: Bounds,
}

impl Running {
    /// Reads both outputs until the program ended, wrote too much or took too long; in the end its whole group is gone.
    fn finish(&mut self, until: Instant) -> Result<CommandEnd, Errno> {
        let mut pipes = [
            self.child.stdout.take().map(OwnedFd::from),
            self.child.stderr.take().map(OwnedFd::from),
        ];
        let mut ended: Option<Instant> = None;
        let forced = loop {
            let now = Instant::now();
            if now >= until {
                break Some(CommandEnd::TimedOut {});
            }
            if self.bounds.ends_at_bytes && self.outputs.iter().any(|output| output.cut) {
                break Some(CommandEnd::TooMuch {});
            }
            if ended.is_none() && self.has_ended()? {
                ended = Some(now);
            }
            if let Some(ended) = ended
                && (pipes.iter().all(Option::is_none) || now >= ended + AFTERWARDS)
            {
                break None;
            }
            self.read(&mut pipes)?;
        };
        // The child is not waited for yet: its number is that of its group and of nobody else.
        let group = Pid::from_child(&self.child);
        match kill_process_group(group, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            // One of the group has taken another user's rights; the child itself is ours.
            Err(_) => drop(self.child.kill()),
        }
        let status = self.reap();
        Ok(match (forced, status) {
            (Some(forced), _) => forced,
            (None, Some(status)) => match (status.code(), status.signal()) {
                (Some(code), _) => CommandEnd::Exited { code },
                (None, signal) => CommandEnd::Signalled {
                    signal: signal.unwrap_or(0),
                },
            },
            (None, None) => CommandEnd::TimedOut {},
        })
    }

    /// Whether it ended; it stays to be waited for.
    fn has_ended(&self) -> Result<bool, Errno> {
        let pid = Pid::from_child(&self.child);
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(retry_on_intr(|| waitid(WaitId::Pid(pid), look))?.is_some())
    }

    /// Takes what the pipes hold now; waits a step where they hold nothing.
    fn read(&mut self, pipes: &mut [Option<OwnedFd>; 2]) -> Result<(), Errno> {
        let step = Timespec {
            tv_sec: 0,
            tv_nsec: STEP_MS * 1_000_000,
        };
        let open: Vec<usize> = (0..2).filter(|at| pipes[*at].is_some()).collect();
        let mut waits: Vec<PollFd<'_>> = pipes
            .iter()
            .flatten()
            .map(|pipe| PollFd::new(pipe, PollFlags::IN))
            .collect();
        match poll(&mut waits, Some(&step)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        let ready: Vec<usize> = open
            .into_iter()
            .zip(&waits)
            .filter(|(_, wait)| !wait.revents().is_empty())
            .map(|(at, _)| at)
            .collect();
        drop(waits);
        for at in ready {
            let Some(pipe) = &pipes[at] else { continue };
            let mut buffer = [0; 32 << 10];
            let count = retry_on_intr(|| rustix::io::read(pipe, &mut buffer))?;
            if count == 0 {
                pipes[at] = None;
            }
            let output = &mut self.outputs[at];
            let room = self.bounds.bytes.saturating_sub(output.kept.len());
            output.kept.extend_from_slice(&buffer[..count.min(room)]);
            output.cut |= count > room;
        }
        Ok(())
    }

    /// Waits for the child; `None` where the kernel does not let it go.
    fn reap(&mut self) -> Option<ExitStatus> {
        let until = Instant::now() + DYING;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}
