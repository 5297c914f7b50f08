//! A controller for tests, and the orders that a planner would make for the sample host.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixStream;

use deminer_worker::action::{Act, Action, Effect, FileTarget, LineTarget, Object, ProcessTarget, Role};
use deminer_worker::frame::{self, FromWorker, Incoming, PROTOCOL, ToWorker, TransactionEvent};
use deminer_worker::order::{
    Approval, Begin, Birth, Bounds, ComponentOrders, Envelope, HostOrders, Settle, Stage, plan_hash,
};
use deminer_worker::platform::Platform;
use deminer_worker::platform::simulated::Simulated;
use deminer_worker::query::{Answer, Entry, ProcessesQuery, Query};
use deminer_worker::serve::{Controller, serve};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};

pub(crate) const CRONTAB: &str = "/var/spool/cron/crontabs/deploy";
pub(crate) const JOURNAL: &str = "/var/tmp/.deminer-0123456789abcdef0123456789abcdef";
pub(crate) const BAD_LINE: &str = "* * * * * /tmp/.x/guard >/dev/null 2>&1";

/// What the controller heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) events: Vec<TransactionEvent>,
    /// Evidence by digest, as it was taken.
    pub(crate) vault: BTreeMap<Digest, Vec<u8>>,
    pub(crate) committed: bool,
}

/// How a test's controller behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Keeps, commits, listens to the end.
    Good,
    /// Goes away when everything is ready.
    LeavesBeforeCommit,
    /// Goes away right after its commit.
    LeavesAfterCommit,
    /// Goes away when it is told this, and answers it no more: `containing` or `contained`.
    LeavesBefore(&'static str),
}

/// Runs one transaction on the host and gives what was heard. A worker that a fault kills ends it.
pub(crate) fn transact(host: &Simulated, begin: &Begin, manner: Manner) -> Heard {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let worker = host.clone();
    let thread = std::thread::spawn(move || {
        let output = theirs.try_clone().expect("a second handle");
        let closing = theirs.try_clone().expect("a third handle");
        let mut controller = Controller::new(theirs, output);
        let ended = worker.run_worker(|platform| serve(platform, &mut controller));
        let _ = closing.shutdown(std::net::Shutdown::Both);
        ended.is_ok()
    });
    let heard = listen(&ours, begin, manner);
    let _ = ours.shutdown(std::net::Shutdown::Both);
    thread.join().expect("the worker's thread ends");
    heard
}

fn listen(stream: &UnixStream, begin: &Begin, manner: Manner) -> Heard {
    let mut heard = Heard::default();
    let mut pieces: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    let (mut input, mut output) = (stream, stream);
    let mut say = |message: &ToWorker| frame::send_message(&mut output, message).is_ok();
    say(&ToWorker::Hello { protocol: PROTOCOL });
    say(&ToWorker::Begin(Box::new(begin.clone())));
    while let Ok(incoming) = frame::receive_incoming(&mut input) {
        let message = match incoming {
            Incoming::Piece { number, bytes } => {
                pieces.entry(number).or_default().extend(bytes);
                continue;
            }
            Incoming::Message(message) => *message,
        };
        let FromWorker::Event(event) = message else { continue };
        heard.events.push(event.clone());
        match event {
            TransactionEvent::KeptAll { number, sha256, .. } => {
                let bytes = pieces.remove(&number).unwrap_or_default();
                assert_eq!(Digest::of(&bytes), sha256, "evidence arrives as announced");
                heard.vault.insert(sha256, bytes);
                say(&ToWorker::Kept { sha256 });
            }
            TransactionEvent::Containing { .. } if manner == Manner::LeavesBefore("containing") => return heard,
            TransactionEvent::Contained {} if manner == Manner::LeavesBefore("contained") => return heard,
            TransactionEvent::Containing { .. } | TransactionEvent::Contained {} => {
                say(&ToWorker::Noted);
            }
            TransactionEvent::Ready { .. } if manner == Manner::LeavesBeforeCommit => return heard,
            TransactionEvent::Ready { .. } => {
                heard.committed = true;
                say(&ToWorker::Commit);
                if manner == Manner::LeavesAfterCommit {
                    return heard;
                }
            }
            TransactionEvent::Finished { .. } => return heard,
            _ => {}
        }
    }
    heard
}

/// The processes of the host, hashed.
pub(crate) fn processes(host: &Simulated) -> Vec<deminer_worker::query::Process> {
    let query = Query::Processes(ProcessesQuery {
        digest: true,
        ..ProcessesQuery::default()
    });
    match host.answer(&query).expect("processes").value {
        Answer::Processes(processes) => processes,
        other => panic!("{other:?}"),
    }
}

fn file(host: &Simulated, path: &str) -> FileTarget {
    let query = Query::Stat {
        paths: vec![HostPath::from(path)],
        digest: true,
    };
    match host.answer(&query).expect("stat").value {
        Answer::Entries(entries) => match &entries[0] {
            Entry::Present(stat) => FileTarget::from_stat(stat).expect("hashed"),
            other => panic!("{path}: {other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// The orders for the sample host: guardian and miner, the crontab line, copy, guard, configuration, immutable dropper.
pub(crate) fn orders(host: &Simulated) -> HostOrders {
    let Answer::Host(facts) = host.answer(&Query::Host {}).expect("facts").value else {
        panic!("facts")
    };
    let mut actions = Vec::new();
    let mut add = |act: Act, needs: Vec<_>| {
        let id = act.id("web-3");
        actions.push(Action {
            id,
            component: 1,
            act,
            because: vec!["f00000001".to_owned()],
            needs,
        });
        id
    };
    let mut births = Vec::new();
    let mut kills = Vec::new();
    for process in processes(host) {
        let Some(exe) = process
            .exe
            .as_ref()
            .filter(|exe| exe.path.is_below(&HostPath::from("/tmp/.x")))
        else {
            continue;
        };
        let role = if exe.path == HostPath::from("/tmp/.x/guard") {
            Role::Guardian
        } else {
            Role::Miner
        };
        let target = ProcessTarget {
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
        };
        births.push(Birth::Executable {
            sha256: target.exe_sha256,
            size: target.exe_size,
        });
        let keep = add(
            Act::Keep {
                object: Object::Process {
                    process: target.clone(),
                },
            },
            vec![],
        );
        let freeze = add(
            Act::Freeze {
                process: target.clone(),
            },
            vec![],
        );
        kills.push(add(Act::Kill { process: target }, vec![keep, freeze]));
    }
    let crontab = file(host, CRONTAB);
    let keep = add(
        Act::Keep {
            object: Object::File { file: crontab.clone() },
        },
        vec![],
    );
    let line = LineTarget {
        number: 3,
        line: HostBytes::from(BAD_LINE),
        mark: HostBytes::from("/tmp/.x/guard"),
    };
    add(
        Act::EditLines {
            file: crontab,
            remove: vec![line],
            syntax: None,
        },
        vec![keep],
    );
    for path in [
        "/tmp/.x/guard",
        "/tmp/.x/.copy",
        "/tmp/.x/config.json",
        "/tmp/.x/drop.sh",
    ] {
        let file = file(host, path);
        let keep = add(
            Act::Keep {
                object: Object::File { file: file.clone() },
            },
            vec![],
        );
        let mut needs = kills.clone();
        needs.push(keep);
        if let Some(flags) = file.flags.map(|flags| flags & 0x30).filter(|flags| *flags != 0) {
            needs.push(add(
                Act::ClearFlags {
                    file: file.clone(),
                    flags,
                },
                vec![keep],
            ));
        }
        add(Act::RemoveFile { file }, needs);
    }
    actions.sort_by_key(|action| action.id);
    HostOrders {
        host: "web-3".to_owned(),
        identity: facts.identity,
        looked_ms: facts.uptime_ms,
        components: vec![ComponentOrders {
            id: 1,
            envelope: Envelope { births, max_births: 8 },
        }],
        actions,
        protect: vec![],
        spare: Vec::new(),
        overrides: BTreeMap::new(),
        journal: HostPath::from(JOURNAL),
        settle: Settle::NextMinute,
        bounds: Bounds::default(),
    }
}

/// The orders with a full approval.
pub(crate) fn approved(orders: &HostOrders) -> Begin {
    let line = serde_json::to_string(orders).expect("orders are written");
    let header = "{\"format\":1}".to_owned();
    let hash = Digest::of(line.as_bytes());
    let approval = Approval {
        format: 1,
        plan: plan_hash(&header, &[hash]),
        hosts: BTreeMap::from([("web-3".to_owned(), hash)]),
        classes: BTreeSet::from([Effect::Preserve, Effect::Contain, Effect::Destroy]),
        excluded: BTreeSet::new(),
        approver: "test".to_owned(),
        means: "command line".to_owned(),
        at_ms: Wide(0),
        not_after_ms: Wide(u64::MAX),
        many: BTreeMap::new(),
        reasons: BTreeMap::new(),
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
