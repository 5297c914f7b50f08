//! Runs that another process left open: brought to their end before anything else is begun.

use std::path::PathBuf;
use std::sync::Arc;

use deminer_engine::reconcile::reconcile;
use deminer_engine::run::RunDir;

use super::{Desk, fleet};
use crate::cli::Reach;
use crate::render;

/// As [`settle`], where the command line may name inventories by which hosts are reached, those of earlier runs too.
///
/// # Errors
/// As [`settle`], and when an inventory has mistakes.
pub(crate) async fn settle_by(desk: &Desk, inventory: &[PathBuf], reach: &Reach) -> anyhow::Result<()> {
    desk.ways.learn(fleet::whereabouts(inventory, reach)?);
    settle(desk).await
}

/// Looks at the hosts of runs that were left open and says what was done there.
///
/// # Errors
/// When a journal cannot be continued. A host that cannot be reached is said and stays open.
pub(crate) async fn settle(desk: &Desk) -> anyhow::Result<()> {
    for run in RunDir::list(&desk.runs)? {
        settle_run(desk, &run).await?;
    }
    Ok(())
}

/// As [`settle`], for a run that was named and lies elsewhere.
///
/// # Errors
/// As [`settle`].
pub(crate) async fn settle_elsewhere(desk: &Desk, run: &RunDir) -> anyhow::Result<()> {
    let runs = desk.runs.canonicalize().ok();
    match runs.is_some() && runs.as_deref() == run.path().parent() {
        true => Ok(()),
        false => settle_run(desk, run).await,
    }
}

async fn settle_run(desk: &Desk, run: &RunDir) -> anyhow::Result<()> {
    let transports = |host: &str| {
        desk.ways.learn(run.ways().unwrap_or_default());
        desk.ways.to(host).ok()
    };
    let settled = reconcile(run, &transports, Arc::clone(&desk.clock)).await;
    match settled {
        Ok(None) => {}
        Ok(Some(report)) => {
            run.write_report(&render::report::markdown(&report, desk.lang(), &desk.paste()))?;
            let settled = render::report::settled(&report, desk.lang().words(), &desk.paste());
            desk.screen.note(&settled);
        }
        // A run that cannot be read is no reason not to work on another; it is said each time.
        Err(error) => desk.screen.error(&format!("run {}: {error}", run.id()), None),
    }
    Ok(())
}
