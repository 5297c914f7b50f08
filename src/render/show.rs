//! A plan with its actions by name, and one action with everything that it rests on.

use std::collections::BTreeMap;
use std::fmt;

use deminer_engine::finding::Finding;
use deminer_engine::plan::{HostPlan, Plan, UndoKind};
use deminer_worker::action::{Act, Action, FileTarget, Object, ProcessTarget};

use super::Style;
use super::object::{act, flags, short_id, undo};
use super::plain::{plain, sentence};
use super::plan::About;
use super::style::padded;
use super::table::Table;
use super::unit::{count, size, time_ns};

/// The column of one action's lines.
const COLUMN: usize = 10;

/// Candidates that are named.
const CANDIDATES: usize = 8;

/// Why no single action is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoSuchAction {
    /// No action's name begins so.
    None {
        /// What was given, harmless.
        given: String,
    },
    /// Several do.
    Ambiguous {
        /// What was given.
        given: String,
        /// The first of them: host, name, kind and object.
        candidates: Vec<String>,
        /// How many there are.
        found: usize,
    },
}

impl fmt::Display for NoSuchAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoSuchAction::None { given } => write!(f, "no action of this plan begins with `{given}`"),
            NoSuchAction::Ambiguous {
                given,
                candidates,
                found,
            } => {
                write!(f, "{found} actions of this plan begin with `{given}`:")?;
                for candidate in candidates {
                    write!(f, "\n  {candidate}")?;
                }
                match found - candidates.len() {
                    0 => Ok(()),
                    more => write!(f, "\n  and {more} more"),
                }
            }
        }
    }
}

impl std::error::Error for NoSuchAction {}

impl NoSuchAction {
    /// What to do.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            NoSuchAction::None { .. } => "`deminer show` without an action lists all, each with the digits of its name",
            NoSuchAction::Ambiguous { .. } => "give more digits",
        }
    }
}

/// The plan, and under it every action by name.
pub(crate) fn text(plan: &Plan, about: &About<'_>, style: &Style) -> String {
    let mut out = super::plan::text(plan, about, style);
    let mut table = Table::new(&["action", "host", "kind", "way back", "object"]);
    let mut any = false;
    for host in plan.hosts() {
        for action in in_order(host) {
            any = true;
            table.row(vec![
                short_id(action.id),
                plain(&host.orders.host).into_owned(),
                action.act.kind().to_owned(),
                undo(UndoKind::of(&action.act)).to_owned(),
                act(&action.act),
            ]);
        }
    }
    if any {
        out.push('\n');
        out.push_str(&table.text(style));
    }
    out
}

/// The actions of a host: by component as it is shown, then in the order of the stroke.
fn in_order(host: &HostPlan) -> Vec<&Action> {
    let components = host.shown_components();
    let place = |component| components.iter().position(|id| *id == component).unwrap_or(usize::MAX);
    let mut actions: Vec<&Action> = host.orders.actions.iter().collect();
    actions.sort_by_cached_key(|action| {
        let stroke = match &action.act {
            Act::Freeze { .. } => 0,
            Act::Keep { .. } => 1,
            Act::BlockAddress { .. } | Act::Isolate { .. } | Act::Throttle { .. } => 2,
            Act::RemoveStarter { .. } => 3,
            Act::RemoveLink { .. } => 4,
            Act::EditLines { .. } => 5,
            Act::LockAccount { .. } => 6,
            Act::RunArgv { .. } => 7,
            Act::ReloadUnits { .. } => 8,
            Act::Kill { .. } => 9,
            Act::ClearFlags { .. } => 10,
            Act::RemoveFile { .. } => 11,
        };
        (place(action.component), stroke, act(&action.act), action.id)
    });
    actions
}

/// One action, by the first digits of its name, with all that it rests on.
///
/// # Errors
/// When none or several begin so.
pub(crate) fn action(plan: &Plan, prefix: &str, style: &Style) -> Result<String, NoSuchAction> {
    let wanted = prefix.to_ascii_lowercase();
    let all = plan
        .hosts()
        .flat_map(|host| in_order(host).into_iter().map(move |action| (host, action)));
    let found: Vec<(&HostPlan, &Action)> = all
        .filter(|(_, action)| !wanted.is_empty() && action.id.to_string().starts_with(&wanted))
        .collect();
    match found[..] {
        [(host, action)] => Ok(account(plan, host, action, style)),
        [] => Err(NoSuchAction::None {
            given: plain(prefix).chars().take(64).collect(),
        }),
        _ => Err(NoSuchAction::Ambiguous {
            given: wanted,
            candidates: found
                .iter()
                .take(CANDIDATES)
                .map(|(host, action)| {
                    let name = plain(&host.orders.host);
                    format!("{} {name} {} {}", action.id, action.act.kind(), act(&action.act))
                })
                .collect(),
            found: found.len(),
        }),
    }
}

fn account(plan: &Plan, host: &HostPlan, action: &Action, style: &Style) -> String {
    let entry = |word: &str, text: &str| style.hang(&padded(word, COLUMN), text);
    let way_back = undo(UndoKind::of(&action.act));
    let name = plain(&host.orders.host);
    let mut out = entry(
        &name,
        &format!(
            "{} {}, {way_back}; component {}, plan {}",
            action.id,
            action.act.kind(),
            action.component,
            plan.hash().short()
        ),
    );
    out.push_str(&entry("object", &identity(host, &action.act)));
    match &action.act {
        Act::EditLines { remove, .. } => {
            for (at, target) in remove.iter().enumerate() {
                // Exactly what would go, however long it is.
                let lead = padded(if at == 0 { "remove" } else { "" }, COLUMN);
                out.push_str(&format!("{lead}line {} `{}`\n", target.number, target.line));
            }
        }
        Act::ClearFlags { flags: cleared, .. } => out.push_str(&entry("clear", &flags(*cleared))),
        _ => {}
    }
    let by_id: BTreeMap<&str, &Finding> = host
        .findings
        .iter()
        .map(|finding| (finding.id.as_str(), finding))
        .collect();
    for (at, id) in action.because.iter().enumerate() {
        let lead = if at == 0 { "because" } else { "" };
        out.push_str(&entry(lead, &because(id, by_id.get(id.as_str()).copied())));
    }
    for (at, condition) in only_if(host, action).iter().enumerate() {
        out.push_str(&entry(if at == 0 { "only if" } else { "" }, condition));
    }
    out.push_str(&entry("undo", &taken_back(&action.act)));
    if action.act.is_change() {
        out.push_str(&entry(
            "to leave",
            &format!("add --exclude {} to `deminer apply`", action.id),
        ));
    }
    out
}

fn because(id: &str, finding: Option<&Finding>) -> String {
    let Some(finding) = finding else {
        return plain(id).into_owned();
    };
    let mut text = format!("{id} {}", sentence(finding));
    if finding.points != 0 {
        text.push_str(&format!(", {:+} points", finding.points));
    }
    if let Some(rule) = &finding.rule {
        text.push_str(&format!(" [{}]", plain(rule)));
    }
    for evidence in &finding.evidence {
        text.push_str(&format!("; {}", plain(&evidence.source)));
        if let Some(sha256) = evidence.sha256 {
            text.push_str(&format!(", sha256 {}", sha256.short()));
        }
    }
    text
}

/// The object with all that identifies it.
fn identity(host: &HostPlan, act: &Act) -> String {
    match act {
        Act::Freeze { process }
        | Act::Kill { process }
        | Act::Throttle { process }
        | Act::Keep {
            object: Object::Process { process },
        } => process_identity(host, process),
        Act::RemoveLink { link } => format!(
            "{} -> {}, below {}, device {} inode {}, uid {} gid {}",
            link.path, link.target, link.mount, link.id.dev, link.id.inode, link.uid, link.gid
        ),
        Act::LockAccount { account } => format!(
            "account {}, its line of /etc/passwd sha256 {}",
            super::object::act(act),
            account.line_sha256.short()
        ),
        Act::RunArgv {
            program, timeout_ms, ..
        } => format!(
            "{}; for {timeout_ms} ms at most; the program is {}",
            super::object::act(act),
            file_identity(program)
        ),
        Act::ReloadUnits { .. } | Act::BlockAddress { .. } | Act::Isolate { .. } => super::object::act(act),
        Act::RemoveFile { file }
        | Act::RemoveStarter { file, .. }
        | Act::EditLines { file, .. }
        | Act::ClearFlags { file, .. }
        | Act::Keep {
            object: Object::File { file },
        } => file_identity(file),
    }
}

fn process_identity(host: &HostPlan, process: &ProcessTarget) -> String {
    let shown = host.processes.iter().find(|shown| {
        let same = (shown.pid, shown.start_ticks);
        same == (process.pid, process.start_ticks)
    });
    let parent = shown
        .map(|shown| format!(", parent pid {}", shown.ppid))
        .unwrap_or_default();
    let deleted = if shown.is_some_and(|shown| shown.exe_deleted) {
        " (deleted)"
    } else {
        ""
    };
    format!(
        "pid {} `{}`, {}, started {} ticks after boot {}, uid {}{parent}; runs {}{deleted}, device {} inode {}, {}, \
         sha256 {}; arguments sha256 {}",
        process.pid,
        super::plain::value(&process.comm),
        process.role,
        process.start_ticks,
        plain(&process.boot_id),
        process.uid,
        process.exe_path,
        process.exe.dev,
        process.exe.inode,
        size(process.exe_size.0),
        process.exe_sha256.short(),
        process.argv_sha256.short(),
    )
}

fn file_identity(file: &FileTarget) -> String {
    let links = match file.links {
        1 => String::new(),
        links => format!(", {}", count(u64::from(links), "name", "names")),
    };
    let held = match file.flags {
        Some(set) if set & 0x30 != 0 => format!(", {}", flags(set & 0x30)),
        _ => String::new(),
    };
    format!(
        "{}, below {}, device {} inode {}, {}, mode {:04o}, uid {} gid {}{links}{held}, changed {}, sha256 {}",
        file.path,
        file.mount,
        file.id.dev,
        file.id.inode,
        size(file.size.0),
        file.mode,
        file.uid,
        file.gid,
        time_ns(file.mtime_ns.0),
        file.sha256.short(),
    )
}

/// What must hold on the host when it is done, and what must be done before.
fn only_if(host: &HostPlan, action: &Action) -> Vec<String> {
    let own = match &action.act {
        Act::Freeze { .. } | Act::Kill { .. } | Act::Throttle { .. } => {
            "boot, pid, start time and executable are these, and nothing protects it there; gone is done"
        }
        Act::RemoveFile { .. } | Act::ClearFlags { .. } | Act::RemoveStarter { .. } => {
            "device, inode, size and sha256 are these before the first act, and nothing protects it there; gone is done"
        }
        Act::EditLines { .. } => {
            "these lines are still there, byte for byte; every other byte stays, and so do owner, mode and flags"
        }
        Act::RemoveLink { .. } => "it is this link, by inode, and points there; what it points to stays; gone is done",
        Act::ReloadUnits { .. } => "the files of the units are gone; nothing is stopped, started or restarted by it",
        Act::LockAccount { .. } => "its line of /etc/passwd is this one",
        Act::BlockAddress { .. } | Act::Isolate { .. } => {
            "it is not our own session's, and no other table is touched; ends by itself by the kernel's clock"
        }
        Act::RunArgv { .. } => "the program has this content; nothing of it is given to a shell",
        Act::Keep { .. } => "what is read has this identity",
    };
    let mut conditions = vec![own.to_owned()];
    let needs = action.needs.iter().map(|need| {
        let needed = host.orders.actions.iter().find(|other| other.id == *need);
        match needed {
            Some(needed) => format!("{} {} {}", short_id(*need), needed.act.kind(), act(&needed.act)),
            None => short_id(*need),
        }
    });
    let needs: Vec<String> = needs.collect();
    if !needs.is_empty() {
        conditions.push(format!("done before: {}", needs.join("; ")));
    }
    conditions
}

fn taken_back(act: &Act) -> String {
    match act {
        Act::Keep { .. } => "nothing to undo: a copy changes nothing".to_owned(),
        Act::Freeze { .. } => "at once: the process runs again".to_owned(),
        Act::Kill { .. } => "none: a killed process does not come back; what it ran is in the vault".to_owned(),
        Act::RemoveFile { file } => format!(
            "from the vault: writes the {} back, starts nothing; owner, mode, times and flags as they were",
            size(file.size.0)
        ),
        Act::EditLines { remove, .. } => format!(
            "from the vault: puts {} back where {} stood, starts nothing",
            count(remove.len() as u64, "line", "lines"),
            if remove.len() == 1 { "it" } else { "they" },
        ),
        Act::ClearFlags { .. } => "at once: sets the flags again".to_owned(),
        Act::RemoveStarter { file, .. } => format!(
            "from the vault: writes the {} back, beside its place where nothing reads it; starts nothing",
            size(file.size.0)
        ),
        Act::RemoveLink { .. } => "at once: makes the link again, beside its place where nothing reads it".to_owned(),
        Act::ReloadUnits { .. } => "nothing to undo: it only reads what is there".to_owned(),
        Act::LockAccount { .. } => "at once: gives password and expiry back as they were".to_owned(),
        Act::BlockAddress { .. } | Act::Isolate { .. } => {
            "at once: takes our entry out, with the last one our table".to_owned()
        }
        Act::Throttle { .. } => "at once: schedules it as before".to_owned(),
        Act::RunArgv { undo: Some(argv), .. } => {
            let words: Vec<String> = argv
                .iter()
                .map(|word| format!("`{}`", super::plain::value(word)))
                .collect();
            format!("by command: runs {}", words.join(" "))
        }
        Act::RunArgv { undo: None, .. } => "none: the plan states no command that takes it back".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn every_action_by_name() {
        let plan = sample::plan();
        insta::assert_snapshot!("show", text(&plan, &sample::about(), &Style::PLAIN));
    }

    #[test]
    fn one_action_of_each_kind() {
        let plan = sample::plan();
        let mut shown = Vec::new();
        let mut kinds = Vec::new();
        for host in plan.hosts() {
            for one in in_order(host) {
                if !kinds.contains(&one.act.kind()) {
                    kinds.push(one.act.kind());
                    shown.push(action(&plan, &short_id(one.id), &Style::PLAIN).expect("one action"));
                }
            }
        }
        insta::assert_snapshot!("show_actions", shown.join("\n"));
    }

    #[test]
    fn a_line_of_128_kib_is_shown_whole() {
        let plan = sample::hostile_plan();
        let edit = plan
            .hosts()
            .flat_map(|host| &host.orders.actions)
            .find(|one| one.act.kind() == "edit_lines");
        let edit = edit.expect("the plan has an edit");
        let shown = action(&plan, &edit.id.to_string(), &Style::PLAIN).expect("one action");
        assert!(shown.contains(&"A".repeat(128 << 10)));
        assert!(shown.contains("{{ 7*7 }}"));
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'));
    }

    #[test]
    fn none_and_several() {
        let plan = sample::plan();
        let none = action(&plan, "zz\x1b", &Style::PLAIN).unwrap_err();
        assert_eq!(none.to_string(), "no action of this plan begins with `zz\\x1b`");
        assert!(action(&plan, "", &Style::PLAIN).is_err());
        let first = plan
            .hosts()
            .flat_map(|host| &host.orders.actions)
            .next()
            .expect("an action");
        let digit = first.id.to_string()[..1].to_owned();
        let alike = plan.hosts().flat_map(|host| &host.orders.actions);
        let alike = alike.filter(|one| one.id.to_string().starts_with(&digit)).count();
        match action(&plan, &digit, &Style::PLAIN) {
            Ok(_) => assert_eq!(alike, 1),
            Err(NoSuchAction::Ambiguous { found, candidates, .. }) => {
                assert_eq!((found, candidates.len()), (alike, alike.min(CANDIDATES)));
            }
            Err(other) => panic!("{other}"),
        }
    }
}
