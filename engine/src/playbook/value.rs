//! The types of variables and what fits them; also the written forms that parameters share with them: `10m`, `64MiB`.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use deminer_worker::text::{Digest, HostPath};
use serde_json::Value;

use super::node::read;
use super::{Var, VarType};
use crate::diagnostic::{quoted, suggest};

/// The longest text that a variable takes.
const TEXT_BYTES: usize = 64 << 10;

/// Why a value does not fit, and where below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Keys and positions from the value down.
    pub path: Vec<String>,
    /// What was expected, what was found.
    pub why: String,
    /// What to do.
    pub help: Option<String>,
}

impl Misfit {
    fn new(why: impl Into<String>) -> Misfit {
        Misfit {
            path: Vec::new(),
            why: why.into(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Misfit {
        self.help = Some(help.into());
        self
    }

    fn below(mut self, step: impl fmt::Display) -> Misfit {
        self.path.insert(0, step.to_string());
        self
    }
}

/// The names of the types that take nothing in `< >`.
pub(super) static PLAIN: [(&str, VarType); 15] = [
    ("bool", VarType::Bool),
    ("int", VarType::Int),
    ("float", VarType::Float),
    ("string", VarType::String),
    ("duration", VarType::Duration),
    ("size", VarType::Size),
    ("percent", VarType::Percent),
    ("path", VarType::Path),
    ("glob", VarType::Glob),
    ("regex", VarType::Regex),
    ("cidr", VarType::Cidr),
    ("hostport", VarType::HostPort),
    ("sha256", VarType::Sha256),
    ("time", VarType::Time),
    ("secret", VarType::Secret),
];

/// The names of all types, as they are written.
pub(super) fn type_names() -> impl Iterator<Item = &'static str> {
    PLAIN
        .iter()
        .map(|(name, _)| *name)
        .chain(["enum<..>", "list<..>", "map<..>"])
}

impl VarType {
    /// Reads the written form: `duration`, `list<string>`, `enum<low, high>`.
    ///
    /// # Errors
    /// What is wrong, and what is near.
    pub fn parse(text: &str) -> Result<VarType, Misfit> {
        Self::parse_within(text.trim(), 0)
    }

    fn parse_within(text: &str, depth: usize) -> Result<VarType, Misfit> {
        if let Some((_, plain)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Ok(plain.clone());
        }
        let unknown = || {
            let mut misfit = Misfit::new(format!("unknown type {}", quoted(text)));
            misfit.help = suggest(text, type_names());
            misfit
        };
        let (outer, inner) = text
            .strip_suffix('>')
            .and_then(|t| t.split_once('<'))
            .ok_or_else(|| match text {
                "list" | "map" => Misfit::new(format!("`{text}` of what?")).help(format!("write `{text}<string>`")),
                "enum" => Misfit::new("`enum` of which words?").help("write `enum<low, high>`"),
                _ => unknown(),
            })?;
        if depth >= 4 {
            return Err(Misfit::new("types are at most four deep"));
        }
        match outer.trim() {
            "list" => Ok(VarType::List(Box::new(Self::parse_within(inner.trim(), depth + 1)?))),
            "map" => Ok(VarType::Map(Box::new(Self::parse_within(inner.trim(), depth + 1)?))),
            "enum" => {
                let words: Vec<String> = inner.split(',').map(|w| w.trim().to_owned()).collect();
                match words.iter().any(String::is_empty) {
                    true => Err(Misfit::new("an `enum` word is empty").help("write `enum<low, high>`")),
                    false => Ok(VarType::Enum(words)),
                }
            }
            _ => Err(unknown()),
        }
    }

    /// The JSON schema of its values, for the checker.
    pub(crate) fn schema(&self) -> Value {
        match self {
            VarType::Bool => serde_json::json!({"type": "boolean"}),
            VarType::Int => serde_json::json!({"type": "integer"}),
            VarType::Float => serde_json::json!({"type": "number"}),
            VarType::List(inner) => serde_json::json!({"type": "array", "items": inner.schema()}),
            VarType::Map(inner) => serde_json::json!({"type": "object", "additionalProperties": inner.schema()}),
            VarType::Enum(words) => serde_json::json!({"type": "string", "enum": words}),
            _ => serde_json::json!({"type": "string"}),
        }
    }

    /// Whether a value of it, or inside it, is secret.
    pub fn is_secret(&self) -> bool {
        match self {
            VarType::Secret => true,
            VarType::List(inner) | VarType::Map(inner) => inner.is_secret(),
            _ => false,
        }
    }

    /// Takes a value of JSON or YAML where it fits; texts are kept as they are written.
    ///
    /// # Errors
    /// Why it does not fit.
    pub fn decode(&self, value: &Value) -> Result<Value, Misfit> {
        match (self, value) {
            (VarType::Bool, Value::Bool(_)) => Ok(value.clone()),
            (VarType::Int, Value::Number(n)) if n.is_i64() || n.is_u64() => Ok(value.clone()),
            (VarType::Float, Value::Number(n)) => Ok(n.as_f64().map_or(Value::Null, Value::from)),
            (VarType::List(inner), Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(n, item)| inner.decode(item).map_err(|e| e.below(n)))
                .collect(),
            (VarType::Map(inner), Value::Object(fields)) => fields
                .iter()
                .map(|(name, item)| Ok((name.clone(), inner.decode(item).map_err(|e| e.below(name))?)))
                .collect::<Result<serde_json::Map<_, _>, Misfit>>()
                .map(Value::Object),
            (VarType::Bool | VarType::Int | VarType::Float | VarType::List(_) | VarType::Map(_), _) => {
                let help = match self {
                    VarType::Bool => "write `true` or `false`, without quotes".to_owned(),
                    VarType::List(_) => "write it as a list: `[a, b]`".to_owned(),
                    VarType::Map(_) => "write it as a map: `{name: value}`".to_owned(),
                    _ => "write digits, without quotes".to_owned(),
                };
                Err(self.misfit(value).help(help))
            }
            (_, Value::String(text)) => {
                self.check_text(text)?;
                Ok(value.clone())
            }
            (_, Value::Number(_) | Value::Bool(_)) => {
                let help = match self {
                    VarType::Duration => "write a unit: `5s`, `10m`, `1h30m`",
                    VarType::Size => "write a unit: `512B`, `64MiB`",
                    VarType::Percent => "write the sign: `70%`",
                    _ => "put it in quotes",
                };
                Err(self.misfit(value).help(help))
            }
            _ => Err(self.misfit(value).help(format!("write one {self}"))),
        }
    }

    /// Takes the text of `--set NAME=TEXT`: a list is `a,b`, or as YAML has it `[a, b]`; a map is `{a: b}`.
    ///
    /// # Errors
    /// Why it does not fit.
    pub fn decode_text(&self, text: &str) -> Result<Value, Misfit> {
        let text = match self {
            VarType::List(_) | VarType::Map(_) => text.trim(),
            _ => text,
        };
        let json = |text: &str| serde_json::from_str::<Value>(text).ok();
        let yaml = |text: &str| read(text).ok().map(|node| node.json());
        match self {
            VarType::Bool | VarType::Int | VarType::Float => {
                let value = json(text.trim()).unwrap_or_else(|| Value::from(text));
                self.decode(&value)
            }
            VarType::List(_) if text.starts_with('[') || text.starts_with("- ") => match yaml(text) {
                Some(value @ Value::Array(_)) => self.decode(&value),
                _ => Err(Misfit::new("it begins like a list of YAML and is none").help("write `a,b` or `[a, b]`")),
            },
            VarType::List(inner) => text
                .split(',')
                .filter(|part| !part.trim().is_empty())
                .enumerate()
                .map(|(n, part)| inner.decode_text(part.trim()).map_err(|e| e.below(n)))
                .collect(),
            VarType::Map(_) => match yaml(text) {
                Some(value @ Value::Object(_)) => self.decode(&value),
                _ => Err(Misfit::new(format!("expected {self} as YAML")).help("write `{name: value}`")),
            },
            _ => self.decode(&Value::from(text)),
        }
    }

    fn misfit(&self, value: &Value) -> Misfit {
        let found = match value {
            Value::Null => "nothing".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "a map".to_owned(),
            _ if self.is_secret() => "another value".to_owned(),
            Value::String(text) => quoted(text),
            other => format!("`{other}`"),
        };
        Misfit::new(format!("expected {self}, found {found}"))
    }

    fn check_text(&self, text: &str) -> Result<(), Misfit> {
        if text.len() > TEXT_BYTES {
            return Err(Misfit::new(format!("longer than {TEXT_BYTES} bytes")).help("put it into a file beside"));
        }
        match self {
            VarType::Duration => duration(text).map(drop),
            VarType::Size => size(text).map(drop),
            VarType::Percent => percent(text).map(drop),
            VarType::Path | VarType::Glob => absolute(self, text),
            VarType::Regex => regex(text),
            VarType::Cidr => cidr(text),
            VarType::HostPort => hostport(text),
            VarType::Sha256 => text.parse::<Digest>().map(drop).map_err(|e| {
                Misfit::new(e.to_string()).help("write all 64 digits, in quotes, as `sha256sum` prints them")
            }),
            VarType::Time => text.parse::<jiff::Timestamp>().map(drop).map_err(|_| {
                Misfit::new(format!("{} is no time", quoted(text))).help("write it as `2026-11-14T02:41:04Z`")
            }),
            VarType::Enum(words) if !words.iter().any(|w| w == text) => {
                let mut misfit = Misfit::new(format!("expected {self}, found {}", quoted(text)));
                misfit.help = suggest(text, words.iter().map(String::as_str));
                Err(misfit)
            }
            _ => Ok(()),
        }
    }

    /// The type that a `format` of a schema names; `None` for those that are not of this language.
    pub(crate) fn of_format(format: &str) -> Option<VarType> {
        let name = format.strip_prefix("deminer-").unwrap_or(format);
        PLAIN
            .iter()
            .find(|(plain, kind)| *plain == name && !matches!(kind, VarType::Float | VarType::Int))
            .map(|(_, kind)| kind.clone())
    }
}

impl Var {
    /// Whether it may be left unknown: its default is `null`.
    pub fn may_be_unknown(&self) -> bool {
        self.default == Some(Value::Null)
    }

    /// Takes a value where it fits the type; nothing where it may be unknown.
    ///
    /// # Errors
    /// Why it does not fit.
    pub fn decode(&self, value: &Value) -> Result<Value, Misfit> {
        match value {
            Value::Null if self.may_be_unknown() => Ok(Value::Null),
            value => self.kind.value.decode(value),
        }
    }

    /// The JSON schema of its values, for the checker.
    pub(crate) fn schema(&self) -> Value {
        let schema = self.kind.value.schema();
        match self.may_be_unknown() {
            true => serde_json::json!({"anyOf": [schema, {"type": "null"}]}),
            false => schema,
        }
    }
}

impl fmt::Display for VarType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VarType::Enum(words) => write!(f, "enum<{}>", words.join(", ")),
            VarType::List(inner) => write!(f, "list<{inner}>"),
            VarType::Map(inner) => write!(f, "map<{inner}>"),
            plain => f.write_str(PLAIN.iter().find(|(_, k)| k == plain).map_or("", |(name, _)| name)),
        }
    }
}

/// Reads `10m`, `1h30m`, `500ms`: whole numbers with the units d, h, m, s, ms, larger ones first.
///
/// # Errors
/// What is wrong with it.
pub fn duration(text: &str) -> Result<Duration, Misfit> {
    const UNITS: [(&str, u64); 5] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let bad = || Misfit::new(format!("{} is no duration", quoted(text))).help("write `500ms`, `10m`, `1h30m`");
    let (mut rest, mut total, mut last) = (text, 0u64, None);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = UNITS
            .iter()
            .position(|(name, _)| *name == &rest[..letters])
            .ok_or_else(bad)?;
        if last.is_some_and(|last| last >= unit) {
            return Err(bad());
        }
        last = Some(unit);
        total = number
            .checked_mul(UNITS[unit].1)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(bad)?;
        rest = &rest[letters..];
    }
    match last {
        Some(_) => Ok(Duration::from_millis(total)),
        None => Err(bad()),
    }
}

/// Reads `512B`, `64KiB`, `10MiB`, `2GiB`, `1TiB` as bytes.
///
/// # Errors
/// What is wrong with it.
pub fn size(text: &str) -> Result<u64, Misfit> {
    const UNITS: [(&str, u32); 5] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("B", 0)];
    let bad = || Misfit::new(format!("{} is no size", quoted(text))).help("write `512B`, `64KiB`, `10MiB`, `2GiB`");
    let (digits, shift) = UNITS
        .iter()
        .find_map(|(unit, shift)| text.strip_suffix(unit).map(|digits| (digits, *shift)))
        .ok_or_else(bad)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    let number: u64 = digits.parse().map_err(|_| bad())?;
    number.checked_mul(1 << shift).ok_or_else(bad)
}

/// Reads `70%`, `12.5%` as hundredths of a per cent; more than 100 is allowed, since a host has many CPUs.
///
/// # Errors
/// What is wrong with it.
pub fn percent(text: &str) -> Result<u32, Misfit> {
    let bad = || Misfit::new(format!("{} is no percentage", quoted(text))).help("write `70%` or `12.5%`");
    let number = text.strip_suffix('%').ok_or_else(bad)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(part) || part.len() > 2 {
        return Err(bad());
    }
    let whole: u32 = whole.parse().map_err(|_| bad())?;
    let part: u32 = format!("{part:0<2}").parse().map_err(|_| bad())?;
    whole.checked_mul(100).and_then(|n| n.checked_add(part)).ok_or_else(bad)
}

fn absolute(kind: &VarType, text: &str) -> Result<(), Misfit> {
    let path: HostPath = text
        .parse()
        .map_err(|e| Misfit::new(format!("{} is no {kind}: {e}", quoted(text))))?;
    let bytes = path.as_bytes();
    let why = match () {
        () if bytes.first() != Some(&b'/') => "does not begin with `/`",
        () if bytes.contains(&0) => "holds a zero byte",
        () if bytes.split(|b| *b == b'/').any(|part| part == b"..") => "holds `..`",
        () => return Ok(()),
    };
    Err(Misfit::new(format!("{} is no {kind}: it {why}", quoted(text))).help("write the whole path on the host"))
}

fn regex(text: &str) -> Result<(), Misfit> {
    match regex::RegexBuilder::new(text).size_limit(1 << 20).build() {
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(_)) => {
            Err(Misfit::new("the expression grows too large").help("repeat less: `a{1,100}`, not `a{1,100000}`"))
        }
        Err(error) => {
            let error = error.to_string();
            let why = error.lines().last().unwrap_or("").trim_start_matches("error: ");
            Err(Misfit::new(format!("{} is no regular expression: {why}", quoted(text)))
                .help("a sign that is meant itself has a `\\` before it: `xmrig\\(64`"))
        }
    }
}

fn cidr(text: &str) -> Result<(), Misfit> {
    let bad = || Misfit::new(format!("{} is no address range", quoted(text))).help("write `198.51.100.0/24`");
    let (address, bits) = text.split_once('/').ok_or_else(bad)?;
    let longest = match address.parse::<IpAddr>().map_err(|_| bad())? {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    match bits.parse::<u8>() {
        Ok(n) if n <= longest && bits.len() <= 3 => Ok(()),
        _ => Err(bad()),
    }
}

fn hostport(text: &str) -> Result<(), Misfit> {
    let bad = || {
        Misfit::new(format!("{} is no host with a port", quoted(text)))
            .help("write `pool.example:3333` or `[2001:db8::1]:3333`")
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    let inside = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host_fits = match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.len() <= 253
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        }
    };
    match port.parse::<u16>() {
        Ok(1..) if host_fits && port.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        _ => Err(bad()),
    }
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
