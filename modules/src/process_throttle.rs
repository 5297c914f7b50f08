//! Condemned processes, quieted at once.
//!
//! Proposes to leave each next to no CPU time: it runs on, connected as before, and gets back what it had when that is
//! taken back. A limit on its cgroup where the host has one for it, else one CPU and the last place in the queue. It ends
//! nothing and proves nothing. Handbook: the load goes down before anybody decides what to do.

use async_trait::async_trait;
use deminer_engine::finding::Condemned;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Act, Effect};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::condemned_list::{self, Proposals, Proposed};

/// `process.throttle`.
pub struct ProcessThrottle;

/// Which.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The processes to quiet, as the trace lists them, each with the findings that condemn it. Anything but a process is
    /// refused. Example: `processes: "{{ steps.trace.processes }}"`.
    pub processes: Vec<Condemned>,
}

#[async_trait]
impl Responder for ProcessThrottle {
    const ABOUT: About = About {
        name: "process.throttle",
        summary: "Proposes to leave condemned processes next to no CPU time; they run on.",
        effect: Effect::Contain,
        phases: &[Phase::Eradicate],
        handbook: "2.1.3.5",
        not_seen: "processes that are not in its list, and those that a guardian starts later",
        example: "{id: quiet, use: process.throttle, with: {processes: \"{{ steps.trace.processes }}\"}}",
    };
    type Params = Params;
    type Output = Proposed;

    async fn propose(
        &self,
        _: &dyn HostView,
        params: Params,
    ) -> Result<(Outcome<Proposed>, Vec<Proposal>), ModuleError> {
        let mut proposals = Proposals::default();
        for (index, condemned) in params.processes.iter().enumerate() {
            let process = condemned_list::process("processes", index, condemned)?;
            let act = Act::Throttle {
                process: process.clone(),
            };
            proposals.add(condemned.component, act, &condemned.because);
        }
        let (output, proposals) = proposals.finish();
        Ok((Outcome::of(output), proposals))
    }
}
