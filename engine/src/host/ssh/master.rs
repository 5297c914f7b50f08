//! The connection: ssh itself, as a master that serves our channels over a private socket.
//!
//! ssh is started here and not by the crate's builder, which leaves a process behind when a login hangs, takes a host that
//! begins with `-` for an option, and cannot show what a jump host's ssh said. From the socket on, the crate speaks.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use openssh::Session;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStderr, Command};

use super::error::{self, SshError};
use super::{SshClient, SshTarget, config};

/// How long a login may take after the connection stands: a hardware key waits for a finger.
const LOGIN_TIME: Duration = Duration::from_secs(30);

/// How long a master that nobody uses stays: it counts when we were killed and could not close it.
const IDLE_S: u32 = 20;

/// The bytes of ssh's words that are kept.
const LOG_BYTES: usize = 64 << 10;

/// The longest path of a master's socket: unix(7), less what ssh appends while it makes it.
const SOCKET_BYTES: usize = 108 - 18;

/// How the directories begin that masters have for themselves.
const PREFIX: &str = "dm-";

/// The name of the configuration there; it is locked as long as somebody uses the directory.
const CONFIG: &str = "config";

/// A connection that stands. It is closed when the value is dropped, but the user's own.
#[derive(Debug)]
pub(super) struct Master {
    session: Session,
    /// The host's key as ssh(1) shows it, kind and fingerprint; `None` where the user's own master logged in.
    pub(super) host_key: Option<String>,
    _in_use: Option<File>,
}

impl Master {
    /// Whether it still serves.
    pub(super) async fn serves(&self) -> bool {
        self.session.check().await.is_ok()
    }
}

/// A share of a connection, as the crate takes it.
#[derive(Debug, Clone)]
pub(super) struct Share(pub(super) Arc<Master>);

impl Deref for Share {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0.session
    }
}

/// Opens a connection, or attaches to the one that the user opened.
pub(super) async fn open(target: &SshTarget, client: &SshClient) -> Result<Arc<Master>, SshError> {
    match &target.control_path {
        Some(path) => attach(path).await,
        None => start(target, client).await,
    }
}

async fn attach(path: &Path) -> Result<Arc<Master>, SshError> {
    let session = Session::resume_mux(path.into(), None);
    match session.check().await {
        Ok(()) => Ok(Arc::new(Master {
            session,
            host_key: None,
            _in_use: None,
        })),
        Err(_) => Err(SshError::NoMaster {
            path: path.display().to_string(),
        }),
    }
}

async fn start(target: &SshTarget, client: &SshClient) -> Result<Arc<Master>, SshError> {
    let (directory, in_use) = place(target, client)?;
    let mut command = Command::new(&client.program);
    for name in client.hidden() {
        command.env_remove(name);
    }
    let started = command
        .args(arguments(target, directory.path()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Out of reach of a key press on the terminal, which is ours to answer.
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut ssh = started.map_err(|error| SshError::NoSsh {
        program: client.program.display().to_string(),
        why: error.to_string(),
    })?;
    let mut log = Log::default();
    let mut words = ssh.stderr.take();
    // It goes into the background once it is logged in. A jump host's ssh keeps the pipe open: its end is not waited for.
    let ended = async {
        loop {
            tokio::select! {
                ended = ssh.wait() => break ended,
                () = log.read(&mut words) => {}
            }
        }
    };
    let limit = target.connect_timeout + LOGIN_TIME;
    match tokio::time::timeout(limit, ended).await {
        Ok(Ok(status)) if status.success() => {
            log.read_rest(&mut words).await;
            Ok(Arc::new(Master {
                session: Session::new_native_mux(directory),
                host_key: error::host_key(&log.bytes),
                _in_use: Some(in_use),
            }))
        }
        Ok(_) => {
            log.read_rest(&mut words).await;
            Err(error::meaning(&log.bytes, &key_place(target)))
        }
        Err(_) => Err(SshError::TimedOut {
            doing: "logging in",
            limit_s: limit.as_secs(),
        }),
    }
}

/// What ssh says.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
}

impl Log {
    /// Reads once; never comes back where nothing more comes.
    async fn read(&mut self, words: &mut Option<ChildStderr>) {
        let mut piece = [0; 4096];
        let read = match words {
            Some(words) => words.read(&mut piece).await.unwrap_or(0),
            None => std::future::pending().await,
        };
        match read {
            0 => *words = None,
            read => {
                let room = LOG_BYTES.saturating_sub(self.bytes.len());
                self.bytes.extend_from_slice(&piece[..read.min(room)]);
            }
        }
    }

    /// Reads what is still in the pipe of an ssh that ended.
    async fn read_rest(&mut self, words: &mut Option<ChildStderr>) {
        // What it said lies there already; what a jump host's ssh says later is not waited for.
        while words.is_some() && tokio::time::timeout(Duration::ZERO, self.read(words)).await.is_ok() {}
    }
}

/// A private directory with the configuration in it, and what says that it is in use.
fn place(target: &SshTarget, client: &SshClient) -> Result<(TempDir, File), SshError> {
    let failed = |why: String| SshError::NoPlace {
        place: client.place.display().to_string(),
        why,
    };
    let io = |error: std::io::Error| failed(error.to_string());
    let directory = tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(&client.place)
        .map_err(io)?;
    let socket = directory.path().join("master");
    if socket.as_os_str().len() > SOCKET_BYTES {
        return Err(failed(format!("`{}` is too long for a socket", socket.display())));
    }
    if let Some(users) = &target.ssh_config {
        let users = std::path::absolute(users).map_err(io)?;
        symlink(users, directory.path().join(config::USERS)).map_err(io)?;
    }
    let shown = directory.path().display().to_string();
    // It is locked before it has its name: who sweeps sees it in use from the beginning.
    let unnamed = directory.path().join("unnamed");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unnamed)
        .map_err(io)?;
    file.lock().map_err(io)?;
    file.write_all(config::text(target, &shown).as_bytes()).map_err(io)?;
    fs::rename(unnamed, directory.path().join(CONFIG)).map_err(io)?;
    Ok((directory, file))
}

/// Removes the directories of commands that were killed. Their masters leave by themselves.
pub(super) fn sweep(place: &Path) {
    let ours = rustix::process::geteuid().as_raw();
    let entries = fs::read_dir(place).into_iter().flatten().filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.file_name().as_bytes().starts_with(PREFIX.as_bytes())) {
        let is_ours = entry
            .metadata()
            .is_ok_and(|found| found.is_dir() && found.uid() == ours);
        let left = is_ours && File::open(entry.path().join(CONFIG)).is_ok_and(|config| config.try_lock().is_ok());
        if left {
            // What cannot be removed now stays for the next command.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// What is meant for this host alone; the rest is in the configuration.
fn arguments(target: &SshTarget, directory: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut say = |words: &[OsString]| arguments.extend_from_slice(words);
    say(&["-F".into(), directory.join(CONFIG).into()]);
    say(&["-S".into(), directory.join("master").into()]);
    say(&["-M".into(), "-f".into(), "-N".into()]);
    // Only so does it tell the fingerprint of a key that it knows, and let a jump host's ssh say what went wrong there.
    say(&["-v".into()]);
    say(&["-o".into(), format!("ControlPersist={IDLE_S}s").into()]);
    if let Some(user) = &target.user {
        say(&["-l".into(), user.into()]);
    }
    if let Some(port) = target.port {
        say(&["-p".into(), port.to_string().into()]);
    }
    if let Some(key) = &target.key {
        say(&["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), key.into()]);
    }
    if let Some(known_hosts) = &target.known_hosts {
        let option = format!("UserKnownHostsFile=\"{}\"", known_hosts.display());
        say(&["-o".into(), option.into()]);
    }
    if let Some(alias) = &target.host_key_alias {
        say(&["-o".into(), format!("HostKeyAlias={alias}").into()]);
    }
    match target.jump.as_deref() {
        Some("none") => say(&["-o".into(), "ProxyJump=none".into()]),
        Some(jump) => say(&["-J".into(), jump.into()]),
        None => {}
    }
    say(&["--".into(), (&target.destination).into()]);
    arguments
}

/// What ssh-keyscan is told to find the host's key.
fn key_place(target: &SshTarget) -> String {
    match target.port {
        Some(port) if port.get() != 22 => format!("-p {port} {}", target.destination),
        _ => target.destination.clone(),
    }
}
