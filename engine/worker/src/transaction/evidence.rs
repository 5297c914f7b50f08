//! Evidence on its way out: streamed to the controller, which answers when it is safe; after the commit, where nobody
//! listens, sealed in the host's own spool.

use std::collections::BTreeSet;

use sha2::Digest as _;

use crate::action::{ActionId, Object};
use crate::frame::{EvidenceItem, Part, ToWorker, TransactionEvent};
use crate::journal::HostJournal;
use crate::platform::{CaptureSink, Platform, item_of};
use crate::query::HostError;
use crate::serve::{Controller, Said};
use crate::text::{Digest, HostPath, Wide};

/// What is safe so far.
#[derive(Debug, Default)]
pub(super) struct Kept {
    digests: BTreeSet<Digest>,
}

impl Kept {
    /// Whether this content is safe.
    pub(super) fn has(&self, sha256: &Digest) -> bool {
        self.digests.contains(sha256)
    }
}

/// The parts of a process that are kept before it ends.
pub(super) const LIVE_PARTS: [Part; 5] = [Part::Exe, Part::Argv, Part::Environ, Part::Maps, Part::Fds];

/// Captures an object and waits until all of it is safe. Without a controller the journal's spool takes it.
///
/// A live part that cannot be read (another user's environment) is told and does not count against the object; its
/// content or executable does.
///
/// # Errors
/// When the object is gone or another, or what must be kept is not safe within `ms`.
pub(super) fn keep(
    platform: &dyn Platform,
    controller: &mut Controller,
    journal: Option<&mut HostJournal>,
    kept: &mut Kept,
    object: &Object,
    action: Option<ActionId>,
    ms: u64,
) -> Result<(), HostError> {
    let parts: &[Part] = match object {
        Object::File { .. } => &[Part::Content],
        Object::Process { .. } => &LIVE_PARTS,
    };
    keep_parts(platform, controller, journal, kept, object, parts, action, ms)
}

/// Keeps the executable of a process that still runs: it is the large part, and it does not change while it runs, so that
/// nothing need stand still for it. What fails here is tried again with the other parts.
pub(super) fn keep_executable(
    platform: &dyn Platform,
    controller: &mut Controller,
    kept: &mut Kept,
    object: &Object,
    action: ActionId,
    ms: u64,
) -> Result<(), HostError> {
    keep_parts(platform, controller, None, kept, object, &[Part::Exe], Some(action), ms)
}

#[expect(clippy::too_many_arguments, reason = "one capture's whole story, told once")]
fn keep_parts(
    platform: &dyn Platform,
    controller: &mut Controller,
    journal: Option<&mut HostJournal>,
    kept: &mut Kept,
    object: &Object,
    parts: &[Part],
    action: Option<ActionId>,
    ms: u64,
) -> Result<(), HostError> {
    let mut sink = Sink {
        controller,
        journal,
        kept,
        object,
        action,
        part: None,
        waiting: Vec::new(),
        missing: None,
    };
    platform.capture(object, parts, &mut sink)?;
    if let Some(why) = sink.missing.take() {
        return Err(why);
    }
    let waiting = std::mem::take(&mut sink.waiting);
    acknowledge(platform, controller, kept, waiting, ms)
}

/// Keeps bytes that were read already, as the content of a file at this moment, and waits until they are safe.
///
/// # Errors
/// When they are not safe within `ms`.
pub(super) fn keep_text(
    platform: &dyn Platform,
    controller: &mut Controller,
    kept: &mut Kept,
    path: &HostPath,
    text: &[u8],
    action: Option<ActionId>,
    ms: u64,
) -> Result<(), HostError> {
    let sha256 = Digest::of(text);
    let item = EvidenceItem {
        action,
        part: Part::Content,
        path: path.clone(),
        process: None,
        expected: None,
    };
    let number = controller.next_evidence();
    controller.tell(TransactionEvent::Keeping { number, item });
    controller.piece(number, text);
    controller.tell(TransactionEvent::KeptAll {
        number,
        sha256,
        size: Wide(text.len() as u64),
    });
    acknowledge(platform, controller, kept, vec![sha256], ms)
}

/// Waits until the controller has said of each that it is safe.
fn acknowledge(
    platform: &dyn Platform,
    controller: &mut Controller,
    kept: &mut Kept,
    mut waiting: Vec<Digest>,
    ms: u64,
) -> Result<(), HostError> {
    let unsafe_yet = |why: &str| HostError::Lost {
        why: format!("evidence was not acknowledged: {why}"),
    };
    let end = platform.uptime_ms() + ms;
    waiting.retain(|digest| !kept.has(digest));
    while !waiting.is_empty() {
        let left = end.saturating_sub(platform.uptime_ms());
        if left == 0 {
            return Err(HostError::TimedOut {
                doing: "wait until the evidence is safe".to_owned(),
                limit_ms: ms,
            });
        }
        match controller.wait(Some(left)) {
            Said::Message(ToWorker::Kept { sha256 }) => {
                kept.digests.insert(sha256);
                waiting.retain(|digest| *digest != sha256);
            }
            Said::Message(ToWorker::Abort) => return Err(unsafe_yet("the controller called it off")),
            Said::Message(_) => {}
            Said::Nothing => {
                return Err(HostError::TimedOut {
                    doing: "wait until the evidence is safe".to_owned(),
                    limit_ms: ms,
                });
            }
            Said::Lost => return Err(unsafe_yet("the link is lost")),
        }
    }
    Ok(())
}

struct Sink<'a> {
    controller: &'a mut Controller,
    journal: Option<&'a mut HostJournal>,
    kept: &'a mut Kept,
    object: &'a Object,
    action: Option<ActionId>,
    part: Option<Open>,
    waiting: Vec<Digest>,
    missing: Option<HostError>,
}

struct Open {
    item: EvidenceItem,
    number: u32,
    hash: sha2::Sha256,
    size: u64,
    /// The bytes, where nobody listens and the spool is to take them.
    spooled: Option<Vec<u8>>,
}

/// A part that the spool takes at most.
const SPOOL_PART_BYTES: usize = 64 << 20;

impl CaptureSink for Sink<'_> {
    fn begin(&mut self, part: Part) -> Result<bool, HostError> {
        let item = item_of(self.object, part, self.action);
        if item.expected.is_some_and(|digest| self.kept.has(&digest)) {
            return Ok(false);
        }
        let spooled = self.controller.is_lost().then(Vec::new);
        if spooled.is_some() && self.journal.is_none() {
            return Err(HostError::Lost {
                why: "nobody is there to take the evidence".to_owned(),
            });
        }
        let number = self.controller.next_evidence();
        self.controller.tell(TransactionEvent::Keeping {
            number,
            item: item.clone(),
        });
        self.part = Some(Open {
            item,
            number,
            hash: sha2::Sha256::new(),
            size: 0,
            spooled,
        });
        Ok(true)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), HostError> {
        let Some(open) = &mut self.part else { return Ok(()) };
        open.hash.update(bytes);
        open.size += bytes.len() as u64;
        match &mut open.spooled {
            Some(held) if held.len() + bytes.len() > SPOOL_PART_BYTES => Err(HostError::TooLarge {
                doing: format!("spool {}", open.item.path),
                limit: SPOOL_PART_BYTES as u64,
            }),
            Some(held) => {
                held.extend_from_slice(bytes);
                Ok(())
            }
            None => {
                self.controller.piece(open.number, bytes);
                Ok(())
            }
        }
    }

    fn end(&mut self) -> Result<(), HostError> {
        let Some(open) = self.part.take() else { return Ok(()) };
        let sha256 = Digest(open.hash.finalize().into());
        if let Some(expected) = open.item.expected.filter(|expected| *expected != sha256) {
            self.controller.tell(TransactionEvent::KeptAll {
                number: open.number,
                sha256,
                size: Wide(open.size),
            });
            return Err(HostError::Changed {
                doing: format!("keep {}", open.item.path),
                expected: format!("sha256 {}", expected.short()),
                found: format!("sha256 {}", sha256.short()),
            });
        }
        match (open.spooled, &mut self.journal) {
            (Some(held), Some(journal)) => {
                journal.spool(sha256, &held)?;
                self.kept.digests.insert(sha256);
            }
            _ => {
                self.controller.tell(TransactionEvent::KeptAll {
                    number: open.number,
                    sha256,
                    size: Wide(open.size),
                });
                self.waiting.push(sha256);
            }
        }
        Ok(())
    }

    fn missing(&mut self, part: Part, why: HostError) {
        self.part = None;
        let item = item_of(self.object, part, self.action);
        let essential = matches!(part, Part::Content | Part::Exe);
        if !(essential && item.expected.is_some_and(|digest| self.kept.has(&digest))) {
            self.controller
                .tell(TransactionEvent::NotKept { item, why: why.clone() });
            if essential {
                self.missing = Some(why);
            }
        }
    }
}
