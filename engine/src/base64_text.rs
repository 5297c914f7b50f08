//! Base64 of RFC 4648, as SSH writes keys and their fingerprints. Pure.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text of some bytes, without padding.
pub fn unpadded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let at = (word >> (18 - 6 * place)) & 0x3f;
            text.push(char::from(LETTERS[at as usize]));
        }
    }
    text
}

/// The bytes of a text with its padding, or without; `None` for anything else.
pub fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().position(|b| *b == b'=').unwrap_or(text.len());
    let (digits, padding) = text.split_at(end);
    let fits = digits.len() % 4 != 1 && padding.len() <= 2 && padding.iter().all(|b| *b == b'=');
    if !fits {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.chunks(4) {
        let mut word = 0_u32;
        for letter in chunk {
            word = word << 6 | u32::try_from(LETTERS.iter().position(|known| known == letter)?).ok()?;
        }
        word <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&word.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(unpadded(bytes.as_bytes()), text);
            assert_eq!(decoded(text.as_bytes()).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(decoded(b"Zg==").as_deref(), Some(&b"f"[..]));
        for text in [&b"Z"[..], b"Zg===", b"Zg=x", b"Z g", b"Zm9v!"] {
            assert_eq!(decoded(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes: Vec<u8>) {
            prop_assert_eq!(decoded(unpadded(&bytes).as_bytes()), Some(bytes));
        }

        #[test]
        fn any_text_is_read(text: Vec<u8>) {
            let _ = decoded(&text);
        }
    }
}
