//! How questions, orders and evidence travel: frames of a length, a kind and a payload.
//!
//! A frame is four bytes of length (big endian, of what follows), one byte of kind, then the payload: JSON for a message,
//! four bytes of evidence number and raw bytes for a piece of evidence. A frame longer than [`MAX_FRAME`] ends the
//! conversation, whatever its sender is.

use std::io::{self, Read, Write};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::action::{Act, ActionId, Done};
use crate::order::Begin;
use crate::query::{Answer, Coverage, HostError, Observed, Process, Query};
use crate::take_back::TakeBack;
use crate::text::{Digest, HostBytes, HostPath, Wide};

/// The version of what travels. Both ends must have the same.
pub const PROTOCOL: u32 = 2;

/// How often a controller says [`ToWorker::Here`].
pub const BEAT: Duration = Duration::from_secs(10);

/// A controller that said so and then says nothing for so long is gone: a network that ends without a word closes no
/// channel, and what stands still must not wait for it.
pub const SILENT: Duration = Duration::from_secs(60);

/// How long the controller may leave unread what a worker says.
pub const UNREAD: Duration = Duration::from_secs(30);

/// The longest frame.
pub const MAX_FRAME: usize = crate::query::limits::ANSWER_BYTES;

/// The bytes of evidence in one frame.
pub const PIECE_BYTES: usize = 256 << 10;

/// From the controller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case", deny_unknown_fields)]
pub enum ToWorker {
    /// The first frame.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
    },
    /// It is there; said every [`BEAT`], unasked and unanswered.
    Here,
    /// A question.
    Ask {
        /// Comes back with the answer.
        id: u32,
        /// What.
        query: Query,
    },
    /// Begin the transaction.
    Begin(Box<Begin>),
    /// This evidence is safe: stored, read back, hashed.
    Kept {
        /// What was stored.
        sha256: Digest,
    },
    /// What was told last is written down: [`TransactionEvent::Containing`] or [`TransactionEvent::Contained`].
    Noted,
    /// Go on past the point of no return; the controller has written it down.
    Commit,
    /// Do not go on: thaw.
    Abort,
    /// What does this journal say? Where no transaction is at work, what a dead one left half done is put in order first. The spool comes first, unless a transaction is at work: each item as
    /// [`TransactionEvent::Keeping`], its pieces and [`TransactionEvent::KeptAll`], or what of it cannot be read as
    /// [`TransactionEvent::NotKept`]. Then follows [`FromWorker::Recalled`].
    Recall {
        /// The directory that the plan named.
        journal: HostPath,
        /// What the transaction was to carry out.
        acts: Vec<Act>,
    },
    /// Remove this journal and its spool; it is imported.
    Forget {
        /// The directory that the plan named.
        journal: HostPath,
    },
    /// Take acts of an earlier transaction back.
    TakeBack(Box<TakeBack>),
    /// Bytes of the content that [`FromWorker::Want`] asked for. Travels as a frame of its own kind.
    #[serde(skip)]
    Piece(Vec<u8>),
    /// All pieces of the content were sent.
    Given {
        /// Whether the vault has it; without it no piece was sent.
        found: bool,
    },
    /// Nothing more will be said.
    Bye,
}

/// From the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromWorker {
    /// The first frame.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The version of the program.
        version: String,
        /// Its pid on the host.
        pid: u32,
    },
    /// An answer.
    Answer {
        /// Of the question.
        id: u32,
        /// The answer or why there is none.
        result: Result<Observed<Answer>, HostError>,
    },
    /// Something happened in the transaction.
    Event(TransactionEvent),
    /// A journal, record by record; empty where there is none.
    Recalled {
        /// In the order written.
        records: Vec<crate::journal::Record>,
        /// Whether a transaction is still at work on the host.
        busy: bool,
        /// Why something stays half done; `None` where nothing does, and while one is at work.
        left: Option<HostError>,
    },
    /// The journal is gone.
    Forgotten {
        /// Or why not.
        result: Result<(), HostError>,
    },
    /// The content of a file is needed, for what is taken back next.
    Want {
        /// Which.
        sha256: Digest,
    },
    /// An act was taken back, or was not.
    Undone {
        /// The action.
        action: ActionId,
        /// What was found and done, or why nothing was.
        result: Result<Done, HostError>,
    },
    /// Nothing more is taken back.
    TakenBack {
        /// Why nothing was, where the host refused to begin.
        refused: Option<HostError>,
    },
}

/// One frame from a worker.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// A message.
    Message(Box<FromWorker>),
    /// Bytes of the evidence that [`TransactionEvent::Keeping`] announced.
    Piece {
        /// The number announced.
        number: u32,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// What a transaction tells, in order. The controller writes each down; nothing else is known of a host's changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum TransactionEvent {
    /// The orders were checked here, the host is locked and the one that the plan names.
    Started {},
    /// The transaction ends before anything was changed.
    Refused {
        /// Why.
        why: String,
        /// What kind of why.
        kind: RefusalKind,
    },
    /// Bytes follow, as pieces with this number.
    Keeping {
        /// Counts up from 1 in a conversation.
        number: u32,
        /// What is kept.
        item: EvidenceItem,
    },
    /// All pieces of this number were sent.
    KeptAll {
        /// The number.
        number: u32,
        /// Of all pieces together.
        sha256: Digest,
        /// Bytes.
        size: Wide,
    },
    /// Some evidence could not be had.
    NotKept {
        /// What.
        item: EvidenceItem,
        /// Why.
        why: HostError,
    },
    /// These acts come next; they last beyond the transaction, so they wait for [`ToWorker::Noted`].
    Containing {
        /// Which.
        actions: Vec<ActionId>,
    },
    /// Packets are held back, for a short time as yet: it is made to last once [`ToWorker::Noted`] comes through.
    Contained {},
    /// A process stands still.
    Frozen {
        /// The freeze that asked for it; `None` for one born within the envelope.
        action: Option<ActionId>,
        /// Its pid.
        pid: u32,
        /// Its start time.
        start_ticks: Wide,
    },
    /// A process that the plan could not know matches the envelope and is treated as one of its component.
    Born {
        /// The component.
        component: u32,
        /// The process.
        process: Box<Process>,
    },
    /// A process fits the envelope of a component, and is left alone.
    Spared {
        /// The component.
        component: u32,
        /// The process.
        process: Box<Process>,
        /// Why.
        why: Spared,
    },
    /// A component is not what it was: none of its actions is carried out.
    Drifted {
        /// The component.
        component: u32,
        /// The action whose target differs.
        action: ActionId,
        /// What differs.
        why: HostError,
    },
    /// All that stands in the component and is needed is frozen and kept: the controller may commit.
    Ready {
        /// For how long the first has stood still.
        frozen_ms: u64,
        /// Actions that will be carried out.
        actions: Vec<ActionId>,
    },
    /// The point of no return is passed.
    Committed {},
    /// An action begins. On the host's disk before it is begun.
    Intent {
        /// Which.
        action: ActionId,
    },
    /// An action ended.
    Outcome {
        /// Which.
        action: ActionId,
        /// How.
        outcome: Outcome,
    },
    /// A process born within the envelope is ended, or was not. Without a result: the intent, on the host's disk only.
    Struck {
        /// The component.
        component: u32,
        /// Its pid.
        pid: u32,
        /// Its start time.
        start_ticks: Wide,
        /// How it ended.
        result: Option<Result<Done, HostError>>,
    },
    /// Somebody else still holds a removed file.
    StillHeld {
        /// The file.
        path: HostPath,
        /// Who.
        pid: u32,
        /// Its name.
        comm: HostBytes,
    },
    /// A fresh look after the stroke.
    Looked {
        /// From 1.
        round: u32,
        /// Processes within the envelope that were struck in it.
        struck: u32,
        /// What could not be seen.
        coverage: Coverage,
    },
    /// A process runs again: it was not proven, or its component drifted.
    Thawed {
        /// Its pid.
        pid: u32,
        /// Its start time.
        start_ticks: Wide,
    },
    /// The transaction ended.
    Finished {
        /// How.
        end: End,
        /// From the first freeze to the last act, in milliseconds.
        stroke_ms: u64,
        /// Processes still standing still by our hand; 0 unless the host is in trouble.
        frozen: u32,
    },
}

/// Why a process that fits an envelope is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "spared", rename_all = "snake_case", deny_unknown_fields)]
pub enum Spared {
    /// It ran before the host was looked at.
    Older {},
    /// What it runs is a package's.
    Owned {
        /// The package.
        package: String,
    },
    /// Whose that is could not be asked.
    NotTold {},
    /// It is protected.
    Protected {
        /// By which rule.
        rule: String,
    },
    /// As many were taken already as the envelope admits.
    Beyond {
        /// So many.
        limit: u32,
    },
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Done, or found done.
    Done {
        /// What was found and how it is taken back.
        done: Done,
    },
    /// Not done, and the target is as it was.
    NotDone {
        /// Why.
        why: HostError,
    },
    /// Left alone since its component drifted.
    Drifted,
    /// Left alone since something it needs was not done.
    Skipped {
        /// What.
        needs: ActionId,
    },
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It ended before the commit; nothing but evidence was taken, everything runs.
    Aborted,
    /// The stage that it was to reach is reached, before the commit.
    Held,
    /// It went through the stroke.
    Struck,
}

/// Why a transaction refused to begin or ended before the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The orders do not fit the approval.
    Orders,
    /// Another Deminer works here.
    Busy,
    /// Another machine, or it was started anew since the plan.
    OtherHost,
    /// What must be kept could not be kept.
    Evidence,
    /// No commit came in time, or the link was lost.
    NoCommit,
    /// The host could not do what a stroke needs (no keeper, no journal).
    Host,
}

/// What one piece of evidence is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceItem {
    /// The action that needs it; `None` for a process born within the envelope.
    pub action: Option<ActionId>,
    /// Which part of the object.
    pub part: Part,
    /// The file's path, or the executable's.
    pub path: HostPath,
    /// The process, by pid and start; `None` for a file.
    pub process: Option<(u32, Wide)>,
    /// The digest that the plan has for it; what is kept must have it too. `None` for what only exists now.
    pub expected: Option<Digest>,
}

/// The parts of an object that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A file's content.
    Content,
    /// A process's executable, read through `/proc/PID/exe`.
    Exe,
    /// The whole command line.
    Argv,
    /// The environment.
    Environ,
    /// The memory map.
    Maps,
    /// The open files.
    Fds,
}

const KIND_MESSAGE: u8 = 1;

/// The kind of a frame with a piece of evidence: its first byte after the length.
pub const KIND_PIECE: u8 = 2;

/// A frame that cannot be sent or understood.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other end is gone: no more frames.
    #[error("the other end is gone")]
    Closed,
    /// The link failed.
    #[error("the link failed: {0}")]
    Io(#[from] io::Error),
    /// A length beyond the limit.
    #[error("a frame of {0} bytes, more than {MAX_FRAME}")]
    TooLong(usize),
    /// A payload that is not what its kind says.
    #[error("a frame that cannot be read: {0}")]
    Malformed(String),
}

fn send(out: &mut impl Write, kind: u8, head: &[u8], payload: &[u8]) -> Result<(), FrameError> {
    let length = 1 + head.len() + payload.len();
    if length > MAX_FRAME {
        return Err(FrameError::TooLong(length));
    }
    let mut frame = Vec::with_capacity(4 + length);
    // A frame's length fits 32 bits, since MAX_FRAME does.
    frame.extend_from_slice(&(length as u32).to_be_bytes());
    frame.push(kind);
    frame.extend_from_slice(head);
    frame.extend_from_slice(payload);
    out.write_all(&frame)?;
    out.flush()?;
    Ok(())
}

/// Sends a message.
///
/// # Errors
/// When the link fails, or the message is longer than a frame may be.
pub fn send_message<T: Serialize>(out: &mut impl Write, message: &T) -> Result<(), FrameError> {
    let payload = serde_json::to_vec(message).map_err(|error| FrameError::Malformed(error.to_string()))?;
    send(out, KIND_MESSAGE, &[], &payload)
}

/// Sends a piece of evidence, [`PIECE_BYTES`] at most.
///
/// # Errors
/// When the link fails.
pub fn send_piece(out: &mut impl Write, number: u32, bytes: &[u8]) -> Result<(), FrameError> {
    send(out, KIND_PIECE, &number.to_be_bytes(), bytes)
}

/// Reads the kind and payload of the next frame; memory grows with what arrives, not with what is announced.
fn receive(input: &mut impl Read) -> Result<(u8, Vec<u8>), FrameError> {
    let mut length = [0; 4];
    let mut got = 0;
    while got < 4 {
        match input.read(&mut length[got..]) {
            Ok(0) if got == 0 => return Err(FrameError::Closed),
            Ok(0) => return Err(FrameError::Malformed("ends within its length".to_owned())),
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let length = u32::from_be_bytes(length) as usize;
    if length == 0 || length > MAX_FRAME {
        return Err(FrameError::TooLong(length));
    }
    let mut frame = Vec::new();
    input.take(length as u64).read_to_end(&mut frame)?;
    if frame.len() < length {
        return Err(FrameError::Malformed("ends within its payload".to_owned()));
    }
    let payload = frame.split_off(1);
    Ok((frame[0], payload))
}

fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(payload).map_err(|error| FrameError::Malformed(error.to_string()))
}

/// Reads the controller's next message.
///
/// # Errors
/// When the link ended or what came is no message.
pub fn receive_order(input: &mut impl Read) -> Result<ToWorker, FrameError> {
    match receive(input)? {
        (KIND_MESSAGE, payload) => decode(&payload),
        (KIND_PIECE, mut payload) if payload.len() >= 4 => Ok(ToWorker::Piece(payload.split_off(4))),
        (kind, _) => Err(FrameError::Malformed(format!("kind {kind}"))),
    }
}

/// Reads the worker's next frame.
///
/// # Errors
/// When the link ended or what came is no frame of a worker.
pub fn receive_incoming(input: &mut impl Read) -> Result<Incoming, FrameError> {
    let (kind, payload) = receive(input)?;
    decode_kind(kind, &payload)
}

/// Decodes one whole frame of a worker, length left out.
///
/// # Errors
/// When it is not one that this version understands.
pub fn decode_incoming(frame: &[u8]) -> Result<Incoming, FrameError> {
    match frame.split_first() {
        Some((&kind, payload)) => decode_kind(kind, payload),
        None => Err(FrameError::Malformed("empty".to_owned())),
    }
}

fn decode_kind(kind: u8, payload: &[u8]) -> Result<Incoming, FrameError> {
    match (kind, payload) {
        (KIND_MESSAGE, payload) => decode(payload).map(|message| Incoming::Message(Box::new(message))),
        (KIND_PIECE, [a, b, c, d, bytes @ ..]) => Ok(Incoming::Piece {
            number: u32::from_be_bytes([*a, *b, *c, *d]),
            bytes: bytes.to_vec(),
        }),
        (kind, _) => Err(FrameError::Malformed(format!("kind {kind}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes: Vec<u8>) {
            let _ = decode_incoming(&bytes);
            let _ = receive_incoming(&mut &bytes[..]);
            let _ = receive_order(&mut &bytes[..]);
        }

        #[test]
        fn pieces_travel(number: u32, bytes: Vec<u8>) {
            let mut sent = Vec::new();
            send_piece(&mut sent, number, &bytes).expect("memory takes all");
            let received = receive_incoming(&mut &sent[..]).expect("own frame reads back");
            prop_assert_eq!(received, Incoming::Piece { number, bytes });
        }
    }

    #[test]
    fn announced_lengths_cost_nothing() {
        let mut announced = u32::MAX.to_be_bytes().to_vec();
        assert!(
            matches!(receive_order(&mut &announced[..]), Err(FrameError::TooLong(_))),
            "4 GiB"
        );
        announced = 200_000_000u32.to_be_bytes().to_vec();
        announced.extend_from_slice(b"\x01short");
        assert!(
            matches!(receive_order(&mut &announced[..]), Err(FrameError::Malformed(_))),
            "ends early"
        );
    }
}
