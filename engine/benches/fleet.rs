//! What a fleet costs the controller: 10,000 simulated hosts x 20 steps, from the first contact to the plan.
//!
//! Goals: 0.05 ms of CPU for a host-step whose output is up to 1 KiB, 1 GiB of memory. Each host is reached over frames, its
//! look is written into journals, its plan's line is made; as many hosts at once as the command takes. What the simulated hosts
//! themselves use is measured apart and taken off: of the CPU by threads of their own, of the memory nothing.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use deminer_engine::fleet::{End, Halt, Order, each};
use deminer_engine::host::{HostView, Link};
use deminer_engine::journal::Journals;
use deminer_engine::look::{Clock, Lent, Outputs, RunInfo, look};
use deminer_engine::plan::{Origin, Plan, PlanLine, PlaybookRef, Site, VALID_FOR_MS, draft};
use deminer_worker::platform::simulated::{Simulated, clean};
use deminer_worker::serve::{Controller, serve};
use deminer_worker::text::{Digest, HostBytes};
use rustix::time::ClockId;
use tokio::net::UnixStream;

#[allow(dead_code, reason = "medians are for shorter measurements")]
#[path = "../worker/benches/measure/mod.rs"]
mod measure;
mod trivial;
#[allow(dead_code, reason = "as above")]
#[path = "../worker/benches/measure/used.rs"]
mod used;

use measure::{ms, say};
use trivial::{STEPS, bytes, playbook};
use used::{clock, own};

const HOSTS: usize = 10_000;

/// Milliseconds of CPU for a host-step of up to 1 KiB.
const GOAL_MS: f64 = 0.05;

/// MiB of memory.
const GOAL_MIB: f64 = 1024.0;

/// By this argument the program measures one case in a process of its own, for its peak of memory.
const CASE: &str = "--case=";

/// The CPU of all simulated hosts that have ended, in nanoseconds.
static OF_HOSTS: AtomicU64 = AtomicU64::new(0);

/// What a worker hears; the thread that listens says what it used when it ends.
struct Counted(std::os::unix::net::UnixStream);

impl Read for Counted {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        count_this_thread();
    }
}

fn count_this_thread() {
    let used = clock(ClockId::ThreadCPUTime).as_nanos() as u64;
    OF_HOSTS.fetch_add(used, Ordering::Relaxed);
}

/// A simulated host behind frames, whose threads say what they used.
async fn connect(name: &str) -> Arc<Link> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a socket pair");
    ours.set_nonblocking(true).expect("our own socket");
    let output = theirs.try_clone().expect("our own socket");
    std::thread::spawn(move || {
        let platform = Simulated::new(clean());
        let mut controller = Controller::new(Counted(theirs), output);
        serve(&platform, &mut controller);
        platform.worker_gone();
        count_this_thread();
    });
    let (input, output) = UnixStream::from_std(ours).expect("our own socket").into_split();
    Link::begin(name, input, output)
        .await
        .expect("a worker in this process")
}

async fn plan_of(rows: u32, runs: &std::path::Path) -> Plan {
    let checked = playbook(rows);
    let vars = checked.bind(&[]).expect("it declares no variables");
    let journals = Journals::create(&runs.join("journal"), "20260101-0000-0000", Arc::new(|| 0)).expect("journals");
    let outputs = Outputs::of(runs);
    let began = Instant::now();
    let now: Clock = Arc::new(move || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    let hosts: Vec<String> = (0..HOSTS).map(|n| format!("host-{n:05}")).collect();
    let ends = each(
        &hosts,
        &Order::default(),
        &Halt::default(),
        |_| None,
        |host, slot| {
            let (checked, vars, mut sink) = (Arc::clone(&checked), vars.clone(), journals.clone());
            let lent = Lent {
                outputs: outputs.clone(),
                ..Arc::clone(&now).into()
            };
            async move {
                let _slot = slot;
                let run = RunInfo {
                    id: "20260101-0000-0000".to_owned(),
                    started_at_ms: 0,
                };
                let link = connect(&host).await;
                let view = Arc::clone(&link) as Arc<dyn HostView>;
                let (looked, _) = look(&checked, &vars, &run, lent, view, &mut sink)
                    .await
                    .expect("a look");
                let plan = draft(&looked, link.as_ref(), &Site::default(), &mut || [7; 16]).await;
                PlanLine::of(&plan.expect("a plan")).expect("a line")
            }
        },
    )
    .await;
    let lines = ends.into_iter().map(|(host, end)| match end {
        End::Through(line) => line,
        other => panic!("{host}: {other:?}"),
    });
    Plan::of_lines(origin(checked.text()), lines.collect()).expect("they make a plan")
}

fn origin(text: &str) -> Origin {
    Origin {
        playbook: PlaybookRef {
            name: "overhead".to_owned(),
            version: 1,
            sha256: Digest::of(text.as_bytes()),
            text: HostBytes::from(text),
        },
        resources: Default::default(),
        modules: Default::default(),
        vars: Default::default(),
        secrets: Default::default(),
        sources: Default::default(),
        environment: None,
        limits: Default::default(),
        approvals: None,
        created_at_ms: 0,
        valid_for_ms: VALID_FOR_MS,
    }
}

/// The most memory that this process had, in MiB (proc_pid_status(5)).
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.expect("this kernel tells it") / 1024.0
}

fn case(rows: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let place = tempfile::tempdir().expect("a temporary directory");
    let (plan, used) = own(|| runtime.block_on(plan_of(rows, place.path())));
    assert_eq!(plan.hosts().count(), HOSTS);
    let host_steps = (HOSTS * STEPS) as f64;
    let both = ms(used.cpu) / host_steps;
    let hosts = OF_HOSTS.load(Ordering::Relaxed) as f64 / 1e6 / host_steps;
    let peak = peak_mib();
    let judged = |value: f64, goal: f64| match (rows <= 10, value <= goal) {
        (false, _) => "",
        (true, true) => " reached",
        (true, false) => " MISSED",
    };
    say(format_args!(
        "outputs of {} bytes: {:.4} ms CPU a host-step{} ({both:.4} with the simulated hosts), peak {peak:.0} MiB{}, {:.1} s wall",
        bytes(rows),
        both - hosts,
        judged(both - hosts, GOAL_MS),
        judged(peak, GOAL_MIB),
        used.wall.as_secs_f64(),
    ));
}

fn main() {
    if !measure::is_asked() {
        return;
    }
    if let Some(rows) = std::env::args().find_map(|word| word.strip_prefix(CASE)?.parse().ok()) {
        return case(rows);
    }
    say(format_args!(
        "{HOSTS} simulated hosts x {STEPS} steps to a plan; goals {GOAL_MS} ms CPU a host-step of up to 1 KiB, {GOAL_MIB} MiB"
    ));
    let program = std::env::current_exe().expect("this program's own file");
    for rows in [10, 200] {
        let mut command = std::process::Command::new(&program);
        let status = command.args(["--bench", &format!("{CASE}{rows}")]).status();
        assert!(status.expect("it starts").success());
    }
}
