//! The account for tickets. Values of hosts stand in code spans: there they are no link, no mention and no markup.

use std::fmt::Write as _;

use deminer_engine::event::Seen;
use deminer_engine::finding::{Bearing, Finding, HostVerdict};
use deminer_engine::journal::ChainEnd;
use deminer_engine::report::{Change, Entry, HostReport, Object, Report};
use deminer_engine::status::Status;

use super::super::approval;
use super::super::object::{object, short_id};
use super::super::paste::Paste;
use super::super::plain::{cut, plain, sentence_with};
use super::super::plan::{about, place_in_stroke};
use super::super::words::{ChainsEnd, Label, Lang, Noun, Words};
use super::{NAMED, account, also_done, first, heading, next, removed, rows, stays, times, told, watched};

/// Columns of a value.
const VALUE: usize = 600;

/// Findings of one host that decide or must be looked at.
const FINDINGS: usize = 100;

/// The account as Markdown with tables.
pub(crate) fn markdown(report: &Report, lang: Lang, paste: &Paste<'_>) -> String {
    let words = lang.words();
    let mut out = format!("# {}\n\n", prose(&title(report, words)));
    for line in first(report, words) {
        let _ = writeln!(out, "> {}\n", prose(&line));
    }
    for (label, text) in summary(report, words) {
        let _ = writeln!(out, "- **{}** {text}", capital(words.label(label)));
    }
    let _ = write!(out, "\n## {}\n\n", words.hosts_heading());
    let (heading, rows) = rows(report, words);
    table(
        &mut out,
        &heading,
        rows.into_iter().map(|row| {
            let [host, status, rest @ ..] = row;
            let rest = rest
                .iter()
                .map(|cell| if cell.is_empty() { "-".to_owned() } else { prose(cell) });
            [code(&host, true), prose(&status)].into_iter().chain(rest).collect()
        }),
    );
    for host in &report.hosts {
        out.push_str(&section(host, words));
    }
    let steps = next::steps(report, words, paste);
    if !steps.is_empty() {
        let _ = write!(out, "\n## {}\n\n", words.next_heading());
        for step in steps {
            let why = prose(&step.why);
            let text = match step.command {
                Some(command) => words.of(&code(&command, false), &why),
                None => why,
            };
            let _ = writeln!(out, "- {text}");
        }
    }
    out.push_str(&rests_on(report, words));
    if report.finished_ms.is_some() {
        let _ = writeln!(out, "\n{}", prose(&words.head_of_journals(&report.head.to_string())));
    }
    out
}

/// What the report rests on: the run, and its journals.
fn rests_on(report: &Report, words: &dyn Words) -> String {
    let version = words.version(&heading(report, words), &plain(&report.version));
    let mut out = format!("\n## {}\n\n{}\n\n", words.rests_heading(), prose(&version));
    for line in approval::signatures(report, words) {
        let _ = writeln!(out, "- {}", prose(&line));
    }
    if report
        .approval
        .as_ref()
        .is_some_and(|approval| !approval.signed.is_empty())
    {
        out.push('\n');
    }
    let heading = [Label::Journal, Label::Lines, Label::LastHash, Label::End];
    table(
        &mut out,
        &heading.map(|label| words.label(label)),
        report.journals.iter().map(|journal| {
            let name = match &journal.host {
                Some(host) => code(host, true),
                None => words.the_run().to_owned(),
            };
            let end = match (&journal.not_used, &journal.end) {
                (Some(_), _) => ChainsEnd::NotUsed,
                (None, ChainEnd::Whole) => ChainsEnd::Whole,
                (None, ChainEnd::Torn { bytes }) => ChainsEnd::Torn(*bytes),
                (None, ChainEnd::Broken { line, .. }) => ChainsEnd::Broken(*line),
            };
            let end = prose(&words.chains_end(end));
            vec![name, journal.lines.to_string(), journal.head.short(), end]
        }),
    );
    out
}

/// The word with a capital, where its letters have one.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters.clone()).collect()
}

/// The run in one line, what needs a person first.
fn title(report: &Report, words: &dyn Words) -> String {
    let mut hosts = Vec::new();
    for status in Status::ALL {
        let of = report.hosts.iter().filter(|host| host.status == status);
        let all = of.clone().count();
        if all == 0 {
            continue;
        }
        let named = super::folded(of.map(|host| host.host.as_str()));
        let named = match named.len() > NAMED {
            true => words.many_hosts(all),
            false => words.and(&named),
        };
        hosts.push(words.title_hosts(status, &named));
    }
    let mut facts = Vec::new();
    let changed = report.hosts.iter().filter(|host| host.tally.done > 0);
    let all_quiet = changed
        .clone()
        .all(|host| host.verify.as_ref().is_some_and(|verify| verify.seen == Seen::Clean));
    if let Some(watched) = report.headline.watched_ms.filter(|_| all_quiet && changed.count() > 0) {
        facts.push(words.title_quiet(watched));
    }
    if super::is_infected(report) {
        facts.push(words.title_way_in(report.entry).to_owned());
    }
    if hosts.is_empty() && facts.is_empty() {
        facts.push(words.title_nobody().to_owned());
    }
    words.title(&hosts, &facts, !report.unfinished())
}

fn summary(report: &Report, words: &dyn Words) -> Vec<(Label, String)> {
    let mut lines = Vec::new();
    let removed = removed(report, words);
    if !removed.is_empty() {
        lines.push((Label::Removed, prose(&words.and(&removed))));
    }
    let also = also_done(report, words);
    if !also.is_empty() {
        lines.push((Label::AlsoDone, prose(&words.and(&also))));
    }
    lines.extend(watched(report, words).map(|text| (Label::Watched, prose(&text))));
    lines.extend(told(report, words).map(|told| (Label::Told, prose(&told))));
    lines.extend(times(report, words, |path| code(&path.to_string(), false)).map(|text| (Label::Times, text)));
    let kept = report.counts.kept;
    if kept.items > 0 {
        let kept = words.kept_read_back(u64::from(kept.items), kept.bytes.0);
        lines.push((Label::Kept, prose(&kept)));
    }
    let mut below = |label: Label, number: u32, noun: Noun| {
        if number > 0 {
            lines.push((label, prose(&words.below(&words.count(u64::from(number), noun)))));
        }
    };
    below(Label::NotSeen, report.counts.material_gaps, Noun::Thing);
    below(Label::LookAt, report.counts.reviews, Noun::Finding);
    if super::is_infected(report) && report.entry != Entry::Closed {
        lines.push((Label::Open, words.way_in_open(report.entry).to_owned()));
    }
    if report.counts.frozen > 0 {
        lines.push((Label::FrozenNow, report.counts.frozen.to_string()));
    }
    let stays = stays(report, words);
    lines.extend(stays.iter().map(|text| (Label::Stays, prose(text))));
    lines.push((Label::By, words.what_kernels_showed().to_owned()));
    lines
}

fn section(host: &HostReport, words: &dyn Words) -> String {
    let lines = account::lines(host, words);
    let lines = lines
        .iter()
        .map(|(label, text)| format!("- **{}** {}\n", words.label(*label), code(text, false)));
    let mut parts = vec![lines.collect::<String>(), changes(host, words), why(host, words)];
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() {
        parts.push(format!("{}\n", words.nothing_further()));
    }
    let name = code(&host.host, false);
    format!(
        "\n## {name} {}\n\n{}",
        prose(words.status(host.status)),
        parts.join("\n")
    )
}

/// What became of each change.
fn changes(host: &HostReport, words: &dyn Words) -> String {
    let mut out = String::new();
    if host.changes.is_empty() {
        return out;
    }
    let mut changes: Vec<&Change> = host.changes.iter().collect();
    changes.sort_by_key(|change| (change.component, place_in_stroke(change.kind)));
    let rows = changes.into_iter().map(|change| {
        let what = code(&object(&change.object, words), true);
        let what = match &change.object {
            Object::Lines { lines, .. } => {
                let lines: Vec<String> = lines.iter().map(|line| code(&line.to_string(), true)).collect();
                format!("{what} {}", lines.join(" "))
            }
            _ => what,
        };
        vec![
            short_id(change.action),
            prose(words.kind(change.kind)),
            what,
            code(&account::state(change, words), true),
            words.undo_way(change.undo).to_owned(),
        ]
    });
    let heading = [
        Label::Action,
        Label::Kind,
        Label::Object,
        Label::Outcome,
        Label::WayBack,
    ];
    table(&mut out, &heading.map(|label| words.label(label)), rows);
    out
}

/// The findings that the verdict and the changes rest on; of a clean host what explains it.
fn why(host: &HostReport, words: &dyn Words) -> String {
    let is_clean = host.verdict == Some(HostVerdict::Clean);
    let decides = |finding: &&Finding| match finding.bearing {
        Bearing::Benign => is_clean,
        Bearing::Condemns | Bearing::Weighs => !is_clean,
        Bearing::Review | Bearing::Returned | Bearing::Quiet => false,
    };
    let stated = host.findings.iter().map(|stated| &stated.finding);
    let decisive: Vec<&Finding> = stated.filter(decides).collect();
    if decisive.is_empty() {
        return String::new();
    }
    let mut out = format!("{}\n\n", words.why_lead());
    for finding in decisive.iter().take(FINDINGS) {
        let about = code(&about(&finding.artifact, words), false);
        let mut said = sentence_with(finding, words, prose_without_quotes, |field| code(field, false));
        if finding.points != 0 {
            said = words.aside(&said, &prose(&words.points(finding.points)));
        }
        if let Some(rule) = &finding.rule {
            said = words.commas(&[said, code(rule, false)]);
        }
        let _ = writeln!(out, "- {}", words.of(&about, &said));
    }
    if decisive.len() > FINDINGS {
        let _ = writeln!(out, "- {}", words.more((decisive.len() - FINDINGS) as u64));
    }
    out
}

fn table(out: &mut String, heading: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(out, "| {} |", heading.join(" | "));
    let _ = writeln!(out, "|{}", " --- |".repeat(heading.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
}

/// Words of ours, or of a playbook's author, with every sign that Markdown reads escaped.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' | '@' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// A rule's words between its values: the quotes that a rule puts around a value are made by the code span.
fn prose_without_quotes(text: &str) -> String {
    prose(text.trim_start_matches('`').trim_end_matches('`'))
}

/// A value, or a text that holds values, as a code span; bounded. In a table a bar is escaped, as tables want it.
fn code(text: &str, in_table: bool) -> String {
    let text = plain(text);
    let text = cut(&text, VALUE);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = match text.is_empty() || text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) {
        true => " ",
        false => "",
    };
    let text = if in_table {
        without_bars(&text)
    } else {
        text.into_owned()
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Bars as a table takes them; one behind a backslash would end the cell all the same and is written `\x7c`.
fn without_bars(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' if out.ends_with('\\') => out.push_str("\\x7c"),
            '|' => out.push_str("\\|"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_spans_hold_what_is_in_them() {
        let rows = [
            ("plain", "a b", false, "`a b`"),
            ("ticks", "a `b` ``c", false, "```a `b` ``c```"),
            ("tick at the end", "`", false, "`` ` ``"),
            ("bar", "a|b", true, "`a\\|b`"),
            ("bar behind a backslash", "a\\|b", true, "`a\\\\x7cb`"),
            ("line feed", "a\nb", false, "`a\\x0ab`"),
            (
                "link",
                "http://evil.example/ @ops",
                false,
                "`http://evil.example/ @ops`",
            ),
        ];
        for (name, text, in_table, expected) in rows {
            assert_eq!(code(text, in_table), expected, "{name}");
        }
    }

    #[test]
    fn prose_is_no_markup() {
        assert_eq!(
            prose("<b> *a* [x](y) | #1 {{ 7*7 }}"),
            "&lt;b&gt; \\*a\\* \\[x\\](y) \\| \\#1 \\{\\{ 7\\*7 \\}\\}"
        );
    }
}
