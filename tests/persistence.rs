//! The playbook `persistence` over a host in memory on which nothing runs but what was left behind starts at the next
//! occasion.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use common::command::Deminer;
use common::plan::Planned;
use serde_json::{Value, json};

/// What an earlier cleaning left: the program, not running, and its doors; beside each an honest one.
fn world() -> Value {
    let file = |path: &str, content: &str| json!({"path": path, "content": content});
    let script = |path: &str, content: &str| json!({"path": path, "content": content, "mode": "0755"});
    json!({
        "hostname": "web-3",
        "cpus": 2,
        "packages": {
            "systemd": ["/usr/lib/systemd/systemd"],
            "cron": ["/usr/sbin/cron", "/etc/cron.d/e2scrub"],
            "openssh-server": ["/usr/sbin/sshd"],
            "jemalloc": ["/usr/lib/libjemalloc.so.2"],
        },
        "accounts": [
            {"name": "root", "uid": 0, "home": "/root"},
            {"name": "deploy", "uid": 1000, "home": "/home/deploy"},
        ],
        "files": [
            script("/opt/.k/kd", "\\x7fELF\\x00miner"),
            file("/usr/lib/libjemalloc.so.2", "\\x7fELF\\x00malloc"),
            file("/etc/ld.so.preload", "/usr/lib/libjemalloc.so.2\n"),
            file("/etc/cron.d/e2scrub", "0 3 * * 0 root test -e /run/systemd/system || /sbin/e2scrub_all\n"),
            file("/etc/crontab", "0 4 * * * root curl -fsS https://203.0.113.10/rates | base64 -d > /srv/rates\n"),
            script("/etc/rc.local", "#!/bin/sh -e\n/opt/erp/migrate\n/opt/.k/kd -B\nexit 0\n"),
            script("/etc/init.d/netd", "#!/bin/sh\ncase $1 in start) /opt/.k/kd & ;; stop) pkill kd ;; esac\n"),
            script("/etc/init.d/shop", "#!/bin/sh\ncase $1 in start) /opt/erp/server & ;; esac\n"),
            json!({"path": "/etc/rc3.d/S99netd", "target": "../init.d/netd"}),
            json!({"path": "/etc/rc3.d/S20shop", "target": "../init.d/shop"}),
            json!({"path": "/etc/cron.hourly/.kd", "content": "#!/bin/sh\n/opt/.k/kd\n", "mode": "0755", "flags": 16}),
            file("/home/deploy/.bashrc", "alias ll='ls -l'\n/opt/.k/kd -B\n# /opt/.k/kd was here\n"),
        ],
        "processes": [
            {"pid": 1, "ppid": 0, "exe": "/usr/lib/systemd/systemd", "argv": ["/sbin/init"]},
            {"pid": 612, "exe": "/usr/sbin/cron", "argv": ["/usr/sbin/cron", "-f"], "started_ms": 4000},
            {"pid": 700, "exe": "/usr/sbin/sshd", "argv": ["/usr/sbin/sshd", "-D"], "started_ms": 4100},
            {"pid": 880, "ppid": 700, "exe": "/usr/sbin/sshd", "argv": ["sshd: root@notty"], "started_ms": 80_000},
            {"pid": 900, "ppid": 880, "exe": "/run/.deminer/worker", "exe_content": "the worker", "started_ms": 81_000},
        ],
        "worker": 900,
    })
}

fn host(deminer: &Deminer) -> String {
    let path = deminer.runs().join("world.json");
    std::fs::create_dir_all(deminer.runs()).expect("a folder");
    std::fs::write(&path, world().to_string()).expect("a file");
    format!("simulated:{}", path.display())
}

fn planned(deminer: &Deminer, host: &str, words: &[&str]) -> Planned {
    let file = deminer.runs().join("doors.plan");
    let name = file.to_str().expect("a path");
    let all = [&["plan", "persistence", host, "-o", name, "--format", "json"], words].concat();
    let json = deminer.run(&all).expect(0).json();
    Planned::read(&file, json)
}

/// Kind and path of each change that is planned.
fn acts(planned: &Planned) -> Vec<String> {
    let actions = planned.actions().iter().map(|action| &action["act"]);
    let mut acts: Vec<String> = actions
        .filter(|act| act["kind"] != "keep")
        .map(|act| {
            let path = act["file"]["path"].as_str().or(act["link"]["path"].as_str());
            format!("{} {}", act["kind"].as_str().expect("a kind"), path.unwrap_or_default())
        })
        .collect();
    acts.sort();
    acts
}

/// What a person should look at, each with its reasons.
fn review(planned: &Planned) -> Vec<String> {
    let findings = planned.hosts[0]["findings"].as_array().expect("a list").iter();
    let mut asked: Vec<String> = findings
        .filter(|finding| finding["bearing"] == "review")
        .map(|finding| {
            let artifact = &finding["artifact"];
            let path = artifact["file"]["path"].as_str().or(artifact["link"]["path"].as_str());
            let why = finding["fields"]["why"].as_str().unwrap_or_default();
            format!("{}: {why}", path.unwrap_or("the host"))
        })
        .collect();
    asked.sort();
    asked
}

#[test]
fn what_is_unusual_is_listed_and_nothing_proposed() {
    let deminer = Deminer::new();
    let planned = planned(&deminer, &host(&deminer), &[]);
    assert_eq!(acts(&planned), [] as [&str; 0]);
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_json_snapshot!("unusual", review(&planned)));
}

#[test]
fn what_serves_a_named_file_goes() {
    let deminer = Deminer::new();
    let planned = planned(&deminer, &host(&deminer), &["--set", "paths=/opt/.k/kd"]);
    assert_eq!(
        acts(&planned),
        [
            "clear_flags /etc/cron.hourly/.kd",
            "edit_lines /etc/rc.local",
            "edit_lines /home/deploy/.bashrc",
            "remove_file /opt/.k/kd",
            "remove_link /etc/rc3.d/S99netd",
            "remove_starter /etc/cron.hourly/.kd",
            "remove_starter /etc/init.d/netd",
        ]
    );
    let report = planned.apply(&deminer, "5s").expect(0).json();
    let host = &report["hosts"][0];
    assert_eq!(host["tally"]["done"], host["tally"]["of"], "{report:#}");
    assert_eq!(host["verify"]["seen"], "clean", "{report:#}");
}
