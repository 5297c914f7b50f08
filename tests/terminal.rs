//! A yes typed on the terminal on which the plan was shown: by its hash, never by a reflex.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use common::command::Deminer;
use common::plan::Planned;
use common::terminal::Terminal;
use serde_json::Value;

const QUESTION: &str = "Anything else changes nothing: ";

fn planned(deminer: &Deminer) -> (Planned, String) {
    let file = deminer.runs().join("the.plan");
    let planned = Planned::make(deminer, &file, &["simulated:infected"]);
    (planned, file.to_string_lossy().into_owned())
}

/// How many runs applied something.
fn applied(deminer: &Deminer) -> usize {
    let runs = std::fs::read_dir(deminer.runs()).expect("a directory");
    runs.filter_map(Result::ok)
        .filter(|run| run.path().join("approval.json").exists())
        .count()
}

#[test]
fn a_reflex_approves_nothing() {
    let deminer = Deminer::new();
    let (planned, file) = planned(&deminer);
    for reflex in ["\n", "y\n", "yes\n", "\x04", &planned.hash[..3]] {
        let mut terminal = Terminal::start(&deminer, &["apply", &file, "--watch", "1s"]);
        terminal.wait_for(QUESTION);
        let shown = terminal.text();
        assert!(shown.contains(&planned.hash[..16]), "the plan is shown: {shown}");
        assert!(!shown.contains("--approve"), "who is asked needs no command: {shown}");
        terminal.types(reflex);
        if !reflex.ends_with(['\n', '\x04']) {
            terminal.types("\n");
        }
        let (code, text) = terminal.end();
        assert_eq!(code, Some(4), "{reflex:?}: {text}");
        assert!(text.contains("Not approved. Nothing was changed."), "{text}");
    }
    assert_eq!(applied(&deminer), 0);
}

#[test]
fn the_first_digits_of_the_hash_approve() {
    let deminer = Deminer::new();
    let (planned, file) = planned(&deminer);
    let mut terminal = Terminal::start(&deminer, &["apply", &file, "--watch", "1s"]);
    // What comes before the question is no answer to it.
    terminal.types("\n\n");
    terminal.wait_for(QUESTION);
    terminal.types(&format!("{}\n", &planned.hash[..4]));
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("approved on this terminal 20"), "{text}");
    let report = deminer.report();
    assert_eq!(report["approval"]["means"], "terminal");
    assert_eq!(report["hosts"][0]["status"], "eradicated", "{report:#}");
}

#[test]
fn a_run_asks_for_the_plan_that_it_just_made() {
    let deminer = Deminer::new();
    let words = [
        "run",
        "linux-miner",
        "simulated:infected",
        "--set",
        "watch=1s",
        "--lang",
        "zh",
    ];
    let question = "输入其他内容则不改动任何东西：";
    let mut terminal = Terminal::start(&deminer, &words);
    terminal.wait_for(question);
    terminal.types("\n");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("未批准。未改动任何东西。"), "{text}");

    let mut terminal = Terminal::start(&deminer, &words);
    terminal.wait_for(question);
    let shown = terminal.text();
    let (_, behind) = shown.split_once("哈希").expect("the hash is shown");
    terminal.types(&format!("{}\n", &behind.trim_start()[..6]));
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(applied(&deminer), 1);
    assert_eq!(deminer.report()["approval"]["means"], "terminal");
}

#[test]
fn a_clean_host_is_no_question() {
    let deminer = Deminer::new();
    let words = ["run", "linux-miner", "simulated:clean"];
    let (code, text) = Terminal::start(&deminer, &words).end();
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("To approve"), "{text}");
}

#[test]
fn without_a_terminal_the_hash_must_be_given() {
    let deminer = Deminer::new();
    let (_, file) = planned(&deminer);
    let answer = deminer.run(&["apply", &file]).expect(2);
    assert!(answer.err.contains("no terminal to ask on"), "{}", answer.err);
    assert!(answer.err.contains("then add --approve and its hash"), "{}", answer.err);
    let looked: Value = deminer
        .run(&["run", "linux-miner", "simulated:infected", "--format", "json"])
        .expect(0)
        .json();
    assert_eq!(looked["nothing_to_do"], false);
    assert_eq!(applied(&deminer), 0);
}

#[test]
fn colours_are_off_where_nobody_wants_them() {
    let deminer = Deminer::new();
    let (_, file) = planned(&deminer);
    let rows: [(&[(&str, &str)], bool); 4] = [
        (&[], true),
        (&[("NO_COLOR", "")], true),
        (&[("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
    ];
    for (environment, coloured) in rows {
        let (code, text) = Terminal::within(&deminer, &["show", &file], environment).end();
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("infected"), "{text}");
        assert_eq!(text.contains('\x1b'), coloured, "{environment:?}: {text:?}");
    }
}
