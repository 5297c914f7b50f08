//! What a host is on its network, as far as a block or an isolation must spare it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The addresses of a host and of what it cannot do without.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Network {
    /// Its own addresses, loopback left out.
    pub own: BTreeSet<IpAddr>,
    /// The next hops of its routes to everywhere.
    pub gateways: BTreeSet<IpAddr>,
    /// Its name servers (resolv.conf(5), and those that systemd-resolved asks).
    pub resolvers: BTreeSet<IpAddr>,
    /// The connections of our own session: those that the worker's ancestors hold, loopback left out. Empty where the
    /// session came over no network, or where its connection could not be told.
    pub session: Vec<Connection>,
    /// The other ends of remote logins, whoever is logged in.
    pub logins: BTreeSet<IpAddr>,
}

/// A TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

/// Addresses with the same beginning: `192.0.2.0/24`, `2001:db8::/32`; without a length exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Net {
    address: IpAddr,
    bits: u8,
}

/// A text that is no [`Net`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor a network like 192.0.2.0/24")]
pub struct NetError(String);

impl Net {
    /// The network's bits in the order of a packet, and which of them count.
    pub fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let octets = octets(self.address);
        let mask: Vec<u8> = (0..octets.len())
            .map(|at| {
                let bits = usize::from(self.bits).saturating_sub(at * 8).min(8);
                u8::try_from(0xff00_u16 >> bits & 0xff).unwrap_or(0)
            })
            .collect();
        (octets, mask)
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let other = octets(address.to_canonical());
        let (octets, mask) = self.bytes();
        octets.len() == other.len()
            && octets
                .iter()
                .zip(&other)
                .zip(&mask)
                .all(|((a, b), mask)| a & mask == b & mask)
    }

    /// The one address that it is written with.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether it is exactly one address.
    pub fn is_single(&self) -> bool {
        usize::from(self.bits) == octets(self.address).len() * 8
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(six) => six.octets().to_vec(),
    }
}

impl From<IpAddr> for Net {
    fn from(address: IpAddr) -> Net {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Net { address, bits }
    }
}

impl FromStr for Net {
    type Err = NetError;
    fn from_str(text: &str) -> Result<Net, NetError> {
        let error = || NetError(text.chars().take(64).collect::<String>().escape_default().to_string());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let whole: Net = address.parse::<IpAddr>().map_err(|_| error())?.into();
        let Some(bits) = bits else { return Ok(whole) };
        let digits = (1..=3).contains(&bits.len()) && bits.bytes().all(|byte| byte.is_ascii_digit());
        match bits.parse::<u8>() {
            Ok(bits) if digits && bits <= whole.bits => Ok(Net { bits, ..whole }),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_single() {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.bits),
        }
    }
}

impl Serialize for Net {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Net {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why no address of this kind is ever blocked, on whatever host; `None` for one that may be somebody's out there.
pub fn is_never_foreign(address: IpAddr) -> Option<&'static str> {
    let address = address.to_canonical();
    if address.is_loopback() {
        return Some("it is the host's loopback");
    }
    if address.is_unspecified() {
        return Some("it is no address");
    }
    if address.is_multicast() {
        return Some("it is an address of many");
    }
    let local = match address {
        IpAddr::V4(four) => four.is_broadcast() || four.is_link_local() || four.octets()[0] == 0,
        IpAddr::V6(six) => six.is_unicast_link_local(),
    };
    // The name servers, time servers and metadata of clouds, and the routers of IPv6, have such addresses.
    local.then_some("it is an address of the local link")
}

/// Whether an address is of a network that is not reached over the Internet (RFC 1918, RFC 4193, RFC 6598).
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => four.is_private() || (four.octets()[0] == 100 && four.octets()[1] & 0xc0 == 64),
        IpAddr::V6(six) => six.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks() {
        let rows = [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("0.0.0.0/0", "198.51.100.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
        ];
        for (net, address, expected) in rows {
            let net: Net = net.parse().expect(net);
            assert_eq!(
                net.contains(address.parse().expect(address)),
                expected,
                "{net} {address}"
            );
        }
        for text in [
            "",
            "192.0.2.0/33",
            "192.0.2.0/",
            "192.0.2.0/+1",
            "pool.example",
            "192.0.2",
            "::/129",
            "1/1",
        ] {
            assert!(text.parse::<Net>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_that_are_nobody_out_there() {
        let rows = [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.9", true),
            ("0.0.0.0", true),
            ("255.255.255.255", true),
            ("224.0.0.251", true),
            ("ff02::1", true),
            ("169.254.169.254", true),
            ("fe80::1", true),
            ("10.0.0.1", false),
            ("192.0.2.1", false),
            ("2001:db8::1", false),
        ];
        for (address, expected) in rows {
            let why = is_never_foreign(address.parse().expect(address));
            assert_eq!(why.is_some(), expected, "{address}: {why:?}");
        }
        assert!(is_private("100.64.0.1".parse().expect("an address")));
        assert!(is_private("fd00::1".parse().expect("an address")));
        assert!(!is_private("100.128.0.1".parse().expect("an address")));
    }

    proptest! {
        #[test]
        fn networks_read_back(octets: [u8; 16], six: bool, bits: u8) {
            let address = match six {
                true => IpAddr::from(octets).to_canonical(),
                false => IpAddr::from([octets[0], octets[1], octets[2], octets[3]]),
            };
            let most = if address.is_ipv4() { 32 } else { 128 };
            let net: Net = format!("{address}/{}", bits % (most + 1)).parse().expect("one");
            prop_assert!(net.contains(address));
            prop_assert_eq!(net.to_string().parse::<Net>(), Ok(net));
        }

        #[test]
        fn no_text_breaks_the_reader(text: String) {
            let _ = text.parse::<Net>();
        }
    }
}
