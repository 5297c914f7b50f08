//! `deminer run`: look, store and print the plan, and on a terminal ask for a yes; with `--approve`, apply the stored plan of
//! that hash.

use super::apply::Course;
use super::yes::Approving;
use super::{Desk, apply, approvals, earlier, plan, show, walk};
use crate::cli::{Format, Run};
use crate::exit::Exit;

/// Looks and stops at the plan, or applies the stored one to which somebody said yes; never plans what it applies.
///
/// # Errors
/// As [`plan::run`] or [`apply::run`].
pub(crate) async fn run(desk: &Desk, arguments: &Run) -> anyhow::Result<Exit> {
    if let Some(hash) = &arguments.approve {
        earlier::settle_by(desk, &arguments.looking.fleet.inventory, &arguments.going.reach).await?;
        let (plan, file) = show::read(desk, hash)?;
        let ask = Approving::of(&plan, &file).given(desk, hash)?;
        return apply::apply(desk, &plan, ask, course(arguments)?).await;
    }
    earlier::settle(desk).await?;
    let Some(playbook) = &arguments.playbook else {
        return Ok(Exit::Usage);
    };
    let order = walk::order(&arguments.going.walking, Some(&arguments.striking))?;
    let made = plan::make(desk, playbook, &arguments.looking, &arguments.going.reach, &order).await?;
    let stored = plan::store(desk, &made)?;
    let asks = desk.screen.answers()
        && arguments.telling.format == Format::Text
        && !made.plan.is_empty()
        && approvals::unsigned_does(desk, &made.plan)?;
    plan::show(desk, &made, Some(&stored), arguments.telling.format, asks);
    if !asks {
        return Ok(plan::exit(&made));
    }
    // What is applied is what is stored, as it is read back.
    let hash = made.plan.hash().to_string();
    let (plan, _) = show::read(desk, &hash)?;
    match Approving::of(&plan, &made.plan.hash().short()).asked(desk).await? {
        Some(ask) => apply::apply(desk, &plan, ask, course(arguments)?).await,
        None => Ok(Exit::Refused),
    }
}

fn course(arguments: &Run) -> anyhow::Result<Course<'_>> {
    Ok(Course {
        only: None,
        watch: arguments.watch.as_deref(),
        answers: arguments.looking.given.answers.file.as_deref(),
        order: walk::order(&arguments.going.walking, Some(&arguments.striking))?,
        together: arguments.striking.together,
        format: arguments.telling.format,
    })
}
