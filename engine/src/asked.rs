//! How a run was asked for, so that the same can be asked for again. It is no part of what is approved.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The option that names an inventory.
pub const INVENTORY: &str = "-i";

/// The option that names an environment.
pub const ENVIRONMENT: &str = "--env";

/// What a command line said that holds for a later one too; never the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Asked {
    /// The folder in which it was said, absolute: its paths are seen from there.
    pub folder: String,
    /// The playbook, a file or the name of a shipped one; `None` where the plan was made elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playbook: Option<Word>,
    /// How hosts were named, by their names in the run, where those are others: `192.0.2.1` was `root@192.0.2.1`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<String, String>,
    /// What was looked at and how, for a command that looks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looking: Vec<Choice>,
    /// What holds for each command that has the option.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub going: Vec<Choice>,
}

/// An option of a command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// As it is written: `--env`, `-i`.
    pub option: String,
    /// Its word; `None` of one that takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<Word>,
}

/// A word of a command line: a text, a path, or a path behind a text, as `token=` and `keys/token`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Empty before a path that stands alone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// As it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl Asked {
    /// The same, asked for once more with these words: each stands in the place of those of its option.
    #[must_use]
    pub fn going(mut self, said: &[Choice]) -> Asked {
        self.going
            .retain(|choice| said.iter().all(|now| now.option != choice.option));
        self.going.extend_from_slice(said);
        self
    }

    /// What its paths are to be put behind in another folder: nothing in the one in which it was said, as `None` is.
    pub fn folder_from(&self, here: Option<&Path>) -> &Path {
        let folder = Path::new(&self.folder);
        match here.is_none_or(|here| here == folder) {
            true => Path::new(""),
            false => folder,
        }
    }

    /// The same under another environment, where it was under one.
    #[must_use]
    pub fn elsewhere(mut self, environment: &str) -> Asked {
        for choice in self.looking.iter_mut().filter(|choice| choice.option == ENVIRONMENT) {
            choice.word = Some(Word::text(environment));
        }
        self
    }

    /// Where its hosts are: the inventories.
    pub fn inventories(&self) -> impl Iterator<Item = &Choice> {
        self.looking.iter().filter(|choice| choice.option == INVENTORY)
    }
}

impl Choice {
    /// An option with its word.
    pub fn of(option: &str, word: Word) -> Choice {
        Choice {
            option: option.to_owned(),
            word: Some(word),
        }
    }

    /// An option that takes no word.
    pub fn flag(option: &str) -> Choice {
        Choice {
            option: option.to_owned(),
            word: None,
        }
    }
}

impl Word {
    /// A text.
    pub fn text(text: impl Into<String>) -> Word {
        Word {
            text: text.into(),
            path: None,
        }
    }

    /// As it is to be written, with its path seen from this folder.
    pub fn written(&self, folder: &Path) -> String {
        let path = self.path.as_ref().map(|path| folder.join(path));
        format!("{}{}", self.text, path.unwrap_or_default().to_string_lossy())
    }

    /// A path.
    pub fn path(path: &Path) -> Word {
        Word::path_behind("", path)
    }

    /// A path behind a text.
    pub fn path_behind(text: &str, path: &Path) -> Word {
        Word {
            text: text.to_owned(),
            path: Some(path.to_string_lossy().into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_whole_in_another_folder() {
        let asked = Asked {
            folder: "/srv/night".to_owned(),
            ..Asked::default()
        };
        let rows = [
            (Word::text("linux-miner"), "linux-miner", "linux-miner"),
            (Word::path(Path::new("a/b.yml")), "a/b.yml", "/srv/night/a/b.yml"),
            (Word::path(Path::new("/etc/b.yml")), "/etc/b.yml", "/etc/b.yml"),
            (
                Word::path_behind("token=", Path::new("t")),
                "token=t",
                "token=/srv/night/t",
            ),
        ];
        let written = |word: &Word, here: Option<&str>| word.written(asked.folder_from(here.map(Path::new)));
        for (word, there, elsewhere) in rows {
            assert_eq!(written(&word, None), there);
            assert_eq!(written(&word, Some("/srv/night")), there);
            assert_eq!(written(&word, Some("/root")), elsewhere);
        }
    }

    #[test]
    fn what_is_said_now_stands_in_the_place_of_what_was_said() {
        let allow = |word: &str| Choice::of("--allow", Word::text(word));
        let policy = Choice::of("--policy", Word::path(Path::new("two.yml")));
        let asked = Asked {
            going: vec![allow("command.read"), policy.clone()],
            ..Asked::default()
        };
        let now = [allow("command.read"), allow("command.run")];
        let expected: Vec<Choice> = [policy].into_iter().chain(now.clone()).collect();
        assert_eq!(asked.going(&now).going, expected);
    }
}
