//! What the tests of this folder share: real processes and real files.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::files::{self, Place};
use super::{identity, metadata, mounts};
use crate::action::{FileTarget, ProcessTarget, Role};
use crate::query::FileId;
use crate::text::{Digest, HostBytes, HostPath, Wide};

/// A process that sleeps; killed when dropped.
pub(super) struct Sleeper {
    child: Child,
}

impl Sleeper {
    pub(super) fn start() -> Self {
        let child = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::null())
            .spawn()
            .expect("`sleep` is everywhere");
        let sleeper = Self { child };
        until("it sleeps", || sleeper.state() == b'S');
        sleeper
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn state(&self) -> u8 {
        let seen = identity::Seen::open(self.pid(), "test")
            .expect("ours")
            .expect("it is there");
        seen.stat("test").expect("readable").expect("it is there").state
    }

    pub(super) fn target(&self) -> ProcessTarget {
        target_of(self.pid())
    }

    pub(super) fn kill_without_waiting(&mut self) {
        self.child.kill().expect("our child");
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds.
pub(super) fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The process of that pid, as a plan names it. Where its executable may not be read, anything stands for it.
pub(super) fn target_of(pid: u32) -> ProcessTarget {
    let exe = format!("/proc/{pid}/exe");
    let meta = std::fs::metadata(&exe).ok();
    let stat = identity::parse_stat(&std::fs::read(format!("/proc/{pid}/stat")).expect("readable"));
    ProcessTarget {
        boot_id: std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .expect("readable")
            .trim()
            .to_owned(),
        pid,
        start_ticks: Wide(stat.expect("of its form").start_ticks),
        exe: FileId {
            dev: Wide(meta.as_ref().map_or(0, MetadataExt::dev)),
            inode: Wide(meta.as_ref().map_or(0, MetadataExt::ino)),
        },
        exe_path: HostPath::from("/bin/sleep"),
        exe_sha256: Digest::of(&std::fs::read(&exe).unwrap_or_default()),
        exe_size: Wide(meta.as_ref().map_or(0, MetadataExt::size)),
        argv_sha256: Digest::of(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()),
        uid: rustix::process::geteuid().as_raw(),
        comm: HostBytes::from("sleep"),
        role: Role::Miner,
    }
}

/// A folder of the test's own, its path without links.
pub(super) fn home() -> tempfile::TempDir {
    let base = std::fs::canonicalize(std::env::temp_dir()).expect("there is one");
    let home = tempfile::tempdir_in(base).expect("a folder");
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o700)).expect("ours");
    home
}

pub(super) fn host_path(path: &Path) -> HostPath {
    HostPath::new(path.as_os_str().as_encoded_bytes())
}

/// The mount that a path lies in.
pub(super) fn mount_of(path: &Path) -> HostPath {
    let mounts = mounts::read();
    HostPath::new(mounts::point_of(&mounts, path.as_os_str().as_encoded_bytes()).expect("`/` holds everything"))
}

/// A regular file, as a plan names it.
pub(super) fn file_target(path: &Path) -> FileTarget {
    let (mount, path) = (mount_of(path), host_path(path));
    let place = files::place(&mount, &path, "test").expect("ours").expect("it is there");
    let pinned = Place::now(&place, &mount, "test").expect("ours").expect("it is there");
    let file = pinned.open(OFlags::RDONLY, "test").expect("ours");
    let sha256 = files::digest(&file, "test").expect("readable");
    let empty = FileTarget {
        mount,
        path,
        id: FileId {
            dev: Wide(0),
            inode: Wide(0),
        },
        size: Wide(0),
        ctime_ns: Wide(0),
        mtime_ns: Wide(0),
        sha256,
        mode: 0,
        uid: 0,
        gid: 0,
        flags: None,
        links: 0,
        xattrs: Vec::new(),
    };
    metadata::as_met(&empty, &pinned.stat, &file, sha256, "test").expect("readable")
}
