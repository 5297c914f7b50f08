//! Snapshots in the form of insta, so that `cargo insta review` shows them: a head, three hyphens, the text.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use deminer_engine::case::{Shot, name_of};

use super::Wrong;

/// The folder beside the tests.
const FOLDER: &str = "snapshots";

/// Where a snapshot is kept, and what its head says.
pub(super) struct File {
    path: PathBuf,
    source: String,
    expression: String,
    shot: Shot,
}

/// What came of comparing.
pub(super) enum Held {
    Same,
    Written,
    Differs(Wrong),
}

impl File {
    /// Of a case: `snapshots/linux-miner__found-and-removed.plan.snap`.
    pub(super) fn of(tests: &Path, case: &str, shot: Shot) -> File {
        let source = tests.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = source.strip_suffix(super::END).unwrap_or(&source);
        let name = format!("{stem}__{}.{}.snap", name_of(case), shot.word());
        File {
            path: tests.parent().unwrap_or(Path::new("")).join(FOLDER).join(name),
            expression: format!("{} of {case}", shot.word()),
            source,
            shot,
        }
    }

    pub(super) fn shown(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// What waits for somebody to accept it.
    fn waiting(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        name.into()
    }
}

/// Compares, and writes what is new beside the old one, or over it.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn hold(file: &File, text: &str, accept: bool) -> io::Result<Held> {
    let is = text.trim_end();
    let was = match fs::read_to_string(&file.path) {
        Ok(whole) => Some(content(&whole).trim_end().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let new = file.waiting();
    if was.as_deref() == Some(is) {
        return gone(&new).map(|()| Held::Same);
    }
    let whole = format!(
        "---\nsource: {}\nexpression: {}\n---\n{is}\n",
        file.source,
        quoted(&file.expression)
    );
    if let Some(folder) = file.path.parent() {
        fs::create_dir_all(folder)?;
    }
    if accept {
        fs::write(&file.path, whole)?;
        return gone(&new).map(|()| Held::Written);
    }
    fs::write(&new, whole)?;
    Ok(Held::Differs(Wrong::Differs {
        shot: file.shot.word(),
        file: file.shown(),
        was,
        is: is.to_owned(),
    }))
}

fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Behind the head.
fn content(whole: &str) -> &str {
    let Some(rest) = whole.strip_prefix("---\n") else {
        return whole;
    };
    rest.split_once("\n---\n").map_or(rest, |(_, content)| content)
}

/// As a YAML scalar.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        let rows = [
            ("found and removed", "found-and-removed"),
            ("Two hosts: one, two!", "two-hosts-one-two"),
            ("../../etc", "etc"),
            ("感染", "感染"),
        ];
        for (name, expected) in rows {
            assert_eq!(name_of(name), expected);
        }
        let file = File::of(Path::new("p/x.test.yml"), "a b", Shot::Plan);
        assert_eq!(file.shown(), "p/snapshots/x__a-b.plan.snap");
    }

    #[test]
    fn a_head_is_not_compared() {
        assert_eq!(
            content("---\nsource: x\nexpression: y\n---\none\n---\ntwo\n"),
            "one\n---\ntwo\n"
        );
        assert_eq!(content("one"), "one");
    }
}
