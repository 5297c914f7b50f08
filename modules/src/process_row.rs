//! The row that [`crate`]'s process list gives and judge and trace take.

use deminer_worker::query::{Ownership, Process};
use deminer_worker::unit_name::OwnUnit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::container::Container;

/// A process, with what the package database says of its executable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessRow {
    /// The process.
    #[serde(flatten)]
    pub process: Process,
    /// Testimony of the host's package database; `None` for a kernel thread or an unreadable executable.
    pub package: Option<Ownership>,
    /// The unit that it belongs to, by its cgroup; `None` where it is in none.
    #[serde(default)]
    pub unit: Option<OwnUnit>,
    /// The login name of its user; the number where the accounts do not tell.
    pub user: String,
    /// The container that it lives in, by its cgroup; `None` for the host itself.
    #[serde(default)]
    pub container: Option<Container>,
}
