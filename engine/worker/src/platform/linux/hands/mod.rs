//! Changing a Linux host: the only place that signals a process, unlinks a name or writes a file.
//!
//! `identity` says whether a process is the one meant, `files` whether a file is; nothing else is acted upon. What is
//! stopped is held by the [`keeper`] first. Called by the transaction, and by [`super::Linux`] only.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::action::{Act, Arming, Done, Object, Undo};
use crate::frame::Part;
use crate::journal::Store;
use crate::platform::CaptureSink;
use crate::query::HostError;
use crate::text::{Digest, HostPath};

mod account;
mod block;
mod capture;
mod command;
mod deadline;
mod edit;
mod files;
mod flags;
mod freeze;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod group;
mod hold;
mod identity;
pub mod keeper;
mod kill;
mod lines;
mod link;
mod lock;
mod metadata;
mod mounts;
mod pulse;
mod reload;
mod remove;
mod rewrite;
mod store;
mod throttle;
mod undo;

#[cfg(test)]
mod bench;

/// Carries out acts.
pub struct Hands {
    /// What is started as the keeper, with the one argument `keeper`.
    program: PathBuf,
    standing: Mutex<Standing>,
    digests: identity::Digests,
}

/// What stands still by our hand, and who holds it beside us.
#[derive(Default)]
struct Standing {
    keeper: Option<hold::Keeper>,
    held: BTreeMap<identity::ProcessKey, hold::Held>,
}

impl Hands {
    /// Hands whose keeper is this very program, started again.
    pub fn new() -> Self {
        Self::with_program("/proc/self/exe")
    }

    /// Hands whose keeper is another program that takes the argument `keeper`.
    pub fn with_program(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            standing: Mutex::default(),
            digests: identity::Digests::default(),
        }
    }

    /// Carries out one act; see [`crate::platform::Platform::act`].
    ///
    /// # Errors
    /// `Changed` when the target is another, `Protected` when it must never be a target; then nothing was done.
    pub fn act(&self, act: &Act) -> Result<Done, HostError> {
        match act {
            Act::Keep { .. } => Err(HostError::Unsupported {
                doing: "keep evidence as an act".to_owned(),
                why: "evidence is captured, then kept by the transaction".to_owned(),
            }),
            Act::Freeze { process } => self.freeze(process),
            Act::Kill { process } => self.kill(process),
            Act::RemoveFile { file } => remove::remove(file),
            Act::EditLines { file, remove, syntax } => edit::edit(file, remove, *syntax),
            Act::ClearFlags { file, flags } => flags::clear(file, *flags),
            Act::RemoveStarter { file, .. } => remove::remove_starter(file),
            Act::RemoveLink { link } => link::remove(link),
            Act::ReloadUnits { manager, units } => reload::reload(*manager, units),
            Act::BlockAddress { address, for_s } => block::block(address, *for_s),
            Act::Isolate { for_s, keep } => block::isolate(*for_s, keep),
            Act::Throttle { process } => self.throttle(process),
            Act::LockAccount { account } => account::Etc::of_the_host().lock(account),
            Act::RunArgv {
                program,
                argv,
                timeout_ms,
                undo,
            } => command::run(program, argv, *timeout_ms, undo.as_deref()),
        }
    }

    /// Takes an act back; see [`crate::platform::Platform::undo`].
    ///
    /// # Errors
    /// When the place is taken by something else, or writing fails; then nothing was changed.
    pub fn undo(&self, undo: &Undo, content: Option<&[u8]>, arming: Arming) -> Result<Done, HostError> {
        match undo {
            Undo::None => Ok(Done::Gone),
            Undo::Thaw { process } => self.thaw(process).map(|()| Done::Changed { undo: Undo::None }),
            Undo::RestoreFile { file } => undo::restore_file(file, content, arming),
            Undo::RestoreLines { file, lines } => undo::restore_lines(file, lines, arming),
            Undo::SetFlags { file, flags } => flags::set(file, *flags),
            Undo::RestoreStarter { file } => undo::restore_starter(file, content, arming),
            Undo::RestoreLink { link } => link::restore(link, arming),
            // An account starts nothing by itself: it comes back as it was.
            Undo::UnlockAccount { account, former } => account::Etc::of_the_host().unlock(account, former),
            Undo::Unblock { address, was_until_ms } => block::unblock(address, *was_until_ms),
            Undo::EndIsolation { was_until_ms } => block::end_isolation(*was_until_ms),
            Undo::Unthrottle { process, former } => self.unthrottle(process, former),
            Undo::RunArgv {
                program,
                argv,
                timeout_ms,
            } => command::take_back(program, argv, *timeout_ms),
        }
    }

    /// Puts in order what a dead worker left of an act; see [`crate::platform::Platform::tidy`].
    ///
    /// # Errors
    /// When something of it stays.
    pub fn tidy(&self, act: &Act) -> Result<(), HostError> {
        match act {
            Act::RemoveFile { file } | Act::RemoveStarter { file, .. } => remove::tidy(file),
            Act::RemoveLink { link } => link::tidy(link),
            Act::EditLines { file, .. } => rewrite::tidy(file),
            Act::BlockAddress { .. } | Act::Isolate { .. } => block::tidy(),
            Act::LockAccount { .. } => account::Etc::of_the_host().tidy(),
            _ => Ok(()),
        }
    }

    /// Reads the parts of an object into `sink`; see [`crate::platform::Platform::capture`].
    ///
    /// # Errors
    /// When the object is gone or another, or the sink takes no more.
    pub fn capture(&self, object: &Object, parts: &[Part], sink: &mut dyn CaptureSink) -> Result<(), HostError> {
        match object {
            Object::File { file } => capture::file(file, sink),
            Object::Process { process } => {
                let doing = format!("capture process {} `{}`", process.pid, process.comm);
                let seen = self
                    .identify(process, &doing)?
                    .ok_or(HostError::Gone { doing: doing.clone() })?;
                capture::process(&seen, process, parts, sink, &doing)
            }
        }
    }

    /// Takes the host for one transaction; freed when the value is dropped or the worker dies.
    ///
    /// # Errors
    /// `Busy` when another has it.
    pub fn lock(&self) -> Result<Box<dyn Send>, HostError> {
        Ok(Box::new(lock::take(&lock::object())?))
    }

    /// Makes the journal's directory and gives its store; see [`crate::platform::Platform::open_journal`].
    ///
    /// # Errors
    /// When it cannot be made exclusively, or the path is not of the form that we make.
    pub fn open_journal(&self, directory: &HostPath, spool_bytes: u64) -> Result<Box<dyn Store>, HostError> {
        Ok(Box::new(store::Journal::make(directory, spool_bytes)?))
    }

    /// The bytes of a journal that an earlier worker left; `None` where there is none.
    ///
    /// # Errors
    /// When there is one, and it is not ours or cannot be read.
    pub fn recall_journal(&self, directory: &HostPath) -> Result<Option<Vec<u8>>, HostError> {
        store::recall(directory)
    }

    /// What an earlier worker left sealed; see [`crate::platform::Platform::recall_spool`].
    ///
    /// # Errors
    /// When it is not ours, or something in it cannot be read.
    pub fn recall_spool(&self, directory: &HostPath, take: &mut dyn FnMut(Digest, &[u8])) -> Result<(), HostError> {
        store::recall_spool(directory, take)
    }

    /// Removes a journal and its spool that an earlier worker left. None there is no error.
    ///
    /// # Errors
    /// When something stays, or it is not ours.
    pub fn forget_journal(&self, directory: &HostPath) -> Result<(), HostError> {
        store::forget(directory)
    }

    /// What stands still; a panic elsewhere does not take it from us.
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Hands {
    fn default() -> Self {
        Self::new()
    }
}

/// What the kernel's refusal means here.
fn refused(doing: impl Display, errno: Errno) -> HostError {
    let doing = doing.to_string();
    match errno {
        Errno::ACCESS | Errno::PERM => HostError::Denied { doing },
        Errno::NOENT | Errno::SRCH => HostError::Gone { doing },
        Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOTTY => HostError::Unsupported {
            doing,
            why: errno.to_string(),
        },
        _ => HostError::Failed {
            doing,
            why: errno.to_string(),
        },
    }
}

/// What an input or output error of the standard library means here.
fn failed(doing: impl Display, error: &std::io::Error) -> HostError {
    match Errno::from_io_error(error) {
        Some(errno) => refused(doing, errno),
        None => HostError::Failed {
            doing: doing.to_string(),
            why: error.to_string(),
        },
    }
}

/// The target must never be touched.
fn protected(doing: &str, why: &str) -> HostError {
    HostError::Protected {
        doing: doing.to_owned(),
        why: why.to_owned(),
    }
}

/// The target is another than the one meant.
fn changed(doing: &str, expected: impl Display, found: impl Display) -> HostError {
    HostError::Changed {
        doing: doing.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

/// Sixteen hexadecimal digits that nobody can have foreseen: the standard library seeds its hashers by getrandom(2).
fn random_digits() -> String {
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}
