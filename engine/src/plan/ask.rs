//! What must be asked of the host before anything can be planned there.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::action::{Act, ProcessTarget};
use deminer_worker::protect::{self, condemned_processes};
use deminer_worker::query::{Answer, Coverage, Entry, Executable, GapReason, HostError, Ownership, Process, Query};
use deminer_worker::text::{HostBytes, HostPath};

use super::PlanError;
use super::merge::{HOLDING_FLAGS, Wants};
use crate::finding::{Artifact, Bearing, Finding};
use crate::host::HostView;
use crate::look::Looked;

/// What was learned of a host.
pub(super) struct Learned {
    /// What protection goes by.
    pub(super) facts: protect::Facts,
    /// Directories of files that are to be changed, with the flags that would hold them; only where there are such flags.
    pub(super) held_directories: BTreeMap<HostPath, u32>,
    /// What could not be seen.
    pub(super) coverage: Coverage,
    /// When the look began, in milliseconds since boot.
    began_ms: u64,
    /// The unit of start times.
    ticks_per_second: u64,
    /// Processes that a person is asked about, by pid and start time.
    asked: BTreeSet<(u32, u64)>,
}

impl Learned {
    /// The processes that these acts would end, by pid and start time, and those that came while the host was looked at
    /// and run the very file of one of them: the look could not tell them, and their like is struck by the envelope.
    pub(super) fn condemned(&self, wants: &Wants) -> BTreeSet<(u32, u64)> {
        let acts = || wants.values().map(|want| &want.act);
        let mut condemned = condemned_processes(acts(), &[], &self.facts.processes);
        let ended: Vec<&ProcessTarget> = acts().filter_map(ended).collect();
        let late = self.facts.processes.iter().filter(|process| {
            let began = process.start_ticks.0.saturating_mul(1000) / self.ticks_per_second.max(1) > self.began_ms;
            let same = |exe: &Executable| {
                let is = |target: &&ProcessTarget| target.exe == exe.id && exe.sha256 == Some(target.exe_sha256);
                ended.iter().any(is)
            };
            let key = (process.pid, process.start_ticks.0);
            // An interpreter that was started for another file is another program.
            began && process.script.is_none() && !self.asked.contains(&key) && process.exe.as_ref().is_some_and(same)
        });
        condemned.extend(late.map(|process| (process.pid, process.start_ticks.0)));
        condemned
    }
}

fn ended(act: &Act) -> Option<&ProcessTarget> {
    match act {
        Act::Freeze { process } | Act::Kill { process } => Some(process),
        _ => None,
    }
}

/// Asks what protection and envelope go by; nothing where nothing is proposed and nothing condemned.
pub(super) async fn ask(looked: &Looked, view: &dyn HostView, wants: &Wants) -> Result<Learned, PlanError> {
    let acts = || wants.values().map(|want| &want.act);
    let mut learned = Learned {
        facts: protect::Facts::default(),
        held_directories: BTreeMap::new(),
        coverage: Coverage::whole(),
        began_ms: looked.facts.uptime_ms.0,
        ticks_per_second: looked.facts.ticks_per_second.into(),
        asked: asked(&looked.findings),
    };
    if wants.is_empty() && !looked.findings.iter().any(|f| f.bearing == Bearing::Condemns) {
        return Ok(learned);
    }
    // Packages last: which names an executable has is known only from the processes.
    let mut questions = protect::Facts::questions(acts());
    questions.sort_by_key(|question| matches!(question, Query::Packages { .. }));
    for mut question in questions {
        if let Query::Packages { files } = &mut question {
            let processes = acts().filter_map(Act::process);
            files.extend(processes.flat_map(|process| exe_names(process, &learned.facts)));
            files.sort();
            files.dedup();
        }
        let asked = name_of(&question);
        let observed = match view.observe(question.clone()).await {
            Ok(observed) => observed,
            // What is not told of the network protects all of it: nothing is blocked.
            Err(why) if question == (Query::Network {}) && !matches!(why, HostError::Lost { .. }) => {
                learned.coverage.note(asked, "", GapReason::Unsupported);
                continue;
            }
            // Nobody is taken for its holder then, and the plan says so.
            Err(why) if matches!(question, Query::Holders { .. }) && !matches!(why, HostError::Lost { .. }) => {
                learned.coverage.note(asked, "/dev/watchdog", GapReason::Unsupported);
                continue;
            }
            Err(why) => {
                return Err(PlanError::NotLearned {
                    host: looked.host.clone(),
                    asked,
                    why: Box::new(why),
                });
            }
        };
        let mut answer = observed.value;
        check_answer(looked, &question, &mut answer, &observed.coverage)?;
        learned.facts.learn(&question, answer);
        learned.coverage.unite(&observed.coverage);
    }
    ask_directories(view, acts(), &mut learned).await;
    Ok(learned)
}

fn asked(findings: &[Finding]) -> BTreeSet<(u32, u64)> {
    let review = findings.iter().filter(|finding| finding.bearing == Bearing::Review);
    let process = |finding: &Finding| match &finding.artifact {
        Artifact::Process { process } => Some((process.pid, process.start_ticks.0)),
        _ => None,
    };
    review.filter_map(process).collect()
}

fn name_of(question: &Query) -> &'static str {
    match question {
        Query::Host {} => "host",
        Query::Processes(_) => "processes",
        Query::Mounts {} => "mounts",
        Query::Packages { .. } => "packages",
        Query::Network {} => "network",
        Query::Holders { .. } => "watchdog",
        _ => "files",
    }
}

/// Whether the answer is one to the question, whole, and of the host that was looked at. An owner that could not be read
/// is unknown.
fn check_answer(looked: &Looked, question: &Query, answer: &mut Answer, coverage: &Coverage) -> Result<(), PlanError> {
    let fits = match (question, answer) {
        (Query::Host {}, Answer::Host(facts)) => {
            if facts.identity != looked.facts.identity {
                return Err(PlanError::OtherHost {
                    host: looked.host.clone(),
                });
            }
            true
        }
        (Query::Processes(_), Answer::Processes(_)) | (Query::Mounts {}, Answer::Mounts(_)) => true,
        (Query::Network {}, Answer::Network(_)) | (Query::Holders { .. }, Answer::Holders(_)) => true,
        (Query::Packages { files }, Answer::Packages(owners)) => {
            for (file, owner) in files.iter().zip(owners.iter_mut()) {
                let object = HostBytes::from(file);
                if *owner == Ownership::Unowned && coverage.gaps.iter().any(|gap| gap.object == object) {
                    *owner = Ownership::Unknown;
                }
            }
            files.len() == owners.len()
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(PlanError::WrongAnswer {
        host: looked.host.clone(),
        asked: name_of(question),
    })
}

/// The running process that a target names.
pub(super) fn running<'a>(process: &ProcessTarget, facts: &'a protect::Facts) -> Option<&'a Process> {
    facts
        .processes
        .iter()
        .find(|p| p.pid == process.pid && p.start_ticks == process.start_ticks)
}

/// The names under which the content that a process runs can be asked for, as [`protect::exe_names`] has them. Empty where
/// it does not run any more.
pub(super) fn exe_names(process: &ProcessTarget, facts: &protect::Facts) -> Vec<HostPath> {
    let seen = running(process, facts);
    seen.map_or_else(Vec::new, |seen| {
        protect::exe_names(seen, &facts.processes, &facts.own_chain)
    })
}

/// Asks whether the directories of what is to be changed are held by flags. Only said, so a missing answer is a gap.
async fn ask_directories(view: &dyn HostView, acts: impl Iterator<Item = &Act>, learned: &mut Learned) {
    let files = acts.filter_map(|act| match act {
        Act::RemoveFile { file } | Act::EditLines { file, .. } | Act::RemoveStarter { file, .. } => Some(&file.path),
        Act::RemoveLink { link } => Some(&link.path),
        _ => None,
    });
    let paths: BTreeSet<HostPath> = files.filter_map(HostPath::parent).collect();
    if paths.is_empty() {
        return;
    }
    let question = Query::Stat {
        paths: paths.iter().cloned().collect(),
        digest: false,
    };
    let Ok(observed) = view.observe(question).await else {
        for path in paths {
            learned.coverage.note("directory", path, GapReason::Unsupported);
        }
        return;
    };
    learned.coverage.unite(&observed.coverage);
    let Answer::Entries(entries) = observed.value else {
        return;
    };
    for entry in entries {
        if let Entry::Present(stat) = entry {
            let held = stat.flags.unwrap_or(0) & HOLDING_FLAGS;
            if held != 0 && paths.contains(&stat.path) {
                learned.held_directories.insert(stat.path, held);
            }
        }
    }
}
