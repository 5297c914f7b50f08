//! A host that holds something for every kind of action, and the plan that holds them all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use deminer_engine::approval::{ApprovedPlan, Ask, Hosts};
use deminer_engine::finding::{Artifact, Bearing, Finding};
use deminer_engine::host::{HostView, Transport};
use deminer_engine::look::{Clock, Lent, RunInfo, look};
use deminer_engine::module::Registry;
use deminer_engine::plan::{Origin, Plan, PlaybookRef, Site, UndoKind, VALID_FOR_MS, draft};
use deminer_engine::playbook::{CheckedPlaybook, Sources, check};
use deminer_worker::action::{
    AccountTarget, Act, Action, ActionId, Effect, FileTarget, LineTarget, LinkTarget, Object, ProcessTarget, Role,
    ServiceManager, StarterKind,
};
use deminer_worker::order::{Birth, ComponentOrders, Envelope, Settle};
use deminer_worker::platform::Platform;
use deminer_worker::platform::simulated::{Simulated, World, infected};
use deminer_worker::query::{Answer, Entry, FileStat, Process, ProcessesQuery, Query};
use deminer_worker::text::{Digest, HostBytes, HostPath};
use serde_json::json;

pub(crate) const HOST: &str = "web-3";
pub(crate) const POOL: &str = "198.51.100.23";

const DAY_S: u32 = 86_400;
const CRONTAB: &str = "/var/spool/cron/crontabs/deploy";
const BAD_LINE: &str = "* * * * * /tmp/.x/guard >/dev/null 2>&1";
const SCRIPT: &str = "/etc/init.d/sysupd";
const LINK: &str = "/etc/rc3.d/S99sysupd";
const UNIT: &str = "/etc/systemd/system/sysupd.service";
const PROGRAM: &str = "/usr/sbin/ipset";
const HOG: u32 = 2300;
const GUARD: &str = "\\x7fELF\\nguard: starts /tmp/.x/xmrig again\\n";

/// When all of it happens, in milliseconds since 1970.
pub(crate) const NOW_MS: u64 = 1_794_623_760_000;

const PLAYBOOK: &str = "playbook: faults\nversion: 1\nphases:\n  gather:\n    - {id: nothing, let: {a: 1}}\n";

struct NoFiles;

impl Sources for NoFiles {
    fn load(&self, _: &str) -> Option<String> {
        None
    }
}

pub(crate) fn playbook() -> Arc<CheckedPlaybook> {
    static CHECKED: OnceLock<Arc<CheckedPlaybook>> = OnceLock::new();
    let checked = || match check("faults.yml", PLAYBOOK, &Registry::new([]), &NoFiles) {
        Ok(checked) => Arc::new(checked),
        Err(mistakes) => panic!("{mistakes:?}"),
    };
    Arc::clone(CHECKED.get_or_init(checked))
}

/// The host as it is before each run.
pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(described)
}

/// The infected host with more doors, and with a line that starts the guardian's copy after the commit: what is born then is
/// evidence of which the controller may not hear.
fn described() -> World {
    let mut world = serde_json::to_value(infected()).expect("a world is written");
    let mut add = |list: &str, more: serde_json::Value| {
        let list = world[list].as_array_mut().expect("a list of the world");
        list.extend(more.as_array().expect("a list").iter().cloned());
    };
    add(
        "files",
        json!([
            {"path": SCRIPT, "content": "/tmp/.x/guard &\n", "mode": "0755"},
            {"path": LINK, "target": "../init.d/sysupd"},
            {"path": UNIT, "content": "[Service]\nExecStart=/tmp/.x/guard\n"},
            {"path": "/tmp/.x/payload", "content": {"size": 300_000, "seed": 3}},
            {"path": PROGRAM, "content": "ipset", "mode": "0755"},
            {"path": "/tmp/.y/hog", "content": "hog", "mode": "0755"},
            {"path": "/etc/cron.d/again", "content": "* * * * * root /var/tmp/again\n"},
        ]),
    );
    let guard: serde_json::Value = serde_json::from_str(&format!("\"{GUARD}\"").replace("\\x", "\\\\x")).expect("text");
    add(
        "files",
        json!([{"path": "/var/tmp/again", "content": guard, "mode": "0755"}]),
    );
    add(
        "processes",
        json!([{"pid": HOG, "exe": "/tmp/.y/hog", "uid": 1002, "cpu_percent": 90, "started_ms": 850_000_000}]),
    );
    add(
        "accounts",
        json!([{"name": "toor", "uid": 0, "home": "/root", "password": "set"}]),
    );
    add("commands", json!([{"argv": [PROGRAM, "flush"], "stdout": "flushed\n"}]));
    add("units", json!([{"name": "sysupd.service", "file": UNIT}]));
    add(
        "cron",
        json!([{"scheduler": 640, "file": "/etc/cron.d/again", "command": "/var/tmp/again", "exe": "/var/tmp/again"}]),
    );
    World::from_value(world).expect("a world")
}

fn answer(host: &Simulated, query: Query) -> Answer {
    host.answer(&query).expect("the host answers").value
}

fn processes(host: &Simulated) -> Vec<Process> {
    let query = ProcessesQuery {
        digest: true,
        ..ProcessesQuery::default()
    };
    match answer(host, Query::Processes(query)) {
        Answer::Processes(processes) => processes,
        other => panic!("{other:?}"),
    }
}

fn stat(host: &Simulated, path: &str) -> FileStat {
    let query = Query::Stat {
        paths: vec![path.into()],
        digest: true,
    };
    match answer(host, query) {
        Answer::Entries(entries) => match entries.into_iter().next() {
            Some(Entry::Present(stat)) => stat,
            other => panic!("{path}: {other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn file(host: &Simulated, path: &str) -> FileTarget {
    FileTarget::from_stat(&stat(host, path)).expect("hashed")
}

fn account(host: &Simulated) -> AccountTarget {
    let Answer::Accounts(accounts) = answer(host, Query::Accounts {}) else {
        panic!("accounts")
    };
    let toor = accounts.iter().find(|account| account.name == HostBytes::from("toor"));
    AccountTarget::from_account(toor.expect("described")).expect("its line is told")
}

/// The actions as they are collected.
struct Actions {
    because: String,
    by_id: BTreeMap<ActionId, Action>,
}

impl Actions {
    fn add(&mut self, component: u32, act: Act, needs: &[ActionId]) -> ActionId {
        let id = act.id(HOST);
        let action = Action {
            id,
            component,
            act,
            because: vec![self.because.clone()],
            needs: needs.to_vec(),
        };
        self.by_id.insert(id, action);
        id
    }

    fn keep(&mut self, component: u32, file: &FileTarget) -> ActionId {
        let object = Object::File { file: file.clone() };
        self.add(component, Act::Keep { object }, &[])
    }
}

/// Everything that can be done on the host, each thing in its component.
fn actions(host: &Simulated, boot_id: &str, because: &Finding) -> (Vec<Action>, Vec<Birth>) {
    let mut actions = Actions {
        because: because.id.to_string(),
        by_id: BTreeMap::new(),
    };
    let (mut births, mut kills) = (Vec::new(), Vec::new());
    for process in processes(host) {
        let Some(exe) = process.exe.as_ref() else { continue };
        let target = |role| ProcessTarget {
            boot_id: boot_id.to_owned(),
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
        if process.pid == HOG {
            let process = target(Role::Companion);
            actions.add(2, Act::Throttle { process }, &[]);
        }
        if !exe.path.is_below(&HostPath::from("/tmp/.x")) {
            continue;
        }
        let process = target(match exe.path == HostPath::from("/tmp/.x/guard") {
            true => Role::Guardian,
            false => Role::Miner,
        });
        births.push(Birth::Executable {
            sha256: process.exe_sha256,
            size: process.exe_size,
        });
        let object = Object::Process {
            process: process.clone(),
        };
        let keep = actions.add(1, Act::Keep { object }, &[]);
        let freeze = actions.add(
            1,
            Act::Freeze {
                process: process.clone(),
            },
            &[],
        );
        kills.push(actions.add(1, Act::Kill { process }, &[keep, freeze]));
    }
    for name in ["guard", ".copy", "config.json", "payload", "drop.sh"] {
        let file = file(host, &format!("/tmp/.x/{name}"));
        let keep = actions.keep(1, &file);
        let mut needs = kills.clone();
        needs.push(keep);
        if let Some(flags) = file.flags.map(|flags| flags & 0x30).filter(|flags| *flags != 0) {
            let file = file.clone();
            needs.push(actions.add(1, Act::ClearFlags { file, flags }, &[keep]));
        }
        actions.add(1, Act::RemoveFile { file }, &needs);
    }
    let crontab = file(host, CRONTAB);
    let keep = actions.keep(2, &crontab);
    let remove = vec![LineTarget {
        number: 3,
        line: BAD_LINE.into(),
        mark: "/tmp/.x/guard".into(),
    }];
    let edit = Act::EditLines {
        file: crontab,
        remove,
        syntax: None,
    };
    actions.add(2, edit, &[keep]);
    let starters = [(SCRIPT, StarterKind::InitScript), (UNIT, StarterKind::Unit)].map(|(path, starter)| {
        let file = file(host, path);
        let keep = actions.keep(3, &file);
        actions.add(3, Act::RemoveStarter { file, starter }, &[keep])
    });
    let link = LinkTarget::from_stat(&stat(host, LINK)).expect("a link");
    actions.add(3, Act::RemoveLink { link }, &[]);
    let reload = Act::ReloadUnits {
        manager: ServiceManager::System {},
        units: vec!["sysupd.service".into()],
    };
    actions.add(3, reload, &starters[1..]);
    let account = account(host);
    actions.add(4, Act::LockAccount { account }, &[]);
    let address = POOL.to_owned();
    actions.add(1, Act::BlockAddress { address, for_s: DAY_S }, &[]);
    let keep = Vec::new();
    actions.add(1, Act::Isolate { for_s: DAY_S, keep }, &[]);
    let run = Act::RunArgv {
        program: Box::new(file(host, PROGRAM)),
        argv: [PROGRAM, "flush"].map(HostBytes::from).to_vec(),
        timeout_ms: 5_000,
        undo: None,
    };
    actions.add(4, run, &[]);
    (actions.by_id.into_values().collect(), births)
}

/// The plan of the host, with a yes to all of it.
pub(crate) async fn approved() -> ApprovedPlan {
    let host = Simulated::new(world().clone());
    let link = host.connect(HOST).await.expect("a worker in this process");
    let (checked, clock): (_, Clock) = (playbook(), Arc::new(|| NOW_MS));
    let vars = checked.bind(&[]).expect("it declares no variables");
    let run = RunInfo {
        id: "20261114-0236-0000".to_owned(),
        started_at_ms: NOW_MS,
    };
    let view = Arc::clone(&link) as Arc<dyn HostView>;
    let (looked, _) = look(&checked, &vars, &run, Lent::from(clock), view, &mut Unheard)
        .await
        .expect("a look");
    let drafted = draft(&looked, link.as_ref(), &Site::default(), &mut || [7; 16]).await;
    let mut plan = drafted.expect("a plan of nothing");
    let finding = Finding::new(Artifact::Host {}, "test", Bearing::Condemns, "all of it is meant");
    let (actions, births) = actions(&host, &plan.orders.identity.boot_id, &finding);
    plan.findings = vec![finding];
    plan.undo = actions
        .iter()
        .map(|action| (action.id, UndoKind::of(&action.act)))
        .collect();
    plan.orders.actions = actions;
    let of_component = |id| ComponentOrders {
        id,
        envelope: Envelope {
            births: if id == 1 { births.clone() } else { Vec::new() },
            max_births: 8,
        },
    };
    plan.orders.components = (1..=4).map(of_component).collect();
    plan.orders.settle = Settle::NextMinute;
    let origin = Origin {
        playbook: PlaybookRef {
            name: "faults".to_owned(),
            version: 1,
            sha256: Digest::of(PLAYBOOK.as_bytes()),
            text: HostBytes::from(PLAYBOOK),
        },
        resources: BTreeMap::new(),
        modules: BTreeMap::new(),
        vars: Default::default(),
        secrets: BTreeSet::new(),
        approvals: None,
        environment: None,
        limits: Default::default(),
        sources: Default::default(),
        created_at_ms: NOW_MS,
        valid_for_ms: VALID_FOR_MS,
    };
    let plan = Plan::new(origin, vec![plan]).expect("one host makes a plan");
    let ask = Ask {
        hash: plan.hash().to_string(),
        hosts: Hosts::All,
        classes: BTreeSet::from([Effect::Preserve, Effect::Contain, Effect::Destroy]),
        excluded: BTreeSet::new(),
        many: BTreeMap::new(),
        reasons: BTreeMap::new(),
        approver: "test".to_owned(),
        means: "command line".to_owned(),
        at_ms: NOW_MS,
        valid_for_ms: VALID_FOR_MS,
    };
    plan.approve(ask).expect("it fits")
}

/// What is looked at while the plan is made is no part of any run.
struct Unheard;

impl deminer_engine::event::EventSink for Unheard {
    fn record(
        &mut self,
        _: Option<&str>,
        _: deminer_engine::event::EventKind,
    ) -> Result<(), deminer_engine::event::SinkError> {
        Ok(())
    }
}
