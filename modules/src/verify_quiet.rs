//! Whether anything comes back while the host is watched.
//!
//! A full look, then one watch after the other until the window is covered, then a full look again: processes and what
//! they run, condemned paths, links and lines, everything that a place of the persistence catalogue starts, connections to
//! the incident's remote ends, new connections of owners that nothing explains, and those that an owner which hides has
//! from the beginning. Only time that somebody watched counts. Over SSH the host is left alone for a while before the last
//! look, since miners pause while somebody is logged in. It cannot see what waits for longer than the window, what pauses
//! while somebody else is logged in, nor what the kernel hides.
//! Handbook: no restart, no suspicious connection out.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use deminer_engine::finding::{Artifact, Bearing, Condemned, Finding};
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::{
    Coverage, Entry, GapReason, HostFacts, Peer, Process, ProcessesQuery, Sighting, Socket, WatchCursor, WatchQuery,
    WatchedLine,
};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{PLACES, Place};
use crate::duration_param::DurationParam;
use crate::outbound::{self, Before};
use crate::presence::{self, Content, Sought};
use crate::remnant::{Remnant, Seen};
use crate::verify_alone::Alone;
use crate::{account_presence, kernel_modules, questions, starter_search, unit_search};

/// `verify.quiet`.
pub struct VerifyQuiet;

/// What to watch for, and how long.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What must not come back: processes, files, lines, units and remote ends, as the trace listed them when the plan was
    /// made. Example: `artifacts: "{{ steps.condemned.rows }}"`.
    pub artifacts: Vec<Condemned>,
    /// Remote ends that nobody may be connected to. Example: `remotes: "{{ steps.trace.remotes }}"`.
    #[serde(default)]
    pub remotes: Vec<Peer>,
    /// How long to watch, 1s to 7d. `clean` says no more than this: a trigger that fires once an hour needs more than an
    /// hour. Example: `window: 10m`.
    pub window: DurationParam,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// In a word.
    pub seen: Word,
    /// The window asked for, in milliseconds.
    pub window_ms: u64,
    /// Milliseconds of it that were watched; less than the window where the link was down or something came back.
    pub covered_ms: u64,
    /// Milliseconds after it in which our login had ended; 0 where it cannot end: on this machine, or over a master that
    /// you opened.
    pub away_ms: u64,
    /// What came back, and what could not be told.
    pub rows: Vec<Remnant>,
}

/// What a watch says of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Nothing came back in the whole window.
    Clean,
    /// Something did.
    Returned,
    /// The window was not covered, or something could not be looked at.
    CannotSay,
}

const SHORTEST: DurationParam = DurationParam::from_millis(1_000);
const LONGEST: DurationParam = DurationParam::from_millis(7 * 86_400_000);
/// How long one watch lasts at most.
const STEP_MS: u64 = 10_000;
/// Unwatched time, beyond the window itself, after which no more is added to make up for it.
const PATIENCE_MS: u64 = 60_000;
/// The most rows that are told.
const ROWS: usize = 1_000;
/// For so long the kernel itself sends the last words of connections whose process was ended (tcp(7),
/// `tcp_orphan_retries`): packets that it cannot get rid of before are nobody's.
const LAST_WORDS_MS: u64 = 180_000;

/// Packets to blocked addresses that this host, or a container of it, sent; `None` where nothing is blocked, or the host
/// does not tell: then nothing rests on it.
async fn dropped(host: &dyn HostView) -> Option<u64> {
    let blocks = questions::blocks(host).await.ok()?.value;
    let sent = blocks.dropped.output.0.saturating_add(blocks.dropped.forward.0);
    (!blocks.addresses.is_empty()).then_some(sent)
}

#[async_trait]
impl Collector for VerifyQuiet {
    const ABOUT: About = About {
        name: "verify.quiet",
        summary: "Watches the host for a time: nothing condemned may come back, nobody may call the incident's remote ends.",
        effect: Effect::Read,
        phases: &[Phase::Verify],
        handbook: "2.1.3.5",
        not_seen: "what waits longer than the window; what pauses while somebody is logged in, where our own login does not end; what the kernel hides",
        example: "{id: quiet, use: verify.quiet, with: {artifacts: \"{{ steps.condemned.rows }}\", window: 10m}}",
    };
    type Params = Params;
    type Output = Output;

    fn seeks(params: Params) -> Vec<Artifact> {
        params
            .artifacts
            .into_iter()
            .map(|condemned| condemned.artifact)
            .collect()
    }

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let window_ms = params.window.within("window", SHORTEST, LONGEST)?;
        let mut sought = Sought::new("artifacts", params.artifacts)?;
        sought.remotes.extend(params.remotes);
        let mut vigil = Vigil::new(host, sought, window_ms);
        let first = vigil.look().await?;
        vigil.foreign = kernel_modules::unexplained(host, &first.facts, &mut vigil.coverage).await?;
        let before = Before::new(&first.processes, &first.sockets);
        let known = vigil.take_in_first(&first).await?;
        vigil.shared = presence::packaged_contents(host, &vigil.sought, &mut vigil.coverage).await?;
        let whole = match vigil.watch().await {
            Ok(()) => match vigil.end(&first.processes, &before, &known).await {
                Ok(()) => true,
                Err(error) => vigil.broke(error)?,
            },
            Err(error) => vigil.broke(error)?,
        };
        Ok(vigil.outcome(whole))
    }
}

/// One full look.
struct Look {
    facts: HostFacts,
    processes: Vec<Process>,
    sockets: Vec<Socket>,
    /// What should not be there.
    remnants: Vec<Remnant>,
    /// What starts condemned files, or is a condemned line elsewhere.
    starting: Vec<Remnant>,
}

/// A watch, and what it knows by now.
struct Vigil<'a> {
    host: &'a dyn HostView,
    sought: Sought,
    coverage: Coverage,
    window_ms: u64,
    covered_ms: u64,
    rows: Vec<Remnant>,
    /// Content that is no mark of an intruder: looked for by command line.
    shared: BTreeSet<Digest>,
    /// Paths at which something stands that was looked at already.
    settled: BTreeSet<HostPath>,
    /// Remote ends with connections that nobody holds: looked for in the list of sockets.
    lingering: BTreeSet<Peer>,
    /// Packets to blocked addresses that were dropped until the last words were said; `None` before.
    dropped: Option<u64>,
    /// How long the host was left alone.
    away_ms: u64,
    /// What runs in the kernel that nothing explains: then its word is no proof.
    foreign: Vec<Finding>,
}

impl<'a> Vigil<'a> {
    fn new(host: &'a dyn HostView, sought: Sought, window_ms: u64) -> Self {
        Vigil {
            host,
            sought,
            coverage: Coverage::whole(),
            window_ms,
            covered_ms: 0,
            rows: Vec::new(),
            shared: BTreeSet::new(),
            settled: BTreeSet::new(),
            lingering: BTreeSet::new(),
            dropped: None,
            away_ms: 0,
            foreign: Vec::new(),
        }
    }

    fn returned(&self) -> bool {
        self.rows.iter().any(|row| row.certain)
    }

    fn tell(&mut self, remnants: impl IntoIterator<Item = Remnant>) {
        for remnant in remnants {
            if self.rows.len() < ROWS && !self.rows.contains(&remnant) {
                self.rows.push(remnant);
            }
        }
    }

    async fn look(&mut self) -> Result<Look, ModuleError> {
        let facts = questions::facts(self.host).await?.value;
        let query = ProcessesQuery {
            digest: true,
            ..ProcessesQuery::default()
        };
        let processes = questions::processes(self.host, query).await?;
        self.coverage.unite(&processes.coverage);
        let sockets = questions::sockets(self.host).await?;
        self.coverage.unite(&sockets.coverage);
        let boot_id = &facts.identity.boot_id;
        let coverage = &mut self.coverage;
        let mut remnants = presence::running(self.host, &self.sought, boot_id, &processes.value, coverage).await?;
        remnants.extend(presence::standing_files(self.host, &self.sought.files, Content::Any, coverage).await?);
        remnants.extend(presence::standing_links(self.host, &self.sought.links, Content::Any, coverage).await?);
        remnants.extend(presence::standing_lines(self.host, &self.sought, coverage).await?);
        remnants.extend(presence::standing_units(self.host, &self.sought, coverage).await?);
        remnants.extend(account_presence::open_accounts(self.host, &self.sought, coverage).await?);
        remnants.extend(presence::connected(&self.sought, &sockets.value));
        let places: Vec<Place> = PLACES.iter().map(|entry| entry.place).collect();
        let starters = starter_search::starters(self.host, &places, coverage).await?;
        let mut starting = presence::starting(&self.sought, &starters);
        let units = unit_search::units(self.host, coverage).await?;
        starting.extend(presence::starting_units(&self.sought, &units));
        Ok(Look {
            facts,
            processes: processes.value,
            sockets: sockets.value,
            starting,
            remnants,
        })
    }

    /// Gives what starts condemned files from the beginning: it is told, but did not come back. So is who is connected and
    /// hides: it may have come since the plan was made.
    async fn take_in_first(&mut self, look: &Look) -> Result<Vec<Seen>, ModuleError> {
        self.tell(look.remnants.iter().chain(&look.starting).cloned());
        let chain = &look.facts.own_chain;
        let coverage = &mut self.coverage;
        let hiding = outbound::hiding(self.host, &look.sockets, &look.processes, chain, coverage).await?;
        let told = look.remnants.clone();
        let again = |remnant: &Remnant| told.iter().any(|other| other.artifact == remnant.artifact);
        self.tell(hiding.into_iter().filter(|remnant| !again(remnant)));
        Ok(look.starting.iter().map(|remnant| remnant.seen.clone()).collect())
    }

    async fn watch(&mut self) -> Result<(), ModuleError> {
        let mut cursor: Option<WatchCursor> = None;
        let mut missed_ms: u64 = 0;
        // A host that answers without time going by must not hold the run.
        let mut turns = 4 * (self.window_ms / STEP_MS) + 64;
        while !self.returned() && self.covered_ms < self.window_ms && turns > 0 {
            if missed_ms > self.window_ms.saturating_add(PATIENCE_MS) {
                break;
            }
            turns -= 1;
            let for_ms = (self.window_ms - self.covered_ms).min(STEP_MS);
            let query = self.query(cursor.take(), for_ms);
            let seen = questions::watch(self.host, query).await?;
            self.coverage.unite(&seen.coverage);
            self.covered_ms += seen.value.covered_ms.min(for_ms);
            missed_ms = missed_ms.saturating_add(seen.value.missed_ms);
            let boot_id = seen.value.cursor.boot_id.clone();
            cursor = Some(seen.value.cursor);
            for sighting in &seen.value.sightings {
                self.judge(&boot_id, sighting).await?;
            }
            self.look_aside().await?;
        }
        Ok(())
    }

    fn query(&self, cursor: Option<WatchCursor>, for_ms: u64) -> WatchQuery {
        let contents: BTreeSet<Digest> = (self.sought.processes.iter()).map(|of| of.object.exe_sha256).collect();
        let files: BTreeSet<HostPath> = self.sought.files.iter().map(|of| of.object.path.clone()).collect();
        let lines = self.sought.lines.iter().map(|of| WatchedLine {
            path: of.object.0.path.clone(),
            line: of.object.1.line.clone(),
        });
        WatchQuery {
            cursor,
            for_ms,
            executables: contents.difference(&self.shared).copied().collect(),
            files: files.difference(&self.settled).cloned().collect(),
            lines: lines.collect(),
            remotes: self.sought.remotes.difference(&self.lingering).cloned().collect(),
        }
    }

    /// Holds what a watch saw against what it may also be, and never asks the watch for the same thing again.
    async fn judge(&mut self, boot_id: &str, sighting: &Sighting) -> Result<(), ModuleError> {
        match sighting {
            Sighting::Running {
                pid,
                start_ticks,
                sha256,
                comm,
                ..
            } => {
                let query = ProcessesQuery {
                    pids: Some(vec![*pid]),
                    digest: true,
                    ..ProcessesQuery::default()
                };
                let now = questions::processes(self.host, query).await?.value;
                let now: Vec<Process> = now.into_iter().filter(|p| p.start_ticks == *start_ticks).collect();
                let found = match now.is_empty() {
                    true => self
                        .sought
                        .passed_by(*pid, *start_ticks, comm, *sha256)
                        .into_iter()
                        .collect(),
                    false => presence::running(self.host, &self.sought, boot_id, &now, &mut self.coverage).await?,
                };
                self.shared.insert(*sha256);
                self.tell(found);
            }
            Sighting::File { stat } => {
                let files: Vec<_> = (self.sought.files.iter())
                    .filter(|of| of.object.path == stat.path)
                    .cloned()
                    .collect();
                let now = questions::stat(self.host, vec![stat.path.clone()], false).await?.value;
                let found = match now.first() {
                    Some(Entry::Absent { .. }) => (files.iter())
                        .map(|of| {
                            let path = stat.path.clone();
                            let sha256 = stat.sha256;
                            Remnant::of(&of.condemned, true, Seen::File { path, sha256 })
                        })
                        .collect(),
                    _ => presence::standing_files(self.host, &files, Content::Any, &mut self.coverage).await?,
                };
                self.settled.insert(stat.path.clone());
                self.tell(found);
            }
            Sighting::Line { line } => {
                let of = (self.sought.lines.iter())
                    .find(|of| of.object.0.path == line.path && of.object.1.line == line.line);
                let seen = Seen::Line {
                    path: line.path.clone(),
                    line: line.line.clone(),
                };
                let found = of.map(|of| Remnant::of(&of.condemned, true, seen));
                self.tell(found);
            }
            Sighting::Connected { remote, owners } if owners.is_empty() => {
                self.lingering.insert(remote.clone());
            }
            Sighting::Connected { remote, owners } => {
                let seen = Seen::Connection {
                    remote: remote.clone(),
                    owners: owners.clone(),
                };
                self.tell([Remnant::remote(remote, true, seen)]);
            }
        }
        Ok(())
    }

    /// Looks for what the watch is not asked for any more.
    async fn look_aside(&mut self) -> Result<(), ModuleError> {
        if !self.shared.is_empty() {
            let now = questions::processes(self.host, ProcessesQuery::default()).await?;
            self.tell(presence::same_words(&self.sought, &self.shared, &now.value));
        }
        if !self.lingering.is_empty() {
            let now = questions::sockets(self.host).await?;
            self.tell(presence::connected(&self.sought, &now.value));
        }
        if self.dropped.is_none() && self.covered_ms >= LAST_WORDS_MS.max(self.window_ms / 2) {
            self.dropped = dropped(self.host).await;
        }
        Ok(())
    }

    /// Leaves the host alone where that can be, and looks once more.
    async fn end(&mut self, first: &[Process], before: &Before, known: &[Seen]) -> Result<(), ModuleError> {
        let mut left = None;
        if !self.returned() {
            let resting = questions::processes(self.host, ProcessesQuery::default()).await?.value;
            let alone = Alone::new(first, &resting, self.window_ms);
            if self.host.leave(Duration::from_millis(alone.time_ms())).await? {
                self.away_ms = alone.time_ms();
                left = Some(alone);
            }
        }
        let look = self.look().await?;
        if let Some(alone) = left {
            let awake = alone.awake(self.host, &look.processes, &look.facts.own_chain, &mut self.coverage);
            let awake = awake.await?;
            self.tell(awake);
        }
        self.last_look(look, before, known).await
    }

    async fn last_look(&mut self, look: Look, before: &Before, known: &[Seen]) -> Result<(), ModuleError> {
        let chain = &look.facts.own_chain;
        let coverage = &mut self.coverage;
        let called = outbound::unexplained(self.host, before, &look.sockets, &look.processes, chain, coverage).await?;
        let born = look
            .starting
            .into_iter()
            .filter(|remnant| !known.contains(&remnant.seen));
        let born = born.map(|remnant| Remnant {
            certain: true,
            ..remnant
        });
        self.tell(look.remnants.into_iter().chain(called).chain(born));
        if let Some(before) = self.dropped
            && let Some(packets) = dropped(self.host).await.and_then(|now| now.checked_sub(before))
            && packets > 0
        {
            let packets = Wide(packets);
            self.tell([Remnant {
                seen: Seen::Dropped { packets },
                certain: false,
                component: None,
                because: Vec::new(),
                artifact: Artifact::Host {},
            }]);
        }
        Ok(())
    }

    /// What an error in the middle means: the rest was not watched.
    fn broke(&mut self, error: ModuleError) -> Result<bool, ModuleError> {
        let ModuleError::Host(error) = error else {
            return Err(error);
        };
        let what = HostBytes::from(&*error.to_string());
        self.coverage.note("watch", what, GapReason::TimedOut);
        Ok(false)
    }

    fn outcome(self, whole: bool) -> Outcome<Output> {
        let mut findings: Vec<Finding> = Vec::new();
        for finding in self.rows.iter().map(Remnant::finding) {
            if !findings.iter().any(|other| other.id == finding.id) {
                findings.push(finding);
            }
        }
        let quiet = whole && self.rows.is_empty() && self.foreign.is_empty();
        findings.extend(self.foreign.iter().cloned());
        let seen = match self.returned() {
            true => Word::Returned,
            false if quiet && self.covered_ms >= self.window_ms => Word::Clean,
            false => Word::CannotSay,
        };
        if quiet {
            let say = "nothing came back: {covered_ms} of {window_ms} ms were watched";
            let finding = Finding::new(Artifact::Host {}, "quiet", Bearing::Quiet, say)
                .field("window_ms", self.window_ms)
                .field("covered_ms", self.covered_ms)
                .field("away_ms", self.away_ms);
            findings.push(finding);
        }
        Outcome {
            output: Output {
                seen,
                window_ms: self.window_ms,
                covered_ms: self.covered_ms,
                away_ms: self.away_ms,
                rows: self.rows,
            },
            findings,
            coverage: self.coverage,
        }
    }
}
