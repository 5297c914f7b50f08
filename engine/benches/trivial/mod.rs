//! Twenty trivial steps: ten that ask the host once and make rows, ten that are handed the rows of one of those and give
//! them on.

use std::sync::Arc;

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Analyzer, Collector, Module, ModuleError, Outcome, Registry};
use deminer_engine::playbook::{CheckedPlaybook, Phase, Sources, check};
use deminer_worker::action::Effect;
use deminer_worker::query::{Answer, Query};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The steps of [`playbook`].
pub(crate) const STEPS: usize = 20;

/// A step's output: so many rows of about 100 bytes as JSON.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Row {
    pid: u32,
    parent: u32,
    path: String,
    user: String,
    bytes: u64,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Count {
    count: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Given {
    rows: Vec<Row>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Rows {
    rows: Vec<Row>,
}

/// Asks the host what it is and makes rows.
struct Make;

/// Gives on what it is handed.
struct Pass;

const fn about(name: &'static str, effect: Effect, phases: &'static [Phase]) -> About {
    About {
        name,
        summary: "Does nothing of its own.",
        effect,
        phases,
        handbook: "",
        not_seen: "Everything.",
        example: "",
    }
}

#[async_trait]
impl Collector for Make {
    const ABOUT: About = about("bench.make", Effect::Read, &[Phase::Gather]);
    type Params = Count;
    type Output = Rows;

    async fn collect(&self, host: &dyn HostView, params: Count) -> Result<Outcome<Rows>, ModuleError> {
        let observed = host.observe(Query::Host {}).await?;
        let Answer::Host(facts) = observed.value else {
            let asked = "host".to_owned();
            return Err(ModuleError::WrongAnswer { asked });
        };
        let row = |pid| Row {
            pid,
            parent: 1,
            path: "/usr/lib/systemd/systemd-logind".to_owned(),
            user: "root".to_owned(),
            bytes: facts.memory_total.0,
        };
        Ok(Outcome::of(Rows {
            rows: (0..params.count).map(row).collect(),
        }))
    }
}

#[async_trait]
impl Analyzer for Pass {
    const ABOUT: About = about("bench.pass", Effect::Judge, &[Phase::Decide]);
    type Params = Given;
    type Output = Rows;

    async fn judge(
        &self,
        params: Given,
    ) -> Result<(Outcome<Rows>, Option<deminer_engine::finding::Verdict>), ModuleError> {
        Ok((Outcome::of(Rows { rows: params.rows }), None))
    }
}

struct NoFiles;

impl Sources for NoFiles {
    fn load(&self, _: &str) -> Option<String> {
        None
    }
}

/// Twenty steps whose outputs have so many rows: ten that look, ten that are handed what those saw.
pub(crate) fn playbook(rows: u32) -> Arc<CheckedPlaybook> {
    let half = STEPS / 2;
    let gather: String = (0..half)
        .map(|n| format!("    - {{id: seen{n}, use: bench.make, with: {{count: {rows}}}}}\n"))
        .collect();
    let decide: String = (0..half)
        .map(|n| {
            let (id, rows) = (format!("passed{n}"), format!("{{{{ steps.seen{n}.rows }}}}"));
            format!("    - {{id: {id}, use: bench.pass, with: {{rows: \"{rows}\"}}}}\n")
        })
        .collect();
    // Refers to the last outputs, so that they are kept like any other.
    let last: String = (0..half)
        .map(|n| format!("steps.passed{n}.rows | length"))
        .collect::<Vec<_>>()
        .join(" + ");
    let text = format!(
        "playbook: overhead\nversion: 1\nphases:\n  gather:\n{gather}  decide:\n{decide}    - {{assert: {last} >= 0}}\n"
    );
    let registry = Registry::new([Module::collector(Make), Module::analyzer(Pass)]);
    match check("overhead.yml", &text, &registry, &NoFiles) {
        Ok(checked) => Arc::new(checked),
        Err(mistakes) => panic!("{mistakes:?}"),
    }
}

/// The bytes of an output of so many rows, as JSON.
pub(crate) fn bytes(rows: u32) -> usize {
    serde_json::to_vec(&vec![sample(); rows as usize]).map_or(0, |json| json.len())
}

fn sample() -> Row {
    Row {
        pid: 1000,
        parent: 1,
        path: "/usr/lib/systemd/systemd-logind".to_owned(),
        user: "root".to_owned(),
        bytes: 8 << 30,
    }
}
