//! The one place that writes to the terminal: answers on stdout, what goes on and what went wrong on stderr.
//!
//! A reader that went away (`deminer show | head`) ends the writing and nothing else: an apply goes on without it.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::Style;
use super::plain::{is_plain, plain_lines};
use super::style::COLOURS;
use super::words::Lang;

/// The width where none is known.
pub(crate) const WIDTH: usize = 110;

/// The narrowest and the widest that text is made for.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=160;

/// Where answers, errors and the live line go. Cheap to clone; clones write to the same terminal.
#[derive(Clone)]
pub(crate) struct Screen {
    style: Style,
    /// Whether stderr is a terminal, which can show a line and take it away again.
    live: bool,
    /// Whether somebody reads all of it and can answer: stdin, stdout and stderr are terminals.
    answers: bool,
    ends: Arc<Mutex<Ends>>,
}

struct Ends {
    out: Option<Box<dyn Write + Send>>,
    err: Option<Box<dyn Write + Send>>,
    /// Whether a live line stands on stderr.
    lit: bool,
    /// How many ask for no live line.
    quiet: u32,
}

/// While it is held no live line is drawn: somebody types.
pub(crate) struct Quiet(Screen);

impl Drop for Quiet {
    fn drop(&mut self) {
        self.0.ends().quiet -= 1;
    }
}

impl Screen {
    /// The terminal, or the files and pipes in its place.
    pub(crate) fn new() -> Screen {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let out = io::stdout();
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        let columns = set("COLUMNS")
            .and_then(|columns| columns.to_str()?.parse().ok())
            .or_else(|| Some(usize::from(rustix::termios::tcgetwinsize(&out).ok()?.ws_col)))
            .filter(|columns| *columns > 0);
        let style = Style {
            color: out.is_terminal() && !dumb && set("NO_COLOR").is_none(),
            width: columns.unwrap_or(WIDTH).clamp(*WIDTHS.start(), *WIDTHS.end()),
            lang: Lang::default(),
        };
        let live = io::stderr().is_terminal() && !dumb;
        let answers = out.is_terminal() && io::stderr().is_terminal() && io::stdin().is_terminal();
        Screen {
            answers,
            ..Screen::on(style, live, Box::new(out), Box::new(io::stderr()))
        }
    }

    /// A screen on these ends.
    pub(crate) fn on(style: Style, live: bool, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Screen {
        let ends = Ends {
            out: Some(out),
            err: Some(err),
            lit: false,
            quiet: 0,
        };
        Screen {
            style,
            live,
            answers: false,
            ends: Arc::new(Mutex::new(ends)),
        }
    }

    /// The same screen for a reader of this language.
    #[must_use]
    pub(crate) fn in_language(mut self, lang: Lang) -> Screen {
        self.style.lang = lang;
        self
    }

    /// How text is made for it.
    pub(crate) fn style(&self) -> &Style {
        &self.style
    }

    /// Whether it can show a live line.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    /// An answer for people; ends with one line feed. Of what a terminal would obey only our own colours are left.
    pub(crate) fn say(&self, text: &str) {
        let mut ends = self.ends();
        ends.clear();
        ends.out(&with_line_feed(&painted_lines(text)));
    }

    /// An answer for programs: one JSON value and a line feed. What a terminal would obey is written `\uXXXX`.
    pub(crate) fn json(&self, value: &Value) {
        let mut ends = self.ends();
        ends.clear();
        ends.out(&with_line_feed(&json_text(value)));
    }

    /// What went wrong, and what to do about it.
    pub(crate) fn error(&self, what: &str, hint: Option<&str>) {
        let mut text = format!("error: {}\n", plain_lines(what.trim_end()));
        if let Some(hint) = hint {
            text.push_str(&format!("help: {}\n", plain_lines(hint.trim_end())));
        }
        let mut ends = self.ends();
        ends.clear();
        ends.err(&text);
    }

    /// Mistakes of a file, each with its place, on stderr.
    pub(crate) fn mistakes(&self, text: &str) {
        let mut ends = self.ends();
        ends.clear();
        ends.err(&with_line_feed(&plain_lines(text.trim_end())));
    }

    /// A line about what goes on, on stderr.
    pub(crate) fn note(&self, line: &str) {
        let mut ends = self.ends();
        ends.clear();
        ends.err(&with_line_feed(&plain_lines(line)));
    }

    /// Whether somebody reads what is said and can answer.
    pub(crate) fn answers(&self) -> bool {
        self.answers
    }

    /// Puts a question to whoever sits there; what is typed stands behind it.
    pub(crate) fn question(&self, question: &str) {
        let mut ends = self.ends();
        ends.clear();
        // A line of room, since what was shown before is what is asked about.
        ends.err(&format!("\n{}", plain_lines(question)));
    }

    /// Puts the live line in the place of the one before; nothing where stderr is no terminal.
    pub(super) fn light(&self, line: &str) {
        if !self.live {
            return;
        }
        let line = super::plain::plain(line);
        let line = super::plain::cut(&line, self.style.width.saturating_sub(1));
        let mut ends = self.ends();
        if ends.quiet > 0 {
            return;
        }
        ends.err(&format!("\r{line}\x1b[K"));
        ends.lit = true;
    }

    /// Takes the live line away for as long as the guard is held.
    #[must_use]
    pub(crate) fn quiet(&self) -> Quiet {
        let mut ends = self.ends();
        ends.clear();
        ends.quiet += 1;
        Quiet(self.clone())
    }

    /// Takes the live line away.
    pub(super) fn clear(&self) {
        self.ends().clear();
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ends {
    fn clear(&mut self) {
        if std::mem::take(&mut self.lit) {
            self.err("\r\x1b[K");
        }
    }

    fn out(&mut self, text: &str) {
        write_or_drop(&mut self.out, text);
    }

    fn err(&mut self, text: &str) {
        write_or_drop(&mut self.err, text);
    }
}

/// Writes; an end that does not take it gets nothing more.
fn write_or_drop(end: &mut Option<Box<dyn Write + Send>>, text: &str) {
    if let Some(open) = end
        && open.write_all(text.as_bytes()).and_then(|()| open.flush()).is_err()
    {
        *end = None;
    }
}

/// A text of several lines, harmless but for the colours of [`Style`].
fn painted_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, part) in text.split('\x1b').enumerate() {
        let colour = COLOURS.iter().find(|colour| at > 0 && part.starts_with(**colour));
        match colour {
            Some(colour) => {
                out.push('\x1b');
                out.push_str(colour);
                out.push_str(&plain_lines(&part[colour.len()..]));
            }
            None if at > 0 => out.push_str(&plain_lines(&format!("\x1b{part}"))),
            None => out.push_str(&plain_lines(part)),
        }
    }
    out
}

fn with_line_feed(text: &str) -> String {
    format!("{}\n", text.strip_suffix('\n').unwrap_or(text))
}

fn json_text(value: &Value) -> String {
    // `{:#}` is the pretty form; a `Value` always has one.
    let text = format!("{value:#}");
    if text.chars().all(|c| c == '\n' || is_plain(c)) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c == '\n' || is_plain(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;
    use crate::render::sample::Paper;

    #[test]
    fn answers_and_errors_have_their_own_ends() {
        let (out, err) = (Paper::default(), Paper::default());
        let screen = Screen::on(Style::PLAIN, true, Box::new(out.clone()), Box::new(err.clone()));
        screen.light("~ 00:01  looking");
        screen.say("an answer");
        screen.error("cannot read `a\x1b[2Jb`", Some("connect as root"));
        assert_eq!(out.text(), "an answer\n");
        assert_eq!(
            err.text(),
            "\r~ 00:01  looking\x1b[K\r\x1b[Kerror: cannot read `a\\x1b[2Jb`\nhelp: connect as root\n"
        );
    }

    #[test]
    fn of_escapes_only_our_colours_are_left() {
        let red = Style {
            color: true,
            ..Style::PLAIN
        }
        .paint(crate::render::style::Tone::Bad, "failed");
        let text = format!("{red}\nfile \x1b[2Ja\x1b[5m\tb");
        assert_eq!(painted_lines(&text), format!("{red}\nfile \\x1b[2Ja\\x1b[5m\\x09b"));
    }

    #[test]
    fn json_holds_nothing_that_a_terminal_obeys_and_reads_back() {
        let value = json!({"a": "\u{9b}31m \u{202e} 挖 \x1b", "b": "\u{10ffff}"});
        let text = json_text(&value);
        assert!(text.chars().all(|c| c == '\n' || is_plain(c)), "{text}");
        assert!(text.contains('挖'));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn no_live_line_is_drawn_while_somebody_types() {
        let err = Paper::default();
        let screen = Screen::on(Style::PLAIN, true, Box::new(Paper::default()), Box::new(err.clone()));
        screen.light("~ one");
        let quiet = screen.quiet();
        screen.light("~ two");
        drop(quiet);
        screen.light("~ three");
        assert_eq!(err.text(), "\r~ one\x1b[K\r\x1b[K\r~ three\x1b[K");
    }

    struct Closed(Arc<Mutex<u32>>);

    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            *self.0.lock().unwrap() += 1;
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_ends_the_writing_and_nothing_else() {
        let tried = Arc::new(Mutex::new(0));
        let err = Paper::default();
        let screen = Screen::on(
            Style::PLAIN,
            false,
            Box::new(Closed(tried.clone())),
            Box::new(err.clone()),
        );
        screen.say("one");
        screen.say("two");
        screen.error("still said", None);
        assert_eq!(*tried.lock().unwrap(), 1);
        assert_eq!(err.text(), "error: still said\n");
    }
}
