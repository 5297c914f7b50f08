//! What a path is: one object, seen beneath its directory, links not followed.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, Statx, StatxAttributes, StatxFlags, ioctl_getflags, lgetxattr,
    llistxattr, makedev, openat, statat, statx,
};
use rustix::io::Errno;

use super::Scene;
use super::crew::Report;
use super::digest::{FileKey, Hashed};
use super::gaps::{Gaps, reason};
use super::procfs::{read_link, read_up_to};
use crate::query::{Answer, Entry, FileId, FileKind, FileStat, FileText, GapReason, Observed, Xattr, limits};
use crate::text::{Digest, HostBytes, HostPath, Wide};

/// The longest list of attribute names, and the longest value (xattr(7)).
const XATTR_BYTES: usize = 64 << 10;

/// File systems whose files stand for something else: nothing is opened there only to learn its flags.
const PSEUDO: [&str; 10] = [
    "proc",
    "sysfs",
    "debugfs",
    "tracefs",
    "configfs",
    "securityfs",
    "cgroup",
    "cgroup2",
    "bpf",
    "nsfs",
];

/// What statx(2) tells, or stat(2) on kernels before 4.11.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meta {
    pub(super) id: FileId,
    pub(super) kind: FileKind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) links: u32,
    pub(super) size: u64,
    pub(super) mtime_ns: u64,
    pub(super) ctime_ns: u64,
    pub(super) btime_ns: Option<u64>,
    /// The number of the mount; since 5.8.
    pub(super) mount: Option<u64>,
    /// The flags that statx(2) shares with `FS_IOC_GETFLAGS`; `None` where the file system shows none of them.
    flags: Option<u32>,
}

/// A name in a directory that is held open.
pub(super) struct Place {
    pub(super) dir: OwnedFd,
    pub(super) name: Vec<u8>,
    pub(super) path: HostPath,
}

/// How much of an object is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// All but the content.
    Outside,
    /// The digest of the content too.
    Digest,
}

impl Meta {
    /// Of a name in a directory, not followed.
    pub(super) fn at(dir: impl AsFd, name: &[u8]) -> Result<Self, Errno> {
        Self::ask(dir.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)
    }

    /// Of what a name in a directory leads to.
    pub(super) fn behind(dir: impl AsFd, name: &[u8]) -> Result<Self, Errno> {
        Self::ask(dir.as_fd(), name, AtFlags::NO_AUTOMOUNT)
    }

    /// Of something open.
    pub(super) fn of_fd(fd: BorrowedFd<'_>) -> Result<Self, Errno> {
        Self::ask(fd, b"", AtFlags::EMPTY_PATH)
    }

    fn ask(dir: BorrowedFd<'_>, name: &[u8], flags: AtFlags) -> Result<Self, Errno> {
        let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME | StatxFlags::MNT_ID;
        match statx(dir, name, flags, mask) {
            Ok(found) => Self::from_statx(&found),
            Err(Errno::NOSYS) => Self::from_stat(&statat(dir, name, flags)?),
            Err(errno) => Err(errno),
        }
    }

    fn from_statx(found: &Statx) -> Result<Self, Errno> {
        let has = |flag: StatxFlags| found.stx_mask & flag.bits() != 0;
        let shared = StatxAttributes::COMPRESSED
            | StatxAttributes::IMMUTABLE
            | StatxAttributes::APPEND
            | StatxAttributes::NODUMP
            | StatxAttributes::ENCRYPTED;
        let shown = found.stx_attributes_mask & shared;
        Ok(Self {
            id: FileId {
                dev: Wide(makedev(found.stx_dev_major, found.stx_dev_minor)),
                inode: Wide(found.stx_ino),
            },
            kind: kind(u32::from(found.stx_mode))?,
            mode: u32::from(found.stx_mode) & 0o7777,
            uid: found.stx_uid,
            gid: found.stx_gid,
            links: found.stx_nlink,
            size: found.stx_size,
            mtime_ns: nanoseconds(found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec.into()),
            ctime_ns: nanoseconds(found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec.into()),
            btime_ns: has(StatxFlags::BTIME)
                .then(|| nanoseconds(found.stx_btime.tv_sec, found.stx_btime.tv_nsec.into())),
            mount: has(StatxFlags::MNT_ID).then_some(found.stx_mnt_id),
            flags: u32::try_from((found.stx_attributes & shared).bits())
                .ok()
                .filter(|_| !shown.is_empty()),
        })
    }

    fn from_stat(found: &Stat) -> Result<Self, Errno> {
        let wide = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(Self {
            id: FileId {
                dev: Wide(found.st_dev),
                inode: Wide(found.st_ino),
            },
            kind: kind(found.st_mode)?,
            mode: found.st_mode & 0o7777,
            uid: found.st_uid,
            gid: found.st_gid,
            links: u32::try_from(found.st_nlink).unwrap_or(u32::MAX),
            size: wide(found.st_size),
            mtime_ns: nanoseconds(found.st_mtime, found.st_mtime_nsec),
            ctime_ns: nanoseconds(found.st_ctime, found.st_ctime_nsec),
            btime_ns: None,
            mount: None,
            flags: None,
        })
    }

    /// What its content is known by.
    pub(super) fn key(&self) -> FileKey {
        FileKey {
            id: self.id,
            size: self.size,
            mtime_ns: self.mtime_ns,
            ctime_ns: self.ctime_ns,
        }
    }
}

fn kind(mode: u32) -> Result<FileKind, Errno> {
    Ok(match FileType::from_raw_mode(mode) {
        FileType::RegularFile => FileKind::Regular,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Link,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        FileType::CharacterDevice => FileKind::CharacterDevice,
        FileType::BlockDevice => FileKind::BlockDevice,
        // An anonymous inode has no kind and no path.
        FileType::Unknown => return Err(Errno::OPNOTSUPP),
    })
}

/// Nanoseconds since 1970; 0 before that, the largest number after the year 2554.
fn nanoseconds(seconds: i64, nanos: u64) -> u64 {
    u64::try_from(seconds).map_or(0, |seconds| seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

impl Place {
    /// Opens the directory that holds a path. Links on the way there are followed, the last component is not.
    pub(super) fn of(path: &HostPath) -> Result<Self, Errno> {
        let bytes = path.as_bytes();
        if !bytes.starts_with(b"/") || bytes.contains(&0) {
            return Err(Errno::INVAL);
        }
        let end = bytes.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let start = bytes[..end]
            .iter()
            .rposition(|byte| *byte == b'/')
            .map_or(0, |slash| slash + 1);
        let (dir, name) = if end == 0 {
            (&b"/"[..], &b"."[..])
        } else {
            (&bytes[..start], &bytes[start..end])
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            dir: openat(CWD, dir, flags, Mode::empty())?,
            name: name.to_vec(),
            path: path.clone(),
        })
    }
}

/// Opens a regular file or a directory for reading without touching its time of access where that is permitted; never
/// a FIFO, a device or a link, and never waits.
pub(super) fn open_quietly(dir: impl AsFd, name: &[u8], found: &Meta) -> Result<OwnedFd, Errno> {
    let kind = match found.kind {
        FileKind::Regular => OFlags::empty(),
        FileKind::Directory => OFlags::DIRECTORY,
        _ => return Err(Errno::OPNOTSUPP),
    };
    let fd = open_without_atime(dir, name, kind | OFlags::NOFOLLOW)?;
    let opened = Meta::of_fd(fd.as_fd())?;
    // Another object has the name since it was looked at.
    if opened.id != found.id || opened.kind != found.kind {
        return Err(Errno::LOOP);
    }
    Ok(fd)
}

/// Opens for reading; only what is known not to wait may be given.
pub(super) fn open_without_atime(dir: impl AsFd, name: &[u8], more: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | more;
    match openat(&dir, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(&dir, name, flags, Mode::empty()),
        other => other,
    }
}

/// Everything that [`FileStat`] holds of one name in a directory; what cannot be read of it becomes a gap.
pub(super) fn describe(
    scene: &Scene,
    dir: BorrowedFd<'_>,
    name: &[u8],
    path: &HostPath,
    depth: Depth,
    gaps: &mut Gaps,
    beat: &dyn Fn(),
) -> Result<FileStat, Errno> {
    let found = Meta::at(dir, name)?;
    beat();
    let mount = scene.mounts.of(found.mount, found.id.dev.0, path);
    let pseudo = mount.is_some_and(|mount| PSEUDO.contains(&mount.kind.as_str()));
    let mount = mount.map_or_else(|| HostPath::from("/"), |mount| mount.point.clone());
    let link_target = match found.kind {
        FileKind::Link => match with_name(name, |name| read_link(dir, name)) {
            Ok(target) => Some(HostPath::new(target)),
            Err(errno) => {
                gaps.errno("file", path, errno);
                None
            }
        },
        _ => None,
    };
    let holds_flags = matches!(found.kind, FileKind::Regular | FileKind::Directory) && !pseudo;
    let wants_content = depth == Depth::Digest && found.kind == FileKind::Regular;
    let opened = (holds_flags || wants_content).then(|| open_quietly(dir, name, &found));
    beat();
    let flags = match &opened {
        Some(Ok(fd)) if holds_flags => ioctl_getflags(fd).map(|flags| flags.bits()).ok(),
        _ => found.flags,
    };
    let sha256 = match &opened {
        Some(Ok(fd)) if wants_content => content_digest(scene, fd.as_fd(), path, gaps, beat),
        Some(Err(errno)) if wants_content => {
            gaps.errno("file", path, *errno);
            None
        }
        _ => None,
    };
    Ok(FileStat {
        path: path.clone(),
        mount,
        kind: found.kind,
        id: found.id,
        size: Wide(found.size),
        mode: found.mode,
        uid: found.uid,
        gid: found.gid,
        links: found.links,
        mtime_ns: Wide(found.mtime_ns),
        ctime_ns: Wide(found.ctime_ns),
        btime_ns: found.btime_ns.map(Wide),
        flags,
        xattrs: xattrs(dir, name, path, gaps),
        link_target,
        sha256,
    })
}

fn with_name<T>(name: &[u8], call: impl FnOnce(&CStr) -> Result<T, Errno>) -> Result<T, Errno> {
    let name = std::ffi::CString::new(name).map_err(|_| Errno::INVAL)?;
    call(&name)
}

/// The digest of an open regular file; why there is none, or none of a settled content, becomes a gap.
pub(super) fn content_digest(
    scene: &Scene,
    fd: BorrowedFd<'_>,
    object: impl Into<HostBytes>,
    gaps: &mut Gaps,
    beat: &dyn Fn(),
) -> Option<Digest> {
    match scene.digests.sha256(fd, beat) {
        Ok(Hashed::Whole(digest)) => Some(digest),
        Ok(Hashed::Changed(digest)) => {
            gaps.note("file", object, GapReason::Changed);
            Some(digest)
        }
        Ok(Hashed::TooLong) => {
            gaps.note("file", object, GapReason::Cut);
            None
        }
        Err(errno) => {
            gaps.errno("file", object, errno);
            None
        }
    }
}

/// The extended attributes of a name in a directory, by way of the directory that is held open.
fn xattrs(dir: BorrowedFd<'_>, name: &[u8], path: &HostPath, gaps: &mut Gaps) -> Vec<Xattr> {
    let through = [format!("/proc/self/fd/{}/", dir.as_raw_fd()).as_bytes(), name].concat();
    let mut small = [MaybeUninit::uninit(); 1024];
    let listed = match llistxattr(&through[..], &mut small) {
        Ok((names, _)) => Ok(names.to_vec()),
        Err(Errno::RANGE) => {
            let mut large = Vec::with_capacity(XATTR_BYTES);
            llistxattr(&through[..], rustix::buffer::spare_capacity(&mut large)).map(|_| large)
        }
        Err(errno) => Err(errno),
    };
    let names = match listed {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP) => return Vec::new(),
        Err(errno) => {
            gaps.errno("xattr", path, errno);
            return Vec::new();
        }
    };
    let mut found: Vec<Xattr> = Vec::new();
    for attribute in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = Vec::with_capacity(XATTR_BYTES);
        match lgetxattr(&through[..], attribute, rustix::buffer::spare_capacity(&mut value)) {
            Ok(_) => found.push(Xattr {
                name: HostBytes::new(attribute),
                value: HostBytes::new(value.as_slice()),
            }),
            Err(Errno::NODATA) => {}
            Err(errno) => gaps.errno("xattr", path, errno),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// What a path is, as an entry.
pub(super) fn entry(scene: &Scene, path: &HostPath, depth: Depth, gaps: &mut Gaps, beat: &dyn Fn()) -> Entry {
    let told = Place::of(path)
        .and_then(|place| describe(scene, place.dir.as_fd(), &place.name, &place.path, depth, gaps, beat));
    match told {
        Ok(stat) => Entry::Present(stat),
        Err(Errno::NOENT | Errno::NOTDIR) => Entry::Absent { path: path.clone() },
        Err(errno) => {
            gaps.errno("file", path, errno);
            Entry::Hidden {
                path: path.clone(),
                why: reason(errno),
            }
        }
    }
}

/// Answers `Stat` and `Digest`.
pub(super) fn entries(scene: &Arc<Scene>, paths: &[HostPath], depth: Depth) -> Observed<Answer> {
    let looking = scene.clone();
    let harvest = scene.crew.run(
        paths.to_vec(),
        move |path: &HostPath, report: &Report<(Entry, Gaps)>| {
            let mut gaps = Gaps::default();
            let entry = entry(&looking, path, depth, &mut gaps, &|| report.beat());
            report.give((entry, gaps));
        },
    );
    let mut found: Vec<Option<(Entry, Gaps)>> = paths.iter().map(|_| None).collect();
    for (at, told) in harvest.given {
        found[at] = Some(told);
    }
    let mut gaps = Gaps::default();
    let entries = found
        .into_iter()
        .zip(paths)
        .map(|(told, path)| match told {
            Some((entry, own)) => {
                gaps.unite(own);
                entry
            }
            None => {
                gaps.note("file", path, GapReason::TimedOut);
                Entry::Hidden {
                    path: path.clone(),
                    why: GapReason::TimedOut,
                }
            }
        })
        .collect();
    Observed {
        value: Answer::Entries(entries),
        coverage: gaps.into_coverage(),
    }
}

/// The first bytes of one name in a directory. What is no regular file has no content here.
pub(super) fn text(
    scene: &Scene,
    dir: BorrowedFd<'_>,
    name: &[u8],
    path: &HostPath,
    max_bytes: u32,
    gaps: &mut Gaps,
    beat: &dyn Fn(),
) -> Result<FileText, Errno> {
    let mut stat = describe(scene, dir, name, path, Depth::Outside, gaps, beat)?;
    let mut content = Vec::new();
    if stat.kind != FileKind::Regular {
        return Ok(FileText {
            stat,
            content: HostBytes::default(),
            cut: false,
        });
    }
    let limit = max_bytes.min(limits::READ_BYTES) as usize;
    let found = Meta::at(dir, name)?;
    let fd = open_quietly(dir, name, &found)?;
    let whole = read_up_to(&fd, limit, &mut content)?;
    beat();
    if found.id != stat.id || Meta::of_fd(fd.as_fd())?.key() != found.key() {
        gaps.note("file", path, GapReason::Changed);
    }
    stat.sha256 = whole.then(|| Digest::of(&content));
    Ok(FileText {
        stat,
        content: HostBytes::new(content),
        cut: !whole,
    })
}

/// Answers `Read`.
pub(super) fn read(scene: &Arc<Scene>, path: &HostPath, max_bytes: u32) -> Observed<Answer> {
    let looking = scene.clone();
    let mut harvest = scene.crew.run(
        vec![path.clone()],
        move |path: &HostPath, report: &Report<(Option<FileText>, Gaps)>| {
            let mut gaps = Gaps::default();
            let told = Place::of(path).and_then(|place| {
                let beat = || report.beat();
                text(
                    &looking,
                    place.dir.as_fd(),
                    &place.name,
                    path,
                    max_bytes,
                    &mut gaps,
                    &beat,
                )
            });
            let text = match told {
                Ok(text) => Some(text),
                Err(Errno::NOENT | Errno::NOTDIR) => None,
                Err(errno) => {
                    gaps.errno("file", path, errno);
                    None
                }
            };
            report.give((text, gaps));
        },
    );
    let (text, gaps) = harvest.given.pop().map_or_else(
        || {
            let mut gaps = Gaps::default();
            gaps.note("file", path, GapReason::TimedOut);
            (None, gaps)
        },
        |(_, told)| told,
    );
    Observed {
        value: Answer::Files(text.into_iter().collect()),
        coverage: gaps.into_coverage(),
    }
}

/// The content of a file of the system that may be a link, such as `/etc/os-release`.
pub(super) fn system_file(path: &str, limit: usize) -> Result<Vec<u8>, Errno> {
    let found = Meta::behind(CWD, path.as_bytes())?;
    if found.kind != FileKind::Regular {
        return Err(Errno::OPNOTSUPP);
    }
    let fd = open_without_atime(CWD, path.as_bytes(), OFlags::empty())?;
    if Meta::of_fd(fd.as_fd())?.kind != FileKind::Regular {
        return Err(Errno::OPNOTSUPP);
    }
    let mut content = Vec::new();
    if read_up_to(&fd, limit, &mut content)? {
        Ok(content)
    } else {
        Err(Errno::FBIG)
    }
}

/// Where something open is, as this process names it; `None` where it has no name.
pub(super) fn path_of(fd: BorrowedFd<'_>) -> Option<HostPath> {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok()?;
    let bytes = link.as_os_str().as_bytes();
    bytes.starts_with(b"/").then(|| HostPath::new(bytes))
}

#[cfg(test)]
mod tests;
