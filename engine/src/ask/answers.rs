//! Answers that are given beforehand: a file of `id: answer`, or `id: {host: answer}` where hosts have their own.

use std::collections::BTreeMap;

use super::{Question, Reply, ReplyMeans, is_answer};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, quoted, suggest};
use crate::playbook::node::{Kind, Node, read};
use crate::playbook::{Asked, CheckedPlaybook};

/// The answers of a file, held against the playbook whose questions they answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    file: String,
    by_step: BTreeMap<String, Given>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    ToAll(String),
    ByHost(BTreeMap<String, String>),
}

impl Answers {
    /// Reads a file of answers; `file` is what mistakes, and the answers' records, call it.
    ///
    /// # Errors
    /// Every answer to a question that the playbook does not ask, or that is none of the question's words. One for a host
    /// that is not looked at is none: a file may be for more hosts than are looked at together.
    pub fn read(file: &str, text: &str, playbook: &CheckedPlaybook) -> Result<Answers, Diagnostics> {
        let mut mistakes = Vec::new();
        let by_step = match read(text) {
            Ok(node) => by_step(&node, playbook, &mut mistakes),
            Err(mut mistake) => {
                mistake.message = mistake.message.replace("the YAML of a playbook", "the YAML of answers");
                mistakes.push(mistake);
                BTreeMap::new()
            }
        };
        match mistakes.is_empty() {
            true => Ok(Answers {
                file: file.to_owned(),
                by_step,
            }),
            false => Err(Diagnostics::new(file, text, mistakes)),
        }
    }

    /// The answer to a question; `None` where the file has none for it.
    pub fn to(&self, question: &Question) -> Option<Reply> {
        let answer = match self.by_step.get(&question.step)? {
            Given::ToAll(answer) => answer,
            Given::ByHost(answers) => answers.get(&question.host)?,
        };
        Some(Reply {
            answer: answer.clone(),
            by: self.file.clone(),
            means: ReplyMeans::File,
        })
    }
}

fn by_step(node: &Node, playbook: &CheckedPlaybook, mistakes: &mut Vec<Diagnostic>) -> BTreeMap<String, Given> {
    let asked: Vec<Asked<'_>> = playbook.questions().collect();
    let mut all = BTreeMap::new();
    for (key, value) in pairs(node, "the file of answers", mistakes) {
        let Some(id) = key.text() else { continue };
        let Some(question) = asked.iter().find(|asked| asked.step == id) else {
            let message = format!("the playbook asks nothing as {}", quoted(id));
            let help = suggest(id, asked.iter().map(|asked| asked.step))
                .unwrap_or_else(|| "it has no step with `use: ask`".to_owned());
            mistakes.push(Diagnostic::error(Code::NoQuestion, key.span, message).help(help));
            continue;
        };
        let given = match &value.kind {
            Kind::Map(_) => {
                let mut by_host = BTreeMap::new();
                for (host, value) in pairs(value, &quoted(id), mistakes) {
                    let Some(name) = host.text() else { continue };
                    if let Some(answer) = answer(question, value, mistakes) {
                        by_host.insert(name.to_owned(), answer);
                    }
                }
                Some(Given::ByHost(by_host))
            }
            _ => answer(question, value, mistakes).map(Given::ToAll),
        };
        if given.is_some() && all.contains_key(id) {
            let message = format!("{} is answered twice", quoted(id));
            mistakes.push(Diagnostic::error(Code::DuplicateKey, key.span, message));
        }
        all.extend(given.map(|given| (id.to_owned(), given)));
    }
    all
}

fn pairs<'n>(node: &'n Node, place: &str, mistakes: &mut Vec<Diagnostic>) -> &'n [(Node, Node)] {
    let help = "write `cable: done`, or for one host `cable: {web-1: done}`";
    match &node.kind {
        Kind::Map(pairs) => {
            for (key, _) in pairs.iter().filter(|(key, _)| key.text().is_none()) {
                let message = format!("{place}: a key is {}", key.kind.name());
                mistakes.push(Diagnostic::error(Code::WrongKind, key.span, message).help("put it in quotes"));
            }
            pairs
        }
        kind => {
            let message = format!("{place}: expected a map, found {}", kind.name());
            mistakes.push(Diagnostic::error(Code::WrongKind, node.span, message).help(help));
            &[]
        }
    }
}

fn answer(question: &Asked<'_>, node: &Node, mistakes: &mut Vec<Diagnostic>) -> Option<String> {
    let Some(text) = node.text() else {
        let message = format!(
            "{}: an answer is text, found {}",
            quoted(question.step),
            node.kind.name()
        );
        mistakes.push(Diagnostic::error(Code::WrongKind, node.span, message).help("put it in quotes"));
        return None;
    };
    if !is_answer(text) || !question.answers.is_empty() && !question.answers.contains(&text) {
        let message = format!("{}: {} is none of its answers", quoted(question.step), quoted(text));
        let help = suggest(text, question.answers.iter().copied());
        mistakes.push(Diagnostic::error(Code::NoSuchAnswer, node.span, message).maybe_help(help));
        return None;
    }
    Some(text.to_owned())
}
