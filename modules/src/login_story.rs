//! From records of logins to what happened: who was in from when to when, what was wiped out, whose processes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::query::Process;
use deminer_worker::text::HostBytes;
use schemars::JsonSchema;
use serde::Serialize;

use crate::login_records::{Record, RecordKind};

/// Somebody who was in, or is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LoginRow {
    /// The login name.
    pub user: HostBytes,
    /// The terminal, without `/dev/`.
    pub line: HostBytes,
    /// Where from, as it was written; empty for a terminal of the host's own.
    pub host: HostBytes,
    /// The address; `None` where none was written.
    pub address: Option<String>,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// Until when; `None` where no end was written.
    pub until_ms: Option<u64>,
    /// How it ended.
    pub end: LoginEnd,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoginEnd {
    /// Nothing says that it did.
    Open,
    /// Somebody logged out, or was logged out.
    Logout,
    /// The host was shut down.
    Shutdown,
    /// The host was started anew, and nobody had written an end.
    Crash,
}

impl LoginRow {
    /// Where from: the address, else what was written.
    pub(crate) fn from(&self) -> HostBytes {
        match &self.address {
            Some(address) => HostBytes::from(address.as_str()),
            None => self.host.clone(),
        }
    }
}

/// Something that is not as a log leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hole {
    /// So many records are zeroed.
    Empty(u64),
    /// The file ends within a record.
    Torn,
    /// A record is older than the one before it.
    Backwards {
        /// Its number.
        number: u64,
    },
}

/// How far a clock may go back before it is worth a word: an hour.
const BACK_MS: u64 = 3_600_000;

/// Who was in, latest first. Records from after `now_ms` are listed as they are: a clock may be wrong.
pub(crate) fn logins(records: &[Record], now_ms: u64) -> Vec<LoginRow> {
    let mut rows: Vec<LoginRow> = Vec::new();
    let mut open: BTreeMap<&HostBytes, usize> = BTreeMap::new();
    let close = |rows: &mut Vec<LoginRow>, at: usize, until_ms: u64, end: LoginEnd| {
        rows[at].until_ms = Some(until_ms);
        rows[at].end = end;
    };
    for record in records {
        let is_shutdown = record.kind == RecordKind::RunLevel && record.user.as_bytes() == b"shutdown";
        match record.kind {
            RecordKind::Boot | RecordKind::RunLevel if record.kind == RecordKind::Boot || is_shutdown => {
                let end = if is_shutdown {
                    LoginEnd::Shutdown
                } else {
                    LoginEnd::Crash
                };
                for at in std::mem::take(&mut open).into_values() {
                    close(&mut rows, at, record.at_ms, end);
                }
            }
            RecordKind::Dead => {
                if let Some(at) = open.remove(&record.line) {
                    close(&mut rows, at, record.at_ms, LoginEnd::Logout);
                }
            }
            RecordKind::User => {
                if let Some(at) = open.remove(&record.line) {
                    close(&mut rows, at, record.at_ms, LoginEnd::Logout);
                }
                open.insert(&record.line, rows.len());
                rows.push(LoginRow {
                    user: record.user.clone(),
                    line: record.line.clone(),
                    host: record.host.clone(),
                    address: record.address.clone(),
                    since_ms: record.at_ms,
                    until_ms: None,
                    end: LoginEnd::Open,
                });
            }
            _ => {}
        }
    }
    // A record from the future would hide all others behind it.
    rows.sort_by_key(|row| std::cmp::Reverse(row.since_ms.min(now_ms)));
    rows
}

/// What is not as a log leaves it.
pub(crate) fn holes(records: &[Record]) -> Vec<Hole> {
    let mut holes = Vec::new();
    let empty = records
        .iter()
        .filter(|record| record.kind == RecordKind::Empty && record.at_ms == 0);
    match empty.count() {
        0 => {}
        count => holes.push(Hole::Empty(count as u64)),
    }
    let mut latest = 0;
    for record in records.iter().filter(|record| record.kind != RecordKind::Empty) {
        // Where the clock was set, or the host started without one, time begins anew.
        if matches!(record.kind, RecordKind::Clock | RecordKind::Boot) {
            latest = record.at_ms;
            continue;
        }
        if record.at_ms.saturating_add(BACK_MS) < latest {
            holes.push(Hole::Backwards { number: record.number });
            break;
        }
        latest = latest.max(record.at_ms);
    }
    holes
}

/// A process and all that descend from it, living ones, rising; empty where it has ended.
pub(crate) fn family(pid: u32, processes: &[Process]) -> Vec<u32> {
    let living = |process: &&Process| !process.has_ended();
    if pid < 2 || !processes.iter().filter(living).any(|process| process.pid == pid) {
        return Vec::new();
    }
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for process in processes.iter().filter(living) {
        children.entry(process.ppid).or_default().push(process.pid);
    }
    let mut met = BTreeSet::from([pid]);
    let mut waiting = vec![pid];
    while let Some(next) = waiting.pop() {
        for child in children.get(&next).into_iter().flatten() {
            if met.insert(*child) {
                waiting.push(*child);
            }
        }
    }
    met.into_iter().collect()
}

/// The user and the terminal in the title that sshd gives the process of a session: `sshd: ops@pts/0`.
pub(crate) fn title(process: &Process) -> Option<(&[u8], &[u8])> {
    let exe = process.exe.as_ref()?;
    let is_sshd = matches!(exe.path.file_name(), b"sshd" | b"sshd-session");
    let title = process.argv.first().filter(|_| is_sshd)?.as_bytes();
    let said = title
        .strip_prefix(b"sshd-session: ")
        .or(title.strip_prefix(b"sshd: "))?;
    let at = said.iter().rposition(|b| *b == b'@')?;
    let line = said[at + 1..].split(|b| matches!(b, b',' | b' ')).next()?;
    line.starts_with(b"pts/").then_some((&said[..at], line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login_records::{Layout, written};
    use proptest::prelude::*;

    fn records(rows: &[(u8, &str, &str, u32)]) -> Vec<Record> {
        let bytes: Vec<u8> = rows
            .iter()
            .flat_map(|(kind, line, user, at)| written(*kind, 100, line, user, "client", [192, 0, 2, 1], *at))
            .collect();
        Layout::of("x86_64").expect("known").records(&bytes, 0)
    }

    #[test]
    fn sessions_begin_and_end() {
        let past = records(&[
            (2, "~", "reboot", 100),
            (7, "pts/0", "a", 110),
            (7, "pts/1", "b", 120),
            (8, "pts/0", "", 130),
            (7, "pts/0", "c", 140),
            (1, "~", "shutdown", 150),
            (2, "~", "reboot", 160),
            (7, "tty1", "d", 170),
            (2, "~", "reboot", 200),
            (7, "pts/0", "e", 210),
            (7, "pts/0", "f", 220),
        ]);
        let told: Vec<String> = logins(&past, u64::MAX)
            .iter()
            .map(|row| {
                let until = row.until_ms.map_or("-".to_owned(), |until| (until / 1_000).to_string());
                format!("{} {} {until} {:?}", row.user, row.since_ms / 1_000, row.end)
            })
            .collect();
        let expected = [
            "f 220 - Open",
            "e 210 220 Logout",
            "d 170 200 Crash",
            "c 140 150 Shutdown",
            "b 120 150 Shutdown",
            "a 110 130 Logout",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_was_wiped() {
        let rows: [(&str, Vec<Record>, Vec<Hole>); 4] = [
            (
                "nothing",
                records(&[(7, "pts/0", "a", 10_000), (8, "pts/0", "", 20_000)]),
                vec![],
            ),
            (
                "two records",
                records(&[(7, "pts/0", "a", 10_000), (0, "", "", 0), (0, "", "", 0)]),
                vec![Hole::Empty(2)],
            ),
            (
                "put in later",
                records(&[(7, "pts/0", "a", 90_000), (7, "pts/0", "a", 80_000)]),
                vec![Hole::Backwards { number: 1 }],
            ),
            (
                "a clock that was set",
                records(&[(7, "pts/0", "a", 90_000), (3, "|", "", 10), (7, "pts/0", "a", 20)]),
                vec![],
            ),
        ];
        for (name, records, expected) in rows {
            assert_eq!(holes(&records), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_story_is_told(rows in prop::collection::vec((0u8..12, 0u32..4, any::<u32>()), 0..40), now: u64) {
            let lines = ["~", "pts/0", "pts/1", ""];
            let rows: Vec<(u8, &str, &str, u32)> =
                rows.iter().map(|(kind, line, at)| (*kind, lines[*line as usize], "u", *at)).collect();
            let records = records(&rows);
            let users = rows.iter().filter(|(kind, ..)| *kind == 7).count();
            prop_assert_eq!(logins(&records, now).len(), users);
            let _ = holes(&records);
        }
    }
}
