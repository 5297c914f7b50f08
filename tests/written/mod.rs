//! Commands as they are written down for people, carried out by the built program in a folder of their own.
//!
//! `HASH` and `ACTION` stand for what the plan before prints. An approval is carried out on simulated hosts only: what is
//! written for people must never strike the machine that tests it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The repository.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A reader at their terminal: a folder, a state directory, and the plan that was made last.
pub(crate) struct Reader {
    home: TempDir,
    plan: Value,
    lang: &'static str,
}

/// What a command came to.
pub(crate) struct Ran {
    /// The exit code.
    pub(crate) code: i32,
    /// The answer for programs, of the verbs that look, apply and report; `null` of the others.
    pub(crate) answer: Value,
    /// What it said.
    pub(crate) out: String,
    /// What went to stderr, for messages.
    pub(crate) stderr: String,
}

impl Reader {
    /// Sits down in a folder that holds the examples, a copy of the playbooks and nothing else of ours.
    pub(crate) fn new() -> Reader {
        let home = tempfile::tempdir().expect("a temporary folder");
        // Hosts that were recorded or written lie beside the tests.
        fs::create_dir(home.path().join("modules")).expect("a folder");
        for folder in ["examples", "tests", "modules/tests"] {
            let there = Path::new(ROOT).join(folder);
            std::os::unix::fs::symlink(there, home.path().join(folder)).expect("a link to the folder");
        }
        let copied = Command::new("cp")
            .args(["-r", &format!("{ROOT}/playbooks"), "playbooks"])
            .current_dir(home.path())
            .status();
        assert!(copied.expect("cp starts").success(), "the playbooks are copied");
        fs::create_dir(home.path().join("state")).expect("a state directory");
        let plan = Value::Null;
        Reader { home, plan, lang: "en" }
    }

    /// The same, for a reader of this language.
    pub(crate) fn of(lang: &'static str) -> Reader {
        Reader { lang, ..Reader::new() }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Carries out `deminer ...` as people do, and keeps what it said. After a plan or a run its plan is read.
    pub(crate) fn read(&mut self, written: &str) -> Ran {
        let words = self.words(written);
        if words.iter().any(|word| word == "--approve") {
            self.only_simulated(written);
        }
        let ran = self.carry_out(&words);
        let plans = ["plan", "run"].contains(&words.first().map_or("", String::as_str));
        if plans && let Some((_, why)) = ran.out.split_once("deminer show ") {
            let plan = why.lines().next().unwrap_or_default().trim();
            let words = ["show", plan, "--format=json"].map(str::to_owned);
            self.plan = serde_json::from_str(&self.carry_out(&words).out).expect("a plan in JSON");
        }
        ran
    }

    fn carry_out(&self, words: &[String]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_deminer"))
            .args(words)
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("XDG_STATE_HOME", self.home.path().join("state"))
            .env("DEMINER_LANG", self.lang)
            .env_remove("COLUMNS")
            .stdin(Stdio::null())
            .output()
            .expect("the built program starts");
        Ran {
            code: output.status.code().expect("it ends by itself"),
            answer: Value::Null,
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Carries out `deminer ...`.
    pub(crate) fn run(&mut self, written: &str) -> Ran {
        let words = self.words(written);
        let verb = words.first().map(String::as_str).unwrap_or_default().to_owned();
        let answers = ["plan", "run", "apply", "report"].contains(&verb.as_str());
        if words.iter().any(|word| word == "--approve") {
            self.only_simulated(written);
        }
        let format = answers.then(|| "--format=json".to_owned());
        let mut ran = self.carry_out(&words.into_iter().chain(format).collect::<Vec<_>>());
        if answers && !ran.out.is_empty() {
            ran.answer = serde_json::from_str(&ran.out)
                .unwrap_or_else(|error| panic!("`{written}` does not answer in JSON: {error}\n{}", ran.stderr));
        }
        if ran.answer["actions"].is_array() {
            self.plan = ran.answer.clone();
        }
        ran
    }

    /// The words after `deminer`, a comment left out, what stands for something put in.
    fn words(&self, written: &str) -> Vec<String> {
        let command = written.split(" #").next().unwrap_or_default();
        let mut words = command.split_whitespace();
        assert_eq!(words.next(), Some("deminer"), "`{written}` is no command of ours");
        let said = |value: &Value, digits: usize| {
            let whole = value
                .as_str()
                .unwrap_or_else(|| panic!("`{written}`: no plan was made before"));
            whole[..digits].to_owned()
        };
        words
            .map(|word| match word.trim_matches('\'') {
                "HASH" => said(&self.plan["hash"], 16),
                "ACTION" => said(&self.plan["actions"][0]["id"], 8),
                word => word.to_owned(),
            })
            .collect()
    }

    fn only_simulated(&self, written: &str) {
        let hosts = self.plan["hosts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let practice = fs::read_to_string(self.home.path().join("practice.yml")).unwrap_or_default();
        let simulated = |host: &Value| {
            let name = host["host"].as_str().unwrap_or_default();
            name.starts_with("simulated:") || practice.contains(&format!("  {name}: {{connection: \"simulated:"))
        };
        assert!(
            !hosts.is_empty() && hosts.iter().all(simulated),
            "`{written}` would strike a host that is not simulated"
        );
    }
}
