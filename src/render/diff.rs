//! The lines that an edit takes out of a file, with what stands around them and stays.

use std::collections::BTreeMap;

use deminer_engine::plan::{Around, HostPlan, NearLine};
use deminer_worker::action::{Action, LineTarget};
use deminer_worker::text::HostBytes;

use super::Style;
use super::plain::{CUT, cut};
use super::style::Tone;
use super::words::Words;

/// Columns of a line that is shown in part.
const LINE_COLUMNS: usize = 180;

/// Columns of a line's number.
const NUMBER_COLUMNS: usize = 4;

/// How much is shown. No line that goes is ever left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What goes, byte for byte.
    Whole,
    /// The beginning of each line; what stays only where there are no more than so many lines in all.
    Lines(usize),
}

/// A line of the file that is shown.
enum Shown<'a> {
    Goes(&'a HostBytes),
    Stays(&'a NearLine),
}

/// The lines, each behind its sign and number; `indent` blanks before all.
pub(crate) fn lines(
    host: &HostPlan,
    action: &Action,
    remove: &[LineTarget],
    extent: Extent,
    indent: usize,
    style: &Style,
) -> String {
    let words = style.words();
    let around = host.around.get(&action.id);
    let mut shown: BTreeMap<u32, Shown<'_>> = BTreeMap::new();
    for near in around.iter().flat_map(|around| &around.near) {
        shown.insert(near.number, Shown::Stays(near));
    }
    // What goes is shown as what goes, whatever else was said of the line.
    for target in remove {
        shown.insert(target.number, Shown::Goes(&target.line));
    }
    if let Extent::Lines(limit) = extent
        && shown.len() > limit
    {
        shown.retain(|_, line| matches!(line, Shown::Goes(_)));
    }
    let blanks = " ".repeat(indent);
    let mut out = String::new();
    let mut before = None;
    for (number, line) in &shown {
        if before.is_some_and(|before| number - before > 1) {
            out.push_str(&format!("{blanks}  {:>NUMBER_COLUMNS$}\n", "..."));
        }
        let (sign, text) = match line {
            Shown::Goes(line) => ("-", goes(line, extent)),
            Shown::Stays(near) => (" ", stays(near, words)),
        };
        let numbered = format!("{sign} {number:>NUMBER_COLUMNS$}");
        let numbered = match sign {
            "-" => style.paint(Tone::Bad, numbered),
            _ => numbered,
        };
        out.push_str(format!("{blanks}{numbered} | {text}").trim_end());
        out.push('\n');
        before = Some(*number);
    }
    out
}

/// The same as rows of sign, number and text, whole.
pub(crate) fn rows(
    host: &HostPlan,
    action: &Action,
    remove: &[LineTarget],
    words: &dyn Words,
) -> Vec<(&'static str, u32, String)> {
    let near = host.around.get(&action.id).into_iter().flat_map(|around| &around.near);
    let near = near.filter(|near| remove.iter().all(|target| target.number != near.number));
    let stays = near.map(|near| (" ", near.number, stays(near, words)));
    let goes = remove
        .iter()
        .map(|target| ("-", target.number, goes(&target.line, Extent::Whole)));
    let mut rows: Vec<_> = stays.chain(goes).collect();
    rows.sort_by_key(|row| row.1);
    rows
}

fn goes(line: &HostBytes, extent: Extent) -> String {
    let text = line.to_string();
    match extent {
        Extent::Whole => text,
        Extent::Lines(_) => cut(&text, LINE_COLUMNS).into_owned(),
    }
}

fn stays(near: &NearLine, words: &dyn Words) -> String {
    let Some(line) = &near.line else {
        return words.withheld().to_owned();
    };
    let text = line.to_string();
    match cut(&text, LINE_COLUMNS) {
        whole if near.cut && whole == text.as_str() => format!("{whole}{CUT}"),
        shown => shown.into_owned(),
    }
}

/// Which lines of how many.
pub(crate) fn which(around: Option<&Around>, remove: &[LineTarget], words: &dyn Words) -> String {
    let numbers: Vec<u32> = remove.iter().map(|target| target.number).collect();
    match around {
        Some(around) => words.lines_of_all(&numbers, around.lines),
        None => words.lines(&numbers),
    }
}

#[cfg(test)]
mod tests {
    use deminer_worker::action::Act;

    use super::*;
    use crate::render::sample;

    /// The diffs of all edits of a plan.
    fn diffs(plan: &deminer_engine::plan::Plan, extent: Extent, style: &Style) -> String {
        let mut out = String::new();
        for host in plan.hosts() {
            for action in &host.orders.actions {
                if let Act::EditLines { remove, .. } = &action.act {
                    out.push_str(&lines(host, action, remove, extent, 2, style));
                }
            }
        }
        out
    }

    #[test]
    fn what_goes_stands_among_what_stays() {
        insta::assert_snapshot!("diff", diffs(&sample::acts_plan(), Extent::Whole, &Style::PLAIN));
        let some = diffs(&sample::acts_plan(), Extent::Lines(3), &Style::CHINESE);
        insta::assert_snapshot!("diff_zh", some);
    }

    #[test]
    fn what_a_host_wrote_stays_in_its_line() {
        let text = diffs(&sample::hostile_plan(), Extent::Lines(40), &Style::PLAIN);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.lines().all(|line| line.len() < 300), "{text}");
        let whole = diffs(&sample::hostile_plan(), Extent::Whole, &Style::PLAIN);
        assert!(whole.contains(&"A".repeat(128 << 10)));
    }

    #[test]
    fn colour_repeats_the_sign() {
        let style = Style {
            color: true,
            ..Style::PLAIN
        };
        let coloured = diffs(&sample::plan(), Extent::Whole, &style);
        assert!(coloured.contains("\x1b[31m-    3\x1b[0m | "), "{coloured}");
    }
}
