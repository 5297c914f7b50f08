//! The reading side: a chain is checked line by line, and what does not fit is said, never used.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use deminer_worker::text::{Digest, Wide};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{JournalError, MAX_LINE, origin};
use crate::event::{Event, EventKind};

/// A chain as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// The run that it says it is of; `None` where it has no line.
    pub run: Option<String>,
    /// The host; `None` for the run's own chain, or where it has no line.
    pub host: Option<String>,
    /// The events, those of unknown kind left out.
    pub events: Vec<Event>,
    /// Events of a kind that this version does not know.
    pub skipped: u64,
    /// Lines that fit.
    pub lines: u64,
    /// The hash of the last line that fits; stated elsewhere, it fixes all before it.
    pub head: Digest,
    /// How it ends.
    pub end: ChainEnd,
}

/// How a chain ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum ChainEnd {
    /// With a whole line.
    Whole,
    /// With a part of a line, which a crash leaves: it was never an event.
    Torn {
        /// Of how many bytes.
        bytes: u64,
    },
    /// With a line that does not fit the one before or is none of ours; it and all after it are not used.
    Broken {
        /// Which, from 1.
        line: u64,
        /// What does not fit.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    prev: Digest,
    event: Value,
}

/// What every event has, whatever its kind.
#[derive(Deserialize)]
struct Envelope {
    seq: Wide,
    run: String,
    host: Option<String>,
    kind: Tag,
}

#[derive(Deserialize)]
struct Tag {
    kind: String,
}

/// Reads a chain and checks every line of it.
///
/// # Errors
/// When the file cannot be read. A chain that does not hold is no error: [`Chain::end`] says so.
pub fn read_chain(path: &Path) -> Result<Chain, JournalError> {
    read_each(path, |_| {})
}

/// The hashes of all lines of a chain that fit, in their order.
pub(crate) fn read_hashes(path: &Path) -> Result<Vec<Digest>, JournalError> {
    let mut hashes = Vec::new();
    read_each(path, |hash| hashes.push(hash))?;
    Ok(hashes)
}

fn read_each(path: &Path, each: impl FnMut(Digest)) -> Result<Chain, JournalError> {
    let file = File::open(path).map_err(|error| JournalError::io("read", path, error))?;
    lines_of(BufReader::new(file), each).map_err(|error| JournalError::io("read", path, error))
}

/// Reads a chain from its bytes.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_lines(input: impl BufRead) -> std::io::Result<Chain> {
    lines_of(input, |_| {})
}

/// Reads a chain from its bytes; `each` is given the hash of each line that fits.
fn lines_of(mut input: impl BufRead, mut each: impl FnMut(Digest)) -> std::io::Result<Chain> {
    let mut chain = Chain {
        run: None,
        host: None,
        events: Vec::new(),
        skipped: 0,
        lines: 0,
        head: origin("", None),
        end: ChainEnd::Whole,
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        input.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(chain);
        }
        let end = match line.strip_suffix(b"\n") {
            None if line.len() > MAX_LINE => Err(format!("longer than {MAX_LINE} bytes")),
            None => {
                chain.end = ChainEnd::Torn {
                    bytes: line.len() as u64,
                };
                return Ok(chain);
            }
            Some(line) => chain.take(line),
        };
        if let Err(why) = end {
            chain.end = ChainEnd::Broken {
                line: chain.lines + 1,
                why,
            };
            return Ok(chain);
        }
        each(chain.head);
    }
}

impl Chain {
    /// Takes the next line, or says what does not fit.
    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        let line: Line = serde_json::from_slice(bytes).map_err(|error| format!("not a line of a journal: {error}"))?;
        let envelope = Envelope::deserialize(&line.event).map_err(|error| format!("not an event: {error}"))?;
        if self.lines == 0 {
            self.head = origin(&envelope.run, envelope.host.as_deref());
        } else if self.run.as_deref() != Some(&envelope.run) || self.host != envelope.host {
            return Err("it is of another run or host".to_owned());
        }
        if line.prev != self.head {
            return Err("it does not follow the line before".to_owned());
        }
        if envelope.seq.0 != self.lines + 1 {
            return Err(format!("its number is {}, not {}", envelope.seq, self.lines + 1));
        }
        if EventKind::NAMES.contains(&envelope.kind.kind.as_str()) {
            let event = Event::deserialize(line.event).map_err(|error| format!("not an event: {error}"))?;
            self.events.push(event);
        } else {
            self.skipped += 1;
        }
        if self.lines == 0 {
            self.run = Some(envelope.run);
            self.host = envelope.host;
        }
        self.lines += 1;
        self.head = Digest::of(bytes);
        Ok(())
    }
}
