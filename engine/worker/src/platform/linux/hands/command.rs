//! Running a program that a plan names: this very file, exactly these arguments, and nothing of it left running.
//!
//! The file is opened beneath its directory, its inode and its content are held against the plan, and what was opened is
//! what is run (fexecve(3)). A script is refused: its interpreter would open it anew, by name.

use std::collections::BTreeSet;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpgid, getpgrp, getpid, kill_process, set_child_subreaper, waitpid};

use super::files::{self, Place};
use super::identity::parse_stat;
use super::{failed, protected};
use crate::action::{Done, FileTarget, Undo};
use crate::argv;
use crate::platform::linux::running::{self, Bounds, Ran};
use crate::query::{HostError, limits};
use crate::text::HostBytes;

/// The beginning of a program that the kernel runs by itself (elf(5)).
const ELF: &[u8; 4] = b"\x7fELF";

/// How long what a program left behind may take to be gone.
const CLEARING: Duration = Duration::from_secs(2);

/// Runs it.
///
/// # Errors
/// `Changed` when the file is another, `Gone` when there is none, `Protected` for what is no program of its own; then
/// nothing was run.
pub(super) fn run(
    program: &FileTarget,
    argv: &[HostBytes],
    timeout_ms: u64,
    undo: Option<&[HostBytes]>,
) -> Result<Done, HostError> {
    let doing = format!("run `{}`", program.path);
    let ran = run_held(program, argv, timeout_ms, &doing)?;
    let undo = undo.map_or(Undo::None, |argv| Undo::RunArgv {
        program: Box::new(program.clone()),
        argv: argv.to_vec(),
        timeout_ms,
    });
    Ok(Done::Ran {
        end: ran.end,
        stdout: HostBytes::new(ran.stdout.kept),
        stderr: HostBytes::new(ran.stderr.kept),
        cut: ran.stdout.cut || ran.stderr.cut,
        undo: Box::new(undo),
    })
}

/// Runs it with the arguments that take it back.
///
/// # Errors
/// As for [`run`]; `Failed` when it does not end by itself with exit status 0.
pub(super) fn take_back(program: &FileTarget, argv: &[HostBytes], timeout_ms: u64) -> Result<Done, HostError> {
    let done = run(program, argv, timeout_ms, None)?;
    match &done {
        Done::Ran { end, .. } if !end.is_success() => Err(HostError::Failed {
            doing: format!("run `{}`", program.path),
            why: end.to_string(),
        }),
        _ => Ok(done),
    }
}

fn run_held(program: &FileTarget, argv: &[HostBytes], timeout_ms: u64, doing: &str) -> Result<Ran, HostError> {
    if let Some(why) = argv::fault(&program.path, argv) {
        return Err(protected(doing, why));
    }
    let gone = || HostError::Gone {
        doing: doing.to_owned(),
    };
    let place = Place::of(program, doing)?.ok_or_else(gone)?;
    let (_pinned, file) = files::same(&place, program, doing)?.ok_or_else(gone)?;
    let mut begins = [0; ELF.len()];
    let is_program = file.read_exact_at(&mut begins, 0).is_ok() && begins == *ELF;
    if !is_program {
        return Err(HostError::Unsupported {
            doing: doing.to_owned(),
            why: "it is no ELF program; what an interpreter would read of a script is not held".to_owned(),
        });
    }
    let bounds = Bounds {
        time: Duration::from_millis(timeout_ms.min(limits::COMMAND_MS)),
        bytes: limits::RAN_BYTES as usize,
        ends_at_bytes: false,
    };
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let family = Family::adopt();
    let ran = running::run(Path::new(&path), argv, bounds).map_err(|error| failed(doing, &error));
    family.end(doing).and(ran)
}

/// What is born of a program while it runs, however far it goes away from its group: the kernel gives us what loses its
/// parent (`PR_SET_CHILD_SUBREAPER`).
struct Family {
    /// Children that we had before.
    before: BTreeSet<i32>,
    /// One at a time: the kernel gives what is born to the process, not to the one who asked.
    _only: MutexGuard<'static, ()>,
}

static ONLY: Mutex<()> = Mutex::new(());

impl Family {
    fn adopt() -> Self {
        let only = ONLY.lock().unwrap_or_else(PoisonError::into_inner);
        // Without it, on a kernel before 3.4, only the group is ended.
        let _ = set_child_subreaper(Some(getpid()));
        Self {
            before: children().collect(),
            _only: only,
        }
    }

    /// Whether a child of ours is of it: it came since, and it is in no group of ours, as what we start ourselves is.
    fn has(&self, pid: i32) -> bool {
        let group = Pid::from_raw(pid).and_then(|pid| getpgid(Some(pid)).ok());
        !self.before.contains(&pid) && group.is_some_and(|group| group != getpgrp()) && !running::is_own(pid)
    }

    /// Ends whatever is left of it.
    ///
    /// # Errors
    /// When something of it does not end.
    fn end(self, doing: &str) -> Result<(), HostError> {
        let until = Instant::now() + CLEARING;
        let left = loop {
            let left: Vec<i32> = children().filter(|pid| self.has(*pid)).collect();
            if left.is_empty() || Instant::now() >= until {
                break left.len();
            }
            for pid in left.into_iter().filter_map(Pid::from_raw) {
                // A child of ours that was not waited for keeps its number.
                let _ = kill_process(pid, Signal::KILL);
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let _ = set_child_subreaper(None);
        match left {
            0 => Ok(()),
            left => Err(HostError::Failed {
                doing: doing.to_owned(),
                why: format!("{left} processes that it started do not end"),
            }),
        }
    }
}

/// Our children, zombies too.
fn children() -> impl Iterator<Item = i32> {
    let own = std::process::id();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(move |pid| {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok();
        stat.and_then(|stat| parse_stat(&stat))
            .is_some_and(|stat| stat.ppid == own)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::platform::linux::beside::write_program;
    use crate::platform::linux::hands::bench;
    use crate::query::CommandEnd;
    use crate::text::HostPath;

    /// A copy of a program of this host below a folder of the test's own.
    fn copy(of: &str, home: &Path) -> FileTarget {
        let name = Path::new(of).file_name().expect("a file");
        let path = home.join(name);
        write_program(&path, &std::fs::read(of).expect("it is everywhere"));
        bench::file_target(&path)
    }

    fn argv(program: &FileTarget, words: &[&str]) -> Vec<HostBytes> {
        let own = HostBytes::new(program.path.as_bytes());
        std::iter::once(own)
            .chain(words.iter().map(|word| HostBytes::from(*word)))
            .collect()
    }

    fn ran(program: &FileTarget, words: &[&str], timeout_ms: u64) -> (CommandEnd, String, String, bool) {
        match run(program, &argv(program, words), timeout_ms, None) {
            Ok(Done::Ran {
                end,
                stdout,
                stderr,
                cut,
                undo,
            }) if *undo == Undo::None => (end, stdout.to_string(), stderr.to_string(), cut),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn this_very_program_in_an_empty_room() {
        let home = bench::home();
        let env = copy("/usr/bin/env", home.path());
        let (end, stdout, ..) = ran(&env, &[], 5_000);
        assert_eq!(end, CommandEnd::Exited { code: 0 });
        assert_eq!(stdout, "LC_ALL=C\\x0aPATH=/usr/sbin:/usr/bin:/sbin:/bin\\x0a");
        let (end, stdout, ..) = ran(&env, &["/bin/pwd"], 5_000);
        assert_eq!((end, stdout.as_str()), (CommandEnd::Exited { code: 0 }, "/\\x0a"));
        let (end, stdout, ..) = ran(&env, &["cat"], 5_000);
        assert_eq!(
            (end, stdout.as_str()),
            (CommandEnd::Exited { code: 0 }, ""),
            "its input is empty"
        );
        let (end, _, stderr, _) = ran(&env, &["/nonexistent"], 5_000);
        assert_eq!(end, CommandEnd::Exited { code: 127 });
        assert!(stderr.contains("/nonexistent"), "{stderr}");
    }

    #[test]
    fn it_changes_what_it_is_told_and_is_taken_back() {
        let home = bench::home();
        let touch = copy("/usr/bin/touch", home.path());
        let made = home.path().join("made").to_str().expect("text").to_owned();
        let back = argv(&touch, &["-d", "@86400", &made]);
        let done = run(&touch, &argv(&touch, &[&made]), 5_000, Some(&back)).expect("it runs");
        assert!(done.is_settled(), "{done:?}");
        let Some(Undo::RunArgv {
            program,
            argv,
            timeout_ms,
        }) = done.undo()
        else {
            panic!("{done:?}");
        };
        let modified = || {
            std::fs::metadata(&made)
                .expect("it is there")
                .modified()
                .expect("a time")
        };
        let day = std::time::UNIX_EPOCH + Duration::from_secs(86_400);
        assert_ne!(modified(), day);
        assert!(matches!(take_back(program, argv, *timeout_ms), Ok(Done::Ran { .. })));
        assert_eq!(modified(), day);
        let elsewhere = self::argv(&touch, &["/nonexistent/x"]);
        assert!(matches!(
            take_back(&touch, &elsewhere, 5_000),
            Err(HostError::Failed { .. })
        ));
    }

    #[test]
    fn another_file_is_not_run() {
        let home = bench::home();
        let program = copy("/bin/true", home.path());
        let words = argv(&program, &[]);
        let path = program.path.as_path().to_owned();
        let mut bytes = std::fs::read(&path).expect("ours");
        *bytes.last_mut().expect("it has bytes") ^= 1;
        std::fs::write(&path, &bytes).expect("ours");
        assert!(
            matches!(run(&program, &words, 5_000, None), Err(HostError::Changed { .. })),
            "other bytes"
        );
        std::fs::remove_file(&path).expect("ours");
        assert!(
            matches!(run(&program, &words, 5_000, None), Err(HostError::Gone { .. })),
            "gone"
        );
        std::os::unix::fs::symlink("/bin/true", &path).expect("ours");
        assert!(
            matches!(run(&program, &words, 5_000, None), Err(HostError::Changed { .. })),
            "a link"
        );
    }

    #[test]
    fn no_script_and_no_line_for_a_shell() {
        let home = bench::home();
        let script = home.path().join("script");
        std::fs::write(&script, "#!/bin/sh\nexit 0\n").expect("ours");
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o700)).expect("ours");
        let script = bench::file_target(&script);
        let refused = run(&script, &argv(&script, &[]), 5_000, None);
        assert!(matches!(refused, Err(HostError::Unsupported { .. })), "{refused:?}");
        let env = copy("/usr/bin/env", home.path());
        let refused = run(&env, &argv(&env, &["sh", "-c", "true"]), 5_000, None);
        assert!(matches!(refused, Err(HostError::Protected { .. })), "{refused:?}");
        let other = [HostBytes::from("/bin/other")];
        assert!(
            matches!(run(&env, &other, 5_000, None), Err(HostError::Protected { .. })),
            "another name"
        );
    }

    #[test]
    fn nothing_of_it_stays() {
        let home = bench::home();
        let pids = home.path().join("pids");
        let script = home.path().join("script");
        // One in its group, and one in a session of its own, whose parent is gone.
        let text = format!(
            "#!/bin/sh\nsleep 64 & echo $! >> {0}\nsetsid sleep 65 &\nuntil pgrep -P $$ -f '^sleep 65' >> {0}; do sleep 0.01; done\n[ \"$1\" = stay ] && sleep 66\nexit 3\n",
            pids.display()
        );
        std::fs::write(&script, text).expect("ours");
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o700)).expect("ours");
        let env = copy("/usr/bin/env", home.path());
        let script = script.to_str().expect("text");
        for (name, words, limit_ms, expected) in [
            ("by itself", [script, "go"], 30_000, CommandEnd::Exited { code: 3 }),
            ("at its limit", [script, "stay"], 6_000, CommandEnd::TimedOut {}),
        ] {
            let began = Instant::now();
            let (end, ..) = ran(&env, &words, limit_ms);
            assert_eq!(end, expected, "{name}");
            assert!(began.elapsed() < Duration::from_secs(50), "{name}");
            let told = std::fs::read_to_string(&pids).expect("it wrote");
            assert!(told.lines().count() >= 2, "{name}: {told}");
            for pid in told.lines() {
                assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{name}: {pid} is left");
            }
            std::fs::remove_file(&pids).expect("ours");
        }
    }

    #[test]
    fn what_it_writes_is_bounded_and_does_not_end_it() {
        let home = bench::home();
        let seq = copy("/usr/bin/seq", home.path());
        let (end, stdout, _, cut) = ran(&seq, &["1", "20000"], 10_000);
        assert_eq!((end, cut), (CommandEnd::Exited { code: 0 }, true));
        assert!(stdout.starts_with("1\\x0a2\\x0a"));
        let seq_words = argv(&seq, &["1", "20000"]);
        let Ok(Done::Ran { stdout, .. }) = run(&seq, &seq_words, 10_000, None) else {
            panic!("it ran before");
        };
        assert_eq!(stdout.len(), limits::RAN_BYTES as usize);
    }

    #[test]
    fn a_path_that_is_no_place_is_refused() {
        let home = bench::home();
        let mut program = copy("/bin/true", home.path());
        program.path = HostPath::from("/nonexistent/true");
        let words = argv(&program, &[]);
        assert!(matches!(
            run(&program, &words, 5_000, None),
            Err(HostError::Gone { .. })
        ));
    }
}
