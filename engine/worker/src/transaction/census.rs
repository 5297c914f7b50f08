//! Who is there that the plan could not know: processes born since, held against the envelope.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{ProcessTarget, Role};
use crate::order::{Birth, ComponentOrders};
use crate::protect::exe_names;
use crate::query::Process;
use crate::text::HostPath;

/// A process of a component: planned, or born within its envelope.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) component: u32,
    pub(super) target: ProcessTarget,
}

/// A process that fits the envelope of a component.
pub(super) struct Fit<'a> {
    pub(super) component: u32,
    pub(super) process: &'a Process,
    /// Whether what it runs is all that speaks for it.
    by_content: bool,
}

/// The processes that fit a birth of `components`, by the first that fits. `family` are the condemned, dead ones
/// included, by pid and start time.
pub(super) fn births<'a>(
    processes: &'a [Process],
    components: &[ComponentOrders],
    family: &BTreeMap<(u32, u64), u32>,
    own_chain: &BTreeSet<u32>,
) -> Vec<Fit<'a>> {
    let by_pid: BTreeMap<u32, &Process> = processes.iter().map(|p| (p.pid, p)).collect();
    let mut born = Vec::new();
    for process in processes {
        let stranger = !family.contains_key(&(process.pid, process.start_ticks.0));
        if !stranger
            || process.kernel_thread
            || process.has_ended()
            || process.pid == 1
            || own_chain.contains(&process.pid)
        {
            continue;
        }
        let fit = components.iter().find_map(|ComponentOrders { id, envelope }| {
            let birth = envelope
                .births
                .iter()
                .find(|birth| fits(process, birth, *id, family, &by_pid))?;
            Some(Fit {
                component: *id,
                process,
                by_content: matches!(birth, Birth::Executable { .. }),
            })
        });
        born.extend(fit);
    }
    born
}

fn fits(
    process: &Process,
    birth: &Birth,
    component: u32,
    family: &BTreeMap<(u32, u64), u32>,
    by_pid: &BTreeMap<u32, &Process>,
) -> bool {
    let content = process.exe.as_ref().and_then(|exe| exe.sha256);
    match birth {
        Birth::Executable { sha256, .. } => content == Some(*sha256),
        Birth::Descent {
            argv_sha256,
            exe_sha256,
        } => {
            content == Some(*exe_sha256)
                && process.argv_sha256 == Some(*argv_sha256)
                && descends(process, component, family, by_pid)
        }
    }
}

/// Whether one of its ancestors is condemned in that component. An ancestor's pid must be of a process that began before
/// its child, else it is another one of the same number.
fn descends(
    process: &Process,
    component: u32,
    family: &BTreeMap<(u32, u64), u32>,
    by_pid: &BTreeMap<u32, &Process>,
) -> bool {
    let mut child = process;
    for _ in 0..by_pid.len() {
        let condemned = family
            .range((child.ppid, 0)..=(child.ppid, child.start_ticks.0))
            .any(|((_, _), of)| *of == component);
        if condemned {
            return true;
        }
        match by_pid.get(&child.ppid) {
            Some(parent) if parent.start_ticks <= child.start_ticks && parent.pid != child.pid => child = parent,
            _ => return false,
        }
    }
    false
}

impl Fit<'_> {
    pub(super) fn key(&self) -> (u32, u64) {
        (self.process.pid, self.process.start_ticks.0)
    }

    /// Whether it began before the look that the plan rests on.
    pub(super) fn is_older(&self, looked_ms: u64, ticks_per_second: u32) -> bool {
        let began = self.process.start_ticks.0.saturating_mul(1000) / u64::from(ticks_per_second.max(1));
        began < looked_ms
    }

    /// Under which names to ask whose content it runs; empty where something else speaks for it.
    pub(super) fn asked(&self, processes: &[Process], own_chain: &BTreeSet<u32>) -> Vec<HostPath> {
        match self.by_content {
            true => exe_names(self.process, processes, own_chain),
            false => Vec::new(),
        }
    }
}

/// The identity of a process that was just seen; `None` where its executable could not be read and hashed.
pub(super) fn target_of(process: &Process, boot_id: &str) -> Option<ProcessTarget> {
    let exe = process.exe.as_ref()?;
    Some(ProcessTarget {
        boot_id: boot_id.to_owned(),
        pid: process.pid,
        start_ticks: process.start_ticks,
        exe: exe.id,
        exe_path: exe.path.clone(),
        exe_sha256: exe.sha256?,
        exe_size: exe.size,
        argv_sha256: process.argv_sha256?,
        uid: process.uid,
        comm: process.comm.clone(),
        role: Role::Companion,
    })
}
