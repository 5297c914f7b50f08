//! A harmless program that plays a part on a test host.
//!
//! What it plays stands in a trailer of its own file, so that its arguments are free to be those of whom it plays. It
//! burns little, for a short while; it refuses to begin when its file is an hour old, and ends when it becomes so.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Before the trailer's words; the bench writes it (`part.rs`).
const MARK: &str = "\nDEMINER-STAND-IN ";

/// The trailer's length.
const TRAILER: u64 = 512;

/// From its making on, in seconds.
const SHELF_LIFE: u64 = 3600;

/// How long one process may be busy.
const BUSY: Duration = Duration::from_secs(180);

/// How often it looks around.
const TICK: Duration = Duration::from_millis(100);

/// The words of the trailer.
struct Script {
    /// When the file was made, in seconds since 1970.
    made: u64,
    /// Percent of one CPU.
    load: u32,
    /// Connects there, says `hello` and waits.
    peer: Option<SocketAddr>,
    hello: Hello,
    /// COPY and TARGET: starts TARGET, made from COPY, whenever nothing runs it.
    wards: Vec<(String, String)>,
    /// Ends at once where another process runs the same file.
    alone: bool,
    /// Its name, as `ps` shows it.
    comm: Option<String>,
}

/// What it says to its peer.
enum Hello {
    Stratum,
    Tls,
    Lines,
}

impl Script {
    fn of_this_program() -> Option<Script> {
        let mut file = File::open("/proc/self/exe").ok()?;
        file.seek(SeekFrom::End(-i64::try_from(TRAILER).ok()?)).ok()?;
        let mut trailer = String::new();
        file.read_to_string(&mut trailer).ok()?;
        let mut script = Script {
            made: 0,
            load: 0,
            peer: None,
            hello: Hello::Lines,
            wards: Vec::new(),
            alone: false,
            comm: None,
        };
        let mut words = trailer.strip_prefix(MARK)?.split_whitespace();
        while let Some(word) = words.next() {
            let (key, value) = word.split_once('=')?;
            match key {
                "made" => script.made = value.parse().ok()?,
                "load" => script.load = value.parse::<u32>().ok()?.min(20),
                "stratum" => (script.peer, script.hello) = (value.parse().ok(), Hello::Stratum),
                "tls" => (script.peer, script.hello) = (value.parse().ok(), Hello::Tls),
                "lines" => (script.peer, script.hello) = (value.parse().ok(), Hello::Lines),
                "ward" => script.wards.push((words.next()?.to_owned(), words.next()?.to_owned())),
                "alone" => script.alone = true,
                "comm" => script.comm = Some(value.to_owned()),
                _ => {}
            }
        }
        Some(script)
    }

    fn is_over(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_secs().saturating_sub(self.made) >= SHELF_LIFE
    }
}

fn main() {
    let Some(script) = Script::of_this_program() else {
        return;
    };
    let own = std::env::current_exe().unwrap_or_default();
    if script.alone && running(&own).nth(1).is_some() {
        return;
    }
    if let Some(comm) = &script.comm {
        // The name is only for show.
        let _ = fs::write("/proc/self/comm", comm);
    }
    let service = Service::of_environment();
    service.say("READY=1");
    // It says so however long a peer or its work takes, and not while it stands still.
    std::thread::spawn(move || {
        loop {
            service.say("WATCHDOG=1");
            std::thread::sleep(TICK);
        }
    });
    let began = Instant::now();
    let mut connection = None;
    while !script.is_over() {
        let end = Instant::now() + TICK;
        if connection.is_none() {
            connection = script.peer.and_then(|peer| connect(peer, &script.hello));
        }
        for (copy, target) in &script.wards {
            if !runs(target) {
                start(Path::new(copy), Path::new(target));
            }
        }
        if began.elapsed() < BUSY {
            work_up_to(began.elapsed() * script.load / 100);
        }
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
    }
}

/// Works until this thread has used so much of a CPU in all.
fn work_up_to(share: Duration) {
    let used = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
    };
    let mut state: u64 = 1;
    while used() < share {
        for _ in 0..1000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        }
        std::hint::black_box(state);
    }
}

fn connect(peer: SocketAddr, hello: &Hello) -> Option<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&peer, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    let words: &[u8] = match hello {
        Hello::Stratum => {
            b"{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"stand-in\",\"pass\":\"x\"}}\n"
        }
        // The head of a ClientHello and no more: the other side of a test knows no TLS.
        Hello::Tls => b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\n",
        Hello::Lines => b"sample 1\n",
    };
    stream.write_all(words).ok()?;
    let mut answer = Vec::new();
    BufReader::new(stream.try_clone().ok()?)
        .read_until(b'\n', &mut answer)
        .ok()?;
    Some(stream)
}

/// The directories in /proc of those that run a file of this path, be it unlinked by now.
fn running(target: &Path) -> impl Iterator<Item = PathBuf> {
    let target = target.to_path_buf();
    let deleted = PathBuf::from(format!("{} (deleted)", target.display()));
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    // Not `self`: that is this process again.
    let is_pid = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let with_exe = entries
        .filter(is_pid)
        .filter_map(|entry| Some((entry.path(), fs::read_link(entry.path().join("exe")).ok()?)));
    let runs = move |exe: &Path| exe == target || exe == deleted;
    with_exe.filter(move |(_, exe)| runs(exe)).map(|(process, _)| process)
}

fn runs(target: &str) -> bool {
    running(Path::new(target)).next().is_some()
}

/// Starts a copy in a session of its own, and leaves it to the host.
fn start(copy: &Path, target: &Path) {
    if copy != target && fs::copy(copy, target).is_err() {
        return;
    }
    let started = Command::new("setsid")
        .arg("--fork")
        .arg(target)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if started.is_ok() {
        // Until the other one shows itself, so that only one is started.
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end && !target.to_str().is_some_and(runs) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The manager that started it, as in sd_notify(3); without one, nobody hears.
struct Service(Option<(UnixDatagram, UnixAddr)>);

impl Service {
    fn of_environment() -> Service {
        let named = std::env::var("NOTIFY_SOCKET").ok().and_then(|name| {
            let address = match name.strip_prefix('@') {
                Some(rest) => UnixAddr::from_abstract_name(rest).ok()?,
                None => UnixAddr::from_pathname(&name).ok()?,
            };
            Some((UnixDatagram::unbound().ok()?, address))
        });
        Service(named)
    }

    fn say(&self, words: &str) {
        if let Some((socket, address)) = &self.0 {
            // A manager that is away is asked again in a moment.
            let _ = socket.send_to_addr(words.as_bytes(), address);
        }
    }
}
