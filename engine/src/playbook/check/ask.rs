//! A question to a person: its answers are words, one of them may be the default, and it is asked once.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::super::shape::Shape;
use super::super::{Argument, Placed, Span};
use super::Checker;
use super::entry::Entry;
use crate::ask::{ANSWERS, is_answer};
use crate::diagnostic::{Code, Diagnostic, quoted, suggest};

impl Checker<'_> {
    /// Checks what the schema of a question cannot say; gives the shape of its result.
    pub(super) fn question(&mut self, entry: &Entry<'_>, at: Span, with: &IndexMap<String, Placed<Argument>>) -> Shape {
        if entry.step.id.is_none() {
            let message = format!("{}: a question has no `id`", entry.label);
            let help = "give it one: it is answered by it, and read as `steps.ID.answer`";
            self.mistakes
                .push(Diagnostic::error(Code::AskParameter, at, message).help(help));
        }
        if let Some(foreach) = &entry.step.foreach {
            let message = format!("{}: a question is asked once, not for each item", entry.label);
            let help = "put the items into the question: `{{ ... | join(', ') }}`";
            self.mistakes
                .push(Diagnostic::error(Code::AskParameter, foreach.span, message).help(help));
        }
        let words = with.get("answers").and_then(|given| self.answers(entry, given));
        let default = with.get("default").and_then(|given| match &given.value {
            Argument::Literal(Value::String(word)) => Some((word, given.span)),
            _ => None,
        });
        if let (Some(words), Some((word, at))) = (&words, default)
            && !words.contains(word)
        {
            let message = format!("{}: the default {} is none of the answers", entry.label, quoted(word));
            let help = suggest(word, words.iter().map(String::as_str));
            self.mistakes
                .push(Diagnostic::error(Code::AskParameter, at, message).maybe_help(help));
        }
        let answer = match words {
            Some(words) => json!({"type": "string", "enum": words}),
            None => json!({"type": "string"}),
        };
        Shape::Record(IndexMap::from([
            ("answer".to_owned(), Shape::of_schema(answer)),
            ("by".to_owned(), Shape::of_kind("string")),
            (
                "means".to_owned(),
                Shape::of_schema(json!({"type": "string", "enum": ["terminal", "file", "default"]})),
            ),
        ]))
    }

    /// The words that may be answered, where they are written out.
    fn answers(&mut self, entry: &Entry<'_>, given: &Placed<Argument>) -> Option<Vec<String>> {
        let Argument::List(items) = &given.value else {
            return None;
        };
        if items.len() > ANSWERS {
            let message = format!("{}: at most {ANSWERS} answers", entry.label);
            self.mistakes
                .push(Diagnostic::error(Code::AskParameter, given.span, message));
        }
        let mut words: Vec<String> = Vec::new();
        for item in items {
            let Argument::Literal(Value::String(word)) = &item.value else {
                return None;
            };
            let why = match () {
                () if !is_answer(word) => "is no answer: one line, 1 to 200 characters",
                () if words.contains(word) => "stands twice",
                () => {
                    words.push(word.clone());
                    continue;
                }
            };
            let message = format!("{}: {} {why}", entry.label, quoted(word));
            self.mistakes
                .push(Diagnostic::error(Code::AskParameter, item.span, message));
        }
        (!words.is_empty()).then_some(words)
    }
}
