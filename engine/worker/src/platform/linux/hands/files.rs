//! Whether a file is the one meant: found beneath its mount, no link followed that its owner could have set, no mount
//! crossed; compared by device, inode and content.
//!
//! A file is pinned by an `O_PATH` descriptor first and opened through that, so nothing but a regular file is ever opened:
//! opening a device or a FIFO can act by itself.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2, readlinkat, statat,
};
use rustix::io::Errno;
use sha2::Digest as _;

use super::{changed, failed, mounts, protected, refused};
use crate::action::FileTarget;
use crate::query::{HostError, limits};
use crate::text::{Digest, HostPath};

/// The links that are followed on the way to a file.
const MAX_LINKS: usize = 8;

/// Nanoseconds since 1970 of a time of `stat`; a time before that counts as 1970.
fn nanoseconds(seconds: i64, nanoseconds: u64) -> u64 {
    u64::try_from(seconds)
        .unwrap_or(0)
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// When the content last changed.
pub(super) fn mtime_ns(stat: &Stat) -> u64 {
    nanoseconds(stat.st_mtime, stat.st_mtime_nsec)
}

/// When the inode last changed.
pub(super) fn ctime_ns(stat: &Stat) -> u64 {
    nanoseconds(stat.st_ctime, stat.st_ctime_nsec)
}

/// The directory that holds a file, and the file's name in it.
pub(super) struct Place {
    pub(super) dir: OwnedFd,
    pub(super) name: Vec<u8>,
}

/// A regular file at its place.
pub(super) struct Pinned {
    pin: OwnedFd,
    pub(super) stat: Stat,
}

/// The components of an absolute path that is written plainly; `None` for any other.
fn components(path: &HostPath) -> Option<Vec<Vec<u8>>> {
    let rest = path.as_bytes().strip_prefix(b"/")?;
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let plain = |c: &[u8]| !c.is_empty() && c != b"." && c != b".." && !c.contains(&0);
    rest.split(|b| *b == b'/')
        .map(|c| plain(c).then(|| c.to_vec()))
        .collect()
}

/// Finds the directory of a file beneath its mount; `None` where a directory on the way is gone.
///
/// # Errors
/// `Protected` when the way leads out of the mount or over a link that is not the system's own.
pub(super) fn place(mount: &HostPath, path: &HostPath, doing: &str) -> Result<Option<Place>, HostError> {
    let (Some(top), Some(whole)) = (components(mount), components(path)) else {
        return Err(protected(doing, "its path is not absolute and plain"));
    };
    let Some((name, way)) = whole.strip_prefix(&top[..]).and_then(|rest| rest.split_last()) else {
        return Err(protected(doing, &format!("it does not lie below its mount `{mount}`")));
    };
    let Some(root) = open_mount(&top, doing)? else {
        return Ok(None);
    };
    let Some(dir) = beneath(root, mount, way, doing)? else {
        return Ok(None);
    };
    Ok(Some(Place {
        dir,
        name: name.clone(),
    }))
}

const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens the mount point; mounts may be crossed on the way, links may not: the kernel's table has real paths.
fn open_mount(components: &[Vec<u8>], doing: &str) -> Result<Option<OwnedFd>, HostError> {
    let mut dir = openat(CWD, "/", DIRECTORY, Mode::empty()).map_err(|errno| refused(doing, errno))?;
    for component in components {
        dir = match openat(&dir, &component[..], DIRECTORY, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(protected(doing, "its mount is reached over a link")),
            Err(errno) => return Err(refused(doing, errno)),
        };
    }
    Ok(Some(dir))
}

/// Opens the directory at the end of `way` beneath a mount; `None` where it is gone.
fn beneath(root: OwnedFd, mount: &HostPath, way: &[Vec<u8>], doing: &str) -> Result<Option<OwnedFd>, HostError> {
    if way.is_empty() {
        return Ok(Some(root));
    }
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    match openat2(&root, way.join(&b'/'), DIRECTORY, Mode::empty(), resolve) {
        Ok(dir) => Ok(Some(dir)),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::XDEV) => Err(protected(doing, "another mount lies on the way to it")),
        // A link on the way, a kernel before 5.6, or a filter of a container: walk.
        Err(Errno::LOOP | Errno::NOTDIR | Errno::NOSYS | Errno::PERM | Errno::AGAIN) => walk(root, mount, way, doing),
        Err(errno) => Err(refused(doing, errno)),
    }
}

/// Opens the directory at the end of `way` component by component. A link is followed only where root set it in a
/// directory that only root writes (`/lib`, `/var/run`), and never out of the mount.
fn walk(root: OwnedFd, mount: &HostPath, way: &[Vec<u8>], doing: &str) -> Result<Option<OwnedFd>, HostError> {
    let mut stack = vec![root];
    let mut way: VecDeque<Vec<u8>> = way.iter().cloned().collect();
    let mut links = 0;
    while let Some(component) = way.pop_front() {
        let here = stack.last().expect("the mount's root is never taken off");
        if component == b".." {
            if stack.len() == 1 {
                return Err(protected(doing, "a link on the way to it leads out of its mount"));
            }
            stack.pop();
            continue;
        }
        let stat = match statat(here, &component[..], AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(refused(doing, errno)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let next = match openat(here, &component[..], DIRECTORY, Mode::empty()) {
                    Ok(next) => next,
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
                    Err(errno) => return Err(refused(doing, errno)),
                };
                if !same_mount(here.as_fd(), next.as_fd(), mount, doing)? {
                    return Err(protected(doing, "another mount lies on the way to it"));
                }
                stack.push(next);
            }
            FileType::Symlink => {
                links += 1;
                let holder = fstat(here).map_err(|errno| refused(doing, errno))?;
                if stat.st_uid != 0 || holder.st_uid != 0 || holder.st_mode & 0o022 != 0 || links > MAX_LINKS {
                    return Err(protected(doing, "a link lies on the way to it"));
                }
                let target = readlinkat(here, &component[..], Vec::new()).map_err(|errno| refused(doing, errno))?;
                let target = target.as_bytes();
                let mut parts: Vec<&[u8]> = target
                    .split(|b| *b == b'/')
                    .filter(|c| !c.is_empty() && *c != b".")
                    .collect();
                if target.starts_with(b"/") {
                    let top = components(mount).unwrap_or_default();
                    if !parts.iter().zip(&top).all(|(a, b)| a == b) || parts.len() < top.len() {
                        return Err(protected(doing, "a link on the way to it leads out of its mount"));
                    }
                    parts.drain(..top.len());
                    stack.truncate(1);
                }
                for part in parts.iter().rev() {
                    way.push_front(part.to_vec());
                }
            }
            _ => return Ok(None),
        }
    }
    Ok(stack.pop())
}

/// Whether two descriptors lie in one mount. Kernels before 3.15 do not tell a descriptor's mount: there the real path is
/// looked up in the table of mounts.
fn same_mount(a: BorrowedFd<'_>, b: BorrowedFd<'_>, mount: &HostPath, doing: &str) -> Result<bool, HostError> {
    match (mount_id(a), mount_id(b)) {
        (Some(a), Some(b)) => Ok(a == b),
        _ => {
            let link = format!("/proc/self/fd/{}", b.as_raw_fd());
            let path = readlinkat(CWD, link, Vec::new()).map_err(|errno| refused(doing, errno))?;
            Ok(mounts::point_of(&mounts::read(), path.as_bytes()) == Some(mount.as_bytes()))
        }
    }
}

/// The mount that a descriptor lies in (proc_pid_fdinfo(5)).
fn mount_id(fd: BorrowedFd<'_>) -> Option<u64> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
    info.lines()
        .find_map(|line| line.strip_prefix("mnt_id:"))?
        .trim()
        .parse()
        .ok()
}

impl Place {
    /// The place of a target; `None` where a directory on the way is gone.
    pub(super) fn of(target: &FileTarget, doing: &str) -> Result<Option<Place>, HostError> {
        place(&target.mount, &target.path, doing)
    }

    /// The regular file of that name here; `None` where there is nothing.
    ///
    /// # Errors
    /// `Changed` for a link, `Protected` for everything else that is no regular file, and for a mount.
    pub(super) fn pin(&self, name: &[u8], mount: &HostPath, doing: &str) -> Result<Option<Pinned>, HostError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let pin = match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(pin) => pin,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(refused(doing, errno)),
        };
        let stat = fstat(&pin).map_err(|errno| refused(doing, errno))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Symlink => return Err(changed(doing, "a regular file", "a symbolic link")),
            FileType::Directory => return Err(protected(doing, "it is a directory")),
            _ => return Err(protected(doing, "it is a device, a FIFO or a socket")),
        }
        if !same_mount(self.dir.as_fd(), pin.as_fd(), mount, doing)? {
            return Err(protected(doing, "another file is mounted over it"));
        }
        Ok(Some(Pinned { pin, stat }))
    }

    /// What stands here under the file's own name; `None` where there is nothing.
    pub(super) fn now(&self, mount: &HostPath, doing: &str) -> Result<Option<Pinned>, HostError> {
        self.pin(&self.name, mount, doing)
    }

    /// Removes a name that holds a file of ours, or is gone.
    pub(super) fn unlink(&self, name: &[u8], doing: &str) -> Result<(), HostError> {
        match rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(refused(doing, errno)),
        }
    }

    /// Waits until the directory is durable. Some file systems cannot.
    pub(super) fn sync(&self) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if let Ok(dir) = openat(&self.dir, ".", flags, Mode::empty()) {
            let _ = rustix::fs::fsync(dir);
        }
    }
}

impl Pinned {
    /// Whether it is the inode of that target.
    pub(super) fn is(&self, target: &FileTarget) -> bool {
        (self.stat.st_dev, self.stat.st_ino) == (target.id.dev.0, target.id.inode.0)
    }

    /// Whether it is the inode of that other file.
    pub(super) fn is_same_as(&self, other: &Stat) -> bool {
        (self.stat.st_dev, self.stat.st_ino) == (other.st_dev, other.st_ino)
    }

    /// # Errors
    /// `Changed` when it is another inode.
    pub(super) fn must_be(&self, target: &FileTarget, doing: &str) -> Result<(), HostError> {
        if self.is(target) {
            return Ok(());
        }
        Err(changed(
            doing,
            format_args!("file {}:{}", target.id.dev, target.id.inode),
            format_args!("{}:{}", self.stat.st_dev, self.stat.st_ino),
        ))
    }

    /// Opens this very file, its access time left as it is where we may.
    pub(super) fn open(&self, flags: OFlags, doing: &str) -> Result<File, HostError> {
        let path = format!("/proc/self/fd/{}", self.pin.as_raw_fd());
        let flags = flags | OFlags::CLOEXEC;
        openat(CWD, &path, flags | OFlags::NOATIME, Mode::empty())
            .or_else(|errno| match errno {
                // Only the owner and root may leave it.
                Errno::PERM => openat(CWD, &path, flags, Mode::empty()),
                errno => Err(errno),
            })
            .map(File::from)
            .map_err(|errno| refused(doing, errno))
    }
}

/// Opens the file of a target and compares inode and content; `None` when it is gone.
///
/// # Errors
/// `Changed` when the inode or its content is another.
pub(super) fn same(place: &Place, target: &FileTarget, doing: &str) -> Result<Option<(Pinned, File)>, HostError> {
    let Some(pinned) = place.now(&target.mount, doing)? else {
        return Ok(None);
    };
    pinned.must_be(target, doing)?;
    let size = u64::try_from(pinned.stat.st_size).unwrap_or_default();
    if size != target.size.0 {
        return Err(changed(
            doing,
            format_args!("{} bytes", target.size),
            format_args!("{size} bytes"),
        ));
    }
    let file = pinned.open(OFlags::RDONLY, doing)?;
    same_content(&file, target, doing)?;
    Ok(Some((pinned, file)))
}

/// # Errors
/// `Changed` when the content is another than the target's.
pub(super) fn same_content(file: &File, target: &FileTarget, doing: &str) -> Result<(), HostError> {
    let found = digest(file, doing)?;
    if found == target.sha256 {
        return Ok(());
    }
    Err(changed(
        doing,
        format_args!("content {}", target.sha256.short()),
        format_args!("content {}", found.short()),
    ))
}

/// Gives a file's bytes to `take`, piece by piece, from the start; stops with an error past `limit`.
pub(super) fn pieces(
    file: &File,
    limit: u64,
    doing: &str,
    mut take: impl FnMut(&[u8]) -> Result<(), HostError>,
) -> Result<(), HostError> {
    let mut piece = vec![0; crate::frame::PIECE_BYTES];
    let mut at: u64 = 0;
    loop {
        match file.read_at(&mut piece, at) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                at += n as u64;
                if at > limit {
                    return Err(HostError::TooLarge {
                        doing: doing.to_owned(),
                        limit,
                    });
                }
                take(&piece[..n])?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(doing, &error)),
        }
    }
}

/// The SHA-256 of a whole file of at most [`limits::DIGEST_BYTES`].
pub(super) fn digest(file: &File, doing: &str) -> Result<Digest, HostError> {
    let mut hasher = sha2::Sha256::new();
    pieces(file, limits::DIGEST_BYTES, doing, |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(Digest(hasher.finalize().into()))
}

/// The bytes of a whole file of at most `limit` bytes.
pub(super) fn read_whole(file: &File, limit: u64, doing: &str) -> Result<Vec<u8>, HostError> {
    let mut bytes = Vec::new();
    pieces(file, limit, doing, |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;
    use crate::platform::linux::hands::bench;

    fn found(mount: &HostPath, path: &std::path::Path) -> Result<Option<u64>, HostError> {
        let place = place(mount, &bench::host_path(path), "look")?;
        let Some(place) = place else { return Ok(None) };
        Ok(place.now(mount, "look")?.map(|pinned| pinned.stat.st_ino))
    }

    #[test]
    fn a_file_beneath_its_mount() {
        let home = bench::home();
        let path = home.path().join("a/b/f");
        std::fs::create_dir_all(home.path().join("a/b")).expect("folders");
        std::fs::write(&path, "x").expect("a file");
        let inode = std::fs::metadata(&path).expect("it is there").ino();
        let mount = bench::mount_of(home.path());
        assert_eq!(found(&mount, &path), Ok(Some(inode)));
        assert_eq!(found(&mount, &home.path().join("a/b/g")), Ok(None), "absent");
        assert_eq!(found(&mount, &home.path().join("a/c/f")), Ok(None), "no directory");
        assert_eq!(found(&mount, &home.path().join("a/b/f/x")), Ok(None), "below a file");
    }

    #[test]
    fn what_is_no_regular_file_is_refused() {
        let home = bench::home();
        let mount = bench::mount_of(home.path());
        let at = |name: &str| home.path().join(name);
        std::fs::create_dir(at("directory")).expect("a folder");
        symlink("/etc/passwd", at("link")).expect("a link");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        let fifo = rustix::fs::mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR, 0);
        fifo.expect("a FIFO");
        for name in ["directory", "socket", "fifo"] {
            let result = found(&mount, &at(name));
            assert!(matches!(result, Err(HostError::Protected { .. })), "{name}: {result:?}");
        }
        let result = found(&mount, &at("link"));
        assert!(matches!(result, Err(HostError::Changed { .. })), "{result:?}");
        let null = found(&HostPath::from("/dev"), std::path::Path::new("/dev/null"));
        assert!(matches!(null, Err(HostError::Protected { .. })), "{null:?}");
    }

    #[test]
    fn paths_that_are_not_plain_are_refused() {
        let mount = HostPath::from("/tmp");
        for path in [
            "tmp/x",
            "/tmp/../etc/passwd",
            "/tmp/./x",
            "/tmp//x",
            "/tmp",
            "/etc/passwd",
            "/tmpx",
            "",
            "/tmp/",
        ] {
            let result = place(&mount, &HostPath::from(path), "look").map(|place| place.is_some());
            assert!(matches!(result, Err(HostError::Protected { .. })), "{path}: {result:?}");
        }
    }

    #[test]
    fn another_mount_is_not_entered() {
        let result = found(&HostPath::from("/"), std::path::Path::new("/proc/self/status"));
        assert!(matches!(result, Err(HostError::Protected { .. })), "{result:?}");
        let root = open_mount(&[], "look").expect("readable").expect("there is a root");
        let way = [b"proc".to_vec(), b"self".to_vec()];
        let walked = walk(root, &HostPath::from("/"), &way, "look").map(|dir| dir.is_some());
        assert!(matches!(walked, Err(HostError::Protected { .. })), "{walked:?}");
    }

    #[test]
    fn links_on_the_way() {
        let home = bench::home();
        let mount = bench::mount_of(home.path());
        let at = |name: &str| home.path().join(name);
        std::fs::create_dir_all(at("real/deep")).expect("folders");
        std::fs::write(at("real/deep/f"), "x").expect("a file");
        symlink("real", at("relative")).expect("a link");
        symlink(at("real/deep"), at("absolute")).expect("a link");
        symlink("../../../../../../../../../..", at("out")).expect("a link");
        symlink("again", at("again")).expect("a link");
        // Root's own links in root's own directory are the system's; a user's links never are.
        let trusted = rustix::process::geteuid().is_root();
        for name in ["relative/deep/f", "absolute/f"] {
            let result = found(&mount, &at(name));
            match trusted {
                true => assert!(matches!(result, Ok(Some(_))), "{name}: {result:?}"),
                false => assert!(matches!(result, Err(HostError::Protected { .. })), "{name}: {result:?}"),
            }
        }
        for name in ["out/etc/passwd", "again/f"] {
            let result = found(&mount, &at(name));
            assert!(matches!(result, Err(HostError::Protected { .. })), "{name}: {result:?}");
        }
        if trusted {
            std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("ours");
            let result = found(&mount, &at("relative/deep/f"));
            assert!(
                matches!(result, Err(HostError::Protected { .. })),
                "anybody may write: {result:?}"
            );
        }
    }

    #[test]
    fn walking_finds_what_openat2_finds() {
        let home = bench::home();
        let mount = bench::mount_of(home.path());
        std::fs::create_dir_all(home.path().join("a/b")).expect("folders");
        let top = components(&mount).expect("plain");
        let way = components(&bench::host_path(&home.path().join("a/b"))).expect("plain");
        let open = || open_mount(&top, "look").expect("readable").expect("it is there");
        let walked = walk(open(), &mount, &way[top.len()..], "look")
            .expect("ours")
            .expect("it is there");
        let opened = beneath(open(), &mount, &way[top.len()..], "look")
            .expect("ours")
            .expect("it is there");
        let inode = |fd: &OwnedFd| fstat(fd).expect("open").st_ino;
        assert_eq!(inode(&walked), inode(&opened));
    }
}
