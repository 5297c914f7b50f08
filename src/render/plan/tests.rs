use std::collections::BTreeSet;

use super::*;
use crate::render::sample;
use crate::render::words::Lang;

fn shown(plan: &Plan) -> String {
    text(plan, &sample::about(), &Style::PLAIN)
}

#[test]
fn an_infected_plan() {
    insta::assert_snapshot!("plan", shown(&sample::plan()));
}

#[test]
fn a_plan_in_chinese() {
    let plans = [
        ("plan_zh", sample::plan()),
        ("plan_fleet_zh", sample::fleet_plan()),
        ("plan_idle_zh", sample::idle_plan()),
    ];
    for (name, plan) in plans {
        insta::assert_snapshot!(name, text(&plan, &sample::about(), &Style::CHINESE));
    }
}

#[test]
fn what_people_said_stands_beside_what_was_seen() {
    let plan = sample::told_plan();
    insta::assert_snapshot!("plan_told", shown(&plan));
    insta::assert_snapshot!("plan_told_zh", text(&plan, &sample::about(), &Style::CHINESE));
}

#[test]
fn every_kind_of_act() {
    let plan = sample::acts_plan();
    let kinds: BTreeSet<&str> = plan
        .hosts()
        .flat_map(|host| &host.orders.actions)
        .map(|action| action.act.kind())
        .collect();
    assert_eq!(kinds, BTreeSet::from(changes::STROKE), "the sample has every kind");
    insta::assert_snapshot!("plan_acts", shown(&plan));
    insta::assert_snapshot!("plan_acts_zh", text(&plan, &sample::about(), &Style::CHINESE));
}

#[test]
fn equal_hosts_are_read_once_and_many_targets_come_first() {
    let plan = sample::fleet_plan();
    let text = shown(&plan);
    insta::assert_snapshot!("plan_fleet", text);
    assert!(text.find("own yes").expect("said") < text.find("web-1").expect("shown"));
}

#[test]
fn a_plan_with_nothing_to_do_says_why() {
    insta::assert_snapshot!("plan_idle", shown(&sample::idle_plan()));
    insta::assert_snapshot!("plan_clean", shown(&sample::clean_plan()));
}

#[test]
fn an_old_plan_offers_nothing_to_paste() {
    let about = About {
        file: None,
        took_ms: None,
        now_ms: sample::AT + 46 * 60_000,
        ..sample::about()
    };
    let text = text(&sample::plan(), &about, &Style::PLAIN);
    assert!(text.contains("was good until 2026-11-14T03:26:09Z"), "{text}");
    assert!(!text.contains("deminer apply"), "{text}");
}

#[test]
fn who_is_asked_right_after_is_offered_no_command() {
    let about = About {
        asks: true,
        knows_signers: true,
        ..sample::about()
    };
    let text = text(&sample::plan(), &about, &Style::PLAIN);
    assert!(text.trim_end().ends_with("(45 min)"), "{text}");
    assert!(!text.contains("--approve"), "{text}");
}

#[test]
fn no_destroyed_object_is_left_out() {
    let plans = [
        sample::plan(),
        sample::fleet_plan(),
        sample::hostile_plan(),
        sample::acts_plan(),
    ];
    let styles = [Style::PLAIN, Style::CHINESE];
    for (plan, style) in plans.iter().flat_map(|plan| styles.map(|style| (plan, style))) {
        let without_blanks = |text: &str| text.split_whitespace().collect::<String>();
        let text = without_blanks(&text(plan, &sample::about(), &style));
        for group in plan.groups() {
            for host in group.hosts {
                for action in host.orders.actions.iter().filter(|action| action.act.is_change()) {
                    let object = match action.act.process() {
                        Some(process) => process.pid.to_string(),
                        None => crate::render::object::act(&action.act, style.words()),
                    };
                    assert!(text.contains(&without_blanks(&object)), "{object}\n{text}");
                }
            }
        }
    }
}

#[test]
fn what_an_intruder_wrote_stays_text() {
    let plan = sample::hostile_plan();
    for width in [60, 110, 160] {
        let text = text(&plan, &sample::about(), &Style { width, ..Style::PLAIN });
        let chinese = super::text(
            &plan,
            &sample::about(),
            &Style {
                width,
                ..Style::CHINESE
            },
        );
        let text = format!("{text}{chinese}");
        assert!(
            !text.chars().any(|c| c != '\n' && !super::super::plain::is_plain(c)),
            "{text}"
        );
        assert!(text.len() < 16_000, "{}", text.len());
    }
    insta::assert_snapshot!("plan_hostile", shown(&plan));
}

#[test]
fn colour_only_repeats_words() {
    let style = Style {
        color: true,
        ..Style::PLAIN
    };
    let coloured = text(&sample::plan(), &sample::about(), &style);
    assert!(coloured.contains("\x1b[31minfected\x1b[0m"));
    let stripped = coloured
        .replace("\x1b[31m", "")
        .replace("\x1b[32m", "")
        .replace("\x1b[33m", "")
        .replace("\x1b[0m", "");
    assert_eq!(stripped, shown(&sample::plan()));
}

#[test]
fn programs_get_every_identity() {
    let value = json(&sample::plan(), Some("miner.plan"), Lang::En);
    insta::assert_json_snapshot!("plan_json", value);
}

#[test]
fn a_part_is_shown_as_a_part() {
    let plan = sample::fleet_plan();
    let part = Shown::only(&plan, BTreeSet::from(["web-1", "web-2"]));
    let text = text_of(&part, &sample::about(), &Style::PLAIN);
    assert!(part.is_part() && !Shown::all(&plan).is_part());
    assert!(!text.contains("db-1") && !text.contains("web-9"), "{text}");
    assert!(!text.contains("--approve"), "a yes is for what was read: {text}");
    insta::assert_snapshot!("plan_part", text);
    let value = json_of(&part, None, Lang::En);
    assert_eq!(value["hosts"].as_array().map(Vec::len), Some(2));
    let actions = value["actions"].as_array().expect("actions");
    assert!(actions.iter().all(|action| action["host"] != "web-9"));
}

#[test]
fn a_playbook_that_only_looks_says_so() {
    let plan = sample::triage_plan();
    insta::assert_snapshot!("plan_triage", shown(&plan));
    insta::assert_snapshot!("plan_triage_zh", text(&plan, &sample::about(), &Style::CHINESE));
}

#[test]
fn hosts_with_other_objects_are_never_one_group() {
    let plan = sample::blocking_plan();
    assert_eq!(Shown::all(&plan).groups().len(), 2);
    let text = shown(&plan);
    for address in ["198.51.100.23", "203.0.113.9"] {
        assert!(text.contains(address), "{text}");
    }
    assert!(!text.contains("2 hosts: same"), "{text}");
}
