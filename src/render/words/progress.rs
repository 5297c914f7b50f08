//! Words for what goes on.

use deminer_engine::event::Seen;
use deminer_engine::finding::HostVerdict;

use super::super::progress::Stage;

/// How many hosts are where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Crowd {
    /// All.
    pub(crate) hosts: u64,
    /// Hosts by stage: all of it, the infected, and those where the miner returned.
    pub(crate) stages: Vec<(Stage, [u64; 3])>,
    /// Hosts without a link.
    pub(crate) lost: u64,
    /// Hosts on which the work ended.
    pub(crate) failed: u64,
}

/// A host that has been worked on for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slow {
    /// Its name.
    pub(crate) host: String,
    /// For how long, in whole seconds.
    pub(crate) worked_ms: u64,
    /// Where it is.
    pub(crate) stage: Stage,
    /// The step that ran last; empty where none has.
    pub(crate) step: String,
}

/// See the module.
pub(crate) trait ProgressWords {
    /// Where a host is.
    fn stage(&self, stage: Stage) -> &'static str;

    /// Which step a host is looked at with.
    fn looking_with(&self, step: &str) -> String;

    /// How much is frozen and kept, before the commit; `ready` is set when it is all.
    fn frozen_and_kept(&self, frozen: u32, kept: u32, ready: bool) -> String;

    /// How much is removed.
    fn removing(&self, done: usize, of: usize) -> String;

    /// How many hosts there are, and how many are where.
    fn crowd(&self, crowd: &Crowd) -> String;

    /// The slowest of several hosts, behind the line.
    fn slowest(&self, slow: &[Slow]) -> String;

    /// That lines about single hosts end here.
    fn further_lines(&self) -> &'static str;

    /// How long the watch goes on.
    fn time_left(&self, ms: u64) -> String;

    /// A step failed, and whether the playbook goes on without it.
    fn step_failed(&self, step: &str, why: &str, went_on: bool) -> String;

    /// The look ended.
    fn looked(&self, verdict: Option<HostVerdict>) -> String;

    /// It is looked at again.
    fn looking_again(&self, round: u32) -> String;

    /// The link is lost.
    fn link_lost(&self, why: &str) -> String;

    /// It was not reached.
    fn not_reached(&self, why: &str) -> String;

    /// The host's own security stopped the worker.
    fn blocked(&self, why: &str) -> String;

    /// Something failed.
    fn failed(&self, place: &str, why: &str) -> String;

    /// The watch ended.
    fn watched(&self, covered_ms: u64, window_ms: u64, seen: Seen) -> String;

    /// An action was not done.
    fn not_done(&self, action: &str, why: &str) -> String;

    /// A component is not what was planned.
    fn drifted(&self, component: u32, why: &str) -> String;

    /// The transaction refused.
    fn refused(&self, why: &str) -> String;

    /// Processes that stand still by our hand.
    fn stand_still(&self, frozen: u32) -> String;
}
