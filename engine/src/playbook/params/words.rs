//! Words that only the playbook may write: never those of a host.

use minijinja::machinery::ast::Expr;

use super::super::check::Checker;
use super::super::expression::{for_each_child, whole};
use super::super::{Argument, Placed};
use crate::diagnostic::{Code, Diagnostic, quoted};
use crate::template::{Piece, pieces};

impl Checker<'_> {
    /// Refuses what is not of the playbook and its variables; lists are looked into item by item.
    pub(super) fn only_own_words(&mut self, place: &str, frame: usize, given: &Placed<Argument>) {
        let (Argument::Expression { text, .. } | Argument::Template(text)) = &given.value else {
            return;
        };
        for (told, at) in expressions(&given.value) {
            // What cannot be read is told elsewhere.
            let Ok(tree) = minijinja::machinery::parse_expr(&told) else {
                continue;
            };
            let Some((name, range)) = self.word_of_host(&tree, frame) else {
                continue;
            };
            let span = self.inside(given.span, text, at + range.start..at + range.end);
            let message = format!(
                "{place} is the playbook's own word, {} comes from a host",
                quoted(&name)
            );
            let help = "write it out, or take it from a variable: `vars.NAME`";
            self.mistakes
                .push(Diagnostic::error(Code::WordOfHost, span, message).help(help));
        }
    }

    /// Whether a parameter holds anything but the playbook's own words.
    pub(in super::super) fn holds_word_of_host(&self, given: &Argument, frame: usize) -> bool {
        match given {
            Argument::List(items) => items.iter().any(|item| self.holds_word_of_host(&item.value, frame)),
            Argument::Map(fields) => fields
                .values()
                .any(|field| self.holds_word_of_host(&field.value, frame)),
            other => expressions(other).iter().any(|(told, _)| {
                let tree = minijinja::machinery::parse_expr(told);
                tree.is_ok_and(|tree| self.word_of_host(&tree, frame).is_some())
            }),
        }
    }

    /// What of an expression is not of the playbook and its variables; a variable of an included file may be neither.
    fn word_of_host(&self, tree: &Expr<'_>, frame: usize) -> Option<(String, std::ops::Range<usize>)> {
        let vars = self.names.vars.get(frame);
        match tree {
            Expr::GetAttr(attr) if matches!(&attr.expr, Expr::Var(var) if var.id == "vars") => vars
                .and_then(|vars| vars.get(attr.name))
                .filter(|known| known.of_host)
                .map(|_| (format!("vars.{}", attr.name), whole(tree))),
            Expr::Var(var) if var.id == "vars" => vars
                .filter(|vars| vars.values().any(|known| known.of_host))
                .map(|_| (var.id.to_owned(), whole(tree))),
            Expr::Var(var) if matches!(var.id, "run" | "range") => None,
            Expr::Var(var) => Some((var.id.to_owned(), whole(tree))),
            _ => {
                let mut found = None;
                for_each_child(tree, &mut |child| {
                    if found.is_none() {
                        found = self.word_of_host(child, frame);
                    }
                });
                found
            }
        }
    }
}

/// The expressions of a text, each with where it begins.
fn expressions(given: &Argument) -> Vec<(String, usize)> {
    match given {
        Argument::Expression { text, inner } => {
            let told = text.get(inner.clone()).map(|told| (told.to_owned(), inner.start));
            told.into_iter().collect()
        }
        Argument::Template(text) => {
            let told = pieces(text).unwrap_or_default();
            let values = told.into_iter().filter_map(|piece| match piece {
                Piece::Value { text, at } => Some((text.to_owned(), at)),
                _ => None,
            });
            values.collect()
        }
        _ => Vec::new(),
    }
}
