//! The command on the simulated host: it applies the plan and may be killed, the next one settles what it left, and goes on.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deminer_engine::apply::{Apply, Keeping, Task};
use deminer_engine::approval::ApprovedPlan;
use deminer_engine::ask::Nobody;
use deminer_engine::event::{EventKind, EventSink, Purpose, SinkError};
use deminer_engine::fleet::Turn;
use deminer_engine::host::Transport;
use deminer_engine::journal::Journals;
use deminer_engine::look::{Clock, Outputs, RunInfo};
use deminer_engine::policy::Limits;
use deminer_engine::reconcile::reconcile;
use deminer_engine::report::Report;
use deminer_engine::resume;
use deminer_engine::run::RunDir;
use deminer_engine::vault::Vault;
use deminer_worker::order::Stage;

use crate::host::Way;
use crate::moment::Side;
use crate::plan::{HOST, NOW_MS, playbook};
use crate::wire::ControllerKilled;

fn clock() -> Clock {
    Arc::new(|| NOW_MS)
}

/// The journals of a run, each line between two moments of the controller.
struct Noted {
    journals: Journals,
    way: Arc<Way>,
}

impl EventSink for Noted {
    fn record(&mut self, host: Option<&str>, kind: EventKind) -> Result<(), SinkError> {
        // Before the first contact nothing of the host can be lost.
        let Some(wire) = self.way.wire() else {
            return self.journals.record(host, kind);
        };
        let what: String = serde_json::to_string(&kind).unwrap_or_default();
        let what: String = what.chars().take(90).collect();
        wire.at_journal(Side::Before, &what);
        let recorded = self.journals.record(host, kind);
        wire.at_journal(Side::After, &what);
        recorded
    }
}

/// Runs something to its end, or until the controller is killed; its clock goes on only where nobody has anything to do.
fn to_the_end<T: Send + 'static>(way: &Arc<Way>, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let is_dead = || way.wire().is_some_and(|wire| wire.is_controller_dead());
    let ended = runtime.block_on(async {
        let mut work = tokio::spawn(work);
        loop {
            tokio::select! {
                biased;
                ended = &mut work => return Some(ended),
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
            }
            if is_dead() {
                return None;
            }
        }
    });
    drop(runtime);
    way.end();
    match ended? {
        Ok(ended) => Some(ended),
        Err(error) => {
            let panic = error.into_panic();
            match panic.is::<ControllerKilled>() {
                true => None,
                false => resume_unwind(panic),
            }
        }
    }
}

/// A run that was begun.
pub(crate) struct Run {
    pub(crate) dir: RunDir,
    approved: ApprovedPlan,
}

impl Run {
    /// Begins one, as `apply` does before it reaches a host.
    pub(crate) fn begin(runs: &Path, approved: &ApprovedPlan) -> Run {
        let plan = approved.plan();
        let dir = RunDir::create(runs, NOW_MS, &plan.hash().to_string()).expect("a directory");
        dir.write_plan(&plan.write()).expect("a disk");
        dir.write_approval(approved.approval()).expect("a disk");
        let journals = Journals::create(&dir.journal(), dir.id().as_str(), clock()).expect("a directory");
        let started = EventKind::RunStarted {
            version: "test".to_owned(),
            playbook: "faults 1".to_owned(),
            purpose: Purpose::Apply,
            plan: Some(plan.hash()),
            hosts: vec![HOST.to_owned()],
        };
        let told = EventKind::Approved {
            approval: approved.approval().clone(),
            signed: Vec::new(),
            lists: BTreeMap::new(),
        };
        for kind in [started, told] {
            journals.record(None, kind).expect("a disk");
        }
        Run {
            dir,
            approved: approved.clone(),
        }
    }

    /// Does a task on the host. False: it was killed meanwhile.
    pub(crate) fn carry_out(&self, task: Task, way: &Arc<Way>) -> bool {
        let lock = self.dir.lock().expect("nobody else has it");
        let journals = Journals::resume(&self.dir.journal(), self.dir.id().as_str(), clock());
        let mut sink = Noted {
            journals: journals.expect("our own chains"),
            way: Arc::clone(way),
        };
        let checked = playbook();
        let apply = Apply {
            approved: self.approved.clone(),
            vars: checked.bind(&[]).expect("it declares no variables"),
            playbook: checked,
            host_vars: BTreeMap::new(),
            run: RunInfo {
                id: self.dir.id().to_string(),
                started_at_ms: NOW_MS,
            },
            keeping: Keeping {
                vault: Vault::create(&self.dir.vault(), None).expect("a disk"),
                run: self.dir.id().to_string(),
                clock: clock(),
            },
            asker: Arc::new(Nobody),
            outputs: Outputs::of(self.dir.path()),
            limits: Limits::default(),
            until: Stage::Eradicate,
            together: false,
            watches: false,
        };
        let (to, dir) = (Arc::clone(way) as Arc<dyn Transport>, self.dir.clone());
        let ended = to_the_end(way, async move {
            apply.to_host(HOST, &task, &to, Turn::default(), &mut sink).await?;
            let is_through = Report::from_events(&dir.chains().expect("our own chains"))
                .hosts
                .iter()
                .all(|host| host.finished);
            match is_through {
                true => sink.record(None, EventKind::RunFinished {}),
                false => Ok(()),
            }
        });
        drop(lock);
        if let Some(ended) = &ended {
            assert_eq!(ended, &Ok(()), "the disk is good");
        }
        ended.is_some()
    }

    /// What the next command does first; gives the report then. `None`: it was killed meanwhile.
    pub(crate) fn try_to_settle(&self, way: &Arc<Way>) -> Option<Report> {
        let (dir, to) = (self.dir.clone(), Arc::clone(way));
        let settled = to_the_end(way, async move {
            let transports = |_: &str| Some(Arc::clone(&to) as Arc<dyn Transport>);
            reconcile(&dir, &transports, clock()).await
        });
        let told = || Report::from_events(&self.dir.chains().expect("our own chains"));
        settled.map(|settled| settled.expect("the disk is good").unwrap_or_else(told))
    }

    /// The same, where nobody kills it.
    pub(crate) fn settle(&self, way: &Arc<Way>) -> Report {
        self.try_to_settle(way).expect("nobody kills it")
    }

    /// What is still to be done on the host.
    pub(crate) fn rest(&self) -> Option<Task> {
        let chains = self.dir.chains().expect("our own chains");
        let mut tasks = resume::tasks(&chains, self.approved.approval());
        tasks.pop().map(|(_, task)| task)
    }
}
