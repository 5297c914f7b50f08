//! Everything that cron starts.
//!
//! Looks at the crontabs of the spool (Debian, RHEL, SUSE and busybox keep them in different folders), `/etc/crontab`,
//! `/etc/cron.d` and the folders `/etc/cron.hourly` to `cron.monthly`, byte for byte and in whole files: what Redis wrote
//! around a line, a name that cron passes over or a missing last line feed hide nothing. It cannot see at(1) jobs,
//! anacrontab and systemd timers, nor what a started script starts in turn. Source: cron(8), crontab(5), run-parts(8).
//! Handbook: `crontab -l`, `/var/spool/cron/*`, `/etc/cron.*`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Effect, FileTarget};
use deminer_worker::query::{Coverage, Entry, FileKind, FileText, GapReason};
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::command_words::{resolved, simple_commands_at, started_files};
use crate::crontab::{CronLine, UserField, parse_crontab};
use crate::questions;
use crate::starter::{Place, Starter};

/// `cron.list`.
pub struct CronList;

/// Takes none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// What cron starts.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// By file, then by line.
    pub rows: Vec<Starter>,
}

/// The files of one look, and the bytes of each; longer crontabs are cut, and say so.
const FILES: u32 = 4_096;
const FILE_BYTES: u32 = 256 << 10;
/// The rows of one look.
const ROWS: usize = 20_000;
/// The links that are followed, by one step each.
const LINKS: usize = 64;

/// Where a folder's files stand, and how they are read.
struct Folder {
    path: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Spool,
    WithUser,
    Periodic(&'static str),
}

const FOLDERS: [Folder; 9] = [
    folder("/var/spool/cron", Kind::Spool),
    folder("/var/spool/cron/crontabs", Kind::Spool),
    folder("/var/spool/cron/tabs", Kind::Spool),
    folder("/etc/crontabs", Kind::Spool),
    folder("/etc/cron.d", Kind::WithUser),
    folder("/etc/cron.hourly", Kind::Periodic("hourly")),
    folder("/etc/cron.daily", Kind::Periodic("daily")),
    folder("/etc/cron.weekly", Kind::Periodic("weekly")),
    folder("/etc/cron.monthly", Kind::Periodic("monthly")),
];

const fn folder(path: &'static str, kind: Kind) -> Folder {
    Folder { path, kind }
}

#[async_trait]
impl Collector for CronList {
    const ABOUT: About = About {
        name: "cron.list",
        summary: "Lists every line and script that cron starts, with the files that it runs by its own words.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "at jobs, anacrontab, systemd timers; what a started script starts in turn",
        example: "{id: cron, use: cron.list}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, _: Params) -> Result<Outcome<Output>, ModuleError> {
        let mut coverage = Coverage::whole();
        let rows = starters(host, &mut coverage).await?;
        Ok(Outcome::of(Output { rows }).seen_with(coverage))
    }
}

/// What cron starts on this host.
pub(crate) async fn starters(host: &dyn HostView, coverage: &mut Coverage) -> Result<Vec<Starter>, ModuleError> {
    let folders = FOLDERS.iter().map(|folder| HostPath::from(folder.path).join(b"*"));
    let patterns = [HostPath::from("/etc/crontab")].into_iter().chain(folders).collect();
    let seen = questions::read_tree(host, patterns, FILES, FILE_BYTES).await?;
    coverage.unite(&seen.coverage);
    let mut files: Vec<(HostPath, FileText)> = seen.value.into_iter().map(|f| (f.stat.path.clone(), f)).collect();
    files.extend(linked(host, coverage).await?);
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files.dedup_by(|a, b| a.0 == b.0);
    let accounts = questions::accounts(host).await;
    let accounts = questions::or_gap(accounts, "accounts", coverage, Vec::new)?;
    let mut homes: BTreeMap<HostBytes, HostPath> = BTreeMap::new();
    for account in accounts {
        homes.entry(account.name).or_insert(account.home);
    }
    let mut rows = Vec::new();
    for (path, file) in &files {
        let (found, more) = starters_of(path, file, &homes, coverage);
        if more || rows.len() + found.len() > ROWS {
            coverage.note("cron", path, GapReason::TooMany);
        }
        rows.extend(found);
        rows.truncate(ROWS);
    }
    Ok(rows)
}

/// The files that links in cron's folders lead to, each under the link's name: cron follows them.
async fn linked(host: &dyn HostView, coverage: &mut Coverage) -> Result<Vec<(HostPath, FileText)>, ModuleError> {
    let mut links: Vec<(HostPath, HostPath)> = Vec::new();
    for folder in &FOLDERS {
        let path = HostPath::from(folder.path);
        // An absent folder is ordinary; one that cannot be read stands in the coverage of its files already.
        let entries = match questions::list(host, path.clone()).await {
            Ok(entries) => entries.value,
            Err(error) => {
                questions::gap_of(error)?;
                continue;
            }
        };
        links.extend(entries.into_iter().filter_map(|entry| match entry {
            Entry::Present(stat) if stat.kind == FileKind::Link => {
                let target = resolved(stat.link_target?.as_bytes(), Some(&path), true);
                Some((stat.path, HostPath::new(target.as_bytes())))
            }
            _ => None,
        }));
    }
    let mut files = Vec::new();
    for (at, (link, target)) in links.into_iter().enumerate() {
        if at == LINKS {
            coverage.note("cron", HostBytes::from("links"), GapReason::TooMany);
            break;
        }
        match questions::read(host, target, FILE_BYTES).await {
            Ok(seen) => {
                coverage.unite(&seen.coverage);
                files.extend(seen.value.map(|file| (link, file)));
            }
            Err(error) => {
                let why = questions::gap_of(error)?;
                coverage.note("file", link, why);
            }
        }
    }
    Ok(files)
}

/// The starters of one file, and whether it has more of them than are listed. `path` is where cron finds it.
fn starters_of(
    path: &HostPath,
    file: &FileText,
    homes: &BTreeMap<HostBytes, HostPath>,
    coverage: &mut Coverage,
) -> (Vec<Starter>, bool) {
    let kind = match FOLDERS
        .iter()
        .find(|folder| path.parent() == Some(HostPath::from(folder.path)))
    {
        Some(folder) => folder.kind,
        None => Kind::WithUser,
    };
    if file.cut {
        coverage.note("file", path, GapReason::Cut);
    }
    let Some(target) = FileTarget::from_stat(&file.stat) else {
        if !file.cut {
            coverage.note("file", path, GapReason::Denied);
        }
        return (Vec::new(), false);
    };
    let content = file.content.as_bytes();
    let (place, users, owner) = match kind {
        Kind::Periodic(period) => return (vec![whole_file(path, target, period, content)], false),
        Kind::Spool => (Place::Crontab, UserField::Absent, HostBytes::new(path.file_name())),
        Kind::WithUser => (Place::CronD, UserField::Present, HostBytes::default()),
    };
    let crontab = parse_crontab(content, users);
    let rows = crontab.lines.into_iter().map(|line| {
        let user = if owner.is_empty() {
            line.user.clone()
        } else {
            owner.clone()
        };
        let home = line.home.as_ref().or_else(|| homes.get(&user));
        Starter {
            place,
            file: target.clone(),
            number: Some(line.number),
            starts: starts(&line, home),
            line: line.line,
            user,
            schedule: line.schedule,
            command: line.command,
            settings: line.settings,
        }
    });
    (rows.collect(), crontab.more)
}

/// What a line runs: its command, and its input where a shell reads that.
fn starts(line: &CronLine, home: Option<&HostPath>) -> Vec<HostPath> {
    let mut commands = simple_commands_at(line.command.as_bytes(), home);
    if commands.iter().any(|command| command.reads_commands) {
        commands.extend(simple_commands_at(line.input.as_bytes(), home));
    }
    started_files(&commands)
}

fn whole_file(path: &HostPath, target: FileTarget, period: &str, content: &[u8]) -> Starter {
    let mut starts = vec![path.clone()];
    if *path != target.path {
        starts.push(target.path.clone());
    }
    if !content.contains(&0) {
        for file in started_files(&simple_commands_at(content, None)) {
            if !starts.contains(&file) {
                starts.push(file);
            }
        }
    }
    Starter {
        place: Place::CronPeriodic,
        file: target,
        number: None,
        line: HostBytes::default(),
        user: HostBytes::default(),
        schedule: HostBytes::from(period),
        command: HostBytes::new(path.as_bytes()),
        starts,
        settings: Vec::new(),
    }
}
