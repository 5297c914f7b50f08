//! What would be changed, every object of it: by how it is taken back, then by kind, then by host. Never cut.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::plan::{Group, HostPlan, Plan, SettleReason, UndoKind};
use deminer_worker::action::{Act, Action, Object};
use deminer_worker::order::Birth;

use super::super::Style;
use super::super::object::{act, short_id, undo};
use super::super::plain::{plain, value};
use super::super::unit::{and, count};
use super::{HostVerdict, NAMED, tally};

/// The column of the section's entries.
const COLUMN: usize = 17;

/// The changing kinds; first what ends something, then in the order of the stroke.
const KINDS: [&str; 13] = [
    "kill",
    "run_argv",
    "remove_unit",
    "remove_starter",
    "remove_link",
    "edit_lines",
    "lock_account",
    "clear_flags",
    "remove_file",
    "reload_units",
    "block_address",
    "isolate",
    "throttle",
];

/// The ways back, the one that there is not first.
const UNDOS: [&[UndoKind]; 5] = [
    &[UndoKind::None],
    &[UndoKind::RestoreLines, UndoKind::RestoreFile],
    &[
        UndoKind::SetFlags,
        UndoKind::RestoreLink,
        UndoKind::UnlockAccount,
        UndoKind::Unblock,
        UndoKind::Unthrottle,
    ],
    &[UndoKind::RunArgv],
    &[UndoKind::NothingChanged],
];

pub(super) fn section(plan: &Plan, style: &Style) -> String {
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
        out.push_str(&style.hang("", &format!("nothing to do: {}", why_nothing(plan))));
        out.push_str(&kept(plan, style));
        return out;
    }
    let touched: Vec<&HostPlan> = plan.hosts().filter(|host| changes(host) > 0).collect();
    let hosts = match touched[..] {
        [host] => format!(" on {}", plain(&host.orders.host)),
        _ if touched.len() > NAMED => format!(" on {} hosts", touched.len()),
        _ => {
            let sums = touched
                .iter()
                .map(|host| format!(", {} on {}", changes(host), plain(&host.orders.host)));
            sums.collect()
        }
    };
    let actions = count(all as u64, "action", "actions");
    out.push_str(&style.hang(
        "would change: ",
        &format!("{actions}{hosts}; what is killed is frozen first"),
    ));
    let groups = plan.groups();
    for kinds in UNDOS {
        let mut lead = undo(kinds[0]);
        for kind in KINDS {
            for line in lines(&groups, kinds, kind) {
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

/// Why nothing would be changed, as far as it differs.
fn why_nothing(plan: &Plan) -> String {
    let only_clean = plan.hosts().all(|host| {
        host.verdict
            .as_ref()
            .is_some_and(|verdict| verdict.host == HostVerdict::Clean)
    });
    if only_clean {
        return "by what their own kernels showed, there is no miner".to_owned();
    }
    let reasons = tally(plan).into_iter().map(|(number, word)| {
        let why = match word {
            "infected" => "with nothing that may be touched: a person must look",
            "suspected" => ": a person must look",
            "cannot_say" => ": look again when it can be seen",
            "failed" => ": the step above failed; mend that and plan again",
            "not judged" => ": the playbook has no step that judges",
            _ => "",
        };
        let blank = if why.starts_with("with") { " " } else { "" };
        format!("{number} {word}{blank}{why}")
    });
    reasons.collect::<Vec<_>>().join("; ")
}

/// The changes of a host of one kind that are taken back so, in the order in which components are shown.
fn chosen<'a>(host: &'a HostPlan, kinds: &[UndoKind], kind: &str) -> Vec<&'a Action> {
    let actions = host.orders.actions.iter();
    let mut chosen: Vec<&Action> = actions
        .filter(|action| action.act.is_change() && action.act.kind() == kind)
        .filter(|action| kinds.contains(&UndoKind::of(&action.act)))
        .collect();
    let order = host.shown_components();
    let place = |component| order.iter().position(|id| *id == component).unwrap_or(usize::MAX);
    chosen.sort_by_cached_key(|action| (place(action.component), pid(&action.act), act(&action.act)));
    chosen
}

/// One kind of change, a line a host or a group; kills in one line with every pid.
fn lines(groups: &[Group<'_>], kinds: &[UndoKind], kind: &str) -> Vec<String> {
    if kind == "kill" {
        let hosts = groups.iter().flat_map(|group| &group.hosts);
        let pids: Vec<(String, Vec<String>)> = hosts
            .map(|host| {
                let pids = chosen(host, kinds, kind)
                    .iter()
                    .map(|action| pid(&action.act).to_string())
                    .collect();
                (plain(&host.orders.host).into_owned(), pids)
            })
            .filter(|(_, pids): &(String, Vec<String>)| !pids.is_empty())
            .collect();
        let all: usize = pids.iter().map(|(_, pids)| pids.len()).sum();
        let words = pids.iter().map(|(host, pids)| {
            let word = if pids.len() == 1 { "pid" } else { "pids" };
            format!("{host} {word} {}", pids.join(" "))
        });
        let words = words.collect::<Vec<_>>().join(", ");
        return if all == 0 {
            Vec::new()
        } else {
            vec![format!("kill {all}: {words}")]
        };
    }
    let mut lines = Vec::new();
    for group in groups {
        let host = group.hosts[0];
        let actions = chosen(host, kinds, kind);
        if actions.is_empty() {
            continue;
        }
        let name = plain(&host.orders.host);
        let place = match group.hosts.len() {
            1 => format!("on {name}"),
            hosts => format!("on each of {hosts} hosts, {name} and those like it"),
        };
        let objects = actions.iter().map(|action| match group.hosts.len() {
            1 if kind == "edit_lines" => format!("{} ({})", act(&action.act), short_id(action.id)),
            _ => act(&action.act),
        });
        let objects = objects.collect::<Vec<_>>().join(", ");
        lines.push(format!("{kind} {} {place}: {objects}", actions.len()));
    }
    lines
}

fn pid(act: &Act) -> u32 {
    act.process().map_or(0, |process| process.pid)
}

/// What is kept before anything is destroyed.
fn kept(plan: &Plan, style: &Style) -> String {
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
    let mut words = Vec::new();
    if files > 0 {
        words.push(count(files, "file", "files"));
    }
    if processes > 0 {
        words.push(count(processes, "process", "processes"));
    }
    match words.is_empty() {
        true => String::new(),
        false => style.entry(
            "kept first",
            COLUMN,
            &format!("{}, in the vault and read back", and(&words)),
        ),
    }
}

/// What later rounds may do without another yes.
fn envelope(plan: &Plan, style: &Style) -> String {
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
    let mut words = Vec::new();
    if !executables.is_empty() {
        let executables: Vec<String> = executables.into_iter().collect();
        words.push(format!("new pids that run sha256 {}", executables.join(" ")));
    }
    for (argv, exe) in descents {
        words.push(format!(
            "new pids born of a condemned one that run sha256 {exe} with the arguments of sha256 {argv}"
        ));
    }
    let text = match words.is_empty() {
        true => "empty: nothing but the above may be done".to_owned(),
        false => format!(
            "may be ended too: {}; at most {births} for each component of a host",
            words.join("; ")
        ),
    };
    style.entry("envelope", COLUMN, &text)
}

/// Where the last look waits for the next full minute.
fn waits(plan: &Plan, style: &Style) -> String {
    let mut waits: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for host in plan.hosts() {
        if let SettleReason::TimedTrigger { path, comm, .. } = &host.settle_because {
            let because = format!("`{}` may still fire {path}", value(comm));
            waits
                .entry(because)
                .or_default()
                .push(plain(&host.orders.host).into_owned());
        }
    }
    let mut out = String::new();
    for (because, hosts) in waits {
        let hosts = match hosts.len() {
            1..=NAMED => and(&hosts),
            hosts => format!("{hosts} hosts"),
        };
        let text = format!("past the next full minute before the last look: {because} on {hosts}");
        out.push_str(&style.entry("waits", COLUMN, &text));
    }
    out
}
