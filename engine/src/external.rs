//! Modules that come from outside: programs in any language, run on the controller, that speak a small protocol of lines of
//! JSON over stdin and stdout (`docs/external.md`).
//!
//! Such a module looks or judges. It is given no host, only answers to the questions that it asks; it proposes nothing, its
//! findings condemn nothing, and what it gives is held against the schema that it declared. It is bounded in time, bytes and
//! questions, and its process group ends with the call.

mod process;
mod schema;
mod speech;
#[cfg(test)]
mod tests;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use deminer_worker::action::Effect;
use deminer_worker::query::{Coverage, GapReason, Query};
use deminer_worker::text::{Digest, HostBytes};
use schemars::Schema;
use serde_json::{Value, json};

use self::process::Running;
use self::speech::{Description, Kind, Said};
use crate::host::HostView;
use crate::module::{About, Erased, Module, ModuleError, Ran};
use crate::playbook::Phase;
use crate::policy::Leave;

/// The version of the protocol that is spoken.
pub const PROTOCOL: u64 = 1;

/// The bytes of a module's file.
const FILE_BYTES: u64 = 64 << 20;

/// Within which limits a module runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long it may take to describe itself.
    pub describe: Duration,
    /// How long a call may take, what the host takes for its answers left out.
    pub call: Duration,
    /// How long a call may take with all of it.
    pub whole: Duration,
    /// The bytes that it may write in one call.
    pub says: usize,
    /// The bytes that it may write to stderr in one call.
    pub complains: usize,
    /// The bytes that it is told in one call.
    pub told: usize,
    /// The questions of one call.
    pub questions: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            describe: Duration::from_secs(10),
            call: Duration::from_secs(60),
            whole: Duration::from_secs(600),
            says: 16 << 20,
            complains: 1 << 20,
            told: 64 << 20,
            questions: 1000,
        }
    }
}

/// Why an external module gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExternalError {
    /// Its file is none that may be run.
    #[error("its file {why}")]
    File {
        /// What is wrong with it.
        why: String,
    },
    /// It cannot be started.
    #[error("it cannot be started: {why}")]
    NotStarted {
        /// The kernel's word.
        why: String,
    },
    /// Its file changed after it had described itself.
    #[error("its file is another than the one that described itself")]
    Changed,
    /// It took too long.
    #[error("it took longer than {limit_ms} ms and was ended")]
    Late {
        /// The limit.
        limit_ms: u64,
    },
    /// It wrote too much.
    #[error("it wrote more than {limit} bytes to {stream} and was ended")]
    TooMuch {
        /// `stdout` or `stderr`.
        stream: &'static str,
        /// The limit.
        limit: usize,
    },
    /// It was to be told too much.
    #[error("it asked for more than {limit} bytes of answers and was ended")]
    AskedForTooMuch {
        /// The limit.
        limit: usize,
    },
    /// It asked too often.
    #[error("it asked more than {limit} questions and was ended")]
    TooManyQuestions {
        /// The limit.
        limit: u32,
    },
    /// It ended before it had said what was asked of it.
    #[error("it ended ({how}) before it had answered{last}")]
    Ended {
        /// How.
        how: String,
        /// What it wrote to stderr last, as the end of the sentence; empty where it wrote nothing.
        last: String,
    },
    /// It speaks another protocol.
    #[error("it speaks protocol {found}; this is protocol {PROTOCOL}")]
    Protocol {
        /// Which, as it wrote it.
        found: String,
    },
    /// It said what is no message.
    #[error("it said what is no message of the protocol: {why}")]
    Message {
        /// What is wrong with it.
        why: String,
    },
    /// What it says of itself does not hold together.
    #[error("its description: {why}")]
    Description {
        /// What is wrong with it.
        why: String,
    },
    /// It gave something else than it declared.
    #[error("it gave something else than its schema says: {why}")]
    Lied {
        /// Where, and what.
        why: String,
    },
    /// It says itself that it failed.
    #[error("it failed: {why}")]
    Failed {
        /// Its words, escaped.
        why: String,
    },
}

/// A module from outside.
struct External {
    about: About,
    kind: Kind,
    params: Schema,
    output: Schema,
    file: PathBuf,
    sha256: Digest,
    place: PathBuf,
    limits: Limits,
}

/// Whether a file of a folder of modules is named as one: `noun.verb`.
pub fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    name.len() <= 64 && name.contains('.') && name.split('.').all(part)
}

/// Runs a program to have it describe itself; `place` is where it gets a directory of its own for as long as it runs.
///
/// # Errors
/// When it is no file that may be run, or does not describe a module that looks or judges.
pub async fn describe(file: &Path, place: &Path, limits: Limits) -> Result<Module, ExternalError> {
    let sha256 = digest(file)?;
    let mut running = Running::start(file, "describe", place, limits, limits.describe)?;
    let line = running.line().await?;
    drop(running);
    let said = Description::read(&line)?;
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let wrong = |why: String| ExternalError::Description { why };
    if said.name != name {
        let why = format!("it calls itself `{}`, its file is `{name}`", shown(&said.name));
        return Err(wrong(why));
    }
    said.hold().map_err(wrong)?;
    let schema = |value: &Value| Schema::try_from(value.clone()).map_err(|error| wrong(error.to_string()));
    let kind = said.kind;
    let external = External {
        params: schema(&said.params)?,
        output: schema(&said.output)?,
        about: about(said),
        kind,
        file: file.to_owned(),
        sha256,
        place: place.to_owned(),
        limits,
    };
    Ok(match kind {
        Kind::Collector => Module::Collector(Arc::new(external)),
        Kind::Analyzer => Module::Analyzer(Arc::new(external)),
    })
}

/// The manual of a module that is known for as long as the program runs: its texts are never given back.
fn about(said: Description) -> About {
    let text = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let example = format!("{{id: found, use: {}}}", said.name);
    About {
        name: text(said.name),
        summary: text(said.summary),
        effect: said.kind.effect(),
        phases: Box::leak::<'static>(said.phases.into_boxed_slice()) as &[Phase],
        handbook: "",
        not_seen: text(said.not_seen),
        example: text(said.example.unwrap_or(example)),
    }
}

impl Kind {
    fn effect(self) -> Effect {
        match self {
            Kind::Collector => Effect::Read,
            Kind::Analyzer => Effect::Judge,
        }
    }

    /// Where it may stand.
    fn phases(self) -> &'static [Phase] {
        match self {
            Kind::Collector => &[Phase::Gather, Phase::Decide, Phase::Locate, Phase::Verify],
            Kind::Analyzer => &[Phase::Decide, Phase::Locate],
        }
    }
}

/// The digest of a file that may be run: a regular one, of us or of root, that nobody else may write.
fn digest(file: &Path) -> Result<Digest, ExternalError> {
    let wrong = |why: String| ExternalError::File { why };
    let told = |error: std::io::Error| wrong(format!("cannot be read: {error}"));
    let me = rustix::process::geteuid().as_raw();
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    for path in [Some(file), folder].into_iter().flatten() {
        let found = std::fs::metadata(path).map_err(told)?;
        let is = match path == file {
            true => "is",
            false => "lies in a folder that is",
        };
        if found.uid() != 0 && found.uid() != me {
            return Err(wrong(format!("{is} neither yours nor root's")));
        }
        if found.mode() & 0o022 != 0 {
            return Err(wrong(format!("{is} open for others to write")));
        }
    }
    let found = std::fs::metadata(file).map_err(told)?;
    match () {
        () if !found.is_file() => Err(wrong("is no regular file".to_owned())),
        () if found.mode() & 0o111 == 0 => Err(wrong("may not be run: it has no x bit".to_owned())),
        () if found.len() > FILE_BYTES => Err(wrong(format!("is longer than {FILE_BYTES} bytes"))),
        () => Ok(Digest::of(&std::fs::read(file).map_err(told)?)),
    }
}

/// A word of a module in a message: bounded and escaped.
fn shown(text: &str) -> String {
    let most = text.char_indices().nth(200).map_or(text.len(), |(at, _)| at);
    HostBytes::from(&text[..most]).to_string()
}

impl External {
    /// Holds the conversation of one call.
    async fn call(&self, host: Option<&dyn HostView>, params: &Value) -> Result<Ran, ExternalError> {
        if digest(&self.file)? != self.sha256 {
            return Err(ExternalError::Changed);
        }
        let begun = Instant::now();
        let mut running = Running::start(&self.file, "run", &self.place, self.limits, self.limits.call)?;
        let call = json!({
            "protocol": PROTOCOL,
            "call": {"module": self.about.name, "host": host.map(HostView::name), "params": params},
        });
        running.tell(&call).await?;
        let mut coverage = Coverage::whole();
        let mut asked = 0;
        loop {
            let query = match Said::read(&running.line().await?)? {
                Said::Ask(query) => query,
                Said::Error(why) => return Err(ExternalError::Failed { why: shown(&why) }),
                Said::Outcome(outcome) => {
                    drop(running);
                    if let Some(why) = schema::misfit(self.output.as_value(), &outcome.output, "output") {
                        return Err(ExternalError::Lied { why });
                    }
                    return outcome.ran(self.about.name, coverage);
                }
            };
            asked += 1;
            if asked > self.limits.questions {
                let limit = self.limits.questions;
                return Err(ExternalError::TooManyQuestions { limit });
            }
            let answer = answer(host, &query, &mut coverage, &mut running).await;
            if begun.elapsed() > self.limits.whole {
                let limit_ms = self.limits.whole.as_millis().try_into().unwrap_or(u64::MAX);
                return Err(ExternalError::Late { limit_ms });
            }
            running.tell(&answer).await?;
        }
    }
}

/// What a module is told on a question: the answer with its coverage, or why there is none. What was not seen stands in the
/// coverage of the step, whatever the module makes of it.
async fn answer(host: Option<&dyn HostView>, query: &Query, coverage: &mut Coverage, running: &mut Running) -> Value {
    let refused = match (host, query) {
        (None, _) => "a module that judges is given no host",
        // What of the host runs stands in the plan, and this could not.
        (_, Query::Command(_)) => "no program of the host is run for an external module: `command.read` runs one",
        (Some(host), query) => {
            let begun = Instant::now();
            // Not broken off at a limit: half a question would be left on the link.
            let observed = host.observe(query.clone()).await;
            running.give(begun.elapsed());
            return match observed {
                Ok(observed) => {
                    coverage.unite(&observed.coverage);
                    json!({"answer": observed})
                }
                Err(error) => {
                    coverage.note("question", speech::name(query).as_str(), GapReason::Failed);
                    json!({"refused": error.to_string()})
                }
            };
        }
    };
    json!({ "refused": refused })
}

#[async_trait]
impl Erased for External {
    fn about(&self) -> &About {
        &self.about
    }
    fn params_schema(&self) -> Schema {
        self.params.clone()
    }
    fn output_schema(&self) -> Schema {
        self.output.clone()
    }
    fn needs(&self) -> Option<Leave> {
        Some(Leave::ModuleExternal)
    }
    fn comes_from(&self) -> Option<Digest> {
        Some(self.sha256)
    }
    fn undecodable(&self, params: &Value) -> Option<String> {
        schema::misfit(self.params.as_value(), params, "with")
    }
    async fn run(&self, host: Option<&dyn HostView>, params: Value) -> Result<Ran, ModuleError> {
        if let Some(why) = self.undecodable(&params) {
            let name = String::new();
            return Err(ModuleError::Parameter { name, why });
        }
        let host = host.filter(|_| self.kind == Kind::Collector);
        self.call(host, &params).await.map_err(|why| ModuleError::External {
            module: self.about.name.to_owned(),
            why,
        })
    }
}
