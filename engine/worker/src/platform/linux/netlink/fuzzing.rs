//! What must hold for the readers of netlink messages, whatever the bytes are.

use super::error_of;
use super::filter::{read_chain, read_elements, read_rule, read_set};
use super::message::{Writer, attributes, find, messages, number, text, wide};
use super::route::{default_gateways, own_address};

/// Messages and attributes are parts of the datagram, and those that are written again read as the same.
pub fn netlink(bytes: &[u8]) {
    if let Ok(found) = messages(bytes) {
        assert!(found.iter().map(|message| message.body.len()).sum::<usize>() <= bytes.len());
        for message in found {
            let _ = error_of(&message);
            body(message.body);
        }
    }
    body(bytes);
}

fn body(bytes: &[u8]) {
    if let Ok(found) = attributes(bytes) {
        assert!(found.iter().map(|(_, value)| value.len()).sum::<usize>() <= bytes.len());
        let mut writer = Writer::default();
        writer.message(0, 0, 0, |body| {
            for (kind, value) in &found {
                body.attribute(*kind, value);
            }
        });
        let again = messages(writer.bytes()).expect("what was written can be read");
        assert_eq!(attributes(again[0].body).expect("what was written can be read"), found);
        let value = find(&found, 1).unwrap_or_default();
        assert!(text(value).len() <= value.len());
        let _ = (number(value), wide(value));
    }
    for table in ["deminer", "t"] {
        let _ = (
            read_chain(bytes, table),
            read_set(bytes, table),
            read_rule(bytes, table),
        );
    }
    if let Ok(Some(elements)) = read_elements(bytes) {
        assert!(elements.iter().map(|element| element.key.len()).sum::<usize>() <= bytes.len());
    }
    let _ = own_address(bytes);
    assert!(default_gateways(bytes).len() <= bytes.len());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn netlink_holds(bytes: Vec<u8>, parts: Vec<(u8, Vec<u8>)>) {
            netlink(&bytes);
            let mut writer = Writer::default();
            writer.message(6, 0, 1, |body| {
                body.raw(&[1, 0, 0, 0]);
                body.text(1, "t");
                for (kind, value) in &parts {
                    body.nested(u16::from(*kind % 8), |list| list.attribute(1, value));
                }
            });
            netlink(writer.bytes());
        }
    }
}
