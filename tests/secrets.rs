//! No secret is anywhere but where it is used: a canary of its own in each place where one can be put, then every artefact
//! of the whole path is searched for all of them, in every writing.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::command::program;
use common::infection::write_program;
use common::machine::written;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where each canary is put. What is here no place can be without.
const PLACES: [&str; 25] = [
    "a variable from the environment, unused",
    "a file on the command line",
    "the command line itself",
    "the inventory, written out for the host",
    "the inventory, by a file",
    "a group of the environment, by a command",
    "a let that deciding reads",
    "a let that only verify reads",
    "a let that turns it round and puts it in capitals",
    "a let of a let, joined and cut",
    "the items of a foreach",
    "a template inside a text",
    "an assert that does not hold",
    "an expression that fails over it",
    "a parameter of another type",
    "a condition",
    "an included file",
    "an included file that wants another type",
    "a list of secrets",
    "a map of secrets",
    "a secret of several lines",
    "an environment in which it stands in the open",
    "a playbook in which it stands as a default",
    "a step that would hand it to a host",
    "a command that fails and says it",
];

/// A secret that no text of ours could hold by chance, with what JSON and a terminal write otherwise.
fn canary(place: usize) -> String {
    format!("Quince\"{place:02}\\plum-Of-The-Orchard-{place:02}")
}

/// A word that is no secret: it must be found, or nothing is searched.
const CONTROL: &str = "medlar-of-the-hedge-77";

const PLAYBOOK: &str = r#"
playbook: canaries
version: 1
vars:
  watch: {type: duration, default: 2s}
  control: {type: string}
  s00: {type: secret}
  s01: {type: secret}
  s02: {type: secret}
  s03: {type: secret}
  s04: {type: secret}
  s05: {type: secret}
  s06: {type: secret}
  s07: {type: secret}
  s08: {type: secret}
  s09: {type: secret}
  s10: {type: "list<secret>"}
  s11: {type: secret}
  s12: {type: secret}
  s13: {type: secret}
  s14: {type: secret}
  s15: {type: secret}
  s16: {type: secret}
  s17: {type: secret}
  s18: {type: "list<secret>"}
  s19: {type: "map<secret>"}
  s20: {type: secret}
phases:
  gather:
    - {id: processes, use: process.list, with: {sample: 1s}}
    - {id: cron, use: cron.list}
    - {id: sockets, use: net.sockets}
    - {include: parts/part.yml, with: {key: "{{ vars.s16 }}"}}
    - {include: parts/typed.yml, with: {span: "{{ vars.s17 }}"}}
  decide:
    - {id: copy, let: {key: vars.s06, given: vars.s03 ~ vars.s04 ~ vars.s05 ~ vars.s01, filed: vars.s02}}
    - {id: turned, let: {key: "vars.s08 | reverse | upper", low: vars.s08 | lower}}
    - {id: joined, let: {all: "[steps.copy.key, vars.s09, 'x'] | join('-')", cut: "vars.s09[0:20]"}}
    - {id: lists, let: {one: vars.s18, two: vars.s19, lines: vars.s20, all: vars}}
    - id: each
      use: miner.judge
      foreach: vars.s10
      with: {processes: "{{ steps.processes.rows }}", pools: ["{{ item }}"], rules: rules/own.yml}
    - id: mistyped
      use: miner.judge
      on_error: continue
      with: {processes: "{{ [vars.s14] | map('string') | list }}", rules: rules/own.yml}
    - id: verdict
      use: miner.judge
      with:
        processes: "{{ steps.processes.rows }}"
        starters: "{{ steps.cron.rows }}"
        sockets: "{{ steps.sockets.rows }}"
        pools: ["key-{{ vars.s11 }}", "{{ vars.control }}"]
        boot_id: "{{ vars.s15 }}"
        rules: rules/own.yml
    - {stop: no miner, when: steps.verdict.host != "infected" or vars.s15 == "x"}
  locate:
    - id: trace
      use: miner.trace
      with: {verdict: "{{ steps.verdict }}", starters: "{{ steps.cron.rows }}", sockets: "{{ steps.sockets.rows }}"}
  backup:
    - {id: keep, use: evidence.keep, with: {artifacts: "{{ steps.trace.artifacts }}"}}
  eradicate:
    - {id: block, use: net.block, with: {remotes: "{{ steps.trace.peers }}"}}
    - {id: uncron, use: lines.remove, with: {lines: "{{ steps.trace.cron }}"}}
    - {id: delete, use: file.remove, with: {files: "{{ steps.trace.files }}"}}
    - {id: kill, use: process.kill, with: {processes: "{{ steps.trace.processes }}"}}
  verify:
    - {id: late, let: {key: vars.s07, early: steps.copy.key, all: steps.lists.one, part: steps.inside.key}}
    - {id: said, let: {control: vars.control}}
    - {assert: steps.late.key == steps.turned.low, name: the keys are the same}
    - {assert: vars.s12 == "another"}
    - {assert: (vars.s13 | int) == 2, name: it can be counted}
    - {assert: "([vars.s13] | map('float') | list) == []"}
    - {assert: steps.late.early == steps.joined.cut or steps.each | length == 7}
    - {id: quiet, use: verify.quiet, with: {artifacts: "{{ steps.trace.artifacts }}", window: "{{ vars.watch }}"}}
"#;

const PART: &str = "vars:\n  key: {type: secret}\nsteps:\n  - {id: inside, let: {key: vars.key}}\n";
const TYPED: &str = "vars:\n  span: {type: string}\nsteps:\n  - {id: typed, let: {key: vars.span ~ 'x'}}\n";

/// Everything that was said or written.
struct Artefacts(Vec<(String, Vec<u8>)>);

impl Artefacts {
    /// All files below a folder, and what is packed in them.
    fn take(&mut self, folder: &Path) {
        let mut open = vec![folder.to_path_buf()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(
                    fs::read_dir(&path)
                        .expect("a folder")
                        .map(|entry| entry.expect("an entry").path()),
                );
                continue;
            }
            let Ok(bytes) = fs::read(&path) else { continue };
            let name = path.display().to_string();
            for (at, unpacked) in unpacked(&bytes) {
                self.0.push((format!("{name}, unpacked from byte {at}"), unpacked));
            }
            self.0.push((name.clone(), bytes));
            self.0.push((format!("the name of {name}"), name.into_bytes()));
        }
    }

    fn holding(&self, word: &str) -> Vec<String> {
        let found = self
            .0
            .iter()
            .filter_map(|(name, bytes)| Some(format!("{name}: {}", holds(bytes, word)?)));
        found.collect()
    }
}

/// What zstd packed inside some bytes, wherever it begins.
fn unpacked(bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let begins = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, window)| *window == MAGIC)
        .map(|(at, _)| at);
    begins
        .filter_map(|at| Some((at, zstd::stream::decode_all(&bytes[at..]).ok()?)))
        .collect()
}

/// In which writing some bytes hold a word; cut to its middle too, since messages are cut.
fn holds(bytes: &[u8], word: &str) -> Option<&'static str> {
    let json = serde_json::to_string(word).expect("a text");
    let hex: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
    let turned: String = word.chars().rev().collect();
    let beginning: String = word.chars().take(14).collect();
    let rows: [(&'static str, Vec<String>); 9] = [
        ("plain", vec![word.to_owned()]),
        ("its beginning", vec![beginning]),
        ("JSON", vec![json[1..json.len() - 1].to_owned()]),
        (
            "JSON in JSON",
            vec![
                serde_json::to_string(&json)
                    .expect("a text")
                    .trim_matches(['"', '\\'])
                    .to_owned(),
            ],
        ),
        (
            "escaped",
            vec![word.escape_default().to_string(), word.escape_debug().to_string()],
        ),
        ("capitals", vec![word.to_uppercase(), word.to_lowercase()]),
        ("backwards", vec![turned.clone(), turned.to_uppercase()]),
        ("hexadecimal", vec![hex.to_uppercase(), hex]),
        ("base64", (0..3).map(|at| base64_middle(word, at)).collect()),
    ];
    let found = |needle: &String| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
    rows.into_iter()
        .find(|(_, needles)| needles.iter().any(found))
        .map(|(name, _)| name)
}

/// The letters of base64 that a word has where it begins `at` bytes behind a full group, whatever stands around it.
fn base64_middle(word: &str, at: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = &word.as_bytes()[(3 - at) % 3..];
    let whole = &bytes[..bytes.len() / 3 * 3];
    let groups = whole
        .chunks(3)
        .map(|group| u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]));
    groups
        .flat_map(|group| [18, 12, 6, 0].map(|shift| char::from(LETTERS[(group >> shift & 0x3f) as usize])))
        .collect()
}

/// A desk with everything on it, its own home and its own search path.
struct Desk {
    folder: tempfile::TempDir,
    artefacts: Artefacts,
}

impl Desk {
    fn new() -> Desk {
        let folder = tempfile::tempdir().expect("a folder");
        let desk = Desk {
            folder,
            artefacts: Artefacts(Vec::new()),
        };
        for folder in ["book/envs", "book/parts", "book/rules", "out", "keys", "bin"] {
            fs::create_dir_all(desk.at(folder)).expect("made");
        }
        for rules in fs::read_dir(Path::new(ROOT).join("examples/rules")).expect("rules") {
            let rules = rules.expect("a file");
            fs::copy(rules.path(), desk.at("book/rules").join(rules.file_name())).expect("copied");
        }
        desk
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        if text.starts_with("#!") {
            write_program(&self.at(name), &[text.as_bytes()]);
        } else {
            fs::write(self.at(name), text).expect("written");
        }
        written(&self.at(name))
    }

    /// Runs a command and keeps all that it says; what it says in JSON.
    fn run(&mut self, code: i32, words: &[&str]) -> serde_json::Value {
        let path = format!(
            "{}:{}",
            self.at("bin").display(),
            std::env::var("PATH").expect("a search path")
        );
        let output = Command::new(program())
            .args(words)
            .env("HOME", self.folder.path())
            .env("XDG_STATE_HOME", self.at("out/state"))
            .env("XDG_RUNTIME_DIR", self.at("out"))
            .env("PATH", path)
            .env("S00", canary(0))
            .env("S07", canary(7))
            .env("S20", format!("{}\nsecond-line-{}", canary(20), canary(20)))
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .output()
            .expect("the built program starts");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        let answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let name = words.join(" ");
        self.artefacts.0.push((format!("stdout of {name}"), output.stdout));
        self.artefacts.0.push((format!("stderr of {name}"), output.stderr));
        answer
    }
}

#[test]
fn what_is_searched_for_would_be_found() {
    let word = canary(3);
    for (name, text) in [
        ("plain", format!("a {word} b")),
        ("its beginning", format!("a {}...", &word[..20])),
        ("JSON", serde_json::json!({"a": word}).to_string()),
        ("capitals", word.to_uppercase()),
        ("hexadecimal", word.bytes().map(|byte| format!("{byte:02x}")).collect()),
    ] {
        assert!(holds(text.as_bytes(), &word).is_some(), "{name}: {text}");
    }
    // As `base64` writes it behind a line of any length.
    for (before, text) in [
        ("", "UXVpbmNlIjAzXHBsdW0tT2YtVGhlLU9yY2hhcmQtMDM="),
        ("x", "eFF1aW5jZSIwM1xwbHVtLU9mLVRoZS1PcmNoYXJkLTAz"),
        ("xy", "eHlRdWluY2UiMDNccGx1bS1PZi1UaGUtT3JjaGFyZC0wMw=="),
    ] {
        assert_eq!(holds(text.as_bytes(), &word), Some("base64"), "behind {before}");
    }
    assert_eq!(holds(b"quinces and plums of an orchard", &word), None);
    let packed = [
        b"head".to_vec(),
        zstd::stream::encode_all(word.as_bytes(), 3).expect("packed"),
    ]
    .concat();
    assert_eq!(unpacked(&packed), [(4, word.into_bytes())]);
}

#[test]
fn no_canary_is_in_any_artefact() {
    let mut desk = Desk::new();
    let playbook = desk.write("book/night.yml", PLAYBOOK);
    desk.write("book/parts/part.yml", PART);
    desk.write("book/parts/typed.yml", TYPED);
    for place in [1, 2, 4, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19] {
        desk.write(&format!("keys/k{place:02}"), &format!("{}\n", canary(place)));
    }
    let keys = written(&desk.at("keys"));
    let by_file: String = [6, 8, 9, 11, 12, 13, 14, 15, 16, 17]
        .iter()
        .map(|place| format!("  s{place:02}: {{file: {keys}/k{place:02}}}\n"))
        .collect();
    let say = desk.write("keys/say", &format!("#!/bin/sh\ncat <<'END'\n{}\nEND\n", canary(5)));
    fs::set_permissions(&say, fs::Permissions::from_mode(0o700)).expect("it may run");
    desk.write(
        "book/envs/prod.yml",
        &format!(
            "environment: prod\nvars:\n  control: {CONTROL}\n  s00: {{env: S00}}\n  s07: {{env: S07}}\n  s20: {{env: S20}}\n{by_file}  \
             s10: [{{file: {keys}/k10}}]\n  s18: [{{file: {keys}/k18}}]\n  s19: {{a: {{file: {keys}/k19}}}}\n\
             groups:\n  mines: {{vars: {{s05: {{command: [{say}]}}}}}}\n"
        ),
    );
    let inventory = desk.write(
        "book/hosts.yml",
        &format!(
            "hosts:\n  one: {{connection: \"simulated:infected\", vars: {{s03: {}, s04: {{file: {keys}/k04}}}}}}\ngroups: {{mines: [one]}}\n",
            serde_json::to_string(&canary(3)).expect("a text")
        ),
    );
    let files = [1, 2].map(|place| format!("s{place:02}={keys}/k{place:02}"));
    let given = [
        "--env",
        "prod",
        "-i",
        &inventory,
        "--set-file",
        &files[0],
        "--set-file",
        &files[1],
    ];
    let plan_file = written(&desk.at("out/the.plan"));
    let page = written(&desk.at("out/page.html"));

    let with = |words: &[&'static str]| -> Vec<String> {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .chain(given.iter().map(|word| (*word).to_owned()))
            .collect()
    };
    let strs = |words: &[String]| -> Vec<String> { words.to_vec() };
    let mut words = strs(&with(&["plan"]));
    words.extend([
        playbook.clone(),
        "-o".to_owned(),
        plan_file.clone(),
        "--format".to_owned(),
        "json".to_owned(),
    ]);
    let planned = desk.run(0, &words.iter().map(String::as_str).collect::<Vec<_>>());
    let hash = planned["hash"].as_str().expect("a plan")[..16].to_owned();
    let action = planned["actions"][0]["id"].as_str().expect("an action")[..8].to_owned();
    for format in ["text", "json", "markdown"] {
        for verb in ["plan", "vars"] {
            let mut words = strs(&with(&[]));
            words.splice(
                0..0,
                [
                    verb.to_owned(),
                    playbook.clone(),
                    "--format".to_owned(),
                    format.to_owned(),
                ],
            );
            if verb == "vars" {
                words.extend(["--host".to_owned(), "one".to_owned()]);
            }
            desk.run(0, &words.iter().map(String::as_str).collect::<Vec<_>>());
        }
        desk.run(0, &["show", &plan_file, "--format", format]);
        desk.run(0, &["show", &plan_file, &action, "--format", format]);
    }
    desk.run(0, &["show", &plan_file, "--page", &page]);
    // The keys that later steps read are had again from where they come from.
    let applied = desk.run(
        1,
        &[
            "apply",
            &plan_file,
            "--approve",
            &hash,
            "--watch",
            "2s",
            "--format",
            "json",
        ],
    );
    let troubles = applied["hosts"][0]["troubles"].to_string();
    for told in ["the keys are the same", "another", "invalid operation"] {
        assert!(troubles.contains(told), "it was evaluated: {told}: {troubles}");
    }
    for format in ["text", "json", "markdown"] {
        desk.run(1, &["report", "--format", format]);
        desk.run(1, &["report", "--format", format, "--lang", "zh"]);
        desk.run(0, &["audit", "--format", format]);
        desk.run(0, &["runs", "--format", format]);
        desk.run(0, &["undo", "--format", format]);
    }

    // What is refused shows nothing either. Of a command's words only what is said about them is searched.
    let set = format!("s02={}", canary(2));
    for verb in ["plan", "vars"] {
        desk.run(2, &[verb, &playbook, "--env", "prod", "--set", &set]);
        for (name, _) in desk.artefacts.0.iter_mut().rev().take(2) {
            *name = name.replace(&canary(2), "[s02]");
        }
    }
    desk.write(
        "book/envs/open.yml",
        &format!(
            "environment: open\nvars: {{s00: {}}}\n",
            serde_json::to_string(&canary(21)).expect("a text")
        ),
    );
    let default = format!(
        "s00: {{type: secret, default: {}}}",
        serde_json::to_string(&canary(22)).expect("a text")
    );
    let open = desk.write("book/default.yml", &PLAYBOOK.replace("s00: {type: secret}", &default));
    let host = PLAYBOOK.replace(
        "- {id: cron, use: cron.list}",
        "- {id: cron, use: cron.list}\n    - {id: leak, use: file.read, with: {path: \"/{{ vars.s00 }}\"}}",
    );
    let host = desk.write("book/host.yml", &host);
    let fails = desk.write(
        "keys/fails",
        &format!("#!/bin/sh\necho '{0}'; echo '{0}' >&2; exit 3\n", canary(24)),
    );
    fs::set_permissions(&fails, fs::Permissions::from_mode(0o700)).expect("it may run");
    desk.write(
        "book/envs/fails.yml",
        &format!("environment: fails\nvars: {{s00: {{command: [{fails}]}}}}\n"),
    );
    for format in ["text", "json"] {
        desk.run(2, &["check", &playbook, "--env", "open", "--format", format]);
        desk.run(2, &["check", &open, "--format", format]);
        desk.run(2, &["check", &host, "--format", format]);
        desk.run(
            2,
            &[
                "plan",
                &playbook,
                "simulated:clean",
                "--env",
                "fails",
                "--format",
                format,
            ],
        );
    }

    // An ssh is started without what came from our environment.
    let dump = written(&desk.at("out/ssh.txt"));
    let ssh = desk.write(
        "bin/ssh",
        &format!("#!/bin/sh\nenv >> {dump}\necho \"$@\" >> {dump}\nexit 255\n"),
    );
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o700)).expect("it may run");
    let mut words = strs(&with(&["plan"]));
    words.retain(|word| word != "-i" && *word != inventory);
    words.extend([playbook, "root@192.0.2.1".to_owned()]);
    for (name, place) in [("s03", 4), ("s04", 4), ("s05", 4)] {
        words.extend(["--set-file".to_owned(), format!("{name}={keys}/k{place:02}")]);
    }
    desk.run(7, &words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(
        fs::read_to_string(&dump).is_ok_and(|text| text.contains("XDG_RUNTIME_DIR")),
        "ssh was started"
    );

    let out = desk.at("out");
    desk.artefacts.take(&out);
    assert!(desk.artefacts.0.len() > 80, "only {} artefacts", desk.artefacts.0.len());
    let found = desk.artefacts.holding(CONTROL);
    for needed in ["the.plan", "journal", "stdout of show", "unpacked"] {
        let told = needed == "unpacked" || found.iter().any(|found| found.contains(needed));
        assert!(told, "the control is not found in {needed}: {found:#?}");
    }
    let leaks: Vec<String> = PLACES
        .iter()
        .enumerate()
        .flat_map(|(place, name)| {
            let found = desk.artefacts.holding(&canary(place)).into_iter();
            found
                .map(move |found| format!("{name} ({place}): {found}"))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
}
