//! Events of a run, written down and shown: one sink that the tasks of all hosts share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deminer_engine::event::{EventKind, EventSink, SinkError};
use deminer_engine::journal::Journals;
use serde_json::Value;

use crate::render::progress::{Progress, ProgressSink};
use crate::render::screen::Screen;

/// Between two drawings of the live line.
const TICK: Duration = Duration::from_secs(1);

/// The sink. Clones write to the same journals and move the same progress.
#[derive(Clone)]
pub(super) struct Watched {
    sink: ProgressSink<Journals>,
    ended: Arc<AtomicBool>,
    death: Option<Arc<Death>>,
}

/// A controller that dies, for a test: nothing is written after the event.
struct Death {
    after: String,
    dead: AtomicBool,
}

impl Watched {
    /// The same, until an event of this kind was written.
    pub(super) fn dying_after(mut self, event: Option<&String>) -> Watched {
        self.death = event.map(|after| {
            Arc::new(Death {
                after: after.clone(),
                dead: AtomicBool::new(false),
            })
        });
        self
    }

    /// Writes to `journals`, shows on `screen`; `window` is how long verify will watch, where that is known.
    pub(super) fn new(journals: Journals, screen: &Screen, window: Option<Duration>) -> Watched {
        let progress = Progress::new(screen.clone());
        let progress = match window {
            Some(window) => progress.watching_for(window),
            None => progress,
        };
        let watched = Watched {
            sink: ProgressSink::new(journals, progress),
            ended: Arc::new(AtomicBool::new(false)),
            death: None,
        };
        let ticking = watched.clone();
        std::thread::spawn(move || {
            while !ticking.ended.load(Ordering::Relaxed) {
                ticking.sink.progress().tick();
                std::thread::sleep(TICK);
            }
        });
        watched
    }

    /// Takes the live line away; nothing is shown after it.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.sink.progress().end();
    }
}

impl EventSink for Watched {
    fn record(&mut self, host: Option<&str>, kind: EventKind) -> Result<(), SinkError> {
        let Some(death) = self.death.clone() else {
            return self.sink.record(host, kind);
        };
        if !death.dead.load(Ordering::Relaxed) {
            // What a transaction told has a name of its own.
            let after = Value::from(death.after.as_str());
            let is_it = |kind: Value| kind["kind"] == after || kind["event"]["event"] == after;
            let name = serde_json::to_value(&kind).map(is_it);
            self.sink.record(host, kind)?;
            death.dead.store(name.unwrap_or(false), Ordering::Relaxed);
        }
        match death.dead.load(Ordering::Relaxed) {
            true => Err(SinkError {
                path: host.unwrap_or("run").to_owned(),
                why: "the test lets the controller die here".to_owned(),
            }),
            false => Ok(()),
        }
    }
}
