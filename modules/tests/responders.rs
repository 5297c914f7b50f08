//! Responders: what they propose, and what they refuse.

mod stub;

use deminer_engine::finding::{Artifact, Condemned};
use deminer_engine::module::Proposal;
use deminer_worker::query::Peer;
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
            for name in ["file", "process"] {
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
async fn nothing_asked_is_nothing_proposed() {
    for (module, list) in [
        ("evidence.keep", "artifacts"),
        ("process.kill", "processes"),
        ("lines.remove", "lines"),
        ("file.remove", "files"),
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
    ];
    let mut refusals = Vec::new();
    for (module, with) in rows {
        let error = run(module, &Scene::default().host(), with).await.expect_err("refused");
        refusals.push(format!("{module}: {error}"));
    }
    insta::assert_json_snapshot!(refusals);
}
