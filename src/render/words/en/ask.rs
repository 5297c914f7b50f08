//! English words of questions.

use super::super::ask::AskWords;
use super::super::{Noun, Things};
use super::English;

impl AskWords for English {
    fn asks(&self, host: &str, step: &str, question: &str) -> String {
        format!("{host}, step {step}: {question}")
    }

    fn answer_with(&self, answers: &[String], default: Option<&str>) -> String {
        format!("answer {}", with(answers, default))
    }

    fn no_answer(&self, answers: &[String], default: Option<&str>) -> String {
        format!("that is no answer; answer {}", with(answers, default))
    }

    fn leaves_out(&self, actions: &[String]) -> String {
        format!("Left out: {}.", actions.join("; "))
    }

    fn only_preserves(&self) -> &'static str {
        "Only evidence is kept: nothing is changed."
    }

    fn only_contains(&self) -> &'static str {
        "Only evidence is kept and the hosts are quieted: nothing is destroyed."
    }

    fn type_the_hash(&self, hosts: u64) -> String {
        format!(
            "To approve this for {}, type the first 4 digits of the hash above, or more. Anything else changes nothing: ",
            self.count(hosts, Noun::Host)
        )
    }

    fn type_the_component(&self, name: &str) -> String {
        format!(
            "{name} needs a yes of its own. When its targets were read, type {name}. Anything else changes nothing: "
        )
    }

    fn approved_here(&self, at: &str, actions: u64, hosts: u64) -> String {
        format!(
            "approved on this terminal {at}: {} on {}",
            self.count(actions, Noun::Action),
            self.count(hosts, Noun::Host)
        )
    }

    fn not_approved(&self) -> &'static str {
        "Not approved. Nothing was changed."
    }

    fn still_there(&self, command: &str) -> String {
        format!("The plan is kept: {command}")
    }
}

fn with(answers: &[String], default: Option<&str>) -> String {
    let default = default
        .map(|word| format!(" (an empty line: {word})"))
        .unwrap_or_default();
    match answers.is_empty() {
        true => format!("with one line{default}"),
        false => format!("with one of: {}{default}", answers.join(", ")),
    }
}
