//! Where secrets go: into what computes and what judges, and no further.
//!
//! A step holds a secret where an expression of its values names a variable that is one, or a `let` that holds one. A
//! condition decides and hands nothing on; of what judges, output and findings are told without secrets.

use std::collections::HashSet;

use indexmap::IndexMap;
use minijinja::machinery;
use minijinja::machinery::ast::Expr;

use super::super::Var;
use super::super::checked::{CheckedBody, CheckedFrame, CheckedStep, Recipe};
use super::super::expression::for_each_child;
use super::Checker;
use super::entry::Entry;
use crate::diagnostic::{Code, Diagnostic};
use crate::module::Module;

/// What may be named that holds a secret.
struct Held {
    /// Variables, by file: 0 is the playbook.
    vars: Vec<HashSet<String>>,
    steps: HashSet<String>,
}

impl Checker<'_> {
    /// Marks the steps that hold secrets, and refuses those that would hand one on.
    pub(super) fn secrets(
        &mut self,
        entries: &[Entry<'_>],
        vars: &IndexMap<String, Var>,
        frames: &[&Option<CheckedFrame>],
        steps: &mut [CheckedStep],
    ) {
        let mut held = Held {
            vars: vec![secret(vars.iter())],
            steps: HashSet::new(),
        };
        for (number, step) in steps.iter_mut().enumerate() {
            // Files are included in the order of their first steps.
            while held.vars.len() <= step.frame {
                let names = match frames.get(held.vars.len() - 1).and_then(|frame| frame.as_ref()) {
                    Some(frame) => held.of_frame(frame),
                    None => HashSet::new(),
                };
                held.vars.push(names);
            }
            step.holds_secret = held.in_step(step);
            step.reads_secret = step.holds_secret || held.in_conditions(step);
            if !step.holds_secret {
                continue;
            }
            // What judges hands nothing on: what it gives is blotted out.
            if matches!(step.body, CheckedBody::Let(_)) {
                held.steps.extend(step.id.clone());
            }
            if let CheckedBody::Use { module, .. } = &step.body
                && !matches!(module, Module::Analyzer(_))
                && let Some(entry) = entries.get(number)
            {
                let does = match module {
                    Module::Collector(_) => "asks a host",
                    Module::Responder(_) => "proposes what people read",
                    Module::Analyzer(_) | Module::Question(_) => "asks a person",
                };
                let message = format!(
                    "{}: a secret is given to `{}`, which {does}",
                    entry.label,
                    module.about().name
                );
                let help = "secrets go into `let`, conditions and what judges, and no further";
                let mistake = Diagnostic::error(Code::SecretUse, entry.step.span, message).help(help);
                self.mistakes.push(mistake);
            }
        }
    }
}

fn secret<'v>(vars: impl Iterator<Item = (&'v String, &'v Var)>) -> HashSet<String> {
    let secret = vars.filter(|(_, var)| var.kind.value.is_secret());
    secret.map(|(name, _)| name.clone()).collect()
}

impl Held {
    fn of_frame(&self, frame: &CheckedFrame) -> HashSet<String> {
        let held = frame
            .values
            .iter()
            .filter(|given| given.var.kind.value.is_secret() || self.in_recipe(&given.recipe, frame.outer));
        held.map(|given| given.name.clone()).collect()
    }

    fn in_step(&self, step: &CheckedStep) -> bool {
        let foreach = step
            .foreach
            .as_ref()
            .is_some_and(|foreach| self.in_text(foreach.text(), step.frame));
        foreach
            || match &step.body {
                CheckedBody::Use { with, .. } => with.iter().any(|(_, recipe)| self.in_recipe(recipe, step.frame)),
                CheckedBody::Let(values) => values.iter().any(|(_, value)| self.in_text(value.text(), step.frame)),
                CheckedBody::Stop { .. } | CheckedBody::Assert { .. } => false,
            }
    }

    fn in_conditions(&self, step: &CheckedStep) -> bool {
        let holds = match &step.body {
            CheckedBody::Assert { holds, .. } => Some(holds),
            _ => None,
        };
        let until = step.until.as_ref().map(|until| &until.holds);
        let mut conditions = step.when.iter().chain(until).chain(holds);
        conditions.any(|condition| self.in_text(condition.text(), step.frame))
    }

    fn in_recipe(&self, recipe: &Recipe, frame: usize) -> bool {
        match recipe {
            Recipe::Literal(_) | Recipe::Resource { .. } => false,
            Recipe::Value(expression) => self.in_text(expression.text(), frame),
            Recipe::Text(text) => text
                .expressions()
                .any(|expression| self.in_text(expression.text(), frame)),
            Recipe::List(items) => items.iter().any(|item| self.in_recipe(item, frame)),
            Recipe::Map(fields) => fields.iter().any(|(_, field)| self.in_recipe(field, frame)),
        }
    }

    fn in_text(&self, text: &str, frame: usize) -> bool {
        // `check` has read it; what it could not read is refused anyhow.
        machinery::parse_expr(text).is_ok_and(|tree| self.in_tree(&tree, frame))
    }

    fn in_tree(&self, tree: &Expr<'_>, frame: usize) -> bool {
        let vars = self.vars.get(frame);
        match tree {
            Expr::GetAttr(attr) if matches!(&attr.expr, Expr::Var(var) if var.id == "vars") => {
                vars.is_some_and(|vars| vars.contains(attr.name))
            }
            Expr::GetAttr(attr) if matches!(&attr.expr, Expr::Var(var) if var.id == "steps") => {
                self.steps.contains(attr.name)
            }
            // All of them at once, or one by a computed name.
            Expr::Var(var) if var.id == "vars" => vars.is_some_and(|vars| !vars.is_empty()),
            Expr::Var(var) if var.id == "steps" => !self.steps.is_empty(),
            _ => {
                let mut found = false;
                for_each_child(tree, &mut |child| found = found || self.in_tree(child, frame));
                found
            }
        }
    }
}
