//! The text of a file of tests: every mistake at once, with its place.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::action::Act;
use deminer_worker::platform::simulated::{Change, Fault, SAMPLES};
use deminer_worker::text::{HostBytes, HostPath};
use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Case, CaseHost, Expected, HostIs, OnHost, Part, SHOTS, Shot, TestFile, Yes};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Texts, line_number, nearest, quoted, suggest};
use crate::playbook::Span;
use crate::playbook::node::{Form, Kind, Node, read_as};
use crate::policy::Leave;

pub(crate) const TOP_KEYS: [&str; 3] = ["test", "playbook", "cases"];
pub(super) const CASE_KEYS: [&str; 18] = [
    "name",
    "host",
    "hosts",
    "inventory",
    "env",
    "set",
    "now",
    "answers",
    "policy",
    "allow",
    "approve",
    "watch",
    "drift",
    "faults",
    "crash",
    "resume",
    "expect",
    "snapshots",
];
pub(super) const YES_KEYS: [&str; 3] = ["exclude", "reason", "only"];
pub(super) const DRIFT_KEYS: [&str; 5] = ["host", "write", "content", "remove", "end"];
pub(super) const FAULT_KEYS: [&str; 3] = ["host", "at", "then"];
pub(super) const EXPECT_KEYS: [&str; 7] = [
    "verdict",
    "status",
    "actions",
    "findings",
    "untouched",
    "stopped",
    "refused",
];
/// What of a case belongs to an apply.
pub(super) const OF_APPLY: [&str; 5] = ["drift", "faults", "crash", "resume", "watch"];
/// What a change is, one of them.
pub(super) const DRIFTS: [&str; 3] = ["write", "remove", "end"];
/// The stages after which an apply may end.
pub(super) const PARTS: [&str; 3] = ["preserve", "contain", "eradicate"];
/// The words of [`HostVerdict`](crate::finding::HostVerdict).
pub(super) const VERDICTS: [&str; 4] = ["clean", "cannot_say", "suspected", "infected"];
/// What a case without a name for its host calls it.
const HOST: &str = "host";
/// Events after which a controller can die.
pub(super) const EVENTS: [&str; 8] = [
    "approved",
    "stored",
    "frozen",
    "ready",
    "committed",
    "intent",
    "outcome",
    "verified",
];

type Fields<'n> = IndexMap<&'n str, (&'n Node, &'n Node)>;

impl TestFile {
    /// Reads a file of tests; `file` is what mistakes call it.
    ///
    /// # Errors
    /// All mistakes.
    pub fn read(file: &str, text: &str) -> Result<TestFile, Diagnostics> {
        let mut reader = Reader {
            text,
            mistakes: Vec::new(),
        };
        let read = match read_as(text, &Form::TEST) {
            Ok(node) => reader.file(&node),
            Err(mistake) => {
                reader.mistakes.push(mistake);
                None
            }
        };
        match read {
            Some(read) if reader.mistakes.is_empty() => Ok(read),
            _ => Err(Diagnostics::of(Texts::of(file, text), reader.mistakes)),
        }
    }
}

struct Reader<'r> {
    text: &'r str,
    mistakes: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn mistake(&mut self, code: Code, span: Span, message: impl Into<String>, help: Option<String>) {
        self.mistakes
            .push(Diagnostic::error(code, span, message).maybe_help(help));
    }

    fn kind(&mut self, node: &Node, place: &str, wanted: &str) {
        let message = format!("{place}: expected {wanted}, found {}", node.kind.name());
        self.mistake(Code::WrongKind, node.span, message, None);
    }

    /// The pairs of a map, each key once.
    fn fields<'n>(&mut self, node: &'n Node, place: &str, known: Option<&[&str]>) -> Fields<'n> {
        let mut fields = Fields::new();
        let Kind::Map(pairs) = &node.kind else {
            self.kind(node, place, "a map");
            return fields;
        };
        for (key, value) in pairs {
            let Some(name) = key.text() else {
                self.kind(key, place, "a key in words");
                continue;
            };
            if let Some((first, _)) = fields.get(name) {
                let message = format!("{place}: {} stands twice", quoted(name));
                let twice = Diagnostic::error(Code::DuplicateKey, key.span, message).label(first.span, "first here");
                self.mistakes.push(twice);
            } else if let Some(known) = known.filter(|known| !known.contains(&name)) {
                let message = format!("{place}: unknown key {}", quoted(name));
                let help = suggest(name, known.iter().copied());
                self.mistake(Code::UnknownKey, key.span, message, help);
            } else {
                fields.insert(name, (key, value));
            }
        }
        fields
    }

    fn items<'n>(&mut self, node: &'n Node, place: &str) -> &'n [Node] {
        match &node.kind {
            Kind::List(items) => items,
            _ => {
                self.kind(node, place, "a list");
                &[]
            }
        }
    }

    fn words(&mut self, node: &Node, place: &str) -> Option<String> {
        match node.text() {
            Some(text) if !text.trim().is_empty() => return Some(text.to_owned()),
            Some(_) => self.mistake(Code::Empty, node.span, format!("{place} is empty"), None),
            None => self.kind(node, place, "text"),
        }
        None
    }

    fn list(&mut self, node: &Node, place: &str) -> Vec<String> {
        let items = self.items(node, place);
        items.iter().filter_map(|item| self.words(item, place)).collect()
    }

    fn missing(&mut self, node: &Node, place: &str, what: &str, help: &str) {
        let at = Span {
            start: node.span.start,
            end: node.span.start,
        };
        self.mistake(
            Code::MissingKey,
            at,
            format!("{place}: {what} is missing"),
            Some(help.to_owned()),
        );
    }

    /// One word of a closed list, in the form that its type is written in.
    fn word<T: DeserializeOwned>(&mut self, node: &Node, place: &str, known: &[&str]) -> Option<T> {
        let text = self.words(node, place)?;
        let value = known.contains(&text.as_str()).then(|| Value::String(text.clone()));
        let word = value.and_then(|value| serde_json::from_value(value).ok());
        if word.is_none() {
            let message = format!("{place}: {} is none of its words", quoted(&text));
            self.mistake(
                Code::TestValue,
                node.span,
                message,
                suggest(&text, known.iter().copied()),
            );
        }
        word
    }

    fn file(&mut self, node: &Node) -> Option<TestFile> {
        let fields = self.fields(node, "test", Some(&TOP_KEYS));
        let words = |reader: &mut Self, name: &str| {
            let (_, node) = fields.get(name)?;
            reader.words(node, &quoted(name))
        };
        let name = words(self, "test");
        if !fields.contains_key("test") {
            self.missing(node, "test", "`test`", "write `test: NAME` first");
        }
        let playbook = words(self, "playbook");
        let mut cases: Vec<Case> = Vec::new();
        match fields.get("cases") {
            None => self.missing(node, "test", "`cases`", "a test has cases, each with a name and a host"),
            Some((_, list)) => {
                for item in self.items(list, "`cases`") {
                    let case = self.case(item);
                    let is_shot = |case: &Case| !case.snapshots.is_empty();
                    let alike = |other: &&Case| super::name_of(&other.name) == super::name_of(&case.name);
                    if cases.iter().any(|other| other.name == case.name) {
                        let message = format!("case {} is there twice", quoted(&case.name));
                        self.mistake(Code::DuplicateKey, item.span, message, None);
                    } else if let Some(other) = cases
                        .iter()
                        .filter(alike)
                        .find(|other| is_shot(other) && is_shot(&case))
                    {
                        let (one, two) = (quoted(&case.name), quoted(&other.name));
                        let message = format!("the snapshots of case {one} are the files of those of case {two}");
                        let help = "name them apart by letters or digits";
                        self.mistake(Code::DuplicateKey, item.span, message, Some(help.to_owned()));
                    }
                    cases.push(case);
                }
            }
        }
        let at = fields.get("playbook").or(fields.get("test"));
        Some(TestFile {
            name: name?,
            playbook,
            at: at.map_or(node.span, |(_, value)| value.span),
            cases,
        })
    }

    fn case(&mut self, node: &Node) -> Case {
        let mut case = Case {
            line: line_number(self.text, node.span),
            ..Case::default()
        };
        let fields = self.fields(node, "case", Some(&CASE_KEYS));
        match fields.get("name") {
            None => self.missing(node, "case", "`name`", "each case has a name of its own"),
            Some((_, name)) => case.name = self.words(name, "`name`").unwrap_or_default(),
        }
        let place = format!("case {}", quoted(&case.name));
        self.hosts(&mut case, node, &fields, &place);
        for (name, (_, value)) in &fields {
            let at = format!("{place}: {}", quoted(name));
            match *name {
                "env" => case.env = self.words(value, &at),
                "now" => case.now_ms = self.time(value, &at),
                "answers" => case.answers = self.words(value, &at),
                "policy" => case.policy = self.words(value, &at),
                "watch" => case.watch = self.words(value, &at),
                "inventory" => case.inventory = self.list(value, &at),
                "set" => case.set = self.set(value, &at),
                "allow" => {
                    for item in self.items(value, &at) {
                        let word: Option<String> = self.word(item, &at, &Leave::ALL.map(Leave::name));
                        case.allow.extend(word.and_then(|word| word.parse::<Leave>().ok()));
                    }
                }
                "approve" => case.approve = self.approve(value, &at),
                "drift" => case.drift = self.drift(value, &at, &case),
                "faults" => case.faults = self.faults(value, &at, &case),
                "crash" => {
                    let known: Option<String> = self.word(value, &at, &EVENTS);
                    case.crash = known;
                }
                "resume" => match value.kind {
                    Kind::Bool(resume) => case.resume = resume,
                    _ => self.kind(value, &at, "true or false"),
                },
                "expect" => case.expect = self.expect(value, &at, &case),
                "snapshots" => {
                    for item in self.items(value, &at) {
                        let word: Option<String> = self.word(item, &at, &SHOTS.map(Shot::word));
                        let shot = SHOTS.into_iter().find(|shot| word.as_deref() == Some(shot.word()));
                        case.snapshots.extend(shot);
                    }
                }
                _ => {}
            }
        }
        for name in OF_APPLY {
            if let Some((key, _)) = fields.get(name).filter(|_| case.approve.is_none()) {
                let message = format!("{place}: {} belongs to an apply", quoted(name));
                let help = Some("add `approve: all`".to_owned());
                self.mistake(Code::TestValue, key.span, message, help);
            }
        }
        case
    }

    fn hosts(&mut self, case: &mut Case, node: &Node, fields: &Fields<'_>, place: &str) {
        if let Some((_, one)) = fields.get("host") {
            let is = self.host_is(one, &format!("{place}: `host`"));
            case.hosts.extend(is.map(|is| CaseHost {
                name: HOST.to_owned(),
                is,
            }));
        }
        match fields.get("hosts") {
            Some((key, _)) if fields.contains_key("host") => {
                let message = format!("{place}: both `host` and `hosts`");
                self.mistake(
                    Code::TestValue,
                    key.span,
                    message,
                    Some("name all under `hosts`".to_owned()),
                );
            }
            Some((_, hosts)) => {
                let at = format!("{place}: `hosts`");
                for (name, (key, is)) in self.fields(hosts, &at, None) {
                    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
                    if name.is_empty() || name.starts_with('-') || !name.bytes().all(plain) {
                        let help = Some("a name has letters, digits, `_`, `-` and `.`".to_owned());
                        self.mistake(
                            Code::BadName,
                            key.span,
                            format!("{at}: {} is no name", quoted(name)),
                            help,
                        );
                    }
                    let is = self.host_is(is, &at);
                    case.hosts.extend(is.map(|is| CaseHost {
                        name: name.to_owned(),
                        is,
                    }));
                }
                if hosts.kind == Kind::Map(Vec::new()) {
                    let help = "name one: `hosts: {web-1: simulated:infected}`".to_owned();
                    self.mistake(Code::Empty, hosts.span, format!("{at} is empty"), Some(help));
                }
            }
            None if !fields.contains_key("host") => {
                let help = "as `host: simulated:infected`, or a folder of `deminer record`";
                self.missing(node, place, "`host`", help);
            }
            None => {}
        }
    }

    /// `simulated:infected`, the file of a world, or else a folder.
    fn host_is(&mut self, node: &Node, place: &str) -> Option<HostIs> {
        let text = self.words(node, place)?;
        let Some(world) = text.strip_prefix("simulated:") else {
            let is_world = [".json", ".yml", ".yaml"].iter().any(|ending| text.ends_with(ending));
            return Some(match is_world {
                true => HostIs::Simulated(text),
                false => HostIs::Recorded(text.strip_prefix("recorded:").unwrap_or(&text).to_owned()),
            });
        };
        // A file of nearly that name would be written with its folder or its ending.
        let meant = nearest(world, SAMPLES).filter(|near| *near != world && !world.contains(['/', '.']));
        if let Some(near) = meant {
            let message = format!("{place}: no simulated host is called {}", quoted(world));
            let help = Some(format!("did you mean `simulated:{near}`?"));
            self.mistake(Code::TestValue, node.span, message, help);
        }
        Some(HostIs::Simulated(world.to_owned()))
    }

    fn time(&mut self, node: &Node, place: &str) -> Option<u64> {
        let text = self.words(node, place)?;
        let time: Option<jiff::Timestamp> = text.parse().ok();
        let ms = time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
        if ms.is_none() {
            let help = Some("as 2026-11-14T02:41:04Z".to_owned());
            let message = format!("{place}: {} is no time", quoted(&text));
            self.mistake(Code::TestValue, node.span, message, help);
        }
        ms
    }

    /// Values as the command line has them.
    fn set(&mut self, node: &Node, place: &str) -> Vec<String> {
        let fields = self.fields(node, place, None);
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let fields = fields.into_iter();
        fields
            .map(|(name, (_, value))| format!("{name}={}", text(value.json())))
            .collect()
    }

    fn approve(&mut self, node: &Node, place: &str) -> Option<Yes> {
        if node.text() == Some("all") {
            return Some(Yes::default());
        }
        if node.text().is_some() {
            let message = format!("{place}: it is `all`, or what is left out");
            let help = Some("as in `approve: {exclude: [remove_file /tmp/x], reason: a copy is wanted}`".to_owned());
            self.mistake(Code::TestValue, node.span, message, help);
            return None;
        }
        let mut yes = Yes::default();
        for (name, (_, value)) in self.fields(node, place, Some(&YES_KEYS)) {
            match name {
                "exclude" => yes.exclude = self.list(value, place),
                "reason" => yes.reason = self.words(value, place),
                _ => {
                    let word: Option<String> = self.word(value, place, &PARTS);
                    yes.only = word.map(|word| match word.as_str() {
                        "preserve" => Part::Preserve,
                        "contain" => Part::Contain,
                        _ => Part::Eradicate,
                    });
                }
            }
        }
        Some(yes)
    }

    fn host(&mut self, fields: &Fields<'_>, place: &str, case: &Case) -> Option<String> {
        let (_, node) = fields.get("host")?;
        let name = self.words(node, place)?;
        let known: Vec<&str> = case.hosts.iter().map(|host| host.name.as_str()).collect();
        if !known.contains(&name.as_str()) {
            let message = format!("{place}: the case has no host {}", quoted(&name));
            self.mistake(Code::TestValue, node.span, message, suggest(&name, known));
        }
        Some(name)
    }

    fn drift(&mut self, node: &Node, place: &str, case: &Case) -> Vec<OnHost<Change>> {
        let mut changes = Vec::new();
        for item in self.items(node, place) {
            let fields = self.fields(item, place, Some(&DRIFT_KEYS));
            let host = self.host(&fields, place, case);
            let said: Vec<&str> = DRIFTS.into_iter().filter(|key| fields.contains_key(key)).collect();
            let [key] = said[..] else {
                let message = format!("{place}: a change is one of `write`, `remove` and `end`");
                self.mistake(Code::TestValue, item.span, message, None);
                continue;
            };
            let (_, value) = fields[key];
            let content = match fields.get("content") {
                Some((at, _)) if key != "write" => {
                    let message = format!("{place}: `content` belongs to `write`");
                    self.mistake(Code::TestValue, at.span, message, None);
                    ""
                }
                Some((_, content)) => content.text().unwrap_or_else(|| {
                    self.kind(content, place, "text");
                    ""
                }),
                None => "",
            };
            let what = match (key, &value.kind) {
                ("end", Kind::Uint(pid)) if u32::try_from(*pid).is_ok() => u32::try_from(*pid).ok().map(Change::End),
                ("end", _) => {
                    self.kind(value, place, "a pid");
                    None
                }
                ("write", _) => self.words(value, place).map(|path| Change::Write {
                    path: HostPath::from(path.as_str()),
                    content: HostBytes::from(content),
                }),
                _ => self
                    .words(value, place)
                    .map(|path| Change::Remove(HostPath::from(path.as_str()))),
            };
            changes.extend(what.map(|what| OnHost { host, what }));
        }
        changes
    }

    fn faults(&mut self, node: &Node, place: &str, case: &Case) -> Vec<OnHost<Fault>> {
        let mut faults = Vec::new();
        for item in self.items(node, place) {
            let fields = self.fields(item, place, Some(&FAULT_KEYS));
            let host = self.host(&fields, place, case);
            let said = fields.iter().filter(|(name, _)| **name != "host");
            let said: serde_json::Map<String, Value> = said
                .map(|(name, (_, value))| ((*name).to_owned(), value.json()))
                .collect();
            match serde_json::from_value(Value::Object(said)) {
                Ok(what) => faults.push(OnHost { host, what }),
                Err(why) => {
                    let help = Some("as in `{at: {call: {of: act, kind: kill}}, then: die}`".to_owned());
                    self.mistake(Code::TestValue, item.span, format!("{place}: {why}"), help);
                }
            }
        }
        faults
    }

    fn expect(&mut self, node: &Node, place: &str, case: &Case) -> Expected {
        let statuses: Vec<String> = crate::status::Status::ALL.iter().map(ToString::to_string).collect();
        let statuses: Vec<&str> = statuses.iter().map(String::as_str).collect();
        let mut expected = Expected::default();
        for (name, (_, value)) in self.fields(node, place, Some(&EXPECT_KEYS)) {
            let at = format!("{place}: {}", quoted(name));
            match name {
                "verdict" => expected.verdict = self.by_host(value, &at, case, &VERDICTS),
                "status" => expected.status = self.by_host(value, &at, case, &statuses),
                "actions" => {
                    for (kind, (_, count)) in self.fields(value, &at, Some(&Act::KINDS)) {
                        match count.kind {
                            Kind::Uint(count) => _ = expected.actions.insert(kind.to_owned(), count),
                            _ => self.kind(count, &at, "a number"),
                        }
                    }
                }
                "findings" => expected.findings = self.list(value, &at),
                "untouched" => {
                    let paths = self.list(value, &at);
                    expected.untouched = paths.iter().map(|path| HostPath::from(path.as_str())).collect();
                }
                "stopped" => expected.stopped = self.words(value, &at),
                _ => expected.refused = self.words(value, &at),
            }
        }
        expected
    }

    /// One word for all hosts, or one for each.
    fn by_host<T: DeserializeOwned>(
        &mut self,
        node: &Node,
        place: &str,
        case: &Case,
        known: &[&str],
    ) -> BTreeMap<Option<String>, T> {
        if node.text().is_some() {
            let word = self.word(node, place, known);
            return word.map(|word| (None, word)).into_iter().collect();
        }
        let names: BTreeSet<&str> = case.hosts.iter().map(|host| host.name.as_str()).collect();
        let mut words = BTreeMap::new();
        for (host, (key, value)) in self.fields(node, place, None) {
            if !names.contains(host) {
                let message = format!("{place}: the case has no host {}", quoted(host));
                self.mistake(Code::TestValue, key.span, message, suggest(host, names.iter().copied()));
            }
            words.extend(self.word(value, place, known).map(|word| (Some(host.to_owned()), word)));
        }
        words
    }
}
