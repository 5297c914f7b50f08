//! The playbooks of this repository, the right ones and the wrong ones, and the two that judge them.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use deminer_engine::diagnostic::Diagnostics;
use deminer_engine::module::Registry;
use deminer_engine::playbook::{CheckedPlaybook, Sources, check};
use deminer_engine::policy::{Leave, Policy};

/// A wrong playbook. Its first line says how it is wrong: `# P0102 schema: a module that is not there`.
pub(crate) struct Wrong {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) code: String,
    /// Whether a schema can know; else only the checker does.
    pub(crate) schema_knows: bool,
}

/// All of `tests/wrong`, by name.
pub(crate) fn wrong() -> Vec<Wrong> {
    files("tests/wrong").into_iter().map(|path| one(&path)).collect()
}

fn one(path: &Path) -> Wrong {
    let text = std::fs::read_to_string(path).expect("a playbook");
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let head = text.lines().next().and_then(|line| line.strip_prefix("# "));
    let mut words = head.expect("a head").splitn(3, ' ');
    let code = words.next().unwrap_or_default().to_owned();
    let schema_knows = match words.next() {
        Some("schema:") => true,
        Some("check:") => false,
        other => panic!("{name}: who knows it? {other:?}"),
    };
    Wrong {
        name,
        file: path.to_string_lossy().into_owned(),
        text,
        code,
        schema_knows,
    }
}

/// Every playbook that is shipped or an example, and every part of one: its file, its text, whether it is a part. One whose
/// modules come from outside is left out: what those take is known only to who starts them.
pub(crate) fn right() -> Vec<(String, String, bool)> {
    let folders = ["playbooks", "examples", "examples/parts"];
    let all = folders.into_iter().flat_map(files).filter_map(|path| {
        let text = std::fs::read_to_string(&path).expect("a file");
        let has = |key: &str| text.lines().any(|line| line.starts_with(key));
        let is_part = has("steps:");
        let is_known = !text.contains("--modules ");
        (is_known && (is_part || has("playbook:"))).then(|| (path.to_string_lossy().into_owned(), text, is_part))
    });
    all.collect()
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "yml"))
        .collect();
    files.sort();
    files
}

/// All modules, everything allowed.
pub(crate) fn allowed() -> &'static Registry {
    static ALLOWED: LazyLock<Registry> =
        LazyLock::new(|| deminer_modules::registry().under(Policy::allowing(Leave::ALL)));
    &ALLOWED
}

/// What the checker says; nothing is allowed where that is what the mistake is about.
pub(crate) fn checked(file: &str, text: &str, code: &str) -> Result<CheckedPlaybook, Diagnostics> {
    let bare = (code == "P0320").then(deminer_modules::registry);
    let registry = bare.as_ref().unwrap_or_else(|| allowed());
    let folder = Path::new(file).parent().expect("a folder").to_owned();
    check(file, text, registry, &Folder(folder))
}

struct Folder(PathBuf);

impl Sources for Folder {
    fn load(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.0.join(path)).ok()
    }
}

/// A text as a schema sees it.
pub(crate) fn document(text: &str) -> Result<serde_json::Value, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
}
