//! Many hosts at once: how many, in which order, and when no more are begun.
//!
//! One task a host. A host holds a [`Slot`] while it needs the controller, and lets it go while it works or is watched by
//! itself. Phases are barriers for a host and never for the fleet; [`Batch`]es are barriers for hosts, and
//! [`Together`] lets hosts that write each other back be struck in the same moment. Every host has exactly one [`End`].

mod halt;
mod muster;
mod order;
mod slot;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

pub use halt::{Halt, Level};
pub use order::{AT_ONCE, Batch, Class, Order, OrderError, StopWhen, Tally, Threshold};
pub use slot::Slot;
pub use turn::{Together, Turn};

/// How the work on one host ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End<T> {
    /// It went through to its own end, good or bad.
    Through(T),
    /// It took longer than a host may.
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The operator broke it off.
    Cancelled,
    /// It was not begun.
    NotBegun(WhyNot),
    /// Our own fault: the work panicked.
    Broken {
        /// What it said.
        why: String,
    },
}

/// Why a host was not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// The operator wanted no more.
    Halted,
    /// What had happened on others was enough.
    Stopped(StopWhen),
    /// The whole run took longer than it may.
    RunTime {
        /// The limit.
        limit: Duration,
    },
}

/// What a walk over hosts came to, in the order in which they were given.
pub type Ends<T> = Vec<(String, End<T>)>;

/// Works on hosts, in their order, as many at once as `order` says. `class_of` says what of a host's end counts for
/// [`StopWhen`]. Ends when every host that was begun has ended.
pub async fn each<T, W, F>(
    hosts: &[String],
    order: &Order,
    halt: &Halt,
    class_of: impl Fn(&T) -> Option<Class>,
    work: W,
) -> Ends<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
    W: Fn(String, Slot) -> F,
{
    let mut walk = Walk {
        order,
        class_of,
        tasks: JoinSet::new(),
        begun: HashMap::new(),
        ends: HashMap::new(),
        tally: Tally::of(hosts.len()),
        slots: Arc::new(Semaphore::new(order.at_once.max(1))),
        until: order.run_limit.map(|limit| Instant::now() + limit),
    };
    let mut why_not = None;
    for batch in order.parts(hosts) {
        for host in batch {
            if why_not.is_none() {
                why_not = walk.begin(host, halt, &work).await.err();
            }
        }
        walk.finish(halt).await;
        why_not = why_not.or_else(|| walk.stopped());
    }
    let mut ends = walk.ends;
    let not_begun = why_not.unwrap_or(WhyNot::Halted);
    hosts
        .iter()
        .map(|host| {
            let end = ends.remove(host).unwrap_or_else(|| End::NotBegun(not_begun.clone()));
            (host.clone(), end)
        })
        .collect()
}

struct Walk<'o, T, C> {
    order: &'o Order,
    class_of: C,
    tasks: JoinSet<End<T>>,
    begun: HashMap<Id, String>,
    ends: HashMap<String, End<T>>,
    tally: Tally,
    slots: Arc<Semaphore>,
    /// When the whole run is over.
    until: Option<Instant>,
}

impl<T, C> Walk<'_, T, C>
where
    T: Send + 'static,
    C: Fn(&T) -> Option<Class>,
{
    /// Waits for a slot and begins a host; or says why none is begun any more.
    async fn begin<W, F>(&mut self, host: &str, halt: &Halt, work: &W) -> Result<(), WhyNot>
    where
        F: Future<Output = T> + Send + 'static,
        W: Fn(String, Slot) -> F,
    {
        let slot = loop {
            if let Some(why) = self.stopped() {
                return Err(why);
            }
            let slots = Arc::clone(&self.slots);
            tokio::select! {
                biased;
                () = halt.reached(Level::NoMore) => return Err(WhyNot::Halted),
                () = over(self.until) => {
                    return Err(WhyNot::RunTime { limit: self.order.run_limit.unwrap_or_default() });
                }
                Some(ended) = self.tasks.join_next_with_id() => self.take(ended),
                permit = slots.acquire_owned() => match permit {
                    Ok(permit) => break Slot::held(permit),
                    Err(_) => return Err(WhyNot::Halted),
                },
            }
        };
        let limit = self.order.host_limit;
        let run_limit = self.order.run_limit;
        let until = self.until;
        let done = work(host.to_owned(), slot);
        let task = self.tasks.spawn(async move {
            tokio::select! {
                ended = done => End::Through(ended),
                () = over(limit.map(|limit| Instant::now() + limit)) => End::TimedOut { limit: limit.unwrap_or_default() },
                () = over(until) => End::TimedOut { limit: run_limit.unwrap_or_default() },
            }
        });
        self.begun.insert(task.id(), host.to_owned());
        Ok(())
    }

    /// Waits until all that were begun have ended; broken off when the operator says so.
    async fn finish(&mut self, halt: &Halt) {
        loop {
            tokio::select! {
                biased;
                ended = self.tasks.join_next_with_id() => match ended {
                    Some(ended) => self.take(ended),
                    None => return,
                },
                () = halt.reached(Level::Cancel) => break,
            }
        }
        self.tasks.abort_all();
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.take(ended);
        }
    }

    fn take(&mut self, ended: Result<(Id, End<T>), JoinError>) {
        let (id, end) = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_cancelled() => (error.id(), End::Cancelled),
            Err(error) => (error.id(), End::Broken { why: error.to_string() }),
        };
        let class = match &end {
            End::Through(value) => (self.class_of)(value),
            End::TimedOut { .. } | End::Broken { .. } => Some(Class::Failed),
            End::Cancelled | End::NotBegun(_) => None,
        };
        if let Some(class) = class {
            self.tally.count(class);
        }
        if let Some(host) = self.begun.remove(&id) {
            self.ends.insert(host, end);
        }
    }

    fn stopped(&self) -> Option<WhyNot> {
        let rule = self.order.stop_when.iter().find(|rule| rule.holds(&self.tally));
        rule.map(|rule| WhyNot::Stopped(*rule))
    }
}

/// Waits until then; for ever where there is no then.
async fn over(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
