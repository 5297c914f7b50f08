//! YAML as a tree in which every key and value knows its bytes in the file.
//!
//! Read with limits: a playbook is small, and may come from somebody else.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::Span;
use crate::diagnostic::{Code, Diagnostic, quoted};

/// What a YAML text is, how long it may be and what of YAML it may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// `a playbook`
    what: &'static str,
    not_yaml: Code,
    too_long: Code,
    long_number: Code,
    bytes: usize,
    values: usize,
    /// Whether it is read as Ansible does: the value `yes` is a boolean, `0644`
    /// is octal, a tag is passed over.
    is_ansible: bool,
}

impl Form {
    /// A playbook.
    pub(crate) const PLAYBOOK: Form = Form {
        what: "a playbook",
        not_yaml: Code::Yaml,
        too_long: Code::TooLong,
        long_number: Code::OutOfRange,
        bytes: 4 << 20,
        values: 50_000,
        is_ansible: false,
    };

    /// An environment.
    pub(crate) const ENVIRONMENT: Form = Form {
        what: "an environment",
        ..Form::PLAYBOOK
    };

    /// A file of tests.
    pub(crate) const TEST: Form = Form {
        what: "a file of tests",
        ..Form::PLAYBOOK
    };

    /// An inventory of our own.
    pub(crate) const INVENTORY: Form = Form {
        what: "an inventory",
        not_yaml: Code::InventoryYaml,
        too_long: Code::InventorySize,
        long_number: Code::InventoryValue,
        bytes: 32 << 20,
        values: 2_000_000,
        is_ansible: false,
    };

    /// An inventory or a file of variables of Ansible.
    pub(crate) const ANSIBLE: Form = Form {
        is_ansible: true,
        ..Form::INVENTORY
    };
}

/// A value of a YAML text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// What it is.
    pub(crate) kind: Kind,
    /// Of a scalar its bytes, quotes included; of a list or map from its beginning to the end of its last value. What
    /// an alias stands for has the place of the anchor.
    pub(crate) span: Span,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    /// Negative numbers only.
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order written; a key that stands twice is there twice.
    Map(Vec<(Node, Node)>),
}

impl Kind {
    /// What people call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a boolean",
            Kind::Int(_) | Kind::Uint(_) | Kind::Float(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

impl Node {
    /// The text, where it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// As JSON; a key that is no text stands as its place. A number that JSON does not have is `null`.
    pub(crate) fn json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(b) => Value::Bool(*b),
            Kind::Int(n) => Value::from(*n),
            Kind::Uint(n) => Value::from(*n),
            Kind::Float(n) => Number::from_f64(*n).map_or(Value::Null, Value::Number),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => items.iter().map(Node::json).collect(),
            Kind::Map(pairs) => Value::Object(
                pairs
                    .iter()
                    .map(|(k, v)| {
                        (
                            k.text().map_or_else(|| k.span.start.to_string(), str::to_owned),
                            v.json(),
                        )
                    })
                    .collect(),
            ),
        }
    }

    /// The value below, by keys and positions; the nearest that is there.
    pub(crate) fn follow(&self, path: &[String]) -> &Node {
        let Some((first, rest)) = path.split_first() else {
            return self;
        };
        let below = match &self.kind {
            Kind::List(items) => first.parse().ok().and_then(|n: usize| items.get(n)),
            Kind::Map(pairs) => pairs.iter().find(|(k, _)| k.text() == Some(first)).map(|(_, v)| v),
            _ => None,
        };
        below.map_or(self, |node| node.follow(rest))
    }

    /// The same, so many bytes further on.
    pub(super) fn moved(mut self, by: usize) -> Node {
        self.span.start += by;
        self.span.end += by;
        self.kind = match self.kind {
            Kind::List(items) => Kind::List(items.into_iter().map(|item| item.moved(by)).collect()),
            Kind::Map(pairs) => {
                let pairs = pairs.into_iter().map(|(key, value)| (key.moved(by), value.moved(by)));
                Kind::Map(pairs.collect())
            }
            scalar => scalar,
        };
        self
    }

    /// Whether it is what YAML makes of `{{ x }}` without quotes: a map whose key is a map.
    pub(crate) fn is_bare_braces(&self) -> bool {
        match &self.kind {
            Kind::Map(pairs) => pairs.iter().any(|(k, _)| matches!(k.kind, Kind::Map(_))),
            _ => false,
        }
    }
}

/// Reads one YAML document.
///
/// # Errors
/// The first place at which it is none: after that nothing can be told.
pub(crate) fn read(text: &str) -> Result<Node, Diagnostic> {
    read_as(text, &Form::PLAYBOOK)
}

/// Reads one YAML document of this form.
///
/// # Errors
/// The first place at which it is none: after that nothing can be told.
pub(crate) fn read_as(text: &str, form: &Form) -> Result<Node, Diagnostic> {
    if text.len() > form.bytes {
        let message = format!("the file is {} bytes long, {} is the limit", text.len(), form.bytes);
        return Err(Diagnostic::error(form.too_long, Span::default(), message));
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: !form.is_ansible,
        // Both are handed on, so that every one can be named.
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 50_000, max_replay_stack_depth: 8 },
        budget: serde_saphyr::budget! {
            max_depth: 24,
            max_nodes: form.values,
            max_events: form.values * 4,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_merge_keys: 1_000,
            max_documents: 8,
            max_total_scalar_bytes: form.bytes,
        },
        with_snippet: false,
    };
    let node =
        serde_saphyr::from_str_with_options::<Node>(text, options).map_err(|error| not_yaml(text, form, &error))?;
    match form.is_ansible {
        true => Ok(as_ansible(text, node)),
        false => {
            reject_long_numbers(text, form, &node)?;
            Ok(node)
        }
    }
}

fn not_yaml(text: &str, form: &Form, error: &serde_saphyr::Error) -> Diagnostic {
    let place = error.location();
    let sentence = error.without_snippet().to_string();
    let why = match place {
        Some(at) => sentence
            .strip_suffix(&format!(" at line {}, column {}", at.line(), at.column()))
            .unwrap_or(&sentence)
            .to_owned(),
        None => sentence,
    };
    let span = place.map_or(Span::default(), |at| {
        let chars = usize::try_from(at.span().offset()).unwrap_or(usize::MAX);
        let start = text.char_indices().nth(chars).map_or(text.len(), |(byte, _)| byte);
        let long = at.span().byte_len().and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
        Span {
            start,
            end: (start + long).min(text.len()),
        }
    });
    let help = match why.as_str() {
        w if w.contains("multiple YAML documents") => {
            Some(format!("{} is one document: remove the line `---`", form.what))
        }
        w if w.contains("unsupported tag") => Some("write the value without the `!`".to_owned()),
        w if w.contains("flow mapping") || w.contains("flow sequence") => Some(
            "inside `{ }` and `[ ]`, put a text that has a bracket, a brace, a comma or a colon in quotes".to_owned(),
        ),
        w if w.contains("unclosed") => Some("close it, or put the text in quotes".to_owned()),
        w if w.contains("tab") => Some("indent with spaces".to_owned()),
        w if w.contains("budget") || w.contains("limit") => {
            let values = grouped(form.values);
            Some(format!("{} is at most {values} values, 24 deep", form.what))
        }
        _ => Some("look at the indentation and the quotes of this line and the one before".to_owned()),
    };
    let why = match why.contains("multiple YAML documents") {
        true => "a second document begins".to_owned(),
        false => why
            .chars()
            .map(|c| match c {
                '\'' => '`',
                c if c.is_control() => ' ',
                c => c,
            })
            .collect(),
    };
    Diagnostic::error(form.not_yaml, span, format!("not the YAML of {}: {why}", form.what)).maybe_help(help)
}

/// `50,000`
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Whether it is a whole number beyond 64 bits, which was read as another.
fn is_long_number(raw: &str) -> bool {
    let digits = raw.trim_start_matches(['-', '+']);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// With the words of YAML 1.1 as booleans and its octal numbers, where they are values without quotes, and long numbers as
/// text.
fn as_ansible(text: &str, mut node: Node) -> Node {
    let all = |node| as_ansible(text, node);
    let raw = text.get(node.span.start..node.span.end).unwrap_or_default();
    node.kind = match node.kind {
        Kind::Float(_) if is_long_number(raw) => Kind::Text(raw.to_owned()),
        Kind::Text(word) if word == raw => match word.as_str() {
            "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Kind::Bool(true),
            "no" | "No" | "NO" | "off" | "Off" | "OFF" => Kind::Bool(false),
            digits if digits.len() > 1 && digits.starts_with('0') => {
                u64::from_str_radix(digits, 8).map_or(Kind::Text(word), Kind::Uint)
            }
            _ => Kind::Text(word),
        },
        Kind::List(items) => Kind::List(items.into_iter().map(all).collect()),
        Kind::Map(pairs) => Kind::Map(pairs.into_iter().map(|(key, value)| (key, all(value))).collect()),
        other => other,
    };
    node
}

/// A whole number beyond 64 bits would silently become another.
fn reject_long_numbers(text: &str, form: &Form, node: &Node) -> Result<(), Diagnostic> {
    match &node.kind {
        Kind::Float(_) => {
            let raw = text.get(node.span.start..node.span.end).unwrap_or("");
            match is_long_number(raw) {
                true => Err(Diagnostic::error(
                    form.long_number,
                    node.span,
                    format!("{} is no whole number of 64 bits", quoted(raw)),
                )
                .help("if it is a name or a digest, put it in quotes")),
                false => Ok(()),
            }
        }
        Kind::List(items) => items.iter().try_for_each(|item| reject_long_numbers(text, form, item)),
        Kind::Map(pairs) => pairs.iter().try_for_each(|(key, value)| {
            reject_long_numbers(text, form, key)?;
            reject_long_numbers(text, form, value)
        }),
        _ => Ok(()),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        let spanned = serde_saphyr::Spanned::<Kind>::deserialize(deserializer)?;
        let place = spanned.defined.span();
        let bytes = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let start = bytes(place.byte_offset());
        let own_end = start + bytes(place.byte_len());
        let end = match &spanned.value {
            Kind::List(items) => items.iter().map(|n| n.span.end).fold(own_end, usize::max),
            Kind::Map(pairs) => pairs.iter().map(|(_, v)| v.span.end).fold(own_end, usize::max),
            _ => own_end,
        };
        Ok(Node {
            kind: spanned.value,
            span: Span { start, end },
        })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(u64::try_from(value).map_or(Kind::Int(value), Kind::Uint))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Uint(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Kind::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_keep_their_kind() {
        let table: &[(&str, Kind)] = &[
            ("yes", Kind::Text("yes".into())),
            ("true", Kind::Bool(true)),
            ("0644", Kind::Text("0644".into())),
            ("1_000", Kind::Text("1_000".into())),
            ("18446744073709551615", Kind::Uint(u64::MAX)),
            ("-9223372036854775808", Kind::Int(i64::MIN)),
            ("1.5", Kind::Float(1.5)),
            ("~", Kind::Null),
            ("'5'", Kind::Text("5".into())),
        ];
        for (text, kind) in table {
            assert_eq!(&read(text).unwrap().kind, kind, "{text}");
        }
    }

    #[test]
    fn what_no_playbook_needs_is_refused() {
        let bomb = (0..12).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
            format!(
                "{text}a{}: &a{} [{}]\n",
                n + 1,
                n + 1,
                vec![format!("*a{n}"); 9].join(", ")
            )
        });
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let table = [
            ("bomb", bomb.as_str(), Code::Yaml),
            ("deep", &deep, Code::Yaml),
            ("two documents", "a: 1\n---\nb: 2\n", Code::Yaml),
            ("a tag", "a: !vault x\n", Code::Yaml),
            ("infinity", "a: .inf\n", Code::Yaml),
            ("a number too long", "a: 99999999999999999999999\n", Code::OutOfRange),
        ];
        for (name, text, code) in table {
            assert_eq!(read(text).unwrap_err().code, code, "{name}");
        }
    }
}
