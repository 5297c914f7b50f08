//! The removal of whole files and links that start something.
//!
//! They go before anything is killed, links first: nothing is started anew meanwhile. Each is named by identity, and must
//! lie where the persistence catalogue says that files are taken away whole; a folder never goes, nor what a package
//! brought. What is taken back comes back under a name that nothing reads. Handbook: `/etc/cron.*`, `/etc/rc[0-6].d`,
//! `update-rc.d NAME remove`.

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Condemned};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Act, Effect, LinkTarget, StarterKind};
use deminer_worker::text::HostPath;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::catalogue::Place;
use crate::condemned_list::{self, Proposals, Proposed};

/// `starter.remove`.
pub struct StarterRemove;

/// Which.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The files to remove, as the trace lists them, each with the findings that condemn its own content. Anything but a
    /// file that something starts whole is refused. Example: `starters: "{{ steps.trace.starters }}"`.
    #[serde(default)]
    pub starters: Vec<Condemned>,
    /// The links to remove, each with the findings that condemn what it leads to. Anything but a link in a place of the
    /// catalogue is refused. Example: `links: "{{ steps.trace.links }}"`.
    #[serde(default)]
    pub links: Vec<Condemned>,
}

#[async_trait]
impl Responder for StarterRemove {
    const ABOUT: About = About {
        name: "starter.remove",
        summary: "Proposes to remove condemned cron scripts, at jobs, init scripts, hooks and the links that start them.",
        effect: Effect::Destroy,
        phases: &[Phase::Eradicate],
        handbook: "2.1.3.5",
        not_seen: "units of systemd; other names and copies of the same content",
        example: "{id: unstart, use: starter.remove, with: {starters: \"{{ steps.trace.starters }}\", links: \"{{ steps.trace.links }}\"}}",
    };
    type Params = Params;
    type Output = Proposed;

    async fn propose(
        &self,
        _: &dyn HostView,
        params: Params,
    ) -> Result<(Outcome<Proposed>, Vec<Proposal>), ModuleError> {
        let mut proposals = Proposals::default();
        for (index, condemned) in params.starters.iter().enumerate() {
            let file = condemned_list::file("starters", index, condemned)?;
            let starter = whole(&file.path).ok_or_else(|| outside("starters", index, &file.path))?;
            if let Some(clear) = condemned_list::clears_flags(file) {
                proposals.add(condemned.component, clear, &condemned.because);
            }
            let remove = Act::RemoveStarter {
                file: file.clone(),
                starter,
            };
            proposals.add(condemned.component, remove, &condemned.because);
        }
        for (index, condemned) in params.links.iter().enumerate() {
            let link = link("links", index, condemned)?;
            whole(&link.path).ok_or_else(|| outside("links", index, &link.path))?;
            let remove = Act::RemoveLink { link: link.clone() };
            proposals.add(condemned.component, remove, &condemned.because);
        }
        let (output, proposals) = proposals.finish();
        Ok((Outcome::of(output), proposals))
    }
}

/// What a file at this path is to whatever starts it; `None` where nothing starts it whole.
fn whole(path: &HostPath) -> Option<StarterKind> {
    Place::of(path)?.entry().whole()
}

fn outside(list: &str, index: usize, path: &HostPath) -> ModuleError {
    let why = format!("`{path}` lies in no place of the catalogue from which something is taken away whole");
    condemned_list::refusal(list, index, why)
}

/// A link that a list names.
fn link<'a>(list: &str, index: usize, condemned: &'a Condemned) -> Result<&'a LinkTarget, ModuleError> {
    condemned_list::cited(list, index, condemned)?;
    match &condemned.artifact {
        Artifact::Link { link } => Ok(link),
        other => {
            let why = format!("expected a link, found a {}", condemned_list::kind(other));
            Err(condemned_list::refusal(list, index, why))
        }
    }
}
