//! Taking acts of an earlier transaction back: each as the act itself said how, on the machine that it was done on.
//!
//! Nothing is started by it. What a file held comes from the controller's vault, asked for file by file.

use serde::{Deserialize, Serialize};

use crate::action::{ActionId, Arming, Undo};
use crate::frame::{FromWorker, ToWorker};
use crate::platform::Platform;
use crate::query::{Answer, HostError, HostIdentity, Query, limits};
use crate::serve::{Controller, Said};
use crate::text::Digest;

/// How long the controller may take for the next piece of a content.
const PIECE_MS: u64 = 60_000;

/// What is to be taken back on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeBack {
    /// The host that the acts were done on; it may have been started anew since.
    pub identity: HostIdentity,
    /// In the order in which they are taken back.
    pub steps: Vec<UndoStep>,
}

/// One act to be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoStep {
    /// The action that did it.
    pub action: ActionId,
    /// How, as the act said.
    pub undo: Undo,
    /// Whether it may start something again.
    pub arming: Arming,
}

impl Undo {
    /// The content that it writes; `None` where it needs none.
    pub fn content(&self) -> Option<Digest> {
        match self {
            Undo::RestoreFile { file } | Undo::RestoreStarter { file } => Some(file.sha256),
            _ => None,
        }
    }
}

/// Takes back step by step, telling the controller of each. One that fails does not end the others.
pub fn run(platform: &dyn Platform, controller: &mut Controller, order: &TakeBack) {
    let result = begin(platform, order);
    let lock = match result {
        Ok(lock) => lock,
        Err(why) => {
            controller.say(&FromWorker::TakenBack { refused: Some(why) });
            return;
        }
    };
    for step in &order.steps {
        let result = match step.undo.content() {
            None => platform.undo(&step.undo, None, step.arming),
            Some(sha256) => match wanted(controller, sha256) {
                Ok(content) => platform.undo(&step.undo, content.as_deref(), step.arming),
                Err(why) => Err(why),
            },
        };
        let lost = matches!(result, Err(HostError::Lost { .. }));
        controller.say(&FromWorker::Undone {
            action: step.action,
            result,
        });
        if lost {
            return;
        }
    }
    drop(lock);
    controller.say(&FromWorker::TakenBack { refused: None });
}

/// Takes the host, and makes sure that it is the one meant.
fn begin(platform: &dyn Platform, order: &TakeBack) -> Result<Box<dyn Send>, HostError> {
    let lock = platform.lock()?;
    let doing = || "take changes back".to_owned();
    let Answer::Host(host) = platform.answer(&Query::Host {})?.value else {
        return Err(HostError::Failed {
            doing: doing(),
            why: "the host did not say what it is".to_owned(),
        });
    };
    if order.identity.is_same_machine(&host.identity) {
        return Ok(lock);
    }
    Err(HostError::Changed {
        doing: doing(),
        expected: "the machine that they were made on".to_owned(),
        found: "another machine".to_owned(),
    })
}

/// A content of the controller's vault; `None` where it has none.
fn wanted(controller: &mut Controller, sha256: Digest) -> Result<Option<Vec<u8>>, HostError> {
    controller.say(&FromWorker::Want { sha256 });
    let mut content = Vec::new();
    loop {
        match controller.wait(Some(PIECE_MS)) {
            Said::Message(ToWorker::Piece(bytes)) => {
                if (content.len() + bytes.len()) as u64 > limits::DIGEST_BYTES {
                    return Err(HostError::TooLarge {
                        doing: format!("take {} from the vault", sha256.short()),
                        limit: limits::DIGEST_BYTES,
                    });
                }
                content.extend_from_slice(&bytes);
            }
            Said::Message(ToWorker::Given { found }) => return Ok(found.then_some(content)),
            Said::Message(_) => {}
            Said::Nothing => {
                return Err(HostError::TimedOut {
                    doing: format!("take {} from the vault", sha256.short()),
                    limit_ms: PIECE_MS,
                });
            }
            Said::Lost => {
                return Err(HostError::Lost {
                    why: "the controller ended".to_owned(),
                });
            }
        }
    }
}
