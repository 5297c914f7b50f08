//! The workers that can be sent, one a kind of machine.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use deminer_worker::stamp;
use deminer_worker::text::Digest;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::SshError;

/// The longest file that is taken for a worker.
const WORKER_BYTES: u64 = 256 << 20;

/// The folder with the workers, and the command, which contains one.
#[derive(Debug)]
pub struct Workers {
    folder: PathBuf,
    command: PathBuf,
    read: Mutex<HashMap<String, Arc<Worker>>>,
}

/// A worker, ready to be sent.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) bytes: Vec<u8>,
    pub(super) sha256: String,
    packed: OnceLock<Vec<u8>>,
}

impl Worker {
    fn new(bytes: Vec<u8>) -> Worker {
        Worker {
            sha256: Digest::of(&bytes).to_string(),
            bytes,
            packed: OnceLock::new(),
        }
    }

    /// The bytes as gzip(1) packs them; made once, when the first host asks for it.
    pub(super) fn packed(&self) -> &[u8] {
        self.packed.get_or_init(|| {
            let mut packed = GzEncoder::new(Vec::new(), Compression::default());
            // Memory takes all that is written.
            let _ = packed.write_all(&self.bytes);
            packed.finish().unwrap_or_default()
        })
    }
}

impl Workers {
    /// Looks in `folder` for `deminer-worker-MACHINE` (as `uname -m` says), then for `deminer-worker`; where neither is of
    /// the host's kind, `command` itself is sent.
    pub fn new(folder: impl Into<PathBuf>, command: impl Into<PathBuf>) -> Workers {
        Workers {
            folder: folder.into(),
            command: command.into(),
            read: Mutex::default(),
        }
    }

    /// The worker for a kind of machine; each file is read once.
    pub(super) fn for_machine(&self, machine: &str) -> Result<Arc<Worker>, SshError> {
        let mut read = self.read.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(worker) = read.get(machine) {
            return Ok(Arc::clone(worker));
        }
        let worker = Arc::new(self.find(machine)?);
        read.insert(machine.to_owned(), Arc::clone(&worker));
        Ok(worker)
    }

    fn find(&self, machine: &str) -> Result<Worker, SshError> {
        let none = || SshError::NoWorker {
            machine: machine.to_owned(),
            folder: self.folder.display().to_string(),
        };
        // What a host says becomes the name of a file only where it can be nothing else.
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if machine.is_empty() || machine.len() > 32 || !machine.bytes().all(letter) {
            return Err(none());
        }
        let named = self.folder.join(format!("deminer-worker-{machine}"));
        let wanted = elf_machine(machine);
        for path in [named, self.folder.join("deminer-worker"), self.command.clone()] {
            let Some(bytes) = read_file(&path)? else { continue };
            let found = machine_of(&bytes).ok_or_else(|| bad(&path, "it is no program for Linux"))?;
            if Some(found) == wanted {
                let stamp = stamp::of(&bytes);
                if stamp.as_deref() != Some(stamp::OWN) {
                    return Err(SshError::OtherVersion {
                        path: path.display().to_string(),
                        found: stamp,
                    });
                }
                return Ok(Worker::new(bytes));
            }
        }
        Err(none())
    }
}

fn bad(path: &Path, why: &str) -> SshError {
    SshError::BadWorker {
        path: path.display().to_string(),
        why: why.to_owned(),
    }
}

/// The bytes of a file; `None` where there is none.
fn read_file(path: &Path) -> Result<Option<Vec<u8>>, SshError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > WORKER_BYTES => return Err(bad(path, "it is larger than 256 MiB")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(bad(path, &error.to_string())),
    }
    std::fs::read(path)
        .map(Some)
        .map_err(|error| bad(path, &error.to_string()))
}

/// `e_machine` of an ELF file (elf(5)); `None` when it is none.
fn machine_of(bytes: &[u8]) -> Option<u16> {
    let head = bytes.get(..20)?;
    let field = [head[18], head[19]];
    match (&head[..4], head[5]) {
        (b"\x7fELF", 1) => Some(u16::from_le_bytes(field)),
        (b"\x7fELF", 2) => Some(u16::from_be_bytes(field)),
        _ => None,
    }
}

/// `e_machine` for what uname(2) calls a machine; `None` for one that Rust's Linux does not run on.
fn elf_machine(machine: &str) -> Option<u16> {
    Some(match machine {
        "x86_64" => 62,
        "aarch64" | "aarch64_be" => 183,
        "i386" | "i486" | "i586" | "i686" => 3,
        "armv6l" | "armv7l" | "armv8l" => 40,
        "ppc64" | "ppc64le" => 21,
        "s390x" => 22,
        "riscv64" => 243,
        "loongarch64" => 258,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(machine: u16) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(18, 0);
        bytes.extend_from_slice(&machine.to_le_bytes());
        bytes.extend_from_slice(stamp::OWN.as_bytes());
        bytes
    }

    #[test]
    fn what_is_packed_is_the_worker() {
        let worker = Worker::new([elf(62), vec![7; 100_000]].concat());
        assert!(worker.packed().len() < 1000);
        let mut unpacked = Vec::new();
        let read = io::Read::read_to_end(&mut flate2::read::GzDecoder::new(worker.packed()), &mut unpacked);
        assert_eq!(read.ok(), Some(worker.bytes.len()));
        assert_eq!(unpacked, worker.bytes);
    }

    #[test]
    fn the_worker_of_the_machine_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let command = folder.path().join("deminer");
        let workers = || Workers::new(folder.path(), &command);
        let found = |machine| workers().for_machine(machine).map(|worker| worker.bytes.clone());

        std::fs::write(&command, elf(62)).unwrap();
        assert_eq!(found("x86_64"), Ok(elf(62)), "the command itself");
        assert!(matches!(found("aarch64"), Err(SshError::NoWorker { .. })));

        std::fs::write(folder.path().join("deminer-worker"), [elf(62), vec![1]].concat()).unwrap();
        assert_eq!(found("x86_64"), Ok([elf(62), vec![1]].concat()), "the slim one");
        assert!(matches!(found("aarch64"), Err(SshError::NoWorker { .. })));

        std::fs::write(folder.path().join("deminer-worker-aarch64"), elf(183)).unwrap();
        assert_eq!(found("aarch64"), Ok(elf(183)));
        for machine in ["../x86_64", "", "x86 64", "vax"] {
            assert!(matches!(found(machine), Err(SshError::NoWorker { .. })), "{machine}");
        }

        let slim = folder.path().join("deminer-worker");
        for (name, instead, expected) in [
            (
                "older",
                "deminer worker 0.0.9, protocol 1;",
                Some("deminer worker 0.0.9, protocol 1;"),
            ),
            ("from before there were stamps", "deminer worker", None),
        ] {
            let older = String::from_utf8(elf(62)).unwrap().replace(stamp::OWN, instead);
            std::fs::write(&slim, older).unwrap();
            let other = SshError::OtherVersion {
                path: slim.display().to_string(),
                found: expected.map(str::to_owned),
            };
            assert_eq!(found("x86_64"), Err(other), "{name}");
        }

        std::fs::write(&slim, "a script").unwrap();
        assert!(matches!(found("x86_64"), Err(SshError::BadWorker { .. })));
    }
}
