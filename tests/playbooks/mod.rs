//! The playbooks of this repository, the right ones and the wrong ones, and the two that judge them; the same of the
//! environments and the files of tests that lie beside playbooks.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use deminer_engine::authored::Authored;
use deminer_engine::case::TestFile;
use deminer_engine::diagnostic::Diagnostics;
use deminer_engine::environment::Environment;
use deminer_engine::module::Registry;
use deminer_engine::playbook::{CheckedPlaybook, Sources, check};
use deminer_engine::policy::{Leave, Policy};
use jsonschema::Validator;
use serde_json::Value;

/// A wrong file. Its first line says how it is wrong: `# P0102 schema: a module that is not there`.
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
    wrong_in("tests/wrong")
}

fn wrong_in(folder: &str) -> Vec<Wrong> {
    files(folder).into_iter().map(|path| one(&path)).collect()
}

/// What lies beside a playbook: where the right and the wrong ones are, and who reads them.
pub(crate) struct Beside {
    pub(crate) what: Authored,
    /// `environment`: as `deminer schema` takes it, and the schema's file is called.
    pub(crate) name: &'static str,
    wrong: &'static str,
    right: &'static [&'static str],
    /// What the reader says of a file and its text.
    pub(crate) read: fn(&str, &str) -> Result<(), Diagnostics>,
}

/// Both kinds.
pub(crate) const BESIDE: [Beside; 2] = [
    Beside {
        what: Authored::Environment,
        name: "environment",
        wrong: "tests/wrong/envs",
        right: &["examples/envs", "playbooks/envs", "tests/right/envs"],
        read: environment,
    },
    Beside {
        what: Authored::Test,
        name: "test",
        wrong: "tests/wrong/cases",
        right: &["playbooks", "tests/right"],
        read: |file, text| TestFile::read(file, text).map(drop),
    },
];

impl Beside {
    /// The wrong ones.
    pub(crate) fn wrong(&self) -> Vec<Wrong> {
        wrong_in(self.wrong)
    }

    /// The right ones: file and text.
    pub(crate) fn right(&self) -> Vec<(String, String)> {
        let all = self.right.iter().flat_map(|folder| files(folder)).map(|path| {
            let text = std::fs::read_to_string(&path).expect("a file");
            (path.to_string_lossy().into_owned(), text)
        });
        all.filter(|(_, text)| Authored::of(text) == self.what).collect()
    }
}

/// The first line of a file that names its schema.
pub(crate) fn modeline(file: &str, schema: &str) -> String {
    let depth = "../".repeat(file.matches('/').count());
    format!("# yaml-language-server: $schema={depth}schema/{schema}.json\n")
}

/// Holds an environment against a playbook that its folder has.
fn environment(file: &str, text: &str) -> Result<(), Diagnostics> {
    let playbook = match file.split('/').next() {
        Some("examples") => "examples/two-places.yml",
        Some("playbooks") => "playbooks/linux-miner.yml",
        _ => "tests/right/night.yml",
    };
    let of = std::fs::read_to_string(playbook).expect("a playbook");
    let playbook = checked(playbook, &of, "").unwrap_or_else(|mistakes| panic!("{}", mistakes.text()));
    Environment::read(file, text, &playbook).map(drop)
}

/// Who holds a file against a schema.
pub(crate) fn validator(schema: &Value) -> Validator {
    jsonschema::draft7::new(schema).expect("a schema of draft 7")
}

/// What the schema has against a text.
pub(crate) fn refused(validator: &Validator, text: &str) -> Option<String> {
    // What is no YAML has no schema to be held against: an editor says so itself.
    let Ok(document) = document(text) else {
        return Some("no YAML".to_owned());
    };
    let told: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    (!told.is_empty()).then(|| told.join("\n").chars().take(2000).collect())
}

/// A text in which one value after the other is taken for others, each with its line.
pub(crate) fn changed(text: &str) -> impl Iterator<Item = (usize, String)> + '_ {
    const INSTEAD: [&str; 12] = [
        "5",
        "\"5\"",
        "-1",
        "1.5",
        "true",
        "null",
        "[]",
        "[a]",
        "{}",
        "10m",
        "x",
        "\"{{ vars.none }}\"",
    ];
    // Each line has some of them; there are enough lines.
    const STRIDE: usize = 4;
    text.lines().enumerate().flat_map(move |(at, line)| {
        // The value behind the last colon of a line.
        let parts = line.rsplit_once(": ");
        let others = INSTEAD.into_iter().skip(at % STRIDE).step_by(STRIDE);
        parts.into_iter().flat_map(move |(before, value)| {
            let end: String = value.chars().skip_while(|c| !",}]".contains(*c)).collect();
            others.clone().map(move |instead| {
                let put = format!("{before}: {instead}{end}");
                let lines = text.lines().enumerate();
                let lines: Vec<&str> = lines.map(|(n, old)| if n == at { &put } else { old }).collect();
                (at + 1, format!("{}\n", lines.join("\n")))
            })
        })
    })
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
pub(crate) fn document(text: &str) -> Result<Value, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
}
