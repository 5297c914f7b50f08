//! Everything that systemd is made to run.
//!
//! Looks at the units of the system's manager and of every user's: services, timers, sockets, paths, mounts, targets, with
//! their additions (`NAME.d/*.conf`), the links that enable, rename or mask them, generators and what these made, and
//! settings of the managers that load something into all that they start. It asks each manager over its own socket what
//! it has in memory, which may be a unit whose file is gone. It cannot see what only a generator's program would make at
//! the next boot, nor a place that the environment of a user's manager names. Source: systemd.unit(5),
//! systemd.generator(7), org.freedesktop.systemd1(5). Handbook: `systemctl list-unit-files`, `systemctl list-timers`.

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::Coverage;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::unit_row::Units;
use crate::unit_search;

/// `unit.list`.
pub struct UnitList;

/// Takes none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

#[async_trait]
impl Collector for UnitList {
    const ABOUT: About = About {
        name: "unit.list",
        summary: "Lists the units of systemd and of every user's systemd: what they run, their links, what is in memory.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "what a generator would make at the next boot; other service managers",
        example: "{id: units, use: unit.list}",
    };
    type Params = Params;
    type Output = Units;

    async fn collect(&self, host: &dyn HostView, _: Params) -> Result<Outcome<Units>, ModuleError> {
        let mut coverage = Coverage::whole();
        let units = unit_search::units(host, &mut coverage).await?;
        Ok(Outcome::of(units).seen_with(coverage))
    }
}
