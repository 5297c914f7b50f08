//! After a crash or a lost link: what was done is found out by looking at the host, and written down.
//!
//! What the host's own journal says is testimony and stands beside what is seen. Nothing is done again, and what cannot
//! be told stays unknown. Who answers is asked first: nothing that another machine shows is of this run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use deminer_worker::action::{Act, Action, ActionId, Done, Undo};
use deminer_worker::frame::{FromWorker, Incoming, Outcome, ToWorker, TransactionEvent};
use deminer_worker::journal::Record;
use deminer_worker::lines::{self, Located};
use deminer_worker::order::{Approval, HostOrders};
use deminer_worker::query::{
    Answer, Blocks, Coverage, Entry, FileStat, HostError, HostIdentity, Obstacle, ProcessesQuery, Query, limits,
};
use deminer_worker::text::{HostPath, Wide};
use deminer_worker::transaction::TRIAL_S;

use crate::event::{EventKind, Reconciled, SinkError};
use crate::fleet::{End, Halt, Order, each};
use crate::host::{HostView, Link, Transport};
use crate::intake::{Intake, IntakeError, Keeping};
use crate::journal::{Chain, Clock, JournalError, Journals};
use crate::report::Report;
use crate::run::{RunDir, RunError};
use crate::vault::{self, Vault, VaultError};

/// How long a stroke that is still at work on the host is waited for: past its next full minute.
const STROKE: Duration = Duration::from_secs(100);

/// Between two questions whether it has ended.
const AGAIN: Duration = Duration::from_millis(300);

/// Why a run could not be brought to its end. What was found until then stands in its journal.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The run's directory.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The journal cannot be read or continued.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The vault cannot be opened for what the hosts kept.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// What is known of one host from its chain.
struct Story {
    host: String,
    orders: HostOrders,
    /// Whether the planned machine was reached, so that a worker may have begun there.
    reached: bool,
    /// Actions whose end was heard or seen, and nothing was begun since that could have changed it.
    known: BTreeMap<ActionId, Known>,
    /// Whether the commit may have been sent.
    committed: bool,
    /// The round of the last commit.
    round: u32,
    /// What was told.
    heard: Vec<TransactionEvent>,
    finished: bool,
}

impl Story {
    /// Whether an action that contains may have been begun.
    fn contains(&self, id: ActionId) -> bool {
        let mut heard = self.heard.iter();
        heard.any(|event| matches!(event, TransactionEvent::Containing { actions } if actions.contains(&id)))
    }
}

/// The last word about an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    round: u32,
    done: bool,
}

/// A host that is not through, and the way to it.
struct Open {
    story: Story,
    transport: Arc<dyn Transport>,
}

/// Brings a run to its end that another process left open. Gives the report then; `None` where there was nothing to do:
/// the run is finished, or its process lives.
///
/// # Errors
/// When its journal cannot be read or written. A host that cannot be reached stays open and is no error.
pub async fn reconcile(
    run: &RunDir,
    transports: &(dyn Fn(&str) -> Option<Arc<dyn Transport>> + Sync),
    clock: Clock,
) -> Result<Option<Report>, ReconcileError> {
    if run.is_locked()? || !Report::from_events(&run.chains()?).unfinished() {
        return Ok(None);
    }
    let _lock = run.lock()?;
    let chains = run.chains()?;
    let Some(approval) = approval(&chains) else {
        return Ok(None);
    };
    let journals = Journals::resume(&run.journal(), run.id().as_str(), Arc::clone(&clock))?;
    let keeping = Keeping {
        vault: Vault::create(&run.vault(), Some(vault::QUOTA))?,
        run: run.id().to_string(),
        clock,
    };
    let stories = chains.iter().filter_map(story).filter(|story| !story.finished);
    let mut asked: HashMap<String, Arc<Open>> = HashMap::new();
    let mut open = false;
    for story in stories {
        match transports(&story.host) {
            Some(transport) => _ = asked.insert(story.host.clone(), Arc::new(Open { story, transport })),
            None => open = true,
        }
    }
    let names: Vec<String> = asked.keys().cloned().collect();
    let shared = Arc::new((approval, keeping, journals.clone()));
    // One host that does not answer must not hold up the others.
    let (order, halt) = (Order::default(), Halt::default());
    let ends = each(
        &names,
        &order,
        &halt,
        |_| None,
        |host, _slot| {
            let (asked, shared) = (Arc::clone(&asked[&host]), Arc::clone(&shared));
            async move {
                let (Open { story, transport }, (approval, keeping, journals)) = (&*asked, &*shared);
                settle(story, approval, transport.as_ref(), keeping, journals).await
            }
        },
    );
    for (_, end) in ends.await {
        match end {
            End::Through(ended) => open |= !ended?,
            _ => open = true,
        }
    }
    if !open {
        journals.record(None, EventKind::RunFinished {})?;
    }
    Ok(Some(Report::from_events(&run.chains()?)))
}

fn approval(chains: &[Chain]) -> Option<Approval> {
    chains
        .iter()
        .flat_map(|chain| &chain.events)
        .find_map(|event| match &event.kind {
            EventKind::Approved { approval, .. } => Some(approval.clone()),
            _ => None,
        })
}

/// What a host's chain tells; `None` for the run's own chain and for a host without orders.
fn story(chain: &Chain) -> Option<Story> {
    let host = chain.host.clone()?;
    let mut orders = None;
    let mut answered = Vec::new();
    let (mut committed, mut finished) = (false, false);
    let mut known: BTreeMap<ActionId, Known> = BTreeMap::new();
    let mut heard = Vec::new();
    let mut round = 1;
    for event in &chain.events {
        match &event.kind {
            EventKind::Planned { line, .. } => orders = serde_json::from_value::<HostOrders>(line.clone()).ok(),
            EventKind::Reached { identity, .. } => answered.push(identity),
            EventKind::Committed { round: now, .. } => {
                (committed, round) = (true, *now);
                // What an earlier round left undone, this one may carry out.
                known.retain(|_, known| known.done || known.round >= round);
            }
            EventKind::Told { round: now, event } => {
                round = round.max(*now);
                heard.push(event.clone());
                match event {
                    TransactionEvent::Intent { action } if known.get(action).is_some_and(|known| !known.done) => {
                        known.remove(action);
                    }
                    TransactionEvent::Outcome { action, outcome } => {
                        let done = is_done(outcome) || known.get(action).is_some_and(|known| known.done);
                        known.insert(*action, Known { round, done });
                    }
                    _ => {}
                }
            }
            EventKind::Reconciled { action, state } if !matches!(state, Reconciled::Unknown { .. }) => {
                let done = matches!(state, Reconciled::Done { .. });
                known.insert(*action, Known { round, done });
            }
            EventKind::HostFinished {} => finished = true,
            EventKind::Resumed { .. } => finished = false,
            _ => {}
        }
    }
    let orders = orders?;
    // On any other its worker refuses the orders.
    let reached = answered.iter().any(|found| orders.identity.is_same_machine(found));
    Some(Story {
        host,
        orders,
        known,
        reached,
        committed,
        round,
        heard,
        finished,
    })
}

/// Whether an action needs no further look; a process that would not stop still runs.
fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done { done } if *done != Done::WouldNotStop)
}

/// Brings one host to its end; says whether it is one.
async fn settle(
    story: &Story,
    approval: &Approval,
    transport: &dyn Transport,
    keeping: &Keeping,
    journals: &Journals,
) -> Result<bool, SinkError> {
    let host = Some(story.host.as_str());
    let open = story.orders.actions.iter().filter(|action| {
        let allowed = approval.classes.contains(&action.act.effect()) && !approval.excluded.contains(&action.id);
        allowed && action.act.is_change() && !story.known.contains_key(&action.id)
    });
    // What contains is done before the commit, once it is written down that it comes.
    let (begun, waiting): (Vec<&Action>, Vec<&Action>) =
        open.partition(|action| story.committed || story.contains(action.id));
    let told = if story.committed {
        look_at(story, &begun, transport, keeping, journals).await
    } else {
        // Without the commit, which is written down before it is sent, no host has passed its point of no return.
        for action in waiting {
            journals.record(
                host,
                EventKind::Reconciled {
                    action: action.id,
                    state: Reconciled::NotDone {},
                },
            )?;
        }
        if !story.reached {
            journals.record(host, EventKind::HostFinished {})?;
            return Ok(true);
        }
        match begun.is_empty() {
            true => clear_up(story, transport, keeping, journals).await,
            false => look_at(story, &begun, transport, keeping, journals).await,
        }
    };
    match told {
        Ok(()) => {
            journals.record(
                host,
                EventKind::Forgotten {
                    journal: story.orders.journal.to_string(),
                },
            )?;
            journals.record(host, EventKind::HostFinished {})?;
            Ok(true)
        }
        Err(Broken::Sink(error)) => Err(error),
        Err(Broken::Host(why)) => {
            journals.record(host, EventKind::Lost { why })?;
            Ok(false)
        }
        Err(Broken::Other(found)) => {
            let why = another_machine(&story.orders.identity, &found);
            journals.record(host, EventKind::NotReached { why })?;
            Ok(false)
        }
    }
}

/// The way to the machine that the plan is of, and what it is now.
async fn arrive(story: &Story, transport: &dyn Transport) -> Result<(Arc<Link>, HostIdentity), Broken> {
    let link = transport.connect(&story.host).await?;
    let Answer::Host(facts) = link.observe(Query::Host {}).await?.value else {
        return Err(another_answer().into());
    };
    if story.orders.identity.is_same_machine(&facts.identity) {
        return Ok((link, facts.identity));
    }
    // A worker that is gone by itself needs no good-bye.
    let _ = link.say(&ToWorker::Bye).await;
    Err(Broken::Other(Box::new(facts.identity)))
}

/// Why nothing is asked of a machine that answers for the planned one.
fn another_machine(planned: &HostIdentity, found: &HostIdentity) -> HostError {
    let name = |identity: &HostIdentity| match &identity.machine_id {
        Some(id) => format!("machine-id {id}"),
        None => format!("no machine-id, boot {}", identity.boot_id),
    };
    HostError::NotReached {
        obstacle: Obstacle::OurSide,
        why: format!(
            "another machine answers for it: {}, where the plan is of {}",
            name(found),
            name(planned)
        ),
        hint: Some("see where its name leads; the machine of the plan is asked when it answers again".to_owned()),
    }
}

/// Removes what a worker that died before its commit left: the journal is made before the commit is asked for.
async fn clear_up(
    story: &Story,
    transport: &dyn Transport,
    keeping: &Keeping,
    journals: &Journals,
) -> Result<(), Broken> {
    let (link, _) = arrive(story, transport).await?;
    recall(&link, story, keeping, journals).await?;
    forget(&link, story).await?;
    // A worker that is gone by itself needs no good-bye.
    let _ = link.say(&ToWorker::Bye).await;
    Ok(())
}

/// Why a host stays open.
enum Broken {
    Host(HostError),
    /// What answers is another machine.
    Other(Box<HostIdentity>),
    Sink(SinkError),
}

impl From<HostError> for Broken {
    fn from(error: HostError) -> Broken {
        Broken::Host(error)
    }
}

impl From<SinkError> for Broken {
    fn from(error: SinkError) -> Broken {
        Broken::Sink(error)
    }
}

impl From<IntakeError> for Broken {
    fn from(error: IntakeError) -> Broken {
        Broken::Host(match error {
            IntakeError::Host(error) => error,
            IntakeError::Vault(error) => HostError::Failed {
                doing: "store what the host kept".to_owned(),
                why: error.to_string(),
            },
        })
    }
}

/// Whether an event that the host's own journal holds is taken over as it is. What it says of single actions stands
/// beside what is seen of them instead; a birth's intent alone says nothing.
fn is_taken_over(event: &TransactionEvent) -> bool {
    matches!(
        event,
        TransactionEvent::Born { .. }
            | TransactionEvent::Struck { result: Some(_), .. }
            | TransactionEvent::Frozen { action: None, .. }
            | TransactionEvent::NotKept { .. }
            | TransactionEvent::StillHeld { .. }
            | TransactionEvent::Looked { .. }
            | TransactionEvent::Thawed { .. }
            | TransactionEvent::Finished { .. }
    )
}

/// Looks at a host, writes down what it shows and what it kept, then removes its journal.
async fn look_at(
    story: &Story,
    open: &[&Action],
    transport: &dyn Transport,
    keeping: &Keeping,
    journals: &Journals,
) -> Result<(), Broken> {
    let host = Some(story.host.as_str());
    let (link, now) = arrive(story, transport).await?;
    let records = recall(&link, story, keeping, journals).await?;
    for record in &records {
        let event = &record.event;
        if is_taken_over(event) && !story.heard.contains(event) {
            let (round, event) = (story.round, event.clone());
            journals.record(host, EventKind::Told { round, event })?;
        }
    }
    let mut states = BTreeMap::new();
    for action in open {
        let state = match seen(link.as_ref(), &action.act, &story.orders.identity, &now).await {
            Ok(Sight::Done) => Reconciled::Done {
                testimony: testimony(&records, action.id).or_else(|| way_back(&action.act)),
            },
            Ok(Sight::NotDone) => Reconciled::NotDone {},
            Ok(Sight::Unclear(why)) => Reconciled::Unknown { why },
            Err(why @ HostError::Lost { .. }) => return Err(why.into()),
            Err(why) => Reconciled::Unknown { why: why.to_string() },
        };
        states.insert(action.id, state);
    }
    for (action, state) in states {
        journals.record(host, EventKind::Reconciled { action, state })?;
    }
    // Only now: all that it holds is on disk here.
    forget(&link, story).await?;
    // A worker that is gone by itself needs no good-bye.
    let _ = link.say(&ToWorker::Bye).await;
    Ok(())
}

/// Reads the host's journal, once no stroke is at work there any more and nothing is left half done, and stores what the host kept for us.
async fn recall(link: &Link, story: &Story, keeping: &Keeping, journals: &Journals) -> Result<Vec<Record>, Broken> {
    let end = tokio::time::Instant::now() + STROKE;
    let acts: Vec<Act> = story.orders.actions.iter().map(|action| action.act.clone()).collect();
    loop {
        link.say(&ToWorker::Recall {
            journal: story.orders.journal.clone(),
            acts: acts.clone(),
        })
        .await?;
        let (records, busy) = recalled(link, story, keeping, journals).await?;
        if !busy {
            return Ok(records);
        }
        if tokio::time::Instant::now() >= end {
            return Err(HostError::Busy.into());
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Hears one answer to a recall: the spool, then the journal.
async fn recalled(
    link: &Link,
    story: &Story,
    keeping: &Keeping,
    journals: &Journals,
) -> Result<(Vec<Record>, bool), Broken> {
    let broken = |why: &str| HostError::Protocol { why: why.to_owned() };
    let host = story.host.as_str();
    let mut intake = Intake::new(host, keeping);
    loop {
        let message = match link.hear_sized().await? {
            (Incoming::Piece { number, bytes }, _) => {
                intake.piece(number, &bytes)?;
                continue;
            }
            (Incoming::Message(message), bytes) => {
                intake.event(bytes)?;
                *message
            }
        };
        match message {
            FromWorker::Event(TransactionEvent::Keeping { number, item }) => intake.announced(number, &item)?,
            FromWorker::Event(TransactionEvent::KeptAll { number, sha256, size }) => {
                let stored = intake.ended(number, sha256, size)?;
                journals.record(Some(host), stored)?;
            }
            FromWorker::Event(TransactionEvent::NotKept { why, .. }) => return Err(why.into()),
            FromWorker::Recalled { .. } if intake.is_open() => {
                return Err(broken("evidence without an end").into());
            }
            FromWorker::Recalled { left: Some(why), .. } => return Err(why.into()),
            FromWorker::Recalled { records, busy, .. } => return Ok((records, busy)),
            _ => return Err(broken("no journal was told").into()),
        }
    }
}

async fn forget(link: &Link, story: &Story) -> Result<(), HostError> {
    link.say(&ToWorker::Forget {
        journal: story.orders.journal.clone(),
    })
    .await?;
    match link.hear().await? {
        Incoming::Message(message) => match *message {
            FromWorker::Forgotten { result } => result,
            _ => Err(HostError::Protocol {
                why: "no answer to the journal's removal".to_owned(),
            }),
        },
        Incoming::Piece { .. } => Err(HostError::Protocol {
            why: "no answer to the journal's removal".to_owned(),
        }),
    }
}

fn testimony(records: &[Record], id: ActionId) -> Option<Done> {
    records.iter().find_map(|record| match &record.event {
        TransactionEvent::Outcome {
            action,
            outcome: Outcome::Done { done },
        } if *action == id => Some(done.clone()),
        _ => None,
    })
}

/// How an act is taken back that is seen done and of which nobody told how, where its kind alone says so.
fn way_back(act: &Act) -> Option<Done> {
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
enum Sight {
    /// It is done.
    Done,
    /// The target is as it was.
    NotDone,
    /// Neither can be told, and why.
    Unclear(String),
}

/// Whether an act's target shows it done, on the planned machine as it is now.
async fn seen(link: &dyn HostView, act: &Act, planned: &HostIdentity, now: &HostIdentity) -> Result<Sight, HostError> {
    let other = || Sight::Unclear("another object stands in its place".to_owned());
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
            let query = Query::Read {
                path: file.path.clone(),
                max_bytes: limits::READ_BYTES,
            };
            let observed = link.observe(query).await?;
            let Answer::Files(files) = observed.value else {
                return Err(another_answer());
            };
            if let Some(unclear) = unseen(&observed.coverage) {
                return Ok(unclear);
            }
            if files.iter().any(|file| file.cut) {
                return Ok(Sight::Unclear(format!("`{}` is too long to be read whole", file.path)));
            }
            let text = files.first().map(|file| file.content.as_bytes()).unwrap_or_default();
            match lines::locate(text, remove) {
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
        Act::LockAccount { account } => {
            let observed = link.observe(Query::Accounts {}).await?;
            let Answer::Accounts(accounts) = observed.value else {
                return Err(another_answer());
            };
            if let Some(unclear) = unseen(&observed.coverage) {
                return Ok(unclear);
            }
            let mut of_name = accounts.iter().filter(|found| found.name == account.name);
            Ok(match (of_name.next(), of_name.next()) {
                (None, _) => Sight::Done,
                (Some(found), None) if found.line_sha256 == Some(account.line_sha256) => is(found.is_locked()),
                _ => other(),
            })
        }
        Act::Keep { .. } | Act::Throttle { .. } | Act::RunArgv { .. } => {
            Ok(Sight::Unclear("what it changed cannot be told by looking".to_owned()))
        }
    }
}

async fn blocks(link: &dyn HostView) -> Result<Blocks, HostError> {
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

fn another_answer() -> HostError {
    HostError::Protocol {
        why: "another question was answered".to_owned(),
    }
}

/// What stands under a path; `None` only where the host says that nothing does.
async fn stat(link: &dyn HostView, path: &HostPath) -> Result<Option<FileStat>, HostError> {
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

#[cfg(test)]
mod tests;
