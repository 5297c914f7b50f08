//! The host's own addresses and its next hops, by rtnetlink(7).

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::message::{attributes, find, half};
use super::{Kernel, Refused};

/// `RTM_GETADDR`, `RTM_GETROUTE` of linux/rtnetlink.h.
const GET_ADDRESS: u16 = 22;
const GET_ROUTE: u16 = 26;

/// The bytes of `ifaddrmsg` and of `rtmsg`.
const ADDRESS_BODY: usize = 8;
const ROUTE_BODY: usize = 12;

/// `IFA_ADDRESS`, `IFA_LOCAL`.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;

/// `RTA_GATEWAY`, `RTA_MULTIPATH`, `RTA_VIA`.
const GATEWAY: u16 = 5;
const MULTIPATH: u16 = 9;
const VIA: u16 = 18;

/// The bytes of `rtnexthop`.
const NEXT_HOP: usize = 8;

/// The addresses of the host's links, loopback included.
///
/// # Errors
/// When the kernel does not tell.
pub(in crate::platform::linux) fn own_addresses(kernel: &mut Kernel) -> Result<BTreeSet<IpAddr>, Refused> {
    let mut found = BTreeSet::new();
    kernel.dump(
        GET_ADDRESS,
        |body| body.raw(&[0; ADDRESS_BODY]),
        |body| found.extend(own_address(body)),
    )?;
    Ok(found)
}

/// The next hops of the routes to everywhere, of every table.
///
/// # Errors
/// When the kernel does not tell.
pub(in crate::platform::linux) fn gateways(kernel: &mut Kernel) -> Result<BTreeSet<IpAddr>, Refused> {
    let mut found = BTreeSet::new();
    kernel.dump(
        GET_ROUTE,
        |body| body.raw(&[0; ROUTE_BODY]),
        |body| found.extend(default_gateways(body)),
    )?;
    Ok(found)
}

/// The address of one link's; of two ends of a line it is this one.
pub(super) fn own_address(body: &[u8]) -> Option<IpAddr> {
    let all = attributes(body.get(ADDRESS_BODY..)?).ok()?;
    address(find(&all, LOCAL).or_else(|| find(&all, ADDRESS))?)
}

/// The next hops of one route; none unless it leads everywhere.
pub(super) fn default_gateways(body: &[u8]) -> Vec<IpAddr> {
    let is_default = body.get(1) == Some(&0);
    let all = body.get(ROUTE_BODY..).and_then(|rest| attributes(rest).ok());
    let Some(all) = all.filter(|_| is_default) else {
        return Vec::new();
    };
    let mut found: Vec<IpAddr> = next_hop(&all).into_iter().collect();
    let mut hops = find(&all, MULTIPATH).unwrap_or_default();
    while let Some(length) = half(hops, 0).map(usize::from).filter(|length| *length >= NEXT_HOP) {
        let Some(hop) = hops.get(NEXT_HOP..length) else { break };
        found.extend(attributes(hop).ok().and_then(|all| next_hop(&all)));
        hops = hops.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// `RTA_VIA` is a family, then an address.
fn next_hop(all: &[(u16, &[u8])]) -> Option<IpAddr> {
    let via = find(all, VIA).and_then(|via| via.get(2..));
    address(find(all, GATEWAY).or(via)?)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(four));
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(IpAddr::from(sixteen).to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::message::{Body, Writer, messages};
    use super::*;

    fn body(fill: impl FnOnce(&mut Body<'_>)) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.message(0, 0, 0, fill);
        messages(writer.bytes()).expect("one")[0].body.to_vec()
    }

    fn four(text: &str) -> [u8; 4] {
        text.parse::<std::net::Ipv4Addr>().expect("an address").octets()
    }

    #[test]
    fn next_hops_of_routes_to_everywhere() {
        let hop = |address: &str| {
            let mut hop = vec![16, 0, 0, 0, 2, 0, 0, 0];
            hop.extend_from_slice(&[8, 0, 5, 0]);
            hop.extend_from_slice(&four(address));
            hop
        };
        let route = |prefix: u8, fill: &dyn Fn(&mut Body<'_>)| {
            body(|body| {
                body.raw(&[2, prefix, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]);
                fill(body);
            })
        };
        let rows: [(&str, Vec<u8>, &[&str]); 5] = [
            (
                "one",
                route(0, &|b| b.attribute(GATEWAY, &four("192.0.2.1"))),
                &["192.0.2.1"],
            ),
            (
                "to a part",
                route(24, &|b| b.attribute(GATEWAY, &four("192.0.2.1"))),
                &[],
            ),
            ("by a link alone", route(0, &|_| {}), &[]),
            (
                "several",
                route(0, &|b| {
                    b.attribute(MULTIPATH, &[hop("192.0.2.1"), hop("192.0.2.2")].concat())
                }),
                &["192.0.2.1", "192.0.2.2"],
            ),
            (
                "over the other family",
                route(0, &|b| b.attribute(VIA, &[&[10, 0][..], &[0xfe; 16]].concat())),
                &["fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe"],
            ),
        ];
        for (name, body, expected) in rows {
            let found: Vec<String> = default_gateways(&body).iter().map(IpAddr::to_string).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_near_end_of_a_line_is_ours() {
        let line = body(|body| {
            body.raw(&[2, 32, 0, 0, 4, 0, 0, 0]);
            body.attribute(ADDRESS, &four("198.51.100.2"));
            body.attribute(LOCAL, &four("198.51.100.1"));
        });
        assert_eq!(
            own_address(&line).map(|a| a.to_string()).as_deref(),
            Some("198.51.100.1")
        );
    }

    #[test]
    fn this_machine() {
        let mut kernel = Kernel::open(None).expect("every Linux has rtnetlink");
        own_addresses(&mut kernel).expect("anybody may ask");
        gateways(&mut kernel).expect("anybody may ask");
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_readers(bytes: Vec<u8>) {
            let _ = own_address(&bytes);
            prop_assert!(default_gateways(&bytes).len() <= bytes.len());
        }
    }
}
