//! Deminer's command: words in, one verb, an exit code out.

mod cli;
mod commands;
mod demo;
mod exit;
mod render;

use std::process::ExitCode;

use clap::Parser;
use deminer_worker::platform::linux::Linux;
use deminer_worker::platform::linux::hands::keeper;

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
    match Cli::parse().verb {
        Verb::Worker => deminer_worker::serve::main_worker(&Linux::new()),
        Verb::Keeper => keeper::main_keeper(),
        verb => return commands::run(verb).into(),
    }
    Exit::Done.into()
}
