//! A directory for as long as it is needed, in memory where there is such a file system.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::random;

/// The directory; gone with this.
pub(crate) struct Place(PathBuf);

impl Place {
    /// Makes one, for the operator only.
    ///
    /// # Errors
    /// When no file system takes it.
    pub(crate) fn new() -> io::Result<Place> {
        let name = random::<8>()
            .iter()
            .fold("deminer-".to_owned(), |name, byte| format!("{name}{byte:02x}"));
        let made = |folder: &Path| {
            let path = folder.join(&name);
            fs::DirBuilder::new().mode(0o700).create(&path).map(|()| Place(path))
        };
        made(Path::new("/dev/shm")).or_else(|_| made(&std::env::temp_dir()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is in a folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}
