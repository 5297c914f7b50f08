//! Who signed for what, and what of it is approved.

use super::*;
use crate::approval::ApprovalError;
use crate::approval::ApprovedPlan;
use crate::approval::tests::ask;
use crate::approval::with_dependents;
use crate::approval::{Ask, Hosts};
use crate::plan::bench::{Bench, NOW_MS, infected, origin, remove};

fn plan() -> Plan {
    let hosts = ["a", "b", "c"].map(|name| infected(name).plan());
    Plan::new(origin(), hosts.into()).expect("three hosts make a plan")
}

fn signer(names: &[&str], key: &str) -> Signer {
    Signer {
        principals: names.iter().map(|name| (*name).to_owned()).collect(),
        key: key.to_owned(),
    }
}

/// What somebody approves: the hosts `abc`, and of the effects `preserve`, `contain`, `destroy` the first so many.
fn yes(plan: &Plan, hosts: &str, effects: usize) -> Approval {
    yes_but(plan, hosts, effects, |_| {})
}

fn yes_but(plan: &Plan, hosts: &str, effects: usize, change: impl Fn(&mut Ask)) -> Approval {
    let all = [Effect::Preserve, Effect::Contain, Effect::Destroy];
    let mut said = Ask {
        hosts: Hosts::Only(hosts.chars().map(String::from).collect()),
        classes: all.into_iter().take(effects).collect(),
        means: SIGNATURE.to_owned(),
        ..ask(plan)
    };
    change(&mut said);
    plan.approve(said).expect("it fits").approval().clone()
}

/// What is approved, in few words: of each host how many actions of which effect.
fn told(plan: &Plan, approval: &Approval) -> String {
    let approved = ApprovedPlan::new(plan.clone(), approval.clone(), NOW_MS).expect("it fits");
    let hosts = approved.hosts().map(|(host, orders)| {
        let of = |effect| orders.actions().filter(|action| action.act.effect() == effect).count();
        let [keeps, contains, destroys] = [Effect::Preserve, Effect::Contain, Effect::Destroy].map(of);
        format!("{host} {keeps} {contains} {destroys}")
    });
    hosts.collect::<Vec<_>>().join(", ")
}

fn id_of(plan: &Plan, host: &str, kind: &str) -> ActionId {
    let host = plan.host(host).expect("it is in the plan");
    let found = host.orders.actions.iter().find(|action| action.act.kind() == kind);
    found.expect("the host has one").id
}

#[test]
fn what_enough_people_said() {
    let plan = plan();
    let [ada, bo, cy] = ["ada", "bo", "cy"].map(|name| signer(&[name], name));
    let whole = told(&plan, &yes(&plan, "a", 3));
    let [keeps, contains] = [1, 2].map(|effects| told(&plan, &yes(&plan, "a", effects)));
    assert!(
        whole != keeps && keeps != contains && contains != whole,
        "{whole}, {keeps}, {contains}"
    );
    let of = |host: &str, text: &str| text.replace("a ", &format!("{host} "));
    type Row<'r> = (&'r str, u32, Vec<(&'r Signer, Approval)>, Result<String, &'r str>);
    let say = |who, hosts: &str, effects| (who, yes(&plan, hosts, effects));
    let rows: Vec<Row<'_>> = vec![
        (
            "nobody",
            1,
            vec![],
            Err("1 different signers are needed, 0 signed: nobody"),
        ),
        ("one of one", 1, vec![say(&ada, "a", 3)], Ok(whole.clone())),
        ("none is needed: still one", 0, vec![], Err("1 different")),
        (
            "one of two",
            2,
            vec![say(&ada, "a", 3)],
            Err("2 different signers are needed, 1 signed: ada"),
        ),
        (
            "two of two",
            2,
            vec![say(&ada, "a", 3), say(&bo, "a", 3)],
            Ok(whole.clone()),
        ),
        (
            "one twice",
            2,
            vec![say(&ada, "a", 3), say(&ada, "a", 3)],
            Err("1 signed: ada"),
        ),
        (
            "two of three",
            2,
            vec![say(&ada, "a", 3), say(&bo, "b", 3), say(&cy, "a", 3)],
            Ok(whole.clone()),
        ),
        (
            "each pair its host",
            2,
            vec![say(&ada, "ab", 3), say(&bo, "bc", 3), say(&cy, "ac", 3)],
            Ok([of("a", &whole), of("b", &whole), of("c", &whole)].join(", ")),
        ),
        (
            "hosts apart",
            2,
            vec![say(&ada, "a", 3), say(&bo, "b", 3)],
            Err("no action has so many of: ada, bo"),
        ),
        (
            "hosts of one, in two files",
            1,
            vec![say(&ada, "a", 3), say(&ada, "b", 1)],
            Ok([of("a", &whole), of("b", &keeps)].join(", ")),
        ),
        (
            "the weaker effect",
            2,
            vec![say(&ada, "a", 3), say(&bo, "a", 1)],
            Ok(keeps.clone()),
        ),
        (
            "the middle of three",
            2,
            vec![say(&ada, "a", 3), say(&bo, "a", 2), say(&cy, "a", 1)],
            Ok(contains.clone()),
        ),
        (
            "another effect on each host",
            2,
            vec![say(&ada, "ab", 3), say(&bo, "a", 3), say(&bo, "b", 1)],
            Ok([of("a", &whole), of("b", &keeps)].join(", ")),
        ),
        (
            "all three",
            3,
            vec![say(&ada, "abc", 3), say(&bo, "b", 2), say(&cy, "bc", 3)],
            Ok(of("b", &contains)),
        ),
    ];
    for (name, needed, given, expected) in rows {
        let given: Vec<(&Signer, &Approval)> = given.iter().map(|(who, yes)| (*who, yes)).collect();
        match (unite(&plan, &given, Needed::all(needed)), expected) {
            (Ok(approval), Ok(expected)) => assert_eq!(told(&plan, &approval), expected, "{name}"),
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{name}: {error}");
                assert!(error.hint().is_some(), "{name}");
            }
            (was, expected) => panic!("{name}: {was:?}, not {expected:?}"),
        }
    }
}

#[test]
fn one_persons_yes_is_taken_over_as_it_is() {
    let plan = plan();
    let out = with_dependents(&plan, &BTreeSet::from([id_of(&plan, "a", "kill")]));
    let said = yes_but(&plan, "ab", 3, |ask| ask.excluded.clone_from(&out));
    let united = unite(&plan, &[(&signer(&["ada"], "k"), &said)], Needed::all(1)).expect("one is enough");
    let expected = Approval {
        approver: "ada".to_owned(),
        ..said
    };
    assert_eq!(united, expected);
}

#[test]
fn what_one_leaves_out_needs_as_many_others() {
    let plan = plan();
    let [ada, bo, cy] = ["ada", "bo", "cy"].map(|name| signer(&[name], name));
    let out = with_dependents(&plan, &BTreeSet::from([id_of(&plan, "a", "kill")]));
    let (all, but) = (
        yes(&plan, "a", 3),
        yes_but(&plan, "a", 3, |ask| ask.excluded.clone_from(&out)),
    );
    let two = unite(&plan, &[(&ada, &all), (&bo, &but)], Needed::all(2)).expect("two are enough");
    assert_eq!(two.excluded, out);
    let three = unite(&plan, &[(&ada, &all), (&bo, &but), (&cy, &all)], Needed::all(2)).expect("two are enough");
    assert_eq!(three.excluded, BTreeSet::new());
}

#[test]
fn a_person_counts_once_by_key_and_by_name() {
    let plan = plan();
    let said = yes(&plan, "a", 3);
    let rows = [
        ("two people", signer(&["ada"], "1"), signer(&["bo"], "2"), 2),
        ("one key", signer(&["ada"], "1"), signer(&["bo"], "1"), 1),
        ("one name", signer(&["ada"], "1"), signer(&["ada"], "2"), 1),
        (
            "one name of several",
            signer(&["ada", "ada@x"], "1"),
            signer(&["bo", "ada@x"], "2"),
            1,
        ),
    ];
    for (name, one, other, expected) in rows {
        assert_eq!(persons(&[(&one, &said), (&other, &said)]).len(), expected, "{name}");
    }
    // The third is both of the others.
    let [one, other, both] = [signer(&["ada"], "1"), signer(&["bo"], "2"), signer(&["ada"], "2")];
    assert_eq!(persons(&[(&one, &said), (&other, &said), (&both, &said)]).len(), 1);
    assert_eq!(persons(&[(&both, &said), (&one, &said), (&other, &said)]).len(), 1);
}

#[test]
fn it_ends_with_the_first_of_them() {
    let plan = plan();
    let short = yes_but(&plan, "a", 3, |ask| ask.valid_for_ms = 1_000);
    let late = yes_but(&plan, "a", 3, |ask| ask.at_ms += 500);
    let given = [(&signer(&["ada"], "1"), &short), (&signer(&["bo"], "2"), &late)];
    let united = unite(&plan, &given, Needed::all(2)).expect("two are enough");
    assert_eq!((united.at_ms, united.not_after_ms), (late.at_ms, short.not_after_ms));
    assert_eq!(
        (united.approver.as_str(), united.means.as_str()),
        ("ada, bo", SIGNATURE)
    );
}

#[test]
fn many_targets_are_named_by_as_many() {
    let mut bench = Bench::host("a");
    for n in 0..21 {
        bench.propose(4, remove(&format!("/tmp/x{n}")));
    }
    let plan = Plan::new(origin(), vec![bench.plan()]).expect("one host makes a plan");
    let [ada, bo] = ["ada", "bo"].map(|name| signer(&[name], name));
    let named = yes_but(&plan, "a", 3, |ask| {
        ask.many.insert("a".to_owned(), BTreeSet::from([4]));
    });
    let two = unite(&plan, &[(&ada, &named), (&bo, &named)], Needed::all(2)).expect("two are enough");
    assert_eq!(
        two,
        Approval {
            approver: "ada, bo".to_owned(),
            ..named.clone()
        }
    );
    // Each of these leaves out another one, so that 20 are left, and two of three still say yes to all 21.
    let actions = &plan.host("a").expect("it is there").orders.actions;
    let removes: Vec<ActionId> = actions
        .iter()
        .filter(|a| a.act.kind() == "remove_file")
        .map(|a| a.id)
        .collect();
    let fewer = |n: usize| yes_but(&plan, "a", 3, |ask| ask.excluded = BTreeSet::from([removes[n]]));
    let given = [(&ada, &fewer(0)), (&bo, &fewer(1)), (&signer(&["cy"], "cy"), &named)];
    let united = unite(&plan, &given, Needed::all(2)).expect("two are enough");
    let error = ApprovedPlan::new(plan.clone(), united, NOW_MS).expect_err("one named them, two are needed");
    assert!(matches!(error, ApprovalError::Orders(_)), "{error}");
}

#[test]
fn what_destroys_needs_more_people() {
    let plan = plan();
    let [ada, bo] = ["ada", "bo"].map(|name| signer(&[name], name));
    let needed: Needed = serde_json::from_str(r#"{"destroy": 2}"#).expect("it is written so");
    let (whole, contains) = (yes(&plan, "a", 3), yes(&plan, "a", 2));
    let error = unite(&plan, &[(&ada, &whole)], needed).expect_err("one does not for what destroys");
    assert_eq!(error.to_string(), "2 different signers are needed, 1 signed: ada");
    type Row<'r> = (&'r str, Vec<(&'r Signer, &'r Approval)>, &'r Approval);
    let rows: [Row<'_>; 3] = [
        ("one to contain", vec![(&ada, &contains)], &contains),
        ("two to destroy", vec![(&ada, &whole), (&bo, &whole)], &whole),
        (
            "one of two to destroy",
            vec![(&ada, &whole), (&bo, &contains)],
            &contains,
        ),
    ];
    for (name, given, expected) in rows {
        let united = unite(&plan, &given, needed).expect("they are enough");
        assert_eq!(told(&plan, &united), told(&plan, expected), "{name}");
    }
}
