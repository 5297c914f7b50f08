//! What is to be said of one host beyond its row.

use deminer_engine::event::{Reconciled, Seen};
use deminer_engine::finding::Bearing;
use deminer_engine::report::{
    Change, ChangeState, Door, Drift, FindingReport, HostReport, LeftAlone, Progress, Trouble,
};
use deminer_engine::status::Status;
use deminer_worker::frame::Spared;
use deminer_worker::query::HostError;
use indexmap::IndexMap;
use serde_json::Value;

use super::super::Style;
use super::super::incident::answered;
use super::super::object::{gap, object, short_id};
use super::super::plain::{cut, plain, sentence, value};
use super::super::plan::{about, telling_first};
use super::super::style::Tone;
use super::super::unit::time;
use super::super::words::{Label, Obstacle, Outcome, Words};
use super::entry;

/// Lines of one kind under a host.
const LINES: usize = 12;
/// What was not seen, under a host.
const GAPS: usize = 6;
/// Columns of an error.
const WHY: usize = 400;

/// A line about a host: its word and its words. Words are harmless already.
pub(super) type Line = (Label, String);

/// The host's block; empty where its row says all.
pub(super) fn block(host: &HostReport, style: &Style) -> String {
    let words = style.words();
    let lines = lines(host, words);
    if lines.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "\n{}  {}\n",
        plain(&host.host),
        style.paint(Tone::of(host.status), words.status(host.status))
    );
    let mut last = None;
    for (label, text) in lines {
        let lead = match last == Some(label) {
            true => "",
            false => words.label(label),
        };
        out.push_str(&entry(style, lead, &text));
        last = Some(label);
    }
    out
}

/// All that is to be said of a host, the most urgent first.
pub(super) fn lines(host: &HostReport, words: &dyn Words) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |label: Label, limit: usize, items: Vec<String>| {
        let more = items.len().saturating_sub(limit);
        lines.extend(items.into_iter().take(limit).map(|item| (label, item)));
        if more > 0 {
            lines.push((label, words.more(more as u64)));
        }
    };
    let seen = host.verify.as_ref().map(|verify| verify.seen);
    let label = match seen {
        // What nothing removed did not come back.
        Some(Seen::CannotSay | Seen::Clean) => Label::StillThere,
        Some(Seen::Returned) | None => Label::Returned,
    };
    add(label, LINES, returned(host, words));
    let undone = host.undone.iter().filter_map(|undo| {
        let what = match &undo.object {
            Some(what) => words.aside(&object(what, words), &short_id(undo.action)),
            None => short_id(undo.action),
        };
        let looked = |outcome| Some(words.of(&what, &words.outcome(outcome, true)));
        match (&undo.result, &undo.reconciled) {
            (Some(Ok(_)), _) | (None, Some(Reconciled::Done { .. })) => None,
            (Some(Err(why)), _) => Some(words.of(&what, &error(why))),
            (None, Some(Reconciled::NotDone {})) => looked(Outcome::NotDone(None)),
            (None, Some(Reconciled::Unknown { why })) => looked(Outcome::Unknown(&cut(&plain(why), WHY))),
            (None, None) => Some(words.of(&what, words.undo_not_heard())),
        }
    });
    add(Label::NotUndone, usize::MAX, undone.collect());
    add(
        Label::Drifted,
        LINES,
        host.drifted.iter().map(|drifted| drift(drifted, words)).collect(),
    );
    let hand_over = host.hand_over.iter().map(|to| plain(to).into_owned()).collect();
    add(Label::WayIn, LINES, doors(host, words));
    add(Label::HandOver, LINES, hand_over);
    add(Label::NotKnown, usize::MAX, with_state(host, is_unknown, words));
    add(Label::NotDone, usize::MAX, with_state(host, is_not_done, words));
    add(
        Label::Trouble,
        LINES,
        host.troubles.iter().filter_map(|met| trouble(met, words)).collect(),
    );
    let held = host
        .held
        .iter()
        .map(|held| words.still_holds(&words.process(held.pid, &value(&held.comm)), &held.path.to_string()));
    add(Label::Holds, LINES, held.collect());
    let not_kept = host.not_kept.iter().map(|missing| {
        let pid = missing.item.process.map(|(pid, _)| pid);
        let piece = words.evidence(missing.item.part, pid, &missing.item.path.to_string());
        words.of(&piece, &error(&missing.why))
    });
    add(Label::NotKept, LINES, not_kept.collect());
    let born = host.born.iter().map(|born| {
        let exe = born.exe.as_ref().map(ToString::to_string);
        words.born(
            &words.process(born.pid, &value(&born.comm)),
            exe.as_deref(),
            born.component,
        )
    });
    add(Label::StruckToo, LINES, born.collect());
    add(
        Label::LeftAlone,
        LINES,
        host.left_alone.iter().map(|item| left(item, words)).collect(),
    );
    let clock = host.clock.iter().map(|clock| words.clock_differs(clock.ahead_ms));
    add(Label::Clock, LINES, clock.collect());
    let answers = host.answers.iter().map(|given| answered(given, words));
    add(Label::Answered, usize::MAX, answers.collect());
    let review = host
        .findings
        .iter()
        .filter(|finding| finding.finding.bearing == Bearing::Review);
    add(
        Label::LookAt,
        LINES,
        review.map(|finding| to_look_at(finding, words)).collect(),
    );
    let gaps = telling_first(&host.gaps).into_iter().map(|seen| gap(seen, words));
    add(Label::NotSeen, GAPS, gaps.collect());
    lines
}

/// The known ways in, those that stand first; they are not told again as something to look at.
fn doors(host: &HostReport, words: &dyn Words) -> Vec<String> {
    let mut doors: Vec<&Door> = host.doors.iter().collect();
    doors.sort_by_key(|door| door.shut);
    let told = |door: &Door| {
        let mut findings = host.findings.iter().map(|report| &report.finding);
        let finding = findings.find(|finding| finding.id == door.finding)?;
        let said = cut(&sentence(finding, words), WHY).into_owned();
        Some(match door.shut {
            true => words.door_is_shut(&said),
            false => words.door_stands(&said),
        })
    };
    doors.into_iter().filter_map(told).collect()
}

/// What came back, by the last verify.
fn returned(host: &HostReport, words: &dyn Words) -> Vec<String> {
    let findings = host.verify.iter().flat_map(|verify| &verify.findings);
    let returned: Vec<String> = findings
        .filter(|finding| finding.finding.bearing == Bearing::Returned)
        .map(|finding| sentence(&finding.finding, words))
        .collect();
    match (returned.is_empty(), host.status) {
        (true, Status::Returned) => vec![words.returned_unsaid().to_owned()],
        _ => returned,
    }
}

/// What a person should look at, and why.
fn to_look_at(finding: &FindingReport, words: &dyn Words) -> String {
    let finding = &finding.finding;
    words.of(&about(&finding.artifact, words), &sentence(finding, words))
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
fn with_state(host: &HostReport, wanted: fn(&HostReport, &Change) -> bool, words: &dyn Words) -> Vec<String> {
    let mut said: IndexMap<String, Vec<String>> = IndexMap::new();
    for change in host.changes.iter().filter(|change| wanted(host, change)) {
        let what = words.act(change.kind, &object(&change.object, words));
        said.entry(state(change, words)).or_default().push(what);
    }
    said.into_iter()
        .map(|(state, objects)| words.of(&state, &words.list(&objects)))
        .collect()
}

/// What became of a change, in words.
pub(super) fn state(change: &Change, words: &dyn Words) -> String {
    use deminer_worker::action::Done;
    let looked = change.reconciled.is_some();
    match &change.state {
        ChangeState::Excluded => words.outcome(Outcome::LeftOut, looked),
        ChangeState::Waiting => words.outcome(Outcome::NothingHeard, looked),
        ChangeState::Begun => words.outcome(Outcome::Begun, looked),
        ChangeState::Done { done } => {
            let outcome = match done {
                Some(Done::Already) => Outcome::Already,
                Some(Done::Gone) => Outcome::Gone,
                Some(Done::WouldNotStop) => Outcome::WouldNotStop,
                Some(Done::Ran { end, .. }) => return words.outcome(Outcome::Ran(&end.to_string()), looked),
                Some(Done::Changed { .. }) | None => Outcome::Done,
            };
            words.outcome(outcome, looked)
        }
        ChangeState::NotDone { why } => {
            let why = why.as_ref().map(error);
            words.outcome(Outcome::NotDone(why.as_deref()), looked)
        }
        ChangeState::Skipped { needs } => words.outcome(Outcome::Skipped(&short_id(*needs)), looked),
        ChangeState::Drifted => words.outcome(Outcome::Drifted, looked),
        ChangeState::Unknown { why } => words.outcome(Outcome::Unknown(&cut(&plain(why), WHY)), looked),
    }
}

/// A difference between the plan and the host.
fn drift(drift: &Drift, words: &dyn Words) -> String {
    let what = match &drift.object {
        Some(what) => words.aside(&object(what, words), &short_id(drift.action)),
        None => short_id(drift.action),
    };
    let why = match &drift.why {
        HostError::Changed { expected, found, .. } => {
            words.expected_found(&cut(&plain(expected), WHY), &cut(&plain(found), WHY))
        }
        other => error(other),
    };
    words.drift(&what, &why, drift.component)
}

/// An error, as far as a host may have written it bounded and harmless.
fn error(error: &HostError) -> String {
    cut(&plain(&error.to_string()), WHY).into_owned()
}

/// What stood in the way, and what to do, where that is known.
fn hinted(what: String, why: &HostError, words: &dyn Words) -> String {
    match why.hint() {
        Some(hint) => words.clauses(&[what, cut(&plain(hint), WHY).into_owned()]),
        None => what,
    }
}

fn trouble(trouble: &Trouble, words: &dyn Words) -> Option<String> {
    Some(match trouble {
        Trouble::NotReached { why } => hinted(words.obstacle(Obstacle::NotReached(&error(why))), why, words),
        Trouble::Lost { why } => words.obstacle(Obstacle::Lost(&error(why))),
        Trouble::Blocked { why } => hinted(words.obstacle(Obstacle::Blocked(&error(why))), why, words),
        Trouble::Failed { place, why } => words.obstacle(Obstacle::Failed {
            place: &plain(place),
            why: &cut(&plain(why), WHY),
        }),
        Trouble::Refused { why } => words.obstacle(Obstacle::Refused(&cut(&plain(why), WHY))),
        Trouble::NotOrdered { action } => words.obstacle(Obstacle::NotOrdered(&action.to_string())),
        Trouble::Spared { pid, comm, because } => words.obstacle(Obstacle::Spared {
            pid: *pid,
            comm: &cut(&plain(&comm.to_string()), WHY),
            why: &spared(because, words),
        }),
        Trouble::Cancelled => words.obstacle(Obstacle::Cancelled),
        Trouble::Closed { windows, opens_ms } => words.obstacle(Obstacle::Closed {
            windows: &plain(windows),
            opens: &time(opens_ms.0),
        }),
        Trouble::Expired { why } => words.obstacle(Obstacle::Expired(&cut(&plain(why), WHY))),
        // Said before everything else.
        Trouble::Journal { .. } => return None,
    })
}

fn spared(why: &Spared, words: &dyn Words) -> String {
    match why {
        Spared::Protected { rule } => words.spared(&Spared::Protected {
            rule: cut(&plain(rule), WHY).into_owned(),
        }),
        Spared::Owned { package } => words.spared(&Spared::Owned {
            package: cut(&plain(package), WHY).into_owned(),
        }),
        other => words.spared(other),
    }
}

/// What was left as it is. The reason stands in the plan's own form, which a later version may have other words for.
fn left(left: &LeftAlone, words: &dyn Words) -> String {
    let word = left.why.get("why").and_then(Value::as_str);
    let why = match serde_json::from_value(left.why.clone()) {
        Ok(why) => super::super::object::why_left(&why, words),
        Err(_) if word == Some("excluded") => {
            let reason = left.why.get("reason").and_then(Value::as_str).map(plain);
            let clauses =
                std::iter::once(words.outcome(Outcome::LeftOut, false)).chain(reason.map(|it| it.into_owned()));
            words.clauses(&clauses.collect::<Vec<_>>())
        }
        Err(_) => word.map_or_else(|| words.not_said().to_owned(), |word| plain(word).into_owned()),
    };
    let mut clauses = vec![cut(&why, WHY).into_owned()];
    clauses.extend(left.brings_back.then(|| words.brings_back().to_owned()));
    words.of(&object(&left.object, words), &words.clauses(&clauses))
}

/// How much looking showed done, not done, and neither.
pub(super) fn reconciled<'r>(states: impl Iterator<Item = &'r Reconciled>) -> [usize; 3] {
    let mut found = [0; 3];
    for state in states {
        let at = match state {
            Reconciled::Done { .. } => 0,
            Reconciled::NotDone {} => 1,
            Reconciled::Unknown { .. } => 2,
        };
        found[at] += 1;
    }
    found
}
