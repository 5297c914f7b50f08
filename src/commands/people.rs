//! Who answers a playbook's questions: a file of answers first, then whoever sits at the terminal.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::playbook::{mistaken, read_bounded};
use super::typing::Typing;
use super::{Desk, Trouble};
use crate::exit::Exit;
use crate::render::plain::plain;
use crate::render::question::{no_answer, question as written};
use crate::render::screen::Screen;
use async_trait::async_trait;
use deminer_engine::ask::{Answers, Asker, Question, Reply, ReplyMeans};
use deminer_engine::playbook::CheckedPlaybook;

/// A file of answers is at most so many bytes.
const ANSWERS_BYTES: u64 = 1 << 20;

/// People, as far as they can be asked.
pub(crate) struct People {
    answers: Answers,
    screen: Screen,
    /// The lines that are typed; one question at a time waits for them. `None`: nobody sits there.
    typing: Option<Arc<Typing>>,
    by: String,
    /// Questions that nobody answered, in the order asked.
    open: Mutex<Vec<Question>>,
}

impl People {
    /// Reads the file of answers, where there is one, and looks for a terminal. Nothing is read from the terminal before
    /// something is asked.
    ///
    /// # Errors
    /// When the file cannot be read or does not fit the playbook.
    pub(crate) fn new(desk: &Desk, file: Option<&Path>, playbook: &CheckedPlaybook) -> anyhow::Result<People> {
        let answers = match file {
            None => Answers::default(),
            Some(path) => {
                let name = path.to_string_lossy();
                let text = read_bounded(path, ANSWERS_BYTES)
                    .map_err(|error| Trouble::new(Exit::Usage, format!("--answers {name}: {error}"), None))?;
                Answers::read(&name, &text, playbook).map_err(|mistakes| mistaken(&mistakes))?
            }
        };
        let asks = playbook.questions().next().is_some();
        let sits_there = asks && io::stdin().is_terminal() && io::stderr().is_terminal();
        Ok(People {
            answers,
            screen: desk.screen.clone(),
            typing: sits_there.then(|| Arc::clone(&desk.typing)),
            by: desk.by.clone(),
            open: Mutex::new(Vec::new()),
        })
    }

    /// Takes the questions that nobody answered.
    pub(crate) fn open(&self) -> Vec<Question> {
        std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says what nobody answered, and how it can be; gives whether there was anything.
    pub(crate) fn say_open(&self) -> bool {
        let open = self.open();
        for question in &open {
            let what = format!(
                "host `{}`: step `{}` needs an answer: {}",
                question.host,
                question.step,
                plain(&question.question)
            );
            let word = question.answers.first().map_or("ANSWER", String::as_str);
            let hint = format!(
                "run it on a terminal, or answer in a file: `--answers FILE`, with the line `{}: {word}`",
                question.step
            );
            self.screen.error(&what, Some(&hint));
        }
        !open.is_empty()
    }

    async fn typed(&self, question: &Question) -> Option<String> {
        let mut typed = self.typing.as_ref()?.listen().await;
        let _quiet = self.screen.quiet();
        let words = self.screen.style().words();
        self.screen.note(&written(question, words));
        loop {
            let answer = typed.line().await?;
            if answer.is_empty() && question.default.is_some() {
                return None;
            }
            if question.takes(&answer) {
                return Some(answer);
            }
            self.screen.note(&no_answer(question, words));
        }
    }
}

#[async_trait]
impl Asker for People {
    async fn ask(&self, question: &Question) -> Option<Reply> {
        if let Some(reply) = self.answers.to(question) {
            return Some(reply);
        }
        if let Some(answer) = self.typed(question).await {
            return Some(Reply {
                answer,
                by: self.by.clone(),
                means: ReplyMeans::Terminal,
            });
        }
        if question.default.is_none() {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.push(question.clone());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::render::Style;
    use crate::render::sample::Paper;

    fn cable() -> Question {
        Question {
            host: "web-1".to_owned(),
            step: "cable".to_owned(),
            question: "Pull the cable of \u{1b}[2J\nweb-1".to_owned(),
            answers: vec!["done".to_owned(), "refused".to_owned()],
            default: None,
        }
    }

    fn people(lines: Option<UnboundedReceiver<String>>) -> (People, Paper) {
        let paper = Paper::default();
        let people = People {
            answers: Answers::default(),
            screen: Screen::on(Style::PLAIN, true, Box::new(Paper::default()), Box::new(paper.clone())),
            typing: lines.map(|lines| Arc::new(Typing::of(lines))),
            by: "uid 7".to_owned(),
            open: Mutex::new(Vec::new()),
        };
        (people, paper)
    }

    #[tokio::test]
    async fn a_terminal_is_asked_until_it_answers() {
        let (sender, lines) = unbounded_channel();
        let (people, paper) = people(Some(lines));
        sender.send("done".to_owned()).expect("typed ahead, it does not count");
        let typing = async {
            tokio::task::yield_now().await;
            sender.send("yes".to_owned()).expect("somebody listens");
            sender.send(" refused ".to_owned()).expect("somebody listens");
        };
        let question = cable();
        let (reply, ()) = tokio::join!(people.ask(&question), typing);
        let reply = reply.expect("it is answered");
        assert_eq!((reply.answer.as_str(), reply.by.as_str()), ("refused", "uid 7"));
        assert_eq!(
            paper.text(),
            "web-1, step cable: Pull the cable of \\x1b[2J\\x0aweb-1\nanswer with one of: done, refused\n\
             that is no answer; answer with one of: done, refused\n"
        );
        assert!(!people.say_open());
    }

    #[tokio::test]
    async fn what_nobody_answers_is_said_with_the_way_to_answer_it() {
        let (people, paper) = people(None);
        assert_eq!(people.ask(&cable()).await, None);
        let with_default = Question {
            default: Some("refused".to_owned()),
            ..cable()
        };
        assert_eq!(people.ask(&with_default).await, None);
        assert!(people.say_open());
        assert_eq!(paper.text().matches("needs an answer").count(), 1);
        assert!(paper.text().contains("`cable: done`"), "{}", paper.text());
        assert!(!people.say_open(), "said once");
    }

    #[tokio::test]
    async fn an_input_that_ends_is_nobody() {
        let (sender, lines) = unbounded_channel::<String>();
        drop(sender);
        let (people, _) = people(Some(lines));
        assert_eq!(people.ask(&cable()).await, None);
        assert!(people.say_open());
    }
}
