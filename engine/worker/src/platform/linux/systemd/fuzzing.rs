//! What must hold for the readers of a manager's answers, whatever the bytes are.

use super::wire::{HEAD_BYTES, Message, Reader, length};
use super::{About, PROPERTIES_ASKED, list, variant};

/// A message is bounded by its bytes; so is each list in it.
pub fn manager(bytes: &[u8]) {
    if let Ok(whole) = length(&bytes[..bytes.len().min(HEAD_BYTES)]) {
        assert!(whole >= HEAD_BYTES);
    }
    if let Ok(message) = Message::read(bytes) {
        assert!(message.body.len() + HEAD_BYTES <= bytes.len());
        answer(&message);
    }
    // The same bytes as a body, of each form that is asked for.
    let Ok(mut message) = Message::read(EMPTY_ANSWER) else {
        panic!("an answer of ours is one")
    };
    message.body = bytes.to_vec();
    for signature in [&b"a(ssssssouso)"[..], b"v"] {
        message.signature = signature.to_vec();
        answer(&message);
    }
}

/// An answer without a body: little endian, a return, version 1, serial 1, no fields.
const EMPTY_ANSWER: &[u8] = b"l\x02\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00";

fn answer(message: &Message) {
    if let Ok((listed, _)) = list(message) {
        assert!(
            listed
                .iter()
                .map(|unit| unit.name.len() + unit.object.len())
                .sum::<usize>()
                <= message.body.len()
        );
    }
    let mut about = About::default();
    for property in PROPERTIES_ASKED {
        let _ = about.take_in(property, message);
    }
    assert!(about.drop_ins.iter().map(|path| path.as_bytes().len()).sum::<usize>() <= message.body.len());
    for kind in [&b"t"[..], b"u", b"s", b"as", b"b"] {
        let Ok(mut reader) = variant(message, kind) else {
            continue;
        };
        let _ = (reader.clone().u64(), reader.clone().string());
        if let Ok(strings) = reader.strings() {
            assert!(strings.len() <= message.body.len());
        }
    }
    let _ = Reader::new(&message.body).signature();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn manager_holds(bytes: Vec<u8>, at in 0_usize..16, byte: u8) {
            manager(&bytes);
            let mut like = [EMPTY_ANSWER, &bytes].concat();
            like[at] = byte;
            manager(&like);
        }
    }
}
