//! Journals are written, cut, changed and read back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use deminer_worker::query::HostError;
use deminer_worker::text::Wide;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::event::{EventKind, EventSink};

const RUN: &str = "20261114-0244-7c1e";

fn clock() -> Clock {
    let now = AtomicU64::new(1_000);
    Arc::new(move || now.fetch_add(1, Ordering::Relaxed))
}

fn lost(why: &str) -> EventKind {
    EventKind::Lost {
        why: HostError::Lost { why: why.to_owned() },
    }
}

fn written(events: usize) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let journals = Journals::create(dir.path(), RUN, clock()).unwrap();
    for number in 0..events {
        journals
            .record(Some("web-1"), lost(&format!("number {number}")))
            .unwrap();
    }
    let path = dir.path().join(file_name(Some("web-1")));
    (dir, path)
}

#[test]
fn what_is_written_is_read_back() {
    let (_dir, path) = written(3);
    let chain = read_chain(&path).unwrap();
    assert_eq!(chain.end, ChainEnd::Whole);
    assert_eq!(
        (chain.run.as_deref(), chain.host.as_deref()),
        (Some(RUN), Some("web-1"))
    );
    assert_eq!(
        chain.events.iter().map(|e| (e.seq.0, e.at_ms.0)).collect::<Vec<_>>(),
        [(1, 1_000), (2, 1_001), (3, 1_002)]
    );
    assert_eq!(chain.events[2].kind, lost("number 2"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(
        chain.head,
        Digest::of(bytes.trim_ascii_end().split(|b| *b == b'\n').next_back().unwrap())
    );
}

#[test]
fn a_cut_is_torn_and_never_half_an_event() {
    let (_dir, path) = written(3);
    let bytes = fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let chain = read_chain(&path).unwrap();
        let whole = bytes[..length].iter().filter(|b| **b == b'\n').count();
        assert_eq!(chain.events.len(), whole, "cut at {length}");
        let rest = length - bytes[..length].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let end = if rest == 0 {
            ChainEnd::Whole
        } else {
            ChainEnd::Torn { bytes: rest as u64 }
        };
        assert_eq!(chain.end, end, "cut at {length}");
    }
}

#[test]
fn a_changed_left_out_or_moved_line_is_noticed() {
    let (_dir, path) = written(4);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let rows: [(&str, Vec<String>, u64, usize); 5] = [
        (
            "changed",
            vec![
                lines[0].into(),
                lines[1].replace("number 1", "number 7"),
                lines[2].into(),
            ],
            3,
            2,
        ),
        (
            "left out",
            vec![lines[0].into(), lines[2].into(), lines[3].into()],
            2,
            1,
        ),
        ("first left out", vec![lines[1].into(), lines[2].into()], 1, 0),
        ("moved", vec![lines[0].into(), lines[2].into(), lines[1].into()], 2, 1),
        (
            "none of ours",
            vec![lines[0].into(), "{}".into(), lines[1].into()],
            2,
            1,
        ),
    ];
    for (name, lines, at, used) in rows {
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        let chain = read_chain(&path).unwrap();
        assert!(
            matches!(chain.end, ChainEnd::Broken { line, .. } if line == at),
            "{name}: {:?}",
            chain.end
        );
        assert_eq!(chain.events.len(), used, "{name}");
        assert!(
            Journals::resume(path.parent().unwrap(), RUN, clock())
                .unwrap()
                .record(Some("web-1"), lost("x"))
                .is_err()
        );
    }
}

#[test]
fn an_unknown_kind_is_skipped_and_counted_but_a_known_one_must_decode() {
    let (_dir, path) = written(1);
    let first = fs::read_to_string(&path).unwrap();
    let head = read_chain(&path).unwrap().head;
    let line = |kind: &str| {
        format!(
            r#"{{"prev":"{head}","event":{{"seq":"2","at_ms":"1","run":"{RUN}","host":"web-1","kind":{{"kind":"{kind}"}}}}}}"#
        )
    };
    fs::write(&path, format!("{first}{}\n", line("of_tomorrow"))).unwrap();
    let chain = read_chain(&path).unwrap();
    assert_eq!(
        (chain.end.clone(), chain.skipped, chain.lines, chain.events.len()),
        (ChainEnd::Whole, 1, 2, 1)
    );
    fs::write(&path, format!("{first}{}\n", line("lost"))).unwrap();
    assert!(matches!(
        read_chain(&path).unwrap().end,
        ChainEnd::Broken { line: 2, .. }
    ));
}

#[test]
fn a_run_that_was_cut_is_taken_up_and_says_what_was_torn() {
    let (dir, path) = written(2);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
    let torn = bytes.len() - 5 - (bytes.iter().position(|b| *b == b'\n').unwrap() + 1);

    let journals = Journals::resume(dir.path(), RUN, clock()).unwrap();
    journals.for_host("web-1").record(lost("again")).unwrap();
    let chain = read_chain(&path).unwrap();
    assert_eq!(chain.end, ChainEnd::Whole);
    let kinds: Vec<EventKind> = chain.events.into_iter().map(|e| e.kind).collect();
    let resumed = EventKind::Resumed {
        torn_bytes: Wide(torn as u64),
    };
    assert_eq!(kinds, [lost("number 0"), resumed, lost("again")]);
    let other = Journals::resume(dir.path(), "20261114-0244-0000", clock()).unwrap();
    assert!(other.record(Some("web-1"), lost("x")).is_err(), "another run's chain");
}

#[test]
fn a_new_run_refuses_chains_that_are_there() {
    let (dir, path) = written(1);
    let before = fs::read(&path).unwrap();
    let journals = Journals::create(dir.path(), RUN, clock()).unwrap();
    assert!(journals.record(Some("web-1"), lost("x")).is_err());
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_hosts_journal_takes_no_other_hosts_events() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journals::create(dir.path(), RUN, clock()).unwrap().for_host("web-1");
    for host in [None, Some("web-2")] {
        assert!(EventSink::record(&mut journal, host, EventKind::HostFinished {}).is_err());
    }
    assert!(EventSink::record(&mut journal, Some("web-1"), EventKind::HostFinished {}).is_ok());
}

#[test]
fn tasks_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let journals = Journals::create(dir.path(), RUN, clock()).unwrap();
    std::thread::scope(|scope| {
        for task in 0..8 {
            let journals = journals.clone();
            scope.spawn(move || {
                for number in 0..20 {
                    journals.record(None, lost(&format!("{task} {number}"))).unwrap();
                    journals.record(Some(&format!("host {}", task % 2)), lost("x")).unwrap();
                }
            });
        }
    });
    for (host, lines) in [(None, 160), (Some("host 0"), 80), (Some("host 1"), 80)] {
        let chain = read_chain(&dir.path().join(file_name(host))).unwrap();
        assert_eq!((chain.end, chain.lines), (ChainEnd::Whole, lines), "{host:?}");
    }
}

#[test]
fn file_names_are_safe_and_tell_hosts_apart() {
    let long = "x".repeat(300);
    let rows = [
        (Some("web-1.example"), "host-web-1.example.ndjson"),
        (Some("../../etc/passwd"), "host-..%2F..%2Fetc%2Fpasswd.ndjson"),
        (Some(""), "host-.ndjson"),
        (Some("a\n\u{202e}"), "host-a%0A%E2%80%AE.ndjson"),
        (None, "run.ndjson"),
    ];
    for (host, name) in rows {
        assert_eq!(file_name(host), name);
    }
    assert!(file_name(Some(&long)).len() < 140);
    assert_ne!(file_name(Some(&long)), file_name(Some(&format!("{long}y"))));
}

proptest! {
    #[test]
    fn garbage_is_never_an_event(bytes: Vec<u8>) {
        let chain = read::read_lines(&bytes[..]).unwrap();
        prop_assert!(chain.events.is_empty());
    }

    #[test]
    fn one_changed_byte_is_noticed(at in 0usize..10_000, flip in 1u8..=255) {
        let (_dir, path) = written(3);
        let mut bytes = fs::read(&path).unwrap();
        let whole = read_chain(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        fs::write(&path, &bytes).unwrap();
        let chain = read_chain(&path).unwrap();
        prop_assert!(chain.end != ChainEnd::Whole || chain.head != whole.head);
    }
}
