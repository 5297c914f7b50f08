//! Ansible's INI inventories (docs.ansible.com, the `ini` inventory plugin).

use std::sync::Arc;

use indexmap::IndexMap;

use super::value::of_text;
use super::words::words;
use crate::diagnostic::{Code, Diagnostic, quoted, suggest};
use crate::inventory::draft::{Draft, UNGROUPED};
use crate::inventory::name;
use crate::inventory::range::{MOST_HOSTS, expand};
use crate::inventory::sheet::Sheet;
use crate::playbook::{Span, is_name};

/// Reads an INI inventory into the draft.
pub(in crate::inventory) fn ini(sheet: &mut Sheet, draft: &mut Draft) {
    let text = Arc::clone(&sheet.text);
    let mut reader = Reader {
        sheet,
        draft,
        group: UNGROUPED.to_owned(),
        state: State::Hosts,
        declared: Vec::new(),
        awaited: IndexMap::new(),
    };
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let begin = start + (line.len() - line.trim_start().len());
        let content = line.trim();
        start += line.len();
        if content.is_empty() || content.starts_with([';', '#']) {
            continue;
        }
        let span = Span {
            start: begin,
            end: begin + content.len(),
        };
        reader.line(content, span);
    }
    reader.finish();
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Hosts,
    Children,
    Vars,
    /// Of a section that could not be read: its lines are passed over.
    Unknown,
}

struct Reader<'r> {
    sheet: &'r mut Sheet,
    draft: &'r mut Draft,
    group: String,
    state: State,
    /// The groups that have a section of hosts or children.
    declared: Vec<String>,
    /// Groups that were named before they had one, each with the section that named it.
    awaited: IndexMap<String, (Span, String)>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str, span: Span) {
        match section(line) {
            Section::Is(group, state) => self.section(group, state, span),
            Section::Bad(why, help) => {
                self.state = State::Unknown;
                self.sheet.error(Code::InventoryLine, span, why, help);
            }
            Section::None => match self.state {
                State::Hosts => self.hosts(line, span),
                State::Children => self.child(line, span),
                State::Vars => self.var(line, span),
                State::Unknown => {}
            },
        }
    }

    fn section(&mut self, group: &str, state: State, span: Span) {
        if let Err(bad) = name::group(group) {
            self.sheet.bad_name(span, "group", group, &bad);
            self.state = State::Unknown;
            return;
        }
        let origin = self.sheet.origin(span);
        let is_new = !self.draft.groups.contains_key(group);
        self.draft.group(group, &origin);
        match state {
            State::Vars if is_new => {
                self.awaited
                    .entry(group.to_owned())
                    .or_insert((span, format!("[{group}:vars]")));
            }
            State::Vars => {}
            _ => self.declared.push(group.to_owned()),
        }
        self.group = group.to_owned();
        self.state = state;
    }

    fn hosts(&mut self, line: &str, span: Span) {
        let words = match words(line, true) {
            Ok(words) => words,
            Err(why) => {
                self.sheet.error(
                    Code::InventoryLine,
                    span,
                    format!("the line cannot be taken apart: {why}"),
                    "close it",
                );
                return;
            }
        };
        let Some((pattern, pairs)) = words.split_first() else {
            return;
        };
        let Some((names, port)) = hosts_of(self.sheet, pattern, span) else {
            return;
        };
        let mut given = Vec::new();
        for pair in pairs {
            let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                // The word may be part of a secret: it is not repeated.
                let help = "behind a host stands `name=value`; a value with blanks stands in quotes";
                self.sheet.error(
                    Code::InventoryLine,
                    span,
                    "a word behind the host is no `name=value`",
                    help,
                );
                return;
            };
            given.push((name, of_text(value, self.sheet.origin(span))));
        }
        if self.draft.hosts.len() + names.len() > 2 * MOST_HOSTS {
            let message = format!("more than {MOST_HOSTS} hosts");
            self.sheet
                .error(Code::InventorySize, span, message, "part the inventory");
            return;
        }
        let origin = self.sheet.origin(span);
        for host in names {
            let is_new = !self.draft.hosts.contains_key(host.as_str());
            self.draft.member(&self.group, &host, &origin);
            if let Some(port) = port
                && is_new
            {
                let said = of_text(&port.to_string(), origin.clone());
                self.draft.host_var(&host, "ansible_port", said, false);
            }
            for (name, said) in &given {
                self.draft.host_var(&host, name, said.clone(), false);
            }
        }
    }

    fn child(&mut self, line: &str, span: Span) {
        let (child, behind) = line.split_at(line.find(char::is_whitespace).unwrap_or(line.len()));
        let behind = behind.trim_start();
        if !(behind.is_empty() || behind.starts_with('#')) {
            self.sheet.error(
                Code::InventoryLine,
                span,
                "more than a group's name",
                "one group a line",
            );
            return;
        }
        if let Err(bad) = name::group(child) {
            self.sheet.bad_name(span, "group", child, &bad);
            return;
        }
        if !self.draft.groups.contains_key(child) {
            let by = format!("[{}:children]", self.group);
            self.awaited.entry(child.to_owned()).or_insert((span, by));
        }
        let origin = self.sheet.origin(span);
        self.draft.group(child, &origin);
        self.draft.group(&self.group, &origin).children.insert(Arc::from(child));
    }

    fn var(&mut self, line: &str, span: Span) {
        let Some((name, value)) = line.split_once('=') else {
            let help = "a section of variables has lines `name=value`";
            self.sheet.error(
                Code::InventoryLine,
                span,
                format!("`[{}:vars]`: a line has no `=`", self.group),
                help,
            );
            return;
        };
        let name = name.trim();
        if !is_name(name) {
            let message = format!("{} is no name of a variable", quoted(name));
            let help = "a name has letters, digits and `_`, and does not begin with a digit";
            self.sheet.error(Code::InventoryName, span, message, help);
            return;
        }
        let said = of_text(value.trim(), self.sheet.origin(span));
        self.draft.group_var(&self.group, name, said, false);
    }

    /// Names the groups that no section declares.
    fn finish(self) {
        for (group, (span, by)) in self.awaited {
            if self.declared.contains(&group) {
                continue;
            }
            let names: Vec<&str> = self.declared.iter().map(String::as_str).collect();
            let message = format!("`{by}`: there is no group {}", quoted(&group));
            let mistake = Diagnostic::error(Code::InventoryMember, span, message);
            self.sheet.mistake(mistake.maybe_help(suggest(&group, names)));
        }
    }
}

enum Section<'l> {
    Is(&'l str, State),
    Bad(String, &'static str),
    None,
}

/// Reads `[group]`, `[group:children]`, `[group:vars]`, a comment behind it.
fn section(line: &str) -> Section<'_> {
    const HELP: &str = "a section is `[group]`, `[group:children]` or `[group:vars]`";
    let Some(inside) = line.strip_prefix('[') else {
        return Section::None;
    };
    let Some((inside, behind)) = inside.split_once(']') else {
        return Section::Bad("it is no section".to_owned(), HELP);
    };
    let behind = behind.trim_start();
    let (group, state) = inside
        .split_once(':')
        .map_or((inside, None), |(group, state)| (group, Some(state)));
    let is_section = (behind.is_empty() || behind.starts_with('#')) && !group.is_empty();
    if !is_section || group.contains(char::is_whitespace) || state.is_some_and(|s| !s.chars().all(is_word)) {
        return match line.ends_with(']') {
            true => Section::Bad("it is no section".to_owned(), HELP),
            false => Section::None,
        };
    }
    match state {
        None | Some("hosts") => Section::Is(group, State::Hosts),
        Some("children") => Section::Is(group, State::Children),
        Some("vars") => Section::Is(group, State::Vars),
        Some(other) => Section::Bad(format!("a section {} is not known", quoted(other)), HELP),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The hosts that a word names, with the port behind it: `web-[1:3]:2222`. What cannot be read is a mistake.
pub(super) fn hosts_of(sheet: &mut Sheet, pattern: &str, span: Span) -> Option<(Vec<String>, Option<u16>)> {
    let (pattern, port) = match part_port(pattern) {
        Ok(parted) => parted,
        Err(why) => {
            let message = format!("{}: {why}", quoted(pattern));
            sheet.error(Code::InventoryLine, span, message, "a port is a number from 1 to 65535");
            return None;
        }
    };
    let names = match expand(pattern) {
        Ok(names) => names,
        Err(bad) => {
            sheet.error(
                Code::InventoryRange,
                span,
                format!("{}: {}", quoted(pattern), bad.why),
                bad.help,
            );
            return None;
        }
    };
    if let Some((name, bad)) = names.iter().find_map(|name| Some((name, name::host(name).err()?))) {
        sheet.bad_name(span, "host", name, &bad);
        return None;
    }
    Some((names, port))
}

/// Parts a port from a name, a range or an IPv6 address in brackets.
fn part_port(pattern: &str) -> Result<(&str, Option<u16>), &'static str> {
    let as_port = |digits: &str| match digits.parse::<u16>() {
        Ok(port) if port > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(port)),
        _ => Err("its port is none"),
    };
    if let Some((inside, behind)) = pattern.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let is_address = inside.parse::<std::net::Ipv6Addr>().is_ok();
        match behind.strip_prefix(':') {
            Some(digits) if is_address => return Ok((inside, as_port(digits)?)),
            None if is_address && behind.is_empty() => return Ok((inside, None)),
            _ => {}
        }
    }
    // The last `:` outside of brackets; more than one is an IPv6 address.
    let mut depth = 0usize;
    let mut colons = Vec::new();
    for (at, c) in pattern.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => colons.push(at),
            _ => {}
        }
    }
    match colons.as_slice() {
        [at] => Ok((&pattern[..*at], as_port(&pattern[at + 1..])?)),
        _ => Ok((pattern, None)),
    }
}
