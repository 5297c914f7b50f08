//! What goes on, while it goes on: one live line on a terminal, a line a stage anywhere else. Always on stderr.
//!
//! Progress is made from the same events that the journal gets, so it says nothing that was not written down.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use deminer_engine::event::{EventKind, EventSink, SinkError, StepEnd};
use deminer_worker::action::ActionId;
use deminer_worker::frame::{End, Outcome, TransactionEvent};

use super::object::short_id;
use super::plain::{cut, plain};
use super::screen::Screen;
use super::words::Words;

/// Columns of an error.
const WHY: usize = 300;

/// How often the live line may change.
const EVERY: Duration = Duration::from_millis(100);

/// Where a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Waiting,
    Looking,
    Looked,
    Keeping,
    Frozen,
    Striking,
    Watching,
    Through,
}

/// A host, as far as its events tell.
#[derive(Debug, Clone)]
struct Place {
    stage: Stage,
    /// The step that ran last.
    step: String,
    frozen: u32,
    kept: u32,
    /// What is to be carried out after the commit.
    ordered: BTreeSet<ActionId>,
    done: BTreeSet<ActionId>,
    /// When the watch began.
    since: Option<Instant>,
    lost: bool,
}

impl Default for Place {
    fn default() -> Self {
        Place {
            stage: Stage::Waiting,
            step: String::new(),
            frozen: 0,
            kept: 0,
            ordered: BTreeSet::new(),
            done: BTreeSet::new(),
            since: None,
            lost: false,
        }
    }
}

/// The progress of a run.
pub(crate) struct Progress {
    screen: Screen,
    began: Instant,
    drawn: Option<Instant>,
    window: Option<Duration>,
    hosts: BTreeMap<String, Place>,
    ended: bool,
}

impl Progress {
    /// Nothing yet, on this screen.
    pub(crate) fn new(screen: Screen) -> Progress {
        Progress {
            screen,
            began: Instant::now(),
            drawn: None,
            window: None,
            hosts: BTreeMap::new(),
            ended: false,
        }
    }

    /// With how long verify watches, so that the time left can be told.
    #[must_use]
    pub(crate) fn watching_for(mut self, window: Duration) -> Progress {
        self.window = Some(window);
        self
    }

    /// Takes an event in.
    pub(crate) fn event(&mut self, host: Option<&str>, kind: &EventKind) {
        if let EventKind::RunStarted { hosts, .. } = kind {
            for host in hosts {
                self.hosts.entry(host.clone()).or_default();
            }
        }
        let Some(host) = host else {
            if let EventKind::RunFinished {} = kind {
                self.end();
            }
            return;
        };
        let words = self.words();
        let place = self.hosts.entry(host.to_owned()).or_default();
        let before = place.stage;
        let said = place.take(kind, words);
        let moved = place.stage != before;
        if let Some(line) = said.or_else(|| moved.then(|| place.line(words))) {
            self.say(host, &line, moved);
        }
        self.draw(moved);
    }

    /// Draws the live line anew: the time goes on without events. Called about once a second.
    pub(crate) fn tick(&mut self) {
        self.draw(true);
    }

    /// Takes the live line away for good.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.screen.clear();
    }

    fn words(&self) -> &'static dyn Words {
        self.screen.style().words()
    }

    /// Where there is no live line, each stage is a line of its own; what went wrong is one everywhere.
    fn say(&self, host: &str, line: &str, is_stage: bool) {
        if !self.screen.is_live() || !is_stage {
            self.screen.note(&format!(
                "{}  {}",
                clock(self.began.elapsed()),
                self.words().of(&plain(host), line)
            ));
        }
    }

    fn draw(&mut self, now: bool) {
        let fresh = self.drawn.is_some_and(|at| at.elapsed() < EVERY);
        if self.screen.is_live() && !self.ended && (now || !fresh) {
            self.drawn = Some(Instant::now());
            self.screen.light(&self.line(self.began.elapsed()));
        }
    }

    /// The live line: of one host what it does, of several how many do what.
    fn line(&self, elapsed: Duration) -> String {
        let words = self.words();
        let mut line = format!("~ {}  ", clock(elapsed));
        if let [(host, place)] = self.hosts.iter().collect::<Vec<_>>()[..] {
            line.push_str(&words.of(&plain(host), &place.line(words)));
        } else {
            let mut stages: BTreeMap<Stage, u64> = BTreeMap::new();
            for place in self.hosts.values() {
                *stages.entry(place.stage).or_default() += 1;
            }
            let stages: Vec<(Stage, u64)> = stages.into_iter().rev().collect();
            let lost = self.hosts.values().filter(|place| place.lost).count();
            line.push_str(&words.hosts_by_stage(self.hosts.len(), &stages, lost));
        }
        if let Some(left) = self.time_left() {
            line.push_str(&words.time_left(left.as_secs() * 1000));
        }
        line
    }

    /// How long the last watch will go on; `None` where none does, or its window is not known.
    fn time_left(&self) -> Option<Duration> {
        let window = self.window?;
        let watching = self.hosts.values().filter(|place| place.stage == Stage::Watching);
        let began = watching.filter_map(|place| place.since).max()?;
        Some(window.saturating_sub(began.elapsed()))
    }
}

impl Place {
    /// Takes an event in; gives what must be said of it wherever it is read.
    fn take(&mut self, kind: &EventKind, words: &dyn Words) -> Option<String> {
        match kind {
            EventKind::Reached { .. } => {
                self.lost = false;
                self.come_to(Stage::Looking);
            }
            EventKind::StepRan { phase, step, end, .. } => {
                self.step = format!("{phase}.{}", plain(step));
                if let StepEnd::Failed { why, went_on } = end {
                    return Some(words.step_failed(&self.step, &bounded(why), *went_on));
                }
            }
            EventKind::Looked { verdict, .. } => {
                self.stage = Stage::Looked;
                return Some(words.looked(*verdict));
            }
            EventKind::RoundStarted { round } => {
                self.stage = Stage::Looking;
                return Some(words.looking_again(*round));
            }
            EventKind::Stored { .. } => self.kept += 1,
            EventKind::Told { event, .. } => return self.told(event, words),
            EventKind::Committed { .. } => self.come_to(Stage::Striking),
            EventKind::Lost { why } => {
                self.lost = true;
                return Some(words.link_lost(&bounded(&why.to_string())));
            }
            EventKind::NotReached { why } => {
                self.lost = true;
                return Some(words.not_reached(&bounded(&why.to_string())));
            }
            EventKind::Blocked { why } => return Some(words.blocked(&bounded(&why.to_string()))),
            EventKind::HostFailed { place, why } => return Some(words.failed(&bounded(place), &bounded(why))),
            EventKind::Verified {
                seen,
                window_ms,
                covered_ms,
                ..
            } => return Some(words.watched(*covered_ms, *window_ms, *seen)),
            EventKind::HostFinished {} => self.come_to(Stage::Through),
            _ => {}
        }
        None
    }

    fn told(&mut self, event: &TransactionEvent, words: &dyn Words) -> Option<String> {
        match event {
            TransactionEvent::Started {} => self.stage = Stage::Keeping,
            TransactionEvent::Frozen { .. } => self.frozen += 1,
            TransactionEvent::Ready { actions, .. } => {
                self.ordered = actions.iter().copied().collect();
                self.done.clear();
                self.stage = Stage::Frozen;
            }
            TransactionEvent::Outcome { action, outcome } => match outcome {
                Outcome::Done { .. } => {
                    self.done.insert(*action);
                }
                Outcome::NotDone { why } => {
                    return Some(words.not_done(&short_id(*action), &bounded(&why.to_string())));
                }
                Outcome::Drifted | Outcome::Skipped { .. } => {}
            },
            TransactionEvent::Drifted { component, why, .. } => {
                return Some(words.drifted(*component, &bounded(&why.to_string())));
            }
            TransactionEvent::Refused { why, .. } => {
                return Some(words.refused(&bounded(why)));
            }
            TransactionEvent::Finished { end, frozen, .. } => {
                if *end == End::Struck {
                    self.stage = Stage::Watching;
                    self.since = Some(Instant::now());
                }
                if *frozen > 0 && *end != End::Held {
                    return Some(words.stand_still(*frozen));
                }
            }
            _ => {}
        }
        None
    }

    fn come_to(&mut self, stage: Stage) {
        self.stage = self.stage.max(stage);
    }

    /// What it does now.
    fn line(&self, words: &dyn Words) -> String {
        match self.stage {
            Stage::Looking if !self.step.is_empty() => words.looking_with(&self.step),
            Stage::Keeping => words.frozen_and_kept(self.frozen, self.kept, false),
            Stage::Frozen => words.frozen_and_kept(self.frozen, self.kept, true),
            Stage::Striking => {
                let done = self.ordered.intersection(&self.done).count();
                words.removing(done, self.ordered.len())
            }
            stage => words.stage(stage).to_owned(),
        }
    }
}

/// What a host may have written, for one line.
fn bounded(text: &str) -> String {
    cut(&plain(text), WHY).into_owned()
}

/// `00:50`, `1:05:00`.
fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match seconds / 3600 {
        0 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// A sink that moves the progress by every event that the sink behind it took.
pub(crate) struct ProgressSink<S> {
    sink: S,
    progress: Progress,
}

impl<S: EventSink> ProgressSink<S> {
    /// Both.
    pub(crate) fn new(sink: S, progress: Progress) -> ProgressSink<S> {
        ProgressSink { sink, progress }
    }

    /// The progress, for a tick.
    pub(crate) fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }
}

impl<S: EventSink> EventSink for ProgressSink<S> {
    fn record(&mut self, host: Option<&str>, kind: EventKind) -> Result<(), SinkError> {
        // Written down first: what is shown is already durable.
        self.sink.record(host, kind.clone())?;
        self.progress.event(host, &kind);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
