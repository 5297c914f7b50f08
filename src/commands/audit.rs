//! `deminer audit`: whether a run's directory is as it was written; signs its head.

use std::path::{Path, PathBuf};

use deminer_engine::approval::{HEAD_NAMESPACE, beside, sign};
use deminer_engine::audit::{self, Audit, AuditError};

use super::{Desk, Trouble, approve, report};
use crate::cli::{self, Format};
use crate::exit::Exit;
use crate::render;
use crate::render::plain::plain;

/// Looks at a run's journals, plan, approval and vault; asks no host and writes nothing into the run.
///
/// # Errors
/// When there is no such run, or its directory cannot be read.
pub(crate) async fn run(desk: &Desk, arguments: &cli::Audit) -> anyhow::Result<Exit> {
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
        _ => {
            // As it was named: the directory of a copy is another than that of the run.
            let named = arguments.run.as_deref().unwrap_or(&audit.run);
            let text = render::audit::text(&audit, named, desk.screen.style(), &desk.paste());
            desk.screen.say(&text);
        }
    }
    if !audit.problems.is_empty() {
        return Ok(Exit::Look);
    }
    if let Some(key) = &arguments.key {
        sign_head(desk, &audit, key, arguments.output.as_deref()).await?;
    }
    Ok(Exit::Done)
}

/// Writes the head down, signed; it says of all that was written before that it is unchanged and whole.
async fn sign_head(desk: &Desk, audit: &Audit, key: &Path, file: Option<&Path>) -> anyhow::Result<()> {
    let line = format!("{} {}\n", audit.run, audit.head);
    let file = file.map_or_else(|| PathBuf::from(format!("{}.head", audit.run)), Path::to_path_buf);
    for path in [file.clone(), beside(&file)] {
        if path.symlink_metadata().is_ok() {
            return Err(approve::there_already(&path));
        }
    }
    let signature = sign(key, HEAD_NAMESPACE, line.as_bytes()).await;
    let signature = signature.map_err(|error| Trouble::new(Exit::Failed, &error, error.hint()))?;
    approve::write(&file, line.as_bytes())?;
    approve::write(&beside(&file), &signature)?;
    let name = plain(&file.to_string_lossy()).into_owned();
    desk.screen
        .note(&desk.lang().words().head_is_signed(&name, HEAD_NAMESPACE));
    Ok(())
}
