//! Records a host for `tests/recorded.rs`: runs a playbook up to the plan and keeps every answer that was given.
//!
//! ```text
//! cargo run -p deminer-modules --example record -- PLAYBOOK DIR [WORKER | simulated:WORLD.json] [PID...]
//! ```
//!
//! WORKER is a program that contains the worker, `deminer-worker` beside this one where none is named: it looks at this
//! machine, with the rights of whoever runs it. A world is described as `deminer_worker::platform::simulated::World`
//! tells. Where pids are named, of the processes and their sockets only those are kept, and the worker's own chain: a
//! whole machine is longer than anybody reads. Nothing is changed on the host, and DIR must not hold answers yet.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use deminer_engine::host::recorded::Recorder;
use deminer_engine::host::{HostView, Link, Local, Transport};
use deminer_worker::platform::simulated::{Simulated, World};
use deminer_worker::query::{Answer, HostError, Observed, Query};

#[path = "../tests/planning/mod.rs"]
mod planning;

/// Answers of more bytes than this make no case that a person reads.
const CASE_BYTES: u64 = 2 << 20;

const USAGE: &str = "usage: record PLAYBOOK DIR [WORKER | simulated:WORLD.json] [PID...]";

/// A host of which some processes are shown.
struct Few {
    link: Arc<Link>,
    /// All of them where it is empty.
    pids: BTreeSet<u32>,
    own_chain: Mutex<BTreeSet<u32>>,
}

impl Few {
    fn reduce(&self, answer: &mut Answer) {
        let mut own = self.own_chain.lock().unwrap_or_else(PoisonError::into_inner);
        if let Answer::Host(facts) = &*answer {
            own.extend(&facts.own_chain);
        }
        if self.pids.is_empty() {
            return;
        }
        let is_kept = |pid: &u32| self.pids.contains(pid) || own.contains(pid);
        match answer {
            Answer::Processes(processes) => processes.retain(|process| is_kept(&process.pid)),
            Answer::Sockets(sockets) => sockets.retain(|socket| socket.owners.iter().any(is_kept)),
            _ => {}
        }
    }
}

#[async_trait]
impl HostView for Few {
    fn name(&self) -> &str {
        self.link.name()
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        let mut observed = self.link.observe(query).await?;
        self.reduce(&mut observed.value);
        Ok(observed)
    }
}

fn main() -> ExitCode {
    let (said, code) = match record(&std::env::args().skip(1).collect::<Vec<String>>()) {
        Ok(said) => (said, ExitCode::SUCCESS),
        Err(error) => (format!("error: {error}"), ExitCode::FAILURE),
    };
    // Nobody is left to be told where this fails.
    let _ = writeln!(io::stderr(), "{said}");
    code
}

fn record(arguments: &[String]) -> Result<String, Box<dyn Error>> {
    let [playbook, folder, rest @ ..] = arguments else {
        return Err(USAGE.into());
    };
    let (way, pids) = match rest {
        [] => (transport(None)?, rest),
        [way, pids @ ..] => (transport(Some(way))?, pids),
    };
    let pids = pids
        .iter()
        .map(|pid| pid.parse().map_err(|_| format!("`{pid}` is no pid; {USAGE}")))
        .collect::<Result<BTreeSet<u32>, String>>()?;
    let folder = Path::new(folder);
    let answers = folder.join("answers");
    if answers.exists() {
        return Err(format!("{} is there already: remove it to record anew", answers.display()).into());
    }
    let checked = planning::playbook(Path::new(playbook))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let (looked, planned) = runtime.block_on(async {
        let link = way.connect("recorded").await?;
        let few = Few {
            link,
            pids,
            own_chain: Mutex::default(),
        };
        let recorder = Recorder::new(few, folder, CASE_BYTES)?;
        planning::plan(&checked, Arc::new(recorder))
            .await
            .map_err(Box::<dyn Error>::from)
    })?;
    let mut bytes = 0;
    let mut files = 0;
    for entry in fs::read_dir(&answers)? {
        bytes += entry?.metadata()?.len();
        files += 1;
    }
    Ok(format!(
        "{:?}, {:?}, {} actions; {files} answers of {} KiB in {}",
        looked.verdict.map(|verdict| verdict.host),
        looked.end,
        planned.orders.actions.len(),
        bytes.div_ceil(1024),
        answers.display()
    ))
}

fn transport(way: Option<&str>) -> Result<Box<dyn Transport>, Box<dyn Error>> {
    let program = match way {
        None => beside_this_one()?,
        Some(way) => match way.strip_prefix("simulated:") {
            Some(file) => {
                let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
                return Ok(Box::new(Simulated::new(World::from_json(&text)?)));
            }
            // The worker begins in `/`.
            None => fs::canonicalize(way).map_err(|error| format!("{way}: {error}"))?,
        },
    };
    Ok(Box::new(Local::new(program)))
}

/// `target/.../deminer-worker`, two folders above `target/.../examples/record`.
fn beside_this_one() -> Result<PathBuf, Box<dyn Error>> {
    let this = std::env::current_exe()?;
    let worker = this.ancestors().nth(2).map(|folder| folder.join("deminer-worker"));
    match worker.filter(|worker| worker.is_file()) {
        Some(worker) => Ok(worker),
        None => Err(
            "no `deminer-worker` beside this program: build it with `cargo build -p deminer-worker`, or name one"
                .into(),
        ),
    }
}
