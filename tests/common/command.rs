//! The command, run to its end and held to what every one of its answers must be.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A command that takes longer hangs: a minute for a scheduler's next full minute, the rest for a slow machine.
const LONGEST: Duration = Duration::from_secs(150);

/// The command with a directory of its own for runs.
pub(crate) struct Deminer {
    /// What starts it: its own name, or what enters another place first.
    starts: Vec<OsString>,
    /// As the command names it.
    inside: PathBuf,
    /// As this program names it.
    runs: PathBuf,
    _directory: Option<tempfile::TempDir>,
}

/// A command that was started.
pub(crate) struct Running {
    child: Child,
    out: Option<JoinHandle<Vec<u8>>>,
    err: Option<JoinHandle<Vec<u8>>>,
    words: String,
    began: Instant,
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its exit code; `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    words: String,
}

/// The program under test.
pub(crate) fn program() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_deminer"));
    program.canonicalize().expect("the command is built before its tests")
}

impl Deminer {
    pub(crate) fn new() -> Deminer {
        let runs = tempfile::Builder::new().prefix("deminer-runs-").tempdir();
        let runs = runs.expect("a directory for runs");
        Deminer {
            starts: vec![program().into()],
            inside: runs.path().to_path_buf(),
            runs: runs.path().to_path_buf(),
            _directory: Some(runs),
        }
    }

    /// The command in another place: what starts it there, and its directory for runs as it is named in there and from
    /// here.
    pub(crate) fn behind(starts: Vec<OsString>, inside: PathBuf, runs: PathBuf) -> Deminer {
        Deminer {
            starts,
            inside,
            runs,
            _directory: None,
        }
    }

    /// Where it keeps runs.
    pub(crate) fn runs(&self) -> &Path {
        &self.runs
    }

    /// A file among its runs, as the command names it.
    pub(crate) fn inside(&self, name: &str) -> PathBuf {
        self.inside.join(name)
    }

    /// Starts a verb that keeps runs.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        let runs = [OsStr::new("--runs"), self.inside.as_os_str()];
        let all: Vec<&OsStr> = words.iter().map(OsStr::new).chain(runs).collect();
        start(&self.starts, &all)
    }

    /// Runs a verb that keeps runs to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Answer {
        self.start(words).answer()
    }

    /// The report of the newest run, as JSON.
    pub(crate) fn report(&self) -> Value {
        self.run(&["report", "--format", "json"]).json()
    }

    /// The directory of the run that a report is of.
    pub(crate) fn run_of(&self, report: &Value) -> PathBuf {
        self.runs()
            .join(report["run"].as_str().expect("a report names its run"))
    }
}

/// Runs a verb that keeps no runs.
pub(crate) fn run(words: &[&str]) -> Answer {
    let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
    start(&[program().into()], &words).answer()
}

fn start(starts: &[OsString], words: &[&OsStr]) -> Running {
    let mut command = Command::new(&starts[0]);
    command
        .args(&starts[1..])
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    Running {
        out: child.stdout.take().map(read),
        err: child.stderr.take().map(read),
        child,
        words: format!("deminer {}", words.join(OsStr::new(" ")).to_string_lossy()),
        began: Instant::now(),
    }
}

fn read(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A pipe that breaks ends what is read; what is missing is seen by whoever reads the answer.
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

impl Running {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_some()
    }

    /// Ends it as nothing can prepare for.
    pub(crate) fn kill(&mut self) {
        // One that has ended by itself cannot be killed, and need not be.
        let _ = self.child.kill();
    }

    /// Waits for its end.
    pub(crate) fn answer(self) -> Answer {
        self.answer_within(LONGEST)
    }

    /// Waits for its end, for so long.
    pub(crate) fn answer_within(mut self, longest: Duration) -> Answer {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                break status;
            }
            assert!(
                self.began.elapsed() < longest,
                "`{}` still runs after {longest:?}",
                self.words
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        let text = |name: &str, handle: Option<JoinHandle<Vec<u8>>>| {
            let bytes = handle.and_then(|handle| handle.join().ok()).unwrap_or_default();
            plain(&bytes, &self.words, name)
        };
        let (out, err) = (self.out.take(), self.err.take());
        Answer {
            code: status.code(),
            out: text("stdout", out),
            err: text("stderr", err),
            words: self.words.clone(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        // Our own child: it is waited for so that none is left.
        let _ = self.child.wait();
    }
}

/// The text, which holds nothing that a terminal obeys but the line feed.
fn plain(bytes: &[u8], words: &str, name: &str) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap_or_else(|error| {
        panic!(
            "`{words}`: {name} is no UTF-8 at byte {}",
            error.utf8_error().valid_up_to()
        )
    });
    if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_control() && *c != '\n') {
        let before: String = text[..at].chars().rev().take(80).collect();
        let before: String = before.chars().rev().collect();
        panic!("`{words}`: {name} holds {c:?} at byte {at}, after `{before}`");
    }
    text
}

impl Answer {
    /// Itself, where it ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Answer {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cut = |text: &str| text.chars().take(20_000).collect::<String>();
        write!(
            f,
            "`{}` ended with {:?}\n-- stdout\n{}\n-- stderr\n{}",
            self.words,
            self.code,
            cut(&self.out),
            cut(&self.err)
        )
    }
}
