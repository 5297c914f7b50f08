//! Replacing a file's content while others write to it, so that nobody's line is lost and nobody sees half a file.
//!
//! The new content is written beside the file and exchanged with it in one step (`RENAME_EXCHANGE`, renameat2(2)). What
//! was displaced is looked at again: whatever somebody appended to it meanwhile is appended to the new file; if it was
//! changed otherwise, the exchange is taken back and all begins anew. A writer that keeps the old file open for longer
//! than [`SETTLE`] writes to a file without a name, as with any editor.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, RenameFlags, Stat, fstat, openat, renameat, renameat_with};
use rustix::io::Errno;

use super::files::{self, Pinned, Place};
use super::{failed, lines, metadata, refused, remove};
use crate::action::FileTarget;
use crate::query::HostError;
use crate::text::Digest;

/// The longest text that is edited.
const MAX_BYTES: u64 = 8 << 20;

/// How often a file that is written to meanwhile is tried again.
const TRIES: usize = 50;

/// How long nothing more may arrive in the displaced file before it is given up.
const SETTLE: Duration = Duration::from_millis(30);

/// How long that may take at most.
const SETTLE_MAX: Duration = Duration::from_millis(1_000);

/// How a rewriting ended.
#[derive(Debug)]
pub(super) enum Rewritten<T> {
    /// There is no such file.
    Gone,
    /// It needs no change.
    Nothing,
    /// The file as it was before, and what the change gave beside the new text.
    Done(Box<FileTarget>, T),
}

/// How one try ended.
enum Try {
    Done,
    Again,
}

/// A file that is being rewritten.
struct Rewriting<'a> {
    target: &'a FileTarget,
    place: Place,
    doing: &'a str,
}

/// Gives the file at the target's path, whichever inode it is, the text that `change` makes of what it holds; `None` from
/// `change` leaves it. Owner, mode, attributes and flags stay; the time of change is now.
///
/// # Errors
/// Those of `change` before anything was done; `TooLarge` above 8 MiB.
pub(super) fn rewrite<T>(
    target: &FileTarget,
    doing: &str,
    change: impl Fn(&[u8]) -> Result<Option<(Vec<u8>, T)>, HostError>,
) -> Result<Rewritten<T>, HostError> {
    let Some(place) = Place::of(target, doing)? else {
        return Ok(Rewritten::Gone);
    };
    let rewriting = Rewriting { target, place, doing };
    let temp = rewriting.temporary_name()?;
    let mut done: Option<(Box<FileTarget>, T)> = None;
    for _ in 0..TRIES {
        let Some((pinned, file, text)) = rewriting.look()? else {
            break;
        };
        let changed = match change(&text) {
            // The condemned line itself is gone; what took its place is seen by the next look.
            Err(_) if done.is_some() => None,
            changed => changed?,
        };
        let Some((new, beside)) = changed else {
            return Ok(match done {
                Some((before, beside)) => Rewritten::Done(before, beside),
                None => Rewritten::Nothing,
            });
        };
        let before = metadata::as_met(target, &pinned.stat, &file, Digest::of(&text), doing)?;
        let tried = rewriting
            .write_beside(&temp, &new, &before)
            .and_then(|fresh| rewriting.replace(&temp, &fresh, &new, &pinned, &file, &text));
        match tried {
            Ok(Try::Done) => {
                done.get_or_insert((Box::new(before), beside));
            }
            Ok(Try::Again) => {}
            Err(error) => {
                rewriting.place.unlink(&temp, doing)?;
                return Err(error);
            }
        }
        rewriting.place.unlink(&temp, doing)?;
        rewriting.place.sync();
    }
    match (done, rewriting.place.now(&target.mount, doing)?) {
        (Some((before, beside)), None) => Ok(Rewritten::Done(before, beside)),
        (None, None) => Ok(Rewritten::Gone),
        (_, Some(_)) => Err(HostError::Failed {
            doing: doing.to_owned(),
            why: format!("somebody wrote to it during each of {TRIES} tries"),
        }),
    }
}

impl Rewriting<'_> {
    /// The file as it is now, with its text; `None` when there is none.
    fn look(&self) -> Result<Option<(Pinned, File, Vec<u8>)>, HostError> {
        let Some(pinned) = self.place.now(&self.target.mount, self.doing)? else {
            return Ok(None);
        };
        let file = pinned.open(OFlags::RDONLY, self.doing)?;
        let text = files::read_whole(&file, MAX_BYTES, self.doing)?;
        Ok(Some((pinned, file, text)))
    }

    /// Our name for the new file. It is the same after a crash: what an earlier worker left under it is removed first.
    fn temporary_name(&self) -> Result<Vec<u8>, HostError> {
        let mut own = self.target.clone();
        own.id = crate::query::FileId {
            dev: crate::text::Wide(0),
            inode: crate::text::Wide(0),
        };
        let name = remove::own_name("edit", &own);
        match self.place.pin(&name, &self.target.mount, self.doing) {
            Ok(None) => Ok(name),
            Ok(Some(_)) => self.place.unlink(&name, self.doing).map(|()| name),
            Err(_) => Ok(remove::random_name()),
        }
    }

    /// Writes the new file beside the old one, durably, with all that the old one carries.
    fn write_beside(&self, temp: &[u8], text: &[u8], before: &FileTarget) -> Result<File, HostError> {
        if before.flags.is_some_and(|flags| flags & metadata::HOLDS_FAST != 0) {
            return Err(HostError::Denied {
                doing: format!("{}: clear its immutable and append-only flags first", self.doing),
            });
        }
        let mut fresh = create(&self.place, temp, self.doing)?;
        fresh.write_all(text).map_err(|error| failed(self.doing, &error))?;
        metadata::set_owner(&fresh, before.uid, before.gid, before.mode, self.doing)?;
        metadata::set_xattrs(&fresh, &before.xattrs, |_| true, self.doing)?;
        metadata::take_over_flags(&fresh, before.flags, self.doing)?;
        fresh.sync_all().map_err(|error| failed(self.doing, &error))?;
        Ok(fresh)
    }

    /// Puts the new file in the place of the old one, if that is still as it was read.
    fn replace(
        &self,
        temp: &[u8],
        fresh: &File,
        new: &[u8],
        pinned: &Pinned,
        file: &File,
        text: &[u8],
    ) -> Result<Try, HostError> {
        let same = self
            .place
            .now(&self.target.mount, self.doing)?
            .is_some_and(|now| now.is_same_as(&pinned.stat));
        if !same || files::read_whole(file, MAX_BYTES, self.doing)? != text {
            return Ok(Try::Again);
        }
        let dir = &self.place.dir;
        let name = &self.place.name[..];
        let displaced = match renameat_with(dir, temp, dir, name, RenameFlags::EXCHANGE) {
            Ok(()) => match self.displaced(temp) {
                Ok(displaced) => displaced,
                Err(_) => return self.take_back(temp, fresh, new),
            },
            Err(Errno::NOENT) => return Ok(Try::Again),
            // Before 3.15, and on file systems that cannot exchange: the old file stays readable through its descriptor.
            Err(Errno::NOSYS | Errno::INVAL) => {
                renameat(dir, temp, dir, name).map_err(|errno| refused(self.doing, errno))?;
                let old = file.try_clone().map_err(|error| failed(self.doing, &error))?;
                return self.settle(&old, text, fresh).map(|_| Try::Done);
            }
            Err(errno) => return Err(refused(self.doing, errno)),
        };
        match self.settle(&displaced, text, fresh) {
            Ok(true) => Ok(Try::Done),
            Ok(false) => self.take_back(temp, fresh, new),
            Err(error) => self.take_back(temp, fresh, new).and(Err(error)),
        }
    }

    /// The file that stands under our temporary name since the exchange.
    fn displaced(&self, temp: &[u8]) -> Result<File, HostError> {
        match self.place.pin(temp, &self.target.mount, self.doing)? {
            Some(pinned) => pinned.open(OFlags::RDONLY, self.doing),
            None => Err(HostError::Gone {
                doing: self.doing.to_owned(),
            }),
        }
    }

    /// Moves what is appended to the displaced file over to the new one, until nothing more arrives; `false` when it was
    /// changed otherwise.
    fn settle(&self, displaced: &File, text: &[u8], fresh: &File) -> Result<bool, HostError> {
        let begin = Instant::now();
        let mut quiet_since = begin;
        let mut moved: Vec<u8> = Vec::new();
        loop {
            let now = files::read_whole(displaced, MAX_BYTES, self.doing)?;
            let tail = match now.strip_prefix(text).and_then(|rest| rest.strip_prefix(&moved[..])) {
                Some(tail) => tail,
                // Nothing was moved yet: it can be taken back whole.
                None if moved.is_empty() => return Ok(false),
                None => &[],
            };
            if !tail.is_empty() {
                // The first piece would continue a line that may have been condemned.
                if moved.is_empty() && !text.is_empty() && !text.ends_with(b"\n") {
                    return Ok(false);
                }
                self.append(tail, fresh, true)?;
                moved.extend_from_slice(tail);
                quiet_since = Instant::now();
            } else if !moved.is_empty() && self.append(&moved, fresh, false)? {
                quiet_since = Instant::now();
            }
            if quiet_since.elapsed() >= SETTLE || begin.elapsed() >= SETTLE_MAX {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Appends lines to the file that has the name now; `false` when there was nothing to append. `surely` appends them to
    /// our own file even if equal lines stand there; in a file that somebody else put there, only what it does not hold.
    fn append(&self, tail: &[u8], fresh: &File, surely: bool) -> Result<bool, HostError> {
        let ours = fstat(fresh).map_err(|errno| refused(self.doing, errno))?;
        let mut appended = false;
        for _ in 0..TRIES {
            let Some((pinned, _, text)) = self.look()? else {
                return Ok(appended);
            };
            let is_ours = pinned.is_same_as(&ours);
            let lost = match surely && is_ours && !appended {
                true => tail.to_vec(),
                false => lines::missing(&text, tail),
            };
            if lost.is_empty() {
                return Ok(appended);
            }
            let mut bytes = Vec::new();
            if !is_ours && !text.is_empty() && !text.ends_with(b"\n") {
                bytes.push(b'\n');
            }
            bytes.extend_from_slice(&lost);
            let mut file = match is_ours {
                true => fresh.try_clone().map_err(|error| failed(self.doing, &error))?,
                false => pinned.open(OFlags::WRONLY | OFlags::APPEND, self.doing)?,
            };
            file.write_all(&bytes).map_err(|error| failed(self.doing, &error))?;
            file.sync_data().map_err(|error| failed(self.doing, &error))?;
            appended = true;
            let still = self
                .place
                .now(&self.target.mount, self.doing)?
                .is_some_and(|now| now.is_same_as(&pinned.stat));
            if still {
                return Ok(true);
            }
        }
        Ok(appended)
    }

    /// Takes an exchange back: what was displaced gets its name again. What somebody did to the new file meanwhile is kept:
    /// lines appended to it are moved, a file put in its place stays in place.
    fn take_back(&self, temp: &[u8], fresh: &File, new: &[u8]) -> Result<Try, HostError> {
        let dir = &self.place.dir;
        let name = &self.place.name[..];
        let exchange = || renameat_with(dir, temp, dir, name, RenameFlags::EXCHANGE);
        match exchange() {
            Ok(()) => {}
            // Somebody removed our file: then theirs simply gets its name back.
            Err(Errno::NOENT) => {
                return match remove::rename_free(&self.place, temp, name) {
                    Ok(()) | Err(Errno::NOENT | Errno::EXIST) => Ok(Try::Again),
                    Err(errno) => Err(refused(self.doing, errno)),
                };
            }
            Err(errno) => return Err(refused(self.doing, errno)),
        }
        let ours: Stat = fstat(fresh).map_err(|errno| refused(self.doing, errno))?;
        let came_back = self.place.pin(temp, &self.target.mount, self.doing);
        match came_back {
            Ok(Some(pinned)) if pinned.is_same_as(&ours) => {
                let now = files::read_whole(fresh, MAX_BYTES, self.doing)?;
                if let Some(tail) = now.strip_prefix(new).filter(|tail| !tail.is_empty()) {
                    self.append(tail, fresh, false)?;
                }
            }
            _ => exchange().map_err(|errno| refused(self.doing, errno))?,
        }
        Ok(Try::Again)
    }
}

/// Makes a new, empty file that only we may read.
pub(super) fn create(place: &Place, name: &[u8], doing: &str) -> Result<File, HostError> {
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd: OwnedFd = openat(&place.dir, name, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| refused(format_args!("{doing}: write beside it"), errno))?;
    Ok(File::from(fd))
}
