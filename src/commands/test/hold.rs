//! What came out, held against what a case expects.

use deminer_engine::case::Expected;
use deminer_engine::plan::End;
use deminer_worker::action::{Act, Object};
use deminer_worker::text::HostPath;

use super::play::Played;
use super::wrong::{Aspect, Side, Wrong};

/// So much of a query tells which it is.
const QUERY_CHARS: usize = 120;

/// What is not as it must be.
pub(super) fn against(expected: &Expected, played: &Played) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let mut other = |what: Aspect, wanted: Side, came: Side| {
        if wanted != came {
            wrong.push(Wrong::Other { what, wanted, came });
        }
    };
    let word = |word: &dyn ToString| Side::Word(word.to_string());
    for (host, verdict) in &expected.verdict {
        for plan in played.plan.iter().flat_map(|plan| plan.hosts()) {
            let name = &plan.orders.host;
            if host.as_ref().is_none_or(|host| host == name) {
                let came = plan.verdict.as_ref();
                let came = came.map_or(Side::None, |verdict| word(&verdict.host));
                other(Aspect::Verdict(name.clone()), word(verdict), came);
            }
        }
    }
    for (host, status) in &expected.status {
        for report in played.report.iter().flat_map(|report| &report.hosts) {
            if host.as_ref().is_none_or(|host| *host == report.host) {
                other(Aspect::Status(report.host.clone()), word(status), word(&report.status));
            }
        }
    }
    let plans = || played.plan.iter().flat_map(|plan| plan.hosts());
    let acts = || plans().flat_map(|host| host.orders.actions.iter().map(|action| &action.act));
    for (kind, count) in &expected.actions {
        let came = acts().filter(|act| act.kind() == kind).count();
        other(Aspect::Actions(kind.clone()), word(count), word(&came));
    }
    for signal in &expected.findings {
        let mut findings = plans().flat_map(|host| &host.findings);
        let came = findings.any(|finding| finding.signal == *signal);
        other(Aspect::Finding(signal.clone()), Side::Yes, Side::is(came));
    }
    for path in &expected.untouched {
        let touched = acts().filter(|act| act.is_change() && path_of(act).is_some_and(|of| of.is_below(path)));
        let touched: Vec<(&str, String)> = touched
            .map(|act| (act.kind(), path_of(act).map(ToString::to_string).unwrap_or_default()))
            .collect();
        let came = match touched.is_empty() {
            true => Side::Nothing,
            false => Side::Acts(touched),
        };
        other(Aspect::Below(path.to_string()), Side::Nothing, came);
    }
    if let Some(reason) = &expected.stopped {
        for host in plans() {
            let came = match &host.end {
                End::Stopped { reason: came, .. } if came.contains(reason.as_str()) => continue,
                End::Stopped { reason, .. } => word(reason),
                End::Through {} => Side::Through,
                End::Failed { place, why } => Side::Failed {
                    place: place.clone(),
                    why: why.clone(),
                },
            };
            other(Aspect::Stopped(host.orders.host.clone()), word(reason), came);
        }
    }
    if let Some(text) = &expected.refused {
        match &played.refused {
            Some(came) if came.contains(text.as_str()) => {}
            came => {
                let came = came.as_ref().map_or(Side::NotRefused, |came| word(came));
                other(Aspect::Refused, word(text), came);
            }
        }
    }
    wrong.extend(played.missed.iter().map(|(host, query)| Wrong::NotRecorded {
        host: host.clone(),
        query: query.chars().take(QUERY_CHARS).collect(),
    }));
    wrong.extend(played.not_planned.iter().map(|(host, why)| Wrong::NotPlanned {
        host: host.clone(),
        why: why.clone(),
    }));
    wrong
}

/// The path that an act is about.
pub(super) fn path_of(act: &Act) -> Option<&HostPath> {
    match act {
        Act::Keep {
            object: Object::File { file },
        } => Some(&file.path),
        Act::Keep {
            object: Object::Process { process },
        } => Some(&process.exe_path),
        Act::RemoveLink { link } => Some(&link.path),
        act => act
            .process()
            .map(|process| &process.exe_path)
            .or(act.file().map(|file| &file.path)),
    }
}
