//! A simulated host while it lives: built once from a [`World`], changed by acts and by its own behaviours.

use std::collections::{BTreeMap, BTreeSet};

use super::behaviour::Pending;
use super::faults::Script;
use super::keeper::Keeper;
use super::process::{Life, Running};
use super::store::Journal;
use super::tree::{Traits, Tree, ns, plain};
use super::units::Having;
use super::wall::Wall;
use super::world::{self, Content, LATEST_MS, PID_MAX, Unreadable, World};
use crate::query::{GapReason, HostError};
use crate::text::{Digest, HostPath};

/// The greatest step of the clock.
pub(super) const DAY_MS: u64 = 86_400_000;

/// All of it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) world: World,
    pub(super) uptime_ms: u64,
    pub(super) tree: Tree,
    pub(super) processes: BTreeMap<u32, Running>,
    pub(super) sockets: Vec<HeldSocket>,
    pub(super) packaged: Packaged,
    pub(super) unreadable_paths: BTreeSet<HostPath>,
    pub(super) unreadable_pids: BTreeSet<u32>,
    pub(super) ignores_stop: BTreeSet<u32>,
    pub(super) disk_full: bool,
    pub(super) pending: Pending,
    /// What became of the described units, in their order.
    pub(super) having: Vec<Having>,
    pub(super) script: Script,
    /// The worker was killed, and what it left was not yet cleared away.
    pub(super) worker_killed: bool,
    pub(super) keeper: Option<Keeper>,
    /// The number of the lock that is held.
    pub(super) lock: Option<u64>,
    pub(super) locks: u64,
    pub(super) journals: BTreeMap<HostPath, Journal>,
    pub(super) wall: Wall,
    next_socket: u64,
    last_pid: u32,
}

/// A socket and who holds it.
#[derive(Debug, Clone)]
pub(super) struct HeldSocket {
    pub(super) inode: u64,
    pub(super) about: world::Socket,
    pub(super) owners: Vec<u32>,
}

/// What the package database says.
#[derive(Debug, Default)]
pub(super) struct Packaged {
    /// The package of a path, and the digest that it keeps of it.
    pub(super) by_path: BTreeMap<HostPath, (String, Option<Digest>)>,
    /// The first packaged path of a content.
    pub(super) by_content: BTreeMap<Digest, HostPath>,
}

/// Something to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start<'a> {
    /// Where it lies when it is run.
    pub(super) exe: &'a HostPath,
    /// What is copied there first.
    pub(super) from: Option<&'a HostPath>,
    /// What is written there first, where `from` is none or gone.
    pub(super) content: Option<&'a Content>,
    /// The described process that it is like.
    pub(super) like: Option<u32>,
    pub(super) parent: u32,
    pub(super) unlink_after: bool,
}

impl State {
    pub(super) fn new(mut world: World) -> Self {
        world.uptime_ms = world.uptime_ms.min(LATEST_MS);
        world.host_time_ms = world.host_time_ms.min(LATEST_MS);
        let mut state = Self {
            uptime_ms: world.uptime_ms,
            tree: Tree::new(&world),
            processes: BTreeMap::new(),
            sockets: Vec::new(),
            packaged: Packaged::default(),
            unreadable_paths: BTreeSet::new(),
            unreadable_pids: BTreeSet::new(),
            ignores_stop: BTreeSet::new(),
            disk_full: false,
            pending: Pending::new(&world),
            having: Having::all(&world),
            script: Script::new(world.faults.clone()),
            worker_killed: false,
            keeper: None,
            lock: None,
            locks: 0,
            journals: BTreeMap::new(),
            wall: Wall::default(),
            next_socket: 20_001,
            last_pid: 0,
            world,
        };
        state.hide();
        state.install();
        state.populate();
        state.enrol();
        state
    }

    fn hide(&mut self) {
        for hidden in &self.world.unreadable {
            match hidden {
                Unreadable::Pid(pid) => drop(self.unreadable_pids.insert(*pid)),
                Unreadable::Path(path) => drop(self.unreadable_paths.insert(plain(path))),
            }
        }
    }

    /// Makes the packaged files that are not described, and the database of all of them.
    fn install(&mut self) {
        let packages: Vec<(String, HostPath)> = self
            .world
            .packages
            .iter()
            .flat_map(|(package, paths)| paths.iter().map(|path| (package.clone(), plain(path))))
            .collect();
        for (package, path) in packages {
            self.program_at(&path);
            let digest = self
                .tree
                .regular(&path)
                .filter(|_| !self.world.conffiles.contains(&path))
                .map(|inode| (inode.sha256, inode.content.is_empty()));
            if let Some((sha256, false)) = digest {
                self.packaged.by_content.entry(sha256).or_insert_with(|| path.clone());
            }
            self.packaged
                .by_path
                .entry(path)
                .or_insert((package, digest.map(|(sha256, _)| sha256)));
        }
    }

    /// The regular file at a path, made where there is nothing: a stand-in of its own content.
    fn program_at(&mut self, path: &HostPath) -> Option<u64> {
        let path = &plain(path);
        if self.tree.lookup(path).is_none() {
            let old_ns = ns(self.world.host_time_ms.saturating_sub(30 * DAY_MS));
            if let Some(parent) = path.parent() {
                self.tree.make_directories(&parent, old_ns);
            }
            let content = [b"\x7fELF\n", path.as_bytes(), b"\n"].concat();
            self.tree.put(path, content, Traits::regular(0o755, 0, old_ns));
        }
        self.tree.regular(path).map(|inode| inode.id.inode.0)
    }

    fn populate(&mut self) {
        let mut described = self.world.processes.clone();
        let has = |described: &[world::Process], pid| described.iter().any(|p| p.pid == pid);
        if !has(&described, 1) {
            let first = world::Process {
                ppid: 0,
                ..world::Process::new(1, "/usr/lib/systemd/systemd")
            };
            described.insert(0, first);
        }
        if !has(&described, self.world.worker) {
            let worker = world::Process {
                uid: self.world.worker_uid,
                started_ms: self.uptime_ms,
                ..world::Process::new(self.world.worker, "/run/.deminer/worker")
            };
            let content = Some(Content::Text("the worker".into()));
            described.push(world::Process {
                exe_content: content,
                ..worker
            });
        }
        for about in described {
            let now_ns = ns(self.world.host_time_ms);
            let exe = match (&about.exe, &about.exe_content) {
                _ if about.kernel_thread => None,
                (None, _) => None,
                (Some(path), Some(content)) => {
                    let content = self.world.bytes(content).unwrap_or_default();
                    let traits = Traits::regular(0o755, about.uid, now_ns);
                    let number = match about.is_memfd() {
                        true => self.tree.make_nameless(content, traits),
                        false => self.tree.make_unlinked(&plain(path), content, traits),
                    };
                    Some((path.clone(), number))
                }
                (Some(path), None) => self.program_at(path).map(|number| (path.clone(), number)),
            };
            if self.processes.contains_key(&about.pid) {
                continue;
            }
            if about.ignores_stop {
                self.ignores_stop.insert(about.pid);
            }
            self.open_sockets(about.pid, &about.sockets);
            let started_ms = about.started_ms.min(self.uptime_ms);
            let process = Running::new(about.clone(), exe, about.pid, started_ms);
            self.last_pid = self.last_pid.max(about.pid);
            self.processes.insert(about.pid, process);
        }
        for about in self.world.sockets.clone() {
            let inode = self.number_socket();
            let owners = about.owners.clone();
            self.sockets.push(HeldSocket { inode, about, owners });
        }
    }

    fn number_socket(&mut self) -> u64 {
        self.next_socket += 1;
        self.next_socket - 1
    }

    fn open_sockets(&mut self, pid: u32, sockets: &[world::Socket]) {
        for about in sockets {
            let inode = self.number_socket();
            let mut owners = about.owners.clone();
            owners.push(pid);
            owners.sort_unstable();
            owners.dedup();
            self.sockets.push(HeldSocket {
                inode,
                about: about.clone(),
                owners,
            });
        }
    }

    /// The host's clock, in milliseconds since 1970.
    pub(super) fn host_time_ms(&self) -> u64 {
        let since = self.uptime_ms.saturating_sub(self.world.uptime_ms);
        self.world.host_time_ms.saturating_add(since)
    }

    /// The same for whoever has the clock of a world that says nothing of its own.
    pub(super) fn time_ms(&self) -> u64 {
        let since = self.uptime_ms.saturating_sub(self.world.uptime_ms);
        World::default().host_time_ms.saturating_add(since)
    }

    /// The host's clock, in nanoseconds.
    pub(super) fn now_ns(&self) -> u64 {
        ns(self.host_time_ms())
    }

    /// A process that has not ended.
    pub(super) fn living(&self, pid: u32) -> Option<&Running> {
        self.processes.get(&pid).filter(|process| process.is_alive())
    }

    /// The living process that has the place of a described one.
    pub(super) fn in_place_of(&self, role: u32) -> Option<&Running> {
        self.processes
            .values()
            .find(|process| process.role == role && process.is_alive())
    }

    /// Ends a process. Its children become those of pid 1, its sockets close.
    pub(super) fn end(&mut self, pid: u32) {
        let now_ms = self.uptime_ms;
        if let Some(process) = self.processes.get_mut(&pid) {
            process.set_life(Life::Dead, now_ms);
        }
        for child in self.processes.values_mut().filter(|p| p.ppid == pid && p.is_alive()) {
            child.ppid = 1;
        }
        for socket in &mut self.sockets {
            if socket.owners.contains(&pid) {
                socket.owners.retain(|owner| *owner != pid);
                if socket.owners.is_empty() {
                    socket.inode = 0;
                }
            }
        }
        self.sockets.retain(|socket| socket.inode != 0);
    }

    /// Stops a process or lets it run again.
    pub(super) fn set_life(&mut self, pid: u32, life: Life) {
        let now_ms = self.uptime_ms;
        if let Some(process) = self.processes.get_mut(&pid).filter(|process| process.is_alive()) {
            process.set_life(life, now_ms);
        }
    }

    /// Runs something; `None` where there is nothing to run.
    pub(super) fn start(&mut self, start: Start<'_>) -> Option<u32> {
        let like = start
            .like
            .and_then(|role| self.world.processes.iter().find(|p| p.pid == role));
        let like = like.cloned();
        let uid = like.as_ref().map_or(0, |like| like.uid);
        let now_ns = self.now_ns();
        let content = start
            .from
            .and_then(|from| self.tree.regular(from))
            .map(|inode| inode.content.clone())
            .or_else(|| self.world.bytes(start.content?).ok());
        let exe = plain(start.exe);
        if let Some(content) = content
            && self.tree.holds_fast(&exe).is_none()
        {
            if let Some(parent) = exe.parent() {
                self.tree.make_directories(&parent, now_ns);
            }
            self.tree.put(&exe, content, Traits::regular(0o755, uid, now_ns));
            self.tree.touch_parent(&exe, now_ns);
        }
        let runnable = self.tree.regular(&exe).filter(|inode| inode.mode & 0o111 != 0)?;
        let number = runnable.id.inode.0;
        if start.unlink_after {
            self.tree.unlink(&exe, now_ns);
        }
        let pid = self.next_pid();
        let mut about = like.unwrap_or_else(|| world::Process::new(pid, "/"));
        about.pid = pid;
        about.ppid = start.parent;
        about.exe = Some(start.exe.clone());
        let role = start.like.unwrap_or(pid);
        if about.ignores_stop {
            self.ignores_stop.insert(pid);
        }
        self.open_sockets(pid, &about.sockets);
        let process = Running::new(about, Some((start.exe.clone(), number)), role, self.uptime_ms);
        self.processes.insert(pid, process);
        Some(pid)
    }

    /// The next pid that no process, living or dead, has had.
    fn next_pid(&mut self) -> u32 {
        loop {
            self.last_pid = self.last_pid % PID_MAX + 1;
            if !self.processes.contains_key(&self.last_pid) {
                return self.last_pid;
            }
        }
    }

    /// Why a path cannot be looked at: it, or a directory above it, is not shown.
    pub(super) fn hidden(&self, path: &HostPath) -> Option<GapReason> {
        let path = plain(path);
        let own = self.tree.resolve(&path, false);
        let covers = |hidden: &HostPath| path.is_below(hidden) || own.as_ref().is_some_and(|own| own.is_below(hidden));
        self.unreadable_paths.iter().any(covers).then_some(GapReason::Denied)
    }

    /// Whether only what is above a path keeps it from being seen.
    pub(super) fn hidden_from_above(&self, path: &HostPath) -> bool {
        path.parent().is_some_and(|parent| self.hidden(&parent).is_some())
    }

    /// Refuses what would need room on a full disk.
    pub(super) fn need_room(&self, doing: &str) -> Result<(), HostError> {
        match self.disk_full {
            false => Ok(()),
            true => Err(HostError::Failed {
                doing: doing.to_owned(),
                why: "no space left on device".to_owned(),
            }),
        }
    }
}
