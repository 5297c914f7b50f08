//! Condemned lines in a text as it is now: still there, gone, or changed. Pure.

use crate::action::LineTarget;

/// What a line that undo brings back begins with, so that nothing runs it.
pub const DISARMED: &[u8] = b"#deminer-disarmed# ";

/// Where condemned lines stand in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Located {
    /// These lines are to be taken out, as indices into [`split`]; targets that are gone are left out.
    There(Vec<usize>),
    /// None of them stands there any more, and nothing looks like one of them.
    Gone,
    /// One of them was changed.
    Changed {
        /// The line as planned, by its place in the targets.
        target: usize,
        /// The line that stands for it now, as an index into [`split`].
        found: usize,
    },
}

/// The lines of a text, each with its line feed if it has one.
pub fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// A line without its line feed.
pub fn content(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Looks for the targets. Each takes one occurrence of its bytes, the one nearest to where it was planned.
///
/// A target whose bytes are nowhere is *changed* when another line, itself not condemned, holds its mark; else it is gone.
pub fn locate(text: &[u8], targets: &[LineTarget]) -> Located {
    let lines = split(text);
    let mut taken: Vec<usize> = Vec::new();
    let mut missing: Vec<usize> = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        let planned = (target.number as usize).saturating_sub(1);
        let nearest = (0..lines.len())
            .filter(|i| !taken.contains(i) && content(lines[*i]) == target.line.as_bytes())
            .min_by_key(|i| i.abs_diff(planned));
        match nearest {
            Some(index) => taken.push(index),
            None => missing.push(at),
        }
    }
    for target in missing {
        let mark = targets[target].mark.as_bytes();
        let found = (0..lines.len()).find(|i| !taken.contains(i) && holds(content(lines[*i]), mark));
        if let Some(found) = found {
            return Located::Changed { target, found };
        }
    }
    if taken.is_empty() {
        return Located::Gone;
    }
    taken.sort_unstable();
    Located::There(taken)
}

/// The text without these lines; every other byte as it was.
pub fn without(text: &[u8], indices: &[usize]) -> Vec<u8> {
    split(text)
        .iter()
        .enumerate()
        .filter(|(i, _)| !indices.contains(i))
        .flat_map(|(_, line)| line.iter().copied())
        .collect()
}

fn holds(line: &[u8], mark: &[u8]) -> bool {
    !mark.is_empty() && line.windows(mark.len()).any(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::HostBytes;
    use proptest::prelude::*;

    fn target(number: u32, line: &str, mark: &str) -> LineTarget {
        LineTarget {
            number,
            line: HostBytes::from(line),
            mark: HostBytes::from(mark),
        }
    }

    #[test]
    fn located() {
        let bad = [target(2, "* * * * * /tmp/x", "/tmp/x")];
        let rows: [(&str, &str, Located); 8] = [
            ("where it was", "a\n* * * * * /tmp/x\nb\n", Located::There(vec![1])),
            (
                "moved by a benign line",
                "a\nb\n* * * * * /tmp/x\nc\n",
                Located::There(vec![2]),
            ),
            (
                "without a last line feed",
                "a\n* * * * * /tmp/x",
                Located::There(vec![1]),
            ),
            ("gone", "a\nb\n", Located::Gone),
            ("empty", "", Located::Gone),
            (
                "changed",
                "a\n*/2 * * * * /tmp/x\n",
                Located::Changed { target: 0, found: 1 },
            ),
            (
                "commented out is changed",
                "#* * * * * /tmp/x\n",
                Located::Changed { target: 0, found: 0 },
            ),
            (
                "a carriage return more is changed",
                "a\n* * * * * /tmp/x\r\n",
                Located::Changed { target: 0, found: 1 },
            ),
        ];
        for (name, text, expected) in rows {
            assert_eq!(locate(text.as_bytes(), &bad), expected, "{name}");
        }
        let twice = [target(1, "x", "x"), target(2, "x", "x")];
        assert_eq!(
            locate(b"x\nx\nx\n", &twice),
            Located::There(vec![0, 1]),
            "each takes one"
        );
    }

    proptest! {
        #[test]
        fn benign_bytes_stay(lines: Vec<Vec<u8>>, bad in "[a-z]{8}", at: prop::sample::Index) {
            let mut lines: Vec<Vec<u8>> = lines.into_iter().map(|l| l.into_iter().filter(|b| *b != b'\n').collect()).collect();
            lines.retain(|line| !holds(line, bad.as_bytes()));
            let good: Vec<u8> = lines.iter().flat_map(|l| l.iter().copied().chain([b'\n'])).collect();
            let place = at.index(lines.len() + 1);
            lines.insert(place, bad.clone().into_bytes());
            let text: Vec<u8> = lines.iter().flat_map(|l| l.iter().copied().chain([b'\n'])).collect();
            let Located::There(indices) = locate(&text, &[target(1, &bad, &bad)]) else { panic!("not found") };
            prop_assert_eq!(without(&text, &indices), good);
        }
    }
}
