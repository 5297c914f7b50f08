//! The moments of a run at which something can go wrong, in the one order in which they are passed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What is about to happen at a moment, or has just happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The host writes down what it is about to do.
    Intent,
    /// The host does it.
    Act,
    /// The host writes down how it ended.
    Outcome,
    /// Anything else that the host is asked for: a look, a capture, the keeper, its journal.
    Call,
    /// A piece of evidence is sent.
    Chunk,
    /// Any other frame comes from the worker.
    FromWorker,
    /// The controller says that something is kept or written down, or that the host may commit.
    Acknowledgement,
    /// Any other frame goes to the worker.
    ToWorker,
    /// The controller writes a line of its journal.
    Journal,
}

/// Before something happens, or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Before,
    After,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    ControllerDies,
    WorkerDies,
    LinkIsCut,
}

impl Fault {
    pub(crate) const ALL: [Fault; 3] = [Fault::ControllerDies, Fault::WorkerDies, Fault::LinkIsCut];
}

/// One moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) kind: Kind,
    pub(crate) side: Side,
    /// What is happening, for people.
    pub(crate) what: String,
}

/// Counts the moments of a run, and says at which of them what goes wrong.
#[derive(Debug, Default)]
pub(crate) struct Moments {
    passed: Mutex<Vec<Moment>>,
    fault: Option<(usize, Fault)>,
}

impl Moments {
    /// With this fault at the moment of this number, from 0.
    pub(crate) fn with(fault: Option<(usize, Fault)>) -> Moments {
        Moments {
            passed: Mutex::default(),
            fault,
        }
    }

    /// Passes a moment; what goes wrong there.
    pub(crate) fn pass(&self, kind: Kind, side: Side, what: &str) -> Option<Fault> {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let number = passed.len();
        let what = what.to_owned();
        passed.push(Moment { kind, side, what });
        self.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault)
    }

    /// All that were passed.
    pub(crate) fn passed(&self) -> Vec<Moment> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How many there are of each kind.
pub(crate) fn by_kind(moments: &[Moment]) -> BTreeMap<Kind, usize> {
    let mut counts = BTreeMap::new();
    for moment in moments {
        *counts.entry(moment.kind).or_default() += 1;
    }
    counts
}
