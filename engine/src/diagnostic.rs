//! What is wrong with a text of the operator: which rule, where, what to do.
//!
//! The first two arrows speak this way: `parse` and `check` collect every mistake before any host is reached.

mod code;
mod decoded;
mod frame;
mod texts;

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

pub use code::Code;
pub use decoded::decoded;
pub use texts::Texts;

use crate::playbook::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// It runs; a person should look.
    Warning,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The rule.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// Where in the playbook, then what: one sentence, lower case, no full stop.
    pub message: String,
    /// What the caret points at; `None` where it is not in the file (`--set`).
    pub span: Option<Span>,
    /// Other places that belong to it, in the order they are shown.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
}

/// Another place that belongs to a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What it has to do with it.
    pub text: String,
}

impl Diagnostic {
    /// A mistake at a place.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            span: Some(span),
            labels: Vec::new(),
            help: None,
        }
    }

    /// A mistake that stands in no file.
    pub fn unplaced(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            span: None,
            ..Diagnostic::error(code, Span::default(), message)
        }
    }

    /// With what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With what to do, where that is known.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// With another place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }
}

/// All mistakes of a playbook, with its text and those that it includes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    texts: Texts,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// The mistakes of a file, put in the order of their places; `text` is the file's content.
    pub fn new(file: &str, text: impl Into<Arc<str>>, list: Vec<Diagnostic>) -> Diagnostics {
        Diagnostics::of(Texts::of(file, text), list)
    }

    /// The mistakes of a file and of those that it includes, put in the order of their places.
    pub fn of(mut texts: Texts, mut list: Vec<Diagnostic>) -> Diagnostics {
        for span in list.iter().filter(|d| d.code.hides()).filter_map(|d| d.span) {
            texts.blot(span);
        }
        list.sort_by_key(|d| (d.span.map(|s| (s.start, s.end)), d.code));
        list.dedup();
        Diagnostics { texts, list }
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        self.texts.name()
    }

    /// In the order of their places; those without a place first.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// As a screen shows it, the counting line included; ends with a line feed.
    pub fn text(&self) -> String {
        frame::render(&self.texts, &self.list)
    }

    /// The last line of [`Diagnostics::text`].
    pub fn summary(&self) -> String {
        frame::summary(self.file(), &self.list)
    }

    /// As JSON: `{file, diagnostics: [{code, severity, message, at, labels, help}]}`, where `at` is `null` or
    /// `{file, line, column, end_line, end_column, start, end, text}`: lines and columns from 1 in characters, the end
    /// behind the last one, start and end in bytes of that file, the text that it covers.
    pub fn json(&self) -> Value {
        let at = |span: Span| {
            let file = self.texts.at(span);
            let span = file.local(span);
            let place = frame::place(file.text, span);
            let end = frame::place(
                file.text,
                Span {
                    start: span.end,
                    end: span.end,
                },
            );
            json!({
                "file": file.name,
                "line": place.line,
                "column": place.column,
                "end_line": end.line,
                "end_column": end.column,
                "start": span.start,
                "end": span.end,
                "text": file.text.get(span.start..span.end),
            })
        };
        let list: Vec<Value> = self
            .list
            .iter()
            .map(|d| {
                json!({
                    "code": d.code.as_str(),
                    "severity": d.severity,
                    "message": d.message,
                    "at": d.span.map(at),
                    "labels": d.labels.iter().map(|l| json!({"text": l.text, "at": at(l.span)})).collect::<Vec<_>>(),
                    "help": d.help,
                })
            })
            .collect();
        json!({"file": self.file(), "diagnostics": list})
    }
}

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.summary())
    }
}

impl std::error::Error for Diagnostics {}

/// The line in which a span of a text begins, from 1.
pub(crate) fn line_number(text: &str, span: Span) -> usize {
    frame::place(text, span).line
}

/// The line in which a span begins, as it is named beside `from`: `line 7`, of another file `line 7 of parts/look.yml`.
pub(crate) fn line_of(texts: &Texts, from: Span, span: Span) -> String {
    let file = texts.at(span);
    let line = frame::place(file.text, file.local(span)).line;
    match file.start == texts.at(from).start {
        true => format!("line {line}"),
        false => format!("line {line} of {}", file.name),
    }
}

/// The candidate that is most like a mistyped name; `None` where none is near.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(name, c), strsim::jaro_winkler(name, c), c))
        .filter(|(distance, likeness, c)| *distance <= 1 + c.len().min(name.len()) / 4 || *likeness > 0.88)
        .min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))
        .map(|(_, _, c)| c)
}

/// `did you mean ...?` where one is near, else the list of all that there is, cut after a dozen.
pub fn suggest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(near) = nearest(name, candidates.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    match candidates.len() {
        0 => None,
        1 => Some(format!("there is only `{}`", candidates[0])),
        n => {
            let shown: Vec<String> = candidates.iter().take(12).map(|c| format!("`{c}`")).collect();
            let more = if n > 12 {
                format!(" and {} more", n - 12)
            } else {
                String::new()
            };
            Some(format!("there are {}{more}", shown.join(", ")))
        }
    }
}

/// A word of the operator in a message: cut, control characters escaped.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("`");
    for (n, c) in text.chars().enumerate() {
        if n == 64 {
            out.push_str("...");
            break;
        }
        match c {
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out.push('`');
    out
}
