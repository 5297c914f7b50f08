//! What must hold for every reader of bytes that a host may have had a hand in, whatever the bytes are: the properties that
//! the tests here and the targets in `fuzz/` share. Compiled for those only.
//!
//! Each function takes the bytes of one input and panics where a property is broken. `fuzz/README.md` says which parser
//! stands under which.

use crate::approval::namespace;
use crate::host::recorded;
use crate::journal::read::{ChainEnd, read_lines};
use crate::plan::Plan;

/// Captured answers: what is read is written as what reads as the same.
pub fn captures(bytes: &[u8]) {
    recorded::reads_back(bytes);
}

/// Journals and plans on disk: an event has a whole line of its own, and a plan is exactly its bytes.
pub fn files(bytes: &[u8]) {
    let chain = read_lines(bytes).expect("bytes in memory can be read");
    let whole = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert!(chain.lines <= whole);
    assert_eq!(chain.events.len() as u64 + chain.skipped, chain.lines);
    match chain.end {
        ChainEnd::Whole => assert_eq!(chain.lines, whole),
        ChainEnd::Torn { bytes: torn } => assert!(torn > 0 && torn <= bytes.len() as u64),
        ChainEnd::Broken { line, .. } => assert_eq!(line, chain.lines + 1),
    }
    if let Ok(plan) = Plan::read(bytes) {
        assert_eq!(plan.write(), bytes);
    }
}

/// Signatures of approvals: what one is for is a part of it.
pub fn signatures(bytes: &[u8]) {
    assert!(namespace(bytes).is_none_or(|found| found.len() < bytes.len()));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn captures_hold(bytes: Vec<u8>) {
            captures(&bytes);
        }

        #[test]
        fn files_hold(bytes: Vec<u8>, text in "(\\{|\\}|\"prev\":|\"event\":|\"seq\":|\"1\"|,|\n){0,30}") {
            files(&bytes);
            files(text.as_bytes());
        }

        #[test]
        fn signatures_hold(bytes: Vec<u8>, text in "U1NIU0lHAAAAAQ[A-Za-z0-9+/=\n]{0,80}") {
            signatures(&bytes);
            signatures(format!("-----BEGIN SSH SIGNATURE-----{text}-----END SSH SIGNATURE-----").as_bytes());
        }
    }
}
