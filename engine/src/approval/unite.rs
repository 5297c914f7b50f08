//! What enough people said, as one approval. Pure.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::action::{ActionId, Effect};
use deminer_worker::order::Approval;
use deminer_worker::text::{Digest, Wide};

use super::signed::{Signed, SignedError, Signer};
use super::{FORMAT, Needed, SIGNATURE};
use crate::plan::Plan;

/// The approval of all actions for which as many different people as their effects need said yes, each in an approval that
/// fits the plan: to its host, its effect and itself. It ends with the first of theirs. An action that one leaves out needs
/// as many others.
///
/// # Errors
/// When fewer signed than what they approve needs, or too few for any one action.
pub(super) fn unite(plan: &Plan, given: &[(&Signer, &Approval)], needed: Needed) -> Result<Approval, SignedError> {
    let needed = needed.or_more(Needed::all(1));
    let persons = persons(given);
    let who = who(&persons);
    let all = [Effect::Preserve, Effect::Contain, Effect::Destroy];
    let asked = all.into_iter().filter(|class| {
        let says = |(_, yes): &(&Signer, &Approval)| yes.classes.contains(class);
        given.iter().any(says)
    });
    // What is needed for the most that anybody wants: half of a stroke is nobody's wish.
    let least = asked.map(|class| needed.of(class)).max().unwrap_or(needed.least());
    if persons.len() < least as usize {
        return Err(SignedError::TooFew { needed: least, who });
    }
    let enough = |people: u32, says: &dyn Fn(&Approval) -> bool| {
        let saying = persons
            .iter()
            .filter(|person| person.iter().any(|(_, approval)| says(approval)));
        saying.count() >= people as usize
    };
    let mut classes: BTreeSet<Effect> = all
        .into_iter()
        .filter(|class| enough(needed.of(*class), &|yes| yes.classes.contains(class)))
        .collect();
    let mut hosts: BTreeMap<String, Digest> = BTreeMap::new();
    let mut many: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    let mut left_out: Vec<(ActionId, Effect)> = Vec::new();
    for planned in plan.hosts() {
        let host = &planned.orders.host;
        let Some(hash) = plan
            .host_hash(host)
            .filter(|_| enough(needed.least(), &|yes| yes.hosts.contains_key(host)))
        else {
            continue;
        };
        let actions = &planned.orders.actions;
        let (allowed, others): (Vec<_>, Vec<_>) = actions.iter().partition(|action| {
            let effect = action.act.effect();
            enough(needed.of(effect), &|yes| {
                yes.hosts.contains_key(host) && yes.classes.contains(&effect) && !yes.excluded.contains(&action.id)
            })
        });
        if allowed.is_empty() && !actions.is_empty() {
            continue;
        }
        hosts.insert(host.clone(), hash);
        classes.extend(allowed.iter().map(|action| action.act.effect()));
        left_out.extend(others.iter().map(|action| (action.id, action.act.effect())));
        let named = planned.needs_own_approval.iter().copied();
        let named: BTreeSet<u32> = named
            .filter(|component| {
                let names = |yes: &Approval| yes.many.get(host).is_some_and(|named| named.contains(component));
                enough(needed.of(Effect::Destroy), &names)
            })
            .collect();
        if !named.is_empty() {
            many.insert(host.clone(), named);
        }
    }
    if hosts.is_empty() || classes.is_empty() {
        return Err(SignedError::NothingTogether { needed: least, who });
    }
    let united = Approval {
        format: FORMAT,
        plan: plan.hash(),
        hosts,
        excluded: left_out
            .into_iter()
            .filter(|(_, effect)| classes.contains(effect))
            .map(|(id, _)| id)
            .collect(),
        classes,
        many,
        reasons: BTreeMap::new(),
        approver: String::new(),
        means: String::new(),
        at_ms: Wide(0),
        not_after_ms: Wide(0),
    };
    Ok(told_by_all(given, &who, united))
}

/// The approval of the hosts that so many different people approve, each host whole: all were held against the same thing.
///
/// # Errors
/// When too few signed, or too few for any one host.
pub(crate) fn unite_whole(signed: &[Signed], needed: u32) -> Result<Approval, SignedError> {
    let given: Vec<(&Signer, &Approval)> = signed.iter().map(|one| (one.by(), one.approval())).collect();
    let persons = persons(&given);
    let who = who(&persons);
    let needed = needed.max(1);
    let Some((_, first)) = given.first().filter(|_| persons.len() >= needed as usize) else {
        return Err(SignedError::TooFew { needed, who });
    };
    let named: BTreeMap<String, Digest> = given.iter().flat_map(|(_, yes)| yes.hosts.clone()).collect();
    let enough = |host: &String| {
        let names = |person: &Vec<(&Signer, &Approval)>| person.iter().any(|(_, yes)| yes.hosts.contains_key(host));
        persons.iter().filter(|person| names(person)).count() >= needed as usize
    };
    let hosts: BTreeMap<String, Digest> = named.into_iter().filter(|(host, _)| enough(host)).collect();
    if hosts.is_empty() {
        return Err(SignedError::NothingTogether { needed, who });
    }
    Ok(Approval {
        hosts,
        ..told_by_all(&given, &who, (*first).clone())
    })
}

/// An approval with the words and times of all who gave one: it is as young as the last of theirs, and ends with the first.
fn told_by_all(given: &[(&Signer, &Approval)], who: &[String], approval: Approval) -> Approval {
    let times = |of: fn(&Approval) -> u64| given.iter().map(move |(_, approval)| of(approval));
    Approval {
        // Of two reasons for one thing one is enough: all files are kept beside the run.
        reasons: given.iter().flat_map(|(_, yes)| yes.reasons.clone()).collect(),
        approver: who.join(", "),
        means: SIGNATURE.to_owned(),
        at_ms: Wide(times(|yes| yes.at_ms.0).max().unwrap_or_default()),
        not_after_ms: Wide(times(|yes| yes.not_after_ms.0).min().unwrap_or_default()),
        ..approval
    }
}

/// The first name of each person.
fn who(persons: &[Vec<(&Signer, &Approval)>]) -> Vec<String> {
    persons.iter().map(|person| person[0].0.name().to_owned()).collect()
}

/// The approvals by who gave them. Who shares a key or a name with another is the same person.
fn persons<'a>(given: &[(&'a Signer, &'a Approval)]) -> Vec<Vec<(&'a Signer, &'a Approval)>> {
    let mut persons: Vec<Vec<(&Signer, &Approval)>> = Vec::new();
    for one in given {
        let same = |other: &Signer| {
            other.key == one.0.key || other.principals.iter().any(|name| one.0.principals.contains(name))
        };
        let (mut mine, others): (Vec<_>, Vec<_>) = persons
            .into_iter()
            .partition(|person| person.iter().any(|(other, _)| same(other)));
        let mut person: Vec<_> = mine.drain(..).flatten().collect();
        person.push(*one);
        persons = others;
        persons.push(person);
    }
    persons
}

#[cfg(test)]
mod tests;
