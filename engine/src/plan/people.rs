//! What a plan line says to people: bounded, the important first.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::action::{Action, ActionId};
use deminer_worker::query::{Coverage, Gap, Process};
use deminer_worker::text::HostBytes;

use super::{LeftAlone, Machine, ShownProcess, UndoKind};
use crate::clock::HostClock;
use crate::finding::{Artifact, Bearing, Finding, FindingId};
use crate::look::Looked;

/// Findings that nothing rests on and that are shown all the same.
const FURTHER_FINDINGS: usize = 500;

/// Gaps that are shown.
const GAPS: usize = 500;

/// Bytes of one process's arguments that are shown.
const ARGV_BYTES: usize = 1024;

/// What the host said of itself.
pub(super) fn machine(looked: &Looked) -> Machine {
    let facts = &looked.facts;
    Machine {
        system: facts.system.clone(),
        distribution: facts.distribution.clone(),
        kernel: facts.kernel.clone(),
        architecture: facts.architecture.clone(),
        cpus: facts.cpus,
        without: facts.without.clone(),
        clock: looked.clock.filter(HostClock::is_told),
    }
}

/// The findings of the line, in the order stated, and how many were left out. What actions, verdict or the left alone
/// rest on is never left out.
pub(super) fn findings(looked: &Looked, actions: &[Action], left: &[LeftAlone]) -> (Vec<Finding>, u32) {
    let mut cited: BTreeSet<&str> = actions.iter().flat_map(|a| &a.because).map(String::as_str).collect();
    cited.extend(left.iter().flat_map(|l| &l.because).map(FindingId::as_str));
    cited.extend(looked.verdict.iter().flat_map(|v| &v.because).map(FindingId::as_str));
    let named = |finding: &&Finding| cited.contains(finding.id.as_str());
    let mut objects: BTreeSet<String> = looked.findings.iter().filter(named).map(|f| f.artifact.key()).collect();
    for act in actions.iter().map(|action| &action.act) {
        if let Some(process) = act.process().cloned() {
            objects.insert(Artifact::Process { process }.key());
        }
        if let Some(file) = act.file().cloned() {
            objects.insert(Artifact::File { file }.key());
        }
    }

    let mut further = 0;
    let mut omitted = 0;
    let mut shown = Vec::new();
    for finding in &looked.findings {
        let speaks = matches!(finding.bearing, Bearing::Benign | Bearing::Review | Bearing::Condemns)
            || objects.contains(&finding.artifact.key());
        if !named(&finding) {
            if !speaks || further == FURTHER_FINDINGS {
                omitted += 1;
                continue;
            }
            further += 1;
        }
        shown.push(finding.clone());
    }
    (shown, omitted)
}

/// Of these findings the ones that a person should look at, sorted.
pub(super) fn review(findings: &[Finding]) -> Vec<FindingId> {
    let review = findings.iter().filter(|finding| finding.bearing == Bearing::Review);
    let ids: BTreeSet<FindingId> = review.map(|finding| finding.id.clone()).collect();
    ids.into_iter().collect()
}

/// The gaps of the line, those that can hide something first, and how many were left out.
pub(super) fn gaps(coverage: &Coverage) -> (Vec<Gap>, u32) {
    let mut gaps = coverage.gaps.clone();
    gaps.sort();
    gaps.dedup();
    gaps.sort_by_key(|gap| !gap.why.is_material());
    let omitted = gaps.len().saturating_sub(GAPS) as u32;
    gaps.truncate(GAPS);
    (gaps, omitted)
}

/// The processes that actions are about, as far as they are still there.
pub(super) fn processes(actions: &[Action], seen: &[Process]) -> Vec<ShownProcess> {
    let named: BTreeSet<(u32, u64)> = actions
        .iter()
        .filter_map(|action| action.act.process())
        .map(|process| (process.pid, process.start_ticks.0))
        .collect();
    let mut shown: Vec<ShownProcess> = seen
        .iter()
        .filter(|process| named.contains(&(process.pid, process.start_ticks.0)))
        .map(|process| {
            let (argv, cut) = bounded(&process.argv);
            ShownProcess {
                pid: process.pid,
                start_ticks: process.start_ticks,
                ppid: process.ppid,
                argv_cut: cut || process.argv_bytes.0 > process.argv.iter().map(|word| word.len() as u64 + 1).sum(),
                argv,
                exe_deleted: process.exe.as_ref().is_some_and(|exe| exe.deleted),
            }
        })
        .collect();
    shown.sort_by_key(|process| (process.pid, process.start_ticks));
    shown
}

/// The first words, [`ARGV_BYTES`] together, and whether anything was cut.
fn bounded(argv: &[HostBytes]) -> (Vec<HostBytes>, bool) {
    let mut left = ARGV_BYTES;
    let mut words = Vec::new();
    for word in argv {
        if word.len() + 1 > left {
            words.push(HostBytes::new(&word.as_bytes()[..left.min(word.len())]));
            return (words, true);
        }
        left -= word.len() + 1;
        words.push(word.clone());
    }
    (words, false)
}

/// How each action is taken back.
pub(super) fn undo(actions: &[Action]) -> BTreeMap<ActionId, UndoKind> {
    actions
        .iter()
        .map(|action| (action.id, UndoKind::of(&action.act)))
        .collect()
}
