//! Files of steps that a playbook includes: found, read, each once.
//!
//! A path is relative to the file that names it and leads below it, or is one of the [library](super::Library);
//! [`Sources`](super::Sources) is asked for it relative to the playbook's folder.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::library::{Shelves, joined};
use super::parse::{ParsedPart, parse_part};
use super::{Body, OnError, Placed, Playbook, Step, Var};
use crate::diagnostic::{Code, Diagnostic, Texts, quoted};

/// The files that a playbook may include, all together.
const FILES: usize = 64;

/// A file that is included, as it was read.
pub(super) struct Part {
    pub(super) text: Arc<str>,
    pub(super) vars: IndexMap<String, Var>,
    pub(super) untyped: HashSet<String>,
    pub(super) steps: Vec<Step>,
    /// Whether its variables and steps could be read at all.
    pub(super) is_read: bool,
}

/// All files that a playbook includes, by their path below its folder.
#[derive(Default)]
pub(super) struct Parts {
    by_path: BTreeMap<String, Part>,
    /// In the order met.
    order: Vec<String>,
    /// Whether one could not be read: then steps that nobody knows may stand in it.
    pub(super) lacking: bool,
}

impl Parts {
    /// The file that `file` means where it stands in `from`; `None` where it could not be read, which is told.
    pub(super) fn find(&self, from: Option<&str>, file: &str) -> Option<(&str, &Part)> {
        let (path, part) = self.by_path.get_key_value(&joined(from, file))?;
        Some((path, part))
    }

    /// Each with its path, in the order met.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Part)> {
        self.order
            .iter()
            .filter_map(|path| Some((path.as_str(), self.by_path.get(path)?)))
    }
}

/// Reads every file that the playbook includes, and those that they include. Texts and mistakes are added to.
pub(super) fn parts(
    playbook: &Playbook,
    sources: &Shelves<'_>,
    texts: &mut Texts,
    mistakes: &mut Vec<Diagnostic>,
) -> Parts {
    let mut parts = Parts::default();
    let mut met: HashSet<String> = HashSet::new();
    let mut named: Vec<(Option<String>, Placed<String>)> = Vec::new();
    for phase in playbook.phases.values() {
        includes(&phase.steps, None, &mut named);
    }
    named.reverse();
    // A stack: what a file includes comes right behind it.
    while let Some((from, file)) = named.pop() {
        if !is_plain(&file.value) {
            let message = format!("`include`: {} is no path below this file", quoted(&file.value));
            let help = "it is relative to the folder of this file and does not leave it: `parts/look.yml`";
            parts.lacking = true;
            mistakes.push(Diagnostic::error(Code::ResourcePath, file.span, message).help(help));
            continue;
        }
        let path = joined(from.as_deref(), &file.value);
        if !met.insert(path.clone()) {
            continue;
        }
        if met.len() > FILES {
            let message = format!("more than {FILES} files are included");
            parts.lacking = true;
            mistakes.push(Diagnostic::error(Code::IncludeTooMuch, file.span, message));
            break;
        }
        let Some(text) = sources.load(&path) else {
            let beside = "it is looked for beside the file that names it, as UTF-8 text";
            let (why, help) = sources.missing(&path, beside);
            let message = format!("`include`: {why}");
            parts.lacking = true;
            mistakes.push(Diagnostic::error(Code::ResourceMissing, file.span, message).help(help));
            continue;
        };
        let start = texts.add(&called(&playbook.file, &path), &text, file.span);
        let ParsedPart {
            vars,
            steps,
            mistakes: mut told,
            untyped,
            is_read,
        } = parse_part(&path, texts.all(), start);
        mistakes.append(&mut told);
        let behind = named.len();
        includes(&steps, Some(&path), &mut named);
        named[behind..].reverse();
        parts.lacking |= !is_read;
        let part = Part {
            text: Arc::from(text),
            vars,
            untyped,
            steps,
            is_read,
        };
        parts.order.push(path.clone());
        parts.by_path.insert(path, part);
    }
    parts
}

fn includes(steps: &[Step], from: Option<&str>, into: &mut Vec<(Option<String>, Placed<String>)>) {
    for step in steps {
        if let Body::Include { file, .. } = &step.body {
            into.push((from.map(str::to_owned), file.clone()));
        }
        if let OnError::Steps(steps) = &step.on_error.value {
            includes(steps, from, into);
        }
    }
}

/// Whether it is a path below the folder of the file in which it stands.
pub(super) fn is_plain(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.split('/').all(plain) && !path.contains('\\') && !path.chars().any(char::is_control)
}

/// What mistakes call a file: beside the playbook as they call that.
pub(super) fn called(playbook: &str, path: &str) -> String {
    joined(Some(playbook), path)
}
