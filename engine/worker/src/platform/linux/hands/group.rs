//! The cgroup v2 freezer (linux: Documentation/admin-guide/cgroup-v2.rst, `cgroup.freeze`): it holds what a tracer lets
//! run on after every SIGSTOP.
//!
//! Each process gets a group of its own, made below the group that it is in: its limits go on to hold, and its service
//! manager still finds it where it was.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::identity::Seen;
use super::{mounts, random_digits};
use crate::query::HostError;

/// How our groups are named, before 16 hexadecimal digits.
const PREFIX: &str = "deminer-";

/// For how long the freezer may take.
const FREEZE: Duration = Duration::from_millis(500);

/// For how long a group may stay in use by processes that are just ending.
const DISSOLVE: Duration = Duration::from_millis(500);

/// The group that a process is in, by its `/proc/PID/cgroup` (cgroups(7)); `None` where the unified hierarchy is not
/// mounted or the group lies outside of what is.
pub(super) fn group_of(cgroup: &[u8], mounts: &[mounts::MountPoint]) -> Option<PathBuf> {
    let mut lines = cgroup.split(|b| *b == b'\n');
    let path = lines.find_map(|line| line.strip_prefix(b"0::"))?;
    let mut unified = mounts.iter().filter(|mount| mount.kind == b"cgroup2");
    unified.find_map(|mount| within(mount, path))
}

/// Where a group of that path is seen below a mount of its hierarchy; `None` where it lies outside of what is mounted.
pub(super) fn within(mount: &mounts::MountPoint, path: &[u8]) -> Option<PathBuf> {
    let mut components = path.split(|b| *b == b'/');
    if !path.starts_with(b"/") || components.any(|c| c == b".." || c == b".") {
        return None;
    }
    let root = mount.root.strip_suffix(b"/").unwrap_or(&mount.root);
    let below = path
        .strip_prefix(root)
        .filter(|rest| rest.is_empty() || rest[0] == b'/')?;
    let below = below.strip_prefix(b"/").unwrap_or(below);
    let mut group = PathBuf::from(std::ffi::OsStr::from_bytes(&mount.point));
    group.push(std::ffi::OsStr::from_bytes(below));
    Some(group)
}

/// A name for a group of ours that nobody can have foreseen.
pub(super) fn own_name() -> String {
    format!("{PREFIX}{}", random_digits())
}

/// Whether this is the path of a group that we made.
pub(super) fn is_ours(group: &Path) -> bool {
    group
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.strip_prefix(PREFIX))
        .is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Where a group for this process would be; `None` where there is no freezer. Makes nothing.
pub(super) fn place_for(seen: &Seen, doing: &str) -> Result<Option<PathBuf>, HostError> {
    let cgroup = seen.read("cgroup", 64 << 10, doing)?.unwrap_or_default();
    Ok(group_of(&cgroup, &mounts::read())
        .filter(|group| group.join("cgroup.procs").exists())
        .map(|group| group.join(own_name())))
}

/// The group of ours that this process is in; `None` when it is in none.
pub(super) fn ours_around(seen: &Seen, doing: &str) -> Result<Option<PathBuf>, HostError> {
    let cgroup = seen.read("cgroup", 64 << 10, doing)?.unwrap_or_default();
    Ok(group_of(&cgroup, &mounts::read()).filter(|group| is_ours(group)))
}

/// Makes the group, frozen, and moves the process into it; waits until it stands. On an error nothing is left of it.
pub(super) fn freeze(group: &Path, pid: u32) -> io::Result<()> {
    std::fs::create_dir(group)?;
    let frozen = write(group, "cgroup.freeze", "1")
        .and_then(|()| write(group, "cgroup.procs", &pid.to_string()))
        .and_then(|()| until_frozen(group));
    if frozen.is_err() {
        dissolve(group)?;
    }
    frozen
}

/// Waits for the kernel to say that all of the group stands.
fn until_frozen(group: &Path) -> io::Result<()> {
    let begin = Instant::now();
    loop {
        let events = std::fs::read_to_string(group.join("cgroup.events"))?;
        if events.lines().any(|line| line == "frozen 1") {
            return Ok(());
        }
        if begin.elapsed() > FREEZE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Thaws a group, moves whoever is in it back to where it was, and removes it. One that is not there is no error.
pub(super) fn dissolve(group: &Path) -> io::Result<()> {
    let Some(parent) = group.parent().filter(|_| is_ours(group)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let begin = Instant::now();
    loop {
        if !group.exists() {
            return Ok(());
        }
        // A group without a freezer has nothing to thaw; a process that ended needs no moving.
        let _ = write(group, "cgroup.freeze", "0");
        for pid in std::fs::read_to_string(group.join("cgroup.procs"))
            .unwrap_or_default()
            .lines()
        {
            let _ = write(parent, "cgroup.procs", pid);
        }
        match std::fs::remove_dir(group) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if begin.elapsed() > DISSOLVE => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Writes to a control file, which must be there.
pub(super) fn write(group: &Path, file: &str, value: &str) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    io::Write::write_all(&mut options.write(true).open(group.join(file))?, value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::linux::hands::bench;

    #[test]
    fn where_a_group_lies() {
        let table =
            |root: &str| mounts::parse(format!("1 0 0:1 {root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n").as_bytes());
        let rows: [(&str, &str, &str, Option<&str>); 6] = [
            (
                "below a slice",
                "0::/a.slice/b\n",
                "/",
                Some("/sys/fs/cgroup/a.slice/b"),
            ),
            ("the root", "1:cpu:/x\n0::/\n", "/", Some("/sys/fs/cgroup/")),
            ("a part is mounted", "0::/a/b\n", "/a", Some("/sys/fs/cgroup/b")),
            ("outside of what is mounted", "0::/c\n", "/a", None),
            ("outside of the namespace", "0::/../c\n", "/", None),
            ("only the old hierarchies", "1:cpu:/x\n", "/", None),
        ];
        for (name, cgroup, root, expected) in rows {
            assert_eq!(
                group_of(cgroup.as_bytes(), &table(root)),
                expected.map(PathBuf::from),
                "{name}"
            );
        }
    }

    #[test]
    fn only_groups_of_ours_are_dissolved() {
        let home = tempfile::tempdir().expect("a folder");
        let foreign = home.path().join("deminer-notours");
        std::fs::create_dir(&foreign).expect("a folder");
        assert!(dissolve(&foreign).is_err());
        assert!(foreign.exists());
        assert!(
            dissolve(&home.path().join("deminer-0123456789abcdef")).is_ok(),
            "absent is no error"
        );
    }

    #[test]
    fn a_group_holds_and_lets_go() {
        let sleeper = bench::Sleeper::start();
        let seen = Seen::open(sleeper.pid(), "test").expect("ours").expect("it runs");
        let Some(group) = place_for(&seen, "test").expect("readable") else {
            let unified = mounts::read().iter().any(|mount| mount.kind == b"cgroup2");
            assert!(
                !unified,
                "a cgroup2 mount is there, but no group was found for a process"
            );
            return;
        };
        match freeze(&group, sleeper.pid()) {
            Ok(()) => {
                assert_eq!(ours_around(&seen, "test").expect("readable"), Some(group.clone()));
                dissolve(&group).expect("it can be removed");
                assert!(ours_around(&seen, "test").expect("readable").is_none());
            }
            Err(error) => assert!(
                !rustix::process::geteuid().is_root() || error.kind() == io::ErrorKind::ReadOnlyFilesystem,
                "root can freeze: {error}"
            ),
        }
        assert!(!group.exists(), "nothing of ours is left");
    }
}
