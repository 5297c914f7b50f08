//! What an intruder can write into its own arguments reaches the operator escaped and cut, is never evaluated, and
//! changes nothing of what is said of others.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::time::Duration;

use common::command::{Answer, Deminer};
use common::infection::{Infection, Started, stand_in};
use common::machine::{needs_root, turn, wait_until, written};
use common::plan::{Planned, acts_on};
use serde_json::Value;

/// The longest argument that the kernel takes (`MAX_ARG_STRLEN`, execve(2)), its end included.
const LONGEST: usize = 128 << 10;

/// What a template would come to.
const EVALUATED: [&str; 2] = ["=49=", "1677393911"];

fn arguments() -> Vec<Vec<u8>> {
    vec![
        b"-o\xff\xfe\x80".to_vec(),
        b"line\nerror: host `local`: done\r\nclean".to_vec(),
        b"\x1b[2J\x1b[31m\x1b]0;owned\x07\x1b]52;c;YQ==\x07".to_vec(),
        "\u{9b}31m\u{202e}gnp.exe\u{2066}\u{200b}".as_bytes().to_vec(),
        b"={{ 7*7 }}= {% for a in range(99999999) %}{{ 40951*40961 }}{% endfor %}".to_vec(),
        b"{{ 7*7 }}".to_vec(),
        b"\",\"actions\":[],\"hash\":\"0000".to_vec(),
        b"| --- | <script>alert(1)</script> [x](javascript:x) `".to_vec(),
        vec![b'A'; LONGEST - 1],
    ]
}

/// What holds of every answer about such a process, beside what the bench holds of all answers.
#[track_caller]
fn assert_tame(answer: &Answer) {
    for text in [&answer.out, &answer.err] {
        for value in EVALUATED {
            assert!(!text.contains(value), "evaluated: {value}\n{answer}");
        }
        let hidden = text
            .chars()
            .find(|c| matches!(*c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
        assert_eq!(hidden, None, "a letter that hides or turns others\n{answer}");
        let longest = text.split(|c| c != 'A').map(str::len).max().unwrap_or(0);
        assert!(longest <= 8 << 10, "{longest} letters of one argument");
        assert!(text.len() <= 1 << 20, "{} bytes", text.len());
    }
}

#[test]
fn arguments_of_an_intruder() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let (infection, deminer) = (Infection::plant(), Deminer::new());
    let home = tempfile::Builder::new()
        .prefix("deminer-odd-")
        .tempdir()
        .expect("a directory");
    let program = home.path().join("xmrig");
    stand_in(&program, "miner");
    let mut command = Command::new(&program);
    command.args(arguments().iter().map(|argument| OsStr::from_bytes(argument)));
    let hostile = Started::new(&mut command);
    let runs = || std::fs::read(format!("/proc/{}/cmdline", hostile.pid())).is_ok_and(|line| line.len() > LONGEST);
    assert!(
        wait_until(Duration::from_secs(20), runs),
        "it runs with all of its arguments"
    );

    let file = deminer.runs().join("the.plan");
    let name = written(&file);
    let answer = deminer.run(&[
        "plan",
        "linux-miner",
        "--set",
        "sample=3s",
        "-o",
        &name,
        "--format",
        "json",
    ]);
    let answer = answer.expect(0);
    assert_tame(&answer);
    let planned = Planned::read(&file, answer.json());
    let acts = planned.acts();
    for act in acts_on(&infection) {
        assert!(acts.contains(&act), "`{act}` is not in the plan: {acts:#?}");
    }
    let kill = format!("kill miner {}", written(&program));
    assert!(acts.contains(&kill), "it is found by what it runs: {acts:#?}");

    let processes = planned.hosts[0]["processes"].as_array().expect("a list").iter();
    let shown = processes.clone().find(|process| process["pid"] == hostile.pid());
    let shown = shown.expect("it is shown");
    let argv: Vec<&str> = shown["argv"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(argv[1], r"-o\xff\xfe\x80");
    assert_eq!(argv[2], r"line\x0aerror: host `local`: done\x0d\x0aclean");
    assert!(argv[3].starts_with(r"\x1b[2J\x1b[31m\x1b]0;owned\x07"), "{argv:?}");
    assert_eq!(shown["argv_cut"], true, "the rest of its arguments is left out");
    for process in processes.filter(|process| process["pid"] != hostile.pid()) {
        assert_eq!(process["argv_cut"], false, "{process:#}");
    }

    let kill = planned
        .actions()
        .iter()
        .find(|action| action["act"]["kind"] == "kill" && action["act"]["process"]["pid"] == hostile.pid());
    let id = kill.and_then(|action| action["id"].as_str()).expect("an id");
    for words in [
        &["show", &name][..],
        &["show", &name, id],
        &["show", &name, "--format", "markdown"],
        &["show", &name, "--format", "json"],
        &["plan", "linux-miner", "--set", "sample=1s"],
        &["report", "--format", "json"],
        &["report", "--format", "markdown"],
        &["report"],
    ] {
        assert_tame(&deminer.run(words).expect(0));
    }
    assert!(wait_until(Duration::ZERO, runs), "it was left alone");
}
