//! What a simulated host does by itself as its clock moves: guardians, a scheduler, loops that write, watchdogs.
//!
//! A behaviour belongs to a described process and to any that was started in its place; while that one stands still or
//! is dead, nothing happens.

use serde::{Deserialize, Serialize};

use super::state::{DAY_MS, Start, State};
use super::tree::{IMMUTABLE, plain};
use super::world::{Content, World};
use crate::text::{HostBytes, HostPath};

const MINUTE_MS: u64 = 60_000;

/// A process that starts others again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Guardian {
    /// The process that guards.
    pub process: u32,
    /// What must always run.
    pub watches: Watched,
    /// How long it takes to start it again.
    #[serde(default = "tenth_of_a_second")]
    pub restarts_after_ms: u64,
    /// Its own copy, which it writes to the place first; none runs what lies there.
    #[serde(default)]
    pub from: Option<HostPath>,
    /// Where what it starts lies; the path of what it watches where none is given.
    #[serde(default, rename = "as")]
    pub runs_as: Option<HostPath>,
    /// Whether it takes the name away once it runs.
    #[serde(default)]
    pub unlink_after: bool,
    /// Whether a stopped process is for it as good as a dead one (a parent sees both, wait(2)).
    #[serde(default)]
    pub notices_stop: bool,
    /// At most so many times.
    #[serde(default)]
    pub max: Option<u32>,
}

/// What a guardian watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Watched {
    /// That something runs this path.
    Exe(HostPath),
    /// That each of these runs, or one that was started in its place.
    Pids(Vec<u32>),
}

/// A line for which a scheduler starts something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cron {
    /// The scheduler.
    pub scheduler: u32,
    /// The file, read anew each minute.
    pub file: HostPath,
    /// What a line must hold. Minute and hour are heeded (`*`, `*/N`, numbers, ranges, lists); a line that names a day
    /// never fires.
    pub command: HostBytes,
    /// What is started.
    pub exe: HostPath,
    /// What is copied to `exe` first.
    #[serde(default)]
    pub from: Option<HostPath>,
    /// What is written to `exe` first, as by a download.
    #[serde(default)]
    pub content: Option<Content>,
    /// The described process whose place the new one takes.
    #[serde(default)]
    pub like: Option<u32>,
    /// Whether nothing is started while `like` still lives.
    #[serde(default)]
    pub unless_running: bool,
}

/// A loop that adds lines to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Writer {
    /// The file; while it is missing nothing is written.
    pub path: HostPath,
    /// The line; `{n}` in it becomes the count, from 1.
    pub append: HostBytes,
    /// How often.
    pub every_ms: u64,
    /// How many lines.
    pub times: u32,
    /// Who writes; none is somebody who cannot be stopped.
    #[serde(default)]
    pub process: Option<u32>,
}

/// A process that is killed when it stands still too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Watchdog {
    /// Which.
    pub process: u32,
    /// After so long.
    pub after_ms: u64,
}

fn tenth_of_a_second() -> u64 {
    100
}

/// What each behaviour will do next, and when.
#[derive(Debug)]
pub(super) struct Pending {
    guardians: Vec<Guarding>,
    writers: Vec<Writing>,
    next_minute_ms: u64,
}

#[derive(Debug, Default)]
struct Guarding {
    due_ms: Option<u64>,
    restarts: u32,
}

#[derive(Debug)]
struct Writing {
    due_ms: u64,
    written: u32,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Watchdog(usize),
    Guardian(usize),
    Writer(usize),
    Unit(usize),
    Minute,
}

impl Pending {
    pub(super) fn new(world: &World) -> Self {
        let writing = |writer: &Writer| Writing {
            due_ms: world.uptime_ms.saturating_add(writer.every_ms.max(1)),
            written: 0,
        };
        Self {
            guardians: world.guardians.iter().map(|_| Guarding::default()).collect(),
            writers: world.writers.iter().map(writing).collect(),
            next_minute_ms: world
                .uptime_ms
                .saturating_add(MINUTE_MS - world.host_time_ms % MINUTE_MS),
        }
    }
}

impl State {
    /// Moves the clock, by a day at most, and lets happen in order of time whatever falls due.
    pub(super) fn advance(&mut self, ms: u64) {
        let end = self.uptime_ms.saturating_add(ms.min(DAY_MS));
        while let Some((at, event)) = self.next_event().filter(|(at, _)| *at <= end) {
            self.uptime_ms = self.uptime_ms.max(at);
            self.happen(event);
        }
        self.uptime_ms = end;
    }

    /// The uptime at which something next happens by itself.
    pub(super) fn next_event_ms(&mut self) -> Option<u64> {
        self.next_event().map(|(at, _)| at)
    }

    fn next_event(&mut self) -> Option<(u64, Event)> {
        self.notice_ends();
        self.reconsider();
        let guardians = self.pending.guardians.iter().enumerate();
        let guardians = guardians.filter_map(|(i, g)| Some((g.due_ms?, Event::Guardian(i))));
        let writers = self.pending.writers.iter().zip(&self.world.writers).enumerate();
        let writers = writers
            .filter(|(_, (writing, writer))| writing.written < writer.times)
            .map(|(i, (writing, _))| (writing.due_ms, Event::Writer(i)));
        let watchdogs = self.world.watchdogs.iter().enumerate().filter_map(|(i, watchdog)| {
            let process = self.in_place_of(watchdog.process).filter(|p| !p.is_active())?;
            Some((process.since_ms.saturating_add(watchdog.after_ms), Event::Watchdog(i)))
        });
        let units = self.having.iter().enumerate();
        let units = units.filter_map(|(i, unit)| Some((unit.due_ms()?, Event::Unit(i))));
        let minute = (!self.world.cron.is_empty()).then_some((self.pending.next_minute_ms, Event::Minute));
        guardians
            .chain(writers)
            .chain(watchdogs)
            .chain(units)
            .chain(minute)
            .min()
    }

    /// Lets each guardian see whether something is missing; one that sees nothing forgets what it was about to do.
    fn reconsider(&mut self) {
        for index in 0..self.world.guardians.len() {
            let guardian = &self.world.guardians[index];
            let awake = self.in_place_of(guardian.process).is_some_and(|p| p.is_active());
            let may = guardian
                .max
                .is_none_or(|max| self.pending.guardians[index].restarts < max);
            let due = self.uptime_ms.saturating_add(guardian.restarts_after_ms.max(1));
            let acts = awake && may && self.missing(guardian).is_some();
            let guarding = &mut self.pending.guardians[index];
            guarding.due_ms = acts.then(|| guarding.due_ms.unwrap_or(due));
        }
    }

    /// The first that a guardian misses: where it lies, and which described process it is like.
    fn missing(&self, guardian: &Guardian) -> Option<(HostPath, Option<u32>)> {
        let counts = |p: &&super::process::Running| p.is_alive() && (!guardian.notices_stop || p.is_active());
        match &guardian.watches {
            Watched::Exe(path) => {
                let runs = |p: &super::process::Running| p.exe.as_ref().is_some_and(|(exe, _)| exe == path);
                if self.processes.values().filter(counts).any(runs) {
                    return None;
                }
                let like = self.world.processes.iter().find(|p| p.exe.as_ref() == Some(path));
                let exe = guardian.runs_as.clone().unwrap_or_else(|| path.clone());
                Some((exe, like.map(|p| p.pid)))
            }
            Watched::Pids(pids) => pids.iter().find_map(|pid| {
                if self.processes.values().filter(counts).any(|p| p.role == *pid) {
                    return None;
                }
                let described = self.world.processes.iter().find(|p| p.pid == *pid)?;
                let exe = guardian.runs_as.clone().or_else(|| described.exe.clone())?;
                Some((exe, Some(*pid)))
            }),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Watchdog(index) => {
                let role = self.world.watchdogs[index].process;
                if let Some(pid) = self.in_place_of(role).map(|p| p.pid) {
                    self.end(pid);
                }
            }
            Event::Guardian(index) => self.restart(index),
            Event::Writer(index) => self.write_line(index),
            Event::Unit(index) => self.run_unit(index),
            Event::Minute => {
                let minute = self.host_time_ms() / MINUTE_MS;
                for index in 0..self.world.cron.len() {
                    self.schedule(index, minute);
                }
                self.pending.next_minute_ms += MINUTE_MS;
            }
        }
    }

    fn restart(&mut self, index: usize) {
        self.pending.guardians[index].due_ms = None;
        let guardian = self.world.guardians[index].clone();
        let Some((exe, like)) = self.missing(&guardian) else {
            return;
        };
        let Some(parent) = self.in_place_of(guardian.process).map(|p| p.pid) else {
            return;
        };
        let started = self.start(Start {
            exe: &exe,
            from: guardian.from.as_ref(),
            content: None,
            like,
            parent,
            unlink_after: guardian.unlink_after,
        });
        if started.is_some() {
            self.pending.guardians[index].restarts += 1;
        }
    }

    fn write_line(&mut self, index: usize) {
        let Writer {
            path,
            append,
            every_ms,
            process,
            ..
        } = self.world.writers[index].clone();
        let writing = &mut self.pending.writers[index];
        writing.due_ms = writing.due_ms.saturating_add(every_ms.max(1));
        let awake = process.is_none_or(|role| self.in_place_of(role).is_some_and(|p| p.is_active()));
        let path = plain(&path);
        if !awake || self.tree.is_read_only(&path) {
            return;
        }
        let Some(inode) = self.tree.regular(&path).filter(|inode| inode.flags & IMMUTABLE == 0) else {
            return;
        };
        let mut content = inode.content.clone();
        let number = inode.id.inode.0;
        let writing = &mut self.pending.writers[index];
        writing.written += 1;
        content.extend_from_slice(&counted(append.as_bytes(), writing.written));
        content.push(b'\n');
        let now_ns = self.now_ns();
        self.tree.write(number, content, now_ns);
    }

    fn schedule(&mut self, index: usize, minute: u64) {
        let cron = self.world.cron[index].clone();
        let Some(parent) = self
            .in_place_of(cron.scheduler)
            .filter(|p| p.is_active())
            .map(|p| p.pid)
        else {
            return;
        };
        let text = self
            .tree
            .regular(&plain(&cron.file))
            .map(|inode| inode.content.clone())
            .unwrap_or_default();
        let fires = |line: &[u8]| contains(line, cron.command.as_bytes()) && is_due(line, minute);
        if !text.split(|b| *b == b'\n').any(fires) {
            return;
        }
        if cron.unless_running && cron.like.is_some_and(|role| self.in_place_of(role).is_some()) {
            return;
        }
        self.start(Start {
            exe: &cron.exe,
            from: cron.from.as_ref(),
            content: cron.content.as_ref(),
            like: cron.like,
            parent,
            unlink_after: false,
        });
    }
}

/// A line with its `{n}` replaced.
fn counted(line: &[u8], count: u32) -> Vec<u8> {
    match line.windows(3).position(|window| window == b"{n}") {
        Some(at) => [&line[..at], count.to_string().as_bytes(), &line[at + 3..]].concat(),
        None => line.to_vec(),
    }
}

/// Whether `needle`, which is not empty, stands in `bytes`.
pub(super) fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && bytes.windows(needle.len()).any(|window| window == needle)
}

/// Whether a line of a crontab (crontab(5)) fires in a minute, counted from 1970.
fn is_due(line: &[u8], minute: u64) -> bool {
    let line = String::from_utf8_lossy(line);
    let mut fields = line.split_ascii_whitespace();
    let mut field = || fields.next().unwrap_or_default();
    let (of_hour, of_day) = (field(), field());
    let days = [field(), field(), field()];
    days == ["*"; 3] && is_in(of_hour, minute % 60) && is_in(of_day, minute / 60 % 24)
}

/// Whether a number is in a crontab's field: lists of `*`, `N`, `A-B`, each with `/STEP` or without.
fn is_in(field: &str, number: u64) -> bool {
    field.split(',').any(|part| {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let Ok(step @ 1..) = step.parse::<u64>() else {
            return false;
        };
        let bounds = match range.split_once('-') {
            _ if range == "*" => (Ok(0), Ok(u64::MAX)),
            Some((low, high)) => (low.parse(), high.parse()),
            None => (range.parse(), range.parse()),
        };
        match bounds {
            (Ok(low), Ok(high)) => (low..=high).contains(&number) && (number - low).is_multiple_of(step),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crontab_lines_fire_when_they_are_due() {
        let at = |hour: u64, minute: u64| hour * 60 + minute;
        for (line, minute, due) in [
            ("* * * * * /tmp/x", at(2, 37), true),
            ("*/5 * * * * /tmp/x", at(2, 35), true),
            ("*/5 * * * * /tmp/x", at(2, 36), false),
            ("17 * * * * root run", at(9, 17), true),
            ("10-20/5,40 2 * * * run", at(2, 15), true),
            ("10-20/5,40 2 * * * run", at(2, 16), false),
            ("10-20/5,40 2 * * * run", at(3, 40), false),
            ("* * 1 * * run", at(2, 37), false),
            ("*/0 * * * * run", at(0, 0), false),
            ("# * * * * * run", at(0, 0), false),
            ("PATH=/tmp", at(0, 0), false),
            ("@reboot run", at(0, 0), false),
            ("", at(0, 0), false),
            ("9-3 * * * * run", at(0, 5), false),
        ] {
            assert_eq!(is_due(line.as_bytes(), minute), due, "{line} at {minute}");
        }
        assert!(is_due(b"* * * * * \xff", 0));
    }

    #[test]
    fn lines_count() {
        assert_eq!(counted(b"# {n} of many", 12), b"# 12 of many");
        assert_eq!(counted(b"# plain", 12), b"# plain");
    }
}
