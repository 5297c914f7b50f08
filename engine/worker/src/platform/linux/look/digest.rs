//! Digests of content, each file once.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::sync::Mutex;

use md5::Md5;
use rustix::io::{Errno, retry_on_intr};
use sha2::{Digest as _, Sha256};

use super::file::Meta;
use crate::query::{FileId, limits};
use crate::text::Digest;

/// The digests that are remembered; a full memory is emptied.
const REMEMBERED: usize = 1 << 16;

/// The bytes of one read.
const CHUNK: usize = 256 << 10;

/// A younger file may change again without a new time of change, whose clock is coarse: it is not remembered.
const SETTLED_NS: u64 = 100_000_000;

/// What a content is known by without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileKey {
    pub(super) id: FileId,
    pub(super) size: u64,
    pub(super) mtime_ns: u64,
    pub(super) ctime_ns: u64,
}

/// An MD5, as dpkg keeps it.
pub(super) type Md5Sum = [u8; 16];

/// What hashing gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hashed<T> {
    /// Of the whole content.
    Whole(T),
    /// Of what was read while somebody wrote.
    Changed(T),
    /// Longer than [`limits::DIGEST_BYTES`].
    TooLong,
}

/// Digests made so far.
#[derive(Default)]
pub(super) struct Digests {
    sha256: Memory<Digest>,
    md5: Memory<Md5Sum>,
}

struct Memory<T>(Mutex<HashMap<FileKey, T>>);

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<T: Copy> Memory<T> {
    fn known(&self, key: &FileKey) -> Option<T> {
        self.0.lock().ok()?.get(key).copied()
    }

    fn keep(&self, key: FileKey, value: T) {
        if let Ok(mut memory) = self.0.lock() {
            if memory.len() >= REMEMBERED {
                memory.clear();
            }
            memory.insert(key, value);
        }
    }
}

impl Digests {
    /// The SHA-256 of an open regular file; `beat` is called as it goes on.
    pub(super) fn sha256(&self, fd: BorrowedFd<'_>, beat: &dyn Fn()) -> Result<Hashed<Digest>, Errno> {
        let mut state = Sha256::new();
        let read = remembered(&self.sha256, fd, beat, &mut |bytes| state.update(bytes))?;
        Ok(read.finish(&self.sha256, || Digest(state.finalize().into())))
    }

    /// The MD5 of an open regular file.
    pub(super) fn md5(&self, fd: BorrowedFd<'_>, beat: &dyn Fn()) -> Result<Hashed<Md5Sum>, Errno> {
        let mut state = Md5::new();
        let read = remembered(&self.md5, fd, beat, &mut |bytes| state.update(bytes))?;
        Ok(read.finish(&self.md5, || state.finalize().into()))
    }

    /// A SHA-256 that is known already.
    pub(super) fn known(&self, key: &FileKey) -> Option<Digest> {
        self.sha256.known(key)
    }
}

/// How far one reading came.
enum Reading<T> {
    Known(T),
    Whole { key: FileKey, settled: bool },
    Changed,
    TooLong,
}

impl<T: Copy> Reading<T> {
    fn finish(self, memory: &Memory<T>, value: impl FnOnce() -> T) -> Hashed<T> {
        match self {
            Reading::Known(value) => Hashed::Whole(value),
            Reading::TooLong => Hashed::TooLong,
            Reading::Changed => Hashed::Changed(value()),
            Reading::Whole { key, settled } => {
                let value = value();
                if settled {
                    memory.keep(key, value);
                }
                Hashed::Whole(value)
            }
        }
    }
}

/// Reads the whole content into `sink` unless its digest is in `memory`.
fn remembered<T: Copy>(
    memory: &Memory<T>,
    fd: BorrowedFd<'_>,
    beat: &dyn Fn(),
    sink: &mut dyn FnMut(&[u8]),
) -> Result<Reading<T>, Errno> {
    let key = Meta::of_fd(fd)?.key();
    if let Some(value) = memory.known(&key) {
        return Ok(Reading::Known(value));
    }
    if key.size > limits::DIGEST_BYTES {
        return Ok(Reading::TooLong);
    }
    let began_ns = super::host_time_ms().saturating_mul(1_000_000);
    let Some(count) = stream(fd, beat, sink)? else {
        return Ok(Reading::TooLong);
    };
    if Meta::of_fd(fd)?.key() != key {
        return Ok(Reading::Changed);
    }
    // A file of /proc has no size and is another at each reading.
    let settled = count == key.size && key.ctime_ns.max(key.mtime_ns).saturating_add(SETTLED_NS) < began_ns;
    Ok(Reading::Whole { key, settled })
}

/// Reads from the start, [`limits::DIGEST_BYTES`] at most, whatever the size was said to be; gives how many bytes there
/// were, `None` if there are more.
fn stream(fd: BorrowedFd<'_>, beat: &dyn Fn(), sink: &mut dyn FnMut(&[u8])) -> Result<Option<u64>, Errno> {
    let mut buffer = vec![0_u8; CHUNK];
    let mut at = 0_u64;
    loop {
        let count = retry_on_intr(|| rustix::io::pread(fd, buffer.as_mut_slice(), at))?;
        if count == 0 {
            return Ok(Some(at));
        }
        at += count as u64;
        if at > limits::DIGEST_BYTES {
            return Ok(None);
        }
        sink(&buffer[..count]);
        beat();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::time::{Duration, Instant, SystemTime};

    fn digest(digests: &Digests, file: &File) -> Hashed<Digest> {
        digests.sha256(file.as_fd(), &|| {}).expect("an ordinary file")
    }

    #[test]
    fn a_settled_file_is_read_once() {
        let digests = Digests::default();
        // Where the machine is busy, one may have grown old before it was read.
        let begin = Instant::now();
        let (mut file, key) = loop {
            let mut file = tempfile::tempfile().unwrap();
            let began = Instant::now();
            file.write_all(b"abc").unwrap();
            assert_eq!(digest(&digests, &file), Hashed::Whole(Digest::of(b"abc")));
            let is_young = began.elapsed() < Duration::from_nanos(SETTLED_NS) * 9 / 10;
            let key = Meta::of_fd(file.as_fd()).unwrap().key();
            if is_young {
                assert_eq!(digests.known(&key), None, "too young to be remembered");
                break (file, key);
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "no file is read in time");
        };
        let md5 = digests.md5(file.as_fd(), &|| {}).unwrap();
        assert_eq!(
            md5,
            Hashed::Whole(*b"\x90\x01\x50\x98\x3c\xd2\x4f\xb0\xd6\x96\x3f\x7d\x28\xe1\x7f\x72")
        );
        std::thread::sleep(Duration::from_millis(110));
        digest(&digests, &file);
        assert_eq!(digests.known(&key), Some(Digest::of(b"abc")));
        file.write_all(b"d").unwrap();
        assert_eq!(digest(&digests, &file), Hashed::Whole(Digest::of(b"abcd")));
    }

    #[test]
    fn a_sparse_giant_is_refused_at_once() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(900 << 30).unwrap();
        let began = SystemTime::now();
        assert_eq!(digest(&Digests::default(), &file), Hashed::TooLong);
        assert!(began.elapsed().unwrap() < Duration::from_secs(20));
    }

    #[test]
    fn a_file_of_proc_is_never_remembered() {
        let digests = Digests::default();
        let file = File::open("/proc/self/status").unwrap();
        digest(&digests, &file);
        let key = Meta::of_fd(file.as_fd()).unwrap().key();
        assert_eq!(digests.known(&key), None);
    }
}
