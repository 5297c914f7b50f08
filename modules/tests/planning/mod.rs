//! The path up to the plan, for one host: what a recording is made of, and what is made of a recording.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deminer_engine::event::{EventKind, EventSink, SinkError};
use deminer_engine::host::HostView;
use deminer_engine::look::{Clock, LookError, Looked, RunInfo, look};
use deminer_engine::plan::{HostPlan, PlanError, Site, draft};
use deminer_engine::playbook::{CheckedPlaybook, Sources, check};

/// The files beside a playbook.
struct Beside(PathBuf);

/// A look that nobody listens to.
struct Unheard;

/// Why a host has no plan.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotPlanned {
    /// There was no look.
    #[error(transparent)]
    Look(#[from] LookError),
    /// There was no draft.
    #[error(transparent)]
    Draft(#[from] PlanError),
}

impl Sources for Beside {
    fn load(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.0.join(path)).ok()
    }
}

impl EventSink for Unheard {
    fn record(&mut self, _: Option<&str>, _: EventKind) -> Result<(), SinkError> {
        Ok(())
    }
}

/// The playbook in that file, with the modules that are shipped.
///
/// # Errors
/// When it cannot be read, or has mistakes: all of them.
pub(crate) fn playbook(path: &Path) -> Result<Arc<CheckedPlaybook>, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let beside = Beside(path.parent().map(Path::to_path_buf).unwrap_or_default());
    let registry = deminer_modules::registry();
    let checked = check(&path.to_string_lossy(), &text, &registry, &beside).map_err(|mistakes| mistakes.text())?;
    Ok(Arc::new(checked))
}

/// Looks at a host by the playbook's defaults and drafts its plan; the site adds nothing of its own.
///
/// # Errors
/// When the host does not say what it is, or what must be known for a plan cannot be learned.
pub(crate) async fn plan(
    checked: &Arc<CheckedPlaybook>,
    host: Arc<dyn HostView>,
) -> Result<(Looked, HostPlan), NotPlanned> {
    let vars = checked
        .bind(&[])
        .map_err(|mistakes| mistakes.text())
        .expect("every variable has a default");
    let run = RunInfo {
        id: "recording".to_owned(),
        started_at_ms: 0,
    };
    let clock: Clock = Arc::new(|| 0);
    let (looked, _) = look(checked, &vars, &run, clock, Arc::clone(&host), &mut Unheard).await?;
    let planned = draft(&looked, host.as_ref(), &Site::default(), &mut || [0; 16]).await?;
    Ok((looked, planned))
}
