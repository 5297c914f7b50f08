//! The account for tickets. Values of hosts stand in code spans: there they are no link, no mention and no markup.

use std::fmt::Write as _;

use deminer_engine::event::Seen;
use deminer_engine::finding::{Bearing, Finding, HostVerdict};
use deminer_engine::report::{HostReport, Object, Report, UndoWay};
use deminer_engine::status::Status;

use super::super::object::{object, short_id};
use super::super::plain::{cut, plain, sentence_with};
use super::super::plan::about;
use super::super::unit::{and, count, size, span};
use super::{NAMED, account, first, heading, next, removed, rows, stays, times, watched};

/// Columns of a value.
const VALUE: usize = 600;

/// Findings of one host that decide or must be looked at.
const FINDINGS: usize = 100;

/// The account as Markdown with tables.
pub(crate) fn markdown(report: &Report) -> String {
    let mut out = format!("# {}\n\n", prose(&title(report)));
    for line in first(report) {
        let _ = writeln!(out, "> {}\n", prose(&line));
    }
    for (word, text) in summary(report) {
        let _ = writeln!(out, "- **{word}** {text}");
    }
    out.push_str("\n## Hosts\n\n");
    let (heading, rows) = rows(report);
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
        out.push_str(&section(host));
    }
    let steps = next::steps(report);
    if !steps.is_empty() {
        out.push_str("\n## Next\n\n");
        for step in steps {
            let command = step
                .command
                .map(|command| format!("{}: ", code(&command, false)))
                .unwrap_or_default();
            let _ = writeln!(out, "- {command}{}", prose(&step.why));
        }
    }
    out.push_str("\n## What this rests on\n\n");
    let _ = writeln!(
        out,
        "{}\n",
        prose(&format!("{}. Deminer {}.", heading_of(report), plain(&report.version)))
    );
    table(
        &mut out,
        &["journal", "lines", "last hash", "end"],
        report.journals.iter().map(|journal| {
            let name = match &journal.host {
                Some(host) => code(host, true),
                None => "the run".to_owned(),
            };
            let end = match (&journal.not_used, &journal.end) {
                (Some(_), _) => "not used".to_owned(),
                (None, deminer_engine::journal::ChainEnd::Whole) => "whole".to_owned(),
                (None, deminer_engine::journal::ChainEnd::Torn { bytes }) => format!("torn, {} dropped", size(*bytes)),
                (None, deminer_engine::journal::ChainEnd::Broken { line, .. }) => format!("broken at line {line}"),
            };
            vec![name, journal.lines.to_string(), journal.head.short(), prose(&end)]
        }),
    );
    out
}

fn heading_of(report: &Report) -> String {
    let mut text = heading(report);
    if let Some(first) = text.get(..1).map(str::to_uppercase) {
        text.replace_range(..1, &first);
    }
    text
}

/// The run in one line, what needs a person first.
fn title(report: &Report) -> String {
    let mut parts = Vec::new();
    for status in Status::ALL {
        let hosts: Vec<String> = report
            .hosts
            .iter()
            .filter(|host| host.status == status)
            .map(|host| plain(&host.host).into_owned())
            .collect();
        if hosts.is_empty() {
            continue;
        }
        let hosts = match hosts.len() > NAMED {
            true => format!("{} hosts", hosts.len()),
            false => and(&hosts),
        };
        parts.push(match status {
            Status::Eradicated => format!("miner removed from {hosts}"),
            Status::Proposed => format!("miner found on {hosts}, nothing changed there"),
            Status::Returned => format!("miner returned on {hosts}"),
            other => format!("{hosts} {other}"),
        });
    }
    let changed = report.hosts.iter().filter(|host| host.tally.done > 0);
    let all_quiet = changed
        .clone()
        .all(|host| host.verify.as_ref().is_some_and(|verify| verify.seen == Seen::Clean));
    if let Some(watched) = report.headline.watched_ms.filter(|_| all_quiet && changed.count() > 0) {
        parts.push(format!("no return in {}", span(watched)));
    }
    if super::is_infected(report) {
        parts.push("way in not known".to_owned());
    }
    if parts.is_empty() {
        parts.push("no host was heard of".to_owned());
    }
    let mut title = parts.join("; ");
    if report.unfinished() {
        title.push_str("; not through");
    }
    if title.starts_with("miner") {
        title.replace_range(..1, "M");
    }
    title
}

fn summary(report: &Report) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let removed = removed(report);
    if !removed.is_empty() {
        lines.push(("Removed", prose(&and(&removed))));
    }
    lines.extend(watched(report).map(|text| ("Watched", prose(text.trim_start_matches("Watched ")))));
    lines.extend(times(report, |path| code(&path.to_string(), false)).map(|text| ("Times", text)));
    let kept = report.counts.kept;
    if kept.items > 0 {
        let items = count(u64::from(kept.items), "item", "items");
        lines.push(("Kept", prose(&format!("{items}, {}, read back", size(kept.bytes.0)))));
    }
    let gaps = report.counts.material_gaps;
    if gaps > 0 {
        lines.push((
            "Not seen",
            prose(&format!("{}, below", count(u64::from(gaps), "thing", "things"))),
        ));
    }
    if report.counts.reviews > 0 {
        let reviews = count(u64::from(report.counts.reviews), "finding", "findings");
        lines.push(("Look at", prose(&format!("{reviews}, below"))));
    }
    if super::is_infected(report) {
        lines.push(("Open", "way in not known, so it may return".to_owned()));
    }
    if report.counts.frozen > 0 {
        lines.push(("Frozen now", report.counts.frozen.to_string()));
    }
    lines.extend(
        stays(report)
            .iter()
            .map(|text| ("Stays", prose(text.trim_start_matches("Stays: ")))),
    );
    lines.push(("By", "what these hosts' own kernels showed".to_owned()));
    lines
}

fn section(host: &HostReport) -> String {
    let lines = account::lines(host);
    let lines = lines
        .iter()
        .map(|(word, text)| format!("- **{word}** {}\n", code(text, false)));
    let mut parts = vec![lines.collect::<String>(), changes(host), why(host)];
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() {
        parts.push("Nothing further.\n".to_owned());
    }
    let name = code(&host.host, false);
    format!(
        "\n## {name} {}\n\n{}",
        prose(&host.status.to_string()),
        parts.join("\n")
    )
}

/// What became of each change.
fn changes(host: &HostReport) -> String {
    let mut out = String::new();
    if host.changes.is_empty() {
        return out;
    }
    let rows = host.changes.iter().map(|change| {
        let what = code(&object(&change.object), true);
        let what = match &change.object {
            Object::Lines { lines, .. } => {
                let lines: Vec<String> = lines.iter().map(|line| code(&line.to_string(), true)).collect();
                format!("{what} {}", lines.join(" "))
            }
            _ => what,
        };
        let undo = match change.undo {
            UndoWay::Nothing => "-",
            UndoWay::None => "none",
            UndoWay::AtOnce => "at once",
            UndoWay::FromVault => "from the vault",
        };
        let state = code(&account::state(change), true);
        vec![
            short_id(change.action),
            prose(change.kind),
            what,
            state,
            undo.to_owned(),
        ]
    });
    table(
        &mut out,
        &["action", "kind", "object", "what became of it", "way back"],
        rows,
    );
    out
}

/// The findings that the verdict and the changes rest on; of a clean host what explains it.
fn why(host: &HostReport) -> String {
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
    let mut out = String::from("Why:\n\n");
    for finding in decisive.iter().take(FINDINGS) {
        let about = code(&about(&finding.artifact), false);
        let points = match finding.points {
            0 => String::new(),
            points => format!(" ({points:+} points)"),
        };
        let rule = finding.rule.as_ref().map(|rule| format!(", {}", code(rule, false)));
        let said = sentence_with(finding, prose_without_quotes, |field| code(field, false));
        let _ = writeln!(out, "- {about}: {said}{}{}", prose(&points), rule.unwrap_or_default());
    }
    if decisive.len() > FINDINGS {
        let _ = writeln!(out, "- and {} more", decisive.len() - FINDINGS);
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
