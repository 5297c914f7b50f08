//! Why a query or an act had no answer.

use serde::{Deserialize, Serialize};

/// Why a query or an act had no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum HostError {
    /// The kernel refused.
    #[error("{doing}: permission denied")]
    Denied {
        /// What was tried, with its object.
        doing: String,
    },
    /// The object is not there (any more).
    #[error("{doing}: it is gone")]
    Gone {
        /// What was tried.
        doing: String,
    },
    /// The object is another than the one meant.
    #[error("{doing}: expected {expected}, found {found}")]
    Changed {
        /// What was tried.
        doing: String,
        /// What the plan says.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The object is protected.
    #[error("{doing}: protected: {why}")]
    Protected {
        /// What was tried.
        doing: String,
        /// By which rule.
        why: String,
    },
    /// It took too long.
    #[error("{doing}: no answer within {limit_ms} ms")]
    TimedOut {
        /// What was tried.
        doing: String,
        /// The limit.
        limit_ms: u64,
    },
    /// An answer or an object passes its limit.
    #[error("{doing}: larger than the limit of {limit} bytes")]
    TooLarge {
        /// What was tried.
        doing: String,
        /// The limit.
        limit: u64,
    },
    /// This host, kernel or file system cannot do it.
    #[error("{doing}: not supported here: {why}")]
    Unsupported {
        /// What was tried.
        doing: String,
        /// What is missing.
        why: String,
    },
    /// Another Deminer works on this host.
    #[error("another Deminer is at work on this host")]
    Busy,
    /// The host was not reached, or no worker could be started there. Nothing was asked and nothing was changed.
    #[error("{why}")]
    NotReached {
        /// What stood in the way.
        obstacle: Obstacle,
        /// What happened, with the words of who refused.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The worker or the link to it ended.
    #[error("lost the worker: {why}")]
    Lost {
        /// What was noticed.
        why: String,
    },
    /// The worker said something that is not of the protocol.
    #[error("the worker broke the protocol: {why}")]
    Protocol {
        /// What was wrong.
        why: String,
    },
    /// A recording has no answer to this query in this round; never an empty answer.
    #[error("not recorded: {query}")]
    NotRecorded {
        /// The query, as JSON.
        query: String,
    },
    /// The kernel failed in a way that has no name here.
    #[error("{doing}: {why}")]
    Failed {
        /// What was tried.
        doing: String,
        /// The kernel's word.
        why: String,
    },
}

impl HostError {
    /// What to do, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            HostError::NotReached { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}

/// What stands between a controller and a worker on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// Something on the controller's side.
    OurSide,
    /// No connection: no address, nothing answers, or it broke off.
    Connection,
    /// The host's key is not on file.
    KeyUnknown,
    /// The host's key is another than the one on file.
    KeyChanged,
    /// The login was refused.
    Login,
    /// Another command than ours runs, or none.
    Command,
    /// The account does not become root.
    Sudo,
    /// No directory takes a program and lets it run.
    Directory,
    /// The disk is full or does not keep what it is given.
    Disk,
    /// The host's security lets no unknown program run.
    Blocked,
    /// There is no worker for this kind of machine.
    Machine,
}
