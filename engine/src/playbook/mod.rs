//! A playbook: its types, its reader and its checker.

mod bind;
mod check;
mod checked;
pub(crate) mod expression;
mod fit;
mod include;
mod kind;
mod library;
pub mod manual;
mod mask;
pub(crate) mod node;
mod order;
mod params;
mod parse;
mod scalar;
pub(crate) mod schema;
mod shape;
pub mod value;
mod without;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use bind::{BoundVars, Candidate, Layer, Setting};
pub use check::{Sources, check, check_part};
pub use checked::{Asked, CheckedPlaybook, CheckedResource, StepOutline};
pub(crate) use checked::{CheckedBody, CheckedStep, CheckedUntil, OnFailure, Recipe};
pub use library::Library;
pub use parse::parse;
pub(crate) use parse::{PART_KEYS, PLAYBOOK_KEYS, is_name};
pub use schema::schema;

/// The phases, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// What is there.
    Gather,
    /// Is it a miner?
    Decide,
    /// What belongs to it?
    Locate,
    /// What must be kept?
    Backup,
    /// What must go?
    Eradicate,
    /// Is it gone, and does it stay gone?
    Verify,
}

impl Phase {
    /// All, in order.
    pub const ALL: [Phase; 6] = [
        Phase::Gather,
        Phase::Decide,
        Phase::Locate,
        Phase::Backup,
        Phase::Eradicate,
        Phase::Verify,
    ];

    /// The phases that run for real while a plan is made.
    pub const READING: [Phase; 3] = [Phase::Gather, Phase::Decide, Phase::Locate];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Gather => "gather",
            Phase::Decide => "decide",
            Phase::Locate => "locate",
            Phase::Backup => "backup",
            Phase::Eradicate => "eradicate",
            Phase::Verify => "verify",
        })
    }
}

impl Phase {
    /// The phase of that name.
    pub fn named(name: &str) -> Option<Phase> {
        Phase::ALL.into_iter().find(|phase| phase.to_string() == name)
    }
}

/// Where something stands in a file: bytes from `start` to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// Something with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed<T> {
    /// The thing.
    pub value: T,
    /// Its place.
    pub span: Span,
}

/// A playbook as it was read: keys are known, nothing refers to anything yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Playbook {
    /// The file's name, as mistakes name it.
    pub file: String,
    /// The file's content: all places are bytes of it.
    pub text: Arc<str>,
    /// Its name.
    pub name: Placed<String>,
    /// Its version.
    pub version: Placed<u64>,
    /// Its declared variables.
    pub vars: IndexMap<String, Var>,
    /// Its phases; one that is left out has no steps.
    pub phases: IndexMap<Phase, Steps>,
}

/// A declared variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Var {
    /// Where its name stands.
    pub span: Span,
    /// Its type.
    pub kind: Placed<VarType>,
    /// Its value where nothing else sets it, decoded to its type's JSON form; `None`: it must be set. `null`: it may be left
    /// unknown, and is `null` then.
    pub default: Option<Value>,
    /// For the operator.
    pub help: String,
}

/// The types of variables. In JSON a duration is a string such as `10m`, a size `64MiB`, a percent `70%`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the language's own")]
pub enum VarType {
    Bool,
    Int,
    Float,
    String,
    Duration,
    Size,
    Percent,
    Path,
    Glob,
    Regex,
    Cidr,
    HostPort,
    Sha256,
    Time,
    Secret,
    /// One of these words.
    Enum(Vec<String>),
    List(Box<VarType>),
    Map(Box<VarType>),
}

/// The steps of one phase.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Steps {
    /// In the order written.
    pub steps: Vec<Step>,
    /// For `eradicate` only.
    pub repeat: Option<Repeat>,
}

/// The controller's loop: look again, propose, strike again.
#[derive(Debug, Clone, PartialEq)]
pub struct Repeat {
    /// Ends it, evaluated after each round.
    pub until: Placed<String>,
    /// Rounds at most, the first included.
    pub max_rounds: Placed<u64>,
    /// The reading steps that are taken anew in each round after the first.
    pub refresh: Vec<Placed<String>>,
}

/// One entry of a phase.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The whole entry.
    pub span: Span,
    /// Its name for references; `None` where nothing can refer to it.
    pub id: Option<Placed<String>>,
    /// A line for people; of an `assert` also the message.
    pub name: Option<String>,
    /// It runs only where this holds.
    pub when: Option<Placed<String>>,
    /// It runs once for each item of this list.
    pub foreach: Option<Placed<String>>,
    /// It looks again until this holds.
    pub until: Option<Until>,
    /// The longest that it may take, repetitions included.
    pub timeout: Option<Duration>,
    /// What becomes of the playbook where it fails; placed at the step where it is left out.
    pub on_error: Placed<OnError>,
    /// What it does.
    pub body: Body,
}

/// Looking again: `until`, `retries`, `delay`.
#[derive(Debug, Clone, PartialEq)]
pub struct Until {
    /// Ends it, evaluated over the step's own result.
    pub holds: Placed<String>,
    /// How often it looks again at most.
    pub retries: u32,
    /// Waited before each further look.
    pub delay: Duration,
}

/// What becomes of a playbook where a step fails.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum OnError {
    /// It ends on this host.
    #[default]
    Fail,
    /// It goes on without the step's result.
    Continue,
    /// These run in the step's place, then it goes on.
    Steps(Vec<Step>),
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Runs a module.
    Use {
        /// The module.
        module: Placed<String>,
        /// Its parameters, templates still in them.
        with: IndexMap<String, Placed<Argument>>,
    },
    /// Computes values: `steps.ID.NAME`.
    Let(IndexMap<String, Placed<String>>),
    /// Ends the host's playbook.
    Stop {
        /// Why.
        reason: Placed<String>,
        /// The procedures that the host is handed over to.
        hand_over: Vec<String>,
    },
    /// Ends the host's playbook with an error where it does not hold.
    Assert(Placed<String>),
    /// The steps of another file stand here.
    Include {
        /// Its path, relative to the file that names it.
        file: Placed<String>,
        /// Values of its variables, templates still in them.
        with: IndexMap<String, Placed<Argument>>,
    },
    /// Could not be read; its mistakes are told. A playbook without mistakes has none.
    Unread,
}

/// A parameter as it was written.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// Holds no template.
    Literal(Value),
    /// A string that is exactly one `{{ expression }}`: keeps its native type.
    Expression {
        /// The whole string, braces included.
        text: String,
        /// Where in it the expression stands.
        inner: Range<usize>,
    },
    /// A string with `{{ }}` inside: renders to a string.
    Template(String),
    /// A list.
    List(Vec<Placed<Argument>>),
    /// A map.
    Map(IndexMap<String, Placed<Argument>>),
}
