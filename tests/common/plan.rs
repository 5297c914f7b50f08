//! A plan, as it is in its file: a header line and a line of each host.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::command::{Answer, Deminer};
use super::infection::Infection;
use super::machine::written;

/// How long planning may take, beside others that plan.
const LONGEST: Duration = Duration::from_secs(300);

/// A plan that was made.
pub(crate) struct Planned {
    /// As the command names it.
    pub(crate) file: PathBuf,
    pub(crate) hash: String,
    /// What the command answered.
    pub(crate) json: Value,
    /// The lines of its hosts.
    pub(crate) hosts: Vec<Value>,
}

impl Planned {
    /// Makes a plan into a file.
    #[track_caller]
    pub(crate) fn make(deminer: &Deminer, file: &Path, words: &[&str]) -> Planned {
        Planned::by(deminer, "linux-miner", file, words)
    }

    /// Makes a plan by a playbook into a file.
    #[track_caller]
    pub(crate) fn by(deminer: &Deminer, playbook: &str, file: &Path, words: &[&str]) -> Planned {
        let mut all = vec!["plan", playbook];
        all.extend_from_slice(words);
        let name = written(file);
        all.extend(["-o", &name, "--format", "json"]);
        let json = deminer.run(&all).expect(0).json();
        Planned::read(file, json)
    }

    /// Makes a plan for this machine, looking no longer than it must.
    #[track_caller]
    pub(crate) fn of_this_machine(deminer: &Deminer) -> Planned {
        Planned::on_a_host(deminer, &["--set", "sample=1s"])
    }

    /// Makes a plan for the machine on which the command is.
    #[track_caller]
    pub(crate) fn on_a_host(deminer: &Deminer, words: &[&str]) -> Planned {
        let name = written(&deminer.inside("the.plan"));
        let mut all = vec!["plan", "linux-miner", "-o", &name, "--format", "json"];
        all.extend_from_slice(words);
        let answer = deminer.start(&all).answer_within(LONGEST);
        let json = answer.json();
        let hosts = json["hosts"].as_array().expect("a list").iter();
        let failed = hosts.filter(|host| host["word"] == "failed").count();
        answer.expect(i32::from(failed > 0));
        let mut planned = Planned::read(&deminer.runs().join("the.plan"), json);
        planned.file = deminer.inside("the.plan");
        planned
    }

    /// Reads a plan that a command wrote, and answered so.
    pub(crate) fn read(file: &Path, json: Value) -> Planned {
        let text = std::fs::read_to_string(file).expect("the plan was written");
        let mut lines = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line is JSON"));
        let _header: Value = lines.next().expect("a header");
        Planned {
            file: file.to_path_buf(),
            hash: json["hash"].as_str().expect("a plan has a hash").to_owned(),
            json,
            hosts: lines.collect(),
        }
    }

    /// Its file, as a word of a command.
    pub(crate) fn name(&self) -> String {
        written(&self.file)
    }

    /// What is enough of its hash to approve it.
    pub(crate) fn short_hash(&self) -> &str {
        &self.hash[..16]
    }

    /// Applies it, approved by its hash.
    pub(crate) fn apply(&self, deminer: &Deminer, watch: &str) -> Answer {
        deminer.run(&self.words(watch).each_ref().map(String::as_str))
    }

    /// The words of [`Planned::apply`].
    pub(crate) fn words(&self, watch: &str) -> [String; 8] {
        [
            "apply".to_owned(),
            self.name(),
            "--approve".to_owned(),
            self.short_hash().to_owned(),
            "--watch".to_owned(),
            watch.to_owned(),
            "--format".to_owned(),
            "json".to_owned(),
        ]
    }

    /// The actions of the first host, as written.
    pub(crate) fn actions(&self) -> &[Value] {
        self.hosts[0]["actions"].as_array().expect("a list")
    }

    /// Of each action of the first host its kind and target in few words, sorted.
    pub(crate) fn acts(&self) -> Vec<String> {
        let mut acts: Vec<String> = self.actions().iter().map(|action| act(&action["act"])).collect();
        acts.sort();
        acts
    }

    /// What a command needs to be told so that it goes on with components of many targets.
    pub(crate) fn many(&self) -> Vec<String> {
        let components = self.hosts[0]["needs_own_approval"].as_array().into_iter().flatten();
        let host = self.hosts[0]["host"].as_str().expect("a name");
        components
            .flat_map(|number| ["--many".to_owned(), format!("{host}:{number}")])
            .collect()
    }

    /// The directories that the host's worker may make.
    pub(crate) fn footprint(&self) -> Vec<PathBuf> {
        let directories = self.hosts[0]["footprint"]["directories"].as_array().expect("a list");
        directories
            .iter()
            .map(|path| PathBuf::from(path.as_str().expect("a path")))
            .collect()
    }
}

fn act(act: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = match act["kind"].as_str() {
        Some("keep") => &act["object"],
        _ => act,
    };
    let kind = text(&act["kind"]);
    if let Some(process) = object.get("process") {
        return format!("{kind} {} {}", text(&process["role"]), text(&process["exe_path"]));
    }
    if let Some(address) = act.get("address") {
        return format!("{kind} {}", text(address));
    }
    if let Some(link) = act.get("link") {
        return format!("{kind} {}", text(&link["path"]));
    }
    if let Some(units) = act["units"].as_array() {
        let units: String = units.iter().map(|unit| format!(" {}", text(unit))).collect();
        return format!("{kind}{units}");
    }
    let path = text(object["file"].get("path").unwrap_or(&object["account"]["name"]));
    let lines = act["remove"].as_array().into_iter().flatten();
    let lines: Vec<String> = lines.map(|line| format!(" line {}", line["number"])).collect();
    format!("{kind} {path}{}", lines.concat())
}

/// The acts of a plan that removes this infection and nothing else, sorted.
pub(crate) fn acts_on(infection: &Infection) -> Vec<String> {
    let path = |name: &str| written(&infection.path(name));
    let (copy, guard, miner) = (path(".copy"), path("guard"), path("xmrig"));
    let crontab = written(infection.crontab.path());
    let mut acts = vec![
        format!("keep {copy}"),
        format!("keep {guard}"),
        format!("keep {crontab}"),
        format!("keep miner {miner}"),
        format!("keep guardian {guard}"),
        format!("freeze miner {miner}"),
        format!("freeze guardian {guard}"),
        format!("edit_lines {crontab} line 2"),
        format!("kill miner {miner}"),
        format!("kill guardian {guard}"),
        format!("remove_file {copy}"),
        format!("remove_file {guard}"),
    ];
    acts.sort();
    acts
}
