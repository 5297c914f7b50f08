//! The places where intruders leave files, as data: a place is one line.

use deminer_worker::text::HostPath;

use crate::places::Places;

/// What is remarkable at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing is expected to run from there: every program and script counts.
    NoPrograms,
    /// Programs are at home there: only what lies in a hidden directory counts.
    Programs,
}

/// One place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DropPlace {
    pub(crate) path: &'static str,
    pub(crate) expected: Expected,
    /// How deep is looked; 0 is the directory's own entries.
    pub(crate) depth: u32,
}

const fn place(path: &'static str, expected: Expected, depth: u32) -> DropPlace {
    DropPlace { path, expected, depth }
}

/// All of them. Where two hold one another, the inner one is asked with its own depth.
pub(crate) const PLACES: [DropPlace; 24] = [
    place("/tmp", Expected::NoPrograms, 8),
    place("/var/tmp", Expected::NoPrograms, 8),
    place("/dev/shm", Expected::NoPrograms, 8),
    place("/run/shm", Expected::NoPrograms, 8),
    place("/run/lock", Expected::NoPrograms, 4),
    place("/run/user", Expected::NoPrograms, 4),
    place("/run", Expected::NoPrograms, 1),
    place("/dev", Expected::NoPrograms, 2),
    place("/var/spool", Expected::NoPrograms, 3),
    place("/var/mail", Expected::NoPrograms, 2),
    place("/var/crash", Expected::NoPrograms, 2),
    place("/var/log", Expected::NoPrograms, 2),
    place("/var/cache", Expected::Programs, 1),
    place("/lost+found", Expected::NoPrograms, 3),
    place("/boot", Expected::Programs, 1),
    place("/", Expected::Programs, 0),
    place("/root", Expected::Programs, 1),
    place("/etc", Expected::Programs, 1),
    place("/opt", Expected::Programs, 2),
    place("/srv", Expected::Programs, 2),
    place("/var/lib", Expected::Programs, 1),
    place("/usr", Expected::Programs, 1),
    place("/usr/local", Expected::Programs, 2),
    place("/usr/lib", Expected::Programs, 1),
];

/// How deep is looked below a hidden directory.
pub(crate) const HIDDEN_DEPTH: u32 = 5;

/// Where immutable and append-only files are looked for, besides the places above and every home's `.ssh`.
pub(crate) const FLAG_PLACES: [(&str, u32); 20] = [
    ("/etc", 0),
    ("/etc/cron.d", 0),
    ("/etc/cron.hourly", 0),
    ("/etc/cron.daily", 0),
    ("/etc/cron.weekly", 0),
    ("/etc/cron.monthly", 0),
    ("/etc/init.d", 0),
    ("/etc/profile.d", 0),
    ("/etc/rc.d", 1),
    ("/etc/ssh", 0),
    ("/etc/sudoers.d", 0),
    ("/etc/systemd", 2),
    ("/lib/systemd/system", 0),
    ("/usr/lib/systemd/system", 0),
    ("/usr/local/lib/systemd/system", 0),
    ("/run/systemd/system", 1),
    ("/var/spool/cron", 2),
    ("/var/spool/at", 1),
    ("/usr/local/bin", 0),
    ("/usr/bin", 0),
];

/// What is strange in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OddName {
    /// Nothing but dots and blanks: `...`, `.. `, ` `.
    DotsAndBlanks,
    /// A blank at its beginning or its end.
    Blank,
    /// Control characters, or letters that a terminal does not show as they are.
    Unprintable,
    /// A hyphen at its beginning, which programs take for an option.
    Option,
}

/// What is strange in the last component of a path.
pub(crate) fn odd_name(name: &[u8]) -> Option<OddName> {
    let plain = |byte: &u8| matches!(byte, b'.' | b' ');
    let shown = |byte: &u8| (b' '..=b'~').contains(byte);
    let is_blank = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    match name {
        [] | [b'.'] | [b'.', b'.'] => None,
        name if name.iter().all(plain) => Some(OddName::DotsAndBlanks),
        name if is_blank(name.first()) || is_blank(name.last()) => Some(OddName::Blank),
        // Names in other scripts are ordinary; what cannot be read as text, or is not drawn, is not.
        name if !name.iter().all(shown) && !is_written(name) => Some(OddName::Unprintable),
        [b'-', ..] => Some(OddName::Option),
        _ => None,
    }
}

/// Whether a name is text without a control character.
fn is_written(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|text| {
        text.chars()
            .all(|c| c == ' ' || c.is_alphanumeric() || c.is_ascii_graphic())
    })
}

/// The directory of a path, or the path itself, that begins with a dot and is none of the usual ones; the outermost.
/// `None` where nothing on the way is hidden.
pub(crate) fn hidden_directory(path: &HostPath, places: &Places) -> Option<HostPath> {
    let bytes = path.as_bytes();
    let mut at = 0;
    for part in bytes.split(|byte| *byte == b'/') {
        let end = at + part.len();
        let is_dot = part.first() == Some(&b'.') && part.len() > 1 && part != b"..";
        if is_dot && !places.usual_hidden.iter().any(|usual| usual == part) {
            return Some(HostPath::new(&bytes[..end]));
        }
        at = end + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn odd_names() {
        let rows: [(&[u8], Option<OddName>); 12] = [
            (b"...", Some(OddName::DotsAndBlanks)),
            (b".. ", Some(OddName::DotsAndBlanks)),
            (b" ", Some(OddName::DotsAndBlanks)),
            (b"x ", Some(OddName::Blank)),
            (b"\tx", Some(OddName::Blank)),
            (b"a b", None),
            (b".x", None),
            (b"a\x1b[2J", Some(OddName::Unprintable)),
            (b"\xff", Some(OddName::Unprintable)),
            ("\u{202e}gpj".as_bytes(), Some(OddName::Unprintable)),
            ("Grüße".as_bytes(), None),
            (b"-rf", Some(OddName::Option)),
        ];
        for (name, expected) in rows {
            assert_eq!(odd_name(name), expected, "{name:?}");
        }
    }

    #[test]
    fn hidden_directories() {
        let places = Places::usual();
        let rows = [
            ("/tmp/.x/kw", Some("/tmp/.x")),
            ("/root/.config/htop/htoprc", Some("/root/.config")),
            ("/home/u/.cargo/bin/x", None),
            ("/home/u/.cargo/.x/y", Some("/home/u/.cargo/.x")),
            ("/tmp/a/b", None),
        ];
        for (path, expected) in rows {
            let told = hidden_directory(&path.into(), &places);
            assert_eq!(told, expected.map(HostPath::from), "{path}");
        }
    }

    #[test]
    fn a_place_stands_once() {
        let mut paths: Vec<&str> = PLACES.iter().map(|place| place.path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), PLACES.len());
    }

    proptest! {
        #[test]
        fn no_name_panics(bytes: Vec<u8>) {
            let _ = (odd_name(&bytes), hidden_directory(&HostPath::new(bytes.clone()), &Places::usual()));
        }
    }
}
