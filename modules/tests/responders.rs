//! Responders: what they propose, and what they refuse.

mod stub;

use deminer_engine::finding::{Artifact, Bearing, Condemned};
use deminer_engine::module::Proposal;
use deminer_worker::action::LinkTarget;
use deminer_worker::query::{FileId, HostError, Peer};
use deminer_worker::text::Wide;
use serde_json::{Value, json};
use stub::{Scene, condemned, condemned_file, condemned_line, condemned_process, process, run};

const CRONTAB: &str = "0 3 * * * backup\n*/5 * * * * /tmp/.x/run\n@reboot /tmp/.x/run\n";

fn miner() -> Condemned {
    condemned_process(&process(30, "/tmp/.x/run", b"miner", &["run"]))
}

fn line(number: u32) -> Condemned {
    condemned_line("/var/spool/cron/crontabs/deploy", CRONTAB, number)
}

fn remote() -> Condemned {
    let peer = Peer {
        address: "198.51.100.7".to_owned(),
        port: 3333,
    };
    condemned(1, Artifact::Remote { peer })
}

fn named_remote() -> Condemned {
    let peer = Peer {
        address: "pool.example".to_owned(),
        port: 3333,
    };
    condemned(1, Artifact::Remote { peer })
}

fn unreasoned(mut condemned: Condemned) -> Condemned {
    condemned.because.clear();
    condemned
}

/// Component, act and reasons of each, shortened to what tells them apart.
fn shown(proposals: &[Proposal]) -> Vec<Value> {
    proposals
        .iter()
        .map(|proposal| {
            let mut act = serde_json::to_value(&proposal.act).expect("an act is JSON");
            for name in ["file", "process", "link"] {
                let path = act
                    .pointer(&format!("/{name}/path"))
                    .or(act.pointer(&format!("/{name}/pid")))
                    .cloned();
                if let Some(path) = path {
                    act[name] = path;
                }
            }
            json!({"component": proposal.component, "act": act, "because": proposal.because})
        })
        .collect()
}

async fn proposes(module: &str, with: Value) -> Vec<Value> {
    let ran = run(module, &Scene::default().host(), with).await.expect("proposals");
    assert_eq!(ran.output["proposed"], json!(ran.proposals.len()));
    shown(&ran.proposals)
}

#[tokio::test]
async fn evidence_is_kept_once_of_each() {
    let artifacts = [
        miner(),
        condemned_file("/tmp/.x/run", "miner"),
        line(2),
        line(3),
        miner(),
    ];
    insta::assert_json_snapshot!(proposes("evidence.keep", json!({ "artifacts": artifacts })).await);
}

#[tokio::test]
async fn a_process_is_frozen_and_killed() {
    insta::assert_json_snapshot!(proposes("process.kill", json!({ "processes": [miner()] })).await);
}

#[tokio::test]
async fn lines_of_one_file_are_one_change() {
    let mut later = line(2);
    later.component = 2;
    insta::assert_json_snapshot!(proposes("lines.remove", json!({ "lines": [line(3), later, line(3)] })).await);
}

fn link(path: &str, target: &str) -> Condemned {
    let link = LinkTarget {
        mount: "/".into(),
        path: path.into(),
        id: FileId {
            dev: Wide(2_049),
            inode: Wide(77),
        },
        target: target.into(),
        uid: 0,
        gid: 0,
        mtime_ns: Wide(0),
    };
    condemned(1, Artifact::Link { link })
}

#[tokio::test]
async fn starters_and_links_go_whole() {
    let mut held = condemned_file("/etc/init.d/sysupd", "/tmp/.x/run");
    if let Artifact::File { file } = &mut held.artifact {
        file.flags = Some(0x0008_0010);
    }
    let starters = [
        condemned_file("/etc/cron.hourly/sysupd", "/tmp/.x/run"),
        held,
        condemned_file("/var/spool/at/a0000201d0a1b2", "/tmp/.x/run"),
        condemned_file("/etc/profile.d/x.sh", "/tmp/.x/run"),
        condemned_file("/home/deploy/.config/autostart/x.desktop", "Exec=/tmp/.x/run"),
    ];
    let links = [
        link("/etc/rc3.d/S99sysupd", "../init.d/sysupd"),
        link("/etc/cron.daily/x", "/tmp/.x/run"),
    ];
    insta::assert_json_snapshot!(proposes("starter.remove", json!({"starters": starters, "links": links})).await);
    let all = proposes(
        "evidence.keep",
        json!({"artifacts": links.iter().chain(&starters).collect::<Vec<_>>()}),
    )
    .await;
    assert_eq!(all.len(), starters.len(), "of a link the plan holds all");
}

#[tokio::test]
async fn what_no_place_starts_whole_is_no_starter() {
    let mut unreasoned_link = link("/etc/rc3.d/S99x", "../init.d/x");
    unreasoned_link.because.clear();
    let starter = |path: &str| json!({"starters": [condemned_file(path, "x")]});
    let rows = [
        starter("/tmp/.x/run"),
        starter("/etc/init.d"),
        starter("/etc/init.d/x/y"),
        starter("/home/deploy/.bashrc"),
        starter("/etc/rc.local"),
        starter("/etc/pam.d/sshd"),
        starter("/etc/passwd"),
        starter("etc/init.d/x"),
        json!({"starters": [line(2)]}),
        json!({"starters": [miner()]}),
        json!({"starters": [link("/etc/rc3.d/S99x", "../init.d/x")]}),
        json!({"starters": [unreasoned(condemned_file("/etc/init.d/x", "x"))]}),
        json!({"links": [condemned_file("/etc/init.d/x", "x")]}),
        json!({"links": [link("/etc/alternatives/x", "/tmp/.x/run")]}),
        json!({"links": [unreasoned_link]}),
        json!({"files": []}),
    ];
    let mut refusals = Vec::new();
    for with in rows {
        let error = run("starter.remove", &Scene::default().host(), with)
            .await
            .expect_err("refused");
        refusals.push(error.to_string());
    }
    insta::assert_json_snapshot!(refusals);
}

#[tokio::test]
async fn flags_that_forbid_are_cleared_first() {
    let mut held = condemned_file("/tmp/.x/run", "miner");
    if let Artifact::File { file } = &mut held.artifact {
        file.flags = Some(0x0008_0010);
    }
    let free = condemned_file("/tmp/.x/config.json", "{}");
    insta::assert_json_snapshot!(proposes("file.remove", json!({ "files": [held, free] })).await);
}

#[tokio::test]
async fn pools_are_blocked_once_each() {
    let with = json!({
        "remotes": [remote(), remote()],
        "addresses": ["198.51.100.7:3333", "[2001:db8::9]:443", "203.0.113.9", "pool.example:3333"],
        "for": "12h",
    });
    let ran = run("net.block", &Scene::default().host(), with)
        .await
        .expect("proposals");
    insta::assert_json_snapshot!(shown(&ran.proposals));
    let said: Vec<String> = ran.findings.iter().map(|finding| finding.sentence()).collect();
    insta::assert_json_snapshot!(said);
}

#[tokio::test]
async fn where_nothing_can_be_blocked_that_is_said() {
    for why in [
        HostError::Unsupported {
            doing: "ask what is blocked".to_owned(),
            why: "no nf_tables".to_owned(),
        },
        HostError::Denied {
            doing: "ask what is blocked".to_owned(),
        },
    ] {
        let scene = || Scene {
            blocks: Some(Err(why.clone())),
            ..Scene::default()
        };
        for (module, with) in [
            ("net.block", json!({"remotes": [remote()]})),
            ("net.isolate", json!({"artifacts": [miner()]})),
        ] {
            let ran = run(module, &scene().host(), with).await.expect("an answer");
            assert!(ran.proposals.is_empty(), "{module}");
            assert_eq!(ran.findings.len(), 1, "{module}");
            assert_eq!(ran.findings[0].bearing, Bearing::Review, "{module}");
        }
    }
}

#[tokio::test]
async fn a_host_is_cut_off_for_what_is_condemned_or_for_an_alarm() {
    let keep = ["192.0.2.0/24", "2001:db8::7", "192.0.2.0/24"];
    let by_artifacts = proposes("net.isolate", json!({"artifacts": [miner(), line(2)], "keep": keep})).await;
    let by_alarm = proposes("net.isolate", json!({"alarm": "IDS 4711", "for": "1h"})).await;
    insta::assert_json_snapshot!([by_artifacts, by_alarm]);
    assert!(
        proposes("net.isolate", json!({"alarm": "  ", "keep": keep}))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_process_is_quieted() {
    insta::assert_json_snapshot!(proposes("process.throttle", json!({ "processes": [miner()] })).await);
}

#[tokio::test]
async fn nothing_asked_is_nothing_proposed() {
    for (module, list) in [
        ("evidence.keep", "artifacts"),
        ("process.kill", "processes"),
        ("lines.remove", "lines"),
        ("file.remove", "files"),
        ("net.block", "remotes"),
        ("net.block", "addresses"),
        ("net.isolate", "artifacts"),
        ("process.throttle", "processes"),
        ("starter.remove", "starters"),
        ("starter.remove", "links"),
    ] {
        assert!(proposes(module, json!({ list: [] })).await.is_empty(), "{module}");
    }
}

#[tokio::test]
async fn what_is_not_meant_is_refused_by_its_place() {
    let mut init = miner();
    if let Artifact::Process { process } = &mut init.artifact {
        process.pid = 1;
    }
    let mut moved = line(3);
    if let Artifact::Line { file, .. } = &mut moved.artifact {
        file.id.inode.0 += 1;
    }
    let mut other = line(2);
    if let Artifact::Line { line, .. } = &mut other.artifact {
        line.number = 3;
    }
    let mut root = condemned_file("/", "");
    root.component = 2;
    let file = || condemned_file("/tmp/.x/run", "miner");
    let rows = [
        ("evidence.keep", json!({"artifacts": [file(), remote()]})),
        ("evidence.keep", json!({"artifacts": [unreasoned(file())]})),
        ("evidence.keep", json!({"artefacts": []})),
        ("process.kill", json!({"processes": [miner(), file()]})),
        ("process.kill", json!({"processes": [init]})),
        ("process.kill", json!({"processes": [unreasoned(miner())]})),
        ("process.kill", json!({"processes": ["xmrig"]})),
        ("lines.remove", json!({"lines": [line(2), file()]})),
        ("lines.remove", json!({"lines": [line(2), moved]})),
        ("lines.remove", json!({"lines": [line(3), other]})),
        ("file.remove", json!({"files": [file(), line(2)]})),
        ("file.remove", json!({"files": [root]})),
        ("file.remove", json!({})),
        ("net.block", json!({"remotes": [remote(), miner()]})),
        ("net.block", json!({"remotes": [unreasoned(remote())]})),
        ("net.block", json!({"remotes": [named_remote()]})),
        ("net.block", json!({"remotes": [remote()], "for": "30s"})),
        ("net.block", json!({"remotes": [remote()], "for": "8d"})),
        ("net.isolate", json!({"artifacts": [unreasoned(file())]})),
        (
            "net.isolate",
            json!({"artifacts": [file()], "keep": ["office.example"]}),
        ),
        ("process.throttle", json!({"processes": [file()]})),
        ("process.throttle", json!({"processes": [unreasoned(miner())]})),
    ];
    let mut refusals = Vec::new();
    for (module, with) in rows {
        let error = run(module, &Scene::default().host(), with).await.expect_err("refused");
        refusals.push(format!("{module}: {error}"));
    }
    insta::assert_json_snapshot!(refusals);
}
