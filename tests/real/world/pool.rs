//! A fake mining pool beside an honest server, on the same ports.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{SOON, World, differs};
use crate::common::machine::wait_until;

/// The pool's address, of a range for documentation (RFC 5737).
pub(crate) const POOL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 23);

/// An honest server's address, of another one.
pub(crate) const HONEST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);

/// Where both listen: pools hide behind the ports of others.
pub(crate) const PORTS: [u16; 4] = [443, 3333, 8080, 14444];

/// How long a connection may take to come about.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// The longest line that is listened to.
const LINE: u64 = 64 << 10;

/// A line that a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) from: IpAddr,
    pub(crate) to: SocketAddr,
    pub(crate) line: Vec<u8>,
}

/// Both servers, for as long as the value lives.
pub(crate) struct Pool<'w> {
    _world: &'w World,
    /// Holds their network.
    place: Child,
    /// The process in it.
    inside: u32,
    heard: Arc<Mutex<Vec<Heard>>>,
    ended: Arc<AtomicBool>,
}

impl<'w> Pool<'w> {
    pub(super) fn open(world: &'w World) -> Pool<'w> {
        let place = Command::new("nsenter")
            .args([
                "--target",
                &world.first.to_string(),
                "--pid",
                "--net",
                "--",
                "unshare",
                "--net",
                "sleep",
                "infinity",
            ])
            .stdin(Stdio::null())
            .spawn()
            .expect("nsenter(1) starts");
        let mut inside = None;
        let there = wait_until(SOON, || {
            inside = crate::common::machine::children(place.id()).first().copied();
            inside.is_some_and(|pid| differs(pid, "net") && namespace(pid) != namespace(world.first))
        });
        assert!(there, "the pool has no network");
        let pid = inside.expect("it was just there");
        world.join(pid);
        let script = format!(
            "ip link set lo up; ip address add {POOL}/32 dev eth0; ip address add {HONEST}/32 dev eth0; \
             ip link set eth0 up; ip route add default dev eth0"
        );
        let done = Command::new("nsenter")
            .args(["--target", &pid.to_string(), "--net", "sh", "-euc", &script])
            .status();
        assert!(done.is_ok_and(|status| status.success()), "the pool has no address");
        let pool = Pool {
            _world: world,
            place,
            inside: pid,
            heard: Arc::default(),
            ended: Arc::default(),
        };
        for listener in listen(pid) {
            pool.serve(listener);
        }
        pool
    }

    fn serve(&self, listener: TcpListener) {
        let (heard, ended) = (Arc::clone(&self.heard), Arc::clone(&self.ended));
        listener.set_nonblocking(true).expect("our own socket");
        std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let Ok((stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                };
                let (heard, ended) = (Arc::clone(&heard), Arc::clone(&ended));
                std::thread::spawn(move || converse(stream, &heard, &ended));
            }
        });
    }

    /// All that was said to the pool and to the honest server so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a connection of the pool's own to a host comes about.
    pub(crate) fn reaches(&self, address: &str, port: u16) -> bool {
        let to = SocketAddr::new(address.parse().expect("an address"), port);
        let network = File::open(format!("/proc/{}/ns/net", self.inside)).expect("a living process");
        let trying = std::thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).expect("setns(2) as root");
            TcpStream::connect_timeout(&to, PATIENCE).is_ok()
        });
        trying.join().expect("it says whether")
    }

    /// Whether a host logged in at the pool.
    pub(crate) fn knows(&self, address: &str) -> bool {
        let from: IpAddr = address.parse().expect("an address");
        self.heard()
            .iter()
            .any(|heard| heard.from == from && heard.to.ip() == IpAddr::V4(POOL))
    }
}

impl Drop for Pool<'_> {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Its program goes with the world; nsenter(1) is our child.
        let _ = self.place.kill();
        let _ = self.place.wait();
    }
}

fn namespace(pid: u32) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}

/// Listens in the network of a process: sockets stay in the one in which they were made.
fn listen(pid: u32) -> Vec<TcpListener> {
    let listening = std::thread::spawn(move || {
        let network = File::open(format!("/proc/{pid}/ns/net")).expect("a living process");
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).expect("setns(2) as root");
        let at = |address: Ipv4Addr| PORTS.map(|port| SocketAddr::from((address, port)));
        let all = at(POOL).into_iter().chain(at(HONEST));
        all.map(|at| TcpListener::bind(at).expect("a free port of a new network"))
            .collect()
    });
    listening.join().expect("the pool listens")
}

/// Answers lines until the client goes.
fn converse(stream: TcpStream, heard: &Mutex<Vec<Heard>>, ended: &AtomicBool) {
    let Ok((from, to)) = stream
        .peer_addr()
        .and_then(|from| Ok((from.ip(), stream.local_addr()?)))
    else {
        return;
    };
    let Ok(mut output) = stream.try_clone() else { return };
    // A server that ends does not wait for its clients.
    if stream.set_read_timeout(Some(Duration::from_secs(1))).is_err() {
        return;
    }
    let mut input = BufReader::new(std::io::Read::take(stream, LINE));
    let mut line = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        match input.read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        }
        let answer = answer(to.ip(), &line);
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(Heard {
            from,
            to,
            line: std::mem::take(&mut line),
        });
        if output.write_all(answer).is_err() {
            return;
        }
    }
}

fn answer(at: IpAddr, line: &[u8]) -> &'static [u8] {
    let says = |word: &[u8]| line.windows(word.len()).any(|window| window == word);
    if line.starts_with(b"\x16\x03") {
        // A server's hello, as far as a first look goes.
        b"\x16\x03\x03\x00\x05\x02\x00\x00\x01\x00\n"
    } else if at != IpAddr::V4(POOL) {
        b"ok\n"
    } else if says(b"mining.subscribe") {
        b"{\"id\":1,\"result\":[[[\"mining.notify\",\"1\"]],\"08000002\",4],\"error\":null}\n"
    } else {
        b"{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":{\"id\":\"1\",\"job\":{},\"status\":\"OK\"},\"error\":null}\n"
    }
}
