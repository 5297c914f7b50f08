//! Events of a run, written down and shown: one sink that the tasks of all hosts share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deminer_engine::event::{EventKind, EventSink, SinkError};
use deminer_engine::journal::Journals;

use crate::render::progress::{Progress, ProgressSink};
use crate::render::screen::Screen;

/// Between two drawings of the live line.
const TICK: Duration = Duration::from_secs(1);

/// The sink. Clones write to the same journals and move the same progress.
#[derive(Clone)]
pub(super) struct Watched {
    sink: ProgressSink<Journals>,
    ended: Arc<AtomicBool>,
}

impl Watched {
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
        self.sink.record(host, kind)
    }
}
