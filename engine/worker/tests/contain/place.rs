//! A place of the test's own: this host, its neighbours and a container, each a network namespace; gone with the test.
//!
//! ```text
//! container 10.0.7.2 --- host 192.0.2.10 --- neighbours 192.0.2.7 (the client of our session), 192.0.2.8,
//!                        2001:db8::10        198.51.100.23 and 2001:db8:1::23 (the pool), 203.0.113.10 (an honest server)
//! ```

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// Which part of the place a process of this test program is.
const PART: &str = "DEMINER_TEST_PART";

/// How long an answer may take that has to come, on a busy machine; a packet that is lost is sent again after seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long is waited for one that must not come; nothing here is farther than the next namespace.
const SILENCE: Duration = Duration::from_millis(700);

/// Runs a test in a network namespace of its own. A test that cannot have one says so.
///
/// # Panics
/// When the test fails there.
#[expect(clippy::print_stdout, reason = "what is not tested is said")]
pub(crate) fn in_a_place(test: &str) {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED {test}: network namespaces need root");
        return;
    }
    inside(&["--net"], test);
}

/// Runs a test in namespaces of its own, in which it also sees no process but those that it starts.
///
/// # Panics
/// When the test fails there.
pub(crate) fn in_a_place_of_its_own(test: &str) {
    inside(&["--net", "--pid", "--fork", "--mount-proc"], test);
}

fn inside(namespaces: &[&str], test: &str) {
    let program = std::env::current_exe().expect("this program");
    let status = Command::new("unshare")
        .args(namespaces)
        .arg("--")
        .arg(program)
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .status();
    assert!(
        status.expect("unshare(1) of util-linux").success(),
        "{test} failed in its place"
    );
}

/// Runs a program to its end and gives what it printed.
///
/// # Panics
/// When it fails.
pub(crate) fn run(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let output = Command::new(words[0]).args(&words[1..]).output().expect(words[0]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {error}");
    String::from_utf8(output.stdout).expect("plain text")
}

/// The whole ruleset of this host, without what it counted and without handles.
pub(crate) fn ruleset() -> String {
    run("nft --stateless list ruleset")
}

/// Somebody else's namespace, with a process of this test program in it that does as it is told.
pub(crate) struct Part {
    child: Child,
    says: BufReader<ChildStdout>,
    hears: ChildStdin,
}

impl Part {
    fn begin() -> Part {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new("unshare");
        command.args(["--net", "--"]).arg(program);
        Part::spawn(command.args(["--exact", "a_part", "--ignored", "--nocapture"]))
    }

    /// In this very namespace.
    pub(crate) fn here() -> Part {
        let program = std::env::current_exe().expect("this program");
        Part::spawn(Command::new(program).args(["--exact", "a_part", "--ignored", "--nocapture"]))
    }

    fn spawn(command: &mut Command) -> Part {
        let mut child = command
            .env(PART, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("this program again");
        let says = BufReader::new(child.stdout.take().expect("piped"));
        let hears = child.stdin.take().expect("piped");
        let mut part = Part { child, says, hears };
        assert_eq!(part.told(), "ready");
        part
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to do something; its word on it.
    pub(crate) fn tell(&mut self, line: &str) -> String {
        writeln!(self.hears, "{line}").expect("it lives");
        self.told()
    }

    /// The next line that is for us; the test harness prints others.
    fn told(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.says.read_line(&mut line).expect("it lives");
            assert_ne!(read, 0, "a part of the place ended");
            if let Some((_, word)) = line.trim_end().split_once("> ") {
                return word.to_owned();
            }
        }
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("ours");
        self.child.wait().expect("ours");
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything around this host.
pub(crate) struct Place {
    pub(crate) neighbours: Part,
    pub(crate) container: Part,
}

impl Place {
    /// Builds it. This process is the host: it listens on port 22, and what it accepts is a session of its own.
    pub(crate) fn build() -> Place {
        let neighbours = Part::begin();
        let container = Part::begin();
        for line in [
            "ip link set lo up",
            &format!("ip link add out0 type veth peer name out0 netns {}", neighbours.pid()),
            &format!("ip link add box0 type veth peer name box0 netns {}", container.pid()),
            "ip addr add 192.0.2.10/24 dev out0",
            "ip addr add 2001:db8::10/64 dev out0 nodad",
            "ip addr add 10.0.7.1/24 dev box0",
            "ip link set out0 up",
            "ip link set box0 up",
            "ip route add default via 192.0.2.1",
            "ip -6 route add default via 2001:db8::1",
        ] {
            run(line);
        }
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("of this namespace");
        let inside = |part: &Part, lines: &[&str]| {
            for line in lines {
                run(&format!("nsenter --net=/proc/{}/ns/net {line}", part.pid()));
            }
        };
        inside(
            &neighbours,
            &[
                "ip link set lo up",
                "ip addr add 192.0.2.7/24 dev out0",
                "ip addr add 192.0.2.8/24 dev out0",
                "ip addr add 192.0.2.1/24 dev out0",
                "ip addr add 198.51.100.23/32 dev out0",
                "ip addr add 203.0.113.10/32 dev out0",
                "ip addr add 2001:db8::7/64 dev out0 nodad",
                "ip addr add 2001:db8::1/64 dev out0 nodad",
                "ip addr add 2001:db8:1::23/128 dev out0 nodad",
                "ip link set out0 up",
                "ip route add 10.0.7.0/24 via 192.0.2.10",
            ],
        );
        inside(
            &container,
            &[
                "ip link set lo up",
                "ip addr add 10.0.7.2/24 dev box0",
                "ip link set box0 up",
                "ip route add default via 10.0.7.1",
            ],
        );
        echo("[::]:22".parse().expect("an end"));
        echo("127.0.0.1:8080".parse().expect("an end"));
        let mut place = Place { neighbours, container };
        for end in ["[::]:3333", "[::]:443"] {
            assert_eq!(place.neighbours.tell(&format!("listen {end}")), "yes");
        }
        // The first packet of a new neighbour waits for its discovery.
        let reachable = std::iter::repeat_with(|| place.can("2001:db8:1::23", 3333))
            .take(20)
            .any(|reached| reached);
        assert!(reachable, "the place is connected");
        place
    }

    /// Whether this host reaches an address.
    pub(crate) fn can(&self, address: &str, port: u16) -> bool {
        reaches(address, port, PATIENCE)
    }

    /// Whether this host does not reach it.
    pub(crate) fn cannot(&self, address: &str, port: u16) -> bool {
        !reaches(address, port, SILENCE)
    }

    /// Whether a neighbour with this address reaches the host's port 22.
    pub(crate) fn is_reached_from(&mut self, address: &str) -> bool {
        let host = host_for(address);
        self.neighbours.tell(&format!("reaches {address} {host}")) == "yes"
    }

    /// Whether it does not reach it.
    pub(crate) fn is_out_of_reach_from(&mut self, address: &str) -> bool {
        let host = host_for(address);
        self.neighbours.tell(&format!("is-cut-off {address} {host}")) == "yes"
    }

    /// Whether the container reaches an address.
    pub(crate) fn contained_can(&mut self, address: &str, port: u16) -> bool {
        self.container.tell(&format!("reaches 10.0.7.2 {address}:{port}")) == "yes"
    }

    /// Whether the container does not reach it.
    pub(crate) fn contained_cannot(&mut self, address: &str, port: u16) -> bool {
        self.container.tell(&format!("is-cut-off 10.0.7.2 {address}:{port}")) == "yes"
    }

    /// Our client connects, and stays.
    pub(crate) fn log_in(&mut self, address: &str) {
        let host = host_for(address);
        assert_eq!(self.neighbours.tell(&format!("stay {address} {host}")), "yes");
    }

    /// Whether the client's connection carries both ways.
    pub(crate) fn session_works(&mut self) -> bool {
        self.neighbours.tell("again") == "yes"
    }
}

/// Where a neighbour with this address finds the host.
fn host_for(address: &str) -> &'static str {
    if address.contains(':') {
        "[2001:db8::10]:22"
    } else {
        "192.0.2.10:22"
    }
}

fn reaches(address: &str, port: u16, patience: Duration) -> bool {
    let remote = SocketAddr::new(address.parse().expect("an address"), port);
    let stream = TcpStream::connect_timeout(&remote, patience).ok();
    stream.and_then(|stream| answers(stream, patience)).is_some()
}

/// Waits until something holds.
///
/// # Panics
/// When it does not in time.
pub(crate) fn until(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + within;
    while !holds() {
        assert!(std::time::Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Answers everything that is said at an end, until this process is gone.
fn echo(end: SocketAddr) {
    let listener = TcpListener::bind(end).expect("a free port");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut stream, mut byte) = (stream, [0]);
                while let Ok(1) = stream.read(&mut byte) {
                    if stream.write_all(&byte).is_err() {
                        break;
                    }
                }
            });
        }
    });
}

/// Says something and waits for the echo; gives the connection where it came.
fn answers(mut stream: TcpStream, patience: Duration) -> Option<TcpStream> {
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.write_all(b"x").ok()?;
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(1) => Some(stream),
        _ => None,
    }
}

fn connected(from: IpAddr, to: SocketAddr, patience: Duration) -> std::io::Result<TcpStream> {
    let family = if from.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = socket(family, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::new(from, 0))?;
    // A connection that nobody answers is given up soon.
    let limit = u32::try_from(patience.as_millis()).expect("short");
    rustix::net::sockopt::set_tcp_user_timeout(&socket, limit)?;
    rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Send, Some(patience))?;
    match connect(&socket, &to) {
        Ok(()) => Ok(TcpStream::from(socket)),
        Err(errno) => Err(errno.into()),
    }
}

/// A connection that carries both ways.
fn connection(from: &str, to: &str, patience: Duration) -> Option<TcpStream> {
    let stream = connected(from.parse().expect("an address"), to.parse().expect("an end"), patience);
    answers(stream.ok()?, patience)
}

/// What a part does: one line, one word back.
///
/// # Panics
/// When it is told something that it does not know.
#[expect(clippy::print_stdout, reason = "its words to the test that started it")]
pub(crate) fn be_a_part(more: impl Fn(&[&str]) -> Option<String>) {
    if std::env::var_os(PART).is_none() {
        return;
    }
    let said = |word: &str| println!("> {word}");
    let mut stays: Option<TcpStream> = None;
    said("ready");
    let mut line = String::new();
    loop {
        line.clear();
        match std::io::stdin().read_line(&mut line) {
            Ok(0) => return,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            told => drop(told.expect("a pipe")),
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let yes = match words[..] {
            ["listen", end] => {
                echo(end.parse().expect("an end"));
                true
            }
            ["reaches", from, to] => connection(from, to, PATIENCE).is_some(),
            ["is-cut-off", from, to] => connection(from, to, SILENCE).is_none(),
            ["stay", from, to] => {
                stays = connection(from, to, PATIENCE);
                stays.is_some()
            }
            ["again"] => {
                stays = stays.take().and_then(|stream| answers(stream, PATIENCE));
                stays.is_some()
            }
            _ => match more(&words) {
                Some(word) => {
                    said(&word);
                    continue;
                }
                None => panic!("{line}"),
            },
        };
        said(if yes { "yes" } else { "no" });
    }
}
