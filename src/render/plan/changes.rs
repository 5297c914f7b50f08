//! What would be changed, every object of it: by how it is taken back, then by kind, then by host. Never cut.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::plan::{Group, HostPlan, SettleReason, UndoKind};
use deminer_worker::action::{Act, Action, Object};
use deminer_worker::order::Birth;
use indexmap::IndexMap;

use super::super::Style;
use super::super::object::{act, short_id};
use super::super::plain::{plain, value};
use super::super::words::{Label, Lang, Noun, Words};
use super::{Judged, NAMED, Shown, brief, folded, only_looks, tally};

/// The column of the section's entries.
const COLUMN: usize = 17;

/// The kinds of acts, in the order of the stroke.
pub(super) const STROKE: [&str; 15] = [
    "freeze",
    "keep",
    "block_address",
    "isolate",
    "throttle",
    "remove_unit",
    "remove_starter",
    "remove_link",
    "edit_lines",
    "lock_account",
    "run_argv",
    "reload_units",
    "kill",
    "clear_flags",
    "remove_file",
];

/// Where acts of this kind stand in the stroke; behind all others where it is not known.
pub(crate) fn place_in_stroke(kind: &str) -> usize {
    STROKE.iter().position(|known| *known == kind).unwrap_or(STROKE.len())
}

/// Ways back that are shown under one heading; what is hardest to take back first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Risk {
    NoUndo,
    ByCommand,
    FromVault,
    AtOnce,
    Nothing,
}

impl Risk {
    const ALL: [Risk; 5] = [
        Risk::NoUndo,
        Risk::ByCommand,
        Risk::FromVault,
        Risk::AtOnce,
        Risk::Nothing,
    ];

    fn of(act: &Act) -> Risk {
        match UndoKind::of(act) {
            UndoKind::None => Risk::NoUndo,
            UndoKind::RunArgv => Risk::ByCommand,
            UndoKind::RestoreFile | UndoKind::RestoreLines => Risk::FromVault,
            UndoKind::Thaw
            | UndoKind::SetFlags
            | UndoKind::RestoreLink
            | UndoKind::UnlockAccount
            | UndoKind::Unblock
            | UndoKind::Unthrottle => Risk::AtOnce,
            UndoKind::NothingChanged => Risk::Nothing,
        }
    }

    /// One of its ways back, for the heading.
    fn undo(self) -> UndoKind {
        match self {
            Risk::NoUndo => UndoKind::None,
            Risk::ByCommand => UndoKind::RunArgv,
            Risk::FromVault => UndoKind::RestoreFile,
            Risk::AtOnce => UndoKind::SetFlags,
            Risk::Nothing => UndoKind::NothingChanged,
        }
    }
}

pub(super) fn section(plan: &Shown<'_>, style: &Style) -> String {
    let words = style.words();
    let changes = |host: &HostPlan| {
        host.orders
            .actions
            .iter()
            .filter(|action| action.act.is_change())
            .count()
    };
    let all: usize = plan.hosts().map(changes).sum();
    let mut out = String::new();
    if all == 0 {
        out.push_str(&style.hang("", &why_nothing(plan, words)));
        out.push_str(&kept(plan, style));
        return out;
    }
    let mut on: Vec<(String, usize)> = plan
        .hosts()
        .map(|host| (plain(&host.orders.host).into_owned(), changes(host)))
        .filter(|(_, changes)| *changes > 0)
        .collect();
    let hosts = on.len();
    if hosts > NAMED {
        on.clear();
    }
    let acts = || {
        plan.hosts()
            .flat_map(|host| &host.orders.actions)
            .map(|action| &action.act)
    };
    let ends = acts().any(|act| matches!(act, Act::Kill { .. }));
    out.push_str(&style.hang(words.would_change(), &words.changes(all as u64, &on, hosts, ends)));
    let groups = plan.groups();
    for risk in Risk::ALL {
        let kinds: BTreeMap<usize, &'static str> = acts()
            .filter(|act| act.is_change() && Risk::of(act) == risk)
            .map(|act| (place_in_stroke(act.kind()), act.kind()))
            .collect();
        let mut lead = words.undo(risk.undo());
        for kind in kinds.into_values() {
            for line in lines(&groups, risk, kind, words) {
                out.push_str(&style.entry(lead, COLUMN, &line));
                lead = "";
            }
        }
    }
    out.push_str(&kept(plan, style));
    out.push_str(&envelope(plan, style));
    out.push_str(&waits(plan, style));
    out
}

/// That nothing would be changed and why, as far as it differs.
fn why_nothing(plan: &Shown<'_>, words: &dyn Words) -> String {
    let judged = tally(plan.hosts());
    if judged.is_empty() {
        return words.no_host_was_looked_at().to_owned();
    }
    if judged.iter().all(|(_, judged)| *judged == Judged::Clean) {
        return words.nothing_to_do(words.there_is_no_miner());
    }
    let only_looks = only_looks(plan.plan());
    let reasons: Vec<String> = judged
        .into_iter()
        .map(|(hosts, judged)| words.why_nothing(hosts, judged, only_looks))
        .collect();
    let reasons = words.clauses(&reasons);
    match only_looks {
        true => words.playbook_only_looks(&reasons),
        false => words.nothing_to_do(&reasons),
    }
}

/// The changes of a host of one kind and one risk, in the order in which components are shown.
fn chosen<'a>(host: &'a HostPlan, risk: Risk, kind: &str) -> Vec<&'a Action> {
    let actions = host.orders.actions.iter();
    let mut chosen: Vec<&Action> = actions
        .filter(|action| action.act.is_change() && action.act.kind() == kind)
        .filter(|action| Risk::of(&action.act) == risk)
        .collect();
    let order = host.shown_components();
    let place = |component| order.iter().position(|id| *id == component).unwrap_or(usize::MAX);
    chosen.sort_by_cached_key(|action| {
        let object = act(&action.act, Lang::En.words());
        (place(action.component), pid(&action.act), object)
    });
    chosen
}

/// One kind of change, a line a host or a group; kills in one line with every pid.
fn lines(groups: &[Group<'_>], risk: Risk, kind: &'static str, words: &dyn Words) -> Vec<String> {
    if kind == "kill" {
        let mut pids: IndexMap<Vec<String>, Vec<&HostPlan>> = IndexMap::new();
        for host in groups.iter().flat_map(|group| &group.hosts) {
            let of = chosen(host, risk, kind);
            let of: Vec<String> = of.iter().map(|action| pid(&action.act).to_string()).collect();
            if !of.is_empty() {
                pids.entry(of).or_default().push(host);
            }
        }
        let all: usize = pids.iter().map(|(pids, hosts)| pids.len() * hosts.len()).sum();
        let pids: Vec<(String, Vec<String>)> = pids
            .into_iter()
            .map(|(pids, hosts)| (folded(&hosts).join(" "), pids))
            .collect();
        return if all == 0 {
            Vec::new()
        } else {
            vec![words.kills(all, &pids)]
        };
    }
    let mut lines = Vec::new();
    for group in groups {
        // What is done to a process names it, and so differs between equal hosts.
        let mut alike: IndexMap<Vec<String>, Vec<&HostPlan>> = IndexMap::new();
        for host in &group.hosts {
            let objects = chosen(host, risk, kind)
                .into_iter()
                .map(|action| match group.hosts.len() {
                    1 if kind == "edit_lines" => words.aside(&act(&action.act, words), &short_id(action.id)),
                    _ => act(&action.act, words),
                });
            alike.entry(objects.collect()).or_default().push(host);
        }
        for (objects, hosts) in alike.into_iter().filter(|(objects, _)| !objects.is_empty()) {
            let number = objects.len();
            let (objects, all) = (words.list(&objects), hosts.len());
            let on = super::name(&Group { hosts }, words);
            lines.push(words.changes_on(kind, number, &on, all, &objects));
        }
    }
    lines
}

fn pid(act: &Act) -> u32 {
    act.process().map_or(0, |process| process.pid)
}

/// What is kept before anything is destroyed.
fn kept(plan: &Shown<'_>, style: &Style) -> String {
    let (mut files, mut processes) = (0, 0);
    for action in plan.hosts().flat_map(|host| &host.orders.actions) {
        match &action.act {
            Act::Keep {
                object: Object::File { .. },
            } => files += 1,
            Act::Keep {
                object: Object::Process { .. },
            } => processes += 1,
            _ => {}
        }
    }
    let words = style.words();
    let mut items = Vec::new();
    if files > 0 {
        items.push(words.count(files, Noun::File));
    }
    if processes > 0 {
        items.push(words.count(processes, Noun::Process));
    }
    match items.is_empty() {
        true => String::new(),
        false => style.labelled(Label::KeptFirst, COLUMN, &words.kept_first(&words.and(&items))),
    }
}

/// What later rounds may do without another yes.
fn envelope(plan: &Shown<'_>, style: &Style) -> String {
    let mut executables = BTreeSet::new();
    let mut descents = BTreeSet::new();
    let mut births = 0;
    for component in plan.hosts().flat_map(|host| &host.orders.components) {
        for birth in &component.envelope.births {
            births = births.max(component.envelope.max_births);
            match birth {
                Birth::Executable { sha256, .. } => executables.insert(sha256.short()),
                Birth::Descent {
                    argv_sha256,
                    exe_sha256,
                } => descents.insert((argv_sha256.short(), exe_sha256.short())),
            };
        }
    }
    let words = style.words();
    let mut admitted = Vec::new();
    if !executables.is_empty() {
        let executables: Vec<String> = executables.into_iter().collect();
        admitted.push(words.births_by_executable(&executables.join(" ")));
    }
    for (argv, exe) in descents {
        admitted.push(words.births_by_descent(&exe, &argv));
    }
    let text = words.envelope(&words.clauses(&admitted), births);
    style.labelled(Label::Envelope, COLUMN, &text)
}

/// Where the last look waits for the next full minute.
fn waits(plan: &Shown<'_>, style: &Style) -> String {
    let words = style.words();
    let mut waits: BTreeMap<String, Vec<&HostPlan>> = BTreeMap::new();
    for host in plan.hosts() {
        if let SettleReason::TimedTrigger { path, comm, .. } = &host.settle_because {
            let because = words.may_still_fire(&value(comm), &path.to_string());
            waits.entry(because).or_default().push(host);
        }
    }
    let mut out = String::new();
    for (because, hosts) in waits {
        let named = brief(&hosts);
        let hosts = match named.len() <= NAMED {
            true => words.and(&named),
            false => words.count(hosts.len() as u64, Noun::Host),
        };
        out.push_str(&style.labelled(Label::Waits, COLUMN, &words.waits(&because, &hosts)));
    }
    out
}
