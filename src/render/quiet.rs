//! What would be contained, before one typed yes.

use deminer_engine::plan::{HostPlan, Left, Plan, WhyLeft};
use deminer_worker::action::{Act, Action, Effect};
use serde_json::{Value, json};

use super::Style;
use super::names;
use super::object::{act, short_id, why_left};
use super::plain::plain;
use super::style::padded;
use super::table::Table;
use super::words::{Label, Lang};

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
        out.push_str(&style.hang(&lead(Label::NothingOn), &words.list(&quiet)));
    }
    for (host, left, why) in plan.hosts().flat_map(left_alone) {
        out.push_str(&style.hang(
            &lead(Label::LeftAlone),
            &words.of(
                &format!("{} {}", plain(&host.orders.host), act(left, words)),
                &why_left(why, words),
            ),
        ));
    }
    out
}

/// What was proposed to contain and is not done, each with why.
fn left_alone(host: &HostPlan) -> impl Iterator<Item = (&HostPlan, &Act, &WhyLeft)> {
    host.left_alone.iter().filter_map(move |left| match &left.what {
        Left::Act { act, .. } if contains(act) => Some((host, act, &left.why)),
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
    let left = left
        .map(|(host, act, why)| json!({"host": host.orders.host, "act": act, "why": why_left(why, Lang::En.words())}));
    json!({
        "hash": plan.hash().to_string(),
        "contains": actions.collect::<Vec<_>>(),
        "left_alone": left.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use deminer_engine::plan::LeftAlone;

    use super::*;
    use crate::render::sample;

    #[test]
    fn what_would_be_contained() {
        let acts = sample::acts_plan();
        let mut hosts: Vec<HostPlan> = acts.hosts().chain(sample::plan().hosts()).cloned().collect();
        let left = contained(&hosts[0]).map(|action| Left::Act {
            action: action.id,
            component: action.component,
            act: action.act.clone(),
        });
        let whys = [
            WhyLeft::Protected {
                rule: "a path of the site".to_owned(),
            },
            WhyLeft::Limited { most: Effect::Preserve },
        ];
        let left = left.zip(whys).map(|(what, why)| LeftAlone {
            what,
            why,
            because: Vec::new(),
        });
        let left: Vec<LeftAlone> = left.collect();
        hosts[1].left_alone = left;
        let plan = sample::with_hosts(hosts);
        insta::assert_snapshot!("quiet", text(&plan, &Style::PLAIN));
        insta::assert_snapshot!("quiet_zh", text(&plan, &Style::CHINESE));
    }
}
