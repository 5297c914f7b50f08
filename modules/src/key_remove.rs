//! The removal of condemned keys from `authorized_keys`.
//!
//! Takes whole lines, all of one file in one change; every other byte stays. It refuses the key that our own session came
//! in by, as far as sshd logged which that is. Who is in by a key stays in.

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Condemned};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::authorized_keys::parse_authorized_keys;
use crate::condemned_list::{self, Proposed};
use crate::{line_edits, questions, session_key};

/// `key.remove`.
pub struct KeyRemove;

/// Which.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The lines with the keys, as the trace lists them, each with its file and the findings that condemn it. A line
    /// without a key is refused. Example: `keys: "{{ steps.trace.keys }}"`.
    pub keys: Vec<Condemned>,
}

#[async_trait]
impl Responder for KeyRemove {
    const ABOUT: About = About {
        name: "key.remove",
        summary: "Proposes to take condemned keys out of authorized_keys; never the one that our own session came in by.",
        effect: Effect::Destroy,
        phases: &[Phase::Eradicate],
        handbook: "2.1.3.5",
        not_seen: "who is in by a key already; keys that are not in its list; keys that sshd has from elsewhere",
        example: "{id: unkey, use: key.remove, with: {keys: \"{{ steps.trace.keys }}\"}}",
    };
    type Params = Params;
    type Output = Proposed;

    async fn propose(
        &self,
        host: &dyn HostView,
        params: Params,
    ) -> Result<(Outcome<Proposed>, Vec<Proposal>), ModuleError> {
        let proposals = line_edits::proposals("keys", &params.keys, line_edits::syntax_of)?;
        let own = match params.keys.is_empty() {
            true => None,
            false => session_key::own(host, &questions::facts(host).await?.value).await?,
        };
        for (index, condemned) in params.keys.iter().enumerate() {
            let Artifact::Line { file, line } = &condemned.artifact else {
                continue;
            };
            let refuse = |why: String| Err(condemned_list::refusal("keys", index, why));
            let keys = parse_authorized_keys(line.line.as_bytes());
            let Some(key) = keys.lines.first() else {
                return refuse(format!("line {} of {} holds no key", line.number, file.path));
            };
            if own.is_some() && key.fingerprint == own {
                let why = format!(
                    "line {} of {} is the key that our own session came in by",
                    line.number, file.path
                );
                return refuse(why);
            }
        }
        let (output, proposals) = proposals.finish();
        Ok((Outcome::of(output), proposals))
    }
}
