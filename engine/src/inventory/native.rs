//! An inventory of our own: the YAML that [`Inventory`](super::Inventory) describes.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::destination::hops;
use super::draft::{ALL, Draft, Said, UNGROUPED};
use super::given::{Content, Given, Layer, Sort};
use super::name::{self, BadName};
use super::range::{MOST_HOSTS, expand};
use super::sheet::{Fields, Sheet};
use crate::diagnostic::{Code, Diagnostic, quoted};
use crate::playbook::node::{Form, Kind, Node, read_as};
use crate::playbook::{Span, is_name};

/// The keys at the top; one of them makes a YAML file an inventory of our own.
pub(super) const KEYS: [&str; 3] = ["hosts", "groups", "defaults"];
/// The same, and what tells an inventory of Ansible.
pub(crate) const TOP_KEYS: [&str; 6] = ["hosts", "groups", "defaults", "all", "ungrouped", "_meta"];
const HOST_KEYS: [&str; 10] = [
    "address",
    "user",
    "port",
    "key",
    "jump",
    "sudo",
    "ssh_config",
    "control_path",
    "connection",
    "vars",
];
const GROUP_KEYS: [&str; 12] = [
    "hosts",
    "children",
    "priority",
    "user",
    "port",
    "key",
    "jump",
    "sudo",
    "ssh_config",
    "control_path",
    "connection",
    "vars",
];
const DEFAULT_KEYS: [&str; 9] = [
    "user",
    "port",
    "key",
    "jump",
    "sudo",
    "ssh_config",
    "control_path",
    "connection",
    "vars",
];

const PRIORITIES: std::ops::RangeInclusive<i64> = -1000..=1000;

/// A name that must be that of a host or a group once all files are read.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) span: Span,
    pub(super) name: String,
    pub(super) is_group: bool,
    /// Who names it.
    pub(super) by: String,
}

/// Reads an inventory of our own, which lies in `folder`, into the draft.
pub(super) fn native(sheet: &mut Sheet, draft: &mut Draft, folder: &Path) -> Vec<Pending> {
    let text = Arc::clone(&sheet.text);
    let node = match read_as(&text, &Form::INVENTORY) {
        Ok(node) => node,
        Err(mistake) => {
            sheet.mistake(mistake);
            return Vec::new();
        }
    };
    let mut reader = Reader {
        sheet,
        draft,
        folder,
        pending: Vec::new(),
    };
    reader.inventory(&node);
    reader.pending
}

struct Reader<'r> {
    sheet: &'r mut Sheet,
    draft: &'r mut Draft,
    folder: &'r Path,
    pending: Vec<Pending>,
}

/// Of whom settings are read.
#[derive(Clone, Copy)]
struct Of<'o> {
    place: &'o str,
    layer: Layer,
    group: Option<&'o str>,
}

impl Reader<'_> {
    fn inventory(&mut self, node: &Node) {
        let Some(fields) = self.sheet.fields(node, "the inventory", Some(&KEYS)) else {
            return;
        };
        if let Some((_, value)) = fields.pairs.get("defaults") {
            self.defaults(value);
        }
        if let Some((_, value)) = fields.pairs.get("hosts") {
            self.hosts(value);
        }
        if let Some((_, value)) = fields.pairs.get("groups") {
            self.groups(value);
        }
    }

    fn defaults(&mut self, node: &Node) {
        if node.kind == Kind::Null {
            return;
        }
        let Some(fields) = self.sheet.fields(node, "`defaults`", Some(&DEFAULT_KEYS)) else {
            return;
        };
        let of = Of {
            place: "`defaults`",
            layer: Layer::All,
            group: Some(ALL),
        };
        let given = self.given(&fields, of);
        let origin = self.sheet.origin(node.span);
        self.draft.group(ALL, &origin).given.extend(given);
    }

    fn hosts(&mut self, node: &Node) {
        match &node.kind {
            Kind::Null => {}
            Kind::List(items) => {
                for item in items {
                    match item.text() {
                        Some(name) => self.host(name, item, None),
                        None => self.sheet.wrong_kind(item, "`hosts`", "the name of a host"),
                    }
                }
            }
            Kind::Map(_) => {
                let Some(fields) = self.sheet.fields(node, "`hosts`", None) else {
                    return;
                };
                for (name, (key, value)) in &fields.pairs {
                    let value = (value.kind != Kind::Null).then_some(*value);
                    self.host(name, key, value);
                }
            }
            _ => self.sheet.wrong_kind(node, "`hosts`", "a map or a list of hosts"),
        }
    }

    fn host(&mut self, written: &str, key: &Node, value: Option<&Node>) {
        let Some(names) = self.names(written, key.span) else {
            return;
        };
        let place = format!("host {}", quoted(written));
        let of = Of {
            place: &place,
            layer: Layer::Host,
            group: None,
        };
        let fields = value.and_then(|value| self.sheet.fields(value, &place, Some(&HOST_KEYS)));
        let given = fields.as_ref().map(|fields| self.given(fields, of)).unwrap_or_default();
        if let Some((key, _)) = fields.as_ref().and_then(|fields| fields.pairs.get("address"))
            && names.len() > 1
        {
            let message = format!("{place}: {} hosts have one address", names.len());
            self.sheet.error(
                Code::InventoryRange,
                key.span,
                message,
                "leave it out, or list each host on its own",
            );
        }
        let origin = self.sheet.origin(key.span);
        for name in names {
            if self.draft.hosts.len() >= MOST_HOSTS && !self.draft.hosts.contains_key(name.as_str()) {
                let message = format!("more than {MOST_HOSTS} hosts");
                self.sheet
                    .error(Code::InventorySize, key.span, message, "part the inventory");
                return;
            }
            let host = self.draft.host(&name, &origin);
            match &host.defined {
                Some(first) => {
                    let message = format!("host {} is there twice, first at {first}", quoted(&name));
                    let help = "remove one, or give it another name";
                    self.sheet.error(Code::InventoryTwice, key.span, message, help);
                }
                None => {
                    host.defined = Some(origin.clone());
                    host.given.extend(given.iter().cloned());
                }
            }
        }
    }

    /// The hosts that a name or range stands for, each a name.
    fn names(&mut self, written: &str, span: Span) -> Option<Vec<String>> {
        let names = match expand(written) {
            Ok(names) => names,
            Err(bad) => {
                let message = format!("{}: {}", quoted(written), bad.why);
                self.sheet.error(Code::InventoryRange, span, message, bad.help);
                return None;
            }
        };
        if let Some((name, bad)) = names.iter().find_map(|name| Some((name, name::host(name).err()?))) {
            self.sheet.bad_name(span, "host", name, &bad);
            return None;
        }
        Some(names)
    }

    fn groups(&mut self, node: &Node) {
        if node.kind == Kind::Null {
            return;
        }
        let Some(fields) = self.sheet.fields(node, "`groups`", None) else {
            return;
        };
        for (name, (key, value)) in &fields.pairs {
            if let Err(bad) = name::group(name) {
                self.sheet.bad_name(key.span, "group", name, &bad);
                continue;
            }
            if matches!(*name, ALL | UNGROUPED) {
                let message = format!("group `{name}` is always there");
                self.sheet.error(
                    Code::InventoryTwice,
                    key.span,
                    message,
                    "what holds for all hosts is in `defaults`",
                );
                continue;
            }
            self.group(name, key, value);
        }
    }

    fn group(&mut self, name: &str, key: &Node, value: &Node) {
        let origin = self.sheet.origin(key.span);
        let group = self.draft.group(name, &origin);
        if let Some(first) = &group.defined {
            let message = format!("group {} is there twice, first at {first}", quoted(name));
            self.sheet
                .error(Code::InventoryTwice, key.span, message, "put both into one");
            return;
        }
        group.defined = Some(origin.clone());
        let place = format!("group {}", quoted(name));
        // A list is its hosts.
        if let Kind::List(items) = &value.kind {
            self.members(name, &place, items);
            return;
        }
        if value.kind == Kind::Null {
            return;
        }
        let Some(fields) = self.sheet.fields(value, &place, Some(&GROUP_KEYS)) else {
            return;
        };
        let of = Of {
            place: &place,
            layer: Layer::Group,
            group: Some(name),
        };
        let given = self.given(&fields, of);
        let priority = fields
            .pairs
            .get("priority")
            .and_then(|(_, value)| self.priority(&place, value));
        let group = self.draft.group(name, &origin);
        group.given.extend(given);
        group.priority = priority.unwrap_or(1);
        match fields.pairs.get("hosts").map(|(_, value)| *value) {
            None => {}
            Some(Node {
                kind: Kind::List(items),
                ..
            }) => self.members(name, &place, items),
            Some(node) if node.text().is_some() => self.members(name, &place, std::slice::from_ref(node)),
            Some(node) => self
                .sheet
                .wrong_kind(node, &format!("{place}, `hosts`"), "a list of hosts"),
        }
        match fields.pairs.get("children").map(|(_, value)| *value) {
            None => {}
            Some(Node {
                kind: Kind::List(items),
                ..
            }) => self.children(name, &place, items),
            Some(node) => self
                .sheet
                .wrong_kind(node, &format!("{place}, `children`"), "a list of groups"),
        }
    }

    fn members(&mut self, group: &str, place: &str, items: &[Node]) {
        for item in items {
            let Some(written) = item.text() else {
                self.sheet
                    .wrong_kind(item, &format!("{place}, `hosts`"), "the name of a host");
                continue;
            };
            let Some(names) = self.names(written, item.span) else {
                continue;
            };
            let origin = self.sheet.origin(item.span);
            for name in names {
                let key = self
                    .draft
                    .hosts
                    .get_key_value(name.as_str())
                    .map(|(key, _)| Arc::clone(key));
                // A name that no file defines is told once all are read.
                let key = key.unwrap_or_else(|| Arc::from(name.as_str()));
                self.draft.group(group, &origin).hosts.insert(key);
                self.pending.push(Pending {
                    span: item.span,
                    name,
                    is_group: false,
                    by: place.to_owned(),
                });
            }
        }
    }

    fn children(&mut self, group: &str, place: &str, items: &[Node]) {
        for item in items {
            let Some(name) = item.text() else {
                self.sheet
                    .wrong_kind(item, &format!("{place}, `children`"), "the name of a group");
                continue;
            };
            let origin = self.sheet.origin(item.span);
            self.draft.group(group, &origin).children.insert(Arc::from(name));
            self.pending.push(Pending {
                span: item.span,
                name: name.to_owned(),
                is_group: true,
                by: place.to_owned(),
            });
        }
    }

    fn priority(&mut self, place: &str, node: &Node) -> Option<i64> {
        let number = match node.kind {
            Kind::Uint(n) => i64::try_from(n).ok(),
            Kind::Int(n) => Some(n),
            _ => None,
        };
        let number = number.filter(|n| PRIORITIES.contains(n));
        if number.is_none() {
            let message = format!("{place}: `priority` is a number from -1000 to 1000");
            self.sheet
                .mistake(Diagnostic::error(Code::InventoryValue, node.span, message));
        }
        number
    }

    /// The settings and variables of a host, a group or all.
    fn given(&mut self, fields: &Fields<'_>, of: Of<'_>) -> Vec<Arc<Given>> {
        let mut given = Vec::new();
        for (name, (key, value)) in &fields.pairs {
            let read = match *name {
                "hosts" | "children" | "priority" => continue,
                "vars" => {
                    self.vars(value, of, &mut given);
                    continue;
                }
                name => self.setting(name, value),
            };
            match read {
                Ok(value) => given.push(self.said(key, value).given(name, Sort::Setting, of.layer, of.group)),
                Err(Misread::Kind(expected)) => {
                    self.sheet
                        .wrong_kind(value, &format!("{}, `{name}`", of.place), expected);
                }
                Err(Misread::Name(bad)) => {
                    let shown = value.text().map(quoted).unwrap_or_default();
                    let message = format!("{}: `{name}` {shown} {}", of.place, bad.why);
                    self.sheet.error(Code::InventoryName, value.span, message, bad.help);
                }
                Err(Misread::Value(why, help)) => {
                    let message = format!("{}: {why}", of.place);
                    self.sheet.error(Code::InventoryValue, value.span, message, help);
                }
            }
        }
        given
    }

    fn said(&self, key: &Node, value: Value) -> Said {
        Said {
            content: Content::Value(value),
            raw: None,
            origin: self.sheet.origin(key.span),
        }
    }

    fn vars(&mut self, node: &Node, of: Of<'_>, given: &mut Vec<Arc<Given>>) {
        if node.kind == Kind::Null {
            return;
        }
        let place = format!("{}, `vars`", of.place);
        let Some(fields) = self.sheet.fields(node, &place, None) else {
            return;
        };
        for (name, (key, value)) in &fields.pairs {
            if !is_name(name) {
                let message = format!("{place}: {} is no name of a variable", quoted(name));
                let help = "a name has letters, digits and `_`, and does not begin with a digit";
                self.sheet.error(Code::InventoryName, key.span, message, help);
                continue;
            }
            if name.starts_with("ansible_") {
                let message = format!("{place}: {} is a variable of Ansible's", quoted(name));
                let help = "how a host is reached is a setting beside `vars`: `user`, `port`, `key`, `jump`, `sudo`";
                self.sheet.error(Code::InventoryName, key.span, message, help);
                continue;
            }
            given.push(self.said(key, value.json()).given(name, Sort::Var, of.layer, of.group));
        }
    }

    fn setting(&self, name: &str, node: &Node) -> Result<Value, Misread> {
        let text = || node.text().ok_or(Misread::Kind("text"));
        match name {
            "port" => match node.kind {
                Kind::Uint(port) if (1..=65535).contains(&port) => Ok(Value::from(port)),
                Kind::Uint(_) | Kind::Int(_) => Err(Misread::Value(
                    "`port` is a number from 1 to 65535".to_owned(),
                    "as `port: 2222`",
                )),
                _ => Err(Misread::Kind("a number")),
            },
            "sudo" => match node.kind {
                Kind::Bool(sudo) => Ok(Value::Bool(sudo)),
                _ => Err(Misread::Kind("`true` or `false`")),
            },
            "jump" => {
                let written = match &node.kind {
                    Kind::List(items) => {
                        let items: Option<Vec<&str>> = items.iter().map(Node::text).collect();
                        items.ok_or(Misread::Kind("a list of hosts"))?.join(",")
                    }
                    _ => text()?.to_owned(),
                };
                hops(&written)?;
                Ok(Value::from(written))
            }
            "address" => {
                name::address(text()?)?;
                Ok(Value::from(text()?))
            }
            "user" => {
                name::user(text()?)?;
                Ok(Value::from(text()?))
            }
            "connection" => connection(text()?),
            // A file: `key`, `ssh_config`, `control_path`.
            file => self.path(text()?, file == "control_path"),
        }
    }

    /// A path: what begins with neither `/` nor `~/` begins at the folder of the inventory.
    fn path(&self, text: &str, tokens: bool) -> Result<Value, Misread> {
        name::path(text, tokens)?;
        Ok(match text.starts_with("~/") {
            true => Value::from(text),
            false => Value::from(self.folder.join(text).to_string_lossy().into_owned()),
        })
    }
}

/// Reads how a host is reached at all.
fn connection(text: &str) -> Result<Value, Misread> {
    match text.split_once(':') {
        None if matches!(text, "ssh" | "local") => Ok(Value::from(text)),
        Some(("simulated", world)) if !world.is_empty() && !world.contains(char::is_control) => Ok(Value::from(text)),
        _ => Err(Misread::Value(
            format!("`connection` {} is not known", quoted(text)),
            "it is `ssh`, `local` or `simulated:infected`",
        )),
    }
}

enum Misread {
    Kind(&'static str),
    Name(BadName),
    Value(String, &'static str),
}

impl From<BadName> for Misread {
    fn from(bad: BadName) -> Misread {
        Misread::Name(bad)
    }
}
