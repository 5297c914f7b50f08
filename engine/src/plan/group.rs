//! Hosts with equal plans, for people: four hundred equal ones are read once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use deminer_worker::action::{Act, Action};
use deminer_worker::order::Birth;

use super::{HostPlan, Left, Plan};

/// Hosts on which the same is planned, pids, inodes and times apart.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// Its hosts, by name; never empty.
    pub hosts: Vec<&'a HostPlan>,
}

impl Plan {
    /// The hosts of the plan in groups: first those that need a yes of their own, then the rarest, empty ones last.
    pub fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: BTreeMap<String, Vec<&HostPlan>> = BTreeMap::new();
        for host in self.hosts() {
            groups.entry(shape(host)).or_default().push(host);
        }
        let mut groups: Vec<Group<'_>> = groups.into_values().map(|hosts| Group { hosts }).collect();
        groups.sort_by(|a, b| {
            let rank = |group: &Group<'_>| {
                let first = group.hosts[0];
                (first.is_empty(), !first.many_targets, group.hosts.len())
            };
            let name = |group: &Group<'_>| group.hosts[0].orders.host.clone();
            rank(a).cmp(&rank(b)).then_with(|| name(a).cmp(&name(b)))
        });
        groups
    }
}

/// What two hosts must have in common to be shown as one: the word, what is done to which content where, what is left
/// alone and why, and what later rounds may do.
fn shape(plan: &HostPlan) -> String {
    let said = |action: &Action| match plan.orders.overrides.get(&action.id) {
        Some(over) => format!("{} override {:?} {:?}", outline(&action.act), over.rule, over.because),
        None => outline(&action.act),
    };
    let mut lines: Vec<String> = plan.orders.actions.iter().map(said).collect();
    lines.extend(plan.left_alone.iter().map(|left| match &left.what {
        Left::Act { act, .. } => format!("left {} {:?}", outline(act), std::mem::discriminant(&left.why)),
        Left::Directory { path } => format!("left directory {path}"),
    }));
    for component in &plan.orders.components {
        let births = component.envelope.births.iter().map(|birth| match birth {
            Birth::Executable { sha256, .. } => format!("birth {sha256}"),
            Birth::Descent {
                argv_sha256,
                exe_sha256,
            } => format!("descent {argv_sha256} {exe_sha256}"),
        });
        lines.extend(births);
    }
    lines.extend(plan.answers.iter().map(|a| format!("answered {} {}", a.step, a.answer)));
    lines.sort();
    let verdict = plan.verdict.as_ref().map(|verdict| verdict.host);
    let mut shape = format!(
        "{verdict:?} {:?} {:?} {:?}",
        plan.end,
        plan.orders.settle,
        plan.review.len()
    );
    for line in lines {
        let _ = write!(shape, "\n{line}");
    }
    shape
}

/// An act without what differs between equal hosts.
fn outline(act: &Act) -> String {
    let mut outline = act.kind().to_owned();
    if let Some(process) = act.process() {
        let _ = write!(
            outline,
            " {} {} {} {}",
            process.exe_path, process.exe_sha256, process.uid, process.role
        );
    }
    if let Some(file) = act.file() {
        let _ = write!(outline, " {} {} {}", file.path, file.sha256, file.uid);
    }
    match act {
        Act::EditLines { remove, .. } => {
            for target in remove {
                let _ = write!(outline, " {} `{}`", target.number, target.line);
            }
        }
        Act::ClearFlags { flags, .. } => {
            let _ = write!(outline, " {flags:#x}");
        }
        Act::RemoveLink { link } => {
            let _ = write!(outline, " {} {}", link.path, link.target);
        }
        Act::LockAccount { account } => {
            let _ = write!(outline, " {} {}", account.name, account.uid);
        }
        Act::BlockAddress { address, for_s } => {
            let _ = write!(outline, " {address} {for_s}");
        }
        Act::Isolate { .. } | Act::ReloadUnits { .. } => {
            let _ = write!(outline, " {act:?}");
        }
        Act::RunArgv {
            program, argv, undo, ..
        } => {
            let _ = write!(outline, " {} {} {argv:?} {undo:?}", program.path, program.sha256);
        }
        _ => {}
    }
    outline
}
