//! What came of tests: a line a case, what differs, what no case took.

use std::fmt::Write;

use serde_json::{Value, json};
use similar::TextDiff;

use super::Style;
use super::plain::{plain, plain_lines};
use super::style::Tone;
use crate::commands::test::{Ended, Results, Wrong};

/// Lines around what differs.
const AROUND: usize = 2;

/// Branches that are named.
const NAMED: usize = 12;

/// For people.
pub(crate) fn text(results: &Results, style: &Style) -> String {
    let mut out = String::new();
    for case in &results.cases {
        let differs = case.wrong.iter().any(|wrong| matches!(wrong, Wrong::Differs { .. }));
        let word = match (case.wrong.is_empty(), differs) {
            (true, _) if !case.accepted.is_empty() => style.paint(Tone::Good, "new   "),
            (true, _) => style.paint(Tone::Good, "ok    "),
            (false, true) => style.paint(Tone::Bad, "DIFF  "),
            (false, false) => style.paint(Tone::Bad, "WRONG "),
        };
        let seconds = case.took.as_secs_f64();
        let (file, name) = (plain(&case.file), plain(&case.name));
        let _ = writeln!(out, "{word}{file}:{}  {name}  {seconds:.2} s", case.line);
        for wrong in &case.wrong {
            for line in told(wrong).lines() {
                let _ = writeln!(out, "      {line}");
            }
        }
        for file in &case.accepted {
            let _ = writeln!(out, "      written: {}", plain(file));
        }
    }
    let (all, wrong) = (results.cases.len(), count(results));
    let cases = if all == 1 { "case" } else { "cases" };
    let _ = write!(out, "\n{all} {cases}: {} right", all - wrong);
    if wrong > 0 {
        let _ = write!(out, ", {wrong} wrong");
    }
    let _ = writeln!(out, "; {:.2} s", results.took.as_secs_f64());
    for (playbook, covered) in &results.covered {
        let taken = |rows: &[(String, bool)]| rows.iter().filter(|(_, taken)| *taken).count();
        let _ = writeln!(
            out,
            "covered  {}: steps {} of {}, branches {} of {}",
            plain(playbook),
            taken(&covered.steps),
            covered.steps.len(),
            taken(&covered.branches),
            covered.branches.len(),
        );
        let never = covered
            .steps
            .iter()
            .chain(&covered.branches)
            .filter(|(_, taken)| !taken);
        let never: Vec<&str> = never.map(|(name, _)| name.as_str()).collect();
        if !never.is_empty() {
            let more = never.len().saturating_sub(NAMED);
            let more = if more > 0 {
                format!("; and {more} more")
            } else {
                String::new()
            };
            let named = never[..never.len().min(NAMED)].join("; ");
            out.push_str(&style.hang("  never  ", &format!("{named}{more}")));
        }
    }
    if results
        .cases
        .iter()
        .flat_map(|case| &case.wrong)
        .any(|wrong| matches!(wrong, Wrong::Differs { .. }))
    {
        out.push_str("next     deminer test --accept  takes what came out, or `cargo insta review` one by one\n");
    }
    out
}

fn count(results: &Results) -> usize {
    results.cases.iter().filter(|case| !case.wrong.is_empty()).count()
}

/// What is wrong, in lines.
fn told(wrong: &Wrong) -> String {
    match wrong {
        Wrong::Failed(why) => plain_lines(why),
        Wrong::Other { what, wanted, came } => {
            format!("{}\n  - {}\n  + {}", plain(what), plain(wanted), plain(came))
        }
        Wrong::Differs {
            shot, file, was: None, ..
        } => format!("{shot}: there is no {} yet", plain(file)),
        Wrong::Differs {
            shot,
            file,
            was: Some(was),
            is,
        } => {
            let (was, is) = (format!("{was}\n"), format!("{is}\n"));
            let diff = TextDiff::from_lines(&was, &is);
            let diff = diff.unified_diff().context_radius(AROUND).to_string();
            format!("{shot}: {}\n{}", plain(file), plain_lines(&diff))
        }
    }
}

/// For programs.
pub(crate) fn json(results: &Results) -> Value {
    let wrong = |wrong: &Wrong| match wrong {
        Wrong::Failed(why) => json!({"wrong": "failed", "why": why}),
        Wrong::Other { what, wanted, came } => {
            json!({"wrong": "other", "what": what, "wanted": wanted, "came": came})
        }
        Wrong::Differs { shot, file, .. } => {
            json!({"wrong": "differs", "snapshot": shot, "file": file, "diff": told(wrong)})
        }
    };
    let cases = results.cases.iter().map(|case| {
        json!({
            "file": case.file,
            "line": case.line,
            "name": case.name,
            "right": case.wrong.is_empty(),
            "wrong": case.wrong.iter().map(wrong).collect::<Vec<_>>(),
            "accepted": case.accepted,
            "took_ms": case.took.as_millis() as u64,
        })
    });
    let rows = |rows: &[(String, bool)]| {
        let rows = rows.iter().map(|(name, taken)| json!({"name": name, "taken": taken}));
        rows.collect::<Vec<_>>()
    };
    let covered = results.covered.iter().map(|(playbook, covered)| {
        json!({"playbook": playbook, "steps": rows(&covered.steps), "branches": rows(&covered.branches)})
    });
    json!({
        "cases": cases.collect::<Vec<_>>(),
        "right": results.cases.len() - count(results),
        "wrong": count(results),
        "covered": covered.collect::<Vec<_>>(),
        "took_ms": results.took.as_millis() as u64,
    })
}

/// For servers that run tests: the XML of JUnit, one suite a file.
pub(crate) fn junit(results: &Results) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (all, wrong, took) = (results.cases.len(), count(results), results.took.as_secs_f64());
    let _ = writeln!(
        out,
        "<testsuites tests=\"{all}\" failures=\"{wrong}\" time=\"{took:.3}\">"
    );
    for cases in results.cases.chunk_by(|one, other| one.file == other.file) {
        let file = escaped(&cases[0].file);
        let wrong = cases.iter().filter(|case| !case.wrong.is_empty()).count();
        let took: f64 = cases.iter().map(|case| case.took.as_secs_f64()).sum();
        let all = cases.len();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{file}\" tests=\"{all}\" failures=\"{wrong}\" time=\"{took:.3}\">"
        );
        for case in cases {
            one(case, &file, &mut out);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn one(case: &Ended, file: &str, out: &mut String) {
    let (name, line, took) = (escaped(&case.name), case.line, case.took.as_secs_f64());
    let _ = write!(
        out,
        "    <testcase classname=\"{file}\" name=\"{name}\" file=\"{file}\" line=\"{line}\" time=\"{took:.3}\""
    );
    if case.wrong.is_empty() {
        out.push_str("/>\n");
        return;
    }
    let told: Vec<String> = case.wrong.iter().map(told).collect();
    let told = told.join("\n");
    let first = told.lines().next().unwrap_or_default();
    let _ = writeln!(
        out,
        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
        escaped(first),
        escaped(&told)
    );
}

/// What XML takes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    fn results() -> Results {
        let case = |name: &str, wrong| Ended {
            file: "p/x.test.yml".to_owned(),
            line: 3,
            name: name.to_owned(),
            wrong,
            accepted: Vec::new(),
            took: Duration::from_millis(20),
        };
        let differs = Wrong::Differs {
            shot: "plan",
            file: "p/snapshots/x__b.plan.snap".to_owned(),
            was: Some("one\nkill 3\nthree".to_owned()),
            is: "one\nkill <2>\nthree\u{1b}[2J".to_owned(),
        };
        Results {
            cases: vec![case("a", Vec::new()), case("b \"& more\"", vec![differs])],
            covered: BTreeMap::new(),
            took: Duration::from_millis(40),
        }
    }

    #[test]
    fn what_differs_is_shown_line_by_line() {
        let text = text(&results(), &Style::PLAIN);
        assert!(text.contains("ok    p/x.test.yml:3  a  0.02 s"), "{text}");
        assert!(text.contains("      -kill 3\n"), "{text}");
        assert!(text.contains("      +kill <2>\n"), "{text}");
        assert!(text.contains("2 cases: 1 right, 1 wrong"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn junit_is_whole_xml() {
        let xml = junit(&results());
        assert!(xml.contains("name=\"b &quot;&amp; more&quot;\""), "{xml}");
        assert!(xml.contains("+kill &lt;2&gt;"), "{xml}");
        assert_eq!(xml.matches("<testcase ").count(), 2);
        assert_eq!(xml.matches("</testcase>").count(), 1);
    }
}
