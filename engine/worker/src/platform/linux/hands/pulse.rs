//! Speaking for what stands still: a service whose manager holds a watchdog over it would be ended and started again while
//! it is frozen, and what it runs as it ends would run.
//!
//! Only root may speak in another's name (unix(7), `SCM_CREDENTIALS`); where we may not, the freeze must be shorter than
//! the watchdog. Source: sd_watchdog_enabled(3), sd_notify(3).

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::io::IoSlice;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
    UCred, sendmsg_addr, socket_with,
};
use rustix::process::{Pid, getegid, geteuid};

use super::identity::Seen;
use crate::action::ServiceManager;
use crate::platform::linux::systemd;
use crate::unit_name::{cgroup_path, unit_of_cgroup};

/// The shortest and the longest time between two words.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(250);

/// Speaks as long as it is kept.
pub(super) struct Pulse {
    ended: Arc<AtomicBool>,
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Pulse {
    /// Begins to speak for a process; `None` where nobody listens, or only to another.
    pub(super) fn of(seen: &Seen, doing: &str) -> Option<Pulse> {
        let cgroup = seen.read("cgroup", 64 << 10, doing).ok()??;
        let unit = unit_of_cgroup(cgroup_path(&cgroup)).filter(|unit| unit.name.as_bytes().ends_with(b".service"))?;
        let watchdog = systemd::watchdog(unit.manager, &unit.name)?;
        if watchdog.only.is_some_and(|only| only != seen.key.pid) {
            return None;
        }
        let voice = Voice::new(unit.manager, seen.key.pid)?;
        let pause = (watchdog.limit / 4).clamp(SHORTEST, LONGEST);
        let ended = Arc::new(AtomicBool::new(false));
        let over = ended.clone();
        let speak = move || {
            while !over.load(Ordering::Relaxed) && voice.speak() {
                std::thread::sleep(pause);
            }
        };
        std::thread::Builder::new().spawn(speak).ok()?;
        Some(Pulse { ended })
    }
}

/// Says that a process is alive, in its name.
struct Voice {
    socket: OwnedFd,
    manager: SocketAddrUnix,
    pid: Pid,
}

impl Voice {
    fn new(manager: ServiceManager, pid: u32) -> Option<Voice> {
        let path = match manager {
            ServiceManager::System {} => "/run/systemd/notify".to_owned(),
            ServiceManager::User { uid } => format!("/run/user/{uid}/systemd/notify"),
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Some(Voice {
            socket: socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).ok()?,
            manager: SocketAddrUnix::new(path).ok()?,
            pid: Pid::from_raw(i32::try_from(pid).ok()?)?,
        })
    }

    /// `false` where it is no use to go on.
    fn speak(&self) -> bool {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let pushed = control.push(SendAncillaryMessage::ScmCredentials(UCred {
            pid: self.pid,
            uid: geteuid(),
            gid: getegid(),
        }));
        let word = [IoSlice::new(b"WATCHDOG=1")];
        pushed
            && match sendmsg_addr(&self.socket, &self.manager, &word, &mut control, SendFlags::NOSIGNAL) {
                Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => true,
                Err(_) => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::platform::linux::hands::bench;

    #[test]
    fn the_word_is_the_one_that_managers_know() {
        let home = bench::home();
        let path = home.path().join("notify");
        let ear = UnixDatagram::bind(&path).expect("a socket");
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let voice = Voice {
            socket: socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).expect("a socket"),
            manager: SocketAddrUnix::new(path.as_path()).expect("short"),
            pid: rustix::process::getpid(),
        };
        assert!(voice.speak());
        let mut word = [0; 64];
        let length = ear.recv(&mut word).expect("it came");
        assert_eq!(&word[..length], b"WATCHDOG=1");
        drop(ear);
        assert!(!voice.speak(), "nobody listens");
    }

    #[test]
    fn a_process_without_a_watchdog_has_no_pulse() {
        let sleeper = bench::Sleeper::start();
        let seen = Seen::open(sleeper.pid(), "test").expect("ours").expect("it runs");
        assert!(Pulse::of(&seen, "test").is_none());
    }
}
