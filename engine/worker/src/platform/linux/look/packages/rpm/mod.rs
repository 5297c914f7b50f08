//! The database of RPM: one header for each package, in one of three containers (rpm: `docs/manual/format_header.md`,
//! `lib/backend`).
//!
//! A container is bytes of the host: every number in it is held against the file before it is followed, no page is
//! visited twice, and the headers of one reading have a bound together.

use std::cell::Cell;
use std::fs::File;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;

use crate::platform::linux::look::digest::FileKey;
use crate::platform::linux::look::file::{Meta, open_without_atime};
use crate::query::{FileKind, GapReason};

mod bdb;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod header;
mod ndb;
mod sqlite;

pub(super) use header::parse;

/// Where the database lies, newest place first; distributions that moved it left a link at the old one.
const PLACES: [&str; 2] = ["/usr/lib/sysimage/rpm", "/var/lib/rpm"];

/// The bytes of all headers together, and of one.
const ALL_BYTES: u64 = 1 << 30;
const HEADER_BYTES: usize = 64 << 20;

/// The bytes that are read of one file at most, however often its pages point to each other.
const READ_BYTES: u64 = 4 << 30;

/// The packages of one database.
const PACKAGES: usize = 200_000;

/// In what the headers lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    /// `rpmdb.sqlite`, since RPM 4.16.
    Sqlite,
    /// `Packages.db`, the own format of RPM that SUSE uses.
    Ndb,
    /// `Packages`, a hash of Berkeley DB, until RPM 4.16.
    Bdb,
}

const FILES: [(&str, Container); 3] = [
    ("rpmdb.sqlite", Container::Sqlite),
    ("Packages.db", Container::Ndb),
    ("Packages", Container::Bdb),
];

/// Where one database lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Database {
    path: String,
    container: Container,
    /// What it is known by, its log included.
    pub(super) stamp: [Option<FileKey>; 2],
}

/// Why a container cannot be read, or not to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The kernel's word.
    Errno(Errno),
    /// It is not of its form.
    Malformed,
    /// There is more than the limits allow.
    TooMuch,
    /// It is of a form that this does not read.
    Unsupported,
}

impl Broken {
    /// As a gap.
    pub(super) fn reason(self) -> GapReason {
        match self {
            Broken::Errno(errno) => crate::platform::linux::look::gaps::reason(errno),
            Broken::Malformed => GapReason::Malformed,
            Broken::TooMuch => GapReason::TooMany,
            Broken::Unsupported => GapReason::Unsupported,
        }
    }
}

/// Bytes that are read by place.
trait Bytes {
    /// How many there are.
    fn length(&self) -> u64;
    /// Fills `out` from `at` on; malformed where the bytes end before.
    fn fill(&self, at: u64, out: &mut [u8]) -> Result<(), Broken>;
}

/// A file of the database, of the length that it had when it was opened.
struct Opened {
    file: File,
    length: u64,
    left: Cell<u64>,
}

impl Opened {
    fn open(path: &str) -> Result<Self, Errno> {
        let found = Meta::at(CWD, path.as_bytes())?;
        if found.kind != FileKind::Regular {
            return Err(Errno::INVAL);
        }
        let fd = open_without_atime(CWD, path.as_bytes(), OFlags::NOFOLLOW)?;
        let found = Meta::of_fd(fd.as_fd())?;
        if found.kind != FileKind::Regular {
            return Err(Errno::INVAL);
        }
        Ok(Self {
            file: File::from(fd),
            length: found.size,
            left: Cell::new(READ_BYTES),
        })
    }
}

impl Bytes for Opened {
    fn length(&self) -> u64 {
        self.length
    }

    fn fill(&self, at: u64, out: &mut [u8]) -> Result<(), Broken> {
        let left = self.left.get().checked_sub(out.len() as u64);
        self.left.set(left.ok_or(Broken::TooMuch)?);
        self.file
            .read_exact_at(out, at)
            .map_err(|error| match error.raw_os_error() {
                Some(number) => Broken::Errno(Errno::from_raw_os_error(number)),
                None => Broken::Malformed,
            })
    }
}

impl Bytes for [u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn fill(&self, at: u64, out: &mut [u8]) -> Result<(), Broken> {
        let start = usize::try_from(at).map_err(|_| Broken::Malformed)?;
        let end = start.checked_add(out.len()).ok_or(Broken::Malformed)?;
        out.copy_from_slice(self.get(start..end).ok_or(Broken::Malformed)?);
        Ok(())
    }
}

/// Takes headers one by one, and bounds them together.
struct Sink<'a> {
    take: &'a mut dyn FnMut(u32, &[u8]) -> ControlFlow<()>,
    packages: usize,
    bytes: u64,
}

impl<'a> Sink<'a> {
    fn new(take: &'a mut dyn FnMut(u32, &[u8]) -> ControlFlow<()>) -> Self {
        Self {
            take,
            packages: 0,
            bytes: 0,
        }
    }

    /// Room for a header of that length, before it is read.
    fn room(&mut self, length: u64) -> Result<usize, Broken> {
        self.packages += 1;
        self.bytes = self.bytes.saturating_add(length);
        let fits = usize::try_from(length).ok().filter(|length| *length <= HEADER_BYTES);
        match fits {
            Some(length) if self.bytes <= ALL_BYTES && self.packages <= PACKAGES => Ok(length),
            _ => Err(Broken::TooMuch),
        }
    }

    fn give(&mut self, number: u32, header: &[u8]) -> ControlFlow<()> {
        (self.take)(number, header)
    }
}

/// The database of this host, the first that is there. `None` where there is none.
pub(super) fn find() -> Option<Database> {
    PLACES.iter().find_map(|place| find_in(place))
}

/// The database in one directory.
pub(super) fn find_in(place: &str) -> Option<Database> {
    FILES.iter().find_map(|(name, container)| {
        let path = format!("{place}/{name}");
        let key = |path: &str| Meta::at(CWD, path.as_bytes()).ok().map(|found| found.key());
        let stamp = [Some(key(&path)?), key(&format!("{path}-wal"))];
        Some(Database {
            path,
            container: *container,
            stamp,
        })
    })
}

impl Database {
    /// Where it lies.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Gives each package's number and header until `take` breaks off.
    ///
    /// # Errors
    /// When it cannot be read to its end; what was given before stands.
    pub(super) fn headers(&self, take: &mut dyn FnMut(u32, &[u8]) -> ControlFlow<()>) -> Result<(), Broken> {
        let file = Opened::open(&self.path).map_err(Broken::Errno)?;
        let mut sink = Sink::new(take);
        match self.container {
            Container::Ndb => ndb::headers(&file, &mut sink),
            Container::Bdb => bdb::headers(&file, &mut sink),
            Container::Sqlite => match Opened::open(&format!("{}-wal", self.path)) {
                Ok(log) => sqlite::headers(&file, &log, &mut sink),
                Err(Errno::NOENT) => sqlite::headers(&file, &[][..], &mut sink),
                Err(errno) => Err(Broken::Errno(errno)),
            },
        }
    }
}

/// A number of four bytes, most significant first.
fn big_endian(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}

/// The same, least significant first.
fn little_endian(bytes: &[u8], at: usize) -> Option<u32> {
    big_endian(bytes, at).map(u32::swap_bytes)
}

#[cfg(test)]
mod tests;
