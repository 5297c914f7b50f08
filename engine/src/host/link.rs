//! One conversation with a worker, over any pair of streams.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use deminer_worker::frame::{self, FromWorker, Incoming, MAX_FRAME, PIECE_BYTES, PROTOCOL, ToWorker};
use deminer_worker::query::{Answer, HostError, Observed, Query};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{Arrival, HostView};

/// How long a query may take beyond the time that it asks for itself.
const QUERY_GRACE: Duration = Duration::from_secs(120);

/// How long a worker may take to say hello.
const HELLO_TIME: Duration = Duration::from_secs(20);

/// How long a worker that works for us may say nothing: longer than a stroke waits for the next full minute, and than
/// the largest piece of evidence takes to read.
const SILENCE: Duration = Duration::from_secs(600);

/// How long a worker may leave unread what we say.
const SAY_TIME: Duration = Duration::from_secs(120);

/// The bytes of frames that wait to be heard. One journal must fit.
const QUEUE_BYTES: usize = 32 << 20;

/// The longest frame of a journal that is told: the longest that a worker reads back, told with its records' frame.
const RECALLED_BYTES: usize = 24 << 20;

/// The longest frame of any other message that is no answer.
const MESSAGE_BYTES: usize = 4 << 20;

/// How a message begins that may be longer.
const BEGINNINGS: [(&[u8], usize); 2] = [
    (b"\x01{\"say\":\"answer\"", MAX_FRAME),
    (b"\x01{\"say\":\"recalled\"", RECALLED_BYTES),
];

/// What was heard, with its length on the wire. It counts as waiting until this is dropped.
struct Heard {
    incoming: Incoming,
    bytes: usize,
    _room: OwnedSemaphorePermit,
}

type Waiting = Arc<Mutex<HashMap<u32, oneshot::Sender<Result<Observed<Answer>, HostError>>>>>;

/// A conversation. Queries may be asked from several tasks at once; what a transaction tells is heard by one.
pub struct Link {
    name: String,
    output: AsyncMutex<Box<dyn AsyncWrite + Send + Unpin>>,
    waiting: Waiting,
    told: AsyncMutex<mpsc::Receiver<Heard>>,
    next: AtomicU32,
    ended: Arc<Mutex<Option<HostError>>>,
    arrival: OnceLock<Arrival>,
}

impl Link {
    /// Says hello and waits for the worker's.
    ///
    /// # Errors
    /// When no worker answers in time, or one of another protocol.
    pub async fn begin(
        name: &str,
        input: impl AsyncRead + Send + Unpin + 'static,
        output: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Arc<Link>, HostError> {
        let waiting = Waiting::default();
        let ended = Arc::new(Mutex::new(None));
        let (sender, told) = mpsc::channel(256);
        tokio::spawn(listen(input, sender, Arc::clone(&waiting), Arc::clone(&ended)));
        let link = Arc::new(Link {
            name: name.to_owned(),
            output: AsyncMutex::new(Box::new(output)),
            waiting,
            told: AsyncMutex::new(told),
            next: AtomicU32::new(1),
            ended,
            arrival: OnceLock::new(),
        });
        link.say(&ToWorker::Hello { protocol: PROTOCOL }).await?;
        match tokio::time::timeout(HELLO_TIME, link.hear()).await {
            Ok(Ok(Incoming::Message(message))) => match *message {
                FromWorker::Hello { protocol: PROTOCOL, .. } => {
                    tokio::spawn(beat(Arc::downgrade(&link)));
                    Ok(link)
                }
                FromWorker::Hello { protocol, version, .. } => Err(HostError::Protocol {
                    why: format!("it speaks version {protocol} (Deminer {version}), we speak {PROTOCOL}"),
                }),
                _ => Err(HostError::Protocol {
                    why: "its first frame is no hello".to_owned(),
                }),
            },
            Ok(Ok(_)) => Err(HostError::Protocol {
                why: "its first frame is no hello".to_owned(),
            }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(HostError::TimedOut {
                doing: "wait for the worker to begin".to_owned(),
                limit_ms: HELLO_TIME.as_millis() as u64,
            }),
        }
    }

    /// The host's name in the run.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Notes how the worker came there.
    pub(super) fn arrived(&self, arrival: Arrival) {
        // It is told once.
        let _ = self.arrival.set(arrival);
    }

    /// Says something to the worker.
    ///
    /// # Errors
    /// When the link is lost.
    pub(crate) async fn say(&self, message: &ToWorker) -> Result<(), HostError> {
        let mut bytes = Vec::new();
        frame::send_message(&mut bytes, message).map_err(|error| HostError::Protocol { why: error.to_string() })?;
        self.send(&bytes).await
    }

    async fn send(&self, bytes: &[u8]) -> Result<(), HostError> {
        let sent = async {
            let mut output = self.output.lock().await;
            output.write_all(bytes).await?;
            output.flush().await
        };
        match tokio::time::timeout(SAY_TIME, sent).await {
            Ok(sent) => sent.map_err(|error| self.lost(&error.to_string())),
            Err(_) => Err(HostError::TimedOut {
                doing: "tell the worker something".to_owned(),
                limit_ms: SAY_TIME.as_millis() as u64,
            }),
        }
    }

    /// Sends a piece of a content that the worker asked for.
    ///
    /// # Errors
    /// When the link is lost.
    pub(crate) async fn say_piece(&self, piece: &[u8]) -> Result<(), HostError> {
        let mut bytes = Vec::with_capacity(piece.len() + 9);
        frame::send_piece(&mut bytes, 0, piece).map_err(|error| HostError::Protocol { why: error.to_string() })?;
        self.send(&bytes).await
    }

    /// Waits for what the worker says next of itself; answers to queries go to who asked.
    ///
    /// # Errors
    /// When the link is lost, the worker is silent for too long, or what came is not of the protocol.
    pub(crate) async fn hear(&self) -> Result<Incoming, HostError> {
        self.hear_sized().await.map(|(incoming, _)| incoming)
    }

    /// As [`Self::hear`], with the bytes that it took on the wire.
    pub(crate) async fn hear_sized(&self) -> Result<(Incoming, usize), HostError> {
        let mut told = self.told.lock().await;
        match tokio::time::timeout(SILENCE, told.recv()).await {
            Ok(Some(heard)) => Ok((heard.incoming, heard.bytes)),
            Ok(None) => Err(self.lost("the worker ended")),
            Err(_) => Err(HostError::TimedOut {
                doing: "wait for the worker to say something".to_owned(),
                limit_ms: SILENCE.as_millis() as u64,
            }),
        }
    }

    fn lost(&self, why: &str) -> HostError {
        let ended = self.ended.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        ended.clone().unwrap_or(HostError::Lost { why: why.to_owned() })
    }

    async fn ask(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let limit = QUERY_GRACE + own_time(&query);
        let (sender, receiver) = oneshot::channel();
        self.waiting
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .insert(id, sender);
        if let Some(ended) = self
            .ended
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
        {
            return Err(ended);
        }
        let doing = || format!("answer `{}`", kind_of(&query));
        let timed_out = HostError::TimedOut {
            doing: doing(),
            limit_ms: limit.as_millis() as u64,
        };
        self.say(&ToWorker::Ask { id, query }).await?;
        match tokio::time::timeout(limit, receiver).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(self.lost("the worker ended")),
            Err(_) => {
                self.waiting
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner())
                    .remove(&id);
                Err(timed_out)
            }
        }
    }
}

#[async_trait]
impl HostView for Link {
    fn name(&self) -> &str {
        &self.name
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        self.ask(query).await
    }

    fn arrival(&self) -> Option<&Arrival> {
        self.arrival.get()
    }
}

/// The time that a query takes by its own wish.
fn own_time(query: &Query) -> Duration {
    Duration::from_millis(match query {
        Query::Processes(query) => query.sample_ms,
        Query::Resources { sample_ms } => *sample_ms,
        Query::Command(command) => command.timeout_ms,
        Query::Watch(watch) => watch.for_ms,
        _ => 0,
    })
}

/// The name of a query's kind.
fn kind_of(query: &Query) -> String {
    let kind = serde_json::to_value(query)
        .ok()
        .and_then(|value| Some(value.get("query")?.as_str()?.to_owned()));
    kind.unwrap_or_default()
}

/// Says that we are there, for as long as the link is.
async fn beat(link: Weak<Link>) {
    loop {
        let Some(link) = link.upgrade() else { return };
        if link.say(&ToWorker::Here).await.is_err() {
            return;
        }
        drop(link);
        tokio::time::sleep(frame::BEAT).await;
    }
}

async fn listen(
    mut input: impl AsyncRead + Send + Unpin,
    told: mpsc::Sender<Heard>,
    waiting: Waiting,
    ended: Arc<Mutex<Option<HostError>>>,
) {
    let room = Arc::new(Semaphore::new(QUEUE_BYTES));
    let why = loop {
        let (incoming, bytes) = match receive(&mut input).await {
            Ok(received) => received,
            Err(why) => break why,
        };
        if let Incoming::Message(message) = incoming {
            match *message {
                FromWorker::Answer { id, result } => {
                    let waits = waiting
                        .lock()
                        .unwrap_or_else(|poisoned| poisoned.into_inner())
                        .remove(&id);
                    if let Some(waits) = waits {
                        // Who asked may have given up meanwhile.
                        let _ = waits.send(result);
                    }
                    continue;
                }
                other => {
                    if !queue(&told, &room, Incoming::Message(Box::new(other)), bytes).await {
                        return;
                    }
                }
            }
        } else if !queue(&told, &room, incoming, bytes).await {
            return;
        }
    };
    *ended.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(why);
    waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clear();
}

/// Lets something wait to be heard, once there is room; false where nobody will hear it.
async fn queue(told: &mpsc::Sender<Heard>, room: &Arc<Semaphore>, incoming: Incoming, bytes: usize) -> bool {
    // No frame that is queued is as long as the queue, so that its length fits and room comes.
    let share = u32::try_from(bytes.min(QUEUE_BYTES)).unwrap_or(u32::MAX);
    let taken = tokio::select! {
        taken = Arc::clone(room).acquire_many_owned(share) => taken,
        () = told.closed() => return false,
    };
    let Ok(room) = taken else { return false };
    let heard = Heard {
        incoming,
        bytes,
        _room: room,
    };
    told.send(heard).await.is_ok()
}

/// The longest that a frame may be which begins so.
fn longest(beginning: &[u8]) -> usize {
    match beginning.first() {
        Some(&frame::KIND_PIECE) => 5 + PIECE_BYTES,
        _ => BEGINNINGS
            .iter()
            .find(|(words, _)| beginning.starts_with(words))
            .map_or(MESSAGE_BYTES, |(_, limit)| *limit),
    }
}

/// Reads one frame, with its length; memory grows with what arrives, not with what is announced.
async fn receive(input: &mut (impl AsyncRead + Unpin)) -> Result<(Incoming, usize), HostError> {
    let lost = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => HostError::Lost {
            why: "the worker ended".to_owned(),
        },
        _ => HostError::Lost { why: error.to_string() },
    };
    let broken = |length: usize| HostError::Protocol {
        why: format!("a frame of {length} bytes"),
    };
    let length = input.read_u32().await.map_err(lost)? as usize;
    if length == 0 || length > MAX_FRAME {
        return Err(broken(length));
    }
    let mut bytes = Vec::new();
    let beginning = length.min(32) as u64;
    (&mut *input)
        .take(beginning)
        .read_to_end(&mut bytes)
        .await
        .map_err(lost)?;
    if length > longest(&bytes) {
        return Err(broken(length));
    }
    let rest = (length as u64).saturating_sub(beginning);
    (&mut *input).take(rest).read_to_end(&mut bytes).await.map_err(lost)?;
    if bytes.len() < length {
        return Err(HostError::Lost {
            why: "the worker ended within a frame".to_owned(),
        });
    }
    let incoming = frame::decode_incoming(&bytes).map_err(|error| HostError::Protocol { why: error.to_string() })?;
    Ok((incoming, length))
}

#[cfg(test)]
mod tests;
