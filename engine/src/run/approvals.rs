//! The signed approvals that a run rests on, kept as they were given: anybody can check them later with ssh-keygen alone.
//!
//! ```text
//! approvals/1.json  1.json.sig  2.json  2.json.sig  allowed_signers  revoked_keys
//! ```

use std::path::PathBuf;

use super::{RunDir, RunError, make_directories, read_whole, write_whole};
use crate::approval::{Approvals, KeyList, Signed, SignedFile, beside};

/// The list of who may sign.
const SIGNERS: &str = "allowed_signers";

/// The keys that count no more.
const REVOKED: &str = "revoked_keys";

impl RunDir {
    /// The directory of the signed approvals.
    pub fn approvals(&self) -> PathBuf {
        self.path.join("approvals")
    }

    /// Keeps signed approvals with their signatures, and the lists that they were held against.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_signed(&self, signed: &[Signed], under: &Approvals) -> Result<(), RunError> {
        let directory = self.approvals();
        make_directories(&directory)?;
        for (one, number) in signed.iter().zip(1..) {
            let path = directory.join(format!("{number}.json"));
            let (approval, signature) = one.files();
            write_whole(&path, approval)?;
            write_whole(&beside(&path), signature)?;
        }
        for (name, list) in [(SIGNERS, under.listed()), (REVOKED, under.revoked())] {
            if let Some(list) = list {
                write_whole(&directory.join(name), &list.bytes)?;
            }
        }
        Ok(())
    }

    /// The signed approvals, in their order; none where nobody signed.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn signed(&self) -> Result<Vec<SignedFile>, RunError> {
        let mut files = Vec::new();
        for number in 1.. {
            let path = self.approvals().join(format!("{number}.json"));
            let Some(bytes) = read_whole(&path)? else { break };
            files.push(SignedFile {
                name: path.display().to_string(),
                bytes,
                // A signature that is gone is one that is none.
                signature: read_whole(&beside(&path))?.unwrap_or_default(),
            });
        }
        Ok(files)
    }

    /// The list of who may sign that they were held against.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn signers(&self) -> Result<Option<KeyList>, RunError> {
        let path = self.approvals().join(SIGNERS);
        Ok(read_whole(&path)?.map(|bytes| KeyList { path, bytes }))
    }
}
