//! One host's chain, folded: the facts for its status, and the account beside it.

use std::collections::BTreeSet;

use deminer_worker::action::{Act, ActionId, Done};
use deminer_worker::frame::{End, RefusalKind, TransactionEvent};
use deminer_worker::order::{Approval, HostOrders};
use deminer_worker::query::{Coverage, Gap, HostIdentity};
use deminer_worker::text::{Digest, HostPath, Wide};
use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::changes::Changes;
use super::entry;
use super::{
    Appeared, Born, ChangeState, Drift, FindingReport, Held, HostReport, KeptCount, LeftAlone, NextStep, NotKept,
    Object, Progress, Stay, Tally, Times, Trouble, UndoReport, VerifyReport,
};
use crate::ask::Answered;
use crate::clock::HostClock;
use crate::event::{Event, EventKind, Purpose, Seen, StepEnd};
use crate::finding::{Artifact, Bearing, Finding, HostVerdict};
use crate::status::{Facts, Status, UndoState};

/// What the run's own chain says to every host.
pub(super) struct RunSays<'a> {
    pub(super) purpose: Option<Purpose>,
    pub(super) approval: Option<&'a Approval>,
    pub(super) cancelled: bool,
    /// The way in, as somebody named it.
    pub(super) way_in: Option<&'a str>,
}

/// What was heard of a host so far.
pub(super) struct HostFold<'a> {
    host: &'a str,
    run: &'a RunSays<'a>,
    finished: bool,
    progress: Progress,
    identity: Option<HostIdentity>,
    clock: Option<HostClock>,
    verdict: Option<HostVerdict>,
    changes: Changes,
    link_down: bool,
    blocked: bool,
    failed: bool,
    /// Taken up again since the last failure: a verify that ends now outweighs it.
    taken_up: bool,
    cancelled: bool,
    refused: Option<RefusalKind>,
    /// When something may be destroyed again, where the last stroke was not begun since nothing may; milliseconds since 1970.
    closed: Option<Wide>,
    /// The last stroke was not begun, since the approval's time was over.
    expired: bool,
    /// A commit was given, and its transaction has not told its end.
    open: bool,
    struck: bool,
    committed: bool,
    contained: bool,
    journal: Option<String>,
    /// Everything since the commit was heard as it happened.
    heard_all: bool,
    frozen: u32,
    verify: Option<VerifyReport>,
    returned: bool,
    stroke_ms: Option<u64>,
    rounds: u32,
    kept: Vec<(Digest, u64)>,
    not_kept: Vec<NotKept>,
    born: Vec<Born>,
    drifted: Vec<Drift>,
    left_alone: Vec<LeftAlone>,
    held: Vec<Held>,
    findings: Vec<Finding>,
    coverage: Coverage,
    troubles: Vec<Trouble>,
    answers: Vec<Answered>,
    hand_over: Vec<String>,
    /// What is taken back, in that order.
    undo: Option<IndexMap<ActionId, UndoReport>>,
    found_ms: Option<Wide>,
    handled_ms: Option<Wide>,
}

impl<'a> HostFold<'a> {
    pub(super) fn new(host: &'a str, run: &'a RunSays<'a>) -> HostFold<'a> {
        HostFold {
            host,
            run,
            finished: false,
            progress: Progress::Nothing,
            identity: None,
            clock: None,
            verdict: None,
            changes: Changes::default(),
            link_down: false,
            blocked: false,
            failed: false,
            taken_up: false,
            cancelled: false,
            refused: None,
            closed: None,
            expired: false,
            open: false,
            struck: false,
            committed: false,
            contained: false,
            journal: None,
            heard_all: false,
            frozen: 0,
            verify: None,
            returned: false,
            stroke_ms: None,
            rounds: 0,
            kept: Vec::new(),
            not_kept: Vec::new(),
            born: Vec::new(),
            drifted: Vec::new(),
            left_alone: Vec::new(),
            held: Vec::new(),
            findings: Vec::new(),
            coverage: Coverage::whole(),
            troubles: Vec::new(),
            answers: Vec::new(),
            hand_over: Vec::new(),
            undo: None,
            found_ms: None,
            handled_ms: None,
        }
    }

    /// There is no chain of it, and that says so.
    pub(super) fn is_not_begun(&mut self) {
        self.progress = Progress::NotBegun;
    }

    /// Takes the next event of the host's chain.
    pub(super) fn take(&mut self, event: &Event) {
        self.finished = matches!(event.kind, EventKind::HostFinished {});
        match &event.kind {
            EventKind::Reached { identity, clock, .. } => {
                self.link_down = false;
                self.come_to(Progress::Reached);
                self.identity = Some(identity.clone());
                self.clock = clock.filter(HostClock::is_told);
            }
            EventKind::Looked {
                verdict,
                findings,
                coverage,
            } => {
                self.link_down = false;
                self.come_to(Progress::Looked);
                self.verdict = *verdict;
                self.found_ms.get_or_insert(event.at_ms);
                self.state(findings);
                self.coverage.unite(coverage);
                self.see_anew();
            }
            EventKind::Planned { line, looked_at_ms, .. } => self.plan(line, *looked_at_ms),
            EventKind::Told { round, event: told } => {
                self.link_down = false;
                self.rounds = self.rounds.max(*round);
                self.told(told, event.at_ms);
            }
            EventKind::Stored { sha256, size, .. } => self.kept.push((*sha256, size.0)),
            EventKind::Committed { round, journal } => {
                self.rounds = self.rounds.max(*round);
                self.journal = Some(journal.clone());
                self.heard_all = true;
                self.commit(event.at_ms);
            }
            EventKind::Lost { why } => {
                self.link_down = true;
                self.heard_all = false;
                self.troubles.push(Trouble::Lost { why: why.clone() });
            }
            EventKind::NotReached { why } => {
                self.link_down = true;
                self.troubles.push(Trouble::NotReached { why: why.clone() });
            }
            EventKind::Blocked { why } => {
                (self.blocked, self.taken_up) = (true, false);
                self.troubles.push(Trouble::Blocked { why: why.clone() });
            }
            EventKind::Reconciled { action, state } => {
                self.link_down = false;
                match self.undo.as_mut().and_then(|undo| undo.get_mut(action)) {
                    Some(undo) => undo.reconciled = Some(state.clone()),
                    None => self.changes.reconcile(*action, state, event.at_ms),
                }
            }
            EventKind::Verified {
                seen,
                window_ms,
                covered_ms,
                findings,
                coverage,
            } => {
                self.link_down = false;
                if self.taken_up {
                    (self.blocked, self.failed) = (false, false);
                }
                self.come_to(Progress::Watched);
                self.coverage.unite(coverage);
                self.returned |= *seen == Seen::Returned;
                let seen = match seen {
                    Seen::Clean if covered_ms < window_ms => Seen::CannotSay,
                    seen => *seen,
                };
                // A return cannot be unseen by a later, quiet window.
                if seen == Seen::Returned || !self.returned {
                    self.verify = Some(VerifyReport {
                        seen,
                        window_ms: *window_ms,
                        covered_ms: *covered_ms,
                        away_ms: away_ms(findings),
                        findings: findings.iter().map(FindingReport::of).collect(),
                    });
                }
            }
            EventKind::RoundStarted { round } => {
                self.rounds = self.rounds.max(*round);
                self.see_anew();
            }
            EventKind::Closed { windows, opens_ms } => {
                self.closed = Some(*opens_ms);
                self.troubles.push(Trouble::Closed {
                    windows: windows.clone(),
                    opens_ms: *opens_ms,
                });
            }
            EventKind::Expired { why } => {
                self.expired = true;
                self.troubles.push(Trouble::Expired { why: why.clone() });
            }
            EventKind::HostFailed { place, why } => self.fail(place.clone(), why.clone()),
            EventKind::Forgotten { .. } => self.journal = None,
            EventKind::Undoing { actions, .. } => {
                for action in actions {
                    self.taking_back(*action);
                }
            }
            EventKind::Undone { action, result } => {
                self.link_down = false;
                let undo = self.taking_back(*action);
                (undo.result, undo.reconciled) = (Some(result.clone()), None);
            }
            EventKind::Resumed { .. } => {
                self.taken_up = true;
                self.cancelled = false;
                self.heard_all = false;
            }
            EventKind::Cancelled {} => {
                self.cancelled = true;
                self.troubles.push(Trouble::Cancelled);
            }
            EventKind::StepRan {
                end: StepEnd::Stopped { hand_over, .. },
                ..
            } => self.hand_over.clone_from(hand_over),
            EventKind::Answered { answered } => self.answers.push(answered.clone()),
            EventKind::HostFinished {}
            | EventKind::StepRan { .. }
            | EventKind::RunStarted { .. }
            | EventKind::Asked { .. }
            | EventKind::Given { .. }
            | EventKind::Approved { .. }
            | EventKind::Heads { .. }
            | EventKind::RunFinished {} => {}
        }
    }

    fn taking_back(&mut self, action: ActionId) -> &mut UndoReport {
        let object = self.changes.object(action);
        let undo = self.undo.get_or_insert_default();
        undo.entry(action).or_insert(UndoReport {
            action,
            object,
            result: None,
            reconciled: None,
        })
    }

    fn come_to(&mut self, progress: Progress) {
        self.progress = self.progress.max(progress);
    }

    fn fail(&mut self, place: String, why: String) {
        (self.failed, self.taken_up) = (true, false);
        self.troubles.push(Trouble::Failed { place, why });
    }

    /// What was seen before says nothing of what is done now.
    fn see_anew(&mut self) {
        if !self.returned {
            self.verify = None;
        }
    }

    fn state(&mut self, findings: &[Finding]) {
        for finding in findings {
            if !self.findings.iter().any(|known| known.id == finding.id) {
                self.findings.push(finding.clone());
            }
        }
    }

    /// Takes a plan's line over. What this version cannot read in it for people is left out; orders that it cannot read
    /// leave the host without known changes, so that a commit for it is never believed done.
    fn plan(&mut self, line: &Value, looked_at_ms: Option<Wide>) {
        if let Ok(orders) = serde_json::from_value::<HostOrders>(line.clone()) {
            self.identity.get_or_insert(orders.identity);
            self.changes.plan(self.host, orders.actions, self.run.approval);
        }
        if self.found_ms.is_none() {
            self.found_ms = looked_at_ms;
        }
        self.verdict = self.verdict.or_else(|| field(&line["verdict"], "host"));
        self.state(&field::<Vec<Finding>>(line, "findings").unwrap_or_default());
        let gaps = field::<Vec<Gap>>(line, "gaps").unwrap_or_default();
        self.coverage.unite(&Coverage { gaps });
        for left in line["left_alone"].as_array().into_iter().flatten() {
            let object = field::<Act>(&left["what"], "act")
                .map(|act| Object::of(&act))
                .or_else(|| field::<HostPath>(&left["what"], "path").map(|path| Object::Directory { path }));
            if let Some(object) = object {
                let component = field::<u32>(&left["what"], "component");
                let is_kill = left["what"]["act"]["kind"] == "kill";
                self.left_alone.push(LeftAlone {
                    object,
                    why: left["why"].clone(),
                    brings_back: is_kill && component.is_some_and(|component| self.changes.kills_of(component)),
                });
            }
        }
        self.answers
            .extend(field::<Vec<Answered>>(line, "answers").unwrap_or_default());
        self.hand_over = field(&line["end"], "hand_over").unwrap_or_default();
        if line["end"]["end"] == "failed" {
            let word = |name: &str| field(&line["end"], name).unwrap_or_default();
            self.fail(word("place"), word("why"));
        }
    }

    fn commit(&mut self, at_ms: Wide) {
        self.come_to(Progress::Committed);
        self.committed = true;
        self.open = true;
        self.handled_ms.get_or_insert(at_ms);
        self.see_anew();
    }

    fn told(&mut self, told: &TransactionEvent, at_ms: Wide) {
        if !self.changes.told(told, at_ms)
            && let TransactionEvent::Intent { action }
            | TransactionEvent::Outcome { action, .. }
            | TransactionEvent::Frozen {
                action: Some(action), ..
            } = told
        {
            self.failed = true;
            let trouble = Trouble::NotOrdered { action: *action };
            if !self.troubles.contains(&trouble) {
                self.troubles.push(trouble);
            }
        }
        match told {
            TransactionEvent::Started {} => {
                self.come_to(Progress::Begun);
                (self.refused, self.closed, self.expired) = (None, None, false);
                self.see_anew();
            }
            TransactionEvent::Refused { why, kind } => {
                self.refused = Some(*kind);
                self.troubles.push(Trouble::Refused { why: why.clone() });
                self.end_transaction();
            }
            TransactionEvent::NotKept { item, why } => self.not_kept.push(NotKept {
                item: item.clone(),
                why: why.clone(),
            }),
            TransactionEvent::Born { component, process } => self.born.push(Born {
                component: *component,
                pid: process.pid,
                comm: process.comm.clone(),
                exe: process.exe.as_ref().map(|exe| exe.path.clone()),
                ended: false,
            }),
            TransactionEvent::Spared { process, why, .. } => {
                let trouble = Trouble::Spared {
                    pid: process.pid,
                    comm: process.comm.clone(),
                    because: why.clone(),
                };
                if !self.troubles.contains(&trouble) {
                    self.troubles.push(trouble);
                }
            }
            TransactionEvent::Struck { pid, result, .. } => {
                if let Some(born) = self.born.iter_mut().rev().find(|born| born.pid == *pid) {
                    born.ended = matches!(result, Some(Ok(_)));
                }
            }
            TransactionEvent::Drifted { component, action, why } => self.drifted.push(Drift {
                component: *component,
                action: *action,
                object: self.changes.object(*action),
                why: why.clone(),
            }),
            TransactionEvent::Committed {} => self.commit(at_ms),
            TransactionEvent::StillHeld { path, pid, comm } => {
                let held = Held {
                    path: path.clone(),
                    pid: *pid,
                    comm: comm.clone(),
                };
                if !self.held.contains(&held) {
                    self.held.push(held);
                }
            }
            TransactionEvent::Looked { coverage, .. } => self.coverage.unite(coverage),
            TransactionEvent::Finished { end, stroke_ms, frozen } => {
                self.frozen = *frozen;
                self.contained = *end == End::Held && self.changes.contained(*frozen);
                if *end == End::Struck {
                    self.come_to(Progress::Struck);
                    self.struck = true;
                    self.stroke_ms = Some(self.stroke_ms.unwrap_or(0).saturating_add(*stroke_ms));
                }
                self.end_transaction();
            }
            TransactionEvent::Intent { .. }
            | TransactionEvent::Containing { .. }
            | TransactionEvent::Contained {}
            | TransactionEvent::Outcome { .. }
            | TransactionEvent::Frozen { .. }
            | TransactionEvent::Keeping { .. }
            | TransactionEvent::KeptAll { .. }
            | TransactionEvent::Ready { .. }
            | TransactionEvent::Thawed { .. } => {}
        }
    }

    fn end_transaction(&mut self) {
        self.open = false;
        if self.heard_all {
            self.journal = None;
        }
    }

    fn facts(&self, chain_broken: bool) -> Facts {
        let struck = self.struck || (self.committed && self.changes.any_done());
        let gone_on = struck || self.open;
        let is_apply = self.run.purpose.is_none_or(|purpose| purpose == Purpose::Apply);
        Facts {
            undo: self.undo_state(),
            chain_broken,
            link_down: self.link_down,
            blocked: self.blocked,
            failed: self.failed || (self.frozen > 0 && !self.contained),
            cancelled: self.cancelled || (self.run.cancelled && !self.finished),
            closed: self.closed.is_some(),
            refused: self.refused,
            not_approved: is_apply
                && self.run.approval.is_some()
                && self.changes.any()
                && (!self.changes.any_allowed() || (self.expired && !struck)),
            has_changes: self.changes.any(),
            struck,
            unknown: self.changes.unknown(self.open) || (gone_on && self.changes.none_allowed()),
            drifted: self.changes.drifted(),
            left: self.changes.left() || (struck && self.born.iter().any(|born| !born.ended)),
            contained: self.contained || self.changes.found_contained(),
            seen: match self.returned {
                true => Some(Seen::Returned),
                false => self.verify.as_ref().map(|verify| verify.seen),
            },
            verdict: self.verdict,
        }
    }

    fn undo_state(&self) -> Option<UndoState> {
        let undo = match &self.undo {
            Some(undo) => undo,
            None if self.run.purpose == Some(Purpose::Undo) => return Some(UndoState::Open),
            None => return None,
        };
        if undo.values().any(UndoReport::is_not_back) {
            return Some(UndoState::Failed);
        }
        match undo.values().all(UndoReport::is_back) && !undo.is_empty() {
            true => Some(UndoState::Done),
            false => Some(UndoState::Open),
        }
    }

    /// The account; `journal_trouble` says what of the host's chain does not hold.
    pub(super) fn report(mut self, journal_trouble: Option<String>) -> HostReport {
        let facts = self.facts(journal_trouble.is_some());
        let status = Status::of(&facts);
        self.troubles
            .extend(journal_trouble.map(|why| Trouble::Journal { why }));
        let undone = self.undone();
        let (changes, tally) = match &undone {
            None => (self.changes.report(), self.changes.tally()),
            Some(undone) => (Vec::new(), taken_back(undone)),
        };
        for change in changes.iter().filter(|change| change.state == ChangeState::Excluded) {
            let mut why = json!({"why": "excluded"});
            if let Some(reason) = self.changes.reason(change.action, self.run.approval) {
                why["reason"] = reason.into();
            }
            self.left_alone.push(LeftAlone {
                object: change.object.clone(),
                why,
                brings_back: change.kind == "kill" && self.changes.kills_of(change.component),
            });
        }
        let doors = match &undone {
            None => entry::doors(&self.findings, &self.changes, self.verify.as_ref()),
            Some(_) => Vec::new(),
        };
        let mut stays = Vec::new();
        stays.extend(self.journal.clone().map(|path| Stay::Journal { path }));
        if self.frozen > 0 {
            stays.push(Stay::Frozen { count: self.frozen });
        }
        stays.extend(self.changes.stays());
        let mut gaps = std::mem::take(&mut self.coverage.gaps);
        gaps.sort_by_key(|gap| !gap.why.is_material());
        let is_review = |finding: &&Finding| finding.bearing == Bearing::Review;
        HostReport {
            host: self.host.to_owned(),
            status,
            finished: self.finished,
            progress: self.progress,
            tally,
            kept: count(&self.kept),
            reviews: self.findings.iter().filter(is_review).map(|f| f.id.clone()).collect(),
            times: Times {
                appeared: self.appeared(),
                found_ms: self.found_ms,
                handled_ms: self.handled_ms,
            },
            next: self.next_step(&facts, status),
            findings: self.findings.iter().map(FindingReport::of).collect(),
            identity: self.identity,
            clock: self.clock,
            verdict: self.verdict,
            verify: self.verify,
            stroke_ms: self.stroke_ms,
            rounds: self.rounds,
            not_kept: self.not_kept,
            changes,
            born: self.born,
            drifted: self.drifted,
            left_alone: self.left_alone,
            held: self.held,
            gaps,
            stays,
            refused: self.refused,
            troubles: self.troubles,
            answers: self.answers,
            hand_over: self.hand_over,
            undone: undone.unwrap_or_default(),
            entry: entry::entry(&doors, self.run.way_in),
            doors,
        }
    }

    fn next_step(&self, facts: &Facts, status: Status) -> Option<NextStep> {
        if self.progress == Progress::NotBegun && self.run.purpose == Some(Purpose::Apply) {
            return Some(NextStep::Again);
        }
        let not_after = self.run.approval.map(|approval| approval.not_after_ms);
        match (next_step(facts, status, self.run.purpose)?, self.closed) {
            (NextStep::Apply, _) if self.expired => Some(NextStep::PlanAgain),
            // Nothing is begun by a yes whose time is over.
            (NextStep::Later, Some(opens)) if not_after.is_some_and(|end| opens > end) => Some(NextStep::PlanAgain),
            (NextStep::Apply, _) if self.run.purpose == Some(Purpose::Apply) && !self.changes.any_destroys() => {
                let is_limited = self.left_alone.iter().any(|left| left.why["why"] == "limited");
                Some(match is_limited {
                    true => NextStep::PlanFurther,
                    false => NextStep::PlanRemoval,
                })
            }
            (step, _) => Some(step),
        }
    }

    /// What was to be taken back; `None` where the run takes nothing back.
    fn undone(&self) -> Option<Vec<UndoReport>> {
        match &self.undo {
            Some(undo) => Some(undo.values().cloned().collect()),
            None => (self.run.purpose == Some(Purpose::Undo)).then(Vec::new),
        }
    }

    /// The oldest file that is the intruder's by its own bytes; one with bad lines in it is not.
    fn appeared(&self) -> Option<Appeared> {
        let planned = self.changes.actions().filter_map(|action| match &action.act {
            Act::RemoveFile { file } | Act::RemoveStarter { file, .. } => Some(file),
            _ => None,
        });
        let stated = self.findings.iter().filter_map(|finding| match &finding.artifact {
            Artifact::File { file } if finding.bearing == Bearing::Condemns => Some(file),
            _ => None,
        });
        let oldest = planned.chain(stated).min_by_key(|file| file.mtime_ns)?;
        Some(Appeared {
            mtime_ns: oldest.mtime_ns,
            path: oldest.path.clone(),
        })
    }
}

/// For how long the host was left alone, by what verify says of its quiet.
fn away_ms(findings: &[Finding]) -> u64 {
    let quiet = findings.iter().filter(|finding| finding.bearing == Bearing::Quiet);
    let away = quiet.filter_map(|finding| finding.fields.get("away_ms")?.parse().ok());
    away.min().unwrap_or(0)
}

/// A field of a plan's line, where it is there and in the form that this version knows.
fn field<T: DeserializeOwned>(line: &Value, name: &str) -> Option<T> {
    serde_json::from_value(line.get(name)?.clone()).ok()
}

fn taken_back(undone: &[UndoReport]) -> Tally {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let with = |holds: fn(&UndoReport) -> bool| number(undone.iter().filter(|undo| holds(undo)).count());
    Tally {
        done: with(UndoReport::is_back),
        gone: with(|undo| undo.result == Some(Ok(Done::Gone))),
        of: number(undone.len()),
        excluded: 0,
    }
}

fn count(kept: &[(Digest, u64)]) -> KeptCount {
    let distinct: BTreeSet<&(Digest, u64)> = kept.iter().collect();
    KeptCount {
        items: u32::try_from(kept.len()).unwrap_or(u32::MAX),
        bytes: Wide(distinct.iter().fold(0, |sum, (_, size)| sum.saturating_add(*size))),
    }
}

fn next_step(facts: &Facts, status: Status, purpose: Option<Purpose>) -> Option<NextStep> {
    let unwatched = facts.struck && facts.seen.is_none();
    match status {
        Status::Clean | Status::Eradicated | Status::Undone => None,
        Status::Returned | Status::Drifted | Status::Partial => Some(NextStep::PlanAgain),
        _ if facts.chain_broken => Some(NextStep::PlanAgain),
        _ if facts.undo.is_some() || facts.unknown => Some(NextStep::Resume),
        _ if unwatched => Some(NextStep::Watch),
        Status::Waiting => Some(NextStep::Later),
        Status::NotApproved | Status::Proposed | Status::Contained => Some(NextStep::Apply),
        Status::Suspected => Some(NextStep::Review),
        Status::CannotSay if facts.struck => Some(NextStep::Watch),
        Status::CannotSay if purpose != Some(Purpose::Look) => Some(NextStep::PlanAgain),
        Status::CannotSay | Status::Failed | Status::Blocked | Status::Unreachable | Status::Cancelled => {
            Some(NextStep::Again)
        }
    }
}
