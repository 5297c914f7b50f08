//! Threads that look at many things at once and may be left behind.
//!
//! A dead network file system, a FUSE server of the intruder or a page under userfaultfd can hold a reading thread for
//! ever. No thread that answers reads such things itself: a crew does, and what makes no progress is given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How long an item may go without progress.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Threads left behind at one time; with more, nothing new is begun.
const LEFT_BEHIND: usize = 16;

/// Threads at work at one time.
const HANDS: usize = 4;

/// Runs work over items; remembers how many of its threads still hang.
#[derive(Debug, Clone)]
pub(super) struct Crew {
    hanging: Arc<AtomicUsize>,
    patience: Duration,
}

/// What a piece of work tells while it runs.
pub(super) struct Report<O> {
    item: usize,
    sender: Sender<Message<O>>,
    seat: Arc<Seat>,
}

/// What a crew brought back.
#[derive(Debug)]
pub(super) struct Harvest<O> {
    /// Each with the index of its item, in no order between items.
    pub(super) given: Vec<(usize, O)>,
    /// The items that made no progress; what they gave before stands in `given`.
    pub(super) stuck: Vec<usize>,
}

enum Message<O> {
    Gave(usize, O),
    Done(usize),
}

/// One thread, as the one who waits sees it.
struct Seat {
    began: Instant,
    item: AtomicUsize,
    beat_ms: AtomicU64,
    left_behind: AtomicBool,
}

struct Job<I, F> {
    items: Vec<I>,
    next: AtomicUsize,
    work: F,
}

impl<O> Report<O> {
    /// Says that there is progress.
    pub(super) fn beat(&self) {
        self.seat.beat();
    }

    /// Hands over a part of the answer, which is progress.
    pub(super) fn give(&self, part: O) {
        self.seat.beat();
        // Nobody listens any more only when this item was given up.
        let _ = self.sender.send(Message::Gave(self.item, part));
    }
}

impl Seat {
    fn beat(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat_ms.store(now, Ordering::Relaxed);
    }

    fn is_stuck(&self, patience: Duration) -> bool {
        let silent = self
            .began
            .elapsed()
            .saturating_sub(Duration::from_millis(self.beat_ms.load(Ordering::Relaxed)));
        self.item.load(Ordering::Acquire) != usize::MAX && silent > patience
    }
}

impl Crew {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            hanging: Arc::new(AtomicUsize::new(0)),
            patience,
        }
    }

    /// Works on every item, several at a time, and waits until each is done or given up.
    pub(super) fn run<I, O, F>(&self, items: Vec<I>, work: F) -> Harvest<O>
    where
        I: Send + Sync + 'static,
        O: Send + 'static,
        F: Fn(&I, &Report<O>) + Send + Sync + 'static,
    {
        let total = items.len();
        let job = Arc::new(Job {
            items,
            next: AtomicUsize::new(0),
            work,
        });
        let (sender, receiver) = channel();
        let hands = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(HANDS)
            .min(total);
        let mut seats = Vec::new();
        for _ in 0..hands {
            if self.hanging.load(Ordering::Acquire) < LEFT_BEHIND {
                seats.extend(self.hire(&job, &sender));
            }
        }
        let mut waiting = Waiting {
            harvest: Harvest {
                given: Vec::with_capacity(total),
                stuck: Vec::new(),
            },
            open: vec![true; total],
            left: total,
        };
        let mut checked = Instant::now();
        while waiting.left > 0 {
            waiting.take_from(&receiver, self.patience / 8);
            if checked.elapsed() < self.patience / 8 {
                continue;
            }
            checked = Instant::now();
            let before = seats.len();
            seats.retain(|seat: &Arc<Seat>| {
                if !seat.is_stuck(self.patience) {
                    return true;
                }
                seat.left_behind.store(true, Ordering::Release);
                self.hanging.fetch_add(1, Ordering::AcqRel);
                waiting.give_up(seat.item.load(Ordering::Acquire));
                false
            });
            for _ in seats.len()..before.max(usize::from(before == 0)) {
                if self.hanging.load(Ordering::Acquire) < LEFT_BEHIND {
                    seats.extend(self.hire(&job, &sender));
                }
            }
            if seats.is_empty() {
                waiting.give_up_rest();
            }
        }
        waiting.harvest
    }

    fn hire<I, O, F>(&self, job: &Arc<Job<I, F>>, sender: &Sender<Message<O>>) -> Option<Arc<Seat>>
    where
        I: Send + Sync + 'static,
        O: Send + 'static,
        F: Fn(&I, &Report<O>) + Send + Sync + 'static,
    {
        let seat = Arc::new(Seat {
            began: Instant::now(),
            item: AtomicUsize::new(usize::MAX),
            beat_ms: AtomicU64::new(0),
            left_behind: AtomicBool::new(false),
        });
        let (job, sender, own, hanging) = (job.clone(), sender.clone(), seat.clone(), self.hanging.clone());
        let body = move || {
            loop {
                let item = job.next.fetch_add(1, Ordering::AcqRel);
                let Some(input) = job.items.get(item) else {
                    own.item.store(usize::MAX, Ordering::Release);
                    return;
                };
                own.beat();
                own.item.store(item, Ordering::Release);
                let report = Report {
                    item,
                    sender: sender.clone(),
                    seat: own.clone(),
                };
                (job.work)(input, &report);
                let told = sender.send(Message::Done(item));
                if own.left_behind.load(Ordering::Acquire) {
                    hanging.fetch_sub(1, Ordering::AcqRel);
                    return;
                }
                if told.is_err() {
                    return;
                }
            }
        };
        let spawned = std::thread::Builder::new().name("look".to_owned()).spawn(body);
        spawned.is_ok().then_some(seat)
    }
}

/// What the one who waits still expects.
struct Waiting<O> {
    harvest: Harvest<O>,
    open: Vec<bool>,
    left: usize,
}

impl<O> Waiting<O> {
    fn take_from(&mut self, receiver: &Receiver<Message<O>>, wait: Duration) {
        match receiver.recv_timeout(wait) {
            Ok(Message::Gave(item, part)) if self.open[item] => self.harvest.given.push((item, part)),
            Ok(Message::Done(item)) if self.open[item] => {
                self.open[item] = false;
                self.left -= 1;
            }
            Ok(_) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }

    fn give_up(&mut self, item: usize) {
        if self.open.get(item).copied() == Some(true) {
            self.open[item] = false;
            self.left -= 1;
            self.harvest.stuck.push(item);
        }
    }

    fn give_up_rest(&mut self) {
        for item in 0..self.open.len() {
            self.give_up(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once() {
        let crew = Crew::new(PATIENCE);
        let mut harvest = crew.run((0..1000_u32).collect(), |item, report| {
            report.give(item * 2);
        });
        harvest.given.sort_unstable();
        assert_eq!(harvest.given.len(), 1000);
        assert!(harvest.given.iter().all(|(at, out)| *out as usize == at * 2));
        assert!(harvest.stuck.is_empty());
        let none: Harvest<u32> = crew.run(Vec::<u32>::new(), |_, _| {});
        assert!(none.given.is_empty());
    }

    #[test]
    fn what_hangs_is_given_up_and_the_rest_is_done() {
        let crew = Crew::new(Duration::from_millis(40));
        let (keep, gate) = channel::<()>();
        let gate = std::sync::Mutex::new(gate);
        let harvest = crew.run((0..40_u32).collect(), move |item, report| {
            report.give(*item);
            if *item == 7 {
                let _ = gate.lock().map(|gate| gate.recv());
            }
        });
        assert_eq!(harvest.stuck, [7]);
        assert_eq!(harvest.given.len(), 40, "what it gave before counts");
        assert_eq!(crew.hanging.load(Ordering::Acquire), 1);
        drop(keep);
        while crew.hanging.load(Ordering::Acquire) != 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn too_many_left_behind_end_the_look() {
        let crew = Crew::new(Duration::from_millis(20));
        let released = Arc::new(AtomicBool::new(false));
        let waits = released.clone();
        let harvest: Harvest<()> = crew.run((0..200_u32).collect(), move |_, _| {
            while !waits.load(Ordering::Acquire) {
                std::thread::park_timeout(Duration::from_millis(5));
            }
        });
        assert_eq!(harvest.stuck.len(), 200);
        assert!(crew.hanging.load(Ordering::Acquire) <= LEFT_BEHIND + HANDS);
        released.store(true, Ordering::Release);
    }
}
