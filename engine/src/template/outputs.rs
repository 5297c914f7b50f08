//! Where the outputs of steps are held until their host is done: in memory while they are small and few, else in one file of the
//! run.
//!
//! The file has no name, so that it is gone with the process, however that ends, and no word of a host becomes part of a path.
//! What cannot be written or read back is the failure of the step that gave it or asks for it, never an empty output.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use minijinja::Value as Mini;
use rustix::fs::{FallocateFlags, fallocate};
use serde_json::Value;

use super::convert::from_json;

/// What one output that is held in memory weighs at most, see [`weight`].
const LARGE: usize = 1 << 20;

/// What all outputs of a run that are held in memory weigh together at most.
const IN_MEMORY: usize = 64 << 20;

/// What the file of a run takes at most: as much as its vault, so that no host can fill the disk.
const ON_DISK: u64 = crate::vault::QUOTA;

/// In steps of so many bytes a file system gives room back.
const PAGE: u64 = 4096;

/// The outputs of one run that steps still may ask for. Clones are the same.
#[derive(Debug, Clone)]
pub struct Outputs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Where the file is made; `None` where there is no run: then all is held in memory.
    dir: Option<PathBuf>,
    /// Made when the first output goes there.
    file: Mutex<Option<Arc<File>>>,
    /// Where the next one goes.
    end: AtomicU64,
    limits: Limits,
    /// The weight of what is in memory.
    in_memory: AtomicUsize,
    /// The bytes that the file takes.
    on_disk: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    large: usize,
    in_memory: usize,
    on_disk: u64,
}

/// Why an output is not held or not had back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    /// Other steps have taken all the room that there is.
    #[error("what the hosts gave takes more than {} GiB", limit >> 30)]
    Full {
        /// Bytes.
        limit: u64,
    },
    /// The system refused, or gave back something else.
    #[error("cannot {doing} what a step gave in {path}: {source}")]
    Io {
        /// `write` or `read`.
        doing: &'static str,
        /// The run's directory.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Outputs {
    /// Of the run that is kept in `dir`.
    pub fn of(dir: &Path) -> Outputs {
        let limits = Limits {
            large: LARGE,
            in_memory: IN_MEMORY,
            on_disk: ON_DISK,
        };
        Outputs::new(Some(dir), limits)
    }

    /// Of no run: all of them are held in memory.
    pub fn in_memory() -> Outputs {
        let limits = Limits {
            large: usize::MAX,
            in_memory: usize::MAX,
            on_disk: 0,
        };
        Outputs::new(None, limits)
    }

    fn new(dir: Option<&Path>, limits: Limits) -> Outputs {
        let inner = Inner {
            dir: dir.map(Path::to_owned),
            file: Mutex::default(),
            end: AtomicU64::new(0),
            limits,
            in_memory: AtomicUsize::new(0),
            on_disk: AtomicU64::new(0),
        };
        Outputs { inner: Arc::new(inner) }
    }

    /// Holds an output, of this weight, until the last that asks for it is done.
    ///
    /// # Errors
    /// When it is for the file, and that is full or cannot be written.
    pub(crate) fn hold(&self, output: Value, weight: usize) -> Result<Arc<Held>, OutputError> {
        let (limits, held) = (self.inner.limits, &self.inner.in_memory);
        let before = held.fetch_add(weight, Ordering::Relaxed);
        let share = Share {
            outputs: self.clone(),
            weight,
        };
        if self.inner.dir.is_none() || (weight <= limits.large && before.saturating_add(weight) <= limits.in_memory) {
            return Ok(Held::kept(Kept::Memory(output), Some(share)));
        }
        drop(share);
        let piece = self.write(&output)?;
        Ok(Held::kept(Kept::File(piece), None))
    }

    fn write(&self, output: &Value) -> Result<Piece, OutputError> {
        let bytes = serde_json::to_vec(output).map_err(|error| self.failed("write", error.into()))?;
        let room = (bytes.len() as u64).next_multiple_of(PAGE);
        let taken = self.inner.on_disk.fetch_add(room, Ordering::Relaxed);
        let piece = Piece {
            outputs: self.clone(),
            at: self.inner.end.fetch_add(room, Ordering::Relaxed),
            length: bytes.len(),
            room,
        };
        let limit = self.inner.limits.on_disk;
        if taken.saturating_add(room) > limit {
            return Err(OutputError::Full { limit });
        }
        let written = self.file().and_then(|file| file.write_all_at(&bytes, piece.at));
        written.map_err(|error| self.failed("write", error))?;
        Ok(piece)
    }

    fn file(&self) -> io::Result<Arc<File>> {
        let mut file = self.inner.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*file {
            return Ok(Arc::clone(file));
        }
        let dir = self.inner.dir.as_deref().unwrap_or(Path::new("/nonexistent"));
        let made = Arc::new(tempfile::tempfile_in(dir)?);
        Ok(Arc::clone(file.insert(made)))
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> OutputError {
        let dir = self.inner.dir.as_deref().unwrap_or(Path::new(""));
        OutputError::Io {
            doing,
            path: dir.display().to_string(),
            source,
        }
    }
}

/// About the bytes that a value takes: its text, and 32 for each value.
pub(crate) fn weight(value: &Value) -> usize {
    32 + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + weight(value)).sum(),
        _ => 0,
    }
}

/// Part of the memory of a run, until it is dropped.
#[derive(Debug)]
struct Share {
    outputs: Outputs,
    weight: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.outputs.inner.in_memory.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

/// Part of the file of a run, until it is dropped.
#[derive(Debug)]
struct Piece {
    outputs: Outputs,
    at: u64,
    length: usize,
    room: u64,
}

impl Piece {
    fn read(&self) -> Result<Value, OutputError> {
        let mut bytes = vec![0; self.length];
        let read = self.outputs.file().and_then(|file| {
            file.read_exact_at(&mut bytes, self.at)?;
            Ok(serde_json::from_slice(&bytes)?)
        });
        read.map_err(|error| self.outputs.failed("read", error))
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let inner = &self.outputs.inner;
        let file = inner.file.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let freed = file.is_none_or(|file| {
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&*file, hole, self.at, self.room).is_ok()
        });
        // A file system that makes no holes gives nothing back before the end.
        if freed {
            inner.on_disk.fetch_sub(self.room, Ordering::Relaxed);
        }
    }
}

/// A value that many expressions may use: JSON, and minijinja's form of it, made once and only when asked for.
pub(crate) struct Held {
    kept: Kept,
    _share: Option<Share>,
    mini: OnceLock<Mini>,
}

#[derive(Debug)]
enum Kept {
    Memory(Value),
    File(Piece),
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Variables are held so too, and some are secret.
        f.write_str("Held")
    }
}

impl Held {
    /// Takes a value that is no output, or is soon used up.
    pub(crate) fn new(json: Value) -> Arc<Held> {
        Held::kept(Kept::Memory(json), None)
    }

    fn kept(kept: Kept, share: Option<Share>) -> Arc<Held> {
        Arc::new(Held {
            kept,
            _share: share,
            mini: OnceLock::new(),
        })
    }

    /// The value; one of its own where it lies in the file.
    ///
    /// # Errors
    /// When it cannot be read back.
    pub(crate) fn json(&self) -> Result<Cow<'_, Value>, OutputError> {
        match &self.kept {
            Kept::Memory(json) => Ok(Cow::Borrowed(json)),
            Kept::File(piece) => piece.read().map(Cow::Owned),
        }
    }

    /// Takes the value back out; a copy where others still hold it.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub(crate) fn into_json(held: Arc<Held>) -> Result<Value, OutputError> {
        match Arc::try_unwrap(held) {
            Ok(Held {
                kept: Kept::Memory(json),
                ..
            }) => Ok(json),
            Ok(held) => held.json().map(Cow::into_owned),
            Err(shared) => shared.json().map(Cow::into_owned),
        }
    }

    /// Minijinja's form of `json`, which is this value.
    pub(super) fn mini(&self, json: &Value) -> &Mini {
        self.mini.get_or_init(|| from_json(json))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn small(dir: &Path) -> Outputs {
        let limits = Limits {
            large: 200,
            in_memory: 500,
            on_disk: 2 * PAGE,
        };
        Outputs::new(Some(dir), limits)
    }

    fn hold(outputs: &Outputs, output: Value) -> Result<Arc<Held>, OutputError> {
        let weight = weight(&output);
        outputs.hold(output, weight)
    }

    fn is_in_file(held: &Held) -> bool {
        matches!(held.kept, Kept::File(_))
    }

    #[test]
    fn what_is_large_or_too_much_goes_to_a_file_without_a_name() {
        let dir = tempfile::tempdir().expect("a directory");
        let outputs = small(dir.path());
        let few = json!({"rows": ["a", 1.1, null]});
        let many = json!({"rows": vec!["a row"; 50]});
        let first = hold(&outputs, few.clone()).expect("held");
        assert!(!is_in_file(&first));
        let large = hold(&outputs, many.clone()).expect("held");
        assert!(is_in_file(&large));
        assert_eq!(*large.json().expect("it is read back"), many);
        let more: Vec<Arc<Held>> = (0..3).map(|_| hold(&outputs, few.clone()).expect("held")).collect();
        assert_eq!(
            more.iter().filter(|held| is_in_file(held)).count(),
            1,
            "the last is too much"
        );
        for held in &more {
            assert_eq!(*held.json().expect("there"), few);
        }
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
        drop(more);
        assert!(!is_in_file(&hold(&outputs, few).expect("held")), "there is room again");
    }

    #[test]
    fn a_full_file_is_said_and_has_room_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let outputs = small(dir.path());
        let page = json!(vec!["a row"; 100]);
        let two = [hold(&outputs, page.clone()), hold(&outputs, page.clone())].map(|held| held.expect("room for two"));
        let full = hold(&outputs, page.clone());
        assert!(matches!(full, Err(OutputError::Full { limit: 8192 })), "{full:?}");
        drop(two);
        let again = hold(&outputs, page.clone()).expect("room again");
        assert_eq!(*again.json().expect("read back"), page);
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let dir = tempfile::tempdir().expect("a directory");
        let outputs = small(&dir.path().join("missing"));
        let refused = hold(&outputs, json!(vec!["a row"; 100]));
        assert!(
            matches!(refused, Err(OutputError::Io { doing: "write", .. })),
            "{refused:?}"
        );
    }

    proptest! {
        #[test]
        fn any_number_and_text_is_read_back_as_it_was(number: f64, text: String, whole: u64) {
            prop_assume!(number.is_finite());
            let dir = tempfile::tempdir().expect("a directory");
            let outputs = small(dir.path());
            let output = json!([number, text, whole, -3, vec!["a row"; 50]]);
            let held = hold(&outputs, output.clone()).expect("held");
            prop_assert!(is_in_file(&held));
            prop_assert_eq!(held.json().expect("read back").into_owned(), output);
        }
    }
}
