//! Configuration of one setting a line.

use deminer_worker::text::{HostBytes, HostPath};

use super::{Start, Starts, Text, is_idle, joined};
use crate::command_words::{simple_commands, simple_commands_at, started_files};
use crate::crontab::is_changing;
use crate::known_programs::LOADING;

/// One row for each line of which `command` says what it runs; lines that a backslash joins hang together.
fn each_line(text: &Text<'_>, comments: &[&[u8]], command: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Starts {
    let mut starts = Starts::default();
    let spans = joined(text.content);
    for ((number, line), within) in text.lines().zip(spans) {
        if is_idle(line, comments) {
            continue;
        }
        let Some(command) = command(line.trim_ascii()).filter(|command| !command.is_empty()) else {
            continue;
        };
        starts.push(Start {
            number: Some(number),
            line: HostBytes::new(line),
            within,
            starts: started_files(&simple_commands_at(&command, text.home())),
            command: HostBytes::new(command),
            ..Start::default()
        });
    }
    starts
}

/// Settings of every session that change what runs: `LD_PRELOAD=`, `PATH=`, also in the form of pam_env(8).
pub(super) fn environment(text: &Text<'_>) -> Starts {
    let mut starts = Starts::default();
    for (number, line) in text.lines() {
        if is_idle(line, &[b"#"]) {
            continue;
        }
        let said = line.trim_ascii();
        let said = said.strip_prefix(b"export ").unwrap_or(said).trim_ascii();
        let named = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let end = said.iter().position(|b| !named(b)).unwrap_or(said.len());
        let name = &said[..end];
        if !is_changing(name) {
            continue;
        }
        let values = |b: &u8| matches!(b, b':' | b' ' | b'\t' | b'=' | b'"' | b'\'');
        let files = said[end..].split(values).filter(|file| file.first() == Some(&b'/'));
        let files: Vec<HostPath> = match LOADING.contains(&name) {
            true => files.map(HostPath::new).collect(),
            false => Vec::new(),
        };
        starts.push(Start {
            number: Some(number),
            line: HostBytes::new(line),
            command: HostBytes::new(said),
            starts: files,
            settings: vec![HostBytes::new(said)],
            ..Start::default()
        });
    }
    starts
}

/// `pre-invoke=COMMAND`, `post-invoke`, `status-logger` (dpkg(1)).
pub(super) fn dpkg(text: &Text<'_>) -> Starts {
    each_line(text, &[b"#"], |line| {
        let at = line.iter().position(|b| *b == b'=' || b.is_ascii_whitespace())?;
        let hook = [&b"pre-invoke"[..], b"post-invoke", b"status-logger"].contains(&&line[..at]);
        let command = line[at + 1..].trim_ascii();
        let command = match command {
            [open @ (b'"' | b'\''), inner @ .., close] if open == close => inner,
            command => command,
        };
        hook.then(|| command.to_vec())
    })
}

/// `up COMMAND` and its like (interfaces(5)).
pub(super) fn interfaces(text: &Text<'_>) -> Starts {
    each_line(text, &[b"#"], |line| {
        let at = line.iter().position(u8::is_ascii_whitespace)?;
        let hooks: [&[u8]; 6] = [b"up", b"pre-up", b"post-up", b"down", b"pre-down", b"post-down"];
        hooks.contains(&&line[..at]).then(|| line[at..].trim_ascii().to_vec())
    })
}

/// `install NAME COMMAND`, `remove NAME COMMAND` (modprobe.d(5)).
pub(super) fn modprobe(text: &Text<'_>) -> Starts {
    each_line(text, &[b"#"], |line| {
        let mut words = line.splitn(2, u8::is_ascii_whitespace).map(<[u8]>::trim_ascii);
        let word = words.next()?;
        let rest = words.next()?;
        let at = rest.iter().position(u8::is_ascii_whitespace)?;
        [&b"install"[..], b"remove"]
            .contains(&word)
            .then(|| rest[at..].trim_ascii().to_vec())
    })
}

/// A name in each line.
pub(super) fn names(text: &Text<'_>) -> Starts {
    let mut starts = each_line(text, &[b"#", b";", b"include "], |line| Some(line.to_vec()));
    for row in &mut starts.rows {
        row.starts.clear();
    }
    starts
}

/// The settings of the kernel whose value is a program that it runs, dots or strokes between their names.
const PROGRAMS: [&[u8]; 4] = [
    b"kernel.core_pattern",
    b"kernel.modprobe",
    b"kernel.hotplug",
    b"kernel.poweroff_cmd",
];

/// `kernel.core_pattern=|PROGRAM` and its like (sysctl.d(5), core(5)); a `-` before it lets it fail.
pub(super) fn sysctl(text: &Text<'_>) -> Starts {
    each_line(text, &[b"#", b";"], |line| {
        let at = line.iter().position(|b| *b == b'=')?;
        let name = line[..at].trim_ascii();
        let name: Vec<u8> = name
            .strip_prefix(b"-")
            .unwrap_or(name)
            .iter()
            .map(|b| match b {
                b'/' => b'.',
                b => *b,
            })
            .collect();
        let known = PROGRAMS.iter().find(|known| **known == &name[..])?;
        program_of(line[at + 1..].trim_ascii(), *known == PROGRAMS[0])
    })
}

/// A value that is a program; of a pattern only behind `|`.
fn program_of(value: &[u8], is_pattern: bool) -> Option<Vec<u8>> {
    match value.strip_prefix(b"|") {
        Some(program) => Some(program.trim_ascii().to_vec()),
        None if is_pattern => None,
        None => Some(value.to_vec()),
    }
}

/// The one value of a file of `/proc/sys`.
pub(super) fn value(text: &Text<'_>) -> Starts {
    let is_pattern = text.path.file_name() == b"core_pattern";
    let mut starts = each_line(text, &[b"#"], |line| program_of(line, is_pattern));
    starts.rows.truncate(1);
    starts
}

/// `Exec=COMMAND`: the whole file starts it. A bus name may also name its user.
pub(super) fn exec(text: &Text<'_>) -> Starts {
    let of_key = |key: &[u8]| {
        let lines = text.content.split(|b| *b == b'\n');
        lines
            .filter_map(|line| {
                let at = line.iter().position(|b| *b == b'=')?;
                (line[..at].trim_ascii() == key).then(|| line[at + 1..].trim_ascii())
            })
            .collect::<Vec<&[u8]>>()
    };
    let commands = of_key(b"Exec");
    let Some(command) = commands.first() else {
        return Starts::default();
    };
    let tried = of_key(b"TryExec");
    let all: Vec<_> = commands
        .iter()
        .chain(&tried)
        .flat_map(|command| simple_commands(command))
        .collect();
    let row = Start {
        user: of_key(b"User")
            .first()
            .map_or_else(HostBytes::default, |user| HostBytes::new(*user)),
        command: HostBytes::new(*command),
        starts: started_files(&all),
        ..Start::default()
    };
    Starts {
        rows: vec![row],
        more: false,
    }
}

/// Every line that names a file by its whole path.
pub(super) fn paths(text: &Text<'_>) -> Starts {
    let mut starts = Starts::default();
    for (number, line) in text.lines() {
        if is_idle(line, &[b"#", b";", b"//"]) {
            continue;
        }
        let files = whole_paths(line);
        if files.is_empty() {
            continue;
        }
        starts.push(Start {
            number: Some(number),
            line: HostBytes::new(line),
            command: HostBytes::new(line.trim_ascii()),
            starts: files,
            ..Start::default()
        });
    }
    starts
}

/// The absolute paths that stand in a text as words of their own, each once.
pub(super) fn whole_paths(text: &[u8]) -> Vec<HostPath> {
    let parts = text.split(|b| b.is_ascii_whitespace() || b"\"'`=,;:|()[]{}<>&\0".contains(b));
    let mut files: Vec<HostPath> = Vec::new();
    for part in parts.filter(|part| part.len() > 1 && part[0] == b'/' && part[1] != b'/') {
        let file = HostPath::new(part);
        if !files.contains(&file) && files.len() < PATHS {
            files.push(file);
        }
    }
    files
}

/// The most paths of one text.
const PATHS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::starter_text::rows_of;

    fn shown(read: fn(&Text<'_>) -> Starts, path: &str, content: &str) -> Vec<String> {
        let row = |row: Start| {
            let starts: Vec<String> = row.starts.iter().map(ToString::to_string).collect();
            let number = row
                .number
                .map_or_else(|| "whole".to_owned(), |number| number.to_string());
            format!("{number}: {} | {}", row.command, starts.join(" "))
        };
        rows_of(read, path, content).into_iter().map(row).collect()
    }

    #[test]
    fn one_setting_a_line() {
        type Row = (
            &'static str,
            fn(&Text<'_>) -> Starts,
            &'static str,
            &'static [&'static str],
        );
        let rows: [Row; 20] = [
            (
                "environment",
                environment,
                "LANG=C\nLD_PRELOAD=\"/a.so:/b.so\"\n",
                &["2: LD_PRELOAD=\"/a.so:/b.so\" | /a.so /b.so"],
            ),
            (
                "environment, path",
                environment,
                "PATH=/usr/bin:/tmp/.x\n",
                &["1: PATH=/usr/bin:/tmp/.x | "],
            ),
            (
                "pam_env",
                environment,
                "LD_PRELOAD DEFAULT=/a.so OVERRIDE=/b.so\n",
                &["1: LD_PRELOAD DEFAULT=/a.so OVERRIDE=/b.so | /a.so /b.so"],
            ),
            (
                "dpkg",
                dpkg,
                "no-debsig\npost-invoke=\"/tmp/x -a\"\nlog /var/log/dpkg.log\n",
                &["2: /tmp/x -a | /tmp/x"],
            ),
            (
                "interfaces",
                interfaces,
                "auto lo\niface lo inet loopback\n\tup /tmp/x\n  pre-up [ -x /tmp/y ] && /tmp/y\n",
                &["3: /tmp/x | /tmp/x", "4: [ -x /tmp/y ] && /tmp/y | /tmp/y"],
            ),
            ("interfaces, none", interfaces, "address 192.0.2.1\nup\n", &[]),
            (
                "modprobe",
                modprobe,
                "options x a=/tmp/y\ninstall ipv6 /bin/true\nremove snd /tmp/x; true\n",
                &["2: /bin/true | /bin/true", "3: /tmp/x; true | /tmp/x"],
            ),
            ("modprobe, none", modprobe, "install x\nblacklist /tmp/x\n", &[]),
            (
                "names",
                names,
                "# a\nvfio\n/tmp/lib\ninclude /etc/ld.so.conf.d/*.conf\n",
                &["2: vfio | ", "3: /tmp/lib | "],
            ),
            (
                "sysctl",
                sysctl,
                "kernel.core_pattern = |/tmp/x %p\n-kernel/modprobe=/tmp/y\nvm.swappiness=1\n",
                &["1: /tmp/x %p | /tmp/x", "2: /tmp/y | /tmp/y"],
            ),
            ("sysctl, a file", sysctl, "kernel.core_pattern=/tmp/core.%p\n", &[]),
            (
                "desktop",
                exec,
                "[Desktop Entry]\nName=/tmp/y\nExec=sh -c '/tmp/x'\n[Desktop Action a]\nExec=/tmp/z\n",
                &["whole: sh -c '/tmp/x' | /tmp/x /tmp/z"],
            ),
            (
                "desktop, try",
                exec,
                "TryExec=/tmp/y\nExec=/tmp/x\n",
                &["whole: /tmp/x | /tmp/x /tmp/y"],
            ),
            ("desktop, none", exec, "[Desktop Entry]\nName=x\n", &[]),
            (
                "paths",
                paths,
                "; /tmp/a\n// /tmp/b\ncommand=/usr/bin/env /tmp/x,/tmp/x\nuser=a\n",
                &["3: command=/usr/bin/env /tmp/x,/tmp/x | /usr/bin/env /tmp/x"],
            ),
            ("paths, an address", paths, "url=http://h/x\n", &[]),
            (
                "paths, a mail",
                paths,
                "deploy: \"|/tmp/x -a\"\n",
                &["1: deploy: \"|/tmp/x -a\" | /tmp/x"],
            ),
            ("a value", value, "|/tmp/x %p\n", &["1: /tmp/x %p | /tmp/x"]),
            ("a value, none", value, "core\n", &[]),
            ("a value, empty", value, "\n", &[]),
        ];
        for (name, read, content, expected) in rows {
            assert_eq!(
                shown(read, "/proc/sys/kernel/core_pattern", content),
                expected,
                "{name}"
            );
        }
        assert_eq!(
            shown(value, "/proc/sys/kernel/modprobe", "/sbin/modprobe\n"),
            ["1: /sbin/modprobe | /sbin/modprobe"]
        );
    }
}
