//! Harmless programs for the demo and the tests: a copy of this program with a trailer plays one part and nothing else.
//!
//! A stand-in carries a miner's name and habits and mines nothing: it burns a quarter of one CPU for a bounded time, talks
//! to a fake pool, and refuses to run an hour after it was made.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::ValueEnum;

/// Marks the trailer; the part and the time of making follow, all padded to [`TRAILER`] bytes.
const MARK: &str = "\nDEMINER-STAND-IN ";

/// The length of a trailer.
const TRAILER: usize = 96;

/// A stand-in ends by itself after this long.
const LIFE: Duration = Duration::from_secs(900);

/// A stand-in refuses to begin when it is older than this.
const SHELF_LIFE: Duration = Duration::from_secs(3600);

/// What a stand-in plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Burns a quarter of a CPU and keeps a connection to the address after `-o`, if there is one.
    Miner,
    /// Arguments: COPY TARGET ARG... Copies COPY to TARGET, runs it with the arguments, unlinks it; again whenever it ends.
    Guardian,
    /// Works a little: a tenth of a CPU.
    Worker,
    /// Arguments: ADDRESS. Keeps a connection and says something every second.
    Client,
    /// Waits.
    Idle,
}

/// The part that this program's own file says it plays; `None` for Deminer itself.
pub(crate) fn part_of_this_program() -> Option<Part> {
    let mut file = File::open("/proc/self/exe").ok()?;
    file.seek(SeekFrom::End(-(TRAILER as i64))).ok()?;
    let mut trailer = [0; TRAILER];
    file.read_exact(&mut trailer).ok()?;
    let text = std::str::from_utf8(&trailer).ok()?.strip_prefix(MARK)?;
    let mut words = text.split_whitespace();
    let part = Part::from_str(words.next()?, false).ok()?;
    let made = Duration::from_secs(words.next()?.parse().ok()?);
    let age = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.saturating_sub(made);
    if age > SHELF_LIFE {
        std::process::exit(0);
    }
    Some(part)
}

/// Writes a stand-in: a copy of `program` with another trailer, so that its content is no other file's.
///
/// # Errors
/// When the copy cannot be written.
pub(crate) fn make(program: &Path, at: &Path, part: Part, mode: u32) -> io::Result<()> {
    let mut content = std::fs::read(program)?;
    let name = part
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default();
    let made = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let salt = format!("{}-{}", std::process::id(), made.subsec_nanos());
    let trailer = format!("{MARK}{name} {} {salt}", made.as_secs());
    content.extend_from_slice(format!("{trailer:<TRAILER$}").as_bytes());
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(at)?;
    file.write_all(&content)
}

/// Plays the part until its time is over.
pub(crate) fn play(part: Part, arguments: &[String]) {
    let end = Instant::now() + LIFE;
    match part {
        Part::Miner => mine(arguments, end),
        Part::Guardian => guard(arguments, end),
        Part::Worker => burn(end, Duration::from_millis(10), Duration::from_millis(90), || {}),
        Part::Client => talk(arguments.first().map(String::as_str), end),
        Part::Idle => std::thread::sleep(LIFE),
    }
}

fn mine(arguments: &[String], end: Instant) {
    let pool = arguments
        .iter()
        .skip_while(|argument| *argument != "-o")
        .nth(1)
        .and_then(|at| at.parse().ok());
    let mut connection = None;
    burn(end, Duration::from_millis(25), Duration::from_millis(75), || {
        if connection.is_none() {
            connection = pool.and_then(log_in);
        }
    });
}

fn log_in(pool: SocketAddr) -> Option<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&pool, Duration::from_secs(1)).ok()?;
    stream
        .write_all(
            b"{\"id\":1,\"method\":\"login\",\"params\":{\"login\":\"demo\",\"pass\":\"x\",\"agent\":\"stand-in\"}}\n",
        )
        .ok()?;
    Some(stream)
}

fn burn(end: Instant, busy: Duration, rest: Duration, mut between: impl FnMut()) {
    let mut state: u64 = 1;
    while Instant::now() < end {
        let stop = Instant::now() + busy;
        while Instant::now() < stop {
            for _ in 0..1000 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
            }
            std::hint::black_box(state);
        }
        between();
        std::thread::sleep(rest);
    }
}

fn guard(arguments: &[String], end: Instant) {
    let [copy, target, rest @ ..] = arguments else { return };
    let mut child: Option<Child> = None;
    while Instant::now() < end {
        let ended = child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
        if ended {
            child = start(Path::new(copy), Path::new(target), rest);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn start(copy: &Path, target: &Path, arguments: &[String]) -> Option<Child> {
    std::fs::copy(copy, target).ok()?;
    let child = Command::new(target)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok();
    let _ = std::fs::remove_file(target);
    child
}

fn talk(address: Option<&str>, end: Instant) {
    let Some(mut stream) = address.and_then(|address| TcpStream::connect(address).ok()) else {
        return;
    };
    while Instant::now() < end {
        if stream.write_all(b"sample 1\n").is_err() {
            return;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Answers every line of every client, as a pool and an honest server would; ends with its thread's program.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) fn serve_lines(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let Ok(mut output) = stream.try_clone() else { return };
                for _ in BufReader::new(stream).lines().map_while(Result::ok) {
                    if output
                        .write_all(b"{\"id\":1,\"result\":{\"status\":\"OK\"},\"error\":null}\n")
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    Ok(())
}
