//! Where a run is kept: one directory that holds all of it and can be moved.
//!
//! ```text
//! RUNS/20261114-0244-7c1e/   plan or undo.json  approval.json  approvals/  ways.json  journal/run.ndjson  journal/host-NAME.ndjson  vault/  report.md
//! RUNS/plans/HASH16.plan     HASH16.ways.json  HASH16.asked.json
//! ```
//!
//! Directories are 0700, files 0600. While a process works on a run it holds a lock on the run's directory; the lock ends
//! with the process, however that ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use deminer_worker::order::Approval;
use deminer_worker::text::Digest;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::EventKind;
use crate::inventory::Reach;
use crate::journal::{Chain, JournalError, file_name, read_chain, read_hashes};

mod approvals;
mod lines;
mod plans;

pub use approvals::list_digests;
pub(crate) use lines::Lines;
pub use plans::PlanStore;

/// The list of what a run takes back.
const UNDO: &str = "undo.json";

/// The name of a run: `20261114-0244-7c1e`, date and minute in UTC and four hexadecimal digits, `-2` and on where two
/// would be equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

/// The directory of one run.
#[derive(Debug, Clone)]
pub struct RunDir {
    id: RunId,
    path: PathBuf,
}

/// Held while a process works on a run; dropped, the run is free.
#[derive(Debug)]
pub struct RunLock {
    _dir: File,
}

/// Held while a process looks at the runs that there are and begins another.
#[derive(Debug)]
pub struct Turn {
    _dir: File,
}

impl Turn {
    /// Waits until no other process begins a run here.
    ///
    /// # Errors
    /// When the directory cannot be made or locked.
    pub fn take(runs: &Path) -> Result<Turn, RunError> {
        make_directories(runs)?;
        let lock = || {
            let dir = File::open(runs)?;
            dir.lock()?;
            Ok(Turn { _dir: dir })
        };
        lock().map_err(|error| RunError::io("lock", runs, error))
    }
}

/// Why a run's directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not the name of a run.
    #[error("`{name}` is not the name of a run")]
    NotAnId {
        /// What was given.
        name: String,
    },
    /// There is no such run.
    #[error("there is no run {path}")]
    Missing {
        /// Where it was looked for.
        path: String,
    },
    /// A process works on it.
    #[error("another process works on run {id}")]
    Busy {
        /// The run.
        id: RunId,
    },
    /// The name of a plan is not one, or too short.
    #[error("`{prefix}` is not the hash of a plan: 16 to 64 hexadecimal digits")]
    NotAHash {
        /// What was given.
        prefix: String,
    },
    /// No stored plan has that hash.
    #[error("no plan with the hash {prefix} is stored in {path}")]
    NoPlan {
        /// What was asked for.
        prefix: String,
        /// Where it was looked for.
        path: String,
    },
    /// Two plans begin with the same 16 digits.
    #[error("{path} holds another plan whose hash begins alike")]
    Ambiguous {
        /// The stored plan.
        path: String,
    },
    /// A file of the run is not in its form.
    #[error("cannot read {path}: {why}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The system refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried: `make`, `read`, `write`, `lock`.
        doing: &'static str,
        /// The file or directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A journal of the run cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl RunError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            RunError::NotAnId { .. } | RunError::Missing { .. } => "`deminer report` shows the runs that there are",
            RunError::Busy { .. } => "wait until it has ended",
            RunError::NotAHash { .. } | RunError::NoPlan { .. } => "`deminer plan` prints the hash of what it stores",
            RunError::Ambiguous { .. } => "give the plan as a file",
            RunError::Malformed { .. } | RunError::Io { .. } => return None,
            RunError::Journal(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }

    fn io(doing: &'static str, path: &Path, source: io::Error) -> RunError {
        RunError::Io {
            doing,
            path: path.display().to_string(),
            source,
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = RunError;
    fn from_str(text: &str) -> Result<RunId, RunError> {
        let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        let hex = |part: &str| part.len() == 4 && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let parts: Vec<&str> = text.split('-').collect();
        let is_id = match parts[..] {
            [date, time, hash] => digits(date, 8) && digits(time, 4) && hex(hash),
            [date, time, hash, number] => {
                digits(date, 8)
                    && digits(time, 4)
                    && hex(hash)
                    && (1..=4).contains(&number.len())
                    && digits(number, number.len())
                    && !number.starts_with('0')
            }
            _ => false,
        };
        match is_id {
            true => Ok(RunId(text.to_owned())),
            false => Err(RunError::NotAnId {
                name: text.chars().take(64).flat_map(char::escape_default).collect(),
            }),
        }
    }
}

impl RunId {
    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number behind the hash; 1 where there is none.
    fn number(&self) -> u32 {
        self.0.splitn(4, '-').nth(3).and_then(|n| n.parse().ok()).unwrap_or(1)
    }
}

/// A run is tried so many times under another number.
const MOST_ALIKE: u32 = 9_999;

impl RunDir {
    /// Makes the directory of a new run. `hint` is the plan's hash, or whatever else tells runs of one minute apart.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(runs: &Path, started_at_ms: u64, hint: &str) -> Result<RunDir, RunError> {
        make_directories(runs)?;
        let base = format!("{}-{}", minute(started_at_ms), first_digits(hint));
        for number in 1..=MOST_ALIKE {
            let id = match number {
                1 => RunId(base.clone()),
                _ => RunId(format!("{base}-{number}")),
            };
            let path = runs.join(&id.0);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    let run = RunDir { id, path };
                    make_directories(&run.journal())?;
                    make_directories(&run.vault())?;
                    sync(&run.path)?;
                    sync(runs)?;
                    return Ok(run);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(RunError::io("make", &path, error)),
            }
        }
        Err(RunError::io(
            "make",
            &runs.join(base),
            io::ErrorKind::AlreadyExists.into(),
        ))
    }

    /// Opens the directory of a run, wherever it was moved to; its name is the run's.
    ///
    /// # Errors
    /// When there is none, or its name is not that of a run.
    pub fn open(path: &Path) -> Result<RunDir, RunError> {
        let missing = || RunError::Missing {
            path: path.display().to_string(),
        };
        let whole = path.canonicalize().map_err(|_| missing())?;
        let id = whole.file_name().unwrap_or_default().to_string_lossy().parse()?;
        if !whole.join("journal").is_dir() {
            return Err(missing());
        }
        Ok(RunDir { id, path: whole })
    }

    /// All runs, the newest first; none where the directory is not there. What is no run is passed over.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(runs: &Path) -> Result<Vec<RunDir>, RunError> {
        let entries = match fs::read_dir(runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(RunError::io("read", runs, error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| RunError::io("read", runs, error))?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.parse::<RunId>().is_ok())
                && let Ok(run) = RunDir::open(&entry.path())
            {
                found.push(run);
            }
        }
        found.sort_by_cached_key(|run| {
            let minute = run.id.0[..13].to_owned();
            std::cmp::Reverse((minute, run.started_ms(), run.id.number(), run.id.clone()))
        });
        Ok(found)
    }

    /// The run.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of the journals.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// The directory of the vault.
    pub fn vault(&self) -> PathBuf {
        self.path.join("vault")
    }

    /// The report as a file.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.md")
    }

    /// Keeps the plan that the run carries out, byte for byte.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_plan(&self, bytes: &[u8]) -> Result<(), RunError> {
        write_whole(&self.path.join("plan"), bytes)
    }

    /// The plan that the run carries out; `None` for a run that only looks.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn plan(&self) -> Result<Option<Vec<u8>>, RunError> {
        read_whole(&self.path.join("plan"))
    }

    /// Keeps the approval.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_approval(&self, approval: &Approval) -> Result<(), RunError> {
        write_json(&self.path.join("approval.json"), approval)
    }

    /// The approval; `None` where nobody approved anything.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn approval(&self) -> Result<Option<Approval>, RunError> {
        read_json(&self.path.join("approval.json"))
    }

    /// Keeps the list of what the run takes back, byte for byte.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_undo(&self, bytes: &[u8]) -> Result<(), RunError> {
        write_whole(&self.path.join(UNDO), bytes)
    }

    /// The list of what the run takes back; `None` for a run that takes nothing back.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn undo(&self) -> Result<Option<Vec<u8>>, RunError> {
        read_whole(&self.path.join(UNDO))
    }

    /// Keeps how the run's hosts are reached from here.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_ways(&self, ways: &BTreeMap<String, Reach>) -> Result<(), RunError> {
        write_json(&self.path.join("ways.json"), ways)
    }

    /// How the run's hosts were reached; none where nothing was kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn ways(&self) -> Result<BTreeMap<String, Reach>, RunError> {
        Ok(read_json(&self.path.join("ways.json"))?.unwrap_or_default())
    }

    /// Keeps the report.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_report(&self, text: &str) -> Result<(), RunError> {
        write_whole(&self.report(), text.as_bytes())
    }

    /// All chains of the run: its own first, then those of the hosts by file name.
    ///
    /// # Errors
    /// When one cannot be read; one that is broken is no error, it says so itself.
    pub fn chains(&self) -> Result<Vec<Chain>, RunError> {
        let dir = self.journal();
        let mut names = Vec::new();
        for entry in fs::read_dir(&dir).map_err(|error| RunError::io("read", &dir, error))? {
            let entry = entry.map_err(|error| RunError::io("read", &dir, error))?;
            names.push(entry.file_name());
        }
        names.retain(|name| name.to_str().is_some_and(|name| name.ends_with(".ndjson")));
        let own = file_name(None);
        names.sort_by_key(|name| (*name != *own, name.clone()));
        let read = |name: &std::ffi::OsString| read_chain(&dir.join(name));
        Ok(names.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// The run's own chain and that of one host; a chain that has no line yet is left out.
    ///
    /// # Errors
    /// As [`Self::chains`].
    pub fn chains_of(&self, host: &str) -> Result<Vec<Chain>, RunError> {
        let dir = self.journal();
        let paths = [None, Some(host)].map(|host| dir.join(file_name(host)));
        let there = paths.iter().filter(|path| path.exists());
        Ok(there.map(|path| read_chain(path)).collect::<Result<_, _>>()?)
    }

    /// Names of what lies among the journals and is no chain of this run, by its own words.
    ///
    /// # Errors
    /// As [`Self::chains`].
    pub(crate) fn strays(&self, chains: &[Chain]) -> Result<Vec<String>, RunError> {
        let dir = self.journal();
        let own = chains
            .iter()
            .filter(|chain| chain.run.as_deref().is_none_or(|run| run == self.id.as_str()));
        let known: BTreeSet<String> = own.map(|chain| file_name(chain.host.as_deref())).collect();
        let mut strays = Vec::new();
        for entry in fs::read_dir(&dir).map_err(|error| RunError::io("read", &dir, error))? {
            let name = entry.map_err(|error| RunError::io("read", &dir, error))?.file_name();
            let name = name.to_string_lossy().into_owned();
            if !known.contains(&name) {
                strays.push(name);
            }
        }
        strays.sort();
        Ok(strays)
    }

    /// The hashes of all lines of a chain that hold, in their order; none where it is not there.
    ///
    /// # Errors
    /// As [`Self::chains`].
    pub(crate) fn hashes_of(&self, host: Option<&str>) -> Result<Vec<Digest>, RunError> {
        let path = self.journal().join(file_name(host));
        match path.exists() {
            true => Ok(read_hashes(&path)?),
            false => Ok(Vec::new()),
        }
    }

    /// Whether a host was told to pass its commit: what happened there since is for the host to say.
    ///
    /// # Errors
    /// As [`Self::chains`].
    pub fn has_committed(&self, host: &str) -> Result<bool, RunError> {
        let committed = |chain: &Chain| {
            let mut events = chain.events.iter();
            events.any(|event| matches!(event.kind, EventKind::Committed { .. }))
        };
        Ok(self.chains_of(host)?.iter().any(committed))
    }

    /// Takes the run for this process.
    ///
    /// # Errors
    /// `Busy` when another process has it.
    pub fn lock(&self) -> Result<RunLock, RunError> {
        // A look of `is_locked` holds the lock for an instant too.
        for _ in 0..5 {
            let dir = File::open(&self.path).map_err(|error| RunError::io("lock", &self.path, error))?;
            match dir.try_lock() {
                Ok(()) => return Ok(RunLock { _dir: dir }),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
                Err(TryLockError::Error(error)) => return Err(RunError::io("lock", &self.path, error)),
            }
        }
        Err(RunError::Busy { id: self.id.clone() })
    }

    /// Whether a process works on the run now.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn is_locked(&self) -> Result<bool, RunError> {
        let dir = File::open(&self.path).map_err(|error| RunError::io("lock", &self.path, error))?;
        match dir.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(RunError::io("lock", &self.path, error)),
        }
    }

    /// When its first event was written; 0 where there is none. Only orders runs of the same minute.
    fn started_ms(&self) -> u64 {
        let first = || {
            let file = File::open(self.journal().join(file_name(None))).ok()?;
            let mut line = Vec::new();
            BufReader::new(file).take(1 << 20).read_until(b'\n', &mut line).ok()?;
            let line: serde_json::Value = serde_json::from_slice(&line).ok()?;
            line["event"]["at_ms"].as_str()?.parse().ok()
        };
        first().unwrap_or(0)
    }
}

/// The minute, as `20261114-0244`.
fn minute(at_ms: u64) -> String {
    let at = i64::try_from(at_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let at = at.unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC);
    format!(
        "{:04}{:02}{:02}-{:02}{:02}",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute()
    )
}

/// The first four digits of a hash, or those of the hash of what is none.
fn first_digits(hint: &str) -> String {
    let is_hash = hint.len() >= 4 && hint.bytes().take(16).all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match is_hash {
        true => hint[..4].to_owned(),
        false => Digest::of(hint.as_bytes()).short()[..4].to_owned(),
    }
}

fn make_directories(path: &Path) -> Result<(), RunError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| RunError::io("make", path, error))
}

fn sync(path: &Path) -> Result<(), RunError> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| RunError::io("write", path, error))
}

/// Writes a file so that it is there whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    write().map_err(|error| RunError::io("write", path, error))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RunError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| malformed(path, &error))?;
    bytes.push(b'\n');
    write_whole(path, &bytes)
}

/// `None` where there is no such file.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RunError> {
    let read = |bytes: Vec<u8>| serde_json::from_slice(&bytes).map_err(|error| malformed(path, &error));
    read_whole(path)?.map(read).transpose()
}

fn malformed(path: &Path, why: &dyn fmt::Display) -> RunError {
    RunError::Malformed {
        path: path.display().to_string(),
        why: why.to_string(),
    }
}

fn read_whole(path: &Path) -> Result<Option<Vec<u8>>, RunError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RunError::io("read", path, error)),
    }
}

#[cfg(test)]
mod tests;
