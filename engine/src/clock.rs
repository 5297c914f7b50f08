//! A host's clock, held against the controller's. What ends, ends by the controller's alone; what a host says of its times is
//! by its own.

use deminer_worker::query::HostFacts;
use deminer_worker::text::Wide;
use serde::{Deserialize, Serialize};

/// A difference that is told; smaller ones are the rule.
pub const TOLD_MS: u64 = 5_000;

/// What a host's clock said, and how it differs from the controller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostClock {
    /// Milliseconds since 1970, by the host.
    pub host_time_ms: Wide,
    /// When it booted, by its own clock of now.
    pub booted_host_ms: Wide,
    /// Milliseconds by which it is ahead of the controller's, negative where it is behind: at least so many, since the
    /// question takes its time.
    pub ahead_ms: i64,
}

impl HostClock {
    /// Of what a host said of itself between two moments of the controller's clock.
    pub fn held(facts: &HostFacts, asked_ms: u64, answered_ms: u64) -> HostClock {
        let said = facts.host_time_ms.0;
        let apart = |more: u64, less: u64| i64::try_from(more - less).unwrap_or(i64::MAX);
        let ahead_ms = if said > answered_ms.max(asked_ms) {
            apart(said, answered_ms.max(asked_ms))
        } else if said < asked_ms {
            -apart(asked_ms, said)
        } else {
            0
        };
        HostClock {
            host_time_ms: facts.host_time_ms,
            booted_host_ms: Wide(said.saturating_sub(facts.uptime_ms.0)),
            ahead_ms,
        }
    }

    /// Whether it is worth a word.
    pub fn is_told(&self) -> bool {
        self.ahead_ms.unsigned_abs() > TOLD_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::bench::Bench;

    #[test]
    fn a_clock_is_as_far_off_as_the_question_cannot_explain() {
        let rows = [
            ("within the question", 1_000_500, 0),
            ("at its beginning", 1_000_000, 0),
            ("at its end", 1_001_000, 0),
            ("ahead", 1_008_000, 7_000),
            ("behind", 990_000, -10_000),
            ("of 1970", 0, -1_000_000),
            ("of the end of time", u64::MAX, i64::MAX),
        ];
        for (name, said, expected) in rows {
            let facts = HostFacts {
                host_time_ms: Wide(said),
                uptime_ms: Wide(600_000),
                ..Bench::new().looked.facts
            };
            let clock = HostClock::held(&facts, 1_000_000, 1_001_000);
            assert_eq!(clock.ahead_ms, expected, "{name}");
            assert_eq!(clock.is_told(), expected.unsigned_abs() > 5_000, "{name}");
            assert_eq!(clock.booted_host_ms.0, said.saturating_sub(600_000), "{name}");
        }
        // A clock of ours that was set back meanwhile.
        assert_eq!(
            HostClock::held(&Bench::new().looked.facts, u64::MAX, 0)
                .ahead_ms
                .signum(),
            -1
        );
    }
}
