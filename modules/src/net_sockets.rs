//! Every socket with its two ends and its owners.
//!
//! Asks the kernel for TCP and UDP, IPv4 and IPv6, in every network namespace that a process lives in (sock_diag(7),
//! `/proc/net/tcp`). Addresses stay numbers: no name is looked up. It cannot see Unix and raw sockets, nor connections
//! that a kernel module hides. Handbook: `netstat -pantl`.

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::Socket;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::questions;

/// `net.sockets`.
pub struct NetSockets;

/// Takes none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// The sockets.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// In the host's order.
    pub rows: Vec<Socket>,
}

#[async_trait]
impl Collector for NetSockets {
    const ABOUT: About = About {
        name: "net.sockets",
        summary: "Lists every TCP and UDP socket of every network namespace, with both ends and the processes that hold it.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "what the kernel hides; connections that open and close between two looks; Unix and raw sockets",
        example: "{id: sockets, use: net.sockets}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, _: Params) -> Result<Outcome<Output>, ModuleError> {
        let seen = questions::sockets(host).await?;
        Ok(Outcome::of(Output { rows: seen.value }).seen_with(seen.coverage))
    }
}
