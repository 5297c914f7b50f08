//! A worker that was sent to its host: whether it arrived whole, and that it leaves no file behind.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::Digest as _;

use crate::text::Digest;

/// The name of the worker's file in the directory that was made for it.
pub const FILE: &str = "deminer-worker";

/// This program's own file, also after it was unlinked.
const OWN: &str = "/proc/self/exe";

/// Whether this program's own file has this SHA-256, in 64 hexadecimal digits.
///
/// It shows what a full disk or a broken-off link leaves. It is no proof against the host: a kernel that lies, or root
/// there, can make any program say yes.
///
/// # Errors
/// When the file cannot be read.
pub fn is_whole(expected: &str) -> io::Result<bool> {
    let mut file = File::open(OWN)?;
    let mut hash = sha2::Sha256::new();
    let mut piece = vec![0; 128 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => hash.update(&piece[..read]),
        }
    }
    Ok(Digest(hash.finalize().into()).to_string() == expected)
}

/// Removes this program's file from the directory that was made for it, and the directory. What is not ours stays.
///
/// # Errors
/// When the file there is another, or something cannot be removed.
pub fn unlink_own_file(directory: &Path) -> io::Result<()> {
    let file = directory.join(FILE);
    let (own, there) = (fs::metadata(OWN)?, fs::symlink_metadata(&file)?);
    if (own.dev(), own.ino()) != (there.dev(), there.ino()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the file is another"));
    }
    fs::remove_file(&file)?;
    fs::remove_dir(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_knows_its_own_bytes() {
        let own = Digest::of(&fs::read(OWN).unwrap()).to_string();
        assert!(is_whole(&own).unwrap());
        assert!(!is_whole(&own.replace(&own[..1], "x")).unwrap());
    }

    #[test]
    fn another_file_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "another").unwrap();
        assert!(unlink_own_file(directory.path()).is_err());
        assert!(directory.path().join(FILE).exists());
    }
}
