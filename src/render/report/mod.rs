//! The account of a run: what was done and what was seen, apart; what is not known is said first.

mod account;
mod markdown;
mod next;
mod settled;

use std::collections::BTreeMap;

use deminer_engine::event::{Purpose, Seen};
use deminer_engine::report::{Appeared, HostReport, Progress, Report, Stay, Trouble, VerifyReport};
use deminer_worker::action::Role;
use deminer_worker::text::HostPath;
use serde_json::Value;

pub(crate) use self::markdown::markdown;
pub(crate) use self::settled::settled;
use super::Style;
use super::plain::plain;
use super::style::{Tone, padded};
use super::table::Table;
use super::unit::{and, count, size, span, tally, time, time_ns};

/// Hosts that are named in a sentence.
const NAMED: usize = 6;

/// The column of the last lines.
const COLUMN: usize = 12;

/// The account, for people.
pub(crate) fn text(report: &Report, style: &Style) -> String {
    let mut out = String::new();
    for line in first(report) {
        out.push_str(&style.hang("", &line));
    }
    out.push_str(&style.hang("", &heading(report)));
    out.push('\n');
    out.push_str(&hosts(report, style));
    for host in &report.hosts {
        out.push_str(&account::block(host, style));
    }
    out.push('\n');
    for line in last(report) {
        out.push_str(&style.hang("", &line));
    }
    out.push_str(&next::text(report, style));
    out
}

/// The account, for programs. Numbers of 64 bits are strings.
pub(crate) fn json(report: &Report) -> Value {
    serde_json::to_value(report).expect("a report is made of what JSON has")
}

/// What a reader must know before anything else: that the run is not through, or what it rests on.
fn first(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    let is_apply = report.purpose.is_none_or(|purpose| purpose != Purpose::Look);
    if report.unfinished() {
        let open: Vec<&HostReport> = report.hosts.iter().filter(|host| !host.finished).collect();
        let hosts = match open.is_empty() {
            true => String::new(),
            false => format!(" {} not through.", names(&open, "is", "are")),
        };
        lines.push(format!(
            "This run is not through: it still runs, or was cut.{hosts} What its journals do not hold is not known."
        ));
    }
    let before = |host: &&HostReport| {
        is_apply && host.tally.of > 0 && host.tally.done == 0 && host.progress < Progress::Committed
    };
    let uncommitted: Vec<&HostReport> = report.hosts.iter().filter(before).collect();
    if !uncommitted.is_empty() {
        let hosts = names(&uncommitted, "ended", "ended");
        lines.push(format!("{hosts} before the commit: nothing was changed there."));
    }
    for host in &report.hosts {
        let looked_at = host.changes.iter().filter(|change| change.reconciled.is_some());
        let looked_at: Vec<_> = looked_at.collect();
        if looked_at.is_empty() {
            continue;
        }
        let [done, not_done, unknown] = account::reconciled(&looked_at);
        lines.push(format!(
            "{}: what became of {} was not heard at once but found by looking: {done} done, {not_done} not done, \
             {unknown} not known.",
            plain(&host.host),
            count(looked_at.len() as u64, "action", "actions"),
        ));
    }
    for host in &report.hosts {
        for trouble in &host.troubles {
            if let Trouble::Journal { why } = trouble {
                let host = plain(&host.host);
                lines.push(format!(
                    "{host}: its journal does not hold: {}. No good word rests on it.",
                    plain(why)
                ));
            }
        }
    }
    for journal in &report.journals {
        if let (None, deminer_engine::journal::ChainEnd::Broken { line, why }) = (&journal.host, &journal.end) {
            let why = plain(why);
            lines.push(format!(
                "The run's own journal is broken at line {line}: {why}. What comes after it is not used."
            ));
        }
    }
    lines
}

/// `web-1 and web-2 are`.
fn names(hosts: &[&HostReport], one: &str, several: &str) -> String {
    let verb = if hosts.len() == 1 { one } else { several };
    match hosts.len() > NAMED {
        true => format!("{} hosts {verb}", hosts.len()),
        false => {
            let names: Vec<String> = hosts.iter().map(|host| plain(&host.host).into_owned()).collect();
            format!("{} {verb}", and(&names))
        }
    }
}

/// Which run, of which plan, by whose yes.
fn heading(report: &Report) -> String {
    let run = match report.run.is_empty() {
        true => "a run without a name".to_owned(),
        false => format!("run {}", plain(&report.run)),
    };
    let mut words = vec![run];
    if !report.playbook.is_empty() {
        words.push(plain(&report.playbook).into_owned());
    }
    match report.purpose {
        Some(Purpose::Look) => words.push("which only looks".to_owned()),
        Some(Purpose::Undo) => words.push("which takes back".to_owned()),
        Some(Purpose::Apply) | None => {}
    }
    if let Some(plan) = &report.plan {
        words.push(format!("plan {}", plan.short()));
    }
    if let Some(yes) = &report.approval {
        let left_out = match yes.excluded.len() {
            0 => String::new(),
            excluded => format!(", {} left out", count(excluded as u64, "action", "actions")),
        };
        words.push(format!(
            "approved by `{}` ({}) {}{left_out}",
            plain(&yes.approver),
            plain(&yes.means),
            time(yes.at_ms.0)
        ));
    }
    words.join(", ")
}

/// The heading of the hosts' table, and a row each, as plain words.
fn rows(report: &Report) -> (Vec<&'static str>, Vec<[String; 6]>) {
    let changed = match report.purpose {
        Some(Purpose::Undo) => "taken back",
        _ => "changed",
    };
    let heading = vec!["host", "status", changed, "verify", "stroke", "kept in the vault"];
    let rows = report.hosts.iter().map(|host| {
        [
            plain(&host.host).into_owned(),
            host.status.to_string(),
            tally(&host.tally),
            host.verify.as_ref().map(verify).unwrap_or_default(),
            host.stroke_ms.map(span).unwrap_or_default(),
            match host.kept.items {
                0 => String::new(),
                items => format!(
                    "{}, {}",
                    count(u64::from(items), "item", "items"),
                    size(host.kept.bytes.0)
                ),
            },
        ]
    });
    (heading, rows.collect())
}

/// A verify's word, with what of its window was watched.
fn verify(verify: &VerifyReport) -> String {
    let (covered, window) = (span(verify.covered_ms), span(verify.window_ms));
    match verify.seen {
        Seen::Clean => format!("clean over {window}"),
        Seen::Returned => format!("returned, {covered} of {window}"),
        Seen::CannotSay => format!("cannot_say, {covered} of {window}"),
    }
}

fn hosts(report: &Report, style: &Style) -> String {
    let (heading, rows) = rows(report);
    let mut table = Table::new(&heading);
    for (host, mut row) in report.hosts.iter().zip(rows) {
        row[1] = style.paint(Tone::of(host.status), host.status);
        table.row(row.to_vec());
    }
    table.text(style)
}

/// What was removed, in words; empty where nothing was.
fn removed(report: &Report) -> Vec<String> {
    let counts = &report.counts;
    let mut words = Vec::new();
    let mut add = |number: u32, one: &str, several: &str| {
        if number > 0 {
            words.push(count(u64::from(number), one, several));
        }
    };
    for (role, one, several) in [
        (Role::Miner, "miner", "miners"),
        (Role::Guardian, "guardian", "guardians"),
        (Role::Companion, "companion", "companions"),
    ] {
        add(counts.killed.get(&role).copied().unwrap_or(0), one, several);
    }
    add(
        counts.born,
        "process born within the envelope",
        "processes born within the envelope",
    );
    for (kind, one, several) in [
        ("edit_lines", "line", "lines"),
        ("remove_file", "file", "files"),
        (
            "clear_flags",
            "file whose flags were cleared",
            "files whose flags were cleared",
        ),
    ] {
        add(counts.removed.get(kind).copied().unwrap_or(0), one, several);
    }
    words
}

/// What holds for the whole: watched, way in, frozen, what stays, what is left.
fn last(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    let removed = removed(report);
    if !removed.is_empty() {
        let changes = tally(&report.counts.changes);
        lines.push(format!("Removed: {}; {changes} actions.", and(&removed)));
    }
    lines.extend(watched(report));
    let mut facts = Vec::new();
    if is_infected(report) {
        facts.push("Way in: not known, so it may return.".to_owned());
    }
    if report.purpose != Some(Purpose::Look) {
        facts.push(format!("Frozen now: {}.", report.counts.frozen));
    }
    facts.push("Shown by these hosts' own kernels.".to_owned());
    lines.push(facts.join(" "));
    lines.extend(times(report, ToString::to_string).map(|times| format!("Times: {times}.")));
    lines.extend(stays(report));
    lines
}

/// Whether there was, or may be, an intruder.
fn is_infected(report: &Report) -> bool {
    use deminer_engine::finding::HostVerdict;
    report
        .hosts
        .iter()
        .any(|host| host.tally.done > 0 || host.verdict == Some(HostVerdict::Infected))
}

/// For how long changed hosts were watched, and what came.
fn watched(report: &Report) -> Option<String> {
    let watched = span(report.headline.watched_ms?);
    let changed: Vec<&HostReport> = report.hosts.iter().filter(|host| host.tally.done > 0).collect();
    let seen = |word: Seen| {
        let all = changed
            .iter()
            .filter(|host| host.verify.as_ref().is_some_and(|verify| verify.seen == word));
        all.count()
    };
    let quiet = seen(Seen::Clean);
    Some(match quiet == changed.len() {
        true => format!("Watched {watched} at least: nothing came back."),
        false => format!(
            "Watched {watched} at least, where it was watched: {quiet} of {} stayed clean, {} returned.",
            count(changed.len() as u64, "changed host", "changed hosts"),
            seen(Seen::Returned)
        ),
    })
}

/// When what happened, the path written as `shown` says; `None` where there was no intruder or none of it is known.
fn times(report: &Report, shown: impl Fn(&HostPath) -> String) -> Option<String> {
    if !is_infected(report) {
        return None;
    }
    let times = &report.times;
    let mut words = Vec::new();
    if let Some(Appeared { mtime_ns, path }) = &times.appeared {
        words.push(format!(
            "appeared {} (oldest file, {}, by its host's clock)",
            time_ns(mtime_ns.0),
            shown(path)
        ));
    }
    words.extend(times.found_ms.map(|at| format!("found {}", time(at.0))));
    words.extend(times.handled_ms.map(|at| format!("handled {}", time(at.0))));
    (!words.is_empty()).then(|| words.join(", "))
}

/// What is on hosts by our hand.
fn stays(report: &Report) -> Vec<String> {
    let mut stays: BTreeMap<String, Vec<&HostReport>> = BTreeMap::new();
    for host in &report.hosts {
        for stay in &host.stays {
            let what = match stay {
                Stay::Journal { path } => format!("the journal {} until the next contact", plain(path)),
                Stay::Frozen { count: frozen } => {
                    let processes = count(u64::from(*frozen), "process stands", "processes stand");
                    format!("{processes} still by our hand")
                }
            };
            stays.entry(what).or_default().push(host);
        }
    }
    let lines = stays
        .into_iter()
        .map(|(what, hosts)| format!("Stays: {what}, on {}.", names(&hosts, "", "").trim_end()));
    lines.collect()
}

/// A labelled line under a host.
fn entry(style: &Style, word: &str, text: &str) -> String {
    style.hang(&format!("  {}", padded(word, COLUMN)), text)
}

#[cfg(test)]
mod tests;
