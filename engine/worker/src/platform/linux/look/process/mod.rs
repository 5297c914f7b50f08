//! Processes, as `/proc/PID` shows them.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, OFlags, statat};
use rustix::io::Errno;

use super::Scene;
use super::crew::Report;
use super::digest::FileKey;
use super::facts::own_namespace;
use super::file::{Meta, content_digest};
use super::gaps::{Gaps, pid_object};
use super::procfs::{PidDir, Proc, TABLE_BYTES, Units, bracketed, for_each_name, number, read_link};
use super::uptime_ms;
use crate::query::{
    Executable, FileId, FileKind, GapReason, HostError, Observed, OpenFile, Process, ProcessesQuery, limits,
};
use crate::text::{Digest, HostBytes, HostPath, Wide};
use crate::unit_name::cgroup_path;

pub(super) mod maps;
pub(super) mod script;
pub(super) mod stat;

use maps::DELETED;
use stat::{Stat, parse_arguments, parse_stat, parse_status, pieces};

/// What reads one process after another.
struct Reader {
    scene: Arc<Scene>,
    proc: Proc,
    units: Units,
    ask: ProcessesQuery,
    own_mount_namespace: Option<u64>,
    before: HashMap<u32, Sample>,
}

/// CPU time at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    start_ticks: u64,
    cpu_ticks: u64,
    at: Instant,
}

/// One process with what its executable is known by.
struct Row {
    process: Process,
    key: Option<FileKey>,
}

/// Why a process has no row.
enum NoRow {
    Errno(Errno),
    Malformed,
}

impl From<Errno> for NoRow {
    fn from(errno: Errno) -> Self {
        NoRow::Errno(errno)
    }
}

/// Answers `Processes`, by pid.
///
/// # Errors
/// When `/proc` is none or cannot be listed.
pub(super) fn processes(scene: &Arc<Scene>, query: &ProcessesQuery) -> Result<Observed<Vec<Process>>, HostError> {
    let mut gaps = Gaps::default();
    let proc = Proc::open(&mut gaps)?;
    let asked = |gaps: &mut Gaps| match &query.pids {
        None => proc.pids(gaps),
        Some(pids) => {
            let mut pids: Vec<u32> = pids.iter().copied().take(limits::PROCESSES).collect();
            pids.sort_unstable();
            pids.dedup();
            Ok(pids)
        }
    };
    let mut before = HashMap::new();
    if query.sample_ms > 0 {
        let mut bytes = Vec::new();
        for pid in asked(&mut Gaps::default())? {
            let read = proc.pid(pid).and_then(|dir| dir.read_piece(c"stat", 4096, &mut bytes));
            if let (Ok(true), Some(stat)) = (read, parse_stat(&bytes)) {
                before.insert(pid, Sample::of(&stat));
            }
        }
        std::thread::sleep(Duration::from_millis(query.sample_ms.min(limits::WATCH_MS)));
    }
    let pids = asked(&mut gaps)?;
    let reader = Arc::new(Reader {
        scene: scene.clone(),
        proc,
        units: Units::read(),
        ask: query.clone(),
        own_mount_namespace: own_namespace("mnt"),
        before,
    });
    let reading = reader.clone();
    let harvest = scene.crew.run(
        pids.clone(),
        move |pid: &u32, report: &Report<(Option<Box<Row>>, Gaps)>| {
            let mut gaps = Gaps::default();
            let row = match reading.row(*pid, &mut gaps, &|| report.beat()) {
                Ok(row) => Some(Box::new(row)),
                Err(why) => {
                    // What was noted of a process that is gone is of no use.
                    gaps = Gaps::default();
                    match why {
                        NoRow::Errno(errno) => gaps.errno("process", pid_object(*pid), errno),
                        NoRow::Malformed => gaps.note("process", pid_object(*pid), GapReason::Malformed),
                    }
                    None
                }
            };
            report.give((row, gaps));
        },
    );
    let mut told = harvest.given;
    told.sort_unstable_by_key(|(at, _)| *at);
    let mut rows = Vec::with_capacity(told.len());
    for (_, (row, own)) in told {
        rows.extend(row.map(|row| *row));
        gaps.unite(own);
    }
    for at in harvest.stuck {
        gaps.note("process", pid_object(pids[at]), GapReason::TimedOut);
    }
    if query.digest {
        hash_executables(&reader, &mut rows, &mut gaps);
    }
    Ok(Observed {
        value: rows.into_iter().map(|row| row.process).collect(),
        coverage: gaps.into_coverage(),
    })
}

/// Hashes each executable once, through whichever of its processes is still there.
fn hash_executables(reader: &Arc<Reader>, rows: &mut [Row], gaps: &mut Gaps) {
    let mut runners: HashMap<FileKey, Vec<u32>> = HashMap::new();
    for row in rows.iter() {
        if let Some(key) = row.key {
            runners.entry(key).or_default().push(row.process.pid);
        }
    }
    let files: Vec<(FileKey, Vec<u32>)> = runners.into_iter().collect();
    let reading = reader.clone();
    let harvest = reader.scene.crew.run(
        files.clone(),
        move |(key, pids): &(FileKey, Vec<u32>), report: &Report<(Option<Digest>, Gaps)>| {
            let mut gaps = Gaps::default();
            let digest = reading.executable_digest(key, pids, &mut gaps, &|| report.beat());
            report.give((digest, gaps));
        },
    );
    let mut digests: HashMap<FileKey, Digest> = HashMap::new();
    for (at, (digest, own)) in harvest.given {
        gaps.unite(own);
        digests.extend(digest.map(|digest| (files[at].0, digest)));
    }
    for at in harvest.stuck {
        for pid in &files[at].1 {
            gaps.note("executable", pid_object(*pid), GapReason::TimedOut);
        }
    }
    for row in rows {
        if let (Some(key), Some(exe)) = (row.key, &mut row.process.exe) {
            exe.sha256 = digests.get(&key).copied();
        }
    }
}

/// Opens what a process runs, for reading; works for a file that no name leads to.
pub(super) fn open_executable(dir: &PidDir) -> Result<OwnedFd, Errno> {
    // The kernel runs only regular files, so opening one through this link cannot wait for a writer.
    super::file::open_without_atime(dir, b"exe", OFlags::empty())
}

impl Sample {
    fn of(stat: &Stat) -> Self {
        Self {
            start_ticks: stat.start_ticks,
            cpu_ticks: stat.cpu_ticks,
            at: Instant::now(),
        }
    }
}

impl Reader {
    fn row(&self, pid: u32, gaps: &mut Gaps, beat: &dyn Fn()) -> Result<Row, NoRow> {
        let dir = self.proc.pid(pid)?;
        let mut bytes = Vec::with_capacity(4096);
        dir.read_piece(c"stat", 4096, &mut bytes)?;
        let stat = parse_stat(&bytes).ok_or(NoRow::Malformed)?;
        let cpu_centi = (self.ask.sample_ms > 0).then(|| self.cpu_centi(pid, &stat));
        dir.read_piece(c"status", 64 << 10, &mut bytes)?;
        let status = parse_status(&bytes);
        // A thread has a directory too, but is no process.
        if status.tgid.is_some_and(|tgid| tgid != pid) {
            return Err(NoRow::Errno(Errno::SRCH));
        }
        let uid = status.uid.ok_or(NoRow::Malformed)?;
        let cgroup = match dir.read_piece(c"cgroup", 64 << 10, &mut bytes) {
            Ok(_) => HostBytes::new(cgroup_path(&bytes)),
            Err(_) => HostBytes::default(),
        };
        beat();
        let ended = matches!(stat.state, 'Z' | 'X' | 'x');
        let others = (ended && stat.threads > 1).then(|| dir.living_thread(pid)).flatten();
        let runs_program = !stat.kernel_thread && (!ended || others.is_some());
        let dir = others.unwrap_or(dir);
        let mount_namespace = dir.namespace(c"ns/mnt");
        let mut process = Process {
            pid,
            ppid: stat.ppid,
            pgid: stat.pgid,
            session: stat.session,
            start_ticks: Wide(stat.start_ticks),
            state: stat.state.to_string(),
            uid,
            comm: HostBytes::new(stat.comm),
            argv: Vec::new(),
            argv_bytes: Wide(0),
            argv_sha256: Some(Digest::of(b"")),
            exe: None,
            script: None,
            cwd: None,
            environ: None,
            cgroup,
            mount_namespace: mount_namespace.map(Wide),
            net_namespace: dir.namespace(c"ns/net").map(Wide),
            pid_namespace: dir.namespace(c"ns/pid").map(Wide),
            kernel_thread: stat.kernel_thread,
            threads: stat.threads,
            rss: Wide(stat.rss_pages.saturating_mul(self.units.page_bytes)),
            cpu_ms: Wide(self.units.ms(stat.cpu_ticks)),
            cpu_centi,
            tracer: status.tracer,
            fds: None,
            maps: None,
        };
        if !runs_program {
            process.fds = self.ask.fds.then(Vec::new);
            process.environ = self.ask.environ.then(Vec::new);
            process.maps = self.ask.maps.then(Vec::new);
            return Ok(Row { process, key: None });
        }
        let mut key = None;
        match executable(&dir) {
            Ok((exe, found)) => {
                process.exe = Some(exe);
                key = Some(found);
            }
            Err(errno) => gaps.errno("executable", pid_object(pid), errno),
        }
        beat();
        process.cwd = working_directory(&dir);
        if self.ask.fds {
            process.fds = descriptors(&dir, pid, gaps);
        }
        if self.ask.environ {
            process.environ = environment(&dir, pid, &mut bytes, gaps);
        }
        if self.ask.maps {
            process.maps = match dir.read(c"maps", TABLE_BYTES, &mut bytes) {
                Ok(whole) => {
                    if !whole {
                        gaps.note("maps", pid_object(pid), GapReason::Cut);
                    }
                    let sees = |path: &[u8], id: FileId| dir.sees(path, id.dev.0, id.inode.0);
                    Some(maps::parse_maps(&bytes, sees))
                }
                Err(errno) => {
                    gaps.errno("maps", pid_object(pid), errno);
                    None
                }
            };
        }
        self.command_line(&dir, &mut process, &mut bytes, gaps, beat)?;
        Ok(Row { process, key })
    }

    /// The arguments, and the script among them.
    fn command_line(
        &self,
        dir: &PidDir,
        process: &mut Process,
        bytes: &mut Vec<u8>,
        gaps: &mut Gaps,
        beat: &dyn Fn(),
    ) -> Result<(), NoRow> {
        let object = pid_object(process.pid);
        match dir.read_piece(c"cmdline", limits::ARGV_READ, bytes) {
            Ok(true) => {}
            Ok(false) => gaps.note("argv", object.clone(), GapReason::Cut),
            Err(errno @ (Errno::SRCH | Errno::NOENT)) => return Err(errno.into()),
            Err(errno) => {
                gaps.errno("argv", object, errno);
                process.argv_sha256 = None;
                return Ok(());
            }
        }
        beat();
        process.argv = parse_arguments(bytes, limits::ARGV_BYTES);
        process.argv_bytes = Wide(bytes.len() as u64);
        process.argv_sha256 = Some(Digest::of(bytes));
        if process.argv.is_empty() && shows_nothing(dir) {
            gaps.note("argv", object, GapReason::Malformed);
        }
        let exe = process.exe.as_ref().map(|exe| exe.path.file_name());
        if let Some(argument) = exe.and_then(|exe| script::script_argument(exe, pieces(bytes))) {
            let namespace = process.mount_namespace.map(|namespace| namespace.0);
            process.script = self.script(dir, process.pid, argument, namespace, gaps, beat);
        }
        Ok(())
    }

    /// CPU use since the first look, in hundredths of a per cent of one CPU. What was born since is measured from its
    /// birth.
    fn cpu_centi(&self, pid: u32, stat: &Stat) -> u32 {
        let before = self
            .before
            .get(&pid)
            .filter(|before| before.start_ticks == stat.start_ticks);
        let (ticks, ms) = match before {
            Some(before) => (
                stat.cpu_ticks.saturating_sub(before.cpu_ticks),
                u64::try_from(before.at.elapsed().as_millis()).unwrap_or(u64::MAX),
            ),
            None => (
                stat.cpu_ticks,
                uptime_ms().saturating_sub(self.units.ms(stat.start_ticks)),
            ),
        };
        // No shorter than a tick: the birth itself is only known to a tick.
        let elapsed = ms.max(self.units.ms(1)).max(1);
        let centi = u128::from(self.units.ms(ticks)) * 10_000 / u128::from(elapsed);
        u32::try_from(centi).unwrap_or(u32::MAX)
    }

    fn executable_digest(&self, key: &FileKey, pids: &[u32], gaps: &mut Gaps, beat: &dyn Fn()) -> Option<Digest> {
        if let Some(known) = self.scene.digests.known(key) {
            return Some(known);
        }
        let mut last = (pids.first().copied().unwrap_or(0), Errno::NOENT);
        for pid in pids {
            let opened = self
                .proc
                .shared(*pid)
                .and_then(|dir| open_executable(&dir))
                .and_then(|fd| {
                    let found = Meta::of_fd(fd.as_fd())?;
                    if found.id == key.id && found.kind == FileKind::Regular {
                        Ok(fd)
                    } else {
                        Err(Errno::LOOP)
                    }
                });
            match opened {
                Ok(fd) => return content_digest(&self.scene, fd.as_fd(), pid_object(*pid), gaps, beat),
                Err(errno) => last = (*pid, errno),
            }
        }
        gaps.errno("executable", pid_object(last.0), last.1);
        None
    }
}

/// Whether a process that still runs a program shows no command line, and not only for the moment in which it begins
/// another program or ends.
fn shows_nothing(dir: &PidDir) -> bool {
    let mut bytes = Vec::new();
    if !dir
        .read_piece(c"cmdline", 4096, &mut bytes)
        .is_ok_and(|_| pieces(&bytes).next().is_none())
    {
        return false;
    }
    let runs = !matches!(dir.link(c"exe"), Err(Errno::NOENT | Errno::SRCH));
    let read = dir.read_piece(c"stat", 4096, &mut bytes);
    let stat = read.ok().and_then(|_| parse_stat(&bytes));
    runs && stat.is_some_and(|stat| !matches!(stat.state, 'Z' | 'X' | 'x'))
}

fn executable(dir: &PidDir) -> Result<(Executable, FileKey), Errno> {
    let link = dir.link(c"exe")?;
    let found = Meta::behind(dir, b"exe")?;
    let marked = link.strip_suffix(DELETED);
    let deleted = found.links == 0 && marked.is_some();
    let path = match marked {
        // Another name may still lead to the file; a file may also really be called so.
        Some(stripped) if deleted || !dir.sees(&link, found.id.dev.0, found.id.inode.0) => stripped,
        _ => &link[..],
    };
    let exe = Executable {
        path: HostPath::new(path),
        deleted,
        memfd: deleted && path.starts_with(b"/memfd:"),
        id: found.id,
        size: Wide(found.size),
        sha256: None,
    };
    Ok((exe, found.key()))
}

fn working_directory(dir: &PidDir) -> Option<HostPath> {
    let link = dir.link(c"cwd").ok()?;
    let gone = |link: &[u8]| link.ends_with(DELETED) && Meta::behind(dir, b"cwd").is_ok_and(|found| found.links == 0);
    let path = if gone(&link) {
        &link[..link.len() - DELETED.len()]
    } else {
        &link[..]
    };
    Some(HostPath::new(path))
}

fn environment(dir: &PidDir, pid: u32, bytes: &mut Vec<u8>, gaps: &mut Gaps) -> Option<Vec<HostBytes>> {
    match dir.read(c"environ", limits::ARGV_BYTES, bytes) {
        Ok(whole) => {
            if !whole {
                gaps.note("environ", pid_object(pid), GapReason::Cut);
            }
            Some(parse_arguments(bytes, limits::ARGV_BYTES))
        }
        Err(errno) => {
            gaps.errno("environ", pid_object(pid), errno);
            None
        }
    }
}

fn descriptors(dir: &PidDir, pid: u32, gaps: &mut Gaps) -> Option<Vec<OpenFile>> {
    let mut files = Vec::new();
    let told = dir.list(c"fd").and_then(|table| {
        for_each_name(&table, |name| {
            files.extend(number(name).and_then(|fd| descriptor(&table, fd)));
            true
        })
    });
    if let Err(errno) = told {
        gaps.errno("fds", pid_object(pid), errno);
        return None;
    }
    files.sort_unstable_by_key(|file: &OpenFile| file.fd);
    Some(files)
}

/// One descriptor; `None` when it was closed meanwhile.
fn descriptor(table: &OwnedFd, fd: u32) -> Option<OpenFile> {
    let name = std::ffi::CString::new(fd.to_string()).ok()?;
    let link = read_link(table, &name).ok()?;
    let own = statat(table, &name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let id = link
        .starts_with(b"/")
        .then(|| Meta::behind(table, name.to_bytes()).ok().map(|found| found.id))
        .flatten();
    Some(OpenFile {
        fd,
        link: HostBytes::new(link),
        id,
        // The owner's bits of the link are the descriptor's mode (proc(5)).
        writes: own.st_mode & 0o200 != 0,
    })
}

/// The inodes of the sockets that a process holds.
pub(super) fn socket_inodes(proc: &Proc, pid: u32) -> Result<Vec<u64>, Errno> {
    let mut inodes = Vec::new();
    // No descriptor at all: a kernel thread, a zombie, or one whose first thread ended while others run.
    if !sockets_of(proc.descriptors(pid)?, &mut inodes)? {
        sockets_of(proc.shared(pid)?.list(c"fd")?, &mut inodes)?;
    }
    Ok(inodes)
}

/// Adds the sockets behind the descriptors of an `fd` directory; gives whether there is any descriptor.
fn sockets_of(table: OwnedFd, inodes: &mut Vec<u64>) -> Result<bool, Errno> {
    let mut any = false;
    for_each_name(&table, |name| {
        any = true;
        let mut buffer = [std::mem::MaybeUninit::uninit(); 64];
        if let Ok((link, _)) = rustix::fs::readlinkat_raw(&table, name, &mut buffer)
            && link.starts_with(b"socket:[")
        {
            inodes.extend(bracketed(link));
        }
        true
    })?;
    Ok(any)
}

#[cfg(test)]
mod tests;
