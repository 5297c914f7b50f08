//! Modules and a host that exist only for tests of the language: what they say is set by the test.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use deminer_engine::diagnostic::Diagnostics;
use deminer_engine::event::{EventKind, EventSink, SinkError};
use deminer_engine::finding::{Artifact, Bearing, Finding, HostVerdict, Verdict};
use deminer_engine::host::HostView;
use deminer_engine::module::{
    About, Analyzer, Collector, Module, ModuleError, Outcome, Proposal, Registry, Resource, Responder,
};
use deminer_engine::playbook::{CheckedPlaybook, Phase, Sources, check};
use deminer_worker::action::{Act, Effect, ProcessTarget, Role};
use deminer_worker::query::{Answer, Coverage, FileId, GapReason, HostError, HostFacts, HostIdentity, Observed, Query};
use deminer_worker::text::{Digest, Wide};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the stubs are to say, and what they were asked.
#[derive(Default)]
pub struct World {
    /// Names of the processes.
    pub processes: Mutex<Vec<String>>,
    /// What `process.list` cannot see.
    pub gaps: Mutex<Coverage>,
    /// The module that fails, with its reason.
    pub fails: Mutex<Option<(&'static str, String)>>,
    /// How often the module still fails before it works; without an entry for ever.
    pub fails_for: Mutex<Option<usize>>,
    /// What `process.list` finds from look to look, before it finds `processes`.
    pub turns: Mutex<std::collections::VecDeque<Vec<String>>>,
    /// The module that never ends.
    pub hangs: Mutex<Option<&'static str>>,
    /// The module that panics.
    pub panics: Mutex<Option<&'static str>>,
    /// Modules in the order in which they began, with their parameters.
    pub asked: Mutex<Vec<String>>,
    /// How many run at this moment, and the most at once.
    pub running: Mutex<(usize, usize)>,
    /// Whether the host says what it is.
    pub silent: Mutex<bool>,
}

impl World {
    async fn enter(&self, module: &'static str, params: String) -> Result<(), ModuleError> {
        self.asked.lock().unwrap().push(format!("{module} {params}"));
        {
            let mut running = self.running.lock().unwrap();
            running.0 += 1;
            running.1 = running.1.max(running.0);
        }
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        self.running.lock().unwrap().0 -= 1;
        if *self.panics.lock().unwrap() == Some(module) {
            panic!("a stub breaks off");
        }
        if *self.hangs.lock().unwrap() == Some(module) {
            std::future::pending::<()>().await;
        }
        let fails = self.fails.lock().unwrap().clone();
        match fails {
            Some((name, why)) if name == module && self.still_fails() => Err(ModuleError::Parameter {
                name: "stub".to_owned(),
                why: why.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn still_fails(&self) -> bool {
        match &mut *self.fails_for.lock().unwrap() {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The pid.
    pub pid: u32,
    /// The name.
    pub name: String,
    /// What it runs.
    pub exe: Option<Exe>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exe {
    /// Its path.
    pub path: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rows {
    /// The rows.
    pub rows: Vec<Row>,
    /// Whether there are any.
    pub found: bool,
}

fn duration_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "format": "duration"})
}

fn five_seconds() -> String {
    "5s".to_owned()
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListParams {
    /// The time over which CPU use is measured.
    #[serde(default = "five_seconds")]
    #[schemars(schema_with = "duration_schema")]
    sample: String,
    /// Whether environments are read.
    #[serde(default)]
    environ: bool,
    /// How many rows at most.
    #[serde(default)]
    #[schemars(range(max = 100))]
    limit: u8,
}

pub struct ProcessList(pub Arc<World>);

#[async_trait]
impl Collector for ProcessList {
    const ABOUT: About = about("process.list", Effect::Read, &[Phase::Gather, Phase::Locate]);
    type Params = ListParams;
    type Output = Rows;

    async fn collect(&self, _: &dyn HostView, p: ListParams) -> Result<Outcome<Rows>, ModuleError> {
        self.0.enter("process.list", p.sample).await?;
        let turn = self.0.turns.lock().unwrap().pop_front();
        let names = turn.unwrap_or_else(|| self.0.processes.lock().unwrap().clone());
        let rows: Vec<Row> = names
            .into_iter()
            .zip(1..)
            .map(|(name, pid)| Row { pid, name, exe: None })
            .collect();
        let found = !rows.is_empty();
        Ok(Outcome::of(Rows { rows, found }).seen_with(self.0.gaps.lock().unwrap().clone()))
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

pub struct CronList(pub Arc<World>);

#[async_trait]
impl Collector for CronList {
    const ABOUT: About = about("cron.list", Effect::Read, &[Phase::Gather]);
    type Params = NoParams;
    type Output = Rows;

    async fn collect(&self, _: &dyn HostView, _: NoParams) -> Result<Outcome<Rows>, ModuleError> {
        self.0.enter("cron.list", String::new()).await?;
        let output = Rows {
            rows: Vec::new(),
            found: false,
        };
        Ok(Outcome::of(output))
    }
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Calm,
    Strict,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JudgeParams {
    /// The rows of `process.list`.
    processes: Vec<Row>,
    /// What speaks for a miner.
    rules: Resource,
    /// Names of pools.
    #[serde(default)]
    pools: Vec<String>,
    /// How hard.
    #[serde(default)]
    mode: Mode,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The word.
    pub host: HostVerdict,
    /// The miners.
    pub rows: Vec<Row>,
}

pub struct MinerJudge(pub Arc<World>);

#[async_trait]
impl Analyzer for MinerJudge {
    const ABOUT: About = about("miner.judge", Effect::Judge, &[Phase::Decide]);
    type Params = JudgeParams;
    type Output = Judged;

    async fn judge(&self, p: JudgeParams) -> Result<(Outcome<Judged>, Option<Verdict>), ModuleError> {
        self.0.enter("miner.judge", p.rules.text.clone()).await?;
        let rows: Vec<Row> = p
            .processes
            .into_iter()
            .filter(|row| row.name == p.rules.text.trim())
            .collect();
        let host = if rows.is_empty() {
            HostVerdict::Clean
        } else {
            HostVerdict::Infected
        };
        let finding = Finding::new(Artifact::Host {}, "stub", Bearing::Condemns, "a miner");
        let findings = if rows.is_empty() { Vec::new() } else { vec![finding] };
        let verdict = Verdict {
            host,
            because: findings.iter().map(|f| f.id.clone()).collect(),
        };
        let outcome = Outcome {
            output: Judged { host, rows },
            findings,
            coverage: Coverage::whole(),
        };
        Ok((outcome, Some(verdict)))
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceParams {
    /// The verdict.
    verdict: Judged,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Traced {
    /// What belongs to the miners.
    pub files: Vec<String>,
    /// The miners.
    pub processes: Vec<Row>,
}

pub struct MinerTrace(pub Arc<World>);

#[async_trait]
impl Collector for MinerTrace {
    const ABOUT: About = about("miner.trace", Effect::Read, &[Phase::Locate]);
    type Params = TraceParams;
    type Output = Traced;

    async fn collect(&self, _: &dyn HostView, p: TraceParams) -> Result<Outcome<Traced>, ModuleError> {
        self.0.enter("miner.trace", p.verdict.rows.len().to_string()).await?;
        let processes = p.verdict.rows;
        let files = processes.iter().map(|row| format!("/tmp/{}", row.name)).collect();
        Ok(Outcome::of(Traced { files, processes }))
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileParams {
    /// The file.
    file: String,
}

pub struct FileLook(pub Arc<World>);

#[async_trait]
impl Collector for FileLook {
    const ABOUT: About = about("file.look", Effect::Read, &[Phase::Locate]);
    type Params = FileParams;
    type Output = Exe;

    async fn collect(&self, _: &dyn HostView, p: FileParams) -> Result<Outcome<Exe>, ModuleError> {
        self.0.enter("file.look", p.file.clone()).await?;
        Ok(Outcome::of(Exe { path: p.file }))
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThingParams {
    /// What is meant.
    artifacts: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// How many.
    pub count: usize,
}

macro_rules! responder {
    ($name:ident, $module:literal, $effect:ident, $phase:ident) => {
        pub struct $name(pub Arc<World>);

        #[async_trait]
        impl Responder for $name {
            const ABOUT: About = about($module, Effect::$effect, &[Phase::$phase]);
            type Params = ThingParams;
            type Output = Count;

            async fn propose(
                &self,
                _: &dyn HostView,
                p: ThingParams,
            ) -> Result<(Outcome<Count>, Vec<Proposal>), ModuleError> {
                self.0.enter($module, p.artifacts.join(",")).await?;
                let because = Finding::new(Artifact::Host {}, "stub", Bearing::Condemns, "a miner").id;
                let proposals = p
                    .artifacts
                    .iter()
                    .map(|path| Proposal {
                        component: 1,
                        act: removal(path),
                        because: vec![because.clone()],
                    })
                    .collect::<Vec<_>>();
                Ok((
                    Outcome::of(Count {
                        count: proposals.len(),
                    }),
                    proposals,
                ))
            }
        }
    };
}

responder!(EvidenceKeep, "evidence.keep", Preserve, Backup);
responder!(FileRemove, "file.remove", Destroy, Eradicate);

pub struct VerifyGone(pub Arc<World>);

#[async_trait]
impl Collector for VerifyGone {
    const ABOUT: About = about("verify.gone", Effect::Read, &[Phase::Eradicate, Phase::Verify]);
    type Params = ThingParams;
    type Output = Rows;

    async fn collect(&self, _: &dyn HostView, p: ThingParams) -> Result<Outcome<Rows>, ModuleError> {
        self.0.enter("verify.gone", p.artifacts.join(",")).await?;
        let found = !self.0.processes.lock().unwrap().is_empty();
        Ok(Outcome::of(Rows {
            rows: Vec::new(),
            found,
        }))
    }
}

const fn about(name: &'static str, effect: Effect, phases: &'static [Phase]) -> About {
    About {
        name,
        summary: "A stub",
        effect,
        phases,
        handbook: "",
        not_seen: "",
        example: "",
    }
}

/// Checks a playbook with the stubs.
pub fn checked(text: &str) -> Result<CheckedPlaybook, Diagnostics> {
    check("night.yml", text, &registry(&Arc::new(World::default())), &OneFile)
}

/// Each row takes one piece of the good playbook for another; the result holds what `check` says of it.
pub fn mistakes(good: &str, rows: &[(&str, &str, &str)]) -> String {
    let mut out = String::new();
    for (name, piece, instead) in rows {
        assert_eq!(
            good.matches(piece).count(),
            1,
            "{name}: `{piece}` stands once in the good playbook"
        );
        let text = good.replace(piece, instead);
        let said = match checked(&text) {
            Ok(_) => panic!("{name}: no mistake was found"),
            Err(mistakes) => mistakes.text(),
        };
        out.push_str(&format!("== {name}\n{said}\n"));
    }
    out
}

pub fn registry(world: &Arc<World>) -> Registry {
    let w = || Arc::clone(world);
    Registry::new([
        Module::collector(ProcessList(w())),
        Module::collector(CronList(w())),
        Module::analyzer(MinerJudge(w())),
        Module::collector(MinerTrace(w())),
        Module::collector(FileLook(w())),
        Module::responder(EvidenceKeep(w())),
        Module::responder(FileRemove(w())),
        Module::collector(VerifyGone(w())),
    ])
}

/// One file: `rules/linux.yml`, whose text is the name of a miner.
pub struct OneFile;

impl Sources for OneFile {
    fn load(&self, path: &str) -> Option<String> {
        (path == "rules/linux.yml").then(|| "xmrig\n".to_owned())
    }
}

/// Files by path.
pub struct Files(pub Vec<(&'static str, String)>);

impl Sources for Files {
    fn load(&self, path: &str) -> Option<String> {
        let own = self.0.iter().find(|(known, _)| *known == path);
        own.map(|(_, text)| text.clone()).or_else(|| OneFile.load(path))
    }
}

pub struct StubHost(pub Arc<World>);

#[async_trait]
impl HostView for StubHost {
    fn name(&self) -> &str {
        "web-1"
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        match query {
            Query::Host {} if !*self.0.silent.lock().unwrap() => Ok(Observed::whole(Answer::Host(facts()))),
            _ => Err(HostError::Lost {
                why: "a stub".to_owned(),
            }),
        }
    }
}

fn facts() -> HostFacts {
    HostFacts {
        identity: HostIdentity {
            machine_id: None,
            boot_id: "b".to_owned(),
            hostname: "web-1".into(),
            pid_namespace: Wide(1),
        },
        system: "linux".to_owned(),
        distribution: String::new(),
        kernel: "6.1.0".to_owned(),
        architecture: "x86_64".to_owned(),
        cpus: 4,
        memory_total: Wide(1),
        memory_available: Wide(1),
        load_centi: [0, 0, 0],
        uptime_ms: Wide(1),
        host_time_ms: Wide(1),
        ticks_per_second: 100,
        uid: 0,
        own_chain: vec![1],
        own_names: Vec::new(),
        taint: Wide(0),
        without: Vec::new(),
    }
}

/// Keeps events as short words.
#[derive(Default)]
pub struct Heard {
    pub kinds: Vec<EventKind>,
    /// After so many events the journal is full.
    pub room: Option<usize>,
}

impl EventSink for Heard {
    fn record(&mut self, host: Option<&str>, kind: EventKind) -> Result<(), SinkError> {
        assert_eq!(host, Some("web-1"));
        if self.room.is_some_and(|room| self.kinds.len() >= room) {
            return Err(SinkError {
                path: "journal".to_owned(),
                why: "full".to_owned(),
            });
        }
        self.kinds.push(kind);
        Ok(())
    }
}

impl Heard {
    pub fn words(&self) -> Vec<String> {
        use deminer_engine::event::StepEnd;
        self.kinds
            .iter()
            .map(|kind| match kind {
                EventKind::StepRan {
                    phase,
                    step,
                    round,
                    end,
                } => {
                    let end = match end {
                        StepEnd::Ok { tries: 1, .. } => "ok".to_owned(),
                        StepEnd::Ok { tries, .. } => format!("ok after {tries}"),
                        StepEnd::Skipped {} => "skipped".to_owned(),
                        StepEnd::Stopped { reason, .. } => format!("stopped: {reason}"),
                        StepEnd::Failed { why, went_on: true } => format!("went on: {why}"),
                        StepEnd::Failed { why, .. } => format!("failed: {why}"),
                    };
                    format!("{round} {phase} {step} {end}")
                }
                EventKind::Looked { verdict, .. } => format!("looked {verdict:?}"),
                other => serde_json::to_value(other).unwrap()["kind"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            })
            .collect()
    }
}

pub fn gap(subject: &str, object: &str, why: GapReason) -> Coverage {
    let mut coverage = Coverage::whole();
    coverage.note(subject, object, why);
    coverage
}

/// An act; what it says of its target does not matter here but for the path.
fn removal(path: &str) -> Act {
    Act::Kill {
        process: ProcessTarget {
            boot_id: "b".to_owned(),
            pid: 7,
            start_ticks: Wide(1),
            exe: FileId {
                dev: Wide(1),
                inode: Wide(2),
            },
            exe_path: path.into(),
            exe_sha256: Digest([0; 32]),
            exe_size: Wide(1),
            argv_sha256: Digest([0; 32]),
            uid: 0,
            comm: "x".into(),
            role: Role::Miner,
        },
    }
}
