//! Cuts text for a shell into words and operators, without running or expanding anything.
//!
//! As POSIX, Shell Command Language, section 2.3 has it, and tolerant: what is not closed is taken to the end. A word
//! whose value only the shell would know (a variable, a pattern, a substitution) is kept and marked untold.

use std::collections::VecDeque;

use deminer_worker::text::HostPath;

/// A piece of text for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A word, quotes taken off.
    Word(Word),
    /// `;`, `&`, a line feed: another command begins, in the same directory.
    Next,
    /// `&&`, `||`: the same, but a line feed behind it ends nothing.
    Also,
    /// `;;`, `;&`, `;;&`: a branch of a `case` ends.
    Branch,
    /// `|`: another command begins that reads what the last one writes.
    Pipe,
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `<`: the next word is the file to read from.
    ReadFrom,
    /// `<<<`: the next word is the text to read.
    ReadText,
    /// `<<`: the next word ends the text to read, which stands below this line.
    ReadBelow,
    /// The text that stands below a line, up to its end.
    Below(Vec<u8>),
    /// Any other redirection: the next word is no argument.
    Redirect,
}

/// A word, quotes taken off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Word {
    /// Its bytes; a substitution leaves its own text in them.
    pub(crate) bytes: Vec<u8>,
    /// Whether only the shell would know its value.
    pub(crate) untold: bool,
    /// Whether any of it was quoted: then it is no keyword.
    pub(crate) quoted: bool,
    /// The commands that would be run to make its value.
    pub(crate) inner: Vec<Vec<u8>>,
}

/// A token, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) token: Token,
    /// The line on which it begins, from 1.
    pub(crate) first: u32,
    /// The line on which it ends; the next one where a backslash joins that.
    pub(crate) last: u32,
    /// Whether it is a line feed.
    pub(crate) ends_line: bool,
}

/// All tokens, without their places.
#[cfg(test)]
fn tokens(text: &[u8], home: Option<&HostPath>) -> Vec<Token> {
    placed_tokens(text, home)
        .into_iter()
        .map(|placed| placed.token)
        .collect()
}

/// All tokens in order; a text below a line comes before that line's end. `home` stands for `~` and `$HOME`.
pub(crate) fn placed_tokens(text: &[u8], home: Option<&HostPath>) -> Vec<Placed> {
    let mut reader = Reader {
        text,
        at: 0,
        home,
        awaits_end: None,
        below: VecDeque::new(),
    };
    let mut lines = Lines { text, at: 0, line: 1 };
    let mut all: Vec<Placed> = Vec::new();
    loop {
        let joined = reader.skip_blanks();
        let first = lines.of(reader.at);
        if let Some(before) = all.last_mut().filter(|before| joined && !before.ends_line) {
            before.last = first;
        }
        let ends_line = reader.peek(0) == Some(b'\n');
        let Some(token) = reader.token() else { return all };
        if !ends_line {
            let last = lines.of(reader.at);
            all.push(Placed {
                token,
                first,
                last,
                ends_line,
            });
            continue;
        }
        while let Some(end) = reader.below.pop_front() {
            let below = lines.of(reader.at);
            let token = Token::Below(reader.text_below(&end));
            let last = lines.of(reader.at.saturating_sub(1));
            all.push(Placed {
                token,
                first: below,
                last,
                ends_line: false,
            });
        }
        all.push(Placed {
            token,
            first,
            last: first,
            ends_line,
        });
    }
}

/// Counts the lines of a text, forward.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
}

impl Lines<'_> {
    /// The line on which this byte stands; never asked for an earlier one than before.
    fn of(&mut self, at: usize) -> u32 {
        let at = at.min(self.text.len()).max(self.at);
        let feeds = self.text[self.at..at].iter().filter(|b| **b == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(feeds).unwrap_or(u32::MAX));
        self.at = at;
        self.line
    }
}

/// What ends a text below a line.
struct End {
    word: Vec<u8>,
    /// Whether tabs may stand before it (`<<-`).
    indented: bool,
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    home: Option<&'a HostPath>,
    /// Whether the next word ends a text below, and whether tabs may stand before it there.
    awaits_end: Option<bool>,
    /// The texts that begin below this line.
    below: VecDeque<End>,
}

impl<'a> Reader<'a> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    /// Passes over blanks and comments; `true` where a backslash joined the next line.
    fn skip_blanks(&mut self) -> bool {
        let mut joined = false;
        loop {
            match self.peek(0) {
                Some(b' ' | b'\t' | b'\r' | 0) => self.at += 1,
                Some(b'\\') if self.peek(1) == Some(b'\n') => {
                    joined = true;
                    self.at += 2;
                }
                Some(b'#') => self.at += self.text[self.at..].iter().take_while(|b| **b != b'\n').count(),
                _ => return joined,
            }
        }
    }

    /// The text up to a line that is `end`, or to the end of all.
    fn text_below(&mut self, end: &End) -> Vec<u8> {
        let mut text = Vec::new();
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let length = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |at| at + 1);
            let line = &rest[..length];
            self.at += length;
            let bare = line.strip_suffix(b"\n").unwrap_or(line);
            let tabs = bare.iter().take_while(|b| end.indented && **b == b'\t').count();
            if bare[tabs..] == end.word[..] {
                break;
            }
            text.extend_from_slice(line);
        }
        text
    }

    /// The next token, from where no blank stands.
    fn token(&mut self) -> Option<Token> {
        self.peek(0)?;
        let rest = &self.text[self.at..];
        let operators: [(&[u8], Token); 15] = [
            (b"&>", Token::Redirect),
            (b"&&", Token::Also),
            (b"&", Token::Next),
            (b"||", Token::Also),
            (b"|&", Token::Pipe),
            (b"|", Token::Pipe),
            (b";;&", Token::Branch),
            (b";;", Token::Branch),
            (b";&", Token::Branch),
            (b";", Token::Next),
            (b"\n", Token::Next),
            (b"(", Token::Open),
            (b")", Token::Close),
            (b"<<<", Token::ReadText),
            (b"<<", Token::ReadBelow),
        ];
        if !matches!(rest, [b'<' | b'>', b'(', ..]) {
            if let Some((sign, token)) = operators.into_iter().find(|(sign, _)| rest.starts_with(sign)) {
                self.at += sign.len();
                match token {
                    Token::Redirect => self.skip_redirect_marks(),
                    Token::ReadBelow => {
                        let indented = self.peek(0) == Some(b'-');
                        self.at += usize::from(indented);
                        self.awaits_end = Some(indented);
                    }
                    Token::Next => self.awaits_end = None,
                    _ => {}
                }
                return Some(token);
            }
            if matches!(rest[0], b'<' | b'>') {
                let reads = rest[0] == b'<' && !matches!(rest.get(1), Some(b'&'));
                self.at += 1;
                self.skip_redirect_marks();
                return Some(if reads { Token::ReadFrom } else { Token::Redirect });
            }
        }
        let word = self.word();
        // `2>` is a redirection, `2 >` an argument and a redirection.
        if !word.quoted
            && !word.bytes.is_empty()
            && word.bytes.iter().all(u8::is_ascii_digit)
            && matches!(self.peek(0), Some(b'<' | b'>'))
        {
            return self.token();
        }
        if let Some(indented) = self.awaits_end.take() {
            let word = word.bytes.clone();
            self.below.push_back(End { word, indented });
        }
        Some(Token::Word(word))
    }

    fn skip_redirect_marks(&mut self) {
        while matches!(self.peek(0), Some(b'>' | b'&' | b'|' | b'-')) {
            self.at += 1;
        }
    }

    fn word(&mut self) -> Word {
        let mut word = Word::default();
        let mut braces = false;
        let start = self.at;
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | 0 | b';' | b'|' | b'&' | b')' => break,
                b'<' | b'>' if self.peek(1) == Some(b'(') => {
                    self.at += 2;
                    let inner = self.enclosed();
                    word.put_inner(inner);
                }
                // `a(`: a function's head; the name is a word of its own.
                b'(' | b'<' | b'>' => break,
                b'\\' => {
                    word.quoted = true;
                    match self.peek(1) {
                        Some(b'\n') => {}
                        Some(next) => word.bytes.push(next),
                        None => word.bytes.push(b'\\'),
                    }
                    self.at += 2;
                }
                b'\'' => self.single_quoted(&mut word),
                b'"' => self.double_quoted(&mut word),
                b'$' | b'`' => self.dollar(&mut word, false),
                b'~' if self.at == start => self.tilde(&mut word),
                _ => {
                    braces |= byte == b'{';
                    word.untold |= matches!(byte, b'*' | b'?' | b'[') || (braces && byte == b',');
                    word.bytes.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at = self.at.min(self.text.len());
        // `[` and `[[` are programs, not patterns.
        if word.bytes == b"[" || word.bytes == b"[[" {
            word.untold = false;
        }
        word
    }

    fn single_quoted(&mut self, word: &mut Word) {
        word.quoted = true;
        let rest = &self.text[self.at + 1..];
        match rest.iter().position(|b| *b == b'\'') {
            Some(end) => {
                word.bytes.extend_from_slice(&rest[..end]);
                self.at += end + 2;
            }
            None => {
                word.untold = true;
                word.bytes.extend_from_slice(rest);
                self.at = self.text.len();
            }
        }
    }

    fn double_quoted(&mut self, word: &mut Word) {
        word.quoted = true;
        self.at += 1;
        loop {
            match self.peek(0) {
                None => {
                    word.untold = true;
                    return;
                }
                Some(b'"') => {
                    self.at += 1;
                    return;
                }
                Some(b'\\') => match self.peek(1) {
                    Some(b'\n') => self.at += 2,
                    Some(next @ (b'$' | b'`' | b'"' | b'\\')) => {
                        word.bytes.push(next);
                        self.at += 2;
                    }
                    _ => {
                        word.bytes.push(b'\\');
                        self.at += 1;
                    }
                },
                Some(b'$' | b'`') => self.dollar(word, true),
                Some(byte) => {
                    word.bytes.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn tilde(&mut self, word: &mut Word) {
        self.at += 1;
        match (self.home, self.peek(0)) {
            (Some(home), None | Some(b'/' | b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b')')) => {
                word.bytes.extend_from_slice(home.as_bytes());
            }
            _ => {
                word.untold = true;
                word.bytes.push(b'~');
            }
        }
    }

    fn dollar(&mut self, word: &mut Word, in_quotes: bool) {
        let rest = &self.text[self.at..];
        if rest[0] == b'`' {
            let body = &rest[1..];
            let end = body.iter().position(|b| *b == b'`').unwrap_or(body.len());
            self.at = (self.at + end + 2).min(self.text.len());
            word.put_inner(body[..end].to_vec());
            return;
        }
        for name in [&b"$HOME"[..], b"${HOME}"] {
            let next = rest.get(name.len());
            let ends = name.ends_with(b"}") || !next.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
            if let (true, true, Some(home)) = (rest.starts_with(name), ends, self.home) {
                word.bytes.extend_from_slice(home.as_bytes());
                self.at += name.len();
                return;
            }
        }
        match rest.get(1) {
            Some(b'(') => {
                self.at += 2;
                let inner = self.enclosed();
                word.put_inner(inner);
            }
            Some(b'\'') if !in_quotes => {
                // ANSI-C quoting: its escapes are left as they stand.
                self.at += 1;
                self.single_quoted(word);
                word.untold |= word.bytes.contains(&b'\\');
            }
            Some(
                b'{' | b'_' | b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z',
            ) => {
                word.untold = true;
                word.bytes.push(b'$');
                self.at += 1;
            }
            _ => {
                word.bytes.push(b'$');
                self.at += 1;
            }
        }
    }

    /// The text up to the parenthesis that closes; quotes inside are minded.
    fn enclosed(&mut self) -> Vec<u8> {
        let start = self.at;
        let mut depth = 1_usize;
        let mut quote: Option<u8> = None;
        while let Some(byte) = self.peek(0) {
            match (quote, byte) {
                (Some(b'\''), b'\'') | (Some(b'"'), b'"') => quote = None,
                (Some(b'\''), _) => {}
                (_, b'\\') => self.at += 1,
                (Some(_), _) => {}
                (None, b'\'' | b'"') => quote = Some(byte),
                (None, b'(') => depth += 1,
                (None, b')') => depth -= 1,
                (None, _) => {}
            }
            if depth == 0 {
                let inner = self.text[start..self.at].to_vec();
                self.at += 1;
                return inner;
            }
            self.at += 1;
        }
        self.at = self.text.len();
        self.text[start.min(self.at)..].to_vec()
    }
}

impl Word {
    fn put_inner(&mut self, inner: Vec<u8>) {
        self.untold = true;
        self.bytes.extend_from_slice(&inner);
        self.inner.push(inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        tokens(text.as_bytes(), Some(&HostPath::from("/home/deploy")))
            .into_iter()
            .map(|token| match token {
                Token::Word(word) => {
                    let mark = if word.untold { "?" } else { "" };
                    format!("[{}]{mark}", String::from_utf8_lossy(&word.bytes))
                }
                Token::Next => ";".to_owned(),
                Token::Also => "&&".to_owned(),
                Token::Branch => ";;".to_owned(),
                Token::ReadBelow => "<<".to_owned(),
                Token::Below(text) => format!("{{{}}}", String::from_utf8_lossy(&text)),
                Token::Pipe => "|".to_owned(),
                Token::Open => "(".to_owned(),
                Token::Close => ")".to_owned(),
                Token::ReadFrom => "<".to_owned(),
                Token::ReadText => "<<<".to_owned(),
                Token::Redirect => ">".to_owned(),
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn words_and_operators() {
        let rows = [
            ("plain", "/tmp/x -o pool:3333", "[/tmp/x] [-o] [pool:3333]"),
            ("no blanks", "a;b&&c||d|e&f", "[a] ; [b] && [c] && [d] | [e] ; [f]"),
            (
                "redirections",
                "x >/dev/null 2>&1 &>>log <in",
                "[x] > [/dev/null] > [1] > [log] < [in]",
            ),
            ("a number is no descriptor", "sleep 2 >x", "[sleep] [2] > [x]"),
            ("single quotes", "sh -c 'a; b'", "[sh] [-c] [a; b]"),
            ("double quotes", r#"echo "a\"b $X""#, r#"[echo] [a"b $X]?"#),
            ("broken word", "/t'm'\"p\"/\\x", "[/tmp/x]"),
            ("unclosed quote", "sh -c 'a b", "[sh] [-c] [a b]?"),
            (
                "home",
                "~/.x/a $HOME/b ${HOME}c $HOMES",
                "[/home/deploy/.x/a] [/home/deploy/b] [/home/deployc] [$HOMES]?",
            ),
            ("another's home", "~root/x", "[~root/x]?"),
            ("substitution", "a $(b 'c)' d) `e`", "[a] [b 'c)' d]? [e]?"),
            ("process substitution", "bash <(curl x)", "[bash] [curl x]?"),
            ("pattern", "/tmp/* /tmp/{a,b}", "[/tmp/*]? [/tmp/{a,b}]?"),
            ("test", "[ -x /a ] && b", "[[] [-x] [/a] []] && [b]"),
            ("comment", "a # b; c\nd#e", "[a] ; [d#e]"),
            ("here text", "sh <<< 'a'", "[sh] <<< [a]"),
            ("group", "(cd /a && b)", "( [cd] [/a] && [b] )"),
            ("continued line", "a \\\n b", "[a] [b]"),
            (
                "branches",
                "case a in b) c;; esac",
                "[case] [a] [in] [b] ) [c] ;; [esac]",
            ),
            (
                "text below",
                "cat <<E >f\nx '\nE\nd",
                "[cat] << [E] > [f] {x '\n} ; [d]",
            ),
            (
                "text below, quoted",
                "sh <<-'E' |b\n\tx\n\tE\nd",
                "[sh] << [E] | [b] {\tx\n} ; [d]",
            ),
            (
                "two texts below",
                "a <<A <<B\n1\nA\n2\nB\n",
                "[a] << [A] << [B] {1\n} {2\n} ;",
            ),
            ("text without an end", "a <<A\n1\n", "[a] << [A] {1\n} ;"),
        ];
        for (name, text, expected) in rows {
            assert_eq!(shown(text), expected, "{name}");
        }
    }

    #[test]
    fn tokens_know_their_lines() {
        type Row = (&'static str, &'static str, &'static [(u32, u32)]);
        let rows: [Row; 5] = [
            ("one line each", "a\nb\n", &[(1, 1), (1, 1), (2, 2), (2, 2)]),
            ("a quote over lines", "a 'x\ny'\nb", &[(1, 1), (1, 2), (2, 2), (3, 3)]),
            ("a joined line", "a \\\nb\nc", &[(1, 2), (2, 2), (2, 2), (3, 3)]),
            ("a comment joins nothing", "a # \\\nb", &[(1, 1), (1, 1), (2, 2)]),
            (
                "text below",
                "a <<E\n1\n2\nE\nb",
                &[(1, 1), (1, 1), (1, 1), (2, 4), (1, 1), (5, 5)],
            ),
        ];
        for (name, text, expected) in rows {
            let found: Vec<(u32, u32)> = placed_tokens(text.as_bytes(), None)
                .iter()
                .map(|placed| (placed.first, placed.last))
                .collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            let all: usize = tokens(&bytes, None).len();
            prop_assert!(all <= bytes.len());
        }

        #[test]
        fn any_shell_like_text_ends(text in r#"[a/$(){}`'"\\<>|&;# \n~*=2-]{0,80}"#) {
            prop_assert!(tokens(text.as_bytes(), Some(&HostPath::from("/h"))).len() <= text.len());
        }
    }
}
