//! What a generator makes: a program that systemd runs at each reload, to write units where only it looks.
//!
//! Its own text must tell: that it starts a condemned path itself, or that it writes a unit whose commands do. It may write
//! below the three folders that it is given, and nothing else beside that.

use std::collections::BTreeSet;

use deminer_engine::module::ModuleError;
use deminer_worker::text::HostPath;

use super::case::{Case, words_of};
use super::look::Look;
use super::speech::{Tenor, tenor};
use super::units::Weight;
use crate::command_words::{SimpleCommand, simple_commands_at};
use crate::unit_exec::{Scope, exec_commands};
use crate::unit_row::UnitRow;

/// What the folders stand for that a generator is given as its arguments (systemd.generator(7)).
const GIVEN: [(&str, &str); 3] = [
    ("1", "/run/systemd/generator"),
    ("2", "/run/systemd/generator.early"),
    ("3", "/run/systemd/generator.late"),
];
/// Programs by which a text writes files.
const WRITERS: [&[u8]; 15] = [
    b"cat", b"echo", b"printf", b"tee", b"mkdir", b"ln", b"cp", b"install", b"chmod", b"touch", b"set", b"exit",
    b"test", b"[", b":",
];
/// The settings in a text that are looked at.
const SETTINGS: usize = 64;

/// What the text of a generator comes to.
pub(super) async fn weigh(case: &Case, look: &mut Look<'_>, row: &UnitRow) -> Result<Weight, ModuleError> {
    if case.paths.contains(&row.file.path) {
        return Ok(Weight::Wholly(row.file.path.clone()));
    }
    let names = |path: &&HostPath| case.paths.contains(*path);
    let Some(file) = look.text(&row.file.path).await? else {
        return Ok(Weight::Nothing);
    };
    let Some(text) = words_of(&file) else {
        return Ok(Weight::Nothing);
    };
    // Most generators are the vendor's, and name nothing of this.
    let speaks = row.starts.iter().any(|path| names(&path))
        || case
            .paths
            .iter()
            .any(|path| text.windows(path.as_bytes().len()).any(|run| run == path.as_bytes()));
    Ok(match speaks {
        true => weigh_text(&case.paths, text),
        false => Weight::Nothing,
    })
}

pub(super) fn weigh_text(condemned: &BTreeSet<HostPath>, text: &[u8]) -> Weight {
    let text = with_given(text);
    let (script, written) = without_inner_texts(&text);
    let mut bad: Option<HostPath> = None;
    let mut other = false;
    for value in settings(&written).into_iter().chain(settings(&script)) {
        for command in exec_commands(&value, &Scope::default()) {
            match tenor(command.as_bytes(), None, condemned) {
                Tenor::Condemned(path) => drop(bad.get_or_insert(path)),
                Tenor::Mixed(path) => {
                    bad.get_or_insert(path);
                    other = true;
                }
                Tenor::Unrelated => other = true,
            }
        }
    }
    for command in simple_commands_at(&script, None) {
        match command.files().find(|path| condemned.contains(path)) {
            Some(path) => {
                other |= command.untold;
                bad.get_or_insert(path);
            }
            None if writes(&command) => {
                if let Some(path) = copied(condemned, &command) {
                    bad.get_or_insert(path);
                }
                other |= !paths_of(&command).all(|path| is_given(&path) || condemned.contains(&path));
            }
            None => other = true,
        }
    }
    other |= redirected(&script).any(|path| !is_given(&path) && path.as_bytes() != b"/dev/null");
    match bad {
        None => Weight::Nothing,
        Some(served) if other => Weight::Partly(served),
        Some(served) => Weight::Wholly(served),
    }
}

/// The text with the folders that it is given in the place of its arguments.
fn with_given(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let given = GIVEN.iter().find_map(|(number, folder)| {
            let forms = [format!("${{{number}}}"), format!("${number}")];
            let form = forms.iter().find(|form| rest.starts_with(form.as_bytes()))?;
            Some((form.len(), *folder))
        });
        match given {
            Some((length, folder)) => {
                out.extend_from_slice(folder.as_bytes());
                at += length;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

/// The script without the texts below its commands (`<<WORD`), and those texts.
fn without_inner_texts(text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut script, mut inner) = (Vec::new(), Vec::new());
    let mut until: Option<Vec<u8>> = None;
    for line in text.split(|b| *b == b'\n') {
        match &until {
            Some(word) if line.trim_ascii() == &word[..] => until = None,
            Some(_) => {
                inner.extend_from_slice(line);
                inner.push(b'\n');
            }
            None => {
                let comment = line.trim_ascii_start().first() == Some(&b'#');
                let head = (!comment).then(|| here_word(line)).flatten();
                let end = head.as_ref().map_or(line.len(), |(at, _)| *at);
                script.extend_from_slice(&line[..end]);
                if let Some((at, word)) = head {
                    // What stands behind the word belongs to the command: `cat <<E > file`.
                    let rest = &line[at..];
                    let skip = rest.iter().position(|b| *b == b'>').map_or(rest.len(), |at| at);
                    script.extend_from_slice(&rest[skip..]);
                    until = Some(word);
                }
                script.push(b'\n');
            }
        }
    }
    (script, inner)
}

/// Where `<<WORD` stands in a line, and its word.
fn here_word(line: &[u8]) -> Option<(usize, Vec<u8>)> {
    let at = line.windows(2).position(|run| run == b"<<")?;
    let rest = &line[at + 2..];
    if rest.first() == Some(&b'<') {
        return None;
    }
    let rest = rest.strip_prefix(b"-").unwrap_or(rest).trim_ascii_start();
    let word: Vec<u8> = rest
        .iter()
        .copied()
        .take_while(|b| !b.is_ascii_whitespace() && !b";|&><)".contains(b))
        .filter(|b| !b"'\"\\".contains(b))
        .collect();
    (!word.is_empty()).then_some((at, word))
}

/// The values of `Exec` settings in a text: to the end of the line, or of the quotes around them.
fn settings(text: &[u8]) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    for line in text.split(|b| *b == b'\n') {
        let mut rest = line;
        while let Some(at) = rest.windows(4).position(|run| run == b"Exec") {
            let word = &rest[at..];
            let name = word.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(word.len());
            rest = &word[name..];
            let Some(value) = rest.strip_prefix(b"=") else { continue };
            // In `printf` a line of the unit ends with `\n`.
            let ends = [&b"\\n"[..], b"\"", b"'"];
            let end = ends
                .iter()
                .filter_map(|end| value.windows(end.len()).position(|run| run == *end))
                .min();
            let value = &value[..end.unwrap_or(value.len())];
            if values.len() < SETTINGS {
                values.push(value.to_vec());
            }
            rest = &rest[1 + value.len()..];
        }
    }
    values
}

fn base(word: &[u8]) -> &[u8] {
    word.rsplit(|b| *b == b'/').next().unwrap_or(word)
}

fn writes(command: &SimpleCommand) -> bool {
    let name = base(command.program.as_bytes());
    !command.untold && (name.is_empty() || WRITERS.contains(&name))
}

fn paths_of(command: &SimpleCommand) -> impl Iterator<Item = HostPath> {
    let words = command.arguments.iter().map(|word| word.as_bytes());
    words.filter(|word| word.first() == Some(&b'/')).map(HostPath::new)
}

/// The condemned file that a command puts into a folder of units.
fn copied(condemned: &BTreeSet<HostPath>, command: &SimpleCommand) -> Option<HostPath> {
    let copies = [&b"cp"[..], b"ln", b"install"].contains(&base(command.program.as_bytes()));
    paths_of(command).find(|path| copies && condemned.contains(path))
}

fn is_given(path: &HostPath) -> bool {
    GIVEN.iter().any(|(_, folder)| path.is_below(&HostPath::from(*folder)))
}

/// The absolute paths that a script's redirections write to.
fn redirected(script: &[u8]) -> impl Iterator<Item = HostPath> {
    script.split(|b| *b == b'>').skip(1).filter_map(|rest| {
        let rest = rest.strip_prefix(b"|").unwrap_or(rest).trim_ascii_start();
        let rest = rest
            .strip_prefix(b"\"")
            .or_else(|| rest.strip_prefix(b"'"))
            .unwrap_or(rest);
        let end = rest
            .iter()
            .position(|b| b.is_ascii_whitespace() || b";|&)}\"'".contains(b))
            .unwrap_or(rest.len());
        (rest.first() == Some(&b'/')).then(|| HostPath::new(&rest[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::tests::case_of;
    use proptest::prelude::*;

    #[test]
    fn generators() {
        let case = case_of(&["/opt/.sysd/sysd", "/opt/.sysd/sysd.service"]);
        let rows: [(&str, &str, &str); 12] = [
            (
                "writes a unit",
                "#!/bin/sh\ncat > \"$1/sysd.service\" <<EOF\n[Service]\nExecStart=/opt/.sysd/sysd -o h\nRestart=always\nEOF\n\
                 mkdir -p $1/multi-user.target.wants\nln -s ../sysd.service \"$1/multi-user.target.wants/\"\n",
                "wholly",
            ),
            (
                "writes a unit by echo",
                "#!/bin/sh\necho \"[Service]\" > $1/a.service\necho \"ExecStart=/opt/.sysd/sysd\" >> ${1}/a.service\n",
                "wholly",
            ),
            (
                "writes by printf",
                "printf '[Service]\\nExecStart=/opt/.sysd/sysd\\n' > \"$3/a.service\"\n",
                "wholly",
            ),
            (
                "by a name of its own",
                "D=\"$1\"\nprintf 'ExecStart=/opt/.sysd/sysd\\n' > \"$1/a.service\"\n",
                "wholly",
            ),
            ("copies a unit", "#!/bin/sh\ncp /opt/.sysd/sysd.service $1/\n", "wholly"),
            ("starts it itself", "#!/bin/sh\n/opt/.sysd/sysd &\n", "wholly"),
            (
                "starts it and writes elsewhere",
                "#!/bin/sh\n/opt/.sysd/sysd &\necho x > /etc/motd\n",
                "partly",
            ),
            (
                "writes two units",
                "cat > $1/a.service <<E\nExecStart=/opt/.sysd/sysd\nExecStart=/usr/bin/backup\nE\n",
                "partly",
            ),
            (
                "does something else too",
                "/usr/bin/backup\nprintf 'ExecStart=/opt/.sysd/sysd' > $1/a.service\n",
                "partly",
            ),
            (
                "runs what it does not tell",
                "$X\nprintf 'ExecStart=/opt/.sysd/sysd' > $1/a.service\n",
                "partly",
            ),
            (
                "only names it",
                "#!/bin/sh\n# /opt/.sysd/sysd\ncat > $1/a.service <<E\nExecStart=/usr/bin/b\nE\n",
                "nothing",
            ),
            (
                "an ordinary one",
                "#!/bin/sh\nset -e\n[ -x /etc/rc.local ] && ln -s /lib/x $1/\n",
                "nothing",
            ),
        ];
        for (name, text, expected) in rows {
            let found = match weigh_text(&case.paths, text.as_bytes()) {
                Weight::Nothing => "nothing",
                Weight::Partly(_) => "partly",
                Weight::Wholly(_) => "wholly",
            };
            assert_eq!(found, expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text: Vec<u8>, like in "([a/;>|$1{}<E'\" \n]|Exec=|<<E|\\\\n){0,60}") {
            let case = case_of(&["/a"]);
            for text in [&text[..], like.as_bytes()] {
                weigh_text(&case.paths, text);
            }
        }
    }
}
