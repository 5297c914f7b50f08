//! Sockets.

use serde::{Deserialize, Serialize};

use crate::text::Wide;

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// A numeric IPv4 or IPv6 address; an IPv4 address inside IPv6 is written as IPv4.
    pub address: String,
    /// The port.
    pub port: u16,
}

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Socket {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// This end.
    pub local: Peer,
    /// The other end; `None` for a listener or an unconnected socket.
    pub remote: Option<Peer>,
    /// `established`, `listen`, `syn_sent`, ... in the kernel's names (net/tcp_states.h), lower case.
    pub state: String,
    /// The socket's inode; 0 once nobody holds it.
    pub inode: Wide,
    /// The user that made it.
    pub uid: u32,
    /// The network namespace, by inode.
    pub net_namespace: Wide,
    /// The processes that hold it, by pid; empty where none could be told.
    pub owners: Vec<u32>,
}
