//! Reads `authorized_keys` as sshd does, from any bytes (sshd(8), AUTHORIZED_KEYS FILE FORMAT). Pure.

use deminer_engine::base64_text;
use deminer_worker::text::{Digest, HostBytes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One line with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLine {
    /// From 1.
    pub number: u32,
    /// Its bytes without the line feed.
    pub line: HostBytes,
    /// What stands before the key.
    pub options: Vec<KeyOption>,
    /// `ssh-ed25519`, `ssh-rsa`, ...
    pub kind: HostBytes,
    /// As `ssh-keygen -l` writes it; `None` where the key is none that sshd would take.
    pub fingerprint: Option<String>,
    /// What stands behind the key; anybody may have written anything there.
    pub comment: HostBytes,
}

/// One option of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyOption {
    /// In lower case: `command`, `from`, `environment`, `no-pty`, ...
    pub name: HostBytes,
    /// What stands in its quotes, `\"` read as a quote; `None` where it has none.
    pub value: Option<HostBytes>,
}

/// The keys of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys {
    /// In the file's order.
    pub lines: Vec<KeyLine>,
    /// Whether there are more than [`LINES`].
    pub more: bool,
}

/// The most keys of one file.
pub const LINES: usize = 2_000;

/// The most options of one key.
const OPTIONS: usize = 256;

/// The kinds of key that OpenSSH knows, without the mark of a certificate.
const KINDS: [&[u8]; 8] = [
    b"ssh-rsa",
    b"ssh-dss",
    b"ssh-ed25519",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"sk-ssh-ed25519@openssh.com",
    b"sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Reads all keys; comments and empty lines are left out.
pub fn parse_authorized_keys(content: &[u8]) -> Keys {
    let mut keys = Keys::default();
    for (line, number) in content.split(|b| *b == b'\n').zip(1..) {
        let Some(key) = key_line(line, number) else { continue };
        if keys.lines.len() == LINES {
            keys.more = true;
            break;
        }
        keys.lines.push(key);
    }
    keys
}

impl KeyLine {
    /// What the key does in the place of what its user asks for; `None` where the user may ask.
    pub fn command(&self) -> Option<&HostBytes> {
        self.options
            .iter()
            .find(|option| option.name.as_bytes() == b"command")
            .and_then(|option| option.value.as_ref())
    }
}

fn key_line(line: &[u8], number: u32) -> Option<KeyLine> {
    let text = line.strip_suffix(b"\r").unwrap_or(line);
    let text = trim(text.split(|b| *b == 0).next().unwrap_or_default());
    if text.is_empty() || text[0] == b'#' {
        return None;
    }
    let (options, rest) = match key(text) {
        Some(_) => (Vec::new(), text),
        None => split_options(text),
    };
    let (kind, body, comment) = key(rest)?;
    Some(KeyLine {
        number,
        line: HostBytes::new(line),
        options,
        kind: HostBytes::new(kind),
        fingerprint: fingerprint(kind, body),
        comment: HostBytes::new(comment),
    })
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|b| !is_blank(*b)).unwrap_or(text.len());
    &text[start..]
}

/// Up to the first blank, and what follows behind the blanks.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| is_blank(*b)).unwrap_or(text.len());
    (&text[..end], trim(&text[end..]))
}

/// Kind, key and comment, where the text begins with a kind of key.
fn key(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (kind, rest) = word(text);
    let plain = kind.strip_suffix(b"-cert-v01@openssh.com").unwrap_or(kind);
    let is_known = KINDS
        .iter()
        .any(|known| plain == *known || plain == known.strip_suffix(b"@openssh.com").unwrap_or(known));
    let (body, comment) = word(rest);
    (is_known && !body.is_empty()).then_some((kind, body, comment))
}

/// SHA-256 over the key as it travels, whose first word is its kind (RFC 4253, section 6.6).
fn fingerprint(kind: &[u8], body: &[u8]) -> Option<String> {
    let blob = base64_text::decoded(body)?;
    let length = u32::from_be_bytes(blob.get(..4)?.try_into().ok()?) as usize;
    let named = blob.get(4..)?.get(..length)?;
    (named == kind).then(|| format!("SHA256:{}", base64_text::unpadded(&Digest::of(&blob).0)))
}

/// The options up to the first blank outside of quotes, and what follows.
fn split_options(text: &[u8]) -> (Vec<KeyOption>, &[u8]) {
    let mut options = Vec::new();
    let (mut at, mut begin, mut quoted) = (0, 0, false);
    while at < text.len() {
        match text[at] {
            b'\\' if text.get(at + 1) == Some(&b'"') => at += 1,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                options.extend(option(&text[begin..at]));
                begin = at + 1;
            }
            byte if !quoted && is_blank(byte) => break,
            _ => {}
        }
        at += 1;
    }
    let at = at.min(text.len());
    options.extend(option(&text[begin.min(at)..at]));
    options.truncate(OPTIONS);
    (options, trim(&text[at..]))
}

fn option(text: &[u8]) -> Option<KeyOption> {
    if text.is_empty() {
        return None;
    }
    let (name, value) = match text.iter().position(|b| *b == b'=') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let value = value.map(|value| {
        let inner = value.strip_prefix(b"\"").unwrap_or(value);
        let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
        let mut out = Vec::with_capacity(inner.len());
        for (at, byte) in inner.iter().enumerate() {
            if *byte != b'\\' || inner.get(at + 1) != Some(&b'"') {
                out.push(*byte);
            }
        }
        HostBytes::new(out)
    });
    Some(KeyOption {
        name: HostBytes::new(name.to_ascii_lowercase()),
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A key made for this test, and what `ssh-keygen -lf` says of it.
    const BODY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIG89QfyupCRgAfkTyMztrDAKLYREpesC3clfJTmHlDNz";
    const PRINT: &str = "SHA256:xE6bHDHH7t+o/ORYOiAQ3KwGFNiuLUE3+8CBKwiya1U";

    fn only(text: &str) -> KeyLine {
        let keys = parse_authorized_keys(text.as_bytes());
        assert_eq!(keys.lines.len(), 1, "{text}");
        keys.lines.into_iter().next().expect("one")
    }

    #[test]
    fn keys_of_lines() {
        let rows = [
            (
                "a key",
                format!("ssh-ed25519 {BODY} ops@laptop of mine"),
                "",
                "ops@laptop of mine",
            ),
            ("without a comment", format!("  ssh-ed25519\t{BODY}\r"), "", ""),
            (
                "with options",
                format!(
                    "command=\"/tmp/.x/run \\\"a, b\\\"\",No-PTY,from=\"10.0.0.0/8,*.example\" ssh-ed25519 {BODY} c"
                ),
                "command=/tmp/.x/run \"a, b\"|no-pty|from=10.0.0.0/8,*.example",
                "c",
            ),
            (
                "an environment",
                format!("environment=\"LD_PRELOAD=/tmp/x.so\" ssh-ed25519 {BODY}"),
                "environment=LD_PRELOAD=/tmp/x.so",
                "",
            ),
        ];
        for (name, text, options, comment) in rows {
            let key = only(&text);
            let told: Vec<String> = (key.options.iter())
                .map(|option| match &option.value {
                    Some(value) => format!("{}={value}", option.name),
                    None => option.name.to_string(),
                })
                .collect();
            assert_eq!(told.join("|"), options, "{name}");
            assert_eq!(key.comment.to_string(), comment, "{name}");
            assert_eq!(key.fingerprint.as_deref(), Some(PRINT), "{name}");
        }
        assert_eq!(
            only(&format!("command=\"a b\" ssh-ed25519 {BODY}")).command(),
            Some(&HostBytes::from("a b"))
        );
    }

    #[test]
    fn what_is_no_key() {
        for text in [
            "",
            "# ssh-ed25519 AAAA",
            "\0",
            "ssh-ed25519",
            "1024 35 123456 old",
            "hello world",
        ] {
            assert!(parse_authorized_keys(text.as_bytes()).lines.is_empty(), "{text}");
        }
        for text in ["ssh-ed25519 AAAA", "ssh-ed25519 !!!", &format!("ssh-rsa {BODY}")] {
            assert_eq!(only(text).fingerprint, None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(content: Vec<u8>) {
            let keys = parse_authorized_keys(&content);
            prop_assert!(keys.lines.len() <= content.split(|b| *b == b'\n').count());
        }

        #[test]
        fn any_words_are_read(text in "([a-z=,\"\\\\ \t]|ssh-rsa |AAAAB3NzaC1yc2E|\n){0,30}") {
            let keys = parse_authorized_keys(text.as_bytes());
            let lines: Vec<&[u8]> = text.as_bytes().split(|b| *b == b'\n').collect();
            for key in keys.lines {
                prop_assert_eq!(key.line.as_bytes(), lines[key.number as usize - 1]);
            }
        }
    }
}
