//! `deminer schema`

use deminer_engine::authored::Authored;

use super::Desk;
use crate::cli::{Schema, SchemaOf};
use crate::exit::Exit;

/// Prints the schema of what was named.
pub(crate) fn run(desk: &Desk, arguments: &Schema) -> Exit {
    let of = match arguments.of {
        SchemaOf::Playbook => Authored::Playbook,
        SchemaOf::Environment => Authored::Environment,
        SchemaOf::Test => Authored::Test,
    };
    desk.screen.json(&of.schema(&desk.registry));
    Exit::Done
}
