//! How text is laid out for one screen: its width, and whether colour may repeat a word.

use std::fmt;

use deminer_engine::finding::HostVerdict;
use deminer_engine::status::Status;
use unicode_width::UnicodeWidthStr;

/// The screen that text is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether words may be coloured; colour never says more than the word.
    pub(crate) color: bool,
    /// Columns.
    pub(crate) width: usize,
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
            | Status::NotApproved
            | Status::Contained
            | Status::Suspected => Tone::Doubt,
            Status::Eradicated | Status::Clean => Tone::Good,
            Status::Undone => Tone::Even,
        }
    }

    /// Of a verdict.
    pub(crate) fn of_verdict(verdict: HostVerdict) -> Tone {
        match verdict {
            HostVerdict::Infected => Tone::Bad,
            HostVerdict::Suspected | HostVerdict::CannotSay => Tone::Doubt,
            HostVerdict::Clean => Tone::Good,
        }
    }
}

impl Style {
    /// For files, tickets and tests: no colour, the usual width.
    #[cfg(test)]
    pub(crate) const PLAIN: Style = Style {
        color: false,
        width: super::screen::WIDTH,
    };

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

    /// The words behind a lead, wrapped at blanks; further lines begin below the words. A word that is longer than a line
    /// is never broken: it can still be copied. Ends with a line feed.
    pub(crate) fn hang(&self, lead: &str, text: &str) -> String {
        let indent = visible_width(lead);
        let room = self.width.saturating_sub(indent).max(20);
        let mut out = String::from(lead);
        let mut used = 0;
        for word in text.split(' ') {
            let columns = visible_width(word);
            match used {
                0 => {}
                _ if used + 1 + columns > room => {
                    out.push('\n');
                    out.push_str(&" ".repeat(indent));
                    used = 0;
                }
                _ => {
                    out.push(' ');
                    used += 1;
                }
            }
            out.push_str(word);
            used += columns;
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
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
        let style = Style { color: true, width: 40 };
        let word = style.paint(Tone::of(Status::Returned), Status::Returned);
        assert_eq!(word, "\x1b[31mreturned\x1b[0m");
        assert_eq!(visible_width(&word), 8);
        assert_eq!(padded(&word, 10), "\x1b[31mreturned\x1b[0m  ");
        assert_eq!(Style::PLAIN.paint(Tone::Bad, "returned"), "returned");
    }

    #[test]
    fn words_hang_below_words() {
        let style = Style {
            color: false,
            width: 30,
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
}
