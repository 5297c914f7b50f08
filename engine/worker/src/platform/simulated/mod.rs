//! A host in memory: the same answers and the same acts, with guardians that start things again and faults by script.
//!
//! A [`World`] describes it, [`Simulated`] lives it. Its clock moves only when it is used: a millisecond with each call,
//! and as far as a worker sleeps or watches. Equal worlds that are used equally give equal bytes.
//!
//! Where Linux and this host differ: the worker's journal is not among the files, every edit puts a new inode in the
//! file's place, and what ended is gone at once (there are no zombies).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::action::{Act, Arming, Done, Object, ProcessTarget, Undo};
use crate::frame::{PIECE_BYTES, Part};
use crate::journal::Store;
use crate::platform::{CaptureSink, Platform};
use crate::query::{Answer, HostError, Observed, Query};
use crate::text::{Digest, HostPath};

mod accounts;
mod acts;
mod answers;
pub mod behaviour;
mod capture;
mod change;
mod check;
pub mod faults;
mod files;
mod keeper;
mod lines;
mod links;
mod mounts;
mod process;
mod resources;
mod samples;
mod snapshot;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod undo;
pub mod units;
mod wall;
mod watch;
pub mod world;
mod written;

pub use change::Change;
pub use check::WorldError;
pub use faults::{At, Call, CallAt, Fault, FaultKind, Side, WorkerKilled};
pub use process::Life;
pub use samples::{SAMPLES, clean, infected, sample};
pub use snapshot::{SeenFile, SeenProcess, Snapshot};
pub use world::World;

use state::State;

/// Milliseconds that one call takes.
const CALL_MS: u64 = 1;

/// A simulated host. Clones are the same host.
#[derive(Clone)]
pub struct Simulated {
    state: Arc<Mutex<State>>,
}

impl Simulated {
    /// Brings a world to life. Of what contradicts itself ([`World::check`]) the first word holds.
    pub fn new(world: World) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(world))),
        }
    }

    /// All of the host now, whatever a worker may see of it.
    pub fn snapshot(&self) -> Snapshot {
        self.state().snapshot()
    }

    /// The time for everybody but this host, whose own clock may be set otherwise: what passed here passed since the moment of
    /// [`World::default`].
    pub fn time_ms(&self) -> u64 {
        self.state().time_ms()
    }

    /// The boundaries that workers have passed: two a call, see [`faults`].
    pub fn boundaries(&self) -> u64 {
        self.state().script.passed()
    }

    /// Lets something more go wrong. Calls count from now, boundaries from the beginning.
    pub fn script(&self, fault: Fault) {
        self.state().script.add(fault);
    }

    /// Lets time pass without a worker.
    pub fn pass(&self, ms: u64) {
        self.state().advance(ms);
    }

    /// What the host sees when a worker ended in whatever way: the lock is free, and a keeper that was not disarmed acts
    /// (before the commit it thaws all it holds, after it it kills what is proven and thaws the rest).
    ///
    /// Whoever runs a worker calls it when the worker's thread has ended, or uses [`Self::run_worker`].
    pub fn worker_gone(&self) {
        self.state().clear_away();
    }

    /// Runs a worker to its end and tells the host that it is gone.
    ///
    /// # Errors
    /// `WorkerKilled` when a fault killed it.
    ///
    /// # Panics
    /// When the worker panics, with its own panic.
    pub fn run_worker<T>(&self, worker: impl FnOnce(&Simulated) -> T) -> Result<T, WorkerKilled> {
        let ended = catch_unwind(AssertUnwindSafe(|| worker(self)));
        self.worker_gone();
        ended.map_err(|why| match why.downcast::<WorkerKilled>() {
            Ok(killed) => *killed,
            Err(panic) => resume_unwind(panic),
        })
    }

    /// The state, also after a panic of somebody who held it: it is changed in whole steps only.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work of one call between its two boundaries.
    fn call<T>(
        &self,
        call: Call,
        kind: &str,
        work: impl FnOnce(&mut State) -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        self.boundary(call, kind, Side::Before)?;
        let result = {
            let mut state = self.state();
            state.advance(CALL_MS);
            work(&mut state)
        };
        self.boundary(call, kind, Side::After)?;
        result
    }

    fn boundary(&self, call: Call, kind: &str, side: Side) -> Result<(), HostError> {
        let mut state = self.state();
        if state.worker_killed {
            return Err(HostError::Lost {
                why: "it was killed".to_owned(),
            });
        }
        let mut failed = Ok(());
        for fault in state.script.pass(call, kind, side) {
            match fault {
                // A thread that unwinds already cannot be killed again.
                FaultKind::Die if std::thread::panicking() => state.worker_killed = true,
                FaultKind::Die => {
                    state.worker_killed = true;
                    drop(state);
                    resume_unwind(Box::new(WorkerKilled));
                }
                FaultKind::Fail(error) => failed = Err(error),
                FaultKind::DenyRead(path) => drop(state.unreadable_paths.insert(tree::plain(&path))),
                FaultKind::DiskFull => state.disk_full = true,
                FaultKind::IgnoreStop(pid) => drop(state.ignores_stop.insert(pid)),
                FaultKind::Delay(ms) => state.advance(ms),
            }
        }
        failed
    }
}

impl std::fmt::Debug for Simulated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Simulated({})", self.state().world.hostname)
    }
}

impl Platform for Simulated {
    fn answer(&self, query: &Query) -> Result<Observed<Answer>, HostError> {
        self.call(Call::Answer, query_kind(query), |state| state.answer(query))
    }

    fn act(&self, act: &Act) -> Result<Done, HostError> {
        self.call(Call::Act, act.kind(), |state| state.act(act))
    }

    fn thaw(&self, process: &ProcessTarget) -> Result<(), HostError> {
        self.call(Call::Thaw, "", |state| {
            state.thaw(process);
            Ok(())
        })
    }

    fn undo(&self, undo: &Undo, content: Option<&[u8]>, arming: Arming) -> Result<Done, HostError> {
        self.call(Call::Undo, undo_kind(undo), |state| state.undo(undo, content, arming))
    }

    fn capture(&self, object: &Object, parts: &[Part], sink: &mut dyn CaptureSink) -> Result<(), HostError> {
        let found = self.call(Call::Capture, "", |state| state.parts(object, parts))?;
        // The sink may take long and may ask the host again, so the host is not held meanwhile.
        for (part, bytes) in found {
            let bytes = match self.call(Call::Capture, part_kind(part), |_| bytes) {
                Ok(bytes) => bytes,
                Err(why @ HostError::Lost { .. }) => return Err(why),
                Err(why) => {
                    sink.missing(part, why);
                    continue;
                }
            };
            if sink.begin(part)? {
                bytes.chunks(PIECE_BYTES).try_for_each(|piece| sink.bytes(piece))?;
                let found = Digest::of(&bytes);
                if let Object::File { file } = object
                    && found != file.sha256
                {
                    let (expected, found) = (file.sha256.short(), found.short());
                    let doing = format!("keep `{}`", file.path);
                    return Err(acts::changed(
                        &doing,
                        &format!("content {expected}"),
                        &format!("content {found}"),
                    ));
                }
                sink.end()?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> Result<Box<dyn Send>, HostError> {
        let number = self.call(Call::Lock, "", |state| {
            if state.lock.is_some() {
                return Err(HostError::Busy);
            }
            state.locks += 1;
            state.lock = Some(state.locks);
            Ok(state.locks)
        })?;
        Ok(Box::new(keeper::Held {
            state: Arc::clone(&self.state),
            number,
        }))
    }

    fn arm(&self) -> Result<(), HostError> {
        self.call(Call::Arm, "", |state| {
            state.keeper.get_or_insert_default();
            Ok(())
        })
    }

    fn committed(&self, proven: &[ProcessTarget]) -> Result<(), HostError> {
        self.call(Call::Committed, "", |state| match &mut state.keeper {
            Some(keeper) => {
                keeper.commit(proven);
                Ok(())
            }
            None => Err(HostError::Failed {
                doing: "tell the keeper of the commit".to_owned(),
                why: "there is no keeper".to_owned(),
            }),
        })
    }

    fn disarm(&self) {
        // A keeper that was not reached ends with the worker.
        let _ = self.call(Call::Disarm, "", |state| {
            state.keeper = None;
            Ok(())
        });
    }

    fn open_journal(&self, directory: &HostPath, spool_bytes: u64) -> Result<Box<dyn Store>, HostError> {
        self.call(Call::OpenJournal, "", |state| {
            state.open_journal(directory, spool_bytes)
        })?;
        Ok(Box::new(store::Handle {
            host: self.clone(),
            directory: directory.clone(),
        }))
    }

    fn recall_journal(&self, directory: &HostPath) -> Result<Option<Vec<u8>>, HostError> {
        self.call(Call::RecallJournal, "", |state| state.recall_journal(directory))
    }

    fn recall_spool(&self, directory: &HostPath, take: &mut dyn FnMut(Digest, &[u8])) -> Result<(), HostError> {
        for (digest, bytes) in self.call(Call::RecallSpool, "", |state| state.recall_spool(directory))? {
            take(digest, &bytes);
        }
        Ok(())
    }

    /// Every act of this host happens in one step: nothing is ever left half done. What is left of a block goes.
    fn tidy(&self, act: &Act) -> Result<(), HostError> {
        if act.is_of_network() {
            self.state().tidy_wall();
        }
        Ok(())
    }

    fn forget_journal(&self, directory: &HostPath) -> Result<(), HostError> {
        self.call(Call::ForgetJournal, "", |state| state.forget_journal(directory))
    }

    fn uptime_ms(&self) -> u64 {
        self.state().uptime_ms
    }

    fn host_time_ms(&self) -> u64 {
        self.state().host_time_ms()
    }

    fn sleep_ms(&self, ms: u64) {
        // Sleep cannot fail.
        let _ = self.call(Call::Sleep, "", |state| {
            state.advance(ms.saturating_sub(CALL_MS));
            Ok(())
        });
    }
}

fn query_kind(query: &Query) -> &'static str {
    match query {
        Query::Host {} => "host",
        Query::Processes(_) => "processes",
        Query::Sockets {} => "sockets",
        Query::Stat { .. } => "stat",
        Query::List { .. } => "list",
        Query::Walk { .. } => "walk",
        Query::Read { .. } => "read",
        Query::ReadSpans { .. } => "read_spans",
        Query::ReadTree { .. } => "read_tree",
        Query::Digest { .. } => "digest",
        Query::Accounts {} => "accounts",
        Query::Mounts {} => "mounts",
        Query::Network {} => "network",
        Query::Blocks {} => "blocks",
        Query::Packages { .. } => "packages",
        Query::Resources { .. } => "resources",
        Query::Holders { .. } => "holders",
        Query::Roots { .. } => "roots",
        Query::Command(_) => "command",
        Query::Units {} => "units",
        Query::Watch(_) => "watch",
    }
}

fn undo_kind(undo: &Undo) -> &'static str {
    match undo {
        Undo::None => "none",
        Undo::Thaw { .. } => "thaw",
        Undo::RestoreFile { .. } => "restore_file",
        Undo::RestoreLines { .. } => "restore_lines",
        Undo::SetFlags { .. } => "set_flags",
        Undo::RestoreStarter { .. } => "restore_starter",
        Undo::RestoreLink { .. } => "restore_link",
        Undo::UnlockAccount { .. } => "unlock_account",
        Undo::Unblock { .. } => "unblock",
        Undo::EndIsolation { .. } => "end_isolation",
        Undo::Unthrottle { .. } => "unthrottle",
        Undo::RunArgv { .. } => "run_argv",
    }
}

fn part_kind(part: Part) -> &'static str {
    match part {
        Part::Content => "content",
        Part::Exe => "exe",
        Part::Argv => "argv",
        Part::Environ => "environ",
        Part::Maps => "maps",
        Part::Fds => "fds",
    }
}
