//! The account of a run: what was done and what was seen, apart; what is not known is said first.

mod account;
mod markdown;
mod next;
mod settled;

use std::collections::BTreeMap;

use deminer_engine::event::{Purpose, Seen};
use deminer_engine::report::{
    Appeared, Change, ChangeState, FindingReport, HostReport, Progress, Report, Stay, Tally, Trouble,
};
use deminer_worker::action::Role;
use deminer_worker::text::HostPath;
use serde_json::Value;

pub(crate) use self::markdown::markdown;
pub(crate) use self::settled::settled;
use super::Style;
use super::approval;
use super::paste::Paste;
use super::plain::{plain, sentence, value};
use super::style::{Tone, padded};
use super::table::Table;
use super::unit::{time, time_ns};
use super::words::{Label, Lang, Names, Removed, Words};

/// Hosts, or words for several of them, that are named in a sentence.
const NAMED: usize = 6;

/// The column of the last lines.
const COLUMN: usize = 12;

/// The account, for people.
pub(crate) fn text(report: &Report, style: &Style, paste: &Paste<'_>) -> String {
    let words = style.words();
    let mut out = String::new();
    for line in first(report, words) {
        out.push_str(&style.hang("", &line));
    }
    out.push_str(&style.hang("", &heading(report, words)));
    for line in approval::signatures(report, words) {
        out.push_str(&style.hang("", &line));
    }
    out.push('\n');
    out.push_str(&hosts(report, style));
    for host in &report.hosts {
        out.push_str(&account::block(host, style));
    }
    out.push('\n');
    for line in last(report, words) {
        out.push_str(&style.hang("", &line));
    }
    if report.finished_ms.is_some() {
        out.push_str(&style.hang("", &words.head_of_journals(&report.head.short())));
    }
    out.push_str(&next::text(report, style, paste));
    out
}

/// The account, for programs. Numbers of 64 bits are strings; only sentences are in the language.
pub(crate) fn json(report: &Report, lang: Lang) -> Value {
    let mut value = serde_json::to_value(report).expect("a report is made of what JSON has");
    value["lang"] = lang.code().into();
    // What holds, locks or runs takes nothing away.
    if let Some(removed) = value["counts"]["removed"].as_object_mut() {
        let also: serde_json::Map<String, Value> = OTHERS
            .iter()
            .filter_map(|kind| Some(((*kind).to_owned(), removed.shift_remove(*kind)?)))
            .collect();
        value["counts"]["also_done"] = also.into();
    }
    let words = lang.words();
    for (host, shown) in report.hosts.iter().zip(members(&mut value, "hosts")) {
        retell(&host.findings, members(shown, "findings"), words);
        if let Some(verify) = &host.verify {
            retell(&verify.findings, members(&mut shown["verify"], "findings"), words);
        }
    }
    value
}

/// Of an object the entries of a list.
fn members<'a>(value: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    value[name].as_array_mut().into_iter().flatten()
}

fn retell<'a>(findings: &[FindingReport], shown: impl Iterator<Item = &'a mut Value>, words: &dyn Words) {
    for (finding, shown) in findings.iter().zip(shown) {
        shown["sentence"] = sentence(&finding.finding, words).into();
    }
}

/// What a reader must know before anything else: that the run is not through, or what it rests on.
fn first(report: &Report, words: &dyn Words) -> Vec<String> {
    let mut lines = Vec::new();
    let is_apply = report.purpose.is_none_or(|purpose| purpose == Purpose::Apply);
    if report.unfinished() {
        let open: Vec<&HostReport> = report.hosts.iter().filter(|host| !host.finished).collect();
        let open = (!open.is_empty()).then(|| names(&open));
        lines.push(words.not_through(open.as_ref()));
    }
    // What was begun before the commit, as a block is, may be done.
    let is_open = |change: &Change| matches!(change.state, ChangeState::Begun | ChangeState::Unknown { .. });
    let before = |host: &&HostReport| {
        is_apply
            && host.tally.of > 0
            && host.tally.done == 0
            && host.progress < Progress::Committed
            && !host.changes.iter().any(is_open)
    };
    let uncommitted: Vec<&HostReport> = report.hosts.iter().filter(before).collect();
    if !uncommitted.is_empty() {
        lines.push(words.before_commit(&names(&uncommitted)));
    }
    let not_begun: Vec<&HostReport> = report
        .hosts
        .iter()
        .filter(|host| host.progress == Progress::NotBegun)
        .collect();
    if !not_begun.is_empty() {
        lines.push(words.not_begun_there(&names(&not_begun)));
    }
    for host in &report.hosts {
        let looked_at = host.changes.iter().filter(|change| change.reconciled.is_some());
        let looked_at: Vec<_> = looked_at.collect();
        if looked_at.is_empty() {
            continue;
        }
        let found = account::reconciled(looked_at.iter().filter_map(|change| change.reconciled.as_ref()));
        lines.push(words.found_by_looking(&plain(&host.host), looked_at.len(), found));
    }
    for host in &report.hosts {
        let looked_at: Vec<_> = host.undone.iter().filter_map(|undo| undo.reconciled.as_ref()).collect();
        if !looked_at.is_empty() {
            let number = looked_at.len();
            let found = account::reconciled(looked_at.into_iter());
            lines.push(words.found_back_by_looking(&plain(&host.host), number, found));
        }
    }
    for host in &report.hosts {
        for trouble in &host.troubles {
            if let Trouble::Journal { why } = trouble {
                lines.push(words.journal_does_not_hold(&plain(&host.host), &plain(why)));
            }
        }
    }
    for journal in &report.journals {
        if let (None, deminer_engine::journal::ChainEnd::Broken { line, why }) = (&journal.host, &journal.end) {
            lines.push(words.run_journal_broken(*line, &plain(why)));
        }
    }
    lines
}

fn names(hosts: &[&HostReport]) -> Names {
    let mut named = folded(hosts.iter().map(|host| host.host.as_str()));
    if named.len() > NAMED {
        named.clear();
    }
    Names {
        named,
        all: hosts.len(),
    }
}

/// The names of hosts, in few words.
fn folded<'h>(hosts: impl Iterator<Item = &'h str>) -> Vec<String> {
    let hosts: Vec<_> = hosts.map(plain).collect();
    super::names::brief(hosts.iter().map(|name| &**name))
}

/// Which run, of which plan, by whose yes.
fn heading(report: &Report, words: &dyn Words) -> String {
    let name = plain(&report.run);
    let mut parts = vec![words.run(Some(&*name).filter(|name| !name.is_empty()))];
    if !report.playbook.is_empty() {
        parts.push(plain(&report.playbook).into_owned());
    }
    match report.purpose {
        Some(Purpose::Look) => parts.push(words.only_looks().to_owned()),
        Some(Purpose::Undo) => parts.push(words.takes_back().to_owned()),
        Some(Purpose::Apply) | None => {}
    }
    if let Some(plan) = &report.plan {
        parts.push(words.plan(&plan.short()));
    }
    if let Some(yes) = &report.approval {
        let at = time(yes.at_ms.0);
        let means = match yes.signed.is_empty() {
            true => words.unsigned(&plain(&yes.means)),
            false => words.means(&plain(&yes.means)).to_owned(),
        };
        parts.push(words.approved(&plain(&yes.approver), &means, &at, yes.excluded.len()));
    }
    words.commas(&parts)
}

/// The heading of the hosts' table, and a row each, as plain words.
fn rows(report: &Report, words: &dyn Words) -> ([&'static str; 6], Vec<[String; 6]>) {
    let changed = match report.purpose {
        Some(Purpose::Undo) => Label::TakenBack,
        _ => Label::Changed,
    };
    let heading = [
        Label::Host,
        Label::Status,
        changed,
        Label::Verify,
        Label::Stroke,
        Label::KeptInVault,
    ];
    let rows = report.hosts.iter().map(|host| {
        let verify = host
            .verify
            .as_ref()
            .map(|verify| words.verify(verify.seen, verify.covered_ms, verify.window_ms, host.entry));
        let kept = match host.kept.items {
            0 => String::new(),
            items => words.kept(u64::from(items), host.kept.bytes.0),
        };
        [
            plain(&host.host).into_owned(),
            words.status(host.status).to_owned(),
            tally(&host.tally, words),
            verify.unwrap_or_default(),
            host.stroke_ms.map(|ms| words.span(ms)).unwrap_or_default(),
            kept,
        ]
    });
    (heading.map(|label| words.label(label)), rows.collect())
}

fn tally(tally: &Tally, words: &dyn Words) -> String {
    words.tally(tally.done, tally.of, tally.excluded)
}

fn hosts(report: &Report, style: &Style) -> String {
    let words = style.words();
    let (heading, rows) = rows(report, words);
    let mut table = Table::new(&heading);
    for (host, mut row) in report.hosts.iter().zip(rows) {
        row[1] = style.paint(Tone::of(host.status), words.status(host.status));
        table.row(row.to_vec());
    }
    table.text(style)
}

/// What was removed, in words; empty where nothing was.
fn removed(report: &Report, words: &dyn Words) -> Vec<String> {
    let counts = &report.counts;
    let mut told = Vec::new();
    for role in [Role::Miner, Role::Guardian, Role::Companion] {
        let killed = counts.killed.get(&role).copied().unwrap_or(0);
        told.push((Removed::Killed(role), killed));
    }
    told.push((Removed::Born, counts.born));
    told.extend(of_kinds(report, &REMOVING));
    in_words(told, words)
}

/// What was done beside, in words: held, locked, run; empty where nothing was.
fn also_done(report: &Report, words: &dyn Words) -> Vec<String> {
    in_words(of_kinds(report, &OTHERS), words)
}

/// Kinds that take something away.
const REMOVING: [&str; 6] = [
    "remove_unit",
    "remove_starter",
    "remove_link",
    "edit_lines",
    "remove_file",
    "clear_flags",
];

/// Kinds that do something else. What a manager reads anew is no more than the removals before it.
const OTHERS: [&str; 5] = ["block_address", "isolate", "throttle", "lock_account", "run_argv"];

fn of_kinds(report: &Report, kinds: &[&'static str]) -> Vec<(Removed, u32)> {
    let number = |kind: &str| report.counts.removed.get(kind).copied().unwrap_or(0);
    kinds.iter().map(|kind| (Removed::Kind(kind), number(kind))).collect()
}

fn in_words(told: Vec<(Removed, u32)>, words: &dyn Words) -> Vec<String> {
    let told = told.into_iter().filter(|(_, number)| *number > 0);
    told.map(|(what, number)| words.removed(what, u64::from(number)))
        .collect()
}

/// What was told of the incident; `None` where nothing was.
fn told(report: &Report, words: &dyn Words) -> Option<String> {
    let told = super::incident::told(&report.incident, words);
    (!told.is_empty()).then(|| words.clauses(&told))
}

/// What holds for the whole: watched, way in, frozen, what stays, what is left.
fn last(report: &Report, words: &dyn Words) -> Vec<String> {
    let mut lines = Vec::new();
    let removed = removed(report, words);
    if !removed.is_empty() {
        lines.push(words.fact(Label::Removed, &words.sentence(&words.and(&removed))));
    }
    let also = also_done(report, words);
    if !also.is_empty() {
        lines.push(words.fact(Label::AlsoDone, &words.sentence(&words.and(&also))));
    }
    lines.extend(watched(report, words).map(|watched| words.fact(Label::Watched, &watched)));
    let mut facts = Vec::new();
    if is_infected(report) {
        facts.push(words.way_in(report.entry).to_owned());
    }
    if report.purpose != Some(Purpose::Look) {
        facts.push(words.frozen_now(report.counts.frozen));
    }
    facts.push(words.by_own_kernels().to_owned());
    lines.push(words.facts(&facts));
    lines.extend(told(report, words).map(|told| words.fact(Label::Told, &words.sentence(&told))));
    let times = times(report, words, ToString::to_string);
    lines.extend(times.map(|times| words.fact(Label::Times, &words.sentence(&times))));
    lines.extend(stays(report, words).iter().map(|stays| words.fact(Label::Stays, stays)));
    lines
}

/// Whether there was, or may be, an intruder.
fn is_infected(report: &Report) -> bool {
    report.hosts.iter().any(HostReport::is_infected)
}

/// For how long changed hosts were watched, and what came.
fn watched(report: &Report, words: &dyn Words) -> Option<String> {
    let watched_ms = report.headline.watched_ms?;
    let changed: Vec<&HostReport> = report.hosts.iter().filter(|host| host.tally.done > 0).collect();
    let seen = |word: Seen| {
        let all = changed
            .iter()
            .filter(|host| host.verify.as_ref().is_some_and(|verify| verify.seen == word));
        all.count()
    };
    let quiet = seen(Seen::Clean);
    Some(match quiet == changed.len() {
        true => {
            let alone = |host: &&HostReport| host.verify.as_ref().is_some_and(|verify| verify.away_ms > 0);
            words.stayed_quiet(watched_ms, changed.iter().all(alone))
        }
        false => words.stayed_partly_quiet(watched_ms, quiet, changed.len(), seen(Seen::Returned)),
    })
}

/// When what happened, the path written as `shown` says; `None` where there was no intruder or none of it is known.
fn times(report: &Report, words: &dyn Words, shown: impl Fn(&HostPath) -> String) -> Option<String> {
    if !is_infected(report) {
        return None;
    }
    let times = &report.times;
    let mut told = Vec::new();
    if let Some(Appeared { mtime_ns, path }) = &times.appeared {
        told.push(words.appeared(&time_ns(mtime_ns.0), &shown(path)));
    }
    told.extend(times.found_ms.map(|at| words.found(&time(at.0))));
    told.extend(times.handled_ms.map(|at| words.handled(&time(at.0))));
    (!told.is_empty()).then(|| words.commas(&told))
}

/// What is on hosts by our hand.
fn stays(report: &Report, words: &dyn Words) -> Vec<String> {
    let mut stays: BTreeMap<String, Vec<&HostReport>> = BTreeMap::new();
    for host in &report.hosts {
        for stay in &host.stays {
            let what = match stay {
                Stay::Journal { path } => words.journal_stays(&plain(path)),
                Stay::Frozen { count: frozen } => words.stand_still(*frozen),
                Stay::Blocked { address, until_ms } => words.block_stays(&plain(address), &time(until_ms.0)),
                Stay::Isolated { until_ms } => words.isolation_stays(&time(until_ms.0)),
                Stay::Throttled { pid, comm } => words.throttle_stays(&words.process(*pid, &value(comm))),
            };
            stays.entry(what).or_default().push(host);
        }
    }
    stays
        .into_iter()
        .map(|(what, hosts)| words.on_hosts(&what, &names(&hosts)))
        .collect()
}

/// A labelled line under a host.
fn entry(style: &Style, word: &str, text: &str) -> String {
    style.hang(&format!("  {}", padded(word, COLUMN)), text)
}

#[cfg(test)]
mod tests;
