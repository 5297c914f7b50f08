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

/// What of a playbook was taken.
pub(crate) struct Covered {
    /// By name, in order; whether it ran.
    pub(crate) steps: Vec<(String, bool)>,
    /// What can go one way or another, in order; whether it did.
    pub(crate) branches: Vec<(String, bool)>,
    /// For each branch what takes it.
    wants: Vec<Step>,
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
            wants: Vec::new(),
        };
        for step in playbook.outline() {
            let name = format!("{} {}", step.phase, step.step);
            let mut branch = |text: &str, how: How| {
                covered.branches.push((format!("{name}: {text}"), false));
                covered.wants.push((name.clone(), how));
            };
            match (step.stops, step.is_conditional) {
                (true, true) => {
                    branch("stops", How::Ran);
                    branch("goes on", How::Skipped);
                }
                (true, false) => branch("stops", How::Ran),
                (false, true) => {
                    branch("when it holds", How::Ran);
                    branch("when it does not", How::Skipped);
                }
                (false, false) => {}
            }
            if step.may_fail {
                branch("fails and goes on", How::Failed);
            }
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
        for ((_, taken), wants) in self.branches.iter_mut().zip(&self.wants) {
            *taken |= met.contains(wants);
        }
    }
}
