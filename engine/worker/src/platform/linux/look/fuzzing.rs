//! What must hold for the parsers of this folder, whatever the bytes are.

use super::facts::{identifier, pretty_name};
use super::gaps::Gaps;
use super::mounts::MountTable;
use super::network::parse_resolvers;
use super::process::maps::parse_maps;
use super::process::script::script_argument;
use super::process::stat::{parse_arguments, parse_stat, parse_status};
use super::procfs::{Units, bracketed, covered_pid, number, wide};
use super::roots::upper_of;
use super::socket::{end, parse_table};
use super::tree::matches;
use super::wall::{has_subject, is_built_in, is_loaded};
use crate::fuzzing::line_count;
use crate::platform::linux::hands;

/// The most of a command line that is kept here.
const KEEP: usize = 64;

/// What `/proc` shows of one process: no more is told than was read, each mapped file once, the name of a process whole.
pub fn process_tables(bytes: &[u8]) {
    if let Some(stat) = parse_stat(bytes) {
        let shown = [b"(", &stat.comm[..], b")"].concat();
        assert!(bytes.windows(shown.len()).any(|part| part == shown));
    }
    let _ = parse_status(bytes);
    let arguments = parse_arguments(bytes, KEEP);
    assert!(arguments.iter().map(|argument| argument.len()).sum::<usize>() <= KEEP);
    for is_there in [false, true] {
        let files = parse_maps(bytes, |_, _| is_there);
        assert!(files.len() <= line_count(bytes));
        assert!(files.is_sorted_by(|one, other| (&one.path, one.id) <= (&other.path, other.id)));
        assert!(files.iter().all(|file| !(is_there && file.deleted)));
    }
    let mut words = bytes.split(|byte| *byte == 0);
    let exe = words.next().unwrap_or_default();
    let words: Vec<&[u8]> = words.collect();
    let script = script_argument(exe, words.iter().copied());
    assert!(script.is_none_or(|script| words.iter().any(|word| word.ends_with(script))));
    crate::fuzzing::control_groups(bytes);
    let _ = (bracketed(bytes), covered_pid(bytes), Units::parse(bytes));
    if let Some(found) = number(bytes) {
        assert_eq!(wide(bytes), Some(u64::from(found)));
    }
}

/// Mounts, sockets, name servers and what names the system: no more rows than lines, and none of bytes that were not read.
pub fn system_tables(bytes: &[u8]) {
    let mut gaps = Gaps::default();
    let table = MountTable::parse(bytes, &mut gaps);
    assert!(table.points().count() <= line_count(bytes));
    assert!(table.points().all(|point| point.as_bytes().len() <= bytes.len()));
    let _ = (table.hides_processes(), table.root());
    let mut odd = 0;
    let sockets = parse_table(bytes, |line| {
        assert!(!line.is_empty());
        odd += 1;
    });
    assert!(sockets.len() + odd <= line_count(bytes));
    let _ = end(bytes);
    assert!(parse_resolvers(bytes).len() <= line_count(bytes));
    assert!(upper_of(bytes).is_none_or(|path| path.as_bytes().len() <= bytes.len()));
    assert!(identifier(bytes).is_none_or(|name| name.as_bytes() == bytes));
    assert!(pretty_name(bytes).is_none_or(|name| !name.chars().any(char::is_control)));
    let mut halves = bytes.splitn(2, |byte| *byte == b'/');
    let (pattern, name) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    let _ = matches(pattern, name);
    assert!(matches(b"*", name) && matches(&vec![b'?'; name.len()], name));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (has_subject(text, "12"), is_loaded(text), is_built_in(text));
    }
    hands::fuzzing::tables(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn process_tables_hold(bytes: Vec<u8>, text in "([0-9a-f]{1,4}|[- :()/.]|rw-p|R|\\.so|\\(deleted\\)|python|-c|\0|\n|\\\\012){0,40}") {
            process_tables(&bytes);
            process_tables(text.as_bytes());
        }

        #[test]
        fn system_tables_hold(bytes: Vec<u8>, text in "([0-9A-F]{1,8}|[- :=,/*?]|rw|ext4|overlay|upperdir=|nameserver|PRETTY_NAME=|\n|\\\\040){0,40}") {
            system_tables(&bytes);
            system_tables(text.as_bytes());
        }
    }
}
