//! What of ours holds packets back.

use serde::{Deserialize, Serialize};

use crate::text::Wide;

/// What of ours holds packets back. Whatever it is, it ends by the kernel's own clock.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Blocks {
    /// Blocked addresses, by address; numeric, an IPv4 address inside IPv6 is written as IPv4.
    pub addresses: Vec<Blocked>,
    /// Milliseconds until the host is no longer cut off; `None` where it is not.
    pub isolated_ms: Option<Wide>,
    /// Packets from and to blocked addresses that were dropped since their table was made; not those of an isolation.
    pub dropped: Dropped,
    /// Our tables that are there, as nft(8) names them: `inet deminer`. One that holds nothing back matches nothing.
    pub tables: Vec<String>,
}

/// One blocked address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Blocked {
    /// Which.
    pub address: String,
    /// Milliseconds until it is free again.
    pub left_ms: Wide,
}

/// Packets that were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Dropped {
    /// That came to this host.
    pub input: Wide,
    /// That this host sent: somebody on it still tries.
    pub output: Wide,
    /// That passed through, as those of containers do.
    pub forward: Wide,
}
