//! Forms in which a person writes modes and addresses down.

use crate::query::Peer;

/// Bytes out of an even number of hexadecimal digits.
pub(super) fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return Err("an odd number of hexadecimal digits".to_owned());
    }
    digits
        .chunks(2)
        .map(|pair| {
            let digit = |b: u8| char::from(b).to_digit(16);
            match (digit(pair[0]), digit(pair[1])) {
                (Some(high), Some(low)) => Ok((high << 4 | low) as u8),
                _ => Err("not hexadecimal digits".to_owned()),
            }
        })
        .collect()
}

fn read_peer(text: &str) -> Result<Peer, String> {
    let wrong = || format!("expected ADDRESS:PORT, found `{}`", text.escape_debug());
    let (address, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let address = address
        .strip_prefix('[')
        .and_then(|a| a.strip_suffix(']'))
        .unwrap_or(address);
    let address: std::net::IpAddr = address.parse().map_err(|_| wrong())?;
    Ok(Peer {
        address: address.to_canonical().to_string(),
        port: port.parse().map_err(|_| wrong())?,
    })
}

fn write_peer(peer: &Peer) -> String {
    if peer.address.contains(':') {
        format!("[{}]:{}", peer.address, peer.port)
    } else {
        format!("{}:{}", peer.address, peer.port)
    }
}

/// `192.0.2.10:40112`, `[::]:22`.
pub(super) mod peer {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::query::Peer;

    pub(in super::super) fn serialize<S: Serializer>(peer: &Peer, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::write_peer(peer))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Peer, D::Error> {
        super::read_peer(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The same, or nothing.
pub(super) mod optional_peer {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::query::Peer;

    pub(in super::super) fn serialize<S: Serializer>(peer: &Option<Peer>, serializer: S) -> Result<S::Ok, S::Error> {
        match peer {
            Some(peer) => serializer.serialize_some(&super::write_peer(peer)),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Peer>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| super::read_peer(&text).map_err(de::Error::custom))
            .transpose()
    }
}

/// Permission bits in octal, as a string.
pub(super) mod octal {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in super::super) fn serialize<S: Serializer>(mode: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
        match mode {
            Some(mode) => serializer.serialize_some(&format!("{mode:04o}")),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if mode <= 0o7777 => Ok(Some(mode)),
            _ => Err(de::Error::custom(format!(
                "expected permission bits in octal, such as \"0755\", found `{}`",
                text.escape_debug()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_read_and_written() {
        for (text, address, port, again) in [
            ("192.0.2.10:40112", "192.0.2.10", 40112, "192.0.2.10:40112"),
            ("[::]:22", "::", 22, "[::]:22"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1", 80, "192.0.2.1:80"),
        ] {
            let peer = read_peer(text).expect(text);
            assert_eq!((peer.address.as_str(), peer.port), (address, port), "{text}");
            assert_eq!(write_peer(&peer), again, "{text}");
        }
        for text in ["", "192.0.2.10", "pool.example:3333", "192.0.2.10:99999", ":80"] {
            assert!(read_peer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hexadecimal_digits_are_read() {
        assert_eq!(from_hex("7f454C46"), Ok(b"\x7fELF".to_vec()));
        for text in ["7", "zz", "ä"] {
            assert!(from_hex(text).is_err(), "{text}");
        }
    }
}
