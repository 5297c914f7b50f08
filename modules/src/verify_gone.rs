//! Whether what was condemned is still there, at this moment.
//!
//! Looks at every process and the content that it runs, at every condemned path and its content, at every condemned link,
//! at every condemned line in its file, and at what service managers have in memory. It does not wait: what comes back later
//! is for `verify.quiet`. It cannot see what the kernel hides.
//! Handbook: "still in use: repeat", `lsof`.

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Condemned};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::{Coverage, ProcessesQuery};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::presence::{self, Content, Sought};
use crate::remnant::Remnant;
use crate::{account_presence, questions};

/// `verify.gone`.
pub struct VerifyGone;

/// What to look for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What should be gone: processes, files, links, lines and units, as the trace listed them when the plan was made.
    /// Example: `artifacts: "{{ steps.condemned.rows }}"`.
    pub artifacts: Vec<Condemned>,
}

/// What is still there.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// Whether anything is still there, or could not be looked at: `until: not steps.still.found`.
    pub found: bool,
    /// Each of them.
    pub rows: Vec<Remnant>,
}

#[async_trait]
impl Collector for VerifyGone {
    const ABOUT: About = About {
        name: "verify.gone",
        summary: "Looks once whether any condemned process, executable, file, link, line or unit is still there.",
        effect: Effect::Read,
        phases: &[Phase::Eradicate, Phase::Verify],
        handbook: "2.1.3.5",
        not_seen: "what the kernel hides; what comes back a moment later",
        example: "{id: still, use: verify.gone, with: {artifacts: \"{{ steps.condemned.rows }}\"}}",
    };
    type Params = Params;
    type Output = Output;

    fn seeks(params: Params) -> Vec<Artifact> {
        params
            .artifacts
            .into_iter()
            .map(|condemned| condemned.artifact)
            .collect()
    }

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let sought = Sought::new("artifacts", params.artifacts)?;
        let mut coverage = Coverage::whole();
        let mut rows = Vec::new();
        if !sought.processes.is_empty() {
            let facts = questions::facts(host).await?;
            let query = ProcessesQuery {
                digest: true,
                ..ProcessesQuery::default()
            };
            let seen = questions::processes(host, query).await?;
            coverage.unite(&seen.coverage);
            let boot_id = &facts.value.identity.boot_id;
            rows.extend(presence::running(host, &sought, boot_id, &seen.value, &mut coverage).await?);
        }
        rows.extend(presence::standing_files(host, &sought.files, Content::Same, &mut coverage).await?);
        rows.extend(presence::standing_links(host, &sought.links, Content::Same, &mut coverage).await?);
        rows.extend(presence::standing_lines(host, &sought, &mut coverage).await?);
        rows.extend(presence::standing_units(host, &sought, &mut coverage).await?);
        rows.extend(account_presence::open_accounts(host, &sought, &mut coverage).await?);
        let found = !rows.is_empty();
        Ok(Outcome::of(Output { found, rows }).seen_with(coverage))
    }
}
