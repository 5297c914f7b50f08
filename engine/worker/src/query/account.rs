//! Accounts, as `/etc/passwd`, `/etc/shadow` and `/etc/group` have them.

use serde::{Deserialize, Serialize};

use crate::text::{Digest, HostBytes, HostPath};

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Account {
    /// The login name.
    pub name: HostBytes,
    /// The user id.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// The home directory.
    pub home: HostPath,
    /// The login shell, byte for byte.
    pub shell: HostBytes,
    /// What the password field of `/etc/shadow` is.
    pub password: Password,
    /// The full name, or what stands in its field.
    #[serde(default)]
    pub full_name: HostBytes,
    /// Its line in `/etc/passwd`, from 1; 0 where that was not told.
    #[serde(default)]
    pub number: u32,
    /// SHA-256 of its line in `/etc/passwd`, the password field left out; `None` where that was not told.
    #[serde(default)]
    pub line_sha256: Option<Digest>,
    /// The day, since 1970, of the last change of its password; `None` where `/etc/shadow` does not say or is not readable.
    #[serde(default)]
    pub changed_day: Option<u32>,
    /// The day, since 1970, from which nobody gets in by it, neither with a password nor with a key; `None` where there is
    /// none or `/etc/shadow` is not readable.
    #[serde(default)]
    pub expires_day: Option<u32>,
    /// The groups that it belongs to by name, its primary one first, as `/etc/group` has them.
    #[serde(default)]
    pub groups: Vec<HostBytes>,
    /// What it was in `/etc/passwd-` and `/etc/shadow-`, the copies from before the last change.
    #[serde(default)]
    pub before: Before,
}

impl Account {
    /// Whether it is as the act that locks accounts leaves it.
    pub fn is_locked(&self) -> bool {
        self.is_shut(1)
    }

    /// Whether nobody gets in by it any more on that day since 1970: no password fits, and it is expired.
    pub fn is_shut(&self, day: u32) -> bool {
        self.password == Password::Locked && self.expires_day.is_some_and(|expires| expires <= day)
    }
}

/// What an account was before the last change that the system's own tools made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "was", rename_all = "snake_case")]
pub enum Before {
    /// There is no copy, or it could not be read.
    #[default]
    Unknown,
    /// The copy does not have it: it was made since.
    Absent,
    /// The same, as far as the copies tell.
    Same,
    /// Other fields than now.
    Changed {
        /// Which: `uid`, `gid`, `full_name`, `home`, `shell`, `password`.
        fields: Vec<String>,
    },
}

/// What an account's password field holds; never the hash itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Password {
    /// A hash.
    Set,
    /// Empty: no password is asked.
    Empty,
    /// `!` or `*`: no password fits.
    Locked,
    /// Could not be read.
    #[default]
    Unknown,
}
