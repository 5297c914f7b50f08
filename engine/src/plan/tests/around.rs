//! The lines that stand around condemned ones: for people, and only while the file is what the plan says.

use deminer_worker::action::{Act, ActionId};
use deminer_worker::text::Digest;

use super::super::bench::{Bench, edit, line, origin};
use super::super::*;

const TEXT: &str = "MAILTO=root\n0 3 * * * /usr/bin/backup\n*/5 * * * * /tmp/x\nTOKEN=hunter2\n";

/// A host whose file holds a text, and the action that takes its third line out.
fn edited(path: &str) -> (Bench, ActionId) {
    let mut bench = Bench::new();
    let mut act = edit(path, vec![line(3, "*/5 * * * * /tmp/x", "/tmp/x")]);
    if let Act::EditLines { file, .. } = &mut act {
        file.sha256 = Digest::of(TEXT.as_bytes());
    }
    bench.texts.insert(path.into(), TEXT.into());
    let id = bench.propose(1, act);
    (bench, id)
}

#[test]
fn a_plan_shows_what_stands_around_its_lines() {
    let (bench, id) = edited("/etc/crontab");
    let plan = Plan::new(origin(), vec![bench.plan()]).expect("one host makes a plan");
    let again = Plan::read(&plan.write()).expect("it reads back");
    let around = &again.host("web-1").expect("a host of the plan").around[&id];
    assert_eq!(around.lines, 4);
    let numbers: Vec<u32> = around.near.iter().map(|near| near.number).collect();
    assert_eq!(numbers, [1, 2, 4]);
    assert_eq!(around.near[2].line, None, "it may be a secret");
    let text = String::from_utf8(plan.write()).expect("a plan is text");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn nothing_is_shown_of_a_changed_file_or_of_passwords() {
    let (mut bench, _) = edited("/etc/crontab");
    bench.texts.insert("/etc/crontab".into(), "another\n".into());
    assert!(bench.plan().around.is_empty());
    let (mut bench, _) = edited("/etc/crontab");
    bench.refuses = Some("read");
    assert!(bench.plan().around.is_empty(), "and the plan is made all the same");
    let (bench, _) = edited("/etc/shadow");
    assert!(bench.plan().around.is_empty());
}

#[test]
fn a_plan_that_shows_other_lines_is_refused() {
    let (bench, id) = edited("/etc/crontab");
    for number in [3, 9] {
        let mut host = bench.plan();
        let around = host.around.get_mut(&id).expect("it is shown");
        around.near[0].number = number;
        let plan = Plan::new(origin(), vec![host]);
        let refused = plan.and_then(|plan| Plan::read(&plan.write()));
        assert!(matches!(refused, Err(FileError::Misleading { .. })), "{refused:?}");
    }
}
