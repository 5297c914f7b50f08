//! The host's addresses, what it cannot do without, and the connections of our own session.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustix::io::Errno;

use super::facts::ancestors;
use super::file::system_file;
use super::gaps::{Gaps, pid_object};
use super::process::socket_inodes;
use super::procfs::Proc;
use super::socket::{Placed, read_tables};
use crate::network::{Connection, Network};
use crate::platform::linux::netlink::{Kernel, route};
use crate::query::{GapReason, HostError, Observed};

/// Where name servers are written (resolv.conf(5)); the second is what systemd-resolved asks behind its own loopback.
const RESOLVERS: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// The bytes of such a file that are read.
const RESOLVER_BYTES: usize = 64 << 10;

/// What lets people in from afar, by the name that the kernel shows.
const LOGIN_SERVICES: [&[u8]; 2] = [b"sshd", b"dropbear"];

/// Answers `Network`.
///
/// # Errors
/// When `/proc` is none, or rtnetlink does not tell the host's own addresses.
pub(in crate::platform::linux) fn network() -> Result<Observed<Network>, HostError> {
    let mut gaps = Gaps::default();
    let mut kernel = Kernel::open(None).map_err(|refused| refused.host_error("ask for the host's addresses"))?;
    let own = route::own_addresses(&mut kernel).map_err(|refused| refused.host_error("list the host's addresses"))?;
    let gateways = route::gateways(&mut kernel).unwrap_or_else(|_| {
        gaps.note("routes", "", GapReason::Denied);
        BTreeSet::new()
    });
    let proc = Arc::new(Proc::open(&mut gaps)?);
    let connections = connections(&proc, &mut gaps);
    let ancestors = ancestors(&proc, std::process::id());
    // Pid 1 holds connections for others.
    let session = ancestors.iter().copied().filter(|pid| *pid != 1);
    let session = held_by(&proc, session, &connections, &mut gaps);
    let services: Vec<u32> = proc
        .pids(&mut gaps)?
        .into_iter()
        .filter(|pid| lets_in(&proc, *pid))
        .collect();
    let logins = held_by(&proc, services.into_iter(), &connections, &mut gaps);
    let network = Network {
        own: own.into_iter().filter(|address| !address.is_loopback()).collect(),
        gateways,
        resolvers: RESOLVERS
            .iter()
            .flat_map(|path| resolvers_of(path, &mut gaps))
            .collect(),
        session,
        logins: logins.into_iter().map(|connection| connection.remote.ip()).collect(),
    };
    Ok(Observed {
        value: network,
        coverage: gaps.into_coverage(),
    })
}

/// The TCP connections of the worker's own network namespace, with their inodes.
fn connections(proc: &Proc, gaps: &mut Gaps) -> Vec<(u64, Connection)> {
    let own = std::process::id();
    let Ok(namespace) = proc.namespace(own, "net") else {
        gaps.note("net_namespace", pid_object(own), GapReason::Denied);
        return Vec::new();
    };
    let placed = read_tables(proc, &[(namespace, vec![own])].into(), gaps);
    placed.iter().filter_map(connected).collect()
}

fn connected(placed: &Placed) -> Option<(u64, Connection)> {
    let line = &placed.line;
    let to_somebody = placed.protocol == "tcp" && line.state == "established" && !line.remote.0.is_loopback();
    to_somebody.then(|| {
        let connection = Connection {
            local: SocketAddr::from(line.local),
            remote: SocketAddr::from(line.remote),
        };
        (line.inode, connection)
    })
}

/// Those connections that some of these processes hold. What one of them holds may not be told: then a gap says so.
fn held_by(
    proc: &Proc,
    pids: impl Iterator<Item = u32>,
    connections: &[(u64, Connection)],
    gaps: &mut Gaps,
) -> Vec<Connection> {
    let mut inodes = BTreeSet::new();
    for pid in pids {
        match socket_inodes(proc, pid) {
            Ok(held) => inodes.extend(held),
            Err(errno) => gaps.errno("fds", pid_object(pid), errno),
        }
    }
    let held = connections.iter().filter(|(inode, _)| inodes.contains(inode));
    let held: BTreeSet<Connection> = held.map(|(_, connection)| *connection).collect();
    held.into_iter().collect()
}

fn lets_in(proc: &Proc, pid: u32) -> bool {
    let mut comm = Vec::new();
    let read = proc.pid(pid).and_then(|dir| dir.read_piece(c"comm", 64, &mut comm));
    read.is_ok() && LOGIN_SERVICES.iter().any(|service| comm.starts_with(service))
}

/// The name servers that a file names; a file that is not there names none.
fn resolvers_of(path: &str, gaps: &mut Gaps) -> Vec<IpAddr> {
    match system_file(path, RESOLVER_BYTES) {
        Ok(bytes) => parse_resolvers(&bytes),
        Err(Errno::NOENT) => Vec::new(),
        Err(errno) => {
            gaps.errno("file", path, errno);
            Vec::new()
        }
    }
}

/// The addresses behind `nameserver`, in order; an interface behind `%` is left out.
pub(super) fn parse_resolvers(bytes: &[u8]) -> Vec<IpAddr> {
    let servers = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let address = (words.next() == Some(b"nameserver")).then(|| words.next()).flatten()?;
        let address = std::str::from_utf8(address).ok()?.split('%').next()?;
        address.parse::<IpAddr>().ok().map(|address| address.to_canonical())
    });
    servers.collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn name_servers() {
        let text = b"# nameserver 192.0.2.1\nnameserver 192.0.2.2\n\tnameserver\t2001:db8::3 \nsearch example\n\
            nameserver fe80::4%eth0\nnameserver pool.example\nnameserver\nnameserver 127.0.0.53";
        let found: Vec<String> = parse_resolvers(text).iter().map(IpAddr::to_string).collect();
        assert_eq!(found, ["192.0.2.2", "2001:db8::3", "fe80::4", "127.0.0.53"]);
    }

    #[test]
    fn what_stays_on_the_host_is_no_session() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let _client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let network = network().expect("this is Linux").value;
        assert!(
            network
                .session
                .iter()
                .all(|connection| !connection.remote.ip().is_loopback())
        );
        assert!(network.own.iter().all(|address| !address.is_loopback()));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes: Vec<u8>) {
            prop_assert!(parse_resolvers(&bytes).len() <= bytes.len());
        }
    }
}
