use std::sync::{Arc, Mutex};

use super::*;
use crate::render::Style;
use crate::render::sample::{Night, Paper};

/// A sink that counts, and refuses after so many.
struct Counting {
    taken: Arc<Mutex<usize>>,
    most: usize,
}

impl EventSink for Counting {
    fn record(&mut self, _: Option<&str>, _: EventKind) -> Result<(), SinkError> {
        let mut taken = self.taken.lock().expect("no test panics while it counts");
        if *taken == self.most {
            return Err(SinkError {
                path: "host-web-1.ndjson".to_owned(),
                why: "no space left on device".to_owned(),
            });
        }
        *taken += 1;
        Ok(())
    }
}

fn screen(live: bool) -> (Screen, Paper) {
    screen_in(Style::PLAIN, live)
}

fn screen_in(style: Style, live: bool) -> (Screen, Paper) {
    let err = Paper::default();
    let screen = Screen::on(style, live, Box::new(Paper::default()), Box::new(err.clone()));
    (screen, err)
}

fn told(night: &Night, live: bool) -> String {
    told_in(Style::PLAIN, night, live)
}

fn told_in(style: Style, night: &Night, live: bool) -> String {
    let (screen, err) = screen_in(style, live);
    let mut progress = Progress::new(screen);
    for (host, kind) in night.events() {
        progress.event(host.as_deref(), &kind);
    }
    err.text()
}

#[test]
fn not_on_a_terminal_each_stage_is_a_line() {
    let text = told(&Night::worse(), false);
    assert!(!text.contains('\x1b') && !text.contains('\r'), "{text}");
    insta::assert_snapshot!("progress_lines", text);
    let chinese = told_in(Style::CHINESE, &Night::worse(), false);
    insta::assert_snapshot!("progress_lines_zh", chinese);
}

#[test]
fn on_a_terminal_one_line_lives_and_is_taken_away() {
    let text = told(&Night::good(), true);
    assert!(text.starts_with("\r~ 00:0"), "{text}");
    assert!(text.ends_with("\r\x1b[K"), "{text}");
    assert!(text.lines().count() <= 4, "stages are not lines here: {text}");
}

#[test]
fn the_live_line_says_what_hosts_do_and_what_time_is_left() {
    let (screen, _) = screen(true);
    let fixed = Progress::timed(screen, Box::new(|| Duration::from_secs(50)));
    let mut progress = fixed.watching_for(Duration::from_secs(600));
    let night = Night::good();
    let mut lines = Vec::new();
    for (host, kind) in night.events() {
        progress.event(host.as_deref(), &kind);
        let line = progress.line();
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    insta::assert_snapshot!("progress_live", lines.join("\n"));
}

#[test]
fn what_a_host_wrote_is_no_order_to_the_terminal() {
    let text = told(&Night::hostile(), false);
    assert!(
        text.chars().all(|c| c == '\n' || super::super::plain::is_plain(c)),
        "{text}"
    );
    assert!(text.lines().all(|line| line.len() < 2_000));
}

#[test]
fn only_what_was_written_down_is_shown() {
    let taken = Arc::new(Mutex::new(0));
    let (screen, err) = screen(false);
    let sink = Counting {
        taken: taken.clone(),
        most: 4,
    };
    let mut sink = ProgressSink::new(sink, Progress::new(screen));
    let mut failed = None;
    for (host, kind) in Night::good().events() {
        if let Err(error) = sink.record(host.as_deref(), kind) {
            failed = Some(error);
            break;
        }
    }
    assert!(failed.is_some());
    assert_eq!(*taken.lock().expect("no test panics while it counts"), 4);
    assert!(!err.text().contains("web-1: looking"), "{}", err.text());
}

#[test]
fn clocks() {
    assert_eq!(clock(Duration::from_secs(50)), "00:50");
    assert_eq!(clock(Duration::from_secs(3_900)), "1:05:00");
}

#[test]
fn after_the_end_nothing_is_drawn() {
    let (screen, err) = screen(true);
    let mut progress = Progress::new(screen);
    progress.end();
    for (host, kind) in Night::good().events() {
        progress.event(host.as_deref(), &kind);
        progress.tick();
    }
    assert!(!err.text().contains('~'), "{}", err.text());
}

/// A clock that is set by hand, in seconds.
fn by_hand(screen: Screen) -> (Progress, Arc<Mutex<u64>>) {
    let seconds = Arc::new(Mutex::new(0));
    let shown = Arc::clone(&seconds);
    let elapsed = move || Duration::from_secs(*shown.lock().expect("no test panics while it sets the clock"));
    (Progress::timed(screen, Box::new(elapsed)), seconds)
}

fn started(hosts: usize) -> EventKind {
    EventKind::RunStarted {
        version: "1".to_owned(),
        playbook: "linux-miner 1".to_owned(),
        purpose: deminer_engine::event::Purpose::Look,
        plan: None,
        hosts: (1..=hosts).map(|number| format!("web-{number}")).collect(),
    }
}

fn reached() -> EventKind {
    EventKind::Reached {
        identity: crate::render::sample::identity("web"),
        host_key: None,
        clock: None,
    }
}

fn looked(verdict: HostVerdict) -> EventKind {
    EventKind::Looked {
        verdict: Some(verdict),
        findings: Vec::new(),
        coverage: Default::default(),
    }
}

fn ran(step: &str) -> EventKind {
    EventKind::StepRan {
        phase: deminer_engine::playbook::Phase::Gather,
        step: step.to_owned(),
        round: 0,
        end: StepEnd::Skipped {},
    }
}

fn unreached() -> EventKind {
    EventKind::NotReached {
        why: deminer_worker::query::HostError::Lost {
            why: "the connection ended".to_owned(),
        },
    }
}

/// Four hundred hosts, thirty-two at once, one of them slow.
fn four_hundred(style: Style, live: bool) -> String {
    let (screen, err) = screen_in(style, live);
    let (mut progress, seconds) = by_hand(screen);
    progress.event(None, &started(400));
    for number in 1..=400_u64 {
        *seconds.lock().expect("no test panics while it sets the clock") = number / 8;
        let host = format!("web-{number}");
        if number % 100 == 50 {
            progress.event(Some(&host), &unreached());
            continue;
        }
        progress.event(Some(&host), &reached());
        progress.event(Some(&host), &ran("processes"));
        let verdict = match number % 120 {
            0 => HostVerdict::Infected,
            _ => HostVerdict::Clean,
        };
        if number != 7 {
            progress.event(Some(&host), &looked(verdict));
        }
        progress.tick();
    }
    *seconds.lock().expect("no test panics while it sets the clock") = 170;
    progress.tick();
    progress.event(Some("web-7"), &looked(HostVerdict::Clean));
    progress.end();
    err.text()
}

#[test]
fn of_many_hosts_only_what_needs_a_person_is_a_line() {
    let text = four_hundred(Style::PLAIN, false);
    insta::assert_snapshot!("progress_many", text);
    insta::assert_snapshot!("progress_many_zh", four_hundred(Style::CHINESE, false));
    assert!(text.lines().count() < 30, "{text}");
}

#[test]
fn on_a_terminal_many_hosts_are_one_line_and_what_went_wrong() {
    let text = four_hundred(Style::PLAIN, true);
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines.len(), 8, "3 infected and 4 unreached, then the end");
    assert!(text.contains("; slowest web-7 ") && text.ends_with("\r\x1b[K"));
}

#[test]
fn nobody_reads_a_thousand_lines_of_hosts_that_failed() {
    let (screen, err) = screen(false);
    let (mut progress, _) = by_hand(screen);
    progress.event(None, &started(1_000));
    for number in 1..=1_000 {
        progress.event(Some(&format!("web-{number}")), &unreached());
    }
    progress.end();
    let text = err.text();
    assert!(text.lines().count() < LINES + 20, "{text}");
    assert!(text.trim_end().ends_with("1,000 hosts: 1,000 lost"), "{text}");
}
