//! `deminer completions`

use clap_complete::generate;

use super::Desk;
use crate::cli::{Completions, manual};
use crate::exit::Exit;

/// Prints them.
///
/// # Errors
/// When what was made is no text.
pub(crate) fn run(desk: &Desk, arguments: &Completions) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut manual::visible(), "deminer", &mut script);
    desk.screen.say(&String::from_utf8(script)?);
    Ok(Exit::Done)
}
