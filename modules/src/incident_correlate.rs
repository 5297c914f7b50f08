//! `incident.correlate`: what of a host was changed, or began, about when the incident appeared.
//!
//! Handbook 1.2: from when the incident appeared and was found follows about when the miner came, and that leads to what
//! else came then. A time is a hint and no more: whoever can write a file can set its times, and an administrator works
//! at the same hour. So nothing is condemned here and no verdict rests on it; what stands out is for a person to look at.

use std::collections::BTreeMap;

use async_trait::async_trait;
use deminer_engine::finding::Verdict;
use deminer_engine::finding::{Artifact, Bearing, Condemned, Finding};
use deminer_engine::module::{About, Analyzer, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Effect, FileTarget};
use deminer_worker::query::{Coverage, GapReason, HostFacts, Ownership};
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration_param::DurationParam;
use crate::process_row::ProcessRow;
use crate::saying::said;
use crate::starter::Starter;

/// The rows of the output, the nearest to the time first kept.
const ROWS: usize = 1000;
/// The files that a person is asked to look at.
const REVIEWS: usize = 40;
/// The longest span around a time.
const LONGEST: DurationParam = DurationParam::from_millis(30 * 86_400_000);

/// `incident.correlate`.
#[derive(Debug, Clone, Copy, Default)]
pub struct IncidentCorrelate;

fn day() -> DurationParam {
    DurationParam::from_millis(86_400_000)
}

fn time_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": ["string", "null"], "format": "time"})
}

/// What is held against the times.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// When the incident appeared, as `2026-11-14T02:41:04Z`; nothing where it is not known: then nothing is correlated.
    #[serde(default)]
    #[schemars(schema_with = "time_schema")]
    pub appeared: Option<String>,
    /// When it was found. What changed from `appeared` to here is near too; left out, only what changed about `appeared`.
    #[serde(default)]
    #[schemars(schema_with = "time_schema")]
    pub found: Option<String>,
    /// How far before and after a time is near: clocks differ, and what is noticed began before.
    #[serde(default = "day")]
    pub around: DurationParam,
    /// Lines and files that start something, from `cron.list` and its like.
    #[serde(default)]
    pub starters: Vec<Starter>,
    /// The processes, from `process.list`.
    #[serde(default)]
    pub processes: Vec<ProcessRow>,
    /// What the host is, from `host.facts`: without it nobody can say when a process began.
    #[serde(default)]
    pub facts: Option<HostFacts>,
    /// Milliseconds by which the host's clock is ahead of ours, `"{{ host.clock_ahead_ms }}"`: `appeared` and `found` are by
    /// ours, the times of files and processes by the host's.
    #[serde(default)]
    pub clock_ahead_ms: i64,
    /// What is condemned already: it stands in the rows, and nobody is asked to look at it again.
    #[serde(default)]
    pub condemned: Vec<Condemned>,
}

/// What was changed or began then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Output {
    /// Whether times were given to hold anything against.
    pub correlated: bool,
    /// In the order of their times.
    pub rows: Vec<Near>,
}

/// Something near the time, by the host's own clock and files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Near {
    /// When, UTC, by the host's own clock.
    pub at: String,
    /// Before or after the incident appeared, in whole minutes; negative is before.
    pub minutes: i64,
    /// What happened then.
    pub what: What,
    /// The file, or what the process runs.
    pub path: HostPath,
    /// The process; `None` for a file.
    pub pid: Option<u32>,
    /// Whether it is condemned already.
    pub condemned: bool,
}

/// What a time is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The content of a file that starts something was changed (mtime). Whoever owns the file can set this time.
    ContentChanged,
    /// The file was made, renamed, linked or given other rights (ctime). Only who can set the clock can set this time.
    InodeChanged,
    /// A process began that no package brought.
    Began,
}

#[async_trait]
impl Analyzer for IncidentCorrelate {
    const ABOUT: About = About {
        name: "incident.correlate",
        summary: "Lists what was changed or began about when the incident appeared; a time alone condemns nothing",
        effect: Effect::Judge,
        phases: &[Phase::Decide, Phase::Locate],
        handbook: "1.2",
        not_seen: "files that start nothing; what was changed again later; times that somebody set",
        example: "{id: near, use: incident.correlate, with: {appeared: \"{{ vars.appeared }}\", starters: \"{{ steps.cron.rows }}\"}}",
    };
    type Params = Params;
    type Output = Output;

    async fn judge(&self, params: Params) -> Result<(Outcome<Output>, Option<Verdict>), ModuleError> {
        let Some(appeared) = moment("appeared", params.appeared.as_deref())? else {
            let output = Output {
                correlated: false,
                rows: Vec::new(),
            };
            return Ok((Outcome::of(output), None));
        };
        // From here on all times are by the host's clock.
        let of_host = |at: i64| at.saturating_add(params.clock_ahead_ms);
        let appeared = of_host(appeared);
        let found = moment("found", params.found.as_deref())?.map(of_host);
        let around = i64::try_from(params.around.within("around", DurationParam::from_millis(0), LONGEST)?);
        let around = around.unwrap_or(i64::MAX);
        let span = Span {
            appeared,
            from: appeared.saturating_sub(around),
            to: found.unwrap_or(appeared).max(appeared).saturating_add(around),
        };
        Ok((correlate(&params, span), None))
    }
}

/// Times in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Span {
    appeared: i64,
    from: i64,
    to: i64,
}

impl Span {
    fn holds(&self, at_ms: i64) -> bool {
        (self.from..=self.to).contains(&at_ms)
    }
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<i64>, ModuleError> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => Ok(Some(at.as_millisecond())),
        Err(_) => Err(ModuleError::Parameter {
            name: name.to_owned(),
            why: "it is no time: write it as `2026-11-14T02:41:04Z`".to_owned(),
        }),
    }
}

fn correlate(params: &Params, span: Span) -> Outcome<Output> {
    let mut coverage = Coverage::whole();
    let mut near: Vec<(i64, Near, Option<&FileTarget>)> = files(params)
        .into_values()
        .filter_map(|file| near_file(file, params, span))
        .collect();
    match began(params) {
        Some(began) => near.extend(
            began
                .filter(|(at, _)| span.holds(*at))
                .map(|(at, row)| (at, near_process(at, row, params, span), None)),
        ),
        None if params.processes.is_empty() => {}
        // A process's start is told in ticks since boot.
        None => coverage.note("process", HostBytes::default(), GapReason::Unsupported),
    }
    near.sort_by_key(|(at, row, _)| (at.abs_diff(span.appeared), row.path.clone(), row.pid));
    if near.len() > ROWS {
        near.truncate(ROWS);
        coverage.note("times", HostBytes::default(), GapReason::TooMany);
    }
    let findings = near
        .iter()
        .filter_map(|(_, row, file)| Some((row, (*file)?)))
        .filter(|(row, _)| !row.condemned)
        .take(REVIEWS)
        .map(|(row, file)| statement(row, file, span))
        .collect();
    near.sort_by_key(|(at, row, _)| (*at, row.path.clone(), row.pid));
    Outcome {
        output: Output {
            correlated: true,
            rows: near.into_iter().map(|(_, row, _)| row).collect(),
        },
        findings,
        coverage,
    }
}

/// The files that start something, each once.
fn files(params: &Params) -> BTreeMap<&HostPath, &FileTarget> {
    let files = params
        .starters
        .iter()
        .map(|starter| (&starter.file.path, &starter.file));
    files.collect()
}

fn near_file<'p>(file: &'p FileTarget, params: &Params, span: Span) -> Option<(i64, Near, Option<&'p FileTarget>)> {
    let millis = |ns: u64| i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX);
    let times = [
        (millis(file.mtime_ns.0), What::ContentChanged),
        (millis(file.ctime_ns.0), What::InodeChanged),
    ];
    let (at, what) = times.into_iter().find(|(at, _)| span.holds(*at))?;
    let condemned = params.condemned.iter().any(|known| match &known.artifact {
        Artifact::File { file: known } | Artifact::Line { file: known, .. } => known.path == file.path,
        _ => false,
    });
    let row = Near {
        at: written(at),
        minutes: minutes(at, span),
        what,
        path: file.path.clone(),
        pid: None,
        condemned,
    };
    Some((at, row, Some(file)))
}

/// When each process began that no package brought; `None` where nobody can say.
fn began(params: &Params) -> Option<impl Iterator<Item = (i64, &ProcessRow)>> {
    let facts = params.facts.as_ref()?;
    let boot_ms = facts.host_time_ms.0.checked_sub(facts.uptime_ms.0)?;
    let ticks = u64::from(facts.ticks_per_second).max(1);
    let unpackaged = params.processes.iter().filter(|row| {
        let packaged = row.package.as_ref().is_some_and(Ownership::is_package_content);
        !row.process.kernel_thread && !packaged
    });
    Some(unpackaged.map(move |row| {
        let since_boot = row.process.start_ticks.0.saturating_mul(1000) / ticks;
        (
            i64::try_from(boot_ms.saturating_add(since_boot)).unwrap_or(i64::MAX),
            row,
        )
    }))
}

fn near_process(at: i64, row: &ProcessRow, params: &Params, span: Span) -> Near {
    let process = &row.process;
    let condemned = params.condemned.iter().any(|known| match &known.artifact {
        Artifact::Process { process: known } => (known.pid, known.start_ticks) == (process.pid, process.start_ticks),
        _ => false,
    });
    Near {
        at: written(at),
        minutes: minutes(at, span),
        what: What::Began,
        path: process.exe.as_ref().map(|exe| exe.path.clone()).unwrap_or_default(),
        pid: Some(process.pid),
        condemned,
    }
}

fn minutes(at: i64, span: Span) -> i64 {
    at.saturating_sub(span.appeared) / 60_000
}

fn written(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn statement(row: &Near, file: &FileTarget, span: Span) -> Finding {
    let say = match row.what {
        What::InodeChanged => {
            "{path} was made or renamed {at}, {near} the incident appeared; that alone says nothing more"
        }
        _ => "{path} was changed {at}, {near} the incident appeared; that alone says nothing more",
    };
    let (minutes, word) = match row.minutes {
        before @ ..0 => (before.unsigned_abs(), "before"),
        after => (after.unsigned_abs(), "after"),
    };
    let near = match minutes {
        0 => "in the minute when".to_owned(),
        minutes @ 1..120 => format!("{minutes} min {word}"),
        minutes => format!("{} h {word}", minutes / 60),
    };
    Finding::new(
        Artifact::File { file: file.clone() },
        "changed_near",
        Bearing::Review,
        say,
    )
    .field("path", said(file.path.as_bytes()))
    .field("at", &row.at)
    .field("near", near)
    .field("appeared", written(span.appeared))
    .rests_on(said(file.path.as_bytes()), Some(file.sha256))
}

#[cfg(test)]
mod tests {
    use deminer_engine::finding::FindingId;
    use deminer_worker::text::Wide;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::example_rows::{Row, starter};
    use crate::starter::Place;

    const APPEARED: &str = "2026-11-14T02:00:00Z";

    fn changed(path: &str, mtime: &str, ctime: &str) -> Starter {
        let ns = |text: &str| Wide(text.parse::<jiff::Timestamp>().expect("a time").as_second() as u64 * 1_000_000_000);
        let mut row = starter(Place::CronD, path, "* * * * * root /x", "/x", &["/x"]);
        row.file.mtime_ns = ns(mtime);
        row.file.ctime_ns = ns(ctime);
        row
    }

    async fn judged(value: serde_json::Value, starters: Vec<Starter>) -> Outcome<Output> {
        let mut params: Params = serde_json::from_value(value).expect("parameters");
        params.starters = starters;
        let (outcome, verdict) = IncidentCorrelate.judge(params).await.expect("an outcome");
        assert_eq!(verdict, None, "no verdict rests on a time");
        assert!(
            outcome
                .findings
                .iter()
                .all(|f| f.bearing == Bearing::Review && f.points == 0)
        );
        outcome
    }

    fn starters() -> Vec<Starter> {
        vec![
            changed("/etc/cron.d/near", "2026-11-14T01:10:00Z", "2026-11-14T01:10:00Z"),
            changed("/etc/cron.d/old", "2019-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
            changed("/etc/cron.d/set-back", "2019-01-01T00:00:00Z", "2026-11-14T02:00:30Z"),
            changed("/etc/cron.d/later", "2026-11-16T02:00:00Z", "2026-11-16T02:00:00Z"),
        ]
    }

    fn names(outcome: &Outcome<Output>) -> Vec<(String, i64, What)> {
        let rows = outcome.output.rows.iter();
        rows.map(|row| (row.path.to_string(), row.minutes, row.what)).collect()
    }

    #[tokio::test]
    async fn what_changed_about_then_is_found_and_what_did_not_stays_silent() {
        let outcome = judged(json!({"appeared": APPEARED, "around": "2h"}), starters()).await;
        assert_eq!(
            names(&outcome),
            [
                ("/etc/cron.d/near".to_owned(), -50, What::ContentChanged),
                ("/etc/cron.d/set-back".to_owned(), 0, What::InodeChanged),
            ]
        );
        let said: Vec<String> = outcome.findings.iter().map(Finding::sentence).collect();
        assert_eq!(
            said,
            [
                "/etc/cron.d/set-back was made or renamed 2026-11-14T02:00:30Z, in the minute when the incident appeared; \
                 that alone says nothing more",
                "/etc/cron.d/near was changed 2026-11-14T01:10:00Z, 50 min before the incident appeared; that alone says \
                 nothing more",
            ]
        );
        let until_found = json!({"appeared": APPEARED, "found": "2026-11-16T01:00:00Z", "around": "2h"});
        let outcome = judged(until_found, starters()).await;
        assert_eq!(outcome.output.rows.len(), 3);
        assert!(outcome.findings.iter().any(|f| f.sentence().contains("48 h after")));
    }

    /// A host whose clock is three years ahead wrote its files at times that are three years off.
    #[tokio::test]
    async fn a_clock_that_is_ahead_is_allowed_for() {
        let (ahead_ms, known) = (3 * 365 * 86_400_000i64, starters());
        let ahead = known.into_iter().map(|mut row| {
            let later = |ns: Wide| Wide(ns.0 + ahead_ms.unsigned_abs() * 1_000_000);
            (row.file.mtime_ns, row.file.ctime_ns) = (later(row.file.mtime_ns), later(row.file.ctime_ns));
            row
        });
        let ahead: Vec<Starter> = ahead.collect();
        let told = json!({"appeared": APPEARED, "around": "2h", "clock_ahead_ms": ahead_ms});
        let outcome = judged(told, ahead.clone()).await;
        let in_time = judged(json!({"appeared": APPEARED, "around": "2h"}), starters()).await;
        assert_eq!(names(&outcome), names(&in_time));
        assert_eq!(
            outcome.output.rows[0].at, "2029-11-13T01:10:00Z",
            "as the host tells it"
        );
        let untold = judged(json!({"appeared": APPEARED, "around": "2h"}), ahead).await;
        assert_eq!(names(&untold), []);
    }

    #[tokio::test]
    async fn without_a_time_nothing_is_said() {
        for value in [json!({}), json!({"appeared": null, "found": APPEARED})] {
            let outcome = judged(value, starters()).await;
            assert_eq!(
                (
                    outcome.output.correlated,
                    outcome.output.rows.len(),
                    outcome.findings.len()
                ),
                (false, 0, 0)
            );
        }
        let odd: Params = serde_json::from_value(json!({"appeared": "yesterday"})).expect("parameters");
        assert!(IncidentCorrelate.judge(odd).await.is_err());
    }

    #[tokio::test]
    async fn what_is_condemned_is_listed_and_nobody_is_asked_again() {
        let mut params: Params = serde_json::from_value(json!({"appeared": APPEARED})).expect("parameters");
        params.starters = starters();
        params.condemned = vec![Condemned {
            component: 1,
            artifact: Artifact::File {
                file: params.starters[0].file.clone(),
            },
            because: Vec::<FindingId>::new(),
        }];
        let (outcome, _) = IncidentCorrelate.judge(params).await.expect("an outcome");
        assert!(outcome.output.rows[0].condemned);
        assert_eq!(outcome.findings.len(), 1);
    }

    #[tokio::test]
    async fn processes_that_no_package_brought_are_listed_by_their_start() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().expect("a time").as_millisecond();
        // Booted two hours before it appeared; ticks are hundredths of a second.
        let row = |pid: u32, minutes: u64| {
            let mut row = Row::runs(pid, "/opt/x", &["x"]).build();
            row.process.start_ticks = Wide(minutes * 6000);
            row
        };
        let mut packaged = Row::runs(3, "/usr/bin/x", &["x"]).packaged().build();
        packaged.process.start_ticks = Wide(115 * 6000);
        let mut params: Params =
            serde_json::from_value(json!({"appeared": APPEARED, "around": "10m"})).expect("parameters");
        params.processes = vec![row(1, 5), row(2, 115), packaged];
        let outcome = correlate(&params, span());
        assert!(
            outcome.coverage.material().next().is_some(),
            "without facts nobody can say"
        );
        params.facts = Some(facts(at("2026-11-14T00:00:00Z")));
        let outcome = correlate(&params, span());
        let rows: Vec<(Option<u32>, i64)> = outcome.output.rows.iter().map(|r| (r.pid, r.minutes)).collect();
        assert_eq!(rows, [(Some(2), -5)]);
        assert!(outcome.findings.is_empty(), "a start alone is nothing to look at");
    }

    fn span() -> Span {
        let appeared = APPEARED.parse::<jiff::Timestamp>().expect("a time").as_millisecond();
        Span {
            appeared,
            from: appeared - 600_000,
            to: appeared + 600_000,
        }
    }

    fn facts(boot_ms: i64) -> HostFacts {
        let facts = json!({
            "identity": {"machine_id": null, "boot_id": "b", "hostname": "web-1", "pid_namespace": "1"},
            "system": "linux", "distribution": "", "kernel": "6.1.0", "architecture": "x86_64", "cpus": 4,
            "memory_total": "1", "memory_available": "1", "load_centi": [0, 0, 0], "uptime_ms": "3600000",
            "host_time_ms": (boot_ms + 3_600_000).to_string(), "ticks_per_second": 100, "uid": 0, "own_chain": [1],
            "taint": "0", "without": [],
        });
        serde_json::from_value(facts).expect("facts")
    }

    proptest! {
        #[test]
        fn no_time_panics(mtime: u64, ctime: u64, start: u64, uptime: u64, now: u64, ticks: u32, appeared in -377_705_023_201_000i64..253_402_207_200_000) {
            let mut given = starters();
            given[0].file.mtime_ns = Wide(mtime);
            given[0].file.ctime_ns = Wide(ctime);
            let mut row = Row::runs(1, "/opt/x", &["x"]).build();
            row.process.start_ticks = Wide(start);
            let mut host = facts(0);
            host.uptime_ms = Wide(uptime);
            host.host_time_ms = Wide(now);
            host.ticks_per_second = ticks;
            let params = Params {
                appeared: None,
                found: None,
                around: day(),
                starters: given,
                processes: vec![row],
                facts: Some(host),
                clock_ahead_ms: 0,
                condemned: Vec::new(),
            };
            let outcome = correlate(&params, Span { appeared, from: i64::MIN, to: i64::MAX });
            prop_assert!(outcome.output.rows.len() <= 5);
        }
    }
}
