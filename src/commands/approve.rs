//! `deminer approve`: writes what somebody approves of a plan, signed with their SSH key, for others to carry out. Touches no
//! host.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use deminer_engine::approval::{Signed, SignedFile, beside, sign};
use deminer_engine::plan::{Plan, VALID_FOR_MS};

use super::yes::Approving;
use super::{Desk, Trouble, apply, show, walk};
use crate::cli::{Approve, Format, Only, Part};
use crate::exit::Exit;
use crate::render::{self, approval};

/// Asks for a yes, or takes the one of `--hash`, and writes it down.
///
/// # Errors
/// When the yes does not fit the plan, the key does not sign, or a file is there already.
pub(crate) async fn run(desk: &Desk, arguments: &Approve) -> anyhow::Result<Exit> {
    let (plan, file) = show::read(desk, &arguments.plan)?;
    let valid_for = walk::limit("--valid-for", arguments.valid_for.as_deref())?;
    let approving = Approving {
        exclude: &arguments.exclude,
        reason: arguments.reason.as_deref(),
        many: &arguments.many,
        only: arguments.only.map(|part| match part {
            Part::Preserve => Only::Preserve,
            Part::Contain => Only::Contain,
        }),
        hosts: match arguments.host.is_empty() {
            true => None,
            false => Some(show::chosen(&plan, &arguments.host)?),
        },
        valid_for_ms: valid_for.map_or(VALID_FOR_MS, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        is_signed: true,
        ..Approving::of(&plan, &file)
    };
    if plan.is_empty() {
        return Ok(apply::nothing_to_do(desk, &plan, arguments.telling.format));
    }
    let path = match &arguments.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.approval.json", plan.hash().short())),
    };
    for path in [path.clone(), beside(&path)] {
        // Before anybody is asked.
        if path.symlink_metadata().is_ok() {
            return Err(there_already(&path));
        }
    }
    let ask = match &arguments.hash {
        Some(hash) => approving.given(desk, hash)?,
        None => match approving.typed(desk, arguments.telling.format).await? {
            Some(ask) => ask,
            None => return Ok(Exit::Refused),
        },
    };
    let refused = |error: deminer_engine::approval::ApprovalError| Trouble::new(Exit::Refused, &error, error.hint());
    let approved = plan.approve(ask).map_err(refused)?;
    let bytes = approved.write_approval().map_err(refused)?;
    let signature = match &arguments.key {
        Some(key) => Some(
            sign(key, &bytes)
                .await
                .map_err(|error| Trouble::new(Exit::Failed, &error, error.hint()))?,
        ),
        None => None,
    };
    write(&path, &bytes)?;
    if let Some(signature) = &signature {
        write(&beside(&path), signature)?;
    }
    let name = path.to_string_lossy().into_owned();
    let made = approval::Made {
        approved: &approved,
        plan_file: &file,
        file: &name,
        bytes: &bytes,
        signed: arguments.key.as_deref(),
        needs: desk.approvals()?.over(&plan.header().requirement()),
        paste: desk.paste(),
    };
    match arguments.telling.format {
        Format::Json => desk.screen.json(&approval::json(&made)),
        Format::Text | Format::Markdown => desk.screen.say(&approval::text(&made, desk.screen.style())),
    }
    if let Some(signature) = signature {
        say_whether_it_counts(desk, &plan, SignedFile { name, bytes, signature }).await?;
    }
    Ok(Exit::Done)
}

/// Says where a signature would not count by the policy here. It may count where the plan is applied.
async fn say_whether_it_counts(desk: &Desk, plan: &Plan, file: SignedFile) -> anyhow::Result<()> {
    let approvals = desk.approvals()?;
    if approvals.listed().is_none() {
        return Ok(());
    }
    let place = std::env::temp_dir();
    if let Err(error) = Signed::check(file, &approvals, &plan.header().requirement(), &place).await {
        let words = desk.lang().words();
        desk.screen.error(&error.to_string(), error.hint().as_deref());
        desk.screen.note(words.counts_not_here());
    }
    Ok(())
}

fn there_already(path: &Path) -> anyhow::Error {
    let what = format!("{} is there already", render::plain::plain(&path.to_string_lossy()));
    let hint = "name another file with --output, or remove it".to_owned();
    Trouble::new(Exit::Usage, what, Some(hint)).into()
}

/// Writes a file that is not there yet.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    match write() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(there_already(path)),
        done => done.with_context(|| format!("cannot write {}", path.display())),
    }
}
