//! What came of tests: a line a case, what differs, what no case took.

use std::fmt::Write;

use serde_json::{Value, json};
use similar::TextDiff;

use super::Style;
use super::plain::{plain, plain_lines, shell_word};
use super::style::{Tone, padded};
use super::words::{CaseEnd, Label, Lang, Words};
use crate::commands::test::{Ended, Results, Wrong};

/// Lines around what differs.
const AROUND: usize = 2;

/// Branches that are named.
const NAMED: usize = 12;

/// The column behind the word of a case, and of the last lines.
const CASE_COLUMN: usize = 6;
const COLUMN: usize = 9;
const NEVER_COLUMN: usize = 7;

/// For people.
pub(crate) fn text(results: &Results, style: &Style) -> String {
    let words = style.words();
    let mut out = String::new();
    for case in &results.cases {
        let (end, tone) = end(case);
        let word = style.paint(tone, padded(words.case_end(end), CASE_COLUMN));
        let seconds = words.seconds(&format!("{:.2}", case.took.as_secs_f64()));
        let (file, name) = (plain(&case.file), plain(&case.name));
        let _ = writeln!(out, "{word}{file}:{}  {name}  {seconds}", case.line);
        for wrong in &case.wrong {
            for line in told(wrong, words).lines() {
                let _ = writeln!(out, "      {line}");
            }
        }
        for file in &case.accepted {
            let _ = writeln!(out, "      {}", words.snapshot_written(&plain(file)));
        }
    }
    let took = words.seconds(&format!("{:.2}", results.took.as_secs_f64()));
    let _ = writeln!(out, "\n{}", words.cases(results.cases.len(), count(results), &took));
    let lead = |label: Label| padded(words.label(label), COLUMN);
    for (playbook, covered) in &results.covered {
        let steps = covered.steps.iter().map(|(name, taken)| (name.clone(), *taken));
        let branches = covered.branches.iter();
        let branches = branches.map(|(step, way, taken)| (words.branch(step, *way), *taken));
        let (steps, branches): (Vec<_>, Vec<_>) = (steps.collect(), branches.collect());
        let taken = |rows: &[(String, bool)]| [rows.iter().filter(|(_, taken)| *taken).count(), rows.len()];
        let covered = words.covered(&plain(playbook), taken(&steps), taken(&branches));
        let _ = writeln!(out, "{}{covered}", lead(Label::Covered));
        let never = steps.into_iter().chain(branches).filter(|(_, taken)| !taken);
        let mut never: Vec<String> = never.map(|(name, _)| name).collect();
        let more = never.len().saturating_sub(NAMED);
        never.truncate(NAMED);
        if more > 0 {
            never.push(words.more(more as u64));
        }
        if !never.is_empty() {
            let lead = format!("  {}", padded(words.label(Label::Never), NEVER_COLUMN));
            out.push_str(&style.hang(&lead, &words.clauses(&never)));
        }
    }
    if results.cases.iter().any(|case| end(case).0 == CaseEnd::Differs) {
        let next = lead(Label::Next);
        let paths = results
            .paths
            .iter()
            .map(|path| shell_word(&plain(&path.to_string_lossy())));
        let command: Vec<String> = std::iter::once("deminer test".to_owned()).chain(paths).collect();
        let _ = writeln!(out, "{next}{} --accept  {}", command.join(" "), words.accepts());
    }
    out
}

/// How a case ended.
fn end(case: &Ended) -> (CaseEnd, Tone) {
    let differs = case.wrong.iter().any(|wrong| matches!(wrong, Wrong::Differs { .. }));
    match (case.wrong.is_empty(), differs) {
        (true, _) if case.accepted.is_empty() => (CaseEnd::Right, Tone::Good),
        (true, _) => (CaseEnd::New, Tone::Good),
        (false, true) => (CaseEnd::Differs, Tone::Bad),
        (false, false) => (CaseEnd::Wrong, Tone::Bad),
    }
}

fn count(results: &Results) -> usize {
    results.cases.iter().filter(|case| !case.wrong.is_empty()).count()
}

/// What is wrong, in lines.
fn told(wrong: &Wrong, words: &dyn Words) -> String {
    match wrong {
        Wrong::Failed(why) => plain_lines(why),
        Wrong::NotRecorded { host, query } => words.not_recorded(&plain(host), &plain(query)),
        Wrong::NotPlanned { host, why } => plain_lines(&words.no_plan_of(&plain(host), why)),
        Wrong::Other { what, wanted, came } => {
            let (what, wanted, came) = (words.aspect(what), words.side(wanted), words.side(came));
            format!("{}\n  - {}\n  + {}", plain(&what), plain(&wanted), plain(&came))
        }
        Wrong::Differs {
            shot, file, was: None, ..
        } => words.no_snapshot(shot, &plain(file)),
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

/// For programs; the same in every language.
pub(crate) fn json(results: &Results) -> Value {
    let words = Lang::En.words();
    let wrong = |wrong: &Wrong| match wrong {
        Wrong::Failed(why) => json!({"wrong": "failed", "why": why}),
        Wrong::NotRecorded { host, query } => {
            json!({"wrong": "failed", "why": words.not_recorded(host, query)})
        }
        Wrong::NotPlanned { host, why } => json!({"wrong": "failed", "why": words.no_plan_of(host, why)}),
        Wrong::Other { what, wanted, came } => {
            let (what, wanted, came) = (words.aspect(what), words.side(wanted), words.side(came));
            json!({"wrong": "other", "what": what, "wanted": wanted, "came": came})
        }
        Wrong::Differs { shot, file, .. } => {
            json!({"wrong": "differs", "snapshot": shot, "file": file, "diff": told(wrong, words)})
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
    let row = |name: &str, taken: bool| json!({"name": name, "taken": taken});
    let covered = results.covered.iter().map(|(playbook, covered)| {
        let steps = covered.steps.iter().map(|(name, taken)| row(name, *taken));
        let branches = covered.branches.iter();
        let branches = branches.map(|(step, way, taken)| row(&words.branch(step, *way), *taken));
        json!({
            "playbook": playbook,
            "steps": steps.collect::<Vec<_>>(),
            "branches": branches.collect::<Vec<_>>(),
        })
    });
    json!({
        "cases": cases.collect::<Vec<_>>(),
        "right": results.cases.len() - count(results),
        "wrong": count(results),
        "covered": covered.collect::<Vec<_>>(),
        "took_ms": results.took.as_millis() as u64,
    })
}

/// For servers that run tests: the XML of JUnit, one suite a file, the same in every language.
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
    let told: Vec<String> = case.wrong.iter().map(|wrong| told(wrong, Lang::En.words())).collect();
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
    use crate::commands::test::{Aspect, Branch, Covered, Side};

    /// Every way in which a case can end, and a thing can be wrong.
    fn results() -> Results {
        let case = |name: &str, wrong| Ended {
            file: "p/x.test.yml".to_owned(),
            line: 3,
            name: name.to_owned(),
            wrong,
            accepted: Vec::new(),
            took: Duration::from_millis(20),
        };
        let shot = |was: Option<&str>| Wrong::Differs {
            shot: "plan",
            file: "p/snapshots/x__b.plan.snap".to_owned(),
            was: was.map(str::to_owned),
            is: "one\nkill <2>\nthree\u{1b}[2J".to_owned(),
        };
        let host = || "web-1".to_owned();
        let word = |word: &str| Side::Word(word.to_owned());
        let acts = vec![
            ("remove_file", "/srv/a".to_owned()),
            ("edit_lines", "/srv/b".to_owned()),
        ];
        let failed = Side::Failed {
            place: "gather 2".to_owned(),
            why: "it is not \u{1b}there".to_owned(),
        };
        let others = [
            (Aspect::Verdict(host()), word("infected"), Side::None),
            (Aspect::Status(host()), word("eradicated"), word("partial")),
            (Aspect::Actions("kill".to_owned()), word("3"), word("2")),
            (Aspect::Finding("argv.options".to_owned()), Side::Yes, Side::No),
            (Aspect::Below("/srv".to_owned()), Side::Nothing, Side::Acts(acts)),
            (Aspect::Stopped(host()), word("no miner"), Side::Through),
            (Aspect::Stopped(host()), word("no miner"), failed),
            (Aspect::Refused, word("signed"), Side::NotRefused),
        ];
        let others = others.map(|(what, wanted, came)| Wrong::Other { what, wanted, came });
        let mut wrong = vec![
            Wrong::Failed("p/none.yml: no such file".to_owned()),
            Wrong::NotRecorded {
                host: host(),
                query: "{\"list\":\"/srv\"}".to_owned(),
            },
            Wrong::NotPlanned {
                host: host(),
                why: "it was lost".to_owned(),
            },
        ];
        wrong.extend(others);
        let accepted = Ended {
            accepted: vec!["p/snapshots/x__e.plan.snap".to_owned()],
            ..case("e", Vec::new())
        };
        let ways = [
            Branch::Stops,
            Branch::GoesOn,
            Branch::Holds,
            Branch::HoldsNot,
            Branch::FailsAndGoesOn,
        ];
        let ways = ways.into_iter().cycle().take(14);
        let covered = Covered {
            steps: vec![("gather users".to_owned(), true)],
            branches: ways
                .enumerate()
                .map(|(at, way)| (format!("gather {at}"), way, at == 0))
                .collect(),
        };
        Results {
            cases: vec![
                case("a", Vec::new()),
                case("b \"& more\"", vec![shot(Some("one\nkill 3\nthree"))]),
                case("c", vec![shot(None)]),
                case("d", wrong),
                accepted,
            ],
            covered: BTreeMap::from([("p/x.yml".to_owned(), covered)]),
            took: Duration::from_millis(40),
            paths: vec!["playbooks".into()],
        }
    }

    #[test]
    fn what_came_of_tests() {
        insta::assert_snapshot!("tests", text(&results(), &Style::PLAIN));
        insta::assert_snapshot!("tests_zh", text(&results(), &Style::CHINESE));
    }

    #[test]
    fn junit_is_whole_xml() {
        let xml = junit(&results());
        assert!(xml.contains("name=\"b &quot;&amp; more&quot;\""), "{xml}");
        assert!(xml.contains("+kill &lt;2&gt;"), "{xml}");
        assert_eq!(xml.matches("<testcase ").count(), 5);
        assert_eq!(xml.matches("</testcase>").count(), 3);
    }
}
