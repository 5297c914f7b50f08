//! `docs/mistakes.md`: every mistake has its row, and every test that a row names exists. And two mistakes that only the
//! sources can tell of: starting a host anew, and sending a sample away.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// How many there are.
const MISTAKES: usize = 37;

/// Those of Windows.
const UNTRIED: [&str; 2] = ["M16", "M35"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// The files below a folder with one of these endings, in order; those of tests are left out.
fn below(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![Path::new(ROOT).join(folder)];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            let is_meant = path
                .extension()
                .is_some_and(|end| endings.iter().any(|meant| end == *meant));
            match path.is_dir() {
                true => waiting.push(path),
                false if is_meant => found.push(path),
                false => {}
            }
        }
    }
    found.retain(|path| !path.ends_with("tests.rs") && path.components().all(|part| part.as_os_str() != "tests"));
    found.sort();
    found
}

/// The number of each row and the tests that it names, as file and name.
fn rows(document: &str) -> Vec<(String, Vec<(String, String)>)> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| M")?.strip_suffix(" |")?.split(" | ").collect();
        assert_eq!(cells.len(), 4, "{document}: {line}");
        let coded: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
        let tests = coded.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned()));
        Some((format!("M{}", cells[0]), tests.collect()))
    };
    read(document).lines().filter_map(row).collect()
}

#[test]
fn every_mistake_has_a_row_and_every_named_test_exists() {
    let told = rows("docs/mistakes.md");
    let numbers: Vec<&str> = told.iter().map(|(number, _)| &**number).collect();
    let expected: Vec<String> = (1..=MISTAKES).map(|number| format!("M{number}")).collect();
    assert_eq!(numbers, expected);
    for (number, tests) in &told {
        assert_eq!(tests.is_empty(), UNTRIED.contains(&&**number), "{number}");
        for (file, name) in tests {
            let text = read(file);
            let at = text
                .find(&format!("fn {name}("))
                .unwrap_or_else(|| panic!("{number}: {file} has no {name}"));
            let is_attribute = |line: &&str| line.trim_start().starts_with("#[") || line.trim().is_empty();
            let above: Vec<&str> = text[..at]
                .trim_end_matches("async ")
                .lines()
                .rev()
                .take_while(is_attribute)
                .collect();
            let runs = above.iter().any(|line| line.contains("test"))
                || text.contains(&format!("{name},"))
                || text.contains("proptest!");
            assert!(runs, "{number}: {name} of {file} is no test");
        }
    }
    assert_eq!(told, rows("docs/mistakes.zh.md"), "both languages name the same");
}

#[test]
fn nothing_here_starts_a_host_anew() {
    let calls = [
        "reboot(",
        "reboot::",
        "LINUX_REBOOT",
        "RebootCommand",
        "kexec",
        "sysrq-trigger",
        "\"reboot\"",
        "\"poweroff\"",
    ];
    let sources: Vec<PathBuf> = ["src", "engine/src", "engine/worker/src", "modules/src"]
        .iter()
        .flat_map(|folder| below(folder, &["rs"]))
        .collect();
    assert!(sources.len() > 200, "the sources are read");
    for path in sources {
        let text = fs::read_to_string(&path).expect("a source");
        // What stands in the tests of a file is no part of the product.
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for call in calls {
            assert!(!product.contains(call), "{}: {call}", path.display());
        }
    }
    for path in below("playbooks", &["yml"]) {
        let text = fs::read_to_string(&path).expect("a playbook").to_lowercase();
        for word in ["reboot", "shutdown", "poweroff"] {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    }
    let kinds = read("engine/worker/src/action.rs");
    assert!(kinds.contains("pub enum Act {") && !kinds.to_lowercase().contains("reboot"));
}

#[test]
fn nothing_here_sends_a_sample_away() {
    let clients = [
        "attohttpc",
        "aws-sdk-s3",
        "curl",
        "h2",
        "hickory-resolver",
        "http",
        "hyper",
        "isahc",
        "lettre",
        "minreq",
        "native-tls",
        "object_store",
        "openssl",
        "quinn",
        "reqwest",
        "rustls",
        "suppaftp",
        "surf",
        "tonic",
        "tungstenite",
        "ureq",
    ];
    let lock = read("Cargo.lock");
    let names: BTreeSet<&str> = (lock.lines())
        .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
        .collect();
    assert!(names.contains("openssh") && names.len() > 100, "the lock is read");
    let found: Vec<&&str> = clients.iter().filter(|client| names.contains(**client)).collect();
    assert!(found.is_empty(), "{found:?}");
    // The demo's stand-in calls a pool of its own on loopback; nothing else of the product opens a connection by itself.
    for folder in ["src", "engine/src", "engine/worker/src", "modules/src"] {
        for path in below(folder, &["rs"]) {
            let text = fs::read_to_string(&path).expect("a source");
            let product = text.split("#[cfg(test)]").next().unwrap_or_default();
            let calls = product.contains("TcpStream::connect") || product.contains("UdpSocket::bind");
            let is_demo = path.starts_with(Path::new(ROOT).join("src/demo"));
            assert!(!calls || is_demo, "{}", path.display());
        }
    }
    for path in below("playbooks", &["yml"]) {
        let text = fs::read_to_string(&path).expect("a playbook").to_lowercase();
        for word in ["upload", "virustotal", "sandbox", "http://", "https://"] {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    }
}
