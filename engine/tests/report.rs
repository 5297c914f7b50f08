//! Reports of runs that went well, badly, and were cut at every line.

use std::fs;

use deminer_engine::event::{EventKind, Purpose, Reconciled, Seen};
use deminer_engine::finding::HostVerdict;
use deminer_engine::journal::read_chain;
use deminer_engine::report::{NextStep, Report, Stay};
use deminer_engine::status::Status;
use deminer_worker::action::{Act, Action, Done};
use deminer_worker::frame::{End, Outcome, RefusalKind, TransactionEvent};
use deminer_worker::query::{Coverage, HostError};
use synthetic::{JOURNAL, Night, changes, wide};

mod synthetic;

const HOST: &str = "web-1";

fn status(report: &Report) -> Status {
    report.hosts[0].status
}

fn drifted() -> HostError {
    HostError::Changed {
        doing: "edit `/var/spool/cron/crontabs/deploy`".to_owned(),
        expected: "9be2c0d41f7703aa".to_owned(),
        found: "e07a55d0c91b8e64".to_owned(),
    }
}

fn eradicated() -> Night {
    Night::apply(&[HOST, "db-1"])
        .ready(HOST)
        .commit(HOST)
        .all_done(HOST)
        .watched(HOST, Seen::Clean)
        .planned("db-1", Vec::new(), HostVerdict::Clean)
        .finish("db-1")
        .end_run()
}

fn one_drifted() -> Night {
    let changes = changes(HOST);
    Night::apply(&[HOST])
        .ready(HOST)
        .told(
            HOST,
            TransactionEvent::Drifted {
                component: 2,
                action: changes[6].id,
                why: drifted(),
            },
        )
        .commit(HOST)
        .act(HOST, &changes[2])
        .act(HOST, &changes[3])
        .outcome(HOST, &changes[5], Outcome::Drifted)
        .outcome(HOST, &changes[6], Outcome::Drifted)
        .struck(HOST)
        .watched(HOST, Seen::Clean)
        .end_run()
}

fn killed_after_commit() -> Night {
    let changes = changes(HOST);
    Night::apply(&[HOST])
        .ready(HOST)
        .commit(HOST)
        .act(HOST, &changes[6])
        .told(HOST, TransactionEvent::Intent { action: changes[2].id })
}

fn reconciled() -> Night {
    let changes = changes(HOST);
    let resumed = || EventKind::Resumed { torn_bytes: wide(17) };
    let testimony = Some(Done::Gone);
    killed_after_commit()
        .tell(HOST, resumed())
        .reconciled(HOST, &changes[2], Reconciled::Done { testimony })
        .reconciled(HOST, &changes[3], Reconciled::Done { testimony: None })
        .reconciled(HOST, &changes[5], Reconciled::Done { testimony: None })
        .tell(
            HOST,
            EventKind::Forgotten {
                journal: JOURNAL.to_owned(),
            },
        )
        .watched(HOST, Seen::Clean)
        .run_event(resumed())
        .end_run()
}

/// A block that was begun when the link went, and what looking found of it.
fn blocked(found: Option<Reconciled>) -> Night {
    let act = Act::BlockAddress {
        address: "203.0.113.9".to_owned(),
        for_s: 86_400,
    };
    let block = Action {
        id: act.id(HOST),
        component: 1,
        act,
        because: changes(HOST)[0].because.clone(),
        needs: Vec::new(),
    };
    let all = [changes(HOST), vec![block.clone()]].concat();
    let night = Night::apply(&[HOST])
        .planned(HOST, all, HostVerdict::Infected)
        .told(HOST, TransactionEvent::Started {})
        .told(
            HOST,
            TransactionEvent::Containing {
                actions: vec![block.id],
            },
        )
        .told(HOST, TransactionEvent::Intent { action: block.id });
    match found {
        None => night.lost(HOST),
        Some(found) => night.reconciled(HOST, &block, found).finish(HOST).end_run(),
    }
}

#[test]
fn a_block_that_was_begun_is_no_host_that_was_left_alone() {
    let rows = [
        (None, Status::Unreachable),
        (Some(Reconciled::Done { testimony: None }), Status::Contained),
        (Some(Reconciled::NotDone {}), Status::Proposed),
    ];
    for (found, status) in rows {
        let name = format!("{found:?}");
        assert_eq!(blocked(found).report().hosts[0].status, status, "{name}");
    }
}

fn returned() -> Night {
    Night::apply(&[HOST])
        .ready(HOST)
        .commit(HOST)
        .all_done(HOST)
        .verified(HOST, Seen::Returned, 400_000)
        .finish(HOST)
        .end_run()
}

fn unreachable() -> Night {
    let why = HostError::TimedOut {
        doing: "connect".to_owned(),
        limit_ms: 30_000,
    };
    Night::apply(&[HOST])
        .planned(HOST, changes(HOST), HostVerdict::Infected)
        .tell(HOST, EventKind::NotReached { why })
        .finish(HOST)
        .end_run()
}

fn clean_look() -> Night {
    Night::of(Purpose::Look, &[HOST])
        .tell(
            HOST,
            EventKind::Looked {
                verdict: Some(HostVerdict::Clean),
                findings: Vec::new(),
                coverage: Coverage::whole(),
            },
        )
        .finish(HOST)
        .end_run()
}

#[test]
fn reports_of_known_nights() {
    let nights = [
        ("eradicated", eradicated()),
        ("drifted_others_done", one_drifted()),
        ("unreachable", unreachable()),
        ("killed_before_commit", Night::apply(&[HOST]).ready(HOST)),
        ("killed_after_commit", killed_after_commit()),
        ("killed_after_commit_reconciled", reconciled()),
        ("returned", returned()),
        ("clean_host", clean_look()),
    ];
    for (name, night) in nights {
        insta::assert_json_snapshot!(name, night.report());
    }
}

#[test]
fn words_of_worse_nights() {
    let actions = changes(HOST);
    let struck = || Night::apply(&[HOST]).ready(HOST).commit(HOST).all_done(HOST);
    let failed = || EventKind::HostFailed {
        place: "verify, step `quiet`".to_owned(),
        why: "no answer".to_owned(),
    };
    let not_done = Outcome::NotDone {
        why: HostError::Denied {
            doing: "unlink".to_owned(),
        },
    };
    let unknown = Reconciled::Unknown {
        why: "the file system is gone".to_owned(),
    };
    let last_begun = || {
        let night = Night::apply(&[HOST]).ready(HOST).commit(HOST);
        [6, 2, 3]
            .into_iter()
            .fold(night, |night, at| night.act(HOST, &actions[at]))
    };
    let rows = [
        ("not watched", struck(), Status::CannotSay, Some(NextStep::Watch)),
        (
            "a window that was not covered whole",
            struck().verified(HOST, Seen::Clean, 599_999),
            Status::CannotSay,
            Some(NextStep::Watch),
        ),
        (
            "link lost while it was watched",
            struck().lost(HOST),
            Status::CannotSay,
            Some(NextStep::Watch),
        ),
        (
            "link lost after the commit",
            killed_after_commit().lost(HOST),
            Status::Unreachable,
            Some(NextStep::Resume),
        ),
        (
            "link lost before the commit",
            Night::apply(&[HOST]).ready(HOST).lost(HOST),
            Status::Unreachable,
            Some(NextStep::Again),
        ),
        (
            "failed while it was watched",
            struck().tell(HOST, failed()),
            Status::Failed,
            Some(NextStep::Watch),
        ),
        (
            "failed, then taken up and watched",
            struck()
                .tell(HOST, failed())
                .tell(HOST, EventKind::Resumed { torn_bytes: wide(0) })
                .watched(HOST, Seen::Clean),
            Status::Eradicated,
            None,
        ),
        (
            "watched, then failed",
            struck().verified(HOST, Seen::Clean, 600_000).tell(HOST, failed()),
            Status::Failed,
            Some(NextStep::Again),
        ),
        (
            "watched, then struck again and cut",
            struck()
                .verified(HOST, Seen::Clean, 600_000)
                .tell(HOST, EventKind::RoundStarted { round: 2 }),
            Status::CannotSay,
            Some(NextStep::Watch),
        ),
        (
            "one change was not done",
            last_begun()
                .outcome(HOST, &actions[5], not_done)
                .struck(HOST)
                .watched(HOST, Seen::Clean),
            Status::Partial,
            Some(NextStep::PlanAgain),
        ),
        (
            "one change was never told of",
            last_begun().struck(HOST).watched(HOST, Seen::Clean),
            Status::Partial,
            Some(NextStep::PlanAgain),
        ),
        (
            "one change stays unknown",
            last_begun()
                .reconciled(HOST, &actions[5], unknown)
                .watched(HOST, Seen::Clean),
            Status::CannotSay,
            Some(NextStep::Resume),
        ),
        (
            "the commit never arrived",
            Night::apply(&[HOST])
                .ready(HOST)
                .tell(
                    HOST,
                    EventKind::Committed {
                        round: 1,
                        journal: JOURNAL.to_owned(),
                    },
                )
                .lost(HOST)
                .refused(HOST, RefusalKind::NoCommit),
            Status::Failed,
            Some(NextStep::Again),
        ),
        (
            "started anew since the plan",
            Night::apply(&[HOST]).ready(HOST).refused(HOST, RefusalKind::OtherHost),
            Status::Drifted,
            Some(NextStep::PlanAgain),
        ),
        (
            "held after keeping",
            Night::apply(&[HOST]).ready(HOST).told(
                HOST,
                TransactionEvent::Finished {
                    end: End::Held,
                    stroke_ms: 0,
                    frozen: 0,
                },
            ),
            Status::Proposed,
            Some(NextStep::Apply),
        ),
        (
            "held while frozen",
            Night::apply(&[HOST]).ready(HOST).told(
                HOST,
                TransactionEvent::Finished {
                    end: End::Held,
                    stroke_ms: 0,
                    frozen: 2,
                },
            ),
            Status::Contained,
            Some(NextStep::Apply),
        ),
        (
            "something stays frozen",
            Night::apply(&[HOST]).ready(HOST).told(
                HOST,
                TransactionEvent::Finished {
                    end: End::Aborted,
                    stroke_ms: 0,
                    frozen: 1,
                },
            ),
            Status::Failed,
            Some(NextStep::Again),
        ),
        (
            "cancelled by the operator",
            Night::apply(&[HOST]).ready(HOST).run_event(EventKind::Cancelled {}),
            Status::Cancelled,
            Some(NextStep::Again),
        ),
        (
            "stopped by the host's security",
            Night::of(Purpose::Look, &[HOST])
                .tell(
                    HOST,
                    EventKind::Blocked {
                        why: HostError::Denied {
                            doing: "start the worker".to_owned(),
                        },
                    },
                )
                .lost(HOST),
            Status::Blocked,
            Some(NextStep::Again),
        ),
        (
            "never heard of",
            Night::of(Purpose::Look, &[HOST]),
            Status::CannotSay,
            Some(NextStep::Again),
        ),
        (
            "left out of the approval",
            Night::apply(&["left-out"]).planned("left-out", changes("left-out"), HostVerdict::Infected),
            Status::NotApproved,
            Some(NextStep::Apply),
        ),
        (
            "a commit for a plan that cannot be read",
            Night::apply(&[HOST])
                .commit(HOST)
                .struck(HOST)
                .watched(HOST, Seen::Clean),
            Status::CannotSay,
            Some(NextStep::Resume),
        ),
    ];
    for (name, night, word, next) in rows {
        let report = night.report();
        assert_eq!((status(&report), report.hosts[0].next), (word, next), "{name}");
    }
}

#[test]
fn an_excluded_change_is_left_alone_and_not_missed() {
    let actions = changes(HOST);
    let night = Night::apply(&[HOST]).exclude(actions[6].id).ready(HOST).commit(HOST);
    let night = [2, 3, 5]
        .into_iter()
        .fold(night, |night, at| night.act(HOST, &actions[at]));
    let report = night.struck(HOST).watched(HOST, Seen::Clean).report();
    assert_eq!(status(&report), Status::Eradicated);
    let tally = report.hosts[0].tally;
    assert_eq!((tally.done, tally.of, tally.excluded), (3, 3, 1));
    assert_eq!(report.hosts[0].left_alone.len(), 2);
}

#[test]
fn an_act_that_nobody_approved_is_never_passed_over() {
    let actions = changes(HOST);
    let report = Night::apply(&[HOST])
        .exclude(actions[6].id)
        .ready(HOST)
        .commit(HOST)
        .all_done(HOST)
        .watched(HOST, Seen::Clean)
        .report();
    assert_eq!(status(&report), Status::Failed);
}

#[test]
fn what_stays_on_a_host_is_said() {
    let journal = Stay::Journal {
        path: JOURNAL.to_owned(),
    };
    for night in [killed_after_commit(), killed_after_commit().lost(HOST).all_done(HOST)] {
        assert_eq!(night.report().hosts[0].stays, std::slice::from_ref(&journal));
    }
    assert_eq!(reconciled().report().hosts[0].stays, []);
    assert_eq!(eradicated().report().hosts[0].stays, []);
}

#[test]
fn an_undo_is_done_open_or_loudly_failed() {
    let actions = changes(HOST);
    let begun = || {
        Night::of(Purpose::Undo, &[HOST])
            .planned(HOST, changes(HOST), HostVerdict::Infected)
            .tell(
                HOST,
                EventKind::Undoing {
                    arming: None,
                    because: None,
                    approver: String::new(),
                    means: String::new(),
                    of: "20261114-0244-7c1e".to_owned(),
                    actions: vec![actions[6].id, actions[5].id],
                },
            )
    };
    let undone = |night: Night, at: usize, result: Result<Done, HostError>| {
        let action = actions[at].id;
        night.tell(HOST, EventKind::Undone { action, result })
    };
    let taken = || HostError::Failed {
        doing: "write".to_owned(),
        why: "the place is taken".to_owned(),
    };
    let half = || undone(begun(), 6, Ok(Done::Gone));
    let rows = [
        (
            "nothing yet",
            Night::of(Purpose::Undo, &[HOST]),
            Status::CannotSay,
            (0, 0),
        ),
        ("begun", begun(), Status::CannotSay, (0, 2)),
        ("half", half(), Status::CannotSay, (1, 2)),
        ("half, then lost", half().lost(HOST), Status::Unreachable, (1, 2)),
        ("all", undone(half(), 5, Ok(Done::Gone)), Status::Undone, (2, 2)),
        ("one failed", undone(half(), 5, Err(taken())), Status::Failed, (1, 2)),
    ];
    for (name, night, word, tally) in rows {
        let report = night.report();
        assert_eq!(status(&report), word, "{name}");
        assert_eq!((report.hosts[0].tally.done, report.hosts[0].tally.of), tally, "{name}");
    }
}

/// Whether the events that a word needs are there, told apart from how the report folds them.
fn word_is_earned(word: Status, kinds: &[EventKind], host: &str) -> bool {
    let has = |wanted: &dyn Fn(&EventKind) -> bool| kinds.iter().any(wanted);
    let changes = changes(host);
    let known = |is_known: &dyn Fn(&Outcome) -> bool, shown: &dyn Fn(&Reconciled) -> bool| {
        [2, 3, 5, 6].into_iter().all(|at| {
            has(&|kind| match kind {
                EventKind::Told {
                    event: TransactionEvent::Outcome { action, outcome },
                    ..
                } => *action == changes[at].id && is_known(outcome),
                EventKind::Told {
                    event: TransactionEvent::Drifted { component, .. },
                    ..
                } => *component == changes[at].component && is_known(&Outcome::Drifted),
                EventKind::Reconciled { action, state } => *action == changes[at].id && shown(state),
                _ => false,
            })
        })
    };
    let committed = has(&|kind| matches!(kind, EventKind::Committed { .. }));
    let told_the_end = has(&|kind| {
        matches!(
            kind,
            EventKind::Told {
                event: TransactionEvent::Finished { .. },
                ..
            }
        )
    });
    match word {
        Status::Clean => has(&|kind| match kind {
            EventKind::Looked { verdict, .. } => *verdict == Some(HostVerdict::Clean),
            EventKind::Planned { line, .. } => {
                line["verdict"]["host"] == "clean" && line["actions"].as_array().is_some_and(Vec::is_empty)
            }
            _ => false,
        }),
        Status::Eradicated => {
            committed
                && known(&|outcome| matches!(outcome, Outcome::Done { .. }), &|shown| {
                    matches!(shown, Reconciled::Done { .. })
                })
                && has(&|kind| matches!(kind, EventKind::Verified { seen: Seen::Clean, .. }))
        }
        // Nothing was changed.
        Status::Proposed => !committed,
        // What was done is known.
        Status::Drifted | Status::Partial => !committed || told_the_end || known(&|_| true, &|_| true),
        _ => true,
    }
}

#[test]
fn a_run_that_is_cut_at_any_line_or_within_it_tells_the_truth() {
    let nights = [
        eradicated(),
        one_drifted(),
        reconciled(),
        returned(),
        unreachable(),
        clean_look(),
    ];
    for night in nights {
        let written = night.write();
        let whole = written.report();
        assert!(!whole.unfinished());
        for path in written.files() {
            let bytes = fs::read(&path).unwrap();
            let ends = bytes
                .iter()
                .enumerate()
                .filter(|(_, byte)| **byte == b'\n')
                .map(|(at, _)| at + 1);
            for end in std::iter::once(0).chain(ends) {
                for within in [0, 9] {
                    let cut = (end + within).min(bytes.len());
                    fs::write(&path, &bytes[..cut]).unwrap();
                    let report = written.report();
                    assert_eq!(report.unfinished(), cut < bytes.len(), "{} at {cut}", path.display());
                    for host in &report.hosts {
                        let chain = read_chain(&written.run.journal().join(format!("host-{}.ndjson", host.host)));
                        let kinds: Vec<EventKind> = chain.unwrap().events.into_iter().map(|e| e.kind).collect();
                        assert!(
                            word_is_earned(host.status, &kinds, &host.host),
                            "{} at {cut}: {} is {}",
                            path.display(),
                            host.host,
                            host.status
                        );
                    }
                }
            }
            fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(written.report(), whole, "the report can be made again");
    }
}

#[test]
fn a_changed_journal_earns_no_good_word() {
    for night in [eradicated(), clean_look()] {
        let written = night.write();
        let path = written.run.journal().join("host-web-1.ndjson");
        let text = fs::read_to_string(&path).unwrap();
        for line in 0..text.lines().count() {
            let changed: Vec<String> = text
                .lines()
                .enumerate()
                .map(|(at, text)| match at == line {
                    true => text.replace("\"run\":\"2", "\"run\":\"3"),
                    false => text.to_owned(),
                })
                .collect();
            fs::write(&path, changed.join("\n") + "\n").unwrap();
            let report = written.report();
            assert_eq!(status(&report), Status::CannotSay, "line {line}");
            assert!(
                report
                    .journals
                    .iter()
                    .any(|journal| journal.host.is_none() && journal.not_used.is_none())
            );
        }
    }
}

#[test]
fn a_second_journal_of_a_host_is_not_believed() {
    let written = eradicated().write();
    let path = written.run.journal().join("host-web-1.ndjson");
    fs::copy(&path, written.run.journal().join("host-web-2.ndjson")).unwrap();
    assert_eq!(status(&written.report()), Status::CannotSay);
}

#[test]
fn what_a_later_round_finds_gone_was_still_removed_by_us() {
    let file = changes(HOST)[5].clone();
    let gone = Outcome::Done { done: Done::Gone };
    let once = eradicated().write().report();
    let twice = Night::apply(&["web-1"])
        .ready("web-1")
        .commit("web-1")
        .all_done("web-1")
        .commit("web-1")
        .outcome("web-1", &file, gone)
        .struck("web-1")
        .write()
        .report();
    let of = |report: &Report| {
        let mut changes = report.hosts.iter().flat_map(|host| &host.changes);
        changes.find(|change| change.action == file.id).cloned().unwrap()
    };
    assert_eq!((of(&twice).state, of(&twice).undo), (of(&once).state, of(&once).undo));
}
