//! What a plan was made under, as its own bytes bind it: the environment, what bounds it, the values that are not the
//! playbook's own, where secrets come from, the modules from outside.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::plan::{HostPlan, Plan};
use deminer_engine::playbook::{Playbook, parse};
use deminer_worker::text::Digest;
use serde_json::Value;

use super::super::Style;
use super::super::approval::needs;
use super::super::object::named;
use super::super::plain::{cut, plain, plain_lines};
use super::super::vars;
use super::super::words::{Label, Words};
use super::{COLUMN, WORDS, brief, override_words};

/// Values of a reader's list, hosts with values of their own, and overrides of a page.
const VALUES: usize = 40;
const HOSTS: usize = 12;
const OVERRIDES: usize = 40;

/// Bytes of an environment's text on a page.
const TEXT_BYTES: usize = 64 << 10;

/// Who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Who just made it, and knows what was given.
    Planner,
    /// Who decides on it, on a terminal.
    Reviewer,
    /// Who decides on it, on a page.
    Page,
}

/// What it was made under, a line each.
pub(super) fn under(plan: &Plan, reader: Reader, style: &Style) -> String {
    let rows = rows(plan, reader, style.words()).into_iter();
    rows.map(|(label, text)| style.labelled(label, COLUMN, &text)).collect()
}

/// The same as labels and texts.
fn rows(plan: &Plan, reader: Reader, words: &dyn Words) -> Vec<(Label, String)> {
    let header = plan.header();
    let mut rows = Vec::new();
    if let Some(environment) = &header.environment {
        let left_out = environment.disabled.iter();
        let left_out: Vec<_> = left_out
            .map(|(step, why)| (plain(step).into_owned(), cut(&plain(why), WORDS).into_owned()))
            .collect();
        let name = cut(&plain(&environment.name), WORDS).into_owned();
        let name = match reader {
            Reader::Planner => name,
            Reader::Reviewer | Reader::Page => words.aside(&name, &digest(environment.sha256, reader)),
        };
        rows.push((Label::Environment, words.environment(&name, &left_out)));
    }
    rows.extend(limits(plan, words).map(|text| (Label::Limits, text)));
    if reader != Reader::Planner {
        rows.extend(values(plan, words).into_iter().map(|text| (Label::Values, text)));
    }
    // A reader sees what is opened, or run, on the machine that applies it.
    let of_hosts = plan.hosts().flat_map(|host| &host.secrets);
    let places: BTreeSet<(String, String)> = header
        .secrets
        .iter()
        .chain(of_hosts)
        .map(|(name, place)| (name.clone(), vars::place(place)))
        .collect();
    let places: Vec<String> = places
        .into_iter()
        .map(|(name, place)| words.secret_from(&plain(&name), &plain(&place)))
        .collect();
    if !places.is_empty() {
        rows.push((Label::Secrets, words.list(&places)));
    }
    let modules: Vec<String> = header
        .externals()
        .map(|(name, sha256)| format!("{} {}", plain(name), sha256.short()))
        .collect();
    if !modules.is_empty() {
        rows.push((Label::External, words.commas(&modules)));
    }
    rows
}

/// What a page says of a plan beside its hosts.
pub(crate) fn of_page(plan: &Plan, words: &dyn Words) -> Vec<(Label, String)> {
    let header = plan.header();
    let playbook = &header.playbook;
    let name = format!("{} {}", plain(&playbook.name), playbook.version);
    let mut out = vec![(
        Label::Playbook,
        words.aside(&name, &digest(playbook.sha256, Reader::Page)),
    )];
    out.extend(header.resources.iter().map(|(path, resource)| {
        let path = cut(&plain(path), WORDS).into_owned();
        (
            Label::Beside,
            words.aside(&path, &digest(resource.sha256, Reader::Page)),
        )
    }));
    out.extend(rows(plan, Reader::Page, words));
    let mut overrides = overrides(plan, words);
    let more = overrides.len().saturating_sub(OVERRIDES);
    overrides.truncate(OVERRIDES);
    if more > 0 {
        overrides.push(words.more(more as u64));
    }
    out.extend(overrides.into_iter().map(|text| (Label::Override, text)));
    out.push((Label::Needs, needs(&header.requirement(), words)));
    out
}

/// The environment's text as it was read, harmless; what is too long is cut.
pub(crate) fn environment_text(plan: &Plan) -> Option<String> {
    let environment = plan.header().environment.as_ref()?;
    let bytes = environment.text.as_bytes();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_BYTES)]);
    let more = if bytes.len() > TEXT_BYTES { "\n..." } else { "" };
    Some(plain_lines(&text) + more)
}

/// What is touched though it is protected, each with the host and the reason.
pub(super) fn overrides(plan: &Plan, words: &dyn Words) -> Vec<String> {
    plan.hosts().flat_map(|host| overrides_of(host, words)).collect()
}

/// The same of one host.
pub(super) fn overrides_of(host: &HostPlan, words: &dyn Words) -> Vec<String> {
    let over = host.orders.actions.iter().filter_map(|action| {
        let over = host.orders.overrides.get(&action.id)?;
        let what = named(&action.act, action.id, words);
        Some(words.override_of(&plain(&host.orders.host), &what, &override_words(over, words)))
    });
    over.collect()
}

fn digest(sha256: Digest, reader: Reader) -> String {
    match reader {
        Reader::Page => format!("sha256 {sha256}"),
        Reader::Planner | Reader::Reviewer => format!("sha256 {}", sha256.short()),
    }
}

/// How far it may go, and when.
fn limits(plan: &Plan, words: &dyn Words) -> Option<String> {
    let limits = &plan.header().limits;
    let windows = limits.windows.iter().map(|windows| {
        let windows: Vec<String> = windows.iter().map(ToString::to_string).collect();
        words.removal_only(&words.list(&windows))
    });
    let bounds = limits.effects.map(|most| words.at_most(most)).into_iter();
    let bounds = bounds.chain(windows);
    let bounds = bounds.chain(limits.max_actions.map(|most| words.most_actions(most.into())));
    let bounds: Vec<String> = bounds.chain(never_touched(plan, words)).collect();
    (!bounds.is_empty()).then(|| words.commas(&bounds))
}

/// What the site says is never to be touched or blocked, on any host.
fn never_touched(plan: &Plan, words: &dyn Words) -> Option<String> {
    let of_host = |host: &HostPlan| {
        let paths = host.orders.protect.iter();
        let paths = paths.map(|path| plain(&path.to_string()).into_owned());
        let nets = host.orders.spare.iter().map(ToString::to_string);
        paths.chain(nets).collect::<Vec<_>>()
    };
    let all: BTreeSet<String> = plan.hosts().flat_map(of_host).collect();
    let all: Vec<String> = all.into_iter().collect();
    (!all.is_empty()).then(|| words.never_touched(&words.list(&all)))
}

/// The values that are others than the playbook's own: of all hosts, then of those that have their own. A secret is none of
/// them.
fn values(plan: &Plan, words: &dyn Words) -> Vec<String> {
    let header = plan.header();
    let text = std::str::from_utf8(header.playbook.text.as_bytes()).ok();
    let playbook = text.and_then(|text| parse(&header.playbook.name, text).ok());
    let told = |vars: &deminer_engine::event::Variables, with_own: bool| -> Vec<String> {
        let others = vars.iter().filter(|(name, _)| !is_secret(playbook.as_ref(), name));
        let others = others.map(|(name, value)| (name, value, own(playbook.as_ref(), name)));
        let others = others.filter(|(_, value, own)| !with_own || *own != Some(*value));
        let mut told: Vec<String> = others
            .map(|(name, value, own)| {
                let own = own.filter(|own| with_own && !own.is_null());
                let own = own.map(|own| vars::shown(own, words));
                words.value_of(&plain(name), &vars::shown(value, words), own.as_deref())
            })
            .collect();
        let more = told.len().saturating_sub(VALUES);
        told.truncate(VALUES);
        if more > 0 {
            told.push(words.more(more as u64));
        }
        told
    };
    let mut out = Vec::new();
    let of_all = told(&header.vars, true);
    if !of_all.is_empty() {
        out.push(words.clauses(&of_all));
    }
    let mut alike: BTreeMap<String, Vec<&HostPlan>> = BTreeMap::new();
    for host in plan.hosts() {
        let own = told(&host.vars, false);
        if !own.is_empty() {
            alike.entry(words.clauses(&own)).or_default().push(host);
        }
    }
    let more = alike.len().saturating_sub(HOSTS);
    out.extend(alike.into_iter().take(HOSTS).map(|(values, hosts)| {
        let hosts = brief(&hosts).join(" ");
        words.values_on(&hosts, &values)
    }));
    if more > 0 {
        out.push(words.more(more as u64));
    }
    out
}

fn own<'p>(playbook: Option<&'p Playbook>, name: &str) -> Option<&'p Value> {
    playbook?.vars.get(name)?.default.as_ref()
}

fn is_secret(playbook: Option<&Playbook>, name: &str) -> bool {
    let var = playbook.and_then(|playbook| playbook.vars.get(name));
    var.is_some_and(|var| var.kind.value.is_secret())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;
    use crate::render::words::Lang;

    #[test]
    fn a_reviewer_reads_what_a_plan_was_made_under() {
        let plan = sample::bound_plan();
        for (lang, style) in [("", &Style::PLAIN), ("_zh", &Style::CHINESE)] {
            insta::assert_snapshot!(format!("bound{lang}"), under(&plan, Reader::Reviewer, style));
            let rows = of_page(&plan, style.words()).into_iter();
            let rows: String = rows
                .map(|(label, text)| format!("{}: {text}\n", style.words().label(label)))
                .collect();
            assert!(!rows.contains(['\u{1b}', '\u{202e}']), "{rows}");
            insta::assert_snapshot!(format!("bound_page{lang}"), rows);
        }
        let planner = under(&plan, Reader::Planner, &Style::PLAIN);
        assert!(
            !planner.contains("SEC-1"),
            "who made it knows what was given: {planner}"
        );
        let text = environment_text(&plan).expect("there is one");
        assert!(
            text.contains("environment: prod\n") && !text.contains(['\u{1b}', '\u{202e}']),
            "{text}"
        );
        assert_eq!(environment_text(&sample::plan()), None);
    }

    #[test]
    fn many_values_and_many_hosts_are_cut() {
        let many = |plan: &mut HostPlan, of: usize| {
            plan.vars = (0..of)
                .map(|at| (format!("v{at:03}"), format!("{at}").into()))
                .collect();
        };
        let mut hosts: Vec<HostPlan> = sample::fleet_plan().hosts().cloned().collect();
        hosts.iter_mut().zip(0..).for_each(|(host, at)| many(host, VALUES + at));
        let plan = sample::with_hosts(hosts);
        let told = values(&plan, Lang::En.words());
        assert!(told[1].ends_with("v039 = 39"), "{told:#?}");
        assert!(told[2].ends_with("v039 = 39; and 1 more"), "{told:#?}");
    }
}
