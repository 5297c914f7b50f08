//! `deminer run`: look, store and print the plan; with `--approve`, apply the stored plan of that hash.

use deminer_engine::run::PlanStore;

use super::{Desk, apply, earlier, plan, show};
use crate::cli::Run;
use crate::exit::Exit;

/// Looks and stops at the plan, or applies a stored one; never plans what it applies.
///
/// # Errors
/// As [`plan::run`] or [`apply::run`].
pub(crate) async fn run(desk: &Desk, arguments: &Run) -> anyhow::Result<Exit> {
    earlier::settle(desk).await?;
    if let Some(hash) = &arguments.approve {
        let (plan, _) = show::read(desk, hash)?;
        let yes = apply::Yes {
            hash,
            exclude: &[],
            many: &[],
            means: "command line",
        };
        return apply::apply(desk, &plan, &yes, None, arguments.watch.as_deref(), arguments.format).await;
    }
    let Some(playbook) = &arguments.playbook else {
        return Ok(Exit::Usage);
    };
    let made = plan::make(desk, playbook, &arguments.hosts, &arguments.set, &arguments.protect).await?;
    let stored = PlanStore::of(&desk.runs).store(&made.plan.hash(), &made.plan.write())?;
    plan::show(desk, &made, Some(&stored), arguments.format);
    Ok(plan::exit(&made))
}
