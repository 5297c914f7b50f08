//! Text that a shell reads: line by line where it is a file of settings, whole where it is a script.

use std::collections::BTreeSet;

use deminer_worker::text::{HostBytes, HostPath};

use super::{Start, Starts, Text};
use crate::command_words::{SimpleCommand, commands_from, simple_commands_at, started_files};
use crate::crontab::is_changing;
use crate::shell_statements::{Dialect, Statement, statements};
use crate::shell_text::{Token, Word, placed_tokens};

/// Words of a shell that start nothing by themselves.
const IDLE: [&[u8]; 48] = [
    b"",
    b"echo",
    b"printf",
    b"test",
    b"[",
    b"[[",
    b"((",
    b"cd",
    b"pushd",
    b"popd",
    b"dirs",
    b"export",
    b"declare",
    b"typeset",
    b"readonly",
    b"local",
    b"unset",
    b"set",
    b"setenv",
    b"unsetenv",
    b"shopt",
    b"setopt",
    b"unsetopt",
    b"alias",
    b"unalias",
    b"trap",
    b"return",
    b"exit",
    b":",
    b"true",
    b"false",
    b"read",
    b"shift",
    b"umask",
    b"ulimit",
    b"bind",
    b"bindkey",
    b"complete",
    b"compopt",
    b"compinit",
    b"compdef",
    b"hash",
    b"type",
    b"let",
    b"autoload",
    b"zstyle",
    b"end",
    b"endif",
];

/// Settings that a shell runs as commands.
const RUN_LATER: [&[u8]; 4] = [b"PROMPT_COMMAND", b"precmd", b"PS0", b"PS4"];

/// The lines of a file that shells read.
pub(super) fn shell_file(text: &Text<'_>, dialect: Dialect) -> Starts {
    let mut starts = Starts::default();
    shell_lines(text.content, 0, dialect, text.home(), &mut starts);
    starts
}

/// Adds the lines of a text for a shell that stands below line `above` of its file.
pub(super) fn shell_lines(content: &[u8], above: u32, dialect: Dialect, home: Option<&HostPath>, starts: &mut Starts) {
    let lines: Vec<&[u8]> = content.split(|b| *b == b'\n').collect();
    let mut cwd = home.cloned();
    let mut settings = Settings::default();
    for statement in statements(content, dialect) {
        let text = lines_of(&lines, statement).join(&b'\n');
        let commands = commands_from(&text, home, &mut cwd);
        starts.more |= commands.iter().any(|command| command.line == 0);
        for at in statement.first..=statement.last {
            let number = above.saturating_add(at);
            let Some(line) = lines.get(at as usize - 1).copied() else {
                continue;
            };
            let here = commands
                .iter()
                .filter(|command| !command.is_data && command.line > 0 && command.line == at - statement.first + 1);
            let here: Vec<SimpleCommand> = here.cloned().collect();
            let setting = settings.take(line);
            let mut files = started_files(&here);
            for file in run_later(line, home) {
                if !files.contains(&file) {
                    files.push(file);
                }
            }
            let starts_something = here.iter().any(is_telling);
            if files.is_empty() && !starts_something && !setting {
                continue;
            }
            let within = [
                above.saturating_add(statement.first),
                above.saturating_add(statement.last),
            ];
            starts.push(Start {
                number: Some(number),
                line: HostBytes::new(line),
                within: (!statement.is_alone()).then_some(within),
                command: HostBytes::new(line.trim_ascii()),
                starts: files,
                settings: settings.all(),
                ..Start::default()
            });
        }
    }
}

fn lines_of<'a>(lines: &'a [&'a [u8]], statement: Statement) -> &'a [&'a [u8]] {
    let last = (statement.last as usize).min(lines.len());
    lines.get(statement.first as usize - 1..last).unwrap_or_default()
}

/// Whether a command may start something that is not the shell itself.
fn is_telling(command: &SimpleCommand) -> bool {
    let program = command.program.as_bytes();
    let idle = IDLE.contains(&program) || program.first() == Some(&b'-');
    command.files().next().is_some() || !idle
}

/// The settings of a text that change what runs below them: the last value of each.
#[derive(Default)]
struct Settings(Vec<(Vec<u8>, HostBytes)>);

impl Settings {
    /// Takes a line's settings in; `true` where it has one.
    fn take(&mut self, line: &[u8]) -> bool {
        let before = self.0.len();
        let mut known = false;
        for (name, value) in settings_of(line) {
            if !is_changing(&name) {
                continue;
            }
            known = true;
            let line = HostBytes::new([&name[..], b"=", &value[..]].concat());
            match self.0.iter_mut().find(|(other, _)| *other == name) {
                Some((_, there)) => *there = line,
                None => self.0.push((name, line)),
            }
        }
        known || self.0.len() > before
    }

    fn all(&self) -> Vec<HostBytes> {
        self.0.iter().map(|(_, line)| line.clone()).collect()
    }
}

/// The words of a line, operators left out.
fn words_of(line: &[u8]) -> Vec<Word> {
    let tokens = placed_tokens(line, None).into_iter();
    let words = tokens.filter_map(|placed| match placed.token {
        Token::Word(word) => Some(word),
        _ => None,
    });
    words.collect()
}

/// `NAME=value`, `export NAME=value`, `set -gx NAME value`, `setenv NAME value`.
fn settings_of(line: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let words = words_of(line);
    let texts: Vec<&[u8]> = words.iter().map(|word| &word.bytes[..]).collect();
    match &texts[..] {
        [b"setenv", name, values @ ..] => vec![(name.to_vec(), values.join(&b':'))],
        [b"set", rest @ ..] if rest.iter().any(|word| is_named(word)) => {
            let mut rest = rest.iter().skip_while(|word| word.starts_with(b"-"));
            let name = rest.next().map(|name| name.to_vec()).unwrap_or_default();
            let values: Vec<&[u8]> = rest.copied().collect();
            vec![(name, values.join(&b':'))]
        }
        texts => texts
            .iter()
            .filter_map(|word| {
                let at = word.iter().position(|b| *b == b'=')?;
                let name = word[..at].strip_suffix(b"+").unwrap_or(&word[..at]);
                is_named(name).then(|| (name.to_vec(), word[at + 1..].to_vec()))
            })
            .collect(),
    }
}

fn is_named(name: &[u8]) -> bool {
    let named = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    !name.is_empty() && !name[0].is_ascii_digit() && name.iter().all(named)
}

/// Files that a line has run later: by an alias, a trap, a prompt.
fn run_later(line: &[u8], home: Option<&HostPath>) -> Vec<HostPath> {
    let words = words_of(line);
    let texts: Vec<&[u8]> = words.iter().map(|word| &word.bytes[..]).collect();
    let code: Vec<&[u8]> = match &texts[..] {
        [b"trap", code, ..] => vec![code],
        [b"alias", named @ ..] => named
            .iter()
            .filter_map(|word| Some(&word[word.iter().position(|b| *b == b'=')? + 1..]))
            .collect(),
        texts => texts
            .iter()
            .filter_map(|word| {
                let at = word.iter().position(|b| *b == b'=')?;
                RUN_LATER.contains(&&word[..at]).then_some(&word[at + 1..])
            })
            .collect(),
    };
    let commands = code.into_iter().flat_map(|code| simple_commands_at(code, home));
    started_files(&commands.collect::<Vec<SimpleCommand>>())
}

/// A script: the whole file starts, and what its text starts in turn.
pub(super) fn script(text: &Text<'_>) -> Starts {
    let mut files = vec![text.path.clone()];
    for file in started_by_script(text.content, None) {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    let row = Start {
        command: HostBytes::from(text.path),
        starts: files,
        ..Start::default()
    };
    Starts {
        rows: vec![row],
        more: false,
    }
}

/// What the text of a script starts that begins in `cwd`; nothing for a program.
pub(super) fn started_by_script(content: &[u8], cwd: Option<HostPath>) -> Vec<HostPath> {
    if content.contains(&0) {
        return Vec::new();
    }
    let lines: Vec<&[u8]> = content.split(|b| *b == b'\n').collect();
    let mut cwd = cwd;
    let mut met = BTreeSet::new();
    let mut files = Vec::new();
    for statement in statements(content, Dialect::Posix) {
        let text = lines_of(&lines, statement).join(&b'\n');
        for file in started_files(&commands_from(&text, None, &mut cwd)) {
            if met.insert(file.clone()) {
                files.push(file);
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(content: &str, dialect: Dialect) -> Vec<String> {
        let mut starts = Starts::default();
        let home = HostPath::from("/home/deploy");
        shell_lines(content.as_bytes(), 0, dialect, Some(&home), &mut starts);
        starts
            .rows
            .iter()
            .map(|row| {
                let mut text = row.number.expect("lines").to_string();
                if let Some([first, last]) = row.within {
                    text += &format!(" of {first}-{last}");
                }
                for file in &row.starts {
                    text += &format!(" {file}");
                }
                for setting in &row.settings {
                    text += &format!(" <{setting}>");
                }
                text
            })
            .collect()
    }

    #[test]
    fn lines_of_shell_files() {
        let rows: [(&str, &str, &[&str]); 19] = [
            ("a line", "# c\n/tmp/x &\n", &["2 /tmp/x"]),
            (
                "words of the shell",
                "set -o vi\nshopt -s x\nalias ll='ls -l'\numask 22\necho /tmp/x\n",
                &[],
            ),
            ("searched", "xmrig -o h\n", &["1"]),
            (
                "a path",
                "export PATH=/tmp/.x:$PATH\nxmrig\n",
                &["1 <PATH=/tmp/.x:$PATH>", "2 <PATH=/tmp/.x:$PATH>"],
            ),
            (
                "a library",
                "export LD_PRELOAD=/tmp/x.so\n",
                &["1 /tmp/x.so <LD_PRELOAD=/tmp/x.so>"],
            ),
            ("an ordinary setting", "EDITOR=vi\nexport LANG=C\n", &[]),
            ("the directory goes on", "cd /tmp/.x\n./m\n", &["2 /tmp/.x/m"]),
            ("home", "~/.x/m; $HOME/y\n", &["1 /home/deploy/.x/m /home/deploy/y"]),
            (
                "in a condition",
                "if [ -x /tmp/x ]; then\n  /tmp/x &\nfi\n/tmp/y\n",
                &["2 of 1-3 /tmp/x", "4 /tmp/y"],
            ),
            (
                "a condition on one line",
                "if [ -x /tmp/x ]; then /tmp/x & fi\n",
                &["1 /tmp/x"],
            ),
            ("in a function", "f() {\n  /tmp/x\n}\n", &["2 of 1-3 /tmp/x"]),
            ("a text for another", "cat <<E\n/tmp/x\nE\n", &["1 of 1-3"]),
            ("a line that goes on", "/tmp/x \\\n -o h\n", &["1 of 1-2 /tmp/x"]),
            ("an alias", "alias sudo='/tmp/x; sudo'\n", &["1 /tmp/x"]),
            ("a trap", "trap '/tmp/x &' EXIT\n", &["1 /tmp/x"]),
            ("a prompt", "PROMPT_COMMAND='/tmp/x'\n", &["1 /tmp/x"]),
            ("a comment that names it", "ls # /tmp/x\n#/tmp/x\n", &["1"]),
            (
                "another file",
                ". /etc/bashrc\n[ -f ~/.a ] && . ~/.a\n",
                &["1 /etc/bashrc", "2 /home/deploy/.a"],
            ),
            ("untold", "$X -a\n", &["1"]),
        ];
        for (name, content, expected) in rows {
            assert_eq!(shown(content, Dialect::Posix), expected, "{name}");
        }
    }

    #[test]
    fn lines_of_other_shells() {
        let rows: [(&str, &str, &[&str]); 4] = [
            (
                "fish",
                "set -gx PATH /tmp/.x $PATH\n/tmp/x &\n",
                &["1 <PATH=/tmp/.x:$PATH>", "2 /tmp/x <PATH=/tmp/.x:$PATH>"],
            ),
            (
                "fish block",
                "if status is-interactive\n  /tmp/x\nend\n",
                &["1 of 1-3", "2 of 1-3 /tmp/x"],
            ),
            ("csh", "setenv LD_PRELOAD /tmp/x.so\n", &["1 <LD_PRELOAD=/tmp/x.so>"]),
            ("csh line", "/tmp/x &\n", &["1 /tmp/x"]),
        ];
        for (name, content, expected) in rows {
            assert_eq!(shown(content, Dialect::Ended), expected, "{name}");
        }
    }

    #[test]
    fn a_script_is_read_to_its_end() {
        let content = format!("#!/bin/sh\n{}/tmp/x &\n", "true\n".repeat(4_000));
        assert_eq!(started_by_script(content.as_bytes(), None), [HostPath::from("/tmp/x")]);
        assert_eq!(started_by_script(b"\x7fELF\0\n/tmp/x\n", None), [] as [HostPath; 0]);
    }
}
