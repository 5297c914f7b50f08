//! What a host shows of an act: done, not done, or neither.

use deminer_worker::action::{AccountTarget, Act, Done, Undo};
use deminer_worker::lines::{self, Located};
use deminer_worker::query::{
    Account, Answer, Blocks, Coverage, Entry, FileStat, HostError, HostIdentity, ProcessesQuery, Query, limits,
};
use deminer_worker::text::{HostPath, Wide};
use deminer_worker::transaction::TRIAL_S;

use crate::host::HostView;

/// How an act is taken back that is seen done and of which nobody told how, where its kind alone says so.
pub(super) fn way_back(act: &Act) -> Option<Done> {
    let undo = match act {
        Act::BlockAddress { address, .. } => Undo::Unblock {
            address: address.clone(),
            was_until_ms: None,
        },
        Act::Isolate { .. } => Undo::EndIsolation { was_until_ms: None },
        _ => return None,
    };
    Some(Done::Changed { undo })
}

/// What a target shows of its act.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// It is done.
    Done,
    /// The target is as it was.
    NotDone,
    /// Neither can be told, and why.
    Unclear(String),
}

/// Whether an act's target shows it done, on the planned machine as it is now.
pub(super) async fn seen(
    link: &dyn HostView,
    act: &Act,
    planned: &HostIdentity,
    now: &HostIdentity,
) -> Result<Sight, HostError> {
    let is = |done| if done { Sight::Done } else { Sight::NotDone };
    match act {
        Act::Kill { process } | Act::Freeze { process } => {
            if now.boot_id != process.boot_id {
                return Ok(Sight::Done);
            }
            if now.pid_namespace != planned.pid_namespace {
                let why = format!(
                    "pid {} is another process in the pid namespace that answers",
                    process.pid
                );
                return Ok(Sight::Unclear(why));
            }
            let query = ProcessesQuery {
                pids: Some(vec![process.pid]),
                ..ProcessesQuery::default()
            };
            let observed = link.observe(Query::Processes(query)).await?;
            let Answer::Processes(found) = observed.value else {
                return Err(another_answer());
            };
            match found.iter().find(|found| found.pid == process.pid) {
                Some(found) => Ok(is(found.start_ticks != process.start_ticks || found.has_ended())),
                // It may live and not be readable.
                None => Ok(unseen(&observed.coverage).unwrap_or(Sight::Done)),
            }
        }
        Act::RemoveFile { file } | Act::RemoveStarter { file, .. } => match stat(link, &file.path).await? {
            None => Ok(rest(link, &file.name_in_removal()).await?.unwrap_or(Sight::Done)),
            Some(stat) if stat.id == file.id || stat.sha256 == Some(file.sha256) => Ok(Sight::NotDone),
            Some(_) => Ok(rest(link, &file.name_in_removal()).await?.unwrap_or_else(other)),
        },
        Act::ClearFlags { file, flags } => Ok(match stat(link, &file.path).await? {
            None => Sight::Done,
            Some(stat) => match stat.flags {
                Some(now) => is(now & flags == 0),
                None => other(),
            },
        }),
        Act::EditLines { file, remove, .. } => {
            let text = match read(link, &file.path).await? {
                Ok(text) => text,
                Err(unclear) => return Ok(unclear),
            };
            match lines::locate(&text, remove) {
                Located::There(_) => Ok(Sight::NotDone),
                Located::Gone => Ok(rest(link, &file.name_in_edit()).await?.unwrap_or(Sight::Done)),
                Located::Changed { .. } => Ok(other()),
            }
        }
        Act::RemoveLink { link: target } => match stat(link, &target.path).await? {
            None => Ok(rest(link, &target.name_in_removal()).await?.unwrap_or(Sight::Done)),
            Some(stat) if stat.id == target.id || stat.link_target.as_ref() == Some(&target.target) => {
                Ok(Sight::NotDone)
            }
            Some(_) => Ok(other()),
        },
        Act::ReloadUnits { manager, units } => {
            let observed = link.observe(Query::Units {}).await?;
            let Answer::Units(loaded) = observed.value else {
                return Err(another_answer());
            };
            let there = loaded
                .iter()
                .any(|unit| unit.manager == *manager && units.contains(&unit.name) && unit.fragment.is_some());
            let stale = loaded.iter().any(|unit| unit.manager == *manager && unit.needs_reload);
            match unseen(&observed.coverage) {
                Some(unclear) => Ok(unclear),
                None => Ok(is(!there && !stale)),
            }
        }
        Act::BlockAddress { address, .. } => {
            let blocks = blocks(link).await?;
            let mut left = blocks.addresses.iter().filter(|blocked| blocked.address == *address);
            Ok(is(left.any(|blocked| lasts(blocked.left_ms, act))))
        }
        Act::Isolate { .. } => {
            let blocks = blocks(link).await?;
            Ok(is(blocks.isolated_ms.is_some_and(|left| lasts(left, act))))
        }
        Act::LockAccount { account: target } => Ok(match account(link, target).await? {
            Ok(None) => Sight::Done,
            Ok(Some(found)) => is(found.is_locked()),
            Err(unclear) => unclear,
        }),
        Act::Keep { .. } | Act::Throttle { .. } | Act::RunArgv { .. } => {
            Ok(Sight::Unclear("what it changed cannot be told by looking".to_owned()))
        }
    }
}

pub(super) fn other() -> Sight {
    Sight::Unclear("another object stands in its place".to_owned())
}

/// The text of a file, empty where there is none; else why it cannot be told.
pub(super) async fn read(link: &dyn HostView, path: &HostPath) -> Result<Result<Vec<u8>, Sight>, HostError> {
    let query = Query::Read {
        path: path.clone(),
        max_bytes: limits::READ_BYTES,
    };
    let observed = link.observe(query).await?;
    let Answer::Files(files) = observed.value else {
        return Err(another_answer());
    };
    if let Some(unclear) = unseen(&observed.coverage) {
        return Ok(Err(unclear));
    }
    if files.iter().any(|file| file.cut) {
        return Ok(Err(Sight::Unclear(format!("`{path}` is too long to be read whole"))));
    }
    let text = files.first().map(|file| file.content.as_bytes().to_vec());
    Ok(Ok(text.unwrap_or_default()))
}

/// An account as it is now, `None` where there is none of its name; else why it cannot be told.
pub(super) async fn account(
    link: &dyn HostView,
    target: &AccountTarget,
) -> Result<Result<Option<Account>, Sight>, HostError> {
    let observed = link.observe(Query::Accounts {}).await?;
    let Answer::Accounts(accounts) = observed.value else {
        return Err(another_answer());
    };
    if let Some(unclear) = unseen(&observed.coverage) {
        return Ok(Err(unclear));
    }
    let mut of_name = accounts.into_iter().filter(|found| found.name == target.name);
    Ok(match (of_name.next(), of_name.next()) {
        (None, _) => Ok(None),
        (Some(found), None) if found.line_sha256 == Some(target.line_sha256) => Ok(Some(found)),
        _ => Err(other()),
    })
}

pub(super) async fn blocks(link: &dyn HostView) -> Result<Blocks, HostError> {
    match link.observe(Query::Blocks {}).await?.value {
        Answer::Blocks(blocks) => Ok(blocks),
        _ => Err(another_answer()),
    }
}

/// Whether what holds packets back does so for longer than a first, short time: that ends by itself within a minute.
fn lasts(left_ms: Wide, act: &Act) -> bool {
    match act {
        Act::BlockAddress { for_s, .. } | Act::Isolate { for_s, .. } if *for_s > TRIAL_S => {
            left_ms.0 > u64::from(TRIAL_S) * 1000
        }
        _ => left_ms.0 > 0,
    }
}

/// What an act that broke off left under a name of our own; `None` where nothing is there.
async fn rest(link: &dyn HostView, own: &HostPath) -> Result<Option<Sight>, HostError> {
    let left = |_| Sight::Unclear(format!("it broke off half done: the file stands as `{own}`"));
    Ok(stat(link, own).await?.map(left))
}

/// Why nothing can be said where an answer has a hole that could hide what was asked for.
fn unseen(coverage: &Coverage) -> Option<Sight> {
    let gap = coverage.gaps.iter().find(|gap| gap.why.is_material())?;
    let why = serde_json::to_value(gap.why).unwrap_or_default();
    let why = why.as_str().unwrap_or_default();
    Some(Sight::Unclear(format!(
        "{} `{}` cannot be seen: {why}",
        gap.subject, gap.object
    )))
}

pub(super) fn another_answer() -> HostError {
    HostError::Protocol {
        why: "another question was answered".to_owned(),
    }
}

/// What stands under a path; `None` only where the host says that nothing does.
pub(super) async fn stat(link: &dyn HostView, path: &HostPath) -> Result<Option<FileStat>, HostError> {
    let query = Query::Stat {
        paths: vec![path.clone()],
        digest: true,
    };
    let Answer::Entries(entries) = link.observe(query).await?.value else {
        return Err(another_answer());
    };
    match entries.into_iter().next() {
        Some(Entry::Present(stat)) => Ok(Some(stat)),
        Some(Entry::Absent { .. }) => Ok(None),
        Some(Entry::Hidden { .. }) => Err(HostError::Denied {
            doing: format!("look at {path}"),
        }),
        None => Err(another_answer()),
    }
}
