//! The bounds of a worker on a host that is not ours.
//!
//! Looking has a lower CPU priority than the host's own work, and with it a lower I/O priority: a process without an I/O
//! class has the one of its nice value (ioprio_set(2)). Its memory has a limit. A stroke has the priority and the limit that
//! the login has, and so has what it starts: a service that an undo starts again must not inherit ours.

use rustix::process::{Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit};

use crate::platform::Pace;

/// The nice value of looking above that of the login: a quarter of a contested core (sched(7)).
const STEP_BACK: i32 = 5;

/// The lowest priority (setpriority(2)).
const LOWEST: i32 = 19;

/// The private memory of looking, in bytes (`RLIMIT_DATA`, getrlimit(2)). It takes a few dozen MB.
const DATA_BYTES: u64 = 1 << 30;

/// What the login has.
pub(super) struct Manners {
    nice: i32,
    data: Rlimit,
}

impl Manners {
    /// As this process was started.
    pub(super) fn as_found() -> Manners {
        Manners {
            nice: getpriority_process(None).unwrap_or(0),
            data: getrlimit(Resource::Data),
        }
    }

    /// Goes at this pace. An account may lower its priority but not raise it again (`RLIMIT_NICE`): then it stays low.
    pub(super) fn keep(&self, pace: Pace) {
        let (nice, data) = match pace {
            Pace::Stroke => (self.nice, self.data.current),
            Pace::Look => {
                let data = self.data.current.map_or(DATA_BYTES, |found| found.min(DATA_BYTES));
                (self.nice.saturating_add(STEP_BACK).min(LOWEST), Some(data))
            }
        };
        let limit = Rlimit {
            current: data,
            maximum: self.data.maximum,
        };
        // A worker without them works as well.
        let _ = setpriority_process(None, nice);
        let _ = setrlimit(Resource::Data, limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a thread of its own: a priority is a thread's.
    #[test]
    fn a_stroke_has_what_the_login_has() {
        let paces = std::thread::spawn(|| {
            let manners = Manners::as_found();
            let seen = |pace| {
                manners.keep(pace);
                (getpriority_process(None).ok(), getrlimit(Resource::Data).current)
            };
            let (looking, striking) = (seen(Pace::Look), seen(Pace::Stroke));
            let found = (Some(manners.nice), manners.data.current);
            (found, looking, striking)
        });
        let (found, looking, striking) = paces.join().unwrap();
        assert!(looking.0 > found.0, "{looking:?} {found:?}");
        assert!(looking.1.is_some_and(|bytes| bytes <= DATA_BYTES), "{looking:?}");
        assert_eq!(striking.1, found.1);
        if rustix::process::geteuid().is_root() {
            assert_eq!(striking.0, found.0);
        }
    }
}
