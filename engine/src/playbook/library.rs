//! The library: files that come with the modules, for every playbook to include or to name.

use super::check::Sources;
use crate::diagnostic::{quoted, suggest};

/// Files that come with the modules, by path. The name of a file of steps ends in its version, as `look-1.yml` does: what a
/// playbook includes goes on to do the same, and steps that do something else get the next number.
#[derive(Debug, Clone, Copy, Default)]
pub struct Library(&'static [(&'static str, &'static str)]);

impl Library {
    /// What a playbook writes before the path of one.
    pub const MARK: &str = "deminer:";

    /// Of these paths and texts.
    pub const fn new(files: &'static [(&'static str, &'static str)]) -> Library {
        Library(files)
    }

    /// The text of a file; `None` where there is none of that path.
    pub fn find(self, path: &str) -> Option<&'static str> {
        self.0.iter().find(|(known, _)| *known == path).map(|(_, text)| *text)
    }

    /// All files, by path in the order of the list, each with what its `help` or the first line of its comment says.
    pub fn iter(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.0.iter().map(|(path, text)| {
            let mut lines = text.lines();
            let help = lines.clone().find_map(|line| line.strip_prefix("help: "));
            let comment = || lines.find_map(|line| line.strip_prefix("# ").filter(|said| !said.starts_with("yaml-")));
            (*path, help.or_else(comment).unwrap_or_default())
        })
    }
}

/// Where files come from: beside a playbook, or out of the library. A plan holds those of the library too, and they are
/// taken as it has them.
pub(super) struct Shelves<'s> {
    pub(super) beside: &'s dyn Sources,
    pub(super) shelf: Library,
}

impl Shelves<'_> {
    /// The content of a file; `None` where neither has it.
    pub(super) fn load(&self, path: &str) -> Option<String> {
        let shelved = || self.shelf.find(path.strip_prefix(Library::MARK)?).map(str::to_owned);
        self.beside.load(path).or_else(shelved)
    }

    /// Why a file could not be had, and what to do; `beside` says where it is looked for where it is none of the library's.
    pub(super) fn missing(&self, path: &str, beside: &str) -> (String, String) {
        let Some(name) = path.strip_prefix(Library::MARK) else {
            return (format!("the file {} cannot be read", quoted(path)), beside.to_owned());
        };
        let known = self.shelf.0.iter().map(|(known, _)| *known);
        let help = suggest(name, known).unwrap_or_else(|| "it is empty".to_owned());
        (format!("the library has no {}", quoted(name)), help)
    }
}

/// A path in the file `from`, relative to the playbook's folder; one of the library's is the same everywhere.
pub(super) fn joined(from: Option<&str>, file: &str) -> String {
    match from.and_then(|from| from.rsplit_once('/')) {
        Some((folder, _)) if !file.starts_with(Library::MARK) => format!("{folder}/{file}"),
        _ => file.to_owned(),
    }
}
