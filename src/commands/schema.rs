//! `deminer schema`

use deminer_engine::playbook;

use super::Desk;
use crate::exit::Exit;

/// Prints the schema of playbooks.
pub(crate) fn run(desk: &Desk) -> Exit {
    desk.screen.json(&playbook::schema(&desk.registry));
    Exit::Done
}
