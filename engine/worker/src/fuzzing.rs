//! What must hold for every parser of bytes from a host, whatever the bytes are: the properties that the tests here and
//! the targets in `fuzz/` share. Compiled for those only.
//!
//! Each function takes the bytes of one input and panics where a property is broken. `fuzz/README.md` says which parser
//! stands under which.

use crate::accounts::{self, Books, Met};
use crate::action::{AccountTarget, LineTarget};
use crate::frame::{self, Incoming, ToWorker};
use crate::lines::{self, Located};
use crate::network::Net;
use crate::query::Coverage;
use crate::text::{HostBytes, HostPath};
use crate::{journal, shadow, sudoers, unit_name};

pub use crate::platform::linux::fuzzing::{
    dpkg, manager, netlink, process_tables, resources, rpm, system_tables, taken_lines,
};

/// How many lines a text has, an empty last one counted.
pub(crate) fn line_count(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count()
}

/// Frames in both directions: what is read is written as what reads as the same.
pub fn frames(bytes: &[u8]) {
    if let Ok(Incoming::Message(message)) = frame::decode_incoming(bytes) {
        let mut sent = Vec::new();
        frame::send_message(&mut sent, &message).expect("what was read can be sent");
        let again = frame::receive_incoming(&mut &sent[..]).expect("what was sent can be read");
        assert_eq!(again, Incoming::Message(message));
    }
    let mut rest = bytes;
    while let Ok(incoming) = frame::receive_incoming(&mut rest) {
        let mut sent = Vec::new();
        match &incoming {
            Incoming::Message(message) => frame::send_message(&mut sent, message),
            Incoming::Piece { number, bytes } => frame::send_piece(&mut sent, *number, bytes),
        }
        .expect("what was read can be sent");
        let again = frame::receive_incoming(&mut &sent[..]).expect("what was sent can be read");
        assert_eq!(again, incoming);
    }
    let mut rest = bytes;
    while let Ok(order) = frame::receive_order(&mut rest) {
        if matches!(order, ToWorker::Piece(_)) {
            continue;
        }
        let mut sent = Vec::new();
        frame::send_message(&mut sent, &order).expect("what was read can be sent");
        let again = frame::receive_order(&mut &sent[..]).expect("what was sent can be read");
        assert_eq!(again, order);
    }
}

/// A host's journal: its records count up from 1, are no more than its lines, and read as the same when written again.
pub fn host_journal(bytes: &[u8]) {
    let records = journal::read(bytes);
    assert!(records.len() < line_count(bytes));
    let mut written = Vec::new();
    for (record, seq) in records.iter().zip(1..) {
        assert_eq!(record.seq.0, seq);
        serde_json::to_writer(&mut written, record).expect("what was read can be written");
        written.push(b'\n');
    }
    assert_eq!(journal::read(&written), records);
}

/// Passwd, shadow and group, parted by a NUL byte: each account is that of a line, and is met again; a lock changes its own
/// line only and is taken back byte for byte.
pub fn account_books(bytes: &[u8]) {
    let mut parts = bytes.splitn(5, |byte| *byte == 0);
    let passwd = parts.next().unwrap_or_default();
    let books = Books {
        passwd,
        shadow: parts.next(),
        group: parts.next(),
        passwd_before: parts.next(),
        shadow_before: parts.next(),
    };
    let all: Vec<&[u8]> = passwd.split(|byte| *byte == b'\n').collect();
    let found = accounts::accounts(&books, &mut Coverage::whole());
    assert!(found.len() <= all.len());
    for account in &found {
        let line = all[account.number as usize - 1];
        let target = AccountTarget {
            name: account.name.clone(),
            uid: account.uid,
            line_sha256: accounts::line_digest(line),
        };
        assert_eq!(account.line_sha256, Some(target.line_sha256));
        assert!(matches!(accounts::meet(passwd, &target), Met::There | Met::Twice));
        locks(passwd, books.shadow.unwrap_or_default(), account.name.as_bytes());
    }
    let _ = accounts::login_names(bytes.split(|byte| *byte == 0)).count();
}

fn locks(passwd: &[u8], text: &[u8], name: &[u8]) {
    let Ok(own) = shadow::own_password(passwd, name) else {
        return;
    };
    let Ok(Some(locked)) = shadow::lock(text, name, own) else {
        return;
    };
    let prefix = [name, b":"].concat();
    let others = |text: &[u8]| -> Vec<Vec<u8>> {
        let lines = text.split(|byte| *byte == b'\n');
        let others = lines.filter(|line| !line.is_empty() && !line.starts_with(&prefix));
        others.map(<[u8]>::to_vec).collect()
    };
    assert_eq!(others(&locked.text), others(text));
    let undone = shadow::unlock(&locked.text, name, &locked.former).expect("it is as the lock left it");
    let back = undone.shadow.expect("something was locked");
    // A text whose last line was open was ended before a line was added.
    assert!(back == text || (locked.former.added && back.strip_suffix(b"\n") == Some(text)));
    assert_eq!(undone.own.as_deref(), own);
}

/// Sudoers: its groups are the lines of the text, in order; nothing taken out leaves it whole, everything too.
pub fn sudoers_file(bytes: &[u8]) {
    let read = sudoers::parse(bytes);
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let mut next = 1;
    for group in &read.groups {
        assert!(group.number as usize >= next && !group.lines.is_empty());
        let from = group.number as usize - 1;
        assert_eq!(lines[from..from + group.lines.len()], group.lines[..]);
        next = from + 1 + group.lines.len();
    }
    assert_eq!(sudoers::check_removal(bytes, bytes).is_ok(), !read.more);
    let _ = sudoers::check_removal(bytes, b"");
    let _ = sudoers::check_removal(b"", bytes);
}

/// Condemned lines: one that stands there is found and nothing but it goes.
pub fn condemned_lines(bytes: &[u8]) {
    let Some((&pick, text)) = bytes.split_first() else {
        return;
    };
    let all = lines::split(text);
    assert_eq!(all.concat(), text);
    if all.is_empty() {
        return;
    }
    let at = usize::from(pick) % all.len();
    let bad = lines::content(all[at]);
    let target = LineTarget {
        number: u32::try_from(at + 1).expect("at most 256 lines are picked from"),
        line: HostBytes::new(bad),
        mark: HostBytes::new(&bad[..bad.len().min(3)]),
    };
    assert_eq!(
        lines::locate(text, std::slice::from_ref(&target)),
        Located::There(vec![at])
    );
    let after = lines::without(text, &[at]);
    let mut expected = all.clone();
    expected.remove(at);
    assert_eq!(after, expected.concat());
    match lines::locate(&after, std::slice::from_ref(&target)) {
        Located::There(found) => assert_eq!(lines::content(lines::split(&after)[found[0]]), bad),
        Located::Gone => {}
        Located::Changed { found, .. } => assert!(found < expected.len()),
    }
}

/// Text of a host, as it is shown and read back: lossless, and nothing in it moves a terminal's cursor.
pub fn shown_text(bytes: &[u8]) {
    let shown = HostBytes::new(bytes).to_string();
    assert!(!shown.chars().any(char::is_control));
    assert_eq!(
        shown.parse::<HostBytes>().expect("own form reads back").as_bytes(),
        bytes
    );
    let path = HostPath::new(bytes).to_string();
    assert_eq!(path.parse::<HostPath>().expect("own form reads back").as_bytes(), bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(read) = text.parse::<HostBytes>() {
        assert!(read.len() <= bytes.len());
        assert_eq!(read.to_string().parse::<HostBytes>(), Ok(read));
    }
    if let Ok(net) = text.parse::<Net>() {
        assert_eq!(net.to_string().parse::<Net>(), Ok(net));
    }
}

/// Control groups and names of units: what is told is a part of what was read.
pub(crate) fn control_groups(bytes: &[u8]) {
    let path = unit_name::cgroup_path(bytes);
    assert!(path.len() <= bytes.len());
    for path in [path, bytes] {
        if let Some(unit) = unit_name::unit_of_cgroup(path) {
            assert!(unit_name::is_unit_name(unit.name.as_bytes()));
            assert!(unit.name.len() <= path.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_hold(bytes: Vec<u8>) {
            frames(&bytes);
            frames(&[&[0, 0, 0, bytes.len().min(200) as u8 + 1, 1], &bytes[..]].concat());
        }

        #[test]
        fn a_host_journal_holds(bytes: Vec<u8>) {
            host_journal(&bytes);
        }

        #[test]
        fn account_books_hold(bytes: Vec<u8>, text in "([a-c]:[x!*]:[0-9]{1,2}|:[0-9]?|:|\n|\0|a:x:0:0::/:/bin/sh\n|a:[!x]{0,2}:1::::::\n){0,12}") {
            account_books(&bytes);
            account_books(text.as_bytes());
        }

        #[test]
        fn a_sudoers_file_holds(bytes: Vec<u8>, text in "(a|ALL|=|%|\\\\\n|\n|Defaults|User_Alias A=|,|#include /|:|\"| ){0,30}") {
            sudoers_file(&bytes);
            sudoers_file(text.as_bytes());
        }

        #[test]
        fn condemned_lines_hold(bytes: Vec<u8>, text in "[ab\n]{0,20}") {
            condemned_lines(&bytes);
            condemned_lines(text.as_bytes());
        }

        #[test]
        fn shown_text_holds(bytes: Vec<u8>, text in "[a\\\\x0-9/.: ]{0,20}") {
            shown_text(&bytes);
            shown_text(text.as_bytes());
        }

        #[test]
        fn control_groups_hold(bytes: Vec<u8>, text in "([0-9]{1,2}:[a-z,=]{0,4}:)?(/[a-z@_.]{0,9}(slice|service|scope)?){0,5}\n?") {
            control_groups(&bytes);
            control_groups(text.as_bytes());
        }
    }
}
