//! How a step is carried out: again until something holds, for how long, what where it fails, and who takes over.

use std::time::Duration;

use super::super::node::{Kind, Node};
use super::super::value::duration;
use super::super::{OnError, Placed, Span, Until};
use super::{Fields, Reader};
use crate::diagnostic::{Code, Diagnostic, quoted, suggest};

/// The words of `on_error`.
pub(in super::super) const ON_ERROR: [&str; 2] = ["fail", "continue"];

/// How often a step may look again.
pub(in super::super) const RETRIES: std::ops::RangeInclusive<u64> = 1..=100;
/// What stands for `retries` where it is left out.
const USUAL_RETRIES: u32 = 3;
/// What stands for `delay` where it is left out.
const USUAL_DELAY: Duration = Duration::from_secs(5);
/// The longest that a step may wait between its looks, all together.
const WAITED: Duration = Duration::from_secs(3600);
/// The longest that a step may be given.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The procedures that a `stop` may name.
pub(in super::super) const PROCEDURES: usize = 16;
/// The longest name of one.
pub(in super::super) const PROCEDURE_CHARS: usize = 200;

impl Reader<'_> {
    /// `until`, `retries` and `delay`.
    pub(super) fn until(&mut self, place: &str, fields: &Fields<'_>) -> Option<Until> {
        let Some(node) = fields.value("until") else {
            for key in ["retries", "delay"] {
                if let (Some(at), true) = (fields.key_span(key), fields.value("use").is_some()) {
                    let message = format!("{place}: `{key}` goes only with `until`");
                    let help = "say what it looks again for: `until: steps.ID...`";
                    self.mistake(Diagnostic::error(Code::KeyNotHere, at, message).help(help));
                }
            }
            return None;
        };
        if let (Some(at), Some(_)) = (fields.key_span("until"), fields.value("foreach")) {
            let message = format!("{place}: `until` does not go with `foreach`");
            let help = "look again for the whole list in a step of its own";
            self.mistake(Diagnostic::error(Code::KeyNotHere, at, message).help(help));
        }
        let holds = self.expression(node, "`until`");
        let retries = match fields.value("retries") {
            Some(value) => self
                .number(value, &format!("{place}, `retries`"), RETRIES)
                .and_then(|n| u32::try_from(n.value).ok()),
            None => Some(USUAL_RETRIES),
        };
        let delay = match fields.value("delay") {
            Some(value) => self.duration(value, &format!("{place}, `delay`")),
            None => Some(USUAL_DELAY),
        };
        let (retries, delay) = (retries?, delay?);
        if delay.saturating_mul(retries) > WAITED {
            let at = fields.value("delay").or(fields.value("retries")).unwrap_or(node).span;
            let message = format!("{place}: {retries} retries with this delay wait longer than an hour");
            self.mistake(Diagnostic::error(Code::OutOfRange, at, message).help("fewer retries, or a shorter `delay`"));
        }
        Some(Until {
            holds: holds?,
            retries,
            delay,
        })
    }

    /// `timeout`.
    pub(super) fn timeout(&mut self, place: &str, fields: &Fields<'_>) -> Option<Duration> {
        let node = fields.value("timeout")?;
        let timeout = self.duration(node, &format!("{place}, `timeout`"))?;
        if timeout.is_zero() || timeout > LONGEST {
            let message = format!("{place}, `timeout` is more than nothing and at most 24h");
            self.mistake(Diagnostic::error(Code::OutOfRange, node.span, message).help("write `30s`, `10m`"));
            return None;
        }
        Some(timeout)
    }

    fn duration(&mut self, node: &Node, place: &str) -> Option<Duration> {
        if let Kind::Uint(_) | Kind::Int(_) | Kind::Float(_) = node.kind {
            let message = format!("{place}: expected a duration, found a number");
            self.mistake(Diagnostic::error(Code::WrongKind, node.span, message).help("write a unit: `5s`, `10m`"));
            return None;
        }
        let text = self.plain_text(node, place)?;
        match duration(&text.value) {
            Ok(duration) => Some(duration),
            Err(misfit) => {
                let message = format!("{place}: {}", misfit.why);
                self.mistake(Diagnostic::error(Code::OutOfRange, node.span, message).maybe_help(misfit.help));
                None
            }
        }
    }

    /// `on_error`; where it cannot be read the step counts as one that goes on, so that guards are no mistakes.
    pub(super) fn on_error(&mut self, place: &str, fields: &Fields<'_>) -> Placed<OnError> {
        let Some(node) = fields.value("on_error") else {
            return Placed {
                value: OnError::Fail,
                span: fields.span,
            };
        };
        let value = match &node.kind {
            Kind::List(items) if items.is_empty() => {
                let message = format!("{place}: `on_error` has no steps");
                let help = "write `on_error: continue` to go on without the step";
                self.mistake(Diagnostic::error(Code::Empty, node.span, message).help(help));
                OnError::Continue
            }
            Kind::List(items) => OnError::Steps(self.steps(&format!("{place}, `on_error`"), items)),
            Kind::Text(word) if word == "fail" => OnError::Fail,
            Kind::Text(word) if word == "continue" => OnError::Continue,
            Kind::Text(word) => {
                let message = format!(
                    "{place}: `on_error` is `fail`, `continue` or a list of steps, not {}",
                    quoted(word)
                );
                let help = suggest(word, ON_ERROR);
                self.mistake(Diagnostic::error(Code::OnErrorWord, node.span, message).maybe_help(help));
                OnError::Continue
            }
            _ => {
                self.wrong_kind(
                    node,
                    &format!("{place}, `on_error`"),
                    "`fail`, `continue` or a list of steps",
                );
                OnError::Continue
            }
        };
        Placed {
            value,
            span: fields.key_span("on_error").unwrap_or(node.span),
        }
    }

    /// `hand_over`: one procedure or a list of them.
    pub(super) fn hand_over(&mut self, place: &str, fields: &Fields<'_>) -> Vec<String> {
        let Some(node) = fields.value("hand_over") else {
            return Vec::new();
        };
        let place = format!("{place}, `hand_over`");
        let one = std::slice::from_ref(node);
        let items = match &node.kind {
            Kind::List(items) => items.as_slice(),
            _ => one,
        };
        if items.is_empty() || items.len() > PROCEDURES {
            let message = format!("{place} names 1 to {PROCEDURES} procedures");
            self.mistake(Diagnostic::error(Code::OutOfRange, node.span, message).help("name one, or fewer"));
        }
        let mut procedures = Vec::new();
        for item in items {
            let Some(text) = self.plain_text(item, &place) else {
                continue;
            };
            if text.value.chars().count() > PROCEDURE_CHARS {
                let message = format!("{place}: a procedure is longer than {PROCEDURE_CHARS} characters");
                self.mistake(
                    Diagnostic::error(Code::TooLong, item.span, message).help("name where it is written down"),
                );
            } else if let Some(at) = text.value.find("{{") {
                let message = format!("{place}: a procedure is plain text, without `{{{{ }}}}`");
                let start = item.span.start + at.min(item.span.end - item.span.start);
                let span = Span {
                    start,
                    end: item.span.end,
                };
                self.mistake(Diagnostic::error(Code::Braces, span, message).help("write the procedure itself"));
            } else {
                procedures.push(text.value);
            }
        }
        procedures
    }
}
