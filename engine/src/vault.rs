//! Evidence, kept by its content: what apply removes is restored from here.
//!
//! ```text
//! vault/sha256/9b/e2c0...sealed   manifest.ndjson   new/
//! ```
//!
//! A sealed file begins with [`MAGIC`], so that nothing runs it or takes it for what it was, and goes on with the content
//! in Zstandard form. It is written under a name of its own, made durable, read back and hashed before it has its place:
//! only then does it count. No name from a host is ever a name in the vault; names stand in the manifest.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use deminer_worker::frame::EvidenceItem;
use deminer_worker::text::{Digest, Wide};
use serde::{Deserialize, Serialize};

mod read;
mod write;

pub use read::{Damaged, SealedReader, VaultCheck};
pub use write::{Stored, VaultWriter};

/// What every sealed file begins with.
pub const MAGIC: &[u8] = b"DEMINER-VAULT-1\n";

/// What the vault of one run may take on disk: more than the evidence of a fleet, less than a disk, so that no host can
/// fill it.
pub const QUOTA: u64 = 16 << 30;

/// The vault of one run. Clones are the same vault.
#[derive(Clone, Debug)]
pub struct Vault {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    /// Bytes on disk that the vault may take; `None` has no limit.
    quota: Option<u64>,
    used: AtomicU64,
    next_name: AtomicU64,
    manifest: Mutex<()>,
}

/// One line of the manifest: what was kept, of what, when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// The content.
    pub sha256: Digest,
    /// Its bytes.
    pub size: Wide,
    /// What it is of.
    pub item: EvidenceItem,
    /// The host.
    pub host: String,
    /// The run.
    pub run: String,
    /// When, by the controller's clock, milliseconds since 1970.
    pub at_ms: Wide,
    /// When, by the host's own clock, where it told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_time_ms: Option<Wide>,
}

/// The manifest as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// In the order written.
    pub entries: Vec<ManifestEntry>,
    /// Lines that cannot be read, from 1; a crash leaves one.
    pub damaged: Vec<u64>,
}

/// Why evidence could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// It is longer than it may be.
    #[error("evidence longer than the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The vault has taken all that it may.
    #[error("the vault {path} is full: {quota} bytes")]
    Full {
        /// The vault.
        path: String,
        /// What it may take.
        quota: u64,
    },
    /// What arrived is not what was announced.
    #[error("expected content {expected}, received {found}")]
    OtherContent {
        /// As announced.
        expected: Digest,
        /// As received.
        found: Digest,
    },
    /// The vault does not have it.
    #[error("the vault {path} has no content {sha256}")]
    Missing {
        /// The vault.
        path: String,
        /// The content.
        sha256: Digest,
    },
    /// What is on disk is not what was stored.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The sealed file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The system refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried: `make`, `read`, `write`.
        doing: &'static str,
        /// The file or directory.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl VaultError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            VaultError::Full { .. } => "give the vault more room; nothing is destroyed that is not kept",
            VaultError::TooLarge { .. } => "keep it by hand, then leave its action out of the approval",
            VaultError::Damaged { .. } => "keep the run's directory as it is; restore it from a copy before an undo",
            VaultError::OtherContent { .. } => "it changed while it was read: look at the host anew",
            VaultError::Missing { .. } | VaultError::Io { .. } => return None,
        };
        Some(hint.to_owned())
    }

    fn io(doing: &'static str, path: &Path, source: io::Error) -> VaultError {
        VaultError::Io {
            doing,
            path: path.display().to_string(),
            source,
        }
    }

    fn damaged(path: &Path, why: impl ToString) -> VaultError {
        VaultError::Damaged {
            path: path.display().to_string(),
            why: why.to_string(),
        }
    }
}

impl Vault {
    /// Opens a vault to keep evidence in; makes it where it is missing, and removes what a crash left half written. One
    /// process at a time: the run's lock sees to it.
    ///
    /// # Errors
    /// When a directory cannot be made or read.
    pub fn create(dir: &Path, quota: Option<u64>) -> Result<Vault, VaultError> {
        for part in ["sha256", "new"] {
            let part = dir.join(part);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&part)
                .map_err(|error| VaultError::io("make", &part, error))?;
        }
        let vault = Vault::open(dir, quota);
        let new = dir.join("new");
        for path in read::entries(&new)? {
            fs::remove_file(&path).map_err(|error| VaultError::io("write", &path, error))?;
        }
        let mut used = 0;
        for path in vault.sealed_files()? {
            used += fs::symlink_metadata(&path)
                .map_err(|error| VaultError::io("read", &path, error))?
                .len();
        }
        vault.inner.used.store(used, Ordering::Relaxed);
        Ok(vault)
    }

    /// A vault to read from; touches nothing.
    pub fn at(dir: &Path) -> Vault {
        Vault::open(dir, None)
    }

    fn open(dir: &Path, quota: Option<u64>) -> Vault {
        Vault {
            inner: Arc::new(Inner {
                dir: dir.to_owned(),
                quota,
                used: AtomicU64::new(0),
                next_name: AtomicU64::new(0),
                manifest: Mutex::new(()),
            }),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.inner.dir
    }

    /// Where content lies: a matter of its hash alone.
    fn sealed_path(&self, sha256: &Digest) -> PathBuf {
        let name = sha256.to_string();
        self.inner
            .dir
            .join("sha256")
            .join(&name[..2])
            .join(format!("{}.sealed", &name[2..]))
    }

    /// Writes down what a content is of; durable when this returns.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn note(&self, entry: &ManifestEntry) -> Result<(), VaultError> {
        let path = self.inner.dir.join("manifest.ndjson");
        let _one_at_a_time = self.inner.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = serde_json::to_vec(entry).map_err(|error| VaultError::io("write", &path, error.into()))?;
        line.push(b'\n');
        let mut append = || {
            let mut file = OpenOptions::new()
                .append(true)
                .read(true)
                .create(true)
                .mode(0o600)
                .open(&path)?;
            if read::ends_within_a_line(&file)? {
                line.insert(0, b'\n');
            }
            file.write_all(&line)?;
            file.sync_data()?;
            sync(&self.inner.dir)
        };
        append().map_err(|error| VaultError::io("write", &path, error))
    }
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests;
