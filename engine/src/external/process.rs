//! A module's process: started within limits, spoken to by the line, ended with its group.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, prlimit, waitid,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{ExternalError, Limits, shown};

/// All of its environment besides `LC_ALL` and the places that are its own directory.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// What is told of its stderr.
const LAST_BYTES: usize = 400;
/// How often is looked whether it ended: a child of its own may hold the pipe open.
const STEP: Duration = Duration::from_millis(20);
/// What it wrote is read for so long after it ended.
const AFTERWARDS: Duration = Duration::from_millis(200);
/// The bytes of a file that it writes.
const FILE_BYTES: u64 = 16 << 20;
/// The bytes of its memory.
const MEMORY_BYTES: u64 = 4 << 30;

/// A module that runs. Dropped, its process group is gone.
pub(super) struct Running {
    child: Child,
    group: Option<Pid>,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    errors: Arc<Errors>,
    listening: JoinHandle<()>,
    limits: Limits,
    /// How long it may take, and until when that is.
    time: Duration,
    until: Instant,
    said: usize,
    told: usize,
    /// Its directory; it goes with it.
    _place: TempDir,
}

/// What it wrote to stderr.
#[derive(Default)]
struct Errors {
    last: Mutex<Vec<u8>>,
    flooded: Notify,
    is_flooded: AtomicBool,
}

impl Running {
    /// Starts it with one word, in a directory of its own below `place`, with an environment and a process group of its own.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(
        file: &Path,
        word: &str,
        place: &Path,
        limits: Limits,
        time: Duration,
    ) -> Result<Running, ExternalError> {
        let failed = |error: io::Error| ExternalError::NotStarted { why: error.to_string() };
        let file = std::fs::canonicalize(file).map_err(failed)?;
        let place = tempfile::Builder::new()
            .prefix("deminer-module-")
            .tempdir_in(place)
            .map_err(failed)?;
        let mut child = Command::new(&file)
            .arg(word)
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", place.path())
            .env("TMPDIR", place.path())
            .current_dir(place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        bound(group);
        let gone = || failed(io::Error::other("it has no pipes"));
        let input = child.stdin.take().ok_or_else(gone)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(gone)?);
        let errors = Arc::new(Errors::default());
        let stderr = child.stderr.take().ok_or_else(gone)?;
        let listening = tokio::spawn(listen(stderr, Arc::clone(&errors), limits.complains));
        Ok(Running {
            child,
            group,
            input,
            output,
            errors,
            listening,
            limits,
            time,
            until: Instant::now() + time,
            said: 0,
            told: 0,
            _place: place,
        })
    }

    /// Gives it more time: what others took.
    pub(super) fn give(&mut self, time: Duration) {
        self.until += time;
    }

    /// The next line that it says, without its line feed; empty ones are passed over.
    ///
    /// # Errors
    /// When a limit is passed, or it ended.
    pub(super) async fn line(&mut self) -> Result<Vec<u8>, ExternalError> {
        let mut line = Vec::new();
        let mut ended_at = None;
        loop {
            let found = tokio::select! {
                biased;
                () = self.errors.flooded.notified() => return Err(self.flooded()),
                found = timeout_at(self.until, self.output.fill_buf()) => Some(found),
                () = sleep(STEP) => None,
            };
            let piece = match found {
                Some(Err(_)) => return Err(self.late()),
                Some(Ok(Ok(piece))) if !piece.is_empty() => piece,
                Some(Ok(_)) => return Err(self.ended().await),
                None => {
                    let now = Instant::now();
                    let since = *ended_at.get_or_insert(now);
                    match self.end() {
                        None => ended_at = None,
                        Some(_) if now - since > AFTERWARDS => return Err(self.ended().await),
                        Some(_) => {}
                    }
                    continue;
                }
            };
            let (taken, is_whole) = match piece.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (piece.len(), false),
            };
            self.said = self.said.saturating_add(taken);
            if self.said > self.limits.says {
                return Err(ExternalError::TooMuch {
                    stream: "stdout",
                    limit: self.limits.says,
                });
            }
            line.extend_from_slice(&piece[..taken]);
            self.output.consume(taken);
            if is_whole {
                line.pop();
                if !line.trim_ascii().is_empty() {
                    return Ok(line);
                }
                line.clear();
            }
        }
    }

    /// Tells it a message, as a line.
    ///
    /// # Errors
    /// When a limit is passed, or it ended.
    pub(super) async fn tell(&mut self, message: &Value) -> Result<(), ExternalError> {
        let mut line = message.to_string();
        line.push('\n');
        self.told = self.told.saturating_add(line.len());
        if self.told > self.limits.told {
            let limit = self.limits.told;
            return Err(ExternalError::AskedForTooMuch { limit });
        }
        let written = tokio::select! {
            biased;
            () = self.errors.flooded.notified() => return Err(self.flooded()),
            written = timeout_at(self.until, self.input.write_all(line.as_bytes())) => written,
        };
        match written {
            Err(_) => Err(self.late()),
            // It need not read what it is told: what it says is read next.
            Ok(_) => Ok(()),
        }
    }

    fn late(&self) -> ExternalError {
        ExternalError::Late {
            limit_ms: self.time.as_millis().try_into().unwrap_or(u64::MAX),
        }
    }

    fn flooded(&self) -> ExternalError {
        ExternalError::TooMuch {
            stream: "stderr",
            limit: self.limits.complains,
        }
    }

    /// How it ended; `None` while it runs. It is not waited for, so that its number is still its own.
    fn end(&self) -> Option<WaitIdStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.group?), options).ok().flatten()
    }

    /// That it ended, and how.
    async fn ended(&mut self) -> ExternalError {
        // Its output may close a moment before it is gone.
        let _ = timeout(AFTERWARDS, async {
            while self.end().is_none() {
                sleep(Duration::from_millis(2)).await;
            }
            // Its last words may still be on their way.
            let _ = (&mut self.listening).await;
        })
        .await;
        if self.errors.is_flooded.load(Ordering::Relaxed) {
            return self.flooded();
        }
        let how = match self.end() {
            None => "it closed its output".to_owned(),
            Some(status) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("exit status {code}"),
                (None, Some(signal)) => format!("signal {signal}"),
                (None, None) => "in an unknown way".to_owned(),
            },
        };
        let last = self.errors.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let last = String::from_utf8_lossy(&last);
        let last = last.lines().rev().find(|line| !line.trim().is_empty());
        let last = last.map_or_else(String::new, |line| format!(": `{}`", shown(line)));
        ExternalError::Ended { how, last }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // A group that has ended by itself cannot be killed, and need not be.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.start_kill();
        self.listening.abort();
    }
}

/// Bounds what it writes, keeps and holds open. One that is gone already needs no bounds.
fn bound(process: Option<Pid>) {
    let bounds = [
        (Resource::Core, 0),
        (Resource::Fsize, FILE_BYTES),
        (Resource::As, MEMORY_BYTES),
        (Resource::Nofile, 256),
    ];
    for (resource, most) in bounds {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        let _ = prlimit(process, resource, limit);
    }
}

/// Reads what it complains of, to the limit; the last of it is kept.
async fn listen(mut stderr: ChildStderr, errors: Arc<Errors>, most: usize) {
    let mut all = 0_usize;
    let mut piece = [0; 4096];
    while let Ok(n @ 1..) = stderr.read(&mut piece).await {
        let mut last = errors.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.extend_from_slice(&piece[..n]);
        let more = last.len().saturating_sub(LAST_BYTES);
        last.drain(..more);
        drop(last);
        all = all.saturating_add(n);
        if all > most {
            errors.is_flooded.store(true, Ordering::Relaxed);
            errors.flooded.notify_one();
            return;
        }
    }
}
