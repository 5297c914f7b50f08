//! What the command says of a playbook with mistakes: all of them at once, and no host is touched.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use common::command::{Deminer, run};
use common::machine::written;

/// Ten mistakes of ten kinds.
const MISTAKES: &str = r#"playbook: night-shift
version: 1
vars:
  watch: {type: duration, default: ten minutes}
  depth: {type: number}
phases:
  gather:
    - {id: processes, use: process.lst}
    - {id: users, use: process.list, with: {smaple: 5s}}
    - {id: cron, use: process.kill, with: {processes: []}}
  decide:
    - {id: verdict, use: miner.judge, with: {processes: "{{ steps.proceses.rows }}", rules: rules/linux.yml}}
    - {stop: nothing here, when: step.users}
  locate:
    - {assert: vars.wach, name: never}
  eradcate:
    - {id: still, use: verify.gone, with: {artifacts: []}}
"#;

fn with_mistakes() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("night.yml");
    std::fs::write(&file, MISTAKES).expect("a playbook");
    (directory, file)
}

#[test]
fn ten_mistakes_are_ten_diagnostics() {
    let (_directory, file) = with_mistakes();
    let file = written(&file);
    let text = run(&["check", &file]).expect(2);
    assert_eq!(text.err, "");
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.add_filter(&file, "night.yml");
    settings.bind(|| insta::assert_snapshot!("ten_mistakes", text.out));

    let json = run(&["check", &file, "--format", "json"]).expect(2).json();
    let mistakes = json["files"][0]["mistakes"].as_array().expect("a list");
    assert_eq!(mistakes.len(), 10, "{json:#}");
    for mistake in mistakes {
        for field in ["code", "message", "help"] {
            let text = mistake[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "no {field}: {mistake:#}");
        }
        for field in ["line", "column"] {
            assert!(
                mistake["at"][field].as_u64().is_some_and(|number| number > 0),
                "no {field}: {mistake:#}"
            );
        }
    }
}

#[test]
fn no_verb_goes_to_a_host_with_a_mistaken_playbook() {
    let (_directory, file) = with_mistakes();
    let deminer = Deminer::new();
    for verb in ["plan", "run"] {
        let answer = deminer.run(&[verb, &written(&file), "simulated:infected"]).expect(2);
        assert!(answer.err.contains("P0102"), "{answer}");
        assert_eq!(answer.out, "", "{answer}");
        let kept = std::fs::read_dir(deminer.runs()).expect("a directory").count();
        assert_eq!(kept, 0, "a run was begun\n{answer}");
    }
}

#[test]
fn the_shipped_playbooks_have_no_mistakes() {
    for name in ["linux-miner", "triage"] {
        let json = run(&["check", name, "--format", "json"]).expect(0).json();
        assert_eq!(json["files"][0]["mistakes"], serde_json::json!([]), "{name}");
        assert_eq!(json["files"][0]["playbook"], name);
    }
}

#[test]
fn a_program_of_the_host_runs_by_leave_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("listing.yml");
    let text = "playbook: listing\nversion: 1\nphases:\n  gather:\n    - {id: here, use: command.read, with: {argv: [/bin/echo, a b]}}\n";
    std::fs::write(&file, text).expect("a playbook");
    let (file, deminer) = (written(&file), Deminer::new());
    for verb in ["check", "plan", "run"] {
        let answer = match verb {
            "check" => run(&[verb, &file]),
            _ => deminer.run(&[verb, &file]),
        };
        let answer = answer.expect(2);
        let said = format!("{}{}", answer.out, answer.err);
        assert!(
            said.contains("P0320") && said.contains("--allow command.read"),
            "{verb}: {answer}"
        );
    }
    run(&["check", &file, "--allow", "everything"]).expect(2);
    run(&["check", &file, "--allow", "command.read"]).expect(0);
    let json = deminer
        .run(&["plan", &file, "local", "--allow", "command.read", "--format", "json"])
        .expect(0)
        .json();
    let host = &json["hosts"][0];
    assert_eq!(
        host["footprint"]["programs"],
        serde_json::json!([["/bin/echo", "a b"]]),
        "{json:#}"
    );
    let text = deminer
        .run(&["plan", &file, "local", "--allow", "command.read"])
        .expect(0);
    // Lines are wrapped.
    let said = text.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("/bin/echo 'a b'"), "{text}");
    assert!(said.contains("by the word of a program of the host"), "{text}");
}

#[test]
fn a_first_look_proposes_nothing() {
    let deminer = Deminer::new();
    for host in ["simulated:infected", "simulated:clean"] {
        let plan = deminer
            .run(&["plan", "triage", host, "--set", "sample=1s", "--format", "json"])
            .expect(0)
            .json();
        let host = &plan["hosts"][0];
        let actions = host["orders"]["actions"].as_array().or(host["actions"].as_array());
        assert!(actions.is_none_or(Vec::is_empty), "{plan:#}");
    }
}

/// The rules of SARIF 2.1.0 that readers rely on: each result points to its rule by id and by number, each place is a region
/// of a file with both ends, each fix is the exact text that is taken for the marked one.
#[test]
fn mistakes_as_sarif() {
    let (_directory, file) = with_mistakes();
    let file = written(&file);
    let other = "tests/wrong/rows-of-another-module.yml";
    let log = run(&["check", &file, other, "linux-miner", "--format", "sarif"])
        .expect(2)
        .json();
    assert_eq!(log["version"], "2.1.0");
    let run_ = &log["runs"][0];
    assert_eq!(run_["columnKind"], "unicodeCodePoints");
    let rules = run_["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run_["results"].as_array().expect("results");
    assert_eq!(results.len(), 11);
    let text = std::fs::read_to_string(&file).expect("the playbook");
    let (mut fixes, mut related) = (0, 0);
    for result in results {
        let index = result["ruleIndex"].as_u64().and_then(|n| usize::try_from(n).ok());
        let rule = &rules[index.expect("a number")];
        assert_eq!(rule["id"], result["ruleId"], "{result:#}");
        assert!(rule["shortDescription"]["text"].is_string() && rule["help"]["text"].is_string());
        assert_eq!(result["level"], "error");
        assert!(
            result["message"]["text"]
                .as_str()
                .is_some_and(|text| text.contains("Help: "))
        );
        let place = &result["locations"][0]["physicalLocation"];
        let labels = result["relatedLocations"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        related += labels.len();
        for place in labels.iter().map(|label| &label["physicalLocation"]).chain([place]) {
            let uri = place["artifactLocation"]["uri"].as_str().expect("a file");
            assert!(uri == other || uri == format!("file://{file}"), "{uri}");
            let at = |key: &str| place["region"][key].as_u64().expect(key);
            assert!(at("startLine") >= 1 && at("startColumn") >= 1, "{place:#}");
            assert!(
                (at("endLine"), at("endColumn")) >= (at("startLine"), at("startColumn")),
                "{place:#}"
            );
        }
        for fix in result["fixes"].as_array().into_iter().flatten() {
            fixes += 1;
            let change = &fix["artifactChanges"][0];
            assert_eq!(change["artifactLocation"], place["artifactLocation"]);
            let replacement = &change["replacements"][0];
            assert_eq!(replacement["deletedRegion"], place["region"]);
            let line = usize::try_from(place["region"]["startLine"].as_u64().expect("a line")).expect("small");
            let column = |key: &str| usize::try_from(place["region"][key].as_u64().expect(key)).expect("small") - 1;
            let line = text.lines().nth(line - 1).expect("a line");
            let marked = &line[column("startColumn")..column("endColumn")];
            let word = replacement["insertedContent"]["text"].as_str().expect("a text");
            assert!(
                marked != word && !marked.contains([' ', '"', ':']),
                "{marked} -> {word}"
            );
        }
    }
    assert!(fixes >= 4 && related >= 1, "{fixes} fixes, {related} related places");
    let right = run(&["check", "linux-miner", "--format", "sarif"]).expect(0).json();
    assert_eq!(right["runs"][0]["results"], serde_json::json!([]));
}

#[test]
fn json_says_where_a_mistake_begins_and_ends() {
    let json = run(&["check", "tests/wrong/unknown-field.yml", "--format", "json"])
        .expect(2)
        .json();
    insta::assert_json_snapshot!("unknown_field", json["files"][0]["mistakes"]);
}

/// A playbook, an environment for it and a file of its tests, in a folder of their own.
fn beside(environment: &str, tests: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir(at("envs")).expect("a directory");
    let playbook = "playbook: shop\nversion: 3\nvars:\n  watch: {type: duration, default: 10m}\n  pools: {type: \"list<string>\", default: [a.example]}\nphases:\n  gather:\n    - {id: all, use: process.list}\n  decide:\n    - {id: out, let: {pools: vars.pools, watch: vars.watch}}\n";
    std::fs::write(at("shop.yml"), playbook).expect("a playbook");
    std::fs::write(at("envs/prod.yml"), environment).expect("an environment");
    std::fs::write(at("shop.test.yml"), tests).expect("tests");
    directory
}

const TESTS: &str = "test: shop\ncases:\n  - {name: a, host: simulated:clean, expect: {verdict: clean}}\n";

#[test]
fn each_file_is_checked_as_what_its_first_key_says() {
    let environment = "environment: prod\nfor: shop\nvars: {wach: 20m, watch: 20, pools: {$remove: [b.example]}}\npolicy: {efects: contain}\n";
    let tests =
        "test: shop\ncases:\n  - {name: a, host: simulated:infectd, expect: {verdct: clean}, crash: commited}\n";
    let directory = beside(environment, tests);
    let at = |name: &str| written(&directory.path().join(name));
    let files = [at("envs/prod.yml"), at("shop.test.yml"), at("shop.yml")];
    let words = |format: &'static str| {
        let files = files.iter().map(String::as_str);
        ["check"]
            .into_iter()
            .chain(files)
            .chain(["--format", format])
            .collect::<Vec<_>>()
    };
    let text = run(&words("text")).expect(2);
    assert_eq!(text.err, "");
    let said = text.out.replace(&written(directory.path()), "[folder]");
    insta::assert_snapshot!("environment_and_tests", said);

    let json = run(&words("json")).expect(2).json();
    let told = |number: usize| json["files"][number]["mistakes"].as_array().expect("a list").clone();
    let codes = |number: usize| -> Vec<String> {
        let told = told(number).into_iter();
        told.map(|mistake| mistake["code"].as_str().expect("a code").to_owned())
            .collect()
    };
    assert_eq!(codes(0), ["P0403", "P0402", "P0703", "P0002"]);
    assert_eq!(codes(1), ["T0101", "P0002", "T0101", "T0101"]);
    assert_eq!(json["files"][2]["playbook"], "shop");
    for mistake in told(0).into_iter().chain(told(1)) {
        assert!(
            mistake["at"]["line"].is_u64() && mistake["at"]["column"].is_u64(),
            "{mistake:#}"
        );
    }

    let sarif = run(&words("sarif")).expect(2).json();
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.len(), 8);
    let fixed = |word: &str| {
        let word = format!("write `{word}`");
        let mut fixes = results
            .iter()
            .filter_map(|result| result["fixes"][0]["description"]["text"].as_str());
        fixes.any(|fix| fix == word)
    };
    for word in ["watch", "effects", "verdict", "committed"] {
        assert!(fixed(word), "{word}: {sarif:#}");
    }
}

#[test]
fn an_environment_is_held_against_the_playbook_that_it_is_for() {
    // Right by itself; what it goes over does not have what is removed.
    let environment = "environment: prod\nfor: shop\nvars: {pools: {$remove: [b.example]}}\n";
    let directory = beside(environment, TESTS);
    let at = |name: &str| written(&directory.path().join(name));
    let said = run(&["check", &at("envs/prod.yml")]).expect(2);
    assert!(
        said.out.contains("P0703") && said.out.contains("envs/prod.yml:3:25"),
        "{said}"
    );

    let rows = [
        (
            "environment: prod\nfor: shop\nvars: {watch: 20m}\n",
            "environment prod for shop 3, no mistakes",
        ),
        ("environment: prod\nfor: triage\n", "environment prod for triage"),
        ("environment: prod\nvars: {wach: 20m}\n", "held against no playbook"),
        ("environment: prod\nfor: no-such\n", "held against no playbook"),
    ];
    for (text, expected) in rows {
        let directory = beside(text, TESTS);
        let file = written(&directory.path().join("envs/prod.yml"));
        let said = run(&["check", &file]).expect(0);
        assert!(said.out.contains(expected), "{text}: {said}");
    }

    let alone = run(&["check", &at("envs/prod.yml"), "--env", "prod"]).expect(2);
    assert!(alone.err.contains("--env is for playbooks"), "{alone}");

    // One that is named too counts, wherever it lies and whatever its file is called.
    let elsewhere = beside("environment: prod\nfor: far\nvars: {wach: 20m}\n", TESTS);
    let file = written(&elsewhere.path().join("envs/prod.yml"));
    let far = std::fs::read_to_string(at("shop.yml"))
        .expect("a playbook")
        .replace("shop", "far");
    let playbook = at("another.yml");
    std::fs::write(&playbook, far).expect("a playbook");
    let said = run(&["check", &file, &playbook]).expect(2);
    assert!(
        said.out.contains("P0403") && said.out.contains("far 3, 2 steps, no mistakes"),
        "{said}"
    );

    // With `--env` its mistakes are among the others.
    let words = [
        "check",
        &at("shop.yml"),
        "triage",
        "--env",
        &at("envs/prod.yml"),
        "--format",
        "json",
    ];
    let json = run(&words).expect(2).json();
    let files: Vec<&str> = json["files"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|file| file["file"].as_str())
        .collect();
    assert_eq!(
        files,
        [&at("shop.yml"), &at("envs/prod.yml"), "triage", &at("envs/prod.yml")],
        "{json:#}"
    );
}

#[test]
fn a_file_of_tests_has_its_playbook() {
    let directory = beside("environment: prod\n", TESTS);
    let file = written(&directory.path().join("shop.test.yml"));
    let said = run(&["check", &file]).expect(0);
    assert!(said.out.contains("1 case, no mistakes"), "{said}");
    std::fs::remove_file(directory.path().join("shop.yml")).expect("it is ours");
    let said = run(&["check", &file]).expect(2);
    assert!(
        said.out.contains("T0101") && said.out.contains("shop.test.yml:1:7"),
        "{said}"
    );
}

#[test]
fn a_folder_and_a_simulated_host_that_is_not_there() {
    let said = run(&["check", "examples"]).expect(2);
    assert!(said.err.contains("name its files: examples/*.yml"), "{said}");
    let deminer = Deminer::new();
    let said = deminer.run(&["plan", "triage", "simulated:infectd"]).expect(2);
    assert!(said.err.contains("did you mean `simulated:infected`?"), "{said}");
    let said = deminer.run(&["plan", "triage", "simulated:no/such"]).expect(2);
    assert!(said.err.contains("or the file of a world"), "{said}");
}

#[test]
fn steps_to_include_are_checked_by_themselves() {
    let shipped = run(&["check", "playbooks/library/look-1.yml", "--format", "json"]).expect(0);
    assert_eq!(shipped.json()["files"][0]["part"], "playbooks/library/look-1.yml");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("look.yml");
    let text = "help: what runs\nsteps:\n  - {id: processes, use: process.list, wehn: true}\n";
    std::fs::write(&file, text).expect("written");
    let said = run(&["check", &written(&file)]).expect(2);
    assert!(
        said.out.contains("look.yml:3:") && said.out.contains("did you mean `when`?"),
        "{}",
        said.out
    );
    assert!(!said.out.contains("`playbook` is missing"), "{}", said.out);
}
