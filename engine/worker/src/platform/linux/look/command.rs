//! The one query that runs a program of the host: exactly these arguments, no shell, bounded in time and bytes.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, OFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::Scene;
use super::file::{Meta, content_digest, open_without_atime};
use super::gaps::{Gaps, failure};
use crate::query::{CommandEnd, CommandOutput, CommandQuery, FileKind, GapReason, HostError, Observed, limits};
use crate::text::{HostBytes, HostPath};

/// The bytes of all arguments together.
const ARGUMENTS_BYTES: usize = 64 << 10;

/// All of the program's environment besides `LC_ALL`.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// What it left behind may write so long after it ended.
const AFTERWARDS: Duration = Duration::from_millis(200);

/// How long a killed program may take to be gone.
const DYING: Duration = Duration::from_secs(2);

/// How often is looked whether it ended.
const STEP_MS: i64 = 20;

/// Answers `Command`.
///
/// # Errors
/// When the arguments are not of the form that is asked for, or the program cannot be started.
pub(super) fn command(scene: &Arc<Scene>, query: &CommandQuery) -> Result<Observed<CommandOutput>, HostError> {
    let (named, arguments) = fitting(&query.argv)?;
    let doing = || format!("run `{named}`");
    let mut gaps = Gaps::default();
    let program = std::fs::canonicalize(Path::new(OsStr::from_bytes(named.as_bytes())))
        .map_err(|error| failure(&doing(), errno_of(&error)))?;
    let program = HostPath::new(program.as_os_str().as_bytes());
    let found = Meta::at(CWD, program.as_bytes()).map_err(|errno| failure(&doing(), errno))?;
    if found.kind != FileKind::Regular {
        return Err(failure(&doing(), Errno::ACCESS));
    }
    let sha256 = match open_without_atime(CWD, program.as_bytes(), OFlags::NOFOLLOW) {
        Ok(fd) => content_digest(scene, fd.as_fd(), &program, &mut gaps, &|| {}),
        Err(errno) => {
            gaps.errno("file", &program, errno);
            None
        }
    };
    gaps.note("command", &program, GapReason::Testimony);
    let began = Instant::now();
    let child = Command::new(program.as_path())
        .arg0(OsStr::from_bytes(named.as_bytes()))
        .args(arguments.iter().map(|argument| OsStr::from_bytes(argument.as_bytes())))
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| failure(&doing(), errno_of(&error)))?;
    let most = query.max_bytes.min(limits::COMMAND_BYTES) as usize;
    let until = began + Duration::from_millis(query.timeout_ms.min(limits::COMMAND_MS));
    let mut running = Running {
        outputs: [Output::default(), Output::default()],
        child,
        most,
    };
    let end = running.finish(until).map_err(|errno| failure(&doing(), errno))?;
    let [stdout, stderr] = running.outputs;
    Ok(Observed {
        value: CommandOutput {
            program,
            id: found.id,
            sha256,
            end,
            stdout: HostBytes::new(stdout.kept),
            stdout_cut: stdout.cut,
            stderr: HostBytes::new(stderr.kept),
            stderr_cut: stderr.cut,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        },
        coverage: gaps.into_coverage(),
    })
}

fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::INVAL, Errno::from_raw_os_error)
}

/// The program's path and its arguments, of a number, a length and a form that a call of the kernel takes.
fn fitting(argv: &[HostBytes]) -> Result<(&HostBytes, &[HostBytes]), HostError> {
    let refuse = |why: &str| {
        Err(HostError::Unsupported {
            doing: "run a program of the host".to_owned(),
            why: why.to_owned(),
        })
    };
    let Some((named, arguments)) = argv.split_first() else {
        return refuse("no program is named");
    };
    if !named.as_bytes().starts_with(b"/") {
        return refuse("the program is not named by an absolute path");
    }
    if argv.len() > limits::COMMAND_ARGUMENTS || argv.iter().map(HostBytes::len).sum::<usize>() > ARGUMENTS_BYTES {
        return refuse("too many arguments");
    }
    if argv.iter().any(|argument| argument.as_bytes().contains(&0)) {
        return refuse("an argument holds a zero byte");
    }
    Ok((named, arguments))
}

/// What came out of one pipe.
#[derive(Default)]
struct Output {
    kept: Vec<u8>,
    cut: bool,
}

struct Running {
    child: Child,
    outputs: [Output; 2],
    most: usize,
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
            if self.outputs.iter().any(|output| output.cut) {
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
            let room = self.most.saturating_sub(output.kept.len());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::linux::look::Look;
    use crate::query::{Answer, Query};

    fn run(argv: &[&str], timeout_ms: u64, max_bytes: u32) -> Result<Observed<CommandOutput>, HostError> {
        let query = CommandQuery {
            argv: argv.iter().map(|word| HostBytes::from(*word)).collect(),
            timeout_ms,
            max_bytes,
        };
        let told = Look::new().answer(&Query::Command(query))?;
        Ok(told.map(|answer| match answer {
            Answer::Command(output) => output,
            _ => panic!("another answer"),
        }))
    }

    #[test]
    fn exactly_these_words_and_a_clean_environment() {
        let told = run(&["/usr/bin/env"], 5_000, 4096).unwrap();
        let output = told.value;
        assert_eq!(output.end, CommandEnd::Exited { code: 0 });
        assert_eq!(
            output.stdout,
            HostBytes::from("LC_ALL=C\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n")
        );
        assert!(output.sha256.is_some() && output.stderr.is_empty());
        let marked = &told.coverage.gaps[0];
        assert_eq!((marked.subject.as_str(), marked.why), ("command", GapReason::Testimony));
        assert_eq!(told.coverage.material().count(), 0, "marked, not missing");
        let told = run(&["/bin/echo", "$HOME; *", "a  b"], 5_000, 4096).unwrap().value;
        assert_eq!(told.stdout, HostBytes::from("$HOME; * a  b\n"));
        let told = run(&["/bin/sh", "-c", "echo out; echo err >&2; cat; exit 3"], 5_000, 4096)
            .unwrap()
            .value;
        assert_eq!(told.end, CommandEnd::Exited { code: 3 });
        assert_eq!((told.stdout, told.stderr), ("out\n".into(), "err\n".into()));
        let told = run(&["/bin/sh", "-c", "kill -TERM $$"], 5_000, 4096).unwrap().value;
        assert_eq!(told.end, CommandEnd::Signalled { signal: 15 });
    }

    #[test]
    fn the_whole_group_ends_at_the_limit() {
        let script = "sleep 61 & echo $!; exec sleep 62";
        let told = run(&["/bin/sh", "-c", script], 300, 4096).unwrap().value;
        assert_eq!(told.end, CommandEnd::TimedOut {});
        assert!(told.took_ms < 5_000);
        let pid = String::from_utf8(told.stdout.as_bytes().trim_ascii().to_vec()).unwrap();
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
        // What it left behind holds its output open; it does not hold us.
        let told = run(&["/bin/sh", "-c", "sleep 63 & exit 0"], 30_000, 4096)
            .unwrap()
            .value;
        assert_eq!(told.end, CommandEnd::Exited { code: 0 });
        assert!(told.took_ms < 5_000);
    }

    #[test]
    fn too_much_ends_it() {
        let told = run(&["/usr/bin/yes"], 30_000, 1000).unwrap().value;
        assert_eq!(told.end, CommandEnd::TooMuch {});
        assert_eq!(
            (told.stdout.len(), told.stdout_cut, told.stderr_cut),
            (1000, true, false)
        );
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let rows: [&[&str]; 5] = [&[], &["ls"], &["/nonexistent/x"], &["/tmp"], &["/bin/echo", "a\0b"]];
        for argv in rows {
            assert!(run(argv, 1000, 1000).is_err(), "{argv:?}");
        }
        assert!(run(&vec!["/bin/true"; limits::COMMAND_ARGUMENTS + 1], 1000, 1000).is_err());
    }
}
