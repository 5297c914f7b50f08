//! One conversation with a worker, over any pair of streams.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use deminer_worker::frame::{self, FromWorker, Incoming, MAX_FRAME, PROTOCOL, ToWorker};
use deminer_worker::query::{Answer, HostError, Observed, Query};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};

use super::HostView;

/// How long a query may take beyond the time that it asks for itself.
const QUERY_GRACE: Duration = Duration::from_secs(120);

/// How long a worker may take to say hello.
const HELLO_TIME: Duration = Duration::from_secs(20);

type Waiting = Arc<Mutex<HashMap<u32, oneshot::Sender<Result<Observed<Answer>, HostError>>>>>;

/// A conversation. Queries may be asked from several tasks at once; what a transaction tells is heard by one.
pub struct Link {
    name: String,
    output: AsyncMutex<Box<dyn AsyncWrite + Send + Unpin>>,
    waiting: Waiting,
    told: AsyncMutex<mpsc::Receiver<Incoming>>,
    next: AtomicU32,
    ended: Arc<Mutex<Option<HostError>>>,
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
        });
        link.say(&ToWorker::Hello { protocol: PROTOCOL }).await?;
        match tokio::time::timeout(HELLO_TIME, link.hear()).await {
            Ok(Ok(Incoming::Message(message))) => match *message {
                FromWorker::Hello { protocol: PROTOCOL, .. } => Ok(link),
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

    /// Says something to the worker.
    ///
    /// # Errors
    /// When the link is lost.
    pub(crate) async fn say(&self, message: &ToWorker) -> Result<(), HostError> {
        let mut bytes = Vec::new();
        frame::send_message(&mut bytes, message).map_err(|error| HostError::Protocol { why: error.to_string() })?;
        let mut output = self.output.lock().await;
        let sent = async {
            output.write_all(&bytes).await?;
            output.flush().await
        };
        sent.await.map_err(|error| self.lost(&error.to_string()))
    }

    /// Waits for what the worker says next of itself; answers to queries go to who asked.
    ///
    /// # Errors
    /// When the link is lost, or what came is not of the protocol.
    pub(crate) async fn hear(&self) -> Result<Incoming, HostError> {
        match self.told.lock().await.recv().await {
            Some(incoming) => Ok(incoming),
            None => Err(self.lost("the worker ended")),
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
}

/// The time that a query takes by its own wish.
fn own_time(query: &Query) -> Duration {
    Duration::from_millis(match query {
        Query::Processes(query) => query.sample_ms,
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

async fn listen(
    mut input: impl AsyncRead + Send + Unpin,
    told: mpsc::Sender<Incoming>,
    waiting: Waiting,
    ended: Arc<Mutex<Option<HostError>>>,
) {
    let why = loop {
        match receive(&mut input).await {
            Ok(Incoming::Message(message)) => match *message {
                FromWorker::Answer { id, result } => {
                    let waits = waiting
                        .lock()
                        .unwrap_or_else(|poisoned| poisoned.into_inner())
                        .remove(&id);
                    if let Some(waits) = waits {
                        // Who asked may have given up meanwhile.
                        let _ = waits.send(result);
                    }
                }
                other => {
                    if told.send(Incoming::Message(Box::new(other))).await.is_err() {
                        return;
                    }
                }
            },
            Ok(piece) => {
                if told.send(piece).await.is_err() {
                    return;
                }
            }
            Err(why) => break why,
        }
    };
    *ended.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(why);
    waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clear();
}

/// Reads one frame; memory grows with what arrives, not with what is announced.
async fn receive(input: &mut (impl AsyncRead + Unpin)) -> Result<Incoming, HostError> {
    let lost = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => HostError::Lost {
            why: "the worker ended".to_owned(),
        },
        _ => HostError::Lost { why: error.to_string() },
    };
    let length = input.read_u32().await.map_err(lost)? as usize;
    if length == 0 || length > MAX_FRAME {
        return Err(HostError::Protocol {
            why: format!("a frame of {length} bytes"),
        });
    }
    let mut bytes = Vec::new();
    input.take(length as u64).read_to_end(&mut bytes).await.map_err(lost)?;
    if bytes.len() < length {
        return Err(HostError::Lost {
            why: "the worker ended within a frame".to_owned(),
        });
    }
    frame::decode_incoming(&bytes).map_err(|error| HostError::Protocol { why: error.to_string() })
}
