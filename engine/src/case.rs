//! A test of a playbook: hosts that were recorded or described, what is done with them, and what must come out.
//!
//! ```yaml
//! test: a miner in /tmp            # beside it: linux-miner.yml, the playbook; this file is linux-miner.test.yml
//! cases:
//!   - name: found and removed
//!     host: simulated:infected     # or a folder of `deminer record`, or the file of a world; `hosts: {web-1: .., web-2: ..}`
//!     env: production              # as --env; further: inventory, set, answers, policy, allow, now
//!     approve: all                 # apply it too; or {exclude: [remove_file /tmp/.x/drop.sh], only: contain, reason: ..}
//!     watch: 10s
//!     drift: [{write: /tmp/.x/config.json, content: "{}"}]      # between plan and apply; also {remove: PATH}, {end: PID}
//!     faults: [{at: {call: {of: act, kind: kill}}, then: die}]  # of the simulated host, from the apply on
//!     crash: committed             # the controller dies when it has written this event; the next command finds out
//!     resume: true                 # takes the run up again, as `deminer resume`
//!     expect: {verdict: infected, status: eradicated, actions: {kill: 2}, untouched: [/srv]}
//!     snapshots: [plan, report]
//! ```
//!
//! Paths are relative to the file. A case is played on the same path as a run: it only brings its own hosts, clock and names.

pub(crate) mod read;
mod schema;

use std::collections::BTreeMap;

use deminer_worker::platform::simulated::{Change, Fault};
use deminer_worker::text::HostPath;

pub use schema::schema;

use crate::finding::HostVerdict;
use crate::playbook::Span;
use crate::policy::Leave;
use crate::status::Status;

/// A file of tests.
#[derive(Debug, Clone, PartialEq)]
pub struct TestFile {
    /// What is tested.
    pub name: String,
    /// The playbook's file, relative to this one, or the name of a shipped one; `None`: the file beside it, `x.yml` of
    /// `x.test.yml`.
    pub playbook: Option<String>,
    /// Where that is said, or else the title.
    pub at: Span,
    /// In the order written; each name once.
    pub cases: Vec<Case>,
}

/// One test.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Case {
    /// Its name in the file.
    pub name: String,
    /// The line in which it begins, from 1.
    pub line: usize,
    /// The hosts, each name once.
    pub hosts: Vec<CaseHost>,
    /// Inventories that say what groups the hosts are in.
    pub inventory: Vec<String>,
    /// As `--env`; a path is relative to the file.
    pub env: Option<String>,
    /// As `--set`, `NAME=VALUE`.
    pub set: Vec<String>,
    /// The controller's clock, in milliseconds since 1970: it stands still.
    pub now_ms: Option<u64>,
    /// As `--answers`.
    pub answers: Option<String>,
    /// As `--policy`.
    pub policy: Option<String>,
    /// As `--allow`.
    pub allow: Vec<Leave>,
    /// The yes; `None`: the case ends at the plan.
    pub approve: Option<Yes>,
    /// How long verify watches.
    pub watch: Option<String>,
    /// What happens on the hosts between plan and apply.
    pub drift: Vec<OnHost<Change>>,
    /// What goes wrong on the hosts from the apply on.
    pub faults: Vec<OnHost<Fault>>,
    /// The event after which the controller dies: by its kind, or by what a transaction told.
    pub crash: Option<String>,
    /// Whether the run is taken up again.
    pub resume: bool,
    /// What must come out.
    pub expect: Expected,
    /// What is compared with what it was before.
    pub snapshots: Vec<Shot>,
}

/// A host of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseHost {
    /// Its name in the run.
    pub name: String,
    /// What it is.
    pub is: HostIs,
}

/// What a host of a case is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostIs {
    /// A folder of captured answers, which can only be looked at.
    Recorded(String),
    /// A host in memory: `infected`, `clean`, or the file of a world.
    Simulated(String),
}

/// Something that is meant for one host, or for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnHost<T> {
    /// The host; `None` is each.
    pub host: Option<String>,
    /// What.
    pub what: T,
}

/// How a plan is approved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Yes {
    /// Actions that are left out: `KIND PATH`, or `KIND`.
    pub exclude: Vec<String>,
    /// Why they are.
    pub reason: Option<String>,
    /// The stage after which it ends.
    pub only: Option<Part>,
}

/// A stage after which an apply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Evidence is kept.
    Preserve,
    /// What contains is done.
    Contain,
    /// All but the watch.
    Eradicate,
}

/// What must come out. What is not said may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// The word, by host; the key `None` is every host.
    pub verdict: BTreeMap<Option<String>, HostVerdict>,
    /// How it ended, by host; without an apply how the look ended.
    pub status: BTreeMap<Option<String>, Status>,
    /// How many actions of a kind the plan has, over all hosts.
    pub actions: BTreeMap<String, u64>,
    /// Signals that some finding has.
    pub findings: Vec<String>,
    /// Paths that no action is about, nor anything below them.
    pub untouched: Vec<HostPath>,
    /// A part of the reason for which a `stop` ended the playbook on every host.
    pub stopped: Option<String>,
    /// A part of the message with which something was refused.
    pub refused: Option<String>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shot {
    /// The plan, as it is shown.
    Plan,
    /// The report, as it is shown.
    Report,
}

/// All that can be compared.
pub(crate) const SHOTS: [Shot; 2] = [Shot::Plan, Shot::Report];

impl Shot {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Shot::Plan => "plan",
            Shot::Report => "report",
        }
    }
}

impl Case {
    /// The names of the hosts that are meant.
    pub fn hosts_of<'c, T>(&'c self, on: &'c OnHost<T>) -> impl Iterator<Item = &'c str> {
        let names = self.hosts.iter().map(|host| host.name.as_str());
        names.filter(|name| on.host.as_deref().is_none_or(|meant| meant == *name))
    }
}

/// What a case is called in the name of a file: letters and digits in small letters, everything else as one hyphen.
pub fn name_of(case: &str) -> String {
    let mut name = String::new();
    for c in case.chars() {
        match c.is_alphanumeric() {
            true => name.extend(c.to_lowercase()),
            false if name.ends_with('-') || name.is_empty() => {}
            false => name.push('-'),
        }
    }
    name.trim_end_matches('-').to_owned()
}
