//! The command line with its examples, as `--help`, manual pages and completions have it. Every example is run by a test.

use clap::{Command, CommandFactory};

use super::Cli;

/// What `deminer --help` ends with.
const BEGIN: &str = "\
Where to begin:
  See the whole path on a harmless infection; all else is untouched:
    deminer demo
  Look at this machine; nothing is changed:
    deminer run linux-miner
  Practise on a host in memory that is infected:
    deminer plan linux-miner simulated:infected -o miner.plan

`deminer VERB --help` says more of each, with examples.";

/// An example: what it is for, and the command.
type Example = (&'static str, &'static str);

/// Of each verb. `HASH` and `ACTION` are printed by the plan before, `KEY` is an SSH key.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "plan",
        &[
            (
                "Look at a host in memory that is infected, and write the plan",
                "deminer plan linux-miner simulated:infected -o miner.plan",
            ),
            (
                "Only look at this machine, over a longer time",
                "deminer plan triage --set sample=2s",
            ),
        ],
    ),
    (
        "show",
        &[
            (
                "One action: what, why, and what must still be true",
                "deminer show miner.plan ACTION",
            ),
            (
                "A page for a reviewer on another machine",
                "deminer show miner.plan --page review.html",
            ),
        ],
    ),
    (
        "run",
        &[
            (
                "Look, print the plan and store it",
                "deminer run linux-miner simulated:infected",
            ),
            (
                "Carry out the stored plan, and nothing else",
                "deminer run --approve HASH",
            ),
        ],
    ),
    (
        "approve",
        &[(
            "Sign what was read, for others to carry out",
            "deminer approve miner.plan --hash HASH --key KEY -o yes.json",
        )],
    ),
    (
        "apply",
        &[
            (
                "First contain: block and hold, and destroy nothing",
                "deminer apply miner.plan --approve HASH --only contain",
            ),
            (
                "Then all that was approved; watch for an hour",
                "deminer apply miner.plan --approve HASH --watch 1h",
            ),
        ],
    ),
    (
        "throttle",
        &[(
            "Show what would be quieted; on a terminal ask for a yes",
            "deminer throttle simulated:infected",
        )],
    ),
    (
        "contain",
        &[(
            "Show what would be blocked; on a terminal ask for a yes",
            "deminer contain simulated:infected",
        )],
    ),
    (
        "undo",
        &[
            (
                "List what the newest run changed, and the command that takes it back",
                "deminer undo",
            ),
            (
                "Write that list to a file, for others to sign",
                "deminer undo --output undo.list",
            ),
        ],
    ),
    (
        "resume",
        &[(
            "Take up the newest run that was cut; without one say so",
            "deminer resume",
        )],
    ),
    (
        "verify",
        &[(
            "Watch the newest run's hosts again, for two minutes",
            "deminer verify --watch 2m",
        )],
    ),
    (
        "report",
        &[
            (
                "What the newest run did, for a ticket",
                "deminer report --format markdown",
            ),
            ("The same in Chinese", "deminer report --lang zh"),
        ],
    ),
    (
        "audit",
        &[("Hold the newest run's files against each other", "deminer audit")],
    ),
    ("runs", &[("What runs there are, and how they ended", "deminer runs")]),
    (
        "check",
        &[
            (
                "Every mistake of a playbook, with line and column",
                "deminer check examples/night-shift.yml",
            ),
            (
                "An environment and a file of tests, each as what it is",
                "deminer check examples/envs/prod.yml playbooks/quiet.test.yml",
            ),
        ],
    ),
    (
        "record",
        &[(
            "Keep what a host answers to linux-miner, for a test",
            "deminer record simulated:infected -o recordings/web",
        )],
    ),
    (
        "test",
        &[("Play every *.test.yml below a folder", "deminer test playbooks")],
    ),
    (
        "export",
        &[("A playbook as OASIS CACAO 2.0", "deminer export linux-miner")],
    ),
    (
        "import",
        &[(
            "A document of CACAO as a playbook, and what is not taken over",
            "deminer import playbook.json",
        )],
    ),
    (
        "schema",
        &[
            ("The JSON Schema of playbooks, for editors", "deminer schema"),
            ("That of environments", "deminer schema environment"),
            ("That of simulated hosts in files", "deminer schema host"),
        ],
    ),
    (
        "explain",
        &[(
            "What a code of `deminer check` means, and how to mend it",
            "deminer explain P0102",
        )],
    ),
    (
        "vars",
        &[(
            "Each variable in an environment, and who says what of it",
            "deminer vars examples/two-places.yml --env prod",
        )],
    ),
    (
        "modules",
        &[
            ("One module, like a manual page", "deminer modules miner.trace"),
            (
                "The reference of all, as a document",
                "deminer modules --format markdown",
            ),
        ],
    ),
    (
        "inventory",
        &[(
            "Which hosts an inventory has, and how each is reached",
            "deminer inventory -i examples/inventory.yml",
        )],
    ),
    (
        "demo",
        &[(
            "On a host in memory, whatever the kernel allows",
            "deminer demo --simulated",
        )],
    ),
    (
        "new",
        &[
            (
                "A playbook with its rules, then check it",
                "deminer new playbook web-tier -o playbooks",
            ),
            (
                "A module, to be put into modules/src",
                "deminer new module hosts.list -o modules",
            ),
        ],
    ),
    (
        "completions",
        &[(
            "For bash; put it where your shell looks for completions",
            "deminer completions bash",
        )],
    ),
    (
        "man",
        &[(
            "One page a verb; `man pages/deminer.1` shows the first",
            "deminer man -o pages",
        )],
    ),
];

/// The whole command line.
pub(crate) fn command() -> Command {
    let command = Cli::command().after_long_help(format!("{}\n\n{BEGIN}", super::EXIT_CODES));
    EXAMPLES.iter().fold(command, |command, (verb, examples)| {
        command.mut_subcommand(verb, |verb| verb.after_long_help(text(examples)))
    })
}

/// The command line without the verbs that Deminer starts itself.
pub(crate) fn visible() -> Command {
    let whole = command();
    let verbs = whole.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
    let about = whole.get_about().cloned().unwrap_or_default();
    let ends = whole.get_after_long_help().cloned().unwrap_or_default();
    Command::new("deminer")
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .after_long_help(ends)
        .subcommands(verbs)
}

/// Whether a verb has an option, as it is written.
pub(crate) fn takes(verb: &str, option: &str) -> bool {
    let whole = Cli::command();
    let mut arguments = whole.find_subcommand(verb).into_iter().flat_map(Command::get_arguments);
    arguments.any(|argument| match option.strip_prefix("--") {
        Some(long) => argument.get_long() == Some(long),
        None => argument.get_short().is_some_and(|short| option == format!("-{short}")),
    })
}

fn text(examples: &[Example]) -> String {
    let heading = if examples.len() == 1 { "Example:" } else { "Examples:" };
    let each = examples
        .iter()
        .map(|(what_for, command)| format!("\n  {what_for}:\n    {command}"));
    format!("{heading}{}", each.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_an_example_of_itself() {
        for verb in visible().get_subcommands() {
            let name = verb.get_name();
            let examples = EXAMPLES
                .iter()
                .find(|(of, _)| *of == name)
                .map(|(_, examples)| *examples);
            let examples = examples.unwrap_or_else(|| panic!("{name}: no example"));
            for (_, command) in examples {
                assert!(command.starts_with(&format!("deminer {name}")), "{name}: {command}");
                assert!(command.len() < 76, "{name}: would be wrapped: {command}");
            }
        }
    }
}
