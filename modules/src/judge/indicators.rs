//! What an operator knows of an incident before a host is looked at: addresses, names and digests out of alarms.

use std::collections::BTreeSet;
use std::net::IpAddr;

use deminer_worker::query::Peer;
use deminer_worker::text::Digest;

/// A remote end: an address, a range of addresses or a name with all below it, at any port or at one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// As the operator wrote it.
    pub(crate) text: String,
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// A range: the address and how many bits of it count.
    Addresses(IpAddr, u8),
    Name(String),
}

/// What alarms name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Indicators {
    /// Pools by their own word.
    pub(crate) pools: Vec<Endpoint>,
    /// Remote ends of any kind.
    pub(crate) remotes: Vec<Endpoint>,
    /// Of files.
    pub(crate) digests: BTreeSet<Digest>,
    /// What is none of these: nothing is looked for by it.
    pub(crate) unread: Vec<String>,
}

impl Indicators {
    /// Sorts the operator's words by what they are.
    pub(crate) fn new(pools: &[String], indicators: &[String]) -> Indicators {
        let mut all = Indicators::default();
        for pool in pools {
            match Endpoint::read(pool) {
                Some(endpoint) => all.pools.push(endpoint),
                None => all.unread.push(pool.clone()),
            }
        }
        for text in indicators {
            let word = text.trim().trim_start_matches("sha256:");
            if let Ok(digest) = word.to_ascii_lowercase().parse() {
                all.digests.insert(digest);
            } else if let Some(endpoint) = Endpoint::read(word) {
                all.remotes.push(endpoint);
            } else {
                all.unread.push(text.clone());
            }
        }
        all
    }
}

impl Endpoint {
    /// Reads `203.0.113.9`, `203.0.113.0/24`, `[2001:db8::1]:3333`, `pool.example:3333`, `http://a.example/x.sh`; also as
    /// reports defuse them: `hxxp://a[.]example`.
    pub(crate) fn read(text: &str) -> Option<Endpoint> {
        let plain = text.trim().replace("[.]", ".").replace("[:]", ":");
        let after_scheme = plain.split_once("://").map(|(_, rest)| rest);
        let rest = after_scheme.unwrap_or(&plain);
        let range = rest.split_once('/').filter(|_| after_scheme.is_none());
        if let Some((address, bits)) = range {
            let address: IpAddr = address.parse().ok()?;
            let bits = bits.parse().ok().filter(|bits| *bits <= width(address) && *bits > 0)?;
            return Some(Endpoint {
                text: text.to_owned(),
                host: Host::Addresses(address, bits),
                port: None,
            });
        }
        let end = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let end = end.rsplit('@').next().unwrap_or(end);
        let (host, port) = parted(end)?;
        let host = match host.parse::<IpAddr>() {
            Ok(address) => Host::Addresses(address, width(address)),
            Err(_) if is_name(host) => Host::Name(host.trim_end_matches('.').to_ascii_lowercase()),
            Err(_) => return None,
        };
        Some(Endpoint {
            text: text.to_owned(),
            host,
            port,
        })
    }

    /// Whether a connection leads there. A name leads nowhere: it is never resolved.
    pub(super) fn is_at(&self, peer: &Peer) -> bool {
        let address = peer.address.split('%').next().unwrap_or_default();
        self.port.is_none_or(|port| port == peer.port)
            && address.parse::<IpAddr>().is_ok_and(|address| self.holds(address))
    }

    /// Whether a word of arguments names it; the port aside.
    pub(super) fn is_named(&self, word: &[u8]) -> bool {
        match &self.host {
            Host::Name(name) => is_name_below(word, name.as_bytes()),
            Host::Addresses(..) => {
                let word = word
                    .strip_prefix(b"[")
                    .and_then(|w| w.strip_suffix(b"]"))
                    .unwrap_or(word);
                let address = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
                address.is_some_and(|address| self.holds(address))
            }
        }
    }

    fn holds(&self, address: IpAddr) -> bool {
        let Host::Addresses(known, bits) = self.host else {
            return false;
        };
        match (known.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), bits.min(32), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), bits, 128),
            _ => false,
        }
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Whether the first `bits` of `of` are the same.
fn same(a: u128, b: u128, bits: u8, of: u8) -> bool {
    let left = u32::from(of - bits);
    a.checked_shr(left) == b.checked_shr(left)
}

/// A host and its port, where it has one. An address of the sixth version has one only behind brackets.
fn parted(end: &str) -> Option<(&str, Option<u16>)> {
    if let Some(inner) = end.strip_prefix('[') {
        let (host, rest) = inner.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match end.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Some((end, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((end, None)),
    }
}

/// A name, and no digest of another kind and no number: those would match nothing and seem to.
fn is_name(host: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let digest = matches!(host.len(), 32 | 40 | 56 | 64 | 96 | 128) && host.chars().all(|c| c.is_ascii_hexdigit());
    !host.is_empty()
        && host.len() <= 253
        && host.chars().all(plain)
        && host.chars().any(|c| c.is_ascii_alphabetic())
        && !host.starts_with(['.', '-'])
        && !digest
}

/// Whether a name is `parent` or lies below it, by whole labels.
pub(super) fn is_name_below(name: &[u8], parent: &[u8]) -> bool {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let Some(at) = name.len().checked_sub(parent.len()) else {
        return false;
    };
    !parent.is_empty() && name[at..].eq_ignore_ascii_case(parent) && (at == 0 || name[at - 1] == b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn endpoints() {
        let peer = |address: &str, port: u16| Peer {
            address: address.to_owned(),
            port,
        };
        // What is written, where it leads, where it does not.
        let rows: [(&str, Peer, Peer); 9] = [
            ("203.0.113.9", peer("203.0.113.9", 1), peer("203.0.113.90", 1)),
            ("203.0.113.9:3333", peer("203.0.113.9", 3333), peer("203.0.113.9", 443)),
            (" 203.0.113.9 ", peer("::ffff:203.0.113.9", 1), peer("::203.0.113.9", 1)),
            ("203[.]0[.]113[.]9", peer("203.0.113.9", 1), peer("203.0.113.8", 1)),
            ("203.0.113.0/25", peer("203.0.113.127", 1), peer("203.0.113.128", 1)),
            ("2001:db8::/32", peer("2001:db8:1::1", 1), peer("2001:db9::1", 1)),
            ("2001:db8::1", peer("2001:db8::1", 9), peer("2001:db8::2", 9)),
            (
                "[2001:db8::1]:3333",
                peer("2001:db8::1%eth0", 3333),
                peer("2001:db8::1", 3334),
            ),
            (
                "hxxp://203.0.113.9/x.sh?y",
                peer("203.0.113.9", 80),
                peer("203.0.113.1", 80),
            ),
        ];
        for (text, there, elsewhere) in rows {
            let endpoint = Endpoint::read(text).unwrap_or_else(|| panic!("{text} is read"));
            assert!(endpoint.is_at(&there), "{text} {there:?}");
            assert!(!endpoint.is_at(&elsewhere), "{text} {elsewhere:?}");
        }
        let names = [
            ("pool.example", "a.pool.example", "apool.example"),
            ("POOL.example.:3333", "pool.example", "pool.example.org"),
            ("https://u@c2.example/a/b", "c2.example", "example"),
            ("[2001:db8::1]:3333", "[2001:db8::1]", "2001:db8::2"),
        ];
        for (text, word, other) in names {
            let endpoint = Endpoint::read(text).unwrap_or_else(|| panic!("{text} is read"));
            assert!(endpoint.is_named(word.as_bytes()), "{text} {word}");
            assert!(!endpoint.is_named(other.as_bytes()), "{text} {other}");
        }
    }

    #[test]
    fn what_is_none_of_these_is_said() {
        let digest = "3F1A9c07e2b4d8153f1a9c07e2b4d8153f1a9c07e2b4d8153f1a9c07e2b4d815";
        let words = [
            digest,
            &format!("sha256:{digest}"),
            "203.0.113.9",
            "c2.example",
            "d41d8cd98f00b204e9800998ecf8427e",
            "/tmp/kdevtmpfsi",
            "12345",
            "",
            "two words",
            "a.example:99999",
            "203.0.113.9/0",
        ];
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let all = Indicators::new(&["pool.example:3333".to_owned()], &words);
        assert_eq!((all.pools.len(), all.remotes.len(), all.digests.len()), (1, 2, 1));
        assert_eq!(all.unread, words[4..]);
    }

    proptest! {
        #[test]
        fn no_word_panics(text in "\\PC{0,60}", word: Vec<u8>, near in "[0-9a-f:.\\[\\]/@%x-]{0,24}") {
            for text in [text, near] {
                if let Some(endpoint) = Endpoint::read(&text) {
                    endpoint.is_named(&word);
                    endpoint.is_at(&Peer { address: String::from_utf8_lossy(&word).into_owned(), port: 1 });
                }
            }
        }

        #[test]
        fn an_address_is_at_itself_and_in_its_ranges(address: u32, bits in 1u8..=32) {
            let address = std::net::Ipv4Addr::from(address).to_string();
            let peer = Peer { address: address.clone(), port: 1 };
            prop_assert!(Endpoint::read(&address).unwrap().is_at(&peer));
            let range = Endpoint::read(&format!("{address}/{bits}")).unwrap();
            prop_assert!(range.is_at(&peer));
        }
    }
}
