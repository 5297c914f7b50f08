//! What is at hand on the command line: examples in every verb's help, manual pages, completions, starting points.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod written;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use written::{Ran, Reader};

/// The verbs that `deminer --help` lists.
fn verbs() -> BTreeSet<String> {
    let help = Reader::new().read("deminer --help").out;
    let listed = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let named = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let words = named.filter_map(|line| line.split_whitespace().next());
    words.filter(|verb| *verb != "help").map(str::to_owned).collect()
}

fn examples(verb: &str) -> Vec<String> {
    let help = Reader::new().read(&format!("deminer {verb} --help")).out;
    let behind = help
        .lines()
        .skip_while(|line| !["Example:", "Examples:"].contains(line))
        .skip(1);
    behind
        .filter_map(|line| line.strip_prefix("    deminer "))
        .map(|rest| format!("deminer {rest}"))
        .collect()
}

fn done(reader: &mut Reader, command: &str) -> Ran {
    let ran = reader.read(command);
    assert_eq!(ran.code, 0, "`{command}`:\n{}{}", ran.out, ran.stderr);
    ran
}

#[test]
fn every_verb_ends_its_help_with_examples_that_work() {
    assert!(verbs().len() > 20, "{:?}", verbs());
    for verb in verbs() {
        let examples = examples(&verb);
        assert!(!examples.is_empty(), "{verb} has no example");
        let mut reader = Reader::new();
        done(&mut reader, "deminer plan linux-miner simulated:infected -o miner.plan");
        if ["undo", "verify", "report", "audit"].contains(&verb.as_str()) {
            done(&mut reader, "deminer apply miner.plan --approve HASH --watch 10s");
        }
        if verb == "import" {
            let document = done(&mut reader, "deminer export triage").out;
            fs::write(reader.folder().join("playbook.json"), document).expect("written");
        }
        if verb == "approve" {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f", "KEY"])
                .current_dir(reader.folder())
                .status();
            assert!(made.expect("ssh-keygen starts").success());
        }
        for command in examples {
            let ran = reader.read(&command);
            // A simulated host is a new one in each command: its miner is back.
            let code = if verb == "verify" { 6 } else { 0 };
            assert_eq!(ran.code, code, "`{command}`:\n{}{}", ran.out, ran.stderr);
        }
    }
}

#[test]
fn every_verb_has_a_manual_page() {
    let mut reader = Reader::new();
    done(&mut reader, "deminer man -o pages");
    let entries = fs::read_dir(reader.folder().join("pages")).expect("pages");
    let pages: BTreeSet<String> = entries
        .map(|entry| entry.expect("a page").file_name().to_string_lossy().into_owned())
        .collect();
    let expected = verbs().into_iter().map(|verb| format!("deminer-{verb}.1"));
    assert_eq!(pages, expected.chain(["deminer.1".to_owned()]).collect());
    for page in pages {
        let text = fs::read_to_string(reader.folder().join("pages").join(&page)).expect("a page");
        assert!(text.contains(".SH SYNOPSIS") && text.contains("deminer"), "{page}");
    }
}

#[test]
fn every_shell_gets_completions_of_every_verb() {
    let mut reader = Reader::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = done(&mut reader, &format!("deminer completions {shell}")).out;
        for verb in verbs() {
            assert!(script.contains(&verb), "{shell}: no {verb}");
        }
        assert!(!script.contains("keeper"), "{shell}: what Deminer starts itself");
    }
}

/// What bash completes these words to.
fn completed(reader: &Reader, words: &[&str]) -> Vec<String> {
    let count = words.len() - 1;
    let script = format!(
        "set -e; . ./deminer.bash; COMP_WORDS=({}); COMP_CWORD={count}; _deminer deminer '{}' '{}' || true; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words
            .iter()
            .map(|word| format!("'{word}'"))
            .collect::<Vec<_>>()
            .join(" "),
        words[count],
        words[count - 1],
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &script])
        .current_dir(reader.folder())
        .stdin(Stdio::null())
        .output()
        .expect("bash starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn bash_completes_verbs_and_options() {
    let mut reader = Reader::new();
    let script = done(&mut reader, "deminer completions bash").out;
    fs::write(reader.folder().join("deminer.bash"), script).expect("written");
    let parsed = Command::new("bash")
        .args(["-n", "deminer.bash"])
        .current_dir(reader.folder())
        .status();
    assert!(parsed.expect("bash starts").success());
    assert_eq!(completed(&reader, &["deminer", "thr"]), ["throttle"]);
    assert_eq!(completed(&reader, &["deminer", "apply", "--excl"]), ["--exclude"]);
    assert_eq!(completed(&reader, &["deminer", "new", "mod"]), ["module"]);
    assert_eq!(
        completed(&reader, &["deminer", "wor"]),
        [""],
        "what Deminer starts itself"
    );
}

#[test]
fn a_new_playbook_has_no_mistakes_and_finds_the_miner() {
    let mut reader = Reader::new();
    done(&mut reader, "deminer new playbook web-tier -o mine");
    done(&mut reader, "deminer check mine/web-tier.yml");
    for (host, verdict, acts) in [("infected", "infected", 18), ("clean", "clean", 0)] {
        let ran = reader.run(&format!("deminer plan mine/web-tier.yml simulated:{host}"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(ran.answer["hosts"][0]["verdict"], verdict);
        assert_eq!(
            ran.answer["actions"].as_array().map(Vec::len),
            Some(acts),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn new_rules_are_taken_and_count() {
    let mut reader = Reader::new();
    done(&mut reader, "deminer new playbook web-tier");
    let rules = reader.folder().join("rules/web-tier.yml");
    fs::remove_file(&rules).expect("gone");
    done(&mut reader, "deminer new rules web-tier");
    done(&mut reader, "deminer check web-tier.yml");
    // Stricter than any host: what they say is what judges.
    let text = fs::read_to_string(&rules)
        .expect("rules")
        .replacen("needed: 20", "needed: 500", 1);
    fs::write(&rules, text).expect("written");
    let ran = reader.run("deminer plan web-tier.yml simulated:infected");
    assert_eq!(ran.answer["hosts"][0]["verdict"], "suspected", "{}", ran.stderr);
}

/// That it compiles and passes its tests is a test of the modules' crate.
#[test]
fn a_new_module_is_the_one_that_is_compiled_under_its_name() {
    let mut reader = Reader::new();
    done(&mut reader, "deminer new module hosts.list -o src");
    let text = fs::read_to_string(reader.folder().join("src/hosts_list.rs")).expect("a module");
    let compiled = fs::read_to_string(format!("{}/src/commands/new/module.rs", written::ROOT)).expect("the template");
    assert_eq!(
        text.replace("hosts.list", "starter.lines")
            .replace("HostsList", "StarterLines"),
        compiled
    );
}

#[test]
fn nothing_is_written_over_and_no_name_leads_elsewhere() {
    let mut reader = Reader::new();
    let own = reader.folder().join("rules/night.yml");
    done(&mut reader, "deminer new rules night");
    fs::write(&own, "mine\n").expect("written");
    for command in [
        "deminer new rules night",
        "deminer new rules ../night",
        "deminer new module Hosts",
        "deminer new playbook a/b",
    ] {
        assert_eq!(reader.read(command).code, 2, "`{command}`");
    }
    // Rules that are there are as good as new ones.
    done(&mut reader, "deminer new playbook night");
    assert_eq!(fs::read_to_string(&own).expect("rules"), "mine\n");
    fs::write(reader.folder().join("night.yml"), "mine\n").expect("written");
    assert_eq!(reader.read("deminer new playbook night").code, 2);
    assert_eq!(
        fs::read_to_string(reader.folder().join("night.yml")).expect("mine"),
        "mine\n"
    );
}
