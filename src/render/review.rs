//! A plan as one page for a reviewer: it needs no network and no other file, and gives back an approval to sign.
//!
//! All that a host wrote is data in the page, shown as text and never as markup. The page's policy lets run only the one
//! script and the one style that stand in it, by their digests, and nothing be fetched.

use std::collections::BTreeMap;

use deminer_engine::approval;
use deminer_engine::base64_text::unpadded;
use deminer_engine::finding::Finding;
use deminer_engine::plan::{Group, HostPlan, Plan, UndoKind, VALID_FOR_MS};
use deminer_worker::action::{Act, Action, ActionId, Effect};
use deminer_worker::text::Digest;
use serde_json::{Value, json};

use super::Style;
use super::object::act;
use super::plain::{plain, sentence};
use super::plan::{self, Shown, place_in_stroke};
use super::show;
use super::unit::time;
use super::words::{Label, Lang, ReviewWord, Words};

const PAGE: &str = include_str!("review/page.html");
const STYLE: &str = include_str!("review/style.css");
const SCRIPT: &str = include_str!("review/script.js");

/// Columns of what is written as a terminal shows it.
const COLUMNS: usize = 110;

/// The page. `file` is the plan's, as the operator named it.
pub(crate) fn page(plan: &Plan, file: &str, lang: Lang) -> String {
    let words = lang.words();
    let say = |word: ReviewWord| words.review(word);
    let parts = [
        ("lang", lang.code().to_owned()),
        ("script-hash", base64(Digest::of(SCRIPT.as_bytes()))),
        ("style-hash", base64(Digest::of(STYLE.as_bytes()))),
        ("title", escaped(&title(plan, words))),
        ("no-script", escaped(say(ReviewWord::NoScript))),
        ("style", STYLE.to_owned()),
        ("script", SCRIPT.to_owned()),
        ("data", data(plan, file, lang)),
    ];
    let mut out = String::with_capacity(PAGE.len() + SCRIPT.len() + STYLE.len());
    let mut rest = PAGE;
    while let Some((before, behind)) = rest.split_once('{') {
        out.push_str(before);
        let part = behind
            .split_once('}')
            .and_then(|(name, after)| Some((parts.iter().find(|(known, _)| *known == name)?, after)));
        match part {
            Some(((_, text), after)) => {
                out.push_str(text);
                rest = after;
            }
            None => {
                out.push('{');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

fn title(plan: &Plan, words: &dyn Words) -> String {
    let playbook = &plan.header().playbook;
    let name = format!("{} {}", plain(&playbook.name), playbook.version);
    words.of(words.review(ReviewWord::Title), &name)
}

/// The plan as the page's script reads it, as text of a script element.
fn data(plan: &Plan, file: &str, lang: Lang) -> String {
    let words = lang.words();
    let style = Style {
        lang,
        width: COLUMNS,
        color: false,
    };
    let header = plan.header();
    let said: serde_json::Map<String, Value> = ReviewWord::ALL
        .iter()
        .map(|word| (word.name().to_owned(), words.review(*word).into()))
        .collect();
    let shown = Shown::all(plan);
    let groups: Vec<Value> = shown
        .groups()
        .iter()
        .flat_map(alike)
        .map(|group| one(plan, &group, &style))
        .collect();
    let short = plan.hash().short();
    let mut facts = vec![
        (words.label(Label::Hash), plan.hash().to_string()),
        (words.review(ReviewWord::Made), time(header.created_at_ms.0)),
        (words.review(ReviewWord::GoodUntil), time(header.not_after_ms.0)),
        (words.review(ReviewWord::File), plain(file).into_owned()),
        (words.review(ReviewWord::Version), plain(&header.deminer).into_owned()),
    ];
    let bound = plan::of_page(plan, words).into_iter();
    facts.extend(bound.map(|(label, text)| (words.label(label), text)));
    let value = json!({
        "title": title(plan, words),
        "words": said,
        "hash": plan.hash(),
        "short": short,
        "approval_format": approval::FORMAT,
        "good_until_ms": header.not_after_ms.0,
        "valid_for_ms": VALID_FOR_MS,
        "sign": format!("ssh-keygen -Y sign -n {} -f KEY {short}.approval", approval::NAMESPACE),
        "facts": facts,
        "environment": plan::environment_text(plan),
        "groups": groups,
    });
    // A script element ends at `</script`, and `<!--` changes how it is read.
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

/// The hosts of a group whose actions can be told by one list.
fn alike<'p>(group: &Group<'p>) -> Vec<Group<'p>> {
    let mut groups: BTreeMap<Vec<String>, Vec<&'p HostPlan>> = BTreeMap::new();
    for host in &group.hosts {
        let outline = in_order(host).into_iter().map(|action| outline(host, action)).collect();
        groups.entry(outline).or_default().push(host);
    }
    groups.into_values().map(|hosts| Group { hosts }).collect()
}

/// What two hosts must have in common in an action: processes differ in their pids. What destroys comes first.
fn outline(host: &HostPlan, action: &Action) -> String {
    let risk = Effect::Destroy as u8 - action.act.effect() as u8;
    let place = host.shown_components().iter().position(|id| *id == action.component);
    let object = match action.act.process() {
        Some(process) => format!("{:?} {}", process.role, process.exe_path),
        None => act(&action.act, Lang::En.words()),
    };
    let kind = action.act.kind();
    format!("{risk} {place:?} {:03} {kind} {object}", place_in_stroke(kind))
}

fn in_order(host: &HostPlan) -> Vec<&Action> {
    let mut actions: Vec<&Action> = host.orders.actions.iter().collect();
    actions.sort_by_cached_key(|action| (outline(host, action), action.id));
    actions
}

/// Hosts that are read as one.
fn one(plan: &Plan, group: &Group<'_>, style: &Style) -> Value {
    let words = style.words();
    let first = group.hosts[0];
    let only = Shown::only(plan, [first.orders.host.as_str()].into());
    let actions = in_order(first);
    let place: BTreeMap<ActionId, usize> = actions.iter().enumerate().map(|(at, action)| (action.id, at)).collect();
    let hosts: Vec<Value> = group
        .hosts
        .iter()
        .map(|host| {
            json!({
                "name": host.orders.host,
                "shown": plain(&host.orders.host),
                "hash": plan.host_hash(&host.orders.host),
                "ids": in_order(host).iter().map(|action| action.id).collect::<Vec<_>>(),
            })
        })
        .collect();
    let told: Vec<Value> = actions
        .iter()
        .map(|action| told(plan, first, action, &place, style))
        .collect();
    json!({
        "title": plan::name(group, words),
        "about": plan::about_hosts(&only, style),
        "hosts": hosts,
        "many_components": first.needs_own_approval,
        "actions": told,
    })
}

fn told(plan: &Plan, host: &HostPlan, action: &Action, place: &BTreeMap<ActionId, usize>, style: &Style) -> Value {
    let words = style.words();
    let by_id: BTreeMap<&str, &Finding> = host
        .findings
        .iter()
        .map(|finding| (finding.id.as_str(), finding))
        .collect();
    // What is frozen or kept is so for what is done to it then, where the reasons stand.
    let because = action.because.iter().filter(|_| action.act.is_change());
    let because = because.filter_map(|id| by_id.get(id.as_str()));
    let over = host.orders.overrides.get(&action.id);
    let over = over.map(|over| plan::override_words(over, words));
    let because = over.into_iter().chain(because.map(|finding| sentence(finding, words)));
    let needs: Vec<usize> = action
        .needs
        .iter()
        .filter_map(|need| place.get(need).copied())
        .collect();
    let diff = match &action.act {
        Act::EditLines { remove, .. } => super::diff::rows(host, action, remove, words),
        _ => Vec::new(),
    };
    json!({
        "kind": words.kind(action.act.kind()),
        "object": act(&action.act, words),
        "effect": action.act.effect(),
        "effect_word": words.review(effect(action.act.effect())),
        "change": action.act.is_change(),
        "undo": words.undo(UndoKind::of(&action.act)),
        "component": action.component,
        "because": because.collect::<Vec<_>>(),
        "needs": needs,
        "brings_back": brings_back(&action.act),
        "diff": diff,
        "account": show::account(plan, host, action, style),
    })
}

/// Whether what stays where this is left out can start again what goes.
fn brings_back(act: &Act) -> bool {
    match act {
        Act::Kill { .. } | Act::EditLines { .. } | Act::RemoveStarter { .. } | Act::RemoveLink { .. } => true,
        Act::ReloadUnits { .. } | Act::LockAccount { .. } => true,
        Act::Freeze { .. }
        | Act::Keep { .. }
        | Act::RemoveFile { .. }
        | Act::ClearFlags { .. }
        | Act::BlockAddress { .. }
        | Act::Isolate { .. }
        | Act::Throttle { .. }
        | Act::RunArgv { .. } => false,
    }
}

fn effect(effect: Effect) -> ReviewWord {
    match effect {
        Effect::Destroy => ReviewWord::Destroys,
        Effect::Contain => ReviewWord::Contains,
        _ => ReviewWord::Preserves,
    }
}

/// A text of ours in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A digest as a page's policy has it (CSP Level 3, `hash-source`).
fn base64(digest: Digest) -> String {
    // Of 32 bytes one sign of the last four is not needed.
    format!("{}=", unpadded(&digest.0))
}
