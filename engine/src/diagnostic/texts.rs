//! The texts that a [`Span`] points into: a playbook, and behind it every file that it includes; or the files of an
//! inventory.

use std::sync::Arc;

use crate::playbook::Span;

/// A playbook's text and the texts that it includes, one behind the other; a [`Span`] counts bytes through all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    all: Arc<str>,
    /// In the order of their beginnings; never empty.
    files: Vec<File>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    name: String,
    start: usize,
    end: usize,
    /// The `include` that named it first; `None` where nothing did.
    from: Option<Span>,
}

impl Texts {
    /// One text; `name` is what mistakes call it.
    pub fn of(name: &str, text: impl Into<Arc<str>>) -> Texts {
        let all: Arc<str> = text.into();
        let file = File {
            name: name.to_owned(),
            start: 0,
            end: all.len(),
            from: None,
        };
        Texts { all, files: vec![file] }
    }

    /// Puts another text behind all others; gives where it begins. `from` is the place that asked for it.
    pub(crate) fn add(&mut self, name: &str, text: &str, from: Span) -> usize {
        self.push(name, text, Some(from))
    }

    /// Puts another text behind all others that no other asked for; gives where it begins.
    pub(crate) fn beside(&mut self, name: &str, text: &str) -> usize {
        self.push(name, text, None)
    }

    fn push(&mut self, name: &str, text: &str, from: Option<Span>) -> usize {
        let start = self.all.len() + 1;
        self.all = Arc::from(format!("{}\n{text}", self.all));
        self.files.push(File {
            name: name.to_owned(),
            start,
            end: start + text.len(),
            from,
        });
        start
    }

    /// Puts `*` over every byte of a span but spaces and line ends: nothing shows it any more.
    pub(super) fn blot(&mut self, span: Span) {
        let mut bytes = self.all.as_bytes().to_vec();
        let end = span.end.min(bytes.len());
        for byte in bytes.get_mut(span.start..end).unwrap_or_default() {
            if !byte.is_ascii_whitespace() {
                *byte = b'*';
            }
        }
        self.all = Arc::from(String::from_utf8_lossy(&bytes));
    }

    /// All texts, one behind the other.
    pub(crate) fn all(&self) -> &Arc<str> {
        &self.all
    }

    /// The name of the first.
    pub(crate) fn name(&self) -> &str {
        self.files.first().map_or("", |file| &file.name)
    }

    /// The file in which a span begins.
    pub(super) fn at(&self, span: Span) -> Piece<'_> {
        let behind = self.files.partition_point(|file| file.start <= span.start);
        let file = &self.files[behind.max(1) - 1];
        Piece {
            name: &file.name,
            text: &self.all[file.start..file.end],
            start: file.start,
            from: file.from,
        }
    }
}

/// One file of several.
pub(super) struct Piece<'t> {
    pub(super) name: &'t str,
    pub(super) text: &'t str,
    pub(super) start: usize,
    pub(super) from: Option<Span>,
}

impl Piece<'_> {
    /// The span in bytes of this file.
    pub(super) fn local(&self, span: Span) -> Span {
        let local = |at: usize| at.saturating_sub(self.start).min(self.text.len());
        Span {
            start: local(span.start),
            end: local(span.end),
        }
    }
}
