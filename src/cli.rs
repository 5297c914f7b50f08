//! The command line: its words, and nothing of what they do.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use deminer_engine::fleet::AT_ONCE;
use deminer_engine::policy::Leave;
use deminer_worker::order::Stage;

use crate::render::words::Lang;

mod approve;
pub(crate) mod manual;
mod testing;

pub(crate) use approve::{Approve, Part, PolicyFile};
pub(crate) use manual::takes;
pub(crate) use testing::{Record, Test};

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
            7 not reached, busy, or out of its window: try again.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Look at hosts and write a plan; changes nothing.
    Plan(Plan),
    /// Show a plan, or one action of it and why.
    Show(Show),
    /// Look, store the plan and print it; on a terminal ask for a yes; with --approve, apply the stored plan of that hash.
    Run(Run),
    /// Approve a plan for others to carry out: writes the approval, signed with your SSH key; touches no host.
    Approve(Approve),
    /// Carry out a plan that was approved, by its hash or by signed approvals, then watch.
    Apply(Apply),
    /// Quiet at once what mines: it gets next to no CPU time, and runs on. Asks for one typed yes.
    Throttle(Quiet),
    /// Block at once the pools of what mines, or cut the host off but for our session. Asks for one typed yes.
    Contain(Quiet),
    /// Take back what a run changed; without --approve it only lists what can be.
    Undo(Undo),
    /// Take up a run that was cut: ask its hosts what was done, and do what was approved and is still true.
    Resume(Resume),
    /// Watch again what a run struck.
    Verify(Verify),
    /// Tell what a run did, from its journal.
    Report(Report),
    /// Whether a run's directory is as it was written: journals, plan, approval, vault. Asks no host, writes nothing.
    Audit(Audit),
    /// List the runs; asks no host.
    Runs(RunList),
    /// Check playbooks, environments, tests, rules, inventories and simulated hosts; touches no host.
    Check(Check),
    /// Keep what a host answers to a playbook, for tests; names, addresses and keys become pseudonyms. Changes nothing.
    Record(Record),
    /// Test playbooks on recorded and described hosts, as `*.test.yml` beside them say; touches no host.
    Test(Test),
    /// Show every variable of a playbook, its value, and who says what of it; touches no host, opens no secret.
    Vars(Vars),
    /// Print the JSON Schema of playbooks, environments or files of tests, for editors: `deminer schema > playbook.json`.
    Schema(Schema),
    /// Print a playbook as a document of OASIS CACAO 2.0; touches no host.
    Export(Export),
    /// Print a document of OASIS CACAO 2.0 as a playbook; what is not taken over is named. Touches no host.
    Import(Import),
    /// Explain the code of a mistake, or list all codes.
    Explain(Explain),
    /// List modules, or show one like a manual page.
    Modules(Modules),
    /// Show what hosts an inventory has, how each is reached, and why; connects to none.
    Inventory(Inventory),
    /// The whole path on a harmless infection in a private world on this machine.
    Demo(Demo),
    /// Write a good starting point with comments: a playbook, a module or rules. Writes over nothing.
    New(New),
    /// Print the completions of a shell.
    Completions(Completions),
    /// Write the manual pages, one a verb, into a directory.
    Man(Man),
    /// The far side: serves a controller over a socket. Started by Deminer itself.
    #[command(hide = true)]
    Worker {
        /// The directory that this program was sent to; it is removed.
        directory: Option<PathBuf>,
    },
    /// Whether this program has this SHA-256. Asked by the shell that received it.
    #[command(hide = true)]
    Whole {
        /// The SHA-256, in hexadecimal digits.
        sha256: String,
    },
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

/// What the commands share that look at hosts.
#[derive(Debug, Args)]
pub(crate) struct Looking {
    #[command(flatten)]
    pub(crate) fleet: Fleet,
    #[command(flatten)]
    pub(crate) given: Given,
    /// A path never to be touched, with all below it, or a network never to be blocked; may be repeated.
    #[arg(long, value_name = "PATH|NETWORK")]
    pub(crate) protect: Vec<String>,
    /// Touch an object though it is protected, for a reason that stands in the plan: the id that an earlier plan gave the act
    /// when it left it alone. May be repeated. What could lock us out or stop the host is protected all the same.
    #[arg(long, value_name = "ACTION=REASON")]
    pub(crate) r#override: Vec<String>,
    #[command(flatten)]
    pub(crate) leaves: Leaves,
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
}

/// How a command goes over hosts and reaches them.
#[derive(Debug, Args)]
pub(crate) struct Going {
    #[command(flatten)]
    pub(crate) walking: Walking,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// How a command answers, and where it keeps what it did.
#[derive(Debug, Args)]
#[command(next_help_heading = "Answering")]
pub(crate) struct Telling {
    #[command(flatten)]
    pub(crate) runs: Runs,
    #[command(flatten)]
    pub(crate) language: Language,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Which hosts are meant.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct Fleet {
    /// Hosts: `user@host:port`, `ssh://user@host:port`, `local`, `simulated:infected`, `simulated:FILE`; with an inventory
    /// also its hosts, groups and patterns, as in `web:&prod:!canary`. None is all of the inventory; without one this machine.
    #[arg(value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// An inventory: a file of our own YAML, or Ansible's INI or YAML, a folder of them, or a program of Ansible's. May be
    /// repeated; what a later one says counts more.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) inventory: Vec<PathBuf>,
    /// Only those hosts of the inventory: `web`, `web-*`, `web:&prod:!canary`, `web[0:3]`, `~web-\d+`, `@FILE` with one a line.
    /// May be repeated: they add up.
    #[arg(
        short,
        long,
        value_name = "PATTERN",
        requires = "inventory",
        allow_hyphen_values = true
    )]
    pub(crate) limit: Vec<String>,
}

/// What a playbook is given.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct Given {
    /// Set a variable of the playbook, but no secret; may be repeated. A list is `a,b` or `[a, b]`, a map `{a: b}`.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Set a variable to what stands in a file: for secrets, and for more than a line. May be repeated.
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) set_file: Vec<String>,
    /// The environment: `envs/NAME.yml` beside the playbook or the inventory, or a file. It changes declared variables, leaves
    /// out steps and narrows what may be done.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) env: Option<String>,
    #[command(flatten)]
    pub(crate) answers: AnswersFile,
}

/// Answers to the questions that a playbook asks.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct AnswersFile {
    /// A YAML file of answers to the playbook's questions, `ID: ANSWER` or `ID: {HOST: ANSWER}`; others are asked on the
    /// terminal, if there is one.
    #[arg(long = "answers", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// How a command goes over its hosts.
#[derive(Debug, Args, Clone)]
#[command(next_help_heading = "Many hosts")]
pub(crate) struct Walking {
    /// How many hosts are worked on at once. A host that is only watched does not count.
    #[arg(long, value_name = "NUMBER", default_value_t = AT_ONCE, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) at_once: u16,
    /// How long one host may take.
    #[arg(long, value_name = "DURATION")]
    pub(crate) host_timeout: Option<String>,
    /// How long all of it may take; no host is begun after it.
    #[arg(long, value_name = "DURATION")]
    pub(crate) run_timeout: Option<String>,
}

/// How a command that changes hosts goes over them.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = "Many hosts")]
pub(crate) struct Striking {
    /// The sizes of the batches, as `1,5%,100%`; the last repeats. A batch ends, watched, before the next begins. None: all
    /// hosts are one batch.
    #[arg(long, value_name = "SIZES", value_delimiter = ',')]
    pub(crate) batches: Vec<String>,
    /// Begin no more hosts once so many ended so: `returned`, `failed=3`, `unreachable=10%`, `drifted`, `cannot_say`; may be
    /// repeated.
    #[arg(long, value_name = "CLASS[=NUMBER]")]
    pub(crate) stop_when: Vec<String>,
    /// Strike all hosts of a batch in the same moment: for a worm, which writes the first cleaned host back from the last
    /// infected one.
    #[arg(long)]
    pub(crate) together: bool,
}

/// What is done only by leave.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct Leaves {
    /// Allow what is not done unasked; may be repeated. `command.read`: run the programs of the host that the playbook
    /// names, to look. `command.run`: run those that it names, as approved, to change something. `module.external`: start
    /// the modules of --modules on this machine.
    #[arg(long, value_name = "LEAVE")]
    pub(crate) allow: Vec<Leave>,
    /// A folder of external modules, each a program named as the module, `noun.verb`; may be repeated. It takes `--allow
    /// module.external` [default: $DEMINER_MODULES, folders with `:` between them].
    #[arg(long, value_name = "DIR")]
    pub(crate) modules: Vec<PathBuf>,
}

/// Where a plan's hosts are, for a plan that was made elsewhere.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct Whereabouts {
    /// An inventory that says how the hosts are reached; without it they are reached as when the plan was made here.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) inventory: Vec<PathBuf>,
}

/// How hosts over SSH are reached, beside what the inventory and your ssh_config say.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = "SSH")]
pub(crate) struct Reach {
    /// An ssh_config to read instead of ~/.ssh/config and /etc/ssh/ssh_config; host keys are checked whatever it says.
    #[arg(long, value_name = "FILE")]
    pub(crate) ssh_config: Option<PathBuf>,
    /// Become root by sudo on hosts that no inventory knows.
    #[arg(long)]
    pub(crate) sudo: bool,
    /// The password for sudo, in a file; `-` asks on the terminal. It never stands in an argument.
    #[arg(long, value_name = "FILE")]
    pub(crate) sudo_password: Option<PathBuf>,
    /// The socket of a master that you opened with `ssh -M -S SOCKET`, for hosts that want a one-time password.
    #[arg(long, value_name = "SOCKET")]
    pub(crate) control_path: Option<PathBuf>,
    /// Key exchanges, as `KexAlgorithms` of ssh_config(5): `^curve25519-sha256` saves 50 ms of CPU a host, and does not hold
    /// against who keeps the traffic for a quantum computer.
    #[arg(long, value_name = "ALGORITHMS")]
    pub(crate) kex: Option<String>,
    /// Send the worker as it is also to hosts that have gzip: twice the bytes, and 20 ms less of each host's CPU. For fast links.
    #[arg(long)]
    pub(crate) plain_upload: bool,
}

/// Where runs are kept.
#[derive(Debug, Args, Clone)]
pub(crate) struct Runs {
    /// Where runs, plans and evidence are kept [default: deminer/runs under $XDG_STATE_HOME or ~/.local/state].
    #[arg(long = "runs", value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

/// In which language people are answered.
#[derive(Debug, Args, Clone, Copy)]
pub(crate) struct Language {
    /// The language of what people are told [default: $DEMINER_LANG, or en; never from LANG].
    #[arg(long, value_enum, value_name = "LANG")]
    pub(crate) lang: Option<Lang>,
}

/// `deminer plan`
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// A playbook file, or the name of a shipped one: `linux-miner`.
    pub(crate) playbook: String,
    /// The file to write the plan to.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) looking: Looking,
    #[command(flatten)]
    pub(crate) going: Going,
    #[command(flatten)]
    pub(crate) telling: Telling,
}

/// `deminer show`
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A plan file, or the hash of a stored plan.
    pub(crate) plan: String,
    /// One action, by the first digits of its id.
    pub(crate) action: Option<String>,
    /// Only the part of this host, a name or a pattern as `web-*`; may be repeated.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,
    /// Write the whole plan as one page for a reviewer, who unticks what is not approved and downloads the approval to sign. It
    /// needs a browser and nothing else.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["action", "host"])]
    pub(crate) page: Option<PathBuf>,
    /// Only what is new since an earlier plan: of a file, a hash, or a run. A host that drifted or where the miner returned is
    /// planned again, and this is what its reviewer has not read.
    #[arg(long, value_name = "PLAN|RUN", conflicts_with_all = ["action", "host", "page"])]
    pub(crate) since: Option<String>,
    #[command(flatten)]
    pub(crate) telling: Telling,
}

/// `deminer run`
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A playbook file, or the name of a shipped one; not with --approve.
    #[arg(required_unless_present = "approve")]
    pub(crate) playbook: Option<String>,
    /// Apply the stored plan of this hash; nothing is planned anew.
    #[arg(long, value_name = "HASH", conflicts_with_all = ["set", "set_file", "env", "protect", "override"])]
    pub(crate) approve: Option<String>,
    /// How long verify watches.
    #[arg(long, value_name = "DURATION", requires = "approve")]
    pub(crate) watch: Option<String>,
    #[command(flatten)]
    pub(crate) looking: Looking,
    #[command(flatten)]
    pub(crate) striking: Striking,
    #[command(flatten)]
    pub(crate) going: Going,
    #[command(flatten)]
    pub(crate) telling: Telling,
}

/// `deminer apply`
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// A plan file, or the hash of a stored plan.
    pub(crate) plan: String,
    /// The plan's hash, its first 16 digits at least: what was reviewed. Without it, on a terminal, the plan is shown and
    /// the yes is typed.
    #[arg(long, value_name = "HASH")]
    pub(crate) approve: Option<String>,
    /// Signed approvals of this plan, each with its signature beside it as FILE.sig. What is done is what they say; beside
    /// them only `--only eradicate` is taken of what chooses.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["approve", "exclude", "reason", "many", "watch"])]
    pub(crate) approval: Vec<PathBuf>,
    /// Leave an action out, by its id; what needs it is left out too. May be repeated.
    #[arg(long, value_name = "ACTION")]
    pub(crate) exclude: Vec<String>,
    /// Why it is left out, for the record. Needed where one process of a component would be killed and another left, which can
    /// start it again.
    #[arg(long, value_name = "TEXT", requires = "exclude")]
    pub(crate) reason: Option<String>,
    /// Also approve a component with more targets than one approval covers, by its number; may be repeated.
    #[arg(long, value_name = "HOST:COMPONENT")]
    pub(crate) many: Vec<String>,
    /// End after this stage.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Only>,
    /// How long verify watches; shorter than the plan's window cannot prove more than it watched.
    #[arg(long, value_name = "DURATION")]
    pub(crate) watch: Option<String>,
    #[command(flatten)]
    pub(crate) answers: AnswersFile,
    #[command(flatten)]
    pub(crate) leaves: Leaves,
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    #[command(flatten)]
    pub(crate) whereabouts: Whereabouts,
    #[command(flatten)]
    pub(crate) striking: Striking,
    #[command(flatten)]
    pub(crate) going: Going,
    #[command(flatten)]
    pub(crate) telling: Telling,
}

/// With what a run is taken up.
#[derive(Debug, Args)]
pub(crate) struct Again {
    /// How long verify watches.
    #[arg(long, value_name = "DURATION")]
    pub(crate) watch: Option<String>,
    #[command(flatten)]
    pub(crate) answers: AnswersFile,
    #[command(flatten)]
    pub(crate) leaves: Leaves,
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    #[command(flatten)]
    pub(crate) whereabouts: Whereabouts,
    #[command(flatten)]
    pub(crate) striking: Striking,
    #[command(flatten)]
    pub(crate) going: Going,
    #[command(flatten)]
    pub(crate) telling: Telling,
}

/// `deminer resume`
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The run, by name or directory; none is the newest that is not through.
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) again: Again,
}

/// `deminer verify`
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The run, by name or directory; none is the newest that changed something.
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) again: Again,
}

/// `deminer audit`
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// The run, by name or directory; none is the newest that changed something.
    pub(crate) run: Option<String>,
    /// The head that a report or an earlier audit printed, 16 digits or all: nothing before it may be changed or missing.
    #[arg(long, value_name = "HASH")]
    pub(crate) head: Option<String>,
    /// Sign the head with this SSH key, where all holds: a file of one line and its signature beside it, to be kept elsewhere.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The file to write the signed head to; the signature lies beside it, as FILE.sig [default: RUN.head].
    #[arg(short, long, value_name = "FILE", requires = "key")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) telling: Telling,
}

/// `deminer runs`
#[derive(Debug, Args)]
pub(crate) struct RunList {
    #[command(flatten)]
    pub(crate) telling: Telling,
}

/// The stages at which an apply may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// Keep the evidence, change nothing.
    Preserve,
    /// Block, isolate and throttle what the plan says, and nothing else; it can be taken back at once.
    Contain,
    /// All of it but the watch: `deminer verify` watches all hosts in one common window later.
    Eradicate,
}

impl Only {
    /// Where what was approved ends; `None` is nowhere before the watch.
    pub(crate) fn of(stage: Stage) -> Option<Only> {
        match stage {
            Stage::Preserve => Some(Only::Preserve),
            Stage::Contain => Some(Only::Contain),
            Stage::Eradicate => None,
        }
    }
}

/// `deminer throttle`, `deminer contain`
#[derive(Debug, Args)]
pub(crate) struct Quiet {
    /// Another playbook than the shipped one: a file, or the name of a shipped one. Of its changes only those are made that
    /// contain.
    #[arg(long, value_name = "PLAYBOOK")]
    pub(crate) playbook: Option<String>,
    /// Do what the stored plan of this hash contains, without a question; nothing is planned anew.
    #[arg(long, value_name = "HASH", conflicts_with_all = ["hosts", "playbook", "set", "set_file", "env", "protect", "override"])]
    pub(crate) approve: Option<String>,
    #[command(flatten)]
    pub(crate) looking: Looking,
    #[command(flatten)]
    pub(crate) going: Going,
    #[command(flatten)]
    pub(crate) telling: Telling,
}

/// `deminer undo`
#[derive(Debug, Args)]
pub(crate) struct Undo {
    /// The run, or the file of a list that --output wrote; none is the newest run that changed something.
    pub(crate) run: Option<String>,
    /// Take back only this change, by its id; may be repeated.
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: Vec<String>,
    /// Take back only on this host; may be repeated.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,
    /// Write the list to a file, for others to sign with `deminer approve FILE`.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["approve", "approval"])]
    pub(crate) output: Option<PathBuf>,
    /// Give back armed what starts something: exactly as it was. Needs --because.
    #[arg(long, requires = "because")]
    pub(crate) armed: bool,
    /// Why it may start again; stands in the report.
    #[arg(long, value_name = "TEXT")]
    pub(crate) because: Option<String>,
    /// The hash of the list that was read: takes back what is on it.
    #[arg(long, value_name = "HASH")]
    pub(crate) approve: Option<String>,
    /// Signed approvals of the list, each with its signature beside it as FILE.sig: takes back what they say.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "approve")]
    pub(crate) approval: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    #[command(flatten)]
    pub(crate) leaves: Leaves,
    #[command(flatten)]
    pub(crate) whereabouts: Whereabouts,
    #[command(flatten)]
    pub(crate) striking: Striking,
    #[command(flatten)]
    pub(crate) going: Going,
    #[command(flatten)]
    pub(crate) telling: Telling,
}

/// `deminer report`
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The run; none is the newest.
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) telling: Telling,
}

/// `deminer check`
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Playbook files, or names of shipped ones; files of environments, tests, rules, inventories and simulated hosts. The first
    /// key says which it is.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// Check this environment for the playbooks too: `envs/NAME.yml` beside each, or a file.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) env: Option<String>,
    #[command(flatten)]
    pub(crate) leaves: Leaves,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: CheckFormat,
}

/// How `deminer check` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum CheckFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object.
    Json,
    /// For code review and continuous integration: SARIF 2.1.0.
    Sarif,
}

/// `deminer schema`
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Of what.
    #[arg(value_enum, default_value_t)]
    pub(crate) of: SchemaOf,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum SchemaOf {
    /// Of playbooks, and of the files that they include.
    #[default]
    Playbook,
    /// Of environments, `envs/NAME.yml`.
    Environment,
    /// Of files of tests, `NAME.test.yml`.
    Test,
    /// Of files of simulated hosts, `simulated:NAME.yml`.
    Host,
}

/// `deminer export`
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// A playbook file, or the name of a shipped one.
    pub(crate) playbook: String,
    #[command(flatten)]
    pub(crate) leaves: Leaves,
}

/// `deminer import`
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The document, JSON.
    pub(crate) file: PathBuf,
}

/// `deminer explain`
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The code, as `P0102`; none lists all.
    pub(crate) code: Option<String>,
    #[command(flatten)]
    pub(crate) language: Language,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// `deminer vars`
#[derive(Debug, Args)]
pub(crate) struct Vars {
    /// A playbook file, or the name of a shipped one.
    pub(crate) playbook: String,
    /// An inventory; may be repeated, what a later one says counts more.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) inventory: Vec<PathBuf>,
    /// As this host has them; without it as all hosts have them.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    #[command(flatten)]
    pub(crate) given: Given,
    #[command(flatten)]
    pub(crate) leaves: Leaves,
    #[command(flatten, next_help_heading = "Answering")]
    pub(crate) language: Language,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// `deminer modules`
#[derive(Debug, Args)]
pub(crate) struct Modules {
    /// One module; none lists all.
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) leaves: Leaves,
    /// How to answer; `markdown` is the module reference.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// `deminer new`
#[derive(Debug, Args)]
pub(crate) struct New {
    /// What to begin.
    #[arg(value_enum)]
    pub(crate) what: Begun,
    /// Its name: of a playbook and of rules as `web-tier`, of a module as `hosts.list`.
    pub(crate) name: String,
    /// The directory to write to; it is made where it is not there.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) output: PathBuf,
}

/// What can be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Begun {
    /// NAME.yml: all six phases, each line explained; and rules/NAME.yml beside it.
    Playbook,
    /// SUBJECT_VERB.rs: a collector in Rust, for `modules/src`.
    Module,
    /// rules/NAME.yml: the shipped rules, to be changed.
    Rules,
}

/// `deminer completions`
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// `deminer man`
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The directory to write to; it is made where it is not there. What it wrote there before is written anew.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}

/// `deminer inventory`
#[derive(Debug, Args)]
pub(crate) struct Inventory {
    #[command(flatten)]
    pub(crate) fleet: Fleet,
    /// All that is known of this host: each setting and variable with its line, and what it stands over. May be repeated.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten, next_help_heading = "Answering")]
    pub(crate) language: Language,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// `deminer demo`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Run on the simulated host, whatever the kernel allows.
    #[arg(long)]
    pub(crate) simulated: bool,
    /// Inside the private world. Started by the demo itself.
    #[arg(long, hide = true, value_name = "DIR")]
    pub(crate) inside: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Answering")]
    pub(crate) runs: Runs,
    #[command(flatten)]
    pub(crate) language: Language,
}
