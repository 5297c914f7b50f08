//! English words for a walk over many hosts.

use deminer_engine::event::Purpose;
use deminer_engine::status::Status;

use super::super::{Things, WalkWords};
use super::English;

impl WalkWords for English {
    fn no_more_hosts(&self) -> &'static str {
        "no further host is begun; those at work go to their end. Ctrl-C again breaks them off"
    }

    fn breaking_off(&self) -> &'static str {
        "breaking off: a host that is not past its commit lets everything run again; one that is goes to its end alone"
    }

    fn host_timed_out(&self, limit_ms: u64) -> String {
        format!("it took longer than {}", self.span(limit_ms))
    }

    fn broken_off(&self) -> &'static str {
        "broken off by the operator"
    }

    fn not_begun(&self) -> &'static str {
        "not begun: the operator wanted no further host"
    }

    fn not_begun_since(&self, rule: &str) -> String {
        format!("not begun: stopped by --stop-when {rule}")
    }

    fn run_timed_out(&self, limit_ms: u64) -> String {
        format!("not begun: the run took longer than {}", self.span(limit_ms))
    }

    fn no_run_is_open(&self) -> &'static str {
        "no run is open: all that was approved is done, or only a new plan helps"
    }

    fn no_runs(&self) -> &'static str {
        "no run yet"
    }

    fn purpose(&self, purpose: Purpose) -> &'static str {
        match purpose {
            Purpose::Look => "look",
            Purpose::Apply => "apply",
            Purpose::Undo => "undo",
        }
    }

    fn at_work(&self) -> &'static str {
        "at work now"
    }

    fn cut_short(&self) -> &'static str {
        "cut short"
    }

    fn so_many_are(&self, hosts: u32, status: Status) -> String {
        format!("{hosts} {}", self.status(status))
    }
}
