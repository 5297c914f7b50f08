//! Taking a run's changes back: what can be is listed from its journal, a person says yes to that list by its hash, and the
//! hosts are given it, each change as the act itself said how.
//!
//! What a host said of its own acts is held against the plan: an undo that names another object than the plan did, or
//! content that this host never gave, is not carried out. A killed process does not come back.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::action::{Act, Action, ActionId, Arming, Done, Undo};
use deminer_worker::frame::{self, FromWorker, Incoming, Outcome, ToWorker, TransactionEvent};
use deminer_worker::order::{Approval, HostOrders};
use deminer_worker::query::{HostError, limits};
use deminer_worker::take_back::{TakeBack, UndoStep};
use deminer_worker::text::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::{ApprovalError, SignedError};
use crate::event::{EventKind, EventSink, Reconciled, SinkError};
use crate::host::{Link, Transport};
use crate::journal::{Chain, ChainEnd};
use crate::plan::canonical;
use crate::report::Object;
use crate::run::RunId;
use crate::vault::Vault;

mod approval;
mod earlier;

use earlier::Left;
pub use earlier::Taken;

/// Which changes of a run are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these hosts; none is all.
    pub hosts: BTreeSet<String>,
    /// Only these actions; none is all.
    pub actions: BTreeSet<ActionId>,
    /// What was taken back before: that is not meant.
    pub taken: Taken,
}

/// What is to be taken back, for a person to read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoPlan {
    /// The run whose changes they are.
    pub of: String,
    /// Whether what starts something may start it again.
    pub arming: Arming,
    /// Why it may; `None` where it may not.
    pub because: Option<String>,
    /// By name; hosts of which nothing can be taken back included.
    pub hosts: Vec<HostUndo>,
}

/// What is to be taken back on one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostUndo {
    /// The host.
    pub host: String,
    /// What it receives, in order: the last change first.
    pub order: TakeBack,
    /// What the steps are about, in the same order.
    pub objects: Vec<Object>,
    /// Changes that cannot be taken back, and why.
    pub without: Vec<(ActionId, Object, NoWay)>,
    /// Its line of the plan, as the journal has it.
    line: Value,
    /// The line's hash.
    line_sha256: Digest,
}

/// Why a change is not taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoWay {
    /// There is none: a killed process does not come back, a command has no way back that the plan states.
    None,
    /// It is not known whether the change was made.
    Unknown,
    /// What the host says of the way back does not fit what the plan says of the change.
    DoesNotFit,
    /// The vault has no copy from this host.
    NotKept,
}

/// Why there is no list, or it is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// A journal of the run was changed: nothing is taken from it.
    #[error("the journal of {chain} does not hold: {why}")]
    Journal {
        /// The host's, or `the run`.
        chain: String,
        /// What does not fit.
        why: String,
    },
    /// The run made no change that the selection means.
    #[error("run {run}: nothing in it can be taken back")]
    Nothing {
        /// The run.
        run: String,
    },
    /// All that the selection means was taken back before.
    #[error("run {run}: it was taken back already, by run {by}")]
    Taken {
        /// The run.
        run: String,
        /// The run that took it back.
        by: String,
    },
    /// An action is none that the run carried out.
    #[error("run {run}: it made no change `{action}`")]
    UnknownAction {
        /// The run.
        run: String,
        /// The action.
        action: ActionId,
    },
    /// What starts something was asked for armed, without a reason.
    #[error("what is given back armed can start the intruder again: it needs a reason")]
    NoReason,
    /// The yes does not fit the list.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// The bytes are no list.
    #[error("it is no list of `deminer undo`: {why}")]
    Malformed {
        /// The parser's word.
        why: String,
    },
    /// The journals give another list than the file.
    #[error("run {run} gives another list than that with the hash {}", given.short())]
    OtherList {
        /// The run.
        run: String,
        /// The file's hash.
        given: Digest,
    },
    /// What was signed does not do.
    #[error(transparent)]
    Signed(#[from] SignedError),
}

impl UndoError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            UndoError::Journal { .. } => {
                "restore by hand from the vault what you trust; `deminer report` shows the run"
            }
            UndoError::Nothing { .. } | UndoError::UnknownAction { .. } => {
                "`deminer report` shows what the run changed"
            }
            UndoError::Taken { .. } => "`deminer report` of that run says what came back",
            UndoError::NoReason => "give it with --because TEXT, or leave --armed out",
            UndoError::Approval(_) => "look at the list again: `deminer undo RUN` prints it with its hash",
            UndoError::Malformed { .. } => "`deminer undo RUN --output FILE` writes one",
            UndoError::OtherList { .. } => {
                "the run went on, some of it was taken back since, or a file was changed: write the list anew and have it approved"
            }
            UndoError::Signed(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}

/// A list that a person said yes to, or enough people signed. Made by [`UndoPlan::approve`] and [`UndoPlan::signed`] only.
#[derive(Debug, Clone)]
pub struct ApprovedUndo {
    plan: UndoPlan,
    /// What of it: the hosts, and who said so.
    approval: Approval,
}

/// The last word of a chain about a change.
enum Word {
    Changed(Undo),
    Unknown,
}

/// Takes an action from the list of which nothing more than the intent is known.
fn forget(words: &mut BTreeMap<ActionId, (usize, Word)>, action: &ActionId) {
    if matches!(words.get(action), Some((_, Word::Unknown))) {
        words.remove(action);
    }
}

impl UndoPlan {
    /// Lists what can be taken back of a run.
    ///
    /// # Errors
    /// When a journal was changed, an action is not of the run, nothing is left to take back, or something is to come back
    /// armed without a reason.
    pub fn of(
        run: &str,
        chains: &[Chain],
        selection: &Selection,
        arming: Arming,
        because: Option<String>,
    ) -> Result<UndoPlan, UndoError> {
        if arming == Arming::Armed && because.as_deref().is_none_or(|why| why.trim().is_empty()) {
            return Err(UndoError::NoReason);
        }
        let mut known = BTreeSet::new();
        for chain in chains {
            let why = match &chain.end {
                ChainEnd::Broken { line, why } => format!("line {line}: {why}"),
                _ if chain.run.as_deref().is_some_and(|of| of != run) => "it is of another run".to_owned(),
                _ if !known.insert(&chain.host) => "it is there twice".to_owned(),
                _ => continue,
            };
            let chain = chain.host.clone().unwrap_or_else(|| "the run".to_owned());
            return Err(UndoError::Journal { chain, why });
        }
        let mut hosts: Vec<HostUndo> = chains
            .iter()
            .filter(|chain| {
                let host = chain.host.as_ref();
                host.is_some_and(|host| selection.hosts.is_empty() || selection.hosts.contains(host))
            })
            .filter_map(|chain| host_undo(chain, selection, arming))
            .collect();
        hosts.sort_by(|a, b| a.host.cmp(&b.host));
        let named = |action: &ActionId| {
            hosts.iter().any(|host| {
                let steps = host.order.steps.iter().map(|step| step.action);
                let without = host.without.iter().map(|(action, ..)| *action);
                steps.chain(without).any(|id| id == *action)
            })
        };
        let taken = |by: &RunId| UndoError::Taken {
            run: run.to_owned(),
            by: by.to_string(),
        };
        if let Some(action) = selection.actions.iter().find(|action| !named(action)) {
            if let Some(by) = selection.taken.by(*action) {
                return Err(taken(by));
            }
            return Err(UndoError::UnknownAction {
                run: run.to_owned(),
                action: *action,
            });
        }
        if hosts.iter().all(|host| host.order.steps.is_empty()) {
            return Err(match selection.taken.last(&selection.hosts) {
                Some(by) => taken(by),
                None => UndoError::Nothing { run: run.to_owned() },
            });
        }
        Ok(UndoPlan {
            of: run.to_owned(),
            arming,
            because,
            hosts,
        })
    }

    /// The hash of the list: what a person says yes to.
    pub fn hash(&self) -> Digest {
        // Nothing in it is without a JSON form: strings, numbers and lists.
        Digest::of(canonical(self).unwrap_or_default().as_bytes())
    }
}

/// What a host's chain says can be taken back; `None` for a host without a plan or without changes that are meant.
fn host_undo(chain: &Chain, selection: &Selection, arming: Arming) -> Option<HostUndo> {
    let mut line = None;
    let mut stored: BTreeSet<Digest> = BTreeSet::new();
    // By action, with the place of the word: what was done last is taken back first.
    let mut words: BTreeMap<ActionId, (usize, Word)> = BTreeMap::new();
    for (at, event) in chain.events.iter().enumerate() {
        match &event.kind {
            EventKind::Planned {
                line: planned, sha256, ..
            } => line = Some((planned.clone(), *sha256)),
            EventKind::Stored { sha256, .. } => {
                stored.insert(*sha256);
            }
            EventKind::Told {
                event: TransactionEvent::Intent { action },
                ..
            } => {
                words.entry(*action).or_insert((at, Word::Unknown));
            }
            EventKind::Told {
                event: TransactionEvent::Outcome { action, outcome },
                ..
            } => match outcome {
                Outcome::Done { done } => match done.undo() {
                    Some(undo) => {
                        words.insert(*action, (at, Word::Changed(undo.clone())));
                    }
                    // It was gone or so already, and this run changed nothing; a later round finds gone what an earlier one
                    // removed.
                    None if matches!(done, Done::Gone | Done::Already) => forget(&mut words, action),
                    None => {}
                },
                Outcome::NotDone { .. } | Outcome::Drifted | Outcome::Skipped { .. } => forget(&mut words, action),
            },
            EventKind::Reconciled { action, state } => match state {
                Reconciled::Done { testimony } => match testimony.as_ref().and_then(Done::undo) {
                    Some(undo) => {
                        words.insert(*action, (at, Word::Changed(undo.clone())));
                    }
                    None if matches!(testimony, Some(Done::Gone | Done::Already)) => forget(&mut words, action),
                    None => {}
                },
                Reconciled::NotDone {} => forget(&mut words, action),
                Reconciled::Unknown { .. } => {}
            },
            _ => {}
        }
    }
    let (line, line_sha256) = line?;
    let (host, only) = (chain.host.clone()?, &selection.actions);
    let orders: HostOrders = serde_json::from_value(line.clone()).ok()?;
    let mut found: Vec<(usize, &Action, Word)> = words
        .into_iter()
        .filter(|(id, _)| only.is_empty() || only.contains(id))
        .filter_map(|(id, (at, word))| {
            let action = orders.actions.iter().find(|action| action.id == id)?;
            action.act.is_change().then_some((at, action, word))
        })
        .collect();
    found.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    let (mut steps, mut objects, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for (_, action, word) in found {
        let object = Object::of(&action.act);
        let way = match word {
            Word::Unknown => Err(NoWay::Unknown),
            // A reload changed nothing that could be taken back.
            Word::Changed(Undo::None) if matches!(action.act, Act::ReloadUnits { .. }) => continue,
            Word::Changed(Undo::None) => Err(NoWay::None),
            Word::Changed(undo) if !fits(&undo, &action.act) => Err(NoWay::DoesNotFit),
            Word::Changed(undo) => match undo.content() {
                Some(content) if !stored.contains(&content) => Err(NoWay::NotKept),
                _ => match selection.taken.left(&host, action.id, &undo, arming) {
                    Left::All => Ok(undo),
                    Left::Nothing => continue,
                    Left::Unknown => Err(NoWay::Unknown),
                },
            },
        };
        match way {
            Ok(undo) => {
                objects.push(object);
                steps.push(UndoStep {
                    action: action.id,
                    undo,
                    arming,
                });
            }
            Err(why) => without.push((action.id, object, why)),
        }
    }
    if steps.is_empty() && without.is_empty() {
        return None;
    }
    Some(HostUndo {
        host,
        order: TakeBack {
            // As it was planned: another machine may have answered under the name since.
            identity: orders.identity,
            steps,
        },
        objects,
        without,
        line,
        line_sha256,
    })
}

/// Whether a way back is about the object of the act: a host that lies gets no other one changed by it.
fn fits(undo: &Undo, act: &Act) -> bool {
    match (undo, act) {
        (Undo::RestoreFile { file }, Act::RemoveFile { file: planned })
        | (Undo::RestoreStarter { file }, Act::RemoveStarter { file: planned, .. })
        | (Undo::RestoreLines { file, .. }, Act::EditLines { file: planned, .. })
        | (Undo::SetFlags { file, .. }, Act::ClearFlags { file: planned, .. }) => file.path == planned.path,
        (Undo::RestoreLink { link }, Act::RemoveLink { link: planned }) => {
            link.path == planned.path && link.target == planned.target
        }
        (Undo::UnlockAccount { account, .. }, Act::LockAccount { account: planned }) => account == planned,
        (Undo::Unblock { address, .. }, Act::BlockAddress { address: planned, .. }) => address == planned,
        (Undo::EndIsolation { .. }, Act::Isolate { .. }) => true,
        (Undo::Unthrottle { process, .. }, Act::Throttle { process: planned }) => {
            (process.pid, process.start_ticks) == (planned.pid, planned.start_ticks)
        }
        (
            Undo::RunArgv { program, argv, .. },
            Act::RunArgv {
                program: planned,
                undo: Some(back),
                ..
            },
        ) => program.path == planned.path && program.sha256 == planned.sha256 && argv == back,
        _ => false,
    }
}

impl ApprovedUndo {
    /// The list, whole.
    pub fn plan(&self) -> &UndoPlan {
        &self.plan
    }

    /// What of it may be taken back, and who said so.
    pub fn approval(&self) -> &Approval {
        &self.approval
    }

    /// The hosts on which something may be taken back, by name.
    pub fn hosts(&self) -> impl Iterator<Item = &HostUndo> {
        let hosts = self.plan.hosts.iter();
        hosts.filter(|host| self.approval.hosts.contains_key(&host.host))
    }

    /// Takes back what is listed for one host. What happened stands in its chain; a host that could not be reached or was
    /// lost is no error here, and done again it finds done what was done.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn to_host(
        &self,
        host: &str,
        transport: &dyn Transport,
        vault: &Vault,
        sink: &mut dyn EventSink,
    ) -> Result<(), SinkError> {
        let Some(undo) = self.hosts().find(|undo| undo.host == host) else {
            return Ok(());
        };
        let name = Some(host);
        sink.record(
            name,
            EventKind::Planned {
                line: undo.line.clone(),
                sha256: undo.line_sha256,
                looked_at_ms: None,
            },
        )?;
        sink.record(
            name,
            EventKind::Undoing {
                of: self.plan.of.clone(),
                actions: undo.order.steps.iter().map(|step| step.action).collect(),
                arming: Some(self.plan.arming),
                because: self.plan.because.clone(),
                approver: self.approval.approver.clone(),
                means: self.approval.means.clone(),
            },
        )?;
        let link = match transport.connect(host).await {
            Ok(link) => link,
            Err(why) => {
                sink.record(name, EventKind::unreached(why))?;
                return sink.record(name, EventKind::HostFinished {});
            }
        };
        match drive(&link, undo, vault, sink).await {
            Ok(()) => {}
            Err(Broken::Host(why)) => {
                sink.record(name, EventKind::Lost { why })?;
                return Ok(());
            }
            Err(Broken::Sink(error)) => return Err(error),
        }
        // A worker that is gone by itself needs no good-bye.
        let _ = link.say(&ToWorker::Bye).await;
        sink.record(name, EventKind::HostFinished {})
    }
}

enum Broken {
    Host(HostError),
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

async fn drive(link: &Link, undo: &HostUndo, vault: &Vault, sink: &mut dyn EventSink) -> Result<(), Broken> {
    let host = Some(link.name());
    link.say(&ToWorker::TakeBack(Box::new(undo.order.clone()))).await?;
    let asked: BTreeSet<Digest> = undo.order.steps.iter().filter_map(|step| step.undo.content()).collect();
    let mut open: BTreeSet<ActionId> = undo.order.steps.iter().map(|step| step.action).collect();
    loop {
        let Incoming::Message(message) = link.hear().await? else {
            return Err(broken("evidence, while changes are taken back"));
        };
        match *message {
            // A host is given what it gave, and only what this list is about.
            FromWorker::Want { sha256 } if asked.contains(&sha256) => give(link, vault, &sha256).await?,
            FromWorker::Undone { action, result } if open.remove(&action) => {
                sink.record(host, EventKind::Undone { action, result })?;
            }
            FromWorker::TakenBack { refused: Some(why) } => {
                for action in &open {
                    let result = Err(why.clone());
                    sink.record(
                        host,
                        EventKind::Undone {
                            action: *action,
                            result,
                        },
                    )?;
                }
                return Ok(());
            }
            FromWorker::TakenBack { refused: None } => {
                for action in &open {
                    let why = HostError::Protocol {
                        why: "the worker passed it over".to_owned(),
                    };
                    let result = Err(why);
                    sink.record(
                        host,
                        EventKind::Undone {
                            action: *action,
                            result,
                        },
                    )?;
                }
                return Ok(());
            }
            _ => return Err(broken("something that is not of taking back")),
        }
    }
}

/// Sends a content of the vault, piece by piece.
async fn give(link: &Link, vault: &Vault, sha256: &Digest) -> Result<(), Broken> {
    // What the vault cannot give is told: that file stays as it is.
    let content = vault.content(sha256, limits::DIGEST_BYTES).ok();
    for piece in content.iter().flat_map(|content| content.chunks(frame::PIECE_BYTES)) {
        link.say_piece(piece).await?;
    }
    let found = content.is_some();
    Ok(link.say(&ToWorker::Given { found }).await?)
}

fn broken(why: &str) -> Broken {
    Broken::Host(HostError::Protocol { why: why.to_owned() })
}
