//! Cuts text for a shell into words and operators, without running or expanding anything.
//!
//! As POSIX, Shell Command Language, section 2.3 has it, and tolerant: what is not closed is taken to the end. A word
//! whose value only the shell would know (a variable, a pattern, a substitution) is kept and marked untold.

use deminer_worker::text::HostPath;

/// A piece of text for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A word, quotes taken off.
    Word(Word),
    /// `;`, `&`, `&&`, `||`, a line feed: another command begins, in the same directory.
    Next,
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
    /// Any other redirection: the next word is no argument. `<<` too: its text comes as commands of its own.
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

/// All tokens. `home` stands for `~` and `$HOME`.
pub(crate) fn tokens(text: &[u8], home: Option<&HostPath>) -> Vec<Token> {
    let mut reader = Reader { text, at: 0, home };
    let mut tokens = Vec::new();
    while let Some(token) = reader.token() {
        tokens.push(token);
    }
    tokens
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    home: Option<&'a HostPath>,
}

impl<'a> Reader<'a> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn token(&mut self) -> Option<Token> {
        loop {
            match self.peek(0)? {
                b' ' | b'\t' | b'\r' | 0 => self.at += 1,
                b'\\' if self.peek(1) == Some(b'\n') => self.at += 2,
                b'#' => self.at += self.text[self.at..].iter().take_while(|b| **b != b'\n').count(),
                _ => break,
            }
        }
        let rest = &self.text[self.at..];
        let operators: [(&[u8], Token); 12] = [
            (b"&>", Token::Redirect),
            (b"&&", Token::Next),
            (b"&", Token::Next),
            (b"||", Token::Next),
            (b"|&", Token::Pipe),
            (b"|", Token::Pipe),
            (b";", Token::Next),
            (b"\n", Token::Next),
            (b"(", Token::Open),
            (b")", Token::Close),
            (b"<<<", Token::ReadText),
            (b"<<", Token::Redirect),
        ];
        if !matches!(rest, [b'<' | b'>', b'(', ..]) {
            if let Some((sign, token)) = operators.into_iter().find(|(sign, _)| rest.starts_with(sign)) {
                self.at += sign.len();
                if token == Token::Redirect {
                    self.skip_redirect_marks();
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
            ("no blanks", "a;b&&c||d|e&f", "[a] ; [b] ; [c] ; [d] | [e] ; [f]"),
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
            ("test", "[ -x /a ] && b", "[[] [-x] [/a] []] ; [b]"),
            ("comment", "a # b; c\nd#e", "[a] ; [d#e]"),
            ("here text", "sh <<< 'a'", "[sh] <<< [a]"),
            ("group", "(cd /a && b)", "( [cd] [/a] ; [b] )"),
            ("continued line", "a \\\n b", "[a] [b]"),
        ];
        for (name, text, expected) in rows {
            assert_eq!(shown(text), expected, "{name}");
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
