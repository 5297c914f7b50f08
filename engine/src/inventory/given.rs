//! What an inventory says of hosts: a name, a value, where it stands, and how near to the host.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file as it was named, or the command that said it.
    pub file: Arc<str>,
    /// From 1; `None` where there are no lines: the answer of a program, a word of the command line.
    pub line: Option<u32>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// How near to the host something is said: what is nearer counts. Groups among themselves count as
/// [`Group::depth`](super::Group) says.
///
/// The order is Ansible's ("Understanding variable precedence", 3 to 10): a file of `group_vars` counts more than the
/// inventory's own `[group:vars]`, even of a nearer group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// For all hosts: `defaults`, `[all:vars]`.
    All,
    /// For the hosts of a group.
    Group,
    /// `group_vars/all`
    AllVars,
    /// `group_vars/GROUP`
    GroupVars,
    /// For the host, where it is listed.
    Host,
    /// `host_vars/HOST`
    HostVars,
    /// On the command line.
    Command,
}

/// A value as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// It is this.
    Value(Value),
    /// It holds `{{ }}` or `{% %}` of Ansible, which are not evaluated.
    Template(Value),
    /// It is encrypted by Ansible's vault and is not read.
    Sealed,
}

/// Whether something is said of how a host is reached, or for playbooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// A setting of an inventory of our own.
    Setting,
    /// A variable; of Ansible some of them are settings.
    Var,
}

/// One thing that is said. Its debugging form shows no secret.
#[derive(Clone, PartialEq)]
pub struct Given {
    /// As it is written there: `user`, `ansible_user`, `watch`.
    pub name: Arc<str>,
    /// Its value.
    pub content: Content,
    /// The text that it was read from, where the file has no types of its own (Ansible's INI).
    pub raw: Option<Arc<str>>,
    /// How near to the host it is said.
    pub layer: Layer,
    /// Of which group; `None` of a host.
    pub group: Option<Arc<str>>,
    /// Where.
    pub origin: Origin,
    pub(super) sort: Sort,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} = {} ({}, {:?})",
            self.name,
            self.shown(),
            self.origin,
            self.layer
        )
    }
}

/// Stands in the place of a secret.
const MASK: &str = "***";

impl Given {
    /// The value as it may be shown: secrets are `***`, and so is what is encrypted.
    pub fn shown(&self) -> Value {
        match &self.content {
            Content::Value(value) | Content::Template(value) => shown(&self.name, value),
            Content::Sealed => Value::from(MASK),
        }
    }

    /// Whether its name or its value says that it is a secret.
    pub fn is_secret(&self) -> bool {
        match &self.content {
            Content::Value(value) | Content::Template(value) => shown(&self.name, value) != *value,
            Content::Sealed => true,
        }
    }
}

/// The value with what looks like a secret, at any depth, replaced.
fn shown(name: &str, value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        _ if is_secret_name(name) => Value::from(MASK),
        Value::String(text) if text.contains("-----BEGIN ") => Value::from(MASK),
        Value::Array(items) => items.iter().map(|item| shown("", item)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, item)| (name.clone(), shown(name, item)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        _ => value.clone(),
    }
}

/// Whether what has this name is a secret: it ends like one, or holds one of the words.
pub(super) fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 9] = [
        "passw",
        "passphrase",
        "secret",
        "token",
        "credential",
        "apikey",
        "api_key",
        "private_key",
        "access_key",
    ];
    let name = name.to_ascii_lowercase().replace('-', "_");
    // A path to a secret is none.
    if ["_file", "_path", "_dir"].iter().any(|end| name.ends_with(end)) {
        return false;
    }
    name.ends_with("pass") || name.ends_with("_pwd") || name == "pwd" || WORDS.iter().any(|word| name.contains(word))
}

/// A line of a file without what may be a secret in it: everything behind a secret's name, byte for byte, becomes `*`.
pub(super) fn blotted(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let mut out: Option<Vec<u8>> = None;
    let mut at = 0;
    for line in lower.split_inclusive('\n') {
        let end = at + line.trim_end_matches(['\n', '\r']).len();
        let mut from = at;
        while let Some(found) = lower[from..end].find(['=', ':']).map(|n| from + n) {
            let head = lower[at..found].trim_end().trim_end_matches(['"', '\'']);
            let word = head.bytes().rev().take_while(|b| is_word(*b)).count();
            let name = &head[head.len() - word..];
            if !name.is_empty() && is_secret_name(name) {
                let bytes = out.get_or_insert_with(|| text.as_bytes().to_vec());
                for byte in &mut bytes[found + 1..end] {
                    if *byte != b' ' {
                        *byte = b'*';
                    }
                }
                break;
            }
            from = found + 1;
        }
        at += line.len();
    }
    match out {
        Some(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [
            "ansible_password",
            "ansible_become_pass",
            "ansible_ssh_pass",
            "ansible_become_password",
            "api_token",
            "API-KEY",
            "db_secret",
            "vault_db_pwd",
            "aws_access_key",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "ansible_ssh_private_key_file",
            "watch",
            "pools",
            "bypass_rules",
            "compass_url",
            "token_file",
            "key",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_secret_inside_is_not_shown() {
        let value = json!({"user": "a", "password": "b", "more": [{"token": 7}], "pem": "-----BEGIN X-----"});
        let expected = json!({"user": "a", "password": "***", "more": [{"token": "***"}], "pem": "***"});
        assert_eq!(shown("db", &value), expected);
        assert_eq!(shown("ansible_password", &json!("hunter2")), json!("***"));
    }

    #[test]
    fn a_line_that_is_shown_holds_no_secret() {
        let table = [
            (
                "web port=x ansible_password=hunter 2 é",
                "web port=x ansible_password=****** * **",
            ),
            ("  db_token: abc\nuser: root\n", "  db_token: ***\nuser: root\n"),
            ("{\"password\": \"x\"}", "{\"password\": ****"),
            ("user: root", "user: root"),
        ];
        for (text, expected) in table {
            assert_eq!(blotted(text), expected);
            assert_eq!(blotted(text).len(), text.len());
        }
    }
}
