//! `deminer report`

use deminer_engine::report::Report;
use deminer_engine::run::RunDir;

use super::{Desk, Trouble, apply, earlier};
use crate::cli::{self, Format};
use crate::exit::Exit;
use crate::render;

/// Folds a run's journal into its report and shows it.
///
/// # Errors
/// When there is no such run.
pub(crate) async fn run(desk: &Desk, arguments: &cli::Report) -> anyhow::Result<Exit> {
    earlier::settle(desk).await?;
    let run = find(desk, arguments.run.as_deref())?;
    let report = Report::from_events(&run.chains()?);
    show(desk, &report, arguments.telling.format);
    Ok(apply::exit(&report))
}

/// Shows a report.
pub(crate) fn show(desk: &Desk, report: &Report, format: Format) {
    let (lang, paste) = (desk.lang(), desk.paste());
    match format {
        Format::Json => desk.screen.json(&render::report::json(report, lang)),
        Format::Markdown => desk.screen.say(&render::report::markdown(report, lang, &paste)),
        Format::Text => {
            let style = desk.screen.style();
            desk.screen.say(&render::report::text(report, style, &paste));
        }
    }
}

/// The run of that directory or name; `None` where there is none.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn named(desk: &Desk, name: &str) -> anyhow::Result<Option<RunDir>> {
    let path = std::path::Path::new(name);
    match path.is_dir() {
        true => Ok(Some(RunDir::open(path)?)),
        false => Ok(RunDir::list(&desk.runs)?
            .into_iter()
            .find(|run| run.id().as_str() == name)),
    }
}

/// The run of that name or directory; none is the newest that changed something.
///
/// # Errors
/// When there is none.
pub(crate) fn find(desk: &Desk, name: Option<&str>) -> anyhow::Result<RunDir> {
    let newest = match name {
        Some(name) => named(desk, name)?,
        // A look leaves a run too; what people ask for is what was done last.
        None => {
            let runs = RunDir::list(&desk.runs)?;
            let applied = |run: &RunDir| matches!(run.plan(), Ok(Some(_)));
            let position = runs.iter().position(applied).unwrap_or(0);
            runs.into_iter().nth(position)
        }
    };
    newest.ok_or_else(|| {
        let what = match name {
            Some(name) => format!("no run `{name}` in {}", desk.runs.display()),
            None => format!("no run in {}", desk.runs.display()),
        };
        Trouble::new(
            Exit::Usage,
            what,
            Some("say where runs are kept with --runs DIR".to_owned()),
        )
        .into()
    })
}
