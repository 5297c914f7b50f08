//! What came out, held against what a case expects.

use deminer_engine::case::Expected;
use deminer_engine::plan::End;
use deminer_worker::action::{Act, Object};
use deminer_worker::text::HostPath;

use super::Wrong;
use super::play::Played;

/// So much of a query tells which it is.
const QUERY_CHARS: usize = 120;

/// What is not as it must be.
pub(super) fn against(expected: &Expected, played: &Played) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let mut other = |what: String, wanted: String, came: String| {
        if wanted != came {
            wrong.push(Wrong::Other { what, wanted, came });
        }
    };
    let none = || "none".to_owned();
    for (host, verdict) in &expected.verdict {
        for plan in played.plan.iter().flat_map(|plan| plan.hosts()) {
            let name = &plan.orders.host;
            if host.as_ref().is_none_or(|host| host == name) {
                let came = plan
                    .verdict
                    .as_ref()
                    .map_or_else(none, |verdict| verdict.host.to_string());
                other(format!("verdict of {name}"), verdict.to_string(), came);
            }
        }
    }
    for (host, status) in &expected.status {
        for report in played.report.iter().flat_map(|report| &report.hosts) {
            if host.as_ref().is_none_or(|host| *host == report.host) {
                other(
                    format!("status of {}", report.host),
                    status.to_string(),
                    report.status.to_string(),
                );
            }
        }
    }
    let plans = || played.plan.iter().flat_map(|plan| plan.hosts());
    let acts = || plans().flat_map(|host| host.orders.actions.iter().map(|action| &action.act));
    for (kind, count) in &expected.actions {
        let came = acts().filter(|act| act.kind() == kind).count();
        other(
            format!("actions of the kind {kind}"),
            count.to_string(),
            came.to_string(),
        );
    }
    for signal in &expected.findings {
        let mut findings = plans().flat_map(|host| &host.findings);
        let came = findings.any(|finding| finding.signal == *signal);
        other(
            format!("a finding {signal}"),
            "yes".to_owned(),
            if came { "yes" } else { "no" }.to_owned(),
        );
    }
    for path in &expected.untouched {
        let touched = acts().filter(|act| act.is_change() && path_of(act).is_some_and(|of| of.is_below(path)));
        let touched: Vec<String> = touched
            .map(|act| {
                format!(
                    "{} {}",
                    act.kind(),
                    path_of(act).map(ToString::to_string).unwrap_or_default()
                )
            })
            .collect();
        let came = if touched.is_empty() {
            "nothing".to_owned()
        } else {
            touched.join(", ")
        };
        other(format!("what is done below {path}"), "nothing".to_owned(), came);
    }
    if let Some(reason) = &expected.stopped {
        for host in plans() {
            let came = match &host.end {
                End::Stopped { reason, .. } => reason.clone(),
                End::Through {} => "it went through".to_owned(),
                End::Failed { place, why } => format!("it failed: {place}: {why}"),
            };
            if !came.contains(reason.as_str()) {
                other(format!("why {} was stopped", host.orders.host), reason.clone(), came);
            }
        }
    }
    if let Some(text) = &expected.refused {
        match &played.refused {
            Some(came) if came.contains(text.as_str()) => {}
            came => other(
                "it is refused".to_owned(),
                text.clone(),
                came.clone().unwrap_or_else(|| "it was not refused".to_owned()),
            ),
        }
    }
    for (host, query) in &played.missed {
        let query: String = query.chars().take(QUERY_CHARS).collect();
        let hint = "record it anew: `deminer record`";
        wrong.push(Wrong::Failed(format!(
            "host `{host}` was asked what is not recorded: {query}; {hint}"
        )));
    }
    for (host, why) in &played.not_planned {
        wrong.push(Wrong::Failed(format!("host `{host}` has no plan: {why}")));
    }
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
