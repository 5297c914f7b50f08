//! The processes that a host's verdict is about, each with the few reasons that matter most.

use std::collections::BTreeMap;

use deminer_engine::finding::{Artifact, Bearing, Finding, HostVerdict};
use deminer_engine::plan::{HostPlan, ShownProcess};
use deminer_worker::action::{Act, Action, ProcessTarget, Role};
use indexmap::IndexMap;

use super::super::Style;
use super::super::object::{act, shown_link};
use super::super::plain::{CUT, cut, plain, sentence, value};
use super::super::words::{Label, Words};
use super::{findings, place_in_stroke};

/// The column of a block's further lines.
pub(super) const COLUMN: usize = 12;

/// The reasons of one process.
const REASONS: usize = 3;

/// Pids that are named where one line is about several processes.
const PIDS: usize = 12;

/// Processes that are shown with their reasons; all that would be killed stand in the list of changes too.
const SUBJECTS: usize = 4;

/// What starts something and is shown with its reason; all stand in the list of changes too.
const STARTED: usize = 3;

/// Columns of the beginning of a command line.
const ARGV: usize = 200;

/// The signal of the finding that says how much of the CPU a process takes.
const BUSY: &str = "busy";

/// A process that stands out, with what was stated of it.
pub(super) struct Subject<'a> {
    process: &'a ProcessTarget,
    component: u32,
    planned: bool,
    verdict: Option<HostVerdict>,
    shown: Option<&'a ShownProcess>,
    findings: Vec<&'a Finding>,
}

impl<'a> Subject<'a> {
    /// Those of a host: what is to be killed, what the verdict rests on, and where it is clean what looked busy.
    pub(super) fn of(host: &'a HostPlan) -> Vec<Subject<'a>> {
        let verdict = host.verdict.as_ref().map(|verdict| verdict.host);
        let mut subjects: BTreeMap<(u32, u64), Subject<'a>> = BTreeMap::new();
        // What is to be killed comes first, and is not made less by what the verdict says of it.
        let mut note = |process: &'a ProcessTarget, component: Option<u32>| {
            subjects
                .entry((process.pid, process.start_ticks.0))
                .or_insert_with(|| Subject {
                    process,
                    component: component.unwrap_or(u32::MAX),
                    planned: component.is_some(),
                    verdict,
                    shown: None,
                    findings: Vec::new(),
                });
        };
        for action in &host.orders.actions {
            if let Act::Kill { process } = &action.act {
                note(process, Some(action.component));
            }
        }
        let by_id = findings(host);
        for id in host.verdict.iter().flat_map(|verdict| &verdict.because) {
            if let Some(Artifact::Process { process }) = by_id.get(id).map(|finding| &finding.artifact) {
                note(process, None);
            }
        }
        if verdict == Some(HostVerdict::Clean) {
            for finding in host
                .findings
                .iter()
                .filter(|finding| finding.bearing == Bearing::Benign)
            {
                if let Artifact::Process { process } = &finding.artifact {
                    note(process, None);
                }
            }
        }
        for finding in &host.findings {
            if let Artifact::Process { process } = &finding.artifact
                && let Some(subject) = subjects.get_mut(&(process.pid, process.start_ticks.0))
            {
                subject.findings.push(finding);
            }
        }
        for shown in &host.processes {
            if let Some(subject) = subjects.get_mut(&(shown.pid, shown.start_ticks.0)) {
                subject.shown = Some(shown);
            }
        }
        let order = host.shown_components();
        let place = |component| order.iter().position(|id| *id == component).unwrap_or(usize::MAX);
        let mut subjects: Vec<Subject<'a>> = subjects.into_values().collect();
        subjects.sort_by_key(|subject| {
            let role = match subject.process.role {
                Role::Miner => 0,
                Role::Guardian => 1,
                Role::Companion => 2,
            };
            // What protects a miner does not make it less than its guardian, which is to be killed.
            let place = match subject.planned || !subject.is_condemned() {
                true => place(subject.component),
                false => 0,
            };
            (place, role, -subject.weight(), subject.process.pid)
        });
        subjects
    }

    /// Whether it was found to be the intruder's, to be killed or not.
    fn is_condemned(&self) -> bool {
        let statement = self.statement();
        statement.is_some_and(|finding| finding.bearing == Bearing::Condemns)
    }

    fn weight(&self) -> i32 {
        self.findings
            .iter()
            .map(|finding| finding.points)
            .fold(0, i32::saturating_add)
    }

    /// The finding that says what the process is.
    pub(super) fn statement(&self) -> Option<&'a Finding> {
        let says = |bearing| {
            self.findings
                .iter()
                .copied()
                .filter(move |finding| finding.bearing == bearing)
        };
        let scored =
            |finding: &&Finding| finding.fields.contains_key("points") && finding.fields.contains_key("needed");
        says(Bearing::Condemns)
            .find(scored)
            .or_else(|| says(Bearing::Condemns).next())
            .or_else(|| says(Bearing::Review).find(scored))
            .or_else(|| says(Bearing::Review).next())
    }

    /// Its name, how busy it is and what it is.
    fn said(&self, words: &dyn Words) -> String {
        let busy = self.findings.iter().find(|finding| finding.signal == BUSY);
        let busy = busy.map(|finding| sentence(finding, words));
        let said = match (self.statement(), self.verdict) {
            (Some(finding), _) => Some(sentence(finding, words)),
            (None, Some(HostVerdict::Clean)) if busy.is_some() => Some(words.busy_and_explained().to_owned()),
            (None, _) => None,
        };
        words.subject(&value(&self.process.comm), busy.as_deref(), said.as_deref())
    }

    /// What speaks for what it is, and against it.
    fn signals(&self) -> impl Iterator<Item = &'a Finding> {
        let statement = self.statement().map(|finding| &finding.id);
        self.findings
            .iter()
            .copied()
            .filter(move |finding| Some(&finding.id) != statement && finding.bearing != Bearing::Review)
    }

    /// The strongest reasons; what speaks against them too.
    fn strongest(&self) -> Vec<&'a Finding> {
        let mut reasons: Vec<&Finding> = self.signals().filter(|finding| finding.signal != BUSY).collect();
        let is_clean = self.verdict == Some(HostVerdict::Clean);
        reasons.sort_by_key(|finding| {
            let decides = finding.bearing == Bearing::Condemns;
            (!decides, if is_clean { finding.points } else { -finding.points })
        });
        let weakest = reasons
            .last()
            .copied()
            .filter(|finding| finding.points < 0 && reasons.len() > REASONS);
        reasons.truncate(REASONS);
        reasons.extend(weakest);
        reasons
    }

    /// Reasons, each with its weight.
    fn reasons(&self, words: &dyn Words) -> Vec<(String, String)> {
        let weighed = |finding: &Finding| match finding.points {
            0 => String::new(),
            points => format!("{points:+}"),
        };
        let strongest = self.strongest().into_iter();
        strongest
            .map(|finding| (weighed(finding), sentence(finding, words)))
            .collect()
    }

    /// What its points are made of beside the reasons that are shown; `None` where it has none, or nothing is missing.
    fn remainder(&self, words: &dyn Words) -> Option<(String, String)> {
        let points: i32 = self.statement()?.fields.get("points")?.parse().ok()?;
        let shown = self.strongest();
        let told = shown.iter().map(|finding| finding.points).fold(0, i32::saturating_add);
        let more = self
            .signals()
            .filter(|signal| signal.points != 0 && !shown.iter().any(|told| told.id == signal.id));
        match points.saturating_sub(told) {
            0 => None,
            rest => Some((format!("{rest:+}"), words.the_rest_of_the_points(more.count()))),
        }
    }

    /// What it runs, and the beginning of its arguments.
    fn runs(&self, words: &dyn Words) -> String {
        let deleted = self.shown.is_some_and(|shown| shown.exe_deleted);
        let argv = self.shown.filter(|shown| !shown.argv.is_empty()).map(|shown| {
            let argv: Vec<String> = shown.argv.iter().map(value).collect();
            let argv = argv.join(" ");
            let more = if shown.argv_cut { CUT } else { "" };
            match argv.len() > ARGV {
                true => format!("`{}`", cut(&argv, ARGV)),
                false => format!("`{argv}`{more}"),
            }
        });
        words.runs(&cut(&self.process.exe_path.to_string(), ARGV), deleted, argv.as_deref())
    }

    /// The first lines of a host's block.
    pub(super) fn head(&self, lead: &str, style: &Style) -> String {
        let words = style.words();
        let pid = words.pids(&[self.process.pid.to_string()], 0);
        let mut out = style.hang(lead, &format!("{pid} {}", self.said(words)));
        for (weight, reason) in self.reasons(words).into_iter().chain(self.remainder(words)) {
            out.push_str(&style.entry(&weight, COLUMN, &reason));
        }
        if self.planned {
            out.push_str(&style.labelled(Label::Runs, COLUMN, &self.runs(words)));
        }
        out
    }
}

/// The processes after the first; those of which the same is to be said as one.
pub(super) fn rest(subjects: &[Subject<'_>], style: &Style) -> String {
    let words = style.words();
    let mut said: IndexMap<(&str, String), Vec<String>> = IndexMap::new();
    let others = subjects.get(1..).unwrap_or_default();
    for subject in others {
        let word = match (subject.planned || subject.is_condemned(), subject.verdict) {
            (true, _) => words.role(subject.process.role),
            (false, Some(HostVerdict::Clean)) => words.label(Label::Busy),
            (false, _) => words.label(Label::Suspect),
        };
        let reasons = subject
            .reasons(words)
            .into_iter()
            .map(|(weight, reason)| match weight.is_empty() {
                true => reason,
                false => words.aside(&reason, &weight),
            });
        let clauses: Vec<String> = std::iter::once(subject.said(words)).chain(reasons).collect();
        let text = words.clauses(&clauses);
        said.entry((word, text))
            .or_default()
            .push(subject.process.pid.to_string());
    }
    let mut out = String::new();
    for ((word, text), pids) in said.iter().take(SUBJECTS - 1) {
        let more = pids.len().saturating_sub(PIDS);
        let pids = words.pids(&pids[..pids.len() - more], more);
        out.push_str(&style.entry(word, COLUMN, &format!("{pids} {text}")));
    }
    let more: usize = said.values().skip(SUBJECTS - 1).map(Vec::len).sum();
    if more > 0 {
        let stand_below = others.iter().any(|subject| subject.planned);
        out.push_str(&style.entry("", COLUMN, &words.more_processes(more as u64, stand_below)));
    }
    out
}

/// What starts what is condemned: lines, units, links and other files; of those with one reason all as one.
pub(super) fn started(host: &HostPlan, style: &Style) -> String {
    let words = style.words();
    let by_id = findings(host);
    let mut starters: Vec<&Action> = host
        .orders
        .actions
        .iter()
        .filter(|action| {
            matches!(
                action.act,
                Act::EditLines { .. } | Act::RemoveStarter { .. } | Act::RemoveLink { .. }
            )
        })
        .collect();
    starters.sort_by_key(|action| place_in_stroke(action.act.kind()));
    let mut reasons: IndexMap<String, Vec<String>> = IndexMap::new();
    for action in starters {
        let because = by_id
            .iter()
            .filter(|(id, _)| action.because.iter().any(|named| named == id.as_str()));
        let why = because
            .map(|(_, finding)| *finding)
            .find(|finding| finding.bearing == Bearing::Condemns);
        let why = why.map(|finding| sentence(finding, words)).unwrap_or_default();
        reasons.entry(why).or_default().push(act(&action.act, words));
    }
    let mut out = String::new();
    let mut lead = words.label(Label::StartedBy);
    for (why, objects) in reasons.iter().take(STARTED) {
        let more = objects.len().saturating_sub(STARTED);
        let mut shown = objects[..objects.len() - more].to_vec();
        if more > 0 {
            shown.push(words.further(more as u64));
        }
        let objects = words.and(&shown);
        let text = match why.is_empty() {
            true => objects,
            false => words.of(&objects, why),
        };
        out.push_str(&style.entry(lead, COLUMN, &text));
        lead = "";
    }
    let more: usize = reasons.values().skip(STARTED).map(Vec::len).sum();
    if more > 0 {
        out.push_str(&style.entry("", COLUMN, &words.more_starters(more)));
    }
    out
}

/// What a finding is about.
pub(crate) fn about(artifact: &Artifact, words: &dyn Words) -> String {
    match artifact {
        Artifact::Host {} => words.the_host().to_owned(),
        Artifact::Process { process } => words.process(process.pid, &value(&process.comm)),
        Artifact::File { file } => file.path.to_string(),
        Artifact::Line { file, line } => words.lines_of(&[line.number], &file.path.to_string()),
        Artifact::Link { link } => shown_link(link),
        Artifact::Unit { unit } => words.unit_named(&value(&unit.name)),
        Artifact::Account { account } => words.account_named(&value(&account.name)),
        Artifact::Remote { peer } => match peer.address.contains(':') {
            true => format!("[{}]:{}", plain(&peer.address), peer.port),
            false => format!("{}:{}", plain(&peer.address), peer.port),
        },
    }
}
