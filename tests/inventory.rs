//! `deminer inventory`: the examples, and what is told where something is wrong.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::fs;
use std::path::Path;

use common::command::{Answer, run};
use serde_json::Value;

/// The command on the examples, from the repository's folder, where tests run.
fn examples(words: &[&str]) -> Answer {
    let words: Vec<&str> = [&["inventory"], words].concat();
    run(&words).expect(0)
}

/// What was answered, without the folders of this machine.
fn plain(text: &str) -> String {
    let home = std::env::var("HOME").unwrap_or_default();
    match home.as_str() {
        "" | "/" => text.to_owned(),
        home => text.replace(&format!("{home}/"), "~/"),
    }
}

#[test]
fn an_inventory_of_our_own_is_shown() {
    let file = "examples/inventory.yml";
    insta::assert_snapshot!("ours", plain(&examples(&["-i", file]).out));
    insta::assert_snapshot!(
        "ours_one",
        plain(&examples(&["-i", file, "--host", "db-02", "--host", "web-2"]).out)
    );
    insta::assert_snapshot!(
        "ours_zh",
        plain(&examples(&["-i", file, "--host", "web-2", "--lang", "zh"]).out)
    );
    let limited = examples(&["-i", file, "--limit", "prod:!canary", "--format", "json"]).json();
    assert_eq!(names(&limited), ["web-1", "db-01", "db-02", "db-03"]);
}

#[test]
fn an_inventory_of_ansible_is_shown_as_it_is() {
    let file = "examples/ansible/hosts";
    let all = examples(&["-i", file]);
    insta::assert_snapshot!("ansible", plain(&all.out));
    let one = examples(&["-i", file, "--host", "web-02.example.net", "--host", "legacy"]);
    insta::assert_snapshot!("ansible_one", plain(&one.out));
    let json = examples(&["-i", file, "--format", "json"]);
    insta::assert_snapshot!(
        "ansible_json",
        plain(&serde_json::to_string_pretty(&json.json()["hosts"][5]).unwrap())
    );
    for answer in [all, one, json] {
        assert!(!answer.out.contains("not-printed"), "{answer}");
    }
}

#[test]
fn both_stand_beside_each_other_and_beside_hosts_of_the_command_line() {
    let answer = examples(&[
        "-i",
        "examples/ansible/hosts",
        "-i",
        "examples/inventory.yml",
        "web[0]",
        "root@198.51.100.7:2222",
        "--ssh-config",
        "/etc/ssh/other",
        "--format",
        "json",
    ])
    .json();
    assert_eq!(names(&answer), ["web-01.example.net", "198.51.100.7:2222"]);
    assert_eq!(answer["hosts"][1]["reach"]["user"], "root");
    assert_eq!(answer["hosts"][1]["reach"]["ssh_config"], "/etc/ssh/other");
}

#[test]
fn without_an_inventory_it_is_this_machine() {
    let answer = examples(&["--format", "json"]).json();
    assert_eq!(names(&answer), ["local"]);
    assert_eq!(answer["hosts"][0]["reach"]["by"], "local");
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_nothing_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.yml");
    fs::write(
        &file,
        "hosts:\n  web-1: {adress: 192.0.2.1, password: hunter2}\n  -oProxyCommand=id: {}\ngroups: {web: [wbe-1]}\n",
    )
    .unwrap();
    let answer = run(&["inventory", "-i", file.to_str().unwrap()]).expect(2);
    assert_eq!(answer.out, "");
    insta::assert_snapshot!("mistakes", without(&answer.err, folder.path()));

    let words: [&[&str]; 6] = [
        &["--limit", "wbe"],
        &["-i", "examples/inventory.yml", "--limit", "prd"],
        &["-i", "examples/inventory.yml", "--limit", "prod:!cnary"],
        &["-i", "examples/inventory.yml", "--host", "none"],
        &["-i", "examples/no-such-file"],
        &["root@-oProxyCommand=id"],
    ];
    let told: Vec<String> = words
        .iter()
        .map(|words| {
            let answer = run(&[&["inventory"], *words].concat()).expect(2);
            assert_eq!(answer.out, "", "{answer}");
            format!("{}\n{}", words.join(" "), answer.err)
        })
        .collect();
    insta::assert_snapshot!("refused", told.join("\n"));
}

fn without(text: &str, folder: &Path) -> String {
    text.replace(&format!("{}/", folder.display()), "")
}

fn names(answer: &Value) -> Vec<&str> {
    let hosts = answer["hosts"].as_array().map(Vec::as_slice).unwrap_or_default();
    hosts.iter().filter_map(|host| host["host"].as_str()).collect()
}
