//! Runs that never happened, told event by event and written by the real journals.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use deminer_engine::event::{EventKind, Purpose, Reconciled, Seen};
use deminer_engine::finding::{Artifact, Bearing, Finding, HostVerdict};
use deminer_engine::journal::Journals;
use deminer_engine::report::Report;
use deminer_engine::run::RunDir;
use deminer_worker::action::{
    Act, Action, ActionId, Done, Effect, FileTarget, LineTarget, Object, ProcessTarget, Role, Undo,
};
use deminer_worker::frame::{End, EvidenceItem, Outcome, Part, RefusalKind, TransactionEvent};
use deminer_worker::order::{Approval, Bounds, ComponentOrders, Envelope, HostOrders, Settle};
use deminer_worker::query::{Coverage, FileId, GapReason, HostError, HostIdentity};
use deminer_worker::text::{Digest, HostBytes, Wide};
use serde_json::{Value, json};
use tempfile::TempDir;

/// 2026-11-14 02:44:50 UTC.
pub(crate) const AT: u64 = 1_794_624_290_000;
const MINUTE: u64 = 60_000;
const PLAN: &str = "7c1e4b90d2a855f3";
pub(crate) const JOURNAL: &str = "/run/.deminer-000102030405060708090a0b0c0d0e0f";

pub(crate) fn wide(number: u64) -> Wide {
    Wide(number)
}

fn identity(host: &str) -> HostIdentity {
    HostIdentity {
        machine_id: Some("8f0c".to_owned()),
        boot_id: "b1".to_owned(),
        hostname: HostBytes::from(host),
        pid_namespace: Wide(4_026_531_836),
    }
}

fn process(pid: u32, role: Role) -> ProcessTarget {
    ProcessTarget {
        boot_id: "b1".to_owned(),
        pid,
        start_ticks: Wide(81_200 + u64::from(pid)),
        exe: FileId {
            dev: Wide(2),
            inode: Wide(77),
        },
        exe_path: "/dev/shm/.k/kw".into(),
        exe_sha256: Digest::of(b"kw"),
        exe_size: Wide(2_900_000),
        argv_sha256: Digest::of(b"argv"),
        uid: 1000,
        comm: "kworker/u8:3".into(),
        role,
    }
}

fn file(path: &str, inode: u64, mtime_ms: u64) -> FileTarget {
    FileTarget {
        mount: "/".into(),
        path: path.into(),
        id: FileId {
            dev: Wide(1),
            inode: Wide(inode),
        },
        size: Wide(412),
        ctime_ns: Wide(mtime_ms * 1_000_000),
        mtime_ns: Wide(mtime_ms * 1_000_000),
        sha256: Digest::of(path.as_bytes()),
        mode: 0o600,
        uid: 1000,
        gid: 1000,
        flags: None,
        links: 1,
        xattrs: Vec::new(),
    }
}

fn kill(pid: u32, role: Role) -> Act {
    Act::Kill {
        process: process(pid, role),
    }
}

fn edit() -> Act {
    Act::EditLines {
        file: file("/var/spool/cron/crontabs/deploy", 131_077, AT - 90_000_000_000),
        remove: vec![LineTarget {
            number: 3,
            line: "*/5 * * * * /usr/local/lib/.sysd/sysd -q".into(),
            mark: "/usr/local/lib/.sysd/sysd".into(),
        }],
        syntax: None,
    }
}

fn finding() -> Finding {
    Finding::new(
        Artifact::Process {
            process: process(4242, Role::Miner),
        },
        "xmrig_options",
        Bearing::Condemns,
        "{count} XMRig options in its arguments",
    )
    .field("count", 6)
    .weighs(40)
    .by_rule("rules/linux.yml:58")
    .rests_on("/proc/4242/cmdline", None)
}

fn review() -> Finding {
    let artifact = Artifact::File {
        file: file("/opt/odd", 9, AT - 70_000_000_000),
    };
    Finding::new(artifact, "odd_name", Bearing::Review, "an odd name")
}

/// The four changes of an infected host: two processes in component 1, a file and a line in component 2; each process is
/// frozen and kept first.
pub(crate) fn changes(host: &str) -> Vec<Action> {
    let acts = [
        (
            1,
            Act::Freeze {
                process: process(4237, Role::Guardian),
            },
        ),
        (
            1,
            Act::Freeze {
                process: process(4242, Role::Miner),
            },
        ),
        (1, kill(4237, Role::Guardian)),
        (1, kill(4242, Role::Miner)),
        (
            2,
            Act::Keep {
                object: Object::File {
                    file: file("/var/tmp/. /watch", 12, AT - 171_000_000),
                },
            },
        ),
        (
            2,
            Act::RemoveFile {
                file: file("/var/tmp/. /watch", 12, AT - 171_000_000),
            },
        ),
        (2, edit()),
    ];
    let actions = acts.map(|(component, act)| Action {
        id: act.id(host),
        component,
        act,
        because: vec![finding().id.to_string()],
        needs: Vec::new(),
    });
    actions.to_vec()
}

fn plan_line(host: &str, actions: Vec<Action>, verdict: HostVerdict) -> Value {
    let orders = HostOrders {
        host: host.to_owned(),
        identity: identity(host),
        looked_ms: Wide(0),
        components: [1, 2]
            .map(|id| ComponentOrders {
                id,
                envelope: Envelope {
                    births: Vec::new(),
                    max_births: 8,
                },
            })
            .to_vec(),
        actions,
        protect: Vec::new(),
        spare: Vec::new(),
        overrides: BTreeMap::new(),
        journal: JOURNAL.into(),
        settle: Settle::NextMinute,
        bounds: Bounds::default(),
    };
    let mut line = serde_json::to_value(orders).expect("orders are JSON");
    line["verdict"] = json!({"host": verdict, "because": []});
    if verdict == HostVerdict::Infected {
        line["findings"] = json!([finding(), review()]);
        line["left_alone"] = json!([{
            "what": {"left": "directory", "path": "/var/tmp/.\\x20"},
            "why": {"why": "protected", "rule": "directory"},
            "because": [],
        }]);
    }
    let mut coverage = Coverage::whole();
    coverage.note("process", "9120", GapReason::Gone);
    coverage.note("directory", "/srv/share", GapReason::Unsupported);
    line["gaps"] = json!(coverage.gaps);
    line
}

/// A run, told event by event.
pub(crate) struct Night {
    purpose: Purpose,
    hosts: Vec<String>,
    run: Vec<EventKind>,
    chains: BTreeMap<String, Vec<EventKind>>,
    excluded: BTreeSet<ActionId>,
}

impl Night {
    pub(crate) fn of(purpose: Purpose, hosts: &[&str]) -> Night {
        Night {
            purpose,
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            run: Vec::new(),
            chains: BTreeMap::new(),
            excluded: BTreeSet::new(),
        }
    }

    pub(crate) fn apply(hosts: &[&str]) -> Night {
        Night::of(Purpose::Apply, hosts)
    }

    pub(crate) fn tell(mut self, host: &str, kind: EventKind) -> Night {
        self.chains.entry(host.to_owned()).or_default().push(kind);
        self
    }

    pub(crate) fn told(self, host: &str, event: TransactionEvent) -> Night {
        self.tell(host, EventKind::Told { round: 1, event })
    }

    pub(crate) fn exclude(mut self, id: ActionId) -> Night {
        self.excluded.insert(id);
        self
    }

    pub(crate) fn end_run(mut self) -> Night {
        self.run.push(EventKind::RunFinished {});
        self
    }

    pub(crate) fn run_event(mut self, kind: EventKind) -> Night {
        self.run.push(kind);
        self
    }

    pub(crate) fn planned(self, host: &str, actions: Vec<Action>, verdict: HostVerdict) -> Night {
        let line = plan_line(host, actions, verdict);
        let sha256 = Digest::of(line.to_string().as_bytes());
        self.tell(
            host,
            EventKind::Planned {
                line,
                sha256,
                looked_at_ms: Some(Wide(AT - 4 * MINUTE)),
            },
        )
    }

    /// Planned, reached, frozen and kept: all that comes before the commit.
    pub(crate) fn ready(self, host: &str) -> Night {
        let actions = changes(host);
        let item = EvidenceItem {
            action: Some(actions[4].id),
            part: Part::Content,
            path: "/var/tmp/. /watch".into(),
            process: None,
            expected: None,
        };
        self.planned(host, actions.clone(), HostVerdict::Infected)
            .tell(
                host,
                EventKind::Reached {
                    identity: identity(host),
                    host_key: None,
                    clock: None,
                },
            )
            .told(host, TransactionEvent::Started {})
            .frozen(host, &actions[0], 4237)
            .frozen(host, &actions[1], 4242)
            .tell(
                host,
                EventKind::Stored {
                    item: item.clone(),
                    sha256: Digest::of(b"watch"),
                    size: Wide(412),
                },
            )
            .told(
                host,
                TransactionEvent::NotKept {
                    item: EvidenceItem {
                        part: Part::Maps,
                        ..item
                    },
                    why: HostError::Gone {
                        doing: "read `/proc/4242/maps`".to_owned(),
                    },
                },
            )
    }

    fn frozen(self, host: &str, action: &Action, pid: u32) -> Night {
        let start_ticks = Wide(81_200 + u64::from(pid));
        let action = Some(action.id);
        self.told(
            host,
            TransactionEvent::Frozen {
                action,
                pid,
                start_ticks,
            },
        )
    }

    pub(crate) fn commit(self, host: &str) -> Night {
        self.tell(
            host,
            EventKind::Committed {
                round: 1,
                journal: JOURNAL.to_owned(),
            },
        )
        .told(host, TransactionEvent::Committed {})
    }

    pub(crate) fn act(self, host: &str, action: &Action) -> Night {
        let undo = match &action.act {
            Act::RemoveFile { file } => Undo::RestoreFile { file: file.clone() },
            Act::EditLines {
                file,
                remove,
                syntax: None,
            } => Undo::RestoreLines {
                file: file.clone(),
                lines: remove.clone(),
            },
            _ => Undo::None,
        };
        let outcome = Outcome::Done {
            done: Done::Changed { undo },
        };
        self.outcome(host, action, outcome)
    }

    pub(crate) fn outcome(self, host: &str, action: &Action, outcome: Outcome) -> Night {
        self.told(host, TransactionEvent::Intent { action: action.id }).told(
            host,
            TransactionEvent::Outcome {
                action: action.id,
                outcome,
            },
        )
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

    /// All four changes and the end of the stroke.
    pub(crate) fn all_done(self, host: &str) -> Night {
        let changes = changes(host);
        let night = [6, 2, 3, 5]
            .into_iter()
            .fold(self, |night, at| night.act(host, &changes[at]));
        night.struck(host)
    }

    pub(crate) fn verified(self, host: &str, seen: Seen, covered_ms: u64) -> Night {
        let findings = match seen {
            Seen::Returned => {
                vec![
                    Finding::new(
                        Artifact::Host {},
                        "runs_again",
                        Bearing::Returned,
                        "pid {pid} runs it again",
                    )
                    .field("pid", 6120),
                ]
            }
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
    }

    pub(crate) fn watched(self, host: &str, seen: Seen) -> Night {
        self.verified(host, seen, 10 * MINUTE).finish(host)
    }

    pub(crate) fn finish(self, host: &str) -> Night {
        self.tell(host, EventKind::HostFinished {})
    }

    pub(crate) fn lost(self, host: &str) -> Night {
        let why = HostError::Lost {
            why: "the link ended".to_owned(),
        };
        self.tell(host, EventKind::Lost { why })
    }

    pub(crate) fn refused(self, host: &str, kind: RefusalKind) -> Night {
        let why = "as the test wants it".to_owned();
        self.told(host, TransactionEvent::Refused { why, kind })
    }

    pub(crate) fn reconciled(self, host: &str, action: &Action, state: Reconciled) -> Night {
        let action = action.id;
        self.tell(host, EventKind::Reconciled { action, state })
    }

    /// Writes it down as a run does.
    pub(crate) fn write(self) -> Written {
        let runs = tempfile::tempdir().expect("a directory for the run");
        let run = RunDir::create(runs.path(), AT, PLAN).expect("a fresh run");
        let now = AtomicU64::new(AT);
        let clock = Arc::new(move || now.fetch_add(100, Ordering::Relaxed));
        let journals = Journals::create(&run.journal(), run.id().as_str(), clock).expect("fresh journals");
        let is_apply = self.purpose == Purpose::Apply;
        let started = EventKind::RunStarted {
            version: "0.1.0".to_owned(),
            playbook: "linux-miner 1".to_owned(),
            purpose: self.purpose,
            plan: is_apply.then(|| Digest::of(b"plan")),
            hosts: self.hosts.clone(),
        };
        journals.record(None, started).expect("a writable journal");
        if is_apply {
            let approved = self.hosts.iter().filter(|host| *host != "left-out");
            let approval = Approval {
                many: std::collections::BTreeMap::new(),
                reasons: std::collections::BTreeMap::new(),
                format: 1,
                plan: Digest::of(b"plan"),
                hosts: approved
                    .map(|host| (host.clone(), Digest::of(host.as_bytes())))
                    .collect(),
                classes: [Effect::Preserve, Effect::Contain, Effect::Destroy].into(),
                excluded: self.excluded,
                approver: "ops".to_owned(),
                means: "terminal".to_owned(),
                at_ms: Wide(AT),
                not_after_ms: Wide(AT + 45 * MINUTE),
            };
            journals
                .record(
                    None,
                    EventKind::Approved {
                        approval,
                        signed: Vec::new(),
                        lists: BTreeMap::new(),
                    },
                )
                .expect("a writable journal");
        }
        for (host, events) in self.chains {
            for kind in events {
                journals.record(Some(&host), kind).expect("a writable journal");
            }
        }
        for kind in self.run {
            journals.record(None, kind).expect("a writable journal");
        }
        Written { _runs: runs, run }
    }

    pub(crate) fn report(self) -> Report {
        self.write().report()
    }
}

/// A run on disk.
pub(crate) struct Written {
    _runs: TempDir,
    pub(crate) run: RunDir,
}

impl Written {
    pub(crate) fn report(&self) -> Report {
        Report::from_events(&self.run.chains().expect("readable journals"))
    }

    /// The journals' files.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.run.journal()).expect("a journal directory");
        entries.map(|entry| entry.expect("a readable entry").path()).collect()
    }
}
