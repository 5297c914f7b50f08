//! Wallet addresses that prove themselves.
//!
//! Monero: base58 in blocks of 8 bytes, network byte 18 (standard), 19 (integrated) or 42 (subaddress), the last four
//! bytes are Keccak-256 of the rest (`monero-project/monero: src/cryptonote_basic/cryptonote_basic_impl.cpp`). Others prove
//! themselves by Base58Check, Bech32 or the case of their letters; what proves nothing is told as that.

use deminer_worker::text::HostBytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod base58;
mod bech32;
mod evm;

/// A coin, by the form of its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Coin {
    /// Monero.
    Monero,
    /// Bitcoin.
    Bitcoin,
    /// Litecoin.
    Litecoin,
    /// Dogecoin.
    Dogecoin,
    /// Dash.
    Dash,
    /// Ravencoin.
    Ravencoin,
    /// Zcash, transparent.
    Zcash,
    /// Horizen.
    Horizen,
    /// Kaspa.
    Kaspa,
    /// Ethereum, Ethereum Classic or another with the same form.
    Ethereum,
}

/// What proves an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Its checksum fits.
    Checksum,
    /// Nothing but its form: digits of one letter case.
    Form,
}

/// An address that somebody is paid at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Wallet {
    /// The coin.
    pub coin: Coin,
    /// The address, suffixes of workers and pools left out.
    pub address: HostBytes,
    /// What proves it.
    pub proof: Proof,
}

/// The longest word that is looked into.
const WORD_BYTES: usize = 1 << 10;

/// The first wallet in a word: prefixes (`XMR:`) and suffixes (`.worker`, `+50000`, `/mail`) are left out.
pub(crate) fn find(word: &[u8]) -> Option<Wallet> {
    let word = &word[..word.len().min(WORD_BYTES)];
    let wallet = |coin, address: &str, proof| Wallet {
        coin,
        address: HostBytes::from(address),
        proof,
    };
    if let Some(at) = word.windows(6).position(|run| run == b"kaspa:") {
        let end = word[at + 6..].iter().position(|b| !b.is_ascii_alphanumeric());
        let end = end.map_or(word.len(), |end| at + 6 + end);
        let address = std::str::from_utf8(&word[at..end]).ok();
        if let Some(address) = address.filter(|address| bech32::is_kaspa(address)) {
            return Some(wallet(Coin::Kaspa, address, Proof::Checksum));
        }
    }
    words(word).find_map(|run| {
        if is_monero(run) {
            return Some(wallet(Coin::Monero, run, Proof::Checksum));
        }
        let checked = base58::coin(run).or_else(|| bech32::coin(run));
        match checked {
            Some(coin) => Some(wallet(coin, run, Proof::Checksum)),
            None => evm::proof(run).map(|proof| wallet(Coin::Ethereum, run, proof)),
        }
    })
}

/// The Monero address in a word, worker, difficulty and mail suffixes (`.rig1`, `+50000`, `/mail`) left out.
pub(crate) fn monero(word: &[u8]) -> Option<&str> {
    words(word).find(|candidate| is_monero(candidate))
}

/// Whether it is a Monero address of the main network, by its checksum.
fn is_monero(address: &str) -> bool {
    let payload = match address.len() {
        95 => 65,
        106 => 73,
        _ => return false,
    };
    let Ok(bytes) = base58_monero::decode_check(address) else {
        return false;
    };
    bytes.len() == payload && matches!((bytes[0], payload), (18 | 42, 65) | (19, 73))
}

/// The Ethereum address in a word, where a worker's name follows it as pools take it: `0x` and 40 digits, `.worker`.
pub(crate) fn evm_with_worker(word: &[u8]) -> Option<&str> {
    let word = std::str::from_utf8(word).ok()?;
    let at = word.find("0x")?;
    let (address, rest) = word[at..].split_at_checked(42)?;
    let worker = rest.strip_prefix('.')?;
    let hexadecimal = address[2..].bytes().all(|b| b.is_ascii_hexdigit());
    (hexadecimal && worker.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())).then_some(address)
}

/// The runs of letters and digits in a word.
fn words(word: &[u8]) -> impl Iterator<Item = &str> {
    word.split(|b| !b.is_ascii_alphanumeric())
        .filter_map(|run| std::str::from_utf8(run).ok())
}

#[cfg(test)]
pub(crate) const EXAMPLE: &str =
    "888tNkZrPN6JsEgekjMnABU4TBzc2Dt29EPAvkRxbANsAnjyPbb3iQ1YBRk1UXcdRsiKc9dhwMVgN5S9cQUiyoogDavup3H";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wallets() {
        let mut wrong = EXAMPLE.to_owned();
        wrong.replace_range(50..51, if &EXAMPLE[50..51] == "a" { "b" } else { "a" });
        let rows = [
            ("the project's donation address", EXAMPLE.to_owned(), true),
            ("with a worker", format!("{EXAMPLE}.rig-1"), true),
            ("with a difficulty", format!("{EXAMPLE}+50000"), true),
            ("inside an option", format!("--user={EXAMPLE}"), true),
            ("one letter changed", wrong, false),
            ("cut", EXAMPLE[..94].to_owned(), false),
            ("letters of the right number", "4".repeat(95), false),
            ("empty", String::new(), false),
            ("short", "4".to_owned(), false),
        ];
        for (name, word, expected) in rows {
            assert_eq!(monero(word.as_bytes()).is_some(), expected, "{name}");
        }
    }

    #[test]
    fn integrated_addresses() {
        let mut bytes = vec![19];
        bytes.extend((0..72).map(|n| n as u8));
        let address = base58_monero::encode_check(&bytes).unwrap();
        assert_eq!(address.len(), 106);
        assert!(monero(address.as_bytes()).is_some());
    }

    #[test]
    fn evm_addresses_need_a_worker() {
        let address = "0x52908400098527886E0F7030069857D2E4169EE7";
        assert!(evm_with_worker(format!("{address}.rig1").as_bytes()).is_some());
        assert!(evm_with_worker(format!("ETH:{address}.rig1").as_bytes()).is_some());
        assert!(evm_with_worker(address.as_bytes()).is_none());
        assert!(evm_with_worker(b"0x52.json").is_none());
    }

    #[test]
    fn wallets_of_other_coins() {
        // Of the specifications of the forms themselves, and the addresses of keys that are zero.
        let rows = [
            (
                "17VZNX1SN5NtKa8UQFxwQbFeFc3iqRYhem",
                Some((Coin::Bitcoin, Proof::Checksum)),
            ),
            (
                "3EktnHQD7RiAE6uzMj2ZifT9YgRrkSgzQX",
                Some((Coin::Bitcoin, Proof::Checksum)),
            ),
            ("17VZNX1SN5NtKa8UQFxwQbFeFc3iqRYhen", None),
            (
                "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
                Some((Coin::Bitcoin, Proof::Checksum)),
            ),
            (
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                Some((Coin::Bitcoin, Proof::Checksum)),
            ),
            (
                "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
                Some((Coin::Bitcoin, Proof::Checksum)),
            ),
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", None),
            ("bc1Qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", None),
            (
                "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
                Some((Coin::Ethereum, Proof::Checksum)),
            ),
            (
                "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359.rig1",
                Some((Coin::Ethereum, Proof::Checksum)),
            ),
            ("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", None),
            (
                "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
                Some((Coin::Ethereum, Proof::Form)),
            ),
            (
                "kaspa:qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqkx9awp4e",
                Some((Coin::Kaspa, Proof::Checksum)),
            ),
            (
                "kaspa:qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqkx9awp4f",
                None,
            ),
            ("stratum+tcp://pool.example:3333", None),
            ("da39a3ee5e6b4b0d3255bfef95601890afd80709", None),
        ];
        for (word, expected) in rows {
            let told = find(word.as_bytes()).map(|wallet| (wallet.coin, wallet.proof));
            assert_eq!(told, expected, "{word}");
        }
        let told = find(format!("XMR:{EXAMPLE}.rig1#ref").as_bytes()).expect("a wallet");
        assert_eq!((told.coin, told.address), (Coin::Monero, EXAMPLE.into()));
    }

    proptest! {
        #[test]
        fn no_word_panics(bytes: Vec<u8>, text in "(bc1|ltc1|kaspa:|0x|[1LRtD3])[a-zA-Z0-9]{0,70}") {
            find(&bytes);
            let told = find(text.as_bytes());
            prop_assert!(told.is_none_or(|wallet| wallet.proof == Proof::Form || wallet.address.len() > 20));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[1-9A-HJ-NP-Za-km-z]{90,110}") {
            monero(&bytes);
            evm_with_worker(&bytes);
            prop_assert!(monero(text.as_bytes()).is_none());
        }
    }
}
