//! What an expression refers to and what it will be, told from its syntax tree before any host is reached.

mod filter;
mod operator;
mod tree;

use std::collections::BTreeSet;
use std::ops::Range;

use indexmap::IndexMap;
use minijinja::machinery;
use minijinja::machinery::ast::{BinOpKind, Expr, UnaryOpKind};
use minijinja::value::ValueKind;

pub(crate) use tree::{for_each_child, whole};

use self::operator::Comparison;
use self::tree::{end_name, path_text};
use super::kind::Kinds;
use super::shape::{Field, Shape};
use super::{Phase, Span};
use crate::diagnostic::{Code, quoted, suggest};

/// The names that an expression may begin with.
pub(super) const ROOTS: [&str; 7] = ["vars", "steps", "host", "run", "item", "index", "round"];

/// A step as later expressions see it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Its place in the order of the whole playbook.
    pub(super) number: usize,
    pub(super) phase: Phase,
    /// Where its id stands.
    pub(super) span: Span,
    pub(super) shape: Shape,
    /// The conditions on which it runs; all of them must hold.
    pub(super) when: BTreeSet<Condition>,
    /// What makes it conditional, where something does.
    pub(super) why: &'static str,
    /// Whether the playbook goes on where it fails.
    pub(super) may_fail: bool,
}

/// A condition: two that are equal hold together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// As written.
    Written(String),
    /// As written in a file that is included; its variables are those of this frame.
    Within(usize, String),
    /// The step of this number failed.
    Failed(usize),
}

/// A variable as expressions see it.
#[derive(Debug, Clone)]
pub(super) struct KnownVar {
    pub(super) shape: Shape,
    /// The steps that its value rests on, by id; none of the playbook's own.
    pub(super) refers: Vec<String>,
    /// Whether it may hold what a host said: only a variable of an included file may.
    pub(super) of_host: bool,
}

/// All names of a playbook.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The playbook's own, then those of each file that is included, by the number of its frame.
    pub(super) vars: Vec<IndexMap<String, KnownVar>>,
    /// By id.
    pub(super) steps: IndexMap<String, Known>,
    /// Whether there are steps that could not be read: an unknown id may be theirs.
    pub(super) are_more: bool,
}

/// Where an expression stands.
#[derive(Debug, Clone)]
pub(super) struct Here<'c> {
    /// The number of its step; every step with a lower one ran before.
    pub(super) number: usize,
    /// Whether it is asked when its step ran: then it sees that step's own result.
    pub(super) is_behind: bool,
    /// Whose variables it sees: 0 is the playbook, then the files that are included.
    pub(super) frame: usize,
    /// `None` in `until`, which sees all that ran in the round.
    pub(super) phase: Phase,
    /// What `item` is, inside `foreach`.
    pub(super) item: Option<Shape>,
    /// The shape of the facts of a host.
    pub(super) host: &'c Shape,
    /// The shape of what is known of the run.
    pub(super) run: &'c Shape,
    /// Conditions that hold here: the step's own `when`, split at its `and`, and those of what includes it.
    pub(super) holds: BTreeSet<Condition>,
    /// Steps that these conditions say have run.
    pub(super) ran: BTreeSet<String>,
    /// The module whose parameter it is; `None` elsewhere.
    pub(super) module: Option<&'c str>,
}

/// A mistake inside an expression: bytes of its text.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// Another place, with what it has to do with it; of [`Code::NoField`] the step's id, and its id.
    pub(super) label: Option<(Span, String)>,
}

/// What was told of an expression.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) shape: Shape,
    /// The ids of the steps that it refers to, each with the place of its first reference.
    pub(super) refers: IndexMap<String, Range<usize>>,
    /// Whether it reads the result of its own step.
    pub(super) reads_own: bool,
    pub(super) found: Vec<Found>,
}

/// Reads a tree.
pub(super) fn tell(tree: &Expr<'_>, names: &Names, here: &Here<'_>) -> Told {
    let mut teller = Teller {
        names,
        here,
        ran: here.ran.clone(),
        refers: IndexMap::new(),
        reads_own: false,
        found: Vec::new(),
    };
    let shape = teller.shape(tree, false);
    Told {
        shape,
        refers: teller.refers,
        reads_own: teller.reads_own,
        found: teller.found,
    }
}

/// The conditions that an expression is the `and` of, and the steps that it says have run.
pub(super) fn conditions(text: &str, frame: usize) -> (BTreeSet<Condition>, BTreeSet<String>) {
    let (mut all, mut ran) = (BTreeSet::new(), BTreeSet::new());
    match machinery::parse_expr(text) {
        Ok(tree) => {
            split(text, frame, &tree, &mut all);
            ran_where(&tree, true, &mut ran);
        }
        Err(_) => {
            all.insert(Condition::Written(text.to_owned()));
        }
    }
    (all, ran)
}

fn split(text: &str, frame: usize, tree: &Expr<'_>, into: &mut BTreeSet<Condition>) {
    match tree {
        Expr::BinOp(op) if matches!(op.op, BinOpKind::ScAnd) => {
            split(text, frame, &op.left, into);
            split(text, frame, &op.right, into);
        }
        other => {
            // The parser lets `not` begin at the token before it.
            let written = text.get(whole(other)).unwrap_or(text).trim();
            let written = normal(written.strip_prefix("and ").unwrap_or(written));
            into.insert(match frame > 0 && reads_vars(other) {
                true => Condition::Within(frame, written),
                false => Condition::Written(written),
            });
        }
    }
}

fn reads_vars(tree: &Expr<'_>) -> bool {
    let mut reads = matches!(tree, Expr::Var(var) if var.id == "vars");
    for_each_child(tree, &mut |child| reads |= reads_vars(child));
    reads
}

/// A condition with its blanks made one.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The steps that have run where the expression holds, or where it does not.
fn ran_where(tree: &Expr<'_>, holds: bool, into: &mut BTreeSet<String>) {
    match tree {
        Expr::Test(test) if test.name == if holds { "defined" } else { "undefined" } => {
            into.extend(step_of(&test.expr).map(str::to_owned));
        }
        Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Not) => ran_where(&op.expr, !holds, into),
        Expr::BinOp(op) if matches!((op.op, holds), (BinOpKind::ScAnd, true) | (BinOpKind::ScOr, false)) => {
            ran_where(&op.left, holds, into);
            ran_where(&op.right, holds, into);
        }
        _ => {}
    }
}

/// The id of the step whose value, or a part of it, this is.
fn step_of<'e>(tree: &'e Expr<'_>) -> Option<&'e str> {
    match tree {
        Expr::GetAttr(attr) => match &attr.expr {
            Expr::Var(var) if var.id == "steps" => Some(attr.name),
            inner => step_of(inner),
        },
        Expr::GetItem(item) => step_of(&item.expr),
        _ => None,
    }
}

struct Teller<'c> {
    names: &'c Names,
    here: &'c Here<'c>,
    ran: BTreeSet<String>,
    refers: IndexMap<String, Range<usize>>,
    reads_own: bool,
    found: Vec<Found>,
}

impl<'c> Teller<'c> {
    /// The variables that are seen here.
    fn vars(&self) -> Option<&'c IndexMap<String, KnownVar>> {
        self.names.vars.get(self.here.frame)
    }

    fn mistake(&mut self, range: Range<usize>, code: Code, message: impl Into<String>, help: Option<String>) {
        self.found.push(Found {
            range,
            code,
            message: message.into(),
            help,
            label: None,
        });
    }

    /// The shape of a tree; `guarded` where it may be undefined without harm.
    fn shape(&mut self, tree: &Expr<'_>, guarded: bool) -> Shape {
        match tree {
            Expr::Var(var) => self.root(var.id, whole(tree)),
            Expr::Const(constant) => const_shape(&constant.value),
            Expr::GetAttr(attr) => self.attribute(&attr.expr, attr.name, end_name(tree, attr.name), guarded),
            Expr::GetItem(item) => {
                if let Expr::Const(constant) = &item.subscript_expr
                    && let Some(name) = constant.value.as_str()
                {
                    return self.attribute(&item.expr, name, whole(&item.subscript_expr), guarded);
                }
                self.shape(&item.subscript_expr, false);
                let inner = self.shape(&item.expr, guarded);
                match inner.kinds().meets(Kinds::MAP.or(Kinds::TEXT)) {
                    true => Shape::Any,
                    false => inner.item(),
                }
            }
            Expr::Slice(slice) => {
                for part in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    self.shape(part, false);
                }
                self.shape(&slice.expr, guarded)
            }
            Expr::UnaryOp(op) => {
                let inner = self.shape(&op.expr, false);
                match op.op {
                    UnaryOpKind::Not => Shape::boolean(),
                    UnaryOpKind::Neg => inner,
                }
            }
            Expr::BinOp(op) => self.binary(op.op, &op.left, &op.right),
            Expr::Compare(chain) => {
                let mut left = (self.shape(&chain.expr, false), &chain.expr);
                for step in &chain.ops {
                    let right = (self.shape(&step.expr, false), &step.expr);
                    self.compare(Comparison::of(step.op), (&left.0, left.1), (&right.0, right.1));
                    left = right;
                }
                Shape::boolean()
            }
            Expr::IfExpr(choice) => {
                self.shape(&choice.test_expr, false);
                let yes = self.shape_where(&choice.test_expr, true, &choice.true_expr, guarded);
                match &choice.false_expr {
                    Some(no) => {
                        let no = self.shape_where(&choice.test_expr, false, no, guarded);
                        yes.union(&no)
                    }
                    None => {
                        let help = "write `A if CONDITION else B`".to_owned();
                        let message = "an `if` without `else` has no value where it does not hold";
                        self.mistake(whole(tree), Code::ExpressionSyntax, message, Some(help));
                        yes
                    }
                }
            }
            Expr::Filter(filter) => {
                let start = tree.span().start_offset as usize;
                let at = start..start + filter.name.len();
                self.filter(filter.name, at, filter.expr.as_ref(), &filter.args, guarded)
            }
            Expr::Test(test) => {
                let asks = matches!(test.name, "defined" | "undefined");
                let given = self.shape(&test.expr, asks);
                self.arguments(&test.args);
                let at = match test.args.is_empty() {
                    true => end_name(tree, test.name),
                    false => whole(tree),
                };
                self.test(test.name, at, &given, test.args.len());
                Shape::boolean()
            }
            Expr::Call(call) => {
                self.arguments(&call.args);
                match &call.expr {
                    Expr::Var(var) if var.id == "range" => Shape::ListOf(Box::new(Shape::of_kind("integer"))),
                    Expr::GetAttr(attr) => {
                        self.shape(&attr.expr, false);
                        let message = format!("{} cannot be called", quoted(attr.name));
                        let help = "values have no methods; use a filter: `| length`, `| first`".to_owned();
                        self.mistake(end_name(&call.expr, attr.name), Code::UnknownCall, message, Some(help));
                        Shape::Any
                    }
                    other => {
                        let message = "this cannot be called".to_owned();
                        self.mistake(
                            whole(other),
                            Code::UnknownCall,
                            message,
                            Some("there is only `range`".to_owned()),
                        );
                        Shape::Any
                    }
                }
            }
            Expr::List(list) => self.items(&list.items),
            Expr::Tuple(tuple) => self.items(&tuple.items),
            Expr::Map(map) => {
                let mut fields = Some(IndexMap::new());
                for (key, value) in map.keys.iter().zip(&map.values) {
                    let shape = self.shape(value, false);
                    match key {
                        Expr::Const(constant) if constant.value.as_str().is_some() => {
                            if let (Some(fields), Some(name)) = (&mut fields, constant.value.as_str()) {
                                fields.insert(name.to_owned(), shape);
                            }
                        }
                        _ => {
                            self.shape(key, false);
                            fields = None;
                        }
                    }
                }
                fields.map_or(Shape::Any, Shape::Record)
            }
        }
    }

    /// The shape of a tree that is evaluated only where the condition holds, or only where it does not.
    fn shape_where(&mut self, condition: &Expr<'_>, holds: bool, tree: &Expr<'_>, guarded: bool) -> Shape {
        let before = self.ran.clone();
        ran_where(condition, holds, &mut self.ran);
        let shape = self.shape(tree, guarded);
        self.ran = before;
        shape
    }

    fn items(&mut self, items: &[Expr<'_>]) -> Shape {
        let shapes: Vec<Shape> = items.iter().map(|item| self.shape(item, false)).collect();
        let inner = shapes.split_first().map_or(Shape::Any, |(first, rest)| {
            rest.iter().fold(first.clone(), |all, one| all.union(one))
        });
        Shape::ListOf(Box::new(inner))
    }

    fn root(&mut self, name: &str, range: Range<usize>) -> Shape {
        let outside = |what: &str| format!("`{name}` is only there inside `{what}`");
        let each = || Some("give the step a list to go through: `foreach: steps.ID.rows`".to_owned());
        match name {
            "host" => self.here.host.clone(),
            "run" => self.here.run.clone(),
            "vars" => {
                let mut fields = IndexMap::new();
                for (name, known) in self.vars().into_iter().flatten() {
                    fields.insert(name.clone(), known.shape.clone());
                    for id in &known.refers {
                        self.refers.entry(id.clone()).or_insert_with(|| range.clone());
                    }
                }
                Shape::Record(fields)
            }
            "steps" => {
                let help = Some("name the step: `steps.ID`".to_owned());
                self.mistake(range, Code::UnknownStep, "`steps` alone is no value", help);
                Shape::Any
            }
            "item" => match self.here.item.clone() {
                Some(shape) => shape,
                None => {
                    self.mistake(range, Code::OutsideForeach, outside("foreach"), each());
                    Shape::Any
                }
            },
            "index" => {
                if self.here.item.is_none() {
                    self.mistake(range, Code::OutsideForeach, outside("foreach"), each());
                }
                Shape::of_kind("integer")
            }
            "round" => {
                if self.here.phase != Phase::Eradicate {
                    let help = Some("rounds are of `eradicate`, with its `repeat`".to_owned());
                    self.mistake(range, Code::OutsideEradicate, outside("eradicate"), help);
                }
                Shape::of_kind("integer")
            }
            _ => {
                let help = if self.names.steps.contains_key(name) {
                    Some(format!("write `steps.{name}`"))
                } else if self.vars().is_some_and(|vars| vars.contains_key(name)) {
                    Some(format!("write `vars.{name}`"))
                } else {
                    suggest(name, ROOTS)
                };
                self.mistake(range, Code::UnknownRoot, format!("unknown name {}", quoted(name)), help);
                Shape::Any
            }
        }
    }

    fn attribute(&mut self, inner: &Expr<'_>, name: &str, range: Range<usize>, guarded: bool) -> Shape {
        if let Expr::Var(var) = inner {
            match var.id {
                "steps" => return self.step(name, range, guarded),
                "vars" => {
                    if let Some(known) = self.vars().and_then(|vars| vars.get(name)) {
                        let shape = known.shape.clone();
                        for id in known.refers.clone() {
                            self.refers.entry(id).or_insert_with(|| range.clone());
                        }
                        return shape;
                    }
                    let names = self.vars().into_iter().flat_map(IndexMap::keys);
                    let help = match self.here.frame {
                        0 => suggest(name, names.map(String::as_str))
                            .or_else(|| Some("declare it under `vars:`".to_owned())),
                        _ => suggest(name, names.map(String::as_str)).or_else(|| {
                            Some("declare it under `vars:` of this file, and set it with the `include`".to_owned())
                        }),
                    };
                    self.mistake(
                        range,
                        Code::UnknownVariable,
                        format!("unknown variable {}", quoted(name)),
                        help,
                    );
                    return Shape::Any;
                }
                _ => {}
            }
        }
        let shape = self.shape(inner, guarded);
        self.field_of(&shape, name, range, path_text(inner), step_of(inner))
    }

    fn field_of(
        &mut self,
        shape: &Shape,
        name: &str,
        range: Range<usize>,
        of: Option<String>,
        step: Option<&str>,
    ) -> Shape {
        let of = of.map_or_else(|| "this value".to_owned(), |path| format!("`{path}`"));
        match shape.field(name) {
            Field::Is(shape) => shape,
            Field::Missing(names) => {
                let from = step.and_then(|id| self.names.steps.get_key_value(id));
                self.found.push(Found {
                    range,
                    code: Code::NoField,
                    message: format!("{of} has no field {}", quoted(name)),
                    help: suggest(name, names.iter().map(String::as_str)),
                    label: from.map(|(id, known)| (known.span, id.clone())),
                });
                Shape::Any
            }
            Field::NoMap(kinds) => {
                let help = match kinds {
                    Kinds::LIST => Some("take one item (`[0]`, `| first`) or go through it with `foreach`".to_owned()),
                    _ => None,
                };
                let message = format!("{of} is {kinds} and has no field {}", quoted(name));
                self.mistake(range, Code::NoField, message, help);
                Shape::Any
            }
        }
    }

    fn step(&mut self, id: &str, range: Range<usize>, guarded: bool) -> Shape {
        let Some(known) = self.names.steps.get(id) else {
            if self.names.are_more {
                return Shape::Any;
            }
            let help = suggest(id, self.names.steps.keys().map(String::as_str))
                .or_else(|| Some("give the step that you mean an `id`".to_owned()));
            self.mistake(
                range,
                Code::UnknownStep,
                format!("no step has the id {}", quoted(id)),
                help,
            );
            return Shape::Any;
        };
        if known.number == self.here.number && self.here.is_behind {
            self.reads_own = true;
            return known.shape.clone();
        }
        if known.number == self.here.number {
            self.mistake(
                range,
                Code::StepItself,
                format!("`steps.{id}` is this step itself"),
                Some("let it read a step before it; `until` alone reads its own result".to_owned()),
            );
            return Shape::Any;
        }
        if known.number > self.here.number {
            self.found.push(Found {
                range,
                code: Code::StepLater,
                message: format!("step `{id}` has not run here: it stands later, in `{}`", known.phase),
                help: Some("move this step behind it".to_owned()),
                label: Some((known.span, "it is this one".to_owned())),
            });
            return Shape::Any;
        }
        self.refers.entry(id.to_owned()).or_insert_with(|| range.clone());
        if !guarded && !self.ran.contains(id) {
            self.maybe_missing(id, known, range);
        }
        known.shape.clone()
    }

    /// A result that may not be there must be guarded.
    fn maybe_missing(&mut self, id: &str, known: &Known, range: Range<usize>) {
        let guard = format!("`steps.{id} is defined`, or `| default(...)`");
        let (message, help) = if known.may_fail {
            let message = format!("step `{id}` may have failed, then it has no result");
            (message, format!("guard it: {guard}"))
        } else if !known.when.is_subset(&self.here.holds) {
            let written: Option<Vec<&str>> = known
                .when
                .iter()
                .map(|condition| match condition {
                    Condition::Written(text) => Some(text.as_str()),
                    Condition::Within(..) | Condition::Failed(_) => None,
                })
                .collect();
            let help = match written {
                Some(written) => format!("guard it: `when: {}`, {guard}", written.join(" and ")),
                None => format!("guard it: {guard}"),
            };
            (format!("step `{id}` may have been skipped"), help)
        } else {
            return;
        };
        self.found.push(Found {
            range,
            code: Code::MaybeSkipped,
            message,
            help: Some(help),
            label: Some((known.span, known.why.to_owned())),
        });
    }
}

fn const_shape(value: &minijinja::Value) -> Shape {
    match value.kind() {
        ValueKind::Bool => Shape::boolean(),
        ValueKind::Number if value.is_integer() => Shape::of_kind("integer"),
        ValueKind::Number => Shape::of_kind("number"),
        ValueKind::String => Shape::of_kind("string"),
        ValueKind::None => Shape::of_kind("null"),
        ValueKind::Seq => Shape::ListOf(Box::new(Shape::Any)),
        ValueKind::Map => Shape::of_kind("object"),
        _ => Shape::Any,
    }
}
