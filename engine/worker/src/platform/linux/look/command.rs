//! The one query that runs a program of the host: exactly these arguments, no shell, bounded in time and bytes.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;

use super::Scene;
use super::file::{Meta, content_digest, open_without_atime};
use super::gaps::{Gaps, failure};
use crate::argv;
use crate::platform::linux::running::{self, Bounds};
use crate::query::{CommandOutput, CommandQuery, FileKind, GapReason, HostError, Observed, limits};
use crate::text::{HostBytes, HostPath};

/// Answers `Command`.
///
/// # Errors
/// When the arguments are not of the form that is asked for, or the program cannot be started.
pub(super) fn command(scene: &Arc<Scene>, query: &CommandQuery) -> Result<Observed<CommandOutput>, HostError> {
    let named = fitting(&query.argv)?;
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
    let bounds = Bounds {
        time: Duration::from_millis(query.timeout_ms.min(limits::COMMAND_MS)),
        bytes: query.max_bytes.min(limits::COMMAND_BYTES) as usize,
        ends_at_bytes: true,
    };
    let ran =
        running::run(program.as_path(), &query.argv, bounds).map_err(|error| failure(&doing(), errno_of(&error)))?;
    Ok(Observed {
        value: CommandOutput {
            program,
            id: found.id,
            sha256,
            end: ran.end,
            stdout: HostBytes::new(ran.stdout.kept),
            stdout_cut: ran.stdout.cut,
            stderr: HostBytes::new(ran.stderr.kept),
            stderr_cut: ran.stderr.cut,
            took_ms: u64::try_from(ran.took.as_millis()).unwrap_or(u64::MAX),
        },
        coverage: gaps.into_coverage(),
    })
}

fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::INVAL, Errno::from_raw_os_error)
}

/// The program's path; with its arguments it is of a number, a length and a form that a call of the kernel takes.
fn fitting(argv: &[HostBytes]) -> Result<&HostBytes, HostError> {
    let refuse = |why: &str| {
        Err(HostError::Unsupported {
            doing: "run a program of the host".to_owned(),
            why: why.to_owned(),
        })
    };
    let Some(named) = argv.first() else {
        return refuse("no program is named");
    };
    if !named.as_bytes().starts_with(b"/") {
        return refuse("the program is not named by an absolute path");
    }
    if argv.len() > limits::COMMAND_ARGUMENTS || argv.iter().map(HostBytes::len).sum::<usize>() > argv::BYTES {
        return refuse("too many arguments");
    }
    if argv.iter().any(|argument| argument.as_bytes().contains(&0)) {
        return refuse("an argument holds a zero byte");
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::platform::linux::look::Look;
    use crate::query::{Answer, CommandEnd, Query};

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
        let told = run(&["/bin/sh", "-c", script], 3_000, 4096).unwrap().value;
        assert_eq!(told.end, CommandEnd::TimedOut {});
        assert!(told.took_ms < 30_000);
        let pid = String::from_utf8(told.stdout.as_bytes().trim_ascii().to_vec()).unwrap();
        assert!(!pid.is_empty(), "it said whom it started");
        // It was killed; whoever reaps it may take a moment.
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if state.is_empty() || state.contains(") Z ") {
                break;
            }
            assert!(Instant::now() < end, "{state}");
            std::thread::sleep(Duration::from_millis(5));
        }
        // What it left behind holds its output open; it does not hold us.
        let told = run(&["/bin/sh", "-c", "sleep 63 & exit 0"], 30_000, 4096)
            .unwrap()
            .value;
        assert_eq!(told.end, CommandEnd::Exited { code: 0 });
        assert!(told.took_ms < 30_000);
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
