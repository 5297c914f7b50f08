//! What of all that starts by itself a person should look at.
//!
//! Goes through the rows of `persistence.list` and names what is unusual: what starts from a temporary or hidden place,
//! feeds a shell with a download or with decoded text, holds fast by flags, hides by its name, is loaded into every
//! program, or lies, without a package behind it, where packages keep theirs. It condemns nothing: an administrator's own
//! script looks like this too. It cannot see what is unusual for this host alone. Handbook 2.1.3.1: "look for malicious
//! scripts in these directories".

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Effect, LineTarget};
use deminer_worker::query::{Coverage, Entry, Ownership};
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{Reads, RunsAs};
use crate::command_words::simple_commands;
use crate::condemned_list::FORBIDDING_FLAGS;
use crate::places::Places;
use crate::questions;
use crate::saying::said;
use crate::starter::Starter;
use crate::trace::pipes_a_download;

/// `starter.review`.
pub struct StarterReview;

/// What to look at.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The rows of `persistence.list`, `cron.list` or `startup.list`. Example: `starters: "{{ steps.all.rows }}"`.
    pub starters: Vec<Starter>,
}

/// What is unusual.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// Those with the most reasons first, then by file and line.
    pub rows: Vec<Unusual>,
    /// How many were looked at.
    pub seen: u32,
}

/// A row with what is unusual about it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Unusual {
    /// The row.
    pub starter: Starter,
    /// Why, weightiest first.
    pub why: Vec<Why>,
}

/// What is unusual about something that starts by itself; weightiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It starts something in a temporary place, or in a directory that hides by a dot.
    RemarkablePlace,
    /// It pipes a download into a shell.
    DownloadToShell,
    /// It hands decoded text to a shell.
    DecodedToShell,
    /// It makes every program, or every session, load a library that no package brought.
    LoadsLibrary,
    /// Its file is immutable or append-only.
    HoldsFast,
    /// Its file hides by a dot where others do not.
    HiddenName,
    /// Settings make it search a temporary or hidden directory for its programs.
    SearchesRemarkablePlace,
    /// Its file is a package's, but not its content.
    ModifiedFile,
    /// No package knows its file, where packages keep theirs.
    UnownedFile,
    /// No package knows what it starts.
    UnownedProgram,
    /// What it starts is not there.
    NothingThere,
}

/// The rows that are told.
const ROWS: usize = 500;

#[async_trait]
impl Collector for StarterReview {
    const ABOUT: About = About {
        name: "starter.review",
        summary: "Names what of all that starts by itself is unusual: unowned, hidden, decoded, downloaded, held fast.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "what is unusual for this host alone; what a program that is started does",
        example: "{id: unusual, use: starter.review, with: {starters: \"{{ steps.all.rows }}\"}}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let mut coverage = Coverage::whole();
        let known = Known::of(host, &params.starters, &mut coverage).await?;
        let seen = u32::try_from(params.starters.len()).unwrap_or(u32::MAX);
        let mut rows: Vec<Unusual> = Vec::new();
        for starter in params.starters {
            let why = reasons(&starter, &known);
            if why.iter().any(|why| *why < Why::UnownedProgram) || why.len() > 1 {
                rows.push(Unusual { starter, why });
            }
        }
        rows.sort_by(|a, b| {
            let first = |row: &Unusual| (row.why.first().copied(), std::cmp::Reverse(row.why.len()));
            let place = |row: &Unusual| (row.starter.found_at().clone(), row.starter.number);
            first(a).cmp(&first(b)).then_with(|| place(a).cmp(&place(b)))
        });
        let mut findings: Vec<Finding> = rows.iter().take(ROWS).map(finding).collect();
        if rows.len() > ROWS {
            let more = Finding::new(
                Artifact::Host {},
                "many_unusual",
                Bearing::Review,
                "{count} more things that start by themselves are unusual",
            );
            findings.push(more.field("count", rows.len() - ROWS));
            rows.truncate(ROWS);
        }
        Ok(Outcome {
            findings,
            ..Outcome::of(Output { rows, seen }).seen_with(coverage)
        })
    }
}

/// What a host says of the files that rows name.
#[derive(Default)]
struct Known {
    owners: BTreeMap<HostPath, Ownership>,
    absent: BTreeSet<HostPath>,
}

impl Known {
    async fn of(host: &dyn HostView, starters: &[Starter], coverage: &mut Coverage) -> Result<Known, ModuleError> {
        let mut files: BTreeSet<HostPath> = BTreeSet::new();
        for starter in starters {
            files.insert(starter.file.path.clone());
            files.extend(starter.starts.iter().cloned());
        }
        let files: Vec<HostPath> = files.into_iter().collect();
        let owners = questions::packages(host, files.clone()).await;
        let unknown = || vec![Ownership::Unknown; files.len()];
        let owners = questions::or_gap(owners, "packages", coverage, unknown)?;
        let entries = questions::stat(host, files.clone(), false).await?;
        coverage.unite(&entries.coverage);
        let absent = entries.value.into_iter().filter_map(|entry| match entry {
            Entry::Absent { path } => Some(path),
            _ => None,
        });
        Ok(Known {
            absent: absent.collect(),
            owners: files.into_iter().zip(owners).collect(),
        })
    }

    fn is_unowned(&self, path: &HostPath) -> bool {
        self.owners.get(path) == Some(&Ownership::Unowned)
    }
}

/// What is unusual about a row, weightiest first.
fn reasons(starter: &Starter, known: &Known) -> Vec<Why> {
    let places = Places::usual();
    let entry = starter.place.entry();
    let command = starter.command.as_bytes();
    let others = || {
        starter
            .starts
            .iter()
            .filter(|path| *path != starter.found_at() && **path != starter.file.path)
    };
    let mut why = Vec::new();
    let mut add = |holds: bool, reason: Why| {
        if holds {
            why.push(reason);
        }
    };
    let is_home = entry.runs_as == RunsAs::HomeOwner;
    add(others().any(|path| places.is_remarkable(path)), Why::RemarkablePlace);
    add(pipes_a_download(command), Why::DownloadToShell);
    add(decodes_to_shell(command), Why::DecodedToShell);
    let sets = |name: &[u8]| starter.line.as_bytes().windows(name.len()).any(|run| run == name);
    let loads = starter.place.is_loaded() || sets(b"LD_PRELOAD") || sets(b"LD_AUDIT");
    let brought = |path: &HostPath| known.owners.get(path).is_some_and(Ownership::is_package_content);
    add(loads && !starter.starts.iter().all(brought), Why::LoadsLibrary);
    add(starter.file.flags.unwrap_or(0) & FORBIDDING_FLAGS != 0, Why::HoldsFast);
    let name = starter.found_at().file_name();
    // Shells' own files in a home begin with a dot, all of them.
    let hides = name.first() == Some(&b'.') && name != b".placeholder" && entry.patterns().any(is_open);
    add(hides && !is_home && !is_skeleton(starter), Why::HiddenName);
    let own_setting = |setting: &&HostBytes| !is_home || sets(setting_name(setting));
    let searched = starter.settings.iter().filter(own_setting).flat_map(searched_by);
    add(
        searched.into_iter().any(|path| places.is_remarkable(&path.join(b"x"))),
        Why::SearchesRemarkablePlace,
    );
    let modified = matches!(known.owners.get(&starter.file.path), Some(Ownership::Modified { .. }));
    add(modified, Why::ModifiedFile);
    let is_file = entry.reads != Reads::Link && !starter.place.is_loaded();
    let kept_by_packages = is_file && !is_home && lies_in_folder(starter) && is_of_packages(starter);
    add(
        kept_by_packages && known.is_unowned(&starter.file.path),
        Why::UnownedFile,
    );
    let there = |path: &&HostPath| !known.absent.contains(*path);
    add(
        others().filter(there).any(|path| known.is_unowned(path)),
        Why::UnownedProgram,
    );
    let whole = starter.number.is_none() && others().next().is_some();
    add(
        whole && others().all(|path| known.absent.contains(path)),
        Why::NothingThere,
    );
    why
}

/// Whether a pattern takes any name.
fn is_open(pattern: &str) -> bool {
    pattern.ends_with("/*")
}

fn is_skeleton(starter: &Starter) -> bool {
    starter.found_at().is_below(&HostPath::from("/etc/skel"))
}

/// Whether its place is a folder of files, not one file by its name.
fn lies_in_folder(starter: &Starter) -> bool {
    let path = starter.found_at();
    !starter
        .place
        .entry()
        .patterns()
        .any(|pattern| path.as_bytes() == pattern.as_bytes())
}

/// Whether packages keep files where it lies; in spools and in the kernel's own files they do not.
fn is_of_packages(starter: &Starter) -> bool {
    ["/etc", "/usr", "/lib", "/sbin"]
        .iter()
        .any(|place| starter.found_at().is_below(&HostPath::from(*place)))
}

fn setting_name(setting: &HostBytes) -> &[u8] {
    setting.as_bytes().split(|b| *b == b'=').next().unwrap_or_default()
}

/// The directories that a `PATH=` names.
fn searched_by(setting: &HostBytes) -> Vec<HostPath> {
    if setting_name(setting).trim_ascii() != b"PATH" {
        return Vec::new();
    }
    let value = setting.as_bytes().splitn(2, |b| *b == b'=').nth(1).unwrap_or_default();
    let parts = value.split(|b| matches!(b, b':' | b'"' | b' '));
    parts
        .filter(|part| part.first() == Some(&b'/'))
        .map(HostPath::new)
        .collect()
}

/// Whether a command decodes text and hands it to a shell: `echo .. | base64 -d | sh`, `eval "$(.. | base64 -d)"`.
pub(crate) fn decodes_to_shell(command: &[u8]) -> bool {
    let commands = simple_commands(command);
    let decodes = |name: &[u8]| {
        matches!(
            name,
            b"base64" | b"base32" | b"xxd" | b"openssl" | b"uudecode" | b"gunzip" | b"zcat"
        )
    };
    let base = |word: &HostBytes| word.as_bytes().rsplit(|b| *b == b'/').next().map(<[u8]>::to_vec);
    let decoder = commands
        .iter()
        .position(|command| base(&command.program).is_some_and(|name| decodes(&name)));
    let Some(at) = decoder else { return false };
    let evaluates = |word: &HostBytes| base(word).is_some_and(|name| matches!(&name[..], b"eval" | b"bash" | b"sh"));
    let fed = commands.iter().skip(at).any(|command| command.reads_commands);
    fed || commands
        .iter()
        .any(|command| command.through.iter().any(evaluates) && command.untold)
}

fn finding(row: &Unusual) -> Finding {
    let starter = &row.starter;
    let artifact = match (starter.number, &starter.link) {
        (Some(number), _) => Artifact::Line {
            file: starter.file.clone(),
            line: LineTarget {
                number,
                line: starter.line.clone(),
                mark: starter.line.clone(),
            },
        },
        (None, Some(link)) => Artifact::Link { link: link.clone() },
        (None, None) => Artifact::File {
            file: starter.file.clone(),
        },
    };
    let why: Vec<String> = row.why.iter().map(|why| why.words().to_owned()).collect();
    Finding::new(
        artifact,
        "unusual_starter",
        Bearing::Review,
        "it starts `{command}`: {why}",
    )
    .field("command", said(starter.command.as_bytes()))
    .field("why", why.join("; "))
    .rests_on(&starter.file.path, Some(starter.file.sha256))
}

impl Why {
    fn words(self) -> &'static str {
        match self {
            Why::RemarkablePlace => "from a temporary or hidden place",
            Why::DownloadToShell => "a download goes into a shell",
            Why::DecodedToShell => "decoded text goes into a shell",
            Why::LoadsLibrary => "a library is loaded into every program",
            Why::HoldsFast => "its file cannot be changed or removed",
            Why::HiddenName => "its file hides by a dot",
            Why::SearchesRemarkablePlace => "programs are searched for in a temporary or hidden place",
            Why::ModifiedFile => "its file is not as its package brought it",
            Why::UnownedFile => "no package knows its file",
            Why::UnownedProgram => "no package knows what it starts",
            Why::NothingThere => "what it starts is not there",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example_rows::starter;
    use crate::starter::Place;
    use proptest::prelude::*;

    #[test]
    fn decoded_text_for_a_shell() {
        let rows = [
            ("echo aWQ= | base64 -d | sh", true),
            ("echo aWQ= | base64 -d | /bin/bash -s", true),
            ("bash -c \"$(echo aWQ= | base64 -d)\"", true),
            ("eval \"$(printf aWQ= | base64 --decode)\"", true),
            ("printf 6964 | xxd -r -p | sh", true),
            ("curl -s https://h/rates | base64 -d > /srv/rates", false),
            ("base64 /srv/key", false),
            ("zcat /srv/dump.gz | mysql shop", false),
            ("eval \"$(dircolors -b)\"", false),
            ("echo base64 | sh", false),
        ];
        for (command, expected) in rows {
            assert_eq!(decodes_to_shell(command.as_bytes()), expected, "{command}");
        }
    }

    #[test]
    fn what_is_unusual() {
        type Row = (
            &'static str,
            Place,
            &'static str,
            &'static str,
            &'static [&'static str],
            &'static [Why],
        );
        let rows: [Row; 13] = [
            (
                "a good line",
                Place::Crontab,
                "/var/spool/cron/root",
                "/usr/bin/backup",
                &["/usr/bin/backup"],
                &[],
            ),
            (
                "a hidden place",
                Place::Crontab,
                "/var/spool/cron/root",
                "/var/tmp/.k/w",
                &["/var/tmp/.k/w"],
                &[Why::RemarkablePlace, Why::UnownedProgram],
            ),
            (
                "one's own program",
                Place::Crontab,
                "/var/spool/cron/root",
                "/opt/erp/x",
                &["/opt/erp/x"],
                &[Why::UnownedProgram],
            ),
            (
                "a download",
                Place::CronD,
                "/etc/cron.d/pkg",
                "curl http://h | sh",
                &[],
                &[Why::DownloadToShell],
            ),
            (
                "a hidden name",
                Place::CronD,
                "/etc/cron.d/.x",
                "/usr/bin/backup",
                &["/usr/bin/backup"],
                &[Why::HiddenName, Why::UnownedFile],
            ),
            (
                "an unowned script",
                Place::InitScript,
                "/etc/init.d/x",
                "/etc/init.d/x",
                &["/etc/init.d/x", "/usr/bin/backup"],
                &[Why::UnownedFile],
            ),
            (
                "the administrator's own",
                Place::RcLocal,
                "/etc/rc.local",
                "/usr/bin/backup",
                &["/usr/bin/backup"],
                &[],
            ),
            (
                "a shell of a home",
                Place::HomeShell,
                "/home/deploy/.bashrc",
                "lesspipe",
                &[],
                &[],
            ),
            (
                "a packaged preload",
                Place::Preload,
                "/etc/ld.so.preload",
                "/usr/lib/j.so",
                &["/usr/lib/j.so"],
                &[],
            ),
            (
                "a preload",
                Place::Preload,
                "/etc/ld.so.preload",
                "/opt/h.so",
                &["/opt/h.so"],
                &[Why::LoadsLibrary, Why::UnownedProgram],
            ),
            (
                "a skeleton",
                Place::Skeleton,
                "/etc/skel/.bashrc",
                "/usr/bin/backup",
                &["/usr/bin/backup"],
                &[Why::UnownedFile],
            ),
            (
                "what is gone",
                Place::Autostart,
                "/etc/xdg/autostart/pkg",
                "/opt/gone",
                &["/opt/gone"],
                &[Why::NothingThere],
            ),
            (
                "a kernel's helper",
                Place::KernelHelper,
                "/proc/sys/kernel/core_pattern",
                "/usr/bin/backup",
                &["/usr/bin/backup"],
                &[],
            ),
        ];
        let package = || Ownership::Owned {
            package: "p".to_owned(),
        };
        for (name, place, file, command, starts, expected) in rows {
            let mut known = Known::default();
            for path in starts.iter().chain([&file]) {
                let owned = path.starts_with("/usr") || path.ends_with("/pkg");
                let owner = if owned { package() } else { Ownership::Unowned };
                known.owners.insert(HostPath::from(*path), owner);
            }
            known.absent.insert("/opt/gone".into());
            let mut row = starter(place, file, command, command, starts);
            if place == Place::Autostart {
                row.number = None;
            }
            assert_eq!(reasons(&row, &known), expected, "{name}");
        }
        let mut held = starter(Place::Crontab, "/var/spool/cron/root", "x", "x", &[]);
        held.file.flags = Some(0x10);
        held.settings = vec!["PATH=/bin:/tmp/.x".into()];
        assert_eq!(
            reasons(&held, &Known::default()),
            [Why::HoldsFast, Why::SearchesRemarkablePlace]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(command: Vec<u8>, setting: Vec<u8>) {
            decodes_to_shell(&command);
            searched_by(&HostBytes::new(&setting[..]));
        }
    }
}
