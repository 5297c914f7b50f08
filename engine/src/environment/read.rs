//! The text of an environment: its own form, whatever playbook it is for.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::approval::APPROVAL_KEYS;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Texts, quoted, suggest};
use crate::playbook::Span;
use crate::playbook::node::{Form, Kind, Node, read_as};
use crate::policy::{self, Leave, SitePolicy};

pub(crate) const TOP_KEYS: [&str; 6] = ["environment", "for", "vars", "groups", "disable", "policy"];
pub(super) const GROUP_KEYS: [&str; 1] = ["vars"];
/// The signs before a version.
const SIGNS: [&str; 7] = [">=", ">", "<=", "<", "=", "==", ""];
/// The longest reason for which a step is left out.
pub(super) const REASON_CHARS: usize = 400;

/// An environment as it is written: its own form was read, whether it fits its playbook is not known yet.
#[derive(Debug, Clone)]
pub struct Draft {
    pub(super) file: String,
    pub(super) text: Arc<str>,
    /// `None` where there is none, or it is no name.
    pub(super) name: Option<String>,
    pub(super) meant: Option<Meant>,
    /// Of every host, then of groups, in the order written.
    pub(super) vars: Vec<Said>,
    pub(super) disabled: Vec<LeftOut>,
    pub(super) policy: SitePolicy,
    /// Of its form.
    pub(super) mistakes: Vec<Diagnostic>,
}

/// The playbook that is meant: `linux-miner >=1 <3`.
#[derive(Debug, Clone)]
pub(super) struct Meant {
    pub(super) playbook: String,
    /// Each a sign and a number.
    pub(super) versions: Vec<(String, u64)>,
    pub(super) span: Span,
}

/// What is said of a variable.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) name: String,
    pub(super) key: Span,
    pub(super) value: Node,
    /// For which group; `None` for every host.
    pub(super) group: Option<Arc<str>>,
}

/// A step that is left out.
#[derive(Debug, Clone)]
pub(super) struct LeftOut {
    pub(super) step: String,
    pub(super) key: Span,
    pub(super) why: String,
}

impl Draft {
    /// Reads an environment by itself; `file` is what mistakes call it, and what its paths are relative to.
    pub fn read(file: &str, text: &str) -> Draft {
        let mut reader = Reader {
            file,
            draft: Draft {
                file: file.to_owned(),
                text: Arc::from(text),
                name: None,
                meant: None,
                vars: Vec::new(),
                disabled: Vec::new(),
                policy: SitePolicy::default(),
                mistakes: Vec::new(),
            },
        };
        match read_as(text, &Form::ENVIRONMENT) {
            Ok(node) => reader.environment(&node),
            Err(mistake) => reader.draft.mistakes.push(mistake),
        }
        reader.draft
    }

    /// Its name; `None` where it has none.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The playbook that it is for; `None`: any that declares its variables.
    pub fn playbook(&self) -> Option<&str> {
        Some(&self.meant.as_ref()?.playbook)
    }

    /// The mistakes of its form; not those that only its playbook shows.
    pub fn mistakes(&self) -> Diagnostics {
        self.told(self.mistakes.clone())
    }

    pub(super) fn told(&self, mistakes: Vec<Diagnostic>) -> Diagnostics {
        Diagnostics::of(Texts::of(&self.file, Arc::clone(&self.text)), mistakes)
    }
}

struct Reader<'r> {
    file: &'r str,
    draft: Draft,
}

impl Reader<'_> {
    fn mistake(&mut self, code: Code, span: Span, message: impl Into<String>, help: Option<String>) {
        let mistake = Diagnostic::error(code, span, message).maybe_help(help);
        self.draft.mistakes.push(mistake);
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
                self.draft.mistakes.push(twice);
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

    fn environment(&mut self, node: &Node) {
        let fields = self.fields(node, "environment", Some(&TOP_KEYS));
        let value = |name: &str| fields.get(name).map(|(_, value)| *value);
        self.draft.name = match value("environment") {
            Some(node) => self.name(node),
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
        self.draft.meant = value("for").and_then(|node| self.meant(node));
        let mut vars = value("vars").map(|node| self.vars(node, None)).unwrap_or_default();
        if let Some(node) = value("groups") {
            for (group, (_, said)) in self.fields(node, "`groups`", None) {
                let place = format!("group {}", quoted(group));
                let fields = self.fields(said, &place, Some(&GROUP_KEYS));
                if let Some((_, node)) = fields.get("vars") {
                    vars.extend(self.vars(node, Some(group)));
                }
            }
        }
        self.draft.vars = vars;
        self.draft.disabled = value("disable").map(|node| self.disabled(node)).unwrap_or_default();
        self.draft.policy = value("policy").map(|node| self.policy(node)).unwrap_or_default();
    }

    /// The name, which is that of the file: by the one it is chosen, by the other plans call it.
    fn name(&mut self, node: &Node) -> Option<String> {
        let name = self.words(node, "`environment`")?;
        let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !name.split(['-', '.']).all(part) {
            let help = Some("a name has letters, digits, `_`, `-` and `.`".to_owned());
            self.mistake(Code::BadName, node.span, format!("{} is no name", quoted(name)), help);
            return None;
        }
        let file = Path::new(self.file);
        if let Some(stem) = file.file_stem().map(|stem| stem.to_string_lossy())
            && stem != name
        {
            let end = file.extension().unwrap_or_default().to_string_lossy();
            let message = format!("the environment is called `{name}`, its file {}", quoted(&stem));
            let help = format!("write `environment: {stem}`, or call the file `{name}.{end}`");
            self.mistake(Code::EnvironmentName, node.span, message, Some(help));
        }
        Some(name.to_owned())
    }

    /// `linux-miner`, `linux-miner >=1 <3`
    fn meant(&mut self, node: &Node) -> Option<Meant> {
        let text = self.words(node, "`for`")?;
        let mut words = text.split_ascii_whitespace();
        let playbook = words.next().unwrap_or_default().to_owned();
        let mut versions = Vec::new();
        for word in words {
            let digits = word.trim_start_matches(['<', '>', '=']);
            let sign = &word[..word.len() - digits.len()];
            match digits.parse::<u64>() {
                Ok(bound) if SIGNS.contains(&sign) => versions.push((sign.to_owned(), bound)),
                _ => {
                    let help = Some("write it as `linux-miner >=1 <3`".to_owned());
                    let message = format!("`for`: {} is no version", quoted(word));
                    self.mistake(Code::NotForPlaybook, node.span, message, help);
                }
            }
        }
        Some(Meant {
            playbook,
            versions,
            span: node.span,
        })
    }

    fn vars(&mut self, node: &Node, group: Option<&str>) -> Vec<Said> {
        let place = match group {
            Some(group) => format!("group {}: `vars`", quoted(group)),
            None => "`vars`".to_owned(),
        };
        let fields = self.fields(node, &place, None).into_iter();
        let said = fields.map(|(name, (key, value))| Said {
            name: name.to_owned(),
            key: key.span,
            value: value.clone(),
            group: group.map(Arc::from),
        });
        said.collect()
    }

    /// `STEP: why it is left out`
    fn disabled(&mut self, node: &Node) -> Vec<LeftOut> {
        let mut disabled = Vec::new();
        for (id, (key, why)) in self.fields(node, "`disable`", None) {
            let Some(why) = self.words(why, &format!("`disable`: {}", quoted(id))) else {
                continue;
            };
            if why.chars().count() > REASON_CHARS {
                let message = format!("the reason is longer than {REASON_CHARS} characters");
                self.mistake(Code::TooLong, key.span, message, None);
            }
            disabled.push(LeftOut {
                step: id.to_owned(),
                key: key.span,
                why: why.to_owned(),
            });
        }
        disabled
    }

    fn policy(&mut self, node: &Node) -> SitePolicy {
        let mut whole = SitePolicy::default();
        // Each part on its own, so that every mistake has its place.
        for (name, (_, value)) in self.fields(node, "`policy`", Some(&policy::KEYS)) {
            let told = self.draft.mistakes.len();
            self.inside(name, value);
            if self.draft.mistakes.len() > told {
                continue;
            }
            let read = self.part(name, value.json()).and_then(|part| {
                let both = whole.clone().and(part);
                both.map_err(|error| (error.to_string(), error.hint()))
            });
            match read {
                Ok(all) => whole = all,
                Err((message, help)) => self.mistake(Code::Policy, value.span, message, help),
            }
        }
        whole
    }

    /// What of a part of a policy has a place of its own: keys, words, and items of a list.
    fn inside(&mut self, name: &str, value: &Node) {
        match (name, &value.kind) {
            ("approvals", Kind::Map(_)) => drop(self.fields(value, "`approvals`", Some(&APPROVAL_KEYS))),
            ("effects", Kind::Text(word)) => self.known(name, value.span, word, &policy::EFFECTS),
            ("leaves", Kind::List(items)) => {
                for (item, word) in items.iter().filter_map(|item| Some((item, item.text()?))) {
                    self.known(name, item.span, word, &Leave::ALL.map(Leave::name));
                }
            }
            ("protect" | "windows", Kind::List(items)) => {
                for item in items {
                    if let Err((message, help)) = self.part(name, Value::Array(vec![item.json()])) {
                        self.mistake(Code::Policy, item.span, message, help);
                    }
                }
            }
            ("max_actions", Kind::Uint(most)) if u32::try_from(*most).is_ok() => {}
            ("max_actions", kind) if *kind != Kind::Null => {
                let help = format!("write a whole number from 0 to {}", u32::MAX);
                let message = format!("`{name}`: expected a number of actions, found {}", kind.name());
                self.mistake(Code::Policy, value.span, message, Some(help));
            }
            _ => {}
        }
    }

    fn known(&mut self, name: &str, at: Span, word: &str, known: &[&str]) {
        if !known.contains(&word) {
            let message = format!("`{name}`: {} is none of its words", quoted(word));
            self.mistake(Code::Policy, at, message, suggest(word, known.iter().copied()));
        }
    }

    /// A policy that has this part only, else what is wrong and what to do.
    fn part(&self, name: &str, value: Value) -> Result<SitePolicy, (String, Option<String>)> {
        let part = Value::Object(Map::from_iter([(name.to_owned(), value)]));
        let written: policy::Written =
            serde_json::from_value(part).map_err(|error| (format!("`{name}`: {error}"), None))?;
        SitePolicy::of(written, Path::new(self.file)).map_err(|error| {
            let source = std::error::Error::source(&error).map(|why| format!(": {why}"));
            let said = error.to_string();
            let prefix = format!("the policy {}: ", self.file);
            let said = said.strip_prefix(&prefix).unwrap_or(&said).to_owned();
            let help = error.hint().filter(|_| name == "approvals");
            (format!("`{name}`: {said}{}", source.unwrap_or_default()), help)
        })
    }
}
