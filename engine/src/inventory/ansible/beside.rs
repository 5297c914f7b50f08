//! The files of variables beside an inventory: `group_vars/` and `host_vars/` (docs.ansible.com, the `host_group_vars`
//! plugin).
//!
//! Of a group or host the first is read of `NAME`, `NAME.yml`, `NAME.yaml` and `NAME.json`; a folder stands for all its
//! files, by name.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::value::{VAULT, of_node};
use crate::diagnostic::Code;
use crate::inventory::draft::Draft;
use crate::inventory::load::read_text;
use crate::inventory::sheet::{Mistakes, Sheet};
use crate::playbook::node::{Form, Kind, read_as};

/// Folders of variables nest at most so deep.
const DEEPEST: usize = 8;

/// The two folders, as far as they are there.
pub(in crate::inventory) struct Beside {
    groups: BTreeMap<OsString, PathBuf>,
    hosts: BTreeMap<OsString, PathBuf>,
}

/// What a variable of a file belongs to.
#[derive(Clone, Copy)]
enum Whose {
    Group,
    Host,
}

impl Beside {
    /// Those of a folder.
    pub(in crate::inventory) fn of(folder: &Path) -> Beside {
        let entries = |name: &str| {
            let entries = std::fs::read_dir(folder.join(name)).into_iter().flatten().flatten();
            entries.map(|entry| (entry.file_name(), entry.path())).collect()
        };
        Beside {
            groups: entries("group_vars"),
            hosts: entries("host_vars"),
        }
    }

    /// Reads the variables of all hosts and groups of the draft; gives the files that are encrypted.
    pub(in crate::inventory) fn read(&self, draft: &mut Draft, mistakes: &mut Mistakes) -> Vec<String> {
        let mut sealed = Vec::new();
        if !self.groups.is_empty() {
            let names: Vec<Arc<str>> = draft.groups.keys().cloned().collect();
            for name in names {
                read_all(&self.groups, Whose::Group, &name, draft, mistakes, &mut sealed);
            }
        }
        if !self.hosts.is_empty() {
            let names: Vec<Arc<str>> = draft.hosts.keys().cloned().collect();
            for name in names {
                read_all(&self.hosts, Whose::Host, &name, draft, mistakes, &mut sealed);
            }
        }
        sealed
    }
}

fn read_all(
    there: &BTreeMap<OsString, PathBuf>,
    whose: Whose,
    name: &str,
    draft: &mut Draft,
    mistakes: &mut Mistakes,
    sealed: &mut Vec<String>,
) {
    let candidates = ["", ".yml", ".yaml", ".json"].map(|end| OsString::from(format!("{name}{end}")));
    let Some(path) = candidates.iter().find_map(|candidate| there.get(candidate)) else {
        return;
    };
    let mut files = Vec::new();
    match path.is_dir() {
        true => below(path, 0, &mut files),
        false => files.push(path.clone()),
    }
    for file in files {
        let shown = file.display().to_string();
        match read_text(&file) {
            Ok(text) if text.trim_start().starts_with(VAULT) => sealed.push(shown),
            Ok(text) => mistakes.take(vars(Sheet::new(&shown, &text), whose, name, draft)),
            Err(why) => mistakes.unplaced(
                Code::InventoryFile,
                format!("`{shown}`: {why}"),
                "make it a file of UTF-8 that can be read, or take it away",
            ),
        }
    }
}

fn vars(mut sheet: Sheet, whose: Whose, name: &str, draft: &mut Draft) -> Sheet {
    let text = Arc::clone(&sheet.text);
    let node = match read_as(&text, &Form::ANSIBLE) {
        Ok(node) => node,
        Err(mistake) => {
            sheet.mistake(mistake);
            return sheet;
        }
    };
    let pairs = match &node.kind {
        Kind::Map(pairs) => pairs,
        Kind::Null => return sheet,
        _ => {
            sheet.wrong_kind(&node, "a file of variables", "a map");
            return sheet;
        }
    };
    for (key, value) in pairs {
        let Some(var) = key.text() else {
            sheet.wrong_kind(key, "a file of variables", "a name");
            continue;
        };
        let said = of_node(&sheet, key, value);
        match whose {
            Whose::Group => draft.group_var(name, var, said, true),
            Whose::Host => draft.host_var(name, var, said, true),
        }
    }
    sheet
}

/// The files of a folder and those below it, by name; hidden ones, backups and other kinds are passed over.
fn below(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    if depth > DEEPEST {
        return;
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let end = path.extension().map(|end| end.to_string_lossy().into_owned());
        match path.is_dir() {
            true if end.is_none() => below(&path, depth + 1, files),
            true => {}
            false => {
                if end.is_none_or(|end| matches!(end.as_str(), "yml" | "yaml" | "json")) {
                    files.push(path);
                }
            }
        }
    }
}
