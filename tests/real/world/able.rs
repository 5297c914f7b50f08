//! What a world needs of this machine.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why there can be no world here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unable {
    #[error("test hosts need root")]
    NotRoot,
    #[error("test hosts need `{0}`, which is not installed")]
    NoProgram(&'static str),
    #[error("this kernel or its policy refuses namespaces: {0}")]
    NoNamespaces(String),
    #[error("test hosts need cgroup2, and a place in it that can be written")]
    NoCgroup,
    #[error("this machine's apt has no source of Debian packages")]
    NoMirror,
    #[error("Debian's packages cannot be had: {0}")]
    NoPackages(String),
}

/// Says in a test's own words that it did not run; not through the captured output of a test that passes.
pub(crate) fn skipped(why: &Unable) {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// Programs of the machine that make a world, and the image of its hosts.
const PROGRAMS: [&str; 6] = ["debootstrap", "unshare", "nsenter", "ip", "setpriv", "chroot"];

/// Finds out whether there can be a world; gives where its cgroups are made.
///
/// # Errors
/// [`Unable`], the first reason against it.
pub(crate) fn able() -> Result<PathBuf, Unable> {
    if !rustix::process::geteuid().is_root() {
        return Err(Unable::NotRoot);
    }
    for program in PROGRAMS {
        let found = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
            .iter()
            .any(|place| Path::new(place).join(program).exists());
        if !found {
            return Err(Unable::NoProgram(program));
        }
    }
    let tried = Command::new("unshare")
        .args([
            "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork", "true",
        ])
        .stdin(Stdio::null())
        .output();
    match tried {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            return Err(Unable::NoNamespaces(
                String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            ));
        }
        Err(error) => return Err(Unable::NoNamespaces(error.to_string())),
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    cgroup2(&mounts).filter(|path| writable(path)).ok_or(Unable::NoCgroup)
}

/// Where cgroup2 is mounted, by proc_pid_mountinfo(5).
fn cgroup2(mounts: &str) -> Option<PathBuf> {
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    line.split(' ').nth(4).map(PathBuf::from)
}

fn writable(directory: &Path) -> bool {
    rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok()
        && !rustix::fs::statvfs(directory).is_ok_and(|at| at.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

#[test]
fn cgroup2_is_found_beside_the_older_one() {
    let mounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                  40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
                  41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
    assert_eq!(cgroup2(mounts), Some(PathBuf::from("/sys/fs/cgroup/unified")));
    assert_eq!(cgroup2("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"), None);
}
