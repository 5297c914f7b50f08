//! What logins say that a person should look at; nothing of it condemns. Pure.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::finding::{Artifact, Bearing, Finding};
use deminer_worker::action::AccountTarget;
use deminer_worker::query::{Account, Process};
use deminer_worker::text::HostBytes;

use crate::login_list::{FailedRow, SessionRow};
use crate::login_records::{Record, RecordKind};
use crate::login_story::{self, LoginRow};
use crate::saying::said;

/// Whether a record of btmp is a try; others stand there only by mistake.
pub(crate) fn is_try(record: &Record) -> bool {
    record.kind != RecordKind::Empty
}

fn from_of(record: &Record) -> HostBytes {
    match &record.address {
        Some(address) => HostBytes::from(address.as_str()),
        None => record.host.clone(),
    }
}

/// Failed logins by address and name, the most often first.
pub(crate) fn failed(tries: &[Record], accounts: &[Account]) -> Vec<FailedRow> {
    let known: BTreeSet<&HostBytes> = accounts.iter().map(|account| &account.name).collect();
    let mut rows: BTreeMap<(HostBytes, Option<HostBytes>), FailedRow> = BTreeMap::new();
    for record in tries.iter().filter(|record| is_try(record)) {
        let from = from_of(record);
        let user = known.contains(&record.user).then(|| record.user.clone());
        let row = rows.entry((from.clone(), user.clone())).or_insert(FailedRow {
            from,
            user,
            count: 0,
            first_ms: record.at_ms,
            last_ms: record.at_ms,
        });
        row.count += 1;
        row.first_ms = row.first_ms.min(record.at_ms);
        row.last_ms = row.last_ms.max(record.at_ms);
    }
    let mut rows: Vec<FailedRow> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.count, row.last_ms)));
    rows
}

/// The account of that name, as a finding names it; the host where it has none.
fn account_of(name: &HostBytes, accounts: &[Account]) -> Artifact {
    let account = accounts.iter().find(|account| account.name == *name);
    match account.and_then(AccountTarget::from_account) {
        Some(account) => Artifact::Account { account },
        None => Artifact::Host {},
    }
}

/// Sessions that sshd has and utmp does not.
pub(crate) fn unlisted(sessions: &[SessionRow], processes: &[Process]) -> Vec<Finding> {
    let listed: BTreeSet<&[u8]> = sessions.iter().map(|session| session.line.as_bytes()).collect();
    let hidden = processes.iter().filter_map(|process| {
        let (user, line) = login_story::title(process)?;
        (!listed.contains(line)).then(|| {
            Finding::new(
                Artifact::Host {},
                "session_unlisted",
                Bearing::Review,
                "sshd has a session of {user} on {line} (pid {pid}) that utmp does not list: somebody took it out",
            )
            .field("user", said(user))
            .field("line", said(line))
            .field("pid", process.pid)
            .rests_on(format!("/proc/{}/cmdline", process.pid), process.argv_sha256)
        })
    });
    hidden.take(1).collect()
}

/// Sessions that wtmp should have, by its time, and has not.
pub(crate) fn unwritten(sessions: &[SessionRow], past: &[Record], since_ms: Option<u64>) -> Vec<Finding> {
    let Some(since_ms) = since_ms else {
        return Vec::new();
    };
    let written = |session: &SessionRow| {
        past.iter().any(|record| {
            record.kind == RecordKind::User && record.line == session.line && record.at_ms == session.since_ms
        })
    };
    let missing = sessions
        .iter()
        .filter(|session| !session.stale && session.since_ms >= since_ms && !written(session));
    let findings = missing.map(|session| {
        Finding::new(
            Artifact::Host {},
            "session_unwritten",
            Bearing::Review,
            "{user} is in on {line}, but wtmp has no record of that login: somebody took it out",
        )
        .field("user", said(session.user.as_bytes()))
        .field("line", said(session.line.as_bytes()))
        .rests_on("/run/utmp", None)
    });
    findings.take(1).collect()
}

/// Who got in from where many tries had failed before.
pub(crate) fn guessed(logins: &[LoginRow], tries: &[Record], accounts: &[Account], guesses: u32) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut times: BTreeMap<HostBytes, Vec<u64>> = BTreeMap::new();
    for record in tries.iter().filter(|record| is_try(record)) {
        times.entry(from_of(record)).or_default().push(record.at_ms);
    }
    for login in logins {
        let from = login.from();
        let Some(times) = times.get(&from).filter(|_| !from.is_empty()) else {
            continue;
        };
        let before = times.iter().filter(|at| **at <= login.since_ms).count();
        if before < guesses.max(1) as usize {
            continue;
        }
        let finding = Finding::new(
            account_of(&login.user, accounts),
            "login_guessed",
            Bearing::Review,
            "{user} got in from {from}, from where {count} tries had failed before",
        )
        .field("user", said(login.user.as_bytes()))
        .field("from", said(from.as_bytes()))
        .field("count", before)
        .rests_on("/var/log/btmp", None);
        if !findings.iter().any(|known| known.id == finding.id) {
            findings.push(finding);
        }
    }
    findings
}

/// The first number of ordinary accounts (login.defs(5), `UID_MIN`).
const FIRST_USER: u32 = 1_000;

/// Logins of accounts that nobody should log in to.
pub(crate) fn odd_accounts(logins: &[LoginRow], accounts: &[Account]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for login in logins {
        let account = accounts.iter().find(|account| account.name == login.user);
        let (signal, bearing, say) = match account {
            Some(account) if account.uid == 0 && account.name.as_bytes() != b"root" => (
                "login_of_a_twin",
                Bearing::Review,
                "{user}, another name of root, was in from {from}",
            ),
            // A greeter's own session has no place that it came from.
            Some(account) if account.uid != 0 && account.uid < FIRST_USER && !login.from().is_empty() => (
                "login_of_a_system_account",
                Bearing::Review,
                "{user}, an account of the system, was in from {from}",
            ),
            None if !accounts.is_empty() => (
                "login_of_no_account",
                Bearing::Weighs,
                "{user} was in from {from}, and no file has such an account now",
            ),
            _ => continue,
        };
        let from = login.from();
        let from = if from.is_empty() {
            HostBytes::from("a terminal")
        } else {
            from
        };
        let finding = Finding::new(account_of(&login.user, accounts), signal, bearing, say)
            .field("user", said(login.user.as_bytes()))
            .field("from", said(from.as_bytes()))
            .rests_on("/var/log/wtmp", None);
        if !findings.iter().any(|known| known.id == finding.id) {
            findings.push(finding);
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login_records::{Layout, written};

    fn account(name: &str, uid: u32) -> Account {
        Account {
            name: HostBytes::from(name),
            uid,
            line_sha256: Some(deminer_worker::text::Digest::of(name.as_bytes())),
            ..Account::default()
        }
    }

    fn accounts() -> Vec<Account> {
        vec![
            account("root", 0),
            account("toor", 0),
            account("news", 9),
            account("ops", 1_000),
        ]
    }

    /// Kind, terminal, user, last part of the address (0 for none), second.
    fn records(rows: &[(u8, &str, &str, u8, u32)]) -> Vec<Record> {
        let bytes: Vec<u8> = rows
            .iter()
            .flat_map(|(kind, line, user, from, at)| {
                let address = if *from == 0 { [0; 4] } else { [198, 51, 100, *from] };
                written(*kind, 100, line, user, "", address, *at)
            })
            .collect();
        Layout::of("x86_64").expect("known").records(&bytes, 0)
    }

    fn signals(findings: &[Finding]) -> Vec<String> {
        findings
            .iter()
            .map(|finding| format!("{} {}", finding.signal, finding.sentence()))
            .collect()
    }

    #[test]
    fn tries_are_summed_up_and_no_password_is_told() {
        let tries = records(&[
            (6, "ssh:notty", "root", 7, 10),
            (6, "ssh:notty", "hunter2", 7, 20),
            (6, "ssh:notty", "letmein", 7, 30),
            (6, "ssh:notty", "root", 7, 40),
            (6, "ssh:notty", "root", 8, 50),
        ]);
        let told: Vec<String> = failed(&tries, &accounts())
            .iter()
            .map(|row| {
                let user = row.user.as_ref().map_or("-".to_owned(), HostBytes::to_string);
                format!("{} {user} {} {}..{}", row.from, row.count, row.first_ms, row.last_ms)
            })
            .collect();
        let expected = [
            "198.51.100.7 root 2 10000..40000",
            "198.51.100.7 - 2 20000..30000",
            "198.51.100.8 root 1 50000..50000",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn who_guessed_is_told_from_who_mistyped() {
        let guesser: Vec<(u8, &str, &str, u8, u32)> = (0..10).map(|at| (6, "ssh:notty", "ops", 7, at)).collect();
        let mut tries = records(&guesser);
        tries.extend(records(&[(6, "ssh:notty", "ops", 8, 5)]));
        let past = records(&[
            (7, "pts/0", "ops", 7, 100),
            (7, "pts/1", "ops", 8, 100),
            (7, "pts/2", "root", 0, 100),
        ]);
        let logins = login_story::logins(&past, u64::MAX);
        let found = guessed(&logins, &tries, &accounts(), 10);
        assert_eq!(
            signals(&found),
            ["login_guessed ops got in from 198.51.100.7, from where 10 tries had failed before"]
        );
        assert!(guessed(&logins, &tries, &accounts(), 11).is_empty());
    }

    #[test]
    fn logins_of_odd_accounts() {
        let past = records(&[
            (7, "pts/0", "ops", 7, 100),
            (7, "pts/1", "toor", 7, 90),
            (7, "pts/2", "news", 7, 80),
            (7, ":0", "news", 0, 70),
            (7, "pts/3", "gone", 7, 60),
            (7, "tty1", "root", 0, 50),
        ]);
        let found = odd_accounts(&login_story::logins(&past, u64::MAX), &accounts());
        let expected = [
            "login_of_a_twin toor, another name of root, was in from 198.51.100.7",
            "login_of_a_system_account news, an account of the system, was in from 198.51.100.7",
            "login_of_no_account gone was in from 198.51.100.7, and no file has such an account now",
        ];
        assert_eq!(signals(&found), expected);
        assert!(found.iter().all(|finding| finding.bearing != Bearing::Condemns));
    }

    fn session(line: &str, since_ms: u64) -> SessionRow {
        SessionRow {
            user: HostBytes::from("ops"),
            line: HostBytes::from(line),
            from: HostBytes::default(),
            address: None,
            since_ms,
            idle_ms: None,
            pids: vec![100],
            stale: false,
            ours: false,
        }
    }

    #[test]
    fn a_login_that_wtmp_lost() {
        let past = records(&[(2, "~", "reboot", 0, 10), (7, "pts/0", "ops", 7, 100)]);
        assert!(unwritten(&[session("pts/0", 100_000)], &past, Some(10_000)).is_empty());
        assert_eq!(unwritten(&[session("pts/1", 100_000)], &past, Some(10_000)).len(), 1);
        assert!(
            unwritten(&[session("pts/1", 5_000)], &past, Some(10_000)).is_empty(),
            "from before the log"
        );
        assert!(unwritten(&[session("pts/1", 5_000)], &past, None).is_empty());
    }
}
