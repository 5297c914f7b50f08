//! A host as it was once seen: a folder of captured answers, keyed by query and round, never by order.
//!
//! ```text
//! answers/processes-9be2c0d41f7703aa.r0.json   {"query": .., "round": 0, "result": {"Ok": ..} or {"Err": ..}}
//! ```
//!
//! The name is the query's kind and 16 hexadecimal digits of the SHA-256 over its canonical JSON (keys sorted, no white
//! space). A query that was not captured is [`HostError::NotRecorded`], never an empty answer. An answer of round 0 that
//! says `"every_round": true` stands for later rounds too.

mod redact;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use deminer_worker::query::limits::ANSWER_BYTES;
use deminer_worker::query::{Answer, HostError, Observed, Obstacle, Query};
use deminer_worker::text::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Arrival, HostView, Link, Transport};

pub use redact::{Redacted, redact};

/// A host that answers from a folder.
#[derive(Debug)]
pub struct Recorded {
    name: String,
    answers: PathBuf,
    round: AtomicU32,
    /// What was asked and was not captured; shared by all views of it.
    missed: Arc<Mutex<BTreeSet<String>>>,
}

/// A host whose answers are captured as they are given.
#[derive(Debug)]
pub struct Recorder<V> {
    view: V,
    answers: PathBuf,
    round: AtomicU32,
    /// Bytes that may still be written.
    room: AtomicU64,
    next_name: AtomicU64,
}

/// One captured answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Capture {
    query: Query,
    round: u32,
    /// Whether it stands for every later round too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    every_round: bool,
    result: Result<Observed<Answer>, HostError>,
}

/// The one written form of a value: keys sorted.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        plain => plain,
    }
}

/// A query as it is asked for and named: its kind and its canonical JSON.
fn canonical(query: &Query) -> Result<(String, String), HostError> {
    let value = serde_json::to_value(query).map_err(|error| failed("write the query", &error))?;
    let kind = value["query"].as_str().unwrap_or_default().to_owned();
    Ok((kind, sorted(value).to_string()))
}

/// A query whose patterns mean the same in any order, with them in one order; `None` of all others.
fn unordered(query: &Query) -> Option<Value> {
    let mut value = serde_json::to_value(query).ok()?;
    if value["query"] != "read_tree" {
        return None;
    }
    value["patterns"].as_array_mut()?.sort_by_key(Value::to_string);
    Some(value)
}

fn file_name(kind: &str, canonical: &str, round: u32) -> String {
    format!("{kind}-{}.r{round}.json", Digest::of(canonical.as_bytes()).short())
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

fn failed(doing: &str, why: &dyn std::fmt::Display) -> HostError {
    HostError::Failed {
        doing: doing.to_owned(),
        why: why.to_string(),
    }
}

impl Recorded {
    /// The host of that name, from the folder that holds `answers`.
    pub fn open(name: impl Into<String>, folder: &Path) -> Recorded {
        Recorded {
            name: name.into(),
            answers: folder.join("answers"),
            round: AtomicU32::new(0),
            missed: Arc::default(),
        }
    }

    /// The queries, as canonical JSON, that had no answer here or in any view of it.
    pub fn missed(&self) -> BTreeSet<String> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The capture of that name; `None` where there is none.
    fn read(&self, name: &str, asked: &Query) -> Result<Option<Capture>, HostError> {
        let path = self.answers.join(name);
        let doing = || format!("read the captured answer `{}`", path.display());
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&doing(), &error)),
        };
        let mut bytes = Vec::new();
        let limit = ANSWER_BYTES as u64;
        file.take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| failed(&doing(), &error))?;
        if bytes.len() as u64 > limit {
            return Err(HostError::TooLarge { doing: doing(), limit });
        }
        let capture: Capture = serde_json::from_slice(&bytes).map_err(|error| failed(&doing(), &error))?;
        match capture.query == *asked {
            true => Ok(Some(capture)),
            false => Err(failed(&doing(), &"it holds the answer to another query")),
        }
    }

    /// The answer to the same patterns in another order: they are made of names, in the order of names, and in a recording
    /// those are pseudonyms.
    fn alike(&self, asked: &Query, round: u32) -> Option<Capture> {
        let asked = unordered(asked)?;
        for entry in fs::read_dir(&self.answers).ok()? {
            let name = entry.ok()?.file_name().into_string().ok()?;
            if !name.starts_with("read_tree-") {
                continue;
            }
            let bytes = fs::read(self.answers.join(&name)).ok()?;
            let capture: Capture = serde_json::from_slice(&bytes).ok()?;
            if (capture.round == round || capture.every_round) && unordered(&capture.query).as_ref() == Some(&asked) {
                return Some(capture);
            }
        }
        None
    }
}

#[async_trait]
impl HostView for Recorded {
    fn name(&self) -> &str {
        &self.name
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        let (kind, canonical) = canonical(&query)?;
        let round = self.round.load(Ordering::Relaxed);
        if let Some(capture) = self.read(&file_name(&kind, &canonical, round), &query)? {
            return capture.result;
        }
        let first = self.read(&file_name(&kind, &canonical, 0), &query)?;
        if let Some(capture) = first.filter(|capture| capture.every_round) {
            return capture.result;
        }
        match self.alike(&query, round) {
            Some(capture) => capture.result,
            None => {
                let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
                missed.insert(canonical.clone());
                Err(HostError::NotRecorded { query: canonical })
            }
        }
    }

    fn beside(&self, _now_ms: u64) -> Option<u64> {
        None
    }

    fn begin_round(&self, round: u32) {
        self.round.store(round, Ordering::Relaxed);
    }
}

#[async_trait]
impl Transport for Recorded {
    async fn connect(&self, _name: &str) -> Result<Arc<Link>, HostError> {
        Err(HostError::NotReached {
            obstacle: Obstacle::OurSide,
            why: "a recorded host only answers: nothing can be changed on it".to_owned(),
            hint: Some("describe it as a simulated host to apply a plan".to_owned()),
        })
    }

    async fn view(&self, name: &str) -> Result<Arc<dyn HostView>, HostError> {
        Ok(Arc::new(Recorded {
            name: name.to_owned(),
            answers: self.answers.clone(),
            round: AtomicU32::new(0),
            missed: Arc::clone(&self.missed),
        }))
    }
}

impl<V: HostView> Recorder<V> {
    /// Captures what `view` answers into `folder/answers`, at most so many bytes. What is asked twice in one round is
    /// captured as it was answered last.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(view: V, folder: &Path, max_bytes: u64) -> io::Result<Recorder<V>> {
        let answers = folder.join("answers");
        DirBuilder::new().recursive(true).mode(0o700).create(&answers)?;
        Ok(Recorder {
            view,
            answers,
            round: AtomicU32::new(0),
            room: AtomicU64::new(max_bytes),
            next_name: AtomicU64::new(0),
        })
    }

    fn capture(&self, query: Query, result: &Result<Observed<Answer>, HostError>) -> Result<(), HostError> {
        let (kind, canonical) = canonical(&query)?;
        let round = self.round.load(Ordering::Relaxed);
        let doing = format!("capture the answer to `{kind}`");
        let capture = Capture {
            query,
            round,
            every_round: false,
            result: result.clone(),
        };
        let value = serde_json::to_value(&capture).map_err(|error| failed(&doing, &error))?;
        let mut bytes = serde_json::to_vec_pretty(&sorted(value)).map_err(|error| failed(&doing, &error))?;
        bytes.push(b'\n');

        let size = bytes.len() as u64;
        let room = |room: u64| room.checked_sub(size).filter(|_| bytes.len() <= ANSWER_BYTES);
        if let Err(limit) = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            return Err(HostError::TooLarge { doing, limit });
        }
        let new = self
            .answers
            .join(format!(".new-{}", self.next_name.fetch_add(1, Ordering::Relaxed)));
        let write = || {
            write_private(&new, &bytes)?;
            fs::rename(&new, self.answers.join(file_name(&kind, &canonical, round)))
        };
        write().map_err(|error| failed(&doing, &error))
    }
}

#[async_trait]
impl<V: HostView> HostView for Recorder<V> {
    fn name(&self) -> &str {
        self.view.name()
    }

    /// Asks the host. An answer that could not be captured is an error too: a recording with a hole in it is none.
    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        let result = self.view.observe(query.clone()).await;
        self.capture(query, &result)?;
        result
    }

    fn arrival(&self) -> Option<&Arrival> {
        self.view.arrival()
    }

    fn beside(&self, now_ms: u64) -> Option<u64> {
        self.view.beside(now_ms)
    }

    fn begin_round(&self, round: u32) {
        self.round.store(round, Ordering::Relaxed);
        self.view.begin_round(round);
    }
}

/// A captured answer is written as what reads as the same.
#[cfg(any(test, fuzzing))]
pub(crate) fn reads_back(bytes: &[u8]) {
    let Ok(capture) = serde_json::from_slice::<Capture>(bytes) else {
        return;
    };
    let written = serde_json::to_vec(&capture).expect("what was read can be written");
    let again: Capture = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(again, capture);
    let (kind, text) = canonical(&capture.query).expect("a query can be named");
    assert!(!file_name(&kind, &text, capture.round).contains('/'));
}

#[cfg(test)]
mod tests;
