//! A file of an inventory while it is read, and the mistakes of all of them together.

use std::sync::Arc;

use indexmap::IndexMap;

use super::given::{Origin, blotted};
use super::name::BadName;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity, Texts, quoted, suggest};
use crate::playbook::Span;
use crate::playbook::node::{Kind, Node};

/// The most mistakes that are told; behind them only how many more there are.
const MOST_TOLD: usize = 100;

/// One file: its text, and the mistakes in it.
pub(super) struct Sheet {
    pub(super) name: Arc<str>,
    pub(super) text: Arc<str>,
    /// The first byte of each line.
    lines: Vec<usize>,
    mistakes: Vec<Diagnostic>,
}

/// The pairs of a map, each key once.
pub(super) struct Fields<'n> {
    pub(super) pairs: IndexMap<&'n str, (&'n Node, &'n Node)>,
}

impl Sheet {
    pub(super) fn new(name: &str, text: &str) -> Sheet {
        let feeds = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Sheet {
            name: Arc::from(name),
            text: Arc::from(text),
            lines: std::iter::once(0).chain(feeds.map(|(at, _)| at + 1)).collect(),
            mistakes: Vec::new(),
        }
    }

    /// Where a span begins.
    pub(super) fn origin(&self, span: Span) -> Origin {
        let line = self.lines.partition_point(|start| *start <= span.start);
        Origin {
            file: Arc::clone(&self.name),
            line: u32::try_from(line).ok(),
        }
    }

    pub(super) fn mistake(&mut self, mistake: Diagnostic) {
        self.mistakes.push(mistake);
    }

    pub(super) fn error(&mut self, code: Code, span: Span, message: impl Into<String>, help: &str) {
        self.mistakes.push(Diagnostic::error(code, span, message).help(help));
    }

    /// A name that is none.
    pub(super) fn bad_name(&mut self, span: Span, what: &str, text: &str, bad: &BadName) {
        let message = format!("{what} {} {}", quoted(text), bad.why);
        self.error(Code::InventoryName, span, message, bad.help);
    }

    pub(super) fn wrong_kind(&mut self, node: &Node, place: &str, expected: &str) {
        let message = format!("{place}: expected {expected}, found {}", node.kind.name());
        self.mistake(Diagnostic::error(Code::InventoryKind, node.span, message));
    }

    /// The pairs of a map; what is no map, a key that is no text, one that stands twice and one that is not known are
    /// mistakes.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, place: &str, known: Option<&[&str]>) -> Option<Fields<'n>> {
        let Kind::Map(pairs) = &node.kind else {
            self.wrong_kind(node, place, "a map");
            return None;
        };
        let mut fields = IndexMap::with_capacity(pairs.len());
        for (key, value) in pairs {
            let Some(name) = key.text() else {
                let message = format!("{place}: a key is {}", key.kind.name());
                self.error(Code::InventoryKind, key.span, message, "put it in quotes");
                continue;
            };
            if let Some((first, _)) = fields.get(name) {
                let first: &&Node = first;
                let message = format!("{place}: {} stands twice", quoted(name));
                let twice = Diagnostic::error(Code::InventoryTwice, key.span, message);
                self.mistake(twice.label(first.span, "first here"));
                continue;
            }
            if let Some(known) = known
                && !known.contains(&name)
            {
                let message = format!("{place}: unknown key {}", quoted(name));
                let help = suggest(name, known.iter().copied());
                self.mistake(Diagnostic::error(Code::InventoryKey, key.span, message).maybe_help(help));
                continue;
            }
            fields.insert(name, (key, value));
        }
        Some(Fields { pairs: fields })
    }
}

/// The mistakes of all files.
#[derive(Default)]
pub(super) struct Mistakes {
    /// Of each file that has some: its name, its text, they.
    sheets: Vec<(Arc<str>, Arc<str>, Vec<Diagnostic>)>,
    unplaced: Vec<Diagnostic>,
}

impl Mistakes {
    /// Takes those of a file.
    pub(super) fn take(&mut self, sheet: Sheet) {
        if !sheet.mistakes.is_empty() {
            self.sheets.push((sheet.name, sheet.text, sheet.mistakes));
        }
    }

    /// One that is in no file.
    pub(super) fn unplaced(&mut self, code: Code, message: impl Into<String>, help: impl Into<String>) {
        self.unplaced.push(Diagnostic::unplaced(code, message).help(help));
    }

    /// One that is in no file, and that a person should look at.
    pub(super) fn warning(&mut self, code: Code, message: impl Into<String>, help: impl Into<String>) {
        let mut warning = Diagnostic::unplaced(code, message).help(help);
        warning.severity = Severity::Warning;
        self.unplaced.push(warning);
    }

    pub(super) fn is_error(&self) -> bool {
        let all = self.sheets.iter().flat_map(|(_, _, list)| list).chain(&self.unplaced);
        all.into_iter().any(|mistake| mistake.severity == Severity::Error)
    }

    /// All of them; `name` is what the inventory is called where no file has a mistake.
    pub(super) fn all(self, name: &str) -> Diagnostics {
        let mut list = self.unplaced;
        let mut texts = None;
        let mut untold = 0;
        for (file, text, mistakes) in self.sheets {
            if list.len() >= MOST_TOLD {
                untold += mistakes.len();
                continue;
            }
            // What is shown of the file must show no secret.
            let text = blotted(&text);
            let start = match &mut texts {
                None => {
                    texts = Some(Texts::of(&file, text.as_ref()));
                    0
                }
                Some(texts) => texts.beside(&file, &text),
            };
            let moved = |span: Span| Span {
                start: span.start + start,
                end: span.end + start,
            };
            list.extend(mistakes.into_iter().map(|mut mistake| {
                mistake.span = mistake.span.map(moved);
                for label in &mut mistake.labels {
                    label.span = moved(label.span);
                }
                mistake
            }));
        }
        untold += list.len().saturating_sub(MOST_TOLD);
        list.truncate(MOST_TOLD);
        if untold > 0 {
            let rest = format!("{untold} more mistakes are not shown");
            list.push(Diagnostic::unplaced(Code::InventorySize, rest));
        }
        Diagnostics::of(texts.unwrap_or_else(|| Texts::of(name, "")), list)
    }
}
