//! How a walk over hosts goes: how many at once, in which batches, and what ends it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::status::Status;

/// Hosts that are worked on at once, where nothing else is said.
pub const AT_ONCE: u16 = 32;

/// How a walk goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Hosts that hold a slot at once; at least one.
    pub at_once: usize,
    /// The sizes of the batches; the last repeats until no host is left. None: all hosts are one.
    pub batches: Vec<Batch>,
    /// What ends it: any of these.
    pub stop_when: Vec<StopWhen>,
    /// How long one host may take.
    pub host_limit: Option<Duration>,
    /// How long all of it may take.
    pub run_limit: Option<Duration>,
}

impl Default for Order {
    fn default() -> Order {
        Order {
            at_once: AT_ONCE.into(),
            batches: Vec::new(),
            stop_when: Vec::new(),
            host_limit: None,
            run_limit: None,
        }
    }
}

impl Order {
    /// The hosts of each batch, in their order; together they are all hosts.
    pub fn parts<'h>(&self, hosts: &'h [String]) -> Vec<&'h [String]> {
        let mut parts = Vec::new();
        let mut left = hosts;
        let mut given = self.batches.iter();
        let mut batch = given.next();
        while !left.is_empty() {
            let size = batch.map_or(left.len(), |batch| batch.size(hosts.len()));
            let (part, rest) = left.split_at(size.min(left.len()));
            parts.push(part);
            left = rest;
            batch = given.next().or(batch);
        }
        parts
    }
}

/// The size of a batch: `3`, or `5%` of all hosts of the run, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// So many hosts, at least one.
    Hosts(u32),
    /// So many of a hundred, 1 to 100.
    Percent(u32),
}

impl Batch {
    fn size(self, hosts: usize) -> usize {
        match self {
            Batch::Hosts(number) => number as usize,
            Batch::Percent(percent) => share(percent, hosts),
        }
        .max(1)
    }
}

/// So many of a hundred of all, rounded up.
fn share(percent: u32, all: usize) -> usize {
    (all * percent as usize).div_ceil(100)
}

/// What of a host's end may end the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// It failed, or its own security stopped us, or it was not begun for a refusal.
    Failed,
    /// Something was another thing by then, or some of what was approved was not done.
    Drifted,
    /// It was not reached.
    Unreachable,
    /// The miner came back.
    Returned,
    /// Not enough was seen.
    CannotSay,
}

impl Class {
    /// All.
    pub const ALL: [Class; 5] = [
        Class::Failed,
        Class::Drifted,
        Class::Unreachable,
        Class::Returned,
        Class::CannotSay,
    ];

    /// The name, as `--stop-when` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Class::Failed => "failed",
            Class::Drifted => "drifted",
            Class::Unreachable => "unreachable",
            Class::Returned => "returned",
            Class::CannotSay => "cannot_say",
        }
    }

    /// The class of a host's status; `None` for what ends no run.
    pub fn of(status: Status) -> Option<Class> {
        match status {
            Status::Failed | Status::Blocked => Some(Class::Failed),
            Status::Drifted | Status::Partial => Some(Class::Drifted),
            Status::Unreachable => Some(Class::Unreachable),
            Status::Returned => Some(Class::Returned),
            Status::CannotSay => Some(Class::CannotSay),
            Status::Cancelled
            | Status::Waiting
            | Status::NotApproved
            | Status::Proposed
            | Status::Contained
            | Status::Suspected
            | Status::Undone
            | Status::Eradicated
            | Status::Clean => None,
        }
    }
}

/// How many are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// So many hosts, at least one.
    Hosts(u32),
    /// So many of a hundred of all hosts of the run, 1 to 100; at least one host.
    Percent(u32),
}

/// No more hosts are begun once so many ended in this class: `returned`, `failed=3`, `unreachable=10%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopWhen {
    /// The class.
    pub class: Class,
    /// How many.
    pub at: Threshold,
}

impl StopWhen {
    /// Whether it holds.
    pub fn holds(&self, tally: &Tally) -> bool {
        let needed = match self.at {
            Threshold::Hosts(number) => number as usize,
            Threshold::Percent(percent) => share(percent, tally.hosts),
        };
        tally.counted(self.class) >= needed.max(1)
    }
}

/// How many hosts ended how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    hosts: usize,
    counts: [usize; Class::ALL.len()],
}

impl Tally {
    /// Nothing of so many hosts yet.
    pub fn of(hosts: usize) -> Tally {
        Tally {
            hosts,
            counts: [0; Class::ALL.len()],
        }
    }

    /// One more.
    pub fn count(&mut self, class: Class) {
        self.counts[class as usize] += 1;
    }

    fn counted(&self, class: Class) -> usize {
        self.counts[class as usize]
    }
}

/// Why a text is no batch or no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Neither a number nor a share.
    #[error("`{0}` is neither a number of hosts from 1 on nor a share from 1% to 100%")]
    Number(String),
    /// No class has this name.
    #[error("`{0}` ends no run; there are failed, drifted, unreachable, returned and cannot_say")]
    Class(String),
}

/// A number or a share, the share marked.
fn amount(text: &str) -> Result<(u32, bool), OrderError> {
    let (digits, is_share) = match text.strip_suffix('%') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let number = Some(digits)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|number| (1..=if is_share { 100 } else { u32::MAX }).contains(number));
    number
        .map(|number| (number, is_share))
        .ok_or_else(|| OrderError::Number(text.chars().take(40).collect()))
}

impl FromStr for Batch {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<Batch, OrderError> {
        Ok(match amount(text)? {
            (number, false) => Batch::Hosts(number),
            (percent, true) => Batch::Percent(percent),
        })
    }
}

impl FromStr for StopWhen {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<StopWhen, OrderError> {
        let (name, at) = match text.split_once('=') {
            None => (text, Threshold::Hosts(1)),
            Some((name, at)) => match amount(at)? {
                (number, false) => (name, Threshold::Hosts(number)),
                (percent, true) => (name, Threshold::Percent(percent)),
            },
        };
        let class = Class::ALL.into_iter().find(|class| class.name() == name);
        let class = class.ok_or_else(|| OrderError::Class(name.chars().take(40).collect()))?;
        Ok(StopWhen { class, at })
    }
}

impl fmt::Display for StopWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Threshold::Hosts(1) => f.write_str(self.class.name()),
            Threshold::Hosts(number) => write!(f, "{}={number}", self.class.name()),
            Threshold::Percent(percent) => write!(f, "{}={percent}%", self.class.name()),
        }
    }
}
