//! The operator's own `ssh-keygen`, which signs and says whether a signature is true: every kind of key, hardware keys,
//! agents, certificates and revocation lists are as they are everywhere else, and anybody can ask it the same without us.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use deminer_worker::text::HostBytes;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// What it is called; looked for as the operator's shell would.
const PROGRAM: &str = "ssh-keygen";

/// How long it may take to check: it only reads.
const LONGEST: Duration = Duration::from_secs(60);

/// What it said, and whether that was yes.
pub(super) struct Said {
    pub(super) yes: bool,
    pub(super) out: String,
    /// Its last words, for people.
    pub(super) why: String,
}

/// Why it cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum KeygenError {
    /// It is not there, or cannot be started.
    #[error("cannot run `ssh-keygen`")]
    NotStarted {
        /// Why.
        source: io::Error,
    },
    /// It was started, and did not end as it should.
    #[error("`ssh-keygen` did not end: {why}")]
    Broken {
        /// How.
        why: String,
    },
    /// It did not sign.
    #[error("`ssh-keygen` did not sign with {key}")]
    NotSigned {
        /// The key.
        key: String,
    },
}

impl KeygenError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            KeygenError::NotStarted { .. } => "install the client of OpenSSH, 8.2 or later",
            KeygenError::Broken { .. } => return None,
            KeygenError::NotSigned { .. } => {
                "what it said stands above; a public key does where its private one is in your agent"
            }
        };
        Some(hint.to_owned())
    }
}

/// Signs these bytes, for this purpose ([`super::NAMESPACE`], [`super::HEAD_NAMESPACE`]). ssh-keygen asks for a passphrase, or
/// for a touch, on the terminal itself.
///
/// # Errors
/// When it cannot be run or does not sign; then it said why on stderr.
pub async fn sign(key: &Path, namespace: &str, bytes: &[u8]) -> Result<Vec<u8>, KeygenError> {
    let words = [
        OsStr::new("-Y"),
        "sign".as_ref(),
        "-n".as_ref(),
        namespace.as_ref(),
        "-f".as_ref(),
        key.as_ref(),
    ];
    let ended = run(&words, bytes, Stdio::inherit()).await?;
    match ended.status.success() && !ended.stdout.is_empty() {
        true => Ok(ended.stdout),
        false => Err(KeygenError::NotSigned {
            key: HostBytes::new(key.as_os_str().as_encoded_bytes()).to_string(),
        }),
    }
}

/// Asks one of the questions of `-Y` about bytes.
pub(super) async fn ask(question: &str, words: &[&OsStr], bytes: &[u8]) -> Result<Said, KeygenError> {
    let words: Vec<&OsStr> = [OsStr::new("-Y"), question.as_ref()]
        .iter()
        .chain(words)
        .copied()
        .collect();
    let ended = tokio::time::timeout(LONGEST, run(&words, bytes, Stdio::piped())).await;
    let ended = ended.map_err(|_| KeygenError::Broken {
        why: format!("it still ran after {} s", LONGEST.as_secs()),
    })??;
    if ended.status.code().is_none() {
        let why = ended.status.to_string();
        return Err(KeygenError::Broken { why });
    }
    let err = String::from_utf8_lossy(&ended.stderr);
    let why = err
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("it said nothing");
    Ok(Said {
        yes: ended.status.success(),
        out: String::from_utf8_lossy(&ended.stdout).into_owned(),
        why: HostBytes::from(why.trim()).to_string(),
    })
}

async fn run(words: &[&OsStr], bytes: &[u8], stderr: Stdio) -> Result<std::process::Output, KeygenError> {
    let mut child = Command::new(PROGRAM)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| KeygenError::NotStarted { source })?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not want to know more has an answer already.
        let _ = stdin.write_all(bytes).await;
    }
    let ended = child.wait_with_output().await;
    ended.map_err(|error| KeygenError::Broken { why: error.to_string() })
}
