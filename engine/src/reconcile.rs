//! After a crash or a lost link: what was done is found out by looking at the host, and written down.
//!
//! What the host's own journal says is testimony and stands beside what is seen. Nothing is done again, and what cannot
//! be told stays unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use deminer_worker::action::{Act, Action, ActionId, Done, Effect, FileTarget};
use deminer_worker::frame::{FromWorker, Incoming, Outcome, ToWorker, TransactionEvent};
use deminer_worker::journal::Record;
use deminer_worker::lines::{self, Located};
use deminer_worker::order::{Approval, HostOrders};
use deminer_worker::query::{Answer, Entry, FileStat, HostError, ProcessesQuery, Query, limits};

use crate::event::{EventKind, Reconciled, SinkError};
use crate::host::{HostView, Link, Transport};
use crate::journal::{Chain, Clock, JournalError, Journals};
use crate::report::Report;
use crate::run::{RunDir, RunError};

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
}

/// What is known of one host from its chain.
struct Story {
    host: String,
    orders: HostOrders,
    /// Actions whose end was heard.
    known: BTreeSet<ActionId>,
    /// Whether the host was reached, so that a worker may have begun there.
    reached: bool,
    /// Whether the commit may have been sent.
    committed: bool,
    finished: bool,
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
    let journals = Journals::resume(&run.journal(), run.id().as_str(), clock)?;
    let mut open = false;
    for story in chains.iter().filter_map(story).filter(|story| !story.finished) {
        let ended = match transports(&story.host) {
            Some(transport) => settle(&story, &approval, transport.as_ref(), &journals).await?,
            None => false,
        };
        open |= !ended;
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
            EventKind::Approved { approval } => Some(approval.clone()),
            _ => None,
        })
}

/// What a host's chain tells; `None` for the run's own chain and for a host without orders.
fn story(chain: &Chain) -> Option<Story> {
    let host = chain.host.clone()?;
    let mut orders = None;
    let (mut reached, mut committed, mut finished) = (false, false, false);
    let mut known = BTreeSet::new();
    for event in &chain.events {
        match &event.kind {
            EventKind::Planned { line, .. } => orders = serde_json::from_value::<HostOrders>(line.clone()).ok(),
            EventKind::Reached { .. } => reached = true,
            EventKind::Committed { .. } => committed = true,
            EventKind::Told {
                event: TransactionEvent::Outcome { action, .. },
                ..
            } => {
                known.insert(*action);
            }
            EventKind::Reconciled { action, state } if !matches!(state, Reconciled::Unknown { .. }) => {
                known.insert(*action);
            }
            EventKind::HostFinished {} => finished = true,
            EventKind::Resumed { .. } => finished = false,
            _ => {}
        }
    }
    Some(Story {
        host,
        orders: orders?,
        known,
        reached,
        committed,
        finished,
    })
}

/// Brings one host to its end; says whether it is one.
async fn settle(
    story: &Story,
    approval: &Approval,
    transport: &dyn Transport,
    journals: &Journals,
) -> Result<bool, SinkError> {
    let host = Some(story.host.as_str());
    let open: Vec<&Action> = story
        .orders
        .actions
        .iter()
        .filter(|action| action.act.effect() == Effect::Destroy && !story.known.contains(&action.id))
        .filter(|action| approval.classes.contains(&Effect::Destroy) && !approval.excluded.contains(&action.id))
        .collect();
    let told = if story.committed {
        look_at(story, &open, transport).await
    } else {
        // Without the commit, which is written down before it is sent, no host has passed its point of no return.
        for action in open {
            journals.record(
                host,
                EventKind::Reconciled {
                    action: action.id,
                    state: Reconciled::NotDone {},
                },
            )?;
        }
        match story.reached {
            true => clear_up(story, transport).await.map(|()| BTreeMap::new()),
            false => {
                journals.record(host, EventKind::HostFinished {})?;
                return Ok(true);
            }
        }
    };
    match told {
        Ok(states) => {
            for (action, state) in states {
                journals.record(host, EventKind::Reconciled { action, state })?;
            }
            journals.record(
                host,
                EventKind::Forgotten {
                    journal: story.orders.journal.to_string(),
                },
            )?;
            journals.record(host, EventKind::HostFinished {})?;
            Ok(true)
        }
        Err(why) => {
            journals.record(host, EventKind::Lost { why })?;
            Ok(false)
        }
    }
}

/// Removes what a worker that died before its commit left: the journal is made before the commit is asked for.
async fn clear_up(story: &Story, transport: &dyn Transport) -> Result<(), HostError> {
    let link = transport.connect(&story.host).await?;
    recall(&link, story).await?;
    forget(&link, story).await?;
    // A worker that is gone by itself needs no good-bye.
    let _ = link.say(&ToWorker::Bye).await;
    Ok(())
}

async fn look_at(
    story: &Story,
    open: &[&Action],
    transport: &dyn Transport,
) -> Result<BTreeMap<ActionId, Reconciled>, HostError> {
    let link = transport.connect(&story.host).await?;
    let records = recall(&link, story).await?;
    let mut states = BTreeMap::new();
    for action in open {
        let state = match seen(&link, &action.act, &story.orders).await {
            Ok(Some(true)) => Reconciled::Done {
                testimony: testimony(&records, action.id),
            },
            Ok(Some(false)) => Reconciled::NotDone {},
            Ok(None) => Reconciled::Unknown {
                why: "another object stands in its place".to_owned(),
            },
            Err(why @ HostError::Lost { .. }) => return Err(why),
            Err(why) => Reconciled::Unknown { why: why.to_string() },
        };
        states.insert(action.id, state);
    }
    forget(&link, story).await?;
    // A worker that is gone by itself needs no good-bye.
    let _ = link.say(&ToWorker::Bye).await;
    Ok(states)
}

/// Reads the host's journal, once no stroke is at work there any more and nothing is left half done.
async fn recall(link: &Link, story: &Story) -> Result<Vec<Record>, HostError> {
    let end = tokio::time::Instant::now() + STROKE;
    let acts: Vec<Act> = story.orders.actions.iter().map(|action| action.act.clone()).collect();
    loop {
        link.say(&ToWorker::Recall {
            journal: story.orders.journal.clone(),
            acts: acts.clone(),
        })
        .await?;
        let (records, busy) = match link.hear().await? {
            Incoming::Message(message) => match *message {
                FromWorker::Recalled { records, busy, left } => match left {
                    None => (records, busy),
                    Some(why) => return Err(why),
                },
                _ => {
                    return Err(HostError::Protocol {
                        why: "no journal was told".to_owned(),
                    });
                }
            },
            Incoming::Piece { .. } => {
                return Err(HostError::Protocol {
                    why: "no journal was told".to_owned(),
                });
            }
        };
        if !busy {
            return Ok(records);
        }
        if tokio::time::Instant::now() >= end {
            return Err(HostError::Busy);
        }
        tokio::time::sleep(AGAIN).await;
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

/// Whether an act's target shows it done; `None` where what is there is neither the target nor nothing.
async fn seen(link: &Link, act: &Act, orders: &HostOrders) -> Result<Option<bool>, HostError> {
    match act {
        Act::Kill { process } | Act::Freeze { process } => {
            if orders.identity.boot_id != process.boot_id {
                return Ok(Some(true));
            }
            let query = ProcessesQuery {
                pids: Some(vec![process.pid]),
                ..ProcessesQuery::default()
            };
            let Answer::Processes(found) = link.observe(Query::Processes(query)).await?.value else {
                return Ok(None);
            };
            let lives = found
                .iter()
                .any(|p| p.pid == process.pid && p.start_ticks == process.start_ticks && p.state != "Z");
            Ok(Some(!lives))
        }
        Act::RemoveFile { file } => Ok(match stat(link, file).await? {
            None => Some(true),
            Some(stat) if stat.id == file.id || stat.sha256 == Some(file.sha256) => Some(false),
            Some(_) => None,
        }),
        Act::ClearFlags { file, flags } => Ok(match stat(link, file).await? {
            None => Some(true),
            Some(stat) => stat.flags.map(|now| now & flags == 0),
        }),
        Act::EditLines { file, remove } => {
            let query = Query::Read {
                path: file.path.clone(),
                max_bytes: limits::READ_BYTES,
            };
            let Answer::Files(files) = link.observe(query).await?.value else {
                return Ok(None);
            };
            let text = files.first().map(|file| file.content.as_bytes()).unwrap_or_default();
            Ok(match lines::locate(text, remove) {
                Located::There(_) => Some(false),
                Located::Gone => Some(true),
                Located::Changed { .. } => None,
            })
        }
        Act::Keep { .. } => Ok(None),
    }
}

async fn stat(link: &Link, file: &FileTarget) -> Result<Option<FileStat>, HostError> {
    let query = Query::Stat {
        paths: vec![file.path.clone()],
        digest: true,
    };
    let Answer::Entries(entries) = link.observe(query).await?.value else {
        return Err(HostError::Protocol {
            why: "another question was answered".to_owned(),
        });
    };
    match entries.into_iter().next() {
        Some(Entry::Present(stat)) => Ok(Some(stat)),
        Some(Entry::Absent { .. }) | None => Ok(None),
        Some(Entry::Hidden { .. }) => Err(HostError::Denied {
            doing: format!("look at {}", file.path),
        }),
    }
}
