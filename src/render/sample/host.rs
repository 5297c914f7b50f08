//! A host's part of a plan, made by hand: what is proposed gets the copies, freezes and cleared flags that it needs.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::ask::Answered;
use deminer_engine::finding::{Bearing, Finding, FindingId, HostVerdict, Verdict};
use deminer_engine::plan::{
    Around, End, Footprint, HostPlan, Left, LeftAlone, Machine, NearLine, SettleReason, ShownProcess, UndoKind, WhyLeft,
};
use deminer_worker::action::{Act, Action, Object, ProcessTarget};
use deminer_worker::many::many_targets;
use deminer_worker::order::{Birth, Bounds, ComponentOrders, Envelope, HostOrders, Settle};
use deminer_worker::query::{Gap, GapReason};
use deminer_worker::text::{HostBytes, HostPath, Wide};

use super::identity;

/// A host's part of a plan as it grows.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) verdict: Option<HostVerdict>,
    pub(super) end: End,
    pub(super) because: Vec<FindingId>,
    pub(super) findings: Vec<Finding>,
    pub(super) acts: Vec<(u32, Act, FindingId)>,
    pub(super) left: Vec<LeftAlone>,
    pub(super) gaps: Vec<Gap>,
    pub(super) shown: Vec<ShownProcess>,
    pub(super) births: Vec<Birth>,
    /// What stands around the lines of an edit, by the file.
    pub(super) around: BTreeMap<HostPath, Around>,
    /// System calls that its kernel lacks.
    pub(super) without: Vec<String>,
    /// Programs of the host that looking runs.
    pub(super) programs: Vec<Vec<String>>,
    /// What people answered.
    pub(super) answers: Vec<Answered>,
}

impl Host {
    pub(super) fn new(name: &str, verdict: HostVerdict) -> Host {
        Host {
            name: name.to_owned(),
            verdict: Some(verdict),
            end: End::Through {},
            because: Vec::new(),
            findings: Vec::new(),
            acts: Vec::new(),
            left: Vec::new(),
            gaps: Vec::new(),
            shown: Vec::new(),
            births: Vec::new(),
            around: BTreeMap::new(),
            without: Vec::new(),
            programs: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Of this file so many lines, and these near condemned ones.
    pub(super) fn around(mut self, path: &str, lines: u32, near: &[(u32, Option<&str>)]) -> Host {
        let near = near.iter().map(|(number, line)| NearLine {
            number: *number,
            line: line.map(HostBytes::from),
            cut: false,
        });
        let near = near.collect();
        self.around.insert(path.into(), Around { lines, near });
        self
    }

    pub(super) fn end(mut self, end: End) -> Host {
        self.end = end;
        self
    }

    pub(super) fn state(mut self, finding: Finding) -> Host {
        self.findings.push(finding);
        self
    }

    /// The verdict rests on this.
    pub(super) fn rests(mut self, finding: Finding) -> Host {
        self.because.push(finding.id.clone());
        self.state(finding)
    }

    /// Proposes an act because of a finding that condemns its object.
    pub(super) fn act(mut self, component: u32, act: Act, finding: Finding) -> Host {
        self.acts.push((component, act, finding.id.clone()));
        self.state(finding)
    }

    pub(super) fn gap(mut self, subject: &str, object: &str, why: GapReason) -> Host {
        self.gaps.push(Gap {
            subject: subject.to_owned(),
            object: object.into(),
            why,
        });
        self
    }

    pub(super) fn leave(mut self, what: Left, why: WhyLeft) -> Host {
        self.left.push(LeftAlone {
            what,
            why,
            because: Vec::new(),
        });
        self
    }

    pub(super) fn shows(mut self, process: &ProcessTarget, argv: Vec<HostBytes>) -> Host {
        self.shown.push(ShownProcess {
            pid: process.pid,
            start_ticks: process.start_ticks,
            ppid: 1,
            argv_cut: argv.iter().map(HostBytes::len).sum::<usize>() > 1000,
            argv,
            exe_deleted: process.exe_path.as_bytes().starts_with(b"/dev/shm"),
        });
        self
    }

    pub(super) fn birth(mut self, birth: Birth) -> Host {
        self.births.push(birth);
        self
    }

    /// The actions, with the copies, freezes and cleared flags that they need.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions: BTreeMap<_, Action> = BTreeMap::new();
        for (component, act, because) in &self.acts {
            let mut needs = Vec::new();
            for first in preparations(act) {
                let id = first.id(&self.name);
                needs.push(id);
                let prepared = actions.entry(id).or_insert_with(|| Action {
                    id,
                    component: *component,
                    needs: preparations(&first).iter().map(|act| act.id(&self.name)).collect(),
                    act: first,
                    because: Vec::new(),
                });
                prepared.because.push(because.to_string());
                prepared.because.dedup();
            }
            needs.sort();
            let id = act.id(&self.name);
            let action = Action {
                id,
                component: *component,
                act: act.clone(),
                because: vec![because.to_string()],
                needs,
            };
            actions.insert(id, action);
        }
        actions.into_values().collect()
    }

    pub(super) fn plan(self) -> HostPlan {
        let actions = self.actions();
        let needs_own_approval = many_targets(&actions);
        let components: BTreeSet<u32> = actions.iter().map(|action| action.component).collect();
        let timed = actions.iter().find(|action| action.act.kind() == "edit_lines");
        let settle_because = match timed.and_then(|action| action.act.file()) {
            Some(file) => SettleReason::TimedTrigger {
                path: file.path.clone(),
                scheduler: 655,
                comm: "cron".into(),
            },
            None => SettleReason::NoTimedTrigger {},
        };
        let journal = HostPath::from("/var/tmp/.deminer-000102030405060708090a0b0c0d0e0f");
        HostPlan {
            vars: std::collections::BTreeMap::new(),
            secrets: Default::default(),
            end: self.end,
            verdict: self.verdict.map(|host| Verdict {
                host,
                because: self.because,
            }),
            machine: Machine {
                system: "linux".to_owned(),
                distribution: "Debian GNU/Linux 12 (bookworm)".to_owned(),
                kernel: "6.1.0-28-amd64".to_owned(),
                architecture: "x86_64".to_owned(),
                cpus: 4,
                without: self.without,
                clock: None,
            },
            review: self
                .findings
                .iter()
                .filter(|finding| finding.bearing == Bearing::Review)
                .map(|finding| finding.id.clone())
                .collect(),
            findings: self.findings,
            more_findings: 0,
            answers: self.answers,
            left_alone: self.left,
            gaps: self.gaps,
            more_gaps: 0,
            processes: self.shown,
            around: actions
                .iter()
                .filter(|action| matches!(action.act, Act::EditLines { .. }))
                .filter_map(|action| Some((action.id, self.around.get(&action.act.file()?.path)?.clone())))
                .collect(),
            undo: actions
                .iter()
                .map(|action| (action.id, UndoKind::of(&action.act)))
                .collect(),
            settle_because,
            many_targets: !needs_own_approval.is_empty(),
            needs_own_approval,
            footprint: Footprint {
                processes: if actions.is_empty() { 0 } else { 2 },
                directories: if actions.is_empty() {
                    Vec::new()
                } else {
                    vec![journal.clone()]
                },
                bytes: Wide(if actions.is_empty() { 0 } else { 65 << 20 }),
                programs: self.programs,
                tables: BTreeMap::new(),
                sent: None,
            },
            results: BTreeMap::new(),
            orders: HostOrders {
                identity: identity(&self.name),
                looked_ms: Wide(0),
                host: self.name,
                components: components
                    .into_iter()
                    .map(|id| {
                        let kills = |(of, act, _): &(u32, Act, FindingId)| *of == id && matches!(act, Act::Kill { .. });
                        let births = match self.acts.iter().any(kills) {
                            true => self.births.clone(),
                            false => Vec::new(),
                        };
                        let max_births = if births.is_empty() { 0 } else { 8 };
                        ComponentOrders {
                            id,
                            envelope: Envelope { births, max_births },
                        }
                    })
                    .collect(),
                actions,
                protect: Vec::new(),
                spare: Vec::new(),
                overrides: BTreeMap::new(),
                journal,
                settle: if timed_settle(&self.acts) {
                    Settle::NextMinute
                } else {
                    Settle::AtOnce
                },
                bounds: Bounds::default(),
            },
        }
    }
}

fn timed_settle(acts: &[(u32, Act, FindingId)]) -> bool {
    acts.iter().any(|(_, act, _)| act.kind() == "edit_lines")
}

fn preparations(act: &Act) -> Vec<Act> {
    match act {
        Act::Kill { process } => vec![
            Act::Freeze {
                process: process.clone(),
            },
            Act::Keep {
                object: Object::Process {
                    process: process.clone(),
                },
            },
        ],
        Act::ClearFlags { file, .. }
        | Act::RemoveFile { file }
        | Act::EditLines { file, .. }
        | Act::RemoveStarter { file, .. } => {
            let keep = Act::Keep {
                object: Object::File { file: file.clone() },
            };
            let held = file.flags.unwrap_or(0) & 0x30;
            let clears = matches!(act, Act::ClearFlags { .. }) || held == 0;
            let clear = (!clears).then(|| Act::ClearFlags {
                file: file.clone(),
                flags: held,
            });
            std::iter::once(keep).chain(clear).collect()
        }
        _ => Vec::new(),
    }
}
