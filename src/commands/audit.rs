//! `deminer audit`: whether a run's directory is as it was written.

use deminer_engine::audit::{self, AuditError};

use super::{Desk, Trouble, report};
use crate::cli::{self, Format};
use crate::exit::Exit;
use crate::render;

/// Looks at a run's journals, plan, approval and vault; asks no host and writes nothing.
///
/// # Errors
/// When there is no such run, or its directory cannot be read.
pub(crate) fn run(desk: &Desk, arguments: &cli::Audit) -> anyhow::Result<Exit> {
    let run = report::find(desk, arguments.run.as_deref())?;
    let audit = audit::audit(&run, arguments.head.as_deref()).map_err(|error| match error {
        AuditError::ShortHead { .. } => {
            let hint = "`deminer report` prints the head; give 16 of its digits or all".to_owned();
            Trouble::new(Exit::Usage, &error, Some(hint)).into()
        }
        error => anyhow::Error::from(error),
    })?;
    match arguments.telling.format {
        Format::Json => desk.screen.json(&serde_json::to_value(&audit)?),
        _ => desk
            .screen
            .say(&render::audit::text(&audit, desk.screen.style(), &desk.paste())),
    }
    Ok(match audit.problems.is_empty() {
        true => Exit::Done,
        false => Exit::Look,
    })
}
