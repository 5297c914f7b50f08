//! Keeping: sealed, durable, read back, and only then in its place.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use deminer_worker::text::Digest;
use rustix::fs::{Advice, fadvise};
use sha2::{Digest as _, Sha256};

use super::{MAGIC, Vault, VaultError, sync};

/// The level of compression: evidence arrives while processes stand still.
const LEVEL: i32 = 3;

/// Content on its way into the vault. Dropped before [`Self::finish`], it leaves nothing.
pub struct VaultWriter {
    vault: Vault,
    path: PathBuf,
    /// `None` once finished.
    encoder: Option<zstd::Encoder<'static, Counted>>,
    hash: Sha256,
    size: u64,
    limit: u64,
    /// Bytes on disk that are counted as used by this content.
    charged: u64,
    kept: bool,
}

/// Content that is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// What it is.
    pub sha256: Digest,
    /// Its bytes.
    pub size: u64,
    /// Whether the vault did not have it before.
    pub is_new: bool,
}

/// A file that knows how much was written to it.
struct Counted {
    file: File,
    written: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Vault {
    /// Begins to keep something of at most so many bytes.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn writer(&self, limit: u64) -> Result<VaultWriter, VaultError> {
        let number = self.inner.next_name.fetch_add(1, Ordering::Relaxed);
        let path = self.inner.dir.join("new").join(format!("{number}.sealed"));
        let open = || {
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            let mut counted = Counted { file, written: 0 };
            counted.write_all(MAGIC)?;
            let mut encoder = zstd::Encoder::new(counted, LEVEL)?;
            encoder.include_checksum(true)?;
            Ok(encoder)
        };
        let encoder = open().map_err(|error| VaultError::io("write", &path, error))?;
        Ok(VaultWriter {
            vault: self.clone(),
            path,
            encoder: Some(encoder),
            hash: Sha256::new(),
            size: 0,
            limit,
            charged: 0,
            kept: false,
        })
    }

    /// Keeps bytes that are at hand.
    ///
    /// # Errors
    /// As [`VaultWriter::write`] and [`VaultWriter::finish`].
    pub fn keep(&self, bytes: &[u8]) -> Result<Stored, VaultError> {
        let mut writer = self.writer(bytes.len() as u64)?;
        writer.write(bytes)?;
        writer.finish(None)
    }
}

impl VaultWriter {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they pass the limit or the quota, or the disk refuses; the writer is then of no further use.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), VaultError> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if self.size > self.limit {
            self.encoder = None;
            return Err(VaultError::TooLarge { limit: self.limit });
        }
        let Some(encoder) = &mut self.encoder else {
            return Err(VaultError::io("write", &self.path, io::ErrorKind::BrokenPipe.into()));
        };
        self.hash.update(bytes);
        if let Err(error) = encoder.write_all(bytes) {
            self.encoder = None;
            return Err(VaultError::io("write", &self.path, error));
        }
        let written = encoder.get_ref().written;
        self.charge(written)
    }

    /// Counts what is on disk against the quota.
    fn charge(&mut self, written: u64) -> Result<(), VaultError> {
        let more = written.saturating_sub(self.charged);
        let used = self.vault.inner.used.fetch_add(more, Ordering::Relaxed) + more;
        self.charged += more;
        match self.vault.inner.quota {
            Some(quota) if used > quota => {
                self.encoder = None;
                Err(VaultError::Full {
                    path: self.vault.inner.dir.display().to_string(),
                    quota,
                })
            }
            _ => Ok(()),
        }
    }

    /// Makes the content durable, reads it back, and gives it its place. What the vault has already, and can still read,
    /// is not kept twice.
    ///
    /// # Errors
    /// When it is not `expected`, cannot be read back as it came, or the disk refuses; then nothing is kept.
    pub fn finish(mut self, expected: Option<Digest>) -> Result<Stored, VaultError> {
        let Some(encoder) = self.encoder.take() else {
            return Err(VaultError::io("write", &self.path, io::ErrorKind::BrokenPipe.into()));
        };
        let found = Digest(self.hash.finalize_reset().into());
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(VaultError::OtherContent { expected, found });
        }
        let seal = || {
            let counted = encoder.finish()?;
            counted.file.set_permissions(Permissions::from_mode(0o400))?;
            counted.file.sync_all()?;
            // Read back what the disk has, where the system lets go of its own copy.
            let _ = fadvise(&counted.file, 0, None, Advice::DontNeed);
            Ok(counted.written)
        };
        let written = seal().map_err(|error| VaultError::io("write", &self.path, error))?;
        self.charge(written)?;
        Vault::read_back(&self.path, &found)?;

        let stored = Stored {
            sha256: found,
            size: self.size,
            is_new: false,
        };
        let place = self.vault.sealed_path(&found);
        if Vault::read_back(&place, &found).is_ok() {
            return Ok(stored);
        }
        let put = || {
            let dir = place.parent().ok_or(io::ErrorKind::InvalidInput)?;
            match DirBuilder::new().mode(0o700).create(dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            fs::rename(&self.path, &place)?;
            sync(dir)?;
            sync(&self.vault.inner.dir.join("sha256"))
        };
        put().map_err(|error| VaultError::io("write", &place, error))?;
        self.kept = true;
        Ok(Stored { is_new: true, ..stored })
    }
}

impl Drop for VaultWriter {
    fn drop(&mut self) {
        if !self.kept {
            self.vault.inner.used.fetch_sub(self.charged, Ordering::Relaxed);
            // What stays is removed when the vault is next opened for keeping.
            let _ = fs::remove_file(&self.path);
        }
    }
}
