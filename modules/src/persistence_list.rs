//! The whole persistence catalogue, or a part of it.
//!
//! Every place of `modules/src/catalogue.rs` that this module reads itself, in one list; `cron.list`, `startup.list` and
//! `preload.list` are parts of it. It cannot see the units of systemd, which have a list of their own, keys and sudoers.
//! Handbook: scheduled tasks, start-up items, services.

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::Coverage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{PLACES, Place};
use crate::starter::Starter;
use crate::{our_login, starter_search};

/// `persistence.list`.
pub struct PersistenceList;

/// Which places.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Only these kinds of place; all of the catalogue where none is named. Example: `places: [rc_local, home_shell]`.
    #[serde(default)]
    pub places: Vec<Place>,
}

/// What starts something.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// By file, then by line.
    pub rows: Vec<Starter>,
}

#[async_trait]
impl Collector for PersistenceList {
    const ABOUT: About = About {
        name: "persistence.list",
        summary: "Lists all that the persistence catalogue knows to start or load something, or the places named.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "systemd units, keys, sudoers; homes that are not mounted; what a started script starts in turn",
        example: "{id: starters, use: persistence.list, with: {places: [rc_local, home_shell]}}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let all = || PLACES.iter().map(|entry| entry.place).collect();
        let places: Vec<Place> = match params.places.is_empty() {
            true => all(),
            false => params.places,
        };
        let mut coverage = Coverage::whole();
        let rows = starter_search::starters(host, &places, &mut coverage).await?;
        let findings = our_login::hooks(host, &rows, &mut coverage).await?;
        let outcome = Outcome::of(Output { rows }).seen_with(coverage);
        Ok(Outcome { findings, ..outcome })
    }
}
