//! Copies of what will be destroyed, for the vault.
//!
//! A file is kept by its content; a line by the whole file that it stands in; a process by its executable, command line,
//! environment, maps and open files, which end with it. It keeps no image of memory or disk, and looks at nothing itself:
//! identities come from the trace. Handbook 3.1.

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Condemned};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Act, Effect, FileTarget, Object};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::condemned_list::{self, Proposals, Proposed};

/// `evidence.keep`.
pub struct EvidenceKeep;

/// Of what.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What to keep copies of: processes, files and lines, as the trace lists them.
    /// Example: `artifacts: "{{ steps.trace.artifacts }}"`.
    pub artifacts: Vec<Condemned>,
}

#[async_trait]
impl Responder for EvidenceKeep {
    const ABOUT: About = About {
        name: "evidence.keep",
        summary: "Keeps a sealed copy of every condemned process, file and edited file in the vault.",
        effect: Effect::Preserve,
        phases: &[Phase::Backup],
        handbook: "3.1",
        not_seen: "the memory of processes, deleted files that nobody runs, disk images",
        example: "{id: keep, use: evidence.keep, with: {artifacts: \"{{ steps.trace.artifacts }}\"}}",
    };
    type Params = Params;
    type Output = Proposed;

    async fn propose(
        &self,
        _: &dyn HostView,
        params: Params,
    ) -> Result<(Outcome<Proposed>, Vec<Proposal>), ModuleError> {
        let mut proposals = Proposals::default();
        for (index, condemned) in params.artifacts.iter().enumerate() {
            condemned_list::cited("artifacts", index, condemned)?;
            let files: Vec<&FileTarget> = match &condemned.artifact {
                Artifact::Process { .. } => {
                    let object = Object::Process {
                        process: condemned_list::process("artifacts", index, condemned)?.clone(),
                    };
                    proposals.add(condemned.component, Act::Keep { object }, &condemned.because);
                    continue;
                }
                Artifact::File { file } | Artifact::Line { file, .. } => vec![file],
                Artifact::Unit { unit } => unit.files.iter().map(|part| &part.file).collect(),
                // The plan holds all of a link; of an account nothing may be kept but what it is called.
                Artifact::Link { .. } | Artifact::Account { .. } => continue,
                other => {
                    let why = format!(
                        "a {} cannot be kept: give processes, files or lines",
                        condemned_list::kind(other)
                    );
                    return Err(condemned_list::refusal("artifacts", index, why));
                }
            };
            for file in files {
                condemned_list::placed("artifacts", index, file)?;
                let object = Object::File { file: file.clone() };
                proposals.add(condemned.component, Act::Keep { object }, &condemned.because);
            }
        }
        let (output, proposals) = proposals.finish();
        Ok((Outcome::of(output), proposals))
    }
}
