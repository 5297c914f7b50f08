//! A local look on a host with 2,000 processes, against `ps aux`, `ss -tnp` and one `cat` of the same files together.
//!
//! Goal: no more CPU than those. Each look is a worker of its own, started for it and spoken to in frames, as in a real
//! run: its start, its hashing of every executable and the encoding of its answers count. What the controller needs to
//! read the answers is printed beside it.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use deminer_worker::frame::{self, FromWorker, Incoming, PROTOCOL, ToWorker};
use deminer_worker::platform::Platform;
use deminer_worker::platform::linux::Linux;
use deminer_worker::query::{Answer, Executable, FileKind, Observed, ProcessesQuery, Query};
use deminer_worker::serve::{Controller, serve};
use deminer_worker::text::HostPath;

#[path = "measure/child.rs"]
mod child;
mod measure;
#[path = "measure/used.rs"]
mod used;

use child::{Program, other_threads_cpu, program};
use measure::{middle, ms, say};
use used::{Used, median, own};

const PROCESSES: usize = 2_000;
const CONNECTIONS: usize = 100;
const REPETITIONS: usize = 9;

/// The argument by which this program is told to be a worker.
const WORKER: &str = "worker";

/// The places where cron jobs stand (crontab(5), cron(8), anacrontab(5)).
const CRON: [&str; 9] = [
    "/etc/crontab",
    "/etc/anacrontab",
    "/etc/cron.d/*",
    "/etc/cron.hourly/*",
    "/etc/cron.daily/*",
    "/etc/cron.weekly/*",
    "/etc/cron.monthly/*",
    "/var/spool/cron/*",
    "/var/spool/cron/crontabs/*",
];

/// What is asked, in order.
fn questions() -> Vec<(&'static str, Query)> {
    vec![
        (
            "processes, hashed",
            Query::Processes(ProcessesQuery {
                digest: true,
                ..ProcessesQuery::default()
            }),
        ),
        ("sockets", Query::Sockets {}),
        (
            "cron files",
            Query::ReadTree {
                patterns: CRON.iter().map(|pattern| HostPath::from(*pattern)).collect(),
                max_files: 2_000,
                max_file_bytes: 1 << 20,
            },
        ),
        (
            "ld.so.preload",
            Query::Read {
                path: HostPath::from("/etc/ld.so.preload"),
                max_bytes: 64 << 10,
            },
        ),
    ]
}

/// Processes that only sleep; they end by themselves after two minutes, and with this value.
struct Crowd(Vec<Child>);

impl Crowd {
    fn gather() -> Crowd {
        let mut crowd = Crowd(Vec::with_capacity(PROCESSES));
        for _ in 0..PROCESSES {
            let started = Command::new("/bin/sleep")
                .arg("120")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn();
            crowd.0.push(started.expect("`/bin/sleep` starts"));
        }
        crowd
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
        }
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}

/// Connections to ourselves, both ends ours.
fn connections() -> (TcpListener, Vec<(TcpStream, TcpStream)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback");
    let address = listener.local_addr().expect("its address");
    let connect = |_| {
        let near = TcpStream::connect(address).expect("a connection to ourselves");
        (near, listener.accept().expect("its other end").0)
    };
    let pairs = (0..CONNECTIONS).map(connect).collect();
    (listener, pairs)
}

/// Serves like the worker's own program, then says what its other threads used.
fn be_worker() {
    let mut controller = Controller::new(std::io::stdin(), std::io::stdout());
    serve(&Linux::new(), &mut controller);
    let _ = write!(std::io::stdout(), "{}", other_threads_cpu().as_nanos());
}

/// What one look took.
struct Look {
    worker: Used,
    /// To read and decode the answers.
    controller: Duration,
    answers: Vec<Observed<Answer>>,
}

/// Starts a worker, asks everything `times` over, and lets it go.
fn look(times: usize) -> Look {
    let own_program = std::env::current_exe().expect("this program has a path");
    let (program, mut input, mut output) = Program::start(Command::new(own_program).arg(WORKER));
    let mut say = |message: ToWorker| frame::send_message(&mut input, &message).expect("the worker listens");
    let (answers, own) = own(|| {
        say(ToWorker::Hello { protocol: PROTOCOL });
        frame::receive_incoming(&mut output).expect("a hello");
        let mut answers = Vec::new();
        for (id, (_, query)) in (0..).zip((0..times).flat_map(|_| questions())) {
            say(ToWorker::Ask { id, query });
            let incoming = frame::receive_incoming(&mut output).expect("an answer");
            let Incoming::Message(message) = incoming else {
                panic!("a piece of evidence")
            };
            let FromWorker::Answer { result, .. } = *message else {
                panic!("no answer")
            };
            answers.push(result.expect("the host answers"));
        }
        say(ToWorker::Bye);
        answers
    });
    drop(input);
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("what it used");
    let others = rest.parse().map(Duration::from_nanos).expect("a number");
    Look {
        worker: program.end(others),
        controller: own.cpu,
        answers,
    }
}

/// What was seen, as far as the peers are to see the same.
struct Seen {
    processes: usize,
    executables: usize,
    executable_bytes: u64,
    sockets: usize,
    /// What could not be seen: a container shows less of its first process.
    gaps: usize,
    /// Regular files, for `cat`.
    files: Vec<HostPath>,
}

impl Seen {
    fn of(answers: &[Observed<Answer>]) -> Seen {
        let mut seen = Seen {
            processes: 0,
            executables: 0,
            executable_bytes: 0,
            sockets: 0,
            gaps: 0,
            files: Vec::new(),
        };
        for answer in answers {
            match &answer.value {
                Answer::Processes(processes) => {
                    seen.processes = processes.len();
                    let exes: BTreeSet<_> = processes
                        .iter()
                        .filter_map(|process| process.exe.as_ref())
                        .map(|exe| (exe.id, exe.size.0))
                        .collect();
                    seen.executables = exes.len();
                    seen.executable_bytes = exes.iter().map(|(_, size)| size).sum();
                    let hashed = |exe: &&Executable| exe.sha256.is_some();
                    let all = processes.iter().filter_map(|process| process.exe.as_ref());
                    assert!(all.filter(hashed).count() > PROCESSES, "the executables are hashed");
                }
                Answer::Sockets(sockets) => seen.sockets = sockets.len(),
                Answer::Files(files) => {
                    let regular = files.iter().filter(|file| file.stat.kind == FileKind::Regular);
                    seen.files.extend(regular.map(|file| file.stat.path.clone()));
                }
                other => panic!("{other:?}"),
            }
            seen.gaps += answer.coverage.material().count();
        }
        assert!(seen.processes > PROCESSES && seen.sockets > 2 * CONNECTIONS);
        seen
    }
}

/// One round of the peers: each by itself.
fn peers(files: &[HostPath]) -> [Used; 3] {
    let (listed, ps) = program(Command::new("ps").arg("aux"));
    let (connected, ss) = program(Command::new("ss").arg("-tnp"));
    let paths = files.iter().map(|path| path.to_string());
    let (_, cat) = program(Command::new("cat").args(paths));
    let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    assert!(lines(&listed) > PROCESSES && lines(&connected) >= 2 * CONNECTIONS);
    [ps, ss, cat]
}

fn print(what: &str, used: Used) {
    say(format_args!(
        "{what:<44} {:>8.1} ms CPU {:>8.1} ms wall",
        ms(used.cpu),
        ms(used.wall)
    ));
}

/// What each question takes, asked of a platform that knows no digest yet.
fn print_parts() {
    let mut parts: Vec<(&str, Vec<Used>)> = questions().iter().map(|(name, _)| (*name, Vec::new())).collect();
    for _ in 0..REPETITIONS {
        let linux = Linux::new();
        for ((_, runs), (_, query)) in parts.iter_mut().zip(questions()) {
            runs.push(own(|| linux.answer(&query).expect("the host answers")).1);
        }
    }
    for (name, runs) in &parts {
        print(&format!("  of it: {name}"), median(runs));
    }
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some(WORKER) {
        return be_worker();
    }
    if !measure::is_asked() {
        return;
    }
    let _crowd = Crowd::gather();
    let _connections = connections();
    let seen = Seen::of(&look(1).answers);
    let (mut cold, mut both, mut controller) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ps, mut ss, mut cat) = (Vec::new(), Vec::new(), Vec::new());
    let mut ratios = Vec::new();
    for _ in 0..REPETITIONS {
        let one = look(1);
        let round = peers(&seen.files);
        ratios.push(one.worker.cpu.as_secs_f64() / round.iter().map(|used| used.cpu).sum::<Duration>().as_secs_f64());
        controller.push(one.controller);
        cold.push(one.worker);
        both.push(look(2).worker);
        ps.push(round[0]);
        ss.push(round[1]);
        cat.push(round[2]);
    }
    ratios.sort_by(f64::total_cmp);
    let (cold, both) = (median(&cold), median(&both));
    say(format_args!(
        "{} processes, {} executables of {:.1} MB, {} sockets, {} files, {} gaps; median of {REPETITIONS}",
        seen.processes,
        seen.executables,
        seen.executable_bytes as f64 / 1e6,
        seen.sockets,
        seen.files.len(),
        seen.gaps
    ));
    print("first look, a worker started for it", cold);
    print_parts();
    let warm = Used {
        cpu: both.cpu.saturating_sub(cold.cpu),
        wall: both.wall.saturating_sub(cold.wall),
    };
    print("second look of the same worker", warm);
    let decode = ms(middle(controller.into_iter()));
    say(format_args!(
        "{:<44} {decode:>8.1} ms CPU",
        "controller, to read the answers"
    ));
    let (ps, ss, cat) = (median(&ps), median(&ss), median(&cat));
    print("ps aux", ps);
    print("ss -tnp", ss);
    print("cat", cat);
    let together = Used {
        cpu: ps.cpu + ss.cpu + cat.cpu,
        wall: ps.wall + ss.wall + cat.wall,
    };
    print("ps, ss and cat together", together);
    let ratio = ratios[ratios.len() / 2];
    let judged = if ratio <= 1.0 { "reached" } else { "MISSED" };
    say(format_args!(
        "first look / peers, CPU: {ratio:.2} ({:.2} to {:.2}); goal 1.00: {judged}",
        ratios[0],
        ratios[ratios.len() - 1]
    ));
}
