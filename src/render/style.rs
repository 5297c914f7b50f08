//! How text is laid out for one screen: its width, and whether colour may repeat a word.

use std::fmt;

use deminer_engine::status::Status;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::words::{Label, Lang, Words};

/// The screen that text is made for, and its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether words may be coloured; colour never says more than the word.
    pub(crate) color: bool,
    /// Columns.
    pub(crate) width: usize,
    /// The language of the words.
    pub(crate) lang: Lang,
}

/// Red, yellow, green and their end, behind the escape.
pub(crate) const COLOURS: [&str; 4] = ["[31m", "[33m", "[32m", "[0m"];

/// What a colour repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Something is there that must not be, or failed.
    Bad,
    /// A person must look.
    Doubt,
    /// Nothing is there.
    Good,
    /// Neither.
    Even,
}

impl Tone {
    /// Of a status.
    pub(crate) fn of(status: Status) -> Tone {
        match status {
            Status::Returned | Status::Failed | Status::Proposed => Tone::Bad,
            Status::CannotSay
            | Status::Drifted
            | Status::Partial
            | Status::Blocked
            | Status::Unreachable
            | Status::Cancelled
            | Status::Waiting
            | Status::NotApproved
            | Status::Contained
            | Status::Suspected => Tone::Doubt,
            Status::Eradicated | Status::Clean => Tone::Good,
            Status::Undone => Tone::Even,
        }
    }
}

impl Style {
    /// For files, tickets and tests: no colour, the usual width.
    #[cfg(test)]
    pub(crate) const PLAIN: Style = Style {
        color: false,
        width: super::screen::WIDTH,
        lang: Lang::En,
    };

    /// The same in Chinese.
    #[cfg(test)]
    pub(crate) const CHINESE: Style = Style {
        lang: Lang::Zh,
        ..Style::PLAIN
    };

    /// The words of its language.
    pub(crate) fn words(&self) -> &'static dyn Words {
        self.lang.words()
    }

    /// The word in its colour.
    pub(crate) fn paint(&self, tone: Tone, word: impl fmt::Display) -> String {
        let [bad, doubt, good, end] = COLOURS;
        let colour = match tone {
            Tone::Bad => bad,
            Tone::Doubt => doubt,
            Tone::Good => good,
            Tone::Even => return word.to_string(),
        };
        match self.color {
            true => format!("\x1b{colour}{word}\x1b{end}"),
            false => word.to_string(),
        }
    }

    /// The words behind a lead, wrapped at blanks, and in Chinese between signs too; further lines begin below the words. A
    /// word that is longer than a line is never broken, nor is a value of the host: it can still be copied. Ends with a
    /// line feed.
    pub(crate) fn hang(&self, lead: &str, text: &str) -> String {
        let indent = visible_width(lead);
        let room = self.width.saturating_sub(indent).max(20);
        let mut out = String::from(lead);
        let mut used = 0;
        for word in text.split(' ') {
            let mut blank = usize::from(used > 0);
            for piece in pieces(word) {
                let columns = visible_width(piece);
                if used > 0 && used + blank + columns > room {
                    out.push('\n');
                    out.push_str(&" ".repeat(indent));
                    (used, blank) = (0, 0);
                }
                out.push_str(&" ".repeat(blank));
                out.push_str(piece);
                used += blank + columns;
                blank = 0;
            }
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }

    /// As [`Style::entry`], behind the word of this label.
    pub(crate) fn labelled(&self, label: Label, column: usize, text: &str) -> String {
        self.entry(self.words().label(label), column, text)
    }

    /// A word, filled up with blanks to its column, then the words behind it as [`Style::hang`]; two blanks before all.
    pub(crate) fn entry(&self, word: &str, column: usize, text: &str) -> String {
        self.hang(&format!("  {}", padded(word, column)), text)
    }
}

/// The word and at least one blank, so many columns.
pub(crate) fn padded(word: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(visible_width(word)).max(1);
    format!("{word}{}", " ".repeat(blanks))
}

/// The parts between which a word without blanks may be broken: after a wide sign of punctuation, and between wide signs.
/// What holds a path or stands in quotes is one part.
fn pieces(word: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    for part in word.split_inclusive(closes) {
        if part.contains(['/', '`', '\\', '\x1b']) {
            pieces.push(part);
            continue;
        }
        let mut from = 0;
        let mut before = None;
        for (at, sign) in part.char_indices() {
            let may_break = before.is_some_and(|before| (is_wide(before) || is_wide(sign)) && !opens(before));
            if may_break && !closes(sign) && at > from {
                pieces.push(&part[from..at]);
                from = at;
            }
            before = Some(sign);
        }
        pieces.push(&part[from..]);
    }
    match pieces.is_empty() {
        true => vec![word],
        false => pieces,
    }
}

fn is_wide(sign: char) -> bool {
    sign.width() == Some(2)
}

/// Punctuation that no line begins with.
fn closes(sign: char) -> bool {
    matches!(sign, '，' | '。' | '；' | '：' | '、' | '）' | '”' | '》')
}

/// Punctuation that no line ends with.
fn opens(sign: char) -> bool {
    matches!(sign, '（' | '“' | '《')
}

/// The columns of a text that may hold our own colours.
pub(crate) fn visible_width(text: &str) -> usize {
    if !text.contains('\x1b') {
        return text.width();
    }
    let mut columns = 0;
    for (at, part) in text.split("\x1b[").enumerate() {
        let shown = match at {
            0 => part,
            _ => part.split_once('m').map_or("", |(_, shown)| shown),
        };
        columns += shown.width();
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_repeats_and_takes_no_room() {
        let style = Style {
            color: true,
            width: 40,
            lang: Lang::En,
        };
        let word = style.paint(Tone::of(Status::Returned), Status::Returned);
        assert_eq!(word, "\x1b[31mreturned\x1b[0m");
        assert_eq!(visible_width(&word), 8);
        assert_eq!(padded(&word, 10), "\x1b[31mreturned\x1b[0m  ");
        assert_eq!(Style::PLAIN.paint(Tone::Bad, "returned"), "returned");
    }

    #[test]
    fn words_hang_below_words() {
        let style = Style {
            width: 30,
            ..Style::PLAIN
        };
        let text = style.hang(
            "not seen  ",
            "one two three four five six sevenisaverylongwordindeedtoolong",
        );
        assert_eq!(
            text,
            "not seen  one two three four\n          five six\n          sevenisaverylongwordindeedtoolong\n"
        );
    }

    #[test]
    fn chinese_is_wrapped_between_signs_and_never_in_a_value() {
        let style = Style {
            width: 28,
            ..Style::CHINESE
        };
        let text = style.hang(
            "对象  ",
            "该行启动已判定的 /usr/local/挖矿木马/sysd，并把下载内容交给（shell）执行。",
        );
        assert_eq!(
            text,
            "对象  该行启动已判定的\n      /usr/local/挖矿木马/sysd，\n      并把下载内容交给\n      （shell）执行。\n"
        );
    }
}
