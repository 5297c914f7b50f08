//! A step for a person: `use: ask`. "Pull the network cable of this host", "rotate this key".
//!
//! `ask` is of the language, as `let` is: it is in every registry and touches no host. Who is asked, and how, is handed
//! in as an [`Asker`]: the engine knows no terminal. What is answered is recorded with who said it and how; without an
//! answer the step fails, unless the playbook itself names a default.

mod answers;

use async_trait::async_trait;
use deminer_worker::action::Effect;
use deminer_worker::text::Wide;
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::host::HostView;
use crate::module::{About, Erased, ModuleError, Ran};
use crate::playbook::Phase;

pub use answers::Answers;

/// The name of the step.
pub const ASK: &str = "ask";

/// The words that one question offers at most.
pub(crate) const ANSWERS: usize = 20;
/// The longest answer.
const ANSWER_CHARS: usize = 200;
/// The longest question.
const QUESTION_CHARS: usize = 1000;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The question, as the person reads it: `Pull the network cable of this host`.
    pub question: String,
    /// The words that may be answered: `[done, refused]`. Left out, any line is an answer.
    #[serde(default)]
    pub answers: Vec<String>,
    /// The answer where nobody answers. Left out, the step fails then: nothing is assumed.
    #[serde(default)]
    pub default: Option<String>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The answer: one of the question's words, where it has any.
    pub answer: String,
    /// Who answered: `uid 1000`, or the file.
    pub by: String,
    /// How.
    pub means: ReplyMeans,
}

/// A question with its answer, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// The step's id.
    pub step: String,
    /// What was asked.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// Who answered.
    pub by: String,
    /// How.
    pub means: ReplyMeans,
    /// When, milliseconds since 1970 by the controller's clock.
    pub at_ms: Wide,
}

/// How a question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyMeans {
    /// On a terminal, to the question as it was asked.
    Terminal,
    /// Beforehand, in a file.
    File,
    /// Nobody answered, and the playbook says what that means.
    Default,
}

/// A question as a person gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The host that it is about.
    pub host: String,
    /// The step's id.
    pub step: String,
    /// What is asked. It may hold what a host said: it is shown escaped.
    pub question: String,
    /// The words that may be answered; empty where any line may.
    pub answers: Vec<String>,
    /// The answer where nobody answers.
    pub default: Option<String>,
}

/// Asks people. Questions of several hosts may come at once.
#[async_trait]
pub trait Asker: Send + Sync {
    /// Puts the question and waits for the answer; `None` where nobody is there to answer it.
    async fn ask(&self, question: &Question) -> Option<Reply>;
}

/// Nobody is there: questions have their default or fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

#[async_trait]
impl Asker for Nobody {
    async fn ask(&self, _: &Question) -> Option<Reply> {
        None
    }
}

/// Whether it may be an answer: one line of text without control characters.
pub(crate) fn is_answer(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= ANSWER_CHARS && !text.chars().any(char::is_control)
}

impl Question {
    /// A step's parameters as a question.
    ///
    /// # Errors
    /// What of the parameters does not fit.
    pub(crate) fn of(host: &str, step: &str, params: Value) -> Result<Question, String> {
        let params: Params = serde_json::from_value(params).map_err(|error| error.to_string())?;
        if params.question.trim().is_empty() || params.question.chars().count() > QUESTION_CHARS {
            return Err(format!("a question has 1 to {QUESTION_CHARS} characters"));
        }
        if params.answers.len() > ANSWERS {
            return Err(format!("a question has at most {ANSWERS} answers"));
        }
        if let Some(odd) = params
            .answers
            .iter()
            .chain(&params.default)
            .find(|word| !is_answer(word))
        {
            return Err(format!(
                "`{odd}` is no answer: one line, 1 to {ANSWER_CHARS} characters"
            ));
        }
        let question = Question {
            host: host.to_owned(),
            step: step.to_owned(),
            question: params.question,
            answers: params.answers,
            default: params.default,
        };
        match question.default.as_ref().filter(|word| !question.takes(word)) {
            Some(word) => Err(format!("the default `{word}` is none of the answers")),
            None => Ok(question),
        }
    }

    /// Whether this answers it.
    pub fn takes(&self, answer: &str) -> bool {
        match self.answers.is_empty() {
            true => is_answer(answer),
            false => self.answers.iter().any(|word| word == answer),
        }
    }

    /// The answer, or why there is none.
    ///
    /// # Errors
    /// When nobody answers and the playbook names no default, or the answer is none of those that are offered.
    pub(crate) async fn put(&self, asker: &dyn Asker) -> Result<Reply, String> {
        let words = match self.answers.is_empty() {
            true => String::new(),
            false => format!(" ({})", self.answers.join(", ")),
        };
        match (asker.ask(self).await, &self.default) {
            (Some(reply), _) if self.takes(&reply.answer) => Ok(reply),
            (Some(reply), _) => Err(format!("`{}` is no answer to `{}`{words}", reply.answer, self.question)),
            (None, Some(default)) => Ok(Reply {
                answer: default.clone(),
                by: "the playbook".to_owned(),
                means: ReplyMeans::Default,
            }),
            (None, None) => Err(format!("needs an answer: `{}`{words}", self.question)),
        }
    }
}

/// The step in a registry: it has a manual and a schema, and the session carries it out.
pub(crate) struct AskTwin;

const ABOUT: About = About {
    name: ASK,
    summary: "Asks a person, waits for the answer and records it: who, when, how",
    effect: Effect::Read,
    phases: &[Phase::Gather, Phase::Decide, Phase::Locate, Phase::Verify],
    handbook: "2.1.1, 1.3",
    not_seen: "whether what was answered was also done",
    example: "{id: cable, use: ask, with: {question: \"Pull the network cable of this host\", answers: [done, refused]}}",
};

#[async_trait]
impl Erased for AskTwin {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn params_schema(&self) -> Schema {
        schema_for!(Params)
    }

    fn output_schema(&self) -> Schema {
        schema_for!(Reply)
    }

    async fn run(&self, _: Option<&dyn HostView>, _: Value) -> Result<Ran, ModuleError> {
        Err(ModuleError::Parameter {
            name: String::new(),
            why: "a question is put by the session".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Says(&'static str);

    #[async_trait]
    impl Asker for Says {
        async fn ask(&self, _: &Question) -> Option<Reply> {
            Some(Reply {
                answer: self.0.to_owned(),
                by: "uid 1".to_owned(),
                means: ReplyMeans::Terminal,
            })
        }
    }

    fn question(params: Value) -> Result<Question, String> {
        Question::of("web-1", "cable", params)
    }

    #[tokio::test]
    async fn what_is_answered_is_one_of_the_words() {
        let asked = json!({"question": "Pulled?", "answers": ["done", "refused"]});
        let with_default = json!({"question": "Pulled?", "answers": ["done", "refused"], "default": "refused"});
        let any = json!({"question": "Who?"});
        type Case<'c> = (
            &'c str,
            Value,
            Option<&'static str>,
            Result<(&'c str, ReplyMeans), &'c str>,
        );
        let cases: [Case<'_>; 7] = [
            (
                "a word",
                asked.clone(),
                Some("done"),
                Ok(("done", ReplyMeans::Terminal)),
            ),
            (
                "another",
                asked.clone(),
                Some("Done"),
                Err("`Done` is no answer to `Pulled?` (done, refused)"),
            ),
            ("nobody", asked, None, Err("needs an answer: `Pulled?` (done, refused)")),
            (
                "a default",
                with_default.clone(),
                None,
                Ok(("refused", ReplyMeans::Default)),
            ),
            (
                "over the default",
                with_default,
                Some("done"),
                Ok(("done", ReplyMeans::Terminal)),
            ),
            (
                "any line",
                any.clone(),
                Some("the night shift"),
                Ok(("the night shift", ReplyMeans::Terminal)),
            ),
            ("two lines", any, Some("a\nb"), Err("`a\nb` is no answer to `Who?`")),
        ];
        for (name, params, says, expected) in cases {
            let question = question(params).expect(name);
            let reply = match says {
                Some(word) => question.put(&Says(word)).await,
                None => question.put(&Nobody).await,
            };
            let said = match &reply {
                Ok(reply) => Ok((reply.answer.as_str(), reply.means)),
                Err(why) => Err(why.as_str()),
            };
            assert_eq!(said, expected, "{name}");
        }
    }

    #[test]
    fn questions_that_are_none() {
        let cases = [
            ("empty", json!({"question": " "}), "a question has 1 to 1000 characters"),
            (
                "long",
                json!({"question": "x".repeat(1001)}),
                "a question has 1 to 1000 characters",
            ),
            (
                "default",
                json!({"question": "q", "answers": ["a"], "default": "b"}),
                "the default `b` is none of the answers",
            ),
            (
                "many",
                json!({"question": "q", "answers": vec!["a"; 21]}),
                "a question has at most 20 answers",
            ),
        ];
        for (name, params, why) in cases {
            assert_eq!(question(params).unwrap_err(), why, "{name}");
        }
        assert!(question(json!({"question": "q", "word": 1})).is_err());
    }
}
