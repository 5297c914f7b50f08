//! The words of `deminer approve`, and of the policy that says what approvals are needed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Telling;

/// `deminer approve`
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// A plan file, or the hash of a stored plan.
    pub(crate) plan: String,
    /// The plan's hash, its first 16 digits at least: what was reviewed. Without it, on a terminal, the plan is shown and
    /// the yes is typed.
    #[arg(long, value_name = "HASH")]
    pub(crate) hash: Option<String>,
    /// Approve only for this host, a name or a pattern as `web-*`; may be repeated.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,
    /// Approve only this.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Part>,
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
    /// For how long; never longer than the plan is good.
    #[arg(long, value_name = "DURATION")]
    pub(crate) valid_for: Option<String>,
    /// The SSH key to sign with: a private one, or a public one whose private one is in your agent or on a security key.
    /// Without it the approval is written unsigned, with how to sign it.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The file to write; the signature lies beside it, as FILE.sig [default: HASH.approval.json].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    #[command(flatten)]
    pub(crate) telling: Telling,
}

/// The parts of a plan that can be approved alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// That evidence is kept.
    Preserve,
    /// What blocks, isolates and throttles; it can be taken back at once.
    Contain,
}

/// What the site wants of approvals.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct PolicyFile {
    /// A policy: how many signed approvals a plan needs, and of whom [default: $DEMINER_POLICY, or deminer/policy.yml under
    /// $XDG_CONFIG_HOME or ~/.config, or /etc/deminer/policy.yml; without any, one yes does].
    #[arg(id = "policy", long = "policy", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}
