//! What a unit's `Exec` setting runs, as text for a shell: so that units, crontabs and scripts are judged by one reader.
//!
//! Prefixes, quotes, escapes and the `;` between commands are systemd's own; specifiers that the name and the manager tell
//! are written out, `${NAME}` where the unit sets it. What only systemd would know stays as a variable, which no reader
//! of ours guesses. Source: systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers".

use std::collections::BTreeMap;

use deminer_worker::action::ServiceManager;
use deminer_worker::text::{HostBytes, HostPath};

/// What a command line may refer to.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Whose unit it is; `None` for a unit of every user's manager.
    pub manager: Option<ServiceManager>,
    /// The unit's full name.
    pub name: HostBytes,
    /// The home of the manager's user; `None` where it is not known.
    pub home: Option<HostPath>,
    /// `Environment=` of the file.
    pub environment: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Where programs lie that are named without a folder.
    pub programs: BTreeMap<Vec<u8>, HostPath>,
}

/// The most commands of one setting, and words of one command.
const COMMANDS: usize = 64;
const WORDS: usize = 512;

/// The commands of one value, each as text for a shell.
pub fn exec_commands(value: &[u8], scope: &Scope) -> Vec<HostBytes> {
    let mut commands = Vec::new();
    for words in split_commands(value).into_iter().take(COMMANDS) {
        let Some((first, rest)) = words.split_first() else {
            continue;
        };
        let prefix = first.iter().take_while(|b| b"@-:+!|".contains(b)).count();
        let (marks, program) = first.split_at(prefix);
        let expands = !marks.contains(&b':');
        // `@` gives the program another name for itself: a word that is no argument.
        let arguments = if marks.contains(&b'@') {
            rest.get(1..).unwrap_or_default()
        } else {
            rest
        };
        let mut text = Vec::new();
        if marks.contains(&b'|') {
            // The rest is a command of the user's shell (systemd 258).
            text.extend_from_slice(b"/bin/sh -c ");
            let mut line = scope.written_out(program);
            for argument in arguments {
                line.push(b' ');
                line.extend(scope.written_out(argument));
            }
            quote(&line, &mut text);
        } else {
            let program = scope.written_out(program);
            let found = scope
                .programs
                .get(&program)
                .map_or(&program[..], |path| path.as_bytes());
            quote(found, &mut text);
            for argument in arguments {
                text.push(b' ');
                scope.put_argument(&scope.written_out(argument), expands, &mut text);
            }
        }
        if !text.is_empty() {
            commands.push(HostBytes::new(text));
        }
    }
    commands
}

/// The programs of one value that are named without a folder.
pub fn bare_programs(value: &[u8]) -> Vec<Vec<u8>> {
    let firsts = split_commands(value)
        .into_iter()
        .take(COMMANDS)
        .filter_map(|words| words.into_iter().next());
    let bare = firsts.map(|word| {
        let prefix = word.iter().take_while(|b| b"@-:+!|".contains(b)).count();
        word[prefix..].to_vec()
    });
    bare.filter(|word| !word.is_empty() && !word.iter().any(|b| b"/%$\0".contains(b)))
        .collect()
}

/// The words of each command of a value, quotes and escapes taken off.
fn split_commands(value: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut commands = vec![Vec::new()];
    let mut at = 0;
    loop {
        while value.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        let rest = &value[at.min(value.len())..];
        if rest.is_empty() {
            break;
        }
        let alone = |sign: &[u8]| rest.starts_with(sign) && rest.get(sign.len()).is_none_or(u8::is_ascii_whitespace);
        let last = commands.len() - 1;
        if alone(b";") {
            at += 1;
            commands.push(Vec::new());
        } else if alone(b"\\;") {
            at += 2;
            commands[last].push(b";".to_vec());
        } else {
            let (word, length) = word(rest);
            at += length.max(1);
            if commands[last].len() < WORDS {
                commands[last].push(word);
            }
        }
        if commands.len() > COMMANDS {
            break;
        }
    }
    commands
}

/// The word at the beginning, and how many bytes it takes (`extract_first_word` in `systemd/systemd`).
fn word(text: &[u8]) -> (Vec<u8>, usize) {
    let mut out = Vec::new();
    let mut quote: Option<u8> = None;
    let mut at = 0;
    while let Some(byte) = text.get(at).copied() {
        match (quote, byte) {
            (_, b'\\') => {
                let (bytes, length) = escape(&text[at..]);
                out.extend(bytes);
                at += length;
                continue;
            }
            (Some(open), byte) if open == byte => quote = None,
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, byte) if byte.is_ascii_whitespace() => break,
            (_, byte) => out.push(byte),
        }
        at += 1;
    }
    (out, at)
}

/// What an escape stands for, and how many bytes it takes; one that is none stays as it is.
fn escape(text: &[u8]) -> (Vec<u8>, usize) {
    let number = |from: usize, length: usize, radix: u32| -> Option<u32> {
        let digits = std::str::from_utf8(text.get(from..from + length)?).ok()?;
        let plain = digits.chars().all(|c| c.is_digit(radix));
        plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
    };
    let byte = |value: u8| (vec![value], 2);
    match text.get(1) {
        Some(b'a') => byte(7),
        Some(b'b') => byte(8),
        Some(b'f') => byte(12),
        Some(b'n') => byte(b'\n'),
        Some(b'r') => byte(b'\r'),
        Some(b't') => byte(b'\t'),
        Some(b'v') => byte(11),
        Some(b's') => byte(b' '),
        Some(sign @ (b'\\' | b'"' | b'\'')) => byte(*sign),
        Some(b'x') => match number(2, 2, 16) {
            Some(value) => (vec![value as u8], 4),
            None => (b"\\x".to_vec(), 2),
        },
        Some(kind @ (b'u' | b'U')) => {
            let length = if *kind == b'u' { 4 } else { 8 };
            match number(2, length, 16).and_then(char::from_u32) {
                Some(letter) => (letter.to_string().into_bytes(), 2 + length),
                None => (vec![b'\\', *kind], 2),
            }
        }
        Some(b'0'..=b'3') => match number(1, 3, 8) {
            Some(value) => (vec![value as u8], 4),
            None => (b"\\".to_vec(), 1),
        },
        _ => (b"\\".to_vec(), 1),
    }
}

/// The value as one word for a shell that expands nothing in it.
fn quote(word: &[u8], out: &mut Vec<u8>) {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+:,@%^=".contains(b);
    if !word.is_empty() && word.iter().all(plain) {
        out.extend_from_slice(word);
        return;
    }
    out.push(b'\'');
    for byte in word {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            byte => out.push(*byte),
        }
    }
    out.push(b'\'');
}

/// The length of `${NAME}` at the beginning, and the name; `None` where there is none.
fn braced(text: &[u8]) -> Option<(usize, &[u8])> {
    let inner = text.strip_prefix(b"${")?;
    let end = inner.iter().position(|b| *b == b'}')?;
    is_name(&inner[..end]).then_some((end + 3, &inner[..end]))
}

fn is_name(name: &[u8]) -> bool {
    name.first().is_some_and(|b| !b.is_ascii_digit()) && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

impl Scope {
    /// One argument, with the variables that systemd would replace in it.
    fn put_argument(&self, word: &[u8], expands: bool, out: &mut Vec<u8>) {
        if !expands || !word.contains(&b'$') {
            return quote(word, out);
        }
        if let Some(name) = word.strip_prefix(b"$").filter(|name| is_name(name)) {
            // Alone it is split at white space: several words.
            match self.environment.get(name) {
                Some(value) => {
                    for (at, part) in value
                        .split(u8::is_ascii_whitespace)
                        .filter(|p| !p.is_empty())
                        .enumerate()
                    {
                        if at > 0 {
                            out.push(b' ');
                        }
                        quote(part, out);
                    }
                }
                None => out.extend_from_slice(word),
            }
            return;
        }
        let mut plain = Vec::new();
        let mut told = true;
        let mut text = b"\"".to_vec();
        let mut at = 0;
        while at < word.len() {
            let rest = &word[at..];
            let set = braced(rest).map(|(length, name)| (length, self.environment.get(name)));
            match set {
                Some((length, Some(value))) => {
                    plain.extend_from_slice(value);
                    put_in_double_quotes(value, &mut text);
                    at += length;
                }
                Some((length, None)) => {
                    told = false;
                    text.extend_from_slice(&rest[..length]);
                    at += length;
                }
                None if rest.starts_with(b"$$") => {
                    plain.push(b'$');
                    put_in_double_quotes(b"$", &mut text);
                    at += 2;
                }
                None => {
                    plain.push(rest[0]);
                    put_in_double_quotes(&rest[..1], &mut text);
                    at += 1;
                }
            }
        }
        text.push(b'"');
        match told {
            true => quote(&plain, out),
            false => out.extend(text),
        }
    }

    /// Whether it is a unit of the system's manager.
    pub fn is_system(&self) -> bool {
        matches!(self.manager, Some(ServiceManager::System {}))
    }

    /// A word with the specifiers written out that are told; the others become a variable of a shell.
    pub(crate) fn written_out(&self, word: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(word.len());
        let mut bytes = word.iter().copied();
        while let Some(byte) = bytes.next() {
            if byte != b'%' {
                out.push(byte);
                continue;
            }
            match bytes.next() {
                None => out.push(b'%'),
                Some(b'%') => out.push(b'%'),
                Some(letter) => match self.specifier(letter) {
                    Some(value) => out.extend(value),
                    None => out.extend_from_slice(&[b'$', b'{', b'_', letter_of(letter), b'}']),
                },
            }
        }
        out
    }

    fn specifier(&self, letter: u8) -> Option<Vec<u8>> {
        let name = self.name.as_bytes();
        let stem = match name.iter().rposition(|b| *b == b'.') {
            Some(at) => &name[..at],
            None => name,
        };
        let (prefix, instance) = match stem.iter().position(|b| *b == b'@') {
            Some(at) => (&stem[..at], &stem[at + 1..]),
            None => (stem, &b""[..]),
        };
        let system = self.is_system();
        let under_home = |below: &str| Some([self.home.as_ref()?.as_bytes(), below.as_bytes()].concat());
        let place = |of_system: &str, below: &str| match system {
            true => Some(of_system.as_bytes().to_vec()),
            false => under_home(below),
        };
        match letter {
            b'n' => Some(name.to_vec()),
            b'N' => Some(stem.to_vec()),
            b'p' => Some(prefix.to_vec()),
            b'P' => Some(path_unescaped(prefix)),
            // A template stands for all of its instances.
            b'i' | b'I' if instance.is_empty() && stem.contains(&b'@') => None,
            b'i' => Some(instance.to_vec()),
            b'I' => Some(path_unescaped(instance)),
            b'h' => match (&self.home, system) {
                (Some(home), _) => Some(home.as_bytes().to_vec()),
                (None, true) => Some(b"/root".to_vec()),
                (None, false) => None,
            },
            b't' => match self.manager {
                Some(ServiceManager::System {}) => Some(b"/run".to_vec()),
                Some(ServiceManager::User { uid }) => Some(format!("/run/user/{uid}").into_bytes()),
                None => None,
            },
            b'S' => place("/var/lib", "/.local/state"),
            b'C' => place("/var/cache", "/.cache"),
            b'L' => place("/var/log", "/.local/state/log"),
            b'E' => place("/etc", "/.config"),
            b'T' => Some(b"/tmp".to_vec()),
            b'V' => Some(b"/var/tmp".to_vec()),
            b'u' | b'g' if system => Some(b"root".to_vec()),
            b'U' | b'G' if system => Some(b"0".to_vec()),
            _ => None,
        }
    }
}

fn letter_of(letter: u8) -> u8 {
    if letter.is_ascii_alphanumeric() { letter } else { b'_' }
}

fn put_in_double_quotes(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        if b"$`\"\\".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
}

/// A part of a unit's name as the path that it stands for: `-` is `/`, `\xNN` a byte (systemd-escape(1)).
fn path_unescaped(part: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len());
    let mut at = 0;
    while at < part.len() {
        match part[at] {
            b'-' => {
                out.push(b'/');
                at += 1;
            }
            b'\\' => {
                let (bytes, length) = escape(&part[at..]);
                out.extend(bytes);
                at += length;
            }
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// The settings of one `Environment=` value: words of `NAME=value`.
pub fn environment(value: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut settings = Vec::new();
    let mut rest = value.trim_ascii_start();
    while !rest.is_empty() && settings.len() < WORDS {
        let (word, length) = word(rest);
        rest = rest[length.max(1).min(rest.len())..].trim_ascii_start();
        if let Some(at) = word.iter().position(|b| *b == b'=')
            && is_name(&word[..at])
        {
            settings.push((word[..at].to_vec(), word[at + 1..].to_vec()));
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_words::{simple_commands, started_files};
    use proptest::prelude::*;

    fn scope(name: &str) -> Scope {
        Scope {
            manager: Some(ServiceManager::System {}),
            name: name.into(),
            home: None,
            environment: environment(b"BIN=/tmp/.x/xmrig 'OPTS=-o h:1 -u w'")
                .into_iter()
                .collect(),
            programs: BTreeMap::from([(b"sysd".to_vec(), HostPath::from("/usr/local/bin/sysd"))]),
        }
    }

    #[test]
    fn command_lines() {
        let rows: [(&str, &[&str]); 28] = [
            ("-sysd -a", &["/usr/local/bin/sysd -a"]),
            (
                "/usr/sbin/nginx -g 'daemon off;'",
                &["/usr/sbin/nginx -g 'daemon off;'"],
            ),
            ("-/bin/a", &["/bin/a"]),
            ("@/tmp/.x/xmrig [kworker/0:1] -o h", &["/tmp/.x/xmrig -o h"]),
            ("-@!!/bin/a name b", &["/bin/a b"]),
            ("/bin/a ; /bin/b c ; ", &["/bin/a", "/bin/b c"]),
            ("/bin/a \\; b", &["/bin/a ';' b"]),
            ("/bin/a;/bin/b", &["'/bin/a;/bin/b'"]),
            (
                "/bin/sh -c \"echo 'a b' > /run/x\"",
                &["/bin/sh -c 'echo '\\''a b'\\'' > /run/x'"],
            ),
            ("\"/opt/a b/c\" d", &["'/opt/a b/c' d"]),
            ("/t\\x6dp/x \\s", &["/tmp/x ' '"]),
            ("/tmp/\\170\\u0079", &["/tmp/xy"]),
            ("/bin/a ${BIN}", &["/bin/a /tmp/.x/xmrig"]),
            ("/bin/a $OPTS", &["/bin/a -o h:1 -u w"]),
            ("/bin/a ${OPTS}", &["/bin/a '-o h:1 -u w'"]),
            ("/bin/a $NONE x${NONE}\"", &["/bin/a $NONE \"x${NONE}\""]),
            ("/bin/sh -c 'x $HOME'", &["/bin/sh -c 'x $HOME'"]),
            ("/bin/sh -c '$$BIN ${NONE}'", &["/bin/sh -c \"\\$BIN ${NONE}\""]),
            (":/bin/a ${BIN} $BIN", &["/bin/a '${BIN}' '$BIN'"]),
            ("%h/.x/%p", &["/root/.x/sysd"]),
            (
                "%t/a %T/b %V/c %S %E %n 100%%",
                &["/run/a /tmp/b /var/tmp/c /var/lib /etc sysd.service 100%"],
            ),
            ("/bin/%H", &["'/bin/${_H}'"]),
            ("/bin/a %H", &["/bin/a \"${_H}\""]),
            ("|/tmp/.x/xmrig -o h", &["/bin/sh -c '/tmp/.x/xmrig -o h'"]),
            ("/bin/a ''", &["/bin/a ''"]),
            ("/bin/a 'open", &["/bin/a open"]),
            (";", &[]),
            ("", &[]),
        ];
        for (value, expected) in rows {
            let found: Vec<String> = exec_commands(value.as_bytes(), &scope("sysd.service"))
                .iter()
                .map(|command| command.to_string().replace("\\\\", "\\"))
                .collect();
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn templates_and_users() {
        let found = |value: &str, scope: &Scope| exec_commands(value.as_bytes(), scope)[0].to_string();
        assert_eq!(found("/opt/%i%I %p", &scope("run@a-b.service")), "/opt/a-ba/b run");
        assert_eq!(found("/opt/x %i", &scope("run@.service")), "/opt/x \"${_i}\"");
        let user = Scope {
            manager: Some(ServiceManager::User { uid: 7 }),
            name: "a.service".into(),
            home: Some("/home/u".into()),
            ..Scope::default()
        };
        assert_eq!(found("%h/x %t %S", &user), "/home/u/x /run/user/7 /home/u/.local/state");
        let all = Scope::default();
        assert_eq!(found("/bin/a %h %t", &all), "/bin/a \"${_h}\" \"${_t}\"");
    }

    #[test]
    fn what_is_started_is_what_systemd_would_start() {
        let rows = [
            ("/tmp/.x/xmrig -o h", vec!["/tmp/.x/xmrig"]),
            ("/bin/sh -c 'cd /tmp/.x && ./xmrig'", vec!["/bin/sh", "/tmp/.x/xmrig"]),
            ("/usr/bin/env nohup /tmp/m", vec!["/usr/bin/env", "/tmp/m"]),
            ("/bin/bash /opt/run.sh # x", vec!["/bin/bash", "/opt/run.sh"]),
            ("/bin/echo ; /tmp/m", vec!["/bin/echo", "/tmp/m"]),
            ("/bin/echo '; /tmp/m'", vec!["/bin/echo"]),
        ];
        for (value, expected) in rows {
            let commands = exec_commands(value.as_bytes(), &scope("a.service"));
            let found: Vec<String> = commands
                .iter()
                .flat_map(|command| started_files(&simple_commands(command.as_bytes())))
                .map(|path| path.to_string())
                .collect();
            assert_eq!(found, expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(value: Vec<u8>, like in "([a/;$@%'\" \\\\]|\\$\\{A\\}|%n|\\\\x4){0,40}") {
            for value in [&value[..], like.as_bytes()] {
                for name in ["a.service", "@", "", "a@b-\\x.timer"] {
                    let commands = exec_commands(value, &scope(name));
                    prop_assert!(commands.len() <= COMMANDS);
                }
                environment(value);
                bare_programs(value);
            }
        }

        #[test]
        fn a_quoted_word_is_one_word_for_a_shell(word in "[ -~]{1,30}") {
            let mut text = b"/bin/a ".to_vec();
            quote(word.as_bytes(), &mut text);
            let commands = simple_commands(&text);
            prop_assert_eq!(commands.len(), 1);
            prop_assert_eq!(commands[0].arguments.len(), 1);
            prop_assert_eq!(commands[0].arguments[0].as_bytes(), word.as_bytes());
        }
    }
}
