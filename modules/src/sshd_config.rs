//! Reads sshd_config(5) line by line, from any bytes. Pure.
//!
//! Of each keyword the first value counts that stands outside of a `Match` block, or in one that fits; whether a block
//! fits is sshd's to say, so what stands in one is told with its condition.

use deminer_worker::text::HostBytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One line with a keyword.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Directive {
    /// Its line, from 1.
    pub number: u32,
    /// Its bytes without the line feed.
    pub line: HostBytes,
    /// In lower case.
    pub keyword: String,
    /// Its arguments, quotes taken off.
    pub arguments: Vec<HostBytes>,
    /// The condition of the `Match` block that it stands in; `None` outside of one.
    pub condition: Option<HostBytes>,
}

/// The most lines of one file.
pub const LINES: usize = 10_000;

/// The most arguments of one line.
const ARGUMENTS: usize = 256;

/// The longest keyword.
const KEYWORD_BYTES: usize = 64;

/// Reads all lines; whether there are more than [`LINES`] is told beside them. `condition` is that of the block in which
/// the file is included. A `Match` line is a directive too.
pub fn parse_sshd_config(content: &[u8], condition: Option<&HostBytes>) -> (Vec<Directive>, bool) {
    let mut condition = condition.cloned();
    let mut directives = Vec::new();
    for (line, number) in content.split(|b| *b == b'\n').zip(1..) {
        let Some((keyword, arguments)) = words(line) else {
            continue;
        };
        if directives.len() == LINES {
            return (directives, true);
        }
        if keyword == "match" {
            let is_all = arguments.len() == 1 && arguments[0].as_bytes().eq_ignore_ascii_case(b"all");
            let words: Vec<&[u8]> = arguments.iter().map(HostBytes::as_bytes).collect();
            condition = (!is_all).then(|| HostBytes::new(words.join(&b' ')));
        }
        directives.push(Directive {
            number,
            line: HostBytes::new(line),
            keyword,
            arguments,
            condition: condition.clone(),
        });
    }
    (directives, false)
}

/// The keyword and the arguments of a line; `None` where it has none.
fn words(line: &[u8]) -> Option<(String, Vec<HostBytes>)> {
    let text = line.split(|b| *b == 0).next().unwrap_or_default().trim_ascii();
    if text.is_empty() || text[0] == b'#' {
        return None;
    }
    let end = text
        .iter()
        .position(|b| b.is_ascii_whitespace() || *b == b'=')
        .unwrap_or(text.len());
    let keyword = text.get(..end.min(KEYWORD_BYTES))?.to_ascii_lowercase();
    let mut rest = text[end..].trim_ascii_start();
    // One `=` may stand between the keyword and its first argument.
    rest = rest.strip_prefix(b"=").unwrap_or(rest);
    let mut arguments = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() || rest[0] == b'#' || arguments.len() == ARGUMENTS {
            break;
        }
        let (word, after) = argument(rest);
        arguments.push(HostBytes::new(word));
        rest = after;
    }
    let is_word = !keyword.is_empty() && keyword.iter().all(u8::is_ascii_alphanumeric);
    let keyword = is_word.then_some(keyword)?;
    Some((String::from_utf8(keyword).ok()?, arguments))
}

/// One argument: to the next blank outside of quotes.
fn argument(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut word = Vec::new();
    let mut quote = None;
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (_, b'\\') if matches!(text.get(at + 1), Some(b'"' | b'\'' | b'\\')) => {
                at += 1;
                word.push(text[at]);
            }
            (None, _) if byte.is_ascii_whitespace() => break,
            _ => word.push(byte),
        }
        at += 1;
    }
    (word, &text[at.min(text.len())..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_a_configuration() {
        let text =
            b"# PermitRootLogin yes\nPermitRootLogin no # not yes\nauthorizedkeysfile=\".ssh/a b\" /etc/keys/%u\n\
            Include /etc/ssh/sshd_config.d/*.conf\n\n  Match User \"a\",b Address 10.0.0.0/8\n\tPermitRootLogin yes\r\n\
            Match all\nX11Forwarding = no\n\xff\xfe x\n=\n";
        let (directives, more) = parse_sshd_config(text, None);
        let told: Vec<String> = (directives.iter())
            .map(|line| {
                let words: Vec<String> = line.arguments.iter().map(HostBytes::to_string).collect();
                let condition = line.condition.as_ref().map_or(String::new(), |c| format!(" [{c}]"));
                format!("{} {} {}{condition}", line.number, line.keyword, words.join("|"))
            })
            .collect();
        let expected = [
            "2 permitrootlogin no",
            "3 authorizedkeysfile .ssh/a b|/etc/keys/%u",
            "4 include /etc/ssh/sshd_config.d/*.conf",
            "6 match User|a,b|Address|10.0.0.0/8 [User a,b Address 10.0.0.0/8]",
            "7 permitrootlogin yes [User a,b Address 10.0.0.0/8]",
            "8 match all",
            "9 x11forwarding no",
        ];
        assert_eq!(told, expected);
        assert!(!more);
        let inside = parse_sshd_config(b"PermitRootLogin yes", Some(&HostBytes::from("User x"))).0;
        assert_eq!(inside[0].condition, Some(HostBytes::from("User x")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(content: Vec<u8>) {
            let (directives, _) = parse_sshd_config(&content, None);
            prop_assert!(directives.len() <= content.split(|b| *b == b'\n').count());
        }

        #[test]
        fn any_words_are_read(content in "([a-z=\"'\\\\# \t]|Match |\n){0,40}") {
            let (directives, _) = parse_sshd_config(content.as_bytes(), None);
            prop_assert!(directives.iter().all(|line| !line.keyword.is_empty()));
        }
    }
}
