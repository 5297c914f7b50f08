//! An environment: values and bounds for the same playbook in another place, `envs/prod.yml` beside it.
//!
//! ```yaml
//! environment: prod
//! for: linux-miner >=1 <3              # left out: any playbook that declares its variables
//! vars:
//!   watch: 20m                         # in the place of what stands below
//!   pools: {$append: ["203.0.113.9:3333"]}
//!   token: {env: EVIDENCE_TOKEN}       # a secret, by where it comes from
//! groups:
//!   db: {vars: {watch: 1h}}            # for the hosts of a group of the inventory
//! disable:
//!   delete: builders are reimaged      # a step, and why
//! policy: {effects: contain}           # see deminer_engine::policy::SitePolicy
//! ```
//!
//! It changes declared variables, leaves out steps and narrows what may be done; it never adds power.

mod hold;
mod merge;
pub(crate) mod read;
mod schema;
mod secret;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use deminer_worker::text::{Digest, HostBytes};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use read::Draft;
pub use schema::schema;
pub use secret::{NoSecrets, SecretError, SecretSource, Secrets, placed};
pub(crate) use secret::{opened, sources};

use crate::inventory::{Host, Origin};
use crate::playbook::value::Misfit;
use crate::playbook::{Setting, Var};
use crate::policy::SitePolicy;

/// An environment that fits its playbook: only [`Environment::read`] makes one.
#[derive(Debug, Clone)]
pub struct Environment {
    name: String,
    text: Arc<str>,
    vars: Vec<Arc<Change>>,
    groups: IndexMap<String, Vec<Arc<Change>>>,
    disabled: BTreeMap<String, String>,
    policy: SitePolicy,
}

/// What an environment says of one variable.
#[derive(Clone, PartialEq)]
pub struct Change {
    /// The variable.
    pub name: String,
    /// For which group; `None` for every host.
    pub group: Option<Arc<str>>,
    /// Where.
    pub origin: Origin,
    pub(crate) what: What,
}

/// How a variable is changed.
#[derive(Clone, PartialEq)]
pub(crate) enum What {
    /// It is this.
    Value(Value),
    /// What stands below is changed: `{$append: [...]}`.
    Merge(Value),
    /// It is what comes from there: a [`SecretSource`] in the place of each secret.
    Secret(Value),
}

/// An environment as a plan states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentRef {
    /// Its name.
    pub name: String,
    /// The digest of its text.
    pub sha256: Digest,
    /// Its text, in the written form of [`HostBytes`]; secrets are not in it.
    pub text: HostBytes,
    /// The steps that it leaves out, each with why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disabled: BTreeMap<String, String>,
}

impl Environment {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it bounds.
    pub fn policy(&self) -> &SitePolicy {
        &self.policy
    }

    /// The steps that it leaves out, each with why.
    pub fn disabled(&self) -> &BTreeMap<String, String> {
        &self.disabled
    }

    /// What it says of variables for every host.
    pub fn settings(&self) -> Vec<(String, Setting)> {
        settings(&self.vars).collect()
    }

    /// What it says of variables for the groups of a host, the farthest group first.
    pub fn settings_of_groups(&self, host: &Host) -> Vec<(String, Setting)> {
        let groups = host.groups.iter().filter_map(|group| self.groups.get(&**group));
        groups.flat_map(|changes| settings(changes)).collect()
    }

    /// The groups of which it says something.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// As a plan states it.
    pub fn stated(&self) -> EnvironmentRef {
        EnvironmentRef {
            name: self.name.clone(),
            sha256: Digest::of(self.text.as_bytes()),
            text: HostBytes::from(&*self.text),
            disabled: self.disabled.clone(),
        }
    }
}

fn settings(changes: &[Arc<Change>]) -> impl Iterator<Item = (String, Setting)> {
    let setting = |change: &Arc<Change>| (change.name.clone(), Setting::Change(Arc::clone(change)));
    changes.iter().map(setting)
}

impl Change {
    /// The variable's value, with what stands below.
    ///
    /// # Errors
    /// When a merge does not fit what stands below, or a secret cannot be had.
    pub(crate) fn over(&self, var: &Var, below: Option<&Value>, secrets: &dyn Secrets) -> Result<Value, Misfit> {
        match &self.what {
            What::Value(value) => var.decode(value),
            What::Merge(merge) => merge::over(&var.kind.value, below, merge),
            What::Secret(from) => opened(&var.kind.value, from, secrets),
        }
    }

    /// As it may be shown: what is written, where a secret comes from in its place.
    pub fn shown(&self) -> &Value {
        match &self.what {
            What::Value(value) | What::Merge(value) | What::Secret(value) => value,
        }
    }

    /// Whether it changes what stands below rather than standing in its place.
    pub fn is_merge(&self) -> bool {
        matches!(self.what, What::Merge(_))
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.name, self.shown(), self.origin)
    }
}

#[cfg(test)]
mod tests;
