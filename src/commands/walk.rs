//! A walk over hosts as the command line asks for it, and the operator's Ctrl-C.

use std::time::Duration;

use deminer_engine::event::{EventKind, EventSink, SinkError};
use deminer_engine::fleet::{Batch, End, Ends, Halt, Level, Order, StopWhen, WhyNot};
use deminer_engine::playbook::value::duration;
use deminer_engine::report::Report;
use deminer_engine::run::RunDir;

use super::progress::Watched;
use super::{Desk, Trouble};
use crate::cli;
use crate::exit::Exit;
use crate::render;

/// How a walk goes, by the words of the command line.
///
/// # Errors
/// When a word means nothing.
pub(crate) fn order(walking: &cli::Walking, striking: Option<&cli::Striking>) -> anyhow::Result<Order> {
    let mut order = Order {
        at_once: walking.at_once.into(),
        host_limit: limit("--host-timeout", walking.host_timeout.as_deref())?,
        run_limit: limit("--run-timeout", walking.run_timeout.as_deref())?,
        ..Order::default()
    };
    if let Some(striking) = striking {
        for text in &striking.batches {
            let batch: Batch = text.parse().map_err(|error| wrong("--batches", text, &error))?;
            order.batches.push(batch);
        }
        for text in &striking.stop_when {
            let rule: StopWhen = text.parse().map_err(|error| wrong("--stop-when", text, &error))?;
            order.stop_when.push(rule);
        }
    }
    Ok(order)
}

/// How long something may take, as an option says it.
///
/// # Errors
/// When it is no duration.
pub(crate) fn limit(option: &str, text: Option<&str>) -> anyhow::Result<Option<Duration>> {
    let Some(text) = text else { return Ok(None) };
    let limit = duration(text).map_err(|_| wrong(option, text, &"no duration, as 90s, 20m or 1h"))?;
    Ok(Some(limit))
}

fn wrong(option: &str, text: &str, error: &dyn std::fmt::Display) -> anyhow::Error {
    Trouble::new(Exit::Usage, format!("{option} {text}: {error}"), None).into()
}

/// The operator's Ctrl-C: the first begins no more hosts, the second breaks off. Listens until it is dropped.
pub(crate) struct Listening {
    /// The switch that it moves.
    pub(crate) halt: Halt,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Listening {
    /// Listens.
    pub(crate) fn begin(desk: &Desk) -> Listening {
        let halt = Halt::default();
        let (hand, screen) = (halt.clone(), desk.screen.clone());
        if desk.said.alone {
            return Listening { halt, task: None };
        }
        let task = tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                let words = screen.style().words();
                match hand.raise() {
                    Level::Go | Level::NoMore => screen.note(words.no_more_hosts()),
                    Level::Cancel => screen.note(words.breaking_off()),
                }
            }
        });
        Listening { halt, task: Some(task) }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Writes down how hosts ended that did not go through, and says it. `open` says whether something may still go on there:
/// then its chain stays open, and the next command asks the host.
///
/// # Errors
/// When the journal cannot be written, or what went through ended in an error.
pub(crate) fn say_ended<T>(
    desk: &Desk,
    ends: Ends<anyhow::Result<T>>,
    open: impl Fn(&str, &End<anyhow::Result<T>>) -> anyhow::Result<bool>,
    sink: &mut dyn EventSink,
) -> anyhow::Result<()> {
    for (host, end) in ends {
        if let End::Through(ended) = end {
            ended?;
            continue;
        }
        let open = open(&host, &end)?;
        if let Some(why) = ended(desk, &host, &end, open, sink)? {
            desk.screen.error(&format!("host `{host}`: {why}"), None);
        }
    }
    Ok(())
}

/// Ends a run whose hosts were walked over, as far as all of them are through; gives its report, kept beside it.
///
/// # Errors
/// When the journal or the report cannot be written.
pub(crate) fn end(desk: &Desk, run: &RunDir, mut sink: Watched) -> anyhow::Result<Report> {
    let is_through = Report::from_events(&run.chains()?)
        .hosts
        .iter()
        .all(|host| host.finished);
    if is_through {
        sink.record(None, EventKind::RunFinished {})?;
    }
    sink.end();
    let report = Report::from_events(&run.chains()?);
    run.write_report(&render::report::markdown(&report, desk.lang(), &desk.paste()))?;
    Ok(report)
}

/// Writes down how a host ended that did not go through, and gives it in words; `None` where it went through. `open`: its
/// chain stays open.
///
/// # Errors
/// When the journal cannot be written.
pub(crate) fn ended<T>(
    desk: &Desk,
    host: &str,
    end: &End<T>,
    open: bool,
    sink: &mut dyn EventSink,
) -> Result<Option<String>, SinkError> {
    let words = desk.lang().words();
    let (why, kind) = match end {
        End::Through(_) => return Ok(None),
        End::TimedOut { limit } => {
            let ms = limit.as_millis() as u64;
            (words.host_timed_out(ms), failed(format!("took longer than {ms} ms")))
        }
        End::Broken { why } => (why.clone(), failed(why.clone())),
        End::Cancelled => (words.broken_off().to_owned(), EventKind::Cancelled {}),
        End::NotBegun(why_not) => {
            let why = match why_not {
                WhyNot::Halted => words.not_begun().to_owned(),
                WhyNot::Stopped(rule) => words.not_begun_since(&rule.to_string()),
                WhyNot::RunTime { limit } => words.run_timed_out(limit.as_millis() as u64),
            };
            (why, EventKind::Cancelled {})
        }
    };
    if !open {
        sink.record(Some(host), kind)?;
        sink.record(Some(host), EventKind::HostFinished {})?;
    }
    Ok(Some(why))
}

fn failed(why: String) -> EventKind {
    EventKind::HostFailed {
        place: "the run".to_owned(),
        why,
    }
}
