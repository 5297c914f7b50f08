//! What goes wrong by script.
//!
//! Every call of a worker passes two boundaries, one before its work and one after. A fault stands at one of them, by its
//! number or by the call that passes it. Dying at each of the [`super::Simulated::boundaries`] of a run in turn covers
//! every moment at which a host can tell that its worker died.

use serde::{Deserialize, Serialize};

use crate::query::HostError;
use crate::text::HostPath;

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When; it happens once.
    pub at: At,
    /// What.
    pub then: FaultKind,
}

/// A boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// By its number, from 0, counted over the whole life of the host.
    Boundary(u64),
    /// By the call that passes it.
    Call(CallAt),
}

/// A boundary by the call that passes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CallAt {
    /// Which call.
    pub of: Call,
    /// Only calls of this kind: that of the act (`kill`), the query (`processes`), the undo (`restore_file`) or the part
    /// captured (`exe`). Any where it is not given.
    #[serde(default)]
    pub kind: Option<String>,
    /// The how manieth such call, from 1.
    #[serde(default = "first")]
    pub nth: u32,
    /// Before or after its work.
    #[serde(default)]
    pub side: Side,
}

/// Before the work of a call, or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Nothing of it is done.
    #[default]
    Before,
    /// All of it is done, but the worker does not know.
    After,
}

/// The calls of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// [`crate::platform::Platform::answer`].
    Answer,
    /// [`crate::platform::Platform::act`].
    Act,
    /// [`crate::platform::Platform::thaw`].
    Thaw,
    /// [`crate::platform::Platform::undo`].
    Undo,
    /// [`crate::platform::Platform::capture`], once for the object and once for each part.
    Capture,
    /// [`crate::platform::Platform::lock`].
    Lock,
    /// [`crate::platform::Platform::arm`].
    Arm,
    /// [`crate::platform::Platform::committed`].
    Committed,
    /// [`crate::platform::Platform::disarm`].
    Disarm,
    /// [`crate::platform::Platform::open_journal`].
    OpenJournal,
    /// [`crate::platform::Platform::recall_journal`].
    RecallJournal,
    /// [`crate::platform::Platform::recall_spool`].
    RecallSpool,
    /// [`crate::platform::Platform::forget_journal`].
    ForgetJournal,
    /// [`crate::journal::Store::append`].
    Append,
    /// [`crate::journal::Store::spool`].
    Spool,
    /// [`crate::journal::Store::remove`].
    RemoveJournal,
    /// [`crate::platform::Platform::sleep_ms`].
    Sleep,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The worker is killed: see [`WorkerKilled`].
    Die,
    /// The call fails with this error; after its work, the work is done all the same. A call that cannot fail goes on.
    Fail(HostError),
    /// From now on the kernel does not show this path, and what is below it.
    DenyRead(HostPath),
    /// From now on nothing can be written: no journal, no spool, no edit, no restored file.
    DiskFull,
    /// From now on this process runs on when it is told to stop.
    IgnoreStop(u32),
    /// The clock moves by so many milliseconds.
    Delay(u64),
}

/// What the thread of a killed worker unwinds with (`std::panic::resume_unwind`, so that no panic hook speaks of it).
///
/// Whoever catches it calls [`super::Simulated::worker_gone`]; until then every call is refused as `Lost`, so that
/// nothing that unwinds can still act on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerKilled;

fn first() -> u32 {
    1
}

/// The faults still to come, and what was counted.
#[derive(Debug, Default)]
pub(super) struct Script {
    faults: Vec<Waiting>,
    passed: u64,
}

#[derive(Debug)]
struct Waiting {
    fault: Fault,
    /// Calls that fitted so far.
    met: u32,
}

impl Script {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        let mut script = Self::default();
        faults.into_iter().for_each(|fault| script.add(fault));
        script
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(Waiting { fault, met: 0 });
    }

    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// Passes a boundary; what goes wrong there.
    pub(super) fn pass(&mut self, call: Call, kind: &str, side: Side) -> Vec<FaultKind> {
        let number = self.passed;
        self.passed += 1;
        let mut now = Vec::new();
        self.faults.retain_mut(|waiting| {
            let is_here = match &waiting.fault.at {
                At::Boundary(at) => *at == number,
                At::Call(at) => {
                    let fits = at.of == call && at.side == side && at.kind.as_deref().is_none_or(|k| k == kind);
                    waiting.met += u32::from(fits);
                    fits && waiting.met == at.nth
                }
            };
            if is_here {
                now.push(waiting.fault.then.clone());
            }
            !is_here
        });
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_stand_at_one_boundary() {
        let text = r#"[
            {"at": {"boundary": 2}, "then": "disk_full"},
            {"at": {"call": {"of": "act", "kind": "kill", "nth": 2, "side": "after"}}, "then": "die"},
            {"at": {"call": {"of": "answer"}}, "then": {"fail": {"error": "denied", "doing": "look"}}}
        ]"#;
        let mut script = Script::new(serde_json::from_str(text).expect("the documented form"));
        let steps = [
            (Call::Act, "kill", Side::After, 0),
            (Call::Act, "kill", Side::Before, 0),
            (Call::Lock, "", Side::Before, 1),
            (Call::Act, "remove_file", Side::After, 0),
            (Call::Act, "kill", Side::After, 1),
            (Call::Act, "kill", Side::After, 0),
            (Call::Answer, "host", Side::Before, 1),
            (Call::Answer, "host", Side::Before, 0),
        ];
        for (row, (call, kind, side, faults)) in steps.into_iter().enumerate() {
            assert_eq!(script.pass(call, kind, side).len(), faults, "row {row}");
        }
        assert_eq!(script.passed(), 8);
    }
}
