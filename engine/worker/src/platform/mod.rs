//! The one boundary to an operating system: answers one query, carries out one act.
//!
//! [`linux`] asks the kernel; [`simulated`] is a host in memory, with guardians that start things again and faults by
//! script. The loop, the protection rules and the transaction above them are the same for both.

use crate::action::{Act, Arming, Done, Object, ProcessTarget, Undo};
use crate::frame::{EvidenceItem, Part};
use crate::journal::Store;
use crate::query::{Answer, HostError, Observed, Query};
use crate::text::{Digest, HostPath};

pub mod linux;
pub mod simulated;

/// How much of a host's time and memory the worker claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It steps back behind the host's own work.
    Look,
    /// A stroke, which must not wait for what it strikes.
    Stroke,
}

/// A host, from the inside.
///
/// Only [`crate::transaction`] calls what changes it, and only for approved orders.
pub trait Platform: Send + Sync {
    /// Answers one query. Changes nothing, not even an access time where that can be had.
    ///
    /// # Errors
    /// When there is no answer at all; what is missing in an answer stands in its coverage.
    fn answer(&self, query: &Query) -> Result<Observed<Answer>, HostError>;

    /// Carries out one act on exactly its target and looks whether it is done. Repeated, it finds it done ([`Done::Gone`]).
    ///
    /// `Freeze` checks boot, pid, start time and executable, hands the process to the keeper, stops it and waits until it
    /// stands. `Kill` checks the same and waits until it ended. `RemoveFile` checks device, inode and content (not ctime:
    /// our own acts change it) under a name of our own and puts it back where they differ. `EditLines` takes the lines out
    /// of what the file holds now; benign lines written meanwhile are kept. `Keep` is not an act of a platform.
    ///
    /// # Errors
    /// `Changed` when the target is another; then nothing was done. Anything else: not done, the target is as it was.
    fn act(&self, act: &Act) -> Result<Done, HostError>;

    /// Lets a process that [`Self::act`] froze run again. One that is gone is no error.
    ///
    /// # Errors
    /// When it may still stand still.
    fn thaw(&self, process: &ProcessTarget) -> Result<(), HostError>;

    /// Takes an act back; `content` is what the vault has of the file. Never starts a process, but for [`Undo::RunArgv`].
    ///
    /// # Errors
    /// When the place is taken by something else, or writing fails; then nothing was changed.
    fn undo(&self, undo: &Undo, content: Option<&[u8]>, arming: Arming) -> Result<Done, HostError>;

    /// Reads the parts of an object that are to be kept, in pieces, and gives each to `sink`.
    ///
    /// A file has one part, its content. Of a process the parts are those asked for.
    ///
    /// # Errors
    /// When the object is gone or another; a part that cannot be read is given to [`CaptureSink::missing`] instead.
    fn capture(&self, object: &Object, parts: &[Part], sink: &mut dyn CaptureSink) -> Result<(), HostError>;

    /// Takes the host for one transaction; freed when the value is dropped or the worker dies. Leaves no file behind.
    ///
    /// # Errors
    /// `Busy` when another has it.
    fn lock(&self) -> Result<Box<dyn Send>, HostError>;

    /// Starts the keeper, before anything is frozen. The keeper holds what is frozen; when the worker dies it thaws
    /// everything, or after [`Self::committed`] kills what was named there and thaws the rest.
    ///
    /// # Errors
    /// When there can be no keeper: then nothing may be frozen.
    fn arm(&self) -> Result<(), HostError>;

    /// Tells the keeper that the commit is durable, and what is proven and kept.
    ///
    /// # Errors
    /// When the keeper did not take it: then nothing may be destroyed.
    fn committed(&self, proven: &[ProcessTarget]) -> Result<(), HostError>;

    /// Ends the keeper. Everything that it held must be thawed or dead by now.
    fn disarm(&self);

    /// Makes the journal's directory, which must not be there, and gives its store.
    ///
    /// # Errors
    /// When it cannot be made exclusively, or the path is not of the form that we make.
    fn open_journal(&self, directory: &HostPath, spool_bytes: u64) -> Result<Box<dyn Store>, HostError>;

    /// Puts in order what an earlier worker, which died in this act, left of it under names of ours: a file gets its name
    /// back, a second copy goes. Nothing is done anew; where nothing was left nothing is done.
    ///
    /// # Errors
    /// When something of it stays.
    fn tidy(&self, act: &Act) -> Result<(), HostError>;

    /// The bytes of a journal that an earlier worker left; `None` where there is none.
    ///
    /// # Errors
    /// When there is one, and it is not ours (owner, mode, kind) or cannot be read.
    fn recall_journal(&self, directory: &HostPath) -> Result<Option<Vec<u8>>, HostError>;

    /// Gives what an earlier worker left sealed in a journal's spool, one item after the other: the digest that it was
    /// sealed under, and its bytes as they were before the seal. What was damaged since has other bytes than its digest
    /// says. No spool there is no error.
    ///
    /// # Errors
    /// When it is not ours (owner, mode, kind), or something in it cannot be read or is longer than a spool takes;
    /// then not all was given.
    fn recall_spool(&self, directory: &HostPath, take: &mut dyn FnMut(Digest, &[u8])) -> Result<(), HostError>;

    /// Removes a journal and its spool that an earlier worker left. None there is no error.
    ///
    /// # Errors
    /// When something stays, or it is not ours.
    fn forget_journal(&self, directory: &HostPath) -> Result<(), HostError>;

    /// Milliseconds since boot, suspended time included.
    fn uptime_ms(&self) -> u64;

    /// Milliseconds since 1970 by the host's own clock.
    fn host_time_ms(&self) -> u64;

    /// Waits. The simulated host moves its clock instead.
    fn sleep_ms(&self, ms: u64);

    /// Goes at this pace from here on, with the calling thread and those that it starts. Does nothing where the worker was
    /// not sent to its host, or may not.
    fn pace(&self, _pace: Pace) {}
}

/// Where captured evidence goes.
pub trait CaptureSink {
    /// A part begins; `false` skips it (its digest is already kept).
    ///
    /// # Errors
    /// When it cannot be taken any more: the capture ends.
    fn begin(&mut self, part: Part) -> Result<bool, HostError>;

    /// Bytes of the part that began.
    ///
    /// # Errors
    /// When they cannot be taken any more.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), HostError>;

    /// The part ended.
    ///
    /// # Errors
    /// When it is not safe.
    fn end(&mut self) -> Result<(), HostError>;

    /// A part could not be read.
    fn missing(&mut self, part: Part, why: HostError);
}

/// The item that describes one part of an object.
pub fn item_of(object: &Object, part: Part, action: Option<crate::action::ActionId>) -> EvidenceItem {
    match object {
        Object::File { file } => EvidenceItem {
            action,
            part,
            path: file.path.clone(),
            process: None,
            expected: Some(file.sha256),
        },
        Object::Process { process } => EvidenceItem {
            action,
            part,
            path: process.exe_path.clone(),
            process: Some((process.pid, process.start_ticks)),
            expected: match part {
                Part::Exe => Some(process.exe_sha256),
                Part::Argv => Some(process.argv_sha256),
                _ => None,
            },
        },
    }
}
