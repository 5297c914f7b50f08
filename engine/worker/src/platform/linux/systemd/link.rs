//! One conversation with a service manager over its private socket, each answer within a time.
//!
//! The socket speaks D-Bus between two ends: no bus stands between, so there is no `Hello` and there are no names. What
//! the manager tells of itself without being asked (signals) is passed by. Source: D-Bus Specification,
//! "Authentication Protocol"; `bus_init_private` in `systemd/systemd: src/core/dbus.c`.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt};

use super::wire::{self, Call, HEAD_BYTES, Kind, Message};
use crate::action::ServiceManager;
use crate::query::HostError;
use crate::text::HostBytes;

/// Bytes that may come in before the answer to one call.
const UNASKED_BYTES: usize = 64 << 20;
/// How long a queue of others in front of us is waited for at a time.
const QUEUE: Duration = Duration::from_millis(5);
/// The longest line of the authentication.
const LINE_BYTES: usize = 512;

/// A conversation.
pub(super) struct Link {
    stream: UnixStream,
    serial: u32,
    ends: Instant,
    limit_ms: u64,
    doing: String,
}

/// Where a manager listens.
pub(super) fn socket_of(manager: ServiceManager) -> String {
    match manager {
        ServiceManager::System {} => "/run/systemd/private".to_owned(),
        ServiceManager::User { uid } => format!("/run/user/{uid}/systemd/private"),
    }
}

impl Link {
    /// Begins to talk to a manager. All of the conversation must be over within the time.
    ///
    /// # Errors
    /// `Gone` when nobody listens, `Denied` when we may not ask, `Protected` when somebody else than the manager listens.
    pub(super) fn open(manager: ServiceManager, limit_ms: u64, doing: &str) -> Result<Link, HostError> {
        let ends = Instant::now() + Duration::from_millis(limit_ms);
        let address = SocketAddrUnix::new(socket_of(manager)).map_err(|errno| refused(doing, errno))?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd =
            socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(|errno| refused(doing, errno))?;
        loop {
            match connect(&fd, &address) {
                Ok(()) => break,
                Err(Errno::AGAIN | Errno::INTR) if Instant::now() < ends => std::thread::sleep(QUEUE),
                Err(errno) => return Err(refused(doing, errno)),
            }
        }
        let peer = sockopt::socket_peercred(&fd).map_err(|errno| refused(doing, errno))?;
        let (pid, uid) = (peer.pid.as_raw_pid(), peer.uid.as_raw());
        let fits = match manager {
            ServiceManager::System {} => pid == 1 && uid == 0,
            ServiceManager::User { uid: owner } => pid > 1 && uid == owner,
        };
        if !fits {
            return Err(HostError::Protected {
                doing: doing.to_owned(),
                why: format!(
                    "pid {pid} of user {uid} listens at {}, not the {manager} manager",
                    socket_of(manager)
                ),
            });
        }
        let stream = UnixStream::from(fd);
        stream.set_nonblocking(false).map_err(|error| failed(doing, &error))?;
        let mut link = Link {
            stream,
            serial: 0,
            ends,
            limit_ms,
            doing: doing.to_owned(),
        };
        link.authenticate()?;
        Ok(link)
    }

    /// Says who we are: the kernel has told it already.
    fn authenticate(&mut self) -> Result<(), HostError> {
        let uid: String = rustix::process::geteuid()
            .as_raw()
            .to_string()
            .bytes()
            .map(|digit| format!("{digit:02x}"))
            .collect();
        self.send(format!("\0AUTH EXTERNAL {uid}\r\nBEGIN\r\n").as_bytes())?;
        let mut line = Vec::new();
        // What follows the line is a message: not a byte of it may be taken.
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.receive(&mut byte)?;
            line.push(byte[0]);
            if line.len() > LINE_BYTES {
                return Err(self.broken("a line without end"));
            }
        }
        match line.starts_with(b"OK ") {
            true => Ok(()),
            false => Err(HostError::Denied {
                doing: self.doing.clone(),
            }),
        }
    }

    /// Sends a call; gives its number.
    ///
    /// # Errors
    /// When it was not taken in time.
    pub(super) fn call(&mut self, call: &Call<'_>) -> Result<u32, HostError> {
        self.serial += 1;
        let bytes = call.bytes(self.serial);
        self.send(&bytes)?;
        Ok(self.serial)
    }

    /// Waits for the answer to the call with that number. Answers come in the order of their calls.
    ///
    /// # Errors
    /// When the time is over, or what came is no D-Bus. What the manager refuses is an answer.
    pub(super) fn answer(&mut self, serial: u32) -> Result<Message, HostError> {
        let mut room = UNASKED_BYTES;
        loop {
            let mut bytes = vec![0; HEAD_BYTES];
            self.receive(&mut bytes)?;
            let whole = wire::length(&bytes).map_err(|error| self.broken(error))?;
            room = room
                .checked_sub(whole)
                .ok_or_else(|| self.broken("no answer among much else"))?;
            bytes.resize(whole, 0);
            self.receive(&mut bytes[HEAD_BYTES..])?;
            let message = Message::read(&bytes).map_err(|error| self.broken(error))?;
            if matches!(message.kind, Kind::Return | Kind::Error) && message.reply_to == serial {
                return Ok(message);
            }
        }
    }

    /// Sends a call and waits for its answer.
    ///
    /// # Errors
    /// As [`Self::answer`]; `Failed` with the manager's own words where it refuses.
    pub(super) fn ask(&mut self, call: &Call<'_>) -> Result<Message, HostError> {
        let serial = self.call(call)?;
        let message = self.answer(serial)?;
        self.granted(message)
    }

    /// The answer, where it is no refusal.
    ///
    /// # Errors
    /// `Failed` with the manager's own words.
    pub(super) fn granted(&self, message: Message) -> Result<Message, HostError> {
        match message.kind {
            Kind::Error => Err(HostError::Failed {
                doing: self.doing.clone(),
                why: words(&message),
            }),
            _ => Ok(message),
        }
    }

    /// What was not of the form that it should have.
    pub(super) fn broken(&self, why: impl ToString) -> HostError {
        HostError::Failed {
            doing: self.doing.clone(),
            why: format!("the manager's answer: {}", why.to_string()),
        }
    }

    fn time_left(&self) -> Result<Duration, HostError> {
        let left = self.ends.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(self.timed_out()),
            false => Ok(left),
        }
    }

    fn timed_out(&self) -> HostError {
        HostError::TimedOut {
            doing: self.doing.clone(),
            limit_ms: self.limit_ms,
        }
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), HostError> {
        while !bytes.is_empty() {
            let left = self.time_left()?;
            let sent = self
                .stream
                .set_write_timeout(Some(left))
                .and_then(|()| self.stream.write(bytes));
            match sent {
                Ok(0) => return Err(self.lost()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) => self.again(&error)?,
            }
        }
        Ok(())
    }

    fn receive(&mut self, mut bytes: &mut [u8]) -> Result<(), HostError> {
        while !bytes.is_empty() {
            let left = self.time_left()?;
            let got = self
                .stream
                .set_read_timeout(Some(left))
                .and_then(|()| self.stream.read(bytes));
            match got {
                Ok(0) => return Err(self.lost()),
                Ok(count) => bytes = &mut bytes[count..],
                Err(error) => self.again(&error)?,
            }
        }
        Ok(())
    }

    /// Whether to try once more.
    fn again(&self, error: &std::io::Error) -> Result<(), HostError> {
        match error.kind() {
            ErrorKind::Interrupted => Ok(()),
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(self.timed_out()),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Err(self.lost()),
            _ => Err(failed(&self.doing, error)),
        }
    }

    fn lost(&self) -> HostError {
        HostError::Gone {
            doing: format!("{}: the manager ended the conversation", self.doing),
        }
    }
}

/// The words of a refusal, bounded.
pub(super) fn words(message: &Message) -> String {
    let text = match message.signature.first() {
        Some(b's') => wire::Reader::new(&message.body).string().unwrap_or_default(),
        _ => b"",
    };
    let bounded = |bytes: &[u8]| HostBytes::new(&bytes[..bytes.len().min(200)]);
    format!("{}: {}", bounded(&message.error), bounded(text))
}

fn refused(doing: &str, errno: Errno) -> HostError {
    let doing = doing.to_owned();
    match errno {
        Errno::ACCESS | Errno::PERM => HostError::Denied { doing },
        Errno::NOENT | Errno::CONNREFUSED | Errno::NOTDIR => HostError::Gone { doing },
        Errno::AGAIN => HostError::TimedOut { doing, limit_ms: 0 },
        _ => HostError::Failed {
            doing,
            why: errno.to_string(),
        },
    }
}

fn failed(doing: &str, error: &std::io::Error) -> HostError {
    match Errno::from_io_error(error) {
        Some(errno) => refused(doing, errno),
        None => HostError::Failed {
            doing: doing.to_owned(),
            why: error.to_string(),
        },
    }
}
