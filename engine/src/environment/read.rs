//! The text of an environment, held against its playbook: every mistake at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::{Change, Environment, What, merge, sources};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Texts, line_number, quoted, suggest};
use crate::inventory::Origin;
use crate::playbook::node::{Form, Kind, Node, read_as};
use crate::playbook::value::Misfit;
use crate::playbook::{CheckedPlaybook, Span, is_name};
use crate::policy::{self, SitePolicy};

const TOP_KEYS: [&str; 6] = ["environment", "for", "vars", "groups", "disable", "policy"];
const GROUP_KEYS: [&str; 1] = ["vars"];
/// The longest reason for which a step is left out.
const REASON_CHARS: usize = 400;

impl Environment {
    /// Reads an environment for a playbook; `file` is what mistakes call it, and what its paths are relative to.
    ///
    /// # Errors
    /// All mistakes, of shape and of meaning.
    pub fn read(file: &str, text: &str, playbook: &CheckedPlaybook) -> Result<Environment, Diagnostics> {
        let mut reader = Reader {
            file,
            text,
            playbook,
            mistakes: Vec::new(),
        };
        let environment = match read_as(text, &Form::ENVIRONMENT) {
            Ok(node) => reader.environment(&node),
            Err(mistake) => {
                reader.mistakes.push(mistake);
                None
            }
        };
        match environment {
            Some(environment) if reader.mistakes.is_empty() => Ok(environment),
            _ => Err(Diagnostics::of(Texts::of(file, text), reader.mistakes)),
        }
    }
}

struct Reader<'r> {
    file: &'r str,
    text: &'r str,
    playbook: &'r CheckedPlaybook,
    mistakes: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn mistake(&mut self, code: Code, span: Span, message: impl Into<String>, help: Option<String>) {
        self.mistakes
            .push(Diagnostic::error(code, span, message).maybe_help(help));
    }

    fn folder(&self) -> &Path {
        Path::new(self.file).parent().unwrap_or(Path::new(""))
    }

    /// The pairs of a map, each key once.
    fn fields<'n>(
        &mut self,
        node: &'n Node,
        place: &str,
        known: Option<&[&str]>,
    ) -> IndexMap<&'n str, (&'n Node, &'n Node)> {
        let mut fields: IndexMap<&str, (&Node, &Node)> = IndexMap::new();
        let Kind::Map(pairs) = &node.kind else {
            if node.kind != Kind::Null {
                let message = format!("{place}: expected a map, found {}", node.kind.name());
                self.mistake(Code::WrongKind, node.span, message, None);
            }
            return fields;
        };
        for (key, value) in pairs {
            let Some(name) = key.text() else {
                let message = format!("{place}: a key is {}", key.kind.name());
                self.mistake(Code::WrongKind, key.span, message, Some("put it in quotes".to_owned()));
                continue;
            };
            if let Some((first, _)) = fields.get(name) {
                let message = format!("{place}: {} stands twice", quoted(name));
                let twice = Diagnostic::error(Code::DuplicateKey, key.span, message).label(first.span, "first here");
                self.mistakes.push(twice);
                continue;
            }
            if let Some(known) = known
                && !known.contains(&name)
            {
                let message = format!("{place}: unknown key {}", quoted(name));
                self.mistake(
                    Code::UnknownKey,
                    key.span,
                    message,
                    suggest(name, known.iter().copied()),
                );
                continue;
            }
            fields.insert(name, (key, value));
        }
        fields
    }

    fn words<'n>(&mut self, node: &'n Node, place: &str) -> Option<&'n str> {
        match node.text() {
            Some(text) if !text.trim().is_empty() => Some(text),
            Some(_) => {
                self.mistake(Code::Empty, node.span, format!("{place} is empty"), None);
                None
            }
            None => {
                let message = format!("{place}: expected text, found {}", node.kind.name());
                self.mistake(Code::WrongKind, node.span, message, None);
                None
            }
        }
    }

    fn environment(&mut self, node: &Node) -> Option<Environment> {
        let fields = self.fields(node, "environment", Some(&TOP_KEYS));
        let value = |name: &str| fields.get(name).map(|(_, value)| *value);
        let name = match value("environment") {
            Some(node) => self.words(node, "`environment`").map(str::to_owned),
            None => {
                let at = Span {
                    start: node.span.start,
                    end: node.span.start,
                };
                let help = Some("write `environment: NAME` first".to_owned());
                self.mistake(Code::MissingKey, at, "environment: `environment` is missing", help);
                None
            }
        };
        if let (Some(name), Some(node)) = (&name, value("environment"))
            && !name
                .split(['-', '.'])
                .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        {
            let help = Some("a name has letters, digits, `_`, `-` and `.`".to_owned());
            self.mistake(Code::BadName, node.span, format!("{} is no name", quoted(name)), help);
        }
        if let Some(node) = value("for") {
            self.playbook_meant(node);
        }
        let vars = value("vars").map(|node| self.vars(node, None)).unwrap_or_default();
        let mut groups = IndexMap::new();
        if let Some(node) = value("groups") {
            for (group, (_, said)) in self.fields(node, "`groups`", None) {
                let place = format!("group {}", quoted(group));
                let fields = self.fields(said, &place, Some(&GROUP_KEYS));
                if let Some((_, vars)) = fields.get("vars") {
                    groups.insert(group.to_owned(), self.vars(vars, Some(group)));
                }
            }
        }
        let disabled = value("disable").map(|node| self.disabled(node)).unwrap_or_default();
        let policy = value("policy").map(|node| self.policy(node)).unwrap_or_default();
        Some(Environment {
            name: name?,
            text: Arc::from(self.text),
            vars,
            groups,
            disabled,
            policy,
        })
    }

    /// `linux-miner`, `linux-miner >=1 <3`
    fn playbook_meant(&mut self, node: &Node) {
        let Some(text) = self.words(node, "`for`") else { return };
        let mut words = text.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        if name != self.playbook.name() {
            let message = format!("it is for {}, the playbook is `{}`", quoted(name), self.playbook.name());
            self.mistake(Code::NotForPlaybook, node.span, message, None);
            return;
        }
        let version = self.playbook.version();
        for word in words {
            let digits = word.trim_start_matches(['<', '>', '=']);
            let (sign, bound) = (&word[..word.len() - digits.len()], digits.parse::<u64>());
            let fits = match (sign, bound) {
                (">=", Ok(bound)) => version >= bound,
                (">", Ok(bound)) => version > bound,
                ("<=", Ok(bound)) => version <= bound,
                ("<", Ok(bound)) => version < bound,
                ("=" | "==" | "", Ok(bound)) => version == bound,
                _ => {
                    let help = Some("write it as `linux-miner >=1 <3`".to_owned());
                    let message = format!("`for`: {} is no version", quoted(word));
                    self.mistake(Code::NotForPlaybook, node.span, message, help);
                    continue;
                }
            };
            if !fits {
                let message = format!("it is for version {word} of `{name}`, the playbook is version {version}");
                self.mistake(Code::NotForPlaybook, node.span, message, None);
            }
        }
    }

    fn vars(&mut self, node: &Node, group: Option<&str>) -> Vec<Arc<Change>> {
        let place = match group {
            Some(group) => format!("group {}: `vars`", quoted(group)),
            None => "`vars`".to_owned(),
        };
        let mut changes = Vec::new();
        for (name, (key, value)) in self.fields(node, &place, None) {
            if let Some(what) = self.change(name, key, value) {
                let line = line_number(self.text, key.span);
                changes.push(Arc::new(Change {
                    name: name.to_owned(),
                    group: group.map(Arc::from),
                    origin: Origin {
                        file: Arc::from(self.file),
                        line: u32::try_from(line).ok(),
                    },
                    what,
                }));
            }
        }
        changes
    }

    fn change(&mut self, name: &str, key: &Node, value: &Node) -> Option<What> {
        let Some(var) = self.playbook.vars().get(name) else {
            let message = format!("the playbook declares no variable {}", quoted(name));
            let help = suggest(name, self.playbook.vars().keys().map(String::as_str));
            self.mistake(Code::NotDeclared, key.span, message, help);
            return None;
        };
        let (kind, json) = (&var.kind.value, value.json());
        let read = match () {
            () if merge::is_merge(&json) => merge::check(kind, &json)
                .map(|()| What::Merge(json))
                .map_err(|misfit| (Code::Merge, misfit)),
            () if kind.is_secret() => sources(kind, &json, self.folder())
                .map(What::Secret)
                .map_err(|misfit| (Code::SecretSource, misfit)),
            () => var
                .decode(&json)
                .map(What::Value)
                .map_err(|misfit| (Code::VariableValue, misfit)),
        };
        read.map_err(|(code, Misfit { path, why, help })| {
            let at = value.follow(&path).span;
            self.mistake(code, at, format!("variable `{name}`: {why}"), help);
        })
        .ok()
    }

    /// `STEP: why it is left out`
    fn disabled(&mut self, node: &Node) -> BTreeMap<String, String> {
        let mut disabled = BTreeMap::new();
        let mut places = IndexMap::new();
        for (id, (key, why)) in self.fields(node, "`disable`", None) {
            let ids = || self.playbook.disablable();
            if !is_name(id) || !self.playbook.has_step(id) {
                let message = format!("no step has the id {}", quoted(id));
                let help = suggest(id, ids());
                self.mistake(Code::UnknownStep, key.span, message, help);
                continue;
            }
            let Some(why) = self.words(why, &format!("`disable`: `{id}`")) else {
                continue;
            };
            if why.chars().count() > REASON_CHARS {
                let message = format!("the reason is longer than {REASON_CHARS} characters");
                self.mistake(Code::TooLong, key.span, message, None);
            }
            places.insert(id, key.span);
            disabled.insert(id.to_owned(), why.to_owned());
        }
        for (id, (why, help)) in self.playbook.cannot_disable(&disabled) {
            if let Some(at) = places.get(id.as_str()) {
                self.mistake(Code::Disable, *at, why, help);
            }
        }
        disabled
    }

    fn policy(&mut self, node: &Node) -> SitePolicy {
        let mut whole = SitePolicy::default();
        // Each part on its own, so that every mistake has its place.
        for (name, (_, value)) in self.fields(node, "`policy`", Some(&policy::KEYS)) {
            let part = Value::Object(Map::from_iter([(name.to_owned(), value.json())]));
            let read = serde_json::from_value::<policy::Written>(part)
                .map_err(|error| (format!("`{name}`: {error}"), None))
                .and_then(|written| {
                    SitePolicy::of(written, Path::new(self.file)).map_err(|error| {
                        let source = std::error::Error::source(&error).map(|why| format!(": {why}"));
                        let said = error.to_string();
                        let prefix = format!("the policy {}: ", self.file);
                        let said = said.strip_prefix(&prefix).unwrap_or(&said).to_owned();
                        let help = error.hint().filter(|_| name == "approvals");
                        (format!("`{name}`: {said}{}", source.unwrap_or_default()), help)
                    })
                })
                .and_then(|part| {
                    whole
                        .clone()
                        .and(part)
                        .map_err(|error| (error.to_string(), error.hint()))
                });
            match read {
                Ok(all) => whole = all,
                Err((message, help)) => self.mistake(Code::Policy, value.span, message, help),
            }
        }
        whole
    }
}
