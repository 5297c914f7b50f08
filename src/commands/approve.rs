//! `deminer approve`: writes what somebody approves of a plan, or of a list of changes to take back, signed with their SSH
//! key, for others to carry out. Touches no host.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use deminer_engine::approval::{
    ApprovalError, Ask, Hosts, NAMESPACE, Requirement, SIGNATURE, Signed, SignedFile, beside, sign,
};
use deminer_engine::plan::{VALID_FOR_MS, canonical};
use deminer_engine::undo::UndoPlan;
use deminer_worker::order::Approval;
use deminer_worker::text::Digest;

use super::yes::Approving;
use super::{Desk, Trouble, apply, report, show, undo, walk};
use crate::cli::{Approve, Format, Only, Part};
use crate::exit::Exit;
use crate::render::plain::{plain, shell_word};
use crate::render::{self, approval};

/// Asks for a yes, or takes the one of `--hash`, and writes it down.
///
/// # Errors
/// When the yes does not fit the plan, the key does not sign, or a file is there already.
pub(crate) async fn run(desk: &Desk, arguments: &Approve) -> anyhow::Result<Exit> {
    if let Some(list) = undo::list(Path::new(&arguments.plan))? {
        return of_list(desk, arguments, &list).await;
    }
    let (plan, file) = show::read(desk, &arguments.plan)?;
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
        valid_for_ms: valid_for_ms(arguments)?,
        is_signed: true,
        ..Approving::of(&plan, &file)
    };
    if plan.is_empty() {
        return Ok(apply::nothing_to_do(desk, &plan, arguments.telling.format));
    }
    let path = file_of(arguments, plan.hash())?;
    let ask = match &arguments.hash {
        Some(hash) => approving.given(desk, hash)?,
        None => match approving.typed(desk, arguments.telling.format).await? {
            Some(ask) => ask,
            None => return Ok(Exit::Refused),
        },
    };
    let refused = |error: ApprovalError| Trouble::new(Exit::Refused, &error, error.hint());
    let approved = plan.approve(ask).map_err(refused)?;
    let orders = approved.hosts().map(|(_, orders)| orders);
    let (all, allowed) = orders.fold((0, 0), |(all, allowed), orders| {
        let actions = orders.orders().actions.len() as u64;
        (all + actions, allowed + orders.actions().count() as u64)
    });
    let yes = Yes {
        approval: approved.approval(),
        actions: (allowed, all - allowed),
        carried_out_by: format!("deminer apply {}", shell_word(&plain(&file))),
        stated: plan.header().requirement(),
    };
    write_down(desk, arguments, &path, yes).await
}

/// Approves a list of changes to take back.
async fn of_list(desk: &Desk, arguments: &Approve, list: &UndoPlan) -> anyhow::Result<Exit> {
    if arguments.only.is_some() || !arguments.exclude.is_empty() || !arguments.many.is_empty() {
        let what = "--only, --exclude and --many do not fit a list of `deminer undo`";
        let hint = "have a shorter list written: `deminer undo RUN --action ACTION --output FILE`".to_owned();
        return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
    }
    let path = file_of(arguments, list.hash())?;
    let hash = match &arguments.hash {
        Some(hash) => hash.clone(),
        None if undo::is_typed(desk, list, arguments.telling.format).await? => list.hash().to_string(),
        None => return Ok(Exit::Refused),
    };
    let ask = Ask {
        hosts: match arguments.host.is_empty() {
            true => Hosts::All,
            false => Hosts::Only(arguments.host.iter().cloned().collect()),
        },
        valid_for_ms: valid_for_ms(arguments)?,
        means: SIGNATURE.to_owned(),
        ..undo::ask(desk, hash, "")
    };
    let approval = list.yes(ask).map_err(undo::refused)?;
    let hosts = list.hosts.iter().filter(|host| approval.hosts.contains_key(&host.host));
    let yes = Yes {
        actions: (hosts.map(|host| host.order.steps.len() as u64).sum(), 0),
        approval: &approval,
        carried_out_by: format!("deminer undo {}", shell_word(&plain(&arguments.plan))),
        stated: report::named(desk, &list.of)?.map_or_else(|| Ok(Requirement::default()), |run| undo::stated(&run))?,
    };
    write_down(desk, arguments, &path, yes).await
}

/// A yes that is written down to be signed.
struct Yes<'a> {
    approval: &'a Approval,
    /// How many actions it approves, and how many of the same hosts it leaves out.
    actions: (u64, u64),
    /// The command that carries it out.
    carried_out_by: String,
    /// What the plan itself needs.
    stated: Requirement,
}

/// For how long a yes is good, in milliseconds.
fn valid_for_ms(arguments: &Approve) -> anyhow::Result<u64> {
    let valid_for = walk::limit("--valid-for", arguments.valid_for.as_deref())?;
    Ok(valid_for.map_or(VALID_FOR_MS, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
}

/// The file to write; not there yet, nor its signature. Asked before anybody is.
fn file_of(arguments: &Approve, hash: Digest) -> anyhow::Result<PathBuf> {
    let path = match &arguments.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.approval.json", hash.short())),
    };
    match [path.clone(), beside(&path)]
        .iter()
        .find(|path| path.symlink_metadata().is_ok())
    {
        Some(taken) => Err(there_already(taken)),
        None => Ok(path),
    }
}

/// Signs it where a key was named, writes it, and says what it is.
async fn write_down(desk: &Desk, arguments: &Approve, path: &Path, yes: Yes<'_>) -> anyhow::Result<Exit> {
    let mut bytes = canonical(yes.approval)
        .context("the approval has no canonical form")?
        .into_bytes();
    bytes.push(b'\n');
    let signature = match &arguments.key {
        Some(key) => Some(
            sign(key, NAMESPACE, &bytes)
                .await
                .map_err(|error| Trouble::new(Exit::Failed, &error, error.hint()))?,
        ),
        None => None,
    };
    write(path, &bytes)?;
    if let Some(signature) = &signature {
        write(&beside(path), signature)?;
    }
    let name = path.to_string_lossy().into_owned();
    let made = approval::Made {
        approval: yes.approval,
        actions: yes.actions,
        carried_out_by: yes.carried_out_by,
        file: &name,
        bytes: &bytes,
        signed: arguments.key.as_deref(),
        needs: desk.approvals()?.over(&yes.stated),
        paste: desk.paste(),
    };
    match arguments.telling.format {
        Format::Json => desk.screen.json(&approval::json(&made)),
        Format::Text | Format::Markdown => desk.screen.say(&approval::text(&made, desk.screen.style())),
    }
    if let Some(signature) = signature {
        say_whether_it_counts(desk, &yes.stated, SignedFile { name, bytes, signature }).await?;
    }
    Ok(Exit::Done)
}

/// Says where a signature would not count by the policy here. It may count where the plan is applied.
async fn say_whether_it_counts(desk: &Desk, stated: &Requirement, file: SignedFile) -> anyhow::Result<()> {
    let approvals = desk.approvals()?;
    if approvals.listed().is_none() {
        return Ok(());
    }
    let place = std::env::temp_dir();
    if let Err(error) = Signed::check(file, &approvals, stated, &place).await {
        let words = desk.lang().words();
        desk.screen.error(&error.to_string(), error.hint().as_deref());
        desk.screen.note(words.counts_not_here());
    }
    Ok(())
}

pub(super) fn there_already(path: &Path) -> anyhow::Error {
    let what = format!("{} is there already", render::plain::plain(&path.to_string_lossy()));
    let hint = "name another file with --output, or remove it".to_owned();
    Trouble::new(Exit::Usage, what, Some(hint)).into()
}

/// Writes a file that is not there yet.
pub(super) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
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
