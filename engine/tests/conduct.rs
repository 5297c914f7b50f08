//! How steps are carried out: again until something holds, no longer than they may, on without them, and by people.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "several test programs share the stubs, each uses a part"
)]
mod stubs;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deminer_engine::ask::{Answers, Asker, Question, Reply, ReplyMeans};
use deminer_engine::event::EventKind;
use deminer_engine::finding::HostVerdict;
use deminer_engine::look::{Clock, Lent, LookEnd, Looked, Outputs, RunInfo, Session, look};
use deminer_engine::playbook::{CheckedPlaybook, Setting, check};
use deminer_worker::query::GapReason;
use stubs::{Files, Heard, StubHost, World, gap, mistakes, registry};
use tokio::time::Instant;

const GOOD: &str = include_str!("stubs/conduct.yml");

#[test]
fn mistakes_of_conduct() {
    let said = mistakes(
        GOOD,
        &[
            ("retries without until", "      until: steps.busy.found\n", ""),
            (
                "until over another step",
                "until: steps.busy.found",
                "until: vars.watch == \"1s\"",
            ),
            (
                "until without an id",
                "    - id: busy\n      use: process.list\n      until",
                "    - use: process.list\n      until",
            ),
            (
                "until of a judgement",
                "        mode: calm",
                "        mode: calm\n      until: steps.verdict.rows == []",
            ),
            (
                "until with foreach",
                "      until: steps.busy.found",
                "      foreach: [1]\n      until: steps.busy.found",
            ),
            (
                "until is no condition",
                "until: steps.busy.found",
                "until: steps.busy.rows",
            ),
            (
                "until has no such field",
                "until: steps.busy.found",
                "until: steps.busy.fund",
            ),
            ("too many retries", "retries: 4", "retries: 101"),
            ("too long a wait", "delay: 30s", "delay: 16m"),
            ("a delay without a unit", "delay: 30s", "delay: 30"),
            ("a timeout of nothing", "timeout: 5s", "timeout: 0s"),
            ("a timeout that is none", "timeout: 5s", "timeout: soon"),
            ("a word that is none", "on_error: continue\n", "on_error: ignore\n"),
            ("on_error of a number", "on_error: continue\n", "on_error: 5\n"),
            ("no steps in its place", "on_error: continue\n", "on_error: []\n"),
            (
                "a failure without a guard",
                "steps.cron.rows | default([])",
                "steps.cron.rows",
            ),
            (
                "a step in its place without a guard",
                "steps.again.rows if steps.again is defined else []",
                "steps.again.rows",
            ),
            (
                "on_error of a proposal",
                "      use: evidence.keep",
                "      use: evidence.keep\n      on_error: continue",
            ),
            (
                "a proposal in its place",
                "{id: again, use: process.list, with: {sample: 1s}}",
                "{id: again, use: file.remove, with: {artifacts: []}}",
            ),
            (
                "steps in the place of steps",
                "{id: again, use: process.list, with: {sample: 1s}}",
                "{id: again, use: process.list, on_error: [{stop: no}]}",
            ),
            (
                "an include in its place",
                "{id: again, use: process.list, with: {sample: 1s}}",
                "{include: rules/linux.yml}",
            ),
            (
                "on_error of let",
                "    - id: seen\n",
                "    - id: seen\n      on_error: continue\n",
            ),
            (
                "a question without an id",
                "    - id: cable\n      use: ask",
                "    - use: ask",
            ),
            (
                "a question for each",
                "      use: ask",
                "      use: ask\n      foreach: \"[1]\"",
            ),
            ("a question without a question", "question: Pull the cable, ", ""),
            (
                "a default that is none",
                "answers: [done, refused]",
                "answers: [done, refused], default: don",
            ),
            ("an answer twice", "answers: [done, refused]", "answers: [done, done]"),
            ("an empty answer", "answers: [done, refused]", "answers: [done, \" \"]"),
            (
                "an answer that is never given",
                "steps.cable.answer == \"refused\"",
                "steps.cable.answer == \"refuse\"",
            ),
            (
                "a question while keeping",
                "      use: evidence.keep\n      with: {artifacts: []}",
                "      use: ask\n      with: {question: now}",
            ),
            ("refresh of a question", "refresh: [busy]", "refresh: [cable]"),
            (
                "handing over to nothing",
                "hand_over: [incident/web.md, the night desk]",
                "hand_over: []",
            ),
            (
                "handing over a template",
                "hand_over: [incident/web.md, the night desk]",
                "hand_over: \"{{ vars.watch }}\"",
            ),
            (
                "handing over without a stop",
                "        mode: calm",
                "        mode: calm\n      hand_over: x",
            ),
        ],
    );
    insta::with_settings!({omit_expression => true}, {
        insta::assert_snapshot!(said);
    });
}

/// Says the same to everything, or nothing.
struct Says(Option<&'static str>, Duration);

#[async_trait]
impl Asker for Says {
    async fn ask(&self, _: &Question) -> Option<Reply> {
        tokio::time::sleep(self.1).await;
        Some(Reply {
            answer: self.0?.to_owned(),
            by: "uid 7".to_owned(),
            means: ReplyMeans::Terminal,
        })
    }
}

struct Bench {
    world: Arc<World>,
    heard: Heard,
    asker: Arc<dyn Asker>,
}

impl Bench {
    fn new(processes: &[&str]) -> Bench {
        let world = World::default();
        *world.processes.lock().unwrap() = processes.iter().map(|name| (*name).to_owned()).collect();
        Bench {
            world: Arc::new(world),
            heard: Heard::default(),
            asker: Arc::new(Says(Some("done"), Duration::ZERO)),
        }
    }

    fn playbook(&self, text: &str) -> Arc<CheckedPlaybook> {
        let sources = Files(vec![("parts/look.yml", PART.to_owned())]);
        let checked = check("night.yml", text, &registry(&self.world), &sources);
        Arc::new(checked.map_err(|e| e.text()).unwrap())
    }

    async fn look(&mut self, text: &str) -> (Looked, Session) {
        let playbook = self.playbook(text);
        let vars = playbook
            .bind(&[("token".to_owned(), Setting::Text("hunter22".to_owned()))])
            .or_else(|_| playbook.bind(&[]))
            .unwrap();
        let run = RunInfo {
            id: "r1".to_owned(),
            started_at_ms: 7,
        };
        let begun = Instant::now();
        let clock: Clock = Arc::new(move || u64::try_from(begun.elapsed().as_millis()).unwrap());
        let lent = Lent {
            clock,
            asker: Arc::clone(&self.asker),
            outputs: Outputs::in_memory(),
        };
        let host = Arc::new(StubHost(Arc::clone(&self.world)));
        look(&playbook, &vars, &run, lent, host, &mut self.heard).await.unwrap()
    }

    fn fails(&self, module: &'static str) {
        *self.world.fails.lock().unwrap() = Some((module, "no".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_good_playbook_is_good() {
    let mut bench = Bench::new(&["init", "xmrig"]);
    let (looked, _) = bench.look(GOOD).await;
    assert_eq!(looked.end, LookEnd::Through);
    insta::assert_snapshot!(bench.heard.words().join("\n"), @"
    reached
    0 gather busy ok
    0 gather cron ok
    0 decide starters ok
    0 decide verdict ok
    0 decide 3 skipped
    answered
    0 decide cable ok
    0 decide 5 skipped
    0 locate trace ok
    0 locate file ok
    0 locate again skipped
    0 locate count skipped
    0 locate seen ok
    0 backup keep ok
    0 eradicate remove ok
    looked Some(Infected)
    ");
    assert_eq!(looked.answers.len(), 1);
    assert_eq!(
        (looked.answers[0].step.as_str(), looked.answers[0].answer.as_str()),
        ("cable", "done")
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_looks_again_until_it_holds() {
    let mut bench = Bench::new(&["xmrig"]);
    *bench.world.turns.lock().unwrap() = vec![Vec::new(); 3].into();
    let begun = Instant::now();
    let (looked, _) = bench.look(GOOD).await;
    assert_eq!(looked.end, LookEnd::Through);
    assert_eq!(begun.elapsed(), Duration::from_secs(90), "three delays");
    assert!(bench.heard.words().contains(&"0 gather busy ok after 4".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_is_a_look_that_did_not_hold() {
    let mut bench = Bench::new(&["xmrig"]);
    bench.fails("process.list");
    *bench.world.fails_for.lock().unwrap() = Some(2);
    let (looked, _) = bench.look(GOOD).await;
    assert_eq!(looked.end, LookEnd::Through);
    assert!(bench.heard.words().contains(&"0 gather busy ok after 3".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_until_that_never_holds_is_a_failed_step() {
    let mut bench = Bench::new(&[]);
    *bench.world.gaps.lock().unwrap() = gap("executable", "/proc/9/exe", GapReason::Denied);
    let (looked, _) = bench.look(GOOD).await;
    let LookEnd::Failed { place, why } = looked.end else {
        panic!("it fails")
    };
    assert_eq!(place, "phase `gather`, step `busy`");
    assert_eq!(why, "`until` did not hold after 5 looks: `steps.busy.found`");
    // What the last look saw, and did not see, counts.
    assert_eq!(looked.coverage.gaps.len(), 1);

    let mut bench = Bench::new(&[]);
    let text = GOOD.replace("until: steps.busy.found\n", "until: steps.busy.rows[0].pid > 0\n");
    let (looked, _) = bench.look(&text).await;
    let LookEnd::Failed { why, .. } = looked.end else {
        panic!("it fails")
    };
    assert_eq!(
        why,
        "`until` did not hold after 5 looks: `steps.busy.rows[0].pid` is undefined here"
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_that_takes_too_long_is_a_failed_step() {
    let mut bench = Bench::new(&["xmrig"]);
    *bench.world.hangs.lock().unwrap() = Some("miner.trace");
    let begun = Instant::now();
    let (looked, _) = bench.look(GOOD).await;
    let LookEnd::Failed { place, why } = looked.end else {
        panic!("it fails")
    };
    assert_eq!(
        (place.as_str(), begun.elapsed()),
        ("phase `locate`, step `trace`", Duration::from_secs(5))
    );
    assert_eq!(why, "it took longer than its timeout of 5s");
    assert!(looked.proposals.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_the_looking_again_too() {
    let mut bench = Bench::new(&[]);
    let text = GOOD.replace("delay: 30s", "delay: 30s\n      timeout: 45s");
    let begun = Instant::now();
    let (looked, _) = bench.look(&text).await;
    assert!(matches!(looked.end, LookEnd::Failed { .. }));
    assert_eq!(begun.elapsed(), Duration::from_secs(45));
    let looks = bench
        .world
        .asked()
        .iter()
        .filter(|asked| asked.starts_with("process.list"))
        .count();
    assert_eq!(looks, 2);
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_without_a_step_has_a_gap_and_is_never_clean() {
    let mut bench = Bench::new(&["init"]);
    bench.fails("cron.list");
    let (looked, _) = bench.look(GOOD).await;
    let step = |gap: &deminer_worker::query::Gap| (gap.subject.clone(), gap.object.to_string(), gap.why);
    let gaps: Vec<_> = looked.coverage.gaps.iter().map(step).collect();
    assert_eq!(gaps, [("step".to_owned(), "cron".to_owned(), GapReason::Failed)]);
    // The verdict refers to it, guarded.
    assert_eq!(looked.verdict.unwrap().host, HostVerdict::CannotSay);
    assert!(
        bench
            .heard
            .words()
            .contains(&"0 gather cron went on: parameter `stub`: no".to_owned()),
        "{:?}",
        bench.heard.words()
    );

    let mut bench = Bench::new(&["init"]);
    *bench.world.hangs.lock().unwrap() = Some("cron.list");
    let text = GOOD.replace(
        "      on_error: continue\n",
        "      on_error: continue\n      timeout: 1s\n",
    );
    let (looked, _) = bench.look(&text).await;
    assert_eq!(looked.coverage.gaps[0].why, GapReason::TimedOut);
    assert_eq!(looked.verdict.unwrap().host, HostVerdict::CannotSay);
}

#[tokio::test(start_paused = true)]
async fn other_steps_run_in_the_place_of_one_that_failed() {
    let mut bench = Bench::new(&["init", "xmrig"]);
    bench.fails("file.look");
    let (looked, _) = bench.look(GOOD).await;
    assert_eq!(looked.end, LookEnd::Through);
    let words = bench.heard.words();
    let of_locate: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| word.contains(" locate "))
        .collect();
    insta::assert_snapshot!(of_locate.join("\n"), @"
    0 locate trace ok
    0 locate file went on: parameter `stub`: no
    0 locate again ok
    0 locate count ok
    0 locate seen ok
    ");
    assert_eq!(looked.coverage.gaps.len(), 1);

    // What stands in the place may end the playbook.
    let mut bench = Bench::new(&["init", "xmrig"]);
    bench.fails("file.look");
    let text = GOOD.replace(
        "{id: again, use: process.list, with: {sample: 1s}}",
        "{id: again, use: process.list}\n        - {stop: the file cannot be looked at}",
    );
    let (looked, _) = bench.look(&text).await;
    let LookEnd::Stopped { reason, hand_over } = looked.end else {
        panic!("it stops")
    };
    assert_eq!((reason.as_str(), hand_over.len()), ("the file cannot be looked at", 0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_hands_over() {
    let mut bench = Bench::new(&["init"]);
    let (looked, _) = bench.look(GOOD).await;
    let LookEnd::Stopped { reason, hand_over } = looked.end else {
        panic!("it stops")
    };
    assert_eq!(reason, "no miner here");
    assert_eq!(hand_over, ["incident/web.md", "the night desk"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_recorded_and_read() {
    let mut bench = Bench::new(&["init", "xmrig"]);
    bench.asker = Arc::new(Says(Some("refused"), Duration::from_secs(40)));
    let (looked, _) = bench.look(GOOD).await;
    assert!(matches!(looked.end, LookEnd::Stopped { ref reason, .. } if reason == "it stays online"));
    let answered = bench.heard.kinds.iter().find_map(|kind| match kind {
        EventKind::Answered { answered } => Some(serde_json::to_value(answered).unwrap()),
        _ => None,
    });
    insta::assert_json_snapshot!(answered, @r#"
    {
      "step": "cable",
      "question": "Pull the cable",
      "answer": "refused",
      "by": "uid 7",
      "means": "terminal",
      "at_ms": "40000"
    }
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_fails_or_has_its_default() {
    let mut bench = Bench::new(&["init", "xmrig"]);
    bench.asker = Arc::new(Says(None, Duration::ZERO));
    let (looked, _) = bench.look(GOOD).await;
    let LookEnd::Failed { place, why } = looked.end else {
        panic!("it fails")
    };
    assert_eq!(place, "phase `decide`, step `cable`");
    assert_eq!(why, "needs an answer: `Pull the cable` (done, refused)");

    let text = GOOD.replace("answers: [done, refused]", "answers: [done, refused], default: refused");
    let (looked, _) = bench.look(&text).await;
    assert!(matches!(looked.end, LookEnd::Stopped { ref reason, .. } if reason == "it stays online"));
    assert_eq!(looked.answers[0].means, ReplyMeans::Default);

    // Somebody who does not come back in time is nobody.
    bench.asker = Arc::new(Says(Some("done"), Duration::from_secs(3600)));
    let text = GOOD.replace("      use: ask", "      timeout: 10m\n      use: ask");
    let (looked, _) = bench.look(&text).await;
    let LookEnd::Failed { why, .. } = looked.end else {
        panic!("it fails")
    };
    assert_eq!(why, "it took longer than its timeout of 600s");
}

const PART: &str = "\
vars:
  sample: {type: duration}
  most: {type: int, default: 100}
  deep: {type: bool, default: false}
steps:
  - {id: processes, use: process.list, with: {sample: \"{{ vars.sample }}\", limit: \"{{ vars.most }}\"}}
  - {id: deep, use: process.list, when: vars.deep, with: {sample: 9s}}
";

const INCLUDING: &str = "\
playbook: night
version: 1
vars:
  deep: {type: bool, default: true}
  wait: {type: string, default: 3s}
phases:
  gather:
    - include: parts/look.yml
      when: vars.deep
      with: {sample: \"{{ vars.wait }}\", most: 7}
    - {id: rest, use: cron.list}
    - {id: all, let: {rows: \"steps.processes.rows | default([])\"}}
";

#[tokio::test]
async fn an_included_file_sees_its_own_variables() {
    let mut bench = Bench::new(&["init"]);
    let (looked, _) = bench.look(INCLUDING).await;
    assert_eq!(looked.end, LookEnd::Through);
    insta::assert_snapshot!(bench.heard.words().join("\n"), @"
    reached
    0 gather processes ok
    0 gather deep skipped
    0 gather rest ok
    0 gather all ok
    looked None
    ");
    assert_eq!(bench.world.asked(), ["process.list 3s", "cron.list "]);

    let mut bench = Bench::new(&["init"]);
    let (_, _) = bench.look(&INCLUDING.replace("default: true", "default: false")).await;
    assert_eq!(bench.world.asked(), ["cron.list "]);

    // A value is held against its type again when it is known.
    let mut bench = Bench::new(&["init"]);
    let (looked, _) = bench.look(&INCLUDING.replace("default: 3s", "default: soon")).await;
    let LookEnd::Failed { why, .. } = looked.end else {
        panic!("it fails")
    };
    assert_eq!(why, "variable `sample`: `soon` is no duration");
}

#[test]
fn answers_of_a_file() {
    let bench = Bench::new(&[]);
    let playbook = bench.playbook(GOOD);
    let read = |text: &str| Answers::read("answers.yml", text, &playbook);
    let question = |host: &str| Question {
        host: host.to_owned(),
        step: "cable".to_owned(),
        question: "Pull the cable".to_owned(),
        answers: vec!["done".to_owned(), "refused".to_owned()],
        default: None,
    };
    let all = read("cable: done\n").unwrap();
    assert_eq!(all.to(&question("web-2")).unwrap().answer, "done");
    assert_eq!(all.to(&question("web-2")).unwrap().by, "answers.yml");
    let one = read("cable: {web-1: refused}\n").unwrap();
    assert_eq!(one.to(&question("web-1")).unwrap().answer, "refused");
    assert_eq!(one.to(&question("web-2")), None);
    let rows = [
        ("another step", "cabel: done\n"),
        ("another word", "cable: yes\n"),
        ("a number", "cable: 5\n"),
        ("a list", "- cable\n"),
        ("twice", "cable: done\ncable: refused\n"),
        ("no YAML", "cable: [done\n"),
        ("several", "cabel: done\ncable: {web-1: no}\n"),
    ];
    let mut out = String::new();
    for (name, text) in rows {
        out.push_str(&format!("== {name}\n{}\n", read(text).unwrap_err().text()));
    }
    insta::with_settings!({omit_expression => true}, {
        insta::assert_snapshot!(out);
    });
}
