//! Deminer's command: words in, one verb, an exit code out.

mod cli;
mod commands;
mod demo;
mod exit;
mod render;

use std::process::ExitCode;

use clap::FromArgMatches;
use deminer_worker::platform::linux::Linux;
use deminer_worker::platform::linux::hands::keeper;
use deminer_worker::{arrival, serve};

use cli::{Cli, Verb};
use exit::Exit;

fn main() -> ExitCode {
    if let Some(part) = demo::stand_in::part_of_this_program() {
        let arguments: Vec<String> = std::env::args_os()
            .skip(1)
            .map(|a| a.to_string_lossy().into_owned())
            .collect();
        demo::stand_in::play(part, &arguments);
        return ExitCode::SUCCESS;
    }
    let words = cli::manual::command().get_matches();
    let verb = match Cli::from_arg_matches(&words) {
        Ok(cli) => cli.verb,
        Err(error) => error.exit(),
    };
    match verb {
        Verb::Worker { directory: None } => serve::main_worker(&Linux::new()),
        Verb::Worker { directory: Some(sent) } => serve::main_sent_worker(&Linux::sent(), &sent),
        Verb::Whole { sha256 } => {
            let whole = arrival::is_whole(&sha256).unwrap_or(false);
            return if whole { Exit::Done } else { Exit::Failed }.into();
        }
        Verb::Keeper => keeper::main_keeper(),
        verb => return commands::run(verb).into(),
    }
    Exit::Done.into()
}
