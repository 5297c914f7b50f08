//! A world of its own for real hosts: each has systemd as its first process, its own address, accounts, cron and sshd.
//!
//! All of it lives in namespaces below one process, the keeper, whose end takes everything with it: the keeper ends when
//! this program does, however it ends. On the machine itself stand only the files that the hosts write and their
//! cgroups; a world that was cut off leaves those to the next one, which removes them.
//!
//! Only for machines that may be thrown away: root on a host is root on the machine's kernel.

mod able;
pub(crate) mod host;
mod image;
pub(crate) mod part;
pub(crate) mod pool;
pub(crate) mod snapshot;

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustix::fs::{IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags, open};

use self::able::{able, skipped};
use self::host::Host;
use self::image::{CACHE, image};
use self::pool::Pool;
use crate::common::machine::{Turn, children, turn, wait_until};

/// How long the kernel may take for what it does at once.
const SOON: Duration = Duration::from_secs(20);

/// Where programs are, on the machine and on a host.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many inotify instances root may have (inotify(7)): a host takes seven, and three more for each user manager; the usual
/// 128 end at a dozen hosts, whose path units then fail.
const WATCHERS: u32 = 2048;

/// Lets root have enough of them. The switch is the machine's; it is only ever raised, and stays.
fn let_watch() {
    let switch = "/proc/sys/fs/inotify/max_user_instances";
    let now = fs::read_to_string(switch)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    if now.is_some_and(|now: u32| now < WATCHERS) {
        fs::write(switch, WATCHERS.to_string()).expect("root may raise it");
    }
}

/// Starts the names of our cgroups, before the pid of the test program.
const CGROUPS: &str = "deminer-tests-";

/// Namespaces with a switch, to which hosts and a pool are joined.
pub(crate) struct World {
    /// What all of its hosts stand on.
    image: PathBuf,
    /// Its files on the machine.
    directory: PathBuf,
    cgroup: PathBuf,
    /// Waits for the end of its standard input, which this program holds.
    keeper: Child,
    /// The first process of the world's pid namespace, the keeper's only child.
    first: u32,
    addresses: AtomicU8,
    // The machine is looked at by other tests; theirs must not see our miners.
    _turn: Arc<Turn>,
}

impl World {
    /// An empty world; `None`, with a line that says so, where this machine can have none.
    ///
    /// # Panics
    /// When it can have one and does not come to be.
    pub(crate) fn new(name: &str) -> Option<World> {
        match able().and_then(|cgroups| Ok((cgroups, image()?))) {
            Ok((cgroups, image)) => {
                let_watch();
                Some(World::on(&cgroups, image, name))
            }
            Err(why) => {
                skipped(&why);
                None
            }
        }
    }

    fn on(cgroups: &Path, image: PathBuf, name: &str) -> World {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let turn = common_turn();
        let worlds = Path::new(CACHE).join("worlds");
        remove_abandoned(cgroups, &worlds);
        let own = format!(
            "{}-{}-{name}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let (directory, cgroup) = (worlds.join(&own), cgroups.join(format!("{CGROUPS}{own}")));
        fs::create_dir_all(&directory).expect("a directory for a world");
        fs::create_dir(&cgroup).expect("a cgroup for a world");
        let keeper = Command::new("unshare")
            .args([
                "--net",
                "--pid",
                "--fork",
                "--kill-child",
                "--",
                "sh",
                "-euc",
                "read -r _",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("unshare(1) starts");
        let mut first = None;
        let there = wait_until(SOON, || {
            first = children(keeper.id()).first().copied();
            first.is_some_and(|first| differs(first, "pid"))
        });
        assert!(there, "the world `{name}` does not come to be");
        let world = World {
            image,
            directory,
            cgroup,
            keeper,
            first: first.expect("it was just there"),
            addresses: AtomicU8::new(0),
            _turn: turn,
        };
        world.ip(&["link", "add", "name", "switch", "type", "bridge"]);
        world.ip(&["link", "set", "switch", "up"]);
        world
    }

    /// A host that has not been started.
    pub(crate) fn host(&self, name: &str) -> Host<'_> {
        Host::new(self, name)
    }

    /// A fake pool and an honest server, which every host can reach.
    pub(crate) fn pool(&self) -> Pool<'_> {
        Pool::open(self)
    }

    /// Runs `ip` where the switch is.
    fn ip(&self, words: &[&str]) {
        let done = Command::new("nsenter")
            .args(["--target", &self.first.to_string(), "--net", "ip"])
            .args(words)
            .stdin(Stdio::null())
            .output()
            .expect("nsenter(1) starts");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "`ip {}`: {said}", words.join(" "));
    }

    /// Gives the network of this process a cable to the switch, named `eth0` there.
    fn join(&self, pid: u32) {
        let port = format!("port{pid}");
        let words = [
            "link", "add", "name", &port, "type", "veth", "peer", "name", "eth0", "netns",
        ];
        self.ip(&[&words[..], &[&pid.to_string()]].concat());
        self.ip(&["link", "set", &port, "master", "switch", "up"]);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The end of its input is its end, and that the end of all that lives below it.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
        let empty = wait_until(SOON, || remove_cgroups(&self.cgroup));
        remove_files(&self.directory);
        assert!(empty || std::thread::panicking(), "processes of a world outlive it");
    }
}

/// The machine, for all worlds of this program together.
fn common_turn() -> Arc<Turn> {
    static TURN: Mutex<Weak<Turn>> = Mutex::new(Weak::new());
    let mut shared = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let turn = Arc::new(turn());
        *shared = Arc::downgrade(&turn);
        turn
    })
}

/// Whether a process has a namespace of this kind that is not ours.
fn differs(pid: u32, kind: &str) -> bool {
    let ours = fs::read_link(format!("/proc/self/ns/{kind}"));
    let theirs = fs::read_link(format!("/proc/{pid}/ns/{kind}"));
    matches!((ours, theirs), (Ok(ours), Ok(theirs)) if ours != theirs)
}

/// Removes what worlds left whose program was killed.
fn remove_abandoned(cgroups: &Path, worlds: &Path) {
    let names = |directory: &Path| {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect::<Vec<_>>()
    };
    let abandoned = |own: &str| {
        let pid = own.split('-').next().and_then(|pid| pid.parse::<u32>().ok());
        pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
    };
    for name in names(cgroups) {
        if name.strip_prefix(CGROUPS).is_some_and(abandoned) {
            remove_cgroups(&cgroups.join(name));
        }
    }
    for own in names(worlds) {
        if abandoned(&own) {
            remove_files(&worlds.join(own));
        }
    }
}

/// Removes cgroups from the innermost outwards; says whether none is left.
fn remove_cgroups(directory: &Path) -> bool {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroups(&entry.path());
        }
    }
    // One that still has a process in it is tried again.
    let _ = fs::remove_dir(directory);
    !directory.exists()
}

/// Removes files that may be immutable.
fn remove_files(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() || kind.is_file() {
            clear_flags(&entry.path());
        }
        if kind.is_dir() {
            remove_files(&entry.path());
        }
    }
    // Whoever comes next removes what is left.
    let _ = fs::remove_dir_all(directory);
}

fn clear_flags(path: &Path) {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = open(path, flags, Mode::empty()) else {
        return;
    };
    let locked = IFlags::IMMUTABLE | IFlags::APPEND;
    if let Ok(flags) = ioctl_getflags(file.as_fd())
        && flags.intersects(locked)
    {
        let _ = ioctl_setflags(file.as_fd(), flags - locked);
    }
}
