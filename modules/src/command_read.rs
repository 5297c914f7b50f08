//! What a program of the host says.
//!
//! For what Deminer does not read itself, such as `kubectl get` or `docker ps`, on any Linux. Exactly the program and the
//! arguments that the playbook names are run: no shell, an empty input, a fixed environment, bounded in time and bytes,
//! killed with all that it started at the limit. It is the host's own program: an intruder may have replaced it, and its
//! answer is marked so. It runs with the rights of the worker and may do more than answer; so it needs `--allow
//! command.read`, and the plan states it.

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome, PlaybookText};
use deminer_engine::playbook::Phase;
use deminer_engine::policy::Leave;
use deminer_worker::action::Effect;
use deminer_worker::query::{CommandOutput, CommandQuery, limits};
use deminer_worker::text::HostBytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration_param::DurationParam;
use crate::questions;

/// `command.read`.
pub struct CommandRead;

/// What to run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The absolute path of the program, then its arguments, each a word of its own:
    /// `[/usr/bin/docker, ps, --no-trunc]`. Written out or from variables, never from what a host said.
    #[schemars(length(min = 1, max = 64))]
    pub argv: Vec<PlaybookText>,
    /// How long it may run, 100ms to 60s; then it is killed with all that it started.
    #[serde(default = "ten_seconds")]
    pub timeout: DurationParam,
    /// How many bytes of each of its outputs are kept, at most 4194304; a program that writes more is killed.
    #[serde(default = "a_mebibyte")]
    #[schemars(range(min = 1, max = 4_194_304))]
    pub max_bytes: u32,
}

/// What it said.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// The lines of its output, without their line feeds.
    pub lines: Vec<HostBytes>,
    /// Whether it ended by itself with exit status 0 and all of its output was kept.
    pub succeeded: bool,
    /// Whose word it is; always `host_program`.
    pub said_by: SaidBy,
    /// All of it.
    pub answer: CommandOutput,
}

/// Whose word an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SaidBy {
    /// A program of the host, which an intruder may have replaced.
    HostProgram,
}

#[async_trait]
impl Collector for CommandRead {
    const ABOUT: About = About {
        name: "command.read",
        summary: "Runs a program of the host that the playbook names, by leave only, and gives what it says.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Locate, Phase::Verify],
        handbook: "",
        not_seen: "whether the program tells the truth, and what it does besides",
        example: "{id: pods, use: command.read, with: {argv: [/usr/bin/crictl, ps, -o, json]}}",
    };
    type Params = Params;
    type Output = Output;
    const NEEDS: Option<Leave> = Some(Leave::CommandRead);

    fn runs(params: &Params) -> Vec<Vec<String>> {
        vec![params.argv.iter().map(|word| word.0.clone()).collect()]
    }

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let parameter = |name: &str, why: String| ModuleError::Parameter {
            name: name.to_owned(),
            why,
        };
        let first = params.argv.first().map_or("", |word| word.0.as_str());
        if !first.starts_with('/') {
            let why = format!("`{}` is no absolute path of a program", HostBytes::from(first));
            return Err(parameter("argv", why));
        }
        if params.argv.len() > limits::COMMAND_ARGUMENTS {
            let why = format!("more than {} words", limits::COMMAND_ARGUMENTS);
            return Err(parameter("argv", why));
        }
        let longest = DurationParam::from_millis(limits::COMMAND_MS);
        let timeout_ms = params
            .timeout
            .within("timeout", DurationParam::from_millis(100), longest)?;
        let query = CommandQuery {
            argv: params
                .argv
                .iter()
                .map(|word| HostBytes::from(word.0.as_str()))
                .collect(),
            timeout_ms,
            max_bytes: params.max_bytes.clamp(1, limits::COMMAND_BYTES),
        };
        let seen = questions::command(host, query).await?;
        Ok(Outcome::of(output(seen.value)).seen_with(seen.coverage))
    }
}

fn output(answer: CommandOutput) -> Output {
    use deminer_worker::query::CommandEnd;
    let text = answer.stdout.as_bytes();
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let lines = match text.is_empty() && answer.stdout.is_empty() {
        true => Vec::new(),
        false => text.split(|byte| *byte == b'\n').map(HostBytes::new).collect(),
    };
    Output {
        lines,
        succeeded: answer.end == CommandEnd::Exited { code: 0 } && !answer.stdout_cut,
        said_by: SaidBy::HostProgram,
        answer,
    }
}

fn ten_seconds() -> DurationParam {
    DurationParam::from_millis(10_000)
}

fn a_mebibyte() -> u32 {
    1 << 20
}
