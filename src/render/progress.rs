//! What goes on, while it goes on: one live line on a terminal, a line a stage anywhere else. Always on stderr.
//!
//! Of many hosts nobody reads a line a stage: what needs a person is a line, the rest is summed up now and then.
//!
//! Progress is made from the same events that the journal gets, so it says nothing that was not written down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deminer_engine::event::{EventKind, EventSink, Seen, SinkError, StepEnd};
use deminer_engine::finding::HostVerdict;
use deminer_worker::action::ActionId;
use deminer_worker::frame::{End, Outcome, TransactionEvent};

use super::object::short_id;
use super::plain::{cut, plain};
use super::screen::Screen;
use super::words::{Crowd, Slow, Words};

/// Columns of an error.
const WHY: usize = 300;

/// Columns of a host's name in a line about all.
const NAME: usize = 40;

/// How often the live line may change.
const EVERY: Duration = Duration::from_millis(100);

/// So many hosts are told stage by stage.
const FEW: usize = 8;

/// How often hosts are summed up where there is no live line; in between only where twice as many are through.
const SUMMED_EVERY: Duration = Duration::from_secs(10);

/// The same where nothing has moved.
const SUMMED_STILL: Duration = Duration::from_secs(60);

/// A host that has been worked on for less is not slow.
const SLOW: Duration = Duration::from_secs(5);

/// Slow hosts that are named.
const SLOWEST: usize = 3;

/// Lines about single hosts of many; the account has all.
const LINES: usize = 100;

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
    since: Option<Duration>,
    lost: bool,
    /// When it was first heard of.
    begun: Option<Duration>,
    infected: bool,
    returned: bool,
    failed: bool,
}

/// What is said of a host.
struct Said {
    line: String,
    /// Whether a person must know, however many hosts there are.
    matters: bool,
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
            begun: None,
            infected: false,
            returned: false,
            failed: false,
        }
    }
}

/// How hosts were last summed up.
struct Summed {
    at: Duration,
    /// When it was last looked whether that still holds.
    checked: Duration,
    crowd: String,
}

/// The progress of a run.
pub(crate) struct Progress {
    screen: Screen,
    /// How long it has gone on.
    elapsed: Box<dyn Fn() -> Duration + Send>,
    drawn: Option<Duration>,
    window: Option<Duration>,
    hosts: BTreeMap<String, Place>,
    ended: bool,
    summed: Option<Summed>,
    /// Hosts with which nothing more is to be done while looking.
    through: usize,
    /// Summed up at once when so many hosts are through.
    next_sum: usize,
    /// Lines about single hosts.
    lines: usize,
}

impl Progress {
    /// Nothing yet, on this screen.
    pub(crate) fn new(screen: Screen) -> Progress {
        let began = Instant::now();
        Progress::timed(screen, Box::new(move || began.elapsed()))
    }

    /// The same by another clock: how long it has gone on.
    fn timed(screen: Screen, elapsed: Box<dyn Fn() -> Duration + Send>) -> Progress {
        Progress {
            screen,
            elapsed,
            drawn: None,
            window: None,
            hosts: BTreeMap::new(),
            ended: false,
            summed: None,
            through: 0,
            next_sum: FEW,
            lines: 0,
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
        let (words, now) = (self.words(), (self.elapsed)());
        let place = self.hosts.entry(host.to_owned()).or_default();
        let (before, was_through) = (place.stage, place.is_through());
        let said = place.take(kind, now, words);
        let moved = place.stage != before;
        if moved && place.begun.is_none() {
            place.begun = Some(now);
        }
        match (was_through, place.is_through()) {
            (false, true) => self.through += 1,
            (true, false) => self.through -= 1,
            _ => {}
        }
        if self.are_many() {
            if let Some(said) = said.filter(|said| said.matters) {
                self.say_of_many(host, &said.line);
            }
            self.sum_up(false);
            self.draw(false);
            return;
        }
        let line = || self.hosts.get(host).map(|place| place.line(words));
        let line = said.map(|said| said.line).or_else(|| line().filter(|_| moved));
        if let Some(line) = line {
            self.say(host, &line, moved);
        }
        self.draw(moved);
    }

    /// Draws the live line anew: the time goes on without events. Called about once a second.
    pub(crate) fn tick(&mut self) {
        self.sum_up(false);
        self.draw(true);
    }

    /// Takes the live line away for good.
    pub(crate) fn end(&mut self) {
        self.sum_up(true);
        self.ended = true;
        self.screen.clear();
    }

    fn are_many(&self) -> bool {
        self.hosts.len() > FEW
    }

    fn words(&self) -> &'static dyn Words {
        self.screen.style().words()
    }

    /// Where there is no live line, each stage is a line of its own; what went wrong is one everywhere.
    fn say(&self, host: &str, line: &str, is_stage: bool) {
        if !self.screen.is_live() || !is_stage {
            self.note(&self.words().of(&plain(host), line));
        }
    }

    /// What a person must know of one of many hosts, as long as anybody would read it.
    fn say_of_many(&mut self, host: &str, line: &str) {
        self.lines += 1;
        match self.lines {
            0..=LINES => self.note(&self.words().of(&plain(host), line)),
            lines if lines == LINES + 1 => self.note(self.words().further_lines()),
            _ => {}
        }
    }

    fn note(&self, line: &str) {
        self.screen.note(&format!("{}  {line}", clock((self.elapsed)())));
    }

    /// Sums many hosts up where there is no live line, when it is time; at the end where something moved since.
    fn sum_up(&mut self, at_the_end: bool) {
        if self.screen.is_live() || self.ended || !self.are_many() {
            return;
        }
        let now = (self.elapsed)();
        // Counting all takes time: not at every event.
        let is_fresh = |summed: &Summed| now.saturating_sub(summed.checked) < SUMMED_EVERY;
        let doubled = self.through >= self.next_sum;
        if !at_the_end && !doubled && self.summed.as_ref().is_some_and(is_fresh) {
            return;
        }
        let crowd = self.crowd();
        if let Some(summed) = &mut self.summed {
            summed.checked = now;
            let is_told = summed.crowd == crowd && (at_the_end || now.saturating_sub(summed.at) < SUMMED_STILL);
            if is_told && !doubled {
                return;
            }
        }
        self.next_sum = self.next_sum.max(self.through * 2);
        self.screen.note(&self.line());
        self.summed = Some(Summed {
            at: now,
            checked: now,
            crowd,
        });
    }

    fn draw(&mut self, at_once: bool) {
        let now = (self.elapsed)();
        let fresh = self.drawn.is_some_and(|at| now.saturating_sub(at) < EVERY);
        if self.screen.is_live() && !self.ended && (at_once || !fresh) {
            self.drawn = Some(now);
            self.screen.light(&self.line());
        }
    }

    /// The line about all: of one host what it does, of several how many do what, and which are slow.
    fn line(&self) -> String {
        let words = self.words();
        let now = (self.elapsed)();
        let mut line = format!("~ {}  ", clock(now));
        if let [(host, place)] = self.hosts.iter().collect::<Vec<_>>()[..] {
            line.push_str(&words.of(&plain(host), &place.line(words)));
        } else {
            line.push_str(&self.crowd());
        }
        if let Some(left) = self.time_left(now) {
            line.push_str(&words.time_left(left.as_secs() * 1000));
        }
        let slow = self.slowest(now);
        if self.hosts.len() > 1 && !slow.is_empty() {
            line.push_str(&words.slowest(&slow));
        }
        line
    }

    /// How many hosts are where. One that is lost or failed is nowhere else.
    fn crowd(&self) -> String {
        let mut crowd = Crowd {
            hosts: self.hosts.len() as u64,
            ..Crowd::default()
        };
        let mut stages: BTreeMap<Stage, [u64; 3]> = BTreeMap::new();
        for place in self.hosts.values() {
            match place {
                Place { lost: true, .. } => crowd.lost += 1,
                Place { failed: true, .. } => crowd.failed += 1,
                place => {
                    let [all, infected, returned] = stages.entry(place.stage).or_default();
                    *all += 1;
                    *infected += u64::from(place.infected);
                    *returned += u64::from(place.returned);
                }
            }
        }
        crowd.stages = stages.into_iter().collect();
        self.words().crowd(&crowd)
    }

    /// The hosts that have been worked on longest, with what they do.
    fn slowest(&self, now: Duration) -> Vec<Slow> {
        let works = |place: &Place| {
            let stage = place.stage;
            !place.lost
                && !place.failed
                && matches!(stage, Stage::Looking | Stage::Keeping | Stage::Frozen | Stage::Striking)
        };
        let mut slow: Vec<(Duration, &String, &Place)> = self
            .hosts
            .iter()
            .filter(|(_, place)| works(place))
            .map(|(host, place)| (now.saturating_sub(place.begun.unwrap_or(now)), host, place))
            .filter(|(worked, ..)| *worked >= SLOW)
            .collect();
        slow.sort_by_key(|(worked, ..)| std::cmp::Reverse(*worked));
        let slow = slow.into_iter().take(SLOWEST).map(|(worked, host, place)| Slow {
            host: cut(&plain(host), NAME).into_owned(),
            worked_ms: worked.as_secs() * 1000,
            stage: place.stage,
            step: place.step.clone(),
        });
        slow.collect()
    }

    /// How long the last watch will go on; `None` where none does, or its window is not known.
    fn time_left(&self, now: Duration) -> Option<Duration> {
        let window = self.window?;
        let watching = self.hosts.values().filter(|place| place.stage == Stage::Watching);
        let began = watching.filter_map(|place| place.since).max()?;
        Some(window.saturating_sub(now.saturating_sub(began)))
    }
}

impl Place {
    /// Takes an event in; gives what must be said of it wherever it is read.
    fn take(&mut self, kind: &EventKind, now: Duration, words: &dyn Words) -> Option<Said> {
        match kind {
            EventKind::Reached { .. } => {
                self.lost = false;
                self.come_to(Stage::Looking);
            }
            EventKind::StepRan { phase, step, end, .. } => {
                self.step = format!("{phase}.{}", plain(step));
                if let StepEnd::Failed { why, went_on } = end {
                    let line = words.step_failed(&self.step, &bounded(why), *went_on);
                    return Some(Said {
                        line,
                        matters: !went_on,
                    });
                }
            }
            EventKind::Looked { verdict, .. } => {
                self.stage = Stage::Looked;
                self.infected = *verdict == Some(HostVerdict::Infected);
                return Some(Said {
                    line: words.looked(*verdict),
                    matters: self.infected,
                });
            }
            EventKind::RoundStarted { round } => {
                self.stage = Stage::Looking;
                return Some(Said {
                    line: words.looking_again(*round),
                    matters: false,
                });
            }
            EventKind::Stored { .. } => self.kept += 1,
            EventKind::Told { event, .. } => return self.told(event, now, words).map(Said::that_matters),
            EventKind::Committed { .. } => self.come_to(Stage::Striking),
            EventKind::Lost { why } => {
                self.lost = true;
                return Some(Said::that_matters(words.link_lost(&bounded(&why.to_string()))));
            }
            EventKind::NotReached { why } => {
                self.lost = true;
                return Some(Said::that_matters(words.not_reached(&bounded(&why.to_string()))));
            }
            EventKind::Blocked { why } => {
                self.failed = true;
                return Some(Said::that_matters(words.blocked(&bounded(&why.to_string()))));
            }
            EventKind::HostFailed { place, why } => {
                self.failed = true;
                return Some(Said::that_matters(words.failed(&bounded(place), &bounded(why))));
            }
            EventKind::Verified {
                seen,
                window_ms,
                covered_ms,
                ..
            } => {
                self.returned = *seen == Seen::Returned;
                return Some(Said {
                    line: words.watched(*covered_ms, *window_ms, *seen),
                    matters: *seen != Seen::Clean,
                });
            }
            EventKind::HostFinished {} => self.come_to(Stage::Through),
            _ => {}
        }
        None
    }

    fn told(&mut self, event: &TransactionEvent, now: Duration, words: &dyn Words) -> Option<String> {
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
                    self.since = Some(now);
                }
                if *frozen > 0 && *end != End::Held {
                    return Some(words.stand_still(*frozen));
                }
            }
            _ => {}
        }
        None
    }

    /// Whether the look at it, or all of it, has ended.
    fn is_through(&self) -> bool {
        self.lost || matches!(self.stage, Stage::Looked | Stage::Through)
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

impl Said {
    fn that_matters(line: String) -> Said {
        Said { line, matters: true }
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

/// A sink that moves the progress by every event that the sink behind it took. Clones move the same progress; that a slow
/// disk holds one up holds up no other.
#[derive(Clone)]
pub(crate) struct ProgressSink<S> {
    sink: S,
    progress: Arc<Mutex<Progress>>,
}

impl<S: EventSink> ProgressSink<S> {
    /// Both.
    pub(crate) fn new(sink: S, progress: Progress) -> ProgressSink<S> {
        ProgressSink {
            sink,
            progress: Arc::new(Mutex::new(progress)),
        }
    }

    /// The progress, for a tick.
    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: EventSink> EventSink for ProgressSink<S> {
    fn record(&mut self, host: Option<&str>, kind: EventKind) -> Result<(), SinkError> {
        // Written down first: what is shown is already durable.
        self.sink.record(host, kind.clone())?;
        self.progress().event(host, &kind);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
