//! Whom condemned processes talk to, and nobody else on the host.
//!
//! An address is the intruder's only as far as this host shows: one that other processes talk to as well, one of the own
//! network, or a server at a port where the whole world has services, may be anybody's; a person decides. Who came in to a
//! condemned process is somebody's client, and is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use deminer_engine::finding::{Artifact, Bearing, Condemned, Finding};
use deminer_worker::action::ProcessTarget;
use deminer_worker::network::{is_never_foreign, is_private};
use deminer_worker::query::{Peer, Socket};
use deminer_worker::text::Wide;

use crate::saying::said;

/// Where names and the time are asked for: nothing is said of them.
const ASKED_BY_ALL: [u16; 3] = [53, 123, 853];

/// Where servers of any purpose listen: mail, web, proxies, logins.
const SERVED_TO_ALL: [u16; 16] = [
    20, 21, 22, 25, 80, 110, 143, 443, 465, 587, 993, 995, 1080, 3128, 8080, 8443,
];

/// What was found of the other ends.
#[derive(Default)]
pub(super) struct Remotes {
    /// Those that an act may rest on.
    pub(super) condemned: Vec<Condemned>,
    /// Those that a person should look at.
    pub(super) review: Vec<Condemned>,
    pub(super) findings: Vec<Finding>,
}

/// One address that condemned processes talk to.
struct Met<'a> {
    peer: &'a Peer,
    component: u32,
    process: &'a ProcessTarget,
}

/// Judges the other ends of condemned processes; each address once, with its lowest port.
pub(super) fn judge(processes: &[Condemned], sockets: &[Socket]) -> Remotes {
    let condemned: BTreeMap<u32, (u32, &ProcessTarget)> = processes
        .iter()
        .filter_map(|condemned| match &condemned.artifact {
            Artifact::Process { process } => Some((process.pid, (condemned.component, process))),
            _ => None,
        })
        .collect();
    let listeners: BTreeSet<(Wide, u16)> = sockets
        .iter()
        .filter(|socket| socket.state == "listen")
        .map(|socket| (socket.net_namespace, socket.local.port))
        .collect();
    let mut met: BTreeMap<IpAddr, Met<'_>> = BTreeMap::new();
    // Who else talks to an address; `None` where nobody could tell who it is.
    let mut others: BTreeMap<IpAddr, Option<u32>> = BTreeMap::new();
    for socket in sockets.iter().filter(|socket| socket.inode.0 != 0) {
        let Some((peer, address)) = foreign(socket) else {
            continue;
        };
        let ours = socket.owners.iter().find_map(|pid| condemned.get(pid));
        let other = socket.owners.iter().find(|pid| !condemned.contains_key(pid));
        if other.is_some() || socket.owners.is_empty() {
            others.entry(address).or_insert(other.copied());
        }
        let came_in = listeners.contains(&(socket.net_namespace, socket.local.port));
        if let Some((component, process)) = ours.filter(|_| !came_in && !ASKED_BY_ALL.contains(&peer.port)) {
            let known = met.entry(address).or_insert(Met {
                peer,
                component: *component,
                process,
            });
            if peer.port < known.peer.port {
                known.peer = peer;
            }
        }
    }
    let mut remotes = Remotes::default();
    for (address, met) in met {
        remotes.state(&met, address, others.get(&address).copied());
    }
    remotes
}

/// The other end of a socket that is not on this host.
fn foreign(socket: &Socket) -> Option<(&Peer, IpAddr)> {
    let peer = socket.remote.as_ref()?;
    let address = peer.address.parse::<IpAddr>().ok()?.to_canonical();
    is_never_foreign(address).is_none().then_some((peer, address))
}

impl Remotes {
    fn state(&mut self, met: &Met<'_>, address: IpAddr, other: Option<Option<u32>>) {
        let artifact = Artifact::Remote {
            peer: Peer {
                address: address.to_string(),
                port: met.peer.port,
            },
        };
        let finding = |signal: &str, bearing: Bearing, say: &str| {
            Finding::new(artifact.clone(), signal, bearing, say)
                .field("address", address)
                .field("port", met.peer.port)
                .field("pid", met.process.pid)
                .field("comm", said(met.process.comm.as_bytes()))
                .rests_on(format!("/proc/{}/net/tcp", met.process.pid), None)
        };
        let ask = |signal, say: &str| finding(signal, Bearing::Review, say);
        let finding = match other {
            Some(Some(pid)) => ask(
                "shared_remote",
                "pid {pid} `{comm}`, which is condemned, talks to it, and so does pid {other}, which is not; a person decides",
            )
            .field("other", pid),
            Some(None) => ask(
                "shared_remote",
                "pid {pid} `{comm}`, which is condemned, talks to it, and so does somebody whom the kernel does not name; \
                 a person decides",
            ),
            None if is_private(address) => ask(
                "own_network_remote",
                "pid {pid} `{comm}`, which is condemned, talks to it, an address of the own network; a person decides",
            ),
            None if SERVED_TO_ALL.contains(&met.peer.port) => ask(
                "common_remote",
                "pid {pid} `{comm}`, which is condemned, talks to port {port} there, where anybody may have a server; a \
                 person decides",
            ),
            None => finding(
                "remote_of_condemned",
                Bearing::Condemns,
                "pid {pid} `{comm}`, which is condemned, talks to port {port} there, and nobody else on this host does",
            ),
        };
        let condemned = Condemned {
            component: met.component,
            artifact,
            because: vec![finding.id.clone()],
        };
        match finding.bearing {
            Bearing::Condemns => self.condemned.push(condemned),
            _ => self.review.push(condemned),
        }
        self.findings.push(finding);
    }
}

#[cfg(test)]
mod tests {
    use deminer_worker::action::Role;
    use deminer_worker::query::FileId;
    use deminer_worker::text::Digest;

    use super::*;

    fn process(pid: u32) -> Condemned {
        let process = ProcessTarget {
            boot_id: "b".to_owned(),
            pid,
            start_ticks: Wide(1),
            exe: FileId {
                dev: Wide(1),
                inode: Wide(1),
            },
            exe_path: "/tmp/x".into(),
            exe_sha256: Digest::of(b"x"),
            exe_size: Wide(1),
            argv_sha256: Digest::of(b"x"),
            uid: 0,
            comm: "x{pid}".into(),
            role: Role::Miner,
        };
        Condemned {
            component: 3,
            artifact: Artifact::Process { process },
            because: Vec::new(),
        }
    }

    fn socket(local: u16, remote: Option<(&str, u16)>, owners: &[u32]) -> Socket {
        let peer = |address: &str, port| Peer {
            address: address.to_owned(),
            port,
        };
        Socket {
            protocol: "tcp".to_owned(),
            local: peer("192.0.2.10", local),
            remote: remote.map(|(address, port)| peer(address, port)),
            state: if remote.is_some() { "established" } else { "listen" }.to_owned(),
            inode: Wide(u64::from(local)),
            uid: 0,
            net_namespace: Wide(1),
            owners: owners.to_vec(),
        }
    }

    #[test]
    fn whose_the_other_ends_are() {
        let pool = ("198.51.100.23", 3333);
        type Row<'a> = (&'a str, Vec<Socket>, &'a [&'a str], &'a [&'a str]);
        let rows: [Row<'_>; 12] = [
            (
                "its pool",
                vec![socket(40_000, Some(pool), &[7])],
                &["198.51.100.23"],
                &[],
            ),
            ("somebody else's", vec![socket(40_000, Some(pool), &[8])], &[], &[]),
            (
                "another talks to it too",
                vec![
                    socket(40_000, Some(pool), &[7]),
                    socket(40_001, Some(("198.51.100.23", 443)), &[8]),
                ],
                &[],
                &["shared_remote"],
            ),
            (
                "nobody can tell who else does",
                vec![socket(40_000, Some(pool), &[7]), socket(40_001, Some(pool), &[])],
                &[],
                &["shared_remote"],
            ),
            (
                "one socket of two",
                vec![socket(40_000, Some(pool), &[7, 8])],
                &[],
                &["shared_remote"],
            ),
            (
                "of the own network",
                vec![socket(40_000, Some(("10.0.0.9", 3333)), &[7])],
                &[],
                &["own_network_remote"],
            ),
            (
                "the web",
                vec![socket(40_000, Some(("198.51.100.23", 443)), &[7])],
                &[],
                &["common_remote"],
            ),
            (
                "a name server",
                vec![socket(40_000, Some(("198.51.100.53", 53)), &[7])],
                &[],
                &[],
            ),
            (
                "itself",
                vec![socket(40_000, Some(("127.0.0.1", 3333)), &[7])],
                &[],
                &[],
            ),
            (
                "who came in",
                vec![
                    socket(9000, None, &[7]),
                    socket(9000, Some(("198.51.100.99", 50_000)), &[7]),
                ],
                &[],
                &[],
            ),
            (
                "nobody holds it any more",
                vec![Socket {
                    inode: Wide(0),
                    ..socket(40_000, Some(pool), &[])
                }],
                &[],
                &[],
            ),
            (
                "an IPv4 address inside IPv6",
                vec![socket(40_000, Some(("::ffff:198.51.100.23", 3333)), &[7])],
                &["198.51.100.23"],
                &[],
            ),
        ];
        for (name, sockets, condemned, review) in rows {
            let found = judge(&[process(7)], &sockets);
            let addresses: Vec<String> = found
                .condemned
                .iter()
                .filter_map(|condemned| match &condemned.artifact {
                    Artifact::Remote { peer } => Some(peer.address.clone()),
                    _ => None,
                })
                .collect();
            assert_eq!(addresses, condemned, "{name}");
            let asked: Vec<&str> = found
                .findings
                .iter()
                .filter(|finding| finding.bearing == Bearing::Review)
                .map(|finding| &*finding.signal)
                .collect();
            assert_eq!(asked, review, "{name}");
            assert_eq!(found.review.len(), review.len(), "{name}");
            assert!(
                found.condemned.iter().all(|condemned| condemned.component == 3),
                "{name}"
            );
        }
    }

    #[test]
    fn a_name_of_a_process_is_no_field() {
        let found = judge(&[process(7)], &[socket(40_000, Some(("198.51.100.23", 3333)), &[7])]);
        assert!(found.findings[0].sentence().contains("`x\\x7bpid\\x7d`"));
    }
}
