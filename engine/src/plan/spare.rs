//! What a plan leaves alone: what is protected, with everything that cannot be done without it.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::action::{Act, ActionId, Effect};
use deminer_worker::order::Override;
use deminer_worker::protect::{firm_protection, protection};
use deminer_worker::query::Ownership;
use deminer_worker::text::HostPath;

use super::ask::Learned;
use super::complete::{needs, preparations};
use super::merge::{Wanted, Wants};
use super::{Left, LeftAlone, Overriding, WhyLeft};

/// Takes out the removal of files that are edited: an edit keeps the other lines.
pub(super) fn prefer_edits(wants: &mut Wants, left: &mut Vec<LeftAlone>) {
    let edits: BTreeMap<&HostPath, ActionId> = wants
        .iter()
        .filter(|(_, want)| matches!(want.act, Act::EditLines { .. }))
        .filter_map(|(id, want)| Some((&want.act.file()?.path, *id)))
        .collect();
    let removals: Vec<(ActionId, ActionId)> = wants
        .iter()
        .filter_map(|(id, want)| match &want.act {
            Act::RemoveFile { file } | Act::RemoveStarter { file, .. } => Some((*id, *edits.get(&file.path)?)),
            _ => None,
        })
        .collect();
    for (removal, action) in removals {
        leave(wants, removal, WhyLeft::Edited { action }, left);
    }
}

/// Takes out what does more than is allowed.
pub(super) fn limited(wants: &mut Wants, most: Option<Effect>, left: &mut Vec<LeftAlone>) {
    let Some(most) = most else { return };
    let over: Vec<ActionId> = wants
        .iter()
        .filter(|(_, want)| want.act.effect() > most)
        .map(|(id, _)| *id)
        .collect();
    for id in over {
        leave(wants, id, WhyLeft::Limited { most }, left);
    }
}

/// Takes out what is protected and what needs it, until nothing more is; then what only prepared such acts.
///
/// A process that turns out protected is not condemned, so what it runs is protected by its use: hence the rounds. Gives what
/// stays though it is protected, since somebody wants it so and no firm rule speaks against it.
pub(super) fn spare(
    host: &str,
    wants: &mut Wants,
    learned: &Learned,
    overriding: &[Overriding],
    left: &mut Vec<LeftAlone>,
) -> BTreeMap<ActionId, Override> {
    let overridden = overridden(host, wants, overriding);
    let mut overrides = BTreeMap::new();
    let prepared = served(host, wants, learned);
    loop {
        let condemned = learned.condemned(wants);
        let mut hits: Vec<(ActionId, WhyLeft)> = wants
            .iter()
            .filter_map(|(id, want)| {
                let rule =
                    protection(&want.act, &condemned, &learned.facts).or_else(|| packaged_line(&want.act, learned))?;
                let Some(Overriding { because, .. }) = overridden.get(id) else {
                    return Some((*id, WhyLeft::Protected { rule }));
                };
                if let Some(rule) = firm_protection(&want.act, &condemned, &learned.facts) {
                    return Some((*id, WhyLeft::Protected { rule }));
                }
                let because = because.clone();
                overrides.insert(*id, Override { rule, because });
                None
            })
            .collect();
        if hits.is_empty() {
            hits = needs(host, wants, &learned.facts.processes)
                .into_iter()
                .filter_map(|(id, needed)| {
                    let action = needed.into_iter().find(|need| !wants.contains_key(need))?;
                    Some((id, WhyLeft::Needs { action }))
                })
                .collect();
        }
        if hits.is_empty() {
            break;
        }
        for (id, why) in hits {
            leave(wants, id, why, left);
        }
    }
    loop {
        let serving = served(host, wants, learned);
        let prepares = |want: &Wanted| !want.proposed || matches!(want.act, Act::ClearFlags { .. });
        let idle: Vec<ActionId> = wants
            .iter()
            .filter(|(id, want)| prepares(want) && prepared.contains(id) && !serving.contains(id))
            .map(|(id, _)| *id)
            .collect();
        if idle.is_empty() {
            break;
        }
        for id in idle {
            leave(wants, id, WhyLeft::ServesNothing {}, left);
        }
    }
    overrides
}

/// The acts that somebody wants although their target is protected, with those on the same object that prepare them.
fn overridden<'o>(host: &str, wants: &Wants, overriding: &'o [Overriding]) -> BTreeMap<ActionId, &'o Overriding> {
    let mut overridden = BTreeMap::new();
    for (id, want) in wants {
        if let Some(over) = overriding.iter().find(|over| over.means(*id)) {
            overridden.insert(*id, over);
            overridden.extend(preparations(&want.act).iter().map(|act| (act.id(host), over)));
        }
    }
    overridden
}

/// The acts that others need.
fn served(host: &str, wants: &Wants, learned: &Learned) -> BTreeSet<ActionId> {
    needs(host, wants, &learned.facts.processes)
        .into_values()
        .flatten()
        .collect()
}

/// A line of a file that is byte for byte its package's is the package's line.
fn packaged_line(act: &Act, learned: &Learned) -> Option<String> {
    let Act::EditLines { file, .. } = act else { return None };
    match learned.facts.ownership.get(&file.path) {
        Some(Ownership::Owned { package } | Ownership::Copied { package, .. }) => {
            Some(format!("package {package} brought this content, the line with it"))
        }
        _ => None,
    }
}

/// Says which directories are held by flags: what is to be removed in them cannot be.
pub(super) fn say_held_directories(wants: &Wants, learned: &Learned, left: &mut Vec<LeftAlone>) {
    for (path, flags) in &learned.held_directories {
        let inside = wants.values().filter(|want| {
            let place = match &want.act {
                Act::RemoveFile { file } | Act::EditLines { file, .. } | Act::RemoveStarter { file, .. } => {
                    Some(&file.path)
                }
                Act::RemoveLink { link } => Some(&link.path),
                _ => None,
            };
            place.and_then(HostPath::parent).as_ref() == Some(path)
        });
        let because: Vec<_> = inside.flat_map(|want| want.because.iter().cloned()).collect();
        if !because.is_empty() {
            left.push(LeftAlone {
                what: Left::Directory { path: path.clone() },
                why: WhyLeft::DirectoryFlags { flags: *flags },
                because: sorted(because),
            });
        }
    }
}

/// Takes a want out; what was proposed is said.
fn leave(wants: &mut Wants, id: ActionId, why: WhyLeft, left: &mut Vec<LeftAlone>) {
    let Some(Wanted {
        component,
        act,
        because,
        proposed,
    }) = wants.remove(&id)
    else {
        return;
    };
    if proposed {
        left.push(LeftAlone {
            what: Left::Act {
                action: id,
                component,
                act,
            },
            why,
            because: because.into_iter().collect(),
        });
    }
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items.dedup();
    items
}
