//! What a decoder of serde says of a text, as a mistake of ours.

use std::ops::Range;

use super::{Code, Diagnostic, suggest};
use crate::playbook::Span;

/// A mistake that a decoder found in a text which begins at `begins` of all texts. `at` is its line and column, of
/// characters, both from 1; `None` where it is the whole.
pub fn decoded(code: Code, text: &str, begins: usize, at: Option<(usize, usize)>, why: &str) -> Diagnostic {
    let word = at.map_or(0..0, |(line, column)| word(text, line, column));
    let span = Span {
        start: begins + word.start,
        end: begins + word.end,
    };
    let why = without_place(why);
    match unknown(why) {
        Some((what, name, names)) => {
            let message = format!("unknown {what} `{name}`");
            Diagnostic::error(code, span, message).maybe_help(suggest(name, names))
        }
        None => Diagnostic::error(code, span, why),
    }
}

/// The word that stands at a line and column.
fn word(text: &str, line: usize, column: usize) -> Range<usize> {
    let lines = text.split_inclusive('\n');
    let before: usize = lines.clone().take(line.saturating_sub(1)).map(str::len).sum();
    let line = lines.clone().nth(line.saturating_sub(1)).unwrap_or_default();
    let mut letters = line.char_indices().skip(column.saturating_sub(1));
    let start = letters.clone().next().map_or(line.trim_end().len(), |(at, _)| at);
    let ends = |c: char| c.is_whitespace() || matches!(c, ':' | ',' | ']' | '}' | '"' | '\'');
    let end = letters.find(|(at, c)| *at > start && ends(*c));
    let end = end.map_or(line.trim_end().len().max(start), |(at, _)| at);
    before + start..before + end
}

/// Without ` at line N, column N` or `line N column N: ` of the decoder: a mistake has its own place.
fn without_place(why: &str) -> &str {
    let is_place = |place: &str| {
        let is_of_one = |b: u8| b.is_ascii_alphanumeric() || b" ,".contains(&b);
        place.starts_with(|c: char| c.is_ascii_digit()) && place.bytes().all(is_of_one)
    };
    match why.rsplit_once(" at line ") {
        Some((why, place)) if is_place(place) => why,
        _ => why,
    }
}

/// Of `unknown field X, expected one of A, B`: what it is, its name, and the names that there are.
fn unknown(why: &str) -> Option<(&str, &str, impl Iterator<Item = &str>)> {
    let (what, rest) = why.strip_prefix("unknown ")?.split_once(' ')?;
    let (name, expected) = rest.split_once(", expected ")?;
    let names = expected.strip_prefix("one of ").unwrap_or(expected);
    let names = names.split(", ").flat_map(|names| names.split(" or "));
    Some((what, bare(name), names.map(bare)))
}

/// A name without what a decoder puts around it.
fn bare(name: &str) -> &str {
    name.trim().trim_matches('`')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "version: 1\nneded: 20\nlists: {größe: [a, b]}\n";

    #[test]
    fn what_decoders_say_is_placed_and_helps() {
        let rows = [
            (
                Some((2, 1)),
                "unknown field `neded`, expected one of `needed`, `lists`",
                "neded",
                "unknown field `neded`",
                Some("did you mean `needed`?"),
            ),
            (
                Some((2, 1)),
                "unknown field `neded`, expected one of needed, lists at line 2, column 1",
                "neded",
                "unknown field `neded`",
                Some("did you mean `needed`?"),
            ),
            (
                Some((2, 8)),
                "unknown variant `20`, expected `a` or `b`",
                "20",
                "unknown variant `20`",
                Some("there are `a`, `b`"),
            ),
            (Some((3, 17)), "wrong at line 3 column 17", "a", "wrong", None),
            (
                Some((9, 9)),
                "wrong at line seven, no place",
                "",
                "wrong at line seven, no place",
                None,
            ),
            (None, "rules of version 2", "", "rules of version 2", None),
        ];
        for (at, why, word, message, help) in rows {
            let told = decoded(Code::ResourceWrong, TEXT, 100, at, why);
            let span = told.span.expect("a place");
            assert_eq!(&TEXT[span.start - 100..span.end - 100], word, "{why}");
            assert_eq!((&*told.message, told.help.as_deref()), (message, help), "{why}");
        }
    }
}
