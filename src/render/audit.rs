//! Whether a run's directory is as it was written.

use deminer_engine::audit::{Audit, Problem};

use super::Style;
use super::paste::Paste;
use super::plain::{cut, plain, shell_word};
use super::style::{Tone, padded};
use super::words::{Label, Unsound, Words};

/// Columns of an error.
const WHY: usize = 300;

/// The column of the last lines.
const COLUMN: usize = 10;

/// For people.
pub(crate) fn text(audit: &Audit, named: &str, style: &Style, paste: &Paste<'_>) -> String {
    let words = style.words();
    let mut out = style.hang(
        "",
        &words.audited(&plain(&audit.run), audit.chains, audit.lines, audit.sound),
    );
    for problem in &audit.problems {
        let lead = style.paint(Tone::Bad, words.does_not_hold());
        out.push_str(&style.hang(&format!("{lead}  "), &told(problem, words)));
    }
    if audit.problems.is_empty() {
        out.push_str(&style.hang("", words.all_holds()));
    }
    if !audit.finished {
        out.push_str(&style.hang("", words.may_grow()));
    }
    let label = padded(words.label(Label::LastHash), COLUMN);
    out.push_str(&format!("{label}{}\n", audit.head));
    let next = format!("deminer audit {} --head {}", shell_word(named), audit.head.short());
    out.push_str(&format!(
        "{}{}\n",
        padded(words.label(Label::Next), COLUMN),
        paste.command(&next)
    ));
    out
}

fn told(problem: &Problem, words: &dyn Words) -> String {
    let chain = |host: &Option<String>| match host {
        Some(host) => plain(host).into_owned(),
        None => words.the_run().to_owned(),
    };
    let bounded = |text: &str| cut(&plain(text), WHY).into_owned();
    match problem {
        Problem::Broken { host, line, why } => words.unsound(&Unsound::Broken {
            chain: &chain(host),
            line: *line,
            why: &bounded(why),
        }),
        Problem::Torn { host, bytes } => words.unsound(&Unsound::Torn {
            chain: &chain(host),
            bytes: *bytes,
        }),
        Problem::Stranger { host } => words.unsound(&Unsound::Stranger(&chain(host))),
        Problem::NoChain { host } => words.unsound(&Unsound::NoChain(&plain(host))),
        Problem::Stray { file } => words.unsound(&Unsound::Stray(&bounded(file))),
        Problem::Short { host } => words.unsound(&Unsound::Short(&plain(host))),
        Problem::Plan { expected, found } => words.unsound(&Unsound::Plan {
            expected: &expected.short(),
            found: found.map(|found| found.short()).as_deref(),
        }),
        Problem::HostPlan { host } => words.unsound(&Unsound::HostPlan(&plain(host))),
        Problem::Approval {} => words.unsound(&Unsound::Approval),
        Problem::Signed { file } => words.unsound(&Unsound::Signed(&bounded(file))),
        Problem::Damaged { file, why } => words.unsound(&Unsound::Damaged {
            file: &plain(file),
            why: &bounded(why),
        }),
        Problem::Missing { sha256 } => words.unsound(&Unsound::Missing(&sha256.to_string())),
        Problem::Manifest { line } => words.unsound(&Unsound::Manifest(*line)),
        Problem::Unlisted { sha256, host } => words.unsound(&Unsound::Unlisted {
            sha256: &sha256.short(),
            host: &plain(host),
        }),
        Problem::Claimed { sha256, host } => words.unsound(&Unsound::Claimed {
            sha256: &sha256.short(),
            host: &plain(host),
        }),
        Problem::Head { given } => words.unsound(&Unsound::Head(given)),
    }
}
