//! After a crash or a lost link: what was done is found out by looking at the host, and written down.
//!
//! What the host's own journal says is testimony and stands beside what is seen. Nothing is done again, and what cannot
//! be told stays unknown. Who answers is asked first: nothing that another machine shows is of this run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use deminer_worker::action::{Act, Action, ActionId, Done};
use deminer_worker::frame::{FromWorker, Incoming, Outcome, ToWorker, TransactionEvent};
use deminer_worker::journal::Record;
use deminer_worker::order::{Approval, HostOrders};
use deminer_worker::query::{Answer, HostError, HostIdentity, Obstacle, Query};
use deminer_worker::take_back::UndoStep;

use crate::event::{EventKind, Purpose, Reconciled, SinkError};
use crate::fleet::{End, Halt, Order, each};
use crate::host::{HostView, Link, Transport};
use crate::intake::{Intake, IntakeError, Keeping};
use crate::journal::{Chain, Clock, JournalError, Journals};
use crate::report::{Progress, Report};
use crate::run::{RunDir, RunError};
use crate::undo::{HostUndo, UndoPlan};
use crate::vault::{self, Vault, VaultError};
use sight::{Sight, another_answer, seen, way_back};

mod sight;
mod undo;

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
    /// Actions that are taken back and of which nothing was heard or seen since, in the order of taking back.
    undoing: Vec<ActionId>,
    finished: bool,
}

impl Story {
    fn acts(&self) -> Vec<Act> {
        self.orders.actions.iter().map(|action| action.act.clone()).collect()
    }

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
    let list = taken_back(run, &chains)?;
    let not_begun = not_begun(&chains);
    let stories: Vec<Story> = chains
        .iter()
        .filter_map(story)
        .filter(|story| !story.finished)
        .collect();
    // Who was not begun can be begun by whoever takes the run up; nobody takes up an undo.
    let waits = list.is_none() && !not_begun.is_empty();
    if waits && stories.is_empty() {
        return Ok(None);
    }
    let journals = Journals::resume(&run.journal(), run.id().as_str(), Arc::clone(&clock))?;
    if list.is_some() {
        for host in &not_begun {
            journals.record(Some(host), EventKind::Cancelled {})?;
            journals.record(Some(host), EventKind::HostFinished {})?;
        }
    }
    let keeping = Keeping {
        vault: Vault::create(&run.vault(), Some(vault::QUOTA))?,
        run: run.id().to_string(),
        clock,
    };
    let mut asked: HashMap<String, Arc<Open>> = HashMap::new();
    let mut open = waits;
    for story in stories {
        match transports(&story.host) {
            Some(transport) => _ = asked.insert(story.host.clone(), Arc::new(Open { story, transport })),
            None => open = true,
        }
    }
    let names: Vec<String> = asked.keys().cloned().collect();
    let shared = Arc::new((approval, keeping, journals.clone(), list));
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
                let (Open { story, transport }, (approval, keeping, journals, list)) = (&*asked, &*shared);
                let transport = transport.as_ref();
                match list {
                    Some(list) => undo::settle(story, steps(list, &story.host), transport, keeping, journals).await,
                    None => settle(story, approval, transport, keeping, journals).await,
                }
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

/// The hosts of a run that were not begun.
fn not_begun(chains: &[Chain]) -> Vec<String> {
    let hosts = Report::from_events(chains).hosts.into_iter();
    let of = hosts.filter(|host| host.progress == Progress::NotBegun);
    of.map(|host| host.host).collect()
}

/// The list of a run that takes changes back, empty where it is not at hand or another; `None` for any other run.
fn taken_back(run: &RunDir, chains: &[Chain]) -> Result<Option<Vec<HostUndo>>, RunError> {
    let mut own = chains.iter().filter(|chain| chain.host.is_none());
    let started = own.find_map(|chain| match &chain.events.first()?.kind {
        EventKind::RunStarted { purpose, plan, .. } => Some((*purpose, *plan)),
        _ => None,
    });
    let Some((Purpose::Undo, hash)) = started else {
        return Ok(None);
    };
    let list = run.undo()?.and_then(|bytes| UndoPlan::read(&bytes).ok());
    let list = list.filter(|list| Some(list.hash()) == hash);
    Ok(Some(list.map(|list| list.hosts).unwrap_or_default()))
}

/// What of a list is about one host.
fn steps<'l>(list: &'l [HostUndo], host: &str) -> &'l [UndoStep] {
    let of_host = list.iter().find(|undo| undo.host == host);
    of_host.map(|undo| &undo.order.steps[..]).unwrap_or_default()
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
    let (mut heard, mut undoing) = (Vec::new(), Vec::new());
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
                undoing.retain(|open| open != action);
            }
            EventKind::Undoing { actions, .. } => undoing.extend(actions),
            EventKind::Undone { action, .. } => undoing.retain(|open| open != action),
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
        undoing,
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
        Err(broken) => ended(story, broken, journals),
    }
}

/// Writes down why a host stays open.
fn ended(story: &Story, broken: Broken, journals: &Journals) -> Result<bool, SinkError> {
    let kind = match broken {
        Broken::Sink(error) => return Err(error),
        Broken::Host(why) => EventKind::Lost { why },
        Broken::Other(found) => EventKind::NotReached {
            why: another_machine(&story.orders.identity, &found),
        },
    };
    journals.record(Some(&story.host), kind)?;
    Ok(false)
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
    recall(&link, story, &story.acts(), keeping, journals).await?;
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
    let records = recall(&link, story, &story.acts(), keeping, journals).await?;
    for record in &records {
        let event = &record.event;
        if is_taken_over(event) && !story.heard.contains(event) {
            let (round, event) = (story.round, event.clone());
            journals.record(host, EventKind::Told { round, event })?;
        }
    }
    let mut states = BTreeMap::new();
    for action in open {
        let sight = seen(link.as_ref(), &action.act, &story.orders.identity, &now).await;
        let told = || testimony(&records, action.id).or_else(|| way_back(&action.act));
        let state = state_of(sight, told)?;
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

/// What is written down of an action by what its target shows. Where the link is lost nothing is.
fn state_of(sight: Result<Sight, HostError>, testimony: impl FnOnce() -> Option<Done>) -> Result<Reconciled, Broken> {
    Ok(match sight {
        Ok(Sight::Done) => Reconciled::Done { testimony: testimony() },
        Ok(Sight::NotDone) => Reconciled::NotDone {},
        Ok(Sight::Unclear(why)) => Reconciled::Unknown { why },
        Err(why @ HostError::Lost { .. }) => return Err(why.into()),
        Err(why) => Reconciled::Unknown { why: why.to_string() },
    })
}

/// Reads the host's journal, once no stroke is at work there any more and nothing is left half done, and stores what the host kept for us.
async fn recall(
    link: &Link,
    story: &Story,
    acts: &[Act],
    keeping: &Keeping,
    journals: &Journals,
) -> Result<Vec<Record>, Broken> {
    let end = tokio::time::Instant::now() + STROKE;
    loop {
        link.say(&ToWorker::Recall {
            journal: story.orders.journal.clone(),
            acts: acts.to_vec(),
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

#[cfg(test)]
mod tests;
