//! The private world: a root of its own in memory, in which the machine's programs are there to be run and nothing of
//! the machine can be written.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};
use rustix::process::pivot_root;

use super::network;

/// Where the world keeps runs: the machine's own directory for them, the only one of the machine that can be written.
pub(crate) const RUNS: &str = "/runs";

/// Where this program is in the world.
pub(crate) const PROGRAM: &str = "/opt/deminer/deminer";

/// The fake pool's address, of a range for documentation (RFC 5737).
pub(crate) const POOL: [u8; 4] = [198, 51, 100, 23];

/// An honest server's address, of a range for documentation.
pub(crate) const HONEST: [u8; 4] = [203, 0, 113, 10];

/// Makes the world below `root` and moves into it. Must run in namespaces of its own, as their root.
///
/// # Errors
/// When the kernel refuses a step; then nothing of the machine has been changed, and leaving the namespaces undoes the rest.
pub(crate) fn enter(root: &Path, program: &Path, runs: &Path) -> io::Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount(
        "deminer",
        root,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        Some(c"mode=0755,size=2g"),
    )?;
    for directory in [
        "etc/cron.d",
        "usr",
        "proc",
        "dev/shm",
        "tmp",
        "var/tmp",
        "var/lib/dpkg",
        "var/spool/cron/crontabs",
        "run",
        "root",
        "home/deploy",
        "opt/deminer",
        "opt/erp",
        "runs",
        ".machine",
    ] {
        fs::create_dir_all(root.join(directory))?;
    }
    for directory in ["tmp", "var/tmp", "dev/shm"] {
        fs::set_permissions(root.join(directory), fs::Permissions::from_mode(0o1777))?;
    }
    bind_read_only("/usr", &root.join("usr"))?;
    for directory in ["bin", "sbin", "lib", "lib32", "lib64"] {
        let original = Path::new("/").join(directory);
        if let Ok(target) = fs::read_link(&original) {
            symlink(target, root.join(directory))?;
        } else if original.is_dir() {
            fs::create_dir(root.join(directory))?;
            bind_read_only(&original, &root.join(directory))?;
        }
    }
    if Path::new("/var/lib/dpkg/info").is_dir() {
        bind_read_only("/var/lib/dpkg", &root.join("var/lib/dpkg"))?;
    }
    for device in ["null", "zero", "random", "urandom"] {
        let node = root.join("dev").join(device);
        fs::File::create(&node)?;
        mount_bind(Path::new("/dev").join(device), &node)?;
    }
    fs::File::create(root.join(PROGRAM.trim_start_matches('/')))?;
    mount_bind(program, root.join(PROGRAM.trim_start_matches('/')))?;
    mount_bind(runs, root.join("runs"))?;
    write_etc(&root.join("etc"))?;
    mount(
        "proc",
        root.join("proc"),
        "proc",
        MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
        None,
    )?;
    pivot_root(root, root.join(".machine"))?;
    std::env::set_current_dir("/")?;
    unmount("/.machine", UnmountFlags::DETACH)?;
    fs::remove_dir("/.machine")?;
    network::loopback_up()?;
    network::add_address(POOL)?;
    network::add_address(HONEST)
}

fn bind_read_only(from: impl AsRef<Path>, at: &Path) -> io::Result<()> {
    mount_bind_recursive(from.as_ref(), at)?;
    // Flags that the machine's own mount has must stay in a user namespace; those it lacks may be added.
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::RELATIME;
    mount_remount(at, flags | MountFlags::NOSUID | MountFlags::NODEV, "").or_else(|_| mount_remount(at, flags, ""))?;
    Ok(())
}

fn write_etc(etc: &Path) -> io::Result<()> {
    let files: [(&str, &str); 6] = [
        (
            "passwd",
            "root:x:0:0:root:/root:/bin/sh\ndeploy:x:1000:1000:practice:/home/deploy:/bin/sh\n",
        ),
        ("group", "root:x:0:\n"),
        ("machine-id", "0f00d0000000000000000000deadbeef\n"),
        ("hostname", "practice\n"),
        ("crontab", "SHELL=/bin/sh\n17 *\t* * *\troot\tcd / && true\n"),
        ("resolv.conf", "nameserver 192.0.2.53\n"),
    ];
    for (name, content) in files {
        fs::write(etc.join(name), content)?;
    }
    if let Ok(release) = fs::read("/etc/os-release") {
        fs::write(etc.join("os-release"), release)?;
    }
    Ok(())
}
