//! Tables of times or occasions, with a command in each line.

use deminer_worker::text::{HostBytes, HostPath};

use super::{Start, Starts, Text, is_idle, joined};
use crate::command_words::{simple_commands_at, started_files};
use crate::crontab::{CronLine, LINES, UserField, is_changing, parse_crontab, setting};

/// What a crontab starts.
pub(super) fn crontab(text: &Text<'_>, users: UserField) -> Starts {
    let crontab = parse_crontab(text.content, users);
    let rows = crontab.lines.into_iter().map(|line| {
        let user = match users {
            UserField::Present => &line.user,
            UserField::Absent => text.user,
        };
        let home = line.home.as_ref().or_else(|| text.homes.get(user));
        Start {
            number: Some(line.number),
            starts: started_by(&line, home),
            user: line.user,
            line: line.line,
            schedule: line.schedule,
            command: line.command,
            settings: line.settings,
            within: None,
        }
    });
    Starts {
        rows: rows.collect(),
        more: crontab.more,
    }
}

/// What a line runs: its command, and its input where a shell reads that.
fn started_by(line: &CronLine, home: Option<&HostPath>) -> Vec<HostPath> {
    let mut commands = simple_commands_at(line.command.as_bytes(), home);
    if commands.iter().any(|command| command.reads_commands) {
        commands.extend(simple_commands_at(line.input.as_bytes(), home));
    }
    started_files(&commands)
}

/// `PERIOD DELAY NAME COMMAND`, and settings above (anacrontab(5)).
pub(super) fn anacrontab(text: &Text<'_>) -> Starts {
    let mut starts = Starts::default();
    let mut settings: Vec<(Vec<u8>, HostBytes)> = Vec::new();
    let spans = joined(text.content);
    for ((number, line), within) in text.lines().zip(spans) {
        if is_idle(line, &[b"#"]) {
            continue;
        }
        if let Some((name, _)) = setting(line.trim_ascii()) {
            if is_changing(name) {
                settings.retain(|(other, _)| other != name);
                settings.push((name.to_vec(), HostBytes::new(line.trim_ascii())));
            }
            continue;
        }
        let Some([period, _, _, command]) = fields(line) else {
            continue;
        };
        starts.push(Start {
            number: Some(number),
            line: HostBytes::new(line),
            within,
            schedule: HostBytes::new(period),
            starts: started_files(&simple_commands_at(command, text.home())),
            command: HostBytes::new(command),
            settings: settings.iter().map(|(_, line)| line.clone()).take(LINES).collect(),
            ..Start::default()
        });
    }
    starts
}

/// Three words and the rest, blanks between them passed over; `None` where one is missing.
fn fields(line: &[u8]) -> Option<[&[u8]; 4]> {
    let mut rest = line.trim_ascii();
    let mut words: [&[u8]; 4] = [b""; 4];
    for word in &mut words[..3] {
        let end = rest.iter().position(u8::is_ascii_whitespace)?;
        *word = &rest[..end];
        rest = rest[end..].trim_ascii();
    }
    words[3] = rest;
    (!rest.is_empty()).then_some(words)
}

/// `PATH MASK COMMAND` (incrontab(5)); blanks in the path are escaped.
pub(super) fn incrontab(text: &Text<'_>) -> Starts {
    let mut starts = Starts::default();
    for (number, line) in text.lines() {
        if is_idle(line, &[b"#"]) {
            continue;
        }
        let mut words = line
            .trim_ascii()
            .splitn(3, u8::is_ascii_whitespace)
            .map(<[u8]>::trim_ascii);
        let (Some(_), Some(mask), Some(command)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        starts.push(Start {
            number: Some(number),
            line: HostBytes::new(line),
            schedule: HostBytes::new(mask),
            starts: started_files(&simple_commands_at(command, text.home())),
            command: HostBytes::new(command),
            ..Start::default()
        });
    }
    starts
}

/// `ID:RUNLEVELS:ACTION:COMMAND` (inittab(5)); `+` before the command asks init to write no accounts.
pub(super) fn inittab(text: &Text<'_>) -> Starts {
    let mut starts = Starts::default();
    for (number, line) in text.lines() {
        if is_idle(line, &[b"#"]) {
            continue;
        }
        let mut words = line.trim_ascii().splitn(4, |b| *b == b':');
        let (Some(_), Some(_), Some(action), Some(command)) = (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let command = command.strip_prefix(b"+").unwrap_or(command).trim_ascii();
        if command.is_empty() || action == b"off" {
            continue;
        }
        starts.push(Start {
            number: Some(number),
            line: HostBytes::new(line),
            schedule: HostBytes::new(action),
            starts: started_files(&simple_commands_at(command, None)),
            command: HostBytes::new(command),
            ..Start::default()
        });
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::starter_text::rows_of;

    fn shown(read: fn(&Text<'_>) -> Starts, content: &str) -> Vec<String> {
        let row = |row: Start| {
            let starts: Vec<String> = row.starts.iter().map(ToString::to_string).collect();
            let within = row.within.map(|[first, last]| format!(" of {first}-{last}"));
            let settings: Vec<String> = row.settings.iter().map(|line| format!(" <{line}>")).collect();
            let number = row.number.expect("lines");
            format!(
                "{number}{}: {} | {} | {}{}",
                within.unwrap_or_default(),
                row.schedule,
                row.command,
                starts.join(" "),
                settings.concat()
            )
        };
        rows_of(read, "/etc/x", content).into_iter().map(row).collect()
    }

    #[test]
    fn anacrontabs() {
        let rows: [(&str, &str, &[&str]); 4] = [
            (
                "plain",
                "SHELL=/bin/sh\nRANDOM_DELAY=45\n1\t5\tcron.daily\t\tnice run-parts /etc/cron.daily\n",
                &["3: 1 | nice run-parts /etc/cron.daily |  <SHELL=/bin/sh>"],
            ),
            ("by name", "@monthly 45 m /tmp/x\n", &["1: @monthly | /tmp/x | /tmp/x"]),
            (
                "goes on",
                "1 5 a /tmp/x \\\n -o h\n7 25 b /tmp/y\n",
                &["1 of 1-2: 1 | /tmp/x \\\\ | /tmp/x", "3: 7 | /tmp/y | /tmp/y"],
            ),
            ("too few words", "1 5 a\n# 1 5 a /tmp/x\n", &[]),
        ];
        for (name, content, expected) in rows {
            assert_eq!(shown(anacrontab, content), expected, "{name}");
        }
    }

    #[test]
    fn occasions() {
        type Row = (
            &'static str,
            fn(&Text<'_>) -> Starts,
            &'static str,
            &'static [&'static str],
        );
        let rows: [Row; 5] = [
            (
                "inittab",
                inittab,
                "id:3:initdefault:\n# x:5:respawn:/tmp/y\nm:2345:respawn:+/tmp/x -a\nca::ctrlaltdel:/sbin/shutdown -r now\n",
                &[
                    "3: respawn | /tmp/x -a | /tmp/x",
                    "4: ctrlaltdel | /sbin/shutdown -r now | /sbin/shutdown",
                ],
            ),
            ("off", inittab, "m:5:off:/tmp/x\n", &[]),
            (
                "busybox",
                inittab,
                "::respawn:/tmp/x\n",
                &["1: respawn | /tmp/x | /tmp/x"],
            ),
            (
                "incrontab",
                incrontab,
                "/tmp IN_CREATE,IN_MODIFY  /tmp/x $@/$#\n",
                &["1: IN_CREATE,IN_MODIFY | /tmp/x $@/$# | /tmp/x"],
            ),
            ("too few words", incrontab, "/tmp IN_CREATE\n", &[]),
        ];
        for (name, read, content, expected) in rows {
            assert_eq!(shown(read, content), expected, "{name}");
        }
    }
}
