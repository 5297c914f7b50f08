//! `deminer resume`: takes a run up again that was cut, and does what was approved and is not done. `deminer verify`: watches
//! again what a run struck.

use std::sync::Arc;

use deminer_engine::apply::Task;
use deminer_engine::approval::ApprovedPlan;
use deminer_engine::journal::Journals;
use deminer_engine::report::Report;
use deminer_engine::resume::{self, ResumeError, TakenUp};
use deminer_engine::run::{RunDir, RunLock};

use super::apply::{Course, Ready, carry};
use super::progress::Watched;
use super::{Desk, Trouble, apply, approvals, earlier, report, walk};
use crate::cli::{self, Only};
use crate::exit::Exit;
use crate::render::plain;

/// Does what a run has left.
///
/// # Errors
/// When there is no such run, nothing in it was approved, or it cannot be gone on with.
pub(crate) async fn run(desk: &Desk, arguments: &cli::Resume) -> anyhow::Result<Exit> {
    prepare(desk, &arguments.again).await?;
    let run = match &arguments.run {
        Some(name) => report::find(desk, Some(name))?,
        None => match newest_open(desk)? {
            Some(run) => run,
            None => {
                desk.screen.note(desk.lang().words().no_run_is_open());
                return Ok(Exit::Done);
            }
        },
    };
    earlier::settle_elsewhere(desk, &run).await?;
    // What is left is read once nobody else can do any of it.
    let lock = run.lock()?;
    let TakenUp { approved, chains } = taken_up(desk, &run, &lock)?;
    let mut tasks = resume::tasks(&chains, approved.approval());
    if let Err(error) = still_approved(desk, &run, &approved).await {
        let error = error.downcast::<Trouble>()?;
        let all = tasks.len();
        tasks.retain(|(_, task)| matches!(task, Task::Watch { .. }));
        if tasks.is_empty() && all > 0 {
            return Err(error.into());
        }
        if tasks.len() < all {
            desk.screen.error(&error.what, error.hint.as_deref());
        }
    }
    let only = Only::of(resume::stage(approved.approval()));
    go_on(desk, &run, approved, tasks, only, &arguments.again).await
}

/// Watches what a run struck.
///
/// # Errors
/// As [`run`].
pub(crate) async fn verify(desk: &Desk, arguments: &cli::Verify) -> anyhow::Result<Exit> {
    prepare(desk, &arguments.again).await?;
    let run = report::find(desk, arguments.run.as_deref())?;
    earlier::settle_elsewhere(desk, &run).await?;
    let lock = run.lock()?;
    let TakenUp { approved, chains } = taken_up(desk, &run, &lock)?;
    let tasks = resume::struck(&chains);
    if tasks.is_empty() {
        let what = format!(
            "run {} struck no host whose end is known: there is nothing to watch",
            run.id()
        );
        let hint = desk.paste().command(&format!("deminer report {}", run.id()));
        return Err(Trouble::new(Exit::Refused, what, Some(format!("`{hint}` says what was done"))).into());
    }
    go_on(desk, &run, approved, tasks, None, &arguments.again).await
}

/// Whether more may be begun of what a run carries out: in time, and by signatures that still count.
async fn still_approved(desk: &Desk, run: &RunDir, approved: &ApprovedPlan) -> anyhow::Result<()> {
    let in_time = approved.check_time(desk.now_ms());
    in_time.map_err(|error| Trouble::new(Exit::Refused, &error, error.hint()))?;
    apply::within_limits(desk, approved)?;
    approvals::again(desk, run, approved.plan(), approved.approval()).await
}

async fn prepare(desk: &Desk, again: &cli::Again) -> anyhow::Result<()> {
    earlier::settle_by(desk, &again.whereabouts.inventory, &again.going.reach).await
}

/// What a run carries out, and how far it is.
fn taken_up(desk: &Desk, run: &RunDir, lock: &RunLock) -> anyhow::Result<TakenUp> {
    let refused = |error: ResumeError| {
        let exit = match error {
            ResumeError::NoPlan => Exit::Usage,
            _ => Exit::Refused,
        };
        let hint = match error {
            ResumeError::NotBegun => {
                let plan = run.path().join("plan");
                let apply = format!("deminer apply {}", plain::shell_word(&plan.to_string_lossy()));
                Some(format!("apply the plan again: `{}`", desk.paste().command(&apply)))
            }
            _ => error.hint(),
        };
        Trouble::new(exit, format!("run {}: {error}", run.id()), hint)
    };
    Ok(resume::take_up(run, lock).map_err(refused)?)
}

/// The newest run of a plan that is not through.
fn newest_open(desk: &Desk) -> anyhow::Result<Option<RunDir>> {
    for run in RunDir::list(&desk.runs)? {
        if run.plan()?.is_none() {
            continue;
        }
        let chains = run.chains()?;
        let Some(approval) = resume::given(&chains) else {
            continue;
        };
        if Report::from_events(&chains).unfinished() || !resume::tasks(&chains, approval).is_empty() {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

/// Does these tasks of a run that this process has.
async fn go_on(
    desk: &Desk,
    run: &RunDir,
    approved: ApprovedPlan,
    tasks: Vec<(String, Task)>,
    only: Option<Only>,
    again: &cli::Again,
) -> anyhow::Result<Exit> {
    if tasks.is_empty() {
        let report = Report::from_events(&run.chains()?);
        report::show(desk, &report, again.telling.format);
        return Ok(apply::exit(&report));
    }
    let ready = Ready::of(desk, approved, again.watch.as_deref(), again.answers.file.as_deref())?;
    desk.ways.learn(run.ways()?);
    let course = Course {
        only,
        watch: again.watch.as_deref(),
        answers: again.answers.file.as_deref(),
        order: walk::order(&again.going.walking, Some(&again.striking))?,
        together: again.striking.together,
        format: again.telling.format,
    };
    let journals = Journals::resume(&run.journal(), run.id().as_str(), Arc::clone(&desk.clock))?;
    let sink = Watched::new(journals, &desk.screen, ready.window());
    carry(desk, run, sink, ready, tasks, course).await
}
