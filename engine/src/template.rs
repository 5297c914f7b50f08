//! Expressions and templates of a playbook while a host is looked at: one minijinja environment, strict, with fuel.
//!
//! What a step gave is JSON and stays data: it is never template source, and no result is rendered a second time. A path
//! such as `steps.processes.rows` is looked up in the JSON itself; only what computes goes through minijinja, with the
//! paths handed to it as finished values. An undefined value is an error wherever it would be used.

mod convert;
mod filters;
mod outputs;
mod scope;

use std::sync::LazyLock;

use minijinja::machinery::ast::{Expr, Stmt};
use minijinja::machinery::{self};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value as Mini};
use serde_json::Value;

pub use outputs::Outputs;
pub(crate) use outputs::{Held, weight};
pub(crate) use scope::Scope;

use crate::playbook::expression::{for_each_child, whole};

/// The work that one expression may do; 100,000 rows can be gone through a few times.
const FUEL: u64 = 2_000_000;
/// What an error may say at most.
const WHY_CHARS: usize = 400;

/// The filters of the language.
pub(crate) const FILTERS: [&str; 30] = [
    "abs",
    "bool",
    "default",
    "first",
    "float",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "tojson",
    "trim",
    "unique",
    "upper",
];

/// The tests of the language, as they stand behind `is`.
pub(crate) const TESTS: [&str; 22] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "even",
    "false",
    "float",
    "ge",
    "gt",
    "in",
    "integer",
    "le",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(100);
    // Debug information holds the values of all variables, secrets too.
    environment.set_debug(false);
    for name in ["debug", "dict", "namespace"] {
        environment.remove_global(name);
    }
    filters::set(&mut environment);
    environment
});

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvalError {
    /// Something on its way is not there.
    #[error("`{path}` is undefined here")]
    Undefined {
        /// As it is written.
        path: String,
    },
    /// It could not be computed.
    #[error("`{source_text}`: {why}")]
    Failed {
        /// The expression.
        source_text: String,
        /// The reason, bounded and escaped.
        why: String,
    },
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hop {
    /// A field.
    Field(String),
    /// An item, from the end where negative.
    Index(i64),
}

/// A path from a root, such as `steps.verdict.host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) text: String,
    pub(crate) root: String,
    pub(crate) hops: Vec<Hop>,
}

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Expression {
    text: String,
    how: How,
}

enum How {
    /// Looked up in the JSON.
    Path(Path),
    /// Computed; path N is the name `_pN` in the program.
    Computed {
        paths: Vec<Path>,
        program: minijinja::Expression<'static, 'static>,
    },
}

impl std::fmt::Debug for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            How::Path(path) => write!(f, "path {}", path.text),
            How::Computed { paths, .. } => write!(f, "computed from {} paths", paths.len()),
        }
    }
}

impl Expression {
    /// Compiles an expression that `check` has read; `None` where minijinja does not take it after all.
    pub(crate) fn compile(text: &str) -> Option<Expression> {
        let tree = machinery::parse_expr(text).ok()?;
        if let Some(path) = path_of(text, &tree) {
            return Some(Expression {
                text: text.to_owned(),
                how: How::Path(path),
            });
        }
        let mut found = Vec::new();
        paths_of(text, &tree, &mut found);
        found.sort_by_key(|(range, _)| range.start);
        let (mut program, mut at, mut paths) = (String::new(), 0, Vec::new());
        for (range, path) in found {
            program.push_str(text.get(at..range.start)?);
            program.push_str(&format!("_p{}", paths.len()));
            at = range.end;
            paths.push(path);
        }
        program.push_str(text.get(at..)?);
        let program = ENVIRONMENT.compile_expression_owned(program).ok()?;
        Some(Expression {
            text: text.to_owned(),
            how: How::Computed { paths, program },
        })
    }

    /// As it is written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The value here.
    ///
    /// # Errors
    /// When something is undefined or cannot be computed.
    pub(crate) fn value(&self, scope: &Scope) -> Result<Value, EvalError> {
        match &self.how {
            How::Path(path) => {
                let found = scope.find(path).map_err(|error| self.failed(error.to_string()))?;
                found.ok_or_else(|| undefined(path))
            }
            How::Computed { .. } => {
                let value = self.run(scope)?;
                convert::to_json(&value).map_err(|why| self.failed(why))
            }
        }
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// As [`Expression::value`]; also when it is no boolean.
    pub(crate) fn holds(&self, scope: &Scope) -> Result<bool, EvalError> {
        match self.value(scope)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(self.failed(format!("a condition is a boolean, this is {}", kind_name(&other)))),
        }
    }

    /// The list that it gives.
    ///
    /// # Errors
    /// As [`Expression::value`]; also when it is no list.
    pub(crate) fn items(&self, scope: &Scope) -> Result<Vec<Value>, EvalError> {
        match self.value(scope)? {
            Value::Array(items) => Ok(items),
            other => Err(self.failed(format!("`foreach` goes through a list, this is {}", kind_name(&other)))),
        }
    }

    fn run(&self, scope: &Scope) -> Result<Mini, EvalError> {
        let How::Computed { paths, program } = &self.how else {
            return Err(self.failed("it is a path".to_owned()));
        };
        let mut slots: Vec<(String, Mini)> = Vec::with_capacity(paths.len());
        for (n, path) in paths.iter().enumerate() {
            let found = scope.mini(path).map_err(|error| self.failed(error.to_string()))?;
            slots.extend(found.map(|value| (format!("_p{n}"), value)));
        }
        let context = convert::map(slots.iter().map(|(name, value)| (name.as_str(), value.clone())));
        let value = program.eval(context).map_err(|error| {
            let missing: Vec<&str> = paths
                .iter()
                .enumerate()
                .filter(|(n, _)| !slots.iter().any(|(name, _)| *name == format!("_p{n}")))
                .map(|(_, path)| path.text.as_str())
                .collect();
            match (error.kind(), missing.is_empty()) {
                (minijinja::ErrorKind::UndefinedError, false) => EvalError::Undefined {
                    path: missing.join("` or `"),
                },
                _ => self.failed(match error.detail() {
                    Some(detail) => format!("{}: {detail}", error.kind()),
                    None => error.kind().to_string(),
                }),
            }
        })?;
        match value.is_undefined() {
            true => Err(EvalError::Undefined { path: cut(&self.text) }),
            false => Ok(value),
        }
    }

    fn failed(&self, why: String) -> EvalError {
        EvalError::Failed {
            source_text: cut(&self.text),
            why: cut(&why),
        }
    }
}

/// A text with expressions in it.
#[derive(Debug)]
pub(crate) struct Text(Vec<Part>);

#[derive(Debug)]
enum Part {
    Raw(String),
    Value(Expression),
}

/// What a template is made of, in its own bytes.
pub(crate) enum Piece<'t> {
    /// Stands as it is.
    Raw(&'t str),
    /// An expression.
    Value {
        /// What stands between the braces.
        text: &'t str,
        /// Where in the template that begins.
        at: usize,
    },
    /// A statement or comment, which the language has not.
    Statement(usize),
}

/// Takes a template apart.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, minijinja::Error> {
    if let Some(at) = text.find("{#") {
        return Ok(vec![Piece::Statement(at)]);
    }
    let Stmt::Template(template) = machinery::parse(text, "", SyntaxConfig::default())? else {
        return Ok(Vec::new());
    };
    let statement = || Piece::Statement(text.find("{%").unwrap_or(0));
    template
        .children
        .iter()
        .map(|child| match child {
            Stmt::EmitRaw(raw) => Ok(Piece::Raw(raw.raw)),
            Stmt::EmitExpr(emit) => {
                let Some((at, inner)) = between_braces(text, whole(&emit.expr)) else {
                    return Ok(statement());
                };
                Ok(Piece::Value { text: inner, at })
            }
            _ => Ok(statement()),
        })
        .collect()
}

/// What stands between the braces around these bytes, and where it begins.
fn between_braces(text: &str, range: std::ops::Range<usize>) -> Option<(usize, &str)> {
    let open = text.get(..range.start)?.rfind("{{")? + 2;
    let close = range.end + text.get(range.end..)?.find("}}")?;
    let inner = text.get(open..close)?;
    let marked = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    let at = close - marked.len();
    Some((at, marked.strip_suffix(['-', '+']).unwrap_or(marked)))
}

impl Text {
    /// The expressions in it.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.0.iter().filter_map(|part| match part {
            Part::Raw(_) => None,
            Part::Value(expression) => Some(expression),
        })
    }

    /// Compiles a template that `check` has read.
    pub(crate) fn compile(text: &str) -> Option<Text> {
        pieces(text)
            .ok()?
            .into_iter()
            .map(|piece| match piece {
                Piece::Raw(raw) => Some(Part::Raw(raw.to_owned())),
                Piece::Value { text, .. } => Expression::compile(text.trim()).map(Part::Value),
                Piece::Statement(_) => None,
            })
            .collect::<Option<Vec<Part>>>()
            .map(Text)
    }

    /// The text here. Texts, numbers and booleans have a written form; lists, maps and nothing have none.
    ///
    /// # Errors
    /// As [`Expression::value`]; also for a value without a written form.
    pub(crate) fn render(&self, scope: &Scope) -> Result<String, EvalError> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Raw(raw) => out.push_str(raw),
                Part::Value(expression) => match expression.value(scope)? {
                    Value::String(text) => out.push_str(&text),
                    Value::Bool(b) => out.push_str(if b { "true" } else { "false" }),
                    Value::Number(n) => out.push_str(&n.to_string()),
                    other => {
                        let why = format!("{} has no written form; use `| tojson`", kind_name(&other));
                        return Err(expression.failed(why));
                    }
                },
            }
        }
        Ok(out)
    }
}

/// The path that a tree is; `None` for what computes.
fn path_of(text: &str, tree: &Expr<'_>) -> Option<Path> {
    let mut hops = Vec::new();
    let mut at = tree;
    let root = loop {
        match at {
            Expr::Var(var) => break var.id,
            Expr::GetAttr(attr) => {
                hops.push(Hop::Field(attr.name.to_owned()));
                at = &attr.expr;
            }
            Expr::GetItem(item) => {
                let Expr::Const(constant) = &item.subscript_expr else {
                    return None;
                };
                hops.push(match (constant.value.as_str(), i64::try_from(constant.value.clone())) {
                    (Some(name), _) => Hop::Field(name.to_owned()),
                    (None, Ok(n)) if constant.value.is_integer() => Hop::Index(n),
                    _ => return None,
                });
                at = &item.expr;
            }
            _ => return None,
        }
    };
    hops.reverse();
    let written = text.get(whole(tree))?;
    // Inside parentheses the bytes from the root to the last name are not a piece of their own.
    (!written.contains(['(', ')'])).then(|| Path {
        text: cut(written),
        root: root.to_owned(),
        hops,
    })
}

fn paths_of(text: &str, tree: &Expr<'_>, found: &mut Vec<(std::ops::Range<usize>, Path)>) {
    if let Expr::Call(call) = tree {
        // The name of what is called is no value.
        for arg in &call.args {
            if let machinery::ast::CallArg::Pos(inner) = arg {
                paths_of(text, inner, found);
            }
        }
        return;
    }
    match path_of(text, tree) {
        Some(path) => found.push((whole(tree), path)),
        None => for_each_child(tree, &mut |child| paths_of(text, child, found)),
    }
}

fn undefined(path: &Path) -> EvalError {
    EvalError::Undefined {
        path: path.text.clone(),
    }
}

fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Bounded, and without what a terminal obeys.
fn cut(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(WHY_CHARS)
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect();
    if text.chars().nth(WHY_CHARS).is_some() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
#[path = "template/tests.rs"]
mod tests;
