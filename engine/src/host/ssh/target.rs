//! One host that is reached over SSH: what is known of it before the first packet.

use std::fmt;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a name may be: of a host (RFC 1035), and of what else comes into a command line of ssh.
const NAME_BYTES: usize = 255;

/// How a host is reached. What is `None` is left to the user's ssh_config, and what that does not say to ssh itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshTarget {
    /// A host name, an address, or an alias of the user's ssh_config.
    pub destination: String,
    /// The account to log in as.
    pub user: Option<String>,
    /// The port.
    pub port: Option<NonZeroU16>,
    /// An identity file; then no other key is offered. `~` and the tokens of ssh_config(5) are ssh's to expand.
    pub key: Option<PathBuf>,
    /// Jump hosts in the order of the way, `[user@]host[:port]`, separated by commas; `none` goes without those of the
    /// ssh_config.
    pub jump: Option<String>,
    /// Read instead of `~/.ssh/config` and `/etc/ssh/ssh_config`.
    pub ssh_config: Option<PathBuf>,
    /// Read instead of `~/.ssh/known_hosts`.
    pub known_hosts: Option<PathBuf>,
    /// The name that the host's key is filed under, where it is another than the destination.
    pub host_key_alias: Option<String>,
    /// The socket of a master that the user opened (`ssh -M -S SOCKET`). Then nothing is logged in anew: the options above
    /// have no effect, and the master is left open.
    pub control_path: Option<PathBuf>,
    /// Whose power the worker has.
    pub r#become: Become,
    /// How long reaching and logging in may take, each time that it is tried.
    pub connect_timeout: Duration,
    /// How often a silent host is asked whether it is there; after three times without an answer the link is lost.
    pub keepalive: Duration,
    /// Key exchanges, as `KexAlgorithms` of ssh_config(5) has them: `^curve25519-sha256` prefers one. `None` is ssh's own
    /// choice, which costs more and also holds against an eavesdropper who keeps the traffic for a quantum computer.
    pub kex: Option<String>,
    /// Whether the worker is sent as it is even where the host could unpack it: more bytes, less CPU there.
    pub plain_upload: bool,
    /// Whether the connection is compressed: a worker is then 1.7 MB on the wire instead of 3.8, and costs some 100 ms more of
    /// CPU. For links slower than about 100 Mbit/s.
    pub compress: bool,
    /// Directories to try for the worker, absolute; none are those of [`super::DIRECTORIES`].
    pub directories: Vec<PathBuf>,
}

/// Whose power a worker has on its host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Become {
    /// That of the account.
    #[default]
    No,
    /// That of root, by sudo(8): asked once, for the shell that receives the worker.
    Sudo {
        /// The account's password. `None` is a host where sudo asks for none.
        password: Option<Secret>,
    },
}

/// A text that no message, event or debug print shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides it.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a host is not even tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It could be read as an option of ssh, a word of a shell, or more than one word.
    #[error("{what} `{}` is refused: {why}", .text.escape_debug())]
    Refused {
        /// What it was to be.
        what: &'static str,
        /// What it says.
        text: String,
        /// By which rule.
        why: &'static str,
    },
    /// The port is none.
    #[error("port `{}` is refused: a port is a number from 1 to 65535", .text.escape_debug())]
    Port {
        /// What it says.
        text: String,
    },
}

impl TargetError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            TargetError::Refused {
                what: "host" | "host key alias",
                ..
            } => "give the host an alias of letters, digits, `.`, `-` and `_` in your ssh_config, and name that",
            TargetError::Refused { what: "user", .. } => {
                "set `User` for this host in your ssh_config, where any name is possible"
            }
            TargetError::Refused { what: "jump host", .. } => {
                "a jump host is `[user@]host[:port]`; several are separated by `,`"
            }
            TargetError::Refused {
                what: "key exchange", ..
            } => "`ssh -Q kex` lists them; `^curve25519-sha256` prefers one",
            TargetError::Refused { .. } | TargetError::Port { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl SshTarget {
    /// A host of which only the destination is known.
    pub fn new(destination: impl Into<String>) -> SshTarget {
        SshTarget {
            destination: destination.into(),
            user: None,
            port: None,
            key: None,
            jump: None,
            ssh_config: None,
            known_hosts: None,
            host_key_alias: None,
            control_path: None,
            r#become: Become::No,
            connect_timeout: Duration::from_secs(15),
            keepalive: Duration::from_secs(15),
            kex: None,
            plain_upload: false,
            compress: false,
            directories: Vec::new(),
        }
    }

    /// The host that a word names: `[user@]host` or `ssh://[user@]host[:port]`; an address of IPv6 stands in `[]` where a
    /// port may follow.
    ///
    /// # Errors
    /// When a part of it is refused, see [`Self::check`].
    pub fn parse(word: &str) -> Result<SshTarget, TargetError> {
        let (user, host, port) = match word.strip_prefix("ssh://") {
            Some(rest) => address(rest.strip_suffix('/').unwrap_or(rest))?,
            None => {
                let (user, host) = account(word);
                (user, host.to_owned(), None)
            }
        };
        let target = SshTarget {
            user,
            port,
            ..SshTarget::new(host)
        };
        target.check()?;
        Ok(target)
    }

    /// Whether every part is what it is to be and nothing else. Nothing is started for a target that fails here.
    ///
    /// # Errors
    /// The first part that could be read as an option, as a word of a shell, or as more than one word.
    pub fn check(&self) -> Result<(), TargetError> {
        name("host", &self.destination)?;
        if let Some(user) = &self.user {
            self::user(user)?;
        }
        if let Some(alias) = &self.host_key_alias {
            name("host key alias", alias)?;
        }
        if let Some(jump) = &self.jump {
            for hop in jump.split(',') {
                let refused = |_| refused("jump host", hop, "it is not `[user@]host[:port]`");
                let (user, host, _) = address(hop.strip_prefix("ssh://").unwrap_or(hop)).map_err(refused)?;
                name("jump host", &host).map_err(refused)?;
                user.as_deref().map_or(Ok(()), self::user).map_err(refused)?;
            }
        }
        if let Some(kex) = &self.kex {
            let algorithm = |byte: u8| byte.is_ascii_alphanumeric() || b"@.,-+^".contains(&byte);
            let fits = !kex.is_empty() && kex.len() <= 1024 && kex.bytes().all(algorithm);
            if !fits {
                return Err(refused("key exchange", kex, "it is no list of algorithms"));
            }
        }
        let files = [
            ("key file", &self.key),
            ("ssh_config", &self.ssh_config),
            ("known_hosts", &self.known_hosts),
            ("control socket", &self.control_path),
        ];
        for (what, path) in files {
            path.as_deref().map_or(Ok(()), |path| file(what, path))?;
        }
        self.directories.iter().try_for_each(|path| directory(path))
    }
}

/// As one would type it to ssh; nothing of keys or passwords.
impl fmt::Display for SshTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) => write!(f, "{} port {port}", self.destination),
            None => f.write_str(&self.destination),
        }
    }
}

fn refused(what: &'static str, text: &str, why: &'static str) -> TargetError {
    TargetError::Refused {
        what,
        text: text.to_owned(),
        why,
    }
}

/// `[user@]host`: an account may hold an `@`, a host may not.
fn account(word: &str) -> (Option<String>, &str) {
    match word.rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host),
        None => (None, word),
    }
}

/// `[user@]host[:port]` and `[user@][address][:port]`.
fn address(word: &str) -> Result<(Option<String>, String, Option<NonZeroU16>), TargetError> {
    let (user, place) = account(word);
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or(rest))),
        None => match place.rsplit_once(':') {
            // More than one colon and no brackets: an address of IPv6 without a port.
            Some((host, port)) if !host.contains(':') => (host, Some(port)),
            _ => (place, None),
        },
    };
    let number = |text: &str| text.parse().map_err(|_| TargetError::Port { text: text.to_owned() });
    Ok((user, host.to_owned(), port.map(number).transpose()?))
}

fn name(what: &'static str, text: &str) -> Result<(), TargetError> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:%+".contains(&byte);
    word(what, text, inner)
}

fn user(text: &str) -> Result<(), TargetError> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte);
    word("user", text, inner)
}

/// One word that begins like a name.
fn word(what: &'static str, text: &str, inner: fn(u8) -> bool) -> Result<(), TargetError> {
    let beginning = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b':';
    let why = match text.as_bytes().first() {
        None => "it is empty",
        Some(b'-') => "it begins like an option",
        Some(_) if text.len() > NAME_BYTES => "it is longer than 255 bytes",
        Some(first) if !beginning(first) => "it does not begin with a letter or a digit",
        Some(_) if !text.bytes().all(inner) => "it holds what no name holds, or what a shell or ssh would read",
        Some(_) => return Ok(()),
    };
    Err(refused(what, text, why))
}

/// A path that stays one word in a line of an ssh_config.
fn file(what: &'static str, path: &Path) -> Result<(), TargetError> {
    let shown = path.to_string_lossy();
    let why = match path.to_str() {
        None => "it is not UTF-8",
        Some("") => "it is empty",
        Some(text) if text.starts_with('-') => "it begins like an option",
        Some(text) if text.chars().any(|c| c.is_control() || c == '"' || c == '\\') => {
            "it holds a quote, a backslash or a control character"
        }
        Some(_) => return Ok(()),
    };
    Err(refused(what, &shown, why))
}

/// A directory on the host that stays one word in the script.
fn directory(path: &Path) -> Result<(), TargetError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    match path.to_str() {
        Some(text) if text.starts_with('/') && text.bytes().all(plain) => Ok(()),
        _ => Err(refused(
            "directory",
            &path.to_string_lossy(),
            "it is not absolute, or holds what a shell would read",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_hosts() {
        type Row = (&'static str, Option<&'static str>, &'static str, Option<u16>);
        let rows: [Row; 10] = [
            ("web-1", None, "web-1", None),
            ("root@web-1", Some("root"), "web-1", None),
            (
                "a@example.org@web-1.example",
                Some("a@example.org"),
                "web-1.example",
                None,
            ),
            ("root@2001:db8::7", Some("root"), "2001:db8::7", None),
            ("ssh://web-1", None, "web-1", None),
            ("ssh://root@web-1:2222", Some("root"), "web-1", Some(2222)),
            ("ssh://root@web-1:2222/", Some("root"), "web-1", Some(2222)),
            ("ssh://root@[2001:db8::7]:22", Some("root"), "2001:db8::7", Some(22)),
            ("ssh://[::1]", None, "::1", None),
            ("ssh://fe80::1%eth0", None, "fe80::1%eth0", None),
        ];
        for (word, user, host, port) in rows {
            let target = SshTarget::parse(word).expect(word);
            let found = (target.user.as_deref(), target.destination.as_str());
            assert_eq!(found, (user, host), "{word}");
            assert_eq!(target.port.map(NonZeroU16::get), port, "{word}");
        }
    }

    #[test]
    fn what_could_be_read_otherwise_is_refused() {
        let words = [
            "",
            "root@",
            "@web",
            "-oProxyCommand=id",
            "root@-oProxyCommand=id",
            "-l@web",
            "web 1",
            "web;id",
            "web|id",
            "web$(id)",
            "web`id`",
            "web&id",
            "we'b",
            "we\"b",
            "we\\b",
            "web\n",
            "web\u{1b}[0m",
            "../web",
            "wéb",
            "ssh://web:0",
            "ssh://web:65536",
            "ssh://web:",
            "ssh://web:22x",
            "ssh://[::1]x",
            "ssh://web/path",
            "~root@web",
        ];
        for word in words {
            assert!(SshTarget::parse(word).is_err(), "{word:?}");
        }
    }

    #[test]
    fn every_part_is_looked_at() {
        let good = SshTarget {
            jump: Some("a@bastion:2222,[2001:db8::1]:22,inner".to_owned()),
            kex: Some("^curve25519-sha256,curve25519-sha256@libssh.org".to_owned()),
            key: Some("~/.ssh/id with a space".into()),
            directories: vec!["/dev/shm".into()],
            ..SshTarget::new("web")
        };
        assert_eq!(good.check(), Ok(()));
        let bad = [
            (
                "a jump host that is an option",
                SshTarget {
                    jump: Some("a,-oX=y".to_owned()),
                    ..good.clone()
                },
            ),
            (
                "a jump host that is a command",
                SshTarget {
                    jump: Some("a;id".to_owned()),
                    ..good.clone()
                },
            ),
            (
                "an empty jump host",
                SshTarget {
                    jump: Some("a,".to_owned()),
                    ..good.clone()
                },
            ),
            (
                "a line of its own",
                SshTarget {
                    kex: Some("x\nProxyCommand id".to_owned()),
                    ..good.clone()
                },
            ),
            (
                "a key that is an option",
                SshTarget {
                    key: Some("-oX".into()),
                    ..good.clone()
                },
            ),
            (
                "a quote",
                SshTarget {
                    ssh_config: Some("a\"b".into()),
                    ..good.clone()
                },
            ),
            (
                "a line in a path",
                SshTarget {
                    known_hosts: Some("a\nb".into()),
                    ..good.clone()
                },
            ),
            (
                "a relative directory",
                SshTarget {
                    directories: vec!["tmp".into()],
                    ..good.clone()
                },
            ),
            (
                "a directory for a shell",
                SshTarget {
                    directories: vec!["/tmp/$(id)".into()],
                    ..good.clone()
                },
            ),
            (
                "an alias",
                SshTarget {
                    host_key_alias: Some("-a".to_owned()),
                    ..good
                },
            ),
        ];
        for (name, target) in bad {
            assert!(target.check().is_err(), "{name}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let target = SshTarget {
            r#become: Become::Sudo {
                password: Some(Secret::new("hunter2")),
            },
            ..SshTarget::new("web")
        };
        assert!(!format!("{target:?} {target}").contains("hunter2"));
    }
}
