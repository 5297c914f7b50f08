//! Wallet addresses that prove themselves.
//!
//! Monero: base58 in blocks of 8 bytes, network byte 18 (standard), 19 (integrated) or 42 (subaddress), the last four
//! bytes are Keccak-256 of the rest (`monero-project/monero: src/cryptonote_basic/cryptonote_basic_impl.cpp`).

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

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[1-9A-HJ-NP-Za-km-z]{90,110}") {
            monero(&bytes);
            evm_with_worker(&bytes);
            prop_assert!(monero(text.as_bytes()).is_none());
        }
    }
}
