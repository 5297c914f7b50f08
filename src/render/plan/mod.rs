//! A plan for its reader: what would be changed, why, what is left alone, what was not seen, and how to say yes.

mod changes;
mod json;
mod subject;

use std::collections::BTreeMap;

use deminer_engine::finding::{Bearing, Finding, FindingId, HostVerdict};
use deminer_engine::plan::{End, Group, HostPlan, Left, LeftAlone, Plan};
use deminer_worker::many::{MANY_FILES, MANY_STARTERS};
use deminer_worker::query::Gap;
use indexmap::IndexMap;

pub(crate) use self::json::json;
use self::subject::Subject;
pub(crate) use self::subject::about;
use super::Style;
use super::object::{act, gap, short_id, why_left};
use super::plain::{cut, plain, sentence, shell_word};
use super::style::{Tone, padded, visible_width};
use super::unit::{and, count, size, span, time};

/// What is known about a plan beside its own bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// The file that it is in, as the operator named it; `None` where it is only stored by its hash.
    pub(crate) file: Option<&'a str>,
    /// How long looking took; `None` for a plan that was made earlier.
    pub(crate) took_ms: Option<u64>,
    /// Now, in milliseconds since 1970.
    pub(crate) now_ms: u64,
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
/// Hosts that are named in a sentence.
const NAMED: usize = 6;
/// Columns of an author's or a module's words.
const WORDS: usize = 400;

/// The plan, for people.
pub(crate) fn text(plan: &Plan, about: &About<'_>, style: &Style) -> String {
    let mut out = headline(plan, about, style);
    out.push_str(&own_yes(plan, style));
    out.push('\n');
    out.push_str(&blocks(plan, style));
    out.push('\n');
    out.push_str(&changes::section(plan, style));
    out.push('\n');
    out.push_str(&left_alone(plan, style));
    out.push_str(&not_seen(plan, style));
    out.push_str(&old_kernels(plan, style));
    out.push_str(&footprint(plan, style));
    out.push_str(&programs(plan, style));
    out.push_str(&tables(plan, style));
    out.push('\n');
    out.push_str(&approval(plan, about, style));
    out
}

/// The word for a host: what it was judged, or why it was not.
pub(crate) fn word(host: &HostPlan) -> (&'static str, Tone) {
    match (&host.end, &host.verdict) {
        (End::Failed { .. }, _) => ("failed", Tone::Bad),
        (_, None) => ("not judged", Tone::Doubt),
        (_, Some(verdict)) => {
            let word = match verdict.host {
                HostVerdict::Infected => "infected",
                HostVerdict::Suspected => "suspected",
                HostVerdict::CannotSay => "cannot_say",
                HostVerdict::Clean => "clean",
            };
            (word, Tone::of_verdict(verdict.host))
        }
    }
}

/// The words for hosts, those that need a person most first.
const WORDS_IN_ORDER: [&str; 6] = ["infected", "suspected", "cannot_say", "failed", "not judged", "clean"];

fn tally(plan: &Plan) -> Vec<(usize, &'static str)> {
    let mut hosts: BTreeMap<&str, usize> = BTreeMap::new();
    for host in plan.hosts() {
        *hosts.entry(word(host).0).or_default() += 1;
    }
    let counted = WORDS_IN_ORDER
        .into_iter()
        .map(|word| (hosts.get(word).copied().unwrap_or(0), word));
    counted.filter(|(number, _)| *number > 0).collect()
}

fn headline(plan: &Plan, about: &About<'_>, style: &Style) -> String {
    let header = plan.header();
    let words: Vec<String> = tally(plan)
        .iter()
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    let seen = match words.is_empty() {
        true => String::new(),
        false => format!(": {}", words.join(", ")),
    };
    let when = match about.took_ms {
        Some(took) => format!(" in {}", span(took)),
        None => format!(", planned {}", time(header.created_at_ms.0)),
    };
    let end = match about.took_ms {
        Some(_) => ". Nothing has been changed.",
        None => ".",
    };
    let playbook = format!("{} {}", plain(&header.playbook.name), header.playbook.version);
    let hosts = count(u64::from(header.hosts), "host", "hosts");
    style.hang("", &format!("{playbook} on {hosts}{when}{seen}{end}"))
}

/// The components that no approval of the whole covers, and how each is approved.
fn own_yes(plan: &Plan, style: &Style) -> String {
    let mut out = String::new();
    for group in plan.groups() {
        for host in group.hosts {
            for component in &host.needs_own_approval {
                let actions = host.orders.actions.iter();
                let targets = actions.filter(|action| action.component == *component && action.act.is_change());
                let text = format!(
                    "{} component {component}: {}, more than one approval covers ({MANY_FILES} files, {MANY_STARTERS} \
                     lines and files that start something); read them, then add --many {}",
                    plain(&host.orders.host),
                    count(targets.count() as u64, "target", "targets"),
                    many_word(host, *component),
                );
                out.push_str(&style.hang(&padded("own yes", COLUMN + 1), &text));
            }
        }
    }
    out
}

fn many_word(host: &HostPlan, component: u32) -> String {
    shell_word(&format!("{}:{component}", plain(&host.orders.host)))
}

/// The findings of a host, by name.
pub(crate) fn findings(host: &HostPlan) -> BTreeMap<&FindingId, &Finding> {
    host.findings.iter().map(|finding| (&finding.id, finding)).collect()
}

/// The hosts, those that are equal as one.
fn blocks(plan: &Plan, style: &Style) -> String {
    let groups = plan.groups();
    let names: Vec<String> = groups.iter().map(name).collect();
    let column = names
        .iter()
        .map(|name| visible_width(name))
        .max()
        .unwrap_or(0)
        .min(NAME_COLUMNS);
    let words = groups
        .iter()
        .map(|group| word(group.hosts[0]).0.len())
        .max()
        .unwrap_or(0);
    let blocks = groups.iter().zip(&names).map(|(group, name)| {
        let (word, tone) = word(group.hosts[0]);
        let word = style.paint(tone, word);
        let lead = format!("{}{}", padded(name, column + 2), padded(&word, words + 2));
        block(group, &lead, style)
    });
    blocks.collect()
}

/// A host's name, or the first of several and how many more.
fn name(group: &Group<'_>) -> String {
    let name = plain(&group.hosts[0].orders.host);
    match group.hosts.len() {
        1 => name.into_owned(),
        hosts => format!("{name} and {} more", hosts - 1),
    }
}

/// One host, or hosts that are equal.
fn block(group: &Group<'_>, lead: &str, style: &Style) -> String {
    let host = group.hosts[0];
    let subjects = Subject::of(host);
    let mut out = String::new();
    match subjects.first() {
        Some(first) => out.push_str(&first.head(lead, style)),
        None => out.push_str(&style.hang(lead, &without_subject(host))),
    }
    out.push_str(&subject::rest(&subjects, style));
    out.push_str(&subject::started(host, style));
    if group.hosts.len() > 1 {
        let names: Vec<String> = group
            .hosts
            .iter()
            .map(|host| plain(&host.orders.host).into_owned())
            .collect();
        out.push_str(&style.entry("hosts", subject::COLUMN, &names.join(" ")));
    }
    out.push_str(&ended(host, style));
    out.push_str(&reviews(host, &subjects, style));
    out
}

/// What is said of a host on which no process stands out.
fn without_subject(host: &HostPlan) -> String {
    let end = match &host.end {
        End::Failed { place, why } => {
            let why = cut(&plain(why), WORDS).into_owned();
            return format!("at {}: {why}; nothing is proposed", plain(place));
        }
        End::Stopped { .. } | End::Through {} => "by what its kernel showed",
    };
    match host.verdict.as_ref().map(|verdict| verdict.host) {
        Some(HostVerdict::Clean) => format!("nothing was found {end}"),
        Some(HostVerdict::CannotSay) => {
            let gaps: Vec<String> = host
                .gaps
                .iter()
                .filter(|gap| gap.why.is_material())
                .take(GAPS)
                .map(gap)
                .collect();
            match gaps.is_empty() {
                true => "not enough was seen for a word".to_owned(),
                false => format!("not enough was seen for a word: {}", and(&gaps)),
            }
        }
        Some(HostVerdict::Suspected) => "a person must look; nothing is proposed on a suspicion".to_owned(),
        Some(HostVerdict::Infected) => "the findings that say so name no process".to_owned(),
        None => "no step of the playbook judged it".to_owned(),
    }
}

/// How the playbook ended, where that says more than the word.
fn ended(host: &HostPlan, style: &Style) -> String {
    let mut out = String::new();
    let is_clean = host
        .verdict
        .as_ref()
        .is_some_and(|verdict| verdict.host == HostVerdict::Clean);
    match &host.end {
        End::Stopped { reason, .. } if !is_clean => {
            out.push_str(&style.entry("stopped", subject::COLUMN, &cut(&plain(reason), WORDS)));
        }
        End::Failed { place, why } if host.verdict.is_some() => {
            let text = format!("at {}: {}; nothing is proposed", plain(place), cut(&plain(why), WORDS));
            out.push_str(&style.entry("failed", subject::COLUMN, &text));
        }
        _ => {}
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
    for finding in stated.clone().take(REVIEWS) {
        let text = format!("{}: {}", about(&finding.artifact), sentence(finding));
        out.push_str(&style.entry("look at", subject::COLUMN, &text));
    }
    let more = stated.count().saturating_sub(REVIEWS);
    if more > 0 {
        out.push_str(&style.entry("", subject::COLUMN, &format!("and {more} more to look at")));
    }
    out
}

/// The items behind a lead, one a line, so many of them; `more` counts those that the plan itself left out.
pub(crate) fn listed(lead: &str, items: &[String], limit: usize, more: u64, style: &Style) -> String {
    let mut out = String::new();
    for (at, item) in items.iter().take(limit).enumerate() {
        let lead = if at == 0 { lead } else { "" };
        out.push_str(&style.hang(&padded(lead, COLUMN + 1), item));
    }
    let more = items.len().saturating_sub(limit) as u64 + more;
    if more > 0 {
        let lead = if items.is_empty() { lead } else { "" };
        out.push_str(&style.hang(&padded(lead, COLUMN + 1), &format!("and {more} more")));
    }
    out
}

/// What was proposed and is left, or stands in the way.
pub(crate) fn left(left: &LeftAlone) -> String {
    let what = match &left.what {
        Left::Act {
            act: proposed, action, ..
        } => {
            format!("{} {} ({})", proposed.kind(), act(proposed), short_id(*action))
        }
        Left::Directory { path } => format!("directory {path}"),
    };
    format!("{what}: {}", why_left(&left.why))
}

fn left_alone(plan: &Plan, style: &Style) -> String {
    let items = plan
        .hosts()
        .flat_map(|host| host.left_alone.iter().map(move |item| (host, left(item))));
    listed("left alone", &by_words(items), LEFT_ALONE, 0, style)
}

fn not_seen(plan: &Plan, style: &Style) -> String {
    let gapped = plan.hosts().filter(|host| !host.gaps.is_empty() || host.more_gaps > 0);
    let items = gapped.map(|host| {
        let all = host.gaps.len() as u64 + u64::from(host.more_gaps);
        let mut words: Vec<String> = telling_first(&host.gaps).into_iter().take(GAPS).map(gap).collect();
        if all > words.len() as u64 {
            words.push(format!("{} more", all - words.len() as u64));
        }
        (host, and(&words))
    });
    let mut items = by_words(items);
    let more = items.len().saturating_sub(GAP_HOSTS) as u64;
    items.truncate(GAP_HOSTS);
    items.push("on every host: what its kernel hides".to_owned());
    listed("not seen", &items, items.len(), more, style)
}

/// What is said of hosts, equal words once, each behind its hosts.
fn by_words<'a>(items: impl Iterator<Item = (&'a HostPlan, String)>) -> Vec<String> {
    let mut words: IndexMap<String, Vec<String>> = IndexMap::new();
    for (host, text) in items {
        words
            .entry(text)
            .or_default()
            .push(plain(&host.orders.host).into_owned());
    }
    let said = words.into_iter().map(|(text, hosts)| match hosts.len() {
        1..=NAMED => format!("{} {text}", and(&hosts)),
        number => format!("{number} hosts, {} among them: {text}", hosts[0]),
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
fn old_kernels(plan: &Plan, style: &Style) -> String {
    let lacking = plan
        .hosts()
        .filter(|host| !host.is_empty() && !host.machine.without.is_empty());
    let items: Vec<String> = lacking
        .map(|host| {
            let ways = host.machine.without.iter().map(|call| match call.as_str() {
                "pidfd_open" => "no pidfd_open: a process is stopped, read again and killed while it stands".to_owned(),
                "openat2" => "no openat2: paths are walked directory by directory, no link followed".to_owned(),
                "renameat2" => "no renameat2: a file that takes a place in the same moment is lost".to_owned(),
                other => format!("no {}", plain(other)),
            });
            format!("{} {}", plain(&host.orders.host), ways.collect::<Vec<_>>().join("; "))
        })
        .collect();
    match items.is_empty() {
        true => String::new(),
        false => listed("old kernel", &items, FOOTPRINTS, 0, style),
    }
}

/// Hosts whose directory is named.
const FOOTPRINTS: usize = 4;

fn footprint(plan: &Plan, style: &Style) -> String {
    let touched: Vec<&HostPlan> = plan.hosts().filter(|host| !host.is_empty()).collect();
    let Some(largest) = touched
        .iter()
        .map(|host| &host.footprint)
        .max_by_key(|footprint| footprint.bytes)
    else {
        return String::new();
    };
    let mut items = vec![format!(
        "a host: at most {} and {}, in one directory; gone at the end, or at the next contact after a lost link",
        count(u64::from(largest.processes), "process", "processes"),
        size(largest.bytes.0),
    )];
    let directories = touched
        .iter()
        .flat_map(|host| host.footprint.directories.iter().map(move |path| (host, path)));
    items.extend(directories.map(|(host, path)| format!("{} {path}", plain(&host.orders.host))));
    listed("footprint", &items, FOOTPRINTS + 1, 0, style)
}

/// Every program of a host that looking runs, whole: nobody can say what it does besides.
fn programs(plan: &Plan, style: &Style) -> String {
    let all = plan.hosts().flat_map(|host| &host.footprint.programs);
    let mut items: Vec<String> = Vec::new();
    for program in all {
        let words: Vec<String> = program.iter().map(|word| shell_word(&plain(word))).collect();
        let item = format!(
            "looking runs a program of the host, which may lie or do more: {}",
            words.join(" ")
        );
        if !items.contains(&item) {
            items.push(item);
        }
    }
    listed("programs", &items, items.len(), 0, style)
}

/// The tables that hold packets back, until when, and what stays of them.
fn tables(plan: &Plan, style: &Style) -> String {
    let mut longest: BTreeMap<&str, u32> = BTreeMap::new();
    for (table, for_s) in plan.hosts().flat_map(|host| &host.footprint.tables) {
        let known = longest.entry(table).or_default();
        *known = (*known).max(*for_s);
    }
    let items: Vec<String> = longest
        .into_iter()
        .map(|(table, for_s)| {
            format!(
                "nftables `{}` holds packets back for {} at most, whatever becomes of us; its rules then match nothing, and \
                 stay until the next apply or undo there",
                plain(table),
                span(u64::from(for_s) * 1000)
            )
        })
        .collect();
    listed("tables", &items, items.len(), 0, style)
}

/// The hash, until when it is good, and what to paste.
fn approval(plan: &Plan, about: &About<'_>, style: &Style) -> String {
    let hash = plan.hash().short();
    let name = about.file.map_or_else(|| hash.clone(), |file| shell_word(&plain(file)));
    let not_after = plan.header().not_after_ms.0;
    let good = match not_after.checked_sub(about.now_ms) {
        Some(left) => format!("good until {} ({} min)", time(not_after), (left + 30_000) / 60_000),
        None => format!("was good until {}: hosts change, plan again", time(not_after)),
    };
    let mut out = style.hang(&padded("hash", COLUMN + 1), &format!("{hash}, {good}"));
    if plan.is_empty() || not_after < about.now_ms {
        return out;
    }
    // Never wrapped: these are to be pasted.
    out.push_str(&format!("{}deminer show {name}\n", padded("why", COLUMN + 1)));
    out.push_str(&format!(
        "{}deminer apply {name} --approve {hash}\n",
        padded("next", COLUMN + 1)
    ));
    let many = plan
        .hosts()
        .flat_map(|host| host.needs_own_approval.iter().map(move |id| (host, *id)));
    if many.count() > 0 {
        let text = "with each --many from above whose targets you read, or with --exclude for what is to stay";
        out.push_str(&style.hang(&padded("", COLUMN + 1), text));
    }
    out
}

#[cfg(test)]
mod tests;
