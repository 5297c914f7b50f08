//! A program of the host, run to change something that Deminer has no act for.
//!
//! Exactly the file and the arguments that the playbook names, none of them a word of the host: no shell, an empty input, a
//! fixed environment, at its limit killed with all that it started, and nothing of it left running. The plan holds the
//! file by device, inode and content, and another one is not run; a script is not either, since its interpreter would open
//! it anew. It needs `--allow command.run`, for the plan and again when that is applied or undone. It is taken back by other
//! arguments of the same program, where the playbook names them; else there is no way back, and the plan says so.

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, PlaybookText, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_engine::policy::Leave;
use deminer_worker::action::{Act, Effect, FileTarget};
use deminer_worker::argv;
use deminer_worker::query::{Entry, FileKind, HostError, limits};
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::condemned_list::{Proposals, Proposed};
use crate::saying::said;
use crate::{DurationParam, questions};

/// `command.run`.
pub struct CommandRun;

/// What to run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The absolute path of the program: `/usr/sbin/ipset`. The file itself, no link to it, no script and no shell. Written
    /// out or from variables, never from what a host said; so are all words below.
    pub program: PlaybookText,
    /// Its arguments, each a word of its own: `[flush, pools]`.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub arguments: Vec<PlaybookText>,
    /// How long it may run, 100ms to 60s; then it is killed with all that it started.
    #[serde(default = "half_a_minute")]
    pub timeout: DurationParam,
    /// The arguments with which the same program takes it back. Without them there is no way back.
    #[serde(default)]
    pub undo: Option<Vec<PlaybookText>>,
    /// Why it is run, for whoever approves it: `the provider's agent keeps its own list`.
    pub because: PlaybookText,
}

#[async_trait]
impl Responder for CommandRun {
    const ABOUT: About = About {
        name: "command.run",
        summary: "Proposes to run a program of the host with the playbook's own arguments, by leave only.",
        effect: Effect::Destroy,
        phases: &[Phase::Eradicate],
        handbook: "",
        not_seen: "what the program changes; whether it does what its name says",
        example: "{id: flush, use: command.run, with: {program: /usr/sbin/ipset, arguments: [flush, pools], because: the agent fills it}}",
    };
    type Params = Params;
    type Output = Proposed;
    const NEEDS: Option<Leave> = Some(Leave::CommandRun);

    fn refuses(params: &Params) -> Option<String> {
        fault(params).map(|(name, why)| format!("`{name}`: {why}"))
    }

    async fn propose(
        &self,
        host: &dyn HostView,
        params: Params,
    ) -> Result<(Outcome<Proposed>, Vec<Proposal>), ModuleError> {
        let path = HostPath::from(params.program.0.as_str());
        if let Some((name, why)) = fault(&params) {
            return Err(refusal(name, why));
        }
        let argv = argv(&path, &params.arguments);
        let undo = params.undo.as_deref().map(|undo| self::argv(&path, undo));
        let longest = DurationParam::from_millis(limits::COMMAND_MS);
        let shortest = DurationParam::from_millis(100);
        let timeout_ms = params.timeout.within("timeout", shortest, longest)?;
        let program = program(host, &path).await?;
        let finding = chosen(&program, &params.because.0);
        let act = Act::RunArgv {
            program: Box::new(program),
            argv,
            timeout_ms,
            undo,
        };
        let mut proposals = Proposals::default();
        proposals.add(1, act, std::slice::from_ref(&finding.id));
        let (output, proposals) = proposals.finish();
        let outcome = Outcome {
            findings: vec![finding],
            ..Outcome::of(output)
        };
        Ok((outcome, proposals))
    }
}

/// The program's own name, then its arguments.
fn argv(program: &HostPath, arguments: &[PlaybookText]) -> Vec<HostBytes> {
    let own = HostBytes::new(program.as_bytes());
    let rest = arguments.iter().map(|word| HostBytes::from(word.0.as_str()));
    std::iter::once(own).chain(rest).collect()
}

/// Which parameter is refused on every host, and why.
fn fault(params: &Params) -> Option<(&'static str, String)> {
    let program = HostPath::from(params.program.0.as_str());
    if !program.as_bytes().starts_with(b"/") {
        return Some(("program", format!("`{program}` is no absolute path of a program")));
    }
    let of = |arguments: &[PlaybookText]| argv::fault(&program, &argv(&program, arguments)).map(str::to_owned);
    if let Some(why) = of(&params.arguments) {
        return Some(("arguments", why));
    }
    Some(("undo", of(params.undo.as_deref()?)?))
}

fn refusal(name: &str, why: impl Into<String>) -> ModuleError {
    ModuleError::Parameter {
        name: name.to_owned(),
        why: why.into(),
    }
}

/// The program as it lies there now.
///
/// # Errors
/// When it is not there, is no program by itself, or its content cannot be read.
async fn program(host: &dyn HostView, path: &HostPath) -> Result<FileTarget, ModuleError> {
    let doing = || format!("look at the program `{path}`");
    let seen = questions::stat(host, vec![path.clone()], true).await?;
    let stat = match seen.value.into_iter().next() {
        Some(Entry::Present(stat)) => stat,
        Some(Entry::Hidden { .. }) => return Err(HostError::Denied { doing: doing() }.into()),
        Some(Entry::Absent { .. }) | None => return Err(HostError::Gone { doing: doing() }.into()),
    };
    if let Some(target) = &stat.link_target {
        let why = format!("`{path}` is a link to `{target}`: name the file that it leads to");
        return Err(refusal("program", why));
    }
    if stat.kind != FileKind::Regular || stat.mode & 0o111 == 0 {
        return Err(refusal("program", format!("`{path}` is no file that can be run")));
    }
    let begins = questions::read(host, path.clone(), 4).await?.value;
    if !begins.is_some_and(|text| text.content.as_bytes().starts_with(b"\x7fELF")) {
        let why = format!("`{path}` is no ELF program; a script's interpreter would open it anew, whatever it is then");
        return Err(refusal("program", why));
    }
    FileTarget::from_stat(&stat).ok_or_else(|| HostError::Denied { doing: doing() }.into())
}

fn chosen(program: &FileTarget, because: &str) -> Finding {
    let say = "the playbook runs `{program}`: {because}";
    Finding::new(Artifact::Host {}, "chosen_by_operator", Bearing::Condemns, say)
        .field("program", said(program.path.as_bytes()))
        .field("because", said(because.as_bytes()))
        .rests_on("the playbook's word", None)
}

fn half_a_minute() -> DurationParam {
    DurationParam::from_millis(30_000)
}
