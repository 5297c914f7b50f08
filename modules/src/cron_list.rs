//! Everything that starts by the clock, but for the timers of systemd.
//!
//! Looks at the crontabs of the spool (Debian, RHEL, SUSE and busybox keep them in different folders), `/etc/crontab`,
//! `/etc/cron.d`, the folders `/etc/cron.hourly` to `cron.monthly`, `/etc/anacrontab` and the jobs of at(1), byte for byte
//! and in whole files: what Redis wrote around a line, a name that cron passes over or a missing last line feed hide
//! nothing. It cannot see systemd timers, nor what a started script starts in turn. The places are lines of the catalogue
//! (`modules/src/catalogue.rs`). Source: cron(8), crontab(5), run-parts(8), anacrontab(5), at(1).
//! Handbook: `crontab -l`, `/var/spool/cron/*`, `/etc/cron.*`, `cat /etc/anacrontab`.

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::Coverage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::Place;
use crate::starter::Starter;
use crate::starter_search;

/// `cron.list`.
pub struct CronList;

/// Takes none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// What starts by the clock.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// By file, then by line.
    pub rows: Vec<Starter>,
}

/// The places that it looks at.
pub(crate) const PLACES: [Place; 5] = [
    Place::Crontab,
    Place::CronD,
    Place::CronPeriodic,
    Place::Anacrontab,
    Place::AtJob,
];

#[async_trait]
impl Collector for CronList {
    const ABOUT: About = About {
        name: "cron.list",
        summary: "Lists every line, script and job that cron, anacron and at start, with the files that it runs by its own words.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "systemd timers; what a started script starts in turn",
        example: "{id: cron, use: cron.list}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, _: Params) -> Result<Outcome<Output>, ModuleError> {
        let mut coverage = Coverage::whole();
        let rows = starter_search::starters(host, &PLACES, &mut coverage).await?;
        Ok(Outcome::of(Output { rows }).seen_with(coverage))
    }
}
