//! One conversation with a worker, over any pair of streams.
//!
//! What a host can make the controller hold is bounded: messages that wait to be heard (`QUEUE_BYTES`), the frame that is read
//! (`FREE_BYTES`, beyond that one frame in the whole process), and what a frame becomes once it is decoded (`few_enough`).
//! Together that is at most [`HELD_BYTES`] for each conversation, and [`HELD_ONCE_BYTES`] for the one that reads a longer frame.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use deminer_worker::frame::{self, FromWorker, Incoming, MAX_FRAME, PIECE_BYTES, PROTOCOL, ToWorker};
use deminer_worker::query::{Answer, HostError, Observed, Query};
use deminer_worker::text::HostBytes;
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

/// The bytes of one frame that are read without waiting for a turn.
const FREE_BYTES: usize = 32 << 20;

/// Held by the one conversation that reads and decodes a longer frame.
static LONG_FRAME: Semaphore = Semaphore::const_new(1);

/// How long the rest of a longer frame may take: who has the turn keeps others waiting.
const LONG_FRAME_TIME: Duration = Duration::from_secs(30);

/// What a conversation makes the controller hold at most, beside the answers that were given out.
pub const HELD_BYTES: usize = 256 << 20;

/// What the one that reads a longer frame makes it hold beside that.
pub const HELD_ONCE_BYTES: usize = 1 << 30;

/// The bytes of all answers of one conversation.
const ANSWERS_BYTES: usize = 1 << 30;

/// The bytes of a reason why there is no answer: it goes into the journal and before people.
const ERROR_BYTES: usize = 16 << 10;

/// The parts of a frame, with commas between them, that are decoded at most: each takes memory of its own, beside its bytes.
const PARTS: usize = 4 << 20;

/// No answer of ours has on the average shorter parts than this.
const BYTES_A_PART: usize = 8;

/// A frame with no more parts than this may have shorter ones.
const SHORT_PARTS: usize = 64 << 10;

/// The columns of a host's own words in a reason.
const SHOWN: usize = 300;

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
    /// Of a simulated host the moment at which it begins, and what the controller's clock said when it was first asked for.
    lives: OnceLock<u64>,
    since: OnceLock<u64>,
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
            lives: OnceLock::new(),
            since: OnceLock::new(),
        });
        link.say(&ToWorker::Hello { protocol: PROTOCOL }).await?;
        match tokio::time::timeout(HELLO_TIME, link.hear()).await {
            Ok(Ok(Incoming::Message(message))) => match *message {
                FromWorker::Hello { protocol: PROTOCOL, .. } => {
                    tokio::spawn(beat(Arc::downgrade(&link)));
                    Ok(link)
                }
                FromWorker::Hello { protocol, version, .. } => Err(HostError::Protocol {
                    why: format!(
                        "it speaks version {protocol} (Deminer {}), we speak {PROTOCOL}",
                        shown(&version)
                    ),
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

    /// Notes at which moment the host begins to live, in milliseconds since 1970.
    pub(super) fn lives_at(&self, moment_ms: u64) {
        // It is told once.
        let _ = self.lives.set(moment_ms);
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
            // Its answer is still waited for, so that it is known for one when it comes.
            Err(_) => Err(timed_out),
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

    fn beside(&self, now_ms: u64) -> Option<u64> {
        let Some(lives) = self.lives.get() else {
            return Some(now_ms);
        };
        let since = self.since.get_or_init(|| now_ms);
        Some(lives.saturating_add(now_ms.saturating_sub(*since)))
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
    let mut answered = 0_usize;
    let why = loop {
        let asked = || {
            let waiting = waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            !waiting.is_empty()
        };
        let (incoming, bytes) = match receive(&mut input, asked).await {
            Ok(received) => received,
            Err(why) => break why,
        };
        if let Incoming::Message(message) = incoming {
            match *message {
                FromWorker::Answer { id, result } => {
                    answered += bytes;
                    if answered > ANSWERS_BYTES {
                        break HostError::Protocol {
                            why: format!("answers of more than {ANSWERS_BYTES} bytes together"),
                        };
                    }
                    if result.is_err() && bytes > ERROR_BYTES {
                        break HostError::Protocol {
                            why: format!("a reason of {bytes} bytes"),
                        };
                    }
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

/// The longest that a frame may be which begins so; long answers are for who asked.
fn longest(beginning: &[u8], asked: impl Fn() -> bool) -> usize {
    match beginning.first() {
        Some(&frame::KIND_PIECE) => 5 + PIECE_BYTES,
        _ => BEGINNINGS
            .iter()
            .find(|(words, _)| beginning.starts_with(words))
            .filter(|_| asked() || !beginning.starts_with(BEGINNINGS[0].0))
            .map_or(MESSAGE_BYTES, |(_, limit)| *limit),
    }
}

/// Whether what a frame becomes in memory stays near its own length.
fn few_enough(frame: &[u8]) -> bool {
    frame.first() == Some(&frame::KIND_PIECE) || parts(frame) <= PARTS.min(SHORT_PARTS + frame.len() / BYTES_A_PART)
}

/// The commas of a JSON text outside of its strings.
fn parts(text: &[u8]) -> usize {
    let (mut parts, mut quoted, mut escaped) = (0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b',' if !quoted => parts += 1,
            _ => {}
        }
    }
    parts
}

/// A host's own words within a reason.
fn shown(said: &str) -> String {
    let escaped = HostBytes::new(said.chars().take(SHOWN).collect::<String>()).to_string();
    match escaped.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &escaped[..end]),
        None => escaped,
    }
}

/// Reads one frame, with its length; memory grows with what arrives, not with what is announced.
async fn receive(
    input: &mut (impl AsyncRead + Unpin),
    asked: impl Fn() -> bool,
) -> Result<(Incoming, usize), HostError> {
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
    read_up_to(input, length.min(32), &mut bytes).await.map_err(lost)?;
    if length > longest(&bytes, asked) {
        return Err(broken(length));
    }
    read_up_to(input, length.min(FREE_BYTES), &mut bytes)
        .await
        .map_err(lost)?;
    let _turn = match length > FREE_BYTES && bytes.len() == FREE_BYTES {
        true => {
            // It is never closed.
            let turn = LONG_FRAME.acquire().await.ok();
            match tokio::time::timeout(LONG_FRAME_TIME, read_up_to(input, length, &mut bytes)).await {
                Ok(read) => read.map_err(lost)?,
                Err(_) => {
                    return Err(HostError::TimedOut {
                        doing: format!("read the rest of an answer of {length} bytes"),
                        limit_ms: LONG_FRAME_TIME.as_millis() as u64,
                    });
                }
            }
            turn
        }
        false => None,
    };
    if bytes.len() < length {
        return Err(HostError::Lost {
            why: "the worker ended within a frame".to_owned(),
        });
    }
    if !few_enough(&bytes) {
        return Err(HostError::Protocol {
            why: format!("a frame of {length} bytes in too many parts"),
        });
    }
    let incoming = frame::decode_incoming(&bytes).map_err(|error| HostError::Protocol {
        why: shown(&error.to_string()),
    })?;
    Ok((incoming, length))
}

/// Reads until there are so many bytes, or no more come.
async fn read_up_to(input: &mut (impl AsyncRead + Unpin), length: usize, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    let missing = length.saturating_sub(bytes.len()) as u64;
    (&mut *input).take(missing).read_to_end(bytes).await.map(|_| ())
}

#[cfg(test)]
mod tests;
