//! The one channel: sends the worker through it, starts it, and hands the streams on.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use deminer_worker::text::HostPath;
use openssh::{Child, ChildStderr, ChildStdin, ChildStdout, Session, Stdio};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, ReadBuf};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::super::Arrival;
use super::error::{SshError, is_damage, words};
use super::master::{Master, Share};
use super::script::{self, Form, Said};
use super::{Become, SshTarget, Workers};

/// How long a login shell, sudo and the host's programs may take for one step.
const STEP_TIME: Duration = Duration::from_secs(30);

/// The slowest link that is waited for, in bytes a second.
const SLOWEST: u64 = 16 << 10;

/// How much of a worker is sent at once, and how long is waited before the next piece. sshd keeps what its shell has not read
/// yet, up to 2 MiB, and copies all of it with each packet: sent as fast as it goes, 4 MB cost it 100 ms of CPU, so 15.
const PIECE_BYTES: usize = 64 << 10;
const PIECE_PAUSE: Duration = Duration::from_millis(1);

/// How many pauses a large worker has: the command that is sent where no slim one is there.
const PIECES: usize = 256;

/// The bytes that a shell may say before ours speaks: banners.
const BANNER_BYTES: usize = 64 << 10;

/// Columns that are shown of what another command says.
const BANNER_SHOWN: usize = 160;

/// The longest line of ours.
const LINE_BYTES: u64 = 4096;

/// The bytes of errors that are kept, the first ones.
const WORDS_BYTES: usize = 8 << 10;

/// The bytes of errors that are listened to.
const ERROR_BYTES: usize = 1 << 20;

/// A worker that was started and has not spoken yet.
pub(super) struct Started {
    pub(super) input: FromHost,
    pub(super) output: ChildStdin,
    pub(super) arrival: Arrival,
}

/// What a worker says. As long as it is read the connection stands.
pub(super) struct FromHost {
    stdout: BufReader<ChildStdout>,
    _child: Child<Share>,
}

impl AsyncRead for FromHost {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buf)
    }
}

/// Why there is no worker, and whether another directory may do.
pub(super) enum NotStarted {
    /// It would be the same again.
    Final(SshError),
    /// The host does not run what lies in this directory.
    Blocked {
        /// Which.
        directory: String,
        /// What to say if no other will do.
        why: SshError,
    },
}

impl From<SshError> for NotStarted {
    fn from(error: SshError) -> NotStarted {
        NotStarted::Final(error)
    }
}

/// Sends the worker of the host's kind to the first of `directories` that will do, and starts it.
pub(super) async fn start(
    master: &Arc<Master>,
    target: &SshTarget,
    workers: &Workers,
    directories: &[String],
) -> Result<Started, NotStarted> {
    let mark = random_word();
    let name = random_word();
    let line = script::line(target, &mark, &name, directories);
    let opened = Session::to_raw_command(Share(Arc::clone(master)), line)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .await;
    let mut child = opened.map_err(|error| no_channel(&error))?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin().take(), child.stdout().take(), child.stderr().take())
    else {
        let said = "it has no streams".to_owned();
        return Err(SshError::NoChannel { said }.into());
    };
    let errors = Arc::new(Errors::default());
    tokio::spawn(listen(stderr, Arc::clone(&errors)));
    let mut talk = Talk {
        stdin,
        stdout: BufReader::new(stdout),
        errors,
        mark,
        banner: Vec::new(),
    };
    let (directory, bytes) = talk.send(target, workers, directories).await?;
    talk.run(&directory).await?;
    let below = directory.rsplit_once('/').map_or(&*directory, |(below, _)| below);
    let arrival = Arrival {
        host_key: master.host_key.clone(),
        below: HostPath::from(below),
        bytes,
    };
    Ok(Started {
        input: FromHost {
            stdout: talk.stdout,
            _child: child,
        },
        output: talk.stdin,
        arrival,
    })
}

/// The conversation with the script.
struct Talk {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    errors: Arc<Errors>,
    mark: String,
    banner: Vec<u8>,
}

impl Talk {
    /// Sends the worker; gives the directory in which it lies, and how many bytes it has.
    async fn send(
        &mut self,
        target: &SshTarget,
        workers: &Workers,
        tried: &[String],
    ) -> Result<(String, u64), SshError> {
        let (machine, gzip, directory) = match self.begin(target).await? {
            Said::Ready {
                machine,
                gzip,
                directory,
            } => (machine, gzip, directory),
            Said::NoDirectory => {
                let tried = tried.join(" ").replace('"', "");
                return Err(SshError::NoDirectory { tried });
            }
            Said::NoSudo => return Err(SshError::NoSudo),
            _ => return Err(self.other_command()),
        };
        let worker = workers.for_machine(&machine)?;
        let (form, sent) = match gzip && !target.plain_upload {
            true => (Form::Gzip, worker.packed()),
            false => (Form::Plain, &*worker.bytes),
        };
        let limit = STEP_TIME + Duration::from_secs(sent.len() as u64 / SLOWEST);
        let announcement = script::announcement(sent.len() as u64, &worker.sha256, form);
        let length = worker.bytes.len() as u64;
        let during = "while the worker was sent";
        let mut stdin = &mut self.stdin;
        let mut incoming = Incoming {
            stdout: &mut self.stdout,
            mark: &self.mark,
            banner: &mut self.banner,
        };
        let sending = async {
            // That it was not all taken is said by the host, or its end is seen.
            let all = async {
                stdin.write_all(announcement.as_bytes()).await?;
                for piece in sent.chunks(PIECE_BYTES.max(sent.len() / PIECES)) {
                    stdin.write_all(piece).await?;
                    tokio::time::sleep(PIECE_PAUSE).await;
                }
                (&mut stdin).flush().await
            };
            let (_, said) = tokio::join!(all, incoming.said());
            said
        };
        let said = timeout(limit, sending).await;
        match said {
            Ok(Some(Said::Got)) => Ok((directory, length)),
            Ok(Some(Said::Full)) => {
                let (said, directory) = (self.errors.words().await, parent(&directory));
                Err(match is_damage(&said) {
                    true => SshError::Damaged { directory },
                    false => SshError::Full {
                        directory,
                        bytes: length,
                        said,
                    },
                })
            }
            Ok(_) => Err(self.ended(during).await),
            Err(_) => Err(SshError::TimedOut {
                doing: "sending the worker",
                limit_s: limit.as_secs(),
            }),
        }
    }

    /// Waits for the script's first word, and gives sudo its password if it asks.
    async fn begin(&mut self, target: &SshTarget) -> Result<Said, SshError> {
        let password = match &target.r#become {
            Become::Sudo { password } => password.as_ref(),
            Become::No => None,
        };
        let prompt = script::prompt(&self.mark);
        let mut incoming = Incoming {
            stdout: &mut self.stdout,
            mark: &self.mark,
            banner: &mut self.banner,
        };
        let first = async {
            let Some(password) = password else {
                return Ok(incoming.said().await);
            };
            tokio::select! {
                said = incoming.said() => return Ok(said),
                () = self.errors.hold(&prompt, 1) => {}
            }
            let line = format!("{}\n", password.reveal());
            // That it was not taken is seen by what comes next.
            let _ = self.stdin.write_all(line.as_bytes()).await;
            tokio::select! {
                said = incoming.said() => Ok(said),
                () = self.errors.hold(&prompt, 2) => Err(SshError::SudoWrongPassword),
            }
        };
        match timeout(STEP_TIME, first).await {
            Ok(Ok(Some(said))) => Ok(said),
            Ok(Ok(None)) => Err(self.no_beginning(target).await),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.no_beginning(target).await),
        }
    }

    /// Lets the worker run.
    async fn run(&mut self, directory: &str) -> Result<(), NotStarted> {
        // As above.
        let _ = self.stdin.write_all(script::GO).await;
        let mut incoming = Incoming {
            stdout: &mut self.stdout,
            mark: &self.mark,
            banner: &mut self.banner,
        };
        let directory = parent(directory);
        match timeout(STEP_TIME, incoming.said()).await {
            Ok(Some(Said::Run)) => Ok(()),
            Ok(Some(Said::Damaged)) => Err(SshError::Damaged { directory }.into()),
            Ok(Some(Said::Blocked)) => {
                let said = self.errors.words().await;
                let why = SshError::Blocked { said };
                Err(NotStarted::Blocked { directory, why })
            }
            Ok(_) => Err(self.ended("while the worker was started").await.into()),
            Err(_) => Err(SshError::TimedOut {
                doing: "starting the worker",
                limit_s: STEP_TIME.as_secs(),
            }
            .into()),
        }
    }

    /// Why our script never spoke.
    async fn no_beginning(&self, target: &SshTarget) -> SshError {
        let said = self.errors.words().await;
        let sudo = matches!(target.r#become, Become::Sudo { .. });
        let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
        // The words of sudo(8) with LC_ALL=C, its sources `sudo.c`, `tgetpass.c`, `auth/sudo_auth.c`, `logging.c`.
        if sudo && has(&["incorrect password", "Sorry, try again"]) {
            return SshError::SudoWrongPassword;
        }
        if sudo && has(&["password is required", "no askpass", "terminal is required"]) {
            return SshError::SudoPassword;
        }
        if sudo && has(&["sudo", "sudoers", "a tty"]) {
            return SshError::SudoRefused { said };
        }
        match (self.banner.is_empty(), said.is_empty()) {
            (true, false) => SshError::OtherCommand { said },
            _ => self.other_command(),
        }
    }

    fn other_command(&self) -> SshError {
        let said = match words(&self.banner) {
            none if none.is_empty() => "it says nothing".to_owned(),
            said => match said.char_indices().nth(BANNER_SHOWN) {
                Some((end, _)) => format!("it begins with `{}`", &said[..end]),
                None => format!("it says `{said}`"),
            },
        };
        SshError::OtherCommand { said }
    }

    async fn ended(&self, during: &'static str) -> SshError {
        let said = self.errors.words().await;
        SshError::Ended { during, said }
    }
}

/// The directory in which a script made its own.
fn parent(directory: &str) -> String {
    let parent = directory.rsplit_once('/').map_or(directory, |(parent, _)| parent);
    words(parent.as_bytes())
}

/// What the host's shell says, as long as it is no frames.
struct Incoming<'a> {
    stdout: &'a mut BufReader<ChildStdout>,
    mark: &'a str,
    banner: &'a mut Vec<u8>,
}

impl Incoming<'_> {
    /// The next thing that our script says. `None` when the end came first, or more than banners may hold.
    async fn said(&mut self) -> Option<Said> {
        loop {
            let mut line = Vec::new();
            let read = (&mut *self.stdout).take(LINE_BYTES).read_until(b'\n', &mut line).await;
            if read.ok()? == 0 {
                return None;
            }
            let text = std::str::from_utf8(&line).ok();
            let ours = text.and_then(|text| text.strip_prefix(self.mark)?.strip_prefix(' '));
            if let Some(said) = ours {
                return Said::parse(said.trim_end_matches(['\n', '\r']));
            }
            if self.banner.len() + line.len() > BANNER_BYTES {
                return None;
            }
            self.banner.extend_from_slice(&line);
        }
    }
}

/// What the host says beside the channel's own words.
#[derive(Default)]
struct Errors {
    bytes: Mutex<Vec<u8>>,
    ended: Notify,
    grew: Notify,
}

impl Errors {
    /// Waits until it holds these words so often.
    async fn hold(&self, wanted: &str, times: usize) {
        loop {
            let grew = self.grew.notified();
            {
                let bytes = self.bytes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                if String::from_utf8_lossy(&bytes).matches(wanted).count() >= times {
                    return;
                }
            }
            grew.await;
        }
    }

    /// The words, for a message; waits a moment for the last ones.
    async fn words(&self) -> String {
        let _ = timeout(Duration::from_millis(500), self.ended.notified()).await;
        words(&self.bytes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

/// Reads, so that nobody waits for us; keeps the beginning. Who says more than is ever needed is not listened to any more.
async fn listen(mut stderr: ChildStderr, errors: Arc<Errors>) {
    let mut piece = vec![0; 4096];
    let mut heard = 0;
    while let Ok(read @ 1..) = stderr.read(&mut piece).await {
        heard += read;
        if heard > ERROR_BYTES {
            break;
        }
        {
            let mut bytes = errors.bytes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let room = WORDS_BYTES.saturating_sub(bytes.len());
            bytes.extend_from_slice(&piece[..read.min(room)]);
        }
        errors.grew.notify_one();
    }
    errors.ended.notify_one();
}

fn no_channel(error: &openssh::Error) -> SshError {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(because) = cause {
        said = because.to_string();
        cause = because.source();
    }
    let said = words(said.as_bytes());
    match error {
        openssh::Error::Disconnected => SshError::Ended {
            during: "before a command was started",
            said,
        },
        _ => SshError::NoChannel { said },
    }
}

/// 128 random bits as letters and digits.
fn random_word() -> String {
    let mut bytes = [0; 16];
    // Into a buffer of this size the kernel writes it whole (getrandom(2)).
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
