//! Reads the records of utmp(5), wtmp, btmp and lastlog, as glibc and shadow-utils lay them out, from any bytes. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use deminer_worker::text::HostBytes;

/// How a system lays records out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of one record of utmp, wtmp and btmp.
    pub record: usize,
    /// Bytes of one record of lastlog.
    pub last: usize,
    /// Whether times have 64 bits, else 32 (`__WORDSIZE_TIME64_COMPAT32` of glibc).
    wide: bool,
    big_endian: bool,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number in the file, from 0.
    pub number: u64,
    /// What it tells.
    pub kind: RecordKind,
    /// The process.
    pub pid: u32,
    /// The terminal, without `/dev/`: `pts/0`, `tty1`, `~` for the system.
    pub line: HostBytes,
    /// The login name.
    pub user: HostBytes,
    /// Where from; of the boot and of run levels the kernel's release.
    pub host: HostBytes,
    /// The address, where one was written.
    pub address: Option<String>,
    /// Milliseconds since 1970.
    pub at_ms: u64,
}

/// What a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// Nothing: a record that was never written, or written over.
    Empty,
    /// A change of run level.
    RunLevel,
    /// The system was started.
    Boot,
    /// The clock was set: before, and after.
    Clock,
    /// A terminal waits for somebody.
    Waiting,
    /// Somebody is in.
    User,
    /// Somebody left.
    Dead,
    /// None of those of the manual.
    Unknown,
}

/// A last login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastLogin {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The terminal.
    pub line: HostBytes,
    /// Where from.
    pub host: HostBytes,
}

impl Layout {
    /// That of an architecture, as `uname -m` names it; `None` for one that is not known here.
    pub fn of(architecture: &str) -> Option<Layout> {
        let narrow = Layout {
            record: 384,
            last: 292,
            wide: false,
            big_endian: false,
        };
        let wide = Layout {
            record: 400,
            last: 296,
            wide: true,
            big_endian: false,
        };
        match architecture {
            "x86_64" | "i386" | "i486" | "i586" | "i686" | "ppc64le" => Some(narrow),
            name if name.starts_with("armv") => Some(narrow),
            "aarch64" | "riscv64" | "loongarch64" => Some(wide),
            "s390x" | "ppc64" => Some(Layout {
                big_endian: true,
                ..narrow
            }),
            _ => None,
        }
    }

    /// The records of a part of a file that begins with the record `first`; what is left of a torn last one is passed over.
    pub fn records(self, bytes: &[u8], first: u64) -> Vec<Record> {
        let chunks = bytes.chunks_exact(self.record);
        chunks
            .zip(first..)
            .map(|(bytes, number)| self.one(bytes, number))
            .collect()
    }

    fn one(self, bytes: &[u8], number: u64) -> Record {
        let (seconds, micros, address) = match self.wide {
            true => (self.number(bytes, 344, 8), self.number(bytes, 352, 8), 360),
            false => (self.number(bytes, 340, 4), self.number(bytes, 344, 4), 348),
        };
        let kind = match self.number(bytes, 0, 2) {
            0 => RecordKind::Empty,
            1 => RecordKind::RunLevel,
            2 => RecordKind::Boot,
            3 | 4 => RecordKind::Clock,
            5 | 6 => RecordKind::Waiting,
            7 => RecordKind::User,
            8 => RecordKind::Dead,
            _ => RecordKind::Unknown,
        };
        Record {
            number,
            kind,
            pid: u32::try_from(self.number(bytes, 4, 4)).unwrap_or(0),
            line: text(bytes, 8, 32),
            user: text(bytes, 44, 32),
            host: text(bytes, 76, 256),
            address: address_of(bytes.get(address..address + 16).unwrap_or_default()),
            at_ms: seconds
                .saturating_mul(1_000)
                .saturating_add(micros.min(999_999) / 1_000),
        }
    }

    /// The last login of a record of lastlog; `None` where there never was one.
    pub fn last_login(self, bytes: &[u8]) -> Option<LastLogin> {
        let width = if self.wide { 8 } else { 4 };
        let seconds = self.number(bytes.get(..self.last)?, 0, width);
        (seconds != 0).then(|| LastLogin {
            at_ms: seconds.saturating_mul(1_000),
            line: text(bytes, width, 32),
            host: text(bytes, width + 32, 256),
        })
    }

    /// A number without sign; 0 where the bytes end before.
    fn number(self, bytes: &[u8], at: usize, width: usize) -> u64 {
        let digits = bytes.get(at..at + width).unwrap_or_default();
        let fold = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        match self.big_endian {
            true => digits.iter().fold(0, fold),
            false => digits.iter().rev().fold(0, fold),
        }
    }
}

/// A field up to its first NUL.
fn text(bytes: &[u8], at: usize, width: usize) -> HostBytes {
    let field = bytes.get(at..at + width).unwrap_or_default();
    HostBytes::new(field.split(|b| *b == 0).next().unwrap_or_default())
}

/// An address as `ut_addr_v6` has it: IPv4 in the first four bytes, or IPv6 in all sixteen.
fn address_of(bytes: &[u8]) -> Option<String> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    if bytes.iter().all(|b| *b == 0) {
        return None;
    }
    if bytes[4..].iter().all(|b| *b == 0) {
        return Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).to_string());
    }
    let address = Ipv6Addr::from(bytes);
    Some(match address.to_ipv4_mapped() {
        Some(address) => address.to_string(),
        None => address.to_string(),
    })
}

/// A record as a test writes it.
#[cfg(test)]
pub(crate) fn written(
    kind: u8,
    pid: u32,
    line: &str,
    user: &str,
    host: &str,
    address: [u8; 4],
    seconds: u32,
) -> Vec<u8> {
    let mut bytes = vec![0; 384];
    bytes[0] = kind;
    bytes[4..8].copy_from_slice(&pid.to_le_bytes());
    bytes[8..8 + line.len()].copy_from_slice(line.as_bytes());
    bytes[44..44 + user.len()].copy_from_slice(user.as_bytes());
    bytes[76..76 + host.len()].copy_from_slice(host.as_bytes());
    bytes[340..344].copy_from_slice(&seconds.to_le_bytes());
    bytes[348..352].copy_from_slice(&address);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_of_a_file() {
        let layout = Layout::of("x86_64").expect("known");
        let mut bytes = written(7, 812, "pts/0", "ops", "client.example", [192, 0, 2, 7], 1_790_000_000);
        bytes.extend(vec![0; 384]);
        bytes.extend_from_slice(b"torn");
        let records = layout.records(&bytes, 5);
        assert_eq!(records.len(), 2);
        let expected = Record {
            number: 5,
            kind: RecordKind::User,
            pid: 812,
            line: HostBytes::from("pts/0"),
            user: HostBytes::from("ops"),
            host: HostBytes::from("client.example"),
            address: Some("192.0.2.7".to_owned()),
            at_ms: 1_790_000_000_000,
        };
        assert_eq!(records[0], expected);
        assert_eq!((records[1].kind, records[1].number), (RecordKind::Empty, 6));
    }

    #[test]
    fn wide_and_big_endian_records() {
        let wide = Layout::of("aarch64").expect("known");
        let mut bytes = vec![0; 400];
        bytes[0] = 2;
        bytes[8] = b'~';
        bytes[344..352].copy_from_slice(&1_790_000_000_u64.to_le_bytes());
        bytes[352..360].copy_from_slice(&500_000_u64.to_le_bytes());
        bytes[360..376].copy_from_slice(&Ipv6Addr::LOCALHOST.octets());
        let record = &wide.records(&bytes, 0)[0];
        assert_eq!((record.kind, record.at_ms), (RecordKind::Boot, 1_790_000_000_500));
        assert_eq!(record.address.as_deref(), Some("::1"));
        let big = Layout::of("s390x").expect("known");
        let mut bytes = vec![0; 384];
        bytes[1] = 8;
        bytes[340..344].copy_from_slice(&1_790_000_000_u32.to_be_bytes());
        let record = &big.records(&bytes, 0)[0];
        assert_eq!((record.kind, record.at_ms), (RecordKind::Dead, 1_790_000_000_000));
        assert_eq!(Layout::of("vax"), None);
    }

    #[test]
    fn last_logins() {
        let layout = Layout::of("x86_64").expect("known");
        let mut bytes = vec![0; 292];
        assert_eq!(layout.last_login(&bytes), None);
        bytes[..4].copy_from_slice(&1_790_000_000_u32.to_le_bytes());
        bytes[4..9].copy_from_slice(b"pts/3");
        bytes[36..45].copy_from_slice(b"192.0.2.7");
        let last = layout.last_login(&bytes).expect("there was one");
        assert_eq!(
            (last.line, last.host),
            (HostBytes::from("pts/3"), HostBytes::from("192.0.2.7"))
        );
        assert_eq!(layout.last_login(&bytes[..100]), None, "a file that ends before");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>, first: u64, name in prop::sample::select(vec!["x86_64", "aarch64", "s390x"])) {
            let layout = Layout::of(name).expect("known");
            let bytes = bytes.repeat(20);
            prop_assert_eq!(layout.records(&bytes, first.min(1 << 40)).len(), bytes.len() / layout.record);
            let _ = layout.last_login(&bytes);
        }
    }
}
