//! What a verify phase proves: of what was struck, nothing came back and everything was looked for.
//!
//! A module says by [`seeks`](crate::module::Collector::seeks) what must not come back. What was struck and no step of
//! verify looked for is no proof, however quiet the host was.

use std::collections::BTreeSet;

use deminer_worker::action::{Act, ActionId, Effect};
use deminer_worker::query::{Coverage, GapReason};
use deminer_worker::text::HostBytes;

use crate::event::{EventKind, Seen};
use crate::finding::{Artifact, Bearing, Finding};
use crate::look::Verification;
use crate::plan::{HostPlan, Left};

/// What a verify phase comes to: a return outweighs everything, then what was not seen or not looked for; quiet counts for
/// as long as it was watched. What was left was not removed, so that it is there is no return, and no quiet either.
pub(crate) fn verified(verification: &Verification, plan: &HostPlan, settled: &BTreeSet<ActionId>) -> EventKind {
    let with = |bearing: Bearing| {
        verification
            .findings
            .iter()
            .filter(move |finding| finding.bearing == bearing)
    };
    let number = |finding: &Finding, field: &str| finding.fields.get(field).and_then(|value| value.parse().ok());
    let windows: Vec<(u64, u64)> = with(Bearing::Quiet)
        .map(|quiet| {
            (
                number(quiet, "window_ms").unwrap_or(u64::MAX),
                number(quiet, "covered_ms").unwrap_or(0),
            )
        })
        .collect();
    let window_ms = windows.iter().map(|(window, _)| *window).max().unwrap_or(0);
    let covered_ms = windows.iter().map(|(_, covered)| *covered).min().unwrap_or(0);
    let struck = plan.orders.actions.iter().filter(|action| settled.contains(&action.id));
    let struck: Vec<&Act> = struck.map(|action| &action.act).collect();
    let left = left(plan, settled);
    let is_back = |finding: &Finding| {
        let artifact = &finding.artifact;
        let of = |acts: &[&Act]| acts.iter().any(|act| would_remove(act, artifact));
        // What is looked for and nothing was to remove stands there still: a step that is left out would have.
        !of(&left) && (of(&struck) || !verification.sought.contains(artifact))
    };
    let unsought = unsought(struck.iter().copied(), &verification.sought);
    let seen = if with(Bearing::Returned).any(is_back) {
        Seen::Returned
    } else if with(Bearing::Returned).next().is_some()
        || !verification.failures.is_empty()
        || verification.is_blind()
        || !unsought.is_whole()
        || windows.is_empty()
        || windows.iter().any(|(window, covered)| covered < window)
    {
        Seen::CannotSay
    } else {
        Seen::Clean
    };
    let speaks = |finding: &&Finding| matches!(finding.bearing, Bearing::Returned | Bearing::Quiet | Bearing::Review);
    let mut coverage = verification.coverage.clone();
    coverage.unite(&unsought);
    EventKind::Verified {
        seen,
        window_ms,
        covered_ms,
        findings: verification.findings.iter().filter(speaks).cloned().collect(),
        coverage,
    }
}

/// What acts take away from a host and nothing of `sought` is: what runs, what starts something, who may log in. A file that
/// starts nothing need not be looked for, since what would run it is; but where nothing at all is, it is missing too.
pub(crate) fn unsought<'a>(acts: impl Iterator<Item = &'a Act>, sought: &[Artifact]) -> Coverage {
    let mut coverage = Coverage::whole();
    let is_sought = |act: &Act| {
        (sought.iter()).any(|artifact| !matches!(artifact, Artifact::Remote { .. }) && would_remove(act, artifact))
    };
    let mut note = |act: &Act, subject: &str, object: HostBytes| {
        if !is_sought(act) {
            coverage.note(subject, object, GapReason::NotSought);
        }
    };
    for act in acts {
        match act {
            Act::Kill { process } => note(act, "process", HostBytes::from(&*process.pid.to_string())),
            Act::RemoveFile { .. } if !sought.is_empty() => {}
            Act::RemoveFile { file } | Act::RemoveStarter { file, .. } => note(act, "file", file.path.clone().into()),
            Act::RemoveLink { link } => note(act, "link", link.path.clone().into()),
            Act::LockAccount { account } => note(act, "account", account.name.clone()),
            Act::EditLines { file, remove, syntax } => {
                for line in remove {
                    let alone = Act::EditLines {
                        file: file.clone(),
                        remove: vec![line.clone()],
                        syntax: *syntax,
                    };
                    note(
                        &alone,
                        "line",
                        HostBytes::from(&*format!("{}:{}", file.path, line.number)),
                    );
                }
            }
            // What holds still, is kept, or only serves one of the above; what a program of the host did is its own.
            Act::Keep { .. }
            | Act::Freeze { .. }
            | Act::Throttle { .. }
            | Act::ClearFlags { .. }
            | Act::ReloadUnits { .. }
            | Act::BlockAddress { .. }
            | Act::Isolate { .. }
            | Act::RunArgv { .. } => {}
        }
    }
    coverage
}

/// What the plan names and no strike removed: it drifted, failed, was not approved, or is protected.
fn left<'a>(plan: &'a HostPlan, settled: &BTreeSet<ActionId>) -> Vec<&'a Act> {
    let actions = plan.orders.actions.iter();
    let actions = actions.filter(|action| action.act.effect() == Effect::Destroy && !settled.contains(&action.id));
    let alone = plan.left_alone.iter().filter_map(|left| match &left.what {
        Left::Act { act, .. } => Some(act),
        Left::Directory { .. } => None,
    });
    actions.map(|action| &action.act).chain(alone).collect()
}

/// Whether an act would have removed what a finding is about.
fn would_remove(act: &Act, artifact: &Artifact) -> bool {
    match (act, artifact) {
        (Act::Kill { process }, Artifact::Process { process: seen }) => {
            (process.pid, process.start_ticks) == (seen.pid, seen.start_ticks)
        }
        // A process that was left may keep any connection of the incident.
        (Act::Kill { .. }, Artifact::Remote { .. }) => true,
        (Act::RemoveFile { file } | Act::RemoveStarter { file, .. }, Artifact::File { file: seen }) => {
            file.path == seen.path
        }
        (Act::RemoveLink { link }, Artifact::Link { link: seen }) => link.path == seen.path,
        (Act::RemoveStarter { file, .. }, Artifact::Unit { unit }) => {
            unit.files.iter().any(|part| part.file.path == file.path)
        }
        (Act::RemoveLink { link }, Artifact::Unit { unit }) => unit.links.iter().any(|other| other.path == link.path),
        (Act::ReloadUnits { manager, units }, Artifact::Unit { unit }) => {
            *manager == unit.manager && units.contains(&unit.name)
        }
        (Act::LockAccount { account }, Artifact::Account { account: seen }) => account.name == seen.name,
        (Act::EditLines { file, remove, .. }, Artifact::Line { file: seen, line }) => {
            file.path == seen.path && remove.iter().any(|removed| removed.line == line.line)
        }
        _ => false,
    }
}
