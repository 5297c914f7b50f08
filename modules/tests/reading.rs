//! Modules that only read, over a host in memory: what they find, and beside it what only looks like it.

use std::sync::Arc;

use deminer_engine::host::{HostView, Transport};
use deminer_engine::module::Ran;
use deminer_worker::platform::simulated::{Simulated, World};
use deminer_worker::query::GapReason;
use serde_json::{Value, json};

const ID: &str = "7be92808767a667f35c8505cbf40d14e931ef6db5b0210329cf193b15ba9d605";

/// A server with a container, a GPU miner in it, an honest web server, and files in all the places.
fn world() -> World {
    let text = json!({
        "cpus": 2,
        "gpus": [{"address": "0000:01:00.0", "id": "10de:2204", "driver": "nvidia", "model": "NVIDIA GeForce RTX 3090"}],
        "accounts": [
            {"name": "root", "uid": 0, "home": "/root"},
            {"name": "deploy", "uid": 1002, "home": "/home/deploy"},
            {"name": "daemon", "uid": 1, "home": "/usr/sbin"},
        ],
        "packages": {"nginx": ["/usr/sbin/nginx"], "procps": ["/usr/bin/top", "/usr/bin/ps"], "coreutils": ["/usr/bin/ls"]},
        "files": [
            {"path": "/etc/services", "content": "ssh 22/tcp\nhttp 80/tcp www # web\n"},
            {"path": "/etc/resolv.conf", "content": "nameserver 192.0.2.1\n", "flags": 16},
            {"path": "/etc/cron.d/job", "content": "* * * * * root /tmp/.x/miner\n", "flags": 48},
            {"path": "/etc/cron.d/good", "content": "0 3 * * * root /usr/sbin/backup\n"},
            {"path": "/home/deploy/.ssh/authorized_keys", "content": "ssh-ed25519 AAAA x\n", "flags": 32, "uid": 1002},
            {"path": "/tmp/.x", "kind": "directory", "mode": "0700"},
            {"path": "/tmp/.x/miner", "mode": "0755", "content": "\\x7fELF miner", "mtime_ms": 1794600000000_u64},
            {"path": "/tmp/.x/.copy", "mode": "0600", "content": "\\x7fELF copy"},
            {"path": "/tmp/notes.txt", "mode": "0644", "content": "milk\n"},
            {"path": "/tmp/clean.sh", "mode": "0644", "content": "#!/bin/sh\nrm -f /tmp/x\n"},
            {"path": "/tmp/...", "kind": "directory", "mode": "0755"},
            {"path": "/dev/shm/sem.pg", "mode": "0600", "content": "semaphore"},
            {"path": "/home/deploy/.config/.kw/run", "mode": "0755", "content": "#!/bin/sh\n", "uid": 1002},
            {"path": "/home/deploy/.cargo/bin/rustc", "mode": "0755", "content": "\\x7fELF rustc", "uid": 1002},
            {"path": "/home/deploy/shop", "mode": "0755", "content": "\\x7fELF shop", "uid": 1002},
            {"path": "/usr/bin/ps", "mode": "0755", "content": {"like": "/tmp/clean.sh"}},
        ],
        "processes": [
            {"pid": 1, "ppid": 0, "exe": "/usr/lib/systemd/systemd", "cgroup": "/init.scope"},
            {"pid": 50, "exe": "/usr/sbin/nginx", "cgroup": "/system.slice/nginx.service", "rss": 900000000,
             "sockets": [{"local": "0.0.0.0:80"}, {"local": "[::]:80"}, {"local": "192.0.2.10:80", "remote": "198.51.100.7:40001"},
                         {"local": "192.0.2.10:80", "remote": "198.51.100.7:40002"}]},
            {"pid": 60, "exe": "/usr/lib/postgresql/postgres", "cgroup": "/system.slice/postgresql.service",
             "sockets": [{"local": "127.0.0.1:5432"}], "fds": [{"fd": 4, "link": "/dev/shm/sem.pg", "writes": true}]},
            {"pid": 70, "ppid": 1, "session": 69, "exe": "/tmp/.x/miner", "cwd": "/tmp/.x", "cpu_percent": 190,
             "cgroup": format!("/system.slice/docker-{ID}.scope"), "upper": "/var/lib/docker/overlay2/4f/diff",
             "fds": [{"fd": 3, "link": "/dev/nvidia0", "writes": true}, {"fd": 5, "link": "/tmp/.x/.copy"},
                     {"fd": 6, "link": "/var/log/gone (deleted)", "writes": true}],
             "sockets": [{"local": "192.0.2.10:50000", "remote": "203.0.113.9:3333"}]},
            {"pid": 71, "ppid": 70, "session": 69, "exe": "/tmp/.x/miner", "cgroup": format!("/system.slice/docker-{ID}.scope")},
        ],
    });
    World::from_value(text).expect("a world without contradictions")
}

async fn run(world: World, module: &str, with: Value) -> Ran {
    let link = Simulated::new(world).connect("web-3").await.expect("a world answers");
    let modules = deminer_modules::all();
    let found = modules
        .iter()
        .find(|m| m.about().name == module)
        .expect("a module of the list");
    let host: Arc<dyn HostView> = link;
    found.erased().run(Some(host.as_ref()), with).await.expect("an outcome")
}

/// Rows as text, each with these fields only.
fn columns(rows: &Value, names: &[&str]) -> Vec<String> {
    let cell = |row: &Value, name: &str| match row.pointer(name).unwrap_or(&Value::Null) {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows = rows.as_array().expect("rows");
    rows.iter()
        .map(|row| names.iter().map(|name| cell(row, name)).collect::<Vec<_>>().join(" | "))
        .collect()
}

#[tokio::test]
async fn what_a_host_uses_and_who_holds_its_gpu() {
    let ran = run(world(), "host.resources", json!({"sample": "1s"})).await;
    let output = &ran.output;
    assert_eq!(
        (&output["cpu_percent"], &output["busiest_core_percent"]),
        (&json!(95), &json!(100))
    );
    assert_eq!(output["gpu_percent"], Value::Null);
    assert_eq!(
        columns(&output["gpu_holders"], &["/pid", "/devices"]),
        ["70 | [\"/dev/nvidia0\"]"]
    );
    assert_eq!(
        columns(&output["remarks"], &["/what", "/which", "/value"]),
        ["cpu |  | 95", "gpu_holder | miner | 70"]
    );
    let said: Vec<String> = ran.findings.iter().map(|finding| finding.sentence()).collect();
    assert_eq!(said, ["its CPUs are 95 % busy", "pid 70 `miner` has a GPU open"]);
    let gap = &ran.coverage.gaps[0];
    assert_eq!(
        (gap.subject.as_str(), gap.why),
        ("gpu", GapReason::Unsupported),
        "whose load nobody told"
    );
    let quiet = World {
        gpus: Vec::new(),
        processes: Vec::new(),
        ..world()
    };
    let ran = run(quiet, "host.resources", json!({"sample": "1s"})).await;
    assert_eq!(
        (ran.findings.len(), ran.coverage.gaps.len()),
        (0, 0),
        "a host that does nothing"
    );
}

#[tokio::test]
async fn the_largest_process_first() {
    let ran = run(world(), "process.list", json!({"sample": "1s", "order": "memory"})).await;
    let rows = columns(&ran.output["rows"], &["/pid", "/container/runtime"]);
    assert_eq!(rows[0], "50 | null");
    let ran = run(world(), "process.list", json!({"sample": "1s"})).await;
    assert_eq!(
        columns(&ran.output["rows"], &["/pid", "/container/runtime"])[0],
        "70 | docker"
    );
}

#[tokio::test]
async fn a_tree_of_what_was_listed() {
    let list = run(world(), "process.list", json!({"sample": "1s"})).await;
    let with = json!({"processes": list.output["rows"], "of": [70]});
    let modules = deminer_modules::all();
    let tree = modules
        .iter()
        .find(|m| m.about().name == "process.tree")
        .expect("of the list");
    let ran = tree.erased().run(None, with).await.expect("a tree");
    let rows = columns(&ran.output["rows"], &["/depth", "/pid", "/below", "/marks"]);
    let expected = [
        "0 | 1 | 5 | [\"session_leader\"]",
        "1 | 70 | 1 | [\"wanted\",\"orphan\",\"container\"]",
        "2 | 71 | 0 | [\"container\"]",
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn what_a_process_has_open() {
    let ran = run(world(), "process.files", json!({"pids": [70, 70, 4999]})).await;
    let rows = ran.output["rows"].as_array().expect("rows");
    assert_eq!((rows.len(), &rows[0]["deleted"]), (1, &json!(1)));
    let files = columns(&rows[0]["files"], &["/by", "/fd", "/path", "/writes", "/deleted"]);
    let expected = [
        "exe | null | /tmp/.x/miner | false | false",
        "cwd | null | /tmp/.x | false | false",
        "descriptor | 3 | /dev/nvidia0 | true | false",
        "descriptor | 5 | /tmp/.x/.copy | false | false",
        "descriptor | 6 | /var/log/gone | true | true",
        "descriptor | 7 | socket:[20006] | true | false",
    ];
    assert_eq!(files, expected);
    let none = run(world(), "process.files", json!({"pids": []})).await;
    assert_eq!(none.output["rows"], json!([]), "no pids are not all pids");
}

#[tokio::test]
async fn who_holds_a_file() {
    let files = json!({"files": ["/tmp/.x/miner", "/tmp/.x/.copy", "/tmp/.x", "/tmp/notes.txt", "/absent"]});
    let ran = run(world(), "file.holders", files).await;
    let rows = columns(&ran.output["rows"], &["/file", "/pid", "/holds"]);
    let expected = [
        "/tmp/.x/miner | 70 | [{\"by\":\"exe\"},{\"by\":\"map\",\"executable\":true}]",
        "/tmp/.x/miner | 71 | [{\"by\":\"exe\"},{\"by\":\"map\",\"executable\":true}]",
        "/tmp/.x/.copy | 70 | [{\"by\":\"descriptor\",\"fd\":5,\"writes\":false}]",
        "/tmp/.x | 70 | [{\"by\":\"cwd\"}]",
    ];
    assert_eq!(rows, expected);
    let ran = run(world(), "file.holders", json!({"files": ["/tmp/notes.txt"]})).await;
    assert_eq!(ran.output["held"], json!(false));
}

#[tokio::test]
async fn ports_by_who_can_reach_them() {
    let ran = run(world(), "net.ports", json!({})).await;
    let rows = columns(
        &ran.output["listening"],
        &[
            "/reach",
            "/port",
            "/service",
            "/addresses",
            "/owners/0/pid",
            "/owners/0/unit",
        ],
    );
    let expected = [
        "everybody | 80 | http | [\"0.0.0.0\",\"::\"] | 50 | nginx.service",
        "host_only | 5432 | null | [\"127.0.0.1\"] | 60 | postgresql.service",
    ];
    assert_eq!(rows, expected);
    let peers = columns(
        &ran.output["peers"],
        &[
            "/address",
            "/port",
            "/incoming",
            "/local_port",
            "/service",
            "/connections",
            "/public",
            "/owners/0/container/runtime",
        ],
    );
    let expected = [
        "198.51.100.7 | 0 | true | 80 | http | 2 | true | null",
        "203.0.113.9 | 3333 | false | null | null | 1 | true | docker",
    ];
    assert_eq!(peers, expected);
}

#[tokio::test]
async fn containers_and_who_is_in_them() {
    let ran = run(world(), "container.list", json!({"suspects": [70, 50]})).await;
    let rows = columns(
        &ran.output["rows"],
        &["/runtime", "/id", "/pids", "/suspects", "/root_kind", "/written_to"],
    );
    let expected = format!("docker | {ID} | [70,71] | [70] | overlay | /var/lib/docker/overlay2/4f/diff");
    assert_eq!(rows, [expected]);
}

#[tokio::test]
async fn what_lies_where_nothing_should_run() {
    let ran = run(world(), "file.drops", json!({})).await;
    let rows = columns(
        &ran.output["rows"],
        &["/path", "/what", "/executable", "/hidden", "/odd_name"],
    );
    let mut rows = rows;
    rows.sort();
    let expected = [
        "/home/deploy/.config/.kw/run | script | true | /home/deploy/.config | null",
        "/tmp/... | directory | false | /tmp/... | dots_and_blanks",
        "/tmp/.x/.copy | elf | false | /tmp/.x | null",
        "/tmp/.x/miner | elf | true | /tmp/.x | null",
        "/tmp/clean.sh | script | false | null | null",
    ];
    assert_eq!(
        rows, expected,
        "no notes, no semaphore, no compiler of a user, no program in a home"
    );
    assert!(ran.findings.is_empty(), "nothing is condemned by where it lies");
}

#[tokio::test]
async fn what_cannot_be_removed() {
    let ran = run(world(), "file.flags", json!({})).await;
    let rows = columns(&ran.output["rows"], &["/path", "/immutable", "/append_only"]);
    let expected = [
        "/etc/cron.d/job | true | true",
        "/etc/resolv.conf | true | false",
        "/home/deploy/.ssh/authorized_keys | false | true",
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn a_program_that_is_not_its_packages_any_more() {
    let mut changed = world();
    // What the package has of it is what it held when the world began.
    changed.files.retain(|file| file.path != "/usr/bin/ps".into());
    let ran = run(changed, "package.verify", json!({})).await;
    assert_eq!((&ran.output["modified"], ran.findings.len()), (&json!(false), 0));
    let named = json!({"files": ["/usr/bin/top", "/tmp/clean.sh", "/absent"]});
    let ran = run(world(), "package.verify", named).await;
    let rows = columns(&ran.output["rows"], &["/path", "/package/owner"]);
    assert_eq!(rows, ["/tmp/clean.sh | copied", "/usr/bin/top | owned"]);
}

fn families() -> Value {
    let text = include_str!("../../playbooks/rules/families.yml");
    json!({"path": "rules/families.yml", "text": text})
}

#[tokio::test]
async fn what_a_miner_is_told_and_what_it_looks_like() {
    let infected = deminer_worker::platform::simulated::infected();
    let ran = run(
        infected.clone(),
        "miner.config",
        json!({"pids": [2101, 1300], "families": families()}),
    )
    .await;
    let rows = ran.output["rows"].as_array().expect("rows");
    let of = |pid: u64| rows.iter().find(|row| row["pid"] == pid).expect("a row");
    let told = columns(
        &of(2101)["settings"],
        &[
            "/pool/host",
            "/pool/port",
            "/algorithm",
            "/worker",
            "/has_password",
            "/source/in",
            "/source/path",
        ],
    );
    insta::assert_json_snapshot!(told);
    assert_eq!(
        of(1300)["settings"],
        json!([]),
        "a data miner is told nothing of the kind"
    );
    assert_eq!(ran.output["families"][0]["family"], "xmrig");
    let said: Vec<String> = ran.findings.iter().map(|finding| finding.sentence()).collect();
    insta::assert_json_snapshot!("mines_for", said);
    let whole = serde_json::to_string(&ran.output).expect("JSON");
    assert!(!whole.contains("\"pass\""), "no password leaves the host's files");
    let none = run(infected, "miner.config", json!({"families": families()})).await;
    assert_eq!(
        (&none.output["rows"], &none.output["families"]),
        (&json!([]), &json!([])),
        "nobody was named"
    );
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_a_gap() {
    let mut infected = deminer_worker::platform::simulated::infected();
    infected.unreadable = serde_json::from_value(json!(["/tmp/.x/config.json"])).expect("a path");
    let ran = run(
        infected,
        "miner.config",
        json!({"pids": [2101], "families": families()}),
    )
    .await;
    let denied = ran
        .coverage
        .gaps
        .iter()
        .any(|gap| gap.subject == "file" && gap.why == GapReason::Denied);
    assert!(denied, "{:?}", ran.coverage);
}

#[tokio::test]
async fn what_is_not_shown_is_a_gap_everywhere() {
    let hidden = World {
        unreadable: serde_json::from_value(json!([70, "/tmp"])).expect("unreadable things"),
        ..world()
    };
    for (module, with, subject) in [
        ("host.resources", json!({"sample": "1s"}), "fds"),
        ("process.files", json!({"pids": [70]}), "process"),
        ("file.holders", json!({"files": ["/etc/services"]}), "process"),
        ("net.ports", json!({}), "process"),
        ("container.list", json!({}), "process"),
        ("file.drops", json!({}), "directory"),
        ("file.flags", json!({}), "directory"),
    ] {
        let ran = run(hidden.clone(), module, with).await;
        let denied = ran
            .coverage
            .gaps
            .iter()
            .any(|gap| gap.subject == subject && gap.why == GapReason::Denied);
        assert!(denied, "{module}: {:?}", ran.coverage);
    }
}
