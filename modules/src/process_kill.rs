//! The end of condemned processes, by identity.
//!
//! Proposes to freeze and then to kill each: all stand still before the first one dies, so that none can start another
//! again. A process is named by boot, pid, start time and executable; another one that got its pid is left alone. It does
//! not look for processes itself. Handbook: `kill -9`.

use async_trait::async_trait;
use deminer_engine::finding::Condemned;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Act, Effect};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::condemned_list::{self, Proposals, Proposed};

/// `process.kill`.
pub struct ProcessKill;

/// Which.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The processes to end, as the trace lists them, each with the findings that condemn it. Anything but a process
    /// is refused. Example: `processes: "{{ steps.trace.processes }}"`.
    pub processes: Vec<Condemned>,
}

#[async_trait]
impl Responder for ProcessKill {
    const ABOUT: About = About {
        name: "process.kill",
        summary: "Proposes to freeze all condemned processes, then to kill them.",
        effect: Effect::Destroy,
        phases: &[Phase::Eradicate],
        handbook: "2.1.3.5",
        not_seen: "processes that are not in its list; what they start until they stand still is the envelope's",
        example: "{id: kill, use: process.kill, with: {processes: \"{{ steps.trace.processes }}\"}}",
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
            let freeze = Act::Freeze {
                process: process.clone(),
            };
            let kill = Act::Kill {
                process: process.clone(),
            };
            proposals.add(condemned.component, freeze, &condemned.because);
            proposals.add(condemned.component, kill, &condemned.because);
        }
        let (output, proposals) = proposals.finish();
        Ok((Outcome::of(output), proposals))
    }
}
