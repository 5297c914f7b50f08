//! How one host's run ended, as one word.
//!
//! Two facts are kept apart: what was done ([`Facts::struck`], [`Facts::unknown`], [`Facts::left`], ...) and what was seen
//! ([`Facts::seen`], [`Facts::verdict`]). The word is derived from both by [`TABLE`] and nowhere else: the first row that
//! holds decides, and the last one always holds. Rows are ordered by what misleads most when it is not said: a return,
//! then what is not known, then what was not done, then errors; only after all of them come the good words. So an error
//! never becomes `clean`.

use std::fmt;

use deminer_worker::frame::RefusalKind;
use serde::{Deserialize, Serialize};

use crate::event::Seen;
use crate::finding::HostVerdict;

/// How one host's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Something came back while it was watched.
    Returned,
    /// Not enough was seen, or heard, for another word.
    CannotSay,
    /// Something that was to be changed was another thing by then; its component was left alone.
    Drifted,
    /// Some of what was approved was done, some was not.
    Partial,
    /// The playbook, a transaction or an undo failed.
    Failed,
    /// The host's own security stopped the worker.
    Blocked,
    /// There was no link, or it was lost and never came back.
    Unreachable,
    /// The operator ended the run before this host was through.
    Cancelled,
    /// The time in which something may be removed was over before it was this host's turn; nothing was changed.
    Waiting,
    /// Something would be changed, but nobody approved it.
    NotApproved,
    /// Infected; the plan waits and nothing was changed.
    Proposed,
    /// The intruder is held, not removed.
    Contained,
    /// A process may be a miner; nothing is proposed.
    Suspected,
    /// What an earlier run changed was taken back.
    Undone,
    /// All that was approved was done, and nothing came back within the window.
    Eradicated,
    /// Nothing was found by what this host's kernel showed.
    Clean,
}

impl Status {
    /// All, the one that needs a person most first.
    pub const ALL: [Status; 16] = [
        Status::Returned,
        Status::CannotSay,
        Status::Drifted,
        Status::Partial,
        Status::Failed,
        Status::Blocked,
        Status::Unreachable,
        Status::Cancelled,
        Status::Waiting,
        Status::NotApproved,
        Status::Proposed,
        Status::Contained,
        Status::Suspected,
        Status::Undone,
        Status::Eradicated,
        Status::Clean,
    ];

    /// Computes the word from the facts; see [`TABLE`].
    pub fn of(facts: &Facts) -> Status {
        let row = TABLE.iter().find(|row| (row.holds)(facts));
        row.map_or(Status::CannotSay, |row| row.status)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Returned => "returned",
            Status::CannotSay => "cannot_say",
            Status::Drifted => "drifted",
            Status::Partial => "partial",
            Status::Failed => "failed",
            Status::Blocked => "blocked",
            Status::Unreachable => "unreachable",
            Status::Cancelled => "cancelled",
            Status::Waiting => "waiting",
            Status::NotApproved => "not_approved",
            Status::Proposed => "proposed",
            Status::Contained => "contained",
            Status::Suspected => "suspected",
            Status::Undone => "undone",
            Status::Eradicated => "eradicated",
            Status::Clean => "clean",
        })
    }
}

/// What the chain of one host says, as far as the word depends on it. The default is a host of which nothing was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// How far an undo is; `None` where the run undoes nothing.
    pub undo: Option<UndoState>,
    /// The chain does not hold: what stands in it may have been changed, and its end may be missing.
    pub chain_broken: bool,
    /// The host was not reached, or the link to it was lost and nothing was heard since.
    pub link_down: bool,
    /// The host's own security stopped the worker.
    pub blocked: bool,
    /// The playbook failed on this host, or something of ours was left standing on it.
    pub failed: bool,
    /// The operator ended the run before this host was through.
    pub cancelled: bool,
    /// The last stroke was not begun, since nothing may be destroyed at that time.
    pub closed: bool,
    /// The last transaction refused to begin or to go on, and so changed nothing.
    pub refused: Option<RefusalKind>,
    /// The run applies a plan that would change this host, but the approval leaves the host or all its changes out.
    pub not_approved: bool,
    /// The plan has changes for this host.
    pub has_changes: bool,
    /// A transaction went past its commit.
    pub struck: bool,
    /// A commit was written down, and of some change it is not known whether it was done.
    pub unknown: bool,
    /// A component was left alone since it was no longer what the plan says.
    pub drifted: bool,
    /// An approved change is known not to be done.
    pub left: bool,
    /// A transaction was held after it contained what lasts.
    pub contained: bool,
    /// What verify saw; a window that was not covered whole is `CannotSay`. `None`: it did not run, or not to its end.
    pub seen: Option<Seen>,
    /// What the look saw.
    pub verdict: Option<HostVerdict>,
}

/// How far an undo is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoState {
    /// Something that was asked for is neither taken back nor refused yet.
    Open,
    /// Something could not be taken back.
    Failed,
    /// All that was asked for was taken back.
    Done,
}

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// When it decides, if no row before it does.
    pub holds: fn(&Facts) -> bool,
    /// The word.
    pub status: Status,
    /// Why this word, and why here.
    pub why: &'static str,
}

/// The whole precedence: the first row that holds decides.
pub const TABLE: [Row; 26] = [
    Row {
        holds: |f| f.undo == Some(UndoState::Failed),
        status: Status::Failed,
        why: "a failed undo is the loudest thing there is",
    },
    Row {
        holds: |f| f.chain_broken && f.undo.is_some(),
        status: Status::CannotSay,
        why: "who could change the chain could write that all was taken back",
    },
    Row {
        holds: |f| f.undo == Some(UndoState::Open) && f.link_down,
        status: Status::Unreachable,
        why: "the undo is not through and the host does not answer",
    },
    Row {
        holds: |f| f.undo == Some(UndoState::Open),
        status: Status::CannotSay,
        why: "the undo is not through: something may be half taken back",
    },
    Row {
        holds: |f| f.undo == Some(UndoState::Done),
        status: Status::Undone,
        why: "an undo run says nothing of infection",
    },
    Row {
        holds: |f| f.seen == Some(Seen::Returned),
        status: Status::Returned,
        why: "whatever was done, and whatever failed: it is there again",
    },
    Row {
        holds: |f| f.chain_broken,
        status: Status::CannotSay,
        why: "no other word rests on a chain that does not hold",
    },
    Row {
        holds: |f| f.unknown && f.link_down,
        status: Status::Unreachable,
        why: "lost after the commit: the host goes on alone, and is asked when it answers",
    },
    Row {
        holds: |f| f.unknown,
        status: Status::CannotSay,
        why: "committed, and what was done is not known: look before anything else",
    },
    Row {
        holds: |f| f.drifted || f.refused == Some(RefusalKind::OtherHost),
        status: Status::Drifted,
        why: "the plan is not of what is there; only a new plan helps, so it goes before `partial`",
    },
    Row {
        holds: |f| f.struck && f.left,
        status: Status::Partial,
        why: "some was done and some was not, whatever kept the rest from it",
    },
    Row {
        holds: |f| f.not_approved || f.refused == Some(RefusalKind::Orders),
        status: Status::NotApproved,
        why: "the host was to be left alone, so no error of reaching it matters",
    },
    Row {
        holds: |f| f.blocked,
        status: Status::Blocked,
        why: "more exact than a lost link or a failed step, which it causes",
    },
    Row {
        holds: |f| f.link_down && !f.struck,
        status: Status::Unreachable,
        why: "more exact than the failed step that it causes; nothing was changed",
    },
    Row {
        holds: |f| f.failed || f.refused.is_some(),
        status: Status::Failed,
        why: "an error hides every word below it, good ones too",
    },
    Row {
        holds: |f| f.cancelled,
        status: Status::Cancelled,
        why: "the host was not through; what was done is counted beside the word",
    },
    Row {
        holds: |f| f.closed && !f.struck,
        status: Status::Waiting,
        why: "more exact than `proposed`; what was struck before is told by what was seen since",
    },
    Row {
        holds: |f| f.link_down,
        status: Status::CannotSay,
        why: "all was done, but the host does not answer: it was not watched to the end",
    },
    Row {
        holds: |f| f.struck && f.seen == Some(Seen::Clean),
        status: Status::Eradicated,
        why: "all was done, and watched for the whole window",
    },
    Row {
        holds: |f| f.struck,
        status: Status::CannotSay,
        why: "all was done, but that it stays gone was not seen",
    },
    Row {
        holds: |f| f.contained,
        status: Status::Contained,
        why: "held, and resumable from here",
    },
    Row {
        holds: |f| f.has_changes || f.verdict == Some(HostVerdict::Infected),
        status: Status::Proposed,
        why: "infected, and nothing was changed; so too when a run ended before its commit",
    },
    Row {
        holds: |f| f.verdict == Some(HostVerdict::Suspected),
        status: Status::Suspected,
        why: "nothing is proposed on a suspicion",
    },
    Row {
        holds: |f| f.seen == Some(Seen::CannotSay),
        status: Status::CannotSay,
        why: "a later look that saw too little outweighs an earlier `clean`",
    },
    Row {
        holds: |f| f.verdict == Some(HostVerdict::Clean),
        status: Status::Clean,
        why: "nothing to do, and the look came to that word itself",
    },
    Row {
        holds: |_| true,
        status: Status::CannotSay,
        why: "nothing was heard, or the look came to no word",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSALS: [Option<RefusalKind>; 4] = [
        None,
        Some(RefusalKind::Orders),
        Some(RefusalKind::OtherHost),
        Some(RefusalKind::Evidence),
    ];
    const UNDOS: [Option<UndoState>; 4] = [
        None,
        Some(UndoState::Open),
        Some(UndoState::Failed),
        Some(UndoState::Done),
    ];
    const SEEN: [Option<Seen>; 4] = [None, Some(Seen::Clean), Some(Seen::Returned), Some(Seen::CannotSay)];
    const VERDICTS: [Option<HostVerdict>; 5] = [
        None,
        Some(HostVerdict::Clean),
        Some(HostVerdict::CannotSay),
        Some(HostVerdict::Suspected),
        Some(HostVerdict::Infected),
    ];

    fn every_combination(mut visit: impl FnMut(&Facts)) {
        for bits in 0u32..1 << 12 {
            let bit = |n: u32| bits & (1 << n) != 0;
            let mut facts = Facts {
                chain_broken: bit(0),
                link_down: bit(1),
                blocked: bit(2),
                failed: bit(3),
                cancelled: bit(4),
                not_approved: bit(5),
                has_changes: bit(6),
                struck: bit(7),
                unknown: bit(8),
                drifted: bit(9),
                left: bit(10),
                closed: bit(11),
                ..Facts::default()
            };
            for contained in [false, true] {
                for undo in UNDOS {
                    for refused in REFUSALS {
                        for seen in SEEN {
                            for verdict in VERDICTS {
                                facts.contained = contained;
                                (facts.undo, facts.refused, facts.seen, facts.verdict) = (undo, refused, seen, verdict);
                                visit(&facts);
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_combination_has_one_word_and_no_error_becomes_a_good_one() {
        let mut decides = [0u64; TABLE.len()];
        every_combination(|facts| {
            let row = TABLE.iter().position(|row| (row.holds)(facts)).unwrap();
            decides[row] += 1;
            let status = Status::of(facts);
            assert_eq!(status, TABLE[row].status);
            let trouble = facts.chain_broken
                || facts.link_down
                || facts.blocked
                || facts.failed
                || facts.cancelled
                || facts.refused.is_some()
                || facts.not_approved
                || facts.unknown
                || facts.drifted
                || matches!(facts.seen, Some(Seen::Returned | Seen::CannotSay));
            match status {
                Status::Clean => {
                    assert!(!trouble && !facts.struck && !facts.has_changes, "{facts:?}");
                    assert_eq!(facts.verdict, Some(HostVerdict::Clean), "{facts:?}");
                }
                Status::Eradicated => {
                    assert!(!trouble && facts.struck && !facts.left, "{facts:?}");
                    assert_eq!(facts.seen, Some(Seen::Clean), "{facts:?}");
                }
                Status::Undone => {
                    assert_eq!(facts.undo, Some(UndoState::Done));
                    assert!(!facts.chain_broken);
                }
                Status::Proposed | Status::Waiting => {
                    assert!(!facts.struck && !trouble_of_reaching(facts), "{facts:?}");
                }
                _ => {}
            }
            if facts.seen == Some(Seen::Returned) && facts.undo.is_none() {
                assert_eq!(status, Status::Returned, "{facts:?}");
            }
        });
        assert!(
            decides.iter().all(|times| *times > 0),
            "a row never decides: {decides:?}"
        );
    }

    fn trouble_of_reaching(facts: &Facts) -> bool {
        facts.link_down || facts.blocked || facts.failed || facts.cancelled
    }

    #[test]
    fn every_word_is_in_the_table_and_in_the_list() {
        for status in Status::ALL {
            assert!(TABLE.iter().any(|row| row.status == status), "{status}");
            let written = serde_json::to_value(status).unwrap();
            assert_eq!(written, status.to_string());
        }
        assert!(TABLE.iter().all(|row| Status::ALL.contains(&row.status)));
        assert!(Status::ALL.is_sorted(), "the list has the order of the enum");
    }

    #[test]
    fn words_of_known_nights() {
        let struck = Facts {
            has_changes: true,
            struck: true,
            verdict: Some(HostVerdict::Infected),
            ..Facts::default()
        };
        let clean = Facts {
            verdict: Some(HostVerdict::Clean),
            ..Facts::default()
        };
        let waits = Facts {
            struck: false,
            ..struck
        };
        let rows = [
            ("nothing heard", Facts::default(), Status::CannotSay),
            ("clean look", clean, Status::Clean),
            (
                "clean look, then a failed step",
                Facts { failed: true, ..clean },
                Status::Failed,
            ),
            ("killed before its commit", waits, Status::Proposed),
            (
                "link lost before its commit",
                Facts {
                    link_down: true,
                    ..waits
                },
                Status::Unreachable,
            ),
            (
                "link lost after its commit",
                Facts {
                    unknown: true,
                    link_down: true,
                    ..struck
                },
                Status::Unreachable,
            ),
            (
                "killed after its commit",
                Facts {
                    unknown: true,
                    ..struck
                },
                Status::CannotSay,
            ),
            ("not watched", struck, Status::CannotSay),
            (
                "watched",
                Facts {
                    seen: Some(Seen::Clean),
                    ..struck
                },
                Status::Eradicated,
            ),
            (
                "watched, but one change was not done",
                Facts {
                    seen: Some(Seen::Clean),
                    left: true,
                    ..struck
                },
                Status::Partial,
            ),
            (
                "watched, but a component drifted",
                Facts {
                    seen: Some(Seen::Clean),
                    left: true,
                    drifted: true,
                    ..struck
                },
                Status::Drifted,
            ),
            (
                "came back after an error",
                Facts {
                    seen: Some(Seen::Returned),
                    failed: true,
                    left: true,
                    ..struck
                },
                Status::Returned,
            ),
            (
                "started anew since the plan",
                Facts {
                    refused: Some(RefusalKind::OtherHost),
                    ..waits
                },
                Status::Drifted,
            ),
            (
                "another Deminer",
                Facts {
                    refused: Some(RefusalKind::Busy),
                    ..waits
                },
                Status::Failed,
            ),
            ("out of its window", Facts { closed: true, ..waits }, Status::Waiting),
            (
                "out of its window in a later round",
                Facts {
                    closed: true,
                    left: true,
                    ..struck
                },
                Status::Partial,
            ),
            (
                "left out",
                Facts {
                    not_approved: true,
                    cancelled: true,
                    ..waits
                },
                Status::NotApproved,
            ),
        ];
        for (name, facts, status) in rows {
            assert_eq!(Status::of(&facts), status, "{name}");
        }
    }
}
