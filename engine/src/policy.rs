//! What is done only by leave of its own, and whether it was given.
//!
//! The leave is the operator's, given on the command line; a playbook cannot give it to itself. What a site bounds is in
//! [`SitePolicy`].

mod limits;
mod site;
mod window;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deminer_worker::query::{Answer, HostError, Observed, Query};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

pub use limits::{Closed, LimitError, Limits};
pub(crate) use site::{EFFECTS, KEYS, Written};
pub use site::{SitePolicy, protected};
pub use window::{BadWindow, Window};

use crate::host::{Arrival, HostView};

/// Something that is not done without being told that it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leave {
    /// To run a program of the host and read what it says.
    CommandRead,
    /// To run a program of the host that changes something, as approved.
    CommandRun,
    /// To start a module that is a program of this machine.
    ModuleExternal,
}

impl Leave {
    /// All that there are.
    pub const ALL: [Leave; 3] = [Leave::CommandRead, Leave::CommandRun, Leave::ModuleExternal];

    /// The name, as `--allow` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Leave::CommandRead => "command.read",
            Leave::CommandRun => "command.run",
            Leave::ModuleExternal => "module.external",
        }
    }

    /// What it allows, for people: `runs a program of the host`.
    pub fn does(self) -> &'static str {
        match self {
            Leave::CommandRead => "runs a program of the host",
            Leave::CommandRun => "runs a program of the host to change something",
            Leave::ModuleExternal => "is a program of this machine",
        }
    }
}

impl fmt::Display for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No leave has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no leave is called `{0}`; there are `command.read`, `command.run` and `module.external`")]
pub struct UnknownLeave(String);

impl FromStr for Leave {
    type Err = UnknownLeave;

    fn from_str(name: &str) -> Result<Self, UnknownLeave> {
        let found = Leave::ALL.into_iter().find(|leave| leave.name() == name);
        found.ok_or_else(|| UnknownLeave(name.to_owned()))
    }
}

impl JsonSchema for Leave {
    fn schema_name() -> Cow<'static, str> {
        "leave".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let lines = Leave::ALL.map(|leave| format!("It {}.", leave.does()));
        json_schema!({"type": "string", "enum": Leave::ALL.map(Leave::name), "enumDescriptions": lines})
    }
}

/// The leaves that were given; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    given: BTreeSet<Leave>,
}

impl Policy {
    /// With these leaves.
    pub fn allowing(leaves: impl IntoIterator<Item = Leave>) -> Policy {
        Policy {
            given: leaves.into_iter().collect(),
        }
    }

    /// Whether this one was given.
    pub fn allows(&self, leave: Leave) -> bool {
        self.given.contains(&leave)
    }
}

/// A host as a policy lets it be looked at.
pub(crate) struct Permitted {
    host: Arc<dyn HostView>,
    policy: Policy,
}

impl Permitted {
    pub(crate) fn new(host: Arc<dyn HostView>, policy: Policy) -> Permitted {
        Permitted { host, policy }
    }
}

#[async_trait]
impl HostView for Permitted {
    fn name(&self) -> &str {
        self.host.name()
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        if matches!(query, Query::Command(_)) && !self.policy.allows(Leave::CommandRead) {
            return Err(HostError::Denied {
                doing: "run a program of the host, which the policy does not allow".to_owned(),
            });
        }
        self.host.observe(query).await
    }

    fn arrival(&self) -> Option<&Arrival> {
        self.host.arrival()
    }

    fn beside(&self, now_ms: u64) -> Option<u64> {
        self.host.beside(now_ms)
    }

    fn begin_round(&self, round: u32) {
        self.host.begin_round(round);
    }

    async fn leave(&self, time: Duration) -> Result<bool, HostError> {
        self.host.leave(time).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for leave in Leave::ALL {
            assert_eq!(leave.name().parse(), Ok(leave));
        }
        assert!("command".parse::<Leave>().is_err());
        assert!(!Policy::default().allows(Leave::CommandRead));
        assert!(Policy::allowing([Leave::CommandRead]).allows(Leave::CommandRead));
    }
}
