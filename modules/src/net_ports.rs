//! Which ports listen, who listens there and who can reach it; and whom the host talks to, grouped.
//!
//! Asks the kernel for TCP and UDP sockets of every network namespace, for the processes that hold them, and reads the
//! host's own `/etc/services` for names (services(5)). A name is what the port is meant for, not what answers there. It cannot
//! see firewalls, so that a port that is open to every address may still be closed on the way. Handbook: `netstat -pantl`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::{GapReason, Process, ProcessesQuery, Socket};
use deminer_worker::text::{HostBytes, HostPath, Wide};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::container::{Container, of_cgroup, unit_of};
use crate::questions;

/// `net.ports`.
pub struct NetPorts;

/// Takes none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// The ports and the peers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// What listens: widest reach first, then by port.
    pub listening: Vec<ListeningPort>,
    /// Whom the host is connected to, each once: most connections first.
    pub peers: Vec<PeerGroup>,
}

/// One port that listens.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ListeningPort {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The port.
    pub port: u16,
    /// The addresses that it is bound to, each once.
    pub addresses: Vec<String>,
    /// Who can reach it, by these addresses alone.
    pub reach: Reach,
    /// What `/etc/services` calls it; `None` where it does not.
    pub service: Option<HostBytes>,
    /// The network namespace, by inode.
    pub net_namespace: Wide,
    /// Whether that is the namespace of pid 1; another one is reached only through what was set up for it.
    pub of_host: bool,
    /// Who holds it; empty where none could be told.
    pub owners: Vec<PortOwner>,
}

/// Who can reach a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Bound to every address: whoever can reach the host.
    Everybody,
    /// Bound to an address of the host that others can reach.
    Network,
    /// Bound to a link-local address: neighbours on the same link.
    Link,
    /// Bound to the loopback only: programs of the host.
    HostOnly,
}

/// A process that holds a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct PortOwner {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub comm: HostBytes,
    /// What it runs; `None` where the kernel did not tell.
    pub exe: Option<HostPath>,
    /// Its user.
    pub uid: u32,
    /// The unit of systemd that it belongs to; `None` outside of any.
    pub unit: Option<HostBytes>,
    /// The container that it lives in; `None` for the host itself.
    pub container: Option<Container>,
}

/// All connections to one port of one address.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PeerGroup {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The address at the other end.
    pub address: String,
    /// The port at the other end; 0 where the host is the one that is connected to, and ports differ.
    pub port: u16,
    /// Whether the other end came to a port that listens here.
    pub incoming: bool,
    /// The port here that it came to; `None` for what went out.
    pub local_port: Option<u16>,
    /// What `/etc/services` calls the port of the one who is served.
    pub service: Option<HostBytes>,
    /// Whether the address is one of the Internet, not of a private network or the host itself.
    pub public: bool,
    /// How many connections.
    pub connections: u32,
    /// Their states, each once.
    pub states: Vec<String>,
    /// Who holds them.
    pub owners: Vec<PortOwner>,
}

const SERVICES: &str = "/etc/services";
const SERVICES_BYTES: u32 = 1 << 20;

#[async_trait]
impl Collector for NetPorts {
    const ABOUT: About = About {
        name: "net.ports",
        summary: "Lists the ports that listen, with owner, unit, service and reach, and whom the host talks to.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate],
        handbook: "2.1.3.1",
        not_seen: "firewalls on the way; what really answers at a port; what the kernel hides",
        example: "{id: ports, use: net.ports}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, _: Params) -> Result<Outcome<Output>, ModuleError> {
        let seen = questions::sockets(host).await?;
        let mut coverage = seen.coverage;
        let sockets = seen.value;
        let mut pids: Vec<u32> = sockets
            .iter()
            .flat_map(|socket| socket.owners.iter().copied())
            .collect();
        pids.push(1);
        pids.sort_unstable();
        pids.dedup();
        let query = ProcessesQuery {
            pids: Some(pids),
            ..ProcessesQuery::default()
        };
        let processes = questions::processes(host, query).await;
        let processes = questions::or_gap(processes, "processes", &mut coverage, Vec::new)?;
        let file = questions::read(host, SERVICES.into(), SERVICES_BYTES).await;
        let file = questions::or_gap(file, "file", &mut coverage, || None)?;
        if file.as_ref().is_some_and(|file| file.cut) {
            coverage.note("file", SERVICES, GapReason::Cut);
        }
        let services = file
            .map(|file| parse_services(file.content.as_bytes()))
            .unwrap_or_default();
        let scene = Scene::new(&processes, &services);
        let output = Output {
            listening: scene.listening(&sockets),
            peers: scene.peers(&sockets),
        };
        Ok(Outcome::of(output).seen_with(coverage))
    }
}

/// Names by port and protocol; the first of several stands.
pub(crate) type Services = BTreeMap<(u16, Vec<u8>), HostBytes>;

/// Reads services(5): a name, `PORT/PROTOCOL`, other names; `#` begins a comment.
pub(crate) fn parse_services(bytes: &[u8]) -> Services {
    let mut services = Services::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let said = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let mut words = said.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let (Some(name), Some(place)) = (words.next(), words.next()) else {
            continue;
        };
        let mut halves = place.splitn(2, |byte| *byte == b'/');
        let port = halves
            .next()
            .and_then(|port| std::str::from_utf8(port).ok()?.parse().ok());
        if let (Some(port), Some(protocol)) = (port, halves.next()) {
            let protocol = protocol.to_ascii_lowercase();
            services.entry((port, protocol)).or_insert_with(|| HostBytes::new(name));
        }
    }
    services
}

struct Scene<'a> {
    processes: BTreeMap<u32, &'a Process>,
    services: &'a Services,
    host_namespace: Option<Wide>,
}

impl<'a> Scene<'a> {
    fn new(processes: &'a [Process], services: &'a Services) -> Scene<'a> {
        let processes: BTreeMap<u32, &Process> = processes.iter().map(|process| (process.pid, process)).collect();
        Scene {
            host_namespace: processes.get(&1).and_then(|first| first.net_namespace),
            processes,
            services,
        }
    }

    fn owner(&self, pid: u32) -> PortOwner {
        let process = self.processes.get(&pid);
        PortOwner {
            pid,
            comm: process.map(|process| process.comm.clone()).unwrap_or_default(),
            exe: process.and_then(|process| Some(process.exe.as_ref()?.path.clone())),
            uid: process.map_or(0, |process| process.uid),
            unit: process.and_then(|process| unit_of(process.cgroup.as_bytes())),
            container: process.and_then(|process| of_cgroup(process.cgroup.as_bytes())),
        }
    }

    fn service(&self, port: u16, protocol: &str) -> Option<HostBytes> {
        self.services.get(&(port, protocol.as_bytes().to_vec())).cloned()
    }

    fn listening(&self, sockets: &[Socket]) -> Vec<ListeningPort> {
        let mut found: BTreeMap<(Wide, String, u16), ListeningPort> = BTreeMap::new();
        for socket in sockets.iter().filter(|socket| listens(socket)) {
            let key = (socket.net_namespace, socket.protocol.clone(), socket.local.port);
            let row = found.entry(key).or_insert_with(|| ListeningPort {
                protocol: socket.protocol.clone(),
                port: socket.local.port,
                addresses: Vec::new(),
                reach: Reach::HostOnly,
                service: self.service(socket.local.port, &socket.protocol),
                net_namespace: socket.net_namespace,
                of_host: self.host_namespace.is_none_or(|host| host == socket.net_namespace),
                owners: Vec::new(),
            });
            row.reach = row.reach.min(reach_of(&socket.local.address));
            if !row.addresses.contains(&socket.local.address) {
                row.addresses.push(socket.local.address.clone());
            }
            for owner in socket.owners.iter().map(|pid| self.owner(*pid)) {
                if !row.owners.contains(&owner) {
                    row.owners.push(owner);
                }
            }
        }
        let mut rows: Vec<ListeningPort> = found.into_values().collect();
        for row in &mut rows {
            row.owners.sort();
            row.addresses.sort();
        }
        rows.sort_by(|a, b| {
            (a.reach, a.port, &a.protocol, a.net_namespace).cmp(&(b.reach, b.port, &b.protocol, b.net_namespace))
        });
        rows
    }

    fn peers(&self, sockets: &[Socket]) -> Vec<PeerGroup> {
        let ports: BTreeSet<(Wide, &str, u16)> = sockets
            .iter()
            .filter(|socket| listens(socket))
            .map(|socket| (socket.net_namespace, socket.protocol.as_str(), socket.local.port))
            .collect();
        let mut found: BTreeMap<(String, String, u16, Option<u16>), PeerGroup> = BTreeMap::new();
        for socket in sockets {
            let Some(remote) = &socket.remote else { continue };
            let here = (socket.net_namespace, socket.protocol.as_str(), socket.local.port);
            let local_port = ports.contains(&here).then_some(socket.local.port);
            // Who comes in has another port each time.
            let port = if local_port.is_some() { 0 } else { remote.port };
            let key = (socket.protocol.clone(), remote.address.clone(), port, local_port);
            let row = found.entry(key).or_insert_with(|| PeerGroup {
                protocol: socket.protocol.clone(),
                address: remote.address.clone(),
                port,
                incoming: local_port.is_some(),
                local_port,
                service: self.service(local_port.unwrap_or(remote.port), &socket.protocol),
                public: is_public(&remote.address),
                connections: 0,
                states: Vec::new(),
                owners: Vec::new(),
            });
            row.connections = row.connections.saturating_add(1);
            if !row.states.contains(&socket.state) {
                row.states.push(socket.state.clone());
            }
            for owner in socket.owners.iter().map(|pid| self.owner(*pid)) {
                if !row.owners.contains(&owner) {
                    row.owners.push(owner);
                }
            }
        }
        let mut rows: Vec<PeerGroup> = found.into_values().collect();
        for row in &mut rows {
            row.owners.sort();
            row.states.sort();
        }
        rows.sort_by(|a, b| {
            let order = |row: &PeerGroup| {
                (
                    std::cmp::Reverse(row.connections),
                    row.address.clone(),
                    row.port,
                    row.local_port,
                )
            };
            order(a).cmp(&order(b))
        });
        rows
    }
}

/// Whether others can begin to talk to it; an unconnected UDP socket takes whatever comes.
fn listens(socket: &Socket) -> bool {
    socket.state == "listen" || socket.protocol == "udp" && socket.remote.is_none() && socket.local.port != 0
}

fn reach_of(address: &str) -> Reach {
    match address.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => Reach::Everybody,
        Ok(address) if address.is_loopback() => Reach::HostOnly,
        Ok(IpAddr::V4(address)) if address.is_link_local() => Reach::Link,
        Ok(IpAddr::V6(address)) if address.segments()[0] & 0xffc0 == 0xfe80 => Reach::Link,
        _ => Reach::Network,
    }
}

/// Whether an address is one of the Internet (IANA special-purpose registries: private, shared, loopback, link-local,
/// unique local, multicast and unspecified ones are not).
fn is_public(address: &str) -> bool {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, ..] = address.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(address.is_private()
                || shared
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
                || a == 0)
        }
        Ok(IpAddr::V6(address)) => {
            let first = address.segments()[0];
            let local = first & 0xffc0 == 0xfe80 || first & 0xfe00 == 0xfc00;
            !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || local)
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn services_of_a_file() {
        let text = b"# comment\nssh\t\t22/tcp\t\t\t# SSH\nhttp 80/tcp www\nhttps 443/tcp\nhttps 443/udp\nodd\nx 70000/tcp\ny /tcp\nz 1\nother 22/tcp\n";
        let services = parse_services(text);
        let told: Vec<String> = services
            .iter()
            .map(|((port, protocol), name)| format!("{port}/{} {name}", String::from_utf8_lossy(protocol)))
            .collect();
        assert_eq!(told, ["22/tcp ssh", "80/tcp http", "443/tcp https", "443/udp https"]);
    }

    #[test]
    fn who_can_reach_an_address() {
        let rows = [
            ("0.0.0.0", Reach::Everybody, false),
            ("::", Reach::Everybody, false),
            ("127.0.0.53", Reach::HostOnly, false),
            ("::1", Reach::HostOnly, false),
            ("192.0.2.10", Reach::Network, true),
            ("10.1.2.3", Reach::Network, false),
            ("100.64.1.1", Reach::Network, false),
            ("169.254.1.1", Reach::Link, false),
            ("fe80::1", Reach::Link, false),
            ("fd00::1", Reach::Network, false),
            ("2001:db8::1", Reach::Network, true),
            ("nonsense", Reach::Network, false),
        ];
        for (address, reach, public) in rows {
            assert_eq!((reach_of(address), is_public(address)), (reach, public), "{address}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in ".{0,40}") {
            let _ = (parse_services(&bytes), reach_of(&text), is_public(&text));
        }
    }
}
