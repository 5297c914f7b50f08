//! A program of a host is run by leave only, with the playbook's own words, and the plan says so.

#[allow(dead_code, reason = "each test program uses its own part")]
mod planning;

use std::sync::Arc;

use deminer_engine::diagnostic::Code;
use deminer_engine::host::{HostView, Transport};
use deminer_engine::look::LookEnd;
use deminer_engine::module::Registry;
use deminer_engine::playbook::{CheckedPlaybook, Sources, check};
use deminer_engine::policy::{Leave, Policy};
use deminer_worker::platform::simulated::{Simulated, World};
use deminer_worker::query::GapReason;

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
