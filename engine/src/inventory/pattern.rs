//! Patterns that choose hosts: `web:&prod:!canary`, `web-*`, `web[0:3]`, `~web-\d+`, `@file`, `all`.
//!
//! As Ansible has them ("Patterns: targeting hosts and groups" of its guide), with two differences, both for safety: a part that
//! matches nothing is a mistake (a mistyped `!canary` would leave the canary in), and a glob or an expression does not match
//! the groups `all` and `ungrouped`.

use std::collections::HashSet;

use regex::{Regex, RegexBuilder};

use super::{Host, Inventory};
use crate::diagnostic::{nearest, quoted};

/// The longest pattern, and the most parts of one with its files.
const MOST_BYTES: usize = 64 << 10;
const MOST_PARTS: usize = 100_000;
/// How large an expression may grow.
const EXPRESSION_BYTES: usize = 1 << 20;

/// Gives the text of the file of that name, or why it cannot be read.
type ReadFile<'f> = dyn Fn(&str) -> Result<String, String> + 'f;

/// What chooses hosts. Made by [`Pattern::read`], used by [`Pattern::choose`].
///
/// Parts are parted by `:` or `,`. A plain part adds hosts, one with `&` keeps only those that it matches too, one with `!`
/// takes away, whatever the order: first all are added, then kept, then taken away. Without a plain part it begins with all.
#[derive(Debug, Clone)]
pub struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    /// As written, without its sign.
    text: String,
    sign: Sign,
    what: What,
    subscript: Option<Subscript>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Sign {
    Add,
    Keep,
    TakeAway,
}

#[derive(Debug, Clone)]
enum What {
    /// A group or a host.
    Name(String),
    /// Groups and hosts, by an expression that is held against the whole name or, behind `~`, against its beginning.
    Expression(Regex),
}

/// Of what is matched only these: both ends count, a negative one counts from the end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Subscript {
    One(i64),
    /// `None`: up to the last.
    Range(usize, Option<usize>),
}

/// Why a pattern chooses no hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BadPattern {
    what: String,
    hint: Option<String>,
}

impl BadPattern {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> BadPattern {
        BadPattern {
            what: what.into(),
            hint: Some(hint.into()),
        }
    }

    /// What to do.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl Pattern {
    /// Reads patterns; several add up as if `,` stood between them. `file` gives the text behind `@`: one pattern a line, `#`
    /// begins a comment.
    ///
    /// # Errors
    /// When one is none, or its file cannot be read.
    pub fn read<'t>(texts: impl IntoIterator<Item = &'t str>, file: &ReadFile<'_>) -> Result<Pattern, BadPattern> {
        let mut pattern = Pattern { parts: Vec::new() };
        for text in texts {
            for word in split(text)? {
                pattern.add(&word, Some(file))?;
            }
        }
        match pattern.parts.is_empty() {
            true => Err(BadPattern::new("the pattern is empty", "`all` is every host")),
            false => Ok(pattern),
        }
    }

    fn add(&mut self, word: &str, file: Option<&ReadFile<'_>>) -> Result<(), BadPattern> {
        if self.parts.len() >= MOST_PARTS {
            return Err(BadPattern::new("the pattern has too many parts", "name a group"));
        }
        if let Some(path) = word.strip_prefix('@') {
            let Some(read) = file else {
                return Err(BadPattern::new(
                    format!("{}: a file names another file", quoted(word)),
                    "put its hosts in",
                ));
            };
            let text = read(path).map_err(|why| {
                BadPattern::new(
                    format!("the file of the pattern {} cannot be read: {why}", quoted(word)),
                    "one host a line",
                )
            })?;
            for line in text.lines() {
                let line = line.split('#').next().unwrap_or_default();
                for word in split(line)? {
                    self.add(&word, None)?;
                }
            }
            return Ok(());
        }
        self.parts.push(Part::read(word)?);
        Ok(())
    }

    /// The hosts that it chooses, each once, in the order in which its parts name them.
    ///
    /// # Errors
    /// When a part matches nothing, or nothing is left.
    pub fn choose<'i>(&self, inventory: &'i Inventory) -> Result<Vec<&'i Host>, BadPattern> {
        let of = |sign| self.parts.iter().filter(move |part| part.sign == sign);
        let mut chosen: Vec<usize> = Vec::new();
        let mut seen = HashSet::new();
        for part in of(Sign::Add) {
            chosen.extend(part.matched(inventory)?.into_iter().filter(|at| seen.insert(*at)));
        }
        if of(Sign::Add).next().is_none() {
            chosen = inventory.member_places("all");
        }
        for part in of(Sign::Keep) {
            let kept: HashSet<usize> = part.matched(inventory)?.into_iter().collect();
            chosen.retain(|at| kept.contains(at));
        }
        for part in of(Sign::TakeAway) {
            let gone: HashSet<usize> = part.matched(inventory)?.into_iter().collect();
            chosen.retain(|at| !gone.contains(at));
        }
        if chosen.is_empty() {
            let hint = "each part of it matches some; together they leave none";
            return Err(BadPattern::new("the pattern leaves no host", hint));
        }
        Ok(chosen.into_iter().map(|at| &inventory.hosts[at]).collect())
    }
}

/// Parts a text at `:` and `,`, but not within brackets, and not an IPv6 address.
fn split(text: &str) -> Result<Vec<String>, BadPattern> {
    if text.len() > MOST_BYTES {
        return Err(BadPattern::new(
            "the pattern is too long",
            "put the hosts into a file: `@FILE`",
        ));
    }
    let mut words = Vec::new();
    for piece in cut(text, ',') {
        let bare = piece.trim().trim_start_matches(['!', '&']);
        match bare.parse::<std::net::Ipv6Addr>() {
            Ok(_) => words.push(piece.trim().to_owned()),
            Err(_) => words.extend(cut(&piece, ':').into_iter().map(|word| word.trim().to_owned())),
        }
    }
    words.retain(|word| !word.is_empty());
    Ok(words)
}

/// Cuts at a sign that stands in no `[ ]`, and in an expression in no `( )` or `{ }`.
fn cut(text: &str, at: char) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut square, mut round) = (0usize, 0usize);
    let mut is_escaped = false;
    for c in text.chars() {
        let last = pieces.len() - 1;
        let piece = &mut pieces[last];
        let is_expression = piece.trim_start().trim_start_matches(['!', '&']).starts_with('~');
        if is_escaped {
            is_escaped = false;
        } else {
            match c {
                '\\' if is_expression => is_escaped = true,
                '[' => square += 1,
                ']' => square = square.saturating_sub(1),
                '(' | '{' if is_expression => round += 1,
                ')' | '}' if is_expression => round = round.saturating_sub(1),
                c if c == at && square == 0 && round == 0 => {
                    pieces.push(String::new());
                    continue;
                }
                _ => {}
            }
        }
        piece.push(c);
    }
    pieces
}

impl Part {
    fn read(word: &str) -> Result<Part, BadPattern> {
        let (sign, text) = match word.split_at_checked(1) {
            Some(("&", text)) => (Sign::Keep, text),
            Some(("!", text)) => (Sign::TakeAway, text),
            _ => (Sign::Add, word),
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(BadPattern::new(
                format!("{} names nothing", quoted(word)),
                "as in `web:&prod:!canary`",
            ));
        }
        if let Some(expression) = text.strip_prefix('~') {
            return Ok(Part {
                text: text.to_owned(),
                sign,
                what: What::Expression(expression_of(&format!("^(?:{expression})"), text)?),
                subscript: None,
            });
        }
        let (name, subscript) = subscript(text);
        let is_glob = name.contains(['*', '?', '[']);
        let what = match is_glob {
            true => What::Expression(expression_of(&of_glob(name), text)?),
            false => What::Name(name.to_owned()),
        };
        Ok(Part {
            text: text.to_owned(),
            sign,
            what,
            subscript,
        })
    }

    /// The places of the hosts that it matches.
    fn matched(&self, inventory: &Inventory) -> Result<Vec<usize>, BadPattern> {
        let (found, is_there) = Part::named(&self.what, inventory);
        if found.is_empty() && !is_there && self.subscript.is_some() {
            // `web-[13]`, where nothing is called `web-`, is a glob.
            let what = What::Expression(expression_of(&of_glob(&self.text), &self.text)?);
            let (found, is_there) = Part::named(&what, inventory);
            return match found.is_empty() {
                true => Err(self.nothing(inventory, is_there)),
                false => Ok(found),
            };
        }
        if found.is_empty() {
            // A group without hosts takes nothing away, and that is no slip.
            return match is_there && self.sign == Sign::TakeAway {
                true => Ok(found),
                false => Err(self.nothing(inventory, is_there)),
            };
        }
        let chosen = match self.subscript {
            None => return Ok(found),
            Some(subscript) => subscript.of(&found),
        };
        match chosen.is_empty() {
            true => {
                let all = found.len();
                let what = format!("{} is outside of the {all} hosts that it counts in", quoted(&self.text));
                Err(BadPattern::new(what, "the first is `[0]`, the last `[-1]`"))
            }
            false => Ok(chosen),
        }
    }

    /// The places of the hosts, each once, and whether a group is called so.
    fn named(what: &What, inventory: &Inventory) -> (Vec<usize>, bool) {
        let mut found = Vec::new();
        let mut is_there = false;
        match what {
            What::Name(name) => {
                if inventory.groups.contains_key(name.as_str()) {
                    is_there = true;
                    found.extend(inventory.member_places(name));
                }
                found.extend(inventory.index.get(name.as_str()));
            }
            What::Expression(expression) => {
                let groups = inventory
                    .groups
                    .keys()
                    .filter(|name| !matches!(&***name, "all" | "ungrouped"));
                for group in groups.filter(|name| expression.is_match(name)) {
                    is_there = true;
                    found.extend(inventory.member_places(group));
                }
                let hosts = inventory.hosts.iter().enumerate();
                found.extend(
                    hosts
                        .filter(|(_, host)| expression.is_match(&host.name))
                        .map(|(at, _)| at),
                );
            }
        }
        let mut seen = HashSet::new();
        found.retain(|at| seen.insert(*at));
        (found, is_there)
    }

    fn nothing(&self, inventory: &Inventory, is_there: bool) -> BadPattern {
        let shown = quoted(&self.text);
        if is_there {
            return BadPattern::new(
                format!("the group {shown} has no hosts"),
                "`deminer inventory` shows all",
            );
        }
        let groups = inventory.groups.keys().map(|name| &**name);
        let near = nearest(&self.text, groups.chain(inventory.hosts.iter().map(|host| &*host.name)));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`? `deminer inventory` shows all"),
            None => "`deminer inventory` shows all".to_owned(),
        };
        BadPattern::new(format!("{shown} matches no host and no group"), hint)
    }
}

impl Subscript {
    fn of(self, found: &[usize]) -> Vec<usize> {
        match self {
            Subscript::One(at) => {
                let from_end = usize::try_from(at.unsigned_abs()).ok();
                let place = match at < 0 {
                    true => from_end.and_then(|n| found.len().checked_sub(n)),
                    false => from_end,
                };
                place.and_then(|at| found.get(at)).copied().into_iter().collect()
            }
            Subscript::Range(first, last) => {
                let end = last.map_or(found.len(), |last| last.saturating_add(1)).min(found.len());
                found.get(first..end).unwrap_or_default().to_vec()
            }
        }
    }
}

/// Parts `[0]`, `[-1]`, `[0:3]` or `[2:]` from the end of a name.
fn subscript(text: &str) -> (&str, Option<Subscript>) {
    let parted = text.strip_suffix(']').and_then(|text| text.rsplit_once('['));
    let Some((name, inside)) = parted.filter(|(name, _)| !name.is_empty()) else {
        return (text, None);
    };
    let number = |text: &str| -> Option<usize> {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    let found = match inside.split_once(':') {
        Some((first, "")) => number(first).map(|first| Subscript::Range(first, None)),
        Some((first, last)) => number(first)
            .zip(number(last))
            .map(|(first, last)| Subscript::Range(first, Some(last))),
        None => {
            let digits = inside.strip_prefix('-').unwrap_or(inside);
            number(digits).and_then(|_| inside.parse().ok()).map(Subscript::One)
        }
    };
    match found {
        Some(found) => (name, Some(found)),
        None => (text, None),
    }
}

/// A glob as an expression: `*`, `?`, `[abc]`, `[!abc]`, as Python's `fnmatch`.
fn of_glob(glob: &str) -> String {
    let mut out = String::from("^(?s:");
    let mut rest = glob;
    while let Some(c) = rest.chars().next() {
        let behind = &rest[c.len_utf8()..];
        rest = behind;
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => {
                let from = usize::from(behind.starts_with('!'));
                // A `]` right at the beginning is one of the signs.
                let first = from + usize::from(behind[from..].starts_with(']'));
                let Some(end) = behind[first..].find(']').map(|at| first + at) else {
                    out.push_str("\\[");
                    continue;
                };
                out.push_str(if from == 1 { "[^" } else { "[" });
                for c in behind[from..end].chars() {
                    match c {
                        '-' => out.push('-'),
                        c if c.is_alphanumeric() => out.push(c),
                        c => out.push_str(&regex::escape(&c.to_string())),
                    }
                }
                out.push(']');
                rest = &behind[end + 1..];
            }
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push_str(")$");
    out
}

fn expression_of(expression: &str, text: &str) -> Result<Regex, BadPattern> {
    let built = RegexBuilder::new(expression).size_limit(EXPRESSION_BYTES).build();
    built.map_err(|_| {
        BadPattern::new(
            format!("{} is no pattern", quoted(text)),
            "behind `~` stands a regular expression",
        )
    })
}
