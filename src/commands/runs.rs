//! `deminer runs`: what runs there are.

use deminer_engine::report::Report;
use deminer_engine::run::RunDir;

use super::Desk;
use crate::cli::{self, Format};
use crate::exit::Exit;
use crate::render::runs::{self, Row};

/// Lists the runs, the newest first; asks no host.
///
/// # Errors
/// When the directory of runs cannot be read.
pub(crate) fn run(desk: &Desk, arguments: &cli::RunList) -> anyhow::Result<Exit> {
    let mut told = Vec::new();
    for run in RunDir::list(&desk.runs)? {
        match run.chains().map(|chains| Report::from_events(&chains)) {
            Ok(report) => told.push((run, report)),
            Err(error) => desk
                .screen
                .error(&format!("run {}: {error}", run.id()), error.hint().as_deref()),
        }
    }
    let row = |(run, report)| -> anyhow::Result<Row<'_>> {
        let run: &RunDir = run;
        Ok(Row::of(run.id().as_str(), report, run.is_locked()?))
    };
    let rows: Vec<Row<'_>> = told
        .iter()
        .map(|(run, report)| row((run, report)))
        .collect::<Result<_, _>>()?;
    match arguments.telling.format {
        Format::Json => desk.screen.json(&runs::json(&rows)),
        _ => desk.screen.say(&runs::text(&rows, desk.screen.style())),
    }
    Ok(Exit::Done)
}
