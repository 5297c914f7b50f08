//! The removal of condemned lines from text files.
//!
//! All lines of one file are one change; every other byte stays, and so do owner, mode, attributes and flags. It takes
//! whole lines only: a line that also does something good is for a person. Files that were edited since are edited still,
//! as long as the condemned lines are there unchanged. Handbook: `crontab -e`, `rc.local`.

use async_trait::async_trait;
use deminer_engine::finding::Condemned;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::condemned_list::Proposed;
use crate::line_edits;

/// `lines.remove`.
pub struct LinesRemove;

/// Which.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The lines to remove, as the trace lists them, each with its file and the findings that condemn it. Anything but
    /// a line is refused. Example: `lines: "{{ steps.trace.cron }}"`.
    pub lines: Vec<Condemned>,
}

#[async_trait]
impl Responder for LinesRemove {
    const ABOUT: About = About {
        name: "lines.remove",
        summary: "Proposes to take condemned lines out of crontabs and other text files, all of one file in one change.",
        effect: Effect::Destroy,
        phases: &[Phase::Eradicate],
        handbook: "2.1.3.5",
        not_seen: "lines that are not in its list; a file whose every line is condemned stays, empty",
        example: "{id: uncron, use: lines.remove, with: {lines: \"{{ steps.trace.cron }}\"}}",
    };
    type Params = Params;
    type Output = Proposed;

    async fn propose(
        &self,
        _: &dyn HostView,
        params: Params,
    ) -> Result<(Outcome<Proposed>, Vec<Proposal>), ModuleError> {
        let proposals = line_edits::proposals("lines", &params.lines, line_edits::syntax_of)?;
        let (output, proposals) = proposals.finish();
        Ok((Outcome::of(output), proposals))
    }
}
