//! What is to be said of one host beyond its row.

use deminer_engine::event::Reconciled;
use deminer_engine::finding::Bearing;
use deminer_engine::report::{Change, ChangeState, Drift, FindingReport, HostReport, LeftAlone, Progress, Trouble};
use deminer_engine::status::Status;
use deminer_worker::frame::Part;
use deminer_worker::query::HostError;
use indexmap::IndexMap;
use serde_json::Value;

use super::super::Style;
use super::super::object::{gap, object, short_id};
use super::super::plain::{cut, plain, sentence, value};
use super::super::plan::{about, telling_first};
use super::super::style::Tone;
use super::entry;

/// Lines of one kind under a host.
const LINES: usize = 12;
/// What was not seen, under a host.
const GAPS: usize = 6;
/// Columns of an error.
const WHY: usize = 400;

/// A line about a host: its word and its words. Words are harmless already.
pub(super) type Line = (&'static str, String);

/// The host's block; empty where its row says all.
pub(super) fn block(host: &HostReport, style: &Style) -> String {
    let lines = lines(host);
    if lines.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "\n{}  {}\n",
        plain(&host.host),
        style.paint(Tone::of(host.status), host.status)
    );
    let mut last = "";
    for (word, text) in lines {
        out.push_str(&entry(style, if word == last { "" } else { word }, &text));
        last = word;
    }
    out
}

/// All that is to be said of a host, the most urgent first.
pub(super) fn lines(host: &HostReport) -> Vec<Line> {
    let mut lines = Vec::new();
    add(&mut lines, "returned", LINES, &returned(host));
    let undone = host.undone.iter().filter_map(|undo| {
        let what = match &undo.object {
            Some(what) => format!("{} ({})", object(what), short_id(undo.action)),
            None => short_id(undo.action),
        };
        match &undo.result {
            Some(Ok(_)) => None,
            Some(Err(why)) => Some(format!("{what}: {}", error(why))),
            None => Some(format!("{what}: not known; nothing was heard of it")),
        }
    });
    add(&mut lines, "not undone", usize::MAX, &undone.collect::<Vec<_>>());
    add(
        &mut lines,
        "drifted",
        LINES,
        &host.drifted.iter().map(drift).collect::<Vec<_>>(),
    );
    add(&mut lines, "not known", usize::MAX, &with_state(host, is_unknown));
    add(&mut lines, "not done", usize::MAX, &with_state(host, is_not_done));
    add(
        &mut lines,
        "trouble",
        LINES,
        &host.troubles.iter().filter_map(trouble).collect::<Vec<_>>(),
    );
    let held = host.held.iter().map(|held| {
        format!(
            "pid {} `{}` still holds {}: start it again",
            held.pid,
            value(&held.comm),
            held.path
        )
    });
    add(&mut lines, "holds", LINES, &held.collect::<Vec<_>>());
    let not_kept = host.not_kept.iter().map(|missing| {
        let part = match missing.item.part {
            Part::Content => "content",
            Part::Exe => "executable",
            Part::Argv => "arguments",
            Part::Environ => "environment",
            Part::Maps => "memory map",
            Part::Fds => "open files",
        };
        let of = missing
            .item
            .process
            .map(|(pid, _)| format!("pid {pid}, "))
            .unwrap_or_default();
        format!("{part} of {of}{}: {}", missing.item.path, error(&missing.why))
    });
    add(&mut lines, "not kept", LINES, &not_kept.collect::<Vec<_>>());
    let born = host.born.iter().map(|born| {
        let exe = born
            .exe
            .as_ref()
            .map(|exe| format!(", running {exe}"))
            .unwrap_or_default();
        format!(
            "pid {} `{}`{exe}, born within the envelope of component {}",
            born.pid,
            value(&born.comm),
            born.component
        )
    });
    add(&mut lines, "struck too", LINES, &born.collect::<Vec<_>>());
    add(
        &mut lines,
        "left alone",
        LINES,
        &host.left_alone.iter().map(left).collect::<Vec<_>>(),
    );
    let review = host
        .findings
        .iter()
        .filter(|finding| finding.finding.bearing == Bearing::Review);
    add(
        &mut lines,
        "look at",
        LINES,
        &review.map(to_look_at).collect::<Vec<_>>(),
    );
    let gaps: Vec<String> = telling_first(&host.gaps).into_iter().map(gap).collect();
    add(&mut lines, "not seen", GAPS, &gaps);
    lines
}

fn add(lines: &mut Vec<Line>, word: &'static str, limit: usize, items: &[String]) {
    lines.extend(items.iter().take(limit).map(|item| (word, item.clone())));
    if items.len() > limit {
        lines.push((word, format!("and {} more", items.len() - limit)));
    }
}

/// What came back, by the last verify.
fn returned(host: &HostReport) -> Vec<String> {
    let findings = host.verify.iter().flat_map(|verify| &verify.findings);
    let returned: Vec<String> = findings
        .filter(|finding| finding.finding.bearing == Bearing::Returned)
        .map(stated)
        .collect();
    match (returned.is_empty(), host.status) {
        (true, Status::Returned) => vec!["something came back; no finding says what".to_owned()],
        _ => returned,
    }
}

/// What a person should look at, and why.
fn to_look_at(finding: &FindingReport) -> String {
    format!("{}: {}", about(&finding.finding.artifact), stated(finding))
}

/// What a finding says.
fn stated(finding: &FindingReport) -> String {
    sentence(&finding.finding)
}

fn is_unknown(host: &HostReport, change: &Change) -> bool {
    match change.state {
        ChangeState::Begun | ChangeState::Unknown { .. } => true,
        ChangeState::Waiting => host.progress == Progress::Committed,
        _ => false,
    }
}

fn is_not_done(host: &HostReport, change: &Change) -> bool {
    match change.state {
        ChangeState::NotDone { .. } | ChangeState::Skipped { .. } | ChangeState::Drifted => true,
        ChangeState::Waiting => host.progress > Progress::Committed,
        _ => false,
    }
}

/// The changes that are in such a state, those of which the same is to be said as one.
fn with_state(host: &HostReport, wanted: fn(&HostReport, &Change) -> bool) -> Vec<String> {
    let mut said: IndexMap<String, Vec<String>> = IndexMap::new();
    for change in host.changes.iter().filter(|change| wanted(host, change)) {
        let what = format!("{} {}", change.kind, object(&change.object));
        said.entry(state(change)).or_default().push(what);
    }
    said.into_iter()
        .map(|(words, objects)| format!("{words}: {}", objects.join(", ")))
        .collect()
}

/// What became of a change, in words.
pub(super) fn state(change: &Change) -> String {
    let seen = if change.reconciled.is_some() {
        ", found by looking"
    } else {
        ""
    };
    match &change.state {
        ChangeState::Excluded => "left out by the approval".to_owned(),
        ChangeState::Waiting => "nothing was heard of it".to_owned(),
        ChangeState::Begun => "begun; its end was not heard".to_owned(),
        ChangeState::Done { done } => {
            use deminer_worker::action::Done;
            let word = match done {
                Some(Done::Gone) => "was gone already",
                Some(Done::WouldNotStop) => "would not stop",
                Some(Done::Changed { .. }) | None => "done",
            };
            format!("{word}{seen}")
        }
        ChangeState::NotDone { why: Some(why) } => format!("not done: {}{seen}", error(why)),
        ChangeState::NotDone { why: None } => format!("not done{seen}"),
        ChangeState::Skipped { needs } => format!("left alone, since {} was not done", short_id(*needs)),
        ChangeState::Drifted => "left alone, since its component drifted".to_owned(),
        ChangeState::Unknown { why } => format!("not known: {}", cut(&plain(why), WHY)),
    }
}

/// A difference between the plan and the host.
fn drift(drift: &Drift) -> String {
    let what = match &drift.object {
        Some(what) => format!("{} ({})", object(what), short_id(drift.action)),
        None => short_id(drift.action),
    };
    let why = match &drift.why {
        HostError::Changed { expected, found, .. } => format!(
            "expected {}, found {}",
            cut(&plain(expected), WHY),
            cut(&plain(found), WHY)
        ),
        other => error(other),
    };
    format!(
        "{what}: {why}; what is left of component {} was left as it is",
        drift.component
    )
}

/// An error, as far as a host may have written it bounded and harmless.
fn error(error: &HostError) -> String {
    cut(&plain(&error.to_string()), WHY).into_owned()
}

fn trouble(trouble: &Trouble) -> Option<String> {
    Some(match trouble {
        Trouble::NotReached { why } => format!("not reached: {}", error(why)),
        Trouble::Lost { why } => format!("the link was lost: {}", error(why)),
        Trouble::Blocked { why } => format!("stopped by the host's own security: {}", error(why)),
        Trouble::Failed { place, why } => format!("at {}: {}", plain(place), cut(&plain(why), WHY)),
        Trouble::Refused { why } => format!("the host refused to begin or to go on: {}", cut(&plain(why), WHY)),
        Trouble::NotOrdered { action } => format!("it told of action {action}, which it was not to carry out"),
        Trouble::Cancelled => "the operator ended the run".to_owned(),
        // Said before everything else.
        Trouble::Journal { .. } => return None,
    })
}

/// What was left as it is. The reason stands in the plan's own form, which a later version may have other words for.
fn left(left: &LeftAlone) -> String {
    let word = left.why.get("why").and_then(Value::as_str).unwrap_or("not said");
    let why = match serde_json::from_value(left.why.clone()) {
        Ok(why) => super::super::object::why_left(&why),
        Err(_) if word == "excluded" => "left out by the approval".to_owned(),
        Err(_) => plain(word).into_owned(),
    };
    format!("{}: {}", object(&left.object), cut(&why, WHY))
}

/// Of these changes how many looking showed done, not done, and neither.
pub(super) fn reconciled(changes: &[&Change]) -> [usize; 3] {
    let number = |wanted: fn(&Reconciled) -> bool| {
        changes
            .iter()
            .filter(|change| change.reconciled.as_ref().is_some_and(wanted))
            .count()
    };
    [
        number(|state| matches!(state, Reconciled::Done { .. })),
        number(|state| matches!(state, Reconciled::NotDone {})),
        number(|state| matches!(state, Reconciled::Unknown { .. })),
    ]
}
