//! A value, and what could not be seen while it was made.

use serde::{Deserialize, Serialize};

use crate::text::HostBytes;

/// A value, with what could not be seen while it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed<T> {
    /// What was seen.
    pub value: T,
    /// What was not.
    #[serde(default, skip_serializing_if = "Coverage::is_whole")]
    pub coverage: Coverage,
}

/// What an observation could not see, and why; empty means all of it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Coverage {
    /// Without repetition; those of one answer sorted, those of several answer by answer.
    #[serde(default)]
    pub gaps: Vec<Gap>,
}

/// One thing that was not seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// The kind of thing: `process`, `file`, `directory`, `socket`, `packages`, ...
    pub subject: String,
    /// Which one: a path, a pid, empty where the subject says it all.
    pub object: HostBytes,
    /// Why.
    pub why: GapReason,
}

/// Why something was not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The kernel refused.
    Denied,
    /// It ended or was removed while it was read. Ordinary.
    Gone,
    /// It is longer than the limit; the beginning was seen.
    Cut,
    /// There were more than the limit.
    TooMany,
    /// The time for it ran out.
    TimedOut,
    /// It was there, but not in the form that its documentation gives.
    Malformed,
    /// This host or this kernel has no such thing to ask.
    Unsupported,
    /// It changed while it was read.
    Changed,
    /// It was seen, but by the word of a program of the host, which may lie. Hides nothing by itself.
    Testimony,
    /// What was to look at it failed.
    Failed,
    /// It was seen, but by a kernel in which something runs that no package explains.
    Untrusted,
    /// It was struck, and no step of `verify` looks for it.
    NotSought,
}

impl GapReason {
    /// Whether such a gap can hide something. What ended while it was read is ordinary and hides nothing that lasts; what
    /// a program of the host said is marked, not missing.
    pub fn is_material(self) -> bool {
        !matches!(self, GapReason::Gone | GapReason::Testimony)
    }
}

impl Coverage {
    /// Nothing was left out.
    pub fn whole() -> Self {
        Self::default()
    }

    /// Whether nothing was left out.
    pub fn is_whole(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Notes a gap, once.
    pub fn note(&mut self, subject: &str, object: impl Into<HostBytes>, why: GapReason) {
        let gap = Gap {
            subject: subject.to_owned(),
            object: object.into(),
            why,
        };
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }

    /// Takes over the gaps of another observation.
    pub fn unite(&mut self, other: &Coverage) {
        for gap in &other.gaps {
            if !self.gaps.contains(gap) {
                self.gaps.push(gap.clone());
            }
        }
    }

    /// The gaps that can hide something.
    pub fn material(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter().filter(|gap| gap.why.is_material())
    }
}

impl<T> Observed<T> {
    /// Seen whole.
    pub fn whole(value: T) -> Self {
        Self {
            value,
            coverage: Coverage::whole(),
        }
    }

    /// The same gaps, another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Observed<U> {
        Observed {
            value: f(self.value),
            coverage: self.coverage,
        }
    }
}
