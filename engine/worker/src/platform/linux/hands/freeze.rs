//! Stopping a process and letting it run again.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::hold::Held;
use super::identity::{ProcessKey, Seen, same_executable};
use super::keeper::Message;
use super::pulse::Pulse;
use super::{Hands, Standing, failed, group};
use crate::action::{Done, ProcessTarget, Undo};
use crate::query::HostError;

/// How long a stopped process may take to stand.
const STOP: Duration = Duration::from_millis(500);

/// How long a traced process must stand before it is believed: its tracer may let it run on at once.
const TRACED_STILL: Duration = Duration::from_millis(40);

/// How long a continued process may take to run.
const RUN: Duration = Duration::from_millis(500);

impl Hands {
    /// Stops a process and waits until it stands.
    pub(super) fn freeze(&self, target: &ProcessTarget) -> Result<Done, HostError> {
        let doing = format!("freeze process {} `{}`", target.pid, target.comm);
        let Some(seen) = self.identify(target, &doing)? else {
            return Ok(Done::Gone);
        };
        let mut standing = self.standing();
        let key = seen.key;
        if !standing.held.contains_key(&key) {
            match Held::take(seen, &doing)? {
                Some(mut held) => {
                    held.pulse = Pulse::of(&held.seen, &doing);
                    standing.hold(held)?;
                }
                None => return Ok(Done::Gone),
            }
        }
        let stopped = stop(&mut standing, key, target, &doing);
        match stopped {
            Ok(Stopped::Stands) => Ok(Done::Changed {
                undo: Undo::Thaw {
                    process: target.clone(),
                },
            }),
            Ok(Stopped::Runs) => Ok(Done::WouldNotStop),
            Ok(Stopped::Gone) => {
                leave(&mut standing, key, &doing)?;
                Ok(Done::Gone)
            }
            Err(error) => {
                run_again(&mut standing, key, &doing)?;
                Err(error)
            }
        }
    }

    /// Lets a process that was frozen run again. One that is gone is no error.
    ///
    /// # Errors
    /// When it may still stand still.
    pub fn thaw(&self, target: &ProcessTarget) -> Result<(), HostError> {
        let doing = format!("thaw process {} `{}`", target.pid, target.comm);
        let key = ProcessKey::from(target);
        if self.standing().held.contains_key(&key) {
            return run_again(&mut self.standing(), key, &doing);
        }
        // Frozen by an earlier worker.
        let Some(seen) = self.identify(target, &doing)? else {
            return Ok(());
        };
        let group = group::ours_around(&seen, &doing)?;
        let Some(mut held) = Held::take(seen, &doing)? else {
            return Ok(());
        };
        held.resume = true;
        held.group = group;
        continue_held(&mut held, &doing)
    }
}

/// How a stop ended.
enum Stopped {
    Stands,
    Runs,
    Gone,
}

/// Stops a held process: by signal, else by the freezer.
fn stop(standing: &mut Standing, key: ProcessKey, target: &ProcessTarget, doing: &str) -> Result<Stopped, HostError> {
    let Some(held) = standing.held.get(&key) else {
        return Ok(Stopped::Gone);
    };
    if !held.signal(Signal::STOP, doing)? {
        return Ok(Stopped::Gone);
    }
    let mut stopped = until_it_stands(&held.seen, doing)?;
    if matches!(stopped, Stopped::Runs) {
        stopped = stop_by_group(standing, key, doing)?;
    }
    if let (Stopped::Stands, Some(held)) = (&stopped, standing.held.get(&key)) {
        // It may have become another program between the look and the stop.
        match held.seen.exe_stat(doing)? {
            Some(stat) => same_executable(&stat, target, doing)?,
            None => return Ok(Stopped::Gone),
        }
    }
    Ok(stopped)
}

/// Waits until every task of a process is in a stop that lasts.
fn until_it_stands(seen: &Seen, doing: &str) -> Result<Stopped, HostError> {
    let end = Instant::now() + STOP;
    let mut still: Option<(Instant, u64)> = None;
    loop {
        let tasks = seen.tasks(doing)?;
        if tasks.is_empty() {
            return Ok(Stopped::Gone);
        }
        let now = Instant::now();
        if tasks.iter().all(|(_, state)| matches!(state, b'T' | b't')) {
            let status = seen.read("status", 64 << 10, doing)?.unwrap_or_default();
            let (tracer, switches) = parse_tracer(&status);
            if tracer == 0 {
                return Ok(Stopped::Stands);
            }
            match still {
                Some((since, before)) if before == switches => {
                    if now.duration_since(since) >= TRACED_STILL {
                        return Ok(Stopped::Stands);
                    }
                }
                _ => still = Some((now, switches)),
            }
        } else {
            still = None;
        }
        if now >= end {
            return Ok(Stopped::Runs);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The tracer's pid and how often the process was switched to, from `/proc/PID/status` (proc_pid_status(5)).
pub(super) fn parse_tracer(status: &[u8]) -> (u32, u64) {
    let number = |key: &[u8]| -> u64 {
        status
            .split(|b| *b == b'\n')
            .find_map(|line| line.strip_prefix(key))
            .and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok())
            .unwrap_or(0)
    };
    let switches = number(b"voluntary_ctxt_switches:").wrapping_add(number(b"nonvoluntary_ctxt_switches:"));
    (u32::try_from(number(b"TracerPid:")).unwrap_or(u32::MAX), switches)
}

/// Holds a process by the freezer; `Runs` where there is none or it does not hold it.
fn stop_by_group(standing: &mut Standing, key: ProcessKey, doing: &str) -> Result<Stopped, HostError> {
    let Some(held) = standing.held.get(&key) else {
        return Ok(Stopped::Gone);
    };
    if held.group.is_some() {
        return Ok(Stopped::Stands);
    }
    let Some(path) = group::place_for(&held.seen, doing)? else {
        return Ok(Stopped::Runs);
    };
    standing.tell(
        &Message::Group {
            key,
            path: path.clone(),
        },
        None,
    )?;
    let frozen = group::freeze(&path, key.pid);
    let Some(held) = standing.held.get_mut(&key) else {
        return Ok(Stopped::Gone);
    };
    match frozen {
        Ok(()) if held.seen.is_over(doing)? => {
            // The pid may have passed to another: the group must not hold a stranger.
            group::dissolve(&path).map_err(|error| failed(doing, &error))?;
            Ok(Stopped::Gone)
        }
        Ok(()) => {
            held.group = Some(path);
            Ok(Stopped::Stands)
        }
        Err(_) if path.exists() => {
            held.group = Some(path);
            held.leave_group(doing)?;
            Ok(Stopped::Runs)
        }
        Err(_) => Ok(Stopped::Runs),
    }
}

/// Lets go of a process that is gone.
fn leave(standing: &mut Standing, key: ProcessKey, doing: &str) -> Result<(), HostError> {
    if let Some(held) = standing.held.get_mut(&key) {
        held.leave_group(doing)?;
    }
    standing.release(key);
    Ok(())
}

/// Lets a held process run again, then lets go of it.
fn run_again(standing: &mut Standing, key: ProcessKey, doing: &str) -> Result<(), HostError> {
    if let Some(held) = standing.held.get_mut(&key) {
        continue_held(held, doing)?;
    }
    standing.release(key);
    Ok(())
}

/// Continues a process and waits until it runs.
fn continue_held(held: &mut Held, doing: &str) -> Result<(), HostError> {
    let alive = !held.resume || held.signal(Signal::CONT, doing)?;
    held.leave_group(doing)?;
    if !alive || !held.resume {
        return Ok(());
    }
    let end = Instant::now() + RUN;
    while held.seen.stat(doing)?.is_some_and(|line| line.state == b'T') {
        if Instant::now() >= end {
            return Err(HostError::TimedOut {
                doing: doing.to_owned(),
                limit_ms: RUN.as_millis() as u64,
            });
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::platform::linux::hands::bench;

    #[test]
    fn tracers() {
        let status = b"Name:\tx\nTracerPid:\t77\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n";
        assert_eq!(parse_tracer(status), (77, 11));
        assert_eq!(parse_tracer(b""), (0, 0));
    }

    proptest! {
        #[test]
        fn any_status_is_read_without_harm(bytes: Vec<u8>) {
            let _ = parse_tracer(&bytes);
        }
    }

    #[test]
    fn nothing_is_stopped_without_a_keeper() {
        let sleeper = bench::Sleeper::start();
        let frozen = Hands::new().freeze(&sleeper.target());
        assert!(matches!(frozen, Err(HostError::Failed { .. })), "{frozen:?}");
        assert_eq!(sleeper.state(), b'S');
    }

    #[test]
    fn without_pidfds_a_process_is_stopped_continued_and_killed_by_its_number() {
        let sleeper = bench::Sleeper::start();
        let seen = Seen::open(sleeper.pid(), "test").expect("ours").expect("it runs");
        let mut held = Held::take(seen, "test").expect("ours").expect("it runs");
        held.pidfd = None;
        assert_eq!(held.signal(Signal::STOP, "test"), Ok(true));
        assert!(matches!(until_it_stands(&held.seen, "test"), Ok(Stopped::Stands)));
        continue_held(&mut held, "test").expect("it runs again");
        assert_eq!(held.signal(Signal::KILL, "test"), Ok(true));
        assert_eq!(held.ended_within(5_000, "test"), Ok(true));
    }

    #[test]
    fn without_pidfds_another_process_of_that_number_is_left_alone() {
        let sleeper = bench::Sleeper::start();
        let mut seen = Seen::open(sleeper.pid(), "test").expect("ours").expect("it runs");
        seen.key.start_ticks += 1;
        let held = Held {
            seen,
            pidfd: None,
            resume: true,
            group: None,
            pulse: None,
        };
        for signal in [Signal::STOP, Signal::KILL] {
            assert_eq!(held.signal(signal, "test"), Ok(false));
        }
        assert_eq!(sleeper.state(), b'S');
    }
}
