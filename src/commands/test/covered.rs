//! Which steps and branches of a playbook its cases took.

use std::collections::BTreeSet;

use deminer_engine::event::{EventKind, StepEnd};
use deminer_engine::journal::Chain;
use deminer_engine::playbook::CheckedPlaybook;

/// A step that was met, and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    Ran,
    Skipped,
    Failed,
}

/// A step that was met: `decide 2`, `gather processes`.
pub(super) type Step = (String, How);

/// A way that a step can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Branch {
    /// A `stop` holds.
    Stops,
    /// A `stop` does not hold.
    GoesOn,
    /// A `when` holds.
    Holds,
    /// A `when` does not hold.
    HoldsNot,
    /// It fails, and what comes after it is done all the same.
    FailsAndGoesOn,
}

impl Branch {
    /// What takes it.
    fn wants(self) -> How {
        match self {
            Branch::Stops | Branch::Holds => How::Ran,
            Branch::GoesOn | Branch::HoldsNot => How::Skipped,
            Branch::FailsAndGoesOn => How::Failed,
        }
    }
}

/// What of a playbook was taken.
pub(crate) struct Covered {
    /// By name, in order; whether it ran.
    pub(crate) steps: Vec<(String, bool)>,
    /// What can go one way or another, by step, in order; whether it did.
    pub(crate) branches: Vec<(String, Branch, bool)>,
}

/// The steps of a run that its chains tell of.
pub(super) fn steps(chains: &[Chain]) -> Vec<Step> {
    let events = chains.iter().flat_map(|chain| &chain.events);
    events
        .filter_map(|event| match &event.kind {
            EventKind::StepRan { phase, step, end, .. } => {
                let how = match end {
                    StepEnd::Ok { .. } | StepEnd::Stopped { .. } => How::Ran,
                    StepEnd::Skipped {} => How::Skipped,
                    StepEnd::Failed { .. } => How::Failed,
                };
                Some((format!("{phase} {step}"), how))
            }
            _ => None,
        })
        .collect()
}

impl Covered {
    /// Nothing of it yet.
    pub(super) fn of(playbook: &CheckedPlaybook) -> Covered {
        let mut covered = Covered {
            steps: Vec::new(),
            branches: Vec::new(),
        };
        for step in playbook.outline() {
            let name = format!("{} {}", step.phase, step.step);
            let ways: &[Branch] = match (step.stops, step.is_conditional) {
                (true, true) => &[Branch::Stops, Branch::GoesOn],
                (true, false) => &[Branch::Stops],
                (false, true) => &[Branch::Holds, Branch::HoldsNot],
                (false, false) => &[],
            };
            let fails = step.may_fail.then_some(Branch::FailsAndGoesOn);
            let ways = ways.iter().copied().chain(fails);
            covered.branches.extend(ways.map(|way| (name.clone(), way, false)));
            if !step.stops {
                covered.steps.push((name, false));
            }
        }
        covered
    }

    /// Adds what a case took.
    pub(super) fn add(&mut self, steps: &[Step]) {
        let met: BTreeSet<&Step> = steps.iter().collect();
        for (name, ran) in &mut self.steps {
            *ran |= [How::Ran, How::Failed]
                .into_iter()
                .any(|how| met.contains(&(name.clone(), how)));
        }
        for (name, way, taken) in &mut self.branches {
            *taken |= met.contains(&(name.clone(), way.wants()));
        }
    }
}
