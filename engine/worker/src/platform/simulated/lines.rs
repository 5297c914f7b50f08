//! Taking condemned lines out of a text, and putting them back disarmed.

use super::behaviour::contains;
use crate::action::{Arming, LineTarget};
use crate::text::HostBytes;

pub(super) use crate::lines::DISARMED;

/// What an edit comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// None of the lines stands there any more.
    Gone,
    /// The text without the lines, and the lines as they stood.
    Without {
        /// Every other byte as it was.
        text: Vec<u8>,
        /// With the numbers that they had now.
        taken: Vec<LineTarget>,
    },
    /// A line still holds what is condemned, but is another.
    Changed {
        /// The line that was meant.
        expected: HostBytes,
        /// The line that stands there.
        found: HostBytes,
    },
}

/// Takes lines out of a text. A line that moved is still itself; of equal lines the one nearest to its number is taken.
pub(super) fn without(text: &[u8], remove: &[LineTarget]) -> Edit {
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    let bare = |line: &'_ [u8]| -> Vec<u8> { line.strip_suffix(b"\n").unwrap_or(line).to_vec() };
    let mut taken: Vec<Option<&LineTarget>> = vec![None; lines.len()];
    let mut missing = Vec::new();
    for target in remove {
        let is_it = |at: &usize| taken[*at].is_none() && bare(lines[*at]) == target.line.as_bytes();
        let distance = |at: &usize| (at + 1).abs_diff(target.number as usize);
        match (0..lines.len()).filter(is_it).min_by_key(distance) {
            Some(at) => taken[at] = Some(target),
            None => missing.push(target),
        }
    }
    for target in missing {
        let holds = |at: &usize| taken[*at].is_none() && contains(lines[*at], target.mark.as_bytes());
        if let Some(at) = (0..lines.len()).find(holds) {
            return Edit::Changed {
                expected: target.line.clone(),
                found: HostBytes::new(bare(lines[at])),
            };
        }
    }
    if taken.iter().all(Option::is_none) {
        return Edit::Gone;
    }
    let mut rest = Vec::with_capacity(text.len());
    let mut stood = Vec::new();
    for (number, (line, target)) in (1..).zip(lines.iter().zip(&taken)) {
        match target {
            None => rest.extend_from_slice(line),
            Some(target) => stood.push(LineTarget {
                number,
                ..(*target).clone()
            }),
        }
    }
    Edit::Without {
        text: rest,
        taken: stood,
    }
}

/// Puts lines back where they stood, as comments or armed; `None` where all of them stand there already.
pub(super) fn with_again(text: &[u8], lines: &[LineTarget], arming: Arming) -> Option<Vec<u8>> {
    let mut rows: Vec<Vec<u8>> = text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let mut matched = vec![false; rows.len()];
    let mut absent = Vec::new();
    let mut armed = false;
    for line in lines {
        let disarmed = [DISARMED, line.line.as_bytes()].concat();
        let stands = |at: &usize| {
            let row = rows[*at].strip_suffix(b"\n").unwrap_or(&rows[*at]);
            !matched[*at] && (row == disarmed || row == line.line.as_bytes())
        };
        match (0..rows.len()).find(stands) {
            Some(at) => {
                matched[at] = true;
                if arming == Arming::Armed
                    && rows[at].starts_with(DISARMED)
                    && !line.line.as_bytes().starts_with(DISARMED)
                {
                    rows[at].drain(..DISARMED.len());
                    armed = true;
                }
            }
            None => {
                let text = match arming {
                    Arming::Disarmed => &disarmed[..],
                    Arming::Armed => line.line.as_bytes(),
                };
                absent.push((line.number, [text, b"\n"].concat()));
            }
        }
    }
    if absent.is_empty() && !armed {
        return None;
    }
    absent.sort_by_key(|(number, _)| *number);
    for (number, line) in absent {
        let at = (number as usize).saturating_sub(1).min(rows.len());
        if let Some(before) = at.checked_sub(1).and_then(|before| rows.get_mut(before))
            && !before.ends_with(b"\n")
        {
            before.push(b'\n');
        }
        rows.insert(at, line);
    }
    Some(rows.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(number: u32, line: &str) -> LineTarget {
        LineTarget {
            number,
            line: HostBytes::from(line),
            mark: HostBytes::from("/tmp/x"),
        }
    }

    #[test]
    fn lines_are_taken_out() {
        let bad = "* * * * * /tmp/x";
        let rows: [(&str, &str, &[u32], Option<&str>); 8] = [
            ("between good ones", "a\n* * * * * /tmp/x\nb\n", &[2], Some("a\nb\n")),
            ("moved", "new\na\n* * * * * /tmp/x\nb\n", &[2], Some("new\na\nb\n")),
            ("the last, unended", "a\n* * * * * /tmp/x", &[2], Some("a\n")),
            ("a good last one, unended", "* * * * * /tmp/x\na", &[1], Some("a")),
            (
                "twice, once condemned",
                "* * * * * /tmp/x\na\n* * * * * /tmp/x\n",
                &[3],
                Some("* * * * * /tmp/x\na\n"),
            ),
            (
                "twice, both condemned",
                "* * * * * /tmp/x\n* * * * * /tmp/x\n",
                &[1, 2],
                Some(""),
            ),
            ("gone", "a\nb\n", &[2], None),
            ("empty", "", &[2], None),
        ];
        for (name, text, numbers, expected) in rows {
            let remove: Vec<LineTarget> = numbers.iter().map(|number| target(*number, bad)).collect();
            match (without(text.as_bytes(), &remove), expected) {
                (Edit::Without { text, taken }, Some(expected)) => {
                    assert_eq!(String::from_utf8_lossy(&text), expected, "{name}");
                    assert_eq!(taken.len(), numbers.len(), "{name}");
                }
                (Edit::Gone, None) => {}
                (edit, _) => panic!("{name}: {edit:?}"),
            }
        }
    }

    #[test]
    fn a_changed_line_is_not_guessed_at() {
        let remove = [target(1, "* * * * * /tmp/x")];
        let edit = without(b"a\n*/2 * * * * /tmp/x --quiet\n", &remove);
        let found = HostBytes::from("*/2 * * * * /tmp/x --quiet");
        assert!(matches!(edit, Edit::Changed { found: f, .. } if f == found));
        let unmarked = LineTarget {
            mark: HostBytes::default(),
            ..remove[0].clone()
        };
        assert_eq!(without(b"a\n", &[unmarked]), Edit::Gone);
    }

    #[test]
    fn lines_come_back_as_comments() {
        let lines = [target(2, "x"), target(3, "y")];
        let rows: [(&str, &str, Option<&str>); 4] = [
            (
                "where they stood",
                "a\nb\n",
                Some("a\n#deminer-disarmed# x\n#deminer-disarmed# y\nb\n"),
            ),
            (
                "after an unended line",
                "a",
                Some("a\n#deminer-disarmed# x\n#deminer-disarmed# y\n"),
            ),
            ("one is there", "a\nx\n", Some("a\nx\n#deminer-disarmed# y\n")),
            ("both are there", "#deminer-disarmed# x\ny\n", None),
        ];
        for (name, text, expected) in rows {
            let got = with_again(text.as_bytes(), &lines, Arming::Disarmed);
            assert_eq!(
                got.map(|g| String::from_utf8_lossy(&g).into_owned()).as_deref(),
                expected,
                "{name}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_other_line_stays(good in proptest::collection::vec("[a-z ]{0,6}", 0..6), at in 0usize..6, ended: bool) {
            let mut rows: Vec<String> = good.clone();
            let at = at.min(rows.len());
            rows.insert(at, "* * * * * /tmp/x".to_owned());
            let mut text = rows.join("\n");
            if ended { text.push('\n'); }
            let Edit::Without { text: rest, .. } = without(text.as_bytes(), &[target(1, "* * * * * /tmp/x")]) else {
                return Err(TestCaseError::fail("the line stands there"));
            };
            let mut expected: Vec<&[u8]> = text.as_bytes().split_inclusive(|b| *b == b'\n').collect();
            expected.remove(at);
            prop_assert_eq!(rest, expected.concat());
        }

        #[test]
        fn any_text_can_be_edited(text: Vec<u8>, line: Vec<u8>, mark: Vec<u8>, number: u32) {
            let target = LineTarget { number, line: HostBytes::new(line), mark: HostBytes::new(mark) };
            without(&text, std::slice::from_ref(&target));
            with_again(&text, &[target], Arming::Disarmed);
        }
    }
}
