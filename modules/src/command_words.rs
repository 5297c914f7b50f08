//! What a command would run, by its own words: the programs and the scripts in a line of text for a shell.
//!
//! Nothing is expanded and nothing is looked up. What only a shell would know is marked untold, never guessed: a command
//! that is not told is neither good nor bad. Wrappers (`nohup`, `sudo`, `timeout`, ...) are looked through, `sh -c` and
//! substitutions are looked into.

use std::collections::BTreeSet;

use deminer_worker::text::{HostBytes, HostPath};

use crate::known_programs::{
    ENV, HANDED, INTERPRETERS, KEYWORDS, LOADER, LOADING, SETTING, SHELL, SHELLS, WRAPPERS, is_loader, stem,
};
use crate::option_words::{Options, split_options};
use crate::shell_text::{Token, Word, placed_tokens};

/// One program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SimpleCommand {
    /// What it runs: an absolute path where its words tell one (`cd /a && ./b` is `/a/b`), else the word as it stands.
    /// Empty where there is only a redirection or a setting.
    pub program: HostBytes,
    /// The arguments of the program, quotes taken off.
    pub arguments: Vec<HostBytes>,
    /// The file that the program, an interpreter, would run; absolute like `program`. `None` where there is none.
    pub script: Option<HostBytes>,
    /// The programs that run it, outermost first: `nohup`, `/bin/sh` of `/bin/sh -c`.
    pub through: Vec<HostBytes>,
    /// Libraries and start files that its settings load: `LD_PRELOAD=/a.so` before it, or behind `export`.
    pub loads: Vec<HostBytes>,
    /// Whether it also runs something that its words do not tell: a variable for a program, code on the command line
    /// of an interpreter, a shell that reads commands from a pipe, text past the limits.
    pub untold: bool,
    /// Whether it is a shell that reads its commands from its input.
    pub reads_commands: bool,
    /// Whether it stands in a text for a program that is no shell: what becomes of it is not told.
    pub is_data: bool,
    /// The line of the text on which it begins, from 1; of a command in another's words that one's.
    pub line: u32,
}

impl SimpleCommand {
    /// The absolute paths of what it runs and loads, in the order in which they stand.
    pub fn files(&self) -> impl Iterator<Item = HostPath> {
        let program = (!self.program.is_empty()).then_some(&self.program);
        self.loads
            .iter()
            .chain(&self.through)
            .chain(program)
            .chain(&self.script)
            .filter(|file| file.as_bytes().first() == Some(&b'/'))
            .map(|file| HostPath::new(file.as_bytes()))
    }
}

/// The most bytes of one text that are looked at; what goes on is untold.
pub const TEXT_BYTES: usize = 64 << 10;
/// The most commands that one text gives; what goes on is untold.
pub const COMMANDS: usize = 512;
/// How deep commands in commands are followed; what goes on is untold.
const DEPTH: u32 = 8;
/// The most programs that one command goes through, and the most files that its settings load.
const WORDS: usize = 16;

/// The commands of a text for a shell, in the order in which they stand.
pub fn simple_commands(text: &[u8]) -> Vec<SimpleCommand> {
    simple_commands_at(text, None)
}

/// The same, for a user whose home directory is known: commands start there, and `~` is it.
pub fn simple_commands_at(text: &[u8], home: Option<&HostPath>) -> Vec<SimpleCommand> {
    commands_from(text, home, &mut home.cloned())
}

/// The same, for a text that goes on where another ended: `cwd` is where it begins, and where it ends; `None` where that
/// is not told.
pub(crate) fn commands_from(text: &[u8], home: Option<&HostPath>, cwd: &mut Option<HostPath>) -> Vec<SimpleCommand> {
    let mut reader = Reader {
        home,
        commands: Vec::new(),
        functions: BTreeSet::new(),
        line: 1,
        more: text.len() > TEXT_BYTES,
    };
    let text = &text[..text.len().min(TEXT_BYTES)];
    *cwd = reader.read(text, cwd.take(), &[], 0);
    let Reader {
        mut commands,
        functions,
        more,
        ..
    } = reader;
    // What a function does stands among the commands.
    commands.retain(|command| command.reads_commands || !is_call(command, &functions));
    if more {
        commands.push(SimpleCommand {
            untold: true,
            ..SimpleCommand::default()
        });
    }
    commands
}

/// Whether it calls a function of its own text, and does nothing beside.
fn is_call(command: &SimpleCommand, functions: &BTreeSet<Vec<u8>>) -> bool {
    let is_direct = command.through.is_empty() && command.files().next().is_none();
    is_direct && functions.contains(command.program.as_bytes())
}

/// The absolute paths that these commands run or load, each once, in order.
pub fn started_files(commands: &[SimpleCommand]) -> Vec<HostPath> {
    let mut met = BTreeSet::new();
    let files = commands.iter().flat_map(SimpleCommand::files);
    files.filter(|file| met.insert(file.clone())).collect()
}

/// What stands between two operators.
#[derive(Default)]
struct Simple {
    words: Vec<Word>,
    input: Option<Input>,
}

enum Input {
    File(Word),
    Text(Word),
    /// The text below its line.
    Below(Vec<u8>),
}

/// How far a `case` was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Head,
    Pattern,
    Branch,
}

struct Reader<'a> {
    home: Option<&'a HostPath>,
    commands: Vec<SimpleCommand>,
    /// The names of the functions that the text defines.
    functions: BTreeSet<Vec<u8>>,
    /// The line of the text on which the command at hand begins.
    line: u32,
    more: bool,
}

impl Simple {
    /// Whether a word that comes now would be a program.
    fn is_at_start(&self) -> bool {
        self.words.iter().all(is_keyword)
    }
}

fn is_keyword(word: &Word) -> bool {
    !word.quoted && KEYWORDS.contains(&&word.bytes[..])
}

fn is_bare(word: &Word, text: &[u8]) -> bool {
    !word.quoted && word.bytes == text
}

impl Reader<'_> {
    /// Takes in a text that begins in `cwd`, and says where it ends.
    fn read(&mut self, text: &[u8], cwd: Option<HostPath>, through: &[HostBytes], depth: u32) -> Option<HostPath> {
        if depth > DEPTH || self.commands.len() >= COMMANDS {
            self.more = true;
            return None;
        }
        let mut cwd = cwd;
        let mut outer: Vec<Option<HostPath>> = Vec::new();
        let mut cases: Vec<Case> = Vec::new();
        let mut simple = Simple::default();
        let mut expects: Option<Token> = None;
        let mut tokens = placed_tokens(text, self.home).into_iter().peekable();
        while let Some(placed) = tokens.next() {
            if depth == 0 && simple.words.is_empty() && matches!(placed.token, Token::Word(_)) {
                self.line = placed.first;
            }
            if let Some(case @ Case::Pattern) = cases.last_mut() {
                match placed.token {
                    Token::Word(word) if is_bare(&word, b"esac") => drop(cases.pop()),
                    Token::Word(word) => {
                        for inner in &word.inner {
                            self.read(inner, cwd.clone(), through, depth + 1);
                        }
                    }
                    Token::Close => *case = Case::Branch,
                    _ => {}
                }
                continue;
            }
            match placed.token {
                Token::Word(word) => match expects.take() {
                    Some(Token::ReadFrom) => simple.input = Some(Input::File(word)),
                    Some(Token::ReadText) => simple.input = Some(Input::Text(word)),
                    Some(_) => {}
                    None => {
                        match cases.last_mut() {
                            Some(case @ Case::Head) if is_bare(&word, b"in") => {
                                *case = Case::Pattern;
                                self.finish(&mut simple, &mut cwd, through, depth);
                                continue;
                            }
                            _ if !simple.is_at_start() => {}
                            Some(Case::Branch) if is_bare(&word, b"esac") => drop(cases.pop()),
                            _ if is_bare(&word, b"case") => cases.push(Case::Head),
                            _ => {}
                        }
                        simple.words.push(word);
                    }
                },
                Token::ReadFrom | Token::ReadText | Token::ReadBelow | Token::Redirect => {
                    expects = Some(placed.token);
                }
                Token::Below(text) => {
                    let input = simple.input.get_or_insert(Input::Below(Vec::new()));
                    match input {
                        Input::Below(before) => before.extend_from_slice(&text),
                        other => *other = Input::Below(text),
                    }
                }
                Token::Next | Token::Also | Token::Pipe | Token::Branch => {
                    if !placed.ends_line && cases.last() == Some(&Case::Head) {
                        cases.pop();
                    }
                    self.finish(&mut simple, &mut cwd, through, depth);
                    if let (Token::Branch, Some(case @ Case::Branch)) = (&placed.token, cases.last_mut()) {
                        *case = Case::Pattern;
                    }
                }
                Token::Open => {
                    let closes = tokens.peek().is_some_and(|next| next.token == Token::Close);
                    if let ([name], true) = (&simple.words[..], closes) {
                        self.functions.insert(name.bytes.clone());
                        simple = Simple::default();
                        tokens.next();
                        continue;
                    }
                    self.finish(&mut simple, &mut cwd, through, depth);
                    if outer.len() < TEXT_BYTES / 64 {
                        outer.push(cwd.clone());
                    }
                }
                Token::Close => {
                    self.finish(&mut simple, &mut cwd, through, depth);
                    if let Some(before) = outer.pop() {
                        cwd = before;
                    }
                }
            }
        }
        self.finish(&mut simple, &mut cwd, through, depth);
        cwd
    }

    /// Takes in one simple command, and what its words make run.
    fn finish(&mut self, simple: &mut Simple, cwd: &mut Option<HostPath>, through: &[HostBytes], depth: u32) {
        let Simple { words, input } = std::mem::take(simple);
        let before = self.commands.len();
        self.simple(&words, input.as_ref(), cwd, through, depth);
        let Some(Input::Below(text)) = input else { return };
        let first = self.commands.len();
        let reads = self.commands[before.min(first)..]
            .iter()
            .any(|command| command.reads_commands);
        self.read(&text, cwd.clone(), through, depth + 1);
        for command in self.commands.iter_mut().skip(first).filter(|_| !reads) {
            (command.is_data, command.untold) = (true, true);
        }
    }

    fn simple(
        &mut self,
        words: &[Word],
        input: Option<&Input>,
        cwd: &mut Option<HostPath>,
        through: &[HostBytes],
        depth: u32,
    ) {
        let input_word = match input {
            Some(Input::File(word) | Input::Text(word)) => Some(word),
            Some(Input::Below(_)) | None => None,
        };
        for inner in words.iter().chain(input_word).flat_map(|word| &word.inner) {
            self.read(inner, cwd.clone(), through, depth + 1);
        }
        let mut command = SimpleCommand {
            through: through.to_vec(),
            ..SimpleCommand::default()
        };
        let mut words = words;
        while let Some((first, rest)) = words.split_first() {
            words = match (is_bare(first, b"function"), rest) {
                (true, [name, behind @ ..]) => {
                    self.functions.insert(name.bytes.clone());
                    behind
                }
                _ if is_keyword(first) || command.take_setting(first) => rest,
                _ => break,
            };
        }
        let Some((first, rest)) = words.split_first() else {
            if !command.loads.is_empty() {
                self.push(command);
            }
            return;
        };
        if !first.quoted && matches!(&first.bytes[..], b"for" | b"select" | b"case" | b"esac") {
            return;
        }
        if !first.quoted && SETTING.contains(&&first.bytes[..]) {
            for word in rest {
                command.take_setting(word);
            }
        }
        if first.bytes == b"cd" || first.bytes == b"pushd" {
            let target = rest.iter().find(|word| !word.bytes.starts_with(b"-"));
            *cwd = match target {
                None if rest.is_empty() => self.home.cloned(),
                None => None,
                Some(word) if word.untold => None,
                Some(word) => Some(HostPath::new(resolved(&word.bytes, cwd.as_ref(), true).as_bytes()))
                    .filter(|path| path.as_bytes().first() == Some(&b'/')),
            };
        }
        self.program(command, words, input, cwd, depth);
    }

    fn push(&mut self, command: SimpleCommand) {
        let line = self.line;
        let command = SimpleCommand { line, ..command };
        if self.commands.len() >= COMMANDS {
            self.more = true;
        } else {
            self.commands.push(command);
        }
    }

    /// Looks through wrappers until a program is met that runs no other.
    fn program(
        &mut self,
        mut command: SimpleCommand,
        mut words: &[Word],
        input: Option<&Input>,
        cwd: &Option<HostPath>,
        depth: u32,
    ) {
        loop {
            let Some((first, rest)) = words.split_first() else {
                return self.push(command);
            };
            if command.through.len() >= WORDS {
                command.untold = true;
                return self.last_program(command, words, input, cwd, depth);
            }
            let program = resolved(&first.bytes, cwd.as_ref(), false);
            let name = base_name(&first.bytes);
            let handed = match name {
                "su" | "runuser" => split_options(rest, &HANDED).code,
                "flock" | "script" => split_options(rest, &Options { operands: 1, ..HANDED }).code,
                _ if SHELLS.contains(&name) => split_options(rest, &SHELL).code,
                _ => None,
            };
            if let Some((word, text)) = handed {
                command.untold |= word.untold || first.untold;
                command.through.push(program);
                return self.nested(command, text, cwd, depth);
            }
            let joined = match name {
                "eval" => Some((&b""[..], rest)),
                "env" => {
                    let split = split_options(rest, &ENV);
                    split.code.map(|(_, text)| (text, split.rest))
                }
                _ => None,
            };
            if let Some((text, more)) = joined {
                let mut text = text.to_vec();
                for word in more {
                    text.push(b' ');
                    text.extend_from_slice(&word.bytes);
                }
                command.untold |= rest.iter().any(|word| word.untold);
                command.through.push(program);
                return self.nested(command, &text, cwd, depth);
            }
            let wrapper = match is_loader(name) {
                true => Some(&LOADER),
                false => WRAPPERS.iter().find(|wrapper| wrapper.name == name),
            };
            let Some(wrapper) = wrapper else {
                return self.last_program(command, words, input, cwd, depth);
            };
            let options = Options {
                values: wrapper.letters,
                long: wrapper.long,
                ..Options::default()
            };
            let mut behind = split_options(rest, &options).rest;
            behind = behind.get(wrapper.operands..).unwrap_or(&[]);
            while let Some((word, rest)) = behind.split_first()
                && command.take_setting(word)
            {
                behind = rest;
            }
            if behind.is_empty() {
                return self.last_program(command, words, input, cwd, depth);
            }
            command.untold |= first.untold;
            command.through.push(program);
            words = behind;
        }
    }

    /// The commands of a text, each reached through `command`; what is untold of it is untold of the first of them.
    fn nested(&mut self, command: SimpleCommand, text: &[u8], cwd: &Option<HostPath>, depth: u32) {
        let before = self.commands.len();
        self.read(text, cwd.clone(), &command.through, depth + 1);
        match self.commands.get_mut(before) {
            Some(first) => {
                first.untold |= command.untold;
                first.loads.extend(command.loads);
            }
            None => self.push(SimpleCommand {
                untold: true,
                ..command
            }),
        }
    }

    fn last_program(
        &mut self,
        mut command: SimpleCommand,
        words: &[Word],
        input: Option<&Input>,
        cwd: &Option<HostPath>,
        depth: u32,
    ) {
        let Some((first, rest)) = words.split_first() else {
            return self.push(command);
        };
        let name = base_name(&first.bytes);
        command.program = resolved(&first.bytes, cwd.as_ref(), false);
        command.untold |= first.untold;
        command.arguments = rest.iter().map(|word| HostBytes::new(&word.bytes[..])).collect();
        let mut script = match INTERPRETERS.iter().find(|i| i.name == stem(name)) {
            Some(interpreter) => interpreter.script(rest),
            None if matches!(name, "." | "source") => rest.first(),
            None if SHELLS.contains(&name) => {
                let behind = split_options(rest, &SHELL).rest;
                let asks = |word: &Word| matches!(&word.bytes[..], b"--version" | b"--help");
                let reads = behind.is_empty() || rest.iter().any(|word| word.bytes == b"-s");
                command.reads_commands = reads && !rest.iter().any(asks);
                behind.first().filter(|_| !reads)
            }
            None => None,
        };
        let interprets = INTERPRETERS.iter().any(|i| i.name == stem(name));
        let mut given: Option<&[u8]> = None;
        match input {
            Some(Input::File(word)) if command.reads_commands || (interprets && script.is_none()) => {
                command.reads_commands = false;
                script = Some(word);
            }
            Some(Input::Text(word)) if command.reads_commands => given = Some(&word.bytes),
            _ => {}
        }
        command.untold |= command.reads_commands || (interprets && script.is_none());
        if let Some(script) = script {
            command.untold |= script.untold || script.bytes == b"-";
            command.script = Some(resolved(&script.bytes, cwd.as_ref(), true));
        }
        let through: Vec<HostBytes> = command.through.iter().chain([&command.program]).cloned().collect();
        self.push(command);
        if let Some(text) = given {
            self.read(text, cwd.clone(), &through, depth + 1);
        }
    }
}

impl SimpleCommand {
    /// Takes a `NAME=value` that stands before a program; `false` where the word is none.
    fn take_setting(&mut self, word: &Word) -> bool {
        let Some(at) = word.bytes.iter().position(|b| *b == b'=') else {
            return false;
        };
        let (name, value) = (&word.bytes[..at], &word.bytes[at + 1..]);
        let named = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        if name.is_empty() || name[0].is_ascii_digit() || !name.iter().all(named) {
            return false;
        }
        if LOADING.contains(&name) {
            self.untold |= word.untold;
            let mut files = value
                .split(|b| matches!(b, b':' | b' '))
                .filter(|file| !file.is_empty());
            let room = WORDS.saturating_sub(self.loads.len());
            self.loads.extend(files.by_ref().take(room).map(HostBytes::new));
            self.untold |= files.next().is_some();
        }
        true
    }
}

/// An absolute path where the word and the directory tell one, without `.` and `..`; else the word as it stands.
///
/// A word without a slash is a file only where `is_file`; as a program it is looked up in `PATH`.
pub(crate) fn resolved(word: &[u8], cwd: Option<&HostPath>, is_file: bool) -> HostBytes {
    let whole = match (word.first(), cwd) {
        (Some(b'/'), _) => word.to_vec(),
        (Some(_), Some(cwd)) if is_file || word.contains(&b'/') => cwd.join(word).as_bytes().to_vec(),
        _ => return HostBytes::new(word),
    };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in whole.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut path = Vec::with_capacity(whole.len());
    for part in parts {
        path.push(b'/');
        path.extend_from_slice(part);
    }
    if path.is_empty() {
        path.push(b'/');
    }
    HostBytes::new(path)
}

/// The last component as text; empty where it is none that a program of ours to know could have.
fn base_name(word: &[u8]) -> &str {
    let name = word.rsplit(|b| *b == b'/').next().unwrap_or_default();
    std::str::from_utf8(name).unwrap_or_default()
}

#[cfg(test)]
#[path = "command_words_tests.rs"]
mod tests;
