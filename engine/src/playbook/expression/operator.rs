//! What operators take, and what they give.

use minijinja::machinery::ast::{BinOpKind, CompareOpKind, Expr};

use super::super::kind::Kinds;
use super::super::shape::Shape;
use super::Teller;
use super::tree::whole;
use crate::diagnostic::{Code, quoted, suggest};

/// How two values are held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Whether they are the same.
    Same,
    /// Which is more.
    Order,
    /// Whether one holds the other.
    Within,
}

impl Comparison {
    pub(super) fn of(op: CompareOpKind) -> Comparison {
        match op {
            CompareOpKind::Eq | CompareOpKind::Ne => Comparison::Same,
            CompareOpKind::In | CompareOpKind::NotIn => Comparison::Within,
            CompareOpKind::Lt | CompareOpKind::Lte | CompareOpKind::Gt | CompareOpKind::Gte => Comparison::Order,
        }
    }
}

impl Teller<'_> {
    pub(super) fn binary(&mut self, op: BinOpKind, left_tree: &Expr<'_>, right_tree: &Expr<'_>) -> Shape {
        let left = self.shape(left_tree, false);
        let right = match op {
            BinOpKind::ScAnd => self.shape_where(left_tree, true, right_tree, false),
            BinOpKind::ScOr => self.shape_where(left_tree, false, right_tree, false),
            _ => self.shape(right_tree, false),
        };
        let (left, right) = ((&left, left_tree), (&right, right_tree));
        match op {
            BinOpKind::Eq | BinOpKind::Ne => self.compare(Comparison::Same, left, right),
            BinOpKind::Lt | BinOpKind::Lte | BinOpKind::Gt | BinOpKind::Gte => {
                self.compare(Comparison::Order, left, right);
            }
            BinOpKind::In => self.compare(Comparison::Within, left, right),
            BinOpKind::ScAnd | BinOpKind::ScOr => return left.0.union(right.0),
            BinOpKind::Concat => return Shape::of_kind("string"),
            BinOpKind::Add => return self.sum(left, right),
            BinOpKind::Mul => return Shape::Any,
            BinOpKind::Sub | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem | BinOpKind::Pow => {
                for (shape, tree) in [left, right] {
                    self.number(shape, tree);
                }
                return Shape::of_kind("number");
            }
        }
        Shape::boolean()
    }

    fn sum(&mut self, left: (&Shape, &Expr<'_>), right: (&Shape, &Expr<'_>)) -> Shape {
        let (l, r) = (left.0.kinds(), right.0.kinds());
        let both = |kinds: Kinds| l.meets(kinds) && r.meets(kinds);
        if !(both(Kinds::NUMBER) || both(Kinds::TEXT) || both(Kinds::LIST)) {
            let message = format!("{l} and {r} cannot be added");
            let help = "two numbers, two texts or two lists can; a number in a text is made one by `| int`";
            self.mistake(whole(right.1), Code::OperandKind, message, Some(help.to_owned()));
        }
        match (l, r) {
            (Kinds::LIST, Kinds::LIST) => left.0.union(right.0),
            _ => Shape::Any,
        }
    }

    fn number(&mut self, shape: &Shape, tree: &Expr<'_>) {
        let kinds = shape.kinds();
        if !kinds.meets(Kinds::NUMBER) {
            let message = format!("this is {kinds}, and is calculated with");
            self.mistake(whole(tree), Code::OperandKind, message, number_help(kinds));
        }
    }

    pub(super) fn compare(&mut self, how: Comparison, left: (&Shape, &Expr<'_>), right: (&Shape, &Expr<'_>)) {
        let (l, r) = (left.0.kinds(), right.0.kinds());
        match how {
            Comparison::Same => {
                self.never_equal(left.0, right.1);
                self.never_equal(right.0, left.1);
                // Whether something is there at all may always be asked.
                let is_asked = [l, r].contains(&Kinds::NULL);
                if !is_asked && !l.widened().meets(r.widened()) {
                    let message = format!("{l} is never equal to {r}");
                    self.mistake(whole(right.1), Code::NeverEqual, message, same_help(l, r));
                }
            }
            Comparison::Order => {
                let both = |kinds: Kinds| l.meets(kinds) && r.meets(kinds);
                if !(both(Kinds::NUMBER) || both(Kinds::TEXT)) {
                    let message = format!("{l} is neither more nor less than {r}");
                    let help = match l.meets(Kinds::LIST.or(Kinds::MAP)) || r.meets(Kinds::LIST.or(Kinds::MAP)) {
                        true => Some("compare how many there are: `... | length`".to_owned()),
                        false => number_help(Kinds::TEXT),
                    };
                    self.mistake(whole(right.1), Code::OperandKind, message, help);
                }
            }
            Comparison::Within => {
                if !r.meets(Kinds::LIST.or(Kinds::TEXT).or(Kinds::MAP)) {
                    let message = format!("nothing is in {r}");
                    let help = "behind `in` stands a list, a text or a map";
                    self.mistake(whole(right.1), Code::OperandKind, message, Some(help.to_owned()));
                } else if r.without(Kinds::NULL) == Kinds::TEXT && !l.meets(Kinds::TEXT) {
                    let message = format!("{l} is never in a text");
                    let help = Some("make it text: `... | string`".to_owned());
                    self.mistake(whole(left.1), Code::OperandKind, message, help);
                }
                for word in written_items(right.1) {
                    self.never_word(left.0, word.as_str(), right.1);
                }
            }
        }
    }

    /// A comparison with a word that the other side never is, is a slip of the pen.
    fn never_equal(&mut self, shape: &Shape, other: &Expr<'_>) {
        if let Expr::Const(constant) = other {
            self.never_word(shape, constant.value.as_str(), other);
        }
    }

    fn never_word(&mut self, shape: &Shape, word: Option<&str>, at: &Expr<'_>) {
        let (Some(words), Some(word)) = (shape.words(), word) else {
            return;
        };
        if !words.iter().any(|w| w == word) {
            let help = suggest(word, words.iter().map(String::as_str));
            let message = format!("it is never {}", quoted(word));
            self.mistake(whole(at), Code::NeverEqual, message, help);
        }
    }
}

/// The items of a list that is written out.
fn written_items(tree: &Expr<'_>) -> Vec<minijinja::Value> {
    match tree {
        Expr::Const(constant) if constant.value.kind() == minijinja::value::ValueKind::Seq => {
            constant.value.try_iter().map(Iterator::collect).unwrap_or_default()
        }
        Expr::List(list) => list
            .items
            .iter()
            .filter_map(|item| match item {
                Expr::Const(constant) => Some(constant.value.clone()),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn number_help(kinds: Kinds) -> Option<String> {
    match kinds {
        kinds if kinds.meets(Kinds::TEXT) => {
            Some("a 64-bit number is text, so that no reader rounds it: write `... | int`".to_owned())
        }
        kinds if kinds.meets(Kinds::LIST.or(Kinds::MAP)) => Some("write `... | length`".to_owned()),
        _ => Some("calculate with numbers".to_owned()),
    }
}

fn same_help(left: Kinds, right: Kinds) -> Option<String> {
    let either = |kinds: Kinds| left.meets(kinds) || right.meets(kinds);
    match () {
        () if either(Kinds::LIST) => Some("ask for one of them, as in `x in list`, or for `list | length`".to_owned()),
        () if either(Kinds::TEXT) && either(Kinds::NUMBER) => number_help(Kinds::TEXT),
        () => Some("compare it with a value of its own kind".to_owned()),
    }
}
