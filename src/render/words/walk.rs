//! Words for a walk over many hosts, and for the list of runs.

use deminer_engine::event::Purpose;
use deminer_engine::status::Status;

/// See the module.
pub(crate) trait WalkWords {
    /// That no further host is begun, and what another Ctrl-C does.
    fn no_more_hosts(&self) -> &'static str;

    /// That links are dropped now.
    fn breaking_off(&self) -> &'static str;

    /// Why a host ended: it took longer than one may.
    fn host_timed_out(&self, limit_ms: u64) -> String;

    /// Why a host ended: the operator broke it off.
    fn broken_off(&self) -> &'static str;

    /// Why a host was not begun: the operator wanted no more.
    fn not_begun(&self) -> &'static str;

    /// Why a host was not begun: so much had ended badly, as `--stop-when` says it.
    fn not_begun_since(&self, rule: &str) -> String;

    /// Why a host was not begun: the run took longer than it may.
    fn run_timed_out(&self, limit_ms: u64) -> String;

    /// That nothing is left to be taken up.
    fn no_run_is_open(&self) -> &'static str;

    /// That there is no run.
    fn no_runs(&self) -> &'static str;

    /// What a run is for.
    fn purpose(&self, purpose: Purpose) -> &'static str;

    /// That a process works on a run.
    fn at_work(&self) -> &'static str;

    /// That a run was cut, and can be taken up.
    fn cut_short(&self) -> &'static str;

    /// How many hosts ended so.
    fn so_many_are(&self, hosts: u32, status: Status) -> String;
}
