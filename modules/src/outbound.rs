//! Connections that begin while a host is watched, or of owners that hide already when the watch begins, and whether their
//! owners are explained.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use deminer_engine::host::HostView;
use deminer_engine::module::ModuleError;
use deminer_worker::query::{Coverage, FileId, Ownership, Peer, Process, ProcessesQuery, Socket};
use deminer_worker::text::{Digest, HostPath, Wide};

use crate::places::Places;
use crate::process_list::packages_of;
use crate::questions;
use crate::remnant::{Remnant, Seen};

/// What was there when the watch began: what it does later is its business as before.
#[derive(Debug, Clone, Default)]
pub(crate) struct Before {
    peers: BTreeSet<Peer>,
    programs: BTreeSet<Program>,
}

/// What a process runs: the content of its executable, else the file, and the script where there is one.
type Program = (Option<Digest>, Option<FileId>, Option<FileId>);

fn program(process: &Process) -> Program {
    let exe = process.exe.as_ref();
    let sha256 = exe.and_then(|exe| exe.sha256);
    let id = exe.map(|exe| exe.id).filter(|_| sha256.is_none());
    (sha256, id, process.script.as_ref().map(|script| script.id))
}

impl Before {
    pub(crate) fn new(processes: &[Process], sockets: &[Socket]) -> Before {
        let with_program = processes.iter().filter(|process| process.exe.is_some());
        Before {
            peers: sockets.iter().filter_map(|socket| socket.remote.clone()).collect(),
            programs: with_program.map(program).collect(),
        }
    }
}

/// Remote ends that nobody had before, with the processes that call them. Connections that came in, that stay on the
/// host, or that nobody holds any more are left out.
fn new_peers(before: &Before, sockets: &[Socket]) -> BTreeMap<Peer, BTreeSet<u32>> {
    let listeners: BTreeSet<(Wide, u16)> = sockets
        .iter()
        .filter(|socket| socket.state == "listen")
        .map(|socket| (socket.net_namespace, socket.local.port))
        .collect();
    let mut peers: BTreeMap<Peer, BTreeSet<u32>> = BTreeMap::new();
    for socket in sockets {
        let Some(remote) = &socket.remote else { continue };
        let open = socket.protocol != "tcp" || matches!(&*socket.state, "established" | "syn_sent");
        let came_in = listeners.contains(&(socket.net_namespace, socket.local.port));
        if open && !came_in && socket.inode.0 != 0 && !stays(remote) && !before.peers.contains(remote) {
            peers.entry(remote.clone()).or_default().extend(&socket.owners);
        }
    }
    peers
}

fn stays(peer: &Peer) -> bool {
    let address = peer.address.split('%').next().unwrap_or_default();
    address
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

/// Connections to the outside that are there at the first look, of owners that hide: a program without a name, or in a
/// temporary or hidden place, or one that runs a script there, and nothing that a package put there. Each is uncertain: it
/// may have come between the plan and the watch, and may have been there always.
pub(crate) async fn hiding(
    host: &dyn HostView,
    sockets: &[Socket],
    processes: &[Process],
    own_chain: &[u32],
    coverage: &mut Coverage,
) -> Result<Vec<Remnant>, ModuleError> {
    let places = Places::usual();
    let hidden: Vec<Process> = (processes.iter())
        .filter(|process| hides(process, &places))
        .cloned()
        .collect();
    let pids: BTreeSet<u32> = hidden.iter().map(|process| process.pid).collect();
    let sockets: Vec<Socket> = (sockets.iter())
        .filter(|socket| socket.state == "listen" || socket.owners.iter().any(|pid| pids.contains(pid)))
        .cloned()
        .collect();
    let found = unexplained(host, &Before::default(), &sockets, &hidden, own_chain, coverage).await?;
    Ok(found.into_iter().map(uncertain).collect())
}

fn uncertain(remnant: Remnant) -> Remnant {
    let seen = match remnant.seen {
        Seen::Outbound { remote, owners } => Seen::Hiding { remote, owners },
        other => other,
    };
    Remnant {
        seen,
        certain: false,
        ..remnant
    }
}

fn hides(process: &Process, places: &Places) -> bool {
    let exe = process.exe.as_ref();
    exe.is_some_and(|exe| exe.deleted || exe.memfd || places.is_remarkable(&exe.path))
        || (process.script.as_ref()).is_some_and(|script| places.is_remarkable(&script.path))
}

/// Which of these processes no package explains, neither their program nor the script that it runs: whether that is sure, by
/// pid. Not sure is what no package database could explain.
pub(crate) async fn doubts(
    host: &dyn HostView,
    processes: &[Process],
    coverage: &mut Coverage,
) -> Result<BTreeMap<u32, bool>, ModuleError> {
    let packages = packages_of(host, processes, coverage).await?;
    let scripts: BTreeSet<HostPath> = processes
        .iter()
        .filter_map(|process| Some(process.script.as_ref()?.path.clone()))
        .collect();
    let scripts: Vec<HostPath> = scripts.into_iter().collect();
    let by_script = questions::packages(host, scripts.clone()).await?;
    coverage.unite(&by_script.coverage);
    let by_script: BTreeMap<HostPath, Ownership> = scripts.into_iter().zip(by_script.value).collect();
    let mut doubts: BTreeMap<u32, bool> = BTreeMap::new();
    for process in processes {
        let exe = process.exe.as_ref();
        let package = exe.and_then(|exe| packages.get(&(exe.path.clone(), exe.id)));
        let script = process.script.as_ref().and_then(|script| by_script.get(&script.path));
        let parts = [Some(package.unwrap_or(&Ownership::Unknown)), script];
        if parts.iter().flatten().all(|part| part.is_package_content()) {
            continue;
        }
        let unknown = parts.iter().flatten().any(|part| **part == Ownership::Unknown);
        doubts.insert(process.pid, !unknown);
    }
    Ok(doubts)
}

/// New connections to the outside whose owners are not explained: neither a packaged program with a packaged script,
/// nor a program that ran before. An owner that nobody can name, or no package database could explain, is uncertain.
pub(crate) async fn unexplained(
    host: &dyn HostView,
    before: &Before,
    sockets: &[Socket],
    processes: &[Process],
    own_chain: &[u32],
    coverage: &mut Coverage,
) -> Result<Vec<Remnant>, ModuleError> {
    let peers = new_peers(before, sockets);
    let pids: BTreeSet<u32> = peers.values().flatten().copied().collect();
    let mut owners: Vec<Process> = (processes.iter())
        .filter(|process| pids.contains(&process.pid))
        .cloned()
        .collect();
    let late: Vec<u32> = (pids.iter().copied())
        .filter(|pid| !owners.iter().any(|owner| owner.pid == *pid))
        .collect();
    if !late.is_empty() {
        let query = ProcessesQuery {
            pids: Some(late),
            digest: true,
            ..ProcessesQuery::default()
        };
        owners.extend(questions::processes(host, query).await?.value);
    }
    owners.retain(|owner| {
        !owner.kernel_thread && !own_chain.contains(&owner.pid) && !before.programs.contains(&program(owner))
    });
    let doubts = doubts(host, &owners, coverage).await?;
    let mut found = Vec::new();
    for (remote, pids) in peers {
        let doubtful: Vec<u32> = pids.iter().copied().filter(|pid| doubts.contains_key(pid)).collect();
        if doubtful.is_empty() && !pids.is_empty() {
            continue;
        }
        let certain = doubtful.iter().any(|pid| doubts[pid]);
        let seen = Seen::Outbound {
            remote: remote.clone(),
            owners: doubtful,
        };
        found.push(Remnant::remote(&remote, certain, seen));
    }
    Ok(found)
}
