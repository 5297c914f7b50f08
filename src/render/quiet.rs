//! What would be contained, before one typed yes.

use deminer_engine::plan::{HostPlan, Left, Plan, WhyLeft};
use deminer_worker::action::{Act, Action, Effect};
use serde_json::{Value, json};

use super::Style;
use super::names;
use super::object::{act, short_id};
use super::plain::plain;
use super::style::padded;
use super::table::Table;
use super::words::Label;

/// The column of the last lines.
const COLUMN: usize = 11;

/// What is done after the yes: it contains, and lasts.
fn contains(act: &Act) -> bool {
    act.effect() == Effect::Contain && act.is_change()
}

fn contained(host: &HostPlan) -> impl Iterator<Item = &Action> {
    host.orders.actions.iter().filter(|action| contains(&action.act))
}

/// For people.
pub(crate) fn text(plan: &Plan, style: &Style) -> String {
    let words = style.words();
    let heading = [Label::Action, Label::Host, Label::Does, Label::Object];
    let mut table = Table::new(&heading.map(|label| words.label(label)));
    let lead = |label: Label| format!("\n{}", padded(words.label(label), COLUMN));
    let (mut rows, mut quiet) = (0, Vec::new());
    for host in plan.hosts() {
        let name = plain(&host.orders.host).into_owned();
        let before = rows;
        for action in contained(host) {
            rows += 1;
            table.row(vec![
                short_id(action.id),
                name.clone(),
                words.kind(action.act.kind()).replace('_', " "),
                act(&action.act, words),
            ]);
        }
        if rows == before {
            quiet.push(name);
        }
    }
    let mut out = match rows {
        0 => style.hang("", words.nothing_to_contain()),
        rows => style.hang("", &words.would_contain(rows)),
    };
    if rows > 0 {
        out.push('\n');
        out.push_str(&table.text(style));
    }
    if rows > 0 && !quiet.is_empty() {
        let quiet = names::brief(quiet.iter().map(String::as_str));
        out.push_str(&style.hang(&lead(Label::NothingOn), &quiet.join(", ")));
    }
    for (host, left, why) in plan.hosts().flat_map(left_alone) {
        out.push_str(&style.hang(
            &lead(Label::LeftAlone),
            &format!("{} {}: {why}", plain(&host.orders.host), act(left, words)),
        ));
    }
    out
}

/// What was proposed to contain and is not done, each with the rule that protects it.
fn left_alone(host: &HostPlan) -> impl Iterator<Item = (&HostPlan, &Act, std::borrow::Cow<'_, str>)> {
    host.left_alone
        .iter()
        .filter_map(move |left| match (&left.what, &left.why) {
            (Left::Act { act, .. }, WhyLeft::Protected { rule }) if contains(act) => Some((host, act, plain(rule))),
            _ => None,
        })
}

/// For programs.
pub(crate) fn json(plan: &Plan) -> Value {
    let actions = plan.hosts().flat_map(|host| {
        let name = &host.orders.host;
        contained(host)
            .map(move |action| json!({"host": name, "id": action.id, "act": action.act, "because": action.because}))
    });
    let left = plan.hosts().flat_map(left_alone);
    let left = left.map(|(host, act, why)| json!({"host": host.orders.host, "act": act, "why": why}));
    json!({
        "hash": plan.hash().to_string(),
        "contains": actions.collect::<Vec<_>>(),
        "left_alone": left.collect::<Vec<_>>(),
    })
}
