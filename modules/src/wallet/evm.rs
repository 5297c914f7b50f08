//! Addresses of Ethereum and its like: 40 hexadecimal digits, whose letter case is a checksum where it is mixed
//! (ERC-55).

use tiny_keccak::{Hasher, Keccak};

use super::Proof;

/// What proves an address; `None` for what is none, or whose mixed case does not fit.
pub(super) fn proof(word: &str) -> Option<Proof> {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"))?;
    if digits.len() != 40 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let has = |test: fn(&u8) -> bool| digits.as_bytes().iter().any(test);
    if !(has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)) {
        return Some(Proof::Form);
    }
    let lower = digits.to_ascii_lowercase();
    let mut hash = [0; 32];
    let mut keccak = Keccak::v256();
    keccak.update(lower.as_bytes());
    keccak.finalize(&mut hash);
    let is_upper = |at: usize| {
        let byte = hash[at / 2];
        let half = if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
        half >= 8
    };
    let fits = digits
        .bytes()
        .enumerate()
        .all(|(at, b)| b.is_ascii_digit() || b.is_ascii_uppercase() == is_upper(at));
    fits.then_some(Proof::Checksum)
}
