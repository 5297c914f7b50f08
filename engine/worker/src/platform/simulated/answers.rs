//! Answers about the host, its processes, sockets, packages and accounts.

use std::collections::BTreeSet;

use super::process::{Running, TICKS_PER_SECOND, bounded};
use super::state::State;
use super::tree::plain;
use crate::accounts::login_names;
use crate::query::{
    Answer, Coverage, FileStat, GapReason, HostError, HostFacts, HostIdentity, MappedFile, Observed, OpenFile,
    Ownership, Process, ProcessesQuery, Query, Socket, limits,
};
use crate::text::{Digest, HostBytes, HostPath, Wide};

/// The namespaces of the host itself, by inode (namespaces(7)).
const MOUNT_NAMESPACE: u64 = 4_026_531_841;
const NET_NAMESPACE: u64 = 4_026_531_840;
const PID_NAMESPACE: u64 = 4_026_531_836;

impl State {
    pub(super) fn answer(&mut self, query: &Query) -> Result<Observed<Answer>, HostError> {
        let observed = match query {
            Query::Host {} => Observed::whole(Answer::Host(self.facts())),
            Query::Processes(query) => self.processes(query).map(Answer::Processes),
            Query::Sockets {} => self.sockets().map(Answer::Sockets),
            Query::Stat { paths, digest } => self.entries(paths, *digest).map(Answer::Entries),
            Query::Digest { paths } => self.entries(paths, true).map(Answer::Entries),
            Query::List { path } => self.list(path).map(Answer::Entries),
            Query::Walk {
                roots,
                max_depth,
                max_entries,
            } => self.walk(roots, *max_depth, *max_entries).map(Answer::Walk),
            Query::Read { path, max_bytes } => self.read(path, *max_bytes).map(Answer::Files),
            Query::ReadSpans { path, spans } => self.spans(path, spans).map(Answer::Spans),
            Query::ReadTree {
                patterns,
                max_files,
                max_file_bytes,
            } => self.read_tree(patterns, *max_files, *max_file_bytes).map(Answer::Files),
            Query::Accounts {} => self.accounts().map(Answer::Accounts),
            Query::Mounts {} => Observed::whole(Answer::Mounts(self.tree.mounts())),
            Query::Packages { files } => self.packages(files).map(Answer::Packages),
            Query::Resources { sample_ms } => self.resources(*sample_ms).map(|told| Answer::Resources(Box::new(told))),
            Query::Holders { files } => self.holders(files).map(Answer::Holders),
            Query::Roots { pids } => self.roots(pids).map(Answer::Roots),
            Query::Command(query) => self.command(query)?.map(Answer::Command),
            Query::Units {} => Observed::whole(Answer::Units(self.units())),
            Query::Network {} => Observed::whole(Answer::Network(self.network())),
            Query::Blocks {} => self.blocks()?.map(Answer::Blocks),
            Query::Watch(query) => self.watch(query).map(Answer::Watch),
        };
        Ok(observed)
    }

    pub(super) fn identity(&self) -> HostIdentity {
        HostIdentity {
            machine_id: self.world.machine_id.clone(),
            boot_id: self.world.boot_id.clone(),
            hostname: self.world.hostname.clone(),
            pid_namespace: Wide(PID_NAMESPACE),
        }
    }

    fn facts(&self) -> HostFacts {
        HostFacts {
            identity: self.identity(),
            system: "linux".to_owned(),
            distribution: self.world.distribution.clone(),
            kernel: self.world.kernel.clone(),
            architecture: self.world.architecture.clone(),
            cpus: self.world.cpus,
            memory_total: Wide(self.world.memory),
            memory_available: Wide(self.world.memory / 2),
            load_centi: self.world.load_centi,
            uptime_ms: Wide(self.uptime_ms),
            host_time_ms: Wide(self.host_time_ms()),
            ticks_per_second: TICKS_PER_SECOND,
            uid: self.world.worker_uid,
            own_chain: self.own_chain(),
            own_names: self.own_names(),
            taint: Wide(self.world.taint),
            without: Vec::new(),
        }
    }

    /// The login names in the environments of the worker and its ancestors.
    fn own_names(&self) -> Vec<HostBytes> {
        let chain = self.own_chain();
        let processes = chain.iter().filter_map(|pid| self.processes.get(pid));
        let settings = processes.flat_map(|process| process.about.environ.iter().map(HostBytes::as_bytes));
        let names: BTreeSet<HostBytes> = login_names(settings).collect();
        names.into_iter().collect()
    }

    /// The worker and its ancestors, the worker first.
    pub(super) fn own_chain(&self) -> Vec<u32> {
        let mut chain = vec![self.world.worker];
        let mut at = self.world.worker;
        while let Some(parent) = self.processes.get(&at).map(|process| process.ppid) {
            if parent == 0 || chain.contains(&parent) {
                break;
            }
            chain.push(parent);
            at = parent;
        }
        chain
    }

    fn processes(&mut self, query: &ProcessesQuery) -> Observed<Vec<Process>> {
        let before: Vec<(u32, u64)> = self
            .processes
            .values()
            .map(|process| (process.pid, process.cpu_ms(self.uptime_ms)))
            .collect();
        self.advance(query.sample_ms);
        let asked = |process: &&Running| {
            process.is_alive() && query.pids.as_ref().is_none_or(|pids| pids.contains(&process.pid))
        };
        let mut coverage = Coverage::whole();
        let mut rows = Vec::new();
        for process in self.processes.values().filter(asked) {
            if rows.len() == limits::PROCESSES {
                coverage.note("process", HostBytes::default(), GapReason::TooMany);
                break;
            }
            let mut row = self.row(process, query, &mut coverage);
            row.cpu_centi = (query.sample_ms > 0).then(|| {
                let earlier = before
                    .iter()
                    .find(|(pid, _)| *pid == process.pid)
                    .map_or(0, |(_, cpu)| *cpu);
                let used = process.cpu_ms(self.uptime_ms).saturating_sub(earlier);
                u32::try_from(used.saturating_mul(10_000) / query.sample_ms).unwrap_or(u32::MAX)
            });
            rows.push(row);
        }
        Observed { value: rows, coverage }
    }

    /// A process as it is shown; what the kernel refuses is missing from it and noted.
    fn row(&self, process: &Running, query: &ProcessesQuery, coverage: &mut Coverage) -> Process {
        let about = &process.about;
        let shown = !self.unreadable_pids.contains(&process.pid);
        if !shown {
            coverage.note("process", process.pid.to_string().as_str(), GapReason::Denied);
        }
        let cmdline = process.cmdline();
        let (argv, _) = bounded(process.argv());
        let session = about.session.unwrap_or(process.pid);
        let namespace = |inode: u64| shown.then_some(Wide(inode));
        let environ = (shown && query.environ).then(|| {
            let (environ, cut) = bounded(about.environ.clone());
            if cut {
                coverage.note("environ", process.pid.to_string().as_str(), GapReason::Cut);
            }
            environ
        });
        Process {
            pid: process.pid,
            ppid: process.ppid,
            pgid: session,
            session,
            start_ticks: Wide(process.start_ticks()),
            state: match (process.is_active(), about.cpu_percent) {
                (false, _) => "T".to_owned(),
                (true, 0) => "S".to_owned(),
                (true, _) => "R".to_owned(),
            },
            uid: about.uid,
            comm: process.comm(),
            argv,
            argv_bytes: Wide(cmdline.len() as u64),
            argv_sha256: Some(Digest::of(&cmdline)),
            exe: process.executable(&self.tree, query.digest).filter(|_| shown),
            script: self.script_of(process, query.digest).filter(|_| shown),
            cwd: (shown && !about.kernel_thread).then(|| about.cwd.clone()),
            environ,
            cgroup: about.cgroup.clone(),
            mount_namespace: namespace(MOUNT_NAMESPACE),
            net_namespace: namespace(NET_NAMESPACE),
            pid_namespace: namespace(PID_NAMESPACE),
            kernel_thread: about.kernel_thread,
            threads: about.threads,
            rss: Wide(about.rss),
            cpu_ms: Wide(process.cpu_ms(self.uptime_ms)),
            cpu_centi: None,
            tracer: about.tracer,
            fds: (shown && query.fds).then(|| self.open_files(process)),
            maps: (shown && query.maps).then(|| self.mapped_files(process)),
        }
    }

    /// The file that an interpreter runs; none where the program stands in its arguments.
    fn script_of(&self, process: &Running, digest: bool) -> Option<FileStat> {
        let (exe, _) = process.exe.as_ref()?;
        let argv = process.argv();
        let argument = script_argument(exe.file_name(), argv.iter().skip(1).map(HostBytes::as_bytes))?;
        let path = match argument {
            [b'/', ..] => plain(&HostPath::new(argument)),
            name => plain(&process.about.cwd.join(name)),
        };
        self.tree.regular(&path)?;
        let real = self.tree.resolve(&path, true)?;
        self.tree.stat(&real, digest)
    }

    /// Its described files and its sockets, by descriptor.
    pub(super) fn open_files(&self, process: &Running) -> Vec<OpenFile> {
        let mut files: Vec<OpenFile> = process
            .about
            .fds
            .iter()
            .map(|open| OpenFile {
                fd: open.fd,
                link: open.link.clone(),
                id: self
                    .tree
                    .regular(&HostPath::new(open.link.as_bytes()))
                    .map(|inode| inode.id),
                writes: open.writes,
            })
            .collect();
        let mut fd = files
            .iter()
            .map(|open| open.fd.saturating_add(1))
            .max()
            .unwrap_or(3)
            .max(3);
        for socket in self
            .sockets
            .iter()
            .filter(|socket| socket.owners.contains(&process.pid))
        {
            files.push(OpenFile {
                fd,
                link: HostBytes::from(format!("socket:[{}]", socket.inode).as_str()),
                id: None,
                writes: true,
            });
            fd = fd.saturating_add(1);
        }
        files.sort_by_key(|open| open.fd);
        files
    }

    /// What it runs and what it maps besides, each once.
    pub(super) fn mapped_files(&self, process: &Running) -> Vec<MappedFile> {
        let exe = process.executable(&self.tree, false).map(|exe| MappedFile {
            path: exe.path,
            id: exe.id,
            executable: true,
            deleted: exe.deleted,
        });
        let mapped = process.about.maps.iter().filter_map(|path| {
            let inode = self.tree.regular(path)?;
            Some(MappedFile {
                path: path.clone(),
                id: inode.id,
                executable: true,
                deleted: false,
            })
        });
        let mut files: Vec<MappedFile> = Vec::new();
        for file in exe.into_iter().chain(mapped) {
            if !files.iter().any(|known| known.id == file.id) {
                files.push(file);
            }
        }
        files
    }

    fn sockets(&self) -> Observed<Vec<Socket>> {
        let mut coverage = Coverage::whole();
        for process in self.processes.values().filter(|process| process.is_alive()) {
            if self.unreadable_pids.contains(&process.pid) {
                coverage.note("process", process.pid.to_string().as_str(), GapReason::Denied);
            }
        }
        let rows = self.sockets.iter().map(|socket| Socket {
            protocol: socket.about.protocol.clone(),
            local: socket.about.local.clone(),
            remote: socket.about.remote.clone(),
            state: socket.about.state().to_owned(),
            inode: Wide(socket.inode),
            uid: socket.about.uid,
            net_namespace: Wide(NET_NAMESPACE),
            owners: self.shown_owners(socket),
        });
        Observed {
            value: rows.collect(),
            coverage,
        }
    }

    /// The owners of a socket that the worker can see.
    pub(super) fn shown_owners(&self, socket: &super::state::HeldSocket) -> Vec<u32> {
        let shown = |pid: &&u32| !self.unreadable_pids.contains(pid);
        socket.owners.iter().filter(shown).copied().collect()
    }

    fn packages(&self, files: &[HostPath]) -> Observed<Vec<Ownership>> {
        let mut coverage = Coverage::whole();
        if !self.world.package_database {
            coverage.note("packages", HostBytes::default(), GapReason::Unsupported);
        }
        let value = files.iter().map(|path| self.ownership(path, &mut coverage)).collect();
        Observed { value, coverage }
    }

    fn ownership(&self, asked: &HostPath, coverage: &mut Coverage) -> Ownership {
        if !self.world.package_database {
            return Ownership::Unknown;
        }
        let running = running_pid(asked).map(|pid| (pid, self.living(pid)));
        let (path, sha256) = match running {
            Some((pid, _)) if self.unreadable_pids.contains(&pid) => {
                coverage.note("process", pid.to_string().as_str(), GapReason::Denied);
                return Ownership::Unknown;
            }
            Some((_, process)) => {
                let exe = process.and_then(|process| Some((process.exe.as_ref()?, process.exe_sha256(&self.tree))));
                match exe {
                    Some(((path, _), sha256)) => (path.clone(), sha256),
                    None => {
                        coverage.note("file", asked, GapReason::Gone);
                        return Ownership::Unknown;
                    }
                }
            }
            None => {
                if let Some(why) = self.hidden(asked) {
                    coverage.note("file", asked, why);
                    return Ownership::Unknown;
                }
                (plain(asked), self.tree.lookup(asked).map(|inode| inode.sha256))
            }
        };
        match (self.packaged.by_path.get(&path), sha256) {
            (Some((package, None)), _) => Ownership::Listed {
                package: package.clone(),
            },
            (Some((package, Some(kept))), Some(found)) if *kept == found => Ownership::Owned {
                package: package.clone(),
            },
            (Some((package, Some(_))), _) => Ownership::Modified {
                package: package.clone(),
            },
            (None, found) => {
                let original = found.and_then(|found| self.packaged.by_content.get(&found));
                let package = original.and_then(|original| self.packaged.by_path.get(original));
                match (package, original) {
                    (Some((package, _)), Some(original)) => Ownership::Copied {
                        package: package.clone(),
                        original: original.clone(),
                    },
                    _ => Ownership::Unowned,
                }
            }
        }
    }
}

/// Interpreters by the beginning of their names, with the options after which the program stands in the arguments.
const INTERPRETERS: [(&[u8], &[u8]); 11] = [
    (b"sh", b"cs"),
    (b"dash", b"cs"),
    (b"bash", b"cs"),
    (b"zsh", b"cs"),
    (b"ksh", b"cs"),
    (b"python", b"cm"),
    (b"perl", b"eE"),
    (b"ruby", b"e"),
    (b"php", b"rBRF"),
    (b"node", b"ep"),
    (b"lua", b"e"),
];

/// The first argument of an interpreter that is no option. Options that take another argument are not known here: a
/// described command line leaves them out.
fn script_argument<'a>(exe: &[u8], arguments: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let is_version = |rest: &[u8]| rest.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    let is_it = |name: &[u8]| exe.strip_prefix(name).is_some_and(is_version);
    let (_, inline) = INTERPRETERS.iter().find(|(name, _)| is_it(name))?;
    for argument in arguments {
        match argument {
            [] | b"-" => return None,
            [b'-', b'-', ..] => {}
            [b'-', letters @ ..] if letters.iter().any(|letter| inline.contains(letter)) => return None,
            [b'-', ..] => {}
            path => return Some(path),
        }
    }
    None
}

/// The pid in `/proc/PID/exe`.
fn running_pid(path: &HostPath) -> Option<u32> {
    let pid = path.as_bytes().strip_prefix(b"/proc/")?.strip_suffix(b"/exe")?;
    std::str::from_utf8(pid).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_interpreter_has_a_script() {
        let rows: [(&str, &[&str], Option<&str>); 7] = [
            ("python3.11", &["-u", "run.py", "other.py"], Some("run.py")),
            ("bash", &["--norc", "/tmp/x.sh"], Some("/tmp/x.sh")),
            ("dash", &["-ec", "/tmp/x.sh"], None),
            ("perl", &["-e", "1"], None),
            ("python3", &["-m", "http.server"], None),
            ("gzip", &["-9", "/var/backups/x"], None),
            ("shred", &["/tmp/x"], None),
        ];
        for (exe, arguments, expected) in rows {
            let found = script_argument(exe.as_bytes(), arguments.iter().map(|a| a.as_bytes()));
            assert_eq!(found, expected.map(str::as_bytes), "{exe} {arguments:?}");
        }
    }
}
