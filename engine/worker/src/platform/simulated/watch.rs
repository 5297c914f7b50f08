//! The watch: the clock moves from one thing that happens to the next, and each time there is a look.

use std::collections::BTreeMap;

use super::state::{HeldSocket, State};
use crate::query::{
    Coverage, FileKind, GapReason, Observed, Sighting, WatchCursor, WatchQuery, Watched, WatchedLine, limits,
};
use crate::text::Wide;

/// Connections that somebody uses or begins.
const LIVE: [&str; 4] = ["established", "syn_sent", "syn_recv", "close_wait"];

/// The longest time between two looks.
const STEP_MS: u64 = 100;

/// What was seen so far, each once, by what tells one from another.
type Seen = BTreeMap<String, Sighting>;

impl State {
    /// Ends with the time asked for, or one look after the first sighting.
    pub(super) fn watch(&mut self, query: &WatchQuery) -> Observed<Watched> {
        let mut coverage = Coverage::whole();
        let missed_ms = match &query.cursor {
            None => 0,
            Some(cursor) if cursor.boot_id == self.world.boot_id => self.uptime_ms.saturating_sub(cursor.uptime_ms.0),
            Some(_) => {
                coverage.note("watch", "", GapReason::Changed);
                self.uptime_ms
            }
        };
        let begin = self.uptime_ms;
        let end = begin.saturating_add(query.for_ms.min(limits::WATCH_MS));
        let mut sightings = Vec::new();
        let mut seen = Seen::new();
        loop {
            let had_seen = !sightings.is_empty();
            self.look(query, &mut seen, &mut sightings, &mut coverage);
            if had_seen || self.uptime_ms >= end {
                break;
            }
            let happens = self.next_event_ms().unwrap_or(end).max(self.uptime_ms + 1);
            let next = happens.min(self.uptime_ms + STEP_MS).min(end);
            self.advance(next - self.uptime_ms);
        }
        let value = Watched {
            cursor: WatchCursor {
                boot_id: self.world.boot_id.clone(),
                uptime_ms: Wide(self.uptime_ms),
            },
            covered_ms: self.uptime_ms - begin,
            missed_ms,
            sightings,
        };
        Observed { value, coverage }
    }

    fn look(&self, query: &WatchQuery, seen: &mut Seen, sightings: &mut Vec<Sighting>, coverage: &mut Coverage) {
        let mut saw = |key: String, sighting: Sighting| {
            if let std::collections::btree_map::Entry::Vacant(new) = seen.entry(key) {
                sightings.push(new.insert(sighting).clone());
            }
        };
        for process in self.processes.values().filter(|process| process.is_alive()) {
            if self.unreadable_pids.contains(&process.pid) {
                coverage.note("process", process.pid.to_string().as_str(), GapReason::Denied);
                continue;
            }
            let Some(sha256) = process.exe_sha256(&self.tree) else {
                continue;
            };
            if query.executables.contains(&sha256) {
                let sighting = Sighting::Running {
                    pid: process.pid,
                    start_ticks: Wide(process.start_ticks()),
                    ppid: process.ppid,
                    sha256,
                    comm: process.comm(),
                };
                saw(format!("process {} {}", process.pid, process.started_ms), sighting);
            }
        }
        for path in &query.files {
            if self.hidden_from_above(path) {
                coverage.note("file", path, GapReason::Denied);
                continue;
            }
            if let Some(stat) = self
                .tree
                .stat(path, false)
                .filter(|stat| stat.kind == FileKind::Regular)
            {
                saw(format!("file {path}"), Sighting::File { stat });
            }
        }
        for WatchedLine { path, line } in &query.lines {
            if let Some(why) = self.hidden(path) {
                coverage.note("file", path, why);
                continue;
            }
            let Some(inode) = self.tree.lookup(path) else { continue };
            if inode
                .content
                .split(|b| *b == b'\n')
                .any(|found| found == line.as_bytes())
            {
                let line = WatchedLine {
                    path: path.clone(),
                    line: line.clone(),
                };
                saw(format!("line {path} {}", line.line), Sighting::Line { line });
            }
        }
        let is_live = |socket: &&HeldSocket| LIVE.contains(&socket.about.state());
        for socket in self.sockets.iter().filter(is_live) {
            let Some(remote) = socket
                .about
                .remote
                .as_ref()
                .filter(|remote| query.remotes.contains(remote))
            else {
                continue;
            };
            let sighting = Sighting::Connected {
                remote: remote.clone(),
                owners: self.shown_owners(socket),
            };
            saw(format!("remote {} {}", socket.inode, remote.address), sighting);
        }
    }
}
