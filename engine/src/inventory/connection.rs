//! From what is said of a host to how it is reached, each setting with why.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use super::ansible::ssh_words;
use super::destination::hops;
use super::given::{Content, Given, Origin};
use super::name;
use super::reach::{Become, Reach, Ssh};
use super::resolve::Resolved;
use crate::diagnostic::quoted;

/// The settings, by the names of an inventory of our own, each with the variables of Ansible that say the same. Of those the
/// last that is set counts, as it does there.
pub(super) const SETTINGS: [(&str, &[&str]); 10] = [
    ("connection", &["ansible_connection"]),
    ("address", &["ansible_host", "ansible_ssh_host"]),
    ("port", &["ansible_port", "ansible_ssh_port"]),
    ("user", &["ansible_user", "ansible_ssh_user"]),
    ("key", &["ansible_private_key_file", "ansible_ssh_private_key_file"]),
    ("sudo", &["ansible_become"]),
    // What may go through another host; it is in no variable of its own.
    ("jump", &[]),
    ("ssh_config", &[]),
    ("control_path", &["ansible_control_path"]),
    ("connect_timeout", &["ansible_ssh_timeout"]),
];

/// The words for ssh(1), in the order in which Ansible gives them: the first that says something counts.
const SSH_ARGS: [&str; 3] = ["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"];

/// Why a host cannot be reached as the inventory says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// At least one.
    pub reasons: Vec<Reason>,
}

/// One thing that stands against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `` `ansible_user` is not evaluated ``
    pub what: String,
    /// Where that stands; `None` where nothing says it.
    pub origin: Option<Origin>,
    /// What to do.
    pub help: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, reason) in self.reasons.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            f.write_str(&reason.what)?;
            if let Some(origin) = &reason.origin {
                write!(f, " ({origin})")?;
            }
        }
        Ok(())
    }
}

impl Refused {
    /// What to do about the first reason.
    pub fn hint(&self) -> Option<String> {
        self.reasons.first().map(|reason| reason.help.clone())
    }
}

/// A variable of Ansible that says something of a connection and is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// Its name, and of words for ssh(1) the word.
    pub name: String,
    /// Why.
    pub why: WhyUnused,
    /// Where.
    pub origin: Origin,
}

/// Why something is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WhyUnused {
    /// No password is taken out of an inventory: a key, an agent or an open ControlMaster logs in.
    Password,
    /// No password for sudo is taken out of an inventory.
    SudoPassword,
    /// No interpreter of the host is needed.
    Interpreter,
    /// Host keys are always checked.
    HostKeys,
    /// Deminer sets this itself.
    Tuning,
    /// It is of no use here.
    Other,
}

/// How a host is reached, and why.
pub(super) struct Connection {
    pub(super) reach: Result<Reach, Refused>,
    pub(super) settings: IndexMap<&'static str, Resolved>,
    pub(super) unused: Vec<Unused>,
}

/// Resolves the connection of a host; `settings` are those of an inventory of our own, which count more than `vars`.
pub(super) fn connection(
    host: &str,
    settings: &IndexMap<Arc<str>, Resolved>,
    vars: &IndexMap<Arc<str>, Resolved>,
    home: Option<&Path>,
) -> Connection {
    let mut reader = Reader {
        host,
        vars,
        home,
        settings: IndexMap::new(),
        reasons: Vec::new(),
        unused: Vec::new(),
    };
    for (name, variables) in SETTINGS {
        let mut stack: Vec<Arc<Given>> = Vec::new();
        let said = variables.iter().filter_map(|variable| vars.get(*variable));
        for resolved in said.chain(settings.get(name)) {
            stack.extend(resolved.lost.iter().rev().cloned());
            stack.push(Arc::clone(&resolved.won));
        }
        if let Some(won) = stack.pop().filter(|won| !is_nothing(won)) {
            stack.reverse();
            reader.settings.insert(name, Resolved { won, lost: stack });
        }
    }
    let reach = reader.reach();
    reader.unused();
    Connection {
        reach: match reader.reasons.is_empty() {
            true => Ok(reach),
            false => Err(Refused {
                reasons: reader.reasons,
            }),
        },
        settings: reader.settings,
        unused: reader.unused,
    }
}

/// Whether it is set to nothing, which is as if it were not set.
fn is_nothing(given: &Given) -> bool {
    match &given.content {
        Content::Value(Value::Null) => true,
        Content::Value(Value::String(text)) => text.trim().is_empty(),
        _ => false,
    }
}

struct Reader<'r> {
    host: &'r str,
    vars: &'r IndexMap<Arc<str>, Resolved>,
    home: Option<&'r Path>,
    settings: IndexMap<&'static str, Resolved>,
    reasons: Vec<Reason>,
    unused: Vec<Unused>,
}

impl Reader<'_> {
    fn reach(&mut self) -> Reach {
        let connection = self.text("connection");
        let kind = connection.as_ref().map_or("ssh", |(kind, _)| kind.as_str());
        match kind.strip_prefix("ansible.builtin.").unwrap_or(kind) {
            "local" => Reach::Local,
            "ssh" | "smart" | "paramiko" | "paramiko_ssh" => Reach::Ssh(self.ssh()),
            other => match other.strip_prefix("simulated:") {
                Some(world) => Reach::Simulated(world.to_owned()),
                None => {
                    let given = connection.as_ref().map(|(_, given)| Arc::clone(given));
                    let what = format!("the connection {} is not known", quoted(other));
                    self.reason(
                        what,
                        given.as_deref(),
                        "Deminer reaches Linux hosts over `ssh`, and this machine as `local`",
                    );
                    Reach::Local
                }
            },
        }
    }

    fn ssh(&mut self) -> Ssh {
        let mut ssh = Ssh {
            address: self.address(),
            ..Ssh::default()
        };
        if let Some((user, given)) = self.text("user") {
            match name::user(&user) {
                Ok(()) => ssh.user = Some(user),
                Err(bad) => self.bad(&given, &user, &bad.why, bad.help),
            }
        }
        if let Some((port, given)) = self.text("port") {
            match port.parse::<u16>() {
                Ok(number) if number > 0 => ssh.port = Some(number),
                _ => self.bad(&given, &port, "is no number from 1 to 65535", "write a port"),
            }
        }
        ssh.key = self.path("key", false);
        ssh.control_path = self.path("control_path", true);
        ssh.ssh_config = self.path("ssh_config", false);
        if let Some((text, given)) = self.text("connect_timeout") {
            match text.parse::<u64>() {
                Ok(seconds @ 1..=3600) => ssh.connect_timeout = Some(Duration::from_secs(seconds)),
                _ => self.bad(&given, &text, "is no number of seconds, 1 to 3600", "leave it out"),
            }
        }
        ssh.become_root = self.become_root();
        if let Some((text, given)) = self.text("jump") {
            match hops(&text) {
                Ok(way) => ssh.jump = Some(way),
                Err(bad) => self.bad(&given, &text, &bad.why, bad.help),
            }
        }
        for variable in SSH_ARGS {
            self.ssh_args(variable, &mut ssh);
        }
        ssh
    }

    fn address(&mut self) -> String {
        let Some((text, given)) = self.text("address") else {
            if let Err(bad) = name::address(self.host) {
                let what = format!(
                    "the host has no address, and its name {} {}",
                    quoted(self.host),
                    bad.why
                );
                self.reason(what, None, "give it an address");
            }
            return self.host.to_owned();
        };
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(&text);
        if let Err(bad) = name::address(bare) {
            self.bad(&given, &text, &bad.why, bad.help);
        }
        bare.to_owned()
    }

    fn become_root(&mut self) -> Become {
        let Some((text, given)) = self.text("sudo") else {
            return Become::No;
        };
        // As Ansible reads a boolean.
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "on" | "1" | "t" => {}
            "false" | "no" | "n" | "off" | "0" | "f" => return Become::No,
            _ => {
                self.bad(&given, &text, "is neither true nor false", "write `true` or `false`");
                return Become::No;
            }
        }
        let words: [(&str, &[&str], &str); 2] = [
            (
                "ansible_become_method",
                &["sudo", "ansible.builtin.sudo"],
                "Deminer becomes root by sudo, or logs in as root",
            ),
            ("ansible_become_user", &["root"], "Deminer becomes root and nobody else"),
        ];
        for (variable, fits, help) in words {
            if let Some(resolved) = self.vars.get(variable).filter(|resolved| !is_nothing(&resolved.won)) {
                let won = Arc::clone(&resolved.won);
                if let Some(text) = self.plain(&won)
                    && !fits.contains(&text.as_str())
                {
                    self.bad(&won, &text, "is not known", help);
                }
            }
        }
        Become::Sudo
    }

    fn ssh_args(&mut self, variable: &str, ssh: &mut Ssh) {
        let Some(resolved) = self
            .vars
            .get(variable)
            .filter(|resolved| !is_nothing(&resolved.won))
            .cloned()
        else {
            return;
        };
        let given = Arc::clone(&resolved.won);
        let Some(text) = self.plain(&given) else {
            return;
        };
        let words = ssh_words(&text);
        for refused in &words.refused {
            let what = format!("`{variable}`: {refused}");
            let help = "write it into an ssh_config(5) and name that with `--ssh-config`";
            self.reason(what, Some(&given), help);
        }
        for word in words.ignored {
            let why = match word.to_ascii_lowercase() {
                word if word.contains("hostkey") || word.contains("knownhosts") => WhyUnused::HostKeys,
                _ => WhyUnused::Tuning,
            };
            self.unused.push(Unused {
                name: format!("{variable}: {word}"),
                why,
                origin: given.origin.clone(),
            });
        }
        let key = words.key.map(|key| self.at_home(&key));
        let config = words.ssh_config.map(|config| self.at_home(&config));
        let settings = &mut self.settings;
        let mut from_words = |name: &'static str, is_set: bool| {
            if is_set {
                settings.entry(name).or_insert_with(|| resolved.clone());
            }
        };
        from_words("jump", words.jump.is_some() && ssh.jump.is_none());
        from_words("user", words.user.is_some() && ssh.user.is_none());
        from_words("port", words.port.is_some() && ssh.port.is_none());
        from_words("key", key.is_some() && ssh.key.is_none());
        from_words("ssh_config", config.is_some() && ssh.ssh_config.is_none());
        ssh.jump = ssh.jump.take().or(words.jump);
        ssh.user = ssh.user.take().or(words.user);
        ssh.port = ssh.port.or(words.port);
        ssh.key = ssh.key.take().or(key);
        ssh.ssh_config = ssh.ssh_config.take().or(config);
    }

    /// The value of a setting as text; `None` where it is not set, or not known, which is a reason.
    fn text(&mut self, setting: &str) -> Option<(String, Arc<Given>)> {
        let won = Arc::clone(&self.settings.get(setting)?.won);
        let text = self.plain(&won)?;
        Some((text, won))
    }

    fn plain(&mut self, given: &Given) -> Option<String> {
        match &given.content {
            Content::Value(Value::String(text)) => Some(text.trim().to_owned()),
            Content::Value(value @ (Value::Number(_) | Value::Bool(_))) => Some(value.to_string()),
            Content::Value(_) => {
                let what = format!("`{}` is neither text nor a number", given.name);
                self.reason(what, Some(given), "write one value");
                None
            }
            Content::Template(_) => {
                let what = format!("`{}` is not evaluated: it holds `{{{{ }}}}` of Ansible", given.name);
                self.reason(
                    what,
                    Some(given),
                    "write the value itself, in `host_vars` or in an inventory of Deminer's own",
                );
                None
            }
            Content::Sealed => {
                let what = format!("`{}` is not read: Ansible's vault encrypts it", given.name);
                self.reason(what, Some(given), "write what is no secret in the open");
                None
            }
        }
    }

    fn path(&mut self, setting: &str, tokens: bool) -> Option<PathBuf> {
        let (text, given) = self.text(setting)?;
        match name::path(&text, tokens) {
            Ok(()) => Some(self.at_home(&text)),
            Err(bad) => {
                self.bad(&given, &text, &bad.why, bad.help);
                None
            }
        }
    }

    /// With `~/` put in; where no home is known ssh(1) does it.
    fn at_home(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), self.home) {
            (Some(below), Some(home)) => home.join(below),
            _ => PathBuf::from(text),
        }
    }

    fn bad(&mut self, given: &Given, text: &str, why: &str, help: &str) {
        let what = format!("`{}` {} {why}", given.name, quoted(text));
        self.reason(what, Some(given), help);
    }

    fn reason(&mut self, what: String, given: Option<&Given>, help: &str) {
        self.reasons.push(Reason {
            what,
            origin: given.map(|given| given.origin.clone()),
            help: help.to_owned(),
        });
    }

    /// Names the variables of Ansible that are not used.
    fn unused(&mut self) {
        let is_mapped = |name: &str| {
            SETTINGS.iter().any(|(_, variables)| variables.contains(&name))
                || SSH_ARGS.contains(&name)
                || matches!(name, "ansible_become_method" | "ansible_become_user")
        };
        for (name, resolved) in self.vars {
            if !name.starts_with("ansible_") || is_mapped(name) {
                continue;
            }
            let is_password = ["_pass", "_password"].iter().any(|end| name.ends_with(end));
            let why = match &**name {
                name if is_password && (name.contains("become") || name.contains("sudo")) => WhyUnused::SudoPassword,
                _ if is_password => WhyUnused::Password,
                name if name.ends_with("_interpreter") => WhyUnused::Interpreter,
                name if name.contains("host_key_checking") => WhyUnused::HostKeys,
                name if name.starts_with("ansible_ssh_") || name.contains("pipelining") => WhyUnused::Tuning,
                _ => WhyUnused::Other,
            };
            self.unused.push(Unused {
                name: name.to_string(),
                why,
                origin: resolved.won.origin.clone(),
            });
        }
    }
}
