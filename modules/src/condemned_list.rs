//! Lists of condemned objects, as playbooks hand them from the trace to responders and to verify.

use std::collections::BTreeMap;

use deminer_engine::finding::{Artifact, Condemned, FindingId};
use deminer_engine::module::{ModuleError, Proposal};
use deminer_worker::action::{AccountTarget, Act, FileTarget, ProcessTarget};
use schemars::JsonSchema;
use serde::Serialize;

/// What a responder tells of itself; its proposals are on their way to the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Proposed {
    /// How many changes it proposes, equal ones counted once.
    pub proposed: u32,
}

/// That one of a list is not what the list is for.
pub(crate) fn refusal(list: &str, index: usize, why: impl Into<String>) -> ModuleError {
    ModuleError::Parameter {
        name: format!("{list}[{index}]"),
        why: why.into(),
    }
}

/// The word for an artifact's kind.
pub(crate) fn kind(artifact: &Artifact) -> &'static str {
    match artifact {
        Artifact::Host {} => "host",
        Artifact::Process { .. } => "process",
        Artifact::File { .. } => "file",
        Artifact::Line { .. } => "line",
        Artifact::Link { .. } => "link",
        Artifact::Unit { .. } => "unit",
        Artifact::Account { .. } => "user account",
        Artifact::Remote { .. } => "remote",
    }
}

/// Refuses what no finding speaks of.
pub(crate) fn cited(list: &str, index: usize, condemned: &Condemned) -> Result<(), ModuleError> {
    match condemned.because.is_empty() {
        true => Err(refusal(
            list,
            index,
            "no finding is cited: nothing is done without a reason",
        )),
        false => Ok(()),
    }
}

/// A process that a list names.
pub(crate) fn process<'a>(
    list: &str,
    index: usize,
    condemned: &'a Condemned,
) -> Result<&'a ProcessTarget, ModuleError> {
    cited(list, index, condemned)?;
    match &condemned.artifact {
        Artifact::Process { process } if process.pid < 2 => {
            Err(refusal(list, index, format!("pid {} is the host's own", process.pid)))
        }
        Artifact::Process { process } if process.boot_id.is_empty() => Err(refusal(
            list,
            index,
            format!("pid {} without a boot names no process", process.pid),
        )),
        Artifact::Process { process } => Ok(process),
        other => Err(refusal(
            list,
            index,
            format!("expected a process, found a {}", kind(other)),
        )),
    }
}

/// A file that a list names.
pub(crate) fn file<'a>(list: &str, index: usize, condemned: &'a Condemned) -> Result<&'a FileTarget, ModuleError> {
    cited(list, index, condemned)?;
    match &condemned.artifact {
        Artifact::File { file } => {
            placed(list, index, file)?;
            Ok(file)
        }
        other => Err(refusal(
            list,
            index,
            format!("expected a file, found a {}", kind(other)),
        )),
    }
}

/// An account that a list names; never root itself.
pub(crate) fn account<'a>(
    list: &str,
    index: usize,
    condemned: &'a Condemned,
) -> Result<&'a AccountTarget, ModuleError> {
    cited(list, index, condemned)?;
    match &condemned.artifact {
        Artifact::Account { account } if account.name.as_bytes() == b"root" => {
            Err(refusal(list, index, "root is the last way in"))
        }
        Artifact::Account { account } if account.name.is_empty() => {
            Err(refusal(list, index, "an account without a name is none"))
        }
        Artifact::Account { account } => Ok(account),
        other => Err(refusal(
            list,
            index,
            format!("expected an account, found a {}", kind(other)),
        )),
    }
}

/// Refuses a file that no path from the root leads to.
pub(crate) fn placed(list: &str, index: usize, file: &FileTarget) -> Result<(), ModuleError> {
    match file.path.as_bytes() {
        [b'/', _, ..] => Ok(()),
        _ => Err(refusal(
            list,
            index,
            format!("`{}` is no absolute path of a file", file.path),
        )),
    }
}

/// Proposals in the order given, equal ones of one component once, with all their reasons.
#[derive(Default)]
pub(crate) struct Proposals {
    all: Vec<Proposal>,
    /// Where the last one of a component and a name stands.
    places: BTreeMap<(u32, u64), usize>,
}

impl Proposals {
    pub(crate) fn add(&mut self, component: u32, act: Act, because: &[FindingId]) {
        let key = (component, act.id("").0);
        let equal = self.places.get(&key).map(|at| &mut self.all[*at]);
        if let Some(proposal) = equal.filter(|proposal| proposal.act == act) {
            unite(&mut proposal.because, because);
            return;
        }
        self.places.insert(key, self.all.len());
        self.all.push(Proposal {
            component,
            act,
            because: sorted(because),
        });
    }

    pub(crate) fn finish(self) -> (Proposed, Vec<Proposal>) {
        let proposed = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        (Proposed { proposed }, self.all)
    }
}

/// Adds reasons, sorted, each once.
pub(crate) fn unite(reasons: &mut Vec<FindingId>, more: &[FindingId]) {
    reasons.extend_from_slice(more);
    reasons.sort();
    reasons.dedup();
}

fn sorted(because: &[FindingId]) -> Vec<FindingId> {
    let mut reasons = Vec::new();
    unite(&mut reasons, because);
    reasons
}

/// The inode flags that forbid a change: append-only and immutable (ioctl_iflags(2)).
pub(crate) const FORBIDDING_FLAGS: u32 = 0x30;

/// The act that lifts what forbids a change of this file; `None` where nothing does.
pub(crate) fn clears_flags(file: &FileTarget) -> Option<Act> {
    let flags = file.flags.unwrap_or(0) & FORBIDDING_FLAGS;
    (flags != 0).then(|| Act::ClearFlags {
        file: file.clone(),
        flags,
    })
}
