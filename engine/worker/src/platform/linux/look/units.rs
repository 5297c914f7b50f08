//! The units that service managers have in memory.

use std::time::{Duration, Instant};

use super::gaps::Gaps;
use crate::action::ServiceManager;
use crate::platform::linux::systemd;
use crate::query::{GapReason, HostError, LoadedUnit, Observed};

/// How long all managers of users together may take: each of them can hold us up.
const USERS_MS: u64 = 15_000;
/// How long one of them may take.
const USER_MS: u64 = 3_000;

/// Answers `Units`. A manager that does not answer is a gap; on a host that systemd does not run there are none.
pub(super) fn units() -> Observed<Vec<LoadedUnit>> {
    let mut gaps = Gaps::default();
    let mut units = Vec::new();
    if systemd::is_booted() {
        take_in(ServiceManager::System {}, systemd::LOOK_MS, &mut units, &mut gaps);
        let ends = Instant::now() + Duration::from_millis(USERS_MS);
        for manager in systemd::of_users() {
            let left = ends.saturating_duration_since(Instant::now()).as_millis();
            let left = u64::try_from(left).unwrap_or(0).min(USER_MS);
            match left {
                0 => gaps.note("units", manager.to_string().as_str(), GapReason::TimedOut),
                left => take_in(manager, left, &mut units, &mut gaps),
            }
        }
    }
    Observed {
        value: units,
        coverage: gaps.into_coverage(),
    }
}

fn take_in(manager: ServiceManager, limit_ms: u64, units: &mut Vec<LoadedUnit>, gaps: &mut Gaps) {
    let why = match systemd::units(manager, limit_ms) {
        Ok((some, whole)) => {
            units.extend(some);
            if whole {
                return;
            }
            GapReason::TooMany
        }
        Err(HostError::Denied { .. }) => GapReason::Denied,
        Err(HostError::TimedOut { .. }) => GapReason::TimedOut,
        Err(HostError::Gone { .. }) if manager != (ServiceManager::System {}) => GapReason::Gone,
        Err(HostError::Gone { .. }) => GapReason::Unsupported,
        Err(_) => GapReason::Malformed,
    };
    gaps.note("units", manager.to_string().as_str(), why);
}
