//! The removal of condemned lines from text files.
//!
//! All lines of one file are one change; every other byte stays, and so do owner, mode, attributes and flags. It takes
//! whole lines only: a line that also does something good is for a person. Files that were edited since are edited still,
//! as long as the condemned lines are there unchanged. Handbook: `crontab -e`, `rc.local`.

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Condemned, FindingId};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Act, Effect, FileTarget, LineTarget};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::condemned_list::{self, Proposals, Proposed};

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
        let mut proposals = Proposals::default();
        for edit in edits(&params.lines)? {
            if let Some(clear) = condemned_list::clears_flags(edit.file) {
                proposals.add(edit.component, clear, &edit.because);
            }
            let act = Act::EditLines {
                file: edit.file.clone(),
                remove: edit.lines.into_iter().cloned().collect(),
                syntax: None,
            };
            proposals.add(edit.component, act, &edit.because);
        }
        let (output, proposals) = proposals.finish();
        Ok((Outcome::of(output), proposals))
    }
}

/// The change of one file. Its component is the lowest of its lines': one file is edited once.
struct Edit<'a> {
    first: usize,
    component: u32,
    file: &'a FileTarget,
    lines: Vec<&'a LineTarget>,
    because: Vec<FindingId>,
}

fn edits(lines: &[Condemned]) -> Result<Vec<Edit<'_>>, ModuleError> {
    let mut edits: Vec<Edit<'_>> = Vec::new();
    for (index, condemned) in lines.iter().enumerate() {
        condemned_list::cited("lines", index, condemned)?;
        let refuse = |why: String| Err(condemned_list::refusal("lines", index, why));
        let Artifact::Line { file, line } = &condemned.artifact else {
            return refuse(format!(
                "expected a line, found a {}",
                condemned_list::kind(&condemned.artifact)
            ));
        };
        condemned_list::placed("lines", index, file)?;
        if line.number == 0 || line.line.as_bytes().contains(&b'\n') {
            return refuse(format!("`{}` is not one line of {}", line.line, file.path));
        }
        let at = match edits.iter().position(|edit| edit.file.path == file.path) {
            Some(at) => at,
            None => {
                edits.push(Edit {
                    first: index,
                    component: condemned.component,
                    file,
                    lines: Vec::new(),
                    because: Vec::new(),
                });
                edits.len() - 1
            }
        };
        let edit = &mut edits[at];
        if edit.file != file {
            let why = format!(
                "{} is another file here than in lines[{}]: gather again",
                file.path, edit.first
            );
            return refuse(why);
        }
        if let Some(other) = edit
            .lines
            .iter()
            .find(|other| other.number == line.number && other.line != line.line)
        {
            return refuse(format!(
                "line {} of {} is also `{}`",
                line.number, file.path, other.line
            ));
        }
        edit.component = edit.component.min(condemned.component);
        if !edit.lines.iter().any(|other| other.number == line.number) {
            edit.lines.push(line);
        }
        condemned_list::unite(&mut edit.because, &condemned.because);
    }
    for edit in &mut edits {
        edit.lines.sort_by_key(|line| line.number);
    }
    Ok(edits)
}
