//! Units over hosts in memory: what is listed, what `linux-miner` finds, plans and leaves alone, what is refused, and what is
//! still there afterwards.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use deminer_engine::finding::{Artifact, Bearing, Condemned, Finding, UnitFile, UnitTarget};
use deminer_engine::host::{HostView, Transport};
use deminer_engine::look::Looked;
use deminer_engine::module::{ModuleError, Ran};
use deminer_engine::plan::{HostPlan, Left};
use deminer_worker::action::{Act, FileTarget, LinkTarget, ServiceManager, StarterKind};
use deminer_worker::platform::Platform;
use deminer_worker::platform::simulated::{Simulated, World};
use deminer_worker::query::{Answer, Entry, FileStat, Query};
use deminer_worker::text::HostBytes;
use serde_json::{Value, json};

mod planning;

/// A miner with its unit, and what fights back: a timer each second, a unit for its end, an addition to a good unit, a
/// generator, a user's unit. Beside them what only looks like it.
fn fighting() -> Value {
    let file = |path: &str, content: &str| json!({"path": path, "content": content});
    let link = |path: &str, target: &str| json!({"path": path, "target": target});
    let unit = |name: &str, file: &str, process: Value| json!({"name": name, "file": file, "process": process, "restarts_after_ms": 100, "writes_at_end": "/run/ran"});
    let user = json!({"manager": "user", "uid": 1000});
    json!({
        "accounts": [
            {"name": "root", "uid": 0, "home": "/root"},
            {"name": "dev", "uid": 1000, "home": "/home/dev"}],
        "packages": {
            "systemd": ["/usr/lib/systemd/systemd", "/usr/lib/systemd/system/cron.service", "/usr/lib/systemd/system/nginx.service"],
            "dash": ["/bin/sh"], "coreutils": ["/usr/bin/touch"], "nginx": ["/usr/sbin/nginx"], "cron": ["/usr/sbin/cron"]},
        "files": [
            {"path": "/opt/.sysd/xmrig", "content": "\u{7f}ELF miner", "mode": "755"},
            {"path": "/home/dev/.x/xmrig", "content": "\u{7f}ELF miner", "mode": "755", "uid": 1000},
            file("/usr/lib/systemd/system/cron.service", "[Service]\nExecStart=/usr/sbin/cron -f\n"),
            file("/usr/lib/systemd/system/nginx.service", "[Service]\nExecStart=/usr/sbin/nginx\n"),
            file("/etc/systemd/system/sysd.service",
                "[Unit]\nDescription=System daemon\nOnFailure=sysd-again.service\n[Service]\nType=notify\nWatchdogSec=1\n\
                 ExecStart=/opt/.sysd/xmrig -o 198.51.100.23:3333 --donate-level 1\nRestart=always\n\
                 ExecStopPost=/bin/sh -c 'echo x >> /run/ran'\nEnvironmentFile=-/etc/default/sysd\n\
                 [Install]\nWantedBy=multi-user.target\nAlias=dbus-helper.service\n"),
            file("/etc/default/sysd", "A=b\n"),
            file("/etc/systemd/system/sysd.service.d/limits.conf", "[Service]\nLimitNOFILE=4096\n"),
            file("/etc/systemd/system/sysd.timer", "[Timer]\nOnCalendar=*:*:*\nAccuracySec=1us\n[Install]\nWantedBy=timers.target\n"),
            file("/etc/systemd/system/sysd-again.service", "[Service]\nExecStart=/bin/sh -c 'date >> /run/failed'\n"),
            link("/etc/systemd/system/multi-user.target.wants/sysd.service", "/etc/systemd/system/sysd.service"),
            link("/etc/systemd/system/timers.target.wants/sysd.timer", "../sysd.timer"),
            link("/etc/systemd/system/dbus-helper.service", "sysd.service"),
            file("/etc/systemd/system/nginx.service.d/zz.conf", "[Service]\nExecStartPre=-/opt/.sysd/xmrig --background\n"),
            file("/etc/systemd/system/cron.service.d/env.conf", "[Service]\nLimitCORE=0\nExecStartPost=/opt/.sysd/xmrig\n"),
            {"path": "/etc/systemd/system-generators/fix", "mode": "755", "content":
                "#!/bin/sh\nprintf '[Service]\\\\nExecStart=/opt/.sysd/xmrig\\\\n' > \"$1/again.service\"\n"},
            file("/run/systemd/generator/again.service", "[Service]\nExecStart=/opt/.sysd/xmrig\n"),
            file("/home/dev/.config/systemd/user/agent.service", "[Service]\nExecStart=%h/.x/xmrig\nRestart=always\n"),
            link("/home/dev/.config/systemd/user/default.target.wants/agent.service", "/home/dev/.config/systemd/user/agent.service"),
            {"path": "/run/user/1000", "kind": "directory", "uid": 1000},
            // What is good.
            file("/etc/systemd/system/backup.service", "[Service]\nType=oneshot\nExecStart=/usr/local/bin/backup.sh\n"),
            file("/etc/systemd/system/backup.timer", "[Timer]\nOnCalendar=daily\n"),
            {"path": "/usr/local/bin/backup.sh", "mode": "755", "content": "#!/bin/sh\ntar cf /srv/b.tar /home\n"},
            file("/etc/systemd/system/mixed.service",
                "[Service]\nType=oneshot\nExecStart=/usr/local/bin/backup.sh\nExecStart=/opt/.sysd/xmrig\n"),
            link("/etc/systemd/system/apache2.service", "/dev/null"),
            link("/etc/systemd/system/multi-user.target.wants/nginx.service", "/usr/lib/systemd/system/nginx.service")],
        "processes": [
            {"pid": 300, "exe": "/usr/sbin/cron", "cgroup": "/system.slice/cron.service"},
            {"pid": 301, "exe": "/usr/sbin/nginx", "cgroup": "/system.slice/nginx.service"},
            {"pid": 400, "exe": "/opt/.sysd/xmrig", "cgroup": "/system.slice/sysd.service", "cpu_percent": 390,
                "argv": ["/opt/.sysd/xmrig", "-o", "198.51.100.23:3333", "--donate-level", "1"],
                "sockets": [{"local": "192.0.2.10:40112", "remote": "198.51.100.23:3333"}]},
            {"pid": 401, "exe": "/home/dev/.x/xmrig", "uid": 1000, "cpu_percent": 100,
                "cgroup": "/user.slice/user-1000.slice/user@1000.service/app.slice/agent.service",
                "argv": ["xmrig", "-o", "198.51.100.23:3333", "--donate-level", "1"],
                "sockets": [{"local": "192.0.2.10:40114", "remote": "198.51.100.23:3333"}]}],
        "units": [
            unit("sysd.service", "/etc/systemd/system/sysd.service", json!(400)),
            unit("nginx.service", "/usr/lib/systemd/system/nginx.service", json!(301)),
            {"name": "agent.service", "manager": user, "file": "/home/dev/.config/systemd/user/agent.service",
                "process": 401, "restarts_after_ms": 100, "writes_at_end": "/run/user/1000/ran"}],
        "generators": [{"file": "/etc/systemd/system-generators/fix", "writes": "/run/generated", "content": "x"}],
    })
}

async fn planned(world: &Value) -> (Looked, HostPlan) {
    let world = World::from_value(world.clone()).expect("a world");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks/linux-miner.yml");
    let checked = planning::playbook(&path).expect("it is shipped");
    let link = Simulated::new(world).connect("host").await.expect("a world answers");
    planning::plan(&checked, link as Arc<dyn HostView>)
        .await
        .expect("a plan")
}

fn name(artifact: &Artifact) -> String {
    match artifact {
        Artifact::Unit { unit } => {
            let files = unit
                .files
                .iter()
                .map(|part| format!("{:?} {}", part.starter, part.file.path));
            let links = unit.links.iter().map(|link| format!("Link {}", link.path));
            let parts: Vec<String> = files.chain(links).collect();
            format!("{} {}: {}", unit.manager, unit.name, parts.join(", "))
        }
        Artifact::File { file } => file.path.to_string(),
        Artifact::Process { process } => format!("pid {}", process.pid),
        other => other.key(),
    }
}

/// What was found, planned and left, as people would write it down.
fn account(looked: &Looked, plan: &HostPlan) -> String {
    let mut text = String::new();
    let of = |bearing: &str| {
        let mut lines: Vec<String> = looked
            .findings
            .iter()
            .filter(|finding| format!("{:?}", finding.bearing) == bearing)
            .map(|finding| {
                format!(
                    "  {} | {} | {}",
                    name(&finding.artifact),
                    finding.signal,
                    finding.sentence()
                )
            })
            .collect();
        lines.sort();
        lines.join("\n")
    };
    let _ = writeln!(text, "condemned\n{}\nreview\n{}\nplanned", of("Condemns"), of("Review"));
    for action in &plan.orders.actions {
        let told = match &action.act {
            Act::RemoveStarter { file, starter } => format!("{starter:?} {}", file.path),
            Act::RemoveLink { link } => format!("{} -> {}", link.path, link.target),
            Act::ReloadUnits { manager, units } => {
                let units: Vec<String> = units.iter().map(ToString::to_string).collect();
                format!("{manager}: {}", units.join(" "))
            }
            Act::BlockAddress { address, .. } => address.clone(),
            Act::Keep { .. } | Act::Freeze { .. } => continue,
            act => match (act.process(), act.file()) {
                (Some(process), _) => format!("pid {}", process.pid),
                (_, Some(file)) => file.path.to_string(),
                _ => String::new(),
            },
        };
        let _ = writeln!(text, "  {} {} {told}", action.component, action.act.kind());
    }
    for left in &plan.left_alone {
        if let Left::Act { act, .. } = &left.what {
            let _ = writeln!(text, "left {} {:?}", act.kind(), left.why);
        }
    }
    text
}

#[tokio::test]
async fn units_that_fight_back() {
    let (looked, plan) = planned(&fighting()).await;
    insta::assert_snapshot!(account(&looked, &plan));
}

fn file(path: &str, content: &str) -> Value {
    json!({"path": path, "content": content})
}

fn link(path: &str, target: &str) -> Value {
    json!({"path": path, "target": target})
}

/// A miner that runs in a unit, and these files beside it.
fn mined(cgroup: &str, files: Vec<Value>, units: Value) -> Value {
    let mut files = files;
    files.push(json!({"path": "/opt/.sysd/xmrig", "content": "\u{7f}ELF miner", "mode": "755"}));
    json!({
        "accounts": [{"name": "root", "uid": 0, "home": "/root"}, {"name": "dev", "uid": 1000, "home": "/home/dev"}],
        "packages": {
            "ssh": ["/usr/lib/systemd/system/ssh.service", "/usr/sbin/sshd"],
            "cron": ["/usr/lib/systemd/system/cron.service", "/usr/sbin/cron"],
            "base": ["/bin/sh", "/usr/bin/rm", "/usr/bin/sha256sum", "/usr/bin/python3", "/usr/bin/touch"],
            "modified": ["/usr/lib/systemd/system/modified.service"]},
        "conffiles": ["/usr/lib/systemd/system/modified.service"],
        "files": files,
        "processes": [
            {"pid": 400, "exe": "/opt/.sysd/xmrig", "cgroup": cgroup, "cpu_percent": 390,
                "argv": ["/opt/.sysd/xmrig", "-o", "198.51.100.23:3333", "--donate-level", "1"],
                "sockets": [{"local": "192.0.2.10:40112", "remote": "198.51.100.23:3333"}]}],
        "units": units,
    })
}

#[tokio::test]
async fn what_only_looks_like_it() {
    let world = mined(
        "/system.slice/cron.service",
        vec![
            file(
                "/usr/lib/systemd/system/cron.service",
                "[Service]\nExecStart=/usr/sbin/cron -f\n",
            ),
            file(
                "/usr/lib/systemd/system/modified.service",
                "[Service]\nExecStart=/opt/.sysd/xmrig\n",
            ),
            file(
                "/etc/systemd/system/clean-up.service",
                "[Service]\nExecStart=/usr/bin/rm -f /opt/.sysd/xmrig\n",
            ),
            file(
                "/etc/systemd/system/evidence.service",
                "[Service]\nExecStart=/usr/bin/sha256sum /opt/.sysd/xmrig\n",
            ),
            file("/etc/systemd/system/clean-up.timer", "[Timer]\nOnCalendar=hourly\n"),
            file(
                "/etc/systemd/system/said.service",
                "[Unit]\nDescription=/opt/.sysd/xmrig\nConditionPathExists=/opt/.sysd/xmrig\n# ExecStart=/opt/.sysd/xmrig\n\
                 [Service]\nExecStart=/usr/local/bin/app\nExecStartPre=-/usr/bin/touch /run/app\n",
            ),
            file(
                "/etc/systemd/system/before.service",
                "[Service]\nExecStartPre=/opt/.sysd/xmrig\nExecStart=/usr/local/bin/app\n",
            ),
            file(
                "/etc/systemd/system/after.service",
                "[Service]\nExecStart=/opt/.sysd/xmrig\nExecStartPost=/usr/local/bin/app\n",
            ),
            file(
                "/etc/systemd/system/loads.service",
                "[Service]\nEnvironment=LD_PRELOAD=/opt/.sysd/xmrig\nExecStart=/usr/local/bin/app\n",
            ),
            file(
                "/etc/systemd/system/mixed.timer",
                "[Timer]\nOnCalendar=hourly\nUnit=before.service\n",
            ),
            link("/etc/systemd/system/xmrig.service", "/dev/null"),
            json!({"path": "/usr/local/bin/app", "content": "\u{7f}ELF app", "mode": "755"}),
            file("/opt/.sysd/README", "x"),
            file(
                "/etc/systemd/system/not-a-unit.txt",
                "[Service]\nExecStart=/opt/.sysd/xmrig\n",
            ),
        ],
        json!([]),
    );
    let (looked, plan) = planned(&world).await;
    insta::assert_snapshot!(account(&looked, &plan));
}

#[tokio::test]
async fn units_by_other_ways() {
    let world = mined(
        "/system.slice/system-evil.slice/evil@7.service",
        vec![
            // A packaged unit hides below the intruder's of the same name: its links and its name stay.
            file(
                "/usr/lib/systemd/system/ssh.service",
                "[Service]\nExecStart=/usr/sbin/sshd -D\n",
            ),
            file(
                "/etc/systemd/system/ssh.service",
                "[Service]\nExecStart=/opt/.sysd/xmrig\n",
            ),
            link(
                "/etc/systemd/system/multi-user.target.wants/ssh.service",
                "/lib/systemd/system/ssh.service",
            ),
            link("/lib", "usr/lib"),
            // A template, enabled as an instance.
            file(
                "/etc/systemd/system/evil@.service",
                "[Service]\nExecStart=/opt/.sysd/xmrig -t %i\nRestart=always\n",
            ),
            link(
                "/etc/systemd/system/multi-user.target.wants/evil@7.service",
                "/etc/systemd/system/evil@.service",
            ),
            // A unit that lies elsewhere and is linked.
            file(
                "/srv/units/far.service",
                "[Service]\nExecStart=/bin/sh -c 'cd /opt/.sysd && ./xmrig'\n",
            ),
            link("/etc/systemd/system/far.service", "/srv/units/far.service"),
            // By a script of its own, and by a directory.
            file(
                "/etc/systemd/system/py.service",
                "[Service]\nWorkingDirectory=/opt/.sysd\nExecStart=/usr/bin/python3 guard.py\n",
            ),
            file(
                "/opt/.sysd/guard.py",
                "#!/usr/bin/python3\nimport subprocess\nsubprocess.run(['/opt/.sysd/xmrig'])\n",
            ),
            // Path, socket, target and an addition to a target.
            file(
                "/etc/systemd/system/wake.path",
                "[Path]\nPathExists=/run/wake\nUnit=far.service\n",
            ),
            file(
                "/etc/systemd/system/evil.socket",
                "[Socket]\nListenStream=4444\nAccept=yes\n",
            ),
            file("/etc/systemd/system/evil.target", "[Unit]\nWants=evil@7.service\n"),
            file(
                "/etc/systemd/system/multi-user.target.d/more.conf",
                "[Unit]\nWants=evil.target\n",
            ),
            // For every user.
            file(
                "/etc/systemd/user/all.service",
                "[Service]\nExecStart=/opt/.sysd/xmrig\n",
            ),
            json!({"path": "/run/user/1000", "kind": "directory"}),
            json!({"path": "/run/user/1001", "kind": "directory"}),
        ],
        json!([{"name": "evil@7.service", "file": "/etc/systemd/system/evil@.service", "process": 400}]),
    );
    let (looked, plan) = planned(&world).await;
    insta::assert_snapshot!(account(&looked, &plan));
}

#[tokio::test]
async fn a_unit_of_which_only_memory_is_left() {
    let units = json!([{"name": "ghost.service", "file": "/etc/systemd/system/ghost.service", "process": 400}]);
    let (looked, plan) = planned(&mined("/system.slice/ghost.service", Vec::new(), units)).await;
    insta::assert_snapshot!(account(&looked, &plan));
}

async fn run(module: &str, host: &Simulated, with: Value) -> Result<Ran, ModuleError> {
    let link = host.connect("host").await.expect("a world answers");
    let modules = deminer_modules::all();
    let found = modules
        .iter()
        .find(|m| m.about().name == module)
        .expect("a module of the list");
    found.erased().run(Some(link.as_ref() as &dyn HostView), with).await
}

fn stat(host: &Simulated, path: &str) -> FileStat {
    let query = Query::Stat {
        paths: vec![path.into()],
        digest: true,
    };
    match host.answer(&query).expect("an answer").value {
        Answer::Entries(entries) => match entries.into_iter().next() {
            Some(Entry::Present(stat)) => stat,
            other => panic!("{path}: {other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// A unit with these files and links, condemned by a finding of its own.
fn condemned(host: &Simulated, name: &str, files: &[(&str, StarterKind)], links: &[&str]) -> Condemned {
    let file = |(path, starter): &(&str, StarterKind)| UnitFile {
        file: FileTarget::from_stat(&stat(host, path)).expect("a regular file"),
        starter: *starter,
    };
    let unit = UnitTarget {
        manager: ServiceManager::System {},
        name: HostBytes::from(name),
        files: files.iter().map(file).collect(),
        links: links
            .iter()
            .map(|path| LinkTarget::from_stat(&stat(host, path)).expect("a link"))
            .collect(),
    };
    let artifact = Artifact::Unit { unit };
    let finding = Finding::new(artifact.clone(), "test", Bearing::Condemns, "");
    Condemned {
        component: 1,
        artifact,
        because: vec![finding.id],
    }
}

fn simulated(world: &Value) -> Simulated {
    Simulated::new(World::from_value(world.clone()).expect("a world"))
}

#[tokio::test]
async fn what_may_not_be_removed_is_refused() {
    use StarterKind::{DropIn, Generator, Other, Unit};
    let host = simulated(&mined(
        "/",
        vec![
            file(
                "/etc/systemd/system/a.service",
                "[Service]\nExecStart=/opt/.sysd/xmrig\n",
            ),
            file(
                "/usr/lib/systemd/system/cron.service",
                "[Service]\nExecStart=/usr/sbin/cron -f\n",
            ),
            file("/srv/a.service", "x"),
            file("/etc/systemd/system/a.service.d/x.conf", "x"),
            file("/etc/systemd/system-generators/gen", "x"),
            file("/home/dev/.config/systemd/user/a.service", "x"),
            link("/etc/systemd/system/nginx.service", "/dev/null"),
            link("/etc/cron.daily", "/srv"),
            link("/etc/systemd/system/odd", "/srv"),
        ],
        json!([]),
    ));
    type Row = (
        &'static str,
        &'static str,
        &'static [(&'static str, StarterKind)],
        &'static [&'static str],
    );
    let rows: [Row; 11] = [
        (
            "a package owns it",
            "cron.service",
            &[("/usr/lib/systemd/system/cron.service", Unit)],
            &[],
        ),
        ("outside of the places", "a.service", &[("/srv/a.service", Unit)], &[]),
        (
            "another unit's file",
            "b.service",
            &[("/etc/systemd/system/a.service", Unit)],
            &[],
        ),
        (
            "no name of a unit",
            "a",
            &[("/etc/systemd/system/a.service", Unit)],
            &[],
        ),
        ("no name with a slash", "../a.service", &[], &[]),
        (
            "an addition as a unit",
            "a.service",
            &[("/etc/systemd/system/a.service", DropIn)],
            &[],
        ),
        (
            "a unit as a generator",
            "a.service",
            &[("/etc/systemd/system/a.service", Generator)],
            &[],
        ),
        (
            "another kind",
            "a.service",
            &[("/etc/systemd/system/a.service", Other)],
            &[],
        ),
        (
            "a user's unit",
            "a.service",
            &[("/home/dev/.config/systemd/user/a.service", Unit)],
            &[],
        ),
        ("a mask", "nginx.service", &[], &["/etc/systemd/system/nginx.service"]),
        ("a link elsewhere", "a.service", &[], &["/etc/cron.daily"]),
    ];
    for (name, unit, files, links) in rows {
        let units = json!({"units": [condemned(&host, unit, files, links)]});
        let refused = run("unit.remove", &host, units).await;
        assert!(
            matches!(refused, Err(ModuleError::Parameter { .. })),
            "{name}: {refused:?}"
        );
    }
    let mut unreasoned = condemned(&host, "a.service", &[("/etc/systemd/system/a.service", Unit)], &[]);
    unreasoned.because.clear();
    assert!(run("unit.remove", &host, json!({"units": [unreasoned]})).await.is_err());

    let good = [
        condemned(&host, "a.service", &[("/etc/systemd/system/a.service", Unit)], &[]),
        condemned(
            &host,
            "a.service",
            &[("/etc/systemd/system/a.service.d/x.conf", DropIn)],
            &[],
        ),
        condemned(&host, "gen", &[("/etc/systemd/system-generators/gen", Generator)], &[]),
    ];
    let ran = run("unit.remove", &host, json!({ "units": good }))
        .await
        .expect("proposals");
    let kinds: Vec<&str> = ran.proposals.iter().map(|proposal| proposal.act.kind()).collect();
    assert_eq!(kinds, ["remove_unit", "remove_unit", "remove_unit", "reload_units"]);
    let reload = ran.proposals.last().map(|proposal| &proposal.act);
    let Some(Act::ReloadUnits { units, .. }) = reload else {
        panic!("{reload:?}")
    };
    assert_eq!(*units, [HostBytes::from("a.service")]);
}

#[tokio::test]
async fn a_unit_is_gone_when_its_manager_says_so() {
    let host = simulated(&fighting());
    let path = "/etc/systemd/system/sysd.service";
    let wants = "/etc/systemd/system/multi-user.target.wants/sysd.service";
    let unit = condemned(&host, "sysd.service", &[(path, StarterKind::Unit)], &[wants]);
    let gone = || async {
        let with = json!({"artifacts": [unit.clone()]});
        let ran = run("verify.gone", &host, with).await.expect("a look");
        let rows = ran.output["rows"].as_array().expect("rows").clone();
        rows.iter()
            .map(|row| row["seen"].as_str().expect("a word").to_owned())
            .collect::<Vec<String>>()
    };
    assert_eq!(gone().await, ["file", "link", "unit"]);
    let Artifact::Unit { unit: target } = &unit.artifact else {
        panic!("a unit")
    };
    let act = |act: Act| host.act(&act).expect("done");
    act(Act::RemoveStarter {
        file: target.files[0].file.clone(),
        starter: StarterKind::Unit,
    });
    act(Act::RemoveLink {
        link: target.links[0].clone(),
    });
    assert_eq!(gone().await, ["unit"], "only its manager has it");
    act(Act::ReloadUnits {
        manager: ServiceManager::System {},
        units: vec![target.name.clone()],
    });
    assert_eq!(gone().await, [] as [&str; 0]);
}

#[tokio::test]
async fn units_are_listed() {
    let ran = run("unit.list", &simulated(&fighting()), json!({}))
        .await
        .expect("rows");
    let list = |name: &str| ran.output[name].as_array().expect("a list").clone();
    let said = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all
            .iter()
            .map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    };
    let mut text = String::new();
    for row in list("rows") {
        let commands: Vec<String> = row["commands"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|command| {
                format!(
                    "{} {}: {}",
                    command["number"],
                    said(&command["setting"]),
                    said(&command["command"])
                )
            })
            .collect();
        let _ = writeln!(
            text,
            "{} {} {} | {} | starts {} | triggers {} | calls {} | {}",
            said(&row["part"]),
            said(&row["unit"]),
            said(&row["path"]),
            commands.join("; "),
            said(&row["starts"]),
            said(&row["triggers"]),
            said(&row["calls"]),
            said(&row["others"])
        );
    }
    for link in list("links") {
        let _ = writeln!(
            text,
            "{} {} {} -> {}",
            said(&link["role"]),
            said(&link["unit"]),
            said(&link["link"]["path"]),
            said(&link["leads_to"])
        );
    }
    for unit in list("loaded") {
        let _ = writeln!(
            text,
            "{} {} {} {}",
            said(&unit["name"]),
            said(&unit["load_state"]),
            said(&unit["active_state"]),
            said(&unit["fragment"])
        );
    }
    assert!(ran.coverage.is_whole(), "{:?}", ran.coverage);
    insta::assert_snapshot!(text);
}
