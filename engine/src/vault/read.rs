//! Reading: every byte is held against the hash that names it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use deminer_worker::text::Digest;
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use super::{MAGIC, Manifest, ManifestEntry, Vault, VaultError};

/// The largest window, as a power of two, that is unpacked: what we seal needs less.
const WINDOW_LOG_MAX: u32 = 24;

/// The longest line of a manifest.
const MAX_LINE: u64 = 1 << 20;

/// Content on its way out of the vault. Its end is an error where the content is not what its name says: what was read
/// before counts only once the end is reached.
pub struct SealedReader {
    path: PathBuf,
    decoder: zstd::Decoder<'static, BufReader<File>>,
    hash: Sha256,
    expected: Digest,
}

/// What a look at the whole vault showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VaultCheck {
    /// Contents that are what their names say.
    pub sound: u64,
    /// Files that are not.
    pub damaged: Vec<Damaged>,
    /// Contents of which the manifest speaks and that are not there.
    pub missing: Vec<Digest>,
    /// Lines of the manifest that cannot be read.
    pub manifest_damaged: Vec<u64>,
}

/// A file of the vault that is not what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub why: String,
}

impl VaultCheck {
    /// Whether all is there and sound.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.missing.is_empty() && self.manifest_damaged.is_empty()
    }
}

impl Vault {
    /// Whether there is a file of that content; what is in it is read by who opens it.
    pub(crate) fn has(&self, sha256: &Digest) -> bool {
        self.sealed_path(sha256).exists()
    }

    /// Opens a content.
    ///
    /// # Errors
    /// When the vault does not have it, or the file is no sealed one.
    pub fn open_content(&self, sha256: &Digest) -> Result<SealedReader, VaultError> {
        let path = self.sealed_path(sha256);
        open_sealed(&path, sha256).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => VaultError::Missing {
                path: self.inner.dir.display().to_string(),
                sha256: *sha256,
            },
            io::ErrorKind::InvalidData => VaultError::damaged(&path, error),
            _ => VaultError::io("read", &path, error),
        })
    }

    /// A whole content of at most so many bytes, checked.
    ///
    /// # Errors
    /// When it is not there, longer, or not what its name says.
    pub fn content(&self, sha256: &Digest, limit: u64) -> Result<Vec<u8>, VaultError> {
        let mut reader = self.open_content(sha256)?;
        let mut bytes = Vec::new();
        let read = reader.by_ref().take(limit.saturating_add(1)).read_to_end(&mut bytes);
        if bytes.len() as u64 > limit {
            return Err(VaultError::TooLarge { limit });
        }
        read.map_err(|error| VaultError::damaged(&reader.path, error))?;
        Ok(bytes)
    }

    /// Whether a sealed file can be read and is the content meant.
    pub(super) fn read_back(path: &Path, expected: &Digest) -> Result<u64, VaultError> {
        let mut reader = open_sealed(path, expected).map_err(|error| VaultError::io("read", path, error))?;
        io::copy(&mut reader, &mut io::sink()).map_err(|error| VaultError::damaged(path, error))
    }

    /// Reads everything, and holds it against its names and the manifest.
    ///
    /// # Errors
    /// When a directory cannot be read; damage is no error but the answer.
    pub fn verify_all(&self) -> Result<VaultCheck, VaultError> {
        let manifest = self.manifest()?;
        let mut check = VaultCheck {
            manifest_damaged: manifest.damaged,
            ..VaultCheck::default()
        };
        for path in self.sealed_files()? {
            let sound = match name_of(&path) {
                Some(sha256) => Vault::read_back(&path, &sha256),
                None => Err(VaultError::damaged(&path, "its name is not a hash")),
            };
            match sound {
                Ok(_) => check.sound += 1,
                Err(error) => {
                    let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                    check.damaged.push(Damaged { path, why });
                }
            }
        }
        for entry in manifest.entries {
            if !self.has(&entry.sha256) && !check.missing.contains(&entry.sha256) {
                check.missing.push(entry.sha256);
            }
        }
        Ok(check)
    }

    /// The manifest; empty where nothing was noted.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn manifest(&self) -> Result<Manifest, VaultError> {
        let path = self.inner.dir.join("manifest.ndjson");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Manifest::default()),
            Err(error) => return Err(VaultError::io("read", &path, error)),
        };
        read_manifest(BufReader::new(file)).map_err(|error| VaultError::io("read", &path, error))
    }

    /// All files that lie where contents lie, by name.
    pub(super) fn sealed_files(&self) -> Result<Vec<PathBuf>, VaultError> {
        let mut files = Vec::new();
        for dir in entries(&self.inner.dir.join("sha256"))? {
            files.extend(entries(&dir)?);
        }
        files.sort();
        Ok(files)
    }
}

impl Read for SealedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer)?;
        self.hash.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() {
            let found = Digest(self.hash.clone().finalize().into());
            if found != self.expected {
                let why = format!("its content is {found}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        Ok(read)
    }
}

fn open_sealed(path: &Path, expected: &Digest) -> io::Result<SealedReader> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    let mut magic = [0; MAGIC.len()];
    let sealed = file.read_exact(&mut magic).is_ok() && magic == MAGIC;
    if !sealed {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not sealed"));
    }
    let mut decoder = zstd::Decoder::new(file)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(SealedReader {
        path: path.to_owned(),
        decoder,
        hash: Sha256::new(),
        expected: *expected,
    })
}

/// The hash that a sealed file's path states.
fn name_of(path: &Path) -> Option<Digest> {
    let rest = path.file_name()?.to_str()?.strip_suffix(".sealed")?;
    let first = path.parent()?.file_name()?.to_str()?;
    format!("{first}{rest}").parse().ok()
}

/// What is in a directory; nothing where there is none.
pub(super) fn entries(dir: &Path) -> Result<Vec<PathBuf>, VaultError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(VaultError::io("read", dir, error)),
    };
    entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(|error| VaultError::io("read", dir, error))
}

/// Whether a crash left a part of a line at the end.
pub(super) fn ends_within_a_line(mut file: &File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

pub(super) fn read_manifest(mut input: impl BufRead) -> io::Result<Manifest> {
    let mut manifest = Manifest::default();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            break;
        }
        match serde_json::from_slice::<ManifestEntry>(&line) {
            Ok(entry) if line.ends_with(b"\n") => manifest.entries.push(entry),
            _ => manifest.damaged.push(number),
        }
    }
    Ok(manifest)
}
