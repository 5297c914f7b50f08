//! The worker's side of the keeper, and what the worker itself holds.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{
    Pid, PidfdFlags, Resource, Signal, getrlimit, kill_process, pidfd_open, pidfd_send_signal, setrlimit,
};

use super::identity::{ProcessKey, Seen};
use super::keeper::{self, Message, PROVEN_PER_MESSAGE, TAKEN};
use super::pulse::Pulse;
use super::{Hands, failed, group, refused};
use crate::action::ProcessTarget;
use crate::query::HostError;

/// How long the keeper may take to answer.
const ANSWER_MS: u64 = 5_000;

/// A keeper that runs.
pub(super) struct Keeper {
    control: OwnedFd,
    child: Child,
}

impl Keeper {
    /// Starts it and waits until it answers.
    fn start(program: &Path) -> Result<Self, HostError> {
        let doing = "start the keeper";
        let (ours, its) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|errno| refused(doing, errno))?;
        let child = Command::new(program)
            .arg("keeper")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(its))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(doing, &error))?;
        let mut keeper = Self { control: ours, child };
        match keeper.say(&Message::Hello, None) {
            Ok(()) => Ok(keeper),
            Err(error) => {
                // It is our own child, and holds nothing yet; `kill` fails only when it already ended.
                let _ = keeper.child.kill();
                let _ = keeper.child.wait();
                Err(error)
            }
        }
    }

    /// Tells it something and waits until it has taken it.
    fn say(&self, message: &Message, pidfd: Option<&OwnedFd>) -> Result<(), HostError> {
        let lost = |why: &str| HostError::Failed {
            doing: "speak to the keeper".to_owned(),
            why: why.to_owned(),
        };
        if !keeper::send(&self.control, &message.encode(), pidfd) {
            return Err(lost("it is gone"));
        }
        if !readable(&self.control, ANSWER_MS) {
            return Err(HostError::TimedOut {
                doing: "speak to the keeper".to_owned(),
                limit_ms: ANSWER_MS,
            });
        }
        match keeper::receive(&self.control) {
            Some((answer, _)) if answer == [TAKEN] => Ok(()),
            Some(_) => Err(lost("it did not take what it was told")),
            None => Err(lost("it is gone")),
        }
    }

    /// Ends it; it leaves nothing standing.
    fn end(self) {
        let Self { control, mut child } = self;
        if keeper::send(&control, &Message::Done.encode(), None) {
            readable(&control, ANSWER_MS);
        }
        drop(control);
        let begin = Instant::now();
        // One that does not end at once is left to end by itself: killed, it could let nothing run again.
        while begin.elapsed() < Duration::from_millis(ANSWER_MS) {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Waits until something can be read, or the other end is closed; `false` when the time is over.
pub(super) fn readable(fd: &OwnedFd, limit_ms: u64) -> bool {
    let end = Instant::now() + Duration::from_millis(limit_ms);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let Ok(timeout) = Timespec::try_from(left) else {
            return false;
        };
        match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return false,
            Err(Errno::INTR) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
}

/// A process that we hold.
pub(super) struct Held {
    pub(super) seen: Seen,
    /// `None` where the kernel has no pidfds (before 5.3).
    pub(super) pidfd: Option<OwnedFd>,
    /// Whether it is to be continued: not if it already stood still by somebody else's hand.
    pub(super) resume: bool,
    /// The group of ours that it stands in.
    pub(super) group: Option<PathBuf>,
    /// What keeps its service manager from missing it; ends with it.
    pub(super) pulse: Option<Pulse>,
}

impl Held {
    /// Takes hold of a process; `None` when it is gone.
    pub(super) fn take(seen: Seen, doing: &str) -> Result<Option<Self>, HostError> {
        let Some(pid) = i32::try_from(seen.key.pid).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Some(pidfd),
            // Filters of containers forbid what they do not know.
            Err(Errno::NOSYS | Errno::PERM) => None,
            Err(Errno::SRCH | Errno::INVAL) => return Ok(None),
            Err(errno) => return Err(refused(doing, errno)),
        };
        // As long as the one that was seen is there, its pid was not given to another.
        let Some(line) = seen.stat(doing)? else { return Ok(None) };
        if line.start_ticks != seen.key.start_ticks {
            return Ok(None);
        }
        Ok(Some(Self {
            resume: line.state != b'T',
            seen,
            pidfd,
            group: None,
            pulse: None,
        }))
    }

    /// Signals it; `false` when it is gone.
    pub(super) fn signal(&self, signal: Signal, doing: &str) -> Result<bool, HostError> {
        let sent = match &self.pidfd {
            Some(pidfd) => pidfd_send_signal(pidfd, signal),
            None => self.signal_by_pid(signal, doing)?,
        };
        match sent {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(errno) => Err(refused(doing, errno)),
        }
    }

    /// Without a pidfd: read, signal, read again. A stop that hit a later process of the same pid is taken back; a kill is
    /// sent only while the one meant stands stopped, so that its pid cannot pass to another meanwhile.
    fn signal_by_pid(&self, signal: Signal, doing: &str) -> Result<Result<(), Errno>, HostError> {
        let key = self.seen.key;
        let first = if signal == Signal::KILL { Signal::STOP } else { signal };
        if let Err(errno) = keeper::signal_by_pid(key, first) {
            return Ok(Err(errno));
        }
        if self.seen.stat(doing)?.is_none() {
            if let (Signal::STOP, Some(other)) = (first, Seen::open(key.pid, doing)?)
                && other.key != key
                && let Some(pid) = i32::try_from(key.pid).ok().and_then(Pid::from_raw)
            {
                kill_process(pid, Signal::CONT).map_err(|errno| refused(doing, errno))?;
            }
            return Ok(Err(Errno::SRCH));
        }
        if signal == Signal::KILL {
            return Ok(keeper::signal_by_pid(key, Signal::KILL));
        }
        Ok(Ok(()))
    }

    /// Waits until it has ended; `false` when the time is over.
    pub(super) fn ended_within(&self, limit_ms: u64, doing: &str) -> Result<bool, HostError> {
        if let Some(pidfd) = &self.pidfd {
            return Ok(readable(pidfd, limit_ms));
        }
        let end = Instant::now() + Duration::from_millis(limit_ms);
        loop {
            if self.seen.is_over(doing)? {
                return Ok(true);
            }
            if Instant::now() >= end {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Takes it out of the group that we made for it, if there is one.
    pub(super) fn leave_group(&mut self, doing: &str) -> Result<(), HostError> {
        if let Some(path) = self.group.take() {
            group::dissolve(&path).map_err(|error| {
                let error = failed(format_args!("{doing}: remove its group"), &error);
                self.group = Some(path);
                error
            })?;
        }
        Ok(())
    }
}

impl super::Standing {
    /// Tells the keeper something.
    pub(super) fn tell(&self, message: &Message, pidfd: Option<&OwnedFd>) -> Result<(), HostError> {
        match &self.keeper {
            Some(keeper) => keeper.say(message, pidfd),
            None => Err(HostError::Failed {
                doing: "hold a process".to_owned(),
                why: "no keeper was started".to_owned(),
            }),
        }
    }

    /// Hands a process to the keeper, then holds it here too.
    pub(super) fn hold(&mut self, held: Held) -> Result<(), HostError> {
        let message = Message::Hold {
            key: held.seen.key,
            resume: held.resume,
        };
        self.tell(&message, held.pidfd.as_ref())?;
        self.held.insert(held.seen.key, held);
        Ok(())
    }

    /// Lets go of a process that runs again or is dead. A keeper that is gone holds nothing.
    pub(super) fn release(&mut self, key: ProcessKey) {
        self.held.remove(&key);
        let _ = self.tell(&Message::Release { key }, None);
    }
}

impl Hands {
    /// Starts the keeper; one that runs already is kept.
    ///
    /// # Errors
    /// When there can be no keeper: then nothing may be frozen.
    pub fn arm(&self) -> Result<(), HostError> {
        let mut standing = self.standing();
        if standing.keeper.is_none() {
            // Two descriptors for each process that is held; the keeper inherits the limit.
            let mut limit = getrlimit(Resource::Nofile);
            limit.current = limit.maximum;
            let _ = setrlimit(Resource::Nofile, limit);
            standing.keeper = Some(Keeper::start(&self.program)?);
        }
        Ok(())
    }

    /// Tells the keeper that the commit is durable, and what is proven and kept. Said again, it adds to what was said.
    ///
    /// # Errors
    /// When the keeper did not take it: then nothing may be destroyed.
    pub fn committed(&self, proven: &[ProcessTarget]) -> Result<(), HostError> {
        let mut keys = Vec::new();
        for target in proven {
            let doing = format!("hold process {} `{}`", target.pid, target.comm);
            let key = ProcessKey::from(target);
            if self.standing().held.contains_key(&key) {
                keys.push(key);
                continue;
            }
            // What does not stand still is held too, so that it dies even if the worker dies first. What is gone or
            // runs something else by now is not what was proven.
            let seen = match self.identify(target, &doing) {
                Ok(Some(seen)) => seen,
                Ok(None) | Err(HostError::Changed { .. }) => continue,
                Err(error) => return Err(error),
            };
            if let Some(held) = Held::take(seen, &doing)? {
                self.standing().hold(held)?;
                keys.push(key);
            }
        }
        let standing = self.standing();
        for keys in keys.chunks(PROVEN_PER_MESSAGE) {
            standing.tell(&Message::Proven { keys: keys.to_vec() }, None)?;
        }
        standing.tell(&Message::Committed, None)
    }

    /// Ends the keeper. What it still holds it lets run, or kills if that was proven.
    pub fn disarm(&self) {
        let mut standing = self.standing();
        if let Some(keeper) = standing.keeper.take() {
            keeper.end();
        }
        standing.held.clear();
    }

    /// The keeper's pid, while there is one.
    pub(super) fn keeper_pid(&self) -> Option<u32> {
        self.standing().keeper.as_ref().map(|keeper| keeper.child.id())
    }
}
