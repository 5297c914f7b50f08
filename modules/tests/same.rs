//! The same hosts give the same plan, byte for byte, however many threads look and in whatever order the hosts are done.
//!
//! A simulated host's clock moves with each question, and steps side by side ask in any order: what it says the time is
//! differs as it does on any host, and is left out of what is compared of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deminer_engine::event::Variables;
use deminer_engine::host::recorded::Recorded;
use deminer_engine::host::{HostView, Transport};
use deminer_engine::plan::{Origin, Plan, PlanLine, PlaybookRef, VALID_FOR_MS, canonical};
use deminer_engine::playbook::CheckedPlaybook;
use deminer_engine::policy::Limits;
use deminer_worker::platform::simulated::{Simulated, infected};
use deminer_worker::text::{Digest, HostBytes};
use serde_json::Value;

mod planning;

/// Recorded hosts that are infected, each by other means.
const CASES: [&str; 3] = ["infected-plain", "guardian-script", "preload-rootkit"];

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

/// The bytes of the plan for all hosts, each looked at by a task of its own, begun in another order each turn.
async fn planned(checked: &Arc<CheckedPlaybook>, turn: usize) -> Vec<u8> {
    let mut names = CASES;
    names.rotate_left(turn % CASES.len());
    let task = |name: &'static str| {
        let checked = Arc::clone(checked);
        tokio::spawn(async move {
            let host = Recorded::open(name, &folder().join(name));
            let (_, plan) = planning::plan(&checked, Arc::new(host)).await.expect("a plan");
            PlanLine::of(&plan).expect("it is written")
        })
    };
    let mut lines = Vec::new();
    for task in names.map(task) {
        lines.push(task.await.expect("it does not panic"));
    }
    Plan::of_lines(origin(checked), lines).expect("a plan").write()
}

/// The line of a host that lives in memory, without its own time.
async fn lived(checked: &Arc<CheckedPlaybook>) -> Vec<u8> {
    let host: Arc<dyn HostView> = Simulated::new(infected())
        .connect("simulated")
        .await
        .expect("a world answers");
    let (_, plan) = planning::plan(checked, host).await.expect("a plan");
    let mut plan = serde_json::to_value(&plan).expect("it has a written form");
    without_time(&mut plan);
    canonical(&plan).expect("it has a written form").into_bytes()
}

fn without_time(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_time),
        Value::Object(fields) => {
            fields.retain(|name, _| !["host_time_ms", "uptime_ms", "uptime_s"].contains(&name.as_str()));
            fields.values_mut().for_each(without_time);
        }
        _ => {}
    }
}

fn same(turn: usize, first: &[u8], again: &[u8]) {
    if first == again {
        return;
    }
    let differs = first
        .iter()
        .zip(again)
        .position(|(a, b)| a != b)
        .unwrap_or(first.len().min(again.len()));
    let around = |bytes: &[u8]| {
        let to = (differs + 120).min(bytes.len());
        String::from_utf8_lossy(&bytes[differs.saturating_sub(120)..to]).into_owned()
    };
    panic!(
        "run {turn} differs at byte {differs}:\n{}\n{}",
        around(first),
        around(again)
    );
}

#[test]
fn a_hundred_plans_on_any_number_of_threads_are_the_same_bytes() {
    let playbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks/linux-miner.yml");
    let checked = planning::playbook(&playbook).expect("a shipped playbook");
    let mut first: Option<(Vec<u8>, Vec<u8>)> = None;
    for turn in 0..RUNS {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1 + turn % 8)
            .enable_all()
            .build();
        let runtime = runtime.expect("threads");
        let again = (
            runtime.block_on(planned(&checked, turn)),
            runtime.block_on(lived(&checked)),
        );
        match &first {
            None => first = Some(again),
            Some(first) => {
                same(turn, &first.0, &again.0);
                same(turn, &first.1, &again.1);
            }
        }
    }
    let text = String::from_utf8(first.expect("there were runs").0).expect("a plan is text");
    assert_eq!(
        text.lines().count(),
        1 + CASES.len(),
        "a header, and a line for each host"
    );
    assert!(
        text.matches("\"kind\":\"kill\"").count() >= CASES.len(),
        "they are plans of something"
    );
}
