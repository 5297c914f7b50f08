//! Everything that starts without a clock: at boot, at login, as something happens.
//!
//! Looks at `rc.local`, the scripts of SysV init with the links that start them, `inittab`, the files that shells and
//! sessions read, every home's among them, and at the rarer places of the catalogue (`modules/src/catalogue.rs`): udev
//! rules, network and package hooks, PAM, the message of the day. It cannot see the units of systemd, homes on a file
//! system that is not mounted, and what a started script starts in turn. Links are followed. Source: the manual pages named
//! in the catalogue. Handbook: `/etc/rc.d/rc.local`, `/etc/rc.local`, `/etc/rc[0-6].d`, `chkconfig --list`.

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
use crate::{cron_list, our_login, starter_search};

/// `startup.list`.
pub struct StartupList;

/// Takes none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// What starts without a clock.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// By file, then by line; of shell files the lines that start, load or change something.
    pub rows: Vec<Starter>,
}

/// The places that it looks at: all that no other list has.
pub(crate) fn places() -> Vec<Place> {
    PLACES
        .iter()
        .map(|entry| entry.place)
        .filter(|place| !cron_list::PLACES.contains(place) && !place.is_loaded())
        .collect()
}

#[async_trait]
impl Collector for StartupList {
    const ABOUT: About = About {
        name: "startup.list",
        summary: "Lists what starts at boot, at login and on events: rc.local, init scripts, shell files, hooks of every home.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "systemd units; homes that are not mounted; what a started script starts in turn",
        example: "{id: boot, use: startup.list}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, _: Params) -> Result<Outcome<Output>, ModuleError> {
        let mut coverage = Coverage::whole();
        let rows = starter_search::starters(host, &places(), &mut coverage).await?;
        let findings = our_login::hooks(host, &rows, &mut coverage).await?;
        let outcome = Outcome::of(Output { rows }).seen_with(coverage);
        Ok(Outcome { findings, ..outcome })
    }
}
