//! A program of a host is run by leave only, with the playbook's own words, and the plan says so: to look, and to change.

#[allow(dead_code, reason = "each test program uses its own part")]
mod planning;

use std::sync::Arc;

use deminer_engine::diagnostic::Code;
use deminer_engine::host::{HostView, Transport};
use deminer_engine::look::LookEnd;
use deminer_engine::module::Registry;
use deminer_engine::plan::HostPlan;
use deminer_engine::playbook::{CheckedPlaybook, Sources, check};
use deminer_engine::policy::{Leave, Policy};
use deminer_worker::action::Act;
use deminer_worker::platform::simulated::{Simulated, World};
use deminer_worker::query::GapReason;
use deminer_worker::text::{Digest, HostBytes};

struct Nothing;

impl Sources for Nothing {
    fn load(&self, _: &str) -> Option<String> {
        None
    }
}

fn playbook(argv: &str) -> String {
    format!(
        "playbook: pods\nversion: 1\nvars:\n  tool: {{type: string, default: /usr/bin/crictl}}\n  words: {{type: \"list<string>\", \
         default: [/usr/bin/crictl, ps]}}\nphases:\n  gather:\n    - {{id: facts, use: host.facts}}\n    - {{id: pods, use: \
         command.read, with: {{argv: {argv}}}}}\n    - {{assert: \"steps.pods.succeeded and steps.pods.lines | length == 2\"}}\n"
    )
}

fn checked(argv: &str, policy: Policy) -> Result<Arc<CheckedPlaybook>, Vec<Code>> {
    let registry = Registry::new(deminer_modules::all()).under(policy);
    let told = check("pods.yml", &playbook(argv), &registry, &Nothing);
    told.map(Arc::new)
        .map_err(|mistakes| mistakes.iter().map(|mistake| mistake.code).collect())
}

fn allowed() -> Policy {
    Policy::allowing([Leave::CommandRead])
}

#[test]
fn without_leave_it_is_refused_before_any_host() {
    let argv = "[/usr/bin/crictl, ps]";
    assert_eq!(checked(argv, Policy::default()).err(), Some(vec![Code::NeedsLeave]));
    assert!(checked(argv, allowed()).is_ok());
}

#[test]
fn a_word_of_the_host_is_refused() {
    let rows = [
        ("own words", "[/usr/bin/crictl, ps]", None),
        ("a variable", "[\"{{ vars.tool }}\", \"ps\"]", None),
        ("inside a text", "[\"{{ vars.tool }}\", \"--run={{ run.id }}\"]", None),
        ("a whole list", "\"{{ vars.words }}\"", None),
        (
            "a step's",
            "[\"{{ steps.facts.kernel }}\", \"ps\"]",
            Some(Code::WordOfHost),
        ),
        (
            "an argument of the host's",
            "[/usr/bin/crictl, \"x{{ host.system }}\"]",
            Some(Code::WordOfHost),
        ),
        (
            "deep inside",
            "[/usr/bin/crictl, \"{{ (vars.words + [steps.facts.kernel]) | first }}\"]",
            Some(Code::WordOfHost),
        ),
        (
            "a whole list of the host's",
            "\"{{ [vars.tool, host.system] }}\"",
            Some(Code::WordOfHost),
        ),
        ("no list", "/usr/bin/crictl", Some(Code::ParameterKind)),
    ];
    for (name, argv, expected) in rows {
        assert_eq!(
            checked(argv, allowed()).err(),
            expected.map(|code| vec![code]),
            "{name}"
        );
    }
}

#[tokio::test]
async fn what_it_said_is_marked_and_the_plan_states_it() {
    let world = World::from_json(
        r#"{"files": [{"path": "/usr/bin/crictl", "mode": "0755", "content": "crictl"}],
            "commands": [{"argv": ["/usr/bin/crictl", "ps"], "stdout": "POD\nweb-1\n"}]}"#,
    )
    .expect("a world");
    let checked = checked("[\"{{ vars.tool }}\", ps]", allowed()).expect("no mistakes");
    let link = Simulated::new(world).connect("node-1").await.expect("a world answers");
    let (looked, plan) = planning::plan(&checked, link as Arc<dyn HostView>)
        .await
        .expect("a plan");
    assert_eq!(looked.end, LookEnd::Through);
    let marked: Vec<GapReason> = looked.coverage.gaps.iter().map(|gap| gap.why).collect();
    assert_eq!(marked, [GapReason::Testimony]);
    assert_eq!(looked.coverage.material().count(), 0);
    assert_eq!(plan.footprint.programs, [["/usr/bin/crictl", "ps"]]);
}

#[tokio::test]
async fn a_program_that_is_not_there_fails_its_step() {
    let checked = checked("[/usr/bin/crictl, ps]", allowed()).expect("no mistakes");
    let link = Simulated::new(World::default())
        .connect("node-1")
        .await
        .expect("a world answers");
    let (looked, _) = planning::plan(&checked, link as Arc<dyn HostView>)
        .await
        .expect("a plan");
    assert!(matches!(looked.end, LookEnd::Failed { .. }), "{:?}", looked.end);
}

fn changing(with: &str) -> String {
    format!(
        "playbook: flush\nversion: 1\nvars:\n  set: {{type: string, default: pools}}\nphases:\n  gather:\n    - {{id: facts, \
         use: host.facts}}\n  eradicate:\n    steps:\n    - {{use: command.run, with: {{{with}, because: the agent fills it}}}}\n"
    )
}

fn changing_checked(with: &str, policy: Policy) -> Result<Arc<CheckedPlaybook>, Vec<Code>> {
    let registry = Registry::new(deminer_modules::all()).under(policy);
    let told = check("flush.yml", &changing(with), &registry, &Nothing);
    told.map(Arc::new)
        .map_err(|mistakes| mistakes.iter().map(|mistake| mistake.code).collect())
}

fn allowed_to_run() -> Policy {
    Policy::allowing([Leave::CommandRun])
}

#[test]
fn to_change_something_it_takes_a_leave_of_its_own_and_the_playbooks_own_words() {
    let plain = "program: /usr/sbin/ipset, arguments: [flush, pools]";
    assert_eq!(changing_checked(plain, allowed()).err(), Some(vec![Code::NeedsLeave]));
    let rows = [
        ("own words", plain, None),
        (
            "a variable",
            "program: /usr/sbin/ipset, arguments: [flush, \"{{ vars.set }}\"]",
            None,
        ),
        (
            "taken back",
            "program: /usr/sbin/ipset, undo: [restore], timeout: 5s",
            None,
        ),
        (
            "the host's program",
            "program: \"{{ steps.facts.kernel }}\"",
            Some(Code::WordOfHost),
        ),
        (
            "an argument of the host's",
            "program: /usr/sbin/ipset, arguments: [\"{{ host.system }}\"]",
            Some(Code::WordOfHost),
        ),
        (
            "a shell",
            "program: /bin/sh, arguments: [-c, \"true\"]",
            Some(Code::ParameterValue),
        ),
        (
            "a shell behind another program",
            "program: /usr/bin/env, arguments: [sh, -c, \"true\"]",
            Some(Code::ParameterValue),
        ),
        (
            "a shell that takes it back",
            "program: /usr/bin/env, undo: [bash, -c, \"true\"]",
            Some(Code::ParameterValue),
        ),
        ("no path", "program: ipset", Some(Code::ParameterValue)),
    ];
    for (name, with, expected) in rows {
        assert_eq!(
            changing_checked(with, allowed_to_run()).err(),
            expected.map(|code| vec![code]),
            "{name}"
        );
    }
}

async fn changing_plan(with: &str, world: &str) -> Result<HostPlan, String> {
    let checked = changing_checked(with, allowed_to_run()).expect("no mistakes");
    let link = Simulated::new(World::from_json(world).expect("a world"))
        .connect("node-1")
        .await
        .expect("a world answers");
    let (looked, plan) = planning::plan(&checked, link as Arc<dyn HostView>)
        .await
        .map_err(|error| error.to_string())?;
    match looked.end {
        LookEnd::Through => Ok(plan),
        other => Err(format!("{other:?}")),
    }
}

#[tokio::test]
async fn the_plan_holds_the_very_file_and_says_why() {
    let world = r#"{"files": [{"path": "/usr/sbin/ipset", "mode": "0755", "content": "\u007fELF ipset"}]}"#;
    let with = "program: /usr/sbin/ipset, arguments: [flush, \"{{ vars.set }}\"], undo: [restore], timeout: 5s";
    let plan = changing_plan(with, world).await.expect("a plan");
    let acts: Vec<&Act> = plan.orders.actions.iter().map(|action| &action.act).collect();
    let [
        Act::RunArgv {
            program,
            argv,
            timeout_ms: 5_000,
            undo: Some(undo),
        },
    ] = acts[..]
    else {
        panic!("{acts:?}");
    };
    assert_eq!(program.path, "/usr/sbin/ipset".into());
    assert_eq!(program.sha256, Digest::of(b"\x7fELF ipset"));
    assert_eq!(argv[..], ["/usr/sbin/ipset", "flush", "pools"].map(HostBytes::from));
    assert_eq!(undo[..], ["/usr/sbin/ipset", "restore"].map(HostBytes::from));
    let because = &plan.orders.actions[0].because;
    let finding = plan
        .findings
        .iter()
        .find(|finding| finding.id.to_string() == because[0]);
    assert!(finding.is_some_and(|finding| finding.sentence().contains("the agent fills it")));
}

#[tokio::test]
async fn what_is_no_program_is_not_planned() {
    let rows = [
        ("nothing there", r#"{}"#),
        (
            "a script",
            r##"{"files": [{"path": "/usr/sbin/ipset", "mode": "0755", "content": "#!/bin/sh\n"}]}"##,
        ),
        (
            "not to be run",
            r#"{"files": [{"path": "/usr/sbin/ipset", "mode": "0644", "content": "\u007fELF"}]}"#,
        ),
        (
            "a link",
            r#"{"files": [{"path": "/usr/sbin/ipset", "target": "xtables"}, {"path": "/usr/sbin/xtables", "mode": "0755",
                "content": "\u007fELF"}]}"#,
        ),
        (
            "a directory",
            r#"{"files": [{"path": "/usr/sbin/ipset/x", "content": "a"}]}"#,
        ),
    ];
    for (name, world) in rows {
        let planned = changing_plan("program: /usr/sbin/ipset", world).await;
        assert!(planned.is_err(), "{name}: {planned:?}");
    }
}
