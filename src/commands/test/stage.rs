//! The hosts of a case, each by itself.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deminer_engine::case::{Case, HostIs};
use deminer_engine::host::Transport;
use deminer_engine::host::recorded::Recorded;
use deminer_engine::plan::Plan;
use deminer_worker::platform::simulated::{Simulated, sample};

use crate::commands::{Trouble, world};
use crate::exit::Exit;

/// Between two looks whether a worker has ended.
const AGAIN: Duration = Duration::from_millis(2);

/// A worker whose controller died ends after so many looks; one in memory needs a few.
const LOOKS: u32 = 15_000;

/// The hosts, by name.
pub(super) struct Stage {
    pub(super) hosts: HashMap<String, Arc<dyn Transport>>,
    simulated: HashMap<String, Simulated>,
    recorded: BTreeMap<String, Arc<Recorded>>,
}

impl Stage {
    /// Sets the hosts of a case up; `folder` is where its paths begin.
    ///
    /// # Errors
    /// When there is no such recording, or no such world.
    pub(super) fn of(case: &Case, folder: &Path) -> anyhow::Result<Stage> {
        let mut stage = Stage {
            hosts: HashMap::new(),
            simulated: HashMap::new(),
            recorded: BTreeMap::new(),
        };
        for host in &case.hosts {
            let name = host.name.clone();
            match &host.is {
                HostIs::Recorded(recording) => {
                    let recording = folder.join(recording);
                    if !recording.join("answers").is_dir() {
                        let what = format!(
                            "{} is no recorded host: it has no folder `answers`",
                            recording.display()
                        );
                        let hint = "`deminer record HOST -o DIR` makes one".to_owned();
                        return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
                    }
                    let recorded = Arc::new(Recorded::open(name.clone(), &recording));
                    stage.recorded.insert(name.clone(), Arc::clone(&recorded));
                    stage.hosts.insert(name, recorded);
                }
                HostIs::Simulated(world) => {
                    let world = match sample(world) {
                        Some(sample) => sample,
                        None => world::simulated(&folder.join(world).to_string_lossy())?,
                    };
                    let host = Simulated::new(world.of_host(&name));
                    stage.simulated.insert(name.clone(), host.clone());
                    stage.hosts.insert(name, Arc::new(host));
                }
            }
        }
        Ok(stage)
    }

    /// Lets happen what a case says for between plan and apply, and what goes wrong from then on.
    ///
    /// # Errors
    /// When a recorded host is to change.
    pub(super) fn stir(&self, case: &Case) -> anyhow::Result<()> {
        for change in &case.drift {
            for name in case.hosts_of(change) {
                self.simulated(name)?.change(&change.what);
            }
        }
        for fault in &case.faults {
            for name in case.hosts_of(fault) {
                self.simulated(name)?.script(fault.what.clone());
            }
        }
        Ok(())
    }

    /// Whether a plan can be applied to its hosts.
    ///
    /// # Errors
    /// When it changes a recorded host.
    pub(super) fn takes(&self, plan: &Plan) -> anyhow::Result<()> {
        let mut hosts = plan.hosts().filter(|host| !host.is_empty());
        match hosts.find(|host| self.recorded.contains_key(&host.orders.host)) {
            None => Ok(()),
            Some(host) => {
                let what = format!(
                    "`approve`: host `{}` is recorded, and a recording cannot be changed",
                    host.orders.host
                );
                let hint =
                    "leave `approve` out, so that the case ends at the plan, or describe a simulated host".to_owned();
                Err(Trouble::new(Exit::Refused, what, Some(hint)).into())
            }
        }
    }

    fn simulated(&self, name: &str) -> anyhow::Result<&Simulated> {
        self.simulated.get(name).ok_or_else(|| {
            let what = format!("nothing can happen on the recorded host `{name}`");
            let hint = "describe it as a simulated host".to_owned();
            Trouble::new(Exit::Usage, what, Some(hint)).into()
        })
    }

    /// What recorded hosts were asked and do not answer: the host and the query.
    pub(super) fn missed(&self) -> Vec<(String, String)> {
        let of = |(host, recorded): (&String, &Arc<Recorded>)| {
            let missed = recorded.missed().into_iter();
            missed.map(|query| (host.clone(), query)).collect::<Vec<_>>()
        };
        self.recorded.iter().flat_map(of).collect()
    }

    /// Waits until no worker is at work, so that what comes next meets the same hosts each time.
    pub(super) async fn rest(&self) {
        for _ in 0..LOOKS {
            if !self.simulated.values().any(Simulated::is_at_work) {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}
