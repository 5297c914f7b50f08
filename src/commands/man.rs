//! `deminer man`

use std::fs;

use anyhow::Context as _;

use super::Desk;
use crate::cli::{Man, manual};
use crate::exit::Exit;

/// Writes the pages, and says where.
///
/// # Errors
/// When the directory or a page cannot be written.
pub(crate) fn run(desk: &Desk, arguments: &Man) -> anyhow::Result<Exit> {
    let to = &arguments.output;
    let shown = to.display();
    fs::create_dir_all(to).with_context(|| format!("cannot make {shown}"))?;
    let pages = 1 + manual::visible().get_subcommands().count();
    let command = manual::visible().disable_help_subcommand(true);
    clap_mangen::generate_to(command, to).with_context(|| format!("cannot write to {shown}"))?;
    desk.screen
        .say(&format!("{pages} pages in {shown}; man {shown}/deminer.1\n"));
    Ok(Exit::Done)
}
