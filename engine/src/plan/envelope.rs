//! The envelope: which processes that nobody has seen yet may take the place of one in the plan.
//!
//! An executable is a predicate alone only where it is known to be the intruder's: no package has its path or content,
//! and nothing that is not condemned runs it. Everything else (a shell, an interpreter, what nobody could tell) must be
//! the same command line with the same executable, born of a condemned process.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::action::{Act, FileTarget, ProcessTarget};
use deminer_worker::order::{Birth, ComponentOrders, Envelope};
use deminer_worker::protect;
use deminer_worker::query::{Ownership, Process};
use deminer_worker::text::Digest;

use super::ask::{Learned, exe_names};
use super::merge::Wants;

/// Which executables of the plan are predicates alone.
pub(super) struct Predicates {
    alone: BTreeSet<Digest>,
}

impl Predicates {
    /// Tells them by what is left in the plan after protection.
    pub(super) fn of(wants: &Wants, learned: &Learned) -> Predicates {
        let (condemned, facts) = (learned.condemned(wants), &learned.facts);
        let removed: Vec<&FileTarget> = wants
            .values()
            .filter_map(|want| match &want.act {
                Act::RemoveFile { file } | Act::RemoveStarter { file, .. } => Some(file),
                _ => None,
            })
            .collect();
        // All processes of one content must agree: a copy that nobody could tell keeps the others bound to descent.
        let mut alone: BTreeMap<Digest, bool> = BTreeMap::new();
        for process in killed(wants) {
            let known = is_unowned(process, &removed, facts) && !others_run(process, &condemned, &facts.processes);
            let all = alone.entry(process.exe_sha256).or_insert(true);
            *all &= known;
        }
        let alone = alone
            .into_iter()
            .filter(|(_, all)| *all)
            .map(|(sha256, _)| sha256)
            .collect();
        Predicates { alone }
    }

    /// Whether what this process runs is one.
    pub(super) fn is_alone(&self, process: &ProcessTarget) -> bool {
        self.alone.contains(&process.exe_sha256)
    }
}

fn killed(wants: &Wants) -> impl Iterator<Item = &ProcessTarget> {
    wants.values().filter_map(|want| match &want.act {
        Act::Kill { process } => Some(process),
        _ => None,
    })
}

/// Whether no package owns what a process runs, by path and by content.
///
/// Where the database cannot tell, or the process ended before it was asked, a removal of the same content speaks for it:
/// that file is condemned for its own bytes and nothing protects it.
fn is_unowned(process: &ProcessTarget, removed: &[&FileTarget], facts: &protect::Facts) -> bool {
    let names = exe_names(process, facts);
    let owners: Vec<Option<&Ownership>> = names.iter().map(|name| facts.ownership.get(name)).collect();
    if !owners.is_empty() && owners.iter().all(|owner| matches!(owner, Some(Ownership::Unowned))) {
        return true;
    }
    let unopposed = owners
        .iter()
        .all(|owner| matches!(owner, Some(Ownership::Unowned | Ownership::Unknown) | None));
    unopposed && removed.iter().any(|file| file.sha256 == process.exe_sha256)
}

/// Whether a process that is not condemned runs the same content, or may run it: one of the same size that could not be
/// hashed.
fn others_run(process: &ProcessTarget, condemned: &BTreeSet<(u32, u64)>, processes: &[Process]) -> bool {
    processes
        .iter()
        .filter(|p| !condemned.contains(&(p.pid, p.start_ticks.0)))
        .filter_map(|p| p.exe.as_ref())
        .any(|exe| match exe.sha256 {
            Some(sha256) => sha256 == process.exe_sha256,
            None => exe.id == process.exe || exe.size == process.exe_size,
        })
}

/// The components that are left, each with its envelope.
pub(super) fn components(wants: &Wants, predicates: &Predicates, max_births: u32) -> Vec<ComponentOrders> {
    let mut births: BTreeMap<u32, BTreeSet<Birth>> = BTreeMap::new();
    for want in wants.values() {
        let component = births.entry(want.component).or_default();
        if let Act::Kill { process } = &want.act {
            component.insert(birth(process, predicates));
        }
    }
    births
        .into_iter()
        .map(|(id, births)| ComponentOrders {
            id,
            envelope: Envelope {
                max_births: if births.is_empty() { 0 } else { max_births },
                births: births.into_iter().collect(),
            },
        })
        .collect()
}

fn birth(process: &ProcessTarget, predicates: &Predicates) -> Birth {
    match predicates.is_alone(process) {
        true => Birth::executable(process),
        false => Birth::descent(process),
    }
}
