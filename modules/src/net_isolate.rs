//! A host cut off without losing the scene.
//!
//! Proposes to drop every packet but those of the loopback, of our own session, of new logins from its client, of the
//! networks that are to stay reachable, and of what keeps the host's address (DHCP, neighbours of IPv6). Processes run on,
//! memory stays. It ends by the kernel's own clock. Handbook: "拔掉网线", without pulling anything: whoever can, may still
//! pull the cable.

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Condemned, Finding, FindingId};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Act, Effect};
use deminer_worker::network::Net;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::DurationParam;
use crate::condemned_list::{self, Proposals, Proposed};
use crate::net_block::{a_day, hindered, seconds};
use crate::saying::said;

/// `net.isolate`.
pub struct NetIsolate;

/// Why, for how long, and what stays reachable.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What is condemned on the host, with the findings that condemn it: where nothing is, nothing is proposed. Example:
    /// `artifacts: "{{ steps.trace.artifacts }}"`.
    #[serde(default)]
    pub artifacts: Vec<Condemned>,
    /// What the operator knows from outside, where the host itself shows nothing yet: the alert's number or its words. It
    /// stands in the plan as the reason. Example: `alarm: "IDS 4711: stratum from this host"`.
    #[serde(default)]
    pub alarm: String,
    /// Networks that stay reachable, both ways: `192.0.2.0/24`, `2001:db8::7`. Our session and its client are kept anyway.
    #[serde(default)]
    pub keep: Vec<String>,
    /// For how long: `1m` to `7d`.
    #[serde(default = "a_day")]
    pub r#for: DurationParam,
}

/// Networks that one isolation keeps.
const KEPT: usize = 64;

#[async_trait]
impl Responder for NetIsolate {
    const ABOUT: About = About {
        name: "net.isolate",
        summary: "Proposes to cut the host off, but for our session, for a time that the kernel ends by itself.",
        effect: Effect::Contain,
        phases: &[Phase::Eradicate],
        handbook: "2.1.1",
        not_seen: "what does not pass through the host's routing: containers with a link of their own, other hosts",
        example: "{id: isolate, use: net.isolate, with: {artifacts: \"{{ steps.trace.artifacts }}\", keep: [192.0.2.0/24]}}",
    };
    type Params = Params;
    type Output = Proposed;

    async fn propose(
        &self,
        host: &dyn HostView,
        params: Params,
    ) -> Result<(Outcome<Proposed>, Vec<Proposal>), ModuleError> {
        let for_s = seconds(params.r#for)?;
        let keep = kept(&params.keep)?;
        let mut findings = Vec::new();
        let mut because: Vec<FindingId> = Vec::new();
        for (index, condemned) in params.artifacts.iter().enumerate() {
            condemned_list::cited("artifacts", index, condemned)?;
            condemned_list::unite(&mut because, &condemned.because);
        }
        if !params.alarm.trim().is_empty() {
            let finding = alarm(&params.alarm);
            condemned_list::unite(&mut because, std::slice::from_ref(&finding.id));
            findings.push(finding);
        }
        let mut proposals = Proposals::default();
        if !because.is_empty() {
            match hindered(host).await? {
                Some(finding) => findings.push(finding),
                None => {
                    let component = params.artifacts.iter().map(|condemned| condemned.component).min();
                    proposals.add(component.unwrap_or(1).max(1), Act::Isolate { for_s, keep }, &because);
                }
            }
        }
        let (output, proposals) = proposals.finish();
        let outcome = Outcome {
            findings,
            ..Outcome::of(output)
        };
        Ok((outcome, proposals))
    }
}

fn alarm(text: &str) -> Finding {
    let say = "the operator's alarm: {alarm}";
    Finding::new(Artifact::Host {}, "alarm", Bearing::Condemns, say)
        .field("alarm", said(text.trim().as_bytes()))
        .rests_on("the operator's word", None)
}

fn kept(texts: &[String]) -> Result<Vec<Net>, ModuleError> {
    let refuse = |index: usize, why: String| condemned_list::refusal("keep", index, why);
    if texts.len() > KEPT {
        return Err(refuse(
            KEPT,
            format!("more than {KEPT} networks are kept: name larger ones"),
        ));
    }
    let mut keep = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let net: Net = text
            .trim()
            .parse()
            .map_err(|error: deminer_worker::network::NetError| refuse(index, error.to_string()))?;
        keep.push(net);
    }
    keep.sort();
    keep.dedup();
    Ok(keep)
}
