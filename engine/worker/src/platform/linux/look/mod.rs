//! Reading a Linux host.
//!
//! Every query is answered from `/proc` and by system calls. Directories are held open and walked by descriptor, files
//! are read without touching their time of access where that is permitted, and whatever may hang is read by a
//! `crew` that gives it up.

use std::sync::{Arc, Mutex};

use rustix::time::{ClockId, clock_gettime};

use crate::query::{Answer, HostError, Observed, Query};

mod accounts;
mod command;
mod crew;
mod digest;
mod facts;
mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gaps;
mod holders;
mod mounts;
pub(super) mod network;
mod packages;
mod process;
mod procfs;
mod resources;
mod roots;
mod socket;
mod spans;
mod tree;
mod units;
mod walk;
pub(super) mod wall;
mod watch;

#[cfg(any(test, fuzzing))]
pub use packages::fuzzing as packages_fuzzing;
#[cfg(any(test, fuzzing))]
pub use resources::fuzzing as resources_fuzzing;

use file::Depth;
use gaps::Gaps;

/// Answers queries, and remembers the digests that it made.
pub struct Look {
    digests: Arc<digest::Digests>,
    packages: Mutex<Option<Arc<packages::Index>>>,
    crew: crew::Crew,
}

/// What the threads of one answer share.
struct Scene {
    mounts: mounts::MountTable,
    digests: Arc<digest::Digests>,
    crew: crew::Crew,
}

impl Default for Look {
    fn default() -> Self {
        Self::new()
    }
}

impl Look {
    /// Opens nothing yet.
    pub fn new() -> Self {
        Self {
            digests: Arc::default(),
            packages: Mutex::new(None),
            crew: crew::Crew::new(crew::PATIENCE),
        }
    }

    /// What is asked from now on is answered with the priority of who asks.
    pub(super) fn change_pace(&self) {
        self.crew.dismiss();
    }

    /// Answers one query.
    ///
    /// # Errors
    /// When there is no answer at all: `/proc` is none or cannot be listed. Everything less is a gap of the answer.
    pub fn answer(&self, query: &Query) -> Result<Observed<Answer>, HostError> {
        let mut gaps = Gaps::default();
        let scene = Arc::new(Scene {
            mounts: mounts::MountTable::read(&mut gaps),
            digests: self.digests.clone(),
            crew: self.crew.clone(),
        });
        let mut observed = match query {
            Query::Host {} => facts::facts()?.map(Answer::Host),
            Query::Processes(query) => process::processes(&scene, query)?.map(Answer::Processes),
            Query::Sockets {} => socket::sockets(&scene)?.map(Answer::Sockets),
            Query::Stat { paths, digest: false } => file::entries(&scene, paths, Depth::Outside),
            Query::Stat { paths, digest: true } | Query::Digest { paths } => {
                file::entries(&scene, paths, Depth::Digest)
            }
            Query::List { path } => walk::list(&scene, path),
            Query::Walk {
                roots,
                max_depth,
                max_entries,
            } => walk::walk(&scene, roots, *max_depth, *max_entries).map(Answer::Walk),
            Query::Read { path, max_bytes } => file::read(&scene, path, *max_bytes),
            Query::ReadSpans { path, spans } => spans::read(&scene, path, spans).map(Answer::Spans),
            Query::ReadTree {
                patterns,
                max_files,
                max_file_bytes,
            } => tree::read_tree(&scene, patterns, *max_files, *max_file_bytes).map(Answer::Files),
            Query::Accounts {} => accounts::accounts().map(Answer::Accounts),
            Query::Mounts {} => Observed::whole(Answer::Mounts(scene.mounts.clone().into_mounts())),
            Query::Packages { files } => packages::ownership(&scene, &self.packages, files).map(Answer::Packages),
            Query::Resources { sample_ms } => {
                resources::resources(&scene, *sample_ms)?.map(|told| Answer::Resources(Box::new(told)))
            }
            Query::Holders { files } => holders::holders(&scene, files)?.map(Answer::Holders),
            Query::Roots { pids } => roots::roots(&scene, pids)?.map(Answer::Roots),
            Query::Command(query) => command::command(&scene, query)?.map(Answer::Command),
            Query::Units {} => units::units().map(Answer::Units),
            Query::Network {} => network::network()?.map(Answer::Network),
            Query::Blocks {} => wall::blocks()?.map(Answer::Blocks),
            Query::Watch(query) => watch::watch(&scene, query)?.map(Answer::Watch),
        };
        observed.coverage.unite(&gaps.into_coverage());
        Ok(observed)
    }
}

/// Milliseconds since boot, suspended time included (`CLOCK_BOOTTIME`).
pub fn uptime_ms() -> u64 {
    milliseconds(ClockId::Boottime)
}

/// Milliseconds since 1970 by the host's own clock; 0 before that.
pub fn host_time_ms() -> u64 {
    milliseconds(ClockId::Realtime)
}

fn milliseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000)
}
