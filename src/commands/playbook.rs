//! Finding a playbook: a file, or one of those that are shipped inside the command.

use std::path::{Path, PathBuf};

use deminer_engine::diagnostic::Diagnostics;
use deminer_engine::playbook::{CheckedPlaybook, Library, Sources, check};
use deminer_modules::library::LIBRARY;

use super::{Desk, Trouble};
use crate::exit::Exit;

/// The playbooks that work from anywhere, by name.
const SHIPPED: [(&str, &str); 6] = [
    ("linux-miner", include_str!("../../playbooks/linux-miner.yml")),
    ("triage", include_str!("../../playbooks/triage.yml")),
    ("users", include_str!("../../playbooks/users.yml")),
    ("persistence", include_str!("../../playbooks/persistence.yml")),
    ("quiet", include_str!("../../playbooks/quiet.yml")),
    ("contain", include_str!("../../playbooks/contain.yml")),
];

/// A playbook's text and where it is from.
pub(crate) struct Found {
    /// What messages call it.
    pub(crate) file: String,
    pub(crate) text: String,
    folder: Option<PathBuf>,
}

impl Found {
    /// Where it lies; `None` of a shipped one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }
}

/// A playbook is at most so many bytes; they are small.
const PLAYBOOK_BYTES: u64 = 4 << 20;

struct Shipped;

struct Folder(PathBuf);

/// Files by path, as a plan holds them.
pub(crate) struct Held<'a>(pub(crate) &'a std::collections::BTreeMap<String, deminer_engine::plan::ResourceRef>);

impl Sources for Shipped {
    fn load(&self, path: &str) -> Option<String> {
        LIBRARY.find(path).map(str::to_owned)
    }
}

impl Sources for Folder {
    fn load(&self, path: &str) -> Option<String> {
        // Nobody's file passes for one of the library.
        let beside = !path.starts_with(Library::MARK);
        beside.then(|| read_bounded(&self.0.join(path), PLAYBOOK_BYTES).ok())?
    }
}

impl Sources for Held<'_> {
    fn load(&self, path: &str) -> Option<String> {
        String::from_utf8(self.0.get(path)?.text.as_bytes().to_vec()).ok()
    }
}

/// A file's text, where it is no longer than that.
pub(crate) fn read_bounded(path: &Path, bytes: u64) -> std::io::Result<String> {
    use std::io::{Error, ErrorKind, Read};
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(bytes + 1).read_to_string(&mut text)?;
    match read as u64 > bytes {
        true => Err(Error::new(
            ErrorKind::FileTooLarge,
            format!("longer than {bytes} bytes"),
        )),
        false => Ok(text),
    }
}

/// Whether a playbook of that name works from anywhere.
pub(crate) fn is_shipped(name: &str) -> bool {
    SHIPPED.iter().any(|(shipped, _)| *shipped == name)
}

/// The playbook of that name: a file if there is one, else a shipped one.
///
/// # Errors
/// When there is neither.
pub(crate) fn find(name: &str) -> anyhow::Result<Found> {
    let path = Path::new(name);
    if path.is_file() {
        let text = read_bounded(path, PLAYBOOK_BYTES).map_err(|error| {
            Trouble::new(
                Exit::Usage,
                format!("{name}: {error}"),
                Some("a playbook is a YAML file in UTF-8".to_owned()),
            )
        })?;
        let folder = path.parent().map(Path::to_path_buf);
        return Ok(Found {
            file: name.to_owned(),
            text,
            folder,
        });
    }
    match SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        Some((shipped, text)) => Ok(Found {
            file: format!("{shipped}.yml"),
            text: (*text).to_owned(),
            folder: None,
        }),
        None => {
            if path.is_dir() {
                let hint = format!("name its files: {name}/*.yml");
                return Err(Trouble::new(Exit::Usage, format!("{name} is a folder"), Some(hint)).into());
            }
            let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
            let what = format!("no playbook `{name}`: no such file, and none of that name is shipped");
            Err(Trouble::new(Exit::Usage, what, Some(format!("shipped are: {}", names.join(", ")))).into())
        }
    }
}

/// Checks a playbook; touches no host.
///
/// # Errors
/// All mistakes.
pub(crate) fn checked(desk: &Desk, found: &Found) -> Result<CheckedPlaybook, Diagnostics> {
    let sources: Box<dyn Sources> = match &found.folder {
        Some(folder) => Box::new(Folder(folder.clone())),
        None => Box::new(Shipped),
    };
    check(&found.file, &found.text, &desk.registry, sources.as_ref())
}

/// A trouble out of mistakes: they are said whole.
pub(crate) fn mistaken(mistakes: &Diagnostics) -> Trouble {
    Trouble {
        is_listed: true,
        ..Trouble::new(Exit::Usage, mistakes.text().trim_end(), None)
    }
}
