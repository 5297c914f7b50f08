//! A plan's first line: what it was made from, by what, and until when it may be approved and begun.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::text::{Digest, HostBytes, Wide};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::Requirement;
use crate::environment::EnvironmentRef;
use crate::event::Variables;
use crate::policy::Limits;

/// The version of the plan's form that is written and read.
pub const FORMAT: u32 = 1;

/// The version of Deminer that makes plans.
pub const MAKER: &str = env!("CARGO_PKG_VERSION");

/// For how long a plan is good at most: 45 minutes.
pub const VALID_FOR_MS: u64 = 45 * 60 * 1000;

/// Before the digest of a module's file, where the module came from outside.
pub const EXTERNAL: &str = "sha256:";

/// A plan's first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the form, [`FORMAT`].
    pub format: u32,
    /// The version of Deminer that made it.
    pub deminer: String,
    /// The playbook that it was made from.
    pub playbook: PlaybookRef,
    /// The files beside the playbook that it used, by path.
    pub resources: BTreeMap<String, ResourceRef>,
    /// The versions of the modules that it used, by name; of one that came from outside `sha256:` and the digest of its file.
    pub modules: BTreeMap<String, String>,
    /// The variables as they were resolved; a secret is `***`.
    pub vars: Variables,
    /// When it was made, in milliseconds since 1970 by the controller's clock.
    pub created_at_ms: Wide,
    /// Until when it may be approved and begun.
    pub not_after_ms: Wide,
    /// The environment that it was made under; not written where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentRef>,
    /// Where secrets come from that are not in it, by variable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Value>,
    /// How far it may go, and when.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// What it needs before it is applied, by the policy where it was made; not written where one yes does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Requirement>,
    /// How many host lines follow.
    pub hosts: u32,
    /// How many actions they hold, by kind.
    pub actions: BTreeMap<String, u32>,
}

/// A playbook by name and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaybookRef {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// The digest of its text.
    pub sha256: Digest,
    /// Its text, in the written form of [`HostBytes`]: what is taken after the strike is taken from here, whatever became
    /// of the file.
    pub text: HostBytes,
}

/// A file beside a playbook, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceRef {
    /// The digest of its text.
    pub sha256: Digest,
    /// Its text, in the written form of [`HostBytes`].
    pub text: HostBytes,
}

/// What a plan is made from, beside its hosts.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// The playbook.
    pub playbook: PlaybookRef,
    /// The files beside it, by path.
    pub resources: BTreeMap<String, ResourceRef>,
    /// The versions of the modules, by name, as [`Header::modules`] has them.
    pub modules: BTreeMap<String, String>,
    /// The variables as they were resolved.
    pub vars: Variables,
    /// Which of them are secret: their values are not written down.
    pub secrets: BTreeSet<String>,
    /// Where those come from that are named by a place, by variable.
    pub sources: BTreeMap<String, Value>,
    /// The environment.
    pub environment: Option<EnvironmentRef>,
    /// How far the plan may go, and when.
    pub limits: Limits,
    /// When the plan is made, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// For how long it is good, in milliseconds; [`VALID_FOR_MS`] at most.
    pub valid_for_ms: u64,
    /// What it will need before it is applied; `None` where one yes does.
    pub approvals: Option<Requirement>,
}

impl Header {
    /// What the plan needs before it is applied.
    pub fn requirement(&self) -> Requirement {
        self.approvals.clone().unwrap_or_default()
    }

    /// The modules that came from outside, by name, each with the digest of its file.
    pub fn externals(&self) -> impl Iterator<Item = (&str, Digest)> {
        let modules = self.modules.iter();
        modules.filter_map(|(name, version)| Some((name.as_str(), version.strip_prefix(EXTERNAL)?.parse().ok()?)))
    }

    /// Whether every text has the digest that stands beside it.
    pub(super) fn is_true_to_its_texts(&self) -> bool {
        let holds = |text: &HostBytes, sha256: Digest| Digest::of(text.as_bytes()) == sha256;
        holds(&self.playbook.text, self.playbook.sha256)
            && self.resources.values().all(|r| holds(&r.text, r.sha256))
            && self.environment.iter().all(|e| holds(&e.text, e.sha256))
    }

    /// The header of a plan from this origin with these actions.
    pub(super) fn new(origin: Origin, hosts: u32, actions: BTreeMap<String, u32>) -> Header {
        let mut vars = origin.vars;
        for (name, value) in &mut vars {
            if origin.secrets.contains(name) {
                *value = Value::String("***".to_owned());
            }
        }
        Header {
            format: FORMAT,
            deminer: MAKER.to_owned(),
            playbook: origin.playbook,
            resources: origin.resources,
            modules: origin.modules,
            vars,
            created_at_ms: Wide(origin.created_at_ms),
            not_after_ms: Wide(origin.created_at_ms.saturating_add(origin.valid_for_ms)),
            environment: origin.environment,
            secrets: origin.sources,
            limits: origin.limits,
            approvals: origin.approvals,
            hosts,
            actions,
        }
    }
}
