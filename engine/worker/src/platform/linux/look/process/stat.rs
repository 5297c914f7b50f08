//! The texts of `/proc/PID` (proc(5)): stat, status, and what is separated by NUL.

use std::ops::ControlFlow;

use crate::platform::linux::look::procfs::{number, wide};
use crate::text::HostBytes;

/// `PF_KTHREAD` (linux/sched.h).
const KERNEL_THREAD: u64 = 0x0020_0000;

/// What `/proc/PID/stat` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::platform::linux::look) struct Stat {
    pub(in crate::platform::linux::look) comm: Vec<u8>,
    pub(in crate::platform::linux::look) state: char,
    pub(in crate::platform::linux::look) ppid: u32,
    pub(in crate::platform::linux::look) pgid: u32,
    pub(in crate::platform::linux::look) session: u32,
    pub(in crate::platform::linux::look) kernel_thread: bool,
    /// User and system time, in ticks.
    pub(in crate::platform::linux::look) cpu_ticks: u64,
    pub(in crate::platform::linux::look) threads: u32,
    pub(in crate::platform::linux::look) start_ticks: u64,
    pub(in crate::platform::linux::look) rss_pages: u64,
}

/// What `/proc/PID/status` tells beyond that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::platform::linux::look) struct Status {
    /// The process that a thread belongs to.
    pub(super) tgid: Option<u32>,
    /// The effective user.
    pub(in crate::platform::linux::look) uid: Option<u32>,
    pub(super) tracer: u32,
}

/// Reads stat. The name stands in parentheses and may hold any byte, parentheses too: it ends at the last `)`.
pub(in crate::platform::linux::look) fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let open = bytes.iter().position(|byte| *byte == b'(')?;
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let comm = bytes.get(open + 1..close)?.to_vec();
    // Fields 3 to 24; a negative number, such as a process group seen from another namespace, counts as 0.
    let mut fields = [0_u64; 25];
    let mut state = None;
    let rest = bytes[close + 1..].trim_ascii().split(|byte| *byte == b' ');
    let mut last = 2;
    for (field, text) in (3..fields.len()).zip(rest) {
        match field {
            3 => {
                state = text
                    .first()
                    .copied()
                    .filter(u8::is_ascii_alphabetic)
                    .filter(|_| text.len() == 1)
            }
            _ if text.first() == Some(&b'-') => wide(&text[1..]).map(|_| ())?,
            _ => fields[field] = wide(text)?,
        }
        last = field;
    }
    let small = |field: usize| u32::try_from(fields[field]).unwrap_or(0);
    (last == 24).then_some(Stat {
        comm,
        state: char::from(state?),
        ppid: small(4),
        pgid: small(5),
        session: small(6),
        kernel_thread: fields[9] & KERNEL_THREAD != 0,
        cpu_ticks: fields[14].saturating_add(fields[15]),
        threads: small(20),
        start_ticks: fields[22],
        rss_pages: fields[24],
    })
}

/// Reads status. The name comes first and has its line feeds escaped, so no name can make up a line.
pub(in crate::platform::linux::look) fn parse_status(bytes: &[u8]) -> Status {
    let mut status = Status::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let mut words = line[colon + 1..]
            .split(|byte| byte.is_ascii_whitespace())
            .filter(|word| !word.is_empty());
        match &line[..colon] {
            b"Tgid" => status.tgid = words.next().and_then(number),
            b"TracerPid" => status.tracer = words.next().and_then(number).unwrap_or(0),
            b"Uid" => {
                status.uid = words.nth(1).and_then(number);
                break;
            }
            _ => {}
        }
    }
    status
}

/// Splits what NUL bytes separate, `keep` bytes at most with the separators; the last piece is cut there. Empty pieces
/// at the very end are left out: a process that wrote a shorter title leaves hundreds of them.
pub(in crate::platform::linux::look) fn parse_arguments(bytes: &[u8], keep: usize) -> Vec<HostBytes> {
    let mut arguments = Vec::new();
    let mut room = keep;
    let _ = pieces(bytes).try_for_each(|piece| {
        let kept = &piece[..piece.len().min(room)];
        arguments.push(HostBytes::new(kept));
        room = room.saturating_sub(piece.len() + 1);
        if room == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    arguments
}

/// The pieces, whole.
pub(super) fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let pieces = (end > 0).then(|| bytes[..end].split(|byte| *byte == 0));
    pieces.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAPTURED: &str = "6257 (cat) R 6250 6257 6250 34816 6257 4194304 120 0 1 2 7 3 0 0 20 0 1 0 98237 \
        5857280 1480 18446744073709551615 94391 94392 1407 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 943 944 945 14 14 14 14 0";

    fn with_comm(comm: &[u8]) -> Vec<u8> {
        let captured = CAPTURED.as_bytes();
        [b"6257 (", comm, &captured[9..]].concat()
    }

    #[test]
    fn a_captured_line() {
        let stat = parse_stat(CAPTURED.as_bytes()).unwrap();
        let expected = Stat {
            comm: b"cat".to_vec(),
            state: 'R',
            ppid: 6250,
            pgid: 6257,
            session: 6250,
            kernel_thread: false,
            cpu_ticks: 10,
            threads: 1,
            start_ticks: 98237,
            rss_pages: 1480,
        };
        assert_eq!(stat, expected);
    }

    #[test]
    fn names_that_imitate_the_format() {
        for comm in [
            &b"a) R 1 (x"[..],
            b")",
            b"(",
            b"",
            b") Z 0 0 0",
            b"\n\xff\x1b[2J",
            b"((()))",
        ] {
            let stat = parse_stat(&with_comm(comm)).unwrap();
            assert_eq!((stat.comm.as_slice(), stat.ppid, stat.state), (comm, 6250, 'R'));
        }
    }

    #[test]
    fn stat_in_pieces_is_none() {
        for text in ["", "1", "1 (", "1 (x", "1 (x)", "1 )x(", "1 (x) R 1 2 3", "1 (x) RR 1"] {
            assert_eq!(parse_stat(text.as_bytes()), None, "{text}");
        }
        let kernel = b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 1 0 0 20 0 1 0 5 0 0 18446744073709551615 0 0";
        assert!(parse_stat(kernel).unwrap().kernel_thread);
    }

    #[test]
    fn status_lines() {
        let text =
            b"Name:\tUid:\\n9\nUmask:\t0022\nState:\tR (running)\nTgid:\t77\nPid:\t77\nPPid:\t1\nTracerPid:\t9\n\
            Uid:\t0\t1000\t0\t0\nGid:\t0\t0\t0\t0\n";
        let expected = Status {
            tgid: Some(77),
            uid: Some(1000),
            tracer: 9,
        };
        assert_eq!(parse_status(text), expected);
        assert_eq!(parse_status(b"Name:\tUid:\t1\t2\n").uid, None);
    }

    #[test]
    fn arguments() {
        let told = |bytes: &[u8], keep| -> Vec<String> {
            parse_arguments(bytes, keep).iter().map(ToString::to_string).collect()
        };
        assert_eq!(told(b"", 10), Vec::<String>::new());
        assert_eq!(told(b"\0\0\0", 10), Vec::<String>::new());
        assert_eq!(told(b"a\0\0b\0", 10), ["a", "", "b"]);
        assert_eq!(told(b"sshd: root\0\0\0\0", 100), ["sshd: root"]);
        assert_eq!(told(b"abc\0defg\0h\0", 6), ["abc", "de"]);
        assert_eq!(told(b"abc\0d\0", 4), ["abc"]);
        assert_eq!(told(b"\xff\n\x1b\0{{ 7*7 }}\0", 100), ["\\xff\\x0a\\x1b", "{{ 7*7 }}"]);
        assert_eq!(told(b"no end", 100), ["no end"]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, keep in 0_usize..64) {
            let _ = (parse_stat(&bytes), parse_status(&bytes));
            let arguments = parse_arguments(&bytes, keep);
            prop_assert!(arguments.iter().map(HostBytes::len).sum::<usize>() <= keep);
        }

        #[test]
        fn any_name_is_read_back(comm: Vec<u8>) {
            let stat = parse_stat(&with_comm(&comm)).expect("a captured line with another name");
            prop_assert_eq!(stat.comm, comm);
        }

        #[test]
        fn text_like_stat_does_not_panic(text in "[0-9() RSZ-]{0,120}") {
            let _ = parse_stat(text.as_bytes());
        }
    }
}
