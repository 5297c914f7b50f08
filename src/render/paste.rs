//! Commands that a reader is to paste: complete, so that they mean the same runs and answer in the same language.

use std::path::Path;

use deminer_engine::asked::{Asked, Choice};
use deminer_engine::policy::Leave;

use super::plain::{plain, shell_word};
use super::words::Lang;
use crate::cli;

/// What was said on the command line, or of the plan and run that are shown, and holds for the next command too.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Paste<'a> {
    /// Where runs are kept, where that was said.
    pub(crate) runs: Option<&'a Path>,
    /// The language, where it was said.
    pub(crate) lang: Option<Lang>,
    /// What else was said now.
    pub(crate) options: &'a [Choice],
    /// How what is shown was asked for; `None` where nobody knows.
    pub(crate) asked: Option<&'a Asked>,
    /// The folder in which it is pasted; `None` is the one in which it was said.
    pub(crate) here: Option<&'a Path>,
}

/// The shipped playbook that removes what others only find or contain.
pub(crate) const REMOVES: &str = "linux-miner";

/// A playbook of which nobody knows where it lies.
const PLAYBOOK: &str = "PLAYBOOK";

/// The leave that such a command needs, as it is added to it; empty where it needs none.
pub(crate) fn leave(leave: Leave, needed: bool) -> String {
    match needed {
        true => format!(" --allow {leave}"),
        false => String::new(),
    }
}

impl Paste<'_> {
    /// The command with what holds for it too.
    pub(crate) fn command(&self, command: &str) -> String {
        let verb = command.split(' ').nth(1).unwrap_or_default();
        let mut command = command.to_owned();
        let is_said = |choice: &&Choice| self.options.iter().any(|now| now.option == choice.option);
        if let Some(asked) = self.asked {
            let before = asked.going.iter().filter(|choice| !is_said(choice));
            self.add(&mut command, before.filter(|choice| cli::takes(verb, &choice.option)));
        }
        for choice in self.options.iter().filter(|choice| cli::takes(verb, &choice.option)) {
            add(&mut command, choice, Path::new(""));
        }
        if let Some(runs) = self.runs {
            command.push_str(&format!(" --runs {}", shell_word(&plain(&runs.to_string_lossy()))));
        }
        if let Some(lang) = self.lang {
            command.push_str(&format!(" --lang {}", lang.code()));
        }
        command
    }

    /// The command that plans for these hosts: with this playbook, else as it was asked for, with the playbook of this name
    /// where that is not known.
    pub(crate) fn plan(&self, playbook: Result<&str, &str>, hosts: &[String]) -> String {
        let mut command = "deminer plan ".to_owned();
        let asked = self.asked;
        command.push_str(&shell_word(&plain(&match (playbook, asked) {
            (Ok(name), _) | (Err(name), None) => name.to_owned(),
            (Err(_), Some(asked)) => match &asked.playbook {
                Some(word) => word.written(asked.folder_from(self.here)),
                None => PLAYBOOK.to_owned(),
            },
        })));
        for host in hosts {
            let word = asked.and_then(|asked| asked.hosts.get(host)).unwrap_or(host);
            command.push_str(&format!(" {}", shell_word(&plain(word))));
        }
        match asked {
            None => {}
            Some(asked) if playbook.is_ok() => self.add(&mut command, asked.inventories()),
            Some(asked) => self.add(&mut command, &asked.looking),
        }
        self.command(&command)
    }

    /// Adds what was said of what is shown.
    fn add<'c>(&self, command: &mut String, choices: impl IntoIterator<Item = &'c Choice>) {
        let folder = self.asked.map_or(Path::new(""), |asked| asked.folder_from(self.here));
        for choice in choices {
            add(command, choice, folder);
        }
    }
}

/// Adds an option, where it does not stand there as it is.
fn add(command: &mut String, choice: &Choice, folder: &Path) {
    let mut words = format!(" {}", choice.option);
    if let Some(word) = &choice.word {
        words.push_str(&format!(" {}", shell_word(&plain(&word.written(folder)))));
    }
    if !format!("{command} ").contains(&format!("{words} ")) {
        command.push_str(&words);
    }
}

#[cfg(test)]
mod tests {
    use deminer_engine::asked::Word;

    use super::*;

    fn path(option: &str, path: &str) -> Choice {
        Choice::of(option, Word::path(Path::new(path)))
    }

    fn text(option: &str, text: &str) -> Choice {
        Choice::of(option, Word::text(text))
    }

    #[test]
    fn what_was_said_is_said_again() {
        assert_eq!(Paste::default().command("deminer report"), "deminer report");
        let paste = Paste {
            runs: Some(Path::new("/srv/my runs")),
            lang: Some(Lang::Zh),
            options: &[path("--modules", "mods"), path("--policy", "two.yml")],
            ..Paste::default()
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

    #[test]
    fn what_a_plan_was_asked_for_is_asked_for_again() {
        let asked = Asked {
            folder: "/srv/night".to_owned(),
            playbook: Some(Word::path(Path::new("books/night.yml"))),
            hosts: [("192.0.2.1".to_owned(), "root@192.0.2.1".to_owned())].into(),
            looking: vec![
                path("-i", "inventory.yml"),
                text("--env", "prod"),
                text("--set", "ticket=the night"),
            ],
            going: vec![text("--allow", "command.read"), path("--policy", "two.yml")],
        };
        let options = [path("--policy", "mine.yml")];
        let hosts = ["web-1".to_owned(), "192.0.2.1".to_owned()];
        let paste = |here, options| Paste {
            options,
            asked: Some(&asked),
            here,
            ..Paste::default()
        };
        assert_eq!(
            paste(None, &[]).plan(Err("night"), &hosts),
            "deminer plan books/night.yml web-1 root@192.0.2.1 -i inventory.yml --env prod --set 'ticket=the night' \
             --allow command.read --policy two.yml"
        );
        assert_eq!(
            paste(Some(Path::new("/root")), &options).plan(Ok("linux-miner"), &hosts[..1]),
            "deminer plan linux-miner web-1 -i /srv/night/inventory.yml --allow command.read --policy mine.yml"
        );
        assert_eq!(
            paste(None, &[]).command("deminer apply a.plan --allow command.read"),
            "deminer apply a.plan --allow command.read --policy two.yml"
        );
        let elsewhere = Asked::default();
        let paste = Paste {
            asked: Some(&elsewhere),
            ..Paste::default()
        };
        assert_eq!(paste.plan(Err("night"), &[]), "deminer plan PLAYBOOK");
    }
}
