//! The words of `deminer test` and `deminer record`.

use std::path::PathBuf;

use clap::Args;

use super::{Format, Going, Language, Looking};

/// `deminer test`
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Files of tests, or folders that are searched for `*.test.yml` [default: the working directory].
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Only cases whose `FILE: NAME` holds this; may be repeated.
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Vec<String>,
    /// Take what comes out for what must come out: writes the snapshots anew. `cargo insta review` does it one by one.
    #[arg(long)]
    pub(crate) accept: bool,
    /// Also write the results to a file, as JUnit.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// How many cases are played at once [default: two for each processor].
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten, next_help_heading = "Answering")]
    pub(crate) language: Language,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// `deminer record`
#[derive(Debug, Args)]
pub(crate) struct Record {
    /// The playbook that looks: a file, or the name of a shipped one. May be repeated: one recording answers all of them.
    #[arg(long, value_name = "PLAYBOOK", default_value = "linux-miner")]
    pub(crate) playbook: Vec<String>,
    /// The folder to write the answers to, one file each.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Keep names, addresses and keys as they are.
    #[arg(long)]
    pub(crate) raw: bool,
    /// A word that stays as it is; may be repeated.
    #[arg(long, value_name = "WORD", conflicts_with = "raw")]
    pub(crate) keep: Vec<String>,
    /// Also write which pseudonym stands for what, to a file for you alone; without it nobody can tell any more.
    #[arg(long, value_name = "FILE", conflicts_with = "raw")]
    pub(crate) keep_names: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) looking: Looking,
    #[command(flatten)]
    pub(crate) going: Going,
    #[command(flatten, next_help_heading = "Answering")]
    pub(crate) language: Language,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}
