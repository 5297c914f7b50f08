//! The same hosts give the same plan, byte for byte, however many threads look and in whatever order the hosts are done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deminer_engine::event::Variables;
use deminer_engine::host::recorded::Recorded;
use deminer_engine::host::{HostView, Transport};
use deminer_engine::plan::{Origin, Plan, PlanLine, PlaybookRef, VALID_FOR_MS};
use deminer_engine::playbook::CheckedPlaybook;
use deminer_engine::policy::Limits;
use deminer_worker::platform::simulated::{Simulated, World, infected};
use deminer_worker::text::{Digest, HostBytes};

mod planning;

/// Recorded hosts that are infected, each by other means.
const CASES: [&str; 4] = ["infected-plain", "guardian-script", "preload-rootkit", "many-doors"];

/// So often.
const RUNS: usize = 100;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn origin(checked: &CheckedPlaybook) -> Origin {
    Origin {
        playbook: PlaybookRef {
            name: checked.name().to_owned(),
            version: checked.version(),
            sha256: Digest::of(checked.text().as_bytes()),
            text: HostBytes::from(checked.text()),
        },
        resources: BTreeMap::new(),
        modules: BTreeMap::new(),
        vars: Variables::new(),
        secrets: BTreeSet::new(),
        sources: BTreeMap::new(),
        environment: None,
        limits: Limits::default(),
        created_at_ms: 0,
        valid_for_ms: VALID_FOR_MS,
        approvals: None,
    }
}

/// The host of a case, under a name of its own.
async fn host(name: &str) -> Arc<dyn HostView> {
    let case = folder().join(name);
    match name {
        "simulated" => simulated(infected(), name).await,
        _ => Arc::new(Recorded::open(name, &case)),
    }
}

async fn simulated(world: World, name: &str) -> Arc<dyn HostView> {
    Simulated::new(world).connect(name).await.expect("a world answers")
}

/// The bytes of the plan for all hosts, each looked at by a task of its own; the first of them last every other time.
async fn planned(checked: &Arc<CheckedPlaybook>, turn: usize) -> Vec<u8> {
    let mut names: Vec<&'static str> = CASES.to_vec();
    names.push("simulated");
    let by = turn % names.len();
    names.rotate_left(by);
    let tasks: Vec<_> = names
        .into_iter()
        .map(|name| {
            let checked = Arc::clone(checked);
            tokio::spawn(async move {
                let (_, plan) = planning::plan(&checked, host(name).await).await.expect("a plan");
                PlanLine::of(&plan).expect("it is written")
            })
        })
        .collect();
    let mut lines = Vec::new();
    for task in tasks {
        lines.push(task.await.expect("it does not panic"));
    }
    Plan::of_lines(origin(checked), lines).expect("a plan").write()
}

#[test]
fn a_hundred_plans_on_any_number_of_threads_are_the_same_bytes() {
    let playbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks/linux-miner.yml");
    let checked = planning::playbook(&playbook).expect("a shipped playbook");
    for name in CASES {
        assert!(
            fs::exists(folder().join(name)).expect("it can be looked at"),
            "{name} is there"
        );
    }
    let mut first: Option<Vec<u8>> = None;
    for turn in 0..RUNS {
        let threads = 1 + turn % 8;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build();
        let plan = runtime.expect("threads").block_on(planned(&checked, turn));
        let first = first.get_or_insert_with(|| plan.clone());
        if *first == plan {
            continue;
        }
        let differs = first
            .iter()
            .zip(&plan)
            .position(|(a, b)| a != b)
            .unwrap_or(first.len().min(plan.len()));
        let around = |bytes: &[u8]| {
            let from = differs.saturating_sub(120);
            String::from_utf8_lossy(&bytes[from..(differs + 120).min(bytes.len())]).into_owned()
        };
        panic!(
            "run {turn} with {threads} threads differs at byte {differs}:\n{}\n{}",
            around(first),
            around(&plan)
        );
    }
    let text = String::from_utf8(first.expect("there were runs")).expect("a plan is text");
    assert_eq!(
        text.lines().count(),
        2 + CASES.len(),
        "a header, and a line for each host"
    );
    assert!(
        text.matches("\"kind\":\"kill\"").count() >= CASES.len(),
        "they are plans of something"
    );
}
