//! Base58Check: a version, a payload of 20 bytes, and the first four bytes of their double SHA-256
//! (`bitcoin/bitcoin: src/base58.cpp`; each coin's `chainparams.cpp` has its versions).

use deminer_worker::text::Digest;

use super::Coin;

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The letters of an address; a longer word is none.
const LETTERS: std::ops::RangeInclusive<usize> = 25..=36;

/// The versions of addresses on the main networks. What coins share, the commoner one has.
const VERSIONS: [(&[u8], Coin); 13] = [
    (&[0x00], Coin::Bitcoin),
    (&[0x05], Coin::Bitcoin),
    (&[0x30], Coin::Litecoin),
    (&[0x32], Coin::Litecoin),
    (&[0x1e], Coin::Dogecoin),
    (&[0x16], Coin::Dogecoin),
    (&[0x4c], Coin::Dash),
    (&[0x10], Coin::Dash),
    (&[0x3c], Coin::Ravencoin),
    (&[0x7a], Coin::Ravencoin),
    (&[0x1c, 0xb8], Coin::Zcash),
    (&[0x1c, 0xbd], Coin::Zcash),
    (&[0x20, 0x89], Coin::Horizen),
];

const PAYLOAD: usize = 20;

/// The coin of an address whose checksum fits.
pub(super) fn coin(word: &str) -> Option<Coin> {
    if !LETTERS.contains(&word.len()) {
        return None;
    }
    let bytes = decoded(word)?;
    let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    let twice = Digest::of(&Digest::of(body).0).0;
    if twice[..4] != *sum {
        return None;
    }
    let fits = |(version, _): &&(&[u8], Coin)| body.len() == version.len() + PAYLOAD && body.starts_with(version);
    VERSIONS.iter().find(fits).map(|(_, coin)| *coin)
}

/// The bytes that a text of the alphabet stands for; each `1` at its beginning is a zero.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut number: Vec<u8> = Vec::with_capacity(text.len());
    for letter in text.bytes() {
        let mut carry = ALPHABET.iter().position(|known| *known == letter)?;
        // Least significant byte first.
        for byte in &mut number {
            carry += usize::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            number.push((carry & 0xff) as u8);
            carry >>= 8;
        }
    }
    let zeros = text.bytes().take_while(|letter| *letter == b'1').count();
    number.extend(std::iter::repeat_n(0, zeros));
    number.reverse();
    Some(number)
}
