//! The keys that open accounts over SSH.
//!
//! Looks at the `authorized_keys` of every account, system accounts too, where `sshd_config` and what it includes say that
//! they are (sshd(8), sshd_config(5)), and where sshd looks by default; at what else `sshd_config` says about who gets in.
//! A key's comment is anybody's word. It cannot see keys that a command gives sshd, certificates and who holds them, keys
//! of dropbear or of another daemon, nor accounts of LDAP, SSSD or NIS. What runs at every login is `startup.list`'s.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Effect, FileTarget, LineTarget};
use deminer_worker::query::{Account, Coverage, FileKind, FileText, GapReason};
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::authorized_keys::{KeyLine, KeyOption, parse_authorized_keys};
use crate::command_words::{resolved, simple_commands_at, started_files};
use crate::linked_files;
use crate::questions;
use crate::saying::said;
use crate::session_key;
use crate::sshd_config::{Directive, parse_sshd_config};
use crate::starter::{Place, Starter};

/// `key.list`.
pub struct KeyList;

/// Takes none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// Keys, and what else lets somebody in over SSH.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// By file, then by line.
    pub rows: Vec<KeyRow>,
    /// What starts something at a login: keys with a command of their own; for `miner.trace`.
    pub starters: Vec<Starter>,
    /// What `sshd_config` says about who gets in, in the order in which sshd reads it.
    pub settings: Vec<Setting>,
    /// The key by which our own session came in, as sshd logged it; `None` where that was not told.
    pub own: Option<String>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyRow {
    /// The file, whole.
    pub file: FileTarget,
    /// Its line, from 1.
    pub number: u32,
    /// The line's bytes without the line feed.
    pub line: HostBytes,
    /// The accounts that it opens.
    pub accounts: Vec<HostBytes>,
    /// `ssh-ed25519`, `ssh-rsa`, ...
    pub kind: HostBytes,
    /// As `ssh-keygen -l` writes it: `SHA256:...`; `None` where the key is none that sshd would take.
    pub fingerprint: Option<String>,
    /// What stands before the key.
    pub options: Vec<KeyOption>,
    /// What stands behind it. Anybody may have written anything there.
    pub comment: HostBytes,
    /// Files that its `command` runs, by its own words.
    pub starts: Vec<HostPath>,
    /// Whether sshd reads this file by its configuration.
    pub read: bool,
    /// Whether our own session came in by it.
    pub ours: bool,
}

/// A line of `sshd_config` about who gets in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Setting {
    /// The file.
    pub path: HostPath,
    /// The same, whole; `None` where it could not be read whole.
    pub file: Option<FileTarget>,
    /// The line.
    pub directive: Directive,
}

/// The configuration of sshd.
const CONFIG: &str = "/etc/ssh/sshd_config";
/// Where keys are by default, below a home directory.
const DEFAULTS: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];

/// The files that one look reads, and the bytes of each.
const FILES: u32 = 4_096;
const FILE_BYTES: u32 = 256 << 10;
/// The files that a configuration includes at most, and how deep.
const INCLUDES: usize = 64;
const DEPTH: u32 = 8;
/// The accounts whose files are looked at.
const ACCOUNTS: usize = 4_096;
/// The places of keys that a configuration names.
const PLACES: usize = 16;
/// The rows of one look.
const ROWS: usize = 20_000;
/// The files with odd names that are read one by one.
const ODD: usize = 64;

/// Keywords that say who gets in, or what runs then.
const KEYWORDS: [&str; 21] = [
    "allowgroups",
    "allowusers",
    "authorizedkeyscommand",
    "authorizedkeyscommanduser",
    "authorizedkeysfile",
    "authorizedprincipalscommand",
    "authorizedprincipalsfile",
    "denygroups",
    "denyusers",
    "forcecommand",
    "kbdinteractiveauthentication",
    "passwordauthentication",
    "permitemptypasswords",
    "permitrootlogin",
    "permituserenvironment",
    "permituserrc",
    "pubkeyauthentication",
    "setenv",
    "strictmodes",
    "trustedusercakeys",
    "usepam",
];

#[async_trait]
impl Collector for KeyList {
    const ABOUT: About = About {
        name: "key.list",
        summary: "Lists the SSH keys that open each account, with fingerprint and options, and who else sshd lets in.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "keys that a command gives to sshd, holders of certificates, keys of other daemons",
        example: "{id: keys, use: key.list}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, _: Params) -> Result<Outcome<Output>, ModuleError> {
        let mut coverage = Coverage::whole();
        let facts = questions::facts(host).await?.value;
        let accounts = questions::accounts(host).await;
        let accounts = questions::or_gap(accounts, "accounts", &mut coverage, Vec::new)?;
        let settings = settings(host, &mut coverage).await?;
        let own = session_key::own(host, &facts).await?;
        let places = Places::of(&settings, &accounts, &mut coverage);
        let files = read_all(host, places.paths(), &mut coverage).await?;
        let rows = rows(&places, &files, own.as_deref(), &mut coverage);
        let starters = starters(&rows);
        let findings = findings(&rows, &settings, &accounts);
        let output = Output {
            rows,
            starters,
            settings,
            own,
        };
        Ok(Outcome {
            findings,
            ..Outcome::of(output).seen_with(coverage)
        })
    }
}

/// What `sshd_config` and what it includes say about who gets in.
async fn settings(host: &dyn HostView, coverage: &mut Coverage) -> Result<Vec<Setting>, ModuleError> {
    let mut settings = Vec::new();
    // What is still to be read, the next one last: an include stands for the text of its files.
    let mut waiting: Vec<Step> = vec![Step::Read(HostPath::from(CONFIG), None, 0)];
    let mut files = 0;
    while let Some(step) = waiting.pop() {
        let (pattern, condition, depth) = match step {
            Step::Say(setting) => {
                settings.push(*setting);
                continue;
            }
            Step::Read(pattern, condition, depth) => (pattern, condition, depth),
        };
        let mut steps = Vec::new();
        for (_, text) in linked_files::read(host, vec![pattern], FILES, FILE_BYTES, "sshd_config", coverage).await? {
            if files == INCLUDES || depth == DEPTH {
                coverage.note("sshd_config", &text.stat.path, GapReason::TooMany);
                break;
            }
            files += 1;
            let (directives, more) = parse_sshd_config(text.content.as_bytes(), condition.as_ref());
            if more || text.cut {
                coverage.note("file", &text.stat.path, GapReason::Cut);
            }
            for directive in directives {
                let (path, file) = (text.stat.path.clone(), FileTarget::from_stat(&text.stat));
                if directive.keyword == "include" {
                    let relative = HostPath::from("/etc/ssh");
                    let included = directive.arguments.iter().map(|argument| {
                        let path = resolved(argument.as_bytes(), Some(&relative), true);
                        Step::Read(HostPath::new(path.as_bytes()), directive.condition.clone(), depth + 1)
                    });
                    steps.extend(included);
                } else if KEYWORDS.contains(&&*directive.keyword) {
                    steps.push(Step::Say(Box::new(Setting { path, file, directive })));
                }
            }
        }
        waiting.extend(steps.into_iter().rev());
    }
    Ok(settings)
}

enum Step {
    Read(HostPath, Option<HostBytes>, u32),
    Say(Box<Setting>),
}

/// Where keys are, each with the accounts that it is read for.
#[derive(Default)]
struct Places {
    keys: BTreeMap<HostPath, Readers>,
}

#[derive(Default)]
struct Readers {
    accounts: Vec<HostBytes>,
    /// Whether sshd reads it, for any of them.
    read: bool,
    home: Option<HostPath>,
}

impl Places {
    fn of(settings: &[Setting], accounts: &[Account], coverage: &mut Coverage) -> Self {
        let configured: Vec<&HostBytes> = settings
            .iter()
            .filter(|setting| setting.directive.keyword == "authorizedkeysfile")
            .flat_map(|setting| &setting.directive.arguments)
            .filter(|argument| !argument.as_bytes().eq_ignore_ascii_case(b"none"))
            .collect();
        // Outside of a `Match` block it replaces the default; within one both may be read.
        let replaced = (settings.iter())
            .any(|setting| setting.directive.keyword == "authorizedkeysfile" && setting.directive.condition.is_none());
        if configured.len() > PLACES {
            coverage.note("sshd_config", HostBytes::from("AuthorizedKeysFile"), GapReason::TooMany);
        }
        let mut places = Self::default();
        for (at, account) in accounts.iter().enumerate() {
            if at == ACCOUNTS {
                coverage.note("account", HostBytes::default(), GapReason::TooMany);
                break;
            }
            if account.home.as_bytes().first() != Some(&b'/') {
                continue;
            }
            for pattern in configured.iter().take(PLACES) {
                if let Some(path) = key_file(pattern.as_bytes(), account) {
                    places.add(path, account, true);
                }
            }
            for pattern in DEFAULTS {
                if let Some(path) = key_file(pattern.as_bytes(), account) {
                    places.add(path, account, !replaced);
                }
            }
        }
        places
    }

    fn add(&mut self, path: HostPath, account: &Account, read: bool) {
        let readers = self.keys.entry(path).or_default();
        readers.read |= read;
        readers.home.get_or_insert_with(|| account.home.clone());
        if !readers.accounts.contains(&account.name) {
            readers.accounts.push(account.name.clone());
        }
    }

    fn paths(&self) -> Vec<HostPath> {
        self.keys.keys().cloned().collect()
    }
}

/// The file that a pattern of `AuthorizedKeysFile` means for an account; `None` where it means none.
pub(crate) fn key_file(pattern: &[u8], account: &Account) -> Option<HostPath> {
    let mut path = Vec::new();
    let mut bytes = pattern.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => match bytes.next()? {
                b'%' => path.push(b'%'),
                b'h' => path.extend_from_slice(account.home.as_bytes()),
                b'u' => path.extend_from_slice(account.name.as_bytes()),
                b'U' => path.extend_from_slice(account.uid.to_string().as_bytes()),
                _ => return None,
            },
            byte => path.push(*byte),
        }
    }
    let path = resolved(&path, Some(&account.home), true);
    path.as_bytes()
        .starts_with(b"/")
        .then(|| HostPath::new(path.as_bytes()))
}

/// The regular files among these, each under the path that it was asked by; links are followed by one step, as sshd does.
async fn read_all(
    host: &dyn HostView,
    paths: Vec<HostPath>,
    coverage: &mut Coverage,
) -> Result<BTreeMap<HostPath, FileText>, ModuleError> {
    let is_pattern = |path: &HostPath| path.as_bytes().iter().any(|b| matches!(b, b'*' | b'?'));
    let (odd, plain): (Vec<HostPath>, Vec<HostPath>) = paths.into_iter().partition(is_pattern);
    let found = linked_files::read(host, plain, FILES, FILE_BYTES, "keys", coverage).await?;
    let mut files: BTreeMap<HostPath, FileText> = found.into_iter().collect();
    // A name with `*` or `?` would be taken for a pattern: such a file is read by itself.
    for (at, path) in odd.into_iter().enumerate() {
        if at == ODD {
            coverage.note("keys", &path, GapReason::TooMany);
            break;
        }
        let seen = questions::read(host, path.clone(), FILE_BYTES).await;
        let text = questions::or_gap(seen, "keys", coverage, || None)?;
        files.extend(
            text.filter(|text| text.stat.kind == FileKind::Regular)
                .map(|text| (path, text)),
        );
    }
    Ok(files)
}

fn rows(
    places: &Places,
    files: &BTreeMap<HostPath, FileText>,
    own: Option<&str>,
    coverage: &mut Coverage,
) -> Vec<KeyRow> {
    let mut rows = Vec::new();
    for (path, readers) in &places.keys {
        let Some(text) = files.get(path) else { continue };
        let Some(file) = target_of(path, text, coverage) else {
            continue;
        };
        let keys = parse_authorized_keys(text.content.as_bytes());
        if keys.more || rows.len() + keys.lines.len() > ROWS {
            coverage.note("keys", path, GapReason::TooMany);
        }
        rows.extend(keys.lines.into_iter().map(|key| row(key, &file, readers, own)));
        rows.truncate(ROWS);
    }
    rows
}

fn row(key: KeyLine, file: &FileTarget, readers: &Readers, own: Option<&str>) -> KeyRow {
    let command = key.command().map(HostBytes::as_bytes).unwrap_or_default();
    let starts = started_files(&simple_commands_at(command, readers.home.as_ref()));
    KeyRow {
        file: file.clone(),
        number: key.number,
        accounts: readers.accounts.clone(),
        ours: own.is_some() && key.fingerprint.as_deref() == own,
        starts,
        line: key.line,
        kind: key.kind,
        fingerprint: key.fingerprint,
        options: key.options,
        comment: key.comment,
        read: readers.read,
    }
}

/// The file as an act may name it; why there is none becomes a gap.
fn target_of(path: &HostPath, text: &FileText, coverage: &mut Coverage) -> Option<FileTarget> {
    if text.cut {
        coverage.note("file", path, GapReason::Cut);
    }
    let target = FileTarget::from_stat(&text.stat);
    if target.is_none() && !text.cut {
        coverage.note("file", path, GapReason::Denied);
    }
    target
}

impl KeyRow {
    /// The line as an act and a finding name it. It is its own mark: a line with the same key behind another comment is
    /// another line.
    pub(crate) fn artifact(&self) -> Artifact {
        Artifact::Line {
            file: self.file.clone(),
            line: LineTarget {
                number: self.number,
                line: self.line.clone(),
                mark: self.line.clone(),
            },
        }
    }

    /// What it runs in the place of what its user asks for.
    pub(crate) fn command(&self) -> Option<&HostBytes> {
        let option = self.options.iter().find(|option| option.name.as_bytes() == b"command");
        option.and_then(|option| option.value.as_ref())
    }
}

/// What runs at each login by a key.
fn starters(rows: &[KeyRow]) -> Vec<Starter> {
    let starter = |row: &KeyRow| {
        Some(Starter {
            place: Place::AuthorizedKey,
            file: row.file.clone(),
            number: Some(row.number),
            line: row.line.clone(),
            within: None,
            user: row.accounts.first().cloned().unwrap_or_default(),
            schedule: HostBytes::default(),
            command: row.command()?.clone(),
            starts: row.starts.clone(),
            settings: Vec::new(),
            link: None,
        })
    };
    rows.iter().filter_map(starter).collect()
}

/// What is remarkable; nothing of it condemns.
fn findings(rows: &[KeyRow], settings: &[Setting], accounts: &[Account]) -> Vec<Finding> {
    let of_keys = rows.iter().flat_map(|row| of_key(row, accounts));
    of_keys.chain(settings.iter().filter_map(of_setting)).collect()
}

/// Options that bend what a login runs.
const BENDING: [&[u8]; 5] = [b"LD_PRELOAD", b"LD_LIBRARY_PATH", b"LD_AUDIT", b"PATH", b"BASH_ENV"];

/// Flags that forbid every change, and every change but growth (chattr(1)).
const HELD: u32 = 0x30;

/// The first number of ordinary accounts (login.defs(5), `UID_MIN`).
const FIRST_USER: u32 = 1_000;

fn of_key(row: &KeyRow, accounts: &[Account]) -> Vec<Finding> {
    let print = row.fingerprint.clone().unwrap_or_else(|| "no fingerprint".to_owned());
    let names: Vec<String> = row.accounts.iter().map(|name| said(name.as_bytes())).collect();
    let state = |signal: &str, say: &str| {
        Finding::new(row.artifact(), signal, Bearing::Review, say)
            .field("key", &print)
            .field("accounts", names.join(", "))
            .rests_on(&row.file.path, Some(row.file.sha256))
    };
    let mut findings = Vec::new();
    let opens: Vec<&Account> = accounts
        .iter()
        .filter(|account| row.accounts.contains(&account.name))
        .collect();
    let is_system = |account: &&&Account| account.uid != 0 && account.uid < FIRST_USER;
    if let Some(account) = opens.iter().find(is_system) {
        findings.push(
            state(
                "key_of_a_system_account",
                "the key {key} opens {account}, an account of the system",
            )
            .field("account", said(account.name.as_bytes())),
        );
    }
    let bends = |option: &&KeyOption| {
        let value = option.value.as_ref().map(HostBytes::as_bytes).unwrap_or_default();
        option.name.as_bytes() == b"environment"
            && BENDING.iter().any(|name| {
                let rest = value.strip_prefix(*name);
                rest.is_some_and(|rest| rest.starts_with(b"="))
            })
    };
    if let Some(option) = row.options.iter().find(bends) {
        let value = option.value.as_ref().map(HostBytes::as_bytes).unwrap_or_default();
        findings.push(
            state(
                "key_bends_login",
                "the key {key} of {accounts} sets {value} for what a login runs",
            )
            .field("value", said(value)),
        );
    }
    if row.file.flags.is_some_and(|flags| flags & HELD != 0) {
        findings.push(state(
            "keys_held",
            "the file with the key {key} of {accounts} is held by chattr: nobody can take it out by hand",
        ));
    }
    if row.file.uid != 0 && !opens.iter().any(|account| account.uid == row.file.uid) {
        findings.push(
            state(
                "keys_of_another",
                "the file with the key {key} belongs to uid {uid}, not to {accounts}",
            )
            .field("uid", row.file.uid),
        );
    }
    findings
}

fn of_setting(setting: &Setting) -> Option<Finding> {
    use Bearing::{Review, Weighs};
    let directive = &setting.directive;
    let first = directive.arguments.first().map(HostBytes::as_bytes).unwrap_or_default();
    let is = |value: &str| first.eq_ignore_ascii_case(value.as_bytes());
    let (bearing, signal, say) = match &*directive.keyword {
        "authorizedkeyscommand" if !is("none") => (
            Review,
            "keys_by_command",
            "{place}: sshd asks {value} for keys; what it answers is not seen here",
        ),
        "authorizedprincipalscommand" if !is("none") => (
            Review,
            "principals_by_command",
            "{place}: sshd asks {value} whom a certificate opens; what it answers is not seen here",
        ),
        "trustedusercakeys" if !is("none") => (
            Review,
            "keys_by_authority",
            "{place}: whoever has a certificate of {value} gets in; who that is is not seen here",
        ),
        "setenv" if BENDING.iter().any(|name| first.starts_with(name)) => {
            (Review, "sshd_bends_login", "{place}: every login gets {value}")
        }
        "permitemptypasswords" if is("yes") => (
            Review,
            "empty_passwords_over_ssh",
            "{place}: accounts without a password get in",
        ),
        "forcecommand" if directive.condition.is_none() && !is("none") => {
            (Weighs, "sshd_forces_command", "{place}: every login runs {value}")
        }
        "permituserenvironment" if !is("no") => (
            Weighs,
            "environment_over_ssh",
            "{place}: keys and ~/.ssh/environment may set what a login loads ({value})",
        ),
        "permitrootlogin" if is("yes") => (Weighs, "root_over_ssh", "{place}: root gets in with a password"),
        _ => return None,
    };
    let place = match &directive.condition {
        Some(condition) => format!(
            "{}:{} for {}",
            setting.path,
            directive.number,
            said(condition.as_bytes())
        ),
        None => format!("{}:{}", setting.path, directive.number),
    };
    let artifact = match &setting.file {
        Some(file) => Artifact::Line {
            file: file.clone(),
            line: LineTarget {
                number: directive.number,
                line: directive.line.clone(),
                mark: directive.line.clone(),
            },
        },
        None => Artifact::Host {},
    };
    let words: Vec<&[u8]> = directive.arguments.iter().map(HostBytes::as_bytes).collect();
    Some(
        Finding::new(artifact, signal, bearing, say)
            .field("place", place)
            .field("value", said(&words.join(&b' ')))
            .rests_on(&setting.path, setting.file.as_ref().map(|file| file.sha256)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn account(name: &str, home: &str) -> Account {
        Account {
            name: HostBytes::from(name),
            uid: 1_000,
            home: HostPath::from(home),
            ..Account::default()
        }
    }

    #[test]
    fn where_keys_are() {
        let rows = [
            (".ssh/authorized_keys", Some("/home/a/.ssh/authorized_keys")),
            ("%h/keys", Some("/home/a/keys")),
            ("/etc/ssh/keys/%u-%U%%", Some("/etc/ssh/keys/a-1000%")),
            ("/etc/../srv/./k", Some("/srv/k")),
            ("%x", None),
            ("%", None),
        ];
        for (pattern, expected) in rows {
            let found = key_file(pattern.as_bytes(), &account("a", "/home/a"));
            assert_eq!(found, expected.map(HostPath::from), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_is_read(pattern: Vec<u8>, name: Vec<u8>, home: Vec<u8>) {
            let account = Account { name: HostBytes::new(name), home: HostPath::new(home), ..Account::default() };
            let path = key_file(&pattern, &account);
            prop_assert!(path.is_none_or(|path| path.as_bytes().starts_with(b"/")));
        }
    }
}
