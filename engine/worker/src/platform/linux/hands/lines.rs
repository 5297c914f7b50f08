//! Taking lines out of a text and putting them back: pure, byte for byte. A line ends with a line feed or with the text; a
//! carriage return is part of the line.

use std::collections::{BTreeSet, HashMap};

use crate::action::{Arming, LineTarget};
use crate::text::HostBytes;

pub(super) use crate::lines::DISARMED;

/// A text without its condemned lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) text: Vec<u8>,
    /// The lines that stood there, with the numbers that they had.
    pub(super) lines: Vec<LineTarget>,
}

/// A condemned line that stands there in another form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Altered {
    /// As the plan has it.
    pub(super) expected: HostBytes,
    /// The line that holds its mark now.
    pub(super) found: HostBytes,
}

/// A line without its line feed.
fn bare(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

fn contains(line: &[u8], mark: &[u8]) -> bool {
    !mark.is_empty() && line.windows(mark.len()).any(|window| window == mark)
}

/// Takes each condemned line out once, the one nearest to its number. A line that is not there is gone; `None` when all
/// are.
///
/// # Errors
/// When a condemned line is not there, but a line that stays holds its mark: then it was changed.
pub(super) fn take_out(text: &[u8], condemned: &[LineTarget]) -> Result<Option<Taken>, Altered> {
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    let mut missing = Vec::new();
    for target in condemned {
        let planned = target.number as usize;
        let nearest = (0..lines.len())
            .filter(|at| !taken.contains(at) && bare(lines[*at]) == target.line.as_bytes())
            .min_by_key(|at| (at + 1).abs_diff(planned));
        match nearest {
            Some(at) => {
                taken.insert(at);
            }
            None => missing.push(target),
        }
    }
    let stay = |at: &usize| !taken.contains(at);
    for target in missing {
        if let Some(at) = (0..lines.len())
            .filter(stay)
            .find(|at| contains(bare(lines[*at]), target.mark.as_bytes()))
        {
            return Err(Altered {
                expected: target.line.clone(),
                found: HostBytes::new(bare(lines[at])),
            });
        }
    }
    if taken.is_empty() {
        return Ok(None);
    }
    let mark_of = |line: &[u8]| {
        let target = condemned.iter().find(|target| target.line.as_bytes() == line);
        target.map(|target| target.mark.clone()).unwrap_or_default()
    };
    Ok(Some(Taken {
        text: (0..lines.len())
            .filter(stay)
            .flat_map(|at| lines[at])
            .copied()
            .collect(),
        lines: taken
            .iter()
            .map(|at| LineTarget {
                number: u32::try_from(at + 1).unwrap_or(u32::MAX),
                line: HostBytes::new(bare(lines[*at])),
                mark: mark_of(bare(lines[*at])),
            })
            .collect(),
    }))
}

/// Puts each line back where it stood; `None` when all are there already. One that is there disarmed and is to be armed is
/// armed where it stands.
pub(super) fn put_back(text: &[u8], lines: &[LineTarget], arming: Arming) -> Option<Vec<u8>> {
    let mut now: Vec<Vec<u8>> = text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let mut matched: BTreeSet<usize> = BTreeSet::new();
    let mut absent = Vec::new();
    let mut armed = false;
    for target in lines {
        let disarmed = [DISARMED, target.line.as_bytes()].concat();
        let there = (0..now.len()).find(|at| {
            let line = bare(&now[*at]);
            !matched.contains(at) && (line == disarmed || line == target.line.as_bytes())
        });
        match there {
            Some(at) => {
                matched.insert(at);
                if arming == Arming::Armed && bare(&now[at]) != target.line.as_bytes() {
                    now[at].drain(..DISARMED.len());
                    armed = true;
                }
            }
            None => absent.push(match arming {
                Arming::Disarmed => (target.number, disarmed),
                Arming::Armed => (target.number, target.line.as_bytes().to_vec()),
            }),
        }
    }
    if absent.is_empty() && !armed {
        return None;
    }
    absent.sort_by_key(|(number, _)| *number);
    for (number, mut line) in absent {
        let at = (number.max(1) as usize - 1).min(now.len());
        if let Some(before) = at.checked_sub(1).and_then(|before| now.get_mut(before))
            && !before.ends_with(b"\n")
        {
            before.push(b'\n');
        }
        line.push(b'\n');
        now.insert(at, line);
    }
    Some(now.concat())
}

/// The whole lines of `tail` that `text` does not hold as often.
pub(super) fn missing(text: &[u8], tail: &[u8]) -> Vec<u8> {
    let mut there: HashMap<&[u8], usize> = HashMap::new();
    for line in text.split_inclusive(|b| *b == b'\n') {
        *there.entry(bare(line)).or_default() += 1;
    }
    let mut missing = Vec::new();
    for line in tail.split_inclusive(|b| *b == b'\n') {
        match there.get_mut(bare(line)) {
            Some(left) if *left > 0 => *left -= 1,
            _ => missing.extend_from_slice(line),
        }
    }
    missing
}

#[cfg(test)]
#[expect(clippy::type_complexity, reason = "rows of tables")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(number: u32, line: &[u8], mark: &[u8]) -> LineTarget {
        LineTarget {
            number,
            line: HostBytes::new(line),
            mark: HostBytes::new(mark),
        }
    }

    #[test]
    fn lines_are_taken_out() {
        let m = || line(2, b"* * * * * /tmp/.x/m", b"/tmp/.x/m");
        let rows: [(&str, &[u8], &[LineTarget], Option<&[u8]>); 12] = [
            ("in the middle", b"a\n* * * * * /tmp/.x/m\nb\n", &[m()], Some(b"a\nb\n")),
            ("moved", b"* * * * * /tmp/.x/m\na\nb\n", &[m()], Some(b"a\nb\n")),
            (
                "last, without a line feed",
                b"a\n* * * * * /tmp/.x/m",
                &[m()],
                Some(b"a\n"),
            ),
            ("the text keeps its end", b"* * * * * /tmp/.x/m\nb", &[m()], Some(b"b")),
            ("the only one", b"* * * * * /tmp/.x/m\n", &[m()], Some(b"")),
            ("gone", b"a\nb\n", &[m()], None),
            ("an empty text", b"", &[m()], None),
            (
                "other endings",
                b"a\r\n* * * * * /tmp/.x/m\nb\r\n",
                &[m()],
                Some(b"a\r\nb\r\n"),
            ),
            (
                "carriage return",
                b"a\r\nm\r\n",
                &[line(2, b"m\r", b"m")],
                Some(b"a\r\n"),
            ),
            (
                "zero and no UTF-8",
                b"\0\xff\nm\n\xfe",
                &[line(2, b"m", b"m")],
                Some(b"\0\xff\n\xfe"),
            ),
            (
                "once of two, the nearest",
                b"m\na\nm\nb\n",
                &[line(3, b"m", b"m")],
                Some(b"m\na\nb\n"),
            ),
            (
                "twice",
                b"m\na\nm\n",
                &[line(1, b"m", b"m"), line(3, b"m", b"m")],
                Some(b"a\n"),
            ),
        ];
        for (name, text, condemned, expected) in rows {
            let taken = take_out(text, condemned).map(|taken| taken.map(|taken| taken.text));
            assert_eq!(taken, Ok(expected.map(<[u8]>::to_vec)), "{name}");
        }
    }

    #[test]
    fn a_changed_line_is_not_gone() {
        let m = line(1, b"* * * * * /tmp/.x/m", b"/tmp/.x/m");
        let altered = take_out(b"*/2 * * * * /tmp/.x/m\n", std::slice::from_ref(&m)).expect_err("it was changed");
        assert_eq!(altered.found, HostBytes::from("*/2 * * * * /tmp/.x/m"));
        let both = [m.clone(), line(2, b"@reboot /tmp/.x/m", b"/tmp/.x/m")];
        let one = take_out(b"@reboot /tmp/.x/m\n", &both).expect("what holds the mark is condemned itself");
        assert_eq!(one.map(|taken| taken.text), Some(Vec::new()));
        let mixed = take_out(b"@reboot /tmp/.x/m\n#/tmp/.x/m\n", &both);
        assert!(mixed.is_err(), "nothing is taken when one was changed: {mixed:?}");
        assert_eq!(take_out(b"x\n", &[line(1, b"gone", b"")]), Ok(None), "no mark, no line");
    }

    #[test]
    fn lines_come_back_disarmed() {
        let m = |number| line(number, b"m", b"m");
        let rows: [(&str, &[u8], &[LineTarget], Option<&[u8]>); 8] = [
            (
                "where it stood",
                b"a\nb\n",
                &[m(2)],
                Some(b"a\n#deminer-disarmed# m\nb\n"),
            ),
            ("first", b"a\n", &[m(1)], Some(b"#deminer-disarmed# m\na\n")),
            ("past the end", b"a\n", &[m(9)], Some(b"a\n#deminer-disarmed# m\n")),
            ("after an open end", b"a", &[m(2)], Some(b"a\n#deminer-disarmed# m\n")),
            ("into nothing", b"", &[m(1)], Some(b"#deminer-disarmed# m\n")),
            ("there already", b"a\n#deminer-disarmed# m\n", &[m(1)], None),
            ("there and armed", b"m\n", &[m(1)], None),
            (
                "two, one there",
                b"m\na\n",
                &[m(1), m(3)],
                Some(b"m\na\n#deminer-disarmed# m\n"),
            ),
        ];
        for (name, text, lines, expected) in rows {
            assert_eq!(
                put_back(text, lines, Arming::Disarmed),
                expected.map(<[u8]>::to_vec),
                "{name}"
            );
        }
    }

    #[test]
    fn missing_lines() {
        let rows: [(&str, &[u8], &[u8], &[u8]); 4] = [
            ("all there", b"a\nb\nc\n", b"b\nc\n", b""),
            ("one lost", b"a\nc\n", b"b\nc\n", b"b\n"),
            ("as often", b"b\n", b"b\nb\n", b"b\n"),
            ("open end", b"a\n", b"b", b"b"),
        ];
        for (name, text, tail, expected) in rows {
            assert_eq!(missing(text, tail), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn only_condemned_lines_go(text: Vec<u8>, number in 0u32..20, condemned: Vec<u8>, mark: Vec<u8>) {
            prop_assume!(!condemned.contains(&b'\n'));
            let target = line(number, &condemned, &mark);
            if let Ok(Some(taken)) = take_out(&text, std::slice::from_ref(&target)) {
                let before: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
                let mut after: Vec<&[u8]> = taken.text.split_inclusive(|b| *b == b'\n').collect();
                let at = taken.lines[0].number as usize - 1;
                prop_assert_eq!(bare(before[at]), &condemned[..]);
                // A last line may stay open: only then is the end of the text another.
                if at <= after.len() { after.insert(at, before[at]); }
                prop_assert_eq!(after, before);
            }
        }

        #[test]
        fn what_was_taken_out_comes_back_in_its_place(lines in prop::collection::vec("[abm]{0,2}", 1..8), pick in 0usize..8) {
            let pick = pick % lines.len();
            let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
            let target = line(pick as u32 + 1, format!("{}!", lines[pick]).as_bytes(), b"!");
            let mut armed: Vec<String> = lines.clone();
            armed.insert(pick, format!("{}!", lines[pick]));
            let armed = armed.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
            let taken = take_out(&armed, std::slice::from_ref(&target)).expect("it is there").expect("it is there");
            prop_assert_eq!(&taken.text, &text);
            let back = put_back(&taken.text, &taken.lines, Arming::Disarmed).expect("it is not there");
            let disarm = |line: &[u8]| [DISARMED, line].concat();
            let expected = String::from_utf8(armed).expect("text").replacen(
                std::str::from_utf8(target.line.as_bytes()).expect("text"),
                std::str::from_utf8(&disarm(target.line.as_bytes())).expect("text"), 1);
            prop_assert_eq!(back, expected.into_bytes());
        }
    }
}
