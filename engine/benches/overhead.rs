//! What the engine itself costs for each step on each host: trivial modules over many hosts, no remote work.
//!
//! Goal: 0.05 ms of CPU for a host-step whose output is up to 1 KiB. Half of the steps are collectors that ask the host
//! once, half analyzers that are handed the whole output of one of them and give it on.

use std::sync::Arc;

use async_trait::async_trait;
use deminer_engine::event::{EventKind, EventSink, SinkError};
use deminer_engine::host::{HostView, Transport};
use deminer_engine::journal::Journals;
use deminer_engine::look::{Clock, LookEnd, RunInfo, look};
use deminer_engine::playbook::{BoundVars, CheckedPlaybook};
use deminer_worker::platform::Platform;
use deminer_worker::platform::simulated::{Simulated, clean};
use deminer_worker::query::{Answer, HostError, Observed, Query};

#[path = "../worker/benches/measure/mod.rs"]
mod measure;
mod trivial;
#[path = "../worker/benches/measure/used.rs"]
mod used;

use measure::{ms, say};
use trivial::{STEPS, bytes, playbook};
use used::{Used, median, own};

const HOSTS: usize = 200;
const REPETITIONS: usize = 9;

/// Milliseconds of CPU for a host-step of up to 1 KiB.
const GOAL_MS: f64 = 0.05;

/// A host whose one answer is at hand.
struct InMemory {
    name: String,
    answer: Observed<Answer>,
}

#[async_trait]
impl HostView for InMemory {
    fn name(&self) -> &str {
        &self.name
    }

    async fn observe(&self, _: Query) -> Result<Observed<Answer>, HostError> {
        Ok(self.answer.clone())
    }
}

/// Where the events of a run go.
#[derive(Clone)]
enum Events {
    /// Nowhere.
    Forgotten,
    /// Into the journals, as in a real run.
    Written(Journals),
}

impl EventSink for Events {
    fn record(&mut self, host: Option<&str>, kind: EventKind) -> Result<(), SinkError> {
        match self {
            Events::Forgotten => Ok(()),
            Events::Written(journals) => journals.record(host, kind),
        }
    }
}

/// Looks at all hosts, each in a task of its own.
async fn look_at(hosts: Vec<Arc<dyn HostView>>, checked: &Arc<CheckedPlaybook>, vars: &BoundVars, events: &Events) {
    let began = std::time::Instant::now();
    let clock: Clock = Arc::new(move || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    let mut tasks = tokio::task::JoinSet::new();
    for host in hosts {
        let (checked, vars, clock) = (Arc::clone(checked), vars.clone(), Arc::clone(&clock));
        let mut events = events.clone();
        tasks.spawn(async move {
            let run = RunInfo {
                id: "20260101-0000-0000".to_owned(),
                started_at_ms: 0,
            };
            let (looked, _) = look(&checked, &vars, &run, clock, host, &mut events)
                .await
                .expect("a look");
            assert_eq!(looked.end, LookEnd::Through);
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a look ends");
    }
}

/// The reach of a case: what stands between the engine and the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Memory,
    /// A worker thread over a socket pair, frames both ways; its CPU is counted too.
    Frames,
}

fn hosts(reach: Reach, runtime: &tokio::runtime::Runtime) -> Vec<Arc<dyn HostView>> {
    let world = Simulated::new(clean());
    let answer = world.answer(&Query::Host {}).expect("the sample host says what it is");
    let connect = |name: String| -> Arc<dyn HostView> {
        match reach {
            Reach::Memory => Arc::new(InMemory {
                name,
                answer: answer.clone(),
            }),
            Reach::Frames => {
                let host = Simulated::new(clean());
                runtime.block_on(host.connect(&name)).expect("a worker in this process")
            }
        }
    };
    (0..HOSTS).map(|n| connect(format!("host-{n}"))).collect()
}

fn measured(reach: Reach, rows: u32, journal: bool) -> Used {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let checked = playbook(rows);
    let vars = checked.bind(&[]).expect("it declares no variables");
    let runs: Vec<Used> = (0..REPETITIONS)
        .map(|n| {
            let hosts = hosts(reach, &runtime);
            let place = tempfile::tempdir().expect("a temporary directory");
            let events = match journal {
                false => Events::Forgotten,
                true => {
                    let run = format!("20260101-0000-{n:04}");
                    Events::Written(Journals::create(place.path(), &run, Arc::new(|| 0)).expect("journals"))
                }
            };
            own(|| runtime.block_on(look_at(hosts, &checked, &vars, &events))).1
        })
        .collect();
    median(&runs)
}

fn main() {
    if !measure::is_asked() {
        return;
    }
    let host_steps = (HOSTS * STEPS) as f64;
    say(format_args!(
        "{HOSTS} hosts x {STEPS} steps, median of {REPETITIONS}; CPU ms a host-step, goal {GOAL_MS} for outputs up to 1 KiB"
    ));
    for (what, reach, rows, journal) in [
        ("in memory, 1 KiB", Reach::Memory, 10, false),
        ("in memory, 1 KiB, journals written", Reach::Memory, 10, true),
        ("in memory, 200 rows", Reach::Memory, 200, false),
        ("frames to a simulated worker, 1 KiB", Reach::Frames, 10, false),
        ("frames to a simulated worker, 200 rows", Reach::Frames, 200, false),
    ] {
        let used = measured(reach, rows, journal);
        let each = ms(used.cpu) / host_steps;
        let judged = match rows <= 10 {
            true if each <= GOAL_MS => "reached",
            true => "MISSED",
            false => "",
        };
        say(format_args!(
            "{what:<40} {each:>8.4} ms   (outputs of {} bytes, {:.1} ms CPU, {:.1} ms wall in all)   {judged}",
            bytes(rows),
            ms(used.cpu),
            ms(used.wall)
        ));
    }
}
