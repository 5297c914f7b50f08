//! Text that cannot harm a terminal, a line or a ticket: escaped, bounded, quoted.
//!
//! [`HostBytes`] and [`HostPath`](deminer_worker::text::HostPath) are written harmlessly by themselves. Everything else
//! that may hold a host's words (errors that a worker told, names out of a file) goes through [`plain()`] first.

use std::borrow::Cow;

use deminer_engine::finding::Finding;
use deminer_worker::text::HostBytes;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::words::Words;

/// Stands where the rest was left out.
pub(crate) const CUT: &str = " (cut)";

/// Columns of one value inside a sentence.
const VALUE_COLUMNS: usize = 100;

/// The text with every character that does not stand still in its own place written `\xNN`. What is escaped already stays
/// as it is.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_plain(c) {
            out.push(c);
            continue;
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(out)
}

/// Of a text of several lines each line, as [`plain()`].
pub(crate) fn plain_lines(text: &str) -> String {
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(plain).collect();
    lines.join("\n")
}

/// Whether a character takes room, and only its own: no control, no direction, no mark on its neighbour, no hidden space.
pub(crate) fn is_plain(c: char) -> bool {
    let runs_right_to_left = matches!(u32::from(c), 0x0590..=0x08FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFF | 0x10800..=0x10FFF | 0x1E800..=0x1EFFF);
    let is_private = matches!(u32::from(c), 0xE000..=0xF8FF | 0xF0000..);
    let takes_room = c.width().is_some_and(|columns| columns > 0);
    c == ' ' || (takes_room && !c.is_control() && !c.is_whitespace() && !runs_right_to_left && !is_private)
}

/// At most so many columns of the text, with [`CUT`] where something was left out; never cut within an escape.
pub(crate) fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    // No character takes more columns than bytes: short texts need no look.
    if text.len() <= columns || text.width() <= columns {
        return Cow::Borrowed(text);
    }
    let room = columns.saturating_sub(CUT.len());
    let (mut taken, mut end) = (0, 0);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let bytes = match (c, rest.as_bytes().get(1)) {
            ('\\', Some(b'\\')) => 2,
            ('\\', Some(b'x')) if rest.is_char_boundary(4.min(rest.len())) => 4.min(rest.len()),
            _ => c.len_utf8(),
        };
        let (token, after) = rest.split_at(bytes);
        taken += token.width();
        if taken > room {
            break;
        }
        end += bytes;
        rest = after;
    }
    Cow::Owned(format!("{}{CUT}", &text[..end]))
}

/// Bytes of a host as a value inside a sentence: escaped, bounded.
pub(crate) fn value(bytes: &HostBytes) -> String {
    cut(&bytes.to_string(), VALUE_COLUMNS).into_owned()
}

/// A finding's sentence, its fields bounded. Each field is filled in once: what a host said is never read as a field.
pub(crate) fn sentence(finding: &Finding, words: &dyn Words) -> String {
    sentence_with(
        finding,
        words,
        |text| plain(text).into_owned(),
        |field| cut(&plain(field), VALUE_COLUMNS).into_owned(),
    )
}

/// A finding's sentence, with the words of the rule and the values of the host written as these functions say.
pub(crate) fn sentence_with(
    finding: &Finding,
    words: &dyn Words,
    own: impl Fn(&str) -> String,
    field: impl Fn(&str) -> String,
) -> String {
    let mut out = String::new();
    let mut rest = words.authored(&finding.say);
    while let Some(at) = rest.find('{') {
        let named = rest[at + 1..].find('}').and_then(|length| {
            let name = &rest[at + 1..at + 1 + length];
            let value = finding.fields.get(name)?;
            let value = match name {
                "place" => words.place(value),
                _ => Cow::Borrowed(value.as_str()),
            };
            Some((value, at + length + 2))
        });
        match named {
            Some((value, end)) => {
                out.push_str(&own(&rest[..at]));
                out.push_str(&field(&value));
                rest = &rest[end..];
            }
            None => {
                out.push_str(&own(&rest[..=at]));
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(&own(rest));
    out
}

/// A word for a shell: quoted where a shell would not take it as it is.
pub(crate) fn shell_word(word: &str) -> String {
    let is_bare =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':' | ',' | '@' | '%');
    // `=` at the beginning is something else to some shells.
    let rest = |word: &str| word.chars().all(|c| is_bare(c) || c == '=');
    match word.starts_with(is_bare) && rest(word) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use deminer_engine::finding::{Artifact, Bearing};

    use super::*;
    use crate::render::words::Lang;

    #[test]
    fn what_moves_is_escaped_and_what_stands_stays() {
        let rows = [
            ("plain", "a `b` c: 1, \u{b0}C", "a `b` c: 1, \u{b0}C"),
            ("chinese", "挖矿：已根除", "挖矿：已根除"),
            ("terminal escape", "\x1b[2J", "\\x1b[2J"),
            ("c1", "\u{9b}2J", "\\xc2\\x9b2J"),
            ("direction", "a\u{202e}b", "a\\xe2\\x80\\xaeb"),
            ("hebrew", "\u{5d0}", "\\xd7\\x90"),
            ("mark on its neighbour", "e\u{301}", "e\\xcc\\x81"),
            ("line separator", "a\u{2028}b", "a\\xe2\\x80\\xa8b"),
            ("escaped already", "a\\x20b", "a\\x20b"),
        ];
        for (name, text, expected) in rows {
            assert_eq!(plain(text), expected, "{name}");
        }
    }

    #[test]
    fn a_place_is_told_in_the_language() {
        let rows = [
            ("line 3 of /etc/crontab", "/etc/crontab 第 3 行"),
            ("line x of /etc/crontab", "line x of /etc/crontab"),
            ("/etc/cron.daily/x", "/etc/cron.daily/x"),
        ];
        for (place, chinese) in rows {
            assert_eq!(Lang::En.words().place(place), place);
            assert_eq!(Lang::Zh.words().place(place), chinese);
        }
    }

    #[test]
    fn cut_ends_between_escapes() {
        let rows = [
            ("short", "abc", 10, "abc"),
            ("long", "abcdefghijklmnop", 12, "abcdef (cut)"),
            ("escape", "abcd\\x1b\\x1b\\x1bxyz", 12, "abcd (cut)"),
            ("backslashes", "abcde\\\\\\\\\\\\\\\\", 12, "abcde (cut)"),
            ("wide", "挖挖挖挖挖挖挖挖", 12, "挖挖挖 (cut)"),
            ("no escape of ours", "\\x挖挖挖挖挖挖挖挖", 12, "\\x挖挖 (cut)"),
        ];
        for (name, text, columns, expected) in rows {
            assert_eq!(cut(text, columns), expected, "{name}");
        }
    }

    #[test]
    fn fields_are_filled_in_once() {
        let finding = Finding::new(Artifact::Host {}, "s", Bearing::Weighs, "{a} and {b} and {none} {")
            .field("a", "{b}")
            .field("b", "{{ 7*7 }}");
        assert_eq!(sentence(&finding, Lang::En.words()), "{b} and {{ 7*7 }} and {none} {");
        let finding = Finding::new(
            Artifact::Host {},
            "unowned",
            Bearing::Weighs,
            "no package knows {value}",
        );
        let shown = sentence(&finding.field("value", "{value}"), Lang::Zh.words());
        assert_eq!(shown, "{value} 不属于任何软件包");
    }

    #[test]
    fn words_for_a_shell() {
        assert_eq!(shell_word("web-1.plan"), "web-1.plan");
        assert_eq!(shell_word("my plan;rm"), "'my plan;rm'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
