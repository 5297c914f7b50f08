//! What stands around condemned lines, for people: read once more while planning, bounded, and without secrets.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::action::{Act, Action, ActionId, LineTarget};
use deminer_worker::lines::{content, split};
use deminer_worker::query::{Answer, Coverage, GapReason, HostError, Query, limits};
use deminer_worker::text::{Digest, HostBytes, HostPath};
use serde::{Deserialize, Serialize};

use crate::host::HostView;

/// Lines that are shown on either side of a condemned one.
pub const AROUND: u32 = 2;

/// Lines that are shown of one file.
const LINES: usize = 400;

/// Bytes of one line that are shown.
const LINE_BYTES: usize = 256;

/// Files of which no line is shown, with their backups.
const SECRET_FILES: [&str; 3] = ["/etc/shadow", "/etc/gshadow", "/etc/security/opasswd"];

/// Parts of a name that stands for a secret.
const SECRET_NAMES: [&str; 9] = [
    "pass",
    "pwd",
    "secret",
    "token",
    "credential",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
];

/// The lines of a file that stand near those which an action takes out. They stay, and are here for people only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Around {
    /// How many lines the file has.
    pub lines: u32,
    /// Those near, in the file's order.
    pub near: Vec<NearLine>,
}

/// One line that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearLine {
    /// Its number, from 1.
    pub number: u32,
    /// Its beginning; `None` where it may hold a secret.
    pub line: Option<HostBytes>,
    /// Whether it goes on.
    pub cut: bool,
}

/// Whether what is shown around the lines of these actions is only that: near an edit's lines, and none of them.
pub(super) fn is_only_around(shown: &BTreeMap<ActionId, Around>, actions: &[Action]) -> bool {
    shown.iter().all(|(id, around)| {
        let remove = actions
            .iter()
            .find(|action| action.id == *id)
            .and_then(|action| match &action.act {
                Act::EditLines { remove, .. } => Some(remove),
                _ => None,
            });
        remove.is_some_and(|remove| {
            around.near.iter().all(|near| {
                let distances = || remove.iter().map(|target| target.number.abs_diff(near.number));
                distances().any(|distance| distance <= AROUND) && distances().all(|distance| distance > 0)
            })
        })
    })
}

/// Reads what stands around the lines of every edit. A file that cannot be read again, or is another by now, has nothing:
/// the acts are the same without it. That it was not read is noted.
pub(super) async fn around(
    view: &dyn HostView,
    actions: &[Action],
    coverage: &mut Coverage,
) -> BTreeMap<ActionId, Around> {
    let mut found = BTreeMap::new();
    for action in actions {
        let Act::EditLines { file, remove, .. } = &action.act else {
            continue;
        };
        if holds_secrets(&file.path) {
            continue;
        }
        match text(view, &file.path, &file.sha256).await {
            Ok(Some(text)) => {
                found.insert(action.id, near(text.as_bytes(), remove));
            }
            Ok(None) => coverage.note("lines around", &file.path, GapReason::Changed),
            Err(_) => coverage.note("lines around", &file.path, GapReason::Unsupported),
        }
    }
    found
}

/// The whole text of a file, where its content is still this.
async fn text(view: &dyn HostView, path: &HostPath, sha256: &Digest) -> Result<Option<HostBytes>, HostError> {
    let question = Query::Read {
        path: path.clone(),
        max_bytes: limits::READ_BYTES,
    };
    let Answer::Files(files) = view.observe(question).await?.value else {
        return Ok(None);
    };
    let text = files.into_iter().find(|text| text.stat.path == *path);
    let text = text.map(|text| text.content);
    Ok(text.filter(|text| Digest::of(text.as_bytes()) == *sha256))
}

/// Whether a file is one of those of which nothing is shown.
fn holds_secrets(path: &HostPath) -> bool {
    let bytes = path.as_bytes();
    SECRET_FILES.iter().any(|secret| {
        let behind = bytes.strip_prefix(secret.as_bytes());
        behind.is_some_and(|behind| behind.is_empty() || matches!(behind[0], b'-' | b'.' | b'~' | b'+'))
    })
}

/// The lines near the condemned ones.
fn near(text: &[u8], remove: &[LineTarget]) -> Around {
    let lines = split(text);
    let gone: BTreeSet<usize> = remove.iter().map(|target| target.number as usize).collect();
    let near: BTreeSet<usize> = gone
        .iter()
        .flat_map(|number| number.saturating_sub(AROUND as usize)..=number.saturating_add(AROUND as usize))
        .filter(|number| (1..=lines.len()).contains(number) && !gone.contains(number))
        .collect();
    let near = near.into_iter().take(LINES).map(|number| {
        let line = content(lines[number - 1]);
        let shown = &line[..line.len().min(LINE_BYTES)];
        NearLine {
            number: u32::try_from(number).unwrap_or(u32::MAX),
            line: (!may_be_secret(line)).then(|| HostBytes::new(shown)),
            cut: shown.len() < line.len(),
        }
    });
    Around {
        lines: u32::try_from(lines.len()).unwrap_or(u32::MAX),
        near: near.collect(),
    }
}

/// Whether a line looks as if it held a secret: a name for one with a value, a login inside an address, a key. Made to say
/// so too often.
fn may_be_secret(line: &[u8]) -> bool {
    let lower = line.to_ascii_lowercase();
    let holds = |part: &[u8]| lower.windows(part.len()).any(|window| window == part);
    if holds(b"-----begin ") || holds(b"authorization:") || holds(b"bearer ") {
        return true;
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let is_secret = |name: &[u8]| {
        SECRET_NAMES
            .iter()
            .any(|part| name.windows(part.len()).any(|window| window == part.as_bytes()))
    };
    // `TOKEN=x`, `token: x`, `--token x`, `--token=x`; not `NOPASSWD:`, which sudoers(5) has instead of a secret.
    let mut words = lower.split(|byte| !is_name(byte));
    let mut at = 0;
    let named = words.any(|word| {
        let end = at + word.len();
        let behind = lower.get(end);
        at = end + 1;
        let gives = matches!(behind, Some(b'=' | b':')) || word.starts_with(b"--");
        gives && is_secret(word) && word != b"nopasswd" && word != b"passwd"
    });
    // `https://name:password@host/`
    let logs_in = lower.windows(3).enumerate().any(|(at, window)| {
        let authority = || lower[at + 3..].split(|byte| matches!(byte, b'/' | b' ' | b'\t' | b'"' | b'\''));
        window == b"://" && authority().next().is_some_and(|authority| authority.contains(&b'@'))
    });
    named || logs_in
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(number: u32, line: &str) -> LineTarget {
        LineTarget {
            number,
            line: line.into(),
            mark: line.into(),
        }
    }

    #[test]
    fn two_lines_on_either_side() {
        let text = b"1\n2\n3\nbad\n5\nbad\n7\n8\n9\nPASSWORD=x\nbad";
        let remove = [target(4, "bad"), target(6, "bad"), target(11, "bad")];
        let around = near(text, &remove);
        assert_eq!(around.lines, 11);
        let shown: Vec<(u32, Option<&[u8]>)> = around
            .near
            .iter()
            .map(|near| (near.number, near.line.as_ref().map(HostBytes::as_bytes)))
            .collect();
        let expected: [(u32, Option<&[u8]>); 7] = [
            (2, Some(b"2")),
            (3, Some(b"3")),
            (5, Some(b"5")),
            (7, Some(b"7")),
            (8, Some(b"8")),
            (9, Some(b"9")),
            (10, None),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn files_of_passwords_are_not_shown() {
        let rows = [
            ("/etc/shadow", true),
            ("/etc/shadow-", true),
            ("/etc/gshadow", true),
            ("/etc/shadowsocks.json", false),
            ("/etc/sudoers.d/x", false),
            ("/var/spool/cron/crontabs/root", false),
        ];
        for (path, expected) in rows {
            assert_eq!(holds_secrets(&path.into()), expected, "{path}");
        }
    }

    #[test]
    fn lines_that_may_hold_a_secret() {
        let rows = [
            ("DB_PASSWORD=hunter2", true),
            ("export AWS_SECRET_ACCESS_KEY='x'", true),
            ("0 3 * * * /usr/bin/backup --token abc", true),
            ("0 3 * * * curl -H 'Authorization: Basic x' https://a.example/", true),
            ("0 3 * * * curl https://me:pw@a.example/x", true),
            ("mysql_pwd: x", true),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", true),
            ("MAILTO=root", false),
            ("deploy ALL=(ALL) NOPASSWD: /usr/bin/systemctl", false),
            ("0 3 * * * /usr/bin/passwd -S root", false),
            ("0 3 * * * curl https://a.example/x?mail=a@b.example", false),
            ("root:x:0:0:root:/root:/bin/bash", false),
            ("passwd: files systemd", false),
        ];
        for (line, expected) in rows {
            assert_eq!(may_be_secret(line.as_bytes()), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn bounded_and_never_a_condemned_line(text: Vec<u8>, numbers in prop::collection::vec(any::<u32>(), 0..50)) {
            let remove: Vec<LineTarget> = numbers.iter().map(|number| target(*number, "x")).collect();
            let around = near(&text, &remove);
            prop_assert!(around.near.len() <= LINES);
            for near in &around.near {
                prop_assert!(!numbers.contains(&near.number));
                prop_assert!(near.line.as_ref().is_none_or(|line| line.len() <= LINE_BYTES));
            }
        }
    }
}
