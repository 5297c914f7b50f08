//! What filters and tests take, and what they give.

use std::ops::Range;

use minijinja::machinery::ast::{CallArg, Expr};

use super::super::kind::Kinds;
use super::super::shape::Shape;
use super::Teller;
use super::tree::whole;
use crate::diagnostic::{Code, quoted, suggest};
use crate::template::{FILTERS, TESTS};

/// What a filter is given.
struct Takes {
    /// The value before it.
    kinds: Kinds,
    /// How many arguments without a name, at least and at most.
    arguments: (usize, usize),
    /// The arguments with a name.
    named: &'static [&'static str],
}

/// As many as one likes.
const ANY: usize = usize::MAX;

fn takes(name: &str) -> Takes {
    let rows = Kinds::LIST.or(Kinds::MAP);
    let text = Kinds::TEXT.or(Kinds::NUMBER).or(Kinds::BOOLEAN);
    let (kinds, arguments, named): (Kinds, (usize, usize), &'static [&'static str]) = match name {
        "abs" => (Kinds::NUMBER, (0, 0), &[]),
        "round" => (Kinds::NUMBER, (0, 2), &["precision", "method"]),
        "bool" | "string" => (Kinds::ALL, (0, 0), &[]),
        "default" => (Kinds::ALL, (0, 2), &[]),
        "tojson" => (Kinds::ALL, (0, 1), &["indent"]),
        "first" | "last" | "reverse" => (Kinds::LIST.or(Kinds::TEXT), (0, 0), &[]),
        "length" | "list" => (rows.or(Kinds::TEXT), (0, 0), &[]),
        "items" => (Kinds::MAP, (0, 0), &[]),
        "int" => (text, (0, 2), &["default", "base"]),
        "float" => (text, (0, 1), &["default"]),
        "join" => (rows.or(Kinds::TEXT), (0, 2), &["attribute", "d"]),
        "lower" | "upper" => (text, (0, 0), &[]),
        "trim" => (text, (0, 1), &[]),
        "replace" => (text, (2, 3), &["count"]),
        "split" => (text, (0, 2), &[]),
        "map" => (rows, (0, ANY), &["attribute", "default"]),
        "select" | "reject" => (rows, (0, ANY), &[]),
        "selectattr" | "rejectattr" => (rows, (1, ANY), &[]),
        "sort" => (rows, (0, 0), &["attribute", "reverse", "case_sensitive"]),
        "unique" | "min" | "max" => (rows, (0, 0), &["attribute", "case_sensitive"]),
        "sum" => (rows, (0, 2), &["attribute", "start"]),
        _ => (Kinds::ALL, (0, ANY), &[]),
    };
    Takes {
        kinds,
        arguments,
        named,
    }
}

/// A use of a filter that is right.
fn sample(name: &str) -> String {
    let arguments = match name {
        "selectattr" | "rejectattr" => "('pid', 'gt', 1)",
        "replace" => "('a', 'b')",
        "map" | "sort" | "unique" | "min" | "max" | "sum" => "(attribute='pid')",
        "join" | "split" => "(', ')",
        "default" => "([])",
        _ => "",
    };
    format!("`| {name}{arguments}`")
}

impl Teller<'_> {
    pub(super) fn arguments(&mut self, args: &[CallArg<'_>]) {
        for arg in args {
            match arg {
                CallArg::Pos(tree) | CallArg::Kwarg(_, tree) | CallArg::PosSplat(tree) | CallArg::KwargSplat(tree) => {
                    self.shape(tree, false);
                }
            }
        }
    }

    pub(super) fn filter(
        &mut self,
        name: &str,
        at: Range<usize>,
        inner: Option<&Expr<'_>>,
        args: &[CallArg<'_>],
        guarded: bool,
    ) -> Shape {
        let guards = guarded || name == "default";
        let given = inner.map_or(Shape::Any, |tree| self.shape(tree, guards));
        self.arguments(args);
        if !FILTERS.contains(&name) {
            // What other template languages call it.
            let meant = matches!(name, "count" | "size" | "len").then_some("length");
            let help = match meant {
                Some(meant) => Some(format!("did you mean `{meant}`?")),
                None => suggest(name, FILTERS.iter().copied()),
            };
            self.mistake(
                at.clone(),
                Code::UnknownFilter,
                format!("unknown filter {}", quoted(name)),
                help,
            );
            return Shape::Any;
        }
        self.taken(name, &at, &given, args);
        let positional = args.iter().find_map(|arg| match arg {
            CallArg::Pos(tree) => Some(tree),
            _ => None,
        });
        let named = args.iter().find_map(|arg| match arg {
            CallArg::Kwarg("attribute", tree) => Some(tree),
            _ => None,
        });
        let attribute = match name {
            "selectattr" | "rejectattr" => positional,
            "map" | "sort" | "unique" | "min" | "max" | "sum" => named,
            _ => None,
        };
        let behind = attribute.and_then(|tree| self.attribute_path(&given.item(), tree));
        match name {
            "length" | "int" => Shape::of_kind("integer"),
            "float" | "round" | "abs" | "sum" => Shape::of_kind("number"),
            "bool" => Shape::boolean(),
            "lower" | "upper" | "trim" | "replace" | "join" | "string" | "tojson" => Shape::of_kind("string"),
            "first" | "last" | "min" | "max" => given.item(),
            "selectattr" | "rejectattr" | "select" | "reject" | "sort" | "unique" | "list" => match given.kinds() {
                Kinds::LIST => given,
                _ => Shape::ListOf(Box::new(Shape::Any)),
            },
            "reverse" => match given.kinds() {
                Kinds::LIST | Kinds::TEXT => given,
                _ => Shape::Any,
            },
            "map" => Shape::ListOf(Box::new(behind.unwrap_or(Shape::Any))),
            "default" => match positional {
                Some(other) => {
                    let other = self.quiet(other);
                    given.union(&other)
                }
                None => given,
            },
            _ => Shape::Any,
        }
    }

    /// The shape of a tree whose mistakes are told already.
    fn quiet(&mut self, tree: &Expr<'_>) -> Shape {
        let told = self.found.len();
        let shape = self.shape(tree, false);
        self.found.truncate(told);
        shape
    }

    fn attribute_path(&mut self, item: &Shape, tree: &Expr<'_>) -> Option<Shape> {
        let Expr::Const(constant) = tree else {
            return None;
        };
        let path = constant.value.as_str()?;
        let mut shape = item.clone();
        for name in path.split('.') {
            shape = match name.parse::<usize>() {
                Ok(_) => shape.item(),
                Err(_) => self.field_of(&shape, name, whole(tree), None, None),
            };
        }
        Some(shape)
    }

    /// Whether a filter takes what it is given.
    fn taken(&mut self, name: &str, at: &Range<usize>, given: &Shape, args: &[CallArg<'_>]) {
        let takes = takes(name);
        let kinds = given.kinds();
        if !kinds.meets(takes.kinds) {
            let message = format!("`{name}` takes {}, this is {kinds}", takes.kinds);
            let help = match takes.kinds.meets(Kinds::LIST) {
                true => "let it follow a list: `steps.ID.rows | ...`",
                false => "let it follow one value; `| map('...')` goes through a list",
            };
            self.mistake(at.clone(), Code::OperandKind, message, Some(help.to_owned()));
        }
        let (mut plain, mut is_open) = (0, false);
        for arg in args {
            match arg {
                CallArg::Pos(_) => plain += 1,
                CallArg::Kwarg(named, tree) if !takes.named.contains(named) => {
                    let message = format!("`{name}` has no argument {}", quoted(named));
                    let help =
                        suggest(named, takes.named.iter().copied()).or_else(|| Some(format!("as in {}", sample(name))));
                    let start = whole(tree).start.saturating_sub(named.len() + 1);
                    self.mistake(start..whole(tree).end, Code::Arguments, message, help);
                }
                CallArg::Kwarg(..) => {}
                CallArg::PosSplat(_) | CallArg::KwargSplat(_) => is_open = true,
            }
        }
        let (least, most) = takes.arguments;
        if !is_open && !(least..=most).contains(&plain) {
            let count = match (least, most) {
                (0, 0) => "no argument without a name".to_owned(),
                (least, ANY) => format!("at least {least}"),
                (0, most) => format!("at most {most}"),
                (least, most) => format!("{least} to {most}"),
            };
            let message = format!("`{name}` takes {count}, here are {plain}");
            let help = Some(format!("as in {}", sample(name)));
            self.mistake(at.clone(), Code::Arguments, message, help);
        }
        self.named_test(name, args);
    }

    /// The test or filter that is named as an argument: `selectattr('pid', 'eq', 5)`, `map('lower')`.
    fn named_test(&mut self, name: &str, args: &[CallArg<'_>]) {
        let (at, known, what): (usize, &[&str], &str) = match name {
            "select" | "reject" => (0, &TESTS, "test"),
            "selectattr" | "rejectattr" => (1, &TESTS, "test"),
            "map" => (0, &FILTERS, "filter"),
            _ => return,
        };
        let Some(CallArg::Pos(tree @ Expr::Const(constant))) = args.get(at) else {
            return;
        };
        let Some(named) = constant.value.as_str() else { return };
        if !known.contains(&named) {
            let help = suggest(named, known.iter().copied());
            let message = format!("unknown {what} {}", quoted(named));
            self.mistake(whole(tree), Code::UnknownFilter, message, help);
        }
    }

    /// Whether a test is one, and can be asked of this.
    pub(super) fn test(&mut self, name: &str, at: Range<usize>, given: &Shape, arguments: usize) {
        if !TESTS.contains(&name) {
            let help = suggest(name, TESTS.iter().copied());
            self.mistake(at, Code::UnknownFilter, format!("unknown test {}", quoted(name)), help);
            return;
        }
        let (kinds, wanted) = match name {
            "divisibleby" => (Kinds::NUMBER, 1),
            "odd" | "even" => (Kinds::NUMBER, 0),
            "startingwith" | "endingwith" => (Kinds::TEXT, 1),
            "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "in" => (Kinds::ALL, 1),
            _ => (Kinds::ALL, 0),
        };
        let is = given.kinds();
        if !is.meets(kinds) {
            let message = format!("`{name}` is asked of {kinds}, this is {is}");
            let help = "ask `is defined`, `is string` or `is number` first, or compare with `==`";
            self.mistake(at, Code::OperandKind, message, Some(help.to_owned()));
        } else if arguments != wanted {
            let message = format!("`{name}` takes {wanted} arguments, here are {arguments}");
            let help = match wanted {
                0 => format!("write `is {name}`"),
                _ => format!("write `is {name}(...)`"),
            };
            self.mistake(at, Code::Arguments, message, Some(help));
        }
    }
}
