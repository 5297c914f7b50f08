//! How a host is reached.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a host is reached. Every name and path in it has passed [`name`](super::name).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// It is this machine.
    Local,
    /// In memory: `infected`, `clean`, or the file of a world.
    Simulated(String),
    /// Over ssh(1).
    Ssh(Ssh),
}

/// What ssh(1) is told. What is `None` or empty is left to ssh_config(5) and ssh's own defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ssh {
    /// A name of the domain name system or of ssh_config, or an address; IPv6 without brackets.
    pub address: String,
    /// Whom to log in as.
    pub user: Option<String>,
    /// Never 0.
    pub port: Option<u16>,
    /// The private key, or the certificate beside it.
    pub key: Option<PathBuf>,
    /// The hosts to go through, the first reached directly. `Some` and empty: none, whatever ssh_config says.
    pub jump: Option<Vec<Hop>>,
    /// Used in place of `~/.ssh/config` and `/etc/ssh/ssh_config`.
    pub ssh_config: Option<PathBuf>,
    /// The socket of a ControlMaster that the operator opened; may hold the tokens of `ControlPath` in ssh_config(5).
    pub control_path: Option<PathBuf>,
    /// How to become root.
    pub become_root: Become,
    /// How long the connection may take to be made.
    pub connect_timeout: Option<Duration>,
}

/// How the worker becomes root on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Become {
    /// Not at all: it runs as who logged in.
    #[default]
    No,
    /// By sudo(8).
    Sudo,
}

/// A host on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hop {
    /// Whom to log in as there.
    pub user: Option<String>,
    /// Where it is; IPv6 without brackets.
    pub address: String,
    /// Never 0.
    pub port: Option<u16>,
}

impl Ssh {
    /// The hops as `-J` of ssh(1) takes them, `a@one:2222,two`; `none` where there are none on purpose.
    pub fn jump_text(&self) -> Option<String> {
        let hops = self.jump.as_deref()?;
        if hops.is_empty() {
            return Some("none".to_owned());
        }
        let hops: Vec<String> = hops.iter().map(Hop::to_string).collect();
        Some(hops.join(","))
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match (self.address.contains(':'), self.port) {
            (true, _) => write!(f, "[{}]", self.address)?,
            (false, _) => f.write_str(&self.address)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reach::Local => f.write_str("local"),
            Reach::Simulated(world) => write!(f, "simulated:{world}"),
            Reach::Ssh(ssh) => {
                let end = Hop {
                    user: ssh.user.clone(),
                    address: ssh.address.clone(),
                    port: ssh.port,
                };
                write!(f, "ssh {end}")
            }
        }
    }
}
