//! All chains of a run, folded to one report.

use std::collections::BTreeMap;

use deminer_worker::action::Done;
use deminer_worker::order::Approval;
use deminer_worker::text::{Digest, Wide};

use super::entry;
use super::host::{HostFold, RunSays};
use super::{
    ApprovalReport, ChangeState, Counts, Entry, FORMAT, Headline, HostReport, JournalReport, Next, NextStep, NotUsed,
    Object, Report, Stay, Times,
};
use crate::event::{EventKind, Purpose};
use crate::incident::Incident;
use crate::journal::{Chain, ChainEnd, heads};

impl Report {
    /// Folds the chains of a run, in any order. A host of which there is no chain, or a broken one, is in the report too,
    /// and never with a good word.
    pub fn from_events(chains: &[Chain]) -> Report {
        let own = chains.iter().find(|chain| chain.run.is_some() && chain.host.is_none());
        let run = own.or_else(|| chains.iter().find(|chain| chain.run.is_some()));
        let run = run.and_then(|chain| chain.run.clone()).unwrap_or_default();
        let mut report = Report::empty(run);
        report.head = heads(&report.run, chains);
        let mut names = Vec::new();
        let (approval, cancelled) = report.take_run(own, &mut names);
        let started = names.clone();

        let mut used: BTreeMap<&str, &Chain> = BTreeMap::new();
        let mut twice = Vec::new();
        for chain in chains {
            let not_used = match (&chain.run, &chain.host) {
                (None, _) => Some(NotUsed::Empty),
                (Some(run), _) if *run != report.run => Some(NotUsed::OtherRun),
                (_, None) if own.is_some_and(|own| !std::ptr::eq(own, chain)) => Some(NotUsed::Twice),
                (_, None) => None,
                (_, Some(host)) if used.contains_key(host.as_str()) => {
                    twice.push(host.as_str());
                    Some(NotUsed::Twice)
                }
                (_, Some(host)) => {
                    used.insert(host, chain);
                    if !names.contains(host) {
                        names.push(host.clone());
                    }
                    None
                }
            };
            report.journals.push(JournalReport {
                host: chain.host.clone(),
                lines: chain.lines,
                skipped: chain.skipped,
                head: chain.head,
                end: chain.end.clone(),
                not_used,
            });
        }

        let way_in = report.incident.way_in.clone();
        let says = RunSays {
            purpose: report.purpose,
            approval: approval.as_ref(),
            cancelled,
            way_in: way_in.as_deref(),
        };
        for name in &names {
            let mut fold = HostFold::new(name, &says);
            let chain = used.get(name.as_str());
            if chain.is_none() && started.contains(name) && report.tells_who_was_begun(chains) {
                fold.is_not_begun();
            }
            for event in chain.into_iter().flat_map(|chain| &chain.events) {
                fold.take(event);
            }
            let trouble = match chain.map(|chain| &chain.end) {
                Some(ChainEnd::Broken { line, why }) => Some(format!("broken at line {line}: {why}")),
                _ if twice.contains(&name.as_str()) => Some("there are two journals of this host".to_owned()),
                _ => None,
            };
            report.hosts.push(fold.report(trouble));
        }
        report.sum_up();
        report
    }

    /// Whether a host without a chain was not begun: the first line of its chain is on disk before it is reached, and the run
    /// is said to be through only where each host is.
    fn tells_who_was_begun(&self, chains: &[Chain]) -> bool {
        let acts = matches!(self.purpose, Some(Purpose::Apply | Purpose::Undo));
        let is_broken = |chain: &Chain| matches!(chain.end, ChainEnd::Broken { .. });
        let hides = |chain: &Chain| is_broken(chain) && (chain.run.is_none() || chain.host.is_none());
        acts && self.finished_ms.is_none() && !chains.iter().any(hides)
    }

    fn empty(run: String) -> Report {
        Report {
            format: FORMAT,
            run,
            purpose: None,
            version: String::new(),
            playbook: String::new(),
            asked: None,
            plan: None,
            approval: None,
            started_ms: None,
            finished_ms: None,
            headline: Headline {
                worst: None,
                statuses: BTreeMap::new(),
                watched_ms: None,
                unfinished: true,
            },
            counts: Counts::default(),
            incident: Incident::default(),
            times: Times::default(),
            entry: Entry::Unknown,
            hosts: Vec::new(),
            next: Vec::new(),
            journals: Vec::new(),
            head: Digest::of(&[]),
        }
    }

    /// Takes the run's own chain; gives the approval and whether the operator ended the run.
    fn take_run(&mut self, own: Option<&Chain>, names: &mut Vec<String>) -> (Option<Approval>, bool) {
        let mut approval = None;
        let mut signed = Vec::new();
        let mut cancelled = false;
        for event in own.into_iter().flat_map(|chain| &chain.events) {
            self.finished_ms = None;
            match &event.kind {
                EventKind::RunStarted {
                    version,
                    playbook,
                    purpose,
                    plan,
                    hosts,
                } => {
                    self.started_ms = Some(event.at_ms);
                    self.version.clone_from(version);
                    self.playbook.clone_from(playbook);
                    self.purpose = Some(*purpose);
                    self.plan = *plan;
                    for host in hosts {
                        if !names.contains(host) {
                            names.push(host.clone());
                        }
                    }
                }
                EventKind::Asked { asked } => self.asked = Some(asked.clone()),
                EventKind::Given { vars } => self.incident = Incident::of(vars),
                EventKind::Approved {
                    approval: yes,
                    signed: by,
                    ..
                } => {
                    approval = Some(yes.clone());
                    signed.clone_from(by);
                }
                EventKind::Cancelled {} => cancelled = true,
                EventKind::Resumed { .. } => cancelled = false,
                EventKind::RunFinished {} => self.finished_ms = Some(event.at_ms),
                _ => {}
            }
        }
        self.approval = approval.as_ref().map(|yes: &Approval| ApprovalReport {
            approver: yes.approver.clone(),
            means: yes.means.clone(),
            at_ms: yes.at_ms,
            excluded: yes.excluded.iter().copied().collect(),
            signed,
        });
        (approval, cancelled)
    }

    fn sum_up(&mut self) {
        let counts = &mut self.counts;
        let mut next: BTreeMap<NextStep, Vec<String>> = BTreeMap::new();
        for host in &self.hosts {
            *self.headline.statuses.entry(host.status).or_default() += 1;
            counts.add(host);
            if let Some(step) = host.next {
                next.entry(step).or_default().push(host.host.clone());
            }
            let times = &host.times;
            if let Some(appeared) = &times.appeared
                && self
                    .times
                    .appeared
                    .as_ref()
                    .is_none_or(|known| appeared.mtime_ns < known.mtime_ns)
            {
                self.times.appeared = Some(appeared.clone());
            }
            self.times.found_ms = earlier(self.times.found_ms, times.found_ms);
            self.times.handled_ms = earlier(self.times.handled_ms, times.handled_ms);
        }
        let watched = |host: &HostReport| {
            let verify = host.verify.as_ref().filter(|_| host.tally.done > 0)?;
            Some(verify.covered_ms.min(verify.window_ms))
        };
        let infected = self.hosts.iter().filter(|host| host.is_infected());
        self.entry = entry::together(infected.map(|host| host.entry));
        self.headline.worst = self.headline.statuses.keys().next().copied();
        self.headline.watched_ms = self.hosts.iter().filter_map(watched).min();
        self.headline.unfinished = self.unfinished();
        self.next = next.into_iter().map(|(step, hosts)| Next { step, hosts }).collect();
    }
}

fn earlier(one: Option<Wide>, other: Option<Wide>) -> Option<Wide> {
    [one, other].into_iter().flatten().min()
}

impl Counts {
    fn add(&mut self, host: &HostReport) {
        self.changes.done += host.tally.done;
        self.changes.gone += host.tally.gone;
        self.changes.of += host.tally.of;
        self.changes.excluded += host.tally.excluded;
        self.kept.items += host.kept.items;
        self.kept.bytes = Wide(self.kept.bytes.0.saturating_add(host.kept.bytes.0));
        let material = host.gaps.iter().filter(|gap| gap.why.is_material()).count();
        self.material_gaps += u32::try_from(material).unwrap_or(u32::MAX);
        self.reviews += u32::try_from(host.reviews.len()).unwrap_or(u32::MAX);
        for stay in &host.stays {
            if let Stay::Frozen { count } = stay {
                self.frozen += count;
            }
        }
        for change in &host.changes {
            match change.state {
                ChangeState::Done { done: Some(Done::Gone) } => continue,
                ChangeState::Done { .. } => {}
                _ => continue,
            }
            let pieces = match &change.object {
                Object::Lines { numbers, .. } => u32::try_from(numbers.len()).unwrap_or(u32::MAX),
                _ => 1,
            };
            *self.removed.entry(change.kind).or_default() += pieces;
            if let (Object::Process { role, .. }, "kill") = (&change.object, change.kind) {
                *self.killed.entry(*role).or_default() += 1;
            }
        }
        self.born += u32::try_from(host.born.len()).unwrap_or(u32::MAX);
    }
}
