//! `miner.judge`: is a process a miner, and is the host infected?
//!
//! Weighs what the processes, the lines that start them and their connections show, by the rules of a file. Load alone
//! never decides, and what a process says in its arguments never decides alone: whoever starts a process writes them.
//! Handbook 2.1 and 5.1.

mod arguments;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod indicators;
mod owner;
mod rules;
mod signals;
mod weigh;

#[cfg(test)]
pub(crate) mod tests;

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Finding, FindingId, HostVerdict, Verdict};
use deminer_engine::module::{About, Analyzer, Misread, ModuleError, Outcome, Resource};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Effect, Role};
use deminer_worker::query::{Coverage, GapReason, Socket};
use deminer_worker::text::HostBytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::indicators::Indicators;
use self::owner::{Allowed, Starter as Begun};
use self::rules::{Group, Rules, Signal};
use self::signals::{Scene, Seen};
use crate::process_row::ProcessRow;
use crate::saying::{said, stated_process};
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
    /// Miners that are the owner's own: who may run which file with which content, as `USER:PATH:SHA256`, with a login name or
    /// a number. All three must fit. It frees the process, not a copy elsewhere; list the path with `--protect` too.
    /// Example: `allow: ["alice:/opt/hpc/xmrig:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]`.
    #[serde(default)]
    pub allow: Vec<String>,
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

    fn reads(file: &Resource) -> Option<Result<(), Misread>> {
        Some(Rules::read(file).map(drop))
    }

    async fn judge(&self, params: Params) -> Result<(Outcome<Judged>, Option<Verdict>), ModuleError> {
        let rules = Rules::read(&params.rules)?;
        let allowed = owner::read(&params.allow)?;
        let (outcome, because) = judge(&params, &rules, &allowed);
        let verdict = Verdict {
            host: outcome.output.host,
            because,
        };
        Ok((outcome, Some(verdict)))
    }
}

fn judge(params: &Params, rules: &Rules, allowed: &[Allowed]) -> (Outcome<Judged>, Vec<FindingId>) {
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
            judge_row(row, &scene, rules, allowed, &params.boot_id)
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
fn judge_row(
    row: &ProcessRow,
    scene: &Scene<'_>,
    rules: &Rules,
    allowed: &[Allowed],
    boot_id: &str,
) -> Option<(JudgedRow, Vec<Finding>)> {
    let seen = scene.signals(row);
    let busy = row.process.cpu_centi.is_some_and(|centi| centi >= rules.busy_centi);
    let worked = rules
        .prior
        .worked_s
        .is_some_and(|s| row.process.cpu_ms.0 >= u64::from(s) * 1000);
    let signals: Vec<_> = seen.iter().map(|seen| seen.signal).collect();
    let mut weighed = weigh::weigh(&signals, busy || worked, rules);
    let owners = owners_word(row, scene, rules, allowed, &signals, weighed.verdict, boot_id);
    if let Some((verdict, _)) = &owners {
        weighed.verdict = *verdict;
    }
    if row.process.kernel_thread || weighed.verdict == ProcessVerdict::Clean && !busy && owners.is_none() {
        return None;
    }
    let mut findings: Vec<Finding> = seen.iter().map(|seen| state(row, seen, rules, boot_id)).collect();
    findings.extend(owners.map(|(_, finding)| finding));
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

/// What is less than the weights say, since it may be the owner's own; `None` where nothing speaks for that.
fn owners_word(
    row: &ProcessRow,
    scene: &Scene<'_>,
    rules: &Rules,
    allowed: &[Allowed],
    signals: &[Signal],
    verdict: ProcessVerdict,
    boot_id: &str,
) -> Option<(ProcessVerdict, Finding)> {
    if verdict == ProcessVerdict::Clean {
        return None;
    }
    let artifact = || Artifact::Process {
        process: stated_process(&row.process, boot_id, Role::Miner),
    };
    if owner::is_allowed(row, allowed) {
        let say = "the site allows {user} to run this file from this place, by its content";
        let finding = Finding::new(artifact(), "allowed", Bearing::Benign, say).field("user", &row.user);
        return Some((ProcessVerdict::Clean, finding));
    }
    if verdict != ProcessVerdict::Miner || owner::shows_an_intruder(signals) {
        return None;
    }
    let (starter, pid) = owner::started_by(row, scene.rows(), rules)?;
    let say = match starter {
        Begun::Login => {
            "pid {starter} let somebody in who started it, and nothing hides it: the owner's own, or an intruder's who is \
             logged in; to allow it: --set allow={allow}"
        }
        Begun::Batch => {
            "the batch system, pid {starter}, started it, and nothing hides it: somebody's job, wanted or not; to allow it: \
             --set allow={allow}"
        }
    };
    let exe = row.process.exe.as_ref();
    let path = exe.map(|exe| said(exe.path.as_bytes())).unwrap_or_default();
    let sha256 = exe.and_then(|exe| exe.sha256).map(|sha256| sha256.to_string());
    let finding = Finding::new(artifact(), "started_by_somebody", Bearing::Review, say)
        .field("starter", pid)
        .field("allow", format!("{}:{path}:{}", row.user, sha256.unwrap_or_default()))
        .rests_on(format!("/proc/{}/stat", row.process.pid), None);
    Some((ProcessVerdict::Suspect, finding))
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
