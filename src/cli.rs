//! The command line: its words, and nothing of what they do.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Finds crypto-miners, plans their removal as exact objects, removes what was approved, proves that it is gone.
#[derive(Debug, Parser)]
#[command(name = "deminer", version, max_term_width = 110, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed; 2 wrong command line or playbook; 4 refused (hash, expiry, approval);
            5 a person must look (suspected, drifted, partial, cannot say); 6 the miner returned;
            7 not reached or busy, try again.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Look at hosts and write a plan; changes nothing.
    Plan(Plan),
    /// Show a plan, or one action of it and why.
    Show(Show),
    /// Look, store the plan and print it; with --approve, apply the stored plan of that hash.
    Run(Run),
    /// Carry out a plan that was approved by its hash, then watch.
    Apply(Apply),
    /// Take back what a run changed; without --approve it only lists what can be.
    Undo(Undo),
    /// Tell what a run did, from its journal.
    Report(Report),
    /// Check playbooks; touches no host.
    Check(Check),
    /// List modules, or show one like a manual page.
    Modules(Modules),
    /// The whole path on a harmless infection in a private world on this machine.
    Demo(Demo),
    /// The far side: serves a controller over a socket. Started by Deminer itself.
    #[command(hide = true)]
    Worker,
    /// The worker's keeper. Started by the worker itself.
    #[command(hide = true)]
    Keeper,
}

/// How a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object.
    Json,
    /// For tickets.
    Markdown,
}

/// What the looking commands share.
#[derive(Debug, Args)]
pub(crate) struct Looking {
    /// A playbook file, or the name of a shipped one: `linux-miner`.
    pub(crate) playbook: String,
    /// Hosts; none is this machine. `local`, `simulated:infected`, `simulated:FILE`.
    #[arg(value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// Set a variable of the playbook.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// A path never to be touched, with all below it; may be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) protect: Vec<String>,
}

/// Where runs are kept.
#[derive(Debug, Args, Clone)]
pub(crate) struct Runs {
    /// Where runs, plans and evidence are kept [default: deminer/runs under $XDG_STATE_HOME or ~/.local/state].
    #[arg(long = "runs", value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

/// `deminer plan`
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) looking: Looking,
    /// The file to write the plan to.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) runs: Runs,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// `deminer show`
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A plan file, or the hash of a stored plan.
    pub(crate) plan: String,
    /// One action, by the first digits of its id.
    pub(crate) action: Option<String>,
    #[command(flatten)]
    pub(crate) runs: Runs,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// `deminer run`
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A playbook file, or the name of a shipped one; not with --approve.
    #[arg(required_unless_present = "approve")]
    pub(crate) playbook: Option<String>,
    /// Hosts; none is this machine.
    #[arg(value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// Set a variable of the playbook.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// A path never to be touched, with all below it; may be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) protect: Vec<String>,
    /// Apply the stored plan of this hash; nothing is planned anew.
    #[arg(long, value_name = "HASH", conflicts_with_all = ["set", "protect"])]
    pub(crate) approve: Option<String>,
    /// How long verify watches.
    #[arg(long, value_name = "DURATION", requires = "approve")]
    pub(crate) watch: Option<String>,
    #[command(flatten)]
    pub(crate) runs: Runs,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// `deminer apply`
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// A plan file, or the hash of a stored plan.
    pub(crate) plan: String,
    /// The plan's hash, its first 16 digits at least: what was reviewed.
    #[arg(long, value_name = "HASH")]
    pub(crate) approve: String,
    /// Leave an action out, by its id; what needs it is left out too. May be repeated.
    #[arg(long, value_name = "ACTION")]
    pub(crate) exclude: Vec<String>,
    /// Also approve a component with more targets than one approval covers, by its number; may be repeated.
    #[arg(long, value_name = "HOST:COMPONENT")]
    pub(crate) many: Vec<String>,
    /// End after this stage; nothing is destroyed.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Only>,
    /// How long verify watches; shorter than the plan's window cannot prove more than it watched.
    #[arg(long, value_name = "DURATION")]
    pub(crate) watch: Option<String>,
    #[command(flatten)]
    pub(crate) runs: Runs,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// The stages at which an apply may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// Keep the evidence, change nothing.
    Preserve,
    /// Keep the evidence and quiet the host; all of it can be taken back at once.
    Contain,
}

/// `deminer undo`
#[derive(Debug, Args)]
pub(crate) struct Undo {
    /// The run; none is the newest that changed something.
    pub(crate) run: Option<String>,
    /// Take back only this change, by its id; may be repeated.
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Vec<String>,
    /// Take back only on this host; may be repeated.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,
    /// Give back armed what starts something: exactly as it was. Needs --because.
    #[arg(long, requires = "because")]
    pub(crate) armed: bool,
    /// Why it may start again; stands in the report.
    #[arg(long, value_name = "TEXT")]
    pub(crate) because: Option<String>,
    /// The hash of the list that was read: takes back what is on it.
    #[arg(long, value_name = "HASH")]
    pub(crate) approve: Option<String>,
    #[command(flatten)]
    pub(crate) runs: Runs,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// `deminer report`
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The run; none is the newest.
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) runs: Runs,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// `deminer check`
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Playbook files, or names of shipped ones.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// `deminer modules`
#[derive(Debug, Args)]
pub(crate) struct Modules {
    /// One module; none lists all.
    pub(crate) name: Option<String>,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// `deminer demo`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) runs: Runs,
    /// Run on the simulated host, whatever the kernel allows.
    #[arg(long)]
    pub(crate) simulated: bool,
    /// Inside the private world. Started by the demo itself.
    #[arg(long, hide = true, value_name = "DIR")]
    pub(crate) inside: Option<PathBuf>,
}
