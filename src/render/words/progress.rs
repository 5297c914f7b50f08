//! Words for what goes on.

use deminer_engine::event::Seen;
use deminer_engine::finding::HostVerdict;

use super::super::progress::Stage;

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

    /// How many hosts there are, and how many are where; `lost` have no link.
    fn hosts_by_stage(&self, hosts: usize, stages: &[(Stage, u64)], lost: usize) -> String;

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
