//! A packet that is only thought of, to try rules before the kernel has them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::netlink::filter::{Comparison, Expression, Header, Meta};
use super::{FAMILY_FOUR, FAMILY_SIX, TCP};
use crate::network::Connection;

/// A link that is not the loopback.
const SOME_LINK: u32 = 2;

/// The first bytes of its headers, and what it is beside them.
pub(super) struct Packet {
    family: u8,
    network: Vec<u8>,
    transport: Vec<u8>,
}

impl Packet {
    /// A packet of a connection, one that leaves or one that comes.
    pub(super) fn of(connection: &Connection, leaves: bool) -> Packet {
        let (from, to) = match leaves {
            true => (connection.local, connection.remote),
            false => (connection.remote, connection.local),
        };
        let (family, network) = match (from.ip().to_canonical(), to.ip().to_canonical()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let header = [&[0; 12][..], &from.octets(), &to.octets()].concat();
                (FAMILY_FOUR, header)
            }
            (from, to) => {
                let six = |address: IpAddr| match address {
                    IpAddr::V4(four) => four.to_ipv6_mapped().octets(),
                    IpAddr::V6(six) => six.octets(),
                };
                (FAMILY_SIX, [&[0; 8][..], &six(from), &six(to)].concat())
            }
        };
        let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
        Packet {
            family,
            network,
            transport: [&ports[..], &[0; 16]].concat(),
        }
    }

    /// Whether the rules of one chain, in order, would drop it; sets that are not given are empty.
    pub(super) fn is_dropped<'a>(
        &self,
        rules: impl Iterator<Item = &'a [Expression]>,
        sets: &BTreeMap<&str, Vec<Vec<u8>>>,
    ) -> bool {
        for rule in rules {
            match self.verdict(rule, sets) {
                Some(Expression::Drop) => return true,
                Some(_) => return false,
                None => {}
            }
        }
        false
    }

    /// What a rule decides; `None` where it does not concern the packet.
    fn verdict<'a>(&self, rule: &'a [Expression], sets: &BTreeMap<&str, Vec<Vec<u8>>>) -> Option<&'a Expression> {
        let mut register = Vec::new();
        for expression in rule {
            match expression {
                Expression::Meta(Meta::Family) => register = vec![self.family],
                Expression::Meta(Meta::Carries) => register = vec![TCP],
                Expression::Meta(Meta::InputLink | Meta::OutputLink) => register = SOME_LINK.to_ne_bytes().to_vec(),
                Expression::Payload { header, offset, length } => {
                    let bytes = match header {
                        Header::Network => &self.network,
                        Header::Transport => &self.transport,
                    };
                    let (from, length) = (usize::try_from(*offset).ok()?, usize::try_from(*length).ok()?);
                    register = bytes.get(from..from.checked_add(length)?)?.to_vec();
                }
                Expression::Mask(mask) => register.iter_mut().zip(mask).for_each(|(byte, mask)| *byte &= mask),
                Expression::Compare(comparison, bytes) => {
                    let holds = match comparison {
                        Comparison::Equal => register == *bytes,
                        Comparison::AtMost => register <= *bytes,
                        Comparison::AtLeast => register >= *bytes,
                    };
                    if !holds {
                        return None;
                    }
                }
                Expression::In(set) => {
                    if !sets.get(&**set).is_some_and(|keys| keys.contains(&register)) {
                        return None;
                    }
                }
                Expression::Count => {}
                Expression::Accept | Expression::Drop => return Some(expression),
            }
        }
        None
    }
}
