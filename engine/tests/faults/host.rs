//! The simulated host with every call of its worker between two moments, and what its acts did.

use std::sync::{Arc, Mutex, PoisonError};

use deminer_engine::host::{Link, Transport};
use deminer_worker::action::{Act, Arming, Done, Object, ProcessTarget, Undo};
use deminer_worker::frame::{Part, TransactionEvent};
use deminer_worker::journal::{Record, Store};
use deminer_worker::platform::simulated::Simulated;
use deminer_worker::platform::{CaptureSink, Platform};
use deminer_worker::query::{Answer, HostError, Observed, Query};
use deminer_worker::serve::{Controller, serve};
use deminer_worker::text::{Digest, HostPath};

use crate::moment::{Kind, Moments, Side};
use crate::wire::{ControllerEnd, Wire, WorkerEnd};

/// The acts that changed something, in order, over all workers of a host.
pub(crate) type Deeds = Arc<Mutex<Vec<Act>>>;

/// A way to a simulated host; its workers pass these moments.
pub(crate) struct Way {
    simulated: Simulated,
    deeds: Deeds,
    moments: Arc<Moments>,
    wires: Mutex<Vec<(Arc<Wire>, std::thread::JoinHandle<()>)>>,
}

impl Way {
    pub(crate) fn new(simulated: &Simulated, deeds: &Deeds, moments: Arc<Moments>) -> Arc<Way> {
        Arc::new(Way {
            simulated: simulated.clone(),
            deeds: Arc::clone(deeds),
            moments,
            wires: Mutex::default(),
        })
    }

    /// Of the newest connection.
    pub(crate) fn wire(&self) -> Option<Arc<Wire>> {
        let wires = self.wires.lock().unwrap_or_else(PoisonError::into_inner);
        wires.last().map(|(wire, _)| Arc::clone(wire))
    }

    /// Lets all workers come to their end.
    pub(crate) fn end(&self) {
        let wires = std::mem::take(&mut *self.wires.lock().unwrap_or_else(PoisonError::into_inner));
        for (wire, worker) in wires {
            wire.cut();
            worker.join().expect("a worker ends, or is killed by the script");
        }
    }
}

#[async_trait::async_trait]
impl Transport for Way {
    async fn connect(&self, name: &str) -> Result<Arc<Link>, HostError> {
        let wire = Wire::new(&self.moments);
        let (of_worker, simulated, deeds) = (Arc::clone(&wire), self.simulated.clone(), Arc::clone(&self.deeds));
        let worker = std::thread::spawn(move || {
            let ended = simulated.run_worker(|simulated| {
                of_worker.wait_for_turn();
                let host = Host {
                    simulated: simulated.clone(),
                    wire: Arc::clone(&of_worker),
                    deeds,
                };
                let ends = || WorkerEnd(Arc::clone(&of_worker));
                serve(&host, &mut Controller::new(ends(), ends()));
            });
            // Killed by the script or not: the host has cleared up behind it.
            let _ = ended;
            of_worker.worker_ended();
        });
        let relayed = Arc::clone(&wire);
        tokio::spawn(async move {
            while !relayed.is_over() {
                relayed.let_worker_work();
                // Time stands still as long as anybody here has something to do.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        });
        let ends = || ControllerEnd(Arc::clone(&wire));
        let kept = (Arc::clone(&wire), worker);
        self.wires.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        Link::begin(name, ends(), ends()).await
    }
}

/// What a worker of such a host stands on.
struct Host {
    simulated: Simulated,
    wire: Arc<Wire>,
    deeds: Deeds,
}

impl Host {
    fn between<T>(&self, kind: Kind, what: &str, call: impl FnOnce() -> Result<T, HostError>) -> Result<T, HostError> {
        if std::thread::panicking() {
            let why = "it was killed".to_owned();
            return Err(HostError::Lost { why });
        }
        self.wire.at_worker(kind, Side::Before, what);
        let result = call();
        self.wire.at_worker(kind, Side::After, what);
        result
    }
}

impl Platform for Host {
    fn answer(&self, query: &Query) -> Result<Observed<Answer>, HostError> {
        self.between(Kind::Call, "answer", || self.simulated.answer(query))
    }

    fn act(&self, act: &Act) -> Result<Done, HostError> {
        self.between(Kind::Act, act.kind(), || {
            let done = self.simulated.act(act)?;
            if matches!(done, Done::Changed { .. } | Done::Ran { .. }) {
                let mut deeds = self.deeds.lock().unwrap_or_else(PoisonError::into_inner);
                deeds.push(act.clone());
            }
            Ok(done)
        })
    }

    fn thaw(&self, process: &ProcessTarget) -> Result<(), HostError> {
        self.between(Kind::Call, "thaw", || self.simulated.thaw(process))
    }

    fn undo(&self, undo: &Undo, content: Option<&[u8]>, arming: Arming) -> Result<Done, HostError> {
        self.between(Kind::Act, "undo", || self.simulated.undo(undo, content, arming))
    }

    fn capture(&self, object: &Object, parts: &[Part], sink: &mut dyn CaptureSink) -> Result<(), HostError> {
        self.between(Kind::Call, "capture", || self.simulated.capture(object, parts, sink))
    }

    fn lock(&self) -> Result<Box<dyn Send>, HostError> {
        self.between(Kind::Call, "lock", || self.simulated.lock())
    }

    fn arm(&self) -> Result<(), HostError> {
        self.between(Kind::Call, "arm", || self.simulated.arm())
    }

    fn committed(&self, proven: &[ProcessTarget]) -> Result<(), HostError> {
        self.between(Kind::Call, "committed", || self.simulated.committed(proven))
    }

    fn disarm(&self) {
        // A worker that is killed disarms nobody.
        let _ = self.between(Kind::Call, "disarm", || {
            self.simulated.disarm();
            Ok(())
        });
    }

    fn open_journal(&self, directory: &HostPath, spool_bytes: u64) -> Result<Box<dyn Store>, HostError> {
        let store = self.between(Kind::Call, "open the journal", || {
            self.simulated.open_journal(directory, spool_bytes)
        })?;
        Ok(Box::new(Lines {
            store,
            host: Host {
                simulated: self.simulated.clone(),
                wire: Arc::clone(&self.wire),
                deeds: Arc::clone(&self.deeds),
            },
        }))
    }

    fn tidy(&self, act: &Act) -> Result<(), HostError> {
        self.between(Kind::Call, "tidy", || self.simulated.tidy(act))
    }

    fn recall_journal(&self, directory: &HostPath) -> Result<Option<Vec<u8>>, HostError> {
        self.between(Kind::Call, "recall the journal", || {
            self.simulated.recall_journal(directory)
        })
    }

    fn recall_spool(&self, directory: &HostPath, take: &mut dyn FnMut(Digest, &[u8])) -> Result<(), HostError> {
        self.between(Kind::Call, "recall the spool", || {
            self.simulated.recall_spool(directory, take)
        })
    }

    fn forget_journal(&self, directory: &HostPath) -> Result<(), HostError> {
        self.between(Kind::Call, "forget the journal", || {
            self.simulated.forget_journal(directory)
        })
    }

    fn uptime_ms(&self) -> u64 {
        self.simulated.uptime_ms()
    }

    fn host_time_ms(&self) -> u64 {
        self.simulated.host_time_ms()
    }

    fn sleep_ms(&self, ms: u64) {
        // Sleep cannot fail.
        let _ = self.between(Kind::Call, "sleep", || {
            self.simulated.sleep_ms(ms);
            Ok(())
        });
    }
}

/// The host's own journal, line by line.
struct Lines {
    store: Box<dyn Store>,
    host: Host,
}

impl Store for Lines {
    fn append(&mut self, bytes: &[u8]) -> Result<(), HostError> {
        let kind = match serde_json::from_slice::<Record>(bytes).map(|record| record.event) {
            Ok(TransactionEvent::Intent { .. } | TransactionEvent::Struck { result: None, .. }) => Kind::Intent,
            Ok(TransactionEvent::Outcome { .. } | TransactionEvent::Struck { result: Some(_), .. }) => Kind::Outcome,
            _ => Kind::Call,
        };
        let Lines { store, host } = self;
        host.between(kind, "a line of the host's journal", || store.append(bytes))
    }

    fn spool(&mut self, sha256: Digest, bytes: &[u8]) -> Result<(), HostError> {
        let Lines { store, host } = self;
        host.between(Kind::Call, "the spool", || store.spool(sha256, bytes))
    }

    fn remove(self: Box<Self>) -> Result<(), HostError> {
        let Lines { store, host } = *self;
        host.between(Kind::Call, "remove the journal", || store.remove())
    }
}
