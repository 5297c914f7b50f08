//! Replacing a file's content while others write to it, so that nobody's line is lost and nobody sees half a file.
//!
//! The new content is written beside the file and exchanged with it in one step (`RENAME_EXCHANGE`, renameat2(2)). What
//! was displaced is looked at again: whatever somebody appended to it meanwhile is appended to the new file; if it was
//! changed otherwise, the exchange is taken back and all begins anew. A writer that keeps the old file open for longer
//! than [`SETTLE`] writes to a file without a name, as with any editor; one that read the new file before what was appended
//! had reached it, and puts its own copy in the place, has [`SETTLE_MOVED`].

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, RenameFlags, fstat, openat, renameat, renameat_with};
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
pub(super) const SETTLE: Duration = Duration::from_millis(30);

/// The same once something was moved: until then the new file lacked it, and somebody may be writing a copy of that.
pub(super) const SETTLE_MOVED: Duration = Duration::from_millis(300);

/// So often it is looked at in that time at least: where the machine is busy, a pause alone says nothing.
const LOOKS: u32 = 20;

/// How long that may take at most.
const SETTLE_MAX: Duration = Duration::from_millis(1_000);

/// Between two looks at it.
const PAUSE: Duration = Duration::from_micros(500);

/// How long all tries may take together.
const ALL: Duration = Duration::from_millis(5_000);

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
    let begin = Instant::now();
    let mut tries = 0;
    while tries < TRIES && begin.elapsed() < ALL {
        tries += 1;
        let Some((pinned, file, text)) = rewriting.look()? else {
            return Ok(match done {
                Some((before, beside)) => Rewritten::Done(before, beside),
                None => Rewritten::Gone,
            });
        };
        let Some((new, beside)) = change(&text)? else {
            return Ok(match done {
                Some((before, beside)) => Rewritten::Done(before, beside),
                None => Rewritten::Nothing,
            });
        };
        let before = metadata::as_met(target, &pinned.stat, &file, Digest::of(&text), doing)?;
        let mut known = Known::begin(text, new);
        let fresh = match rewriting.write_beside(&temp, &known.new, &before) {
            Ok(fresh) => fresh,
            Err(error) => return rewriting.place.unlink(&temp, doing).and(Err(error)),
        };
        let tried = rewriting.replace(&temp, &fresh, &mut known);
        if tried.is_ok() || rewriting.has_name(&temp, &fresh)? {
            rewriting.place.unlink(&temp, doing)?;
        }
        rewriting.place.sync();
        if let Try::Done = tried? {
            fresh.sync_all().map_err(|error| failed(doing, &error))?;
            let (before, beside) = done.take().unwrap_or((Box::new(before), beside));
            if rewriting.stands(&fresh, &known)? {
                return Ok(Rewritten::Done(before, beside));
            }
            done = Some((before, beside));
        }
    }
    Err(HostError::Failed {
        doing: doing.to_owned(),
        why: format!("somebody wrote to it during each of {tries} tries"),
    })
}

/// Removes what a rewriting left beside the file when its worker died: the new file, or after the exchange the old one.
/// What was appended to the old one and did not reach the new one is appended there first.
///
/// # Errors
/// When the system refuses; then nothing is lost.
pub(super) fn tidy(target: &FileTarget) -> Result<(), HostError> {
    let doing = &format!("clear up beside `{}`", target.path);
    // A place that is not reached the plain way was never written to.
    let Ok(Some(place)) = Place::of(target, doing) else {
        return Ok(());
    };
    let rewriting = Rewriting { target, place, doing };
    let name = target.name_in_edit().file_name().to_vec();
    let Ok(Some(rest)) = rewriting.place.pin(&name, &target.mount, doing) else {
        return Ok(());
    };
    let text = files::read_whole(&rest.open(OFlags::RDONLY, doing)?, MAX_BYTES, doing)?;
    let old = usize::try_from(target.size.0)
        .ok()
        .and_then(|size| text.split_at_checked(size));
    if let Some((old, tail)) = old
        && Digest::of(old) == target.sha256
        && may_follow(old, tail)
    {
        rewriting.append(tail, &Known::default())?;
    }
    rewriting.place.unlink(&name, doing)?;
    rewriting.place.sync();
    Ok(())
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
        let name = self.target.name_in_edit().file_name().to_vec();
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

    /// Puts the new file in the place of the old one, if that is still as it was read or has only grown; then sees to it
    /// that no line is lost of anything that lost its name meanwhile.
    fn replace(&self, temp: &[u8], fresh: &File, known: &mut Known) -> Result<Try, HostError> {
        let mut nameless = Vec::new();
        let exchanged = self.exchange(temp, fresh, known, &mut nameless);
        match (exchanged, self.settle(&nameless, known)) {
            (Ok(Try::Done), Err(error)) => self.take_back(temp, fresh, known, &mut nameless).and(Err(error)),
            (exchanged, settled) => settled.and(exchanged),
        }
    }

    /// Exchanges the two files; notes in `nameless` every file that stood under the name and does no more.
    fn exchange(
        &self,
        temp: &[u8],
        fresh: &File,
        known: &mut Known,
        nameless: &mut Vec<Nameless>,
    ) -> Result<Try, HostError> {
        let dir = &self.place.dir;
        let name = &self.place.name[..];
        for _ in 0..TRIES {
            let Some((old, file)) = self.catch_up(fresh, known)? else {
                return Ok(Try::Again);
            };
            match renameat_with(dir, temp, dir, name, RenameFlags::EXCHANGE) {
                Ok(()) => {}
                Err(Errno::NOENT) => return Ok(Try::Again),
                // Before 3.15, and on file systems that cannot exchange: the old file stays readable through its
                // descriptor, but one that takes its place right now is lost.
                Err(Errno::NOSYS | Errno::INVAL) => {
                    renameat(dir, temp, dir, name).map_err(|errno| refused(self.doing, errno))?;
                    nameless.extend(known.displaced(file, self.doing)?.map(|(it, _)| it));
                    return Ok(Try::Done);
                }
                Err(errno) => return Err(refused(self.doing, errno)),
            }
            // Another file may have taken the place meanwhile: the sooner it is back, the fewer have seen ours.
            let displaced = self.place.pin(temp, &self.target.mount, self.doing);
            let met = matches!(&displaced, Ok(Some(pinned)) if pinned.is_same_as(&old.stat));
            let mut taken_back = None;
            if !met {
                taken_back = Some(self.take_back(temp, fresh, known, nameless)?);
            }
            let mut grown = None;
            if let Ok(Some(pinned)) = displaced {
                grown = known.displaced(pinned.open(OFlags::RDONLY, self.doing)?, self.doing)?;
            }
            let follows = matches!(&grown, Some((_, now)) if tail_of(&known.text, now).is_some());
            // Who read our file while it had the name may write it back over this one.
            nameless.extend(grown.map(|(it, _)| it));
            match taken_back {
                None if follows => return Ok(Try::Done),
                None => return self.take_back(temp, fresh, known, nameless).map(|_| Try::Again),
                Some(true) => {}
                Some(false) => return Ok(Try::Again),
            }
        }
        Ok(Try::Again)
    }

    /// Appends to the new file what was appended to the old one, or to a copy that took its place, since it was read: the
    /// less is left to move after the exchange, the better. Gives the file that was read last; `None` when the old one was
    /// changed otherwise.
    fn catch_up(&self, mut fresh: &File, known: &mut Known) -> Result<Option<(Pinned, File)>, HostError> {
        for _ in 0..TRIES {
            let Some((pinned, file, now)) = self.look()? else {
                return Ok(None);
            };
            let Some(tail) = tail_of(&known.text, &now) else {
                return Ok(None);
            };
            if tail.is_empty() {
                return Ok(Some((pinned, file)));
            }
            // The rest of a line is still being written.
            if !tail.ends_with(b"\n") {
                continue;
            }
            fresh.write_all(tail).map_err(|error| failed(self.doing, &error))?;
            known.new.extend_from_slice(tail);
            known.text = now;
        }
        Ok(None)
    }

    /// Whether our new file has this name; after an error it may be somebody else's file that has it.
    fn has_name(&self, name: &[u8], fresh: &File) -> Result<bool, HostError> {
        let ours = fstat(fresh).map_err(|errno| refused(self.doing, errno))?;
        let found = self.place.pin(name, &self.target.mount, self.doing)?;
        Ok(found.is_some_and(|found| found.is_same_as(&ours)))
    }

    /// Whether the change holds: the file is ours still, or what took its place holds no line more often that was taken
    /// out, and none more seldom that was put in.
    fn stands(&self, fresh: &File, known: &Known) -> Result<bool, HostError> {
        let ours = fstat(fresh).map_err(|errno| refused(self.doing, errno))?;
        let Some((pinned, _, now)) = self.look()? else {
            return Ok(true);
        };
        if pinned.is_same_as(&ours) {
            return Ok(true);
        }
        let taken_out = lines::missing(&known.new, &known.text);
        let put_in = lines::missing(&known.text, &known.new);
        let more = lines::missing(&known.new, &now);
        let fewer = lines::missing(&now, &known.new);
        Ok(lines::missing(&more, &taken_out) == taken_out && lines::missing(&fewer, &put_in) == put_in)
    }

    /// Moves what was appended to files that lost their name over to the file that has it now, until nothing more arrives
    /// and all of it stands there.
    fn settle(&self, nameless: &[Nameless], known: &Known) -> Result<(), HostError> {
        let begin = Instant::now();
        let (mut quiet_since, mut looks, mut settle) = (begin, 0, SETTLE);
        while !nameless.is_empty() {
            let is_last = (quiet_since.elapsed() >= settle && looks >= LOOKS) || begin.elapsed() >= SETTLE_MAX;
            looks += 1;
            for Nameless { file, base } in nameless {
                let now = files::read_whole(file, MAX_BYTES, self.doing)?;
                let tail = now.get(*base..).unwrap_or_default();
                let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let tail = if is_last { tail } else { &tail[..whole] };
                if !tail.is_empty() && self.append(tail, known)? {
                    (quiet_since, looks, settle) = (Instant::now(), 0, SETTLE_MOVED);
                }
            }
            if is_last {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Appends those of the lines that it does not hold to the file that has the name now; `false` when it holds all. What
    /// it held at first, one of the `known` texts, does not count.
    fn append(&self, tail: &[u8], known: &Known) -> Result<bool, HostError> {
        let Some((pinned, _, text)) = self.look()? else {
            return Ok(false);
        };
        let added = &text[known.base_of(&text).unwrap_or(0)..];
        let lost = lines::missing(added, tail);
        if lost.is_empty() {
            return Ok(false);
        }
        let mut bytes = Vec::new();
        if !text.is_empty() && !text.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(&lost);
        let mut file = pinned.open(OFlags::WRONLY | OFlags::APPEND, self.doing)?;
        file.write_all(&bytes).map_err(|error| failed(self.doing, &error))?;
        Ok(true)
    }

    /// Takes an exchange back: what was displaced gets its name again. What took the place of our file meanwhile is noted
    /// in `nameless`, or keeps the place where it is nothing that was appended to. Gives whether our file is as we wrote
    /// it.
    fn take_back(
        &self,
        temp: &[u8],
        fresh: &File,
        known: &Known,
        nameless: &mut Vec<Nameless>,
    ) -> Result<bool, HostError> {
        let dir = &self.place.dir;
        let name = &self.place.name[..];
        let exchange =
            || renameat_with(dir, temp, dir, name, RenameFlags::EXCHANGE).map_err(|errno| refused(self.doing, errno));
        match exchange() {
            Ok(()) => {}
            // Somebody removed our file: then theirs simply gets its name back.
            Err(HostError::Gone { .. }) => {
                return match remove::rename_free(&self.place, temp, name) {
                    Ok(()) | Err(Errno::NOENT | Errno::EXIST) => Ok(false),
                    Err(errno) => Err(refused(self.doing, errno)),
                };
            }
            Err(error) => return Err(error),
        }
        let ours = fstat(fresh).map_err(|errno| refused(self.doing, errno))?;
        let Ok(Some(came_back)) = self.place.pin(temp, &self.target.mount, self.doing) else {
            return exchange().map(|()| false);
        };
        let file = came_back.open(OFlags::RDONLY, self.doing)?;
        match known.displaced(file, self.doing)? {
            Some((it, now)) => {
                nameless.push(it);
                Ok(came_back.is_same_as(&ours) && now == known.new)
            }
            None => exchange().map(|()| false),
        }
    }
}

/// The old text and the one that we wrote: as they were at first, which is what files that lost their name go on from, and
/// as far as they have grown.
#[derive(Default)]
struct Known {
    text: Vec<u8>,
    new: Vec<u8>,
    /// The lengths of both at first.
    first: (usize, usize),
}

/// A file that stood under the name and does no more; what it holds beyond `base` bytes must not be lost.
struct Nameless {
    file: File,
    base: usize,
}

impl Known {
    fn begin(text: Vec<u8>, new: Vec<u8>) -> Known {
        let first = (text.len(), new.len());
        Known { text, new, first }
    }

    /// How much of a text is known: the length of the longer one that it goes on from. Only what both were at first counts:
    /// whoever copied our file before it had grown goes on from that.
    fn base_of(&self, text: &[u8]) -> Option<usize> {
        [&self.text[..self.first.0], &self.new[..self.first.1]]
            .into_iter()
            .filter(|known| tail_of(known, text).is_some())
            .map(<[u8]>::len)
            .max()
    }

    /// A file that lost its name, and what it holds; `None` when it does not go on from a known text.
    fn displaced(&self, file: File, doing: &str) -> Result<Option<(Nameless, Vec<u8>)>, HostError> {
        let now = files::read_whole(&file, MAX_BYTES, doing)?;
        Ok(self.base_of(&now).map(|base| (Nameless { file, base }, now)))
    }
}

/// What a text holds behind another; `None` when it does not go on from that.
fn tail_of<'a>(text: &[u8], now: &'a [u8]) -> Option<&'a [u8]> {
    now.strip_prefix(text).filter(|tail| may_follow(text, tail))
}

/// Whether a tail begins a line of its own; else it goes on with a line that may have been condemned.
fn may_follow(text: &[u8], tail: &[u8]) -> bool {
    tail.is_empty() || text.is_empty() || text.ends_with(b"\n")
}

/// Makes a new, empty file that only we may read.
pub(super) fn create(place: &Place, name: &[u8], doing: &str) -> Result<File, HostError> {
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd: OwnedFd = openat(&place.dir, name, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| refused(format_args!("{doing}: write beside it"), errno))?;
    Ok(File::from(fd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_that_lost_its_name_goes_on_from_is_known() {
        let mut known = Known::begin(b"a\nX\n".to_vec(), b"a\n".to_vec());
        known.text.extend_from_slice(b"b\n");
        known.new.extend_from_slice(b"b\n");
        let rows: [(&str, &[u8], Option<usize>); 6] = [
            ("the old file, grown", b"a\nX\nb\nc\n", Some(4)),
            ("a copy of the old file before that", b"a\nX\nc\n", Some(4)),
            ("ours, grown", b"a\nb\nc\n", Some(2)),
            ("a copy of ours before it had caught up", b"a\nc\n", Some(2)),
            ("somebody's own text", b"c\n", None),
            ("shorter than both", b"a", None),
        ];
        for (name, text, base) in rows {
            assert_eq!(known.base_of(text), base, "{name}");
        }
    }
}
