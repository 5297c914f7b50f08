//! An undo that broke off: what it was to take back is looked for on the host, and nothing else of the plan is.

use deminer_worker::action::{ActionId, Arming, FileTarget, LineTarget, LinkTarget, Undo};
use deminer_worker::frame::ToWorker;
use deminer_worker::lines::{self, DISARMED};
use deminer_worker::query::{Account, HostError, HostIdentity};
use deminer_worker::take_back::UndoStep;
use deminer_worker::text::HostPath;

use super::sight::{Sight, account, blocks, other, read, stat};
use super::{Broken, Story, arrive, ended, recall, state_of};
use crate::event::{EventKind, Reconciled, SinkError};
use crate::host::{HostView, Transport};
use crate::intake::Keeping;
use crate::journal::Journals;

/// The day on which an account is expired that our own lock shut.
const SHUT_DAY: u32 = 1;

/// Brings one host of an undo to its end; says whether it is one. `steps` is its part of the list; none where the list
/// is not at hand.
pub(super) async fn settle(
    story: &Story,
    steps: &[UndoStep],
    transport: &dyn Transport,
    keeping: &Keeping,
    journals: &Journals,
) -> Result<bool, SinkError> {
    let told = match story.undoing.is_empty() {
        true => Ok(()),
        false => look_back(story, steps, transport, keeping, journals).await,
    };
    match told {
        Ok(()) => {
            journals.record(Some(&story.host), EventKind::HostFinished {})?;
            Ok(true)
        }
        Err(broken) => ended(story, broken, journals),
    }
}

async fn look_back(
    story: &Story,
    steps: &[UndoStep],
    transport: &dyn Transport,
    keeping: &Keeping,
    journals: &Journals,
) -> Result<(), Broken> {
    let (link, now) = arrive(story, transport).await?;
    // The worker that took back may still be at it; what it left is not put in order, but looked at.
    recall(&link, story, &[], keeping, journals).await?;
    for action in &story.undoing {
        let state = match step(steps, *action) {
            Some(step) => state_of(is_back(link.as_ref(), step, &now).await, || None)?,
            None => Reconciled::Unknown {
                why: "the list of what was to be taken back is not at hand".to_owned(),
            },
        };
        let action = *action;
        journals.record(Some(&story.host), EventKind::Reconciled { action, state })?;
    }
    // A worker that is gone by itself needs no good-bye.
    let _ = link.say(&ToWorker::Bye).await;
    Ok(())
}

fn step(steps: &[UndoStep], action: ActionId) -> Option<&UndoStep> {
    steps.iter().find(|step| step.action == action)
}

/// Whether what a step takes back is back, on the machine as it is now.
async fn is_back(link: &dyn HostView, step: &UndoStep, now: &HostIdentity) -> Result<Sight, HostError> {
    let held = |left: bool, before: bool| match (left, before) {
        (false, _) => Sight::Done,
        (true, false) => Sight::NotDone,
        (true, true) => Sight::Unclear("it was held back before already, and is so now".to_owned()),
    };
    match &step.undo {
        Undo::RestoreFile { file } => stands(link, &file.path, file).await,
        Undo::RestoreStarter { file } => match (stands(link, &file.path, file).await?, step.arming) {
            (Sight::Done, _) => Ok(Sight::Done),
            (sight, Arming::Armed) => Ok(sight),
            (_, Arming::Disarmed) => stands(link, &file.name_disarmed(), file).await,
        },
        Undo::RestoreLines { file, lines } => Ok(match read(link, &file.path).await? {
            Ok(text) => lines_stand(&text, lines, step.arming),
            Err(unclear) => unclear,
        }),
        Undo::SetFlags { file, flags } => Ok(match stat(link, &file.path).await? {
            Some(stat) => match stat.flags {
                Some(now) if now == *flags => Sight::Done,
                Some(_) => Sight::NotDone,
                None => other(),
            },
            None => other(),
        }),
        Undo::RestoreLink { link: target } => points(link, target, step.arming).await,
        Undo::UnlockAccount { account: target, .. } => Ok(match account(link, target).await? {
            Ok(Some(found)) if found.is_locked() => Sight::NotDone,
            Ok(Some(found)) if is_half_open(&found) => Sight::Unclear("it is still expired".to_owned()),
            Ok(Some(_)) => Sight::Done,
            Ok(None) => other(),
            Err(unclear) => unclear,
        }),
        Undo::Unblock { address, was_until_ms } => {
            let left = blocks(link).await?.addresses;
            let is_left = left.iter().any(|blocked| blocked.address == *address);
            Ok(held(is_left, was_until_ms.is_some()))
        }
        Undo::EndIsolation { was_until_ms } => {
            let is_left = blocks(link).await?.isolated_ms.is_some();
            Ok(held(is_left, was_until_ms.is_some()))
        }
        Undo::Unthrottle { process, .. } if process.boot_id != now.boot_id => Ok(Sight::Done),
        Undo::Unthrottle { .. } | Undo::Thaw { .. } | Undo::RunArgv { .. } | Undo::None => Ok(Sight::Unclear(
            "whether it was taken back cannot be told by looking".to_owned(),
        )),
    }
}

/// Whether a file of that content stands under a path.
async fn stands(link: &dyn HostView, path: &HostPath, file: &FileTarget) -> Result<Sight, HostError> {
    Ok(match stat(link, path).await? {
        None => Sight::NotDone,
        Some(stat) if stat.sha256 == Some(file.sha256) => Sight::Done,
        Some(_) => other(),
    })
}

/// Whether lines stand in a text again, as comments where they must not start anything.
fn lines_stand(text: &[u8], targets: &[LineTarget], arming: Arming) -> Sight {
    let mut there: Vec<&[u8]> = lines::split(text).into_iter().map(lines::content).collect();
    let mut found = 0;
    for target in targets {
        let line = target.line.as_bytes();
        let is_it =
            |now: &&[u8]| *now == line || (arming == Arming::Disarmed && now.strip_prefix(DISARMED) == Some(line));
        if let Some(at) = there.iter().position(is_it) {
            there.swap_remove(at);
            found += 1;
        }
    }
    match found {
        0 => Sight::NotDone,
        found if found == targets.len() => Sight::Done,
        found => Sight::Unclear(format!("{found} of {} lines stand there", targets.len())),
    }
}

/// Whether a link points again where it did, under the name that it has where it must not start anything.
async fn points(link: &dyn HostView, target: &LinkTarget, arming: Arming) -> Result<Sight, HostError> {
    let mut places = vec![target.path.clone()];
    places.extend((arming == Arming::Disarmed).then(|| target.name_disarmed()));
    let mut sight = Sight::NotDone;
    for place in places {
        match stat(link, &place).await? {
            Some(stat) if stat.link_target.as_ref() == Some(&target.target) => return Ok(Sight::Done),
            Some(_) => sight = other(),
            None => {}
        }
    }
    Ok(sight)
}

/// Whether a password fits again, but nobody gets in since the account is expired.
fn is_half_open(account: &Account) -> bool {
    account.expires_day.is_some_and(|day| day <= SHUT_DAY)
}
