//! Whether a world contradicts itself.

use std::collections::BTreeSet;

use super::behaviour::Watched;
use super::world::{LATEST_MS, PID_MAX, World};
use crate::text::HostPath;

/// Why a world cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// Not of the form that is described here.
    #[error("the world cannot be read: {why}")]
    Malformed {
        /// The parser's word.
        why: String,
    },
    /// Two processes have one pid, or a pid is none.
    #[error("process {pid}: a pid is used once, and lies between 1 and {PID_MAX}")]
    Pid {
        /// The pid.
        pid: u32,
    },
    /// Something names a process that is not described.
    #[error("{by} names process {pid}, which is not described")]
    NoProcess {
        /// What names it.
        by: String,
        /// The pid.
        pid: u32,
    },
    /// A path does not begin with `/`, or goes over `.` or `..`.
    #[error("path `{path}`: expected an absolute path without `.` and `..`")]
    Path {
        /// The path.
        path: HostPath,
    },
    /// Two objects have one name.
    #[error("path `{path}` is described twice")]
    SamePath {
        /// The path.
        path: HostPath,
    },
    /// Some content cannot be made.
    #[error("content of `{path}`: {why}")]
    Content {
        /// Of what.
        path: HostPath,
        /// What is wrong.
        why: String,
    },
}

impl World {
    /// Whether it is free of contradictions: pids and paths used once, everything named also described.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), WorldError> {
        if self.uptime_ms.max(self.host_time_ms) > LATEST_MS {
            return Err(WorldError::Malformed {
                why: format!("`uptime_ms` and `host_time_ms` are at most {LATEST_MS}"),
            });
        }
        let mut pids = BTreeSet::from([1, self.worker]);
        let mut described = BTreeSet::new();
        for process in &self.processes {
            if process.pid == 0 || process.pid > PID_MAX || !described.insert(process.pid) {
                return Err(WorldError::Pid { pid: process.pid });
            }
            let known = process.kernel_thread || process.exe.is_some();
            if !known {
                return Err(WorldError::Malformed {
                    why: format!("process {}: `exe` is missing, and it is no kernel thread", process.pid),
                });
            }
        }
        pids.append(&mut described);
        let named = self.named_processes();
        if let Some((by, pid)) = named.into_iter().find(|(_, pid)| !pids.contains(pid)) {
            return Err(WorldError::NoProcess { by, pid });
        }
        let mut paths = BTreeSet::new();
        for file in &self.files {
            for path in std::iter::once(&file.path).chain(&file.also) {
                if !is_plain(path) {
                    return Err(WorldError::Path { path: path.clone() });
                }
                if !paths.insert(path) {
                    return Err(WorldError::SamePath { path: path.clone() });
                }
            }
        }
        let points = self.mounts.iter().map(|mount| &mount.point);
        if let Some(path) = self
            .packages
            .values()
            .flatten()
            .chain(points)
            .find(|path| !is_plain(path))
        {
            return Err(WorldError::Path { path: path.clone() });
        }
        let of_files = self.files.iter().filter_map(|f| Some((&f.path, f.content.as_ref()?)));
        let of_processes = self
            .processes
            .iter()
            .filter_map(|p| Some((p.exe.as_ref()?, p.exe_content.as_ref()?)));
        let of_cron = self.cron.iter().filter_map(|c| Some((&c.exe, c.content.as_ref()?)));
        let of_generators = self.generators.iter().map(|g| (&g.writes, &g.content));
        for (path, content) in of_files.chain(of_processes).chain(of_cron).chain(of_generators) {
            self.bytes(content).map_err(|why| WorldError::Content {
                path: path.clone(),
                why,
            })?;
        }
        Ok(())
    }

    /// Every pid that a behaviour or a socket names, with what names it.
    fn named_processes(&self) -> Vec<(String, u32)> {
        let mut named = Vec::new();
        for guardian in &self.guardians {
            named.push(("a guardian".to_owned(), guardian.process));
            if let Watched::Pids(pids) = &guardian.watches {
                named.extend(pids.iter().map(|pid| ("a guardian".to_owned(), *pid)));
            }
        }
        for cron in &self.cron {
            named.push(("a cron entry".to_owned(), cron.scheduler));
            named.extend(cron.like.map(|pid| ("a cron entry".to_owned(), pid)));
        }
        named.extend(
            self.writers
                .iter()
                .filter_map(|w| Some(("a writer".to_owned(), w.process?))),
        );
        named.extend(
            self.units
                .iter()
                .filter_map(|u| Some(("a unit".to_owned(), u.process?))),
        );
        named.extend(self.watchdogs.iter().map(|w| ("a watchdog".to_owned(), w.process)));
        for socket in &self.sockets {
            named.extend(socket.owners.iter().map(|pid| ("a socket".to_owned(), *pid)));
        }
        named
    }
}

/// Whether a path is absolute and its own shortest form.
fn is_plain(path: &HostPath) -> bool {
    let bytes = path.as_bytes();
    bytes == b"/"
        || bytes.strip_prefix(b"/").is_some_and(|rest| {
            rest.split(|b| *b == b'/')
                .all(|name| !matches!(name, b"" | b"." | b".."))
        })
}
