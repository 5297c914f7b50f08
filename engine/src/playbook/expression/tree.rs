//! Places and branches of minijinja's syntax trees.

use std::ops::Range;

use minijinja::machinery::ast::{CallArg, Expr};

/// The bytes of a tree: the parser's span begins one token early, so the beginning is that of its first leaf.
pub(crate) fn whole(tree: &Expr<'_>) -> Range<usize> {
    start_of(tree)..end_of(tree)
}

pub(super) fn end_of(tree: &Expr<'_>) -> usize {
    tree.span().end_offset as usize
}

fn start_of(tree: &Expr<'_>) -> usize {
    match tree {
        Expr::GetAttr(attr) => start_of(&attr.expr),
        Expr::GetItem(item) => start_of(&item.expr),
        Expr::Slice(slice) => start_of(&slice.expr),
        Expr::Filter(filter) => filter.expr.as_ref().map_or(tree.span().start_offset as usize, start_of),
        Expr::Test(test) => start_of(&test.expr),
        Expr::Call(call) => start_of(&call.expr),
        Expr::BinOp(op) => start_of(&op.left),
        Expr::Compare(chain) => start_of(&chain.expr),
        Expr::IfExpr(choice) => start_of(&choice.true_expr),
        _ => tree.span().start_offset as usize,
    }
}

/// The bytes of a name that a tree ends with.
pub(super) fn end_name(tree: &Expr<'_>, name: &str) -> Range<usize> {
    let end = end_of(tree);
    end.saturating_sub(name.len())..end
}

/// A path as it would be written; `None` for what is computed.
pub(super) fn path_text(tree: &Expr<'_>) -> Option<String> {
    match tree {
        Expr::Var(var) => Some(var.id.to_owned()),
        Expr::GetAttr(attr) => Some(format!("{}.{}", path_text(&attr.expr)?, attr.name)),
        Expr::GetItem(item) => Some(format!("{}[..]", path_text(&item.expr)?)),
        _ => None,
    }
}

/// The trees right below a tree.
pub(crate) fn for_each_child<'t, 'e>(tree: &'t Expr<'e>, each: &mut dyn FnMut(&'t Expr<'e>)) {
    let args = |args: &'t [CallArg<'e>], each: &mut dyn FnMut(&'t Expr<'e>)| {
        for arg in args {
            match arg {
                CallArg::Pos(tree) | CallArg::Kwarg(_, tree) | CallArg::PosSplat(tree) | CallArg::KwargSplat(tree) => {
                    each(tree);
                }
            }
        }
    };
    match tree {
        Expr::Var(_) | Expr::Const(_) => {}
        Expr::Slice(slice) => {
            each(&slice.expr);
            [&slice.start, &slice.stop, &slice.step]
                .into_iter()
                .flatten()
                .for_each(each);
        }
        Expr::UnaryOp(op) => each(&op.expr),
        Expr::BinOp(op) => {
            each(&op.left);
            each(&op.right);
        }
        Expr::Compare(chain) => {
            each(&chain.expr);
            chain.ops.iter().for_each(|step| each(&step.expr));
        }
        Expr::IfExpr(choice) => {
            each(&choice.test_expr);
            each(&choice.true_expr);
            choice.false_expr.iter().for_each(each);
        }
        Expr::Filter(filter) => {
            filter.expr.iter().for_each(&mut *each);
            args(&filter.args, each);
        }
        Expr::Test(test) => {
            each(&test.expr);
            args(&test.args, each);
        }
        Expr::GetAttr(attr) => each(&attr.expr),
        Expr::GetItem(item) => {
            each(&item.expr);
            each(&item.subscript_expr);
        }
        Expr::Call(call) => {
            each(&call.expr);
            args(&call.args, each);
        }
        Expr::List(list) => list.items.iter().for_each(each),
        Expr::Tuple(tuple) => tuple.items.iter().for_each(each),
        Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(each),
    }
}
