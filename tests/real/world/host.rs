//! One host: what is done on it as its people would, and what is true of it as seen from outside.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::part::built;
use super::snapshot::Snapshot;
use super::{PATH, SOON, World, differs};
use crate::common::command::{Deminer, program};
use crate::common::infection::{stripped, write_program};
use crate::common::machine::{Process, children, wait_until};

/// How long systemd may take on a machine with more to do.
const BOOT: Duration = Duration::from_secs(60);

/// The host's first process, before it is systemd.
const FIRST: &str = include_str!("boot.sh");

/// Where the command under test is on a host, and its runs: in memory, outside of all that is compared.
const OURS: &str = "/run/deminer-test";

/// The command under test on a host: a static program.
pub(crate) const OURS_AT: &str = "/run/deminer-test/deminer";

/// A host of a world.
pub(crate) struct Host<'w> {
    world: &'w World,
    pub(crate) name: String,
    pub(crate) address: String,
    /// Its files on the machine.
    place: PathBuf,
    cgroup: PathBuf,
    running: Option<Running>,
}

/// A host that runs.
struct Running {
    launcher: Child,
    /// The host's pid 1, by its number on the machine.
    first: u32,
    root: OwnedFd,
}

/// What a program of a host answered.
#[derive(Debug)]
pub(crate) struct Said {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A process of a host.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Its number on the host.
    pub(crate) pid: u32,
    /// As the machine sees it.
    pub(crate) process: Process,
}

impl<'w> Host<'w> {
    pub(super) fn new(world: &'w World, name: &str) -> Host<'w> {
        let number = 1 + world.addresses.fetch_add(1, Ordering::Relaxed);
        let place = world.directory.join(name);
        for directory in ["upper/etc", "upper/var/spool/anacron", "work", "root"] {
            fs::create_dir_all(place.join(directory)).expect("a directory for a host");
        }
        let host = Host {
            world,
            name: name.to_owned(),
            address: format!("10.77.0.{number}"),
            cgroup: world.cgroup.join(name),
            place,
            running: None,
        };
        fs::create_dir(&host.cgroup).expect("a cgroup for a host");
        let upper =
            |path: &str, text: String| fs::write(host.place.join("upper").join(path), text).expect("a new host");
        upper("etc/hostname", format!("{name}\n"));
        upper(
            "etc/hosts",
            format!("127.0.0.1 localhost\n::1 localhost\n{} {name}\n", host.address),
        );
        upper("etc/resolv.conf", "nameserver 203.0.113.53\n".to_owned());
        upper(
            "etc/machine-id",
            format!("{:016x}{:016x}\n", std::process::id(), number),
        );
        // Of today: no daily work begins in the middle of a test.
        let today = jiff::Zoned::now().strftime("%Y%m%d\n").to_string();
        for job in ["cron.daily", "cron.weekly", "cron.monthly"] {
            upper(&format!("var/spool/anacron/{job}"), today.clone());
        }
        host
    }

    /// Starts it and waits until all of its services run.
    ///
    /// # Panics
    /// When it does not start, or a unit of its fails.
    pub(crate) fn boot(&mut self) {
        assert!(self.running.is_none(), "`{}` runs already", self.name);
        let join = format!(
            "echo 0 > '{}/cgroup.procs'; exec unshare --cgroup -- sh -euc \"$FIRST\"",
            self.cgroup.display()
        );
        let console = self.place.join("console");
        let mut launcher = Command::new("nsenter")
            .args([
                "--target",
                &self.world.first.to_string(),
                "--pid",
                "--",
                "unshare",
                "--mount",
                "--uts",
                "--ipc",
            ])
            .args(["--net", "--pid", "--fork", "--kill-child", "--", "sh", "-euc", &join])
            .env("FIRST", FIRST)
            .env("IMAGE", &self.world.image)
            .env("PLACE", &self.place)
            .env("NAME", &self.name)
            .env("ADDRESS", &self.address)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(&console).expect("a file of the host"))
            .spawn()
            .expect("nsenter(1) starts");
        let mut first = None;
        let there = wait_until(SOON, || {
            let unshare = children(launcher.id()).first().copied();
            first = unshare.and_then(|unshare| children(unshare).first().copied());
            first.is_some_and(|first| differs(first, "net"))
        });
        let said = || fs::read_to_string(&console).unwrap_or_default();
        assert!(there, "`{}` does not start: {}", self.name, said());
        let first = first.expect("it was just there");
        self.world.join(first);
        let cable = launcher.stdin.take().map(|mut cable| cable.write_all(b"plugged\n"));
        assert!(
            matches!(cable, Some(Ok(()))),
            "`{}` does not wait for its network: {}",
            self.name,
            said()
        );
        let becomes = wait_until(SOON, || {
            fs::read(format!("/proc/{first}/comm")).is_ok_and(|comm| comm == b"systemd\n")
        });
        assert!(
            becomes,
            "the first process of `{}` does not become systemd: {}",
            self.name,
            said()
        );
        let root = File::open(format!("/proc/{first}/root")).expect("the root of a living process");
        self.running = Some(Running {
            launcher,
            first,
            root: root.into(),
        });
        let mut state = String::new();
        let up = wait_until(BOOT, || {
            state = self.run(["systemctl", "is-system-running"]).out;
            matches!(state.trim(), "running" | "degraded" | "maintenance")
        });
        let failed = || self.run(["systemctl", "--failed", "--plain", "--no-legend"]).out;
        assert!(
            up && state.trim() == "running",
            "`{}` is {}: {}",
            self.name,
            state.trim(),
            failed()
        );
    }

    /// Ends everything on it at once, as a power cut does. Its files stay.
    pub(crate) fn power_off(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        // The end of a pid namespace's first process is the end of all in it.
        if let Some(first) = Process::of(running.first) {
            first.kill();
        }
        let _ = running.launcher.wait();
        let empty = wait_until(SOON, || self.pids().is_empty());
        assert!(
            empty || std::thread::panicking(),
            "processes of `{}` outlive it",
            self.name
        );
    }

    fn first(&self) -> u32 {
        self.running
            .as_ref()
            .unwrap_or_else(|| panic!("`{}` does not run", self.name))
            .first
    }

    /// The words that run what follows them on the host, as root there and in the cgroup of a login.
    fn enter(&self) -> Vec<OsString> {
        let login = self.cgroup.join("user.slice/login.scope");
        fs::create_dir_all(&login).expect("a cgroup of the host");
        let path = format!("PATH={PATH}");
        let mut words: Vec<OsString> = ["env", "-i", &path, "HOME=/root", "USER=root", "LANG=C.UTF-8"]
            .map(OsString::from)
            .to_vec();
        words.extend(["sh", "-euc", "cd /; echo 0 > \"$0/cgroup.procs\"; exec nsenter \"$@\""].map(OsString::from));
        words.push(login.into());
        words.extend(["--target", &self.first().to_string()].map(OsString::from));
        words.extend(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"].map(OsString::from));
        words
    }

    /// Runs a program of the host to its end.
    pub(crate) fn run<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Said {
        let enter = self.enter();
        let mut command = Command::new(&enter[0]);
        command.args(&enter[1..]).args(words).stdin(Stdio::null());
        let output = command.output().expect("env(1) starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Said {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Runs lines of a shell on the host.
    ///
    /// # Panics
    /// When one of them fails.
    #[track_caller]
    pub(crate) fn sh(&self, lines: &str) -> String {
        let said = self.run(["bash", "-euc", lines]);
        assert_eq!(said.code, Some(0), "`{}`: {lines}\n{}{}", self.name, said.out, said.err);
        said.out
    }

    /// The command under test, to be run on the host.
    pub(crate) fn deminer(&self) -> Deminer {
        self.deminer_with("runs")
    }

    /// The same with a directory for runs of this name.
    pub(crate) fn deminer_with(&self, runs: &str) -> Deminer {
        if !self.path(OURS_AT).exists() {
            self.write(OURS_AT, stripped(&program()), 0o755);
        }
        let runs = format!("{OURS}/{runs}");
        let mut enter = self.enter();
        enter.push(OURS_AT.into());
        Deminer::behind(enter, PathBuf::from(&runs), self.path(&runs))
    }

    /// Puts the worker beside the command under test: less is sent to each host than the whole command.
    pub(crate) fn with_worker(&self) {
        let worker = built(["--package", "deminer-worker"], "deminer-worker");
        self.write(&format!("{OURS}/deminer-worker"), stripped(&worker), 0o755);
    }

    /// A file of the host, as the machine can name it. Only for paths without links.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let below = path.as_ref().strip_prefix("/").expect("an absolute path");
        Path::new("/proc")
            .join(self.first().to_string())
            .join("root")
            .join(below)
    }

    /// Writes a file as root, with the directories that it needs.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>, mode: u32) {
        let at = self.path(path);
        fs::create_dir_all(at.parent().expect("a file has a directory")).expect("a directory of the host");
        if mode & 0o111 == 0 {
            fs::write(&at, content).expect("a file of the host");
        } else {
            write_program(&at, &[content.as_ref()]);
        }
        fs::set_permissions(&at, Permissions::from_mode(mode)).expect("our own file");
    }

    /// Gives a file to somebody.
    pub(crate) fn give(&self, path: &str, uid: u32, gid: u32) {
        chown(self.path(path), Some(uid), Some(gid)).expect("a file of the host");
    }

    /// What a file holds; `None` where it is not there. Links are followed as on the host.
    pub(crate) fn read(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let running = self.running.as_ref().expect("a host that runs");
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat2(
            running.root.as_fd(),
            path.as_ref(),
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        )
        .ok()?;
        let mut content = Vec::new();
        File::from(file).read_to_end(&mut content).ok()?;
        Some(content)
    }

    /// What a file holds, as text.
    ///
    /// # Panics
    /// When it is not there or no text.
    #[track_caller]
    pub(crate) fn text(&self, path: &str) -> String {
        let content = self.read(path).unwrap_or_else(|| panic!("{path} is not there"));
        String::from_utf8(content).expect("a text")
    }

    /// Whether something has this name.
    pub(crate) fn has(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path(path)).is_ok()
    }

    /// The pids of its processes on the machine, by its cgroups: those of namespaces within it too.
    fn pids(&self) -> Vec<u32> {
        let (mut pids, mut directories) = (Vec::new(), vec![self.cgroup.clone()]);
        while let Some(directory) = directories.pop() {
            let listed = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
            pids.extend(listed.lines().filter_map(|line| line.parse::<u32>().ok()));
            let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
            directories.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
        pids
    }

    /// All of its processes that live.
    pub(crate) fn processes(&self) -> Vec<Seen> {
        let seen = |pid: u32| {
            let process = Process::of(pid).filter(|process| process.state != 'Z')?;
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
            Some(Seen {
                pid: numbers.split_whitespace().last()?.parse().ok()?,
                process,
            })
        };
        let mut found: Vec<Seen> = self.pids().into_iter().filter_map(seen).collect();
        // Who comes to enter the host is there for a moment, and not of it.
        found.retain(|seen| !differs_from(seen.process.pid, self.first()));
        found.sort_by_key(|seen| seen.pid);
        found
    }

    /// The living processes that run this file, be it unlinked by now.
    pub(crate) fn running(&self, exe: &str) -> Vec<Seen> {
        let mut found = self.processes();
        found.retain(|seen| seen.process.exe.as_deref() == Some(Path::new(exe)));
        found
    }

    /// Waits until something on it holds.
    ///
    /// # Panics
    /// When it does not hold in time.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, holds: impl FnMut() -> bool) {
        assert!(wait_until(BOOT, holds), "`{}`: {what} does not come", self.name);
    }

    /// All below these directories as it is now.
    pub(crate) fn snapshot(&self, roots: &[&str], without: &[&str]) -> Snapshot {
        Snapshot::of(&self.path("/"), roots, without)
    }
}

/// Whether a process is of no pid namespace of the host, nor of one within.
fn differs_from(pid: u32, first: u32) -> bool {
    let depth = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let numbers = status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:").map(str::to_owned));
        numbers.unwrap_or_default().split_whitespace().count()
    };
    depth(pid) < depth(first)
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        self.power_off();
    }
}
