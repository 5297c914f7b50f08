//! Units that fight back, over the whole path on a host in memory: none of what they run as they end or start runs.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use common::command::Deminer;
use common::plan::Planned;
use serde_json::json;

/// A service that is started again within a tenth of a second, by its manager and by a timer each second, that writes a
/// file as it ends, and whose generator would make it anew. What any of them wrote would be found as something that is
/// there again.
fn fighting() -> String {
    json!({
        "packages": {"base": ["/bin/sh"]},
        "files": [
            {"path": "/opt/.sysd/xmrig", "content": "a stand-in", "mode": "755"},
            {"path": "/etc/systemd/system/sysd.service", "content":
                "[Service]\nExecStart=/opt/.sysd/xmrig -o 198.51.100.23:3333\nExecStopPost=/bin/sh -c 'echo >> /run/ran'\nRestart=always\n"},
            {"path": "/etc/systemd/system/sysd.timer", "content": "[Timer]\nOnCalendar=*:*:*\n"},
            {"path": "/etc/systemd/system/multi-user.target.wants/sysd.service", "target": "/etc/systemd/system/sysd.service"},
            {"path": "/etc/systemd/system-generators/fix", "mode": "755", "content":
                "#!/bin/sh\ncat > $1/a.service <<E\n[Service]\nExecStart=/opt/.sysd/xmrig\nE\n"}],
        "processes": [{"pid": 400, "exe": "/opt/.sysd/xmrig", "cgroup": "/system.slice/sysd.service", "cpu_percent": 390,
            "argv": ["/opt/.sysd/xmrig", "-o", "198.51.100.23:3333", "--donate-level", "1"],
            "sockets": [{"local": "192.0.2.10:40112", "remote": "198.51.100.23:3333"}]}],
        "units": [{"name": "sysd.service", "file": "/etc/systemd/system/sysd.service", "process": 400,
            "restarts_after_ms": 100, "every_ms": 1000, "writes_at_end": "/opt/.sysd/xmrig"}],
        "generators": [{"file": "/etc/systemd/system-generators/fix", "writes": "/etc/systemd/system/sysd.timer", "content": "[Timer]\n"}],
    })
    .to_string()
}

#[test]
fn a_unit_goes_before_its_process_and_nothing_of_it_runs() {
    let deminer = Deminer::new();
    let world = deminer.runs().join("world.json");
    std::fs::create_dir_all(deminer.runs()).expect("a folder");
    std::fs::write(&world, fighting()).expect("a file");
    let host = format!("simulated:{}", world.display());
    let planned = Planned::make(&deminer, &deminer.runs().join("the.plan"), &[&host]);
    let report = planned.apply(&deminer, "30s").expect(0).json();
    let host = &report["hosts"][0];
    assert_eq!(host["status"], "eradicated", "{host:#}");
    let done = host["changes"].as_array().expect("a list").iter();
    let kinds: Vec<&str> = done.filter_map(|change| change["kind"].as_str()).collect();
    for kind in ["remove_unit", "remove_link", "reload_units", "kill", "remove_file"] {
        assert!(kinds.contains(&kind), "{kind} of {kinds:?}");
    }
}
