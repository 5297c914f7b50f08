//! Threads that look at many things at once and may be left behind.
//!
//! A dead network file system, a FUSE server of the intruder or a page under userfaultfd can hold a reading thread for
//! ever. No thread that answers reads such things itself: a crew does, and what makes no progress is given up.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SendError, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long an item may go without progress.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Threads left behind at one time; with more, nothing new is begun.
const LEFT_BEHIND: usize = 16;

/// Threads at work at one time, and threads that wait for more.
const HANDS: usize = 4;

/// The CPUs that we may use. To ask costs more than a small question, and the answer hardly ever changes.
static CPUS: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));

/// Runs work over items; remembers how many of its threads still hang. Threads that have ended their work wait for the next:
/// to start one for every question costs more than most answers.
#[derive(Debug, Clone)]
pub(super) struct Crew {
    hanging: Arc<AtomicUsize>,
    resting: Arc<Mutex<Arc<Resting>>>,
    patience: Duration,
}

/// What one thread does next.
type Task = Box<dyn FnOnce() + Send>;

/// The threads that wait, by how each is told its task. They end when this is dropped.
type Resting = Mutex<Vec<Sender<Task>>>;

/// What a piece of work tells while it runs.
pub(super) struct Report<O> {
    item: usize,
    seat: Arc<Seat<O>>,
}

/// What a crew brought back.
#[derive(Debug)]
pub(super) struct Harvest<O> {
    /// Each with the index of its item, in no order between items.
    pub(super) given: Vec<(usize, O)>,
    /// The items that made no progress, rising; what they gave before stands in `given`.
    pub(super) stuck: Vec<usize>,
}

/// One thread, as the one who waits sees it.
struct Seat<O> {
    began: Instant,
    /// `usize::MAX` between two items.
    item: AtomicUsize,
    beat_ms: AtomicU64,
    left_behind: AtomicBool,
    /// Emptied once: when the thread ends or is left behind. Nothing slow happens while it is locked.
    basket: Mutex<Basket<O>>,
}

struct Basket<O> {
    given: Vec<(usize, O)>,
    finished: Vec<usize>,
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
        self.seat.with_basket(|basket| basket.given.push((self.item, part)));
    }
}

impl<O> Seat<O> {
    fn beat(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat_ms.store(now, Ordering::Relaxed);
    }

    fn is_stuck(&self, patience: Duration) -> bool {
        let last = Duration::from_millis(self.beat_ms.load(Ordering::Relaxed));
        let silent = self.began.elapsed().saturating_sub(last);
        self.item.load(Ordering::Acquire) != usize::MAX && silent > patience
    }

    fn with_basket<T>(&self, f: impl FnOnce(&mut Basket<O>) -> T) -> T {
        f(&mut lock(&self.basket))
    }
}

impl<I, F> Job<I, F> {
    fn has_more(&self) -> bool {
        self.next.load(Ordering::Acquire) < self.items.len()
    }
}

impl Crew {
    /// A crew that gives up what makes no progress for so long.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            hanging: Arc::new(AtomicUsize::new(0)),
            resting: Arc::default(),
            patience,
        }
    }

    /// Lets the threads go that wait: a new one has the priority of who starts it.
    pub(super) fn dismiss(&self) {
        *lock(&self.resting) = Arc::default();
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
        let mut given = Vec::with_capacity(total);
        let mut finished = vec![false; total];
        let mut empty = |seat: &Seat<O>| {
            seat.with_basket(|basket| {
                given.append(&mut basket.given);
                for item in basket.finished.drain(..) {
                    finished[item] = true;
                }
            });
        };
        let (ended, ends) = channel();
        let hands = match total {
            0 | 1 => total,
            _ => total.min(HANDS).min(*CPUS),
        };
        let mut seats: Vec<Arc<Seat<O>>> = (0..hands).filter_map(|_| self.hire(&job, &ended)).collect();
        while !seats.is_empty() {
            if let Ok(seat) = ends.recv_timeout(self.patience / 8) {
                empty(&seat);
                seats.retain(|other| !Arc::ptr_eq(other, &seat));
                continue;
            }
            let (stuck, working) = seats.into_iter().partition(|seat| seat.is_stuck(self.patience));
            seats = working;
            let stuck: Vec<Arc<Seat<O>>> = stuck;
            for seat in stuck {
                self.hanging.fetch_add(1, Ordering::AcqRel);
                seat.left_behind.store(true, Ordering::Release);
                empty(&seat);
                if job.has_more() {
                    seats.extend(self.hire(&job, &ended));
                }
            }
        }
        // Nobody begins what nobody waits for.
        job.next.store(total, Ordering::Release);
        let stuck = (0..total).filter(|item| !finished[*item]).collect();
        Harvest { given, stuck }
    }

    /// Another thread for the job; none when too many hang.
    fn hire<I, O, F>(&self, job: &Arc<Job<I, F>>, ended: &Sender<Arc<Seat<O>>>) -> Option<Arc<Seat<O>>>
    where
        I: Send + Sync + 'static,
        O: Send + 'static,
        F: Fn(&I, &Report<O>) + Send + Sync + 'static,
    {
        if self.hanging.load(Ordering::Acquire) >= LEFT_BEHIND {
            return None;
        }
        let seat = Arc::new(Seat {
            began: Instant::now(),
            item: AtomicUsize::new(usize::MAX),
            beat_ms: AtomicU64::new(0),
            left_behind: AtomicBool::new(false),
            basket: Mutex::new(Basket {
                given: Vec::new(),
                finished: Vec::new(),
            }),
        });
        let (job, ended, own, hanging) = (job.clone(), ended.clone(), seat.clone(), self.hanging.clone());
        let body = move || {
            while !own.left_behind.load(Ordering::Acquire) {
                let item = job.next.fetch_add(1, Ordering::AcqRel);
                let Some(input) = job.items.get(item) else {
                    break;
                };
                own.beat();
                own.item.store(item, Ordering::Release);
                let report = Report {
                    item,
                    seat: own.clone(),
                };
                (job.work)(input, &report);
                own.with_basket(|basket| basket.finished.push(item));
                own.item.store(usize::MAX, Ordering::Release);
            }
            if own.left_behind.load(Ordering::Acquire) {
                hanging.fetch_sub(1, Ordering::AcqRel);
            }
            // Nobody listens any more when this thread was left behind.
            let _ = ended.send(own);
        };
        self.begin(Box::new(body)).then_some(seat)
    }

    /// Has a thread do this: one that waits, else a new one. False where none can be started.
    fn begin(&self, mut task: Task) -> bool {
        let resting = Arc::clone(&lock(&self.resting));
        loop {
            let Some(hand) = lock(&resting).pop() else { break };
            match hand.send(task) {
                Ok(()) => return true,
                Err(SendError(back)) => task = back,
            }
        }
        let resting = Arc::downgrade(&resting);
        let body = move || {
            let mut next = Some(task);
            while let Some(task) = next {
                task();
                next = rest(&resting);
            }
        };
        let spawned = std::thread::Builder::new().name("look".to_owned()).spawn(body);
        spawned.is_ok()
    }
}

/// Waits for the next task; `None` where enough wait already, or those that wait were let go.
fn rest(resting: &Weak<Resting>) -> Option<Task> {
    let (hand, told) = channel();
    {
        let resting = resting.upgrade()?;
        let mut resting = lock(&resting);
        if resting.len() >= HANDS {
            return None;
        }
        resting.push(hand);
    }
    told.recv().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn threads_are_used_again_until_they_are_let_go() {
        let crew = Crew::new(PATIENCE);
        let threads = || -> std::collections::HashSet<_> {
            let one = || crew.run(vec![()], |(), report| report.give(std::thread::current().id()));
            (0..100).map(|_| one().given[0].1).collect()
        };
        let first = threads();
        assert!(first.len() <= HANDS, "{first:?}");
        crew.dismiss();
        let later = threads();
        assert!(later.len() <= HANDS && first.is_disjoint(&later), "{first:?} {later:?}");
    }

    #[test]
    fn what_hangs_is_given_up_and_the_rest_is_done() {
        let crew = Crew::new(Duration::from_secs(2));
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
