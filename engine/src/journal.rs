//! What is written down of a run, as it happens: append-only lines, each bound to the one before by its hash.
//!
//! There is one chain for the run and one for each host. A line is `{"prev": HASH, "event": EVENT}`, where `HASH` is the
//! SHA-256 of the line before without its line feed, or of run and chain name for the first. So a line that was changed,
//! left out, put in or moved is noticed; what a crash tore off the end is noticed as torn, and is no event.

use std::io;
use std::path::Path;

use deminer_worker::text::Digest;

pub(crate) mod read;
mod write;

pub(crate) use read::read_hashes;
pub use read::{Chain, ChainEnd, read_chain};
pub use write::{Clock, HostJournal, Journals};

/// The longest line that is written or read.
pub const MAX_LINE: usize = 64 << 20;

/// The longest name of a host that goes into a file name as it is.
const MAX_NAME: usize = 100;

/// The name of the file that holds a chain; `None` is the run's own.
///
/// Letters, digits, `-`, `_` and `.` stand for themselves, every other byte as `%XX`; a long name is cut and carries 16
/// hexadecimal digits of its hash. The file name holds no `/` and does not begin with a dot.
pub fn file_name(host: Option<&str>) -> String {
    let Some(host) = host else {
        return "run.ndjson".to_owned();
    };
    let mut name = String::new();
    for byte in host.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.len() > MAX_NAME {
        name.truncate(MAX_NAME - 20);
        name.push('~');
        name.push_str(&Digest::of(host.as_bytes()).short());
    }
    format!("host-{name}.ndjson")
}

/// What the first line of a chain is bound to.
fn origin(run: &str, host: Option<&str>) -> Digest {
    let chain = host.map_or_else(|| "run".to_owned(), |host| format!("host {host}"));
    Digest::of(format!("{run}\n{chain}").as_bytes())
}

/// The head of all chains of a run together: the SHA-256 of the run's name and each chain's file name and head, a line each, in
/// the order of the names. Stated elsewhere, it fixes all that was written down until then.
pub fn heads(run: &str, chains: &[Chain]) -> Digest {
    let used = chains.iter().filter(|chain| chain.run.as_deref() == Some(run));
    head_of(run, used.map(|chain| (file_name(chain.host.as_deref()), chain.head)))
}

/// The same of chains by file name.
pub(crate) fn head_of(run: &str, heads: impl Iterator<Item = (String, Digest)>) -> Digest {
    let mut lines: Vec<String> = heads.map(|(file, head)| format!("{file} {head}\n")).collect();
    lines.sort();
    Digest::of(format!("{run}\n{}", lines.concat()).as_bytes())
}

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused.
    #[error("cannot {doing} the journal {path}")]
    Io {
        /// What was tried: `open`, `read`, `write`.
        doing: &'static str,
        /// The journal.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It was changed by somebody else, so nothing can be added to it.
    #[error("the journal {path} is broken at line {line}: {why}")]
    Broken {
        /// The journal.
        path: String,
        /// The first line that does not fit.
        line: u64,
        /// What does not fit.
        why: String,
    },
    /// It belongs to another run or host.
    #[error("the journal {path} is of {found}, not of {expected}")]
    Other {
        /// The journal.
        path: String,
        /// Whose it should be.
        expected: String,
        /// Whose it is.
        found: String,
    },
}

impl JournalError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            JournalError::Io { .. } => None,
            JournalError::Broken { .. } | JournalError::Other { .. } => {
                Some("keep the run's directory as it is; look at the hosts anew with a new plan".to_owned())
            }
        }
    }

    fn io(doing: &'static str, path: &Path, source: io::Error) -> JournalError {
        JournalError::Io {
            doing,
            path: path.display().to_string(),
            source,
        }
    }
}

#[cfg(test)]
mod tests;
