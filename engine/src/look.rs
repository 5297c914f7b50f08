//! The third arrow: gather, decide and locate run for real, backup and eradicate are evaluated once for their proposals.

use std::collections::BTreeMap;

use deminer_worker::query::{Coverage, HostFacts};
use serde_json::Value;

use crate::finding::{Finding, Verdict};
use crate::module::Proposal;
use crate::playbook::Phase;

/// What looking at one host gave.
#[derive(Debug, Clone)]
pub struct Looked {
    /// The host's name in the run.
    pub host: String,
    /// What it is; asked by the engine itself, first.
    pub facts: HostFacts,
    /// The last analyzer's word; `clean` over a material gap is `cannot_say` here already. `None`: no step judged.
    pub verdict: Option<Verdict>,
    /// All findings, each once, in the order stated.
    pub findings: Vec<Finding>,
    /// What no step could see.
    pub coverage: Coverage,
    /// What the responders proposed, in the order of the steps.
    pub proposals: Vec<Proposed>,
    /// Outputs of reading steps that steps after the strike refer to, by step.
    pub results: BTreeMap<String, Value>,
    /// How the playbook ended on this host.
    pub end: LookEnd,
}

/// A proposal, with the step that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// The step's phase; it bounds what may be proposed.
    pub phase: Phase,
    /// The step's id, or its number in the phase.
    pub step: String,
    /// What it proposed.
    pub proposal: Proposal,
}

/// How a playbook's reading part ended on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookEnd {
    /// All steps were taken.
    Through,
    /// A `stop` held, with the author's reason.
    Stopped(String),
    /// A step failed, or an `assert` did not hold: nothing is proposed.
    Failed {
        /// Phase and step.
        place: String,
        /// Why.
        why: String,
    },
}
