//! The files of an inventory: which there are, and what form each has.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indexmap::IndexSet;
use serde_json::Value;

use super::ansible::{self, Beside, VAULT};
use super::draft::Draft;
use super::given::Origin;
use super::native::{self, Pending};
use super::resolve::resolve;
use super::sheet::{Mistakes, Sheet};
use super::{Inventory, Site};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, quoted, suggest};
use crate::playbook::node::{Form, Kind, Node, read_as};

/// The longest file.
const MOST_BYTES: u64 = 32 << 20;
/// Folders of inventories nest at most so deep, and have at most so many files.
const DEEPEST: usize = 8;
const MOST_FILES: usize = 10_000;
/// How long the runs of one program may take together, where the site says nothing else.
pub(super) const PROGRAM: Duration = Duration::from_secs(60);
/// The ends of names that a folder of inventories passes over, as Ansible does (`INVENTORY_IGNORE_EXTS`).
const PASSED_OVER: [&str; 12] = [
    ".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry",
];

/// Reads files and folders, one over the other: what a later one says counts more.
pub(super) fn load(paths: &[PathBuf], site: &Site) -> Result<Inventory, Diagnostics> {
    let nowhere = Origin {
        file: "".into(),
        line: None,
    };
    let mut loader = Loader {
        site,
        draft: Draft::new(&nowhere),
        mistakes: Mistakes::default(),
        open: Vec::new(),
        beside: IndexSet::new(),
        files: 0,
    };
    for path in paths {
        loader.source(path, 0);
    }
    let name = paths
        .first()
        .map_or_else(|| "inventory".to_owned(), |path| path.display().to_string());
    loader.finish(&name)
}

struct Loader<'s> {
    site: &'s Site,
    draft: Draft,
    mistakes: Mistakes,
    /// Files of our own whose names of members are not looked up yet.
    open: Vec<(Sheet, Vec<Pending>)>,
    /// The folders whose `group_vars` and `host_vars` are read.
    beside: IndexSet<PathBuf>,
    files: usize,
}

/// What a file is.
enum Format {
    /// An inventory of our own.
    Native,
    /// Ansible's YAML; also JSON.
    Yaml(Node),
    /// Ansible's INI.
    Ini,
    /// The answer of an inventory program, kept in a file.
    Listed,
}

impl Loader<'_> {
    fn source(&mut self, path: &Path, depth: usize) {
        let shown = path.display().to_string();
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                if depth == 0 {
                    self.beside.insert(path.to_path_buf());
                }
                self.folder(path, depth);
            }
            Ok(found) => {
                self.files += 1;
                if self.files > MOST_FILES {
                    let message = format!("more than {MOST_FILES} files");
                    self.mistakes
                        .unplaced(Code::InventorySize, message, "name the inventory itself");
                    return;
                }
                self.file(path, &shown, &found, depth == 0);
            }
            Err(error) => {
                let message = format!("the inventory {} cannot be read: {error}", quoted(&shown));
                self.mistakes
                    .unplaced(Code::InventoryFile, message, "`-i` names a file or a folder");
            }
        }
    }

    fn folder(&mut self, path: &Path, depth: usize) {
        let shown = path.display().to_string();
        if depth >= DEEPEST {
            let message = format!("{}: folders nest too deeply", quoted(&shown));
            self.mistakes
                .unplaced(Code::InventorySize, message, "name the inventory itself");
            return;
        }
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => {
                let message = format!("the folder {} cannot be read: {error}", quoted(&shown));
                self.mistakes
                    .unplaced(Code::InventoryFile, message, "`-i` names a file or a folder");
                return;
            }
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_passed_over = name.starts_with('.')
                || matches!(name.as_str(), "host_vars" | "group_vars" | "vars_plugins")
                || PASSED_OVER.iter().any(|end| name.ends_with(end));
            if !is_passed_over {
                self.source(&path, depth + 1);
            }
        }
    }

    /// `at_top` where the operator named it: then the folders of variables lie beside it.
    fn file(&mut self, path: &Path, shown: &str, found: &std::fs::Metadata, at_top: bool) {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        match first_bytes(path) {
            Ok(first) if first.starts_with(b"#!") || first.starts_with(b"\x7fELF") => {
                if at_top {
                    self.beside.insert(folder);
                }
                if found.permissions().mode() & 0o111 == 0 {
                    let message = format!("the inventory {} is a program that may not be run", quoted(shown));
                    self.mistakes
                        .unplaced(Code::InventoryProgram, message, format!("chmod +x {shown}"));
                    return;
                }
                ansible::run(path, self.site.program_timeout, &mut self.draft, &mut self.mistakes);
                return;
            }
            _ => {}
        }
        let text = match read_text(path) {
            Ok(text) => text,
            Err(why) => {
                let message = format!("the inventory {} cannot be read: {why}", quoted(shown));
                self.mistakes
                    .unplaced(Code::InventoryFile, message, "`-i` names a file or a folder");
                return;
            }
        };
        let mut sheet = Sheet::new(shown, &text);
        if text.trim_start().starts_with(VAULT) {
            sheet.error(
                Code::InventoryFile,
                crate::playbook::Span::default(),
                "the inventory is encrypted by Ansible's vault",
                "decrypt it: `ansible-vault view`",
            );
            self.mistakes.take(sheet);
            return;
        }
        match format(&mut sheet, path) {
            None => self.mistakes.take(sheet),
            Some(Format::Native) => {
                let pending = native::native(&mut sheet, &mut self.draft, &folder);
                self.open.push((sheet, pending));
            }
            Some(Format::Ini) => {
                ansible::ini(&mut sheet, &mut self.draft);
                self.ansible(sheet, folder, at_top);
            }
            Some(Format::Yaml(node)) => {
                ansible::yaml(&mut sheet, &mut self.draft, &node);
                self.ansible(sheet, folder, at_top);
            }
            Some(Format::Listed) => {
                if let Ok(Value::Object(told)) = serde_json::from_str(&text) {
                    ansible::listed(&told, shown, &mut self.draft, &mut self.mistakes);
                }
                self.ansible(sheet, folder, at_top);
            }
        }
    }

    fn ansible(&mut self, sheet: Sheet, folder: PathBuf, at_top: bool) {
        self.mistakes.take(sheet);
        if at_top {
            self.beside.insert(folder);
        }
    }

    fn finish(mut self, name: &str) -> Result<Inventory, Diagnostics> {
        let mut sealed = Vec::new();
        for folder in &self.beside {
            sealed.extend(Beside::of(folder).read(&mut self.draft, &mut self.mistakes));
        }
        if !sealed.is_empty() {
            let files: Vec<String> = sealed.iter().take(12).map(|file| quoted(file)).collect();
            let message = format!(
                "{} files are encrypted by Ansible's vault and are not read: {}",
                sealed.len(),
                files.join(", ")
            );
            let help = "what they say of connections is missing; passwords are not needed";
            self.mistakes.warning(Code::InventoryFile, message, help);
        }
        for (mut sheet, pending) in std::mem::take(&mut self.open) {
            for named in pending {
                self.look_up(&mut sheet, &named);
            }
            self.mistakes.take(sheet);
        }
        if self.mistakes.is_error() {
            return Err(self.mistakes.all(name));
        }
        let Some(found) = resolve(self.draft, self.site.home.as_deref(), &mut self.mistakes) else {
            return Err(self.mistakes.all(name));
        };
        Ok(Inventory::new(found, self.mistakes.all(name)))
    }

    /// Names what a file of our own names and nobody defines.
    fn look_up(&self, sheet: &mut Sheet, named: &Pending) {
        let is_there = match named.is_group {
            true => self.draft.groups.contains_key(named.name.as_str()),
            false => self.draft.hosts.contains_key(named.name.as_str()),
        };
        if is_there {
            return;
        }
        let what = if named.is_group { "group" } else { "host" };
        let message = format!("{}: there is no {what} {}", named.by, quoted(&named.name));
        let help = match named.is_group {
            true => suggest(&named.name, self.draft.groups.keys().map(|name| &**name)),
            false => suggest(&named.name, self.draft.hosts.keys().map(|name| &**name)),
        };
        sheet.mistake(Diagnostic::error(Code::InventoryMember, named.span, message).maybe_help(help));
    }
}

/// The form of a file, by its name and its beginning; what is none is a mistake.
///
/// A name that ends in `.yml`, `.yaml` or `.json` is YAML, `.ini` is INI. Of others it is YAML where the first line that says
/// something is `---`, begins with `{` or ends with `:`. YAML with `hosts`, `groups` or `defaults` at its top, and neither
/// `all` nor `ungrouped`, is an inventory of our own; with `_meta` it is the answer of a program; else it is Ansible's.
fn format(sheet: &mut Sheet, path: &Path) -> Option<Format> {
    let end = path
        .extension()
        .and_then(|end| end.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let start = crate::playbook::Span::default();
    let is_yaml = match end.as_str() {
        "yml" | "yaml" | "json" => true,
        "ini" => false,
        "toml" => {
            sheet.error(
                Code::InventoryFile,
                start,
                "an inventory in TOML is not read",
                "write it as YAML or INI",
            );
            return None;
        }
        _ => {
            let mut lines = sheet.text.lines().map(str::trim);
            let first = lines.find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
            first.is_some_and(|line| {
                line == "---" || line.starts_with('{') || (line.ends_with(':') && !line.starts_with('['))
            })
        }
    };
    if !is_yaml {
        return Some(Format::Ini);
    }
    // Only the keys at the top are needed; what is wrong is said by whoever reads it for good.
    let node = match read_as(&sheet.text, &Form::ANSIBLE) {
        Ok(node) => node,
        Err(mistake) => {
            sheet.mistake(mistake);
            return None;
        }
    };
    let pairs = match &node.kind {
        Kind::Map(pairs) => pairs,
        Kind::Null => {
            let help = "an inventory has `hosts:`, and perhaps `groups:` and `defaults:`";
            sheet.error(Code::InventoryFile, start, "the file holds no inventory", help);
            return None;
        }
        _ => {
            sheet.wrong_kind(&node, "the inventory", "a map");
            return None;
        }
    };
    let has = |name: &str| {
        pairs
            .iter()
            .find(|(key, _)| key.text() == Some(name))
            .map(|(key, _)| key.span)
    };
    if let Some(span) = has("plugin") {
        let help = "keep its answer: `ansible-inventory -i FILE --list > hosts.json`, then `-i hosts.json`";
        sheet.error(
            Code::InventoryFile,
            span,
            "it configures a plugin of Ansible, which is not run",
            help,
        );
        return None;
    }
    if let Some(span) = has("playbook") {
        sheet.error(
            Code::InventoryFile,
            span,
            "it is a playbook and no inventory",
            "`-i` names the inventory",
        );
        return None;
    }
    let is_listed = has("_meta").is_some();
    let is_ansible = has("all").is_some() || has("ungrouped").is_some();
    let is_native = !is_ansible && native::KEYS.iter().any(|key| has(key).is_some());
    Some(match (is_listed, is_native) {
        (true, _) => Format::Listed,
        (false, true) => Format::Native,
        (false, false) => Format::Yaml(node),
    })
}

fn first_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut first = Vec::new();
    if std::fs::metadata(path)?.is_file() {
        File::open(path)?.take(4).read_to_end(&mut first)?;
    }
    Ok(first)
}

/// The text of a file, as far as it is an ordinary one of a bearable length.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let found = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is no ordinary file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n > MOST_BYTES) {
        return Err(format!("it is longer than {MOST_BYTES} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
