//! What must hold for the readers of arguments and indicators, whatever the bytes are.

use std::sync::LazyLock;

use super::arguments::signals;
use super::indicators::{Endpoint, Indicators};
use super::rules::{Rules, shipped};
use deminer_worker::query::Peer;

static RULES: LazyLock<Rules> = LazyLock::new(shipped);

/// What arguments say, words parted by NUL bytes, the first also an indicator: no signal twice, and what is told can be
/// shown on a terminal.
pub fn arguments(bytes: &[u8]) {
    let argv: Vec<Vec<u8>> = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    let text = String::from_utf8_lossy(&argv[0]).into_owned();
    let indicators = Indicators::new(std::slice::from_ref(&text), std::slice::from_ref(&text));
    let seen = signals(&argv, &RULES.lists, &indicators);
    for (at, one) in seen.iter().enumerate() {
        assert!(seen[..at].iter().all(|other| other.signal != one.signal));
    }
    let Some(endpoint) = Endpoint::read(&text) else { return };
    for word in &argv {
        endpoint.is_named(word);
        endpoint.is_at(&Peer {
            address: String::from_utf8_lossy(word).into_owned(),
            port: 1,
        });
    }
}
