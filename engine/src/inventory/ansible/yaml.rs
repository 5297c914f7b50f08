//! Ansible's YAML inventories (docs.ansible.com, the `yaml` inventory plugin).

use std::sync::Arc;

use super::ini::hosts_of;
use super::value::of_node;
use crate::diagnostic::{Code, Diagnostic, quoted, suggest};
use crate::inventory::draft::Draft;
use crate::inventory::name;
use crate::inventory::sheet::Sheet;
use crate::playbook::node::{Kind, Node};

const GROUP_KEYS: [&str; 3] = ["hosts", "children", "vars"];

/// Groups nest at most so deep in one file.
const DEEPEST: usize = 16;

/// Reads a YAML inventory into the draft.
pub(in crate::inventory) fn yaml(sheet: &mut Sheet, draft: &mut Draft, node: &Node) {
    let mut reader = Reader { sheet, draft };
    for (key, value) in reader.pairs(node, "the inventory") {
        reader.group(key, value, None, 0);
    }
}

struct Reader<'r> {
    sheet: &'r mut Sheet,
    draft: &'r mut Draft,
}

impl Reader<'_> {
    /// The pairs of a map; nothing is none, and a text alone is a key, as Ansible has it.
    fn pairs<'n>(&mut self, node: &'n Node, place: &str) -> Vec<(&'n Node, Option<&'n Node>)> {
        match &node.kind {
            Kind::Map(pairs) => pairs
                .iter()
                .map(|(key, value)| (key, (value.kind != Kind::Null).then_some(value)))
                .collect(),
            Kind::Text(_) => vec![(node, None)],
            Kind::Null => Vec::new(),
            _ => {
                self.sheet.wrong_kind(node, place, "a map");
                Vec::new()
            }
        }
    }

    fn text<'n>(&mut self, key: &'n Node, place: &str) -> Option<&'n str> {
        if key.text().is_none() {
            let message = format!("{place}: a key is {}", key.kind.name());
            self.sheet
                .error(Code::InventoryKind, key.span, message, "put it in quotes");
        }
        key.text()
    }

    fn group(&mut self, key: &Node, value: Option<&Node>, parent: Option<&str>, depth: usize) {
        let Some(name) = self.text(key, "a group") else {
            return;
        };
        if let Err(bad) = name::group(name) {
            self.sheet.bad_name(key.span, "group", name, &bad);
            return;
        }
        if depth > DEEPEST {
            self.sheet.error(
                Code::InventorySize,
                key.span,
                "groups nest too deeply",
                "list them beside each other",
            );
            return;
        }
        let origin = self.sheet.origin(key.span);
        self.draft.group(name, &origin);
        if let Some(parent) = parent {
            self.draft.group(parent, &origin).children.insert(Arc::from(name));
        }
        let Some(value) = value else { return };
        let place = format!("group {}", quoted(name));
        let Kind::Map(sections) = &value.kind else {
            self.sheet
                .wrong_kind(value, &place, "a map of `hosts`, `children` and `vars`");
            return;
        };
        for (section, value) in sections {
            let Some(word) = self.text(section, &place) else {
                continue;
            };
            let below = format!("{place}, `{word}`");
            match word {
                "hosts" => {
                    for (host, vars) in self.pairs(value, &below) {
                        self.host(name, host, vars);
                    }
                }
                "children" => {
                    for (child, value) in self.pairs(value, &below) {
                        self.group(child, value, Some(name), depth + 1);
                    }
                }
                "vars" => {
                    for (var, value) in self.pairs(value, &below) {
                        let Some(var_name) = self.text(var, &below) else {
                            continue;
                        };
                        let nothing = Node {
                            kind: Kind::Null,
                            span: var.span,
                        };
                        let said = of_node(self.sheet, var, value.unwrap_or(&nothing));
                        self.draft.group_var(name, var_name, said, false);
                    }
                }
                other => {
                    let message = format!("{place}: unknown key {}", quoted(other));
                    let help = match suggest(other, GROUP_KEYS) {
                        Some(near) if near.starts_with("did you mean") => near,
                        _ => "a group has `hosts`, `children` and `vars`; an inventory of Deminer's own has `hosts`, \
                              `groups` and `defaults` at its top"
                            .to_owned(),
                    };
                    self.sheet
                        .mistake(Diagnostic::error(Code::InventoryKey, section.span, message).help(help));
                }
            }
        }
    }

    fn host(&mut self, group: &str, key: &Node, vars: Option<&Node>) {
        let Some(pattern) = self.text(key, "a host") else {
            return;
        };
        let Some((names, port)) = hosts_of(self.sheet, pattern, key.span) else {
            return;
        };
        let place = format!("host {}", quoted(pattern));
        let mut given = Vec::new();
        match vars.map(|vars| (&vars.kind, vars)) {
            None => {}
            Some((Kind::Map(pairs), _)) => {
                for (name, value) in pairs {
                    if let Some(text) = self.text(name, &place) {
                        given.push((text, of_node(self.sheet, name, value)));
                    }
                }
            }
            Some((_, node)) => self.sheet.wrong_kind(node, &place, "a map of variables"),
        }
        let origin = self.sheet.origin(key.span);
        for host in names {
            let is_new = !self.draft.hosts.contains_key(host.as_str());
            self.draft.member(group, &host, &origin);
            if let Some(port) = port
                && is_new
            {
                let said = super::value::of_text(&port.to_string(), origin.clone());
                self.draft.host_var(&host, "ansible_port", said, false);
            }
            for (name, said) in &given {
                self.draft.host_var(&host, name, said.clone(), false);
            }
        }
    }
}
