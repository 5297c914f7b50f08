//! What the text of a file of the catalogue starts, by its own words: pure functions of bytes.
//!
//! Nothing is expanded, run or looked up. A text in another form than its place wants starts nothing; a line that its
//! program would pass over is no row.

mod at_job;
mod config;
mod hooks;
mod shell;
mod tables;

use std::collections::BTreeMap;

use deminer_worker::text::{HostBytes, HostPath};

use crate::catalogue::{Entry, Reads};
use crate::preload_list;

pub(crate) use at_job::commands_of as commands_of_at_job;
pub(crate) use hooks::commands_of_upstart;

/// One thing that a text starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Start {
    /// Its line, from 1; `None` where the whole file starts it.
    pub(crate) number: Option<u32>,
    /// The line's bytes without the line feed.
    pub(crate) line: HostBytes,
    /// The lines that it hangs together with.
    pub(crate) within: Option<[u32; 2]>,
    /// The user that the text names.
    pub(crate) user: HostBytes,
    /// The times that the text names.
    pub(crate) schedule: HostBytes,
    /// What is run.
    pub(crate) command: HostBytes,
    /// The files that this runs or loads.
    pub(crate) starts: Vec<HostPath>,
    /// Settings that hold for it.
    pub(crate) settings: Vec<HostBytes>,
}

/// A file, and who is who on its host.
pub(crate) struct Text<'a> {
    /// Where the place has it.
    pub(crate) path: &'a HostPath,
    pub(crate) content: &'a [u8],
    /// As whom it runs; empty where the text says, or nobody in particular.
    pub(crate) user: &'a HostBytes,
    /// The homes of users.
    pub(crate) homes: &'a BTreeMap<HostBytes, HostPath>,
}

/// What a text starts, and whether that is not all of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Starts {
    pub(crate) rows: Vec<Start>,
    pub(crate) more: bool,
}

/// The most rows of one file.
pub(crate) const ROWS: usize = 2_000;

impl Text<'_> {
    fn home(&self) -> Option<&HostPath> {
        self.homes.get(self.user)
    }

    /// Its lines, numbered from 1, without their line feeds.
    fn lines(&self) -> impl Iterator<Item = (u32, &[u8])> {
        (1..).zip(self.content.split(|b| *b == b'\n'))
    }
}

impl Starts {
    /// Takes a row in, where there is room.
    fn push(&mut self, row: Start) {
        match self.rows.len() < ROWS {
            true => self.rows.push(row),
            false => self.more = true,
        }
    }
}

/// What a file of a place starts. Of a link it is nothing: what it leads to is not in its text.
pub(crate) fn starts_of(entry: &Entry, text: &Text<'_>) -> Starts {
    match entry.reads {
        Reads::Crontab(users) => tables::crontab(text, users),
        Reads::Anacrontab => tables::anacrontab(text),
        Reads::Incrontab => tables::incrontab(text),
        Reads::Inittab => tables::inittab(text),
        Reads::AtJob => at_job::job(text),
        Reads::Script => shell::script(text),
        Reads::Shell => shell::shell_file(text, Entry::dialect(text.path)),
        Reads::Upstart => hooks::upstart(text),
        Reads::Logrotate => hooks::logrotate(text),
        Reads::Apt => hooks::apt(text),
        Reads::Udev => hooks::udev(text),
        Reads::Pam => hooks::pam(text),
        Reads::Python => hooks::python(text),
        Reads::Preload => preload_list::libraries(text.content),
        Reads::Environment => config::environment(text),
        Reads::Dpkg => config::dpkg(text),
        Reads::Interfaces => config::interfaces(text),
        Reads::Modprobe => config::modprobe(text),
        Reads::Names => config::names(text),
        Reads::Sysctl => config::sysctl(text),
        Reads::Value => config::value(text),
        Reads::Exec => config::exec(text),
        Reads::Paths => config::paths(text),
        Reads::Link | Reads::By(_) => Starts::default(),
    }
}

/// Whether nothing of a line counts: it is empty, or a comment by one of these signs.
fn is_idle(line: &[u8], comments: &[&[u8]]) -> bool {
    let line = line.trim_ascii();
    line.is_empty() || comments.iter().any(|sign| line.starts_with(sign))
}

/// Whether a line goes on below.
fn goes_on(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let strokes = line.iter().rev().take_while(|b| **b == b'\\').count();
    strokes % 2 == 1
}

/// Where a run of lines that a backslash joins begins and ends, for each line of it; `None` for a line of its own.
fn joined(content: &[u8]) -> Vec<Option<[u32; 2]>> {
    let lines: Vec<&[u8]> = content.split(|b| *b == b'\n').collect();
    let mut spans = vec![None; lines.len()];
    let mut first = 0;
    for (at, line) in lines.iter().enumerate() {
        if goes_on(line) && at + 1 < lines.len() {
            continue;
        }
        if first < at {
            let number = |at: usize| u32::try_from(at + 1).unwrap_or(u32::MAX);
            spans[first..=at].fill(Some([number(first), number(at)]));
        }
        first = at + 1;
    }
    spans
}

/// What a reader finds in a text of root's, without homes.
#[cfg(test)]
fn rows_of(read: fn(&Text<'_>) -> Starts, path: &str, content: &str) -> Vec<Start> {
    let (path, user, homes) = (HostPath::from(path), HostBytes::from("root"), BTreeMap::new());
    let text = Text {
        path: &path,
        content: content.as_bytes(),
        user: &user,
        homes: &homes,
    };
    read(&text).rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalogue::{PLACES, Removal};

    fn read(entry: &Entry, path: &HostPath, content: &[u8]) -> Starts {
        let homes = BTreeMap::from([(HostBytes::from("deploy"), HostPath::from("/home/deploy"))]);
        let user = HostBytes::from("deploy");
        starts_of(
            entry,
            &Text {
                path,
                content,
                user: &user,
                homes: &homes,
            },
        )
    }

    /// A file that the place's first pattern fits.
    fn a_file(entry: &Entry) -> HostPath {
        let pattern = entry.patterns().next().unwrap_or("/x");
        let name = match entry.reads {
            Reads::AtJob => "a00001018c5f3a",
            _ => "x",
        };
        let path = pattern
            .replacen('~', "/home/deploy", 1)
            .replace('*', name)
            .replace('?', "3");
        HostPath::from(path.as_str())
    }

    #[test]
    fn every_example_is_read() {
        for entry in PLACES {
            let (content, starts) = entry.example;
            if matches!(entry.reads, Reads::Link | Reads::By(_)) {
                continue;
            }
            let path = a_file(entry);
            assert!(entry.has(&path), "{:?}: {path}", entry.place);
            let found = read(entry, &path, content.as_bytes());
            assert!(!found.more && !found.rows.is_empty(), "{:?}: {content}", entry.place);
            let wanted = HostPath::from(starts);
            let row = found
                .rows
                .iter()
                .find(|row| starts.is_empty() || row.starts.contains(&wanted));
            let row = row.unwrap_or_else(|| panic!("{:?}: {:?}", entry.place, found.rows));
            assert!(!row.command.is_empty(), "{:?}", entry.place);
            // What is taken away by line is found by line, what is taken away whole is not.
            match entry.removal {
                Removal::Line | Removal::FileOrLine(_) => {
                    let number = row.number.unwrap_or_else(|| panic!("{:?}: {row:?}", entry.place));
                    let line = content.split('\n').nth(number as usize - 1);
                    assert_eq!(line.map(HostBytes::from), Some(row.line.clone()), "{:?}", entry.place);
                    assert_eq!(row.within, None, "{:?}", entry.place);
                }
                Removal::File(_) => assert_eq!(row.number, None, "{:?}", entry.place),
                Removal::Link(_) | Removal::Review => {}
            }
        }
    }

    #[test]
    fn a_comment_starts_nothing() {
        for entry in PLACES {
            let path = a_file(entry);
            for content in ["# /tmp/x\n", "", "\n\n  \n"] {
                for row in read(entry, &path, content.as_bytes()).rows {
                    assert!(row.number.is_none(), "{:?}: {row:?}", entry.place);
                    assert!(!row.starts.contains(&HostPath::from("/tmp/x")), "{:?}", entry.place);
                }
            }
        }
    }

    #[test]
    fn joined_lines() {
        let rows: [(&str, &[Option<[u32; 2]>]); 4] = [
            ("a\nb", &[None, None]),
            ("a\\\nb\nc", &[Some([1, 2]), Some([1, 2]), None]),
            ("a\\\\\nb", &[None, None]),
            ("a\\", &[None]),
        ];
        for (content, expected) in rows {
            assert_eq!(joined(content.as_bytes()), expected, "{content}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_give_rows_of_the_file(
            bytes: Vec<u8>,
            like in "(RUN|install x |exec|script|\\{|\\}|;|\"|'|/tmp/x|=|\\||: |::|\n|\\\\|import |Exec|postrotate|endscript|Post-Invoke|up |<<E|E| |# ){0,30}",
        ) {
            for content in [&bytes[..], like.as_bytes()] {
                let lines: Vec<&[u8]> = content.split(|b| *b == b'\n').collect();
                for entry in PLACES {
                    let found = read(entry, &a_file(entry), content);
                    prop_assert!(found.rows.len() <= ROWS);
                    for row in found.rows {
                        if let Some(number) = row.number {
                            prop_assert_eq!(lines.get(number as usize - 1).copied(), Some(row.line.as_bytes()));
                        }
                        if let Some([first, last]) = row.within {
                            prop_assert!(row.number.is_some_and(|number| (first..=last).contains(&number)));
                        }
                        for path in row.starts {
                            prop_assert_eq!(path.as_bytes()[0], b'/');
                        }
                    }
                }
            }
        }
    }
}
