//! Units over hosts in memory: what `linux-miner` finds, plans and leaves alone, and that what it plans ends them.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use deminer_engine::finding::Artifact;
use deminer_engine::host::{HostView, Transport};
use deminer_engine::look::Looked;
use deminer_engine::plan::{HostPlan, Left};
use deminer_worker::action::Act;
use deminer_worker::platform::simulated::{Simulated, World};
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
