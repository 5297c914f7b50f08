//! Runs that never happened, as the chains that their journals would have been.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::event::{Event, EventKind, Purpose, Reconciled, Seen};
use deminer_engine::finding::{Artifact, Bearing, Finding, HostVerdict};
use deminer_engine::journal::{Chain, ChainEnd};
use deminer_engine::plan::{HostPlan, Plan};
use deminer_engine::report::Report;
use deminer_worker::action::{Act, Action, Done, Effect, Scheduling, Undo};
use deminer_worker::frame::{End, EvidenceItem, Outcome, Part, TransactionEvent};
use deminer_worker::order::Approval;
use deminer_worker::query::{CommandEnd, Coverage, GapReason, HostError};
use deminer_worker::shadow::Former;
use deminer_worker::text::{Digest, HostBytes, Wide};

use super::{AT, MINUTE, identity};

const RUN: &str = "20261114-0244-7c1e";
const JOURNAL: &str = "/var/tmp/.deminer-000102030405060708090a0b0c0d0e0f";

/// The clock, a tenth of a second an event.
const STEP: u64 = 100;

/// A run that applies a plan, told event by event.
pub(crate) struct Night {
    plan: Plan,
    purpose: Purpose,
    run: Vec<EventKind>,
    hosts: BTreeMap<String, Vec<EventKind>>,
}

impl Night {
    pub(crate) fn of(plan: Plan) -> Night {
        Night {
            plan,
            purpose: Purpose::Apply,
            run: Vec::new(),
            hosts: BTreeMap::new(),
        }
    }

    fn host(&self, host: &str) -> &HostPlan {
        self.plan.host(host).expect("a host of the plan")
    }

    /// The actions of a host of these kinds, in the plan's order.
    pub(crate) fn actions(&self, host: &str, kinds: &[&str]) -> Vec<Action> {
        let actions = self.host(host).orders.actions.iter();
        actions
            .filter(|action| kinds.contains(&action.act.kind()))
            .cloned()
            .collect()
    }

    pub(crate) fn tell(mut self, host: &str, kind: EventKind) -> Night {
        self.hosts.entry(host.to_owned()).or_default().push(kind);
        self
    }

    pub(crate) fn told(self, host: &str, event: TransactionEvent) -> Night {
        self.tell(host, EventKind::Told { round: 1, event })
    }

    pub(crate) fn run_event(mut self, kind: EventKind) -> Night {
        self.run.push(kind);
        self
    }

    pub(crate) fn planned(self, host: &str) -> Night {
        let line = self.plan.line(host).expect("a host of the plan");
        let line = serde_json::from_str(line).expect("a plan's line is JSON");
        let sha256 = self.plan.host_hash(host).expect("a host of the plan");
        let looked_at_ms = Some(Wide(AT));
        self.tell(
            host,
            EventKind::Planned {
                line,
                sha256,
                looked_at_ms,
            },
        )
    }

    /// All that comes before the commit.
    pub(crate) fn ready(self, host: &str) -> Night {
        let mut night = self.planned(host).tell(
            host,
            EventKind::Reached {
                identity: identity(host),
                host_key: None,
                clock: None,
            },
        );
        night = night.told(host, TransactionEvent::Started {});
        for keep in night.actions(host, &["keep"]) {
            let path = keep.act.file().map(|file| file.path.clone());
            let path = path
                .or_else(|| Some(keep.act.process()?.exe_path.clone()))
                .expect("a file or a process");
            let sha256 = Digest::of(path.as_bytes());
            let item = EvidenceItem {
                action: Some(keep.id),
                part: if keep.act.file().is_some() {
                    Part::Content
                } else {
                    Part::Exe
                },
                path,
                process: keep.act.process().map(|process| (process.pid, process.start_ticks)),
                expected: None,
            };
            let size = Wide(1_400_000);
            night = night.tell(host, EventKind::Stored { item, sha256, size });
        }
        for freeze in night.actions(host, &["freeze"]) {
            let process = freeze.act.process().expect("a freeze has a process");
            let event = TransactionEvent::Frozen {
                action: Some(freeze.id),
                pid: process.pid,
                start_ticks: process.start_ticks,
            };
            night = night.told(host, event);
        }
        let actions = night.changes(host).iter().map(|action| action.id).collect();
        night.told(
            host,
            TransactionEvent::Ready {
                frozen_ms: 400,
                actions,
            },
        )
    }

    pub(crate) fn commit(self, host: &str) -> Night {
        let journal = JOURNAL.to_owned();
        self.tell(host, EventKind::Committed { round: 1, journal })
            .told(host, TransactionEvent::Committed {})
    }

    pub(crate) fn outcome(self, host: &str, action: &Action, outcome: Outcome) -> Night {
        let action = action.id;
        self.told(host, TransactionEvent::Intent { action })
            .told(host, TransactionEvent::Outcome { action, outcome })
    }

    /// All changes of a host, in the order of the stroke.
    fn changes(&self, host: &str) -> Vec<Action> {
        let actions = self.host(host).orders.actions.iter();
        let mut changes: Vec<Action> = actions.filter(|action| action.act.is_change()).cloned().collect();
        changes.sort_by_key(|action| super::super::plan::place_in_stroke(action.act.kind()));
        changes
    }

    pub(crate) fn done_all(self, host: &str) -> Night {
        let actions = self.changes(host);
        actions.iter().fold(self, |night, action| {
            let undo = match &action.act {
                Act::RemoveFile { file } => Undo::RestoreFile { file: file.clone() },
                Act::EditLines { file, remove, .. } => Undo::RestoreLines {
                    file: file.clone(),
                    lines: remove.clone(),
                },
                Act::ClearFlags { file, flags } => Undo::SetFlags {
                    file: file.clone(),
                    flags: *flags,
                },
                Act::RemoveStarter { file, .. } => Undo::RestoreStarter { file: file.clone() },
                Act::RemoveLink { link } => Undo::RestoreLink { link: link.clone() },
                Act::LockAccount { account } => Undo::UnlockAccount {
                    account: account.clone(),
                    former: Former {
                        marked: true,
                        expires: None,
                        added: false,
                        moved: None,
                    },
                },
                Act::BlockAddress { address, .. } => Undo::Unblock {
                    address: address.clone(),
                    was_until_ms: None,
                },
                Act::Isolate { .. } => Undo::EndIsolation { was_until_ms: None },
                Act::Throttle { process } => Undo::Unthrottle {
                    process: Box::new(process.clone()),
                    former: Scheduling::Group {
                        group: "/sys/fs/cgroup/deminer".into(),
                    },
                },
                Act::RunArgv {
                    program,
                    timeout_ms,
                    undo: Some(argv),
                    ..
                } => Undo::RunArgv {
                    program: program.clone(),
                    argv: argv.clone(),
                    timeout_ms: *timeout_ms,
                },
                _ => Undo::None,
            };
            let done = match &action.act {
                Act::RunArgv { .. } => Done::Ran {
                    end: CommandEnd::Exited { code: 0 },
                    stdout: HostBytes::default(),
                    stderr: HostBytes::default(),
                    cut: false,
                    undo: Box::new(undo),
                },
                _ => Done::Changed { undo },
            };
            night.outcome(host, action, Outcome::Done { done })
        })
    }

    pub(crate) fn struck(self, host: &str) -> Night {
        self.told(
            host,
            TransactionEvent::Finished {
                end: End::Struck,
                stroke_ms: 1_900,
                frozen: 0,
            },
        )
    }

    pub(crate) fn all_done(self, host: &str) -> Night {
        self.ready(host).commit(host).done_all(host).struck(host)
    }

    pub(crate) fn watched(self, host: &str, seen: Seen, covered_ms: u64) -> Night {
        let artifact = Artifact::Host {};
        let findings = match seen {
            Seen::Returned => vec![
                Finding::new(
                    artifact,
                    "executable_runs",
                    Bearing::Returned,
                    "pid {pid} `{comm}` runs the condemned {sha256}",
                )
                .field("pid", 6120)
                .field("comm", "cron")
                .field("sha256", "3f1a9c07e2b4d815"),
            ],
            _ => Vec::new(),
        };
        self.tell(
            host,
            EventKind::Verified {
                seen,
                window_ms: 10 * MINUTE,
                covered_ms,
                findings,
                coverage: Coverage::whole(),
            },
        )
        .finish(host)
    }

    pub(crate) fn finish(self, host: &str) -> Night {
        self.tell(host, EventKind::HostFinished {})
    }

    pub(crate) fn report(self) -> Report {
        Report::from_events(&self.chains())
    }

    /// All events, the run's own first, as a sink gets them.
    pub(crate) fn events(&self) -> Vec<(Option<String>, EventKind)> {
        let is_apply = self.purpose == Purpose::Apply;
        let names: Vec<String> = self.plan.hosts().map(|host| host.orders.host.clone()).collect();
        let mut events = vec![(
            None,
            EventKind::RunStarted {
                version: "0.1.0".to_owned(),
                playbook: "linux-miner 1".to_owned(),
                purpose: self.purpose,
                plan: is_apply.then(|| self.plan.hash()),
                hosts: names.clone(),
            },
        )];
        let hashes = names.into_iter().filter_map(|name| {
            let hash = self.plan.host_hash(&name)?;
            Some((name, hash))
        });
        let approval = Approval {
            format: 1,
            plan: self.plan.hash(),
            hosts: hashes.collect(),
            classes: [Effect::Preserve, Effect::Contain, Effect::Destroy].into(),
            excluded: BTreeSet::new(),
            many: BTreeMap::new(),
            reasons: BTreeMap::new(),
            approver: "ops".to_owned(),
            means: "command line".to_owned(),
            at_ms: Wide(AT + 3 * MINUTE),
            not_after_ms: Wide(AT + 45 * MINUTE),
        };
        if is_apply {
            events.push((
                None,
                EventKind::Approved {
                    approval,
                    signed: Vec::new(),
                    lists: BTreeMap::new(),
                },
            ));
        }
        for (host, kinds) in &self.hosts {
            events.extend(kinds.iter().map(|kind| (Some(host.clone()), kind.clone())));
        }
        events.extend(self.run.iter().map(|kind| (None, kind.clone())));
        events
    }

    pub(crate) fn chains(&self) -> Vec<Chain> {
        let mut chains: BTreeMap<Option<String>, Vec<Event>> = BTreeMap::new();
        for (at, (host, kind)) in self.events().into_iter().enumerate() {
            let events = chains.entry(host.clone()).or_default();
            events.push(Event {
                seq: Wide(events.len() as u64 + 1),
                at_ms: Wide(AT + 3 * MINUTE + at as u64 * STEP),
                run: RUN.to_owned(),
                host,
                kind,
            });
        }
        let chains = chains.into_iter().map(|(host, events)| Chain {
            run: Some(RUN.to_owned()),
            skipped: 0,
            lines: events.len() as u64,
            head: Digest::of(format!("{host:?}").as_bytes()),
            end: ChainEnd::Whole,
            host,
            events,
        });
        chains.collect()
    }

    /// The night that goes well.
    pub(crate) fn good() -> Night {
        Night::of(super::plan())
            .planned("db-1")
            .finish("db-1")
            .all_done("web-1")
            .watched("web-1", Seen::Clean, 10 * MINUTE)
            .all_done("web-2")
            .watched("web-2", Seen::Clean, 10 * MINUTE)
            .run_event(EventKind::RunFinished {})
    }

    /// Every kind of act, done.
    pub(crate) fn of_all_acts() -> Night {
        Night::of(super::acts_plan())
            .all_done("app-1")
            .watched("app-1", Seen::Clean, 10 * MINUTE)
            .run_event(EventKind::RunFinished {})
    }

    /// Of an incident of which something was told.
    pub(crate) fn of_an_incident() -> Night {
        let mut night = Night::of(super::told_plan())
            .all_done("web-2")
            .watched("web-2", Seen::Clean, 10 * MINUTE)
            .planned("ci-1")
            .finish("ci-1")
            .run_event(EventKind::RunFinished {});
        night.run.insert(
            0,
            EventKind::Given {
                vars: super::incident(),
            },
        );
        night
    }

    /// A worse one: web-1 is lost after its commit, web-2 drifts in part and the miner returns.
    pub(crate) fn worse() -> Night {
        let night = Night::of(super::plan());
        let edit = night.actions("web-2", &["edit_lines"]).remove(0);
        let removal = night.actions("web-2", &["remove_file"]).remove(0);
        let lost = HostError::Lost {
            why: "the connection ended".to_owned(),
        };
        night
            .planned("db-1")
            .finish("db-1")
            .ready("web-1")
            .commit("web-1")
            .tell("web-1", EventKind::Lost { why: lost })
            .ready("web-2")
            .told(
                "web-2",
                TransactionEvent::Drifted {
                    component: 1,
                    action: edit.id,
                    why: HostError::Changed {
                        doing: "edit `/var/spool/cron/crontabs/deploy`".to_owned(),
                        expected: "sha256 9be2c0d41f7703aa, 412 bytes".to_owned(),
                        found: "sha256 e07a55d0c91b8e64, 418 bytes".to_owned(),
                    },
                },
            )
            .commit("web-2")
            .outcome("web-2", &edit, Outcome::Drifted)
            .outcome("web-2", &removal, Outcome::Skipped { needs: edit.id })
            .struck("web-2")
            .watched("web-2", Seen::Returned, 400_000)
            .run_event(EventKind::RunFinished {})
    }

    /// Killed after the commit, taken up again, found by looking.
    pub(crate) fn reconciled() -> Night {
        let night = Night::of(super::plan());
        let kills = night.actions("web-2", &["kill"]);
        let removal = night.actions("web-2", &["remove_file"]).remove(0);
        let edit = night.actions("web-2", &["edit_lines"]).remove(0);
        let shown = |action: &Action, state| EventKind::Reconciled {
            action: action.id,
            state,
        };
        let why = "the directory cannot be read".to_owned();
        night
            .ready("web-2")
            .commit("web-2")
            .told("web-2", TransactionEvent::Intent { action: edit.id })
            .tell("web-2", EventKind::Resumed { torn_bytes: Wide(17) })
            .tell(
                "web-2",
                shown(
                    &edit,
                    Reconciled::Done {
                        testimony: Some(Done::Gone),
                    },
                ),
            )
            .tell("web-2", shown(&kills[0], Reconciled::Done { testimony: None }))
            .tell("web-2", shown(&removal, Reconciled::Unknown { why }))
            .finish("web-2")
    }

    /// Refused before the commit, by a host that writes what it likes.
    pub(crate) fn hostile() -> Night {
        let night = Night::of(super::hostile_plan());
        let why = HostError::Failed {
            doing: "read `/tmp/\x1b[2J\u{202e}`".to_owned(),
            why: "{{ 7*7 }} | [x](http://evil.example/) <b> @ops\n# no".repeat(4_000),
        };
        night
            .ready("web-1")
            .tell(
                "web-1",
                EventKind::HostFailed {
                    place: "verify.quiet\x07".to_owned(),
                    why: "`|`".to_owned(),
                },
            )
            .tell("web-1", EventKind::Lost { why })
            .finish("web-1")
            .run_event(EventKind::RunFinished {})
    }

    /// A look that only suspects.
    pub(crate) fn look() -> Night {
        let mut coverage = Coverage::whole();
        coverage.note("directory", "/srv/share", GapReason::Unsupported);
        let looked = |verdict, findings, coverage: &Coverage| EventKind::Looked {
            verdict: Some(verdict),
            findings,
            coverage: coverage.clone(),
        };
        let host = super::suspected("ci-1").plan();
        let mut night = Night::of(super::idle_plan());
        night.purpose = Purpose::Look;
        for name in ["new-1", "nfs-1", "old-1"] {
            let why = HostError::TimedOut {
                doing: "connect".to_owned(),
                limit_ms: 30_000,
            };
            night = night.tell(name, EventKind::NotReached { why }).finish(name);
        }
        night
            .tell("ci-1", looked(HostVerdict::Suspected, host.findings, &coverage))
            .finish("ci-1")
            .tell("db-1", looked(HostVerdict::Clean, Vec::new(), &Coverage::whole()))
            .finish("db-1")
            .run_event(EventKind::RunFinished {})
    }

    /// Ended by a refusal: nothing was changed.
    pub(crate) fn refused() -> Night {
        let why = "no commit within 10000 ms".to_owned();
        let kind = deminer_worker::frame::RefusalKind::NoCommit;
        Night::of(super::plan())
            .ready("web-1")
            .told("web-1", TransactionEvent::Refused { why, kind })
            .finish("web-1")
            .planned("web-2")
            .finish("web-2")
            .planned("db-1")
            .finish("db-1")
            .run_event(EventKind::RunFinished {})
    }
}
