//! Who is in, who was, and who tried.
//!
//! Looks at `/run/utmp`, the ends of `/var/log/wtmp` and `/var/log/btmp` and of the files before them, and at
//! `/var/log/lastlog` (utmp(5), lastlog(8)), not at what the programs of the host say of them; at the processes of each
//! session, and at sessions that sshd has and utmp does not. Anybody with root's rights may have written or wiped these
//! files: holes in them are told. It cannot see logins that leave no record (a command over SSH without a terminal, a
//! container's shell), older ones than the parts that are read, nor systems that keep them in a database (wtmpdb,
//! lastlog2). Handbook: `who`, `w`, `last`, `lastb`, `uptime`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Effect, FileTarget};
use deminer_worker::query::{Account, Coverage, Entry, FileKind, GapReason, HostFacts, Process, ProcessesQuery, Span};
use deminer_worker::text::{HostBytes, HostPath, Wide};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::login_records::{Layout, Record, RecordKind};
use crate::login_signs;
use crate::login_story::{self, Hole, LoginRow};
use crate::questions;

/// `login.list`.
pub struct LoginList;

/// How much, and what counts as guessing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// The latest so many logins are listed. Example: `logins: 1000`.
    pub logins: u32,
    /// An address that failed so often before it got in is stated as having guessed a password. Example: `guesses: 20`.
    pub guesses: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            logins: 500,
            guesses: 10,
        }
    }
}

/// Logins.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// Who is in now, by terminal.
    pub sessions: Vec<SessionRow>,
    /// Who was, latest first.
    pub logins: Vec<LoginRow>,
    /// Who tried, the most often first.
    pub failed: Vec<FailedRow>,
    /// All failed tries of the parts that were read.
    pub failed_total: u64,
    /// The last login of each account that had one, latest first.
    pub last: Vec<LastRow>,
    /// When the host was started, in milliseconds since 1970, latest first.
    pub boots_ms: Vec<u64>,
    /// Milliseconds since the last start, by the kernel.
    pub uptime_ms: Wide,
    /// Load over 1, 5 and 15 minutes, times 100.
    pub load_centi: [u32; 3],
}

/// Somebody who is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SessionRow {
    /// The login name.
    pub user: HostBytes,
    /// The terminal, without `/dev/`.
    pub line: HostBytes,
    /// Where from, as it was written; empty for a terminal of the host's own.
    pub from: HostBytes,
    /// The address; `None` where none was written.
    pub address: Option<String>,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// For how long nothing was written to the terminal; `None` where that cannot be told.
    pub idle_ms: Option<u64>,
    /// The session's process and all that descend from it, living ones.
    pub pids: Vec<u32>,
    /// Whether its process has ended: then nobody is in, and nobody wrote that down.
    pub stale: bool,
    /// Whether it is our own.
    pub ours: bool,
}

/// Failed logins of one address and one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FailedRow {
    /// Where from: the address, else what was written.
    pub from: HostBytes,
    /// The login name; `None` for names that no account has: a password typed too early would stand here.
    pub user: Option<HostBytes>,
    /// How often.
    pub count: u64,
    /// The first time, in milliseconds since 1970.
    pub first_ms: u64,
    /// The last time.
    pub last_ms: u64,
}

/// The last login of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LastRow {
    /// The login name.
    pub user: HostBytes,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The terminal.
    pub line: HostBytes,
    /// Where from.
    pub from: HostBytes,
}

const UTMP: &str = "/run/utmp";
/// The logs, each after the one that it went on from.
const LOGS: [(&str, &str); 2] = [
    ("/var/log/wtmp.1", "/var/log/wtmp"),
    ("/var/log/btmp.1", "/var/log/btmp"),
];
const LASTLOG: &str = "/var/log/lastlog";
/// Databases in which newer systems keep the same.
const DATABASES: [&str; 2] = ["/var/lib/wtmpdb/wtmp.db", "/var/lib/lastlog/lastlog2.db"];

/// The end of each log that is read.
const TAIL_BYTES: u64 = 4 << 20;
/// The bytes of utmp that are read.
const UTMP_BYTES: u32 = 4 << 20;
/// The accounts whose last login is looked up.
const ACCOUNTS: usize = 4_000;
/// The most rows of failed logins, and of starts.
const FAILED: usize = 500;
const BOOTS: usize = 100;

#[async_trait]
impl Collector for LoginList {
    const ABOUT: About = About {
        name: "login.list",
        summary: "Lists who is logged in, who was, and who tried, from utmp, wtmp, btmp and lastlog, and holes in them.",
        effect: Effect::Read,
        phases: &[Phase::Gather],
        handbook: "2.1.3.1",
        not_seen: "logins that leave no record, older ones than the ends of the logs, databases of newer systems",
        example: "{id: logins, use: login.list}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let facts = questions::facts(host).await?.value;
        let Some(layout) = Layout::of(&facts.architecture) else {
            let mut coverage = Coverage::whole();
            coverage.note("logins", facts.architecture.as_str(), GapReason::Unsupported);
            return Ok(Outcome::of(Output::empty(&facts)).seen_with(coverage));
        };
        let mut look = Look {
            host,
            layout,
            coverage: Coverage::whole(),
        };
        let sizes = look.sizes().await?;
        let accounts = questions::accounts(host).await;
        let accounts = questions::or_gap(accounts, "accounts", &mut look.coverage, Vec::new)?;
        let present = look.utmp().await?;
        let [past, tries] = look.logs(&sizes).await?;
        let last = look.last(&accounts, &sizes).await?;
        let seen = questions::processes(host, ProcessesQuery::default()).await;
        let processes = questions::or_gap(seen, "processes", &mut look.coverage, Vec::new)?;
        let sessions = look
            .sessions(present.as_deref().unwrap_or_default(), &processes, &facts)
            .await?;

        let now_ms = facts.host_time_ms.0;
        let mut logins = login_story::logins(&past.records, now_ms);
        let mut findings = look.holes(&past, &tries).await?;
        if present.is_some() {
            findings.extend(login_signs::unlisted(&sessions, &processes));
            findings.extend(login_signs::unwritten(&sessions, &past.records, past.since_ms));
        }
        findings.extend(login_signs::guessed(&logins, &tries.records, &accounts, params.guesses));
        findings.extend(login_signs::odd_accounts(&logins, &accounts));
        logins.truncate(params.logins as usize);
        let failed = login_signs::failed(&tries.records, &accounts);
        if failed.len() > FAILED {
            look.coverage
                .note("failed logins", HostBytes::default(), GapReason::TooMany);
        }
        let boots = past
            .records
            .iter()
            .rev()
            .filter(|record| record.kind == RecordKind::Boot);
        let output = Output {
            sessions,
            logins,
            failed_total: tries
                .records
                .iter()
                .filter(|record| login_signs::is_try(record))
                .count() as u64,
            failed: failed.into_iter().take(FAILED).collect(),
            last,
            boots_ms: boots.map(|record| record.at_ms).take(BOOTS).collect(),
            uptime_ms: facts.uptime_ms,
            load_centi: facts.load_centi,
        };
        Ok(Outcome {
            findings,
            ..Outcome::of(output).seen_with(look.coverage)
        })
    }
}

impl Output {
    fn empty(facts: &HostFacts) -> Self {
        Self {
            sessions: Vec::new(),
            logins: Vec::new(),
            failed: Vec::new(),
            failed_total: 0,
            last: Vec::new(),
            boots_ms: Vec::new(),
            uptime_ms: facts.uptime_ms,
            load_centi: facts.load_centi,
        }
    }
}

/// A log with the one that it went on from.
struct Log {
    records: Vec<Record>,
    /// From when on all of it was read, in milliseconds since 1970; `None` where nothing was.
    since_ms: Option<u64>,
    holes: Vec<(HostPath, Hole)>,
}

struct Look<'a> {
    host: &'a dyn HostView,
    layout: Layout,
    coverage: Coverage,
}

impl Look<'_> {
    /// The sizes of the files that are there; databases of newer systems are gaps.
    async fn sizes(&mut self) -> Result<BTreeMap<HostPath, u64>, ModuleError> {
        let logs = LOGS.iter().flat_map(|(before, log)| [*before, *log]);
        let paths: Vec<HostPath> = logs.chain([LASTLOG]).chain(DATABASES).map(HostPath::from).collect();
        let seen = questions::stat(self.host, paths, false).await;
        let entries = questions::or_gap(seen, "logins", &mut self.coverage, Vec::new)?;
        let mut sizes = BTreeMap::new();
        for entry in entries {
            let Entry::Present(stat) = entry else { continue };
            if DATABASES.iter().any(|database| stat.path == HostPath::from(*database)) {
                self.coverage.note("logins", &stat.path, GapReason::Unsupported);
            } else if stat.kind == FileKind::Regular {
                sizes.insert(stat.path, stat.size.0);
            }
        }
        Ok(sizes)
    }

    /// The records of utmp; `None` where there is no such file.
    async fn utmp(&mut self) -> Result<Option<Vec<Record>>, ModuleError> {
        let path = HostPath::from(UTMP);
        let seen = questions::read(self.host, path.clone(), UTMP_BYTES).await;
        let text = questions::or_gap(seen, "logins", &mut self.coverage, || None)?;
        let Some(text) = text.filter(|text| text.stat.kind == FileKind::Regular) else {
            self.coverage.note("logins", path, GapReason::Unsupported);
            return Ok(None);
        };
        if text.cut {
            self.coverage.note("file", path, GapReason::Cut);
        }
        Ok(Some(self.layout.records(text.content.as_bytes(), 0)))
    }

    async fn logs(&mut self, sizes: &BTreeMap<HostPath, u64>) -> Result<[Log; 2], ModuleError> {
        let mut logs = Vec::new();
        for (before, log) in LOGS {
            let mut whole = Log {
                records: Vec::new(),
                since_ms: None,
                holes: Vec::new(),
            };
            let latest = HostPath::from(log);
            let is_there = sizes.contains_key(&latest);
            let earlier = HostPath::from(before);
            let mut any = false;
            for path in [&earlier, &latest] {
                let Some(size) = sizes.get(path) else { continue };
                any |= self.tail(path, *size, &mut whole).await?;
            }
            if !is_there {
                self.coverage.note("logins", &latest, GapReason::Unsupported);
            }
            if any {
                whole.since_ms = whole.records.first().map(|record| record.at_ms);
            }
            logs.push(whole);
        }
        logs.try_into().map_err(|_| ModuleError::WrongAnswer {
            asked: "logs".to_owned(),
        })
    }

    /// Adds the end of a log; `true` where it was read.
    async fn tail(&mut self, path: &HostPath, size: u64, log: &mut Log) -> Result<bool, ModuleError> {
        let record = self.layout.record as u64;
        let first = size.saturating_sub(TAIL_BYTES) / record;
        let bytes = u32::try_from(size.saturating_sub(first * record)).unwrap_or(u32::MAX);
        let span = Span {
            from: Wide(first * record),
            bytes,
        };
        let seen = questions::spans(self.host, path.clone(), vec![span]).await;
        let file = questions::or_gap(seen, "logins", &mut self.coverage, || None)?;
        let Some(text) = file.and_then(|file| file.spans.into_iter().next()) else {
            return Ok(false);
        };
        if first > 0 {
            self.coverage.note("logins", path, GapReason::Cut);
        }
        if !size.is_multiple_of(record) {
            log.holes.push((path.clone(), Hole::Torn));
        }
        let records = self.layout.records(text.as_bytes(), first);
        let holes = login_story::holes(&records);
        log.holes.extend(holes.into_iter().map(|hole| (path.clone(), hole)));
        log.records.extend(records);
        Ok(true)
    }

    /// The last logins of accounts: the file has a record for each number, and is as long as the greatest number wants.
    async fn last(
        &mut self,
        accounts: &[Account],
        sizes: &BTreeMap<HostPath, u64>,
    ) -> Result<Vec<LastRow>, ModuleError> {
        let path = HostPath::from(LASTLOG);
        if !sizes.contains_key(&path) {
            return Ok(Vec::new());
        }
        if accounts.len() > ACCOUNTS {
            self.coverage.note("logins", &path, GapReason::TooMany);
        }
        let accounts = &accounts[..accounts.len().min(ACCOUNTS)];
        let record = self.layout.last as u64;
        let spans = accounts.iter().map(|account| Span {
            from: Wide(u64::from(account.uid) * record),
            bytes: u32::try_from(self.layout.last).unwrap_or(u32::MAX),
        });
        let seen = questions::spans(self.host, path, spans.collect()).await;
        let file = questions::or_gap(seen, "logins", &mut self.coverage, || None)?;
        let spans = file.map(|file| file.spans).unwrap_or_default();
        let mut rows: Vec<LastRow> = (accounts.iter().zip(&spans))
            .filter_map(|(account, bytes)| {
                let last = self.layout.last_login(bytes.as_bytes())?;
                Some(LastRow {
                    user: account.name.clone(),
                    at_ms: last.at_ms,
                    line: last.line,
                    from: last.host,
                })
            })
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.at_ms));
        Ok(rows)
    }

    async fn sessions(
        &mut self,
        present: &[Record],
        processes: &[Process],
        facts: &HostFacts,
    ) -> Result<Vec<SessionRow>, ModuleError> {
        let users: Vec<&Record> = present
            .iter()
            .filter(|record| record.kind == RecordKind::User)
            .collect();
        let terminal = |record: &&Record| HostPath::from("/dev").join(record.line.as_bytes());
        let seen = questions::stat(self.host, users.iter().map(terminal).collect(), false).await;
        let terminals = questions::or_gap(seen, "terminal", &mut self.coverage, Vec::new)?;
        let now_ms = facts.host_time_ms.0;
        let mut rows: Vec<SessionRow> = Vec::new();
        for (at, record) in users.into_iter().enumerate() {
            let written_ms = match terminals.get(at) {
                Some(Entry::Present(stat)) if stat.kind == FileKind::CharacterDevice => {
                    Some(stat.mtime_ns.0 / 1_000_000)
                }
                _ => None,
            };
            let pids = login_story::family(record.pid, processes);
            rows.push(SessionRow {
                user: record.user.clone(),
                line: record.line.clone(),
                from: record.host.clone(),
                address: record.address.clone(),
                since_ms: record.at_ms,
                idle_ms: written_ms.map(|written| now_ms.saturating_sub(written)),
                stale: pids.is_empty(),
                ours: pids.iter().any(|pid| *pid > 1 && facts.own_chain.contains(pid)),
                pids,
            });
        }
        rows.sort_by(|a, b| a.line.cmp(&b.line));
        Ok(rows)
    }

    /// What was wiped out of the logs, by file.
    async fn holes(&mut self, past: &Log, tries: &Log) -> Result<Vec<Finding>, ModuleError> {
        let mut by_file: BTreeMap<&HostPath, Vec<&Hole>> = BTreeMap::new();
        for (path, hole) in past.holes.iter().chain(&tries.holes) {
            by_file.entry(path).or_default().push(hole);
        }
        let paths: Vec<HostPath> = by_file.keys().map(|path| (*path).clone()).collect();
        let seen = questions::stat(self.host, paths, true).await;
        let entries = questions::or_gap(seen, "logins", &mut self.coverage, Vec::new)?;
        let mut findings = Vec::new();
        for (at, (path, holes)) in by_file.into_iter().enumerate() {
            let stat = entries.get(at).and_then(|entry| match entry {
                Entry::Present(stat) => FileTarget::from_stat(stat),
                _ => None,
            });
            let artifact = stat.map_or(Artifact::Host {}, |file| Artifact::File { file });
            let empty: u64 = holes
                .iter()
                .map(|hole| if let Hole::Empty(count) = hole { *count } else { 0 })
                .sum();
            let state = |signal: &str, bearing: Bearing, say: &str| {
                Finding::new(artifact.clone(), signal, bearing, say)
                    .field("path", path)
                    .rests_on(path, None)
            };
            if empty > 0 {
                let say = "records of {path} are zeroed ({count}): somebody wiped logins out of it";
                findings.push(state("logins_wiped", Bearing::Review, say).field("count", empty));
            }
            if holes.iter().any(|hole| **hole == Hole::Torn) {
                let say = "{path} is no whole number of records: it was cut or written to by something else";
                findings.push(state("logins_torn", Bearing::Weighs, say));
            }
            if let Some(Hole::Backwards { number }) = holes.iter().find(|hole| matches!(hole, Hole::Backwards { .. })) {
                let say = "record {number} of {path} is older than the one before it: records were taken out or put in, or \
                           the clock was wrong";
                findings.push(state("logins_out_of_order", Bearing::Weighs, say).field("number", number));
            }
        }
        Ok(findings)
    }
}
