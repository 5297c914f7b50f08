//! Plans that wait for their approval, by hash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deminer_worker::text::Digest;

use crate::asked::Asked;
use crate::inventory::Reach;

use super::{RunError, make_directories, read_json, read_whole, write_json, write_whole};

/// The shortest hash by which a plan is named.
const SHORTEST: usize = 16;

/// The plans beside the runs.
#[derive(Debug, Clone)]
pub struct PlanStore {
    dir: PathBuf,
}

impl PlanStore {
    /// Of this directory of runs.
    pub fn of(runs: &Path) -> PlanStore {
        PlanStore {
            dir: runs.join("plans"),
        }
    }

    /// Keeps a plan under the first 16 digits of its hash; one that is there already is left as it is.
    ///
    /// # Errors
    /// `Ambiguous` when another plan has that name.
    pub fn store(&self, hash: &Digest, plan: &[u8]) -> Result<PathBuf, RunError> {
        make_directories(&self.dir)?;
        let path = self.path(&hash.short());
        match read_whole(&path)? {
            Some(stored) if stored == plan => {}
            Some(_) => {
                return Err(RunError::Ambiguous {
                    path: path.display().to_string(),
                });
            }
            None => write_whole(&path, plan)?,
        }
        Ok(path)
    }

    /// The plan whose hash begins so, and where it lies. Who uses it holds its hash against the bytes: a name proves
    /// nothing.
    ///
    /// # Errors
    /// When the digits are too few or none, or no such plan is stored.
    pub fn find(&self, prefix: &str) -> Result<(PathBuf, Vec<u8>), RunError> {
        let is_hash =
            (SHORTEST..=64).contains(&prefix.len()) && prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hash {
            return Err(RunError::NotAHash {
                prefix: prefix.chars().take(80).flat_map(char::escape_default).collect(),
            });
        }
        let path = self.path(&prefix[..SHORTEST]);
        match read_whole(&path)? {
            Some(plan) => Ok((path, plan)),
            None => Err(RunError::NoPlan {
                prefix: prefix.to_owned(),
                path: self.dir.display().to_string(),
            }),
        }
    }

    /// Keeps beside a stored plan how its hosts are reached from here. It is no part of what is approved: a host says itself
    /// who it is, and another than the planned one is refused.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn store_ways(&self, hash: &Digest, ways: &BTreeMap<String, Reach>) -> Result<(), RunError> {
        make_directories(&self.dir)?;
        write_json(&self.ways_path(&hash.short()), ways)
    }

    /// What was kept so; none where nothing was.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn ways(&self, hash: &Digest) -> Result<BTreeMap<String, Reach>, RunError> {
        Ok(read_json(&self.ways_path(&hash.short()))?.unwrap_or_default())
    }

    /// Keeps beside a stored plan how it was asked for.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn store_asked(&self, hash: &Digest, asked: &Asked) -> Result<(), RunError> {
        make_directories(&self.dir)?;
        write_json(&self.asked_path(&hash.short()), asked)
    }

    /// What was kept so; `None` where nothing was.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn asked(&self, hash: &Digest) -> Result<Option<Asked>, RunError> {
        read_json(&self.asked_path(&hash.short()))
    }

    fn asked_path(&self, hash16: &str) -> PathBuf {
        self.dir.join(format!("{hash16}.asked.json"))
    }

    fn ways_path(&self, hash16: &str) -> PathBuf {
        self.dir.join(format!("{hash16}.ways.json"))
    }

    fn path(&self, hash16: &str) -> PathBuf {
        self.dir.join(format!("{hash16}.plan"))
    }
}
