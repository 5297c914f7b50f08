//! The block on a Linux host: nf_tables tables of our own, never another's.
//!
//! ```text
//! table inet deminer            what comes from or goes to the addresses of two sets is dropped
//! table inet deminer_isolation  while its set holds something, everything is dropped but what `isolation` lets through
//! ```
//!
//! The elements of the sets go by the kernel's own timer, whatever became of us. The rules of an empty set match nothing;
//! they stay until somebody of ours removes the table. A rule of ours that accepts ends our own chain only: what other
//! tables drop stays dropped.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rustix::io::Errno;

use super::netlink::filter::{self, Batch, Chain, Comparison, Expression, Header, Hook, Key, Meta, Rule, Set};
use super::netlink::{Kernel, Refused};
use crate::network::{Connection, Net};
use crate::query::HostError;

mod packet;

/// The table of blocked addresses.
pub(super) const BLOCK: &str = "deminer";

/// The table of an isolation.
pub(super) const ISOLATION: &str = "deminer_isolation";

/// Before connection tracking's own and everybody's filters (`NF_IP_PRI_CONNTRACK`).
const PRIORITY: i32 = -200;

/// What every rule's comment begins with.
const COMMENT: &str = "deminer: ";

/// The sets of the two tables.
const FOUR: &str = "blocked_ipv4";
const SIX: &str = "blocked_ipv6";
const ACTIVE: &str = "isolated";

/// `NFPROTO_IPV4`, `NFPROTO_IPV6`.
const FAMILY_FOUR: u8 = 2;
const FAMILY_SIX: u8 = 10;

/// `IPPROTO_*`.
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP_SIX: u8 = 58;

/// The loopback is the first link of every network namespace (linux/netdevice.h, `LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;

const HOOKS: [(Hook, &str); 3] = [
    (Hook::Input, "input"),
    (Hook::Output, "output"),
    (Hook::Forward, "forward"),
];

/// What of ours is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Wall {
    /// Blocked addresses, each with the milliseconds that are left; `None` where there is no table of them.
    pub(super) blocked: Option<BTreeMap<IpAddr, u64>>,
    /// The milliseconds that are left of an isolation, 0 where its table is left alone; `None` where there is no table.
    pub(super) isolated: Option<u64>,
    /// Packets from and to blocked addresses that were dropped, by chain.
    pub(super) dropped: BTreeMap<&'static str, u64>,
    /// The rules of the isolation.
    isolation: Vec<Rule>,
}

/// A rule to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    chain: &'static str,
    expressions: Vec<Expression>,
    comment: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::platform::linux) enum WallError {
    /// The kernel.
    Refused(Refused),
    /// A table of that name is there, and it is not of our making.
    NotOurs(&'static str),
}

impl From<Refused> for WallError {
    fn from(refused: Refused) -> Self {
        WallError::Refused(refused)
    }
}

impl WallError {
    /// What it means for somebody who asked.
    pub(super) fn host_error(self, doing: &str) -> HostError {
        match self {
            WallError::Refused(Refused::Errno(Errno::NOENT)) => HostError::Unsupported {
                doing: doing.to_owned(),
                why: "this kernel has no nf_tables, or not all of it that is needed".to_owned(),
            },
            WallError::Refused(refused) => refused.host_error(doing),
            WallError::NotOurs(table) => HostError::Protected {
                doing: doing.to_owned(),
                why: format!("the nftables table `inet {table}` is there and is not of our making"),
            },
        }
    }
}

impl Wall {
    /// Reads what of ours is there.
    pub(super) fn read(kernel: &mut Kernel) -> Result<Wall, WallError> {
        let mut wall = Wall::default();
        if filter::has_table(kernel, BLOCK)? {
            wall.read_rules(kernel, BLOCK, &BLOCK_SETS)?;
            let mut blocked = BTreeMap::new();
            for set in [FOUR, SIX] {
                for element in filter::elements(kernel, BLOCK, set)? {
                    // One that never goes by itself is none that we made.
                    let left = element.left_ms.ok_or(WallError::NotOurs(BLOCK))?;
                    let address = address_of(&element.key).ok_or(WallError::NotOurs(BLOCK))?;
                    blocked.insert(address, left);
                }
            }
            wall.blocked = Some(blocked);
        }
        if filter::has_table(kernel, ISOLATION)? {
            wall.isolation = wall.read_rules(kernel, ISOLATION, &ISOLATION_SETS)?;
            let active = filter::elements(kernel, ISOLATION, ACTIVE)?;
            let left = active
                .iter()
                .map(|element| element.left_ms.ok_or(WallError::NotOurs(ISOLATION)));
            wall.isolated = Some(left.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(0));
        }
        Ok(wall)
    }

    /// Reads the rules of a table, and whether it is of our making.
    fn read_rules(
        &mut self,
        kernel: &mut Kernel,
        table: &'static str,
        sets: &[(&str, Key)],
    ) -> Result<Vec<Rule>, WallError> {
        let (chains, found) = (filter::chains(kernel, table)?, filter::sets(kernel, table)?);
        let rules = filter::rules(kernel, table)?;
        if !is_ours(table, &chains, &found, &rules, sets) {
            return Err(WallError::NotOurs(table));
        }
        for rule in &rules {
            let chain = HOOKS.iter().find(|(_, name)| name.as_bytes() == rule.chain);
            if let Some((_, chain)) = chain.filter(|_| table == BLOCK) {
                *self.dropped.entry(chain).or_default() += rule.counted.0;
            }
        }
        Ok(rules)
    }

    /// Whether an isolation stands by exactly these rules.
    pub(super) fn is_isolated_by(&self, rules: &[Planned]) -> bool {
        self.isolated.is_some() && are_as_made(&self.isolation, rules)
    }

    /// Which of ours are there, whatever is left of their time and whatever they counted.
    pub(super) fn elements(&self) -> (Option<Vec<IpAddr>>, Option<bool>) {
        let blocked = self.blocked.as_ref().map(|blocked| blocked.keys().copied().collect());
        (blocked, self.isolated.map(|left| left > 0))
    }

    /// Whether a table of ours is there.
    pub(super) fn has(&self, table: &str) -> bool {
        match table {
            BLOCK => self.blocked.is_some(),
            _ => self.isolated.is_some(),
        }
    }

    /// Whether a table of ours is there that holds nothing any more.
    pub(super) fn is_left_over(&self, table: &str) -> bool {
        match table {
            BLOCK => self.blocked.as_ref().is_some_and(BTreeMap::is_empty),
            _ => self.isolated == Some(0),
        }
    }
}

/// Whether a table looks as one that we made: our chains at our hooks, our sets, and nothing but rules with our mark.
fn is_ours(table: &str, chains: &[Chain], found: &[Set], rules: &[Rule], sets: &[(&str, Key)]) -> bool {
    let mut expected: Vec<Chain> = HOOKS
        .iter()
        .map(|(hook, name)| Chain {
            name: name.as_bytes().to_vec(),
            base: Some((*hook as u32, PRIORITY)),
        })
        .collect();
    expected.sort();
    let mut keys: Vec<Set> = sets
        .iter()
        .map(|(name, key)| Set {
            name: name.as_bytes().to_vec(),
            key: Some(*key),
            expires: true,
        })
        .collect();
    keys.sort();
    let marked = |rule: &Rule| rule.comment.starts_with(COMMENT.as_bytes()) && rule.expressions.is_some();
    // Of one table we know every rule; of the other they are those of its own time.
    let as_made = table != BLOCK || are_as_made(rules, &block_rules());
    chains == expected && found == keys && rules.iter().all(marked) && as_made
}

/// Whether the rules that are there do, chain by chain, what these do.
fn are_as_made(rules: &[Rule], planned: &[Planned]) -> bool {
    planned.len() == rules.len()
        && HOOKS.iter().all(|(_, chain)| {
            let read = rules.iter().filter(|rule| rule.chain == chain.as_bytes());
            let made = planned.iter().filter(|rule| rule.chain == *chain);
            read.map(|rule| rule.expressions.as_ref())
                .eq(made.map(|rule| Some(&rule.expressions)))
        })
}

/// Adds a table with its chains, sets and rules to a batch.
pub(super) fn build(batch: &mut Batch, kernel: &mut Kernel, table: &str, sets: &[(&str, Key)], rules: &[Planned]) {
    batch.new_table(kernel, table);
    for (name, key) in sets {
        batch.new_set(kernel, table, name, *key);
    }
    for (hook, name) in HOOKS {
        batch.new_chain(kernel, table, name, hook, PRIORITY);
    }
    for rule in rules {
        batch.new_rule(kernel, table, rule.chain, &rule.expressions, &rule.comment);
    }
}

/// The sets of the table of blocked addresses.
pub(super) const BLOCK_SETS: [(&str, Key); 2] = [(FOUR, Key::Four), (SIX, Key::Six)];

/// The sets of the table of an isolation.
pub(super) const ISOLATION_SETS: [(&str, Key); 1] = [(ACTIVE, Key::Family)];

/// The elements by which an isolation is active, each with its set.
pub(super) fn active() -> [(&'static str, Vec<u8>); 2] {
    [(ACTIVE, vec![FAMILY_FOUR]), (ACTIVE, vec![FAMILY_SIX])]
}

/// The set and the key of an address.
pub(super) fn element_of(address: IpAddr) -> (&'static str, Vec<u8>) {
    match address.to_canonical() {
        IpAddr::V4(four) => (FOUR, four.octets().to_vec()),
        IpAddr::V6(six) => (SIX, six.octets().to_vec()),
    }
}

fn address_of(key: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(key) {
        return Some(IpAddr::from(four));
    }
    <[u8; 16]>::try_from(key).ok().map(IpAddr::from)
}

/// Which end of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Destination,
}

/// The expressions that load an address of a packet, if it is of that family.
fn load_address(family: u8, side: Side) -> Vec<Expression> {
    let (offset, length) = match (family, side) {
        (FAMILY_FOUR, Side::Source) => (12, 4),
        (FAMILY_FOUR, Side::Destination) => (16, 4),
        (_, Side::Source) => (8, 16),
        (_, Side::Destination) => (24, 16),
    };
    vec![
        Expression::Meta(Meta::Family),
        equal([family]),
        Expression::Payload {
            header: Header::Network,
            offset,
            length,
        },
    ]
}

fn equal(bytes: impl Into<Vec<u8>>) -> Expression {
    Expression::Compare(Comparison::Equal, bytes.into())
}

fn carries(protocol: u8) -> Vec<Expression> {
    vec![Expression::Meta(Meta::Carries), equal([protocol])]
}

fn load_port(side: Side) -> Expression {
    Expression::Payload {
        header: Header::Transport,
        offset: if side == Side::Source { 0 } else { 2 },
        length: 2,
    }
}

fn of_net(net: &Net, side: Side) -> Vec<Expression> {
    let family = if net.address().is_ipv4() {
        FAMILY_FOUR
    } else {
        FAMILY_SIX
    };
    let (bytes, mask) = net.bytes();
    let masked: Vec<u8> = bytes.iter().zip(&mask).map(|(byte, mask)| byte & mask).collect();
    let mut expressions = load_address(family, side);
    if !net.is_single() {
        expressions.push(Expression::Mask(mask));
    }
    expressions.push(equal(masked));
    expressions
}

/// The ends at which a chain meets the other side: of what passes through it may be either.
fn sides(hook: Hook) -> &'static [Side] {
    match hook {
        Hook::Input => &[Side::Source],
        Hook::Output => &[Side::Destination],
        Hook::Forward => &[Side::Source, Side::Destination],
    }
}

fn planned(chain: &'static str, parts: &[&[Expression]], comment: &str) -> Planned {
    Planned {
        chain,
        expressions: parts.concat(),
        comment: format!("{COMMENT}{comment}"),
    }
}

/// The rules of the table of blocked addresses.
pub(super) fn block_rules() -> Vec<Planned> {
    let mut rules = Vec::new();
    for (hook, chain) in HOOKS {
        for side in sides(hook) {
            for (family, set) in [(FAMILY_FOUR, FOUR), (FAMILY_SIX, SIX)] {
                let address = load_address(family, *side);
                let end = [Expression::In(set.to_owned()), Expression::Count, Expression::Drop];
                rules.push(planned(chain, &[&address, &end], "blocked address"));
            }
        }
    }
    rules
}

/// The rules of the table of an isolation: what goes on, then the end of everything else.
///
/// What goes on: the loopback; the connections of our session, and new ones of the same client to the same port; the
/// networks of `keep`, all of them; and what the host needs to keep its address and its neighbours: DHCP, neighbour and
/// router discovery of IPv6, and the routers' word that a packet did not fit.
pub(super) fn isolation_rules(session: &[Connection], keep: &[Net]) -> Vec<Planned> {
    let accept = [Expression::Accept];
    let mut rules = Vec::new();
    for (hook, chain) in HOOKS {
        let link = match hook {
            Hook::Input => Some(Meta::InputLink),
            Hook::Output => Some(Meta::OutputLink),
            Hook::Forward => None,
        };
        if let Some(link) = link {
            let loopback = [Expression::Meta(link), equal(LOOPBACK.to_ne_bytes())];
            rules.push(planned(chain, &[&loopback, &accept], "loopback"));
            rules.extend(
                session
                    .iter()
                    .flat_map(|connection| session_rules(hook, chain, connection)),
            );
        }
        for net in keep {
            for side in sides(hook) {
                rules.push(planned(chain, &[&of_net(net, *side), &accept], "kept reachable"));
            }
        }
        if hook != Hook::Forward {
            rules.extend(link_rules(hook, chain));
        }
        let end = [
            Expression::Meta(Meta::Family),
            Expression::In(ACTIVE.to_owned()),
            Expression::Count,
            Expression::Drop,
        ];
        rules.push(planned(chain, &[&end], "isolated"));
    }
    rules
}

/// The client of our session to the port that it came to, and from the port that we went to.
fn session_rules(hook: Hook, chain: &'static str, connection: &Connection) -> Vec<Planned> {
    let (far, near) = match hook {
        Hook::Output => (Side::Destination, Side::Source),
        _ => (Side::Source, Side::Destination),
    };
    let address = of_net(&Net::from(connection.remote.ip()), far);
    [(near, connection.local.port()), (far, connection.remote.port())]
        .into_iter()
        .map(|(side, port)| {
            let port = [load_port(side), equal(port.to_be_bytes())];
            planned(
                chain,
                &[&address, &carries(TCP), &port, &[Expression::Accept]],
                "our session",
            )
        })
        .collect()
}

/// What keeps a host's address and neighbours.
fn link_rules(hook: Hook, chain: &'static str) -> Vec<Planned> {
    let accept = [Expression::Accept];
    let between = |expression: Expression, low: &[u8], high: &[u8]| match low == high {
        true => vec![expression, equal(low)],
        false => vec![
            expression,
            Expression::Compare(Comparison::AtLeast, low.to_vec()),
            Expression::Compare(Comparison::AtMost, high.to_vec()),
        ],
    };
    let icmp_type = || Expression::Payload {
        header: Header::Transport,
        offset: 0,
        length: 1,
    };
    // RFC 2131: 67 and 68 over IPv4. RFC 8415: 546 and 547 over IPv6.
    let mut rules: Vec<Planned> = [(67_u16, 68_u16), (546, 547)]
        .into_iter()
        .map(|(low, high)| {
            let (low, high) = (low.to_be_bytes(), high.to_be_bytes());
            let from = between(load_port(Side::Source), &low, &high);
            let to = between(load_port(Side::Destination), &low, &high);
            planned(chain, &[&carries(UDP), &from, &to, &accept], "DHCP")
        })
        .collect();
    // RFC 4861 and the reports by which switches know who listens (RFC 2710, RFC 3810).
    let neighbours: [(&[u8], &[u8]); 2] = [(&[130], &[136]), (&[143], &[143])];
    for (low, high) in neighbours {
        let types = between(icmp_type(), low, high);
        rules.push(planned(chain, &[&carries(ICMP_SIX), &types, &accept], "neighbours"));
    }
    if hook == Hook::Input {
        // RFC 1191 and RFC 8201.
        for (protocol, kind) in [(ICMP, 3), (ICMP_SIX, 2)] {
            let kind = [icmp_type(), equal([kind])];
            rules.push(planned(chain, &[&carries(protocol), &kind, &accept], "packet too big"));
        }
    }
    rules
}

/// Why our own session would not go on behind these rules; `None` where it would. Tried before they are made: what the
/// session sends and receives, and a new connection of the same client, in both directions.
pub(super) fn cuts_off(
    rules: &[Planned],
    sets: &BTreeMap<&str, Vec<Vec<u8>>>,
    session: &[Connection],
) -> Option<String> {
    for connection in session {
        let again = Connection {
            remote: std::net::SocketAddr::new(connection.remote.ip(), connection.remote.port() ^ 1),
            ..*connection
        };
        for (what, tried) in [("our session's connection", connection), ("a new login", &again)] {
            for (hook, chain) in [(Hook::Input, "input"), (Hook::Output, "output")] {
                let packet = packet::Packet::of(tried, hook == Hook::Output);
                let expressions = rules
                    .iter()
                    .filter(|rule| rule.chain == chain)
                    .map(|rule| &*rule.expressions);
                if packet.is_dropped(expressions, sets) {
                    let remote = tried.remote.ip();
                    return Some(format!("it would cut off {what} with {remote}"));
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(local: &str, remote: &str) -> Connection {
        Connection {
            local: local.parse().expect("an end"),
            remote: remote.parse().expect("an end"),
        }
    }

    fn everything() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
        BTreeMap::from([(ACTIVE, vec![vec![FAMILY_FOUR], vec![FAMILY_SIX]])])
    }

    #[test]
    fn a_session_goes_on_behind_an_isolation() {
        let four = connection("192.0.2.10:22", "198.51.100.7:50312");
        let six = connection("[2001:db8::10]:22", "[2001:db8::7]:50312");
        let rules = isolation_rules(&[four, six], &[]);
        assert_eq!(cuts_off(&rules, &everything(), &[four, six]), None);
        for other in [
            connection("192.0.2.10:22", "198.51.100.8:50312"),
            connection("192.0.2.10:80", "198.51.100.7:50999"),
            connection("[2001:db8::10]:22", "[2001:db8::8]:50312"),
        ] {
            assert!(cuts_off(&rules, &everything(), &[other]).is_some(), "{other:?}");
            assert_eq!(
                cuts_off(&rules, &BTreeMap::new(), &[other]),
                None,
                "not active: {other:?}"
            );
        }
    }

    #[test]
    fn networks_that_are_kept_go_on() {
        let keep: Vec<Net> = ["203.0.113.0/28", "2001:db8:1::/48", "192.0.2.53"]
            .iter()
            .map(|net| net.parse().expect("a network"))
            .collect();
        let rules = isolation_rules(&[], &keep);
        let rows = [
            ("203.0.113.15:443", false),
            ("203.0.113.16:443", true),
            ("[2001:db8:1:2::3]:443", false),
            ("[2001:db8:2::3]:443", true),
            ("192.0.2.53:53", false),
            ("192.0.2.54:53", true),
        ];
        for (remote, expected) in rows {
            let local = if remote.starts_with('[') {
                "[2001:db8::10]:40000"
            } else {
                "192.0.2.10:40000"
            };
            let cut = cuts_off(&rules, &everything(), &[connection(local, remote)]);
            assert_eq!(cut.is_some(), expected, "{remote}");
        }
    }

    #[test]
    fn blocked_addresses_are_dropped_both_ways() {
        let rules = block_rules();
        let (four, six) = (
            element_of("198.51.100.7".parse().expect("one")),
            element_of("2001:db8::7".parse().expect("one")),
        );
        let sets = BTreeMap::from([(four.0, vec![four.1]), (six.0, vec![six.1])]);
        let rows = [
            ("192.0.2.10:22", "198.51.100.7:50312", true),
            ("192.0.2.10:22", "198.51.100.8:50312", false),
            ("198.51.100.7:22", "192.0.2.10:50312", false),
            ("[2001:db8::10]:22", "[2001:db8::7]:50312", true),
            ("[2001:db8::10]:22", "[2001:db8::8]:50312", false),
        ];
        for (local, remote, expected) in rows {
            let cut = cuts_off(&rules, &sets, &[connection(local, remote)]);
            assert_eq!(cut.is_some(), expected, "{local} {remote}");
        }
    }

    #[test]
    fn a_table_is_ours_by_all_that_is_in_it() {
        let chains = || -> Vec<Chain> {
            let mut chains: Vec<Chain> = HOOKS
                .iter()
                .map(|(hook, name)| Chain {
                    name: name.as_bytes().to_vec(),
                    base: Some((*hook as u32, PRIORITY)),
                })
                .collect();
            chains.sort();
            chains
        };
        let sets = || {
            BLOCK_SETS.map(|(name, key)| Set {
                name: name.as_bytes().to_vec(),
                key: Some(key),
                expires: true,
            })
        };
        let rules = || -> Vec<Rule> {
            let read = |rule: Planned| Rule {
                chain: rule.chain.as_bytes().to_vec(),
                expressions: Some(rule.expressions),
                comment: rule.comment.into_bytes(),
                counted: (3, 180),
            };
            block_rules().into_iter().map(read).collect()
        };
        assert!(is_ours(BLOCK, &chains(), &sets(), &rules(), &BLOCK_SETS));
        let mut more = rules();
        more.push(more[0].clone());
        let mut unmarked = rules();
        unmarked[1].comment = b"allow".to_vec();
        let mut turned = rules();
        turned[2].expressions.as_mut().expect("ours").push(Expression::Accept);
        let mut later = chains();
        later[0].base = Some((Hook::Forward as u32, 0));
        let mut lasting = sets();
        lasting[0].expires = false;
        assert!(!is_ours(BLOCK, &chains(), &sets(), &more, &BLOCK_SETS), "a rule more");
        assert!(
            !is_ours(BLOCK, &chains(), &sets(), &unmarked, &BLOCK_SETS),
            "without our mark"
        );
        assert!(
            !is_ours(BLOCK, &chains(), &sets(), &turned, &BLOCK_SETS),
            "another rule"
        );
        assert!(
            !is_ours(BLOCK, &later, &sets(), &rules(), &BLOCK_SETS),
            "another priority"
        );
        assert!(
            !is_ours(BLOCK, &chains()[1..], &sets(), &rules(), &BLOCK_SETS),
            "a chain less"
        );
        assert!(
            !is_ours(BLOCK, &chains(), &lasting, &rules(), &BLOCK_SETS),
            "a set that lasts"
        );
        assert!(!is_ours(BLOCK, &[], &[], &[], &BLOCK_SETS), "an empty table");
    }
}
