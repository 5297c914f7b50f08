//! What a file carries beside its bytes: owner, mode, extended attributes, inode flags.

use std::fs::File;

use rustix::fs::{Gid, IFlags, Mode, Stat, Uid, XattrFlags, fchmod, fchown, fgetxattr, flistxattr, fsetxattr};
use rustix::fs::{ioctl_getflags, ioctl_setflags};
use rustix::io::Errno;

use super::{files, refused};
use crate::action::FileTarget;
use crate::query::{FileId, HostError, Xattr};
use crate::text::{Digest, HostBytes, Wide};

/// `FS_IMMUTABLE_FL` and `FS_APPEND_FL` (linux/fs.h): such a file is neither renamed nor unlinked.
pub(super) const HOLDS_FAST: u32 = 0x30;

/// The flags that a user may set (`FS_FL_USER_MODIFIABLE` of linux/fs.h); others tell how the file system keeps the file.
const SETTABLE: u32 = 0x0003_80FF;

/// The kernel's limit for one value and for the list of names (xattr(7)).
const XATTR_BYTES: usize = 64 << 10;

/// The extended attributes; empty where there are none or the file system has none.
pub(super) fn xattrs(file: &File, doing: &str) -> Result<Vec<Xattr>, HostError> {
    let mut names = vec![0; XATTR_BYTES];
    let length = match flistxattr(file, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(errno) => return Err(refused(doing, errno)),
    };
    let mut xattrs = Vec::new();
    for name in names[..length].split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; XATTR_BYTES];
        match fgetxattr(file, name, &mut value[..]) {
            Ok(length) => xattrs.push(Xattr {
                name: HostBytes::new(name),
                value: HostBytes::new(&value[..length]),
            }),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(refused(doing, errno)),
        }
    }
    Ok(xattrs)
}

/// Gives a new file these attributes. What vouches for the old content (IMA, EVM) and what the name filter leaves out is
/// not set.
pub(super) fn set_xattrs(
    file: &File,
    xattrs: &[Xattr],
    wanted: impl Fn(&[u8]) -> bool,
    doing: &str,
) -> Result<(), HostError> {
    for xattr in xattrs {
        let name = xattr.name.as_bytes();
        if matches!(name, b"security.ima" | b"security.evm") || !wanted(name) {
            continue;
        }
        fsetxattr(file, name, xattr.value.as_bytes(), XattrFlags::empty())
            .map_err(|errno| refused(format_args!("{doing}: set its attribute `{}`", xattr.name), errno))?;
    }
    Ok(())
}

/// Gives a new file its owner, then its mode (a change of owner takes set-id bits away).
pub(super) fn set_owner(file: &File, uid: u32, gid: u32, mode: u32, doing: &str) -> Result<(), HostError> {
    fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
        .and_then(|()| fchmod(file, Mode::from_raw_mode(mode & 0o7777)))
        .map_err(|errno| refused(doing, errno))
}

/// The inode flags; `None` where the file system has none.
pub(super) fn flags(file: &File, doing: &str) -> Result<Option<u32>, HostError> {
    match ioctl_getflags(file) {
        Ok(flags) => Ok(Some(flags.bits())),
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(None),
        Err(errno) => Err(refused(doing, errno)),
    }
}

/// Sets all inode flags.
pub(super) fn set_flags(file: &File, flags: u32, doing: &str) -> Result<(), HostError> {
    ioctl_setflags(file, IFlags::from_bits_retain(flags)).map_err(|errno| refused(doing, errno))
}

/// Gives a new file the flags that another one had, as far as they can be set at all.
pub(super) fn take_over_flags(file: &File, wanted: Option<u32>, doing: &str) -> Result<(), HostError> {
    let Some(wanted) = wanted else { return Ok(()) };
    let Some(found) = flags(file, doing)? else {
        return Ok(());
    };
    let new = (found & !SETTABLE) | (wanted & SETTABLE);
    if new == found {
        return Ok(());
    }
    set_flags(file, new, doing)
}

/// A target as it is met now, for its undo.
pub(super) fn as_met(
    target: &FileTarget,
    stat: &Stat,
    file: &File,
    sha256: Digest,
    doing: &str,
) -> Result<FileTarget, HostError> {
    Ok(FileTarget {
        mount: target.mount.clone(),
        path: target.path.clone(),
        id: FileId {
            dev: Wide(stat.st_dev),
            inode: Wide(stat.st_ino),
        },
        size: Wide(u64::try_from(stat.st_size).unwrap_or_default()),
        ctime_ns: Wide(files::ctime_ns(stat)),
        mtime_ns: Wide(files::mtime_ns(stat)),
        sha256,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        flags: flags(file, doing)?,
        links: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
        xattrs: xattrs(file, doing)?,
    })
}
