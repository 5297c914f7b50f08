//! The signed approvals that a run rests on, kept as they were given: anybody can check them later with ssh-keygen alone.
//!
//! ```text
//! approvals/1.json  1.json.sig  2.json  2.json.sig  allowed_signers  revoked_keys
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use deminer_worker::text::Digest;

use super::{RunDir, RunError, make_directories, read_whole, write_whole};
use crate::approval::{Approvals, KeyList, Signed, SignedFile, beside};

/// The list of who may sign.
const SIGNERS: &str = "allowed_signers";

/// The keys that count no more.
const REVOKED: &str = "revoked_keys";

/// The names under which the lists are kept, and the lists.
fn lists(under: &Approvals) -> impl Iterator<Item = (&'static str, &KeyList)> {
    let all = [(SIGNERS, under.listed()), (REVOKED, under.revoked())];
    all.into_iter().filter_map(|(name, list)| Some((name, list?)))
}

/// The digests of the lists that signatures are held against, by the names under which [`RunDir::write_signed`] keeps them.
pub fn list_digests(under: &Approvals) -> BTreeMap<String, Digest> {
    lists(under)
        .map(|(name, list)| (name.to_owned(), Digest::of(&list.bytes)))
        .collect()
}

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
        for (name, list) in lists(under) {
            write_whole(&directory.join(name), &list.bytes)?;
        }
        Ok(())
    }

    /// Whether a file of the approvals is what the journal says of it; `false` where it is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn is_approval_of(&self, file: &str, sha256: Digest) -> Result<bool, RunError> {
        let bytes = read_whole(&self.approvals().join(file))?;
        Ok(bytes.is_some_and(|bytes| Digest::of(&bytes) == sha256))
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
