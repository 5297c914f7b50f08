//! The same path on a kernel that lacks what Linux 3.10 lacks: a filter answers `ENOSYS` for every later system call that
//! acts would prefer. The plan says so, and all is done the longer way.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::collections::BTreeMap;

use common::command::{Answer, Deminer};
use common::infection::{Infection, LookAlikes};
use common::machine::{files, needs_root, turn};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use serde_json::Value;

/// System calls of x86_64 that came after Linux 3.10 (syscalls(2)).
const LATER: [(&str, i64); 22] = [
    ("renameat2", 316),
    ("getrandom", 318),
    ("memfd_create", 319),
    ("bpf", 321),
    ("execveat", 322),
    ("userfaultfd", 323),
    ("copy_file_range", 326),
    ("preadv2", 327),
    ("pwritev2", 328),
    ("statx", 332),
    ("pidfd_send_signal", 424),
    ("io_uring_setup", 425),
    ("open_tree", 428),
    ("move_mount", 429),
    ("fsopen", 430),
    ("fsmount", 432),
    ("pidfd_open", 434),
    ("clone3", 435),
    ("close_range", 436),
    ("openat2", 437),
    ("pidfd_getfd", 438),
    ("faccessat2", 439),
];

/// Runs the command as a kernel of 2013 would.
fn on_an_old_kernel(deminer: &Deminer, words: &[&str]) -> Answer {
    std::thread::scope(|scope| {
        let ran = scope.spawn(|| {
            let rules: BTreeMap<i64, Vec<_>> = LATER.iter().map(|(_, number)| (*number, Vec::new())).collect();
            let no_such_call = SeccompAction::Errno(rustix::io::Errno::NOSYS.raw_os_error().cast_unsigned());
            let filter = SeccompFilter::new(rules, SeccompAction::Allow, no_such_call, TargetArch::x86_64);
            let program: BpfProgram = filter.and_then(TryInto::try_into).expect("a filter");
            // Of this thread and what it starts only.
            apply_filter(&program).expect("root may filter itself");
            deminer.run(words)
        });
        ran.join().expect("the thread ends")
    })
}

#[test]
fn all_is_done_the_longer_way() {
    if !needs_root() {
        return;
    }
    let _turn = turn();
    let (infection, look_alikes, deminer) = (Infection::plant(), LookAlikes::start(), Deminer::new());
    let before = files(infection.den());
    let words = ["plan", "linux-miner", "--set", "sample=1s", "--format", "json"];
    let plan = on_an_old_kernel(&deminer, &words).expect(0).json();
    assert_eq!(files(infection.den()), before, "planning changed something");
    let machine = &plan["hosts"][0]["machine"];
    assert_eq!(
        machine["without"],
        serde_json::json!(["pidfd_open", "openat2", "renameat2"]),
        "{machine:#}"
    );
    let hash = plan["hash"].as_str().expect("a hash").to_owned();
    let shown = deminer.run(&["show", &hash]).expect(0);
    assert!(shown.out.contains("old kernel"), "{}", shown.out);

    let words = ["apply", &hash, "--approve", &hash, "--watch", "2s", "--format", "json"];
    let report: Value = on_an_old_kernel(&deminer, &words).expect(0).json();
    assert_eq!(report["hosts"][0]["status"], "eradicated", "{report:#}");
    assert_eq!(infection.processes(), [], "processes of the infection live");
    assert_eq!(files(infection.den()), BTreeMap::new());
    assert_eq!(infection.crontab.text(), infection.good_text());
    look_alikes.assert_unharmed();
}
