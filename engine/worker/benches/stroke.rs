//! One stroke on this very machine: ten processes, ten files and a line of a crontab, from the first freeze to the last
//! unlink.
//!
//! Goal: 250 ms. Everything lies in a temporary directory, the processes are copies of this program that sleep. The
//! worker is the slim program itself, spoken to over a socket as in a local run. The controller keeps evidence and
//! acknowledges it as the real one does; a second one that keeps nothing shows what of the time is the worker's own.
//! Needs root: other users cannot hold what is frozen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deminer_worker::action::{
    Act, Action, ActionId, Done, Effect, FileTarget, LineTarget, Object, ProcessTarget, Role,
};
use deminer_worker::frame::{self, End, FromWorker, Incoming, Outcome, PROTOCOL, ToWorker, TransactionEvent};
use deminer_worker::order::{
    Approval, Begin, Birth, Bounds, ComponentOrders, Envelope, HostOrders, Settle, Stage, plan_hash,
};
use deminer_worker::platform::Platform;
use deminer_worker::platform::linux::Linux;
use deminer_worker::query::{Answer, Entry, HostFacts, Process, ProcessesQuery, Query};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};

mod measure;

use measure::{middle, ms, say};

const PROCESSES: usize = 10;
const FILES: usize = 10;
const REPETITIONS: usize = 9;
const GOAL_MS: u64 = 250;

/// The argument by which this program is told to sleep.
const SLEEP: &str = "sleep";

const HOST: &str = "bench";
const CRON_LINE: &str = "* * * * * root /tmp/.x/miner >/dev/null 2>&1";

/// An intruder without harm: two programs that ten processes run, eight other files, a line in a crontab.
struct Intruder {
    directory: tempfile::TempDir,
    processes: Vec<Child>,
    files: Vec<PathBuf>,
    crontab: PathBuf,
}

impl Intruder {
    fn settle() -> Intruder {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let own_program = std::env::current_exe().expect("this program has a path");
        let mut files = Vec::new();
        for name in ["guard", "miner"] {
            let path = directory.path().join(name);
            fs::copy(&own_program, &path).expect("a copy of this program");
            // No two of them have the same content.
            let mut file = OpenOptions::new().append(true).open(&path).expect("the copy");
            file.write_all(name.as_bytes()).expect("a longer copy");
            files.push(path);
        }
        for number in files.len()..FILES {
            let path = directory.path().join(format!("part-{number}"));
            let content: Vec<u8> = (0..64_u32 << 10).map(|at| (at ^ number as u32) as u8).collect();
            fs::write(&path, content).expect("a file");
            files.push(path);
        }
        let crontab = directory.path().join("crontab");
        let text = format!("# jobs\n15 3 * * * root /opt/export\n{CRON_LINE}\n30 4 * * 0 root /opt/backup\n");
        fs::write(&crontab, text).expect("a crontab");
        let start = |number: usize| {
            Command::new(&files[usize::from(number > 0)])
                .args([SLEEP, &number.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .expect("the copy starts")
        };
        let processes = (0..PROCESSES).map(start).collect();
        // A digest of a file that just changed is not remembered: ordinary files are older.
        std::thread::sleep(Duration::from_millis(150));
        Intruder {
            directory,
            processes,
            files,
            crontab,
        }
    }

    /// Nothing of it is left but a crontab without its line.
    fn assert_gone(&mut self) {
        for process in &mut self.processes {
            assert!(matches!(process.try_wait(), Ok(Some(_))), "{} runs", process.id());
        }
        for file in &self.files {
            assert!(!file.exists(), "{} is there", file.display());
        }
        let text = fs::read_to_string(&self.crontab).expect("the crontab is there");
        assert!(!text.contains(CRON_LINE) && text.lines().count() == 3, "{text}");
    }
}

impl Drop for Intruder {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn host(linux: &Linux) -> HostFacts {
    match linux.answer(&Query::Host {}).expect("facts").value {
        Answer::Host(facts) => facts,
        other => panic!("{other:?}"),
    }
}

fn processes(linux: &Linux, intruder: &Intruder) -> Vec<Process> {
    let query = Query::Processes(ProcessesQuery {
        pids: Some(intruder.processes.iter().map(Child::id).collect()),
        digest: true,
        ..ProcessesQuery::default()
    });
    match linux.answer(&query).expect("processes").value {
        Answer::Processes(processes) => processes,
        other => panic!("{other:?}"),
    }
}

fn files(linux: &Linux, paths: &[PathBuf]) -> Vec<FileTarget> {
    let paths = paths.iter().map(|path| host_path(path)).collect();
    match linux.answer(&Query::Stat { paths, digest: true }).expect("files").value {
        Answer::Entries(entries) => entries
            .iter()
            .map(|entry| match entry {
                Entry::Present(stat) => FileTarget::from_stat(stat).expect("hashed"),
                other => panic!("{other:?}"),
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn host_path(path: &Path) -> HostPath {
    HostPath::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))
}

fn target(facts: &HostFacts, process: &Process) -> ProcessTarget {
    let exe = process.exe.as_ref().expect("it runs a program");
    let role = match exe.path.file_name() {
        b"guard" => Role::Guardian,
        _ => Role::Miner,
    };
    ProcessTarget {
        boot_id: facts.identity.boot_id.clone(),
        pid: process.pid,
        start_ticks: process.start_ticks,
        exe: exe.id,
        exe_path: exe.path.clone(),
        exe_sha256: exe.sha256.expect("hashed"),
        exe_size: exe.size,
        argv_sha256: process.argv_sha256.expect("read"),
        uid: process.uid,
        comm: process.comm.clone(),
        role,
    }
}

/// The orders that a planner would make.
fn orders(linux: &Linux, intruder: &Intruder, journal: HostPath) -> HostOrders {
    let facts = host(linux);
    let mut actions: Vec<Action> = Vec::new();
    let mut add = |act: Act, needs: &[ActionId]| {
        let id = act.id(HOST);
        actions.push(Action {
            id,
            component: 1,
            act,
            because: vec!["f00000001".to_owned()],
            needs: needs.to_vec(),
        });
        id
    };
    let mut kills = Vec::new();
    let mut births = BTreeSet::new();
    for process in processes(linux, intruder) {
        let process = target(&facts, &process);
        births.insert(Birth::Executable {
            sha256: process.exe_sha256,
            size: process.exe_size,
        });
        let object = Object::Process {
            process: process.clone(),
        };
        let keep = add(Act::Keep { object }, &[]);
        let freeze = add(
            Act::Freeze {
                process: process.clone(),
            },
            &[],
        );
        kills.push(add(Act::Kill { process }, &[keep, freeze]));
    }
    for file in files(linux, &intruder.files) {
        let keep = add(
            Act::Keep {
                object: Object::File { file: file.clone() },
            },
            &[],
        );
        let needs: Vec<ActionId> = kills.iter().copied().chain([keep]).collect();
        add(Act::RemoveFile { file }, &needs);
    }
    for file in files(linux, std::slice::from_ref(&intruder.crontab)) {
        let keep = add(
            Act::Keep {
                object: Object::File { file: file.clone() },
            },
            &[],
        );
        let remove = vec![LineTarget {
            number: 3,
            line: HostBytes::from(CRON_LINE),
            mark: HostBytes::from("/tmp/.x/miner"),
        }];
        add(
            Act::EditLines {
                file,
                remove,
                syntax: None,
            },
            &[keep],
        );
    }
    actions.sort_by_key(|action| action.id);
    HostOrders {
        host: HOST.to_owned(),
        identity: facts.identity,
        looked_ms: facts.uptime_ms,
        components: vec![ComponentOrders {
            id: 1,
            envelope: Envelope {
                births: births.into_iter().collect(),
                max_births: 8,
            },
        }],
        actions,
        protect: vec![],
        spare: Vec::new(),
        overrides: BTreeMap::new(),
        journal,
        settle: Settle::AtOnce,
        bounds: Bounds::default(),
    }
}

/// The orders with a full approval.
fn approved(orders: &HostOrders) -> Begin {
    let header = "{\"format\":1}".to_owned();
    let line = serde_json::to_string(orders).expect("orders are written");
    let hash = Digest::of(line.as_bytes());
    let approval = Approval {
        format: 1,
        plan: plan_hash(&header, &[hash]),
        hosts: BTreeMap::from([(HOST.to_owned(), hash)]),
        classes: BTreeSet::from([Effect::Preserve, Effect::Contain, Effect::Destroy]),
        excluded: BTreeSet::new(),
        many: BTreeMap::new(),
        reasons: BTreeMap::new(),
        approver: "bench".to_owned(),
        means: "command line".to_owned(),
        at_ms: Wide(0),
        not_after_ms: Wide(u64::MAX),
    };
    Begin {
        header,
        line,
        host_hashes: vec![hash],
        approval,
        until: Stage::Eradicate,
        ran: BTreeMap::new(),
    }
}

/// How a controller keeps what it hears.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeping {
    /// In memory.
    Nowhere,
    /// As the real one: evidence sealed, read back, put in its place and noted, what happens written down; each durable
    /// before the next is heard.
    Durable,
}

/// The files of a controller.
struct Disk {
    vault: PathBuf,
    manifest: File,
    journal: File,
    syncs: u32,
    syncing: Duration,
}

impl Disk {
    fn at(path: &Path) -> Disk {
        let append = |name: &str| {
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            options.open(path.join(name)).expect("a file of the controller")
        };
        let vault = path.join("vault");
        fs::create_dir(&vault).expect("the vault");
        Disk {
            vault,
            manifest: append("manifest"),
            journal: append("journal"),
            syncs: 0,
            syncing: Duration::ZERO,
        }
    }

    fn sync(&mut self, file: &File) {
        let began = Instant::now();
        file.sync_all().expect("the disk takes it");
        self.syncing += began.elapsed();
        self.syncs += 1;
    }

    fn write_down(&mut self, event: &TransactionEvent, durable: bool) {
        let line = serde_json::to_vec(event).expect("an event is written");
        self.journal.write_all(&line).expect("the journal takes it");
        if durable {
            let journal = self.journal.try_clone().expect("the journal");
            self.sync(&journal);
        }
    }

    fn store(&mut self, number: u32, sha256: Digest, bytes: &[u8]) {
        let new = self.vault.join(number.to_string());
        let mut file = File::create(&new).expect("a file of the vault");
        file.write_all(bytes).expect("the vault takes it");
        self.sync(&file);
        let mut read = Vec::with_capacity(bytes.len());
        let mut back = File::open(&new).expect("what was stored");
        back.read_to_end(&mut read).expect("what was stored");
        assert_eq!(Digest::of(&read), sha256, "what was stored reads back");
        fs::rename(&new, self.vault.join(sha256.to_string())).expect("its place");
        let vault = File::open(&self.vault).expect("the vault");
        self.sync(&vault);
        self.sync(&vault);
        writeln!(self.manifest, "{sha256}").expect("the manifest takes it");
        let manifest = self.manifest.try_clone().expect("the manifest");
        self.sync(&manifest);
        self.sync(&vault);
    }
}

/// Whether the real controller has such an event on disk before it hears the next.
fn must_be_durable(event: &TransactionEvent) -> bool {
    matches!(
        event,
        TransactionEvent::Refused { .. }
            | TransactionEvent::Drifted { .. }
            | TransactionEvent::Born { .. }
            | TransactionEvent::Spared { .. }
            | TransactionEvent::Struck { .. }
            | TransactionEvent::Committed {}
            | TransactionEvent::Intent { .. }
            | TransactionEvent::Outcome { .. }
            | TransactionEvent::Finished { .. }
    )
}

/// What one transaction took.
struct Stroke {
    /// From the first freeze to the last act, as the worker tells it.
    stroke: Duration,
    /// From the first freeze until all was ready to commit.
    ready: Duration,
    /// From the first process that stood still to the last that ended, as the controller heard it.
    frozen: Duration,
    /// Pieces of evidence that were stored while processes stood still.
    pieces: usize,
    /// Until all is ready: times that the disk was waited for, and for how long.
    syncs: u32,
    syncing: Duration,
}

/// Speaks to a worker as a controller does.
fn control(stream: UnixStream, begin: &Begin, disk: &mut Option<Disk>) -> Stroke {
    let (mut input, mut output) = (&stream, &stream);
    let mut tell = |message: &ToWorker| frame::send_message(&mut output, message).expect("the worker listens");
    tell(&ToWorker::Hello { protocol: PROTOCOL });
    tell(&ToWorker::Begin(Box::new(begin.clone())));
    let mut evidence: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    let kills: BTreeSet<ActionId> = {
        let orders: HostOrders = serde_json::from_str(&begin.line).expect("our own line");
        let killing = |action: &&Action| matches!(action.act, Act::Kill { .. });
        orders.actions.iter().filter(killing).map(|action| action.id).collect()
    };
    let (mut first, mut last) = (None, None);
    let mut seen = Stroke {
        stroke: Duration::ZERO,
        ready: Duration::ZERO,
        frozen: Duration::ZERO,
        pieces: 0,
        syncs: 0,
        syncing: Duration::ZERO,
    };
    loop {
        let message = match frame::receive_incoming(&mut input).expect("the worker speaks") {
            Incoming::Piece { number, bytes } => {
                evidence.entry(number).or_default().extend(bytes);
                continue;
            }
            Incoming::Message(message) => *message,
        };
        let FromWorker::Event(event) = message else { continue };
        if let TransactionEvent::KeptAll { number, sha256, .. } = event {
            let bytes = evidence.remove(&number).unwrap_or_default();
            if let Some(disk) = disk {
                disk.store(number, sha256, &bytes);
                disk.write_down(&event, true);
            }
            seen.pieces += usize::from(first.is_some());
            tell(&ToWorker::Kept { sha256 });
            continue;
        }
        if matches!(event, TransactionEvent::Frozen { .. }) && first.is_none() {
            if let Some(disk) = disk {
                (disk.syncs, disk.syncing) = (0, Duration::ZERO);
            }
            first = Some(Instant::now());
        }
        if let Some(disk) = disk
            .as_mut()
            .filter(|_| !matches!(event, TransactionEvent::Keeping { .. }))
        {
            disk.write_down(&event, must_be_durable(&event));
        }
        match event {
            TransactionEvent::Ready { frozen_ms, .. } => {
                seen.ready = Duration::from_millis(frozen_ms);
                if let Some(disk) = disk {
                    (seen.syncs, seen.syncing) = (disk.syncs, disk.syncing);
                    let journal = disk.journal.try_clone().expect("the journal");
                    disk.sync(&journal);
                }
                tell(&ToWorker::Commit);
            }
            TransactionEvent::Outcome { action, outcome } => {
                let done = matches!(&outcome, Outcome::Done { done } if !matches!(done, Done::Gone));
                assert!(done, "{action}: {outcome:?}");
                if kills.contains(&action) {
                    last = Some(Instant::now());
                }
            }
            TransactionEvent::Finished { end, stroke_ms, frozen } => {
                assert_eq!((end, frozen), (End::Struck, 0));
                seen.stroke = Duration::from_millis(stroke_ms);
                let stood = first.zip(last).expect("processes stood still and ended");
                seen.frozen = stood.1 - stood.0;
                tell(&ToWorker::Bye);
                return seen;
            }
            TransactionEvent::Refused { why, .. } => panic!("refused: {why}"),
            TransactionEvent::Drifted { action, why, .. } => panic!("{action} drifted: {why}"),
            _ => {}
        }
    }
}

fn strike(number: usize, keeping: Keeping) -> Stroke {
    let mut intruder = Intruder::settle();
    let linux = Linux::new();
    let journal = format!("/var/tmp/.deminer-{:016x}{number:016x}", std::process::id());
    let journal = HostPath::from(journal.as_str());
    let begin = approved(&orders(&linux, &intruder, journal.clone()));
    let place = tempfile::tempdir().expect("a directory for the controller");
    let mut disk = (keeping == Keeping::Durable).then(|| Disk::at(place.path()));
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let mut worker = Command::new(env!("CARGO_BIN_EXE_deminer-worker"))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .expect("the worker starts");
    let stroke = control(ours, &begin, &mut disk);
    assert!(worker.wait().expect("the worker ends").success());
    linux.forget_journal(&journal).expect("the journal is removed");
    intruder.assert_gone();
    assert!(intruder.directory.path().is_dir(), "directories are never removed");
    stroke
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some(SLEEP) {
        return std::thread::sleep(Duration::from_secs(60));
    }
    if !measure::is_asked() {
        return;
    }
    assert!(rustix::process::geteuid().is_root(), "a stroke needs root");
    say(format_args!(
        "{PROCESSES} processes, {FILES} files, 1 crontab line; median of {REPETITIONS}, ms; goal {GOAL_MS} from freeze to last unlink"
    ));
    for (name, keeping) in [
        ("a controller that keeps nothing", Keeping::Nowhere),
        ("a controller that writes all down", Keeping::Durable),
    ] {
        let runs: Vec<Stroke> = (0..REPETITIONS)
            .map(|number| strike(number * 2 + usize::from(keeping == Keeping::Durable), keeping))
            .collect();
        let middle_of = |pick: fn(&Stroke) -> Duration| ms(middle(runs.iter().map(pick)));
        let worst = runs.iter().map(|run| run.stroke).max().unwrap_or_default();
        let stroke = middle_of(|run| run.stroke);
        let judged = match stroke <= GOAL_MS as f64 {
            true => "reached",
            false => "MISSED",
        };
        say(format_args!(
            "{name:<36} {stroke:>6.0} (at most {:.0}), ready to commit after {:.0}, processes stood still for {:.0}; {judged}",
            ms(worst),
            middle_of(|run| run.ready),
            middle_of(|run| run.frozen),
        ));
        say(format_args!(
            "{:<36} {} pieces of evidence while frozen; before the commit the disk was waited for {} times, {:.0} ms in all",
            "",
            runs[0].pieces,
            runs[0].syncs,
            middle_of(|run| run.syncing)
        ));
    }
}
