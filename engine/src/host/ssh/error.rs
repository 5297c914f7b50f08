//! Why a host was not reached: one situation each, with what to do.

use deminer_worker::query::{HostError, Obstacle};
use deminer_worker::stamp;
use deminer_worker::text::HostBytes;

/// The bytes of a host's or of ssh's words that a message shows.
const SHOWN_BYTES: usize = 300;

/// Why there is no worker on a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshError {
    /// The program ssh could not be started.
    #[error("cannot start `{program}`: {why}")]
    NoSsh {
        /// The program.
        program: String,
        /// The kernel's word.
        why: String,
    },
    /// Our own private directory could not be made.
    #[error("cannot make the private directory for ssh below `{place}`: {why}")]
    NoPlace {
        /// Where.
        place: String,
        /// The kernel's word, or why it does not fit.
        why: String,
    },
    /// The name has no address.
    #[error("the name of the host has no address: {said}")]
    NoAddress {
        /// Ssh's words.
        said: String,
    },
    /// Nothing answered, or it closed the connection before a login.
    #[error("no connection: {said}")]
    NoConnection {
        /// Ssh's words.
        said: String,
    },
    /// It took too long.
    #[error("{doing} took longer than {limit_s} s")]
    TimedOut {
        /// What.
        doing: &'static str,
        /// The limit.
        limit_s: u64,
    },
    /// The host's key is in no file that ssh reads.
    #[error("the host's key is not known: {said}")]
    KeyUnknown {
        /// Ssh's words.
        said: String,
        /// What ssh-keyscan and ssh-keygen are told: host, and port if it is another than 22.
        place: String,
    },
    /// The host's key is another than the one on file, or was revoked.
    #[error("the host's key is another than the one on file: {said}")]
    KeyChanged {
        /// Ssh's words.
        said: String,
        /// As in [`Self::KeyUnknown`].
        place: String,
    },
    /// No key or certificate was taken.
    #[error("the login was refused: {said}")]
    LoginRefused {
        /// Ssh's words.
        said: String,
    },
    /// The two ends have no algorithm in common, or ssh does not know one of those that were asked for.
    #[error("ssh and the host do not come to terms: {said}")]
    NoTerms {
        /// Ssh's words.
        said: String,
    },
    /// The ssh_config cannot be read as it is.
    #[error("ssh refuses its configuration: {said}")]
    BadConfig {
        /// Ssh's words.
        said: String,
    },
    /// The master that the user named is not there.
    #[error("no ssh master answers on `{path}`")]
    NoMaster {
        /// Its socket.
        path: String,
    },
    /// The host opens no channel, or no command on it.
    #[error("the host refused to start a command: {said}")]
    NoChannel {
        /// The master's words.
        said: String,
    },
    /// Something else than our command runs.
    #[error("the account does not run our command{}", said_of(.said))]
    OtherCommand {
        /// What it said instead.
        said: String,
    },
    /// sudo wants a password, and there is none.
    #[error("sudo asks for a password")]
    SudoPassword,
    /// sudo did not take the password.
    #[error("sudo did not take the password")]
    SudoWrongPassword,
    /// sudo does not let this account become root, or not in this way.
    #[error("sudo refuses{}", said_of(.said))]
    SudoRefused {
        /// Its words.
        said: String,
    },
    /// There is no sudo.
    #[error("the host has no sudo")]
    NoSudo,
    /// No directory takes a program and lets it run.
    #[error("no directory on the host takes a program and lets it run: tried {tried}")]
    NoDirectory {
        /// Which were tried.
        tried: String,
    },
    /// The file system is full.
    #[error("the worker's {bytes} bytes do not fit into `{directory}`{}", said_of(.said))]
    Full {
        /// Where.
        directory: String,
        /// The worker's size.
        bytes: u64,
        /// The host's words.
        said: String,
    },
    /// What arrived is not what was sent.
    #[error("the worker did not arrive whole in `{directory}`")]
    Damaged {
        /// Where.
        directory: String,
    },
    /// The host does not run the worker though the directory would let it.
    #[error("the host does not let the worker run{}", said_of(.said))]
    Blocked {
        /// The host's words.
        said: String,
    },
    /// There is no worker for this kind of machine.
    #[error("the host is `{}`, and there is no worker for it", .machine.escape_debug())]
    NoWorker {
        /// As uname(1) says.
        machine: String,
        /// Where a worker was looked for.
        folder: String,
    },
    /// The worker's file on our side cannot be used.
    #[error("cannot use the worker `{path}`: {why}")]
    BadWorker {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// The worker's file on our side is not of this command's version.
    #[error("the worker `{path}` is of another version ({}) than this command ({})", stamped(.found.as_deref()), stamped(Some(stamp::OWN)))]
    OtherVersion {
        /// The file.
        path: String,
        /// Its stamp; `None` where it has none.
        found: Option<String>,
    },
    /// The link ended before the worker spoke.
    #[error("the link ended {during}{}", said_of(.said))]
    Ended {
        /// What was going on.
        during: &'static str,
        /// The last words.
        said: String,
    },
}

/// Words of a host or of ssh for a message: one line, escaped, bounded.
pub(super) fn words(bytes: &[u8]) -> String {
    let line: Vec<&[u8]> = bytes
        .split(|byte| *byte == b'\n' || *byte == b'\r')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .collect();
    let mut line = line.join(&b"; "[..]);
    if line.len() > SHOWN_BYTES {
        line.truncate(SHOWN_BYTES);
        line.extend_from_slice(b"...");
    }
    HostBytes::new(line).to_string()
}

fn said_of(said: &str) -> String {
    match said {
        "" => String::new(),
        said => format!(": {said}"),
    }
}

/// A stamp for a message.
fn stamped(stamp: Option<&str>) -> &str {
    match stamp {
        Some(stamp) => stamp.trim_start_matches(stamp::BEGINNING).trim_end_matches(';'),
        None => "it does not say which",
    }
}

impl SshError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            SshError::NoSsh { .. } => "install the OpenSSH client".to_owned(),
            SshError::NoPlace { .. } => "a short, writable directory is needed: set XDG_RUNTIME_DIR or TMPDIR".to_owned(),
            SshError::NoAddress { .. } => "check the name, or give its address as `HostName` in your ssh_config".to_owned(),
            SshError::NoConnection { .. } | SshError::TimedOut { .. } => {
                "check that the host is up, its port, and the way to it; `ssh -v` to it says more".to_owned()
            }
            SshError::KeyUnknown { place, .. } => format!(
                "fetch the key with `ssh-keyscan {place}`, compare its fingerprint (`ssh-keygen -lf -`) with what the host's \
                 console or its owner says, then add it to known_hosts; never take it unseen during an incident"
            ),
            SshError::KeyChanged { place, .. } => format!(
                "somebody may sit in between, or the host was set up anew: ask its owner for the fingerprint on another way; if \
                 it is right, remove the old key with `ssh-keygen -R {}` and add the new one",
                keygen_place(place)
            ),
            SshError::LoginRefused { .. } => {
                "name the account as `user@host` and load its key into your agent; a login that asks for something needs a \
                 master that you open yourself (`ssh -M -S SOCKET`), named as the host's control path"
                    .to_owned()
            }
            SshError::NoTerms { .. } => {
                "an old host may need older algorithms: allow them for this host in your ssh_config".to_owned()
            }
            SshError::BadConfig { .. } => "`ssh -G` with the same configuration shows the line".to_owned(),
            SshError::NoMaster { path } => format!("open it with `ssh -M -S {path} -N HOST`"),
            SshError::NoChannel { .. } => {
                "the account must be allowed a session without a terminal; MaxSessions must not be 0".to_owned()
            }
            SshError::OtherCommand { .. } => "a forced command (`command=` in authorized_keys, ForceCommand in sshd_config) or a \
                                              restricted shell stands in the way: use another key or account"
                .to_owned(),
            SshError::SudoPassword => {
                "give the password for sudo, or allow the account `NOPASSWD`, or log in as root".to_owned()
            }
            SshError::SudoWrongPassword => "check the password of the account on this host".to_owned(),
            SshError::SudoRefused { .. } => {
                "the account must be allowed to run /bin/sh as root without a terminal (no `requiretty`)".to_owned()
            }
            SshError::NoSudo => "log in as root for this host".to_owned(),
            SshError::NoDirectory { .. } => {
                "name a directory on a file system without `noexec`, where the account may write".to_owned()
            }
            SshError::Full { .. } => "make room there, or name another directory for the worker".to_owned(),
            SshError::Damaged { .. } => "try again; if it stays, suspect the host's disk or memory, or its programs".to_owned(),
            SshError::Blocked { .. } => {
                "SELinux, fapolicyd, AppArmor or an agent refuses unknown programs: allow the worker's SHA-256 there for the \
                 incident"
                    .to_owned()
            }
            SshError::NoWorker { machine, folder } => format!(
                "build `deminer-worker` for it and put it as `deminer-worker-{}` into `{folder}`",
                machine.escape_debug()
            ),
            SshError::BadWorker { .. } => "build it anew: `cargo build --profile worker -p deminer-worker`".to_owned(),
            SshError::OtherVersion { path, .. } => format!(
                "put the `deminer-worker` that came with this command there, or build it anew (`cargo build --profile worker -p \
                 deminer-worker`); without `{path}` the command sends itself"
            ),
            SshError::Ended { .. } => return None,
        };
        Some(hint)
    }

    /// Whether trying again may help: nothing was refused, only not reached.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, SshError::NoConnection { .. })
            || matches!(self, SshError::NoAddress { said } if said.contains("Temporary failure"))
    }

    fn obstacle(&self) -> Obstacle {
        match self {
            SshError::NoSsh { .. }
            | SshError::NoPlace { .. }
            | SshError::BadWorker { .. }
            | SshError::OtherVersion { .. }
            | SshError::BadConfig { .. } => Obstacle::OurSide,
            SshError::NoAddress { .. }
            | SshError::NoConnection { .. }
            | SshError::TimedOut { .. }
            | SshError::NoTerms { .. }
            | SshError::NoMaster { .. }
            | SshError::Ended { .. } => Obstacle::Connection,
            SshError::KeyUnknown { .. } => Obstacle::KeyUnknown,
            SshError::KeyChanged { .. } => Obstacle::KeyChanged,
            SshError::LoginRefused { .. } => Obstacle::Login,
            SshError::NoChannel { .. } | SshError::OtherCommand { .. } => Obstacle::Command,
            SshError::SudoPassword | SshError::SudoWrongPassword | SshError::SudoRefused { .. } | SshError::NoSudo => {
                Obstacle::Sudo
            }
            SshError::NoDirectory { .. } => Obstacle::Directory,
            SshError::Full { .. } | SshError::Damaged { .. } => Obstacle::Disk,
            SshError::Blocked { .. } => Obstacle::Blocked,
            SshError::NoWorker { .. } => Obstacle::Machine,
        }
    }
}

impl From<SshError> for HostError {
    fn from(error: SshError) -> HostError {
        HostError::NotReached {
            obstacle: error.obstacle(),
            why: error.to_string(),
            hint: error.hint(),
        }
    }
}

/// What `ssh-keygen -R` is told for what `ssh-keyscan` is told.
fn keygen_place(place: &str) -> String {
    match place.strip_prefix("-p ").and_then(|rest| rest.split_once(' ')) {
        Some((port, host)) => format!("'[{host}]:{port}'"),
        None => place.to_owned(),
    }
}

/// Whether the host's gzip met something else than was sent, rather than a disk that takes no more (its sources `gzip.c`,
/// `inflate.c`, `unzip.c`; the script asks for untranslated words).
pub(super) fn is_damage(said: &str) -> bool {
    let words = [
        "invalid compressed data",
        "not in gzip format",
        "unexpected end of file",
        "crc error",
        "decompression OK, trailing",
    ];
    words.iter().any(|word| said.contains(word)) && !said.contains("No space left")
}

/// How lines begin that are no message.
const DEBUG: &str = "debug1: ";

/// How the line begins in which a talkative ssh names itself.
const VERSION: &str = "OpenSSH_";

/// The key that the host showed, kind and fingerprint (`sshconnect.c`, `verify_host_key`). Those of jump hosts come first.
pub(super) fn host_key(log: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(log);
    let shown = text.lines().rev().find_map(|line| {
        let line = line.strip_prefix(DEBUG)?;
        line.strip_prefix("Server host key: ")
            .or_else(|| line.strip_prefix("Server host certificate: "))
    })?;
    let mut words = shown.split([' ', ',']);
    let key = format!("{} {}", words.next()?, words.next()?);
    (key.len() <= SHOWN_BYTES).then(|| self::words(key.as_bytes()))
}

/// What ssh's last words mean when it ended before it was connected (ssh(1), its sources `sshconnect.c`, `sshconnect2.c`,
/// `kex.c`, `packet.c`, `readconf.c`; the words are the same since OpenSSH 6 and are not translated).
pub(super) fn meaning(log: &[u8], place: &str) -> SshError {
    let text = String::from_utf8_lossy(log);
    let told = text
        .lines()
        .filter(|line| !line.starts_with(DEBUG) && !line.starts_with(VERSION));
    let text = told.collect::<Vec<_>>().join("\n");
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    // Where ssh says under which name it looked for the key, that is the one that counts: aliases have others.
    let place = looked_for(&text).map_or_else(|| place.to_owned(), |name| scan_place(&name));
    if has(&[
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "REVOKED HOST KEY DETECTED",
        "is revoked by file",
    ]) {
        let said = line_with(&text, &["SHA256:", "Offending", "revoked"]);
        return SshError::KeyChanged { said, place };
    }
    if has(&["Host key verification failed", "host key is known for"]) {
        let said = line_with(&text, &["host key is known for", "Host key verification failed"]);
        return SshError::KeyUnknown { said, place };
    }
    let said = last_words(&text);
    if has(&["Could not resolve hostname"]) {
        return SshError::NoAddress {
            said: line_with(&text, &["Could not resolve"]),
        };
    }
    if has(&[
        "Permission denied (",
        "Too many authentication failures",
        "No more authentication methods",
    ]) {
        return SshError::LoginRefused {
            said: line_with(
                &text,
                &[
                    "Permission denied (",
                    "Too many authentication",
                    "No more authentication",
                ],
            ),
        };
    }
    if has(&["Unable to negotiate", "Unsupported KEX", "no matching "]) {
        return SshError::NoTerms { said };
    }
    if has(&[
        "Bad configuration option",
        "Bad owner or permissions",
        "terminating,",
        "Bad SSH2 ",
        "Can't open user config",
    ]) {
        return SshError::BadConfig { said };
    }
    SshError::NoConnection { said }
}

/// The name under which ssh looked for the host's key.
fn looked_for(text: &str) -> Option<String> {
    let between = |before: &str, after: &str| {
        let rest = &text[text.find(before)? + before.len()..];
        Some(rest[..rest.find(after)?].to_owned())
    };
    let name =
        between("host key is known for ", " and you have").or_else(|| between("Host key for ", " has changed"))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"[]:._-%".contains(&byte);
    name.bytes().all(plain).then_some(name)
}

/// What ssh-keyscan is told for a name of known_hosts, `host` or `[host]:port` (sshd(8)).
fn scan_place(name: &str) -> String {
    match name.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        Some((host, port)) => format!("-p {port} {host}"),
        None => name.to_owned(),
    }
}

/// The first line that holds one of the words, the words in order of their worth.
fn line_with(text: &str, words: &[&str]) -> String {
    let found = words
        .iter()
        .find_map(|word| text.lines().find(|line| line.contains(word)));
    self::words(found.unwrap_or_default().as_bytes())
}

/// The last two lines.
fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(2);
    match lines[from..].join("\n") {
        none if none.is_empty() => "ssh ended without a word".to_owned(),
        said => words(said.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are those of OpenSSH 9.2.
    #[test]
    fn ssh_is_understood() {
        const CHANGED: &str = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r\n\
            @    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n\
            The fingerprint for the ED25519 key sent by the remote host is\r\nSHA256:YghQgh4TE05n3MeQ.\r\n\
            Host key for [127.0.0.1]:2222 has changed and you have requested strict checking.\r\n\
            Host key verification failed.\r\n";
        const UNKNOWN: &str = "No ED25519 host key is known for web-1 and you have requested strict checking.\r\n\
            Host key verification failed.\r\n";
        let rows: [(&str, &str, Obstacle, bool); 12] = [
            ("changed", CHANGED, Obstacle::KeyChanged, false),
            ("unknown", UNKNOWN, Obstacle::KeyUnknown, false),
            (
                "login",
                "root@web: Permission denied (publickey).\r\n",
                Obstacle::Login,
                false,
            ),
            (
                "tries",
                "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\r\n",
                Obstacle::Login,
                false,
            ),
            (
                "name",
                "ssh: Could not resolve hostname web: Name or service not known\r\n",
                Obstacle::Connection,
                false,
            ),
            (
                "resolver",
                "ssh: Could not resolve hostname web: Temporary failure in name resolution\r\n",
                Obstacle::Connection,
                true,
            ),
            (
                "refused",
                "ssh: connect to host web port 22: Connection refused\r\n",
                Obstacle::Connection,
                true,
            ),
            (
                "silent",
                "ssh: connect to host web port 22: Connection timed out\r\n",
                Obstacle::Connection,
                true,
            ),
            (
                "full",
                "kex_exchange_identification: Connection closed by remote host\r\n",
                Obstacle::Connection,
                true,
            ),
            (
                "old",
                "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa\r\n",
                Obstacle::Connection,
                false,
            ),
            (
                "option",
                "/home/a/config: line 3: Bad configuration option: nonsense\r\n",
                Obstacle::OurSide,
                false,
            ),
            ("nothing", "", Obstacle::Connection, true),
        ];
        for (name, log, obstacle, passing) in rows {
            let error = meaning(log.as_bytes(), "web");
            assert_eq!(
                (error.obstacle(), error.is_passing()),
                (obstacle, passing),
                "{name}: {error}"
            );
            assert!(!error.to_string().ends_with([':', ' ']), "{name}: {error}");
        }
    }

    #[test]
    fn the_key_of_the_last_host_is_the_hosts() {
        let log = b"debug1: Server host key: ssh-rsa SHA256:jump\r\ndebug1: x\r\n\
            debug1: Server host key: ssh-ed25519 SHA256:Ygh/+4\r\ndebug1: load_hostkeys: y\r\n";
        assert_eq!(host_key(log).as_deref(), Some("ssh-ed25519 SHA256:Ygh/+4"));
        let log = b"debug1: Server host certificate: ssh-ed25519-cert-v01@openssh.com SHA256:Ab, serial 1 ID \"h\"\r\n";
        assert_eq!(
            host_key(log).as_deref(),
            Some("ssh-ed25519-cert-v01@openssh.com SHA256:Ab")
        );
        assert_eq!(host_key(b"Server host key: ssh-rsa SHA256:x\r\n"), None);
    }

    #[test]
    fn what_gzip_says_of_other_bytes_and_of_a_full_disk() {
        let rows = [
            ("gzip: stdin: invalid compressed data--format violated", true),
            ("gzip: stdin: not in gzip format", true),
            ("gzip: stdin: unexpected end of file", true),
            ("gzip: stdout: No space left on device", false),
            (
                "head: error writing: No space left on device; gzip: stdin: unexpected end of file",
                false,
            ),
            ("", false),
        ];
        for (said, expected) in rows {
            assert_eq!(is_damage(said), expected, "{said}");
        }
    }

    #[test]
    fn how_ssh_names_itself_is_no_message() {
        let log =
            b"OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.19\r\nssh: connect to host 192.0.2.1 port 22: Connection refused\r\n";
        let error = meaning(log, "web-1").to_string();
        assert!(
            error.contains("Connection refused") && !error.contains("OpenSSL"),
            "{error}"
        );
    }

    #[test]
    fn what_to_do_names_the_key_as_ssh_looked_for_it() {
        let log = b"No ED25519 host key is known for [10.0.0.1]:2222 and you have requested strict checking.\r\n";
        let hint = meaning(log, "alias").hint().unwrap();
        assert!(hint.contains("`ssh-keyscan -p 2222 10.0.0.1`"), "{hint}");
        let log =
            b"WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\r\nHost key for [10.0.0.1]:2222 has changed and you";
        let hint = meaning(log, "alias").hint().unwrap();
        assert!(hint.contains("ssh-keygen -R '[10.0.0.1]:2222'"), "{hint}");
    }

    #[test]
    fn words_of_others_are_one_bounded_escaped_line() {
        let said = words(b"a\x1b[31m\r\n\n  b\xff\n");
        assert_eq!(said, "a\\x1b[31m; b\\xff");
        assert!(words(&[b'x'; 10_000]).len() < 400);
    }
}
