//! Plans that others approved, on other machines, with their SSH keys: what is done is what enough of them signed.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::command::{Answer, Deminer, program};
use common::machine::written;
use common::terminal::Terminal;
use serde_json::{Value, json};

const HOSTS: &str =
    "hosts:\n  web-1: {connection: 'simulated:infected'}\n  web-2: {connection: 'simulated:infected'}\n";
const TWO: &str = "approvals: {needed: 2, signers: signers, revoked: revoked, revoked_approvals: withdrawn}\n";

/// A folder with keys, policies and approvals of the test's own.
struct Site {
    folder: tempfile::TempDir,
    deminer: Deminer,
}

impl Site {
    /// Ada, Bo and Cy may sign; Eve has a key too.
    fn new(policy: &str) -> Site {
        let site = Site {
            folder: tempfile::tempdir().expect("a folder"),
            deminer: Deminer::new(),
        };
        for (name, kind) in [
            ("ada", "ed25519"),
            ("bo", "ecdsa"),
            ("cy", "ed25519"),
            ("eve", "ed25519"),
        ] {
            site.keygen(&["-q", "-t", kind, "-N", "", "-C", name, "-f", &site.file(name)]);
        }
        let line = |name: &str| {
            format!(
                "{name}@example.org namespaces=\"deminer-approval\" {}\n",
                site.public(name)
            )
        };
        site.write("signers", &["ada", "bo", "cy"].map(line).concat());
        site.write("revoked", "");
        site.write("withdrawn", "");
        site.write("policy.yml", policy);
        site.write("inventory.yml", HOSTS);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        written(&self.path(name))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it is there")
    }

    fn public(&self, name: &str) -> String {
        self.read(&format!("{name}.pub")).trim().to_owned()
    }

    fn keygen(&self, words: &[&str]) {
        let mut command = Command::new("ssh-keygen");
        command
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(
            command.status().expect("ssh-keygen is installed").success(),
            "ssh-keygen {words:?}"
        );
    }

    /// Runs a verb under the policy.
    fn run(&self, words: &[&str]) -> Answer {
        let policy = self.file("policy.yml");
        self.deminer.run(&[words, &["--policy", &policy]].concat())
    }

    /// Plans both hosts into a file; gives its hash.
    fn plan(&self) -> String {
        let (inventory, plan) = (self.file("inventory.yml"), self.file("a.plan"));
        let set = ["-i", &inventory, "--set", "watch=1s", "-o", &plan, "--format", "json"];
        let plan = self
            .run(&[&["plan", "linux-miner"], &set[..]].concat())
            .expect(0)
            .json();
        plan["hash"].as_str().expect("a hash").to_owned()
    }

    /// Has somebody sign the plan; gives the approval's file.
    fn approve(&self, name: &str, hash: &str, more: &[&str]) -> String {
        let (file, key, plan) = (self.file(&format!("{name}.json")), self.file(name), self.file("a.plan"));
        let words = ["approve", &plan, "--hash", hash, "--key", &key, "-o", &file];
        self.run(&[&words, more].concat()).expect(0);
        file
    }

    fn apply(&self, approvals: &[&str], more: &[&str]) -> Answer {
        let plan = self.file("a.plan");
        self.run(&[&["apply", &plan], more, &["--approval"], approvals].concat())
    }

    /// Writes an approval as it was not made, signed by Ada.
    fn forge(&self, from: &str, name: &str, change: impl Fn(&mut Value)) -> String {
        let mut approval: Value = serde_json::from_str(&fs::read_to_string(from).expect("it is there")).expect("JSON");
        change(&mut approval);
        self.write(name, &format!("{approval}\n"));
        self.keygen(&[
            "-Y",
            "sign",
            "-n",
            "deminer-approval",
            "-f",
            &self.file("ada"),
            &self.file(name),
        ]);
        self.file(name)
    }

    fn applied(&self) -> usize {
        let runs = fs::read_dir(self.deminer.runs()).expect("a directory");
        runs.flatten()
            .filter(|run| run.path().join("approval.json").exists())
            .count()
    }
}

/// An answer that refuses: what and what to do on stderr.
#[track_caller]
fn refuses(answer: Answer, code: i32, saying: &str) {
    let answer = answer.expect(code);
    assert!(answer.err.contains(saying), "it does not say `{saying}`\n{answer}");
    assert!(answer.err.contains("help: "), "it does not say what to do\n{answer}");
}

/// Of each host of a report its status.
fn told(report: &Value) -> Vec<Value> {
    let hosts = report["hosts"].as_array().expect("a list").iter();
    hosts.map(|host| json!([host["host"], host["status"]])).collect()
}

#[test]
fn what_two_of_three_signed_is_done_and_no_more() {
    let site = Site::new(TWO);
    let hash = site.plan();
    let shown = site.deminer.run(&["show", &site.file("a.plan")]).expect(0);
    assert!(shown.out.contains("2 signed approvals of different people"), "{shown}");
    assert!(
        !shown.out.contains("--approve "),
        "an unsigned yes does not do: {shown}"
    );
    let ada = site.approve("ada", &hash, &[]);
    let bo = site.approve("bo", &hash, &["--host", "web-1"]);

    refuses(
        site.apply(&[&ada], &[]),
        4,
        "2 different signers are needed, 1 signed: ada@example.org",
    );
    refuses(site.apply(&[&ada, &ada], &[]), 4, "1 signed: ada@example.org");
    assert_eq!(site.applied(), 0);

    let answer = site.apply(&[&ada, &bo], &["--format", "json"]).expect(0);
    assert!(answer.err.contains("left alone: web-2"), "{answer}");
    let report = answer.json();
    assert_eq!(told(&report), [json!(["web-1", "eradicated"])]);
    assert_eq!(report["approval"]["approver"], "ada@example.org, bo@example.org");
    assert_eq!(report["approval"]["means"], "signature");
    let run = site.deminer.run_of(&report);
    assert!(!run.join("journal/host-web-2.ndjson").exists(), "web-2 was reached");
    let text = site.deminer.run(&["report"]).expect(0).out;
    let markdown = site
        .deminer
        .run(&["report", "--format", "markdown"])
        .expect(0)
        .out
        .replace('\\', "");
    let chinese = site.deminer.run(&["report", "--lang", "zh"]).expect(0).out;
    for signer in ["ada", "bo"] {
        let fingerprint = Command::new("ssh-keygen")
            .args(["-l", "-f", &site.file(&format!("{signer}.pub"))])
            .output();
        let fingerprint = String::from_utf8(fingerprint.expect("ssh-keygen").stdout).expect("text");
        let fingerprint = fingerprint.split(' ').nth(1).expect("SHA256:...");
        for told in [&text, &markdown, &chinese] {
            assert!(
                told.contains(&format!("{signer}@example.org")) && told.contains(fingerprint),
                "{told}"
            );
        }
    }

    // Anybody can check what is kept, without us.
    for (number, signer) in [(1, "ada"), (2, "bo")] {
        let kept = run.join(format!("approvals/{number}.json"));
        assert_eq!(
            fs::read(&kept).expect("kept"),
            fs::read(site.path(&format!("{signer}.json"))).expect("made")
        );
        let mut verify = Command::new("ssh-keygen");
        verify.args([
            "-Y",
            "verify",
            "-n",
            "deminer-approval",
            "-I",
            &format!("{signer}@example.org"),
        ]);
        verify.arg("-f").arg(run.join("approvals/allowed_signers"));
        verify.arg("-s").arg(run.join(format!("approvals/{number}.json.sig")));
        verify.stdin(fs::File::open(&kept).expect("kept")).stdout(Stdio::null());
        assert!(verify.status().expect("ssh-keygen").success(), "{signer}");
    }

    // None of it is changed or lost unnoticed.
    let audit = |code| {
        let words = ["audit", &written(&run), "--format", "json"];
        site.deminer.run(&words).expect(code).json()["problems"].clone()
    };
    assert_eq!(audit(0), json!([]));
    for file in ["1.json", "1.json.sig", "2.json", "2.json.sig", "allowed_signers"] {
        let kept = run.join("approvals").join(file);
        let bytes = fs::read(&kept).expect("kept");
        let problem = json!([{"problem": "signed", "file": file}]);
        fs::write(&kept, [&bytes[..], b"\n"].concat()).expect("written");
        assert_eq!(audit(5), problem, "changed");
        fs::remove_file(&kept).expect("kept");
        assert_eq!(audit(5), problem, "gone");
        fs::write(&kept, bytes).expect("written");
    }
    assert_eq!(audit(0), json!([]));

    let cy = site.approve("cy", &hash, &["--host", "web-*"]);
    // What two signed for the first host was used: the plan is not struck once more by it.
    let again = site.apply(&[&ada, &bo, &cy], &[]);
    refuses(again, 4, "the yes to this plan was used: run 2");
    assert_eq!(site.applied(), 1);
}

#[test]
fn each_refusal_has_its_own_words() {
    let site = Site::new(TWO);
    let hash = site.plan();
    let ada = site.approve("ada", &hash, &[]);
    let bo = site.approve("bo", &hash, &[]);
    let with_ada = |other: &str| site.apply(&[&ada, other], &[]);

    refuses(with_ada(&site.approve("eve", &hash, &[])), 4, "does not allow");
    let past = |approval: &mut Value| {
        let at: u64 = approval["at_ms"].as_str().expect("a number").parse().expect("a number");
        approval["at_ms"] = (at - 600_000).to_string().into();
        approval["not_after_ms"] = (at - 1_000).to_string().into();
    };
    refuses(
        with_ada(&site.forge(&bo, "past.json", past)),
        4,
        "the approval was good until",
    );
    let host = |approval: &mut Value| approval["hosts"]["web-9"] = approval["hosts"]["web-1"].clone();
    refuses(
        with_ada(&site.forge(&bo, "host.json", host)),
        4,
        "`web-9` is not in the plan",
    );
    let other = |approval: &mut Value| approval["plan"] = "0".repeat(64).into();
    refuses(with_ada(&site.forge(&bo, "plan.json", other)), 4, "the plan's hash is");

    site.write("file.json", &site.read("bo.json"));
    site.keygen(&[
        "-Y",
        "sign",
        "-n",
        "file",
        "-f",
        &site.file("bo"),
        &site.file("file.json"),
    ]);
    refuses(with_ada(&site.file("file.json")), 4, "was signed as `file`");
    site.write("bare.json", &site.read("bo.json"));
    let answer = with_ada(&site.file("bare.json"));
    assert!(
        answer.err.contains("ssh-keygen -Y sign -n deminer-approval"),
        "{answer}"
    );
    refuses(answer, 4, "is not signed");
    site.write("changed.json", &site.read("bo.json").replacen("\"contain\",", "", 1));
    site.write("changed.json.sig", &site.read("bo.json.sig"));
    refuses(with_ada(&site.file("changed.json")), 4, "is not what was signed");
    site.write("garbled.json", &site.read("bo.json"));
    site.write("garbled.json.sig", &site.read("bo.json.sig").replacen('A', "B", 1));
    refuses(with_ada(&site.file("garbled.json")), 4, "garbled.json");
    refuses(with_ada(&site.file("none.json")), 2, "cannot read");

    site.write("revoked", &format!("{}\n", site.public("bo")));
    refuses(with_ada(&bo), 4, "a key that was revoked");
    site.write("revoked", "");
    let sum = Command::new("sha256sum").arg(&bo).output().expect("sha256sum").stdout;
    site.write("withdrawn", &String::from_utf8(sum).expect("text"));
    refuses(with_ada(&bo), 4, "was revoked");
    site.write("withdrawn", "");

    let (signers, plan) = (site.read("signers"), site.read("a.plan"));
    site.write("signers", &format!("{signers}# one more\n"));
    refuses(with_ada(&bo), 4, "the plan wants signers of the list");
    site.write("signers", &signers);
    site.write("a.plan", &plan.replacen("\"watch\":\"1s\"", "\"watch\":\"2s\"", 1));
    assert_ne!(site.read("a.plan"), plan);
    refuses(with_ada(&bo), 4, "the plan's hash is");
    site.write("a.plan", &plan);
    let none = site
        .deminer
        .run(&["apply", &site.file("a.plan"), "--approval", &ada, &bo]);
    refuses(none, 4, "no list says who may sign");
    for words in [&["--only", "contain"][..], &["--only", "preserve"]] {
        refuses(site.apply(&[&ada, &bo], words), 2, "what is done is what was signed");
    }
    for words in [
        ["--watch", "1s"],
        ["--exclude", "0123456789abcdef"],
        ["--approve", &hash],
        ["--many", "web-1:1"],
    ] {
        site.apply(&[&ada, &bo], &words).expect(2);
    }
    assert_eq!(site.applied(), 0, "a run was begun");
    // Nothing was wrong with these two.
    let report = site.apply(&[&ada, &bo], &["--format", "json"]).expect(0).json();
    assert_eq!(
        told(&report),
        [json!(["web-1", "eradicated"]), json!(["web-2", "eradicated"])]
    );
}

#[test]
fn an_unsigned_yes_is_refused_where_the_plan_or_the_policy_says_so() {
    let site = Site::new("approvals: {signers: signers}\n");
    let hash = site.plan();
    let plan = site.file("a.plan");
    let unsigned = "the yes is not signed: 1 signed approval is needed";
    refuses(site.run(&["apply", &plan, "--approve", &hash]), 4, unsigned);
    refuses(site.run(&["run", "--approve", &hash]), 4, unsigned);
    refuses(site.run(&["contain", "--approve", &hash]), 4, unsigned);
    // The plan says it itself, where no policy is.
    refuses(site.deminer.run(&["apply", &plan, "--approve", &hash]), 4, unsigned);
    let (code, text) = Terminal::start(&site.deminer, &["apply", &plan]).end();
    assert_eq!(code, Some(4), "{text}");
    assert!(
        text.contains("the yes is not signed") && !text.contains("type the first"),
        "{text}"
    );

    let free = site
        .deminer
        .run(&["plan", "linux-miner", "simulated:infected", "--format", "json"])
        .expect(0)
        .json();
    let free_hash = free["hash"].as_str().expect("a hash");
    assert_eq!(free["needs"], json!({"needed": 1, "unsigned": true}));
    refuses(site.run(&["apply", free_hash, "--approve", free_hash]), 4, unsigned);
    let policy = site.file("policy.yml");
    let (code, text) = Terminal::start(
        &site.deminer,
        &["run", "linux-miner", "simulated:infected", "--policy", &policy],
    )
    .end();
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("deminer approve ") && text.contains(" --key KEY") && !text.contains("type the first"),
        "{text}"
    );
    assert_eq!(site.applied(), 0);

    site.deminer
        .run(&["apply", free_hash, "--approve", free_hash, "--watch", "1s"])
        .expect(0);
    let report = site.deminer.run(&["report"]).expect(0).out;
    assert!(report.contains("(command line, unsigned)"), "{report}");
}

#[test]
fn a_reviewer_signs_with_ssh_keygen_alone() {
    let site = Site::new("approvals: {signers: signers}\n");
    let hash = site.plan();
    let (plan, file) = (site.file("a.plan"), site.file("review.json"));
    let words = [
        "approve",
        &plan,
        "--hash",
        &hash,
        "-o",
        &file,
        "--only",
        "preserve",
        "--valid-for",
        "10m",
    ];
    let answer = site.run(&words).expect(0);
    let command = format!("ssh-keygen -Y sign -n deminer-approval -f KEY {file}");
    assert!(
        answer.out.contains(&command) && answer.out.contains("none yet"),
        "{answer}"
    );
    refuses(site.run(&words), 2, "is there already");
    refuses(site.apply(&[&file], &[]), 4, "is not signed");
    site.keygen(&["-Y", "sign", "-n", "deminer-approval", "-f", &site.file("cy"), &file]);
    let report = site.apply(&[&file], &["--format", "json"]).json();
    assert_eq!(report["approval"]["approver"], "cy@example.org");
    assert_eq!(report["counts"]["changes"]["done"], 0, "{report:#}");
    assert!(report["hosts"][0]["kept"]["items"].as_u64() > Some(0), "{report:#}");
}

#[test]
fn what_cannot_be_approved_is_not_written() {
    let site = Site::new("approvals: {signers: signers}\n");
    let hash = site.plan();
    let (plan, key, file) = (site.file("a.plan"), site.file("ada"), site.file("x.json"));
    let wrong: String = hash.chars().rev().collect();
    let rows: [(&str, &[&str], i32, &str); 6] = [
        ("another hash", &["--hash", &wrong, "--key", &key], 4, &hash),
        ("a short hash", &["--hash", &hash[..15], "--key", &key], 4, "16 to 64"),
        ("no hash and no terminal", &["--key", &key], 2, "no terminal to ask on"),
        (
            "no such host",
            &["--hash", &hash, "--host", "db-*", "--key", &key],
            2,
            "`db-*` is no host of the plan",
        ),
        (
            "no such action",
            &["--hash", &hash, "--exclude", "ffffffffffffffff", "--key", &key],
            2,
            "--exclude",
        ),
        ("no duration", &["--hash", &hash, "--valid-for", "soon"], 2, "soon"),
    ];
    for (name, words, code, saying) in rows {
        let answer = site.run(&[&["approve", &plan, "-o", &file], words].concat());
        assert_eq!(answer.code, Some(code), "{name}\n{answer}");
        assert!(answer.err.contains(saying), "{name}\n{answer}");
        assert!(
            !Path::new(&file).exists() && !Path::new(&format!("{file}.sig")).exists(),
            "{name}"
        );
    }
    // What ssh-keygen says of it is its own, carriage returns included.
    let mut command = Command::new(program());
    command.args([
        "approve",
        &plan,
        "-o",
        &file,
        "--hash",
        &hash,
        "--key",
        "/nonexistent",
        "--runs",
    ]);
    let output = command
        .arg(site.deminer.runs())
        .stdin(Stdio::null())
        .output()
        .expect("the command starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(1) && said.contains("did not sign"),
        "{said}"
    );
    assert!(!Path::new(&file).exists());
    let eve = site
        .run(&[
            "approve",
            &plan,
            "-o",
            &file,
            "--hash",
            &hash,
            "--key",
            &site.file("eve"),
        ])
        .expect(0);
    assert!(
        eve.err.contains("does not allow") && eve.err.contains("it would not count"),
        "{eve}"
    );
    let other = site.file("y.json");
    let words = [
        "approve", &plan, "-o", &other, "--hash", &hash, "--key", &key, "--format", "json",
    ];
    let made = site.run(&words).expect(0).json();
    assert_eq!(made["signature"], format!("{other}.sig"));
    assert_eq!(
        (&made["hosts"], &made["left_out"]),
        (&json!(["web-1", "web-2"]), &json!(0))
    );
}

#[test]
fn a_typed_yes_is_signed() {
    let site = Site::new("approvals: {signers: signers}\n");
    let hash = site.plan();
    let (plan, key, file) = (site.file("a.plan"), site.file("ada"), site.file("typed.json"));
    let words = ["approve", &plan, "--host", "web-2", "--key", &key, "-o", &file];
    let mut terminal = Terminal::start(&site.deminer, &words);
    terminal.wait_for("Anything else changes nothing: ");
    assert!(terminal.text().contains("for 1 host,"), "{}", terminal.text());
    terminal.types("yes\n");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(4), "{text}");
    assert!(!Path::new(&file).exists());
    let mut terminal = Terminal::start(&site.deminer, &words);
    terminal.wait_for("Anything else changes nothing: ");
    terminal.types(&format!("{}\n", &hash[..6]));
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    let report = site.apply(&[&file], &["--format", "json"]).expect(0).json();
    assert_eq!(told(&report), [json!(["web-2", "eradicated"])]);
}

#[test]
fn a_run_that_was_cut_goes_on_by_what_was_signed() {
    let site = Site::new(TWO);
    let hash = site.plan();
    let down =
        "hosts:\n  web-1: {connection: 'simulated:infected'}\n  web-2: {address: 127.0.0.1, port: 1, user: root}\n";
    site.write("down.yml", down);
    let (up, down) = (site.file("inventory.yml"), site.file("down.yml"));
    let (ada, bo) = (site.approve("ada", &hash, &[]), site.approve("bo", &hash, &[]));
    let report = site
        .apply(&[&ada, &bo], &["-i", &down, "--format", "json"])
        .expect(7)
        .json();
    assert_eq!(
        told(&report),
        [json!(["web-1", "eradicated"]), json!(["web-2", "unreachable"])]
    );
    let run = site.deminer.run_of(&report);
    let resume = || site.run(&["resume", "-i", &up, "--format", "json"]);

    let approval = fs::read_to_string(run.join("approval.json")).expect("kept");
    fs::write(run.join("approval.json"), approval.replacen("ada@", "eve@", 1)).expect("written");
    refuses(resume(), 4, "approval.json is not the approval that stands");
    fs::write(run.join("approval.json"), &approval).expect("written");
    let second = fs::read(run.join("approvals/2.json")).expect("kept");
    fs::write(run.join("approvals/2.json"), [&second[..], b" "].concat()).expect("written");
    refuses(resume(), 4, "is not what was signed");
    fs::remove_file(run.join("approvals/2.json")).expect("removed");
    refuses(resume(), 4, "2 different signers are needed");
    fs::write(run.join("approvals/2.json"), second).expect("written");
    site.write("revoked", &format!("{}\n", site.public("bo")));
    refuses(resume(), 4, "a key that was revoked");
    site.write("revoked", "");

    // The list of who may sign is kept with the run: the policy need not be named again.
    let answer = site.deminer.run(&["resume", "-i", &up, "--format", "json"]).expect(0);
    assert_eq!(
        told(&answer.json()),
        [json!(["web-1", "eradicated"]), json!(["web-2", "eradicated"])]
    );
}

#[test]
fn a_policy_is_found_where_it_is_named_or_lies() {
    let site = Site::new(TWO);
    fs::create_dir_all(site.path("config/deminer")).expect("made");
    site.write(
        "config/deminer/policy.yml",
        "approvals: {needed: 3, signers: ../../signers}\n",
    );
    site.write("odd.yml", "approvals: {needed: 2, quorum: 3}\n");
    let needed = |names: &[(&str, String)], more: &[&str]| {
        let mut command = Command::new(program());
        command.args(["plan", "linux-miner", "simulated:clean", "--format", "json", "--runs"]);
        command.arg(site.deminer.runs()).args(more).stdin(Stdio::null());
        command
            .env_remove("DEMINER_POLICY")
            .env("XDG_CONFIG_HOME", "/nonexistent");
        command.envs(names.iter().map(|(name, value)| (name, value)));
        let output = command.output().expect("the command starts");
        let plan: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), plan["needs"]["needed"].as_u64())
    };
    let (named, config) = (
        ("DEMINER_POLICY", site.file("policy.yml")),
        ("XDG_CONFIG_HOME", site.file("config")),
    );
    assert_eq!(needed(&[], &[]), (Some(0), Some(1)));
    assert_eq!(needed(std::slice::from_ref(&config), &[]), (Some(0), Some(3)));
    assert_eq!(needed(&[config.clone(), named.clone()], &[]), (Some(0), Some(2)));
    assert_eq!(
        needed(&[named], &["--policy", &site.file("config/deminer/policy.yml")]),
        (Some(0), Some(3))
    );
    assert_eq!(needed(&[config], &["--policy", &site.file("odd.yml")]), (Some(2), None));
    assert_eq!(
        needed(&[("DEMINER_POLICY", site.file("none.yml"))], &[]),
        (Some(2), None)
    );
}

#[test]
fn what_is_taken_back_is_signed_too() {
    let site = Site::new(TWO);
    let hash = site.plan();
    let (ada, bo) = (site.approve("ada", &hash, &[]), site.approve("bo", &hash, &[]));
    let report = site.apply(&[&ada, &bo], &["--format", "json"]).expect(0).json();
    let run = report["run"].as_str().expect("a name").to_owned();

    let list = site.file("undo.json");
    let answer = site.run(&["undo", &run, "--output", &list]).expect(0);
    assert!(
        answer.out.contains(&format!("deminer approve {list} --key KEY")),
        "{answer}"
    );
    let hash = site.run(&["undo", &list, "--format", "json"]).expect(0).json()["hash"]
        .as_str()
        .expect("a hash")
        .to_owned();
    refuses(
        site.run(&["undo", &run, "--approve", &hash]),
        4,
        "2 signed approvals are needed",
    );
    // The plan of the run said so, whatever the policy here says.
    refuses(
        site.deminer.run(&["undo", &run, "--approve", &hash]),
        4,
        "2 signed approvals are needed",
    );
    let sign = |name: &str, more: &[&str]| {
        let (file, key) = (site.file(&format!("undo-{name}.json")), site.file(name));
        let _ = fs::remove_file(&file);
        let _ = fs::remove_file(format!("{file}.sig"));
        let words = ["approve", &list, "--hash", &hash, "--key", &key, "-o", &file];
        site.run(&[&words, more].concat()).expect(0);
        file
    };
    refuses(
        site.run(&["approve", &list, "--hash", &hash, "--only", "contain"]),
        2,
        "do not fit a list",
    );
    refuses(
        site.run(&["approve", &list, "--hash", &hash, "--host", "db-1"]),
        4,
        "`db-1` is not in the plan",
    );
    let (ada_back, bo_back) = (sign("ada", &[]), sign("bo", &["--host", "web-1"]));
    // Who must say yes stands in the plan: without it nobody knows, and nothing is taken back.
    let plan = site.deminer.runs().join(&run).join("plan");
    let bytes = fs::read(&plan).expect("the plan");
    let other = fs::read_to_string(&plan)
        .expect("text")
        .replacen("\"needed\":2", "\"needed\":1", 1);
    assert_ne!(other.as_bytes(), bytes);
    for spoilt in [None, Some(other)] {
        match spoilt {
            None => fs::remove_file(&plan).expect("ours"),
            Some(other) => fs::write(&plan, other).expect("ours"),
        }
        let answer = site.deminer.run(&["undo", &run, "--approve", &hash]);
        refuses(answer, 4, "does not have the plan any more that it began with");
    }
    fs::write(&plan, bytes).expect("ours");

    let undo = |files: &[&str]| site.run(&[&["undo", &list, "--format", "json", "--approval"], files].concat());
    refuses(undo(&[&ada_back]), 4, "2 different signers are needed, 1 signed");
    refuses(undo(&[&ada_back, &ada]), 4, "the plan's hash is");
    let whole = site.read("undo.json");
    let armed = whole
        .replace("\"disarmed\"", "\"armed\"")
        .replacen("\"because\":null", "\"because\":\"x\"", 1);
    site.write("undo.json", &armed);
    refuses(undo(&[&ada_back, &bo_back]), 4, "the plan's hash is");
    let other = whole.replacen("\"size\":\"", "\"size\":\"1", 1);
    assert!(armed != whole && other != whole);
    site.write("undo.json", &other);
    refuses(undo(&[&ada_back, &bo_back]), 4, "gives another list");
    site.write("undo.json", &whole.replacen("{", "{ ", 1));
    refuses(undo(&[&ada_back, &bo_back]), 2, "deminer undo");
    site.write("undo.json", &whole);
    refuses(
        site.run(&[
            "undo",
            &list,
            "--armed",
            "--because",
            "x",
            "--approval",
            &ada_back,
            &bo_back,
        ]),
        2,
        "do not stand beside a list",
    );

    // Both signed for web-1, one of them for web-2.
    let undone = undo(&[&ada_back, &bo_back]).json();
    let hosts: Vec<&str> = undone["hosts"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|host| host["host"].as_str())
        .collect();
    assert_eq!(hosts, ["web-1"], "{undone:#}");
    assert_eq!(undone["approval"]["approver"], "ada@example.org, bo@example.org");
    assert_eq!(undone["approval"]["signed"].as_array().map(Vec::len), Some(2));
    let name = undone["run"].as_str().expect("a name");
    site.deminer.run(&["audit", name]).expect(0);
    let kept = site.deminer.runs().join(name).join("undo.json");
    fs::write(
        &kept,
        fs::read_to_string(&kept)
            .expect("it is kept")
            .replacen("disarmed", "armed", 1),
    )
    .expect("written");
    site.deminer.run(&["audit", name]).expect(5);
}
