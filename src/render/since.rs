//! What a plan has that an earlier one did not: of a host that was reviewed before, only that is new to the reviewer.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::plan::{HostPlan, Plan};
use deminer_worker::action::{Action, ActionId};
use serde_json::{Value, json};

use super::Style;
use super::object::named;
use super::plain::plain;
use super::style::padded;
use super::words::Label;

/// The column of what is said.
const COLUMN: usize = 12;

/// What is new, what stood in the earlier plan too, and what only stood there, of one host.
#[derive(Default)]
struct Difference<'a> {
    new: Vec<&'a Action>,
    same: usize,
    gone: Vec<&'a Action>,
}

/// The changes of a host by id; what only keeps or freezes goes with them.
fn changes(host: &HostPlan) -> BTreeMap<ActionId, &Action> {
    let actions = host.orders.actions.iter().filter(|action| action.act.is_change());
    actions.map(|action| (action.id, action)).collect()
}

/// By host of the newer plan.
fn differences<'a>(plan: &'a Plan, earlier: &'a Plan) -> BTreeMap<&'a str, Difference<'a>> {
    let of = |host: &'a HostPlan| {
        let (now, before) = (
            changes(host),
            earlier.host(&host.orders.host).map(changes).unwrap_or_default(),
        );
        let names = |of: &BTreeMap<ActionId, &Action>| of.keys().copied().collect::<BTreeSet<_>>();
        let (now_names, before_names) = (names(&now), names(&before));
        Difference {
            new: now_names.difference(&before_names).map(|id| now[id]).collect(),
            same: now_names.intersection(&before_names).count(),
            gone: before_names.difference(&now_names).map(|id| before[id]).collect(),
        }
    };
    plan.hosts().map(|host| (host.orders.host.as_str(), of(host))).collect()
}

/// For people.
pub(crate) fn text(plan: &Plan, earlier: &Plan, style: &Style) -> String {
    let words = style.words();
    let differences = differences(plan, earlier);
    let count = |of: fn(&Difference<'_>) -> usize| differences.values().map(of).sum::<usize>() as u64;
    let counts = [count(|it| it.new.len()), count(|it| it.same), count(|it| it.gone.len())];
    let mut out = style.hang("", &words.since(&earlier.hash().short(), counts));
    for (host, difference) in &differences {
        let new = difference.new.iter().map(|action| (Label::New, action));
        let gone = difference.gone.iter().map(|action| (Label::NotAnyMore, action));
        for (label, action) in new.chain(gone) {
            let what = format!("{} {}", plain(host), named(&action.act, action.id, words));
            out.push_str(&style.hang(&padded(words.label(label), COLUMN), &what));
        }
    }
    out
}

/// For programs.
pub(crate) fn json(plan: &Plan, earlier: &Plan) -> Value {
    let ids = |actions: &[&Action]| actions.iter().map(|action| action.id).collect::<Vec<_>>();
    let hosts = differences(plan, earlier)
        .into_iter()
        .map(|(host, it)| json!({"host": host, "new": ids(&it.new), "same": it.same, "gone": ids(&it.gone)}));
    json!({"plan": plan.hash(), "since": earlier.hash(), "hosts": hosts.collect::<Vec<_>>()})
}
