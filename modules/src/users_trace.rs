//! `users.trace`: which accounts, keys and lines of sudoers are the intruder's.
//!
//! A key is condemned for its own bytes only: its fingerprint stands in a list, or its `command` starts what is condemned
//! and nothing else. A line of sudoers is condemned where all that it grants is condemned, or where it serves nobody but
//! accounts that the operator named. An account is condemned by nothing that the host says: the operator names it.
//! Everything else is for a person to look at. Comments, names and dates condemn nothing.

use std::collections::BTreeSet;

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Condemned, DOOR, Finding, FindingId, HostVerdict, Verdict};
use deminer_engine::module::{About, Analyzer, Misread, ModuleError, Outcome, Resource};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{AccountTarget, Effect};
use deminer_worker::query::Account;
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account_signs;
use crate::key_list::KeyRow;
use crate::known_keys::KnownKeys;
use crate::saying::said;
use crate::sudoers_list::{RowKind, SudoersRow};
use crate::trace::components::{self, Account as Ledger};
use crate::trace::speech::{Tenor, tenor};

/// The module `users.trace`.
#[derive(Debug, Clone, Copy, Default)]
pub struct UsersTrace;

/// What is there, and what is known of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The accounts: `"{{ steps.users.rows }}"`.
    pub accounts: Vec<Account>,
    /// The keys: `"{{ steps.keys.rows }}"`.
    #[serde(default)]
    pub keys: Vec<KeyRow>,
    /// The lines of sudoers: `"{{ steps.sudoers.rows }}"`.
    #[serde(default)]
    pub sudoers: Vec<SudoersRow>,
    /// Accounts that are the intruder's, by login name. Lines of sudoers that serve only them go too.
    /// Example: `lock: [toor, sysadm]`.
    #[serde(default)]
    pub lock: Vec<String>,
    /// Keys that are the intruder's, by fingerprint as `ssh-keygen -l` writes it.
    /// Example: `remove_keys: ["SHA256:MkYY9qiVsFGBC5WkjoClCkwEFW5iSjcGQF7m4n4H7Cw"]`.
    #[serde(default)]
    pub remove_keys: Vec<String>,
    /// Lines of sudoers that are the intruder's, by the fingerprint that `sudoers.list` gives.
    #[serde(default)]
    pub remove_sudoers: Vec<String>,
    /// Why what is named is the intruder's: an alert, a ticket, what its owner said. It stands in the plan and the report.
    #[serde(default)]
    pub reason: String,
    /// Programs that are the intruder's: a key or a line that starts nothing else goes.
    #[serde(default)]
    pub paths: Vec<HostPath>,
    /// What another trace condemned: its files count as `paths`, its components keep their numbers.
    #[serde(default)]
    pub condemned: Vec<Condemned>,
    /// Keys that intruders are known to leave.
    #[serde(default)]
    pub known: Option<Resource>,
    /// Whether every key and every rule is shown for a person to look at, or only what is condemned.
    #[serde(default)]
    pub show: Show,
    /// Whether its word is the host's: infected where something is condemned, suspected where something odd is left to a
    /// person, else clean. Only where nothing else judges the host.
    #[serde(default)]
    pub judges_host: bool,
}

/// What is shown for a person to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Show {
    /// Every key that opens an account, and every rule of sudoers.
    #[default]
    All,
    /// Only what is condemned, and what is named and may not be touched.
    Condemned,
}

/// What of accounts, keys and sudoers is the intruder's.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Traced {
    /// What that says of the host.
    pub host: HostVerdict,
    /// All that is condemned.
    pub artifacts: Vec<Condemned>,
    /// Of that the accounts.
    pub accounts: Vec<Condemned>,
    /// Of that the lines with keys.
    pub keys: Vec<Condemned>,
    /// Of that the lines of sudoers; all lines of one that goes on in others.
    pub sudoers: Vec<Condemned>,
    /// What a person should look at.
    pub review: Vec<Condemned>,
}

#[async_trait]
impl Analyzer for UsersTrace {
    const ABOUT: About = About {
        name: "users.trace",
        summary: "Tells which accounts, keys and lines of sudoers are the intruder's: by their own bytes, or as the operator names them",
        effect: Effect::Judge,
        phases: &[Phase::Decide, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "who uses an account or a key; what aliases of sudoers come to",
        example: "{id: trace, use: users.trace, with: {accounts: \"{{ steps.users.rows }}\", keys: \"{{ steps.keys.rows }}\", lock: [toor]}}",
    };
    type Params = Params;
    type Output = Traced;

    fn reads(file: &Resource) -> Option<Result<(), Misread>> {
        Some(KnownKeys::read(file).map(drop))
    }

    async fn judge(&self, params: Params) -> Result<(Outcome<Traced>, Option<Verdict>), ModuleError> {
        let (outcome, because) = trace(&params)?;
        let host = outcome.output.host;
        let verdict = params.judges_host.then_some(Verdict { host, because });
        Ok((outcome, verdict))
    }
}

fn trace(params: &Params) -> Result<(Outcome<Traced>, Vec<FindingId>), ModuleError> {
    let known = match &params.known {
        Some(resource) => KnownKeys::read(resource)?,
        None => KnownKeys::default(),
    };
    let remove_keys = prints("remove_keys", &params.remove_keys)?;
    let remove_sudoers = prints("remove_sudoers", &params.remove_sudoers)?;
    let files = params
        .condemned
        .iter()
        .filter_map(|condemned| match &condemned.artifact {
            Artifact::File { file } => Some(file.path.clone()),
            Artifact::Process { process } => Some(process.exe_path.clone()),
            _ => None,
        });
    let mut case = Case {
        paths: files.chain(params.paths.iter().cloned()).collect(),
        named: params.lock.iter().map(|name| HostBytes::from(name.as_str())).collect(),
        reason: reason(&params.reason),
        show: params.show,
        ledger: Ledger::default(),
        met: BTreeSet::new(),
    };
    case.accounts(&params.accounts);
    case.keys(&params.keys, &remove_keys, &known);
    case.sudoers(&params.sudoers, &params.accounts, &remove_sudoers);
    let asked = params.lock.iter().chain(&remove_keys).chain(&remove_sudoers);
    let missing: Vec<&str> = asked
        .filter(|name| !case.met.contains(*name))
        .map(String::as_str)
        .collect();
    let (host, because) = word(&case.ledger, &params.accounts);
    let mut outcome = traced(case.ledger, &params.condemned, host);
    if !missing.is_empty() {
        let finding = Finding::new(
            Artifact::Host {},
            "named_not_found",
            Bearing::Weighs,
            "named as the intruder's, but not on this host: {names}",
        );
        outcome
            .findings
            .push(finding.field("names", said(missing.join(", ").as_bytes())));
    }
    Ok((outcome, because))
}

/// What is shown only so that a person can name it.
const SHOWN: [&str; 2] = ["key_opens", "sudoers_rule"];

/// What all that says of the host, and by which findings. Odd accounts count though their findings are another's.
fn word(ledger: &Ledger, accounts: &[Account]) -> (HostVerdict, Vec<FindingId>) {
    let of = |bearing: Bearing| -> Vec<FindingId> {
        let findings = ledger.findings.iter();
        let weighty = findings.filter(|finding| finding.bearing == bearing && !SHOWN.contains(&&*finding.signal));
        weighty.map(|finding| finding.id.clone()).collect()
    };
    let (condemned, open) = (of(Bearing::Condemns), of(Bearing::Review));
    let is_odd = || {
        account_signs::findings(accounts, 0, 0)
            .iter()
            .any(|finding| finding.bearing == Bearing::Review)
    };
    match (condemned.is_empty(), open.is_empty()) {
        (false, _) => (HostVerdict::Infected, condemned),
        (true, false) => (HostVerdict::Suspected, open),
        (true, true) if accounts.is_empty() => (HostVerdict::CannotSay, Vec::new()),
        (true, true) if is_odd() => (HostVerdict::Suspected, Vec::new()),
        (true, true) => (HostVerdict::Clean, Vec::new()),
    }
}

/// Fingerprints in one form: with their mark and without padding.
fn prints(name: &str, asked: &[String]) -> Result<Vec<String>, ModuleError> {
    let one = |(at, text): (usize, &String)| {
        let digits = text.strip_prefix("SHA256:").unwrap_or(text).trim_end_matches('=');
        let fits = digits.len() == 43
            && digits
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
        fits.then(|| format!("SHA256:{digits}"))
            .ok_or_else(|| ModuleError::Parameter {
                name: format!("{name}[{at}]"),
                why: format!(
                    "`{text}` is no fingerprint: expected SHA256: and 43 letters, as `ssh-keygen -l` writes it"
                ),
            })
    };
    asked.iter().enumerate().map(one).collect()
}

fn reason(text: &str) -> String {
    match text.trim() {
        "" => String::new(),
        text => format!(": {}", said(text.as_bytes())),
    }
}

/// Whether it is root under another name, and not shut for good: a key opens what no password does.
fn is_open_twin(account: &Account) -> bool {
    account.uid == 0 && account.name.as_bytes() != b"root" && !account.is_shut(u32::MAX)
}

struct Case {
    /// Programs that are condemned.
    paths: BTreeSet<HostPath>,
    /// Accounts that the operator named.
    named: BTreeSet<HostBytes>,
    reason: String,
    show: Show,
    ledger: Ledger,
    /// What of the named was met, as it was asked for.
    met: BTreeSet<String>,
}

/// What ties things together: what one account or one key is about.
fn account_tie(name: &HostBytes) -> String {
    format!("account {name}")
}

impl Case {
    fn accounts(&mut self, accounts: &[Account]) {
        for account in accounts {
            let target = AccountTarget::from_account(account);
            let (bearing, signal, say) = match (self.named.contains(&account.name), &target) {
                (true, Some(_)) => (
                    Bearing::Condemns,
                    "named_account",
                    "{account} (uid {uid}): the operator named it as the intruder's{reason}",
                ),
                (true, None) => (
                    Bearing::Review,
                    "named_account",
                    "{account} (uid {uid}): the operator named it, but its line of passwd was not told",
                ),
                // What else is odd was said when the accounts were listed.
                (false, Some(_)) if self.show == Show::All && is_open_twin(account) => (
                    Bearing::Review,
                    "open_twin",
                    "{account} is root under another name, and open; to lock it: --set accounts={account}",
                ),
                (false, _) => continue,
            };
            if self.named.contains(&account.name) {
                self.met.insert(account.name.to_string());
            }
            let artifact = target.map_or(Artifact::Host {}, |account| Artifact::Account { account });
            let finding = Finding::new(artifact, signal, bearing, say)
                .field("account", said(account.name.as_bytes()))
                .field("uid", account.uid)
                .field("reason", &self.reason)
                .field(DOOR, said(account.name.as_bytes()))
                .rests_on(format!("/etc/passwd:{}", account.number), account.line_sha256);
            self.state(finding, vec![account_tie(&account.name)]);
        }
    }

    fn keys(&mut self, keys: &[KeyRow], remove: &[String], known: &KnownKeys) {
        for row in keys {
            let Some(print) = &row.fingerprint else { continue };
            let ties = vec![format!("key {print}")];
            let names: Vec<String> = row.accounts.iter().map(|name| said(name.as_bytes())).collect();
            let family = known.family(print);
            let named = remove.contains(print);
            if named {
                self.met.insert(print.clone());
            }
            let command = row.command().map(HostBytes::as_bytes).unwrap_or_default();
            let (bearing, signal, say, value) = match tenor(command, None, &self.paths) {
                _ if row.ours && (named || family.is_some()) => (
                    Bearing::Review,
                    "own_key",
                    "the key {key} of {accounts} is the one that our own session came in by: it stays",
                    Vec::new(),
                ),
                _ if named => (
                    Bearing::Condemns,
                    "named_key",
                    "the key {key} of {accounts}: the operator named it as the intruder's{reason}",
                    Vec::new(),
                ),
                _ if family.is_some() => (
                    Bearing::Condemns,
                    "known_key",
                    "the key {key} of {accounts} is one that {value} leaves",
                    family.unwrap_or_default().as_bytes().to_vec(),
                ),
                Tenor::Condemned(path) => (
                    Bearing::Condemns,
                    "key_starts_condemned",
                    "the key {key} of {accounts} starts {value}, which is condemned, and nothing else",
                    path.as_bytes().to_vec(),
                ),
                Tenor::Mixed(path) => (
                    Bearing::Review,
                    "key_starts_condemned",
                    "the key {key} of {accounts} starts {value}, which is condemned, and does other things too",
                    path.as_bytes().to_vec(),
                ),
                Tenor::Unrelated if self.show == Show::All => (
                    Bearing::Review,
                    "key_opens",
                    "the key {key} opens {accounts} ({value}); to take it out: --set keys={key}",
                    row.comment.as_bytes().to_vec(),
                ),
                Tenor::Unrelated => continue,
            };
            let mut finding = Finding::new(row.artifact(), signal, bearing, say)
                .field("key", print)
                .field("accounts", names.join(", "))
                .field("value", said(&value))
                .field("reason", &self.reason)
                .rests_on(&row.file.path, Some(row.file.sha256));
            if !SHOWN.contains(&signal) {
                finding = finding.field(DOOR, print);
            }
            self.state(finding, ties);
        }
    }

    fn sudoers(&mut self, rows: &[SudoersRow], accounts: &[Account], remove: &[String]) {
        for row in rows {
            let named = remove.contains(&row.fingerprint);
            if named {
                self.met.insert(row.fingerprint.clone());
            }
            let served = self.serves_named(row, accounts);
            let allowed: Vec<&[u8]> = (row.grants.iter().filter(|grant| !grant.denied))
                .map(|grant| grant.command.as_bytes())
                .collect();
            let (bearing, signal, say, value) = match tenor(&allowed.join(&b"; "[..]), None, &self.paths) {
                _ if named => (
                    Bearing::Condemns,
                    "named_sudoers",
                    "`{line}`: the operator named it as the intruder's{reason}",
                    Vec::new(),
                ),
                _ if served == Served::Only => (
                    Bearing::Condemns,
                    "serves_named_account",
                    "`{line}` serves nobody but accounts that the operator named{reason}",
                    Vec::new(),
                ),
                _ if served == Served::Among => (
                    Bearing::Review,
                    "serves_named_account",
                    "`{line}` serves an account that the operator named, and others: edit it by hand",
                    Vec::new(),
                ),
                Tenor::Condemned(path) => (
                    Bearing::Condemns,
                    "grants_condemned",
                    "`{line}` grants {value}, which is condemned, and nothing else",
                    path.as_bytes().to_vec(),
                ),
                Tenor::Mixed(path) => (
                    Bearing::Review,
                    "grants_condemned",
                    "`{line}` grants {value}, which is condemned, and other things too: edit it by hand",
                    path.as_bytes().to_vec(),
                ),
                Tenor::Unrelated if self.show == Show::All && row.kind == RowKind::Rule => (
                    Bearing::Review,
                    "sudoers_rule",
                    "`{line}` grants something; to take it out: --set sudoers={value}",
                    row.fingerprint.as_bytes().to_vec(),
                ),
                Tenor::Unrelated => continue,
            };
            let tie = format!("sudoers {} {}", row.file.path, row.lines[0].number);
            let who = row.who.iter().filter(|who| self.named.contains(*who)).map(account_tie);
            let ties: Vec<String> = who.chain([tie]).collect();
            // The lines that a rule goes on in stand or go with it.
            for artifact in row.artifacts() {
                let mut finding = Finding::new(artifact, signal, bearing, say)
                    .field("line", said(row.lines[0].line.as_bytes()))
                    .field("value", said(&value))
                    .field("reason", &self.reason)
                    .rests_on(&row.file.path, Some(row.file.sha256));
                if !SHOWN.contains(&signal) {
                    finding = finding.field(DOOR, &row.fingerprint);
                }
                self.state(finding, ties.clone());
            }
        }
    }

    /// Whether a rule is for accounts that the operator named. A number (`#0`) is never only theirs where another account
    /// has it too.
    fn serves_named(&self, row: &SudoersRow, accounts: &[Account]) -> Served {
        let is_named = |who: &HostBytes| {
            let Some(number) = who.as_bytes().strip_prefix(b"#") else {
                return self.named.contains(who);
            };
            let mut of_number = accounts
                .iter()
                .filter(|account| account.uid.to_string().as_bytes() == number)
                .peekable();
            of_number.peek().is_some() && of_number.all(|account| self.named.contains(&account.name))
        };
        let count = row.who.iter().filter(|who| is_named(who)).count();
        match count {
            _ if row.kind != RowKind::Rule => Served::Not,
            0 => Served::Not,
            count if count == row.who.len() => Served::Only,
            _ => Served::Among,
        }
    }

    fn state(&mut self, finding: Finding, ties: Vec<String>) {
        match finding.bearing {
            Bearing::Condemns => drop(self.ledger.condemn(finding, &[], ties)),
            _ => self.ledger.ask(finding, &[], ties),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Served {
    Not,
    Among,
    Only,
}

/// The outcome, its components numbered after those of the other trace.
fn traced(ledger: Ledger, others: &[Condemned], host: HostVerdict) -> Outcome<Traced> {
    let after = others.iter().map(|condemned| condemned.component).max().unwrap_or(0);
    let (mut artifacts, mut review) = components::number(&ledger.condemned, &ledger.review);
    for condemned in artifacts
        .iter_mut()
        .chain(review.iter_mut())
        .filter(|c| c.component > 0)
    {
        condemned.component = condemned.component.saturating_add(after);
    }
    let is_key = |condemned: &&Condemned| {
        let tied = ledger.condemned.iter().find(|tied| tied.artifact == condemned.artifact);
        tied.is_some_and(|tied| tied.ties.iter().any(|tie| tie.starts_with("key ")))
    };
    let is_line = |condemned: &&Condemned| matches!(condemned.artifact, Artifact::Line { .. });
    let is_account = |condemned: &&Condemned| matches!(condemned.artifact, Artifact::Account { .. });
    let output = Traced {
        host,
        accounts: artifacts.iter().filter(is_account).cloned().collect(),
        keys: artifacts.iter().filter(is_key).cloned().collect(),
        sudoers: artifacts.iter().filter(|c| is_line(c) && !is_key(c)).cloned().collect(),
        review,
        artifacts,
    };
    Outcome {
        findings: ledger.findings,
        ..Outcome::of(output)
    }
}

#[cfg(test)]
mod tests;
