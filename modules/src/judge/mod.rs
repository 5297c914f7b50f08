//! `miner.judge`: is a process a miner, and is the host infected?
//!
//! Weighs what the processes, the lines that start them and their connections show, by the rules of a file. Load alone
//! never decides, and what a process says in its arguments never decides alone: whoever starts a process writes them.
//! Handbook 2.1 and 5.1.

mod arguments;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod indicators;
mod rules;
mod signals;
mod weigh;

#[cfg(test)]
pub(crate) mod tests;

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Finding, FindingId, HostVerdict, Verdict};
use deminer_engine::module::{About, Analyzer, ModuleError, Outcome, Resource};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Effect, Role};
use deminer_worker::query::{Coverage, GapReason, Socket};
use deminer_worker::text::HostBytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::indicators::Indicators;
use self::rules::{Group, Rules, Signal};
use self::signals::{Scene, Seen};
use crate::process_row::ProcessRow;
use crate::saying::stated_process;
use crate::starter::Starter;
use crate::unit_row::Units;

pub use self::rules::Class;
pub use self::weigh::ProcessVerdict;

/// The rows that the output holds at most: miners and suspects first, then by points.
const ROWS: usize = 1000;

/// The module `miner.judge`.
#[derive(Debug, Clone, Copy, Default)]
pub struct MinerJudge;

/// What it judges.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The processes, from `process.list`.
    pub processes: Vec<ProcessRow>,
    /// The lines and files that start something, from `cron.list` and its like.
    #[serde(default)]
    pub starters: Vec<Starter>,
    /// The units, whole, from `unit.list`: `"{{ steps.units }}"`.
    #[serde(default)]
    pub units: Units,
    /// The sockets, from `net.sockets`.
    #[serde(default)]
    pub sockets: Vec<Socket>,
    /// Pools known from alerts: names, addresses, or either with a port, as `203.0.113.9:3333`.
    #[serde(default)]
    pub pools: Vec<String>,
    /// What alarms name, of any kind: addresses, ranges, names (each with all below it), addresses of the web, SHA-256
    /// digests of files. A process whose file has such a digest, or that talks to such an end, weighs as one that the alarm
    /// is about. Names are not resolved. What is none of these is told as not seen.
    #[serde(default)]
    pub indicators: Vec<String>,
    /// The boot that the processes belong to, from `host.facts`; findings carry it, nothing is decided by it.
    #[serde(default)]
    pub boot_id: String,
    /// What speaks for a miner and how much, a file beside the playbook: `rules/linux.yml`.
    pub rules: Resource,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The host, by its worst process.
    pub host: HostVerdict,
    /// Every process that is not clean, and every busy one; worst first.
    pub rows: Vec<JudgedRow>,
}

/// A process with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JudgedRow {
    /// The process.
    #[serde(flatten)]
    pub row: ProcessRow,
    /// What it is.
    pub verdict: ProcessVerdict,
    /// The sum of all that speaks for and against it.
    pub points: i32,
    /// The points that `miner` needs.
    pub needed: i32,
    /// The classes of evidence against it; `miner` needs two, one of them of mining.
    pub classes: Vec<Class>,
    /// The findings that say so.
    pub findings: Vec<FindingId>,
    /// What it is to its component; `None` unless it is a miner.
    pub role: Option<Role>,
}

#[async_trait]
impl Analyzer for MinerJudge {
    const ABOUT: About = About {
        name: "miner.judge",
        summary: "Weighs what each process shows; says miner, suspect or clean, and what the host is",
        effect: Effect::Judge,
        phases: &[Phase::Decide],
        handbook: "2.1, 5.1",
        not_seen: "what the kernel hides; the memory of a process; the name behind an address",
        example: "{id: verdict, use: miner.judge, with: {processes: \"{{ steps.processes.rows }}\", rules: rules/linux.yml}}",
    };
    type Params = Params;
    type Output = Judged;

    async fn judge(&self, params: Params) -> Result<(Outcome<Judged>, Option<Verdict>), ModuleError> {
        let rules = Rules::read(&params.rules)?;
        let (outcome, because) = judge(&params, &rules);
        let verdict = Verdict {
            host: outcome.output.host,
            because,
        };
        Ok((outcome, Some(verdict)))
    }
}

fn judge(params: &Params, rules: &Rules) -> (Outcome<Judged>, Vec<FindingId>) {
    let indicators = Indicators::new(&params.pools, &params.indicators);
    let scene = Scene::new(
        rules,
        &params.processes,
        &params.starters,
        &params.units,
        &params.sockets,
        &indicators,
    );
    let mut coverage = Coverage::whole();
    for unread in &indicators.unread {
        coverage.note("indicator", unread.as_str(), GapReason::Unsupported);
    }
    let mut judged: Vec<(JudgedRow, Vec<Finding>)> = params
        .processes
        .iter()
        .filter_map(|row| {
            let process = &row.process;
            if process.exe.is_none() && !process.kernel_thread && !process.has_ended() {
                coverage.note(
                    "executable",
                    format!("/proc/{}/exe", process.pid).as_str(),
                    GapReason::Denied,
                );
            }
            judge_row(row, &scene, rules, &params.boot_id)
        })
        .collect();
    judged.sort_by_key(|(row, _)| (std::cmp::Reverse((row.verdict, row.points)), row.row.process.pid));
    if judged.len() > ROWS {
        judged.truncate(ROWS);
        coverage.note("verdicts", HostBytes::default(), GapReason::TooMany);
    }

    let worst = judged.first().map_or(ProcessVerdict::Clean, |(row, _)| row.verdict);
    let host = match worst {
        ProcessVerdict::Miner => HostVerdict::Infected,
        ProcessVerdict::Suspect => HostVerdict::Suspected,
        ProcessVerdict::Clean if params.processes.is_empty() => HostVerdict::CannotSay,
        ProcessVerdict::Clean => HostVerdict::Clean,
    };
    let because = judged
        .iter()
        .filter(|(row, _)| row.verdict == worst && worst != ProcessVerdict::Clean)
        .flat_map(|(row, _)| row.findings.iter().cloned())
        .collect();
    let (rows, findings): (Vec<JudgedRow>, Vec<Vec<Finding>>) = judged.into_iter().unzip();
    let outcome = Outcome {
        output: Judged { host, rows },
        findings: findings.into_iter().flatten().collect(),
        coverage,
    };
    (outcome, because)
}

/// The verdict on one process; `None` where there is nothing to say of it.
fn judge_row(row: &ProcessRow, scene: &Scene<'_>, rules: &Rules, boot_id: &str) -> Option<(JudgedRow, Vec<Finding>)> {
    let seen = scene.signals(row);
    let busy = row.process.cpu_centi.is_some_and(|centi| centi >= rules.busy_centi);
    let signals: Vec<_> = seen.iter().map(|seen| seen.signal).collect();
    let weighed = weigh::weigh(&signals, busy, rules);
    if row.process.kernel_thread || weighed.verdict == ProcessVerdict::Clean && !busy {
        return None;
    }
    let findings: Vec<Finding> = seen.iter().map(|seen| state(row, seen, rules, boot_id)).collect();
    let judged = JudgedRow {
        row: row.clone(),
        verdict: weighed.verdict,
        points: weighed.points,
        needed: rules.needed,
        classes: weighed.classes,
        findings: findings.iter().map(|finding| finding.id.clone()).collect(),
        role: (weighed.verdict == ProcessVerdict::Miner).then_some(Role::Miner),
    };
    Some((judged, findings))
}

/// A signal as a finding, in its rule's words.
fn state(row: &ProcessRow, seen: &Seen, rules: &Rules, boot_id: &str) -> Finding {
    let rule = rules.of(seen.signal);
    let bearing = match rule.group {
        Group::Benign => Bearing::Benign,
        _ => Bearing::Weighs,
    };
    let process = stated_process(&row.process, boot_id, Role::Miner);
    let pid = row.process.pid;
    let mut finding = Finding::new(Artifact::Process { process }, seen.signal.code(), bearing, &rule.say)
        .weighs(rule.points)
        .by_rule(rule.place.clone());
    for (name, value) in &seen.fields {
        finding = finding.field(name, value);
    }
    let exe_sha256 = row.process.exe.as_ref().and_then(|exe| exe.sha256);
    match (seen.source.is_empty(), rule.group) {
        (false, _) => finding.rests_on(&seen.source, None),
        (true, Group::Arguments | Group::Wallet) => {
            finding.rests_on(format!("/proc/{pid}/cmdline"), row.process.argv_sha256)
        }
        (true, _) if seen.signal == Signal::IndicatorName => {
            finding.rests_on(format!("/proc/{pid}/cmdline"), row.process.argv_sha256)
        }
        (true, Group::Network) => finding.rests_on(format!("/proc/{pid}/fd"), None),
        (true, Group::Resources) => finding.rests_on(format!("/proc/{pid}/stat"), None),
        (true, _) => finding.rests_on(format!("/proc/{pid}/exe"), exe_sha256),
    }
}
