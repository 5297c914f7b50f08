//! Hosts as they are named on a command line and on the way to others: `user@host:port`, `ssh://user@host:port`.

use std::net::Ipv6Addr;

use super::name::{self, BadName};
use super::reach::Hop;

/// What the text of a destination may be.
const HELP: &str = "write `host`, `user@host`, `user@host:2222`, `ssh://user@host:2222` or `[2001:db8::1]:2222`";

fn bad(why: impl Into<String>) -> BadName {
    BadName {
        why: why.into(),
        help: HELP,
    }
}

/// Reads one destination.
///
/// # Errors
/// When a part of it is no name; see [`name`].
pub fn destination(text: &str) -> Result<Hop, BadName> {
    let rest = match text.strip_prefix("ssh://") {
        Some(rest) => rest.strip_suffix('/').unwrap_or(rest),
        None => text,
    };
    // The last `@`: a user may hold one.
    let (user, place) = match rest.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, rest),
    };
    let (address, port) = place_and_port(place)?;
    if let Some(user) = user {
        name::user(user).map_err(|e| bad(format!("the user {}", e.why)))?;
    }
    name::address(address).map_err(|e| bad(e.why))?;
    Ok(Hop {
        user: user.map(str::to_owned),
        address: address.to_owned(),
        port,
    })
}

/// Reads destinations in a row, as `ProxyJump` of ssh_config(5) has them; `none` is no hop.
///
/// # Errors
/// When one is none.
pub(super) fn hops(text: &str) -> Result<Vec<Hop>, BadName> {
    match text.trim() {
        "none" => Ok(Vec::new()),
        text => text.split(',').map(|hop| destination(hop.trim())).collect(),
    }
}

/// Parts a port from a name or an address; an IPv6 address with a port stands in brackets.
fn place_and_port(place: &str) -> Result<(&str, Option<u16>), BadName> {
    if let Some(inside) = place.strip_prefix('[') {
        let (address, behind) = inside.split_once(']').ok_or_else(|| bad("a `[` has no `]`"))?;
        return match behind.strip_prefix(':') {
            Some(digits) => Ok((address, Some(port(digits)?))),
            None if behind.is_empty() => Ok((address, None)),
            None => Err(bad("something stands behind the `]`")),
        };
    }
    if place.parse::<Ipv6Addr>().is_ok() {
        return Ok((place, None));
    }
    match place.rsplit_once(':') {
        Some((address, digits)) => Ok((address, Some(port(digits)?))),
        None => Ok((place, None)),
    }
}

/// Reads a port: 1 to 65535.
fn port(digits: &str) -> Result<u16, BadName> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse() {
        Ok(port) if all_digits && port > 0 => Ok(port),
        _ => Err(bad("its port is no number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn destinations_are_read_and_written() {
        let table = [
            ("web-1", (None, "web-1", None), "web-1"),
            ("root@web-1", (Some("root"), "web-1", None), "root@web-1"),
            (
                "root@web-1:2222",
                (Some("root"), "web-1", Some(2222)),
                "root@web-1:2222",
            ),
            (
                "ssh://root@web-1:22/",
                (Some("root"), "web-1", Some(22)),
                "root@web-1:22",
            ),
            ("2001:db8::1", (None, "2001:db8::1", None), "[2001:db8::1]"),
            (
                "a@[2001:db8::1]:22",
                (Some("a"), "2001:db8::1", Some(22)),
                "a@[2001:db8::1]:22",
            ),
            ("j@corp@web", (Some("j@corp"), "web", None), "j@corp@web"),
        ];
        for (text, (user, address, port), written) in table {
            let hop = destination(text).unwrap_or_else(|e| panic!("{text}: {}", e.why));
            assert_eq!(
                (hop.user.as_deref(), hop.address.as_str(), hop.port),
                (user, address, port),
                "{text}"
            );
            assert_eq!(hop.to_string(), written, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let texts = [
            "",
            "@",
            "root@",
            "@web",
            "-oProxyCommand=x",
            "root@-x",
            "-x@web",
            "web:0",
            "web:65536",
            "web:",
            "web:+22",
            "web:2:3",
            "[::1",
            "[::1]x",
            "[web",
            "ssh://",
            "ssh://web/x",
            "web;id",
            "$(id)@web",
            "web 1",
            "fe80::1%eth0",
        ];
        for text in texts {
            assert!(destination(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn hops_in_a_row() {
        assert_eq!(hops("none").unwrap(), []);
        let two = hops("a@one:2222, two").unwrap();
        assert_eq!(
            two.iter().map(Hop::to_string).collect::<Vec<_>>(),
            ["a@one:2222", "two"]
        );
        assert!(hops("one,,two").is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_holds_nothing_that_a_shell_obeys(text in "\\PC{0,30}") {
            if let Ok(hop) = destination(&text) {
                let written = hop.to_string();
                prop_assert!(!written.starts_with('-'));
                let harmless = |c: char| c.is_ascii_alphanumeric() || "-_.+@:[]".contains(c);
                prop_assert!(written.chars().all(harmless));
                prop_assert_eq!(destination(&written).unwrap(), hop);
            }
        }
    }
}
