//! What could not be seen, gathered while an answer is made.

use std::collections::HashSet;

use rustix::io::Errno;

use crate::query::{Coverage, Gap, GapReason, HostError};
use crate::text::HostBytes;

/// Gaps in the order met, each once; cheap with thousands of them.
#[derive(Debug, Default, Clone)]
pub(super) struct Gaps {
    order: Vec<Gap>,
    known: HashSet<Gap>,
}

impl Gaps {
    /// Notes a gap, once.
    pub(super) fn note(&mut self, subject: &str, object: impl Into<HostBytes>, why: GapReason) {
        self.add(Gap {
            subject: subject.to_owned(),
            object: object.into(),
            why,
        });
    }

    /// Notes what a system call said.
    pub(super) fn errno(&mut self, subject: &str, object: impl Into<HostBytes>, errno: Errno) {
        self.note(subject, object, reason(errno));
    }

    /// Takes over the gaps of a part of the answer.
    pub(super) fn unite(&mut self, other: Gaps) {
        for gap in other.order {
            self.add(gap);
        }
    }

    /// The gaps, as they travel: sorted, since what looks at the same time meets them in any order, and the same host gives the
    /// same answer.
    pub(super) fn into_coverage(mut self) -> Coverage {
        self.order.sort();
        Coverage { gaps: self.order }
    }

    /// Those met so far.
    #[cfg(test)]
    pub(super) fn list(&self) -> &[Gap] {
        &self.order
    }

    fn add(&mut self, gap: Gap) {
        if self.known.insert(gap.clone()) {
            self.order.push(gap);
        }
    }
}

/// A pid as the object of a gap.
pub(super) fn pid_object(pid: u32) -> HostBytes {
    HostBytes::new(pid.to_string())
}

/// The reason that a system call's error stands for; what has no name here counts as refused by the kernel.
pub(super) fn reason(errno: Errno) -> GapReason {
    match errno {
        Errno::NOENT | Errno::SRCH | Errno::NOTDIR | Errno::STALE => GapReason::Gone,
        Errno::TIMEDOUT => GapReason::TimedOut,
        Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOTTY => GapReason::Unsupported,
        Errno::LOOP => GapReason::Changed,
        Errno::FBIG | Errno::OVERFLOW => GapReason::Cut,
        Errno::INVAL | Errno::NAMETOOLONG => GapReason::Malformed,
        _ => GapReason::Denied,
    }
}

/// The error of a query that has no answer at all.
pub(super) fn failure(doing: &str, errno: Errno) -> HostError {
    let doing = doing.to_owned();
    match errno {
        Errno::ACCESS | Errno::PERM => HostError::Denied { doing },
        Errno::NOENT | Errno::SRCH => HostError::Gone { doing },
        Errno::NOSYS | Errno::OPNOTSUPP => HostError::Unsupported {
            doing,
            why: errno.to_string(),
        },
        _ => HostError::Failed {
            doing,
            why: errno.to_string(),
        },
    }
}
