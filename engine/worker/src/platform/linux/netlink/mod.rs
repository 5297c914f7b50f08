//! Asking the kernel over netlink(7): a socket of our own, no program and no library of the host.
//!
//! [`message`] is bytes, [`filter`] what nf_tables says, [`route`] what rtnetlink says.

use std::fmt::Display;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recvfrom, sendto, socket_with,
};

use crate::query::HostError;

pub(super) mod filter;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
pub(super) mod message;
pub(super) mod route;

use message::{Malformed, Received, Writer, messages, word};

/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_DUMP` of linux/netlink.h.
pub(super) const REQUEST: u16 = 0x1;
pub(super) const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;

/// `NLM_F_DUMP_INTR`: what was told changed while it was told.
const INTERRUPTED: u16 = 0x10;

/// `NLMSG_ERROR`, also an acknowledgement, and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// How long the kernel may take for one datagram; it answers at once or never.
const PATIENCE: Duration = Duration::from_secs(5);

/// The bytes of one datagram: the kernel sends 32 KiB at most (af_netlink.c, `netlink_dump`).
const DATAGRAM: usize = 64 << 10;

/// The messages of one dump.
const MESSAGES: usize = 2_000_000;

/// How often something that changes while it is told is asked again.
const TRIES: u32 = 4;

/// A conversation with the kernel about one subject.
pub(super) struct Kernel {
    socket: OwnedFd,
    sequence: u32,
}

/// Why the kernel gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// With this word.
    Errno(Errno),
    /// What came is none.
    Malformed,
    /// It changed all the while, or there was no end to it.
    Restless,
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Refused::Errno(errno)
    }
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Refused::Malformed
    }
}

impl Refused {
    /// What it means for somebody who asked.
    pub(super) fn host_error(self, doing: impl Display) -> HostError {
        let doing = doing.to_string();
        match self {
            Refused::Errno(Errno::ACCESS | Errno::PERM) => HostError::Denied { doing },
            Refused::Errno(Errno::NOENT) => HostError::Gone { doing },
            Refused::Errno(errno) if is_missing(errno) => HostError::Unsupported {
                doing,
                why: format!("this kernel does not have it ({errno})"),
            },
            Refused::Errno(Errno::AGAIN) => HostError::TimedOut {
                doing,
                limit_ms: u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX),
            },
            Refused::Errno(errno) => HostError::Failed {
                doing,
                why: errno.to_string(),
            },
            Refused::Malformed => HostError::Failed {
                doing,
                why: "the kernel's answer is not in the form of netlink(7)".to_owned(),
            },
            Refused::Restless => HostError::Failed {
                doing,
                why: "it changes all the time".to_owned(),
            },
        }
    }
}

/// Whether a kernel says so that it lacks the subject, a type or a module.
fn is_missing(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT | Errno::OPNOTSUPP | Errno::NOSYS | Errno::SOCKTNOSUPPORT
    )
}

impl Kernel {
    /// Begins a conversation; `None` is rtnetlink(7).
    pub(super) fn open(subject: Option<Protocol>) -> Result<Self, Refused> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, subject)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The next sequence number.
    pub(super) fn next(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// Asks for everything of a kind and gives each message of the answer to `take`, after all of it came.
    pub(super) fn dump(
        &mut self,
        kind: u16,
        fill: impl Fn(&mut message::Body<'_>),
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), Refused> {
        for _ in 0..TRIES {
            let sequence = self.next();
            let mut writer = Writer::default();
            writer.message(kind, REQUEST | DUMP, sequence, &fill);
            self.send(writer.bytes())?;
            if let Some(bodies) = self.dumped(sequence)? {
                bodies.iter().for_each(|body| take(body));
                return Ok(());
            }
        }
        Err(Refused::Restless)
    }

    /// The bodies of a dump; `None` where it changed meanwhile.
    fn dumped(&mut self, sequence: u32) -> Result<Option<Vec<Vec<u8>>>, Refused> {
        let mut bodies = Vec::new();
        let mut whole = true;
        loop {
            let datagram = self.receive()?;
            for message in messages(&datagram)?.iter().filter(|m| m.sequence == sequence) {
                whole &= message.flags & INTERRUPTED == 0;
                match message.kind {
                    DONE => return Ok(whole.then_some(bodies)),
                    ERROR => match error_of(message)? {
                        None => return Ok(whole.then_some(bodies)),
                        Some(Errno::INTR) => whole = false,
                        Some(errno) => return Err(errno.into()),
                    },
                    _ if bodies.len() >= MESSAGES => return Err(Refused::Restless),
                    _ => bodies.push(message.body.to_vec()),
                }
            }
        }
    }

    /// Sends messages that are carried out together or not at all, and waits for the word on each. `first` and `last` are
    /// the sequence numbers of the frame around them.
    pub(super) fn carry_out(&mut self, bytes: &[u8], first: u32, last: u32) -> Result<(), Refused> {
        self.send(bytes)?;
        let mut waiting: Vec<u32> = (first + 1..last).collect();
        let mut refused = None;
        while !waiting.is_empty() {
            let datagram = match self.receive() {
                Ok(datagram) => datagram,
                // After a refusal not every message is answered.
                Err(_) if refused.is_some() => break,
                Err(error) => return Err(error),
            };
            for message in messages(&datagram)?.iter().filter(|m| m.kind == ERROR) {
                if !(first..=last).contains(&message.sequence) {
                    continue;
                }
                if let Some(errno) = error_of(message)? {
                    refused.get_or_insert(errno);
                    // The frame itself was refused: nothing more is said.
                    if message.sequence == first || message.sequence == last {
                        waiting.clear();
                    }
                }
                waiting.retain(|sequence| *sequence != message.sequence);
            }
        }
        match refused {
            Some(errno) => Err(errno.into()),
            None => Ok(()),
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Refused> {
        let sent = sendto(&self.socket, bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        match sent == bytes.len() {
            true => Ok(()),
            false => Err(Refused::Malformed),
        }
    }

    /// The next datagram of the kernel itself; one of somebody else is passed by.
    fn receive(&self) -> Result<Vec<u8>, Refused> {
        let mut bytes = vec![0; DATAGRAM];
        loop {
            let (_, length, from) = match recvfrom(&self.socket, &mut bytes[..], RecvFlags::TRUNC) {
                Err(Errno::INTR) => continue,
                told => told?,
            };
            let from = from.and_then(|address| SocketAddrNetlink::try_from(address).ok());
            if from.is_none_or(|address| address.pid() != 0) {
                continue;
            }
            if length > bytes.len() {
                return Err(Refused::Malformed);
            }
            bytes.truncate(length);
            return Ok(bytes);
        }
    }
}

/// What an error message says; `None` for an acknowledgement.
fn error_of(message: &Received<'_>) -> Result<Option<Errno>, Refused> {
    let code = word(message.body, 0).ok_or(Refused::Malformed)?.cast_signed();
    match code {
        0 => Ok(None),
        code if (-4095..0).contains(&code) => Ok(Some(Errno::from_raw_os_error(-code))),
        _ => Err(Refused::Malformed),
    }
}
