//! The removal of condemned files, by identity.
//!
//! Proposes to take away one name of each file, and before that the flags that forbid it (chattr(1)). A file is named by
//! device, inode, size, ctime and content; another one that took its place is left alone. Directories are never removed,
//! and other names of the same file stay. Handbook: `chattr -i`, `rm`.

use async_trait::async_trait;
use deminer_engine::finding::Condemned;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Act, Effect};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::condemned_list::{self, Proposals, Proposed};

/// `file.remove`.
pub struct FileRemove;

/// Which.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The files to remove, as the trace lists them, each with the findings that condemn its own content. Anything but
    /// a file is refused. Example: `files: "{{ steps.trace.files }}"`.
    pub files: Vec<Condemned>,
}

#[async_trait]
impl Responder for FileRemove {
    const ABOUT: About = About {
        name: "file.remove",
        summary: "Proposes to remove condemned files, clearing the immutable and append-only flags first.",
        effect: Effect::Destroy,
        phases: &[Phase::Eradicate],
        handbook: "2.1.3.5",
        not_seen: "other names and copies of the same content; directories stay",
        example: "{id: delete, use: file.remove, with: {files: \"{{ steps.trace.files }}\"}}",
    };
    type Params = Params;
    type Output = Proposed;

    async fn propose(
        &self,
        _: &dyn HostView,
        params: Params,
    ) -> Result<(Outcome<Proposed>, Vec<Proposal>), ModuleError> {
        let mut proposals = Proposals::default();
        for (index, condemned) in params.files.iter().enumerate() {
            let file = condemned_list::file("files", index, condemned)?;
            if let Some(clear) = condemned_list::clears_flags(file) {
                proposals.add(condemned.component, clear, &condemned.because);
            }
            let remove = Act::RemoveFile { file: file.clone() };
            proposals.add(condemned.component, remove, &condemned.because);
        }
        let (output, proposals) = proposals.finish();
        Ok((Outcome::of(output), proposals))
    }
}
