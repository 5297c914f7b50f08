//! Reads the files of the catalogue from a host and gives what each of them starts.
//!
//! All files of one list are asked for at once, every home among them. Links are followed step by step, since the programs
//! that read these places do; each is told with what it leads to.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::host::HostView;
use deminer_engine::module::ModuleError;
use deminer_worker::action::{FileTarget, LinkTarget};
use deminer_worker::query::{Account, Coverage, Entry as Seen, FileKind, FileStat, FileText, GapReason};
use deminer_worker::text::{Digest, HostBytes, HostPath};

use crate::catalogue::{Entry, PLACES, Place, Reads, Removal, RunsAs};
use crate::linked_files::leads_to;
use crate::questions;
use crate::starter::Starter;
use crate::starter_text::{Text, starts_of};

/// The files of one look, and the bytes of each; longer ones are cut, and say so.
const FILES: u32 = 20_000;
const FILE_BYTES: u32 = 256 << 10;
/// The rows of one look.
const ROWS: usize = 20_000;
/// The homes that are looked at, beside those that lie side by side below `/home`.
const HOMES: usize = 2_000;
/// The links that are followed, and how many of them one behind the other.
const LINKS: usize = 2_000;
const STEPS: usize = 4;
/// Where homes lie side by side; those whose account no file tells too.
const SHARED_HOMES: &str = "/home";

/// What these places start on this host: by file, then by line.
pub(crate) async fn starters(
    host: &dyn HostView,
    places: &[Place],
    coverage: &mut Coverage,
) -> Result<Vec<Starter>, ModuleError> {
    let entries: Vec<&'static Entry> = PLACES.iter().filter(|entry| places.contains(&entry.place)).collect();
    let accounts = questions::accounts(host).await;
    let users = Users::of(questions::or_gap(accounts, "accounts", coverage, Vec::new)?);
    if users.homes.len() > HOMES {
        coverage.note("starters", HostBytes::from("homes"), GapReason::TooMany);
    }
    let patterns = patterns_of(&entries, &users);
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    let seen = questions::read_tree(host, patterns, FILES, FILE_BYTES).await?;
    coverage.unite(&seen.coverage);
    let mut found: BTreeMap<HostPath, Found> = BTreeMap::new();
    for file in seen.value {
        found.insert(file.stat.path.clone(), Found { file, link: None });
    }
    follow(host, &mut found, coverage).await?;
    hash_long(host, &entries, &mut found, coverage).await?;
    let mut rows = Vec::new();
    let mut known = BTreeSet::new();
    for (path, found) in &found {
        let Some(entry) = entries.iter().find(|entry| entry.has(path)) else {
            continue;
        };
        // A folder that is a link shows its files twice.
        let name = (found.file.stat.id, path.file_name());
        let is_one = found.link.is_none() && found.file.stat.links <= 1 && found.file.stat.kind == FileKind::Regular;
        if is_one && !known.insert(name) {
            continue;
        }
        let (some, more) = starters_of(entry, path, found, &users, coverage);
        if more || rows.len() + some.len() > ROWS {
            coverage.note("starters", path, GapReason::TooMany);
        }
        rows.extend(some);
        rows.truncate(ROWS);
    }
    Ok(rows)
}

/// A file as a place has it.
struct Found {
    /// What is read; of a link that leads nowhere, the link.
    file: FileText,
    /// The link by which it was found.
    link: Option<LinkTarget>,
}

/// Who is who, and who lives where.
#[derive(Default)]
struct Users {
    /// By name; the first account of a name counts.
    homes: BTreeMap<HostBytes, HostPath>,
    names: BTreeMap<u32, HostBytes>,
}

impl Users {
    fn of(accounts: Vec<Account>) -> Users {
        let mut users = Users::default();
        for account in accounts {
            users.names.entry(account.uid).or_insert_with(|| account.name.clone());
            users.homes.entry(account.name).or_insert(account.home);
        }
        users
    }

    /// As whom a file runs, and whose home counts for it.
    fn runs(&self, entry: &Entry, path: &HostPath, stat: &FileStat) -> HostBytes {
        let owner = || self.names.get(&stat.uid).cloned().unwrap_or_default();
        match entry.runs_as {
            RunsAs::Root => HostBytes::from("root"),
            RunsAs::FileName => HostBytes::new(path.file_name()),
            RunsAs::FileOwner => owner(),
            RunsAs::HomeOwner => {
                let lives = self
                    .homes
                    .iter()
                    .find(|(_, home)| path.is_below(home) && home.as_bytes().len() > 1);
                match lives {
                    Some((user, _)) => user.clone(),
                    None if path.is_below(&SHARED_HOMES.into()) => owner(),
                    None => HostBytes::default(),
                }
            }
            RunsAs::Line | RunsAs::Anyone => HostBytes::default(),
        }
    }
}

/// The patterns of these places, every home put in the place of `~`.
fn patterns_of(entries: &[&'static Entry], users: &Users) -> Vec<HostPath> {
    let shared = HostPath::from(SHARED_HOMES);
    let absolute = |home: &&HostPath| home.as_bytes().first() == Some(&b'/') && !home.as_bytes().contains(&0);
    let alone: BTreeSet<&HostPath> = users
        .homes
        .values()
        .filter(absolute)
        .filter(|home| home.parent().as_ref() != Some(&shared))
        .take(HOMES)
        .collect();
    let mut patterns: Vec<HostPath> = Vec::new();
    let mut met = BTreeSet::new();
    for pattern in entries
        .iter()
        .filter(|entry| !matches!(entry.reads, Reads::By(_)))
        .flat_map(|entry| entry.patterns())
    {
        let Some(rest) = pattern.strip_prefix("~/") else {
            patterns.push(HostPath::from(pattern));
            continue;
        };
        let homes = [HostPath::from("/root"), shared.join(b"*")];
        // A home whose name has a star in it stands for others too: they are homes as well, or nothing.
        for home in homes.iter().chain(alone.iter().copied()) {
            let pattern = home.join(rest.as_bytes());
            if met.insert(pattern.clone()) {
                patterns.push(pattern);
            }
        }
    }
    patterns
}

/// Puts what links lead to in their place, each with its link.
async fn follow(
    host: &dyn HostView,
    found: &mut BTreeMap<HostPath, Found>,
    coverage: &mut Coverage,
) -> Result<(), ModuleError> {
    // By the path where the place has it: the link's own identity, and where it leads by now.
    let mut open: BTreeMap<HostPath, (LinkTarget, HostPath)> = BTreeMap::new();
    for (path, one) in found.iter() {
        if Place::of(path) == Some(Place::RcLink) {
            continue;
        }
        if let (Some(link), Some(leads)) = (LinkTarget::from_stat(&one.file.stat), leads_to(&one.file.stat)) {
            open.insert(path.clone(), (link, leads));
        }
    }
    if open.len() > LINKS {
        coverage.note("starters", HostBytes::from("links"), GapReason::TooMany);
    }
    let mut open: BTreeMap<HostPath, (LinkTarget, HostPath)> = open.into_iter().take(LINKS).collect();
    for step in 0..STEPS {
        let wanted: BTreeSet<HostPath> = open.values().map(|(_, leads)| leads.clone()).collect();
        let wanted = wanted
            .into_iter()
            .filter(|path| !is_pattern(path))
            .collect::<Vec<HostPath>>();
        if wanted.is_empty() {
            return Ok(());
        }
        let seen = match questions::read_tree(host, wanted, FILES, FILE_BYTES).await {
            Ok(seen) => seen,
            Err(error) => {
                let why = questions::gap_of(error)?;
                coverage.note("file", HostBytes::from("links"), why);
                return Ok(());
            }
        };
        coverage.unite(&seen.coverage);
        let files: BTreeMap<HostPath, FileText> = seen
            .value
            .into_iter()
            .map(|file| (file.stat.path.clone(), file))
            .collect();
        let mut further = BTreeMap::new();
        for (path, (link, leads)) in open {
            let Some(file) = files.get(&leads) else { continue };
            match leads_to(&file.stat) {
                None => {
                    found.insert(
                        path,
                        Found {
                            file: file.clone(),
                            link: Some(link),
                        },
                    );
                }
                Some(_) if step + 1 == STEPS => coverage.note("file", path, GapReason::TooMany),
                Some(next) => {
                    further.insert(path, (link, next));
                }
            }
        }
        open = further;
    }
    Ok(())
}

fn is_pattern(path: &HostPath) -> bool {
    path.as_bytes().iter().any(|b| matches!(b, b'*' | b'?' | 0))
}

/// Hashes what is started whole and is longer than a text would be: a program put where scripts lie.
async fn hash_long(
    host: &dyn HostView,
    entries: &[&'static Entry],
    found: &mut BTreeMap<HostPath, Found>,
    coverage: &mut Coverage,
) -> Result<(), ModuleError> {
    let is_whole = |path: &HostPath| {
        let entry = entries.iter().find(|entry| entry.has(path));
        entry.is_some_and(|entry| entry.reads == Reads::Script)
    };
    let long: Vec<HostPath> = found
        .keys()
        .filter(|path| found[*path].file.cut && is_whole(path))
        .cloned()
        .collect();
    let asked = long.iter().map(|path| found[path].file.stat.path.clone()).collect();
    let seen = questions::stat(host, asked, true).await?;
    coverage.unite(&seen.coverage);
    for (path, entry) in long.iter().zip(seen.value) {
        if let (Seen::Present(stat), Some(one)) = (entry, found.get_mut(path))
            && stat.id == one.file.stat.id
            && stat.sha256.is_some()
        {
            one.file.stat = stat;
            one.file.content = HostBytes::default();
            one.file.cut = false;
        }
    }
    Ok(())
}

/// The starters of one file, and whether it has more of them than are listed. `path` is where its place has it.
fn starters_of(
    entry: &'static Entry,
    path: &HostPath,
    found: &Found,
    users: &Users,
    coverage: &mut Coverage,
) -> (Vec<Starter>, bool) {
    let stat = &found.file.stat;
    if let Some(link) = LinkTarget::from_stat(stat) {
        return (link_alone(entry, link, stat).into_iter().collect(), false);
    }
    if found.file.cut {
        coverage.note("file", path, GapReason::Cut);
    }
    let Some(target) = FileTarget::from_stat(stat) else {
        if !found.file.cut {
            coverage.note("file", path, GapReason::Denied);
        }
        return (Vec::new(), false);
    };
    let user = users.runs(entry, path, stat);
    let script = Entry {
        reads: Reads::Script,
        ..*entry
    };
    let text = Text {
        path,
        content: found.file.content.as_bytes(),
        user: &user,
        homes: &users.homes,
    };
    let starts = match entry.reads {
        Reads::Link => starts_of(&script, &text),
        _ => starts_of(entry, &text),
    };
    let rows = starts.rows.into_iter().map(|row| {
        let mut starts = row.starts;
        if row.number.is_none() && starts.first() == Some(path) && target.path != *path {
            starts.insert(1, target.path.clone());
        }
        Starter {
            place: entry.place,
            file: target.clone(),
            number: row.number,
            line: row.line,
            within: row.within,
            user: match row.user.is_empty() {
                true => user_shown(entry, &user),
                false => row.user,
            },
            schedule: match row.schedule.is_empty() {
                true => period_of(entry, path),
                false => row.schedule,
            },
            command: row.command,
            starts,
            settings: row.settings,
            link: found.link.clone(),
        }
    });
    (rows.collect(), starts.more)
}

/// What a row says of its user where the text says none.
fn user_shown(entry: &Entry, user: &HostBytes) -> HostBytes {
    match entry.runs_as {
        RunsAs::Root => HostBytes::default(),
        _ => user.clone(),
    }
}

/// `daily` of `/etc/cron.daily/x`, `15min` of `/etc/periodic/15min/x`.
fn period_of(entry: &Entry, path: &HostPath) -> HostBytes {
    if entry.place != Place::CronPeriodic {
        return HostBytes::default();
    }
    let folder = path.parent().unwrap_or_default();
    let name = folder.file_name();
    HostBytes::new(name.strip_prefix(b"cron.").unwrap_or(name))
}

/// A link that starts something by itself, or would where what it leads to came to be.
fn link_alone(entry: &Entry, link: LinkTarget, stat: &FileStat) -> Option<Starter> {
    let leads = leads_to(stat)?;
    if !matches!(
        entry.removal,
        Removal::Link(_) | Removal::File(_) | Removal::FileOrLine(_)
    ) {
        return None;
    }
    let target = link.target.as_bytes();
    let content = FileStat {
        sha256: Some(Digest::of(target)),
        ..stat.clone()
    };
    Some(Starter {
        place: entry.place,
        file: FileTarget::from_stat(&content)?,
        number: None,
        line: HostBytes::default(),
        within: None,
        user: HostBytes::default(),
        schedule: period_of(entry, &link.path),
        command: HostBytes::from(&link.path),
        starts: vec![leads],
        settings: Vec::new(),
        link: Some(link),
    })
}
