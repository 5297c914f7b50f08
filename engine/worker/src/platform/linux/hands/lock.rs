//! One Deminer at a time on a host: flock(2) on a directory that only we can open. No file is made, and the kernel frees
//! the lock however we end.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat};
use rustix::io::Errno;

use super::refused;
use crate::query::HostError;

/// Root's own directories, of which every host has at least one.
const PRIVATE: [&str; 3] = ["/root", "/var/lib/private", "/etc/ssl/private"];

/// The lock, held as long as it lives.
pub(super) struct Lock {
    directory: OwnedFd,
}

/// The directory that is locked: the first that nobody but us can open, else `/`, which anybody could hold.
pub(super) fn directory() -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    let home = || home_of(&std::fs::read("/etc/passwd").unwrap_or_default(), uid);
    let candidates: Vec<PathBuf> = match uid {
        0 => PRIVATE.iter().map(PathBuf::from).collect(),
        _ => home().into_iter().collect(),
    };
    candidates
        .into_iter()
        .find(|path| is_private(path, uid))
        .unwrap_or_else(|| PathBuf::from("/"))
}

fn open(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
}

/// Whether only this user can open the directory.
fn is_private(path: &Path, uid: u32) -> bool {
    open(path).and_then(fstat).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::Directory && stat.st_uid == uid && stat.st_mode & 0o077 == 0
    })
}

/// The home directory of a user by passwd(5); `None` where there is no such user or no absolute path.
fn home_of(passwd: &[u8], uid: u32) -> Option<PathBuf> {
    passwd.split(|b| *b == b'\n').find_map(|line| {
        let fields: Vec<&[u8]> = line.split(|b| *b == b':').collect();
        let [_, _, id, _, _, home, _] = fields[..] else {
            return None;
        };
        let same = std::str::from_utf8(id).ok()?.parse() == Ok(uid);
        (same && home.starts_with(b"/") && !home.contains(&0)).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(home)))
    })
}

/// Takes the lock on this directory.
///
/// # Errors
/// `Busy` when it is held.
pub(super) fn take(path: &Path) -> Result<Lock, HostError> {
    let doing = "lock the host";
    let directory = open(path).map_err(|errno| refused(doing, errno))?;
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock { directory }),
        Err(Errno::WOULDBLOCK) => Err(HostError::Busy),
        Err(errno) => Err(refused(doing, errno)),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that was forked a moment ago may hold a copy of the descriptor until it runs its own program.
        let _ = flock(&self.directory, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use proptest::prelude::*;

    use super::*;
    use crate::platform::linux::hands::bench;

    #[test]
    fn homes() {
        let passwd =
            b"root:x:0:0:root:/root:/bin/sh\nbroken\na:x:7:7::relative:/bin/sh\nb:x:8:8:::\nc\xff:x:9:9:,:/h\xff:/x\n";
        assert_eq!(home_of(passwd, 0), Some(PathBuf::from("/root")));
        assert_eq!(home_of(passwd, 7), None);
        assert_eq!(home_of(passwd, 8), None);
        assert_eq!(
            home_of(passwd, 9),
            Some(PathBuf::from(std::ffi::OsStr::from_bytes(b"/h\xff")))
        );
    }

    proptest! {
        #[test]
        fn any_passwd_is_read_without_harm(bytes: Vec<u8>) {
            let _ = home_of(&bytes, 0);
        }
    }

    #[test]
    fn one_at_a_time() {
        let home = bench::home();
        let lock = take(home.path()).expect("nobody has it");
        assert_eq!(take(home.path()).err(), Some(HostError::Busy));
        drop(lock);
        assert!(take(home.path()).is_ok());
        assert_eq!(
            std::fs::read_dir(home.path()).expect("a folder").count(),
            0,
            "no file is made"
        );
    }

    #[test]
    fn only_what_is_private() {
        let home = bench::home();
        let uid = rustix::process::geteuid().as_raw();
        assert!(is_private(home.path(), uid));
        assert!(!is_private(home.path(), uid + 1));
        let link = home.path().join("link");
        symlink(home.path(), &link).expect("a link");
        assert!(!is_private(&link, uid));
        std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o750)).expect("ours");
        assert!(!is_private(home.path(), uid));
    }
}
