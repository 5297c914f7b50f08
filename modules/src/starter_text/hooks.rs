//! Configuration in which commands stand between other words: rules, hooks, jobs.

use deminer_worker::text::{HostBytes, HostPath};

use super::config::whole_paths;
use super::shell::{shell_lines, started_by_script};
use super::{Start, Starts, Text, is_idle, joined};
use crate::command_words::{simple_commands, started_files};
use crate::shell_statements::Dialect;

/// Where udev looks for a program without a path (udev(7)).
const UDEV_PROGRAMS: &str = "/usr/lib/udev";

/// The commands of udev rules, all of a line in one row.
pub(super) fn udev(text: &Text<'_>) -> Starts {
    let mut starts = Starts::default();
    let spans = joined(text.content);
    for ((number, line), within) in text.lines().zip(spans) {
        if is_idle(line, &[b"#"]) {
            continue;
        }
        let commands = udev_commands(line);
        if commands.is_empty() {
            continue;
        }
        let mut files: Vec<HostPath> = Vec::new();
        for command in &commands {
            let simple = simple_commands(command);
            let bare = simple
                .first()
                .map(|first| first.program.as_bytes())
                .filter(|name| !name.is_empty() && !name.contains(&b'/') && simple[0].through.is_empty());
            let own = bare.map(|name| HostPath::from(UDEV_PROGRAMS).join(name));
            for file in own.into_iter().chain(started_files(&simple)) {
                if !files.contains(&file) {
                    files.push(file);
                }
            }
        }
        // A rule that also sets something else is more than what it runs.
        let within = within.or_else(|| sets_more(line).then_some([number, number]));
        starts.push(Start {
            number: Some(number),
            line: HostBytes::new(line),
            within,
            command: HostBytes::new(commands.join(&b"; "[..])),
            starts: files,
            ..Start::default()
        });
    }
    starts
}

/// The values of `RUN`, `PROGRAM` and `IMPORT{program}` in a rule.
fn udev_commands(line: &[u8]) -> Vec<Vec<u8>> {
    let runs = |(key, value): (Vec<u8>, Vec<u8>)| (is_run(&key) && !value.is_empty()).then_some(value);
    udev_pairs(line).into_iter().filter_map(runs).collect()
}

/// Whether a rule gives anything a value but what it runs.
fn sets_more(line: &[u8]) -> bool {
    udev_pairs(line).iter().any(|(key, _)| {
        let compares = key.ends_with(b"==") || key.ends_with(b"!=");
        !compares && !is_run(key)
    })
}

fn is_run(key: &[u8]) -> bool {
    let name: Vec<u8> = key.iter().copied().filter(|b| !b"+=:!-".contains(b)).collect();
    matches!(&name[..], b"RUN" | b"RUN{program}" | b"PROGRAM" | b"IMPORT{program}")
}

/// Keys, each with its operator, and their values.
fn udev_pairs(line: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs = Vec::new();
    let mut rest = line;
    while let Some(open) = rest.iter().position(|b| *b == b'"') {
        let (before, behind) = (&rest[..open], &rest[open + 1..]);
        let mut value = Vec::new();
        let mut at = 0;
        while let Some(byte) = behind.get(at) {
            match (byte, behind.get(at + 1)) {
                (b'\\', Some(b'"')) => {
                    value.push(b'"');
                    at += 1;
                }
                (b'"', _) => break,
                _ => value.push(*byte),
            }
            at += 1;
        }
        let word = |b: &u8| b.is_ascii_whitespace() || *b == b',';
        let key = before.rsplit(word).find(|part| !part.is_empty()).unwrap_or_default();
        pairs.push((key.to_vec(), value));
        rest = behind.get(at + 1..).unwrap_or_default();
    }
    pairs
}

/// Modules that run what their arguments name (pam_exec(8) and its like).
const RUNNING: [&[u8]; 6] = [
    b"pam_exec.so",
    b"pam_python.so",
    b"pam_perl.so",
    b"pam_script.so",
    b"pam_ruby.so",
    b"pam_lua.so",
];

/// Modules with a path of their own, and what modules run.
pub(super) fn pam(text: &Text<'_>) -> Starts {
    let mut starts = Starts::default();
    let spans = joined(text.content);
    for ((number, line), within) in text.lines().zip(spans) {
        if is_idle(line, &[b"#"]) {
            continue;
        }
        let words: Vec<&[u8]> = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .collect();
        let Some(at) = words.iter().position(|word| word.ends_with(b".so")) else {
            continue;
        };
        let module = words[at];
        let name = module.rsplit(|b| *b == b'/').next().unwrap_or(module);
        let mut files = Vec::new();
        if module[0] == b'/' {
            files.push(HostPath::new(module));
        }
        let mut command: &[&[u8]] = &words[at..];
        if RUNNING.contains(&name) {
            let program = words[at + 1..].iter().position(|word| word[0] == b'/');
            if let Some(program) = program {
                command = &words[at + 1 + program..];
                files.extend(started_files(&simple_commands(&command.join(&b' '))));
            }
        } else if files.is_empty() {
            continue;
        }
        starts.push(Start {
            number: Some(number),
            line: HostBytes::new(line),
            within,
            command: HostBytes::new(command.join(&b' ')),
            starts: files,
            ..Start::default()
        });
    }
    starts
}

/// Words of logrotate(8) below which commands stand, up to `endscript`.
const SCRIPTS: [&[u8]; 5] = [b"prerotate", b"postrotate", b"firstaction", b"lastaction", b"preremove"];

/// The commands that are run as logs are turned over.
pub(super) fn logrotate(text: &Text<'_>) -> Starts {
    let mut starts = Starts::default();
    let mut block: Option<(u32, Vec<&[u8]>)> = None;
    for (number, line) in text.lines() {
        let word = line.trim_ascii();
        match &mut block {
            Some((above, lines)) if word == b"endscript" => {
                shell_lines(&lines.join(&b'\n'), *above, Dialect::Posix, None, &mut starts);
                block = None;
            }
            Some((_, lines)) => lines.push(line),
            None if SCRIPTS.contains(&word) => block = Some((number, Vec::new())),
            None => {}
        }
    }
    // A script without an end is run to the end of the file by no logrotate, but a line may come.
    if let Some((above, lines)) = block {
        shell_lines(&lines.join(&b'\n'), above, Dialect::Posix, None, &mut starts);
    }
    starts
}

/// Parts of the names of apt's settings whose values are run (apt.conf(5)), in lower case.
const APT_HOOKS: [&[u8]; 6] = [
    b"-invoke",
    b"pre-install-pkgs",
    b"proxy-auto-detect",
    b"proxyautodetect",
    b"dir::bin",
    b"post-invoke-success",
];

/// The hooks of apt; what stands in a block over several lines hangs together.
pub(super) fn apt(text: &Text<'_>) -> Starts {
    let mut starts = Starts::default();
    let lines: Vec<&[u8]> = text.content.split(|b| *b == b'\n').collect();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        if is_idle(line, &[b"#", b"//"]) || !is_hook(line) {
            at += 1;
            continue;
        }
        // A name alone may have its braces below.
        let mut last = at;
        let mut seen = shape(line);
        while !seen.is_whole() && last + 1 < lines.len() {
            last += 1;
            seen.add(&shape(lines[last]));
        }
        for (number, line) in lines.iter().enumerate().take(last + 1).skip(at) {
            let commands = quoted(line);
            if is_idle(line, &[b"#", b"//"]) || commands.is_empty() {
                continue;
            }
            let command = commands.join(&b"; "[..]);
            let one = |at: usize| u32::try_from(at + 1).unwrap_or(u32::MAX);
            starts.push(Start {
                number: Some(one(number)),
                line: HostBytes::new(*line),
                within: (last > at || seen.depth != 0).then(|| [one(at), one(last)]),
                starts: started_files(&simple_commands(&command)),
                command: HostBytes::new(command),
                ..Start::default()
            });
        }
        at = last + 1;
    }
    starts
}

fn is_hook(line: &[u8]) -> bool {
    let outside: Vec<u8> = outside_quotes(line).to_ascii_lowercase();
    APT_HOOKS
        .iter()
        .any(|hook| outside.windows(hook.len()).any(|run| run == *hook))
}

/// The braces of a line, quotes minded, and whether it ends a setting.
struct Shape {
    depth: i32,
    ends: bool,
}

impl Shape {
    fn is_whole(&self) -> bool {
        self.depth <= 0 && self.ends
    }

    fn add(&mut self, other: &Shape) {
        self.depth = self.depth.saturating_add(other.depth);
        self.ends = other.ends || (self.ends && self.depth <= 0);
    }
}

fn shape(line: &[u8]) -> Shape {
    let outside = outside_quotes(line);
    let count = |byte: u8| i32::try_from(outside.iter().filter(|b| **b == byte).count()).unwrap_or(i32::MAX);
    Shape {
        depth: count(b'{').saturating_sub(count(b'}')),
        ends: outside.trim_ascii_end().ends_with(b";") || outside.trim_ascii_end().ends_with(b"}"),
    }
}

/// A line without what stands between double quotes, and without a comment.
fn outside_quotes(line: &[u8]) -> Vec<u8> {
    let mut outside = Vec::new();
    let mut inside = false;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'"' => inside = !inside,
            b'/' if !inside && line[at..].starts_with(b"//") => break,
            _ if !inside => outside.push(*byte),
            _ => {}
        }
    }
    outside
}

/// What stands between double quotes.
fn quoted(line: &[u8]) -> Vec<Vec<u8>> {
    let parts: Vec<&[u8]> = line.split(|b| *b == b'"').collect();
    let inside = parts.iter().skip(1).step_by(2).filter(|part| !part.is_empty());
    inside.map(|part| part.to_vec()).collect()
}

/// A job of upstart: the whole file starts what its `exec` lines and its scripts say.
pub(super) fn upstart(text: &Text<'_>) -> Starts {
    let commands = commands_of_upstart(text.content);
    let mut starts = Starts::default();
    if !commands.trim_ascii().is_empty() {
        starts.push(Start {
            starts: started_by_script(&commands, None),
            command: HostBytes::new(commands.trim_ascii()),
            ..Start::default()
        });
    }
    starts
}

/// The commands of a job of upstart, one below the other (init(5) of upstart).
pub(crate) fn commands_of_upstart(content: &[u8]) -> Vec<u8> {
    let mut commands = Vec::new();
    let mut in_script = false;
    for line in content.split(|b| *b == b'\n') {
        let words: Vec<&[u8]> = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .collect();
        let said = match &words[..] {
            [b"end", b"script", ..] => {
                in_script = false;
                continue;
            }
            _ if in_script => Some(line.to_vec()),
            [.., b"script"] if words.len() <= 2 => {
                in_script = true;
                continue;
            }
            [b"exec", rest @ ..] | [_, b"exec", rest @ ..] => Some(rest.join(&b' ')),
            _ => None,
        };
        if let Some(said) = said {
            commands.extend_from_slice(&said);
            commands.push(b'\n');
        }
    }
    commands
}

/// Lines of a `.pth` file that Python runs, those that begin with `import`; all of a `sitecustomize.py`.
pub(super) fn python(text: &Text<'_>) -> Starts {
    let mut starts = Starts::default();
    if text.path.file_name().ends_with(b".py") {
        return whole_python(text);
    }
    for (number, line) in text.lines() {
        if !line.starts_with(b"import ") && !line.starts_with(b"import\t") {
            continue;
        }
        starts.push(Start {
            number: Some(number),
            line: HostBytes::new(line),
            command: HostBytes::new(line),
            starts: whole_paths(line),
            ..Start::default()
        });
    }
    starts
}

fn whole_python(text: &Text<'_>) -> Starts {
    let said: Vec<u8> = text
        .lines()
        .map(|(_, line)| line)
        .filter(|line| !is_idle(line, &[b"#"]))
        .collect::<Vec<&[u8]>>()
        .join(&b'\n');
    let own = text.path.clone();
    let others = whole_paths(&said).into_iter().filter(|file| *file != own);
    let files = std::iter::once(own.clone()).chain(others).collect();
    Starts {
        rows: vec![Start {
            command: HostBytes::from(text.path),
            starts: files,
            ..Start::default()
        }],
        more: false,
    }
}

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
            let within = row
                .within
                .map(|[first, last]| format!(" of {first}-{last}"))
                .unwrap_or_default();
            format!("{number}{within}: {} | {}", row.command, starts.join(" "))
        };
        rows_of(read, path, content).into_iter().map(row).collect()
    }

    #[test]
    fn commands_between_other_words() {
        type Row = (
            &'static str,
            fn(&Text<'_>) -> Starts,
            &'static str,
            &'static [&'static str],
        );
        let rows: [Row; 25] = [
            (
                "udev",
                udev,
                "ACTION==\"add\", SUBSYSTEM==\"usb\", RUN+=\"/tmp/x -a\"\n",
                &["1: /tmp/x -a | /tmp/x"],
            ),
            (
                "udev, a shell",
                udev,
                "KERNEL==\"/tmp/y\", RUN+=\"/bin/sh -c '/tmp/x &'\"\n",
                &["1: /bin/sh -c '/tmp/x &' | /bin/sh /tmp/x"],
            ),
            (
                "udev, two",
                udev,
                "PROGRAM=\"/a\", IMPORT{program}=\"b c\"\n",
                &["1: /a; b c | /a /usr/lib/udev/b"],
            ),
            (
                "udev, built in",
                udev,
                "IMPORT{builtin}=\"path_id\", RUN{builtin}+=\"kmod load\", ATTR{x}=\"/tmp/x\"\n",
                &[],
            ),
            (
                "udev, more",
                udev,
                "ACTION==\"add\", SYMLINK+=\"a\", RUN+=\"/tmp/x\"\n",
                &["1 of 1-1: /tmp/x | /tmp/x"],
            ),
            (
                "udev, joined",
                udev,
                "ACTION==\"add\", \\\n RUN+=\"/tmp/x\"\n",
                &["2 of 1-2: /tmp/x | /tmp/x"],
            ),
            (
                "pam_exec",
                pam,
                "auth [success=1 default=ignore] pam_exec.so quiet expose_authtok /tmp/x -a\n",
                &["1: /tmp/x -a | /tmp/x"],
            ),
            (
                "a module of its own",
                pam,
                "-session optional /tmp/pam.so a=/b\n",
                &["1: /tmp/pam.so a=/b | /tmp/pam.so"],
            ),
            (
                "ordinary modules",
                pam,
                "auth required pam_unix.so nullok\n@include common-auth\nauth x pam_echo.so file=/etc/x\n",
                &[],
            ),
            (
                "pam_exec, no program",
                pam,
                "auth required pam_exec.so\n",
                &["1: pam_exec.so | "],
            ),
            (
                "logrotate",
                logrotate,
                "/var/log/a {\n  daily\n  postrotate\n    /tmp/x\n    if a; then\n /tmp/y\n    fi\n  endscript\n}\n/tmp/z {\n}\n",
                &[
                    "4: /tmp/x | /tmp/x",
                    "5 of 5-7: if a; then | ",
                    "6 of 5-7: /tmp/y | /tmp/y",
                ],
            ),
            (
                "logrotate, none",
                logrotate,
                "include /etc/logrotate.d\n/tmp/x {\n rotate 1\n}\n",
                &[],
            ),
            (
                "apt",
                apt,
                "APT::Update::Pre-Invoke {\"/tmp/x\";};\nAPT::Periodic \"/tmp/y\";\n",
                &["1: /tmp/x | /tmp/x"],
            ),
            (
                "apt, list",
                apt,
                "DPkg::Post-Invoke:: \"/tmp/x &\";\n",
                &["1: /tmp/x & | /tmp/x"],
            ),
            (
                "apt, block",
                apt,
                "DPkg::Post-Invoke {\n  \"/tmp/x\";\n  \"/bin/true\";\n};\nA \"/tmp/y\";\n",
                &["2 of 1-4: /tmp/x | /tmp/x", "3 of 1-4: /bin/true | /bin/true"],
            ),
            (
                "apt, brace below",
                apt,
                "DPkg::Pre-Install-Pkgs\n{\n\"/tmp/x\";\n};\n",
                &["3 of 1-4: /tmp/x | /tmp/x"],
            ),
            (
                "apt, comment",
                apt,
                "// DPkg::Post-Invoke {\"/tmp/x\";};\nX \"Post-Invoke /tmp/x\"; // -invoke\n",
                &[],
            ),
            (
                "apt, proxy",
                apt,
                "Acquire::http::Proxy-Auto-Detect \"/tmp/x\";\n",
                &["1: /tmp/x | /tmp/x"],
            ),
            (
                "upstart",
                upstart,
                "description \"x\"\nstart on runlevel [2345]\nrespawn\nexec /tmp/x -a\n",
                &["whole: /tmp/x -a | /tmp/x"],
            ),
            (
                "upstart, script",
                upstart,
                "pre-start script\n  /tmp/y\nend script\nscript\n  cd /tmp\n  ./x\nend script\npost-stop exec /tmp/z\n",
                &["whole: /tmp/y\\x0a  cd /tmp\\x0a  ./x\\x0a/tmp/z | /tmp/y /tmp/x /tmp/z"],
            ),
            ("upstart, none", upstart, "start on startup\n", &[]),
            (
                "pth",
                python,
                "/usr/lib/x\nimport os; os.system('/tmp/x')\n# import y\n",
                &["2: import os; os.system('/tmp/x') | /tmp/x"],
            ),
            ("pth, none", python, "./x\nimportant\n", &[]),
            (
                "apt, never closed",
                apt,
                "DPkg::Post-Invoke {\n\"/tmp/x\"\n",
                &["2 of 1-3: /tmp/x | /tmp/x"],
            ),
            (
                "apt, closed behind",
                apt,
                "DPkg {\n Post-Invoke {\"/tmp/x\";};\n};\n",
                &["2: /tmp/x | /tmp/x"],
            ),
        ];
        for (name, read, content, expected) in rows {
            assert_eq!(shown(read, "/etc/x.pth", content), expected, "{name}");
        }
        assert_eq!(
            shown(
                python,
                "/etc/python3/sitecustomize.py",
                "import os\n# /tmp/y\nos.system(\"/tmp/x\")\n"
            ),
            ["whole: /etc/python3/sitecustomize.py | /etc/python3/sitecustomize.py /tmp/x"]
        );
    }
}
