//! One Deminer at a time on a host: flock(2) on what only we can open, a directory or, where root has none, a file of
//! `/proc`. Whoever can open it could hold the lock for ever. No file is made, and the kernel frees the
//! lock however we end.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat};
use rustix::io::Errno;

use super::refused;
use crate::query::HostError;

/// What is root's own, by preference. The files of `/proc` have the mode 0400 on every host; a container may refuse the
/// first of them to its own root.
const PRIVATE: [&str; 5] = [
    "/root",
    "/var/lib/private",
    "/etc/ssl/private",
    "/proc/1/environ",
    "/proc/vmallocinfo",
];

/// The lock, held as long as it lives.
pub(super) struct Lock {
    object: OwnedFd,
}

/// What is locked: the first that nobody but us can open. Without root's rights that is the user's home, else `/`, which
/// anybody could hold; with them it is never `/`.
pub(super) fn object() -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    match uid {
        0 => roots_own(&PRIVATE),
        _ => home_of(&std::fs::read("/etc/passwd").unwrap_or_default(), uid)
            .filter(|path| is_private(path, uid))
            .unwrap_or_else(|| PathBuf::from("/")),
    }
}

/// The first that is private to root, else the last: to fail there is better than a lock that anybody can hold.
fn roots_own(candidates: &[&str]) -> PathBuf {
    let private = candidates.iter().find(|path| is_private(Path::new(path), 0));
    PathBuf::from(private.or(candidates.last()).unwrap_or(&""))
}

fn open(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
}

/// Whether only this user can open it.
fn is_private(path: &Path, uid: u32) -> bool {
    open(path).and_then(fstat).is_ok_and(|stat| {
        let kind = FileType::from_raw_mode(stat.st_mode);
        matches!(kind, FileType::Directory | FileType::RegularFile)
            && stat.st_uid == uid
            && keeps_others_out(stat.st_mode, uid, stat.st_gid)
    })
}

/// Whether permission bits leave nothing to anybody but the owner. Root's group is root's own: on some systems `/root` has
/// the mode 0550.
fn keeps_others_out(mode: u32, uid: u32, gid: u32) -> bool {
    mode & 0o007 == 0 && (mode & 0o070 == 0 || (uid == 0 && gid == 0))
}

/// The home directory of a user by passwd(5); `None` where there is no such user or no absolute path.
pub(super) fn home_of(passwd: &[u8], uid: u32) -> Option<PathBuf> {
    passwd.split(|b| *b == b'\n').find_map(|line| {
        let fields: Vec<&[u8]> = line.split(|b| *b == b':').collect();
        let [_, _, id, _, _, home, _] = fields[..] else {
            return None;
        };
        let same = std::str::from_utf8(id).ok()?.parse() == Ok(uid);
        (same && home.starts_with(b"/") && !home.contains(&0)).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(home)))
    })
}

/// Takes the lock on this directory or file.
///
/// # Errors
/// `Busy` when it is held.
pub(super) fn take(path: &Path) -> Result<Lock, HostError> {
    let doing = "lock the host";
    let object = open(path).map_err(|errno| refused(doing, errno))?;
    match flock(&object, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock { object }),
        Err(Errno::WOULDBLOCK) => Err(HostError::Busy),
        Err(errno) => Err(refused(doing, errno)),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that was forked a moment ago may hold a copy of the descriptor until it runs its own program.
        let _ = flock(&self.object, FlockOperation::Unlock);
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
        std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o705)).expect("ours");
        assert!(!is_private(home.path(), uid));
    }

    #[test]
    fn what_keeps_others_out() {
        let rows = [
            (0o700, 0, 0, true),
            (0o550, 0, 0, true),
            (0o600, 0, 42, true),
            (0o640, 0, 42, false),
            (0o755, 0, 0, false),
            (0o701, 0, 0, false),
            (0o700, 7, 7, true),
            (0o750, 7, 7, false),
            (0o750, 7, 0, false),
        ];
        for (mode, uid, gid, expected) in rows {
            assert_eq!(keeps_others_out(mode, uid, gid), expected, "{mode:o} {uid}:{gid}");
        }
    }

    #[test]
    fn root_never_locks_what_anybody_can_hold() {
        assert!(
            rustix::process::geteuid().is_root(),
            "needs root, to own files: run the tests as root"
        );
        assert!(is_private(&object(), 0));
        let without_directory = roots_own(&["/", "/etc", "/proc/vmallocinfo"]);
        assert_eq!(without_directory, PathBuf::from("/proc/vmallocinfo"));
        assert_eq!(roots_own(&["/", "/nonexistent"]), PathBuf::from("/nonexistent"));
        let lock = take(&without_directory).expect("nobody has it");
        assert_eq!(take(&without_directory).err(), Some(HostError::Busy));
        drop(lock);
    }
}
