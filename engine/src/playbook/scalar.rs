//! From a place inside a scalar's value to the bytes of the file that wrote it.
//!
//! What the value says in one byte the file may say in several (`\"`, `''`) or on another line (folding). The raw bytes
//! are walked once beside the value; where the two do not agree the whole scalar is meant.

use std::ops::Range;

use super::Span;

/// The bytes of the file that wrote this range of the value.
pub(crate) fn locate(text: &str, scalar: Span, value: &str, range: Range<usize>) -> Span {
    let Some(raw) = text.get(scalar.start..scalar.end) else {
        return scalar;
    };
    let indent = text[..scalar.start].bytes().rev().take_while(|b| *b == b' ').count();
    let map = [Style::Double, Style::Single, Style::Plain, Style::Block]
        .into_iter()
        .filter(|style| style.begins(raw))
        .find_map(|style| align(raw, value, style, indent));
    let Some(map) = map else { return scalar };
    let at = |n: usize| map.get(n).copied();
    let (Some(start), Some(end)) = (at(range.start), at(range.end)) else {
        return scalar;
    };
    // The end is where the next byte begins; what folds between two lines is not part of what is meant.
    let kept = raw[start..end.max(start)].trim_end().len();
    Span {
        start: scalar.start + start,
        end: scalar.start + start + kept,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Double,
    Single,
    Plain,
    Block,
}

impl Style {
    fn begins(self, raw: &str) -> bool {
        match self {
            Style::Double => raw.starts_with('"'),
            Style::Single => raw.starts_with('\''),
            Style::Plain | Style::Block => true,
        }
    }
}

/// For each byte of the value, and for its end, where it begins in `raw`; `None` where the two do not agree.
fn align(raw: &str, value: &str, style: Style, indent: usize) -> Option<Vec<usize>> {
    let (mut at, end) = match style {
        Style::Double | Style::Single => (1, raw.len().checked_sub(1)?),
        Style::Plain | Style::Block => (0, raw.len()),
    };
    let mut map = Vec::with_capacity(value.len() + 1);
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        let here = raw.get(at..end)?;
        let fold = match style {
            Style::Block => block_fold(here, rest, indent),
            _ => flow_fold(here, rest),
        };
        if let Some((raw_len, value_len)) = fold {
            map.extend(std::iter::repeat_n(at, value_len));
            at += raw_len;
            rest = &rest[value_len..];
            continue;
        }
        if style == Style::Double && starts_line_continuation(here) {
            at += here.len() - here[1..].trim_start().len();
            continue;
        }
        let (said, raw_len) = match style {
            Style::Double if here.starts_with('\\') => escape(here)?,
            Style::Single if here.starts_with("''") => ('\'', 2),
            _ => {
                let c = here.chars().next()?;
                (c, c.len_utf8())
            }
        };
        if said != c {
            return None;
        }
        map.extend(std::iter::repeat_n(at, c.len_utf8()));
        at += raw_len;
        rest = &rest[c.len_utf8()..];
    }
    map.push(at);
    Some(map)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// In plain and quoted scalars a run of blanks with a line break in it is one space or some line feeds of the value.
fn flow_fold(raw: &str, value: &str) -> Option<(usize, usize)> {
    let run = raw.len() - raw.trim_start_matches(is_blank).len();
    if !raw[..run].contains('\n') {
        return None;
    }
    let feeds = value.len() - value.trim_start_matches('\n').len();
    match (feeds, value.starts_with(' ')) {
        (0, true) => Some((run, 1)),
        (0, false) => None,
        (n, _) => Some((run, n)),
    }
}

/// In a block scalar a line feed, with the next line's indentation, is a line feed or (folded) a space of the value.
fn block_fold(raw: &str, value: &str, indent: usize) -> Option<(usize, usize)> {
    let feed = match raw {
        r if r.starts_with("\r\n") => 2,
        r if r.starts_with('\n') => 1,
        _ => return None,
    };
    if !value.starts_with(['\n', ' ']) {
        // A folded line feed before an empty line is not said.
        return Some((feed, 0)).filter(|_| raw[feed..].trim_start_matches(' ').starts_with('\n'));
    }
    let spaces = raw[feed..].bytes().take_while(|b| *b == b' ').count().min(indent);
    Some((feed + spaces, 1))
}

fn starts_line_continuation(raw: &str) -> bool {
    raw.starts_with("\\\n") || raw.starts_with("\\\r\n")
}

/// What a double-quoted escape says, and its length (YAML 1.2, section 5.7).
fn escape(raw: &str) -> Option<(char, usize)> {
    let kind = raw[1..].chars().next()?;
    let numeric = |digits: usize| {
        let code = u32::from_str_radix(raw.get(2..2 + digits)?, 16).ok()?;
        Some((char::from_u32(code)?, 2 + digits))
    };
    let plain = match kind {
        'x' => return numeric(2),
        'u' => return numeric(4),
        'U' => return numeric(8),
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        ' ' | '"' | '/' | '\\' => kind,
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        _ => return None,
    };
    Some((plain, 1 + kind.len_utf8()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::playbook::node::{Kind, read};

    /// The raw bytes that are found for a word of the value of `key:`.
    fn found(text: &str, word: &str) -> String {
        let node = read(text).unwrap();
        let Kind::Map(pairs) = &node.kind else { panic!("a map") };
        let value = pairs[0].1.text().unwrap();
        let start = value.find(word).unwrap();
        let span = locate(text, pairs[0].1.span, value, start..start + word.len());
        text[span.start..span.end].to_owned()
    }

    #[test]
    fn a_word_is_found_in_every_style() {
        let table = [
            ("plain", "key: one two.three four # c\n", "two.three", "two.three"),
            (
                "plain, folded",
                "key: one\n  two.three\n  four\n",
                "two.three",
                "two.three",
            ),
            ("plain, paragraphs", "key: one\n\n\n  two four\n", "two", "two"),
            ("single", "key: 'it''s two.three'\n", "two.three", "two.three"),
            ("single, the quote", "key: 'it''s two'\n", "it's", "it''s"),
            ("double", "key: \"a \\\"b\\\" \\u00e9 two\"\n", "two", "two"),
            ("double, the escape", "key: \"a \\\"b\\\" c\"\n", "\"b\"", "\\\"b\\\""),
            ("double, continued", "key: \"one \\\n   two three\"\n", "three", "three"),
            ("double, folded", "key: \"one\n   two\n\n   three\"\n", "three", "three"),
            ("literal", "key: |\n  one\n   two\n  three\n", "three", "three"),
            ("literal, begins with a quote", "key: |\n  'one'\n  two\n", "two", "two"),
            ("folded", "key: >-\n  one\n  two\n\n  three\n", "three", "three"),
            (
                "folded, further in",
                "key: >\n  one\n    two\n  three\n",
                "three",
                "three",
            ),
            ("carriage returns", "key: |\r\n  one\r\n  two\r\n", "two", "two"),
            ("wide letters", "key: '日本 ''x'' two'\n", "two", "two"),
        ];
        for (name, text, word, raw) in table {
            assert_eq!(found(text, word), raw, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_raw_and_value_can_be_aligned(raw in "\\PC*", value in "\\PC*", from in 0usize..40, to in 0usize..40) {
            let span = Span { start: 0, end: raw.len() };
            let found = locate(&raw, span, &value, from..to.max(from));
            prop_assert!(found.end <= raw.len() && found.start <= found.end);
        }

        #[test]
        fn a_double_quoted_word_is_found(head in "[a-z \"\\\\é]{0,12}", word in "[A-Z]{3}") {
            let quoted = serde_json::to_string(&format!("{head}{word}")).unwrap();
            let text = format!("key: {quoted}\n");
            prop_assert_eq!(found(&text, &word), word);
        }
    }
}
