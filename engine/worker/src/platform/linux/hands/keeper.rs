//! The keeper: this program, started again with the one argument `keeper`, in a session of its own.
//!
//! It holds every process that the worker stops, from before the stop. When the worker is gone, however it ended, the
//! keeper lets everything run again; after the commit it kills what is proven and lets the rest run. A SIGSTOP outlives
//! its sender, so without a keeper a dead worker would leave a host standing still.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Pid, Signal, kill_process, pidfd_send_signal};

use super::identity::{ProcessKey, parse_stat};
use super::{group, units};
use crate::unit_name::is_unit_name;

/// The longest message: a group's path, or [`PROVEN_PER_MESSAGE`] processes.
const MESSAGE_BYTES: usize = 16 << 10;

/// The processes that one message names as proven.
pub(super) const PROVEN_PER_MESSAGE: usize = 1000;

/// What a worker tells its keeper; each message is answered with [`TAKEN`] or [`REFUSED`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// The keeper is to show that it is there.
    Hello,
    /// This process will be stopped; its pidfd comes along where the kernel has pidfds.
    Hold {
        /// Which.
        key: ProcessKey,
        /// Whether it is to be continued; not if it already stood still by somebody else's hand.
        resume: bool,
    },
    /// This process will be moved into this group of ours.
    Group {
        /// Which.
        key: ProcessKey,
        /// The group.
        path: PathBuf,
    },
    /// This unit's cgroup will be frozen.
    Unit {
        /// The cgroup.
        path: PathBuf,
    },
    /// No unit's cgroup is frozen any more.
    NoUnits,
    /// This process runs again, or is dead.
    Release {
        /// Which.
        key: ProcessKey,
    },
    /// These are proven.
    Proven {
        /// Which.
        keys: Vec<ProcessKey>,
    },
    /// The commit is durable: from here on what is proven is never set free.
    Committed,
    /// The worker needs no keeper any more.
    Done,
}

/// The answer to a message that was taken.
pub(super) const TAKEN: u8 = b'k';

/// The answer to a message that was not.
pub(super) const REFUSED: u8 = b'e';

impl Message {
    /// Its bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let key = |bytes: &mut Vec<u8>, key: &ProcessKey| {
            bytes.extend_from_slice(&key.pid.to_le_bytes());
            bytes.extend_from_slice(&key.start_ticks.to_le_bytes());
        };
        let mut bytes = Vec::new();
        match self {
            Message::Hello => bytes.push(b'h'),
            Message::Hold { key: which, resume } => {
                bytes.push(b'H');
                key(&mut bytes, which);
                bytes.push(u8::from(*resume));
            }
            Message::Group { key: which, path } => {
                bytes.push(b'G');
                key(&mut bytes, which);
                bytes.extend_from_slice(path.as_os_str().as_bytes());
            }
            Message::Unit { path } => {
                bytes.push(b'U');
                bytes.extend_from_slice(path.as_os_str().as_bytes());
            }
            Message::NoUnits => bytes.push(b'u'),
            Message::Release { key: which } => {
                bytes.push(b'R');
                key(&mut bytes, which);
            }
            Message::Proven { keys } => {
                bytes.push(b'P');
                keys.iter().for_each(|which| key(&mut bytes, which));
            }
            Message::Committed => bytes.push(b'C'),
            Message::Done => bytes.push(b'D'),
        }
        bytes
    }

    /// The message of these bytes; `None` when they are none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Message> {
        let key = |bytes: &[u8]| -> Option<ProcessKey> {
            let (pid, ticks) = bytes.split_first_chunk::<4>()?;
            Some(ProcessKey {
                pid: u32::from_le_bytes(*pid),
                start_ticks: u64::from_le_bytes(ticks.try_into().ok()?),
            })
        };
        let (kind, rest) = bytes.split_first()?;
        match (kind, rest.len()) {
            (b'h', 0) => Some(Message::Hello),
            (b'H', 13) => Some(Message::Hold {
                key: key(&rest[..12])?,
                resume: rest[12] != 0,
            }),
            (b'G', 13..) => Some(Message::Group {
                key: key(&rest[..12])?,
                path: PathBuf::from(std::ffi::OsStr::from_bytes(&rest[12..])),
            }),
            (b'U', 1..) => Some(Message::Unit {
                path: PathBuf::from(std::ffi::OsStr::from_bytes(rest)),
            }),
            (b'u', 0) => Some(Message::NoUnits),
            (b'R', 12) => Some(Message::Release { key: key(rest)? }),
            (b'P', length) if length.is_multiple_of(12) => Some(Message::Proven {
                keys: rest.chunks(12).map(key).collect::<Option<_>>()?,
            }),
            (b'C', 0) => Some(Message::Committed),
            (b'D', 0) => Some(Message::Done),
            _ => None,
        }
    }
}

/// A process that is held.
struct Kept {
    pidfd: Option<OwnedFd>,
    resume: bool,
    proven: bool,
    group: Option<PathBuf>,
}

/// What a keeper knows.
#[derive(Default)]
struct Keeping {
    kept: BTreeMap<ProcessKey, Kept>,
    /// Cgroups of units that are frozen.
    units: BTreeSet<PathBuf>,
    committed: bool,
}

/// Holds what the worker at the other end of `control` stops, until that end is closed or says that it is done.
pub fn keep(control: OwnedFd) {
    let mut keeping = Keeping::default();
    while let Some((bytes, pidfd)) = receive(&control) {
        let message = Message::decode(&bytes);
        let done = message == Some(Message::Done);
        let taken = message.is_some_and(|message| keeping.take(message, pidfd));
        let answer = if taken { TAKEN } else { REFUSED };
        if done {
            // The answer must mean that nothing stands any more.
            keeping.let_go();
        }
        if !send(&control, &[answer], None) || done {
            break;
        }
    }
    keeping.let_go();
}

/// The keeper's whole program: standard input is its socket.
pub fn main_keeper() {
    // Out of the worker's session: what ends that session must not end the keeper. It fails only for a leader of one.
    let _ = rustix::process::setsid();
    if let Ok(control) = std::io::stdin().as_fd().try_clone_to_owned() {
        keep(control);
    }
}

impl Keeping {
    /// Takes a message; `false` when it cannot be done.
    fn take(&mut self, message: Message, pidfd: Option<OwnedFd>) -> bool {
        match message {
            Message::Hello | Message::Done => true,
            Message::Hold { key, resume } => {
                self.kept.insert(
                    key,
                    Kept {
                        pidfd,
                        resume,
                        proven: false,
                        group: None,
                    },
                );
                true
            }
            Message::Group { key, path } => match self.kept.get_mut(&key) {
                Some(kept) if group::is_ours(&path) => {
                    kept.group = Some(path);
                    true
                }
                _ => false,
            },
            Message::Unit { path } => {
                let is_one = path
                    .file_name()
                    .is_some_and(|name| is_unit_name(name.as_encoded_bytes()));
                is_one && {
                    self.units.insert(path);
                    true
                }
            }
            Message::NoUnits => {
                self.units.clear();
                true
            }
            Message::Release { key } => {
                self.kept.remove(&key);
                true
            }
            Message::Proven { keys } => keys.iter().fold(true, |all, key| match self.kept.get_mut(key) {
                Some(kept) => {
                    kept.proven = true;
                    all
                }
                None => false,
            }),
            Message::Committed => {
                self.committed = true;
                true
            }
        }
    }

    /// Leaves nothing standing: what is proven dies once the commit was durable, everything else runs.
    fn let_go(&mut self) {
        let committed = self.committed;
        let (condemned, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition(|(_, kept)| committed && kept.proven);
        for (key, kept) in &condemned {
            signal(*key, kept, Signal::KILL);
        }
        for (key, kept) in &others {
            if kept.resume {
                signal(*key, kept, Signal::CONT);
            }
        }
        for path in std::mem::take(&mut self.units) {
            units::thaw(&path);
            // One in which nothing runs was made by us, or is of no use to anybody.
            let _ = std::fs::remove_dir(path);
        }
        for (_, kept) in condemned.iter().chain(&others) {
            if let Some(path) = &kept.group {
                // Nobody is left to be told; it thaws before it fails to remove.
                let _ = group::dissolve(path);
            }
        }
    }
}

/// Signals a held process; one that is gone is left alone.
fn signal(key: ProcessKey, kept: &Kept, signal: Signal) {
    // Nobody is left to be told of an error.
    let _ = match &kept.pidfd {
        Some(pidfd) => pidfd_send_signal(pidfd, signal),
        None => signal_by_pid(key, signal),
    };
}

/// Signals by number where the kernel has no pidfds, if the process of that number is still the one meant.
pub(super) fn signal_by_pid(key: ProcessKey, signal: Signal) -> Result<(), Errno> {
    let line = std::fs::read(format!("/proc/{}/stat", key.pid)).map_err(|_| Errno::SRCH)?;
    let same = parse_stat(&line).is_some_and(|line| line.start_ticks == key.start_ticks);
    let pid = i32::try_from(key.pid).ok().and_then(Pid::from_raw);
    match pid {
        Some(pid) if same => kill_process(pid, signal),
        _ => Err(Errno::SRCH),
    }
}

/// The next message and the descriptor that came along; `None` when the other end is closed or broken.
pub(super) fn receive(control: &OwnedFd) -> Option<(Vec<u8>, Option<OwnedFd>)> {
    let mut bytes = vec![0; MESSAGE_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        match recvmsg(control, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other.ok()?,
        }
    };
    let mut pidfd = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            pidfd = fds.last();
        }
    }
    if got.bytes == 0 || got.flags.contains(ReturnFlags::TRUNC) {
        return None;
    }
    if got.flags.contains(ReturnFlags::CTRUNC) {
        // A descriptor was sent and could not be taken: not a message that can be obeyed.
        return Some((Vec::new(), None));
    }
    bytes.truncate(got.bytes);
    Some((bytes, pidfd))
}

/// Sends one message, with a descriptor where there is one; `false` when the other end is gone.
pub(super) fn send(control: &OwnedFd, bytes: &[u8], pidfd: Option<&OwnedFd>) -> bool {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let fds = [pidfd.unwrap_or(control).as_fd()];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if pidfd.is_some() && !ancillary.push(rustix::net::SendAncillaryMessage::ScmRights(&fds)) {
        return false;
    }
    loop {
        match sendmsg(control, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            sent => return sent == Ok(bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_key() -> impl Strategy<Value = ProcessKey> {
        (any::<u32>(), any::<u64>()).prop_map(|(pid, start_ticks)| ProcessKey { pid, start_ticks })
    }

    proptest! {
        #[test]
        fn messages_read_back(key in any_key(), resume: bool, keys in prop::collection::vec(any_key(), 0..5)) {
            let path = PathBuf::from("/sys/fs/cgroup/deminer-0123456789abcdef");
            for message in [
                Message::Hello,
                Message::Hold { key, resume },
                Message::Group { key, path },
                Message::Unit { path: PathBuf::from("/sys/fs/cgroup/system.slice/a.service") },
                Message::NoUnits,
                Message::Release { key },
                Message::Proven { keys },
                Message::Committed,
                Message::Done,
            ] {
                prop_assert_eq!(Message::decode(&message.encode()), Some(message));
            }
        }

        #[test]
        fn any_bytes_are_decoded_without_harm(bytes: Vec<u8>) {
            let _ = Message::decode(&bytes);
        }
    }

    #[test]
    fn the_longest_list_fits_a_message() {
        let key = ProcessKey { pid: 1, start_ticks: 1 };
        let keys = vec![key; PROVEN_PER_MESSAGE];
        assert!(Message::Proven { keys }.encode().len() <= MESSAGE_BYTES);
    }

    #[test]
    fn a_stranger_is_not_proven_and_a_foreign_group_not_taken() {
        let mut keeping = Keeping::default();
        let key = ProcessKey { pid: 5, start_ticks: 5 };
        assert!(!keeping.take(Message::Proven { keys: vec![key] }, None));
        assert!(keeping.take(Message::Hold { key, resume: true }, None));
        assert!(keeping.take(Message::Proven { keys: vec![key] }, None));
        let path = PathBuf::from("/sys/fs/cgroup/system.slice");
        assert!(!keeping.take(
            Message::Group {
                key,
                path: path.clone()
            },
            None
        ));
        assert!(!keeping.take(Message::Unit { path: path.join("a") }, None));
        assert!(keeping.take(
            Message::Unit {
                path: path.join("a.service")
            },
            None
        ));
        assert!(keeping.take(Message::Release { key }, None));
        assert!(keeping.kept.is_empty());
    }
}
