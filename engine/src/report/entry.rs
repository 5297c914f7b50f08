//! How the intruder came in, as far as it was found: which doors are known, and which of them still stand.
//!
//! That a door is shut proves nothing of the others: closed is said only of the way in that somebody named, and only where
//! no known door of the host still stands.

use std::collections::BTreeSet;

use super::changes::Changes;
use super::{Door, Entry, VerifyReport};
use crate::finding::{Bearing, DOOR, Finding};

/// The doors that findings tell of, in their order.
pub(super) fn doors(findings: &[Finding], changes: &Changes, verify: Option<&VerifyReport>) -> Vec<Door> {
    let again = |finding: &Finding| {
        let mut seen = verify.into_iter().flat_map(|verify| &verify.findings);
        let key = finding.artifact.key();
        seen.any(|seen| seen.finding.bearing == Bearing::Returned && seen.finding.artifact.key() == key)
    };
    let settled: BTreeSet<String> = (findings.iter().filter(|finding| changes.settles(&finding.id)))
        .map(|finding| finding.artifact.key())
        .collect();
    let speaks = |finding: &&Finding| matches!(finding.bearing, Bearing::Condemns | Bearing::Review);
    let door = |finding: &Finding| {
        Some(Door {
            finding: finding.id.clone(),
            name: finding.fields.get(DOOR)?.clone(),
            shut: settled.contains(&finding.artifact.key()) && !again(finding),
        })
    };
    findings.iter().filter(speaks).filter_map(door).collect()
}

/// What the doors of a host say of its way in, which somebody may have named.
pub(super) fn entry(doors: &[Door], way_in: Option<&str>) -> Entry {
    let is_it = |door: &Door| way_in.is_some_and(|way_in| plain(way_in) == plain(&door.name));
    match (doors.iter().all(|door| door.shut), doors.iter().any(is_it)) {
        (false, _) => Entry::Open,
        (true, true) => Entry::Closed,
        (true, false) => Entry::Unknown,
    }
}

/// What infected hosts say together.
pub(super) fn together(hosts: impl Iterator<Item = Entry>) -> Entry {
    let hosts: Vec<Entry> = hosts.collect();
    match () {
        () if hosts.contains(&Entry::Open) => Entry::Open,
        () if !hosts.is_empty() && hosts.iter().all(|entry| *entry == Entry::Closed) => Entry::Closed,
        () => Entry::Unknown,
    }
}

/// A name as it is compared: a fingerprint is written with its mark and padding, or without.
fn plain(name: &str) -> &str {
    name.strip_prefix("SHA256:").unwrap_or(name).trim_end_matches('=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Artifact;

    fn door(name: &str, shut: bool) -> Door {
        Door {
            finding: Finding::new(Artifact::Host {}, name, Bearing::Condemns, "").id,
            name: name.to_owned(),
            shut,
        }
    }

    #[test]
    fn closed_is_only_what_was_named_and_is_shut() {
        let key = "SHA256:MkYY9qiVsFGBC5WkjoClCkwEFW5iSjcGQF7m4n4H7Cw";
        let rows: [(&str, &[Door], Option<&str>, Entry); 8] = [
            ("nothing is known", &[], None, Entry::Unknown),
            ("named, but nowhere", &[], Some("toor"), Entry::Unknown),
            ("one stands", &[door("toor", false)], None, Entry::Open),
            (
                "shut, but it may not have been it",
                &[door(key, true)],
                None,
                Entry::Unknown,
            ),
            (
                "shut, and another was it",
                &[door(key, true)],
                Some("toor"),
                Entry::Unknown,
            ),
            (
                "shut, and it was it",
                &[door(key, true)],
                Some(&key[7..]),
                Entry::Closed,
            ),
            (
                "it is shut and another stands",
                &[door(key, true), door("toor", false)],
                Some(key),
                Entry::Open,
            ),
            (
                "it stands in one of two places",
                &[door(key, true), door(key, false)],
                Some(key),
                Entry::Open,
            ),
        ];
        for (name, doors, way_in, expected) in rows {
            assert_eq!(entry(doors, way_in), expected, "{name}");
        }
        use Entry::{Closed, Open, Unknown};
        let rows: [(&[Entry], Entry); 5] = [
            (&[], Unknown),
            (&[Closed, Closed], Closed),
            (&[Closed, Unknown], Unknown),
            (&[Unknown], Unknown),
            (&[Closed, Unknown, Open], Open),
        ];
        for (hosts, expected) in rows {
            assert_eq!(together(hosts.iter().copied()), expected, "{hosts:?}");
        }
    }
}
