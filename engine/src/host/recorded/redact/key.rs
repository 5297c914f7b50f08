//! Keys become others of the same kind and length; comments behind them go. Keys that public texts know stay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use deminer_worker::text::Digest;
use regex::bytes::{Captures, Regex};

use crate::base64_text::{decoded, unpadded};

/// As authorized_keys of sshd(8) has them: kind, key, and a comment to the end of the line.
static PUBLIC: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u)((?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-[a-z0-9-]+|sk-[a-z0-9@.-]+)[ \t]+)(AAAA[A-Za-z0-9+/]+)(={0,2})([^\n\x00]*)")
        .expect("a constant that is tested")
});

static PRIVATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u)(-----BEGIN [A-Z ]*PRIVATE KEY-----\n)([A-Za-z0-9+/=\n]+)").expect("a constant that is tested")
});

static FINGERPRINT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?-u)SHA256:([A-Za-z0-9+/]{43})").expect("a constant that is tested"));

/// The pseudonyms of keys.
pub(super) struct Keys {
    /// Fingerprints that may stay.
    known: BTreeSet<Vec<u8>>,
    changed: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Of the fingerprints of keys that were changed.
    prints: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Keys {
    pub(super) fn but(public: &[&str]) -> Keys {
        let known = public
            .iter()
            .flat_map(|text| FINGERPRINT.captures_iter(text.as_bytes()));
        Keys {
            known: known.map(|found| found[1].to_vec()).collect(),
            changed: BTreeMap::new(),
            prints: BTreeMap::new(),
        }
    }

    pub(super) fn table(&self) -> impl Iterator<Item = (String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.changed.iter().map(move |(one, other)| (text(one), text(other)))
    }

    pub(super) fn change(&mut self, bytes: &[u8]) -> Vec<u8> {
        let bytes = PUBLIC.replace_all(bytes, |found: &Captures<'_>| {
            let Some(key) = decoded(&found[2]).filter(|key| !self.known.contains(&fingerprint(key))) else {
                return found[0].to_vec();
            };
            let new = other(&key);
            let text = unpadded(&new).into_bytes();
            self.prints.insert(fingerprint(&key), fingerprint(&new));
            self.changed.insert(found[2].to_vec(), text.clone());
            // A comment is a person's name and a host's as a rule.
            let comment: Vec<u8> = found[4]
                .iter()
                .map(|b| if b.is_ascii_whitespace() { *b } else { b'x' })
                .collect();
            [&found[1], &text, &found[3], &comment].concat()
        });
        let bytes = PRIVATE.replace_all(&bytes, |found: &Captures<'_>| {
            let body: Vec<u8> = found[2]
                .iter()
                .map(|b| if *b == b'\n' { b'\n' } else { b'A' })
                .collect();
            [&found[1], &body[..]].concat()
        });
        let bytes = FINGERPRINT.replace_all(&bytes, |found: &Captures<'_>| match self.prints.get(&found[1]) {
            Some(print) => [b"SHA256:", &print[..]].concat(),
            None => found[0].to_vec(),
        });
        bytes.into_owned()
    }
}

fn fingerprint(key: &[u8]) -> Vec<u8> {
    unpadded(&Digest::of(key).0).into_bytes()
}

/// A key of the same form: of its parts (RFC 4251, section 5) the first, its kind, stays, and so do short ones, exponents.
fn other(key: &[u8]) -> Vec<u8> {
    let mut new = key.to_vec();
    let seed = Digest::of(&[b"pseudonym ".as_slice(), key].concat());
    let mut at = 0;
    let mut part = 0;
    while let Some(length) = key.get(at..at + 4) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let (from, to) = (at + 4, (at + 4).saturating_add(length).min(key.len()));
        if part > 0 && length > 4 {
            // The first byte says how a number is meant.
            for (place, byte) in new[from..to].iter_mut().enumerate().skip(1) {
                *byte = seed.0[place % 32] ^ (place / 32) as u8;
            }
        }
        at = to;
        part += 1;
        if length == 0 {
            break;
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_others_of_the_same_form() {
        let mut key = Vec::new();
        for part in [b"ssh-ed25519".as_slice(), &[7; 32]] {
            key.extend_from_slice(&(part.len() as u32).to_be_bytes());
            key.extend_from_slice(part);
        }
        let (text, print) = (unpadded(&key), String::from_utf8(fingerprint(&key)).expect("base64"));
        let line = format!("no-pty ssh-ed25519 {text} alice@laptop\nSHA256:{print}\n");
        let mut keys = Keys::but(&[]);
        let now = String::from_utf8(keys.change(line.as_bytes())).expect("text");
        assert_eq!(now.len(), line.len());
        assert!(now.contains("no-pty ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"), "{now}");
        for gone in [&text, &print, "alice", "laptop"] {
            assert!(!now.contains(gone), "{now}");
        }
        let again = String::from_utf8(keys.change(line.as_bytes())).expect("text");
        assert_eq!(now, again, "the same each time");
        let known = format!("- SHA256:{print}");
        assert_eq!(
            Keys::but(&[&known]).change(line.as_bytes()),
            line.as_bytes(),
            "a known key stays"
        );
    }
}
