//! `/proc` as a directory that is held open: nothing of it is looked up by a path twice.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, fstatfs, openat, readlinkat_raw, statat};
use rustix::io::{Errno, retry_on_intr};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use rustix::path::Arg;

use super::file::Meta;
use super::gaps::{Gaps, failure, pid_object};
use super::mounts::MountTable;
use crate::query::{GapReason, HostError, limits};

/// `PROC_SUPER_MAGIC` (linux/magic.h).
const PROC_MAGIC: u64 = 0x9fa0;

/// The longest table of `/proc` that is read.
pub(super) const TABLE_BYTES: usize = 64 << 20;

/// The bytes of the first read of a small file.
const PIECE: usize = 4096;

/// The process file system.
pub(super) struct Proc {
    root: OwnedFd,
}

/// One process's directory. It stays with that process: once it ended, every read says so, whoever has the pid then.
pub(super) struct PidDir {
    fd: OwnedFd,
}

/// The kernel's units, from the auxiliary vector (getauxval(3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Units {
    pub(super) ticks_per_second: u64,
    pub(super) page_bytes: u64,
}

impl Proc {
    /// Opens it. Where something is mounted over a process's directory, which hides the process, a fresh instance is
    /// used that is mounted nowhere; where that is not permitted, each hidden process is a gap.
    ///
    /// # Errors
    /// When `/proc` is no process file system and no other can be had.
    pub(super) fn open(gaps: &mut Gaps) -> Result<Self, HostError> {
        let named = open_named();
        let table = MountTable::read(&mut Gaps::default());
        let hidden: Vec<u32> = table
            .points()
            .filter_map(|point| covered_pid(point.as_bytes()))
            .collect();
        match named {
            Ok(root) if hidden.is_empty() => {
                if !rustix::process::geteuid().is_root() && table.hides_processes() {
                    gaps.note("process", "", GapReason::Denied);
                }
                Ok(Self { root })
            }
            Ok(covered) => {
                let root = open_detached().unwrap_or_else(|_| {
                    for pid in hidden {
                        gaps.note("process", pid_object(pid), GapReason::Denied);
                    }
                    covered
                });
                Ok(Self { root })
            }
            Err(errno) => open_detached()
                .map(|root| Self { root })
                .map_err(|_| failure("open `/proc`", errno)),
        }
    }

    /// Every process, by number, rising.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(super) fn pids(&self, gaps: &mut Gaps) -> Result<Vec<u32>, HostError> {
        let failed = |errno| failure("list `/proc`", errno);
        let mut pids = Vec::with_capacity(1024);
        for_each_name(self.list(c".").map_err(failed)?, |name| {
            pids.extend(number(name));
            true
        })
        .map_err(failed)?;
        pids.sort_unstable();
        pids.dedup();
        if pids.len() > limits::PROCESSES {
            pids.truncate(limits::PROCESSES);
            gaps.note("process", "", GapReason::TooMany);
        }
        Ok(pids)
    }

    /// One process.
    pub(super) fn pid(&self, pid: u32) -> Result<PidDir, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&self.root, pid.to_string(), flags, Mode::empty())?;
        Ok(PidDir { fd })
    }

    /// A namespace of a process, by inode.
    pub(super) fn namespace(&self, pid: u32, kind: &str) -> Result<u64, Errno> {
        let mut buffer = [MaybeUninit::uninit(); 64];
        let (link, _) = readlinkat_raw(&self.root, format!("{pid}/ns/{kind}"), &mut buffer)?;
        bracketed(link).ok_or(Errno::INVAL)
    }

    /// What is behind the executable of a process.
    pub(super) fn behind_executable(&self, pid: u32) -> Result<Meta, Errno> {
        match Meta::behind(&self.root, format!("{pid}/exe").as_bytes()) {
            Err(Errno::NOENT) => Meta::behind(self.shared(pid)?, b"exe"),
            told => told,
        }
    }

    /// The directory in which what the threads of a process share is seen. The first thread may end while others run:
    /// then the process's own directory looks like that of a zombie, and one of theirs is given.
    pub(super) fn shared(&self, pid: u32) -> Result<PidDir, Errno> {
        let dir = self.pid(pid)?;
        match dir.link(c"exe") {
            Err(Errno::NOENT) => Ok(dir.living_thread(pid).unwrap_or(dir)),
            _ => Ok(dir),
        }
    }

    /// The directory of a process's descriptors, as its first thread has them.
    pub(super) fn descriptors(&self, pid: u32) -> Result<OwnedFd, Errno> {
        self.list(format!("{pid}/fd"))
    }

    fn list(&self, path: impl Arg) -> Result<OwnedFd, Errno> {
        openat(
            &self.root,
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
    }
}

impl PidDir {
    /// Reads a file of the process into `out`; gives whether that is all of it.
    pub(super) fn read(&self, name: &CStr, limit: usize, out: &mut Vec<u8>) -> Result<bool, Errno> {
        let fd = openat(&self.fd, name, READ, Mode::empty())?;
        read_up_to(&fd, limit, out)
    }

    /// The same for a file that the kernel writes in one piece, such as stat: what does not fill the buffer is all.
    pub(super) fn read_piece(&self, name: &CStr, limit: usize, out: &mut Vec<u8>) -> Result<bool, Errno> {
        out.clear();
        out.reserve(PIECE);
        let fd = openat(&self.fd, name, READ, Mode::empty())?;
        let count = retry_on_intr(|| rustix::io::read(&fd, spare_capacity(out)))?;
        if count < PIECE.min(limit) {
            return Ok(true);
        }
        drop(fd);
        self.read(name, limit, out)
    }

    /// Where one of its links points, in the kernel's words.
    pub(super) fn link(&self, name: &CStr) -> Result<Vec<u8>, Errno> {
        read_link(&self.fd, name)
    }

    /// A namespace by inode; `None` where the kernel does not tell.
    pub(super) fn namespace(&self, name: &CStr) -> Option<u64> {
        let mut buffer = [MaybeUninit::uninit(); 64];
        let (link, _) = readlinkat_raw(&self.fd, name, &mut buffer).ok()?;
        bracketed(link)
    }

    /// One of its directories, to be listed.
    pub(super) fn list(&self, name: &CStr) -> Result<OwnedFd, Errno> {
        openat(
            &self.fd,
            name,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
    }

    /// The directory of a thread, other than the first, that runs a program.
    pub(super) fn living_thread(&self, pid: u32) -> Option<PidDir> {
        let mut found = None;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let told = for_each_name(self.list(c"task").ok()?, |name| {
            let other = number(name).filter(|tid| *tid != pid);
            let dir = other.and_then(|tid| openat(&self.fd, format!("task/{tid}"), flags, Mode::empty()).ok());
            found = dir.map(|fd| PidDir { fd }).filter(|dir| dir.link(c"exe").is_ok());
            found.is_none()
        });
        told.ok().and(found)
    }

    /// Whether a path, as the process sees it, is that object.
    pub(super) fn sees(&self, path: &[u8], dev: u64, inode: u64) -> bool {
        let path = [b"root".as_slice(), path].concat();
        statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (dev, inode))
    }
}

impl AsFd for PidDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Units {
    /// Of the running kernel.
    pub(super) fn read() -> Self {
        let mut bytes = Vec::new();
        let read =
            openat(CWD, c"/proc/self/auxv", READ, Mode::empty()).and_then(|fd| read_up_to(&fd, 8192, &mut bytes));
        if read.is_err() {
            bytes.clear();
        }
        Self::parse(&bytes)
    }

    /// Of an auxiliary vector; what it does not tell is as on every machine we know: 100 and 4096.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        const AT_PAGESZ: usize = 6;
        const AT_CLKTCK: usize = 17;
        const WORD: usize = size_of::<usize>();
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, usize::from_ne_bytes);
        let value = |kind| {
            bytes
                .chunks_exact(2 * WORD)
                .find(|pair| word(&pair[..WORD]) == kind)
                .map(|pair| word(&pair[WORD..]) as u64)
                .filter(|value| *value != 0)
        };
        Self {
            ticks_per_second: value(AT_CLKTCK).unwrap_or(100),
            page_bytes: value(AT_PAGESZ).unwrap_or(4096),
        }
    }

    /// Milliseconds in so many ticks.
    pub(super) fn ms(self, ticks: u64) -> u64 {
        let ms = u128::from(ticks) * 1000 / u128::from(self.ticks_per_second);
        u64::try_from(ms).unwrap_or(u64::MAX)
    }
}

/// For files of `/proc`: one that something blocking is mounted over must not hold us.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

fn open_named() -> Result<OwnedFd, Errno> {
    let fd = openat(
        CWD,
        c"/proc",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let magic = u64::try_from(fstatfs(&fd)?.f_type).unwrap_or(0);
    if magic == PROC_MAGIC { Ok(fd) } else { Err(Errno::NOSYS) }
}

/// An instance that no path leads to (fsopen(2), Linux 5.2, `CAP_SYS_ADMIN`).
fn open_detached() -> Result<OwnedFd, Errno> {
    let context = fsopen(c"proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// The pid whose directory, or a part of it, lies under that mount point.
pub(super) fn covered_pid(point: &[u8]) -> Option<u32> {
    number(point.strip_prefix(b"/proc/")?.split(|byte| *byte == b'/').next()?)
}

/// A decimal number without sign, all of it digits.
pub(super) fn number(text: &[u8]) -> Option<u32> {
    wide(text)?.try_into().ok()
}

/// The same with 64 bits.
pub(super) fn wide(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// The number in `mnt:[4026531841]` or `socket:[123]`.
pub(super) fn bracketed(link: &[u8]) -> Option<u64> {
    let open = link.iter().position(|byte| *byte == b'[')?;
    wide(link[open + 1..].strip_suffix(b"]")?)
}

/// Calls `take` with each name of a directory but `.` and `..` until it gives `false`.
pub(super) fn for_each_name(fd: impl AsFd, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), Errno> {
    let mut buffer = Vec::with_capacity(32 << 10);
    let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && !take(name) {
            break;
        }
    }
    Ok(())
}

/// Where a link points.
pub(super) fn read_link(dir: impl AsFd, name: &CStr) -> Result<Vec<u8>, Errno> {
    let mut buffer = [MaybeUninit::uninit(); 4096 + 64];
    let (link, _) = readlinkat_raw(dir, name, &mut buffer)?;
    Ok(link.to_vec())
}

/// Reads from the start of an open file into `out`, `limit` bytes at most; gives whether that is all of it.
pub(super) fn read_up_to(fd: impl AsFd, limit: usize, out: &mut Vec<u8>) -> Result<bool, Errno> {
    out.clear();
    out.reserve(4096);
    loop {
        if out.len() == out.capacity() {
            out.reserve(out.len().max(4096));
        }
        let count = retry_on_intr(|| rustix::io::read(fd.as_fd(), spare_capacity(out)))?;
        if count == 0 {
            return Ok(true);
        }
        if out.len() > limit {
            out.truncate(limit);
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        let rows: [(&[u8], Option<u32>); 7] = [
            (b"1", Some(1)),
            (b"4194304", Some(4_194_304)),
            (b"", None),
            (b"-1", None),
            (b"+1", None),
            (b"1a", None),
            (b"4294967296", None),
        ];
        for (text, expected) in rows {
            assert_eq!(number(text), expected, "{text:?}");
        }
        assert_eq!(bracketed(b"mnt:[4026531841]"), Some(4_026_531_841));
        assert_eq!(bracketed(b"/tmp/x[1] "), None);
        assert_eq!(covered_pid(b"/proc/12"), Some(12));
        assert_eq!(covered_pid(b"/proc/12/cmdline"), Some(12));
        assert_eq!(covered_pid(b"/proc/sys/fs/binfmt_misc"), None);
    }

    #[test]
    fn own_process_is_there() {
        let mut gaps = Gaps::default();
        let proc = Proc::open(&mut gaps).unwrap();
        let own = std::process::id();
        assert!(proc.pids(&mut gaps).unwrap().contains(&own));
        let dir = proc.pid(own).unwrap();
        assert_eq!(dir.namespace(c"ns/mnt"), proc.namespace(own, "mnt").ok());
        let units = Units::read();
        assert_eq!((units.ticks_per_second, units.page_bytes), (100, 4096));
        assert_eq!(units.ms(250), 2500);
        assert_eq!(proc.pid(u32::MAX).err(), Some(Errno::NOENT));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (number(&bytes), bracketed(&bytes), covered_pid(&bytes), Units::parse(&bytes));
        }
    }
}
