//! A plan with its actions by name, and one action with everything that it rests on.

use std::collections::BTreeMap;
use std::fmt;

use deminer_engine::finding::Finding;
use deminer_engine::plan::{HostPlan, Plan, UndoKind};
use deminer_worker::action::{Act, Action, FileTarget, Object, ProcessTarget, Syntax};

use super::Style;
use super::diff::{self, Extent};
use super::object::{HOLDING, act, command, flags, short_id, shown_link};
use super::plain::{plain, sentence, value};
use super::plan::{self, About, Shown, place_in_stroke};
use super::style::padded;
use super::table::Table;
use super::unit::time_ns;
use super::words::{Condition, Label, Lang, ProcessIdentity, WayBack, Words};

/// The column of one action's lines.
const COLUMN: usize = 10;

/// Lines that are shown of one edited file, with all others.
const EDITED: usize = 60;

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

/// What is shown of the plan, and under it every action by name; of equal hosts those of the first.
pub(crate) fn text(plan: &Shown<'_>, about: &About<'_>, style: &Style) -> String {
    let mut out = super::plan::text_of(plan, about, style);
    let words = style.words();
    let heading = [Label::Action, Label::Host, Label::Kind, Label::WayBack, Label::Object];
    let mut table = Table::new(&heading.map(|label| words.label(label)));
    let (mut any, mut equal) = (false, Vec::new());
    for group in plan.groups() {
        let host = group.hosts[0];
        for action in in_order(host) {
            any = true;
            table.row(vec![
                short_id(action.id),
                plain(&host.orders.host).into_owned(),
                words.kind(action.act.kind()).to_owned(),
                words.undo(UndoKind::of(&action.act)).to_owned(),
                act(&action.act, words),
            ]);
        }
        if group.hosts.len() > 1 && !host.orders.actions.is_empty() {
            equal.push(words.listed_of(&plain(&host.orders.host), &plan::name(&group, words)));
        }
    }
    if any {
        out.push('\n');
        out.push_str(&table.text(style));
    }
    for note in equal {
        out.push_str(&style.hang("", &note));
    }
    out.push_str(&edits(plan, style));
    out
}

/// Every edited file with the lines that go and those around them; of equal hosts once.
fn edits(plan: &Shown<'_>, style: &Style) -> String {
    let words = style.words();
    let mut out = String::new();
    for group in plan.groups() {
        let host = group.hosts[0];
        for action in in_order(host) {
            let Act::EditLines { file, remove, .. } = &action.act else {
                continue;
            };
            let around = host.around.get(&action.id);
            let what = words.of(&file.path.to_string(), &diff::which(around, remove, words));
            let lead = format!("{}  {}  ", short_id(action.id), plan::name(&group, words));
            out.push('\n');
            out.push_str(&style.hang(&lead, &what));
            out.push_str(&diff::lines(host, action, remove, Extent::Lines(EDITED), 2, style));
        }
    }
    out
}

/// The actions of a host: by component as it is shown, then in the order of the stroke.
fn in_order(host: &HostPlan) -> Vec<&Action> {
    let components = host.shown_components();
    let place = |component| components.iter().position(|id| *id == component).unwrap_or(usize::MAX);
    let mut actions: Vec<&Action> = host.orders.actions.iter().collect();
    actions.sort_by_cached_key(|action| {
        let object = act(&action.act, Lang::En.words());
        (
            place(action.component),
            place_in_stroke(action.act.kind()),
            object,
            action.id,
        )
    });
    actions
}

/// One action, by the first digits of its name, with all that it rests on.
///
/// # Errors
/// When none or several begin so.
pub(crate) fn action(shown: &Shown<'_>, prefix: &str, style: &Style) -> Result<String, NoSuchAction> {
    let plan = shown.plan();
    let wanted = prefix.to_ascii_lowercase();
    let all = shown
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
                    let object = act(&action.act, style.words());
                    format!("{} {name} {} {object}", action.id, action.act.kind())
                })
                .collect(),
            found: found.len(),
        }),
    }
}

/// All that one action rests on.
pub(crate) fn account(plan: &Plan, host: &HostPlan, action: &Action, style: &Style) -> String {
    let words = style.words();
    let entry = |word: &str, text: &str| style.hang(&padded(word, COLUMN), text);
    let labelled = |label: Label, text: &str| entry(words.label(label), text);
    let mut out = entry(
        &plain(&host.orders.host),
        &words.action(
            &action.id.to_string(),
            action.act.kind(),
            words.undo(UndoKind::of(&action.act)),
            action.component,
            &plan.hash().short(),
        ),
    );
    out.push_str(&labelled(Label::Object, &identity(host, &action.act, words)));
    match &action.act {
        Act::EditLines { remove, .. } => {
            let around = host.around.get(&action.id);
            out.push_str(&labelled(Label::Remove, &diff::which(around, remove, words)));
            // Exactly what would go, however long it is.
            out.push_str(&diff::lines(host, action, remove, Extent::Whole, COLUMN, style));
            if around.is_none() {
                out.push_str(&entry("", words.nothing_around()));
            }
        }
        Act::ClearFlags { flags: cleared, .. } => out.push_str(&labelled(Label::Clear, &flags(*cleared, words))),
        _ => {}
    }
    let by_id: BTreeMap<&str, &Finding> = host
        .findings
        .iter()
        .map(|finding| (finding.id.as_str(), finding))
        .collect();
    for (at, id) in action.because.iter().enumerate() {
        let lead = if at == 0 { words.label(Label::Because) } else { "" };
        out.push_str(&entry(lead, &because(id, by_id.get(id.as_str()).copied(), words)));
    }
    if let Some(over) = host.orders.overrides.get(&action.id) {
        out.push_str(&labelled(Label::Override, &plan::override_words(over, words)));
    }
    for (at, condition) in only_if(host, action, words).iter().enumerate() {
        let lead = if at == 0 { words.label(Label::OnlyIf) } else { "" };
        out.push_str(&entry(lead, condition));
    }
    out.push_str(&labelled(Label::Undo, &words.taken_back(way_back(&action.act))));
    if action.act.is_change() {
        out.push_str(&labelled(Label::ToLeave, &words.leave_out(&action.id.to_string())));
    }
    out
}

fn because(id: &str, finding: Option<&Finding>, words: &dyn Words) -> String {
    let Some(finding) = finding else {
        return plain(id).into_owned();
    };
    let mut text = format!("{id} {}", sentence(finding, words));
    if finding.points != 0 {
        text = words.commas(&[text, words.points(finding.points)]);
    }
    if let Some(rule) = &finding.rule {
        text.push_str(&format!(" [{}]", plain(rule)));
    }
    let evidence = finding.evidence.iter().map(|evidence| {
        let sha256 = evidence.sha256.map(|sha256| sha256.short());
        words.source(&plain(&evidence.source), sha256.as_deref())
    });
    let clauses: Vec<String> = std::iter::once(text).chain(evidence).collect();
    words.clauses(&clauses)
}

/// The object with all that identifies it.
fn identity(host: &HostPlan, act: &Act, words: &dyn Words) -> String {
    match act {
        Act::Freeze { process }
        | Act::Kill { process }
        | Act::Throttle { process }
        | Act::Keep {
            object: Object::Process { process },
        } => process_identity(host, process, words),
        Act::RemoveLink { link } => words.link_identity(&shown_link(link), link),
        Act::LockAccount { account } => {
            words.account_identity(&super::object::act(act, words), &account.line_sha256.short())
        }
        Act::RunArgv {
            program,
            argv,
            timeout_ms,
            ..
        } => words.command_identity(&command(argv), *timeout_ms, &file_identity(program, words)),
        Act::ReloadUnits { .. } | Act::BlockAddress { .. } | Act::Isolate { .. } => super::object::act(act, words),
        Act::RemoveStarter { file, .. }
        | Act::RemoveFile { file }
        | Act::EditLines { file, .. }
        | Act::ClearFlags { file, .. }
        | Act::Keep {
            object: Object::File { file },
        } => file_identity(file, words),
    }
}

fn process_identity(host: &HostPlan, process: &ProcessTarget, words: &dyn Words) -> String {
    let shown = host.processes.iter().find(|shown| {
        let same = (shown.pid, shown.start_ticks);
        same == (process.pid, process.start_ticks)
    });
    words.process_identity(&ProcessIdentity {
        process,
        name: &value(&process.comm),
        boot: &plain(&process.boot_id),
        parent: shown.map(|shown| shown.ppid),
        deleted: shown.is_some_and(|shown| shown.exe_deleted),
    })
}

fn file_identity(file: &FileTarget, words: &dyn Words) -> String {
    let held = file.flags.unwrap_or(0) & HOLDING;
    let held = (held != 0).then(|| flags(held, words));
    words.file_identity(file, held.as_deref(), &time_ns(file.mtime_ns.0))
}

/// What must hold on the host when it is done, and what must be done before.
fn only_if(host: &HostPlan, action: &Action, words: &dyn Words) -> Vec<String> {
    let own = match &action.act {
        Act::Freeze { .. } | Act::Kill { .. } | Act::Throttle { .. } => Condition::Process,
        Act::RemoveFile { .. } | Act::ClearFlags { .. } | Act::RemoveStarter { .. } => Condition::File,
        Act::EditLines { .. } => Condition::Lines,
        Act::RemoveLink { .. } => Condition::Link,
        Act::ReloadUnits { .. } => Condition::UnitsGone,
        Act::LockAccount { .. } => Condition::Account,
        Act::BlockAddress { .. } | Act::Isolate { .. } => Condition::Network,
        Act::RunArgv { .. } => Condition::Program,
        Act::Keep { .. } => Condition::Object,
    };
    let mut conditions = vec![words.only_if(own).to_owned()];
    if let Act::EditLines {
        syntax: Some(Syntax::Sudoers),
        ..
    } = &action.act
    {
        conditions.push(words.only_if(Condition::Sudoers).to_owned());
    }
    let needs = action.needs.iter().map(|need| {
        let needed = host.orders.actions.iter().find(|other| other.id == *need);
        match needed {
            Some(needed) => {
                let act = words.act(needed.act.kind(), &act(&needed.act, words));
                format!("{} {act}", short_id(*need))
            }
            None => short_id(*need),
        }
    });
    let needs: Vec<String> = needs.collect();
    if !needs.is_empty() {
        conditions.push(words.done_before(&needs));
    }
    conditions
}

fn way_back(act: &Act) -> WayBack {
    match act {
        Act::Keep { .. } => WayBack::Copy,
        Act::ReloadUnits { .. } => WayBack::Reload,
        Act::RemoveStarter { file, .. } => WayBack::Starter(file.size.0),
        Act::RemoveLink { .. } => WayBack::Link,
        Act::LockAccount { .. } => WayBack::Account,
        Act::BlockAddress { .. } | Act::Isolate { .. } => WayBack::Network,
        Act::Throttle { .. } => WayBack::Scheduling,
        Act::RunArgv { undo, .. } => WayBack::Command(undo.as_deref().map(command)),
        Act::Freeze { .. } => WayBack::Thaw,
        Act::Kill { .. } => WayBack::None,
        Act::RemoveFile { file } => WayBack::File(file.size.0),
        Act::EditLines { remove, .. } => WayBack::Lines(remove.len() as u64),
        Act::ClearFlags { .. } => WayBack::Flags,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn every_action_by_name() {
        let plan = sample::plan();
        insta::assert_snapshot!("show", text(&Shown::all(&plan), &sample::about(), &Style::PLAIN));
    }

    #[test]
    fn the_actions_of_equal_hosts_are_listed_of_one() {
        let plan = sample::fleet_plan();
        let text = text(&Shown::all(&plan), &sample::about(), &Style::PLAIN);
        let rows = |host: &str| {
            let of = plan.host(host).expect("a host of the plan");
            let ids = of.orders.actions.iter().map(|action| short_id(action.id));
            ids.filter(|id| text.contains(id)).count()
        };
        assert_eq!(rows("web-1"), plan.host("web-1").expect("a host").orders.actions.len());
        assert_eq!((rows("web-2"), rows("web-3")), (0, 0), "{text}");
        assert!(text.contains("Of web-[1-3] the actions of web-1 are listed"), "{text}");
        let part = Shown::only(&plan, ["web-2"].into());
        let of_web_2 = &plan.host("web-2").expect("a host").orders.actions[0];
        let other = &plan.host("web-1").expect("a host").orders.actions[0];
        assert!(action(&part, &of_web_2.id.to_string(), &Style::PLAIN).is_ok());
        assert!(action(&part, &other.id.to_string(), &Style::PLAIN).is_err());
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
                    shown.push(action(&Shown::all(&plan), &short_id(one.id), &Style::PLAIN).expect("one action"));
                }
            }
        }
        insta::assert_snapshot!("show_actions", shown.join("\n"));
    }

    #[test]
    fn every_kind_of_act() {
        let plan = sample::acts_plan();
        for (name, style) in [("show_acts", Style::PLAIN), ("show_acts_zh", Style::CHINESE)] {
            let mut shown = vec![text(&Shown::all(&plan), &sample::about(), &style)];
            let mut kinds = Vec::new();
            for one in plan.hosts().flat_map(in_order) {
                if one.act.is_change() && !kinds.contains(&one.act.kind()) {
                    kinds.push(one.act.kind());
                    shown.push(action(&Shown::all(&plan), &short_id(one.id), &style).expect("one action"));
                }
            }
            insta::assert_snapshot!(name, shown.join("\n"));
        }
    }

    #[test]
    fn in_chinese() {
        let plan = sample::plan();
        let web_2 = plan.host("web-2").expect("a host of the plan");
        let shown: Vec<String> = in_order(web_2)
            .iter()
            .map(|one| action(&Shown::all(&plan), &short_id(one.id), &Style::CHINESE).expect("one action"))
            .collect();
        insta::assert_snapshot!("show_actions_zh", shown.join("\n"));
    }

    #[test]
    fn a_line_of_128_kib_is_shown_whole() {
        let plan = sample::hostile_plan();
        let edit = plan
            .hosts()
            .flat_map(|host| &host.orders.actions)
            .find(|one| one.act.kind() == "edit_lines");
        let edit = edit.expect("the plan has an edit");
        let shown = action(&Shown::all(&plan), &edit.id.to_string(), &Style::PLAIN).expect("one action");
        assert!(shown.contains(&"A".repeat(128 << 10)));
        assert!(shown.contains("{{ 7*7 }}"));
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'));
    }

    #[test]
    fn none_and_several() {
        let plan = sample::plan();
        let none = action(&Shown::all(&plan), "zz\x1b", &Style::PLAIN).unwrap_err();
        assert_eq!(none.to_string(), "no action of this plan begins with `zz\\x1b`");
        assert!(action(&Shown::all(&plan), "", &Style::PLAIN).is_err());
        let first = plan
            .hosts()
            .flat_map(|host| &host.orders.actions)
            .next()
            .expect("an action");
        let digit = first.id.to_string()[..1].to_owned();
        let alike = plan.hosts().flat_map(|host| &host.orders.actions);
        let alike = alike.filter(|one| one.id.to_string().starts_with(&digit)).count();
        match action(&Shown::all(&plan), &digit, &Style::PLAIN) {
            Ok(_) => assert_eq!(alike, 1),
            Err(NoSuchAction::Ambiguous { found, candidates, .. }) => {
                assert_eq!((found, candidates.len()), (alike, alike.min(CANDIDATES)));
            }
            Err(other) => panic!("{other}"),
        }
    }
}
