//! A question of a playbook, as it stands on a terminal. What a host said in it is one line and harmless.

use deminer_engine::ask::Question;

use super::plain::{cut, plain};
use super::words::Words;

/// Columns of the question's own words.
const WORDS: usize = 1200;

/// The question and what may be answered, two lines.
pub(crate) fn question(question: &Question, words: &dyn Words) -> String {
    let asked = plain(words.authored(&question.question));
    let asked = words.asks(&plain(&question.host), &plain(&question.step), &cut(&asked, WORDS));
    let (answers, default) = answers(question);
    format!("{asked}\n{}", words.answer_with(&answers, default.as_deref()))
}

/// What was typed answers nothing.
pub(crate) fn no_answer(question: &Question, words: &dyn Words) -> String {
    let (answers, default) = answers(question);
    words.no_answer(&answers, default.as_deref())
}

/// The words that may be typed: the playbook's own, never others.
fn answers(question: &Question) -> (Vec<String>, Option<String>) {
    let answers = question.answers.iter().map(|word| plain(word).into_owned());
    let default = question.default.as_ref().map(|word| plain(word).into_owned());
    (answers.collect(), default)
}
