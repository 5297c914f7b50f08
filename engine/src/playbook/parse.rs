//! The first arrow: the text of a playbook becomes a [`Playbook`]. Every mistake of shape is collected.
//!
//! What a key means is decided here and nowhere else; a new key is a row of one of the tables and its reading.

pub(super) mod conduct;
mod step;

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::node::{Kind, Node, read};
use super::value::Misfit;
use super::{Phase, Placed, Playbook, Repeat, Span, Step, Steps, Var, VarType};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, nearest, quoted, suggest};

pub(super) use step::keys_beside;

pub(crate) const PLAYBOOK_KEYS: [&str; 4] = ["playbook", "version", "vars", "phases"];
pub(super) const VAR_KEYS: [&str; 3] = ["type", "default", "help"];
pub(crate) const PART_KEYS: [&str; 3] = ["help", "vars", "steps"];
pub(super) const STEP_KEYS: [&str; 16] = [
    "id",
    "name",
    "use",
    "with",
    "when",
    "foreach",
    "until",
    "retries",
    "delay",
    "timeout",
    "on_error",
    "let",
    "stop",
    "hand_over",
    "assert",
    "include",
];
pub(super) const BODY_KEYS: [&str; 5] = ["use", "let", "stop", "assert", "include"];
pub(super) const LOOP_KEYS: [&str; 2] = ["repeat", "steps"];
pub(super) const REPEAT_KEYS: [&str; 3] = ["until", "max_rounds", "refresh"];

/// The rounds that a playbook may ask for.
pub(super) const ROUNDS: std::ops::RangeInclusive<u64> = 1..=10;
/// The longest name.
const NAME_CHARS: usize = 64;
/// The longest expression or template.
pub(super) const EXPRESSION_BYTES: usize = 16 << 10;

/// Reads a playbook; `file` is what mistakes call it.
///
/// # Errors
/// All mistakes of shape.
pub fn parse(file: &str, text: &str) -> Result<Playbook, Diagnostics> {
    let Parsed { playbook, mistakes, .. } = parse_all(file, text);
    match playbook {
        Some(playbook) if mistakes.is_empty() => Ok(playbook),
        _ => Err(Diagnostics::new(file, text, mistakes)),
    }
}

/// Reads as much of a playbook as can be read, with all mistakes; `None` where it is no YAML or no map.
pub(super) fn parse_all(file: &str, text: &str) -> Parsed {
    let node = match read(text) {
        Ok(node) => node,
        Err(mistake) => {
            return Parsed {
                playbook: None,
                mistakes: vec![mistake],
                untyped: HashSet::new(),
            };
        }
    };
    let mut reader = Reader {
        text,
        mistakes: Vec::new(),
        untyped: HashSet::new(),
    };
    let playbook = reader.playbook(file, &node);
    Parsed {
        playbook,
        mistakes: reader.mistakes,
        untyped: reader.untyped,
    }
}

/// Reads as much as can be read of a file that a playbook includes: its text begins at `start` of `all`.
pub(super) fn parse_part(name: &str, all: &str, start: usize) -> ParsedPart {
    let text = all.get(start..).unwrap_or("");
    let node = match read(text) {
        Ok(node) => node.moved(start),
        Err(mut mistake) => {
            mistake.span = mistake.span.map(|span| Span {
                start: span.start + start,
                end: span.end + start,
            });
            return ParsedPart {
                mistakes: vec![mistake],
                ..ParsedPart::default()
            };
        }
    };
    let mut reader = Reader {
        text: all,
        mistakes: Vec::new(),
        untyped: HashSet::new(),
    };
    let read = reader.part(name, &node);
    let is_read = read.is_some();
    let (vars, steps) = read.unwrap_or_default();
    ParsedPart {
        is_read,
        vars,
        steps,
        mistakes: reader.mistakes,
        untyped: reader.untyped,
    }
}

/// What could be read of a file that a playbook includes.
#[derive(Default)]
pub(super) struct ParsedPart {
    /// Whether it is a file of steps at all.
    pub(super) is_read: bool,
    pub(super) vars: IndexMap<String, Var>,
    pub(super) steps: Vec<Step>,
    pub(super) mistakes: Vec<Diagnostic>,
    /// Variables whose type could not be read.
    pub(super) untyped: HashSet<String>,
}

/// What could be read of a text.
pub(super) struct Parsed {
    pub(super) playbook: Option<Playbook>,
    pub(super) mistakes: Vec<Diagnostic>,
    /// Variables whose type could not be read.
    pub(super) untyped: HashSet<String>,
}

struct Reader<'t> {
    text: &'t str,
    mistakes: Vec<Diagnostic>,
    untyped: HashSet<String>,
}

/// The pairs of a map, each key once.
struct Fields<'n> {
    span: Span,
    pairs: IndexMap<&'n str, (&'n Node, &'n Node)>,
}

impl<'n> Fields<'n> {
    fn value(&self, key: &str) -> Option<&'n Node> {
        self.pairs.get(key).map(|(_, value)| *value)
    }

    fn key_span(&self, key: &str) -> Option<Span> {
        self.pairs.get(key).map(|(key, _)| key.span)
    }
}

impl Reader<'_> {
    fn mistake(&mut self, mistake: Diagnostic) {
        self.mistakes.push(mistake);
    }

    /// The pairs of a map; what is no map, a key that is no text and a key that stands twice are mistakes.
    fn fields<'n>(&mut self, node: &'n Node, place: &str, known: Option<&[&str]>) -> Option<Fields<'n>> {
        let Kind::Map(pairs) = &node.kind else {
            self.wrong_kind(node, place, "a map");
            return None;
        };
        let mut fields = Fields {
            span: node.span,
            pairs: IndexMap::with_capacity(pairs.len()),
        };
        for (key, value) in pairs {
            let Some(name) = key.text() else {
                self.mistake(
                    Diagnostic::error(
                        Code::WrongKind,
                        key.span,
                        format!("{place}: a key is {}", key.kind.name()),
                    )
                    .help("put it in quotes"),
                );
                continue;
            };
            if let Some((first, _)) = fields.pairs.get(name) {
                let message = format!("{place}: {} stands twice", quoted(name));
                let mistake = Diagnostic::error(Code::DuplicateKey, key.span, message).help("remove one of the two");
                self.mistake(mistake.label(first.span, "first here"));
                continue;
            }
            if let Some(known) = known
                && !known.contains(&name)
            {
                let message = format!("{place}: unknown key {}", quoted(name));
                let help = suggest(name, known.iter().copied());
                self.mistake(Diagnostic::error(Code::UnknownKey, key.span, message).maybe_help(help));
                continue;
            }
            fields.pairs.insert(name, (key, value));
        }
        Some(fields)
    }

    fn wrong_kind(&mut self, node: &Node, place: &str, expected: &str) {
        if node.is_bare_braces() {
            let raw = self.text.get(node.span.start..).unwrap_or("");
            let raw: &str = raw.lines().next().unwrap_or("").trim_end();
            let whole = raw.find("}}").map_or(raw, |at| &raw[..at + 2]);
            let span = Span {
                start: node.span.start,
                end: node.span.start + whole.len(),
            };
            let message = format!("{place}: braces without quotes are a map to YAML");
            self.mistake(Diagnostic::error(Code::Braces, span, message).help(format!("write \"{whole}\"")));
            return;
        }
        let message = format!("{place}: expected {expected}, found {}", node.kind.name());
        let help = match expected {
            "text" => "write it as text; in quotes where YAML would take it for something else",
            "a whole number" => "write digits only, without quotes: `3`",
            "a map" => "write `key: value` lines, or `{key: value}`",
            "a list of steps" => "begin each step with `- `, indented below its phase",
            "a list of step ids" => "write it as a list: `[processes, cron]`",
            _ => "`deminer explain P0004` says what stands where",
        };
        self.mistake(Diagnostic::error(Code::WrongKind, node.span, message).help(help));
    }

    fn missing(&mut self, span: Span, place: &str, key: &str, help: &str) {
        let at = Span {
            start: span.start,
            end: span.start,
        };
        let message = format!("{place}: `{key}` is missing");
        self.mistake(Diagnostic::error(Code::MissingKey, at, message).help(help));
    }

    fn plain_text(&mut self, node: &Node, place: &str) -> Option<Placed<String>> {
        match node.text() {
            Some(text) if text.trim().is_empty() => {
                let message = format!("{place} is empty");
                self.mistake(Diagnostic::error(Code::Empty, node.span, message).help("write it, or leave the key out"));
                None
            }
            Some(text) if text.len() > EXPRESSION_BYTES => {
                let message = format!("{place} is longer than {EXPRESSION_BYTES} bytes");
                self.mistake(
                    Diagnostic::error(Code::TooLong, node.span, message).help("compute it in parts, in `let`"),
                );
                None
            }
            Some(text) => Some(Placed {
                value: text.to_owned(),
                span: node.span,
            }),
            None => {
                self.wrong_kind(node, place, "text");
                None
            }
        }
    }

    fn name(&mut self, node: &Node, place: &str) -> Option<Placed<String>> {
        let name = self.plain_text(node, place)?;
        if !is_name(&name.value) {
            let message = format!("{place}: {} is no name", quoted(&name.value));
            let help = "a name has letters, digits and `_`, and does not begin with a digit";
            self.mistake(Diagnostic::error(Code::BadName, node.span, message).help(help));
        }
        Some(name)
    }

    /// A bare expression; a number or boolean of YAML is one too.
    fn expression(&mut self, node: &Node, place: &str) -> Option<Placed<String>> {
        if let Kind::Bool(_) | Kind::Int(_) | Kind::Uint(_) | Kind::Float(_) = node.kind {
            return Some(Placed {
                value: self.text.get(node.span.start..node.span.end)?.to_owned(),
                span: node.span,
            });
        }
        let text = self.plain_text(node, place)?;
        let trimmed = text.value.trim();
        if trimmed.starts_with("{{") {
            let bare = trimmed.trim_start_matches('{').trim_end_matches('}').trim();
            let message = format!("{place} is an expression already and takes no braces");
            self.mistake(Diagnostic::error(Code::Braces, node.span, message).help(format!("write {}", quoted(bare))));
            return None;
        }
        Some(text)
    }

    fn playbook(&mut self, file: &str, node: &Node) -> Option<Playbook> {
        if node.kind == Kind::Null {
            let message = "the file holds no playbook";
            self.mistake(Diagnostic::error(Code::Empty, node.span, message).help("it begins with `playbook: NAME`"));
            return None;
        }
        let fields = self.fields(node, "playbook", Some(&PLAYBOOK_KEYS))?;
        let name = match fields.value("playbook") {
            Some(value) => self.playbook_name(value),
            None => {
                self.missing(fields.span, "playbook", "playbook", "write `playbook: NAME` first");
                None
            }
        };
        let version = match fields.value("version") {
            Some(value) => self.number(value, "`version`", 1..=u64::from(u32::MAX)),
            None => {
                self.missing(fields.span, "playbook", "version", "write `version: 1`");
                None
            }
        };
        let vars = fields.value("vars").map(|value| self.vars(value)).unwrap_or_default();
        let phases = match fields.value("phases") {
            Some(value) => self.phases(value),
            None => {
                let help = "write `phases:` with gather, decide, locate, backup, eradicate, verify";
                self.missing(fields.span, "playbook", "phases", help);
                IndexMap::new()
            }
        };
        let unnamed = || Placed {
            value: String::new(),
            span: Span::default(),
        };
        Some(Playbook {
            file: file.to_owned(),
            text: Arc::from(self.text),
            name: name.unwrap_or_else(unnamed),
            version: version.unwrap_or(Placed {
                value: 1,
                span: Span::default(),
            }),
            vars,
            phases,
        })
    }

    /// The variables and steps of a file that is included.
    fn part(&mut self, name: &str, node: &Node) -> Option<(IndexMap<String, Var>, Vec<Step>)> {
        let help = "an included file has `steps:`, and `vars:` that the including step sets";
        if node.kind == Kind::Null {
            let message = format!("{} is empty", quoted(name));
            self.mistake(Diagnostic::error(Code::Empty, node.span, message).help(help));
            return None;
        }
        if let Kind::Map(pairs) = &node.kind
            && let Some((key, _)) = pairs.iter().find(|(key, _)| key.text() == Some("playbook"))
        {
            let message = format!("{} is a playbook of its own", quoted(name));
            self.mistake(Diagnostic::error(Code::IncludedPlaybook, key.span, message).help(help));
            return None;
        }
        let fields = self.fields(node, &quoted(name), Some(&PART_KEYS))?;
        if let Some(help) = fields.value("help") {
            self.plain_text(help, "`help`");
        }
        let vars = fields.value("vars").map(|value| self.vars(value)).unwrap_or_default();
        let steps = match fields.value("steps") {
            Some(Node {
                kind: Kind::List(items),
                ..
            }) => self.steps(&quoted(name), items),
            Some(other) => {
                self.wrong_kind(other, &format!("{}, `steps`", quoted(name)), "a list of steps");
                Vec::new()
            }
            None => {
                self.missing(fields.span, &quoted(name), "steps", help);
                return None;
            }
        };
        Some((vars, steps))
    }

    fn playbook_name(&mut self, node: &Node) -> Option<Placed<String>> {
        let name = self.plain_text(node, "`playbook`")?;
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !name.value.chars().all(fits) || name.value.starts_with('.') || name.value.chars().count() > NAME_CHARS {
            let message = format!("{} is no name of a playbook", quoted(&name.value));
            let help = "it has letters, digits, `-`, `_` and `.`, 64 at most: `linux-miner`";
            self.mistake(Diagnostic::error(Code::BadName, node.span, message).help(help));
        }
        Some(name)
    }

    fn number(&mut self, node: &Node, place: &str, range: std::ops::RangeInclusive<u64>) -> Option<Placed<u64>> {
        let (first, last) = (range.start(), range.end());
        match node.kind {
            Kind::Uint(n) if range.contains(&n) => Some(Placed {
                value: n,
                span: node.span,
            }),
            Kind::Uint(_) | Kind::Int(_) => {
                let message = format!("{place} is a number from {first} to {last}");
                let help = format!("write `{first}`, or more");
                self.mistake(Diagnostic::error(Code::OutOfRange, node.span, message).help(help));
                None
            }
            _ => {
                self.wrong_kind(node, place, "a whole number");
                None
            }
        }
    }

    fn vars(&mut self, node: &Node) -> IndexMap<String, Var> {
        let Some(fields) = self.fields(node, "`vars`", None) else {
            return IndexMap::new();
        };
        let mut vars = IndexMap::new();
        for (name, (key, value)) in fields.pairs {
            self.name(key, "variable");
            let told = self.mistakes.len();
            let var = self.var(name, key, value);
            if self.mistakes.len() > told {
                self.untyped.insert(name.to_owned());
            }
            vars.insert(name.to_owned(), var);
        }
        vars
    }

    fn var(&mut self, name: &str, key: &Node, node: &Node) -> Var {
        let place = format!("variable `{name}`");
        // A variable whose type cannot be read is still declared, so that references to it are no mistakes.
        let mut var = Var {
            span: key.span,
            kind: Placed {
                value: VarType::String,
                span: key.span,
            },
            default: None,
            help: String::new(),
        };
        let Some(fields) = self.fields(node, &place, Some(&VAR_KEYS)) else {
            return var;
        };
        if let Some(help) = fields
            .value("help")
            .and_then(|n| self.plain_text(n, &format!("{place}, `help`")))
        {
            var.help = help.value;
        }
        let Some(kind) = fields.value("type") else {
            self.missing(
                node.span,
                &place,
                "type",
                "write `type: string`, `duration`, `\"list<string>\"`, ...",
            );
            return var;
        };
        let Some(written) = self.plain_text(kind, &format!("{place}, `type`")) else {
            return var;
        };
        match VarType::parse(&written.value) {
            Ok(value) => var.kind = Placed { value, span: kind.span },
            Err(misfit) => {
                let message = format!("{place}: {}", misfit.why);
                self.mistake(Diagnostic::error(Code::UnknownType, kind.span, message).maybe_help(misfit.help));
                return var;
            }
        }
        if let Some(default) = fields.value("default") {
            var.default = self.default(&place, &var.kind.value, default);
        }
        var
    }

    fn default(&mut self, place: &str, kind: &VarType, node: &Node) -> Option<serde_json::Value> {
        if kind.is_secret() {
            let message = format!("{place}: a secret has no default");
            let help =
                "remove it; an environment or the inventory says where it comes from, or give it with `--set-file`";
            self.mistake(Diagnostic::error(Code::SecretDefault, node.span, message).help(help));
            return None;
        }
        if node.kind == Kind::Null {
            return Some(serde_json::Value::Null);
        }
        match kind.decode(&node.json()) {
            Ok(value) => Some(value),
            Err(Misfit { path, why, help }) => {
                let at = node.follow(&path).span;
                let message = format!("{place}: {why}");
                self.mistake(Diagnostic::error(Code::VariableValue, at, message).maybe_help(help));
                None
            }
        }
    }

    fn phases(&mut self, node: &Node) -> IndexMap<Phase, Steps> {
        let Some(fields) = self.fields(node, "`phases`", None) else {
            return IndexMap::new();
        };
        let mut phases = IndexMap::new();
        for (name, (key, value)) in &fields.pairs {
            match Phase::named(name) {
                Some(phase) => {
                    let steps = self.phase(phase, key, value);
                    phases.insert(phase, steps);
                }
                None => {
                    let message = format!("unknown phase {}", quoted(name));
                    let names: Vec<String> = Phase::ALL.iter().map(Phase::to_string).collect();
                    let help = suggest(name, names.iter().map(String::as_str));
                    self.mistake(Diagnostic::error(Code::UnknownPhase, key.span, message).maybe_help(help));
                    // Its steps are read as those of the phase that is meant, so that references to them are no mistakes.
                    let meant = nearest(name, names.iter().map(String::as_str)).and_then(Phase::named);
                    if let Some(meant) = meant.filter(|meant| !fields.pairs.contains_key(meant.to_string().as_str())) {
                        let steps = self.phase(meant, key, value);
                        phases.insert(meant, steps);
                    }
                }
            }
        }
        self.phase_order(&fields, &phases);
        phases.sort_keys();
        if phases.is_empty() && fields.pairs.is_empty() {
            let mistake = Diagnostic::error(Code::Empty, fields.span, "`phases` is empty");
            self.mistake(mistake.help("write `gather:` with a step: `- {id: processes, use: process.list}`"));
        }
        phases
    }

    /// Phases run in one order, and are written in it.
    fn phase_order(&mut self, fields: &Fields<'_>, phases: &IndexMap<Phase, Steps>) {
        let mut last: Option<Phase> = None;
        for phase in phases.keys().copied() {
            if let (Some(before), Some(at)) = (last, fields.key_span(&phase.to_string()))
                && phase < before
            {
                let message = format!("phase `{phase}` runs before `{before}`, and stands behind it");
                let mut mistake = Diagnostic::error(Code::PhaseOrder, at, message)
                    .help("the order is gather, decide, locate, backup, eradicate, verify");
                if let Some(first) = fields.key_span(&before.to_string()) {
                    mistake = mistake.label(first, "this one runs later");
                }
                self.mistake(mistake);
                return;
            }
            last = Some(phase);
        }
    }

    fn phase(&mut self, phase: Phase, key: &Node, node: &Node) -> Steps {
        let place = format!("phase `{phase}`");
        match &node.kind {
            Kind::List(items) => Steps {
                steps: self.steps(&place, items),
                repeat: None,
            },
            Kind::Map(_) if !node.is_bare_braces() => self.looped(phase, &place, node),
            Kind::Null => {
                let message = format!("{place} has no steps");
                self.mistake(Diagnostic::error(Code::Empty, key.span, message).help("leave the phase out"));
                Steps::default()
            }
            _ => {
                self.wrong_kind(node, &place, "a list of steps");
                Steps::default()
            }
        }
    }

    fn looped(&mut self, phase: Phase, place: &str, node: &Node) -> Steps {
        let Some(fields) = self.fields(node, place, Some(&LOOP_KEYS)) else {
            return Steps::default();
        };
        let mut repeat = None;
        if let Some(value) = fields.value("repeat") {
            if phase == Phase::Eradicate {
                repeat = self.repeat(place, value);
            } else {
                let at = fields.key_span("repeat").unwrap_or(value.span);
                let message = format!("{place}: only `eradicate` repeats");
                self.mistake(Diagnostic::error(Code::RepeatPlace, at, message).help("remove `repeat`"));
            }
        }
        let steps = match fields.value("steps") {
            Some(Node {
                kind: Kind::List(items),
                ..
            }) => self.steps(place, items),
            Some(other) => {
                self.wrong_kind(other, &format!("{place}, `steps`"), "a list of steps");
                Vec::new()
            }
            None => {
                self.missing(
                    node.span,
                    place,
                    "steps",
                    "a phase is a list, or a map of `repeat` and `steps`",
                );
                Vec::new()
            }
        };
        Steps { steps, repeat }
    }

    fn repeat(&mut self, place: &str, node: &Node) -> Option<Repeat> {
        let place = format!("{place}, `repeat`");
        let fields = self.fields(node, &place, Some(&REPEAT_KEYS))?;
        let until = match fields.value("until") {
            Some(value) => self.expression(value, "`until`"),
            None => {
                self.missing(
                    node.span,
                    &place,
                    "until",
                    "write what ends it: `until: not steps.still.found`",
                );
                None
            }
        };
        let max_rounds = match fields.value("max_rounds") {
            Some(value) => self.number(value, "`max_rounds`", ROUNDS),
            None => {
                self.missing(node.span, &place, "max_rounds", "write `max_rounds: 3`, 10 at most");
                None
            }
        };
        let refresh = match fields.value("refresh") {
            Some(Node {
                kind: Kind::List(items),
                ..
            }) => items
                .iter()
                .filter_map(|item| self.plain_text(item, "`refresh`"))
                .collect(),
            Some(other) => {
                self.wrong_kind(other, "`refresh`", "a list of step ids");
                Vec::new()
            }
            None => {
                self.missing(
                    node.span,
                    &place,
                    "refresh",
                    "name the reading steps that each round takes anew",
                );
                Vec::new()
            }
        };
        Some(Repeat {
            until: until?,
            max_rounds: max_rounds?,
            refresh,
        })
    }
}

/// Whether references can use it.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= NAME_CHARS
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
