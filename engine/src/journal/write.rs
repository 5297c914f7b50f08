//! The writing side: one handle for a run, cheap to clone, used by the tasks of all hosts at once.

use std::collections::{BTreeMap, HashMap};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use deminer_worker::frame::TransactionEvent;
use deminer_worker::text::{Digest, Wide};
use serde::Serialize;

use super::{ChainEnd, JournalError, MAX_LINE, file_name, origin, read_chain};
use crate::event::{Event, EventKind, EventSink, SinkError};

/// Milliseconds since 1970; handed in, since the engine has no clock of its own.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The journals of one run. Clones write to the same chains.
#[derive(Clone)]
pub struct Journals {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    run: String,
    clock: Clock,
    taken_up: bool,
    chains: Mutex<HashMap<Option<String>, Arc<Mutex<ChainWriter>>>>,
}

/// The chain of one host; it can write to no other.
#[derive(Clone)]
pub struct HostJournal {
    journals: Journals,
    host: String,
}

struct ChainWriter {
    path: PathBuf,
    /// Open while the host is at work; a fleet has more hosts than a process may have files.
    file: Option<File>,
    seq: u64,
    head: Digest,
    /// Set while a line is being written: a line of which only a part is on disk is the last.
    torn: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    prev: Digest,
    event: &'a Event,
}

impl Journals {
    /// The journals of a new run, in a directory that is made where it is missing.
    ///
    /// # Errors
    /// When the directory cannot be made. A chain that is there already is refused when it is first written to.
    pub fn create(dir: &Path, run: &str, clock: Clock) -> Result<Journals, JournalError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| JournalError::io("open", dir, error))?;
        Ok(Journals::new(dir, run, clock, false))
    }

    /// The journals of a run that ended or was cut: each chain is checked, what is torn off its end is dropped, and
    /// `Resumed`, which says so, is the first that is added to it.
    ///
    /// # Errors
    /// When the run's own chain is broken or another's. A host's chain is checked when it is first written to.
    pub fn resume(dir: &Path, run: &str, clock: Clock) -> Result<Journals, JournalError> {
        let journals = Journals::new(dir, run, clock, true);
        journals.chain(None)?;
        Ok(journals)
    }

    fn new(dir: &Path, run: &str, clock: Clock, taken_up: bool) -> Journals {
        Journals {
            inner: Arc::new(Inner {
                dir: dir.to_owned(),
                run: run.to_owned(),
                clock,
                taken_up,
                chains: Mutex::default(),
            }),
        }
    }

    /// A handle for the task of one host.
    pub fn for_host(&self, host: &str) -> HostJournal {
        HostJournal {
            journals: self.clone(),
            host: host.to_owned(),
        }
    }

    /// Writes an event down; `None` is the run's own chain. It is durable when this returns, for the kinds that must be.
    ///
    /// # Errors
    /// When it could not be written. The chain then takes no further event in this process.
    pub fn record(&self, host: Option<&str>, kind: EventKind) -> Result<(), SinkError> {
        let refused = |journals: &Journals, error: &JournalError| SinkError {
            path: journals.inner.dir.join(file_name(host)).display().to_string(),
            why: match error {
                JournalError::Io { source, .. } => source.to_string(),
                JournalError::Broken { .. } | JournalError::Other { .. } => error.to_string(),
            },
        };
        let chain = self.chain(host).map_err(|error| refused(self, &error))?;
        let heads = match (&kind, host) {
            (EventKind::RunFinished {}, None) => Some(self.heads().map_err(|error| refused(self, &error))?),
            _ => None,
        };
        let mut chain = chain.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = heads {
            self.append(&mut chain, host, EventKind::Heads { of })?;
        }
        self.append(&mut chain, host, kind)
    }

    /// How far the chains of all hosts are: those that this process writes, and those that lie there.
    fn heads(&self) -> Result<BTreeMap<String, Digest>, JournalError> {
        let written: Vec<(String, Arc<Mutex<ChainWriter>>)> = {
            let chains = self.inner.chains.lock().unwrap_or_else(PoisonError::into_inner);
            let of_hosts = chains.iter().filter(|(host, _)| host.is_some());
            of_hosts
                .map(|(host, chain)| (file_name(host.as_deref()), Arc::clone(chain)))
                .collect()
        };
        let mut heads: BTreeMap<String, Digest> = written
            .into_iter()
            .map(|(file, chain)| (file, chain.lock().unwrap_or_else(PoisonError::into_inner).head))
            .collect();
        if self.inner.taken_up {
            let more = heads_on_disk(&self.inner.dir, &self.inner.run, |file| heads.contains_key(file))?;
            heads.extend(more);
        }
        Ok(heads)
    }

    fn append(&self, chain: &mut ChainWriter, host: Option<&str>, kind: EventKind) -> Result<(), SinkError> {
        let durable = must_be_durable(&kind);
        let event = Event {
            seq: Wide(chain.seq + 1),
            at_ms: Wide((self.inner.clock)()),
            run: self.inner.run.clone(),
            host: host.map(str::to_owned),
            kind,
        };
        chain.append(&event, durable)
    }

    fn chain(&self, host: Option<&str>) -> Result<Arc<Mutex<ChainWriter>>, JournalError> {
        let mut chains = self.inner.chains.lock().unwrap_or_else(PoisonError::into_inner);
        let key = host.map(str::to_owned);
        if let Some(chain) = chains.get(&key) {
            return Ok(Arc::clone(chain));
        }
        let path = self.inner.dir.join(file_name(host));
        let mut chain = if self.inner.taken_up && path.exists() {
            let (mut chain, torn_bytes) = ChainWriter::reopen(&path, &self.inner.run, host)?;
            let resumed = EventKind::Resumed {
                torn_bytes: Wide(torn_bytes),
            };
            let failed = |error: SinkError| JournalError::io("write", &path, io::Error::other(error.why));
            self.append(&mut chain, host, resumed).map_err(failed)?;
            if host.is_none() {
                let of = heads_on_disk(&self.inner.dir, &self.inner.run, |_| false)?;
                self.append(&mut chain, host, EventKind::Heads { of }).map_err(failed)?;
            }
            chain
        } else {
            ChainWriter::create(&path, &self.inner.run, host)?
        };
        chain.torn = false;
        let chain = Arc::new(Mutex::new(chain));
        chains.insert(key, Arc::clone(&chain));
        Ok(chain)
    }
}

/// How far the chains of the run's hosts are that lie in a directory, but those that are known; by file name.
fn heads_on_disk(
    dir: &Path,
    run: &str,
    is_known: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Digest>, JournalError> {
    let failed = |error| JournalError::io("read", dir, error);
    let mut heads = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let Ok(file) = entry.map_err(failed)?.file_name().into_string() else {
            continue;
        };
        if !file.ends_with(".ndjson") || file == file_name(None) || is_known(&file) {
            continue;
        }
        let chain = read_chain(&dir.join(&file))?;
        if chain.run.as_deref() == Some(run) && file == file_name(chain.host.as_deref()) {
            heads.insert(file, chain.head);
        }
    }
    Ok(heads)
}

impl EventSink for Journals {
    fn record(&mut self, host: Option<&str>, kind: EventKind) -> Result<(), SinkError> {
        Journals::record(self, host, kind)
    }
}

impl HostJournal {
    /// The host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Writes an event of this host down.
    ///
    /// # Errors
    /// As [`Journals::record`].
    pub fn record(&self, kind: EventKind) -> Result<(), SinkError> {
        self.journals.record(Some(&self.host), kind)
    }
}

impl EventSink for HostJournal {
    /// Takes events of its own host only.
    fn record(&mut self, host: Option<&str>, kind: EventKind) -> Result<(), SinkError> {
        if host != Some(self.host.as_str()) {
            return Err(SinkError {
                path: file_name(host),
                why: format!("this is the journal of host `{}`", self.host),
            });
        }
        HostJournal::record(self, kind)
    }
}

impl ChainWriter {
    fn create(path: &Path, run: &str, host: Option<&str>) -> Result<ChainWriter, JournalError> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| JournalError::io("open", path, error))?;
        sync_parent(path).map_err(|error| JournalError::io("write", path, error))?;
        Ok(ChainWriter {
            path: path.to_owned(),
            file: Some(file),
            seq: 0,
            head: origin(run, host),
            torn: false,
        })
    }

    /// Opens a chain to add to it; gives the bytes that were torn off.
    fn reopen(path: &Path, run: &str, host: Option<&str>) -> Result<(ChainWriter, u64), JournalError> {
        let chain = read_chain(path)?;
        let (seq, head) = match (&chain.run, &chain.host) {
            (None, _) => (0, origin(run, host)),
            (Some(found), found_host) if found == run && found_host.as_deref() == host => (chain.lines, chain.head),
            (Some(found), found_host) => {
                return Err(JournalError::Other {
                    path: path.display().to_string(),
                    expected: format!("run {run}, host {}", host.unwrap_or("none")),
                    found: format!("run {found}, host {}", found_host.as_deref().unwrap_or("none")),
                });
            }
        };
        let torn = match chain.end {
            ChainEnd::Whole => 0,
            ChainEnd::Torn { bytes } => bytes,
            ChainEnd::Broken { line, why } => {
                return Err(JournalError::Broken {
                    path: path.display().to_string(),
                    line,
                    why,
                });
            }
        };
        let open = || {
            let file = OpenOptions::new().append(true).open(path)?;
            let length = file.metadata()?.len();
            file.set_len(length.saturating_sub(torn))?;
            file.sync_all()?;
            Ok(file)
        };
        let file = open().map_err(|error| JournalError::io("open", path, error))?;
        let writer = ChainWriter {
            path: path.to_owned(),
            file: Some(file),
            seq,
            head,
            torn: false,
        };
        Ok((writer, torn))
    }

    fn append(&mut self, event: &Event, durable: bool) -> Result<(), SinkError> {
        let refuse = |path: &Path, why: String| SinkError {
            path: path.display().to_string(),
            why,
        };
        if self.torn {
            let why = "an earlier event could not be written whole".to_owned();
            return Err(refuse(&self.path, why));
        }
        let line = Line { prev: self.head, event };
        let mut line = serde_json::to_vec(&line).map_err(|error| refuse(&self.path, error.to_string()))?;
        if line.len() > MAX_LINE {
            return Err(refuse(
                &self.path,
                format!("an event of {} bytes, more than {MAX_LINE}", line.len()),
            ));
        }
        let head = Digest::of(&line);
        line.push(b'\n');
        self.torn = true;
        let mut write = || {
            let mut file = match self.file.take() {
                Some(file) => file,
                None => OpenOptions::new().append(true).open(&self.path)?,
            };
            file.write_all(&line)?;
            if durable {
                file.sync_data()?;
            }
            if !matches!(event.kind, EventKind::HostFinished {}) {
                self.file = Some(file);
            }
            Ok(())
        };
        write().map_err(|error: io::Error| refuse(&self.path, error.to_string()))?;
        self.torn = false;
        self.seq += 1;
        self.head = head;
        Ok(())
    }
}

/// Whether an event must have reached the disk before what it announces is done, or before it is relied on.
fn must_be_durable(kind: &EventKind) -> bool {
    match kind {
        EventKind::RunStarted { .. }
        | EventKind::Given { .. }
        | EventKind::Approved { .. }
        | EventKind::Answered { .. }
        | EventKind::Planned { .. }
        | EventKind::Stored { .. }
        | EventKind::Committed { .. }
        | EventKind::Reconciled { .. }
        | EventKind::Verified { .. }
        | EventKind::Forgotten { .. }
        | EventKind::Undoing { .. }
        | EventKind::Undone { .. }
        | EventKind::Resumed { .. }
        | EventKind::Heads { .. }
        | EventKind::HostFinished {}
        | EventKind::RunFinished {} => true,
        EventKind::Told { event, .. } => match event {
            TransactionEvent::Refused { .. }
            | TransactionEvent::Drifted { .. }
            | TransactionEvent::Born { .. }
            | TransactionEvent::Spared { .. }
            | TransactionEvent::Struck { .. }
            | TransactionEvent::Committed {}
            | TransactionEvent::Containing { .. }
            | TransactionEvent::Contained {}
            | TransactionEvent::Intent { .. }
            | TransactionEvent::Outcome { .. }
            | TransactionEvent::Finished { .. } => true,
            TransactionEvent::Started {}
            | TransactionEvent::Keeping { .. }
            | TransactionEvent::KeptAll { .. }
            | TransactionEvent::NotKept { .. }
            | TransactionEvent::Frozen { .. }
            | TransactionEvent::Ready { .. }
            | TransactionEvent::StillHeld { .. }
            | TransactionEvent::Looked { .. }
            | TransactionEvent::Thawed { .. } => false,
        },
        EventKind::Asked { .. }
        | EventKind::Reached { .. }
        | EventKind::StepRan { .. }
        | EventKind::Looked { .. }
        | EventKind::Lost { .. }
        | EventKind::NotReached { .. }
        | EventKind::RoundStarted { .. }
        | EventKind::Closed { .. }
        | EventKind::Expired { .. }
        | EventKind::Blocked { .. }
        | EventKind::HostFailed { .. }
        | EventKind::Cancelled {} => false,
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
