//! Commands that a reader is to paste: complete, so that they mean the same runs and answer in the same language.

use std::path::{Path, PathBuf};

use deminer_engine::policy::Leave;

use super::plain::{plain, shell_word};
use super::words::Lang;

/// What was said on the command line and holds for the next command too.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Paste<'a> {
    /// Where runs are kept, where that was said.
    pub(crate) runs: Option<&'a Path>,
    /// The language, where it was said.
    pub(crate) lang: Option<Lang>,
    /// The policy, where it was named.
    pub(crate) policy: Option<&'a Path>,
    /// The folders of external modules that were named.
    pub(crate) modules: &'a [PathBuf],
}

/// The leave that such a command needs, as it is added to it; empty where it needs none.
pub(crate) fn leave(leave: Leave, needed: bool) -> String {
    match needed {
        true => format!(" --allow {leave}"),
        false => String::new(),
    }
}

/// The verbs that start external modules.
const WITH_MODULES: [&str; 7] = ["check", "plan", "run", "apply", "resume", "verify", "undo"];

/// The verbs that go by a policy.
const GOVERNED: [&str; 8] = [
    "plan", "run", "approve", "apply", "throttle", "contain", "resume", "verify",
];

impl Paste<'_> {
    /// The command with what holds for it too.
    pub(crate) fn command(&self, command: &str) -> String {
        let verb = command.split(' ').nth(1).unwrap_or_default();
        let policy = self.policy.filter(|_| GOVERNED.contains(&verb));
        let mut command = command.to_owned();
        let modules = self.modules.iter().filter(|_| WITH_MODULES.contains(&verb));
        for folder in modules {
            command.push_str(&format!(" --modules {}", shell_word(&plain(&folder.to_string_lossy()))));
        }
        if let Some(policy) = policy {
            command.push_str(&format!(" --policy {}", shell_word(&plain(&policy.to_string_lossy()))));
        }
        if let Some(runs) = self.runs {
            command.push_str(&format!(" --runs {}", shell_word(&plain(&runs.to_string_lossy()))));
        }
        if let Some(lang) = self.lang {
            command.push_str(&format!(" --lang {}", lang.code()));
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_said_again() {
        assert_eq!(Paste::default().command("deminer report"), "deminer report");
        let paste = Paste {
            runs: Some(Path::new("/srv/my runs")),
            lang: Some(Lang::Zh),
            policy: Some(Path::new("two.yml")),
            modules: &[PathBuf::from("mods")],
        };
        assert_eq!(
            paste.command("deminer report"),
            "deminer report --runs '/srv/my runs' --lang zh"
        );
        assert_eq!(
            paste.command("deminer apply a.plan"),
            "deminer apply a.plan --modules mods --policy two.yml --runs '/srv/my runs' --lang zh"
        );
    }
}
