//! What starts things on a host, and the forms of its files.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sudoers;

/// What a file is to whatever starts it; they are removed in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StarterKind {
    /// A program that systemd runs at each reload to make units (systemd.generator(7)): goes before any reload.
    Generator,
    /// A unit's file, or one that a generator made.
    Unit,
    /// A piece of configuration added to a unit (`NAME.d/*.conf`).
    DropIn,
    /// A script that cron or anacron runs whole.
    CronScript,
    /// A job of at(1).
    AtJob,
    /// A script of SysV init, or `rc.local`.
    InitScript,
    /// A file that shells read as they begin.
    ShellFile,
    /// Any other file that something starts, loads or reads by itself.
    Other,
}

impl StarterKind {
    /// Whether a service manager remembers it until it is told to read its units anew.
    pub fn is_of_a_unit(self) -> bool {
        matches!(self, StarterKind::Generator | StarterKind::Unit | StarterKind::DropIn)
    }
}

/// The form that a text must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Syntax {
    /// sudoers(5): a mistake there locks everybody out of sudo.
    Sudoers,
}

impl Syntax {
    /// Whether a text of this form may become another by taking lines out of it.
    ///
    /// # Errors
    /// Why it may not, for people.
    pub fn allows(self, before: &[u8], after: &[u8]) -> Result<(), String> {
        match self {
            Syntax::Sudoers => sudoers::check_removal(before, after).map_err(|fault| fault.to_string()),
        }
    }
}

/// What keeps services running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "manager", rename_all = "snake_case", deny_unknown_fields)]
pub enum ServiceManager {
    /// systemd as pid 1.
    System {},
    /// The systemd of one user.
    User {
        /// The user.
        uid: u32,
    },
}

impl fmt::Display for ServiceManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceManager::System {} => f.write_str("system"),
            ServiceManager::User { uid } => write!(f, "user {uid}"),
        }
    }
}
