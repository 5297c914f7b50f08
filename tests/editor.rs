//! The schema in a real editor's hands: the YAML language server that editors start, over its own protocol, on right and on
//! wrong playbooks.

#[allow(dead_code, reason = "each test program uses a part of it")]
mod playbooks;
#[path = "editor/server.rs"]
mod server;

use std::fmt::Write as _;

use playbooks::{BESIDE, Wrong, modeline, right, wrong};
use server::Server;

/// A playbook in which a bar is where the cursor stands.
const CURSORS: [(&str, &str); 7] = [
    (
        "modules of a phase",
        "playbook: a\nversion: 1\nphases:\n  backup:\n    - use: |\n",
    ),
    (
        "parameters of a module",
        "playbook: a\nversion: 1\nphases:\n  gather:\n    - use: process.list\n      with:\n        |\n",
    ),
    (
        "words of a parameter",
        "playbook: a\nversion: 1\nphases:\n  gather:\n    - use: process.list\n      with:\n        order: |\n",
    ),
    (
        "types",
        "playbook: a\nversion: 1\nvars:\n  a:\n    type: |\nphases: {}\n",
    ),
    ("phases", "playbook: a\nversion: 1\nphases:\n  |\n"),
    (
        "keys of a step",
        "playbook: a\nversion: 1\nphases:\n  gather:\n    - use: process.list\n      |\n",
    ),
    ("keys of a playbook", "playbook: a\n|\n"),
];

/// Words of a playbook that are pointed at.
const HOVERED: [&str; 6] = ["process.list", "sample", "order", "gather", "timeout", "duration"];

const POINTED_AT: &str = "playbook: a\nversion: 1\nvars: {watch: {type: duration, default: 10m}}\nphases:\n  gather:\n    - {id: all, use: process.list, with: {sample: 5s, order: memory}, timeout: 1m}\n";

#[test]
fn an_editor_knows_right_from_wrong() {
    let Some(mut server) = Server::start() else { return };
    let playbooks = right().into_iter().map(|(file, text, _)| (file, text)).collect();
    let mut all = vec![("playbook", playbooks, wrong())];
    all.extend(BESIDE.map(|beside| (beside.name, beside.right(), beside.wrong())));
    for (name, right, wrong) in all {
        let said = said_of(&mut server, name, right, wrong);
        insta::assert_snapshot!(format!("said_of_wrong_{name}s"), said);
    }
}

/// What it says of wrong files, and that it says nothing of right ones; each is read by the schema of this name.
fn said_of(server: &mut Server, schema: &str, right: Vec<(String, String)>, wrong: Vec<Wrong>) -> String {
    let right: Vec<String> = right
        .into_iter()
        .map(|(file, text)| server.open(&file, &text))
        .collect();
    let opened: Vec<(&Wrong, String)> = wrong
        .iter()
        .map(|wrong| {
            // At the end, so that no line is moved.
            let text = format!("{}{}", wrong.text, modeline(&wrong.file, schema));
            (wrong, server.open(&wrong.file, &text))
        })
        .collect();
    let all: Vec<&String> = right.iter().chain(opened.iter().map(|(_, uri)| uri)).collect();
    let mut said = server.diagnostics(&all);
    for uri in right {
        let told = said.remove(&uri).unwrap_or_default();
        assert!(told.is_empty(), "{uri}: {told:#?}");
    }
    let mut all = String::new();
    for (wrong, uri) in opened {
        let told = said.remove(&uri).unwrap_or_default();
        // What is read as YAML is the editor's own matter: a key that stands twice, but no case.
        let is_of_cases = ["case-twice.test", "case-of-the-same-files.test"].contains(&&*wrong.name);
        let knows = wrong.schema_knows || (wrong.code == "P0005" && !is_of_cases);
        assert_eq!(!told.is_empty(), knows, "{}: {told:#?}", wrong.name);
        for mistake in told {
            let start = &mistake["range"]["start"];
            let at = |key: &str| start[key].as_u64().expect("a place") + 1;
            let message = mistake["message"].as_str().expect("a message").replace('\n', " ");
            let message: String = message.chars().take(160).collect();
            let _ = writeln!(all, "{}:{}:{}: {message}", wrong.name, at("line"), at("character"));
        }
    }
    all
}

#[test]
fn an_editor_completes_and_explains() {
    let Some(mut server) = Server::start() else { return };
    let mut all = String::new();
    for (n, (name, text)) in CURSORS.iter().enumerate() {
        let before = text.split('|').next().expect("a part");
        let (line, column) = (
            before.matches('\n').count(),
            before.len() - before.rfind('\n').map_or(0, |at| at + 1),
        );
        let uri = server.open(
            &format!("tests/wrong/cursor-{n}.yml"),
            &format!("{}{}", text.replace('|', ""), modeline("tests/wrong/x", "playbook")),
        );
        let found = server.ask("textDocument/completion", &uri, line, column);
        let items = found
            .get("items")
            .unwrap_or(&found)
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut labels: Vec<&str> = items.iter().filter_map(|item| item["label"].as_str()).collect();
        labels.sort_unstable();
        labels.dedup();
        let _ = writeln!(all, "{name}: {}", labels.join(" "));
    }
    let uri = server.open(
        "tests/wrong/pointed-at.yml",
        &format!("{POINTED_AT}{}", modeline("tests/wrong/x", "playbook")),
    );
    for word in HOVERED {
        let at = POINTED_AT.find(word).expect("a word");
        let before = &POINTED_AT[..at];
        let column = at - before.rfind('\n').map_or(0, |at| at + 1);
        let found = server.ask("textDocument/hover", &uri, before.matches('\n').count(), column + 1);
        let text = found["contents"]["value"].as_str().unwrap_or("nothing");
        let text: Vec<&str> = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with("Source:"))
            .collect();
        let _ = writeln!(all, "\n{word}\n  {}", text.join("\n  "));
    }
    insta::assert_snapshot!("completed_and_explained", all);
}
