//! The plan's bytes: one form, read back only as they were written.

use deminer_worker::order::{Stage, check};
use deminer_worker::text::Digest;
use proptest::prelude::*;

use super::super::bench::{Bench, NOW_MS, infected, origin, sample};
use super::super::*;

#[test]
fn canonical_form() {
    let text = String::from_utf8(sample().write()).expect("a plan is text");
    insta::with_settings!({filters => vec![(r#""deminer":"[0-9.]+""#, r#""deminer":"VERSION""#)]}, {
        insta::assert_snapshot!(text);
    });
}

#[test]
fn reads_back_what_it_wrote() {
    let plan = sample();
    let again = Plan::read(&plan.write()).expect("own form reads back");
    assert_eq!(again.hash(), plan.hash());
    assert_eq!(again.write(), plan.write());
    assert_eq!(
        again.hosts().map(|h| h.orders.host.as_str()).collect::<Vec<_>>(),
        ["db-1", "web-1"]
    );
    let line = plan.line("web-1").expect("it is in the plan");
    assert_eq!(plan.host_hash("web-1"), Some(Digest::of(line.as_bytes())));
    assert_eq!(plan.host_hash("web-9"), None);
    assert_eq!(plan.header().not_after_ms.0, NOW_MS + 45 * 60 * 1000);
    assert!(
        !String::from_utf8_lossy(&plan.write()).contains("not to be written"),
        "secrets stay out"
    );
    assert!(!plan.is_empty());
}

#[test]
fn a_plan_may_say_that_nothing_is_to_be_done() {
    let plan = Plan::new(origin(), vec![Bench::host("db-1").plan()]).expect("one host makes a plan");
    assert!(plan.is_empty());
    assert!(Plan::new(origin(), Vec::new()).expect("so does none").is_empty());
}

#[test]
fn texts_of_a_host_reach_no_terminal() {
    let mut bench = infected("web-1");
    bench.looked.facts.distribution = "Debian\u{1b}[2J\u{202e}".to_owned();
    let plan = Plan::new(origin(), vec![bench.plan()]).expect("it does not stop the plan");
    let host = plan.host("web-1").expect("it is in the plan");
    assert_eq!(host.machine.distribution, "Debian\\x1b[2J\\xe2\\x80\\xae");
}

/// The sample's text with one change.
fn changed(from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(sample().write()).expect("a plan is text");
    assert!(text.contains(from), "the sample has {from}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn other_bytes_are_refused() {
    let whole = sample().write();
    let text = String::from_utf8(whole.clone()).expect("a plan is text");
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| format!("{}\n", lines.join("\n")).into_bytes();
    let trimmed = |cut: usize| whole[..whole.len() - cut].to_vec();
    let latin = [&whole[..9], b"\xe9", &whole[9..]].concat();
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", Vec::new(), "ends within"),
        ("no line feed at the end", trimmed(1), "ends within"),
        ("cut within a line", trimmed(40), "ends within"),
        (
            "one line feed more",
            [&whole[..], b"\n"].concat(),
            "not one JSON object",
        ),
        (
            "carriage returns",
            text.replace('\n', "\r\n").into_bytes(),
            "not one JSON object",
        ),
        (
            "a space before a line",
            text.replace("\n{", "\n {").into_bytes(),
            "not one JSON object",
        ),
        ("not UTF-8", latin, "not UTF-8"),
        ("no header", joined(&lines[1..]), "not a plan's header"),
        (
            "no form",
            changed("\"format\":1", "\"former\":1"),
            "not a plan's header",
        ),
        ("a later form", changed("\"format\":1", "\"format\":2"), "reads up to 1"),
        (
            "an unknown key in the header",
            changed("\"format\":1", "\"format\":1,\"x\":1"),
            "unknown field",
        ),
        (
            "a key twice in the header",
            changed("\"format\":1", "\"format\":1,\"format\":1"),
            "duplicate field",
        ),
        (
            "a key twice in a line",
            changed("\"actions\":[]", "\"actions\":[],\"actions\":[]"),
            "duplicate field",
        ),
        (
            "an unknown key in a line",
            changed("\"actions\":[]", "\"actions\":[],\"x\":1"),
            "unknown field `x`",
        ),
        (
            "good for longer than any plan",
            changed(
                &format!("\"not_after_ms\":\"{}\"", NOW_MS + VALID_FOR_MS),
                &format!("\"not_after_ms\":\"{}\"", NOW_MS + VALID_FOR_MS + 1),
            ),
            "good for more than 45 minutes",
        ),
        (
            "one machine under two names",
            changed("5f0c-db-1", "5f0c-web-1"),
            "`db-1` and `web-1` are one machine",
        ),
        (
            "a birth of no kill",
            with(|host| {
                let birth = deminer_worker::order::Birth::Executable {
                    sha256: Digest::of(b"postgres"),
                    size: Wide(8),
                };
                host.orders.components[0].envelope.births.push(birth);
            }),
            "admits what none of its kills ends",
        ),
        (
            "a stand without end",
            with(|host| host.orders.bounds.frozen_ms = u64::MAX),
            "`frozen_ms`",
        ),
        ("a host left out", joined(&lines[..2]), "2 hosts, its lines have 1"),
        (
            "hosts in another order",
            joined(&[lines[0], lines[2], lines[1]]),
            "stands twice or after",
        ),
        (
            "a host twice",
            joined(&[lines[0], lines[1], lines[1]]),
            "stands twice or after",
        ),
        ("other counts", changed("\"kill\":1", "\"kill\":2"), "actions `kill`"),
        (
            "a host without a name",
            changed("\"host\":\"db-1\"", "\"host\":\"\""),
            "name must be",
        ),
        (
            "a host's name with a space",
            changed("\"host\":\"db-1\"", "\"host\":\"db 1\""),
            "name must be",
        ),
        (
            "a control character",
            changed("Debian", "\\u001bDebian"),
            "control character",
        ),
        (
            "another target",
            changed("\"pid\":4242", "\"pid\":4243"),
            "not that of its target",
        ),
        (
            "a kill that needs nothing",
            drop_needs("kill"),
            "does not need the freeze",
        ),
        (
            "a removal that needs nothing",
            drop_needs("remove_file"),
            "does not need the copy",
        ),
        (
            "an undo of nothing",
            changed("\"undo\":{}", "\"undo\":{\"0000000000000000\":\"thaw\"}"),
            "does not say",
        ),
        (
            "another undo",
            with(|host| host.undo.values_mut().for_each(|undo| *undo = UndoKind::Thaw)),
            "does not say",
        ),
        (
            "a hidden mass",
            changed("\"many_targets\":false", "\"many_targets\":true"),
            "does not say",
        ),
        ("findings left out", with(|host| host.findings.clear()), "does not say"),
    ];
    for (name, bytes, expected) in rows {
        let error = Plan::read(&bytes).expect_err(name);
        let chain = format!(
            "{error} {:?}",
            std::error::Error::source(&error).map(ToString::to_string)
        );
        assert!(chain.contains(expected), "{name}: {chain}");
        assert!(error.hint().is_some(), "{name}");
    }
}

#[test]
fn one_machine_is_one_host() {
    let machine = |name: &str, change: fn(&mut Bench)| {
        let mut bench = Bench::host(name);
        change(&mut bench);
        bench
    };
    type Change = fn(&mut Bench);
    let rows: [(&str, Change, bool); 3] = [
        ("two machines", |_| {}, true),
        ("one under two names", |bench| bench.be("web-1"), false),
        (
            "a copy with its machine id",
            |bench| {
                bench.be("web-1");
                bench.restart();
                bench.looked.facts.identity.boot_id = "ffffffff-0000-4000-8000-000000000002".to_owned();
            },
            true,
        ),
    ];
    for (name, change, expected) in rows {
        let hosts = vec![infected("web-1").plan(), machine("web-2", change).plan()];
        match Plan::new(origin(), hosts) {
            Ok(_) => assert!(expected, "{name}"),
            Err(error) => {
                assert!(!expected, "{name}: {error}");
                assert!(error.to_string().contains("`web-1` and `web-2`"), "{error}");
                assert!(error.hint().is_some_and(|hint| hint.contains("one of its names")));
            }
        }
    }
}

/// An environment that says everything, and a plan that was made under it.
const PROD: &str = "environment: prod
policy:
  approvals: {needed: {contain: 1, destroy: 2}, signers: signers}
  effects: contain
  leaves: [command.read]
  protect: [/srv/shop, 198.51.100.0/24]
  windows: [daily 00:00-06:00 UTC]
  max_actions: 60
";

fn under(text: &str) -> (Origin, Bench) {
    let origin = Origin {
        environment: Some(crate::environment::EnvironmentRef {
            name: "prod".to_owned(),
            sha256: Digest::of(text.as_bytes()),
            text: text.into(),
            disabled: Default::default(),
        }),
        limits: crate::policy::Limits {
            effects: Some(deminer_worker::action::Effect::Contain),
            windows: ["daily 22:00-06:00 UTC", "daily 00:00-06:00 UTC"]
                .map(|window| vec![window.parse().expect("a window")])
                .to_vec(),
            max_actions: Some(40),
        },
        approvals: Some(crate::approval::Requirement {
            needed: crate::approval::Needed::all(2),
            unsigned: false,
            signers: Some(Digest::of(b"signers")),
        }),
        ..origin()
    };
    let mut bench = infected("web-1");
    bench.site.protect = vec!["/srv".into(), "/opt".into()];
    bench.site.spare = vec!["198.51.100.0/24".parse().expect("a network")];
    (origin, bench)
}

#[test]
fn a_plan_is_no_laxer_than_its_environment() {
    type Change = fn(&mut Origin, &mut Bench);
    let rows: [(&str, Change, &str); 11] = [
        ("stricter", |_, _| {}, ""),
        ("no approvals", |origin, _| origin.approvals = None, "`approvals`"),
        (
            "fewer people",
            |origin, _| {
                origin.approvals.as_mut().expect("some").needed = crate::approval::Needed::all(1);
            },
            "`approvals`",
        ),
        (
            "unsigned",
            |origin, _| origin.approvals.as_mut().expect("some").unsigned = true,
            "`approvals`",
        ),
        (
            "signed by anybody",
            |origin, _| origin.approvals.as_mut().expect("some").signers = None,
            "`approvals`",
        ),
        ("no limits", |origin, _| origin.limits = Default::default(), "`effects`"),
        (
            "more effects",
            |origin, _| origin.limits.effects = Some(deminer_worker::action::Effect::Destroy),
            "`effects`",
        ),
        (
            "at any time",
            |origin, _| {
                origin.limits.windows.pop();
            },
            "`windows`",
        ),
        (
            "more actions",
            |origin, _| origin.limits.max_actions = Some(61),
            "`max_actions`",
        ),
        (
            "unprotected paths",
            |_, bench| bench.site.protect = vec!["/srv/shop/x".into()],
            "`protect`",
        ),
        ("unprotected networks", |_, bench| bench.site.spare.clear(), "`protect`"),
    ];
    for (name, change, expected) in rows {
        let (mut origin, mut bench) = under(PROD);
        change(&mut origin, &mut bench);
        match Plan::new(origin, vec![bench.plan()]) {
            Ok(_) => assert_eq!(expected, "", "{name}"),
            Err(error) => {
                let said = error.to_string();
                assert!(!expected.is_empty() && said.contains(expected), "{name}: {said}");
                assert!(said.contains("environment `prod`"), "{name}: {said}");
                assert!(error.hint().is_some(), "{name}");
            }
        }
    }
    for (text, expected) in [
        ("environment: prod\nvars: {watch: 20m}\n", ""),
        (
            "environment: prod\npolicy: {effects: contain, effects: destroy}\n",
            "cannot be read",
        ),
        ("environment: prod\npolicy: {windows: [sometimes]}\n", "cannot be read"),
        ("policy: {effects: contain}\n", "cannot be read"),
        ("environment: test\n", "cannot be read"),
    ] {
        let (mut bound, bench) = under(text);
        (bound.limits, bound.approvals) = Default::default();
        match Plan::new(bound, vec![bench.plan()]) {
            Ok(_) => assert_eq!(expected, "", "{text}"),
            Err(error) => assert!(
                !expected.is_empty() && error.to_string().contains(expected),
                "{text}: {error}"
            ),
        }
    }
}

/// The sample with another line of its infected host.
fn with(change: impl Fn(&mut HostPlan)) -> Vec<u8> {
    let mut host = infected("web-1").plan();
    change(&mut host);
    let line = canonical(&host).expect("a host plan has a JSON form");
    let plan = sample();
    let old = plan.line("web-1").expect("it is in the plan");
    String::from_utf8_lossy(&plan.write()).replace(old, &line).into_bytes()
}

/// The sample with one kind of action that claims to need nothing.
fn drop_needs(kind: &str) -> Vec<u8> {
    with(|host| {
        let claims = host
            .orders
            .actions
            .iter_mut()
            .filter(|action| action.act.kind() == kind);
        claims.for_each(|action| action.needs.clear());
    })
}

#[test]
fn a_name_cannot_break_out_of_its_line() {
    for host in ["", "a b", "a\nb", &"x".repeat(256)] {
        let result = Plan::new(origin(), vec![Bench::host(host).plan()]);
        assert!(result.is_err() || host == "a\nb", "{host:?}");
        if let Ok(plan) = result {
            assert_eq!(plan.hosts().count(), 1, "{host:?}");
            assert!(plan.host(host).is_none(), "it is written escaped");
        }
    }
    let twice = vec![Bench::host("a").plan(), Bench::host("a").plan()];
    assert!(matches!(Plan::new(origin(), twice), Err(FileError::Order { .. })));
}

#[test]
fn a_host_can_check_what_it_receives() {
    let plan = sample();
    let ask = crate::approval::tests::ask(&plan);
    let approved = plan.approve(ask).expect("it fits");
    let begin = plan
        .begin("web-1", approved.approval(), Stage::Eradicate)
        .expect("it is in the plan");
    assert!(check(&begin).is_ok());
    assert!(plan.begin("web-9", approved.approval(), Stage::Eradicate).is_none());
}

#[test]
fn equal_hosts_are_one_group_rare_ones_first() {
    let mut odd = infected("web-3");
    odd.propose(1, super::super::bench::remove("/tmp/odd"));
    let mut many = infected("web-4");
    for n in 0..21 {
        many.propose(1, super::super::bench::remove(&format!("/tmp/x{n}")));
    }
    let hosts = vec![
        Bench::host("db-1").plan(),
        infected("web-1").plan(),
        infected("web-2").plan(),
        odd.plan(),
        many.plan(),
    ];
    let plan = Plan::new(origin(), hosts).expect("five hosts make a plan");
    let groups: Vec<Vec<&str>> = plan
        .groups()
        .iter()
        .map(|group| group.hosts.iter().map(|host| host.orders.host.as_str()).collect())
        .collect();
    assert_eq!(
        groups,
        [vec!["web-4"], vec!["web-3"], vec!["web-1", "web-2"], vec!["db-1"]]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_byte_is_another_plan_or_none(at: prop::sample::Index, change in 1..=255_u8) {
        let plan = sample();
        let mut bytes = plan.write();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        if let Ok(other) = Plan::read(&bytes) {
            prop_assert_ne!(other.hash(), plan.hash());
        }
    }

    #[test]
    fn a_lost_or_added_byte_is_another_plan_or_none(at: prop::sample::Index, byte: u8, lost: bool) {
        let plan = sample();
        let mut bytes = plan.write();
        let at = at.index(bytes.len());
        if lost {
            bytes.remove(at);
        } else {
            bytes.insert(at, byte);
        }
        if let Ok(other) = Plan::read(&bytes) {
            prop_assert_ne!(other.hash(), plan.hash());
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
        let _ = Plan::read(&bytes);
    }
}
