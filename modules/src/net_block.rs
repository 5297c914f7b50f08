//! The addresses of pools, blocked both ways.
//!
//! Proposes to drop what comes from and goes to each address, in an nftables table of our own; no other table is touched.
//! Each block ends by the kernel's own clock. It takes addresses that the trace condemned, and those that the operator
//! names; a name is resolved on no host. The loopback, the host's own addresses, its way out, its name servers, the client
//! of our session and what the site lists are never blocked. Containers are covered where their packets pass through the
//! host's routing; one with a link of its own is not. Handbook: "双向封禁矿池地址".

use std::net::IpAddr;

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Condemned, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Act, Effect};
use deminer_worker::query::{HostError, Peer};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::condemned_list::{self, Proposals, Proposed};
use crate::saying::said;
use crate::{DurationParam, questions};

/// `net.block`.
pub struct NetBlock;

/// Which, and for how long.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The addresses that the trace condemned, each with the findings that condemn it. Anything but a remote end is
    /// refused. Example: `remotes: "{{ steps.trace.peers }}"`.
    #[serde(default)]
    pub remotes: Vec<Condemned>,
    /// Addresses that the operator knows as the miner's, from an alert or a flow: `203.0.113.9`, `203.0.113.9:3333` (the
    /// port is left out), `[2001:db8::9]:3333`. What is a name and no address is said, and not blocked.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// For how long: `1m` to `7d`.
    #[serde(default = "a_day")]
    pub r#for: DurationParam,
}

/// The limits of a block: it must end by itself while somebody still knows of it.
pub(crate) const LEAST: DurationParam = DurationParam::from_millis(60_000);
pub(crate) const MOST: DurationParam = DurationParam::from_millis(7 * 86_400_000);

pub(crate) fn a_day() -> DurationParam {
    DurationParam::from_millis(86_400_000)
}

#[async_trait]
impl Responder for NetBlock {
    const ABOUT: About = About {
        name: "net.block",
        summary: "Proposes to block the addresses of pools both ways, for a time that the kernel ends by itself.",
        effect: Effect::Contain,
        phases: &[Phase::Eradicate],
        handbook: "2.1.3.5",
        not_seen: "pools behind a name that nobody resolved; containers with a link of their own; other ways to the pool",
        example: "{id: block, use: net.block, with: {remotes: \"{{ steps.trace.peers }}\", addresses: [203.0.113.9]}}",
    };
    type Params = Params;
    type Output = Proposed;

    async fn propose(
        &self,
        host: &dyn HostView,
        params: Params,
    ) -> Result<(Outcome<Proposed>, Vec<Proposal>), ModuleError> {
        let for_s = seconds(params.r#for)?;
        let mut proposals = Proposals::default();
        let mut findings = Vec::new();
        let mut wanted = Vec::new();
        for (index, condemned) in params.remotes.iter().enumerate() {
            condemned_list::cited("remotes", index, condemned)?;
            let Artifact::Remote { peer } = &condemned.artifact else {
                let found = condemned_list::kind(&condemned.artifact);
                let why = format!("expected a remote end, found a {found}");
                return Err(condemned_list::refusal("remotes", index, why));
            };
            let Ok(address) = peer.address.parse::<IpAddr>() else {
                let why = format!("`{}` is no numeric address", said(peer.address.as_bytes()));
                return Err(condemned_list::refusal("remotes", index, why));
            };
            wanted.push((condemned.component, address, condemned.because.clone()));
        }
        let first = wanted.iter().map(|(component, ..)| *component).min().unwrap_or(1);
        for text in &params.addresses {
            match address_of(text) {
                Some((address, port)) => {
                    let finding = named(address, port);
                    wanted.push((first, address, vec![finding.id.clone()]));
                    findings.push(finding);
                }
                None => findings.push(unresolved(text)),
            }
        }
        if !wanted.is_empty()
            && let Some(finding) = hindered(host).await?
        {
            findings.push(finding);
            wanted.clear();
        }
        for (component, address, because) in wanted {
            let act = Act::BlockAddress {
                address: address.to_canonical().to_string(),
                for_s,
            };
            proposals.add(component, act, &because);
        }
        let (output, proposals) = proposals.finish();
        let outcome = Outcome {
            findings,
            ..Outcome::of(output)
        };
        Ok((outcome, proposals))
    }
}

/// The seconds of a block.
///
/// # Errors
/// `Parameter` where it is shorter or longer than a block may be.
pub(crate) fn seconds(time: DurationParam) -> Result<u32, ModuleError> {
    let millis = time.within("for", LEAST, MOST)?;
    Ok(u32::try_from(millis / 1000).unwrap_or(u32::MAX))
}

/// Why this host can hold no packets back for us, as a finding; `None` where it can, as far as can be told by looking.
///
/// # Errors
/// When the host or the link to it is lost.
pub(crate) async fn hindered(host: &dyn HostView) -> Result<Option<Finding>, ModuleError> {
    let why = match questions::blocks(host).await {
        Ok(_) => return Ok(None),
        Err(ModuleError::Host(why @ (HostError::Unsupported { .. } | HostError::Denied { .. }))) => why.to_string(),
        Err(error) => {
            questions::gap_of(error)?;
            "it does not tell what is blocked".to_owned()
        }
    };
    let say = "nothing is blocked here: {why}; block the addresses at the network's edge";
    let finding = Finding::new(Artifact::Host {}, "cannot_block", Bearing::Review, say);
    Ok(Some(finding.field("why", said(why.as_bytes()))))
}

fn named(address: IpAddr, port: u16) -> Finding {
    let peer = Peer {
        address: address.to_canonical().to_string(),
        port,
    };
    let say = "the operator names {address} as the miner's";
    Finding::new(Artifact::Remote { peer }, "named_by_operator", Bearing::Condemns, say)
        .field("address", address.to_canonical())
        .rests_on("the operator's word", None)
}

fn unresolved(text: &str) -> Finding {
    let say = "`{name}` is no address, and no host resolves a name for us: give its addresses";
    let peer = Peer {
        address: text.chars().take(255).collect(),
        port: 0,
    };
    Finding::new(Artifact::Remote { peer }, "unresolved_name", Bearing::Review, say)
        .field("name", said(text.as_bytes()))
        .rests_on("the operator's word", None)
}

/// The address in a text, and its port or 0.
fn address_of(text: &str) -> Option<(IpAddr, u16)> {
    let text = text.trim();
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    if let Ok(end) = text.parse::<std::net::SocketAddr>() {
        return Some((end.ip(), end.port()));
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse().ok().map(|address| (address, 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_as_operators_write_them() {
        let rows = [
            ("203.0.113.9", Some("203.0.113.9 0")),
            (" 203.0.113.9:3333 ", Some("203.0.113.9 3333")),
            ("stratum+tcp://203.0.113.9:3333", Some("203.0.113.9 3333")),
            ("[2001:db8::9]:3333", Some("2001:db8::9 3333")),
            ("[2001:db8::9]", Some("2001:db8::9 0")),
            ("2001:db8::9", Some("2001:db8::9 0")),
            ("pool.example:3333", None),
            ("203.0.113.0/24", None),
            ("203.0.113.9:port", None),
            ("", None),
        ];
        for (text, expected) in rows {
            let found = address_of(text).map(|(address, port)| format!("{address} {port}"));
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text: String) {
            let _ = address_of(&text);
        }
    }
}
