//! `miner.config`: what a miner is told to do, where that is written, and which family it looks like.
//!
//! Looks at the arguments and the environment of the processes that a verdict speaks of, and at configuration files that
//! they name, that lie beside what they run, in their working directory or in their user's home. Gives pool, wallet, worker
//! and algorithm; a wallet is held against its own checksum, passwords are not shown. All of it is the intruder's text: it
//! describes, and condemns nothing that it names. It cannot see what is compiled into a program or fetched later, nor what
//! stands only in memory. Handbook 2.1.3.4, 5.1.

mod families;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod lenient_json;
mod setting;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, Misread, ModuleError, Outcome, Resource};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Effect, Role};
use deminer_worker::query::{Account, Coverage, Entry, FileKind, FileStat, GapReason, Process, ProcessesQuery};
use deminer_worker::text::{Digest, HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::families::{Families, Traits};
use self::setting::{Configuration, of_arguments, of_environment, of_file};
use crate::judge::{Judged, ProcessVerdict};
use crate::questions;
use crate::saying::{said, stated_process};
use crate::starter::Starter;
use crate::wallet::{Proof, Wallet};

pub use self::families::{FamilyGuess, FamilyKind, Indication};
pub use self::setting::{Pool, Setting};

/// The module `miner.config`.
#[derive(Debug, Clone, Copy, Default)]
pub struct MinerConfig;

/// Whose configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The verdict, from `miner.judge`: its miners and suspects are looked at.
    #[serde(default)]
    pub verdict: Option<Judged>,
    /// More processes by pid.
    #[serde(default)]
    pub pids: Vec<u32>,
    /// The lines and files that start something; they speak for a family.
    #[serde(default)]
    pub starters: Vec<Starter>,
    /// Files that lie where they should not, from `file.drops`; they speak for a family.
    #[serde(default)]
    pub drops: Vec<HostPath>,
    /// The boot that the processes belong to, from `host.facts`; findings carry it.
    #[serde(default)]
    pub boot_id: String,
    /// The families, a file beside the playbook: `rules/families.yml`.
    pub families: Resource,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// By pid.
    pub rows: Vec<SampleRow>,
    /// Every pool, once.
    pub pools: Vec<Pool>,
    /// Every wallet, once.
    pub wallets: Vec<Wallet>,
    /// Which families it may be, most points first.
    pub families: Vec<FamilyGuess>,
}

/// What one process is told.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SampleRow {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub comm: HostBytes,
    /// What it runs.
    pub exe: Option<HostPath>,
    /// What it is told, each with where that is written.
    pub settings: Vec<FoundSetting>,
    /// The configuration files that were read for it, whether they tell something or not.
    pub files: Vec<ConfigFile>,
}

/// A setting, with where it is written.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FoundSetting {
    /// What it says.
    #[serde(flatten)]
    pub setting: Setting,
    /// Where.
    pub source: Source,
}

/// Where a setting is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "in", rename_all = "snake_case")]
pub enum Source {
    /// In the arguments.
    Arguments {},
    /// In the environment.
    Environment {
        /// Under these names.
        names: Vec<HostBytes>,
    },
    /// In a file.
    File {
        /// Where.
        path: HostPath,
    },
}

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ConfigFile {
    /// Where; below `/proc/PID/root` where the process has another root.
    pub path: HostPath,
    /// Its content; `None` where it was not read whole.
    pub sha256: Option<Digest>,
    /// Why it was looked at.
    pub found: FoundBy,
    /// How many settings stand in it.
    pub settings: u32,
}

/// Why a file was taken for a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// An argument names it.
    Argument,
    /// The process has it open.
    Open,
    /// It lies beside what the process runs.
    Beside,
    /// It lies where the process works.
    WorkingDirectory,
    /// It lies in the home of its user.
    Home,
}

/// The bytes of a configuration at most.
const FILE_BYTES: u32 = 256 << 10;
/// Processes that are looked at, and files that are read for one.
const PROCESSES: usize = 64;
const FILES: usize = 48;

/// Options after which a configuration is named.
const CONFIG_OPTIONS: [&[u8]; 9] = [
    b"-c",
    b"--config",
    b"-config",
    b"-C",
    b"--poolconf",
    b"--cpu",
    b"-epoolsfile",
    b"-dpoolsfile",
    b"--config-file",
];

/// Endings of files that may be configurations, where a process has them open.
const ENDINGS: [&[u8]; 7] = [b".json", b".txt", b".conf", b".cfg", b".ini", b".yml", b".yaml"];

#[async_trait]
impl Collector for MinerConfig {
    const ABOUT: About = About {
        name: "miner.config",
        summary: "Tells pool, wallet, worker and algorithm of miners, from files, arguments and environment, and the family.",
        effect: Effect::Judge,
        phases: &[Phase::Decide, Phase::Locate],
        handbook: "2.1.3.4, 5.1",
        not_seen: "what is compiled into a program, fetched later, or only in memory",
        example: "{id: sample, use: miner.config, with: {verdict: \"{{ steps.verdict }}\", families: rules/families.yml}}",
    };
    type Params = Params;
    type Output = Output;

    fn reads(file: &Resource) -> Option<Result<(), Misread>> {
        Some(Families::read(file).map(drop))
    }

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let families = Families::read(&params.families)?;
        let mut coverage = Coverage::whole();
        let pids = asked(&params, &mut coverage);
        let mut sample = Sample {
            families: &families,
            boot_id: &params.boot_id,
            traits: Traits::default(),
            rows: Vec::new(),
            findings: Vec::new(),
        };
        for starter in &params.starters {
            sample.traits.texts.push(starter.line.as_bytes().to_vec());
        }
        if !pids.is_empty() {
            sample.traits.paths.extend(params.drops.iter().cloned());
            sample.look(host, pids, &mut coverage).await?;
        }
        Ok(Outcome {
            output: Output {
                pools: each_once(sample.rows.iter().flat_map(pools_of)),
                wallets: each_once(sample.rows.iter().flat_map(wallets_of)),
                families: match sample.rows.is_empty() {
                    true => Vec::new(),
                    false => families.guess(&sample.traits),
                },
                rows: sample.rows,
            },
            findings: sample.findings,
            coverage,
        })
    }
}

fn asked(params: &Params, coverage: &mut Coverage) -> Vec<u32> {
    let judged = params.verdict.iter().flat_map(|judged| &judged.rows);
    let suspects = judged.filter(|row| row.verdict != ProcessVerdict::Clean);
    let pids: BTreeSet<u32> = suspects
        .map(|row| row.row.process.pid)
        .chain(params.pids.iter().copied())
        .collect();
    if pids.len() > PROCESSES {
        coverage.note("sample", HostBytes::default(), GapReason::TooMany);
    }
    pids.into_iter().take(PROCESSES).collect()
}

fn pools_of(row: &SampleRow) -> impl Iterator<Item = Pool> {
    row.settings.iter().filter_map(|found| found.setting.pool.clone())
}

fn wallets_of(row: &SampleRow) -> impl Iterator<Item = Wallet> {
    row.settings.iter().filter_map(|found| found.setting.wallet.clone())
}

fn each_once<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.collect::<BTreeSet<T>>().into_iter().collect()
}

struct Sample<'a> {
    families: &'a Families,
    boot_id: &'a str,
    traits: Traits,
    rows: Vec<SampleRow>,
    findings: Vec<Finding>,
}

impl Sample<'_> {
    async fn look(&mut self, host: &dyn HostView, pids: Vec<u32>, coverage: &mut Coverage) -> Result<(), ModuleError> {
        let mut asked = pids.clone();
        // Whose mounts are the host's own.
        asked.push(1);
        asked.sort_unstable();
        asked.dedup();
        let query = ProcessesQuery {
            pids: Some(asked),
            digest: true,
            environ: true,
            fds: true,
            ..ProcessesQuery::default()
        };
        let seen = questions::processes(host, query).await?;
        coverage.unite(&seen.coverage);
        let accounts = questions::accounts(host).await;
        let accounts = questions::or_gap(accounts, "accounts", coverage, Vec::new)?;
        let first = seen.value.iter().find(|process| process.pid == 1);
        let hosts = first.and_then(|first| first.mount_namespace);
        for process in seen.value.iter().filter(|process| pids.contains(&process.pid)) {
            let elsewhere = process
                .mount_namespace
                .zip(hosts)
                .is_some_and(|(own, hosts)| own != hosts);
            let root = elsewhere.then(|| HostPath::from(format!("/proc/{}/root", process.pid).as_str()));
            self.process(host, process, &accounts, root.as_ref(), coverage).await?;
        }
        Ok(())
    }

    async fn process(
        &mut self,
        host: &dyn HostView,
        process: &Process,
        accounts: &[Account],
        root: Option<&HostPath>,
        coverage: &mut Coverage,
    ) -> Result<(), ModuleError> {
        let mut settings: Vec<FoundSetting> = Vec::new();
        settings.extend(of_arguments(&process.argv).into_iter().map(|setting| FoundSetting {
            setting,
            source: Source::Arguments {},
        }));
        if let Some((setting, names)) = process.environ.as_deref().and_then(of_environment) {
            settings.push(FoundSetting {
                setting,
                source: Source::Environment { names },
            });
        }
        let mut files = Vec::new();
        for (stat, found) in self.configurations(host, process, accounts, root, coverage).await? {
            let seen = questions::read(host, stat.path.clone(), FILE_BYTES).await;
            let Some(text) = questions::or_gap(seen, "file", coverage, || None)? else {
                continue;
            };
            if text.cut {
                coverage.note("file", &stat.path, GapReason::Cut);
            }
            let Configuration { settings: told, keys } = of_file(text.content.as_bytes());
            files.push(ConfigFile {
                path: stat.path.clone(),
                sha256: text.stat.sha256,
                found,
                settings: u32::try_from(told.len()).unwrap_or(u32::MAX),
            });
            self.traits.configs.push(stat.path.clone());
            if !told.is_empty() {
                self.traits.config_keys.extend(keys);
            }
            settings.extend(told.into_iter().map(|setting| FoundSetting {
                setting,
                source: Source::File {
                    path: stat.path.clone(),
                },
            }));
        }
        self.learn(process);
        for found in &settings {
            self.findings.extend(statement(process, found, self.boot_id));
        }
        self.rows.push(SampleRow {
            pid: process.pid,
            comm: process.comm.clone(),
            exe: process.exe.as_ref().map(|exe| exe.path.clone()),
            settings,
            files,
        });
        Ok(())
    }

    /// The regular files that may be configurations of a process, each once, with why.
    async fn configurations(
        &self,
        host: &dyn HostView,
        process: &Process,
        accounts: &[Account],
        root: Option<&HostPath>,
        coverage: &mut Coverage,
    ) -> Result<Vec<(FileStat, FoundBy)>, ModuleError> {
        let mut wanted: BTreeMap<HostPath, FoundBy> = BTreeMap::new();
        for (path, found) in candidates(process, accounts, self.families) {
            let path = match root {
                Some(root) => HostPath::new([root.as_bytes(), path.as_bytes()].concat()),
                None => path,
            };
            let known = wanted.entry(path).or_insert(found);
            *known = (*known).min(found);
        }
        // A name that a host chose may lead anywhere; only short regular files are read.
        let paths: Vec<HostPath> = wanted.keys().cloned().collect();
        let seen = questions::stat(host, paths, false).await;
        let entries = questions::or_gap(seen, "file", coverage, Vec::new)?;
        let mut files: Vec<(FileStat, FoundBy)> = entries
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::Present(stat) if stat.kind == FileKind::Regular => {
                    let found = *wanted.get(&stat.path)?;
                    Some((stat, found))
                }
                _ => None,
            })
            .collect();
        files.sort_by(|(a, x), (b, y)| (x, &a.path).cmp(&(y, &b.path)));
        if files.len() > FILES {
            files.truncate(FILES);
            coverage.note("sample", process.pid.to_string().as_str(), GapReason::TooMany);
        }
        Ok(files)
    }

    fn learn(&mut self, process: &Process) {
        let traits = &mut self.traits;
        traits.programs.push(process.comm.as_bytes().to_vec());
        if let Some(exe) = &process.exe {
            let name = exe.path.file_name();
            traits
                .programs
                .push(name.strip_prefix(b"memfd:").unwrap_or(name).to_vec());
            traits.paths.push(exe.path.clone());
        }
        traits
            .paths
            .extend(process.script.iter().map(|script| script.path.clone()));
        traits
            .paths
            .extend(process.cwd.iter().filter(|cwd| cwd.as_bytes().len() > 1).cloned());
        let words: Vec<&[u8]> = process.argv.iter().map(HostBytes::as_bytes).collect();
        traits.texts.push(words.join(&b' '));
    }
}

/// Paths at which a process's configuration may lie, as the process sees them.
fn candidates(process: &Process, accounts: &[Account], families: &Families) -> Vec<(HostPath, FoundBy)> {
    let mut found = Vec::new();
    let cwd = process.cwd.as_ref();
    let resolved = |path: &[u8]| match path.first() {
        Some(b'/') => Some(HostPath::new(path)),
        Some(_) => cwd.map(|cwd| cwd.join(path.strip_prefix(b"./").unwrap_or(path))),
        None => None,
    };
    let words: Vec<&[u8]> = process
        .argv
        .iter()
        .skip(1)
        .flat_map(|argument| argument.as_bytes().split(|b| b.is_ascii_whitespace()))
        .filter(|word| !word.is_empty())
        .collect();
    for (at, word) in words.iter().enumerate() {
        let behind = CONFIG_OPTIONS.iter().find_map(|option| {
            let rest = word.strip_prefix(*option)?;
            match rest.split_first() {
                None => words.get(at + 1).copied(),
                Some((b'=', value)) => Some(value),
                Some(_) => None,
            }
        });
        let bare = ENDINGS.iter().any(|ending| word.ends_with(ending)).then_some(*word);
        let named = behind
            .or(word.strip_prefix(b"@"))
            .or(bare.filter(|word| !word.starts_with(b"-")));
        found.extend(named.and_then(&resolved).map(|path| (path, FoundBy::Argument)));
    }
    for open in process.fds.iter().flatten() {
        let link = open.link.as_bytes();
        if link.starts_with(b"/") && ENDINGS.iter().any(|ending| link.ends_with(ending)) {
            found.push((HostPath::new(link), FoundBy::Open));
        }
    }
    let beside = process
        .exe
        .as_ref()
        .filter(|exe| !exe.memfd)
        .and_then(|exe| exe.path.parent());
    for (directory, why) in [(beside, FoundBy::Beside), (cwd.cloned(), FoundBy::WorkingDirectory)] {
        let Some(directory) = directory else { continue };
        let names = families.config_names.iter();
        found.extend(names.map(|name| (directory.join(name.as_bytes()), why)));
    }
    let home = accounts
        .iter()
        .find(|account| account.uid == process.uid)
        .map(|account| &account.home);
    if let Some(home) = home.filter(|home| home.as_bytes().len() > 1) {
        let names = families.home_configs.iter();
        found.extend(names.map(|name| (home.join(name.as_bytes()), FoundBy::Home)));
    }
    found
}

/// What a setting says, as a statement of its process: it weighs nothing, since anybody can write it.
fn statement(process: &Process, found: &FoundSetting, boot_id: &str) -> Option<Finding> {
    let setting = &found.setting;
    let pool = setting.pool.as_ref().map(|pool| {
        let port = pool.port.map_or_else(String::new, |port| format!(":{port}"));
        format!("{}{port}", said(pool.host.as_bytes()))
    });
    let wallet = setting.wallet.as_ref().map(|wallet| {
        let proof = match wallet.proof {
            Proof::Checksum => "checksum fits",
            Proof::Form => "no checksum",
        };
        let coin = serde_json::to_value(wallet.coin)
            .ok()
            .and_then(|coin| Some(coin.as_str()?.to_owned()));
        format!(
            "{} wallet {} ({proof})",
            coin.unwrap_or_default(),
            said(wallet.address.as_bytes())
        )
    });
    let login = setting
        .login
        .as_ref()
        .map(|login| format!("account {}", said(login.as_bytes())));
    let paid = wallet.or(login);
    let source = match &found.source {
        Source::Arguments {} => format!("/proc/{}/cmdline", process.pid),
        Source::Environment { .. } => format!("/proc/{}/environ", process.pid),
        Source::File { path } => said(path.as_bytes()),
    };
    let say = match (&pool, &paid) {
        (Some(_), Some(_)) => "by {source} it mines at {pool} for {paid}",
        (Some(_), None) => "by {source} it mines at {pool}",
        (None, Some(_)) => "by {source} it mines for {paid}",
        (None, None) => return None,
    };
    let pool = pool.unwrap_or_default();
    let paid = paid.unwrap_or_default();
    let process = stated_process(process, boot_id, Role::Miner);
    let artifact = Artifact::Process { process };
    let mut finding = Finding::new(artifact.clone(), "mines_for", Bearing::Weighs, say);
    // One process may be told several things.
    finding.id = Finding::new(
        artifact,
        &format!("mines_for {source} {pool} {paid}"),
        Bearing::Weighs,
        say,
    )
    .id;
    Some(
        finding
            .field("source", &source)
            .field("pool", pool)
            .field("paid", paid)
            .rests_on(source, None),
    )
}
