//! The connection: ssh itself, as a master that serves our channels over a private socket.
//!
//! ssh is started here and not by the crate's builder, which leaves a process behind when a login hangs, takes a host that
//! begins with `-` for an option, and cannot show what a jump host's ssh said. From the socket on, the crate speaks.

use std::ffi::OsString;
use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
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

/// Opens a connection, or attaches to the one that the user opened. It is closed when the value is dropped, but the user's
/// own.
pub(super) async fn open(target: &SshTarget, client: &SshClient) -> Result<Arc<Session>, SshError> {
    match &target.control_path {
        Some(path) => attach(path).await,
        None => start(target, client).await,
    }
}

async fn attach(path: &Path) -> Result<Arc<Session>, SshError> {
    let session = Session::resume_mux(path.into(), None);
    match session.check().await {
        Ok(()) => Ok(Arc::new(session)),
        Err(_) => Err(SshError::NoMaster {
            path: path.display().to_string(),
        }),
    }
}

async fn start(target: &SshTarget, client: &SshClient) -> Result<Arc<Session>, SshError> {
    let directory = place(target, client)?;
    let started = Command::new(&client.program)
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
        Ok(Ok(status)) if status.success() => Ok(Arc::new(Session::new_native_mux(directory))),
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
        let moment = Duration::from_millis(50);
        while words.is_some() && tokio::time::timeout(moment, self.read(words)).await.is_ok() {}
    }
}

/// A private directory with the configuration in it.
fn place(target: &SshTarget, client: &SshClient) -> Result<TempDir, SshError> {
    let failed = |why: String| SshError::NoPlace {
        place: client.place.display().to_string(),
        why,
    };
    let io = |error: std::io::Error| failed(error.to_string());
    let directory = tempfile::Builder::new()
        .prefix("dm-")
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
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(directory.path().join("config"))
        .map_err(io)?;
    file.write_all(config::text(target, &shown).as_bytes()).map_err(io)?;
    Ok(directory)
}

/// What is meant for this host alone; the rest is in the configuration.
fn arguments(target: &SshTarget, directory: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut say = |words: &[OsString]| arguments.extend_from_slice(words);
    say(&["-F".into(), directory.join("config").into()]);
    say(&["-S".into(), directory.join("master").into()]);
    say(&["-M".into(), "-f".into(), "-N".into()]);
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
