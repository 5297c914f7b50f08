//! What the two READMEs tell people to type works, and both tell the same.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod written;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use written::{ROOT, Reader};

const READMES: [&str; 2] = ["README.md", "README.zh.md"];

/// The commands of all blocks that are marked `sh`, comments left out.
fn commands(readme: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join(readme)).expect("the README is there");
    let mut commands = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.trim_end() {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => commands.extend(command(line)),
            _ => {}
        }
    }
    assert!(!inside, "{readme}: a block does not end");
    commands
}

fn command(line: &str) -> Option<String> {
    let command = line.split(" #").next().unwrap_or_default().trim();
    (!command.is_empty() && !command.starts_with('#')).then(|| command.to_owned())
}

#[test]
fn both_readmes_have_the_same_commands() {
    let [english, chinese] = READMES.map(commands);
    assert!(!english.is_empty());
    assert_eq!(english, chinese);
}

#[test]
fn the_first_block_is_two_commands() {
    for readme in READMES {
        let text = fs::read_to_string(Path::new(ROOT).join(readme)).expect("the README is there");
        let block = text.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
        assert_eq!(block, Some("cargo run --release -- demo\ntests/run\n"), "{readme}");
    }
}

#[test]
fn every_command_of_the_readme_works() {
    let mut reader = Reader::new();
    for written in commands(READMES[0]) {
        if written == "tests/run" {
            let file = fs::metadata(Path::new(ROOT).join("tests/run")).expect("tests/run is there");
            assert_ne!(file.permissions().mode() & 0o111, 0, "tests/run cannot be executed");
            continue;
        }
        let command = written.replace("cargo run --release --", "deminer");
        // The demo takes most of a minute and has a test of its own.
        if command == "deminer demo" {
            continue;
        }
        let ran = reader.run(&command);
        assert_eq!(ran.code, 0, "`{written}`: {}", ran.stderr);
        if command.starts_with("deminer apply ") {
            assert_eq!(
                ran.answer["headline"]["worst"], "eradicated",
                "`{written}`: {}",
                ran.stderr
            );
        }
    }
}

#[test]
fn the_files_that_the_readme_links_to_are_there() {
    for readme in READMES {
        let text = fs::read_to_string(Path::new(ROOT).join(readme)).expect("the README is there");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(Path::new(ROOT).join(link).exists(), "{readme}: no {link}");
        }
    }
}

#[test]
fn the_documents_name_files_that_are_there() {
    let folders = ["", "engine/src", "engine/worker/src"];
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "README.zh.md"] {
        let text = fs::read_to_string(Path::new(ROOT).join(document)).expect("the document is there");
        let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        let named = quoted.filter(|word| word.contains('/') && (word.ends_with(".rs") || word.ends_with(".yml")));
        for file in named {
            // The module that CONTRIBUTING makes is the reader's own.
            if file == "modules/src/hosts_list.rs" {
                continue;
            }
            let there = folders
                .iter()
                .any(|folder| Path::new(ROOT).join(folder).join(file).is_file());
            assert!(there, "{document}: no {file}");
        }
    }
}
