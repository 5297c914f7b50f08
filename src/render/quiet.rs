//! What would be contained, before one typed yes.

use deminer_engine::plan::{HostPlan, Left, Plan, WhyLeft};
use deminer_worker::action::{Act, Action, Effect};
use serde_json::{Value, json};

use super::Style;
use super::object::{act, short_id};
use super::plain::plain;
use super::table::Table;
use super::unit::count;

/// What is done after the yes: it contains, and lasts.
fn contains(act: &Act) -> bool {
    act.effect() == Effect::Contain && act.is_change()
}

fn contained(host: &HostPlan) -> impl Iterator<Item = &Action> {
    host.orders.actions.iter().filter(|action| contains(&action.act))
}

/// For people.
pub(crate) fn text(plan: &Plan, style: &Style) -> String {
    let mut table = Table::new(&["action", "host", "does", "object"]);
    let (mut rows, mut quiet) = (0, Vec::new());
    for host in plan.hosts() {
        let name = plain(&host.orders.host).into_owned();
        let before = rows;
        for action in contained(host) {
            rows += 1;
            table.row(vec![
                short_id(action.id),
                name.clone(),
                action.act.kind().replace('_', " "),
                act(&action.act),
            ]);
        }
        if rows == before {
            quiet.push(name);
        }
    }
    let mut out = match rows {
        0 => style.hang("", "Nothing to contain was found. Nothing was changed."),
        rows => style.hang(
            "",
            &format!(
                "{} would be made, and nothing else: nothing is ended, removed or kept. All of it can be taken back at once.",
                count(rows, "change", "changes")
            ),
        ),
    };
    if rows > 0 {
        out.push('\n');
        out.push_str(&table.text(style));
    }
    if rows > 0 && !quiet.is_empty() {
        out.push_str(&style.hang("\nnothing   ", &quiet.join(", ")));
    }
    for (host, left, why) in plan.hosts().flat_map(left_alone) {
        out.push_str(&style.hang(
            "\nleft      ",
            &format!("{} {}: {why}", plain(&host.orders.host), act(left)),
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

/// The question, on so many hosts.
pub(crate) fn question(hosts: usize) -> String {
    format!("Type `yes` to do this on {}: ", count(hosts as u64, "host", "hosts"))
}

/// How it is done where nobody can be asked.
pub(crate) fn how(verb: &str, hash: &str) -> String {
    format!(
        "Nothing was changed. To do it: deminer {verb} --approve {}",
        &hash[..16]
    )
}

/// How it is taken back.
pub(crate) fn way_back() -> &'static str {
    "To take it back: deminer undo"
}
