//! Where secrets come from. The engine knows the places by name only; who calls it opens them.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::merge;
use crate::diagnostic::suggest;
use crate::playbook::VarType;
use crate::playbook::value::Misfit;

/// Where a secret comes from; a place and never the secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretSource {
    /// A variable of the environment that Deminer is started in: `{env: NAME}`.
    Env(String),
    /// What stands in a file, without its last line feed: `{file: PATH}`.
    File(String),
    /// What a program on this machine says, without the last line feed: `{command: [PROGRAM, ARGUMENT]}`.
    Command(Vec<String>),
    /// A file that age(1) encrypted, to an age or an SSH key: `{age: FILE, identity: KEY}`.
    Age {
        /// The file.
        file: String,
        /// The key that opens it.
        identity: String,
    },
}

/// Opens places of secrets.
pub trait Secrets {
    /// The secret that lies there.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    fn open(&self, source: &SecretSource) -> Result<String, SecretError>;
}

/// Why a secret cannot be had; never with a part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct SecretError {
    /// What went wrong.
    pub why: String,
    /// What to do.
    pub help: Option<String>,
}

/// Opens nothing: for what only checks.
#[derive(Debug, Clone, Copy)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn open(&self, source: &SecretSource) -> Result<String, SecretError> {
        Err(SecretError {
            why: format!("{source} is not opened here"),
            help: None,
        })
    }
}

const KEYS: [&str; 4] = ["env", "file", "command", "age"];

impl SecretSource {
    /// Reads the written form; paths are relative to `folder`.
    ///
    /// # Errors
    /// When it is none.
    fn of(value: &Value, folder: &Path) -> Result<SecretSource, Misfit> {
        let bad = |why: String, help: Option<String>| Misfit {
            path: Vec::new(),
            why,
            help: help.or_else(|| Some(HOW.to_owned())),
        };
        let Value::Object(fields) = value else {
            return Err(bad(
                "a secret is named by where it comes from, never written down".to_owned(),
                None,
            ));
        };
        let path = |text: &str| match text.is_empty() {
            true => None,
            false => Some(folder.join(text).to_string_lossy().into_owned()),
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let words = || -> Option<Vec<String>> {
            let words = fields.get("command")?.as_array()?;
            let words: Option<Vec<String>> = words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
            words.filter(|words| words.first().is_some_and(|program| !program.is_empty()))
        };
        let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
        let found = match keys.as_slice() {
            ["env"] => text("env")
                .filter(|name| is_env(name))
                .map(|name| SecretSource::Env(name.to_owned())),
            ["file"] => text("file").and_then(path).map(SecretSource::File),
            ["command"] => words().map(|mut words| {
                if let Some(program) = words
                    .first_mut()
                    .filter(|program| program.starts_with("./") || program.starts_with("../"))
                {
                    *program = folder.join(&*program).to_string_lossy().into_owned();
                }
                SecretSource::Command(words)
            }),
            ["age", "identity"] | ["identity", "age"] => {
                let (file, identity) = (text("age").and_then(path), text("identity").and_then(path));
                file.zip(identity)
                    .map(|(file, identity)| SecretSource::Age { file, identity })
            }
            ["age"] => return Err(bad("`age` needs `identity`, the key that opens it".to_owned(), None)),
            [one] if !KEYS.contains(one) => {
                let why = "a secret comes from no such place".to_owned();
                return Err(bad(why, suggest(one, KEYS)));
            }
            _ => None,
        };
        found.ok_or_else(|| bad("it does not say where the secret comes from".to_owned(), None))
    }
}

/// The same places with whole paths, for whoever opens them from another directory; `here` is the working directory.
pub fn placed(places: &Value, here: &Path) -> Value {
    let whole = |path: String| here.join(path).to_string_lossy().into_owned();
    if let Ok(source) = serde_json::from_value::<SecretSource>(places.clone()) {
        let source = match source {
            SecretSource::File(path) => SecretSource::File(whole(path)),
            SecretSource::Age { file, identity } => SecretSource::Age {
                file: whole(file),
                identity: whole(identity),
            },
            SecretSource::Command(mut words) => {
                // A program without a slash is looked for in the search path.
                if let Some(program) = words.first_mut().filter(|program| program.contains('/')) {
                    *program = whole(std::mem::take(program));
                }
                SecretSource::Command(words)
            }
            env @ SecretSource::Env(_) => env,
        };
        return serde_json::to_value(source).unwrap_or_default();
    }
    match places {
        Value::Array(items) => items.iter().map(|item| placed(item, here)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, item)| (name.clone(), placed(item, here)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

const HOW: &str =
    "write `{env: NAME}`, `{file: PATH}`, `{command: [PROGRAM, ARGUMENT]}` or `{age: FILE, identity: KEY}`";

/// Whether it can be the name of an environment variable.
fn is_env(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !name.is_empty() && name.bytes().all(word) && !name.as_bytes()[0].is_ascii_digit()
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::Env(name) => write!(f, "environment variable `{name}`"),
            SecretSource::File(path) => write!(f, "file `{path}`"),
            SecretSource::Command(words) => write!(f, "command `{}`", words.join(" ")),
            SecretSource::Age { file, .. } => write!(f, "encrypted file `{file}`"),
        }
    }
}

/// The written form with a [`SecretSource`] in the place of each secret; what of a type holds no secret is decoded.
///
/// # Errors
/// What names no place.
pub(crate) fn sources(kind: &VarType, value: &Value, folder: &Path) -> Result<Value, Misfit> {
    let below = |step: String, mut misfit: Misfit| {
        misfit.path.insert(0, step);
        misfit
    };
    match (kind, value) {
        _ if merge::is_merge(value) => merge::check(kind, value).map(|()| Value::Null),
        (VarType::Secret, value) => {
            let source = SecretSource::of(value, folder)?;
            Ok(serde_json::to_value(source).unwrap_or_default())
        }
        (VarType::List(inner), Value::Array(items)) if kind.is_secret() => items
            .iter()
            .enumerate()
            .map(|(n, item)| sources(inner, item, folder).map_err(|misfit| below(n.to_string(), misfit)))
            .collect(),
        (VarType::Map(inner), Value::Object(fields)) if kind.is_secret() => {
            let fields: Result<serde_json::Map<_, _>, _> = fields
                .iter()
                .map(|(name, item)| {
                    let from = sources(inner, item, folder).map_err(|misfit| below(name.clone(), misfit))?;
                    Ok((name.clone(), from))
                })
                .collect();
            fields.map(Value::Object)
        }
        (kind, value) => kind.decode(value),
    }
}

/// The value with every [`SecretSource`] opened.
///
/// # Errors
/// When one cannot be, or what lies there is no secret that can be hidden.
pub(crate) fn opened(kind: &VarType, from: &Value, secrets: &dyn Secrets) -> Result<Value, Misfit> {
    match (kind, from) {
        (VarType::Secret, from) => {
            let refused = |why: String, help: Option<String>| Misfit {
                path: Vec::new(),
                why,
                help,
            };
            let source: SecretSource =
                serde_json::from_value(from.clone()).map_err(|_| refused("it names no place".to_owned(), None))?;
            let secret = secrets.open(&source).map_err(|error| refused(error.why, error.help))?;
            kind.decode(&json!(secret))
        }
        (VarType::List(inner), Value::Array(items)) => items.iter().map(|item| opened(inner, item, secrets)).collect(),
        (VarType::Map(inner), Value::Object(fields)) => {
            let fields: Result<serde_json::Map<_, _>, _> = fields
                .iter()
                .map(|(name, item)| Ok((name.clone(), opened(inner, item, secrets)?)))
                .collect();
            fields.map(Value::Object)
        }
        (kind, value) => kind.decode(value),
    }
}
