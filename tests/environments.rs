//! Environments from outside: what they change, what they narrow, and who said what of a variable.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::command::{Answer, Deminer, program, run};
use common::machine::written;
use common::plan::Planned;
use serde_json::{Value, json};

const INFECTED: &str = "simulated:infected";
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A folder with the shipped playbook under another name's roof, so that environments can lie beside it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(environments: &[(&str, &str)]) -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        let copy = |from: &str, to: &str| {
            fs::copy(Path::new(ROOT).join(from), folder.path().join(to)).expect("copied");
        };
        fs::create_dir(folder.path().join("rules")).expect("made");
        fs::create_dir(folder.path().join("envs")).expect("made");
        copy("examples/two-places.yml", "night.yml");
        for rules in fs::read_dir(Path::new(ROOT).join("examples/rules")).expect("rules") {
            let name = rules.expect("a file").file_name();
            let name = name.to_str().expect("a name");
            copy(&format!("examples/rules/{name}"), &format!("rules/{name}"));
        }
        let place = Place { folder };
        for (name, text) in environments {
            // An environment is called as its file.
            let text = text.replace("environment: bare\n", &format!("environment: {name}\n"));
            place.write(&format!("envs/{name}.yml"), &text);
        }
        place
    }

    fn write(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        fs::write(&file, text).expect("written");
        written(&file)
    }

    fn playbook(&self) -> String {
        written(&self.folder.path().join("night.yml"))
    }

    fn plan(&self, deminer: &Deminer, words: &[&str]) -> Planned {
        Planned::by(deminer, &self.playbook(), &deminer.runs().join("the.plan"), words)
    }

    fn try_plan(&self, deminer: &Deminer, words: &[&str]) -> Answer {
        let playbook = self.playbook();
        let all: Vec<&str> = ["plan", &playbook].into_iter().chain(words.iter().copied()).collect();
        deminer.run(&all)
    }
}

fn header(planned: &Planned) -> Value {
    let text = fs::read_to_string(&planned.file).expect("the plan");
    serde_json::from_str(text.lines().next().expect("a header")).expect("JSON")
}

fn kinds(planned: &Planned) -> Vec<&str> {
    planned
        .actions()
        .iter()
        .map(|action| action["act"]["kind"].as_str().expect("a kind"))
        .collect()
}

const BARE: &str = "environment: bare\nvars: {ticket: T-1}\n";

#[test]
fn an_environment_changes_values_leaves_out_steps_and_stands_in_the_plan() {
    let place = Place::new(&[
        ("bare", BARE),
        (
            "prod",
            "environment: prod\nvars:\n  ticket: T-2\n  watch: 20m\n  pools: {$append: [pool.example:3333]}\ndisable: {delete: they stay}\n",
        ),
    ]);
    let deminer = Deminer::new();
    let bare = place.plan(&deminer, &[INFECTED, "--env", "bare"]);
    assert!(kinds(&bare).contains(&"remove_file"));
    let prod = place.plan(&deminer, &[INFECTED, "--env", "prod", "--set", "watch=7m"]);
    assert!(!kinds(&prod).contains(&"remove_file") && kinds(&prod).contains(&"kill"));
    let header = header(&prod);
    assert_eq!(header["vars"]["watch"], "7m", "the command line counts most");
    assert_eq!(
        header["vars"]["pools"],
        json!(["203.0.113.9:3333", "pool.example:3333"])
    );
    assert_eq!(header["environment"]["name"], "prod");
    assert_eq!(header["environment"]["disabled"], json!({"delete": "they stay"}));
    let shown = deminer.run(&["show", &prod.name()]).expect(0).out;
    assert!(
        shown.contains("environment") && shown.contains("`delete` (they stay)"),
        "{shown}"
    );
    let sha256 = header["environment"]["sha256"].as_str().expect("a digest");
    let values =
        "pools = [\"203.0.113.9:3333\",\"pool.example:3333\"] (playbook: [\"203.0.113.9:3333\"]); ticket = T-2";
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        &format!("prod (sha256 {})", &sha256[..16]),
        values,
        "watch = 7m (playbook: 5m)",
    ] {
        assert!(one_line(&shown).contains(part), "{part}: {shown}");
    }
    let shown = deminer.run(&["show", &prod.name(), "--lang", "zh"]).expect(0).out;
    assert!(shown.contains("停用步骤 `delete`") && shown.contains("取值"), "{shown}");

    // What is left out while planning stays left out when it is carried out.
    let report = prod.apply(&deminer, "5s").expect(0).json();
    assert_eq!(report["hosts"][0]["status"], "eradicated", "{report}");
    let removed = &report["counts"]["removed"];
    assert!(removed["files"].as_u64().unwrap_or(0) == 0, "{removed}");
}

#[test]
fn a_policy_narrows_what_is_planned_and_protects() {
    let policy = "policy: {effects: contain, protect: [/var/spool/cron]}\n";
    let place = Place::new(&[
        ("contain", &format!("{BARE}{policy}")),
        ("shelter", &format!("{BARE}policy: {{protect: [/var/spool/cron]}}\n")),
    ]);
    let deminer = Deminer::new();
    let contain = place.plan(&deminer, &[INFECTED, "--env", "contain"]);
    let found = kinds(&contain);
    assert!(found.contains(&"block_address") && found.contains(&"keep"), "{found:?}");
    let destroys = ["kill", "remove_file", "edit_lines"];
    assert!(!found.iter().any(|kind| destroys.contains(kind)), "{found:?}");
    let left = contain.hosts[0]["left_alone"].as_array().expect("a list");
    assert!(
        left.iter()
            .any(|left| left["why"] == json!({"why": "limited", "most": "contain"})),
        "{left:?}"
    );

    let shelter = place.plan(&deminer, &[INFECTED, "--env", "shelter"]);
    assert!(kinds(&shelter).contains(&"kill") && !kinds(&shelter).contains(&"edit_lines"));

    // A site's own policy says the same by another way, and the stricter counts. It holds where the plan is applied too.
    let site = place.write("policy.yml", "effects: preserve\n");
    let refused = {
        let mut words = shelter.words("5s").to_vec();
        words.extend(["--policy".to_owned(), site.clone()]);
        deminer
            .run(&words.iter().map(String::as_str).collect::<Vec<_>>())
            .expect(4)
    };
    assert!(refused.err.contains("at most `preserve` is allowed"), "{}", refused.err);
    let protects = place.write("protects.yml", "protect: [/tmp/.x, 198.51.100.0/24]\n");
    let under = |planned: &Planned| {
        let mut words = planned.words("5s").to_vec();
        words.extend(["--policy".to_owned(), protects.clone()]);
        deminer.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let refused = under(&shelter).expect(4);
    assert!(refused.err.contains("protects /tmp/.x"), "{}", refused.err);
    let spares = place.plan(&deminer, &[INFECTED, "--env", "shelter", "--protect", "/tmp"]);
    let refused = under(&spares).expect(4);
    assert!(refused.err.contains("protects 198.51.100.0/24"), "{}", refused.err);

    let preserve = place.plan(&deminer, &[INFECTED, "--env", "contain", "--policy", &site]);
    assert!(
        kinds(&preserve).iter().all(|kind| *kind == "keep"),
        "{:?}",
        kinds(&preserve)
    );
}

#[test]
fn removal_waits_for_its_window_and_containing_does_not() {
    // Days on which it is not: neither today nor tomorrow, whatever the day, by two windows that never meet.
    let closed = "policy: {windows: [mon 00:00-00:01 UTC]}\n";
    let place = Place::new(&[
        ("closed", &format!("{BARE}{closed}")),
        ("open", &format!("{BARE}policy: {{windows: [daily 00:00-24:00 UTC]}}\n")),
    ]);
    let site = place.write("policy.yml", "windows: [tue 00:00-00:01 UTC]\n");
    let deminer = Deminer::new();
    let planned = place.plan(&deminer, &[INFECTED, "--env", "closed", "--policy", &site]);
    let shown = deminer.run(&["show", &planned.name()]).expect(0).out;
    assert!(shown.contains("removal only mon 00:00-00:01 UTC"), "{shown}");
    let refused = planned.apply(&deminer, "5s").expect(4);
    assert!(refused.err.contains("nothing may be removed now"), "{}", refused.err);
    assert!(refused.err.contains("the next window opens"), "{}", refused.err);
    let mut words = planned.words("5s").to_vec();
    words.extend(["--only".to_owned(), "contain".to_owned()]);
    let contained = deminer
        .run(&words.iter().map(String::as_str).collect::<Vec<_>>())
        .expect(0)
        .json();
    assert_eq!(contained["hosts"][0]["status"], "contained");

    let open = place.plan(&deminer, &[INFECTED, "--env", "open"]);
    open.apply(&deminer, "5s").expect(0);
}

#[test]
fn more_is_not_allowed_than_the_environment_lets_be() {
    let place = Place::new(&[(
        "prod",
        &format!("{BARE}policy: {{leaves: [command.read], max_actions: 2}}\n"),
    )]);
    let deminer = Deminer::new();
    let refused = place
        .try_plan(&deminer, &[INFECTED, "--env", "prod", "--allow", "command.run"])
        .expect(4);
    assert!(refused.err.contains("--allow command.run"), "{}", refused.err);
    let planned = place.plan(&deminer, &[INFECTED, "--env", "prod", "--allow", "command.read"]);
    let refused = planned.apply(&deminer, "5s").expect(4);
    assert!(refused.err.contains("at most 2 are allowed"), "{}", refused.err);
}

#[test]
fn approvals_of_an_environment_stand_in_the_plan() {
    let place = Place::new(&[(
        "prod",
        &format!("{BARE}policy: {{approvals: {{needed: 2, signers: signers}}}}\n"),
    )]);
    place.write("envs/signers", "ada ssh-ed25519 AAAA\n");
    let deminer = Deminer::new();
    let planned = place.plan(&deminer, &[INFECTED, "--env", "prod"]);
    assert_eq!(header(&planned)["approvals"]["needed"], 2);
    let refused = planned.apply(&deminer, "5s").expect(4);
    assert!(refused.err.contains("sign"), "{}", refused.err);
    // The list is the environment's: where no policy has it, the command that is offered has a place for one.
    let offered = |more: &[&str]| {
        let words = [&[INFECTED, "--env", "prod"], more].concat();
        place.try_plan(&deminer, &words).expect(0).out
    };
    assert!(
        offered(&[]).contains("--approval FILE... --policy POLICY"),
        "{}",
        offered(&[])
    );
    let policy = place.write("policy.yml", "approvals: {needed: 2, signers: envs/signers}\n");
    let named = offered(&["--policy", &policy]);
    assert!(
        named.contains(&format!("--policy {policy}")) && !named.contains("POLICY"),
        "{named}"
    );
}

#[test]
fn who_reads_a_plan_reads_what_is_opened_when_it_is_applied() {
    let place = Place::new(&[("bare", BARE)]);
    let text = fs::read_to_string(place.playbook()).expect("the playbook");
    let text = text.replace("  ticket: {", "  token: {type: secret}\n  ticket: {");
    let text = text.replace(
        "verify:\n",
        "verify:\n    - {assert: vars.token == \"plum-tree\", name: the token fits}\n",
    );
    place.write("night.yml", &text);
    let say = place.write("say", "#!/bin/sh\necho plum-tree\n");
    place.write(
        "envs/prod.yml",
        &BARE
            .replace("environment: bare", "environment: prod")
            .replace("vars: {", "vars: {token: {command: [/bin/sh, SAY]}, ")
            .replace("SAY", &say),
    );
    let deminer = Deminer::new();
    let planned = place.plan(&deminer, &[INFECTED, "--env", "prod"]);
    let shown = deminer.run(&["show", &planned.name()]).expect(0).out;
    assert!(shown.contains("token from command `/bin/sh"), "{shown}");
    planned.apply(&deminer, "5s").expect(0);
    // What cannot be had is told before a host is touched.
    let planned = place.plan(&deminer, &[INFECTED, "--env", "prod"]);
    fs::remove_file(&say).expect("it is ours");
    let refused = planned.apply(&deminer, "5s").expect(2);
    assert!(
        refused.err.contains("no host was touched") && refused.err.contains("token"),
        "{}",
        refused.err
    );
}

#[test]
fn a_secret_in_the_words_of_a_command_is_refused() {
    let place = Place::new(&[("bare", BARE)]);
    let text = fs::read_to_string(place.playbook()).expect("the playbook");
    let text = text.replace("  ticket: {", "  token: {type: secret}\n  ticket: {");
    place.write("night.yml", &text);
    let file = place.write("token", "plum-tree\n");
    let deminer = Deminer::new();
    let by_file = format!("token={file}");
    let given = ["--env", "bare", "--set", "token=plum-tree"];
    let plan = place.try_plan(&deminer, &[&[INFECTED][..], &given].concat());
    let vars = run(&[&["vars", &place.playbook()][..], &given].concat());
    for refused in [plan.expect(2), vars.expect(2)] {
        for part in ["--set token: it is a secret", "--set-file token=FILE", "`age`"] {
            assert!(refused.err.contains(part), "{part}: {}", refused.err);
        }
        assert!(!refused.err.contains("plum-tree"), "{}", refused.err);
    }
    let planned = place.plan(&deminer, &[INFECTED, "--env", "bare", "--set-file", &by_file]);
    assert_eq!(header(&planned)["vars"]["token"], "***");
}

#[test]
fn mistakes_are_told_with_their_places_and_no_host_is_touched() {
    let place = Place::new(&[(
        "prod",
        "environment: prod\nvars: {tiket: T-1, watch: 20}\ndisable: {verdict: no, quiet: no, delte: no, trace: no}\npolicy: {windows: [always]}\n",
    )]);
    let deminer = Deminer::new();
    let wrong = place.try_plan(&deminer, &[INFECTED, "--env", "prod"]).expect(2);
    for part in [
        "envs/prod.yml:2:8",
        "did you mean `ticket`?",
        "write a unit",
        "step `verdict` judges",
        "step `quiet` proves",
        "did you mean `delete`?",
        "step `trace` is needed",
        "`always` is no window",
    ] {
        assert!(wrong.err.contains(part), "{part}: {}", wrong.err);
    }
    assert!(
        wrong.err.starts_with("error[P0"),
        "each says itself that it is one: {wrong}"
    );
    let playbook = place.playbook();
    let checked = run(&["check", &playbook, "--env", "prod"]).expect(2);
    assert!(checked.out.contains("did you mean `ticket`?"), "{checked}");
    assert_eq!(checked.err, "");
    assert!(!deminer.runs().join("the.plan").exists());
}

#[test]
fn only_environments_are_offered() {
    let place = Place::new(&[("prod", BARE), ("staging", BARE)]);
    for (name, text) in [
        ("prd", "ada ssh-ed25519 AAAA\n"),
        ("allowed_signers", "ada ssh-ed25519 AAAA\n"),
        ("rules.yml", "version: 1\nsignals: []\n"),
        ("hosts.yml", "hosts: {web-1: {}}\n"),
    ] {
        place.write(&format!("envs/{name}"), text);
    }
    let deminer = Deminer::new();
    let near = place.try_plan(&deminer, &[INFECTED, "--env", "prd"]).expect(2);
    insta::assert_snapshot!(near.err, @"
    error: no environment `prd`
    help: did you mean `prod`?
    ");
    let far = place.try_plan(&deminer, &[INFECTED, "--env", "allowed"]).expect(2);
    insta::assert_snapshot!(far.err, @"
    error: no environment `allowed`
    help: there are `prod`, `staging`
    ");
}

#[test]
fn an_environment_is_called_as_its_file() {
    let place = Place::new(&[("prod", "environment: production\nvars: {ticket: T-1}\n")]);
    let deminer = Deminer::new();
    let refused = place.try_plan(&deminer, &[INFECTED, "--env", "prod"]).expect(2);
    let said = refused.err.replace(&written(place.folder.path()), "[folder]");
    insta::assert_snapshot!(said, @"
    error[P0707]: the environment is called `production`, its file `prod`
      --> [folder]/envs/prod.yml:1:14
    1 | environment: production
      |              ^^^^^^^^^^ help: write `environment: prod`, or call the file `production.yml`
    [folder]/envs/prod.yml: 1 error, no host was touched; deminer explain P0707 says more
    ");
}

#[test]
fn vars_tells_every_candidate_with_its_place() {
    let place = Place::new(&[(
        "prod",
        "environment: prod\nvars:\n  ticket: T-2\n  pools: {$append: [pool.example:3333]}\ngroups:\n  db: {vars: {watch: 40m}}\n",
    )]);
    let inventory = place.write(
        "hosts.yml",
        "hosts:\n  web-1: {}\n  db-1: {vars: {watch: 2h}}\n  db-2: {}\ngroups:\n  db: {hosts: [db-1, db-2], vars: {watch: 30m}}\n",
    );
    let playbook = place.playbook();
    let of = |host: &str| {
        let words = [
            "vars", &playbook, "--env", "prod", "-i", &inventory, "--host", host, "--format", "json",
        ];
        run(&words).expect(0).json()
    };
    let told = of("db-1");
    let var = |told: &Value, name: &str| -> Value {
        let vars = told["vars"].as_array().expect("a list");
        vars.iter()
            .find(|var| var["name"] == name)
            .expect("it is declared")
            .clone()
    };
    let watch = var(&told, "watch");
    assert_eq!((&watch["value"], &watch["layer"]), (&json!("2h"), &json!("host")));
    let candidates = watch["candidates"].as_array().expect("a list");
    let said: Vec<Value> = candidates
        .iter()
        .map(|c| json!([c["layer"], c["group"], c["line"], c["value"]]))
        .collect();
    assert_eq!(
        said,
        [
            json!(["default", null, 14, "5m"]),
            json!(["group", "db", 6, "30m"]),
            json!(["group", "db", 6, "40m"]),
            json!(["host", null, 3, "2h"]),
        ]
    );
    assert_eq!(var(&of("db-2"), "watch")["value"], "40m");
    assert_eq!(var(&of("web-1"), "watch")["value"], "5m");
    let known = |host: &str| run(&["vars", &playbook, "--env", "prod", "-i", &inventory, "--host", host]);
    let unknown = known("db-3").expect(2);
    assert!(unknown.err.contains("the inventory has no host `db-3`"), "{unknown}");
    let right = known("db-1").expect(0);
    assert!(!right.err.contains("no group"), "{right}");
    let misspelt = fs::read_to_string(place.folder.path().join("envs/prod.yml")).expect("ours");
    place.write("envs/prod.yml", &misspelt.replace("  db: {", "  dbs: {"));
    for said in [
        known("db-1").expect(0),
        place.try_plan(&Deminer::new(), &["-i", &inventory, "--env", "prod"]),
    ] {
        assert!(
            said.err.contains("no group `dbs`") && said.err.contains("did you mean `db`?"),
            "{said}"
        );
    }
    place.write("envs/prod.yml", &misspelt);
    let text = run(&[
        "vars", &playbook, "--env", "prod", "-i", &inventory, "--host", "db-1", "--set", "watch=1m",
    ])
    .expect(0)
    .out;
    let text = text.replace(&written(place.folder.path()), "[folder]");
    insta::assert_snapshot!("vars", text);
    let text = run(&["vars", &playbook, "--lang", "zh"]).expect(0).out;
    let text = text.replace(&written(place.folder.path()), "[folder]");
    insta::assert_snapshot!("vars_zh", text);
}

/// Types a line in a folder, as it was printed; gives what came out, and the code.
fn pasted(line: &str, folder: &Path) -> (String, Option<i32>) {
    let own = program();
    let path = format!("{}:/usr/bin:/bin", own.parent().expect("a folder").display());
    let mut shell = Command::new("/bin/sh");
    let shell = shell.args(["-c", line]).env("PATH", path).current_dir(folder);
    let output = shell.output().expect("a shell");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(output.stdout) + &text(output.stderr), output.status.code())
}

/// The line that is to be pasted.
#[track_caller]
fn next(said: &str) -> String {
    let mut lines = said.lines();
    let line = lines.find_map(|line| line.strip_prefix("next"));
    line.unwrap_or_else(|| panic!("nothing is next: {said}"))
        .trim()
        .to_owned()
}

#[test]
fn what_is_next_can_be_pasted_to_the_end() {
    let place = Place::new(&[("bare", BARE)]);
    let folder = place.folder.path();
    let text = fs::read_to_string(folder.join("night.yml")).expect("the playbook");
    let secret = "  token: {type: secret, help: of nothing}\n  ticket:";
    place.write("night.yml", &text.replacen("  ticket:", secret, 1));
    place.write("FILE", "hunter2\n");
    place.write("policy.yml", "max_actions: 40\n");
    place.write("inventory.yml", "hosts:\n  web-1: {simulated: infected}\n");
    let runs = folder.join("my runs").to_string_lossy().into_owned();
    let (said, code) = pasted(
        &format!(
            "deminer plan night.yml {INFECTED} --env bare --set watch=5s --set-file token=FILE --policy policy.yml --runs '{runs}'"
        ),
        folder,
    );
    assert_eq!(code, Some(0), "{said}");
    let apply = format!("{} --only eradicate --batches 1", next(&said));
    assert!(apply.contains(" --policy policy.yml --runs "), "{apply}");
    let (said, code) = pasted(&apply, folder);
    assert_eq!(code, Some(5), "{said}");
    // A host that is simulated is infected anew whenever it is reached.
    let verify = next(&said);
    assert!(
        verify.starts_with("deminer verify ") && verify.contains(" --batches 1 "),
        "{verify}"
    );
    let (said, code) = pasted(&verify, folder);
    assert_eq!(code, Some(6), "{said}");
    let again = next(&said);
    let expected = format!(
        "deminer plan night.yml {INFECTED} --env bare --set watch=5s --set-file token=FILE --policy policy.yml --runs '{runs}'"
    );
    assert_eq!(again, expected);
    let (said, code) = pasted(&again, folder);
    assert_eq!((code, said.contains("environment")), (Some(0), true), "{said}");

    // In another folder the paths are whole, and a run that was moved still says where it was asked for.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let run = apply_run(folder);
    let moved = elsewhere.path().join(run.file_name().expect("a name"));
    fs::rename(&run, &moved).expect("moved");
    let (said, code) = pasted(
        &format!("deminer report {} --runs '{runs}'", written(&moved)),
        elsewhere.path(),
    );
    assert_eq!(code, Some(6), "{said}");
    let again = next(&said);
    assert!(again.contains(&format!("deminer plan {}", place.playbook())), "{again}");
    let file = format!("token={}", written(&folder.join("FILE")));
    assert!(again.contains(&file), "{again}");
    let (said, code) = pasted(&again, elsewhere.path());
    assert_eq!((code, said.contains("environment")), (Some(0), true), "{said}");

    // No secret is in what is kept of it.
    let kept = fs::read_to_string(moved.join("journal/run.ndjson")).expect("a journal");
    assert!(kept.contains("token=") && !kept.contains("hunter2"), "{kept}");
}

/// The run that applied something.
fn apply_run(folder: &Path) -> std::path::PathBuf {
    let runs = fs::read_dir(folder.join("my runs")).expect("runs");
    let mut applied = runs
        .map(|run| run.expect("a run").path())
        .filter(|run| run.join("plan").is_file());
    applied.next().expect("one was applied")
}
