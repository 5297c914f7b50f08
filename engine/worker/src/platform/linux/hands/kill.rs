//! Ending a process.

use rustix::process::Signal;

use super::hold::Held;
use super::{Hands, failed, group, throttle};
use crate::action::{Done, ProcessTarget, Undo};
use crate::query::HostError;

/// How long a killed process may take to end; one that waits for a device (state `D`) takes longer.
const END_MS: u64 = 5_000;

impl Hands {
    /// Kills a process and waits until it ended.
    pub(super) fn kill(&self, target: &ProcessTarget) -> Result<Done, HostError> {
        let doing = format!("kill process {} `{}`", target.pid, target.comm);
        let seen = self.identify(target, &doing)?;
        let quiet = seen.as_ref().and_then(throttle::group_around);
        let key = super::identity::ProcessKey::from(target);
        let mut standing = self.standing();
        let known = standing.held.contains_key(&key);
        let fresh = match seen {
            Some(seen) if !known => Held::take(seen, &doing)?,
            Some(_) => None,
            None => {
                if let Some(held) = standing.held.get_mut(&key) {
                    held.leave_group(&doing)?;
                    standing.release(key);
                }
                return Ok(Done::Gone);
            }
        };
        let Some(held) = fresh.as_ref().or(standing.held.get(&key)) else {
            return Ok(Done::Gone);
        };
        let met = held.signal(Signal::KILL, &doing)?;
        if met && !held.ended_within(END_MS, &doing)? {
            return Err(HostError::TimedOut {
                doing,
                limit_ms: END_MS,
            });
        }
        if let Some(held) = standing.held.get_mut(&key) {
            held.leave_group(&doing)?;
            standing.release(key);
        }
        if let Some(quiet) = quiet {
            // Only the group goes with it: a child of the process goes back to where it was.
            group::dissolve(&quiet).map_err(|error| failed(&doing, &error))?;
        }
        Ok(if met {
            Done::Changed { undo: Undo::None }
        } else {
            Done::Gone
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::linux::hands::bench;
    use crate::text::{Digest, Wide};

    #[test]
    fn a_process_ends_once() {
        let sleeper = bench::Sleeper::start();
        let target = sleeper.target();
        let hands = Hands::new();
        assert_eq!(hands.kill(&target), Ok(Done::Changed { undo: Undo::None }));
        assert_eq!(hands.kill(&target), Ok(Done::Gone));
    }

    #[test]
    fn another_process_lives() {
        let sleeper = bench::Sleeper::start();
        let hands = Hands::new();
        let mut reused = sleeper.target();
        reused.start_ticks = Wide(reused.start_ticks.0 - 1);
        assert_eq!(hands.kill(&reused), Ok(Done::Gone));
        let mut other = sleeper.target();
        other.exe_sha256 = Digest::of(b"another program");
        assert!(matches!(hands.kill(&other), Err(HostError::Changed { .. })));
        assert_eq!(sleeper.state(), b'S');
        let own = hands.kill(&bench::target_of(std::process::id()));
        assert!(matches!(own, Err(HostError::Protected { .. })), "{own:?}");
        let init = hands.kill(&bench::target_of(1));
        assert!(matches!(init, Err(HostError::Protected { .. })), "{init:?}");
    }
}
