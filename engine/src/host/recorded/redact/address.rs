//! Addresses become those of documentation (RFC 5737, RFC 3849); private ones stay private. What was one network stays one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::bytes::Regex;

static V4: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)(?:[0-9]{1,3}\.){3}[0-9]{1,3}").expect("a constant that is tested"));

static V6: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u)[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}").expect("a constant that is tested")
});

static ETHERNET: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}").expect("a constant that is tested"));

/// The pseudonyms of addresses.
#[derive(Default)]
pub(super) struct Addresses {
    /// Addresses that may stay: public texts name them.
    stay: BTreeSet<String>,
    nets: BTreeMap<[u8; 3], [u8; 3]>,
    hosts: BTreeMap<Ipv4Addr, Ipv4Addr>,
    nets6: BTreeMap<[u16; 4], u16>,
    hosts6: BTreeMap<Ipv6Addr, Ipv6Addr>,
    ethernet: BTreeMap<String, String>,
}

impl Addresses {
    pub(super) fn but(public: &[&str], stay: &BTreeSet<String>) -> Addresses {
        let named = public.iter().flat_map(|text| V4.find_iter(text.as_bytes()));
        let named = named.map(|found| String::from_utf8_lossy(found.as_bytes()).into_owned());
        Addresses {
            stay: named.chain(stay.iter().cloned()).collect(),
            ..Addresses::default()
        }
    }

    pub(super) fn table(&self) -> impl Iterator<Item = (String, String)> {
        let v4 = self
            .hosts
            .iter()
            .map(|(one, other)| (one.to_string(), other.to_string()));
        let v6 = self
            .hosts6
            .iter()
            .map(|(one, other)| (one.to_string(), other.to_string()));
        let ethernet = self.ethernet.iter().map(|(one, other)| (one.clone(), other.clone()));
        v4.chain(v6).chain(ethernet)
    }

    pub(super) fn change(&mut self, bytes: &[u8], raw: bool) -> Vec<u8> {
        let bytes = each(&ETHERNET, bytes, raw, |text| self.ethernet(text));
        let bytes = each(&V6, &bytes, raw, |text| {
            let address: Ipv6Addr = text.parse().ok()?;
            Some(self.v6(address)?.to_string())
        });
        each(&V4, &bytes, raw, |text| {
            let address: Ipv4Addr = text.parse().ok()?;
            match self.stay.contains(text) {
                true => None,
                false => Some(self.v4(address)?.to_string()),
            }
        })
    }

    fn ethernet(&mut self, text: &str) -> Option<String> {
        let number = self.ethernet.len() + 1;
        let new = || format!("02:00:00:00:{:02x}:{:02x}", number >> 8 & 0xff, number & 0xff);
        Some(self.ethernet.entry(text.to_owned()).or_insert_with(new).clone())
    }

    /// `None` where it says nothing of anybody.
    fn v4(&mut self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        if address.is_loopback() || address.is_unspecified() || address.is_broadcast() || address.is_multicast() {
            return None;
        }
        if let Some(known) = self.hosts.get(&address) {
            return Some(*known);
        }
        let [a, b, c, last] = address.octets();
        let kind = |net: &[u8; 3]| private(net[0], net[1]);
        let number = self.nets.keys().filter(|net| kind(net) == private(a, b)).count();
        let (high, low) = ((number >> 8 & 0xff) as u8, (number & 0xff) as u8);
        let new = match (private(a, b), number) {
            (Some([a, b]), _) => match a {
                10 => [10, high, low],
                _ => [a, b, low],
            },
            (None, 0) => [192, 0, 2],
            (None, 1) => [198, 51, 100],
            (None, 2) => [203, 0, 113],
            // For measurements between networks, RFC 2544: nobody's either.
            (None, _) => [198, 18 + (high & 1), low],
        };
        let net = *self.nets.entry([a, b, c]).or_insert(new);
        let in_net = self.hosts.values().filter(|host| host.octets()[..3] == net);
        // The first and the last of a network say what they are.
        let last = match last {
            0 | 255 => last,
            _ => (in_net.filter(|host| !matches!(host.octets()[3], 0 | 255)).count() + 1) as u8,
        };
        let now = Ipv4Addr::new(net[0], net[1], net[2], last);
        self.hosts.insert(address, now);
        Some(now)
    }

    fn v6(&mut self, address: Ipv6Addr) -> Option<Ipv6Addr> {
        if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
            return None;
        }
        if let Some(known) = self.hosts6.get(&address) {
            return Some(*known);
        }
        let s = address.segments();
        let number = self.nets6.len() as u16;
        let net = *self.nets6.entry([s[0], s[1], s[2], s[3]]).or_insert(number);
        let host = self.hosts6.len() as u16 + 1;
        let now = match s[0] {
            local if local & 0xffc0 == 0xfe80 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, host),
            own if own & 0xfe00 == 0xfc00 => Ipv6Addr::new(0xfd00, 0, 0, net, 0, 0, 0, host),
            _ => Ipv6Addr::new(0x2001, 0xdb8, 0, net, 0, 0, 0, host),
        };
        self.hosts6.insert(address, now);
        Some(now)
    }
}

/// The beginning of the private range of an address.
fn private(a: u8, b: u8) -> Option<[u8; 2]> {
    match (a, b) {
        (10, _) => Some([10, 0]),
        (172, 16..=31) => Some([172, 16]),
        (192, 168) => Some([192, 168]),
        (169, 254) => Some([169, 254]),
        (100, 64..=127) => Some([100, 64]),
        _ => None,
    }
}

/// Changes each that stands by itself; `raw`: what follows stays where it is, by zeros that are put in or taken out.
fn each(finder: &Regex, bytes: &[u8], raw: bool, mut change: impl FnMut(&str) -> Option<String>) -> Vec<u8> {
    let mut now = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for found in finder.find_iter(bytes) {
        let apart = |byte: Option<&u8>| byte.is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_');
        let before = found.start().checked_sub(1).and_then(|place| bytes.get(place));
        let text = String::from_utf8_lossy(found.as_bytes());
        let new = match apart(before) && apart(bytes.get(found.end())) && found.start() >= at {
            true => change(&text),
            false => None,
        };
        let Some(new) = new else { continue };
        now.extend_from_slice(&bytes[at..found.start()]);
        now.extend_from_slice(new.as_bytes());
        at = found.end();
        if raw {
            let zeros = bytes[at..].iter().take_while(|b| **b == 0).count();
            match new.len().cmp(&found.len()) {
                std::cmp::Ordering::Less => now.extend(std::iter::repeat_n(0, found.len() - new.len())),
                _ => at += (new.len() - found.len()).min(zeros),
            }
        }
    }
    now.extend_from_slice(&bytes[at..]);
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_stays_one_and_private_stays_private() {
        let mut addresses = Addresses::but(&["pools: [45.9.148.1]"], &BTreeSet::new());
        let rows = [
            (
                "10.20.30.40 to 10.20.30.41, 10.20.30.0/24",
                "10.0.0.1 to 10.0.0.2, 10.0.0.0/24",
            ),
            ("8.8.8.8:53 8.8.4.4", "192.0.2.1:53 198.51.100.1"),
            (
                "127.0.0.1 0.0.0.0 255.255.255.255 45.9.148.1",
                "127.0.0.1 0.0.0.0 255.255.255.255 45.9.148.1",
            ),
            ("version 1.2.3 and 300.1.1.1", "version 1.2.3 and 300.1.1.1"),
            (
                "fe80::9873:37ff:fe96:9cf1 ::1 2a00:1450::5",
                "fe80::1 ::1 2001:db8:0:1::2",
            ),
            ("std::string 12:34:56", "std::string 12:34:56"),
            ("aa:bb:cc:dd:ee:ff", "02:00:00:00:00:01"),
        ];
        for (text, expected) in rows {
            let now = addresses.change(text.as_bytes(), false);
            assert_eq!(String::from_utf8_lossy(&now), expected, "{text}");
        }
    }

    #[test]
    fn what_has_its_place_keeps_it() {
        let mut addresses = Addresses::default();
        for text in ["8.8.8.8\0\0\0\0\0\0end", "110.120.130.140\0\0\0end"] {
            let now = addresses.change(text.as_bytes(), true);
            assert_eq!(now.len(), text.len());
            assert!(now.ends_with(b"end"));
        }
    }
}
