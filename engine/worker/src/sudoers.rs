//! Reads sudoers(5) line by line, from any bytes, and tells whether lines may be taken out of it. Pure.
//!
//! A line that ends with a backslash goes on in the next one; all of them are one group here, which stands or goes as a
//! whole. Nothing is evaluated: what an alias stands for and which rule wins is sudo's to say. What sudo's own grammar
//! (sudo 1.9) would not take is [`Item::Bad`]; sudo passes over such a line, older ones over all that follows.

use crate::text::{HostBytes, HostPath};

/// The most groups of one text that are read.
pub const GROUPS: usize = 20_000;

/// The most words of one list.
const WORDS: usize = 4_096;

/// A text, read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sudoers<'a> {
    /// In the text's order; blank lines and comments too.
    pub groups: Vec<Group<'a>>,
    /// Whether there are more than [`GROUPS`].
    pub more: bool,
}

/// A line, with those that it goes on in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    /// The number of its first line, from 1.
    pub number: u32,
    /// Its lines without their line feeds, at least one.
    pub lines: Vec<&'a [u8]>,
    /// What it is.
    pub item: Item,
}

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Nothing, or a comment.
    Blank,
    /// `@include` or `@includedir`, or the older forms with `#`.
    Include {
        /// Whether all files of a directory are read.
        directory: bool,
        /// As it is written, quotes taken off; not absolute where it lies beside this file, `%h` the host's name.
        path: HostPath,
    },
    /// A `Defaults` line.
    Defaults {
        /// What it is bound to, with the sign: `:deploy`, `@web`, `!/usr/bin/x`, `>root`; empty where it is for all.
        scope: HostBytes,
        /// The settings, as they are written.
        settings: HostBytes,
        /// The names of aliases in its scope.
        uses: Vec<Vec<u8>>,
    },
    /// A line of aliases.
    Alias {
        /// Their names.
        names: Vec<Vec<u8>>,
        /// The names of aliases among their members.
        uses: Vec<Vec<u8>>,
    },
    /// A rule: who may run what.
    Rule(Rule),
    /// Not of the grammar.
    Bad(&'static str),
}

/// Who may run what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Users, groups (`%wheel`), netgroups, aliases, as they are written; those with `!` are left out of the others.
    pub users: Vec<HostBytes>,
    /// What they may run, in order.
    pub grants: Vec<Grant>,
}

/// One command of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant {
    /// On which hosts.
    pub hosts: Vec<HostBytes>,
    /// As whom: what stands in the parentheses; `None` where none stand there, then as root.
    pub run_as: Option<HostBytes>,
    /// Whether no password is asked.
    pub nopasswd: bool,
    /// Whether it is `!`: this command not.
    pub denied: bool,
    /// The path with its arguments, the name of an alias, or `ALL`; backslashes taken off.
    pub command: HostBytes,
}

/// Why lines cannot be taken out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line would be left without those that it goes on in.
    #[error("line {number} would be torn from the lines that it belongs to")]
    Torn {
        /// The first line of what would be left, as it stands in the new text.
        number: u32,
    },
    /// A rule that stays uses an alias that goes.
    #[error("line {number} uses `{alias}`, which is defined in a line that goes")]
    Needed {
        /// The line, as it stands in the new text.
        number: u32,
        /// The alias.
        alias: HostBytes,
    },
    /// It has too many lines to be read.
    #[error("it has more than {GROUPS} lines")]
    TooMany,
}

/// Reads all lines.
pub fn parse(text: &[u8]) -> Sudoers<'_> {
    let mut sudoers = Sudoers::default();
    let mut waiting: Option<Group<'_>> = None;
    let mut joined: Vec<u8> = Vec::new();
    let count = text.split(|b| *b == b'\n').count();
    for (at, line) in text.split(|b| *b == b'\n').enumerate() {
        // Behind the last line feed stands no line, but what a last backslash goes on in.
        if at + 1 == count && line.is_empty() && waiting.is_none() {
            break;
        }
        let mut group = waiting.take().unwrap_or_else(|| {
            joined.clear();
            Group {
                number: u32::try_from(at + 1).unwrap_or(u32::MAX),
                lines: Vec::new(),
                item: Item::Blank,
            }
        });
        let (said, goes_on) = part(line, group.lines.is_empty());
        if group.lines.is_empty() {
            joined.extend_from_slice(said);
        } else {
            joined.push(b' ');
            joined.extend_from_slice(said.trim_ascii_start());
        }
        if !(at + 1 == count && line.is_empty()) {
            group.lines.push(line);
        }
        if goes_on && at + 1 < count {
            waiting = Some(group);
            continue;
        }
        if sudoers.groups.len() == GROUPS {
            sudoers.more = true;
            break;
        }
        group.item = match goes_on {
            true => Item::Bad("it goes on past the end"),
            false => item(&joined),
        };
        sudoers.groups.push(group);
    }
    sudoers
}

/// Whether a text may become another by taking lines out: only whole groups go, and no alias that is used still.
///
/// # Errors
/// The first fault.
pub fn check_removal(before: &[u8], after: &[u8]) -> Result<(), Fault> {
    let (before, after) = (parse(before), parse(after));
    if before.more || after.more {
        return Err(Fault::TooMany);
    }
    let mut old = before.groups.iter();
    // What says nothing harms nobody, wherever it came from.
    for group in after.groups.iter().filter(|group| group.item != Item::Blank) {
        if !old.any(|old| old.lines == group.lines) {
            let number = group.number;
            return Err(Fault::Torn { number });
        }
    }
    let has = |sudoers: &Sudoers<'_>, alias: &Vec<u8>| {
        let defines = |group: &Group<'_>| matches!(&group.item, Item::Alias { names, .. } if names.contains(alias));
        sudoers.groups.iter().any(defines)
    };
    for group in &after.groups {
        let lost = |alias: &&Vec<u8>| has(&before, alias) && !has(&after, alias);
        if let Some(alias) = group.item.uses().iter().find(lost) {
            return Err(Fault::Needed {
                number: group.number,
                alias: HostBytes::new(alias.as_slice()),
            });
        }
    }
    Ok(())
}

impl Item {
    /// The names of aliases that it uses.
    pub fn uses(&self) -> Vec<Vec<u8>> {
        match self {
            Item::Defaults { uses, .. } | Item::Alias { uses, .. } => uses.clone(),
            Item::Rule(rule) => rule.uses(),
            Item::Blank | Item::Include { .. } | Item::Bad(_) => Vec::new(),
        }
    }
}

impl Rule {
    fn uses(&self) -> Vec<Vec<u8>> {
        let mut words: Vec<&[u8]> = self.users.iter().map(HostBytes::as_bytes).collect();
        for grant in &self.grants {
            words.extend(grant.hosts.iter().map(HostBytes::as_bytes));
            words.push(grant.command.as_bytes());
            if let Some(run_as) = &grant.run_as {
                words.extend(run_as.as_bytes().split(|b| matches!(b, b',' | b':')));
            }
        }
        words.into_iter().filter_map(alias_name).collect()
    }
}

/// The name of an alias, where a word is one.
fn alias_name(word: &[u8]) -> Option<Vec<u8>> {
    let word = word.trim_ascii();
    let word = &word[word.iter().take_while(|b| **b == b'!').count()..];
    (is_alias(word) && word != b"ALL").then(|| word.to_vec())
}

fn is_alias(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_uppercase)
        && word
            .iter()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
}

/// What a line says without its comment and the backslash at its end, and whether it goes on in the next one.
fn part(line: &[u8], is_first: bool) -> (&[u8], bool) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let begin = line.trim_ascii_start();
    if is_first && (begin.starts_with(b"#include ") || begin.starts_with(b"#include\t") || is_hash_directory(begin)) {
        return (line, false);
    }
    let mut quoted = false;
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b'\\' if line[at + 1..].trim_ascii_start().is_empty() => return (&line[..at], true),
            b'\\' => at += 1,
            b'"' => quoted = !quoted,
            b'#' if !quoted && !is_id(&line[at + 1..]) => return (&line[..at], false),
            _ => {}
        }
        at += 1;
    }
    (line, false)
}

fn is_hash_directory(line: &[u8]) -> bool {
    line.starts_with(b"#includedir ") || line.starts_with(b"#includedir\t")
}

/// Whether what follows a `#` makes it a user's or a group's number, not a comment.
fn is_id(rest: &[u8]) -> bool {
    rest.strip_prefix(b"-")
        .unwrap_or(rest)
        .first()
        .is_some_and(u8::is_ascii_digit)
}

/// What a group is, its lines joined and its comment taken off.
fn item(text: &[u8]) -> Item {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Item::Blank;
    }
    let after = |word: &[u8]| {
        let rest = text.strip_prefix(word)?;
        rest.first()
            .is_some_and(u8::is_ascii_whitespace)
            .then_some(rest.trim_ascii_start())
    };
    for (word, directory) in [
        (&b"@includedir"[..], true),
        (b"#includedir", true),
        (b"@include", false),
        (b"#include", false),
    ] {
        if let Some(path) = after(word) {
            return include(path, directory);
        }
    }
    for word in [
        &b"User_Alias"[..],
        b"Runas_Alias",
        b"Host_Alias",
        b"Cmnd_Alias",
        b"Cmd_Alias",
    ] {
        if let Some(rest) = after(word) {
            let is_command = word.starts_with(b"Cm");
            return alias(Reader { text: rest, at: 0 }, is_command).unwrap_or_else(Item::Bad);
        }
    }
    if let Some(rest) = text.strip_prefix(b"Defaults")
        && rest
            .first()
            .is_none_or(|b| b.is_ascii_whitespace() || b"@:!>".contains(b))
    {
        return defaults(rest).unwrap_or_else(Item::Bad);
    }
    match (Reader { text, at: 0 }).rule() {
        Ok(rule) => Item::Rule(rule),
        Err(why) => Item::Bad(why),
    }
}

fn include(path: &[u8], directory: bool) -> Item {
    let path = match path {
        [b'"', inner @ .., b'"'] => inner.to_vec(),
        path => unescaped(path),
    };
    match path.is_empty() {
        true => Item::Bad("a path is missing"),
        false => Item::Include {
            directory,
            path: HostPath::new(path),
        },
    }
}

fn defaults(rest: &[u8]) -> Result<Item, &'static str> {
    let mut reader = Reader { text: rest, at: 0 };
    let mut uses = Vec::new();
    let mut scope = Vec::new();
    if let Some(sign) = rest.first().filter(|b| b"@:!>".contains(b)) {
        reader.at = 1;
        let members = reader.list(match sign {
            b'!' => Reader::command,
            b'@' => Reader::host,
            _ => Reader::user,
        })?;
        uses = members.iter().filter_map(|word| alias_name(word)).collect();
        scope = [&[*sign][..], &members.join(&b',')].concat();
    }
    let settings = reader.rest().trim_ascii();
    if settings.iter().filter(|b| **b == b'"').count() % 2 != 0 {
        return Err("a quote does not end");
    }
    match settings.is_empty() {
        true => Err("a setting is missing"),
        false => Ok(Item::Defaults {
            scope: HostBytes::new(scope),
            settings: HostBytes::new(settings),
            uses,
        }),
    }
}

fn alias(mut reader: Reader<'_>, is_command: bool) -> Result<Item, &'static str> {
    let (mut names, mut uses) = (Vec::new(), Vec::new());
    loop {
        reader.blanks();
        let name = reader.word(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_alias(&name) || name == b"ALL" {
            return Err("an alias has no name of upper-case letters");
        }
        reader.expect(b'=', "an alias has no `=`")?;
        let members = reader.list(match is_command {
            true => Reader::command,
            false => Reader::member,
        })?;
        uses.extend(members.iter().filter_map(|word| alias_name(word)));
        names.push(name);
        match reader.next_byte() {
            None => return Ok(Item::Alias { names, uses }),
            Some(b':') if names.len() < WORDS => {}
            Some(_) => return Err("an alias goes on in another way than with `:`"),
        }
    }
}

/// Words of a text, one after the other.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

/// The tags of a command.
const TAGS: [&[u8]; 18] = [
    b"PASSWD",
    b"NOPASSWD",
    b"EXEC",
    b"NOEXEC",
    b"FOLLOW",
    b"NOFOLLOW",
    b"INTERCEPT",
    b"NOINTERCEPT",
    b"LOG_INPUT",
    b"NOLOG_INPUT",
    b"LOG_OUTPUT",
    b"NOLOG_OUTPUT",
    b"MAIL",
    b"NOMAIL",
    b"SETENV",
    b"NOSETENV",
    b"MONITOR",
    b"NOMONITOR",
];

/// The options of a command, each with a value.
const OPTIONS: [&[u8]; 10] = [
    b"ROLE",
    b"TYPE",
    b"APPARMOR_PROFILE",
    b"PRIVS",
    b"LIMITPRIVS",
    b"NOTBEFORE",
    b"NOTAFTER",
    b"TIMEOUT",
    b"CWD",
    b"CHROOT",
];

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text[self.at.min(self.text.len())..]
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    /// The next byte that is no blank, passed over.
    fn next_byte(&mut self) -> Option<u8> {
        self.blanks();
        let byte = self.rest().first().copied()?;
        self.at += 1;
        Some(byte)
    }

    /// Passes over that byte where it comes next, blanks before it too.
    fn takes(&mut self, byte: u8) -> bool {
        let before = self.at;
        let found = self.next_byte() == Some(byte);
        if !found {
            self.at = before;
        }
        found
    }

    fn expect(&mut self, byte: u8, why: &'static str) -> Result<(), &'static str> {
        match self.takes(byte) {
            true => Ok(()),
            false => Err(why),
        }
    }

    /// Bytes as long as they may stand in a word; a backslash takes the next one in as it is.
    fn word(&mut self, may: impl Fn(u8) -> bool) -> Vec<u8> {
        let mut word = Vec::new();
        while let Some(byte) = self.rest().first().copied() {
            if byte == b'\\' && self.rest().len() > 1 {
                word.push(self.rest()[1]);
                self.at += 2;
            } else if may(byte) {
                word.push(byte);
                self.at += 1;
            } else {
                break;
            }
        }
        word
    }

    /// What stands in quotes; `None` where none begin here.
    fn quoted(&mut self) -> Result<Option<Vec<u8>>, &'static str> {
        if self.rest().first() != Some(&b'"') {
            return Ok(None);
        }
        let inner = &self.rest()[1..];
        let mut at = 0;
        while let Some(byte) = inner.get(at) {
            match byte {
                b'\\' => at += 1,
                b'"' => {
                    self.at += at + 2;
                    return Ok(Some(unescaped(&inner[..at])));
                }
                _ => {}
            }
            at += 1;
        }
        Err("a quote does not end")
    }

    /// The signs `!` before a word.
    fn signs(&mut self) -> Vec<u8> {
        let mut signs = Vec::new();
        while self.takes(b'!') {
            signs.push(b'!');
        }
        self.blanks();
        signs
    }

    /// One word or more, parted by commas.
    fn list(&mut self, one: impl Fn(&mut Self) -> Result<Vec<u8>, &'static str>) -> Result<Vec<Vec<u8>>, &'static str> {
        let mut words = Vec::new();
        loop {
            let signs = self.signs();
            let word = one(self)?;
            if word.is_empty() {
                return Err("a word is missing");
            }
            if words.len() == WORDS {
                return Err("a list is too long");
            }
            words.push([signs, word].concat());
            if !self.takes(b',') {
                return Ok(words);
            }
        }
    }

    /// A user, a group, a netgroup, an alias.
    fn user(&mut self) -> Result<Vec<u8>, &'static str> {
        let sign = self.word(|b| matches!(b, b'%' | b'+' | b'#'));
        let colon = sign == b"%" && self.rest().starts_with(b":");
        if colon {
            self.at += 1;
        }
        let name = match self.quoted()? {
            Some(name) => name,
            None => self.word(|b| !b.is_ascii_whitespace() && !b",:=!()\"#".contains(&b)),
        };
        match name.is_empty() {
            true => Err("a name is missing"),
            false => Ok([&sign[..], if colon { b":" } else { b"" }, &name].concat()),
        }
    }

    /// A host, a network, an address, an alias.
    fn host(&mut self) -> Result<Vec<u8>, &'static str> {
        if let Some(name) = self.quoted()? {
            return Ok(name);
        }
        let before = self.at;
        let word = self.word(|b| !b.is_ascii_whitespace() && !b",=!()\"#".contains(&b));
        let address = |b: &u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.' | b'/');
        let colons = word.iter().filter(|b| **b == b':').count();
        if colons == 0 || (colons > 1 && word.iter().all(address)) {
            return Ok(word);
        }
        self.at = before;
        Ok(self.word(|b| !b.is_ascii_whitespace() && !b",:=!()\"#".contains(&b)))
    }

    /// A member of an alias that is no command: whatever may be a user or a host.
    fn member(&mut self) -> Result<Vec<u8>, &'static str> {
        match self.rest().first() {
            Some(b'%' | b'+' | b'#') => self.user(),
            _ => self.host(),
        }
    }

    /// A command with its arguments, an alias, `ALL`; digests before it are passed over.
    fn command(&mut self) -> Result<Vec<u8>, &'static str> {
        while let Some(rest) = self.rest().strip_prefix(b"sha") {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            if !matches!(&rest[..digits], b"224" | b"256" | b"384" | b"512") {
                break;
            }
            self.at += 3 + digits;
            self.expect(b':', "a digest has no `:`")?;
            self.blanks();
            if self
                .word(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
                .is_empty()
            {
                return Err("a digest is missing");
            }
            self.takes(b',');
            self.blanks();
        }
        let rest = self.rest();
        if rest.first() == Some(&b'^') {
            return self.pattern();
        }
        let is_word = |word: &[u8]| {
            let after = rest.strip_prefix(word);
            after.is_some_and(|after| {
                after
                    .first()
                    .is_none_or(|b| b.is_ascii_whitespace() || b",:".contains(b))
            })
        };
        if rest.first() == Some(&b'/') || is_word(b"sudoedit") || is_word(b"list") {
            let text = self.word(|b| !b",:=#".contains(&b));
            return Ok(text.trim_ascii_end().to_vec());
        }
        let name = self.word(|b| b.is_ascii_alphanumeric() || b == b'_');
        match is_alias(&name) {
            true => Ok(name),
            false => Err("a command is neither a path nor an alias"),
        }
    }

    /// A command by a regular expression, and its arguments.
    fn pattern(&mut self) -> Result<Vec<u8>, &'static str> {
        let rest = self.rest();
        let ends = |at: &usize| {
            let next = rest.get(at + 1);
            rest[*at] == b'$' && next.is_none_or(|b| b.is_ascii_whitespace() || *b == b',') && rest[at - 1] != b'\\'
        };
        let end = (1..rest.len()).find(ends).ok_or("a regular expression does not end")?;
        self.at += end + 1;
        let arguments = match self.rest().trim_ascii_start().first() {
            Some(b'^') => {
                self.blanks();
                [&b" "[..], &self.pattern()?].concat()
            }
            _ => self.word(|b| !b",:=#".contains(&b)),
        };
        Ok([&rest[..=end], arguments.trim_ascii_end()].concat())
    }

    fn rule(&mut self) -> Result<Rule, &'static str> {
        let users = self.list(Self::user)?;
        let mut grants = Vec::new();
        loop {
            let hosts = self.list(Self::host)?;
            self.expect(b'=', "a rule has no `=`")?;
            self.grants(&hosts, &mut grants)?;
            match self.next_byte() {
                None => break,
                Some(b':') => {}
                Some(_) => return Err("a rule goes on in another way than with `,` or `:`"),
            }
        }
        Ok(Rule {
            users: users.into_iter().map(HostBytes::new).collect(),
            grants,
        })
    }

    /// The commands for some hosts; tags and the parentheses hold for those that follow, too.
    fn grants(&mut self, hosts: &[Vec<u8>], grants: &mut Vec<Grant>) -> Result<(), &'static str> {
        let mut run_as = None;
        let mut nopasswd = false;
        loop {
            self.blanks();
            if self.takes(b'(') {
                let end = self.rest().iter().position(|b| *b == b')').ok_or("a `)` is missing")?;
                run_as = Some(HostBytes::new(self.rest()[..end].trim_ascii()));
                self.at += end + 1;
            }
            while let Some(word) = self.option_or_tag()? {
                match word {
                    b"NOPASSWD" => nopasswd = true,
                    b"PASSWD" => nopasswd = false,
                    _ => {}
                }
            }
            let denied = self.signs().len() % 2 == 1;
            let command = self.command()?;
            if grants.len() == WORDS {
                return Err("a list is too long");
            }
            grants.push(Grant {
                hosts: hosts.iter().map(|host| HostBytes::new(host.as_slice())).collect(),
                run_as: run_as.clone(),
                nopasswd,
                denied,
                command: HostBytes::new(command),
            });
            if !self.takes(b',') {
                return Ok(());
            }
        }
    }

    /// A tag or an option before a command, passed over with its sign.
    fn option_or_tag(&mut self) -> Result<Option<&'static [u8]>, &'static str> {
        self.blanks();
        let before = self.at;
        let name = self.word(|b| b.is_ascii_uppercase() || b == b'_');
        if let Some(tag) = TAGS.iter().find(|tag| **tag == name)
            && self.takes(b':')
        {
            return Ok(Some(tag));
        }
        if let Some(option) = OPTIONS.iter().find(|option| **option == name)
            && self.takes(b'=')
        {
            self.blanks();
            if self.quoted()?.is_none() && self.word(|b| !b.is_ascii_whitespace() && b != b',').is_empty() {
                return Err("an option has no value");
            }
            return Ok(Some(option));
        }
        self.at = before;
        Ok(None)
    }
}

/// The bytes without the backslashes that take the next byte as it is.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            byte => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests;
