//! What looks like a part of a miner and is none: it must come through untouched.

use crate::world::host::{Host, Seen};
use crate::world::part::Part;
use crate::world::snapshot::Object;

/// An innocent program, file or both.
#[derive(Debug, Clone, Default)]
pub(crate) struct LookAlike {
    pub(crate) name: &'static str,
    /// Must be the same objects afterwards: content, owner, mode, times, attributes and flags.
    pub(crate) files: Vec<String>,
    /// Must be the same process afterwards, and not stand still.
    pub(crate) program: Option<String>,
    /// Which of those that run it: who has this among its arguments.
    pub(crate) word: Option<String>,
}

/// A look-alike as it was at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    files: Vec<Option<Object>>,
    process: Vec<(u32, u64)>,
}

impl LookAlike {
    /// Files that are there.
    pub(crate) fn files(name: &'static str, files: &[&str]) -> LookAlike {
        LookAlike {
            name,
            files: files.iter().map(|path| (*path).to_owned()).collect(),
            program: None,
            word: None,
        }
    }

    /// Writes a program, as the person `as_user`, and starts it from a shell that ends.
    pub(crate) fn start(host: &Host<'_>, name: &'static str, path: &str, part: &Part, words: &str) -> LookAlike {
        part.write(host, path);
        host.sh(&format!("setsid --fork {path} {words} >/dev/null 2>&1 </dev/null"));
        LookAlike::running(name, path)
    }

    /// A program that runs already.
    pub(crate) fn running(name: &'static str, path: &str) -> LookAlike {
        LookAlike {
            program: Some(path.to_owned()),
            ..LookAlike::files(name, &[path])
        }
    }

    /// Another file that belongs to it.
    pub(crate) fn with(mut self, path: &str) -> LookAlike {
        self.files.push(path.to_owned());
        self
    }

    /// Only who was told this word: others run the same program.
    pub(crate) fn told(mut self, word: &str) -> LookAlike {
        self.word = Some(word.to_owned());
        self
    }

    /// How it is now.
    pub(crate) fn state(&self, host: &Host<'_>) -> State {
        let living = self.program.iter().flat_map(|exe| host.running(exe));
        let meant = |seen: &Seen| match &self.word {
            Some(word) => seen.process.argv.iter().any(|argument| argument == word.as_bytes()),
            None => true,
        };
        let living = living.filter(meant);
        let moving = living.filter(|seen| matches!(seen.process.state, 'R' | 'S' | 'D'));
        State {
            files: self.files.iter().map(|path| Object::of(&host.path(path))).collect(),
            process: moving.map(|seen| seen.process.key()).collect(),
        }
    }

    /// What is wrong with it from the beginning.
    pub(crate) fn missing(&self, host: &Host<'_>) -> Option<String> {
        let state = self.state(host);
        let whole = state.files.iter().all(Option::is_some) && (self.program.is_none() || !state.process.is_empty());
        (!whole).then(|| format!("`{}` is not there: {state:?}", self.name))
    }
}
