//! Jobs of at(1) and batch(1): a script whose head, made by at, sets user, directory and settings again.
//!
//! What counts is what stands below the head; what is above was copied from the session in which the job was made. Source:
//! `at.c` of Debian's at, and of Fedora's, which puts the commands into a text for the user's shell.

use deminer_worker::text::{HostBytes, HostPath};

use super::shell::started_by_script;
use super::{Start, Starts, Text};
use crate::command_words::commands_from;
use crate::crontab::is_changing;

/// The line of the head that stands right before its end.
const LAST_OF_HEAD: &[u8] = b"Execution directory inaccessible";
/// How the end of the commands is called where they are a text for a shell.
const DELIMITER: &[u8] = b"marcinDELIMITER";

/// A job; nothing where the name is not one of at's, or it was not made by at.
pub(super) fn job(text: &Text<'_>) -> Starts {
    let mut starts = Starts::default();
    let Some(minutes) = minutes_of(text.path.file_name()) else {
        return starts;
    };
    if !text.content.starts_with(b"#!") {
        return starts;
    }
    let commands = commands_of(text.content);
    let command: &[u8] = commands.trim_ascii();
    starts.push(Start {
        schedule: HostBytes::from(format!("@{}", u64::from(minutes) * 60).as_str()),
        command: HostBytes::new(command),
        starts: started_by_script(commands, directory_of(text.content)),
        settings: settings_of(text.content),
        ..Start::default()
    });
    starts
}

/// A letter for the queue, five digits for the job, eight for its time in minutes since 1970 (`=` while it runs).
fn minutes_of(name: &[u8]) -> Option<u32> {
    let (queue, digits) = name.split_first()?;
    let is_queue = queue.is_ascii_alphabetic() || *queue == b'=';
    if !is_queue || digits.len() != 13 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let time = std::str::from_utf8(&digits[5..]).ok()?;
    u32::from_str_radix(time, 16).ok()
}

/// The commands of a job, below its head; all of it where there is no head.
pub(crate) fn commands_of(content: &[u8]) -> &[u8] {
    let Some(below) = below_head(content) else {
        return content;
    };
    let (first, rest) = line_and_rest(below);
    let Some(at) = first.windows(DELIMITER.len()).position(|run| run == DELIMITER) else {
        return below;
    };
    let end: &[u8] = first[at..]
        .split(|b| matches!(b, b'\'' | b'"' | b' '))
        .next()
        .unwrap_or_default();
    let mut left = rest;
    while !left.is_empty() {
        let (line, behind) = line_and_rest(left);
        if line == end {
            return &rest[..rest.len() - left.len()];
        }
        left = behind;
    }
    rest
}

fn below_head(content: &[u8]) -> Option<&[u8]> {
    let at = content
        .windows(LAST_OF_HEAD.len())
        .position(|run| run == LAST_OF_HEAD)?;
    let mut rest = &content[at..];
    while !rest.is_empty() {
        let (line, behind) = line_and_rest(rest);
        if line.trim_ascii() == b"}" {
            return Some(behind);
        }
        rest = behind;
    }
    None
}

/// Where the commands begin, as the head has it: `cd DIRECTORY || {`.
fn directory_of(content: &[u8]) -> Option<HostPath> {
    let at = content
        .windows(LAST_OF_HEAD.len())
        .position(|run| run == LAST_OF_HEAD)?;
    let line = content[..at]
        .split(|b| *b == b'\n')
        .rev()
        .find_map(|line| line.strip_prefix(b"cd "))?;
    let mut cwd = None;
    commands_from(
        &[b"cd ", line.strip_suffix(b" || {").unwrap_or(line)].concat(),
        None,
        &mut cwd,
    );
    cwd
}

fn line_and_rest(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|b| *b == b'\n') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

/// The settings of the head that change what runs.
fn settings_of(content: &[u8]) -> Vec<HostBytes> {
    let head = &content[..content.len() - below_head(content).map_or(content.len(), <[u8]>::len)];
    let settings = head.split(|b| *b == b'\n').filter_map(|line| {
        let at = line.iter().position(|b| *b == b'=')?;
        let setting = line.split(|b| *b == b';').next()?;
        is_changing(&line[..at]).then(|| HostBytes::new(setting))
    });
    settings.take(super::ROWS).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "#!/bin/sh\n# atrun uid=1000 gid=1000\n# mail deploy 0\numask 22\nHOME=/home/deploy; export HOME\n\
                        PATH=/tmp/.x:/bin; export PATH\nLANG=C; export LANG\ncd /home/deploy || {\n\t echo 'Execution directory inaccessible' >&2\n\
                        \t exit 1\n}\n";

    #[test]
    fn commands_stand_below_the_head() {
        let rows: [(&str, String, &str); 5] = [
            ("Debian", format!("{HEAD}/tmp/x &\n"), "/tmp/x &\n"),
            (
                "Fedora",
                format!("{HEAD}${{SHELL:-/bin/sh}} << 'marcinDELIMITER4bbe8c69'\n/tmp/x\n\nmarcinDELIMITER4bbe8c69\n"),
                "/tmp/x\n\n",
            ),
            (
                "its end is missing",
                format!("{HEAD}${{SHELL:-/bin/sh}} << 'marcinDELIMITER4bbe8c69'\n/tmp/x\n"),
                "/tmp/x\n",
            ),
            ("no head", "#!/bin/sh\n/tmp/x\n".to_owned(), "#!/bin/sh\n/tmp/x\n"),
            ("a head alone", HEAD.to_owned(), ""),
        ];
        for (name, content, expected) in rows {
            assert_eq!(commands_of(content.as_bytes()), expected.as_bytes(), "{name}");
        }
    }

    #[test]
    fn a_job_by_its_name_and_head() {
        let content = format!("{HEAD}/tmp/x &\n");
        let (user, homes) = (HostBytes::from("deploy"), BTreeMap::new());
        let read = |path: &str, content: &str| {
            let path = HostPath::from(path);
            let text = Text {
                path: &path,
                content: content.as_bytes(),
                user: &user,
                homes: &homes,
            };
            job(&text).rows
        };
        let found = read("/var/spool/at/a0000101d0a1b2", &content);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].schedule, HostBytes::from("@1827005880"));
        assert_eq!(found[0].starts, [HostPath::from("/tmp/x")]);
        let settings: Vec<HostBytes> = ["HOME=/home/deploy", "PATH=/tmp/.x:/bin"].map(HostBytes::from).to_vec();
        assert_eq!(found[0].settings, settings);
        let relative = read("/var/spool/at/a0000101d0a1b2", &format!("{HEAD}.x/m\n"));
        assert_eq!(relative[0].starts, [HostPath::from("/home/deploy/.x/m")]);
        for name in [".SEQ", "a0000101d0a1bg", "a0000101d0a1b", "core", "a0000101d0a1b2.x"] {
            assert!(read(&format!("/var/spool/at/{name}"), &content).is_empty(), "{name}");
        }
        assert!(read("/var/spool/at/a0000101d0a1b2", "output of a job\n").is_empty());
    }

    proptest! {
        #[test]
        fn commands_are_a_part(content: Vec<u8>, below in ".{0,40}") {
            prop_assert!(commands_of(&content).len() <= content.len());
            let whole = format!("{HEAD}{below}");
            prop_assert!(whole.as_bytes().ends_with(commands_of(whole.as_bytes())) || below.contains("marcin"));
            settings_of(&content);
            directory_of(&content);
            minutes_of(&content);
        }
    }
}
