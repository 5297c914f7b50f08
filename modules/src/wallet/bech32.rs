//! Addresses of 32 letters with a checksum by a polynomial: Bech32 and Bech32m (BIP-173, BIP-350), and the longer one of
//! CashAddr, which Kaspa uses (`kaspanet/rusty-kaspa: crypto/addresses`).

use super::Coin;

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
const BECH32: u32 = 1;
const BECH32M: u32 = 0x2bc8_30a3;
const CASH_GENERATOR: [u64; 5] = [
    0x98_f2bc_8e61,
    0x79_b76d_99e2,
    0xf3_3e5f_b3c4,
    0xae_2eab_e2a8,
    0x1e_4f43_e470,
];

/// Prefixes of the main networks.
const PREFIXES: [(&str, Coin); 2] = [("bc", Coin::Bitcoin), ("ltc", Coin::Litecoin)];

const KASPA: &str = "kaspa:";

/// The longest address of either form.
const LETTERS: usize = 90;

/// The coin of an address whose checksum fits. Letters of both cases in one address make it none.
pub(super) fn coin(word: &str) -> Option<Coin> {
    let has = |test: fn(&u8) -> bool| word.as_bytes().iter().any(test);
    if word.len() > LETTERS || has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let (prefix, coin) = PREFIXES.into_iter().find(|(prefix, _)| {
        let behind = word.strip_prefix(prefix);
        behind.is_some_and(|behind| behind.starts_with('1'))
    })?;
    let data = values(&word[prefix.len() + 1..])?;
    // A version, a program of 20 or 32 bytes, and the checksum.
    if !matches!(data.len(), 39 | 59) {
        return None;
    }
    let wanted = if data[0] == 0 { BECH32 } else { BECH32M };
    let expanded = prefix
        .bytes()
        .map(|b| b >> 5)
        .chain([0])
        .chain(prefix.bytes().map(|b| b & 31));
    (polymod(expanded.chain(data)) == wanted).then_some(coin)
}

/// Whether it is an address of Kaspa's main network, with its prefix.
pub(super) fn is_kaspa(word: &str) -> bool {
    let Some(data) = word
        .strip_prefix(KASPA)
        .filter(|rest| rest.len() <= LETTERS)
        .and_then(values)
    else {
        return false;
    };
    let prefix = KASPA.bytes().take(KASPA.len() - 1).map(|b| b & 31).chain([0]);
    matches!(data.len(), 61 | 63) && cash_polymod(prefix.chain(data)) == 0
}

fn values(text: &str) -> Option<Vec<u8>> {
    let value = |letter: u8| {
        let at = ALPHABET.iter().position(|known| *known == letter)?;
        u8::try_from(at).ok()
    };
    text.bytes().map(value).collect()
}

fn polymod(values: impl Iterator<Item = u8>) -> u32 {
    values.fold(1_u32, |sum, value| {
        let top = sum >> 25;
        let sum = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        let terms = GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1);
        terms.fold(sum, |sum, (_, term)| sum ^ term)
    })
}

fn cash_polymod(values: impl Iterator<Item = u8>) -> u64 {
    let sum = values.fold(1_u64, |sum, value| {
        let top = sum >> 35;
        let sum = (sum & 0x07_ffff_ffff) << 5 ^ u64::from(value);
        let terms = CASH_GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1);
        terms.fold(sum, |sum, (_, term)| sum ^ term)
    });
    sum ^ 1
}
