//! `miner.trace`: from the miner to all that belongs to it.
//!
//! Starts at the processes judged miners and follows only what speaks for itself: the file that a condemned process runs,
//! files of the same content, scripts and lines whose own text starts them, processes that run those. What the intruder's
//! text merely names (a log file in a configuration, a comment, an open file) is never condemned by it: else a line of
//! his would make us delete what is not his. Handbook 2.1.3.2.

mod case;
pub(crate) mod components;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod generator;
mod guardian;
mod lines;
mod look;
mod preload;
mod remotes;
mod restart;
pub(crate) mod speech;
mod starters;
mod units;

#[cfg(test)]
mod starters_tests;
#[cfg(test)]
mod stub;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Component, Condemned, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Effect, Role};
use deminer_worker::query::{Peer, Socket, limits};
use deminer_worker::text::HostPath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::case::{Case, Words, is_vouched};
use self::components::{Account, pid_tie};
use self::look::Look;
pub(crate) use self::speech::pipes_a_download;
use crate::judge::{Class, Judged, JudgedRow, ProcessVerdict};
use crate::places::Places;
use crate::starter::{Place, Starter};
use crate::unit_row::Units;

/// Passes after which nothing new is looked for; each follows what the one before condemned.
const PASSES: u32 = 8;

/// The module `miner.trace`.
#[derive(Debug, Clone, Copy, Default)]
pub struct MinerTrace;

/// Where it starts, and how far it goes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The verdict, whole: `"{{ steps.verdict }}"`.
    pub verdict: Judged,
    /// Files that somebody condemns who is not on this host: an alert, an analyst. Each is followed as what a miner runs,
    /// and the file itself is condemned unless a package owns it. Example: `paths: "{{ vars.paths }}"`.
    #[serde(default)]
    pub paths: Vec<HostPath>,
    /// The lines, files and links that start something, from `cron.list`, `startup.list` and their like.
    #[serde(default)]
    pub starters: Vec<Starter>,
    /// The units, whole, from `unit.list`: `"{{ steps.units }}"`.
    #[serde(default)]
    pub units: Units,
    /// The sockets, from `net.sockets`; asked of the host where none are given.
    #[serde(default)]
    pub sockets: Vec<Socket>,
    /// How far it goes.
    #[serde(default)]
    pub limits: Limits,
}

/// How far a trace goes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Temporary places: searched for copies, and what lies there is remarkable.
    pub roots: Vec<HostPath>,
    /// How deep those are searched.
    pub depth: u32,
    /// After so many entries of a search the rest is a gap.
    pub max_entries: u32,
    /// Directories with a dot that ordinary tools make, by name: they hide nothing.
    pub usual_hidden_names: Vec<String>,
    /// More condemned objects than this are stated as too many for one miner.
    pub too_many: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let usual = [
            ".local",
            ".cache",
            ".cargo",
            ".rustup",
            ".nvm",
            ".npm",
            ".pyenv",
            ".rbenv",
            ".rvm",
            ".sdkman",
            ".gradle",
            ".m2",
            ".vscode",
            ".vscode-server",
            ".cursor-server",
            ".venv",
            ".virtualenvs",
            ".conda",
            ".asdf",
            ".bun",
            ".deno",
            ".dotnet",
            ".go",
            ".julia",
            ".steam",
            ".mozilla",
            ".var",
            ".wine",
            ".jenkins",
            ".pnpm-store",
            ".volta",
            ".yarn",
            ".tox",
            ".nix-profile",
            ".opam",
            ".ghcup",
            ".cabal",
            ".stack",
            ".krew",
        ];
        Self {
            roots: ["/tmp", "/var/tmp", "/dev/shm"].map(HostPath::from).to_vec(),
            depth: 3,
            max_entries: 50_000,
            usual_hidden_names: usual.map(str::to_owned).to_vec(),
            too_many: 60,
        }
    }
}

/// What belongs to the miners of a host.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Traced {
    /// What belongs together, by number.
    pub components: Vec<Component>,
    /// Everything condemned: processes, files, lines, links, units.
    pub artifacts: Vec<Condemned>,
    /// Condemned processes, by pid.
    pub processes: Vec<Condemned>,
    /// Condemned files that start nothing by where they lie, by path: for `file.remove`.
    pub files: Vec<Condemned>,
    /// Condemned files that something starts whole, by path: for `starter.remove`.
    pub starters: Vec<Condemned>,
    /// Condemned links by which something is started, by path: for `starter.remove`.
    pub links: Vec<Condemned>,
    /// Condemned lines, by file and number.
    pub lines: Vec<Condemned>,
    /// Those of them that are keys with a command of their own.
    pub keys: Vec<Condemned>,
    /// Those of them that are of sudoers.
    pub sudoers: Vec<Condemned>,
    /// Those of them that a clock starts.
    pub cron: Vec<Condemned>,
    /// Those of them that boot, a login or an event starts.
    pub boot: Vec<Condemned>,
    /// Those of them that load a library into every program.
    pub preload: Vec<Condemned>,
    /// Condemned units, by name: for `unit.remove`.
    pub units: Vec<Condemned>,
    /// Remote ends of condemned processes, loopback left out.
    pub remotes: Vec<Peer>,
    /// Those of them that are condemned too: nobody else on the host talks to them, and not anybody could have a server
    /// there. What `net.block` takes. The others are in `review`.
    pub peers: Vec<Condemned>,
    /// What a person should look at; component 0 is none of the above.
    pub review: Vec<Condemned>,
}

#[async_trait]
impl Collector for MinerTrace {
    const ABOUT: About = About {
        name: "miner.trace",
        summary: "Follows each miner to its executables, guardians, copies, scripts and the lines that start it",
        effect: Effect::Read,
        phases: &[Phase::Locate],
        handbook: "2.1.3.2",
        not_seen: "files deeper than the limits; what only a program, not its text, starts; keys",
        example: "{id: trace, use: miner.trace, with: {verdict: \"{{ steps.verdict }}\", starters: \"{{ steps.starters.rows }}\"}}",
    };
    type Params = Params;
    type Output = Traced;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Traced>, ModuleError> {
        let mut look = Look::begin(host).await?;
        let sockets = match params.sockets.is_empty() {
            true => look.sockets().await?,
            false => params.sockets,
        };
        let mut spared: BTreeSet<u32> = look.facts.own_chain.iter().copied().collect();
        spared.insert(1);
        let scripts = look.processes.values().filter(|process| spared.contains(&process.pid));
        let spared_files = scripts
            .filter_map(|process| Some(process.script.as_ref()?.id))
            .collect();
        let mut case = Case {
            places: Places::of(&params.limits),
            boot_id: look.facts.identity.boot_id.clone(),
            spared,
            spared_files,
            account: Account::default(),
            contents: Default::default(),
            paths: BTreeSet::new(),
            beside: BTreeSet::new(),
            homes: BTreeSet::new(),
            names: BTreeSet::new(),
            pids: Default::default(),
            uids: BTreeSet::new(),
            units: Default::default(),
            started_in: Vec::new(),
        };
        for row in &params.verdict.rows {
            match row.verdict {
                ProcessVerdict::Miner => miner(&mut case, &mut look, row).await?,
                ProcessVerdict::Suspect => suspect(&mut case, row),
                ProcessVerdict::Clean => {}
            }
        }
        for path in &params.paths {
            from_outside(&mut case, &mut look, path).await?;
        }
        if !case.pids.is_empty() || !case.paths.is_empty() {
            for _ in 0..PASSES {
                let files = files::search(&mut case, &mut look, &params.starters, &params.limits).await?;
                let guardians = guardian::search(&mut case, &mut look, &sockets).await?;
                let starters = starters::search(&mut case, &mut look, &params.starters).await?;
                let units = units::search(&mut case, &mut look, &params.units).await?;
                if !(files || guardians || starters || units) {
                    break;
                }
            }
            units::settle(&mut case, &mut look, &params.units).await?;
        }
        let processes = case.account.condemned.iter().filter_map(|tied| match &tied.artifact {
            Artifact::Process { process } => Some(process.clone()),
            _ => None,
        });
        let restarting = restart::of(processes.collect(), &mut look).await?;
        case.account.findings.extend(restarting);
        let coverage = look.coverage;
        Ok(traced(case.account, &params.starters, &sockets, params.limits.too_many).seen_with(coverage))
    }
}

/// A process that was judged a miner, as it is now.
async fn miner(case: &mut Case, look: &mut Look<'_>, row: &JudgedRow) -> Result<(), ModuleError> {
    let judged = &row.row.process;
    let now = look.processes.get(&judged.pid);
    let now = now.filter(|process| process.start_ticks == judged.start_ticks).cloned();
    let points = row.points.to_string();
    let needed = row.needed.to_string();
    let unit = units::told_of(&judged.cgroup);
    let in_unit = unit.as_ref().map_or(&b""[..], |unit| unit.as_bytes());
    let fields = [
        ("points", points.as_bytes()),
        ("needed", needed.as_bytes()),
        ("unit", in_unit),
    ];
    let words = match unit.is_some() {
        true => Words {
            signal: "condemned_miner",
            say: "judged a miner with {points} points of {needed}; it runs in {unit}",
            fields: &fields,
        },
        false => Words {
            signal: "condemned_miner",
            say: "judged a miner with {points} points of {needed}",
            fields: &fields[..2],
        },
    };
    let too_large = (now.as_ref().and_then(|now| now.exe.as_ref()))
        .filter(|exe| exe.sha256.is_none() && exe.size.0 > limits::DIGEST_BYTES);
    if let (Some(process), Some(exe)) = (&now, too_large) {
        let (size, limit) = (exe.size.to_string(), limits::DIGEST_BYTES.to_string());
        let words = Words {
            signal: "executable_too_large",
            say: "judged a miner, but what it runs, {path}, is too large to hash with {size} bytes, more than {limit}: no \
                  act can name it; a person decides",
            fields: &[
                ("path", exe.path.as_bytes()),
                ("size", size.as_bytes()),
                ("limit", limit.as_bytes()),
            ],
        };
        case.ask_process(process, &words, &row.findings, &[pid_tie(process.pid)]);
    } else if let Some(process) = &now {
        case.condemn_process(process, Role::Miner, &words, &row.findings, &[]);
    }
    // A process that ended meanwhile, or runs another file by now, still tells which file it was.
    let process = judged;
    let Some(exe) = &process.exe else { return Ok(()) };
    let owner = match (&now, &row.row.package) {
        (Some(now), _) if now.exe.as_ref().map(|exe| exe.id) == Some(exe.id) => look.owner_of_running(now).await?,
        (_, Some(package)) => package.clone(),
        _ => return Ok(()),
    };
    if case.spared.contains(&process.pid) {
        return Ok(());
    }
    if is_vouched(&owner, &exe.path) {
        return files::ask_packaged(case, look, process, &owner).await;
    }
    case.uids.insert(process.uid);
    // A name is the file's own; its place, its title and its peers may be the choice of whoever started it.
    let named = row.classes.contains(&Class::Identity);
    if named {
        case.names.insert(exe.path.file_name().to_vec());
    }
    let ties = files::take_executable(case, look, process, (!named).then_some(process.uid)).await?;
    if let Some(process) = &now {
        case.condemn_process(process, Role::Miner, &words, &row.findings, &ties);
    }
    Ok(())
}

/// A file that somebody condemns who is not on this host.
async fn from_outside(case: &mut Case, look: &mut Look<'_>, path: &HostPath) -> Result<(), ModuleError> {
    let fields = [("path", path.as_bytes())];
    let stat = look.file(path).await?;
    if is_vouched(&look.owner(path).await?, path) {
        if let Some(stat) = stat {
            let words = Words {
                signal: "named_from_outside",
                say: "the run was told to condemn {path}, but a package stands behind it: a person decides",
                fields: &fields,
            };
            case.ask_file(&stat, &words, &[]);
        }
        return Ok(());
    }
    let mut ties = case.learn_path(path);
    let Some(stat) = stat else { return Ok(()) };
    case.uids.insert(stat.uid);
    if let Some(sha256) = stat.sha256 {
        case.contents.insert(sha256, stat.size);
        ties.push(format!("content {sha256}"));
    }
    let words = Words {
        signal: "named_from_outside",
        say: "the run was told to condemn {path}, and no package stands behind it",
        fields: &fields,
    };
    case.condemn_file(&stat, &words, &ties);
    Ok(())
}

fn suspect(case: &mut Case, row: &JudgedRow) {
    let points = row.points.to_string();
    let needed = row.needed.to_string();
    let words = Words {
        signal: "suspect_process",
        say: "judged suspect with {points} points, {needed} needed; a person decides",
        fields: &[("points", points.as_bytes()), ("needed", needed.as_bytes())],
    };
    case.ask_process(&row.row.process, &words, &row.findings, &[pid_tie(row.row.process.pid)]);
}

/// The account, numbered and sorted.
fn traced(account: Account, starters: &[Starter], sockets: &[Socket], too_many: usize) -> Outcome<Traced> {
    let (mut artifacts, mut review) = components::number(&account.condemned, &account.review);
    artifacts.sort_by_cached_key(|condemned| sort_key(&condemned.artifact));
    review.sort_by_cached_key(|condemned| (condemned.component, sort_key(&condemned.artifact)));
    let mut findings = account.findings;
    if artifacts.len() > too_many {
        let finding = Finding::new(
            Artifact::Host {},
            "too_many",
            Bearing::Review,
            "{count} objects are condemned, more than the {limit} of one miner; a person decides",
        );
        findings.push(finding.field("count", artifacts.len()).field("limit", too_many));
    }
    let of_kind = |kind: fn(&Artifact) -> bool| -> Vec<Condemned> {
        artifacts
            .iter()
            .filter(|condemned| kind(&condemned.artifact))
            .cloned()
            .collect()
    };
    let processes = of_kind(|artifact| matches!(artifact, Artifact::Process { .. }));
    let lines = of_kind(|artifact| matches!(artifact, Artifact::Line { .. }));
    let in_place = |wanted: fn(Place) -> bool| -> Vec<Condemned> {
        let is_there = |file: &HostPath| {
            let told = starters.iter().find(|starter| starter.file.path == *file);
            told.map(|starter| starter.place)
                .or_else(|| Place::of(file))
                .is_some_and(wanted)
        };
        let lines = lines.iter();
        lines
            .filter(|condemned| matches!(&condemned.artifact, Artifact::Line { file, .. } if is_there(&file.path)))
            .cloned()
            .collect()
    };
    let cron = in_place(Place::is_timed);
    let preload = in_place(Place::is_loaded);
    let peers = remotes::judge(&processes, sockets);
    findings.extend(peers.findings);
    review.extend(peers.review);
    let keys = in_place(|place| place == Place::AuthorizedKey);
    let sudoers = in_place(|place| place == Place::Sudoers);
    let boot = in_place(|place| {
        let has_list = matches!(place, Place::AuthorizedKey | Place::Sudoers);
        !place.is_timed() && !place.is_loaded() && !has_list
    });
    let remotes_of = |component: Option<u32>| -> Vec<Peer> {
        let pids: BTreeSet<u32> = processes
            .iter()
            .filter(|condemned| component.is_none_or(|id| id == condemned.component))
            .filter_map(|condemned| match &condemned.artifact {
                Artifact::Process { process } => Some(process.pid),
                _ => None,
            })
            .collect();
        let peers: BTreeSet<Peer> = sockets
            .iter()
            .filter(|socket| socket.owners.iter().any(|owner| pids.contains(owner)))
            .filter_map(|socket| socket.remote.clone())
            .filter(|peer| !is_loopback(&peer.address))
            .collect();
        peers.into_iter().collect()
    };
    let last = artifacts.iter().map(|condemned| condemned.component).max().unwrap_or(0);
    let part = |list: &[Condemned], id: u32| -> Vec<Condemned> {
        list.iter()
            .filter(|condemned| condemned.component == id)
            .cloned()
            .collect()
    };
    let components = (1..=last)
        .map(|id| Component {
            id,
            condemned: part(&artifacts, id),
            review: part(&review, id),
            remotes: remotes_of(Some(id)),
        })
        .collect();
    let units = of_kind(|artifact| matches!(artifact, Artifact::Unit { .. }));
    let of_units: BTreeSet<&HostPath> = units
        .iter()
        .filter_map(|condemned| match &condemned.artifact {
            Artifact::Unit { unit } => Some(unit.files.iter().map(|part| &part.file.path)),
            _ => None,
        })
        .flatten()
        .collect();
    // What goes with its unit, or starts something for where it lies, goes before the kill.
    let mut files = of_kind(|artifact| matches!(artifact, Artifact::File { .. }));
    files.retain(|condemned| !matches!(&condemned.artifact, Artifact::File { file } if of_units.contains(&file.path)));
    let (whole, files) = files
        .into_iter()
        .partition(|condemned| matches!(&condemned.artifact, Artifact::File { file } if starts_whole(&file.path)));
    let output = Traced {
        components,
        files,
        starters: whole,
        links: of_kind(|artifact| matches!(artifact, Artifact::Link { .. })),
        units: units.clone(),
        remotes: remotes_of(None),
        peers: peers.condemned,
        processes,
        lines,
        keys,
        sudoers,
        cron,
        boot,
        preload,
        artifacts,
        review,
    };
    Outcome {
        findings,
        ..Outcome::of(output)
    }
}

/// Whether something starts a file whole for where it lies.
fn starts_whole(path: &HostPath) -> bool {
    Place::of(path).is_some_and(|place| place.entry().whole().is_some())
}

fn is_loopback(address: &str) -> bool {
    address
        .parse::<std::net::IpAddr>()
        .is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

/// Processes by pid, then files by path, then lines by file and number.
fn sort_key(artifact: &Artifact) -> (u8, u32, HostPath, u32) {
    match artifact {
        Artifact::Host {} => (0, 0, HostPath::default(), 0),
        Artifact::Process { process } => (1, process.pid, HostPath::default(), 0),
        Artifact::File { file } => (2, 0, file.path.clone(), 0),
        Artifact::Line { file, line } => (3, 0, file.path.clone(), line.number),
        Artifact::Link { link } => (4, 0, link.path.clone(), 0),
        Artifact::Unit { unit } => (5, 0, HostPath::new(unit.name.as_bytes()), 0),
        Artifact::Account { account } => (6, account.uid, HostPath::new(account.name.as_bytes()), 0),
        Artifact::Remote { peer } => (7, 0, HostPath::from(peer.address.as_str()), u32::from(peer.port)),
    }
}
