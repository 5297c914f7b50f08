//! When a yes fits a plan, and when it is none.

use deminer_worker::order::check;

use super::*;
use crate::plan::bench::{Bench, NOW_MS, infected, origin, remove, sample};

/// A yes to all of a plan.
pub(crate) fn ask(plan: &Plan) -> Ask {
    Ask {
        hash: plan.hash().short(),
        hosts: Hosts::All,
        classes: BTreeSet::from([Effect::Preserve, Effect::Contain, Effect::Destroy]),
        excluded: BTreeSet::new(),
        many: BTreeMap::new(),
        reasons: BTreeMap::new(),
        approver: "ada".to_owned(),
        means: "terminal".to_owned(),
        at_ms: NOW_MS,
        valid_for_ms: 60_000,
    }
}

fn id_of(plan: &Plan, kind: &str) -> ActionId {
    let actions = plan.hosts().flat_map(|host| &host.orders.actions);
    let found = actions.into_iter().find(|action| action.act.kind() == kind);
    found.expect("the sample has one").id
}

fn hosts(names: &[&str]) -> Hosts {
    Hosts::Only(names.iter().map(|name| (*name).to_owned()).collect())
}

/// The plan of a host with one component of many targets.
fn many() -> Plan {
    let mut bench = Bench::host("web-1");
    for n in 0..21 {
        bench.propose(4, remove(&format!("/tmp/x{n}")));
    }
    Plan::new(origin(), vec![bench.plan()]).expect("one host makes a plan")
}

#[test]
fn a_yes_fits_or_is_none() {
    type Change = fn(&Plan, &mut Ask);
    let rows: Vec<(&str, Change, &str)> = vec![
        ("all of it", |_, _| {}, ""),
        ("the whole hash", |plan, ask| ask.hash = plan.hash().to_string(), ""),
        (
            "capital digits",
            |plan, ask| ask.hash = plan.hash().short().to_uppercase(),
            "",
        ),
        ("one host", |_, ask| ask.hosts = hosts(&["web-1"]), ""),
        (
            "copies only",
            |_, ask| ask.classes = BTreeSet::from([Effect::Preserve]),
            "",
        ),
        (
            "freezes only",
            |_, ask| ask.classes = BTreeSet::from([Effect::Contain]),
            "",
        ),
        (
            "one kill left out with what needs it",
            |plan, ask| {
                ask.excluded = with_dependents(plan, &BTreeSet::from([id_of(plan, "kill")]));
            },
            "",
        ),
        (
            "15 digits",
            |_, ask| {
                ask.hash.pop();
            },
            "16 to 64",
        ),
        (
            "no digits",
            |_, ask| ask.hash = "zzzzzzzzzzzzzzzz".to_owned(),
            "16 to 64",
        ),
        (
            "too many digits",
            |plan, ask| ask.hash = format!("{}0", plan.hash()),
            "16 to 64",
        ),
        (
            "another hash",
            |_, ask| ask.hash = "0123456789abcdef".to_owned(),
            "approved was 0123456789abcdef",
        ),
        ("no host", |_, ask| ask.hosts = hosts(&[]), "names no host"),
        (
            "an unknown host",
            |_, ask| ask.hosts = hosts(&["web-9"]),
            "`web-9` is not in the plan",
        ),
        ("no effect", |_, ask| ask.classes.clear(), "names no effect"),
        (
            "no such effect",
            |_, ask| ask.classes.extend([Effect::Read]),
            "`read` is no effect",
        ),
        ("nobody", |_, ask| ask.approver = " ".to_owned(), "names no approver"),
        (
            "kills without freezes",
            |_, ask| ask.classes.retain(|class| *class != Effect::Contain),
            "leaves out",
        ),
        (
            "kills without copies",
            |_, ask| ask.classes.retain(|class| *class != Effect::Preserve),
            "leaves out",
        ),
        (
            "a copy left out, not what needs it",
            |plan, ask| {
                ask.excluded.insert(id_of(plan, "keep"));
            },
            "leaves out",
        ),
        (
            "an unknown action",
            |_, ask| ask.excluded.extend([ActionId(1)]),
            "is not in the plan",
        ),
        (
            "a component that has not many targets",
            |_, ask| {
                ask.many.insert("web-1".to_owned(), BTreeSet::from([1]));
            },
            "none that needs",
        ),
        (
            "a component of an unknown host",
            |_, ask| ask.many.extend([("web-9".to_owned(), BTreeSet::new())]),
            "not in the plan",
        ),
        (
            "too late",
            |_, ask| ask.at_ms += 46 * 60 * 1000,
            "the plan was good until",
        ),
        (
            "long before",
            |_, ask| ask.at_ms -= 6 * 60 * 1000,
            "the plan was made at",
        ),
        ("a clock a little behind", |_, ask| ask.at_ms -= 60 * 1000, ""),
    ];
    let plan = sample();
    for (name, change, expected) in rows {
        let mut ask = ask(&plan);
        change(&plan, &mut ask);
        match plan.approve(ask) {
            Ok(_) => assert_eq!(expected, "", "{name}"),
            Err(error) => {
                assert!(
                    !expected.is_empty() && error.to_string().contains(expected),
                    "{name}: {error}"
                );
                assert!(error.hint().is_some(), "{name}");
            }
        }
    }
}

#[test]
fn many_targets_are_approved_by_name() {
    let plan = many();
    let error = plan.approve(ask(&plan)).expect_err("they need a yes of their own");
    assert!(
        matches!(
            error,
            ApprovalError::Orders(OrderError::ManyTargets { component: 4, .. })
        ),
        "{error}"
    );
    let mut named = ask(&plan);
    named.many.insert("web-1".to_owned(), BTreeSet::from([4]));
    assert!(plan.approve(named).is_ok());
    let mut fewer = ask(&plan);
    fewer.excluded.insert(id_of(&plan, "remove_file"));
    assert!(plan.approve(fewer).is_ok(), "20 are not many");
    let mut copies = ask(&plan);
    copies.classes = BTreeSet::from([Effect::Preserve]);
    assert!(plan.approve(copies).is_ok(), "copies are no targets");
}

#[test]
fn an_approval_ends_with_its_plan() {
    let plan = sample();
    let mut long = ask(&plan);
    long.valid_for_ms = u64::MAX;
    let approved = plan.approve(long).expect("it fits");
    assert_eq!(approved.approval().not_after_ms, plan.header().not_after_ms);
    let short = plan.approve(ask(&plan)).expect("it fits");
    assert!(short.check_time(NOW_MS + 60_000).is_ok());
    assert!(matches!(
        short.check_time(NOW_MS + 60_001),
        Err(ApprovalError::ApprovalExpired { .. })
    ));
    assert!(matches!(
        approved.check_time(NOW_MS + 46 * 60 * 1000),
        Err(ApprovalError::PlanExpired { .. })
    ));
}

#[test]
fn an_empty_plan_needs_no_yes() {
    let plan = Plan::new(origin(), vec![Bench::host("db-1").plan()]).expect("one host makes a plan");
    assert!(matches!(plan.approve(ask(&plan)), Err(ApprovalError::NothingToDo)));
}

#[test]
fn a_host_left_out_gets_nothing() {
    let plan = Plan::new(origin(), vec![infected("web-1").plan(), infected("web-2").plan()]).expect("two make a plan");
    let mut one = ask(&plan);
    one.hosts = hosts(&["web-1"]);
    let approved = plan.approve(one).expect("it fits");
    assert!(approved.begin("web-2", Stage::Eradicate).is_none());
    assert!(approved.orders("web-2").is_none());
    assert_eq!(approved.hosts().map(|(host, _)| host).collect::<Vec<_>>(), ["web-1"]);
    let begin = approved.begin("web-1", Stage::Eradicate).expect("it is approved");
    assert!(check(&begin).is_ok(), "the host agrees");
    let other = plan
        .begin("web-2", approved.approval(), Stage::Eradicate)
        .expect("it is in the plan");
    assert!(check(&other).is_err(), "the host would refuse too");
}

#[test]
fn files_are_checked_again() {
    let plan = sample();
    let approved = plan.approve(ask(&plan)).expect("it fits");
    let approval = approved.write_approval().expect("an approval has a JSON form");
    let text = String::from_utf8(approval.clone()).expect("an approval is text");
    let again = ApprovedPlan::from_files(&plan.write(), &approval, NOW_MS).expect("they fit");
    assert_eq!(again.approval(), approved.approval());

    let replaced = |from: &str, to: &str| {
        assert!(text.contains(from), "the approval has {from}");
        text.replacen(from, to, 1).into_bytes()
    };
    let host_hash = plan.host_hash("web-1").expect("it is in the plan").to_string();
    let rows = [
        (
            "another plan's",
            replaced(&plan.hash().to_string(), &"0".repeat(64)),
            "the plan's hash is",
        ),
        (
            "another host line's",
            replaced(&host_hash, &"0".repeat(64)),
            "was not approved",
        ),
        ("a host more", replaced("\"db-1\"", "\"db-2\""), "not in the plan"),
        ("fewer effects", replaced("\"contain\",", ""), "leaves out"),
        (
            "a later form",
            replaced("\"format\":1", "\"format\":2"),
            "reads up to 1",
        ),
        ("no form", replaced("\"format\":1", "\"format\":0"), "no form"),
        (
            "an unknown key",
            replaced("\"format\":1", "\"format\":1,\"x\":1"),
            "unknown field",
        ),
        (
            "a key twice",
            replaced("\"format\":1", "\"format\":1,\"format\":1"),
            "duplicate field",
        ),
        (
            "a host twice",
            replaced("\"hosts\":{", &format!("\"hosts\":{{\"web-1\":\"{}\",", "0".repeat(64))),
            "stands twice",
        ),
        ("cut", approval[..40].to_vec(), "cannot be read"),
    ];
    for (name, approval, expected) in rows {
        let error = ApprovedPlan::from_files(&plan.write(), &approval, NOW_MS).expect_err(name);
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    let late = ApprovedPlan::from_files(&plan.write(), &approval, NOW_MS + 60_001);
    assert!(matches!(late, Err(ApprovalError::ApprovalExpired { .. })));
    let other = many().write();
    let error = ApprovedPlan::from_files(&other, &approval, NOW_MS).expect_err("another plan");
    assert!(matches!(error, ApprovalError::WrongHash { .. }), "{error}");
}
