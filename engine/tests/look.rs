//! Looking at one host, with modules and a host that say what a test wants.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "several test programs share the stubs, each uses a part"
)]
mod stubs;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use deminer_engine::event::{EventKind, StepEnd};
use deminer_engine::finding::HostVerdict;
use deminer_engine::look::{Clock, Lent, LookEnd, LookError, Looked, Outputs, RunInfo, Session, look};
use deminer_engine::playbook::{CheckedPlaybook, Phase, Setting, check};
use deminer_worker::action::Act;
use deminer_worker::query::GapReason;
use stubs::{Heard, OneFile, StubHost, World, gap, registry};

const GOOD: &str = include_str!("stubs/good.yml");

struct Bench {
    world: Arc<World>,
    heard: Heard,
    outputs: Outputs,
}

impl Bench {
    fn new(processes: &[&str]) -> Bench {
        let world = World::default();
        *world.processes.lock().unwrap() = processes.iter().map(|name| (*name).to_owned()).collect();
        Bench {
            world: Arc::new(world),
            heard: Heard::default(),
            outputs: Outputs::in_memory(),
        }
    }

    fn playbook(&self, text: &str) -> Arc<CheckedPlaybook> {
        let checked = check("night.yml", text, &registry(&self.world), &OneFile);
        Arc::new(checked.map_err(|e| e.text()).unwrap())
    }

    async fn try_look(&mut self, text: &str) -> Result<(Looked, Session), LookError> {
        let playbook = self.playbook(text);
        let token = ("token".to_owned(), Setting::Text("hunter22".to_owned()));
        let vars = playbook.bind(&[token]).unwrap();
        let run = RunInfo {
            id: "r1".to_owned(),
            started_at_ms: 7,
        };
        let now = AtomicU64::new(0);
        let clock: Clock = Arc::new(move || now.fetch_add(5, Ordering::Relaxed));
        let host = Arc::new(StubHost(Arc::clone(&self.world)));
        let lent = Lent {
            outputs: self.outputs.clone(),
            ..clock.into()
        };
        look(&playbook, &vars, &run, lent, host, &mut self.heard).await
    }

    async fn look(&mut self, text: &str) -> (Looked, Session) {
        self.try_look(text).await.unwrap()
    }
}

fn stopped(reason: &str) -> LookEnd {
    LookEnd::Stopped {
        reason: reason.to_owned(),
        hand_over: Vec::new(),
    }
}

fn targets(looked: &Looked) -> Vec<String> {
    looked
        .proposals
        .iter()
        .map(|proposed| match &proposed.proposal.act {
            Act::Kill { process } => format!("{} {} {}", proposed.phase, proposed.step, process.exe_path),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn an_infected_host_is_looked_at_and_nothing_after_the_strike_is_asked() {
    let mut bench = Bench::new(&["init", "xmrig"]);
    let (looked, _) = bench.look(GOOD).await;
    assert_eq!(looked.end, LookEnd::Through);
    assert_eq!(looked.verdict.as_ref().unwrap().host, HostVerdict::Infected);
    assert_eq!(looked.findings.len(), 1);
    assert_eq!(
        targets(&looked),
        ["backup keep /tmp/xmrig", "eradicate remove /tmp/xmrig"]
    );
    assert!(
        bench
            .world
            .asked()
            .iter()
            .all(|asked| !asked.starts_with("verify.gone"))
    );
    insta::assert_snapshot!(bench.heard.words().join("\n"), @"
    reached
    0 gather processes ok
    0 gather cron ok
    0 gather deep skipped
    0 decide starters ok
    0 decide verdict ok
    0 decide 3 skipped
    0 decide 4 skipped
    0 locate trace ok
    0 locate each ok
    0 locate 3 ok
    0 backup keep ok
    0 eradicate remove ok
    looked Some(Infected)
    ");
}

#[tokio::test]
async fn steps_that_do_not_refer_to_each_other_run_together() {
    let mut bench = Bench::new(&[]);
    bench.look(GOOD).await;
    assert_eq!(bench.world.running.lock().unwrap().1, 2);
}

#[tokio::test]
async fn a_clean_host_is_stopped_at() {
    let mut bench = Bench::new(&["init"]);
    let (looked, _) = bench.look(GOOD).await;
    assert_eq!(looked.end, stopped("no miner here"));
    assert_eq!(looked.verdict.unwrap().host, HostVerdict::Clean);
    assert!(looked.proposals.is_empty());
    assert!(
        bench
            .world
            .asked()
            .iter()
            .all(|asked| !asked.starts_with("miner.trace"))
    );
}

#[tokio::test]
async fn clean_over_a_gap_is_cannot_say_for_the_engine_and_for_the_playbook() {
    let table = [
        (
            "executable",
            "/proc/9/exe",
            GapReason::Denied,
            "a person looks",
            HostVerdict::CannotSay,
        ),
        (
            "directory",
            "/srv/share",
            GapReason::Denied,
            "no miner here",
            HostVerdict::Clean,
        ),
        ("process", "9", GapReason::Gone, "no miner here", HostVerdict::Clean),
    ];
    for (subject, object, why, end, verdict) in table {
        let mut bench = Bench::new(&["init"]);
        *bench.world.gaps.lock().unwrap() = gap(subject, object, why);
        let (looked, _) = bench.look(GOOD).await;
        assert_eq!(looked.end, stopped(end), "{subject}");
        assert_eq!(looked.verdict.unwrap().host, verdict, "{subject}");
        assert_eq!(looked.coverage.gaps.len(), 1, "{subject}");
    }
}

#[tokio::test]
async fn a_gap_reaches_the_verdict_only_along_references() {
    let text = GOOD.replace(
        "      with: {processes: \"{{ steps.processes.rows }}\", pools",
        "      with: {processes: \"{{ steps.cron.rows }}\", pools",
    );
    let mut bench = Bench::new(&["init"]);
    *bench.world.gaps.lock().unwrap() = gap("executable", "/proc/9/exe", GapReason::Denied);
    let (looked, _) = bench.look(&text).await;
    assert_eq!(looked.verdict.unwrap().host, HostVerdict::Clean);
}

#[tokio::test]
async fn a_failed_step_is_never_clean_and_proposes_nothing() {
    let mut bench = Bench::new(&["init"]);
    *bench.world.fails.lock().unwrap() = Some(("cron.list", "bad token hunter22 \u{1b}[2J".to_owned()));
    let (looked, _) = bench.look(GOOD).await;
    let LookEnd::Failed { place, why } = looked.end else {
        panic!("it fails")
    };
    assert_eq!(place, "phase `gather`, step `cron`");
    assert_eq!(why, "parameter `stub`: bad token *** \\u{1b}[2J");
    assert!(looked.verdict.is_none() && looked.proposals.is_empty());

    // Behind a judgement too.
    let mut bench = Bench::new(&["init", "xmrig"]);
    *bench.world.fails.lock().unwrap() = Some(("evidence.keep", "no".to_owned()));
    let (looked, _) = bench.look(GOOD).await;
    assert!(matches!(looked.end, LookEnd::Failed { .. }));
    assert!(looked.proposals.is_empty());
    assert!(bench.heard.words().contains(&"host_failed".to_owned()));
}

#[tokio::test]
async fn a_module_that_breaks_off_fails_its_step_only() {
    let mut bench = Bench::new(&["init"]);
    *bench.world.panics.lock().unwrap() = Some("cron.list");
    let (looked, _) = bench.look(GOOD).await;
    let LookEnd::Failed { place, .. } = looked.end else {
        panic!("it fails")
    };
    assert_eq!(place, "phase `gather`, step `cron`");
    assert!(bench.heard.words().contains(&"0 gather processes ok".to_owned()));
}

#[tokio::test]
async fn an_assert_that_does_not_hold_fails() {
    let mut bench = Bench::new(&["xmrig"]);
    let text = GOOD.replace("length <= 60", "length <= 0");
    let (looked, _) = bench.look(&text).await;
    let LookEnd::Failed { place, why } = looked.end else {
        panic!("it fails")
    };
    assert_eq!(place, "phase `locate`, step 3");
    assert_eq!(
        why,
        "Too many for one miner; a person decides (`steps.trace.files | length <= 0` does not hold)"
    );
}

#[tokio::test]
async fn text_of_a_host_is_not_rendered() {
    let mut bench = Bench::new(&["{{ 7*7 }}", "xmrig"]);
    let text = GOOD.replace("\"['/tmp/x']\"", "steps.processes.rows | map(attribute='name') | list");
    let (_, mut session) = bench.look(&text).await;
    session.verify(&mut bench.heard).await.unwrap();
    assert!(bench.world.asked().contains(&"verify.gone {{ 7*7 }},xmrig".to_owned()));
}

#[tokio::test]
async fn a_round_takes_the_named_steps_and_the_proposals_anew() {
    let mut bench = Bench::new(&["xmrig"]);
    let (_, mut session) = bench.look(GOOD).await;
    let before = bench.heard.kinds.len();
    let after = session.after_strike(&mut bench.heard).await.unwrap();
    assert_eq!((after.until, after.failure), (Some(false), None));
    *bench.world.processes.lock().unwrap() = vec!["xmrig".to_owned(), "xmrig".to_owned()];
    let looked = session.round(2, &mut bench.heard).await.unwrap();
    assert_eq!(looked.end, LookEnd::Through);
    assert_eq!(looked.proposals.len(), 4);
    *bench.world.processes.lock().unwrap() = Vec::new();
    let after = session.after_strike(&mut bench.heard).await.unwrap();
    assert_eq!(after.until, Some(true));
    let heard = Heard {
        kinds: bench.heard.kinds.split_off(before),
        room: None,
    };
    insta::assert_snapshot!(heard.words().join("\n"), @"
    0 eradicate still ok
    round_started
    2 gather processes ok
    2 decide starters ok
    2 decide verdict ok
    2 locate trace ok
    2 locate 3 ok
    2 backup keep ok
    2 eradicate remove ok
    looked Some(Infected)
    2 eradicate still ok
    ");
    assert_eq!(session.max_rounds(), 3);
}

#[tokio::test]
async fn verify_goes_on_behind_a_failure_and_says_so() {
    let text = format!("{GOOD}    - {{id: rows, use: cron.list, name: x}}\n").replace(
        "    - {id: rows, use: cron.list, name: x}\n",
        "    - id: last\n      use: verify.gone\n      with: {artifacts: [z]}\n    - assert: steps.quiet.found\n    - assert: steps.last.found\n",
    );
    let mut bench = Bench::new(&["xmrig"]);
    let (_, mut session) = bench.look(&text).await;
    let seen = session.verify(&mut bench.heard).await.unwrap();
    assert!(seen.failures.is_empty(), "{:?}", seen.failures);
    *bench.world.processes.lock().unwrap() = Vec::new();
    let seen = session.verify(&mut bench.heard).await.unwrap();
    assert_eq!(seen.failures.len(), 2);
    *bench.world.fails.lock().unwrap() = Some(("verify.gone", "no".to_owned()));
    let seen = session.verify(&mut bench.heard).await.unwrap();
    let whys: Vec<&str> = seen.failures.iter().map(|f| f.why.as_str()).collect();
    insta::assert_snapshot!(whys.join("\n"), @"
    parameter `stub`: no
    it needs step `quiet`, which failed
    it needs step `last`, which failed
    ");
    let phases = bench.heard.kinds.iter().filter(|k| {
        matches!(
            k,
            EventKind::StepRan {
                phase: Phase::Verify,
                ..
            }
        )
    });
    assert!(phases.count() >= 12);
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_not_reached() {
    let mut bench = Bench::new(&[]);
    *bench.world.silent.lock().unwrap() = true;
    let error = bench.try_look(GOOD).await.unwrap_err();
    assert!(matches!(error, LookError::NotReached(_)));
    assert_eq!(bench.heard.words(), ["not_reached"]);
    assert!(bench.world.asked().is_empty());
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_gone_on_with() {
    for room in 0..13 {
        let mut bench = Bench::new(&["xmrig"]);
        bench.heard.room = Some(room);
        let error = bench.try_look(GOOD).await.unwrap_err();
        assert!(matches!(error, LookError::Sink(_)), "{room}");
        assert_eq!(bench.heard.kinds.len(), room);
    }
}

#[tokio::test]
async fn times_come_from_the_clock_that_was_handed_in() {
    let mut bench = Bench::new(&[]);
    bench.look(GOOD).await;
    let took = bench.heard.kinds.iter().find_map(|kind| match kind {
        EventKind::StepRan {
            end: StepEnd::Ok { took_ms, .. },
            ..
        } => Some(*took_ms),
        _ => None,
    });
    assert!(took.is_some_and(|ms| ms > 0 && ms % 5 == 0), "{took:?}");
}

#[tokio::test]
async fn what_is_too_large_for_memory_is_read_back_and_an_error_of_it_is_the_steps() {
    let mut names = vec!["a process with a long command line ".repeat(8); 5_000];
    names.push("xmrig".to_owned());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (in_memory, _) = Bench::new(&names).look(GOOD).await;
    assert_eq!(in_memory.end, LookEnd::Through);

    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(&names);
    bench.outputs = Outputs::of(dir.path());
    let (spilled, session) = bench.look(GOOD).await;
    assert_eq!(format!("{spilled:?}"), format!("{in_memory:?}"));
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "the file has no name"
    );
    drop(session);

    let mut bench = Bench::new(&names);
    bench.outputs = Outputs::of(&dir.path().join("missing"));
    let (looked, _) = bench.look(GOOD).await;
    let LookEnd::Failed { place, why } = looked.end else {
        panic!("{:?}", looked.end)
    };
    assert_eq!(place, "phase `gather`, step `processes`");
    assert!(why.starts_with("cannot write what a step gave in "), "{why}");
    assert_eq!((looked.verdict, looked.proposals.len()), (None, 0));
}
