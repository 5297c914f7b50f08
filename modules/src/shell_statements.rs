//! Which lines of a text for a shell hang together: what may be taken out alone without changing what the others mean.
//!
//! As POSIX, Shell Command Language, section 2.10 has it; for fish and csh by the words that open and close their blocks.
//! What is opened and never closed hangs together to the end.

use crate::shell_text::{Placed, Token, Word, placed_tokens};

/// How a shell closes what it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// sh, bash, zsh, ksh.
    Posix,
    /// fish and csh, where `end` or its like closes every block.
    Ended,
}

/// Lines that hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The first line, from 1.
    pub(crate) first: u32,
    /// The last line.
    pub(crate) last: u32,
    /// Whether something in it stays open at the end of the text.
    pub(crate) open: bool,
}

impl Statement {
    /// Whether it is one line that means the same wherever it stands.
    pub(crate) fn is_alone(&self) -> bool {
        self.first == self.last && !self.open
    }
}

/// What was opened and is to be closed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opened {
    /// By a word, to be closed by a word.
    Word,
    /// A `case`, before its `in`.
    Case,
    /// A `case` where a pattern is to come.
    Pattern,
    /// A `case` in one of its branches.
    Branch,
    /// By `(`.
    Parenthesis,
}

/// The statements of a text, in order; lines without any are left out.
pub(crate) fn statements(text: &[u8], dialect: Dialect) -> Vec<Statement> {
    let mut all: Vec<Statement> = Vec::new();
    let mut now: Option<Statement> = None;
    let mut state = State {
        dialect,
        opened: Vec::new(),
        at_start: true,
        goes_on: false,
        before: Before::Other,
    };
    for placed in placed_tokens(text, None) {
        if placed.ends_line && now.is_none() {
            continue;
        }
        let statement = now.get_or_insert(Statement {
            first: placed.first,
            last: placed.last,
            open: false,
        });
        statement.last = statement.last.max(placed.last);
        state.take(&placed);
        if placed.ends_line && state.opened.is_empty() && !state.goes_on {
            all.extend(now.take());
        }
    }
    if let Some(rest) = now {
        let open = !state.opened.is_empty() || state.goes_on;
        all.push(Statement { open, ..rest });
    }
    all
}

struct State {
    dialect: Dialect,
    opened: Vec<Opened>,
    /// Whether a word that comes now would be a program or a keyword.
    at_start: bool,
    /// Whether the last operator wants another command.
    goes_on: bool,
    before: Before,
}

/// The token before, where it matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Other,
    /// `else`.
    Else,
    /// `function`.
    Function,
    /// `(`.
    Open,
}

const OPENING: [&[u8]; 6] = [b"if", b"while", b"until", b"for", b"select", b"{"];
const CLOSING: [&[u8]; 3] = [b"fi", b"done", b"}"];
const LEADING: [&[u8]; 6] = [b"then", b"elif", b"else", b"do", b"!", b"time"];
const ENDED_OPENING: [&[u8]; 8] = [
    b"if",
    b"while",
    b"for",
    b"foreach",
    b"function",
    b"switch",
    b"begin",
    b"{",
];
const ENDED_CLOSING: [&[u8]; 4] = [b"end", b"endif", b"endsw", b"}"];

impl State {
    fn take(&mut self, placed: &Placed) {
        let before = std::mem::replace(&mut self.before, Before::Other);
        match &placed.token {
            Token::Word(word) => self.word(word, before),
            Token::Next if placed.ends_line => self.at_start = true,
            Token::Next => (self.at_start, self.goes_on) = (true, false),
            Token::Also | Token::Pipe => {
                let in_pattern = self.opened.last() == Some(&Opened::Pattern);
                (self.at_start, self.goes_on) = (true, !in_pattern);
            }
            Token::Branch => {
                if let Some(case @ Opened::Branch) = self.opened.last_mut() {
                    *case = Opened::Pattern;
                }
                (self.at_start, self.goes_on) = (true, false);
            }
            Token::Open => {
                if self.opened.last() != Some(&Opened::Pattern) {
                    self.opened.push(Opened::Parenthesis);
                }
                self.before = Before::Open;
                (self.at_start, self.goes_on) = (true, false);
            }
            Token::Close => {
                match self.opened.last_mut() {
                    Some(case @ Opened::Pattern) => *case = Opened::Branch,
                    Some(Opened::Parenthesis) => drop(self.opened.pop()),
                    _ => {}
                }
                // Behind a function's name comes its body.
                (self.at_start, self.goes_on) = (true, before == Before::Open);
            }
            Token::ReadFrom | Token::ReadText | Token::ReadBelow | Token::Below(_) | Token::Redirect => {}
        }
    }

    fn word(&mut self, word: &Word, before: Before) {
        self.goes_on = before == Before::Function;
        let at_start = std::mem::take(&mut self.at_start);
        if word.quoted {
            return;
        }
        let text = &word.bytes[..];
        if self.dialect == Dialect::Ended {
            if at_start && ENDED_OPENING.contains(&text) && before != Before::Else {
                self.opened.push(Opened::Word);
            } else if at_start && ENDED_CLOSING.contains(&text) {
                self.opened.pop();
            }
            if text == b"else" {
                self.before = Before::Else;
            }
            self.at_start = text == b"else" || text == b"{" && at_start;
            return;
        }
        match (self.opened.last().copied(), text) {
            (Some(Opened::Pattern), b"esac") => self.close(),
            (Some(Opened::Pattern), _) => {}
            (Some(Opened::Case), b"in") => {
                self.close();
                self.opened.push(Opened::Pattern);
            }
            (Some(Opened::Branch), b"esac") if at_start => self.close(),
            (_, b"case") if at_start => self.opened.push(Opened::Case),
            (_, b"function") if at_start => (self.before, self.goes_on) = (Before::Function, true),
            (Some(Opened::Word), _) if at_start && CLOSING.contains(&text) => self.close(),
            // Behind the name of a function it opens too: what only looks so is left to a person.
            (_, b"{") => {
                self.opened.push(Opened::Word);
                self.at_start = true;
            }
            (Some(Opened::Word), b"}") => self.close(),
            _ if at_start && OPENING.contains(&text) => {
                self.opened.push(Opened::Word);
                self.at_start = !matches!(text, b"for" | b"select");
            }
            _ if at_start && LEADING.contains(&text) => self.at_start = true,
            _ => {}
        }
    }

    fn close(&mut self) {
        self.opened.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str, dialect: Dialect) -> Vec<String> {
        statements(text.as_bytes(), dialect)
            .iter()
            .map(|s| match (s.first == s.last, s.open) {
                (true, false) => s.first.to_string(),
                (_, false) => format!("{}-{}", s.first, s.last),
                (_, true) => format!("{}-{}?", s.first, s.last),
            })
            .collect()
    }

    #[test]
    fn lines_that_hang_together() {
        let rows: [(&str, &str, &[&str]); 27] = [
            ("lines", "a\n\n# c\nb; c\nd &\n", &["1", "4", "5"]),
            ("no line feed at the end", "a\nb", &["1", "2"]),
            ("if", "a\nif b\nthen\n  c\nelse d; fi\ne", &["1", "2-5", "6"]),
            ("if on one line", "if [ -x a ]; then a; fi\nb", &["1", "2"]),
            ("an argument", "echo if\necho done\necho }x\nb", &["1", "2", "3", "4"]),
            (
                "loops",
                "while a; do b\ndone\nfor x in 1 2\ndo\nc\ndone",
                &["1-2", "3-6"],
            ),
            ("function", "a() {\n  b\n}\nc", &["1-3", "4"]),
            ("function, other form", "function a\n{\n  b\n}\nc", &["1-4", "5"]),
            ("function, brace below", "a()\n{\n  b\n}\nc", &["1-4", "5"]),
            ("function on one line", "a() { b; }\nc", &["1", "2"]),
            ("group", "(\na\n)\n{ b\n}\nc", &["1-3", "4-5", "6"]),
            ("case", "case $x in\n a|b) c ;;\n (d) e\n ;;\nesac\nf", &["1-5", "6"]),
            (
                "case on one line",
                "case $- in *i*) ;; *) return;; esac\nb",
                &["1", "2"],
            ),
            ("a keyword as a pattern", "case a in\nif) b;;\nesac\nc", &["1-3", "4"]),
            ("continued", "a \\\n b\nc", &["1-2", "3"]),
            ("operator at the end", "a &&\nb\nc |\n\nd\ne", &["1-2", "3-5", "6"]),
            ("quote", "a 'b\nc'\nd \"e\nf\"", &["1-2", "3-4"]),
            ("substitution", "a $(b\nc)\nd", &["1-2", "3"]),
            ("text below", "cat <<E\n/tmp/x\nE\nb", &["1-3", "4"]),
            ("text below, joined", "cat <<E &&\nx\nE\nb\nc", &["1-4", "5"]),
            ("never closed", "a\nif b; then\nc\n", &["1", "2-3?"]),
            ("never closed, one line", "if b", &["1-1?"]),
            ("quote never closed", "a\nb 'c\nd\n", &["1", "2-4"]),
            ("array", "a=(b\nc)\nd", &["1-2", "3"]),
            ("test", "[[ a = b ]] && c\nd", &["1", "2"]),
            ("comment", "a # if\nb # \\\nc", &["1", "2", "3"]),
            ("nothing", "\n  # only\n", &[]),
        ];
        for (name, text, expected) in rows {
            assert_eq!(shown(text, Dialect::Posix), expected, "{name}");
        }
    }

    #[test]
    fn blocks_that_are_ended() {
        let rows: [(&str, &str, &[&str]); 5] = [
            ("fish", "if a\n b\nelse if c\n d\nend\ne", &["1-5", "6"]),
            ("fish function", "function a\n b\nend\nc", &["1-3", "4"]),
            ("csh", "if (a) then\n b\nendif\nc", &["1-3", "4"]),
            ("csh loop", "foreach x (a b)\n c\nend\nd", &["1-3", "4"]),
            ("lines", "set -x PATH /a\n/tmp/x &\n", &["1", "2"]),
        ];
        for (name, text, expected) in rows {
            assert_eq!(shown(text, Dialect::Ended), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn statements_are_lines_in_order(
            text in "(if|fi|case|in|esac|\\(|\\)|\\{|\\}|;;|;|&&|<<E|E|'|\\\\|\n| |a){0,40}",
            bytes: Vec<u8>,
        ) {
            for text in [text.as_bytes(), &bytes[..]] {
                let lines = text.split(|b| *b == b'\n').count() as u32;
                for dialect in [Dialect::Posix, Dialect::Ended] {
                    let mut before = 0;
                    for statement in statements(text, dialect) {
                        prop_assert!(statement.first > before && statement.first <= statement.last);
                        prop_assert!(statement.last <= lines);
                        before = statement.last;
                    }
                }
            }
        }
    }
}
