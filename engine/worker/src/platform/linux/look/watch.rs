//! Watching for what must not come back, by looking again and again.
//!
//! A look sees what lasts: what begins and ends between two looks is not seen.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::Scene;
use super::crew::Report;
use super::digest::FileKey;
use super::facts::boot_id;
use super::file::{Depth, Meta, Place, content_digest, entry, text};
use super::gaps::{Gaps, pid_object};
use super::process::open_executable;
use super::process::stat::parse_stat;
use super::procfs::Proc;
use super::socket::{namespaces, owners, read_tables};
use super::uptime_ms;
use crate::query::{
    Entry, FileKind, GapReason, HostError, Observed, Peer, Sighting, WatchCursor, WatchQuery, Watched, WatchedLine,
    limits,
};
use crate::text::{Digest, HostBytes, HostPath, Wide};

/// From the beginning of one look to the beginning of the next.
const POLL: Duration = Duration::from_millis(200);

/// A longer time between two looks was not watched: the host slept, or a look took too long.
const BLIND_MS: u64 = 2_000;

/// Connections that somebody uses or begins; what a dead owner left behind fades by itself.
const LIVE: [&str; 4] = ["established", "syn_sent", "syn_recv", "close_wait"];

/// Answers `Watch`: ends with the time asked for, or one look after the first sighting.
///
/// # Errors
/// When `/proc` is none or cannot be listed.
pub(super) fn watch(scene: &Arc<Scene>, query: &WatchQuery) -> Result<Observed<Watched>, HostError> {
    let mut gaps = Gaps::default();
    let boot_id = boot_id()?;
    let begin = uptime_ms();
    let missed_before = match &query.cursor {
        None => 0,
        Some(cursor) if cursor.boot_id == boot_id => begin.saturating_sub(cursor.uptime_ms.0),
        Some(_) => {
            gaps.note("watch", "", GapReason::Changed);
            begin
        }
    };
    let mut watcher = Watcher::new(scene.clone(), query, &mut gaps)?;
    let end = begin.saturating_add(query.for_ms.min(limits::WATCH_MS));
    let (mut covered_ms, mut missed_ms, mut last) = (0, missed_before, begin);
    loop {
        let had_seen = !watcher.sightings.is_empty();
        watcher.look(&mut gaps)?;
        let now = uptime_ms();
        let since = now.saturating_sub(last);
        if since > BLIND_MS {
            missed_ms += since;
        } else {
            covered_ms += since;
        }
        last = now;
        if had_seen || now >= end {
            break;
        }
        let until_end = Duration::from_millis(end - now);
        std::thread::sleep(POLL.min(until_end));
    }
    Ok(Observed {
        value: Watched {
            cursor: WatchCursor {
                boot_id,
                uptime_ms: Wide(last),
            },
            covered_ms,
            missed_ms,
            sightings: watcher.sightings,
        },
        coverage: gaps.into_coverage(),
    })
}

struct Watcher {
    scene: Arc<Scene>,
    proc: Arc<Proc>,
    executables: HashSet<Digest>,
    files: Vec<HostPath>,
    lines: BTreeMap<HostPath, Vec<WatchedLine>>,
    /// With the form in which each was asked for.
    remotes: HashMap<(IpAddr, u16), Peer>,
    sightings: Vec<Sighting>,
    /// Executables that were hashed in this watch.
    hashed: HashMap<FileKey, Option<Digest>>,
    /// Files with watched lines as they were when they were read last.
    read: HashMap<HostPath, FileKey>,
    /// What hung once is not asked again.
    hanging: HashSet<HostBytes>,
}

/// What one process runs.
type Runner = (u32, Result<FileKey, Errno>);

impl Watcher {
    fn new(scene: Arc<Scene>, query: &WatchQuery, gaps: &mut Gaps) -> Result<Self, HostError> {
        let mut remotes = HashMap::new();
        for remote in &query.remotes {
            match remote.address.parse::<IpAddr>() {
                Ok(address) => {
                    remotes.insert((address.to_canonical(), remote.port), remote.clone());
                }
                Err(_) => gaps.note("remote", HostBytes::from(remote.address.as_str()), GapReason::Malformed),
            }
        }
        let mut lines: BTreeMap<HostPath, Vec<WatchedLine>> = BTreeMap::new();
        for line in &query.lines {
            lines.entry(line.path.clone()).or_default().push(line.clone());
        }
        Ok(Self {
            scene,
            proc: Arc::new(Proc::open(gaps)?),
            executables: query.executables.iter().copied().collect(),
            files: query.files.clone(),
            lines,
            remotes,
            sightings: Vec::new(),
            hashed: HashMap::new(),
            read: HashMap::new(),
            hanging: HashSet::new(),
        })
    }

    fn look(&mut self, gaps: &mut Gaps) -> Result<(), HostError> {
        if !self.executables.is_empty() {
            let pids = self.proc.pids(gaps)?;
            self.look_at_executables(pids, gaps);
        }
        if !self.remotes.is_empty() {
            let pids = self.proc.pids(gaps)?;
            self.look_at_remotes(pids, gaps);
        }
        self.look_at_files(gaps);
        self.look_at_lines(gaps);
        Ok(())
    }

    fn see(&mut self, sighting: Sighting) {
        let known = self.sightings.iter().any(|seen| match (seen, &sighting) {
            (Sighting::File { stat: a }, Sighting::File { stat: b }) => a.path == b.path,
            (Sighting::Connected { remote: a, .. }, Sighting::Connected { remote: b, .. }) => a == b,
            (
                Sighting::Running {
                    pid: a, start_ticks: x, ..
                },
                Sighting::Running {
                    pid: b, start_ticks: y, ..
                },
            ) => (a, x) == (b, y),
            (a, b) => a == b,
        });
        if !known {
            self.sightings.push(sighting);
        }
    }

    fn hang(&mut self, subject: &str, object: HostBytes, gaps: &mut Gaps) {
        gaps.note(subject, object.clone(), GapReason::TimedOut);
        self.hanging.insert(object);
    }

    fn look_at_executables(&mut self, mut pids: Vec<u32>, gaps: &mut Gaps) {
        pids.retain(|pid| !self.hanging.contains(&pid_object(*pid)));
        let proc = self.proc.clone();
        let harvest = self
            .scene
            .crew
            .run(pids.clone(), move |pid: &u32, report: &Report<Runner>| {
                let key = proc.behind_executable(*pid).map(|found| found.key());
                report.give((*pid, key));
            });
        for at in harvest.stuck {
            self.hang("executable", pid_object(pids[at]), gaps);
        }
        let mut fresh: HashMap<FileKey, u32> = HashMap::new();
        let mut runners = Vec::new();
        for (_, (pid, key)) in harvest.given {
            match key {
                Ok(key) => {
                    if !self.hashed.contains_key(&key) {
                        fresh.insert(key, pid);
                    }
                    runners.push((pid, key));
                }
                // A kernel thread, a process of which no thread runs any more, or gone.
                Err(Errno::NOENT | Errno::SRCH) => {}
                Err(errno) => gaps.errno("executable", pid_object(pid), errno),
            }
        }
        self.hash(fresh.into_iter().collect(), gaps);
        runners.sort_unstable_by_key(|(pid, _)| *pid);
        for (pid, key) in runners {
            let condemned = self.hashed.get(&key).copied().flatten();
            let Some(sha256) = condemned.filter(|digest| self.executables.contains(digest)) else {
                continue;
            };
            let mut bytes = Vec::new();
            let read = self.proc.pid(pid).and_then(|dir| {
                dir.read_piece(c"stat", 4096, &mut bytes)?;
                self.proc.behind_executable(pid)
            });
            // It may have become another between the two looks.
            if let (Ok(found), Some(stat)) = (read, parse_stat(&bytes))
                && found.key() == key
            {
                self.see(Sighting::Running {
                    pid,
                    start_ticks: Wide(stat.start_ticks),
                    ppid: stat.ppid,
                    sha256,
                    comm: HostBytes::new(stat.comm),
                });
            }
        }
    }

    /// Hashes executables that were not met before in this watch. One whose process ended is met again when it is.
    fn hash(&mut self, fresh: Vec<(FileKey, u32)>, gaps: &mut Gaps) {
        if fresh.is_empty() {
            return;
        }
        let (scene, proc) = (self.scene.clone(), self.proc.clone());
        let harvest = self.scene.crew.run(
            fresh.clone(),
            move |(key, pid): &(FileKey, u32), report: &Report<(Option<Digest>, Gaps)>| {
                if let Some(digest) = scene.digests.known(key) {
                    report.give((Some(digest), Gaps::default()));
                    return;
                }
                let mut gaps = Gaps::default();
                let opened = proc.shared(*pid).and_then(|dir| open_executable(&dir)).and_then(|fd| {
                    let found = Meta::of_fd(fd.as_fd())?;
                    if found.key() == *key && found.kind == FileKind::Regular {
                        Ok(fd)
                    } else {
                        Err(Errno::SRCH)
                    }
                });
                match opened {
                    Ok(fd) => {
                        let beat = || report.beat();
                        let digest = content_digest(&scene, fd.as_fd(), pid_object(*pid), &mut gaps, &beat);
                        report.give((digest, gaps));
                    }
                    Err(Errno::NOENT | Errno::SRCH) => {}
                    Err(errno) => {
                        gaps.errno("executable", pid_object(*pid), errno);
                        report.give((None, gaps));
                    }
                }
            },
        );
        for (at, (digest, own)) in harvest.given {
            gaps.unite(own);
            self.hashed.insert(fresh[at].0, digest);
        }
        for at in harvest.stuck {
            self.hashed.insert(fresh[at].0, None);
            self.hang("executable", pid_object(fresh[at].1), gaps);
        }
    }

    fn look_at_remotes(&mut self, pids: Vec<u32>, gaps: &mut Gaps) {
        let namespaces = namespaces(&self.proc, &pids, gaps);
        let mut met: BTreeMap<Peer, Vec<u64>> = BTreeMap::new();
        for socket in read_tables(&self.proc, &namespaces, gaps) {
            let line = &socket.line;
            if line.inode != 0
                && LIVE.contains(&line.state)
                && let Some(remote) = self.remotes.get(&line.remote)
            {
                met.entry(remote.clone()).or_default().push(line.inode);
            }
        }
        if met.is_empty() {
            return;
        }
        let owners = owners(&self.scene, &self.proc, pids, gaps);
        for (remote, inodes) in met {
            let mut holders: Vec<u32> = inodes
                .iter()
                .filter_map(|inode| owners.get(inode))
                .flatten()
                .copied()
                .collect();
            holders.sort_unstable();
            holders.dedup();
            self.see(Sighting::Connected {
                remote,
                owners: holders,
            });
        }
    }

    fn look_at_files(&mut self, gaps: &mut Gaps) {
        let hanging = &self.hanging;
        let paths: Vec<HostPath> = self
            .files
            .iter()
            .filter(|path| !hanging.contains(&(*path).into()))
            .cloned()
            .collect();
        if paths.is_empty() {
            return;
        }
        let scene = self.scene.clone();
        let harvest = self
            .scene
            .crew
            .run(paths.clone(), move |path: &HostPath, report: &Report<(Entry, Gaps)>| {
                let mut gaps = Gaps::default();
                let entry = entry(&scene, path, Depth::Outside, &mut gaps, &|| report.beat());
                report.give((entry, gaps));
            });
        let mut given = harvest.given;
        given.sort_unstable_by_key(|(at, _)| *at);
        for (_, (entry, own)) in given {
            gaps.unite(own);
            if let Entry::Present(stat) = entry
                && stat.kind == FileKind::Regular
            {
                self.see(Sighting::File { stat });
            }
        }
        for at in harvest.stuck {
            self.hang("file", (&paths[at]).into(), gaps);
        }
    }

    fn look_at_lines(&mut self, gaps: &mut Gaps) {
        let hanging = &self.hanging;
        let paths: Vec<(HostPath, Option<FileKey>)> = self
            .lines
            .keys()
            .filter(|path| !hanging.contains(&(*path).into()))
            .map(|path| (path.clone(), self.read.get(path).copied()))
            .collect();
        if paths.is_empty() {
            return;
        }
        let scene = self.scene.clone();
        let harvest = self.scene.crew.run(
            paths.clone(),
            move |(path, before): &(HostPath, Option<FileKey>),
                  report: &Report<(Option<(FileKey, HostBytes)>, Gaps)>| {
                let mut gaps = Gaps::default();
                let beat = || report.beat();
                let told = Place::of(path).and_then(|place| {
                    let key = Meta::at(&place.dir, &place.name)?.key();
                    if Some(key) == *before {
                        return Ok(None);
                    }
                    let dir = place.dir.as_fd();
                    let text = text(&scene, dir, &place.name, path, limits::READ_BYTES, &mut gaps, &beat)?;
                    if text.cut {
                        gaps.note("file", path, GapReason::Cut);
                    }
                    Ok(Some((key, text.content)))
                });
                let found = told.unwrap_or_else(|errno| {
                    if !matches!(errno, Errno::NOENT | Errno::NOTDIR) {
                        gaps.errno("file", path, errno);
                    }
                    None
                });
                report.give((found, gaps));
            },
        );
        for (at, (found, own)) in harvest.given {
            gaps.unite(own);
            let Some((key, content)) = found else {
                continue;
            };
            let path = &paths[at].0;
            let present: Vec<WatchedLine> = {
                let lines: HashSet<&[u8]> = content.as_bytes().split(|byte| *byte == b'\n').collect();
                let watched = self.lines.get(path).into_iter().flatten();
                watched
                    .filter(|watched| lines.contains(watched.line.as_bytes()))
                    .cloned()
                    .collect()
            };
            for line in present {
                self.see(Sighting::Line { line });
            }
            // A file that was written just now may be written again without another time of change.
            if key.ctime_ns.max(key.mtime_ns) / 1_000_000 + 1_000 < super::host_time_ms() {
                self.read.insert(path.clone(), key);
            }
        }
        for at in harvest.stuck {
            self.hang("file", (&paths[at].0).into(), gaps);
        }
    }
}

#[cfg(test)]
mod tests;
