//! The removal of condemned lines from sudoers.
//!
//! Takes whole lines with all that they go on in, all of one file in one change; every other byte stays. It refuses a line
//! whose alias another one still uses, in whichever file; the host refuses once more before it puts the new text in place.
//! Handbook: `visudo`.

use std::collections::BTreeSet;

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Condemned};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Effect, Syntax};
use deminer_worker::query::Coverage;
use deminer_worker::sudoers::{self, Item};
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::condemned_list::{self, Proposed};
use crate::line_edits;
use crate::sudoers_list::{self, SudoersRow};

/// `sudoers.remove`.
pub struct SudoersRemove;

/// Which.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The lines, as the trace lists them, each with its file and the findings that condemn it; of a line that goes on in
    /// others all of them. Example: `lines: "{{ steps.trace.sudoers }}"`.
    pub lines: Vec<Condemned>,
}

#[async_trait]
impl Responder for SudoersRemove {
    const ABOUT: About = About {
        name: "sudoers.remove",
        summary: "Proposes to take condemned lines out of sudoers and the files that it includes, so that sudo still reads it.",
        effect: Effect::Destroy,
        phases: &[Phase::Eradicate],
        handbook: "2.1.3.5",
        not_seen: "lines that are not in its list; rules of LDAP or SSSD; a file whose every line is condemned stays, empty",
        example: "{id: unsudo, use: sudoers.remove, with: {lines: \"{{ steps.trace.sudoers }}\"}}",
    };
    type Params = Params;
    type Output = Proposed;

    async fn propose(
        &self,
        host: &dyn HostView,
        params: Params,
    ) -> Result<(Outcome<Proposed>, Vec<Proposal>), ModuleError> {
        let proposals = line_edits::proposals("lines", &params.lines, |_| Some(Syntax::Sudoers))?;
        if !params.lines.is_empty() {
            let mut coverage = Coverage::whole();
            let rows = sudoers_list::rows(host, &mut coverage).await?;
            check(&params.lines, &rows)?;
        }
        let (output, proposals) = proposals.finish();
        Ok((Outcome::of(output), proposals))
    }
}

/// Holds what goes against what stays.
fn check(lines: &[Condemned], rows: &[SudoersRow]) -> Result<(), ModuleError> {
    let going: BTreeSet<(&HostPath, u32)> = lines
        .iter()
        .filter_map(|condemned| match &condemned.artifact {
            Artifact::Line { file, line } => Some((&file.path, line.number)),
            _ => None,
        })
        .collect();
    let goes = |row: &SudoersRow, number: u32| going.contains(&(&row.file.path, number));
    let index_of = |row: &SudoersRow| {
        let of_row = |condemned: &Condemned| match &condemned.artifact {
            Artifact::Line { file, line } => {
                file.path == row.file.path && row.lines.iter().any(|one| one.number == line.number)
            }
            _ => false,
        };
        lines.iter().position(of_row).unwrap_or_default()
    };
    let mut lost: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut kept: BTreeSet<Vec<u8>> = BTreeSet::new();
    for row in rows {
        let said = || row.lines.iter().filter(|line| !line.line.is_empty());
        let count = said().filter(|line| goes(row, line.number)).count();
        if count > 0 && count < said().count() {
            let first = &row.lines[0];
            let why = format!(
                "line {} of {} goes only with all lines that it goes on in",
                first.number, row.file.path
            );
            return Err(condemned_list::refusal("lines", index_of(row), why));
        }
        if let Item::Alias { names, .. } = item(row) {
            if count > 0 { &mut lost } else { &mut kept }.extend(names);
        }
    }
    lost.retain(|alias| !kept.contains(alias));
    for row in rows
        .iter()
        .filter(|row| !row.lines.iter().any(|line| goes(row, line.number)))
    {
        if let Some(alias) = item(row).uses().iter().find(|alias| lost.contains(*alias)) {
            let why = format!(
                "line {} of {} uses `{}`, which would go",
                row.lines[0].number,
                row.file.path,
                HostBytes::new(alias.as_slice())
            );
            return Err(condemned_list::refusal("lines", 0, why));
        }
    }
    Ok(())
}

/// What a row is, read again from its bytes.
fn item(row: &SudoersRow) -> Item {
    let lines: Vec<&[u8]> = row.lines.iter().map(|line| line.line.as_bytes()).collect();
    let text = lines.join(&b'\n');
    let parsed = sudoers::parse(&text);
    parsed.groups.into_iter().next().map_or(Item::Blank, |group| group.item)
}
