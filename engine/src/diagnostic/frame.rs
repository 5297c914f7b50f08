//! A mistake as a screen shows it: the sentence, the place, the line with a caret under what is meant.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Diagnostic, Severity, Texts};
use crate::playbook::Span;

/// A tab in a shown line takes so many columns.
const TAB: usize = 4;
/// A longer line is cut around its caret.
const LINE_COLUMNS: usize = 140;
/// What is left of a cut line before the caret.
const LEAD_COLUMNS: usize = 60;

/// Where a span begins, as people count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1.
    pub(super) line: usize,
    /// In characters, from 1.
    pub(super) column: usize,
}

/// The place of a span's first byte; one past the end is the end.
pub(super) fn place(text: &str, span: Span) -> Place {
    let start = boundary(text, span.start);
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place {
        line: before.bytes().filter(|b| *b == b'\n').count() + 1,
        column: text[line_start..start].trim_start_matches('\u{feff}').chars().count() + 1,
    }
}

/// The nearest character boundary at or before `at`.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// All mistakes, then the line that counts them.
pub(super) fn render(texts: &Texts, list: &[Diagnostic]) -> String {
    let spans = || {
        list.iter()
            .flat_map(|d| d.span.into_iter().chain(d.labels.iter().map(|l| l.span)))
    };
    let gutter = spans()
        .map(|s| {
            let file = texts.at(s);
            place(file.text, file.local(s)).line.to_string().len()
        })
        .max()
        .unwrap_or(1);
    let mut out = String::new();
    for diagnostic in list {
        one(&mut out, texts, gutter, diagnostic);
    }
    out.push_str(&summary(texts.name(), list));
    out.push('\n');
    out
}

/// `night.yml: 3 errors, no host was touched`.
pub(super) fn summary(file: &str, list: &[Diagnostic]) -> String {
    let count = |severity, word: &str| {
        let n = list.iter().filter(|d| d.severity == severity).count();
        (n > 0).then(|| format!("{n} {word}{}", if n == 1 { "" } else { "s" }))
    };
    let counted: Vec<String> = [count(Severity::Error, "error"), count(Severity::Warning, "warning")]
        .into_iter()
        .flatten()
        .collect();
    match counted.is_empty() {
        true => format!("{file}: no errors, no host was touched"),
        false => {
            let more = list.first().map_or(String::new(), |first| {
                format!("; deminer explain {} says more", first.code)
            });
            format!("{file}: {}, no host was touched{more}", counted.join(", "))
        }
    }
}

fn one(out: &mut String, texts: &Texts, gutter: usize, diagnostic: &Diagnostic) {
    let word = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{word}[{}]: {}", diagnostic.code, diagnostic.message);
    let help = diagnostic.help.as_deref().map(|h| format!("help: {h}"));
    match diagnostic.span {
        Some(span) => {
            let file = texts.at(span);
            let local = file.local(span);
            let _ = writeln!(out, "  --> {}", written(texts, span));
            underlined(out, file.text, gutter, local, '^', help.as_deref().unwrap_or(""));
            if let Some(from) = file.from {
                let _ = writeln!(out, "  included at {}", written(texts, from));
            }
        }
        None => {
            if let Some(help) = help {
                let _ = writeln!(out, "  {help}");
            }
        }
    }
    for label in &diagnostic.labels {
        let file = texts.at(label.span);
        let elsewhere = diagnostic.span.is_none_or(|span| texts.at(span).start != file.start);
        if elsewhere {
            let _ = writeln!(out, "  ::: {}", written(texts, label.span));
        }
        underlined(out, file.text, gutter, file.local(label.span), '-', &label.text);
    }
}

/// `night.yml:7:12`.
fn written(texts: &Texts, span: Span) -> String {
    let file = texts.at(span);
    let at = place(file.text, file.local(span));
    format!("{}:{}:{}", file.name, at.line, at.column)
}

/// The line of a span, and below it the mark with its remark. Of a span over several lines the first is shown.
fn underlined(out: &mut String, text: &str, gutter: usize, span: Span, mark: char, remark: &str) {
    let start = boundary(text, span.start);
    let end = boundary(text, span.end).max(start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line = &text[line_start..line_end];
    let before = drawn(&text[line_start..start]);
    let marked = drawn(text[start..end.min(line_end)].trim_end());
    let after = drawn(text[end.min(line_end)..line_end].trim_end());
    let lead = before.width();
    let columns = marked.width().clamp(1, LINE_COLUMNS);

    let (before, lead) = match drawn(line).width() > LINE_COLUMNS && lead > LEAD_COLUMNS {
        true => {
            let kept = last_columns(&before, LEAD_COLUMNS);
            let lead = kept.width() + 3;
            (format!("...{kept}"), lead)
        }
        false => (before, lead),
    };
    let rest = LINE_COLUMNS.saturating_sub(lead);
    let shown = first_columns(&format!("{marked}{after}"), rest);
    let number = place(text, span).line;
    let _ = writeln!(out, "{number:>gutter$} | {before}{shown}");
    let marks: String = std::iter::repeat_n(mark, columns).collect();
    let remark = if remark.is_empty() {
        String::new()
    } else {
        format!(" {remark}")
    };
    let _ = writeln!(out, "{:>gutter$} | {}{marks}{remark}", "", " ".repeat(lead));
}

/// A piece of the file as it may be shown: tabs as spaces, what a terminal would obey or hide replaced.
fn drawn(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.extend(std::iter::repeat_n(' ', TAB)),
            '\r' | '\u{feff}' => {}
            c if c.is_control() || c.width().unwrap_or(0) == 0 || is_direction_mark(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn first_columns(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut used = 0;
    let mut kept: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= columns
        })
        .collect();
    kept.push_str("...");
    kept
}

fn last_columns(text: &str, columns: usize) -> String {
    let mut used = 0;
    let kept: Vec<char> = text
        .chars()
        .rev()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= columns
        })
        .collect();
    kept.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, Diagnostics};

    fn shown(text: &str, what: &str) -> String {
        let start = text.find(what).unwrap();
        let span = Span {
            start,
            end: start + what.len(),
        };
        let list = vec![Diagnostic::error(Code::UnknownKey, span, "unknown").help("another")];
        Diagnostics::new("a.yml", text, list).text()
    }

    #[test]
    fn a_wide_letter_takes_two_columns_and_a_tab_four() {
        insta::assert_snapshot!(shown("名字: 日本語 # x\n", "日本"), @"
        error[P0002]: unknown
          --> a.yml:1:5
        1 | 名字: 日本語 # x
          |       ^^^^ help: another
        a.yml: 1 error, no host was touched; deminer explain P0002 says more
        ");
        insta::assert_snapshot!(shown("\tkey: x\n", "x"), @"
        error[P0002]: unknown
          --> a.yml:1:7
        1 |     key: x
          |          ^ help: another
        a.yml: 1 error, no host was touched; deminer explain P0002 says more
        ");
    }

    #[test]
    fn control_characters_are_not_passed_on() {
        let text = shown("key: a\u{1b}[31mb\u{202e}\n", "key");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    }

    #[test]
    fn a_long_line_is_cut_around_its_caret() {
        let text = shown(&format!("{}needle{}\n", "x".repeat(500), "y".repeat(500)), "needle");
        assert!(text.lines().all(|l| l.width() < 170), "{text}");
        assert!(text.contains("needle"));
    }

    #[test]
    fn any_span_can_be_shown() {
        let text = "é\nx";
        for start in 0..9 {
            for end in 0..9 {
                let list = vec![Diagnostic::error(Code::Yaml, Span { start, end }, "m")];
                assert!(!Diagnostics::new("a", text, list).text().is_empty());
            }
        }
    }
}
