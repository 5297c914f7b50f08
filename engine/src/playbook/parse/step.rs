//! Reading one step.

use indexmap::IndexMap;
use minijinja::machinery::{self, ast};

use super::super::node::{Kind, Node};
use super::super::{Argument, Body, Placed, Span, Step};
use super::{BODY_KEYS, EXPRESSION_BYTES, Fields, Reader, STEP_KEYS};
use crate::diagnostic::{Code, Diagnostic, quoted};

impl Reader<'_> {
    /// The steps of a list; `place` is what holds it: a phase, a file, another step.
    pub(super) fn steps(&mut self, place: &str, items: &[Node]) -> Vec<Step> {
        items
            .iter()
            .enumerate()
            .filter_map(|(n, item)| self.step(&format!("{place}, step {}", n + 1), item))
            .collect()
    }

    fn step(&mut self, place: &str, node: &Node) -> Option<Step> {
        let fields = self.fields(node, place, Some(&STEP_KEYS))?;
        let id = fields
            .value("id")
            .and_then(|value| self.name(value, &format!("{place}, `id`")));
        let place = id
            .as_ref()
            .map_or_else(|| place.to_owned(), |id| format!("step {}", quoted(&id.value)));
        let name = fields
            .value("name")
            .and_then(|value| self.plain_text(value, &format!("{place}, `name`")));
        let when = fields.value("when").and_then(|value| {
            let read = self.expression(value, "`when`");
            // A `stop` whose condition cannot be read still has one.
            read.or_else(|| {
                fields.value("stop").map(|_| Placed {
                    value: "true".to_owned(),
                    span: value.span,
                })
            })
        });
        let foreach = fields
            .value("foreach")
            .and_then(|value| self.expression(value, "`foreach`"));
        let body = self.body(&place, &fields);
        let until = self.until(&place, &fields);
        let timeout = self.timeout(&place, &fields);
        let on_error = self.on_error(&place, &fields);
        self.keys_that_do_not_go(&place, &fields);
        Some(Step {
            span: node.span,
            id,
            name: name.map(|name| name.value),
            when,
            foreach,
            until,
            timeout,
            on_error,
            body,
        })
    }

    fn body(&mut self, place: &str, fields: &Fields<'_>) -> Body {
        let mut bodies = fields.pairs.iter().filter(|(key, _)| BODY_KEYS.contains(key));
        let (Some((key, (_, value))), second) = (bodies.next(), bodies.next()) else {
            let at = Span {
                start: fields.span.start,
                end: fields.span.start,
            };
            let message = format!("{place} does nothing");
            let help = "a step has one of `use`, `let`, `stop`, `assert` and `include`";
            self.mistake(Diagnostic::error(Code::StepBody, at, message).help(help));
            return Body::Unread;
        };
        if let Some((other, (other_key, _))) = second {
            let message = format!("{place} has both `{key}` and `{other}`");
            let mut mistake = Diagnostic::error(Code::StepBody, other_key.span, message).help("make two steps of it");
            if let Some(first) = fields.key_span(key) {
                mistake = mistake.label(first, "and this");
            }
            self.mistake(mistake);
            return Body::Unread;
        }
        let read = match *key {
            "use" => self
                .plain_text(value, &format!("{place}, `use`"))
                .map(|module| Body::Use {
                    module,
                    with: self.with_of(place, fields),
                }),
            "include" => self
                .plain_text(value, &format!("{place}, `include`"))
                .map(|file| Body::Include {
                    file,
                    with: self.with_of(place, fields),
                }),
            "let" => self.computed(place, fields, value),
            "stop" => self
                .plain_text(value, &format!("{place}, `stop`"))
                .map(|reason| Body::Stop {
                    reason,
                    hand_over: self.hand_over(place, fields),
                }),
            _ => self.expression(value, "`assert`").map(Body::Assert),
        };
        read.unwrap_or(Body::Unread)
    }

    fn computed(&mut self, place: &str, step: &Fields<'_>, node: &Node) -> Option<Body> {
        if step.value("id").is_none() {
            let at = step.key_span("let").unwrap_or(node.span);
            self.missing(at, place, "id", "give it one: its values are `steps.ID.NAME`");
        }
        let fields = self.fields(node, &format!("{place}, `let`"), None)?;
        if fields.pairs.is_empty() {
            let message = format!("{place}: `let` is empty");
            let help = "name a value: `let: {rows: steps.processes.rows}`";
            self.mistake(Diagnostic::error(Code::Empty, node.span, message).help(help));
        }
        let mut values = IndexMap::new();
        for (name, (key, value)) in fields.pairs {
            self.name(key, &format!("{place}, `let`"));
            if let Some(expression) = self.expression(value, &format!("{place}, `{name}`")) {
                values.insert(name.to_owned(), expression);
            }
        }
        Some(Body::Let(values))
    }

    /// Keys that the language has, but not beside what this step does.
    fn keys_that_do_not_go(&mut self, place: &str, fields: &Fields<'_>) {
        let has = |key: &str| fields.pairs.contains_key(key);
        let Some(body) = BODY_KEYS.into_iter().find(|body| has(body)) else {
            return;
        };
        for key in keys_beside(body) {
            if let Some(at) = fields.key_span(key) {
                let message = format!("{place}: `{key}` does not go with `{body}`");
                self.mistake(Diagnostic::error(Code::KeyNotHere, at, message).help(format!("remove `{key}`")));
            }
        }
    }

    fn with_of(&mut self, place: &str, fields: &Fields<'_>) -> IndexMap<String, Placed<Argument>> {
        fields
            .value("with")
            .map(|with| self.with(place, with))
            .unwrap_or_default()
    }

    fn with(&mut self, place: &str, node: &Node) -> IndexMap<String, Placed<Argument>> {
        if node.kind == Kind::Null {
            return IndexMap::new();
        }
        match self.fields(node, &format!("{place}, `with`"), None) {
            Some(fields) => self.arguments(place, fields),
            None => IndexMap::new(),
        }
    }

    fn arguments(&mut self, place: &str, fields: Fields<'_>) -> IndexMap<String, Placed<Argument>> {
        fields
            .pairs
            .into_iter()
            .map(|(name, (_, value))| (name.to_owned(), self.argument(&format!("{place}, `{name}`"), value)))
            .collect()
    }

    fn argument(&mut self, place: &str, node: &Node) -> Placed<Argument> {
        let value = match &node.kind {
            Kind::Text(text) if text.len() > EXPRESSION_BYTES => {
                let message = format!("{place} is longer than {EXPRESSION_BYTES} bytes");
                self.mistake(Diagnostic::error(Code::TooLong, node.span, message).help("put it into a file beside"));
                Argument::Literal(node.json())
            }
            Kind::Text(text) => text_argument(text),
            Kind::List(items) => Argument::List(items.iter().map(|item| self.argument(place, item)).collect()),
            Kind::Map(_) if node.is_bare_braces() => {
                self.wrong_kind(node, place, "a value");
                Argument::Expression {
                    text: String::new(),
                    inner: 0..0,
                }
            }
            Kind::Map(_) => match self.fields(node, place, None) {
                Some(fields) => Argument::Map(self.arguments(place, fields)),
                None => Argument::Literal(node.json()),
            },
            _ => Argument::Literal(node.json()),
        };
        Placed { value, span: node.span }
    }
}

/// The keys of a step that do not go beside this body; those of other bodies are not among them.
pub(in super::super) fn keys_beside(body: &str) -> impl Iterator<Item = &'static str> {
    const CONDUCT: [&str; 9] = [
        "with",
        "foreach",
        "until",
        "retries",
        "delay",
        "timeout",
        "on_error",
        "hand_over",
        "id",
    ];
    let goes: &[&str] = match body {
        "use" => &[
            "with", "foreach", "until", "retries", "delay", "timeout", "on_error", "id",
        ],
        "let" => &["id"],
        "stop" => &["hand_over"],
        "include" => &["with"],
        _ => &[],
    };
    CONDUCT.into_iter().filter(move |key| !goes.contains(key))
}

/// What a string of `with` is: plain, one expression, or a text with expressions in it.
fn text_argument(text: &str) -> Argument {
    if !["{{", "{%", "{#"].iter().any(|open| text.contains(open)) {
        return Argument::Literal(text.into());
    }
    let lead = text.len() - text.trim_start().len();
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix("{{").and_then(|t| t.strip_suffix("}}"));
    let only_one = || match machinery::parse(trimmed, "", minijinja::syntax::SyntaxConfig::default()) {
        Ok(ast::Stmt::Template(template)) => matches!(template.children.as_slice(), [ast::Stmt::EmitExpr(_)]),
        _ => false,
    };
    match inner {
        Some(inner) if !inner.starts_with(['-', '+']) && !inner.ends_with(['-', '+']) && only_one() => {
            let start = lead + 2;
            Argument::Expression {
                text: text.to_owned(),
                inner: start..start + inner.len(),
            }
        }
        _ => Argument::Template(text.to_owned()),
    }
}
