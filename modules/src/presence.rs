//! Whether condemned objects, or others of their kind, are on a host.
//!
//! A process is known by boot, pid and start time, its kind by the content that it runs. Content that a package owns is
//! no mark of an intruder, however it is called: then the whole command line must be the same too.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::finding::{Artifact, Condemned, UnitTarget};
use deminer_engine::host::HostView;
use deminer_engine::module::ModuleError;
use deminer_worker::action::{AccountTarget, FileTarget, LineTarget, LinkTarget, ProcessTarget};
use deminer_worker::query::{
    Coverage, Entry, FileKind, FileStat, GapReason, Ownership, Peer, Process, ProcessesQuery, Socket, limits,
};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};

use crate::condemned_list::{cited, kind, refusal};
use crate::process_list::packages_of;
use crate::questions;
use crate::remnant::{Remnant, Seen};
use crate::starter::Starter;
use crate::unit_places::merged;
use crate::unit_row::Units;
use crate::unit_search;

/// An object with what condemns it.
#[derive(Debug, Clone)]
pub(crate) struct Of<T> {
    pub(crate) condemned: Condemned,
    pub(crate) object: T,
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sought {
    pub(crate) processes: Vec<Of<ProcessTarget>>,
    pub(crate) files: Vec<Of<FileTarget>>,
    pub(crate) lines: Vec<Of<(FileTarget, LineTarget)>>,
    pub(crate) links: Vec<Of<LinkTarget>>,
    pub(crate) units: Vec<Of<UnitTarget>>,
    pub(crate) accounts: Vec<Of<AccountTarget>>,
    pub(crate) remotes: BTreeSet<Peer>,
}

impl Sought {
    /// Sorts a playbook's list by kind.
    ///
    /// # Errors
    /// `Parameter`, with the place in `list`, for the host itself and for what no finding condemns.
    pub(crate) fn new(list: &str, artifacts: Vec<Condemned>) -> Result<Sought, ModuleError> {
        let mut sought = Sought::default();
        for (index, condemned) in artifacts.into_iter().enumerate() {
            cited(list, index, &condemned)?;
            match condemned.artifact.clone() {
                Artifact::Process { process: object } => sought.processes.push(Of { condemned, object }),
                Artifact::File { file: object } => sought.files.push(Of { condemned, object }),
                Artifact::Line { file, line } => sought.lines.push(Of {
                    condemned,
                    object: (file, line),
                }),
                Artifact::Remote { peer } => {
                    sought.remotes.insert(peer);
                }
                Artifact::Unit { unit } => {
                    sought.files.extend(unit.files.iter().map(|part| Of {
                        condemned: condemned.clone(),
                        object: part.file.clone(),
                    }));
                    sought.units.push(Of {
                        condemned,
                        object: unit,
                    });
                }
                Artifact::Link { link: object } => sought.links.push(Of { condemned, object }),
                Artifact::Account { account: object } => sought.accounts.push(Of { condemned, object }),
                other @ Artifact::Host {} => {
                    let why = format!("a {} cannot be gone", kind(&other));
                    return Err(refusal(list, index, why));
                }
            }
        }
        Ok(sought)
    }

    /// The condemned process of that content; the one with that command line before others.
    fn of_content(&self, sha256: Digest, argv: Option<Digest>) -> Option<&Of<ProcessTarget>> {
        let mut same = self.processes.iter().filter(|of| of.object.exe_sha256 == sha256);
        let first = same.clone().next();
        same.find(|of| Some(of.object.argv_sha256) == argv).or(first)
    }

    /// Whether a file was condemned for this content.
    pub(crate) fn is_file_content(&self, sha256: Digest) -> bool {
        self.files.iter().any(|of| of.object.sha256 == sha256)
    }

    /// What a sighting of that content is, where the process could not be asked any more.
    pub(crate) fn passed_by(&self, pid: u32, start_ticks: Wide, comm: &HostBytes, sha256: Digest) -> Option<Remnant> {
        let of = self.of_content(sha256, None)?;
        let seen = Seen::Executable {
            pid,
            start_ticks,
            comm: comm.clone(),
            sha256,
        };
        Some(Remnant::of(&of.condemned, self.is_file_content(sha256), seen))
    }
}

/// At most so many processes are named that could not be told from a condemned one.
const UNTOLD: usize = 16;

/// Condemned processes that still run, and others that run their content.
pub(crate) async fn running(
    host: &dyn HostView,
    sought: &Sought,
    boot_id: &str,
    processes: &[Process],
    coverage: &mut Coverage,
) -> Result<Vec<Remnant>, ModuleError> {
    let mut found = Vec::new();
    let mut alike: Vec<Process> = Vec::new();
    let mut untold = sort_out(sought, boot_id, processes, &mut found, &mut alike);
    // Pid 1 began with the host: nothing that was condemned can have become it.
    untold.retain(|pid| *pid != 1);
    if !untold.is_empty() {
        // Most of these end while they are read: those that last are asked once more.
        let query = ProcessesQuery {
            pids: Some(untold),
            digest: true,
            ..ProcessesQuery::default()
        };
        let again = questions::processes(host, query).await?;
        let lasting = sort_out(sought, boot_id, &again.value, &mut found, &mut alike);
        let condemned = sought.processes.first().map(|of| &of.condemned);
        for (pid, condemned) in lasting.into_iter().zip(condemned.into_iter().cycle()).take(UNTOLD) {
            let seen = Seen::Unseen {
                object: HostBytes::from(&*format!("/proc/{pid}/exe")),
                why: GapReason::Denied,
            };
            found.push(Remnant::of(condemned, false, seen));
        }
    }
    let packages = packages_of(host, &alike, coverage).await?;
    for process in &alike {
        let Some((exe, sha256)) = process.exe.as_ref().and_then(|exe| Some((exe, exe.sha256?))) else {
            continue;
        };
        let Some(of) = sought.of_content(sha256, process.argv_sha256) else {
            continue;
        };
        let same_words = process.argv_sha256 == Some(of.object.argv_sha256);
        let owner = packages.get(&(exe.path.clone(), exe.id)).unwrap_or(&Ownership::Unknown);
        let certain = match owner {
            owner if owner.is_package_content() && !same_words => continue,
            Ownership::Unknown => same_words || sought.is_file_content(sha256),
            _ => true,
        };
        let seen = Seen::Executable {
            pid: process.pid,
            start_ticks: process.start_ticks,
            comm: process.comm.clone(),
            sha256,
        };
        found.push(Remnant::of(&of.condemned, certain, seen));
    }
    Ok(found)
}

/// Puts the condemned ones into `found` and those of their content into `alike`; gives the pids that could be either.
fn sort_out(
    sought: &Sought,
    boot_id: &str,
    processes: &[Process],
    found: &mut Vec<Remnant>,
    alike: &mut Vec<Process>,
) -> Vec<u32> {
    let mut untold = Vec::new();
    let living = |process: &&Process| !process.kernel_thread && !process.has_ended();
    for process in processes.iter().filter(living) {
        let same = sought.processes.iter().find(|of| {
            of.object.boot_id == boot_id && of.object.pid == process.pid && of.object.start_ticks == process.start_ticks
        });
        if let Some(of) = same {
            let seen = Seen::Process {
                pid: process.pid,
                start_ticks: process.start_ticks,
                comm: process.comm.clone(),
            };
            found.push(Remnant::of(&of.condemned, true, seen));
            continue;
        }
        match process.exe.as_ref().map(|exe| (exe.sha256, exe.size)) {
            Some((Some(sha256), _)) => {
                if sought.of_content(sha256, None).is_some() {
                    alike.push(process.clone());
                }
            }
            Some((None, size)) => {
                if sought.processes.iter().any(|of| of.object.exe_size == size) {
                    untold.push(process.pid);
                }
            }
            None if sought.processes.is_empty() => {}
            None => untold.push(process.pid),
        }
    }
    untold
}

/// Contents of condemned processes that a package put where they ran: a shell, an interpreter.
pub(crate) async fn packaged_contents(
    host: &dyn HostView,
    sought: &Sought,
    coverage: &mut Coverage,
) -> Result<BTreeSet<Digest>, ModuleError> {
    let paths: BTreeSet<HostPath> = sought.processes.iter().map(|of| of.object.exe_path.clone()).collect();
    let contents: BTreeSet<Digest> = sought.processes.iter().map(|of| of.object.exe_sha256).collect();
    let seen = questions::stat(host, paths.into_iter().collect(), true).await?;
    let there: Vec<(HostPath, Digest)> = (seen.value.into_iter())
        .filter_map(|entry| match entry {
            Entry::Present(stat) => Some((stat.path, stat.sha256?)),
            Entry::Absent { .. } | Entry::Hidden { .. } => None,
        })
        .filter(|(_, sha256)| contents.contains(sha256))
        .collect();
    let paths = there.iter().map(|(path, _)| path.clone()).collect();
    let owners = questions::packages(host, paths).await?;
    coverage.unite(&owners.coverage);
    let packaged = there
        .into_iter()
        .zip(owners.value)
        .filter(|(_, owner)| owner.is_package_content());
    Ok(packaged.map(|((_, sha256), _)| sha256).collect())
}

/// Condemned command lines of programs whose content is no mark: those in `shared`, without hashing anything.
pub(crate) fn same_words(sought: &Sought, shared: &BTreeSet<Digest>, processes: &[Process]) -> Vec<Remnant> {
    let mut found = Vec::new();
    for process in processes {
        let Some(exe) = &process.exe else { continue };
        let same = sought.processes.iter().find(|of| {
            shared.contains(&of.object.exe_sha256)
                && of.object.exe_size == exe.size
                && process.argv_sha256 == Some(of.object.argv_sha256)
        });
        if let Some(of) = same {
            let seen = Seen::Executable {
                pid: process.pid,
                start_ticks: process.start_ticks,
                comm: process.comm.clone(),
                sha256: of.object.exe_sha256,
            };
            found.push(Remnant::of(&of.condemned, true, seen));
        }
    }
    found
}

/// Which content at a condemned path counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// The condemned one: the file was not removed.
    Same,
    /// Any that no package put there: where a file was removed, none should be.
    Any,
}

/// Condemned files that are there.
pub(crate) async fn standing_files(
    host: &dyn HostView,
    files: &[Of<FileTarget>],
    counts: Content,
    coverage: &mut Coverage,
) -> Result<Vec<Remnant>, ModuleError> {
    let paths: Vec<HostPath> = files.iter().map(|of| of.object.path.clone()).collect();
    let seen = questions::stat(host, paths, true).await?;
    coverage.unite(&seen.coverage);
    let mut found = Vec::new();
    let mut replaced: Vec<(&Of<FileTarget>, FileStat)> = Vec::new();
    for (of, entry) in files.iter().zip(seen.value) {
        let path = of.object.path.clone();
        let unseen = |why| {
            let object = HostBytes::from(&path);
            Remnant::of(&of.condemned, false, Seen::Unseen { object, why })
        };
        let stat = match entry {
            Entry::Absent { .. } => continue,
            Entry::Hidden {
                why: GapReason::Gone, ..
            } => continue,
            Entry::Hidden { why, .. } => {
                found.push(unseen(why));
                continue;
            }
            Entry::Present(stat) => stat,
        };
        match (stat.kind, stat.sha256) {
            (FileKind::Regular, Some(sha256)) if sha256 == of.object.sha256 => {
                let sha256 = Some(sha256);
                found.push(Remnant::of(&of.condemned, true, Seen::File { path, sha256 }));
            }
            (FileKind::Regular, None) if stat.size == of.object.size || counts == Content::Any => {
                found.push(unseen(GapReason::Denied));
            }
            (FileKind::Directory, _) => {}
            _ if counts == Content::Any => replaced.push((of, stat)),
            _ => {}
        }
    }
    let paths = replaced.iter().map(|(_, stat)| stat.path.clone()).collect();
    let owners = questions::packages(host, paths).await?;
    coverage.unite(&owners.coverage);
    for ((of, stat), owner) in replaced.into_iter().zip(owners.value) {
        if owner.is_package_content() {
            continue;
        }
        let certain = matches!(owner, Ownership::Unowned | Ownership::Modified { .. });
        let seen = Seen::File {
            path: of.object.path.clone(),
            sha256: stat.sha256,
        };
        found.push(Remnant::of(&of.condemned, certain, seen));
    }
    Ok(found)
}

/// Condemned links that are there. One that leads elsewhere by now, or another object under its name, is not certain.
pub(crate) async fn standing_links(
    host: &dyn HostView,
    links: &[Of<LinkTarget>],
    counts: Content,
    coverage: &mut Coverage,
) -> Result<Vec<Remnant>, ModuleError> {
    let paths: Vec<HostPath> = links.iter().map(|of| of.object.path.clone()).collect();
    let seen = questions::stat(host, paths, false).await?;
    coverage.unite(&seen.coverage);
    let mut found = Vec::new();
    for (of, entry) in links.iter().zip(seen.value) {
        let path = of.object.path.clone();
        match entry {
            Entry::Absent { .. }
            | Entry::Hidden {
                why: GapReason::Gone, ..
            } => {}
            Entry::Hidden { why, .. } => {
                let object = HostBytes::from(&path);
                found.push(Remnant::of(&of.condemned, false, Seen::Unseen { object, why }));
            }
            Entry::Present(stat) => {
                let same = stat.link_target.as_ref() == Some(&of.object.target);
                let target = stat.link_target;
                if same || counts == Content::Any {
                    found.push(Remnant::of(&of.condemned, same, Seen::Link { path, target }));
                }
            }
        }
    }
    Ok(found)
}

/// Condemned lines that stand in their files.
pub(crate) async fn standing_lines(
    host: &dyn HostView,
    sought: &Sought,
    coverage: &mut Coverage,
) -> Result<Vec<Remnant>, ModuleError> {
    let mut by_path: BTreeMap<&HostPath, Vec<&Of<(FileTarget, LineTarget)>>> = BTreeMap::new();
    for of in &sought.lines {
        by_path.entry(&of.object.0.path).or_default().push(of);
    }
    let mut found = Vec::new();
    for (path, lines) in by_path {
        let mut unseen = |why| {
            let object = HostBytes::from(path);
            let seen = Seen::Unseen { object, why };
            found.extend(lines.iter().map(|of| Remnant::of(&of.condemned, false, seen.clone())));
        };
        let file = match questions::read(host, path.clone(), limits::READ_BYTES).await {
            Ok(seen) => {
                coverage.unite(&seen.coverage);
                match (seen.value, seen.coverage.material().next()) {
                    (Some(file), _) => file,
                    (None, Some(gap)) => {
                        unseen(gap.why);
                        continue;
                    }
                    (None, None) => continue,
                }
            }
            Err(error) => {
                match questions::gap_of(error)? {
                    GapReason::Gone => {}
                    why => unseen(why),
                }
                continue;
            }
        };
        let there: BTreeSet<&[u8]> = file.content.as_bytes().split(|b| *b == b'\n').collect();
        let (standing, missing): (Vec<_>, Vec<_>) = lines
            .into_iter()
            .partition(|of| there.contains(of.object.1.line.as_bytes()));
        found.extend(standing.into_iter().map(|of| {
            let seen = Seen::Line {
                path: path.clone(),
                line: of.object.1.line.clone(),
            };
            Remnant::of(&of.condemned, true, seen)
        }));
        if file.cut {
            found.extend(missing.into_iter().map(|of| {
                let seen = Seen::Unseen {
                    object: HostBytes::from(path),
                    why: GapReason::Cut,
                };
                Remnant::of(&of.condemned, false, seen)
            }));
        }
    }
    Ok(found)
}

/// Condemned units whose links stand, or that their manager still has from a condemned file. A unit that fell back to
/// another file of its name is another unit.
pub(crate) async fn standing_units(
    host: &dyn HostView,
    sought: &Sought,
    coverage: &mut Coverage,
) -> Result<Vec<Remnant>, ModuleError> {
    if sought.units.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let links: Vec<(&Of<UnitTarget>, &LinkTarget)> = (sought.units.iter())
        .flat_map(|of| of.object.links.iter().map(move |link| (of, link)))
        .collect();
    let seen = questions::stat(host, links.iter().map(|(_, link)| link.path.clone()).collect(), false).await?;
    coverage.unite(&seen.coverage);
    for ((of, link), entry) in links.into_iter().zip(seen.value) {
        match entry {
            Entry::Present(stat) if stat.link_target.as_ref() == Some(&link.target) => {
                let seen = Seen::Link {
                    path: link.path.clone(),
                    target: Some(link.target.clone()),
                };
                found.push(Remnant::of(&of.condemned, true, seen));
            }
            Entry::Hidden { why, .. } if why != GapReason::Gone => {
                let object = HostBytes::from(&link.path);
                found.push(Remnant::of(&of.condemned, false, Seen::Unseen { object, why }));
            }
            _ => {}
        }
    }
    let loaded = unit_search::loaded(host, coverage).await?;
    for of in &sought.units {
        let files: BTreeSet<HostPath> = of.object.files.iter().map(|part| merged(&part.file.path)).collect();
        let is_from = |path: &HostPath| files.contains(&merged(path));
        let mine = loaded.iter().filter(|unit| unit.manager == of.object.manager);
        for unit in mine {
            let by_file = unit.fragment.iter().chain(&unit.drop_ins).find(|path| is_from(path));
            let in_memory = of.object.files.is_empty() && unit.name == of.object.name;
            let Some(from) = by_file.or_else(|| unit.fragment.as_ref().filter(|_| in_memory)) else {
                continue;
            };
            let seen = Seen::Unit {
                manager: unit.manager,
                name: unit.name.clone(),
                from: from.clone(),
            };
            found.push(Remnant::of(&of.condemned, true, seen));
        }
    }
    Ok(found)
}

/// Files of units that run a condemned file, which is not certain: one that was left for a person to look at does so too.
pub(crate) fn starting_units(sought: &Sought, units: &Units) -> Vec<Remnant> {
    let files: BTreeMap<&HostPath, &Condemned> = (sought.files.iter())
        .map(|of| (&of.object.path, &of.condemned))
        .collect();
    let others = units.rows.iter().filter(|row| !files.contains_key(&row.file.path));
    let running = others.filter_map(|row| {
        let condemned = row.starts.iter().chain(&row.loads).find_map(|file| files.get(file))?;
        let command = row.commands.first().map(|command| command.command.clone());
        let seen = Seen::Starter {
            path: row.path.clone(),
            number: None,
            command: command.unwrap_or_else(|| row.unit.clone()),
        };
        Some(Remnant::of(condemned, false, seen))
    });
    running.collect()
}

/// Starters that are a condemned line or have a condemned content elsewhere, which is certain, or that run a condemned
/// file, which is not: a line that was left for a person to look at does so too.
pub(crate) fn starting(sought: &Sought, starters: &[Starter]) -> Vec<Remnant> {
    let lines: BTreeMap<&HostBytes, &Condemned> = (sought.lines.iter())
        .map(|of| (&of.object.1.line, &of.condemned))
        .collect();
    let files: BTreeMap<&HostPath, &Condemned> = (sought.files.iter())
        .map(|of| (&of.object.path, &of.condemned))
        .collect();
    let contents: BTreeMap<Digest, &Condemned> = (sought.files.iter())
        .map(|of| (of.object.sha256, &of.condemned))
        .collect();
    let links: BTreeSet<&HostPath> = sought.links.iter().map(|of| &of.object.path).collect();
    let mut found = Vec::new();
    for starter in starters {
        let own =
            (sought.lines.iter()).any(|of| of.object.0.path == starter.file.path && of.object.1.line == starter.line);
        // A condemned file or link in a place of starters is met as such already.
        let met = files.contains_key(&starter.file.path) || links.contains(starter.found_at());
        if own || (starter.number.is_none() && met) {
            continue;
        }
        let same = match starter.number {
            Some(_) => lines.get(&starter.line),
            None => contents.get(&starter.file.sha256),
        };
        let runs = || starter.starts.iter().find_map(|file| files.get(file));
        let seen = Seen::Starter {
            path: starter.file.path.clone(),
            number: starter.number,
            command: starter.command.clone(),
        };
        match (same, runs()) {
            (Some(condemned), _) => found.push(Remnant::of(condemned, true, seen)),
            (None, Some(condemned)) => found.push(Remnant::of(condemned, false, seen)),
            (None, None) => {}
        }
    }
    found
}

/// Connections to the incident's remote ends. What nobody holds any more (inode 0) only waits for the kernel to end it.
pub(crate) fn connected(sought: &Sought, sockets: &[Socket]) -> Vec<Remnant> {
    let mut owners: BTreeMap<&Peer, BTreeSet<u32>> = BTreeMap::new();
    for socket in sockets {
        let Some(remote) = &socket.remote else { continue };
        if socket.inode.0 != 0 && sought.remotes.contains(remote) {
            owners.entry(remote).or_default().extend(&socket.owners);
        }
    }
    owners
        .into_iter()
        .map(|(remote, owners)| {
            let seen = Seen::Connection {
                remote: remote.clone(),
                owners: owners.into_iter().collect(),
            };
            Remnant::remote(remote, true, seen)
        })
        .collect()
}
