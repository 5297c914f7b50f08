//! Who may run what as somebody else by sudo.
//!
//! Looks at `/etc/sudoers` and every file that it includes, line by line with the lines that they go on in (sudoers(5)),
//! and at files beside them that sudo passes over by their name. What aliases stand for and which rule wins is not worked
//! out. It cannot see rules of LDAP or SSSD, doas, su, polkit, nor programs with a set-id bit. Handbook: `cat
//! /etc/sudoers`.

use std::collections::BTreeSet;

use async_trait::async_trait;
use deminer_engine::base64_text;
use deminer_engine::finding::{Artifact, Bearing, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Effect, FileTarget, LineTarget};
use deminer_worker::query::{Coverage, FileText, GapReason};
use deminer_worker::sudoers::{self, Group, Item};
use deminer_worker::text::{Digest, HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::command_words::{resolved, simple_commands, started_files};
use crate::linked_files;
use crate::saying::said;
use crate::starter::{Place, Starter};

/// `sudoers.list`.
pub struct SudoersList;

/// Takes none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// The lines.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// In the order in which sudo reads them; blank lines and comments are left out.
    pub rows: Vec<SudoersRow>,
    /// The commands of rules, for `miner.trace`.
    pub starters: Vec<Starter>,
}

/// One line, with those that it goes on in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SudoersRow {
    /// The file, whole.
    pub file: FileTarget,
    /// Its lines, at least one; they stand or go together.
    pub lines: Vec<NumberedLine>,
    /// What it is.
    pub kind: RowKind,
    /// SHA-256 over its bytes, as `SHA256:...`: its name for `--set sudoers=`.
    pub fingerprint: String,
    /// Of a rule: users, `%groups`, aliases, as they are written. Of aliases: their names.
    pub who: Vec<HostBytes>,
    /// Of a rule: what they may run.
    pub grants: Vec<GrantRow>,
    /// Whether somebody may run something without a password.
    pub nopasswd: bool,
    /// Whether somebody may run everything.
    pub everything: bool,
    /// Whether sudo reads the file; files with a dot or a `~` in their names it passes over.
    pub read: bool,
}

/// A line and its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NumberedLine {
    /// From 1.
    pub number: u32,
    /// Its bytes without the line feed.
    pub line: HostBytes,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// Who may run what.
    Rule,
    /// Names for users, hosts or commands.
    Alias,
    /// A `Defaults` line.
    Defaults,
    /// It includes other files.
    Include,
    /// Not of sudo's grammar.
    Bad,
}

/// One command of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GrantRow {
    /// On which hosts.
    pub hosts: Vec<HostBytes>,
    /// As whom; empty where that is not said, then as root.
    pub run_as: HostBytes,
    /// Whether no password is asked.
    pub nopasswd: bool,
    /// Whether it is `!`: this command not.
    pub denied: bool,
    /// The path with its arguments, an alias, or `ALL`.
    pub command: HostBytes,
}

/// Where sudo begins.
const FIRST: &str = "/etc/sudoers";
/// A directory that is looked at even where nothing includes it: a line that includes it is soon written.
const USUAL: &str = "/etc/sudoers.d";

/// The files of one look, and the bytes of each.
const FILES: u32 = 512;
const FILE_BYTES: u32 = 1 << 20;
/// The rows of one look.
const ROWS: usize = 20_000;
/// How deep files include each other; sudo itself goes to 128.
const DEPTH: u32 = 16;

#[async_trait]
impl Collector for SudoersList {
    const ABOUT: About = About {
        name: "sudoers.list",
        summary: "Lists every rule of sudoers and the files that it includes: who may run what, and where no password is asked.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "rules of LDAP or SSSD, doas, su, polkit, set-id programs; what aliases come to",
        example: "{id: sudoers, use: sudoers.list}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, _: Params) -> Result<Outcome<Output>, ModuleError> {
        let mut coverage = Coverage::whole();
        let rows = rows(host, &mut coverage).await?;
        let findings = rows.iter().filter_map(finding).collect();
        let starters = rows.iter().flat_map(SudoersRow::starters).collect();
        Ok(Outcome {
            findings,
            ..Outcome::of(Output { rows, starters }).seen_with(coverage)
        })
    }
}

/// A file to be read, and whether sudo reads it.
struct Wanted {
    path: HostPath,
    directory: bool,
    read: bool,
    depth: u32,
}

/// The lines of all files that sudo reads, and of those beside them.
pub(crate) async fn rows(host: &dyn HostView, coverage: &mut Coverage) -> Result<Vec<SudoersRow>, ModuleError> {
    let mut rows = Vec::new();
    let mut met: BTreeSet<HostPath> = BTreeSet::new();
    let wanted = |path: &str, directory: bool, read: bool| Wanted {
        path: HostPath::from(path),
        directory,
        read,
        depth: 0,
    };
    let mut waiting = vec![wanted(USUAL, true, false), wanted(FIRST, false, true)];
    while let Some(next) = waiting.pop() {
        let pattern = match next.directory {
            true => next.path.join(b"*"),
            false => next.path.clone(),
        };
        for (name, text) in linked_files::read(host, vec![pattern], FILES, FILE_BYTES, "sudoers", coverage).await? {
            let path = text.stat.path.clone();
            if !met.insert(path.clone()) {
                continue;
            }
            if met.len() > FILES as usize || next.depth > DEPTH || rows.len() >= ROWS {
                coverage.note("sudoers", &path, GapReason::TooMany);
                return Ok(rows);
            }
            let read = next.read && (!next.directory || is_read(name.file_name()));
            let (found, included) = rows_of(&text, read, coverage);
            rows.extend(found);
            let includes = included.into_iter().map(|(directory, path)| Wanted {
                path,
                directory,
                read,
                depth: next.depth + 1,
            });
            waiting.extend(includes.rev());
        }
    }
    Ok(rows)
}

/// Whether sudo reads a file of that name in a directory that is included.
fn is_read(name: &[u8]) -> bool {
    !name.contains(&b'.') && !name.ends_with(b"~")
}

type Included = Vec<(bool, HostPath)>;

fn rows_of(text: &FileText, read: bool, coverage: &mut Coverage) -> (Vec<SudoersRow>, Included) {
    let path = &text.stat.path;
    if text.cut {
        coverage.note("file", path, GapReason::Cut);
    }
    let Some(file) = FileTarget::from_stat(&text.stat) else {
        if !text.cut {
            coverage.note("file", path, GapReason::Denied);
        }
        return (Vec::new(), Vec::new());
    };
    let parsed = sudoers::parse(text.content.as_bytes());
    if parsed.more {
        coverage.note("sudoers", path, GapReason::TooMany);
    }
    let mut included = Vec::new();
    for group in &parsed.groups {
        let Item::Include { directory, path: named } = &group.item else {
            continue;
        };
        // `%h` is the host's name: which file that is cannot be told from here.
        match named.as_bytes().contains(&b'%') {
            true => coverage.note("sudoers", named, GapReason::Unsupported),
            false => {
                let whole = resolved(named.as_bytes(), path.parent().as_ref(), true);
                included.push((*directory, HostPath::new(whole.as_bytes())));
            }
        }
    }
    let rows = parsed
        .groups
        .iter()
        .filter_map(|group| row(group, &file, read))
        .collect();
    (rows, included)
}

fn row(group: &Group<'_>, file: &FileTarget, read: bool) -> Option<SudoersRow> {
    let (kind, who, grants) = match &group.item {
        Item::Blank => return None,
        Item::Include { .. } => (RowKind::Include, Vec::new(), Vec::new()),
        Item::Defaults { .. } => (RowKind::Defaults, Vec::new(), Vec::new()),
        Item::Bad(_) => (RowKind::Bad, Vec::new(), Vec::new()),
        Item::Alias { names, .. } => {
            let names = names.iter().map(|name| HostBytes::new(name.as_slice())).collect();
            (RowKind::Alias, names, Vec::new())
        }
        Item::Rule(rule) => {
            let grants = rule.grants.iter().map(|grant| GrantRow {
                hosts: grant.hosts.clone(),
                run_as: grant.run_as.clone().unwrap_or_default(),
                nopasswd: grant.nopasswd,
                denied: grant.denied,
                command: grant.command.clone(),
            });
            (RowKind::Rule, rule.users.clone(), grants.collect())
        }
    };
    let settings = match &group.item {
        Item::Defaults { settings, .. } => settings.as_bytes(),
        _ => b"",
    };
    let lines = group
        .lines
        .iter()
        .zip(group.number..)
        .map(|(line, number)| NumberedLine {
            number,
            line: HostBytes::new(*line),
        });
    let free = |grant: &GrantRow| !grant.denied;
    Some(SudoersRow {
        file: file.clone(),
        lines: lines.collect(),
        kind,
        fingerprint: fingerprint(&group.lines.join(&b'\n')),
        nopasswd: grants.iter().any(|grant: &GrantRow| free(grant) && grant.nopasswd) || asks_nobody(settings),
        everything: grants
            .iter()
            .any(|grant: &GrantRow| free(grant) && grant.command.as_bytes() == b"ALL"),
        who,
        grants,
        read,
    })
}

/// Whether `Defaults` switch the password off.
fn asks_nobody(settings: &[u8]) -> bool {
    settings.split(|b| *b == b',').any(|setting| {
        let setting = setting.trim_ascii();
        let unsigned = setting.strip_prefix(b"!").map(<[u8]>::trim_ascii_start);
        unsigned == Some(b"authenticate")
    })
}

/// The name of a line's bytes, in the form of a key's.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    format!("SHA256:{}", base64_text::unpadded(&Digest::of(bytes).0))
}

impl SudoersRow {
    /// Its lines as acts and findings name them, each its own mark. An empty one says nothing and may stay.
    pub(crate) fn artifacts(&self) -> impl Iterator<Item = Artifact> {
        let said = self.lines.iter().filter(|line| !line.line.is_empty());
        said.map(|line| Artifact::Line {
            file: self.file.clone(),
            line: LineTarget {
                number: line.number,
                line: line.line.clone(),
                mark: line.line.clone(),
            },
        })
    }

    /// One starter for each of its lines, all with the same commands: they stand or go together.
    fn starters(&self) -> Vec<Starter> {
        let allowed: Vec<&[u8]> = (self.grants.iter().filter(|grant| !grant.denied))
            .map(|grant| grant.command.as_bytes())
            .collect();
        if self.kind != RowKind::Rule || allowed.is_empty() {
            return Vec::new();
        }
        let command = allowed.join(&b"; "[..]);
        let starts = started_files(&simple_commands(&command));
        let row = |line: &NumberedLine| Starter {
            place: Place::Sudoers,
            file: self.file.clone(),
            number: Some(line.number),
            line: line.line.clone(),
            user: self.who.first().cloned().unwrap_or_default(),
            schedule: HostBytes::default(),
            command: HostBytes::new(command.as_slice()),
            starts: starts.clone(),
            settings: Vec::new(),
            within: None,
            link: None,
        };
        let said = self.lines.iter().filter(|line| !line.line.is_empty());
        said.map(row).collect()
    }
}

/// Who rules for whom are nothing to look at: root, and the groups of administrators of the distributions.
const USUAL_WHO: [&[u8]; 4] = [b"root", b"%sudo", b"%admin", b"%wheel"];

fn finding(row: &SudoersRow) -> Option<Finding> {
    let who: Vec<String> = row.who.iter().map(|who| said(who.as_bytes())).collect();
    let usual = row.who.iter().all(|who| USUAL_WHO.contains(&who.as_bytes()));
    let (bearing, signal, say) = match row.kind {
        RowKind::Rule if row.nopasswd && row.everything => (
            Bearing::Review,
            "sudo_everything_without_password",
            "{who} may run everything without a password{unread}",
        ),
        RowKind::Rule if row.everything && !usual => {
            (Bearing::Review, "sudo_everything", "{who} may run everything{unread}")
        }
        RowKind::Rule if row.nopasswd => (
            Bearing::Weighs,
            "sudo_without_password",
            "{who} may run {command} without a password{unread}",
        ),
        RowKind::Defaults if row.nopasswd => (
            Bearing::Review,
            "sudo_asks_nobody",
            "`{line}`: sudo asks for no password{unread}",
        ),
        RowKind::Bad => (
            Bearing::Weighs,
            "sudoers_malformed",
            "`{line}` is nothing that sudo understands",
        ),
        _ => return None,
    };
    let command = row
        .grants
        .iter()
        .find(|grant| grant.nopasswd)
        .map(|grant| grant.command.as_bytes());
    Some(
        Finding::new(row.artifacts().next()?, signal, bearing, say)
            .field("who", who.join(", "))
            .field("command", said(command.unwrap_or_default()))
            .field("line", said(row.lines[0].line.as_bytes()))
            .field(
                "unread",
                if row.read {
                    ""
                } else {
                    ", though sudo does not read this file now"
                },
            )
            .rests_on(&row.file.path, Some(row.file.sha256)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_names_sudo_reads() {
        let rows = [
            ("README", true),
            ("90-cloud", true),
            (".hidden", false),
            ("a.bak", false),
            ("a~", false),
        ];
        for (name, expected) in rows {
            assert_eq!(is_read(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn defaults_that_ask_nobody() {
        let rows = [
            ("!authenticate", true),
            ("env_reset, ! authenticate", true),
            ("authenticate", false),
            ("!requiretty", false),
        ];
        for (settings, expected) in rows {
            assert_eq!(asks_nobody(settings.as_bytes()), expected, "{settings}");
        }
    }
}
