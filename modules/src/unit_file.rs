//! Unit files as systemd reads them: sections, settings, lines that go on. Pure; nothing is expanded.
//!
//! A line ends where systemd ends it: at a line feed, a carriage return or a zero byte, so that a comment cannot hide a
//! setting behind one of them. Source: systemd.syntax(7); `config_parse` in `systemd/systemd: src/shared/conf-parser.c`.

use deminer_worker::text::HostBytes;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitFile {
    /// In the file's order.
    pub settings: Vec<Setting>,
    /// Whether there are more of them than are listed, or longer ones.
    pub more: bool,
}

/// One `Key=value` of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The section, without brackets; empty before the first.
    pub section: HostBytes,
    /// The name.
    pub key: HostBytes,
    /// The value without white space around it, lines that go on joined by a space.
    pub value: HostBytes,
    /// The number of the line that it begins in, from 1, counted by line feeds.
    pub number: u32,
}

/// The most settings of one file, and the most bytes of one value.
const SETTINGS: usize = 4_096;
const VALUE_BYTES: usize = 64 << 10;

/// Reads a unit file, or any other of systemd's configuration files.
pub fn parse_unit_file(content: &[u8]) -> UnitFile {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut file = UnitFile::default();
    let mut section = HostBytes::default();
    let mut begun: Option<(u32, Vec<u8>)> = None;
    for (number, line) in lines(content) {
        let bare = line.trim_ascii();
        if matches!(bare.first(), Some(b'#' | b';')) {
            continue;
        }
        let (first, mut text) = begun.take().unwrap_or((number, Vec::new()));
        let goes_on = ends_open(line);
        text.extend_from_slice(if goes_on { &line[..line.len() - 1] } else { line });
        if goes_on && text.len() <= VALUE_BYTES {
            text.push(b' ');
            begun = Some((first, text));
            continue;
        }
        take_in(&mut file, &mut section, first, &text);
    }
    if let Some((first, text)) = begun {
        take_in(&mut file, &mut section, first, &text);
    }
    file
}

/// Whether a line goes on: it ends with a backslash that is not itself escaped.
fn ends_open(line: &[u8]) -> bool {
    line.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
}

/// The lines with their numbers by line feeds; `\r`, `\r\n` and zero bytes end one too.
fn lines(content: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut number = 1u32;
    let mut rest = Some(content);
    std::iter::from_fn(move || {
        let text = rest?;
        let here = number;
        let Some(at) = text.iter().position(|b| matches!(b, b'\n' | b'\r' | 0)) else {
            rest = None;
            return (!text.is_empty()).then_some((here, text));
        };
        number = number.saturating_add(u32::from(text[at] == b'\n'));
        rest = Some(&text[at + 1..]);
        Some((here, &text[..at]))
    })
}

fn take_in(file: &mut UnitFile, section: &mut HostBytes, number: u32, text: &[u8]) {
    let text = text.trim_ascii();
    if let Some(inner) = text.strip_prefix(b"[") {
        if let Some(name) = inner.strip_suffix(b"]") {
            *section = HostBytes::new(&name[..name.len().min(VALUE_BYTES)]);
        }
        return;
    }
    let Some(at) = text.iter().position(|b| *b == b'=') else {
        return;
    };
    let (key, value) = (text[..at].trim_ascii(), text[at + 1..].trim_ascii());
    if key.is_empty() {
        return;
    }
    if file.settings.len() == SETTINGS || value.len() > VALUE_BYTES {
        file.more = true;
    }
    if file.settings.len() < SETTINGS {
        file.settings.push(Setting {
            section: section.clone(),
            key: HostBytes::new(&key[..key.len().min(VALUE_BYTES)]),
            value: HostBytes::new(&value[..value.len().min(VALUE_BYTES)]),
            number,
        });
    }
}

impl UnitFile {
    /// The values of a setting of a section, in order; an empty one takes back those before it.
    pub fn values<'a>(&'a self, section: &'a str, key: &'a str) -> impl Iterator<Item = &'a Setting> {
        self.settings
            .iter()
            .filter(move |setting| setting.is(section, key) && !setting.value.is_empty())
    }
}

impl Setting {
    /// Whether it is that setting of that section.
    pub fn is(&self, section: &str, key: &str) -> bool {
        self.section.as_bytes() == section.as_bytes() && self.key.as_bytes() == key.as_bytes()
    }

    /// Whether it gives commands that its unit runs: `ExecStart=`, `ExecStopPost=`, ...
    pub fn is_command(&self) -> bool {
        let sections: [&[u8]; 4] = [b"Service", b"Socket", b"Mount", b"Swap"];
        sections.contains(&self.section.as_bytes()) && self.key.as_bytes().starts_with(b"Exec") && {
            let keys: [&[u8]; 12] = [
                b"ExecStart",
                b"ExecStartPre",
                b"ExecStartPost",
                b"ExecCondition",
                b"ExecReload",
                b"ExecReloadPost",
                b"ExecStop",
                b"ExecStopPre",
                b"ExecStopPost",
                b"ExecMount",
                b"ExecUnmount",
                b"ExecRemount",
            ];
            keys.contains(&self.key.as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(content: &[u8]) -> Vec<String> {
        let file = parse_unit_file(content);
        file.settings
            .iter()
            .map(|s| format!("{} {}.{}={}", s.number, s.section, s.key, s.value))
            .collect()
    }

    #[test]
    fn files() {
        let rows: [(&str, &[u8], &[&str]); 13] = [
            (
                "plain",
                b"[Unit]\nDescription=a\n\n[Service]\nExecStart = /bin/a  b \n",
                &["2 Unit.Description=a", "5 Service.ExecStart=/bin/a  b"],
            ),
            ("comments", b"[S]\n# A=1\n ; B=2\nC=3\n", &["4 S.C=3"]),
            (
                "a line goes on, past a comment",
                b"[S]\nA=one \\\n# no\n  two\\\n;no\nthree\nB=1\n",
                &["2 S.A=one    two three", "7 S.B=1"],
            ),
            (
                "an escaped backslash ends a line",
                b"[S]\nA=b\\\\\nC=d\n",
                &["2 S.A=b\\\\\\\\", "3 S.C=d"],
            ),
            ("nothing after the backslash", b"[S]\nA=b\\", &["2 S.A=b"]),
            (
                "a comment that a carriage return ends",
                b"[S]\n# harmless\rA=/tmp/x\n",
                &["2 S.A=/tmp/x"],
            ),
            (
                "a comment that a zero byte ends",
                b"[S]\n#\0A=/tmp/x\nB=1",
                &["2 S.A=/tmp/x", "3 S.B=1"],
            ),
            ("windows lines", b"[S]\r\nA=1\r\n", &["2 S.A=1"]),
            ("a mark of order", b"\xef\xbb\xbf[S]\nA=1", &["2 S.A=1"]),
            ("an empty value", b"[S]\nA=\n", &["2 S.A="]),
            ("before a section", b"A=1\n", &["1 .A=1"]),
            ("no setting", b"[S]\njunk\n=x\n[broken\n", &[]),
            ("not UTF-8", b"[S]\nA=\xff\n", &["2 S.A=\\xff"]),
        ];
        for (name, content, expected) in rows {
            assert_eq!(told(content), expected, "{name}");
        }
    }

    #[test]
    fn long_files_are_cut() {
        let many = b"A=1\n".repeat(SETTINGS + 1);
        assert!(parse_unit_file(&many).more);
        let long = [b"A=".to_vec(), vec![b'x'; VALUE_BYTES + 1]].concat();
        let file = parse_unit_file(&long);
        assert!(file.more && file.settings[0].value.len() == VALUE_BYTES);
        let endless = b"A=x\\\n".repeat(VALUE_BYTES);
        assert!(
            parse_unit_file(&endless)
                .settings
                .iter()
                .all(|s| s.value.len() <= VALUE_BYTES)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(content: Vec<u8>, like in "(\\[S\\]\n|A=b|[#;=\\\\\r\n\0 ]){0,40}") {
            for content in [&content[..], like.as_bytes()] {
                let file = parse_unit_file(content);
                let length: usize = file.settings.iter().map(|s| s.key.len() + s.value.len()).sum();
                prop_assert!(length <= content.len());
                prop_assert!(file.settings.iter().all(|s| !s.key.is_empty()));
            }
        }
    }
}
