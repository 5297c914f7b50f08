//! A question of a playbook, as it stands on a terminal. What a host said in it is one line and harmless.

use deminer_engine::ask::Question;

use super::plain::{cut, plain};

/// Columns of the question's own words.
const WORDS: usize = 1200;

/// The question and what may be answered, two lines.
pub(crate) fn question(question: &Question) -> String {
    let asked = cut(&plain(&question.question), WORDS).into_owned();
    format!(
        "{}, step {}: {asked}\nanswer {}",
        plain(&question.host),
        plain(&question.step),
        words(question)
    )
}

/// What was typed answers nothing.
pub(crate) fn no_answer(question: &Question) -> String {
    format!("that is no answer; answer {}", words(question))
}

fn words(question: &Question) -> String {
    let words: Vec<String> = question.answers.iter().map(|word| plain(word).into_owned()).collect();
    let default = match &question.default {
        Some(default) => format!(" (an empty line: {})", plain(default)),
        None => String::new(),
    };
    match words.is_empty() {
        true => format!("with one line{default}"),
        false => format!("with one of: {}{default}", words.join(", ")),
    }
}
