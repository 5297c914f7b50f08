//! A plan for its reader: what would be changed, why, what is left alone, what was not seen, and how to say yes.

mod bound;
mod changes;
mod json;
mod shown;
mod subject;

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::finding::{Bearing, Finding, FindingId, HostVerdict};
use deminer_engine::incident::Incident;
use deminer_engine::plan::{End, Group, HostPlan, Left, LeftAlone, Plan};
use deminer_engine::playbook::{Phase, parse};
use deminer_engine::policy::Leave;
use deminer_worker::action::{Act, ActionId};
use deminer_worker::many::losses;
use deminer_worker::order::Override;
use deminer_worker::query::Gap;
use deminer_worker::text::HostPath;
use indexmap::IndexMap;

use self::bound::Reader;
pub(crate) use self::bound::{environment_text, of_page};
pub(crate) use self::changes::place_in_stroke;
pub(crate) use self::json::{json, json_of};
pub(crate) use self::shown::Shown;
use self::subject::Subject;
pub(crate) use self::subject::about;
use super::Style;
use super::approval::needs;
use super::incident::answered;
use super::names;
use super::object::{gap, named, why_left};
use super::paste::{Paste, REMOVES, leave};
use super::plain::{cut, plain, sentence, shell_word};
use super::style::{Tone, padded, visible_width};
use super::unit::time;
use super::words::{Label, Words};

/// What is known about a plan beside its own bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// The file that it is in, as the operator named it; `None` where it is only stored by its hash.
    pub(crate) file: Option<&'a str>,
    /// How long looking took; `None` for a plan that was made earlier.
    pub(crate) took_ms: Option<u64>,
    /// Now, in milliseconds since 1970.
    pub(crate) now_ms: u64,
    /// How commands to paste are completed.
    pub(crate) paste: Paste<'a>,
    /// Whether the reader is asked for a yes right after: then no command is offered.
    pub(crate) asks: bool,
    /// Whether the list of who may sign is known here, or none is needed: else a policy must be named that has it.
    pub(crate) knows_signers: bool,
}

/// The column of the last sections.
const COLUMN: usize = 11;
/// What is left alone, of the whole plan.
const LEFT_ALONE: usize = 12;
/// What was not seen, of one host.
const GAPS: usize = 4;
/// Hosts whose gaps are shown.
const GAP_HOSTS: usize = 8;
/// What a person should look at, of one host.
const REVIEWS: usize = 5;
/// Columns of a host's name, before what is said of it.
const NAME_COLUMNS: usize = 24;
/// Hosts, or words for several of them, that are named in a sentence.
const NAMED: usize = 6;
/// Hosts of a command to paste.
const PASTED: usize = 24;
/// Columns of an author's or a module's words.
const WORDS: usize = 400;

/// The plan, for people.
pub(crate) fn text(plan: &Plan, about: &About<'_>, style: &Style) -> String {
    text_for(Reader::Planner, &Shown::all(plan), about, style)
}

/// What is shown of a plan, for people who decide on it.
pub(crate) fn text_of(plan: &Shown<'_>, about: &About<'_>, style: &Style) -> String {
    text_for(Reader::Reviewer, plan, about, style)
}

fn text_for(reader: Reader, plan: &Shown<'_>, about: &About<'_>, style: &Style) -> String {
    let mut out = headline(plan.plan(), about, style);
    out.push_str(&part(plan, style));
    out.push_str(&bound::under(plan.plan(), reader, style));
    out.push_str(&told(plan.plan(), style));
    out.push_str(&own_yes(plan, style));
    out.push_str(&overridden(plan, style));
    out.push('\n');
    out.push_str(&blocks(plan, style));
    out.push('\n');
    out.push_str(&changes::section(plan, style));
    out.push('\n');
    out.push_str(&left_alone(plan, style));
    out.push_str(&not_seen(plan, style));
    out.push_str(&old_kernels(plan, style));
    out.push_str(&clocks(plan, style));
    out.push_str(&footprint(plan, style));
    out.push_str(&programs(plan, style));
    out.push_str(&tables(plan, style));
    out.push('\n');
    out.push_str(&approval(plan, about, style));
    out
}

/// What is said of hosts beside their actions: what they are judged, why, what is left alone and what was not seen.
pub(crate) fn about_hosts(shown: &Shown<'_>, style: &Style) -> String {
    let parts = [blocks, left_alone, not_seen, old_kernels, clocks, footprint, programs];
    parts.iter().map(|part| part(shown, style)).collect()
}

/// What looking made of a host: its verdict, or why it has none. Those that need a person most come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Judged {
    Infected,
    Suspected,
    CannotSay,
    /// A step failed.
    Failed,
    /// No step judges.
    NoWord,
    Clean,
}

impl Judged {
    /// Of a host's part of a plan.
    pub(crate) fn host(host: &HostPlan) -> Judged {
        match (&host.end, &host.verdict) {
            (End::Failed { .. }, _) => Judged::Failed,
            (_, None) => Judged::NoWord,
            (_, Some(verdict)) => Judged::of(verdict.host),
        }
    }

    /// Of a verdict.
    pub(crate) fn of(verdict: HostVerdict) -> Judged {
        match verdict {
            HostVerdict::Infected => Judged::Infected,
            HostVerdict::Suspected => Judged::Suspected,
            HostVerdict::CannotSay => Judged::CannotSay,
            HostVerdict::Clean => Judged::Clean,
        }
    }

    /// Its code, for programs.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Judged::Infected => "infected",
            Judged::Suspected => "suspected",
            Judged::CannotSay => "cannot_say",
            Judged::Failed => "failed",
            Judged::NoWord => "not judged",
            Judged::Clean => "clean",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Judged::Infected | Judged::Failed => Tone::Bad,
            Judged::Suspected | Judged::CannotSay | Judged::NoWord => Tone::Doubt,
            Judged::Clean => Tone::Good,
        }
    }
}

/// How many hosts were judged what.
fn tally<'a>(hosts: impl Iterator<Item = &'a HostPlan>) -> Vec<(usize, Judged)> {
    let mut judged: BTreeMap<Judged, usize> = BTreeMap::new();
    for host in hosts {
        *judged.entry(Judged::host(host)).or_default() += 1;
    }
    judged.into_iter().map(|(judged, number)| (number, judged)).collect()
}

fn headline(plan: &Plan, about: &About<'_>, style: &Style) -> String {
    let header = plan.header();
    let playbook = format!("{} {}", plain(&header.playbook.name), header.playbook.version);
    let planned = time(header.created_at_ms.0);
    let hosts = u64::from(header.hosts);
    let words = style.words();
    style.hang(
        "",
        &words.headline(&playbook, hosts, about.took_ms, &planned, &tally(plan.hosts())),
    )
}

/// Which hosts are shown, where these are not all.
fn part(plan: &Shown<'_>, style: &Style) -> String {
    if !plan.is_part() {
        return String::new();
    }
    let shown: Vec<&HostPlan> = plan.hosts().collect();
    let named = folded(&shown).join(" ");
    let all = u64::from(plan.plan().header().hosts);
    style.hang("", &style.words().part(shown.len() as u64, all, &named))
}

/// A host's name, harmless.
fn shown_name(host: &HostPlan) -> std::borrow::Cow<'_, str> {
    plain(&host.orders.host)
}

/// The names of hosts in a sentence, in few words.
fn brief(hosts: &[&HostPlan]) -> Vec<String> {
    let hosts: Vec<_> = hosts.iter().map(|host| shown_name(host)).collect();
    names::brief(hosts.iter().map(|name| &**name))
}

/// The names of hosts, folded.
fn folded(hosts: &[&HostPlan]) -> Vec<String> {
    let hosts: Vec<_> = hosts.iter().map(|host| shown_name(host)).collect();
    names::fold(hosts.iter().map(|name| &**name))
}

/// Whether the playbook has no phase that changes anything: then there is nothing to propose, whatever is found.
fn only_looks(plan: &Plan) -> bool {
    let playbook = &plan.header().playbook;
    let text = std::str::from_utf8(playbook.text.as_bytes());
    let parsed = text.ok().and_then(|text| parse(&playbook.name, text).ok());
    parsed.is_some_and(|playbook| !playbook.phases.contains_key(&Phase::Eradicate))
}

/// What the plan was told of the incident.
fn told(plan: &Plan, style: &Style) -> String {
    let words = style.words();
    let told = super::incident::told(&Incident::of(&plan.header().vars), words);
    match told.is_empty() {
        true => String::new(),
        false => style.hang(&padded(words.label(Label::Told), COLUMN + 1), &words.clauses(&told)),
    }
}

/// The components that no approval of the whole covers, and how each is approved.
fn own_yes(plan: &Shown<'_>, style: &Style) -> String {
    let words = style.words();
    let mut out = String::new();
    for group in plan.groups() {
        for host in group.hosts {
            let losses = losses(&host.orders.actions);
            for component in &host.needs_own_approval {
                let text = words.own_yes(
                    &plain(&host.orders.host),
                    *component,
                    losses.get(component).copied().unwrap_or_default(),
                    &many_word(host, *component),
                );
                out.push_str(&style.hang(&padded(words.label(Label::OwnYes), COLUMN + 1), &text));
            }
        }
    }
    out
}

/// What is touched though it is protected.
fn overridden(plan: &Shown<'_>, style: &Style) -> String {
    let words = style.words();
    let mut out = String::new();
    for host in plan.hosts() {
        for said in bound::overrides_of(host, words) {
            out.push_str(&style.hang(&padded(words.label(Label::Override), COLUMN + 1), &said));
        }
    }
    out
}

/// By which rule something is protected, and why it is touched all the same.
pub(crate) fn override_words(over: &Override, words: &dyn Words) -> String {
    words.overrides(&plain(&over.rule), &plain(&over.because))
}

fn many_word(host: &HostPlan, component: u32) -> String {
    shell_word(&format!("{}:{component}", plain(&host.orders.host)))
}

/// The findings of a host, by name.
pub(crate) fn findings(host: &HostPlan) -> BTreeMap<&FindingId, &Finding> {
    host.findings.iter().map(|finding| (&finding.id, finding)).collect()
}

/// The hosts, those that are equal as one.
fn blocks(plan: &Shown<'_>, style: &Style) -> String {
    let groups = plan.groups();
    let words = style.words();
    let names: Vec<String> = groups
        .iter()
        .map(|group| shown_name(group.hosts[0]).into_owned())
        .collect();
    let column = names
        .iter()
        .map(|name| visible_width(name))
        .max()
        .unwrap_or(0)
        .min(NAME_COLUMNS);
    let word = |group: &Group<'_>| words.judged(Judged::host(group.hosts[0]));
    let widest = groups.iter().map(|group| visible_width(word(group))).max().unwrap_or(0);
    let blocks = groups.iter().zip(&names).map(|(group, name)| {
        let judged = style.paint(Judged::host(group.hosts[0]).tone(), word(group));
        let lead = format!("{}{}", padded(name, column + 2), padded(&judged, widest + 2));
        block(group, &lead, style)
    });
    blocks.collect()
}

/// The names of a group's hosts where they are few words, else the first and how many more.
pub(crate) fn name(group: &Group<'_>, words: &dyn Words) -> String {
    let named = folded(&group.hosts);
    match named.len() <= NAMED {
        true => named.join(" "),
        false => words.and_more_hosts(&shown_name(group.hosts[0]), group.hosts.len() - 1),
    }
}

/// How many hosts are equal, in what, and which.
fn equal(group: &Group<'_>, style: &Style) -> String {
    let host = group.hosts[0];
    let changes = host.orders.actions.iter().filter(|action| action.act.is_change());
    let named = folded(&group.hosts).join(" ");
    style.hang(
        "",
        &style
            .words()
            .equal(group.hosts.len() as u64, changes.count() as u64, &named),
    )
}

/// One host, or hosts that are equal.
fn block(group: &Group<'_>, lead: &str, style: &Style) -> String {
    let host = group.hosts[0];
    let subjects = Subject::of(host);
    let mut out = match group.hosts.len() {
        1 => String::new(),
        _ => equal(group, style),
    };
    match subjects.first() {
        Some(first) => out.push_str(&first.head(lead, style)),
        None => out.push_str(&style.hang(lead, &without_subject(host, style.words()))),
    }
    out.push_str(&subject::rest(&subjects, style));
    out.push_str(&subject::started(host, style));
    out.push_str(&ended(host, style));
    out.push_str(&reviews(host, &subjects, style));
    out
}

/// What is said of a host on which no process stands out.
fn without_subject(host: &HostPlan, words: &dyn Words) -> String {
    if let End::Failed { place, why } = &host.end {
        return words.failed_at(&plain(place), &cut(&plain(why), WORDS));
    }
    match host.verdict.as_ref().map(|verdict| verdict.host) {
        Some(HostVerdict::Clean) => words.nothing_found().to_owned(),
        Some(HostVerdict::CannotSay) => {
            let material = host.gaps.iter().filter(|gap| gap.why.is_material());
            let gaps: Vec<String> = material.take(GAPS).map(|seen| gap(seen, words)).collect();
            words.not_enough_seen(&words.and(&gaps))
        }
        Some(HostVerdict::Suspected) => words.only_a_suspicion().to_owned(),
        Some(HostVerdict::Infected) => words.names_no_process().to_owned(),
        None => words.not_judged().to_owned(),
    }
}

/// How the playbook ended, where that says more than the word.
fn ended(host: &HostPlan, style: &Style) -> String {
    let words = style.words();
    let is_clean = Judged::host(host) == Judged::Clean;
    let mut out = String::new();
    match &host.end {
        End::Stopped { reason, hand_over } => {
            if !is_clean {
                let reason = plain(words.authored(reason)).into_owned();
                out.push_str(&style.labelled(Label::Stopped, subject::COLUMN, &cut(&reason, WORDS)));
            }
            // What is none of ours has its own procedure, on a clean host too.
            if !hand_over.is_empty() {
                let to: Vec<String> = hand_over.iter().map(|to| plain(to).into_owned()).collect();
                out.push_str(&style.labelled(Label::HandOver, subject::COLUMN, &words.and(&to)));
            }
        }
        End::Failed { place, why } if host.verdict.is_some() => {
            let text = words.failed_at(&plain(place), &cut(&plain(why), WORDS));
            out.push_str(&style.labelled(Label::Failed, subject::COLUMN, &text));
        }
        _ => {}
    }
    for given in &host.answers {
        out.push_str(&style.labelled(Label::Answered, subject::COLUMN, &answered(given, words)));
    }
    out
}

/// What a person should look at, beside the subjects of the block.
fn reviews(host: &HostPlan, subjects: &[Subject<'_>], style: &Style) -> String {
    let mut out = String::new();
    let told: Vec<&FindingId> = subjects
        .iter()
        .filter_map(Subject::statement)
        .map(|finding| &finding.id)
        .collect();
    let stated = host
        .findings
        .iter()
        .filter(|finding| finding.bearing == Bearing::Review);
    let stated = stated.filter(|finding| !told.contains(&&finding.id));
    let words = style.words();
    for finding in stated.clone().take(REVIEWS) {
        let text = words.of(&about(&finding.artifact, words), &sentence(finding, words));
        out.push_str(&style.labelled(Label::LookAt, subject::COLUMN, &text));
    }
    let more = stated.count().saturating_sub(REVIEWS);
    if more > 0 {
        out.push_str(&style.entry("", subject::COLUMN, &words.more_to_look_at(more)));
    }
    out
}

/// These actions of a plan, each by host, kind, object and name.
pub(crate) fn actions(plan: &Plan, meant: &BTreeSet<ActionId>, words: &dyn Words) -> Vec<String> {
    let of_host = |host: &'_ HostPlan| {
        let name = plain(&host.orders.host).into_owned();
        let meant = host.orders.actions.iter().filter(|action| meant.contains(&action.id));
        meant
            .map(|action| format!("{name} {}", named(&action.act, action.id, words)))
            .collect::<Vec<_>>()
    };
    plan.hosts().flat_map(of_host).collect()
}

/// The items behind a lead, one a line, so many of them; `more` counts those that the plan itself left out.
pub(crate) fn listed(label: Label, items: &[String], limit: usize, more: u64, style: &Style) -> String {
    let words = style.words();
    let lead = words.label(label);
    let mut out = String::new();
    for (at, item) in items.iter().take(limit).enumerate() {
        let lead = if at == 0 { lead } else { "" };
        out.push_str(&style.hang(&padded(lead, COLUMN + 1), item));
    }
    let more = items.len().saturating_sub(limit) as u64 + more;
    if more > 0 {
        let lead = if items.is_empty() { lead } else { "" };
        out.push_str(&style.hang(&padded(lead, COLUMN + 1), &words.more(more)));
    }
    out
}

/// What was proposed and is left, or stands in the way.
pub(crate) fn left(left: &LeftAlone, words: &dyn Words) -> String {
    let what = match &left.what {
        Left::Act {
            act: proposed, action, ..
        } => named(proposed, *action, words),
        Left::Directory { path } => words.directory(&path.to_string()),
    };
    words.of(&what, &why_left(&left.why, words))
}

/// The same, loudly where a process stays of which others of its component are killed.
fn left_of(host: &HostPlan, item: &LeftAlone, words: &dyn Words) -> String {
    let said = left(item, words);
    let Left::Act {
        component,
        act: Act::Kill { .. },
        ..
    } = &item.what
    else {
        return said;
    };
    let mut actions = host.orders.actions.iter();
    match actions.any(|action| action.component == *component && matches!(action.act, Act::Kill { .. })) {
        true => words.clauses(&[said, words.brings_back().to_owned()]),
        false => said,
    }
}

fn left_alone(plan: &Shown<'_>, style: &Style) -> String {
    let words = style.words();
    let items = plan.hosts().flat_map(|host| {
        host.left_alone
            .iter()
            .map(move |item| (host, left_of(host, item, words)))
    });
    listed(Label::LeftAlone, &by_words(items, words), LEFT_ALONE, 0, style)
}

fn not_seen(plan: &Shown<'_>, style: &Style) -> String {
    let words = style.words();
    let gapped = plan.hosts().filter(|host| !host.gaps.is_empty() || host.more_gaps > 0);
    let items = gapped.map(|host| {
        let all = host.gaps.len() as u64 + u64::from(host.more_gaps);
        let told = telling_first(&host.gaps).into_iter().take(GAPS);
        let mut gaps: Vec<String> = told.map(|seen| gap(seen, words)).collect();
        if all > gaps.len() as u64 {
            gaps.push(words.further(all - gaps.len() as u64));
        }
        (host, words.and(&gaps))
    });
    let mut items = by_words(items, words);
    let more = items.len().saturating_sub(GAP_HOSTS) as u64;
    items.truncate(GAP_HOSTS);
    items.push(words.hidden_by_kernels().to_owned());
    listed(Label::NotSeen, &items, items.len(), more, style)
}

/// What is said of hosts, equal words once, each behind its hosts.
fn by_words<'a>(items: impl Iterator<Item = (&'a HostPlan, String)>, words: &dyn Words) -> Vec<String> {
    let mut said: IndexMap<String, Vec<&HostPlan>> = IndexMap::new();
    for (host, text) in items {
        said.entry(text).or_default().push(host);
    }
    let said = said.into_iter().map(|(text, hosts)| {
        let named = brief(&hosts);
        match named.len() <= NAMED {
            true => format!("{} {text}", words.and(&named)),
            false => words.on_many_hosts(hosts.len(), &shown_name(hosts[0]), &text),
        }
    });
    said.collect()
}

/// What can hide something first.
pub(crate) fn telling_first(gaps: &[Gap]) -> Vec<&Gap> {
    let mut sorted: Vec<&Gap> = gaps.iter().collect();
    sorted.sort_by_key(|gap| !gap.why.is_material());
    sorted
}

/// What is done the longer way where a kernel lacks the calls for the shorter one.
fn old_kernels(plan: &Shown<'_>, style: &Style) -> String {
    let words = style.words();
    let lacking = plan
        .hosts()
        .filter(|host| !host.is_empty() && !host.machine.without.is_empty());
    let items = lacking.map(|host| {
        let ways = host.machine.without.iter().map(|call| words.without_call(&plain(call)));
        (host, words.clauses(&ways.collect::<Vec<_>>()))
    });
    let items = by_words(items, words);
    match items.is_empty() {
        true => String::new(),
        false => listed(Label::OldKernel, &items, FOOTPRINTS, 0, style),
    }
}

/// The hosts whose clocks differ from ours.
fn clocks(plan: &Shown<'_>, style: &Style) -> String {
    let words = style.words();
    let differ = plan.hosts().filter_map(|host| Some((host, host.machine.clock?)));
    let items = differ.map(|(host, clock)| (host, words.clock_differs(clock.ahead_ms)));
    let items = by_words(items, words);
    match items.is_empty() {
        true => String::new(),
        false => listed(Label::Clock, &items, FOOTPRINTS, 0, style),
    }
}

/// Hosts whose directory is named.
const FOOTPRINTS: usize = 4;

fn footprint(plan: &Shown<'_>, style: &Style) -> String {
    let touched: Vec<&HostPlan> = plan.hosts().filter(|host| !host.is_empty()).collect();
    let Some(largest) = touched
        .iter()
        .map(|host| &host.footprint)
        .max_by_key(|footprint| footprint.bytes)
    else {
        return String::new();
    };
    let footprint = style.words().footprint(u64::from(largest.processes), largest.bytes.0);
    let mut items = vec![footprint];
    let sent = touched.iter().filter_map(|host| host.footprint.sent.as_ref());
    let sent: BTreeMap<&HostPath, u64> = sent.map(|sent| (&sent.below, sent.bytes.0)).collect();
    items.extend(
        sent.into_iter()
            .map(|(below, bytes)| style.words().sent_worker(bytes, &below.to_string())),
    );
    let named = items.len();
    let directories = touched
        .iter()
        .flat_map(|host| host.footprint.directories.iter().map(move |path| (host, path)));
    items.extend(directories.map(|(host, path)| format!("{} {path}", plain(&host.orders.host))));
    listed(Label::Footprint, &items, FOOTPRINTS + named, 0, style)
}

/// Every program of a host that looking runs, whole: nobody can say what it does besides.
fn programs(plan: &Shown<'_>, style: &Style) -> String {
    let all = plan.hosts().flat_map(|host| &host.footprint.programs);
    let mut items: Vec<String> = Vec::new();
    for program in all {
        let command: Vec<String> = program.iter().map(|word| shell_word(&plain(word))).collect();
        let item = style.words().runs_to_look(&command.join(" "));
        if !items.contains(&item) {
            items.push(item);
        }
    }
    listed(Label::Programs, &items, items.len(), 0, style)
}

/// The tables that hold packets back, until when, and what stays of them.
fn tables(plan: &Shown<'_>, style: &Style) -> String {
    let mut longest: BTreeMap<&str, u32> = BTreeMap::new();
    for (table, for_s) in plan.hosts().flat_map(|host| &host.footprint.tables) {
        let known = longest.entry(table).or_default();
        *known = (*known).max(*for_s);
    }
    let items: Vec<String> = longest
        .into_iter()
        .map(|(table, for_s)| style.words().holds_packets(&plain(table), u64::from(for_s) * 1000))
        .collect();
    listed(Label::Tables, &items, items.len(), 0, style)
}

/// The hash, until when it is good, and what to paste.
fn approval(shown: &Shown<'_>, about: &About<'_>, style: &Style) -> String {
    let words = style.words();
    let plan = shown.plan();
    let hash = plan.hash().short();
    let name = about.file.map_or_else(|| hash.clone(), |file| shell_word(&plain(file)));
    let not_after = plan.header().not_after_ms.0;
    let good = match not_after.checked_sub(about.now_ms) {
        Some(left) => words.good_until(&time(not_after), (left + 30_000) / 60_000),
        None => words.was_good_until(&time(not_after)),
    };
    let lead = |label| padded(words.label(label), COLUMN + 1);
    let good = words.commas(&[hash.clone(), good]);
    let mut out = style.hang(&lead(Label::Hash), &good);
    let stated = plan.header().approvals.as_ref();
    if let Some(stated) = stated {
        out.push_str(&style.hang(&lead(Label::Needs), &needs(stated, words)));
    }
    if shown.is_part() && !about.asks {
        // A yes is for the whole, which was not read here.
        out.push_str(&format!(
            "{}{}\n",
            lead(Label::Next),
            about.paste.command(&format!("deminer show {name}"))
        ));
        return out;
    }
    if plan.is_empty() && only_looks(plan) {
        out.push_str(&to_remove(plan, about, style));
    }
    if plan.is_empty() || not_after < about.now_ms || about.asks {
        return out;
    }
    let reads = plan.hosts().any(|host| !host.footprint.programs.is_empty());
    let mut actions = plan.hosts().flat_map(|host| &host.orders.actions);
    let runs = actions.any(|action| matches!(action.act, Act::RunArgv { .. }));
    let external = plan.header().externals().next().is_some();
    let leaves =
        leave(Leave::CommandRead, reads) + &leave(Leave::CommandRun, runs) + &leave(Leave::ModuleExternal, external);
    // Never wrapped: these are to be pasted.
    let mut commands = vec![(Label::Why, format!("deminer show {name}"))];
    match stated.is_none_or(|stated| stated.unsigned) {
        true => commands.push((Label::Next, format!("deminer apply {name} --approve {hash}{leaves}"))),
        false => {
            commands.push((Label::Next, format!("deminer approve {name} --key KEY")));
            let policy = if about.knows_signers { "" } else { " --policy POLICY" };
            let command = format!("deminer apply {name} --approval FILE...{leaves}{policy}");
            commands.push((Label::Then, command));
        }
    }
    for (label, command) in commands {
        out.push_str(&format!("{}{}\n", lead(label), about.paste.command(&command)));
    }
    let many = plan
        .hosts()
        .flat_map(|host| host.needs_own_approval.iter().map(move |id| (host, *id)));
    if many.count() > 0 {
        out.push_str(&style.hang(&padded("", COLUMN + 1), words.add_each_many()));
    }
    out
}

/// What removes what a playbook that only looks has found.
fn to_remove(plan: &Plan, about: &About<'_>, style: &Style) -> String {
    let infected = plan.hosts().filter(|host| Judged::host(host) == Judged::Infected);
    let infected: Vec<String> = infected.map(|host| host.orders.host.clone()).collect();
    if infected.is_empty() {
        return String::new();
    }
    let words = style.words();
    let on = match infected.len() <= PASTED {
        true => infected,
        false => vec!["HOST...".to_owned()],
    };
    let command = about.paste.plan(Ok(REMOVES), &on);
    let mut out = format!("{}{command}\n", padded(words.label(Label::Next), COLUMN + 1));
    out.push_str(&style.hang(&padded("", COLUMN + 3), words.plans_removal()));
    out
}

#[cfg(test)]
mod tests;
