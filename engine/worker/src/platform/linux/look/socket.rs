//! Sockets, from `/proc/PID/net` of one process in each network namespace (proc(5), linux/net/tcp_states.h).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::CStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rustix::io::Errno;

use super::Scene;
use super::crew::Report;
use super::gaps::{Gaps, pid_object};
use super::process::maps::hexadecimal;
use super::process::socket_inodes;
use super::procfs::{Proc, TABLE_BYTES, number, wide};
use crate::query::{GapReason, HostError, Observed, Peer, Socket};
use crate::text::{HostBytes, Wide};

/// The tables of a namespace: file, name, and the protocol that it is of.
const TABLES: [(&CStr, &str, &str); 4] = [
    (c"net/tcp", "tcp", "tcp"),
    (c"net/tcp6", "tcp6", "tcp"),
    (c"net/udp", "udp", "udp"),
    (c"net/udp6", "udp6", "udp"),
];

/// States by the kernel's number, from 1.
const STATES: [&str; 12] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
    "new_syn_recv",
];

/// One line of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SocketLine {
    pub(super) local: (IpAddr, u16),
    pub(super) remote: (IpAddr, u16),
    pub(super) state: &'static str,
    pub(super) uid: u32,
    pub(super) inode: u64,
}

/// A socket with the namespace that it is in.
pub(super) struct Placed {
    pub(super) namespace: u64,
    pub(super) protocol: &'static str,
    pub(super) line: SocketLine,
}

/// Answers `Sockets`.
///
/// # Errors
/// When `/proc` is none or cannot be listed.
pub(super) fn sockets(scene: &Arc<Scene>) -> Result<Observed<Vec<Socket>>, HostError> {
    let mut gaps = Gaps::default();
    let proc = Arc::new(Proc::open(&mut gaps)?);
    let pids = proc.pids(&mut gaps)?;
    let namespaces = namespaces(&proc, &pids, &mut gaps);
    note_unseen_namespaces(scene, &namespaces, &mut gaps);
    let mut placed = read_tables(&proc, &namespaces, &mut gaps);
    let order = |p: &Placed| (p.namespace, p.protocol, p.line.local, p.line.remote, p.line.inode);
    placed.sort_by(|a, b| order(a).cmp(&order(b)));
    let mut owners = if placed.iter().any(|socket| socket.line.inode != 0) {
        owners(scene, &proc, pids, &mut gaps)
    } else {
        HashMap::new()
    };
    let sockets = placed
        .into_iter()
        .map(
            |Placed {
                 namespace,
                 protocol,
                 line,
             }| Socket {
                protocol: protocol.to_owned(),
                local: peer(line.local),
                remote: line.is_connected().then(|| peer(line.remote)),
                state: line.state.to_owned(),
                inode: Wide(line.inode),
                uid: line.uid,
                net_namespace: Wide(namespace),
                owners: owners.remove(&line.inode).unwrap_or_default(),
            },
        )
        .collect();
    Ok(Observed {
        value: sockets,
        coverage: gaps.into_coverage(),
    })
}

/// The processes of each network namespace. One whose namespace the kernel does not tell is a gap.
pub(super) fn namespaces(proc: &Proc, pids: &[u32], gaps: &mut Gaps) -> BTreeMap<u64, Vec<u32>> {
    let mut namespaces: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for pid in pids {
        match proc.namespace(*pid, "net") {
            Ok(namespace) => namespaces.entry(namespace).or_default().push(*pid),
            // A zombie has left its namespaces, unless it is only the first of several threads.
            Err(Errno::NOENT | Errno::SRCH) => {
                let namespace = proc.shared(*pid).ok().and_then(|dir| dir.namespace(c"ns/net"));
                if let Some(namespace) = namespace {
                    namespaces.entry(namespace).or_default().push(*pid);
                }
            }
            Err(errno) => gaps.errno("net_namespace", pid_object(*pid), errno),
        }
    }
    namespaces
}

/// A namespace that is only kept by a mount has no process through which it could be read.
fn note_unseen_namespaces(scene: &Scene, namespaces: &BTreeMap<u64, Vec<u32>>, gaps: &mut Gaps) {
    for mount in scene.mounts.mounts().filter(|mount| mount.kind == "nsfs") {
        let namespace = mount
            .root
            .as_bytes()
            .strip_prefix(b"net:[")
            .and_then(|rest| wide(rest.strip_suffix(b"]")?));
        if namespace.is_some_and(|namespace| !namespaces.contains_key(&namespace)) {
            gaps.note("net_namespace", &mount.point, GapReason::Unsupported);
        }
    }
}

/// Every socket of every namespace, each table read through the first process that is still there.
pub(super) fn read_tables(proc: &Proc, namespaces: &BTreeMap<u64, Vec<u32>>, gaps: &mut Gaps) -> Vec<Placed> {
    let mut placed = Vec::new();
    let mut bytes = Vec::new();
    for (namespace, pids) in namespaces {
        for (file, table, protocol) in TABLES {
            let read = pids.iter().find_map(|pid| {
                let dir = proc.shared(*pid).ok()?;
                let told = dir.read(file, TABLE_BYTES, &mut bytes);
                // A process that ended, or moved to another namespace, cannot stand for this one.
                (dir.namespace(c"ns/net") == Some(*namespace)).then_some(told)
            });
            let object = format!("net:[{namespace}]/{table}");
            match read {
                Some(Ok(whole)) => {
                    if !whole {
                        gaps.note("socket", object.as_str(), GapReason::Cut);
                    }
                    let lines = parse_table(&bytes, |line| {
                        gaps.note(
                            "socket",
                            HostBytes::new(&line[..line.len().min(256)]),
                            GapReason::Malformed,
                        );
                    });
                    placed.extend(lines.into_iter().map(|line| Placed {
                        namespace: *namespace,
                        protocol,
                        line,
                    }));
                }
                // A kernel without IPv6 has no such table.
                Some(Err(Errno::NOENT)) => {}
                Some(Err(errno)) => gaps.errno("socket", object.as_str(), errno),
                None => gaps.note("socket", object.as_str(), GapReason::Gone),
            }
        }
    }
    placed
}

/// Which processes hold each socket, by inode, pids rising.
pub(super) fn owners(scene: &Scene, proc: &Arc<Proc>, pids: Vec<u32>, gaps: &mut Gaps) -> HashMap<u64, Vec<u32>> {
    let reading = proc.clone();
    let harvest = scene.crew.run(
        pids.clone(),
        move |pid: &u32, report: &Report<Result<Vec<u64>, Errno>>| match socket_inodes(&reading, *pid) {
            Ok(inodes) if inodes.is_empty() => {}
            told => report.give(told),
        },
    );
    let mut owners: HashMap<u64, BTreeSet<u32>> = HashMap::new();
    for (at, told) in harvest.given {
        match told {
            Ok(inodes) => {
                for inode in inodes {
                    owners.entry(inode).or_default().insert(pids[at]);
                }
            }
            Err(Errno::NOENT | Errno::SRCH) => {}
            Err(errno) => gaps.errno("fds", pid_object(pids[at]), errno),
        }
    }
    for at in harvest.stuck {
        gaps.note("fds", pid_object(pids[at]), GapReason::TimedOut);
    }
    owners
        .into_iter()
        .map(|(inode, pids)| (inode, pids.into_iter().collect()))
        .collect()
}

impl SocketLine {
    /// Whether there is another end.
    pub(super) fn is_connected(&self) -> bool {
        self.state != "listen" && (self.remote.1 != 0 || !self.remote.0.is_unspecified())
    }
}

/// An address as it travels.
pub(super) fn peer((address, port): (IpAddr, u16)) -> Peer {
    Peer {
        address: address.to_string(),
        port,
    }
}

/// Reads a table; its first line is a heading. `odd` is given each line that is none of a socket.
pub(super) fn parse_table(bytes: &[u8], mut odd: impl FnMut(&[u8])) -> Vec<SocketLine> {
    let lines = bytes
        .split(|byte| *byte == b'\n')
        .skip(1)
        .filter(|line| !line.trim_ascii().is_empty());
    lines
        .filter_map(|line| {
            let read = parse_line(line);
            if read.is_none() {
                odd(line);
            }
            read
        })
        .collect()
}

fn parse_line(line: &[u8]) -> Option<SocketLine> {
    let mut fields = line.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
    let _slot = fields.next()?;
    let local = end(fields.next()?)?;
    let remote = end(fields.next()?)?;
    let state = usize::try_from(hexadecimal(fields.next()?)?).ok()?;
    let mut fields = fields.skip(3);
    let uid = number(fields.next()?)?;
    let _timeout = fields.next()?;
    Some(SocketLine {
        local,
        remote,
        state: STATES.get(state.checked_sub(1)?)?,
        uid,
        inode: wide(fields.next()?)?,
    })
}

/// An address and a port, `0100007F:1F90`: each 32 bits of the address in the machine's own order. An IPv4 address
/// inside IPv6 becomes IPv4.
pub(super) fn end(text: &[u8]) -> Option<(IpAddr, u16)> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let port = u16::try_from(hexadecimal(&text[colon + 1..])?).ok()?;
    let word = |text: &[u8]| hexadecimal(text).map(u32::to_ne_bytes);
    let address = match &text[..colon] {
        four if four.len() == 8 => IpAddr::V4(Ipv4Addr::from(word(four)?)),
        sixteen if sixteen.len() == 32 => {
            let mut octets = [0; 16];
            for (to, from) in octets.chunks_mut(4).zip(sixteen.chunks(8)) {
                to.copy_from_slice(&word(from)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
        }
        _ => return None,
    };
    Some((address, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::linux::beside::is_alone;
    use crate::platform::linux::look::{Look, Query};
    use crate::query::Answer;
    use proptest::prelude::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    #[test]
    #[cfg(target_endian = "little")]
    fn captured_lines() {
        let text = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   104        0 12345 1 0000000000000000 100 0 0 10 0\n\
            1: 0500A8C0:D204 2E3BA5D5:0D05 01 00000000:00000000 02:000005D1 00000000     0        0 777 2 0000000000000000 20 4 30 10 -1\n\
            2: 0000000000000000FFFF00000500A8C0:D204 0000000000000000FFFF00002E3BA5D5:0D05 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0000000000000000\n\
            3: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9 1 0 100 0 0 10 0\n\
            nonsense\n";
        let mut odd = 0;
        let lines = parse_table(text, |_| odd += 1);
        let told: Vec<String> = lines
            .iter()
            .map(|l| {
                let remote = if l.is_connected() {
                    format!("{}:{}", l.remote.0, l.remote.1)
                } else {
                    "-".to_owned()
                };
                format!("{}:{} {remote} {} {} {}", l.local.0, l.local.1, l.state, l.uid, l.inode)
            })
            .collect();
        let expected = [
            "127.0.0.1:8080 - listen 104 12345",
            "192.168.0.5:53764 213.165.59.46:3333 established 0 777",
            "192.168.0.5:53764 213.165.59.46:3333 time_wait 0 0",
            "::1:631 - listen 0 9",
        ];
        assert_eq!(told, expected);
        assert_eq!(odd, 1);
    }

    #[test]
    fn own_sockets_have_us_as_owner() {
        if !is_alone("platform::linux::look::socket::tests::own_sockets_have_us_as_owner") {
            return;
        }
        let listener = TcpListener::bind("[::]:0")
            .or_else(|_| TcpListener::bind("0.0.0.0:0"))
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1".parse::<IpAddr>().unwrap(), port)).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let Answer::Sockets(sockets) = Look::new().answer(&Query::Sockets {}).unwrap().value else {
            panic!("another answer");
        };
        let own = std::process::id();
        let find = |protocol: &str, port: u16, remote: Option<u16>| {
            sockets
                .iter()
                .find(|s| s.protocol == protocol && s.local.port == port && s.remote.as_ref().map(|r| r.port) == remote)
        };
        let listening = find("tcp", port, None).unwrap();
        assert_eq!(
            (listening.state.as_str(), listening.owners.as_slice()),
            ("listen", &[own][..])
        );
        let local = client.local_addr().unwrap().port();
        let accepted = find("tcp", port, Some(local)).unwrap();
        assert_eq!(
            accepted.remote.as_ref().unwrap().address,
            "127.0.0.1",
            "mapped addresses are IPv4"
        );
        assert_eq!(find("tcp", local, Some(port)).unwrap().owners, [own]);
        let unconnected = find("udp", udp.local_addr().unwrap().port(), None).unwrap();
        assert_eq!(unconnected.owners, [own]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse_table(&bytes, |_| {});
            let _ = end(&bytes);
        }

        #[test]
        fn addresses_read_back(octets: [u8; 4], wide_octets: [u8; 16], port: u16) {
            let hex = |bytes: &[u8]| -> String {
                bytes.chunks(4).map(|c| format!("{:08X}", u32::from_ne_bytes([c[0], c[1], c[2], c[3]]))).collect()
            };
            let four = format!("{}:{port:04X}", hex(&octets));
            prop_assert_eq!(end(four.as_bytes()), Some((IpAddr::from(octets), port)));
            let six = format!("{}:{port:04X}", hex(&wide_octets));
            prop_assert_eq!(end(six.as_bytes()), Some((IpAddr::from(wide_octets).to_canonical(), port)));
        }
    }
}
