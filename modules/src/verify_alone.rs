//! What works only while nobody is logged in: held against what it used while the host was watched.

use std::collections::BTreeMap;

use deminer_engine::finding::Artifact;
use deminer_engine::host::HostView;
use deminer_engine::module::ModuleError;
use deminer_worker::query::{Coverage, Process};
use deminer_worker::text::Wide;

use crate::outbound;
use crate::remnant::{Remnant, Seen};

/// The shortest and the longest time for which a host is left alone; between them a tenth of the window.
const AWAY_MS: std::ops::RangeInclusive<u64> = 1_000..=60_000;

/// Who uses this share of one CPU while nobody is there works: one in so many.
const WORKS: u64 = 4;

/// Who used less than one in so many of that share before rested.
const RESTED: u64 = 5;

/// CPU times below this say nothing, milliseconds: a burst of a job that began by chance.
const CHANCE_MS: u64 = 500;

/// One process: its pid and when it began.
type Key = (u32, Wide);

/// What processes had used when the host was left.
pub(crate) struct Alone {
    /// CPU time in the watch and at its end, milliseconds.
    used: BTreeMap<Key, (u64, u64)>,
    window_ms: u64,
    away_ms: u64,
}

impl Alone {
    /// Of the processes of the first look and of those at the end of the window.
    pub(crate) fn new(first: &[Process], resting: &[Process], window_ms: u64) -> Alone {
        let at_first: BTreeMap<Key, u64> = first.iter().map(|process| (key(process), process.cpu_ms.0)).collect();
        let used = resting.iter().map(|process| {
            let before = at_first.get(&key(process)).copied().unwrap_or(0);
            let now = process.cpu_ms.0;
            (key(process), (now.saturating_sub(before), now))
        });
        Alone {
            used: used.collect(),
            window_ms: window_ms.max(1),
            away_ms: (window_ms / 10).clamp(*AWAY_MS.start(), *AWAY_MS.end()),
        }
    }

    /// How long the host is left, in milliseconds.
    pub(crate) fn time_ms(&self) -> u64 {
        self.away_ms
    }

    /// Processes of the look after it that no package explains and that worked only then. Each is uncertain: a job may have
    /// begun by chance.
    pub(crate) async fn awake(
        &self,
        host: &dyn HostView,
        processes: &[Process],
        own_chain: &[u32],
        coverage: &mut Coverage,
    ) -> Result<Vec<Remnant>, ModuleError> {
        let worked: Vec<Process> = (processes.iter())
            .filter(|process| !process.kernel_thread && !own_chain.contains(&process.pid) && self.woke(process))
            .cloned()
            .collect();
        if worked.is_empty() {
            return Ok(Vec::new());
        }
        let doubts = outbound::doubts(host, &worked, coverage).await?;
        let doubtful = worked.iter().filter(|process| doubts.contains_key(&process.pid));
        Ok(doubtful.map(|process| self.remnant(process)).collect())
    }

    /// CPU time that a process used while nobody was there.
    fn alone_ms(&self, process: &Process) -> u64 {
        let then = self.used.get(&key(process)).map_or(0, |(_, then)| *then);
        process.cpu_ms.0.saturating_sub(then)
    }

    /// Whether it worked while nobody was there, and rested while the host was watched.
    fn woke(&self, process: &Process) -> bool {
        let alone_ms = self.alone_ms(process);
        let watched_ms = self.used.get(&key(process)).map_or(0, |(watched, _)| *watched);
        // Shares of one CPU, held against each other without a division.
        let worked = alone_ms >= CHANCE_MS && alone_ms.saturating_mul(WORKS) >= self.away_ms;
        let rested =
            watched_ms.saturating_mul(RESTED).saturating_mul(self.away_ms) < alone_ms.saturating_mul(self.window_ms);
        worked && rested
    }

    fn remnant(&self, process: &Process) -> Remnant {
        Remnant {
            seen: Seen::Awake {
                pid: process.pid,
                comm: process.comm.clone(),
                cpu_ms: self.alone_ms(process),
                away_ms: self.away_ms,
            },
            certain: false,
            component: None,
            because: Vec::new(),
            artifact: Artifact::Host {},
        }
    }
}

fn key(process: &Process) -> Key {
    (process.pid, process.start_ticks)
}
